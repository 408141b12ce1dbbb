"""What one load generator asks by turns: the daemon, the floor, and servers of others, which are started here, each in a
directory of its own, until they are closed."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import rig
from rig import Failure

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))

from exporter import free_port  # noqa: E402,F401

START_S = 60


class Unavailable(Exception):
    """The server cannot be measured here: its program is missing, does not start, or is not set up as we know it."""


class Target:
    """@where and what @framing bench-replay asks, with which @requests, after the @opening of each connection; every answer
    must contain what is @expected."""

    name = ""
    answer = ""  # what it answers, in words
    framing = "http"
    keeps_connections = True

    def __init__(self, the_rig, directory):
        self.rig, self.directory = the_rig, directory
        self.socket = directory / "s"
        self.where = ["--socket", self.socket]
        self.requests, self.opening, self.expected = [], b"", b""
        self._files = 0

    def file(self, content):
        self._files += 1
        path = self.directory / f"file-{self._files}"
        path.write_bytes(content)
        return path

    def load(self, *options, requests=None):
        """Asks with the requests, or with others."""
        lines = b"".join(struct.pack(">I", len(each)) + each for each in requests or self.requests)
        command = [rig.BENCH / "bench-replay", "--framing", self.framing, *self.where, "--requests", self.file(lines),
                   "--expect", self.file(self.expected), *options]
        if self.opening:
            command += ["--opening", self.file(self.opening)]
        return rig.run_json(list(map(str, command)))

    def pids(self):
        raise NotImplementedError

    def cpu_ns(self):
        return sum(rig.cpu_ns(pid) for pid in self.pids())

    def details(self, our_cpu_us):
        """Sentences about it, where a rate does not tell all; a new connection costs the daemon @our_cpu_us."""
        return []


class Server(Target):
    """A server of somebody else."""

    programs = ()  # that have to be on PATH

    def __init__(self, the_rig):
        missing = [program for program in self.programs if not find(program)]
        if missing:
            raise Unavailable(f"`{missing[0]}` is not on PATH")
        directory = the_rig.directory / self.name.replace(" ", "-").replace("'", "")
        directory.mkdir()
        super().__init__(the_rig, directory)
        self._processes = []
        try:
            self.start()
        except Failure as problem:
            self.close()
            raise Unavailable(str(problem)) from problem
        except BaseException:
            self.close()
            raise

    def start(self):
        raise NotImplementedError

    def spawn(self, *command, **variables):
        """Starts a process of the server; what it prints goes into its log."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), **variables}
        with open(self.directory / "log", "ab") as log:
            process = subprocess.Popen([find(command[0]), *map(str, command[1:])], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, env=environment, cwd=self.directory, start_new_session=True)
        self._processes.append(process)
        return process

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def wait(self, is_ready):
        """Waits until the server serves."""
        deadline = time.monotonic() + START_S
        while not is_ready():
            dead = [process for process in self._processes if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise Unavailable(f"it does not start: {' '.join(self.log().split())[-300:]}")
            time.sleep(0.02)

    def wait_for_socket(self):
        self.wait(lambda: can_connect(self.socket))

    def run(self, *command, given="", **variables):
        """Returns what a command of the server prints; it is @given standard input."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), **variables}
        done = subprocess.run([find(command[0]), *map(str, command[1:])], input=given, text=True, capture_output=True,
                              timeout=60, check=False, cwd=self.directory, env=environment)
        if done.returncode != 0:
            raise Unavailable(f"`{command[0]}` failed: {done.stderr.strip()[-300:]}")
        return done.stdout

    def check(self, request, expected):
        """Sends a request, and reads the answer until the expected bytes have come."""
        got = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.socket))
            connection.sendall(request)
            while expected not in got and (more := connection.recv(65536)):
                got += more
        if expected not in got:
            raise Failure(f"{self.name} answers {got[:200]!r}")

    def pids(self):
        return [pid for process in self._processes for pid in tree(process.pid)]

    def close(self):
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # it leads the group of what it has started
            process.wait()
        self._processes = []


def find(program):
    """Debian has servers where an ordinary user's PATH does not lead."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def can_connect(path):
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def tree(pid):
    """A process and its descendants."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def is_listening(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def http_request(path, body=b"", **headers):
    """A request of HTTP/1.1 on a connection that is kept: PUT with a body, else GET."""
    lines = [f"{'PUT' if body else 'GET'} {path} HTTP/1.1", f"Host: {headers.pop('host', 'localhost')}",
             *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

