#!/usr/bin/env python3
"""podlogin-untaint: the taint of a node is removed once its daemon is ready, and nothing else is changed."""
import json
import subprocess
import unittest

from node import BUILD, NodeCase, wait_for
from raw_server import RawServer, http

UNTAINT = BUILD / "daemon/podlogin-untaint"
TAINT = {"key": "podlogin.io/starting", "effect": "NoSchedule"}
OTHER = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "2026-11-26T00:00:00Z"}


DEEP = [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:conditions": {'k:{"type":"Ready"}': {"f:message": {
    "f:a": {"f:b": {"f:c": {"f:d": {}}}}}}}}}}]


class Untaint(NodeCase):
    def setUp(self):
        super().setUp()
        self.taints = [OTHER, TAINT]
        self.answers = {}  # method: an answer instead of the right one
        self.api_server = RawServer(self.standin, self.answer)
        self.addCleanup(self.api_server.stop)
        self.token = self.node.directory / "own"
        self.token.write_text("own.token.x\n")

    def answer(self, request):
        method = request.head.split()[0].decode()
        if method in self.answers:
            return self.answers[method]
        if method == "PATCH":
            test, remove = json.loads(request.body)
            self.assertEqual((test["op"], remove["op"], test["path"]), ("test", "remove", remove["path"]))
            index = int(remove["path"].rpartition("/")[2])
            if self.taints[index] != test["value"]:
                return http("{}", "422 Unprocessable Entity")
            del self.taints[index]
        return http(json.dumps({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1", "managedFields": DEEP},
                                "spec": {"podCIDR": "10.0.0.0/24", "taints": self.taints}}))

    def start_untaint(self, *options):
        log = self.node.directory / "untaint.log"
        process = subprocess.Popen(
            [UNTAINT, "--node", "n1", "--api-server", self.api_server.url, "--ca-file", self.standin.ca,
             "--token-file", self.token, "--socket", self.node.directory / "admin.sock", *options],
            stdin=subprocess.DEVNULL, stderr=open(log, "wb"))
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.kill)
        return process, log.read_text

    def test_it_waits_for_the_daemon(self):
        process, log = self.start_untaint()
        wait_for(lambda: "cannot remove the taint podlogin.io/starting yet: " in log())
        self.assertEqual(self.api_server.requests, [])
        self.standin.fault_issuer("status", status=503)
        self.node.start()
        wait_for(lambda: "podlogind waits for the keys of" in log(), what=log())
        self.assertEqual(self.api_server.requests, [])
        self.standin.fault_issuer()
        wait_for(lambda: self.taints == [OTHER], what="the end of the taint")
        wait_for(lambda: "removed the taint podlogin.io/starting from node n1" in log())
        for request in self.api_server.requests:
            self.assertEqual(request.path, "/api/v1/nodes/n1")
            self.assertIn(b"Authorization: Bearer own.token.x", request.head.split(b"\r\n"))
        self.assertIsNone(process.poll())  # kubelet would start it again
        process.terminate()
        self.assertEqual(process.wait(30), 15)

    def test_a_node_without_the_taint_is_not_changed(self):
        self.taints = [OTHER]
        self.node.start()
        _, log = self.start_untaint()
        wait_for(lambda: "node n1 has no taint podlogin.io/starting" in log())
        self.assertEqual([request.head.split()[0] for request in self.api_server.requests], [b"GET"])

    def test_it_tries_again(self):
        """When another one changed the taints in between, and when it may not (yet)."""
        for answer, sentence in ((http("{}", "422 Unprocessable Entity"), "cannot change the node: HTTP 422"),
                                 (http("{}", "403 Forbidden"), "cannot change the node: HTTP 403")):
            self.taints = [TAINT]
            self.answers = {"PATCH": answer}
            if not self.node.process:
                self.node.start()
            process, log = self.start_untaint()
            wait_for(lambda log=log, sentence=sentence: sentence in log())
            self.answers = {}
            wait_for(lambda: self.taints == [])
            process.kill()
            process.wait()

    def test_answers_that_are_no_node(self):
        self.node.start()
        for body in ("[]", '{"kind":"Status"}', "{", '{"kind":"Node","kind":"Node"}'):
            self.answers = {"GET": http(body)}
            process, log = self.start_untaint()
            wait_for(lambda log=log: "the API server's answer is not a node" in log())
            process.kill()
            process.wait()

    def test_a_token_that_is_not_accepted_is_read_anew_by_the_next_process(self):
        self.node.start()
        self.answers = {"GET": http("{}", "401 Unauthorized")}
        process, log = self.start_untaint()
        self.assertEqual(process.wait(30), 70)
        self.assertIn("cannot read the node: HTTP 401", log())

    def test_files_and_arguments_that_are_missing(self):
        self.node.start()
        process, log = self.start_untaint("--token-file", "/nonexistent")
        self.assertEqual(process.wait(30), 78)
        self.assertIn("cannot read /nonexistent: No such file", log())
        for arguments in ((), ("--node", ""), ("--node", "n1"), ("--node", "n1", "--api-server", "http://x"), ("x",),
                          ("--node", "../x?y", "--api-server", "https://x"),
                          ("--node", "n1", "--taint", "", "--api-server", "https://x")):
            result = subprocess.run([UNTAINT, *arguments], capture_output=True, text=True, check=False, timeout=30, env={})
            self.assertEqual(result.returncode, 64, arguments)
        self.assertIn("--taint KEY", subprocess.run([UNTAINT, "--help"], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    unittest.main()
