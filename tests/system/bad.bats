#!/usr/bin/env bats
# Wrong lab files (tests/system/bad-labs): exit 1, the right line and column, nothing made.
load common

setup_file() {
  export CASES=$BATS_FILE_TMPDIR/cases
  mkdir "$CASES"
  python3 "$tools/split_bad_labs.py" "$root/tests/system/bad-labs" "$CASES"
}

@test "there are at least 40 of them" {
  [ "$(find "$CASES" -name lab.yaml | wc -l)" -ge 40 ]
}

# check_all lanward-words…: every lab at its place, for its reason; where the twin is lenient, with "twin", by a warning.
check_all() {
  wrong=0
  for folder in "$CASES"/*/; do
    run "$lanward" "$@" check "$folder/lab.yaml"
    expected=$(cat "$folder/expected")
    place=${expected%% *}
    reason=${expected#* }
    [ "$*" = twin ] && [ -e "$folder/lenient" ] && refused=0 kind=warning || refused=1 kind=error
    if [ "$status" -ne "$refused" ] || ! grep -Fq "$place: $kind" <<<"$output" || ! grep -Eqi -- "$reason" <<<"$output"; then
      wrong=$((wrong + 1))
      printf '%s: expected "%s" with /%s/; got %s and:\n%s\n\n' \
        "$(basename "$folder")" "$place" "$reason" "$status" "$output"
    fi
  done
  [ "$wrong" -eq 0 ]
}

@test "each is refused at its place, for its reason" { check_all; }

@test "and in a twin, where missing WireGuard files are warnings" { check_all twin; }

@test "each is refused by the twin too (unless the twin is lenient there), and no twin is left" {
  for folder in "$CASES"/*/; do
    [ ! -e "$folder/lenient" ] || continue
    TWIN=test-bad-$$
    run twin apply "$folder/lab.yaml"
    [ "$status" -eq 1 ]
    run twin status
    [ "$status" -eq 1 ]
  done
  not grep -q "lanward/twin/$(id -u)/test-bad-$$" /proc/net/unix
}

@test "all errors of a file are told in one run" {
  printf 'lab: x\nhost: {uplink: eth0}\nsegments:\n  a: {subnet: 192.168.1.5/24, colour: red}\n  b: {subnet: 300.0.0.0/24, egress: nowhere}\n' \
    >"$BATS_TEST_TMPDIR/lab.yaml"
  run "$lanward" check "$BATS_TEST_TMPDIR/lab.yaml"
  [ "$status" -eq 1 ]
  for place in lab.yaml:4:15 lab.yaml:4:31 lab.yaml:5:15 lab.yaml:5:37; do
    [[ $output == *"$place"* ]]
  done
}
