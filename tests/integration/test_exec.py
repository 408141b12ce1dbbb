#!/usr/bin/env python3
"""The provider exec: programs of an administrator that answer, hang, print too much, print garbage, fail, fork and stay.

Each program is a script that the test writes. All that it starts has the script's path in its arguments or its
environment, so that what is left behind is found in /proc."""
import json
import os
import pathlib
import signal
import stat
import sys
import time
import unittest

from node import NodeCase, wait_for

SERVICE = """[Service]
Provider=exec
Issuer=eks
Audience=urn:pulumi:org:acme

[Exec]
Command={command}
ReadPaths={read}
{settings}

[Allow "all"]
sub=*
"""
GOOD = json.dumps({"access_token": "secret-0123456789", "token_type": "Bearer", "expires_in": 3600})


def processes_with(marker):
    """The processes that have @marker in their arguments, but those of the daemon and of this test."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in arguments:
            found.append((int(entry.name), arguments))
    return found


class ExecCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.programs = self.node.directory / "programs"
        self.programs.mkdir()

    def program(self, text, name="program", settings="", arguments="", interpreter=sys.executable, read=""):
        """Writes a program, and a service `exec` that has it."""
        path = self.programs / name
        path.write_text(f"#!{interpreter}\n{text}\n")
        path.chmod(0o755)
        self.node.write("services.d/exec.conf",
                        SERVICE.format(command=f"{path} {arguments}".strip(), settings=settings,
                                       read=f"{sys.base_prefix} {read}".strip()))
        return path

    def tearDown(self):
        self.assertEqual(processes_with(str(self.programs)), [])
        super().tearDown()

    def ask(self, jwt=None, *arguments):
        return self.get(jwt or self.mint(), "exec", *arguments)

    def assert_answer(self, **expected):
        code, answer, error = self.ask()
        self.assertEqual(code, 0, f"{error}\n{self.node.log()}")
        self.assertEqual({name: answer.get(name) for name in expected}, expected)
        return answer


class Answers(ExecCase):
    def test_a_program_exchanges_a_token(self):
        """It reads the JWT on its standard input, and neither in its arguments nor in its environment."""
        self.program(f"""import json, os, sys
