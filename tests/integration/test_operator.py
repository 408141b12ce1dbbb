#!/usr/bin/env python3
"""docs/recipes/pulumi-operator: a pod that lives longer than its tokens, and in which each run of `pulumi` has one.

With $PULUMI_OPERATOR_AGENT and a real Pulumi CLI, the agent of the Pulumi Kubernetes Operator runs as well."""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from node import wait_for
from recipe import REAL, PodCase

AGENT = os.environ.get("PULUMI_OPERATOR_AGENT")
LIFETIME_S = 600
UNAUTHORIZED = '{"code":401,"message":"Unauthorized: No credentials provided or are invalid."}'

# Lives as long as the operator's agent, and runs `pulumi` as the Automation API in it does: by its name, in its own
# environment. Each line of its input is a list of runs, which begin at once.
STAND_IN = """
import concurrent.futures, json, subprocess, sys
def run(arguments):
    done = subprocess.run(["pulumi", *arguments], capture_output=True, text=True, cwd=sys.argv[1])
    return done.returncode, done.stdout, done.stderr
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for line in sys.stdin:
        print(json.dumps(list(pool.map(run, json.loads(line)))), flush=True)
"""


class Workspace(PodCase):
    """The pod that the operator makes of a Stack: its container is named pulumi, and has the template's parts."""

    def setUp(self):
        super().setUp()
        self.standin.configure_upstream(expires_in=LIFETIME_S)
        self.start_with_clock()
        spec = self.manifest("pulumi-operator/stack.yaml", "Stack")["spec"]
        template = spec["workspaceTemplate"]["spec"]["podTemplate"]
        template["spec"]["serviceAccountName"] = spec["serviceAccountName"]
        template["spec"]["containers"][0]["image"] = spec["workspaceTemplate"]["spec"]["image"]
        self.workspace = self.pod(template)
        self.assertEqual(self.assert_runs(self.workspace, "podlogin"), "")
        self.project = self.node.directory / "fake"
        self.project.mkdir()
        (self.project / "Pulumi.yaml").write_text("name: fake\nruntime: yaml\n")
        self.standin.reset_calls()

    def tokens(self):
        """Those of all calls since the last time. Each was valid."""
        calls = self.standin.calls()
        self.standin.reset_calls()
        self.assertEqual({call["status"] for call in calls} & {401, 403}, set())
        return {call["token"] for call in calls if call["token"]}


class PulumiOperator(Workspace):
    def setUp(self):
        super().setUp()
        self.agent = self.workspace.spawn("pulumi", [sys.executable, "-c", STAND_IN, self.project], stdin=subprocess.PIPE, **self.here)
        self.addCleanup(self.agent.communicate)

    def ask(self, *runs):
        """Lets the agent run `pulumi` with each of these arguments at once. Returns [exit code, output, error] of each."""
        self.agent.stdin.write(json.dumps(runs) + "\n")
        self.agent.stdin.flush()
        return json.loads(self.agent.stdout.readline())

    def list_stacks(self):
        code, _, error = self.ask(["stack", "ls"])[0]
        self.assertEqual(code, 0, error)
        token, = self.tokens()
        return token

    def test_each_run_has_a_token_that_is_valid(self):
        """Although the agent lives longer than each of them."""
        tokens = []
        for _ in range(3):
            tokens.append(self.list_stacks())
            self.assertEqual(self.list_stacks(), tokens[-1])
            self.clock.turn(LIFETIME_S)
        self.assertEqual(len(set(tokens)), 3)

    def test_runs_beside_each_other(self):
        for code, _, error in self.ask(*[["stack", "ls"]] * 8):
            self.assertEqual(code, 0, error)
        self.assertEqual(len(self.tokens()), 1)
        self.assertEqual(self.exchanges(), 1)

    def test_a_token_that_pulumi_cloud_refuses_is_replaced(self):
        """The run that is told so fails; the next one has another token."""
        first = self.list_stacks()
        self.clock.turn(31)  # a newer token is not replaced
        # the first refusal is tolerated
        self.standin.fault_upstream(kind="status", status=401, times=2, body=UNAUTHORIZED)
        code, _, error = self.ask(["stack", "ls"])[0]
        self.assertEqual(code, 3, error)
        self.standin.reset_calls()
        self.assertNotEqual(self.list_stacks(), first)
        self.assertEqual(self.exchanges(), 2)


def grpc(url, method, message=b""):
    """Calls a method of gRPC, by curl. Returns (status, the answer's fields that are texts or messages, error)."""
    with tempfile.NamedTemporaryFile() as headers:
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "--max-time", "90", "-H", "content-type: application/grpc",
             "-H", "te: trailers", "--data-binary", "@-", "-D", headers.name, f"{url}/agent.AutomationService/{method}"],
            input=struct.pack(">BI", 0, len(message)) + message, capture_output=True, check=False)
        said = dict(re.findall(r"^(grpc-\w+): (.*?)\r?$", headers.read().decode(), re.M))
    error = urllib.parse.unquote(said.get("grpc-message", "")) or done.stderr.decode()
    return said.get("grpc-status"), fields(done.stdout[5:]), error


def fields(message):
    """The fields of a message of protocol buffers, as long as they are short texts or messages."""
    found = {}
    while message and message[0] & 7 == 2 and message[1] < 128:
        found[message[0] >> 3] = message[2:2 + message[1]]
        message = message[2 + message[1]:]
    return found


@unittest.skipUnless(AGENT and REAL, "PULUMI_OPERATOR_AGENT= does not name the agent of the operator, or no pulumi")
class OperatorAgent(Workspace):
    """The operator's own agent, which is called as the operator does."""

    def setUp(self):
        super().setUp()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        # a CLI that was built from its sources has no version
        agent = self.workspace.spawn("pulumi", [
            os.path.abspath(AGENT), "serve", "--workspace", self.project, "--skip-install", "--host", "127.0.0.1",
            "--port", str(port)], PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK="true", **self.here)
        self.addCleanup(agent.communicate)
        self.addCleanup(agent.terminate)

        def listens():
            self.assertIsNone(agent.poll(), agent.poll() and agent.stderr.read())
            return grpc(self.url, "WhoAmI")[0] == "0"
        wait_for(listens, what="the agent")
        self.standin.reset_calls()

    def select_stack(self):
        """Returns (status, the token of its calls, error)."""
        name = b"acme/fake/dev"
        status, _, error = grpc(self.url, "SelectStack", bytes([1 << 3 | 2, len(name)]) + name + bytes([2 << 3, 1]))
        return status, error

    def assert_selects_stack(self):
        self.assertEqual(self.select_stack(), ("0", ""))
        token, = self.tokens()
        return token

    def test_each_operation_has_a_token_that_is_valid(self):
        tokens = []
        for _ in range(3):
            status, answer, error = grpc(self.url, "WhoAmI")
            self.assertEqual((status, answer.get(1)), ("0", b"ci-bot"), error)
            tokens.append(self.assert_selects_stack())
            self.clock.turn(LIFETIME_S)
        self.assertEqual(len(set(tokens)), 3)

    def test_a_token_that_pulumi_cloud_refuses_is_replaced(self):
        first = self.assert_selects_stack()
        self.clock.turn(31)
        self.standin.fault_upstream(kind="status", status=401, times=2, body=UNAUTHORIZED)
        status, error = self.select_stack()
        self.assertNotEqual(status, "0")
        self.assertIn("requires logging in", error)
        self.standin.fault_upstream()
        self.standin.reset_calls()
        self.assertNotEqual(self.assert_selects_stack(), first)


if __name__ == "__main__":
    unittest.main()
