"""Each refusal reaches the user as its own error, with its exit code and sentence."""

import email.utils
import json
import pathlib
import time
import unittest

from node import AUDIENCE, NodeCase, wait_all, wait_for
from protocol_client import Client, ServerError
from raw_server import RawServer

REFUSED, TRY_AGAIN, CONFIG = 77, 75, 78


class Refusals(NodeCase):
    """Refusals because of the token, the rules or the request; none of them costs an exchange."""

    def setUp(self):
        super().setUp()
        self.node.start()

    def refused(self, name, jwt, *arguments, code=REFUSED):
        error = self.assert_refused(name, code, jwt, *arguments)
        self.assertEqual(self.exchanges(), 0)
        return error

    def test_bad_signature(self):
        self.refused("TOKEN_BAD_SIGNATURE", self.mint(sign="corrupt"))

    def test_wrong_key_under_the_right_kid(self):
        self.refused("TOKEN_BAD_SIGNATURE", self.mint(sign="rogue"))

    def test_signature_of_another_token(self):
        one, two = self.mint(pod="one"), self.mint(pod="two")
        self.refused("TOKEN_BAD_SIGNATURE",
                     one.rsplit(".", 1)[0] + "." + two.rsplit(".", 1)[1])

    def test_payload_replaced_under_a_valid_signature(self):
        mine, other = self.mint(), self.mint(serviceaccount="admin")
        header, _, signature = mine.split(".")
        self.refused("TOKEN_BAD_SIGNATURE", ".".join([header, other.split(".")[1], signature]))

    def test_expired(self):
        now = int(time.time())
        self.refused("TOKEN_EXPIRED", self.mint(issued_at=now - 7200, lifetime=3600))

    def test_a_bad_signature_is_reported_before_the_expiry(self):
        now = int(time.time())
        self.refused("TOKEN_BAD_SIGNATURE",
                     self.mint(issued_at=now - 7200, lifetime=3600, sign="corrupt"))

    def test_not_yet_valid(self):
        now = int(time.time())
        self.refused("TOKEN_NOT_YET_VALID", self.mint(not_before=now + 300))

    def test_issued_in_the_future(self):
        now = int(time.time())
        self.refused("TOKEN_NOT_YET_VALID", self.mint(issued_at=now + 300))

    def test_wrong_audience(self):
        self.refused("TOKEN_WRONG_AUDIENCE", self.mint(audience=["sts.amazonaws.com"]))

    def test_a_further_audience(self):
        error = self.refused("TOKEN_WRONG_AUDIENCE",
                             self.mint(audience=[AUDIENCE, "https://kubernetes.default.svc"]))
        self.assertIn("further audiences", error)

    def test_unknown_issuer(self):
        self.refused("TOKEN_UNTRUSTED_ISSUER",
                     self.mint(claims={"iss": "https://evil.example/id/X"}))

    def test_issuer_with_an_extra_slash(self):
        self.refused("TOKEN_UNTRUSTED_ISSUER",
                     self.mint(claims={"iss": self.standin.issuer + "/"}))

    def test_alg_none(self):
        self.refused("TOKEN_BAD_ALGORITHM", self.mint(sign="none"))

    def test_alg_hs256_keyed_with_the_public_key(self):
        self.refused("TOKEN_BAD_ALGORITHM", self.mint(sign="hs256-public"))

    def test_an_algorithm_that_is_not_allowed_for_the_issuer(self):
        self.refused("TOKEN_BAD_ALGORITHM", self.mint(alg="ES256"))

    def test_unknown_kid(self):
        self.refused("TOKEN_UNKNOWN_KEY", self.mint(header={"kid": "nobody-has-this"}))

    def test_no_kid(self):
        self.refused("TOKEN_MALFORMED", self.mint(header={"kid": None}))

    def test_a_key_of_its_own_in_the_header(self):
        self.refused("TOKEN_MALFORMED", self.mint(header={"jwk": {"kty": "RSA"}}))

    def test_not_a_jwt(self):
        for text in ("x", "a.b", "a.b.c", "a.b.c.d", "..", "e30.e30.e30", "x" * 8192):
            with self.subTest(text[:12]):
                code, _, error = self.get(text)
                self.assertEqual(code, REFUSED)
                self.assertIn(": TOKEN_MALFORMED: ", error)

    def test_a_token_that_is_valid_for_a_year(self):
        self.refused("TOKEN_MALFORMED", self.mint(lifetime=365 * 86400))

    def test_a_subject_that_is_not_the_service_account(self):
        self.refused("TOKEN_MALFORMED",
                     self.mint(claims={"sub": "system:serviceaccount:ci:somebody-else"}))

    def test_rule_denied(self):
        error = self.refused("POLICY_DENIED", self.mint(namespace="prod"))
        self.assertIn("no [Allow] section of service pulumi matches", error)

    def test_unknown_service(self):
        self.refused("UNKNOWN_SERVICE", self.mint(), "nonesuch", code=CONFIG)

    def test_no_token_file(self):
        result = self.node.podlogin("token", "--token-file", "/nonexistent/token")
        self.assertEqual(result.returncode, CONFIG)
        self.assertIn("NO_SUBJECT_TOKEN: /nonexistent/token: No such file", result.stderr)

    def test_a_token_longer_than_any(self):
        code, _, error = self.get("x" * 8193)
        self.assertEqual(code, CONFIG)
        self.assertIn("longer than a service-account token can be", error)


