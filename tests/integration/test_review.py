"""TokenReview=: the API server confirms that the pod and its account still exist."""

import json
import signal
import unittest

from node import NodeCase, wait_for
from protocol_client import Client, ServerError
from raw_server import RawServer, http
from test_refusals import fetch

REFUSED, TRY_AGAIN = 77, 75
POD, ACCOUNT = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"


class ReviewCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.own_token = self.node.directory / "own-token"
        self.renew_own_token()

    def renew_own_token(self, **order):
        self.own_token.write_text(self.mint(
            namespace="podlogin", serviceaccount="podlogind",
            audience=["https://kubernetes.default.svc"], **order) + "\n")

    def start(self, review, api_server=None):
        api_server = api_server or self.standin.issuer.split("/id/")[0]
        self.node.issuer("eks", extra=f"CAFile={self.standin.ca}\nTokenReview={review}\n"
                         f"APIServer={api_server}\nAPIServerCAFile={self.standin.ca}\n"
                         f"APIServerTokenFile={self.own_token}")
        self.start_with_clock()

    def reviews(self):
        return self.standin.counts()["reviews"]

    def mint_account(self, **order):
        """A token of an account that no other token has."""
        self.n_accounts = getattr(self, "n_accounts", 0) + 1
        return self.mint(serviceaccount=f"account-{self.n_accounts}", **order)

    def mint_pod(self, **order):
        return self.mint(pod="job", pod_uid=POD, serviceaccount_uid=ACCOUNT, **order)


class Miss(ReviewCase):
    def test_an_exchange_is_preceded_by_a_review(self):
        self.start("miss")
        self.assert_served(self.mint_pod())
        self.assertEqual((self.reviews(), self.exchanges()), (1, 1))
        # a hit is not reviewed
        self.standin.revoke(POD)
        self.assert_served(self.mint_pod(lifetime=1000))
        self.assertEqual((self.reviews(), self.exchanges()), (1, 1))

    def test_deleted_pods_and_accounts_are_refused_before_the_exchange(self):
        self.start("miss")
        for uid in (POD, ACCOUNT):
            self.standin.revoke(uid)
            error = self.assert_refused("TOKEN_REVOKED", REFUSED, self.mint_pod())
            self.assertIn("invalidated", error)
            self.standin.revoke()
        self.assertEqual(self.exchanges(), 0)

    def test_a_refusal_that_quotes_the_tokens_is_redacted(self):
        """Neither the pod's token nor the daemon's own is shown, whole or in pieces."""
        jwt, own = self.mint_pod(), self.own_token.read_text().strip()
        for size in (9999, 30, 3):
            for secret in (jwt, own):
                pieces = [secret[at:at + size] for at in range(0, len(secret), size)]
                status = {"authenticated": False, "error": "bad token = " + " ".join(pieces[-40:])}
                server = RawServer(self.standin, lambda _, s=status: http(json.dumps({"status": s}), "201 Created"))
                self.addCleanup(server.stop)
                self.start("miss", api_server=server.url)
                error = self.assert_refused("TOKEN_REVOKED", REFUSED, jwt)
                self.assertRegex(error, r"\(bad token = (\[\.\.\.\] ?)+\)$")
                self.node.stop()

    def test_a_refusal_is_remembered_for_a_while(self):
        self.start("miss")
        self.standin.revoke(POD)
        jwt = self.mint_pod()
        for _ in range(5):
            self.assert_refused("TOKEN_REVOKED", REFUSED, jwt)
        self.assertEqual(self.reviews(), 1)

    def test_concurrent_misses_share_one_review(self):
        self.start("miss")
        self.assert_served(self.mint(serviceaccount="other"))  # this waits for the keys
        self.standin.fault_upstream(latency_ms=300)
        token_file = self.node.jwt_file(self.mint_pod())
        processes = [self.node.spawn("token", token_file=token_file) for _ in range(20)]
        for process in processes:
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0)
        self.assertEqual((self.reviews(), self.exchanges()), (2, 2))

    def test_no_refresh_after_the_pod_was_deleted(self):
        """The token expires after its pod was deleted; the next pod causes a new exchange."""
        self.standin.configure_upstream(expires_in=12)
        self.start("miss")
        jwt = self.mint_pod()
        self.assert_served(jwt)
        self.assert_served(jwt)  # it was used, so a refresh would follow
        self.standin.revoke(POD)
        # the second is for the refresh
        self.turn_until(lambda: self.reviews() == 2 and self.clock.passed_s > 11, 0.5)
        self.assertEqual(self.exchanges(), 1)
        following = self.assert_served(self.mint(pod="next", serviceaccount_uid=ACCOUNT))
        self.assertEqual((following["source"], self.exchanges()), ("exchange", 2))

    def test_a_refresh_while_the_pod_exists(self):
        self.standin.configure_upstream(expires_in=12)
        self.start("miss")
        jwt = self.mint_pod()
        self.assert_served(jwt)
        self.assert_served(jwt)
        self.clock.turn(10)
        wait_for(lambda: self.exchanges() == 2)
        self.assertEqual(self.reviews(), 2)


