"""Entra's token endpoint with federated credentials."""

import json
import time
import urllib.parse

from case import Case, subject_of

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CLIENT = "6731de76-14a6-49ae-97bc-6eba6914391e"
SCOPE = "https://management.azure.com/.default"
AUDIENCE = ["api://AzureADTokenExchange"]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class AzureTest(Case):
    def login(self, assertion, tenant=TENANT, **changes):
        """Returns (status, JSON)."""
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "scope": SCOPE,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            **changes,
        }
        body = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None})
        status, _, answer = self.http("POST", f"/{tenant}/oauth2/v2.0/token", body, FORM)
        return status, json.loads(answer)

    def mint(self, **order):
        return self.standin.mint(**{"audience": AUDIENCE, **order})

    def assert_error(self, got, status, error, code):
        self.assert_refused(got, status, error)
        self.assertEqual(got[1]["error_codes"], [code])
        self.assertTrue(got[1]["error_description"].startswith(f"AADSTS{code}: "), got)
        self.assertRegex(got[1]["timestamp"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$")
        for name in ("trace_id", "correlation_id"):
            self.assertRegex(got[1][name], "^[0-9a-f-]{36}$")
            self.assertIn(got[1][name], got[1]["error_description"])

    def test_a_login_gives_a_token_that_shows_whose_it_is(self):
        status, got = self.login(self.mint(serviceaccount="builder"))
        self.assertEqual(status, 200, got)
        token = got.pop("access_token")
        self.assertEqual(got, {"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600})
        self.assertEqual((token[:3], token.count(".")), ("eyJ", 2))
        self.assertEqual(subject_of(token), "system:serviceaccount:ci:builder")
        record = self.standin.issued(token)
        self.assertEqual((record["valid"], record["kind"], record["role"]), (True, "azure", CLIENT))
        self.assertEqual((record["tenant"], record["scope"]), (TENANT, SCOPE))
        self.assertEqual(self.standin.counts()["by_kind"], {"azure": 1})
        self.assertEqual(self.standin.last_exchange()["path"], f"/{TENANT}/oauth2/v2.0/token")

    def test_the_lifetime_is_the_admissions_within_the_maximum(self):
        self.standin.admissions([{"kind": "azure", "lifetime": 60}])
        self.assertEqual(self.login(self.mint())[1]["expires_in"], 60)
        self.standin.configure_upstream(expires_in=1)
        token = self.login(self.mint())[1]["access_token"]
        time.sleep(1.1)
        self.assertFalse(self.standin.issued(token)["valid"])

    def test_each_malformed_request_gets_its_error(self):
        token = self.mint()
        for changes, status, error, code in (
            ({"grant_type": None}, 400, "invalid_request", 900144),
            ({"client_id": None}, 400, "invalid_request", 900144),
            ({"scope": ""}, 400, "invalid_request", 900144),
            ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
            ({"scope": "https://management.azure.com/"}, 400, "invalid_scope", 1002012),
            ({"scope": "/.default"}, 400, "invalid_scope", 1002012),
            ({"scope": SCOPE + " " + SCOPE}, 400, "invalid_scope", 1002012),
            ({"client_assertion": None}, 401, "invalid_client", 7000218),
            ({"client_assertion_type": None}, 400, "invalid_request", 900144),
            ({"client_assertion_type": "jwt-bearer"}, 400, "invalid_request", 900144),
            ({"client_assertion": "x"}, 400, "invalid_request", 50027),
        ):
            with self.subTest(changes):
                self.assert_error(self.login(token, **changes), status, error, code)
        status, _, answer = self.http("POST", f"/{TENANT}/oauth2/v2.0/token", "{}", {"Content-Type": "application/json"})
        self.assert_error((status, json.loads(answer)), 400, "invalid_request", 900144)
        self.assertEqual(self.http("GET", f"/{TENANT}/oauth2/v2.0/token")[0], 405)
        for path in ("/oauth2/v2.0/token", "//oauth2/v2.0/token", f"/x/{TENANT}/oauth2/v2.0/token"):
            self.assertEqual(self.http("POST", path, "", FORM)[0], 404)

    def test_tokens_that_are_refused(self):
        for order, status, error, code in (
            ({"lifetime": -5}, 401, "invalid_client", 700024),
            ({"not_before": int(time.time()) + 600}, 401, "invalid_client", 700024),
            ({"claims": {"iss": "https://other.example"}}, 401, "invalid_client", 700211),
            ({"audience": ["vault"]}, 401, "invalid_client", 700212),
            ({"sign": "corrupt"}, 401, "invalid_client", 50013),
            ({"sign": "rogue"}, 401, "invalid_client", 50013),
            ({"sign": "none"}, 400, "invalid_request", 50027),
        ):
            with self.subTest(order):
                self.assert_error(self.login(self.mint(**order)), status, error, code)

    def test_only_admitted_tenants_clients_scopes_and_subjects(self):
        token = self.mint()
        self.standin.admissions(
            [{"kind": "azure", "tenant": "t", "role": "c", "scope": SCOPE, "subject": "system:serviceaccount:ci:builder"}]
        )
        right = {"tenant": "t", "client_id": "c"}
        self.assertEqual(self.login(self.mint(serviceaccount="builder"), **right)[0], 200)
        self.assert_error(self.login(token, **right), 401, "invalid_client", 700213)
        self.assert_error(self.login(token, client_id="c"), 400, "invalid_request", 90002)
        self.assert_error(self.login(token, tenant="t"), 400, "unauthorized_client", 700016)
        got = self.login(token, **right, scope="https://vault.azure.net/.default")
        self.assert_error(got, 400, "invalid_scope", 1002012)

    def test_every_error_comes_when_the_test_wants_it(self):
        token = self.mint()
        for name, status, error, code in (
            ("throttled", 429, "temporarily_unavailable", 90055),
            ("unavailable", 503, "temporarily_unavailable", 90033),
            ("AADSTS700024", 401, "invalid_client", 700024),
            ("AADSTS700016", 400, "unauthorized_client", 700016),
            ("AADSTS90002", 400, "invalid_request", 90002),
        ):
            with self.subTest(name):
                self.standin.fault_upstream("error", error=name, times=1)
                self.assert_error(self.login(token), status, error, code)
                self.assertEqual(self.login(token)[0], 200)
