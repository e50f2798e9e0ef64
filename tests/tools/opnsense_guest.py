#!/usr/bin/env python3
"""A guest that plays OPNsense's nano image on the serial console, and the API beside it, for tests.

  opnsense_guest.py missing
  opnsense_guest.py image IMAGE FINGERPRINT [WORD]  a disk image that boots (syslinux, a kernel, busybox). WORD:
      hostile   the console says rubbish, and never asks anything
      blind     the importer does not find the medium
  opnsense_guest.py api CERT KEY PORT STATE         the API's answers that tell whether a router is ready; dnsmasq and
                                                    the tunnel are up from the third time on that they are asked for

Its dialogue is that of src/sbin/opnsense-importer and src/opnsense/scripts/shell/banner.php of opnsense/core, 26.7, word
for word. What it imported it keeps at 3 GiB of its disk (which is longer than its image), and its network cards behind.
A disk that has a configuration is not asked for one again.
"""
import base64
import gzip
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import libvirt_world as guests  # pylint: disable=wrong-import-position

NEEDED = ["syslinux", "mcopy", "mkfs.vfat", "xorriso", "qemu-img"]
MODULES = guests.MODULES[:6] + ["drivers/block/virtio_blk"] + guests.MODULES[6:] + ["drivers/cdrom/cdrom", "fs/isofs/isofs"]
APPLETS = ("sh", "mount", "umount", "insmod", "ip", "sed", "mkdir", "sleep", "usleep", "echo", "cat", "dd", "timeout",
           "stty", "ln", "cp", "head", "grep", "tr", "cut", "printf")
PLACE = 3072  # MiB
CONFIG = "/run/expected.xml"  # what the API says that it has
INIT = r"""#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in /modules/*.ko; do insmod $m; done
word=$(sed -n 's/.*play=\([^ ]*\).*/\1/p' /proc/cmdline)
print=$(sed -n 's/.*print=\([^ ]*\).*/\1/p' /proc/cmdline)
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty sane
[ "$word" = blind ] || ln -s vdb /dev/vtbd1
ip link set eth1 up; ip address add 192.168.99.1/24 dev eth1
mkdir -p /conf /tmp/hdrescue

timeout_prompt() {
  printf '%s ' "$1"
  stty cbreak -echo
  for next in . . . . . . .; do
    printf '%s' "$next"
    if timeout 1 dd of=/dev/null count=1 2>/dev/null; then stty -cbreak echo; echo; return 0; fi
  done
  stty -cbreak echo; echo; return 1
}

import() {
  while :; do
    echo; printf '<QEMU QEMU DVD-ROM 2.5+>            at scbus1 target 0 lun 0 (cd0,pass1)\n'; echo
    printf 'Select device to import from (e.g. ada0) or leave blank to exit: '
    read dev; echo
    [ -n "$dev" ] || return
    if [ ! -e "/dev/$dev" ]; then echo "No known partition layout was found for '$dev'."; continue; fi
    echo "Starting import for partition '/dev/$dev'."; echo
    mount -t iso9660 -o ro "/dev/$dev" /tmp/hdrescue || echo "The device could not be mounted."
    if [ -f /tmp/hdrescue/conf/config.xml ]; then
      printf 'Restoring config.xml...'; cp /tmp/hdrescue/conf/config.xml /conf; echo done.
      umount /tmp/hdrescue
      { cat /conf/config.xml; echo "<!-- nics"; for nic in 0 1 2 3; do cat /sys/class/net/eth$nic/address; done; echo "-->"; } >/conf/kept
      dd if=/conf/kept of=/dev/vda bs=1M seek=PLACE conv=notrunc,fsync 2>/dev/null
      return
    fi
    echo "The file /conf/config.xml could not be found."
  done
}

if [ "$word" = hostile ]; then
  while :; do dd if=/dev/urandom bs=512 count=1 2>/dev/null; printf '\033[2J\033]0;x\007configuration importer? login\n'; usleep 300000; done
fi
echo "Mounting filesystems..."
if dd if=/dev/vda bs=1M skip=PLACE count=1 2>/dev/null | head -c 200 | grep -q '<opnsense'; then
  dd if=/dev/vda of=/conf/config.xml bs=1M skip=PLACE count=1 2>/dev/null
else
  timeout_prompt 'Press any key to start the configuration importer:' && import
  if [ ! -f /conf/config.xml ]; then printf 'Bootstrapping config.xml...'; echo done.; fi
fi
host=$(sed -n 's/.*<hostname>\(.*\)<.hostname>.*/\1/p' /conf/config.xml | head -n 1)
printf 'Launching the init system...'; sleep 1; echo done.
echo "Root file system: /dev/ufs/OPNsense_Nano"; echo
echo "*** ${host:-OPNsense}.internal: OPNsense 26.7.2 ***"; echo
echo " LAN (vtnet1)    -> v4: 192.168.99.1/24"; echo
echo " HTTPS: SHA256 $(echo $print | cut -c 1-32 | tr a-f A-F | sed 's/../& /g; s/ $//')"
echo "               $(echo $print | cut -c 33-64 | tr a-f A-F | sed 's/../& /g; s/ $//')"; echo
echo "FreeBSD/amd64 (${host:-OPNsense}.internal) (ttyu0)"; echo
printf 'login: '
while :; do sleep 1000; done
""".replace("PLACE", str(PLACE))


