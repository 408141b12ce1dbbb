"""The issuers of Pulumi Cloud and their policies: each answer of the REST interface, and what they do to the exchange."""

import hashlib
import json
import pathlib
import ssl
import urllib.request

from case import BINARY, Case, Standin

ORG = "/api/orgs/acme"
ISSUERS = ORG + "/oidc/issuers"
ALLOW = {"decision": "allow", "tokenType": "personal", "userLogin": "ci-bot", "authorizedPermissions": [],
         "rules": {"aud": "urn:pulumi:org:acme", '"kubernetes.io".namespace': "ci"}}
DENY = {"decision": "deny", "tokenType": "organization", "authorizedPermissions": [], "rules": {}}


class IssuersCase(Case):
    def setUp(self):
        super().setUp()
        self.standin.configure_upstream(organizations=["acme", "other"])
        self.standin.policies([])  # of issuers that are not registered
        self.admin = self.standin.user_token()
        self.standin.reset_issuers()
        self.standin.reset_calls()

    def api(self, method, path, body=None, token=None):
        """Returns (status, JSON or None)."""
        status, _, answer = self.http(method, path, None if body is None else json.dumps(body),
                                      {"Authorization": "token " + (token or self.admin)})
        return status, json.loads(answer) if answer else None

    def register(self, **changes):
        status, issuer = self.api("POST", ISSUERS, {"name": "eks", "url": self.standin.issuer, **changes})
        self.assertEqual(status, 200, issuer)
        return issuer

    def policy_of(self, issuer):
        status, policy = self.api("GET", f"{ORG}/auth/policies/oidcissuers/{issuer['id']}")
        self.assertEqual(status, 200, policy)
        return policy

    def allow(self, issuer, *policies):
        path = f"{ORG}/auth/policies/{self.policy_of(issuer)['id']}"
        status, policy = self.api("PATCH", path, {"policies": policies or [ALLOW]})
        self.assertEqual(status, 200, policy)
        return policy

    def leaf_sha256(self):
        pem = pathlib.Path(self.standin.directory, "server.pem").read_text()
        pem = pem[pem.index("-----BEGIN CERTIFICATE"):pem.index("-----END CERTIFICATE-----") + 25]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    def keys(self, standin=None):
        standin = standin or self.standin
        context = ssl.create_default_context(cafile=standin.ca)
        with urllib.request.urlopen(standin.issuer + "/keys", context=context, timeout=5) as answer:
            return json.load(answer)


