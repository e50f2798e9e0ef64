#!/usr/bin/env bats
# ./demo on a clean copy of the checkout, as an ordinary user.
load common

setup_file() {
  export LACKING NAME="test-demo-$$" COPY=$BATS_FILE_TMPDIR/copy
  LACKING=$(lacking)
  mkdir "$COPY"
  tar -C "$root" --exclude=.git --exclude='./build*' -cf - . | tar -C "$COPY" -xf -
}
teardown_file() { "$lanward" twin down --name "$NAME" || true; }
setup() { [ -z "$LACKING" ] || skip "$LACKING"; }

@test "ends 0 with the whole homelab up and 0 violations, and says what to type next" {
  run "$COPY/demo" "$NAME" </dev/null
  printf '%s\n' "$output"
  [ "$status" -eq 0 ]
  [[ $output == *lan50* ]]
  [[ $output == *"twin switch"* ]]
  "$COPY/build/lanward" twin verify --name "$NAME" --json | grep -Eq '"violations" *: *\[ *\]'
}

@test "a second run is quick and changes nothing" {
  start=$SECONDS
  run "$COPY/demo" "$NAME" </dev/null
  [ "$status" -eq 0 ]
  [ $((SECONDS - start)) -lt 60 ]
}

@test "what it says to type next works" {
  cd "$COPY"
  seen=$(build/lanward twin exec --name "$NAME" seedbox -- curl -s --max-time 5 http://echo.test/)
  [ -n "$seen" ]
  build/lanward twin switch --name "$NAME" lan30 de
  build/lanward twin move --name "$NAME" roamer lan10
  build/lanward twin diagram --name "$NAME" | head -n 2 | grep -q '<svg'
  build/lanward twin down --name "$NAME"
}
