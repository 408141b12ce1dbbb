#!/usr/bin/env python3
"""docs/recipes of tools: the commands of their pages, with their files, against servers that check the token."""

import json
import os
import pwd
import re
import shutil
import subprocess
import unittest

from guarded_server import basic
from node import PODLOGIN
from pam import MODULE, WRAPPER, pamtester
from recipe import ToolCase, commands, readme
from test_docker import image


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


@unittest.skipUnless(MODULE.exists() and WRAPPER and shutil.which("pamtester"), "needs libpam, pamtester and libpam-wrapper")
class SlurmPam(ToolCase):
    name = "slurm-pam"

    def setUp(self):
        super().setUp()
        self.token_file = self.node.jwt_file(self.mint())
        self.node.start()

    def text(self, name):
        """A file of the recipe, for this daemon and this machine's places."""
        return ((self.directory / name).read_text().replace("65532", str(os.getuid())).replace("/usr/bin/podlogin", str(PODLOGIN))
                .replace("pam_podlogin.so", f"{MODULE} socket={self.node.socket} token_file={self.token_file}"))

    def open_session(self):
        """What slurmstepd does. Returns (exit code, lines)."""
        directory = self.node.directory / "pam.d"
        directory.mkdir(exist_ok=True)
        (directory / "slurm").write_text(self.text("slurm"))
        (directory / "other").touch()
        return pamtester(directory, "slurm", pwd.getpwuid(os.getuid()).pw_name, "setcred", "open_session", "close_session")

    def test_a_job_starts_with_a_token_only(self):
        code, out = self.open_session()
        self.assertEqual(code, 0, out)
        self.assertIn("pamtester: successfully opened a session", out)
        self.assertEqual(self.exchanges(), 1)
        self.node.service("pulumi", rules="")
        self.node.restart()
        code, out = self.open_session()
        self.assertNotEqual(code, 0)
        self.assertIn("POLICY_DENIED", "".join(out))

    def test_the_task_has_the_token_and_slurmd_does_not_see_it(self):
        lines = self.take(self.text("task-prolog.sh")).splitlines()
        jwt = self.token_file.read_text()
        token = self.assert_served(jwt)["token"]
        self.assertEqual([line for line in lines if token in line or jwt in line], [])
        # as _proc_stdout() of slurmstepd reads it: the value is the rest of the line
        exported = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        self.assertTrue(all(line.startswith("export ") for line in lines), lines)
        out = subprocess.run([self.pulumi, "whoami"], capture_output=True, text=True, check=False, timeout=90, env={
            "PATH": os.environ["PATH"], "SSL_CERT_FILE": self.standin.ca, "PULUMI_SKIP_UPDATE_CHECK": "true", **exported})
        self.assertEqual((out.returncode, out.stdout), (0, "ci-bot\n"), out.stderr)

    def test_a_refusal_ends_the_prolog(self):
        self.token_file.write_text(self.mint(namespace="prod"))
        run = subprocess.run(["sh", "-c", self.text("task-prolog.sh")], capture_output=True, text=True, check=False, timeout=90,
                             env=self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file)))
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze is on PATH")
class SystemdService(ToolCase):
    """./dev e2e systemd starts the units."""

    name = "systemd-service"

    def test_the_units_are_valid(self):
        watch = self.program("watch-stacks", "exec true")
        units = sorted(self.directory.glob("*.service"))
        for unit in units:
            unit.write_text(unit.read_text().replace("/usr/bin/podlogin", str(PODLOGIN))
                            .replace("/usr/bin/pulumi", str(self.pulumi)).replace("/usr/local/bin/watch-stacks", str(watch)))
        run = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False,
                             timeout=90)
        self.assertEqual((run.returncode, run.stdout + run.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
