"""Whatever a hostile upstream answers, at random: a client gets a credential whole or not at all, and no part of a
credential of another account.

PODLOGIN_SEED repeats a run. Each service has an upstream of its own, so that no circuit breaker hides the others."""

import base64
import collections
import concurrent.futures
import json
import os
import random
import re
import sys
import unittest
import urllib.parse

from node import AUDIENCE, NodeCase, scale
from protocol_client import Client, ServerError
from raw_server import RawServer, http

ACCOUNTS = [f"{name}-{'%012x' % (0x9e3779b97f4a7c15 * (i + 1) & 0xffffffffffff)}"
            for i, name in enumerate(("alice", "bob", "carol", "dave"))]
SERVICES = scale(24, 200)  # of each kind
# Reads an answer that the test has made, for the account in the JWT and the service in the argument.
PROGRAM = r"""#!{python}
import base64, json, os, sys
payload = json.load(sys.stdin)["subject_token"].split(".")[1]
account = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"].rsplit(":", 1)[1]
status, answer = open("{answers}/" + sys.argv[1] + "-" + account).read().split("\n", 1)
os.write(1, answer.encode())
sys.exit(int(status))
"""
RULES = '[Allow "all"]\nsub=*\n'

# Provider=, section, the form of a success, the variables of a credential, those of them that come from the answer
KINDS = [
    ("pulumi", "[Pulumi]\nOrganization=acme\nAPIURL={url}",
     '{"access_token":"T%s","token_type":"token","expires_in":7200,"scope":""}',
     {"PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", "PULUMI_DEFAULT_ORGANIZATION"}, {"PULUMI_ACCESS_TOKEN": "T"}),
    ("aws-sts", "[AWS]\nRoleARN=arn:aws:iam::123456789012:role/ci\nRegion=eu-central-1\nEndpoint={url}",
     "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A%s</AccessKeyId>"
     "<SecretAccessKey>S%s</SecretAccessKey><SessionToken>T%s</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>"
     "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
     {"AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"},
     {"AWS_SESSION_TOKEN": "T", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}),
    ("vault", "[Vault]\nAddress={url}\nNamespace=team",
     '{"auth":{"client_token":"T%s","accessor":"x","lease_duration":3600,"num_uses":0}}',
     {"VAULT_TOKEN", "VAULT_ADDR", "VAULT_NAMESPACE"}, {"VAULT_TOKEN": "T"}),
    ("rfc8693", "[RFC8693]\nTokenURL={url}/token\nEnvironmentVariable=X_TOKEN",
     '{"access_token":"T%s","issued_token_type":"urn:x","token_type":"bearer"}', {"X_TOKEN"}, {"X_TOKEN": "T"}),
    ("azure", "[Azure]\nTenant=t\nClientID=c\nEndpoint={url}",
     '{"token_type":"Bearer","expires_in":3599,"access_token":"T%s"}', {"AZURE_ACCESS_TOKEN"}, {"AZURE_ACCESS_TOKEN": "T"}),
    ("exec", "[Exec]\nCommand={program} {i}\nReadPaths={paths}\nVariables=X_SECRET\nEnvironmentVariable=X_TOKEN",
     '{"access_token":"T%s","token_type":"Bearer","expires_in":60,"variables":{"X_SECRET":"S%s"}}', {"X_TOKEN", "X_SECRET"},
     {"X_TOKEN": "T", "X_SECRET": "S"}),
]


def subject_token_in(body):
    """The service-account token of a request, of any kind."""
    if body.startswith(b"{"):
        return json.loads(body)["jwt"]
    fields = dict(urllib.parse.parse_qsl(body.decode()))
    return next(fields[name] for name in ("subject_token", "WebIdentityToken", "client_assertion") if name in fields)


def account_of(jwt):
    payload = jwt.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims["sub"].rsplit(":", 1)[1]


def cut(chance, text):
    return text[:chance.randrange(len(text))]


def drop(chance, text):
    begin = chance.randrange(len(text))
    return text[:begin] + text[begin + chance.randrange(1, 40):]


def flip(chance, text):
    at = chance.randrange(len(text))
    return text[:at] + chr(chance.randrange(1, 0x7f)) + text[at + 1:]


def lose_a_part(chance, text):
    """One value is empty, or has another name."""
    values = list(re.finditer(r'(?<=[>"])[^<>",:{}]+(?=[<"])|\d+', text))
    if not values:
        return text
    match = chance.choice(values)
    return text[:match.start()] + chance.choice(["", "x", "null", "\\u0000", "&#0;", "\n", " "]) + text[match.end():]


def repeat(chance, text):
    begin = chance.randrange(len(text))
    part = text[begin:begin + chance.randrange(1, 120)]
    return text[:begin] + part + text[begin:]


def twice(_, text):
    return text * 2


def beside_an_error(chance, text):
    error = chance.choice(['"error":"access_denied"', '"errors":["no"]'])
    return text.replace("{", "{" + error + ",", 1) if text.startswith("{") else text.replace(
        "<Credentials>", "<Error><Code>AccessDenied</Code></Error><Credentials>")


def intact(_, text):
    return text


CHANGES = [intact, intact, cut, drop, flip, lose_a_part, repeat, twice, beside_an_error]


