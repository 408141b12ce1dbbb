#!/usr/bin/env python3
"""The provider exec: programs of an administrator that answer, hang, print too much, print garbage, fail, fork and stay.

Each program is a script that the test writes. All that it starts has the script's path in its arguments or its
environment, so that what is left behind is found in /proc."""
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from exchangers import Exchangers
from node import AUDIENCE, EXCHANGER, PODLOGINCTL, PODLOGIND, NodeCase, children, wait_all, wait_for
from raw_server import RawServer, http
from seccomp import forbid

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
SERVICE = """[Service]
Provider=exec
Issuer=eks
Audience=urn:pulumi:org:acme

[Exec]
Command={command}
ReadPaths={read}
{settings}

[Allow "all"]
sub=*
"""
LANDLOCK = (444, 445, 446)  # on all architectures
HAS_SANITIZER = b"__asan" in pathlib.Path(PODLOGIND).read_bytes()
GOOD = json.dumps({"access_token": "secret-0123456789", "token_type": "Bearer", "expires_in": 3600})


def has_landlock(version):
    return ctypes.CDLL(None, use_errno=True).syscall(444, 0, 0, 1) >= version


def processes_with(marker):
    """The processes that have @marker in their arguments, but those of the daemon and of this test."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in arguments:
            found.append((int(entry.name), arguments))
    return found


class ExecCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.programs = self.node.directory / "programs"
        self.programs.mkdir()

    def program(self, text, name="exec", settings="", arguments="", interpreter=sys.executable, read=""):
        """Writes a program, and a service of its name that has it."""
        path = self.programs / name
        path.write_text(f"#!{interpreter}\n{text}\n")
        path.chmod(0o755)
        self.node.write(f"services.d/{name}.conf",
                        SERVICE.format(command=f"{path} {arguments}".strip(), settings=settings,
                                       read=f"{sys.base_prefix} {read}".strip()))
        return path

    def tearDown(self):
        self.assertEqual(processes_with(str(self.programs)), [])
        super().tearDown()

    def ask(self, jwt=None, *arguments):
        return self.get(jwt or self.mint(), "exec", *arguments)

    def assert_answer(self, **expected):
        code, answer, error = self.ask()
        self.assertEqual(code, 0, f"{error}\n{self.node.log()}")
        self.assertEqual({name: answer.get(name) for name in expected}, expected)
        return answer


    def assert_fails(self, name, code, sentence, service="exec"):
        self.assertIn(sentence, self.assert_refused(name, code, self.mint(), service))

    def assert_all_fail(self, cases):
        """Asks all of (program, settings, refusal) at once; each is a service, so it has a circuit breaker of its own."""
        for i, (text, settings, _) in enumerate(cases):
            self.program(text, name=f"exec-{i}", settings=settings)
        self.node.start()
        jwt_file = self.node.jwt_file(self.mint())
        results = wait_all([self.node.spawn("token", f"exec-{i}", "--timeout", "60s", token_file=jwt_file)
                            for i in range(len(cases))])
        for (text, _, (name, code, sentence)), (got, _, error) in zip(cases, results):
            with self.subTest(text):
                self.assertIn(f": {name}: ", error)
                self.assertIn(sentence, error)
                self.assertEqual(got, code, error)

    def runs(self):
        """Whether something of the program runs."""
        return bool(processes_with(str(self.programs)))


class Answers(ExecCase):
    def test_a_program_exchanges_a_token(self):
        """It reads the JWT on its standard input, and neither in its arguments nor in its environment."""
        self.program(f"""import json, os, sys
