#!/usr/bin/env python3
"""docs/recipes: each one is run, from its own files, against a daemon and the stand-in.

Pods run as kubelet would run them, in mount namespaces. $PULUMI names the Pulumi CLI; without it, pulumi_cli.py stands for
it. With $PULUMI_OPERATOR_AGENT, the agent of the Pulumi Kubernetes Operator runs as well. `./dev e2e cluster` gives the
manifests to a real cluster."""

import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from guarded_server import GuardedServer, basic
from node import PODLOGIN, NodeCase, wait_for
from test_docker import image

try:
    import yaml  # noqa: F401
    import kubelet
except ImportError:
    kubelet = None

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
RECIPES = SOURCE / "docs/recipes"
NAMES = sorted(path.parent.name for path in RECIPES.glob("*/README.md"))
REAL = os.environ.get("PULUMI") or shutil.which("pulumi")
OPERATOR_AGENT = os.environ.get("PULUMI_OPERATOR_AGENT")
PULUMI_PATH = "/pulumi/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of Pulumi's images
LIFETIME_S = 60
UNAUTHORIZED = '{"code":401,"message":"Unauthorized: No credentials provided or are invalid."}'


def readme(name):
    return (RECIPES / name / "README.md").read_text()


def commands(name):
    """The commands that the page shows, one a line."""
    return re.findall(r"^    (?!#)(.+)$", readme(name), re.M)

# Lives as long as the operator's agent, and runs `pulumi` as the Automation API in it does: by its name, in its own
# environment. Each line of its input is a list of runs, which begin at once.
AGENT = """
import concurrent.futures, json, subprocess, sys
def run(arguments):
    done = subprocess.run(["pulumi", *arguments], capture_output=True, text=True, cwd=sys.argv[1])
    return done.returncode, done.stdout, done.stderr
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for line in sys.stdin:
        print(json.dumps(list(pool.map(run, json.loads(line)))), flush=True)
"""


class Pages(unittest.TestCase):
    def test_the_index_has_each_recipe(self):
        self.assertEqual(sorted(re.findall(r"\]\(([\w-]+)/README\.md\)", (RECIPES / "README.md").read_text())), NAMES)

    def test_each_page_names_each_file_and_no_other(self):
        for name in NAMES:
            files = {path.name for path in (RECIPES / name).iterdir()} - {"README.md"}
            self.assertEqual(set(re.findall(r"\]\(([\w.-]+)\)", readme(name))), files, name)
            self.assertGreater(len(commands(name)), 1, name)

    @unittest.skipUnless(kubelet, "needs python3-yaml")
    def test_manifests_are_yaml_of_known_kinds(self):
        """./dev e2e cluster lets an API server look at each field."""
        kinds = set()
        for path in RECIPES.glob("*/*.yaml"):
            for manifest in kubelet.manifests(path.read_text()):
                kinds.add(manifest["kind"])
                self.assertEqual(manifest["metadata"]["namespace"], "ci", path)
        self.assertLessEqual(kinds, {"Job", "ServiceAccount", "Stack", "ConfigMap", "Pod", "Deployment"})


class RecipeCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.bin = self.node.directory / "bin"
        self.bin.mkdir()
        self.pulumi = self.program("pulumi", f"exec {REAL and shutil.which(REAL)}" if REAL else
                                   f"exec {sys.executable} {SOURCE}/tests/support/pulumi_cli.py")

    def program(self, name, command):
        path = self.bin / name
        path.write_text(f'#!/bin/sh\n{command} "$@"\n')
        path.chmod(0o755)
        return path

    def manifest(self, name, kind):
        found, = (each for each in kubelet.manifests((RECIPES / name).read_text()) if each["kind"] == kind)
        return found


