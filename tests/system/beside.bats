#!/usr/bin/env bats
# A lab on a host where others live: a real libvirtd with an isolated and a NAT network, Docker-like and firewalld-like
# tables, bridges, routes and routing rules of the user's. What is theirs is looked at before and after each change.
# Runs as root
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  command -v libvirtd >/dev/null && command -v iptables-nft >/dev/null || return 0
  export WORLD="beside-$$"
  "$BATS_TEST_DIRNAME/../tools/host_world" start "$WORLD" --owner "$PPID" --lanward "$lanward" >/dev/null
  on_host "$tools/libvirtd.sh" 3>&- >"$BATS_FILE_TMPDIR/libvirtd" 2>&1 &
  within 20 virsh list
  on_host sh -c "$neighbours"
  for network in "$isolated" "$nat"; do
    virsh net-create /dev/stdin <<<"$network"
  done
}

teardown_file() {
  [ -z "${WORLD:-}" ] || "$BATS_TEST_DIRNAME/../tools/host_world" stop "$WORLD"
}

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: libvirtd and a lab on a host are tried in namespaces that root makes"
  [ -n "${WORLD:-}" ] || skip "libvirtd or iptables-nft is not installed"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@"; }
host() { on_host "$lanward" "$@" </dev/null; }
virsh() { on_host sh -c 'exec virsh -q -c "qemu:///system?socket=$("$0" socket)" "$@"' "$tools/libvirtd.sh" "$@"; }
file=/etc/lanward/lab.yaml

isolated='<network><name>theirs</name><bridge name="virbr7"/><ip address="10.77.7.1" netmask="255.255.255.0">
  <dhcp><range start="10.77.7.100" end="10.77.7.200"/></dhcp></ip></network>'
nat='<network><name>default</name><forward mode="nat"/><bridge name="virbr0"/>
  <ip address="10.77.122.1" netmask="255.255.255.0"><dhcp><range start="10.77.122.2" end="10.77.122.254"/></dhcp></ip></network>'

# Docker as of 28, firewalld's table, something of the user's.
neighbours='
  set -e
  ip link add docker0 type bridge; ip address add 10.78.0.1/16 dev docker0; ip link set docker0 up
  for chain in DOCKER DOCKER-USER DOCKER-FORWARD; do iptables-nft -N $chain; done
  iptables-nft -A FORWARD -j DOCKER-USER; iptables-nft -A FORWARD -j DOCKER-FORWARD
  iptables-nft -A DOCKER-FORWARD -i docker0 -j ACCEPT
  iptables-nft -t nat -N DOCKER; iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
  iptables-nft -t nat -A POSTROUTING -s 10.78.0.0/16 ! -o docker0 -j MASQUERADE
  ip link add br-mine type bridge; ip address add 10.79.0.1/24 dev br-mine; ip link set br-mine up
  ip link add vnet0 type veth peer name guest0; ip link set vnet0 master br-mine up
  nft add table inet firewalld
  nft add chain inet firewalld filter_INPUT "{ type filter hook input priority 10; policy accept; }"
  nft add rule inet firewalld filter_INPUT ct state established,related accept
  nft add table inet mine
  nft add chain inet mine c "{ type filter hook output priority 5; policy accept; }"
  nft add rule inet mine c counter
  ip route add 203.0.113.0/24 dev docker0; ip rule add from 10.78.0.0/16 table 172 priority 5000
  ip route add table 172 default dev docker0'

# All that is theirs: libvirt's view of it, every rule with its handle, links, addresses, routes, rules, processes.
theirs() {
  on_host sh -c '
    uri="qemu:///system?socket=$("$0" socket)"
    for network in theirs default; do
      virsh -q -c "$uri" net-dumpxml $network
      virsh -q -c "$uri" net-info $network
    done
    nft -a list ruleset | awk "/^table/ { theirs = !/lanward/ } theirs" | sed "s/counter packets [0-9]* bytes [0-9]*//"
    for table in filter nat mangle; do iptables-nft -t $table -S; done
    for link in virbr0 virbr7 docker0 br-mine vnet0 guest0; do
      ip -o link show dev $link; ip -4 -o address show dev $link
      cat /proc/sys/net/ipv6/conf/$link/disable_ipv6 /proc/sys/net/ipv4/conf/$link/forwarding
    done
    ip route show table 172; ip route | grep -E "virbr|docker0|br-mine"; ip rule show priority 5000
    pgrep -a dnsmasq | grep libvirt' "$tools/libvirtd.sh" </dev/null 2>/dev/null
}

