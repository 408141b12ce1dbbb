"""The static command with a few commands only, as ./dev static ARCHITECTURE COMMAND... builds it."""

import json
import os
import pathlib
import shutil
import subprocess
import unittest

from node import BUILD, NodeCase

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
SMALL = SOURCE / "build-musl-small/module/podlogin"
os.environ["PODLOGIN_STATIC"] = str(SMALL)

import test_static  # noqa: E402 -- it reads the variable

LEFT_OUT = ("env", "login", "whoami", "wait", "aws", "aws-endpoint", "kube", "install")


class Linked(test_static.Linked):
    """What is promised of the whole static command."""


@unittest.skipUnless(SMALL.exists(), "needs ./dev static ARCHITECTURE token exec")
@unittest.skipIf("sanitized" in str(BUILD), "the other build has done this")
class Small(NodeCase):
    def setUp(self):
        super().setUp()
        self.token_file = self.node.jwt_file(self.mint(pod="job-1"))

    def run_it(self, *arguments, program=SMALL, **variables):
        environment = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file), **variables)
        return subprocess.run([program, *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=90)

    def output_of(self, *arguments, **options):
        result = self.run_it(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def test_a_token(self):
        self.node.start()
        token = self.output_of("token").strip()
        self.assertTrue(self.standin.issued(token))
        self.assertEqual(json.loads(self.output_of("token", "--json"))["token"], token)

    def test_exec(self):
        self.node.start()
        token = self.output_of("exec", "pulumi", "--", "sh", "-c", "echo $PULUMI_ACCESS_TOKEN").strip()
        self.assertTrue(self.standin.issued(token))
        result = self.run_it("exec", "--reject-on", "3", "--", "sh", "-c", "exit 3")
        self.assertEqual((result.returncode, result.stderr), (3, ""))

    def test_a_shim(self):
        self.node.start()
        for name in ("shims", "programs"):
            (self.node.directory / name).mkdir()
        shutil.copy(SMALL, self.node.directory / "shims/pulumi")
        program = self.node.directory / "programs/pulumi"
        program.write_text("#!/bin/sh\necho $PULUMI_ACCESS_TOKEN\n")
        program.chmod(0o755)
        path = f"{self.node.directory}/shims:{program.parent}:{os.environ['PATH']}"
        token = self.output_of(program=self.node.directory / "shims/pulumi", PATH=path).strip()
        self.assertTrue(self.standin.issued(token))

    def test_only_its_own_commands_are_there(self):
        text = self.output_of("help")
        self.assertRegex(text, r"(?m)^  token .*\n  exec .*\n\n")
        self.assertNotIn("git-credential", text)
        for name in LEFT_OUT:
            result = self.run_it(name)
            self.assertEqual(result.returncode, 64, name)
            self.assertIn(f"{name}: not a command", result.stderr)

    def test_it_is_smaller(self):
        whole = SOURCE / "build-musl/module/podlogin"
        if not whole.exists():
            self.skipTest("needs ./dev static")
        self.assertLess(SMALL.stat().st_size, whole.stat().st_size * 0.7)


if __name__ == "__main__":
    unittest.main()
