#!/usr/bin/env python3
"""A real libvirtd of one's own, and small guests that ask for a lease, for tests. Needs root; leaves nothing.

The daemon runs in a pid and mount namespace, with its own /etc/libvirt, /run/libvirt and so on: whoever ends its
process ends everything in it, guests included. It shares the network namespace of whoever starts it (or the one that
is named), so that its guests are plugged into bridges there. Guests are QEMU's own (TCG): a kernel and an initrd with
busybox and dhcpcd in 96 MiB.

  libvirt_world.py run DIR [--netns NAME]    the daemon, until its stdin ends; prints READY and the URI
  libvirt_world.py guest DIR                 makes DIR/kernel and DIR/initrd
  libvirt_world.py domain NAME DIR NETWORK[,MAC]…  prints the XML of a guest with these NICs
  libvirt_world.py missing                   prints what this machine lacks, if anything
"""
import glob
import gzip
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

NEEDED = ["libvirtd", "qemu-system-x86_64", "busybox", "dhcpcd", "virsh"]
# in order; a kernel may have the first ones built in
MODULES = ["drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev",
           "drivers/virtio/virtio_pci_modern_dev", "drivers/virtio/virtio_pci", "net/core/failover",
           "drivers/net/net_failover", "drivers/net/virtio_net"]
# the power button, for those that are asked to shut down
BUTTON = ["drivers/acpi/button", "drivers/input/evdev"]
KERNELS = "/var/cache/lanward-tests/kernel"
PRIVATE = ["/run/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt", "/etc/libvirt"]
# as a Debian package says it: a daemon for a machine without D-Bus, cgroups, AppArmor
LIBVIRTD_CONF = 'auth_unix_rw = "none"\nunix_sock_group = "root"\n'
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
"""
# Pid 1 of a guest: NICs up, a DHCP client for each, every lease told on the console; it pings somebody all the time,
# and ends when its power button is pressed.
INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in /modules/*.ko; do insmod $m; done
hostname $(sed -n 's/.*guest=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
ip link set lo up
mkdir -p /run /var/run /var/lib/dhcpcd /tmp
for nic in /sys/class/net/eth*; do ip link set ${nic##*/} up; done
echo GUEST BOOTED >/dev/ttyS0
dhcpcd -B -q -f /etc/dhcpcd.conf >/dev/null 2>&1 &
target=$(sed -n 's/.*beacon=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
sh -c "while :; do ping -i 0.1 $target >/dev/null 2>&1; usleep 50000; done" &
for button in /dev/input/event*; do sh -c "head -c 1 $button >/dev/null && poweroff -f" & done
while :; do sleep 1000; done
"""
HOOK = """#!/bin/sh
case "$reason" in
BOUND|RENEW|REBIND|REBOOT) echo "LEASE $interface $new_ip_address ${new_routers%% *} $reason" >/dev/ttyS0 ;;
CARRIER|NOCARRIER|EXPIRE|NAK) echo "$reason $interface" >/dev/ttyS0 ;;
esac
"""
DHCPCD_CONF = "nodev\nnoarp\nnodelay\noption routers\nipv4only\nnoipv4ll\nscript /hook\nclientid\n"


def which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def kernel_in(root):
    """The newest kernel with its modules below a root, or None. Only read."""
    for image in sorted(glob.glob(root + "/boot/vmlinuz-*"), reverse=True):
        modules = root + "/lib/modules/" + os.path.basename(image)[len("vmlinuz-"):]
        if glob.glob(modules + "/kernel/" + MODULES[-1] + ".ko*"):
            return image, modules
    return None


