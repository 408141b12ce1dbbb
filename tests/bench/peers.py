"""Lines 5 and 5b: the daemon beside other servers that hand out credentials or short values on a node, by turns in one run:
./dev bench --peers. README.md explains what each of them is asked."""

import contextlib
import statistics

import debian_peers
import node_agents
import rig
from foreign import Target, Unavailable
from protocol_client import Get, Login, encode_message
from rig import Failure

SECTION = "peers"
K = 16
MODES = ("persistent", "connect")
LATENCY_MS = node_agents.LATENCY_MS
GET = encode_message(Get(service="pulumi", timeout_ms=30000), 0)


class Plan:
    def __init__(self, size):
        def choose(full, quick, tiny):
            return {"full": full, "quick": quick, "tiny": tiny}[size]

        self.rounds = choose(7, 2, 1)
        self.round_s = choose(0.9, 0.3, 0.1)
        self.storm_rounds = choose(5, 2, 1)
        self.pods = choose(300, 100, 8)


class Own(Target):
    """podlogind, or the floor, asked by the same load generator as the others."""

    framing = "podlogin"

    def __init__(self, name, answer, expected, the_rig, server):
        super().__init__(the_rig, the_rig.directory / name)
        self.directory.mkdir()
        self.name, self.answer, self._server = name, answer, server
        self.where = ["--socket", server.socket]
        jwt = the_rig.jwts("peer-jwt", count=1, serviceaccount="pulumi-runner").read_text()
        self.opening, self.requests, self.expected = login(jwt), [GET], expected

    def pids(self):
        return [self._server.process.pid]

    def storm(self, n, number):
        """As the agents' storm()."""
        jwts = self.rig.jwts("peer-storm", count=n, serviceaccount=f"storm-{number}", pod=f"{number}-%d")
        self.rig.standin.reset_counts()
        self.opening, self.expected = b"", subject_in_token(f"storm-{number}")
        requests = [login(jwt) + GET for jwt in jwts.read_text().split()]
        result = self.load("--mode", "storm", "--connections", n, requests=requests)
        return result["max_us"] / 1000 - LATENCY_MS, self.rig.standin.counts()["exchanges"]


def subject_in_token(account):
    """The stand-in writes into each token whose it is."""
    return f"system:serviceaccount:ci:{account}".encode().hex().encode()


def login(jwt):
    return encode_message(Login(subject_token=jwt.encode()), 0)


def one_round(server, plan, mode):
    result = {"per_s": 0}
    while not result["per_s"]:  # on a busy machine, a short round may have no request
        before = server.cpu_ns()
        result = server.load("--mode", mode, "--connections", K, "--seconds", plan.round_s)
        used = server.cpu_ns() - before
    return {**result, "cpu_us": used / 1000 / result["all_requests"]}


def measure_hits(plan, servers):
    """Returns {mode: {name: [round, ...]}}. Each round begins with another server."""
    figures = {}
    for mode in MODES:
        taking_part = [server for server in servers if server.keeps_connections or mode == "connect"]
        rounds = figures[mode] = {server.name: [] for server in taking_part}
        for i in range(plan.rounds):
            first = i % len(taking_part)
            for server in taking_part[first:] + taking_part[:first]:
                rounds[server.name].append(one_round(server, plan, mode))
    return figures


def measure_storms(plan, the_rig, servers):
    """Returns {name: [(ms over L, calls upstream), ...]}, with None for a round in which a peer did not answer all."""
    the_rig.standin.fault_upstream(latency_ms=LATENCY_MS)
    storms = {server.name: [] for server in servers}
    for i in range(plan.storm_rounds):
        for server in servers:
            storms[server.name].append(one_storm(server, plan, i))
    the_rig.standin.fault_upstream()
    return storms


def one_storm(server, plan, number):
    try:
        return server.storm(plan.pods, number)
    except Failure:
        if isinstance(server, Own):
            raise
        return None


def median(rounds, key):
    return statistics.median(each[key] for each in rounds)


