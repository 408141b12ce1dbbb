"""The examples of the documentation work: configuration, programs, links."""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from node import BUILD, EXCHANGER, PODLOGIN, PODLOGIND, RUNTIME, STANDIN, NodeCase

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
                match = re.match(r"# /etc/podlogin/(\S+)\n", block)
                if not match:
                    continue  # what a program reads or prints
                name = match.group(1)
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


# In a mount namespace of its own: nothing is installed on the machine, and nothing was before.
INSTALL = """
mkdir scratch && mount -t tmpfs tmpfs scratch && mkdir scratch/upper scratch/work && mount -t tmpfs tmpfs /usr/local &&
    mount -t overlay -o lowerdir=/etc,upperdir=$PWD/scratch/upper,workdir=$PWD/scratch/work overlay /etc || exit 99
/usr/bin/meson install -C {build} --no-rebuild > install.log || exit 1
"""


@unittest.skipIf("sanitized" in str(BUILD), "the program would need the sanitizer's runtime")
class Installed(NodeCase):
    def test_the_program_of_the_readme_works_by_copy_and_paste(self):
        self.node.start()
        code, commands = re.search(r"<!-- example -->\n```c\n(.*?)```\n\n(.*?)\n\n",
                                   (SOURCE / "README.md").read_text(), re.S).groups()
        commands = re.findall(r"^    \$ (.*)", commands, re.M)
        self.assertEqual(len(commands), 2)
        (self.node.directory / "example.c").write_text(code)
        result = subprocess.run(
            ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c",
             INSTALL.format(build=BUILD) + "\n".join(commands)],
            cwd=self.node.directory, capture_output=True, text=True, check=False,
            env=self.node.environment(PODLOGIN_TOKEN_FILE=str(self.node.jwt_file(self.mint())),
                                      PODLOGIN_SERVER_UID="0"))  # whom an ordinary user is mapped to
        if result.returncode == 99 or "unshare: " in result.stderr:
            self.skipTest("needs a mount namespace with an overlay")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^PULUMI_ACCESS_TOKEN=pul-.* from exchange\n$")


class Tour(unittest.TestCase):
    """The tour of the README, as it is printed, in one shell; with other ports, since these may be in use."""

    def setUp(self):
        blocks = re.findall(r"<!-- tour -->\n```sh\n(.*?)```", (SOURCE / "README.md").read_text(), re.S)
        self.assertGreater(len(blocks), 6)
        with contextlib.ExitStack() as sockets:
            listeners = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            self.ports = {str(8440 + i): str(listener.getsockname()[1]) for i, listener in enumerate(listeners)}
        self.blocks = [re.sub("844[0-2]", lambda port: self.ports[port[0]], block).replace("./dev build\n", "")
                       for block in blocks]
        self.directory = tempfile.mkdtemp(prefix="podlogin-test-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.chmod(self.directory, 0o755)
        # where `podlogin exec` makes its directory, also as another user
        self.runtime = tempfile.mkdtemp(prefix="podlogin-test-", dir=os.path.dirname(RUNTIME))
        self.addCleanup(shutil.rmtree, self.runtime)
        os.chmod(self.runtime, 0o1777)
        for program in (PODLOGIN, PODLOGIND, EXCHANGER, STANDIN):
            path = pathlib.Path(self.directory, "build", program.relative_to(BUILD))
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(program, path)

    def take(self, blocks, **options):
        return subprocess.run(["bash", "-c", "set -m\n" + "\n".join(blocks)], cwd=self.directory, text=True,
                              env={**os.environ, "XDG_RUNTIME_DIR": self.runtime}, capture_output=True, timeout=60,
                              check=False, **options)

    def assert_works(self, **options):
        # a reader is slower than a shell: the stand-in has made its keys by then
        made = f"until curl -s http://127.0.0.1:{self.ports['8440']}/counts; do sleep 0.1; done"
        result = self.take([self.blocks[0], made, *self.blocks[1:]], **options)
        out = result.stdout
        self.assertIn("configuration is valid (1 issuer, 1 service)", out)
        self.assertIn("pod             job-1 (", out, result.stderr)
        self.assertRegex(result.stderr, r"a token from exchange, valid for 7(200|1\d\d) s")
        self.assertIn('"source":"cache"', out)
        self.assertRegex(out, rf"\d+ characters for https://localhost:{self.ports['8442']}\n")
        self.assertIn('POLICY_DENIED: ', result.stderr)
        self.assertIn('[Deny "debug pods"] of service pulumi', result.stderr)
        self.assertIn("\n77\n", out)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_it_works_as_described(self):
        self.assert_works()

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be another user as well")
    def test_it_works_for_an_ordinary_user_when_root_tests(self):
        self.assert_works(user=65534, group=65534, extra_groups=[])

    def test_it_does_not_wait_for_a_stand_in_that_could_not_start(self):
        for port in self.ports.values():
            with socket.create_server(("127.0.0.1", int(port))):
                result = self.take(self.blocks[:1])
            self.assertIn(f" {port}: Address already in use\n", result.stderr)


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
