#!/usr/bin/env bats
# Containers as machines, on the host target: a real Podman (tests/tools/podman_world) in a machine of namespaces
# (tests/tools/host_world). Podman's `--network none` takes no --dns, and its image is a busybox made on the spot, whose
# static wget cannot look names up: so nc, by address.
# Runs as root: skipped otherwise.

bats_require_minimum_version 1.5.0
load common

world() { "$tools/host_world" "$1" "$WORLD" "${@:2}"; }
host() { world exec -- "$@"; }
on_host() { host "$lanward" "$@"; }

setup_file() {
  export WORLD="containers-$$" LACKING
  LACKING=$("$tools/podman_world" --lacking)
  [ -n "$LACKING" ] || LACKING=$(lacking)
  [ -z "$LACKING" ] || return 0
  "$tools/host_world" start "$WORLD" --lanward "$lanward" --podman --owner $$ >/dev/null
  host sed -e 's/^  indexer: .*/  indexer: {container: indexer, segment: lan20, address: .7}/' \
    -e 's/^    forward: .*/    forward: [{port: tcp\/51413, to: indexer}]/' -i /etc/lanward/lab.yaml
  host podman run -d --name indexer --stop-timeout 0 --network none localhost/box:1 /bin/sh -c "$(talker)" >/dev/null
  on_host apply -q --no-wait
  on_host confirm -q
  OVPN=$(on_host exec seedbox -- curl -s --max-time 5 http://echo.test/)
  DIRECT=$(on_host exec gaming -- curl -s --max-time 5 http://echo.test/)
  export OVPN
  [ -n "$OVPN" ] && [ "$OVPN" != "$DIRECT" ]
}

teardown_file() { [ -n "$LACKING" ] || "$tools/host_world" stop "$WORLD"; }

setup() { need_twin; }

echo_address=45.83.10.10

# What the container does from its first moment on: it talks to the internet, and listens at its port.
talker() {
  echo "while true; do echo hello | /bin/nc -l -p 51413; done &
    while true; do /bin/echo x | /bin/nc -w 1 $echo_address 80 >/dev/null 2>&1; /bin/sleep 0.05; done"
}

# The address that the internet sees.
seen_from() {
  printf 'GET / HTTP/1.0\r\nHost: echo.test\r\n\r\n' |
    timeout 5 "$tools/host_world" exec "$WORLD" -- "$lanward" exec "$1" -- /bin/nc -w 1 $echo_address 80 | tail -n 1
}

seen_by_ovpn() { [ "$(seen_from indexer)" = "$OVPN" ]; }

in_container() { host podman exec indexer "$@"; }

links_of_container() { in_container /bin/ip -o link | grep -vc ': lo:'; }

all_is_as_wanted() { on_host status | grep -F "all as the file says"; }

@test "a container has its NIC, its lease, its resolver, and leaves by its segment's tunnel" {
  in_container /bin/ip -4 -o address show dev eth0 | grep -F '192.168.20.7/24' | grep -F dynamic
  in_container /bin/ip route | grep -F 'default via 192.168.20.1'
  [ "$(in_container /bin/cat /etc/resolv.conf)" = "nameserver 192.168.20.1" ]
  in_container /bin/nslookup echo.test | grep -F $echo_address
  seen_by_ovpn
  on_host status | grep -F "all as the file says"
}

@test "the provider's port arrives at the container" {
  [ "$(world world -- "$lanward" twin exec --name world @ovpn -- \
    busybox nc -w 2 10.60.0.2 51413 </dev/null | head -n 1)" = hello ]
}

@test "host-guard holds it to its own address" {
  host ip netns exec "$(host sh -c 'ls /run/netns | grep ^ctr-indexer')" sh -c \
    'ip address add 192.168.20.99/32 dev eth0; ping -c 1 -W 1 -I 192.168.20.99 192.168.20.1;
     status=$?; ip address del 192.168.20.99/32 dev eth0; test "$status" = 1'
  on_host exec indexer -- /bin/ping -c 1 -W 2 192.168.20.1
}

@test "started again, it is seen as out of place, and apply plugs it in" {
  host podman restart -t 0 indexer
  [ "$(links_of_container)" = 0 ]
  on_host status | grep -F "+ container indexer"
  run -2 on_host plan
  on_host apply -q
  within 5 seen_by_ovpn
  [ "$(in_container /bin/cat /etc/resolv.conf)" = "nameserver 192.168.20.1" ]
  on_host status | grep -F "all as the file says"
  [ "$(host sh -c 'ls /run/netns' | grep -c '^ctr-')" = 1 ]
}

# Ten times, while it talks to the internet all the time: nothing of it on the uplink but inside the tunnel. The same
# filter sees what goes straight out, at the end.
@test "started ten times under watch: back each time, never a packet by another way" {
  host sh -c "exec tcpdump -i enp1s0 -n -l -U 'host $echo_address or net 192.168.20.0/24'" 3>&- \
    >"$BATS_TEST_TMPDIR/wire" 2>"$BATS_TEST_TMPDIR/wire.err" &
  local capture=$!
  host "$lanward" watch 3>&- >"$BATS_TEST_TMPDIR/watch" 2>&1 &
  local watch=$!
  within 5 grep -q listening "$BATS_TEST_TMPDIR/wire.err"
  for round in 1 2 3 4 5 6 7 8 9 10; do
    host podman restart -t 0 indexer >/dev/null
    within 10 seen_by_ovpn || { echo "round $round" && cat "$BATS_TEST_TMPDIR/watch" && false; }
  done
  [ ! -s "$BATS_TEST_TMPDIR/wire" ] || { cat "$BATS_TEST_TMPDIR/wire" && false; }
  on_host exec gaming -- curl -s --max-time 5 http://echo.test/
  within 5 grep -q $echo_address "$BATS_TEST_TMPDIR/wire"
  kill "$watch" "$capture"
  wait "$watch" "$capture" || true
  within 5 all_is_as_wanted
  [ "$(host sh -c 'ls /run/netns' | grep -c '^ctr-')" = 1 ]
}

@test "moved to another segment: its address, resolver and exit there; and back" {
  on_host move indexer lan30
  within 5 sh -c "'$tools/host_world' exec '$WORLD' -- podman exec indexer /bin/ip -4 -o address | grep -F 192.168.30."
  [ "$(in_container /bin/cat /etc/resolv.conf)" = "nameserver 192.168.30.1" ]
  on_host move indexer lan20
  within 5 sh -c "'$tools/host_world' exec '$WORLD' -- podman exec indexer /bin/ip -4 -o address | grep -F 192.168.20.7"
}

@test "with a network of its own it is refused, with the remedy, and nothing is touched" {
  host podman rm -f -t 0 indexer
  host podman run -d --name indexer --network host localhost/box:1 /bin/sleep 1000
  run -1 on_host apply
  [[ $output == *"lab.yaml:"*"round every rule"*"--network none"* ]]
  host podman rm -f -t 0 indexer
}

@test "one that is not there is a warning; it is plugged in when it comes" {
  host podman rm -f -i -t 0 indexer
  run -0 on_host apply
  [[ $output == *"there is no container indexer"* ]]
  [ "$(host sh -c 'ls /run/netns' | grep -c '^ctr-')" = 0 ]
  on_host status | grep -F "there is no container indexer"
  host podman run -d --name indexer --network none localhost/box:1 /bin/sleep 1000
  run -0 on_host apply
  [[ $output != *"there is no container"* ]]
  [ "$(links_of_container)" = 1 ]
}

@test "down: the container runs on, with nothing of the lab's" {
  on_host down
  [ "$(links_of_container)" = 0 ]
  [ "$(host sh -c 'ls /run/netns' | grep -c '^ctr-')" = 0 ]
  in_container /bin/sh -c '[ ! -e /etc/resolv.conf ]' # as Podman made it
}
