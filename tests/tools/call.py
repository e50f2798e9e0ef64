"""call.py PROTO/PORT ADDRESS: says something there and prints what is answered; nothing when nothing is."""
import socket
import sys

proto, port = sys.argv[1].split("/")
try:
    if proto == "tcp":
        with socket.create_connection((sys.argv[2], int(port)), timeout=2) as stream:
            stream.settimeout(2)
            try:
                answer = stream.recv(100)
            except socket.timeout:
                answer = b""
            print(answer.decode(errors="replace").strip() or "open")
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(1)
            for _ in range(2):
                datagrams.sendto(b"hello", (sys.argv[2], int(port)))
                try:
                    print(datagrams.recv(2048).decode(errors="replace").strip() or "open")
                    break
                except socket.timeout:
                    continue
except OSError:
    pass
