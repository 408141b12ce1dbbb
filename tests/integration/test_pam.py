"""The PAM module in real PAM: what a session has and what is left of it, each option, and each refusal."""

import os
import socket
import unittest

import wrong_server
from memory import found_in
from node import ALLOW_CI, AUDIENCE, BUILD, subject_of
from pam import AUTH_ERR, AUTHINFO_UNAVAIL, CRED_INSUFFICIENT, MODULE_UNKNOWN, SERVICE_ERR, SESSION_ERR, SUCCESS, PamCase

ROLE = "arn:aws:iam::123456789012:role/ci"


class Session(PamCase):
    def test_the_variables_are_there_during_the_session_only(self):
        self.node.start()
        self.stack()
        with self.host() as host:
            host.code("putenv LANG=C")
            self.assertEqual(host.environment(), {"LANG": "C"})
            self.assertEqual(host.code("open_session"), SUCCESS)
            during = host.environment()
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(host.environment(), {"LANG": "C"})
            self.assertEqual(host.asked(), 0)
        self.assertEqual(during, {"LANG": "C", **self.variables()})
        self.assertEqual(subject_of(during["PULUMI_ACCESS_TOKEN"]), "system:serviceaccount:ci:pulumi-runner")
        self.assertEqual(host.log(), "")

    def test_stale_variables_are_replaced_or_removed(self):
        self.standin.admissions([{"kind": "aws-sts", "role": ROLE}])
        self.node.write("services.d/aws.conf", "[Service]\nProvider=aws-sts\nIssuer=eks\n"
                        f"Audience={AUDIENCE}\nCAFile={self.standin.ca}\n[AWS]\nRoleARN={ROLE}\nRegion=eu-central-1\n"
                        f"Endpoint={self.standin.upstream}\n{ALLOW_CI}")
        self.node.start()
        self.stack(self.line(service="aws"))
        with self.host() as host:
            for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PAGER"):
                host.code(f"putenv {name}=stale")
            self.assertEqual(host.code("open_session"), SUCCESS)
            variables = host.environment()
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(host.environment(), {"AWS_PAGER": "stale"})
        self.assertEqual(variables.keys(), {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                            "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PAGER"})
        self.assertEqual((variables["AWS_REGION"], variables["AWS_SESSION_TOKEN"]), ("eu-central-1", self.value("aws")))

    def test_a_close_removes_what_its_open_put_and_no_more(self):
        self.node.start()
        self.stack()
        with self.host() as host:
            host.code("putenv PULUMI_ACCESS_TOKEN=of-another-module")
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(host.environment(), {"PULUMI_ACCESS_TOKEN": "of-another-module"})
            self.assertEqual(host.code("open_session"), SUCCESS)
            self.assertEqual(host.environment(), self.variables())
            host.code("putenv PULUMI_BACKEND_URL=of-another-module")
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(host.environment(), {"PULUMI_BACKEND_URL": "of-another-module"})
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(host.environment(), {"PULUMI_BACKEND_URL": "of-another-module"})

    def test_a_second_open_takes_the_place_of_the_first(self):
        self.node.socket.parent.mkdir()
        self.stack()
        with wrong_server.WrongServer(self.node.socket, *(
                lambda request, name=name: wrong_server.token(request, attributes=[f"{name}=1"]) for name in "AB")):
            with self.host() as host:
                for name in "AB":
                    self.assertEqual(host.code("open_session"), SUCCESS)
                    self.assertEqual(host.environment(), {"PULUMI_ACCESS_TOKEN": wrong_server.TOKEN.decode(), name: "1"})
                self.assertEqual(host.code("close_session"), SUCCESS)
                self.assertEqual(host.environment(), {})

    def test_an_open_that_fails_leaves_the_session_before(self):
        self.node.start()
        self.stack()
        with self.host() as host:
            self.assertEqual(host.code("open_session"), SUCCESS)
            variables = self.variables()
            self.node.service("pulumi", rules="")
            self.node.restart()
            self.assertEqual(host.code("open_session"), SESSION_ERR)
            self.assertEqual(host.environment(), variables)
            host.code("close_session")  # fails in libpam, because the latest open did; but the module is called
            self.assertEqual(host.environment(), {})

    def test_a_stack_may_have_several_identities(self):
        self.node.start()
        other = self.node.jwt_file(self.mint(serviceaccount="other"), "other")
        self.stack(self.line(env="ONE"), self.line(env="TWO", token_file=other))
        with self.host() as host:
            self.assertEqual(host.code("open_session"), SUCCESS)
            variables = host.environment()
            self.assertEqual([subject_of(variables[name]).rpartition(":")[2] for name in ("ONE", "TWO")],
                             ["pulumi-runner", "other"])
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(host.environment(), {})

    def test_a_stack_may_have_several_services(self):
        self.node.service("second", organization="acme")
        self.node.start()
        self.stack(self.line(), self.line(service="second", env="SECOND_TOKEN"))
        with self.host() as host:
            self.assertEqual(host.code("open_session"), SUCCESS)
            self.assertEqual(host.environment(), {**self.variables(), "SECOND_TOKEN": self.value("second")})
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(host.environment(), {})

    def test_the_environment_of_the_program_does_not_count(self):
        """It may be that of the user who wants to log in."""
        self.node.start()
        self.stack()
        with self.host(PODLOGIN_SOCKET="/nonexistent", PODLOGIN_SERVICE="other", PODLOGIN_TIMEOUT="never",
                       PODLOGIN_MIN_TTL="-1", PODLOGIN_SERVER_UID="x", PODLOGIN_TOKEN_FILE="/nonexistent") as host:
            self.assertEqual(host.code("open_session"), SUCCESS)
        self.stack(self.line(token_file=None), self.line("auth", token_file=None))
        with self.host(PODLOGIN_TOKEN_FILE=str(self.token_file), AWS_WEB_IDENTITY_TOKEN_FILE=str(self.token_file)) as host:
            self.assertEqual(host.code("open_session"), SESSION_ERR)
            self.assertEqual(host.code("authenticate"), CRED_INSUFFICIENT)
        self.assertIn("/var/run/secrets/podlogin/serviceaccount/token: ", host.log())

    @unittest.skipIf("sanitized" in str(BUILD), "with a sanitizer, memory has the sanitizer's own copies")
    def test_no_secret_is_left_in_memory(self):
        """Neither after a session was closed, nor after the end of a handle that closed none, nor after a login."""
        self.node.start()
        self.stack()
        needles = [secret.encode() for secret in (self.value(), self.value().split(".")[1], self.jwt, self.jwt.split(".")[2])]
        with self.host() as host:
            self.assertEqual(host.code("open_session"), SUCCESS)
            self.assertIn(needles[0].decode(), host.environment().values())
            self.assertEqual({needle for _, needle in found_in(host.process.pid, needles)}, set(needles[:2]))
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(found_in(host.process.pid, needles), [])
            self.assertEqual(host.code("open_session"), SUCCESS)
            self.assertEqual(host.restart(), (SUCCESS, SUCCESS))
            self.assertEqual(found_in(host.process.pid, needles), [])
            self.assertEqual(host.code("authenticate"), SUCCESS)
            self.assertEqual(found_in(host.process.pid, needles), [])


