"""The documents and tokens of the issuer, and the subject tokens that an exchange refuses."""

import base64
import hashlib
import hmac
import json
import time

from case import Case, part


ALGORITHMS = [a + b for a in ("RS", "PS", "ES") for b in ("256", "384", "512")]


class SubjectTokenTest(Case):
    def test_all_algorithms_are_exchanged(self):
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm):
                token = self.standin.mint(alg=algorithm)
                self.assertEqual(part(token, 0)["alg"], algorithm)
                self.assertEqual(self.exchange(token)[0], 200)

    def test_claims_are_those_of_kubernetes(self):
        token = self.standin.mint(namespace="a", serviceaccount="b", pod="c", node="d", lifetime=9)
        claims = part(token, 1)
        self.assertEqual(list(part(token, 0)), ["alg", "kid"])
        self.assertEqual(
            sorted(claims), ["aud", "exp", "iat", "iss", "jti", "kubernetes.io", "nbf", "sub"]
        )
        self.assertEqual(claims["aud"], ["urn:pulumi:org:acme"])
        self.assertEqual(claims["iss"], self.standin.issuer)
        self.assertEqual(claims["sub"], "system:serviceaccount:a:b")
        self.assertEqual(claims["exp"] - claims["iat"], 9)
        bound = claims["kubernetes.io"]
        self.assertEqual(bound["namespace"], "a")
        self.assertEqual([bound[x]["name"] for x in ("serviceaccount", "pod", "node")], list("bcd"))
        again = part(self.standin.mint(namespace="a", serviceaccount="b", pod="x"), 1)
        self.assertEqual(bound["serviceaccount"], again["kubernetes.io"]["serviceaccount"])
        self.assertNotEqual(bound["pod"]["uid"], again["kubernetes.io"]["pod"]["uid"])
        self.assertNotEqual(claims["jti"], again["jti"])

    def test_claims_and_header_can_be_changed(self):
        token = self.standin.mint(
            audience="x",
            audience_as_string=True,
            pod=None,
            claims={"extra": {"a": 1}, "nbf": None},
            header={"typ": "JWT", "kid": None},
        )
        claims = part(token, 1)
        self.assertEqual((claims["aud"], claims["extra"]), ("x", {"a": 1}))
        self.assertNotIn("nbf", claims)
        self.assertNotIn("pod", claims["kubernetes.io"])
        self.assertEqual(part(token, 0), {"alg": "RS256", "typ": "JWT"})

    def test_each_wrong_token_is_refused(self):
        now = int(time.time())
        good = self.standin.mint()
        header, payload, signature = good.split(".")
        rotated_away = self.standin.mint(alg="ES384")
        self.standin.rotate(keep_old=False, alg="ES384")
        rows = {
            "empty": "",
            "no JWT": "abc",
            "two parts": header + "." + payload,
            "four parts": good + ".x",
            "padding": header + "." + payload + "." + signature + "==",
            "foreign character": header + "." + payload + "." + signature[:-2] + "+/",
            "cut": good[:-4],
            "longer": good + "AAAA",
            "other payload": header + "." + self.standin.mint().split(".")[1] + "." + signature,
            "unknown kid": self.standin.mint(header={"kid": "x"}),
            "no kid": self.standin.mint(header={"kid": None}),
            "other alg": self.standin.mint(header={"alg": "RS512"}),
            "no alg": self.standin.mint(header={"alg": None}),
            "crit": self.standin.mint(header={"crit": ["exp"]}),
            "other issuer": self.standin.mint(claims={"iss": "https://example.com"}),
            "no issuer": self.standin.mint(claims={"iss": None}),
            "no expiry": self.standin.mint(claims={"exp": None}),
            "text expiry": self.standin.mint(claims={"exp": str(now + 60)}),
            "no subject": self.standin.mint(claims={"sub": None}),
            "expired": self.standin.mint(issued_at=now - 100, lifetime=99),
            "too early": self.standin.mint(not_before=now + 100),
            "rotated away": rotated_away,
            "previous": self.standin.mint(sign="previous", alg="ES384"),
            "none": self.standin.mint(sign="none"),
        }
        for sign in ("rogue", "corrupt", "hs256-public"):
            for algorithm in ("RS256", "PS256", "ES256", "ES512"):
                rows[sign + " " + algorithm] = self.standin.mint(sign=sign, alg=algorithm)
        for name, token in rows.items():
            with self.subTest(name):
                got = self.exchange(token)
                self.assert_refused(got, 400, "invalid_grant")
                self.assertTrue(token == "" or token not in json.dumps(got[1]))
        self.assertEqual(self.exchange(good)[0], 200)

    def test_the_confusion_attack_would_fool_a_careless_verifier(self):
        token = self.standin.mint(sign="hs256-public", alg="ES256")
        self.assertEqual(part(token, 0)["alg"], "HS256")
        _, _, body = self.http("GET", "/id/STANDIN/keys", url=self.standin.issuer)
        key = next(k for k in json.loads(body)["keys"] if k["kid"] == part(token, 0)["kid"])
        point = b"".join(base64.urlsafe_b64decode(key[x] + "=") for x in "xy")
        # SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480)
        prefix = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
        text = base64.b64encode(prefix + point).decode()
        lines = [text[i : i + 64] for i in range(0, len(text), 64)]
        pem = "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
        signed, _, signature = token.rpartition(".")
        expected = hmac.new(pem.encode(), signed.encode(), hashlib.sha256).digest()
        self.assertEqual(base64.urlsafe_b64decode(signature + "="), expected)

    def test_many_tokens_are_minted_at_once(self):
        tokens = self.standin.mint_many(500, serviceaccount="sa-%d", pod="p%d", alg="ES256")
        claims = [part(token, 1) for token in tokens]
        self.assertEqual(len({c["jti"] for c in claims}), 500)
        self.assertEqual(claims[499]["sub"], "system:serviceaccount:ci:sa-499")
        self.assertEqual(claims[7]["kubernetes.io"]["pod"]["name"], "p7")


