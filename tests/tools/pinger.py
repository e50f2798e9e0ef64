"""pinger.py ADDRESS PORT SECONDS: a datagram every millisecond from one socket to a server that answers with the
address that it saw. Prints "sent N received N lost N", then each address seen with its first and last answer and
their number.
"""
import socket
import sys
import time

address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
pinger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
pinger.connect((address, port))
pinger.setblocking(False)
seen, sent, received = {}, 0, 0


def collect():
    global received
    while True:
        try:
            answer = pinger.recv(2048).decode(errors="replace").strip()
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error that came for an earlier datagram
        received += 1
        entry = seen.setdefault(answer, [time.time(), 0, 0])
        entry[1] = time.time()
        entry[2] += 1


print("pinging", flush=True)
start = time.monotonic()
while (now := time.monotonic()) < start + seconds:
    # Against the clock, not by sleeps alone: a late wake-up is made up for, so that the rate holds.
    while sent < (now - start) * 1000:
        try:
            pinger.send(b"%d" % sent)
        except OSError:
            pass
        sent += 1
    collect()
    time.sleep(0.0005)
time.sleep(0.5)
collect()
print("sent", sent, "received", received, "lost", sent - received)
for answer, (first, last, count) in seen.items():
    print(f"seen {answer} {first:.4f} {last:.4f} {count}")
