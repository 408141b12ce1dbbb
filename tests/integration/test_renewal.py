#!/usr/bin/env python3
"""Tokens that the upstream rejects, and watches, which tell when there is another token."""

import hashlib
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import unittest

from handle import Handle
from node import ALLOW_CI, PODLOGIN, NodeCase, scale, wait_all, wait_for
from protocol_client import Client, Get, ServerError
from raw_server import RawServer, http
from wrong_server import TOKEN, WrongServer, token

LIFETIME_S = 400  # of tokens; JWTs live longer
OK, TIMEOUT, CANCELLED, NOT_RENEWED = 0, 101, 107, 108


def fingerprint(token):
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big")


class RenewalCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.standin.configure_upstream(expires_in=LIFETIME_S)
        self.start_with_clock()
        self.jwt = self.mint()
        self.token_file = self.node.jwt_file(self.jwt)
        self.first = self.get_token()

    def get_token(self, *arguments, **variables):
        result = self.run_token(*arguments, **variables)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.rstrip("\n")

    def run_token(self, *arguments, stdin=subprocess.DEVNULL, text=None, **variables):
        source = {"stdin": stdin} if text is None else {"input": text}
        return subprocess.run([PODLOGIN, "token", *arguments], **source, capture_output=True, text=True, check=False,
                              timeout=90, env=self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file), **variables))

    def reject(self, token, **variables):
        return self.run_token("--rejected", text=token, **variables)

    def age(self):
        """Lets time pass until the token is old enough to be replaced."""
        self.clock.turn(31)

    def restart(self):
        self.node.stop()
        self.start_with_clock()


class Rejection(RenewalCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        _, cls.descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (cls.descriptors, cls.descriptors))

    def test_a_thousand_jobs_reject_the_same_token(self):
        self.age()
        # the daemon has at most half of its descriptors for connections
        clients = [Client(str(self.node.socket), timeout=60, jwt=self.jwt.encode())
                   for _ in range(min(1000, self.descriptors // 4))]
        for client in clients:
            client.send(Get("pulumi", timeout_ms=50000, rejected=fingerprint(self.first)))
        commands = [subprocess.Popen([PODLOGIN, "token", "--rejected", "--timeout", "60s"], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                     env=self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file)))
                    for _ in range(scale(20, 300))]
        for command in commands:
            command.stdin.write(self.first)
            command.stdin.close()
            command.stdin = None
        tokens = set()
        for client in clients:
            _, answer = client.read_answer()
            self.assertNotIsInstance(answer, ServerError, answer)
            tokens.add(answer.token.decode())
            client.close()
        for code, out, error in wait_all(commands):
            self.assertEqual((code, error), (0, ""))
            tokens.add(out)
        self.assertEqual(len(tokens), 1)
        self.assertNotIn(self.first, tokens)
        self.assertEqual(self.exchanges(), 2)
        self.assertEqual({self.get_token()}, tokens)

    def test_the_token_is_in_the_variable_or_on_standard_input(self):
        self.age()
        second = self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first)
        self.assertNotEqual(second, self.first)
        self.assertEqual(self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first), second)
        # white space does not count, and standard input comes first
        result = self.reject(f"{self.first}\n", PULUMI_ACCESS_TOKEN=second)
        self.assertEqual((result.returncode, result.stdout), (0, second + "\n"))
        with open(self.node.directory / "rejected", "w+", encoding="ascii") as file:
            file.write(self.first)
            file.seek(0)
            self.assertEqual(self.get_token("--rejected", stdin=file), second)
        self.assertEqual(self.exchanges(), 2)

    def test_a_handle_forgets_a_token_that_was_rejected(self):
        """Also that of podlogin_authenticate(), which it has not returned yet."""
        with Handle(self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file))) as handle:
            self.assertEqual(handle.call("authenticate"), (OK, ""))
            self.age()
            status, second = handle.call("reject", self.first)
            self.assertEqual(status, OK)
            self.assertEqual(handle.call("get"), (OK, second))

    def test_bad_input(self):
        for text, problem in (("", "PULUMI_ACCESS_TOKEN: --rejected needs the rejected token on standard input, or in the "
                                   "service's variable; see podlogin --help\n"),
                              ("x" * 16385, "standard input: File too large; see podlogin --help\n")):
            result = self.reject(text)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (64, "", f"podlogin: {problem}"))
        read, write = os.pipe()
        result = self.run_token("--rejected", "--timeout", "50ms", stdin=read)
        self.assertEqual((result.returncode, result.stdout), (64, ""))
        self.assertIn("waited for the end of standard input until the timeout", result.stderr)
        os.close(read)
        os.close(write)

    def test_a_new_token_is_not_replaced(self):
        result = self.reject(self.first)
        self.assertEqual((result.returncode, result.stdout), (75, ""))
        self.assertRegex(result.stderr, r"^podlogin: pulumi: BUSY: .*\(the rejected token is new; .* 30 s old\)\n$")
        self.assertEqual(self.get_token(), self.first)
        self.assertEqual(self.exchanges(), 1)

    def test_the_same_token_again(self):
        """From an upstream that remembers what it has issued."""
        self.age()
        body = json.dumps({"access_token": "pul-the-same", "token_type": "token", "expires_in": LIFETIME_S})
        upstream = RawServer(self.standin, lambda _: http(body))
        self.addCleanup(upstream.stop)
        self.node.service("same", api_url=upstream.url)
        self.assertEqual(self.node.ctl("reload").returncode, 0)
        self.assertEqual(self.get_token("same"), "pul-the-same")
        self.age()
        result = self.run_token("--rejected", "same", text="pul-the-same")
        self.assertEqual((result.returncode, result.stdout), (77, ""))
        self.assertIn("UPSTREAM_REFUSED", result.stderr)
        self.assertIn("it issued the token again that it rejects", result.stderr)

    def test_the_others_keep_a_token_that_cannot_be_replaced(self):
        self.age()
        self.standin.policies([])
        result = self.reject(self.first)
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertEqual(self.get_token(), self.first)

    def test_an_account_cannot_reject_the_token_of_another(self):
        self.age()
        self.token_file = self.node.jwt_file(self.mint(serviceaccount="other"), "other")
        mine = self.get_token()
        self.assertEqual(self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first), mine)
        self.token_file = self.node.jwt_file(self.jwt)
        self.assertEqual(self.get_token(), self.first)
        self.assertEqual(self.exchanges(), 2)

    def test_the_log_names_the_token_by_its_fingerprint(self):
        self.age()
        self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first)
        self.assertIn("service pulumi, system:serviceaccount:ci:pulumi-runner: a client says that the upstream rejects the token "
                      f"{fingerprint(self.first):016x}; replacing it", self.node.log())
        self.assertNotIn(self.first, self.node.log())


