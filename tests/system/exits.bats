#!/usr/bin/env bats
# Every segment leaves by its own exit, as the far end sees it.
load common

setup_file() { start_twin exits "$lab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

# leaves_by MACHINE PLACE: the address that the internet sees is one of that place's.
leaves_by() {
  local seen
  seen=$(seen_of "$1")
  echo "$1 is seen as '$seen'"
  [ -n "$seen" ] && owns "$2" "$seen"
}

@test "lan10 and lan40 leave by the home line" {
  within 10 leaves_by gaming @home-router
  leaves_by builder @home-router
}

@test "what leaves by the home line has the router's WAN address" {
  wan=$(in_router ip -4 -o address show dev wan | sed -n 's/.* inet \([0-9.]*\)\/.*/\1/p')
  capture_at @home-router 4 "$BATS_TEST_TMPDIR/capture"
  seen_of gaming
  wait "$CAPTURE" || true
  grep -E " tcp $wan:[0-9]+ [0-9.]+:80 " "$BATS_TEST_TMPDIR/capture"
  not grep -E ' tcp 192\.168\.10\.[0-9]+:' "$BATS_TEST_TMPDIR/capture"
}

@test "lan20 leaves by ovpn" {
  within 10 leaves_by seedbox @ovpn
}

@test "lan30 leaves by se, its pinned ranges by de and us" {
  within 10 leaves_by roamer @se
  within 10 leaves_by pinned-de @de
  within 10 leaves_by pinned-us @us
}

@test "lan50 does not leave at all" {
  capture_at @home-router 5 "$BATS_TEST_TMPDIR/capture"
  echo_address=$(in_place gaming getent ahostsv4 echo.test | awk '{ print $1; exit }')
  [ -n "$echo_address" ]
  [ -z "$(seen_of vault)" ]
  not reaches vault udp/7 "$echo_address"
  not pings vault "$echo_address"
  not in_place vault getent ahostsv4 echo.test
  wait "$CAPTURE" || true
  not grep -F ' 192.168.50.' "$BATS_TEST_TMPDIR/capture"
}

@test "each segment's questions go to the resolver of its exit" {
  for pair in seedbox:@ovpn roamer:@se pinned-de:@de pinned-us:@us; do
    answer=$(in_place "${pair%:*}" getent ahostsv4 resolver.test | awk '{ print $1; exit }')
    echo "$pair asked '$answer'"
    owns "${pair#*:}" "$answer"
  done
}

@test "a question to a resolver of the machine's own choice goes nowhere else" {
  capture_at @home-router 5 "$BATS_TEST_TMPDIR/capture"
  in_place seedbox dig +tries=1 +time=1 @8.8.8.8 echo.test || true
  in_place seedbox dig +tcp +tries=1 +time=1 @8.8.8.8 echo.test || true
  not reaches seedbox tcp/853 8.8.8.8
  wait "$CAPTURE" || true
  not grep -E ' (8\.8\.8\.8|192\.168\.20\.[0-9]+):' "$BATS_TEST_TMPDIR/capture"
}
