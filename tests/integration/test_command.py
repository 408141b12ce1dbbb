"""The command and the library as a container sees them: options, variables, exit codes, links."""

import ctypes
import fcntl
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
import termios
import unittest

from node import BUILD, PODLOGIN, PODLOGIND, RUNTIME, NodeCase, wait_for

NO_MEMORY = BUILD / "tests/support/libno_memory.so"


def execute(arguments, environ):
    """execve() with an environment that may hold a name more than once, which a dict cannot."""
    def strings(items):
        return (ctypes.c_char_p * (len(items) + 1))(*map(os.fsencode, items), None)
    ctypes.CDLL(None).execve(os.fsencode(arguments[0]), strings(arguments), strings(environ))


def n_unread(pipe):
    """How many bytes are in the pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


class Command(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.token_file = self.node.jwt_file(self.mint(pod="job-1"))

    def run_ok(self, *arguments, **variables):
        result = self.node.podlogin(*arguments, token_file=self.token_file, **variables)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_token_prints_the_token_and_nothing_else(self):
        out = self.run_ok("token")
        self.assertRegex(out, r"^pul-[0-9a-f]+\.[A-Za-z0-9_-]+\n$")
        self.assertEqual(out, self.run_ok("token", "pulumi"))
        self.assertEqual(out, self.run_ok("token", "--service", "pulumi"))
        self.assertEqual(out, self.run_ok("token", PODLOGIN_SERVICE="pulumi"))

    def test_token_json(self):
        answer = json.loads(self.run_ok("token", "--json"))
        self.assertEqual(set(answer), {"service", "token", "token_type", "expires_at", "source"})
        self.assertRegex(answer["expires_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_whoami(self):
        out = self.run_ok("whoami")
        self.assertIn("serviceaccount  pulumi-runner (", out)
        self.assertIn("services        pulumi\n", out)
        answer = json.loads(self.run_ok("whoami", "--json"))
        self.assertEqual(answer["subject"], "system:serviceaccount:ci:pulumi-runner")
        self.assertEqual(answer["services"], ["pulumi"])

    def test_exec_sets_the_variables_and_exits_like_its_command(self):
        token = self.run_ok("token").strip()
        out = self.run_ok("exec", "--", "sh", "-c",
                          'echo "$PULUMI_ACCESS_TOKEN $PULUMI_BACKEND_URL"')
        self.assertEqual(out, f"{token} {self.standin.upstream}\n")
        for arguments, code in ((["sh", "-c", "exit 42"], 42), (["sh", "-c", "kill -9 $$"], -9),
                                (["/nonexistent"], 127), (["/etc/passwd"], 126)):
            result = self.node.podlogin("exec", "pulumi", "--", *arguments,
                                        token_file=self.token_file)
            self.assertEqual(result.returncode, code)

    def test_a_stale_variable_never_wins_over_the_fresh_token(self):
        """An environment may hold a name twice: some programs use the first value, others, such as bash, the last."""
        token = self.run_ok("token").strip()
        stale = ["PULUMI_ACCESS_TOKEN=stale", "PULUMI_BACKEND_URL=https://elsewhere.example",
                 "PULUMI_CREDENTIALS_PATH=/elsewhere", "PULUMI_DEFAULT_ORGANIZATION=elsewhere"]
        environ = stale + [f"{name}={value}" for name, value in self.node.environment(
            PODLOGIN_TOKEN_FILE=str(self.token_file)).items()] + stale * 2
        result = subprocess.run(
            [PODLOGIN], preexec_fn=lambda: execute([str(PODLOGIN), "exec", "--", "/usr/bin/env"], environ),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = sorted(line for line in result.stdout.splitlines() if line.startswith("PULUMI_"))
        self.assertRegex(lines.pop(2), rf"^PULUMI_CREDENTIALS_PATH={RUNTIME}/podlogin-\d+-[0-9a-f]{{32}}$")
        self.assertEqual(lines, [f"PULUMI_ACCESS_TOKEN={token}", f"PULUMI_BACKEND_URL={self.standin.upstream}",
                                 "PULUMI_DEFAULT_ORGANIZATION=acme"])

    @unittest.skipIf("sanitized" in str(BUILD), "a sanitizer's runtime has its own malloc()")
    def test_without_memory_a_command_fails_and_exec_starts_nothing(self):
        """Each allocation fails in turn, until there are no more."""
        token = self.run_ok("token").strip()
        whole = [f"PULUMI_ACCESS_TOKEN={token}", f"PULUMI_BACKEND_URL={self.standin.upstream}",
                 "PULUMI_DEFAULT_ORGANIZATION=acme"]
        options = ["--socket", str(self.node.socket), "--token-file", str(self.token_file)]
        for command in (["exec", *options, "--", "/usr/bin/env"], ["token"], ["token", "--json"], ["whoami"], ["wait"]):
            codes = []
            while codes[-3:] != [0, 0, 0]:  # glibc copes with some failures
                result = self.node.podlogin(*command, token_file=self.token_file, LD_PRELOAD=str(NO_MEMORY),
                                            PODLOGIN_TEST_NO_MEMORY=str(len(codes) + 1))
                codes.append(result.returncode)
                if codes[-1] == 0:
                    self.assertTrue("exec" not in command or set(whole) <= set(result.stdout.splitlines())
                                    and "PULUMI_CREDENTIALS_PATH=" in result.stdout)
                else:
                    self.assertEqual((codes[-1], result.stdout), (70, ""), result.stderr)
                    self.assertRegex(result.stderr, r"^podlogin: .*(out of|allocate) memory\n$")
            self.assertGreaterEqual(codes.count(70), 3, command)

    def test_options_after_exec_belong_to_the_command(self):
        self.assertEqual(self.run_ok("exec", "--", "echo", "--json", "--", "--help"),
                         "--json -- --help\n")

    def test_exec_does_not_run_the_command_without_a_token(self):
        marker = self.node.directory / "ran"
        result = self.node.podlogin("exec", "nonesuch", "--", "touch", str(marker),
                                    token_file=self.token_file)
        self.assertEqual(result.returncode, 78)
        self.assertFalse(marker.exists())

    def test_help_and_version(self):
        for arguments in (["--help"], ["-h"], ["help"], ["help", "nonesuch"]):
            self.assertIn("token [SERVICE]", self.run_ok(*arguments))
        for arguments in (["help", "token"], ["token", "-h"], ["token", "--help", "--", "x"], ["--help", "token", "a", "b"]):
            self.assertTrue(self.run_ok(*arguments).startswith("podlogin token [OPTIONS] [SERVICE]\n\n"), arguments)
        self.assertTrue(self.run_ok("exec", "-h", "--", "false").startswith("podlogin exec "))
        self.assertEqual(self.run_ok("exec", "--", "echo", "help", "-h"), "help -h\n")
        self.assertRegex(self.run_ok("--version"), r"^podlogin \d+\.\d+\.\d+\n$")

    def test_usage_errors_exit_64_with_a_message(self):
        for arguments in ([], ["nonesuch"], ["token", "a", "b"], ["token", "--nonesuch"],
                          ["token", "--min-ttl"], ["token", "--min-ttl", "soon"],
                          ["token", "--timeout", "0"], ["token", "--timeout", "2min"],
                          ["token", "--json=yes"], ["exec"], ["exec", "pulumi"], ["exec", "--"],
                          ["wait", "x"], ["whoami", "x"], ["wait", "--json"], ["install", "--service", "x", "/nonexistent"], ["token", "-j"], ["token", "a/b"],
                          ["token", "--socket", "x" * 200]):
            with self.subTest(arguments):
                result = self.node.podlogin(*arguments, token_file=self.token_file)
                self.assertEqual(result.returncode, 64, result.stderr)
                self.assertRegex(result.stderr, r"^podlogin: .*; see podlogin --help\n$")
                self.assertEqual(result.stdout, "")

    def test_an_invalid_variable_is_a_usage_error(self):
        for name, value, problem in (
                ("PODLOGIN_TIMEOUT", "2min", "not a time span of at most 60s, such as 10s"),
                ("PODLOGIN_MIN_TTL", "8d", "not a time span of at most 7d, such as 90min"),
                ("PODLOGIN_SOCKET", "x" * 108, "not a path of at most 107 bytes"),
                ("PODLOGIN_SERVER_UID", "root", "not the number of a user, such as 0 for root"),
                ("PODLOGIN_SERVER_UID", "4294967295", "not the number of a user, such as 0 for root"),
                ("PODLOGIN_SERVICE", "b/d", "not the name of a service")):
            result = self.node.podlogin("token", token_file=self.token_file, **{name: value})
            self.assertEqual((result.returncode, result.stdout), (64, ""), name)
            self.assertEqual(result.stderr, f"podlogin: {name}={value}: {problem}; see podlogin --help\n")

    def test_no_daemon_exits_69_after_the_timeout(self):
        result = self.node.podlogin("token", "--timeout", "300ms", token_file=self.token_file,
                                    PODLOGIN_SOCKET="/nonexistent/podlogin.sock")
        self.assertEqual(result.returncode, 69)
        self.assertIn("UNREACHABLE: /nonexistent/podlogin.sock: no daemon answers", result.stderr)

    def test_why_no_daemon_answers(self):
        directory = self.node.directory / "none"
        path = str(directory / "podlogin.sock")

        def error():
            result = self.node.podlogin("wait", "--timeout", "50ms", "--socket", path)
            self.assertEqual((result.returncode, result.stdout), (69, ""))
            self.assertIn(f"UNREACHABLE: {path}: no daemon answers", result.stderr)
            return result.stderr
        self.assertIn(f"(there is no directory {directory}; mount it into the pod)\n", error())
        directory.mkdir()
        self.assertIn("(the directory has no such file; podlogind makes it at its start)\n", error())
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
        self.assertIn("(no process listens at it; start podlogind)\n", error())

    def test_a_daemon_that_does_not_answer_exits_75(self):
        path = str(self.node.directory / "deaf.sock")
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(path)
            deaf.listen()
            result = self.node.podlogin("token", "--timeout", "300ms", "--socket", path,
                                        token_file=self.token_file)
        self.assertEqual(result.returncode, 75)
        self.assertIn("TIMEOUT", result.stderr)

    def test_a_full_standard_output_is_an_error(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([PODLOGIN, "token"], stdout=full, stderr=subprocess.PIPE,
                                    env=self.node.environment(
                                        PODLOGIN_TOKEN_FILE=str(self.token_file)), check=False)
        self.assertEqual(result.returncode, 70)

    def test_verbose_says_where_the_token_came_from(self):
        self.run_ok("token")
        result = self.node.podlogin("token", "--verbose", token_file=self.token_file)
        self.assertRegex(result.stderr, r"^podlogin: pulumi: a token from cache, valid for \d+ s\n$")

    def test_the_token_file_is_found_where_it_is_documented(self):
        result = self.node.podlogin("token", AWS_WEB_IDENTITY_TOKEN_FILE=str(self.token_file))
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_newline_at_the_end_of_the_token_file_is_ignored(self):
        jwt = self.token_file.read_text()
        for end in ("\n", "\r\n"):
            self.token_file.write_text(jwt + end)
            self.run_ok("token")

    def test_the_token_comes_through_a_pipe(self):
        """As from `kubectl create token`, which takes a while: the command waits for all of it."""
        token, jwt = self.run_ok("token"), self.token_file.read_text()
        for pieces in ([jwt], [jwt[:100], jwt[100:], "\r\n"]):
            read, write = os.pipe()
            with subprocess.Popen([PODLOGIN, "token", "--token-file", "/dev/stdin"], stdin=read, text=True,
                                  env=self.node.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                for piece in pieces:
                    os.write(write, piece.encode())
                    wait_for(lambda: n_unread(read) == 0, what="the command to read the piece")
                os.close(write)
                self.assertEqual(process.communicate(timeout=20), (token, ""))
            os.close(read)

    def test_a_pipe_without_a_writer_exits_78_after_the_timeout(self):
        os.mkfifo(self.node.directory / "fifo")
        result = self.node.podlogin("token", "--timeout", "50ms", "--token-file", str(self.node.directory / "fifo"))
        self.assertEqual((result.returncode, result.stdout), (78, ""))
        self.assertIn("fifo: the whole token did not come through the pipe within the timeout", result.stderr)

    def test_a_file_that_holds_no_token_is_named(self):
        for content, problem in ((b"", "the file is empty"), (b"\n", "the file is empty"),
                                 (b"a.b.c\0", "the file has characters that no service-account token has"),
                                 (b"\xef\xbb\xbfa.b.c", "the file has characters that no service-account token has"),
                                 (b"a" * 8193, "the file is longer than a service-account token can be")):
            self.token_file.write_bytes(content)
            result = self.node.podlogin("token", token_file=self.token_file)
            self.assertEqual((result.returncode, result.stdout), (78, ""))
            self.assertIn(f"NO_SUBJECT_TOKEN: {self.token_file}: {problem}", result.stderr)


class Archive(unittest.TestCase):
    def test_only_podlogin_symbols_are_visible(self):
        out = subprocess.run(["nm", "-g", "--defined-only", BUILD / "module/libpodlogin.a"],
                             capture_output=True, text=True, check=True).stdout
        names = {line.split()[-1] for line in out.splitlines() if len(line.split()) == 3}
        header = pathlib.Path(os.environ["PODLOGIN_SOURCE"], "module/library/podlogin.h")
        declared = set(re.findall(r"\b(podlogin_\w+)\(", re.sub(r"/\*.*?\*/", "", header.read_text(),
                                                                flags=re.S)))
        self.assertEqual(names, declared)


class Environment(unittest.TestCase):
    def test_the_library_reads_it_with_secure_getenv_only(self):
        sources = list(pathlib.Path(os.environ["PODLOGIN_SOURCE"], "module/library").glob("*.[ch]"))
        self.assertGreater(len(sources), 10)
        for path in sources:
            self.assertNotRegex(path.read_text(), r"\b(getenv|environ)\b", path.name)

    @unittest.skipIf("sanitized" in str(BUILD), "a sanitizer's runtime does not work with set-uid")
    @unittest.skipUnless(os.geteuid() == 0, "needs root, to make a set-uid program")
    def test_a_set_uid_program_ignores_it(self):
        """Otherwise the caller could make it read files that only the program may read, or trust a server that the
        caller runs."""
        directory = tempfile.mkdtemp(prefix="podlogin-test-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        if os.statvfs(directory).f_flag & os.ST_NOSUID:
            self.skipTest("set-uid programs do not work here")
        if os.path.exists("/var/run/secrets"):
            self.skipTest("this is a pod, which has a token in a well-known place")
        token, program = os.path.join(directory, "token"), os.path.join(directory, "podlogin")
        pathlib.Path(token).write_text("a.b.c")
        shutil.copy(PODLOGIN, program)
        os.chown(program, 65533, 65533)
        variables = {"PODLOGIN_TOKEN_FILE": token, "AWS_WEB_IDENTITY_TOKEN_FILE": token,
                     "PODLOGIN_SERVICE": "not/a/name", "PODLOGIN_MIN_TTL": "x",
                     "PODLOGIN_TIMEOUT": "x", "PODLOGIN_SERVER_UID": "x"}
        for mode in (0o4755, 0o755):
            os.chmod(program, mode)
            for name, value in variables.items():
                result = subprocess.run(
                    [program, "token", "--timeout", "50ms", "--socket", "/nonexistent/socket"],
                    env={name: value}, user=65534, group=65534,
                    extra_groups=[], capture_output=True, text=True, check=False, timeout=20)
                # no token; a token, but no daemon; an invalid value
                outcome = 78 if mode == 0o4755 else 69 if value == token else 64
                self.assertEqual(result.returncode, outcome, f"{mode:o} {name}: {result.stderr}")


@unittest.skipIf("sanitized" in str(BUILD), "a sanitizer's runtime is linked")
class Links(NodeCase):
    def needed(self, path):
        out = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True)
        return {line.split("[")[1].rstrip("]") for line in out.stdout.splitlines()
                if "(NEEDED)" in line}

    def test_library_and_command_link_libc_only(self):
        self.assertEqual(self.needed(BUILD / "module/libpodlogin.so"), {"libc.so.6"})
        self.assertEqual(self.needed(PODLOGIN), {"libc.so.6"})

    def test_the_broker_links_no_network_library_and_the_exchanger_no_database(self):
        broker = self.needed(PODLOGIND)
        exchanger = self.needed(BUILD / "daemon/podlogin-exchanger")
        self.assertFalse([name for name in broker if "curl" in name or "ssl" in name])
        self.assertFalse([name for name in exchanger if "sqlite" in name])

    def test_only_podlogin_symbols_are_visible(self):
        out = subprocess.run(["nm", "-D", "--defined-only", BUILD / "module/libpodlogin.so"],
                             capture_output=True, text=True, check=True).stdout
        names = {line.split()[-1].split("@")[0] for line in out.splitlines()}
        self.assertEqual({name for name in names if not name.startswith("podlogin_")},
                         {"LIBPODLOGIN_1"})


class Daemon(NodeCase):
    def run_daemon(self, *arguments):
        return subprocess.run([PODLOGIND, *arguments], capture_output=True, text=True, check=False,
                              timeout=20)

    def test_check_config(self):
        result = self.run_daemon("--config", self.node.etc, "--check-config")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("configuration is valid (1 issuer, 1 service)", result.stdout)

    def test_an_invalid_configuration_exits_78_with_file_and_line(self):
        self.node.write("services.d/bad.conf", "[Service]\nProvider=pulumi\nIssuer=eks\nAudiense=x\n")
        for arguments in (["--check-config"], []):
            result = self.run_daemon("--config", self.node.etc, *arguments)
            self.assertEqual(result.returncode, 78)
            self.assertIn("services.d/bad.conf:4: [Service] has no setting Audiense=",
                          result.stderr)

    def test_all_mistakes_are_told_at_once(self):
        self.node.issuer("eks", url="http://issuer")
        self.node.service("pulumi", ca="/nonexistent", rules='[Deny "prod"]\nkubernetes.io.namespace=prod')
        self.node.write("services.d/old.conf.bak", "")
        for arguments in (["--check-config"], []):
            result = self.run_daemon("--config", self.node.etc, *arguments)
            self.assertEqual(result.returncode, 78)
            places = [line.split("/etc/")[1].split(" ")[0] for line in result.stderr.splitlines()]
            self.assertEqual(places, ["issuers.d/eks.conf:2:", "services.d/old.conf.bak:",
                                      "services.d/pulumi.conf:1:", "services.d/pulumi.conf:7:",
                                      "services.d/pulumi.conf:18:"], result.stderr)

    def test_a_warning_does_not_prevent_the_start(self):
        self.node.service("pulumi", ca="/nonexistent")
        result = self.run_daemon("--config", self.node.etc, "--check-config")
        self.assertEqual(result.returncode, 0)
        warning = "services.d/pulumi.conf:7: CAFile=/nonexistent cannot be read: No such file or directory"
        self.assertIn(warning, result.stderr)
        self.node.start()
        self.assertEqual(self.node.log().count(warning), 1)
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "configuration reloaded" in self.node.log())
        self.assertEqual(self.node.log().count(warning), 2)

    def test_a_configuration_that_others_can_write_to(self):
        (self.node.etc / "services.d").chmod(0o777)
        found = "services.d: it can be written by others (mode 0777)"
        for attestation, code in (("enforce", 78), ("audit", 0), ("off", 0)):
            self.node.configure(attestation=attestation)
            result = self.run_daemon("--config", self.node.etc, "--check-config")
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(found, result.stderr)
        self.node.start()
        self.assert_served(self.mint())
        self.node.configure(attestation="enforce")
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "keeping the current configuration" in self.node.log())

    @unittest.skipIf(os.getuid(), "mounts need root")
    def test_a_configmap_is_mounted_read_only(self):
        """Kubernetes mounts its directory with mode 0777, and its files are symbolic links."""
        services = self.node.etc / "services.d"
        data = services / "..2026_11_25"
        data.mkdir()
        (services / "pulumi.conf").rename(data / "pulumi.conf")
        (services / "..data").symlink_to(data.name)
        (services / "pulumi.conf").symlink_to("..data/pulumi.conf")
        services.chmod(0o777)
        data.chmod(0o777)
        self.node.configure(attestation="enforce")
        check = f"{PODLOGIND} --config {self.node.etc} --check-config"
        mount = f"mount --bind -o ro {services} {services} && mount -o remount,bind,ro {services}"
        for script, code in ((check, 78), (f"{mount} && {check}", 0)):
            result = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True,
                                    check=False, timeout=60)
            self.assertEqual(result.returncode, code, result.stdout + result.stderr)

    def test_a_socket_directory_that_others_can_write_to(self):
        self.node.socket.parent.mkdir()
        self.node.socket.parent.chmod(0o1777)
        self.node.configure(attestation="enforce")
        result = self.run_daemon("--config", self.node.etc, "--check-config")
        self.assertEqual(result.returncode, 78, result.stderr)
        self.assertRegex(result.stderr, r"podlogind.conf:2: the directory \S+ of the socket can be written by others")

    def test_an_unsupported_value_is_refused(self):
        self.node.issuer("eks", extra="TokenReview=always")
        result = self.run_daemon("--config", self.node.etc, "--check-config")
        self.assertEqual(result.returncode, 78)
        self.assertIn("eks.conf:4: TokenReview=always", result.stderr)

    def test_usage(self):
        for option in ("--help", "-h"):
            result = self.run_daemon(option)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("--check-config", result.stdout)
        self.assertEqual(self.run_daemon("--nonesuch").returncode, 64)
        self.assertEqual(self.run_daemon("argument").returncode, 64)
        self.assertEqual(self.run_daemon("--help").returncode, 0)
        self.assertRegex(self.run_daemon("--version").stdout, r"^podlogind \d")

    def test_the_exchanger_cannot_be_started_by_hand(self):
        result = subprocess.run([BUILD / "daemon/podlogin-exchanger"], capture_output=True,
                                text=True, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(result.returncode, 64)
        self.assertIn("started by podlogind", result.stderr)

    def test_a_missing_exchanger_is_reported(self):
        result = self.run_daemon("--config", self.node.etc, "--exchanger", "/nonexistent")
        self.assertEqual(result.returncode, 70)
        self.assertIn("cannot start the exchanger /nonexistent", result.stderr)

    def test_a_file_at_the_path_of_the_socket_is_left_alone(self):
        self.node.socket.parent.mkdir()
        self.node.socket.write_text("precious")
        result = self.run_daemon("--config", self.node.etc, "--exchanger",
                                 BUILD / "daemon/podlogin-exchanger")
        self.assertEqual(result.returncode, 70)
        self.assertIn("is not a socket", result.stderr)
        self.assertEqual(self.node.socket.read_text(), "precious")

    def test_a_second_daemon_at_the_same_socket_refuses(self):
        self.node.start()
        other = self.node.directory / "other"
        shutil.copytree(self.node.etc, other)
        config = other / "podlogind.conf"
        config.write_text(config.read_text().replace("/state/", "/state2/"))
        result = self.run_daemon("--config", other, "--exchanger",
                                 BUILD / "daemon/podlogin-exchanger")
        self.assertEqual(result.returncode, 70)
        self.assertIn("another daemon is already listening at", result.stderr)
        self.assertEqual(self.node.podlogin("wait").returncode, 0)

    def test_it_ends_cleanly_and_removes_its_socket(self):
        self.node.start()
        self.assertTrue(self.node.socket.exists())
        self.assertEqual(self.node.stop(), 0)
        self.assertFalse(self.node.socket.exists())
        self.assertFalse((self.node.state / "cache.db-wal").exists())

    def test_a_socket_left_by_a_killed_daemon_is_replaced(self):
        self.node.start()
        self.node.kill()
        self.assertTrue(self.node.socket.exists())
        self.node.start()
        self.assertEqual(self.node.podlogin("wait").returncode, 0)

    def test_the_exchanger_ends_with_the_daemon(self):
        self.node.start()
        pid = self.node.exchanger_pid()
        self.node.kill()
        deadline = 100
        while os.path.exists(f"/proc/{pid}") and deadline:
            deadline -= 1
            subprocess.run(["sleep", "0.05"], check=True)
        self.assertTrue(deadline, "the exchanger outlived the daemon")

    def test_a_key_in_the_runtime_directory(self):
        shm = f"/dev/shm/podlogin-test-{os.getpid()}"
        config = self.node.etc / "podlogind.conf"
        lines = [line for line in config.read_text().splitlines() if "CacheKey" not in line]
        config.write_text("\n".join(lines) + "\n")
        os.environ["RUNTIME_DIRECTORY"] = shm
        self.addCleanup(os.environ.pop, "RUNTIME_DIRECTORY")
        self.addCleanup(shutil.rmtree, shm, True)
        self.node.start()
        self.assert_served(self.mint())
        self.node.restart()
        self.assertEqual(self.assert_served(self.mint())["source"], "cache")
        self.assertEqual(os.stat(f"{shm}/cache.key").st_mode & 0o777, 0o600)
        self.node.stop()

    def test_a_key_beside_the_data_is_refused(self):
        key = self.node.state / "cache.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        config = self.node.etc / "podlogind.conf"
        config.write_text(config.read_text().replace(
            str(self.node.directory / "key/cache.key"), str(key)))
        result = self.run_daemon("--config", self.node.etc, "--exchanger",
                                 BUILD / "daemon/podlogin-exchanger")
        self.assertEqual(result.returncode, 70)
        self.assertIn("keep the key elsewhere", result.stderr)


if __name__ == "__main__":
    unittest.main()
