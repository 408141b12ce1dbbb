#!/usr/bin/env python3
"""What a process can still do when somebody else's code runs in it: the sandboxes, from the attacker's side.

Code is brought into the real exchanger by a preload (hostile_exchanger.c), and a program that answers as it likes takes
the place of the exchanger (hostile_program.py)."""
import ctypes
import datetime
import errno
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import time
import unittest

from node import BUILD, EXCHANGER, PODLOGIND, NodeCase, wait_for
from seccomp import forbid

PRELOAD = BUILD / "tests/support/libhostile_exchanger.so"
PROGRAM = pathlib.Path(__file__).parent.parent / "support/hostile_program.py"
LANDLOCK = (444, 445, 446)  # on all architectures
HAS_SANITIZER = b"__asan" in pathlib.Path(PODLOGIND).read_bytes()
CLONE_NEWNS = 0x20000
REFUSALS = tuple(map(os.strerror, (errno.ENOSYS, errno.EACCES, errno.EPERM)))  # what the exchanger prints


def has_landlock():
    return ctypes.CDLL(None, use_errno=True).syscall(LANDLOCK[0], 0, 0, 1) > 0


def status(pid, field):
    return re.search(rf"^{field}:\s*(\S+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]


@unittest.skipIf(HAS_SANITIZER, "a sanitizer makes system calls of its own; there is no sandbox")
class Sandbox(NodeCase):
    def check(self, **options):
        return subprocess.run([PODLOGIND, "--config", self.node.etc, "--check-sandbox"], capture_output=True, text=True,
                              check=False, timeout=60, **options)

    def test_each_process_is_confined(self):
        self.node.start()
        self.assert_served(self.mint())
        broker, starter, *exchangers = self.node.pids()
        self.assertEqual(len(exchangers), 2)
        for pid in (broker, *exchangers):
            self.assertEqual(status(pid, "Seccomp"), "2")
            self.assertEqual(status(pid, "NoNewPrivs"), "1")
        self.assertEqual(status(starter, "NoNewPrivs"), "1")

    @unittest.skipUnless(has_landlock(), "the kernel has no Landlock")
    def test_the_check_finds_all_attempts_refused(self):
        self.node.start()  # what the attempts look for exists
        result = self.check()
        lines = result.stdout.splitlines()
        self.assertEqual(lines.pop(), "the sandboxes are in force")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertGreater(len(lines), 40)
        for line in lines:
            self.assertRegex(line, r"^(podlogind|podlogin-exchanger|podlogin-exporter|a program) +[A-Za-z/_ ]+ refused$")

    @unittest.skipUnless(has_landlock(), "the kernel has no Landlock")
    def test_the_check_changes_nothing_and_needs_no_cache(self):
        """Before the first start, when neither cache nor directories are there."""
        new = self.node.directory / "new"
        self.node.write("podlogind.conf", f"[Daemon]\nSocket={new}/a/podlogin.sock\nAdminSocket={new}/b/admin.sock\n"
                        f"Cache={new}/c/cache.db\nCacheKey=file:{new}/d/key\nPeerAttestation=off\n")
        new.mkdir()
        result = self.check()
        self.assertEqual((result.returncode, result.stdout.count("ALLOWED")), (0, 0), result.stdout)
        self.assertEqual(list(new.iterdir()), [])

    def test_a_kernel_that_restricts_no_files_is_told(self):
        """The daemon serves, and what would be possible is said."""
        result = self.check(preexec_fn=lambda: forbid(LANDLOCK, 38))
        self.assertEqual(result.returncode, 70)
        self.assertIn("the sandboxes are not in force: see podlogind(8), SANDBOX\n", result.stdout)
        self.assertRegex(result.stdout, r"podlogind +read /etc/passwd +ALLOWED\n")
        self.assertRegex(result.stdout, r"podlogind +start a program +refused\n")
        self.node.start(preexec_fn=lambda: forbid(LANDLOCK, 38))
        self.assert_served(self.mint())
        self.assertIn("this kernel has no Landlock: the sandbox does not restrict which files are opened",
                      self.node.log())

    def test_a_file_in_a_directory_that_is_new_is_read_after_a_restart(self):
        """Landlock rules cannot be added later. The configuration stays; the log says what to do."""
        self.node.start()
        other = self.node.directory / "other"
        other.mkdir()
        shutil.copy(self.standin.ca, other / "ca.pem")
        self.node.issuer("eks", extra=f"CAFile={self.standin.ca}\nKeysFile={other}/keys.json")
        (other / "keys.json").write_text(json.dumps(self.keys()))
        result = self.node.ctl("reload")
        if not has_landlock():
            self.skipTest("the kernel has no Landlock")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("cannot be read: Permission denied", self.node.log())
        self.assertIn("a directory that no setting named at the start, or that was replaced since, can be read after a restart", self.node.log())
        self.assert_served(self.mint())
        self.node.restart()
        self.assert_served(self.mint(serviceaccount="another"))

    def keys(self):
        import ssl
        import urllib.request
        context = ssl.create_default_context(cafile=self.standin.ca)
        with urllib.request.urlopen(f"{self.standin.issuer}/keys", context=context) as answer:
            return json.load(answer)

    @unittest.skipIf(os.getuid(), "needs root, to replace a file of /etc for the daemon alone")
    def test_a_new_exchanger_reads_what_was_replaced(self):
        """Such as /etc/hosts or /etc/resolv.conf by a DHCP client."""
        def isolate():
            libc = ctypes.CDLL(None)
            if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, 0x44000, None):
                os._exit(1)
        self.node.start(preexec_fn=isolate)
        self.assert_served(self.mint())
        before = {role: self.node.exchanger_pid(role) for role in ("issuers", "upstreams")}
        hosts = self.node.directory / "hosts"
        hosts.write_text("127.0.0.1 localhost\n")
        hosts.chmod(0o644)
        subprocess.run(["nsenter", "-t", str(self.node.process.pid), "-m", "mount", "--bind", hosts, "/etc/hosts"],
                       check=True)
        time.sleep(1.1)  # it looks once a second
        self.assert_served(self.mint(serviceaccount="another"))
        self.assertIn("a file of the resolver or a certificate was replaced; restarting to read it", self.node.log())
        self.assertNotEqual(self.node.exchanger_pid("upstreams"), before["upstreams"])
        self.assertEqual(self.node.exchanger_pid("issuers"), before["issuers"])  # it had no job


