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
  [[ $output == *"config.xml.before, what was there"* && $output == *"Backups: Restore"* && $output == *"26.7"* ]]
  cmp "$root/tests/fixtures/opnsense/guide-mvc.xml" "$BATS_TEST_TMPDIR/config.xml.before"
  [ "$(stat -c %a "$BATS_TEST_TMPDIR/config.xml.before")" = 600 ]
  # what is only observed is not written for
  sed -i 's/kind: opnsense,/kind: opnsense, adopt: observe,/' "$lab"
  run "$lanward" opnsense "$lab" "$root/tests/fixtures/opnsense/guide-mvc.xml" -o "$BATS_TEST_TMPDIR/observed.xml"
  [ "$status" -eq 1 ]
  [[ $output == *"adopt: observe"* && ! -e $BATS_TEST_TMPDIR/observed.xml ]]
  sed -i 's/ adopt: observe,/ adopt: replace,/' "$lab"
  grep -q '<apikeys>testkey|\$6\$KZpO2alcxM3zfU1w' "$BATS_TEST_TMPDIR/config.xml"
  run "$lanward" audit --json "$BATS_TEST_TMPDIR/config.xml"
  [[ $output != *'"harm" : "high"'* && $output != *'"harm" : "medium"'* && $output == *findings* ]]
  run "$lanward" opnsense "$lab" /etc/hostname -o "$BATS_TEST_TMPDIR/none.xml"
  [ "$status" -eq 1 ]
  [ ! -e "$BATS_TEST_TMPDIR/none.xml" ]
}

@test "a lab on both routers: every cell of the matrix is equal, and nothing is left unexplained" {
  for name in homelab everything twelve exits multihomed; do
    file=$root/tests/golden/opnsense/$name.yaml
    [ "$name" = homelab ] && file=$root/examples/homelab.yaml
    [ "$name" = everything ] && file=$root/tests/golden/everything.yaml
    "$lanward" twin verify --static --json --config "$root/tests/golden/opnsense/$name.xml" "$file" >"$BATS_TEST_TMPDIR/$name.json"
    python3 - "$name" "$BATS_TEST_TMPDIR/$name.json" <<'PY'
import json, sys
report = json.load(open(sys.argv[2]))
routers = report["routers"]
print(sys.argv[1], routers["equal_cells"], "cells equal,", len(routers["differences"]), "differences, each explained")
assert report["violations"] == [], report["violations"]
assert routers["equal_cells"] > 300 and routers["different_cells"] == 0, routers
assert routers["unexplained"] == 0, routers
PY
  done
}

@test "verify by a config.xml: the lab's own is proved, a hole in it is a violation with its packet and rule" {
  "$lanward" opnsense "$lab" -q -o "$BATS_TEST_TMPDIR/config.xml"
  run "$lanward" verify --static --config "$BATS_TEST_TMPDIR/config.xml" "$lab"
  printf '%s\n' "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"0 violations"* && $output == *" cells of the matrix are equal, 0 are not"* && $output == *" 0 of them not explained"* ]]
  sed '0,/<destination_net>lanward_special/s//<destination_net>192.0.2.77/' "$BATS_TEST_TMPDIR/config.xml" >"$BATS_TEST_TMPDIR/holed.xml"
  run "$lanward" verify --static --config "$BATS_TEST_TMPDIR/holed.xml" "$lab"
  printf '%s\n' "$output"
  [ "$status" -eq 3 ]
  [[ $output == *"lan10 -> wan"*"passes, and must not (rule “lanward: lan10: egress of the rest”"* && $output == *"nothing explains it"* ]]
  run "$lanward" verify --static --config "$root/tests/fixtures/opnsense/guide-mvc.xml" "$lab"
  [ "$status" -eq 3 ]
  [[ $output == *"lan20 -> router"*"rule “local access to LAN20”"* ]]
}

