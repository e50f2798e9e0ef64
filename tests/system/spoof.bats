#!/usr/bin/env bats
# A machine that lies: nothing of it passes, with ip_forward=1 on the host.
load common

setup_file() { start_twin spoof "$lab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

# watched PLACE PATTERN SCRIPT-ARGUMENT…: the rogue does it; nothing like the pattern shows at the place.
nothing_at() {
  local place=$1 pattern=$2
  shift 2
  capture_at "$place" 3 "$BATS_TEST_TMPDIR/capture"
  tool intruder rogue eth0 "$@"
  wait "$CAPTURE" || true
  not grep -E "$pattern" "$BATS_TEST_TMPDIR/capture"
}

something_at() {
  local place=$1 pattern=$2
  shift 2
  capture_at "$place" 3 "$BATS_TEST_TMPDIR/capture"
  tool intruder rogue eth0 "$@"
  wait "$CAPTURE" || true
  grep -E "$pattern" "$BATS_TEST_TMPDIR/capture"
}

mac_of() { in_place "$1" ip -o link show dev "$2" | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p'; }

@test "the host forwards, as hosts do" {
  [ "$(in_place @host sysctl -n net.ipv4.ip_forward)" = 1 ]
}

@test "the control: what is honest does pass" {
  something_at neighbour ' arp 192\.168\.20\.66 ' ask 192.168.20.66
  something_at @router ' lan20 in .* udp 192\.168\.20\.66:4444 ' ip 192.168.20.66 203.0.113.99 "$(in_router ip -o link show dev lan20 | sed -n 's/.*ether \([0-9a-f:]*\).*/\1/p')"
}

@test "another machine's address" {
  nothing_at neighbour ' 192\.168\.20\.5:4444 ' ip 192.168.20.5 192.168.20.67
  nothing_at @router ' 192\.168\.20\.5:4444 ' ip 192.168.20.5 203.0.113.99
  nothing_at neighbour ' arp 192\.168\.20\.5 ' arp 192.168.20.5
}

@test "another machine's address and MAC" {
  nothing_at @router ' 192\.168\.20\.5:4444 ' ip 192.168.20.5 203.0.113.99 ff:ff:ff:ff:ff:ff "$(mac_of seedbox eth0)"
}

@test "the gateway's address" {
  nothing_at neighbour ' arp 192\.168\.20\.1 ' arp 192.168.20.1
}

@test "another segment's address" {
  nothing_at @router ' 192\.168\.10\.31:4444 ' ip 192.168.10.31 203.0.113.99
  nothing_at neighbour ' 192\.168\.10\.31:4444 ' ip 192.168.10.31 192.168.20.67
}

@test "an address of nobody's" {
  nothing_at @router ' 192\.168\.20\.77:4444 ' ip 192.168.20.77 203.0.113.99
}

@test "the bridge's MAC as the next hop: nothing round the router" {
  bridge=$(mac_of @host virbr-lan20)
  [ -n "$bridge" ]
  nothing_at @home-router ' 192\.168\.20\.66:4444 | 203\.0\.113\.99:7 ' ip 192.168.20.66 203.0.113.99 "$bridge"
  nothing_at @host ' out .* 192\.168\.20\.66:4444 ' ip 192.168.20.66 192.168.10.31 "$bridge"
  nothing_at gaming ' 192\.168\.20\.66:4444 ' ip 192.168.20.66 192.168.10.31 "$bridge"
}

@test "a DHCP server" {
  nothing_at neighbour ' udp [0-9.]+:67 ' dhcp 192.168.20.66
}

@test "router advertisements" {
  nothing_at neighbour ' icmp6 ' ra
  nothing_at @router ' lan20 .* icmp6 ' ra
}

@test "drops names the machine and the line of the file" {
  timeout -s INT 4 "$lanward" twin drops --name "$TWIN" 3>&- >"$BATS_TEST_TMPDIR/drops" 2>&1 &
  drops=$!
  sleep 1
  tool intruder rogue eth0 ip 192.168.20.5 203.0.113.99
  not reaches gaming tcp/22 192.168.20.5
  wait "$drops" || true
  cat "$BATS_TEST_TMPDIR/drops"
  grep -F intruder "$BATS_TEST_TMPDIR/drops"
  grep -F gaming "$BATS_TEST_TMPDIR/drops"
  grep -E 'homelab\.yaml:[0-9]+' "$BATS_TEST_TMPDIR/drops"
}
