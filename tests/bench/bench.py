"""Measures podlogind against the floor and prints the table of goals. README.md explains how to read it.

The programs are those of the build directory in $PODLOGIN_BUILD. The static command is the one in $PODLOGIN_STATIC, or
that of ./dev static. Needs only Python's standard library."""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import command
import report
import rig
from protocol_client import Client
from proxy import BLACK_HOLE, FORWARD, REFUSE, Proxy
from rig import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
LATENCY_MS = 150  # of the upstream, in the storm


class Plan:
    """The size of each measurement."""

    def __init__(self, size):
        def choose(full, quick, tiny):
            return {"full": full, "quick": quick, "tiny": tiny}[size]

        self.size = size
        self.rounds = choose(7, 2, 1)
        self.round_s = choose(0.9, 0.25, 0.1)
        self.storm_rounds = choose(5, 2, 1)
        self.storm_requests = choose(1000, 256, 16)
        self.identities = choose(5000, 600, 32)
        self.new_jwts = choose(2000, 300, 16)
        self.spawns = choose(400, 100, 2)
        self.rows = choose(100000, 10000, 100)
        self.restarts = choose(5, 2, 1)
        self.refreshed = choose(1500, 300, 16)
        self.refresh_s = choose(3, 3, 0.1)  # until the tokens are refreshed at an even rate
        self.write_rounds = choose(7, 2, 1)


