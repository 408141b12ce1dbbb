"""What the documentation shows is run: configuration, program, links."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from node import BUILD, PODLOGIND, NodeCase

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))


def displays(page):
    """The literal displays of a man page, as a reader sees them."""
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
        self.assertIn("1 issuers and 1 services", result.stdout)

    @unittest.skipIf("sanitized" in str(BUILD), "the program would need the sanitizer's runtime")
    def test_the_program_of_libpodlogin_3(self):
        self.node.start()
        directory = self.node.directory
        (directory / "program.c").write_text(displays("libpodlogin.3")[0])
        program = directory / "program"
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}/module",
                        f"-I{SOURCE}/protocol", "-o", program, directory / "program.c",
                        f"-L{BUILD}/module", "-lpodlogin", f"-Wl,-rpath,{BUILD}/module"],
                       check=True)
        result = subprocess.run([program], capture_output=True, text=True, check=False,
                                env=self.node.environment(PODLOGIN_TOKEN_FILE=str(
                                    self.node.jwt_file(self.mint()))))
        self.assertEqual((result.returncode, result.stdout), (0, "a token of type token\n"),
                         result.stderr)
        result = subprocess.run([program], capture_output=True, text=True, check=False,
                                env=self.node.environment(PODLOGIN_TOKEN_FILE=str(
                                    self.node.jwt_file(self.mint(namespace="prod")))))
        self.assertEqual(result.returncode, 1)
        self.assertIn("rules do not admit", result.stderr)


class Links(unittest.TestCase):
    def test_links_between_pages_lead_somewhere(self):
        pages = [*SOURCE.glob("*.md"), *SOURCE.glob("docs/**/*.md"), *SOURCE.glob("tests/*/*.md")]
        self.assertGreater(len(pages), 5)
        for page in pages:
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
                if "://" not in target:
                    self.assertTrue((page.parent / target).exists(), f"{page}: {target}")

    def test_every_command_option_is_in_its_man_page(self):
        for program, page in (("module/podlogin", "podlogin.1"), ("daemon/podlogind", "podlogind.8")):
            out = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True,
                                 check=True).stdout
            text = (SOURCE / "docs/man" / page).read_text()
            for option in set(re.findall(r"--([a-z-]+)", out)):
                self.assertIn(f"-{option}", text, page)


if __name__ == "__main__":
    unittest.main()
