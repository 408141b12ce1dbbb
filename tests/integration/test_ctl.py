"""podloginctl: verify and explain decide as the daemon does, and never print a token."""

import json
import ssl
import subprocess
import time
import unittest
import urllib.request

from node import AUDIENCE, EXCHANGER, PODLOGINCTL, NodeCase

OTHER_AUDIENCE = "https://kubernetes.default.svc"


class CtlCase(NodeCase):
    def run_ctl(self, *arguments, token=""):
        result = subprocess.run([PODLOGINCTL, *arguments], input=token, capture_output=True, text=True,
                                timeout=60, check=False)
        for part in token.split(".")[1:] if token.count(".") == 2 else []:
            if len(part) > 20:
                self.assertNotIn(part, result.stdout + result.stderr)
        return result


class Verify(CtlCase):
    def setUp(self):
        super().setUp()
        self.jwks = self.node.directory / "jwks.json"
        self.save_keys()

    def save_keys(self):
        context = ssl.create_default_context(cafile=str(self.standin.ca))
        with urllib.request.urlopen(self.standin.issuer + "/keys", context=context) as answer:
            self.jwks.write_bytes(answer.read())

    def verify(self, token, *arguments):
        return self.run_ctl("verify", "--jwks", self.jwks, *arguments, token=token)

    def accepted(self, token, *arguments):
        result = self.verify(token, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def refused(self, name, token, *arguments):
        result = self.verify(token, *arguments)
        self.assertEqual((result.returncode, result.stdout), (77, ""), result.stderr)
        self.assertTrue(result.stderr.startswith(f"podloginctl verify: {name}: "), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)

    def test_claims_are_printed(self):
        claims = self.accepted(self.mint(pod="job-1"))
        self.assertEqual(claims["iss"], self.standin.issuer)
        self.assertEqual(claims["kubernetes.io"]["pod"]["name"], "job-1")
        self.accepted(self.mint(), "--issuer", self.standin.issuer, "--audience", AUDIENCE)
        for end in ("\n", "\r\n", " \n\n"):
            self.accepted(self.mint() + end)

    def test_an_argument_is_told_where_the_token_belongs(self):
        result = self.verify("", "token.jwt")
        self.assertEqual(result.returncode, 64)
        self.assertEqual(result.stderr, "podloginctl verify: unexpected argument; the token is read "
                         "from standard input; see --help\n")

    def test_errors_of_options_name_the_program(self):
        for arguments in (["--nonesuch"], ["--jwks"]):
            result = self.run_ctl("verify", *arguments)
            self.assertEqual(result.returncode, 64)
            self.assertTrue(result.stderr.startswith("podloginctl verify: "), result.stderr)

    def test_each_refusal(self):
        self.refused("TOKEN_MALFORMED", "x")
        self.refused("TOKEN_MALFORMED", "")
        self.refused("TOKEN_MALFORMED", "a" * 20000)
        self.refused("TOKEN_BAD_SIGNATURE", self.mint(sign="corrupt"))
        self.refused("TOKEN_BAD_SIGNATURE", self.mint(sign="rogue", lifetime=-5))
        self.refused("TOKEN_BAD_ALGORITHM", self.mint(sign="none"))
        self.refused("TOKEN_EXPIRED", self.mint(lifetime=-5))
        self.refused("TOKEN_NOT_YET_VALID", self.mint(not_before=int(time.time()) + 300))
        self.refused("TOKEN_UNTRUSTED_ISSUER", self.mint(), "--issuer", "https://other")
        self.refused("TOKEN_WRONG_AUDIENCE", self.mint(), "--audience", "other")
        self.refused("TOKEN_WRONG_AUDIENCE", self.mint(audience=[AUDIENCE, OTHER_AUDIENCE]),
                     "--audience", AUDIENCE)
        self.standin.rotate(keep_old=False)
        self.refused("TOKEN_UNKNOWN_KEY", self.mint())
        self.save_keys()
        self.accepted(self.mint())

    def test_algorithms(self):
        token = self.mint(alg="ES256")
        self.save_keys()
        self.refused("TOKEN_BAD_ALGORITHM", token)
        self.accepted(token, "--algorithms", "RS256,ES256")

    def test_at_another_time(self):
        token = self.mint(lifetime=600)
        later = int(time.time()) + 700
        self.refused("TOKEN_EXPIRED", token, "--at", str(later))
        self.refused("TOKEN_EXPIRED", token, "--at",
                     time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(later)))
        self.refused("TOKEN_NOT_YET_VALID", token, "--at", str(int(time.time()) - 3600))
        past = int(time.time()) - 600
        expired = self.mint(issued_at=past, lifetime=300)
        self.refused("TOKEN_EXPIRED", expired)
        self.accepted(expired, "--at", str(past + 200))

    def test_only_the_signature(self):
        token = self.mint(lifetime=-5, claims={"kubernetes.io": None, "iss": "whoever"})
        self.refused("TOKEN_MALFORMED", token)
        self.assertEqual(self.accepted(token, "--signature-only")["iss"], "whoever")
        self.refused("TOKEN_BAD_SIGNATURE", self.mint(sign="rogue"), "--signature-only")

    def test_a_key_set_without_a_usable_key_is_a_refusal(self):
        keys = self.node.directory / "keys.json"
        for text, code in (('{"keys":[]}', 77), ('{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"a"}]}', 77), ("[]", 78)):
            keys.write_text(text)
            for options in ([], ["--signature-only"]):
                result = self.run_ctl("verify", "--jwks", keys, *options, token=self.mint())
                self.assertEqual((result.returncode, result.stdout), (code, ""), text + result.stderr)

    def test_usage(self):
        token = self.mint()
        self.assertEqual(self.run_ctl("verify", token="x").returncode, 64)
        given = self.verify("", token)
        self.assertEqual(given.returncode, 64)
        self.assertNotIn(token, given.stderr)
        self.assertEqual(self.verify(token, "--algorithms", "HS256").returncode, 64)
        self.assertEqual(self.verify(token, "--at", "noon").returncode, 64)
        self.assertEqual(self.run_ctl("verify", "--jwks", "/nonesuch", token=token).returncode, 78)
        for option in ("--help", "-h"):
            self.assertIn("--jwks FILE", self.run_ctl("verify", option).stdout)
        for option in ("--help", "-h", "help"):
            self.assertIn("podloginctl COMMAND", self.run_ctl(option).stdout)
        self.assertRegex(self.run_ctl("--version").stdout, r"^podloginctl \d")
        self.assertEqual(self.run_ctl().returncode, 64)
        self.assertEqual(self.run_ctl("nonesuch").returncode, 64)


