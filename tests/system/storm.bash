# Two labs that differ in everything, and what a twin looks like in each: for tests of what lies between.
# shellcheck shell=bash

lab_a=$root/tests/system/storm/a.yaml
lab_b=$root/tests/system/storm/b.yaml
faulty=${LANWARD_FAULTY:-$root/build/tests/system/lanward-fault}

# All that the twin is made of, as the system tells it: two equal outputs are the same state.
observe() { tool @host observe; }

looks_like() { [ "$(observe)" = "$(cat "$1")" ]; }

# Daemons that the twin itself puts back take a moment.
becomes() {
  within 5 looks_like "$1" && return
  observe | diff "$1" - | cut -c1-300 | head -n 40
  return 1
}

# Starts the twin; leaves what it looks like in either lab in $A and $B, and the first lab in force.
start_two_labs() {
  start_twin "$1" "$lab_a"
  [ -z "$LACKING" ] || return 0
  export A=$BATS_FILE_TMPDIR/a B=$BATS_FILE_TMPDIR/b
  sleep 0.3
  observe >"$A"
  twin apply -q "$lab_b"
  sleep 0.3
  observe >"$B"
  twin apply -q "$lab_a"
  becomes "$A"
}
