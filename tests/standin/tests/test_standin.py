"""Runs all tests of podlogin-standin: those below, and those of the files *_tests.py.

PODLOGIN_STANDIN names the program under test.
"""

import json
import os
import select
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from api_tests import ApiTest, TrustTest
from azure_tests import AzureTest
from case import BINARY, Case, Standin
from exchange_tests import ExchangeTest
from fault_tests import FaultTest, LoadTest
from issuer_tests import IssuerTest, SubjectTokenTest
from issuers_tests import IssuersTest
from policy_tests import PolicyTest
from rfc8693_tests import Rfc8693Test
from sts_tests import SignatureTest, StsTest
from vault_tests import VaultTest

__all__ = [
    "ApiTest",
    "AzureTest",
    "ExchangeTest",
    "FaultTest",
    "IssuerTest",
    "IssuersTest",
    "LoadTest",
    "PolicyTest",
    "Rfc8693Test",
    "SignatureTest",
    "StsTest",
    "SubjectTokenTest",
    "TrustTest",
    "VaultTest",
]


class ControlTest(Case):
    def test_malformed_calls_are_refused(self):
        rows = [
            ("GET", "/nothing", None),
            ("GET", "/mint", None),
            ("POST", "/mint", b"{"),
            ("POST", "/mint", b"[]"),
            ("POST", "/mint", {"unknown": 1}),
            ("POST", "/mint", {"alg": "HS256"}),
            ("POST", "/mint", {"sign": "x"}),
            ("POST", "/mint", {"count": 0}),
            ("POST", "/mint", {"pod": 1}),
            ("POST", "/mint", {"claims": []}),
            ("POST", "/mint", {"header": 1}),
            ("POST", "/mint", {"audience": [1]}),
            ("POST", "/mint", {"sign": "previous", "alg": "PS512"}),
            ("POST", "/mint?raw=1", {"count": 2}),
            ("POST", "/keys/rotate", {"alg": "x"}),
            ("PUT", "/keys/document", {"body": 1}),
            ("PUT", "/issuer/cache", {}),
            ("PUT", "/issuer/cache", {"max_age": "1"}),
            ("PUT", "/upstream", {"expires_in": 0}),
            ("PUT", "/upstream", {"organizations": [""]}),
            ("GET", "/issued", None),
        ]
        for row in rows:
            with self.subTest(row):
                status, answer = self.standin.call_raw(*row)
                self.assertEqual(status, 400, answer)
                self.assertIsInstance(json.loads(answer)["error"], str)
        status, answer = self.standin.call_raw("POST", "/mint?raw=1")
        self.assertEqual((status, answer.count(b"."), answer.count(b"\n")), (200, 2, 0))


class BytesTest(Case):
    def test_paths_and_headers_that_are_not_utf8_have_an_answer(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        identity = "Action=GetCallerIdentity&Version=2011-06-15"
        for method, path, body, headers in (
            ("GET", "/api/user", "", {"Authorization": "token \xff"}),
            ("GET", "/api/stacks/acme/%ff", "", {}),
            ("POST", "/%ff/oauth2/v2.0/token", "", form),
            ("POST", "/v1/auth/%ff/login", "{}", {"Content-Type": "application/json"}),
            ("GET", "/v1/auth/token/lookup-self", "", {"X-Vault-Token": "\xff"}),
            ("POST", "/", identity, {**form, "Authorization": "x", "X-Amz-Security-Token": "\xff"}),
        ):
            with self.subTest(path):
                self.assertIn(self.http(method, path, body, headers)[0], (400, 401, 403, 404))
        self.standin.calls()
        self.standin.admissions([{"kind": "vault"}])
        jwt = json.dumps({"role": "x", "jwt": self.standin.mint()})
        headers = {"Content-Type": "application/json", "X-Vault-Namespace": "\xff"}
        self.assertEqual(self.http("POST", "/v1/auth/x/login", jwt, headers)[0], 200)
        self.assertEqual(self.standin.tokens()[-1]["namespace"], "")


class ProcessTest(unittest.TestCase):
    def test_usage_errors_are_64_and_help_is_0(self):
        for arguments, expected in (
            ([], 64),
            (["--directory"], 64),
            (["--directory", "x", "--rsa-bits", "9"], 64),
            (["--directory", "x", "--issuer-port", "65536"], 64),
            (["--directory", "x", "y"], 64),
            (["--wrong"], 64),
            (["--help"], 0),
        ):
            with self.subTest(arguments):
                done = subprocess.run([BINARY, *arguments], capture_output=True, check=False)
                self.assertEqual(done.returncode, expected)
                self.assertIn(b"Usage", done.stdout + done.stderr)

    def test_it_ends_at_once_though_requests_are_open(self):
        # It takes milliseconds; the rest is for busy machines, and for the leak check at exit.
        limit_s = 5 if "ASAN_OPTIONS" in os.environ else 0.5
        for fault in ({"kind": "hang"}, {"latency_ms": 60000}, {"kind": "slow-body"}):
            with self.subTest(fault), tempfile.TemporaryDirectory() as directory:
                standin = Standin(BINARY, directory)
                with open(os.path.join(directory, "standin.json"), encoding="utf-8") as file:
                    self.assertEqual(json.load(file)["control"], standin.control)
                standin.fault_upstream(**fault)
                peers = self.leave_open(standin, 50)
                begun = time.monotonic()
                self.assertEqual(standin.stop(), 0)
                self.assertLess(time.monotonic() - begun, limit_s)
                for peer in peers:
                    peer.close()

    def leave_open(self, standin, count):
        """Returns @count connections with a request that has arrived and has no answer."""
        tls = ssl.create_default_context(cafile=standin.ca)
        port = urllib.parse.urlsplit(standin.upstream).port
        peers = []
        for _ in range(count):
            plain = socket.create_connection(("127.0.0.1", port))
            peers.append(tls.wrap_socket(plain, server_hostname="localhost"))
            peers[-1].sendall(b"POST /api/oauth/token HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + 5
        while standin.counts()["exchanges_in_flight"] < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return peers

    def test_it_does_not_outlive_its_parent(self):
        with tempfile.TemporaryDirectory() as directory:
            script = '"$0" --directory "$1" --die-with-parent & read -r _; exit 0'
            with subprocess.Popen(
                ["sh", "-c", script, BINARY, directory],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as shell:
                ready = json.loads(shell.stdout.readline())
                os.kill(ready["pid"], 0)
                shell.stdin.close()
                # The stand-in is the last writer of this pipe: end of file means that it has ended.
                self.assertTrue(select.select([shell.stdout], [], [], 5)[0])
                self.assertEqual(shell.stdout.read(), b"")


if __name__ == "__main__":
    unittest.main()
