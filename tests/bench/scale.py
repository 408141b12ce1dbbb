"""One node under a steady load, and how cost grows with the number of identities; as a table and as two pictures."""

import ctypes
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess

import lines
import plot
import pods
import report
import rig
from figures import middle
from rig import Failure

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "performance.md"
STEADY, GROWTH = DOCS / "performance-scale.svg", DOCS / "performance-growth.svg"
PR_SET_PDEATHSIG = 1
K = 16
PROBE_S, PROBE_P99_US = 5, 50000


class Plan:
    """The size of each measurement."""

    def __init__(self, options):
        is_tiny = options.size == "tiny"
        self.pods = 10 if is_tiny else 1000
        self.identities = 20 if is_tiny else 10000
        self.rates = (options.rate or (500 if is_tiny else 50000),)
        if not options.rate and not is_tiny:
            self.rates += (40000, 30000, 25000, 20000, 15000, 10000, 5000)
        self.seconds = options.seconds or (1 if is_tiny else 600)
        self.interval_s = max(self.seconds / 120, 0.2)
        self.fill_rate = 200 if is_tiny else 500  # exchanges per second, before the measurement
        self.is_connect = options.connect
        self.sizes = (10, 100) if is_tiny else (10, 1000, 100000)
        self.asked = 20 if is_tiny else 5000  # identities that are asked for, at most
        self.rounds = 1 if is_tiny else 5
        self.round_s = 0.1 if is_tiny else 0.9


class Pod:
    """A process in a cgroup of its own, if cgroups can be made here, with one connection, which it gives away."""

    def __init__(self, the_rig):
        self.rig = the_rig
        self.cgroup = None if pods.unavailable() else pods.Pod(roots=pods.hierarchies()[:1])
        self.uid = self.cgroup.uid if self.cgroup else None
        if self.cgroup:
            the_rig.closing.callback(self.cgroup.remove)

    def start(self, node):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.pid = os.fork()
            if self.pid == 0:
                self.live(node, theirs)
            self.rig.closing.callback(self.end)
            theirs.close()  # so that a process that fails ends the wait
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        if not fds:
            raise Failure("a pod did not connect")
        self.fd = fds[0]
        self.rig.closing.callback(os.close, self.fd)

    def live(self, node, give_to):
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if self.cgroup:
                self.cgroup.enter()
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(node.socket))
                socket.send_fds(give_to, [b"x"], [connection.fileno()])
                signal.pause()
        finally:
            os._exit(1)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def mint_for(the_rig, all_pods, identities):
    """A file of JWTs, so that JWT i belongs to pod i % N."""
    each = [the_rig.standin.mint_many(count=identities // len(all_pods), audience=[rig.AUDIENCE], namespace="ci",
                                      serviceaccount=f"runner-{i}-%d", pod=f"job-{i}",
                                      **({"pod_uid": pod.uid} if pod.uid else {})) for i, pod in enumerate(all_pods)]
    path = the_rig.directory / "of-pods"
    path.write_text("\n".join(jwt for turn in zip(*each) for jwt in turn))
    return path


def pace(node, jwts, all_pods, rate, seconds, *options, interval_s=3600):
    """Yields what the load generator prints after each interval."""
    fds = [pod.fd for pod in all_pods]
    connections = ["--fds", ",".join(map(str, fds))] if fds else ["--connections", "1000", "--connect"]
    command = [rig.BENCH / "bench-pace", "--socket", node.socket, "--jwt-file", jwts, "--rate", str(rate), "--seconds",
               str(seconds), "--interval", str(interval_s), *connections, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=fds) as process:
        try:
            yield from map(json.loads, process.stdout)
        finally:
            process.terminate()
    if process.returncode:
        raise Failure(f"bench-pace ended with {process.returncode}")


def sustained(node, jwts, all_pods, rates):
    """The first of the rates that a short run sustains: all logins are answered when the last one is due, and nearly
    all of them soon."""
    for rate in rates[:-1]:
        probe, = pace(node, jwts, all_pods, rate, PROBE_S)
        if probe["at_s"] < 1.02 * PROBE_S and probe["p99_us"] < PROBE_P99_US:
            return rate
    return rates[-1]


def steady(the_rig, plan):
    """Logins at a fixed rate. Returns (what was measured after each interval, a sentence about it)."""
    rig.raise_descriptors(2 * plan.pods)
    is_attested = not pods.unavailable() and not plan.is_connect
    node = the_rig.node("steady", rows=2 * plan.identities, attestation="enforce" if is_attested else "off")
    all_pods = [Pod(the_rig) for _ in range(plan.pods)]
    jwts = mint_for(the_rig, all_pods, plan.identities)
    for pod in all_pods:
        pod.start(node)
    for _ in pace(node, jwts, all_pods, plan.fill_rate, plan.identities / plan.fill_rate):
        pass
    users = [] if plan.is_connect else all_pods
    rate = sustained(node, jwts, users, plan.rates)
    pid, samples = node.process.pid, []
    used = rig.cpu_ns(pid)
    for sample in pace(node, jwts, users, rate, plan.seconds, interval_s=plan.interval_s):
        now = rig.cpu_ns(pid)
        samples.append({**sample, **rig.memory(pid), "cpu_us": (now - used) / 1000 / sample["requests"]})
        used = now
    the_rig.stop(node)
    return samples, steady_sentence(samples, plan, rate, is_attested)


