"""Every kind of upstream, over TLS: logins, what a program sees of them, and the same behaviour for each failure.

A table has the kinds. The failures are staged by the stand-in, at all upstreams of one node at once."""

import datetime
import json
import re
import shutil
import subprocess
import unittest

from node import ALLOW_CI, AUDIENCE, BUILD, EXCHANGER, PODLOGINCTL, NodeCase, subject_of, wait_all
from raw_server import RawServer, http
from test_docs import SOURCE

ROLE = "arn:aws:iam::123456789012:role/ci"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CLIENT = "6731de76-14a6-49ae-97bc-6eba6914391e"
REFUSED, TRY_AGAIN = 77, 75


class Kind:
    """A kind of upstream: its section, the variable of the token, the errors of its own, an answer that is a success,
    and the parts of it that must not be missing."""

    def __init__(self, provider, section, variable, refusal, mistake, success, parts, **others):
        self.provider, self.section, self.variable, self.others = provider, section, variable, others
        self.refusal, self.mistake, self.success, self.parts = refusal, mistake, success, parts


KINDS = {
    "pulumi": Kind(
        "pulumi", "[Pulumi]\nOrganization=acme\nTokenType=personal\nUser=ci-bot\nAPIURL={url}", "PULUMI_ACCESS_TOKEN",
        "invalid_grant", "invalid_request",
        '{"access_token":"secret","token_type":"token","expires_in":7200}', ["access_token", "token_type", "expires_in"],
        PULUMI_BACKEND_URL="{url}", PULUMI_DEFAULT_ORGANIZATION="acme"),
    "aws": Kind(
        "aws-sts", f"[AWS]\nRoleARN={ROLE}\nRegion=eu-central-1\nEndpoint={{url}}", "AWS_SESSION_TOKEN",
        "ExpiredTokenException", "MalformedPolicyDocument",
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>a</AccessKeyId>"
        "<SecretAccessKey>secret</SecretAccessKey><SessionToken>secret</SessionToken>"
        "<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"],
        AWS_REGION="eu-central-1", AWS_DEFAULT_REGION="eu-central-1", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None),
    "vault": Kind(
        "vault", "[Vault]\nAddress={url}\nRole=ci\nNamespace=team", "VAULT_TOKEN", "no-token", "no-role",
        '{"auth":{"client_token":"secret","lease_duration":3600}}', ["client_token", "lease_duration"],
        VAULT_ADDR="{url}", VAULT_NAMESPACE="team"),
    "dex": Kind(
        "rfc8693", "[RFC8693]\nTokenURL={url}/oauth2/token\nClientID=podlogin\nClientSecretFile={directory}/secret\n"
        "Parameters=connector_id=kubernetes", "ACCESS_TOKEN", "invalid_grant", "invalid_scope",
        '{"access_token":"secret","token_type":"bearer","expires_in":60}', ["access_token", "token_type"]),
    "entra": Kind(
        "azure", f"[Azure]\nTenant={TENANT}\nClientID={CLIENT}\nEndpoint={{url}}", "AZURE_ACCESS_TOKEN",
        "AADSTS700024", "AADSTS700016",
        '{"access_token":"secret","token_type":"Bearer","expires_in":60}', ["access_token", "token_type", "expires_in"]),
}
PROVIDERS = {kind.provider for kind in KINDS.values()} | {"exec"}  # test_exec has the failures of programs
ADMISSIONS = [
    {"kind": "aws-sts", "role": ROLE},
    {"kind": "vault", "role": "ci", "mount": "jwt", "namespace": "team"},
    {"kind": "rfc8693", "client_id": "podlogin", "client_secret": "s e:c+r/et", "client_authentication": "client_secret_basic",
     "parameters": "connector_id=kubernetes"},
    {"kind": "azure", "role": CLIENT, "tenant": TENANT},
]
# in the environment of a job before podlogin sets its own
FOREIGN = {
    "AWS_PROFILE": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/x", "AWS_ENDPOINT_URL": "https://evil.example",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost", "AWS_REGION": "us-east-1", "VAULT_NAMESPACE": "other",
    "VAULT_AGENT_ADDR": "https://evil.example", "BAO_ADDR": "https://evil.example", "BAO_TOKEN": "x",
    "PULUMI_BACKEND_URL": "https://evil.example"}


