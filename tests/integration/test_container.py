#!/usr/bin/env python3
"""What a container needs that no service manager gives: directories of another user, and exchangers that listen."""
import os
import pathlib
import signal
import socket
import stat
import subprocess
import unittest

from node import EXCHANGER, PODLOGIND, NodeCase, children, wait_for

OWNER = 65532
CHOWN = "chown"  # the only capability


class Directories(NodeCase):
    def create(self, owner=f"{OWNER}:{OWNER}", prefix=()):
        return subprocess.run([*prefix, PODLOGIND, "--config", self.node.etc, "--create-directories", owner],
                              capture_output=True, text=True, check=False, timeout=60)

    def configure(self):
        self.node.configure("enforce")
        text = (self.node.etc / "podlogind.conf").read_text()
        for name in ("admin.sock", "state/cache.db"):
            text = text.replace(f"{self.node.directory}/{name}", f"{self.node.directory}/new-{name}")
        self.node.write("podlogind.conf", text.replace("new-admin.sock", "new-admin/admin.sock"))
        return {"podlogin": 0o755, "new-admin": 0o710, "new-state": 0o700}

    @unittest.skipIf(os.getuid(), "needs root, to give directories away")
    def test_they_belong_to_the_user_of_the_daemon(self):
        """Twice: the container may be started again. Without capabilities but one, as in a container."""
        directories = self.configure()
        setpriv = ("setpriv", f"--bounding-set=-all,+{CHOWN}", f"--inh-caps=-all,+{CHOWN}")
        os.chmod(self.node.directory, 0o755)  # root without CAP_DAC_OVERRIDE
        for _ in range(2):
            result = self.create(prefix=setpriv)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            for name, mode in directories.items():
                st = (self.node.directory / name).stat()
                self.assertEqual((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)), (OWNER, OWNER, mode), name)

    @unittest.skipIf(os.getuid(), "needs root, to give directories away")
    def test_a_link_is_not_followed(self):
        directories = self.configure()
        victim = self.node.directory / "victim"
        victim.mkdir()
        for name in directories:
            (self.node.directory / name).symlink_to(victim)
            result = self.create()
            self.assertEqual(result.returncode, 70, name)
            self.assertIn("cannot create the directory of", result.stderr)
            self.assertEqual(victim.stat().st_uid, 0)
            (self.node.directory / name).unlink()

    @unittest.skipIf(os.getuid(), "needs root, to give directories away")
    def test_a_directory_that_is_in_use_is_left_alone(self):
        """Such as /run, if the socket is in it."""
        directories = self.configure()
        for name in directories:
            directory = self.node.directory / name
            directory.mkdir(exist_ok=True)
            (directory / "precious").write_text("x")
            result = self.create()
            self.assertEqual(result.returncode, 70, name)
            self.assertIn("Directory not empty", result.stderr)
            self.assertEqual(directory.stat().st_uid, 0)
            (directory / "precious").unlink()

    @unittest.skipUnless(os.getuid(), "root may give directories away")
    def test_without_root_it_says_so(self):
        self.configure()
        result = self.create()
        self.assertEqual(result.returncode, 70)
        self.assertIn("Operation not permitted", result.stderr)

    def test_an_owner_that_is_none(self):
        for owner in ("", "root", "1", "1:", "1:2:3", "-1:x", "-1:-1", "4294967295:1", "4294967296:1", " 5:5", "+5:5", ":1",
                      "99999999999999999999:1"):
            result = self.create(owner)
            self.assertEqual(result.returncode, 64, owner)
            self.assertIn("UID:GID", result.stderr)


def alive(pid):
    """The children of a process that have not ended; it reaps them when the next one connects."""
    return [child for child in children(pid)
            if "State:\tZ" not in pathlib.Path(f"/proc/{child}/status").read_text()]


