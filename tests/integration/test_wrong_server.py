"""The library and the command against a server that breaks the protocol, or comes close to it.

Such a server is trusted (it runs as the right user), but never believed: what it sends is used only if it is the answer
that docs/protocol.md allows. The daemon itself cannot be made to send these answers."""

import json
import os
import pathlib
import struct
import subprocess
import tempfile
import time
import unittest

import wrong_server
from handle import Handle
from node import PODLOGIN, PODLOGIND, RUNTIME, NodeCase
from preload import Preload
from protocol_client import (MAX_ANSWER, STATUSES, Error, Get, Identity, Pong, Token, decode_frame, decode_payload,
                             encode_field, encode_frame, encode_payload)
from wrong_server import TOKEN, WrongServer, error, token, token_payload

OK, BAD_FRAME, TOKEN_EXPIRED, POLICY_DENIED, TOO_MANY, INTERNAL = 0, 1, 15, 30, 51, 60
UNREACHABLE, TIMEOUT, BAD_ANSWER = 100, 101, 104


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="podlogin-test-")
        self.addCleanup(directory.cleanup)
        self.socket = pathlib.Path(directory.name, "podlogin.sock")
        self.token_file = pathlib.Path(directory.name, "token")
        self.token_file.write_text("first.jwt.x")
        self.environment = {
            "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": RUNTIME, "PODLOGIN_SERVER_UID": str(os.getuid()), "PODLOGIN_TIMEOUT": "20s",
            "PODLOGIN_SOCKET": str(self.socket), "PODLOGIN_TOKEN_FILE": str(self.token_file)}

    def serve(self, *answers):
        self.socket.unlink(missing_ok=True)
        return WrongServer(self.socket, *answers)

    def run_command(self, *arguments, timeout="20s"):
        return subprocess.run([PODLOGIN, *arguments], env={**self.environment, "PODLOGIN_TIMEOUT": timeout},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    def assert_status(self, answer, *statuses, timeout="20s"):
        """`podlogin token`, so answered, prints no token, and exits as one of @statuses says."""
        with self.serve(answer) as server:
            result = self.run_command("token", timeout=timeout)
        names, codes = zip(*(STATUSES[status] for status in statuses))
        self.assertIn(result.returncode, codes, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, rf"^podlogin: pulumi: ({'|'.join(names)}): [ -~]+\n$")
        self.assertNotIn(TOKEN.decode(), result.stderr)
        return server

    def assert_bad_answer(self, answer):
        """The command says BAD_ANSWER. A handle closes the connection, so that the rest of the answer cannot be taken
        for that to the next request."""
        self.assert_status(answer, BAD_ANSWER)
        with self.serve(answer, token) as server, Handle(self.environment) as handle:
            self.assertEqual(handle.call("authenticate")[0], BAD_ANSWER)
            self.assertEqual(handle.call("authenticate"), (OK, ""))
        self.assertEqual(len(server.received), 2)


class Requests(Case):
    """What the command asks for: an argument comes before an option, an option before a variable."""

    def asked(self, *arguments, **variables):
        with self.serve(token) as server:
            result = subprocess.run([PODLOGIN, "token", *arguments], env={**self.environment, **variables},
                                    stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        get = self.get_of(server)
        return get.service, get.min_ttl_s, get.timeout_ms

    @staticmethod
    def get_of(server):
        data = bytes(server.received[-1])
        _, _, _, size = decode_frame(data)  # LOGIN
        _, _, payload, _ = decode_frame(data[size:])
        return decode_payload(Get, payload)

    def test_the_command_asks_once_and_a_program_perhaps_again(self):
        for command in (["token"], ["env"], ["exec", "--", "true"]):
            with self.subTest(command), self.serve(token) as server:
                self.assertEqual(self.run_command(*command).returncode, 0)
                self.assertEqual(self.get_of(server).is_last, 1)
        with self.serve(token) as server, Handle(self.environment) as handle:
            self.assertEqual(handle.call("authenticate"), (OK, ""))
            self.assertEqual(self.get_of(server).is_last, 0)

    def test_options_and_variables(self):
        """The daemon gets a tenth less than the timeout, so that its reason arrives in time."""
        for arguments, variables, expected in (
                ((), {}, ("pulumi", 0, 18000)),
                ((), {"PODLOGIN_TIMEOUT": ""}, ("pulumi", 0, 9000)),
                (("--timeout", "5s"), {}, ("pulumi", 0, 4500)),
                ((), {"PODLOGIN_MIN_TTL": "90min"}, ("pulumi", 5400, 18000)),
                (("--min-ttl", "30s"), {"PODLOGIN_MIN_TTL": "90min"}, ("pulumi", 30, 18000)),
                (("--min-ttl", "0s"), {"PODLOGIN_MIN_TTL": "90min"}, ("pulumi", 0, 18000)),
                ((), {"PODLOGIN_SERVICE": "one"}, ("one", 0, 18000)),
                (("--service", "two"), {"PODLOGIN_SERVICE": "one"}, ("two", 0, 18000)),
                (("--service", "two", "three"), {"PODLOGIN_SERVICE": "one"}, ("three", 0, 18000))):
            with self.subTest(arguments=arguments, **variables):
                self.assertEqual(self.asked(*arguments, **variables), expected)


class Frames(Case):
    def test_another_id(self):
        """The first request of a connection has the id 1. Errors with the id 0 belong to the connection."""
        for id_ in (0, 2, 257, 0xffff):
            with self.subTest(id_):
                self.assert_bad_answer(lambda _, i=id_: encode_frame(Token.TYPE, i, token_payload()))
                if id_:
                    self.assert_bad_answer(lambda request, i=id_: error(request, POLICY_DENIED, id_=i))

    def test_another_type(self):
        for type_ in (0, 1, 2, Identity.TYPE, Pong.TYPE, 132, 254):
            with self.subTest(type_):
                self.assert_bad_answer(lambda request, t=type_: encode_frame(t, request.id, token_payload()))

    def test_another_version(self):
        for version in (0, 2, 129, 255):
            with self.subTest(version):
                self.assert_bad_answer(
                    lambda request, v=version: encode_frame(Token.TYPE, request.id, token_payload(), v))

    def test_a_length_over_the_limit(self):
        """Refused at once: the rest would be waited for, or would not fit the buffer."""
        for length in (MAX_ANSWER + 1, 2**16, 2**31, 2**32 - 1):
            with self.subTest(length):
                self.assert_bad_answer(
                    lambda request, n=length: struct.pack(">IBBH", n, 1, Token.TYPE, request.id) + bytes(40000))

    def test_a_length_that_is_too_small(self):
        payload = token_payload()
        for length in (0, 1, 4, len(payload) - 1):
            with self.subTest(length):
                self.assert_bad_answer(
                    lambda request, n=length: struct.pack(">IBBH", n, 1, Token.TYPE, request.id) + payload)

    def test_a_length_that_is_too_large_for_what_comes(self):
        """The server closes the connection within the frame: as if it restarted, so the request is repeated."""
        def half(request):
            return [token(request)[:-1], None]
        with self.serve(half, token) as server:
            self.assertEqual(self.run_command("token").stdout, TOKEN.decode() + "\n")
        self.assertEqual(len(server.received), 2)
        self.assert_status(half, UNREACHABLE, TIMEOUT, timeout="100ms")

    def test_the_greatest_answer_is_accepted(self):
        fill = MAX_ANSWER - len(token_payload()) - 4
        with self.serve(lambda request: encode_frame(
                Token.TYPE, request.id, token_payload() + encode_field(200, bytes(fill)))):
            self.assertEqual(self.run_command("token").stdout, TOKEN.decode() + "\n")


class Payloads(Case):
    def test_a_payload_that_breaks_the_rules(self):
        def number(width):
            return encode_field(3, bytes(width))
        head = encode_field(1, TOKEN) + encode_field(2, b"token")
        for name, payload in {
                "nothing": b"", "no token": head[len(TOKEN) + 4:] + number(8), "no expiry": head,
                "an empty token": encode_field(1, b"") + encode_field(2, b"token") + number(8),
                "a long token": encode_field(1, b"x" * 16385) + encode_field(2, b"token") + number(8),
                "a number of 4 bytes": head + number(4), "an expiry over the limit": head + encode_field(3, b"\xff" * 8),
                "a tag twice": head + number(8) + number(8), "tags out of order": number(8) + head,
                "an unknown tag": head + number(8) + encode_field(9, b""),
                "a control character": encode_field(1, TOKEN) + encode_field(2, b"to\x1bken") + number(8),
                "a byte too many": token_payload() + b"\0"}.items():
            with self.subTest(name):
                self.assert_bad_answer(lambda request, p=payload: encode_frame(Token.TYPE, request.id, p))

    def test_an_error_that_breaks_the_rules(self):
        status = encode_field(1, struct.pack(">I", POLICY_DENIED))
        for name, payload in {
                "nothing": b"", "success": encode_field(1, bytes(4)), "a status of 2 bytes": encode_field(1, b"\0\1"),
                "a tag twice": status * 2, "a detail of two lines": status + encode_field(131, b"a\nb"),
                "an escape sequence": status + encode_field(131, b"\x1b[2J"),
                "a long detail": status + encode_field(131, b"x" * 513)}.items():
            with self.subTest(name):
                self.assert_bad_answer(lambda request, p=payload: encode_frame(Error.TYPE, request.id, p))

    def test_a_status_that_must_not_be_on_the_wire_is_an_internal_error(self):
        """A server cannot make the client say what only the client knows, such as that it trusts no server."""
        unknown = [4, 22, 31, 61, 99, 107, 255, 256, 65535, 2**31, 2**32 - 1]
        for status in [number for number in STATUSES if number >= 100] + unknown:
            with self.subTest(status):
                server = self.assert_status(lambda request, s=status: error(request, s), INTERNAL)
                self.assertEqual(len(server.requests), 1)  # nor make it ask again

    def test_a_name_of_a_service_in_an_identity_is_escaped(self):
        identity = Identity(*["x"] * 7, expires_at_s=2**33, services=['a","b', "c\\"])
        with self.serve(lambda request: encode_frame(Identity.TYPE, request.id, encode_payload(identity))):
            answer = json.loads(self.run_command("whoami", "--json").stdout)
        self.assertEqual(answer["services"], identity.services)

    def test_each_other_status_is_that_of_the_command(self):
        for status in STATUSES:
            if OK < status < 100:
                with self.subTest(status):
                    self.assert_status(lambda request, s=status: error(request, s, detail="because"), status)

    def test_an_error_of_the_connection_ends_it(self):
        with self.serve(lambda request: error(request, BAD_FRAME, id_=0), token) as server, \
                Handle(self.environment) as handle:
            self.assertEqual(handle.call("authenticate")[0], BAD_FRAME)
            self.assertEqual(handle.call("authenticate"), (OK, ""))
        self.assertEqual(len(server.received), 2)


class Variables(Case):
    """A daemon that an attacker controls cannot change how the commands of its clients run."""

    def run_with(self, payload, *arguments):
        with self.serve(lambda request: encode_frame(Token.TYPE, request.id, payload)):
            return self.run_command(*arguments)

    @staticmethod
    def payload(extra=b"", **fields):
        return token_payload(**{"token": b"secret", **fields}) + extra

    def assert_refused(self, payload, problem):
        marker = self.token_file.parent / "ran"
        for arguments in (["token"], ["token", "--json"],
                          ["exec", "--", "touch", str(marker)]):
            result = self.run_with(payload, *arguments)
            self.assertEqual((result.returncode, result.stdout), (70, ""), result.stderr)
            self.assertRegex(result.stderr, "^podlogin: pulumi: BAD_ANSWER: .*\n$")
            self.assertIn(problem, result.stderr)
            self.assertNotIn("secret", result.stderr)
            self.assertFalse(marker.exists())

    def test_variables_of_credentials_are_set(self):
        payload = self.payload(variable="VAULT_TOKEN",
                               attributes=["VAULT_ADDR=https://vault", "AWS_REGION="])
        result = self.run_with(payload, "exec", "--", "sh", "-c",
                               'echo "$VAULT_TOKEN $VAULT_ADDR ${AWS_REGION-unset}"')
        self.assertEqual((result.returncode, result.stdout), (0, "secret https://vault \n"),
                         result.stderr)

    def test_variables_that_lead_elsewhere_are_removed(self):
        """Before the others are set, so that one which is set as well stays."""
        payload = self.payload(variable="VAULT_TOKEN", attributes=["VAULT_ADDR=https://vault"],
                               unset=["VAULT_ADDR", "VAULT_AGENT_ADDR", "VAULT_NAMESPACE"])
        self.environment |= {"VAULT_AGENT_ADDR": "http://localhost", "VAULT_ADDR": "http://other", "VAULT_NAMESPACE": ""}
        result = self.run_with(payload, "exec", "--", "sh", "-c",
                               'echo "$VAULT_TOKEN $VAULT_ADDR ${VAULT_AGENT_ADDR-none} ${VAULT_NAMESPACE-none}"')
        self.assertEqual((result.returncode, result.stdout), (0, "secret https://vault none none\n"), result.stderr)

    def test_a_token_cannot_remove_variables_that_change_how_programs_run(self):
        for name in ("PATH", "SSL_CERT_FILE", "HTTPS_PROXY", "GIT_SSL_CAINFO"):
            self.assert_refused(self.payload(unset=["VAULT_ADDR", name]), f"the variable {name}, which a token must not set")
        for name in ("secret", "", "A=B"):
            self.assert_refused(self.payload(unset=[name]), "not [A-Z][A-Z0-9_]*")

    def test_a_token_cannot_set_variables_that_change_how_programs_run(self):
        for name in ("LD_PRELOAD", "PATH", "BASH_ENV", "GIT_SSH_COMMAND", "NODE_OPTIONS",
                     "PYTHONPATH", "HTTPS_PROXY", "SSL_CERT_FILE", "PODLOGIN_SOCKET"):
            with self.subTest(name):
                problem = f"it sets the variable {name}, which a token must not set"
                self.assert_refused(self.payload(variable=name), problem)
                self.assert_refused(self.payload(attributes=["AWS_REGION=x", f"{name}=secret"]),
                                    problem)

    def test_a_token_cannot_set_invalid_names(self):
        for name in ("pulumi", "_", "1A", "A B", "A" * 65, "BASH_FUNC_ls%%", "secret"):
            with self.subTest(name):
                self.assert_refused(self.payload(variable=name), "not [A-Z][A-Z0-9_]*")
                self.assert_refused(self.payload(attributes=[f"{name}=x"]), "not [A-Z][A-Z0-9_]*")
        self.assert_refused(self.payload(attributes=["=secret"]), "not [A-Z][A-Z0-9_]*")

    def test_an_attribute_without_a_value(self):
        for attribute in ("secret", "AWS_SECRET_ACCESS_KEY", ""):
            with self.subTest(attribute):
                self.assert_refused(self.payload(attributes=[attribute]), "NAME=VALUE")

    def test_files_that_are_not_in_a_private_directory(self):
        """A file would be written, and a variable set, outside of what the provider may ask for."""
        good = "PULUMI_CREDENTIALS_PATH=5f3a"
        for directory in ("PULUMI_CREDENTIALS_PATH", "PULUMI_CREDENTIALS_PATH=", "PULUMI_CREDENTIALS_PATH=..",
                          "PULUMI_CREDENTIALS_PATH=a/b", "PULUMI_CREDENTIALS_PATH=.secret", "PULUMI_CREDENTIALS_PATH=" + "a" * 65):
            with self.subTest(directory):
                self.assert_refused(self.payload(directory=directory), "a directory without a valid name")
        for name, problem in (("LD_PRELOAD", "it sets the variable LD_PRELOAD"), ("KUBECONFIG", "the variable KUBECONFIG"),
                              ("XDG_CONFIG_HOME", "the variable XDG_CONFIG_HOME"), ("secret", "not [A-Z][A-Z0-9_]*")):
            self.assert_refused(self.payload(directory=f"{name}=5f3a"), problem)
        for file in ("secret", "=secret", "../x=secret", "a/b=secret", ".netrc=secret", "..=secret", "a b=secret", "a" * 65 + "=",
                     "a=%", "a=%%%", "a=%s", "a=%T", "a=%\u00e9", "a=" + "%t" * 17):
            with self.subTest(file):
                self.assert_refused(self.payload(directory=good, files=["b=c", file]), "a file without")
        self.assert_refused(self.payload(files=["credentials.json=secret"]), "a file without a directory")

    def test_files_are_filled(self):
        payload = self.payload(token=b'sec"r\\et', directory="AWS_THING_DIR=5f3a", expires_at_s=2**32,
                               files=["a=%t %e 100%% %n", "b.json=", "c=" + "%%" * 16])
        result = self.run_with(payload, "exec", "--", "sh", "-c",
                               'cd "$AWS_THING_DIR" && ls -A && cat a && echo && cat b.json c')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r'^a\nb\.json\nc\nsec\\"r\\\\et 2106-02-07T06:28:16Z 100% '
                         rf'{time.strftime("%Y", time.gmtime())}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n%{{16}}$')

    def test_a_nul_or_blank_is_refused(self):
        for payload, problem in (
                (self.payload(token=b"secret\0tail"), "visible ASCII"),
                (self.payload(token=b"secret\n"), "visible ASCII"),
                (self.payload(token=b"sec ret"), "visible ASCII"),
                (self.payload(variable="", extra=encode_field(133, b"A\0B")), ""),
                (self.payload(extra=encode_field(134, b"A\0B=x")), ""),
                (self.payload(extra=encode_field(134, b"A=x\0y")), "")):
            with self.subTest(payload):
                self.assert_refused(payload, problem)


class Time(Case):
    def test_an_answer_in_pieces(self):
        for size in (1, 7, 8, 9):
            with self.subTest(size), self.serve(lambda request, n=size: [
                    token(request)[at:at + n] for at in range(0, len(token(request)), n)]):
                self.assertEqual(self.run_command("token").stdout, TOKEN.decode() + "\n")

    def test_an_answer_that_does_not_end(self):
        for length in (0, 1, 7, 8, 20):
            with self.subTest(length):
                self.assert_status(lambda request, n=length: token(request)[:n], TIMEOUT, timeout="100ms")

    def test_a_delay_longer_than_the_timeout_is_not_waited_for(self):
        for delay_ms in (20000, 2**31, 2**32 - 1):
            server = self.assert_status(lambda request, d=delay_ms: error(request, TOO_MANY, d), TOO_MANY)
            self.assertEqual(len(server.requests), 1)

    def test_a_server_that_asks_to_come_again(self):
        def too_many(request):
            return error(request, TOO_MANY, 1)
        with self.serve(*[too_many] * 5, token) as server:
            self.assertEqual(self.run_command("token").stdout, TOKEN.decode() + "\n")
        self.assertEqual(len(server.requests), 6)
        self.assert_status(too_many, TOO_MANY, TIMEOUT, timeout="100ms")

    def test_a_server_that_closes_the_connection(self):
        with self.serve(*[lambda request: None] * 3, token) as server:
            self.assertEqual(self.run_command("token").stdout, TOKEN.decode() + "\n")
        self.assertEqual(len(server.received), 4)
        self.assert_status(lambda request: None, UNREACHABLE, TIMEOUT, timeout="100ms")


class KeptHandle(Case):
    def test_an_answer_that_nobody_asked_for_is_not_the_next_one(self):
        stray = b"pul-of-somebody-else"
        with self.serve(lambda request: token(request) + token(request, token=stray), token) as server, \
                Handle(self.environment) as handle:
            self.assertEqual(handle.call("authenticate"), (OK, ""))
            self.assertEqual(handle.call("get"), (OK, TOKEN.decode()))
            self.assertEqual(handle.call("get")[0], BAD_ANSWER)
            self.assertEqual(handle.call("get"), (OK, TOKEN.decode()))
        self.assertEqual(len(server.received), 2)

    def test_an_expired_token_whose_file_was_replaced_is_replaced(self):
        """kubelet replaces the file while the connection is logged in with the old token."""
        def answer(request):
            return token(request) if request.jwt == b"second.jwt.x" else error(request, TOKEN_EXPIRED)
        with self.serve(token, answer) as server, Handle(self.environment) as handle:
            self.assertEqual(handle.call("authenticate"), (OK, ""))
            self.assertEqual(handle.call("get"), (OK, TOKEN.decode()))  # that of podlogin_authenticate()
            self.assertEqual(handle.call("get")[0], TOKEN_EXPIRED)
            self.token_file.write_text("second.jwt.x\n")
            self.assertEqual(handle.call("get"), (OK, TOKEN.decode()))
            self.assertEqual(handle.call("get"), (OK, TOKEN.decode()))
        self.assertEqual([request.jwt.split(b".")[0] for request in server.requests],
                         [b"first"] * 4 + [b"second"] * 2)
        self.assertEqual(len(server.received), 1)

    def test_a_connection_that_was_closed_is_opened_again_with_a_login(self):
        with self.serve(token, lambda request: None, token) as server, Handle(self.environment) as handle:
            self.assertEqual(handle.call("authenticate"), (OK, ""))
            self.assertEqual(handle.call("get"), (OK, TOKEN.decode()))
            self.assertEqual(handle.call("get"), (OK, TOKEN.decode()))
        self.assertEqual(len(server.received), 2)
        self.assertNotIn(None, [request.jwt for request in server.requests])

    def test_answers_to_the_other_requests(self):
        with self.serve(wrong_server.pong, token, wrong_server.pong) as server, Handle(self.environment) as handle:
            self.assertEqual(handle.call("ping"), (OK, ""))
            self.assertEqual(handle.call("ping")[0], BAD_ANSWER)
            self.assertEqual(handle.call("whoami")[0], BAD_ANSWER)
        self.assertEqual(len(server.received), 2)


class KeptHandleOfTheDaemon(NodeCase):
    def test_an_expired_token_whose_file_was_replaced_is_replaced(self):
        preload = Preload(self.node.directory / "preload")
        self.node.start(**preload.environment(PODLOGIND))
        path = self.node.jwt_file(self.mint(lifetime=600))
        with Handle(self.node.environment(PODLOGIN_TOKEN_FILE=str(path))) as handle:
            self.assertEqual(handle.call("authenticate"), (OK, ""))
            answer = handle.call("get")
            preload.wall_offset_s = 700
            self.assertEqual(handle.call("get")[0], TOKEN_EXPIRED)
            path.write_text(self.mint(lifetime=3600))
            self.assertEqual(handle.call("get"), answer)


if __name__ == "__main__":
    unittest.main()
