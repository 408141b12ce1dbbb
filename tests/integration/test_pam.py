"""The PAM module in real PAM: what a session has and what is left of it, each option, each refusal, and each fault."""

import errno
import os
import pathlib
import re
import shutil
import socket
import subprocess
import unittest

import metrics
import wrong_server
from memory import found_in
from node import ALLOW_CI, AUDIENCE, BUILD, NodeCase, subject_of
from preload import address_sanitizer_of, preloaded

MODULE = BUILD / "module/pam/pam_podlogin.so"
HOST = BUILD / "tests/support/pam_host"
FAULTS = BUILD / "tests/support/libfaults.so"
WRAPPER = [*pathlib.Path("/usr").glob("lib*/**/libpam_wrapper.so")]

# of _pam_types.h, and syslog.h
SUCCESS, SERVICE_ERR, AUTH_ERR, CRED_INSUFFICIENT, AUTHINFO_UNAVAIL, SESSION_ERR, MODULE_UNKNOWN = (
    0, 3, 7, 8, 9, 14, 28)
ROLE = "arn:aws:iam::123456789012:role/ci"
LOG_AUTHPRIV_ERR = 10 << 3 | 3


class Host:
    """A program of PAM, pam_host.c, that does what a test says, until the block ends."""

    def __init__(self, directory, user="alice", command=(), **variables):
        self.errors = directory / "host.log"
        arguments = [*command, HOST, directory, "test", *([user] if user else [])]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            text=True, env={"PATH": os.environ["PATH"], **variables})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=120)
        if self.process.returncode != 0:
            raise RuntimeError(f"the host ended with {self.process.returncode}: {self.log()}")

    def write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def call(self, line):
        """Returns (code of PAM, function that failed or "-")."""
        self.write(line)
        code, function = self.process.stdout.readline().split()
        return int(code), function

    def code(self, line):
        return self.call(line)[0]

    def restart(self):
        """Ends the handle of libpam, which unloads the module, and starts a new one."""
        return self.code("end"), self.code("start")

    def environment(self):
        self.write("environment")
        variables = {}
        while line := self.process.stdout.readline().rstrip("\n"):
            name, _, value = line.partition("=")
            variables[name] = value
        return variables

    def asked(self):
        self.write("asked")
        return int(self.process.stdout.readline())

    def log(self):
        return self.errors.read_text(errors="replace")


@unittest.skipUnless(MODULE.exists(), "built without libpam")
class PamCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.directory = self.node.directory / "pam.d"
        self.directory.mkdir()
        self.jwt = self.mint()
        self.token_file = self.node.jwt_file(self.jwt)

    def line(self, kind="session", control="required", **options):
        """A line of pam.d with the options of this node; @options replace them, None removes one."""
        options = {"socket": self.node.socket, "server_uid": os.getuid(), "token_file": self.token_file, **options}
        arguments = "".join(f" {name}={value}" for name, value in options.items() if value is not None)
        return f"{kind} {control} {MODULE}{arguments}\n"

    def stack(self, *lines):
        """Writes the file of the service: the lines, or an auth and a session."""
        (self.directory / "other").touch()
        (self.directory / "test").write_text("".join(lines) or self.line("auth") + self.line())

    def host(self, **options):
        return Host(self.directory, **options)

    def value(self, *arguments):
        """The token that the daemon has for this node's pod."""
        return self.assert_served(self.jwt, *arguments)["token"]

    def variables(self):
        """What a session has of the service."""
        return {"PULUMI_ACCESS_TOKEN": self.value(), "PULUMI_BACKEND_URL": self.standin.upstream,
                "PULUMI_DEFAULT_ORGANIZATION": "acme"}

    def assert_denied(self, code, line, text):
        """A session and a login with this line are denied, and the log says why, in one line each, with no secret."""
        self.stack(line, line.replace("session", "auth", 1))
        with self.host() as host:
            before = host.environment()
            self.assertEqual(host.code("open_session"), SESSION_ERR)
            self.assertEqual(host.code("authenticate"), code)
            self.assertEqual(host.environment(), before)
            self.assertEqual(host.asked(), 0)
        lines = host.log().splitlines()
        self.assertEqual(len(lines), 2, lines)
        for line in lines:
            self.assertRegex(line, rf"^{LOG_AUTHPRIV_ERR} pam_podlogin\(test:(session|auth)\): ")
            self.assertIn(text, line)
            self.assertNotIn(self.jwt, line)


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


