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

# The twin's pid 1, as seen from here.
holder() {
  local space process
  space=$(in_place @host readlink /proc/1/ns/pid)
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/ns/pid" 2>/dev/null)" = "$space" ] || continue
    grep -q '^NSpid:.*[[:space:]]1$' "$process/status" && echo "${process#/proc/}"
  done
}

descendants() {
  local process
  for process in "$@"; do
    echo "$process"
    # shellcheck disable=SC2046 # a list of numbers
    descendants $(cat "/proc/$process/task/"*/children 2>/dev/null)
  done
}

# namespaces_of PROCESS…, one a line.
namespaces_of() {
  local links=("${@/#//proc/}")
  readlink "${links[@]/%//ns/net}" "${links[@]/%//ns/user}" "${links[@]/%//ns/mnt}" "${links[@]/%//ns/pid}" \
    2>/dev/null | sort -u
}

# The namespaces that the twin and everything in it are in, and this shell is not.
twin_namespaces() {
  # shellcheck disable=SC2046
  comm -23 <(namespaces_of $(descendants "$(holder)")) <(namespaces_of "$BASHPID")
}

# What is there besides processes: links of this namespace, listening abstract names, files.
objects() {
  ip -o link | cut -d: -f2
  grep -o "@lanward.*$TWIN.*" /proc/net/unix | sort -u || true
  for folder in "$HOME" "${XDG_RUNTIME_DIR:-/nonexistent}" /run/netns /run/lanward /var/lib/lanward; do
    find "$folder" -maxdepth 2 -name '*lanward*' 2>/dev/null || true
  done | sort -u
  ls /run/netns 2>/dev/null || true
}

# Nobody is in the twin's namespaces any more, and nothing else is left. Says what is, which bats shows.
all_gone() {
  local process here=()
  for process in /proc/[0-9]*; do
    here+=("${process#/proc/}")
  done
  diff <(comm -12 <(echo "$spaces") <(namespaces_of "${here[@]}")) /dev/null && diff <(echo "$before") <(objects)
}

@test "down leaves no process, namespace, link or file" {
  before=$(objects)
  twin apply "$homelab"
  spaces=$(twin_namespaces)
  [ "$(grep -c '^net:' <<<"$spaces")" -ge 12 ] # the host's, the router's, the world's, the cells'
  not all_gone
  twin down
  within 5 all_gone
  run twin status
  [ "$status" -eq 1 ]
}

@test "the holder killed: the same" {
  before=$(objects)
  twin apply "$homelab"
  spaces=$(twin_namespaces)
  kill -9 "$(holder)"
  within 10 all_gone
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
