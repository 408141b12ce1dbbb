"""The goals, and a table of the measurements."""

import dataclasses
import os
import pathlib
import platform

import rig


@dataclasses.dataclass
class Part:
    """One number of a line of the table."""
    name: str
    goal: float
    stretch: float | None  # None: there is none
    form: str = "{:.2f}"
    is_more_better: bool = False
    scale: float = 1.0  # from the measured unit to that of the table and the goals

    def verdict(self, value):
        def reaches(bound):
            return value >= bound if self.is_more_better else value <= bound
        if self.stretch is not None and reaches(self.stretch):
            return "stretch"
        return "yes" if reaches(self.goal) else "no"


@dataclasses.dataclass
class Line:
    number: str
    figure: str
    goal: str
    stretch: str
    parts: list
    elsewhere: str = ""  # what is said about a line that is measured by another command


def ratio(name, goal, stretch):
    return Part(name, goal, stretch, is_more_better=True)


ATTESTED = (6, 4) if rig.has_fast_attestation() else (12, 9)  # goal and stretch of line 2e

LINES = [
    Line("1", "hits/s, persistent, K=16 / K=64 / K=1 one CPU, to the floor", "0.90 / 0.90 / 0.90", "0.95",
         [ratio("persistent K=16", 0.90, 0.95), ratio("persistent K=64", 0.90, 0.95),
          ratio("persistent K=1", 0.90, 0.95)]),
    Line("2", "hits/s, connection per request, K=16 / K=64 / K=1 one CPU, to the floor", "0.92 / 0.92 / 1.0", "1.0",
         [ratio("connect K=16", 0.92, 1.0), ratio("connect K=64", 0.92, 1.0), ratio("connect K=1", 1.0, 1.0)]),
    Line("2l", "the same with `is_last`, to a floor that closes behind its answer / server CPU per hit over the floor's",
         "0.92 / 0.92 / 1.0 / 1.5 µs", "1.0 / 0.5 µs",
         [ratio("last K=16", 0.92, 1.0), ratio("last K=64", 0.92, 1.0), ratio("last K=1", 1.0, 1.0),
          Part("CPU last", 1.5, 0.5, "{:.2f} µs")]),
    Line("2e", "connection per request with `PeerAttestation=enforce`: CPU per connection over `off`",
         "{} µs".format(ATTESTED[0]), "{} µs".format(ATTESTED[1]),
         [Part("CPU attested", *ATTESTED, "{:.1f} µs")]),
    Line("3", "server CPU per hit over the floor's, persistent / connection per request", "0.4 / 1.5 µs",
         "0.3 / 0.5 µs",
         [Part("CPU persistent", 0.4, 0.3, "{:.2f} µs"), Part("CPU connect", 1.5, 0.5, "{:.2f} µs")]),
    Line("4", "p99 of hits to the floor's, K=16, persistent / connection per request", "1.1 / 1.1", "1.05 / 1.0",
         [Part("p99 persistent", 1.1, 1.05), Part("p99 connect", 1.1, 1.0)]),
    Line("5", "to peers, K=16, kept / per request: Redis GET; oidc-agent", "1.4 / 1.2; 26", "", [],
         "see `./dev bench --peers`"),
    Line("5b", "to node agents of the field, K=16, kept / per request", "12 / 6", "", [], "see `./dev bench --peers`"),
    Line("6", "CPU per new RS256 JWT with warm keys, less the bare verification", "10 µs", "6 µs",
         [Part("CPU new JWT", 10, 6, "{:.1f} µs")]),
    Line("7a", "storm of one identity, upstream takes L: fixed part over L / over a bare exchange with a connection of "
               "its own", "1.2 ms", "0.8 ms",
         [Part("storm fixed", 1.2, 0.8, "{:.2f} ms"), Part("storm own", 1.2, 0.8, "{:.2f} ms")]),
    Line("7b", "storm of one identity: exchanges / per waiter over the floor's", "1 / 1.5 µs", "1 / 0.7 µs",
         [Part("storm exchanges", 1, 1, "{:.0f}"), Part("storm waiter", 1.5, 0.7, "{:.2f} µs")]),
    Line("8", "storm of N new identities: exchanges to N / CPU each, both processes", "1 / 200 µs", "1 / 150 µs",
         [Part("new exchanges", 1, 1, "{:.2f}"), Part("new CPU", 200, 150, "{:.0f} µs")]),
    Line("9", "restart with 100k rows to the first hit, to a flat-file read of the same bytes / with 1,000,000 rows, "
              "to with 100k", "0.2x / 1.0x", "",
         [Part("restart", 0.2, None, "{:.2f}x"), Part("restart million", 1.05, None, "{:.1f}x")]),
    Line("10", "p99 of hits during 1,000 row writes/s, to without", "1.15", "1.1", [Part("p99 writes", 1.15, 1.1)]),
    Line("11", "memory: empty broker PSS / per cached identity with a 1 KiB token / per remembered JWT",
         "3.5 MiB / 1.35 KiB / 2.5 KiB", "- / - / 1.5 KiB",
         [Part("memory empty", 3.5, None, "{:.2f} MiB", scale=1 / 2**20),
          Part("memory identity", 1.35, None, "{:.2f} KiB", scale=1 / 2**10),
          Part("memory JWT", 2.5, 1.5, "{:.2f} KiB", scale=1 / 2**10)]),
    Line("12", "`podlogin` static musl, stripped / exec to exit, to an empty musl program", "30 KiB / 1.65x",
         "26 KiB / 1.5x",
         [Part("client size", 30, 26, "{:.1f} KiB", scale=1 / 2**10), Part("client exec", 1.65, 1.5, "{:.2f}x")]),
    Line("13", "9,900 idle connections: p99 of hits, to none idle, kept / per request", "1.1 / 1.05", "1.05",
         [Part("p99 idle persistent", 1.1, 1.05), Part("p99 idle connect", 1.05, 1.05)]),
]


