#!/usr/bin/env python3
"""Counts the cases of test runs: summary.py TESTLOG...

Each argument is a testlog.json of meson. Prints why cases were skipped, and last "N passed, N failed, N skipped".
Meson counts programs: one that skips some of its cases, or even all, has passed for it."""

import collections
import json
import re
import sys

RAN = re.compile(r"^(?:Ran |\[=+\] (?:tests: )?)(\d+) test(?:s? in|\(s\) run)", re.M)  # unittest, cmocka
FAILED = re.compile(r"^FAILED \(.*?(?:failures=(\d+))?(?:, )?(?:errors=(\d+))?[,)]|^\[  FAILED  \] (?:tests: )?(\d+) test",
                    re.M)
SKIPPED = re.compile(r"""^( *).*\bskipped (['"])(.*)\2$""", re.M)  # unittest -v, skip_because() of check.h


def count(result, text):
    """Returns what a program with meson's @result, which printed @text, adds: (passed, failed, reasons of what it
    skipped)."""
    reasons = [reason for _, _, reason in SKIPPED.findall(text)]
    parts = sum(bool(indent) for indent, _, _ in SKIPPED.findall(text))  # of cases, which passed as such
    if result == "SKIP" and not reasons:
        reasons = [(text.strip() or "exit code 77").splitlines()[-1]]
        return 0, 0, reasons
    failed = 0
    if result not in ("OK", "SKIP", "EXPECTEDFAIL"):
        failed = max(1, sum(int(n or 0) for match in FAILED.findall(text) for n in match))
    ran = sum(map(int, RAN.findall(text))) or 1
    return max(0, ran - failed - len(reasons) + parts), failed, reasons


def main(logs):
    passed = failed = 0
    reasons = collections.Counter()
    for log in logs:
        with open(log, encoding="utf-8") as file:
            for test in map(json.loads, file):
                more, bad, why = count(test["result"], test.get("stdout", "") + "\n" + test.get("stderr", ""))
                passed, failed = passed + more, failed + bad
                reasons.update(why)
    for reason, n in sorted(reasons.items()):
        print(f"{n:4} skipped: {reason}")
    print(f"{passed} passed, {failed} failed, {reasons.total()} skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
