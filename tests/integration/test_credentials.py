#!/usr/bin/env python3
"""podlogin login: credentials.json of the Pulumi CLI, which other processes read and write at the same time."""

import contextlib
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import unittest

import pulumi_cli
from node import PODLOGIN, NodeCase, scale, wait_for

LIFETIME_S = 400  # of tokens; JWTs live longer
OTHERS = {
    "current": "https://other.example",
    "accessTokens": {"https://other.example": "pul-other"},
    "accounts": {"https://other.example": {"accessToken": "pul-other", "username": "éva \"x\" \\", "organizations": ["a", "b"],
                                           "lastValidatedAt": "2026-08-21T10:00:00Z", "insecure": True}},
    "later": [{"a": None}, 1.5e3, "}"],
}


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def open_files(pid):
    files = []
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed by now
            files.append(os.readlink(descriptor))
    return files


class LoginCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.standin.configure_upstream(expires_in=LIFETIME_S)
        self.start_with_clock()
        self.jwt = self.mint()
        self.token_file = self.node.jwt_file(self.jwt)
        self.home = self.node.directory / "home"
        self.home.mkdir()
        self.path = self.home / ".pulumi/credentials.json"

    def environment(self, **variables):
        return self.node.environment(**{"PODLOGIN_TOKEN_FILE": str(self.token_file), "HOME": str(self.home), **variables})

    def login(self, *arguments, **variables):
        return subprocess.run([PODLOGIN, "login", *arguments], capture_output=True, text=True, check=False, timeout=90,
                              stdin=subprocess.DEVNULL, env=self.environment(**variables))

    def login_ok(self, *arguments, **variables):
        result = self.login(*arguments, **variables)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        return json.loads(self.path.read_text())

    def write(self, content):
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(content if isinstance(content, str) else json.dumps(content))