EXAMPLE = r"""
#include <stdio.h>
#include <string.h>
#include "provider/exchange.h"

static const char *values[] = {"https://login.example.com/v2/login", "ci"};

static void read_answer(const struct provider_exchange *exchange, long status, const char *body)
{
    const struct provider_values all = {.value = {values[0], values[1]}};
    struct provider_answer answer = {0};

    exchange->answer(&all, status, body, strlen(body), &answer);
    printf("outcome %d: %s,", answer.outcome, answer.detail);
    for (size_t i = 0; i < answer.n_variables; i++)
        printf(" %s=%.*s%s", answer.variables[i].name, (int)answer.variables[i].value->len,
               (const char *)answer.variables[i].value->bytes, i + 1 < answer.n_variables ? "" : ",");
    printf(" %u s\n", answer.expires_in_s);
    provider_answer_done(&answer);
}

int main(void)
{
    const struct provider_exchange *exchange = provider_exchange_find("example");
    const struct provider_values all = {.value = {values[0], values[1]}};
    struct secret *jwt = secret_new("a.b.c", 5);
    struct provider_request request = {0};
    size_t blamed;
    char error[64];

    printf("%s\n", provider_names());
    if (!jwt || !exchange || provider_find("example")->check(&all, &blamed, error, sizeof(error)) ||
        exchange->request(&all, jwt, &request))
        return 1;
    printf("%s %s %.*s\n", request.method, request.url, (int)request.body->len, (char *)request.body->bytes);
    read_answer(exchange, 200, "{\"session\":\"s-1\",\"seconds\":900}");
    read_answer(exchange, 403, "{\"problem\":\"not today\"}");
    read_answer(exchange, 200, "{\"seconds\":900}");
    return 0;
}
"""


class Upstreams(NodeCase):
    def setUp(self):
        super().setUp()
        self.standin.admissions(ADMISSIONS)
        (self.node.directory / "secret").write_text("s e:c+r/et\n")
        (self.node.directory / "secret").chmod(0o600)
        (self.node.etc / "services.d/pulumi.conf").unlink()
        for name in KINDS:
            self.service(name)

    def service(self, name, url=None, share="serviceaccount", more=""):
        section = KINDS[name].section.format(url=url or self.standin.upstream, directory=self.node.directory)
        self.node.write(f"services.d/{name}.conf",
                        f"[Service]\nProvider={KINDS[name].provider}\nIssuer=eks\nAudience={AUDIENCE}\nShare={share}\n"
                        f"CAFile={self.standin.ca}\n{section}\n{more}\n{ALLOW_CI}")

    def environment_of(self, name, jwt):
        """The variables of a program that `podlogin exec` starts in an environment with FOREIGN."""
        process = self.node.spawn("exec", name, "--", "env", "-0", token_file=self.node.jwt_file(jwt), **FOREIGN)
        ((code, out, error),) = wait_all([process])
        self.assertEqual(code, 0, error)
        return dict(line.split("=", 1) for line in out.split("\0") if line)

    def all_at_once(self, jwt, *arguments):
        """Asks each service at the same time. Returns (code, answer or None, error) by service."""
        file = self.node.jwt_file(jwt)
        processes = [self.node.spawn("token", name, "--json", *arguments, token_file=file) for name in KINDS]
        return {name: (code, json.loads(out) if code == 0 else None, error)
                for name, (code, out, error) in zip(KINDS, wait_all(processes))}

    def assert_all_refused(self, status, code, jwt, detail=""):
        for name, (got, _, error) in self.all_at_once(jwt).items():
            with self.subTest(name):
                self.assertIn(f"podlogin: {name}: {status}: ", error)
                self.assertIn(detail, error)
                self.assertEqual((got, error.count("\n")), (code, 0), error)
                self.assertNotIn("secret", error)
                self.assertNotIn(jwt.split(".")[2][:20], error + self.node.log())


