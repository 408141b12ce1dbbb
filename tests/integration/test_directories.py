"""The private directory that `podlogin exec` gives to a program that reads its token from a file."""

import calendar
import contextlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import time
import unittest

from node import PODLOGIN, RUNTIME, NodeCase, subject_of, wait_all

ACCOUNTS = ("alice", "bob")
SERVICES = {"pulumi": "acme", "other": "other"}  # and their organizations
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
SHOW = 'echo "$PULUMI_CREDENTIALS_PATH $PULUMI_ACCESS_TOKEN"; cat "$PULUMI_CREDENTIALS_PATH/credentials.json"'


def is_in_memory(place):
    return subprocess.run(["stat", "-f", "-c", "%T", place], capture_output=True, text=True,
                          check=True).stdout.strip() in ("tmpfs", "ramfs")


class Directories(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.service("other", audience="urn:pulumi:org:other", organization="other")
        self.standin.configure_upstream(organizations=["acme", "other"])
        self.node.start()
        self.files = {(account, service): self.node.jwt_file(
            self.mint(serviceaccount=account, audience=[f"urn:pulumi:org:{organization}"]), f"{account}-{service}")
                      for account in ACCOUNTS for service, organization in SERVICES.items()}

    def run_exec(self, *command, account="alice", service="pulumi", **variables):
        return self.node.podlogin("exec", service, "--", *command, token_file=self.files[account, service], **variables)

    def show(self, **options):
        """Returns (the directory, the token of the environment, credentials.json) of a command."""
        result = self.run_exec("sh", "-c", SHOW, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        line, content = result.stdout.split("\n", 1)
        directory, token = line.split(" ")
        return pathlib.Path(directory), token, json.loads(content)

    def assert_complete(self, token, content, account="ci-bot"):
        """The file is as after a login: the CLI does not have to ask who it is."""
        url = self.standin.upstream
        validated_at = content["accounts"][url].pop("lastValidatedAt")
        self.assertRegex(validated_at, TIME)
        expires_at = content["accounts"][url]["tokenInformation"]["expiresAt"]
        self.assertRegex(expires_at, TIME)
        # the daemon counts from when it asked, the upstream from when it answered
        late = self.standin.issued(token)["expires_at"] - calendar.timegm(time.strptime(expires_at, "%Y-%m-%dT%H:%M:%SZ"))
        self.assertTrue(0 <= late <= 60, late)
        self.assertEqual(content, {
            "current": url, "accessTokens": {url: token},
            "accounts": {url: {"accessToken": token, "username": account,
                               "tokenInformation": {"name": "", "expiresAt": expires_at}}}})
        return validated_at

    def test_the_file_is_like_after_a_login(self):
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        directory, token, content = self.show()
        after = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.assertTrue(before <= self.assert_complete(token, content) <= after)
        self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o700)
        self.assertEqual([(path.name, stat.S_IMODE(path.stat().st_mode)) for path in directory.iterdir()],
                         [("credentials.json", 0o600)])

    def test_each_identity_and_service_has_its_own(self):
        seen = {}
        for account in ACCOUNTS:
            for service, organization in SERVICES.items():
                directory, token, content = self.show(account=account, service=service)
                self.assertEqual(subject_of(token), f"system:serviceaccount:ci:{account}")
                self.assertEqual(self.standin.issued(token)["organization"], organization)
                self.assert_complete(token, content)
                self.assertEqual(self.show(account=account, service=service)[:2], (directory, token))
                seen[directory] = token
        self.assertEqual(len(set(seen.values())), 4)
        self.assertEqual(len(seen), 4)
        for directory, token in seen.items():
            self.assertIn(token, (directory / "credentials.json").read_text())

    def test_a_restarted_daemon_and_a_new_token_keep_the_directory(self):
        directory, token, _ = self.show()
        self.node.restart()
        self.assertEqual(self.show()[:2], (directory, token))
        self.standin.configure_upstream(expires_in=2)
        self.node.stop()
        shutil.rmtree(self.node.state)
        self.node.state.mkdir(0o700)
        self.node.start()
        again, new, content = self.show()
        self.assertEqual(again, directory)
        self.assertNotEqual(new, token)
        self.assert_complete(new, content)

    def test_24_at_once_each_have_their_own(self):
        """The directories are made, and their files replaced, under each other's feet."""
        accounts = [ACCOUNTS[i % 2] for i in range(24)]
        home = self.node.directory / "home"
        home.mkdir()
        for _ in range(3):
            for directory in pathlib.Path(RUNTIME).iterdir():
                shutil.rmtree(directory)
            jobs = [self.node.spawn("exec", "--", "sh", "-c", SHOW, token_file=self.files[account, "pulumi"], HOME=str(home))
                    for account in accounts]
            for account, (code, out, error) in zip(accounts, wait_all(jobs)):
                self.assertEqual((code, error), (0, ""))
                line, content = out.split("\n", 1)
                self.assertEqual(subject_of(line.split(" ")[1]), f"system:serviceaccount:ci:{account}")
                self.assert_complete(line.split(" ")[1], json.loads(content))
        self.assertEqual([len(list(path.iterdir())) for path in pathlib.Path(RUNTIME).iterdir()], [1, 1])

    def test_a_program_that_reads_the_file_sees_the_whole_old_or_the_whole_new_one(self):
        directory, _, _ = self.show()
        with open(directory / "credentials.json", encoding="ascii") as old:
            inode = os.fstat(old.fileno()).st_ino
            _, token, content = self.show()
            self.assertNotEqual((directory / "credentials.json").stat().st_ino, inode)
            self.assertIn(token, json.dumps(json.load(old)))
        self.assert_complete(token, content)

    def test_memory_comes_before_disks(self):
        disk = self.node.directory / "disk"
        disk.mkdir()
        if is_in_memory(disk) or not is_in_memory("/dev/shm"):
            self.skipTest("needs a disk at TMPDIR and a tmpfs at /dev/shm")
        with tempfile.TemporaryDirectory(prefix="podlogin-test-", dir="/dev/shm") as memory:
            deep = pathlib.Path(memory, *["x" * 200] * 20)  # so deep that no path below it is short enough
            deep.mkdir(parents=True)
            for first, second in ((memory, "/dev/shm"), (disk, "/dev/shm"), (os.path.relpath(memory), "/dev/shm"),
                                  ("/nonexistent", "/dev/shm"), ("", "/dev/shm"), (deep, "/dev/shm"), (f"/{'x' * 5000}", "/dev/shm")):
                directory, _, _ = self.show(XDG_RUNTIME_DIR=str(first), TMPDIR=str(disk))
                self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
                self.assertEqual(str(directory.parent), memory if first == memory else second)
            self.assertEqual(list(disk.iterdir()), [])

    def occupy(self, *places):
        """Puts a file where the directory would be in each of these places. Returns the directory's name."""
        directory, _, _ = self.show()
        for place in places:
            path = pathlib.Path(place, directory.name)
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(path)
            path.touch()
            self.addCleanup(path.unlink)
        return directory.name

    def test_a_disk_is_used_if_there_is_nothing_else(self):
        disk = self.node.directory / "disk"
        disk.mkdir()
        self.occupy(RUNTIME, "/dev/shm")
        directory, token, content = self.show(TMPDIR=str(disk))
        self.assertEqual(directory.parent, disk)
        self.assert_complete(token, content)

    def test_without_a_place_nothing_is_run(self):
        name = self.occupy(RUNTIME, "/dev/shm", "/tmp")
        marker = self.node.directory / "ran"
        result = self.run_exec("touch", str(marker))
        self.assertEqual((result.returncode, result.stdout), (70, ""))
        self.assertEqual(result.stderr, f"podlogin: /tmp/{name}: cannot make a private directory: Not a directory; set "
                         "TMPDIR to a directory that only this user can write to\n")
        self.assertFalse(marker.exists())

    def test_a_directory_that_others_may_enter_or_a_link_is_not_used(self):
        """Somebody who can write to the place made it before."""
        trap = self.node.directory / "trap"
        trap.mkdir(0o700)
        self.occupy("/dev/shm", "/tmp")
        path = self.show()[0]

        def is_used():
            result = self.run_exec("true")
            self.assertIn(result.returncode, (0, 70), result.stderr)
            return result.returncode == 0
        self.assertTrue(is_used())
        for mode in (0o770, 0o701, 0o755, 0o720):
            path.chmod(mode)
            self.assertFalse(is_used(), oct(mode))
        path.chmod(0o700)
        self.assertTrue(is_used())
        shutil.rmtree(path)
        path.symlink_to(trap)
        self.assertFalse(is_used())
        path.unlink()
        path.symlink_to(self.node.directory / "dangling")
        self.assertFalse(is_used())
        path.unlink()
        self.assertEqual(list(trap.iterdir()), [])
        if os.geteuid() == 0:
            path.mkdir(0o700)
            os.chown(path, 65534, 65534)
            self.assertFalse(is_used())
            path.rmdir()
        self.assertTrue(is_used())

    def test_a_file_of_that_name_is_replaced_and_not_followed(self):
        directory, _, _ = self.show()
        target = self.node.directory / "target"
        target.write_text("untouched")
        (directory / "credentials.json").unlink()
        (directory / "credentials.json").symlink_to(target)
        _, token, content = self.show()
        self.assert_complete(token, content)
        self.assertEqual(target.read_text(), "untouched")

    def test_the_umask_neither_opens_nor_closes_it(self):
        for mask in ("000", "777"):
            for directory in pathlib.Path(RUNTIME).iterdir():
                shutil.rmtree(directory)
            result = subprocess.run(
                ["sh", "-c", f'umask {mask}; exec "$0" exec -- sh -c umask', PODLOGIN], capture_output=True, text=True,
                env=self.node.environment(PODLOGIN_TOKEN_FILE=str(self.files["alice", "pulumi"])), check=False, timeout=20)
            self.assertEqual((result.returncode, result.stdout), (0, f"0{mask}\n"), result.stderr)
            (directory,) = pathlib.Path(RUNTIME).iterdir()
            self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o700)
            self.assertEqual(stat.S_IMODE((directory / "credentials.json").stat().st_mode), 0o600)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to make the root file system read-only")
    def test_with_a_read_only_root_and_no_home(self):
        if not is_in_memory("/dev/shm"):
            self.skipTest("needs a tmpfs at /dev/shm")
        environ = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.files["alice", "pulumi"]))
        del environ["XDG_RUNTIME_DIR"]
        result = subprocess.run(
            ["unshare", "-m", "sh", "-c", 'mount --bind / / && mount -o remount,ro,bind / && ! touch /tmp/x 2>/dev/null &&'
             f' exec "$0" exec -- sh -c \'{SHOW}\'', PODLOGIN],
            capture_output=True, text=True, env=environ, check=False, timeout=20, cwd="/")
        if "unshare" in result.stderr or "mount:" in result.stderr:
            self.skipTest("mounts are not possible here")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        line, content = result.stdout.split("\n", 1)
        self.addCleanup(shutil.rmtree, line.split(" ")[0])
        self.assertTrue(line.startswith("/dev/shm/podlogin-0-"))
        self.assert_complete(line.split(" ")[1], json.loads(content))


if __name__ == "__main__":
    unittest.main()
