"""What the benchmark runs: stand-in, daemon, floor and load generators; and the kernel's figures about them."""

import contextlib
import itertools
import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))

from node import AUDIENCE, BUILD, PODLOGIN, STANDIN, Node, Standin  # noqa: E402

BENCH = BUILD / "tests/bench"
PROGRAMS = [PODLOGIN, STANDIN, *(BENCH / f"bench-{name}" for name in (
    "floor", "load", "pace", "processes", "rows", "storm", "spawn", "verify"))]
OF_A_BUILD = ["daemon/podlogind", "daemon/podlogin-exchanger", "tests/bench/bench-rows"]
TOKEN_BYTES = 1024  # so that an answer is about 1 KiB
STARTED = "serving at "  # in the log, before the rows are read


class Failure(Exception):
    """Something that was measured did not work, so the figures are not valid."""


def run_json(command, **options):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=300, check=False, **options)
    if result.returncode != 0:
        raise Failure(f"{pathlib.Path(command[0]).name} ended with {result.returncode}: "
                      f"{(result.stderr or result.stdout).strip()[:400]}")
    return json.loads(result.stdout)


def raise_descriptors(count):
    """Lets this process and those that it starts have so many descriptors more than a few. Returns how many they
    may have more: fewer where the limit is lower and this is not root."""
    wanted = count + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limits in ((wanted, wanted), (hard, hard)):
        if soft < wanted:
            with contextlib.suppress(ValueError, OSError):  # only root may raise the hard one
                resource.setrlimit(resource.RLIMIT_NOFILE, limits if hard < wanted else (wanted, hard))
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(count, soft - 1000)


class Rig:
    """One stand-in, in a private directory that is removed afterwards, and the daemons and floors that are started
    with it. The daemons may be of several builds."""

    def __init__(self, *builds):
        missing = [program for program in PROGRAMS if not program.exists()]
        missing += [build / name for build in builds or [BUILD] for name in OF_A_BUILD if not (build / name).exists()]
        if missing:
            raise Failure(f"not built: {', '.join(map(str, missing))}")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="podlogin-bench-"))
        self.standin = None
        self.nodes = []
        self.floors = []
        self.numbers = itertools.count()
        self.closing = contextlib.ExitStack()  # what else is to be undone

    def __enter__(self):
        try:
            self.standin = Standin(STANDIN, self.directory / "standin")
            self.standin.policies("allow-all")
            self.standin.configure_upstream(expires_in=7200, token_bytes=TOKEN_BYTES)
        except BaseException:
            self.clean()
            raise
        return self

    def __exit__(self, kind, error, trace):
        codes = self.clean()
        if kind is None and any(codes):
            raise Failure(f"the daemons ended with {codes}")

    def clean(self):
        for floor in self.floors:
            floor.process.kill()
            floor.process.wait()
        codes = [node.stop() for node in self.nodes]
        self.closing.close()
        if self.standin:
            self.standin.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        return codes

    def node(self, name, keeps=True, rows=10000, api_url=None, attestation="off", build=BUILD):
        """Starts a daemon with the log level of production. Without @keeps, its cache is at a path where no file can
        be created."""
        node = Node(self.directory / name, self.standin, build)
        node.configure(attestation)
        settings = node.etc / "podlogind.conf"
        text = settings.read_text().replace("LogLevel=debug\n", f"CacheRows={rows}\n")
        # of connections that are held while something else is prepared or measured
        text = text.replace("[Limits]\n", "[Limits]\nIdleTimeout=600s\nConnections=16000\n")
        if not keeps:
            text = text.replace(f"Cache={node.state}", f"Cache={node.directory}/none/none")
        settings.write_text(text)
        if api_url:
            node.service("pulumi", api_url=api_url)
        self.nodes.append(node)
        node.start()
        return node

    def stop(self, node):
        code = node.stop()
        if code:
            raise Failure(f"the daemon ended with {code}")

    def floor(self, answer_bytes, *options):
        floor = Floor(self.directory / f"floor-{len(self.floors)}.sock", answer_bytes, *options)
        self.floors.append(floor)
        return floor

    def front(self):
        front = Front(self.directory, self.standin)
        self.closing.callback(front.process.wait)
        self.closing.callback(front.process.kill)
        return front

    def jwts(self, name, **order):
        """Writes a file of service-account tokens, one per line. Returns its path."""
        tokens = self.standin.mint_many(audience=[AUDIENCE], namespace="ci", **order)
        path = self.directory / f"{name}-{next(self.numbers)}"
        path.write_text("\n".join(tokens))
        return path


class Floor:
    def __init__(self, path, answer_bytes, *options):
        self.socket = path
        self.process = subprocess.Popen(
            [BENCH / "bench-floor", "--socket", path, "--answer-bytes", str(answer_bytes), *options],
            stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not path.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure("the floor did not start")
            time.sleep(0.01)


def has_fast_attestation():
    """Whether the kernel tells a pod apart by the id of its cgroup: Linux 6.13, and cgroup v2 alone."""
    release = tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2])
    return release >= (6, 13) and pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists()


