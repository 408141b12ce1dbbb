"""The static command for containers: how it is linked, and that it works alone in a root file system.

$PODLOGIN_STATIC names the program, or ./dev static has built it; $PODLOGIN_EMULATOR runs it, if it is for another
architecture."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from node import BUILD, NodeCase, wait_for

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
STATIC = pathlib.Path(os.environ.get("PODLOGIN_STATIC", SOURCE / "build-musl/module/podlogin")).absolute()
EMULATOR = os.environ.get("PODLOGIN_EMULATOR", "").split()
USER = 65532


def readelf(*arguments):
    return subprocess.run(["readelf", "--wide", *arguments], capture_output=True, text=True, check=True).stdout


@unittest.skipUnless(STATIC.exists(), "needs ./dev static")
@unittest.skipIf("sanitized" in str(BUILD), "the other build has done this")
class Linked(unittest.TestCase):
    def test_it_needs_no_library_and_no_loader(self):
        self.assertNotIn("INTERP", readelf("--segments", STATIC))
        self.assertNotIn("NEEDED", readelf("--dynamic", STATIC))

    def test_it_can_be_loaded_at_any_address(self):
        self.assertRegex(readelf("--file-header", STATIC), r"Type: +DYN")
        self.assertNotIn("TEXTREL", readelf("--dynamic", STATIC))

    def test_nothing_in_memory_is_both_writable_and_executable(self):
        rights = re.findall(r"^ +(LOAD|GNU_STACK) .* ([R ][W ][E ]) 0x", readelf("--segments", STATIC), re.M)
        self.assertIn(("GNU_STACK", "RW "), rights)
        self.assertIn(("LOAD", "R E"), rights)
        self.assertNotIn("RWE", {right for _, right in rights})

    def test_what_is_relocated_can_be_protected_at_once(self):
        self.assertIn("GNU_RELRO", readelf("--segments", STATIC))
        self.assertIn("BIND_NOW", readelf("--dynamic", STATIC))

    def test_its_functions_check_their_stack(self):
        objects = list(STATIC.parent.rglob("*.o"))
        self.assertGreater(len(objects), 10)
        checked = [path for path in objects if "__stack_chk_fail" in readelf("--symbols", path)]
        self.assertGreater(len(checked), len(objects) / 2)


@unittest.skipUnless(STATIC.exists(), "needs ./dev static")
@unittest.skipIf("sanitized" in str(BUILD), "the other build has done this")
class Alone(NodeCase):
    def setUp(self):
        super().setUp()
        self.token_file = self.node.jwt_file(self.mint(pod="job-1"))

    def run_it(self, *arguments, program=STATIC, **variables):
        environment = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file), **variables)
        result = subprocess.run([*EMULATOR, program, *arguments], env=environment, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, check=False, timeout=90)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def test_a_login(self):
        self.node.start()
        token = self.run_it("token").strip()
        self.assertTrue(self.standin.issued(token))
        self.assertEqual(json.loads(self.run_it("token", "--json"))["token"], token)
        self.assertEqual(json.loads(self.run_it("whoami", "--json"))["services"], ["pulumi"])
        self.assertEqual(self.exchanges(), 1)

    def test_exec(self):
        self.node.start()
        token = self.run_it("exec", "pulumi", "--", "sh", "-c", "echo $PULUMI_ACCESS_TOKEN").strip()
        self.assertTrue(self.standin.issued(token))

    def test_install_copies_it(self):
        share = self.node.directory / "share"
        self.run_it("install", share, "pulumi")
        self.assertEqual((share / "podlogin").read_bytes(), STATIC.read_bytes())
        self.assertEqual(os.readlink(share / "pulumi"), "podlogin")
        self.assertEqual(self.run_it("--version", program=share / "podlogin"), self.run_it("--version"))

    @contextlib.contextmanager
    def running(self):
        """A process of it that waits for a daemon; yields its memory, as [(begin, rights)] of the program's file."""
        with subprocess.Popen([STATIC, "wait", "--timeout", "60s"], env=self.node.environment()) as process:
            try:
                asleep = pathlib.Path(f"/proc/{process.pid}/wchan")
                wait_for(lambda: asleep.read_text() not in ("", "0"), what="the wait")
                maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
                yield re.findall(rf"^(\w+)-\w+ (\S+) .*{re.escape(str(STATIC))}$", maps, re.M)
            finally:
                process.kill()

    @unittest.skipIf(EMULATOR, "an emulator chooses the addresses")
    @unittest.skipIf(os.getuid(), "the process keeps ordinary users from looking at it")
    def test_its_addresses_differ_between_runs(self):
        begins = set()
        for _ in range(4):
            with self.running() as memory:
                begins.add(memory[0][0])
        self.assertGreater(len(begins), 1, begins)

    @unittest.skipIf(EMULATOR, "the memory is the emulator's, too")
    @unittest.skipIf(os.getuid(), "the process keeps ordinary users from looking at it")
    def test_what_is_relocated_is_read_only_while_it_runs(self):
        with self.running() as memory:
            self.assertIn("r--p", [rights for _, rights in memory])

    @unittest.skipIf(EMULATOR, "an emulator would have to be in the root file system, too")
    def test_it_runs_in_an_empty_root_as_an_ordinary_user(self):
        self.node.start()
        root = self.node.directory / "root"
        (root / "run/podlogin").mkdir(parents=True)
        shutil.copy(STATIC, root / "podlogin")
        shutil.copy(self.token_file, root / "token")
        # bind mounts are not possible everywhere; a hard link of the socket is
        os.link(self.node.socket, root / "run/podlogin/podlogin.sock")
        result = subprocess.run([*self.below(root), "/podlogin", "token", "--token-file", "/token"], check=False,
                                env={"PODLOGIN_SERVER_UID": str(os.getuid())}, capture_output=True, text=True, timeout=90)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(self.standin.issued(result.stdout.strip()))

    def below(self, root):
        """The command that runs another one below a root: as another user, or in a user namespace as the same one."""
        if os.geteuid() == 0:
            for path in (self.root, self.node.directory):
                os.chmod(path, 0o755)
            return ["/usr/sbin/chroot", f"--userspec={USER}:{USER}", root]
        command = ["unshare", "--map-current-user", "--root", str(root)]
        if subprocess.run([*command, "/podlogin", "--version"], capture_output=True, check=False).returncode:
            self.skipTest("this machine has no user namespaces for ordinary users")
        return command


if __name__ == "__main__":
    unittest.main()
