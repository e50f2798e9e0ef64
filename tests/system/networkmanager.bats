#!/usr/bin/env bats
# The host target on a machine that NetworkManager keeps: a real one, with a home router and its DHCP server.
# Runs as root: skipped otherwise.
load common

setup_file() {
  export WORLD="nm-$$" NM_WHY HOST
  NM_WHY=$(why_not)
  [ -z "$NM_WHY" ] || return 0
  HOST=$("$tools/host_world" start "$WORLD" --nm --address dhcp --owner "$PPID" --lanward "$lanward")
}

teardown_file() {
  [ -n "$NM_WHY" ] || "$tools/host_world" stop "$WORLD"
}

why_not() { python3 -c "import sys; sys.path.insert(0, '$tools'); import networkmanager as n; print(n.available() or '')"; }

setup() {
  [ -z "$NM_WHY" ] || skip "$NM_WHY"
}

# as host_world's exec, which takes a Python to start: there are many
on_host() { nsenter -t "$HOST" -m -p -n -u -i --wd=/ -- "$@" </dev/null; }
host() { on_host "$lanward" "$@"; }
file=/etc/lanward/lab.yaml
sane() { on_host ping -q -c 1 -W 1 192.168.1.1 >/dev/null; }

# What NetworkManager has and does, its files, addresses and routes (whose metrics it numbers by who came first).
picture() {
  on_host sh -c "nmcli -g NAME,UUID,TYPE,AUTOCONNECT,ACTIVE,DEVICE connection show | sort
    cd /etc/NetworkManager/system-connections && for f in *; do echo \$f; grep -v ^timestamp \$f; done
    ip -4 -o address | sed 's/ valid_lft.*//'; ip -o link | sed 's/^[0-9]*: //; s/[@:].*//' | sort; ip route | sed 's/ metric .*//'"
}

as_before() { diff "$BATS_FILE_TMPDIR/before" <(picture) >/dev/null; }

# pings OUT COMMAND…: a ping with a number to send, beside what comes next; pinged waits for it.
pings() {
  local out=$1
  shift
  "$@" >"$out" 2>&1 3>&- &
  pinger=$!
  sleep 0.3
}
pinged() { wait "$pinger"; }
lost() { sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$1" | { read -r sent got; echo $((sent - got)); }; }

@test "homelab is applied: br0 has the uplink's address, MAC and client-id, by profiles that come at boot" {
  address=$(on_host ip -4 -o address show enp1s0 | awk '{print $4}')
  picture >"$BATS_FILE_TMPDIR/before"
  host apply -q "$file" --no-wait
  host confirm -q
  [ "$(on_host ip -4 -o address show br0 | awk '{print $4}')" = "$address" ]
  [ -z "$(on_host ip -4 -o address show enp1s0)" ]
  [ "$(on_host cat /sys/class/net/br0/address)" = 52:54:00:00:01:01 ]
  sane
  [ "$(on_host nmcli -g ipv4.dhcp-client-id connection show lanward-br0 | tr -d '\134')" = 01:52:54:00:00:01:01 ]
  for name in lanward-br0 lanward-enp1s0 lanward-br-mgmt; do
    [ "$(on_host nmcli -g connection.autoconnect connection show $name)" = yes ]
    on_host test -f "/etc/NetworkManager/system-connections/$name.nmconnection"
  done
  [ "$(on_host nmcli -g connection.autoconnect-priority connection show lanward-enp1s0)" = 100 ]
  run host apply "$file"
  [[ $output == *"nothing to do"* ]]
  run host plan "$file"
  [ "$status" -eq 0 ]
}

@test "what the host has in force is what the file says" {
  run host verify --static
  echo "$output" | tail -n 20
  [ "$status" -eq 0 ]
}

@test "a change by hand is told by status, and put right without taking a port off" {
  on_host sh -c 'nmcli connection modify lanward-br-mgmt -ipv4.routes "192.168.50.0/24 192.168.99.1"'
  run host status
  [[ $output == *"lanward-br-mgmt"* ]]
  before=$(on_host bridge link show)
  pings "$BATS_TEST_TMPDIR/p" on_host ping -q -c 250 -i 0.01 192.168.99.1
  host apply -q "$file" --no-wait
  pinged
  [ "$(lost "$BATS_TEST_TMPDIR/p")" -eq 0 ]
  [ "$before" = "$(on_host bridge link show)" ]
  run host plan "$file"
  [ "$status" -eq 0 ]
}

@test "ports that a connect takes off br-mgmt are put back by watch" {
  on_host sh -c "exec setsid '$lanward' watch >/run/watch.log 2>&1 &"
  sleep 1
  on_host nmcli connection up lanward-br-mgmt >/dev/null
  told() { on_host grep -q "put back: lw-mgmt on br-mgmt" /run/watch.log; }
  within 5 told
  on_host ip link show master br-mgmt | grep -q lw-mgmt
  on_host ping -q -c 1 -W 1 192.168.99.1 >/dev/null
  on_host sh -c 'kill $(pidof lanward)'
}

@test "NetworkManager is killed and started again while machines talk: nothing they use is interrupted" {
  pings "$BATS_TEST_TMPDIR/p" host exec gaming -- ping -q -c 150 -i 0.02 192.168.10.1
  pid=$(on_host pidof NetworkManager)
  on_host kill -KILL "$pid"
  sleep 0.3
  on_host sh -c 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/nm-test/bus setsid /usr/sbin/NetworkManager >/dev/null 2>&1'
  again() { on_host nmcli -g GENERAL.STATE device show br0 2>/dev/null | grep -q ^100; }
  within 10 again
  pinged
  [ "$(lost "$BATS_TEST_TMPDIR/p")" -eq 0 ]
  sane
  run host plan "$file"
  [ "$status" -eq 0 ]
}

@test "down gives the host back as it was: the user's profile, the address, the files" {
  host down
  diff "$BATS_FILE_TMPDIR/before" <(picture)
  sane
}

@test "a first apply that nobody confirms is taken back by itself" {
  host apply -q "$file" --confirm 1s --no-wait
  within 20 as_before
  sane
}

@test "NetworkManager dies in the middle of it: the uplink comes back when it does" {
  on_host sh -c 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/nm-test/bus; export DBUS_SYSTEM_BUS_ADDRESS
    (while ! ip link show br0 >/dev/null 2>&1; do sleep 0.01; done
     kill -KILL $(pidof NetworkManager); sleep 1
     exec setsid /usr/sbin/NetworkManager) >/dev/null 2>&1 &'
  run host apply -q "$file" --no-wait
  [ "$status" -ne 0 ]
  run host recover
  echo "$output"
  within 10 sane
  within 10 as_before || { diff "$BATS_FILE_TMPDIR/before" <(picture); false; }
}