class User(PamCase):
    """token_file= with %u: what a user can, and cannot, do with a name or with files."""

    def setUp(self):
        super().setUp()
        self.tokens = self.node.directory / "tokens"
        self.tokens.mkdir(mode=0o755)
        for name in ("alice", "bob"):
            self.mint_for(name)
        self.node.start()
        self.stack(self.line(token_file=f"{self.tokens}/%u"), self.line("auth", token_file=f"{self.tokens}/%u"))

    def mint_for(self, name):
        path = self.tokens / name
        path.write_text(self.mint(serviceaccount=f"sa-{name}"))
        path.chmod(0o600)

    def subject(self, user):
        """The account whose token the user gets."""
        with self.host(user=user) as host:
            self.assertEqual((host.code("authenticate"), host.code("open_session")), (SUCCESS, SUCCESS))
            return subject_of(host.environment()["PULUMI_ACCESS_TOKEN"]).rpartition(":")[2]

    def assert_denied_to(self, user, text):
        with self.host(user=user) as host:
            self.assertEqual((host.code("authenticate"), host.code("open_session")), (CRED_INSUFFICIENT, SESSION_ERR))
            self.assertEqual(host.environment(), {})
            self.assertEqual(host.asked(), 0)
        self.assertEqual(len(host.log().splitlines()), 2, host.log())
        for line in host.log().splitlines():
            self.assertIn(f"NO_SUBJECT_TOKEN: token_file={self.tokens}/%u: {text}", line)

    def test_each_user_has_the_own_token(self):
        self.assertEqual([self.subject(user) for user in ("alice", "bob")], ["sa-alice", "sa-bob"])
        self.assert_denied_to("carol", "No such file or directory")

    def test_a_name_is_no_path(self):
        for user in ("../tokens/alice", "..", ".alice", "a/b", "alice\N{COMBINING ACUTE ACCENT}", "al ice", "a" * 65):
            self.assert_denied_to(user, "the user's name cannot be a part of a path")
        self.assert_denied_to(None, "the user is not known yet")

    def test_a_file_that_a_user_could_have_chosen(self):
        """Nothing that leads to a file may be changed by anybody but root: not the file, not a directory."""
        alice, elsewhere = self.tokens / "alice", self.node.directory / "elsewhere"

        def link():
            alice.unlink()
            alice.symlink_to(self.tokens / "bob")

        def hard_link():
            alice.unlink()
            os.link(self.tokens / "bob", alice)

        def directory():
            alice.unlink()
            alice.mkdir()

        def linked_directory():
            self.tokens.rename(elsewhere)
            self.tokens.symlink_to(elsewhere)

        for spoil, text in (
                (link, "with %u, no part of the path may be a symbolic link"),
                (hard_link, "with %u, the path must be that of a regular file with one name"),
                (directory, "with %u, the path must be that of a regular file with one name"),
                (lambda: alice.chmod(0o620), "with %u, only root may write to the file"),
                (lambda: alice.chmod(0o602), "with %u, only root may write to the file"),
                (lambda: self.tokens.chmod(0o775), "with %u, only root may write to the file"),
                (lambda: self.node.directory.chmod(0o777), "with %u, only root may write to the file"),
                (linked_directory, "with %u, no part of the path may be a symbolic link")):
            with self.subTest(text):
                spoil()
                self.assert_denied_to("alice", text)
                if self.tokens.is_symlink():
                    self.tokens.unlink()
                    elsewhere.rename(self.tokens)
                if alice.is_dir():
                    alice.rmdir()
                else:
                    alice.unlink()
                self.mint_for("alice")
                self.tokens.chmod(0o755)
                self.node.directory.chmod(0o700)
                self.assertEqual(self.subject("alice"), "sa-alice")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to give files to a user")
    def test_what_belongs_to_a_user(self):
        for path in (self.tokens / "alice", self.tokens, self.node.directory):
            os.chown(path, 1000, 1000)
            self.assert_denied_to("alice", "with %u, the file and all directories that lead to it must be root's")
            os.chown(path, 0, 0)
        self.assertEqual(self.subject("alice"), "sa-alice")

    def test_others_cannot_replace_what_is_in_a_sticky_directory(self):
        self.tokens.chmod(0o1777)
        self.assertEqual(self.subject("alice"), "sa-alice")

    def test_without_u_the_path_is_the_administrator_s(self):
        """kubelet's own files are symbolic links, in directories that are writable for everybody."""
        link = self.tokens / "link"
        link.symlink_to("alice")
        self.tokens.chmod(0o777)
        self.stack(self.line(token_file=link), self.line("auth", token_file=link))
        self.assertEqual(self.subject("../carol"), "sa-alice")


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



# What each function of a call fails with; 0: the end of a file. Allocations and libpam have one error each.
ERRORS = [0, errno.EIO, errno.EINTR, errno.EAGAIN, errno.EACCES, errno.ENOENT, errno.ECONNRESET, errno.EMFILE]
ONE_ERROR = {"malloc", "calloc", "realloc", "pam_get_item", "pam_get_data", "pam_set_data", "pam_putenv"}


