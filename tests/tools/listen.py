"""listen.py SECONDS PROTO/PORT…: answers every caller with the caller's address, on all addresses."""
import select
import socket
import sys
import time

end = time.monotonic() + float(sys.argv[1])
tcp, udp = [], []
for text in sys.argv[2:]:
    proto, port = text.split("/")
    if proto == "tcp":
        made = socket.create_server(("0.0.0.0", int(port)))
        tcp.append(made)
    else:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("0.0.0.0", int(port)))
        udp.append(made)
print("listening", flush=True)
while time.monotonic() < end:
    for ready in select.select(tcp + udp, [], [], max(0, end - time.monotonic()))[0]:
        try:
            if ready in tcp:
                caller, peer = ready.accept()
                print("tcp", peer[0], flush=True)
                caller.sendall(peer[0].encode())
                caller.close()
            else:
                _, peer = ready.recvfrom(2048)
                print("udp", peer[0], flush=True)
                ready.sendto(peer[0].encode(), peer)
        except OSError as error:
            print("error", error, flush=True)
