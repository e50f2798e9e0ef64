"""Prints all that a lab is made of, as the system tells it and without what changes by itself: two equal outputs are
the same state. Runs in a twin's @host, where all its namespaces have names."""
import glob
import json
import os
import re
import subprocess


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout


def in_ns(ns, *argv):
    return run(*(["ip", "netns", "exec", ns] if ns else []), *argv)


def table(ns, *argv):
    text = in_ns(ns, "ip", "-j", "-d", *argv)
    return json.loads(text) if text.strip() else []


LINES = []


def say(ns, kind, *facts):
    LINES.append(" ".join(str(each) for each in (ns or "@host", kind, *facts)))


# Random ones: nobody asked for a certain one.
def mac_of(text):
    return text if text and text.startswith("52:54:00") else "any"


def links(ns):
    for link in sorted(table(ns, "link"), key=lambda each: each["ifname"]):
        info = link.get("linkinfo", {})
        port = info.get("info_slave_data", {})
        say(ns, "link", link["ifname"], info.get("info_kind", "-"), "mtu", link["mtu"], "up" if "UP" in link["flags"] else
            "down", "of", link.get("master", "-"), "alias", link.get("ifalias", "-"), "group", link.get("group", "-"),
            "isolated", port.get("isolated", "-"), "mac", mac_of(link.get("address")))


def addresses(ns):
    for link in table(ns, "addr"):
        for address in link.get("addr_info", []):
            if address.get("local") and not address.get("dynamic") and address.get("scope") != "link":
                say(ns, "address", link["ifname"], address["local"], address["prefixlen"])


def routes(ns):
    for route in table(ns, "-4", "route", "show", "table", "all"):
        if route.get("protocol") in ("kernel", "dhcp"):
            continue
        say(ns, "route", *(f"{key}={route[key]}" for key in ("table", "type", "dst", "gateway", "dev", "metric", "protocol")
                           if key in route))
    for rule in table(ns, "rule"):
        say(ns, "rule", json.dumps(rule, sort_keys=True))


def strip(value):
    if isinstance(value, dict):
        return {key: strip(each) for key, each in value.items() if key not in ("handle", "packets", "bytes")}
    if isinstance(value, list):
        return [strip(each) for each in value]
    return value


def rules(ns):
    text = in_ns(ns, "nft", "-j", "-s", "list", "ruleset")
    counts = {}
    lines = []
    for entry in json.loads(text)["nftables"] if text.strip() else []:
        (kind, value), = entry.items()
        if kind == "metainfo":
            continue
        value = strip(value)
        if isinstance(value.get("elem"), list):
            value["elem"] = sorted(json.dumps(each, sort_keys=True) for each in value["elem"])
        place = f"{value.get('family')} {value.get('table', value.get('name'))} {value.get('chain', '')}"
        counts[place] = counts.get(place, 0) + (kind == "rule")
        order = f"{counts[place]:05d}" if kind == "rule" else ""
        lines.append(f"{place} {kind} {order} {json.dumps(value, sort_keys=True)}")
    for line in sorted(lines):
        say(ns, "nft", line)


def tunnels(ns):
    for line in sorted(in_ns(ns, "wg", "show", "all", "dump").splitlines()):
        part = line.split("\t")
        if len(part) == 5:  # device, private key, public key, port, mark
            say(ns, "tunnel", part[0], part[2], part[4])
        elif part:  # device, peer, preshared key, endpoint, allowed, handshake, received, sent, keepalive
            say(ns, "peer", part[0], part[1], part[4], part[8])


def sysctls(ns):
    wanted = ["net/ipv4/ip_forward", "net/ipv4/fwmark_reflect"]
    text = in_ns(ns, "sh", "-c", "cd /proc/sys && grep -s . " + " ".join(wanted) +
                 " net/ipv4/conf/*/arp_ignore net/ipv6/conf/*/disable_ipv6 net/ipv4/conf/*/rp_filter")
    for line in sorted(text.splitlines()):
        say(ns, "sysctl", line)


def command_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode(errors="replace").strip()


def processes():
    names = {os.stat(path).st_ino: os.path.basename(path) for path in glob.glob("/run/netns/*")}
    lines = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            command = command_of(folder[6:])
            ns = names.get(os.stat(folder + "/ns/net").st_ino, "@host")
            if open(folder + "/stat", encoding="ascii", errors="replace").read().rsplit(")", 1)[1].split()[0] == "Z":
                continue
        except OSError:
            continue
        if re.match(r"(\S*/)?(dnsmasq|wireguard-go) ", command):
            lines.append(f"{ns} {command}")
        elif command.startswith("dhcpcd:") and ns == "router" and "[manager]" in command:
            lines.append(f"{ns} dhcpcd")
        elif command.startswith("lanward-confirm"):
            lines.append("lanward-confirm")
    for line in sorted(lines):
        say("", "process", line)


def files():
    for pattern in ("resolver-*.conf", "resolver-*.hosts", "cell-*.json", "server-*.json", "nft-*"):
        for path in sorted(glob.glob("/run/lanward/" + pattern)):
            with open(path, encoding="utf-8") as file:
                say("", "file", os.path.basename(path), json.dumps(file.read()))


def main():
    spaces = [""] + sorted(os.path.basename(path) for path in glob.glob("/run/netns/*"))
    for ns in spaces:
        say(ns, "namespace")
        for look in (links, addresses, routes, rules, tunnels, sysctls):
            look(ns)
    processes()
    files()
    # The kernel's order is that of creation. Where order means something (rules of a chain) lines have numbers.
    print("\n".join(sorted(LINES)))


main()
