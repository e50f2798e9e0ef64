#!/usr/bin/env bats
# The file on the machine itself: namespaces that are one, with a home router, an internet and WireGuard providers.
# Runs as root: skipped otherwise.
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  export WORLD="bats-$$"
  "$BATS_TEST_DIRNAME/../tools/host_world" start "$WORLD" --owner "$PPID" --lanward "$lanward" >/dev/null
}

teardown_file() {
  [ -z "${WORLD:-}" ] || "$BATS_TEST_DIRNAME/../tools/host_world" stop "$WORLD"
}

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: the host target is tried in network, mount and pid namespaces that root makes"
}

on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }
host() { on_host "$lanward" "$@"; }
file=/etc/lanward/lab.yaml

# Addresses and routes, and everything of ours that could be left.
picture() {
  on_host sh -c "ip -4 -o address | sed 's/ valid_lft.*//'; ip -o link | sed 's/^[0-9]*: //; s/@.*//' | cut -d: -f1 | sort
    ip route | sed 's/ proto [a-z0-9]*//'; ls /run/netns; nft list tables; ps -eo comm= | grep -E 'dnsmasq|dhcpcd|wireguard|lanward' || true"
}

apply_whole() { host apply -q "$file" --no-wait && host confirm -q; }

@test "an ordinary user is told to be root" {
  run on_host setpriv --reuid 65534 --clear-groups "$lanward" apply "$file"
  [ "$status" -eq 1 ]
  [[ $output == *"needs root"*"lanward twin apply"* ]]
}

@test "without a lab recover, block and boot do nothing, and that is no error" {
  for verb in recover block boot; do
    host $verb
  done
  [ -z "$(on_host nft list tables)" ]
}

@test "an uplink that ifupdown configures is refused, with the remedy" {
  on_host sh -c 'mkdir -p /etc/network; echo "iface enp1s0 inet dhcp" >/etc/network/interfaces'
  run host apply "$file" --no-wait
  on_host rm /etc/network/interfaces
  [ "$status" -eq 1 ]
  [[ $output == *"/etc/network/interfaces configures enp1s0"*"comment its lines out"* ]]
}

@test "a first apply that nobody confirms is taken back to nothing" {
  local before
  before=$(picture)
  host apply -q "$file" --confirm 1s --no-wait
  on_host ip link show br0 >/dev/null
  gone() { ! on_host ip link show br0 >/dev/null 2>&1; }
  within 15 gone
  settled() { diff <(echo "$before") <(picture); }
  within 10 settled
}

@test "a first apply that fails after the uplink was taken over: address and default route are back" {
  local before step
  before=$(picture)
  for step in 4 5 8 11; do
    run on_host env LANWARD_FAULT=fail:apply:$step "${LANWARD_FAULTY:-$root/build/tests/system/lanward-fault}" apply -q "$file" --no-wait
    [ "$status" -eq 4 ]
    diff <(echo "$before") <(picture)
  done
}

@test "homelab is applied: the uplink's address is on br0, a connection goes on, exits are right" {
  echoes 4 >"$BATS_TEST_TMPDIR/stream" 3>&- &
  local stream=$!
  within 5 grep -q connected "$BATS_TEST_TMPDIR/stream"
  host apply "$file" --no-wait >"$BATS_TEST_TMPDIR/out"
  grep -q "taken back in 60 s unless confirmed" "$BATS_TEST_TMPDIR/out"
  host confirm -q
  wait "$stream"
  on_host ip -4 -o address show dev br0 | grep -q 192.168.1.20/24
  [ "$(host exec gaming -- curl -s --max-time 5 http://echo.test/)" = "$(on_host curl -s --max-time 5 http://echo.test/)" ]
  [ "$(host exec seedbox -- curl -s --max-time 5 http://echo.test/)" != "$(host exec gaming -- curl -s --max-time 5 http://echo.test/)" ]
}

# A TCP connection to the home router, a line each 0.1 s for so many seconds, each of which must come back.
echoes() {
  on_host bash -c 'exec 5<>/dev/tcp/192.168.1.1/9; echo connected
    for i in $(seq 1 "$1"0); do echo "$i" >&5; read -r -t 5 back <&5; [ "$back" = "$i" ] || exit 1; sleep 0.1; done' echoes "$1"
}

@test "applied again, nothing is to do" {
  run host apply "$file"
  [ "$status" -eq 0 ]
  [[ $output == *"nothing to do"* ]]
  run host status
  [[ $output == *"on this machine"*"all as the file says"* ]]
}

