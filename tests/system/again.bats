#!/usr/bin/env bats
# The same file twice, and the same lab in another order, change nothing.
load common

setup_file() { start_twin again "$homelab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

# What apply must not touch: every link with its index, every rule with its handle, every process with its start.
fingerprint() {
  in_place @host sh -c '
    ip -o link | sed "s/ state .*//"
    for ns in $(ip netns list | cut -d" " -f1); do
      echo "== $ns"
      ip -n "$ns" -o link | sed "s/ state .*//"
      ip netns exec "$ns" nft -a list ruleset | sed "s/counter packets [0-9]* bytes [0-9]*//"
      ip -n "$ns" rule
      ip -n "$ns" route show table all | sed "s/ expires .*//"
    done
    nft -a list ruleset | sed "s/counter packets [0-9]* bytes [0-9]*//"
    ps -eo pid,lstart,comm | grep -E "dnsmasq|wireguard-go|dhcpcd" | sort'
}

# The lab file with its segments and its tunnels in reverse order.
reordered() {
  python3 - "$homelab" "$1" <<'PYTHON'
import re
import sys

lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
out, at = [], 0
while at < len(lines):
    out.append(lines[at])
    section = lines[at].split("#")[0].strip()
    at += 1
    if section not in ("segments:", "tunnels:"):
        continue
    blocks = []
    while at < len(lines) and (not lines[at].strip() or lines[at].startswith(" ")):
        if re.match(r"  \S", lines[at]) or not blocks:
            blocks.append([])
        blocks[-1].append(lines[at])
        at += 1
    for block in reversed(blocks):
        out += block
open(sys.argv[2], "w", encoding="utf-8").write("\n".join(out))
PYTHON
}

@test "plan finds nothing to do: exit 0" {
  run twin plan "$homelab"
  [ "$status" -eq 0 ]
}

@test "the second apply changes nothing and says so" {
  before=$(fingerprint)
  run twin apply "$homelab"
  [ "$status" -eq 0 ]
  [[ ${output,,} == *nothing* ]]
  [ "$before" = "$(fingerprint)" ]
}

@test "segments and tunnels in another order: nothing changes either" {
  mkdir "$BATS_TEST_TMPDIR/reordered"
  cp -r "$root/examples/." "$BATS_TEST_TMPDIR/reordered/"
  other=$BATS_TEST_TMPDIR/reordered/homelab.yaml
  reordered "$other"
  not cmp -s "$homelab" "$other"
  before=$(fingerprint)
  run twin plan "$other"
  [ "$status" -eq 0 ]
  run twin apply "$other"
  [ "$status" -eq 0 ]
  [[ ${output,,} == *nothing* ]]
  [ "$before" = "$(fingerprint)" ]
}

@test "a change is found by plan (exit 2), done by apply, and done once" {
  mkdir "$BATS_TEST_TMPDIR/changed"
  cp -r "$root/examples/." "$BATS_TEST_TMPDIR/changed/"
  other=$BATS_TEST_TMPDIR/changed/homelab.yaml
  sed -i 's/host\/samba from \.1-\.50/host\/samba from .1-.20/' "$other"
  not cmp -s "$homelab" "$other"
  reaches vault tcp/445 "$host_address"
  run twin plan "$other"
  [ "$status" -eq 2 ]
  reaches vault tcp/445 "$host_address"
  twin apply "$other"
  not reaches vault tcp/445 "$host_address"
  run twin plan "$other"
  [ "$status" -eq 0 ]
  twin apply "$homelab"
  reaches vault tcp/445 "$host_address"
}

@test "a file that is wrong leaves the running lab alone" {
  printf 'lab: homelab\nhost: {uplink: eth0}\nsegments: {lan10: {subnet: 192.168.10.1/24}}\n' >"$BATS_TEST_TMPDIR/wrong.yaml"
  before=$(fingerprint)
  run twin apply "$BATS_TEST_TMPDIR/wrong.yaml"
  [ "$status" -eq 1 ]
  [[ $output == *wrong.yaml:3:* ]]
  [ "$before" = "$(fingerprint)" ]
}