# The openings in DOCKER-USER that the lab needs are lanward's, and marked; nft does not list iptables' comments.
as_before() { diff "$BATS_FILE_TMPDIR/before" <(theirs); }
unchanged() {
  diff "$BATS_FILE_TMPDIR/before" <(theirs | grep -v -e '--comment lanward' -e '"br-mgmt".* 172\.16\.0\.0/12 .*accept # handle')
}

# What a lab leaves on a host, by its names: nothing of it may be theirs.
ours() {
  on_host sh -c 'ip -o link | grep -E "br-mgmt|virbr-lan|: br0|lw"; ls /run/netns; nft list tables | grep lanward
    ip rule; ip route | sed "s/ proto [a-z0-9]*//"' </dev/null
}

apply_whole() { host apply -q "$1" --confirm 60s --no-wait && host confirm -q; }

@test "applies, a change, a rollback, a failure and a kill leave libvirt's and the others' as they were" {
  theirs >"$BATS_FILE_TMPDIR/before"
  grep -q virbr7 "$BATS_FILE_TMPDIR/before"
  grep -q 'LIBVIRT_' "$BATS_FILE_TMPDIR/before"
  ours >"$BATS_FILE_TMPDIR/bare"
  apply_whole "$file"
  unchanged
  theirs | grep -q 'A DOCKER-USER .* --comment lanward'
  on_host sed 's/gaming:  {cell: true, segment: lan10}/gaming: {cell: true, segment: lan50}/; s/egress: .se, de, us./egress: [us, de, se]/' \
    "$file" </dev/null >"$BATS_TEST_TMPDIR/other.yaml"
  not diff -q "$BATS_TEST_TMPDIR/other.yaml" <(on_host cat "$file" </dev/null)
  on_host tee /etc/lanward/other.yaml <"$BATS_TEST_TMPDIR/other.yaml" >/dev/null
  apply_whole /etc/lanward/other.yaml
  unchanged
  host rollback -q
  unchanged
  on_host env LANWARD_FAULT=fail:apply:3 "$root/build/tests/system/lanward-fault" apply -q /etc/lanward/other.yaml --no-wait </dev/null || true
  unchanged
  on_host env LANWARD_FAULT=kill:apply:3 "$root/build/tests/system/lanward-fault" apply -q /etc/lanward/other.yaml --no-wait </dev/null || true
  host recover -q
  unchanged
}

@test "libvirt's own networks still work beside it: a client on its NAT network gets a lease" {
  on_host sh -c 'ip netns add client; ip link add c0 type veth peer name eth0 netns client; ip link set c0 master virbr0 up
    ip -n client link set eth0 up' </dev/null
  # to a file: what dhcpcd leaves running would keep a pipe open
  on_host ip netns exec client timeout 25 dhcpcd -4 --nodelay --noipv4ll -t 20 -T eth0 </dev/null >"$BATS_TEST_TMPDIR/lease" 2>&1 3>&- || true
  on_host sh -c 'ip netns pids client | xargs -r kill; ip link delete c0; ip netns delete client' </dev/null
  cat "$BATS_TEST_TMPDIR/lease"
  grep -q '10\.77\.122\.' "$BATS_TEST_TMPDIR/lease"
}

@test "down removes what is lanward's, all of it, and nothing else" {
  unchanged
  host down -q >"$BATS_TEST_TMPDIR/down" 2>&1 3>&-
  as_before
  settled() { diff "$BATS_FILE_TMPDIR/bare" <(ours); }
  within 10 settled
}