@test "an endpoint's name is asked for again while its tunnel has no handshake, not while it has one" {
  endpoint() { on_host ip netns exec router wg show "wg-$1" endpoints | cut -f2 | cut -d: -f1; }
  local us ovpn
  us=$(endpoint us) ovpn=$(endpoint ovpn)
  [ -n "$(host exec seedbox -- curl -s --max-time 5 http://echo.test/)" ] # by ovpn
  on_host sh -c 'cp /etc/hosts /run/hosts; printf "203.0.113.8 ovpn.vpn.test\n203.0.113.9 us.vpn.test\n" >>/etc/hosts'
  host apply -q "$file" --confirm 60s --no-wait
  host confirm -q
  [ "$(endpoint us)" = 203.0.113.9 ]
  [ "$(endpoint ovpn)" = "$ovpn" ]
  on_host cp /run/hosts /etc/hosts
  on_host sh -c 'setsid timeout 60 "$0" watch >/run/watch.log 2>&1 & echo $! >/run/watch.pid' "$lanward" 3>&-
  back() { [ "$(endpoint us)" = "$us" ]; }
  within 30 back || { on_host cat /run/watch.log; false; }
  on_host sh -c 'kill "$(cat /run/watch.pid)"'
}

@test "start waits until the router is ready: every tunnel in use has had its handshake" {
  shaken() { on_host ip netns exec router wg show "wg-$1" latest-handshakes | cut -f2; }
  [ "$(shaken us)" = 0 ] # nobody has used it
  host start -q
  for tunnel in ovpn se de us; do
    [ "$(shaken $tunnel)" -gt 0 ]
  done
}

@test "verify: both proofs agree, no violation, nothing untested" {
  run host verify
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *" 0 violations, 0 untested"* ]]
  not grep -q lwp <<<"$(on_host ip -o link)"
}

