#!/usr/bin/env bats
# The first minutes on a machine of one's own: doctor, init, import; then the file is applied as it was written. In a
# machine of namespaces (tests/tools/host_world).
# Runs as root: skipped otherwise.

bats_require_minimum_version 1.5.0
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  export WORLD="first-$$"
  "$tools/host_world" start "$WORLD" --owner "$PPID" --lanward "$lanward" >/dev/null
  on_host rm -rf /etc/lanward
}

teardown_file() { [ -z "${WORLD:-}" ] || "$tools/host_world" stop "$WORLD"; }

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: the host target is tried in network, mount and pid namespaces that root makes"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }
host() { on_host "$lanward" "$@"; }

finds() { [[ $output == *"\"id\" : \"$1\""* ]]; }

@test "doctor: what is broken is found, with the remedy, and told by the exit status" {
  run host doctor --json
  not finds uplink-ifupdown
  on_host sh -c 'mkdir -p /etc/network && echo "iface enp1s0 inet dhcp" >/etc/network/interfaces'
  run -3 host doctor --json
  finds uplink-ifupdown
  run -3 host doctor
  [[ $output == *"/etc/network/interfaces configures enp1s0"*"do: "*"comment its lines out"* ]]
  on_host rm /etc/network/interfaces
}

@test "init writes a file that check accepts, asks nothing where nobody can answer, and never overwrites" {
  host init
  host check
  on_host grep -F 'uplink: enp1s0' /etc/lanward/lab.yaml
  run -1 host init
  [[ $output == *"is there already"* ]]
}

@test "the file of init is applied as it is, and a machine in it reaches the internet" {
  on_host sh -c 'cat >>/etc/lanward/lab.yaml <<END

machines:
  first: {cell: true, segment: lan10}
END'
  host apply -q --no-wait
  host confirm -q
  [ -n "$(host exec first -- curl -s --max-time 5 http://echo.test/)" ]
  host status | grep -F "all as the file says"
  host down -q
}

@test "import: what libvirt and NetworkManager have on file, and right" {
  on_host sh -c 'mkdir -p /etc/libvirt/qemu/networks /etc/wireguard
    echo "<network><name>switch-lan30</name><bridge name=\"virbr-lan30\"/></network>" >/etc/libvirt/qemu/networks/a.xml
    echo "<domain><name>guest</name><devices><interface type=\"network\"><mac address=\"52:54:00:12:34:56\"/><source network=\"switch-lan30\"/></interface></devices></domain>" \
      >/etc/libvirt/qemu/guest.xml'
  on_host sh -c 'ip link add br0 type bridge && ip link set br0 up && ip link set enp1s0 master br0 &&
    ip address flush dev enp1s0 && ip address add 192.168.1.20/24 dev br0 && ip route add default via 192.168.1.1'
  host import -o /etc/lanward/imported.yaml
  host check /etc/lanward/imported.yaml
  on_host cat /etc/lanward/imported.yaml | grep -A 3 'guest:' | grep -F 'mac: "52:54:00:12:34:56"'
  run -2 host plan /etc/lanward/imported.yaml
  [[ $output == *"to create, 0 to change live, 0 to restart, 0 to replace, 0 to delete"* ]]
}

@test "adopt: a domain that is there goes into the file, and nothing else of it changes" {
  on_host cp /etc/lanward/lab.yaml /etc/lanward/before.yaml
  run -1 host adopt guest
  [[ $output == *"say which"* ]]
  run -1 host adopt nobody lan10
  [[ $output == *"neither a domain"* ]]
  run -1 host adopt guest lan99
  run on_host cmp /etc/lanward/lab.yaml /etc/lanward/before.yaml
  [ "$status" -eq 0 ]
  run -0 host adopt guest lan10
  [[ $output == *"is machine guest, in lan10"* ]]
  run on_host diff /etc/lanward/before.yaml /etc/lanward/lab.yaml
  [ "${#lines[@]}" -eq 2 ]
  host check
  run -0 host adopt guest lan10
  [[ $output == *"is in the file already"* ]]
  run -0 host adopt guest -f /etc/lanward/imported.yaml # where it is plugged in now: import has it
  [[ $output == *"is in the file already"* ]]
}
