#!/usr/bin/env bats
# A host with a firewall of its own that stops what the file allows: the real ufw and firewalld, and DOCKER-USER before a
# FORWARD that drops, as Docker makes it. Real packets from a machine to the host, and through it; and what is not lanward's stays.
# Runs as root
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  command -v ufw >/dev/null && command -v iptables-nft >/dev/null || return 0
  export WORLD="openings-$$"
  "$BATS_TEST_DIRNAME/../tools/host_world" start "$WORLD" --owner "$PPID" --lanward "$lanward" >/dev/null
  on_host tee "$file" <<<"$small" >/dev/null
  # bridged frames are not meant here: `status` and `doctor` tell of them
  on_host sh -c 'cd /proc/sys/net/bridge && echo 0 >bridge-nf-call-iptables' </dev/null 2>/dev/null || true
  on_host sh -c "$listeners" 3>&- >/dev/null 2>&1
}

teardown_file() {
  [ -z "${WORLD:-}" ] || "$BATS_TEST_DIRNAME/../tools/host_world" stop "$WORLD"
}

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: ufw and a lab on a host are tried in namespaces that root makes"
  [ -n "${WORLD:-}" ] || skip "ufw or iptables-nft is not installed"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@"; }
host() { on_host "$lanward" "$@" </dev/null; }
file=/etc/lanward/openings.yaml

# The network has this host's own address there and the broadcast one, which ufw treats as it treats neither.
small='lab: openings
host:
  uplink: enp1s0
  services: {share: [tcp/445], other: [tcp/446]}
  networks: {containers: 172.16.0.0/12}
segments:
  lan10: {subnet: 192.168.10.0/24, allow: [host/share from .1-.50]}
  lan40: {subnet: 192.168.40.0/24, allow: ["containers:tcp/445"]}
machines:
  box: {cell: true, segment: lan10, address: .5}
  builder: {cell: true, segment: lan40, address: .5}'

# On the host and on the machine behind it.
listeners='for at in 445 446; do
  setsid socat TCP-LISTEN:$at,fork,reuseaddr SYSTEM:"echo here" &
  ip netns exec containers setsid socat TCP-LISTEN:$at,fork,reuseaddr SYSTEM:"echo behind" &
done'

# says MACHINE ADDRESS PORT: what answers there.
says() { host exec "$1" -- timeout 2 socat -T 2 - "TCP:$2:$3,connect-timeout=2" 2>/dev/null || true; }

# All that ufw, iptables and the user have, without counters and lines of the time.
firewalls() {
  on_host sh -c 'cat /etc/ufw/user.rules /etc/ufw/user6.rules; iptables-save 2>/dev/null | sed "s/ \[.*//; /^#/d"' </dev/null
}

ours() { on_host sh -c 'grep -c comment=6c616e77617264 /etc/ufw/user.rules' </dev/null || true; }
apply() { host apply -q "$file" --confirm 60s --no-wait && host confirm -q; }

@test "ufw, turned on after apply, stops a service: verify shows it, plan names the opening" {
  apply
  [ "$(says box 192.168.99.15 445)" = here ]
  on_host sh -c 'ufw --force enable && ufw allow 22/tcp comment mine' </dev/null >/dev/null
  firewalls >"$BATS_FILE_TMPDIR/ufw"
  [ -z "$(says box 192.168.99.15 445)" ]
  run host verify --static
  [ "$status" -eq 3 ]
  [[ $output == *lan10*445* ]]
  run host plan "$file"
  [ "$status" -eq 2 ]
  [[ $output == *"opening in ufw: tcp/445 from 192.168.10.0/24 to 192.168.99.15/32 by br-mgmt"* ]]
  firewalls | diff "$BATS_FILE_TMPDIR/ufw" -
}

@test "apply opens that and no more, and it is proved; then there is nothing to do" {
  apply
  [ "$(says box 192.168.99.15 445)" = here ]
  [ -z "$(says box 192.168.99.15 446)" ]
  host verify --static -q
  [ "$(ours)" = 3 ]
  run host plan "$file"
  [ "$status" -eq 0 ]
}

@test "a rule of the user's against it is not replaced: refused, with the remedy" {
  local rule="in on br-mgmt from 192.168.10.0/24 to 192.168.99.15 port 445 proto tcp"
  on_host sh -c "ufw delete allow $rule comment lanward && ufw deny $rule comment theirs" </dev/null >/dev/null
  firewalls >"$BATS_TEST_TMPDIR/before"
  run host apply -q "$file" --confirm 60s --no-wait
  [ "$status" -eq 1 ]
  [[ $output == *"not lanward's"*"ufw delete NUMBER"* ]]
  firewalls | diff "$BATS_TEST_TMPDIR/before" -
  on_host sh -c "ufw delete deny $rule comment theirs" </dev/null >/dev/null
  apply
}

# A system bus and firewalld; both end with the world, firewalld before that when it is told to.
start_firewalld='import sys; sys.path.insert(0, sys.argv[1])
import networkmanager, os, subprocess, time
os.makedirs(networkmanager.PLACE, exist_ok=True)
networkmanager.write(networkmanager.PLACE + "/bus.conf", networkmanager.BUS_CONF)
networkmanager.start_bus(at="/run/dbus/system_bus_socket")
null = subprocess.DEVNULL
daemon = subprocess.Popen(["firewalld", "--nofork", "--nopid"], stdin=null, stdout=null, stderr=null, start_new_session=True)
while daemon.poll() is None and subprocess.run(["firewall-cmd", "--state"], stdout=null, stderr=null).returncode:
    time.sleep(0.1)
