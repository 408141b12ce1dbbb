"""docs/examples: programs in C that are built with pkg-config, the Python module and the Go package, at work."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from node import PODLOGIN, NodeCase, wait_for
from prefix import SANITIZERS, Prefix
from wrong_server import TOKEN, WrongServer, token

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
EXAMPLES = SOURCE / "docs/examples"
GO = shutil.which("go", path=os.pathsep.join([os.environ["PATH"], "/usr/local/go/bin"]))


def go_is_new_enough():
    if not GO or "HOME" not in os.environ:
        return False
    text = subprocess.run([GO, "version"], capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.findall(r"go(\d+)\.(\d+)", text)[0])) >= (1, 21)


# A program of the upstream: the token in the file is refused.
TOOL = ["sh", "-c", '[ "$PULUMI_ACCESS_TOKEN" != "$(cat "$0")" ] || exit 77; printf %s "$PULUMI_ACCESS_TOKEN"']


class Case(NodeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = Prefix(tempfile.mkdtemp(dir=cls.root))

    def setUp(self):
        super().setUp()
        self.start_with_clock()
        self.jwt = self.mint()
        self.token_file = self.node.jwt_file(self.jwt)
        self.variables = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file), PODLOGIN_TIMEOUT="60s")

    def reject(self, token):
        """Has the daemon replace the token, which is then old enough."""
        self.clock.turn(31)
        result = subprocess.run([PODLOGIN, "token", "--rejected"], input=token, text=True,
                                capture_output=True, env=self.variables, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.strip()


class C(Case):
    def build(self, name):
        return self.prefix.build(self.node.directory / name, EXAMPLES / f"c/{name}.c", "-std=gnu99", "-pedantic")

    def run_example(self, name, *arguments, **variables):
        result = subprocess.run([self.build(name), *arguments], env={**self.variables, **variables}, text=True,
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=90, check=False)
        self.assertNotIn("Sanitizer", result.stderr)
        return result

    def test_login_is_the_program_of_the_manual(self):
        result = self.run_example("login")
        self.assertEqual((result.returncode, result.stdout), (0, "a token of type token\n"), result.stderr)
        page = (SOURCE / "docs/man/libpodlogin.3").read_text().replace("\\en", "\\n")
        self.assertIn(f".Bd -literal\n{(EXAMPLES / 'c/login.c').read_text()}.Ed\n", page)

    def test_retry_while_the_upstream_is_not_available(self):
        self.standin.fault_upstream(kind="status", status=503, times=4)
        result = self.run_example("retry", "pulumi", *TOOL, "/dev/null")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(self.standin.issued(result.stdout))
        self.assertRegex(result.stderr, r"^(retry: the upstream is unavailable; .*\n)+$")

    def test_retry_does_not_repeat_what_stays_refused(self):
        self.token_file.write_text(self.mint(namespace="prod"))
        result = self.run_example("retry", "pulumi", *TOOL, "/dev/null")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr.count("retry: "), 1, result.stderr)

    def test_retry_with_another_token_if_the_first_is_refused(self):
        first = self.run_example("retry", "pulumi", *TOOL, "/dev/null").stdout
        refused = self.node.directory / "refused"
        refused.write_text(first)
        self.clock.turn(31)
        result = self.run_example("retry", "pulumi", *TOOL, refused)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn(result.stdout, ("", first))
        self.assertEqual(self.exchanges(), 2)

    def test_watch_prints_each_token_until_it_is_ended(self):
        first = self.get(self.jwt)[1]["token"]
        with subprocess.Popen([self.build("watch"), "pulumi"], env=self.variables, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            self.addCleanup(process.kill)
            self.assertRegex(process.stdout.readline(), r"^a token from cache, valid until \d+\n$")
            self.reject(first)
            self.assertRegex(process.stdout.readline(), r"^a token from \w+, valid until \d+\n$")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.communicate(timeout=60), ("", ""))
            self.assertEqual(process.returncode, 0)

    def test_watch_can_be_ended_while_it_logs_in(self):
        self.node.stop()
        with subprocess.Popen([self.build("watch"), "pulumi"], env=self.variables, stderr=subprocess.PIPE,
                              text=True) as process:
            self.addCleanup(process.kill)
            state = pathlib.Path(f"/proc/{process.pid}/status")
            wait_for(lambda: int(re.search(r"SigBlk:\s*(\w+)", state.read_text())[1], 16) & 1 << signal.SIGTERM - 1)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.communicate(timeout=60), (None, "watch: the caller has cancelled the call\n"))
            self.assertEqual(process.returncode, 0)


PYTHON = """
import json, os, signal, subprocess, sys, threading
import podlogin

