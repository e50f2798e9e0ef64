#!/usr/bin/env bats
# The units, with a real systemd as process 1: a change of a host that was cut short is undone at boot.
# Runs as root
load common

setup_file() {
  [ "$(id -u)" = 0 ] && command -v systemd-analyze >/dev/null || return 0
  export WORLD="boot-$$"
  "$BATS_TEST_DIRNAME/../tools/host_world" start "$WORLD" --owner "$PPID" --lanward "$lanward" >/dev/null
}

teardown_file() {
  [ -z "${WORLD:-}" ] || "$BATS_TEST_DIRNAME/../tools/host_world" stop "$WORLD"
}

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: systemd is booted in namespaces that root makes"
  [ -n "${WORLD:-}" ] || skip "systemd is not installed"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }
apply_whole() { on_host "$lanward" apply -q "$1" --confirm 60s --no-wait && on_host "$lanward" confirm -q; }

# Killed in the middle of an apply, and everything that was started then with it: as the end of the power has it.
cut_short() {
  on_host unshare --pid --fork --kill-child --mount-proc sh -c 'LANWARD_FAULT=kill:apply:9 "$0" apply -q "$1" --no-wait; true' \
    "$root/build/tests/system/lanward-fault" "$1" 3>&- || true
}

value_of() { awk -v unit="Id=$2" -v name="$1" 'BEGIN { RS = "" } index($0, unit) { print }' "$BATS_TEST_TMPDIR/result" | sed -n "s/^$1=//p"; }

@test "after the end of the power in the middle of an apply: block before the network, then boot, and the lab is the old one" {
  apply_whole /etc/lanward/lab.yaml
  on_host sed 's/egress: .se, de, us./egress: [us, de, se]/; s/gaming:  {cell: true, segment: lan10}/gaming: {cell: true, segment: lan50}/' \
    /etc/lanward/lab.yaml >"$BATS_TEST_TMPDIR/other.yaml"
  "$tools/host_world" exec "$WORLD" -- tee /etc/lanward/other.yaml <"$BATS_TEST_TMPDIR/other.yaml" >/dev/null
  cut_short /etc/lanward/other.yaml
  on_host "$tools/boot.sh" "$lanward" /run/boot-result "lanward plan /etc/lanward/lab.yaml" \
    "$root/data/lanward-block.service" "$root/data/lanward.service" || on_host cat /run/boot-result.log
  on_host cat /run/boot-result >"$BATS_TEST_TMPDIR/result"
  cat "$BATS_TEST_TMPDIR/result"
  for unit in lanward-block.service lanward.service; do
    [ "$(value_of ConditionResult $unit)" = yes ]
    [ "$(value_of Result $unit)" = success ]
    [ "$(value_of ActiveState $unit)" = active ]
    [ "$(value_of ExecMainStatus $unit)" = 0 ]
  done
  [ "$(value_of ExecMainExitTimestampMonotonic lanward-block.service)" -le "$(value_of ActiveEnterTimestampMonotonic network-pre.target)" ]
  grep -q "nothing to do, it is already so" "$BATS_TEST_TMPDIR/result"
}