def steady_sentence(samples, plan, rate, is_attested):
    half = len(samples) // 2 or 1
    first, second = samples[:half], samples[half:] or samples
    how = "a connection, LOGIN and GET" if plan.is_connect else "LOGIN and GET on a kept connection"

    less = f" (at {plan.rates[0]:,}, load generator and daemon need more than these processors)" \
        if rate < plan.rates[0] else ""

    def median(part, key):
        return statistics.median(sample[key] for sample in part)

    def change(key, unit, scale=1, form="{:,.0f}"):
        old, new = (form.format(median(part, key) * scale) for part in (first, second))
        return f"{old} {unit} in the first half, {new} in the second"

    return (f"{plan.identities:,} identities of {plan.pods:,} pods"
            f"{', each a process in a cgroup of its own, with PeerAttestation=enforce' if is_attested else ''}: "
            f"{sum(s['requests'] for s in samples) / samples[-1]['at_s']:,.0f} logins/s for {samples[-1]['at_s']:.0f} s"
            f"{less}, "
            f"each {how}; {median(samples, 'cpu_us'):.1f} µs of the daemon's CPU each. p50 "
            f"{change('p50_us', 'µs')}; p99 {change('p99_us', 'µs')}; resident memory "
            f"{change('rss', 'MiB', 2**-20, '{:.2f}')}, at most {max(s['rss'] for s in samples) / 2**20:.2f}.")


def steady_picture(samples):
    end_s = samples[-1]["at_s"]
    latency = plot.Panel("latency of a login from when it is due", plot.from_zero(end_s, " s"), plot.decades(
        min(s["p50_us"] for s in samples), max(s["p999_us"] for s in samples), " µs"))
    memory = plot.Panel("memory of the broker", plot.from_zero(end_s, " s"),
                        plot.from_zero(max(s["rss"] for s in samples) / 2**20 * 1.2, " MiB"))
    for name, key in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us")):
        latency.curve(name, [(s["at_s"], s[key]) for s in samples])
    for name, key in (("resident", "rss"), ("private", "private")):
        memory.curve(name, [(s["at_s"], s[key] / 2**20) for s in samples])
    return plot.picture([[latency], [memory]], height=260)


def one_size(the_rig, plan, n):
    """How one node of @n identities does: hits per second, memory, restart."""
    asked = min(n, plan.asked)
    node = the_rig.node(f"size-{n}", rows=max(1000, 2 * n))
    jwts = the_rig.jwts("growth", count=asked, serviceaccount="runner-%d", pod="job-%d")
    one = rig.load(node, jwts, "--mode", "connect", "--connections", K, "--requests", asked)
    floor = the_rig.floor(one["answer_bytes"])
    the_rig.stop(node)
    if n > asked:
        rig.fill(node, n - asked, rig.TOKEN_BYTES)
    token = jwts.read_text().split()[0]
    restarts = []
    for i in range(plan.rounds):
        restarts.append(lines.restart_us(node, token))
        rig.wait_for_rows(node)
        if i < plan.rounds - 1:
            the_rig.stop(node)
    memory = rig.memory(node.process.pid)
    rig.load(node, jwts, "--mode", "connect", "--connections", K, "--requests", asked)  # all JWTs are remembered
    result = {"identities": n, "asked": asked, "restart_us": statistics.median(restarts), **memory}
    for mode in ("login", "connect"):
        pairs = [{name: lines.cpu_of_load(server, jwts, "--mode", mode, "--connections", K, "--seconds", plan.round_s)
                  for name, server in (("floor", floor), ("daemon", node))} for _ in range(plan.rounds)]
        result[mode] = {"per_s": middle(pairs, "daemon", "per_s"), "cpu_us": middle(pairs, "daemon", "cpu_us"),
                        "floor": statistics.median(p["daemon"]["per_s"] / p["floor"]["per_s"] for p in pairs)}
    the_rig.stop(node)
    return result


def growth_table(results):
    rows = ["| identities | logins/s, kept / a connection each | to the floor | CPU of each | private memory | restart "
            "to the first hit |", "|---|---|---|---|---|---|"]
    for r in results:
        kept, connect = r["login"], r["connect"]
        rows.append(f"| {r['identities']:,} | {kept['per_s']:,.0f} / {connect['per_s']:,.0f} | {kept['floor']:.2f} / "
                    f"{connect['floor']:.2f} | {kept['cpu_us']:.1f} / {connect['cpu_us']:.1f} µs | "
                    f"{r['private'] / 2**20:.1f} MiB | {r['restart_us'] / 1000:.0f} ms |")
    return "\n".join(rows)


def growth_picture(results):
    sizes = [r["identities"] for r in results]

    def panel(title, y, *curves):
        drawn = plot.Panel(title, plot.decades(min(sizes), max(sizes)), y)
        for label, values in curves:
            drawn.curve(label, list(zip(sizes, values)))
        return drawn

    kept, connect = ([r[mode]["per_s"] for r in results] for mode in ("login", "connect"))
    memory = [r["private"] / 2**20 for r in results]
    restart = [r["restart_us"] / 1000 for r in results]
    return plot.picture([[
        panel("logins/s, K=16", plot.from_zero(max(kept)), ("kept", kept), ("a connection each", connect)),
        panel("memory of the broker", plot.from_zero(max(memory), " MiB"), ("private, after a restart", memory)),
        panel("restart to the first hit", plot.from_zero(max(restart), " ms"), ("by identities", restart)),
    ]], width=1000, height=280)


def run(options):
    """Prints the text of docs/performance.md about scale; writes it and the pictures if the options say so."""
    plan = Plan(options)
    with rig.Rig() as the_rig:
        samples, sentence = steady(the_rig, plan)
        print(sentence, flush=True)
        results = [one_size(the_rig, plan, n) for n in plan.sizes]
        table = growth_table(results)
        print(table)
    if options.write:
        STEADY.write_text(steady_picture(samples))
        GROWTH.write_text(growth_picture(results))
        report.write_section(PAGE, f"{sentence}\n\n{table}", "scale")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(
            {"machine": report.machine(), "steady": samples, "growth": results}, indent=2) + "\n")
