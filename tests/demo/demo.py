#!/usr/bin/env python3
"""Shows what podlogin is for: 300 jobs start at the same time, and five exchanges serve them all.

Runs the real programs of the build directory in $PODLOGIN_BUILD against the stand-in for issuer and upstream, in a
private directory that is removed afterwards. It checks everything that it claims: it exits with 0 if all claims hold;
otherwise it prints what failed and exits with 1."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # while there is nothing to clean up

import contextlib  # noqa: E402
import http.client
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "standin")]

from jobs import Interrupts, Job, Wave  # noqa: E402
from node import AUDIENCE, EXCHANGER, PODLOGIN, PODLOGIND, STANDIN, Node, subject_of  # noqa: E402
from screen import Progress, heading, paint, say, table  # noqa: E402
from standin import Standin, StandinError  # noqa: E402

LATENCY_MS = 150  # of the upstream, like a cloud in another region
TIMEOUT_S = 60  # the same for both clients
ACCOUNTS = {"pulumi-runner": 200, "deployer": 25, "previewer": 25, "drift-check": 25,
            "publisher": 25}  # in namespace ci: how many job pods run as each account
POD_COUNT = sum(ACCOUNTS.values())

FORM = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "audience": AUDIENCE,
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    "requested_token_type": "urn:pulumi:token-type:access_token:personal",
    "scope": "user:ci-bot",
    "expiration": "7200",
}

WITHOUT_CURL = """
import ssl, sys, urllib.request
from urllib.parse import quote
url, ca, form, path, timeout_s = sys.argv[1:]
with open(path) as file:
    form += "&subject_token=" + quote(file.read())
context = ssl.create_default_context(cafile=ca)
with urllib.request.urlopen(url, form.encode(), int(timeout_s), context=context) as answer:
    print(answer.read().decode())