def changed(chance, form, account):
    """A success for the account, or something else."""
    text = form.replace("%s", f"[{account}]")
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        text = chance.choice(CHANGES)(chance, text) or " "
    return text


class AnyAnswer(NodeCase):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("PODLOGIN_SEED", random.randrange(2**32)))
        self.chance = random.Random(self.seed)
        self.n_requests = collections.Counter()
        (self.node.etc / "services.d/pulumi.conf").unlink()

    def answer(self, form, request):
        """What an upstream sends: a success for the account of the request, changed at random, in HTTP that may lie."""
        account = account_of(subject_token_in(request.body))
        which = f"{form} {request.path} {account}"
        self.n_requests[which] += 1
        chance = random.Random(f"{self.seed} {which} {self.n_requests[which]}")
        of_another = http(form.replace("%s", f"[{chance.choice(ACCOUNTS)}]"))
        text = changed(chance, form, account)
        answer = http(text, chance.choice(["200 OK"] * 8 + ["201 Created", "400 Bad Request", "500 Oops"]))
        kind = chance.randrange(10)
        if kind == 0:
            return [answer + of_another, None]  # another answer behind this one
        if kind == 1:
            return [answer, 0.01, of_another, None]
        if kind == 2:
            return [answer.replace(b"Content-Length: ", b"Content-Length: 1"), None]  # that does not come
        if kind == 3:
            return [b"HTTP/1.1 100 Continue\r\n\r\n" + answer, None]
        return [answer, None]

    def write_program(self, form):
        """A program that answers likewise. Returns its path, and what it may read."""
        answers = self.node.directory / "answers"
        answers.mkdir()
        for i in range(SERVICES):
            for account in ACCOUNTS:
                chance = random.Random(f"{self.seed} exec {i} {account}")
                (answers / f"{i}-{account}").write_text(
                    f"{chance.choice([0] * 8 + [1, 77])}\n{changed(chance, form, account)}")
        program = self.node.directory / "program"
        program.write_text(PROGRAM.format(python=sys.executable, answers=answers))
        program.chmod(0o755)
        return program, f"{answers} {sys.base_prefix} {program}"

    def ask(self, service, jwt):
        with Client(str(self.node.socket), jwt=jwt, timeout=60) as client:
            try:
                return client.get(service)
            except ServerError as error:
                self.assertIn(error.name, ("UPSTREAM_PROTOCOL", "UPSTREAM_REFUSED", "UPSTREAM_UNAVAILABLE", "BUSY"))
                return None

    def assert_whole_and_own(self, token, account, variables, parts):
        values = {token.variable: token.token.decode(), **dict(text.split("=", 1) for text in token.attributes)}
        if "X_SECRET" in variables:  # a program need not set it; then it is removed
            self.assertLessEqual(variables - set(values), set(token.unset))
            self.assertLessEqual({"X_TOKEN"}, set(values))
            self.assertLessEqual(set(values), variables)
        else:
            self.assertEqual(set(values), variables)
        for variable, value in values.items():
            self.assertRegex(value, r"^[ -~]*$" if variable == "X_SECRET" else r"^[!-~]+$", variable)
            for other in set(ACCOUNTS) - {account}:
                self.assertNotIn(other, value, variable)
        self.assertGreater(token.expires_at_s, 0)
        return all(values.get(variable) == f"{letter}[{account}]" for variable, letter in parts.items())

    def test_a_credential_comes_whole_and_is_the_account_s_own_or_does_not_come(self):
        services = []
        for n, (provider, section, form, variables, parts) in enumerate(KINDS):
            server = RawServer(self.standin, lambda request, form=form: self.answer(form, request))
            self.addCleanup(server.stop)
            program, paths = self.write_program(form) if provider == "exec" else (None, None)
            for i in range(SERVICES):
                name = f"{provider}-{i}"
                section_of_i = section.format(url=f"{server.url}/{i}", program=program, paths=paths, i=i)
                self.node.write(f"services.d/{name}.conf",
                                f"[Service]\nProvider={provider}\nIssuer=eks\nAudience={AUDIENCE}\nCAFile={self.standin.ca}\n"
                                f"{section_of_i}\n{RULES}")
                services.append((name, n))
        self.node.start()
        jwts = {account: self.mint(serviceaccount=account) for account in ACCOUNTS}
        asked = [(service, n, account) for service, n in services for account in ACCOUNTS]
        self.chance.shuffle(asked)
        served, intact_ones = [0] * len(KINDS), [0] * len(KINDS)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            tokens = pool.map(lambda one: self.ask(one[0], jwts[one[2]]), asked)
            for (service, n, account), token in zip(asked, tokens):
                if token is None:
                    continue
                with self.subTest(service=service, account=account, seed=self.seed):
                    served[n] += 1
                    intact_ones[n] += self.assert_whole_and_own(token, account, *KINDS[n][3:])
        # some are successes of each kind, and some are not
        for n, (provider, *_) in enumerate(KINDS):
            self.assertGreater(intact_ones[n], 0, f"{provider}, seed {self.seed}")
            self.assertLess(served[n], SERVICES * len(ACCOUNTS), f"{provider}, seed {self.seed}")


if __name__ == "__main__":
    unittest.main()
