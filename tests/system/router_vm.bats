#!/usr/bin/env bats
# A router that the file makes (router.create): a real libvirtd, and a guest that plays OPNsense's nano image on its
# serial console (tests/tools/opnsense_guest.py).
# Runs as root: skipped otherwise.

bats_require_minimum_version 1.5.0
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  export LACKS
  LACKS=$("$BATS_TEST_DIRNAME/../tools/opnsense_guest.py" missing)
  [ -z "$LACKS" ] || return 0
  export WORLD="router-$$" PRINT
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=router -keyout "$BATS_FILE_TMPDIR/key.pem" \
    -out "$BATS_FILE_TMPDIR/cert.pem" 2>/dev/null
  PRINT=$(openssl x509 -in "$BATS_FILE_TMPDIR/cert.pem" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f)
  "$tools/host_world" start "$WORLD" --libvirt --owner "$PPID" --lanward "$lanward" >/dev/null
  on_host mkdir -p /var/lib/libvirt/images
  for word in importer hostile blind; do
    on_host "$tools/opnsense_guest.py" image "/etc/lanward/$word.img" "$PRINT" "$word"
    lab "$word" >"$BATS_FILE_TMPDIR/$word.yaml"
    on_host sh -c "cat '$BATS_FILE_TMPDIR/$word.yaml' >/etc/lanward/$word.yaml"
  done
  on_host sh -c "umask 077; printf 'key=testkey\nsecret=very-secret\n' >/etc/lanward/api.key"
}

teardown_file() { [ -z "${WORLD:-}" ] || "$tools/host_world" stop "$WORLD"; }

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: libvirtd is run in network, mount and pid namespaces that root makes"
  [ -z "${LACKS:-}" ] || skip "$LACKS"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }
host() { on_host "$lanward" "$@"; }
virsh() { on_host virsh -q -c qemu:///system "$@"; }
images=/var/lib/libvirt/images

lab() {
  cat <<END
lab: homelab
host:
  uplink: enp1s0
  management: {bridge: br-mgmt, subnet: 192.168.99.0/24, address: 192.168.99.15, router: 192.168.99.1}
router:
  kind: opnsense
  api: {url: "https://127.0.0.1:8443", key-file: api.key}
  create: {image: $1.img, memory: 1G, vcpus: 1, disk: 5G}
tunnels: {se: wireguard/se.conf}
segments:
  lan10: {subnet: 192.168.10.0/24, dhcp: .200-.240, dns: [9.9.9.9], egress: direct}
  lan20: {subnet: 192.168.20.0/24, dhcp: .200-.240, egress: se}
END
}

# Nothing of a router is left; libvirt's networks of the lab neither.
nothing_left() {
  [[ $(virsh list --all --name) != *opnsense* ]] && [ -z "$(on_host ls $images)" ] &&
    [ -z "$(virsh net-list --all --name)" ] && [ ! -e "/sys/class/net/lw-wan" ]
}

@test "check: an image that is not there is told; plan says that it is experimental, and refuses it before anything is touched" {
  lab missing | on_host sh -c "cat >/dev/null"
  on_host sh -c "sed s/importer.img/gone.img/ /etc/lanward/importer.yaml >/etc/lanward/gone.yaml"
  run host check /etc/lanward/gone.yaml
  [ "$status" -eq 0 ]
  [[ $output == *"there is no /etc/lanward/gone.img"* ]]
  run host apply -q --no-wait /etc/lanward/gone.yaml
  [ "$status" -eq 1 ]
  [[ $output == *"opnsense: there is no /etc/lanward/gone.img"* ]]
  nothing_left
  run host plan /etc/lanward/importer.yaml
  [ "$status" -eq 2 ]
  [[ $output == *"experimental"* ]]
  nothing_left
}

@test "a domain of somebody else's with that name is a clash, and stays as it is" {
  on_host sh -c 'sed "s/<name>gaming</<name>opnsense</; /<uuid>/d; s/77:00:01/77:00:08/" /run/guests/gaming.xml >/run/clash.xml'
  virsh define /run/clash.xml
  virsh dumpxml opnsense >"$BATS_TEST_TMPDIR/before"
  run host apply -q --no-wait /etc/lanward/importer.yaml
  [ "$status" -eq 1 ]
  [[ $output == *"opnsense exists already and is not lanward's"* ]]
  diff "$BATS_TEST_TMPDIR/before" <(virsh dumpxml opnsense)
  virsh undefine opnsense
  nothing_left
}

@test "a console that never asks: the error shows its screen, and everything is undone" {
  run on_host env LANWARD_ROUTER_PATIENCE=45 "$lanward" apply -q --no-wait /etc/lanward/hostile.yaml
  echo "$output"
  [ "$status" -eq 4 ]
  [[ $output == *"the importer's offer did not come in time; last on its screen:"*"configuration importer? login"* ]]
  [[ $output != *$'\033'* ]]
  nothing_left
}

@test "an importer that does not find the medium: said with its words, and undone" {
  run host apply -q --no-wait /etc/lanward/blind.yaml
  echo "$output"
  [ "$status" -eq 4 ]
  [[ $output == *"the importer does not find the medium"*"No known partition layout was found"* ]]
  nothing_left
}

@test "made, booted into the lab's configuration, and waited for until it is ready" {
  on_host sh -c "'$tools/opnsense_guest.py' api '$BATS_FILE_TMPDIR/cert.pem' '$BATS_FILE_TMPDIR/key.pem' 8443 /run/api.log >/run/api.out 2>&1 &"
  host opnsense /etc/lanward/importer.yaml -q -o /run/expected.xml
  run host apply -v --no-wait /etc/lanward/importer.yaml
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"experimental"*"certificate: $PRINT"* ]]
  host confirm -q
  virsh domstate opnsense | grep -q running
  virsh dominfo opnsense | grep -q "Autostart: *enable"
  # it was asked until dnsmasq and the tunnel were up
  [ "$(on_host grep -c "dnsmasq/service/status 200" /run/api.log)" -ge 3 ]
  [ "$(on_host grep -c "wireguard/service/show 200" /run/api.log)" -ge 3 ]
  # what it imported is what the file comes to, and its cards are in the order that it names them by
  on_host sh -c "qemu-img convert -U -O raw $images/opnsense.qcow2 /run/disk.raw && dd if=/run/disk.raw bs=1M skip=3072 count=1 2>/dev/null | tr -d '\000' >/run/kept; rm /run/disk.raw"
  on_host sh -c 'head -c "$(stat -c %s /run/expected.xml)" /run/kept | diff /run/expected.xml -'
  diff <(on_host tail -n 5 /run/kept | grep :) <(virsh domiflist opnsense | awk '{ print $5 }')
  [ "$(virsh domiflist opnsense | awk '{ print $1, $3 }' | tr '\n' ' ')" = "lw-wan br0 lw-mgmt br-mgmt lw-lan10 switch-lan10 lw-lan20 switch-lan20 " ]
}

