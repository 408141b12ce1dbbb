"""AWS STS: AssumeRoleWithWebIdentity, and GetCallerIdentity with its credentials."""

import datetime
import hashlib
import hmac
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

from case import Case, StandinError, subject_of

XMLNS = "{https://sts.amazonaws.com/doc/2011-06-15/}"
ROLE = "arn:aws:iam::123456789012:role/ci"
AUDIENCE = ["sts.amazonaws.com"]
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
POLICY = '{"Version":"2012-10-17","Statement":[]}'


def text(body, name):
    """Returns the text of the only element @name, or None."""
    found = list(ElementTree.fromstring(body).iter(XMLNS + name))
    assert len(found) < 2, name
    return found[0].text if found else None


class StsCase(Case):
    def sts(self, token, **changes):
        """Returns (status, body) of AssumeRoleWithWebIdentity."""
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": ROLE,
            "RoleSessionName": "pod-1",
            "WebIdentityToken": token,
            **changes,
        }
        body = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None})
        return self.http("POST", "/", body, FORM)[::2]

    def mint(self, **order):
        return self.standin.mint(**{"audience": AUDIENCE, **order})

    def credentials(self, **changes):
        status, body = self.sts(self.mint(), **changes)
        self.assertEqual(status, 200, body)
        return [text(body, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]

    def assert_error(self, got, status, code):
        self.assertEqual((got[0], text(got[1], "Code")), (status, code), got)
        self.assertEqual(text(got[1], "Type"), "Sender" if status < 500 else "Receiver")
        self.assertTrue(text(got[1], "RequestId"))


class StsTest(StsCase):
    def test_credentials_are_given_and_show_whose_they_are(self):
        before = int(time.time())
        status, body = self.sts(self.mint(serviceaccount="builder"), DurationSeconds="900")
        self.assertEqual(status, 200, body)
        self.assertEqual(ElementTree.fromstring(body).tag, XMLNS + "AssumeRoleWithWebIdentityResponse")
        subject = "system:serviceaccount:ci:builder"
        self.assertEqual(text(body, "SubjectFromWebIdentityToken"), subject)
        self.assertEqual(text(body, "Audience"), "sts.amazonaws.com")
        self.assertEqual(text(body, "Arn"), "arn:aws:sts::123456789012:assumed-role/ci/pod-1")
        self.assertTrue(text(body, "AssumedRoleId").endswith(":pod-1"))
        issuer = self.standin.issuer[len("https://") :]
        self.assertEqual(text(body, "Provider"), "arn:aws:iam::123456789012:oidc-provider/" + issuer)
        key_id, secret, token = (text(body, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
        self.assertRegex(key_id, "^ASIA[A-Z2-7]{16}$")
        self.assertEqual((len(secret), subject_of(token)), (40, subject))
        expires = datetime.datetime.strptime(text(body, "Expiration"), "%Y-%m-%dT%H:%M:%SZ")
        expires_at = expires.replace(tzinfo=datetime.timezone.utc).timestamp()
        self.assertTrue(before + 900 <= expires_at <= time.time() + 900)
        record = self.standin.issued(token, access_key_id=key_id, secret_access_key=secret)
        self.assertEqual((record["valid"], record["kind"], record["role"]), (True, "aws-sts", ROLE))
        self.assertEqual((record["subject"], record["expires_at"]), (subject, expires_at))
        self.assertIn(secret, [token.get("secret_access_key") for token in self.standin.tokens()])

    def test_the_parts_of_two_credentials_do_not_fit_together(self):
        one, other = self.credentials(), self.credentials()
        for key_id, secret in ((one[0], other[1]), (other[0], one[1]), (other[0], other[1])):
            record = self.standin.issued(one[2], access_key_id=key_id, secret_access_key=secret)
            self.assertFalse(record["valid"])
        self.assertTrue(self.standin.issued(one[2], access_key_id=one[0], secret_access_key=one[1])["valid"])

    def test_the_limits_of_each_parameter(self):
        token = self.mint()
        long_arn = ROLE + "x" * (2048 - len(ROLE))
        self.standin.admit("aws-sts", role=long_arn)
        accepted = [
            {"RoleArn": long_arn},
            {"RoleSessionName": "ab"},
            {"RoleSessionName": "aZ09_+=,.@-" + "x" * 53},
            {"DurationSeconds": "900"},
            {"DurationSeconds": "3600"},
            {"Policy": POLICY + " " * (2048 - len(POLICY))},
            {f"PolicyArns.member.{n}.arn": "arn:aws:iam::aws:policy/ReadOnly" for n in range(1, 11)},
        ]
        for changes in accepted:
            with self.subTest(changes):
                self.assertEqual(self.sts(token, **changes)[0], 200)
        refused = [
            ({"RoleArn": None}, "ValidationError"),
            ({"RoleArn": "arn:aws:iam::1:role"}, "ValidationError"),
            ({"RoleArn": ROLE + "x" * (2049 - len(ROLE))}, "ValidationError"),
            ({"RoleArn": "arn:aws:iam::123456789012:user/ci"}, "ValidationError"),
            ({"RoleArn": "arn:aws:iam::12345678901:role/ci-x"}, "ValidationError"),
            ({"RoleArn": ROLE + "<&"}, "ValidationError"),
            ({"RoleArn": ROLE + "/"}, "ValidationError"),
            ({"RoleSessionName": None}, "ValidationError"),
            ({"RoleSessionName": "a"}, "ValidationError"),
            ({"RoleSessionName": "x" * 65}, "ValidationError"),
            ({"RoleSessionName": "a:b"}, "ValidationError"),
            ({"RoleSessionName": "a<b"}, "ValidationError"),
            ({"WebIdentityToken": None}, "ValidationError"),
            ({"WebIdentityToken": "a.b"}, "ValidationError"),
            ({"WebIdentityToken": "x" * 20001}, "ValidationError"),
            ({"DurationSeconds": "899"}, "ValidationError"),
            ({"DurationSeconds": "43201"}, "ValidationError"),
            ({"DurationSeconds": "3601"}, "ValidationError"),
            ({"DurationSeconds": "1h"}, "ValidationError"),
            ({"DurationSeconds": ""}, "ValidationError"),
            ({"ProviderId": "www.amazon.com"}, "InvalidParameterValue"),
            ({"Policy": ""}, "ValidationError"),
            ({"Policy": POLICY + " " * 2049}, "ValidationError"),
            ({"Policy": "{"}, "MalformedPolicyDocument"),
            ({"Policy": "[]"}, "MalformedPolicyDocument"),
            ({"Policy": POLICY + " " * (2048 - len(POLICY)), "PolicyArns.member.1.arn": ROLE}, "PackedPolicyTooLarge"),
            ({f"PolicyArns.member.{n}.arn": ROLE for n in range(1, 12)}, "ValidationError"),
            ({"PolicyArns.member.1.arn": "short"}, "ValidationError"),
            ({"DurationsSeconds": "900"}, "InvalidParameterValue"),
        ]
        for changes, code in refused:
            with self.subTest(changes):
                self.assert_error(self.sts(token, **changes), 400, code)
        self.assertEqual(self.standin.counts()["exchanges_refused"], len(refused))

    def test_all_errors_of_the_parameters_are_in_one_message_without_the_token(self):
        _, body = self.sts("x.y", RoleArn="x", RoleSessionName="a<b")
        message = text(body, "Message")
        self.assertTrue(message.startswith("3 validation errors detected: Value 'x' at 'roleArn' failed"), message)
        self.assertIn("'a<b' at 'roleSessionName'", message)
        self.assertNotIn("x.y", message)

    def test_an_answer_is_well_formed_whatever_came(self):
        for value in ("a\x01b", "a\uffffb", "<&>\"'", "a\rb"):
            with self.subTest(value):
                self.assert_error(self.sts("x.y.z", RoleSessionName=value), 400, "ValidationError")

    def test_action_and_version(self):
        token = self.mint()
        for changes, code in (
            ({"Action": None}, "MissingAction"),
            ({"Action": "AssumeRole"}, "InvalidAction"),
            ({"Version": None}, "InvalidAction"),
            ({"Version": "2011-06-16"}, "InvalidAction"),
        ):
            with self.subTest(changes):
                self.assert_error(self.sts(token, **changes), 400, code)
        status, _, body = self.http("POST", "/", "{}", {"Content-Type": "application/json"})
        self.assert_error((status, body), 400, "MissingAction")
        status, _, body = self.http("GET", "/")
        self.assert_error((status, body), 400, "MissingAction")

    def test_tokens_that_are_refused(self):
        other = {"claims": {"iss": "https://other.example"}}
        for order, status, code in (
            ({"lifetime": -5}, 400, "ExpiredTokenException"),
            (other, 400, "InvalidIdentityToken"),
            ({"sign": "rogue"}, 400, "InvalidIdentityToken"),
            ({"sign": "corrupt"}, 400, "InvalidIdentityToken"),
            ({"sign": "none"}, 400, "InvalidIdentityToken"),
            ({"alg": "PS256"}, 400, "InvalidIdentityToken"),
            ({"audience": ["urn:pulumi:org:acme"]}, 400, "InvalidIdentityToken"),
        ):
            with self.subTest(order):
                self.assert_error(self.sts(self.mint(**order)), status, code)
        self.assertIn("https://other.example", text(self.sts(self.mint(**other))[1], "Message"))
        self.assertEqual(self.sts(self.mint(alg="ES384"))[0], 200)

    def test_only_admitted_roles_subjects_and_audiences(self):
        subject = "system:serviceaccount:ci:builder"
        self.standin.admissions(
            [
                {"kind": "aws-sts", "role": ROLE, "subject": subject, "audience": "sts.amazonaws.com"},
                {"kind": "aws-sts", "role": ROLE + "-long", "lifetime": 43200},
            ]
        )
        builder, runner = self.mint(serviceaccount="builder"), self.mint()
        self.assertEqual(self.sts(builder)[0], 200)
        self.assert_error(self.sts(runner), 403, "AccessDenied")
        self.assert_error(self.sts(builder, RoleArn=ROLE + "-other"), 403, "AccessDenied")
        got = self.sts(self.mint(serviceaccount="builder", audience=["vault"]))
        self.assert_error(got, 400, "InvalidIdentityToken")
        self.assertEqual(text(got[1], "Message"), "Incorrect token audience")
        self.assertEqual(self.sts(runner, RoleArn=ROLE + "-long", DurationSeconds="43200")[0], 200)
        self.standin.admissions([])
        self.assert_error(self.sts(builder), 403, "AccessDenied")

    def test_the_lifetime_is_limited_by_the_upstream_of_the_test(self):
        self.standin.configure_upstream(expires_in=1)
        _, _, token = self.credentials()
        self.assertTrue(self.standin.issued(token)["valid"])
        time.sleep(1.1)
        self.assertFalse(self.standin.issued(token)["valid"])

    def test_malformed_admissions_are_refused(self):
        for admission in ({}, {"kind": "gcp"}, {"kind": "aws-sts", "role": 1}, {"kind": "aws-sts", "tenant": "x"},
                          {"kind": "aws-sts", "lifetime": 0}, []):
            with self.subTest(admission), self.assertRaises(StandinError):
                self.standin.admissions([admission])
        with self.assertRaises(StandinError):
            self.standin.call("PUT", "/admissions", {"admissions": {}})

    def test_every_error_comes_when_the_test_wants_it(self):
        token = self.mint()
        for name, status, code in (
            ("throttled", 400, "Throttling"),
            ("unavailable", 503, "ServiceUnavailable"),
            ("ExpiredTokenException", 400, None),
            ("IDPCommunicationError", 400, None),
            ("IDPRejectedClaim", 403, None),
            ("InvalidIdentityToken", 400, None),
            ("MalformedPolicyDocument", 400, None),
            ("PackedPolicyTooLarge", 400, None),
            ("RegionDisabledException", 403, None),
            ("AccessDenied", 403, None),
            ("InternalFailure", 500, None),
        ):
            with self.subTest(name):
                self.standin.fault_upstream("error", error=name, times=1)
                self.assert_error(self.sts(token), status, code or name)
                self.assertEqual(self.sts(token)[0], 200)
        self.standin.fault_upstream("error", error="AADSTS50013")
        self.assertEqual(self.sts(token)[0], 500)
        for fault in ({"kind": "error"}, {"kind": "status", "error": "throttled"}):
            with self.assertRaises(StandinError):
                self.standin.fault_upstream(**fault)

    def test_logins_are_counted_and_shown(self):
        token = self.mint()
        self.sts(token)
        self.sts(token, RoleArn=ROLE + "-other")
        counts = self.standin.counts()
        self.assertEqual(counts["by_kind"], {"aws-sts": 2})
        self.assertEqual((counts["exchanges_ok"], counts["exchanges_refused"]), (1, 1))
        self.assertEqual(counts["by_subject"], {"system:serviceaccount:ci:pulumi-runner": 2})
        seen = self.standin.last_exchange()
        self.assertEqual((seen["kind"], seen["path"]), ("aws-sts", "/"))
        self.assertEqual(seen["fields"]["RoleArn"], ROLE + "-other")


def sign(credentials, host, body, moment=None, service="sts", headers=()):
    """Returns the headers of a request that is signed with Signature Version 4."""
    key_id, secret, token = credentials
    moment = moment or datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = [moment[:8], "us-west-2", service, "aws4_request"]
    signed = {"content-type": FORM["Content-Type"], "host": host, "x-amz-date": moment, "x-amz-security-token": token}
    signed.update(headers)
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body.encode()).hexdigest()}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = ("AWS4" + secret).encode()
    for part in [*scope, f"AWS4-HMAC-SHA256\n{moment}\n{'/'.join(scope)}\n{digest}"]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    credential = "/".join([key_id, *scope])
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}"
    return {**signed, "Authorization": authorization}


