"""Sends packets all the time that neither lab of tests/system/storm allows (and some that one of them does), and looks
where they arrive. Runs in a twin's @host until its standard input ends; prints one line of JSON then, and a line
for each packet that neither lab allows. Each packet says in its payload who sent it."""
import ctypes
import glob
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

PORT = 9999
HOST = "192.168.99.15"
HOST_LINK = "br-mgmt"  # elsewhere on the host packets pass before any rule has seen them
SENDERS = {"cell-mover": "mover", "cell-stay": "stay", "cell-worker": "worker", "cell-vault": "vault"}
MACHINES = ["192.168.10.5", "192.168.10.9", "192.168.20.5", "192.168.20.7", "192.168.30.5", "192.168.40.5"]
# Exits that at least one lab allows a machine.
MAY_LEAVE_BY = {"mover": {"wan", "two"}, "stay": {"wan", "one"}, "worker": {"one", "two"}, "vault": set(), "host": {"wan"}}
# Machines that share a segment in at least one lab, and so a wire.
MAY_MEET = [{"mover", "stay"}, {"mover", "worker"}]
CLONE_NEWNET = 0x40000000
INTERVAL = 0.02
LIBC = ctypes.CDLL(None, use_errno=True)

# UDP to PORT, no fragment: tcpdump -dd "udp dst port 9999" on Ethernet, IPv4
FILTER = [(0x28, 0, 0, 12), (0x15, 0, 8, 0x800), (0x30, 0, 0, 23), (0x15, 0, 6, 17), (0x28, 0, 0, 20), (0x45, 4, 0, 0x1fff),
          (0xb1, 0, 0, 14), (0x48, 0, 0, 16), (0x15, 0, 1, PORT), (0x6, 0, 0, 0xffff), (0x6, 0, 0, 0)]


class Space:
    """A network namespace by name; "" the host's. Sockets made while it is entered stay in it."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def __init__(self, name):
        self.fd = os.open("/run/netns/" + name, os.O_RDONLY) if name else os.dup(self.home)

    def __enter__(self):
        if LIBC.setns(self.fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def __exit__(self, *what):
        LIBC.setns(self.home, CLONE_NEWNET)
        os.close(self.fd)


def inode(name):
    """Of a namespace; another one of the same name has another. The host's is always the same: its link counts."""
    try:
        return os.stat("/run/netns/" + name).st_ino if name else socket.if_nametoindex(HOST_LINK)
    except OSError:
        return None


def packet_socket(link):
    """Of one link where only that matters: the host's other links carry each packet several times, and Python is slow."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(263, 23, 1)  # SOL_PACKET, PACKET_IGNORE_OUTGOING
    sock.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS: when it came, not when it was read
    if link:
        sock.bind((link, 3))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in FILTER))
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", len(FILTER), ctypes.addressof(code)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setblocking(False)
    return sock


def addresses_of(space, link):
    text = subprocess.run(["ip", "-n", space, "-j", "-4", "address", "show", "dev", link], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False).stdout
    # nothing: it came or went just now
    return [each["local"] for entry in json.loads(text or "[]") for each in entry.get("addr_info", [])]


class Watch:
    """Where packets arrive, and where they are sent from. Namespaces come and go with the labs."""

    def __init__(self):
        self.heard, self.senders, self.known = {}, {}, {}
        self.counts = {"sent": 0, "allowed": 0, "bad": 0}
        self.lock = threading.Lock()
        self.nothing_left = threading.Event()
        # an address of the twin's internet, and the addresses that it sees -> the exit
        self.internet = addresses_of("internet", "p0")[0]
        self.exits = {address: "wan" for address in addresses_of("home-router", "wan")}

    def places(self):
        cells = [os.path.basename(path) for path in glob.glob("/run/netns/cell-*")]
        return ["", "internet"] + cells

    def refresh(self):
        for place in self.places():
            now = inode(place)
            if now is None or self.known.get(place) == now:
                continue
            try:
                with Space(place):
                    heard = packet_socket("" if place else HOST_LINK)
                    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    sender.setblocking(False)
            except OSError:
                continue
            for table, sock in ((self.heard, heard), (self.senders, sender)):
                if place in table:
                    table[place].close()
                table[place] = sock
            self.known[place] = now
        for path in glob.glob("/run/netns/tun-*"):
            name, now = os.path.basename(path), inode(os.path.basename(path))
            if now and self.known.get(name) != now:
                addresses = addresses_of(name, "eth0")
                self.exits.update({address: name.removeprefix("tun-") for address in addresses})
                self.known[name] = now if addresses else None

    def send_all(self):
        for place, sender in list(self.senders.items()):
            name = "host" if not place else SENDERS.get(place)
            if not name:
                continue
            for target in MACHINES + [self.internet, HOST]:
                self.send(sender, name, target)
            try:  # and a flow that is new each time
                with Space(place):
                    fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                for target in MACHINES + [self.internet, HOST]:
                    self.send(fresh, name, target)
                fresh.close()
            except OSError:
                pass

    def send(self, sock, name, target):
        try:
            sock.sendto(f"LW:{name}:{target}".encode(), (target, PORT))
            self.counts["sent"] += 1
        except OSError:
            pass  # no route, or refused on the spot: it went nowhere

    def listen(self):
        while True:
            sockets = {sock: place for place, sock in list(self.heard.items()) if sock.fileno() >= 0}
            try:
                ready, _, _ = select.select(list(sockets), [], [], 0.05)
            except (OSError, ValueError):
                continue
            if not ready:
                self.nothing_left.set()
            for sock in ready:
                self.take(sock, sockets[sock])

    def take(self, sock, place):
        for _ in range(500):
            try:
                frame, extra, _, address = sock.recvmsg(256, 64)
            except OSError:
                return
            seconds, nanoseconds = struct.unpack("qq", extra[0][2])
            self.judge(place, address[0], address[2], frame, seconds + nanoseconds / 1e9)

    def judge(self, place, link, kind, frame, when):
        if kind == socket.PACKET_OUTGOING or b"LW:" not in frame or link == "lo":
            return
        sender, target = frame[frame.index(b"LW:"):].decode(errors="replace").split(":")[1:3]
        source = socket.inet_ntoa(frame[26:30])
        if place == "internet":
            way = self.exits.get(source, source)
            allowed = way in MAY_LEAVE_BY.get(sender, set())
        elif place == "":
            if sender == "host":
                return
            way, allowed = "host", False
        else:
            way = place.removeprefix("cell-")
            if sender == way or kind == socket.PACKET_OTHERHOST:
                return
            # the white segment's machine may be asked by the host that it is trusted by
            allowed = {sender, way} in MAY_MEET or {sender, way} == {"host", "newcomer"}
        self.count(allowed, when, f"{sender} -> {target} arrived at {way} from {source} on {link}")

    def count(self, allowed, when, text):
        with self.lock:
            self.counts["allowed" if allowed else "bad"] += 1
            if not allowed:
                print("BAD", when, text, flush=True)


def main():
    watch = Watch()
    watch.refresh()
    threading.Thread(target=watch.listen, daemon=True).start()
    print("sampling", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], INTERVAL)
        if ready and not sys.stdin.read(1):
            break
        watch.refresh()
        watch.send_all()
    time.sleep(0.3)
    watch.nothing_left.clear()  # on a busy machine the listener may be behind
    watch.nothing_left.wait(30)
    with watch.lock:
        print(json.dumps(watch.counts), flush=True)
        os._exit(0)


main()
