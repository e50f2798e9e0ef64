#!/usr/bin/env bats
# examples/homelab.yaml, as it is, on a machine that has all of the real ones together: NetworkManager keeps the uplink,
# libvirt runs guests (by QEMU's own emulation), Podman a container.
# Runs as root: skipped otherwise.
load common

setup_file() {
  export WORLD="machine-$$" WHY HOST
  WHY=$(why_not)
  [ -z "$WHY" ] || return 0
  HOST=$("$tools/host_world" start "$WORLD" --nm --libvirt --podman --address dhcp --owner "$PPID" --lanward "$lanward")
  on_host podman run -d --name indexer --stop-timeout 0 --network none localhost/box:1 /bin/sleep 100000 >/dev/null
  for name in $guests; do
    virsh start "$name" >/dev/null # on the bridge of whoever made them, where nobody gives them an address
  done
  picture >"$BATS_FILE_TMPDIR/before"
}

teardown_file() {
  [ -n "$WHY" ] || "$tools/host_world" stop "$WORLD"
}

setup() {
  [ -z "$WHY" ] || skip "$WHY"
}

why_not() {
  local nm
  nm=$(python3 -c "import sys; sys.path.insert(0, '$tools'); import networkmanager as n; print(n.available() or '')")
  echo "${nm:-$("$tools/libvirt_world.py" missing)$("$tools/podman_world" --lacking)}"
}

on_host() { nsenter -t "$HOST" -m -p -n -u -i --wd=/ -- "$@" </dev/null; }
host() { on_host "$lanward" "$@"; }
virsh() { on_host virsh -q -c qemu:///system "$@"; }
file=/etc/lanward/homelab.yaml
guests="gaming seedbox roamer" # those of the five that run

# Everything that the user had: profiles and their files, addresses, routes, links, tables, domains, networks, containers.
picture() {
  # shellcheck disable=SC2016 # the host's shell is to expand these
  # what NetworkManager makes up of links that are not its own (in /run) has another UUID each time
  on_host sh -c 'nmcli -g FILENAME,NAME,UUID,TYPE,AUTOCONNECT,ACTIVE,DEVICE connection show | grep ^/etc | sort
    cd /etc/NetworkManager/system-connections && for f in *; do echo "$f"; grep -v ^timestamp "$f"; done
    ip -4 -o address | sed "s/ valid_lft.*//"
    ip -o link | sed "s/^[0-9]*: //; s/@if[0-9]*//; s/ link.netnsid.*//" | sort
    ip route | sed "s/ metric .*//"; nft list ruleset; ls /run/netns
    for name in $(virsh -q list --all --name | sort); do
      virsh -q dumpxml --inactive "$name"; virsh -q domstate "$name"
      [ "$(virsh -q domstate "$name")" != running ] || virsh -q dumpxml "$name"
    done | grep -v "^  <metadata/>$"
    virsh -q net-list --all; podman inspect --format "{{json .HostConfig}} {{.State.Pid}}" indexer
    podman exec indexer /bin/ip -o link; podman exec indexer /bin/cat /etc/resolv.conf 2>&1 || true'
}

leased() { on_host grep -q "LEASE eth0 $2 " "/run/guests/$1.console"; }

# A guest pings the internet all the time: does it get answers?
talks() {
  on_host ip netns exec router conntrack -L -p icmp -s "$1" 2>/dev/null | grep -v UNREPLIED | grep -q "dst=$echo"
}

@test "homelab is applied while guests run, none of them restarted" {
  run host apply "$file" --no-wait
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"guests restarted: 0"* ]]
  host confirm -q
  on_host podman exec indexer /bin/ip -4 -o address show dev eth0 | grep -q 'inet 192.168.20.2'
  on_host nmcli -g GENERAL.STATE device show br0 | grep -q ^100
}

@test "verify: static and live agree, no violation, nothing untested" {
  run host verify
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *" 0 violations, 0 untested"* ]]
}

@test "three guests have their leases from the router, and reach the internet by their exits" {
  local echo
  echo=$(on_host getent ahostsv4 echo.test | awk 'NR == 1 { print $1 }')
  within 60 leased gaming 192.168.10.200
  within 30 leased seedbox 192.168.20.5
  within 30 leased roamer 192.168.30.200
  within 10 talks 192.168.10.200
  within 10 talks 192.168.20.5
  within 10 talks 192.168.30.200
}

@test "applied again, nothing is to do" {
  run host apply "$file"
  [ "$status" -eq 0 ]
  [[ $output == *"nothing to do"* ]]
}

@test "down gives it all back as it was: profile, address, domains live and at rest, container, tables" {
  host down -q
  diff "$BATS_FILE_TMPDIR/before" <(picture)
  on_host ping -q -c 1 -W 1 192.168.1.1 >/dev/null
}