class Faults(PamCase):
    """Each call of a function fails in turn, in each way, until a round in which there is none left to fail."""

    def setUp(self):
        super().setUp()
        self.injected, self.survived = set(), 0
        self.node.start()
        self.tokens = self.node.directory / "tokens"
        self.tokens.mkdir(mode=0o755)
        (self.tokens / "alice").write_text(self.jwt)
        (self.tokens / "alice").chmod(0o600)
        self.lines(token_file=f"{self.tokens}/%u")

    def lines(self, **options):
        self.stack(self.line("auth", **options), self.line(**options))

    def host(self, **options):
        return super().host(**preloaded(HOST, FAULTS), **options)

    def descriptors(self, host):
        return sorted(os.listdir(f"/proc/{host.process.pid}/fd"))

    def sweep(self, host, line, prepare=lambda: None):
        """Yields (code, description) after each call of @line with a fault, and after those that had none left."""
        host.code("setcred")  # libpam has read its files and loaded the module
        descriptors = self.descriptors(host)
        for error in ERRORS:
            function, number = "", 0
            while function != "-":
                number += 1
                prepare()
                host.write(f"fault {number} {error}")
                code, function = host.call(line)
                what = f"{line}: call {number}, {function}(): {errno.errorcode.get(error, 'end')}"
                if function != "-":
                    self.injected.add((line, number, function, None if function in ONE_ERROR else error))
                    self.survived += code == SUCCESS
                yield code, what
                self.assertEqual(self.descriptors(host), descriptors, what)
        self.assertEqual(host.asked(), 0)

    def print_count(self, what):
        print(f"\n{what}: {len(self.injected)} faults, {self.survived} survived")

    def test_a_session_is_whole_or_denied(self):
        variables = {"LANG": "C", **self.variables()}
        with self.host() as host:
            host.code("putenv LANG=C")
            for code, what in self.sweep(host, "open_session"):
                with self.subTest(what):
                    self.assertEqual(host.environment(), variables if code == SUCCESS else {"LANG": "C"})
                    host.code("close_session")
                    self.assertEqual(host.environment(), {"LANG": "C"})
            self.assertEqual(host.code("open_session"), SUCCESS)
        self.print_count("opening a session")
        self.assertGreater(len(self.injected), 150)

    def test_a_close_leaves_no_secret(self):
        secret = self.value()
        with self.host() as host:
            for code, what in self.sweep(host, "close_session", lambda: host.code("open_session")):
                with self.subTest(what):
                    if code == SUCCESS:
                        self.assertEqual(host.environment(), {})
                    elif "malloc()" not in what and "pam_get_data()" not in what:  # nothing can be done before these
                        self.assertEqual(code, SESSION_ERR)
                        self.assertNotIn(secret, host.environment().values())
                    host.code("close_session")
                    self.assertNotIn(secret, host.environment().values())
                    host.restart()
        self.print_count("closing a session")

    def test_a_login_never_succeeds_without_an_answer(self):
        """Each success is one token that the daemon handed out."""
        with self.host() as host:
            before = self.handed_out()
            n = sum(code == SUCCESS for code, _ in self.sweep(host, "authenticate"))
        self.assertGreaterEqual(self.handed_out() - before, n)
        self.print_count("logging in")
        self.assertGreater(len(self.injected), 100)

    def handed_out(self):
        return metrics.total(metrics.read(self.node), "podlogin_requests_total", service="pulumi", result="ok")

    def test_what_is_denied_stays_denied(self):
        """No fault makes a success of a refusal, of a file that is missing, or of an option that is wrong."""
        (self.tokens / "alice").write_text(self.mint(namespace="prod"))
        for what, options in (("no rule admits it", {"token_file": f"{self.tokens}/%u"}),
                              ("no token", {"token_file": f"{self.tokens}/none-%u"}),
                              ("a wrong option", {"timeout": "never"})):
            self.lines(**options)
            with self.host() as host:
                for line in ("authenticate", "open_session"):
                    self.assertNotEqual(host.code(line), SUCCESS)
                    for code, fault in self.sweep(host, line):
                        self.assertNotEqual(code, SUCCESS, f"{what}: {fault}")
                self.assertEqual(host.environment(), {})
        self.print_count("what is denied")
        self.assertEqual(self.survived, 0)
        self.assertGreater(len(self.injected), 200)


