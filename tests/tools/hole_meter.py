"""How short a hole does the sampler see? Opens one in a twin's router for a known time, again and again.

usage: hole_meter.py TWIN [--trials N]
A line for each length: how often at least one packet was reported of a hole from one segment to another (green to blue),
and of one that lets everything through."""
import argparse
import json
import random
import subprocess
import sys
import time

from two_labs import TwoLabs, text_of

LENGTHS = (1, 2, 5, 10, 20, 50)
APART = 0.12
HOLES = {"one pair": 'iifname "green" oifname "blue" accept', "everything": "accept"}

# In the router: a chain that the forward chain begins with, empty but for as long as a line of standard input says.
OPENER = """
import subprocess, sys, time
subprocess.run(["nft", "add chain inet lanward hole; insert rule inet lanward forward jump hole"], check=True)
nft = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
def tell(command):  # its answer to the second command comes when the first is done
    nft.stdin.write(command + "\\nlist chain inet lanward hole\\n"); nft.stdin.flush()
    while nft.stdout.readline().strip() != "}":
        pass
    while nft.stdout.readline().strip() != "}":
        pass
    return time.time()
for line in sys.stdin:
    length, rule = line.split(" ", 1)
    before = time.time()
    opened = tell("add rule inet lanward hole " + rule.strip())
    time.sleep(max(0, float(length) - (time.time() - opened)))
    asked = time.time()
    closed = tell("flush chain inet lanward hole")
    print(before, opened, asked, closed, flush=True)
"""


def start(labs, place, script):
    return subprocess.Popen(labs.command(labs.lanward, "exec", place, "--", "python3", "-c", script), text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def measure(opener, trials):
    """Of each hole: its kind, the length asked for, and when it was begun, open, asked to close, and closed."""
    plan = [(kind, length) for kind in HOLES for length in LENGTHS for _ in range(trials)]
    random.shuffle(plan)
    found = []
    for kind, length in plan:
        time.sleep(APART * (1 + random.random()))
        opener.stdin.write(f"{length / 1000} {HOLES[kind]}\n")
        opener.stdin.flush()
        found.append((kind, length, [float(word) for word in opener.stdout.readline().split()]))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("twin")
    parser.add_argument("--trials", type=int, default=50)
    options = parser.parse_args()
    labs = TwoLabs(options.twin)
    try:
        labs.apply("a")
        time.sleep(1)  # leases
        sampler = start(labs, "@host", text_of("sampler.py"))
        if sampler.stdout.readline().strip() != "sampling":
            sys.exit("the sampler did not start")
        holes = measure(start(labs, "@router", OPENER), options.trials)
        time.sleep(0.2)
        sampler.stdin.close()
        *bad, last = sampler.stdout.read().splitlines()
    finally:
        labs.stop()
    seen = [float(line.split()[1]) for line in bad if line.startswith("BAD")]
    stray = [each for each in seen if not any(hole[2][0] <= each <= hole[2][3] for hole in holes)]
    for kind in HOLES:
        for length in LENGTHS:
            those = [hole[2] for hole in holes if hole[:2] == (kind, length)]
            hits = sum(any(begun <= each <= closed for each in seen) for begun, _, _, closed in those)
            real = sorted(closed - begun for begun, _, _, closed in those)[len(those) // 2]
            print(f"{kind}, {length} ms (median {real * 1000:.1f} from the first command to the answer of the last): "
                  f"{hits} of {len(those)}")
    print(json.dumps({"stray": len(stray), **json.loads(last)}))
    return 1 if stray else 0


if __name__ == "__main__":
    sys.exit(main())
