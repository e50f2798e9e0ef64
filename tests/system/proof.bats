#!/usr/bin/env bats
# What is changed by hand under a running lab is found by what is in force alone, with a right packet, and a packet
# shows that it is real.

load common

setup_file() { start_twin proof "$homelab"; }
teardown_file() { stop_twin; }

setup() {
  need_twin
  twin apply "$homelab"
}

# found PATTERN: the static half alone has a violation like that.
found() {
  run twin verify --static
  [ "$status" -eq 3 ]
  echo "$output" | grep -E "$1"
}

# real PATTERN: and so have packets alone.
real() {
  run twin verify --live
  [ "$status" -eq 3 ]
  echo "$output" | grep -E "$1"
}

@test "as applied, both halves find nothing and agree" {
  run twin verify
  echo "$output"
  [ "$status" -eq 0 ]
  grep -q '^4 tunnels lost, one after the other, in a copy of the router' <<<"$output"
  grep -qE '^[0-9]{3} open flows led to an exit that is not theirs' <<<"$output"
  grep -qE '^[0-9]{2,} ICMP errors sent, of open flows and of none' <<<"$output"
  grep -q '^not tried: .*lan30 -> internet (' <<<"$output"
}

@test "an accept from lan50 to wan" {
  in_router nft insert rule inet lanward forward iifname lan50 oifname wan accept
  found '✗ lan50 -> wan: 192\.168\.50\.25 -> 192\.168\.1\.[0-9]+ .*must not'
  real '✗ lan50 .* -> home-lan .*must not pass, but arrived'
}

@test "a port of lan10 in lan20's bridge" {
  in_place @host ip link set lwm1 master virbr-lan20
  found '✗ lan10/gaming -> lan20: 192\.168\.10\.200 -> 192\.168\.20\..*must not'
  real '✗ lan10 .*must pass, but did not arrive'
  grep -E '✗ lan10 \(192\.168\.10\.200\) -> lan20/.*must not pass, but arrived at cell-' <<<"$output"
}

@test "no masquerade" {
  in_router nft flush chain inet lanward snat_
  found '✗ lan20 -> internet/ovpn: 192\.168\.20\..*leaves under an address that is not its exit'
  real '✗ lan10 .*must pass under its exit.s address, but came to home-router under its own'
}

@test "an element in the set of allowed services" {
  in_router nft add element inet lanward allowed '{ "lan50" . 192.168.50.25 . 192.168.99.15 . tcp . 22 }'
  found '✗ lan50 -> host: 192\.168\.50\.25 -> 192\.168\.99\.15 tcp/22: passes, and must not'
  real '✗ lan50 .* -> host 192\.168\.99\.15 .*tcp/22: must not pass, but arrived'
}

@test "IPv6 opened from lan10 to lan20" {
  in_router sh -c 'for i in all default lan10 lan20; do echo 0 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    ip -6 address add fd00:10::1/64 dev lan10 && ip -6 address add fd00:20::1/64 dev lan20'
  in_router nft delete rule inet lanward mark_ handle \
    "$(in_router nft -a list chain inet lanward mark_ | sed -n 's/.*IPv6 is closed.* handle \([0-9]*\).*/\1/p')"
  in_router nft insert rule inet lanward forward meta nfproto ipv6 accept
  found '✗ lan10 -> lan20: [0-9a-f:]+ -> fd00:20:.*passes, and must not'
  real '✗ lan10 \([0-9a-f:]+\) -> lan20/seedbox fd00:20::[0-9a-f]+ .*must not pass, but arrived at cell-seedbox'
}

@test "lan30 without its route that refuses" {
  table=$(in_router ip rule | sed -n 's/.*fwmark 0x4c03 lookup \([0-9]*\).*/\1/p')
  in_router ip route del prohibit default table "$table" metric 4294967295
  found "not as compiled: route 0\.0\.0\.0/0 in table $table in router: it is missing"
  found 'lan30 -> internet/se: 192\.168\.30\.[0-9]+ -> .*refused by no route of its exit when the tunnel is lost'
  real 'lan30 -> internet/se: 192\.168\.30\.[0-9]+ -> .*with se lost .*sent in a copy of the router, it left'
  in_place roamer curl -s --max-time 5 http://echo.test/ # the router itself has its tunnel
}

