"""The measurements behind the lines of the table.

Each class measures one or a few lines for one subject: it prepares in __init__(), measures once in each round(), and
takes the medians in finish(). So bench.py can let two subjects take turns."""

import contextlib
import functools
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

import command
import pods
import rig
from figures import middle, spread
from protocol_client import Client
from proxy import BLACK_HOLE, FORWARD, REFUSE, Proxy
from rig import Failure

ASKER = pathlib.Path(__file__).with_name("asker.py")
LATENCY_MS = 150  # of the upstream, in the storm


class Measurement:
    rounds = 1

    def __init__(self, subject):
        self.subject = subject
        self.rig = subject.rig
        self.plan = subject.plan

    def finish(self):
        pass


class Hits(Measurement):
    """Lines 1 to 4: alternates rounds of floor and daemon. The order within a pair changes, so that neither profits
    from what else the machine is doing."""

    def __init__(self, mode, k, subject):
        super().__init__(subject)
        self.rounds = self.plan.rounds
        self.mode, self.k = mode, k
        self.options = ["--mode", mode, "--connections", k]
        self.cpus = os.sched_getaffinity(0)
        if k == 1:
            self.cpus = {max(self.cpus)}
            self.options += ["--cpu", max(self.cpus)]
        self.floor = subject.floor
        if mode == "last":
            self.floor = self.rig.floor(subject.answer_bytes, "--close")
        self.pairs = []

    def round(self, i):
        servers = {"floor": self.floor, "daemon": self.subject.node}
        for server in servers.values():
            rig.pin(server.process.pid, self.cpus)
        names = list(servers) if i % 2 == 0 else list(reversed(servers))
        self.pairs.append({name: self.one(servers[name]) for name in names})
        for server in servers.values():
            rig.pin(server.process.pid, os.sched_getaffinity(0))

    def one(self, server):
        return cpu_of_load(server, self.subject.jwt, "--seconds", self.plan.round_s, *self.options)

    def finish(self):
        pairs, mode, k = self.pairs, self.mode, self.k
        rates = [p["daemon"]["per_s"] / p["floor"]["per_s"] for p in pairs]
        cpu = [p["daemon"]["cpu_us"] - p["floor"]["cpu_us"] for p in pairs]
        tail = [p["daemon"]["p99_us"] / p["floor"]["p99_us"] for p in pairs]
        figures = {f"{mode} K={k}": rates}
        if k == 16:
            figures.update({f"CPU {mode}": cpu, f"p99 {mode}": tail})
        self.subject.take(pairs, f"{mode} K={k}", figures)
        self.subject.say(f"{mode}, K={k}{' on one CPU' if k == 1 else ''}: {spread(rates)} of the floor; "
                         f"{middle(pairs, 'daemon', 'per_s'):,.0f} hits/s to {middle(pairs, 'floor', 'per_s'):,.0f}; "
                         f"p50 / p99 / p99.9 {latencies(pairs, 'daemon')} to {latencies(pairs, 'floor')} µs, p99 "
                         f"{spread(tail)}; CPU per hit {middle(pairs, 'daemon', 'cpu_us'):.2f} to "
                         f"{middle(pairs, 'floor', 'cpu_us'):.2f} µs, {spread(cpu)} more.")


