#!/usr/bin/env bats
# The proof, and that it can fail.
load common

setup_file() { start_twin verify "$lab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

field() { python3 -c "import json, sys; report = json.load(sys.stdin); print($1)"; }

@test "0 violations, exit 0, and the shape that others read" {
  twin verify --json >"$BATS_TEST_TMPDIR/report"
  python3 - "$BATS_TEST_TMPDIR/report" <<'PYTHON'
import json
import sys

report = json.load(open(sys.argv[1]))
assert report["format_version"] == "1.0", report["format_version"]
assert report["lab"] == "homelab" and report["target"] == "twin"
assert report["violations"] == []
verdicts = {"allow", "deny", "untested"}
assert len(report["cells"]) > 50
for cell in report["cells"]:
    assert cell["expect"] in {"allow", "deny"} and cell["live"] in verdicts and cell["static"] in verdicts, cell
    assert cell["live"] in (cell["expect"], "untested"), cell
    assert {"src", "dst", "proto", "dport"} <= set(cell["packet"]), cell
tested = {(cell["from"], cell["to"]) for cell in report["cells"] if cell["live"] != "untested"}
segments = ["lan10", "lan20", "lan30", "lan40", "lan50"]
for source in segments:
    for target in segments + ["host", "router", "internet", "home-lan"]:
        assert source == target or (source, target) in tested, (source, target)
exits = {(entry["segment"], entry["exit"]): entry for entry in report["exits"]}
assert all(entry["ok"] for entry in report["exits"])
for pair in [("lan10", "direct"), ("lan20", "ovpn"), ("lan30", "se"), ("lan30", "de"), ("lan30", "us"), ("lan40", "direct")]:
    assert pair in exits and exits[pair]["seen"], pair
PYTHON
}

@test "the matrix for people names every segment" {
  run twin verify
  [ "$status" -eq 0 ]
  for segment in lan10 lan20 lan30 lan40 lan50; do
    [[ $output == *$segment* ]]
  done
}

@test "a hole in the rules is found: exit 3, with the packet" {
  chains=$(in_router nft -a list table inet lanward)
  [[ $chains == *forward* ]]
  in_router nft insert rule inet lanward forward ip saddr 192.168.10.0/24 ip daddr 192.168.20.0/24 accept
  run twin verify --json
  [ "$status" -eq 3 ]
  [ "$(printf '%s' "$output" | field 'len(report["violations"]) > 0')" = True ]
  [[ $output == *lan20* ]]
}

@test "what is drift to verify is drift to apply: it is put right" {
  run twin plan "$lab"
  [ "$status" -eq 2 ]
  twin apply "$lab"
  twin verify
}

@test "a flow that should pass and does not is found too" {
  in_router nft insert rule inet lanward forward ip saddr 192.168.40.0/24 drop
  run twin verify --json
  [ "$status" -eq 3 ]
  twin apply "$lab"
}

@test "an assertion that the file breaks is found by plan, before anything is changed" {
  mkdir "$BATS_TEST_TMPDIR/broken"
  cp -r "$root/examples/." "$BATS_TEST_TMPDIR/broken/"
  other=$BATS_TEST_TMPDIR/broken/homelab.yaml
  sed -i 's/- deny lan10 -> lan20/- deny lan10 -> internet/' "$other"
  not cmp -s "$homelab" "$other"
  line=$(grep -n 'deny lan10' "$other" | cut -d: -f1)
  for verb in plan apply; do
    run twin "$verb" "$other"
    [ "$status" -eq 1 ]
    [[ $output == *"homelab.yaml:$line"* ]]
  done
}

@test "a lab of one segment that is allowed nothing but its way out" {
  cat >"$BATS_TEST_TMPDIR/one.yaml" <<-'LAB'
	lab: one
	host: {uplink: eth0, management: {subnet: 192.168.99.0/24, address: 192.168.99.15, router: 192.168.99.1}}
	router: {kind: builtin}
	segments:
	  lan10: {subnet: 192.168.10.0/24, dhcp: .200-.240, egress: direct}
	machines:
	  a: {cell: true, segment: lan10}
	LAB
  local TWIN=$TWIN-one
  twin apply "$BATS_TEST_TMPDIR/one.yaml"
  run twin verify
  twin down
  echo "$output"
  [ "$status" -eq 0 ]
}