class Auth(PamCase):
    def test_a_login_succeeds_with_a_token_in_hand(self):
        self.node.start()
        self.stack()
        with self.host() as host:
            self.assertEqual(host.code("authenticate"), SUCCESS)
            self.assertEqual(host.code("setcred"), SUCCESS)
            self.assertEqual(host.environment(), {})
            self.assertEqual(host.asked(), 0)
        self.assertEqual(self.exchanges(), 1)
        self.assertEqual(host.log(), "")

    def test_without_a_user_a_login_asks_for_none(self):
        self.node.start()
        self.stack()
        with self.host(user=None) as host:
            self.assertEqual(host.code("authenticate"), SUCCESS)
            self.assertEqual(host.asked(), 0)


class Options(PamCase):
    def test_service(self):
        self.node.service("second", organization="acme")
        self.node.start()
        self.stack(self.line(service="second"))
        with self.host() as host:
            self.assertEqual(host.code("open_session"), SUCCESS)
            self.assertEqual(host.environment()["PULUMI_ACCESS_TOKEN"], self.value("second"))
        self.assert_denied(SERVICE_ERR, self.line(service="none"), "none: UNKNOWN_SERVICE: ")

    def test_env(self):
        """The token is in this variable, and not in the service's own."""
        self.node.start()
        self.stack(self.line(env="CI_TOKEN"))
        with self.host() as host:
            self.assertEqual(host.code("open_session"), SUCCESS)
            variables = self.variables()
            variables["CI_TOKEN"] = variables.pop("PULUMI_ACCESS_TOKEN")
            self.assertEqual(host.environment(), variables)
            self.assertEqual(host.code("close_session"), SUCCESS)
            self.assertEqual(host.environment(), {})
        self.stack(self.line(env="PULUMI_BACKEND_URL"))
        with self.host() as host:
            self.assertEqual(host.code("open_session"), SESSION_ERR)
            self.assertEqual(host.environment(), {})
        self.assertIn("pulumi: env= names a further variable of the service", host.log())

    def test_timeout(self):
        """A server that never answers."""
        self.node.socket.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.node.socket))
            server.listen()
            self.assert_denied(AUTHINFO_UNAVAIL, self.line(timeout="50ms"),
                               "TIMEOUT: the daemon did not answer within the timeout; try again (50 ms)")

    def test_min_ttl(self):
        self.standin.configure_upstream(expires_in=20)
        self.start_with_clock()
        before = self.value()
        self.stack(self.line(min_ttl="18s"))
        self.clock.turn(3)
        with self.host() as host:
            self.assertEqual(host.code("open_session"), SUCCESS)
            self.assertNotEqual(host.environment()["PULUMI_ACCESS_TOKEN"], before)
        self.assertEqual(self.exchanges(), 2)

    def test_socket_and_server_uid(self):
        self.node.start()
        self.assert_denied(AUTHINFO_UNAVAIL, self.line(socket="/nonexistent/podlogin.sock", timeout="50ms"),
                           "UNREACHABLE: /nonexistent/podlogin.sock: ")
        self.assert_denied(AUTHINFO_UNAVAIL, self.line(server_uid=os.getuid() + 1),
                           f"UNTRUSTED_SERVER: {self.node.socket}: ")

    def test_an_option_that_is_unknown_or_malformed_denies(self):
        self.node.start()
        for options, text in (
                ({"password": "s3cret"}, "password: not an option"),
                ({"Service": "pulumi"}, "Service: not an option"),
                ({"service": "a/b"}, "service: not the name of a service"),
                ({"service": ""}, "service: the option needs a value"),
                ({"timeout": "never"}, "timeout: not a time span of at most 60s, such as 10s"),
                ({"timeout": "61s"}, "timeout: not a time span of at most 60s, such as 10s"),
                ({"min_ttl": "8d"}, "min_ttl: not a time span of at most 7d, such as 90min"),
                ({"env": "LD_PRELOAD"}, "env: not a variable [A-Z][A-Z0-9_]* that a token may set"),
                ({"env": "lower"}, "env: not a variable [A-Z][A-Z0-9_]* that a token may set"),
                ({"socket": "podlogin.sock"}, "socket: not an absolute path"),
                ({"server_uid": "root"}, "server_uid: not the number of a user, such as 0 for root"),
                ({"token_file": "token"}, "token_file: not an absolute path, in which % is %u or %%"),
                ({"token_file": "/%h/token"}, "token_file: not an absolute path, in which % is %u or %%"),
                ({"timeout": "10s", "env": "A timeout=9s"}, "timeout: given twice")):
            with self.subTest(text):
                self.assert_denied(SERVICE_ERR, self.line(**options), text)
                with self.host() as host:  # and so does the close
                    self.assertEqual(host.code("close_session"), SESSION_ERR)
                self.assertNotIn("s3cret", host.log())
        self.assertEqual(self.exchanges(), 0)


