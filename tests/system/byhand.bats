#!/usr/bin/env bats
# A lab that somebody made by hand, with nmcli, virsh and ip: imported, it is a file whose plan only adds, which is applied
# while its guests talk, and taken down again. A real NetworkManager, a real libvirtd, two guests.
# Runs as root: skipped otherwise.

bats_require_minimum_version 1.5.0
load common

setup_file() {
  export WHY=""
  [ "$(id -u)" = 0 ] || WHY="not root: the host target is tried in network, mount and pid namespaces that root makes"
  [ -n "$WHY" ] || WHY=$("$BATS_TEST_DIRNAME/../tools/libvirt_world.py" missing)
  [ -n "$WHY" ] || WHY=$(python3 -c "import sys; sys.path.insert(0, '$tools'); import networkmanager as n; print(n.available() or '')")
  [ -z "$WHY" ] || return 0
  export WORLD="byhand-$$"
  READY_S=120 "$tools/host_world" start "$WORLD" --nm --libvirt --owner "$PPID" --lanward "$lanward" >/dev/null
}

teardown_file() { [ -z "${WORLD:-}" ] || "$tools/host_world" stop "$WORLD"; }
setup() { [ -z "$WHY" ] || skip "$WHY"; }

on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }
host() { on_host "$lanward" "$@"; }
virsh() { on_host virsh -q -c qemu:///system "$@"; }
file=/etc/lanward/byhand.yaml

# Of the pings that gaming sent to roamer while something went on: those that came no answer to. By number, no times.
watch_pings() {
  on_host sh -c "timeout 300 tcpdump -nn -l -i '$1' 'icmp' >/run/pings 2>/dev/null & echo \$! >/run/pings.pid"
  within 10 on_host test -s /run/pings
}
lost_pings() {
  on_host sh -c 'kill "$(cat /run/pings.pid)"; sleep 0.5; cat /run/pings' | python3 -c '
import re, sys
text = sys.stdin.read()
asked = re.findall(r"192.168.10.200 > 192.168.10.201: ICMP echo request, id (\d+), seq (\d+)", text)
answered = set(re.findall(r"192.168.10.201 > 192.168.10.200: ICMP echo reply, id (\d+), seq (\d+)", text))
asked = asked[:-2]  # on their way when the watch ended
print(len(asked), len([one for one in asked if one not in answered]))'
}

@test "made by hand: br0 and br-mgmt by nmcli, a switch by virsh, another bridge by ip, two guests that talk" {
  on_host sh -c '
    nmcli -w 10 connection add type bridge ifname br0 con-name hand-br0 bridge.stp no ipv6.method disabled \
      ipv4.method manual ipv4.addresses 192.168.1.20/24 ipv4.gateway 192.168.1.1 802-3-ethernet.cloned-mac-address 52:54:00:00:01:01
    nmcli connection modify home connection.autoconnect no
    nmcli -w 10 connection add type ethernet ifname enp1s0 con-name hand-port master br0 slave-type bridge
    nmcli -w 15 connection up hand-port
    nmcli -w 10 connection add type bridge ifname br-mgmt con-name hand-mgmt bridge.stp no ipv6.method disabled \
      ipv4.method manual ipv4.addresses 192.168.99.15/24 ipv4.routes "192.168.10.0/24 192.168.99.1"
    nmcli -w 15 connection up hand-mgmt
    echo "<network><name>switch-lan10</name><bridge name=\"virbr-lan10\" stp=\"off\"/></network>" >/run/net.xml
    virsh -q -c qemu:///system net-define /run/net.xml
    virsh -q -c qemu:///system net-start switch-lan10
    virsh -q -c qemu:///system net-autostart switch-lan10
    ip link add br-lab20 type bridge && ip link set br-lab20 up' >"$BATS_TEST_TMPDIR/made" 2>&1 || { cat "$BATS_TEST_TMPDIR/made"; false; }
  [ "$(on_host cat /sys/class/net/enp1s0/master/uevent | sed -n s/INTERFACE=//p)" = br0 ]
  on_host ping -q -c 1 -W 2 192.168.1.1
  # whoever hands out addresses today: a router of his own, on the switch
  on_host sh -c 'ip netns add hand && ip link add hand-lan10 type veth peer name eth0 netns hand &&
    ip link set hand-lan10 master virbr-lan10 up && ip -n hand address add 192.168.10.1/24 dev eth0 && ip -n hand link set eth0 up
    mkdir -p /run/hand; ip netns exec hand dnsmasq --conf-file=/dev/null --user=root --port=0 --interface=eth0 --bind-interfaces --no-ping \
      --dhcp-range=192.168.10.200,192.168.10.240,12h --dhcp-host=52:54:00:77:00:01,192.168.10.200 \
      --dhcp-host=52:54:00:77:00:03,192.168.10.201 --dhcp-leasefile=/run/hand/leases --pid-file=/run/hand/pid'
  # seedbox, which does not run, is on a bridge that nobody's profile has, by a name that its owner gave
  on_host sh -c "sed -i \"s#<source bridge='br-hand'/>#<source bridge='br-lab20'/><target dev='tap-seed'/>#\" /run/guests/seedbox.xml
    for name in gaming roamer seedbox; do virsh -q -c qemu:///system undefine \$name; done
    virsh -q -c qemu:///system define /run/guests/seedbox.xml"
  on_host sh -c "sed -i \"s#<interface type='bridge'>#<interface type='network'>#; s#<source bridge='br-hand'/>#<source network='switch-lan10'/>#; s#beacon=[0-9.]*#beacon=192.168.10.201#\" /run/guests/gaming.xml /run/guests/roamer.xml
    for name in gaming roamer; do virsh -q -c qemu:///system define /run/guests/\$name.xml; virsh -q -c qemu:///system start \$name; done"
  leased() { on_host grep -q "LEASE eth0 $2 " "/run/guests/$1.console"; }
  within 120 leased gaming 192.168.10.200
  within 60 leased roamer 192.168.10.201
}

# What of it is its owner's: definitions of domains and networks, settings of bridges that he made.
theirs() {
  on_host sh -c 'for name in builder gaming roamer seedbox vault; do virsh -q -c qemu:///system dumpxml --inactive $name; done |
      grep -v "<metadata/>" # libvirt leaves it where something was
    virsh -q -c qemu:///system net-list --all --name
    cd /proc/sys/net && grep -r . ipv4/conf/virbr-lan10 ipv4/conf/br-hand ipv4/conf/br-lab20 ipv6/conf/br-hand ipv6/conf/br-lab20 || true'
}

@test "imported, it is a file that check takes and whose plan holds additions alone" {
  theirs >"$BATS_FILE_TMPDIR/theirs" 2>/dev/null
  run host import -o "$file"
  echo "$output"
  [ "$status" -eq 0 ]
  on_host cat "$file"
  host check "$file"
  run -2 host plan "$file"
  echo "$output"
  [[ $output == *" to create, 0 to change live, 0 to restart, 0 to replace, 0 to delete"* ]]
  not grep -vE '^ *(\+|[0-9]+ to create|proved)|^lanward: |^$' <<<"$output"
  [[ $output == *"+ NIC 0 of domain gaming (from its next start on: port none -> lwm"* ]]
  [[ $output != *"domain seedbox"* ]] # as it is, on its owner's bridge and under his name
}

@test "applied while the guests talk, none of their pings is lost, and they were not restarted" {
  ids() { for name in gaming roamer; do virsh domid "$name"; done; }
  ids >"$BATS_TEST_TMPDIR/before"
  on_host ip netns exec hand busybox arping -c 2 -w 1 -I eth0 192.168.1.20 # the host answers, as Linux does
  on_host ip netns delete hand
  watch_pings "$(virsh domiflist gaming | awk '/switch/ { print $1 }')"
  run host apply -q --no-wait "$file"
  echo "$output"
  [ "$status" -eq 0 ]
  sleep 1
  read -r sent lost <<<"$(lost_pings)"
  echo "sent $sent, lost $lost"
  [ "$sent" -ge 10 ]
  [ "$lost" -eq 0 ]
  diff "$BATS_TEST_TMPDIR/before" <(ids)
  run host status
  echo "$output"
  [[ $output == *"all else as the file says"* ]] # br-mgmt has the MAC that it had
  run host apply "$file"
  [[ $output == *"nothing to do"* ]]
  # the host's stack is closed on a bridge of the owner's by rules alone
  not on_host ip netns exec router busybox arping -c 2 -w 1 -I lan10 192.168.1.20
  not grep -q '"ipv6"' <(host doctor --json "$file")
}

@test "taken down, everything is as its owner had made it" {
  host down -q 3>&-
  theirs 2>/dev/null | diff "$BATS_FILE_TMPDIR/theirs" -
}
