#!/usr/bin/env python3
"""Issuers, upstreams and clients that nobody here wrote: oidc-provider (npm) as the issuer; Dex and OpenBao or Vault as
upstreams; the AWS CLI beside our own login to the stand-in's STS.

Each is used if it is there: dex, bao or vault, aws and node on PATH, and NODE_PATH with oidc-provider. Exits with 77 if
there is none."""

import base64
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import unittest
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/support"))

from foreign import ServerCase  # noqa: E402
from node import AUDIENCE, subject_of, wait_for  # noqa: E402

VAULT = shutil.which("bao") or shutil.which("vault")
REFUSED, TRY_AGAIN = 77, 75
ACCOUNT = "system:serviceaccount:ci:pulumi-runner"
# also characters that the encoding of the two ways to send it must keep apart
CLIENT_SECRET = "s e:c+r/e%t"

DEX = """
issuer: {url}/dex
storage: {{type: memory}}
web: {{https: "127.0.0.1:{port}", tlsCert: "{certificate}", tlsKey: "{certificate}"}}
"""
EKS = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"


def section(title):
    """A section of docs/upstreams.md."""
    return (SOURCE / "docs/upstreams.md").read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@unittest.skipUnless(shutil.which("node"), "no node is on PATH")
class Issuer(ServerCase):
    def setUp(self):
        super().setUp()
        self.spawn("node", str(SOURCE / "tests/e2e/oidc_issuer.cjs"), str(self.port), self.certificate,
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if not self.server.stdout.readline():
            if self.server.wait(30) == 77:
                self.skipTest("node finds no oidc-provider")
            self.fail(self.server_log.read_text())
        self.provider = "pulumi"
        self.node.issuer("eks", url=self.url)
        self.trust()

    def trust(self):
        """The upstream fetches the keys, too."""
        status, keys = self.ask("/jwks")
        self.assertEqual(status, 200)
        self.standin.trust(**{self.url: keys})
        return [key["kid"] for key in keys["keys"]]

    def rotate(self, how):
        self.server.stdin.write(how + "\n")
        self.server.stdin.flush()
        self.assertEqual(self.server.stdout.readline(), how + "\n")
        return self.trust()

    def token(self):
        status, answer = self.ask("/token", urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": ACCOUNT, "client_secret": "secret",
            "resource": AUDIENCE}).encode())
        self.assertEqual(status, 200, answer)
        return answer["access_token"]

    def assert_served_in_time(self, jwt):
        self.turn_until(lambda: self.get(jwt)[0] == 0, 1, "the fetch of the new key")

    def test_its_tokens_are_verified_through_two_rotations(self):
        self.start_with_clock()
        first = self.token()
        self.assertEqual(self.assert_served(first)["source"], "exchange")
        self.assertEqual(len(self.rotate("rotate RS256")), 2)
        second = self.token()
        self.assertNotEqual(first.split(".")[0], second.split(".")[0])
        self.assert_served_in_time(second)
        self.assert_served(first)
        unseen = self.token()
        self.assertEqual(len(self.rotate("rotate RS256")), 3)
        self.assertEqual(len(self.rotate("forget")), 1)
        self.assert_served_in_time(self.token())
        self.clock.turn(60)  # so that the keys are fetched once more
        self.assert_refused("TOKEN_UNKNOWN_KEY", REFUSED, unseen)

    def test_each_algorithm(self):
        """Node's signatures are verified by what we verify with."""
        algorithms = [kind + bits for kind in ("RS", "PS", "ES") for bits in ("256", "384", "512")]
        self.node.issuer("eks", url=self.url, algorithms=" ".join(algorithms))
        self.start_with_clock()
        for algorithm in algorithms:
            with self.subTest(algorithm):
                self.rotate("rotate " + algorithm)
                jwt = self.token()
                self.assertIn(f'"alg":"{algorithm}"', base64.urlsafe_b64decode(jwt.split(".")[0] + "==").decode())
                self.assert_served_in_time(jwt)

    def test_the_daemon_knows_its_keys_while_it_is_gone(self):
        self.start_with_clock()
        self.assert_served(self.token())
        unseen = self.token()
        self.end_server()
        self.node.stop()
        self.start_with_clock()
        self.assert_served(unseen)


