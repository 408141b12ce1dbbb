"""No secret on the disk in clear, in the log, in argv or in a core dump; the state directory alone is useless."""

import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from memory import found_in
from node import BUILD, EXCHANGER, PODLOGIN, PODLOGINCTL, PODLOGIND, Node, NodeCase, scale, wait_for
from preload import EARLY, preloaded
from protocol_client import Client, ServerError


class AtRest(NodeCase):
    def fill(self, n):
        """Makes @n logins. Returns the JWTs that were presented and the tokens that were issued."""
        jwts = self.standin.mint_many(n, serviceaccount="sa-%d", namespace="ci",
                                      audience=["urn:pulumi:org:acme"])
        for jwt in jwts:
            with Client(str(self.node.socket), jwt=jwt) as client:
                client.get("pulumi")
        return jwts, [record["value"] for record in self.standin.tokens()]

    def search(self, needles, directory):
        """Returns the needles that are in any file below the directory."""
        found = []
        for path in pathlib.Path(directory).rglob("*"):
            if not path.is_file():
                continue
            content = path.read_bytes()
            found += [(path.name, needle) for needle in needles if needle.encode() in content]
        return found

    def test_no_token_and_no_jwt_in_the_state_directory_or_the_log(self):
        n = scale(200, 1000)
        self.node.start()
        jwts, tokens = self.fill(n)
        self.assertGreaterEqual(len(tokens), n)
        # whole secrets and characteristic parts: a JWT's signature, a token's random part, a subject in clear
        needles = jwts + tokens + [jwt.split(".")[2][:40] for jwt in jwts] + \
            [token.split(".")[1] for token in tokens] + ["pul-", "sa-1", "pulumi"]
        self.assertTrue((self.node.state / "cache.db-wal").exists())
        self.assertEqual(self.search(needles, self.node.state), [])
        log = self.node.log()
        self.assertEqual([needle for needle in needles[:-3] if needle in log], [])
        self.node.stop()
        self.assertEqual(self.search(needles, self.node.state), [])
        rows = sqlite3.connect(self.node.state / "cache.db").execute(
            "SELECT count(*) FROM token").fetchone()[0]
        self.assertGreaterEqual(rows, n)

    def test_files_are_accessible_to_their_owner_only(self):
        self.node.start()
        self.assert_served(self.mint())
        for path in self.node.state.iterdir():
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_the_state_directory_is_useless_without_the_key(self):
        self.node.start()
        self.assert_served(self.mint())
        self.node.stop()
        (self.node.directory / "key/cache.key").chmod(0o600)
        (self.node.directory / "key/cache.key").write_bytes(os.urandom(32))
        self.node.start()
        self.assertEqual(self.assert_served(self.mint())["source"], "exchange")
        # the token, and the issuer's keys
        wait_for(lambda: "0 expired, 2 undecryptable" in self.node.log())

    def test_rows_that_were_tampered_with_are_not_served(self):
        statements = {
            "prolonged": "UPDATE token SET expires = expires + 3600",
            "made older": "UPDATE token SET created = created - 1",
            "swapped": "CREATE TEMP TABLE t AS SELECT rowid AS r, sealed FROM token; "
                       "UPDATE token SET sealed = coalesce("
                       "(SELECT sealed FROM t WHERE r > token.rowid ORDER BY r LIMIT 1), "
                       "(SELECT sealed FROM t ORDER BY r LIMIT 1))",
            "cut": "UPDATE token SET sealed = substr(sealed, 1, length(sealed) - 1)",
            "emptied": "UPDATE token SET sealed = x''",
            "another database": "UPDATE meta SET database_id = randomblob(16)",
        }
        for what, statement in statements.items():
            with self.subTest(what):
                self.node.start()
                one, two = self.mint(serviceaccount="one"), self.mint(serviceaccount="two")
                self.assert_served(one)
                self.assert_served(two)
                self.node.stop()
                with sqlite3.connect(self.node.state / "cache.db") as database:
                    database.executescript(statement)
                database.close()
                self.node.start()
                self.assertEqual(self.assert_served(one)["source"], "exchange")
                self.assertEqual(self.assert_served(two)["source"], "exchange")
                self.node.stop()
                shutil.rmtree(self.node.state)
                self.node.state.mkdir(mode=0o700)

    def test_a_damaged_database_is_set_aside(self):
        self.node.start()
        self.assert_served(self.mint())
        self.node.stop()
        (self.node.state / "cache.db").write_bytes(b"this is not a database" * 1000)
        self.node.start()
        self.assertEqual(self.assert_served(self.mint())["source"], "exchange")
        self.assertTrue((self.node.state / "cache.db.corrupt").exists())

    def test_a_second_daemon_does_not_touch_the_database(self):
        self.node.start()
        self.assert_served(self.mint())
        other = Node(tempfile.mkdtemp(dir=self.root), self.standin)
        config = other.etc / "podlogind.conf"
        config.write_text(config.read_text().replace(f"Cache={other.state}",
                                                     f"Cache={self.node.state}"))
        other.start()
        self.addCleanup(other.stop)
        self.assertIn("is another podlogind running?); serving from memory only", other.log())
        result = other.podlogin("token", token_file=other.jwt_file(self.mint()))
        self.assertEqual(result.returncode, 0, result.stderr)
        other.stop()
        self.node.kill()
        self.node.start()
        self.assertEqual(self.assert_served(self.mint())["source"], "cache")