class Success(Upstreams):
    def test_one_exchange_serves_all_pods_of_an_account(self):
        self.node.start()
        first = self.all_at_once(self.mint(pod="one"))
        second = self.all_at_once(self.mint(pod="two"))
        for name in KINDS:
            with self.subTest(name):
                self.assertEqual(first[name][0], 0, first[name][2])
                self.assertEqual(first[name][1]["source"], "exchange")
                self.assertEqual(second[name][1]["source"], "cache")
                self.assertEqual(first[name][1]["token"], second[name][1]["token"])
                record = self.standin.issued(first[name][1]["token"])
                self.assertTrue(record["valid"])
                self.assertEqual(record["kind"], KINDS[name].provider)
                expires_at = datetime.datetime.fromisoformat(first[name][1]["expires_at"].replace("Z", "+00:00"))
                self.assertAlmostEqual(record["expires_at"], expires_at.timestamp(), delta=2)
        self.assertEqual(self.standin.counts()["by_kind"], {kind.provider: 1 for kind in KINDS.values()})

    def test_each_account_has_tokens_of_its_own(self):
        self.node.start()
        for account in ("alice", "bob"):
            for name, (code, answer, error) in self.all_at_once(self.mint(serviceaccount=account)).items():
                self.assertEqual(code, 0, error)
                self.assertEqual(subject_of(answer["token"]), f"system:serviceaccount:ci:{account}", name)

    def test_a_program_sees_the_credential_whole_and_nothing_of_another(self):
        self.node.start()
        for name, kind in KINDS.items():
            with self.subTest(name):
                variables = self.environment_of(name, self.mint())
                parts = {}
                for variable, value in kind.others.items():
                    if value is None:
                        parts[variable.removeprefix("AWS_").lower()] = variables[variable]
                    else:
                        self.assertEqual(variables[variable], value.format(url=self.standin.upstream))
                self.assertTrue(self.standin.issued(variables[kind.variable], **parts)["valid"])
        variables = self.environment_of("aws", self.mint())
        self.assertEqual([name for name in FOREIGN if name.startswith("AWS_") and name in variables], ["AWS_REGION"])
        variables = self.environment_of("vault", self.mint())
        self.assertEqual([name for name in FOREIGN if name[:4] in ("VAUL", "BAO_") and name in variables], ["VAULT_NAMESPACE"])

    def test_a_credential_survives_a_restart_whole(self):
        self.node.start()
        before = {name: self.environment_of(name, self.mint()) for name in KINDS}
        self.node.restart()
        self.standin.reset_counts()
        for name, kind in KINDS.items():
            after = self.environment_of(name, self.mint())
            for variable in (kind.variable, *kind.others):
                self.assertEqual(before[name][variable], after[variable])
        self.assertEqual(self.exchanges(), 0)

    def test_no_part_of_a_credential_is_on_the_disk_or_in_the_log(self):
        self.node.start()
        aws = self.environment_of("aws", self.mint())
        secrets = [aws["AWS_SECRET_ACCESS_KEY"], *(record["value"] for record in self.standin.tokens()), "s e:c+r/et"]
        self.node.stop()
        files = [self.node.log_path, *self.node.state.iterdir()]
        for path in files:
            for secret in secrets:
                self.assertNotIn(secret.encode(), path.read_bytes(), path.name)

    def test_sessions_of_aws_are_named_after_the_pod(self):
        section = KINDS["aws"].section.format(url=self.standin.upstream)
        self.node.write("services.d/named.conf",
                        f"[Service]\nProvider=aws-sts\nIssuer=eks\nAudience={AUDIENCE}\nShare=pod\nCAFile={self.standin.ca}\n"
                        f"{section}\nSessionName=%n-%s-%p\nDuration=30min\n{ALLOW_CI}")
        self.node.start()
        self.assert_served(self.mint(pod="job-7"), "aws")
        self.assertEqual(self.standin.last_exchange()["fields"]["RoleSessionName"], "ci.pulumi-runner")
        self.assert_served(self.mint(pod="job-7"), "named")
        fields = self.standin.last_exchange()["fields"]
        self.assertEqual((fields["RoleSessionName"], fields["DurationSeconds"]), ("ci-pulumi-runner-job-7", "1800"))

    def test_a_new_secret_of_the_client_is_used_at_once(self):
        self.node.start()
        self.assert_served(self.mint(serviceaccount="a"), "dex")
        (self.node.directory / "secret").write_text("another")
        error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.mint(serviceaccount="b"), "dex")
        self.assertIn("invalid_client", error)
        self.assertNotIn("another", error + self.node.log())
        admissions = [{**admission, "client_secret": "another"} if admission["kind"] == "rfc8693" else admission
                      for admission in ADMISSIONS]
        self.standin.admissions(admissions)
        self.assert_served(self.mint(serviceaccount="c"), "dex")

    def test_a_secret_that_is_missing_for_a_moment(self):
        (self.node.directory / "secret").rename(self.node.directory / "elsewhere")
        self.node.start()
        self.assertIn("ClientSecretFile", self.node.log())
        error = self.assert_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.mint(), "dex")
        self.assertIn("cannot read the secret file", error)