@unittest.skipUnless(shutil.which("dex"), "no dex is on PATH")
class Dex(ServerCase):
    def setUp(self):
        super().setUp()
        self.secret_file = self.node.directory / "client-secret"
        self.secret_file.write_text(CLIENT_SECRET + "\n")
        self.secret_file.chmod(0o600)
        self.config = self.node.directory / "dex.yaml"
        self.config.write_text(DEX.format(url=self.url, port=self.port, certificate=self.certificate) + self.set_up())
        self.start_dex()
        self.configure()

    def set_up(self):
        """What the page says that Dex needs, with the issuer of this test."""
        text = re.search(r"^```yaml\n(.*?)^```", section("Dex"), re.M | re.S)[1]
        text = text.replace("the contents of /etc/podlogin/dex-client-secret", f'"{CLIENT_SECRET}"')
        return text.replace(EKS, self.standin.issuer).replace(
            "      scopes:", f'      rootCAs: ["{self.standin.ca}"]\n      scopes:')

    def start_dex(self):
        self.spawn("dex", "serve", str(self.config))
        self.wait_for_server("/dex/keys")

    def configure(self, **settings):
        self.service("rfc8693", "RFC8693", {
            "TokenURL": self.url + "/dex/token", "ClientID": "podlogin", "ClientSecretFile": self.secret_file,
            "Parameters": "connector_id=kubernetes", "Scope": "openid groups", "EnvironmentVariable": "DEX_TOKEN", **settings})

    def check_token(self, authentication):
        self.configure(ClientAuthentication=authentication)
        self.start_with_clock()
        answer = self.assert_served(self.token())
        self.assertEqual((answer["source"], answer["token_type"]), ("exchange", "bearer"))
        token = self.environment(self.token())["DEX_TOKEN"]
        status, user = self.ask("/dex/userinfo", headers={"Authorization": "Bearer " + token})
        self.assertEqual((status, user["aud"]), (200, "podlogin"))
        self.assert_no_secret_in_logs(token, CLIENT_SECRET)

    def test_its_token_is_one_that_it_accepts(self):
        self.check_token("client_secret_basic")

    def test_a_client_that_posts_its_secret(self):
        self.check_token("client_secret_post")

    def test_two_accounts_have_tokens_of_their_own(self):
        self.start_with_clock()
        mine, other = self.environment(self.token()), self.environment(self.token(serviceaccount="other"))
        subjects = {self.ask("/dex/userinfo", headers={"Authorization": "Bearer " + each["DEX_TOKEN"]})[1]["sub"]
                    for each in (mine, other)}
        self.assertEqual(len(subjects), 2)
        self.assertEqual(self.environment(self.token(pod="another"))["DEX_TOKEN"], mine["DEX_TOKEN"])

    def test_an_id_token(self):
        self.configure(RequestedTokenType="id_token")
        self.start_with_clock()
        self.assert_served(self.token())

    def test_what_it_refuses_is_said_in_its_words(self):
        cases = (({}, "another secret", "HTTP 401: invalid_client: Invalid client credentials."),
                 ({"Parameters": "connector_id=none"}, CLIENT_SECRET, "HTTP 400: invalid_request: Requested connector does not exist."),
                 ({"RequestedTokenType": "jwt"}, CLIENT_SECRET, "HTTP 400: request_not_supported: Invalid requested_token_type."),
                 ({"SubjectTokenType": "jwt"}, CLIENT_SECRET, "HTTP 400: request_not_supported: Invalid subject_token_type."))
        for settings, secret, words in cases:
            with self.subTest(words):
                self.secret_file.write_text(secret)
                self.configure(**settings)
                self.start_with_clock()
                self.assertIn(words, self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.token()))
                self.assert_no_secret_in_logs(secret)
                self.node.stop()

    def test_it_cannot_fetch_the_key_of_a_token_that_we_have_verified(self):
        """It says access_denied, and no more, as of a token that is forged."""
        self.start_with_clock()
        self.assert_served(self.token())
        self.standin.rotate(keep_old=False)
        self.turn_until(lambda: "POLICY_DENIED" in self.get(self.token(namespace="prod"))[2], 1, "the new key")
        self.standin.fault_issuer(kind="status", status=503)
        error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.token(serviceaccount="other"))
        self.assertIn("HTTP 401: access_denied", error)

    def test_it_is_gone_and_comes_back(self):
        self.end_server()
        self.start_with_clock()
        self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.token())
        self.start_dex()
        self.turn_until(lambda: self.get(self.token())[0] == 0, 5, "the next try")


