#!/usr/bin/env python3
"""split_bad_labs.py FILE FOLDER: writes each case of tests/system/bad-labs to a folder of its own.

A case begins with "=== NAME: REASON", a regular expression of what the error says; "=== NAME (lenient): …" is
one that is only warned of in the twin. Its text follows, with "«" where the error is placed. "--- PATH MODE" begins
another file of the case (the lab itself is lab.yaml). "HEAD" on a line of its own stands for a lab that is right.
"REPEAT COUNT TEXT" writes a text many times, with %d counting.
"""
import os
import re
import sys

HEAD = "lab: x\nhost: {uplink: eth0}\n"
CASE = re.compile(r"^=== (?P<name>[a-z0-9-]+)(?P<lenient> \(lenient\))?: (?P<reason>.+)$")


def expand(line):
    if line == "HEAD":
        return HEAD
    match = re.match(r"^REPEAT (\d+) (.*)$", line)
    if match:
        return "".join(match[2].replace("%d", str(i)) + "\n" for i in range(int(match[1])))
    return line + "\n"


def write(folder, path, mode, text, expected):
    real = os.path.join(folder, path)
    os.makedirs(os.path.dirname(real), exist_ok=True)
    at = text.find("«")
    if at >= 0:
        before = text[:at]
        column = len(before.rsplit("\n", 1)[-1].encode()) + 1
        expected.append(f"{os.path.basename(path)}:{before.count(chr(10)) + 1}:{column}")
        text = text.replace("«", "", 1)
    with open(real, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(real, mode)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = file.read().split("\n")
    cases = []
    for line in lines:
        match = CASE.match(line)
        if match:
            cases.append((match, [("lab.yaml", 0o644, [])]))
        elif line.startswith("--- "):
            _, path, mode = line.split()
            cases[-1][1].append((path, int(mode, 8), []))
        elif cases:
            cases[-1][1][-1][2].append(line)
    for match, files in cases:
        folder, expected = os.path.join(sys.argv[2], match["name"]), []
        os.makedirs(folder)
        for path, mode, text in files:
            while text and not text[-1]:
                text.pop()
            write(folder, path, mode, "".join(expand(line) for line in text), expected)
        if len(expected) != 1:
            sys.exit(f"{match['name']}: {len(expected)} places are marked, not one")
        with open(os.path.join(folder, "expected"), "w", encoding="utf-8") as out:
            out.write(f"{expected[0]} {match['reason']}\n")
        if match["lenient"]:
            open(os.path.join(folder, "lenient"), "w", encoding="utf-8").close()


main()
