"""The goals, and a table of the measurements."""

import dataclasses
import os
import pathlib
import platform

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


@dataclasses.dataclass
class Part:
    """One number of a line of the table."""
    name: str
    goal: float
    stretch: float
    form: str = "{:.2f}"
    is_more_better: bool = False
    scale: float = 1.0  # from the measured unit to that of the table and the goals

    def verdict(self, value):
        def reaches(bound):
            return value >= bound if self.is_more_better else value <= bound
        return "stretch" if reaches(self.stretch) else "yes" if reaches(self.goal) else "no"


@dataclasses.dataclass
class Line:
    number: int
    figure: str
    goal: str
    stretch: str
    parts: list


def ratio(name, goal, stretch):
    return Part(name, goal, stretch, is_more_better=True)


LINES = [
    Line(1, "hits/s, persistent, K=16 / K=64 / K=1 one CPU, to the floor",
         "0.80 / 0.70 / 0.75", "0.90 / 0.85 / 0.85",
         [ratio("persistent K=16", 0.80, 0.90), ratio("persistent K=64", 0.70, 0.85),
          ratio("persistent K=1", 0.75, 0.85)]),
    Line(2, "hits/s, connection per request, K=16 / K=64 / K=1 one CPU, to the floor",
         "0.80 / 0.80 / 0.88", "0.90 / 0.90 / 0.95",
         [ratio("connect K=16", 0.80, 0.90), ratio("connect K=64", 0.80, 0.90),
          ratio("connect K=1", 0.88, 0.95)]),
    Line(3, "server CPU per hit over the floor's, persistent / connection per request",
         "0.8 / 1.5 µs", "0.4 / 0.8 µs",
         [Part("CPU persistent", 0.8, 0.4, "{:.2f} µs"),
          Part("CPU connect", 1.5, 0.8, "{:.2f} µs")]),
    Line(4, "p99 of hits to the floor's, K=16, persistent / connection per request",
         "1.5 / 1.2", "1.25 / 1.05",
         [Part("p99 persistent", 1.5, 1.25), Part("p99 connect", 1.2, 1.05)]),
    Line(5, "to peers in the same run: `munged`, `ssh-agent`, `oidc-agent`, Redis",
         "2x, 2x, 20x, 1.15x", "2.7x, 4x, 26x, 1.3x", []),
    Line(6, "CPU per new RS256 JWT with warm keys", "30 µs", "20 µs",
         [Part("CPU new JWT", 30, 20, "{:.1f} µs")]),
    Line(7, "storm: requests of one identity at once, upstream takes L: exchanges / p99 as "
            "L + x · floor's excess + 1 ms", "1 / 1.4", "1 / 1.15",
         [Part("storm exchanges", 1, 1, "{:.0f}"), Part("storm excess", 1.4, 1.15)]),
    Line(8, "storm of N new identities: exchanges to N / CPU each", "1 / 120 µs", "1 / 90 µs",
         [Part("new exchanges", 1, 1, "{:.2f}"), Part("new CPU", 120, 90, "{:.0f} µs")]),
    Line(9, "restart with 100k rows to the first hit, to a flat-file read of the same bytes",
         "2.5x", "1.8x", [Part("restart", 2.5, 1.8, "{:.1f}x")]),
    Line(10, "p99 of hits during 1,000 row writes/s, to without", "1.3", "1.1",
         [Part("p99 writes", 1.3, 1.1)]),
    Line(11, "memory: empty daemon (broker) / per cached identity with a 1 KiB token",
         "8 MiB / 1.6 KiB", "5 MiB / 1.35 KiB",
         [Part("memory empty", 8, 5, "{:.2f} MiB", scale=1 / 2**20),
          Part("memory identity", 1.6, 1.35, "{:.2f} KiB", scale=1 / 2**10)]),
    Line(12, "`podlogin` static musl, stripped / exec to exit, to an empty musl program",
         "40 KiB / 2.5x", "20 KiB / 2x",
         [Part("client size", 40, 20, "{:.1f} KiB", scale=1 / 2**10),
          Part("client exec", 2.5, 2, "{:.2f}x")]),
    Line(13, "10,000 idle connections: p99 of hits, to none idle", "1.5", "1.1", []),
]


def assess(figures):
    """Returns the lines with their measurements: a list of dicts, as they go into the JSON."""
    rows = []
    for line in LINES:
        row = {"line": line.number, "figure": line.figure, "goal": line.goal,
               "stretch": line.stretch, "now": "not measured", "met": ""}
        if line.parts and all(part.name in figures for part in line.parts):
            values = [figures[part.name] * part.scale for part in line.parts]
            verdicts = [part.verdict(value) for part, value in zip(line.parts, values)]
            row["values"] = dict(zip((part.name for part in line.parts), values))
            row["now"] = " / ".join(part.form.format(value)
                                    for part, value in zip(line.parts, values))
            row["met"] = verdicts[0] if len(set(verdicts)) == 1 else " / ".join(verdicts)
        rows.append(row)
    return rows


def machine():
    return f"{os.cpu_count()} CPUs, {platform.system()} {platform.release().split('-')[0]}"


def markdown(rows, details):
    """Returns the table, and below it the details of the figures."""
    lines = ["| # | figure | now | goal | stretch | met |", "|---|---|---|---|---|---|"]
    lines += [f"| {row['line']} | {row['figure']} | {row['now']} | {row['goal']} | "
              f"{row['stretch']} | {row['met']} |" for row in rows]
    return "\n".join([*lines, "", f"Measured on {machine()}. Details of the figures:", "",
                      *(f"- {detail}" for detail in details)])


def section_of(path):
    """Returns the text of a page before and after its table; raises ValueError if it has no marks for one."""
    text = pathlib.Path(path).read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} does not contain {BEGIN} and {END}")
    return before, after


def write_section(path, text):
    before, after = section_of(path)
    pathlib.Path(path).write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