class Bench:
    def __init__(self, the_rig, plan):
        self.rig = the_rig
        self.plan = plan
        self.figures = {}
        self.rounds = {}
        self.details = []

    def say(self, text):
        self.details.append(text)
        print(text, file=sys.stderr, flush=True)

    def prepare(self):
        """Starts a daemon with one cached token, and a floor whose answers have the same length."""
        self.node = self.rig.node("main")
        self.jwt = self.rig.jwts("jwt", count=1, serviceaccount="pulumi-runner")
        one = rig.load(self.node, self.jwt, "--requests", 1)
        self.answer_bytes = one["answer_bytes"]
        self.floor = self.rig.floor(self.answer_bytes)
        self.say(f"A login and a request are {one['request_bytes']} bytes, an answer is "
                 f"{self.answer_bytes}.")

    def one_round(self, server, *options):
        result = {"per_s": 0}
        while not result["per_s"]:  # on a busy machine, a short round may have no request
            before = rig.cpu_ns(server.process.pid)
            result = rig.load(server, self.jwt, "--seconds", self.plan.round_s, *options)
            used = rig.cpu_ns(server.process.pid) - before
        return {**result, "cpu_us": used / 1000 / result["all_requests"]}

    def pairs(self, mode, k):
        """Alternates rounds of floor and daemon. The order within a pair changes, so that neither profits from what
        else the machine is doing."""
        options = ["--mode", mode, "--connections", k]
        cpus = os.sched_getaffinity(0)
        if k == 1:
            cpus = {max(cpus)}
            options += ["--cpu", max(cpus)]
        for server in (self.floor, self.node):
            rig.pin(server.process.pid, cpus)
        pairs = []
        for i in range(self.plan.rounds):
            pair = {}
            for name in ("floor", "daemon") if i % 2 == 0 else ("daemon", "floor"):
                pair[name] = self.one_round(self.floor if name == "floor" else self.node, *options)
            pairs.append(pair)
        for server in (self.floor, self.node):
            rig.pin(server.process.pid, os.sched_getaffinity(0))
        return pairs

    def hits(self):
        """Lines 1 to 4."""
        for mode in ("persistent", "connect"):
            for k in (16, 64, 1):
                pairs = self.pairs(mode, k)
                self.rounds[f"{mode} K={k}"] = pairs
                rates = [p["daemon"]["per_s"] / p["floor"]["per_s"] for p in pairs]
                cpu = [p["daemon"]["cpu_us"] - p["floor"]["cpu_us"] for p in pairs]
                tail = [p["daemon"]["p99_us"] / p["floor"]["p99_us"] for p in pairs]
                self.figures[f"{mode} K={k}"] = statistics.median(rates)
                if k == 16:
                    self.figures[f"CPU {mode}"] = statistics.median(cpu)
                    self.figures[f"p99 {mode}"] = statistics.median(tail)
                self.say(f"{mode}, K={k}{' on one CPU' if k == 1 else ''}: {spread(rates)} of the "
                         f"floor; {middle(pairs, 'daemon', 'per_s'):,.0f} hits/s to "
                         f"{middle(pairs, 'floor', 'per_s'):,.0f}; p50 / p99 / p99.9 "
                         f"{latencies(pairs, 'daemon')} to {latencies(pairs, 'floor')} µs, p99 "
                         f"{spread(tail)}; CPU per hit {middle(pairs, 'daemon', 'cpu_us'):.2f} to "
                         f"{middle(pairs, 'floor', 'cpu_us'):.2f} µs, {spread(cpu)} more.")

    def new_jwts(self):
        """Line 6: new JWTs of an account whose token is cached; minus a plain hit."""
        pid = self.node.process.pid
        n = self.plan.new_jwts
        fresh = self.rig.jwts("new-jwts", count=n, serviceaccount="pulumi-runner", pod="new-%d")
        costs = []
        for _ in range(2):  # the second time, all of them are remembered
            before = rig.cpu_ns(pid)
            rig.load(self.node, fresh, "--mode", "connect", "--connections", 16, "--requests", n)
            costs.append((rig.cpu_ns(pid) - before) / 1000 / n)
        self.figures["CPU new JWT"] = costs[0] - costs[1]
        self.say(f"{n} new JWTs: {costs[0]:.1f} µs of CPU each, {costs[1]:.1f} once remembered.")

    def storms(self):
        """Line 7. The floor delays its answers by L, so that its excess is of the same kind."""
        n = self.plan.storm_requests
        late = self.rig.floor(self.answer_bytes, LATENCY_MS)
        self.rig.standin.fault_upstream(latency_ms=LATENCY_MS)
        rounds = []
        for i in range(self.plan.storm_rounds):
            jwt = self.rig.jwts("storm", count=1, serviceaccount=f"storm-{i}")
            floor = rig.storm(late, jwt, n)
            self.rig.standin.reset_counts()
            daemon = rig.storm(self.node, jwt, n)
            rounds.append({"floor": floor, "daemon": daemon,
                           "exchanges": self.rig.standin.counts()["exchanges"]})
        self.rig.standin.fault_upstream()
        self.rounds["storm"] = rounds
        excess = {name: [r[name]["p99_us"] / 1000 - LATENCY_MS for r in rounds]
                  for name in ("floor", "daemon")}
        self.figures["storm exchanges"] = max(r["exchanges"] for r in rounds)
        self.figures["storm excess"] = statistics.median(
            (ours - 1) / theirs for ours, theirs in zip(excess["daemon"], excess["floor"]))
        self.say(f"A storm of {n} with L = {LATENCY_MS} ms: p50 / p99 / max "
                 f"{storm_times(rounds, 'daemon')} ms to {storm_times(rounds, 'floor')}; p99 over L "
                 f"{spread(excess['daemon'])} ms to {spread(excess['floor'])}; no failures.")

    def new_identities(self, node):
        """Line 8: one exchange for each identity, on connections that are kept alive."""
        n = self.plan.storm_requests
        burst = self.rig.jwts("burst", count=n, serviceaccount="burst-%d", pod="job-%d")
        self.rig.standin.reset_counts()
        pids = (node.process.pid, node.exchanger_pid())
        before = [rig.cpu_ns(pid) for pid in pids]
        storm = rig.storm(node, burst, n)
        each = [(rig.cpu_ns(pid) - start) / 1000 / n for pid, start in zip(pids, before)]
        counts = self.rig.standin.counts()
        self.rounds["new identities"] = [storm]
        self.figures["new exchanges"] = counts["exchanges"] / n
        self.figures["new CPU"] = sum(each)
        self.say(f"A storm of {n} new identities: {counts['exchanges']} exchanges on "
                 f"{counts['upstream_connections']} new connections, all answered after "
                 f"{storm['max_us'] / 1000:.0f} ms; CPU each {each[0]:.0f} µs in the broker, "
                 f"{each[1]:.0f} in the exchanger.")

    def memory(self):
        """Lines 8 and 11, with a separate daemon."""
        n = self.plan.identities - self.plan.storm_requests
        accounts = self.rig.jwts("accounts", count=n, serviceaccount="runner-%d", pod="job-%d")
        node = self.rig.node("memory")
        empty = rig.memory(node.process.pid)
        # one login first, so that the issuer's keys and the first handshake are not counted
        rig.load(node, self.jwt, "--requests", 1)
        self.new_identities(node)
        rig.load(node, accounts, "--mode", "connect", "--connections", 16, "--requests", n)
        full = rig.memory(node.process.pid)
        node.restart()
        deadline = time.monotonic() + 30  # rows are read in the background
        while node.log().count("undecryptable") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        cached = rig.memory(node.process.pid)
        each = {name: (after["private"] - empty["private"]) / self.plan.identities
                for name, after in (("cached", cached), ("full", full))}
        self.figures["memory empty"] = empty["pss" if "pss" in empty else "rss"]
        self.figures["memory identity"] = each["cached"]
        self.say(f"The broker, empty: {sizes(empty)}; after {self.plan.identities} logins: "
                 f"{sizes(full)}; restarted, so that it holds only what it caches: "
                 f"{sizes(cached)}. Per identity {each['cached']:.0f} bytes (restarted), "
                 f"{each['full']:.0f} (before, with the verified JWTs).")

    def restart(self):
        """Line 9: from the start of the process to the first hit, with many rows to read."""
        node = self.rig.node("rows", rows=2 * self.plan.rows)
        token = self.jwt.read_text().split()[0]
        rig.load(node, self.jwt, "--requests", 1)
        node.stop()
        rig.fill(node, self.plan.rows - 1, rig.TOKEN_BYTES)
        database = node.state / "cache.db"
        ours, plain = [], []
        for _ in range(self.plan.restarts):
            plain.append(rig.read_us(database))
            begun = time.monotonic()
            node.start(wait=False)
            source = first_hit(node, token)
            ours.append((time.monotonic() - begun) * 1e6)
            if source != 1:
                raise Failure("the first request after a restart was not a hit")
            node.stop()
        node.start()
        ratios = [a / b for a, b in zip(ours, plain)]
        self.figures["restart"] = statistics.median(ratios)
        self.say(f"A restart with {self.plan.rows:,} rows ({database.stat().st_size / 2**20:.0f} "
                 f"MiB): {statistics.median(ours) / 1000:.0f} ms to the first hit, "
                 f"{statistics.median(plain) / 1000:.0f} ms to read a file of that size; "
                 f"{spread(ratios)}.")
        node.stop()

    def writes(self):
        """Line 10: hits while tokens are refreshed all the time, with a disk and without one, so that only the writing
        of rows makes the difference."""
        self.rig.standin.configure_upstream(expires_in=2)
        accounts = self.rig.jwts("refreshed", count=self.plan.refreshed,
                                 serviceaccount="refreshed-%d", pod="job-%d")
        nodes = {name: self.rig.node(f"writes-{name}", keeps=name == "disk")
                 for name in ("disk", "memory")}
        tails = {name: [] for name in nodes}
        rates = []
        for i in range(self.plan.write_rounds):
            for name in ("disk", "memory") if i % 2 == 0 else ("memory", "disk"):
                node = nodes[name]
                asker = subprocess.Popen([sys.executable, ROOT / "tests/bench/asker.py",
                                          node.socket, accounts])
                try:
                    time.sleep(self.plan.refresh_s)
                    self.rig.standin.reset_counts()
                    begun = time.monotonic()
                    result = rig.load(node, self.jwt, "--seconds", 2 * self.plan.round_s,
                                      "--connections", 16)
                    rates.append(self.rig.standin.counts()["exchanges"] /
                                 (time.monotonic() - begun))
                    tails[name].append(result["p99_us"])
                finally:
                    asker.kill()
                    asker.wait()
        self.rig.standin.configure_upstream(expires_in=7200)
        ratios = [a / b for a, b in zip(tails["disk"], tails["memory"])]
        self.figures["p99 writes"] = statistics.median(ratios)
        self.say(f"{statistics.median(rates):,.0f} tokens refreshed and rows written per second, "
                 f"K=16: p99 of hits {statistics.median(tails['disk']):.0f} µs, without a disk "
                 f"{statistics.median(tails['memory']):.0f} µs; {spread(ratios)}.")

    def outages(self):
        """Hits before and during an outage of the upstream, while tokens are due."""
        kinds = {
            "refused": lambda proxy: proxy.set_mode(REFUSE),
            "black hole": lambda proxy: proxy.set_mode(BLACK_HOLE),
            "503": lambda _: self.rig.standin.fault_upstream(kind="status", status=503),
            "429": lambda _: self.rig.standin.fault_upstream(kind="status", status=429,
                                                             retry_after="20"),
            "garbage": lambda _: self.rig.standin.fault_upstream(kind="garbage"),
            "untrusted": lambda proxy: proxy.set_mode(
                FORWARD, rig.port_of(self.rig.standin.untrusted)),
        }
        texts = []
        for kind, go_down in kinds.items():
            before, during = self.one_outage(kind, go_down)
            texts.append(f"{kind} {statistics.median(during):.0f} to "
                         f"{statistics.median(before):.0f} µs "
                         f"({statistics.median(during) / statistics.median(before):.2f})")
        self.say("p99 of hits, K=16, while the upstream is down and tokens are due, to before: " +
                 ", ".join(texts) + ". No request failed.")

    def one_outage(self, kind, go_down):
        self.rig.standin.configure_upstream(expires_in=20)
        proxy = Proxy(rig.port_of(self.rig.standin.upstream))
        node = self.rig.node(f"outage-{kind.replace(' ', '-')}",
                             api_url=f"https://localhost:{proxy.port}")
        accounts = self.rig.jwts("outage", count=20, serviceaccount="outage-%d")
        asker = subprocess.Popen([sys.executable, ROOT / "tests/bench/asker.py", node.socket,
                                  accounts])
        try:
            rig.load(node, self.jwt, "--requests", 1)
            begun = time.monotonic()
            time.sleep(0.5)
            before = self.tails(node, begun + 7)
            go_down(proxy)
            time.sleep(max(0, begun + 11 - time.monotonic()))
            during = self.tails(node, begun + 17)  # due from 14 to 16, handed out until 18
        finally:
            asker.kill()
            asker.wait()
            self.rig.standin.fault_upstream()
            self.rig.standin.configure_upstream(expires_in=7200)
            proxy.stop()
        return before, during

    def tails(self, node, until):
        """Returns the p99 of rounds until then; a request that fails ends the benchmark."""
        tails = []
        while time.monotonic() + self.plan.round_s < until:
            tails.append(rig.load(node, self.jwt, "--seconds", self.plan.round_s,
                                  "--connections", 16)["p99_us"])
        return tails

    def command(self):
        """Line 12: daemon, timer and command on one CPU."""
        problem = command.unavailable()
        if problem:
            self.say(f"The static command is not measured: {problem}.")
            return
        size, ratio, sentences = command.measure(self.rig, self.node, self.jwt, self.plan.spawns)
        self.figures["client size"] = size
        self.figures["client exec"] = ratio
        for sentence in sentences:
            self.say(sentence)

    def run(self):
        """All lines of the table."""
        self.hits()
        self.new_jwts()
        self.storms()
        self.memory()
        self.restart()
        self.writes()
        if self.plan.size == "full":
            self.outages()
        self.command()


