"""A twin that goes back and forth between the two labs of tests/system/storm, and what it looks like in each."""
import os
import subprocess
import time

TOOLS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(TOOLS))
LABS = {name: os.path.join(ROOT, "tests/system/storm", name + ".yaml") for name in ("a", "b")}
OTHER = {"a": "b", "b": "a"}


def text_of(script):
    with open(os.path.join(TOOLS, script), encoding="utf-8") as file:
        return file.read()


class Between(Exception):
    """A state that is neither the one lab nor the other."""


class TwoLabs:
    def __init__(self, twin, lanward=None, fault=None):
        self.twin = twin
        self.lanward = lanward or os.environ.get("LANWARD", os.path.join(ROOT, "build/lanward"))
        self.fault = fault or os.environ.get("LANWARD_FAULTY", os.path.join(ROOT, "build/tests/system/lanward-fault"))
        self.looks = {}
        self.observe_text = text_of("observe.py")

    def command(self, program, verb, *args):
        return [program, "twin", verb, "--name", self.twin, *args]

    def run(self, verb, *args, program=None, env=None, check=True):
        done = subprocess.run(self.command(program or self.lanward, verb, *args), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False,
                              env={**os.environ, **(env or {})})
        if check and done.returncode != 0:
            raise Between(f"{verb} {args}: {done.returncode}: {done.stderr}")
        return done

    def apply(self, lab):
        self.run("apply", "-q", LABS[lab])

    def observe(self):
        return self.run("exec", "@host", "--", "python3", "-c", self.observe_text).stdout

    def start(self):
        """Both labs as they look when nothing went wrong; ends in the first."""
        for lab in ("a", "b", "a"):
            self.apply(lab)
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
        """The lab that the twin looks like, byte for byte. A daemon that a dead lanward left is put back by the twin."""
        look = ""
        for attempt in range(20):
            look = self.observe()
            for lab, known in self.looks.items():
                if look == known:
                    return lab
            time.sleep(0.1)
        raise Between("\n".join(f"--- against {lab}:\n{difference(known, look)}" for lab, known in self.looks.items()))

    def stop(self):
        self.run("down", check=False)


def difference(known, look):
    known_lines, look_lines = set(known.splitlines()), set(look.splitlines())
    lines = ["- " + line[:240] for line in sorted(known_lines - look_lines)]
    lines += ["+ " + line[:240] for line in sorted(look_lines - known_lines)]
    return "\n".join(lines[:40])
