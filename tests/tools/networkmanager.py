"""A real NetworkManager by hand, isolated: for a caller that is root in network and mount namespaces of its own,
with /sys mounted read-only (then NetworkManager does not wait for udev, which is not there).

start(root=None): a system bus and NetworkManager; root is a folder with another Debian whose NetworkManager is used.
Everything it writes is below /run/nm-test. Returns what stop() and kill() want.
"""
import os
import shutil
import signal
import subprocess
import time

PLACE = "/run/nm-test"
BUS = PLACE + "/bus"
ADDRESS = "unix:path=" + BUS
BUS_CONF = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>{ADDRESS}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true"/><allow receive_requested_reply="true"/><allow receive_type="signal"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""
# what udev's 85-nm-unmanaged.rules say on a machine that has udev: a veth is somebody's cable, no interface of the
# host's. The uplink of a test is one as well, and named as a real one would be.
CONF = """[main]
plugins=keyfile
dhcp=internal
dns=none
rc-manager=unmanaged
auth-polkit=false
hostname-mode=none
systemd-resolved=false
configure-and-quit=false
[connectivity]
enabled=false
[logging]
level=%(level)s
domains=ALL
[keyfile]
unmanaged-devices=interface-name:lw*;interface-name:tap*;interface-name:veth*
"""
FOLDERS = ("/etc/NetworkManager", "/var/lib/NetworkManager", "/run/NetworkManager")


def write(path, text, mode=0o644):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as out:
        out.write(text)


def profile(name, link, lines):
    """A profile that the user has: written before the start."""
    folder = PLACE + "/etc-NetworkManager/system-connections"
    os.makedirs(folder, exist_ok=True)
    write(f"{folder}/{name}.nmconnection",
          f"[connection]\nid={name}\nuuid=6c0b6f08-0000-4000-8000-{abs(hash(name)) % 10**12:012d}\ntype=ethernet\n"
          f"interface-name={link}\n\n{lines}", 0o600)


def prepare(root=None):
    """The folders, once; they outlive a restart of NetworkManager."""
    os.makedirs(PLACE, exist_ok=True)
    for folder in FOLDERS:
        private = f"{PLACE}/{folder.strip('/').replace('/', '-')}"
        os.makedirs(private, exist_ok=True)
        for top in [""] + [root] * bool(root):
            os.makedirs(top + folder, exist_ok=True)
            subprocess.run(["mount", "--bind", private, top + folder], check=True)
    if root:
        for folder in ("/proc", "/sys", "/dev", PLACE):
            os.makedirs(root + folder, exist_ok=True)
            subprocess.run(["mount", "--rbind", folder, root + folder], check=True)
    os.makedirs(PLACE + "/etc-NetworkManager/system-connections", exist_ok=True)
    write(PLACE + "/etc-NetworkManager/NetworkManager.conf", CONF % {"level": os.environ.get("NM_LEVEL", "INFO")})
    write(PLACE + "/bus.conf", BUS_CONF)


def start_bus(at=None):
    """at: where programs look for it by themselves."""
    bus = subprocess.Popen(["dbus-daemon", "--nofork", "--nopidfile", "--config-file=" + PLACE + "/bus.conf"],
                           stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(500):
        if os.path.exists(BUS):
            break
        time.sleep(0.01)
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = ADDRESS
    if at:
        os.makedirs(os.path.dirname(at), exist_ok=True)
        os.symlink(BUS, at)
    return bus


def start_daemon(root=None):
    log = open(PLACE + "/NetworkManager.log", "a", encoding="utf-8")
    command = (["chroot", root] if root else []) + ["/usr/sbin/NetworkManager", "--debug"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                            env=dict(os.environ, LC_ALL="C.UTF-8"))


def wait_connected(link, seconds=20):
    """Until the profile on that link is activated."""
    last = ""
    for _ in range(int(seconds * 50)):
        answer = subprocess.run(["nmcli", "-g", "GENERAL.STATE", "device", "show", link], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        last = answer.stdout
        if last.startswith("100"):
            return
        time.sleep(0.02)
    raise SystemExit(f"NetworkManager did not connect {link}: {last}")


def kill(daemon, number=signal.SIGKILL):
    daemon.send_signal(number)
    daemon.wait()


def log_text():
    with open(PLACE + "/NetworkManager.log", encoding="utf-8", errors="replace") as file:
        return file.read()


def available():
    """Why not, or None."""
    for program in ("/usr/sbin/NetworkManager", "nmcli", "dbus-daemon"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None if os.geteuid() == 0 else "needs root: NetworkManager does not run in a user namespace"