@test "a tunnel lost, and nothing left that stops what it carried" {
  table=$(in_router ip rule | sed -n 's/.*fwmark 0x4c03 lookup \([0-9]*\).*/\1/p')
  in_router ip route del prohibit default table "$table" metric 4294967295
  in_router ip rule del priority 30000
  in_router ip route add default via 192.168.1.1
  in_router nft insert rule inet lanward forward iifname lan30 oifname wan accept
  real 'lan30 -> internet/se: .*with se lost .*sent in a copy of the router it left by wan'
  in_router ip route del default via 192.168.1.1
}

@test "open flows of tunnels' segments let out by wan" {
  in_router nft insert rule inet lanward forward iifname '{ lan20, lan30, lan50 }' oifname wan ct state established accept
  found '✗ lan20 -> wan: 192\.168\.20\..*: an open flow could go on by this exit, which is not its own \(rule'
  grep -E '✗ lan50 -> wan: .*: an open flow could go on by this exit' <<<"$output"
  # a forward's answers; what masquerade would end; what has no exit at all
  real '✗ lan20 -> wan: 192\.168\.20\.5 -> .*opened in a copy of the router by wg-ovpn, and led to wan, it left by it \(and'
  grep -E '✗ lan30 -> wan: 192\.168\.30\..*by wg-se, and led to wan, it left by it; no rule of the filter stops it, masquerade alone' <<<"$output"
  grep -E '✗ lan50 -> wan: 192\.168\.50\..* -> 192\.168\.99\.15 .*by mgmt, and led to wan, it left by it' <<<"$output"
  in_place seedbox curl -s --max-time 5 http://echo.test/ # nothing was led anywhere in the router itself
}

@test "a route that came with its address, and is gone" {
  in_router ip route delete 192.168.99.0/24 dev mgmt
  found '✗ lan10 -> host: .*must pass, and does not'
  in_router ip route add 192.168.99.0/24 dev mgmt proto kernel scope link src 192.168.99.1 # no apply would
}

@test "an accept for a source that no machine has" {
  in_router nft insert rule inet lanward forward ip saddr 192.168.50.99 oifname lan20 accept
  found '✗ lan50 -> lan20: 192\.168\.50\.99 -> 192\.168\.20\..*must not'
  real '✗ lan50 \(192\.168\.50\.99\) -> lan20/.*must not pass, but arrived at cell-'
}

@test "a rule for ICMP errors of open flows alone" {
  in_router nft insert rule inet lanward forward iifname '{ lan10, wan }' oifname lan20 ct state related accept
  in_router nft add element inet lanward pairs '{ "wg-ovpn" . "lan50" }'
  found '✗ lan10 -> lan20: .* icmp type 3: passes as an ICMP error of an open flow, and no flow of it can be there \(rule'
  real '✗ .* -> seedbox \(192\.168\.20\.5\): an ICMP error of a flow of somebody with whom no line lets it talk must not pass, but arrived at seedbox'
  grep -E '✗ home-router -> seedbox \(10\.[0-9.]+\): an ICMP error of a flow that is open by another exit must not pass, but arrived at seedbox' <<<"$output"
  grep -E '✗ internet/ovpn -> lan50: an ICMP error about an open flow .*: opened in a copy of the router, and told of by wg-ovpn, it came out by lan50' <<<"$output"
}

@test "ICMP errors that get to the host by a segment's bridge, round the router" {
  in_place @host nft insert rule bridge lanward_guard input icmp type destination-unreachable accept
  in_place @host nft insert rule inet lanward_guard input ct state related accept
  found '✗ lan10/gaming -> host: .* icmp type 3: passes as an ICMP error of an open flow, .*in chain input of table lanward_guard'
  real '✗ gaming -> host .*: an ICMP error of an open flow, sent to the segment.s bridge itself, must not pass, but arrived at host'
}