@test "a config.xml imported: a lab's file that is right, keys of mode 600, nothing written over" {
  "$lanward" opnsense "$lab" -q -o "$BATS_TEST_TMPDIR/config.xml"
  mkdir "$BATS_TEST_TMPDIR/imported"
  run "$lanward" import --config "$BATS_TEST_TMPDIR/config.xml" -o "$BATS_TEST_TMPDIR/imported/lab.yaml"
  [[ $output == *"note: lan10: dns: 8.8.8.8 is all that the configuration names"* ]]
  printf '%s\n' "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"host.uplink"* ]]
  for name in ovpn se de us; do
    [ "$(stat -c %a "$BATS_TEST_TMPDIR/imported/wireguard/$name.conf")" = 600 ]
    grep -qF "$(cat "$BATS_TEST_TMPDIR/$name.private")" "$BATS_TEST_TMPDIR/imported/wireguard/$name.conf"
  done
  if grep -q PrivateKey "$BATS_TEST_TMPDIR/imported/lab.yaml"; then false; fi
  "$lanward" check "$BATS_TEST_TMPDIR/imported/lab.yaml"
  # there and back: the same router is right for it
  "$lanward" verify --static -q --config "$BATS_TEST_TMPDIR/config.xml" "$BATS_TEST_TMPDIR/imported/lab.yaml"
  run "$lanward" import --config "$BATS_TEST_TMPDIR/config.xml" -o "$BATS_TEST_TMPDIR/imported/lab.yaml"
  [ "$status" -eq 1 ]
  [[ $output == *"is there already"* ]]
}

teardown() {
  [ -z "${server:-}" ] || kill "$server"
}

@test "a router that is there is read by its API, its certificate pinned, and nothing is written to it" {
  command -v openssl >/dev/null || skip "openssl is missing"
  "$lanward" opnsense "$lab" -q -o "$BATS_TEST_TMPDIR/config.xml"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=router -keyout "$BATS_TEST_TMPDIR/tls.key" \
    -out "$BATS_TEST_TMPDIR/tls.pem" 2>/dev/null
  pin=$(openssl x509 -in "$BATS_TEST_TMPDIR/tls.pem" -noout -fingerprint -sha256 | cut -d= -f2)
  for version in 26.7.4 27.1; do
    rm -f "$BATS_TEST_TMPDIR/requests"
    coproc SERVER { exec python3 "$root/tests/tools/opnsense_api.py" "$BATS_TEST_TMPDIR/tls.pem" "$BATS_TEST_TMPDIR/tls.key" \
      "$BATS_TEST_TMPDIR/config.xml" "$version" "$BATS_TEST_TMPDIR/requests" 3>&-; }
    server=$SERVER_PID
    read -r port <&"${SERVER[0]}"
    sed -i "s|^router: .*|router: {kind: opnsense, adopt: observe, api: {url: \"https://127.0.0.1:$port\", key-file: api.key, certificate: \"$pin\"}}|" "$lab"
    run "$lanward" verify --static --config api "$lab"
    printf '%s\n' "$output"
    proved=$status
    sed -i "s|certificate: \"..|certificate: \"00|" "$lab"
    run "$lanward" verify --static --config api "$lab"
    kill "$server"
    wait "$server" || true
    server=
    [ "$proved" -eq 0 ]
    [ "$status" -eq 1 ]
    [[ $output == *"not the one that was pinned"* && $output != *very-secret* ]]
    [ "$(sort -u "$BATS_TEST_TMPDIR/requests")" = "$(printf 'GET /api/core/backup/download/this\nGET /api/core/firmware/info\nGET /api/interfaces/overview/interfaces_info')" ]
  done
}

