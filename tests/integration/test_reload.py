"""Reloads under load, while everything that holds a part of the configuration exists: requests that wait for keys,
reviews, exchanges and retries, exchanges under way and queued, refreshes, and connections that are served.

Sanitizers detect a configuration that is used after it was freed, and one that is never freed."""

import collections
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from node import EXCHANGER, PODLOGIND, STANDIN, NodeCase, scale, wait_all, wait_for
from protocol_client import Client, ServerError
from raw_server import RawServer, http
from standin import Standin

DONE = "configuration reloaded"
# An issuer with changed settings has no keys at first.
ALLOWED = {
    "hits": {"BUSY", "ISSUER_UNAVAILABLE"},
    "misses": {"BUSY", "ISSUER_UNAVAILABLE"},
    "gone": {"BUSY", "ISSUER_UNAVAILABLE", "UNKNOWN_SERVICE"},
    "down": {"BUSY", "ISSUER_UNAVAILABLE", "UPSTREAM_UNAVAILABLE"},
    "new keys": {"BUSY", "ISSUER_UNAVAILABLE", "TOKEN_UNKNOWN_KEY"},
}
# Otherwise the test did not cover them.
NEEDED = [("hits", "OK"), ("misses", "OK"), ("gone", "BUSY"), ("new keys", "OK"), ("down", "UPSTREAM_UNAVAILABLE")]


class Load(NodeCase):
    def configure(self, is_other, is_other_issuer=False):
        rules = '[Allow "all of ci"]\nsub=system:serviceaccount:ci:*' if is_other else \
            '[Allow "ci"]\n"kubernetes.io".namespace=ci'
        self.node.issuer("eks", algorithms="RS256 ES256" if is_other_issuer else "RS256", extra=(
            f"CAFile={self.standin.ca}\nTokenReview=interval:1s\n"
            f"APIServer={self.standin.issuer.split('/id/')[0]}\nAPIServerCAFile={self.standin.ca}\n"
            f"APIServerTokenFile={self.own_token}"))
        self.node.service("pulumi", rules=rules)
        self.node.service("down", api_url="https://127.0.0.1:1", rules=rules)
        gone = self.node.etc / "services.d/gone.conf"
        if is_other:
            gone.unlink(missing_ok=True)
        else:
            self.node.service("gone", rules=rules)

    def setUp(self):
        super().setUp()
        self.own_token = self.node.directory / "own-token"
        self.own_token.write_text(self.mint(namespace="podlogin", serviceaccount="podlogind",
                                            audience=["https://kubernetes.default.svc"]) + "\n")
        self.standin.configure_upstream(expires_in=6)  # so that tokens are refreshed all the time
        self.standin.fault_upstream(latency_ms=300)
        self.standin.fault_issuer(latency_ms=100)
        self.configure(False)
        self.node.start()
        self.is_over = False
        self.answers = collections.Counter()
        self.wrong = []

    def ask(self, name, service, is_fresh, **order):
        """Sends requests until the test is over, with a new token each time or with one."""
        jwt = self.mint(**order)
        while not self.is_over:
            with Client(str(self.node.socket), timeout=20, jwt=jwt) as client:
                for _ in range(1 if is_fresh else 20):
                    try:
                        client.get(service)
                        self.answers[name, "OK"] += 1
                    except ServerError as error:
                        self.answers[name, error.name] += 1
                        if error.name not in ALLOWED[name]:
                            self.wrong.append(f"{name}: {error}")
                        time.sleep(0.02)
            if is_fresh:
                jwt = self.mint(**order)

    def ask_with_new_keys(self):
        """Rotates the keys now and then: all are kept, and a key set has at most 32."""
        begun, n_rotations = time.monotonic(), 0
        while not self.is_over:
            if n_rotations < 24 and time.monotonic() >= begun + n_rotations * scale(0.1, 10):
                self.standin.rotate(keep_old=True)
                n_rotations += 1
            with Client(str(self.node.socket), timeout=20, jwt=self.mint(serviceaccount="rotated")) as client:
                try:
                    client.get("pulumi")
                    self.answers["new keys", "OK"] += 1
                except ServerError as error:
                    self.answers["new keys", error.name] += 1
                    if error.name not in ALLOWED["new keys"]:
                        self.wrong.append(f"new keys: {error}")

    def missing(self):
        return [needed for needed in NEEDED if not self.answers[needed]]

    def reload(self):
        before = self.node.log().count(DONE)
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.node.log().count(DONE) > before, what=DONE)

    def test_reloads_while_everything_waits(self):
        asked = [
            ("hits", "pulumi", False, {"serviceaccount": "hit"}),
            *(("misses", "pulumi", True, {"serviceaccount": f"miss-{i}"}) for i in range(4)),
            ("gone", "gone", True, {"serviceaccount": "gone"}),
            *(("down", "down", True, {"serviceaccount": f"down-{i}"}) for i in range(4)),
        ]
        threads = [threading.Thread(target=self.ask, args=(name, service, is_fresh), kwargs=order)
                   for name, service, is_fresh, order in asked]
        threads.append(threading.Thread(target=self.ask_with_new_keys))
        for thread in threads:
            thread.start()
        try:
            n_reloads, until = 0, time.monotonic() + 200  # on a loaded machine, some answers come late
            while n_reloads < scale(40, 1000) or (self.missing() and time.monotonic() < until):
                self.configure(n_reloads % 2 == 0, n_reloads // 10 % 2 == 1)
                self.reload()
                time.sleep(0.2)
                n_reloads += 1
        finally:
            self.is_over = True
            for thread in threads:
                thread.join()
        self.assertEqual(self.wrong, [])
        self.assertEqual(self.missing(), [], self.answers)


class JudgedAgain(NodeCase):
    """What changes while an exchange is under way counts for its answer."""

    def begin(self, **order):
        """Begins an exchange, which lasts until refused()."""
        token = '{"access_token":"pul-x","token_type":"token","expires_in":3600}'
        self.may_answer = threading.Event()
        server = RawServer(self.standin, lambda _: http(token) if self.may_answer.wait(60) else None)
        self.addCleanup(server.stop)
        self.node.service("pulumi", api_url=server.url)
        self.start_with_clock()
        process = self.node.spawn("token", "--timeout", "15s", token_file=self.node.jwt_file(self.mint(**order)))
        wait_for(lambda: server.requests, 20, "the exchange")
        self.url = server.url
        return process

    def refused(self, process, name):
        self.may_answer.set()
        code, token, error = wait_all([process])[0]
        self.assertIn(f": {name}: ", error)
        self.assertEqual((code, token), (77, ""))

    def test_rules(self):
        process = self.begin()
        self.node.service("pulumi", api_url=self.url, rules='[Allow "others"]\n"kubernetes.io".namespace=others')
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: DONE in self.node.log())
        self.refused(process, "POLICY_DENIED")

    def test_a_jwt_that_expires(self):
        process = self.begin(lifetime=8)
        self.clock.turn(8)
        self.refused(process, "TOKEN_EXPIRED")

    def test_a_key_that_is_withdrawn(self):
        process = self.begin()
        self.standin.rotate(keep_old=False)
        self.assertEqual(self.node.podlogin("whoami", token_file=self.node.jwt_file(
            self.mint(serviceaccount="other"), "other")).returncode, 0)
        self.refused(process, "TOKEN_UNKNOWN_KEY")