def show(**values):
    print(json.dumps(values), flush=True)
"""


@unittest.skipIf(SANITIZERS, "the program would need the sanitizer's runtime")
class Python(Case):
    def start(self, code, *arguments, **variables):
        return subprocess.Popen(
            [sys.executable, "-c", PYTHON + code, *arguments], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**self.variables, "PYTHONPATH": str(EXAMPLES / "python"), "PYTHONDONTWRITEBYTECODE": "1",
                 "LD_LIBRARY_PATH": str(self.prefix.library), **variables})

    def run_code(self, code, *arguments, **variables):
        with self.start(code, *arguments, **variables) as process:
            out, error = process.communicate(timeout=90)
        self.assertEqual((process.returncode, error), (0, ""))
        return json.loads(out)

    def test_a_token_and_its_environment(self):
        result = self.run_code("""
with podlogin.Login("pulumi") as login:
    login.wait()
    token = login.token()
    environment = token.environ({"PULUMI_ACCESS_TOKEN": "old", "KEPT": "1"})
    show(value=token.value, type=token.type, source=token.source, expires=token.expires_at, text=f"{token!r} {token}",
         variables=token.variables, environment=environment, directory=token.directory,
         files=sorted(token.files))
""")
        self.assertTrue(self.standin.issued(result["value"]))
        self.assertEqual((result["type"], result["source"]), ("token", "exchange"))
        self.assertNotIn(result["value"], result["text"])
        self.assertIn("'token' from exchange", result["text"])
        self.assertEqual(result["variables"]["PULUMI_ACCESS_TOKEN"], result["value"])
        self.assertEqual(result["environment"], {"KEPT": "1", **result["variables"]})
        self.assertRegex(result["directory"], r"^PULUMI_CREDENTIALS_PATH=\w+$")
        self.assertEqual(result["files"], ["credentials.json"])

    def test_variables_that_are_not_kept(self):
        self.node.stop()
        with WrongServer(self.node.socket, lambda request: token(request, attributes=["B=2"], unset=["C"])):
            result = self.run_code("""
show(**podlogin.Login().token().environ(dict.fromkeys("ABC", "old")))
""")
        self.assertEqual(result, {"A": "old", "B": "2", "PULUMI_ACCESS_TOKEN": TOKEN.decode()})

    def test_an_error_says_what_it_is(self):
        self.token_file.write_text(self.mint(namespace="prod"))
        result = self.run_code("""
try:
    podlogin.Login("pulumi").token()
except podlogin.Error as error:
    show(status=error.status, name=error.name, retry_after=error.retry_after, text=str(error))
""")
        self.assertEqual((result["status"], result["name"], result["retry_after"]), (30, "POLICY_DENIED", 0))
        self.assertIn("rules do not admit", result["text"])
        self.token_file.write_text(self.jwt)
        self.standin.fault_upstream(kind="status", status=503)
        result = self.run_code("""
try:
    podlogin.Login("pulumi", timeout=5).token()
except podlogin.Error as error:
    show(status=error.status, retry_after=error.retry_after)
try:
    podlogin.Login("no/name")
except podlogin.Error as error:
    assert error.status is podlogin.Status.BAD_ARGUMENT
login = podlogin.Login("pulumi")
login.close()
try:
    login.token()
except ValueError:
    pass
""")
        self.assertEqual(result["status"], 41)
        self.assertGreater(result["retry_after"], 0)

    def test_the_identity(self):
        result = self.run_code("""
me = podlogin.Login().whoami()
show(**vars(me))
""")
        self.assertEqual(result["subject"], "system:serviceaccount:ci:pulumi-runner")
        self.assertEqual((result["namespace"], result["services"]), ("ci", ["pulumi"]))

    def test_a_watch_and_a_rejection(self):
        with self.start("""
login = podlogin.Login("pulumi")
token = login.token()
watch = login.watch(token)
while token.value and watch.poll():
    pass
