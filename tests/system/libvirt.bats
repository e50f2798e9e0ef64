#!/usr/bin/env bats
# Virtual machines on the host target: a real libvirtd and a real guest. Ten rounds of moves are tests/tools/move_guests.
# Runs as root: skipped otherwise.
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  export LACKS
  LACKS=$("$BATS_TEST_DIRNAME/../tools/libvirt_world.py" missing)
  [ -z "$LACKS" ] || return 0
  export WORLD="virt-$$"
  "$BATS_TEST_DIRNAME/../tools/host_world" start "$WORLD" --libvirt --owner "$PPID" --lanward "$lanward" >/dev/null
}

teardown_file() {
  [ -z "${WORLD:-}" ] || "$BATS_TEST_DIRNAME/../tools/host_world" stop "$WORLD"
}

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: libvirtd is run in network, mount and pid namespaces that root makes"
  [ -z "${LACKS:-}" ] || skip "$LACKS"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }
host() { on_host "$lanward" "$@"; }
virsh() { on_host virsh -q -c qemu:///system "$@"; }
domains() { for name in gaming seedbox roamer; do virsh dumpxml --inactive "$name" | grep -v '^  <metadata/>$'; done; }
file=/etc/lanward/more.yaml

@test "domains are adopted, a missing one is told of, another is made" {
  domains >"$BATS_FILE_TMPDIR/before"
  on_host sh -c 'mkdir -p /var/lib/libvirt/images; echo "#cloud-config" >/etc/lanward/user-data
    sed "s/^machines:/machines:\n  ghost: {segment: lan10}\n  made: {segment: lan40, create: {memory: 64MiB, disk: {size: 1GiB}, seed: user-data}}/" \
      /etc/lanward/virt.yaml >/etc/lanward/more.yaml'
  run host apply -q "$file" --no-wait
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"libvirt has no domain ghost"* ]]
  host confirm -q
  virsh domiflist gaming | grep -q "lwm.*switch-lan10.*52:54:00:77:00:01"
  virsh domiflist made | grep -q switch-lan40
  on_host test -s /var/lib/libvirt/images/made.qcow2
  virsh net-list | grep -q switch-lan50
}

@test "applied again, nothing is to do" {
  run host apply "$file"
  [ "$status" -eq 0 ]
  [[ $output == *"nothing to do"* ]]
}

@test "a guest gets its lease from the router, and a new one where it is moved to" {
  virsh start roamer
  leased() { on_host grep -q "LEASE eth0 $1" /run/guests/roamer.console; }
  within 90 leased 192.168.30.200
  run host move roamer lan50
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"in lan50 now, its address there is 192.168.50.200" ]]
  within 10 leased 192.168.50.200
  [ "$(on_host cat /sys/class/net/"$(virsh domiflist roamer | awk '/lwm/ { print $1 }')"/master/uevent | sed -n 's/INTERFACE=//p')" = virbr-lan50 ]
}

@test "a NIC that is moved by hand is seen at once, and put back" {
  on_host sh -c 'echo "<interface type=\"network\"><mac address=\"52:54:00:77:00:03\"/><source network=\"switch-lan10\"/><model type=\"virtio\"/></interface>" >/run/nic.xml'
  virsh update-device roamer /run/nic.xml --live
  run host status
  [[ $output == *"NIC 0 of domain roamer"*"switch-lan10 -> switch-lan50"* ]]
  host apply -q "$file" --no-wait
  run host status
  [[ $output == *"all as the file says"* ]]
}

@test "cut takes its link, heal gives it back" {
  link() { virsh domif-getlink roamer 52:54:00:77:00:03; }
  host cut roamer
  [[ $(link) == *down ]]
  host heal roamer
  [[ $(link) == *up ]]
}

@test "a domain that comes later is plugged in by watch, without anybody's apply" {
  on_host sh -c "$lanward watch >/run/watch.log 2>&1 & echo \$! >/run/watch.pid"
  on_host sh -c 'sed "s/<name>gaming</<name>ghost</; /<uuid>/d; s/77:00:01/77:00:09/" /run/guests/gaming.xml >/run/ghost.xml'
  sleep 1
  virsh define /run/ghost.xml
  plugged() { virsh domiflist ghost | grep -q switch-lan10; }
  within 15 plugged
  on_host sh -c 'kill "$(cat /run/watch.pid)"'
  run host status
  [[ $output != *"no domain ghost"* ]]
  virsh undefine ghost
}

# before A B: the line with A stands before that with B.
before() {
  local a b
  a=$(grep -n -F "$1" <<<"$output" | head -n 1) b=$(grep -n -F "$2" <<<"$output" | head -n 1)
  [ "${a%%:*}" -lt "${b%%:*}" ]
}

@test "start: in order, each ready before the next; one that is never ready is named, and stops no other" {
  on_host sh -c "sed -e 's/^  vault:.*/  vault: {segment: lan50, address: .25, start: {timeout: 3m}}/' \
    -e 's/^  gaming:.*/  gaming: {segment: lan10, start: {after: [vault, made], delay: 1s, timeout: 3m}}/' \
    -e 's/^  made: {/  made: {start: {timeout: 2s}, /' $file >/etc/lanward/start.yaml"
  host apply -q /etc/lanward/start.yaml --no-wait
  run host start
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *"made: not ready: not within 2 s"*"2 machines up, 1 failed"* ]]
  before "vault: ready" "gaming: ready"
  on_host grep -q "LEASE eth0 192.168.10." /run/guests/gaming.console
  run host start gaming vault
  [ "$status" -eq 0 ]
  [[ $output == *"gaming: runs already"* ]]
  run host start roamer
  [[ $output == *"not lanward's to start"* ]]
}

@test "stop: the other way round, by asking them" {
  run host stop gaming vault
  echo "$output"
  [ "$status" -eq 0 ]
  before "gaming: ended" "vault: ended"
  virsh domstate vault | grep -q "shut off"
  virsh domstate roamer | grep -q running # not lanward's to end
  virsh destroy made                      # its disk is empty: nobody there lets go of a NIC
  host apply -q "$file" --no-wait
}

@test "down does not pull a made machine's plug unless told to: it has time to shut down, then nothing is touched" {
  on_host sed 's/made: {segment: lan40,/& start: {timeout: 2s},/' "$file" >"$BATS_TEST_TMPDIR/timed"
  "$tools/host_world" exec "$WORLD" -- tee "$file" <"$BATS_TEST_TMPDIR/timed" >/dev/null
  host apply -q --confirm 60s --no-wait "$file"
  host confirm -q
  virsh start made # nothing is on its disk: nobody hears the button
  run host down
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *"made: asked to shut down, at most 2 s"*"made would go with the lab"*"--force"* ]]
  virsh domstate made | grep -q running
  run host status
  [[ $output == *"as the file says"* ]]
  # nor does an apply of a file without it
  on_host sh -c "grep -v ' made: ' $file >/etc/lanward/without.yaml"
  run host apply -q --confirm 60s --no-wait /etc/lanward/without.yaml
  [ "$status" -eq 1 ]
  [[ $output == *"made would go with the lab"* ]]
}

@test "down --force leaves the domains as they were, the guest running, the disk there" {
  host down -q --force
  virsh domstate roamer | grep -q running
  on_host test -s /var/lib/libvirt/images/made.qcow2
  [[ $(virsh list --all --name) != *made* ]]
  [ -z "$(virsh net-list --all --name)" ]
  diff "$BATS_FILE_TMPDIR/before" <(domains)
}
