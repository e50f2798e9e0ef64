"""Every place where an apply between two labs can fail or be killed, and every place in the undo: after each, the lab is
byte for byte as before (or, where the apply was already through, as after).

usage: fault_matrix.py TWIN [--every N [--first M]] [--from LAB]      the last line counts: PLACES tried, WRONG"""
import argparse
import signal
import sys
import tempfile

from two_labs import LABS, OTHER, Between, TwoLabs

KILLED = 128 + 9
ROLLED_BACK = 4


class Matrix:
    def __init__(self, labs, start, every, first):
        self.labs, self.start, self.every, self.first = labs, start, every, first
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

    def check(self, name, index, statuses, status):
        """The lab has to be as before, whatever else."""
        self.count(name)
        try:
            if status not in statuses:
                raise Between(f"status {status}, expected {statuses}")
            self.labs.run("recover")
            lab = self.labs.which()
            if lab != self.start:
                raise Between(f"ended in {lab}")
        except Between as trouble:
            self.wrong.append(f"{name} {index}: {trouble}")
            print(f"WRONG {self.wrong[-1]}", flush=True)
            self.labs.run("recover", check=False)
            self.labs.apply(self.start)

    def sizes(self):
        """How many phases there are: of an apply that goes well, and of the undo of one that fails at its end."""
        target = LABS[OTHER[self.start]]
        self.faulty("apply", "", "-q", target)
        steps = self.phases("apply")
        self.labs.apply(self.start)
        self.faulty("apply", f"fail:apply:{steps - 1}", "-q", target)
        return steps, self.phases("undo")

    def run(self):
        target = LABS[OTHER[self.start]]
        steps, undos = self.sizes()
        for phase in ("prepare", "apply"):
            for index in range(self.first, steps, self.every):
                self.check(f"failure before {phase}", index, [ROLLED_BACK],
                           self.faulty("apply", f"fail:{phase}:{index}", "-q", target))
                self.check(f"kill before {phase}", index, [KILLED],
                           self.faulty("apply", f"kill:{phase}:{index}", "-q", target))
        last = f"apply:{steps - 1}"
        for index in range(self.first, undos, self.every):
            self.check("failure in undo", index, [1],
                       self.faulty("apply", f"fail:{last},fail:undo:{index}", "-q", target))
            self.check("kill in undo", index, [KILLED],
                       self.faulty("apply", f"fail:{last},kill:undo:{index}", "-q", target))
            self.faulty("apply", f"kill:{last}", "-q", target)
            self.check("kill in recovery", index, [KILLED], self.faulty("recover", f"kill:undo:{index}"))
            self.faulty("apply", f"kill:{last}", "-q", target)
            self.check("failure in recovery", index, [1], self.faulty("recover", f"fail:undo:{index}"))
        return steps, undos


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("twin")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="of those N; so a long run can be done in parts")
    parser.add_argument("--from", dest="start", choices=sorted(LABS), default="a")
    options = parser.parse_args()
    labs = TwoLabs(options.twin)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    try:
        labs.start()
        if options.start != "a":
            labs.apply(options.start)
        matrix = Matrix(labs, options.start, options.every, options.first)
        steps, undos = matrix.run()
    finally:
        labs.stop()
    for name, count in matrix.tried.items():
        print(f"{name}: {count}")
    print(f"{steps} steps, {undos} undone; {sum(matrix.tried.values())} places tried, {len(matrix.wrong)} wrong")
    return 1 if matrix.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
