#!/usr/bin/env bats
# What somebody changed behind lanward's back: status tells it, plan offers the repair, apply repairs that and no more.
load common
load storm

setup_file() { start_two_labs drift; }
teardown_file() { stop_twin; }
setup() { need_twin; }

# broken TEXT KIND: status and plan speak of it, plan says 2, and apply makes exactly one change.
repaired_as() {
  not looks_like "$A"
  twin status | grep -q "$1"
  twin status --json | python3 -c '
import json, sys
drift = json.load(sys.stdin)["drift"]
assert [each["kind"] for each in drift] == [sys.argv[1]], drift' "$2"
  run twin plan "$lab_a"
  [ "$status" -eq 2 ]
  [[ $output == *"$1"* ]]
  run twin apply "$lab_a"
  [ "$status" -eq 0 ]
  [[ $output == *"applied, 1 change"* ]]
  becomes "$A"
  twin status | grep -q "all as the file says"
}

@test "a rule flushed" {
  in_router nft flush chain inet lanward forward
  repaired_as "ruleset lanward" ruleset
}

@test "an element added to what is allowed" {
  in_router nft add element inet lanward pairs '{ "green" . "wan" }'
  repaired_as "ruleset lanward" ruleset
}

@test "a table deleted" {
  in_place @host nft delete table bridge lanward_guard
  repaired_as "lanward_guard" ruleset
}

@test "a route gone" {
  in_place @host ip route delete 192.168.10.0/24
  repaired_as "192.168.10.0/24" route
}

@test "a blackhole behind an exit gone" {
  in_router ip route delete prohibit default table 19457 metric 4294967295
  repaired_as "19457" route
}

@test "a routing rule gone" {
  in_router ip rule delete priority 30000
  repaired_as "30000" rule
}

@test "a port off its bridge" {
  in_place @host ip link set lwm1 nomaster
  repaired_as "lwm1" link
}

@test "a link taken down" {
  in_place @host ip link set lwm3 down
  repaired_as "lwm3" link
}

@test "a sysctl changed" {
  in_router sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore'
  repaired_as "arp_ignore" sysctl
}

@test "a tunnel's peer changed" {
  in_router wg set wg-one peer "$(in_router wg show wg-one peers)" persistent-keepalive 7
  repaired_as "wg-one" tunnel
}

@test "a process dead: the twin puts it back by itself" {
  daemon() { in_place @host pgrep -f "^dnsmasq .*resolver-router-dns-local.conf"; }
  before=$(daemon)
  in_place @host kill -9 "$before"
  back() { now=$(daemon) && [ "$now" != "$before" ] && looks_like "$A"; }
  within 10 back
}

@test "a change that can be made live is made live: no process starts anew" {
  mkdir -p "$BATS_TEST_TMPDIR/lab"
  sed 's/stay: {cell: true, segment: red, address: .9}/stay: {cell: true, segment: red, address: .19}/' "$lab_a" \
    >"$BATS_TEST_TMPDIR/lab/lab.yaml"
  processes() { in_place @host sh -c 'ps -eo pid,lstart,args | grep -E "dnsmasq|wireguard-go|lanward-cell" | grep -v grep | sort'; }
  before=$(processes)
  twin plan "$BATS_TEST_TMPDIR/lab/lab.yaml" >"$BATS_TEST_TMPDIR/plan" || true
  grep -q "(live:" "$BATS_TEST_TMPDIR/plan"
  twin apply -q "$lab_a"
  in_router nft flush chain inet lanward forward
  in_place @host ip link set lwm1 nomaster
  twin apply -q "$lab_a"
  [ "$before" = "$(processes)" ]
  becomes "$A"
}
