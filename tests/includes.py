#!/usr/bin/env python3
"""Checks every #include "…" under src/ against the "may include" table of docs/architecture.md.

The table in the document is the rule: a row names a folder of src/ and the folders that its files may include
from. It is not transitive. A folder may always include itself, and base. A row for `src/providers/NAME/` names
what every provider may include; a row for one provider adds to it.

includes.py [TOP]        checks the checkout at TOP (default: the one this file is in)
includes.py --self-test  checks that this test can fail
"""
import os
import re
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
ROW = re.compile(r"^\|\s*`src/([^`]+?)/?`\s*\|.*\|\s*([^|]*?)\s*\|\s*$")
ALL = "all"


def read_table(path):
    """folder -> set of folders, in the order of the document."""
    table = {}
    with open(path, encoding="utf-8") as document:
        for line in document:
            match = ROW.match(line)
            if not match:
                continue
            folder, cell = match.groups()
            names = [name.strip(" `") for name in cell.split(",")]
            table[folder] = {name for name in names if name not in ("", "–", "-")}
    return table


def folder_of(path, folders):
    """The folder of the table that a path under src/ is in: the longest that is a prefix of it."""
    parts = path.split("/")[:-1]
    if parts[:1] == ["providers"] and len(parts) > 1:
        return "/".join(parts[:2])
    name = parts[0] if parts else ""
    return name if name in folders else None


def allowed(folder, table):
    names = set(table.get(folder, set()))
    if folder.startswith("providers/"):
        names |= table.get("providers/<name>", set())
    return names


def may(source, target, table):
    if target in (source, "base"):
        return True
    names = allowed(source, table)
    return ALL in names or target in names


def check(top):
    table = read_table(os.path.join(top, "docs", "architecture.md"))
    problems = []
    if not table:
        return ["docs/architecture.md holds no table of folders"]
    known = set(table)
    for folder, names in table.items():
        for name in names - {ALL}:
            if name not in known and f"{name.split('/')[0]}/<name>" not in known:
                problems.append(f"docs/architecture.md: {folder} may include {name}, which is no folder of the table")
    src = os.path.join(top, "src")
    count = 0
    for where, folders, files in sorted(os.walk(src)):
        folders.sort()
        for file in sorted(files):
            if not file.endswith((".c", ".h")):
                continue
            count += 1
            path = os.path.relpath(os.path.join(where, file), src)
            problems += check_file(os.path.join(where, file), path, src, table)
    if count == 0:
        problems.append("src/ holds no C files")
    return problems


def check_file(real, path, src, table):
    problems = []
    source = folder_of(path, table)
    if source is None or (source not in table and "providers/<name>" not in table):
        return [f"src/{path}: its folder has no row in docs/architecture.md"]
    with open(real, encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            place, name = f"src/{path}:{number}", match.group(1)
            if ".." in name.split("/"):
                problems.append(f"{place}: \"{name}\" leaves its folder; write it from src/")
            elif os.path.exists(os.path.join(src, name)):
                target = folder_of(name, table)
                if target is None or not may(source, target, table):
                    problems.append(f"{place}: {source} may not include {target or name} (\"{name}\")")
            elif not os.path.exists(os.path.join(os.path.dirname(real), name)):
                problems.append(f"{place}: \"{name}\" is not under src/")
    return problems


def self_test():
    """A tree with one file of each kind, then the same with each rule broken."""
    document = ("| folder | holds | may include |\n|---|---|---|\n| `src/base/` | b | – |\n"
                "| `src/model/` | m | – |\n| `src/spec/` | s | model |\n| `src/provider/` | p | model |\n"
                "| `src/providers/<name>/` | ps | provider |\n| `src/providers/cell/` | c | providers/dhcpcd |\n"
                "| `src/cmd/` | c | all |\n")
    good = {
        "base/a.h": "", "model/m.h": '#include "base/a.h"\n', "provider/p.h": '#include "model/m.h"\n',
        "spec/s.c": '#include "spec/s.h"\n#include "model/m.h"\n#include <glib.h>\n', "spec/s.h": "",
        "providers/nft/n.c": '#include "provider/p.h"\n#include "n.h"\n', "providers/nft/n.h": "",
        "providers/dhcpcd/d.h": "", "providers/cell/c.c": '#include "providers/dhcpcd/d.h"\n',
        "cmd/main.c": '#include "providers/nft/n.h"\n#include "spec/s.h"\n',
    }
    bad = {
        "an upward include": ("base/a.h", '#include "model/m.h"\n'),
        "one that only an indirect path allows": ("providers/nft/n.c", '#include "model/m.h"\n'),
        "one provider in another": ("providers/nft/n.c", '#include "providers/cell/c.h"\n'),
        "indented": ("model/m.h", '  #  include "spec/s.h"\n'),
        "a folder without a row": ("stray/x.c", '#include "base/a.h"\n'),
        "out of the folder by dots": ("spec/s.c", '#include "../base/a.h"\n'),
        "a file that is not there": ("spec/s.c", '#include "spec/none.h"\n'),
    }

    def run(files, table=document):
        with tempfile.TemporaryDirectory() as top:
            os.makedirs(os.path.join(top, "docs"))
            with open(os.path.join(top, "docs", "architecture.md"), "w", encoding="utf-8") as out:
                out.write(table)
            for path, text in files.items():
                real = os.path.join(top, "src", path)
                os.makedirs(os.path.dirname(real), exist_ok=True)
                with open(real, "w", encoding="utf-8") as out:
                    out.write(text)
            return check(top)

    wrong = [f"a good tree is refused: {problem}" for problem in run(good)]
    for name, (path, text) in bad.items():
        tree = dict(good, **{"providers/cell/c.h": ""})
        tree[path] = text
        if not run(tree):
            wrong.append(f"not noticed: {name}")
    if not run(good, "no table\n"):
        wrong.append("not noticed: a document without a table")
    if not run(good, document.replace("| s | model |", "| s | modell |")):
        wrong.append("not noticed: a folder in the table that does not exist")
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        problems = self_test()
    else:
        top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
        problems = check(top)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main()
