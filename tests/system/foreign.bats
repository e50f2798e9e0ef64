#!/usr/bin/env bats
# What is not lanward's: tables, bridges, links, routes and processes of Docker's, libvirt's, firewalld's kind and of the
# user's own. Looked at before and after; a name in the way is an error before anything is touched.
load common
load storm

setup_file() {
  start_twin foreign "$lab_a"
  [ -z "$LACKING" ] || return 0
  command -v iptables-nft >/dev/null || return 0
  in_place @host sh -c "$neighbours"
}
teardown_file() { stop_twin; }
setup() { need_twin; }

# Docker as of 28 (its chains, its pool's bridge), a libvirt network, firewalld's table, something of the user's.
neighbours='
  set -e
  ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up
  for chain in DOCKER DOCKER-USER DOCKER-FORWARD DOCKER-CT DOCKER-BRIDGE; do iptables-nft -N $chain; done
  iptables-nft -A FORWARD -j DOCKER-USER; iptables-nft -A FORWARD -j DOCKER-FORWARD
  iptables-nft -A DOCKER-FORWARD -i docker0 -j ACCEPT
  iptables-nft -A DOCKER ! -i docker0 -o docker0 -j DROP
  iptables-nft -t nat -N DOCKER; iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
  iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
  ip link add virbr0 type bridge; ip address add 192.168.122.1/24 dev virbr0; ip link set virbr0 up
  ip link add vnet0 type veth peer name guest0; ip link set vnet0 master virbr0 up
  nft add table ip libvirt_network
  nft add chain ip libvirt_network forward "{ type filter hook forward priority 0; policy accept; }"
  nft add rule ip libvirt_network forward iifname virbr0 counter reject
  nft add table inet firewalld
  nft add chain inet firewalld filter_INPUT "{ type filter hook input priority 10; policy accept; }"
  nft add rule inet firewalld filter_INPUT ct state established,related accept
  nft add set inet firewalld trusted "{ type ipv4_addr; flags interval; elements = { 198.51.100.0/24 }; }"
  nft add table inet mine
  nft add chain inet mine c "{ type filter hook output priority 5; policy accept; }"
  nft add rule inet mine c counter
  ip route add 203.0.113.0/24 dev docker0; ip rule add from 172.17.0.0/16 table 172 priority 5000
  ip route add table 172 default dev docker0'

need_neighbours() { in_place @host nft list table ip filter >/dev/null 2>&1 || skip "iptables-nft is not installed"; }

# All that is theirs, with counters and handles: not even touched and put back.
theirs() {
  in_place @host sh -c '
    for table in "ip filter" "ip nat" "ip libvirt_network" "inet firewalld" "inet mine"; do nft -a list table $table; done |
      sed "s/counter packets [0-9]* bytes [0-9]*//"
    for link in docker0 virbr0 vnet0 guest0; do
      ip -o link show dev $link; ip -4 -o address show dev $link
    done
    ip route show table 172; ip route show 203.0.113.0/24; ip rule show priority 5000'
}

@test "applies, moves, a rollback and a kill leave what is not lanward's as it was" {
  need_neighbours
  before=$(theirs)
  unchanged() { [ "$before" = "$(theirs)" ] || { diff <(echo "$before") <(theirs); return 1; }; }
  twin apply -q "$lab_b"
  unchanged
  twin move mover white
  twin rollback
  LANWARD_FAULT=kill:apply:12 "$faulty" twin apply --name "$TWIN" -q "$lab_b" || true
  twin recover
  twin apply -q "$root/examples/small.yaml"
  unchanged
  twin apply -q "$lab_a"
  unchanged
}

@test "bridged frames that the host's own firewall drops are told of" {
  need_neighbours
  in_place @host sh -c 'test -e /proc/sys/net/bridge/bridge-nf-call-iptables' || skip "this kernel has no br_netfilter"
  in_place @host sh -c 'echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; iptables-nft -P FORWARD DROP'
  twin status | grep -q 'bridge-nf-call-iptables'
  twin status --json | python3 -c 'import json, sys; assert "FORWARD" in json.load(sys.stdin)["notes"][0]'
  twin apply "$lab_a" 2>&1 | grep -q 'bridge-nf-call-iptables'
  in_place @host sh -c 'iptables-nft -P FORWARD ACCEPT'
  not grep -q 'bridge-nf-call-iptables' <(twin status)
  in_place @host sh -c 'iptables-nft -P FORWARD DROP; echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables'
  not grep -q 'bridge-nf-call-iptables' <(twin status)
  in_place @host sh -c 'iptables-nft -P FORWARD ACCEPT'
}

@test "a link of somebody else's in the way: refused, and nothing was touched" {
  twin apply -q "$lab_a"
  in_place @host ip link add virbr-white type bridge
  before=$(observe)
  run twin apply "$lab_b"
  [ "$status" -eq 1 ]
  [[ $output == *virbr-white*"not lanward"* ]]
  [ "$before" = "$(observe)" ]
  in_place @host ip link show dev virbr-white
  in_place @host ip link delete virbr-white
}

@test "a table of somebody else's in the way: refused, and nothing was touched" {
  twin apply -q "$lab_a"
  in_router nft add table inet lanward_bound
  before=$(observe)
  run twin apply "$lab_b"
  [ "$status" -eq 1 ]
  [[ $output == *lanward_bound*"not ours"* ]]
  [ "$before" = "$(observe)" ]
  in_router nft delete table inet lanward_bound
}

@test "a namespace of somebody else's in the way: refused, and nothing was touched" {
  twin apply -q "$lab_a"
  in_place @host ip netns add cell-newcomer
  before=$(observe)
  run twin apply "$lab_b"
  [ "$status" -eq 1 ]
  [[ $output == *cell-newcomer*exists* ]]
  [ "$before" = "$(observe)" ]
  in_place @host ip netns delete cell-newcomer
}