class Attested(Measurement):
    """Line 2e: connections from a pod to a daemon that attests them and one that does not, of one process, which the
    daemon remembers, and of a process for each connection."""

    def __init__(self, subject):
        super().__init__(subject)
        self.why_not = pods.unavailable()
        if self.why_not:
            self.rounds = 0
            return
        self.rounds = self.plan.rounds
        self.pod = pods.Pod()
        self.rig.closing.callback(self.pod.remove)
        self.jwt = self.rig.jwts("attested", count=1, serviceaccount="pulumi-runner", pod="job", pod_uid=self.pod.uid)
        self.nodes = {name: subject.start(f"attested-{name}", attestation=name) for name in ("off", "enforce")}
        self.pairs, self.first = [], []

    def round(self, i):
        names = list(self.nodes) if i % 2 == 0 else list(reversed(self.nodes))
        self.pairs.append({name: cpu_of_load(self.nodes[name], self.jwt, "--seconds", self.plan.round_s, "--mode",
                                             "connect", "--connections", 16, enter=self.pod.enter) for name in names})
        self.first.append({name: self.cpu_of_processes(self.nodes[name]) for name in names})

    def cpu_of_processes(self, node):
        count = self.plan.processes
        before = rig.cpu_ns(node.process.pid)
        rig.processes(node, self.jwt, count, enter=self.pod.enter)
        return {"cpu_us": (rig.cpu_ns(node.process.pid) - before) / 1000 / count}

    def finish(self):
        way = (f"cgroup {'v2' if (pods.CGROUPS / 'cgroup.controllers').exists() else 'v1'}, Linux "
               f"{os.uname().release.split('-')[0]}")
        if self.why_not:
            self.subject.say(f"Attestation is not measured: {self.why_not}.")
            return
        more = [p["enforce"]["cpu_us"] - p["off"]["cpu_us"] for p in self.pairs]
        self.subject.take(self.pairs, "attested", {"CPU attested": more})
        self.subject.say(f"A connection, login and hit from a pod ({way}), K=16: {spread(more)} µs of CPU more with "
                         f"PeerAttestation=enforce than with off, {middle(self.pairs, 'enforce', 'cpu_us'):.1f} to "
                         f"{middle(self.pairs, 'off', 'cpu_us'):.1f}; p99 {middle(self.pairs, 'enforce', 'p99_us'):.0f} "
                         f"to {middle(self.pairs, 'off', 'p99_us'):.0f} µs.")
        more = [p["enforce"]["cpu_us"] - p["off"]["cpu_us"] for p in self.first]
        self.subject.say(f"The same of a process for each connection: {spread(more)} µs of CPU more, "
                         f"{middle(self.first, 'enforce', 'cpu_us'):.1f} to {middle(self.first, 'off', 'cpu_us'):.1f}.")
        for node in self.nodes.values():
            self.rig.stop(node)


class NewJwts(Measurement):
    """Line 6: new JWTs of an account whose token is cached, less the same connections with remembered ones, and less
    the bare verification. On one CPU: a load generator on another one goes to sleep while a signature is verified, and
    waking it there would count as the daemon's work."""

    def __init__(self, subject):
        super().__init__(subject)
        self.rounds = self.plan.jwt_rounds
        self.costs = []

    def round(self, i):
        n = self.plan.new_jwts
        pid = self.subject.node.process.pid
        cpu = max(os.sched_getaffinity(0))
        rig.pin(pid, {cpu})
        fresh = self.rig.jwts("new-jwts", count=n, serviceaccount="pulumi-runner", pod=f"new-{i}-%d")
        costs = {"bare": rig.verify_us(fresh, n)}
        for kind in ("new", "remembered"):
            before = rig.cpu_ns(pid)
            rig.load(self.subject.node, fresh, "--mode", "connect", "--connections", 16, "--requests", n, "--cpu", cpu)
            costs[kind] = (rig.cpu_ns(pid) - before) / 1000 / n
        rig.pin(pid, os.sched_getaffinity(0))
        self.costs.append(costs)

    def finish(self):
        own = [each["new"] - each["remembered"] - each["bare"] for each in self.costs]
        middles = {kind: statistics.median(each[kind] for each in self.costs) for kind in self.costs[0]}
        self.subject.take(self.costs, "new JWTs", {"CPU new JWT": own})
        self.subject.say(f"New JWTs: {middles['new']:.1f} µs of CPU each with connection and hit, "
                         f"{middles['remembered']:.1f} once remembered; a bare verification takes "
                         f"{middles['bare']:.1f} µs; {spread(own)} µs are the daemon's.")