networkmanager.write("/run/firewalld-test.pid", str(daemon.pid))'

@test "firewalld is told of, with commands that open what the file allows and no more" {
  command -v firewalld >/dev/null || skip "firewalld is not installed"
  on_host ufw disable </dev/null >/dev/null
  timeout 120 "$tools/host_world" exec "$WORLD" -- python3 -c "$start_firewalld" "$tools" </dev/null >/dev/null 2>&1 3>&-
  [ -z "$(says box 192.168.99.15 445)" ]
  host plan "$file" >/dev/null 2>"$BATS_TEST_TMPDIR/told" || [ $? -eq 2 ]
  grep -q "firewalld's zone public stops 1 of" "$BATS_TEST_TMPDIR/told"
  grep '^firewall-cmd ' "$BATS_TEST_TMPDIR/told" >"$BATS_TEST_TMPDIR/commands"
  on_host sh -e <"$BATS_TEST_TMPDIR/commands" >/dev/null
  [ "$(says box 192.168.99.15 445)" = here ]
  [ -z "$(says box 192.168.99.15 446)" ]
  not grep -q firewalld <(host plan "$file" 2>&1)
  on_host sh -c 'kill $(cat /run/firewalld-test.pid); while nft list table inet firewalld; do sleep 0.1; done' </dev/null >/dev/null 2>&1
}

@test "ufw off and DOCKER-USER before a FORWARD that drops: networks: behind this host are opened there" {
  on_host sh -c 'ufw disable; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -A FORWARD -j DOCKER-USER
    iptables -P FORWARD DROP' </dev/null >/dev/null
  [ -z "$(says builder 172.16.0.2 445)" ]
  apply
  [ "$(ours)" = 0 ]
  [ "$(says builder 172.16.0.2 445)" = behind ]
  [ -z "$(says builder 172.16.0.2 446)" ]
  host verify --static -q
  docker_open
}

docker_open() { [ "$(on_host iptables -S DOCKER-USER </dev/null 2>/dev/null | grep -c 'comment lanward -j ACCEPT')" = 2 ]; }

@test "Docker makes its chain anew, as after a boot that it came late in: watch puts them back" {
  on_host sh -c 'setsid "$0" watch >/run/watch.log 2>&1 & echo $! >/run/watch.pid' "$lanward" </dev/null 3>&-
  listening() { on_host sh -c 'ls -l /proc/$(cat /run/watch.pid)/fd | grep -q socket' </dev/null; }
  within 10 listening
  on_host sh -c 'iptables -D FORWARD -j DOCKER-USER; iptables -F DOCKER-USER; iptables -X DOCKER-USER
    iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER' </dev/null
  within 20 docker_open || { on_host cat /run/watch.log </dev/null; false; }
  [ "$(says builder 172.16.0.2 445)" = behind ]
}

@test "watch follows another file that is applied, with other bridges" {
  on_host sh -c "sed 's/  uplink: enp1s0/&\n  management: {bridge: br-moved}/' $file >/etc/lanward/moved.yaml" </dev/null
  host apply -q /etc/lanward/moved.yaml --confirm 60s --no-wait
  host confirm -q
  on_moved() { [ "$(on_host cat /sys/class/net/lw-mgmt/master/uevent </dev/null 2>/dev/null | sed -n s/INTERFACE=//p)" = br-moved ]; }
  within 10 on_moved
  # one that was there when it looked is put back; until it has looked, nobody does
  put_back() {
    on_host ip link set lw-mgmt nomaster </dev/null
    within 2 on_moved || { on_host ip link set lw-mgmt master br-moved </dev/null; false; }
  }
  within 20 put_back
  on_host grep -q 'put back: lw-mgmt on br-moved' /run/watch.log </dev/null
  on_host sh -c 'kill "$(cat /run/watch.pid)"' </dev/null
  apply
}

@test "what Docker >= 28 drops in the raw table is told of: no opening helps there" {
  on_host iptables -t raw -A PREROUTING -d 172.16.0.2/32 ! -i ctr0 -j DROP </dev/null
  [ -z "$(says builder 172.16.0.2 445)" ]
  run host verify --static
  echo "$output"
  [ "$status" -eq 3 ]
  [[ $output == *"lan40 -> containers: 192.168.40.5 -> 172.16.0.2 tcp/445: must pass, and does not"*PREROUTING*raw* ]]
  on_host nft delete table ip raw </dev/null
  host verify --static -q
}

@test "the rescue script knows the openings" {
  on_host cat /var/lib/lanward/rescue.sh </dev/null | grep -q '^iptables -w 10 -D DOCKER-USER .*--comment lanward -j ACCEPT$'
}

@test "down leaves both as they were" {
  host down -q 3>&-
  [ "$(ours)" = 0 ]
  not grep -q lanward <(on_host iptables -S </dev/null)
  on_host iptables -S DOCKER-USER </dev/null | diff <(printf -- '-N DOCKER-USER\n-A DOCKER-USER -j RETURN\n') -
  on_host sh -c 'iptables -P FORWARD ACCEPT; iptables -D FORWARD -j DOCKER-USER; iptables -F DOCKER-USER
    iptables -X DOCKER-USER; ufw --force enable' </dev/null >/dev/null
  firewalls | diff "$BATS_FILE_TMPDIR/ufw" -
}
