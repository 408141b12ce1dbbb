"""Standard input, output and error may be closed: no socket and no file of ours takes their numbers."""

import contextlib
import itertools
import os
import pathlib
import ssl
import subprocess
import tempfile
import unittest
import urllib.request

import wrong_server
from handle import Handle, close_all
from node import BUILD, EXCHANGER, PODLOGIN, PODLOGIND, NodeCase, wait_for
from protocol_client import Get, Login, decode_frame

STDIN, STDOUT, STDERR = range(3)
COMBINATIONS = [closed for n in range(4) for closed in itertools.combinations(range(3), n)]
O_PATH = 0o10000000


def descriptors_of(pid):
    """Returns the path of each descriptor of a process."""
    descriptors = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            descriptors[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return descriptors


class Client(unittest.TestCase):
    """The command and the library, against a server that records what it is sent."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="podlogin-test-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "token").write_text("a.b.c")
        self.environment = {
            "PATH": os.environ["PATH"], "PODLOGIN_SERVER_UID": str(os.getuid()),
            "PODLOGIN_SOCKET": str(self.directory / "podlogin.sock"),
            "PODLOGIN_TOKEN_FILE": str(self.directory / "token")}

    def serve(self, *answers):
        path = self.directory / "podlogin.sock"
        path.unlink(missing_ok=True)
        return wrong_server.WrongServer(path, *answers)

    def run_with_closed(self, closed, *arguments):
        return subprocess.run([PODLOGIN, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20, check=False,
                              preexec_fn=lambda: close_all(closed))

    def assert_only_requests(self, server):
        """The server received LOGIN and GET, and nothing after them."""
        self.assertEqual(len(server.received), 1)
        received, types = bytes(server.received[0]), []
        while received and (frame := decode_frame(received)):
            types.append(frame[0])
            received = received[frame[3]:]
        self.assertEqual((types, received), ([Login.TYPE, Get.TYPE], b""))

    def test_a_token_for_a_closed_standard_output_goes_nowhere(self):
        for closed in COMBINATIONS:
            for options in ([], ["--json"], ["--verbose"]):
                with self.subTest(closed=closed, options=options):
                    with self.serve(wrong_server.token) as server:
                        result = self.run_with_closed(closed, "token", *options)
                    self.assert_only_requests(server)
                    self.assertEqual(result.returncode, 70 if STDOUT in closed else 0, result.stderr)
                    self.assertEqual(wrong_server.TOKEN.decode() in result.stdout, STDOUT not in closed)
                    self.assertNotIn(wrong_server.TOKEN.decode(), result.stderr)

    def test_an_error_for_a_closed_standard_error_goes_nowhere(self):
        for closed in COMBINATIONS:
            with self.subTest(closed=closed):
                with self.serve(lambda request: wrong_server.error(request, 30)) as server:
                    result = self.run_with_closed(closed, "token")
                self.assert_only_requests(server)
                self.assertEqual((result.returncode, result.stdout), (77, ""))
                self.assertEqual("POLICY_DENIED" in result.stderr, STDERR not in closed)

    def test_the_command_of_exec_finds_them_as_the_caller_left_them(self):
        """It has no other descriptors, either."""
        listing = self.directory / "listing"
        for closed in COMBINATIONS:
            with self.subTest(closed=closed):
                with self.serve(wrong_server.token) as server:
                    result = self.run_with_closed(closed, "exec", "--", "python3", "-c", (
                        "import os; open(%r, 'w').write(' '.join(n for n in os.listdir('/proc/self/fd')"
                        " if os.path.exists('/proc/self/fd/' + n)))" % str(listing)))
                self.assert_only_requests(server)
                self.assertEqual(result.returncode, 0, result.stderr)
                # the file and the directory that python opened have numbers, too: the lowest that were free
                self.assertEqual(set(listing.read_text().split()) - {str(n) for n in range(3) if n not in closed},
                                 {str(n) for n in [*closed, 3][:1]})

    def test_the_token_file_takes_no_standard_descriptor(self):
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        for closed in COMBINATIONS:
            with self.subTest(closed=closed), self.serve(wrong_server.token) as server:
                with subprocess.Popen([PODLOGIN, "token", "--token-file", fifo], env=self.environment,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      preexec_fn=lambda: close_all(closed)) as process:
                    # it is moved up once it is open
                    wait_for(lambda: [n for n, path in descriptors_of(process.pid).items() if path == str(fifo)]
                             == [3], what="the token file is open")
                    fifo.write_text("a.b.c")
            self.assert_only_requests(server)

    def test_the_library_takes_no_standard_descriptor_of_its_program(self):
        """A line that another thread prints while the handle is kept would go to the daemon."""
        for closed in COMBINATIONS:
            with self.subTest(closed=closed):
                with self.serve(wrong_server.token) as server, Handle(self.environment, closed) as handle:
                    before = descriptors_of(handle.process.pid)
                    self.assertEqual(set(closed) & set(before), set())
                    self.assertEqual(handle.call("authenticate"), (0, ""))
                    self.assertEqual(handle.call("get"), (0, wrong_server.TOKEN.decode()))
                    after = descriptors_of(handle.process.pid)
                    self.assertEqual({n: path for n, path in after.items() if n in before}, before)
                    self.assertGreater(min(set(after) - set(before)), STDERR)
                self.assert_only_requests(server)


class Daemon(NodeCase):
    def start(self, closed):
        with open(self.node.log_path, "ab") as log:
            self.node.process = subprocess.Popen(
                [PODLOGIND, "--config", self.node.etc, "--exchanger", EXCHANGER], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=lambda: close_all(closed))
        self.node.wait_until_ready()

    def assert_held(self, pid, closed):
        """Each of the standard descriptors @closed is one that cannot be read or written; the others are as given."""
        descriptors = descriptors_of(pid)
        for number in range(3):
            flags = pathlib.Path(f"/proc/{pid}/fdinfo/{number}").read_text().split("flags:")[1].split()[0]
            self.assertEqual(bool(int(flags, 8) & O_PATH), number in closed, descriptors)
            self.assertEqual(descriptors[number], "/" if number in closed else
                             "/dev/null" if number == STDIN else str(self.node.log_path))

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to look at the descriptors of the daemon")
    def test_daemon_and_exchanger_begin_at_3(self):
        for number, closed in enumerate(COMBINATIONS):
            with self.subTest(closed=closed):
                for file in self.node.state.iterdir():
                    file.unlink()
                self.start(closed)
                try:
                    # fetches keys and exchanges, for nothing is stored: so both exchangers have begun
                    answer = self.assert_served(self.mint(serviceaccount=f"runner-{number}"))
                    self.assertEqual(answer["source"], "exchange")
                    for pid in self.node.pids():
                        self.assert_held(pid, closed)
                finally:
                    self.assertEqual(self.node.stop(), 0)


class Ctl(NodeCase):
    def setUp(self):
        super().setUp()
        context = ssl.create_default_context(cafile=str(self.standin.ca))
        with urllib.request.urlopen(self.standin.issuer + "/keys", context=context) as answer:
            self.keys = answer.read()
        self.jwks = self.node.directory / "jwks.json"
        self.token = self.node.jwt_file(self.mint())

    def spawn(self, closed, *arguments):
        with open(self.token, "rb") as stdin:
            return subprocess.Popen([BUILD / "daemon/podloginctl", *arguments], stdin=stdin, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, preexec_fn=lambda: close_all(closed))

    def test_without_a_standard_input_or_output_podloginctl_fails(self):
        self.jwks.write_bytes(self.keys)
        explain = ["explain", "--config", self.node.etc, "--exchanger", EXCHANGER, "--service", "pulumi"]
        for arguments in (["verify", "--jwks", self.jwks], explain):
            for closed in COMBINATIONS:
                with self.subTest(closed=closed, command=arguments[0]), self.spawn(closed, *arguments) as process:
                    out, error = process.communicate(timeout=60)
                    self.assertEqual(process.returncode, 78 if STDIN in closed else 70 if STDOUT in closed else 0, error)
                    self.assertEqual("pulumi-runner" in out, not {STDIN, STDOUT} & set(closed))

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to look at the descriptors of a hardened process")
    def test_podloginctl_begins_at_3(self):
        os.mkfifo(self.jwks)
        for closed in COMBINATIONS:
            with self.subTest(closed=closed), self.spawn(closed, "verify", "--jwks", self.jwks) as process:
                with open(self.jwks, "wb") as fifo:  # blocks until podloginctl opens it
                    wait_for(lambda: str(self.jwks) in descriptors_of(process.pid).values(), what="the descriptor")
                    numbers = [n for n, path in descriptors_of(process.pid).items() if path == str(self.jwks)]
                    fifo.write(self.keys)
                process.communicate(timeout=60)
                self.assertGreater(min(numbers), STDERR)


if __name__ == "__main__":
    unittest.main()
