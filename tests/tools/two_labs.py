"""A place that goes back and forth between the two labs of tests/system/storm, and what it looks like in each: a twin,
or (Machine) a machine with NetworkManager, libvirt and Podman of its own, where some of their machines are domains and one
a container."""
import os
import re
import subprocess
import time

TOOLS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(TOOLS))
LABS = {name: os.path.join(ROOT, "tests/system/storm", name + ".yaml") for name in ("a", "b")}
OTHER = {"a": "b", "b": "a", "nothing": "a"}


def text_of(script):
    with open(os.path.join(TOOLS, script), encoding="utf-8") as file:
        return file.read()


class Between(Exception):
    """A state that is neither the one lab nor the other."""


class Twin:
    """Both targets have these: how a verb is run there, its files, and what comes before and after."""

    def __init__(self, name, lanward):
        self.name, self.lanward = name, lanward
        self.labs = LABS

    def command(self, program, verb, *args):
        return [program, "twin", verb, "--name", self.name, *args]

    def inside(self, *argv):
        return self.command(self.lanward, "exec", "@host", "--", *argv)

    def start(self):
        pass

    def applied(self):
        pass

    def check_guests(self):
        pass

    def stop(self):
        subprocess.run(self.command(self.lanward, "down"), check=False, stdin=subprocess.DEVNULL, capture_output=True)


# Of the storm's machines, what each is on a machine of its own; the others are cells there too. The domain "stay" runs
# and pings its gateway all the time, which both labs allow. "mover" is started and stands still before its first
# instruction; "vault" does not run.
DOMAINS = {"stay": "52:54:00:77:00:01", "mover": "52:54:00:77:00:02", "vault": "52:54:00:77:00:03"}
CONTAINER = "worker"
TUNNELS = {"one": "ovpn", "two": "se", "three": "de"}
MADE = "  made: {segment: green, create: {memory: 64MiB, disk: {size: 1MiB}}}\n"
VIRSH = ("virsh", "-q", "-c", "qemu:///system")
GUEST, GATEWAY = "192.168.10.9", "192.168.10.1"
ANSWER_S = 20


def lab_with_real_machines(text):
    text = re.sub(rf"^(  (?:{'|'.join(DOMAINS)}): \{{)cell: true, ", r"\1", text, flags=re.M)
    return text.replace(f"  {CONTAINER}: {{cell: true, ", f"  {CONTAINER}: {{container: {CONTAINER}, ")


class Machine:
    """tests/tools/host_world, with everything. Needs root."""

    def __init__(self, name, lanward):
        self.name, self.lanward, self.pid = name, lanward, None
        self.labs = {lab: f"/etc/lanward/{lab}.yaml" for lab in LABS}

    def inside(self, *argv):
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u", "-i", "--wd=/", "--", *argv]

    def command(self, program, verb, *args):
        return self.inside(program, verb, *args, *(["--no-wait"] * (verb == "apply")))

    def run(self, *argv, text=None, check=True):
        done = subprocess.run(self.inside(*argv), check=False, input=text or "", text=True, capture_output=True)
        if check and done.returncode:
            raise Between(f"{argv}: {done.returncode}: {done.stderr}")
        return done

    def world(self, verb, *args):
        return subprocess.run([TOOLS + "/host_world", verb, self.name, *args], check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True).stdout

    def write(self, path, text):
        self.run("sh", "-c", f"umask 077; cat >{path}", text=text)

    def start(self):
        self.pid = int(self.world("start", "--nm", "--libvirt", "--podman", "--address", "dhcp", "--lanward", self.lanward,
                                  "--owner", str(os.getpid())))
        for lab, path in LABS.items():
            with open(path, encoding="utf-8") as file:
                self.write(self.labs[lab], lab_with_real_machines(file.read()) + MADE * (lab == "b"))
        for name, conf in TUNNELS.items():
            self.run("cp", "-p", f"/etc/lanward/wireguard/{conf}.conf", f"/etc/lanward/wireguard/{name}.conf")
        self.run("podman", "run", "-d", "--name", CONTAINER, "--stop-timeout", "0", "--network", "none", "localhost/box:1",
                 "/bin/sleep", "1000000")
        self.run("mkdir", "-p", "/var/lib/libvirt/images")
        for name in self.run(*VIRSH, "list", "--all", "--name").stdout.split():
            self.run(*VIRSH, "undefine", name)  # homelab's
        for name, mac in DOMAINS.items():
            xml = self.run(TOOLS + "/libvirt_world.py", "domain", name, "/run/guests", "/bridge/br-hand," + mac).stdout
            self.write("/run/domain.xml", re.sub(r"beacon=\S+", "beacon=" + GATEWAY, xml))
            self.run(*VIRSH, "define", "/run/domain.xml")
        self.run(*VIRSH, "start", "mover", "--paused")
        self.run(*VIRSH, "start", "stay")

    def applied(self):
        """What changes the uplink waits to be confirmed."""
        self.run(self.lanward, "confirm", "-q", check=False)

    def check_guests(self):
        """An answer to a ping of the guest's, sent after this was asked."""
        answer = f"icmp[icmptype] == icmp-echoreply and dst host {GUEST}"
        seen = self.run("timeout", str(ANSWER_S), "ip", "netns", "exec", "router", "tcpdump", "-c", "1", "-n", "-i", "red",
                        answer, check=False)
        if seen.returncode:
            raise Between(f"no ping of {GUEST} is answered within {ANSWER_S} s: {seen.stderr}")

    def stop(self):
        self.world("stop")


