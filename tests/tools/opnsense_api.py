#!/usr/bin/env python3
"""An OPNsense's API, as far as lanward uses it, over a config.xml that it keeps in a file. By TLS; prints its port.

opnsense_api.py CERT.pem KEY.pem CONFIG.xml VERSION LOG [FAULTS [PORT]]

It answers as OPNsense is known to: an upsert by UUID, a refusal with status 200, choices shown as objects, keys that it
does not know ignored, an empty body refused, a 404 for what this version lacks. What is set is in CONFIG.xml at once, in
force (LOG says "in force DIGEST") when a service is told to load it. FAULTS is a file that names one request to go wrong:
"N KIND", the N-th POST from then on; KIND: 500, refuse, half, hang, close, ignore (saved, it says, and is not), kill (ends
the process whose number is the third word before it answers), down (from there on). The file goes when the fault is over.
What WAN has by lease is told when CONFIG.xml.wan says it: "ADDRESS/LENGTH GATEWAY".
"""
import base64
import hashlib
import http.server
import json
import os
import signal
import ssl
import sys
import time
import xml.etree.ElementTree as ET

certificate, key, config, version, log = sys.argv[1:6]
faults = sys.argv[6] if len(sys.argv) > 6 else ""
ALLOWED = "Basic " + base64.b64encode(b"testkey:very-secret").decode()

# controller/suffix -> (path in config.xml, element, key of the body)
MODELS = {
    "wireguard/server/%s_server": ("OPNsense/wireguard/server/servers", "server", "server"),
    "wireguard/client/%s_client": ("OPNsense/wireguard/client/clients", "client", "client"),
    "routing/settings/%s_gateway": ("OPNsense/Gateways", "gateway_item", "gateway_item"),
    "routes/routes/%sroute": ("staticroutes", "route", "route"),
    "firewall/alias/%s_item": ("OPNsense/Firewall/Alias/aliases", "alias", "alias"),
    "dnsmasq/settings/%s_host": ("dnsmasq", "hosts", "host"),
    "dnsmasq/settings/%s_range": ("dnsmasq", "dhcp_ranges", "range"),
    "dnsmasq/settings/%s_option": ("dnsmasq", "dhcp_options", "option"),
    "firewall/source_nat/%s_rule": ("OPNsense/Firewall/Filter/snatrules", "rule", "rule"),
    "firewall/d_nat/%s_rule": ("nat", "rule", "rule"),
    "firewall/filter/%s_rule": ("OPNsense/Firewall/Filter/rules", "rule", "rule"),
}
SERVICES = ("wireguard/service/reconfigure", "routing/settings/reconfigure", "routes/routes/reconfigure",
            "firewall/alias/reconfigure", "dnsmasq/service/reconfigure", "firewall/filter/apply")
CHOICES = ("interface", "gateway", "protocol", "ipprotocol", "action")
HIDDEN = ("privkey", "psk")
posts = 0
down = False


def model(path):
    """(container, element, body's key, verb, uuid) of "firewall/filter/set_rule/UUID"; None."""
    front, _, uuid = path.rpartition("/")
    for pattern, where in MODELS.items():
        for verb in ("set", "del", "get"):
            if front == pattern % verb:
                return where + (verb, uuid)
    return None


def reach(root, path):
    for name in path.split("/"):
        node = root.find(name)
        root = node if node is not None else ET.SubElement(root, name)
    return root


def fields_of(item):
    return {field.tag: fields_of(field) if len(field) else (field.text or "") for field in item}


def put(item, fields):
    for name, value in fields.items():
        if "." in name:
            continue
        field = item.find(name)
        field = field if field is not None else ET.SubElement(item, name)
        if isinstance(value, dict):
            put(field, value)
        else:
            field.text = str(value)


def shown(fields):
    out = {}
    for name, value in fields.items():
        if name in HIDDEN:
            continue
        if isinstance(value, dict):
            out[name] = shown(value)
        elif name in CHOICES:
            chosen = value.split(",") if value else []
            out[name] = {each: {"value": each, "selected": int(each in chosen)} for each in ["", "other"] + chosen}
        else:
            out[name] = value
    return out


