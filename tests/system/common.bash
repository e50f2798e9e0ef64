# Helpers of the system tests. A file's twin is named after the file, is started in setup_file and taken down in
# teardown_file whatever happened in between.
# shellcheck shell=bash

root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
lanward=${LANWARD:-$root/build/lanward}
homelab=$root/examples/homelab.yaml
lab=$root/tests/system/lab.yaml
tools=$root/tests/tools
host_address=192.168.99.15
export PATH="$PATH:/usr/sbin:/sbin"

twin() {
  local verb=$1
  shift
  "$lanward" twin "$verb" --name "$TWIN" "$@"
}

# in_place PLACE COMMAND…: runs it in a machine, or @host, @router, @internet, @home-router, @TUNNEL.
in_place() {
  local place=$1
  shift
  twin exec "$place" -- "$@" </dev/null
}

in_router() { in_place @router "$@"; }

# tool PLACE SCRIPT ARGUMENT…: one of tests/tools, handed over as text since machines do not see all of our files.
tool() {
  local place=$1 script=$2
  shift 2
  in_place "$place" python3 -c "$(cat "$tools/$script.py")" "$@"
}

# Why a twin can't run here, or nothing.
lacking() {
  # A program that is not there is no reason to skip.
  [ -x "$lanward" ] || return 0
  "$lanward" twin probe >/dev/null 2>&1 || "$lanward" twin probe 2>&1 | tr '\n' ' '
}

start_twin() {
  export TWIN="${TWIN_PREFIX:-test}-$1-$$"
  export LACKING
  LACKING=$(lacking)
  [ -z "$LACKING" ] || return 0
  twin apply "$2"
}

need_twin() { [ -z "$LACKING" ] || skip "$LACKING"; }

stop_twin() { twin down || true; }

# The address that the internet sees of a machine.
seen_of() { in_place "$1" curl -s --max-time 5 http://echo.test/ | tr -d '[:space:]'; }

# Whether a place has an address of its own.
owns() { in_place "$1" ip -4 -o address | grep -Fq " $2/"; }

address_of() { in_place "$1" ip -4 -o address show dev eth0 | sed -n 's/.* inet \([0-9.]*\)\/.*/\1/p' | head -n 1; }

# within SECONDS COMMAND…: until it holds, or time is up.
within() {
  local end=$((SECONDS + $1))
  shift
  while ! "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

has_address_in() { [[ $(address_of "$1") == "$2"* ]]; }

# Opens listeners that answer with the address of whoever calls, for some seconds; returns when they listen.
listen_at() {
  local place=$1 seconds=$2
  shift 2
  tool "$place" listen "$seconds" "$@" 3>&- >"$BATS_TEST_TMPDIR/listen" 2>&1 &
  within 5 grep -q listening "$BATS_TEST_TMPDIR/listen"
  mv "$BATS_TEST_TMPDIR/listen" "$BATS_TEST_TMPDIR/listen-${place#@}"
}

# capture_at PLACE SECONDS FILE: every packet that passes there, one a line; returns when it sees them.
capture_at() {
  tool "$1" capture "$2" 3>&- >"$3" 2>&1 &
  CAPTURE=$!
  within 5 grep -q capturing "$3"
}

# reach PLACE PROTO/PORT ADDRESS: what answered, nothing when nothing did.
reach() { tool "$1" call "$2" "$3"; }

reaches() { [ -n "$(reach "$@")" ]; }

pings() { in_place "$1" ping -c 1 -W 1 "$2" >/dev/null; }

# none_passes "MACHINE WHAT ADDRESS"…: WHAT is PROTO/PORT or "ping". All at the same time, since what is dropped takes
# its time; says which of them got an answer.
none_passes() {
  local try tries=() answered=0
  for try in "$@"; do
    # shellcheck disable=SC2086 # three words
    (passes $try && echo "this should not have passed: $try" >&2) 3>&- &
    tries+=($!)
  done
  for try in "${tries[@]}"; do
    if wait "$try"; then
      answered=1
    fi
  done
  return "$answered"
}

passes() {
  if [ "$2" = ping ]; then
    pings "$1" "$3"
  else
    reaches "$@"
  fi
}

# not COMMAND…: bats takes no notice of a command that "!" turns round, except the last one of a test.
not() {
  if "$@"; then
    echo "this should have failed: $*" >&2
    return 1
  fi
}
