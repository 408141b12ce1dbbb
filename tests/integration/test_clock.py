"""The wall clock of a node is wrong, or is set: no token is served after its expiry, and no pod is locked out."""

import time
import unittest

from node import NodeCase, PODLOGIND
from preload import Preload
from protocol_client import Client, ServerError

HOUR = 3600
TTL_S, MARGIN_S = 30, 3  # over before the daemon compares the clocks, once a minute


class Clock(NodeCase):
    """The wall clock of the daemon and the exchanger is changed while they run; the stand-in's is correct."""

    def setUp(self):
        super().setUp()
        self.clock = Preload(self.node.directory / "preload")
        self.standin.configure_upstream(expires_in=TTL_S)

    def start(self):
        self.node.start(**self.clock.environment(PODLOGIND))

    def now(self):
        """The correct time."""
        return time.time() + self.clock.passed_s

    def client(self, **order):
        client = Client(str(self.node.socket), timeout=20, jwt=self.mint(**order))
        self.addCleanup(client.close)
        return client

    def end_of(self, token):
        """When the upstream stops accepting the token, by the correct clock."""
        return self.standin.issued(token.decode())["expires_at"]

    def check(self, offset_s, jwt_is_refused=False):
        """Asks until the token has expired, by the correct clock. Returns for each request when it was answered, and
        whether the token was served."""
        self.start()
        client = self.client(lifetime=86400)
        self.end_s = self.end_of(client.get("pulumi").token)
        self.clock.turn(1)
        self.clock.wall_offset_s = offset_s
        # no refresh from now on: only the cached token is served
        self.standin.fault_upstream(kind="status", status=500)
        begun_s, answers = self.now(), []
        while self.now() < begun_s + TTL_S + 1:
            asked_s = self.now()
            try:
                self.assertGreater(self.end_of(client.get("pulumi").token), asked_s)
                answers.append((self.now(), True))
            except ServerError as error:
                answers.append((self.now(), False))
                if jwt_is_refused:
                    self.assertEqual(error.name, "TOKEN_EXPIRED")
            self.clock.turn(0.5)
            time.sleep(0.01)
        self.standin.fault_upstream()
        return answers

    def recovers(self, **order):
        """The upstream works again: after a refresh, requests succeed."""
        client = self.client(**order)
        for _ in range(30):
            try:
                return client.get("pulumi")
            except ServerError as error:
                last = error
                self.clock.turn(max(error.retry_after_ms, 100) / 1000)
        return self.fail(last)

    def test_back_by_an_hour(self):
        answers = self.check(-HOUR)
        # for as long as the token was valid, less the margin
        refused = [at_s for at_s, is_served in answers if not is_served]
        self.assertGreaterEqual(min(refused), self.end_s - MARGIN_S - 1)
        self.recovers()

    def test_ahead_by_an_hour(self):
        self.check(HOUR)
        self.recovers(lifetime=86400)

    def test_ahead_by_two_days(self):
        """By that clock every JWT has expired. Once the clock is correct again, requests succeed."""
        answers = self.check(2 * 24 * HOUR, jwt_is_refused=True)
        self.assertEqual({is_served for _, is_served in answers}, {False})
        self.clock.wall_offset_s = 0
        self.recovers()

    def test_booted_in_1970(self):
        """At that time not even the issuer's certificate is valid, so no JWT can be verified until the clock is set."""
        jwt = self.mint(lifetime=86400)
        self.clock.wall_offset_s = -int(time.time())
        self.start()
        self.assert_refused("ISSUER_UNAVAILABLE", 75, jwt)
        self.clock.wall_offset_s = 0
        self.recovers()

    def test_restarted_in_1970(self):
        """With the stored keys, in the same boot, JWTs can be verified, but their times are checked by a wrong
        clock."""
        self.node.start()
        jwt = self.mint(lifetime=86400)
        self.assert_served(jwt)
        self.node.stop()
        self.clock.wall_offset_s = -int(time.time())
        self.start()
        self.assert_refused("TOKEN_NOT_YET_VALID", 77, jwt)
        self.clock.wall_offset_s = 0
        self.assert_served(jwt)

    def test_a_step_is_logged(self):
        self.start()
        self.client().get("pulumi")
        self.clock.wall_offset_s = -HOUR
        # the clock was not really set, so nothing tells the daemon before it looks, once a minute
        self.turn_until(lambda: "wall clock stepped by -36" in self.node.log(), 10)


if __name__ == "__main__":
    unittest.main()