def validations(root, element, fields):
    """What OPNsense refuses and this can know: a gateway and interfaces that are not there."""
    gateways = {"", "WAN_DHCP"} | {each.findtext("name") for each in root.iter("gateway_item")}
    interfaces = {"", "wireguard"} | {each.tag for each in root.find("interfaces")}
    wrong = {}
    if element == "rule" and fields.get("gateway", "") not in gateways:
        wrong["rule.gateway"] = "Specify a valid gateway from the list matching the networks ip protocol."
    if any(name not in interfaces for name in str(fields.get("interface", "")).split(",")):
        wrong[element + ".interface"] = "Option not in list."
    return wrong


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def note(self, text):
        with open(log, "a", encoding="utf-8") as lines:
            lines.write(text + "\n")

    def answer(self, status, body):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def fault(self):
        """Whether this request goes wrong, and how."""
        global posts, down
        if down:
            return "close"
        if not faults or not os.path.exists(faults):
            posts = 0
            return ""
        with open(faults, encoding="utf-8") as file:
            words = file.read().split()
        posts += 1
        if not words or posts != int(words[0]):
            return ""
        os.unlink(faults)
        posts = 0
        if words[1] == "kill":
            os.kill(int(open(words[2], encoding="utf-8").read()), signal.SIGKILL)
        down = words[1] == "down"
        return words[1]

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length) if length else b""
        self.serve(text)

    def do_GET(self):
        self.serve(None)

    def serve(self, text):
        path = self.path.removeprefix("/api/")
        self.note(f"{self.command} {self.path}")
        if self.headers.get("Authorization") != ALLOWED:
            return self.answer(401, {"status": 401, "message": "Authentication Failed"})
        if text is not None and not text:
            return self.answer(400, {"message": "Invalid JSON syntax"})
        how = self.fault() if text is not None or down else ""
        if how in ("close", "down", "hang", "kill"):
            time.sleep(20 if how == "hang" else 0)
            self.close_connection = True
            return self.connection.close()
        if how == "500":
            return self.answer(500, b"<html>")
        if how == "refuse":
            return self.answer(200, {"result": "failed", "validations": {"rule.description": "refused by the test"}})
        return self.dispatch(path, text, how)

    def dispatch(self, path, text, how):
        if text is None and path == "core/firmware/info":
            return self.answer(200, {"product_version": version})
        if text is None and path == "core/backup/download/this":
            with open(config, "rb") as file:
                return self.answer(200, file.read())
        if text is None and path == "interfaces/overview/interfaces_info" and os.path.exists(config + ".wan"):
            with open(config + ".wan", encoding="utf-8") as file:
                address, gateway = file.read().split()
            rows = [{"identifier": "", "device": "lo0"},
                    {"identifier": "wan", "device": "vtnet0", "addr4": address, "gateways": [gateway]}]
            return self.answer(200, {"total": 2, "rowCount": 2, "current": 1, "rows": rows})
        if text is not None and path in SERVICES:
            with open(config, "rb") as file:
                self.note("in force " + hashlib.sha256(file.read()).hexdigest())
            return self.answer(200, {"status": "OK\n\n"})
        if text is not None and path == "diagnostics/firewall/kill_states":
            self.note("killed " + json.loads(text)["filter"])
            return self.answer(200, {"result": "ok", "dropped_states": 3})
        where = model(path)
        if not where:
            return self.answer(404, {"errorMessage": "Endpoint not found"})
        return self.item(where, json.loads(text) if text else None, how)

    def item(self, where, body, how):
        container, element, body_key, verb, uuid = where
        tree = ET.parse(config)
        parent = reach(tree.getroot(), container)
        item = next((each for each in parent.findall(element) if each.get("uuid") == uuid), None)
        if verb == "get":
            return self.answer(200, {body_key: shown(fields_of(item))} if item is not None else [])
        if verb == "del":
            if item is not None:
                parent.remove(item)
            result = {"result": "deleted" if item is not None else "not found"}
        else:
            fields = body.get(body_key, {})
            wrong = validations(tree.getroot(), element, fields)
            if wrong:
                return self.answer(200, {"result": "failed", "validations": wrong})
            if item is None:
                item = ET.SubElement(parent, element, uuid=uuid)
            put(item, fields)
            result = {"result": "saved"}
        if how != "ignore":
            tree.write(config + ".new")
            os.replace(config + ".new", config)
        if how == "half":
            return self.answer(200, b'{"result":"sav')
        return self.answer(200, result)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[7]) if len(sys.argv) > 7 else 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
