"""Issuers' keys are rotated, cannot be fetched, and survive restarts; and accounts that are created again."""

import base64
import json
import os
import pathlib
import sqlite3
import time
import unittest

from node import NodeCase, scale, wait_for
from protocol_client import Client, ServerError
from test_peer import PodCase

TRY_AGAIN = 75


def with_kid(jwt, kid):
    """The token with another key id, so its signature does not fit."""
    header, payload, signature = jwt.split(".")
    fields = json.loads(base64.urlsafe_b64decode(header + "=="))
    fields["kid"] = kid
    header = base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()
    return ".".join([header, payload, signature])


class Keys(NodeCase):
    def key_fetches(self):
        return self.standin.counts()["keys"]

    def test_rotation_while_serving(self):
        """500 requests per second with tokens of the old key, then of both keys, then of the new one."""
        self.node.start()
        seconds, per_second, n_accounts = scale(5, 60), 500, 20
        names = [f"runner-{i}" for i in range(n_accounts)]
        old = [self.mint(serviceaccount=name) for name in names]
        client = Client(str(self.node.socket), timeout=10)
        self.addCleanup(client.close)
        new, failures, requests = [], 0, 0
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            elapsed = time.monotonic() - begun
            if elapsed > seconds / 3 and not new:
                self.standin.rotate(keep_old=True)
                new = [self.mint(serviceaccount=name) for name in names]
            tokens = old if not new else old + new if elapsed < seconds / 3 * 2 else new
            for _ in range(per_second // 100):
                requests += 1
                try:
                    client.send_login(tokens[requests % len(tokens)])
                    client.get("pulumi")
                except ServerError as error:
                    failures += 1
                    print(error)
            time.sleep(max(0, begun + requests / per_second - time.monotonic()))
        print(f"{requests} requests in {seconds} s over a rotation: {failures} failures, "
              f"{self.key_fetches()} fetches of keys")
        self.assertEqual(failures, 0)
        self.assertEqual(self.key_fetches(), 2)

    def test_a_withdrawn_key_is_not_trusted_any_more(self):
        self.standin.issuer_cache(5)
        self.node.start()
        old = self.mint()
        self.assert_served(old)
        self.standin.rotate(keep_old=False)
        self.assert_served(self.mint(serviceaccount="other"))  # this fetches the keys
        self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, old)  # there may be a newer key set

    def restart_without_issuer(self):
        self.node.stop()
        self.standin.fault_issuer(kind="status", status=503)
        self.node.start()

    def test_a_restart_while_the_issuer_is_down(self):
        self.node.start()
        self.assert_served(self.mint())
        self.restart_without_issuer()
        for i in range(scale(20, 200)):
            self.assert_served(self.mint(serviceaccount=f"never-seen-{i}"))
        self.assertIn("using the stored keys of an earlier run", self.node.log())

    def test_stored_keys_belong_to_the_settings_of_their_issuer(self):
        """They are not those of the same URL that something else authenticates now, or whose algorithms differ."""
        self.node.start()
        self.assert_served(self.mint())
        jwt = self.mint(serviceaccount="never-seen")
        copy = self.node.directory / "copy-of-ca.pem"
        copy.write_bytes(pathlib.Path(self.standin.ca).read_bytes())
        for change in ({"algorithms": "RS256 ES256"}, {"extra": f"CAFile={copy}"},
                       {"extra": f"CAFile={self.standin.ca}\nKeysURL={self.standin.issuer}/keys"}):
            self.node.issuer("eks", **change)
            self.restart_without_issuer()
            self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, jwt)
            self.node.stop()
        self.node.issuer("eks")  # the earlier settings, and their keys
        self.restart_without_issuer()
        self.assert_served(jwt)

    def test_stored_keys_that_were_changed_are_not_trusted(self):
        self.node.start()
        wait_for(lambda: "keys" in self.node.log())
        self.node.stop()
        with sqlite3.connect(self.node.state / "cache.db") as database:
            rows = database.execute("SELECT rowid, sealed FROM token").fetchall()
            self.assertEqual(len(rows), 1)  # no token was requested
            sealed = bytearray(rows[0][1])
            self.assertNotIn(b"keys", sealed)
            sealed[len(sealed) // 2] ^= 1
            database.execute("UPDATE token SET sealed=?", (bytes(sealed),))
        database.close()
        self.restart_without_issuer()
        self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint())

    def test_issuers_of_two_clusters(self):
        """Each is trusted for its own services only, and a problem of one does not affect the other."""
        self.node.issuer("down", url="https://localhost:1/id/NOBODY")
        self.node.service("other", issuer="down")
        self.node.start()
        self.assert_served(self.mint())
        self.assert_refused("TOKEN_UNTRUSTED_ISSUER", 77, self.mint(), "other")
        error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN,
                                    self.mint(claims={"iss": "https://localhost:1/id/NOBODY"}),
                                    "other")
        self.assertNotIn("30 s", error)

    def test_an_account_that_was_deleted_and_created_again(self):
        self.node.start()
        before = self.assert_served(self.mint(serviceaccount_uid="uid-of-the-first"))
        again = self.assert_served(self.mint(serviceaccount_uid="uid-of-the-second"))
        self.assertEqual(again["source"], "exchange")
        self.assertNotEqual(before["token"], again["token"])
        self.node.restart()
        self.assertEqual(
            self.assert_served(self.mint(serviceaccount_uid="uid-of-the-second"))["token"],
            again["token"])
        third = self.assert_served(self.mint(serviceaccount_uid="uid-of-the-third"))
        self.assertNotIn(third["token"], (before["token"], again["token"]))


class MadeUpKeys(PodCase):
    def test_a_new_key_is_fetched_while_a_pod_invents_key_ids(self):
        self.node.start()
        attacker, victim = self.pod(), self.pod()
        self.served(victim.enter, self.mint_for(victim))
        before = self.standin.counts()["keys"]
        for i in range(10):
            made_up = with_kid(self.mint_for(attacker, lifetime=700 + i), os.urandom(8).hex())
            code, _, error = self.ask(attacker.enter, made_up)
            self.assertIn(code, (TRY_AGAIN, 77), error)
        self.assertEqual(self.standin.counts()["keys"] - before, 1)
        self.standin.rotate()
        self.served(victim.enter, self.mint_for(victim))
        self.assertEqual(self.standin.counts()["keys"] - before, 2)


if __name__ == "__main__":
    unittest.main()
