#!/usr/bin/env bats
# A tunnel's process dies: nothing of its segment leaves by WAN.
load common

setup_file() { start_twin killswitch "$lab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

process_of() { in_place @host pgrep -f "wireguard-go .*$1" | head -n 1; }

need_process() {
  [ -n "$(process_of wg-se)" ] || skip "the kernel's own WireGuard carries the tunnels: there is no process to kill"
}

@test "0 packets of its segment at the home router; traffic is back after the respawn" {
  need_process
  within 10 pings roamer 192.168.30.1
  echo_at=$(in_place gaming getent ahostsv4 echo.test | awk '{ print $1; exit }')
  tool roamer pinger "$echo_at" 7 14 3>&- >"$BATS_TEST_TMPDIR/pinger" 2>&1 &
  pinger=$!
  within 5 grep -q pinging "$BATS_TEST_TMPDIR/pinger"
  capture_at @home-router 14 "$BATS_TEST_TMPDIR/wan"
  wan=$CAPTURE
  for _ in 1 2 3; do
    in_place @host kill -9 "$(process_of wg-se)"
    sleep 2
  done
  wait "$pinger" "$wan" || true
  cat "$BATS_TEST_TMPDIR/pinger"
  not grep -E " $echo_at:| 192\.168\.30\." "$BATS_TEST_TMPDIR/wan"
  within 20 owns @se "$(seen_of roamer)"
}

@test "the other exits do not notice" {
  need_process
  in_place @host kill -9 "$(process_of wg-se)"
  owns @de "$(seen_of pinned-de)"
  owns @ovpn "$(seen_of seedbox)"
}

@test "lanward's own processes dead, the kill switch still holds" {
  need_process
  echo_at=$(in_place gaming getent ahostsv4 echo.test | awk '{ print $1; exit }')
  in_router ip link set wg-se down
  capture_at @home-router 4 "$BATS_TEST_TMPDIR/wan"
  reach roamer udp/7 "$echo_at" || true
  pings roamer "$echo_at" || true
  wait "$CAPTURE" || true
  not grep -E " $echo_at(:| )" "$BATS_TEST_TMPDIR/wan"
  in_router ip link set wg-se up
}