# host_tree FOLDER IMPORTED.yaml: a tree that looks like the machine that the router runs on: a domain for each machine
# of the file (both of probe's reservations are one's), the router with a NIC for each of the configuration's, br0 on enp1s0.
host_tree() {
  python3 - "$@" <<'PY'
import os, re, sys
root, lab = sys.argv[1:]
def write(path, text):
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    open(root + path, "w").write(text)
def nic(network, mac):
    source = f"<source bridge='{network}'/>" if network.startswith("br") else f"<source network='{network}'/>"
    kind = "bridge" if network.startswith("br") else "network"
    return f"<interface type='{kind}'><mac address='{mac}'/>{source}</interface>"
domains = {"opnsense": [nic("br0", "52:54:00:99:00:00"), nic("br-admin", "52:54:00:99:00:01")]}
for number, name in enumerate(("lan10", "lan20", "lan30", "lan40", "lan50"), 2):
    domains["opnsense"].append(nic("isolated-" + name, f"52:54:00:99:00:{number:02}"))
    write(f"/etc/libvirt/qemu/networks/{name}.xml",
          f"<network><name>isolated-{name}</name><bridge name='wire{number}'/></network>")
for name, segment, mac in re.findall(r"^  (\S+): \{segment: (\w+).*mac: (\S+)\}", open(lab).read(), re.M):
    if name == "indexer":
        continue
    owner = {"probe-1": "probe", "gaming": "Gaming PC"}.get(name, name)
    domains.setdefault(owner, []).append(nic("isolated-" + segment, mac))
domains["newcomer"] = [nic("isolated-lan40", "52:54:00:99:01:00")]
domains["elsewhere"] = [nic("default", "52:54:00:99:01:01")]
for name, nics in domains.items():
    write(f"/etc/libvirt/qemu/{name}.xml",
          f"<domain><name>{name}</name><memory>1048576</memory><devices>{''.join(nics)}</devices></domain>")
for name, mac in (("enp1s0", "52:54:00:00:01:01"), ("br0", "52:54:00:00:01:01"), ("br-admin", "52:54:00:00:01:02")):
    write(f"/sys/class/net/{name}/address", mac + "\n")
for name in ("br0", "br-admin"):
    os.makedirs(root + f"/sys/class/net/{name}/bridge")
os.symlink("../br0", root + "/sys/class/net/enp1s0/master")
write("/sys/class/net/enp1s0/type", "1\n")
os.makedirs(root + "/sys/class/net/enp1s0/device")
write("/proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
      "br0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
PY
}

@test "a configuration and the machine that its router runs on become one file, which that configuration is proved to be" {
  "$lanward" opnsense "$lab" -q -o "$BATS_TEST_TMPDIR/config.xml"
  mkdir "$BATS_TEST_TMPDIR/alone" "$BATS_TEST_TMPDIR/joined"
  "$lanward" import -q --config "$BATS_TEST_TMPDIR/config.xml" -o "$BATS_TEST_TMPDIR/alone/lab.yaml"
  host_tree "$BATS_TEST_TMPDIR/tree" "$BATS_TEST_TMPDIR/alone/lab.yaml"
  run "$lanward" import --root "$BATS_TEST_TMPDIR/tree" --config "$BATS_TEST_TMPDIR/config.xml" \
    -o "$BATS_TEST_TMPDIR/joined/lab.yaml"
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"note: indexer: no domain and no container here is it"* && $output == *"elsewhere is left out"* ]]
  cat "$BATS_TEST_TMPDIR/joined/lab.yaml"
  run "$lanward" check --json "$BATS_TEST_TMPDIR/joined/lab.yaml"
  [ "$status" -eq 0 ]
  python3 - "$BATS_TEST_TMPDIR/joined/lab.yaml" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
def block(name, indent=2):
    return re.search(rf"^ {{{indent}}}{name}:\n((?: {{{indent + 2},}}.*\n|\n)*)", text, re.M).group(1)
assert "uplink: enp1s0" in text and "bridge: br-admin" in text
assert "containers: 172.16.0.0/12" in text          # the network's name
assert "bridge: wire3" in block("lan20") and "network: isolated-lan20" in block("lan20")
assert "vm: Gaming PC" in block("gaming")         # the reservation's name, the domain's object
assert block("probe").count("segment:") == 2 and "probe-1" not in text
assert "segment: lan40" in block("newcomer")
assert "to: seedbox" in text
assert "52:54:00:99:00" not in text                 # the router is no machine
PY
  [ "$(stat -c %a "$BATS_TEST_TMPDIR"/joined/wireguard/*.conf | sort -u)" = 600 ]
  run "$lanward" verify --static --config "$BATS_TEST_TMPDIR/config.xml" "$BATS_TEST_TMPDIR/joined/lab.yaml"
  echo "$output"
  [ "$status" -eq 0 ]
}
