#!/usr/bin/env bats
# What no line of the file allows does not pass.
load common

setup_file() { start_twin isolation "$lab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

@test "nobody reaches the router's page or SSH, except the host by mgmt" {
  # The twin's router listens there, on every address of its own.
  for port in 22 80 443; do
    reaches @router "tcp/$port" 192.168.10.1
    reaches @host "tcp/$port" 192.168.99.1
  done
  tries=()
  for pair in gaming:10 seedbox:20 roamer:30 builder:40 vault:50; do
    for port in 22 80 443; do
      tries+=("${pair%:*} tcp/$port 192.168.${pair#*:}.1")
    done
    tries+=("${pair%:*} tcp/22 192.168.99.1")
  done
  none_passes "${tries[@]}"
}

@test "nobody reaches the home LAN, not even by the router's own prefix there" {
  listen_at @home-router 40 tcp/8080 udp/8080
  home=$(in_router ip -4 -o route show table all default dev wan | sed -n 's/.* via \([0-9.]*\).*/\1/p' | head -n 1)
  [ -n "$home" ]
  reaches @home-router tcp/8080 "$home"
  tries=()
  for machine in gaming seedbox roamer builder vault; do
    tries+=("$machine tcp/8080 $home" "$machine udp/8080 $home" "$machine ping $home")
  done
  none_passes "${tries[@]}"
  reaches @home-router tcp/8080 "$home"
}

@test "no segment reaches another" {
  listen_at builder 60 tcp/8000
  listen_at seedbox 60 tcp/8000
  listen_at vault 60 tcp/8000
  reaches intruder tcp/8000 192.168.20.5
  tries=()
  for machine in gaming roamer builder vault; do
    tries+=("$machine tcp/8000 192.168.20.5" "$machine ping 192.168.20.5")
  done
  for machine in gaming seedbox roamer vault; do
    tries+=("$machine tcp/8000 192.168.40.10")
  done
  for machine in gaming seedbox roamer builder; do
    tries+=("$machine tcp/8000 192.168.50.25")
  done
  none_passes "${tries[@]}"
  reaches intruder tcp/8000 192.168.20.5
}

@test "lan40 and the host reach each other, by any port, both ways" {
  listen_at @host 20 tcp/12345 udp/12345
  listen_at builder 20 tcp/2222 udp/2222
  reaches builder tcp/12345 "$host_address"
  reaches builder udp/12345 "$host_address"
  pings builder "$host_address"
  reaches @host tcp/2222 192.168.40.10
  reaches @host udp/2222 192.168.40.10
  pings @host 192.168.40.10
}

@test "the host reaches no other segment" {
  listen_at seedbox 20 tcp/2222
  none_passes "@host tcp/2222 192.168.20.5" "@host ping 192.168.20.5" "@host ping 192.168.50.25"
}

@test "lan10 to lan30 reach the host's ping and Samba, and nothing else of it" {
  listen_at @host 40 tcp/12346
  for machine in gaming seedbox roamer; do
    pings "$machine" "$host_address"
    reaches "$machine" tcp/445 "$host_address"
    none_passes "$machine tcp/444 $host_address" "$machine tcp/446 $host_address" "$machine tcp/7080 $host_address" \
      "$machine tcp/12346 $host_address"
  done
  reaches @host tcp/12346 "$host_address"
}

@test "lan50's table: .25 pings the host and opens 445, .60 pings only, one of the DHCP range neither" {
  pings vault "$host_address"
  reaches vault tcp/445 "$host_address"
  pings vault-60 "$host_address"
  not reaches vault-60 tcp/445 "$host_address"
  within 10 has_address_in vault-late 192.168.50.2
  not pings vault-late "$host_address"
  not reaches vault-late tcp/445 "$host_address"
}

@test "IPv6 is dropped" {
  capture_at neighbour 5 "$BATS_TEST_TMPDIR/capture"
  tool intruder rogue eth0 na
  wait "$CAPTURE" || true
  not grep icmp6 "$BATS_TEST_TMPDIR/capture"
}
