#!/usr/bin/env bats
# Nothing is left of a twin, however it ends; several run side by side.
load common

setup_file() {
  export LACKING
  LACKING=$(lacking)
}
setup() {
  [ -z "$LACKING" ] || skip "$LACKING"
  export TWIN="test-clean-$$"
}
teardown() {
  twin down || true
  TWIN=$TWIN-b twin down || true
}

# Our processes' namespaces, the links of this namespace, listening abstract names, our files.
leftovers() {
  for process in /proc/[0-9]*; do
    [ "$(stat -c %u "$process" 2>/dev/null)" = "$(id -u)" ] || continue
    for space in net user mnt pid; do
      readlink "$process/ns/$space" 2>/dev/null || true
    done
  done | sort -u
  ip -o link | cut -d: -f2
  grep -o '@lanward.*' /proc/net/unix | sort -u || true
  for folder in "$HOME" "${XDG_RUNTIME_DIR:-/nonexistent}" /run/netns /run/lanward /var/lib/lanward; do
    find "$folder" -maxdepth 2 -name '*lanward*' 2>/dev/null || true
  done | sort -u
  ls /run/netns 2>/dev/null || true
}

holder() { in_place @host sh -c true && pgrep -u "$(id -u)" -f "lanward.*$TWIN" | head -n 1; }

@test "down leaves no process, namespace, link or file" {
  before=$(leftovers)
  twin apply "$homelab"
  not test "$before" = "$(leftovers)"
  twin down
  within 5 test "$before" = "$(leftovers)"
  run twin status
  [ "$status" -eq 1 ]
}

@test "the holder killed: the same" {
  before=$(leftovers)
  twin apply "$homelab"
  # The holder is pid 1 of the twin: its network namespace's init, seen from outside.
  namespace=$(in_place @host readlink /proc/1/ns/pid)
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/ns/pid" 2>/dev/null)" = "$namespace" ] || continue
    grep -q '^NSpid:.*[[:space:]]1$' "$process/status" && kill -9 "${process#/proc/}"
  done
  gone() { [ "$before" = "$(leftovers)" ]; }
  within 10 gone
  twin apply "$homelab"
}

@test "down of what does not run is no error" {
  twin down
}

@test "two twins side by side do not see each other" {
  twin apply "$homelab"
  TWIN=$TWIN-b twin apply "$homelab"
  twin switch lan30 de
  within 10 owns @de "$(seen_of roamer)"
  (TWIN=$TWIN-b && owns @se "$(seen_of roamer)")
  twin down
  (TWIN=$TWIN-b && within 10 pings seedbox 192.168.20.1)
}

@test "a name that no twin can have is refused" {
  for name in '' A 'a/b' '../x' 'a b' "$(printf 'a%.0s' $(seq 33))"; do
    run "$lanward" twin apply --name "$name" "$homelab"
    [ "$status" -eq 1 ]
  done
}