class Rules(NodeCase):
    def test_deny_wins_and_is_named(self):
        self.node.service("pulumi", rules="""[Allow "ci"]
"kubernetes.io".namespace=ci
"kubernetes.io".serviceaccount.name=pulumi-*

[Deny "debug pods"]
"kubernetes.io".pod.name=debug-*
""")
        self.node.start()
        self.assert_served(self.mint(pod="job-1"))
        error = self.assert_refused("POLICY_DENIED", REFUSED, self.mint(pod="debug-1"))
        self.assertIn('[Deny "debug pods"] of service pulumi', error)
        self.assert_refused("POLICY_DENIED", REFUSED, self.mint(serviceaccount="other"))

    def test_rules_apply_to_hits_too(self):
        self.node.service("pulumi", rules='[Allow "one pod"]\n"kubernetes.io".pod.name=good\n')
        self.node.start()
        self.assert_served(self.mint(pod="good"))
        self.assert_refused("POLICY_DENIED", REFUSED, self.mint(pod="bad"))
        self.assertEqual(self.assert_served(self.mint(pod="good"))["source"], "cache")

    def test_no_allow_section_admits_nobody(self):
        self.node.service("pulumi", rules="")
        self.node.start()
        self.assert_refused("POLICY_DENIED", REFUSED, self.mint())

    def test_a_service_trusts_its_own_issuer_only(self):
        self.node.issuer("other", url="https://issuer.invalid/id/OTHER")
        self.node.service("pulumi", issuer="other")
        self.node.start()
        self.assert_refused("TOKEN_UNTRUSTED_ISSUER", REFUSED, self.mint())


