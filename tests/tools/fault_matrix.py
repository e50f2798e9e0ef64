"""Every place where an apply between two labs can fail or be killed, and every place in the undo: after each, the lab is
byte for byte as before (or, where the apply was already through, as after).

usage: fault_matrix.py NAME [--machine] [--every N [--first M] | --sample N] [--from LAB]
The last line counts: PLACES tried, WRONG.

In a twin of that name; --machine: on a machine (tests/tools/host_world, as root) with NetworkManager, libvirt and Podman,
where LAB may be "nothing" too, whose apply takes the uplink into br0. There a guest's pings have to be answered after each
place as well."""
import argparse
import os
import random
import signal
import sys
import tempfile
import time

from two_labs import OTHER, Between, Machine, TwoLabs

KILLED = 128 + 9
ROLLED_BACK = 4


class Matrix:
    def __init__(self, labs, start):
        self.labs, self.start = labs, start
        self.tried, self.wrong = {}, []
        self.seen = tempfile.NamedTemporaryFile(prefix="lanward-fault-")

    def faulty(self, verb, faults, *args):
        self.seen.truncate(0)
        done = self.labs.run(verb, *args, program=self.labs.fault, check=False,
                             env={"LANWARD_FAULT": faults, "LANWARD_FAULT_SEEN": self.seen.name})
        # outside it ends as what it ran inside did: killed itself, or telling so
        return KILLED if done.returncode in (-9, KILLED) else done.returncode

    def phases(self, phase):
        with open(self.seen.name, encoding="ascii") as file:
            return sum(line.startswith(phase + " ") for line in file)

    def count(self, name):
        self.tried[name] = self.tried.get(name, 0) + 1

    def check(self, name, index, due, status):
        """The lab has to be as before, whatever else."""
        self.count(name)
        try:
            if status != due:
                raise Between(f"status {status}, expected {due}")
            self.labs.run("recover")
            lab = self.labs.which()
            if lab != self.start:
                raise Between(f"ended in {lab}")
            if lab != "nothing":
                self.labs.target.check_guests()
        except Between as trouble:
            self.wrong.append(f"{name} {index}: {trouble}")
            print(f"WRONG {self.wrong[-1]}", flush=True)
            self.labs.run("recover", check=False)
            self.labs.apply(self.start)

    def sizes(self):
        """How many phases there are: of an apply that goes well, and of the undo of one that fails at its end. The labs
        are looked at by the way, the first one twice."""
        other = OTHER[self.start]
        target = self.labs.target.labs[other]
        self.faulty("apply", "", "-q", target)
        steps = self.phases("apply")
        self.labs.target.applied()
        self.labs.learn(other)
        self.labs.apply(self.start)
        self.labs.learn(self.start)
        self.faulty("apply", f"fail:apply:{steps - 1}", "-q", target)
        return steps, self.phases("undo")

    def places(self, steps, undos):
        """Name, index, the status that is due, and what to run: verbs with their faults."""
        last = f"apply:{steps - 1}"
        for index in range(steps):
            for phase in ("prepare", "apply"):
                yield f"failure before {phase}", index, ROLLED_BACK, [("apply", f"fail:{phase}:{index}")]
                yield f"kill before {phase}", index, KILLED, [("apply", f"kill:{phase}:{index}")]
        for index in range(undos):
            yield "failure in undo", index, 1, [("apply", f"fail:{last},fail:undo:{index}")]
            yield "kill in undo", index, KILLED, [("apply", f"fail:{last},kill:undo:{index}")]
            if self.start == "nothing":
                continue  # an apply that takes the uplink over left a process that keeps the time: it recovers at once
            yield "kill in recovery", index, KILLED, [("apply", f"kill:{last}"), ("recover", f"kill:undo:{index}")]
            yield "failure in recovery", index, 1, [("apply", f"kill:{last}"), ("recover", f"fail:undo:{index}")]

    def run(self, pick):
        """pick: of all places, those to try."""
        target = self.labs.target.labs[OTHER[self.start]]
        steps, undos = self.sizes()
        for name, index, due, commands in pick(list(self.places(steps, undos))):
            for verb, faults in commands:
                status = self.faulty(verb, faults, *(["-q", target] if verb == "apply" else []))
            self.check(name, index, due, status)
        return steps, undos


def picker(options):
    if not options.sample:
        return lambda places: [place for place in places if place[1] % options.every == options.first]
    print(f"seed {options.seed}", flush=True)
    return lambda places: random.Random(options.seed).sample(places, options.sample)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--machine", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="of those N; so a long run can be done in parts")
    parser.add_argument("--sample", type=int, help="so many places, at random")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--from", dest="start", choices=sorted(OTHER), default="a")
    options = parser.parse_args()
    if options.start == "nothing" and not options.machine:
        parser.error("a twin with nothing in it is none")
    labs = TwoLabs((lambda lanward: Machine(options.name, lanward)) if options.machine else options.name)
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    try:
        labs.start((options.start,))
        matrix = Matrix(labs, options.start)
        steps, undos = matrix.run(picker(options))
    finally:
        labs.stop()
    for name, count in matrix.tried.items():
        print(f"{name}: {count}")
    print(f"{steps} steps, {undos} undone; {sum(matrix.tried.values())} places tried, {len(matrix.wrong)} wrong, "
          f"{time.monotonic() - begun:.0f} s")
    return 1 if matrix.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
