#!/usr/bin/env bats
# A lab as an OPNsense's config.xml: needs neither root nor a twin.
load common

setup() {
  cp -r "$root/examples/." "$BATS_TEST_TMPDIR/"
  lab=$BATS_TEST_TMPDIR/homelab.yaml
  sed -i "s|^router: .*|router: {kind: opnsense, api: {url: https://192.168.99.1, key-file: api.key}}|" "$lab"
  mkdir -p "$BATS_TEST_TMPDIR/wireguard"
  umask 077
  printf 'key=testkey\nsecret=very-secret\n' >"$BATS_TEST_TMPDIR/api.key"
  n=1
  for name in ovpn se de us; do
    wg genkey >"$BATS_TEST_TMPDIR/$name.private"
    printf '[Interface]\nPrivateKey = %s\nAddress = 10.64.%d.2/32\nDNS = 10.64.%d.1\n[Peer]\nPublicKey = %s\nAllowedIPs = 0.0.0.0/0\nEndpoint = 198.51.100.%d:51820\n' \
      "$(cat "$BATS_TEST_TMPDIR/$name.private")" $n $n "$(wg genkey | wg pubkey)" $n >"$BATS_TEST_TMPDIR/wireguard/$name.conf"
    n=$((n + 1))
  done
  umask 022
}

@test "the config.xml has the tunnels' keys, mode 600, and the API key's hash but not its secret" {
  run "$lanward" opnsense "$lab" -o "$BATS_TEST_TMPDIR/config.xml"
  printf '%s\n' "$output"
  [ "$status" -eq 0 ]
  [ "$(stat -c %a "$BATS_TEST_TMPDIR/config.xml")" = 600 ]
  for name in ovpn se de us; do
    grep -qF "<privkey>$(cat "$BATS_TEST_TMPDIR/$name.private")</privkey>" "$BATS_TEST_TMPDIR/config.xml"
    grep -qF "<pubkey>$(wg pubkey <"$BATS_TEST_TMPDIR/$name.private")</pubkey>" "$BATS_TEST_TMPDIR/config.xml"
  done
  grep -q '<apikeys>testkey|\$6\$' "$BATS_TEST_TMPDIR/config.xml"
  if grep -q very-secret "$BATS_TEST_TMPDIR/config.xml"; then false; fi
}

@test "made again it is the same, and the audit finds no hole in it" {
  "$lanward" opnsense "$lab" -q -o "$BATS_TEST_TMPDIR/one.xml"
  "$lanward" opnsense "$lab" -q -o "$BATS_TEST_TMPDIR/two.xml"
  cmp "$BATS_TEST_TMPDIR/one.xml" "$BATS_TEST_TMPDIR/two.xml"
  "$lanward" audit --json "$BATS_TEST_TMPDIR/one.xml" >"$BATS_TEST_TMPDIR/audit.json" || true
  python3 - "$BATS_TEST_TMPDIR/audit.json" <<'PY'
import json, sys
audit = json.load(open(sys.argv[1]))
worse = [finding["title"] for finding in audit["findings"] if finding["harm"] != "low"]
assert not worse, worse
PY
}

@test "without -o nothing is written, and a key file that others may read is refused" {
  run "$lanward" opnsense "$lab"
  [ "$status" -eq 1 ]
  [[ $output != *PrivateKey* && $output != *"$(cat "$BATS_TEST_TMPDIR/se.private")"* ]]
  chmod 644 "$BATS_TEST_TMPDIR/api.key"
  run "$lanward" opnsense "$lab" -o "$BATS_TEST_TMPDIR/config.xml"
  [ "$status" -eq 1 ]
  [[ $output == *"api.key"* && $output != *very-secret* ]]
  [ ! -e "$BATS_TEST_TMPDIR/config.xml" ]
}

@test "put into a configuration that is there: what goes is named, its users stay, no hole is left" {
  run "$lanward" opnsense "$lab" "$root/tests/fixtures/opnsense/guide-mvc.xml" -o "$BATS_TEST_TMPDIR/config.xml"
  printf '%s\n' "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"goes:  opt1: local access to LAN10"* && $output == *"goes:  opt3: internet LAN30"* ]]
  grep -q '<apikeys>testkey|\$6\$KZpO2alcxM3zfU1w' "$BATS_TEST_TMPDIR/config.xml"
  run "$lanward" audit --json "$BATS_TEST_TMPDIR/config.xml"
  [[ $output != *'"harm" : "high"'* && $output != *'"harm" : "medium"'* && $output == *findings* ]]
  run "$lanward" opnsense "$lab" /etc/hostname -o "$BATS_TEST_TMPDIR/none.xml"
  [ "$status" -eq 1 ]
  [ ! -e "$BATS_TEST_TMPDIR/none.xml" ]
}