class Upstream(NodeCase):
    """Each class of answers of the upstream has its own error."""

    def setUp(self):
        super().setUp()
        self.node.start()

    def test_denied_by_the_upstream_s_policies(self):
        self.standin.policies([])
        error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.mint())
        self.assertIn("HTTP 403: access_denied", error)

    def test_unknown_organization(self):
        self.standin.configure_upstream(organizations=["somebody-else"])
        self.addCleanup(self.standin.configure_upstream, organizations=["acme"])
        error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.mint())
        self.assertIn("invalid_request", error)

    def test_faults(self):
        faults = [
            ({"kind": "status", "status": 500}, "UPSTREAM_UNAVAILABLE"),
            ({"kind": "status", "status": 503}, "UPSTREAM_UNAVAILABLE"),
            ({"kind": "status", "status": 429, "retry_after": "20"}, "BUSY"),
            ({"kind": "status", "status": 503, "retry_after": "20"}, "BUSY"),
            ({"kind": "reset"}, "UPSTREAM_UNAVAILABLE"),
            ({"kind": "garbage"}, "UPSTREAM_PROTOCOL"),
            ({"kind": "html"}, "UPSTREAM_PROTOCOL"),
            ({"kind": "empty"}, "UPSTREAM_PROTOCOL"),
            ({"kind": "huge"}, "UPSTREAM_PROTOCOL"),
            ({"kind": "status", "status": 302, "body": ""}, "UPSTREAM_PROTOCOL"),
            ({"kind": "status", "status": 408, "body": ""}, "UPSTREAM_UNAVAILABLE"),
        ]
        for fault, name in faults:
            with self.subTest(fault=fault):
                self.standin.fault_upstream(**fault)
                self.assert_refused(name, TRY_AGAIN, self.mint())
                self.standin.fault_upstream()
                self.node.restart()  # otherwise the circuit breaker answers
                self.assert_served(self.mint(serviceaccount=f"after-{len(self.node.log())}"))

    def test_a_4xx_is_about_the_request_and_not_about_the_others(self):
        """One pod asks each time first, and its request is refused; the others must not notice."""
        bodies = ["<html>bad</html>", '{"code":400,"message":"no such runner"}',
                  '{"error":"invalid_request","error_description":"no such runner"}']
        statuses = (400, 404, 406, 411, 413, 415, 422, 431, 451)
        mean = [self.mint(pod=f"mean-{i}") for i in range(len(statuses))]
        for i, status in enumerate(statuses):
            body = bodies[i % len(bodies)]
            self.standin.fault_upstream(kind="status", status=status, body=body, times=1)
            error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, mean[i])
            self.assertIn(f"HTTP {status}", error)
            if "runner" in body:
                self.assertIn("no such runner", error)
            # it is remembered with the JWT, and with nothing else
            self.assert_refused("UPSTREAM_REFUSED", REFUSED, mean[i])
            self.assert_served(self.mint(serviceaccount=f"other-{i}"))
        self.assertEqual(self.exchanges(), 2 * len(statuses))

    def test_what_is_not_http_is_no_fault_of_the_request(self):
        for answer in (b"<html>HTTP/0.9</html>", b"ICY 200 OK\r\n\r\n{}", b"\x15\x03\x03\x00\x02\x02\x28"):
            server = RawServer(self.standin, lambda _, answer=answer: [answer, None])
            self.addCleanup(server.stop)
            self.node.service("raw", api_url=server.url)
            self.node.restart()
            self.assert_refused("UPSTREAM_PROTOCOL", TRY_AGAIN, self.mint(), "raw")

    def test_a_ca_file_that_is_missing_for_a_moment(self):
        ca = self.node.directory / "ca.pem"
        ca.write_bytes(pathlib.Path(self.standin.ca).read_bytes())
        self.node.service("pulumi", ca=ca)
        self.node.restart()
        ca.rename(ca.with_suffix(".new"))
        self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.mint())
        ca.with_suffix(".new").rename(ca)
        wait_for(lambda: self.get(self.mint())[0] == 0, 30, "an exchange after the breaker's pause")

    def test_retry_after_in_seconds_and_as_a_date(self):
        """RFC 9110, section 10.2.3: the client is told the delay, and the upstream is left alone for so long."""
        for value in ("30", email.utils.formatdate(time.time() + 31, usegmt=True)):
            with self.subTest(value):
                begun = time.monotonic()
                self.standin.fault_upstream(kind="status", status=429, retry_after=value)
                self.standin.reset_counts()
                for name in ("one", "two"):
                    with Client(str(self.node.socket), timeout=20,
                                jwt=self.mint(serviceaccount=name)) as client:
                        with self.assertRaises(ServerError) as busy:
                            client.get("pulumi")
                    self.assertEqual(busy.exception.name, "BUSY")
                    passed_ms = (time.monotonic() - begun) * 1000
                    self.assertGreater(busy.exception.retry_after_ms, 27000 - passed_ms)
                    self.assertLessEqual(busy.exception.retry_after_ms, 34100)
                self.assertEqual(self.exchanges(), 1)
                self.node.restart()

    def test_an_answer_that_quotes_the_token_is_redacted(self):
        jwt = self.mint()
        self.standin.fault_upstream(
            kind="status", status=400,
            body='{"error":"invalid_grant","error_description":"bad token %s"}' % jwt)
        error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, jwt)
        self.assertIn("bad token [...]", error)
        for part in jwt.split("."):
            self.assertNotIn(part[:60], error + self.node.log())

    def test_an_answer_that_quotes_the_token_in_pieces_is_redacted(self):
        for size in (30, 10, 3):
            jwt = self.mint()
            pieces = [jwt[i:i + size] for i in range(0, len(jwt), size)]
            self.standin.fault_upstream(
                kind="status", status=400,
                body='{"error":"invalid_grant","error_description":"bad token = %s"}' % " ".join(pieces[20:]))
            error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, jwt)
            self.assertIn("bad token = [...]", error)
            for piece in pieces[20:40]:
                self.assertNotIn(f" {piece}", error + self.node.log())

    def test_an_upstream_that_does_not_listen(self):
        self.node.service("dead", api_url="https://localhost:1")
        self.node.restart()
        self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.mint(), "dead")

    def test_an_untrusted_upstream_gets_no_token(self):
        self.node.service("fake", api_url=self.standin.untrusted)
        self.node.restart()
        error = self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.mint(), "fake")
        self.assertIn("certificate", error.lower())
        self.assertEqual(self.exchanges(), 0)


