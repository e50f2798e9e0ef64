#!/usr/bin/env python3
"""Writes what "lanward explain" says into a lab's file, as a reader would: apply_advice.py FILE NUMBER < answer.

NUMBER counts the diffs of the answer from 1. The lines with "-" must stand in the file as they are printed, under
their numbers; those with "+" get the numbers that they are printed with. Ends with 3 when the answer has no such
diff."""
import re
import sys

LINE = re.compile(r"^ {2} *(\d+) ([-+]) (.*)$")


def diffs(answer):
    """Of each block of diff lines: [(number, sign, text)]."""
    blocks, fresh = [], True
    for line in answer:
        line = line.rstrip("\n")
        found = LINE.match(line)
        if found:
            if fresh:
                blocks.append([])
            blocks[-1].append((int(found[1]), found[2], found[3]))
            fresh = False
        elif not line.startswith("         ("):
            fresh = True
    return blocks


def apply(lines, block):
    gone = {number: text for number, sign, text in block if sign == "-"}
    for number, text in gone.items():
        if lines[number - 1] != text:
            sys.exit(f"line {number} is not “{text}” but “{lines[number - 1]}”")
    out = [line for number, line in enumerate(lines, 1) if number not in gone]
    for number, sign, text in sorted(block):
        if sign == "+":
            out.insert(number - 1, text)
    return out


def main():
    path, number = sys.argv[1], int(sys.argv[2])
    blocks = diffs(sys.stdin)
    if number > len(blocks):
        sys.exit(3)
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(apply(lines, blocks[number - 1])))


main()
