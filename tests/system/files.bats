#!/usr/bin/env bats
# Lab files and WireGuard files as they come.
load common

setup() {
  cp -r "$root/examples/." "$BATS_TEST_TMPDIR/"
  file=$BATS_TEST_TMPDIR/homelab.yaml
}
teardown() { TWIN=test-files-$$ twin down || true; }

key() { head -c 32 /dev/urandom | base64; }

# A wg-quick file of mode 0600 with hooks and IPv6 lines in it.
write_conf() {
  mkdir -p "$BATS_TEST_TMPDIR/wireguard"
  (umask 077 && cat >"$BATS_TEST_TMPDIR/wireguard/$1.conf" <<CONF
[Interface]
PrivateKey = $2
Address = 10.64.0.${3:-2}/32, fd00::2/128
DNS = 10.64.0.1
PostUp = touch $BATS_TEST_TMPDIR/hook-ran

[Peer]
PublicKey = $(key)
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = exit.example.net:51820
CONF
  )
}

@test "the reference lab has no error" {
  run "$lanward" twin check "$file"
  printf '%s\n' "$output"
  [ "$status" -eq 0 ]
}

@test "a WireGuard file that is missing, or that others may read, is warned of at its line; its key is not shown" {
  secret=$(key)
  for name in se de us; do write_conf "$name" "$secret"; done
  chmod 0644 "$BATS_TEST_TMPDIR/wireguard/se.conf"
  rm -f "$BATS_TEST_TMPDIR/wireguard/ovpn.conf"
  run "$lanward" twin check "$file"
  [ "$status" -eq 0 ]
  line=$(grep -n 'ovpn.conf' "$file" | head -n 1 | cut -d: -f1)
  [[ $output == *"homelab.yaml:$line:"*warning*ovpn.conf* ]]
  [[ $output == *se.conf* ]]
  [[ $output != *"$secret"* ]]
}

@test "hooks are never run and named with their line; keys are never shown" {
  [ -z "$(lacking)" ] || skip "$(lacking)"
  secret=$(key)
  for name in ovpn se de us; do write_conf "$name" "$secret"; done
  TWIN=test-files-$$
  run twin apply "$file"
  printf '%s\n' "$output"
  [ "$status" -eq 0 ]
  [[ $output == *se.conf:5* ]]
  [[ $output == *PostUp* ]]
  [ ! -e "$BATS_TEST_TMPDIR/hook-ran" ]
  for verb in status plan verify; do
    run twin "$verb" --json
    [[ $output != *"$secret"* ]]
  done
  run in_place @host sh -c 'cat /proc/[0-9]*/cmdline | tr "\0" " "; ls -lR /run/lanward'
  [[ $output != *"$secret"* ]]
}

@test "diagram is an SVG document that a renderer takes" {
  "$lanward" diagram "$file" -o "$BATS_TEST_TMPDIR/lab.svg"
  command -v rsvg-convert >/dev/null || skip "rsvg-convert is not installed"
  rsvg-convert "$BATS_TEST_TMPDIR/lab.svg" -o "$BATS_TEST_TMPDIR/lab.png"
  [ -s "$BATS_TEST_TMPDIR/lab.png" ]
}

@test "a command line that makes no sense: exit 1, with what would" {
  for arguments in "" "frobnicate" "twin" "twin frobnicate" "check --frobnicate" "check /nonexistent.yaml"; do
    # shellcheck disable=SC2086
    run "$lanward" $arguments
    [ "$status" -eq 1 ]
    [ -n "$output" ]
  done
}

@test "help and version" {
  run "$lanward" --help
  [ "$status" -eq 0 ]
  [[ $output == *verify* ]]
  run "$lanward" --version
  [ "$status" -eq 0 ]
  [[ $output == *[0-9].[0-9]* ]]
}