@unittest.skipIf(HAS_SANITIZER, "a sanitizer makes system calls of its own; there is no sandbox")
class CodeInTheExchanger(NodeCase):
    def attacks(self, **variables):
        """What the code in one exchanger tried, and what came of it."""
        files = (self.node.state / "cache.db", self.node.directory / "key/cache.key",
                 self.node.etc / "podlogind.conf", "/etc/passwd")
        self.node.start()  # the exchanger may be ready before the cache has been made
        self.node.stop()
        self.node.start(LD_PRELOAD=str(PRELOAD), PODLOGIN_TEST_HOSTILE_FILES=":".join(map(str, files)),
                        PODLOGIN_TEST_HOSTILE_SOCKET=str(self.node.directory / "admin.sock"), **variables)
        self.assert_served(self.mint())
        wait_for(lambda: self.node.log().count("hostile end") >= 2, what="the attacks of both")
        lines = re.findall(r"^hostile (.+): (.+)$", self.node.log(), re.MULTILINE)
        self.assertEqual(len(lines), 2 * len(set(what for what, _ in lines)))
        return lines

    def test_it_finds_nothing_and_starts_nothing(self):
        for what, outcome in self.attacks():
            if not has_landlock() and what.startswith(("read /", "look at")):
                continue
            self.assertIn(outcome, REFUSALS, what)

    def test_without_the_sandbox_it_would(self):
        """Otherwise the other test would show nothing."""
        outcomes = dict(self.attacks(PODLOGIN_TEST_HOSTILE_EARLY="1"))
        for what in outcomes:
            if what == "look at the parent's environ" and os.getuid():
                continue  # it is not dumpable
            self.assertNotIn(outcomes[what], REFUSALS, what)  # the cache and the sockets may not be there yet


class ProgramInPlaceOfTheExchanger(NodeCase):
    """It answers what it likes, with all that the broker sends it."""

    def start_hostile(self, does):
        """The exchanger for upstreams is a program that does this; the other is real."""
        program = self.node.directory / "exchanger"
        program.write_text(f"#!/bin/sh\n[ $1 = issuers ] && exec {EXCHANGER} issuers\n"
                           f"exec {sys.executable} {PROGRAM} {does} {self.node.directory}/seen\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.node.start(exchanger=program)

    def test_it_sets_only_the_variables_of_the_provider(self):
        for variable in ("LD_PRELOAD", "PATH", "PULUMI_CREDENTIALS_PATH", "AWS_SECRET_ACCESS_KEY", "BASH_ENV"):
            with self.subTest(variable):
                self.start_hostile(f"variable={variable}")
                self.assert_refused("UPSTREAM_PROTOCOL", 75, self.mint(), "--timeout", "2s")
                self.node.stop()
                self.start_hostile(f"attribute={variable}")
                self.assert_refused("UPSTREAM_PROTOCOL", 75, self.mint(), "--timeout", "2s")
                self.node.stop()

    def test_it_adds_no_key_of_an_issuer(self):
        """It answers with a key set of its own, of a key that it has; a JWT that this key signed is refused."""
        self.start_hostile("keys")
        self.assert_refused("UPSTREAM_PROTOCOL", 75, self.mint(), "--timeout", "2s")
        forged = self.standin.mint(namespace="ci", serviceaccount="admin", audience=["urn:pulumi:org:acme"],
                                   sign="rogue")
        code, _, error = self.get(forged)
        self.assertEqual(code, 77)
        self.assertRegex(error, ": TOKEN_(UNKNOWN_KEY|BAD_SIGNATURE): ")
        self.assertIn("eks: 1 key", self.node.log())

    def test_it_gets_the_jwt_of_the_exchange_and_no_other(self):
        """It can use what it is to exchange; it never sees a JWT that was refused before, nor the daemon's own token."""
        self.start_hostile("token")
        refused = self.mint(namespace="other")
        self.assert_refused("POLICY_DENIED", 77, refused)
        jwt = self.mint()
        self.assertEqual(self.assert_served(jwt)["token"], "hostile")
        seen = (self.node.directory / "seen").read_bytes()
        self.assertIn(jwt.encode(), seen)
        self.assertNotIn(refused.encode(), seen)

    def test_its_token_lasts_a_week_at_most(self):
        self.start_hostile("lifetime")
        expires = datetime.datetime.fromisoformat(self.assert_served(self.mint())["expires_at"].replace("Z", "+00:00"))
        self.assertLessEqual(expires.timestamp(), time.time() + 7 * 24 * 3600)


if __name__ == "__main__":
    unittest.main()