class Guest(PamCase):
    """The module in the process of somebody else."""

    def maps(self, host):
        """The files and the heap that are mapped."""
        lines = pathlib.Path(f"/proc/{host.process.pid}/maps").read_text().splitlines()
        return [line for line in lines if "/" in line or "[heap]" in line]

    def test_it_is_unloaded_a_thousand_times(self):
        self.node.start()
        self.stack()
        with self.host() as host:
            for number in range(1000):
                self.assertEqual((host.code("authenticate"), host.code("open_session")), (SUCCESS, SUCCESS))
                if number % 2:  # also without the end of the session
                    self.assertEqual(host.code("close_session"), SUCCESS)
                self.assertIn("/pam_podlogin.so", "".join(self.maps(host)))
                self.assertEqual(host.code("end"), SUCCESS)
                self.assertNotIn("/pam_podlogin.so", "".join(self.maps(host)))
                after = self.maps(host), os.listdir(f"/proc/{host.process.pid}/fd")
                before = after if number == 10 else before if number else None
                self.assertEqual(host.code("start"), SUCCESS)
        if "sanitized" not in str(BUILD):
            self.assertEqual(after, before)

    @unittest.skipUnless(shutil.which("valgrind"), "needs valgrind")
    @unittest.skipIf("sanitized" in str(BUILD), "valgrind runs no program with a sanitizer")
    def test_valgrind(self):
        self.node.start()
        denied = self.node.jwt_file(self.mint(namespace="prod"), "denied")
        self.stack(self.line("auth"), self.line("auth", token_file=denied), self.line(), self.line(env="SECOND"),
                   self.line(token_file=denied, control="optional"), self.line(timeout="never", control="optional"))
        with self.host(command=("valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=all",
                                "--errors-for-leak-kinds=all", "--track-fds=yes")) as host:
            for _ in range(3):
                self.assertEqual(host.code("authenticate"), AUTH_ERR)
                self.assertEqual(host.code("open_session"), SUCCESS)
                self.assertEqual(host.code("close_session"), SUCCESS)
                self.assertEqual(host.code("open_session"), SUCCESS)
                self.assertEqual(host.restart(), (SUCCESS, SUCCESS))
        self.assertNotIn("==", host.log())

    @unittest.skipIf("sanitized" in str(BUILD), "with a sanitizer, the module needs its library")
    def test_what_it_needs_and_shows(self):
        dynamic = subprocess.run(["readelf", "--dynamic", MODULE], check=True, capture_output=True, text=True).stdout
        needed = set(re.findall(r"\(NEEDED\).*\[(\S+?)\.so", dynamic))
        self.assertEqual(needed, {"libc", "libpam"})
        self.assertNotIn("NODELETE", dynamic)
        self.assertRegex(dynamic, r"\bNOW\b")
        symbols = subprocess.run(["nm", "--dynamic", "--defined-only", MODULE], check=True, capture_output=True, text=True)
        self.assertEqual({line.split()[2] for line in symbols.stdout.splitlines()},
                         {f"pam_sm_{name}" for name in ("authenticate", "setcred", "open_session", "close_session")})
        found = subprocess.run(["ldd", "--function-relocs", MODULE], check=True, capture_output=True, text=True)
        self.assertNotIn("undefined", found.stdout + found.stderr)

    @unittest.skipUnless(shutil.which("pamtester") and WRAPPER, "needs pamtester and libpam-wrapper")
    def test_pamtester(self):
        """A program that knows nothing of the module, with libpam as it reads its files elsewhere."""
        self.node.start()
        self.stack()
        code, out = self.pamtester("authenticate", "setcred", "open_session", "close_session")
        self.assertEqual((code, out), (0, ["pamtester: successfully authenticated", "pamtester: credential info has "
                                           "successfully been set.", "pamtester: successfully opened a session",
                                           "pamtester: session has successfully been closed."]))
        self.node.service("pulumi", rules="")
        self.node.restart()
        for operation in ("authenticate", "open_session"):
            code, out = self.pamtester(operation)
            self.assertNotEqual(code, 0)
            log, error = out
            self.assertIn("SYSLOG(3): pulumi: POLICY_DENIED: ", log)  # pam_wrapper prints it
            self.assertTrue(error.startswith("pamtester: "), error)

    def pamtester(self, *operations):
        """Returns the exit code and all lines that are printed."""
        libraries = " ".join([*address_sanitizer_of(MODULE), str(WRAPPER[0])])
        result = subprocess.run(
            ["pamtester", "test", "alice", *operations], stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, check=False,
            env={"PATH": os.environ["PATH"], "LD_PRELOAD": libraries, "PAM_WRAPPER": "1",
                 "PAM_WRAPPER_SERVICE_DIR": str(self.directory), "PAM_WRAPPER_DISABLE_DEEPBIND": "1",
                 "ASAN_OPTIONS": "detect_leaks=0"})
        return result.returncode, result.stdout.splitlines()


if __name__ == "__main__":
    unittest.main()
