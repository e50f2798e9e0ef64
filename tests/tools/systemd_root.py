#!/usr/bin/env python3
"""A Debian with systemd, to boot in namespaces: tests/tools/host_world --systemd.

  systemd_root.py make      makes the Debian once, below /var/cache/lanward-tests (root, mmdebstrap; a minute or two)
  systemd_root.py missing   prints why it cannot be booted here, or nothing

It is never written to: each world has an overlay of its own over it, its "disk". What systemd sees of this machine is the
kernel alone: root, /proc, /sys (read-only), /dev, /run, /tmp and the control groups are its own, settings of the kernel
that are not of the network are read-only.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

PLACE = "/var/cache/lanward-tests/systemd-root"
# what data/packages says of a machine that runs lanward, the libraries that it is linked with, and systemd
PACKAGES = ("systemd dbus iproute2 iputils-ping nftables dnsmasq-base wireguard-tools wireguard-go dhcpcd-base curl "
            "libglib2.0-0 libfyaml0 libnftables1 libmnl0 libnetfilter-conntrack3 libnetfilter-log1 libsqlite3-0 "
            "libjson-glib-1.0-0 libsodium23 libxml2 libsoup-3.0-0 libnm0 libvirt0").split()
CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
MASKED = ("systemd-firstboot.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount",
          "dev-mqueue.mount", "sys-fs-fuse-connections.mount", "systemd-networkd.service", "systemd-networkd.socket",
          "console-getty.service", "getty.target", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer")
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
           ("net/tun", 10, 200))


def run(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path):
        os.unlink(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def codename():
    with open("/etc/os-release", encoding="utf-8") as file:
        return next(line.split("=")[1].strip() for line in file if line.startswith("VERSION_CODENAME="))


def wanted_list():
    return f"{codename()} {' '.join(PACKAGES)}\n"


def made_list():
    try:
        with open(PLACE + "/lanward-packages", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def cgroup_top():
    """Where a control group (version 2) can be made, or None."""
    for path in CGROUPS:
        if os.path.exists(path + "/cgroup.procs") and os.access(path, os.W_OK):
            return path
    return None


def missing():
    if os.geteuid() != 0:
        return "not root: systemd is booted in namespaces that root makes"
    if not cgroup_top():
        return "no control groups (version 2) that can be written to"
    if made_list() != wanted_list():
        return "no Debian with systemd for it: tests/tools/systemd_root.py make (a minute or two, once)"
    return None


def make():
    """In a folder of its own first, so that half a Debian is none."""
    os.makedirs(os.path.dirname(PLACE), exist_ok=True)
    folder = tempfile.mkdtemp(prefix="systemd-root.", dir=os.path.dirname(PLACE))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        run("unshare", "--mount", "--pid", "--fork", "--kill-child", "mmdebstrap", "--quiet", "--variant=minbase",
            "--include=" + ",".join(PACKAGES), codename(), folder + "/root")
        write(folder + "/root/lanward-packages", wanted_list())
        shutil.rmtree(PLACE, ignore_errors=True)
        os.rename(folder + "/root", PLACE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- control groups: one of ours, which is all that is seen of them inside


def cgroup_of(name):
    return f"{cgroup_top()}/lanward-test-{name}"


def remove_cgroup(name):
    """What was in it was killed, and may take a moment to end."""
    top = cgroup_of(name) if cgroup_top() else ""
    for _ in range(100):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass
        if not os.path.exists(top):
            return
        time.sleep(0.05)


def join_cgroup(name):
    os.makedirs(cgroup_of(name), exist_ok=True)
    with open(cgroup_of(name) + "/cgroup.procs", "w", encoding="ascii") as procs:
        procs.write(str(os.getpid()))


# --- the machine that boots


def make_devices(root):
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root + "/dev")
    for folder in ("net", "pts", "shm"):
        os.mkdir(f"{root}/dev/{folder}")
    for name, major, minor in DEVICES:
        os.mknod(f"{root}/dev/{name}", 0o020666, os.makedev(major, minor))
        os.chmod(f"{root}/dev/{name}", 0o666)
    run("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts", root + "/dev/pts")
    run("mount", "-t", "tmpfs", "tmpfs", root + "/dev/shm")
    os.symlink("pts/ptmx", root + "/dev/ptmx")
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink("/proc/self/" + target, f"{root}/dev/{name}")


def make_root(disk):
    """Mounts it below the disk's folder, for the mount namespace that we are in; returns where."""
    root = disk + "/root"
    for folder in ("upper", "work", "root"):
        os.makedirs(f"{disk}/{folder}", exist_ok=True)
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={PLACE},upperdir={disk}/upper,workdir={disk}/work", root)
    run("mount", "-t", "proc", "proc", root + "/proc")
    run("mount", "--bind", root + "/proc/sys", root + "/proc/sys")
    run("mount", "--bind", root + "/proc/sys/net", root + "/proc/sys/net")
    boot_id = disk + "/boot-id"
    write(boot_id, f"{uuid.uuid4()}\n")
    run("mount", "--bind", boot_id, root + "/proc/sys/kernel/random/boot_id")  # the kernel goes on, but that is ours alone
    run("mount", "-o", "remount,ro,bind", root + "/proc/sys")
    run("mount", "-t", "sysfs", "-o", "ro", "sysfs", root + "/sys")
    run("mount", "-t", "cgroup2", "cgroup2", root + "/sys/fs/cgroup")
    make_devices(root)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root + "/run")
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", root + "/tmp")
    return root


def first_time(root, units):
    """A machine that was installed: its names, what does not start in namespaces masked, these units enabled."""
    write(root + "/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    write(root + "/etc/hostname", "host\n")
    write(root + "/etc/hosts", "127.0.0.1 localhost host\n")
    folder = root + "/etc/systemd/system"
    for name in MASKED:
        os.symlink("/dev/null", f"{folder}/{name}")
    for name, text in units.items():
        write(f"{folder}/{name}", text)


def boot(root):
    """The process becomes systemd; nothing of the machine's files is left in sight."""
    os.chdir(root)
    os.makedirs("mnt/outside", exist_ok=True)
    run("pivot_root", ".", "mnt/outside")
    os.chroot(".")
    os.chdir("/")
    run("umount", "-l", "/mnt/outside")
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.execve("/lib/systemd/systemd", ["systemd", "--unit=multi-user.target"],
              {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "container": "lanward-test", "LANG": "C.UTF-8"})


def main(args):
    if args == ["make"]:
        make()
    elif args == ["missing"]:
        print(missing() or "", end="")
    else:
        print(__doc__, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