class Front:
    """nghttpx, which speaks HTTP/2 for the stand-in's upstream, with its certificate."""

    def __init__(self, directory, standin):
        certificate = pathlib.Path(standin.directory) / "server.pem"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"https://localhost:{port}"
        self.process = subprocess.Popen(
            ["nghttpx", "--conf=/dev/null", f"--frontend=127.0.0.1,{port}",
             f"--backend=localhost,{port_of(standin.upstream)};;tls", "--insecure", "--no-ocsp",
             f"--errorlog-file={directory}/nghttpx.log", certificate, certificate],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    raise Failure("nghttpx did not start") from None
                time.sleep(0.01)

    @staticmethod
    def is_there():
        return shutil.which("nghttpx") is not None


def port_of(url):
    return int(url.rsplit(":", 1)[1])


def load(*arguments, **more):
    """Like load_once(), again if no request was counted: on a busy machine, a short round may have none."""
    result = {"requests": 0}
    while not result["requests"]:
        result = load_once(*arguments, **more)
    return result


def load_once(server, jwt_file, *options, enter=None):
    """@enter: what the load generator does first, for example enter a pod."""
    return run_json([BENCH / "bench-load", "--socket", server.socket, "--jwt-file", jwt_file,
                     *map(str, options)], preexec_fn=enter)


def processes(server, jwt_file, count, enter=None):
    """So many processes that connect once, 16 at a time."""
    return run_json([BENCH / "bench-processes", server.socket, jwt_file, str(count), "16"], preexec_fn=enter)


def storm(server, jwt_file, connections):
    return run_json([BENCH / "bench-storm", "--socket", server.socket, "--jwt-file", jwt_file,
                     "--connections", str(connections)])


def spawn(runs, *commands, **options):
    """Returns the times of each command; they are run by turns."""
    arguments = [argument for command in commands for argument in ("---", *command)]
    return run_json([BENCH / "bench-spawn", str(runs), *arguments[1:]], **options)["commands"]


def fill(node, rows, token_bytes):
    """Writes rows that no client requests into the cache of a daemon that is not running."""
    subprocess.run([node.build / "tests/bench/bench-rows", "fill", node.state / "cache.db",
                    node.directory / "key/cache.key", str(rows), str(token_bytes)],
                   check=True, timeout=1200)


def wait_for_rows(node):
    """Waits until the daemon has read its rows since its latest start; it does so in the background."""
    deadline = time.monotonic() + 60
    while "undecryptable" not in node.log().rsplit(STARTED, 1)[1] and time.monotonic() < deadline:
        time.sleep(0.05)


def verify_us(jwt_file, count):
    """The CPU time of a bare verification of the JWT's signature, in µs."""
    return run_json([BENCH / "bench-verify", jwt_file, str(count)])["us"]


def read_us(path):
    return run_json([BENCH / "bench-rows", "read", path])["us"]


def exchanges_ms(standin, jwt, count):
    """Returns how long each of @count exchanges takes curl, which opens a connection for each; [] without curl."""
    curl = shutil.which("curl")
    if not curl:
        return []
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "requested_token_type": "urn:pulumi:token-type:access_token:personal", "scope": "user:ci-bot"}
    command = [curl, "-q", "--silent", "--show-error", "--fail", "--no-sessionid", "--http1.1", "--header",
               "Connection: close", "--cacert", standin.ca, "--write-out", "%{time_total}\n",
               "--data-urlencode", f"subject_token@{jwt}"]
    for name, value in form.items():
        command += ["--data-urlencode", f"{name}={value}"]
    # one more, for what is loaded with the first one
    command += ["--output", "/dev/null", f"{standin.upstream}/api/oauth/token"] * (count + 1)
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode:
        raise Failure(f"curl ended with {result.returncode}: {result.stderr.strip()[:400]}")
    return [1000 * float(line) for line in result.stdout.split()[1:]]


def threads(pid):
    return [int(thread) for thread in os.listdir(f"/proc/{pid}/task")]


def pin(pid, cpus):
    for thread in threads(pid):
        os.sched_setaffinity(thread, cpus)


def cpu_ns(pid):
    """Returns the CPU time of the process so far; in nanoseconds if the kernel counts them."""
    try:
        return sum(int(pathlib.Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
                   for thread in threads(pid))
    except FileNotFoundError:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 10**9 // os.sysconf("SC_CLK_TCK")


def memory(pid):
    """Returns sizes in bytes: "rss"; "private", memory that only this process uses and has written; "pss", each page
    divided by the number of processes that share it. "pss" needs the right to trace the daemon: root."""
    names = {"Rss": "rss", "Pss": "pss", "Anonymous": "private", "VmRSS": "rss",
             "RssAnon": "private"}
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in names:
            found[names[name]] = int(value.split()[0]) * 1024
    return found
