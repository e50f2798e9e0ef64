#!/usr/bin/env bats
# A lab that uses every key of the file: compiled, applied, and proved by packets.

load common.bash

setup_file() { start_twin everything "$BATS_TEST_DIRNAME/../golden/everything.yaml"; }

teardown_file() { stop_twin; }

@test "a lab that uses every key of the file has no violation" {
  need_twin
  run twin verify
  echo "$output"
  [ "$status" -eq 0 ]
  [[ "$output" == *" 0 violations, 0 untested"* ]]
}