def missing():
    lacks = [name for name in NEEDED if not guests.which(name)]
    return guests.missing() or ("no " + ", ".join(lacks) if lacks else None)


def initrd():
    _, modules = guests.kernel_image()
    archive = guests.Archive()
    for name in ("proc", "sys", "dev", "tmp", "run"):
        archive.folder(name)
    busybox = os.path.realpath(guests.which("busybox"))
    archive.file("bin/busybox", guests.read(busybox))
    for name in APPLETS + ("sync",):
        archive.link("bin/" + name, "busybox")
    for path in guests.libraries(busybox):
        archive.file(path, guests.read(os.path.realpath(path)))
    for i, name in enumerate(MODULES):
        if guests.glob.glob(f"{modules}/kernel/{name}.ko*"):
            archive.file(f"modules/{i:02}-{os.path.basename(name)}.ko", guests.module(modules, name))
    archive.file("init", INIT)
    return gzip.compress(archive.bytes(), 1)


def make_image(path, fingerprint, word):
    image, _ = guests.kernel_image()
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/initrd", "wb") as file:
            file.write(initrd())
        with open(folder + "/syslinux.cfg", "w", encoding="ascii") as file:
            file.write("default linux\nprompt 0\nlabel linux\n  kernel kernel\n  append initrd=initrd console=ttyS0 quiet "
                       f"panic=1 nokaslr audit=0 mitigations=off play={word} print={fingerprint}\n")
        shutil.copyfile(image, folder + "/kernel")
        size = sum(os.path.getsize(f"{folder}/{name}") for name in ("kernel", "initrd")) + (8 << 20)
        with open(path, "wb") as file:
            file.truncate(size)
        tools = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "MTOOLS_SKIP_CHECK": "1"}
        for command in (["mkfs.vfat", "-F", "16", path],
                        ["mcopy", "-i", path] + [f"{folder}/{name}" for name in ("kernel", "initrd", "syslinux.cfg")] + ["::"],
                        ["syslinux", "--install", path]):
            subprocess.run(command, check=True, env=tools, stdout=subprocess.DEVNULL)


class Handler(http.server.BaseHTTPRequestHandler):
    asked = {}
    allowed = "Basic " + base64.b64encode(b"testkey:very-secret").decode()

    def do_GET(self):  # pylint: disable=invalid-name
        path = self.path.removeprefix("/api/")
        count = self.asked[path] = self.asked.get(path, 0) + 1
        answers = {
            "core/firmware/info": {"product_version": "26.7.2"},
            "dnsmasq/service/status": {"status": "running" if count > 2 else "stopped"},
            "wireguard/service/show": {"total": 1, "rows": [
                {"if": "wg1", "type": "interface", "status": "up" if count > 2 else "down"},
                {"if": "wg1", "type": "peer", "latest-handshake": 0}]},
        }
        good = self.headers.get("Authorization") == self.allowed and path in answers
        body = json.dumps(answers.get(path, {}) if good else {}).encode()
        if path == "core/backup/download/this" and os.path.exists(CONFIG):
            good, body = True, guests.read(CONFIG)
        with open(sys.argv[5], "a", encoding="ascii") as log:
            log.write(f"{path} {200 if good else 401}\n")
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(certificate, key, port):
    server = http.server.HTTPServer(("127.0.0.1", int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def main(args):
    if args[:1] == ["missing"]:
        print(missing() or "", end="")
    elif args[:1] == ["image"]:
        make_image(args[1], args[2], args[3] if args[3:] else "importer")
    elif args[:1] == ["api"]:
        serve(*args[1:4])
    else:
        print(__doc__, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
