#!/usr/bin/env python3
"""Counts test results, for ./test.

count.py meson TESTLOG.json          every TAP subtest of a meson run
count.py tap NAME FILE STATUS        one TAP stream and the exit status of what wrote it

Prints failures (with what they said) and skips (with their reason), then "PASSED FAILED SKIPPED".
"""
import json
import re
import sys

LINE = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*)$")
SKIP = re.compile(r"#\s*SKIP\S*:?\s*(.*)$", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*SKIP\S*\s*(.*))?$", re.IGNORECASE)


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def fail(self, name, text=""):
        self.failed += 1
        print(f"FAIL {name}")
        for line in text.splitlines()[-60:]:
            print(f"  {line}")

    def skip(self, name, reason):
        self.skipped += 1
        print(f"SKIP {name}: {reason or 'it gave no reason'}")

    def tap(self, name, text):
        """Counts a stream; returns whether it was complete (as many results as its plan says)."""
        plan, seen, lines = None, 0, text.splitlines()
        for number, line in enumerate(lines):
            match = PLAN.match(line)
            if match:
                plan = int(match.group(1))
                if plan == 0:
                    self.skip(name, match.group(2))
                continue
            match = LINE.match(line)
            if not match:
                continue
            seen += 1
            skip = SKIP.search(match.group(2))
            title = f"{name}: {SKIP.sub('', match.group(2)).strip()}"
            if match.group(1):
                said = []
                for after in lines[number + 1:]:
                    if not after.startswith("#") and not after.startswith(" "):
                        break
                    said.append(after)
                self.fail(title, "\n".join(said))
            elif skip:
                self.skip(title, skip.group(1))
            else:
                self.passed += 1
        return plan is not None and plan == seen


def count_meson(counts, path):
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            name, result = test["name"], test["result"]
            before = counts.failed
            output = test.get("stdout", "")
            complete = counts.tap(name, output) if LINE.search(output) or "\n1.." in "\n" + output else None
            good = result in ("OK", "EXPECTEDFAIL")
            if complete is None:
                if good:
                    counts.passed += 1
                elif result == "SKIP" and output.strip():
                    counts.skip(name, output.strip().splitlines()[-1])
                else:  # a test that said nothing at all, too: it ran nothing
                    counts.fail(f"{name} ({result})", output + test.get("stderr", ""))
            elif counts.failed == before and not (good or result == "SKIP"):
                counts.fail(f"{name} ({result})", output + test.get("stderr", ""))
            elif counts.failed == before and not complete:
                counts.fail(f"{name} (fewer or more results than planned)", output)
            elif counts.failed > before and test.get("stderr"):
                for said in test["stderr"].splitlines()[-40:]:
                    print(f"  {said}")


def count_tap(counts, name, path, status):
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    before = counts.failed
    complete = counts.tap(name, text)
    if counts.failed == before and (status != 0 or not complete):
        counts.fail(f"{name} (exit status {status})", text)


def main():
    counts = Counts()
    if len(sys.argv) == 3 and sys.argv[1] == "meson":
        count_meson(counts, sys.argv[2])
    elif len(sys.argv) == 5 and sys.argv[1] == "tap":
        count_tap(counts, sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        sys.exit(__doc__)
    print(counts.passed, counts.failed, counts.skipped)


main()
