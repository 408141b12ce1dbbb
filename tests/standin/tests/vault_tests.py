"""Vault: the login of the auth method JWT, and what a token says about itself."""

import json
import time

from case import Case, subject_of

JSON = {"Content-Type": "application/json"}


class VaultTest(Case):
    def login(self, token, mount="jwt", namespace=None, method="POST", **changes):
        """Returns (status, JSON)."""
        fields = {name: value for name, value in {"role": "ci", "jwt": token, **changes}.items() if value is not None}
        headers = {**JSON, **({"X-Vault-Namespace": namespace} if namespace else {})}
        status, _, body = self.http(method, f"/v1/auth/{mount}/login", json.dumps(fields), headers)
        return status, json.loads(body)

    def lookup(self, token, **headers):
        headers = {**({"X-Vault-Token": token} if token else {}), **headers}
        status, _, body = self.http("GET", "/v1/auth/token/lookup-self", headers=headers)
        return status, json.loads(body)

    def mint(self, **order):
        return self.standin.mint(**{"audience": ["vault"], **order})

    def assert_errors(self, got, status, text):
        self.assertEqual((got[0], list(got[1])), (status, ["errors"]), got)
        self.assertIn(text, got[1]["errors"][0])

    def test_a_login_gives_a_token_that_shows_whose_it_is(self):
        status, got = self.login(self.mint(serviceaccount="builder"))
        self.assertEqual(status, 200, got)
        auth = got["auth"]
        self.assertEqual((auth["lease_duration"], auth["renewable"]), (3600, True))
        self.assertEqual(auth["metadata"], {"role": "ci"})
        self.assertIsNone(got["data"])
        self.assertEqual(got["lease_duration"], 0)
        self.assertTrue(auth["client_token"].startswith("hvs."))
        self.assertEqual(subject_of(auth["client_token"]), "system:serviceaccount:ci:builder")
        record = self.standin.issued(auth["client_token"])
        self.assertEqual((record["valid"], record["kind"], record["role"]), (True, "vault", "ci"))
        self.assertEqual((record["mount"], record["namespace"]), ("jwt", ""))

    def test_the_lease_is_what_the_admission_says_within_the_maximum(self):
        self.standin.admissions([{"kind": "vault", "lifetime": 60}])
        self.assertEqual(self.login(self.mint())[1]["auth"]["lease_duration"], 60)
        self.standin.configure_upstream(expires_in=5)
        self.assertEqual(self.login(self.mint())[1]["auth"]["lease_duration"], 5)

    def test_a_token_looks_itself_up_until_it_expires(self):
        self.standin.reset_calls()
        token = self.login(self.mint())[1]["auth"]["client_token"]
        status, got = self.lookup(token)
        self.assertEqual((status, got["data"]["id"], got["data"]["path"]), (200, token, "auth/jwt/login"))
        self.assertTrue(3590 < got["data"]["ttl"] <= 3600)
        self.assertEqual(self.lookup(None, Authorization="Bearer " + token)[0], 200)
        self.assertEqual([call["token"] for call in self.standin.calls()], [token, token])
        for wrong in (None, "", "hvs.x", token + "x"):
            self.assert_errors(self.lookup(wrong), 403, "permission denied")
        self.assert_errors(self.lookup(token, **{"X-Vault-Namespace": "ns1"}), 403, "permission denied")
        self.standin.configure_upstream(expires_in=1)
        token = self.login(self.mint())[1]["auth"]["client_token"]
        time.sleep(1.1)
        self.assert_errors(self.lookup(token), 403, "permission denied")

    def test_a_token_of_another_upstream_is_none(self):
        pulumi = self.exchange(self.standin.mint())[1]["access_token"]
        self.assert_errors(self.lookup(pulumi), 403, "permission denied")
        token = self.login(self.mint())[1]["auth"]["client_token"]
        self.assertEqual(self.http("GET", "/api/user", headers={"Authorization": "token " + token})[0], 401)

    def test_mounts_and_namespaces(self):
        self.standin.admit("vault", mount="cluster/prod", namespace="", role="ci")
        self.standin.admit("vault", mount="jwt", namespace="ns1/ns2", role="other")
        token = self.mint()
        self.assertEqual(self.login(token, mount="cluster/prod")[0], 200)
        self.assertEqual(self.login(token, method="PUT")[0], 200)
        for namespace in ("ns1/ns2", "ns1/ns2/", "/ns1/ns2"):
            status, got = self.login(token, namespace=namespace, role="other")
            self.assertEqual(status, 200, got)
        own = self.standin.last_exchange()
        self.assertEqual((own["kind"], own["headers"]["X-Vault-Namespace"]), ("vault", "/ns1/ns2"))
        self.assertEqual(self.lookup(got["auth"]["client_token"], **{"X-Vault-Namespace": "ns1/ns2"})[0], 200)
        self.assert_errors(self.lookup(got["auth"]["client_token"]), 403, "permission denied")
        self.assert_errors(self.login(token, namespace="ns1/ns2"), 400, 'role "ci" could not be found')
        self.assert_errors(self.login(token, namespace="ns1"), 403, "permission denied")
        self.assert_errors(self.login(token, mount="other"), 403, "permission denied")
        self.assert_errors(self.login(token, mount="jwt/x"), 403, "permission denied")

    def test_each_malformed_request_gets_its_error(self):
        token = self.mint()
        for changes, text in (
            ({"role": None}, "missing role"),
            ({"role": ""}, "missing role"),
            ({"role": 1}, "missing role"),
            ({"role": "other"}, 'role "other" could not be found'),
            ({"jwt": None}, "missing token"),
            ({"jwt": ""}, "missing token"),
        ):
            with self.subTest(changes):
                self.assert_errors(self.login(token, **changes), 400, text)
        for body, headers in (("{", JSON), ("[]", JSON), ("role=ci", {"Content-Type": "application/x-www-form-urlencoded"})):
            with self.subTest(body):
                status, _, answer = self.http("POST", "/v1/auth/jwt/login", body, headers)
                self.assert_errors((status, json.loads(answer)), 400, "failed to parse JSON input")
        status, _, answer = self.http("GET", "/v1/auth/jwt/login")
        self.assert_errors((status, json.loads(answer)), 405, "unsupported operation")
        status, _, answer = self.http("GET", "/v1/sys/health")
        self.assert_errors((status, json.loads(answer)), 403, "permission denied")

    def test_tokens_that_are_refused(self):
        for order, text in (
            ({"lifetime": -5}, "token is expired"),
            ({"not_before": int(time.time()) + 600}, "token not yet valid"),
            ({"claims": {"iss": "https://other.example"}}, "invalid issuer (iss) claim"),
            ({"sign": "rogue"}, "error verifying token signature"),
            ({"sign": "none"}, "error verifying token signature"),
            ({"audience": ["urn:pulumi:org:acme"]}, "invalid audience (aud) claim"),
        ):
            with self.subTest(order):
                self.assert_errors(self.login(self.mint(**order)), 400, "error validating token: ")
                self.assert_errors(self.login(self.mint(**order)), 400, text)
        self.standin.admissions([{"kind": "vault", "subject": "system:serviceaccount:ci:builder"}])
        self.assert_errors(self.login(self.mint()), 400, "invalid subject (sub) claim")
        self.assertEqual(self.login(self.mint(serviceaccount="builder"))[0], 200)

    def test_every_error_comes_when_the_test_wants_it(self):
        token = self.mint()
        for name, status in (("throttled", 429), ("unavailable", 503), ("sealed", 503), ("denied", 403),
                             ("internal", 500), ("no-role", 400), ("no-token", 400)):
            with self.subTest(name):
                self.standin.fault_upstream("error", error=name, times=1, retry_after="7")
                self.assert_errors(self.login(token), status, "")
                self.assertEqual(self.login(token)[0], 200)
        counts = self.standin.counts()
        self.assertEqual((counts["by_kind"], counts["exchanges_faulted"]), ({"vault": 14}, 7))