class Process(NodeCase):
    def wait_until_hardened(self, pid):
        """PR_SET_DUMPABLE 0: root owns the files in /proc. A process that was just executed does this first."""
        wait_for(lambda: os.stat(f"/proc/{pid}/mem").st_uid == 0, what="PR_SET_DUMPABLE")

    def test_processes_write_no_core_and_cannot_be_debugged_by_their_user(self):
        self.node.start()
        for pid in self.node.pids():
            self.wait_until_hardened(pid)
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            core = next(line for line in limits.splitlines() if line.startswith("Max core"))
            self.assertEqual(core.split()[4:6], ["0", "0"])

    def test_a_library_may_use_openssl_before_the_programs_do(self):
        self.node.start(**preloaded(PODLOGIND, EARLY))
        self.assertEqual(self.assert_served(self.mint())["source"], "exchange")
        self.assertNotIn("cannot", self.node.log())

    def test_core_dumps_that_cannot_be_disabled_are_told_once_by_each_process(self):
        self.node.start(**preloaded(PODLOGIND, EARLY), PODLOGIN_TEST_REFUSES="1")
        self.assertEqual(self.assert_served(self.mint())["source"], "exchange")
        told = re.findall(r"(\S+)\[\d+\]: cannot disable core dumps: .*", self.node.log())
        self.assertEqual(sorted(told), ["podlogin-exchanger", "podlogin-exchanger", "podlogind"])
        for pid in self.node.pids():
            self.wait_until_hardened(pid)  # all the same

    @unittest.skipIf("sanitized" in str(BUILD), "with a sanitizer, memory has the sanitizer's own free()")
    def test_every_program_wipes_the_memory_that_its_libraries_free(self):
        for program in (PODLOGIND, EXCHANGER, PODLOGINCTL):
            symbols = subprocess.run(["nm", "--dynamic", "--defined-only", program], check=True,
                                     capture_output=True, text=True).stdout
            self.assertRegex(symbols, r"(?m) T free$", program)  # takes precedence over libc's
            self.assertRegex(symbols, r"(?m) T realloc$", program)

    @unittest.skipIf("sanitized" in str(BUILD), "with a sanitizer, memory has the sanitizer's own free()")
    def test_memory_holds_no_secret_but_where_it_is_cached(self):
        """After requests of every kind have ended: served, refused by the daemon and by the upstream, malformed."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to read the memory of the processes")
        self.node.start()
        secrets, unwanted = [], []  # what is not verified is not cached either
        for i in range(30):
            jwt = self.mint(serviceaccount=f"sa-{i}")
            refused = self.mint(serviceaccount=f"refused-{i}", namespace=("ci", "prod")[i % 2])
            if i % 2 == 0:
                self.standin.fault_upstream(kind="status", status=400, times=1,
                                            body='{"error":"invalid_grant"}')
            forged = self.mint(serviceaccount=f"forged-{i}", sign="rogue")
            cut = self.mint(serviceaccount=f"cut-{i}")[:-1] + "!"
            for text in (refused, jwt, forged, cut):
                with Client(str(self.node.socket), jwt=text) as client:
                    try:
                        client.get("pulumi")
                    except ServerError:
                        pass
                signature = text.rsplit(".", 1)[1][:60].encode()
                (unwanted if text in (forged, cut) else secrets).append(signature)
        secrets += [record["value"][-30:].encode() for record in self.standin.tokens()]
        self.assertGreaterEqual(len(secrets), 90)
        self.node.podlogin("wait")
        daemon = self.node.process.pid
        self.assertEqual(found_in(self.node.exchanger_pid(), secrets + unwanted, with_cache=True), [])
        self.assertEqual(found_in(daemon, secrets, with_cache=False), [])
        self.assertEqual(found_in(daemon, unwanted, with_cache=True), [])
        # the search finds what is there
        self.assertNotEqual(found_in(daemon, secrets, with_cache=True), [])

    def test_a_user_cannot_read_the_memory_of_a_daemon_of_its_own(self):
        """The daemon need not run as root; exec makes a process readable to its user again, the exchanger too."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        programs = [shutil.copy(program, self.node.directory) for program in (PODLOGIND, EXCHANGER)]
        for path in (pathlib.Path(self.root), *self.node.directory.rglob("*"), self.node.directory):
            os.chown(path, 65534, 65534)
        with open(self.node.log_path, "ab") as log:
            self.node.process = subprocess.Popen(
                [programs[0], "--config", self.node.etc, "--exchanger", programs[1]], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, user=65534, group=65534, extra_groups=[])
        result = self.node.podlogin("wait", "--timeout", "20s", PODLOGIN_SERVER_UID="65534")
        self.assertEqual(result.returncode, 0, self.node.log())
        for pid in self.node.pids():
            self.wait_until_hardened(pid)
            read = subprocess.run(["cat", f"/proc/{pid}/mem", f"/proc/{pid}/environ"], user=65534, group=65534,
                                  extra_groups=[], capture_output=True, text=True, check=False)
            self.assertEqual((read.stdout, read.stderr.count("Permission denied")), ("", 2))

    def test_no_jwt_on_a_command_line(self):
        self.node.start()
        self.standin.fault_upstream(latency_ms=500)
        jwt = self.mint()
        process = self.node.spawn("token", token_file=self.node.jwt_file(jwt))
        for pid in (process.pid, self.node.process.pid, self.node.exchanger_pid()):
            self.assertNotIn(jwt[:40].encode(), pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
        process.communicate()

    def test_no_option_takes_a_jwt(self):
        result = self.node.podlogin("--help")
        self.assertNotIn("--jwt", result.stdout)
        self.assertTrue(PODLOGIN.exists())


if __name__ == "__main__":
    unittest.main()
