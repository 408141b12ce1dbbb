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
]
# name, options; the upstream takes a tenth of an exchange per second and node, 1,000/s for all
STARTS = [
    ("no limit", []),
    ("the rest is refused", ["--capacity"]),
    ("the rest is refused, with `Retry-After: 1`", ["--capacity", "--retry-after", "1"]),
    ("the rest waits in a queue", ["--capacity", "--queue"]),
]
FEW = 50  # nodes, for comparison


def run(nodes, scenario, *options):
    output = subprocess.run([PROGRAM, scenario, "--nodes", str(nodes), *options],
                            capture_output=True, text=True, check=True)
    return json.loads(output.stdout)


def start(nodes, options):
    options = list(options)
    if options:
        options.insert(1, str(nodes // 10))
    return run(nodes, "boot", *options)


def run_all(nodes):
    """Returns the results of RUNS, of STARTS, and of the outage with short tokens for few nodes."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        runs = pool.map(lambda r: run(nodes, r[1], "--lifetime", str(r[2])), RUNS)
        starts = pool.map(lambda s: start(nodes, s[1]), STARTS)
        few = pool.submit(run, FEW, "outage", "--lifetime", "900")
        return list(runs), list(starts), few.result()


def mean(result, from_s, until_s):
    part = result["series"][from_s // result["series_s"]:until_s // result["series_s"]]
    return sum(part) / len(part)


def starts_table(starts):
    lines = ["| cold start, upstream takes 1,000/s | needed | exchanges | last job after | "
             "to the least possible | peak/s |", "|---|---|---|---|---|---|"]
    for (name, options), result in zip(STARTS, starts):
        needed = result["nodes"] * result["identities"]
        least_s = needed / (result["nodes"] // 10)
        to_least = f"{result['last_s'] / least_s:.2f}" if options else ""
        lines.append(f"| {name} | {needed:,} | {result['exchanges_until_last'] / needed:.3f} of it "
                     f"| {result['last_s']:,.0f} s | {to_least} | {result['peak']:,} |")
    return lines


def table(results, starts, few):
    lines = ["| scenario | requests of jobs | waited | failed, then tried again | longest wait | "
             "exchanges | peak/s |", "|---|---|---|---|---|---|---|"]
    for (name, _, _), result in zip(RUNS, results):
        lines.append(f"| {name} | {result['asked']:,} | {result['waited']:,} | "
                     f"{result['failed']:,} | {result['longest_wait_s']:,.1f} s | "
                     f"{result['exchanges']:,} | {result['peak']:,} |")
    steady, long, short, rollout = results
    seconds = rollout["seconds"]
    need = mean(short, 0, DOWN_FROM_S)
    lines += [
        "",
        *starts_table(starts),
        "",
        f"- Steady use: {mean(steady, 0, 7200):.1f} exchanges/s.",
        f"- While the upstream is down, {mean(long, DOWN_FROM_S, DOWN_UNTIL_S):.1f}/s arrive there "
        f"with tokens of two hours, {mean(short, DOWN_FROM_S, DOWN_UNTIL_S):.1f}/s with tokens of "
        f"15 minutes (at most {max(short['series'][60:180]):.0f}/s over ten seconds); in steady use "
        f"of those it is {need:.1f}/s.",
        f"- When it is back, at most {short['peak_up']:,} arrive in a second, "
        f"{short['peak_up'] / need:.2f} of that, and the last job has its token after "
        f"{short['last_s']:,.0f} s; with {FEW} nodes after {few['last_s']:,.0f} s.",
        f"- Rollout: {rollout['waited']} requests waited for an exchange. In the same "
        f"{seconds // 60} minutes there were {sum(rollout['series']) * 10:,.0f} exchanges with it "
        f"and {sum(steady['series'][:seconds // 10]) * 10:,.0f} without it.",
        "",
    ]
    return "\n".join(lines)


def panel(xs, ys, curves):
    drawn = plot.Panel("exchanges/s", xs, ys)
    for color, (result, label) in enumerate(curves):
        drawn.curve(label, [(i * result["series_s"], value)
                            for i, value in enumerate(result["series"])
                            if i * result["series_s"] <= xs.high], color)
    return drawn


def picture(results, starts):
    """Draws two outages and steady use on a logarithmic scale, and three cold starts."""
    outages = panel(plot.Axis(0, 7200, [(60 * i, f"{i} min") for i in range(0, 121, 20)]),
                    plot.decades(1, 10000),
                    [(results[1], "outage, tokens of 2 h"),
                     (results[2], "outage, tokens of 15 min"),
                     (results[0], "steady use, tokens of 2 h")])
    outages.band = (DOWN_FROM_S, DOWN_UNTIL_S, "upstream down")
    cold = panel(plot.Axis(0, 300, [(i, f"{i} s") for i in range(0, 301, 50)]),
                 plot.Axis(0, 3000, [(i, f"{i:,}") for i in range(0, 3001, 1000)]),
                 [(starts[1], "cold start, 1,000/s, refused"),
                  (starts[2], "with Retry-After"),
                  (starts[3], "queued")])
    return plot.picture([[outages], [cold]], height=340)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=10000)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    results, starts, few = run_all(arguments.nodes)
    text = table(results, starts, few)
    print(text)
    if arguments.write:
        page = ROOT / "docs/scaling.md"
        before, rest = page.read_text().split(BEGIN)
        after = rest.split(END)[1]
        page.write_text(before + BEGIN + text + END + after)
        (ROOT / "docs/scaling.svg").write_text(picture(results, starts))


if __name__ == "__main__":
    main()
