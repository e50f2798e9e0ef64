"""Prints all that a lab is made of, as the system tells it and without what changes by itself: two equal outputs are
the same state. Runs in a twin's @host, or in a machine's first namespace, where all namespaces have names; what
NetworkManager, libvirt and Podman have is looked at where they run."""
import ctypes
import glob
import json
import os
import re
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)


def enter(ns):
    target = os.open("/run/netns/" + ns, os.O_RDONLY) if ns else os.dup(HOME)
    if LIBC.setns(target, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns " + ns)
    os.close(target)


def run(*argv, text=None):
    """A dump that something changed meanwhile is cut short, and the program that asked for it ends with an error: again."""
    for _ in range(5):
        done = subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        if done.returncode == 0:
            break
    return done.stdout


def tables(*commands):
    """The JSON of several commands of ip, by one process."""
    text = run("ip", "-j", "-d", "-4", "-batch", "-", text="\n".join(commands) + "\n")
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


LINES = []
RUNS = {"nmcli": "/run/dbus/system_bus_socket", "virsh": "/run/libvirt/libvirt-sock", "podman": "/run/podman/podman.sock"}


def say(ns, kind, *facts):
    LINES.append(" ".join(str(each) for each in (ns or "@host", kind, *facts)))


# Random ones: nobody asked for a certain one.
def mac_of(text):
    return text if text and text.startswith("52:54:00") else "any"


def links(ns, found):
    for link in found:
        info = link.get("linkinfo", {})
        port = info.get("info_slave_data", {})
        say(ns, "link", link["ifname"], info.get("info_kind", "-"), "mtu", link["mtu"], "up" if "UP" in link["flags"] else
            "down", "of", link.get("master", "-"), "alias", link.get("ifalias", "-"), "group", link.get("group", "-"),
            "isolated", port.get("isolated", "-"), "mac", mac_of(link.get("address")))


def addresses(ns, found):
    for link in found:
        for address in link.get("addr_info", []):
            if address.get("local") and not address.get("dynamic") and address.get("scope") != "link":
                say(ns, "address", link["ifname"], address["local"], address["prefixlen"])


def routes(ns, found):
    for route in found:
        if route.get("protocol") not in ("kernel", "dhcp"):
            say(ns, "route", *(f"{key}={route[key]}" for key in
                               ("table", "type", "dst", "gateway", "dev", "metric", "protocol") if key in route))


def routing_rules(ns, found):
    for rule in found:
        say(ns, "rule", json.dumps(rule, sort_keys=True))


def strip(value):
    if isinstance(value, dict):
        return {key: strip(each) for key, each in value.items() if key not in ("handle", "packets", "bytes")}
    if isinstance(value, list):
        return [strip(each) for each in value]
    return value


def rules(ns):
    text = run("nft", "-j", "-s", "list", "ruleset")
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
    # sockets of wireguard-go are seen from everywhere, tunnels of a kernel from their namespace alone
    for line in run("wg", "show", "all", "dump").splitlines():
        part = line.split("\t")
        if len(part) == 5:  # device, private key, public key, port, mark
            say(ns, "tunnel", part[0], part[2], part[4])
        elif part:  # device, peer, preshared key, endpoint, allowed, handshake, received, sent, keepalive
            say(ns, "peer", part[0], part[1], part[4], part[8])


def sysctls(ns):
    paths = ["ipv4/ip_forward", "ipv4/fwmark_reflect"]
    for pattern in ("ipv4/conf/*/arp_ignore", "ipv6/conf/*/disable_ipv6", "ipv4/conf/*/rp_filter"):
        paths += [path.removeprefix("/proc/sys/net/") for path in glob.glob("/proc/sys/net/" + pattern)]
    for path in paths:
        try:
            with open("/proc/sys/net/" + path, encoding="ascii") as file:
                say(ns, "sysctl", path, file.read().strip())
        except OSError:
            pass  # it went just now, or this kernel has no such thing


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
    for line in sorted(lines):
        say("", "process", line)


def files():
    for pattern in ("resolver-*.conf", "resolver-*.hosts", "cell-*.json", "server-*.json"):
        for path in sorted(glob.glob("/run/lanward/" + pattern)):
            with open(path, encoding="utf-8") as file:
                say("", "file", os.path.basename(path), json.dumps(file.read()))


def records():
    """What lanward remembers of the tables that it loaded, but for when that was."""
    for path in sorted(glob.glob("/run/lanward/nft-*")):
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        say("", "file", os.path.basename(path), json.dumps({key: record[key] for key in ("text", "listing", "runtime")}))


def profiles():
    """NetworkManager's, and which are in force. Those in /run are what it makes up of links that are not its own."""
    for path in sorted(glob.glob("/etc/NetworkManager/system-connections/*")):
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file.read().splitlines() if not line.startswith("timestamp=")]
        say("", "profile", os.path.basename(path), json.dumps(lines))
    for line in run("nmcli", "-g", "FILENAME,NAME,AUTOCONNECT,DEVICE,STATE", "connection", "show").splitlines():
        if line.startswith("/etc/"):
            say("", "connection", line)


def virsh(*args):
    return run("virsh", "-q", "-c", "qemu:///system", *args)


def domains():
    names, nets = virsh("list", "--all", "--name").split(), virsh("net-list", "--all", "--name").split()
    asks = [f"{ask} {name}" for name in names for ask in ("domstate", "dumpxml --inactive", "dumpxml")]
    asks += [f"{ask} {net}" for net in nets for ask in ("net-info", "net-dumpxml")]
    text = virsh("; ".join(f"echo == {ask.replace('--', '')}: ; {ask}" for ask in asks))
    # libvirt keeps an empty metadata, and gives each plug a port and what is made anew a UUID of its own
    text = re.sub(r"\n  <metadata/>| portid='[^']*'|<uuid>.*</uuid>|UUID:.*", "", text)
    title = ""
    for line in text.splitlines():
        if line.startswith("== "):  # and the answer's first line behind it
            title = line.partition(":")[0]
        if line.strip():
            say("", "libvirt", title, line)


def containers():
    for line in run("podman", "ps", "-a", "--format", "{{.Names}} {{.Exited}} {{.Pid}}").splitlines():
        pid = line.split()[-1]
        try:
            with open(f"/proc/{pid}/root/etc/resolv.conf", encoding="utf-8") as file:
                resolvers = json.dumps(file.read())
        except OSError:
            resolvers = "none"
        say("", "container", line, "resolv.conf", resolvers)


def main():
    spaces = [""] + sorted(os.path.basename(path) for path in glob.glob("/run/netns/*"))
    everywhere = not run("pgrep", "-x", "wireguard-go")
    for ns in spaces:
        say(ns, "namespace")
        try:
            enter(ns)
        except OSError:
            continue  # a file without a namespace: its line says enough
        found = tables("link show", "address show", "route show table all", "rule show")
        for look, part in zip((links, addresses, routes, routing_rules), found):
            look(ns, part)
        rules(ns)
        sysctls(ns)
        if everywhere or not ns:
            tunnels(ns)
    enter("")
    processes()
    files()
    records()
    for program, look in (("nmcli", profiles), ("virsh", domains), ("podman", containers)):
        if os.geteuid() == 0 and os.path.exists(RUNS[program]):
            look()
    # The kernel's order is that of creation. Where order means something (rules of a chain) lines have numbers.
    print("\n".join(sorted(LINES)))


main()
