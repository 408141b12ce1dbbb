"""The PAM module in the process of somebody else: each fault denies, nothing is left, and it is unloaded."""

import errno
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import metrics
from node import BUILD
from pam import AUTH_ERR, HOST, MODULE, SESSION_ERR, SUCCESS, WRAPPER, PamCase, pamtester
from preload import address_sanitizer_of, preloaded

FAULTS = BUILD / "tests/support/libfaults.so"
# What each function of a call fails with; 0: the end of a file. Allocations and libpam have one error each.
ERRORS = [0, errno.EIO, errno.EINTR, errno.EAGAIN, errno.EACCES, errno.ENOENT, errno.ECONNRESET, errno.EMFILE, errno.ENOMEM,
          errno.EPERM, errno.ENFILE]
ONE_ERROR = {"malloc", "calloc", "realloc", "pam_get_item", "pam_get_data", "pam_set_data", "pam_putenv"}


class Faults(PamCase):
    """Each call of a function fails in turn, in each way, until a round in which there is none left to fail."""

    def setUp(self):
        super().setUp()
        self.injected, self.survived = set(), 0
        self.node.start()
        self.tokens = self.node.directory / "tokens"
        self.tokens.mkdir(mode=0o755)
        (self.tokens / "alice").write_text(self.jwt)
        (self.tokens / "alice").chmod(0o600)
        self.lines(token_file=f"{self.tokens}/%u")

    def lines(self, **options):
        self.stack(self.line("auth", **options), self.line(**options))

    def host(self, **options):
        return super().host(**preloaded(HOST, FAULTS), **options)

    def descriptors(self, host):
        return sorted(os.listdir(f"/proc/{host.process.pid}/fd"))

    def sweep(self, host, line, prepare=lambda: None):
        """Yields (code, description) after each call of @line with a fault, and after those that had none left."""
        host.code("setcred")  # libpam has read its files and loaded the module
        descriptors = self.descriptors(host)
        for error in ERRORS:
            function, number = "", 0
            while function != "-":
                number += 1
                prepare()
                host.write(f"fault {number} {error}")
                code, function = host.call(line)
                what = f"{line}: call {number}, {function}(): {errno.errorcode.get(error, 'end')}"
                if function != "-":
                    self.injected.add((line, number, function, None if function in ONE_ERROR else error))
                    self.survived += code == SUCCESS
                yield code, what
                self.assertEqual(self.descriptors(host), descriptors, what)
        self.assertEqual(host.asked(), 0)

    def print_count(self, what):
        print(f"\n{what}: {len(self.injected)} faults, {self.survived} survived")

    def test_a_session_is_whole_or_denied(self):
        variables = {"LANG": "C", **self.variables()}
        with self.host() as host:
            host.code("putenv LANG=C")
            for code, what in self.sweep(host, "open_session"):
                with self.subTest(what):
                    self.assertEqual(host.environment(), variables if code == SUCCESS else {"LANG": "C"})
                    host.code("close_session")
                    self.assertEqual(host.environment(), {"LANG": "C"})
            self.assertEqual(host.code("open_session"), SUCCESS)
        self.print_count("opening a session")
        self.assertGreater(len(self.injected), 150)

    def test_a_close_leaves_no_secret(self):
        secret = self.value()
        with self.host() as host:
            for code, what in self.sweep(host, "close_session", lambda: host.code("open_session")):
                with self.subTest(what):
                    if code == SUCCESS:
                        self.assertEqual(host.environment(), {})
                    elif "malloc()" not in what and "pam_get_data()" not in what:  # nothing can be done before these
                        self.assertEqual(code, SESSION_ERR)
                        self.assertNotIn(secret, host.environment().values())
                    host.code("close_session")
                    self.assertNotIn(secret, host.environment().values())
                    host.restart()
        self.print_count("closing a session")

    def test_a_login_never_succeeds_without_an_answer(self):
        """Each success is one token that the daemon handed out."""
        with self.host() as host:
            before = self.handed_out()
            n = sum(code == SUCCESS for code, _ in self.sweep(host, "authenticate"))
        self.assertGreaterEqual(self.handed_out() - before, n)
        self.print_count("logging in")
        self.assertGreater(len(self.injected), 100)

    def handed_out(self):
        return metrics.total(metrics.read(self.node), "podlogin_requests_total", service="pulumi", result="ok")

    def test_what_is_denied_stays_denied(self):
        """No fault makes a success of a refusal, of a file that is missing, or of an option that is wrong."""
        (self.tokens / "alice").write_text(self.mint(namespace="prod"))
        for what, options in (("no rule admits it", {"token_file": f"{self.tokens}/%u"}),
                              ("no token", {"token_file": f"{self.tokens}/none-%u"}),
                              ("a wrong option", {"timeout": "never"})):
            self.lines(**options)
            with self.host() as host:
                for line in ("authenticate", "open_session"):
                    self.assertNotEqual(host.code(line), SUCCESS)
                    for code, fault in self.sweep(host, line):
                        self.assertNotEqual(code, SUCCESS, f"{what}: {fault}")
                self.assertEqual(host.environment(), {})
        self.print_count("what is denied")
        self.assertEqual(self.survived, 0)
        self.assertGreater(len(self.injected), 200)