class Storms(Measurement):
    """Line 7: storms of one and of many, with a disk and without one. What one takes is fixed; what many take longer
    is of the further waiters. The floor delays its answers by L. What is fixed contains an exchange with a
    connection of its own; curl tells what that takes alone."""

    def __init__(self, subject):
        super().__init__(subject)
        self.rounds = self.plan.storm_rounds
        self.servers = {"floor": self.rig.floor(subject.answer_bytes, "--delay-ms", str(LATENCY_MS)),
                        "disk": subject.node, "memory": subject.start("storm-memory", keeps=False)}
        rig.load(self.servers["memory"], subject.jwt, "--requests", 1)
        self.storms, self.singles, self.bare_ms = [], {name: [] for name in self.servers}, []

    def round(self, i):
        warm = self.rig.jwts("warm", count=1, serviceaccount=f"warm-{i}")
        for server in self.servers.values():
            rig.load(server, warm, "--requests", 1)  # so that code and data of an exchange are in memory
        self.rig.standin.fault_upstream(latency_ms=LATENCY_MS)
        self.bare_ms += [ms - LATENCY_MS for ms in rig.exchanges_ms(self.rig.standin, warm, self.plan.bare_exchanges)]
        for number in range(self.plan.storm_singles):
            jwt = self.rig.jwts("single", count=1, serviceaccount=f"single-{i}-{number}")
            for name, server in self.servers.items():
                self.singles[name].append(rig.storm(server, jwt, 1)["max_us"] / 1000 - LATENCY_MS)
        for number in range(self.plan.storms):
            jwt = self.rig.jwts("storm", count=1, serviceaccount=f"storm-{i}-{number}")
            storm = {}
            for name, server in self.servers.items():
                self.rig.standin.reset_counts()
                storm[name] = rig.storm(server, jwt, self.plan.storm_waiters)
                storm[name]["exchanges"] = self.rig.standin.counts()["exchanges"]
            self.storms.append(storm)
        self.rig.standin.fault_upstream()

    def finish(self):
        fixed = {name: statistics.median(ms) for name, ms in self.singles.items()}
        n = self.plan.storm_waiters
        waiter = {name: (middle(self.storms, name, "max_us") - (fixed[name] + LATENCY_MS) * 1000) / n
                  for name in self.servers}
        exchanges = max(storm["disk"]["exchanges"] for storm in self.storms)
        figures = {"storm fixed": self.singles["disk"], "storm waiter": [waiter["disk"] - waiter["floor"]],
                   "storm exchanges": [exchanges]}
        if self.bare_ms:
            figures["storm own"] = [fixed["disk"] - statistics.median(self.bare_ms)]
            self.subject.say(f"A bare exchange by curl, with a connection of its own: {spread(self.bare_ms)} ms over L.")
        self.subject.take(self.storms, "storms", figures)
        self.subject.say(
            f"Storms of {n} with L = {LATENCY_MS} ms: {exchanges} exchange; "
            "over L " + ", ".join(f"{fixed[name]:.2f} ms and {waiter[name]:.2f} µs per waiter {words}"
                                  for name, words in (("disk", "with a disk"), ("memory", "without"),
                                                      ("floor", "at the floor"))) +
            f"; p50 / p99 / max {storm_times(self.storms, 'disk')} ms to {storm_times(self.storms, 'floor')} "
            "at the floor; no failures.")
        self.rig.stop(self.servers["memory"])


class NewIdentities(Measurement):
    """Line 8: one exchange for each identity; each round with a daemon that has had one login, and then once more. The
    upstream speaks HTTP/2, as most do, if nghttpx can be put in front of the stand-in."""

    def __init__(self, subject):
        super().__init__(subject)
        self.rounds = self.plan.identity_rounds
        self.storms = []
        self.front = self.rig.front() if rig.Front.is_there() else None

    def round(self, i):
        node = self.subject.start(f"identities-{i}", api_url=self.front.url if self.front else None)
        rig.load(node, self.subject.jwt, "--requests", 1)
        self.storms.append({"first": self.storm(node, f"first-{i}"), "second": self.storm(node, f"second-{i}")})
        self.rig.stop(node)

    def storm(self, node, name):
        n = self.plan.storm_requests
        burst = self.rig.jwts("burst", count=n, serviceaccount=f"{name}-%d", pod="job-%d")
        self.rig.standin.reset_counts()
        pids = {"broker": node.process.pid, "exchanger": node.exchanger_pid()}
        before = {process: rig.cpu_ns(pid) for process, pid in pids.items()}
        storm = rig.storm(node, burst, n)
        for process, pid in pids.items():
            storm[process] = (rig.cpu_ns(pid) - before[process]) / 1000 / n
        counts = self.rig.standin.counts()
        return {**storm, "cpu_us": storm["broker"] + storm["exchanger"], "exchanges": counts["exchanges"] / n}

    def finish(self):
        cpu = [each["first"]["cpu_us"] for each in self.storms]
        self.subject.take(self.storms, "new identities", {
            "new CPU": cpu, "new exchanges": [max(each["first"]["exchanges"] for each in self.storms)]})
        self.subject.say(
            f"A storm of {self.plan.storm_requests} new identities: {spread(cpu)} µs of CPU each, "
            f"{middle(self.storms, 'first', 'broker'):.0f} in the broker and "
            f"{middle(self.storms, 'first', 'exchanger'):.0f} in the exchanger, with "
            f"{'HTTP/2' if self.front else 'HTTP/1.1, because there is no nghttpx on PATH'}, all answered after "
            f"{middle(self.storms, 'first', 'max_us') / 1000:.0f} ms; a second storm of the same daemon: "
            f"{middle(self.storms, 'second', 'broker'):.0f} and {middle(self.storms, 'second', 'exchanger'):.0f} µs, "
            f"{middle(self.storms, 'second', 'max_us') / 1000:.0f} ms.")


