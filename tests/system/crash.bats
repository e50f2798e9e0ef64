#!/usr/bin/env bats
# lanward killed, in every place that has a number (every third here) and at random: the old state or the new one, and no
# packet that neither allows. The long runs: tests/tools/fault_matrix.py and tests/tools/kill_storm.py.
load common

setup_file() {
  export LACKING
  LACKING=$(lacking)
}
setup() {
  need_twin
  export LANWARD=$lanward
}

@test "a failure or a kill before any step, in the undo and in the recovery (every third place)" {
  python3 "$tools/fault_matrix.py" "test-crash-$$" --every 3 --from b
}

@test "20 kills at random moments, with packets under way" {
  python3 "$tools/kill_storm.py" "test-storm-$$" 20
}

@test "the sampler of these storms sees a hole where there is one" {
  export TWIN="test-sampler-$$"
  twin apply -q "$root/tests/system/storm/a.yaml"
  sample() { sleep 4 | "$lanward" twin exec --name "$TWIN" @host -- python3 -c "$(cat "$tools/sampler.py")"; }
  sample 3>&- >"$BATS_TEST_TMPDIR/sample" 2>&1 &
  sampler=$!
  within 10 grep -q sampling "$BATS_TEST_TMPDIR/sample"
  in_router nft flush chain inet lanward forward
  in_router nft add chain inet lanward forward '{ policy accept; }'
  wait "$sampler"
  twin down
  grep -q "^BAD .*vault -> .* arrived at worker" "$BATS_TEST_TMPDIR/sample"
}

@test "recover says which way it went, and why" {
  export TWIN="test-recover-$$"
  twin apply -q "$root/tests/system/storm/a.yaml"
  run twin recover
  [ "$status" -eq 0 ]
  [[ $output == *"nothing was cut short"* ]]
  LANWARD_FAULT=kill:apply:9 "$root/build/tests/system/lanward-fault" twin apply --name "$TWIN" -q \
    "$root/tests/system/storm/b.yaml" || true
  run twin recover
  [ "$status" -eq 0 ]
  [[ $output == *"apply of storm, begun"*"10 steps were undone"* ]]
  run twin recover --json
  [[ $output == *'"nothing"'* ]]
  twin down
  run twin recover
  [ "$status" -eq 0 ]
}

@test "recover on the machine itself is root's, and says so" {
  run "$lanward" recover
  [ "$status" -eq 1 ]
  [[ $output == *"needs root"* ]]
}