class IssuerTest(Case):
    def keys(self):
        status, headers, body = self.http("GET", "/id/STANDIN/keys", url=self.standin.issuer)
        self.assertEqual(status, 200)
        return headers, body

    def test_discovery_leads_to_the_keys(self):
        path = "/id/STANDIN/.well-known/openid-configuration"
        status, headers, body = self.http("GET", path, url=self.standin.issuer)
        got = json.loads(body)
        self.assertEqual((status, got["issuer"]), (200, self.standin.issuer))
        self.assertEqual(got["jwks_uri"], self.standin.issuer + "/keys")
        self.assertIn("RS256", got["id_token_signing_alg_values_supported"])
        self.assertEqual(headers["Cache-Control"], "public, max-age=300")
        self.standin.issuer_cache(5)
        self.assertEqual(self.keys()[0]["Cache-Control"], "public, max-age=5")
        self.standin.issuer_cache(None)
        self.assertIsNone(self.keys()[0]["Cache-Control"])
        self.standin.issuer_cache(300)
        counts = self.standin.counts()
        self.assertEqual((counts["discovery"], counts["keys"]), (1, 2))
        self.assertEqual(self.http("GET", "/keys", url=self.standin.issuer)[0], 404)

    def test_keys_look_like_those_of_kubernetes(self):
        for algorithm in ALGORITHMS:
            self.standin.mint(alg=algorithm)
        keys = json.loads(self.keys()[1])["keys"]
        self.assertEqual(len({key["kid"] for key in keys}), len(keys))
        self.assertEqual({key["alg"] for key in keys}, set(ALGORITHMS))
        widths = {"P-256": 43, "P-384": 64, "P-521": 88}
        for key in keys:
            self.assertEqual(key["use"], "sig")
            if key["kty"] == "RSA":
                self.assertEqual((key["e"], len(key["n"])), ("AQAB", 342))
            else:
                self.assertEqual({len(key["x"]), len(key["y"])}, {widths[key["crv"]]})

    def test_rotation_keeps_or_drops_the_old_key(self):
        old = self.standin.mint(alg="ES256")
        kid = self.standin.rotate(keep_old=True, alg="ES256")
        self.assertEqual(part(self.standin.mint(alg="ES256"), 0)["kid"], kid)
        self.assertEqual(self.exchange(old)[0], 200)
        previous = self.standin.mint(alg="ES256", sign="previous")
        self.assertEqual(part(previous, 0)["kid"], part(old, 0)["kid"])
        self.assertEqual(self.exchange(previous)[0], 200)
        self.standin.rotate(keep_old=False, alg="ES256")
        self.assert_refused(self.exchange(old), 400, "invalid_grant")
        self.assertEqual(self.exchange(self.standin.mint(alg="ES256"))[0], 200)

    def test_documents_can_be_replaced(self):
        for text in ("", "not json", '{"keys":[]}', "a\0b", "x" * 100000):
            self.standin.keys_document(text)
            self.assertEqual(self.keys()[1], text.encode())
        self.standin.keys_document()
        self.assertIn(b"kid", self.keys()[1])
        path = "/id/STANDIN/.well-known/openid-configuration"
        self.standin.discovery_document("x")
        self.assertEqual(self.http("GET", path, url=self.standin.issuer)[2], b"x")
        self.standin.discovery_document()

    def test_the_issuer_has_faults_of_its_own(self):
        self.standin.fault_issuer("status", status=500, times=1)
        path = "/id/STANDIN/keys"
        self.assertEqual(self.http("GET", path, url=self.standin.issuer)[0], 500)
        self.assertEqual(self.http("GET", path, url=self.standin.issuer)[0], 200)