request = json.load(sys.stdin)
jwt = request["subject_token"]
assert jwt.count(".") == 2 and request["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt", request
environment = open("/proc/self/environ").read()
assert jwt not in environment and jwt not in open("/proc/self/cmdline").read()
assert sorted(os.environ) == ["LANG", "PATH"], sorted(os.environ)
assert os.getcwd() == "/" and os.getsid(0) == os.getpid() and sys.argv[1:] == ["--for", "*"], sys.argv
assert sorted(map(int, os.listdir("/proc/self/fd")))[:4] == [0, 1, 2, 3]  # the last is that of this directory
print({GOOD!r})""", arguments="--for  *")
        self.node.start(PODLOGIN_TEST_SECRET="nothing of the daemon's environment")
        self.assert_answer(token="secret-0123456789", token_type="Bearer")

    def test_it_is_called_once_for_a_service_account(self):
        counter = self.programs / "calls"
        self.program(f"open({str(counter)!r}, 'a').write('x'); print({GOOD!r})", settings=f"ReadWritePaths={self.programs}")
        self.node.start()
        for _ in range(3):
            self.assert_answer(token="secret-0123456789")
        self.assertEqual(counter.read_text(), "x")

    def test_further_variables_are_those_that_the_settings_name(self):
        answer = {"access_token": "t0ken", "expires_at": int(time.time()) + 600,
                  "variables": {"CI_URL": "https://ci.example/?a=b c", "CI_USER": "ci"}}
        self.program(f"print({json.dumps(answer)!r})",
                     settings="EnvironmentVariable=CI_TOKEN\nVariables=CI_URL CI_USER CI_REALM")
        self.node.start()
        jwt_file = self.node.jwt_file(self.mint())
        result = self.node.podlogin("exec", "exec", "--", "env", token_file=jwt_file, CI_REALM="of the job")
        self.assertEqual(result.returncode, 0, result.stderr)
        environment = dict(line.split("=", 1) for line in result.stdout.splitlines())
        self.assertEqual({name: environment[name] for name in ("CI_TOKEN", "CI_URL", "CI_USER")},
                         {"CI_TOKEN": "t0ken", "CI_URL": "https://ci.example/?a=b c", "CI_USER": "ci"})
        self.assertNotIn("CI_REALM", environment)

    def test_a_variable_that_the_settings_do_not_name_is_refused(self):
        answer = {"access_token": "t0ken", "expires_in": 60, "variables": {"OTHER": "x"}}
        self.program(f"print({json.dumps(answer)!r})", settings="Variables=CI_URL")
        self.node.start()
        self.assert_fails("UPSTREAM_PROTOCOL", 75, "the output sets a variable that Variables= does not name")

    def test_an_answer_that_no_client_can_receive(self):
        """Each part has a valid size, but all together are more than an answer may have."""
        names = [f"CI_{i}" for i in range(8)]
        answer = {"access_token": "t" * 16384, "expires_in": 60, "variables": {name: "v" * 4000 for name in names}}
        self.program(f"print({json.dumps(answer)!r})", settings=f"Variables={' '.join(names)}")
        self.node.start()
        self.assert_fails("UPSTREAM_PROTOCOL", 75, "the token and its variables have more than 32768 bytes")

    def test_each_way_to_fail_is_an_error_of_its_own(self):
        said = json.dumps({"error": "invalid_grant", "error_description": "not you"})
        self.assert_all_fail([(text, "", (name, code, sentence)) for text, name, code, sentence in (
                ("raise SystemExit(75)", "UPSTREAM_UNAVAILABLE", 75, "the program ended with status 75"),
                ("raise SystemExit(77)", "UPSTREAM_REFUSED", 77, "the program ended with status 77"),
                (f"print({said!r}); raise SystemExit(77)", "UPSTREAM_REFUSED", 77, "status 77: invalid_grant: not you"),
                (f"print({said!r})", "UPSTREAM_REFUSED", 77, "status 0: invalid_grant: not you"),
                (f"print({said!r}); raise SystemExit(1)", "UPSTREAM_REFUSED", 77, "status 1: invalid_grant: not you"),
                ("raise SystemExit(78)", "UPSTREAM_REFUSED", 77, "the program ended with status 78"),
                ("raise SystemExit(1)", "UPSTREAM_UNAVAILABLE", 75, "the program ended with status 1"),
                ("raise SystemExit(255)", "UPSTREAM_UNAVAILABLE", 75, "the program ended with status 255"),
                ("import os; os.kill(os.getpid(), 11)", "UPSTREAM_UNAVAILABLE", 75, "was killed by signal 11"),
                ("print('hello')", "UPSTREAM_PROTOCOL", 75, "the output of the program is not a JSON object"),
                ("", "UPSTREAM_PROTOCOL", 75, "the output of the program is not a JSON object"),
                ("print('{}')", "UPSTREAM_PROTOCOL", 75, "no valid access_token"),
                ("import os; os.write(1, os.urandom(5000))", "UPSTREAM_PROTOCOL", 75, "is not a JSON object"),
                ("print('x' * 65537)", "UPSTREAM_PROTOCOL", 75, "the program printed more than 65536 bytes"),
                ("while True: print('x' * 1000)", "UPSTREAM_PROTOCOL", 75, "printed more than 65536 bytes"),
        )])

    def test_a_program_that_cannot_be_executed_is_told(self):
        path = self.program("")
        self.node.start()
        for why, change in (("No such file or directory", path.unlink),
                            ("Permission denied", lambda: path.write_text("#!/bin/sh\n")),
                            ("Exec format error", lambda: (path.write_text("x"), path.chmod(0o755)))):
            change()
            self.assert_fails("UPSTREAM_REFUSED", 77, f"Command= cannot be executed: {why}")


# What a process does that wants to stay: no signal that can be ignored ends it. It is found by the program's path.
STAY = f"""import os, signal, subprocess, sys, time
def stay(*commands):
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    while True:
        time.sleep(60)
def answer():
    print({GOOD!r}, flush=True)
def close():
    for fd in (0, 1, 2):
        os.close(fd)
def fork():
    return os.fork() == 0
"""


class Stayers(ExecCase):
    """Programs that do not end, or leave something behind. What they started is gone when the answer is there."""

    HANGS = ("UPSTREAM_UNAVAILABLE", 75, "the program did not end within 1 s")
    LEAVES = ("UPSTREAM_PROTOCOL", 75, "the program left a process behind, which was killed after 1 s")

    def test_programs_that_stay(self):
        self.assert_all_fail([(STAY + text, "Timeout=1s", refusal) for text, refusal in (
                ("time.sleep(60)", self.HANGS),
                ("stay()", self.HANGS),
                ("answer(); stay()", self.HANGS),
                ("answer(); close(); stay()", self.HANGS),
                ("os.kill(os.getpid(), signal.SIGSTOP)", self.HANGS),
                ("while True: pass", self.HANGS),
                ("while True: sys.stderr.write('x' * 1000)", self.HANGS),
                ("os.dup2(2, 1)\nfor _ in range(3): fork()\nos.execv('/usr/bin/yes', ['yes', __file__])", self.HANGS),
                ("fork(); fork(); fork(); stay()", self.HANGS),
                ("if fork(): os.setsid()\nstay()", self.HANGS),
                ("if fork(): stay()\nanswer()", self.LEAVES),
                ("if fork(): time.sleep(60)\nanswer()", self.LEAVES),
                ("if fork(): close(); stay()\nanswer()", self.LEAVES),
                ("if fork():\n  os.setsid(); close()\n  if fork(): stay()\n  os._exit(0)\nanswer()", self.LEAVES),
                ("if fork():\n  for _ in range(50):\n    os.setsid() if os.getsid(0) != os.getpid() else None\n"
                 "    if not fork(): os._exit(0)\n  stay()\nanswer()", self.LEAVES),
                ("subprocess.Popen(['/usr/bin/setsid', '/bin/sh', '-c', 'while :; do sleep 9; done', __file__], stdin=-3, stdout=-3, stderr=-3)\n"
                 "answer()", self.LEAVES),
        )])
        self.assertFalse(self.runs())

    def test_what_ends_in_time_may_be_a_process_that_was_left(self):
        """A job lasts until all have ended, such as those of a pipeline."""
        self.program(STAY + "if fork(): time.sleep(0.3); os._exit(0)\nanswer()")
        self.node.start()
        self.assert_answer(token="secret-0123456789")
        self.assertFalse(self.runs())

    def test_sigterm_comes_first(self):
        self.program(STAY + """def on_term(*_):
    sys.stderr.write("ends\\n")
    sys.exit(75)
signal.signal(signal.SIGTERM, on_term)
time.sleep(60)""", settings="Timeout=1s")
        self.node.start()
        self.assert_fails(*self.HANGS)
        self.assertRegex(self.node.log(), r"program \S+: ends\n")

    def test_one_that_begins_processes_all_the_time(self):
        """Each ends as soon as it has started the next one; or all go on."""
        self.assert_all_fail([
            (STAY + "while True:\n  if not fork(): os._exit(0)", "Timeout=1s", self.LEAVES),
            (STAY + "close()\nfor _ in range(300):\n  fork()\n  time.sleep(0.01)\n"
             "  if len(os.listdir('/proc')) > 500: break\nstay()", "Timeout=1s", self.HANGS)])
        self.assertFalse(self.runs())

    def begin(self):
        """Begins an exchange that does not end. Returns the client."""
        started = self.programs / "started"
        self.program(STAY + f"if fork():\n  os.setsid()\n  if fork(): stay()\n  os._exit(0)\n"
                     f"open({str(started)!r}, 'w').close()\nstay()",
                     settings=f"Timeout=10s\nReadWritePaths={self.programs}")
        self.node.start()
        client = self.node.spawn("token", "exec", "--timeout", "60s", token_file=self.node.jwt_file(self.mint()))
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        wait_for(started.exists, what="the program")
        self.assertTrue(self.runs())
        return client

    def assert_ends(self):
        wait_for(lambda: not self.runs(), what="the end of all processes")

    def test_the_exchanger_is_killed(self):
        """The job goes to the next one, and what the first one has started is gone."""
        self.begin()
        before = [pid for pid, _ in processes_with(str(self.programs))]
        os.kill(self.node.exchanger_pid("programs"), signal.SIGKILL)
        wait_for(lambda: not set(before) & {pid for pid, _ in processes_with(str(self.programs))})
        self.node.stop()
        self.assert_ends()

    def test_a_supervisor_is_killed(self):
        self.begin()
        supervisor, = children(self.node.exchanger_pid("programs"))
        before = {pid for pid, _ in processes_with(str(self.programs))}
        os.kill(supervisor, signal.SIGKILL)
        wait_for(lambda: not before & {pid for pid, _ in processes_with(str(self.programs))}, what="their end")
        self.assertIn("the supervisor of a program was killed", self.node.log())

    def test_a_supervisor_is_killed_and_the_daemon_as_well(self):
        """The exchanger, which cannot see to it in between, outlives the daemon for this."""
        self.begin()
        exchanger = self.node.exchanger_pid("programs")
        supervisor, = children(exchanger)
        os.kill(exchanger, signal.SIGSTOP)
        os.kill(supervisor, signal.SIGKILL)
        self.node.kill()
        try:
            os.kill(exchanger, signal.SIGCONT)
        except ProcessLookupError:
            pass  # it was killed, too
        self.assert_ends()

    def test_the_daemon_is_killed(self):
        self.begin()
        self.node.kill()
        self.assert_ends()

    def test_the_daemon_is_stopped(self):
        self.begin()
        self.assertEqual(self.node.stop(), 0)
        self.assert_ends()


ATTACK = """import ctypes, json, os, resource, signal, socket
found = {}
def attempt(what, action):
    try:
        found[what] = repr(action())[:60]
    except OSError as error:
        found[what] = os.strerror(error.errno)
def call(number, *arguments):
    result = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result
def pids():
    pid, chain = os.getppid(), []
    while pid > 1 and len(chain) < 4:  # the supervisor, the exchanger, the starter, the daemon
        chain.append(pid)
        pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    return chain
for path in FILES:
    attempt(f"read {path}", lambda: open(path, "rb").read(1))
for pid in pids():
    for name in ("mem", "environ", "maps", "fd/0"):
        attempt(f"see {name} of {pid}", lambda: open(f"/proc/{pid}/{name}", "rb").read(1))
    attempt(f"signal {pid}", lambda: os.kill(pid, 0))
attempt("write /tmp", lambda: open("/tmp/podlogin-test-attack", "w"))
attempt("write its directory", lambda: open(DIRECTORY + "/x", "w"))
attempt("read its directory", lambda: os.listdir(DIRECTORY))
attempt("unshare", lambda: call({"x86_64": 272}.get(os.uname().machine, 97), 0x10000000))
attempt("io_uring", lambda: call(425, 1, ctypes.create_string_buffer(120)))
def limit(pid):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, resource.prlimit(pid, resource.RLIMIT_NOFILE))
for pid in pids():
    attempt(f"limit {pid}", lambda: limit(pid))