@unittest.skipUnless(VAULT, "neither bao nor vault is on PATH")
class Vault(ServerCase):
    """One server in its development mode, with a certificate of its own authority."""

    root_token = "root-of-the-test"

    def setUp(self):
        super().setUp()
        directory = self.node.directory / "vault"
        directory.mkdir()
        self.url = f"https://127.0.0.1:{self.port}"
        self.spawn(VAULT, "server", "-dev", "-dev-tls", f"-dev-tls-cert-dir={directory}", "-dev-no-store-token",
                   f"-dev-listen-address=127.0.0.1:{self.port}", f"-dev-root-token-id={self.root_token}",
                   env={**os.environ, "HOME": str(directory)})
        self.ca = directory / "vault-ca.pem"
        wait_for(lambda: "Root Token" in self.server_log.read_text() or self.server.poll() is not None, what="the server")
        self.context = ssl.create_default_context(cafile=self.ca)
        self.mount()
        self.configure()

    def admin(self, path, body=None, namespace=""):
        """Returns the status of a call as the administrator."""
        status, answer = self.ask("/v1/" + path, body, {
            "X-Vault-Token": self.root_token, "X-Vault-Namespace": namespace}, "POST")
        self.assertIn(status, (200, 204, 404), answer)
        return status

    def mount(self, **options):
        self.admin("sys/auth/kubernetes/prod", {"type": "jwt"}, **options)
        self.admin("auth/kubernetes/prod/config", {
            "oidc_discovery_url": self.standin.issuer, "oidc_discovery_ca_pem": pathlib.Path(self.standin.ca).read_text(),
            "bound_issuer": self.standin.issuer}, **options)
        self.role({}, **options)

    def role(self, settings, **options):
        self.admin("auth/kubernetes/prod/role/ci", {
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_ttl": "30m",
            "bound_claims": {"/kubernetes.io/namespace": "ci"}, **settings}, **options)

    def configure(self, **settings):
        self.service("vault", "Vault", {"Address": self.url, "Mount": "kubernetes/prod", "Role": "ci", **settings}, ca=self.ca)

    def test_its_token_is_one_that_it_accepts(self):
        self.start_with_clock()
        answer = self.assert_served(self.token())
        self.assertEqual(answer["source"], "exchange")
        variables = self.environment(self.token())
        self.assertEqual(variables["VAULT_ADDR"], self.url)
        status, found = self.ask("/v1/auth/token/lookup-self", headers={"X-Vault-Token": variables["VAULT_TOKEN"]})
        self.assertEqual((status, found["data"]["display_name"]), (200, "kubernetes-prod-" + ACCOUNT))
        self.assertEqual(found["data"]["creation_ttl"], 1800)
        self.assert_no_secret_in_logs(variables["VAULT_TOKEN"])

    def test_its_own_command_uses_it(self):
        self.start_with_clock()
        out = self.run_job(self.token(), VAULT, "token", "lookup", "-format=json", VAULT_CACERT=str(self.ca),
                           BAO_CACERT=str(self.ca), HOME=str(self.node.directory))
        self.assertEqual(json.loads(out)["data"]["display_name"], "kubernetes-prod-" + ACCOUNT)

    def test_the_set_up_of_the_page(self):
        commands = re.findall(r"^    (bao .*(?:\n        .*)*)", section("Vault and OpenBao"), re.M)
        self.assertGreater(len(commands), 2)
        for command in commands:
            command = command.replace("bao ", f"{VAULT} ", 1).replace(EKS, self.standin.issuer).replace(
                "oidc_discovery_url=", f"oidc_discovery_ca_pem=@{self.standin.ca} oidc_discovery_url=")
            subprocess.run(["sh", "-c", command], check=True, capture_output=True, env={
                **os.environ, "VAULT_ADDR": self.url, "VAULT_CACERT": str(self.ca), "VAULT_TOKEN": self.root_token})
        self.service("vault", "Vault", {"Address": self.url, "Mount": "jwt", "Role": "ci"}, ca=self.ca,
                     audience="https://vault.example.com")
        self.start_with_clock()
        self.assert_served(self.token(serviceaccount="runner"))
        self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.token())

    def test_a_namespace(self):
        if self.admin("sys/namespaces/team", {}) == 404:
            self.skipTest("the server has no namespaces")
        self.mount(namespace="team")
        self.configure(Namespace="team")
        self.start_with_clock()
        variables = self.environment(self.token())
        self.assertEqual(variables["VAULT_NAMESPACE"], "team")
        _, found = self.ask("/v1/auth/token/lookup-self", headers={
            "X-Vault-Token": variables["VAULT_TOKEN"], "X-Vault-Namespace": "team"})
        self.assertEqual(found["data"]["namespace_path"], "team/")

    def test_what_it_refuses_is_said_in_its_words(self):
        cases = (({"bound_audiences": ["other"]}, {}, "HTTP 400: error validating token: invalid audience (aud) claim"),
                 ({"bound_claims": {"/kubernetes.io/namespace": "prod"}}, {}, "HTTP 400: error validating claims: claim"),
                 ({"token_bound_cidrs": ["192.0.2.0/24"]}, {}, "HTTP 403: permission denied"),
                 ({"token_num_uses": 3}, {}, "token_num_uses"),
                 ({}, {"Role": "none"}, 'HTTP 400: role "none" could not be found'),
                 ({}, {"Mount": "none"}, "HTTP 403: permission denied"))
        for role, settings, words in cases:
            with self.subTest(words):
                self.role({"token_bound_cidrs": [], "token_num_uses": 0, **role})
                self.configure(**settings)
                self.start_with_clock()
                self.assertIn(words, self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.token()))
                self.node.stop()

    def test_it_cannot_fetch_the_key_of_a_token_that_we_have_verified(self):
        """It says so with the status of a refusal; before and after it has keys, in different words."""
        self.start_with_clock()
        self.assert_served(self.token())
        self.standin.rotate(keep_old=False)
        self.turn_until(lambda: "POLICY_DENIED" in self.get(self.token(namespace="prod"))[2], 1, "the new key")
        self.standin.fault_issuer(kind="status", status=503)
        self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.token(serviceaccount="other"))
        self.admin("sys/seal")
        self.admin("sys/unseal", {"key": re.search("Unseal Key: (.*)", self.server_log.read_text())[1]})
        self.turn_until(lambda: "fetching keys" not in self.get(self.token(serviceaccount="other"))[2], 5, "the next try")
        self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.token(serviceaccount="other"))

    def test_it_is_sealed_and_then_gone(self):
        self.admin("sys/seal")
        self.start_with_clock()
        self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.token())
        self.end_server()
        self.turn_until(lambda: "HTTP 503" not in self.get(self.token())[2], 5, "the next try")
        self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.token())


