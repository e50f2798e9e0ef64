"""rogue.py IFACE WHAT [ARGUMENT…]: a machine that lies, ten frames of it.

ip SOURCE TARGET [TARGET-MAC [SOURCE-MAC]]   a UDP datagram to port 7 with that source address
arp ADDRESS                                  "ADDRESS is at my MAC", to everybody
ask ADDRESS                                  an honest ARP question from ADDRESS (the control)
dhcp SERVER                                  DHCP offers, to everybody
ra                                           IPv6 router advertisements
na                                           IPv6 neighbour solicitations
"""
import fcntl
import socket
import struct
import sys
import time

iface, what, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((iface, 0))
own = fcntl.ioctl(out, 0x8927, struct.pack("256s", iface.encode()))[18:24]
BROADCAST = b"\xff" * 6


def raw_mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source, target, sport, dport, payload):
    source, target = socket.inet_aton(source), socket.inet_aton(target)
    datagram = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 7, 0, 64, 17, 0, source, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + datagram


def arp(operation, address, asked):
    address, asked = socket.inet_aton(address), socket.inet_aton(asked)
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, own, address, b"\0" * 6, asked)


def icmp6(target, kind, body):
    source = socket.inet_pton(socket.AF_INET6, "fe80::bad:1")
    target = socket.inet_pton(socket.AF_INET6, target)
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = source + target + struct.pack("!II", len(message), 58)
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    return struct.pack("!IHBB", 0x60000000, len(message), 58, 255) + source + target + message


def offer(server):
    fixed = struct.pack("!BBBBIHH4s4s4s4s16s64s128s", 2, 1, 6, 0, 0x1234, 0, 0x8000, b"\0" * 4,
                        socket.inet_aton(server), socket.inet_aton(server), b"\0" * 4, b"\0" * 16, b"\0" * 64, b"\0" * 128)
    return fixed + b"\x63\x82\x53\x63" + b"\x35\x01\x02" + b"\x36\x04" + socket.inet_aton(server) + b"\xff"


def frame():
    if what == "ip":
        target = raw_mac(rest[2]) if len(rest) > 2 and rest[2] != "-" else BROADCAST
        source = raw_mac(rest[3]) if len(rest) > 3 else own
        return target + source + b"\x08\x00" + udp(rest[0], rest[1], 4444, 7, b"rogue")
    if what == "arp":
        return BROADCAST + own + b"\x08\x06" + arp(2, rest[0], rest[0])
    if what == "ask":
        return BROADCAST + own + b"\x08\x06" + arp(1, rest[0], rest[0].rsplit(".", 1)[0] + ".99")
    if what == "dhcp":
        return BROADCAST + own + b"\x08\x00" + udp(rest[0], "255.255.255.255", 67, 68, offer(rest[0]))
    if what == "ra":
        body = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\x01\x01" + own
        return bytes.fromhex("333300000001") + own + b"\x86\xdd" + icmp6("ff02::1", 134, body)
    if what == "na":
        return bytes.fromhex("333300000001") + own + b"\x86\xdd" + icmp6("ff02::1", 135, b"\0" * 20)
    sys.exit(__doc__)


for _ in range(10):
    out.send(frame())
    time.sleep(0.02)
