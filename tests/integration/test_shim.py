#!/usr/bin/env python3
"""podlogin install, and the command under the name of another program."""
import os
import pathlib
import stat
import subprocess
import unittest

from node import PODLOGIN, NodeCase

TOOL = """#!/bin/sh
echo "$PULUMI_ACCESS_TOKEN|$PATH|$*"
"""


class Shim(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.share, self.bin = self.node.directory / "share", self.node.directory / "bin"
        self.bin.mkdir()
        self.put_tool("tool", TOOL)
        self.token_file = self.node.jwt_file(self.mint())

    def put_tool(self, name, text, directory=None):
        path = (directory or self.bin) / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def install(self, *names, directory=None):
        return subprocess.run([PODLOGIN, "install", directory or self.share, *names], capture_output=True, text=True,
                              check=False, timeout=60, env={})

    def run_tool(self, *arguments, path=None, **variables):
        path = path or f"{self.share}:{self.bin}:/usr/bin:/bin"
        variables.setdefault("PODLOGIN_TOKEN_FILE", str(self.token_file))
        environment = self.node.environment(**variables, PATH=path)
        return subprocess.run(["/usr/bin/env", "tool", *arguments], capture_output=True, text=True, check=False,
                              timeout=60, env=environment)

    def test_it_copies_itself_and_makes_links(self):
        result = self.install("tool", "pulumi")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual(sorted(path.name for path in self.share.iterdir()), ["podlogin", "pulumi", "tool"])
        self.assertEqual((self.share / "podlogin").read_bytes(), pathlib.Path(PODLOGIN).read_bytes())
        self.assertEqual(stat.S_IMODE((self.share / "podlogin").stat().st_mode), 0o755)
        self.assertEqual(os.readlink(self.share / "tool"), "podlogin")

    def test_each_run_of_the_program_has_a_token(self):
        self.install("tool")
        result = self.run_tool("a", "--json", "b c", "--")
        self.assertEqual(result.returncode, 0, result.stderr)
        token, path, arguments = result.stdout.rstrip("\n").split("|")
        self.assertTrue(self.standin.issued(token))
        self.assertEqual(path, f"{self.bin}:/usr/bin:/bin")
        self.assertEqual(arguments, "a --json b c --")

    def test_what_the_program_calls_does_not_come_back(self):
        """A script that calls a program of its own name by PATH would otherwise run for ever."""
        self.install("tool", "other")
        self.put_tool("other", "#!/bin/sh\necho the real other, $PULUMI_ACCESS_TOKEN\n")
        self.put_tool("tool", "#!/bin/sh\nother\n")
        result = self.run_tool()
        self.assertRegex(result.stdout, "^the real other, .+\n$")
        self.assertEqual(self.standin.counts()["exchanges"], 1)

    def test_a_program_that_calls_it_by_its_path_is_no_endless_loop(self):
        self.install("tool")
        marker = self.node.directory / "marker"
        self.put_tool("tool", f"#!/bin/sh\necho >>{marker}\n[ $(wc -l <{marker}) -lt 100 ] && exec {self.share}/tool\n")
        for path, variables in ((f"{self.bin}:/usr/bin:/bin", {}), (None, {"PODLOGIN_REJECT_ON": "3"})):
            result = self.run_tool(path=path, **variables)
            self.assertEqual((result.returncode, result.stdout), (70, ""), result.stderr)
            self.assertEqual(result.stderr, "podlogin: tool: the next program of this name on PATH calls podlogin again; let it call "
                                            "the real one by its path\n")
            marker.unlink()

    def test_each_directory_that_leads_to_it_leaves_path(self):
        """Also if another link, or the working directory, leads there."""
        self.install("tool")
        other = self.node.directory / "other"
        other.symlink_to(self.share)
        result = self.run_tool(path=f"{other}:/nonexistent:{self.share}::{self.bin}:/bin")
        self.assertEqual(result.stdout.split("|")[1], f"/nonexistent::{self.bin}:/bin")

    def test_without_another_program_of_the_name(self):
        self.install("tool")
        result = self.run_tool(path=f"{self.share}:/bin")
        self.assertEqual(result.returncode, 127)
        self.assertEqual(result.stderr, "podlogin: tool: No such file or directory\n")

    def test_the_working_directory_is_not_searched_instead(self):
        """If PATH has no other directory: a checkout may have a program of this name."""
        self.install("tool")
        self.put_tool("tool", TOOL, self.node.directory)
        environment = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file), PATH=str(self.share))
        result = subprocess.run([self.share / "tool"], capture_output=True, text=True, check=False, timeout=60,
                                env=environment, cwd=self.node.directory)
        self.assertEqual((result.returncode, result.stdout), (127, ""))

    def test_a_refusal_runs_nothing(self):
        self.install("tool")
        result = self.run_tool(PODLOGIN_TOKEN_FILE=str(self.node.jwt_file(self.mint(namespace="prod"), "other")))
        self.assertEqual((result.returncode, result.stdout), (77, ""))
        self.assertIn("POLICY_DENIED", result.stderr)

    def test_the_exit_status_is_that_of_the_program(self):
        self.install("tool")
        self.put_tool("tool", "#!/bin/sh\nexit 3\n")
        self.assertEqual(self.run_tool().returncode, 3)

    def test_a_program_is_never_replaced(self):
        tool = self.put_tool("tool", TOOL)
        result = self.install("tool", directory=self.bin)
        self.assertEqual(result.returncode, 70)
        self.assertIn(f"{tool}: this is not a link, and may be the real program", result.stderr)
        self.assertEqual(tool.read_text(), TOOL)

    def test_it_can_be_repeated_while_it_runs(self):
        """An init container that is started again, say."""
        self.install("tool")
        with subprocess.Popen([self.share / "podlogin", "wait", "--socket", "/nonexistent", "--timeout", "2s"],
                              stderr=subprocess.DEVNULL):
            self.assertEqual(self.install("tool").returncode, 0)
        self.assertEqual(self.run_tool().returncode, 0)

    def test_names_that_make_no_sense(self):
        for name in ("podlogin", "a/b", "", "podlogin-x"):
            self.assertEqual(self.install(name).returncode, 64, name)
        self.assertEqual(self.install(directory="/nonexistent/x").returncode, 70)
        result = subprocess.run([PODLOGIN, "install"], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(result.returncode, 64)


if __name__ == "__main__":
    unittest.main()