def fetch_kernel():
    """Debian's kernel for clouds starts in a third of the time of any other. Unpacked, never installed."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True)
        names = re.findall(r"Depends: (linux-image-\S+)", depends.stdout)
        if not names or subprocess.run(["apt-get", "-qq", "download", names[0]], cwd=folder, timeout=120,
                                       capture_output=True).returncode:
            return
        os.makedirs(KERNELS, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", glob.glob(folder + "/*.deb")[0], KERNELS], check=True)


def kernel_image(fetch=True):
    if fetch and not kernel_in(KERNELS) and shutil.which("apt-get"):
        try:
            fetch_kernel()
        except (OSError, subprocess.SubprocessError):
            pass
    return kernel_in(KERNELS) or kernel_in("")


def missing():
    if os.geteuid() != 0:
        return "not root"
    lacks = [name for name in NEEDED if not which(name)]
    if lacks:
        return "no " + ", ".join(lacks)
    if not kernel_image():
        return "no kernel image with its modules for a guest (linux-image-amd64)"
    return None


# --- the guest


def module(folder, name):
    path = glob.glob(f"{folder}/kernel/{name}.ko*")[0]
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith(".gz"):
        return gzip.decompress(data)
    return data


def libraries(program):
    text = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(/\S+\.so\S*)", text)))


class Archive:
    """cpio, newc: what a kernel unpacks as its first root."""

    def __init__(self):
        self.parts, self.number, self.folders = [], 1, set()

    def entry(self, name, mode, data=b""):
        name = name.strip("/")
        fields = [self.number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        self.parts.append(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
        self.number += 1

    def folder(self, name):
        name = name.strip("/")
        if name and name not in self.folders:
            self.folder(os.path.dirname(name))
            self.folders.add(name)
            self.entry(name, 0o040755)

    def file(self, name, data, mode=0o755):
        self.folder(os.path.dirname(name))
        self.entry(name, 0o100000 | mode, data if isinstance(data, bytes) else data.encode())

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self.entry(name, 0o120777, target.encode())

    def bytes(self):
        self.entry("TRAILER!!!", 0)
        return b"".join(self.parts)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def make_guest(folder):
    image, modules = kernel_image()
    archive = Archive()
    for name in ("proc", "sys", "dev", "tmp", "run", "var/run", "var/lib/dhcpcd", "etc"):
        archive.folder(name)
    busybox, dhcpcd = os.path.realpath(which("busybox")), which("dhcpcd")
    archive.file("bin/busybox", read(busybox))
    for name in ("sh", "mount", "insmod", "ip", "sed", "hostname", "mkdir", "sleep", "usleep", "ping", "echo", "head", "poweroff"):
        archive.link("bin/" + name, "busybox")
    archive.file("sbin/dhcpcd", read(dhcpcd))
    for path in libraries(dhcpcd) + libraries(busybox):
        if path not in archive.folders:
            archive.folders.add(path)
            archive.file(path, read(os.path.realpath(path)))
    for i, name in enumerate(MODULES + BUTTON):
        if glob.glob(f"{modules}/kernel/{name}.ko*"):
            archive.file(f"modules/{i}-{os.path.basename(name)}.ko", module(modules, name))
    archive.file("init", INIT)
    archive.file("hook", HOOK)
    archive.file("etc/dhcpcd.conf", DHCPCD_CONF, 0o644)
    archive.file("etc/passwd", "root:x:0:0:root:/:/bin/sh\n", 0o644)
    os.makedirs(folder, exist_ok=True)
    shutil.copyfile(image, folder + "/kernel")
    with open(folder + "/initrd", "wb") as file:
        file.write(gzip.compress(archive.bytes(), 1))


def nic_xml(nic):
    network, _, mac = nic.partition(",")
    source = f"<source bridge='{network[8:]}'/>" if network.startswith("/bridge/") else f"<source network='{network}'/>"
    kind = "bridge" if network.startswith("/bridge/") else "network"
    return (f"<interface type='{kind}'>" + (f"<mac address='{mac}'/>" if mac else "") + source +
            "<model type='virtio'/></interface>")


def domain_xml(name, folder, nics, beacon="203.0.113.77"):
    folder = os.path.abspath(folder)
    ports = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 4
    return f"""<domain type='qemu'><name>{name}</name><description>by hand</description>
