#!/usr/bin/env bats
# The same verbs on a lab whose router is an OPNsense: against a server that keeps a config.xml and answers as its API does.
# Runs as root: skipped otherwise.
load common

setup_file() {
  [ "$(id -u)" = 0 ] || return 0
  command -v openssl >/dev/null || return 0
  export WORLD="router-$$" LACKS
  LACKS=$("$BATS_TEST_DIRNAME/../tools/libvirt_world.py" missing)
  local -a libvirt=(--libvirt)
  [ -z "$LACKS" ] || libvirt=()
  "$BATS_TEST_DIRNAME/../tools/host_world" start "$WORLD" "${libvirt[@]}" --owner "$PPID" --lanward "$lanward" >/dev/null
  on_host mkdir -p -m 700 "$there"
  on_host sh -c "cd $there && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=router -keyout tls.key -out tls.pem 2>/dev/null
    umask 077; printf 'key=testkey\nsecret=very-secret\n' >/etc/lanward/api.key"
  write_lab 1
  save_rules
  host opnsense "$file" -q -o "$there/clean.xml"
  on_host cp "$there/clean.xml" "$there/config.xml"
  start_router 26.7.4
  host apply -q "$file" --no-wait
  host confirm -q
  on_host sh -c "$tools/standin_router start /run/rules.json $there/config.xml >$there/config.xml.wan"
}

teardown_file() {
  [ -z "${WORLD:-}" ] || "$BATS_TEST_DIRNAME/../tools/host_world" stop "$WORLD"
}

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: the host target is tried in namespaces that root makes"
  command -v openssl >/dev/null || skip "openssl is missing"
}

there=/run/opnsense
file=/etc/lanward/router.yaml
on_host() { "$tools/host_world" exec "$WORLD" -- "$@" </dev/null; }
host() { on_host "$lanward" "$@"; }

# What the builtin router of the same lab has, once WAN has its lease: a stand-in forwards by it.
save_rules() {
  host apply -q /etc/lanward/lab.yaml --no-wait
  host confirm -q
  # shellcheck disable=SC2317 # within() calls it
  has_lease() { on_host ip -n router route show table all | grep -q 'default via .* dev wan'; }
  within 20 has_lease
  on_host "$tools/standin_router" save router /run/rules.json
  host plan "$file" >"$BATS_FILE_TMPDIR/to-opnsense" 2>&1 || true
  host down -q
}

# write_lab PORT [sed script]: homelab with that router.
write_lab() {
  on_host sh -c "pin=\$(openssl x509 -in $there/tls.pem -noout -fingerprint -sha256 | cut -d= -f2)
    sed \"s|^router: .*|router: {kind: opnsense, adopt: replace, api: {url: \\\"https://127.0.0.1:$1\\\", key-file: api.key, certificate: \\\"\$pin\\\"}}|\" \
      /etc/lanward/lab.yaml >$file"
}

start_router() {
  on_host sh -c "cd $there && { setsid python3 $tools/opnsense_api.py tls.pem tls.key config.xml $1 requests fault ${2:-0} >port 2>log 3>&- & echo \$! >server; }"
  listens() { [ -n "$(on_host cat "$there/port")" ]; }
  within 10 listens
  write_lab "$(on_host cat "$there/port")"
}

# The same address again: it is the lab's in force.
restart_router() {
  local port
  port=$(on_host cat "$there/port")
  stop_router
  start_router "$1" "$port"
}

stop_router() { on_host sh -c "kill \$(cat $there/server); cp $there/port $there/port.last; : >$there/port"; }

# What the router has, whatever the order and the white space.
content() {
  on_host python3 -c '
import sys, xml.etree.ElementTree as tree
def form(node): return node.tag, node.get("uuid"), (node.text or "").strip(), sorted(repr(form(each)) for each in node)
print(form(tree.parse(sys.argv[1]).getroot()))' "${1:-$there/config.xml}" | sha256sum
}

requests() { on_host cat "$there/requests" | grep -E 'POST|killed|in force'; }
forget() { on_host truncate -s 0 "$there/requests"; }

# Puts a lab's variant into force.
vary() { on_host sh -c "sed '$1' $file >/etc/lanward/varied.yaml"; }

settled() {
  run host status
  [[ $output == *"all as the file says"* ]] || { echo "$output"; false; }
}

inside() { on_host "$tools/standin_router" exec -- "$@"; }

# report EXPRESSION: of a report as JSON on standard input, called `r`.
report() { python3 -c "import json, sys; r = json.load(sys.stdin); print($1)"; }

