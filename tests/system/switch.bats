#!/usr/bin/env bats
# Switching an exit under load.
load common

setup_file() { start_twin switch "$lab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

echo_address() { in_place gaming getent ahostsv4 echo.test | awk '{ print $1; exit }'; }

@test "at most one packet of a 1 ms pinger is lost, and none goes by the old exit or WAN afterwards" {
  within 10 pings roamer 192.168.30.1
  echo_at=$(echo_address)
  capture_at @home-router 9 "$BATS_TEST_TMPDIR/wan"
  wan=$CAPTURE
  capture_at @se 9 "$BATS_TEST_TMPDIR/se"
  old=$CAPTURE
  tool roamer pinger "$echo_at" 7 6 3>&- >"$BATS_TEST_TMPDIR/pinger" 2>&1 &
  pinger=$!
  within 5 grep -q pinging "$BATS_TEST_TMPDIR/pinger"
  sleep 2
  twin switch lan30 de
  done_at=$(date +%s.%N)
  wait "$pinger" "$wan" "$old" || true
  cat "$BATS_TEST_TMPDIR/pinger"
  # What was on its way by the old exit when it was cut is lost: one packet, unless the machine is so busy that more are.
  read -r lost underway < <(sed -n 's/^sent .* lost \([0-9-]*\) underway \([0-9]*\)$/\1 \2/p' "$BATS_TEST_TMPDIR/pinger")
  [ "$lost" -le 1 ] || [ "$lost" -le "$underway" ]
  [ "$(grep -c '^seen' "$BATS_TEST_TMPDIR/pinger")" = 2 ]
  not grep -F " $echo_at:7 " "$BATS_TEST_TMPDIR/wan"
  awk -v at="$done_at" -v to="$echo_at:7" '$1 > at && index($0, to)' "$BATS_TEST_TMPDIR/se" >"$BATS_TEST_TMPDIR/late"
  cat "$BATS_TEST_TMPDIR/late"
  [ ! -s "$BATS_TEST_TMPDIR/late" ]
}

@test "the machine now leaves by de, and its questions go to de's resolver with no new lease" {
  seen=$(seen_of roamer)
  owns @de "$seen"
  owns @de "$(in_place roamer getent ahostsv4 resolver.test | awk '{ print $1; exit }')"
}

@test "an open TCP stream is cut at once on both ends that send" {
  twin switch lan30 se
  server=$(in_place @internet ip -4 -o address | awk '$2 != "lo" { sub("/.*", "", $4); print $4; exit }')
  tool @internet stream listen 9000 20 3>&- >"$BATS_TEST_TMPDIR/far" 2>&1 &
  far=$!
  within 5 grep -q listening "$BATS_TEST_TMPDIR/far"
  tool roamer stream connect "$server" 9000 20 3>&- >"$BATS_TEST_TMPDIR/near" 2>&1 &
  near=$!
  within 5 grep -q streaming "$BATS_TEST_TMPDIR/near"
  within 5 grep -q streaming "$BATS_TEST_TMPDIR/far"
  twin switch lan30 de
  at=$(date +%s.%N)
  wait "$near" "$far" || true
  cat "$BATS_TEST_TMPDIR/near" "$BATS_TEST_TMPDIR/far"
  for end in near far; do
    cut_at=$(sed -n 's/^\(reset\|closed\) \([0-9.]*\).*/\2/p' "$BATS_TEST_TMPDIR/$end")
    [ -n "$cut_at" ]
    awk -v cut="$cut_at" -v at="$at" 'BEGIN { exit !(cut < at + 1) }'
  done
}

@test "pinned ranges stay where they are" {
  owns @us "$(seen_of pinned-us)"
  owns @de "$(seen_of pinned-de)"
}

@test "status says so, an unrelated apply keeps it, an exit of no pool is refused" {
  twin status --json | grep -Eq '"de"'
  twin apply "$lab"
  owns @de "$(seen_of roamer)"
  run twin switch lan30 ovpn
  [ "$status" -eq 1 ]
  [[ $output == *ovpn* ]]
}
