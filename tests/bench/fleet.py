"""Runs the scenarios of bench-fleet, prints a table, and draws the exchanges that reach the upstream.

    python3 tests/bench/fleet.py [--nodes N] [--write]

With --write, updates the table in docs/scaling.md and the picture docs/scaling.svg. The program is the one of the
build directory in $PODLOGIN_BUILD. Needs only Python's standard library."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess

import plot

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("PODLOGIN_BUILD", "build")) / "tests/bench/bench-fleet"
BEGIN, END = "<!-- fleet:begin -->\n", "<!-- fleet:end -->\n"
DOWN_FROM_S, DOWN_UNTIL_S = 600, 1800

# name, scenario, lifetime of tokens in seconds
RUNS = [
    ("steady use", "steady", 7200),
    ("outage of 20 min", "outage", 7200),
    ("outage of 20 min, tokens of 15 min", "outage", 900),
    ("rollout of the daemon within 10 min", "rollout", 7200),
    ("all nodes boot within 30 s", "boot", 7200),
    ("the same, upstream takes 1,000/s", "boot-throttled", 7200),
]


def run(nodes, scenario, lifetime_s):
    output = subprocess.run([PROGRAM, scenario, "--nodes", str(nodes), "--lifetime",
                             str(lifetime_s)], capture_output=True, text=True, check=True)
    return json.loads(output.stdout)


def mean(result, from_s, until_s):
    part = result["series"][from_s // result["series_s"]:until_s // result["series_s"]]
    return sum(part) / len(part)


def table(results):
    lines = ["| scenario | requests of jobs | waited | failed, then tried again | longest wait | "
             "exchanges | peak/s |", "|---|---|---|---|---|---|---|"]
    for (name, _, _), result in zip(RUNS, results):
        lines.append(f"| {name} | {result['asked']:,} | {result['waited']:,} | "
                     f"{result['failed']:,} | {result['longest_wait_s']:,.1f} s | "
                     f"{result['exchanges']:,} | {result['peak']:,} |")
    steady, long, short, rollout = results[:4]
    seconds = rollout["seconds"]
    lines += [
        "",
        f"- Steady use: {mean(steady, 0, 7200):.1f} exchanges/s.",
        f"- While the upstream is down, {mean(long, DOWN_FROM_S, DOWN_UNTIL_S):.1f}/s arrive there "
        f"with tokens of two hours, {mean(short, DOWN_FROM_S, DOWN_UNTIL_S):.1f}/s with tokens of "
        f"15 minutes (at most {max(short['series'][60:180]):.0f}/s over ten seconds); in steady use "
        f"of those it is {mean(short, 0, DOWN_FROM_S):.1f}/s.",
        f"- Rollout: {rollout['waited']} requests waited for an exchange. In the same "
        f"{seconds // 60} minutes there were {sum(rollout['series']) * 10:,.0f} exchanges with it "
        f"and {sum(steady['series'][:seconds // 10]) * 10:,.0f} without it.",
        "",
    ]
    return "\n".join(lines)


def picture(results):
    """Draws exchanges per second on a logarithmic scale, for two outages and steady use."""
    panel = plot.Panel("exchanges/s", plot.Axis(0, 7200, [(60 * i, f"{i} min") for i in range(0, 121, 20)]),
                       plot.decades(1, 10000))
    panel.band = (DOWN_FROM_S, DOWN_UNTIL_S, "upstream down")
    for result, color, label in ((results[0], 2, "steady use, tokens of 2 h"),
                                 (results[1], 0, "outage, tokens of 2 h"),
                                 (results[2], 1, "outage, tokens of 15 min")):
        panel.curve(label, [(i * result["series_s"], value) for i, value in enumerate(result["series"])], color)
    return plot.picture([[panel]], height=340)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=10000)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(lambda r: run(arguments.nodes, r[1], r[2]), RUNS))
    text = table(results)
    print(text)
    if arguments.write:
        page = ROOT / "docs/scaling.md"
        before, rest = page.read_text().split(BEGIN)
        after = rest.split(END)[1]
        page.write_text(before + BEGIN + text + END + after)
        (ROOT / "docs/scaling.svg").write_text(picture(results))


if __name__ == "__main__":
    main()