class Login(LoginCase):
    def assert_logged_in(self, credentials):
        url = self.standin.upstream
        self.assertEqual(credentials["current"], url)
        token = credentials["accessTokens"][url]
        self.assertTrue(self.standin.issued(token))
        account = credentials["accounts"][url]
        self.assertEqual((account["accessToken"], account["username"]), (token, "ci-bot"))
        self.assertGreater(account["tokenInformation"]["expiresAt"], account["lastValidatedAt"])

    def test_a_new_file(self):
        self.assert_logged_in(self.login_ok())
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)
        self.assertTrue(self.path.read_text().startswith('{\n    "current": '))

    def test_the_directory(self):
        for name in ("PULUMI_HOME", "PULUMI_CREDENTIALS_PATH"):
            self.path = self.node.directory / name / "deep" / "credentials.json"
            self.assert_logged_in(self.login_ok(**{name: str(self.path.parent), "PULUMI_HOME": str(self.node.directory / "PULUMI_HOME/deep")}))
        result = self.login(HOME="")
        self.assertEqual(result.returncode, 64)
        self.assertIn("HOME", result.stderr)

    def test_other_accounts_stay(self):
        for indent in (None, 4):
            self.write(json.dumps(OTHERS, indent=indent))
            credentials = self.login_ok()
            self.assert_logged_in(credentials)
            for name in ("accessTokens", "accounts"):
                self.assertEqual(credentials[name]["https://other.example"], OTHERS[name]["https://other.example"])
            self.assertEqual(credentials["later"], OTHERS["later"])
            self.assertEqual(self.login_ok(), credentials | {"accounts": self.login_ok()["accounts"]})

    def test_its_own_account_is_replaced(self):
        url = self.standin.upstream
        self.write({"accounts": {url: {"accessToken": "old", "refreshToken": "old"}}, "accessTokens": {url: "old"}})
        credentials = self.login_ok()
        self.assert_logged_in(credentials)
        self.assertNotIn("old", self.path.read_text())
        self.assertEqual(list(credentials["accounts"]), [url])

    def test_a_shorter_content_leaves_nothing_behind(self):
        url = self.standin.upstream
        self.write({"accounts": {url: {"accessToken": "x" * 30000}}})
        self.login_ok()

    def test_empty_files_count_as_none(self):
        for content in ("", " \n", "{}", '{"accounts":null,"accessTokens":{}}'):
            self.write(content)
            self.assert_logged_in(self.login_ok())

    def test_what_is_not_such_a_file_is_left_alone(self):
        bad = ["x", "[]", "{", '{"a":1', '{"a":1}}', '{"a" 1}', '{"a":1,}', '{"accounts":[]}', '{"accounts":"x"}', '{"a":[}', '{"a":"\n"}',
               '{"accounts":{"x":1},"accessTokens":{"x"}}', '{"a":' + "[" * 100 + "]" * 100 + "}", '{"a":"\\']
        for content in bad:
            self.write(content)
            result = self.login()
            self.assertEqual((result.returncode, result.stdout), (70, ""), content)
            self.assertEqual(result.stderr, f"podlogin: login: {self.path}: this is not a file of the Pulumi CLI; move it away\n")
            self.assertEqual(self.path.read_text(), content)

    def test_the_mode_of_such_a_file_is_left_alone(self):
        """A link may lead to one that others need to read, such as /etc/passwd."""
        other = self.node.directory / "other"
        other.write_text("root:x:0:0::/root:/bin/sh\n")
        other.chmod(0o644)
        self.path.parent.mkdir()
        self.path.symlink_to(other)
        self.assertEqual(self.login().returncode, 70)
        self.assertEqual(stat.S_IMODE(other.stat().st_mode), 0o644)

    def test_an_encrypted_file_is_left_alone(self):
        content = '{"$pulumiSecureStore":1,"backend":"file","algo":"aes-256-gcm","nonce":"x","data":"y"}'
        self.write(content)
        result = self.login()
        self.assertEqual(result.returncode, 70)
        self.assertIn("the Pulumi CLI has encrypted this file", result.stderr)
        self.assertEqual(self.path.read_text(), content)

    def test_a_file_that_others_may_read_is_closed_to_them(self):
        self.write("{}")
        self.path.chmod(0o644)
        self.login_ok()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_it_waits_for_the_lock(self):
        self.write(OTHERS)
        with open(self.path, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            result = self.login("--timeout", "300ms")
            self.assertEqual(result.returncode, 70)
            self.assertIn("another process holds the lock of the file until the timeout", result.stderr)
            self.assertEqual(json.loads(self.path.read_text()), OTHERS)
            threading.Timer(0.5, lambda: fcntl.flock(file, fcntl.LOCK_UN)).start()
            self.login_ok()
            time.sleep(0.6)

    def test_a_file_that_is_replaced_while_it_waits_for_the_lock(self):
        self.write("{}")
        with open(self.path, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            process = subprocess.Popen([PODLOGIN, "login", "--timeout", "60s"], stdin=subprocess.DEVNULL, env=self.environment())
            if os.getuid() == 0:
                wait_for(lambda: str(self.path) in open_files(process.pid), what="the open file")
            else:  # the process cannot be looked at; if it is not there yet, the case is a simpler one
                wait_for(self.exchanges, what="its token")
                time.sleep(0.5)
            other = self.path.with_name("other")
            other.write_text(json.dumps(OTHERS))
            other.rename(self.path)
        self.assertEqual(process.wait(60), 0)
        credentials = json.loads(self.path.read_text())
        self.assert_logged_in(credentials)
        self.assertIn("https://other.example", credentials["accounts"])

    def test_other_things_in_its_place(self):
        self.path.parent.mkdir()
        os.mkfifo(self.path)
        self.assertEqual(self.login().returncode, 70)
        self.path.unlink()
        self.path.mkdir()
        result = self.login()
        self.assertEqual((result.returncode, result.stderr), (70, f"podlogin: login: {self.path}: Is a directory\n"))

    def test_a_full_disk_changes_nothing(self):
        self.write(OTHERS)
        limit = len(json.dumps(OTHERS)) + 10  # a file may not become longer
        run = subprocess.run(["bash", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "bash", PODLOGIN, "login"], capture_output=True,
                             text=True, check=False, env=self.environment())
        self.assertGreater(limit, 0)
        self.assertEqual(run.returncode, 70, run.stderr)
        self.assertEqual(json.loads(self.path.read_text()), OTHERS)

    def test_the_variable_that_comes_before_the_file(self):
        result = self.login(PULUMI_ACCESS_TOKEN="pul-x")
        self.assertEqual(result.returncode, 0)
        self.assertIn("uses PULUMI_ACCESS_TOKEN before this file", result.stderr)
        self.assertNotIn("pul-x", result.stderr)

    def test_usage(self):
        for arguments in (["a", "b"], ["--ready-file", "/x"], ["--json"]):
            self.assertEqual(self.login(*arguments).returncode, 64, arguments)


class KeepFreshCase(LoginCase):
    def spawn(self, *arguments, **variables):
        process = subprocess.Popen([PODLOGIN, "login", "--keep-fresh", *arguments], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, env=self.environment(**variables))
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def token(self):
        try:
            return json.loads(self.path.read_text()).get("accessTokens", {}).get(self.standin.upstream)
        except (FileNotFoundError, ValueError):
            return None

    def turn(self):
        """Lets a part of a token's lifetime pass. Returns the token in the file."""
        self.clock.turn(LIFETIME_S / 20)
        time.sleep(0.2)
        return self.token()

    def wait_for_token(self, other_than=None):
        wait_for(lambda: self.token() not in (None, other_than), what="a token in the file")
        return self.token()

    def stop(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        return error


class Writers(KeepFreshCase):
    """Twenty processes write the file at once: each of ours for a backend of its own, and a Pulumi CLI."""

    OURS = 19

    def setUp(self):
        super().setUp()
        # one server under many names: upper and lower case are the same host
        names = ["".join(letter.upper() if number >> i & 1 else letter for i, letter in enumerate("localhost"))
                 for number in range(self.OURS)]
        self.urls = [self.standin.upstream.replace("localhost", name) for name in names]
        for number, url in enumerate(self.urls):
            self.node.service(f"s{number}", api_url=url)
        self.node.restart()
        self.write(OTHERS)
        self.torn = []
        self.is_over = threading.Event()
        reader = threading.Thread(target=self.read)
        reader.start()
        self.addCleanup(reader.join)
        self.addCleanup(self.is_over.set)

    def read(self):
        """As the CLI reads: with a lock, and an empty file counts as none."""
        while not self.is_over.is_set():
            with open(self.path, encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                text = file.read()
            try:
                json.loads(text or "{}")
            except ValueError as error:
                self.torn.append(f"{error}: {text[-80:]}")

    def accounts(self):
        with open(self.path, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return set(json.loads(file.read() or "{}").get("accounts", {}))

    def test_that_all_log_in_at_once(self):
        for _ in range(scale(5, 100)):
            self.write(OTHERS)
            processes = [subprocess.Popen([PODLOGIN, "login", f"s{number}", "--timeout", "60s"], env=self.environment(),
                                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) for number in range(self.OURS)]
            for process in processes:
                _, error = process.communicate(timeout=90)
                self.assertEqual((process.returncode, error), (0, b""))
            self.assertEqual(self.accounts(), {*self.urls, "https://other.example"})
        self.assertEqual(self.torn, [])

    def test_that_keep_theirs_beside_a_cli(self):
        """The CLI locks to read, and again to write: what was written in between is lost, and put back."""
        processes = [self.spawn(f"s{number}", "--timeout", "60s") for number in range(self.OURS)]
        wait_for(lambda: set(self.urls) <= self.accounts(), what="all accounts")
        os.environ["PULUMI_CREDENTIALS_PATH"] = str(self.path.parent)
        self.addCleanup(os.environ.pop, "PULUMI_CREDENTIALS_PATH")
        for number in range(scale(100, 1000)):
            credentials = pulumi_cli.read_credentials()
            credentials["accounts"]["https://cli.example"] = {"accessToken": str(number) * random.randint(1, 50)}
            credentials["accounts"].pop(random.choice(self.urls), None)  # as if it had not been there before
            pulumi_cli.write_credentials(credentials)
            wait_for(lambda: {*self.urls, "https://cli.example"} <= self.accounts(), what=f"all accounts in round {number}")
        for process in processes:
            self.assertEqual(self.stop(process), "")
        self.assertEqual(self.torn, [])


class KeepFresh(KeepFreshCase):
    def test_each_new_token_is_written(self):
        process = self.spawn()
        first = self.wait_for_token()
        self.node.stop()
        self.start_with_clock()
        self.token_file.write_text(self.mint(lifetime=7200))
        wait_for(lambda: self.turn() != first, what="another token")
        second = self.wait_for_token(first)
        self.assertTrue(self.standin.issued(second))
        self.assertEqual(self.stop(process), "")
        self.assertEqual(self.token(), second)  # the file stays

    def test_readiness(self):
        ready, sock = self.node.directory / "ready", socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(str(self.node.directory / "notify"))
        sock.settimeout(60)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process = self.spawn("--ready-file", str(ready), NOTIFY_SOCKET=str(self.node.directory / "notify"))
            self.assertEqual(sock.recv(100), b"READY=1\nSTATUS=The token is fresh")
            self.assertTrue(ready.exists())
            self.assertIsNotNone(self.token())
            self.stop(process, number)
            self.assertEqual(sock.recv(100), b"STOPPING=1")
            self.assertFalse(ready.exists())

    def test_an_abstract_notify_socket(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.settimeout(60)
        name = f"podlogin-test-{os.getpid()}"
        sock.bind("\0" + name)
        process = self.spawn(NOTIFY_SOCKET="@" + name)
        self.assertTrue(sock.recv(100).startswith(b"READY=1\n"))
        self.stop(process)

    def test_a_token_that_could_not_be_written_is_written_later(self):
        """While somebody holds the lock. The daemon has no other token for a while, so the watch says nothing more."""
        process = self.spawn("--timeout", "300ms")
        first = self.wait_for_token()
        with open(self.path, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            self.clock.turn(31)
            second = self.node.podlogin("token", "--rejected", token_file=self.token_file, PULUMI_ACCESS_TOKEN=first).stdout.strip()
            self.assertEqual(process.stderr.readline(), f"podlogin: login: {self.path}: another process holds the lock of the "
                                                        "file until the timeout\n")
        self.assertEqual(self.wait_for_token(first), second)
        self.assertEqual(self.stop(process), "")

    def test_no_daemon_at_the_start(self):
        self.node.stop()
        self.node.process = None
        process = self.spawn("--timeout", "500ms")
        _, error = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 69, error)
        self.assertFalse(self.path.exists())

    def test_a_signal_while_it_waits_for_the_daemon(self):
        self.node.stop()
        self.node.process = None
        process = self.spawn("--timeout", "60s")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
        self.assertEqual((process.returncode, error), (75, "podlogin: pulumi: CANCELLED: the caller has cancelled the call\n"))

    def test_trouble_is_told_once_and_when_it_is_over(self):
        process = self.spawn("--timeout", "1s")
        first = self.wait_for_token()
        self.node.stop()
        self.assertRegex(process.stderr.readline(), "^podlogin: login: cannot renew the token: UNREACHABLE: .*\n$")
        self.start_with_clock()
        wait_for(lambda: self.turn() != first, what="another token")
        second = self.wait_for_token(first)
        self.assertNotEqual(second, first)
        self.assertEqual(process.stderr.readline(), "podlogin: login: the token has been renewed\n")
        self.assertEqual(self.stop(process), "")

    def test_an_account_that_a_cli_has_lost_is_put_back(self):
        """The CLI reads the file before we write it, and writes it after."""
        process = self.spawn()
        token = self.wait_for_token()
        for content in (OTHERS, "", {"accounts": {}}):
            with open(self.path, "r+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.truncate(0)
                file.write(content if isinstance(content, str) else json.dumps(content))
            self.wait_for_token()
            self.assertEqual(self.token(), token)
        self.path.unlink()  # pulumi logout --all
        self.assertEqual(self.wait_for_token(), token)
        self.assertEqual(self.stop(process), "")

    def test_a_directory_that_is_removed_or_replaced(self):
        process = self.spawn()
        token = self.wait_for_token()
        for change in (shutil.rmtree, lambda directory: directory.rename(self.home / "away")):
            while self.path.parent.exists():
                with contextlib.suppress(OSError):  # it may put the file back into a directory that is being removed
                    change(self.path.parent)
                    break
            self.assertEqual(self.wait_for_token(), token)
            self.path.unlink()  # it watches the new directory
            self.assertEqual(self.wait_for_token(), token)
        self.assert_comes_to_rest(process)
        self.assertEqual(self.stop(process), "")

    def test_another_token_for_the_same_backend_is_left_alone(self):
        """Two that put back theirs would do so for ever."""
        process = self.spawn()
        token = self.wait_for_token()
        credentials = json.loads(self.path.read_text().replace(token, "pul-of-somebody"))
        with open(self.path, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            json.dump(credentials, file)
        other = subprocess.run([PODLOGIN, "login"], check=True, env=self.environment(PULUMI_HOME=str(self.home / "elsewhere")))
        self.assertEqual(other.returncode, 0)
        self.stop(process)
        self.assertEqual(self.token(), "pul-of-somebody")

    def assert_comes_to_rest(self, process):
        """In a second of ten, it needs no time of the processor: what it did itself does not wake it."""
        def is_at_rest():
            before = cpu_ticks(process.pid)
            time.sleep(1)
            return cpu_ticks(process.pid) == before
        for _ in range(10):
            if is_at_rest():
                return
        self.fail("it is busy for ever")

    def test_its_own_writing_does_not_wake_it_for_ever(self):
        process = self.spawn()
        token = self.wait_for_token()
        with open(self.path, "r+", encoding="utf-8"):
            pass  # as after each renewal
        self.assert_comes_to_rest(process)
        self.path.unlink()
        self.assertEqual(self.wait_for_token(), token)
        self.assert_comes_to_rest(process)
        self.path.write_text("x")  # it cannot be put back
        self.assertIn("this is not a file of the Pulumi CLI", process.stderr.readline())
        self.assert_comes_to_rest(process)
        self.assertEqual(self.stop(process), "")

    def test_beside_clis_that_write_at_random(self):
        """Never torn; and the account is there in the end, however the CLI's writes were interleaved."""
        process = self.spawn()
        self.wait_for_token()
        script = f"""
import os, random, sys
sys.path.insert(0, {os.path.dirname(pulumi_cli.__file__)!r})
os.environ["PULUMI_CREDENTIALS_PATH"] = {str(self.path.parent)!r}
import pulumi_cli, time
for number in range({scale(50, 1000)}):
    credentials = pulumi_cli.read_credentials()
    time.sleep(random.random() / 200)
    credentials.setdefault("accounts", {{}})["https://cli.example"] = {{"accessToken": str(number) * random.randint(1, 50)}}
    if number % 7 == 0:
        credentials["accounts"].pop({self.standin.upstream!r}, None)
    pulumi_cli.write_credentials(credentials)
"""
        clis = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(4)]
        for cli in clis:
            _, error = cli.communicate(timeout=240)
            self.assertEqual((cli.returncode, error), (0, b""))
        wait_for(lambda: self.standin.upstream in json.loads(self.path.read_text() or "{}").get("accounts", {}), what="the account")
        self.assertTrue(self.standin.issued(self.token()))
        self.assertIn("https://cli.example", json.loads(self.path.read_text())["accounts"])
        self.assertEqual(self.stop(process), "")


if __name__ == "__main__":
    unittest.main()
