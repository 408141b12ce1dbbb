"""The administrator's socket: what is shown, what can be changed, and by whom."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import signal
import socket
import sqlite3
import struct
import subprocess
import termios
import time
import unittest

from node import PODLOGIND, PODLOGINCTL, NodeCase, wait_for
from preload import Preload


class AdminCase(NodeCase):
    def ctl(self, *arguments, code=0):
        result = self.node.ctl(*arguments)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout

    def json(self, *arguments):
        return json.loads(self.ctl(*arguments, "--json"))


class Status(AdminCase):
    def test_a_daemon_that_has_served(self):
        self.node.start()
        self.assert_served(self.mint())
        status = self.json("status")
        self.assertEqual(status["pid"], self.node.process.pid)
        self.assertEqual((status["version"], status["attestation"], status["socket"]),
                         ("0.1.0", "off", str(self.node.socket)))
        self.assertEqual(status["cache"], {"path": f"{self.node.state}/cache.db", "tokens": 1, "rows_max": 10000,
                                           "problem": None})
        self.assertEqual(status["services"], [{
            "name": "pulumi", "provider": "pulumi", "issuer": "eks", "audience": "urn:pulumi:org:acme",
            "upstream": self.standin.upstream, "share": "serviceaccount"}])
        issuer, = status["issuers"]
        self.assertEqual((issuer["name"], issuer["url"], issuer["keys"], issuer["problem"]),
                         ("eks", self.standin.issuer, 1, None))
        self.assertLess(issuer["keys_age_s"], 60)
        upstream, = status["upstreams"]
        self.assertEqual((upstream["url"], upstream["breaker"], upstream["problem"]),
                         (self.standin.upstream, "closed", None))
        self.assertEqual([(each["role"], each["running"]) for each in status["exchangers"]],
                         [("issuers", True), ("upstreams", True)])

    def test_the_table_says_the_same(self):
        self.node.start()
        self.assert_served(self.mint())
        lines = self.ctl("status").splitlines()
        self.assertEqual(lines[0].split(", up")[0], f"podlogind 0.1.0, pid {self.node.process.pid}")
        self.assertEqual(lines[2], f"1 tokens in {self.node.state}/cache.db")
        self.assertIn(["pulumi", "pulumi", "eks", self.standin.upstream], [line.split() for line in lines])
        self.assertIn(["upstreams", "running", "0"], [line.split() for line in lines])

    def test_tables_fit_the_terminal(self):
        self.node.start()
        self.assert_refused("TOKEN_WRONG_AUDIENCE", 77, self.mint(audience=["urn:" + "a" * 100]))
        shown = {}
        for width in (80, 100, 300):
            control, terminal = os.openpty()
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            process = subprocess.Popen([PODLOGINCTL, "status", "--socket", self.node.directory / "admin.sock"],
                                       stdin=subprocess.DEVNULL, stdout=terminal)
            os.close(terminal)
            text = b""
            while True:
                try:
                    text += os.read(control, 65536)
                except OSError:  # the end, for a terminal
                    break
            os.close(control)
            self.assertEqual(process.wait(30), 0)
            row = next(line for line in text.decode().splitlines() if line.startswith("TOKEN_WRONG_AUDIENCE"))
            shown[width] = row
            self.assertLessEqual(len(row), width)
        self.assertLess(len(shown[80]), len(shown[300]))
        self.assertIn("a" * 60, shown[300])

    def test_what_hinders_it_is_shown(self):
        self.standin.fault_issuer(kind="status", status=503)
        self.node.start()
        wait_for(lambda: self.json("status")["issuers"][0]["problem"], what="the issuer's problem")
        status = self.json("status")
        self.assertEqual((status["issuers"][0]["keys"], status["issuers"][0]["keys_age_s"]), (0, None))
        self.assertIn("HTTP 503", status["issuers"][0]["problem"])
        self.standin.fault_issuer()
        self.assert_served(self.mint())
        self.standin.fault_upstream(kind="status", status=503)
        for i in range(3):
            self.get(self.mint(serviceaccount=f"new-{i}"), "--timeout", "1s")
        upstream, = self.json("status")["upstreams"]
        self.assertIn(upstream["breaker"], ("open", "probing"))
        self.assertIn("503", upstream["problem"])

    def test_no_secret_is_shown(self):
        self.node.start()
        jwt = self.mint()
        token = self.assert_served(jwt)["token"]
        for arguments in (["status", "--json"], ["cache", "list", "--json"], ["cache", "list"], ["metrics"]):
            text = self.ctl(*arguments)
            self.assertNotIn(token, text)
            self.assertNotIn(jwt.split(".")[2], text)


class Cache(AdminCase):
    def tokens(self, *arguments):
        return {token["serviceaccount"]: token for token in self.json("cache", "list", *arguments)}

    def rows(self):
        """How many tokens are on the disk."""
        with contextlib.closing(sqlite3.connect(self.node.state / "cache.db")) as database:
            return database.execute("SELECT count(*) FROM token").fetchone()[0]

    def serve(self, accounts):
        for account in accounts:
            self.assert_served(self.mint(serviceaccount=account))

    def test_list_and_show(self):
        self.node.start()
        self.serve(["one", "two"])
        tokens = self.tokens()
        self.assertEqual(set(tokens), {"ci/one", "ci/two"})
        one = tokens["ci/one"]
        self.assertEqual((one["service"], one["state"]), ("pulumi", "fresh"))
        self.assertTrue(7000 < one["expires_at"] - time.time() <= 7200)
        self.assertEqual(set(self.tokens("--serviceaccount", "ci/two")), {"ci/two"})
        self.assertEqual(self.tokens("--service", "other"), {})
        self.assertEqual(json.loads(self.ctl("cache", "show", one["key"][:10])), one)
        self.ctl("cache", "show", "zz", code=77)
        table = self.ctl("cache", "list").splitlines()
        self.assertEqual(table[0].split(), ["KEY", "SERVICE", "SERVICE", "ACCOUNT", "STATE", "EXPIRES", "IN"])
        self.assertEqual({line.split()[2] for line in table[1:] if line}, {"ci/one", "ci/two"})

    def test_purge_removes_what_was_named_from_memory_and_disk(self):
        self.node.start()
        self.serve(["one", "two", "three"])
        self.assertEqual(self.ctl("cache", "purge", "--serviceaccount", "ci/two"), "1 tokens purged\n")
        self.assertEqual((self.node.state / "cache.db-wal").stat().st_size, 0)
        self.assertEqual(set(self.tokens()), {"ci/one", "ci/three"})
        self.node.kill()
        self.assertEqual(self.rows(), 3)  # with that of the issuer's keys
        self.node.start()
        self.assertEqual(self.assert_served(self.mint(serviceaccount="one"))["source"], "cache")
        self.assertEqual(self.assert_served(self.mint(serviceaccount="two"))["source"], "exchange")
        self.assertEqual(self.json("cache", "purge", "--all"), {"purged": 3, "problem": None})
        self.assertEqual(self.tokens(), {})
        self.node.kill()
        self.assertEqual(self.rows(), 1)
        self.node.start()
        self.assertEqual(self.assert_served(self.mint(serviceaccount="one"))["source"], "exchange")

    def test_tokens_that_nobody_has_used_since_the_start_are_purged_too(self):
        self.node.start()
        self.serve(["one", "two"])
        self.node.restart()
        self.serve(["one"])
        self.assertEqual(self.ctl("cache", "purge", "--serviceaccount", "ci/two"), "1 tokens purged\n")
        self.assertEqual(self.assert_served(self.mint(serviceaccount="two"))["source"], "exchange")
        self.assertEqual(self.assert_served(self.mint(serviceaccount="one"))["source"], "cache")

    def test_all_includes_rows_that_no_login_has(self):
        """A reload that changes the service ends the login, and its row stays."""
        self.node.start()
        self.serve(["one", "two"])
        path = self.node.etc / "services.d/pulumi.conf"
        text = path.read_text()
        path.write_text(text.replace("Expiration=2h", "Expiration=1h"))
        self.ctl("reload")
        self.assertEqual(self.ctl("cache", "purge", "--all"), "0 tokens purged\n")
        path.write_text(text)
        self.node.kill()
        self.assertEqual(self.rows(), 1)
        self.node.start()
        self.assertEqual(self.assert_served(self.mint(serviceaccount="one"))["source"], "exchange")

    def test_all_again_after_a_disk_that_failed(self):
        disk = Preload(self.node.directory / "preload", prefix=self.node.state)
        self.node.start(**disk.environment(PODLOGIND))
        self.serve(["one"])
        disk.fail(errno.EIO, for_ever=True)
        self.assertEqual(self.node.ctl("cache", "purge", "--all").returncode, 75)
        disk.heal()
        wait_for(lambda: self.node.ctl("cache", "purge", "--all").returncode == 0, what="a purge")
        self.node.kill()
        self.node.start()
        self.assertEqual(self.assert_served(self.mint(serviceaccount="one"))["source"], "exchange")

    def test_services_that_share_tokens(self):
        self.node.service("other")
        self.node.start()
        self.serve(["one"])
        self.assertEqual(set(self.tokens("--service", "other")), {"ci/one"})
        self.assertEqual(self.ctl("cache", "purge", "--service", "other"), "1 tokens purged\n")

    def test_a_refresh_under_way_goes_on(self):
        """The old token is gone at once; the new one is kept, in memory and on the disk."""
        self.start_with_clock()
        self.serve(["one"])
        self.standin.fault_upstream(latency_ms=700)
        self.clock.turn(0.81 * 7200)  # the refresh is due
        self.standin.reset_counts()
        jwt = self.mint(serviceaccount="one", lifetime=8000)
        self.assertEqual(self.assert_served(jwt)["source"], "cache")
        wait_for(lambda: self.standin.counts()["exchanges_in_flight"] == 1, what="the refresh")
        self.assertEqual(self.ctl("cache", "purge", "--all"), "1 tokens purged\n")
        self.assertEqual(self.tokens(), {})
        wait_for(self.tokens, what="the new token")
        self.node.kill()
        self.assertEqual(self.rows(), 2)

    def test_an_exchange_under_way_goes_on(self):
        self.node.start()
        self.serve(["one"])
        self.standin.fault_upstream(latency_ms=500)
        process = self.node.spawn("token", token_file=self.node.jwt_file(self.mint(serviceaccount="two")))
        wait_for(lambda: self.standin.counts()["exchanges_in_flight"] == 1, what="the exchange")
        self.assertEqual(self.ctl("cache", "purge", "--all"), "1 tokens purged\n")
        out, error = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, error)
        self.assertTrue(out)

    def test_a_disk_that_fails_is_told(self):
        self.start_with_clock()
        self.serve(["one"])
        for suffix in ("", "-wal", "-shm"):
            (self.node.state / f"cache.db{suffix}").unlink(missing_ok=True)
        os.rmdir(self.node.state)
        self.clock.turn(61)  # the daemon notices
        wait_for(lambda: self.json("status")["cache"]["problem"], what="the problem")
        result = self.node.ctl("cache", "purge", "--all")
        self.assertEqual(result.returncode, 75, result.stdout)
        self.assertIn("gone from memory, but not all of them from the disk", result.stderr)
        self.assertEqual(self.tokens(), {})
        self.node.state.mkdir(mode=0o700)

    def test_usage(self):
        self.node.start()
        for arguments in (["cache"], ["cache", "purge"], ["cache", "purge", "--all", "--service", "pulumi"],
                          ["cache", "show"], ["cache", "nosuch"], ["cache", "purge", ""], ["cache", "purge", "--service", ""],
                          ["cache", "purge", "--serviceaccount", ""], ["cache", "list", "--serviceaccount", "one"]):
            self.ctl(*arguments, code=64)


class Reload(AdminCase):
    def test_a_valid_configuration(self):
        self.node.start()
        self.node.service("other", audience="urn:pulumi:org:acme", organization="acme")
        self.assertEqual(self.ctl("reload"), "")
        self.assertEqual({service["name"] for service in self.json("status")["services"]}, {"pulumi", "other"})

    def test_one_that_is_not_valid(self):
        self.node.start()
        self.node.write("services.d/bad.conf", "[Service]\nProvider=nosuch\n")
        result = self.node.ctl("reload")
        self.assertEqual(result.returncode, 78)
        self.assertIn("bad.conf:2:", result.stderr)
        self.assertEqual({service["name"] for service in self.json("status")["services"]}, {"pulumi"})
        self.assert_served(self.mint())

    def test_check_config(self):
        run = [PODLOGINCTL, "check-config", self.node.etc]
        result = subprocess.run(run, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("configuration is valid (1 issuer, 1 service)", result.stdout)
        directory = self.node.directory / "podlogin"
        directory.mkdir()
        (directory / "below").mkdir()
        (self.node.directory / "link").symlink_to(directory)
        for path in (f"{directory}/a", f"{directory}/below/a", f"{self.node.directory}//podlogin/a",
                     f"{self.node.directory}/link/a", f"{self.node.directory}/etc/../podlogin/a"):
            self.node.write("podlogind.conf", f"[Daemon]\nSocket={self.node.socket}\nAdminSocket={path}\n")
            result = subprocess.run(run, capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 78, path)
            self.assertIn(f"podlogind.conf:3: AdminSocket={path} is in the directory of Socket=", result.stderr)


class Socket(AdminCase):
    def setUp(self):
        super().setUp()
        self.path = str(self.node.directory / "admin.sock")

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.settimeout(30)
        connection.connect(self.path)
        return connection

    def test_no_daemon(self):
        result = self.node.ctl("status")
        self.assertEqual(result.returncode, 69)
        self.assertIn("check that podlogind runs", result.stderr)

    def test_its_mode(self):
        self.node.start()
        self.assertEqual(os.stat(self.path).st_mode & 0o7777, 0o660)
        self.node.stop()
        self.assertFalse(os.path.exists(self.path))

    @unittest.skipIf(os.getuid(), "needs root, to be other users")
    def test_others_may_not_connect_and_the_group_may_only_look(self):
        for directory in (self.node.directory, pathlib.Path(self.root)):
            directory.chmod(0o755)
        self.node.start()
        result = self.node.ctl("status", user=65534)
        self.assertEqual((result.returncode, "only root may use it" in result.stderr), (77, True), result.stderr)
        os.chown(self.path, 0, 65534)
        self.assertEqual(self.node.ctl("status", user=65534).returncode, 0)
        for arguments in (["cache", "purge", "--all"], ["reload"]):
            result = self.node.ctl(*arguments, user=65534)
            self.assertEqual((result.returncode, "only root may do this" in result.stderr), (77, True), result.stderr)

    @unittest.skipIf(os.getuid(), "needs root, to be other users")
    def test_those_who_look_only_do_not_keep_root_out(self):
        for directory in (self.node.directory, pathlib.Path(self.root)):
            directory.chmod(0o755)
        self.start_with_clock()
        os.chown(self.path, 0, 65534)
        groups = os.getgroups()
        os.setgroups([])
        os.setegid(65534)
        os.seteuid(65534)
        try:
            lookers = [self.connect() for _ in range(20)]
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)
        self.assertEqual(self.node.ctl("status", user=65534).returncode, 70)  # there are enough of them
        self.ctl("status")
        for connection in lookers:
            connection.close()

    def test_what_is_no_request_is_answered_and_harms_nobody(self):
        self.node.start()
        def frame(kind, payload):
            return struct.pack(">IBBH", len(payload), 1, kind, 0) + payload
        for data in (b"GET / HTTP/1.1\r\n\r\n", frame(0x40, b""), frame(0x40, b"\1\0\0\6nosuch"), frame(1, b"x"),
                     frame(0x40, b"\1\0\0\6status\2\0\0\7other=1"), struct.pack(">IBBH", 1 << 30, 1, 0x40, 0)):
            connection = self.connect()
            connection.sendall(data)
            answer = connection.recv(65536)
            self.assertEqual(answer[5], 0xc1, answer)
            self.assertEqual(connection.recv(1), b"")
        self.assertEqual(self.json("status")["pid"], self.node.process.pid)

    def test_idle_connections_end_and_do_not_keep_others_out(self):
        self.start_with_clock()
        idle = [self.connect() for _ in range(16)]
        result = self.node.ctl("status")
        self.assertEqual(result.returncode, 70, result.stderr)  # there are enough
        self.clock.turn(6)
        for connection in idle:
            self.assertEqual(connection.recv(1), b"")
        self.ctl("status")

    def test_a_client_that_leaves_during_a_purge(self):
        self.node.start()
        self.assert_served(self.mint())
        payload = b"\1\0\0\x0bcache purge\2\0\0\7all=yes"
        for _ in range(50):
            connection = self.connect()
            connection.sendall(struct.pack(">IBBH", len(payload), 1, 0x40, 0) + payload)
            connection.close()
        self.assertEqual(self.json("cache", "list"), [])
        self.assert_served(self.mint())

    def test_a_default_that_cannot_be_used_is_a_warning(self):
        text = (self.node.etc / "podlogind.conf").read_text()
        self.node.write("podlogind.conf", text.replace(f"AdminSocket={self.path}\n", ""))
        if os.getuid() == 0:
            self.skipTest("root can make the default")
        self.node.start()
        self.assertIn("podloginctl cannot reach this daemon", self.node.log())

    def test_it_answers_while_the_daemon_stops(self):
        self.node.start()
        self.standin.fault_upstream(latency_ms=400)
        process = self.node.spawn("token", "--timeout", "2s", token_file=self.node.jwt_file(self.mint()))
        wait_for(lambda: self.standin.counts()["exchanges_in_flight"] == 1, what="the exchange")
        self.node.process.send_signal(signal.SIGTERM)
        self.node.ctl("status")  # whatever the answer, nothing crashes
        process.communicate(timeout=60)
        self.assertEqual(self.node.process.wait(30), 0)
        self.node.process = None


if __name__ == "__main__":
    unittest.main()