class Refusals(PamCase):
    def test_no_rule_admits_it(self):
        self.node.start()
        self.jwt = self.mint(namespace="prod")
        self.assert_denied(AUTH_ERR, self.line(token_file=self.node.jwt_file(self.jwt)), "pulumi: POLICY_DENIED: ")

    def test_a_bad_signature(self):
        self.node.start()
        self.jwt = self.mint(sign="rogue")
        self.assert_denied(AUTH_ERR, self.line(token_file=self.node.jwt_file(self.jwt)), "TOKEN_BAD_SIGNATURE: ")

    def test_no_daemon(self):
        self.assert_denied(AUTHINFO_UNAVAIL, self.line(timeout="50ms"), "pulumi: UNREACHABLE: ")

    def test_no_token(self):
        self.node.start()
        for text, problem in ((None, "No such file or directory"), ("", "the file is empty"), ("a b", "blanks")):
            path = self.node.directory / "pods/none"
            if text is not None:
                path.write_text(text)
            self.assert_denied(CRED_INSUFFICIENT, self.line(token_file=path), problem)

    def test_the_upstream_refuses(self):
        self.standin.fault_upstream(kind="status", status=403, body='{"error":"access_denied"}')
        self.node.start()
        self.assert_denied(AUTH_ERR, self.line(), "pulumi: UPSTREAM_REFUSED: ")

    def test_the_upstream_is_down(self):
        self.standin.fault_upstream(kind="status", status=500)
        self.node.start()
        self.assert_denied(AUTHINFO_UNAVAIL, self.line(), "pulumi: UPSTREAM_UNAVAILABLE: ")

    def test_a_token_that_would_change_how_programs_run(self):
        self.node.socket.parent.mkdir()
        with wrong_server.WrongServer(self.node.socket, lambda request: wrong_server.token(
                request, attributes=["LD_PRELOAD=/tmp/x.so"])):
            self.assert_denied(SERVICE_ERR, self.line(), "it sets the variable LD_PRELOAD, which a token must not set")

    def test_a_service_without_a_variable(self):
        self.node.socket.parent.mkdir()
        with wrong_server.WrongServer(self.node.socket, lambda request: wrong_server.token(request, variable="")):
            self.stack()
            with self.host() as host:
                self.assertEqual(host.code("open_session"), SESSION_ERR)
                self.assertEqual(host.environment(), {})
            self.assertIn("the service has no variable for its token; name one with env=", host.log())

    def test_other_kinds_of_lines_fail(self):
        self.node.start()
        self.stack(self.line("account"), self.line("password"))
        with self.host() as host:
            self.assertEqual([host.code(call) for call in ("acct_mgmt", "chauthtok")], [MODULE_UNKNOWN] * 2)


if __name__ == "__main__":
    unittest.main()
