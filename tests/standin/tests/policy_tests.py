"""Authorization policies, by tables against the running stand-in."""

import time

from case import Case, StandinError


ADMIN = ["admin"]


def allow(kind, rules, target=None, permissions=(), decision="allow"):
    policy = {"decision": decision, "tokenType": kind, "rules": rules}
    policy["authorizedPermissions"] = list(permissions)
    if target is not None:
        policy[{"team": "teamName", "personal": "userLogin", "runner": "runnerID"}[kind]] = target
    return policy


class PolicyTest(Case):
    def check(self, rows, token):
        for policies, kind, scope, expected in rows:
            with self.subTest(policies=policies, kind=kind, scope=scope):
                self.standin.policies(policies)
                self.assertEqual(self.standin.policies(), policies)
                got = self.exchange(token, kind, scope)
                self.assertEqual(got[0], 200 if expected else 403, got)
                if not expected:
                    self.assertEqual(got[1]["error"], "access_denied")

    def test_type_target_and_decision(self):
        sub = {"sub": "system:serviceaccount:ci:pulumi-runner"}
        org = allow("organization", {})
        team = allow("team", sub, "core")
        self.check(
            [
                ([], "organization", "", False),
                ([org], "organization", "", True),
                ([org], "organization", "admin", False),
                ([allow("organization", {}, None, ADMIN)], "organization", "admin", True),
                ([allow("organization", {}, None, ["standard"])], "organization", "admin", False),
                ([org], "team", "team:core", False),
                ([team], "team", "team:core", True),
                ([team], "team", "team:cor", False),
                ([team], "team", "team:core2", False),
                ([team], "organization", "", False),
                ([allow("team", {}, "c*")], "team", "team:core", True),
                ([allow("team", {}, "*")], "team", "team:anything", True),
                ([allow("team", {})], "team", "team:core", False),
                ([allow("runner", {}, "r-1")], "runner", "runner:r-1", True),
                ([allow("personal", {}, "ci-bot")], "personal", "user:ci-bot", True),
                ([allow("personal", {}, "ci-bot")], "personal", "user:root", False),
                ([org, allow("organization", sub, decision="deny")], "organization", "", False),
                ([allow("organization", sub, decision="deny"), org], "organization", "", False),
                ([org, allow("organization", {"sub": "x"}, decision="deny")],
                 "organization", "", True),
                ([team, allow("team", {}, "web", decision="deny")], "team", "team:core", True),
                ([team, allow("team", {}, "*", decision="deny")], "team", "team:core", False),
                ([allow("organization", {}, None, ADMIN, decision="deny"),
                  allow("organization", {}, None, ADMIN)], "organization", "admin", False),
            ],
            self.standin.mint(),
        )

    def test_claims_paths_and_wildcards(self):
        token = self.standin.mint(
            audience=["urn:pulumi:org:acme", "second"],
            pod="job-7",
            claims={"n": 7, "yes": True, "nested": {"a.b": {"c": "é!"}}, "o": {}, "e": ""},
        )
        rows = [
            ({"aud": "urn:pulumi:org:acme"}, True),
            ({"aud": "second"}, True),
            ({"aud": "urn:pulumi:org:acmesecond"}, False),
            ({"aud": "third"}, False),
            ({'"kubernetes.io".namespace': "ci"}, True),
            ({'"kubernetes.io".pod.name': "job-?"}, True),
            ({'"kubernetes.io".pod.name': "job-7?"}, True),
            ({'"kubernetes.io".pod.name': "job-."}, True),
            ({'"kubernetes.io".pod.name': "job-7."}, False),
            ({'"kubernetes.io".pod.name': "job-??.?"}, True),
            ({'"kubernetes.io".pod.name': "*b-*"}, True),
            ({'"kubernetes.io".pod.name': "job"}, False),
            ({'"kubernetes.io".pod.name': "JOB-7"}, False),
            ({'"kubernetes.io".pod': "*"}, False),
            ({"kubernetes.io.namespace": "ci"}, False),
            ({'"kubernetes.io".serviceaccount.name': "pulumi-runner", "aud": "second"}, True),
            ({'"kubernetes.io".serviceaccount.name': "pulumi-runner", "aud": "x"}, False),
            ({"sub": "system:serviceaccount:ci:*"}, True),
            ({"sub": "system:serviceaccount:*:*r"}, True),
            ({"sub": "system:serviceaccount:c:*"}, False),
            ({"n": "7"}, True),
            ({"n": "8"}, False),
            ({"yes": "true"}, True),
            ({'nested."a.b".c': ".!"}, True),
            ({'nested."a.b".c': "é."}, True),
            ({'nested."a.b".c': "..."}, False),
            ({'nested."a.b".c': "è!"}, False),
            ({"o": "*"}, False),
            ({"e": ""}, True),
            ({"e": "*?*"}, True),
            ({"e": "."}, False),
            ({"missing": "*"}, False),
            ({"missing.deeper": "*"}, False),
            ({"sub.deeper": "*"}, False),
        ]
        self.check(
            [([allow("organization", rules)], "organization", "", ok) for rules, ok in rows], token
        )

    def test_wildcards_do_not_explode(self):
        token = self.standin.mint(claims={"long": "a" * 3000})
        self.standin.policies([allow("organization", {"long": "*a?." * 500 + "b"})])
        begun = time.monotonic()
        self.assert_refused(self.exchange(token, "organization", ""), 403, "access_denied")
        self.assertLess(time.monotonic() - begun, 2)

    def test_malformed_policies_are_refused(self):
        good = allow("organization", {})
        rows = [
            {"policies": {}},
            {"policies": [1]},
            {"policies": [{**good, "decision": "maybe"}]},
            {"policies": [{**good, "tokenType": "robot"}]},
            {"policies": [{**good, "rules": {"a": 1}}]},
            {"policies": [{**good, "rules": {'"a': "x"}}]},
            {"policies": [{**good, "rules": {"a..b": "x"}}]},
            {"policies": [{**good, "rules": {"a.": "x"}}]},
            {"policies": [{**good, "rules": {"": "x"}}]},
            {"policies": [{**good, "unknown": 1}]},
            {"preset": "x"},
            {},
        ]
        for row in rows:
            with self.subTest(row), self.assertRaises(StandinError):
                self.standin.call("PUT", "/policies", row)
        self.assertEqual(len(self.standin.policies()), 1)
