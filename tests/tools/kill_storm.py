"""SIGKILL at random moments of applies between two different labs, with packets under way that neither allows.

After each kill `lanward recover` runs, and the twin has to look, byte for byte, like the one lab or the other. All the
while a sampler sends from every machine to everywhere (tests/tools/sampler.py) and no packet may arrive that neither
lab allows.

usage: kill_storm.py TWIN KILLS [--seed N] [--seconds N] [--stop]          exit 1 when anything was between, or a packet got through"""
import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import time

from two_labs import OTHER, Between, TwoLabs, text_of


class Sampler:
    def __init__(self, labs):
        argv = labs.target.inside("python3", "-c", text_of("sampler.py"))
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "sampling":
            raise Between("the sampler did not start")

    def stop(self):
        self.process.stdin.close()
        lines = self.process.stdout.read().splitlines()
        self.process.wait()
        return json.loads(lines[-1]), lines[:-1]


def killed_apply(labs, target, after):
    """Whether it was still running when the signal came."""
    process = subprocess.Popen(labs.command(labs.lanward, "apply", "-q", labs.target.labs[target]), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def storm(labs, kills, dice, stop, seconds):
    lab, tally, wrong = "a", collections.Counter(), []
    start = time.monotonic()
    labs.apply("b")
    whole = time.monotonic() - start
    labs.apply("a")
    end = time.monotonic() + seconds
    while tally["kills"] < kills and time.monotonic() < end:
        target = OTHER[lab]
        if not killed_apply(labs, target, dice.uniform(0, whole)):
            tally["too late"] += 1
        else:
            tally["kills"] += 1
        try:
            recovered = json.loads(labs.run("recover", "--json").stdout)
            now = labs.which()
        except Between as trouble:
            wrong.append(str(trouble))
            print(f"BETWEEN after kill {tally['kills']} on the way to {target}:\n{trouble}", flush=True)
            if stop:
                break
            labs.run("recover", check=False)
            try:
                labs.apply(target)
                now = labs.which()
            except Between:
                break  # it does not even get right by an apply
        else:
            tally["undone" if recovered["outcome"] == "undone" else "not begun" if now == lab else "through"] += 1
        if dice.random() < 0.1 and now == lab:  # not the same way for ever when all kills come early
            labs.apply(target)
            now = target
        lab = now
    return tally, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("twin")
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no more than so long")
    parser.add_argument("--stop", action="store_true", help="at the first trouble, with the twin left as it is")
    options = parser.parse_args()
    labs, wrong = TwoLabs(options.twin), []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    try:
        labs.start()
        sampler = Sampler(labs)
        begun = time.monotonic()
        tally, wrong = storm(labs, options.kills, random.Random(options.seed), options.stop,
                             options.seconds)
        seconds = time.monotonic() - begun
        counts, bad = sampler.stop()
    finally:
        if not options.stop or not (wrong or sys.exc_info()[0]):
            labs.stop()
    for line in bad[:20]:
        print(line)
    print(json.dumps({"seed": options.seed, "seconds": round(seconds), **tally, "between": len(wrong), **counts}))
    # a sampler that sees nothing at all proves nothing
    return 1 if wrong or counts["bad"] or not counts["allowed"] else 0


if __name__ == "__main__":
    sys.exit(main())