request = json.load(sys.stdin)
jwt = request["subject_token"]
assert jwt.count(".") == 2 and request["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt", request
environment = open("/proc/self/environ").read()
assert jwt not in environment and jwt not in open("/proc/self/cmdline").read()
assert sorted(os.environ) == ["LANG", "PATH"], sorted(os.environ)
assert os.getcwd() == "/" and os.getsid(0) == os.getpid() and sys.argv[1:] == ["--for", "*"], sys.argv
assert sorted(map(int, os.listdir("/proc/self/fd")))[:4] == [0, 1, 2, 3]  # the last is that of this directory
print({GOOD!r})""", arguments="--for  *")
        self.node.start(PODLOGIN_TEST_SECRET="nothing of the daemon's environment")
        self.assert_answer(token="secret-0123456789", token_type="Bearer")
        self.assertLessEqual(self.ask()[1]["expires_in"] if "expires_in" in self.ask()[1] else 0, 3600)

    def test_it_is_called_once_for_a_service_account(self):
        counter = self.programs / "calls"
        self.program(f"open({str(counter)!r}, 'a').write('x'); print({GOOD!r})", settings=f"ReadWritePaths={self.programs}")
        self.node.start()
        for _ in range(3):
            self.assert_answer(token="secret-0123456789")
        self.assertEqual(counter.read_text(), "x")

    def test_further_variables_are_those_that_the_settings_name(self):
        answer = {"access_token": "t0ken", "expires_at": int(time.time()) + 600,
                  "variables": {"CI_URL": "https://ci.example/?a=b c", "CI_USER": "ci"}}
        self.program(f"print({json.dumps(answer)!r})",
                     settings="EnvironmentVariable=CI_TOKEN\nVariables=CI_URL CI_USER CI_REALM")
        self.node.start()
        jwt_file = self.node.jwt_file(self.mint())
        result = self.node.podlogin("exec", "exec", "--", "env", token_file=jwt_file)
        self.assertEqual(result.returncode, 0, result.stderr)
        environment = dict(line.split("=", 1) for line in result.stdout.splitlines())
        self.assertEqual({name: environment[name] for name in ("CI_TOKEN", "CI_URL", "CI_USER")},
                         {"CI_TOKEN": "t0ken", "CI_URL": "https://ci.example/?a=b c", "CI_USER": "ci"})

    def test_a_variable_that_the_settings_do_not_name_is_refused(self):
        answer = {"access_token": "t0ken", "expires_in": 60, "variables": {"OTHER": "x"}}
        self.program(f"print({json.dumps(answer)!r})", settings="Variables=CI_URL")
        self.node.start()
        self.assert_fails("UPSTREAM_PROTOCOL", 75, "the output sets a variable that Variables= does not name")

    def assert_fails(self, name, code, sentence):
        error = self.assert_refused(name, code, self.mint(), "exec")
        self.assertIn(sentence, error)
        return error

    def test_each_way_to_fail_is_an_error_of_its_own(self):
        said = json.dumps({"error": "invalid_grant", "error_description": "not you"})
        for text, name, code, sentence in (
                ("raise SystemExit(75)", "UPSTREAM_UNAVAILABLE", 75, "the program ended with status 75"),
                ("raise SystemExit(77)", "UPSTREAM_REFUSED", 77, "the program ended with status 77"),
                (f"print({said!r}); raise SystemExit(77)", "UPSTREAM_REFUSED", 77, "status 77: invalid_grant: not you"),
                (f"print({said!r})", "UPSTREAM_REFUSED", 77, "status 0: invalid_grant: not you"),
                (f"print({said!r}); raise SystemExit(1)", "UPSTREAM_REFUSED", 77, "status 1: invalid_grant: not you"),
                ("raise SystemExit(78)", "UPSTREAM_REFUSED", 77, "the program ended with status 78"),
                ("raise SystemExit(1)", "UPSTREAM_UNAVAILABLE", 75, "the program ended with status 1"),
                ("raise SystemExit(255)", "UPSTREAM_UNAVAILABLE", 75, "the program ended with status 255"),
                ("import os; os.kill(os.getpid(), 11)", "UPSTREAM_UNAVAILABLE", 75, "was killed by signal 11"),
                ("print('hello')", "UPSTREAM_PROTOCOL", 75, "the output of the program is not a JSON object"),
                ("", "UPSTREAM_PROTOCOL", 75, "the output of the program is not a JSON object"),
                ("print('{}')", "UPSTREAM_PROTOCOL", 75, "no valid access_token"),
                ("import os; os.write(1, os.urandom(5000))", "UPSTREAM_PROTOCOL", 75, "is not a JSON object"),
                ("print('x' * 65537)", "UPSTREAM_PROTOCOL", 75, "the program printed more than 65536 bytes"),
                ("while True: print('x' * 1000)", "UPSTREAM_PROTOCOL", 75, "printed more than 65536 bytes"),
        ):
            with self.subTest(text):
                self.program(text)
                self.node.start()  # each with a closed circuit breaker
                self.assert_fails(name, code, sentence)
                self.assertEqual(self.node.stop(), 0)

    def test_a_program_that_cannot_be_executed_is_told(self):
        path = self.program("")
        self.node.start()
        for why, change in (("No such file or directory", path.unlink),
                            ("Permission denied", lambda: path.write_text("#!/bin/sh\n")),
                            ("Exec format error", lambda: (path.write_text("x"), path.chmod(0o755)))):
            change()
            self.assert_fails("UPSTREAM_REFUSED", 77, f"Command= cannot be executed: {why}")


if __name__ == "__main__":
    unittest.main()