limit(0)
attempt("allowed read", lambda: open(ALLOWED + "/read", "rb").read())
attempt("allowed write", lambda: open(ALLOWED + "/read", "wb"))
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
for field in ("NoNewPrivs", "Seccomp", "CapEff", "CapPrm", "CapAmb"):
    found[field] = status[field].strip()
json.dump(found, open(RESULT, "w"))
"""


@unittest.skipUnless(has_landlock(6), "the kernel has no Landlock, or one that restricts no signals")
class Confinement(ExecCase):
    """What code that takes a program over can do, as the user of the daemon."""

    def test_it_reaches_nothing_of_the_daemon(self):
        allowed, result = self.node.directory / "allowed", self.node.directory / "result"
        allowed.mkdir()
        (allowed / "read").write_text("x")
        result.write_text("")
        files = [str(path) for path in (self.node.state / "cache.db", self.node.directory / "key/cache.key",
                                        self.node.etc / "podlogind.conf", "/etc/shadow")]
        self.program(f"FILES, DIRECTORY, ALLOWED, RESULT = {files!r}, {str(self.programs)!r}, {str(allowed)!r}, "
                     f"{str(result)!r}\n{ATTACK}\nprint({GOOD!r})",
                     settings=f"ReadWritePaths={result}", read=str(allowed))
        self.node.start()
        self.assert_answer(token="secret-0123456789")
        found = json.loads(result.read_text())
        self.assertEqual(found.pop("allowed read"), "b'x'")
        self.assertEqual({name: found.pop(name) for name in ("NoNewPrivs", "Seccomp", "CapEff", "CapPrm", "CapAmb")},
                         {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0" * 16, "CapPrm": "0" * 16, "CapAmb": "0" * 16})
        self.assertEqual(len(found), 4 + 4 * 6 + 6)
        for what, outcome in found.items():
            self.assertIn(outcome, ("Permission denied", "Operation not permitted", "Function not implemented"), what)

    def test_a_path_that_needs_no_rule_does_not_open_all_others(self):
        """A pipe belongs to no file system, and the kernel refuses a rule for it."""
        paths = ("/dev/stdin", "/proc/self/fd/1", "/proc/self/ns/net")
        for i, path in enumerate(paths):
            self.program(f"try: open({str(self.node.etc / 'podlogind.conf')!r})\n"
                         f"except PermissionError: print({GOOD!r})", name=f"exec-{i}", read=path)
        self.node.start()
        for i, path in enumerate(paths):
            with self.subTest(path):
                code, answer, error = self.get(self.mint(), f"exec-{i}")
                self.assertEqual((code, answer and answer["token"]), (0, "secret-0123456789"), error)


class OldKernel(ExecCase):
    def test_a_kernel_that_restricts_no_files_is_told(self):
        """Programs run, with what remains."""
        self.program(f"""status = open("/proc/self/status").read()
