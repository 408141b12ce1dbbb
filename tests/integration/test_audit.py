"""The audit trail: the log tells which pod received which token."""

import hashlib
import os
import pathlib
import re
import socket
import time
import unittest

from node import AUDIENCE, NodeCase, wait_for
from protocol_client import Client, Get, Login, encode_message
from test_peer import PodCase, answer_names

JOURNAL = pathlib.Path("/run/systemd/journal/socket")


def fingerprint(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Audit(NodeCase):
    def answers(self):
        return [dict(field.split("=", 1) for field in line.split(": answer ", 1)[1].split())
                for line in self.node.audit_trail()]

    def n_told(self):
        """The number of answers that the lines so far tell of."""
        return sum(1 + int(line.get("left_out", 0)) for line in self.answers())

    def test_a_line_for_each_answer(self):
        self.node.start()
        jwt = self.mint(pod="job-1")
        token = self.assert_served(jwt)["token"]
        line = self.answers()[-1]
        self.assertEqual(line["result"], "OK")
        self.assertEqual(line["service"], "pulumi")
        self.assertEqual(line["source"], "miss")
        self.assertEqual((line["namespace"], line["serviceaccount"], line["pod"]),
                         ("ci", "pulumi-runner", "job-1"))
        self.assertEqual(line["token"], fingerprint(token))
        self.assertEqual(line["jwt"], fingerprint(jwt))
        self.assertEqual(line["peer_uid"], str(os.getuid()))
        self.assert_served(jwt)
        self.assertEqual(self.answers()[-1]["source"], "hit")
        self.assertEqual(len(self.answers()), 2)
        self.assertNotIn(token, self.node.log())

    def test_a_token_that_could_not_be_refreshed_is_logged_as_stale(self):
        self.standin.configure_upstream(expires_in=20)
        self.start_with_clock()
        jwt = self.mint()
        self.assert_served(jwt)
        self.standin.fault_upstream(kind="status", status=503)
        self.clock.turn(13)  # the refresh begins a second later or more
        self.turn_until(lambda: self.assert_served(jwt) and self.answers()[-1]["source"] == "stale", 0.2)

    def test_a_refusal_logs_verified_claims_only(self):
        self.node.start()
        self.assert_refused("POLICY_DENIED", 77, self.mint(namespace="prod"))
        line = self.answers()[-1]
        self.assertEqual((line["result"], line["namespace"]), ("POLICY_DENIED", "prod"))
        self.assertNotIn("token", line)
        # the claims of a forged token prove nothing
        self.assert_refused("TOKEN_BAD_SIGNATURE", 77, self.mint(sign="rogue", namespace="admin"))
        line = self.answers()[-1]
        self.assertEqual(line["result"], "TOKEN_BAD_SIGNATURE")
        self.assertNotIn("namespace", line)
        self.assertIn("jwt", line)
        self.assert_refused("UNKNOWN_SERVICE", 78, self.mint(), "nonesuch")
        self.assertEqual(self.answers()[-1]["result"], "UNKNOWN_SERVICE")

    def test_a_shared_token_is_traced_to_each_pod(self):
        self.node.start()
        tokens = {self.assert_served(self.mint(pod=f"job-{i}"))["token"] for i in range(5)}
        self.assertEqual(len(tokens), 1)
        token = fingerprint(tokens.pop())
        pods = {line["pod"] for line in self.answers() if line["token"] == token}
        self.assertEqual(pods, {f"job-{i}" for i in range(5)})

    def test_repeated_lines_are_left_out_and_counted(self):
        self.node.start()
        with Client(str(self.node.socket), jwt=self.mint()) as client:
            begun = time.monotonic()
            for _ in range(200):
                client.get("pulumi")
            n_lines = len(self.answers())
            self.assertLessEqual(n_lines, 51 + 10 * (time.monotonic() - begun))  # a burst of 50, and ten a second
        other = self.mint(pod="another")  # differs from the line before, so it is written, with the count
        self.assert_served(other)
        self.assertEqual(self.n_told(), 201)

    def flood(self, jwt, services, n):
        """Asks for each of @services in turn, on one connection."""
        connection = self.node.connect()
        self.addCleanup(connection.close)
        request = (encode_message(Login(jwt.encode()), 0) +
                   b"".join(encode_message(Get(service), 1) for service in services))
        names = answer_names(connection)
        for _ in range(n):
            connection.sendall(request)
            for _ in services:
                next(names)

    def test_lines_that_were_left_out_before_a_pod_ended_are_counted(self):
        self.node.start()
        self.flood(self.mint(), ["nonesuch"], 200)
        n_told = self.n_told()
        self.node.stop()
        left_out = re.search(r"(\d+) audit lines of a pod that is gone were left out", self.node.log())
        self.assertEqual(n_told + int(left_out[1]), 200)

    def test_lines_that_differ_in_turn_are_left_out_too(self):
        self.node.service("other", audience=AUDIENCE, share="pod")
        self.node.start()
        jwt = self.mint()
        begun = time.monotonic()
        self.flood(jwt, ["pulumi", "nonesuch", "other", "missing"], 100)
        # a burst of 50, ten a second, and one more for each of the two tokens
        self.assertLessEqual(len(self.answers()), 53 + 10 * (time.monotonic() - begun))
        self.assert_served(self.mint(pod="another"))
        self.assertEqual(self.n_told(), 401)

    def test_a_token_is_never_handed_out_without_a_line(self):
        """Not even if the pod has used up its lines before."""
        self.node.start()
        self.flood(self.mint(), ["nonesuch"], 100)
        for i in range(5):
            jwt = self.mint(pod=f"job-{i}")
            self.flood(jwt, ["pulumi", "nonesuch"], 20)
            lines = [line for line in self.answers() if line.get("jwt") == fingerprint(jwt)]
            self.assertEqual([line["result"] for line in lines][:1], ["OK"])

    def test_nor_for_another_service_that_shares_it(self):
        self.node.service("twin")  # the same settings, and so the same token
        self.node.start()
        jwt = self.mint()
        self.flood(jwt, ["nonesuch"], 100)
        for service in ("pulumi", "twin"):
            self.flood(jwt, [service], 20)
        lines = [line for line in self.answers() if line["result"] == "OK"]
        self.assertLessEqual({"pulumi", "twin"}, {line["service"] for line in lines})
        self.assertEqual(len({line["token"] for line in lines}), 1)

    def test_values_cannot_become_fields(self):
        self.node.start()
        self.assert_served(self.mint(pod="x result=EVIL token=1"))
        line = self.answers()[-1]
        self.assertEqual((line["result"], line["pod"]), ("OK", "x?result?EVIL?token?1"))


class Journal(PodCase):
    def setUp(self):
        if JOURNAL.exists():
            self.skipTest("a journal is running on this machine")
        super().setUp()
        JOURNAL.parent.mkdir(parents=True, exist_ok=True)
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.journal.close)
        self.journal.bind(str(JOURNAL))
        self.addCleanup(JOURNAL.unlink)
        self.journal.settimeout(10)
        self.node.log_path.touch()
        stream = self.node.log_path.stat()
        self.stream = f"{stream.st_dev}:{stream.st_ino}"

    def test_fields(self):
        self.node.start(JOURNAL_STREAM=self.stream)
        pod = self.pod()
        jwt = self.mint_for(pod)
        token = self.served(pod.enter, jwt)
        entry = dict(line.split("=", 1) for line in self.journal.recv(65536).decode().splitlines())
        self.assertEqual(entry["SYSLOG_IDENTIFIER"], "podlogind")
        self.assertEqual(entry["PRIORITY"], "6")
        self.assertEqual(entry["PODLOGIN_RESULT"], "OK")
        self.assertEqual(entry["PODLOGIN_SERVICE"], "pulumi")
        self.assertEqual(entry["PODLOGIN_SOURCE"], "miss")
        self.assertEqual(entry["PODLOGIN_SERVICEACCOUNT"], "pulumi-runner")
        self.assertEqual(entry["PODLOGIN_PEER_POD_UID"], pod.uid)
        self.assertEqual(entry["PODLOGIN_TOKEN"], fingerprint(token))
        self.assertEqual(entry["PODLOGIN_JWT"], fingerprint(jwt))
        self.assertTrue(re.match("answer result=OK ", entry["MESSAGE"]))

    def test_a_journal_that_does_not_read_does_not_block_the_daemon(self):
        self.node.start(JOURNAL_STREAM=self.stream)
        pod = self.pod()
        for i in range(60):
            self.served(pod.enter, self.mint_for(pod, serviceaccount=f"runner-{i}"))

    def test_another_stream_is_not_the_journal(self):
        """A process that a service starts with a standard error of its own inherits the variable."""
        self.node.start(JOURNAL_STREAM="1:2")
        pod = self.pod()
        self.served(pod.enter, self.mint_for(pod))
        self.assertIn("]: answer result=OK", "\n".join(self.node.audit_trail()))
        self.assertNotIn("<6>", self.node.log())


if __name__ == "__main__":
    unittest.main()
