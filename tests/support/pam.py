"""A node with a stack of PAM lines, and a program that uses it."""

import os
import pathlib
import subprocess
import unittest

from node import BUILD, NodeCase
from preload import address_sanitizer_of

MODULE = BUILD / "module/pam/pam_podlogin.so"
HOST = BUILD / "tests/support/pam_host"
WRAPPER = [*pathlib.Path("/usr").glob("lib*/**/libpam_wrapper.so")]

# of _pam_types.h, and syslog.h
SUCCESS, SERVICE_ERR, AUTH_ERR, CRED_INSUFFICIENT, AUTHINFO_UNAVAIL, SESSION_ERR, MODULE_UNKNOWN = (
    0, 3, 7, 8, 9, 14, 28)
LOG_AUTHPRIV_ERR = 10 << 3 | 3


def pamtester(directory, service, user, *operations):
    """Runs a program that knows nothing of the module, with libpam as it reads its files elsewhere, in @directory. Returns
    the exit code and all lines that are printed."""
    libraries = " ".join([*address_sanitizer_of(MODULE), str(WRAPPER[0])])
    result = subprocess.run(
        ["pamtester", service, user, *operations], stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, check=False,
        env={"PATH": os.environ["PATH"], "LD_PRELOAD": libraries, "PAM_WRAPPER": "1",
             "PAM_WRAPPER_SERVICE_DIR": str(directory), "PAM_WRAPPER_DISABLE_DEEPBIND": "1",
             "ASAN_OPTIONS": "detect_leaks=0"})
    return result.returncode, result.stdout.splitlines()


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
