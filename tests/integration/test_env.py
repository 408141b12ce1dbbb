#!/usr/bin/env python3
"""podlogin env: what it prints is read by a shell, by other readers of such files, and by jq's like."""

import json
import os
import pathlib
import shlex
import subprocess
import tempfile
import unittest

from node import PODLOGIN, RUNTIME, NodeCase
from wrong_server import WrongServer, token


class Env(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.file = self.node.jwt_file(self.mint())

    def env(self, *arguments, **variables):
        return self.node.podlogin("env", *arguments, token_file=self.file, **variables)

    def test_a_shell_has_the_variables_afterwards(self):
        script = f'eval "$({PODLOGIN} env)"; exec env'
        environment = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.file))
        for shell in ("sh", "bash"):
            run = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True, env=environment)
            after = dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)
            self.assertTrue(self.standin.issued(after["PULUMI_ACCESS_TOKEN"]))
            credentials = json.loads((pathlib.Path(after["PULUMI_CREDENTIALS_PATH"]) / "credentials.json").read_text())
            self.assertEqual(credentials["accessTokens"], {self.standin.upstream: after["PULUMI_ACCESS_TOKEN"]})
            self.assertEqual(after["PULUMI_BACKEND_URL"], self.standin.upstream)
        self.assertEqual(self.exchanges(), 1)

    def test_the_formats_say_the_same(self):
        shell = self.env("--format", "sh").stdout
        self.assertEqual(self.env().stdout, shell)
        exported = dict(shlex.split(line)[1].split("=", 1) for line in shell.splitlines() if line.startswith("export "))
        dotenv = dict(line.split("=", 1) for line in self.env("--format=dotenv").stdout.splitlines())
        answer = json.loads(self.env("--format=json").stdout)
        self.assertEqual(exported, dotenv)
        self.assertEqual(exported, {name: value for name, value in answer.items() if value is not None})
        unset = {line.split()[1] for line in shell.splitlines() if line.startswith("unset ")}
        self.assertEqual(unset, {name for name, value in answer.items() if value is None})
        self.assertIn("PULUMI_ACCESS_TOKEN", exported)

    def test_a_refusal_prints_nothing(self):
        self.file = self.node.jwt_file(self.mint(namespace="prod"), "other")
        result = self.env()
        self.assertEqual((result.returncode, result.stdout), (77, ""))
        self.assertIn("POLICY_DENIED", result.stderr)

    def test_usage(self):
        for arguments in (["--format", "csh"], ["--format="], ["a", "b"], ["--json"]):
            result = self.env(*arguments)
            self.assertEqual((result.returncode, result.stdout), (64, ""), arguments)


class Values(unittest.TestCase):
    """Values that shells and readers of files take for something else."""

    VALUES = {"A": "x", "B": "it's", "C": "two  blanks", "D": "$HOME `id` $(id)", "E": '"quoted" \\ #', "F": "", "G": "a=b", "H": "a;b&c|d*(e)"}

    def run_env(self, form, values, unset=()):
        with tempfile.TemporaryDirectory(prefix="podlogin-test-") as directory:
            path = pathlib.Path(directory)
            (path / "jwt").write_text("a.b.c")
            environment = {"PODLOGIN_SERVER_UID": str(os.getuid()), "PODLOGIN_SOCKET": f"{path}/socket",
                           "PODLOGIN_TOKEN_FILE": f"{path}/jwt", "XDG_RUNTIME_DIR": RUNTIME}
            attributes = [f"{name}={value}" for name, value in values.items()]
            with WrongServer(path / "socket", lambda request: token(request, attributes=attributes, unset=list(unset))):
                return subprocess.run([PODLOGIN, "env", "--format", form], capture_output=True, text=True, check=False,
                                      timeout=60, env=environment)

    def test_sh(self):
        result = self.run_env("sh", self.VALUES, ["GONE"])
        script = result.stdout + "".join(f'printf "%s\\0" "${name}"; ' for name in self.VALUES) + 'echo "${GONE-no}"'
        out = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True,
                             env={"GONE": "still there", "HOME": "/"}).stdout
        self.assertEqual(out.split("\0"), [*self.VALUES.values(), "no\n"])

    def test_json(self):
        answer = json.loads(self.run_env("json", self.VALUES, ["GONE"]).stdout)
        self.assertIsNone(answer.pop("GONE"))
        self.assertEqual({name: answer[name] for name in self.VALUES}, self.VALUES)

    def test_dotenv(self):
        values = {name: value for name, value in self.VALUES.items() if "'" not in value}
        lines = self.run_env("dotenv", values, ["GONE"]).stdout.splitlines()
        self.assertEqual({line.split("=", 1)[0]: shlex.split(line.split("=", 1)[1] or "''")[0] for line in lines[1:]}, values)
        # also where a shell reads the file
        script = "\n".join(lines) + "\n" + "".join(f'printf "%s\\0" "${name}"; ' for name in values)
        out = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={"HOME": "/"}).stdout
        self.assertEqual(out.split("\0"), [*values.values(), ""])
        result = self.run_env("dotenv", self.VALUES)
        self.assertEqual((result.returncode, result.stdout), (70, ""))
        self.assertIn("the value of B has a quote", result.stderr)
        self.assertNotIn("it's", result.stderr)


if __name__ == "__main__":
    unittest.main()