show(value=token.value)
sys.stdin.readline()
other = login.reject(token)
show(value=other.value)
following = next(watch)
assert following.value == other.value and isinstance(watch.fileno(), int)
login.close()
""") as process:
            self.addCleanup(process.kill)
            first = json.loads(process.stdout.readline())["value"]
            self.clock.turn(31)
            out, error = process.communicate("\n", timeout=60)
        self.assertEqual((process.returncode, error), (0, ""))
        self.assertNotEqual(json.loads(out)["value"], first)
        self.assertEqual(self.exchanges(), 2)

    def test_a_call_is_cancelled(self):
        self.node.stop()
        result = self.run_code("""
readable, writable = os.pipe()
login = podlogin.Login("pulumi", cancel_fd=readable)
threading.Timer(0.1, os.write, (writable, b"x")).start()
try:
    login.token()
except podlogin.Error as error:
    show(name=error.name)
""")
        self.assertEqual(result["name"], "CANCELLED")

    def test_threads_share_a_login(self):
        result = self.run_code("""
login = podlogin.Login("pulumi")
values = []
threads = [threading.Thread(target=lambda: values.extend(login.token().value for _ in range(50))) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
show(n=len(values), different=len(set(values)))
""")
        self.assertEqual(result, {"n": 400, "different": 1})

    def test_its_statuses_are_those_of_the_library(self):
        header = (SOURCE / "protocol/podlogin-status.h").read_text()
        expected = {name: int(number) for name, number in re.findall(r"PODLOGIN_(\w+) = (\d+)", header)}
        self.assertEqual(self.run_code("show(**{status.name: status.value for status in podlogin.Status})"), expected)


@unittest.skipUnless(go_is_new_enough(), "needs go 1.21")
class Go(Case):
    def go(self, *arguments):
        """Go keeps what it has compiled in the cache of the user, since that takes a minute."""
        result = subprocess.run(
            [GO, *map(str, arguments)], cwd=EXAMPLES / "go", capture_output=True, text=True, timeout=240, check=False,
            env={**os.environ, "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_it_is_vetted_and_its_tests_pass(self):
        self.go("vet", "./...")
        formatted = subprocess.run([pathlib.Path(GO).parent / "gofmt", "-l", EXAMPLES / "go"], capture_output=True, text=True,
                                   check=True)
        self.assertEqual(formatted.stdout, "")
        self.assertIn("ok ", self.go("test", "-count=1", "./..."))

    def test_it_works_with_the_daemon(self):
        program = self.node.directory / "token"
        self.go("build", "-o", program, "./cmd/token")
        for arguments, expected in (((), r"^system:serviceaccount:ci:pulumi-runner \[pulumi\]\n$"), (["pulumi"], r"^pul-\S+\n$")):
            result = self.run_go(program, *arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertRegex(result.stdout, expected)
        self.assertTrue(self.standin.issued(result.stdout.strip()))
        result = self.run_go(program, "other")
        self.assertEqual((result.returncode, result.stdout), (77, ""))
        self.assertRegex(result.stderr, r"^podlogin: UNKNOWN_SERVICE.*\n$")
        result = self.run_go(program, "pulumi", PODLOGIN_SERVER_UID=str(os.getuid() + 1))
        self.assertEqual((result.returncode, result.stdout), (77, ""))
        self.assertIn("UNTRUSTED_SERVER", result.stderr)
        self.assert_waits(program)
        self.assert_follows(program)

    def assert_waits(self, program):
        """The daemon begins after the client."""
        self.node.stop()
        with subprocess.Popen([program, "pulumi"], env=self.variables, stdout=subprocess.PIPE, text=True) as process:
            self.start_with_clock()
            self.assertRegex(process.communicate(timeout=60)[0], r"^pul-\S+\n$")

    def assert_follows(self, program):
        """A watch prints the token that replaces a rejected one."""
        with subprocess.Popen([program, "-watch", "pulumi"], env=self.variables, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            self.addCleanup(process.kill)
            first = process.stdout.readline()
            self.clock.turn(31)
            other = self.run_go(program, "-rejected", "pulumi", input=first)
            self.assertEqual(other.returncode, 0, other.stderr)
            self.assertNotEqual(other.stdout, first)
            self.assertEqual(process.stdout.readline(), other.stdout)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.communicate(timeout=60), ("", ""))
            self.assertEqual(process.returncode, 0)

    def run_go(self, program, *arguments, input="", **variables):
        return subprocess.run([program, *arguments], env={**self.variables, **variables}, text=True, input=input,
                              capture_output=True, timeout=60, check=False)


if __name__ == "__main__":
    unittest.main()
