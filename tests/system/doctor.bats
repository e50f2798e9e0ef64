#!/usr/bin/env bats
# Hosts that are broken in one way each: doctor finds that, and nothing else. What
# files alone tell is broken in trees: tests/unit/doctor.
# Runs as root: skipped otherwise.
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  export WORLD="doctor-$$"
  "$BATS_TEST_DIRNAME/../tools/host_world" start "$WORLD" --owner "$PPID" --lanward "$lanward" >/dev/null
}

teardown_file() {
  [ -z "${WORLD:-}" ] || "$BATS_TEST_DIRNAME/../tools/host_world" stop "$WORLD"
}

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: hosts are broken in network and mount namespaces that root makes"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }

# ids FILE: what it finds, without what this machine lacks for good.
ids() {
  on_host sh -c "PATH=$PATH \"\$1\" doctor --json /etc/lanward/$1 2>/dev/null" sh "$lanward" |
    python3 -c 'import json, sys; print(*(f["id"] for f in json.load(sys.stdin)["findings"] if f["id"] != "iommu-off"))'
}

# broken BY MENDED-BY ID [FILE]: found while it is so, and no more when it is mended; with a remedy.
broken() {
  local file=${4:-lab.yaml} found
  [ "$(ids "$file")" = "${5:-}" ]
  on_host sh -c "$1"
  found=$(ids "$file")
  remedy=$(on_host "$lanward" doctor "/etc/lanward/$file" 2>/dev/null | sed -n 's/^ *do: *//p')
  on_host sh -c "$2"
  echo "found: $found; to mend: $remedy"
  [ "$found" = "${5:+$5 }$3" ]
  [ -n "$remedy" ]
  [ "$(ids "$file")" = "${5:-}" ]
}

@test "a sound host: nothing is in the way" {
  run on_host "$lanward" doctor /etc/lanward/lab.yaml
  [ "$status" -eq 0 ]
  [ "$output" = "nothing is in the way" ]
}

@test "the uplink has another name" {
  broken 'ip link set enp1s0 down; ip link set enp1s0 name enp2s0' \
    'ip link set enp2s0 name enp1s0; ip link set enp1s0 up; ip route replace default via 192.168.1.1' uplink-missing
}

@test "the uplink is a port of somebody's bridge" {
  broken 'ip link add bridge0 type bridge; ip link set enp1s0 master bridge0' \
    'ip link set enp1s0 nomaster; ip link delete bridge0' uplink-enslaved
}

@test "a segment's bridge is there already, somebody else's" {
  broken 'ip link add virbr-lan30 type bridge' 'ip link delete virbr-lan30' name-clash
}

@test "a network namespace has the router's name" {
  broken 'ip netns add router' 'ip netns delete router' namespace-clash
}

@test "Docker's pool overlaps a segment" {
  broken 'ip link add docker0 type bridge; ip link set docker0 up; ip address add 192.168.10.1/20 dev docker0' \
    'ip link delete docker0' address-clash
}

@test "br_netfilter with a FORWARD chain that drops" {
  on_host test -e /proc/sys/net/bridge/bridge-nf-call-iptables || skip "this kernel has no br_netfilter loaded"
  broken 'sysctl -qw net.bridge.bridge-nf-call-iptables=1; nft add table ip filter; nft "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"' \
    'nft delete table ip filter; sysctl -qw net.bridge.bridge-nf-call-iptables=0' bridge-firewall
}

@test "the tunnels' packets are larger than the uplink takes" {
  broken 'ip link set enp1s0 mtu 1400' 'ip link set enp1s0 mtu 1500' "tunnel-mtu tunnel-mtu tunnel-mtu tunnel-mtu"
}

