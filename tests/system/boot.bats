#!/usr/bin/env bats
# The units, and a power cut, on a machine that systemd boots: a Debian of its own in namespaces (tests/tools/systemd_root.py).
# That Debian is made by hand, once, since it takes a minute or two; without it this is skipped.
# Runs as root: skipped otherwise.
load common

setup_file() {
  export WORLD="boot-$$" WHY
  WHY=$("$tools/systemd_root.py" missing)
  [ -z "$WHY" ] || return 0
  "$tools/host_world" start "$WORLD" --systemd --owner "$PPID" --lanward "$lanward" >/dev/null
}

teardown_file() {
  [ -n "$WHY" ] || "$tools/host_world" stop "$WORLD"
}

setup() {
  [ -z "$WHY" ] || skip "$WHY"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }
host() { on_host lanward "$@"; }
power_cut() { "$tools/host_world" power-cut "$WORLD" >/dev/null; }
file=/etc/lanward/lab.yaml
other=/etc/lanward/other.yaml
nothing_failed() { [ -z "$(on_host systemctl --no-legend --plain list-units --failed)" ]; }

# When a unit was done with starting, in microseconds.
done_at() { on_host systemctl show --value -p "$2" "$1"; }

as_the_file_says() {
  run host status
  [[ $output == *"all as the file says"* ]]
}

@test "a machine without a lab boots, and its units do nothing" {
  nothing_failed
  [ "$(on_host systemctl is-enabled lanward lanward-block | tr '\n' ' ')" = "enabled enabled " ]
  [ "$(on_host systemctl is-active lanward)" = inactive ]
  [ -z "$(on_host cat /run/at-uplink)" ]
}

@test "after a power cut: closed before network-pre.target, and the lab is up again" {
  host apply -q "$file" --no-wait
  host confirm -q
  power_cut
  nothing_failed
  [ "$(done_at lanward-block ExecMainExitTimestampMonotonic)" -lt "$(done_at network-pre.target ActiveEnterTimestampMonotonic)" ]
  # what was in force when the machine's own network began, with ip_forward on
  [ "$(on_host cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
  local rules
  rules=$(on_host cat /run/at-uplink)
  [[ $rules == *"table inet lanward_guard"*"192.168.10.0/24, 192.168.20.0/24"*"chain forward"*"iifname @bridges"*drop* ]]
  [[ $rules == *"ip saddr @lab"*"drop"*"the lab leaves by its router alone"* ]]
  [[ $rules == *"table bridge lanward_guard"* ]]
  as_the_file_says
}

@test "both proofs agree then" {
  run host verify
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *" 0 violations, 0 untested"* ]]
}

@test "the power goes in the middle of an apply: boot says so, and the lab is the one before, whole" {
  on_host sh -c "sed '/^  lan50:/,/^    allow/d; /vault/d; /deny lan50/d; s/egress: ovpn/egress: se/' $file >$other"
  local phase
  for phase in 3 9; do
    run on_host env LANWARD_FAULT=kill:apply:$phase lanward-fault apply -q "$other" --no-wait
    [ "$status" -eq 137 ]
    power_cut
    nothing_failed
    on_host journalctl -b -u lanward -o cat | grep "apply of homelab, begun .* was cut short .* steps were undone"
    as_the_file_says
    [[ $output == *lan50* ]]
    [[ $(on_host cat /run/at-uplink) == *"table inet lanward_guard"* ]]
  done
}

@test "the power goes before somebody confirms: the lab before comes up" {
  host apply -q "$other" --confirm 60s --no-wait
  power_cut
  nothing_failed
  on_host journalctl -b -u lanward -o cat | grep "nobody confirmed"
  as_the_file_says
  [[ $output == *lan50* ]]
}

@test "the power goes after the end: the new lab comes up" {
  host apply -q "$other" --no-wait
  power_cut
  nothing_failed
  as_the_file_says
  [[ $output != *lan50* ]]
}

@test "what was applied in a login session outlives it, though logind kills what the session leaves" {
  host down -q
  # as logind makes a session's scope, and ends it with KillUserProcesses=yes
  on_host systemd-run --quiet --scope --slice=user.slice --unit=session-9.scope lanward apply -q "$file" --no-wait
  host confirm -q
  local daemons
  daemons=$(on_host pgrep -c 'dnsmasq|dhcpcd')
  [ "$daemons" -gt 0 ]
  on_host systemctl stop session-9.scope || true # it may be empty, and so gone
  [ "$(on_host pgrep -c 'dnsmasq|dhcpcd')" = "$daemons" ]
  as_the_file_says
  on_host systemctl --no-legend --plain list-units 'lanward-*.scope' | grep -q running
}
