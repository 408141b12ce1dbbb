"""The examples of the documentation work: configuration, programs, links."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from node import BUILD, PODLOGIND, NodeCase

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))


def displays(page):
    """The literal displays of a man page, as they are rendered."""
    text = (SOURCE / "docs/man" / page).read_text()
    return [block.replace("\\en", "\\n")
            for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.M | re.S)]


class Examples(NodeCase):
    def test_the_configuration_of_podlogind_conf_5(self):
        with tempfile.TemporaryDirectory() as directory:
            for block in displays("podlogind.conf.5"):
                name = re.match(r"# /etc/podlogin/(\S+)\n", block).group(1)
                path = pathlib.Path(directory, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(block)
            result = subprocess.run([PODLOGIND, "--config", directory, "--check-config"],
                                    capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 issuer, 1 service", result.stdout)

    @unittest.skipIf("sanitized" in str(BUILD), "the program would need the sanitizer's runtime")
    def test_the_program_of_the_readme(self):
        self.node.start()
        text = (SOURCE / "README.md").read_text()
        code = re.search(r"<!-- example -->\n```c\n(.*?)```", text, re.S).group(1)
        result = self.compile_and_run(code, self.mint())
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^PULUMI_ACCESS_TOKEN=pul-.* from exchange\n$")

    @unittest.skipIf("sanitized" in str(BUILD), "the program would need the sanitizer's runtime")
    def test_the_program_of_libpodlogin_3(self):
        self.node.start()
        code = displays("libpodlogin.3")[0]
        result = self.compile_and_run(code, self.mint())
        self.assertEqual((result.returncode, result.stdout), (0, "a token of type token\n"),
                         result.stderr)
        result = self.compile_and_run(code, self.mint(namespace="prod"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("rules do not admit", result.stderr)

    def compile_and_run(self, code, jwt):
        source, program = self.node.directory / "program.c", self.node.directory / "program"
        source.write_text(code)
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}/module/library",
                        f"-I{SOURCE}/protocol", "-o", program, source, f"-L{BUILD}/module",
                        "-lpodlogin", f"-Wl,-rpath,{BUILD}/module"], check=True)
        return subprocess.run([program], capture_output=True, text=True, check=False,
                              env=self.node.environment(
                                  PODLOGIN_TOKEN_FILE=str(self.node.jwt_file(jwt))))


class Tour(unittest.TestCase):
    """The tour of the README, as it is printed, in one shell."""

    def test_the_tour_works_as_described(self):
        blocks = re.findall(r"<!-- tour -->\n```sh\n(.*?)```", (SOURCE / "README.md").read_text(),
                            re.S)
        self.assertGreater(len(blocks), 6)
        # a reader is slower than a shell: the stand-in has made its keys by then
        blocks.insert(1, "until curl -s http://127.0.0.1:8440/counts; do sleep 0.1; done\n")
        script = "set -m\n" + "\n".join(blocks).replace("./dev build\n", "")
        with tempfile.TemporaryDirectory() as directory:
            os.symlink(BUILD, pathlib.Path(directory, "build"))
            result = subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True,
                                    text=True, timeout=60, check=False)
        out = result.stdout
        self.assertIn("configuration is valid (1 issuer, 1 service)", out)
        self.assertIn("pod             job-1 (", out)
        self.assertIn("a token from exchange, valid for 7200 s", result.stderr)
        self.assertIn('"source":"cache"', out)
        self.assertRegex(out, r"\d+ characters for https://localhost:8442\n")
        self.assertIn('POLICY_DENIED: ', result.stderr)
        self.assertIn('[Deny "debug pods"] of service pulumi', result.stderr)
        self.assertIn("\n77\n", out)
        self.assertEqual(result.returncode, 0, result.stderr)


class Links(unittest.TestCase):
    def test_links_between_pages_are_not_broken(self):
        pages = [*SOURCE.glob("*.md"), *SOURCE.glob("docs/**/*.md"), *SOURCE.glob("tests/*/*.md")]
        self.assertGreater(len(pages), 5)
        for page in pages:
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
                if "://" not in target:
                    self.assertTrue((page.parent / target).exists(), f"{page}: {target}")

    def test_every_command_option_is_in_its_man_page(self):
        for program, page in (("module/podlogin", "podlogin.1"), ("daemon/podlogind", "podlogind.8"),
                              ("daemon/podloginctl verify", "podloginctl.8"),
                              ("daemon/podloginctl explain", "podloginctl.8")):
            program, *command = program.split()
            out = subprocess.run([BUILD / program, *command, "--help"], capture_output=True, text=True,
                                 check=True).stdout
            text = (SOURCE / "docs/man" / page).read_text()
            for option in set(re.findall(r"--([a-z-]+)", out)):
                self.assertIn(f"-{option}", text, page)


if __name__ == "__main__":
    unittest.main()
