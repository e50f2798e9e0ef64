#!/usr/bin/env python3
"""The two answers of an OPNsense's API that reading takes: its version, its config.xml. By TLS; prints its port.

opnsense_api.py CERT.pem KEY.pem CONFIG.xml VERSION LOG
"""
import base64
import http.server
import json
import ssl
import sys

certificate, key, config, version, log = sys.argv[1:]
ALLOWED = "Basic " + base64.b64encode(b"testkey:very-secret").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(log, "a", encoding="utf-8") as lines:
            lines.write(f"{self.command} {self.path}\n")
        answers = {
            "/api/core/firmware/info": json.dumps({"product_version": version}).encode(),
            "/api/core/backup/download/this": open(config, "rb").read(),
        }
        good = self.headers.get("Authorization") == ALLOWED
        body = answers.get(self.path, b"{}") if good else b"{}"
        self.send_response(200 if good and self.path in answers else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