@unittest.skipUnless(kubelet, "needs python3-yaml")
class PodCase(RecipeCase):
    def setUp(self):
        super().setUp()
        kubelet.require_namespaces()
        self.images = {"registry.example/podlogin:0.1.0": {"/podlogin": PODLOGIN},
                       "pulumi/pulumi:latest-nonroot": {"PATH": PULUMI_PATH, "/pulumi/bin/pulumi": self.pulumi}}
        # certificates of the stand-in; what the CLI asks its own servers; and no home
        self.here = {"SSL_CERT_FILE": self.standin.ca, "PULUMI_SKIP_UPDATE_CHECK": "true", "HOME": "/nonexistent"}

    def pod(self, template, **options):
        return kubelet.Kubelet(self, template, self.images, **options)

    def assert_runs(self, pod, container, command=None, code=0, **variables):
        got, out, error = pod.run(container, command, **self.here, **variables)
        self.assertEqual(got, code, f"{out}\n{error}")
        return out


class KubernetesJob(PodCase):
    def test_it_prints_the_user(self):
        self.node.start()
        for name in ("job.yaml", "job-without-injection.yaml"):
            pod = self.pod(kubelet.template(self.manifest("kubernetes-job/" + name, "Job")))
            self.assertEqual(self.assert_runs(pod, "podlogin"), "")
            self.assertEqual(self.assert_runs(pod, "runner"), "ci-bot\n")
            shutil.rmtree(pod.directory)
        self.assertEqual(self.exchanges(), 1)

    def test_both_jobs_are_the_same(self):
        """But for the init container, which needs neither socket nor token."""
        def seen(name):
            pod = kubelet.injected(kubelet.template(self.manifest("kubernetes-job/" + name, "Job")))
            runner, = pod["spec"]["containers"]
            return (sorted(volume["name"] for volume in pod["spec"]["volumes"]), runner["env"], runner["command"],
                    sorted(runner["volumeMounts"], key=lambda mount: mount["mountPath"]))
        self.assertEqual(seen("job.yaml"), seen("job-without-injection.yaml"))

    def test_errors_are_those_of_the_page(self):
        template = kubelet.template(self.manifest("kubernetes-job/job.yaml", "Job"))
        errors = iter(re.findall(r"^\| `(\w+)` \|", readme("kubernetes-job"), re.M))

        def fails(pod, code, **variables):
            got, out, error = pod.run("runner", **{**self.here, **variables})
            self.assertEqual((got, out), (code, ""), error)
            self.assertRegex(error, rf"^podlogin: pulumi: {next(errors)}: .*\n$")
        pod = self.pod(template)
        self.assert_runs(pod, "podlogin")
        token = pod.volumes["podlogin-token"] / "token"
        jwt = token.read_text()
        token.unlink()
        fails(pod, 78)
        token.write_text(jwt)
        fails(pod, 69, PODLOGIN_TIMEOUT="1s")
        self.node.start()
        pod.server_uid = "1"
        fails(pod, 77)
        pod.server_uid = kubelet.ROOT
        for namespace, audience in (("other", "urn:pulumi:org:acme"), ("ci", "other")):
            token.write_text(self.mint(namespace=namespace, audience=[audience]))
            fails(pod, 77)
        self.assertEqual(list(errors), [])


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
        self.agent = self.workspace.spawn("pulumi", [sys.executable, "-c", AGENT, self.project], stdin=subprocess.PIPE, **self.here)
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


