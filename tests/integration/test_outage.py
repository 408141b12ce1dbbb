"""The upstream is down, in every possible way: requests for cached tokens do not notice."""

import os
import time
import unittest

from node import NodeCase, scale, wait_for
from protocol_client import Client, ServerError
from proxy import BLACK_HOLE, FORWARD, REFUSE, Proxy


def port_of(url):
    return int(url.rsplit(":", 1)[1])


class Outage(NodeCase):
    """Each way for an upstream to be down, from before the refresh is due until after the tokens expire."""

    TTL_S = scale(10, 60)
    RETRY_AFTER = scale("2", "20")
    KINDS = {
        "refused": lambda case, proxy: proxy.set_mode(REFUSE),
        "black hole": lambda case, proxy: proxy.set_mode(BLACK_HOLE),
        "503": lambda case, proxy: case.standin.fault_upstream(kind="status", status=503),
        "429": lambda case, proxy: case.standin.fault_upstream(kind="status", status=429,
                                                               retry_after=case.RETRY_AFTER),
        "garbage": lambda case, proxy: case.standin.fault_upstream(kind="garbage"),
        "untrusted": lambda case, proxy: proxy.set_mode(FORWARD, port_of(case.standin.untrusted)),
    }

    def setUp(self):
        super().setUp()
        self.standin.configure_upstream(expires_in=self.TTL_S)
        self.proxy = Proxy(port_of(self.standin.upstream))
        self.addCleanup(self.proxy.stop)

    def down(self, kind):
        n = 8
        self.node.service("pulumi", api_url=f"https://localhost:{self.proxy.port}")
        self.node.start()
        jwts = [self.mint(serviceaccount=f"sa-{i}", lifetime=7200) for i in range(n)]
        clients = [Client(str(self.node.socket), timeout=30, jwt=jwt) for jwt in jwts]
        begun_first = time.monotonic()
        for client in clients:
            self.addCleanup(client.close)
            client.get("pulumi")
        begun, log_len = time.monotonic(), len(self.node.log())
        self.KINDS[kind](self, self.proxy)
        n_served = 0
        # longer than the refresh window, which ends at 80 %; the margin is a tenth or 5 s
        while time.monotonic() < begun + self.TTL_S - min(5, self.TTL_S / 10) - 1.5:
            for client in clients:
                try:
                    self.assertEqual(client.get("pulumi").source, 1)
                    n_served += 1
                except ServerError:  # on a slow machine, a token may be about to expire by now
                    self.assertGreater(time.monotonic(), begun_first + self.TTL_S - min(5, self.TTL_S / 10))
            time.sleep(0.05)
        if kind != "black hole":  # each attempt takes its whole 8 s
            wait_for(lambda: "exchange failed" in self.node.log()[log_len:], 30, "a refresh")
        failures = self.node.log()[log_len:].count("exchange failed")
        while True:  # the tokens expire, and requests fail fast, with a delay
            asked_s = time.time()
            try:
                answer = clients[0].get("pulumi")
            except ServerError as error:
                self.assertIn(error.name, ("UPSTREAM_UNAVAILABLE", "BUSY", "UPSTREAM_PROTOCOL"))
                break
            self.assertGreater(answer.expires_at_s, asked_s, "served after its expiry")
            time.sleep(0.05)
        self.standin.fault_upstream()
        self.proxy.set_mode(FORWARD, port_of(self.standin.upstream))
        attempts = self.recover(clients)
        print(f"\n{kind}: {n_served} requests served while it was down, {failures} attempts "
              f"upstream; recovered at attempt {attempts}")

    def recover(self, clients):
        """A client that waits as it is told. Returns how many requests it sends until it is served."""
        time.sleep(0.5)  # exchanges that were under way have failed by then
        before = self.node.log().count("exchange failed")
        for asked in range(1, 200):
            try:
                clients[0].get("pulumi")
                # the first exchange after the outage succeeds: it is the probe
                self.assertEqual(self.node.log().count("exchange failed"), before)
                return asked
            except ServerError as error:
                self.assertGreater(error.retry_after_ms, 0)
                time.sleep(error.retry_after_ms / 1000)
        return self.fail("the upstream works again, but the daemon does not notice")

    def test_connections_are_refused(self):
        self.down("refused")

    def test_no_answer(self):
        self.down("black hole")

    def test_status_503(self):
        self.down("503")

    def test_throttled(self):
        self.down("429")

    def test_garbage(self):
        self.down("garbage")

    def test_an_untrusted_certificate(self):
        if scale(True, False) and not os.environ.get("PODLOGIN_SLOW"):
            self.skipTest("takes a minute; the unit test of the broker simulates it")
        self.down("untrusted")


if __name__ == "__main__":
    unittest.main()
