#!/usr/bin/env python3
"""podlogin aws and aws-endpoint: what AWS SDKs read, who else may read it, and what becomes of the command."""

import contextlib
import errno
import functools
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import unittest

from node import PODLOGIN, NodeCase, children, wait_all, wait_for
from seccomp import forbid

AUDIENCE = "sts.amazonaws.com"
SERVICE = """[Service]
Provider=aws-sts
Issuer=eks
Audience={audience}
CAFile={ca}

[AWS]
RoleARN=arn:aws:iam::123456789012:role/ci
Region=us-west-2
SessionName=pod-1
Endpoint={endpoint}

[Allow "ci"]
"kubernetes.io".namespace=ci
"""
PROGRAM = """[Service]
Provider=exec
Issuer=eks
Audience={audience}

[Exec]
Command={command}
EnvironmentVariable=AWS_SESSION_TOKEN
Variables=AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

[Allow "ci"]
"kubernetes.io".namespace=ci
"""
ROLE = "arn:aws:sts::123456789012:assumed-role/ci/pod-1"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
STALE = (*KEYS, "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_ROLE_ARN",
         "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
         "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
PATH = "/v1/credentials"
PIDFD_OPEN, CLOSE_RANGE = 434, 436  # on all architectures

# Prints its environment, and stays until standard input ends.
STAY = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


@functools.cache
def has_aws():
    """Whether it is there and runs: it may be of another user."""
    with contextlib.suppress(OSError):
        return subprocess.run(["aws", "--version"], capture_output=True, check=False).returncode == 0
    return False


class AwsCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.add_service("aws")
        self.node.start()
        self.token_file = self.node.jwt_file(self.mint(audience=[AUDIENCE]))

    def add_service(self, name):
        self.node.write(f"services.d/{name}.conf", SERVICE.format(
            audience=AUDIENCE, ca=self.standin.ca, endpoint=self.standin.upstream))

    def podlogin(self, *arguments, **variables):
        return self.node.podlogin(*arguments, token_file=self.token_file, **variables)

    def assert_credentials(self, answer, session):
        self.assertTrue(self.standin.issued(answer[session], access_key_id=answer["AccessKeyId"],
                                            secret_access_key=answer["SecretAccessKey"])["valid"])
        self.assertRegex(answer["Expiration"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def aws(self, *command, **variables):
        """What the AWS CLI says that it is: @command runs it."""
        environment = self.node.environment(
            HOME=str(self.node.directory), AWS_CA_BUNDLE=self.standin.ca, AWS_EC2_METADATA_DISABLED="true",
            PODLOGIN_TOKEN_FILE=str(self.token_file), **variables)
        result = subprocess.run(
            [*command, shutil.which("aws"), "--endpoint-url", self.standin.upstream, "--region", "us-west-2", "sts",
             "get-caller-identity"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=90,
            env=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["Arn"]


class CredentialProcess(AwsCase):
    def test_it_prints_what_the_sdks_expect(self):
        result = self.podlogin("aws")
        self.assertEqual(result.returncode, 0, result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual(set(answer), {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"})
        self.assertEqual(answer["Version"], 1)
        self.assert_credentials(answer, "SessionToken")

    def test_the_service(self):
        """A pod may have PODLOGIN_SERVICE for another tool."""
        self.add_service("prod")
        self.node.restart()
        for arguments, variables in ((["prod"], {}), (["--service", "prod"], {}), ([], {"PODLOGIN_SERVICE": "pulumi"})):
            result = self.podlogin("aws", *arguments, **variables)
            self.assertEqual(result.returncode, 0, (arguments, variables, result.stderr))

    def test_errors(self):
        pulumi = self.node.jwt_file(self.mint(), "pulumi")
        for arguments, code, words in (
                (["aws", "pulumi", "--token-file", pulumi], 64, "pulumi: the token of this service has no AWS_ACCESS_KEY_ID"),
                (["aws-endpoint", "pulumi", "--token-file", pulumi, "--", "true"], 64, "name a service with Provider=aws-sts"),
                (["aws", "a", "b"], 64, "at most one service"),
                (["aws-endpoint", "a", "b", "--", "true"], 64, "at most one service"),
                (["aws-endpoint", "aws"], 64, "needs -- and a command"),
                (["aws-endpoint", "--"], 64, "needs -- and a command"),
                (["aws", "none"], 78, "UNKNOWN_SERVICE"),
                (["aws-endpoint", "none", "--", "true"], 78, "UNKNOWN_SERVICE"),
                (["aws", "--json"], 64, "does not take the option"),
                (["aws-endpoint", "--", "/nonexistent"], 127, "No such file"),
                (["aws-endpoint", "--", "/"], 126, "Permission denied")):
            with self.subTest(arguments):
                result = self.podlogin(*arguments)
                self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
                self.assertIn(words, result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1)

    @unittest.skipUnless(has_aws(), "no aws is on PATH")
    def test_the_aws_cli_reads_it(self):
        config = self.node.directory / "config"
        config.write_text(f"[default]\ncredential_process = {PODLOGIN} aws\n")
        self.assertEqual(self.aws(AWS_CONFIG_FILE=str(config)), ROLE)


class Endpoint(AwsCase):
    def setUp(self):
        super().setUp()
        self.process = None

    def start(self, *arguments, program=STAY, preexec_fn=None, **variables):
        """Starts a command beside the endpoint, and reads its environment."""
        inherited = open("/dev/zero", "rb")
        self.addCleanup(inherited.close)
        self.process = subprocess.Popen(
            [PODLOGIN, "aws-endpoint", *arguments, "--", sys.executable, "-c", program], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=preexec_fn, start_new_session=True, pass_fds=[inherited.fileno()], env=self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file), **variables))
        self.addCleanup(self.end)
        self.environment = json.loads(self.process.stdout.readline())
        self.url = self.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        self.key = self.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        self.address = re.fullmatch(r"http://(127\.0\.0\.1:(\d+))" + PATH, self.url)
        self.server, = children(self.process.pid)

    def end(self):
        """Lets the command end. Returns its exit code and errors."""
        if self.process.stdin.closed:
            return None
        _, error = self.process.communicate(timeout=60)
        return self.process.returncode, error

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", int(self.address[2])), timeout=60)
        self.addCleanup(connection.close)
        return connection

    def ask(self, method="GET", path=PATH, **headers):
        """Returns status and body of an answer. @headers replace the right ones; None leaves one out."""
        headers = {"Authorization": self.key, "Host": self.address[1], **headers}
        connection = http.client.HTTPConnection(self.address[1], timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def send(self, request):
        """Sends bytes, and returns the status of the answer; None: there is none."""
        connection = self.connect()
        with contextlib.suppress(ConnectionError):  # the server may have answered before it read everything
            connection.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while block := connection.recv(65536):
                answer += block
        return int(answer.split()[1]) if answer else None

    def request(self, *lines):
        return "\r\n".join([f"GET {PATH} HTTP/1.1", f"Host: {self.address[1]}", f"Authorization: {self.key}", *lines,
                            "", ""]).encode()

    def assert_serves(self):
        status, body = self.ask()
        self.assertEqual(status, 200, body)
        answer = json.loads(body)
        self.assertEqual(set(answer), {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"})
        self.assert_credentials(answer, "Token")

    def test_it_serves_what_the_sdks_expect(self):
        self.start()
        self.assertTrue(self.address, self.url)
        self.assertRegex(self.key, "^[0-9a-f]{64}$")
        self.assert_serves()
        self.assertEqual(self.exchanges(), 1)
        self.assertEqual(self.end(), (0, ""))

    @unittest.skipUnless(has_aws(), "no aws is on PATH")
    def test_the_aws_cli_reads_it(self):
        """Although the variables name credentials that it would prefer."""
        stale = {name: "stale" for name in (*KEYS, "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
                                            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")}
        self.assertEqual(self.aws(PODLOGIN, "aws-endpoint", "--", **stale), ROLE)

    def test_the_environment_of_the_command(self):
        """No key, and nothing that an SDK prefers to the endpoint or takes for its authorization."""
        stale = {name: "stale" for name in STALE}
        self.start(**stale, OTHER="kept")
        self.assertEqual({name for name in self.environment if name.startswith("AWS_")},
                         {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_REGION",
                          "AWS_DEFAULT_REGION"})
        self.assertNotIn("stale", self.environment.values())
        self.assertEqual(self.environment["OTHER"], "kept")

    def test_a_service_of_another_provider(self):
        """It says nothing about the variables of SDKs."""
        program = self.node.directory / "program"
        answer = {"access_token": "session", "expires_in": 600,
                  "variables": {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}}
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
        program.chmod(0o755)
        self.node.write("services.d/own.conf", PROGRAM.format(audience=AUDIENCE, command=program))
        self.node.restart()
        stale = {name: "stale" for name in STALE}
        self.start("own", "--timeout", "60s", **stale)
        self.assertEqual({name for name in self.environment if name.startswith("AWS_")},
                         {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"})
        self.assertNotIn("stale", self.environment.values())
        answer = json.loads(self.ask()[1])
        self.assertEqual([answer[name] for name in ("AccessKeyId", "SecretAccessKey", "Token")], ["id", "secret", "session"])

    def test_each_request_is_one_to_the_daemon(self):
        """What the daemon would refuse now is not served."""
        self.start()
        self.assert_serves()
        self.token_file.write_text(self.mint(audience=[AUDIENCE], namespace="prod"))
        status, body = self.ask()
        self.assertEqual(status, 403)
        self.assertRegex(body, "^POLICY_DENIED: .*\n$")
        self.token_file.write_text(self.mint(audience=[AUDIENCE]))
        self.assert_serves()
        code, error = self.end()
        self.assertEqual(code, 0)
        self.assertRegex(error, "^podlogin: aws: POLICY_DENIED: .*\n$")

    def test_statuses_of_errors(self):
        self.start("--timeout", "1s")
        right = self.token_file.read_text()
        self.token_file.write_text("nonsense")
        self.assertEqual(self.ask()[0], 403)
        self.token_file.unlink()
        self.assertEqual(self.ask()[0], 500)
        self.token_file.write_text(right)
        (self.node.etc / "services.d/aws.conf").unlink()
        self.node.restart()
        self.assertEqual(self.ask()[0], 404)
        self.node.stop()
        status, body = self.ask()
        self.assertEqual(status, 503)
        self.assertRegex(body, "^UNREACHABLE: ")

    def test_a_daemon_that_restarts_is_waited_for(self):
        self.start()
        self.node.restart()
        self.assert_serves()

    def test_who_has_no_authorization_gets_nothing(self):
        self.start()
        self.standin.reset_counts()
        requests = self.daemon_answers()
        for status, headers in (
                (400, {"Authorization": None}), (403, {"Authorization": ""}), (403, {"Authorization": self.key[:-1]}),
                (403, {"Authorization": self.key + "0"}), (403, {"Authorization": "Bearer " + self.key}),
                (403, {"Authorization": self.key.upper() if self.key.upper() != self.key else "0" * 64}),
                (403, {"Host": "localhost:" + self.address[2]}), (403, {"Host": "evil.example.com"}),
                (403, {"Host": "127.0.0.1"}), (403, {"Host": None}), (403, {"Host": self.address[1] + ".evil.example.com"})):
            with self.subTest(headers):
                got, body = self.ask(**headers)
                self.assertEqual(got, status, body)
                self.assertNotIn(self.key, body)
        self.assertEqual(self.daemon_answers(), requests)

    def daemon_answers(self):
        return len(self.node.audit_trail())

    def test_other_requests(self):
        self.start()
        for status, method, path in ((400, "POST", PATH), (400, "HEAD", PATH), (400, "get", PATH), (404, "GET", "/"),
                                     (404, "GET", PATH + "/"), (404, "GET", PATH + "?x"), (404, "GET", "/v1/../v1/credentials"),
                                     (404, "GET", self.url)):
            self.assertEqual(self.ask(method, path)[0], status, (method, path))
        for request in (
                self.request("Content-Length: 5") + b"hello", self.request("Content-Length: 5"),
                self.request("Transfer-Encoding: chunked") + b"0\r\n\r\n", self.request("Content-Length: 0, 5"),
                self.request() + self.request(), self.request() + b"x", self.request("Host: other"),
                self.request("Authorization: other"), self.request("A : b"), self.request(" folded"), self.request("no colon"),
                self.request(": empty"), self.request("A: \0"), self.request("A: \x01"), self.request("A: \rB: c"),
                self.request("A: b\nC: d"), self.request().replace(b"\r\n", b"\n") + b"\r\n\r\n",
                self.request().replace(b"HTTP/1.1", b"HTTP/2.0"), self.request().replace(b"GET ", b"GET  "),
                self.request().replace(b" HTTP/1.1", b""), b"\r\n" + self.request(), b"\r\n\r\n",
                b"\0" * 16 + b"\r\n\r\n", self.request("A: " + "x" * 8192), b"x" * 8192, b"x" * 100000,
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"):
            with self.subTest(request[:200]):
                self.assertEqual(self.send(request), 400)
        for request in (self.request(), self.request("Content-Length: 0"), self.request("A:b", "X-Y: \t z"),
                        self.request().replace(b"HTTP/1.1", b"HTTP/1.0"), self.request().replace(b"Host:", b"hOST:\t"),
                        self.request("A: " + "x" * 7800)):
            with self.subTest(request[:200]):
                self.assertEqual(self.send(request), 200)

    def test_a_request_in_pieces(self):
        self.start()
        connection = self.connect()
        request = self.request()
        for i in range(len(request) - 1):
            connection.sendall(request[i:i + 1])
        self.assert_serves()  # others do not wait for it
        connection.sendall(request[-1:])
        self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_clients_that_send_nothing_keep_nobody_out(self):
        """However many: the oldest has to go."""
        self.start()
        idle = [self.connect() for _ in range(200)]
        for connection in idle[100:]:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(20):
            self.assert_serves()
        self.assertEqual(idle[0].recv(1), b"")

    def test_few_descriptors(self):
        """Fewer than there may be clients."""
        self.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)))
        self.assert_serves()

    def test_a_client_that_sends_nothing_is_dropped_after_a_while(self):
        self.start()
        half = self.connect()
        half.sendall(self.request()[:-2])
        self.assertEqual(half.recv(1), b"")
        self.assert_serves()

    def test_clients_that_go_away(self):
        self.start()
        for _ in range(50):
            connection = self.connect()
            connection.sendall(self.request())
            connection.close()
        self.assert_serves()

    def test_clients_that_are_gone_when_their_turn_comes_cost_no_request(self):
        """A daemon that does not answer would otherwise keep those waiting who are still there."""
        self.start()
        answers = self.daemon_answers()
        os.kill(self.server, signal.SIGSTOP)
        wait_for(lambda: self.state_of(self.server) == "T", what="the stop")
        for _ in range(10):
            connection = self.connect()
            connection.sendall(self.request())
            connection.close()
        os.kill(self.server, signal.SIGCONT)
        self.assert_serves()
        self.assertEqual(self.daemon_answers(), answers + 1)

    def test_many_programs_at_once(self):
        self.start()
        program = ("import os, urllib.request as u; r = u.Request(os.environ['URL'], headers={'Authorization': os.environ['KEY']});"
                   "[u.urlopen(r, timeout=60).read() for _ in range(20)]")
        environment = {**os.environ, "URL": self.url, "KEY": self.key, "no_proxy": "*"}
        many = [subprocess.Popen([sys.executable, "-c", program], env=environment, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE) for _ in range(8)]
        self.assertEqual(wait_all(many), [(0, "", "")] * 8)
        self.assertEqual(self.exchanges(), 1)

    def test_it_listens_at_one_address_and_holds_nothing_of_the_command(self):
        self.start()
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.2", int(self.address[2])), timeout=60)
        self.assert_holds_nothing_of_the_command()

    def assert_holds_nothing_of_the_command(self):
        """Who reads a pipe of the command would wait for its end."""
        if os.geteuid() != 0:
            return
        held = [os.readlink(f"/proc/{self.server}/fd/{fd}") for fd in os.listdir(f"/proc/{self.server}/fd")]
        mine = [os.readlink(f"/proc/{self.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{self.process.pid}/fd")]
        self.assertIn("/dev/zero", mine)
        self.assertEqual(set(held) & set(mine), {os.readlink(f"/proc/{self.process.pid}/fd/2")})

    def test_no_secret_is_on_a_command_line_or_in_an_environment(self):
        self.start()
        secrets = [json.loads(self.ask()[1])[name] for name in ("SecretAccessKey", "Token")]
        for pid in (self.process.pid, self.server):
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            for secret in (self.key, *secrets):
                self.assertNotIn(secret, line)
        environment = pathlib.Path(f"/proc/{self.process.pid}/environ").read_text()
        for secret in secrets:
            self.assertNotIn(secret, environment)
        self.assertNotIn(self.key, self.node.log())

    @unittest.skipIf(os.geteuid() == 0, "root can read everything")
    def test_other_processes_of_the_user_cannot_read_the_server(self):
        self.start()
        with self.assertRaises(PermissionError):
            pathlib.Path(f"/proc/{self.server}/environ").read_bytes()

    def server_is_gone(self):
        return not os.path.exists(f"/proc/{self.server}")

    def test_it_ends_with_the_command(self):
        for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
            with self.subTest(how):
                self.start()
                self.process.send_signal(how)
                self.assertEqual(self.end()[0], -how)
                wait_for(self.server_is_gone, what="the end of the server")
                with self.assertRaises(OSError):
                    socket.create_connection(("127.0.0.1", int(self.address[2])), timeout=60)

    def test_a_kernel_that_cannot_say_when_a_process_ends(self):
        """Nor close all descriptors: Linux 5.2, or a profile of seccomp."""
        self.start(preexec_fn=lambda: forbid((PIDFD_OPEN, CLOSE_RANGE), errno.ENOSYS))
        self.assert_serves()
        self.assert_holds_nothing_of_the_command()
        self.assertEqual(self.end(), (0, ""))
        wait_for(self.server_is_gone, what="the end of the server")

    def test_the_exit_status_is_that_of_the_command(self):
        for status in (0, 1, 3, 255):
            result = self.podlogin("aws-endpoint", "--", "sh", "-c", f"exit {status}")
            self.assertEqual((result.returncode, result.stdout, result.stderr), (status, "", ""))

    def test_the_command_is_in_its_place(self):
        """It has the process id, and so gets each signal, stop and terminal by itself."""
        self.start(program="import os, json; os.environ['PID'] = str(os.getpid())\n" + STAY)
        self.assertEqual(self.environment["PID"], str(self.process.pid))
        os.killpg(self.process.pid, signal.SIGSTOP)  # as a terminal does it
        wait_for(lambda: self.state_of(self.process.pid) == "T", what="the stop")
        self.assertNotEqual(self.state_of(self.server), "T")
        self.assert_serves()  # for other processes of the job
        self.process.send_signal(signal.SIGCONT)
        self.assertEqual(self.end(), (0, ""))

    def state_of(self, pid):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    def test_a_signal_to_everything_does_not_end_it_before_the_command(self):
        """A service manager signals all processes, and the command may have to tidy up."""
        self.start(program="import signal; [signal.signal(n, lambda *_: None) for n in (1, 2, 3, 15)]\n" + STAY)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            os.kill(self.server, number)
            self.process.send_signal(number)
        self.assert_serves()
        self.assertEqual(self.end(), (0, ""))

    def test_the_command_does_not_see_it_as_a_child(self):
        """One that waits until it has no child would wait for ever."""
        self.start(program="import os, signal\nsignal.alarm(60)\ntry:\n    os.wait()\nexcept ChildProcessError:\n    os.environ['WAITED'] = '1'\n" + STAY)
        self.assertEqual(self.environment["WAITED"], "1")
        self.assert_serves()

    def test_a_command_whose_server_is_killed_goes_on(self):
        self.start()
        os.kill(self.server, signal.SIGKILL)
        wait_for(lambda: self.state_of(self.server) == "Z", what="the end of the server")
        with self.assertRaises(OSError):
            self.ask()
        self.assertEqual(self.end(), (0, ""))

    def test_with_standard_descriptors_closed(self):
        """None of its sockets takes their numbers, so no client gets what is printed to standard error."""
        program = """
import http.client, os, re
address = re.search("//([^/]*)", os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])[1]
others = [http.client.HTTPConnection(address, timeout=60) for _ in range(3)]
for other in others:
    other.connect()
open(os.environ["PODLOGIN_TOKEN_FILE"], "w").write("nonsense")
for other in others:
    other.request("GET", "/v1/credentials", headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]})
    print(other.getresponse().status)
"""
        result = subprocess.run(
            ["sh", "-c", '"$@" >"$0" <&- 2>&-', self.node.directory / "out", PODLOGIN, "aws-endpoint", "--", sys.executable, "-c",
             program], env=self.node.environment(PODLOGIN_TOKEN_FILE=str(self.token_file)), check=False, timeout=90)
        self.assertEqual(result.returncode, 0)
        self.assertEqual((self.node.directory / "out").read_text(), "403\n" * 3)


if __name__ == "__main__":
    unittest.main()