class TwoLabs:
    def __init__(self, target, lanward=None, fault=None):
        """target: a twin's name, or something like Twin above."""
        self.lanward = lanward or os.environ.get("LANWARD", os.path.join(ROOT, "build/lanward"))
        self.fault = fault or os.environ.get("LANWARD_FAULTY", os.path.join(ROOT, "build/tests/system/lanward-fault"))
        self.target = Twin(target, self.lanward) if isinstance(target, str) else target(self.lanward)
        self.looks = {}
        self.observe_text = text_of("observe.py")

    def command(self, program, verb, *args):
        return self.target.command(program, verb, *args)

    def call(self, argv, env=None):
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                              check=False, env={**os.environ, **(env or {})})

    def run(self, verb, *args, program=None, env=None, check=True):
        done = self.call(self.command(program or self.lanward, verb, *args), env)
        if check and done.returncode != 0:
            raise Between(f"{verb} {args}: {done.returncode}: {done.stderr}")
        return done

    def apply(self, lab):
        if lab == "nothing":
            self.run("down", "-q")
            return
        self.run("apply", "-q", self.target.labs[lab])
        self.target.applied()

    def observe(self):
        done = self.call(self.target.inside("python3", "-c", self.observe_text))
        if done.returncode != 0:
            raise Between("cannot be looked at: " + done.stderr)
        return done.stdout

    def start(self, labs=("a", "b", "a")):
        """The labs as they look when nothing went wrong; ends in the last."""
        self.target.start()
        for lab in labs:
            self.apply(lab)
            self.learn(lab)

    def learn(self, lab):
        look = self.settled()
        if self.looks.setdefault(lab, look) != look:
            raise Between("a lab does not look the same twice:\n" + difference(self.looks[lab], look))

    def settled(self):
        """A machine's own processes come up by themselves after an apply: until two looks are the same."""
        before = self.observe()
        for _ in range(20):
            time.sleep(0.05)
            now = self.observe()
            if now == before:
                return now
            before = now
        return before

    def which(self):
        """The lab that the target looks like, byte for byte. A daemon that a dead lanward left is put back by the twin."""
        look = ""
        for _ in range(20):
            look = self.observe()
            for lab, known in self.looks.items():
                if look == known:
                    return lab
            time.sleep(0.1)
        raise Between("\n".join(f"--- against {lab}:\n{difference(known, look)}" for lab, known in self.looks.items()))

    def stop(self):
        self.target.stop()


def difference(known, look):
    known_lines, look_lines = set(known.splitlines()), set(look.splitlines())
    lines = ["- " + line[:240] for line in sorted(known_lines - look_lines)]
    lines += ["+ " + line[:240] for line in sorted(look_lines - known_lines)]
    return "\n".join(lines[:40])
