"""podloginctl issuer: Pulumi Cloud's half of the set-up, from the files of the services."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
import unittest
import urllib.parse
import urllib.request

from node import AUDIENCE, PODLOGINCTL, STANDIN, NodeCase, Standin, wait_for

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
SEED_URL = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
NAMESPACE, ACCOUNT, POD, NODE = ('"kubernetes.io".namespace', '"kubernetes.io".serviceaccount.name',
                                 '"kubernetes.io".pod.name', '"kubernetes.io".node.name')
RULES = f"""[Allow "ci runners"]
{NAMESPACE}=ci
{ACCOUNT}=pulumi-runner

[Deny "debug pods"]
{POD}=debug-*
"""
ONLY_ALLOW = RULES.partition("[Deny")[0]
ALLOW = {"decision": "allow", "tokenType": "personal", "userLogin": "ci-bot", "authorizedPermissions": [],
         "rules": {"aud": AUDIENCE, NAMESPACE: "ci", ACCOUNT: "pulumi-runner"}}
DENY = {"decision": "deny", "tokenType": "personal", "userLogin": "ci-bot", "authorizedPermissions": [],
        "rules": {POD: "debug-*"}}


def policy(base=ALLOW, rules=None, **changes):
    """A policy with other members; None removes one."""
    merged = {**base, **({} if rules is None else {"rules": rules}), **changes}
    return {name: value for name, value in merged.items() if value is not None}


def rules(**changes):
    """The rules of ALLOW with others: namespace, account, pod, node, sub, aud. None removes one."""
    names = {"namespace": NAMESPACE, "account": ACCOUNT, "pod": POD, "node": NODE}
    merged = {**ALLOW["rules"], **{names.get(name, name): value for name, value in changes.items()}}
    return {name: value for name, value in merged.items() if value is not None}


class IssuerCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.standin.policies([])  # of issuers that are not registered
        self.node.service("pulumi", rules=RULES)
        self.token = self.standin.user_token()
        self.standin.reset_issuers()
        self.standin.reset_calls()

    def api(self, method, path, body=None):
        """What an administrator does by hand."""
        address = urllib.parse.urlsplit(self.standin.upstream)
        connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=20,
                                                 context=ssl.create_default_context(cafile=self.standin.ca))
        connection.request(method, "/api/orgs/acme" + path, body and json.dumps(body),
                           {"Authorization": "token " + self.token})
        answer = connection.getresponse().read()
        connection.close()
        return json.loads(answer) if answer else None

    def issuers(self):
        return self.api("GET", "/oidc/issuers")["oidcIssuers"]

    def policies(self, policies=None):
        """Returns the policies of the only issuer, or sets them."""
        issuer, = self.issuers()
        actual = self.api("GET", f"/auth/policies/oidcissuers/{issuer['id']}")
        if policies is not None:
            actual = self.api("PATCH", f"/auth/policies/{actual['id']}", {"policies": policies})
        return actual["policies"]

    def issuer(self, *arguments, token=True, **variables):
        environment = {name: value for name, value in os.environ.items() if name != "PULUMI_ACCESS_TOKEN"}
        if token:
            variables.setdefault("PULUMI_ACCESS_TOKEN", self.token)
        result = subprocess.run([PODLOGINCTL, "issuer", *arguments, "--config", self.node.etc], capture_output=True,
                                text=True, timeout=60, check=False, env={**environment, **variables},
                                stdin=subprocess.DEVNULL)
        self.assertNotIn(self.token, result.stdout + result.stderr)
        self.assertNotIn("Sanitizer", result.stderr)
        return result

    def expect(self, code, *arguments, **variables):
        result = self.issuer(*arguments, **variables)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout if code in (0, 1) else result.stderr

    def changes(self):
        """The calls since the last time that change something."""
        calls = [(call["method"], call["path"].rsplit("/", 1)[0] if call["method"] != "POST" else call["path"])
                 for call in self.standin.calls() if call["method"] != "GET"]
        self.standin.reset_calls()
        return calls


class Register(IssuerCase):
    def test_nothing_is_changed_without_yes(self):
        out = self.expect(1, "register")
        self.assertIn(f"issuer eks ({self.standin.issuer}) in organization acme\n", out)
        self.assertRegex(out, r'(?m)^\+ name +"eks"$')
        self.assertRegex(out, r"(?m)^\+ maxExpiration +7200$")
        self.assertIn("nothing was changed; with --yes, it is registered\n", out)
        self.expect(1, "show")
        self.assertEqual(self.changes(), [])

    def test_it_is_registered_once(self):
        self.node.service("long", provider="", rules=RULES)
        path = self.node.etc / "services.d/long.conf"
        path.write_text(path.read_text().replace("Expiration=2h", "Expiration=3h"))
        self.expect(0, "register", "--yes")
        issuer, = self.issuers()
        self.assertEqual((issuer["name"], issuer["url"], issuer["maxExpiration"]), ("eks", self.standin.issuer, 10800))
        self.assertEqual(len(self.changes()), 1)
        self.assertIn("registered, nothing to change", self.expect(0, "register", "--yes"))
        self.expect(0, "register")
        self.assertEqual(self.changes(), [])
        self.assertEqual(self.issuers(), [issuer])

    def test_each_setting_can_be_changed(self):
        self.expect(0, "register", "--yes", "--name", "prod")
        self.assertEqual(self.issuers()[0]["name"], "prod")
        self.expect(0, "register")  # the name stays, unless another is asked for
        out = self.expect(1, "register", "--name", "test", "--max-expiration", "1h")
        self.assertRegex(out, r'(?m)^~ name +"prod" -> "test"$')
        self.assertRegex(out, r"(?m)^~ maxExpiration +7200 -> 3600$")
        self.expect(0, "register", "--name", "test", "--max-expiration", "1h", "--yes")
        issuer, = self.issuers()
        self.assertEqual((issuer["name"], issuer["maxExpiration"]), ("test", 3600))

    def test_thumbprints(self):
        pem = pathlib.Path(self.standin.directory, "server.pem").read_text()
        pem = pem[pem.index("-----BEGIN CERTIFICATE"):pem.index("-----END CERTIFICATE-----") + 25]
        right = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        other = "ab" * 32
        error = self.expect(77, "register", "--yes", "--thumbprint", other)
        self.assertIn("HTTP 400: Calculated thumbprint [...] does not match any of the provided.", error)
        with_colons = ":".join(re.findall("..", right.upper()))
        self.expect(0, "register", "--yes", "--thumbprint", with_colons, "--thumbprint", other)
        self.assertEqual(self.issuers()[0]["thumbprints"], [right, other])
        self.changes()
        self.expect(0, "register", "--yes", "--thumbprint", other, "--thumbprint", right)
        self.expect(0, "register", "--yes")  # those that there are, are kept
        self.assertEqual(self.changes(), [])
        for wrong in ("", "ab", "x" * 64, right + "0", "sha256:" + right):
            self.expect(64, "register", "--thumbprint", wrong)
        self.expect(64, "register", *["--thumbprint", right] * 9)

    def test_removal(self):
        self.assertIn("not registered, nothing to remove", self.expect(0, "remove", "--yes"))
        self.expect(0, "register", "--yes")
        out = self.expect(1, "remove")
        self.assertIn("- deny organization\n", out)
        self.assertIn("last used never", out)
        self.assertEqual(len(self.issuers()), 1)
        self.expect(0, "remove", "--yes")
        self.assertEqual(self.issuers(), [])
        self.expect(0, "remove", "--yes")

    def test_an_organization_with_many_issuers(self):
        """Whose list is longer than what podlogind reads of any server."""
        for i in range(90):
            self.api("POST", "/oidc/issuers", {"name": f"cluster-{i}", "url": f"https://cluster-{i}.example",
                                               "thumbprints": [f"{j:064x}" for j in range(10)]})
        self.expect(0, "register", "--yes")
        self.assertGreater(len(json.dumps(self.issuers())), 70000)
        self.assertIn("\neks ", self.expect(0, "show"))

    def test_json(self):
        report = json.loads(self.expect(1, "register", "--json"))
        self.assertEqual((report["registered"], report["changed"], report["changes"]["maxExpiration"]),
                         (False, False, [None, 7200]))
        report = json.loads(self.expect(0, "register", "--json", "--yes"))
        self.assertTrue(report["changed"])
        shown = json.loads(self.expect(0, "show", "--json"))
        self.assertEqual(shown["registration"], self.issuers()[0])
        self.assertEqual(shown["policy"]["version"], 1)
        self.assertEqual(json.loads(self.expect(1, "policy", "diff", "--json"))["add"], [ALLOW, DENY])
        self.assertTrue(json.loads(self.expect(1, "remove", "--json"))["registered"])
        self.assertFalse(json.loads(self.expect(0, "remove", "--json", "--yes"))["registered"])
        self.assertIsNone(json.loads(self.expect(1, "show", "--json"))["registration"])


class PrivateCluster(IssuerCase):
    """An issuer that only the node reaches: its keys are in a file."""

    def setUp(self):
        super().setUp()
        self.private = Standin(STANDIN, str(self.node.directory / "private"))
        self.addCleanup(self.private.stop)
        self.keys = self.node.directory / "keys.json"
        self.save_keys()
        self.node.issuer("eks", url=self.private.issuer, extra=f"KeysFile={self.keys}")

    def save_keys(self):
        context = ssl.create_default_context(cafile=self.private.ca)
        with urllib.request.urlopen(self.private.issuer + "/keys", context=context, timeout=20) as answer:
            self.keys.write_bytes(answer.read())

    def test_its_keys_are_registered(self):
        kid = self.private.rotate()
        self.save_keys()
        self.assertRegex(self.expect(1, "register"), rf'(?m)^\+ jwks +\[.*"{kid}"\]$')
        self.expect(0, "register", "--yes")
        self.expect(0, "policy", "apply", "--yes")
        self.assertEqual(self.issuers()[0]["jwks"], json.loads(self.keys.read_text()))
        self.assertRegex(self.expect(0, "show"), r" 2 registered ")
        self.node.start()
        self.assert_served(self.private.mint(audience=[AUDIENCE]))
        # a key set in another order, with members that need not be registered, is the same
        keys = json.loads(self.keys.read_text())["keys"]
        self.keys.write_text(json.dumps({"keys": [{**key, "x5t": "x"} for key in reversed(keys)]}))
        self.changes()
        self.expect(0, "register", "--yes")
        self.assertEqual(self.changes(), [])
        issuer, = self.issuers()
        self.api("PATCH", f"/oidc/issuers/{issuer['id']}", {"name": "eks", "jwks": {"keys": [{**key, "x5t": "x"} for key in keys]}})
        self.changes()
        self.expect(0, "register", "--yes")
        self.assertEqual(self.changes(), [])
        # after a rotation it is another one
        self.private.rotate(keep_old=False)
        self.save_keys()
        self.expect(1, "register")
        self.expect(0, "register", "--yes")
        self.assert_served(self.private.mint(audience=[AUDIENCE], serviceaccount="pulumi-runner", pod="later"))

    def test_an_issuer_that_only_pulumi_reaches(self):
        self.expect(0, "register", "--yes", "--jwks", "none")
        self.assertNotIn("jwks", self.issuers()[0])
        self.expect(1, "register")
        self.expect(0, "register", "--jwks", "none")

    def test_keys_that_must_not_be_uploaded(self):
        keys = json.loads(self.keys.read_text())
        other = self.node.directory / "other.json"
        for change, message in (({"d": "AQAB"}, "key 1 is private"), ({"p": "AQAB"}, "key 1 is private"),
                                ({"n": base64.urlsafe_b64encode(b"\xff" * 128).decode()}, "")):
            other.write_text(json.dumps({"keys": [{**keys["keys"][0], **change}]}))
            error = self.expect(78, "register", "--yes", "--jwks", other)
            self.assertIn(f"{other}: {message}", error)
        other.write_text("no JSON")
        self.expect(78, "register", "--yes", "--jwks", other)
        self.expect(78, "register", "--yes", "--jwks", "/nonesuch")
        self.assertEqual(self.changes(), [])


class Policies(IssuerCase):
    def setUp(self):
        super().setUp()
        self.expect(0, "register", "--yes")
        self.changes()

    def test_they_say_what_the_sections_say(self):
        out = self.expect(1, "policy", "diff")
        self.assertIn('+ allow personal ci-bot    # [Allow "ci runners"] of service pulumi\n', out)
        self.assertIn(f"+     aud={AUDIENCE}\n", out)
        self.assertIn("- deny organization    # what a new issuer has: nothing is allowed\n", out)
        self.assertEqual(self.expect(1, "policy", "apply"), out)
        self.assertEqual(self.changes(), [])
        self.assertIn("applied\n", self.expect(0, "policy", "apply", "--yes"))
        self.assertEqual(self.policies(), [ALLOW, DENY])

    def test_the_second_apply_changes_nothing(self):
        self.expect(0, "policy", "apply", "--yes")
        self.assertEqual(len(self.changes()), 1)
        out = self.expect(0, "policy", "apply", "--yes")
        self.assertIn("2 as they should be, 0 to add, 0 to remove, 0 of no service here\n", out)
        self.assertNotIn("applied", out)
        self.expect(0, "policy", "diff")
        self.assertEqual(self.changes(), [])

    def test_what_they_decide(self):
        self.node.start()
        jobs = ((self.mint(), True), (self.mint(serviceaccount="other"), False), (self.mint(pod="debug-1"), False))
        for jwt, _ in jobs:
            self.assertNotEqual(self.get(jwt)[0], 0)
        self.expect(0, "policy", "apply", "--yes")
        self.node.restart()
        for jwt, is_served in jobs:
            self.assertEqual(self.get(jwt)[0], 0 if is_served else 77)
        self.assertRegex(self.expect(0, "show"), r"(?m)^eks .* 20\d\d-\d\d-\d\dT[\d:]+Z$")

    def test_a_change_made_by_hand_is_shown(self):
        self.expect(0, "policy", "apply", "--yes")
        wider = policy(rules=rules(namespace="*"))
        for by_hand, marks in (([wider, DENY], "+?"), ([ALLOW], "+"), ([ALLOW, DENY, wider], "?"),
                               ([ALLOW, policy(DENY, rules={POD: "debug"})], "+?"),
                               ([policy(userLogin="root"), DENY], "+?"), ([policy(decision="deny"), DENY], "+?"),
                               ([policy(rules=rules(aud=None)), DENY], "+?"), ([ALLOW, DENY, ALLOW], "?")):
            self.policies(by_hand)
            out = self.expect(1, "policy", "diff")
            self.assertEqual("".join(sorted(re.findall(r"(?m)^([-+?]) (?:allow|deny) ", out))), marks, out)
        self.policies([DENY, ALLOW])  # the order says nothing
        self.expect(0, "policy", "diff")

    def test_policies_of_others_are_kept(self):
        team = policy(tokenType="team", teamName="web", userLogin=None)
        self.policies([team])
        out = self.expect(0, "policy", "apply", "--yes")
        self.assertIn("? allow team web    # of no service here; kept, unless --prune is given\n", out)
        self.assertEqual(self.policies(), [team, ALLOW, DENY])
        self.changes()
        self.expect(0, "policy", "apply", "--yes")
        self.assertEqual(self.changes(), [])
        self.expect(1, "policy", "diff")
        pruned = self.expect(1, "policy", "apply", "--prune")
        self.assertIn("- allow team web    # of no service here\n", pruned)
        self.assertTrue(pruned.endswith("podloginctl issuer policy apply --prune --yes does it\n"), pruned)
        self.expect(0, "policy", "apply", "--prune", "--yes")
        self.assertEqual(self.policies(), [ALLOW, DENY])
        self.expect(0, "policy", "diff")

    def test_a_stop_by_hand_is_kept(self):
        stop = policy(DENY, rules={})
        self.policies([ALLOW, DENY, stop])
        self.expect(0, "policy", "apply", "--yes")
        self.assertIn(stop, self.policies())

    def test_rules_that_have_changed(self):
        self.expect(0, "policy", "apply", "--yes")
        self.node.service("pulumi", rules=RULES.replace("pulumi-runner", "deployer"))
        self.expect(0, "policy", "apply", "--yes")
        deployer = policy(rules=rules(account="deployer"))
        self.assertEqual(self.policies(), [ALLOW, DENY, deployer])
        self.expect(0, "policy", "apply", "--prune", "--yes")
        self.assertEqual(self.policies(), [DENY, deployer])

    def test_all_kinds_of_tokens(self):
        for name, kind, target in (("team", "TokenType=team\nTeam=core", {"teamName": "core"}),
                                   ("runner", "TokenType=runner\nRunner=r-1", {"runnerID": "r-1"}),
                                   ("organization", "TokenType=organization", {}),
                                   ("admin", "TokenType=organization\nScope=admin", {})):
            self.node.service(name, rules=RULES)
            path = self.node.etc / f"services.d/{name}.conf"
            path.write_text(path.read_text().replace("TokenType=personal\nUser=ci-bot", kind))
            self.expect(0, "policy", "apply", "--yes", "--prune")
            self.assertIn(policy(userLogin=None, tokenType=name if name != "admin" else "organization", **target,
                                 authorizedPermissions=["admin"] if name == "admin" else []), self.policies())
        self.assertEqual(len(self.policies()), 9)  # both of organization have the same [Deny]

    def test_an_empty_list_is_not_sent(self):
        self.node.service("pulumi", rules="")
        self.policies([ALLOW])
        self.assertIn("takes no empty list", self.expect(78, "policy", "apply", "--prune", "--yes"))
        self.assertEqual(self.policies(), [ALLOW])


class Choice(IssuerCase):
    """Which issuer, organization and upstream a command is about."""

    def test_one_of_several(self):
        self.node.issuer("second", url="https://second.example")
        self.node.service("second", issuer="second", rules=RULES)
        error = self.expect(78, "register")
        self.assertIn("the services have several issuers, such as eks and second; name one of them", error)
        self.assertIn("(https://second.example)", self.expect(1, "register", "second"))
        self.node.service("other", organization="other", audience="urn:pulumi:org:other", rules=RULES)
        self.assertIn("several organizations", self.expect(78, "register", "eks"))
        self.expect(1, "register", "eks", "--organization", "acme")
        self.assertIn("no service with Provider=pulumi has Issuer=nonesuch", self.expect(78, "register", "nonesuch"))
        self.assertIn("has Issuer=eks and Organization=x; ", self.expect(78, "register", "eks", "--organization", "x"))
        self.node.service("third", api_url="https://pulumi.example", rules=RULES)
        self.assertIn("different APIURL=", self.expect(78, "register", "eks", "--organization", "acme"))

    def test_usage(self):
        for arguments in ([], ["nonesuch"], ["policy"], ["print"], ["policy", "nonesuch"], ["show", "--yes"],
                          ["policy", "diff", "--yes"], ["show", "eks", "more"], ["register", "--max-expiration", "0"],
                          ["register", "--max-expiration", "8d"]):
            self.expect(64, *arguments)
        self.assertIn("regster is no action: use register, show, ", self.expect(64, "regster"))
        for arguments in (["--help"], ["register", "--help"], ["policy", "lint", "--help"]):
            self.assertIn("podloginctl issuer register", self.expect(0, *arguments))
        self.assertNotIn("--prune  ", self.expect(0, "show", "--help"))
        (self.node.etc / "issuers.d/eks.conf").write_text("[Issuer]\n")
        self.assertIn("issuers.d/eks.conf:1: ", self.expect(78, "show"))


class Faults(IssuerCase):
    def test_the_access_token(self):
        self.assertIn("--access-token-file FILE, or $PULUMI_ACCESS_TOKEN", self.expect(78, "show", token=False))
        path = self.node.directory / "admin"
        path.write_text(self.token + "\n")
        path.chmod(0o600)
        self.expect(1, "show", "--access-token-file", path, token=False)
        self.expect(1, "show", "--access-token-file", path, PULUMI_ACCESS_TOKEN="pul-wrong")
        self.assertEqual(self.issuer("show", "--access-token-file", path, token=False).stderr, "")
        path.chmod(0o644)
        self.assertIn(f"warning: {path} can be read by others (mode 0644); remove this with chmod o-r",
                      self.issuer("show", "--access-token-file", path, token=False).stderr)
        for wrong in ("", "\n", "x" * 17000):
            path.write_text(wrong)
            self.expect(78, "show", "--access-token-file", path, token=False)
        self.expect(78, "show", "--access-token-file", "/nonesuch", token=False)
        self.expect(78, "show", PULUMI_ACCESS_TOKEN="")
        for wrong in ("a\nX-Injected: b", "ä"):
            self.assertIn("the access token has characters", self.expect(78, "show", PULUMI_ACCESS_TOKEN=wrong))
        self.expect(1, "show", PULUMI_ACCESS_TOKEN=self.token + "\n")
        self.assertEqual({call["token"] for call in self.standin.calls()}, {self.token})

    def test_where_the_access_token_is_not(self):
        """Neither in the arguments nor in the environment that others of the same user can read."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to read the environment of a process that is not dumpable")
        self.standin.fault_upstream(kind="hang")
        show = subprocess.Popen([PODLOGINCTL, "issuer", "show", "--config", self.node.etc],
                                env={**os.environ, "PULUMI_ACCESS_TOKEN": self.token},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            wait_for(lambda: self.standin.counts()["upstream_connections"] > 0, what="the call")
            for name in ("cmdline", "environ"):
                text = pathlib.Path(f"/proc/{show.pid}/{name}").read_bytes()
                self.assertTrue(text)
                self.assertNotIn(self.token.encode(), text)
        finally:
            show.kill()
            show.communicate()

    def test_answers_without_success(self):
        member = self.standin.user_token(admin=False)
        self.assertIn("HTTP 403: Forbidden: you are not an administrator of the organization (the access token must be "
                      "that of an administrator of acme)", self.expect(77, "register", "--yes", PULUMI_ACCESS_TOKEN=member))
        self.assertIn("HTTP 401: ", self.expect(77, "show", PULUMI_ACCESS_TOKEN="pul-unknown"))
        other = self.standin.user_token("other")
        self.assertIn("or the access token is not of organization acme", self.expect(77, "show", PULUMI_ACCESS_TOKEN=other))
        for fault, code in (({"kind": "status", "status": 429}, 75), ({"kind": "status", "status": 500}, 75),
                            ({"kind": "garbage"}, 75), ({"kind": "html"}, 75), ({"kind": "empty"}, 75),
                            ({"kind": "huge"}, 75), ({"kind": "reset"}, 69), ({"kind": "hang"}, 69),
                            ({"kind": "status", "status": 307}, 77)):
            self.standin.fault_upstream(**fault)
            error = self.expect(code, "show")
            self.assertTrue(error.startswith(f"podloginctl issuer: GET {self.standin.upstream}/api/orgs/acme/"), error)
            self.assertEqual(error.count("\n"), 1)

    def test_a_server_that_quotes_the_token(self):
        self.standin.fault_upstream(kind="status", status=400, body=json.dumps(
            {"code": 400, "message": f"what is {self.token[:30]}\u001b[31m and {self.token}?"}))
        self.assertIn("what is [...]", self.expect(77, "show"))  # issuer() looks for the whole

    def test_ids_that_would_lead_elsewhere(self):
        for issuer_id, policy_id in (("../x", "1"), ("1", "../../x"), ("1", "a/b"), ("1", ""), ("1", None), ("1", 7)):
            listed = {"oidcIssuers": [{"id": issuer_id, "url": self.standin.issuer, "name": "eks"}], "policies": [],
                      "id": policy_id}
            self.standin.fault_upstream(kind="status", status=200, body=json.dumps(listed))
            self.assertIn("has no id that is one", self.expect(70, "policy", "apply", "--yes"))
        self.standin.fault_upstream()
        self.assertEqual(self.standin.calls(), [])

    def test_only_https_of_the_right_server(self):
        self.node.service("pulumi", api_url=self.standin.untrusted, rules=RULES)
        self.expect(77, "show")
        self.node.service("pulumi", api_url="https://localhost:1", rules=RULES)
        self.expect(69, "show")
        self.assertEqual(self.standin.calls(), [])

    def test_a_list_that_is_not_taken_over(self):
        """Between the reading and the change, another administrator removes the issuer."""
        self.expect(0, "register", "--yes")
        issuer, = self.issuers()
        self.standin.fault_upstream(kind="none", latency_ms=700)
        apply = subprocess.Popen([PODLOGINCTL, "issuer", "policy", "apply", "--yes", "--config", self.node.etc],
                                 env={**os.environ, "PULUMI_ACCESS_TOKEN": self.token}, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not any(call["path"].startswith("/api/orgs/acme/auth") for call in self.standin.calls()):
            self.assertIsNone(apply.poll())
        self.standin.fault_upstream()
        self.api("DELETE", f"/oidc/issuers/{issuer['id']}")
        _, error = apply.communicate(timeout=60)
        if apply.returncode:  # the change has come later
            self.assertEqual(apply.returncode, 77)
            self.assertIn("HTTP 404: Not Found: auth policy not found", error)


# Each: what is staged, and the finding that names it. Policies are those of the issuer; service is its file.
UNSOUND = [
    ("no rules", [policy(rules={})], {}, "error", "no-rules"),
    ("no audience", [policy(rules=rules(aud=None)), DENY], {}, "error", "audience"),
    ("an audience with wildcards", [policy(rules=rules(aud="urn:pulumi:org:*")), DENY], {}, "warning", "audience-pattern"),
    ("another audience", [policy(rules=rules(aud="urn:pulumi:org:other")), DENY], {}, "error", "refused"),
    ("an audience in a deny", [ALLOW, policy(DENY, rules={**DENY["rules"], "aud": AUDIENCE})], {}, "warning", "audience-deny"),
    ("no subject", [policy(rules={"aud": AUDIENCE}), DENY], {}, "error", "subject"),
    ("any namespace", [policy(rules=rules(namespace="*")), DENY], {}, "error", "subject"),
    ("an account of any namespace", [policy(rules=rules(namespace=None)), DENY], {}, "error", "subject"),
    ("a subject of any namespace", [policy(rules={"aud": AUDIENCE, "sub": "system:serviceaccount:*:pulumi-runner"}), DENY],
     {}, "error", "subject"),
    ("a subject of anything", [policy(rules={"aud": AUDIENCE, "sub": "system:serviceaccount:*"}), DENY], {}, "error", "subject"),
    ("a namespace without an account", [policy(rules=rules(account=None)), DENY], {}, "warning", "subject"),
    ("a dot in a name", [policy(rules=rules(account="pulumi.runner")), DENY],
     {"rules": RULES.replace("pulumi-runner", "pulumi.runner")}, "warning", "dot"),
    ("a dot in a node's name", [policy(rules=rules(node="ip-10.internal")), DENY],
     {"rules": RULES.replace("[Deny", f"{NODE}=ip-10.internal\n[Deny")}, "warning", "dot"),
    ("administrators' tokens", [policy(userLogin=None, tokenType="organization", authorizedPermissions=["admin"]), ALLOW, DENY],
     {}, "warning", "admin"),
    ("no administrators' tokens, which are asked for", [policy(userLogin=None, tokenType="organization")],
     {"token": "TokenType=organization\nScope=admin", "rules": ONLY_ALLOW}, "error", "refused"),
    ("tokens of anyone", [policy(userLogin="*"), DENY], {}, "warning", "target"),
    ("a deny of another type", [ALLOW, DENY, policy(DENY, tokenType="organization", userLogin=None)], {}, "warning", "deny-unused"),
    ("a deny of another user", [ALLOW, DENY, policy(DENY, userLogin="someone")], {}, "warning", "deny-unused"),
    ("a claim without quotes", [ALLOW, DENY, policy(DENY, rules={"kubernetes.io.namespace": "prod"})], {}, "error", "claim"),
    ("a claim that does not exist", [ALLOW, DENY, policy(DENY, rules={'"kubernetes.io".pod.labels.debug': "true"})],
     {}, "error", "claim"),
    ("a value that does not exist", [ALLOW, policy(DENY, rules={POD: "Debug-*"})], {}, "error", "claim"),
    ("a claim of other issuers", [ALLOW, DENY, policy(rules={**ALLOW["rules"], "groups": "x"})], {}, "warning", "claim"),
    ("a pod that the file does not demand", [policy(rules=rules(pod="job-*")), DENY], {}, "error", "share"),
    ("a node that the file does not demand", [policy(rules=rules(node="worker-*")), DENY], {}, "error", "share"),
    ("a pod of some accounts, beside another account", [policy(rules=rules(account="other")),
                                                         policy(rules=rules(account="pulumi-a", pod="job-*"))],
     {"rules": ONLY_ALLOW.replace("pulumi-runner", "pulumi-*")}, "error", "share"),
    ("some accounts of a token that is not shared", [policy(rules=rules(account="pulumi-a", pod="job-*"))],
     {"rules": ONLY_ALLOW.replace("pulumi-runner", "pulumi-*"), "share": "pod"}, "error", "refused"),
    ("a deny of pods that the file lacks", [ALLOW, DENY, policy(DENY, rules={POD: "test-*"})], {}, "error", "share"),
    ("a deny of accounts that the file lacks",
     [policy(rules=rules(account="pulumi-*")), DENY, policy(DENY, rules={ACCOUNT: "pulumi-a"})],
     {"rules": RULES.replace("pulumi-runner", "pulumi-*")}, "warning", "deny-missing"),
    ("a deny of more accounts than the file admits", [ALLOW, DENY, policy(DENY, rules={ACCOUNT: "pulumi-*"})], {}, "error",
     "deny-all"),
    ("a deny of everything", [ALLOW, DENY, policy(DENY, rules={})], {}, "error", "deny-all"),
    ("a deny of all that the file admits", [ALLOW, DENY, policy(DENY, rules={ACCOUNT: "pulumi-runner"})], {}, "error", "deny-all"),
    ("an allow and a deny alike", [ALLOW, DENY, policy(ALLOW, decision="deny")], {}, "error", "deny-all"),
    ("an account that is not allowed", [policy(rules=rules(account="other")), DENY], {}, "error", "refused"),
    ("less than the file admits", [ALLOW, DENY], {"rules": RULES.replace("pulumi-runner", "pulumi-*")}, "error", "refused"),
    ("tokens of another type", [policy(tokenType="team", teamName="core", userLogin=None), DENY], {}, "error", "refused"),
    ("nothing", [policy(DENY, tokenType="organization", userLogin=None, rules={})], {}, "error", "refused"),
    ("more than the file admits", [ALLOW, DENY, policy(rules=rules(account="pulumi-*"))], {}, "warning", "wider"),
    ("a deny that only the file has", [ALLOW], {}, "warning", "deny-local"),
    ("a kind of tokens that nobody knows", [ALLOW, DENY, policy(tokenType="robot")], {}, "error", "unknown"),
]

TEAM = {"tokenType": "team", "teamName": "core", "userLogin": None}
SOUND = [
    ("what apply makes", [ALLOW, DENY], {}),
    ("in another order", [DENY, ALLOW], {}),
    ("without a deny", [ALLOW], {"rules": ONLY_ALLOW}),
    ("a subject instead of namespace and account", [policy(rules={"aud": AUDIENCE, "sub": "system:serviceaccount:ci:pulumi-runner"}), DENY], {}),
    ("a subject in the file", [ALLOW], {"rules": '[Allow]\nsub=system:serviceaccount:ci:pulumi-runner\n'}),
    ("both", [policy(rules=rules(sub="system:serviceaccount:ci:pulumi-runner")), DENY], {}),
    ("any account, explicitly", [policy(rules=rules(account="*"))], {"rules": f"[Allow]\n{NAMESPACE}=ci\n{ACCOUNT}=*\n"}),
    ("any account, as the file says", [policy(rules=rules(account="*"))], {"rules": f"[Allow]\n{NAMESPACE}=ci\n"}),
    ("any account of a subject", [policy(rules={"aud": AUDIENCE, "sub": "system:serviceaccount:ci:*"})],
     {"rules": f"[Allow]\n{NAMESPACE}=ci\n"}),
    ("accounts with a prefix", [policy(rules=rules(account="pulumi-*"))],
     {"rules": ONLY_ALLOW.replace("pulumi-runner", "pulumi-*")}),
    ("pods that the file demands", [policy(rules=rules(pod="job-*"))],
     {"rules": ONLY_ALLOW + f"{POD}=job-*\n"}),
    ("fewer pods than the policy allows", [policy(rules=rules(pod="job-*")), policy(rules=rules(pod="job-a*"))],
     {"rules": ONLY_ALLOW + f"{POD}=job-a*\n\n[Allow \"all\"]\n{ONLY_ALLOW.partition(chr(10))[2]}{POD}=job-*\n"}),
    ("a node that the file demands", [policy(rules=rules(node="worker-?"))], {"rules": ONLY_ALLOW + f"{NODE}=worker-?\n"}),
    ("a pod of a token that is not shared", [policy(rules=rules(pod="job-*")), DENY], {"share": "pod"}),
    ("the issuer, too", [policy(rules=rules(iss="ISSUER")), DENY], {}),
    ("a deny of another namespace", [ALLOW, DENY, policy(DENY, rules={NAMESPACE: "prod"})], {}),
    ("a deny of fewer pods than the file's", [ALLOW, DENY, policy(DENY, rules={POD: "debug-a*"})], {}),
    ("a deny of another account", [ALLOW, DENY, policy(DENY, rules={"sub": "system:serviceaccount:ci:other"})], {}),
    ("a team", [policy(**TEAM), policy(DENY, **TEAM)], {"token": "TokenType=team\nTeam=core"}),
    ("an organization", [policy(tokenType="organization", userLogin=None)],
     {"token": "TokenType=organization", "rules": ONLY_ALLOW}),
    ("administrators' tokens that are asked for", [policy(tokenType="organization", userLogin=None, authorizedPermissions=["admin"])],
     {"token": "TokenType=organization\nScope=admin", "rules": ONLY_ALLOW}),
    ("a policy of other tokens beside them", [ALLOW, DENY, policy(**TEAM)], {}),
    ("two sections", [ALLOW, policy(rules=rules(account="deployer"))],
     {"rules": ONLY_ALLOW + f'[Allow "second"]\n{NAMESPACE}=ci\n{ACCOUNT}=deployer\n'}),
]


class Lint(IssuerCase):
    def stage(self, service):
        service = dict(service)
        token = service.pop("token", None)
        self.node.service("pulumi", **{"rules": RULES, **service})
        if token:
            path = self.node.etc / "services.d/pulumi.conf"
            path.write_text(path.read_text().replace("TokenType=personal\nUser=ci-bot", token))

    def lint(self, policies, service):
        """Lints policies of a file. Returns (exit code, findings that demand something, services)."""
        self.stage(service)
        path = self.node.directory / "policies.json"
        path.write_text(json.dumps({"policies": policies}))
        result = self.issuer("policy", "lint", "--policies", path, "--json", token=False)
        report = json.loads(result.stdout)
        return (result.returncode, [(each["level"], each["name"]) for each in report["findings"] if each["level"] != "note"],
                report["services"])

    def test_unsound_policies_are_found(self):
        self.assertGreaterEqual(len(UNSOUND), 20)
        for what, policies, service, level, name in UNSOUND:
            with self.subTest(what):
                code, findings, _ = self.lint(policies, service)
                self.assertEqual(code, 1)
                self.assertIn((level, name), findings)

    def test_sound_policies_pass_and_are_applied(self):
        self.assertGreaterEqual(len(SOUND), 20)
        self.expect(0, "register", "--yes")
        for what, policies, service in SOUND:
            policies = json.loads(json.dumps(policies).replace("ISSUER", self.standin.issuer))
            with self.subTest(what):
                self.assertEqual(self.lint(policies, service)[:2], (0, []))
                # the same of the policies that there are, and the stand-in allows what the file admits
                self.policies(policies)
                self.expect(0, "policy", "lint")
                self.node.start()
                self.assert_served(self.mint(pod="job-abc", node="worker-1"))
                self.node.stop()

    def test_what_it_says_of_each_service(self):
        _, _, (service,) = self.lint([policy(rules=rules(pod="job-*")), DENY], {})
        self.assertEqual(service, {"service": "pulumi", "token": "personal ci-bot", "claims": ["aud", NAMESPACE, ACCOUNT, POD],
                                   "share": "serviceaccount", "is_sharing_sound": False})
        _, _, (service,) = self.lint([ALLOW, DENY], {})
        self.assertTrue(service["is_sharing_sound"])
        _, _, (service,) = self.lint([policy(rules=rules(pod="job-*")), DENY], {"share": "pod"})
        self.assertEqual((service["share"], service["is_sharing_sound"]), ("pod", True))

    def test_sharing_that_is_unsound_serves_what_the_upstream_would_refuse(self):
        """Why it is an error: the second pod gets the token of the first."""
        self.expect(0, "register", "--yes")
        self.policies([policy(rules=rules(pod="job-*"))])
        self.node.service("pulumi", rules=ONLY_ALLOW)
        self.expect(1, "policy", "lint")
        self.node.start()
        self.assert_served(self.mint(pod="job-1"))
        self.assert_served(self.mint(pod="other"))
        self.assertEqual(self.exchanges(), 1)
        self.node.service("pulumi", rules=ONLY_ALLOW, share="pod")
        self.expect(0, "policy", "lint")
        self.node.restart()
        self.assert_refused("UPSTREAM_REFUSED", 77, self.mint(pod="other"))

    def test_of_the_registration(self):
        self.assertIn("is not registered", self.issuer("policy", "lint").stderr)
        self.expect(1, "policy", "lint")
        self.expect(0, "register", "--yes", "--max-expiration", "1h")
        self.policies([ALLOW, DENY])
        out = self.expect(1, "policy", "lint")
        self.assertIn("warning: service pulumi: tokens expire after 3600 s, the maximum of the issuer, and not after "
                      "Expiration=, 7200 s [max-expiration]\n", out)
        self.expect(0, "register", "--yes")
        self.expect(0, "policy", "lint")

    def test_a_table_for_people(self):
        self.expect(0, "register", "--yes")
        self.policies([policy(rules=rules(pod="job-*")), policy(DENY, rules={POD: "x\u001b[31m"})])
        out = self.expect(1, "policy", "lint")
        self.assertIn("service pulumi: personal ci-bot tokens\n", out)
        self.assertIn("  sharing  Share=serviceaccount is not sound\n", out)
        self.assertIn('error: policy 1 (allow personal ci-bot), service pulumi: [Allow "ci runners"] lacks '
                      f'{POD}=job-*, so a token that one pod gets is given to pods that would be refused: ', out)
        self.assertNotIn("\x1b", out)

    def test_files(self):
        path = self.node.directory / "policies.json"
        for text, code in ((json.dumps([ALLOW, DENY]), 0), (json.dumps({"policies": [ALLOW, DENY]}), 0), ("{", 78), ("{}", 78),
                           ("1", 78), ('{"policies":{}}', 78), ("x" * 70000, 78)):
            path.write_text(text)
            self.expect(code, "policy", "lint", "--policies", path, token=False)
        self.expect(78, "policy", "lint", "--policies", "/nonesuch", token=False)


class Print(IssuerCase):
    def setUp(self):
        super().setUp()
        self.node.issuer("eks", url=SEED_URL)

    def test_the_trust_policy_of_iam(self):
        document = json.loads(self.expect(0, "print", "iam", "--account", "123456789012", token=False))
        provider = SEED_URL.removeprefix("https://")
        self.assertEqual(document, {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{provider}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{provider}:sub": "system:serviceaccount:ci:pulumi-runner",
                                           f"{provider}:aud": "sts.amazonaws.com"}}}]})
        for region, partition in (("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")):
            self.node.issuer("eks", url=SEED_URL.replace("us-west-2", region))
            self.assertIn(f'"arn:{partition}:iam::', self.expect(0, "print", "iam", "--account", "123456789012"))

    def test_the_service_account(self):
        out = self.expect(0, "print", "serviceaccount", "--account", "123456789012", "--role", "pulumi", token=False)
        self.assertEqual(out, 'apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: "pulumi-runner"\n  namespace: "ci"\n'
                              '  annotations:\n    eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/pulumi"\n')
        self.assertIn('"default"', self.expect(0, "print", "serviceaccount", "--account", "123456789012", "--role", "pulumi",
                                               "--serviceaccount", "default/x"))

    def aws(self, name, role="arn:aws-cn:iam::210987654321:role/teams/ci", audience="urn:aws"):
        self.node.write(f"services.d/{name}.conf", f"[Service]\nProvider=aws-sts\nIssuer=eks\nAudience={audience}\n\n"
                        f"[AWS]\nRoleARN={role}\nRegion=cn-north-1\n\n{RULES}")

    def test_the_role_of_a_service(self):
        """With Provider=aws-sts, the role is in its file, and its own audience is that of the tokens."""
        self.aws("aws")
        statement, = json.loads(self.expect(0, "print", "iam", token=False))["Statement"]
        provider = SEED_URL.removeprefix("https://")
        self.assertEqual(statement["Principal"], {"Federated": f"arn:aws-cn:iam::210987654321:oidc-provider/{provider}"})
        self.assertEqual(statement["Condition"]["StringEquals"][f"{provider}:aud"], "urn:aws")
        self.assertIn('"arn:aws-cn:iam::210987654321:role/teams/ci"', self.expect(0, "print", "serviceaccount", token=False))
        # another role than that of the service
        out = self.expect(0, "print", "serviceaccount", "--account", "123456789012", "--role", "x")
        self.assertIn('"arn:aws:iam::123456789012:role/x"', out)
        self.expect(64, "print", "serviceaccount", "--role", "x")
        self.aws("second", role="arn:aws:iam::210987654321:role/deploy")
        self.assertIn("roles teams/ci and deploy", self.expect(64, "print", "iam"))
        self.assertIn('"arn:aws:iam::210987654321:role/deploy"', self.expect(0, "print", "serviceaccount", "--role", "deploy"))
        self.aws("second", audience="urn:other")
        self.expect(64, "print", "iam")

    def test_the_trust_policy_that_a_page_shows(self):
        page = (SOURCE / "docs/upstreams.md").read_text()
        service = re.search(r"```ini\n(# /etc/podlogin/services.d/\w+.conf\n\[Service\]\nProvider=aws-sts.*?)```", page, re.S)[1]
        policy_of_page = re.search(r'```json\n(\{\n  "Version": "2012-10-17".*?)```', page, re.S)[1]
        self.node.write("services.d/aws.conf", service)
        (self.node.etc / "services.d/pulumi.conf").unlink()
        self.assertEqual(json.loads(self.expect(0, "print", "iam", token=False)), json.loads(policy_of_page))

    def test_without_a_service_of_pulumi(self):
        self.aws("aws")
        (self.node.etc / "services.d/pulumi.conf").unlink()
        self.expect(0, "print", "iam", token=False)
        self.expect(78, "print", "pulumi")
        self.assertIn("there is no issuers.d/nonesuch.conf", self.expect(78, "print", "iam", "nonesuch"))
        self.node.issuer("second", url="https://second.example")
        self.assertIn("name one of the issuers", self.expect(78, "print", "iam"))
        self.expect(0, "print", "iam", "eks")

    def test_which_service_account(self):
        def fails(*more):
            return self.expect(64, "print", "iam", "--account", "123456789012", *more)
        for wrong in ("x", "/x", "x/", "a/b/c", 'a/b"', "a b/c"):
            self.assertIn("--serviceaccount NS/NAME", fails("--serviceaccount", wrong))
        self.node.service("pulumi", rules=ONLY_ALLOW + f"[Allow]\n{NAMESPACE}=ci\n{ACCOUNT}=other\n")
        self.assertIn("name ci/pulumi-runner and ci/other", fails())
        self.node.service("pulumi", rules=RULES.replace("pulumi-runner", "pulumi-*"))
        self.assertIn("no [Allow] section names one", fails())
        self.node.service("pulumi", rules="[Allow]\nsub=system:serviceaccount:prod:deployer\n")
        self.assertIn('"system:serviceaccount:prod:deployer"', self.expect(0, "print", "iam", "--account", "123456789012"))
        for wrong in ([], ["--account", "12345678901"], ["--account", "12345678901x"]):
            self.expect(64, "print", "iam", *wrong)
            self.expect(64, "print", "serviceaccount", "--role", "x", *wrong)
        for wrong in ([], ["--role", ""], ["--role", 'a"b']):
            self.expect(64, "print", "serviceaccount", "--account", "123456789012", *wrong)

    def test_the_line_that_asks_eks(self):
        def ask(*arguments):
            return subprocess.run([PODLOGINCTL, "issuer", "print", "eks", *arguments], capture_output=True, text=True,
                                  check=False)
        self.assertEqual(ask("--cluster", "prod").stdout,
                         'aws eks describe-cluster --name prod --query "cluster.identity.oidc.issuer" --output text\n')
        for wrong in ([], ["--cluster", "$(x)"], ["--cluster", "a b"], ["--config", "/etc", "--cluster", "prod"]):
            self.assertEqual(ask(*wrong).returncode, 64)

    def test_the_program_of_pulumi(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("needs Python's yaml")
        out = self.expect(0, "print", "pulumi", "--name", "on", "--thumbprint", "ab" * 32, token=False)
        program = yaml.safe_load(out)
        self.assertEqual(program["runtime"], "yaml")
        self.assertEqual(program["resources"]["issuer"], {"type": "pulumiservice:index:OidcIssuer", "properties": {
            "organization": "acme", "name": "on", "url": SEED_URL, "maxExpirationSeconds": 7200, "thumbprints": ["ab" * 32],
            "policies": [{name: value for name, value in each.items() if name != "authorizedPermissions"}
                         for each in (ALLOW, DENY)]}})
        self.node.service("pulumi", rules="")
        self.assertEqual(yaml.safe_load(self.expect(0, "print", "pulumi"))["resources"]["issuer"]["properties"]["policies"], [])


if __name__ == "__main__":
    unittest.main()
