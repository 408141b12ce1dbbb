"""The static command from exec to exit, by turns with an empty program of musl, curl at a Unix socket, and the Pulumi
CLI; and what each option that hardens it costs."""

import contextlib
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import tempfile
import threading

import rig
from rig import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATIC = pathlib.Path(os.environ.get("PODLOGIN_STATIC", ROOT / "build-musl/module/podlogin"))
MACHINE = platform.machine()
CURL_BODY = b"x" * rig.TOKEN_BYTES
# What hardens the command, and the options of compiler and linker that take it away.
HARDENING = (("variables begin as zero", "-ftrivial-auto-var-init=uninitialized", ""),
             ("functions check their stack", "-fno-stack-protector", ""),
             ("any address (static PIE)", "-fno-pie", "-static -no-pie"),
             ("relocated data is read-only (RELRO)", "", "-Wl,-z,norelro"))


def small_of(built):
    """The same with a few commands only."""
    return pathlib.Path(f"{built.parents[1]}-small", "module/podlogin")


def unavailable(static=STATIC):
    """Why the command cannot be measured, or None."""
    if not static.exists():
        return "./dev static has not built it"
    if not pathlib.Path(f"/usr/lib/{MACHINE}-linux-musl/libc.a").exists():
        return "musl-dev is not installed"
    return None


def empty_program(directory):
    source, program = directory / "empty.c", directory / "empty"
    source.write_text("int main(void)\n{\n    return 0;\n}\n")
    result = subprocess.run(["gcc", "-Os", "-static", "-no-pie", "-s", f"-B/usr/lib/{MACHINE}-linux-musl", source,
                             "-o", program], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"the empty program: {result.stderr.strip()[-300:]}")
    return program


@contextlib.contextmanager
def answering(path):
    """An HTTP server at a Unix socket that does nothing but answer with a token's length of bytes."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(CURL_BODY), CURL_BODY)

    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class Spawner:
    """Runs programs by turns on one CPU with the daemon."""

    def __init__(self, the_rig, node, jwt):
        self.node = node
        self.directory = the_rig.directory
        self.environment = {**node.environment(PODLOGIN_TOKEN_FILE=str(jwt)), "HOME": str(self.directory),
                            "PULUMI_SKIP_UPDATE_CHECK": "true"}
        self.empty = empty_program(self.directory)

    def medians(self, runs, *commands):
        """The median of each command from exec to exit, in µs, after that of the empty program."""
        cpu = {max(os.sched_getaffinity(0))}
        rig.pin(self.node.process.pid, cpu)
        times = rig.spawn(runs, [self.empty], *commands, env=self.environment,
                          preexec_fn=lambda: os.sched_setaffinity(0, cpu))
        rig.pin(self.node.process.pid, os.sched_getaffinity(0))
        return [each["p50_us"] for each in times]

    def program(self, built, name):
        """A copy of its own: by another name than podlogin, the command would be a shim."""
        path = self.directory / name / "podlogin"
        path.parent.mkdir()
        shutil.copy(built, path)
        return path


def beside(spawner, runs, static, name, command):
    """A sentence about the command beside another one, in a run of their own."""
    empty, ours, other = spawner.medians(runs, [static, "token"], command)
    return (f"`{name}` takes {other / ours:,.1f}x as long, {other / empty:,.0f}x the empty program "
            f"({other:,.0f} µs to {ours:,.0f} and {empty:,.0f}; {runs} runs).")


def measure(the_rig, node, jwt, runs, built=STATIC):
    """Returns (bytes, ratio to the empty program, [sentences])."""
    spawner = Spawner(the_rig, node, jwt)
    static = spawner.program(built, f"static-{node.directory.name}")
    size = static.stat().st_size
    programs = [static]
    if small_of(built).exists():
        programs.append(spawner.program(small_of(built), f"small-{node.directory.name}"))
    empty, ours, *small = spawner.medians(runs, *([each, "token"] for each in programs))
    sentences = [f"`podlogin token`, static: {size} bytes, {ours:.0f} µs from exec to exit on one CPU with the daemon, "
                 f"an empty program {empty:.0f} µs; medians of {runs} runs by turns."]
    for us in small:
        sentences.append(f"The same with the commands `token` and `exec` only: {programs[1].stat().st_size} bytes, "
                         f"{us:.0f} µs, {us / empty:.2f}x the empty program.")
    if curl := shutil.which("curl"):
        path = static.parent / "http.sock"
        with answering(path):
            sentences.append(beside(spawner, runs, static, "curl --unix-socket", [
                curl, "--silent", "--fail", "--unix-socket", str(path), "http://localhost/token"]))
    if pulumi := shutil.which(os.environ.get("PULUMI", "pulumi")):
        sentences.append(beside(spawner, max(2, runs // 20), static, "pulumi version", [pulumi, "version"]))
    return size, ours / empty, sentences


@contextlib.contextmanager
def variant(program, options, link_options):
    """The program with further options, built by the commands of its own build."""
    built = program.parents[1].absolute()
    commands = subprocess.run(["ninja", "-C", built, "-t", "commands", "module/podlogin"], capture_output=True,
                              text=True, check=True).stdout.splitlines()
    with tempfile.TemporaryDirectory(prefix="build-", dir=built.parent) as copy:  # the commands have relative paths
        shutil.copytree(built, copy, symlinks=True, dirs_exist_ok=True)
        for each in commands:
            further = options if " -c " in each else link_options if " -o " in each else ""
            subprocess.run(f"{each} {further}", shell=True, cwd=copy, check=True)
        yield pathlib.Path(copy, "module/podlogin")


def measure_hardening(the_rig, node, jwt, runs):
    """Tables of what each option adds to the ones above it, in size and in time."""
    spawner = Spawner(the_rig, node, jwt)
    programs = {"all commands": STATIC, "`token` and `exec` only": small_of(STATIC)}
    return "\n\n".join(hardening_table(spawner, runs, *each) for each in programs.items() if each[1].exists())


def hardening_table(spawner, runs, title, program):
    names = ["nothing of it", *(name for name, _, _ in HARDENING), "constants apart from code"]
    programs = []
    for i in range(len(names)):
        off = HARDENING[i:]
        link_options = [*(option for _, _, option in off), *(["-Wl,-z,separate-code"] if i > len(HARDENING) else [])]
        with variant(program, " ".join(option for _, option, _ in off), " ".join(link_options)) as built:
            programs.append(spawner.program(built, f"{program.parents[1].name}-{i}"))
    empty, *times = spawner.medians(runs, *([each, "token"] for each in programs))
    rows = [f"| {name} | {each.stat().st_size:,} | {us:.0f} µs | {us / empty:.2f}x |"
            for name, each, us in zip(names, programs, times)]
    return "\n".join([f"| {title}, with | bytes | exec to exit | to the empty program |", "|---|---|---|---|", *rows])
