#!/usr/bin/env bats
# The audit of an OPNsense's config.xml: needs neither root nor a twin.
load common

guide=$root/tests/fixtures/opnsense/guide-legacy.xml

@test "the holes of the guide's configuration are found, each with a packet" {
  run "$lanward" audit "$guide"
  [ "$status" -eq 3 ]
  [[ $output == *"the router's web page is open to LAN10, LAN20, LAN30, LAN40 and LAN50"* ]]
  [[ $output == *"LAN10: tcp 192.168.10.2:50000 → 192.168.10.1:80"* ]]
  [[ $output == *"LAN10 reaches private addresses through WAN: "*"10.0.0.0/8 and 172.16.0.0/12"* ]]
  [[ $output == *"LAN20 leaves by WAN when VPN0_GW is gone"* ]]
  [[ $output == *"LAN30 leaves by WAN when VPN1_GW is gone"* ]]
  [[ $output != *PrivateKey* ]]
}

@test "as JSON: with a format version, and every finding of an open way with its packet" {
  run "$lanward" audit --json "$guide"
  [ "$status" -eq 3 ]
  python3 - "$output" <<'PY'
import json, sys
audit = json.loads(sys.argv[1])
assert audit["format_version"]
kinds = {finding["kind"] for finding in audit["findings"]}
assert {"web", "ssh", "private", "falls-back"} <= kinds, kinds
for finding in audit["findings"]:
    assert finding["packets"] or finding["kind"] == "never-matches", finding
    assert finding["rules"] and finding["remedy"], finding
cells = {(cell["from"], cell["to"]): cell for cell in audit["matrices"][0]["cells"]}
assert cells["LAN10", "internet"]["exits"] == ["WAN"]
assert cells["LAN50", "internet"]["open"] == "none"
PY
}

@test "the matrix as a picture that another program reads" {
  run "$lanward" audit -q -o "$BATS_TEST_TMPDIR/matrix.svg" "$guide"
  [ "$status" -eq 3 ]
  rsvg-convert -o "$BATS_TEST_TMPDIR/matrix.png" "$BATS_TEST_TMPDIR/matrix.svg"
  [ -s "$BATS_TEST_TMPDIR/matrix.png" ]
}

@test "a file that is none is refused, and nothing of it is quoted" {
  printf '<opnsense><user><password>hunter2</user>' >"$BATS_TEST_TMPDIR/broken.xml"
  run "$lanward" audit "$BATS_TEST_TMPDIR/broken.xml"
  [ "$status" -eq 1 ]
  [[ $output == *"broken.xml: line 1:"* && $output != *hunter2* ]]
  run "$lanward" audit "$BATS_TEST_TMPDIR/missing.xml"
  [ "$status" -eq 1 ]
  run "$lanward" audit
  [ "$status" -eq 1 ]
}

@test "what has no hole is said to have none, with status 0" {
  cat >"$BATS_TEST_TMPDIR/tight.xml" <<'XML'
<opnsense><system><webgui><protocol>https</protocol><interfaces>lan</interfaces></webgui></system>
<interfaces><wan><enable>1</enable><if>vtnet0</if><ipaddr>dhcp</ipaddr></wan>
<lan><enable>1</enable><if>vtnet1</if><ipaddr>192.168.99.1</ipaddr><subnet>24</subnet></lan></interfaces></opnsense>
XML
  run "$lanward" audit "$BATS_TEST_TMPDIR/tight.xml"
  [ "$status" -eq 0 ]
  [[ $output == *"nothing found"* ]]
}