class Explain(CtlCase):
    RULES = """[Allow "ci runners"]
"kubernetes.io".namespace=ci
"kubernetes.io".serviceaccount.name=pulumi-*

[Deny "debug pods"]
"kubernetes.io".pod.name=debug-*
"""

    def setUp(self):
        super().setUp()
        self.node.service("pulumi", rules=self.RULES)

    def explain(self, token, *arguments, service="pulumi"):
        return self.run_ctl("explain", "--config", self.node.etc, "--exchanger", EXCHANGER,
                            "--service", service, *arguments, token=token)

    def explained(self, token, service="pulumi"):
        result = self.explain(token, "--json", service=service)
        report = json.loads(result.stdout)
        by_check = {}
        for line in report["checks"]:
            by_check.setdefault(line["check"], []).append((line["result"], line["detail"]))
        self.assertEqual(result.returncode, 0 if report["verdict"] == "OK" else
                         78 if report["verdict"] == "UNKNOWN_SERVICE" else 77, result.stderr)
        return report["verdict"], by_check

    def test_a_token_that_would_be_served(self):
        verdict, checks = self.explained(self.mint(pod="job-7"))
        self.assertEqual(verdict, "OK")
        for check in ("service", "form", "issuer", "audience", "node", "pod", "signature", "time",
                      "rules"):
            self.assertEqual(checks[check][0][0], "ok", check)
        self.assertEqual(checks["rule"], [
            ("matches", '[Allow "ci runners"] "kubernetes.io".namespace=ci; the claim is "ci"'),
            ("matches", '[Allow "ci runners"] "kubernetes.io".serviceaccount.name=pulumi-*; '
                        'the claim is "pulumi-runner"'),
            ("differs", '[Deny "debug pods"] "kubernetes.io".pod.name=debug-*; '
                        'the claim is "job-7"')])
        asked = [detail for _, detail in checks["upstream"]]
        self.assertEqual(asked[0], f"POST {self.standin.upstream}/api/oauth/token")
        self.assertIn("subject_token=REDACTED", asked)
        self.assertIn("scope=user%3Aci-bot", asked)
        self.assertEqual(self.exchanges(), 0)

    def test_every_check_is_made_even_after_a_failure(self):
        verdict, checks = self.explained(self.mint(
            audience=["other"], lifetime=-5, sign="rogue", namespace="prod", pod="debug-1"))
        self.assertEqual(verdict, "TOKEN_WRONG_AUDIENCE")  # the daemon's answer
        self.assertIn(AUDIENCE, checks["audience"][0][1])
        self.assertEqual(checks["signature"][0][0], "TOKEN_BAD_SIGNATURE")
        self.assertEqual(checks["time"][0][0], "TOKEN_EXPIRED")
        self.assertEqual(checks["rules"][0], ("POLICY_DENIED", '[Deny "debug pods"] of service pulumi'))

    def test_an_unknown_service_or_issuer(self):
        verdict, checks = self.explained(self.mint(), service="nonesuch")
        self.assertEqual(verdict, "UNKNOWN_SERVICE")
        self.assertEqual(checks["audience"], [("-", "not checked: the service does not exist")])
        self.assertEqual(checks["signature"][0][0], "ok")
        verdict, checks = self.explained(self.mint(claims={"iss": "https://other"}))
        self.assertEqual(verdict, "TOKEN_UNTRUSTED_ISSUER")
        self.assertEqual(checks["signature"][0][0], "-")
        self.assertEqual(self.explained("x.y")[0], "TOKEN_MALFORMED")

    def test_it_agrees_with_the_daemon(self):
        self.node.start()
        for order in ({}, {"audience": ["other"]}, {"sign": "rogue"}, {"lifetime": -5},
                      {"namespace": "prod"}, {"pod": "debug-1"}, {"sign": "none"}):
            token = self.mint(**order)
            verdict, _ = self.explained(token)
            code, _, error = self.get(token)
            self.assertEqual(verdict, "OK" if code == 0 else error.split(": ")[2])

    def test_a_table_for_people(self):
        result = self.explain(self.mint(pod="debug-1"))
        self.assertEqual(result.returncode, 77)
        self.assertRegex(result.stdout, r"(?m)^issuer +ok +https://")
        self.assertRegex(result.stdout, r"(?m)^verdict +POLICY_DENIED +the service's rules")
        self.assertRegex(result.stdout, r"(?m)^remedy +- +the detail names the \[Deny\] section")
        self.assertNotRegex(self.explain(self.mint()).stdout, r"(?m)^remedy ")

    def test_usage(self):
        self.assertEqual(self.run_ctl("explain", token="x").returncode, 64)
        self.assertEqual(self.explain("x", "argument").returncode, 64)
        self.assertEqual(self.explain("x", "--token-file", "/nonesuch").returncode, 78)
        self.assertEqual(self.run_ctl("explain", "--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