@test "ICMP errors of no flow let through, and those of open flows dropped" {
  in_router nft insert rule inet lanward forward ct state invalid icmp type destination-unreachable accept
  in_router nft insert rule inet lanward forward ct state related drop
  in_router ip rule add priority 10 iif lan50 lookup "$((0x4c01))"
  found '✗ lan10 -> lan20: .* icmp type 3: passes without belonging to a flow'
  grep -E '✗ lan50 -> wan: .*: passes without belonging to a flow' <<<"$output"
  grep -E '✗ home-lan -> lan50: .*: passes without belonging to a flow' <<<"$output"
  real '✗ gaming -> seedbox .*: an ICMP error of no flow must not pass, but arrived at seedbox'
  grep -E '✗ vault -> internet .*: an ICMP error of no flow must not pass, but arrived at' <<<"$output"
  grep -E '✗ home-router -> vault .*: an ICMP error of no flow must not pass, but arrived at vault' <<<"$output"
  grep -E '✗ .*internet.* -> gaming \(.*\): an ICMP error of its own open flow must come, and does not' <<<"$output"
  in_router ip rule del priority 10
}

# opens_flow PLACE ADDRESS PROTOCOL: one without ports, for as long as connection tracking keeps it.
opens_flow() {
  in_place "$1" python3 -c "import socket
socket.socket(socket.AF_INET, socket.SOCK_RAW, $3).sendto(b'x' * 16, ('$2', 0))"
}

portless() { in_router conntrack -L -s "$1" 2>/dev/null | grep -E '^unknown +25[34] '; }

@test "somebody's flow without ports holds the one place behind an exit's address" {
  opens_flow builder 100.128.0.0 253
  in_place @host ip link set lwm1 type bridge_slave isolated on
  run twin verify --live
  echo "$output"
  [ "$status" -eq 3 ]
  [ "$(grep '^✗' <<<"$output")" = "$(grep '^✗ not as compiled: veth lwm1: isolated' <<<"$output")" ]
  portless 192.168.40.10 | grep 'dst=100\.128\.0\.0' # theirs goes on, and ours are gone
  run portless 192.168.10.200
  [ "$status" -ne 0 ]
}

@test "a flow of the proof's own that was left open under another address is no violation" {
  # as a run leaves it that is killed while nothing is translated; what puts that right by hand ends no flows
  in_router nft flush chain inet lanward snat_
  opens_flow seedbox 45.83.10.10 253
  in_router nft add rule inet lanward snat_ iifname @segments oifname @exits masquerade
  portless 192.168.20.5 | grep 'src=45\.83\.10\.10 dst=192\.168\.20\.5'
  run twin verify --live
  echo "$output"
  not grep 'protocol 25' <<<"$output"
}

@test "what a rule stops of them is found all the same" {
  opens_flow builder 100.128.0.0 253
  in_router nft insert rule inet lanward forward iifname lan10 ip daddr 100.128.0.0 meta l4proto 253-254 drop
  real '✗ lan10 .* -> internet 100\.128\.0\.0 protocol 254: must pass, but did not arrive'
  opens_flow builder 100.128.0.0 254 # now nothing is left that could show it
  run twin verify --live
  not grep -E '100\.128\.0\.0 protocol' <<<"$output"
  grep -E '^not tried: .*packets: it has no ports, and an open flow of somebody else has its place' <<<"$output"
}

@test "plan says which flow the repair of a rule changed by hand closes" {
  in_router nft insert rule inet lanward forward iifname lan50 oifname wan accept
  run twin plan "$homelab"
  [ "$status" -eq 2 ]
  echo "$output" | grep -q '^closes lan50 -> wan: '
  not grep -q '^opens' <<<"$output"
}

@test "the result as JUnit" {
  run twin verify --static --junit "$BATS_TEST_TMPDIR/result.xml"
  [ "$status" -eq 0 ]
  grep -q '<testsuite name="lanward homelab"' "$BATS_TEST_TMPDIR/result.xml"
}