class Listening(NodeCase):
    def setUp(self):
        super().setUp()
        self.sockets = self.node.directory / "exchangers"
        self.sockets.mkdir()

    def listen(self, role):
        process = subprocess.Popen([EXCHANGER, role, "--listen", self.sockets / f"{role}.sock"],
                                   stdin=subprocess.DEVNULL, stderr=open(self.node.directory / f"{role}.log", "ab"))
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        wait_for(lambda: (self.sockets / f"{role}.sock").exists())
        return process

    def test_each_connection_has_a_process_of_its_own(self):
        listeners = {role: self.listen(role) for role in ("issuers", "upstreams")}
        self.node.start(exchanger_sockets=self.sockets)
        self.assert_served(self.mint())
        for role, process in listeners.items():
            first, = children(process.pid)
            os.kill(first, signal.SIGKILL)
            wait_for(lambda p=process, f=first: alive(p.pid) not in ([], [f]), what=f"another exchanger for {role}")
        self.assert_served(self.mint(serviceaccount="another"))
        self.node.stop()
        for process in listeners.values():
            wait_for(lambda p=process: not alive(p.pid), what="the end with the connection")

    def test_a_listener_that_is_started_again(self):
        """kubelet starts a container again; the socket of the one before is still there."""
        listeners = [self.listen(role) for role in ("issuers", "upstreams")]
        self.node.start(exchanger_sockets=self.sockets)
        for process in listeners:
            process.kill()
            process.wait()
        for role in ("issuers", "upstreams"):
            self.listen(role)
        self.assert_served(self.mint())

    def test_its_children_end_with_it(self):
        process = self.listen("issuers")
        self.listen("upstreams")
        self.node.start(exchanger_sockets=self.sockets)
        self.assert_served(self.mint())
        child, = children(process.pid)
        process.kill()
        wait_for(lambda: not os.path.exists(f"/proc/{child}") or "State:\tZ" in open(f"/proc/{child}/status").read())

    def test_others_cannot_connect(self):
        self.listen("issuers")
        st = (self.sockets / "issuers.sock").stat()
        self.assertTrue(stat.S_ISSOCK(st.st_mode))
        self.assertEqual(stat.S_IMODE(st.st_mode), 0o660)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as broker:
            wait_for(lambda: broker.connect_ex(str(self.sockets / "issuers.sock")) == 0)

    def test_connections_have_a_limit(self):
        process = self.listen("issuers")
        brokers = []
        for _ in range(20):
            broker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.addCleanup(broker.close)
            wait_for(lambda broker=broker: broker.connect_ex(str(self.sockets / "issuers.sock")) == 0)
            brokers.append(broker)
        brokers[-1].settimeout(30)
        self.assertEqual(brokers[-1].recv(1), b"")  # turned away
        self.assertEqual(len(children(process.pid)), 8)

    def test_what_is_no_socket_is_left_alone(self):
        (self.sockets / "precious").write_text("x")
        for path in (self.sockets / "precious", ""):
            result = subprocess.run([EXCHANGER, "issuers", "--listen", path], capture_output=True, text=True,
                                    check=False, timeout=30)
            self.assertEqual(result.returncode, 70)
        self.assertEqual((self.sockets / "precious").read_text(), "x")

    def test_wrong_arguments(self):
        for arguments in ((), ("issuers", "--listen"), ("x", "--listen", "/tmp/x"), ("issuers", "-l", "/tmp/x"),
                          ("issuers",)):
            result = subprocess.run([EXCHANGER, *arguments], capture_output=True, text=True, check=False, timeout=30)
            self.assertEqual(result.returncode, 64, arguments)
        result = subprocess.run([EXCHANGER, "issuers", "--listen", "/nonexistent/x"], capture_output=True, text=True,
                                check=False, timeout=30)
        self.assertEqual(result.returncode, 70)
        self.assertIn("cannot listen at /nonexistent/x: No such file or directory", result.stderr)


if __name__ == "__main__":
    unittest.main()
