#!/usr/bin/env bats
# What explain says of docs/explain.md's ten flows stands there word for word, and what it says to change does what it
# says: each of its diffs is written into the file, as a reader would, and asked about again.

load common

answers=$BATS_FILE_TMPDIR/answers
page=$root/docs/explain.md

# of FLOW: where its answer is.
of() { echo "$answers/$(tr -c 'a-z0-9\n' _ <<<"$1")"; }

# explain FLOW: as somebody in the file's folder is told, of a twin that needs no name.
explain() (
  cd "$BATS_FILE_TMPDIR" && twin explain "$1" | sed "s/ --name $TWIN//"
)

apply() (
  cd "$BATS_FILE_TMPDIR" && twin apply "$1"
)

flows() { sed -n "s/^\$ lanward twin explain '\(.*\)'\$/\1/p" "$page"; }

setup_file() {
  cp "$homelab" "$BATS_FILE_TMPDIR/homelab.yaml"
  cd "$BATS_FILE_TMPDIR" && start_twin explain homelab.yaml
  [ -z "$LACKING" ] || return 0
  mkdir "$answers"
  while read -r flow; do
    explain "$flow" </dev/null >"$(of "$flow")"
  done < <(flows)
}
teardown_file() { stop_twin; }

setup() { need_twin; }

# The page as it should be: its own first lines, then each flow with its answer.
whole_page() {
  sed '/^```$/,$d' "$page"
  local first=1
  while read -r flow; do
    [ -n "$first" ] || echo
    first=
    printf '```\n$ lanward twin explain %s\n' "'$flow'"
    cat "$(of "$flow")"
    echo '```'
  done < <(flows)
}

@test "ten flows, as docs/explain.md has them" {
  [ "$(flows | wc -l)" -eq 10 ]
  whole_page >"$BATS_TEST_TMPDIR/page"
  [ -z "${LW_REGENERATE:-}" ] || cp "$BATS_TEST_TMPDIR/page" "$page"
  diff -u "$page" "$BATS_TEST_TMPDIR/page"
}

# verdict FILE: "passes" or "does not pass".
verdict() { sed -n '1s/.*: \(passes\|does not pass\).*/\1/p' "$1"; }

# turns FLOW ANSWER: each diff of the answer makes of the flow the opposite, and is right. Says how many there were.
turns() {
  local number=0 file=$BATS_FILE_TMPDIR/lab.yaml was after
  was=$(verdict "$2")
  [ -n "$was" ]
  while cp "$BATS_FILE_TMPDIR/homelab.yaml" "$file" &&
    python3 "$tools/apply_advice.py" "$file" $((number + 1)) <"$2"; do
    number=$((number + 1))
    if ! { "$lanward" twin check "$file" && apply lab.yaml && explain "$1"; } >"$BATS_TEST_TMPDIR/after" 2>&1; then
      cat "$BATS_TEST_TMPDIR/after"
      return 1
    fi
    after=$(verdict <(grep -- '-> .*pass' "$BATS_TEST_TMPDIR/after"))
    if [ -z "$after" ] || [ "$after" = "$was" ]; then
      cat "$BATS_TEST_TMPDIR/after"
      return 1
    fi
  done
  echo "$number"
}

@test "each change that explain shows for them does what it is shown for" {
  local count=0 all=0
  while read -r flow; do
    if ! count=$(turns "$flow" "$(of "$flow")" </dev/null); then
      echo "$flow: $count"
      return 1
    fi
    # all but the one that no line opens
    if [[ $flow == *'internet udp/53' ]]; then [ "$count" -eq 0 ]; else [ "$count" -ge 1 ]; fi
    all=$((all + count))
  done < <(flows)
  [ "$all" -eq 15 ]
}

@test "what goes with an answer of explain: asserts, pins, forwards, addresses" {
  apply homelab.yaml
  local flow
  for flow in 'lan40/builder -> host tcp/22' 'lan20/seedbox -> internet tcp/443' 'internet -> lan10/gaming udp/99' \
    'lan10/gaming -> lan10/probe tcp/22'; do
    explain "$flow" >"$(of "$flow")"
  done
  grep -qF 'asserts that it passes, and would refuse the change: it is deleted.' "$(of 'lan40/builder -> host tcp/22')"
  grep -q '^Its forwards go too' "$(of 'lan20/seedbox -> internet tcp/443')"
  grep -q '^A forward needs an address of gaming.s own' "$(of 'internet -> lan10/gaming udp/99')"
  [ "$(turns 'lan40/builder -> host tcp/22' "$(of 'lan40/builder -> host tcp/22')")" -eq 2 ]
  [ "$(turns 'lan20/seedbox -> internet tcp/443' "$(of 'lan20/seedbox -> internet tcp/443')")" -eq 1 ]
  [ "$(turns 'internet -> lan10/gaming udp/99' "$(of 'internet -> lan10/gaming udp/99')")" -eq 1 ]
  [ "$(turns 'lan10/gaming -> lan10/probe tcp/22' "$(of 'lan10/gaming -> lan10/probe tcp/22')")" -eq 1 ]
}

@test "a change and the one back leave the file as it was" {
  local file=$BATS_FILE_TMPDIR/lab.yaml flow='lan10/gaming -> host tcp/22'
  cp "$BATS_FILE_TMPDIR/homelab.yaml" "$file"
  python3 "$tools/apply_advice.py" "$file" 2 <"$(of "$flow")"
  apply lab.yaml
  explain "$flow" >"$BATS_TEST_TMPDIR/back"
  python3 "$tools/apply_advice.py" "$file" 2 <"$BATS_TEST_TMPDIR/back"
  cmp "$BATS_FILE_TMPDIR/homelab.yaml" "$file"
}

@test "a file that was changed since, and one that is another lab's by now" {
  local file=$BATS_FILE_TMPDIR/lab.yaml
  cp "$BATS_FILE_TMPDIR/homelab.yaml" "$file"
  apply lab.yaml
  sed -i 's|host/ping, host/samba\]|host/ping, host/samba, "host:tcp/22"]|' "$file"
  run explain 'lan10/gaming -> host tcp/22'
  grep -qF 'lab.yaml says otherwise by now.' <<<"$output"
  sed -i 's/^  lan20:/  lan21:/' "$file"
  run explain 'lan10/gaming -> host tcp/22'
  grep -qF 'To open it, add “host:tcp/22” to “allow:” of lan10. (That could not be tried on lab.yaml.)' <<<"$output"
}
