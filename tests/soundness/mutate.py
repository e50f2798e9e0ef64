#!/usr/bin/env python3
"""Harms a running twin at random and asks both proofs about it.

usage: mutate.py LANWARD FILE [--count N] [--seed N]

Each time one thing of the router's or the host's is changed behind lanward's back: a rule, an element of a set, a
policy, a route, a routing rule, a bridge port, a setting, NAT, an address. Then `verify --static` says what it finds
by what is in force, and `verify --live` what packets do. What packets show and the static proof does not is missed;
what the static proof alone shows is counted, and listed to be explained; of it, what would happen when a tunnel is
lost, which no packet can show while it is there, apart. What it finds by flows, and what only because
something is not as compiled, is counted apart. Afterwards the twin is put back, or made anew.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import time

NAME = f"mutate{os.getpid()}"


def run(argv, check=True, text=None):
    done = subprocess.run(argv, capture_output=True, text=True, input=text, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done


class Twin:
    def __init__(self, lanward, file):
        self.lanward, self.file = lanward, file
        self.up()

    def up(self):
        run([self.lanward, "twin", "apply", self.file, "--name", NAME])
        listing = run(["ss", "-xlp"]).stdout
        line = next(each for each in listing.splitlines() if each.split()[4].endswith(f"/{NAME}"))
        self.holder = re.search(r"pid=(\d+)", line).group(1)

    def anew(self):
        run([self.lanward, "twin", "down", "--name", NAME], check=False)
        self.up()

    def down(self):
        run([self.lanward, "twin", "down", "--name", NAME], check=False)

    def inside(self, place, argv, check=True, text=None):
        enter = ["nsenter", "-t", self.holder, "-U", "-n", "-m", "-p", "--preserve-credentials"]
        return run(enter + (["ip", "netns", "exec", place] if place else []) + argv, check, text)

    def violations(self, how):
        done = run([self.lanward, "twin", "verify", how, "--json", "--name", NAME], check=False)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            raise RuntimeError(f"verify {how}: {done.stderr.strip()}") from None
        flows = [each for each in report["violations"] if not each.startswith("not as compiled")]
        return flows, [each for each in report["violations"] if each.startswith("not as compiled")]

    def heal(self):
        run([self.lanward, "twin", "apply", self.file, "--name", NAME])


class Mutator:
    """Each method changes one thing, and returns what it did and how to take that back."""

    def __init__(self, twin, rng):
        self.twin, self.rng = twin, rng

    def listing(self, place):
        return json.loads(self.twin.inside(place, ["nft", "-j", "list", "ruleset"]).stdout)["nftables"]

    def objects(self, place, kind):
        return [each[kind] for each in self.listing(place) if kind in each]

    def place(self):
        return self.rng.choice(["router", "router", "router", ""])

    def nft(self, place, command):
        self.twin.inside(place, ["nft", "-f", "-"], text=command)
        return f"{place or 'host'}: nft {command}"

    def links(self, place):
        return [each["ifname"] for each in json.loads(self.twin.inside(place, ["ip", "-j", "link"]).stdout)]

    def insert_rule(self):
        place = self.place()
        chain = self.rng.choice([each for each in self.objects(place, "chain") if each["family"] == "inet"])
        match = self.rng.choice(
            ["", f"iifname \"{self.rng.choice(self.links(place))}\"", f"oifname \"{self.rng.choice(self.links(place))}\"",
             "meta l4proto udp", "meta l4proto tcp", "tcp dport 22", "tcp dport 445", "ip daddr 192.168.0.0/16",
             "ip saddr 192.168.50.0/24", "ip saddr 192.168.10.0/24", "meta l4proto icmp", "ct state new"])
        verdict = self.rng.choice(["accept", "accept", "drop", "return"])
        return self.nft(place, f"insert rule inet {chain['table']} {chain['name']} {match} {verdict}"), None

    def delete_rule(self):
        place = self.place()
        rule = self.rng.choice(self.objects(place, "rule"))
        what = rule.get("comment", "")
        return self.nft(place, f"delete rule {rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}"
                        ) + f" ({what})", None

    def flush_chain(self):
        place = self.place()
        chain = self.rng.choice(self.objects(place, "chain"))
        return self.nft(place, f"flush chain {chain['family']} {chain['table']} {chain['name']}"), None

    def change_policy(self):
        chain = self.rng.choice([each for each in self.objects("router", "chain") if "policy" in each])
        policy = "accept" if chain["policy"] == "drop" else "drop"
        if chain["type"] == "nat":
            policy = "drop"
        return self.nft("router", f"chain inet {chain['table']} {chain['name']} {{ policy {policy}; }}"), None

    @staticmethod
    def text(value):
        if isinstance(value, dict):
            if "concat" in value:
                return " . ".join(Mutator.text(each) for each in value["concat"])
            if "prefix" in value:
                return f"{value['prefix']['addr']}/{value['prefix']['len']}"
            if "range" in value:
                return "-".join(str(each) for each in value["range"])
        if isinstance(value, str) and not re.match(r"^[0-9.:a-f/]+$", value) and value not in ("tcp", "udp", "icmp"):
            return f'"{value}"'
        return str(value)

    def sets(self, place):
        kinds = self.objects(place, "set") + self.objects(place, "map")
        return [each for each in kinds if each.get("elem") and each["name"] != "home_lan"]

    def delete_element(self):
        place = self.place()
        chosen = self.rng.choice(self.sets(place))
        element = self.rng.choice(chosen["elem"])
        key = self.text(element[0] if isinstance(element, list) else element)
        return self.nft(place, f"delete element {chosen['family']} {chosen['table']} {chosen['name']} {{ {key} }}"), None

    def add_element(self):
        """An element of the set with one of its parts taken from another."""
        place = self.place()
        chosen = self.rng.choice([each for each in self.sets(place) if "map" not in each])
        one, other = self.rng.choice(chosen["elem"]), self.rng.choice(chosen["elem"])
        if isinstance(one, dict) and "concat" in one:
            parts = list(one["concat"])
            index = self.rng.randrange(len(parts))
            parts[index] = other["concat"][index]
            new = {"concat": parts}
        else:
            new = self.rng.choice(self.links(place)) if chosen["type"] == "ifname" else one
        if new in chosen["elem"]:
            return None, None
        return self.nft(place, f"add element {chosen['family']} {chosen['table']} {chosen['name']} {{ {self.text(new)} }}"
                        ), None

    def routes(self):
        lines = self.twin.inside("router", ["ip", "route", "show", "table", "all"]).stdout.splitlines()
        return [each.strip() for each in lines if not each.startswith(("local", "broadcast", "multicast"))
                and ":" not in each]

    def delete_route(self):
        route = self.rng.choice(self.routes())
        self.twin.inside("router", ["ip", "route", "delete"] + route.split())
        return f"router: ip route delete {route}", ["router", "ip", "route", "replace"] + route.split()

    def replace_route(self):
        route = self.rng.choice([each for each in self.routes() if "default" in each])
        table = re.search(r"table (\d+)", route)
        where = ["table", table.group(1)] if table else []
        link = self.rng.choice([each for each in self.links("router") if each != "lo"])
        self.twin.inside("router", ["ip", "route", "replace", "default", "dev", link] + where)
        undo = ["router", "ip", "route", "delete", "default", "dev", link] + where
        return f"router: ip route replace default dev {link} {' '.join(where)}", undo

    def delete_lookup(self):
        lines = self.twin.inside("router", ["ip", "rule"]).stdout.splitlines()
        line = self.rng.choice([each for each in lines if not each.startswith(("0:", "32767:"))])
        priority = line.split(":")[0]
        rest = line.split(":", 1)[1].split()
        self.twin.inside("router", ["ip", "rule", "delete", "priority", priority])
        undo = ["router", "ip", "rule", "add", "priority", "32766", "table", "main"] if priority == "32766" else None
        return f"router: ip rule delete priority {priority} ({' '.join(rest)})", undo

    def add_lookup(self):
        table = self.rng.choice(["254", "1000", "1001", "1002", "1003", "19457"])
        source = self.rng.choice(["192.168.50.0/24", "192.168.30.0/24", "192.168.10.0/24", "all"])
        rule = ["priority", "5", "from", source, "table", table]
        self.twin.inside("router", ["ip", "rule", "add"] + rule)
        return f"router: ip rule add {' '.join(rule)}", ["router", "ip", "rule", "delete"] + rule

    def ports(self):
        links = json.loads(self.twin.inside("", ["ip", "-j", "link"]).stdout)
        return [each for each in links if each.get("master", "").startswith("virbr-")], links

    def move_port(self):
        ports, links = self.ports()
        port = self.rng.choice(ports)
        others = [each["ifname"] for each in links if each["ifname"].startswith("virbr-")
                  and each["ifname"] != port["master"]]
        to = self.rng.choice(others)
        self.twin.inside("", ["ip", "link", "set", port["ifname"], "master", to])
        return (f"host: {port['ifname']} from {port['master']} to {to}",
                ["", "ip", "link", "set", port["ifname"], "master", port["master"]])

    def isolate_port(self):
        port = self.rng.choice(self.ports()[0])
        argv = ["ip", "link", "set", port["ifname"], "type", "bridge_slave", "isolated"]
        self.twin.inside("", argv + ["on"])
        return f"host: {port['ifname']} isolated", [""] + argv + ["off"]

    def down_port(self):
        port = self.rng.choice(self.ports()[0])
        argv = ["ip", "link", "set", port["ifname"]]
        self.twin.inside("", argv + ["down"])
        return f"host: {port['ifname']} down", [""] + argv + ["up"]

    def setting(self):
        links = self.links("router")
        name = self.rng.choice(
            ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/all/disable_ipv6",
             f"net/ipv4/conf/{self.rng.choice(links)}/rp_filter", f"net/ipv4/conf/{self.rng.choice(links)}/forwarding",
             "net/ipv4/conf/all/rp_filter", f"net/ipv4/conf/{self.rng.choice(links)}/accept_local"])
        before = self.twin.inside("router", ["cat", f"/proc/sys/{name}"]).stdout.strip()
        value = "1" if before == "0" else "0"
        self.twin.inside("router", ["sysctl", "-qw", f"{name}={value}"])
        return f"router: {name} {before} -> {value}", ["router", "sysctl", "-qw", f"{name}={before}"]

    def add_nat(self):
        where, what = self.rng.choice([("dnat_", "dnat ip to 192.168.50.25"), ("dnat_", "dnat ip to 192.168.99.15"),
                                       ("snat_", "snat ip to 192.168.10.1"), ("snat_", "accept"),
                                       ("dnat_", "tcp dport 22 redirect to :80")])
        match = self.rng.choice(["", "iifname \"lan10\"", "iifname \"wan\"", "iifname \"lan50\"", "ip daddr 8.8.8.8"])
        return self.nft("router", f"insert rule inet lanward {where} {match} {what}"), None

    def add_address(self):
        link = self.rng.choice([each for each in self.links("router") if each != "lo"])
        address = self.rng.choice(["192.168.50.77/24", "192.168.10.31/32", "45.83.10.10/32", "8.8.8.8/32"])
        self.twin.inside("router", ["ip", "address", "add", address, "dev", link])
        return f"router: {address} on {link}", ["router", "ip", "address", "delete", address, "dev", link]

    def any(self):
        kinds = [self.insert_rule, self.insert_rule, self.delete_rule, self.delete_rule, self.delete_rule,
                 self.flush_chain, self.change_policy, self.delete_element, self.delete_element, self.delete_element,
                 self.add_element, self.add_element, self.add_element, self.delete_route, self.replace_route,
                 self.delete_lookup, self.add_lookup, self.move_port, self.isolate_port, self.down_port, self.setting,
                 self.setting, self.add_nat, self.add_address]
        return self.rng.choice(kinds)()


def put_back(twin, undo):
    if undo:
        twin.inside(undo[0], undo[1:], check=False)
    try:
        twin.heal()
        clean = twin.violations("--static") == ([], [])
    except RuntimeError:
        clean = False
    if not clean:
        twin.anew()
    return clean


def judge(twin):
    """What the two halves say. A miss is asked again: it counts where packets show it twice."""
    (still, drift), (live, _) = twin.violations("--static"), twin.violations("--live")
    if live and not still and not drift:
        (still, drift), (live, _) = twin.violations("--static"), twin.violations("--live")
    if live:
        kind = "found" if still else "found as not as compiled" if drift else "missed"
    elif still and all("tunnel is lost" in each for each in still):
        kind = "of a lost tunnel"
    else:
        kind = "alarms" if still else "without effect"
    return kind, still, live


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("lanward")
    parser.add_argument("file")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    twin = Twin(options.lanward, options.file)
    totals = dict.fromkeys(["tried", "changed", "found", "found as not as compiled", "missed", "alarms", "of a lost tunnel",
                            "without effect", "made anew"], 0)
    start = time.monotonic()
    try:
        while totals["tried"] < options.count:
            try:
                what, undo = Mutator(twin, rng).any()
            except (RuntimeError, IndexError) as error:
                print(f"# not done: {str(error)[:200]}")
                continue
            if not what:
                continue
            totals["tried"] += 1
            kind, still, live = judge(twin)
            totals[kind] += 1
            totals["changed"] += bool(live)
            if kind not in ("found", "without effect"):
                example = (live or still)[0]
                print(f"{kind.upper()} {what}\n    {len(still)} static, {len(live)} live: {example}", flush=True)
            totals["made anew"] += not put_back(twin, undo)
    finally:
        twin.down()
    print(", ".join(f"{count} {name}" for name, count in totals.items()), f"in {time.monotonic() - start:.0f} s")
    return 1 if totals["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