class IssuersTest(IssuersCase):
    def test_only_administrators_of_the_organization(self):
        issuer = self.register()
        for token, expected in ((self.standin.user_token(admin=False), 403), (self.standin.user_token("other"), 404),
                                ("pul-unknown", 401)):
            for method, path, body in (
                    ("GET", ISSUERS, None), ("POST", ISSUERS, {"name": "x", "url": "https://x.example"}),
                    ("DELETE", f"{ISSUERS}/{issuer['id']}", None),
                    ("GET", f"{ORG}/auth/policies/oidcissuers/{issuer['id']}", None)):
                status, answer = self.api(method, path, body, token)
                self.assertEqual((status, answer["code"]), (expected, expected), (method, path))
                self.assertTrue(answer["message"])
        self.assertEqual(len(self.api("GET", ISSUERS)[1]["oidcIssuers"]), 1)
        # the same id in another organization
        other = self.standin.user_token("other")
        self.assertEqual(self.api("GET", f"/api/orgs/other/oidc/issuers/{issuer['id']}", token=other)[0], 404)

    def test_an_exchanged_admin_token_administers(self):
        self.standin.policies("allow-all")
        token = self.exchange(self.standin.mint(), "organization", "admin")[1]["access_token"]
        self.assertEqual(self.api("GET", ISSUERS, token=token)[0], 200)
        token = self.exchange(self.standin.mint(), "organization", "")[1]["access_token"]
        self.assertEqual(self.api("GET", ISSUERS, token=token)[0], 403)

    def test_an_issuer_from_registration_to_removal(self):
        issuer = self.register(maxExpiration=3600)
        self.assertEqual((issuer["name"], issuer["url"], issuer["issuer"], issuer["maxExpiration"]),
                         ("eks", self.standin.issuer, self.standin.issuer, 3600))
        self.assertEqual(issuer["thumbprints"], [self.leaf_sha256()])
        self.assertNotIn("lastUsed", issuer)
        path = f"{ISSUERS}/{issuer['id']}"
        self.assertEqual(self.api("GET", path), (200, issuer))
        self.assertEqual(self.api("GET", ISSUERS), (200, {"oidcIssuers": [issuer]}))
        status, changed = self.api("PATCH", path, {"name": "prod", "maxExpiration": 60})
        self.assertEqual((status, changed["name"], changed["maxExpiration"], changed["url"]),
                         (200, "prod", 60, self.standin.issuer))
        self.assertEqual(self.api("POST", path + "/regenerate-thumbprints")[1]["thumbprints"], [self.leaf_sha256()])
        self.assertEqual(self.api("PUT", path)[0], 405)
        self.assertEqual(self.api("DELETE", path), (204, None))
        for method in ("GET", "DELETE"):
            self.assertEqual(self.api(method, path)[0], 404)
        self.assertEqual(self.api("GET", ORG + "/oidc/nonesuch")[0], 404)

    def test_registrations_that_are_refused(self):
        url = self.standin.issuer
        rows = [
            (400, "the issuer name is required", {"url": url, "name": ""}),
            (400, "invalid issuer url", {"name": "a", "url": "http://x"}),
            (400, "invalid issuer url", {"name": "a"}),
            (400, "max expiration", {"name": "a", "url": url, "maxExpiration": 0}),
            (400, "Bad Request", {"name": "a", "url": url, "maxExpiration": "1"}),
            (400, "Bad Request", {"name": "a", "url": url, "unknown": 1}),
            (400, "SHA-256", {"name": "a", "url": url, "thumbprints": ["ab"]}),
            (400, f"Calculated thumbprint {self.leaf_sha256()} does not match any of the provided. Make sure it is "
             "properly generated (SHA256).", {"name": "a", "url": url, "thumbprints": ["0" * 64]}),
            (400, "no keys", {"name": "a", "url": url, "jwks": {}}),
            (400, "key 0", {"name": "a", "url": url, "jwks": {"keys": [{"kty": "RSA"}]}}),
            (400, "invalid request body", []),
        ]
        for expected, message, body in rows:
            status, answer = self.api("POST", ISSUERS, body)
            self.assertEqual((status, answer["code"]), (expected, expected), body)
            self.assertIn(message, answer["message"])
        issuer = self.register(thumbprints=["0" * 64, self.leaf_sha256()])
        self.assertEqual(self.api("POST", ISSUERS, {"name": "b", "url": url})[0], 409)
        path = f"{ISSUERS}/{issuer['id']}"
        for message, body in (("the issuer name is required", {"name": ""}), ("cannot be changed", {"url": url, "name": "a"}),
                              ("Calculated thumbprint", {"name": "a", "thumbprints": ["0" * 64]})):
            status, answer = self.api("PATCH", path, body)
            self.assertEqual(status, 400)
            self.assertIn(message, answer["message"])
        self.assertEqual(self.api("GET", path), (200, issuer))

    def test_policies_are_replaced_as_a_whole(self):
        issuer = self.register()
        policy = self.policy_of(issuer)
        self.assertEqual((policy["version"], policy["policies"]), (1, [DENY]))
        changed = self.allow(issuer, ALLOW)
        self.assertEqual((changed["id"], changed["version"], changed["policies"]), (policy["id"], 2, [ALLOW]))
        self.assertEqual(self.policy_of(issuer), changed)
        path = f"{ORG}/auth/policies/{policy['id']}"
        team = {**ALLOW, "tokenType": "team"}
        for message, policies in (
                ("policy definition can not be empty", []), ("can not be empty", None),
                ("neither allow nor deny", [{**ALLOW, "decision": "maybe"}]), ("unknown tokenType", [{**ALLOW, "tokenType": "x"}]),
                ("teamName is required", [team]), ("organization tokens", [{**ALLOW, "authorizedPermissions": ["admin"]}]),
                ("malformed claim path", [{**ALLOW, "rules": {"a..b": "c"}}]), ("not a string", [{**ALLOW, "rules": {"a": 1}}])):
            status, answer = self.api("PATCH", path, {"policies": policies} if policies is not None else {})
            self.assertEqual((status, answer["code"]), (400, 400), message)
            self.assertIn(message, answer["message"])
        self.assertEqual(self.policy_of(issuer), changed)
        self.assertEqual(self.api("PATCH", f"{ORG}/auth/policies/nonesuch", {"policies": [ALLOW]})[0], 404)
        self.assertEqual(self.api("GET", f"{ORG}/auth/policies/oidcissuers/nonesuch")[0], 404)
        self.assertEqual(self.api("GET", path)[0], 405)

    def test_they_decide_about_exchanges(self):
        token = self.standin.mint()
        self.assert_refused(self.exchange(token), 403, "access_denied")
        issuer = self.register(maxExpiration=600)
        self.assert_refused(self.exchange(token), 403, "access_denied")  # the default policy
        self.allow(issuer)
        status, got = self.exchange(token)
        self.assertEqual((status, got["expires_in"]), (200, 600))
        self.assertTrue(self.api("GET", f"{ISSUERS}/{issuer['id']}")[1]["lastUsed"])
        self.assert_refused(self.exchange(self.standin.mint(namespace="prod")), 403, "access_denied")
        self.assert_refused(self.exchange(token, audience="urn:pulumi:org:other"), 403, "access_denied")
        self.allow(issuer, ALLOW, {**ALLOW, "decision": "deny", "rules": {'"kubernetes.io".pod.name': "debug-*"}})
        self.assertEqual(self.exchange(token)[0], 200)
        self.assert_refused(self.exchange(self.standin.mint(pod="debug-1")), 403, "access_denied")

    def test_static_keys_are_those_that_count(self):
        with Standin(BINARY, str(pathlib.Path(self.directory.name, "private"))) as private:
            token = private.mint()
            self.assert_refused(self.exchange(token), 400, "invalid_grant")
            issuer = self.register(url=private.issuer)  # its keys cannot be fetched
            self.allow(issuer)
            self.assert_refused(self.exchange(token), 400, "invalid_grant")
            path = f"{ISSUERS}/{issuer['id']}"
            status, changed = self.api("PATCH", path, {"name": "eks", "jwks": self.keys(private)})
            self.assertEqual((status, changed["jwks"]), (200, self.keys(private)))
            self.assertEqual(self.exchange(token)[0], 200)
            self.assertEqual(self.api("POST", path + "/regenerate-thumbprints")[0], 400)
            private.rotate(keep_old=False)
            self.assert_refused(self.exchange(private.mint()), 400, "invalid_grant")
            self.api("DELETE", path)
            self.assert_refused(self.exchange(token), 400, "invalid_grant")