def first_hit(node, jwt):
    """Sends the request until it is answered, like a client that waits for the daemon. Returns the token's source."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with Client(str(node.socket), timeout=30, jwt=jwt) as client:
                return client.get("pulumi").source
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def middle(rounds, name, key):
    return statistics.median(r[name][key] for r in rounds)


def latencies(rounds, name):
    return " / ".join(f"{middle(rounds, name, key):.0f}" for key in ("p50_us", "p99_us", "p999_us"))


def storm_times(rounds, name):
    return " / ".join(f"{middle(rounds, name, key) / 1000:.1f}"
                      for key in ("p50_us", "p99_us", "max_us"))


def sizes(memory):
    return ", ".join(f"{name} {size / 2**20:.2f} MiB" for name, size in memory.items())


def parse_options():
    parser = argparse.ArgumentParser(description="Measures podlogind against the floor.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", default="full",
                      help="a rough run in 20 s")
    size.add_argument("--tiny", dest="size", action="store_const", const="tiny",
                      help="a run in a few seconds, to see that everything works; its figures mean nothing")
    parser.add_argument("--only", choices=["command", "hardening"],
                        help="only the static command, or what each option that hardens it costs")
    parser.add_argument("--json", metavar="FILE", help="write the figures and all rounds")
    parser.add_argument("--markdown", metavar="FILE",
                        help="write the table between the marks of this page")
    options = parser.parse_args()
    if options.markdown:
        try:
            report.section_of(options.markdown)
        except (OSError, ValueError) as error:
            parser.error(str(error))
    return options


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        with rig.Rig() as the_rig:
            bench = Bench(the_rig, Plan(options.size))
            bench.prepare()
            if options.only == "command":
                bench.command()
                return 0
            if options.only == "hardening":
                print(command.measure_hardening(the_rig, bench.node, bench.jwt, 5 * bench.plan.spawns))
                return 0
            bench.run()
    except (Failure, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    rows = report.assess(bench.figures)
    text = report.markdown(rows, bench.details)
    print(text.split("\n\n", 1)[0])
    print(f"({time.monotonic() - started:.0f} s)", file=sys.stderr)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(
            {"machine": report.machine(), "size": options.size, "lines": rows,
             "details": bench.details, "rounds": bench.rounds}, indent=2) + "\n")
    if options.markdown:
        report.write_section(options.markdown, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
