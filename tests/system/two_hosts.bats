#!/usr/bin/env bats
# Two hosts side by side on one home LAN: the same file on both, then one of its own on the second. Each has its lease from
# the one home router, proves its own lab, and goes without a word to the other.
# Runs as root: skipped otherwise.

bats_require_minimum_version 1.5.0
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  export WORLD="two-$$"
  "$tools/host_world" start "$WORLD" --hosts 2 --owner "$PPID" --lanward "$lanward" >/dev/null
  for number in 1 2; do
    at "$number" tee "$file" <<<"$same" >/dev/null
  done
}

teardown_file() { [ -z "${WORLD:-}" ] || "$tools/host_world" stop "$WORLD"; }

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: the host target is tried in network, mount and pid namespaces that root makes"
}

# at NUMBER COMMAND…: on that host.
at() {
  local number=$1
  shift
  "$tools/host_world" exec "$WORLD/$number" -- "$@"
}
host() {
  local number=$1
  shift
  at "$number" "$lanward" "$@" </dev/null
}
file=/etc/lanward/two.yaml

same='lab: homelab
host: {uplink: enp1s0, services: {ping: icmp}}
segments:
  lan10: {subnet: 192.168.10.0/24, egress: direct, allow: [host/ping]}
  lan20: {subnet: 192.168.20.0/24, egress: direct, allow: [host/ping, "home-lan:tcp/8080"]}
machines:
  desk: {cell: true, segment: lan10, address: .5}
  caller: {cell: true, segment: lan20, address: .5}'
# what the second host has of its own: a machine that the home LAN reaches by a forward
other='lab: homelab
host: {uplink: enp1s0, services: {ping: icmp}}
segments:
  lan60: {subnet: 192.168.60.0/24, egress: direct, allow: [host/ping], forward: [{port: tcp/8080, to: web}]}
  lan70: {subnet: 192.168.70.0/24}
machines:
  web: {cell: true, segment: lan60, address: .5}
  vault: {cell: true, segment: lan70, address: .5}'

apply() { host "$1" apply -q "$file" --confirm 60s --no-wait && host "$1" confirm -q; }
wan() { at "$1" ip -n router -4 -o address show dev wan </dev/null | sed -n 's/.* inet \([0-9.]*\)\/.*/\1/p'; }
wan_mac() { at "$1" ip -n router -o link show dev wan </dev/null | sed -n 's/.*ether \([0-9a-f:]*\) .*/\1/p'; }
online() { [ -n "$(host "$1" exec "$2" -- curl -s --max-time 5 http://echo.test/)" ]; }
# opens NUMBER MACHINE ADDRESS PORT: whether a connection comes to be.
opens() { host "$1" exec "$2" -- timeout 2 socat -u /dev/null "TCP:$3:$4,connect-timeout=1" 2>/dev/null; }

@test "the same file on both: two routers on one home LAN, each with a MAC and a lease of its own" {
  apply 1 &
  apply 2
  wait "$!"
  echo "$(wan 1) $(wan_mac 1), $(wan 2) $(wan_mac 2)"
  [[ $(wan 1) == 192.168.1.* ]]
  [[ $(wan 2) == 192.168.1.* ]]
  [ "$(wan 1)" != "$(wan 2)" ]
  [ "$(wan_mac 1)" != "$(wan_mac 2)" ]
  online 1 desk
  online 2 desk
}

@test "another file on the second: both prove theirs, and what crosses is what the files say" {
  at 2 tee "$file" <<<"$other" >/dev/null
  apply 2
  host 1 verify -q &
  host 2 verify -q
  wait "$!"
  at 2 ip netns exec cell-web setsid socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:true </dev/null >/dev/null 2>&1 3>&- &
  within 10 opens 1 caller "$(wan 2)" 8080
  not opens 1 desk "$(wan 2)" 8080 # its file opens nothing of the home LAN
  # the other's segments are nobody's way: neither by its router nor by its host
  at 1 ip -n router route add 192.168.60.0/24 via "$(wan 2)" dev wan table 19457 </dev/null
  not opens 1 caller 192.168.60.5 8080
  not opens 1 desk 192.168.60.5 8080
  at 1 ip route add 192.168.60.0/24 via 192.168.1.21 </dev/null
  not at 1 timeout 2 socat -u /dev/null TCP:192.168.60.5:8080,connect-timeout=1 </dev/null
}

@test "down of one is not felt by the other" {
  local lease
  lease=$(wan 1)
  host 1 exec desk -- sh -c 'ping -q -c 30 -i 0.1 "$(getent ahostsv4 echo.test | cut -d" " -f1 | head -n 1)"' \
    >"$BATS_TEST_TMPDIR/pings" 3>&- &
  host 2 down -q 3>&-
  wait "$!" || true
  cat "$BATS_TEST_TMPDIR/pings"
  grep -q ' 0% packet loss' "$BATS_TEST_TMPDIR/pings"
  [ "$(wan 1)" = "$lease" ]
  run host 1 status
  echo "$output"
  [[ $output == *"as the file says"* ]]
  host 1 verify --static -q
}
