#!/usr/bin/env bats
# The user's file, changed for them: edit, move --persist; and back to it: apply --reset.
load common

setup_file() {
  export FILE="$BATS_FILE_TMPDIR/lab.yaml"
  cat >"$FILE" <<'END'
lab: edit
host: {uplink: enp1s0}
tunnels: {se: se.conf, de: de.conf}
segments:
  lan10: {subnet: 192.168.10.0/24, dhcp: .200-.240}
  lan20: {subnet: 192.168.20.0/24, dhcp: .200-.240, egress: [se, de]}
machines:
  # the one that is moved
  roamer: {cell: true, segment: lan10}   # stays here
  fixed: {cell: true, segment: lan20, address: .5}
END
  start_twin edit "$FILE"
  cp "$FILE" "$BATS_FILE_TMPDIR/first.yaml"
}
teardown_file() { stop_twin; }
setup() {
  need_twin
  draft="$BATS_FILE_TMPDIR/.edit-lab.yaml"
}

# edit_by PROGRAM ANSWERS ARGUMENT…: an editor that is a sed program; answers on stdin.
edit_by() {
  local program=$1 answers=$2
  shift 2
  VISUAL='' EDITOR="sed -i '$program'" "$lanward" twin edit --name "$TWIN" --no-wait "$FILE" "$@" <<<"$answers"
}

@test "move --persist writes that one word into the file, and nothing else" {
  twin move roamer lan20 --persist
  within 10 has_address_in roamer 192.168.20.
  run diff "$BATS_FILE_TMPDIR/first.yaml" "$FILE"
  [ "${#lines[@]}" -eq 4 ]
  grep -Fx '  roamer: {cell: true, segment: lan20}   # stays here' "$FILE"
  run twin apply "$FILE"
  [ "$status" -eq 0 ]
  [[ $output != *kept* ]]
}

@test "move --persist where the file would not be right: nothing is moved, nothing written" {
  before=$(cat "$FILE")
  sed -i 's/lan10:/lan11:/' "$FILE" # it went on since it was applied
  changed=$(cat "$FILE")
  run twin move roamer lan10 --persist
  [ "$status" -eq 1 ]
  [ "$(cat "$FILE")" = "$changed" ]
  has_address_in roamer 192.168.20.
  printf '%s\n' "$before" >"$FILE"
}

@test "apply --reset: machines and exits are where the file has them" {
  twin move roamer lan10
  twin switch lan20 de
  run twin apply "$FILE"
  [[ $output == *"kept: roamer"* && $output == *"kept: lan20 leaves by de"* ]]
  run twin plan "$FILE" --reset
  [ "$status" -eq 2 ]
  [[ $output == *"reset: roamer is in lan20 again"* ]]
  has_address_in roamer 192.168.10. # a plan changes nothing
  twin apply "$FILE" --reset
  within 10 has_address_in roamer 192.168.20.
  run twin apply "$FILE"
  [[ $output != *kept* ]]
}

@test "edit: what is not right is not saved" {
  before=$(cat "$FILE")
  run edit_by s/lan20,/lan77,/ x
  [[ $output == *"there is no segment"*"lan77"*"as it was"* ]]
  [ "$(cat "$FILE")" = "$before" ]
  [ ! -e "$draft" ]
  run edit_by s/lan20,/lan77,/ "" --yes
  [ "$status" -eq 1 ]
  [ "$(cat "$FILE")" = "$before" ]
}

@test "edit: the plan is shown; saved alone, or applied to be confirmed" {
  run edit_by 's/address: .5/address: .6/' s
  [ "$status" -eq 0 ]
  [[ $output == *"1 to change live"*"proved: "*saved* ]]
  grep -F 'address: .6' "$FILE"
  owns fixed 192.168.20.5
  run edit_by 's/address: .6/address: .7/' a
  [ "$status" -eq 0 ]
  [[ $output == *"unless confirmed"* ]]
  within 10 owns fixed 192.168.20.7
  twin confirm
  run edit_by 's/nothing/at all/' ""
  [ "$status" -eq 0 ]
  [[ $output == *"nothing was changed"* ]]
}

@test "edit: one who edits at a time, and an editor that fails changes nothing" {
  before=$(cat "$FILE")
  VISUAL='' EDITOR=false run "$lanward" twin edit --name "$TWIN" "$FILE"
  [ "$status" -eq 1 ]
  exec 9<"$FILE"
  flock 9
  run edit_by 's/.7/.8/' s
  exec 9<&-
  [ "$status" -eq 1 ]
  [[ $output == *"somebody else"* ]]
  [ "$(cat "$FILE")" = "$before" ]
}

@test "edit: what an editor left that was cut off can be continued" {
  sed 's/address: .7/address: .9/' "$FILE" >"$draft"
  run edit_by s/nothing// $'c\ns'
  [ "$status" -eq 0 ]
  grep -F 'address: .9' "$FILE"
  [ ! -e "$draft" ]
}