@unittest.skipUnless(OPERATOR_AGENT and REAL, "PULUMI_OPERATOR_AGENT= does not name the agent of the operator, or no pulumi")
class OperatorAgent(Workspace):
    """The operator's own agent, which is called as the operator does."""

    def setUp(self):
        super().setUp()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        # a CLI that was built from its sources has no version
        agent = self.workspace.spawn("pulumi", [
            os.path.abspath(OPERATOR_AGENT), "serve", "--workspace", self.project, "--skip-install", "--host", "127.0.0.1",
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


class WorkflowRunner(PodCase):
    def test_each_run_has_the_token_of_the_service_account(self):
        self.node.start()
        template = json.loads(self.manifest("workflow-runner/worker-pod.yaml", "ConfigMap")["data"]["worker-pod.json"])
        worker, = template["spec"]["containers"]
        worker["image"] = "pulumi/pulumi:latest-nonroot"  # the runner does this
        pod = self.pod(template)
        self.assertEqual(self.assert_runs(pod, "podlogin"), "")
        self.assertEqual(self.assert_runs(pod, worker["name"], ["sh", "-c", "pulumi whoami"],
                                          PULUMI_ACCESS_TOKEN="of the workflow"), "ci-bot\n")
        self.assertEqual(self.exchanges(), 1)

    def test_the_runner_forwards_no_token(self):
        self.assertRegex(readme("workflow-runner"), r"(?m)^env_forward_allowlist: \[(?!.*TOKEN)")


class Sidecar(PodCase):
    def setUp(self):
        super().setUp()
        self.standin.configure_upstream(expires_in=LIFETIME_S)
        pod = kubelet.template(self.manifest("sidecar/job.yaml", "Job"))
        self.probe = pod["spec"]["initContainers"][0]["startupProbe"]["exec"]["command"]
        self.job = self.pod(pod)

    def start(self):
        sidecar = self.job.spawn("podlogin", **self.here)
        self.addCleanup(sidecar.communicate)
        self.addCleanup(sidecar.kill)
        return sidecar

    def test_the_token_is_fresh_and_the_sidecar_ends(self):
        self.start_with_clock()
        sidecar = self.start()
        self.assert_runs(self.job, "podlogin", self.probe)
        file = self.job.volumes["credentials"] / "credentials.json"
        before = file.read_text()
        self.assertEqual(self.assert_runs(self.job, "job"), "ci-bot\n")
        self.turn_until(lambda: (text := file.read_text()) and json.loads(text)["accessTokens"] !=
                        json.loads(before)["accessTokens"], LIFETIME_S / 10, what="a new token")
        self.assertEqual(self.assert_runs(self.job, "job"), "ci-bot\n")
        sidecar.terminate()
        _, error = sidecar.communicate(timeout=60)
        self.assertEqual((sidecar.returncode, error), (0, ""))

    def test_the_job_does_not_start_without_a_token(self):
        self.node.service("pulumi", rules="")
        self.node.start()
        sidecar = self.start()
        self.assertEqual(sidecar.wait(60), 77)  # kubelet starts it again
        self.assert_runs(self.job, "podlogin", self.probe, code=77)


class ToolCase(RecipeCase):
    """The commands of a page, in a directory with its files, as a container of this node."""

    name = None

    def setUp(self):
        super().setUp()
        self.directory = self.node.directory / "recipe"
        shutil.copytree(RECIPES / self.name, self.directory)
        (self.bin / "podlogin").symlink_to(PODLOGIN)
        self.changes = {}

    def start(self, service):
        """Starts the daemon with the service of the recipe. Here, the stand-in is the upstream."""
        text = (self.directory / f"{service}.conf").read_text()
        for old, new in (("Issuer=eks\n", f"Issuer=eks\nCAFile={self.standin.ca}\n"),
                         ("[AWS]\n", f"[AWS]\nEndpoint={self.standin.upstream}\n"),
                         ("https://login.example.com/token", f"{self.standin.upstream}/oauth2/token")):
            text = text.replace(old, new)
        self.node.write(f"services.d/{service}.conf", text)
        audience = re.search("^Audience=(.*)$", text, re.M)[1]
        self.token_file = self.node.jwt_file(self.mint(audience=[audience]))
        self.node.start()

    def take(self, *lines, **variables):
        """Runs these commands of the page. Returns the output."""
        text = "\n".join(lines)
        for old, new in self.changes.items():
            text = text.replace(old, new)
        run = subprocess.run(
            ["bash", "-ec", text], cwd=self.directory, capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL, env=self.node.environment(
                PATH=f"{self.bin}:{os.environ['PATH']}", HOME=str(self.node.directory), no_proxy="*",
                PODLOGIN_TOKEN_FILE=str(self.token_file), **variables))
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def serve(self, host, scheme, allows, answer):
        """A server with the name @host, which is another one here, also in the files. It admits the tokens that @allows
        finds in what a client says."""
        def is_valid(authorization):
            token = self.standin.issued(allows(authorization))
            return token and token["valid"]

        server = GuardedServer(self.standin, scheme, is_valid, answer)
        self.addCleanup(server.stop)
        self.changes[host] = server.host
        for path in self.directory.iterdir():
            path.write_text(path.read_text().replace(host, server.host))
        return server


@unittest.skipUnless(shutil.which("aws"), "no aws is on PATH")
class Aws(ToolCase):
    name = "aws"

    def test_each_command_prints_the_role(self):
        self.start("aws")
        self.program("aws", f"exec {shutil.which('aws')} --endpoint-url {self.standin.upstream}")
        arn = re.search("`(arn:aws:sts:.*?)`", readme("aws"))[1]
        for command in commands("aws"):
            out = self.take(command, AWS_CA_BUNDLE=self.standin.ca, AWS_EC2_METADATA_DISABLED="true")
            self.assertEqual(json.loads(out)["Arn"], arn, command)
        self.assertEqual(self.exchanges(), 1)


@unittest.skipUnless(shutil.which("git"), "no git is on PATH")
class GitHttps(ToolCase):
    name = "git-https"

    def test_it_clones(self):
        self.start("git")
        (self.bin / "git-credential-podlogin").symlink_to(PODLOGIN)
        bare = self.node.directory / "team/project.git"
        self.take("git init -q ../work", "cd ../work", "echo content >file", "git add file",
                  "git -c user.name=a -c user.email=a@example.com commit -qm one",
                  f"git clone -q --bare . {bare}", f"git -C {bare} update-server-info")

        def answer(path):
            file = self.node.directory / path.partition("?")[0].lstrip("/")
            return ("application/octet-stream", file.read_bytes()) if file.is_file() else None

        server = self.serve("git.example.com", 'Basic realm="git"', lambda said: basic(said)[1], answer)
        self.take(*commands("git-https"), GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0", GIT_SSL_CAINFO=self.standin.ca)
        self.assertEqual((self.directory / "project/file").read_text(), "content\n")
        self.assertEqual((self.exchanges(), server.errors), (1, []))


class DockerPull(ToolCase):
    name = "docker-pull"

    def setUp(self):
        super().setUp()
        self.start("docker")
        (self.bin / "docker-credential-podlogin").symlink_to(PODLOGIN)
        files = {"/v2/": ("application/json", b"{}"),
                 **{"/v2/team/image/" + name: file for name, file in image().items()}}
        self.server = self.serve("registry.example.com", 'Basic realm="registry"', lambda said: basic(said)[1], files.get)

    def assert_reads(self, program, options=""):
        variables, *uses = commands("docker-pull")
        use, = (line for line in uses if line.startswith(program))
        self.program(program, f"exec {shutil.which(program)} {options}")
        out = self.take(variables, use, SSL_CERT_FILE=self.standin.ca)
        self.assertEqual((self.exchanges(), self.server.errors), (1, []))
        return out

    @unittest.skipUnless(shutil.which("docker"), "no docker is on PATH")
    def test_docker_reads_a_manifest(self):
        self.assertIn("layers", json.loads(self.assert_reads("docker")))

    @unittest.skipUnless(shutil.which("podman") and os.geteuid() == 0, "podman is not on PATH, or needs root")
    def test_podman_pulls(self):
        self.assertRegex(self.assert_reads("podman", f"--root {self.node.directory}/root --runroot {self.node.directory}/run "
                                                     "--storage-driver vfs"), "^[0-9a-f]{64}\n$")


@unittest.skipUnless(shutil.which("kubectl"), "no kubectl is on PATH")
class Kubectl(ToolCase):
    name = "kubectl"

    def test_the_api_server_accepts_the_token(self):
        self.start("kube")
        self.serve("api.other.example.com:6443", "Bearer", lambda said: said.removeprefix("Bearer "),
                   lambda path: ("application/json", b'{"gitVersion": "v1.36.0"}') if path == "/version" else None)
        shutil.copy(self.standin.ca, self.directory / "ca.crt")
        self.assertEqual(json.loads(self.take(*commands("kubectl"))), {"gitVersion": "v1.36.0"})
        self.assertEqual(self.exchanges(), 1)


if __name__ == "__main__":
    unittest.main()