@unittest.skipUnless(shutil.which("aws"), "no aws is on PATH")
class Aws(ServerCase):
    """The AWS CLI, which logs in to the stand-in's STS by itself, or with what we got there."""

    role = "arn:aws:iam::123456789012:role/ci"

    def setUp(self):
        super().setUp()
        self.variables = {
            "HOME": str(self.node.directory), "AWS_CA_BUNDLE": self.standin.ca, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1"}
        self.service("aws-sts", "AWS", {"RoleARN": self.role, "Region": "us-west-2", "Duration": "1h", "SessionName": "pod-1",
                                        "Endpoint": self.standin.upstream}, audience="sts.amazonaws.com")

    def aws(self, *arguments):
        return ["aws", "--endpoint-url", self.standin.upstream, "--region", "us-west-2", "sts", *arguments]

    def assume(self, jwt):
        """What the AWS CLI gets by itself: its output, or its error."""
        result = subprocess.run(
            self.aws("assume-role-with-web-identity", "--role-arn", self.role, "--role-session-name", "pod-1",
                     "--duration-seconds", "3600", "--web-identity-token", jwt), capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, timeout=90, env=self.node.environment(**self.variables))
        return json.loads(result.stdout) if result.returncode == 0 else result.stderr

    def test_ours_asks_what_it_asks_and_gets_what_it_gets(self):
        jwt = self.token()
        theirs = self.assume(jwt)["Credentials"]
        asked = self.standin.last_exchange()
        self.start_with_clock()
        self.assert_served(jwt)
        self.assertEqual(self.standin.last_exchange()["fields"], asked["fields"])
        self.assertEqual(self.standin.last_exchange()["content_type"].split(";")[0], asked["content_type"].split(";")[0])
        ours = self.environment(jwt)
        for name, variable in (("AccessKeyId", "AWS_ACCESS_KEY_ID"), ("SecretAccessKey", "AWS_SECRET_ACCESS_KEY"),
                               ("SessionToken", "AWS_SESSION_TOKEN")):
            self.assertEqual(len(ours[variable]), len(theirs[name]), name)
        self.assertEqual(subject_of(ours["AWS_SESSION_TOKEN"]), subject_of(theirs["SessionToken"]))
        self.assert_no_secret_in_logs(ours["AWS_SESSION_TOKEN"], ours["AWS_SECRET_ACCESS_KEY"])

    def test_it_signs_with_our_credentials(self):
        self.start_with_clock()
        out = self.run_job(self.token(), *self.aws("get-caller-identity"), **self.variables)
        self.assertEqual(json.loads(out)["Arn"], "arn:aws:sts::123456789012:assumed-role/ci/pod-1")

    def test_ours_says_what_it_says(self):
        self.standin.call("PUT", "/admissions", {"admissions": [{"kind": "aws-sts", "subject": "nobody"}]})
        self.addCleanup(self.standin.call, "PUT", "/admissions", {})
        jwt = self.token()
        code, message = re.search(r"An error occurred \((\w+)\) when calling [^:]*: (.*)", self.assume(jwt)).groups()
        self.start_with_clock()
        error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, jwt)
        self.assertIn(f"{code}: {message}", error)


def main():
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        return 1
    return 77 if len(result.skipped) >= result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
