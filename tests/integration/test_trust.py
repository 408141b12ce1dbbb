"""The client authenticates the server by its user, and by who can write to its directory."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import threading
import unittest

import seccomp
from node import PODLOGIN, NodeCase

NOBODY = 65534
REFUSED = 77


class Trust(NodeCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to run as several users")
        super().setUp()
        # every user can reach the socket, the token and the program, wherever the build directory is
        self.program = shutil.copy(PODLOGIN, self.node.directory / "podlogin-copy")
        for path in (self.root, self.node.directory, self.node.directory / "pods"):
            os.chmod(path, 0o755)

    def ask(self, jwt, *options, uid=NOBODY, prepare=None, cwd=None, **variables):
        """`podlogin token` as a user of a container, with the defaults of the library. @prepare is called in its
        process before."""
        environment = self.node.environment(
            PODLOGIN_TOKEN_FILE=str(self.node.jwt_file(jwt)), **variables)
        if "PODLOGIN_SERVER_UID" not in variables:
            del environment["PODLOGIN_SERVER_UID"]
        result = subprocess.run([self.program, "token", "--timeout", "2s", *options],
                                capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd,
                                env=environment, user=uid, preexec_fn=prepare, timeout=20, check=False)
        return result.returncode, result.stdout.strip(), result.stderr.strip()

    def impostor(self, uid):
        """A server of another user at the socket. Returns the list of the bytes that it receives, and the thread that
        reads them."""
        directory = self.node.socket.parent
        directory.mkdir(exist_ok=True)
        received = []
        parent, child = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            try:
                server = socket.socket(socket.AF_UNIX)
                os.chmod(directory, 0o777)
                os.setuid(uid)
                server.bind(str(self.node.socket))
                os.chmod(self.node.socket, 0o666)
                server.listen()
                child.sendall(b"!")
                while True:
                    connection, _ = server.accept()
                    child.sendall(connection.recv(65536) or b"-")
            finally:
                os._exit(0)
        child.close()
        self.addCleanup(lambda: (os.kill(pid, signal.SIGKILL), os.waitpid(pid, 0)))
        parent.recv(1)
        os.chmod(directory, 0o755)
        thread = threading.Thread(target=lambda: received.append(parent.recv(65536)), daemon=True)
        thread.start()
        self.addCleanup(parent.close)
        return received, thread

    def test_the_daemon_is_trusted(self):
        self.node.start()
        code, _, error = self.ask(self.mint())
        self.assertEqual(code, 0, error)

    def test_a_server_of_another_user_is_sent_nothing(self):
        received, thread = self.impostor(NOBODY)
        code, out, error = self.ask(self.mint(), uid=0)
        self.assertEqual((code, out), (REFUSED, ""))
        self.assertIn(": UNTRUSTED_SERVER: ", error)
        self.assertIn("runs as uid 65534, not 0", error)
        self.assertIn("PODLOGIN_SERVER_UID", error)
        thread.join(5)
        self.assertEqual(received, [b"-"])

    def test_the_user_can_be_configured(self):
        received, thread = self.impostor(NOBODY)
        self.ask(self.mint(), uid=0, PODLOGIN_SERVER_UID=str(NOBODY))
        thread.join(5)
        self.assertIn(b"pulumi", received[0])  # the request was sent
        self.assertEqual(self.ask(self.mint(), PODLOGIN_SERVER_UID="root")[0], 64)

    def test_a_directory_that_the_caller_can_write_to(self):
        self.node.start()
        os.chmod(self.node.socket.parent, 0o777)
        code, out, error = self.ask(self.mint())
        self.assertEqual((code, out), (REFUSED, ""))
        self.assertIn(": UNTRUSTED_SERVER: ", error)
        self.assertIn("mount it read-only", error)
        self.assertEqual(self.exchanges(), 0)
        os.chmod(self.node.socket.parent, 0o755)
        self.assertEqual(self.ask(self.mint())[0], 0)

    def test_a_configured_user_in_a_directory_that_the_caller_can_write_to(self):
        received, thread = self.impostor(1000)
        os.chmod(self.node.socket.parent, 0o777)
        code, out, error = self.ask(self.mint(), PODLOGIN_SERVER_UID="1000")
        self.assertEqual((code, out), (REFUSED, ""))
        self.assertIn("mount it read-only", error)
        thread.join(5)
        self.assertEqual(received, [b"-"])

    def test_a_profile_that_does_not_know_the_system_call(self):
        """Old seccomp profiles answer EPERM, which does not mean that the caller cannot write."""
        self.node.start()
        for errno_ in (errno.EPERM, errno.ENOSYS):
            with self.subTest(errno.errorcode[errno_]):
                def prepare(errno_=errno_):
                    seccomp.forbid([seccomp.FACCESSAT2], errno_)
                os.chmod(self.node.socket.parent, 0o755)
                self.assertEqual(self.ask(self.mint(), prepare=prepare)[0], 0)
                os.chmod(self.node.socket.parent, 0o777)
                code, out, error = self.ask(self.mint(), prepare=prepare)
                self.assertEqual((code, out), (REFUSED, ""))
                self.assertIn(": UNTRUSTED_SERVER: ", error)
                self.assertIn("mount it read-only", error)

    @unittest.skipUnless(seccomp.ACCESS, "the numbers of the system calls are not known here")
    def test_a_directory_that_cannot_be_looked_at(self):
        self.node.start()
        for errno_ in (errno.EPERM, errno.ENOSYS):
            code, out, error = self.ask(
                self.mint(), prepare=lambda: seccomp.forbid([seccomp.FACCESSAT2, *seccomp.ACCESS], errno_))
            self.assertEqual((code, out), (REFUSED, ""))
            self.assertIn(": UNTRUSTED_SERVER: ", error)
            self.assertIn(f"cannot check whether the caller can write to {self.node.socket.parent}", error)
        self.assertEqual(self.exchanges(), 0)

    def test_a_path_relative_to_a_directory_that_the_caller_can_write_to(self):
        self.node.start()
        for path, directory in (("podlogin.sock", "."), ("./podlogin.sock", "."), ("../podlogin/podlogin.sock", "../podlogin")):
            for mode, expected in ((0o755, 0), (0o777, REFUSED)):
                os.chmod(self.node.socket.parent, mode)
                code, out, error = self.ask(self.mint(), "--socket", path, cwd=self.node.socket.parent)
                self.assertEqual(code, expected, error)
                if expected:
                    self.assertEqual(out, "")
                    self.assertIn(f"the caller can write to {directory}, the socket's directory; mount it read-only", error)

    def test_a_socket_that_the_caller_may_not_use(self):
        self.node.start()
        directory = self.node.socket.parent
        for path, mode in ((directory, 0o700), (self.node.socket, 0o600)):
            before = path.stat().st_mode
            os.chmod(path, mode)
            code, out, error = self.ask(self.mint())
            os.chmod(path, before)
            self.assertEqual((code, out), (69, ""))
            self.assertIn(f"uid {NOBODY} needs permission to search {directory} and to write to the socket", error)
        self.assertEqual(self.ask(self.mint())[0], 0)

    def test_a_daemon_of_the_caller_itself(self):
        """The caller runs the daemon itself, so it may write to the directory."""
        os.chmod(self.node.directory, 0o777)
        received, thread = self.impostor(NOBODY)
        os.chmod(self.node.socket.parent, 0o777)
        self.ask(self.mint(), PODLOGIN_SERVER_UID=str(NOBODY))
        thread.join(5)
        self.assertIn(b"pulumi", received[0])


if __name__ == "__main__":
    unittest.main()
