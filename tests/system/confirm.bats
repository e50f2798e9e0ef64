#!/usr/bin/env bats
# apply --confirm: kept when somebody says so in time, taken back when nobody does, whatever becomes of the command.
load common
load storm

setup_file() { start_two_labs confirm; }
teardown_file() { stop_twin; }
setup() { need_twin; }
# A test that fails leaves nothing to the next one.
teardown() {
  [ -z "$LACKING" ] || return 0
  [ -z "${APPLY:-}" ] || kill -9 "$APPLY" 2>/dev/null || true
  if twin status | grep -q "waits to be confirmed"; then twin rollback; fi
}

# Applies the second lab in the background; APPLY is its pid, its output is in $BATS_TEST_TMPDIR/apply.
apply_unconfirmed() {
  "$lanward" twin apply --name "$TWIN" "$lab_b" --confirm "$1" 3>&- >"$BATS_TEST_TMPDIR/apply" 2>&1 </dev/null &
  APPLY=$!
  within 20 grep -q "unless confirmed" "$BATS_TEST_TMPDIR/apply"
}

# The exit status that the background apply ends with, in $ended.
await_end() {
  ended=0
  wait "$APPLY" || ended=$?
}

generation() { twin status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["generation"])'; }

# Nothing but exec, which settles nothing: what happens happens by itself.
log_says() { in_place @host cat /run/lanward/confirm.log | grep -q "$1"; }

@test "confirmed in time by another command: it stays" {
  apply_unconfirmed 60s
  twin status | grep -q "waits to be confirmed"
  twin confirm
  await_end
  [ "$ended" -eq 0 ]
  becomes "$B"
  run twin confirm
  [ "$status" -eq 1 ]
  twin apply -q "$lab_a"
  becomes "$A"
}

@test "SIGUSR1 keeps it" {
  apply_unconfirmed 60s
  kill -USR1 "$APPLY"
  await_end
  [ "$ended" -eq 0 ]
  becomes "$B"
  twin apply -q "$lab_a"
}

@test "SIGINT takes it back at once: exit 4" {
  apply_unconfirmed 60s
  kill -INT "$APPLY"
  await_end
  [ "$ended" -eq 4 ]
  becomes "$A"
}

@test "nobody confirms: taken back when the time is over, exit 4" {
  apply_unconfirmed 3s
  becomes "$B"
  await_end
  [ "$ended" -eq 4 ]
  becomes "$A"
  twin status --history | grep -q "nobody confirmed"
}

@test "lanward killed at once after: taken back all the same, by itself" {
  in_place @host sh -c ': >/run/lanward/confirm.log'
  apply_unconfirmed 5s
  kill -9 "$APPLY"
  await_end
  becomes "$B"
  within 15 log_says "nobody confirmed"
  becomes "$A"
}

@test "the process that keeps the time killed as well: another one takes over" {
  apply_unconfirmed 8s
  kill -9 "$APPLY"
  await_end
  first=$(in_place @host cat /run/lanward/confirm.pid)
  in_place @host kill -9 "${first%% *}"
  in_place @host sh -c ': >/run/lanward/confirm.log'
  within 20 log_says "nobody confirmed"
  becomes "$A"
}

@test "the clock may jump: the time is CLOCK_BOOTTIME's" {
  apply_unconfirmed 60s
  timer=$(in_place @host cat /run/lanward/confirm.pid)
  # timerfd_create(2): clockid 7 is CLOCK_BOOTTIME, which no clock change moves
  clock() { in_place @host sh -c "grep -h clockid /proc/${timer%% *}/fdinfo/*" | grep -q '^clockid: 7$'; }
  within 10 clock
  twin rollback
  await_end
  [ "$ended" -eq 4 ]
  becomes "$A"
}

# A clock that a test can set, for lanward and all that it starts; boot time stays what it is.
with_clock() {
  LD_PRELOAD=$FAKETIME FAKETIME_TIMESTAMP_FILE=$BATS_TEST_TMPDIR/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 "$@"
}