<memory unit='MiB'>96</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{folder}/kernel</kernel><initrd>{folder}/initrd</initrd>
<cmdline>console=ttyS0 quiet panic=1 guest={name} beacon={beacon} nokaslr audit=0 mitigations=off</cmdline></os>
<features><acpi/><apic/><tcg><tb-cache unit='MiB'>32</tb-cache></tcg></features>
<cpu mode='maximum'/>
<on_reboot>destroy</on_reboot><devices>{ports}
<serial type='file'><source path='{folder}/{name}.console'/></serial>
{"".join(nic_xml(nic) for nic in nics)}<memballoon model='none'/></devices></domain>"""


# --- the daemon


class World:
    def __init__(self, folder, netns=None):
        self.folder, self.netns, self.process = os.path.abspath(folder), netns, None
        os.makedirs(self.folder, exist_ok=True)

    def start(self):
        """Again after kill_daemon(): the guests have gone on meanwhile."""
        enter = ["nsenter", "--net=/run/netns/" + self.netns] if self.netns else []
        command = enter + ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
                           sys.executable, os.path.abspath(__file__), "inside", self.folder]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                        stdout=open(self.folder + "/libvirtd.log", "ab"), stderr=subprocess.STDOUT)
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.inner() and os.path.exists(self.socket()) and self.virsh("list", check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("libvirtd did not start: " + open(self.folder + "/libvirtd.log").read()[-2000:])

    def inner(self):
        """Its first process, as seen from here."""
        try:
            children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def socket(self):
        return f"/proc/{self.inner()}/root/run/libvirt/libvirt-sock"

    @property
    def uri(self):
        return "qemu:///system?socket=" + self.socket()

    def virsh(self, *args, check=True, stdin=None):
        return subprocess.run(["virsh", "-q", "-c", self.uri, *args], check=check, input=stdin, timeout=60,
                              capture_output=True, text=True)

    def define(self, xml):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(xml)
            file.flush()
            self.virsh("define", file.name)

    def restart_daemon(self):
        """libvirtd killed and started again; guests are its own processes' children no more, and stay."""
        os.kill(self.inner(), signal.SIGUSR1)
        time.sleep(0.3)
        self.wait()

    def console(self, name):
        try:
            with open(f"{self.folder}/{name}.console", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def leases(self, name, interface=None):
        """The addresses that a guest told of, in order."""
        found = re.findall(r"LEASE (\S+) (\S+) (\S*) \S+", self.console(name))
        return [address for nic, address, _ in found if interface in (None, nic)]

    def wait_for(self, what, seconds=40, step=0.02):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = what()
            if value:
                return value
            time.sleep(step)
        return None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def add_user(path, line):
    """libvirtd looks its user up even when it is to use another; the package that makes it is not needed else."""
    text = open(path).read()
    if not line.split(":")[0] + ":" in text:
        copy = "/run/libvirt/" + os.path.basename(path)
        with open(copy, "w") as file:
            file.write(text + line)
        subprocess.run(["mount", "--bind", copy, path], check=True)


def prepare():
    """The mount namespace that we are in becomes one for a libvirtd of its own; returns how that is started."""
    for path in PRIVATE:
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
    add_user("/etc/passwd", "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n")
    add_user("/etc/group", "libvirt-qemu:x:64055:\n")
    with open("/etc/libvirt/libvirtd.conf", "w") as file:
        file.write(LIBVIRTD_CONF)
    with open("/etc/libvirt/qemu.conf", "w") as file:
        file.write(QEMU_CONF)
    return [which("libvirtd"), "-p", "/run/libvirt/libvirtd.pid"]


def inside(folder):
    """Pid 1 of the daemon's pid namespace: mounts, keeps libvirtd, starts it again when told to (SIGUSR1)."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    command = prepare()
    daemon = subprocess.Popen(command)
    again = []
    signal.signal(signal.SIGUSR1, lambda *_: again.append(1))
    while True:
        try:
            pid, _ = os.wait()
        except InterruptedError:
            pid = 0
        except ChildProcessError:
            return
        if again:
            again.clear()
            daemon.kill()
            daemon.wait()
            daemon = subprocess.Popen(command)
        elif pid == daemon.pid:
            return


def main(args):
    if args[:1] == ["inside"]:
        inside(args[1])
    elif args[:1] == ["guest"]:
        make_guest(args[1])
    elif args[:1] == ["missing"]:
        print(missing() or "", end="")
    elif args[:1] == ["domain"]:
        print(domain_xml(args[1], args[2], args[3:]))
    elif args[:1] == ["run"]:
        world = World(args[1], args[3] if args[2:3] == ["--netns"] else None)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            world.start()
            print("READY", world.uri, flush=True)
            sys.stdin.read()
        finally:
            world.stop()
    else:
        print(__doc__, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
