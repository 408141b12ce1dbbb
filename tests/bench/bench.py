"""Measures podlogind against the floor and prints the table of goals. README.md explains how to read it.

The programs are those of the build directory in $PODLOGIN_BUILD. The static command is the one in $PODLOGIN_STATIC, or
that of ./dev static. Needs only Python's standard library."""

import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import command
import jobs
import lines
import peers
import report
import rig
import scale
from rig import Failure


class Plan:
    """The size of each measurement."""

    def __init__(self, size, million=False):
        def choose(full, quick, tiny):
            return {"full": full, "quick": quick, "tiny": tiny}[size]

        self.size = size
        self.million = million
        self.rounds = choose(7, 2, 1)
        self.round_s = choose(0.9, 0.25, 0.1)
        self.storm_rounds = choose(5, 2, 1)
        self.storm_singles = choose(8, 4, 1)  # in a round
        self.storm_waiters = choose(2000, 500, 16)
        self.storms = choose(3, 1, 1)  # in a round
        self.bare_exchanges = choose(10, 4, 1)  # of curl, in a round
        self.storm_requests = choose(1000, 256, 16)
        self.identity_rounds = choose(5, 1, 1)
        self.identities = choose(5000, 600, 32)
        self.remembered = choose(5000, 1000, 32)
        self.processes = choose(4000, 600, 16)  # that connect once, in a round
        self.new_jwts = choose(2000, 300, 16)
        self.jwt_rounds = choose(3, 2, 1)
        self.spawns = choose(400, 100, 2)
        self.rows = choose(100000, 10000, 100)
        self.restarts = choose(5, 2, 1)
        self.refreshed = choose(1500, 300, 16)
        self.refresh_s = choose(3, 3, 0.1)  # until the tokens are refreshed at an even rate
        self.write_rounds = choose(7, 2, 1)
        self.idle = choose(9900, 2000, 100)


class Subject:
    """One build of the daemon and of the static command, and what is measured of them."""

    def __init__(self, name, build, static):
        self.name = name
        self.build = build
        self.static = static
        self.figures = {}
        self.rounds = {}
        self.details = []
        self.restart_us = {}  # by the number of rows

    def prepare(self, the_rig, plan):
        """Starts a daemon with one cached token, and a floor whose answers have the same length."""
        self.rig, self.plan = the_rig, plan
        self.node = self.start("main")
        self.jwt = the_rig.jwts("jwt", count=1, serviceaccount="pulumi-runner")
        one = rig.load(self.node, self.jwt, "--requests", 1)
        self.answer_bytes = one["answer_bytes"]
        self.floor = the_rig.floor(self.answer_bytes)
        self.say(f"A login and a request are {one['request_bytes']} bytes, an answer is {self.answer_bytes}.")

    def start(self, name, **options):
        return self.rig.node(f"{self.name}-{name}", build=self.build, **options)

    def take(self, rounds, name, figures):
        """Keeps the figures of all rounds, and the median of each."""
        self.rounds[name] = rounds
        self.figures.update({key: statistics.median(values) for key, values in figures.items()})

    def say(self, text):
        self.details.append(text)
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)


def measure(all_lines, subjects):
    """Lets the subjects take turns in each line. Returns the Failure that ended it, or None."""
    try:
        for line in all_lines:
            each = [line(subject) for subject in subjects]
            for i in range(each[0].rounds):
                for measurement in each if i % 2 == 0 else reversed(each):
                    measurement.round(i)
            for measurement in each:
                measurement.finish()
    except Failure as error:
        return error
    return None


