#!/usr/bin/env bats
# Moving a machine, and cutting it off.
load common

setup_file() { start_twin move "$lab"; }
teardown_file() { stop_twin; }
setup() { need_twin; }

# Which segments' bridges the machine's NIC is on, one a line.
bridges_of() {
  local port
  port=$(in_place "$1" ip -o link show dev eth0 | sed -n 's/.*eth0@if\([0-9]*\):.*/\1/p')
  in_place @host ip -o link | sed -n "s/^$port: .* master \([^ ]*\) .*/\1/p"
}

arrives() {
  within 10 has_address_in "$1" "$2"
  [ "$(bridges_of "$1")" = "$3" ]
  within 5 pings "$1" "${2}1"
}

@test "there and back 20 times: a right lease each time, never on both, the old address gone" {
  within 10 has_address_in roamer 192.168.30.
  for _ in $(seq 20); do
    old=$(address_of roamer)
    twin move roamer lan10
    arrives roamer 192.168.10. virbr-lan10
    not in_router ping -c 1 -W 0.3 "$old"
    old=$(address_of roamer)
    twin move roamer lan30
    arrives roamer 192.168.30. virbr-lan30
    not in_router ping -c 1 -W 0.3 "$old"
  done
}

@test "where it stands decides what it may: its exit, its resolver" {
  twin move roamer lan10
  arrives roamer 192.168.10. virbr-lan10
  owns @home-router "$(seen_of roamer)"
  twin move roamer lan50
  arrives roamer 192.168.50. virbr-lan50
  [ -z "$(seen_of roamer)" ]
}

@test "an apply keeps it where it is and says so" {
  run twin apply "$lab"
  [ "$status" -eq 0 ]
  [[ $output == *roamer* ]]
  [ "$(bridges_of roamer)" = virbr-lan50 ]
  twin move roamer lan30
  arrives roamer 192.168.30. virbr-lan30
}

@test "cut: off everything, until heal" {
  within 10 pings gaming 192.168.10.1
  twin cut gaming
  not pings gaming 192.168.10.1
  [ -z "$(bridges_of gaming)" ]
  twin apply "$lab"
  not pings gaming 192.168.10.1
  twin heal gaming
  within 10 pings gaming 192.168.10.1
}

@test "a machine or a segment that is not there is refused" {
  run twin move nobody lan10
  [ "$status" -eq 1 ]
  [[ $output == *nobody* ]]
  run twin move roamer lan99
  [ "$status" -eq 1 ]
  [[ $output == *lan99* ]]
}