class Failures(Upstreams):
    """Whatever the kind of upstream, a failure of one sort has one status, one exit code, and one line."""

    def setUp(self):
        super().setUp()
        self.node.start()

    def stage(self, name, code, detail="", **fault):
        self.standin.fault_upstream(**fault)
        self.assert_all_refused(name, code, self.mint(), detail)
        self.standin.fault_upstream()

    def test_refused(self):
        """The JWT is remembered as refused; another of the same account is exchanged."""
        jwt = self.mint()
        for name, kind in KINDS.items():
            with self.subTest(name):
                self.standin.fault_upstream(kind="error", error=kind.refusal, times=1)
                self.assert_refused("UPSTREAM_REFUSED", REFUSED, jwt, name)
                self.assert_refused("UPSTREAM_REFUSED", REFUSED, jwt, name)
                self.assert_served(self.mint(pod="newer"), name)
        self.assertEqual(self.exchanges(), 2 * len(KINDS))

    def test_nobody_is_admitted(self):
        self.standin.policies([])
        self.standin.admissions([{**admission, "subject": "system:serviceaccount:ci:another"} for admission in ADMISSIONS])
        self.assert_all_refused("UPSTREAM_REFUSED", REFUSED, self.mint())

    def test_misconfigured(self):
        """A single account that is answered so does not keep the others away."""
        for name, kind in KINDS.items():
            with self.subTest(name):
                self.standin.fault_upstream(kind="error", error=kind.mistake, times=1)
                self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.mint(), name)
                self.assert_served(self.mint(serviceaccount="other"), name)

    def test_misconfigured_for_all(self):
        """After several accounts, the upstream is left alone; then a probe goes through."""
        for name, kind in KINDS.items():
            with self.subTest(name):
                self.standin.reset_counts()
                self.standin.fault_upstream(kind="error", error=kind.mistake)
                for i in range(12):
                    self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.mint(serviceaccount=f"{name}-{i}"), name)
                self.assertLess(self.exchanges(), 12)

    def test_throttled(self):
        self.stage("BUSY", TRY_AGAIN, kind="error", error="throttled")

    def test_status_429(self):
        self.stage("BUSY", TRY_AGAIN, kind="status", status=429, retry_after="20", body="")

    def test_status_503_with_advice(self):
        self.stage("BUSY", TRY_AGAIN, kind="status", status=503, retry_after="20", body="")

    def test_unavailable(self):
        self.stage("UPSTREAM_UNAVAILABLE", TRY_AGAIN, kind="error", error="unavailable")

    def test_status_500(self):
        self.stage("UPSTREAM_UNAVAILABLE", TRY_AGAIN, "HTTP 500", kind="status", status=500, body="<html>")

    def test_status_408(self):
        self.stage("UPSTREAM_UNAVAILABLE", TRY_AGAIN, kind="status", status=408, body="")

    def test_reset(self):
        self.stage("UPSTREAM_UNAVAILABLE", TRY_AGAIN, kind="reset")

    def test_hang(self):
        """The client's time limit is the shorter one here."""
        self.standin.fault_upstream(kind="hang")
        for name, (code, _, error) in self.all_at_once(self.mint(), "--timeout", "2s").items():
            with self.subTest(name):
                self.assertEqual(code, TRY_AGAIN, error)
                self.assertRegex(error, f"^podlogin: {name}: (UPSTREAM_UNAVAILABLE|TIMEOUT): ")
        self.standin.fault_upstream()

    def test_garbage(self):
        self.stage("UPSTREAM_PROTOCOL", TRY_AGAIN, kind="garbage")

    def test_a_page(self):
        self.stage("UPSTREAM_PROTOCOL", TRY_AGAIN, kind="html")

    def test_nothing(self):
        self.stage("UPSTREAM_PROTOCOL", TRY_AGAIN, kind="empty")

    def test_too_much(self):
        self.stage("UPSTREAM_PROTOCOL", TRY_AGAIN, "64 KiB", kind="huge")

    def test_a_redirect(self):
        self.stage("UPSTREAM_PROTOCOL", TRY_AGAIN, "HTTP 302", kind="status", status=302, body="")

    def test_success_of_another_status(self):
        for name, kind in KINDS.items():
            with self.subTest(name):
                self.standin.fault_upstream(kind="status", status=201, body=kind.success, times=1)
                self.assert_refused("UPSTREAM_PROTOCOL", TRY_AGAIN, self.mint(), name)