def parse_options():
    parser = argparse.ArgumentParser(description="Measures podlogind against the floor.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", default="full",
                      help="a rough run in a minute")
    size.add_argument("--tiny", dest="size", action="store_const", const="tiny",
                      help="a run in a few seconds, to see that everything works; its figures mean nothing")
    parser.add_argument("--only", choices=["command", "hardening"],
                        help="only the static command, or what each option that hardens it costs")
    parser.add_argument("--lines", metavar="NAME,...",
                        help=f"only these measurements: {', '.join(names())}")
    parser.add_argument("--compare", metavar="BUILD", type=pathlib.Path,
                        help="measure the daemon of this build directory, too, by turns; the static command is the one "
                             "in build-musl beside it")
    parser.add_argument("--scale", action="store_true",
                        help="instead: a node with 10,000 identities under a steady load, and how cost grows with the "
                             "number of identities; with --write, draws docs/performance-scale.svg and -growth.svg")
    parser.add_argument("--rate", type=float, help="logins per second of --scale (50,000)")
    parser.add_argument("--seconds", type=float, help="how long --scale keeps that up (600)")
    parser.add_argument("--connect", action="store_true", help="--scale opens a connection for each login")
    parser.add_argument("--write", action="store_true", help="write the pictures and the text of --scale into docs/")
    parser.add_argument("--million", action="store_true", help="also a restart with ten times as many rows")
    parser.add_argument("--peers", dest="section", action="store_const", const=peers,
                        help="the daemon beside other servers that are on PATH")
    parser.add_argument("--jobs", dest="section", action="store_const", const=jobs,
                        help="jobs that log in with the Pulumi CLI, with an AWS SDK and with podlogin")
    parser.add_argument("--json", metavar="FILE", help="write the figures and all rounds")
    parser.add_argument("--markdown", metavar="FILE", help="write the table between the marks of this page")
    options = parser.parse_args()
    if options.lines and (unknown := set(options.lines.split(",")) - set(names())):
        parser.error(f"no measurement is named {', '.join(sorted(unknown))}")
    if options.markdown:
        try:
            report.section_of(options.markdown, options.section.SECTION if options.section else "bench")
        except (OSError, ValueError) as error:
            parser.error(str(error))
    return options


def name_of(line):
    return getattr(line, "func", line).__name__


def names():
    return list(dict.fromkeys(map(name_of, lines.all_lines(Plan("full")))))


def subjects_of(options):
    after = Subject("daemon", rig.BUILD, command.STATIC)
    if not options.compare:
        return [after]
    build = options.compare.absolute()
    after.name = "after"
    return [Subject("before", build, build.parent / "build-musl/module/podlogin"), after]


def run(options, subjects):
    plan = Plan(options.size, options.million)
    wanted = options.lines.split(",") if options.lines else ["Command"] if options.only == "command" else names()
    with rig.Rig(*(subject.build for subject in subjects)) as the_rig:
        for subject in subjects:
            subject.prepare(the_rig, plan)
        if options.only == "hardening":
            print(command.measure_hardening(the_rig, subjects[-1].node, subjects[-1].jwt, 5 * plan.spawns))
            return
        problem = measure([line for line in lines.all_lines(plan) if name_of(line) in wanted], subjects)
    rows = report.assess(subjects[-1].figures, subjects[0].figures if options.compare else None)
    details = [f"{subject.name}: {detail}" if options.compare else detail
               for subject in subjects for detail in subject.details]
    text = report.markdown(rows, details)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(
            {"machine": report.machine(), "size": options.size, "lines": rows, "details": details,
             "rounds": {subject.name: subject.rounds for subject in subjects}}, indent=2) + "\n")
    if options.markdown and not problem:
        report.write_section(options.markdown, text)
    print(text.split("\n\n", 1)[0])
    if problem:
        raise problem


def run_section(options):
    """What has a section of its own on the page."""
    text, rounds = options.section.run(options.size)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rounds, indent=2) + "\n")
    if options.markdown:
        report.write_section(options.markdown, f"{text}\n\nMeasured on {report.machine()}.", options.section.SECTION)
    return text


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        if options.section:
            print(run_section(options))
        elif options.scale:
            scale.run(options)
        else:
            run(options, subjects_of(options))
    except (Failure, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"({time.monotonic() - started:.0f} s)", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