class Memory(Measurement):
    """Line 11, with a daemon of its own."""

    def round(self, i):
        n, rows = self.plan.identities, self.plan.rows
        accounts = self.rig.jwts("accounts", count=n, serviceaccount="runner-%d", pod="job-%d")
        node = self.subject.start("memory", rows=2 * rows + n)
        empty = rig.memory(node.process.pid)
        rig.load(node, self.subject.jwt, "--requests", 1)
        one = self.cached(node)
        self.load(node, accounts, n)
        logins = self.cached(node)
        self.rig.stop(node)
        rig.fill(node, rows, rig.TOKEN_BYTES)
        node.start()
        filled = self.cached(node)
        login, row = ((after["private"] - before["private"]) / count
                      for before, after, count in ((one, logins, n), (logins, filled, rows)))
        jwt = self.remember(node)
        self.subject.take([empty, one, logins, filled], "memory", {
            "memory empty": [empty.get("pss", empty["rss"])], "memory identity": [row], "memory JWT": [jwt]})
        self.subject.say(f"The broker, empty: {sizes(empty)}; restarted with one row: {sizes(one)}; with those of "
                         f"{n:,} logins: {sizes(logins)}; with {rows:,} more: {sizes(filled)}. Per identity {row:.0f} bytes "
                         f"with a token of {rig.TOKEN_BYTES} bytes and nothing else, {login:.0f} with a login at "
                         f"Pulumi, whose answer has {self.subject.answer_bytes}; per remembered JWT {jwt:.0f}.")
        self.rig.stop(node)

    def load(self, node, jwts, n):
        rig.load(node, jwts, "--mode", "connect", "--connections", 16, "--requests", n)

    def cached(self, node):
        """The memory after a restart, when the daemon holds only what it caches, and has answered one request."""
        node.restart()
        rig.wait_for_rows(node)
        self.load(node, self.subject.jwt, 100)
        return rig.memory(node.process.pid)

    def remember(self, node):
        """Private memory for each of so many JWTs of one account."""
        n = self.plan.remembered
        jwts = self.rig.jwts("remembered", count=n, serviceaccount="pulumi-runner", pod="remembered-%d")
        before = rig.memory(node.process.pid)["private"]
        self.load(node, jwts, n)
        return (rig.memory(node.process.pid)["private"] - before) / n


class Restart(Measurement):
    """Line 9: from the start of the process to the first hit, with many rows to read."""

    def __init__(self, rows, subject):
        super().__init__(subject)
        self.rounds = self.plan.restarts
        self.rows = rows
        self.node = subject.start(f"rows-{rows}", rows=min(2 * rows, 10**6))
        self.token = subject.jwt.read_text().split()[0]
        rig.load(self.node, subject.jwt, "--requests", 1)
        self.rig.stop(self.node)
        rig.fill(self.node, rows - 1, rig.TOKEN_BYTES)
        self.times = []

    def round(self, i):
        plain = rig.read_us(self.node.state / "cache.db")
        self.times.append({"daemon": restart_us(self.node, self.token), "file": plain})
        self.rig.stop(self.node)

    def finish(self):
        database = self.node.state / "cache.db"
        ratios = [each["daemon"] / each["file"] for each in self.times]
        ours = statistics.median(each["daemon"] for each in self.times)
        self.subject.restart_us[self.rows] = ours
        figures = {"restart": ratios}
        if self.rows != self.plan.rows:
            figures = {"restart million": [ours / self.subject.restart_us[self.plan.rows]]}
        self.subject.take(self.times, f"restart {self.rows}", figures)
        self.subject.say(f"A restart with {self.rows:,} rows ({database.stat().st_size / 2**20:.0f} MiB): "
                         f"{ours / 1000:.0f} ms to the first hit, "
                         f"{statistics.median(each['file'] for each in self.times) / 1000:.0f} ms to read a file of "
                         f"that size; {spread(ratios)}.")
        database.unlink()