class Watch(RenewalCase):
    def setUp(self):
        super().setUp()
        self.handle = self.begin()

    def begin(self, **variables):
        handle = Handle(self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file), **variables))
        self.addCleanup(handle.__exit__)
        self.assertEqual(handle.call("authenticate"), (OK, ""))
        self.assertEqual(handle.call("watch"), (OK, self.first))
        return handle

    def next(self, handle=None, ms=60000):
        """The next token, or what ends the waiting for it."""
        while True:
            status, text = (handle or self.handle).call("next", ms)
            if status != NOT_RENEWED:
                return status, text

    def test_it_is_told_of_a_rejection_at_once(self):
        self.assertEqual(self.next(ms=300), (TIMEOUT, "the daemon did not answer within the timeout; try again"))
        self.age()
        second = self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first)
        self.assertEqual(self.next(), (OK, second))
        self.age()
        third = self.get_token("--rejected", PULUMI_ACCESS_TOKEN=second)
        self.assertEqual(self.next(), (OK, third))

    def test_it_is_told_of_a_refresh(self):
        """Nobody else uses the token: the watch keeps it in use."""
        self.next(ms=300)
        self.clock.turn(LIFETIME_S * 0.81)
        status, second = self.next()
        self.assertEqual(status, OK)
        self.assertTrue(self.standin.issued(second))
        self.assertNotEqual(second, self.first)
        self.assertEqual(self.get_token(), second)
        self.assertEqual(self.exchanges(), 2)

    def test_it_survives_restarts_and_new_jwts(self):
        self.next(ms=300)
        self.restart()
        self.assertEqual(self.next(ms=2000)[0], TIMEOUT)  # it waits again, and nothing is wrong
        self.token_file.write_text(self.mint(lifetime=7200))
        self.age()
        second = self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first)
        self.assertEqual(self.next(), (OK, second))

    def test_restarts_do_not_add_up(self):
        """Each is waited for as long as the first one: the watch was served in between."""
        handle = self.begin(PODLOGIN_TIMEOUT="1s")
        self.next(handle, ms=300)
        for _ in range(3):
            self.restart()
            self.assertEqual(self.next(handle, ms=2500)[0], TIMEOUT)

    def test_a_daemon_that_stays_away_is_an_error_and_then_not(self):
        handle = self.begin(PODLOGIN_TIMEOUT="1s")
        self.next(handle, ms=300)
        self.node.stop()
        status, text = self.next(handle)
        self.assertEqual(status, 100)
        self.assertIn(str(self.node.socket), text)
        self.start_with_clock()
        self.age()
        second = self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first)
        wait_for(lambda: self.next(handle) == (OK, second), what="the new token")

    def test_a_jwt_that_expires_is_replaced_by_that_of_the_file(self):
        short = self.node.jwt_file(self.mint(lifetime=60), "short")
        handle = Handle(self.node.environment(PODLOGIN_TOKEN_FILE=str(short)))
        self.addCleanup(handle.__exit__)
        handle.call("authenticate")
        handle.call("watch")
        self.next(handle, ms=1500)  # an answer that comes within a second is told as an error
        short.write_text(self.mint())
        self.clock.turn(61)
        self.assertEqual(self.next(handle, ms=2000)[0], TIMEOUT)
        second = self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first)
        self.assertEqual(self.next(handle), (OK, second))

    def test_a_pod_that_the_rules_no_longer_admit_gets_no_further_token(self):
        self.next(ms=300)
        self.node.service("pulumi", rules=ALLOW_CI + '[Deny "late"]\n"kubernetes.io".pod.name=late-*\n')
        self.token_file.write_text(self.mint(pod="late-1"))
        watch = self.begin()
        self.next(watch, ms=300)
        self.assertEqual(self.node.ctl("reload").returncode, 0)
        self.age()
        self.token_file.write_text(self.jwt)
        second = self.get_token("--rejected", PULUMI_ACCESS_TOKEN=self.first)
        self.assertEqual(self.next(), (OK, second))
        status, text = self.next(watch)
        self.assertEqual(status, 30, text)

    def test_a_purge_is_answered_with_a_new_token(self):
        self.next(ms=300)
        self.assertEqual(self.node.ctl("cache", "purge", "--all").returncode, 0)
        status, text = self.next()
        while status == 50:
            status, text = self.next()
        self.assertEqual(status, OK)
        self.assertNotEqual(text, self.first)


