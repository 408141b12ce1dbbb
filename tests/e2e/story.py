"""Some minutes of a node, for Prometheus to record: jobs of ever more service accounts, an upstream that is slow and
then down, and its return. draw() makes a picture of what Prometheus recorded."""

import concurrent.futures
import contextlib
import math
import random
import threading
import time

import metrics
from node import AUDIENCE, scale, wait_for
from protocol_client import ServerError, get_token

UNIT_S = scale(8, 60)  # most parts of the story last as long
ACCOUNTS = 60
REQUESTS_PER_S = scale(40, 60)
LIFETIME_S = UNIT_S  # of access tokens: shorter than the outage


class Jobs:
    """Jobs that start all the time: each is a connection of its own, as one of the accounts that have begun so far."""

    def __init__(self, node):
        self.socket = str(node.socket)
        self.jwts = node.standin.mint_many(ACCOUNTS, serviceaccount="job-%d", audience=[AUDIENCE])
        self.intruder = node.standin.mint(namespace="other", serviceaccount="intruder", audience=[AUDIENCE])
        self.n_begun = 1
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def job(self, jwt):
        with contextlib.suppress(ServerError, TimeoutError):  # the daemon counts it
            get_token(self.socket, jwt, "pulumi", timeout=5)

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            while not self.is_over.wait(1 / REQUESTS_PER_S):
                jwt = self.jwts[random.randrange(self.n_begun)]
                pool.submit(self.job, self.intruder if random.random() < 0.02 else jwt)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def tell(node):
    """Lets the story happen. Returns [(what, when it began)] and the end, in Unix time."""
    parts = []

    def part(title, seconds, accounts=0):
        parts.append((title, time.time()))
        begun = jobs.n_begun
        for i in range(1, 21):
            time.sleep(seconds / 20)
            jobs.n_begun = begun + accounts * i // 20

    node.standin.policies("allow-all")
    node.standin.configure_upstream(expires_in=LIFETIME_S)
    node.standin.fault_upstream(latency_ms=60, latency_jitter_ms=60)
    with Jobs(node) as jobs:
        part("cold start", UNIT_S, 40)
        part("in use", UNIT_S)
        node.standin.fault_upstream(latency_ms=1000, latency_jitter_ms=1000)
        part("upstream slow", UNIT_S, ACCOUNTS - 41)
        node.standin.fault_upstream(kind="status", status=503)
        part("upstream down", 1.5 * UNIT_S)
        node.standin.fault_upstream(latency_ms=60, latency_jitter_ms=60)
        part("upstream back", 0)
        wait_for(lambda: metrics.total(metrics.read(node), "podlogin_breaker_open") == 0, 120, "a successful probe")
        time.sleep(UNIT_S)
    return parts, time.time()


# name, color, expression
RATES = [("hits", "#1560bd", "sum(rate(podlogin_cache_hits_total[%s]))"),
         ("misses", "#d07000", 'sum(rate(podlogin_request_duration_seconds_count{source="miss"}[%s]))'),
         ("unavailable", "#c0392b", 'sum(rate(podlogin_requests_total{result="unavailable"}[%s]))')]
QUANTILE = 'histogram_quantile(%s, sum by (le) (rate(podlogin_request_duration_seconds_bucket{source="%s"}[%%s])))'
TIMES = [("hit, p50", "#1560bd", QUANTILE % (0.5, "hit")), ("hit, p99", "#7fb0e8", QUANTILE % (0.99, "hit")),
         ("miss, p50", "#d07000", QUANTILE % (0.5, "miss")), ("miss, p99", "#efb060", QUANTILE % (0.99, "miss"))]
LABELS = {-5: "10 µs", -4: "100 µs", -3: "1 ms", -2: "10 ms", -1: "100 ms", 0: "1 s", 1: "10 s"}
WIDTH, LEFT, RIGHT, HEIGHT = 820, 70, 20, 190


class Plot:
    """One graph with a logarithmic scale, from 10^@low to 10^@high."""

    def __init__(self, top, low, high, begin_s, end_s):
        self.top, self.low, self.high, self.begin_s, self.end_s = top, low, high, begin_s, end_s

    def x(self, at_s):
        return LEFT + (WIDTH - LEFT - RIGHT) * (at_s - self.begin_s) / (self.end_s - self.begin_s)

    def y(self, value):
        decades = max(math.log10(value), self.low)
        return self.top + HEIGHT * (self.high - decades) / (self.high - self.low)

    def frame(self, title, label):
        for decade in range(self.low, self.high + 1):
            y = self.y(10 ** decade)
            yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label(decade)}</text>'
        yield f'<text x="{LEFT}" y="{self.top - 8}" font-weight="bold">{title}</text>'

    def curve(self, samples, color):
        """Nothing is a gap: 0, and what is not a number, as a quantile of nothing."""
        pieces = [[]]
        for at_s, value in samples:
            value = float(value)
            if value > 0:
                pieces[-1].append(f"{self.x(at_s):.1f},{self.y(value):.1f}")
            else:
                pieces.append([])
        for piece in filter(None, pieces):
            yield f'<polyline points="{" ".join(piece)}" fill="none" stroke="{color}" stroke-width="1.4"/>'


def legend(curves, x, y):
    for name, color, _ in curves:
        yield f'<line x1="{x}" y1="{y - 4}" x2="{x + 18}" y2="{y - 4}" stroke="{color}" stroke-width="3"/>'
        yield f'<text x="{x + 23}" y="{y}">{name}</text>'
        x += 105


def draw(query_range, parts, end_s, window):
    """Returns the picture as SVG. @query_range returns [[time, value]] of an expression that has one series."""
    begin_s = parts[0][1]
    rates, times = Plot(40, -1, 3, begin_s, end_s), Plot(290, -5, 1, begin_s, end_s)
    ends = [at_s for _, at_s in parts[1:]] + [end_s]
    height = 290 + HEIGHT + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
           'font-size="12">', f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for plot in (rates, times):
        for (title, at_s), to_s in zip(parts, ends):
            color = {"upstream slow": "#fbf1dc", "upstream down": "#f6dede"}.get(title, "#fff")
            out.append(f'<rect x="{plot.x(at_s):.1f}" y="{plot.top}" width="{plot.x(to_s) - plot.x(at_s):.1f}" '
                       f'height="{HEIGHT}" fill="{color}"/>')
            out.append(f'<text x="{plot.x(at_s) + 4:.1f}" y="{plot.top + 14}" fill="#555">{title}</text>')
    out += rates.frame("requests per second", lambda decade: f"{10 ** decade:g}")
    out += times.frame("time until a token was handed out", LABELS.get)
    for plot, curves in ((rates, RATES), (times, TIMES)):
        for _, color, expression in curves:
            out += plot.curve(query_range(expression % window), color)
        out += legend(curves, WIDTH - RIGHT - 105 * len(curves), plot.top - 8)
    for minute in range(int((end_s - begin_s) // 60) + 1):
        out.append(f'<text x="{times.x(begin_s + 60 * minute):.1f}" y="{times.top + HEIGHT + 18}" '
                   f'text-anchor="middle">{minute} min</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