assert "NoNewPrivs:\\t1" in status and "Seccomp:\\t2" in status and "CapEff:\\t" + "0" * 16 in status, status
print({GOOD!r})""")
        self.node.start(preexec_fn=lambda: forbid(LANDLOCK, 38))
        self.assert_answer(token="secret-0123456789")
        self.assertIn("cannot restrict which files programs open: ", self.node.log())


USER = 64000  # who owns nothing


@unittest.skipIf(os.getuid(), "needs root, to start the exchanger as another user")
class AnotherUser(ExecCase):
    """The exchanger is started by a service manager, as a user of its own. The kernel separates it from the daemon."""

    def setUp(self):
        super().setUp()
        for path in (self.node.directory, pathlib.Path(self.root)):
            path.chmod(0o755)
        program = shutil.copy(EXCHANGER, self.node.directory)
        self.exchangers = Exchangers(self.node.directory / "exchangers", program, user=USER)
        self.addCleanup(self.exchangers.close)
        self.addCleanup(self.node.stop)  # before: they end with their connections
        for role in ("issuers", "upstreams", "programs"):
            self.exchangers.listen(role)

    def shell(self, text, **options):
        """A program that needs nothing of this test's Python."""
        return self.program(text, interpreter="/bin/sh", **options)

    def test_a_program_runs_as_that_user(self):
        self.shell("""request=$(cat)
read -r _ _ _ _ < /dev/null
cat KEY CACHE 2>&1 >/dev/null | sed 's/.*: //' >&2
printf '{"access_token":"uid-%s","expires_in":600}' "$(id -u)" """
                   .replace("KEY", str(self.node.directory / "key/cache.key"))
                   .replace("CACHE", str(self.node.state / "cache.db")))
        self.node.start(exchanger_sockets=self.exchangers.directory)
        self.assert_answer(token=f"uid-{USER}")

    def test_nothing_is_left_of_one_that_hangs(self):
        self.shell("(trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' \"$0\" &) &\nsleep 60",
                   settings="Timeout=1s")
        self.node.start(exchanger_sockets=self.exchangers.directory)
        self.assert_fails(*Stayers.HANGS)
        self.assertFalse(self.runs())

    def test_it_is_killed_with_its_connection(self):
        self.shell("setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' \"$0\" & sleep 60", settings="Timeout=10s")
        self.node.start(exchanger_sockets=self.exchangers.directory)
        client = self.node.spawn("token", "exec", token_file=self.node.jwt_file(self.mint()))
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        wait_for(lambda: len(processes_with(str(self.programs))) >= 2, what="the program")
        self.node.kill()
        wait_for(lambda: not self.runs(), what="the end of all processes")
        self.assertEqual(self.exchangers.processes["programs"][0].wait(30), 0)


