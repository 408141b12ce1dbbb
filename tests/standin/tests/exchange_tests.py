"""The answers of the token endpoint and the user endpoint."""

import json
import ssl
import time
import urllib.parse

from case import TYPE, Case, exchange_form, subject_of


class ExchangeTest(Case):
    def test_a_token_is_exchanged_and_shows_whose_it_is(self):
        status, got = self.exchange(self.standin.mint(serviceaccount="builder"))
        self.assertEqual(status, 200, got)
        self.assertEqual(got["issued_token_type"], TYPE + "personal")
        self.assertEqual((got["token_type"], got["expires_in"]), ("token", 7200))
        self.assertEqual(got["scope"], "user:ci-bot")
        self.assertEqual(subject_of(got["access_token"]), "system:serviceaccount:ci:builder")
        self.assertEqual(len(got["access_token"].split(".")[1]), 24)
        record = self.standin.issued(got["access_token"])
        self.assertTrue(record["valid"])
        self.assertIn(got["access_token"], [token["value"] for token in self.standin.tokens()])
        self.assertIsNone(self.standin.issued("pul-unknown"))

    def test_json_is_as_good_as_a_form(self):
        form = exchange_form(self.standin.mint(), expiration=60)
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "test"}
        status, _, body = self.http("POST", "/api/oauth/token", json.dumps(form), headers)
        self.assertEqual((status, json.loads(body)["expires_in"]), (200, 60))
        seen = self.standin.last_exchange()
        self.assertEqual(seen["fields"], form)
        self.assertEqual(seen["user_agent"], "test")
        self.assertIsNone(seen["authorization"])
        self.assertEqual((seen["kind"], seen["path"]), ("pulumi", "/api/oauth/token"))
        self.assertEqual(seen["headers"]["User-Agent"], "test")
        self.assertEqual(self.standin.counts()["by_kind"], {"pulumi": 1})

    def test_expiration_is_honoured_below_the_maximum_and_clamped_above(self):
        token = self.standin.mint()
        self.standin.configure_upstream(expires_in=100)
        for asked, expected in ((99, 99), (100, 100), (101, 100), (None, 100)):
            self.assertEqual(self.exchange(token, expiration=asked)[1]["expires_in"], expected)

    def test_tokens_are_padded_on_order(self):
        self.standin.configure_upstream(token_bytes=9000)
        got = self.exchange(self.standin.mint())[1]
        self.assertEqual(len(got["access_token"]), 9000)
        status, _, _ = self.http(
            "GET", "/api/user", headers={"Authorization": "token " + got["access_token"]}
        )
        self.assertEqual(status, 200)

    def test_each_malformed_request_gets_its_error(self):
        token = self.standin.mint()
        rows = [
            ({"grant_type": None}, "invalid_request"),
            ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
            ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
            ({"subject_token_type": None}, "invalid_request"),
            ({"requested_token_type": TYPE + "robot"}, "invalid_request"),
            ({"requested_token_type": None}, "invalid_request"),
            ({"audience": "urn:pulumi:org:initech"}, "invalid_request"),
            ({"audience": "acme"}, "invalid_request"),
            ({"audience": None}, "invalid_request"),
            ({"scope": "team:platform"}, "invalid_scope"),
            ({"scope": "user:"}, "invalid_scope"),
            ({"scope": "admin"}, "invalid_scope"),
            ({"scope": None}, "invalid_scope"),
            ({"expiration": "0"}, "invalid_request"),
            ({"expiration": "-5"}, "invalid_request"),
            ({"expiration": "7200s"}, "invalid_request"),
            ({"expiration": "99999999999999999999"}, "invalid_request"),
            ({"subject_token": None}, "invalid_request"),
        ]
        for changes, error in rows:
            with self.subTest(changes):
                self.assert_refused(self.exchange(token, **changes), 400, error)
        self.assert_refused(
            self.exchange(token, "organization", "user:x"), 400, "invalid_scope"
        )
        counts = self.standin.counts()
        self.assertEqual(counts["exchanges_refused"], len(rows) + 1)
        self.assertEqual(counts["exchanges_ok"], 0)

    def test_each_malformed_body_gets_its_error(self):
        form = urllib.parse.urlencode(exchange_form(self.standin.mint()))
        url_encoded = "application/x-www-form-urlencoded"
        rows = [
            ("text/plain", form, 400),
            ("application/jsonp", "{}", 400),
            ("application/json", "[]", 400),
            ("application/json", "{", 400),
            ("application/json", "", 400),
            (url_encoded, form + "&scope=user:x", 400),
            (url_encoded, form + "&x=%zz", 400),
            (url_encoded, form + "&x=%0", 400),
            (url_encoded, form + "&x=%00", 400),
            (url_encoded, form + "&x=%ff", 400),
            (url_encoded, "", 400),
            (url_encoded, form + "&x=" + "y" * 65536, 413),
        ]
        for content_type, body, expected in rows:
            with self.subTest(content_type=content_type, end=body[-10:]):
                status, _, answer = self.http(
                    "POST", "/api/oauth/token", body, {"Content-Type": content_type}
                )
                self.assertEqual(status, expected, answer)
        self.assertEqual(self.http("GET", "/api/oauth/token")[0], 405)
        self.assertEqual(self.http("GET", "/other")[0], 404)
        self.assertEqual(self.standin.counts()["exchanges_in_flight"], 0)

    def test_the_user_endpoint_takes_only_its_own_tokens_until_they_expire(self):
        self.standin.policies("allow-all")
        token = self.standin.mint()
        user = self.exchange(token)[1]["access_token"]
        team = self.exchange(token, "team", "team:core")[1]["access_token"]
        short = self.exchange(token, expiration=1)[1]["access_token"]

        def get(authorization):
            headers = {"Authorization": authorization} if authorization else {}
            status, _, body = self.http("GET", "/api/user", headers=headers)
            return status, json.loads(body)

        status, got = get("token " + user)
        self.assertEqual((status, got["githubLogin"]), (200, "ci-bot"))
        self.assertEqual(got["organizations"][0]["githubLogin"], "acme")
        status, got = get("token " + team)
        self.assertEqual((status, got["githubLogin"]), (200, "acme"))
        self.assertEqual(got["tokenInfo"]["team"], "core")
        for wrong in (None, "Bearer " + user, "token ", "token " + user + "x", user):
            status, got = get(wrong)
            self.assertEqual((status, got["code"]), (401, 401))
            self.assertTrue(got["message"].startswith("Unauthorized: No credentials"))
        time.sleep(1.1)
        self.assertEqual(get("token " + short)[0], 401)
        self.assertFalse(self.standin.issued(short)["valid"])

    def test_a_client_does_not_trust_the_untrusted_listener(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.http("GET", "/api/user", url=self.standin.untrusted)

    def test_keep_alive_is_one_connection(self):
        token = self.standin.mint()
        connection = self.connect()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self.standin.fault_upstream(latency_ms=5)
        for _ in range(20):
            body = urllib.parse.urlencode(exchange_form(token))
            connection.request("POST", "/api/oauth/token", body, headers)
            self.assertIn(b"pul-", connection.getresponse().read())
        connection.close()
        counts = self.standin.counts()
        self.assertEqual((counts["exchanges_ok"], counts["upstream_connections"]), (20, 1))
        self.assertEqual(counts["by_subject"], {"system:serviceaccount:ci:pulumi-runner": 20})