@test "verify asks the echo service that the file names whom the internet sees" {
  on_host sh -c "sed 's#^host:#host:\n  echo: http://echo.test/#' $file >/etc/lanward/echo.yaml"
  host apply -q /etc/lanward/echo.yaml --no-wait
  run host verify --live
  echo "$output"
  [ "$status" -eq 0 ]
  home=$(on_host curl -s --max-time 5 http://echo.test/)
  [[ $output =~ lan10\ .*direct\ +$home\  ]]
  for segment in lan20 lan30; do
    [[ $output =~ $segment\ .*\ (ovpn|se|de|us)\ +([0-9.]+)\  ]]
    [ "${BASH_REMATCH[2]}" != "$home" ]
  done
}

@test "verify sees what a host can do wrong" {
  on_host nft delete table inet lanward_guard
  on_host nft delete table bridge lanward_guard
  run host verify --live
  host apply -q "$file" --no-wait
  [ "$status" -eq 3 ]
  [[ $output == *"br0 of host, and left by it"* ]]
}

@test "switch, move, cut and heal" {
  host switch -q lan30 de
  [ "$(host exec roamer -- curl -s --max-time 5 http://echo.test/)" = "$(exit_address de)" ]
  host move roamer lan50
  within 8 in_segment roamer 192.168.50.
  host cut -q roamer
  run host exec roamer -- ping -c 1 -W 1 192.168.50.1
  [ "$status" -ne 0 ]
  host heal -q roamer
  host move roamer lan30
  within 8 in_segment roamer 192.168.30.
}

on_world() { "$tools/host_world" world "$WORLD" -- "$lanward" twin "$1" --name world "${@:2}" </dev/null; }

exit_address() { on_world exec "@$1" -- ip -4 -o address show dev eth0 | sed -n 's/.* inet \([0-9.]*\)\/30.*/\1/p'; }

in_segment() { [[ $(host exec "$1" -- ip -4 -o address show dev eth0) == *" $2"* ]]; }

@test "what the file says of a broken change is undone, and the machine is as before" {
  on_host sh -c "sed 's/wireguard.se.conf/wireguard\/none.conf/' $file >/etc/lanward/broken.yaml"
  run host apply /etc/lanward/broken.yaml --no-wait
  [ "$status" -eq 1 ]
  run host status
  [[ $output == *"all as the file says"* ]]
}

@test "the rescue script is root's alone, and brings the machine back without lanward" {
  [ "$(on_host stat -c '%a %U' /var/lib/lanward/rescue.sh)" = "700 root" ]
  on_host sh /var/lib/lanward/rescue.sh >/dev/null 2>&1
  local left
  rescued() {
    left=$(picture)
    [[ $left == *"enp1s0"*"192.168.1.20/24"*"default via 192.168.1.1 dev enp1s0"* ]] &&
      not grep -Eq 'br0|virbr|lw-|router|lanward|dnsmasq|dhcpcd' <<<"$left"
  }
  within 5 rescued || { echo "$left"; false; }
  [ -n "$(on_host curl -s --max-time 5 http://echo.test/)" ]
  apply_whole # and lanward finds out what is left to do
  run host status
  [[ $output == *"all as the file says"* ]]
}

# What a power cut leaves: the files of /var/lib and /etc, and the uplink as the machine itself configures it.
power_cut() {
  on_host sh -c '
    [ "$(ps -o comm= -p 1)" = systemd ] || kill -9 -1 # all of this pid namespace but its first
    for ns in $(ls /run/netns | grep -v containers); do ip netns delete "$ns"; done
    for link in $(ip -o link show type bridge | sed "s/^[0-9]*: //; s/[@:].*//"); do ip link delete "$link"; done
    nft flush ruleset; rm -rf /run/lanward
    ip address replace 192.168.1.20/24 broadcast + dev enp1s0; ip route replace default via 192.168.1.1'
  sleep 0.5 # the namespaces end, and their cables with them
}

@test "after a power cut: block closes what was closed, boot brings everything up, a switched exit among it" {
  host switch -q lan30 us
  power_cut
  not on_host ip link show br0
  run host block
  [ "$status" -eq 0 ]
  [[ $(on_host nft list tables) == *"inet lanward_guard"* && $(on_host nft list tables) == *"bridge lanward_guard"* ]]
  run host block
  [[ $output == *"closed already"* ]]
  host boot
  run host status
  echo "$output"
  [[ $output == *"lan30"*"leaves by us"*"all as the file says"* ]]
  run host verify
  [ "$status" -eq 0 ]
}

@test "the units are as systemd wants them" {
  command -v systemd-analyze >/dev/null || skip "no systemd-analyze here"
  local unit
  for unit in lanward lanward-block lanward-watch lanward-machines; do
    sed "s#/usr/bin/lanward#$lanward#" "$root/data/$unit.service" >"$BATS_TEST_TMPDIR/$unit.service"
  done
  systemd-analyze --man=no verify "$BATS_TEST_TMPDIR"/*.service
}

# with manage: PARTS in the file
managing() { on_host sh -c "sed 's/^router: /manage: $1\nrouter: /' $file >/etc/lanward/managed.yaml"; }

@test "manage: what is left out is looked at, told when it differs, and never changed" {
  managing '[router, machines]'
  host apply -q /etc/lanward/managed.yaml --no-wait
  on_host ip link set virbr-lan10 down
  on_host ip route del 192.168.10.0/24
  run host apply /etc/lanward/managed.yaml --no-wait
  [[ $output == *"nothing to do"* ]]
  run host status
  echo "$output"
  [[ $output == *"not lanward's to change"*"virbr-lan10"*"all else as the file says"* ]]
  run host verify --static
  [ "$status" -eq 3 ]
  [[ $output == *"not as compiled"*"virbr-lan10"* ]]
  host down -q # the router and the machines go, and what is not managed stays
  on_host ip link show br0
  on_host nft list table inet lanward_guard
  not on_host ip netns exec router true
  host apply -q "$file" --no-wait
  host confirm -q || true
}

@test "manage: the host alone" {
  host down -q
  managing '[host]'
  host apply -q /etc/lanward/managed.yaml --no-wait
  host confirm -q
  on_host ip link show virbr-lan10
  not on_host ip netns exec router true
  host down -q
  not on_host ip link show virbr-lan10
}

@test "down gives everything back" {
  apply_whole
  host down -q
  local left
  left=$(picture)
  echo "$left"
  [[ $left == *"enp1s0"*"192.168.1.20/24"*"default via 192.168.1.1 dev enp1s0"* ]]
  not grep -Eq 'br0|virbr|lw-|router|lanward|dnsmasq|dhcpcd' <<<"$left"
  [ -n "$(on_host curl -s --max-time 5 http://echo.test/)" ]
}

@test "a lease that a DHCP client of somebody's keeps: refused while it runs, then kept on br0" {
  local leased=lease-$$ address
  "$tools/host_world" start "$leased" --owner "$PPID" --lanward "$lanward" --address dhcp >/dev/null
  WORLD=$leased
  address=$(on_host ip -4 -o address show dev enp1s0 | sed -n 's/.* inet \([0-9.]*\).*/\1/p')
  [ -n "$address" ]
  run host apply "$file" --no-wait
  [ "$status" -eq 1 ]
  [[ $output == *"dhcpcd (pid "*"keeps the lease of enp1s0"* ]]
  on_host sh -c '[ "$(ps -o comm= -p 1)" = systemd ] || kill -9 -1'
  host apply -q "$file" --no-wait
  host confirm -q
  on_host ip -4 -o address show dev br0 | grep -q "inet $address/24.*dynamic"
  [ -n "$(on_host curl -s --max-time 5 http://echo.test/)" ]
  run host status
  [[ $output == *"all as the file says"* ]]
  host down -q
  on_host ip -4 -o address show dev enp1s0 | grep -q "inet $address/24"
  "$tools/host_world" stop "$leased"
}