class Guest(PamCase):
    def maps(self, host):
        """The files and the heap that are mapped."""
        lines = pathlib.Path(f"/proc/{host.process.pid}/maps").read_text().splitlines()
        return [line for line in lines if "/" in line or "[heap]" in line]

    def test_it_is_unloaded_a_thousand_times(self):
        self.node.start()
        self.stack()
        with self.host() as host:
            for number in range(1000):
                self.assertEqual((host.code("authenticate"), host.code("open_session")), (SUCCESS, SUCCESS))
                if number % 2:  # also without the end of the session
                    self.assertEqual(host.code("close_session"), SUCCESS)
                self.assertIn("/pam_podlogin.so", "".join(self.maps(host)))
                self.assertEqual(host.code("end"), SUCCESS)
                self.assertNotIn("/pam_podlogin.so", "".join(self.maps(host)))
                after = self.maps(host), os.listdir(f"/proc/{host.process.pid}/fd")
                before = after if number == 10 else before if number else None
                self.assertEqual(host.code("start"), SUCCESS)
        if "sanitized" not in str(BUILD):
            self.assertEqual(after, before)

    @unittest.skipUnless(shutil.which("valgrind"), "needs valgrind")
    @unittest.skipIf("sanitized" in str(BUILD), "valgrind runs no program with a sanitizer")
    def test_valgrind(self):
        self.node.start()
        denied = self.node.jwt_file(self.mint(namespace="prod"), "denied")
        self.stack(self.line("auth"), self.line("auth", token_file=denied), self.line(), self.line(env="SECOND"),
                   self.line(token_file=denied, control="optional"), self.line(timeout="never", control="optional"))
        with self.host(command=("valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=all",
                                "--errors-for-leak-kinds=all", "--track-fds=yes")) as host:
            for _ in range(3):
                self.assertEqual(host.code("authenticate"), AUTH_ERR)
                self.assertEqual(host.code("open_session"), SUCCESS)
                self.assertEqual(host.code("close_session"), SUCCESS)
                self.assertEqual(host.code("open_session"), SUCCESS)
                self.assertEqual(host.restart(), (SUCCESS, SUCCESS))
        self.assertNotIn("==", host.log())

    @unittest.skipIf("sanitized" in str(BUILD), "with a sanitizer, the module needs its library")
    def test_what_it_needs_and_shows(self):
        dynamic = subprocess.run(["readelf", "--dynamic", MODULE], check=True, capture_output=True, text=True).stdout
        needed = set(re.findall(r"\(NEEDED\).*\[(\S+?)\.so", dynamic))
        self.assertEqual(needed, {"libc", "libpam"})
        self.assertNotIn("NODELETE", dynamic)
        self.assertRegex(dynamic, r"\bNOW\b")
        symbols = subprocess.run(["nm", "--dynamic", "--defined-only", MODULE], check=True, capture_output=True, text=True)
        self.assertEqual({line.split()[2] for line in symbols.stdout.splitlines()},
                         {f"pam_sm_{name}" for name in ("authenticate", "setcred", "open_session", "close_session")})
        found = subprocess.run(["ldd", "--function-relocs", MODULE], check=True, capture_output=True, text=True)
        self.assertNotIn("undefined", found.stdout + found.stderr)

    @unittest.skipUnless(shutil.which("pamtester") and WRAPPER, "needs pamtester and libpam-wrapper")
    def test_pamtester(self):
        self.node.start()
        self.stack()
        code, out = pamtester(self.directory, "test", "alice", "authenticate", "setcred", "open_session", "close_session")
        self.assertEqual((code, out), (0, ["pamtester: successfully authenticated", "pamtester: credential info has "
                                           "successfully been set.", "pamtester: successfully opened a session",
                                           "pamtester: session has successfully been closed."]))
        self.node.service("pulumi", rules="")
        self.node.restart()
        for operation in ("authenticate", "open_session"):
            code, out = pamtester(self.directory, "test", "alice", operation)
            self.assertNotEqual(code, 0)
            log, error = out
            self.assertIn("SYSLOG(3): pulumi: POLICY_DENIED: ", log)  # pam_wrapper prints it
            self.assertTrue(error.startswith("pamtester: "), error)


if __name__ == "__main__":
    unittest.main()
