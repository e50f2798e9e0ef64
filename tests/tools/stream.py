"""stream.py listen PORT SECONDS | stream.py connect ADDRESS PORT SECONDS: one TCP stream that both ends send on,
every 10 ms. Prints "streaming" when bytes have come both ways, and then how it ended: "reset TIME", "closed TIME",
or "alive" when time was up.
"""
import select
import socket
import sys
import time

end = time.monotonic() + float(sys.argv[-1])
if sys.argv[1] == "listen":
    with socket.create_server(("0.0.0.0", int(sys.argv[2]))) as server:
        print("listening", flush=True)
        server.settimeout(float(sys.argv[-1]))
        stream, _ = server.accept()
else:
    stream = socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=5)
stream.setblocking(False)
streaming = False
while time.monotonic() < end:
    try:
        stream.send(b"x" * 10)
        if select.select([stream], [], [], 0.01)[0]:
            if not stream.recv(4096):
                print(f"closed {time.time():.4f}", flush=True)
                sys.exit()
            if not streaming:
                streaming = True
                print("streaming", flush=True)
            time.sleep(0.01)
    except BlockingIOError:
        time.sleep(0.01)
    except OSError as error:
        print(f"reset {time.time():.4f} {error}", flush=True)
        sys.exit()
print("alive", flush=True)