class Administration(ExecCase):
    def test_the_exchanger_is_there_if_a_service_needs_it(self):
        self.node.start()
        roles = lambda: [each["role"] for each in json.loads(self.node.ctl("status", "--json").stdout)["exchangers"]]
        self.assertEqual(roles(), ["issuers", "upstreams"])
        self.assertIsNone(self.node.exchanger_pid("programs"))
        self.program(f"print({GOOD!r})")
        result = self.node.ctl("reload")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(roles(), ["issuers", "upstreams", "programs"])
        self.assert_answer(token="secret-0123456789")

    def test_explain_and_doctor_do_not_run_it(self):
        mark = self.programs / "ran"
        path = self.program(f"open({str(mark)!r}, 'w')", settings=f"ReadWritePaths={self.programs}", arguments="--for ci")
        self.node.start()
        explain = self.explain()
        self.assertIn(f"run {path} --for ci\n", explain.stdout)
        self.assertIn('"subject_token":"REDACTED"', explain.stdout)
        doctor = subprocess.run([PODLOGINCTL, "doctor", "--config", self.node.etc, "--exchanger", EXCHANGER, "--service", "exec"],
                                capture_output=True, text=True, check=False)
        self.assertRegex(doctor.stdout, rf"ok +upstream exec +{path} is there")
        path.chmod(0o644)
        doctor = subprocess.run(doctor.args, capture_output=True, text=True, check=False)
        self.assertIn("is not a program", doctor.stdout + doctor.stderr)
        self.assertFalse(mark.exists())

    def test_a_directory_in_which_others_can_replace_it(self):
        """That of the program, and the one to which a link leads."""
        self.program(f"print({GOOD!r})")

        def warnings():
            result = subprocess.run([PODLOGINCTL, "check-config", self.node.etc], capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 0, result.stderr)
            return re.findall(r"the directory (\S+) of the program can be written by others", result.stderr)
        self.assertEqual(warnings(), [])
        self.programs.chmod(0o777)
        self.assertEqual(warnings(), [str(self.programs)])
        link = self.node.directory / "link"
        link.symlink_to(self.programs / "exec")
        service = self.node.etc / "services.d/exec.conf"
        service.write_text(service.read_text().replace(f"Command={self.programs}/exec", f"Command={link}"))
        self.assertEqual(warnings(), [str(self.programs)])
        self.programs.chmod(0o755)
        self.assertEqual(warnings(), [])

    def explain(self):
        return subprocess.run([PODLOGINCTL, "explain", "--config", self.node.etc, "--exchanger", EXCHANGER,
                               "--service", "exec", "--token-file", self.node.jwt_file(self.mint())],
                              capture_output=True, text=True, check=False)


