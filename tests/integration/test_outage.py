"""The upstream is down, in every possible way: requests for cached tokens do not notice."""

import time
import unittest

from node import NodeCase, scale, wait_for
from protocol_client import Client, ServerError
from proxy import BLACK_HOLE, FORWARD, REFUSE, Proxy


def port_of(url):
    return int(url.rsplit(":", 1)[1])


class Outage(NodeCase):
    """Each way for an upstream to be down, from before the refresh is due until after the tokens expire."""

    TTL_S = 60
    MARGIN_S = 5  # a token is not served any more
    turns_clock = scale(True, False)
    KINDS = {
        "refused": lambda case, proxy: proxy.set_mode(REFUSE),
        "black hole": lambda case, proxy: proxy.set_mode(BLACK_HOLE),
        "503": lambda case, proxy: case.standin.fault_upstream(kind="status", status=503),
        "429": lambda case, proxy: case.standin.fault_upstream(kind="status", status=429, retry_after="20"),
        "garbage": lambda case, proxy: case.standin.fault_upstream(kind="garbage"),
        "untrusted": lambda case, proxy: proxy.set_mode(FORWARD, port_of(case.standin.untrusted)),
    }

    def setUp(self):
        super().setUp()
        self.standin.configure_upstream(expires_in=self.TTL_S)
        self.proxy = Proxy(port_of(self.standin.upstream))
        self.addCleanup(self.proxy.stop)

    def now(self):
        """Seconds by the daemon's clock."""
        return time.time() + self.clock.passed_s

    def wait(self, seconds):
        """Time passes for the daemon."""
        if self.turns_clock:
            self.clock.turn(seconds)
            time.sleep(0.03)  # for what begins now
        else:
            time.sleep(seconds)

    def down(self, kind):
        n = 8
        self.node.service("pulumi", api_url=f"https://localhost:{self.proxy.port}")
        self.start_with_clock()
        jwts = [self.mint(serviceaccount=f"sa-{i}", lifetime=7200) for i in range(n)]
        clients = [Client(str(self.node.socket), timeout=30, jwt=jwt) for jwt in jwts]
        begun_first_s = self.now()
        for client in clients:
            self.addCleanup(client.close)
            client.get("pulumi")
        begun_s, log_len = self.now(), len(self.node.log())
        self.KINDS[kind](self, self.proxy)
        if kind == "black hole" and self.turns_clock:
            self.clock.turn(0.65 * self.TTL_S)  # no refresh has begun
            self.turns_clock = False  # time does not pass for the timeouts of an attempt
        n_served = 0
        # longer than the refresh window, which ends at 80 %
        while self.now() < begun_s + self.TTL_S - self.MARGIN_S - 1.5:
            for client in clients:
                try:
                    self.assertEqual(client.get("pulumi").source, 1)
                    n_served += 1
                except ServerError:  # on a slow machine, a token may be about to expire by now
                    self.assertGreater(self.now(), int(begun_first_s) + self.TTL_S - self.MARGIN_S)
            self.wait(0.5 if self.turns_clock else 0.05)
        if kind != "black hole":  # each attempt takes its whole 8 s
            wait_for(lambda: "exchange failed" in self.node.log()[log_len:], 30, "a refresh")
        failures = self.node.log()[log_len:].count("exchange failed")
        while True:  # the tokens expire, and requests fail fast, with a delay
            asked_s = self.now()
            try:
                answer = clients[0].get("pulumi")
            except ServerError as error:
                self.assertIn(error.name, ("UPSTREAM_UNAVAILABLE", "BUSY", "UPSTREAM_PROTOCOL"))
                break
            self.assertGreater(answer.expires_at_s, asked_s, "served after its expiry")
            self.wait(0.25 if self.turns_clock else 0.05)
        self.standin.fault_upstream()
        self.proxy.set_mode(FORWARD, port_of(self.standin.upstream))
        attempts = self.recover(clients)
        print(f"\n{kind}: {n_served} requests served while it was down, {failures} attempts "
              f"upstream; recovered at attempt {attempts}")

    def recover(self, clients):
        """A client that waits as it is told. Returns how many requests it sends until it is served."""
        time.sleep(0.5)  # exchanges that were under way have failed by then
        failed = "sa-0: exchange failed"  # those of others may have begun before
        before = self.node.log().count(failed)
        for asked in range(1, 200):
            try:
                clients[0].get("pulumi")
                # the first exchange after the outage succeeds: it is the probe
                self.assertEqual(self.node.log().count(failed), before)
                return asked
            except ServerError as error:
                self.assertGreater(error.retry_after_ms, 0)
                self.wait(error.retry_after_ms / 1000)
        return self.fail("the upstream works again, but the daemon does not notice")

    def test_connections_are_refused(self):
        self.down("refused")

    def test_no_answer(self):
        self.TTL_S, self.MARGIN_S = scale((20, 2), (60, 5))
        self.standin.configure_upstream(expires_in=self.TTL_S)
        self.down("black hole")

    def test_status_503(self):
        self.down("503")

    def test_throttled(self):
        self.down("429")

    def test_garbage(self):
        self.down("garbage")

    def test_an_untrusted_certificate(self):
        self.down("untrusted")


if __name__ == "__main__":
    unittest.main()