class SignatureTest(StsCase):
    BODY = "Action=GetCallerIdentity&Version=2011-06-15"

    def ask(self, headers, body=BODY):
        return self.http("POST", "/", body, headers)[::2]

    def host(self):
        return urllib.parse.urlsplit(self.standin.upstream).netloc

    def test_a_signed_request_learns_who_it_is(self):
        self.standin.reset_calls()
        credentials = self.credentials()
        status, body = self.ask(sign(credentials, self.host(), self.BODY, headers={"x-more": "a   b "}))
        self.assertEqual(status, 200, body)
        self.assertEqual(text(body, "Arn"), "arn:aws:sts::123456789012:assumed-role/ci/pod-1")
        self.assertEqual(text(body, "Account"), "123456789012")
        call = self.standin.calls()[-1]
        self.assertEqual((call["token"], call["status"]), (credentials[2], 200))
        self.assertEqual(self.standin.counts()["exchanges"], 1)

    def test_each_wrong_signature_is_refused(self):
        key_id, secret, token = self.credentials()
        other = self.credentials()
        right = sign((key_id, secret, token), self.host(), self.BODY)
        without_host = right["Authorization"].replace("host;", "")
        rows = [
            (sign((key_id, other[1], token), self.host(), self.BODY), 403, "SignatureDoesNotMatch"),
            (sign((other[0], secret, token), self.host(), self.BODY), 403, "InvalidClientTokenId"),
            (sign((key_id, secret, other[2]), self.host(), self.BODY), 403, "InvalidClientTokenId"),
            (sign((key_id, secret, "x"), self.host(), self.BODY), 403, "InvalidClientTokenId"),
            (sign((key_id, secret, token), self.host(), self.BODY + "&x=y"), 403, "SignatureDoesNotMatch"),
            (sign((key_id, secret, token), self.host(), self.BODY, "20200101T000000Z"), 403, "SignatureDoesNotMatch"),
            (sign((key_id, secret, token), self.host(), self.BODY, service="iam"), 403, "SignatureDoesNotMatch"),
            ({**right, "host": "other.example"}, 403, "SignatureDoesNotMatch"),
            ({**right, "Authorization": without_host}, 400, "IncompleteSignature"),
            ({**right, "Authorization": "AWS4-HMAC-SHA256 Credential=x"}, 400, "IncompleteSignature"),
            ({**right, "Authorization": "Bearer x"}, 400, "IncompleteSignature"),
            (FORM, 403, "MissingAuthenticationToken"),
        ]
        for headers, status, code in rows:
            with self.subTest(code=code, headers=headers):
                self.assert_error(self.ask(headers), status, code)
        self.assertEqual(self.ask(right)[0], 200)

    def test_expired_credentials_are_refused(self):
        self.standin.configure_upstream(expires_in=1)
        credentials = self.credentials()
        time.sleep(1.1)
        self.assert_error(self.ask(sign(credentials, self.host(), self.BODY)), 403, "ExpiredToken")