class Documentation(ExecCase):
    """The worked example of docs/upstreams.md, with another URL and another CA."""

    def start(self, answer):
        text = (SOURCE / "docs/upstreams.md").read_text()
        script = re.search(r"^```sh\n(#!/bin/sh\n.*?)^```", text, re.M | re.S)[1]
        service = re.search(r"^```ini\n(# /etc/podlogin/services.d/ci.conf\n.*?)^```", text, re.M | re.S)[1]
        server = RawServer(self.standin, answer)
        self.addCleanup(server.stop)
        program = self.programs / "ci-token"
        for old, new in (("/usr/local/libexec/ci-token", str(program)), ("https://ci.example.com/api/token", f"{server.url}/api/token"),
                         ("/etc/podlogin/ci-ca.pem", str(self.standin.ca)), ("https://ci.example.com", AUDIENCE),
                         ("serviceaccount.name=runner", "serviceaccount.name=pulumi-runner")):
            self.assertIn(old, script + service)
            script, service = script.replace(old, new), service.replace(old, new)
        program.write_text(script)
        program.chmod(0o755)
        self.node.write("services.d/ci.conf", service)
        self.node.start()
        return server

    def test_the_program_of_upstreams_md(self):
        server = self.start(lambda _: http('{"access_token":"t0ken","expires_in":900}'))
        jwt = self.mint()
        code, answer, error = self.get(jwt, "ci")
        self.assertEqual((code, answer["token"]), (0, "t0ken"), error + self.node.log())
        self.assertTrue(f"\nAuthorization: Bearer {jwt}" in server.requests[0].head.decode())

    def test_its_server_refuses(self):
        self.start(lambda _: http('{"error":"access_denied","error_description":"not you"}', "403 Forbidden"))
        self.assert_fails("UPSTREAM_REFUSED", 77, "status 22: access_denied: not you", service="ci")
        self.assertRegex(self.node.log(), r"program \S+/ci-token: curl: .*403")


