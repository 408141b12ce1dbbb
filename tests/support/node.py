"""A node under test: the stand-in, a podlogind with its files in a private directory, and clients.

The programs are those of the build directory in $PODLOGIN_BUILD. Needs only Python's standard library."""

import atexit
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "standin"))

from preload import Preload  # noqa: E402
from standin import Standin, subject_of  # noqa: E402,F401

BUILD = pathlib.Path(os.environ.get("PODLOGIN_BUILD", "build")).absolute()
PODLOGIN = BUILD / "module/podlogin"
PODLOGIND = BUILD / "daemon/podlogind"
EXCHANGER = BUILD / "daemon/podlogin-exchanger"
PODLOGINCTL = BUILD / "daemon/podloginctl"
STANDIN = BUILD / "tests/standin/podlogin-standin"

# Where `podlogin exec` makes directories, as long as the test does not choose another place.
RUNTIME = tempfile.mkdtemp(prefix="podlogin-test-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
atexit.register(shutil.rmtree, RUNTIME, ignore_errors=True)

ORGANIZATION = "acme"
AUDIENCE = "urn:pulumi:org:acme"

SERVICE = """
[Service]
Provider=pulumi
Issuer={issuer}
Audience={audience}
Share={share}
CAFile={ca}

[Pulumi]
Organization={organization}
TokenType=personal
User=ci-bot
Expiration=2h
APIURL={api_url}
{provider}

{rules}
"""

# Tests do not run in a pod, so all their clients share one quota.
NO_LIMITS = """[Limits]
ConnectionsPerPod=0
RequestsPerPod=0
SignatureChecksPerPod=0
MissesPerPod=0
"""

ALLOW_CI = """[Allow "ci runners"]
"kubernetes.io".namespace=ci
"""


class Node:
    """The daemon of a node, from a build directory. Its files are in @directory; nodes may share the stand-in."""

    def __init__(self, directory, standin, build=BUILD):
        self.build = build
        self.directory = pathlib.Path(directory)
        self.standin = standin
        self.process = None
        self.socket = self.directory / "podlogin/podlogin.sock"
        self.etc = self.directory / "etc"
        self.state = self.directory / "state"
        self.log_path = self.directory / "podlogind.log"
        for name in ("etc/issuers.d", "etc/services.d", "state", "key", "pods"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        key = self.directory / "key/cache.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        self.configure()
        self.issuer("eks")
        self.service("pulumi")

    def configure(self, attestation="off", limits=NO_LIMITS, extra=""):
        """Writes podlogind.conf; @extra has further settings of [Daemon]."""
        self.write("podlogind.conf", f"[Daemon]\nSocket={self.socket}\nAdminSocket={self.directory}/admin.sock\n"
                   f"Cache={self.state}/cache.db\nCacheKey=file:{self.directory}/key/cache.key\n"
                   f"PeerAttestation={attestation}\nLogLevel=debug\n{extra}\n{limits}")

    def write(self, name, text):
        (self.etc / name).write_text(text)

    def issuer(self, name, url=None, algorithms="RS256", extra=None):
        extra = f"CAFile={self.standin.ca}" if extra is None else extra
        self.write(f"issuers.d/{name}.conf", f"[Issuer]\nURL={url or self.standin.issuer}\n"
                   f"Algorithms={algorithms}\n{extra}\n")

    def service(self, name, issuer="eks", audience=AUDIENCE, share="serviceaccount",
                api_url=None, ca=None, organization=ORGANIZATION, provider="", rules=ALLOW_CI):
        self.write(f"services.d/{name}.conf", SERVICE.format(
            issuer=issuer, audience=audience, share=share,
            api_url=api_url or self.standin.upstream, ca=ca or self.standin.ca,
            organization=organization, provider=provider, rules=rules))

    def start(self, wait=True, exchanger=None, exchanger_sockets=None, sockets=None, replaces=False,
              preexec_fn=None, **variables):
        """Starts the daemon; @variables are added to its environment. @sockets has names and sockets that are passed
        to it as the service manager does; @exchanger_sockets is the directory of exchangers that others start."""
        podlogind = self.build / "daemon/podlogind"
        exchanger = exchanger or self.build / "daemon/podlogin-exchanger"
        command = [podlogind, "--config", self.etc, "--exchanger", exchanger]
        if exchanger_sockets:
            command = [podlogind, "--config", self.etc, "--exchanger-sockets", exchanger_sockets]
        if replaces:
            command.append("--replace")
        fds = []
        if sockets is not None:
            fds = [passed.fileno() for passed in sockets.values()]
            moves = "".join(f"exec {3 + i}<&{fd} {fd}<&-; " for i, fd in enumerate(fds))
            command = ["bash", "-c", moves + 'LISTEN_PID=$$ exec "$@"', "bash", *command]
            variables.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(sockets))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=fds, env={**os.environ, **variables},
                                            preexec_fn=preexec_fn)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self):
        result = self.podlogin("wait", "--timeout", "60s")
        if result.returncode != 0:
            raise RuntimeError(f"podlogind does not answer: {result.stderr}\n{self.log()}")

    def stop(self):
        """Stops the daemon like an administrator does. Returns its exit code."""
        if not self.process:
            return None
        self.process.terminate()
        code = self.process.wait(60)
        self.process = None
        return code

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def audit_trail(self):
        """Returns all audit lines so far. A line is written after its answer, before the next frame is read."""
        self.podlogin("wait", "--timeout", "20s")
        return [line for line in self.log().splitlines() if ": answer " in line]

    def open_descriptors(self):
        """Counts the daemon's descriptors once it has closed the connections that have ended. Skips the rest of the
        test where they cannot be read."""
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, to count the daemon's descriptors")
        self.podlogin("wait", "--timeout", "20s")
        counts = [0, 1]
        while counts[-1] != counts[-2]:
            counts.append(len(os.listdir(f"/proc/{self.process.pid}/fd")))
            time.sleep(0.1)
        return counts[-1]

    def starter_pid(self):
        """The daemon's only child, which starts the exchangers."""
        pid, = children(self.process.pid)
        return pid

    def exchanger_pid(self, role="upstreams"):
        """Returns the pid of an exchanger; None while there is none."""
        for pid in children(self.starter_pid()):
            arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if arguments[1:2] == [role.encode()]:
                return pid
        return None

    def pids(self):
        """The processes that can hold secrets, and the one that starts the others."""
        return [self.process.pid, self.starter_pid(), *children(self.starter_pid())]

    def jwt_file(self, jwt, name="token"):
        path = self.directory / "pods" / name
        path.write_text(jwt)
        return path

    def environment(self, **variables):
        return {"PATH": os.environ["PATH"], "PODLOGIN_SOCKET": str(self.socket),
                "PODLOGIN_SERVER_UID": str(os.getuid()), "XDG_RUNTIME_DIR": RUNTIME, **variables}

    def podlogin(self, *arguments, token_file=None, **variables):
        """Runs the command until it ends, as a container of this node would."""
        if token_file:
            variables["PODLOGIN_TOKEN_FILE"] = str(token_file)
        return subprocess.run([PODLOGIN, *arguments], env=self.environment(**variables),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=90, check=False)

    def ctl(self, *arguments, user=None):
        """Runs podloginctl for this daemon until it ends; as another user, without groups of its own, who may not be
        able to reach the build directory."""
        program = PODLOGINCTL
        if user is not None:
            program = shutil.copy(program, self.directory)
        return subprocess.run([program, *arguments, "--socket", self.directory / "admin.sock"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False,
                              **({} if user is None else {"user": user, "group": user, "extra_groups": []}))

    def spawn(self, *arguments, token_file, **variables):
        return subprocess.Popen(
            [PODLOGIN, *arguments], stdin=subprocess.DEVNULL,
            env=self.environment(PODLOGIN_TOKEN_FILE=str(token_file), **variables),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def connect(self):
        """A plain connection, for input that no client would send."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.socket))
        return connection


def without_noise(text):
    """Standard error without what the leak check of a sanitizer says about a thread that is about to end."""
    return re.sub(r"==\d+==Unable to get registers from thread \d+\.\n", "", text)


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class NodeCase(unittest.TestCase):
    """One stand-in for each class, a new node for each test."""

    hurries = False  # after start_with_clock(): get() lets time pass while the daemon pauses between its tries

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="podlogin-test-")
        cls.standin = Standin(STANDIN, os.path.join(cls.root, "standin"))

    @classmethod
    def tearDownClass(cls):
        cls.standin.stop()
        shutil.rmtree(cls.root, ignore_errors=True)

    def setUp(self):
        self.standin.fault_upstream()
        self.standin.fault_issuer()
        self.standin.policies("allow-all")
        self.standin.admissions("default")
        self.standin.configure_upstream(expires_in=7200, token_bytes=0)
        self.standin.revoke()
        self.standin.keys_document()
        self.standin.discovery_document()
        self.standin.reset_counts()
        self.node = Node(tempfile.mkdtemp(dir=self.root), self.standin)
        self.clock = None
        self.addCleanup(self.end_node)

    def end_node(self):
        if self.node.process:
            code = self.node.stop()
            self.assertEqual(code, 0, f"podlogind ended with {code}:\n{self.node.log()}")
        self.assertNotIn("Sanitizer", self.node.log())
        self.assertNotIn("runtime error", self.node.log())

    def start_with_clock(self, **variables):
        """Starts the daemon with clocks of its own: self.clock.turn() lets time pass for it."""
        self.clock = self.clock or Preload(self.node.directory / "preload")
        self.node.start(**self.clock.environment(PODLOGIND), **variables)

    def turn_until(self, condition, step_s, what="the condition"):
        """Lets time pass step by step until the condition holds."""
        def holds_or_turns():
            if condition():
                return True
            self.clock.turn(step_s)
            time.sleep(0.05)  # for what begins now
            return False
        wait_for(holds_or_turns, what=what)

    def mint(self, **order):
        order.setdefault("namespace", "ci")
        order.setdefault("serviceaccount", "pulumi-runner")
        order.setdefault("audience", [AUDIENCE])
        return self.standin.mint(**order)

    def exchanges(self):
        return self.standin.counts()["exchanges"]

    def get(self, jwt, *arguments):
        """Runs `podlogin token --json` with this token. Returns (exit code, answer or None, error)."""
        process = self.node.spawn("token", "--json", *arguments, token_file=self.node.jwt_file(jwt))
        # together much less than the time that the exchanger has for a job
        for _ in range(8 if self.hurries else 0):
            try:
                process.wait(0.04)
                break
            except subprocess.TimeoutExpired:
                self.clock.turn(0.5)
        (code, out, error), = wait_all([process])
        return code, json.loads(out) if code == 0 else None, error

    def assert_served(self, jwt, *arguments):
        code, answer, error = self.get(jwt, *arguments)
        self.assertEqual(code, 0, f"{error}\n{self.node.log()}")
        return answer

    def assert_refused(self, name, code, jwt, *arguments):
        """Asserts the name, the exit code and the form of a refusal: one line, without the token. Returns it."""
        got, _, error = self.get(jwt, *arguments)
        self.assertIn(f": {name}: ", error)
        self.assertEqual(got, code, error)
        self.assertEqual(error.count("\n"), 0)
        self.assertNotIn(jwt, error)
        return error


def wait_for(condition, timeout_s=60.0, what="the condition"):
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout_s} s")
        time.sleep(0.01)


def wait_all(processes, timeout_s=90):
    """Returns (exit code, output, error) of each process, in order."""
    results = []
    for process in processes:
        out, error = process.communicate(timeout=timeout_s)
        results.append((process.returncode, out.strip(), error.strip()))
    return results


def scale(small, full):
    """How much a test does: `./dev soak` sets $PODLOGIN_SCALE=full."""
    return full if os.environ.get("PODLOGIN_SCALE") == "full" else small