class IssuerKeys(NodeCase):
    def test_keys_in_a_file(self):
        status, body = fetch(self.standin, "/keys")
        self.assertEqual(status, 200)
        path = self.node.directory / "keys.json"
        path.write_bytes(body)
        self.node.issuer("eks", extra=f"KeysFile={path}")
        self.standin.reset_counts()
        self.node.start()
        self.assert_served(self.mint())
        self.assertEqual(self.standin.counts()["keys"], 0)

    def test_every_algorithm(self):
        names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
        self.node.issuer("eks", algorithms=" ".join(names))
        jwts = [self.mint(alg=name, serviceaccount=f"with-{name.lower()}") for name in names]
        self.node.start()
        for name, jwt in zip(names, jwts):
            with self.subTest(name):
                self.assert_served(jwt)

    def test_a_rotation_is_noticed_and_a_withdrawn_key_is_not_trusted(self):
        self.node.start()
        old = self.mint()
        self.assert_served(old)
        self.standin.rotate(keep_old=False)
        self.assert_served(self.mint())  # the unknown key id causes a fetch
        code, _, error = self.get(old)  # although it was verified before
        self.assertNotEqual(code, 0)
        self.assertRegex(error, "TOKEN_UNKNOWN_KEY|ISSUER_UNAVAILABLE")

    def test_random_kids_do_not_flood_the_issuer(self):
        self.node.start()
        self.assert_served(self.mint())
        before = self.standin.counts()["keys"]
        self.assert_refused("TOKEN_UNKNOWN_KEY", REFUSED, self.mint(header={"kid": "k"}))
        for i in range(20):
            # the keys are not fetched again, so there is no verdict: it might be a new key
            error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN,
                                        self.mint(header={"kid": f"k{i}"}))
            self.assertIn("newer keys were requested", error)
        self.assertLessEqual(self.standin.counts()["keys"] - before, 1)

    def test_an_issuer_that_is_down_is_reported_and_tried_again(self):
        self.standin.fault_issuer(kind="status", status=503)
        self.start_with_clock()
        self.hurries = True
        self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint())
        self.standin.fault_issuer()
        self.turn_until(lambda: self.get(self.mint())[0] == 0, 1, "an answer of the issuer")

    def test_a_rotation_during_which_fetches_fail(self):
        """The jobs are served by the next try, and a longer failure is not the tokens' fault."""
        faults = ({"kind": "status", "status": 503}, {"kind": "reset"}, {"kind": "html"}, {"kind": "empty"})
        self.node.start()
        old = self.mint()
        self.assert_served(old)
        for i, fault in enumerate(faults):
            self.standin.rotate()
            self.standin.fault_issuer(**fault, times=1)
            jwts = [self.node.jwt_file(self.mint(serviceaccount=f"sa-{i}-{j}"), f"token-{j}")
                    for j in range(10)]
            results = wait_all([self.node.spawn("token", token_file=jwt) for jwt in jwts])
            self.assertEqual([code for code, _, _ in results], [0] * 10, results)
            self.node.restart()  # or the next unknown key is asked for within 30 s
        self.standin.rotate()
        self.standin.fault_issuer(kind="status", status=503)
        error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint())
        self.assertIn("HTTP 503", error)
        self.assert_served(old)

    def test_an_issuer_that_is_down_is_asked_less_and_less_and_logged_once(self):
        self.standin.fault_issuer(kind="status", status=503)
        self.node.start()
        for i in range(60):
            self.get(self.mint(serviceaccount=f"sa-{i}"))
        self.assertEqual(self.node.log().count("cannot fetch keys"), 1)
        self.assertLess(self.standin.counts()["discovery"], 12)

    def test_a_key_that_is_replaced_under_its_name(self):
        """As by an administrator who sets the names: the signature is the only sign of it."""
        self.node.start()
        self.assert_served(self.mint())
        _, keys = fetch(self.standin, "/keys")
        kid = json.loads(keys)["keys"][0]["kid"]
        self.standin.rotate(keep_old=False)
        fresh = json.loads(fetch(self.standin, "/keys")[1])
        for key in fresh["keys"]:
            key["kid"] = kid if key["alg"] == "RS256" else key["kid"]
        self.standin.keys_document(json.dumps(fresh))
        self.assert_served(self.mint(header={"kid": kid}))
        # once in 30 s, however many forged signatures come
        before = self.standin.counts()["keys"]
        for _ in range(5):
            self.assert_refused("TOKEN_BAD_SIGNATURE", REFUSED, self.mint(header={"kid": kid}, sign="rogue"))
        self.assertLessEqual(self.standin.counts()["keys"] - before, 1)

    def test_invalid_key_sets_do_not_replace_valid_keys(self):
        self.node.start()
        self.assert_served(self.mint())
        for body in ("", "{}", '{"keys":[]}', "[" * 5000, '{"keys":"x"}', "\0"):
            self.standin.keys_document(body)
            self.get(self.mint(header={"kid": "unknown"}))
        self.assert_served(self.mint())

    def test_a_discovery_document_of_another_issuer_is_refused(self):
        self.standin.discovery_document(
            '{"issuer":"https://evil.example","jwks_uri":"%s/keys"}' % self.standin.issuer)
        self.start_with_clock()
        self.hurries = True
        error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint())
        self.assertIn("another issuer", error)

    def test_keys_over_http_are_not_fetched(self):
        self.standin.discovery_document(
            '{"issuer":"%s","jwks_uri":"http://localhost:1/keys"}' % self.standin.issuer)
        self.start_with_clock()
        self.hurries = True
        self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint())


def fetch(standin, path):
    """A GET at the issuer, as any client could send it."""
    import ssl
    import urllib.request
    context = ssl.create_default_context(cafile=standin.ca)
    with urllib.request.urlopen(standin.issuer + path, context=context) as response:
        return response.status, response.read()


if __name__ == "__main__":
    unittest.main()