class Many(ExecCase):
    def test_more_than_run_at_once(self):
        """40 accounts at a program that takes a while; 16 run at a time, and one is asked for all."""
        self.program(f"import time; time.sleep(0.2); print({GOOD!r})")
        self.node.start()
        files = [self.node.jwt_file(self.mint(serviceaccount=f"account-{i}"), f"token-{i}") for i in range(40)]
        results = wait_all([self.node.spawn("token", "exec", "--timeout", "60s", token_file=path) for path in files])
        self.assertEqual([(code, token) for code, token, _ in results], [(0, "secret-0123456789")] * 40, results)

    def test_those_that_hang_delay_no_other_kind_of_upstream(self):
        for i in range(20):
            self.program("import time; time.sleep(60)", name=f"exec-{i}", settings="Timeout=3s")
        self.node.start()
        jwt_file = self.node.jwt_file(self.mint())
        hanging = [self.node.spawn("token", f"exec-{i}", "--timeout", "60s", token_file=jwt_file) for i in range(20)]
        exchanger = self.node.exchanger_pid("programs")
        wait_for(lambda: len(children(exchanger)) == 16, what="16 programs")
        self.assertEqual(self.get_as("another")[0], 0)
        self.assertLessEqual(len(children(exchanger)), 16)
        self.assertEqual({code for code, _, _ in wait_all(hanging)}, {75})

    def get_as(self, account):
        """Asks for a token of Pulumi Cloud with a token file of its own."""
        process = self.node.spawn("token", "pulumi", token_file=self.node.jwt_file(self.mint(serviceaccount=account), account))
        return wait_all([process])[0]

    @unittest.skipIf(os.getuid() or HAS_SANITIZER, "needs root, to read the memory of processes that are not dumpable; a "
                     "sanitizer maps terabytes of it")
    def test_the_exchanger_never_holds_a_token(self):
        self.program(f"import sys; sys.stdin.read(); print({GOOD!r})")
        self.node.start()
        jwt = self.mint()
        self.assertEqual(self.ask(jwt)[0], 0)
        memory = memory_of(self.node.exchanger_pid("programs"))
        self.assertGreater(len(memory), 100000)
        self.assertNotIn(jwt.split(".")[2].encode(), memory)
        self.assertNotIn(b"secret-0123456789", memory)
        self.assertIn(jwt.split(".")[2].encode(), memory_of(self.node.process.pid))  # the test finds what is there


