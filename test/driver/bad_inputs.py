#!/usr/bin/env python3
"""bad_inputs.py GRADUS CASES.txt KINDS.def [--update]: bad files and flags, each with its message and exit code.

A case of CASES.txt:
    ==== name
    $ arguments -> exit code
    ---- file name        (its text follows; as many as needed)
    ---- stderr           (the lines that hold `error:` or `note:`, all of them, in order)
Every diagnostic kind of KINDS.def is triggered at least once and at most four times.
"""
import collections
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile


def read_cases(path):
    cases = []
    for block in path.read_text().split("==== ")[1:]:
        head, *parts = block.split("---- ")
        name, command = head.strip().split("\n")
        arguments, code = command[2:].rsplit(" -> ", 1)
        files = dict((part.split("\n", 1)[0], part.split("\n", 1)[1]) for part in parts)
        cases.append((name, arguments, int(code), files, files.pop("stderr", "")))
    return cases


def run(gradus, arguments, files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            text = text[:-1] if text.endswith("\n\n") else text
            binary = name.endswith((".bin", ".checkpoint"))
            data = text.encode("latin-1").decode("unicode_escape").encode("latin-1") if binary else text.encode()
            (pathlib.Path(folder) / name).write_bytes(data.rstrip(b"\n") if binary else data)
        done = subprocess.run([gradus, *shlex.split(arguments)], cwd=folder, capture_output=True, text=True, errors="replace", timeout=60,
                              stdin=subprocess.DEVNULL)
        lines = [line for line in done.stderr.split("\n") if re.search(r"(error|note): ", line)]
        left = sorted(p.name for p in pathlib.Path(folder).iterdir() if p.name not in files)
        return done.returncode, "\n".join(lines), left


def main():
    gradus, cases_path, kinds_path = str(pathlib.Path(sys.argv[1]).absolute()), pathlib.Path(sys.argv[2]), sys.argv[3]
    kinds = re.findall(r'^DIAG\(\w+, "([a-z-]+)"', open(kinds_path).read(), re.M)
    seen, passed, failed, out = collections.Counter(), 0, 0, []
    for name, arguments, code, files, expected in read_cases(cases_path):
        got_code, got, left = run(gradus, arguments, files)
        seen.update(re.findall(r"error: .*\[([a-z-]+)\]$", got, re.M))
        if "--update" in sys.argv:
            out.append(f"==== {name}\n$ {arguments} -> {got_code}\n" + "".join(f"---- {n}\n{t}" for n, t in files.items())
                       + f"---- stderr\n{got}\n\n")
            continue
        right = got_code == code and got.strip() == expected.strip() and not left and code in (1, 2, 3)
        passed, failed = passed + right, failed + (not right)
        if not right:
            print(f"{name}: exit {got_code}, expected {code}; left behind: {left}\n--- expected\n{expected.strip()}\n--- found\n{got}\n")
    if out:
        cases_path.write_text("".join(out))
        return
    for kind in kinds:
        if not 1 <= seen[kind] <= 4:
            print(f"kind {kind} is triggered {seen[kind]} times, expected 1 to 4")
            failed += 1
    print(f"{len(kinds)} kinds")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
