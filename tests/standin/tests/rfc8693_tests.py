"""A server of RFC 8693, with all ways in which clients authenticate."""

import base64
import json
import time
import urllib.parse

from case import Case, subject_of

URN = "urn:ietf:params:oauth:token-type:"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET = "p:ss+w%rd &=é"


def basic(name, secret):
    """Returns the header as RFC 6749, section 2.3.1, makes it."""
    pair = f"{urllib.parse.quote_plus(name)}:{urllib.parse.quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


class Rfc8693Test(Case):
    def exchange(self, token, headers=None, **changes):
        """Returns (status, JSON)."""
        status, _, body = self.ask(token, headers, **changes)
        return status, json.loads(body)

    def ask(self, token, headers=None, **changes):
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": URN + "jwt",
            "subject_token": token,
            **changes,
        }
        body = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None})
        return self.http("POST", "/oauth2/token", body, {**FORM, **(headers or {})})

    def test_a_token_is_exchanged_and_shows_whose_it_is(self):
        status, got = self.exchange(self.standin.mint(serviceaccount="builder"), audience="api", scope="read write")
        self.assertEqual(status, 200, got)
        self.assertEqual(subject_of(got.pop("access_token")), "system:serviceaccount:ci:builder")
        self.assertEqual(got, {"issued_token_type": URN + "access_token", "token_type": "bearer",
                               "expires_in": 3600, "scope": "read write"})
        record = self.standin.tokens()[-1]
        self.assertEqual((record["kind"], record["role"], record["scope"]), ("rfc8693", "api", "read write"))
        self.assertEqual(self.standin.counts()["by_kind"], {"rfc8693": 1})

    def test_the_token_types(self):
        token = self.standin.mint()
        for kind in ("jwt", "id_token", "access_token"):
            self.assertEqual(self.exchange(token, subject_token_type=URN + kind)[0], 200)
            got = self.exchange(token, requested_token_type=URN + kind)[1]
            self.assertEqual(got["issued_token_type"], URN + kind)
        for changes in ({"subject_token_type": None}, {"subject_token_type": URN + "saml2"},
                        {"subject_token_type": URN}, {"subject_token_type": "jwt"},
                        {"requested_token_type": URN + "refresh_token"}, {"requested_token_type": ""},
                        {"actor_token": token}, {"subject_token": None}, {"grant_type": None}):
            with self.subTest(changes):
                self.assert_refused(self.exchange(token, **changes), 400, "invalid_request")
        self.assert_refused(self.exchange(token, grant_type="client_credentials"), 400, "unsupported_grant_type")
        status, _, body = self.http("POST", "/oauth2/token", "{}", {"Content-Type": "application/json"})
        self.assert_refused((status, json.loads(body)), 400, "invalid_request")
        self.assertEqual(self.http("GET", "/oauth2/token")[0], 405)

    def test_a_client_authenticates_as_it_is_registered(self):
        token = self.standin.mint()
        client = {"kind": "rfc8693", "client_id": "node é", "client_secret": SECRET}
        right = basic("node é", SECRET)
        post = {"client_id": "node é", "client_secret": SECRET}
        for method, good, bad in (
            ("client_secret_basic", (right, {}), (None, post)),
            ("client_secret_post", (None, post), (right, {})),
        ):
            self.standin.admissions([{**client, "client_authentication": method}])
            with self.subTest(method):
                status, got = self.exchange(token, good[0], **good[1])
                self.assertEqual(status, 200, got)
                self.assert_refused(self.exchange(token, bad[0], **bad[1]), 401, "invalid_client")
        self.standin.admissions([client])
        self.assertEqual(self.exchange(token, right)[0], 200)
        self.assertEqual(self.exchange(token, right, client_id="node é")[0], 200)
        self.assertEqual(self.exchange(token, None, **post)[0], 200)
        for headers, changes in (
            (None, {}),
            (None, {"client_id": "node é"}),
            (None, {**post, "client_secret": "x"}),
            (None, {**post, "client_secret": ""}),
            (None, {**post, "client_id": "x"}),
            (basic("node é", "x"), {}),
            (basic("x", SECRET), {}),
            ({"Authorization": "Basic !"}, {}),
            ({"Authorization": "Basic " + base64.b64encode(b"node").decode()}, {}),
            ({"Authorization": "Basic " + base64.b64encode(b"node:%zz").decode()}, {}),
            ({"Authorization": "Bearer x"}, {}),
        ):
            with self.subTest(headers=headers, **changes):
                status, answer, body = self.ask(token, headers, **changes)
                self.assert_refused((status, json.loads(body)), 401, "invalid_client")
                self.assertTrue(answer["WWW-Authenticate"].startswith("Basic "))
                self.assertNotIn(SECRET.encode(), body)
        self.assert_refused(self.exchange(token, right, client_secret=SECRET), 400, "invalid_request")
        self.assert_refused(self.exchange(token, right, client_id="x"), 400, "invalid_request")

    def test_a_public_client_has_no_secret(self):
        token = self.standin.mint()
        self.standin.admissions([{"kind": "rfc8693", "client_id": "node", "client_authentication": "none"}])
        self.assertEqual(self.exchange(token, client_id="node")[0], 200)
        self.assert_refused(self.exchange(token), 401, "invalid_client")
        self.assert_refused(self.exchange(token, basic("node", "")), 401, "invalid_client")

    def test_targets(self):
        token = self.standin.mint()
        self.standin.admissions([{"kind": "rfc8693", "role": "api", "resource": "https://api.example/v1"},
                                 {"kind": "rfc8693", "role": "other"}])
        self.assertEqual(self.exchange(token, audience="api", resource="https://api.example/v1")[0], 200)
        self.assertEqual(self.exchange(token, audience="other")[0], 200)
        for changes in ({}, {"audience": "api"}, {"audience": "x"}, {"resource": "https://api.example/v1"},
                        {"audience": "other", "resource": "/v1"}, {"audience": "other", "resource": "x"},
                        {"audience": "other", "resource": "/x:y"}, {"audience": "other", "resource": "https://x/#y"}):
            with self.subTest(changes):
                self.assert_refused(self.exchange(token, **changes), 400, "invalid_target")

    def test_scopes_and_what_an_answer_may_omit(self):
        token = self.standin.mint()
        self.standin.admissions([{"kind": "rfc8693", "scope": "read write", "lifetime": 60}])
        for asked, given in ((None, "read write"), ("read", "read"), ("write read", "write read")):
            got = self.exchange(token, scope=asked)[1]
            self.assertEqual((got["scope"], got["expires_in"]), (given, 60))
        for asked in ("admin", "read admin", "rea", "reads"):
            self.assert_refused(self.exchange(token, scope=asked), 400, "invalid_scope")
        for omitted, kept in (("scope", "expires_in"), ("expires_in", "scope")):
            self.standin.admissions([{"kind": "rfc8693", "omit": omitted}])
            got = self.exchange(token, scope="read")[1]
            self.assertNotIn(omitted, got)
            self.assertIn(kept, got)
        self.standin.admissions([{"kind": "rfc8693", "omit": "expires_in scope"}])
        got = self.exchange(token, scope="read")[1]
        self.assertEqual(sorted(got), ["access_token", "issued_token_type", "token_type"])
        self.assertTrue(self.standin.issued(got["access_token"])["valid"])
        self.standin.admissions("default")
        self.assertNotIn("scope", self.exchange(token)[1])

    def test_further_parameters(self):
        token = self.standin.mint()
        self.standin.admissions([{"kind": "rfc8693", "parameters": "connector_id=kubernetes&x=a%26b"}])
        self.assertEqual(self.exchange(token, connector_id="kubernetes", x="a&b", y="ignored")[0], 200)
        for changes in ({}, {"connector_id": "kubernetes"}, {"connector_id": "x", "x": "a&b"}):
            self.assert_refused(self.exchange(token, **changes), 400, "invalid_request")

    def test_tokens_that_are_refused(self):
        self.standin.admissions([{"kind": "rfc8693", "audience": "api", "subject": "system:serviceaccount:ci:builder"}])
        right = {"audience": ["api"], "serviceaccount": "builder"}
        self.assertEqual(self.exchange(self.standin.mint(**right))[0], 200)
        for changes in ({"lifetime": -5}, {"sign": "rogue"}, {"sign": "none"}, {"audience": ["vault"]},
                        {"serviceaccount": "runner"}, {"claims": {"iss": "https://other.example"}}):
            with self.subTest(changes):
                self.assert_refused(self.exchange(self.standin.mint(**{**right, **changes})), 400, "invalid_request")

    def test_the_lifetime_ends(self):
        self.standin.configure_upstream(expires_in=1)
        got = self.exchange(self.standin.mint())[1]
        self.assertEqual(got["expires_in"], 1)
        time.sleep(1.1)
        self.assertFalse(self.standin.issued(got["access_token"])["valid"])

    def test_every_error_comes_when_the_test_wants_it(self):
        token = self.standin.mint()
        for name, status, error in (
            ("throttled", 429, "temporarily_unavailable"), ("unavailable", 503, "temporarily_unavailable"),
            ("server_error", 500, None), ("invalid_request", 400, None), ("invalid_client", 401, None),
            ("invalid_grant", 400, None), ("unauthorized_client", 400, None), ("unsupported_grant_type", 400, None),
            ("invalid_scope", 400, None), ("invalid_target", 400, None), ("access_denied", 403, None),
        ):
            with self.subTest(name):
                self.standin.fault_upstream("error", error=name, times=1)
                self.assert_refused(self.exchange(token), status, error or name)
                self.assertEqual(self.exchange(token)[0], 200)