class Answers(Upstreams):
    """Answers that are almost a success, byte by byte as a hostile upstream sends them."""

    def serve(self, name, answer):
        server = RawServer(self.standin, lambda _: [answer, None])
        self.addCleanup(server.stop)
        self.service(name, url=server.url)

    def test_a_success_of_this_form_is_one(self):
        for name, kind in KINDS.items():
            self.serve(name, http(kind.success))
        self.node.start()
        for name, (code, answer, error) in self.all_at_once(self.mint()).items():
            self.assertEqual((code, answer and answer["token"]), (0, "secret"), f"{name}: {error}")

    def test_a_part_is_missing(self):
        for name, kind in KINDS.items():
            for part in kind.parts:
                with self.subTest(f"{name}: {part}"):
                    self.serve(name, http(kind.success.replace(part, "Other")))
                    self.node.start()
                    self.assert_refused("UPSTREAM_PROTOCOL", TRY_AGAIN, self.mint(), name)
                    self.node.stop()

    def test_two_answers(self):
        """In one body they are none. The second one of a connection belongs to nobody."""
        for name, kind in KINDS.items():
            self.serve(name, http(kind.success * 2))
        self.node.start()
        self.assert_all_refused("UPSTREAM_PROTOCOL", TRY_AGAIN, self.mint())
        self.node.stop()
        for name, kind in KINDS.items():
            self.serve(name, http(kind.success.replace("secret", "first")) + http(kind.success))
        self.node.start()
        for account in ("alice", "bob"):
            for name, (code, answer, error) in self.all_at_once(self.mint(serviceaccount=account)).items():
                self.assertEqual((code, answer and answer["token"]), (0, "first"), f"{name}: {error}")

    def test_an_untrusted_server_gets_nothing(self):
        for name in KINDS:
            self.service(name, url=self.standin.untrusted)
        self.node.start()
        self.assert_all_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.mint(), "certificate")
        self.assertEqual(self.exchanges(), 0)

    def test_nobody_listens(self):
        for name in KINDS:
            self.service(name, url="https://localhost:1")
        self.node.start()
        self.assert_all_refused("UPSTREAM_UNAVAILABLE", TRY_AGAIN, self.mint())

    def test_the_subject_token_in_an_answer_is_no_text_of_a_log(self):
        jwt = self.mint()
        for name in KINDS:
            self.serve(name, http(jwt, "400 Bad Request"))
        self.node.start()
        self.assert_all_refused("UPSTREAM_REFUSED", REFUSED, jwt)


    def test_the_clients_secret_as_it_was_sent_is_no_text_of_a_log(self):
        """Neither in a header nor in a form is it what the file holds."""
        def quote(request):
            sent = re.search(rb"Authorization: ([^\r]*)|client_secret=([^&]*)", request.head + request.body).group(0).decode()
            return [http(json.dumps({"error": "invalid_client", "error_description": f"I got <{sent}>"}), "401 Unauthorized"), None]

        server = RawServer(self.standin, quote)
        self.addCleanup(server.stop)
        for method, forms in {"client_secret_basic": ["cG9kbG9naW46", "JTIwZSUzQWMl"],
                              "client_secret_post": ["s%20e%3A", "%2Br%2F"]}.items():
            with self.subTest(method):
                self.service("dex", url=server.url, more=f"ClientAuthentication={method}")
                self.node.start()
                error = self.assert_refused("UPSTREAM_REFUSED", REFUSED, self.mint(), "dex")
                self.assertIn("I got <", error)
                for form in forms:
                    self.assertNotIn(form, error + self.node.log())
                self.node.stop()