class Kept(NodeCase):
    """A configuration that cannot work does not replace one that does; and what a changed one forgets."""

    def reload(self, line):
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: line in self.node.log(), 10, line)

    def test_enforce_where_it_cannot_work(self):
        self.node.configure("audit")
        with open(self.node.log_path, "ab") as log:
            self.node.process = subprocess.Popen(
                ["unshare", "--user", "--map-root-user", PODLOGIND, "--config", self.node.etc, "--exchanger",
                 EXCHANGER], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.node.wait_until_ready()
        except RuntimeError as error:
            self.node.process = None
            self.skipTest(str(error))
        self.node.configure("enforce")
        self.reload("keeping the current configuration")
        self.assertIn("PeerAttestation=enforce cannot work here", self.node.log())
        self.assert_served(self.mint())
        self.node.configure("audit")
        self.reload(DONE)

    def test_another_ca_file_of_an_issuer_drops_its_keys(self):
        other = Standin(STANDIN, tempfile.mkdtemp(dir=self.root))
        self.addCleanup(other.stop)
        self.start_with_clock()
        self.hurries = True
        jwt = self.mint()
        self.assert_served(jwt)
        self.node.issuer("eks", extra=f"CAFile={other.ca}")
        self.reload(DONE)
        self.assert_refused("ISSUER_UNAVAILABLE", 75, jwt)
        self.node.issuer("eks")
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.node.log().count(DONE) == 2)
        self.assert_served(jwt)


if __name__ == "__main__":
    unittest.main()
