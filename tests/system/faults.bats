#!/usr/bin/env bats
# Things that run out, are missing or fail in the middle of an apply: after each the lab is the old one or the new one.
load common
load storm

setup_file() { start_two_labs faults; }
teardown_file() { stop_twin; }
setup() { need_twin; }

# An apply of the second lab that may fail in whatever way; then the old state or the new one, and on from there.
apply_into_trouble() {
  status=0
  "$@" >"$BATS_TEST_TMPDIR/output" 2>&1 || status=$?
  echo "status $status: $(tail -n 1 "$BATS_TEST_TMPDIR/output")"
}

old_or_new() {
  twin recover
  if [ "$status" -eq 0 ]; then becomes "$B"; else becomes "$A"; fi
  twin apply -q "$lab_a"
  becomes "$A"
}

plan_b() { "$lanward" twin apply --name "$TWIN" -q "$lab_b"; }

# The twin's files are on a tmpfs: as large as what is in it, and a little more. Not by mount(8): it repeats the options
# that are there, and the user's own number among them means nobody in the twin.
limit_disk() {
  in_place @host python3 -c '
import ctypes, os, sys
used = os.statvfs("/run/lanward")
size = (used.f_blocks - used.f_bfree) * used.f_frsize + int(sys.argv[1]) * 1024
MS_NOSUID, MS_NODEV, MS_REMOUNT = 2, 4, 32
done = ctypes.CDLL(None, use_errno=True).mount(None, b"/run", None, MS_REMOUNT | MS_NOSUID | MS_NODEV, b"size=%d" % size)
sys.exit(os.strerror(ctypes.get_errno()) if done else 0)' "$1"
}

@test "the disk is full, at different moments" {
  failed=0
  for room in 4 16 48 96 128 192 320 512; do
    limit_disk "$room" || skip "the twin's tmpfs can't be made small here"
    apply_into_trouble plan_b
    limit_disk 65536
    [ "$status" -eq 0 ] || failed=$((failed + 1))
    old_or_new
  done
  [ "$failed" -gt 1 ]
}

@test "no file descriptors left, at different moments" {
  failed=0
  for limit in 8 12 16 20 24 28 32 40 48; do
    apply_into_trouble bash -c "ulimit -n $limit; exec \"\$@\"" - "$lanward" twin apply --name "$TWIN" -q "$lab_b"
    [ "$status" -eq 0 ] || failed=$((failed + 1))
    old_or_new
  done
  [ "$failed" -gt 1 ]
}

# with_program NAME SCRIPT: what stands in for a program, for lanward alone.
with_program() {
  mkdir -p "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\n%s\n' "$2" >"$BATS_TEST_TMPDIR/bin/$1"
  chmod +x "$BATS_TEST_TMPDIR/bin/$1"
  chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/bin"
}

with_stand_in() { PATH=$BATS_TEST_TMPDIR/bin:$PATH plan_b; }

@test "wg fails" {
  with_program wg 'case $1 in show) exec /usr/bin/wg "$@" ;; esac; exit 1'
  apply_into_trouble with_stand_in
  [ "$status" -ne 0 ]
  old_or_new
}

@test "wg fails half-way: after the first tunnel, and in the undo as well" {
  with_program wg 'case $1 in show) exec /usr/bin/wg "$@" ;; esac
count=$(cat /run/wg-count 2>/dev/null || echo 0); echo $((count + 1)) >/run/wg-count
[ "$count" -lt 1 ] && exec /usr/bin/wg "$@"; exit 1'
  apply_into_trouble with_stand_in
  [ "$status" -ne 0 ]
  in_place @host rm -f /run/wg-count
  old_or_new
}

@test "dnsmasq fails at its start" {
  with_program dnsmasq 'echo "no such option" >&2; exit 1'
  apply_into_trouble with_stand_in
  [ "$status" -ne 0 ]
  old_or_new
}

@test "dnsmasq hangs at its start" {
  with_program dnsmasq 'exec sleep 60'
  apply_into_trouble with_stand_in
  [ "$status" -ne 0 ]
  old_or_new
}

@test "wireguard-go fails at its start" {
  in_place @host sh -c 'pgrep wireguard-go' >/dev/null || skip "this kernel has WireGuard: no such program runs"
  with_program wireguard-go 'exit 1'
  apply_into_trouble with_stand_in
  [ "$status" -ne 0 ]
  old_or_new
}

@test "a program is missing" {
  for program in wg dnsmasq; do
    path=$(in_place @host sh -c "PATH=\$PATH:/usr/sbin:/sbin; command -v $program")
    in_place @host mount --bind /dev/null "$path"
    apply_into_trouble plan_b
    in_place @host umount "$path"
    [ "$status" -ne 0 ]
    grep -q "$program" "$BATS_TEST_TMPDIR/output"
    old_or_new
  done
}

@test "two applies at once: one after the other, and the lab is one of the two" {
  for round in 1 2 3; do
    "$lanward" twin apply --name "$TWIN" -q "$lab_b" 3>&- >"$BATS_TEST_TMPDIR/first" 2>&1 &
    first=$!
    "$lanward" twin apply --name "$TWIN" -q "$lab_a" 3>&- >"$BATS_TEST_TMPDIR/second" 2>&1 &
    second=$!
    wait "$first"
    wait "$second"
    one_of_them() { looks_like "$A" || looks_like "$B"; }
    within 5 one_of_them
    twin apply -q "$lab_a"
  done
  becomes "$A"
}

@test "Ctrl-C in the middle: put back, exit 4" {
  interrupted=0
  for delay in 0.1 0.2 0.25 0.3 0.35 0.4; do
    "$lanward" twin apply --name "$TWIN" -q "$lab_b" 3>&- >/dev/null 2>&1 &
    apply=$!
    sleep "$delay"
    kill -INT "$apply" 2>/dev/null || true
    status=0
    wait "$apply" || status=$?
    [ "$status" -ne 4 ] || interrupted=$((interrupted + 1))
    old_or_new
  done
  [ "$interrupted" -gt 0 ]
}

@test "a plan in a wrong order is refused before anything is touched, with the step, a packet and the rule" {
  before=$(observe)
  run env LANWARD_DISORDER=early "$faulty" twin apply --name "$TWIN" -q "$lab_b"
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output =~ step\ [0-9]+\ of\ [0-9]+ ]]
  [[ $output =~ ' -> '.*:\ 192\.168\.[0-9.]+\ -\>\ [0-9.]+ ]]
  grep -q "(rule .* in chain " <<<"$output"
  [ "$before" = "$(observe)" ]
  run env LANWARD_DISORDER=early "$faulty" twin plan --name "$TWIN" "$lab_b"
  [ "$status" -eq 1 ]
  not grep -q "^proved" <<<"$output"
  run twin plan "$lab_b"
  [ "$status" -eq 2 ]
  [[ $output =~ proved:\ none\ of\ the\ [0-9]+\ states ]]
}