@test "the disc with the keys is gone, from the disk and from the next start, and no secret is told anywhere" {
  [ "$(on_host ls $images)" = opnsense.qcow2 ]
  [ "$(on_host stat -c %a $images/opnsense.qcow2)" = 600 ]
  run virsh dumpxml --inactive opnsense
  [[ $output != *config.iso* ]]
  key=$(on_host sed -n 's/^PrivateKey = //p' /etc/lanward/wireguard/se.conf)
  [ -n "$key" ]
  run on_host grep -rlF "$key" /var/lib/lanward /run/lanward /var/log/libvirt /etc/libvirt
  [[ $output != *state.db* && $output != *.xml* && $output != *log* ]]
  run on_host sh -c "grep -rl '<privkey>' /var/lib/lanward /run/lanward; ls -d /tmp/lanward-router-*"
  [[ $output != *secrets* && $output != /* ]]
}

@test "applied again there is nothing to do; stopped by hand, it is started" {
  run host apply /etc/lanward/importer.yaml
  [ "$status" -eq 0 ]
  [[ $output == *"nothing to do"* ]]
  virsh destroy opnsense
  run -2 host plan /etc/lanward/importer.yaml
  [[ $output == *"domain opnsense"* ]]
  host apply -q --no-wait /etc/lanward/importer.yaml
  virsh domstate opnsense | grep -q running
}

@test "down takes the domain and leaves its disk, and so does the undo of an apply that fails on it" {
  host down -q
  [ "$(on_host ls $images)" = opnsense.qcow2 ]
  on_host sh -c "sed s/8443/8444/ /etc/lanward/importer.yaml >/etc/lanward/deaf.yaml"
  run on_host env LANWARD_ROUTER_PATIENCE=2 "$lanward" apply -q --no-wait /etc/lanward/deaf.yaml
  echo "$output"
  [ "$status" -eq 4 ]
  [[ $output == *"has booted and is not ready: its API does not answer"* ]]
  [[ $(virsh list --all --name) != *opnsense* ]]
}

@test "made again it boots from the disk that is there, without an import" {
  [ "$(on_host ls $images)" = opnsense.qcow2 ]
  [[ $(virsh list --all --name) != *opnsense* ]]
  on_host sh -c ": >/run/api.log"
  host apply -q --no-wait /etc/lanward/importer.yaml
  host confirm -q
  [ "$(on_host ls $images)" = opnsense.qcow2 ]
  on_host grep -q "core/firmware/info 200" /run/api.log
  host down -q
}