class Writes(Measurement):
    """Line 10: hits while tokens are refreshed all the time, with a disk and without one, so that only the writing of
    rows makes the difference."""

    def __init__(self, subject):
        super().__init__(subject)
        self.rounds = self.plan.write_rounds
        front = self.rig.front() if rig.Front.is_there() else None
        self.nodes = {name: subject.start(f"writes-{name}", keeps=name == "disk", api_url=front.url if front else None)
                      for name in ("disk", "memory")}
        self.tails = {name: [] for name in self.nodes}
        self.rates = []

    def round(self, i):
        self.rig.standin.configure_upstream(expires_in=2)
        accounts = self.rig.jwts("refreshed", count=self.plan.refreshed, serviceaccount="refreshed-%d", pod="job-%d")
        for name in ("disk", "memory") if i % 2 == 0 else ("memory", "disk"):
            node = self.nodes[name]
            with asking(node, accounts):
                time.sleep(self.plan.refresh_s)
                self.rig.standin.reset_counts()
                begun = time.monotonic()
                result = rig.load(node, self.subject.jwt, "--seconds", 2 * self.plan.round_s, "--connections", 16)
                self.rates.append(self.rig.standin.counts()["exchanges"] / (time.monotonic() - begun))
                self.tails[name].append(result["p99_us"])
        self.rig.standin.configure_upstream(expires_in=7200)

    def finish(self):
        ratios = [a / b for a, b in zip(self.tails["disk"], self.tails["memory"])]
        self.subject.take(self.tails, "writes", {"p99 writes": ratios})
        self.subject.say(f"{statistics.median(self.rates):,.0f} tokens refreshed and rows written per second, K=16: "
                         f"p99 of hits {statistics.median(self.tails['disk']):.0f} µs, without a disk "
                         f"{statistics.median(self.tails['memory']):.0f} µs; {spread(ratios)}.")
        for node in self.nodes.values():
            self.rig.stop(node)


class Idle(Measurement):
    """Line 13: hits while many connections are open and silent."""

    def __init__(self, subject):
        super().__init__(subject)
        self.rounds = self.plan.rounds
        self.count = rig.raise_descriptors(self.plan.idle)
        self.node = subject.start("idle")
        self.modes = ("persistent", "connect")
        for mode in self.modes:
            self.load(mode, "--requests", 100)
        self.tails = {mode: [] for mode in self.modes}
        with self.silent() as more:
            self.bytes_each = more / self.count

    def load(self, mode, *options):
        return rig.load(self.node, self.subject.jwt, "--mode", mode, "--connections", 16, *options)["p99_us"]

    @contextlib.contextmanager
    def silent(self):
        """Holds the connections open. Gives by how much the broker's private memory has grown."""
        before = rig.memory(self.node.process.pid)["private"]
        with contextlib.ExitStack() as held:
            for _ in range(self.count):
                connection = held.enter_context(socket.socket(socket.AF_UNIX))
                connection.connect(str(self.node.socket))
            self.node.wait_until_ready()  # it has accepted them
            yield rig.memory(self.node.process.pid)["private"] - before
        self.node.wait_until_ready()

    def round(self, i):
        tails = {}
        for is_idle in (False, True) if i % 2 == 0 else (True, False):
            with self.silent() if is_idle else contextlib.nullcontext():
                tails[is_idle] = {mode: self.load(mode, "--seconds", self.plan.round_s) for mode in self.modes}
        for mode in self.modes:
            self.tails[mode].append(tails[True][mode] / tails[False][mode])

    def finish(self):
        self.subject.take(self.tails, "idle", {f"p99 idle {mode}": self.tails[mode] for mode in self.modes})
        self.subject.say(f"{self.count:,} idle connections, K=16: p99 of hits {spread(self.tails['persistent'])} "
                         f"persistent, {spread(self.tails['connect'])} with a connection per request, to none idle; "
                         f"{self.bytes_each:.0f} bytes of the broker's memory each.")
        if self.count < self.plan.idle:
            self.subject.say(f"The limit of descriptors allows {self.count:,} idle connections instead of "
                             f"{self.plan.idle:,}; root could raise it.")
        self.rig.stop(self.node)