@test "what the router has is what the file says: nothing is to do, and it is proved, by its rules and by packets" {
  run host plan "$file"
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"OPNsense 26.7.4"*"nothing to do"* ]]
  run host verify
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *" 0 violations"* && $output == *"whether a tunnel carried it is not seen"* ]]
  host verify --live --json >"$BATS_TEST_TMPDIR/report"
  count() { report "sum(c['live'] == '$1' and c['expect'] == '$2' for c in r['cells'])" <"$BATS_TEST_TMPDIR/report"; }
  [ "$(count deny deny)" -gt 500 ]
  [ "$(count allow allow)" -gt 150 ]
  [ "$(count allow deny)" -eq 0 ]
  [ "$(count deny allow)" -eq 0 ]
  # what is not tried says why, each; all of it together, too
  [ "$(report "sum(c['live'] == 'untested' and not c.get('note') for c in r['cells'])" <"$BATS_TEST_TMPDIR/report")" -eq 0 ]
  [ "$(report "sum('tunnel' in line for line in r['not_tried'])" <"$BATS_TEST_TMPDIR/report")" -ge 2 ]
}

@test "a router that does not do what its API shows: packets find each, and the two proofs disagree" {
  inside nft insert rule inet lanward forward iifname lan10 oifname lan30 accept
  inside nft insert rule inet lanward input iifname lan50 tcp dport 22 accept
  inside nft insert rule inet lanward forward iifname lan40 ip daddr 192.168.99.15 tcp dport 7080 drop
  inside sh -c 'ip rule add priority 50 from 192.168.20.0/24 to 9.9.9.9 lookup 19457
    nft insert rule inet lanward forward iifname lan20 oifname wan accept
    nft insert rule inet lanward forward iifname wan oifname lan20 accept'
  inside sh -c 'exec setsid python3 -c "import socket; s = socket.create_server((\"\", 22)); s.accept()" >/dev/null 2>&1 3>&- & echo $! >/run/listener'
  run host verify
  echo "$output"
  [ "$status" -eq 3 ]
  [[ $output == *"lan10 ("*") -> lan30/"*"must not pass, but arrived"* ]]
  [[ $output == *"lan50 ("*") -> router "*"tcp/22: must not pass, but was answered"* ]]
  [[ $output == *"lan40 ("*") -> host "*"tcp/7080: must pass, but did not arrive"* ]]
  [[ $output == *"lan20 ("*") -> internet 9.9.9.9 "*"must pass, but arrived at lw-wan, out of the router by WAN instead"* ]]
  [[ $output == *"the two proofs disagree"* && $output != *"its address there is not known"* ]]
  run host verify --static
  [ "$status" -eq 0 ]
  inside sh -c 'kill $(cat /run/listener)'
}

@test "without the router on the lab's wires nothing can be sent, and that is said" {
  on_host "$tools/standin_router" stop
  on_host rm "$there/config.xml.wan"
  run host verify --live
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *"no packet was sent: the router answers (ARP) on none of the segments' wires"* ]]
  run host verify
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"WAN's address is assumed"*"no packet was sent"*" 0 violations"* ]]
}

@test "explain walks pf's rules" {
  run host explain 'lan30/roamer -> internet tcp/443'
  echo "$output"
  [[ $output == *"The file allows it"*"lanward: lan30: egress of the rest"*"leaves the router by the tunnel se"* ]]
}

@test "switch: the requests, the rules loaded once, the states killed after; and back" {
  local before
  before=$(content)
  forget
  host switch lan30 de
  requests
  [ "$(requests | grep -c set_)" -eq 5 ]
  [ "$(requests | grep -c 'in force')" -eq 1 ]
  [[ $(requests) == *"in force"*"killed 192.168.30.0/24"* ]]
  settled
  host switch -q lan30 se
  [ "$(content)" = "$before" ]
}

reserved() { on_host python3 -c '
import sys, xml.etree.ElementTree as tree
hosts = tree.parse("'"$there"'/config.xml").getroot().find("dnsmasq").findall("hosts")
print(" ".join(host.findtext("ip") for host in hosts if host.findtext("host") == sys.argv[1]))' "$1"; }

plugged_into() { on_host ip -o link show type veth | grep -o "master virbr-[^ ]*" | sort | uniq -c; }

@test "move: the reservation goes along, the old address's states are killed; back, cut and heal" {
  local before
  before=$(content)
  [ "$(reserved vault)" = 192.168.50.25 ]
  forget
  run host move vault lan30
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == "vault: in lan30 now, its address there is $(reserved vault)" && $(reserved vault) == 192.168.30.* ]]
  requests
  [[ $(requests) == *"set_host"*"dnsmasq/service/reconfigure"*"in force"*"killed 192.168.50.25"* ]]
  settled
  host move -q vault lan50
  [ "$(content)" = "$before" ]
  host cut -q vault
  settled
  host heal -q vault
  settled
  [ "$(content)" = "$before" ]
}