@test "the clock jumps by hours, ahead and back, under the timer: it is over at its time" {
  FAKETIME=$(find /usr/lib/*/faketime -name libfaketime.so.1 2>/dev/null | head -n 1)
  [ -n "$FAKETIME" ] || skip "libfaketime is not installed"
  set_clock() { echo "$1" >"$BATS_TEST_TMPDIR/clock.new" && mv "$BATS_TEST_TMPDIR/clock.new" "$BATS_TEST_TMPDIR/clock"; }
  set_clock +0s
  in_place @host sh -c ': >/run/lanward/confirm.log'
  begun=$SECONDS
  with_clock "$lanward" twin apply --name "$TWIN" "$lab_b" --confirm 8s 3>&- >"$BATS_TEST_TMPDIR/apply" 2>&1 </dev/null &
  APPLY=$!
  within 20 grep -q "unless confirmed" "$BATS_TEST_TMPDIR/apply"
  timer=$(in_place @host cat /run/lanward/confirm.pid)
  in_place @host grep -q libfaketime "/proc/${timer%% *}/maps" # it lives by that clock
  set_clock +5h
  [ "$(($(with_clock date +%s) - $(date +%s)))" -gt 17000 ]
  sleep 2
  not log_says "nobody confirmed"
  twin status | grep -q "waits to be confirmed"
  set_clock -5h
  sleep 1
  set_clock +0s
  kill -9 "$APPLY"
  APPLY=
  within 20 log_says "nobody confirmed"
  [ $((SECONDS - begun)) -ge 8 ]
  becomes "$A"
}

@test "what waits to be confirmed is not covered by another apply" {
  apply_unconfirmed 60s
  run twin apply "$lab_a"
  [ "$status" -eq 1 ]
  [[ $output == *confirm* ]]
  becomes "$B"
  twin rollback
  await_end
  becomes "$A"
}

@test "--confirm of a file that changes nothing waits for nothing" {
  run twin apply "$lab_a" --confirm 60s
  [ "$status" -eq 0 ]
  [[ ${output,,} == *nothing* ]]
}

@test "a time that is none is refused before anything is touched" {
  for time in 0 5x -3s '' 9999999h; do
    run twin apply "$lab_b" --confirm "$time"
    [ "$status" -eq 1 ]
  done
  looks_like "$A"
}

@test "rollback to a generation by number, and to the one before" {
  first=$(generation)
  twin apply -q "$lab_b"
  twin apply -q "$lab_a"
  twin rollback "$((first + 1))"
  becomes "$B"
  twin rollback
  becomes "$A"
  run twin rollback 4000
  [ "$status" -eq 1 ]
  looks_like "$A"
}

@test "a rollback keeps machines in quarantine" {
  twin apply -q "$lab_b"
  twin cut worker
  twin rollback
  twin status | grep -q "worker.*cut off"
  twin heal worker
  becomes "$A"
}

@test "no more generations than ten are kept, nor WireGuard files of others" {
  mkdir -p "$BATS_TEST_TMPDIR/lab/wireguard"
  cp "$lab_a" "$BATS_TEST_TMPDIR/lab/lab.yaml"
  old=
  for number in 1 2 3 4 5 6 7 8 9 10 11 12; do
    printf '[Interface]\nPrivateKey = %s\nAddress = 10.64.0.2/32\n[Peer]\nPublicKey = %s\nEndpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0\n' \
      "$(wg genkey)" "$(wg genkey | wg pubkey)" >"$BATS_TEST_TMPDIR/lab/wireguard/one.conf"
    chmod 600 "$BATS_TEST_TMPDIR/lab/wireguard/one.conf"
    [ -n "$old" ] || old=$(sha256sum <"$BATS_TEST_TMPDIR/lab/wireguard/one.conf" | cut -d' ' -f1)
    twin apply -q "$BATS_TEST_TMPDIR/lab/lab.yaml"
    [ "$number" != 1 ] || in_place @host test -e "/run/lanward/generations/$old.conf"
  done
  [ "$(twin status --history | wc -l)" -eq 10 ]
  in_place @host sh -c 'ls -l /run/lanward/generations /run/lanward/secrets' >"$BATS_TEST_TMPDIR/ls"
  not in_place @host test -e "/run/lanward/generations/$old.conf"
  not grep -v '^-rw-------\|^total\|^/\|^$' "$BATS_TEST_TMPDIR/ls"
  twin rollback
}