class Outages(Measurement):
    """Hits before and during an outage of the upstream, while tokens are due."""

    kinds = {
        "refused": lambda standin, proxy: proxy.set_mode(REFUSE),
        "black hole": lambda standin, proxy: proxy.set_mode(BLACK_HOLE),
        "503": lambda standin, proxy: standin.fault_upstream(kind="status", status=503),
        "429": lambda standin, proxy: standin.fault_upstream(kind="status", status=429, retry_after="20"),
        "garbage": lambda standin, proxy: standin.fault_upstream(kind="garbage"),
        "untrusted": lambda standin, proxy: proxy.set_mode(FORWARD, rig.port_of(standin.untrusted)),
    }

    def round(self, i):
        texts = []
        for kind, go_down in self.kinds.items():
            before, during = (statistics.median(tails) for tails in self.one(kind, go_down))
            texts.append(f"{kind} {during:.0f} to {before:.0f} µs ({during / before:.2f})")
        self.subject.say("p99 of hits, K=16, while the upstream is down and tokens are due, to before: " +
                         ", ".join(texts) + ". No request failed.")

    def one(self, kind, go_down):
        standin = self.rig.standin
        standin.configure_upstream(expires_in=20)
        proxy = Proxy(rig.port_of(standin.upstream))
        node = self.subject.start(f"outage-{kind.replace(' ', '-')}", api_url=f"https://localhost:{proxy.port}")
        accounts = self.rig.jwts("outage", count=20, serviceaccount="outage-%d")
        try:
            with asking(node, accounts):
                rig.load(node, self.subject.jwt, "--requests", 1)
                begun = time.monotonic()
                time.sleep(0.5)
                before = self.tails(node, begun + 7)
                go_down(standin, proxy)
                time.sleep(max(0, begun + 11 - time.monotonic()))
                during = self.tails(node, begun + 17)  # due from 14 to 16, handed out until 18
        finally:
            standin.fault_upstream()
            standin.configure_upstream(expires_in=7200)
            proxy.stop()
        self.rig.stop(node)
        return before, during

    def tails(self, node, until):
        """Returns the p99 of rounds until then; a request that fails ends the benchmark."""
        tails = []
        while time.monotonic() + self.plan.round_s < until:
            tails.append(rig.load(node, self.subject.jwt, "--seconds", self.plan.round_s, "--connections",
                                  16)["p99_us"])
        return tails


class Command(Measurement):
    """Line 12: daemon, timer and command on one CPU."""

    def round(self, i):
        problem = command.unavailable(self.subject.static)
        if problem:
            self.subject.say(f"The static command is not measured: {problem}.")
            return
        size, ratio, sentences = command.measure(self.rig, self.subject.node, self.subject.jwt, self.plan.spawns,
                                                 self.subject.static)
        self.subject.take([], "command", {"client size": [size], "client exec": [ratio]})
        for sentence in sentences:
            self.subject.say(sentence)


def all_lines(plan):
    hits = [functools.partial(Hits, mode, k) for mode in ("persistent", "connect", "last")
            for k in (16, 64, 1)]
    restarts = [functools.partial(Restart, rows) for rows in ([plan.rows, 10 * plan.rows] if plan.million
                                                             else [plan.rows])]
    return [*hits, Attested, NewJwts, Storms, NewIdentities, *restarts, Writes, Memory, Idle,
            Command, *([Outages] if plan.size == "full" else [])]


def cpu_of_load(server, *options, **more):
    """What the load generator prints, and the CPU time of the server for each request."""
    result = {"requests": 0}
    while not result["requests"]:
        before = rig.cpu_ns(server.process.pid)
        result = rig.load_once(server, *options, **more)
        used = rig.cpu_ns(server.process.pid) - before
    return {**result, "cpu_us": used / 1000 / result["all_requests"]}


@contextlib.contextmanager
def asking(node, accounts):
    """Another process requests the tokens of these accounts once a second."""
    asker = subprocess.Popen([sys.executable, ASKER, node.socket, accounts])
    try:
        yield
    finally:
        asker.kill()
        asker.wait()


def restart_us(node, jwt):
    """Starts the daemon. Returns the time until the first hit."""
    begun = time.monotonic()
    node.start(wait=False)
    source = first_hit(node, jwt)
    used = (time.monotonic() - begun) * 1e6
    if source != 1:
        raise Failure("the first request after a restart was not a hit")
    return used


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


def latencies(rounds, name):
    return " / ".join(f"{middle(rounds, name, key):.0f}" for key in ("p50_us", "p99_us", "p999_us"))


def storm_times(rounds, name):
    return " / ".join(f"{middle(rounds, name, key) / 1000:.1f}" for key in ("p50_us", "p99_us", "max_us"))


def sizes(memory):
    return ", ".join(f"{name} {size / 2**20:.2f} MiB" for name, size in memory.items())
