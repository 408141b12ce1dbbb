#!/usr/bin/env python3
"""Prints which lines of the parsers fuzz harnesses reached: coverage.py BUILD HARNESS...

BUILD is a build directory in which each of the harnesses has left a profile, HARNESS.profraw. Prints a row for each
source file that tests/fuzz/parsers lists beside one of them. BUILD/uncovered has the lines that none of them reached."""

import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def parsers(harnesses):
    """The source files of the parsers that the harnesses are for."""
    rows = [line.split("#")[0].split() for line in (SOURCE / "tests/fuzz/parsers").read_text().splitlines()]
    return [file for file, *names in filter(None, rows) if any(f"fuzz_{name}" in harnesses for name in names)]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} {command[1]}: {done.stderr}")
    return done.stdout


def counts(build, harnesses):
    """For each source file, how often each line was reached."""
    run("llvm-profdata", "merge", "-sparse", "-o", f"{build}/profile", *(f"{build}/{name}.profraw" for name in harnesses))
    files = {}
    for line in run("llvm-cov", "export", "-format=lcov", f"-instr-profile={build}/profile",
                    *(f"-object={build}/tests/fuzz/{name}" for name in harnesses)).splitlines():
        kind, _, value = line.partition(":")
        if kind == "SF":
            lines = files[pathlib.Path(build, value).resolve()] = {}
        elif kind == "DA":
            number, count = map(int, value.split(","))
            lines[number] = count
    return files


def main(build, harnesses):
    files = counts(build, harnesses)
    with open(f"{build}/uncovered", "w", encoding="utf-8") as uncovered:
        for name in parsers(harnesses):
            lines, text = files.get(SOURCE / name), (SOURCE / name).read_text().splitlines()
            if not lines:
                sys.exit(f"tests/fuzz/parsers: no harness has {name}")
            missed = [number for number, count in lines.items() if not count]
            print(f"{name:36}{len(lines):5} lines {100 - 100 * len(missed) / len(lines):6.1f} %")
            uncovered.writelines(f"{name}:{number}: {text[number - 1]}\n" for number in missed)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