@test "a move that fails or is killed in the middle: the router, the cable and the file's word are as before" {
  local before ports
  before=$(content)
  ports=$(plugged_into)
  for fault in "1 500" "2 close" "1 kill $there/pid" "2 kill $there/pid"; do
    on_host sh -c "echo $fault >$there/fault"
    run on_host sh -c "echo \$\$ >$there/pid; exec $lanward move vault lan30"
    echo "$fault: $output"
    [ "$status" -ne 0 ]
    [[ $fault != *kill* ]] || host recover
    [ "$(content)" = "$before" ]
    [ "$(plugged_into)" = "$ports" ]
    [[ $(host status) == *"vault        lan50              192.168.50.25"*"all as the file says"* ]]
  done
}

@test "a reservation and a forward: what the plan says is what is asked, and rollback takes it back" {
  local before
  before=$(content)
  vary 's|^  vault: |  newbie: {cell: true, segment: lan50, address: .26}\n&|; s|forward: \[{port: tcp+udp/51413, to: seedbox}\]|forward: [{port: tcp+udp/51413, to: seedbox}, {port: tcp/8443, to: seedbox, to-port: 443}]|'
  run host plan /etc/lanward/varied.yaml
  echo "$output"
  [ "$status" -eq 2 ]
  [[ $output == *"+ OPNsense's host “newbie”"*"+ OPNsense's forward “lanward: lan20: tcp/8443 to seedbox”"*"opens  internet/ovpn -> lan20"*"proved: none of the"* ]]
  forget
  host apply /etc/lanward/varied.yaml --confirm 60s --no-wait
  requests
  [[ $(requests) == *"set_host"*"d_nat/set_rule"*"filter/set_rule"*"dnsmasq/service/reconfigure"*"filter/apply"* ]]
  run host status
  [[ $output == *"waits to be confirmed"*"all as the file says"* ]]
  [ "$(on_host stat -c %a /var/lib/lanward/opnsense/first.xml /var/lib/lanward/opnsense/last.xml | sort -u)" = 600 ]
  [ "$(content /var/lib/lanward/opnsense/first.xml)" = "$(content "$there/clean.xml")" ]
  host rollback -q
  settled
  [ "$(content)" = "$before" ]
}

@test "an apply that nobody confirms is taken back at the router, too" {
  local before
  before=$(content)
  vary 's|allow: \[host/ping from .0/26, host/samba from .1-.50\]|allow: [host/ping]|'
  host apply -q /etc/lanward/varied.yaml --confirm 1s --no-wait
  [ "$(content)" != "$before" ]
  back() { [ "$(content)" = "$before" ]; }
  within 120 back
  settled
}

@test "a request that fails in the middle: all is put back, whatever the failure" {
  local before
  before=$(content)
  for fault in "1 500" "3 refuse" "5 half" "7 close"; do
    on_host sh -c "echo $fault >$there/fault"
    forget
    run host switch lan30 de
    echo "$fault: $output"
    requests
    [ "$status" -eq 4 ]
    [[ $output == *"put back"* && $output != *very-secret* ]]
    [ "$(content)" = "$before" ]
  done
  settled
}

@test "killed in the middle: recover brings it back, and loads it" {
  local before
  before=$(content)
  for at in 2 7; do
    on_host sh -c "echo $at kill $there/pid >$there/fault"
    run on_host sh -c "echo \$\$ >$there/pid; exec $lanward switch lan30 de"
    [ "$status" -ne 0 ]
    [ "$(content)" != "$before" ]
    forget
    run host recover
    echo "$at: $output"
    requests
    [[ $output == *"was cut short"*"undone"* ]]
    [ "$(content)" = "$before" ]
    [[ $(requests) == *"filter/apply"*"killed 192.168.30.0/24"* ]]
  done
  settled
}

