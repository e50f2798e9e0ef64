"""capture.py SECONDS: prints each packet of every interface of this namespace, one a line:

TIME is the kernel's, when the packet passed, however late this is read.

TIME IFACE in|out SOURCE-MAC TARGET-MAC PROTO SOURCE[:PORT] TARGET[:PORT] [FLAGS]
"""
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the answer is a struct timespec

NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}


def mac(raw):
    return ":".join(f"{byte:02x}" for byte in raw) or "-"


def ports(proto, payload, source, target):
    if proto not in (6, 17) or len(payload) < 4:
        kind = str(payload[0]) if payload else ""
        return NAMES.get(proto, str(proto)), source, target, kind
    sport, dport = struct.unpack("!HH", payload[:4])
    flags = ""
    if proto == 6 and len(payload) > 13:
        flags = "".join(name for bit, name in enumerate("FSRPA") if payload[13] >> bit & 1)
    return NAMES[proto], f"{source}:{sport}", f"{target}:{dport}", flags


def describe(protocol, packet):
    if protocol == 0x0800 and len(packet) >= 20:
        start = (packet[0] & 15) * 4
        return ports(packet[9], packet[start:], socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]))
    if protocol == 0x86DD and len(packet) >= 40:
        source, target = (socket.inet_ntop(socket.AF_INET6, packet[at:at + 16]) for at in (8, 24))
        return ports(packet[6], packet[40:], source, target)
    if protocol == 0x0806 and len(packet) >= 28:
        return "arp", socket.inet_ntoa(packet[14:18]), socket.inet_ntoa(packet[24:28]), str(packet[7])
    return f"0x{protocol:04x}", "-", "-", ""


def main():
    end = time.monotonic() + float(sys.argv[1])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as every:
        every.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        every.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        print("capturing", flush=True)
        while (left := end - time.monotonic()) > 0:
            every.settimeout(left)
            try:
                frame, extra, _, (iface, protocol, kind, hardware, _) = every.recvmsg(65536, 64)
            except socket.timeout:
                break
            ethernet = hardware in (1, 772)
            packet = frame[14:] if ethernet else frame
            source, target = (mac(frame[6:12]), mac(frame[0:6])) if ethernet else ("-", "-")
            proto, from_, to, flags = describe(protocol, packet)
            way = "out" if kind == socket.PACKET_OUTGOING else "in"
            at = next((struct.unpack("qq", data[:16]) for level, what, data in extra if what == SO_TIMESTAMPNS), None)
            at = at[0] + at[1] / 1e9 if at else time.time()
            print(f"{at:.4f}", iface, way, source, target, proto, from_, to, flags, flush=True)


main()