class FailClosed(ReviewCase):
    def test_an_api_server_that_does_not_answer(self):
        self.start("miss", api_server="https://localhost:1")
        error = self.assert_refused("REVIEW_UNAVAILABLE", TRY_AGAIN, self.mint_pod())
        self.assertIn("(Failed to connect to localhost port 1: ", error)  # no time, which would change
        self.assertNotIn("keys", error)
        self.assertEqual(self.exchanges(), 0)

    def test_an_api_server_that_refuses_the_daemon(self):
        self.start("miss")
        self.renew_own_token(sign="rogue")
        error = self.assert_refused("REVIEW_UNAVAILABLE", TRY_AGAIN, self.mint_pod())
        self.assertIn("HTTP 401: the API server does not accept the token in APIServerTokenFile=", error)
        # kubelet renews the token, and the daemon reads it again
        self.renew_own_token()
        self.clock.turn(1.1)
        self.assert_served(self.mint_pod())

    def test_a_failure_is_logged_once_until_it_changes(self):
        """However many pods ask, and however often."""
        self.start("miss")
        self.renew_own_token(sign="rogue")
        for _ in range(3):
            self.assert_refused("REVIEW_UNAVAILABLE", TRY_AGAIN, self.mint_account())
        self.own_token.unlink()
        for _ in range(3):
            self.assert_refused("REVIEW_UNAVAILABLE", TRY_AGAIN, self.mint_account())
        self.renew_own_token()
        for _ in range(2):
            self.assert_served(self.mint_account())
        lines = [line.split("]: ", 1)[1] for line in self.node.log().splitlines() if "review" in line]
        failed = f"cannot review tokens of {self.standin.issuer}: "
        self.assertEqual([line.split(": the API")[0].split("File=")[0] for line in lines], [
            failed + "TokenReview: HTTP 401", failed + "cannot read APIServerToken",
            f"tokens of {self.standin.issuer} are reviewed again"], self.node.log())

    def test_the_reviews_of_another_issuer_do_not_end_a_failure(self):
        keys = self.node.directory / "keys.json"
        keys.write_bytes(fetch(self.standin, "/keys")[1])
        self.start("miss")
        for name in ("one", "two"):
            self.node.issuer(name, url=f"https://{name}.example", extra=f"KeysFile={keys}\nTokenReview=miss\n"
                             f"APIServer=https://localhost:1\nAPIServerCAFile={self.standin.ca}\n"
                             f"APIServerTokenFile={self.own_token}")
            self.node.service(name, issuer=name)
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "configuration reloaded" in self.node.log())
        for _ in range(3):
            self.assert_served(self.mint_account())
            for name in ("one", "two"):
                jwt_file = self.node.jwt_file(self.mint_account(claims={"iss": f"https://{name}.example"}))
                self.assertEqual(self.node.podlogin("token", name, token_file=jwt_file).returncode, TRY_AGAIN)
        lines = [line for line in self.node.log().splitlines() if " review" in line]
        self.assertEqual(len(lines), 2, lines)

    def test_an_own_token_that_cannot_be_used_is_named(self):
        self.start("miss")
        for content, reason in ((None, "No such file or directory"), ("", "file is empty"),
                                ("\r\n", "file is empty"), ("a" * 20000, "file too large")):
            self.own_token.unlink(missing_ok=True)
            if content is not None:
                self.own_token.write_text(content)
            error = self.assert_refused("REVIEW_UNAVAILABLE", TRY_AGAIN, self.mint_account())
            self.assertIn("the daemon cannot read its own token", error)
            self.assertIn(f"APIServerTokenFile={self.own_token}: {reason}", self.node.log())
        self.own_token.write_text("two\nlines")
        error = self.assert_refused("REVIEW_UNAVAILABLE", TRY_AGAIN, self.mint_account())
        self.assertIn("not valid in a header", error)
        self.assertEqual((self.reviews(), self.exchanges()), (0, 0))

    def test_an_own_token_with_an_end_of_line_of_windows(self):
        self.start("miss")
        self.own_token.write_bytes(self.own_token.read_bytes().strip() + b"\r\n")
        self.assert_served(self.mint_pod())

    def test_a_deadline_during_a_review_does_not_blame_the_keys(self):
        self.start("miss")
        self.assert_served(self.mint_account())  # this waits for the keys
        self.standin.fault_issuer(kind="hang")
        with Client(str(self.node.socket), jwt=self.mint_account()) as client:
            with self.assertRaisesRegex(ServerError, "REVIEW_UNAVAILABLE.*no answer within 500 ms"):
                client.get("pulumi", timeout_ms=500)

    def test_invalid_answers(self):
        self.start("miss")
        self.assert_served(self.mint_pod())  # this waits for the keys
        for kind, fault in (("status", {"status": 500}), ("garbage", {}), ("reset", {})):
            self.standin.fault_issuer(kind=kind, **fault)
            self.assert_refused("REVIEW_UNAVAILABLE", TRY_AGAIN,
                                self.mint(serviceaccount="other-" + kind))

    def spawn_until_review(self):
        """Returns a process whose pod is being reviewed."""
        n = self.reviews()
        process = self.node.spawn("token", token_file=self.node.jwt_file(self.mint_pod()))
        wait_for(lambda: self.reviews() > n, what="the review")
        return process

    def test_an_answer_without_a_status(self):
        """After a 100, libcurl takes this for an answer, and reports no error; an older one, no status either. A newer
        one waits for more, and sees the connection end."""
        server = RawServer(self.standin, lambda _: [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/200 OK\r\n\r\n", None])
        self.addCleanup(server.stop)
        self.start("miss", api_server=server.url)
        error = self.assert_refused("REVIEW_UNAVAILABLE", TRY_AGAIN, self.mint_pod())
        self.assertRegex(error, "the answer (has no status|is not a TokenReview)|unexpected eof while reading")
        self.assertEqual(self.exchanges(), 0)

    def test_a_shutdown_during_a_review(self):
        self.start("miss")
        self.assert_served(self.mint(serviceaccount="other"))
        self.standin.fault_issuer(latency_ms=3000)
        process = self.spawn_until_review()
        self.assertEqual(self.node.stop(), 0)
        process.kill()
        process.communicate()

    def test_an_issuer_that_is_removed_during_a_review(self):
        self.start("miss")
        self.assert_served(self.mint(serviceaccount="other"))
        self.standin.fault_issuer(latency_ms=4000)
        self.node.issuer("other", url="https://localhost:1/id/NOBODY")
        process = self.spawn_until_review()
        (self.node.etc / "issuers.d/eks.conf").unlink()
        self.node.service("pulumi", issuer="other")
        self.node.process.send_signal(signal.SIGHUP)
        _, error = process.communicate(timeout=20)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("BUSY", error)


class Interval(ReviewCase):
    def assert_refused_at_last(self, name, code, jwt):
        self.turn_until(lambda: self.get(jwt)[0] != 0, 1, "a refusal")
        self.assert_refused(name, code, jwt)

    def test_hits_share_a_review_while_it_is_young(self):
        self.start("interval:1h")
        jwt = self.mint_pod()
        for _ in range(10):
            self.assert_served(jwt)
        self.assertEqual(self.reviews(), 1)
        self.standin.fault_issuer(kind="status", status=503)  # the API server is down, which changes nothing
        self.assert_served(jwt)

    def test_hits_are_reviewed_too(self):
        self.start("interval:3s")
        jwt = self.mint_pod()
        self.assert_served(jwt)
        self.standin.revoke(POD)
        self.assert_refused_at_last("TOKEN_REVOKED", REFUSED, jwt)

    def test_an_answer_is_not_used_when_it_is_too_old(self):
        self.start("interval:3s")
        jwt = self.mint_pod()
        self.assert_served(jwt)
        self.standin.fault_issuer(kind="status", status=503)
        self.assert_refused_at_last("REVIEW_UNAVAILABLE", TRY_AGAIN, jwt)
        self.standin.fault_issuer()
        self.clock.turn(1.1)
        self.assert_served(jwt)

    def test_reviews_are_renewed_in_the_background(self):
        self.start("interval:15s")
        jwt = self.mint_pod()
        self.assert_served(jwt)
        self.standin.fault_issuer(kind="hang")
        with Client(str(self.node.socket), jwt=jwt) as client:
            def is_renewed():
                client.get("pulumi")
                return self.reviews() == 2
            self.clock.turn(12)  # four fifths of the time
            wait_for(is_renewed, what="the second review")
            client.get("pulumi")
            self.assertNotIn("cannot review tokens", self.node.log())  # so no hit has waited for it


if __name__ == "__main__":
    unittest.main()
