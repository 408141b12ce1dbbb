"""Jobs that run the Pulumi CLI under `podlogin exec`: each call carries the job's own token, and none asks who it is.

$PULUMI names the CLI; without it, tests/support/pulumi_cli.py stands for it. `./dev e2e pulumi` runs this file with the
real one. Names of stacks differ in each test, because the stand-in keeps them."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest
import uuid

from node import PODLOGIN, NodeCase, subject_of, wait_all

REAL = os.environ.get("PULUMI")
CLI = [os.path.abspath(shutil.which(REAL) or REAL)] if REAL else [sys.executable, str(pathlib.Path(__file__).parents[1] / "support/pulumi_cli.py")]
ACCOUNTS = ("alice", "bob")
SERVICES = {"pulumi": "acme", "other": "other"}  # and their organizations


class Pulumi(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.service("other", audience="urn:pulumi:org:other", organization="other")
        self.standin.configure_upstream(organizations=["acme", "other"])
        self.node.start()
        self.files = {(account, service): self.node.jwt_file(
            self.mint(serviceaccount=account, audience=[f"urn:pulumi:org:{organization}"]), f"{account}-{service}")
                      for account in ACCOUNTS for service, organization in SERVICES.items()}
        self.home = self.node.directory / "home"
        self.project = self.node.directory / "fake"
        self.project.mkdir()
        (self.project / "Pulumi.yaml").write_text("name: fake\nruntime: yaml\n")
        self.standin.reset_calls()

    def environment(self, account, service, **variables):
        return self.node.environment(**{
            "PODLOGIN_TOKEN_FILE": str(self.files[account, service]), "HOME": str(self.home), "SSL_CERT_FILE": self.standin.ca,
            "PULUMI_SKIP_UPDATE_CHECK": "true", **variables})

    def spawn(self, *arguments, account="alice", service="pulumi", before=(), **variables):
        return subprocess.Popen(
            [PODLOGIN, "exec", service, "--", *before, *CLI, *arguments], stdin=subprocess.DEVNULL, cwd=self.project,
            env=self.environment(account, service, **variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_ok(self, *arguments, **options):
        ((code, out, error),) = wait_all([self.spawn(*arguments, **options)])
        self.assertEqual(code, 0, error)
        self.assertNotIn("Logging in", error)
        return out

    def calls(self):
        """The calls since the last time, but for those that are not about an account."""
        calls = self.standin.calls()
        self.standin.reset_calls()
        return calls

    def assert_only_calls_of(self, account, organization="acme"):
        """All calls were made with valid tokens of this account and organization. Returns their paths."""
        calls = self.calls()
        for call in calls:
            self.assertEqual(subject_of(call["token"]), f"system:serviceaccount:ci:{account}", call["path"])
            self.assertEqual(self.standin.issued(call["token"])["organization"], organization, call["path"])
            self.assertNotEqual(call["status"], 401, call["path"])
            self.assertNotEqual(call["path"], "/api/user")
        return [call["path"] for call in calls]

    def test_whoami_asks_nothing(self):
        self.assertEqual(self.run_ok("whoami"), "ci-bot")
        self.assertEqual(self.run_ok("whoami", account="bob"), "ci-bot")
        self.assertEqual(self.assert_only_calls_of("alice"), [])
        self.assertEqual(self.exchanges(), 2)

    def test_the_commands_of_a_job(self):
        name = "s" + uuid.uuid4().hex[:8]
        stacks = "/api/stacks/acme/fake"
        self.assertEqual(self.run_ok("org", "get-default"), "acme")
        self.assertIn("acme/default/test", self.run_ok("env", "ls"))
        self.assertIn("/api/esc/environments", self.assert_only_calls_of("alice"))
        self.run_ok("stack", "init", name)
        self.assertIn(stacks, self.assert_only_calls_of("alice"))
        self.assertIn(name, self.run_ok("stack", "ls"))
        self.assertIn("/api/user/stacks", self.assert_only_calls_of("alice"))
        if REAL:
            self.run_ok("config", "set", "--secret", "key", "hush", "--stack", name)
            self.assertEqual(self.run_ok("config", "get", "key", "--stack", name), "hush")
        else:
            self.assertEqual(self.run_ok("config", "set", "key", "hush", name), "key=hush")
        paths = self.assert_only_calls_of("alice")
        self.assertIn(f"{stacks}/{name}/encrypt", paths)
        self.assertTrue([path for path in paths if "decrypt" in path])
        self.run_ok("stack", "rm", name, *(["--yes"] if REAL else []))
        self.assertIn(f"{stacks}/{name}", self.assert_only_calls_of("alice"))
        self.assertNotIn(name, self.run_ok("stack", "ls"))
        self.assertEqual(self.exchanges(), 1)

    def test_accounts_and_services_in_one_home(self):
        """In turn: what one of them leaves behind is not used by the next, not even by `env`."""
        for account in ACCOUNTS:
            for service, organization in SERVICES.items():
                self.run_ok("env", "ls", account=account, service=service)
                self.run_ok("stack", "ls", account=account, service=service)
                self.assertIn("/api/esc/environments", self.assert_only_calls_of(account, organization))

    def test_24_jobs_of_two_accounts_in_one_home(self):
        # a stack has the name of its account, so that each POST tells both whose it is and whose it should be
        jobs = [self.spawn("stack", "init", f"{account}-{uuid.uuid4().hex[:8]}", account=account)
                for account in ACCOUNTS * 12]
        for code, _, error in wait_all(jobs, 300):
            self.assertEqual(code, 0, error)
        calls = self.calls()
        made = [(call["body"]["stackName"].split("-")[0], subject_of(call["token"]).rsplit(":", 1)[1])
                for call in calls if call["method"] == "POST"]
        self.assertEqual(sorted(made), sorted((account, account) for account in ACCOUNTS * 12))
        self.assertEqual([call for call in calls if call["path"] == "/api/user"], [])
        self.assertEqual(self.exchanges(), 2)

    def test_without_a_directory_of_its_own_a_job_would_use_the_token_of_another(self):
        """What the directory is for. If a later CLI no longer does this, the directory is not needed any more."""
        without = ("env", "-u", "PULUMI_CREDENTIALS_PATH")
        for account in ACCOUNTS:
            job = self.spawn("env", "ls", account=account, before=without)
            wait_all([job])
        subjects = [subject_of(call["token"]) for call in self.calls()
                    if call["path"].startswith("/api/esc/environments") and call["token"]]
        self.assertIn("system:serviceaccount:ci:alice", subjects)
        self.assertNotIn("system:serviceaccount:ci:bob", subjects)

    def test_a_new_token_is_used_at_once(self):
        self.run_ok("env", "ls")
        first = {call["token"] for call in self.calls()}
        self.node.stop()
        shutil.rmtree(self.node.state)
        self.node.state.mkdir(0o700)
        self.node.start()
        self.run_ok("env", "ls")
        second = {call["token"] for call in self.calls()}
        self.assertEqual((len(first), len(second), len(first | second)), (1, 1, 2))

    def test_neither_a_home_nor_a_file_system_that_can_be_written_to(self):
        for variables in ({"HOME": "/nonexistent"}, {"HOME": "/proc/1"}):
            self.assertEqual(self.run_ok("whoami", **variables), "ci-bot")
            self.run_ok("env", "ls", **variables)
        self.assert_only_calls_of("alice")


if __name__ == "__main__":
    unittest.main()