"""


class Claims:
    """The claims that did not hold. They are collected, so that one run reports all of them."""

    def __init__(self):
        self.broken = []

    def expect(self, what, got, wanted):
        if got != wanted:
            self.broken.append(f"{what}: expected {wanted}, got {got}")


class Demo:
    def __init__(self, directory, standin, node, interrupts):
        self.directory = pathlib.Path(directory)
        self.standin = standin
        self.node = node
        self.interrupts = interrupts
        self.claims = Claims()
        self.pods = []  # (path of the token, its subject), in the order in which they start

    def run(self):
        self.make_pods()
        heading("All at once")
        first = self.wave("podlogin", self.by_podlogin)
        client, by_itself = self.without_podlogin()
        alone = self.wave("each job for itself", by_itself)
        again = self.wave("podlogin, again", self.by_podlogin)
        self.compare(client, alone, first, again)
        self.check(alone, first, again)
        self.restart()
        self.refusal()
        return self.verdict()

    def make_pods(self):
        """Mints the tokens and stores each like kubelet projects it, with its symbolic links."""
        self.standin.fault_upstream(latency_ms=LATENCY_MS)
        for account, count in ACCOUNTS.items():
            subject = f"system:serviceaccount:ci:{account}"
            tokens = self.standin.mint_many(count, namespace="ci", serviceaccount=account,
                                            pod=f"{account}-%d", audience=[AUDIENCE])
            for number, jwt in enumerate(tokens):
                self.pods.append((self.project(f"{account}-{number}", jwt), subject))
        random.Random(1).shuffle(self.pods)  # accounts in random order, but the same in every run
        say(f"{POD_COUNT} job pods of {len(ACCOUNTS)} service accounts, each with its own "
            f"service-account token in its own file. The upstream takes {LATENCY_MS} ms to "
            "answer.")

    def project(self, pod, jwt):
        volume = self.directory / "pods" / pod
        (volume / "..1").mkdir(parents=True)
        (volume / "..1/token").write_text(jwt)
        (volume / "..data").symlink_to("..1")
        (volume / "token").symlink_to("..data/token")
        return volume / "token"

    def by_podlogin(self, token_file):
        return ([PODLOGIN, "token", "--json", "--timeout", f"{TIMEOUT_S}s"],
                self.node.environment(PODLOGIN_TOKEN_FILE=str(token_file)))

    def without_podlogin(self):
        """Returns the client that each job uses without podlogin: (its name, how to run it)."""
        url = f"{self.standin.upstream}/api/oauth/token"
        environment = {"PATH": os.environ["PATH"]}
        curl = shutil.which("curl")
        if not curl:
            command = [sys.executable, "-I", "-S", "-c", WITHOUT_CURL, url, self.standin.ca,
                       urllib.parse.urlencode(FORM)]
            return "python3", lambda path: ([*command, path, TIMEOUT_S], environment)
        version = subprocess.run([curl, "--version"], capture_output=True, text=True, check=True)
        settings = ["silent", "show-error", "fail", f"max-time = {TIMEOUT_S}", f'url = "{url}"',
                    f'cacert = "{self.standin.ca}"',
                    *(f'data-urlencode = "{name}={value}"' for name, value in FORM.items())]
        config = self.directory / "curl.conf"
        config.write_text("\n".join(settings) + "\n")
        # curl reads the token from its file: a JWT is never on a command line
        return " ".join(version.stdout.split()[:2]), lambda path: (
            [curl, "-q", "-K", config, "--data-urlencode", f"subject_token@{path}"], environment)

    def wave(self, title, client):
        """Runs one client for each pod, all at the same time. Returns the wave, with what the upstream counted."""
        outputs = self.directory / "outputs" / title
        outputs.mkdir(parents=True)
        wave = Wave([Job(*client(path), subject, outputs / str(number))
                     for number, (path, subject) in enumerate(self.pods)], self.interrupts)
        before = self.standin.counts()
        with Progress(title, wave, self.standin):
            wave.run()
        after = self.standin.counts()
        wave.title = title
        wave.exchanges = after["exchanges"] - before["exchanges"]
        wave.connections = after["upstream_connections"] - before["upstream_connections"]
        wave.sources = [job.answer().get("source") for job in wave.jobs]
        wave.faults = [fault for fault in map(fault_of, wave.jobs) if fault]
        return wave

    def compare(self, client, alone, first, again):
        def row(label, measure, waves=(alone, first, again)):
            return (label, *(["-"] if len(waves) == 2 else []), *map(measure, waves))

        def wall_row(label, percent):
            return row(label, lambda wave: f"{wave.wall_percentile_s(percent) * 1000:.0f} ms")

        def time_row(label, measure):
            return row(label, lambda wave: f"{measure(wave):.2f} s")

        ours = (first, again)
        table([("each job", "for itself"), ("", "podlogin"), ("podlogin,", "again")], [
            row("jobs", lambda wave: len(wave.jobs)),
            row("failures", lambda wave: len(wave.faults)),
            row("exchanges upstream", lambda wave: wave.exchanges),
            row("TLS connections upstream", lambda wave: wave.connections),
            row("served from the cache", lambda wave: wave.sources.count("cache"), ours),
            row("joined another's exchange", lambda wave: wave.sources.count("joined"), ours),
            wall_row("a job's wall time: p50", 50),
            wall_row("                   p99", 99),
            wall_row("                   max", 100),
            time_row("CPU time of all jobs", lambda wave: sum(job.cpu_s for job in wave.jobs)),
            time_row("until the last was started", lambda wave: wave.spawn_s),
            time_row("until the last had ended", lambda wave: wave.total_s)])
        say(f"One process for each job: {client} (for itself), podlogin. A job's time is from before "
            f"its start to its end, on {len(os.sched_getaffinity(0))} processors that it shares "
            "with all others, the daemon and the stand-in.")

    def check(self, alone, first, again):
        expect = self.claims.expect
        for wave, exchanges in ((alone, POD_COUNT), (first, len(ACCOUNTS)), (again, 0)):
            expect(f"{wave.title}: failures", len(wave.faults), 0)
            expect(f"{wave.title}: exchanges", wave.exchanges, exchanges)
            self.claims.broken += [f"{wave.title}: {fault}" for fault in wave.faults[:3]]
        expect("podlogin: jobs that started an exchange", first.sources.count("exchange"),
               len(ACCOUNTS))
        expect("podlogin, again: jobs served from the cache", again.sources.count("cache"),
               POD_COUNT)

    def restart(self):
        heading("The daemon is restarted")
        before = self.standin.counts()["exchanges"]
        with self.interrupts:
            code = self.node.stop()
            self.node.start()
        path, subject = self.pods[0]
        command, environment = self.by_podlogin(path)
        wave = Wave([Job(command, environment, subject, self.directory / "restarted")],
                    self.interrupts)
        wave.run()
        job = wave.jobs[0]
        after = self.standin.counts()["exchanges"]
        say(f"SIGTERM: exit code {code}. Next login: source={job.answer().get('source')}, "
            f"exchanges {before} -> {after}.")
        self.claims.expect("restart: exit code of podlogind", code, 0)
        self.claims.expect("restart: fault of the next login", fault_of(job), None)
        self.claims.expect("restart: source", job.answer().get("source"), "cache")
        self.claims.expect("restart: exchanges", after - before, 0)

    def refusal(self):
        heading("A pod of a namespace that is not admitted")
        jwt = self.standin.mint(namespace="default", serviceaccount="visitor", pod="visitor-1",
                                audience=[AUDIENCE])
        before = self.standin.counts()["exchanges"]
        result = self.node.podlogin("token", token_file=self.project("visitor-1", jwt))
        say("$ podlogin token")
        say(result.stderr.strip(), follow="    ")
        say(f"exit code {result.returncode}")
        expect = self.claims.expect
        expect("refusal: exit code", result.returncode, 77)
        expect("refusal: lines of standard error", result.stderr.count("\n"), 1)
        expect("refusal: names POLICY_DENIED", "POLICY_DENIED" in result.stderr, True)
        expect("refusal: standard output", result.stdout, "")
        expect("refusal: exchanges", self.standin.counts()["exchanges"] - before, 0)

    def verdict(self):
        broken = self.claims.broken
        if not broken:
            print(f"\n{paint('All claims hold.', '32')} Each job got the token of its own service "
                  "account.")
            return 0
        print(f"\n{paint('Claims that failed:', '31')}")
        for line in broken:
            say(line, follow="    ")
        print("\nThe last lines of podlogind's log:")
        for line in self.node.log().splitlines()[-10:]:
            say(line, follow="    ")
        return 1


def fault_of(job):
    """Returns why @job did not get its own token; None if it did."""
    if job.code != 0:
        return f"exit code {job.code}: {job.error()}"
    answer = job.answer()
    try:
        subject = subject_of(answer.get("token") or answer["access_token"])
    except (KeyError, ValueError):
        return "no token in the answer"
    return None if subject == job.subject else f"{job.subject} got a token of {subject}"


def end_node(node):
    try:
        node.stop()
    except subprocess.TimeoutExpired:
        node.kill()


@contextlib.contextmanager
def demo(interrupts):
    """Stand-in and daemon in a private directory, which is removed however the demo ends."""
    with contextlib.ExitStack() as stack:
        with interrupts:
            directory = tempfile.mkdtemp(prefix="podlogin-demo-")
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            standin = Standin(STANDIN, os.path.join(directory, "standin"))
            stack.callback(standin.stop)
            node = Node(directory, standin)
            stack.callback(end_node, node)
            node.start()
            stack.callback(interrupts.ignore)  # called first
        yield Demo(directory, standin, node, interrupts)


def main():
    for program in (PODLOGIN, PODLOGIND, EXCHANGER, STANDIN):
        if not os.access(program, os.X_OK):
            print(f"demo: {program} does not exist; build first, or set PODLOGIN_BUILD",
                  file=sys.stderr)
            return 1
    interrupts = Interrupts()
    try:
        with demo(interrupts) as stage:
            return stage.run()
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, http.client.HTTPException, RuntimeError, StandinError,
            subprocess.SubprocessError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
