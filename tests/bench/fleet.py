"""Runs the scenarios of bench-fleet, prints a table, and draws the exchanges that reach the upstream.

    python3 tests/bench/fleet.py [--nodes N] [--write]

With --write, updates the table in docs/scaling.md and the picture docs/scaling.svg. The program is the one of the
build directory in $PODLOGIN_BUILD. Needs only Python's standard library."""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import subprocess

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


def polyline(result, color, x, y):
    points = " ".join(f"{x(i * result['series_s']):.1f},{y(value):.1f}"
                      for i, value in enumerate(result["series"]))
    return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.2"/>'


def picture(results):
    """Draws exchanges per second on a logarithmic scale, for two outages and steady use."""
    width, height, left, top = 760, 340, 60, 20
    plot_width, plot_height = width - left - 20, height - top - 60

    def x(seconds):
        return left + plot_width * seconds / 7200

    def y(rate):
        return top + plot_height * (1 - math.log10(max(rate, 1)) / 4)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<rect x="{x(DOWN_FROM_S):.1f}" y="{top}" width="{x(1200) - left:.1f}" '
             f'height="{plot_height}" fill="#f3dede"/>',
             f'<text x="{x(620):.1f}" y="{top + 14}">upstream down</text>']
    for decade in range(5):
        at = y(10 ** decade)
        parts += [f'<line x1="{left}" y1="{at}" x2="{left + plot_width}" y2="{at}" '
                  'stroke="#ddd"/>',
                  f'<text x="{left - 6}" y="{at + 4}" text-anchor="end">{10 ** decade:,}</text>']
    for minutes in range(0, 121, 20):
        parts.append(f'<text x="{x(minutes * 60):.1f}" y="{top + plot_height + 16}" '
                     f'text-anchor="middle">{minutes} min</text>')
    curves = [(results[0], "#999", "steady use, tokens of 2 h"),
              (results[1], "#1560bd", "outage, tokens of 2 h"),
              (results[2], "#c0392b", "outage, tokens of 15 min")]
    for i, (result, color, label) in enumerate(curves):
        parts += [polyline(result, color, x, y),
                  f'<text x="{left + 200 * i}" y="{height - 12}" fill="{color}">{label}</text>']
    parts += [f'<text x="14" y="{top + plot_height / 2}" transform="rotate(-90 14 '
              f'{top + plot_height / 2})" text-anchor="middle">exchanges/s</text>', "</svg>"]
    return "\n".join(parts) + "\n"


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