@test "a boot with the router away comes up; what is left is undone when it is there" {
  local before
  before=$(content)
  on_host sh -c "echo 3 kill $there/pid >$there/fault"
  run on_host sh -c "echo \$\$ >$there/pid; exec $lanward switch lan30 de"
  forget
  run host boot
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"but for the OPNsense"*": up"* ]]
  [ -z "$(requests)" ]
  [ "$(content)" != "$before" ]
  settled
  [ "$(content)" = "$before" ]
  stop_router
  run host switch lan30 de
  [ "$status" -eq 1 ]
  [[ $output == *"the router at https://127.0.0.1"* ]]
  run host status
  [ "$status" -eq 0 ]
  [[ $output == *"router"*"Could not connect"* ]]
  start_router 26.7.4 # at another address
  vary 's|allow: \[host/ping from .0/26, host/samba from .1-.50\]|allow: [host/ping]|'
  run host plan /etc/lanward/varied.yaml
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *"apply the file with nothing but that changed first"*"Could not connect"* ]]
  host apply -q "$file" --no-wait
  run host plan /etc/lanward/varied.yaml
  [ "$status" -eq 2 ]
  settled
}

@test "drift at the router is seen, is a violation where it opens something, and is put right" {
  on_host sed -i '0,/<destination_net>lanward_special/s//<destination_net>192.0.2.77/' "$there/config.xml"
  run host status
  echo "$output"
  [[ $output == *"~ OPNsense's rule “lanward: lan10: special-purpose addresses are not internet” (live: destination_net 192.0.2.77 -> lanward_special)"* ]]
  run host verify --static
  [ "$status" -eq 3 ]
  [[ $output == *"lan10 -> wan"*"passes, and must not"*"egress of the rest"* ]]
  run host plan "$file"
  [[ $output == *"closes lan10 -> wan"* ]]
  host apply -q "$file" --confirm 60s --no-wait
  host confirm -q
  [ "$(content)" = "$(content "$there/clean.xml")" ]
}

add_foreign_rules() {
  on_host python3 -c '
import xml.etree.ElementTree as tree
path = "'"$there"'/config.xml"
doc = tree.parse(path)
rules = doc.getroot().find("OPNsense/Firewall/Filter/rules")
def add(number, **fields):
    rule = tree.SubElement(rules, "rule", uuid=f"11111111-2222-4333-8444-55555555555{number}")
    for name, text in fields.items():
        tree.SubElement(rule, name).text = text
same = dict(enabled="1", sequence="1", quick="1", direction="in", ipprotocol="inet", source_net="any")
add(1, interface="opt1", action="pass", protocol="any", destination_net="opt3", description="by hand: lan10 to lan30", **same)
add(2, interface="opt1,opt2", action="block", protocol="TCP", destination_net="any", destination_port="25", description="by hand: no mail", **same)
doc.write(path)'
}

@test "the legs of a virtual machine that is adopted are known by the bridges that they are plugged into" {
  [ -z "$LACKS" ] || skip "$LACKS"
  virsh() { on_host virsh -q -c qemu:///system "$@"; }
  ports() { on_host nft list set bridge lanward_guard router_ports; }
  on_host sh -c "$tools/libvirt_world.py domain opnsense /run/guests /bridge/br0 /bridge/br-mgmt /bridge/virbr-lan10 >/run/router.xml"
  virsh define /run/router.xml
  virsh start opnsense
  port=$(virsh domiflist opnsense | awk '$3 == "virbr-lan10" { print $1 }')
  [[ $(ports) == *'"lw-lan10"'* && $(ports) != *"\"$port\""* ]]
  host apply -q "$file" --no-wait
  [[ $(ports) != *'"lw-lan10"'* && $(ports) == *"\"$port\""* ]]
  virsh destroy opnsense
  virsh undefine opnsense
  host apply -q "$file" --no-wait
}

@test "rules of somebody's: refused, observed without a write, or taken over, each named" {
  add_foreign_rules
  local foreign
  foreign=$(content)
  forget
  vary 's/ adopt: replace,//'
  run host plan /etc/lanward/varied.yaml
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *"configured by hand"*"by hand: lan10 to lan30"*"adopt: replace"* ]]
  vary 's/adopt: replace/adopt: observe/'
  run host plan /etc/lanward/varied.yaml
  [[ $output == *"adopt: observe"*"nothing is written"*"goes:   opt1: by hand: lan10 to lan30"* ]]
  host apply -q /etc/lanward/varied.yaml --confirm 60s --no-wait
  host confirm -q
  run host status
  [[ $output == *"nothing is written"*"not the file's: opt1: by hand: lan10 to lan30"* ]]
  run host switch lan30 de
  [ "$status" -eq 1 ]
  run host verify --static
  [ "$status" -eq 3 ]
  [[ $output == *"lan10 -> lan30"*"by hand: lan10 to lan30"* ]]
  [ -z "$(requests)" ]
  [ "$(content)" = "$foreign" ]
  run host plan "$file"
  echo "$output"
  [ "$status" -eq 2 ]
  [[ $output == *"goes:   opt1: by hand: lan10 to lan30"*"saved by apply, to go back to"*"- OPNsense's rule “by hand: lan10 to lan30”"*"closes lan10 -> lan30"* ]]
  host apply -q "$file" --confirm 60s --no-wait
  host confirm -q
  [ "$(content)" = "$(content "$there/clean.xml")" ]
}