def now_of(line, figures):
    """The figures of a line as text; "not measured" for what is missing."""
    if not line.parts:
        return line.elsewhere
    texts = [part.form.format(figures[part.name] * part.scale) if part.name in figures else "not measured"
             for part in line.parts]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def met_by(line, figures):
    verdicts = [part.verdict(figures[part.name] * part.scale) if part.name in figures else "-" for part in line.parts]
    return "" if set(verdicts) <= {"-"} else verdicts[0] if len(set(verdicts)) == 1 else " / ".join(verdicts)


def ratios_of(line, before, after):
    """What came of each figure: after to before."""
    texts = []
    for part in line.parts:
        old, new = before.get(part.name), after.get(part.name)
        texts.append(f"{new / old:.2f}" if old and new and old > 0 and new > 0 else "-")
    return " / ".join(texts)


def assess(figures, before=None):
    """Returns the lines with their measurements: a list of dicts, as they go into the JSON. @before: the figures of
    another build."""
    rows = []
    for line in LINES:
        row = {"line": line.number, "figure": line.figure, "goal": line.goal, "stretch": line.stretch,
               "values": {part.name: figures[part.name] * part.scale for part in line.parts if part.name in figures},
               "now": now_of(line, figures), "met": met_by(line, figures)}
        if before is not None:
            row.update(before=now_of(line, before), ratio=ratios_of(line, before, figures))
        rows.append(row)
    return rows


def machine():
    return f"{os.cpu_count()} CPUs, {platform.system()} {platform.release().split('-')[0]}"


HEADINGS = {"line": "#", "figure": "figure", "before": "before", "now": "now", "ratio": "now to before",
            "goal": "goal", "stretch": "stretch", "met": "met"}


def markdown(rows, details):
    """Returns the table, and below it the details of the figures."""
    columns = [column for column in HEADINGS if column in rows[0]]
    lines = [f"| {' | '.join(HEADINGS[column] for column in columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(row[column] for column in columns)} |" for row in rows]
    return "\n".join([*lines, "", f"Measured on {machine()}. Details of the figures:", "",
                      *(f"- {detail}" for detail in details)])


def section_of(path, name="bench"):
    """Returns the text of a page before and after a part that a program writes, with the marks around that; raises
    ValueError if the page has no such marks."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    text = pathlib.Path(path).read_text()
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path} does not contain {begin} and {end}")
    return before + begin, end + after


def write_section(path, text, name="bench"):
    before, after = section_of(path, name)
    pathlib.Path(path).write_text(f"{before}\n{text}\n{after}")