class EarlierDaemon(unittest.TestCase):
    """One that skips the new fields: it answers with the token that it has."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="podlogin-test-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "jwt").write_text("a.b.c")
        self.environment = {"PODLOGIN_SERVER_UID": str(os.getuid()), "PODLOGIN_SOCKET": f"{self.directory}/socket",
                            "PODLOGIN_TOKEN_FILE": f"{self.directory}/jwt"}

    def test_a_rejection_is_not_taken_for_success(self):
        with WrongServer(self.directory / "socket", token), Handle(self.environment) as handle:
            status, text = handle.call("reject", TOKEN.decode())
            self.assertEqual((status, text), (104, "the daemon's answer is not valid; check that client and daemon have "
                                                   "compatible versions"))
            self.assertEqual(handle.call("reject", "another"), (OK, TOKEN.decode()))

    def test_a_watch_asks_again_from_time_to_time(self):
        newer = [lambda request: token(request, token=b"pul-newer")]
        once = [lambda request: [token(request), None]]  # then the connection of the handle is closed
        with WrongServer(self.directory / "socket", *once, token, token, *newer) as server, Handle(self.environment) as handle:
            handle.call("authenticate")
            handle.call("watch")
            status, text = NOT_RENEWED, ""
            while status == NOT_RENEWED:
                status, text = handle.call("next", 60000)
            self.assertEqual((status, text), (OK, "pul-newer"))
            self.assertLessEqual(len(server.requests), 5)


class Cancellation(RenewalCase):
    def test_a_call_that_waits_is_cancelled(self):
        self.node.stop()
        self.node.process = None
        for call in ("authenticate", "wait", "whoami"):
            with self.subTest(call):
                read, write = os.pipe()
                handle = Handle(self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file), PODLOGIN_TIMEOUT="60s"),
                                passed=[read])
                self.assertEqual(handle.call("cancel_fd", read), (OK, ""))
                os.close(write)
                self.assertEqual(handle.call(call), (CANCELLED, "the caller has cancelled the call"))
                self.assertEqual(handle.call("cancel_fd", -1), (OK, ""))
                handle.__exit__()
                os.close(read)


if __name__ == "__main__":
    unittest.main()