@test "a file with the other kind of router is refused before anything, with what to do" {
  cat "$BATS_FILE_TMPDIR/to-opnsense"
  [[ $(cat "$BATS_FILE_TMPDIR/to-opnsense") == *"from the builtin one to an OPNsense"*"lanward down; virsh start opnsense; lanward apply $file" ]]
  forget
  run host apply /etc/lanward/lab.yaml --no-wait
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *"from an OPNsense to the builtin one"*"lanward down; virsh shutdown opnsense; virsh autostart --disable opnsense; lanward apply /etc/lanward/lab.yaml" ]]
  [ -z "$(requests)" ]
  settled
}

@test "a tunnel's other preshared key is seen, by the file and at the router, and never shown" {
  local secret conf=/etc/lanward/wireguard/se.conf new=/var/lib/lanward/opnsense/new.xml
  secret=$(on_host wg genpsk)
  on_host sed -i "/^\[Peer\]/a PresharedKey = $secret" "$conf"
  run host plan "$file"
  echo "$output"
  [[ $output == *"by hand (restart): tunnel se has another preshared key than the file"* && $output != *"$secret"* ]]
  host apply -q "$file" --no-wait
  run host switch lan30 de
  [[ $output == *"has to be restored first"* ]]
  [ "$(on_host grep -c "$secret" "$new")" = 1 ]
  on_host cp "$new" "$there/config.xml"
  settled
  on_host sed -i "s|$secret|$(on_host wg genpsk)|" "$there/config.xml" # by somebody else
  run host status
  echo "$output"
  [[ $output == *"has another preshared key than the file"* && $output != *"$secret"* ]]
  on_host sed -i /PresharedKey/d "$conf"
  on_host cp "$there/clean.xml" "$there/config.xml"
  host apply -q "$file" --no-wait
  settled
}

@test "what no API does: the steps, the file to restore, and until then nothing is written" {
  vary 's|^machines:|  lan60: {subnet: 192.168.60.0/24, dhcp: .200-.240, egress: direct}\n&|'
  forget
  run host plan /etc/lanward/varied.yaml
  echo "$output"
  [ "$status" -eq 2 ]
  [[ $output == *"Backups: Download"*"Restore"*"new.xml"*"! OPNsense, by hand (restart): interface lan60 is missing"* ]]
  host apply -q /etc/lanward/varied.yaml --confirm 60s --no-wait
  host confirm -q
  on_host ip link show virbr-lan60 >/dev/null
  run host switch lan30 de
  [ "$status" -eq 1 ]
  [[ $output == *"has to be restored first"* ]]
  [ -z "$(requests)" ]
  [ "$(on_host stat -c %a /var/lib/lanward/opnsense/new.xml)" = 600 ]
  on_host cp /var/lib/lanward/opnsense/new.xml "$there/config.xml"
  settled
  run host verify --static -q
  [ "$status" -eq 0 ]
  host switch -q lan30 de
  host switch -q lan30 se
}

@test "a version that is not known is read, and nothing is written to it" {
  restart_router 27.1
  forget
  run host plan "$file"
  echo "$output"
  [[ $output == *"27.1 is not a version that this lanward knows"*"nothing is written"* ]]
  run host switch lan30 de
  [ "$status" -eq 1 ]
  run host verify --static
  [[ $output == *"violations"* ]]
  [ -z "$(requests)" ]
}

@test "down takes lanward's items away, and says nothing of the key to anybody" {
  restart_router 26.7.4
  host apply -q "$file" --confirm 60s --no-wait
  run host confirm -q # there may be nothing to confirm
  host down -q
  run on_host grep -c 'lanward: ' "$there/config.xml"
  [ "$output" = 0 ]
  run on_host grep -rl very-secret /var/lib/lanward /run/lanward
  [ -z "$output" ]
}