class Explain(Upstreams):
    def test_the_request_is_shown_without_secrets(self):
        self.node.start()
        jwt = self.mint()
        for name, line in {"aws": "RoleSessionName=ci.pulumi-runner", "vault": '{"jwt":"REDACTED","role":"ci"}',
                           "dex": "connector_id=kubernetes", "entra": "client_assertion=REDACTED",
                           "pulumi": "subject_token=REDACTED"}.items():
            result = subprocess.run(
                [PODLOGINCTL, "explain", "--config", self.node.etc, "--exchanger", EXCHANGER, "--service", name,
                 "--token-file", self.node.jwt_file(jwt)], capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
            self.assertIn(line, result.stdout)
            self.assertNotIn("s e:c", result.stdout)
            self.assertNotIn(jwt.split(".")[2], result.stdout)


class Pages(Upstreams):
    """docs/upstreams.md and docs/adding-a-provider.md."""

    def test_each_service_of_the_page_is_accepted(self):
        for path in (self.node.etc / "services.d").iterdir():
            path.unlink()
        blocks = dict(re.findall(r"^```ini\n# /etc/podlogin/(services\.d/\S+)\n(.*?)^```",
                                 (SOURCE / "docs/upstreams.md").read_text(), re.M | re.S))
        self.assertEqual({re.search("Provider=(.*)", block)[1] for block in blocks.values()}, PROVIDERS)
        for name, block in blocks.items():
            self.node.write(name, block)
        result = subprocess.run([PODLOGINCTL, "check-config", self.node.etc], capture_output=True, text=True, check=False,
                                timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"{len(blocks)} services", result.stdout)
        # the files that they name are not there
        self.assertEqual(re.findall(r"\.conf:\d+: (\w+)=\S+ cannot be read", result.stderr), ["ClientSecretFile", "CAFile"])

    def test_the_table_has_the_variables_of_each_kind(self):
        rows = dict(re.findall(r"^\| [^|]+ \| `([\w-]+)` \| (.*) \|$", (SOURCE / "docs/upstreams.md").read_text(), re.M))
        self.assertEqual(set(rows), PROVIDERS)
        for kind in KINDS.values():
            self.assertLessEqual({kind.variable, *kind.others}, set(re.findall(r"`(\w+)`", rows[kind.provider])))

    @unittest.skipIf("sanitized" in str(BUILD), "the program would need the sanitizer's runtime")
    def test_the_worked_example_works(self):
        """The provider of the page is built beside the others, and logs in."""
        page = (SOURCE / "docs/adding-a-provider.md").read_text()
        line = re.search(r'^    (X\("example", example\))$', page, re.M)[1]
        settings, exchange = re.findall(r"^```c\n(.*?)^```", page, re.M | re.S)
        work = self.node.directory / "source"
        (work / "provider").mkdir(parents=True)
        table = (SOURCE / "daemon/provider/providers.h").read_text()
        (work / "provider/providers.h").write_text(table.replace("#define PROVIDERS(X)", f"#define PROVIDERS(X) {line}", 1))
        for name in ("provider.c", "exchange.c"):  # with the table above
            shutil.copy(SOURCE / "daemon/provider" / name, work)
        (work / "example.c").write_text(settings)
        (work / "example_exchange.c").write_text(exchange)
        (work / "main.c").write_text(EXAMPLE)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "jansson", "libsystemd", "libcrypto", "expat"],
                               capture_output=True, text=True, check=True).stdout.split()
        archives = [BUILD / "daemon/libpodlogin-provider-exchange.a", BUILD / "daemon/libpodlogin-daemon.a",
                    *BUILD.glob("text/*.a"), *BUILD.glob("protocol/*.a")]
        built = subprocess.run(
            ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror",
             f"-I{work}", f"-I{SOURCE / 'daemon'}", f"-I{SOURCE}", *work.glob("*.c"), "-o", work / "example",
             "-Wl,--start-group", *archives, "-Wl,--end-group", *flags], capture_output=True, text=True, check=False)
        self.assertEqual(built.returncode, 0, built.stderr)
        result = subprocess.run([work / "example"], capture_output=True, text=True, check=False)
        self.assertEqual(result.stdout.splitlines(), [
            "example, pulumi, aws-sts, vault, rfc8693, azure, exec",
            'POST https://login.example.com/v2/login {"project":"ci","assertion":"a.b.c"}',
            "outcome 0: , EXAMPLE_SESSION=s-1 EXAMPLE_URL=https://login.example.com/v2/login, 900 s",
            "outcome 1: HTTP 403: not today, 0 s", "outcome 5: the answer has no valid session, 0 s"])


class Settings(Upstreams):
    def check(self):
        return subprocess.run([PODLOGINCTL, "check-config", self.node.etc], capture_output=True, text=True, check=False,
                              timeout=60)

    def test_a_session_of_a_pod_is_not_shared(self):
        path = self.node.etc / "services.d/aws.conf"
        path.write_text(path.read_text().replace("Region=", "SessionName=%p\nRegion="))
        result = self.check()
        self.assertEqual(result.returncode, 78)
        self.assertIn("aws.conf:9: SessionName= with %p requires Share=pod", result.stderr + result.stdout)
        path.write_text(path.read_text().replace("Share=serviceaccount", "Share=pod"))
        self.assertEqual(self.check().returncode, 0)

    def test_a_secret_that_others_can_read(self):
        (self.node.directory / "secret").chmod(0o644)
        result = self.check()
        self.assertEqual(result.returncode, 0)
        self.assertIn("ClientSecretFile=", result.stdout + result.stderr)
        self.assertIn("can be read by others (mode 0644); remove this with chmod o-r", result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
