#!/usr/bin/env bats
# Failures and kills on a machine with NetworkManager, libvirt with a guest that runs, and Podman: a few places at random.
# Every place: tests/tools/fault_matrix.py NAME --machine.
# Runs as root: skipped otherwise.
load common

setup() {
  local why
  why=$(python3 -c "import sys; sys.path.insert(0, '$tools'); import networkmanager as n; print(n.available() or '')")
  why=${why:-$("$tools/libvirt_world.py" missing)$("$tools/podman_world" --lacking)}
  [ -z "$why" ] || skip "$why"
  export LANWARD=$lanward
}

@test "a failure or a kill in an apply, its undo or its recovery: the lab before, and a guest's pings go on (3 places)" {
  python3 "$tools/fault_matrix.py" "matrix-$$" --machine --sample 3
}
