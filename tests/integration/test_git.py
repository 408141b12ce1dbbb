#!/usr/bin/env python3
"""git-credential-podlogin: what git asks, what it gets, and who gets nothing."""

import os
import re
import shutil
import subprocess
import unittest

from guarded_server import GuardedServer, basic
from node import NodeCase

GIT = shutil.which("git")
HOST = "git.example.com"


class GitCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.service("git")
        self.start_with_clock()
        self.token_file = self.node.jwt_file(self.mint())
        self.bin = self.node.directory / "bin"
        result = self.node.podlogin("install", str(self.bin), "git-credential-podlogin", "git-credential-podlogin-other")
        self.assertEqual(result.returncode, 0, result.stderr)

    def environment(self, **variables):
        return self.node.environment(**{
            "PODLOGIN_TOKEN_FILE": str(self.token_file), "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.node.directory), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "no_proxy": "*", **variables})

    def run_in(self, command, text, **variables):
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=90,
                              env=self.environment(**variables))


class Helper(GitCase):
    def helper(self, *arguments, text=f"protocol=https\nhost={HOST}\n\n", name="git-credential-podlogin", **variables):
        return self.run_in([self.bin / name, *arguments], text, **variables)

    def assert_answers(self, *arguments, username="x-access-token", **options):
        result = self.helper(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        got = re.fullmatch(r"username=(.*)\npassword=(.*)\npassword_expiry_utc=(\d+)\n", result.stdout)
        self.assertTrue(got, result.stdout)
        self.assertEqual(got[1], username)
        self.assertTrue(self.standin.issued(got[2])["valid"])

    def assert_silent(self, *arguments, **options):
        result = self.helper(*arguments, **options)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""), options)

    def assert_error(self, words, *arguments, code=64, **options):
        result = self.helper(*arguments, **options)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertIn(words, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)

    def test_hosts_that_may_have_the_token(self):
        for hosts in (HOST, f"a,{HOST}", f"{HOST},b", f"a, {HOST} ,b", HOST.upper()):
            self.assert_answers("--hosts", hosts, "get")
            self.assert_answers("get", PODLOGIN_HOSTS=hosts)
        self.assert_answers("--hosts", f"{HOST}:8443", "get", text=f"protocol=https\nhost={HOST}:8443\n")

    def test_no_other_host_gets_anything(self):
        for hosts in ("a", "a,b", "example.com", "git.example", f"x{HOST}", f"{HOST}.evil.com", f"{HOST}:443", ",", "", "*", "."):
            self.assert_silent("--hosts", hosts, "get")
        for host in ("", f"{HOST}:8443", f"{HOST}.", f"{HOST}/", f"evil.com,{HOST}", f"a@{HOST}", "b"):
            self.assert_silent("--hosts", f"a,{HOST}", "get", text=f"protocol=https\nhost={host}\n")
        self.assert_silent("--hosts", "a", "get", PODLOGIN_HOSTS=HOST)
        self.assertEqual(self.exchanges(), 0)

    def test_without_hosts_nobody_does(self):
        self.assert_error(f"{HOST}: no server may have the token; name those that may", "get")
        self.assert_error("no server may have the token", "get", PODLOGIN_HOSTS="")

    def test_https_only(self):
        for protocol in ("http", "HTTPS", "ftp", "ssh", ""):
            self.assert_error("with https only", "--hosts", HOST, "get", text=f"protocol={protocol}\nhost={HOST}\n")

    def test_the_user_name(self):
        self.assert_answers("--hosts", HOST, "--username", "oauth2", "get", username="oauth2")
        self.assert_answers("--hosts", HOST, "get", PODLOGIN_USERNAME="oauth2", username="oauth2")
        text = f"protocol=https\nhost={HOST}\nusername=me\n"
        self.assert_answers("--hosts", HOST, "--username", "oauth2", "get", text=text, username="me")
        self.assert_answers("--hosts", HOST, "get", text=f"protocol=https\nhost={HOST}\nusername=\n")
        for name in ("a\nhost=b", "a b", "ä"):
            self.assert_error("visible ASCII", "--hosts", HOST, "get", PODLOGIN_USERNAME=name)

    def test_the_service(self):
        """A pod may have PODLOGIN_SERVICE for another tool, whose token must not reach a git server."""
        self.node.service("other")
        self.node.restart()
        self.assert_answers("--hosts", HOST, "get", PODLOGIN_SERVICE="none")
        self.assert_answers("--hosts", HOST, "--service", "other", "get")
        self.assert_error("none: UNKNOWN_SERVICE", "--hosts", HOST, "--service", "none", "get", code=78)
        (self.node.etc / "services.d/git.conf").unlink()
        self.node.restart()
        self.assert_answers("--hosts", HOST, "get", name="git-credential-podlogin-other")

    def test_input_with_more_than_it_needs(self):
        for text in (f"capability[]=authtype\nprotocol=https\nhost={HOST}\npath=a/b.git\nwwwauth[]=Basic realm=x\nnonsense\n",
                     f"host={HOST}\nprotocol=https", f"protocol=https\nhost={HOST}\n\nhost=evil\n",
                     f"protocol=https\nhost=other\nhost={HOST}\n"):
            self.assert_answers("--hosts", HOST, "get", text=text)

    def test_input_that_is_none(self):
        for text in ("", "\n", "host=a\n", "protocol=https\n", f"protocol=https\n\nhost={HOST}\n"):
            self.assert_error("git names no host", "--hosts", HOST, "get", text=text)
        for text in (f"protocol=https\nhost={HOST}\0\n", "x" * 100000):
            self.assert_error("cannot read what git wants", "--hosts", HOST, "get", text=text)

    def test_other_operations(self):
        """Also those that git may have one day."""
        for operation in ("store", "erase", "capability", "none"):
            self.assert_silent(operation)
            self.assert_silent("--hosts", HOST, operation)
        self.assert_error("takes one operation")
        self.assert_error("takes one operation", "get", "get")
        self.assert_error("does not take the option", "--json", "get")
        result = self.helper("--help")
        self.assertEqual(result.returncode, 0)
        self.assertTrue(result.stdout.startswith("git-credential-podlogin [OPTIONS] get|store|erase\n"), result.stdout)
        self.assertLessEqual({"--hosts", "--username", "--service"}, set(re.findall(r"--[a-z]+", result.stdout)))

    def test_a_password_that_is_not_the_token(self):
        """Git tells all helpers of what one of them said."""
        self.assert_answers("--hosts", HOST, "get")
        for password in ("", "other", "a b", "ä", "x" * 20000):
            self.assert_silent("--hosts", HOST, "erase", text=f"protocol=https\nhost={HOST}\nusername=a\npassword={password}\n")
        self.assertEqual(self.exchanges(), 1)

    def test_only_a_server_that_may_have_the_token_can_refuse_it(self):
        token = self.helper("--hosts", HOST, "get").stdout.split("password=")[1].splitlines()[0]
        for protocol, host in (("http", HOST), ("https", "other"), ("https", HOST + ":8443")):
            self.assert_silent("--hosts", HOST, "erase", text=f"protocol={protocol}\nhost={host}\npassword={token}\n")
        self.assertEqual(self.exchanges(), 1)
        text = f"protocol=https\nhost={HOST}\npassword={token}\n"
        self.assert_error("git: BUSY", "--hosts", HOST, "erase", text=text, code=75)  # it is too new
        self.clock.turn(31)
        self.assert_silent("--hosts", HOST, "erase", text=text)
        self.assertEqual(self.exchanges(), 2)

    def test_a_refusal(self):
        self.token_file.write_text(self.mint(namespace="prod"))
        self.assert_error("git: POLICY_DENIED", "--hosts", HOST, "get", code=77)