def ratios(rounds, name, key):
    """The daemon's figure to the peer's, in each round."""
    return [ours[key] / theirs[key] for ours, theirs in zip(rounds["podlogin"], rounds[name])]


def rate_cell(rounds, name):
    if name not in rounds:
        return "-"
    rates = ratios(rounds, name, "per_s")
    return f"{statistics.median(rates):.2f}x ({min(rates):.2f} to {max(rates):.2f})"


def both(figures, name, form):
    """Figures of both modes."""
    return " / ".join(form(figures[mode]) if name in figures[mode] else "-" for mode in MODES)


def hits_table(figures, servers, missing):
    lines = [f"K={K}, with a kept connection and with a connection per request:", "",
             "| peer | podlogin's rate to its rate, kept | per request | its p99 to podlogin's | its CPU per request | "
             "it answers |", "|---|---|---|---|---|---|"]
    for server in servers:
        name = server.name
        cells = [name, *(rate_cell(figures[mode], name) for mode in MODES),
                 both(figures, name, lambda rounds: f"{1 / statistics.median(ratios(rounds, name, 'p99_us')):.2f}x"),
                 both(figures, name, lambda rounds: f"{median(rounds[name], 'cpu_us'):.1f}") + " µs", server.answer]
        lines.append(f"| {' | '.join(cells)} |")
    ours = [both(figures, "podlogin", lambda rounds: f"{median(rounds['podlogin'], key):{form}}")
            for key, form in (("per_s", ",.0f"), ("p99_us", ".0f"), ("cpu_us", ".1f"))]
    lines += ["", f"podlogin itself: {ours[0]} requests/s, p99 {ours[1]} µs, CPU per request {ours[2]} µs.", ""]
    return lines + [f"- Not measured: {name} ({reason})." for name, reason in missing.items()]


def storm_table(plan, storms):
    lines = [f"{plan.pods} pods of one account that ask at one moment, none of whose tokens was seen before, with an upstream "
             f"that takes L = {LATENCY_MS} ms:", "", "| | calls upstream | the last answer after |", "|---|---|---|"]
    for name, rounds in storms.items():
        whole = [each for each in rounds if each]
        cells = ["-", "-"]
        if whole:
            over, calls = zip(*whole)
            cells = [max(calls), f"L + {statistics.median(over):.1f} ms ({min(over):.1f} to {max(over):.1f})"]
        if len(whole) < len(rounds):
            cells[1] += f"; not all were answered in {len(rounds) - len(whole)} of {len(rounds)} rounds"
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return lines


def measure(the_rig, plan, started):
    """Returns the section of the page, and all rounds."""
    node = the_rig.node("peers")
    ours = Own("podlogin", "the token of a cached identity", subject_in_token("pulumi-runner"), the_rig, node)
    answer_bytes = ours.load("--seconds", 0.01)["answer_bytes"]
    floor = Own("the floor", "the same length, without a look at the request", b"x" * 512, the_rig,
                the_rig.floor(answer_bytes))
    peers, missing = [], {}
    for kind in (*debian_peers.PEERS, *node_agents.PEERS):
        try:
            peers.append(started.enter_context(contextlib.closing(kind(the_rig))))
        except Unavailable as problem:
            missing[kind.name] = str(problem)
    figures = measure_hits(plan, [floor, ours, *peers])
    storms = measure_storms(plan, the_rig, [ours, *(peer for peer in peers if hasattr(peer, "storm"))])
    cpu_us = median(figures["connect"]["podlogin"], "cpu_us")
    details = [f"- {sentence}" for peer in peers for sentence in peer.details(cpu_us)]
    lines = [*hits_table(figures, [floor, *peers], missing), *details, "", *storm_table(plan, storms)]
    return "\n".join(lines), {"hits": figures, "storms": storms, "missing": missing}


def run(size):
    """Returns the section of the page, and all rounds."""
    with rig.Rig() as the_rig, contextlib.ExitStack() as started:
        return measure(the_rig, Plan(size), started)