def memory_of(pid):
    """All that a process has in memory that can be written."""
    found = b""
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for begin, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.M):
            memory.seek(int(begin, 16))
            found += memory.read(int(end, 16) - int(begin, 16))
    return found


class Log(ExecCase):
    def test_standard_error_is_logged_without_secrets(self):
        self.program(f"""import json, sys
jwt = json.load(sys.stdin)["subject_token"]
print("I look for", jwt, file=sys.stderr)
for i in range(0, len(jwt), 30):
    print("part:", jwt[i:i + 30], file=sys.stderr)
print("got secret-0123456789", "\\x1b[31mred", file=sys.stderr)
print({GOOD!r})""")
        self.node.start()
        jwt = self.mint()
        self.assertEqual(self.ask(jwt)[0], 0)
        log = self.node.log()
        self.assertRegex(log, r"podlogin-exchanger\[\d+\]: program /\S+/exec: I look for \[\.\.\.\]\n")
        self.assertRegex(log, r"program \S+: got \[\.\.\.\] \?\[31mred\n|more lines are not shown")
        for i in range(len(jwt) - 20):
            self.assertNotIn(jwt[i:i + 20], log)
        self.assertNotIn("0123456789", log)

    def test_an_output_that_is_not_used_is_not_logged_either(self):
        """A token is one, whatever the program does next."""
        self.assert_all_fail([
            (f"import sys\nprint({GOOD!r}, flush=True)\nprint('got secret-0123456789', file=sys.stderr)\n{end}",
             "Timeout=1s", refusal) for end, refusal in (
                 ("raise SystemExit(1)", ("UPSTREAM_UNAVAILABLE", 75, "status 1")),
                 ("import time; time.sleep(60)", ("UPSTREAM_UNAVAILABLE", 75, "did not end")),
                 ("import os; os.kill(os.getpid(), 9)", ("UPSTREAM_UNAVAILABLE", 75, "signal 9")))])
        self.assertIn(": got [...]\n", self.node.log())
        self.assertNotIn("0123456789", self.node.log())

    def test_many_lines_are_cut(self):
        self.program(f"import sys\nfor i in range(100000): print('line', i, file=sys.stderr)\nprint({GOOD!r})")
        self.node.start()
        self.assertEqual(self.ask()[0], 0)
        self.assertEqual(self.node.log().count(": line "), 16)
        self.assertIn("/exec: more lines are not shown\n", self.node.log())


if __name__ == "__main__":
    unittest.main()
