#!/usr/bin/env python3
"""podlogin kube: the credential that kubectl and other users of client-go read."""

import base64
import json
import pathlib
import shutil
import subprocess
import unittest

from guarded_server import GuardedServer
from node import PODLOGIN, NodeCase

KUBECTL = shutil.which("kubectl")
GROUP = "client.authentication.k8s.io/"


def asked(version, **spec):
    """What client-go says to its plug-in."""
    return json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": False, **spec}})


class Kube(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.service("kube")
        self.node.start()
        self.token_file = self.node.jwt_file(self.mint())

    def kube(self, *arguments, **variables):
        return self.node.podlogin("kube", *arguments, token_file=self.token_file, **variables)

    def assert_prints(self, version, *arguments, **variables):
        result = self.kube(*arguments, **variables)
        self.assertEqual(result.returncode, 0, result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual(set(answer), {"apiVersion", "kind", "status"})
        self.assertEqual((answer["apiVersion"], answer["kind"]), (version, "ExecCredential"))
        self.assertEqual(set(answer["status"]), {"expirationTimestamp", "token"})
        self.assertTrue(self.standin.issued(answer["status"]["token"])["valid"])
        self.assertRegex(answer["status"]["expirationTimestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_the_version_is_the_one_that_is_asked_for(self):
        self.assert_prints(GROUP + "v1")
        self.assert_prints(GROUP + "v1", KUBERNETES_EXEC_INFO="")
        for version in (GROUP + "v1", GROUP + "v1beta1"):
            self.assert_prints(version, KUBERNETES_EXEC_INFO=asked(version))
            self.assert_prints(version, KUBERNETES_EXEC_INFO=json.dumps(json.loads(asked(version)), indent=2))
            cluster = {"config": {"apiVersion": "other", "kind": 'a "quote" and a brace }', "list": [1, ["apiVersion"]]}}
            first = '{"spec": %s, "kind": "apiVersion", "apiVersion": "%s"}' % (json.dumps({"cluster": cluster}), version)
            self.assert_prints(version, KUBERNETES_EXEC_INFO=first)

    def test_a_version_that_is_not_known(self):
        for info in (asked(GROUP + "v2"), asked(GROUP + "v1alpha1"), asked("v1"), asked(""), "{}", "nonsense", '{"apiVersion',
                     '{"apiVersion":', '{"apiVersion":1}', '{"apiVersion":"' + "x" * 100 + '"}', '{"apiVersion":"v1\\',
                     '{"spec":' + asked(GROUP + "v1") + "}", asked(GROUP + "v1")[1:], "}" + asked(GROUP + "v1")[1:],
                     asked(GROUP + "v1") + "x", "[" + asked(GROUP + "v1") + "]"):
            with self.subTest(info):
                result = self.kube(KUBERNETES_EXEC_INFO=info)
                self.assertEqual((result.returncode, result.stdout), (64, ""))
                self.assertIn("podlogin: KUBERNETES_EXEC_INFO asks for another version than v1 and v1beta1; write apiVersion: "
                              + GROUP + "v1 into the kubeconfig", result.stderr)
        self.assertEqual(self.exchanges(), 0)

    def test_the_service(self):
        """A pod may have PODLOGIN_SERVICE for another tool, whose token must not reach a cluster."""
        self.node.service("other")
        self.node.restart()
        self.assert_prints(GROUP + "v1", "other")
        self.assert_prints(GROUP + "v1", "--service", "other")
        self.assert_prints(GROUP + "v1", PODLOGIN_SERVICE="none")
        self.assertEqual(self.kube("a", "b").returncode, 64)
        self.assertEqual(self.kube("none").returncode, 78)

    @unittest.skipUnless(KUBECTL, "no kubectl is on PATH")
    def test_kubectl_reads_it(self):
        def is_valid(authorization):
            token = self.standin.issued(authorization.removeprefix("Bearer "))
            return token and token["valid"]

        server = GuardedServer(self.standin, "Bearer", is_valid, lambda path: ("application/json", b'{"gitVersion": "v1.36.0"}'))
        self.addCleanup(server.stop)
        for version in ("v1", "v1beta1"):
            with self.subTest(version):
                config = self.node.directory / "kubeconfig"
                config.write_text(json.dumps({
                    "apiVersion": "v1", "kind": "Config", "current-context": "c",
                    "clusters": [{"name": "c", "cluster": {
                        "server": server.url,
                        "certificate-authority-data": base64.b64encode(pathlib.Path(self.standin.ca).read_bytes()).decode()}}],
                    "users": [{"name": "u", "user": {"exec": {
                        "apiVersion": GROUP + version, "command": str(PODLOGIN), "args": ["kube"],
                        "interactiveMode": "Never", "provideClusterInfo": True}}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))
                result = subprocess.run(
                    [KUBECTL, "--kubeconfig", config, "get", "--raw", "/version"], check=False, capture_output=True,
                    text=True, timeout=90, stdin=subprocess.DEVNULL, env=self.node.environment(
                        PODLOGIN_TOKEN_FILE=str(self.token_file), HOME=str(self.node.directory), no_proxy="*"))
                self.assertEqual((result.returncode, json.loads(result.stdout or "{}")), (0, {"gitVersion": "v1.36.0"}),
                                 result.stderr)
        self.assertEqual(self.exchanges(), 1)


if __name__ == "__main__":
    unittest.main()
