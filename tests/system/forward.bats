#!/usr/bin/env bats
# A forwarded port: the true source, and replies by the exit that the flow came in by.
load common

setup_file() { start_twin forward "$lab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

@test "ovpn's port 51413 arrives at the seedbox with its true source, by TCP and UDP" {
  within 10 pings seedbox 192.168.20.1
  public=$(seen_of seedbox)
  [ -n "$public" ]
  # The twin's stand-in machine answers on the ports that the file forwards to it.
  capture_at seedbox 4 "$BATS_TEST_TMPDIR/arrived"
  for proto in tcp udp; do
    reaches @internet "$proto/51413" "$public"
  done
  wait "$CAPTURE" || true
  for proto in tcp udp; do
    source=$(sed -n "s/.* in .* $proto \([0-9.]*\):[0-9]* 192\.168\.20\.5:51413 .*/\1/p" "$BATS_TEST_TMPDIR/arrived" | head -n 1)
    echo "$proto: seen from '$source'"
    [ -n "$source" ]
    owns @internet "$source"
  done
}

@test "its replies leave by ovpn and by nothing else" {
  public=$(seen_of seedbox)
  capture_at @home-router 6 "$BATS_TEST_TMPDIR/wan"
  wan=$CAPTURE
  capture_at @ovpn 6 "$BATS_TEST_TMPDIR/ovpn"
  reaches @internet tcp/51413 "$public"
  wait "$wan" "$CAPTURE" || true
  grep -E " wgs-ovpn in .* tcp [0-9.]+:51413 " "$BATS_TEST_TMPDIR/ovpn"
  not grep -F ':51413 ' "$BATS_TEST_TMPDIR/wan"
}

@test "the ports beside it, and the same port of other exits, stay shut" {
  public=$(seen_of seedbox)
  listen_at seedbox 30 tcp/51412 tcp/51414
  not reaches @internet tcp/51412 "$public"
  not reaches @internet tcp/51414 "$public"
  not reaches @internet tcp/51413 "$(seen_of roamer)"
  not reaches @internet tcp/51413 "$(seen_of gaming)"
}

@test "a machine of the segment does not reach it by the exit's address; the internet at large does" {
  public=$(seen_of seedbox)
  not reaches neighbour tcp/51413 "$public"
  reaches gaming tcp/51413 "$public"
}