@unittest.skipUnless(GIT, "no git is on PATH")
class Git(GitCase):
    def git(self, *arguments, text=None, **variables):
        return self.run_in([GIT, *arguments], text, **variables)

    def configure(self, value, key="credential.helper"):
        self.assertEqual(self.git("config", "--global", key, value).returncode, 0)

    def test_credential_fill_approve_and_reject(self):
        self.configure(f"podlogin --hosts {HOST}")
        filled = self.git("credential", "fill", text=f"url=https://{HOST}/a.git\n\n")
        self.assertEqual(filled.returncode, 0, filled.stderr)
        answer = dict(line.split("=", 1) for line in filled.stdout.splitlines())
        self.assertEqual((answer["host"], answer["username"]), (HOST, "x-access-token"))
        self.assertTrue(self.standin.issued(answer["password"])["valid"])
        self.clock.turn(31)
        for operation in ("approve", "reject"):
            result = self.git("credential", operation, text=filled.stdout)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual(self.exchanges(), 2)
        other = self.git("credential", "fill", text="url=https://evil.example.com/a.git\n\n")
        self.assertNotEqual(other.returncode, 0)  # it would ask at the terminal
        self.assertNotIn(answer["password"], other.stdout)

    def test_it_reads_a_repository(self):
        server = self.serve_repository()
        environment = {"GIT_SSL_CAINFO": self.standin.ca}
        self.configure(f"podlogin --hosts {server.host}")
        listed = self.git("ls-remote", server.url + "/a.git", **environment)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertRegex(listed.stdout, "^[0-9a-f]{40}\tHEAD\n")
        # git sends nothing before it is asked, and then the right one
        self.assertEqual(server.seen[0], None)
        self.assertTrue(server.seen[1])
        cloned = self.git("clone", "-q", server.url + "/a.git", str(self.node.directory / "clone"), **environment)
        self.assertEqual(cloned.returncode, 0, cloned.stderr)
        self.assertEqual((self.node.directory / "clone/file").read_text(), "content\n")
        self.assertEqual(self.exchanges(), 1)

    def test_a_server_that_is_not_named_gets_nothing(self):
        """Also where git scopes the helper to another URL."""
        server = self.serve_repository()
        for key, value in (("credential.helper", f"podlogin --hosts {HOST}"),
                           (f"credential.https://{HOST}.helper", f"podlogin --hosts {server.host}")):
            with self.subTest(key):
                (self.node.directory / ".gitconfig").unlink(missing_ok=True)
                self.configure(value, key)
                listed = self.git("ls-remote", server.url + "/a.git", GIT_SSL_CAINFO=self.standin.ca)
                self.assertEqual((listed.returncode, listed.stdout), (128, ""))
        self.assertEqual(set(server.seen), {None})
        self.assertEqual(self.exchanges(), 0)

    def test_a_token_that_the_server_refuses_is_replaced(self):
        """Git tells so. Its run has failed; the next one has another token."""
        server = self.serve_repository()
        self.configure(f"podlogin --hosts {server.host}")
        self.assertEqual(self.list_remote(server).returncode, 0)
        self.refused.update(basic(authorization)[1] for authorization in server.seen if authorization)
        self.assertEqual(len(self.refused), 1)
        self.clock.turn(31)  # a newer token is not replaced
        self.assertEqual(self.list_remote(server).returncode, 128)
        self.assertEqual(self.list_remote(server).returncode, 0)
        self.assertEqual(self.exchanges(), 2)

    def list_remote(self, server):
        return self.git("ls-remote", server.url + "/a.git", GIT_SSL_CAINFO=self.standin.ca)

    def serve_repository(self):
        """A repository as plain files."""
        self.refused = set()
        work, bare = self.node.directory / "work", self.node.directory / "a.git"
        name = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
        for arguments in (["init", "-q", work], ["-C", work, "add", "file"], ["-C", work, *name, "commit", "-q", "-m", "one"],
                          ["clone", "-q", "--bare", work, bare], ["-C", bare, "update-server-info"]):
            if arguments[-1] == "file":
                (work / "file").write_text("content\n")
            result = self.git(*arguments)
            self.assertEqual(result.returncode, 0, result.stderr)

        def answer(path):
            file = self.node.directory / path.partition("?")[0].lstrip("/")
            return ("application/octet-stream", file.read_bytes()) if file.is_file() else None

        def is_valid(authorization):
            username, password = basic(authorization)
            token = self.standin.issued(password)
            return username == "x-access-token" and token and token["valid"] and password not in self.refused

        server = GuardedServer(self.standin, 'Basic realm="git"', is_valid, answer)
        self.addCleanup(server.stop)
        return server


if __name__ == "__main__":
    unittest.main()
