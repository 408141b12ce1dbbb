#!/usr/bin/env python3
"""What the daemon takes from a service manager: listening sockets, and the watchdog."""
import contextlib
import itertools
import json
import os
import pathlib
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
import unittest

from exchangers import Exchangers
from node import BUILD, EXCHANGER, Node, NodeCase, children, wait_all, wait_for


def go_on(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def has_ended(pid):
    """Also if process 1, whose child it is then, does not wait for it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Activation(NodeCase):
    def listen(self, path=None):
        path = path or self.node.socket
        path.parent.mkdir(exist_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(path))
        os.chmod(path, 0o666)
        listener.listen(4096)
        os.set_inheritable(listener.fileno(), True)
        return listener

    def assert_does_not_start(self, sentence, sockets):
        self.node.start(wait=False, sockets=sockets)
        self.assertEqual(self.node.process.wait(60), 70)
        self.node.process = None
        self.assertIn(sentence, self.node.log())

    def test_the_passed_socket_is_served_and_stays(self):
        listener = self.listen()
        before = self.node.socket.stat()
        self.node.start(sockets={"podlogin": listener})
        self.assert_served(self.mint())
        self.assertEqual(self.node.stop(), 0)
        after = self.node.socket.stat()
        self.assertTrue(stat.S_ISSOCK(after.st_mode))
        self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode))

    def test_clients_wait_in_the_queue_for_the_next_daemon(self):
        listener = self.listen()
        jwt = self.node.jwt_file(self.mint())
        waiting = [self.node.spawn("token", "--timeout", "60s", token_file=jwt) for _ in range(8)]
        time.sleep(0.3)
        self.assertEqual([process.poll() for process in waiting], [None] * 8)
        self.node.start(sockets={"podlogin": listener})
        self.assertEqual([code for code, _, _ in wait_all(waiting)], [0] * 8)
        self.node.stop()
        waiting = [self.node.spawn("token", "--timeout", "60s", token_file=jwt) for _ in range(8)]
        self.node.start(sockets={"podlogin": listener})
        self.assertEqual([code for code, _, _ in wait_all(waiting)], [0] * 8)
        self.assertEqual(self.exchanges(), 1)

    def test_a_removed_socket_is_told(self):
        """If the daemon listened itself, clients that trust root only would refuse it."""
        listener = self.listen()
        self.node.start(sockets={"podlogin": listener})
        self.node.socket.unlink()
        sentence = "was removed; restart the socket unit that listens there"
        wait_for(lambda: sentence in self.node.log())
        time.sleep(1.5)
        self.assertEqual(self.node.log().count(sentence), 1)
        self.assertFalse(self.node.socket.exists())
        self.node.stop()
        self.assert_does_not_start(sentence, {"podlogin": listener})

    def test_a_socket_at_another_path_is_an_error(self):
        other = self.node.directory / "other.sock"
        self.assert_does_not_start(
            f"the service manager listens at {other}; Socket= and ListenStream= of the socket unit must be the same",
            {"podlogin": self.listen(other)})

    def test_something_else_is_an_error(self):
        datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(datagram.close)
        self.node.socket.parent.mkdir()
        datagram.bind(str(self.node.socket))
        os.set_inheritable(datagram.fileno(), True)
        self.assert_does_not_start("something else than a listening Unix stream socket", {"podlogin": datagram})

    def test_a_descriptor_without_use_is_named(self):
        self.node.start(sockets={"podlogin": self.listen(), "telnet": self.listen(self.node.directory / "t")})
        self.assert_served(self.mint())
        self.assertIn("passed a descriptor named telnet, which has no use here", self.node.log())


class Stop(NodeCase):
    """Requests that are pending when the daemon is told to stop."""

    def stop_during_an_exchange(self, account, latency_ms):
        """Returns the client that waits for the exchange."""
        self.node.start()
        self.assert_served(self.mint())
        self.standin.fault_upstream(latency_ms=latency_ms)
        jwt = self.node.jwt_file(self.mint(serviceaccount=account))
        process = self.node.spawn("token", "--timeout", "2s", token_file=jwt)
        wait_for(lambda: self.standin.counts()["exchanges_in_flight"] == 1, what="the exchange")
        self.node.process.terminate()
        return process

    def test_they_are_answered(self):
        codes = []
        while 0 not in codes and len(codes) < 4:  # a busy machine may take longer than the daemon waits
            process = self.stop_during_an_exchange(f"account-{len(codes)}", 100)
            self.assertEqual(self.node.process.wait(30), 0)
            self.node.process = None
            codes.append(wait_all([process])[0][0])
            self.standin.fault_upstream()
        self.assertEqual(codes[-1], 0, codes)
        self.node.start()  # the token is in the cache
        account = f"account-{len(codes) - 1}"
        self.assertEqual(self.assert_served(self.mint(serviceaccount=account))["source"], "cache")

    def test_a_slow_upstream_does_not_keep_the_daemon(self):
        process = self.stop_during_an_exchange("another", 8000)
        begun = time.monotonic()
        self.assertEqual(self.node.process.wait(30), 0)
        self.assertLess(time.monotonic() - begun, 5)
        self.node.process = None
        self.assertEqual(wait_all([process])[0][0], 69)

    def test_a_second_signal_ends_it_at_once(self):
        process = self.stop_during_an_exchange("another", 8000)
        wait_for(lambda: "stopping" in self.node.log())
        self.node.process.terminate()
        self.assertEqual(self.node.process.wait(30), 0)
        self.assertEqual(self.node.log().count("received signal 15; stopping"), 2)
        self.node.process = None
        wait_all([process])


class Replace(NodeCase):
    """A daemon that takes over the socket of another one, as in a DaemonSet with surge."""

    def start_next(self):
        """Starts another daemon of the same node, and returns it."""
        successor = Node(self.node.directory, self.standin)
        successor.log_path = self.node.directory / "next.log"
        successor.start(wait=False, replaces=True)
        wait_for(lambda: "serving at" in successor.log(), what="the next daemon")
        self.addCleanup(lambda: successor.process and successor.stop())
        return successor

    def test_no_login_fails(self):
        self.node.start()
        jwt = self.mint()
        self.assert_served(jwt)
        steady = subprocess.Popen([BUILD / "tests/support/steady", "200", "8"], stdout=subprocess.PIPE, text=True,
                                  env=self.node.environment(PODLOGIN_TOKEN_FILE=str(self.node.jwt_file(jwt, "steady"))))
        for _ in range(3):
            successor = self.start_next()
            time.sleep(1.2)
            self.assertIn("another daemon has taken over", self.node.log())
            self.assertEqual(self.node.stop(), 0)
            self.node, successor.log_path = successor, successor.log_path.rename(
                successor.log_path.with_suffix(f".{successor.process.pid}"))
        time.sleep(0.5)
        steady.terminate()
        figures = json.loads(steady.communicate(timeout=60)[0])
        self.assertEqual(figures["failed"], 0, figures)
        self.assertGreater(figures["logins"], 200)
        self.assertTrue(self.node.socket.exists())
        self.assertEqual(self.node.ctl("status").returncode, 0)

    def test_one_that_fails_leaves_the_socket_to_the_other(self):
        """The first daemon listens again when nobody listens at its path."""
        self.node.start()
        successor = self.start_next()
        wait_for(lambda: "another daemon has taken over" in self.node.log())
        successor.kill()
        wait_for(lambda: "was removed; listening again" in self.node.log())
        self.assert_served(self.mint())

    def test_what_is_no_socket_is_not_replaced(self):
        self.node.socket.parent.mkdir()
        self.node.socket.write_text("precious")
        self.node.start(wait=False, replaces=True)
        self.assertEqual(self.node.process.wait(30), 70)
        self.node.process = None
        self.assertEqual(self.node.socket.read_text(), "precious")


class SocketUnits(NodeCase):
    """Exchangers that a service manager starts."""

    def setUp(self):
        super().setUp()
        self.exchangers = Exchangers(self.node.directory / "exchangers", EXCHANGER)
        self.addCleanup(self.exchangers.close)
        self.sockets, self.processes = self.exchangers.directory, self.exchangers.processes

    def test_each_has_the_jobs_of_its_role_and_is_replaced(self):
        for role in self.processes:
            self.exchangers.listen(role)
        self.node.start(exchanger_sockets=self.sockets)
        self.assert_served(self.mint())
        self.assertEqual(children(self.node.process.pid), [])
        for role in self.processes:
            self.processes[role][0].kill()
            wait_for(lambda role=role: len(self.processes[role]) == 2)
            self.assertIn(f"the exchanger for {role} ended", self.node.log())
            self.assert_served(self.mint(serviceaccount=f"after-{role}"))
        self.node.stop()
        for role, each in self.processes.items():
            self.assertEqual(each[1].wait(30), 0, role)  # it ends with its connection

    def test_a_daemon_waits_for_them_and_says_so_once(self):
        self.node.start(wait=False, exchanger_sockets=self.sockets)
        jwt = self.node.jwt_file(self.mint())
        waiting = self.node.spawn("token", "--timeout", "60s", token_file=jwt)
        time.sleep(1.2)
        for role in self.processes:
            self.exchangers.listen(role)
        self.assertEqual(wait_all([waiting])[0][0], 0)
        self.assertEqual(self.node.log().count("cannot start the exchanger for issuers: No such file"), 1)
        self.assertEqual(self.node.log().count("cannot start the exchanger for upstreams: No such file"), 1)

    def test_an_exchanger_refuses_the_jobs_of_the_other(self):
        """An upstream that took its exchanger over can be asked for no keys."""
        def field(tag, value):
            return struct.pack(">I", tag << 24 | len(value)) + value
        exchange = field(1, b"pulumi") + field(2, b"APIURL=https://127.0.0.1:1") + field(3, b"a.b.c")
        program = field(1, b"exec") + field(2, b"Command=/nonexistent") + field(3, b"a.b.c")
        jobs = {"upstreams": (1, exchange), "issuers": (2, field(1, b"https://127.0.0.1:1")), "programs": (1, program)}
        listening = set()
        for role, other in itertools.permutations(jobs, 2):
            if role not in listening:
                self.exchangers.listen(role)
                listening.add(role)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as broker:
                broker.settimeout(30)
                broker.connect(str(self.sockets / f"{role}.sock"))
                for number, data in (jobs[other], jobs[role]):
                    no_files = bytes(20)  # no CA file
                    broker.send(no_files + struct.pack(">IBBH", len(data), 1, number, 7) + data)
                refused, taken = broker.recv(65536), broker.recv(65536)
                self.assertIn(b"Bad message", refused, (role, other))
                self.assertNotIn(b"Bad message", taken)


class Starter(NodeCase):
    """The process that starts exchangers, where no service manager does."""

    def test_without_it_the_daemon_ends(self):
        """Nobody could start exchangers any more; a service manager starts the daemon again, with its cache."""
        self.node.start()
        self.assert_served(self.mint())
        os.kill(self.node.starter_pid(), signal.SIGKILL)
        self.assertEqual(self.node.process.wait(30), 70)
        self.node.process = None
        self.assertIn("the process that starts exchangers has ended; stopping", self.node.log())
        self.node.start()
        self.assertEqual(self.assert_served(self.mint())["source"], "cache")

    @unittest.skipIf(os.getuid(), "needs root, to read the environment of a process that is not dumpable")
    def test_exchangers_get_the_network_s_variables_only(self):
        """A server that takes one over finds no other program's secrets."""
        self.node.start(PULUMI_ACCESS_TOKEN="pul-secret", AWS_SECRET_ACCESS_KEY="secret", no_proxy="*",
                        HTTPS_PROXY="http://127.0.0.1:1")
        self.assert_served(self.mint())
        for role in ("issuers", "upstreams"):
            variables = pathlib.Path(f"/proc/{self.node.exchanger_pid(role)}/environ").read_bytes().split(b"\0")
            self.assertNotIn(b"secret", b"\0".join(variables))
            self.assertIn(b"no_proxy=*", variables)
            self.assertIn(b"HTTPS_PROXY=http://127.0.0.1:1", variables)
            self.assertFalse(any(variable.startswith((b"PATH=", b"HOME=")) for variable in variables))

    def test_hits_do_not_wait_for_it(self):
        self.node.start()
        jwt = self.mint()
        self.assert_served(jwt)
        starter, exchanger = self.node.starter_pid(), self.node.exchanger_pid()
        os.kill(starter, signal.SIGSTOP)
        self.addCleanup(go_on, starter)
        os.kill(exchanger, signal.SIGKILL)
        wait_for(lambda: "the exchanger for upstreams ended" in self.node.log())
        begun = time.monotonic()
        for _ in range(10):
            self.assertEqual(self.get(jwt, "--timeout", "2s")[0], 0)
        self.assertLess(time.monotonic() - begun, 10)  # 10 hits; each would wait for 5 s
        self.assertEqual(self.node.stop(), 0)
        go_on(starter)
        wait_for(lambda: has_ended(starter), what="the end of the starter")

    def test_an_exchanger_that_cannot_run_is_told_once(self):
        program = self.node.directory / "exchanger"
        program.write_text("#!/nonexistent\n")
        program.chmod(0o755)
        self.node.start(wait=False, exchanger=program)
        wait_for(lambda: "cannot start the exchanger for issuers: No such file" in self.node.log())
        time.sleep(1.2)
        self.assertEqual(self.node.log().count("cannot start the exchanger for issuers"), 1)
        self.assertEqual(self.node.log().count("the exchanger for issuers ended"), 1)


class Watchdog(NodeCase):
    def test_the_loop_feeds_it(self):
        path = os.path.join(tempfile.mkdtemp(dir=self.root), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(10)
            self.node.start(NOTIFY_SOCKET=path, WATCHDOG_USEC="200000")
            for _ in range(5):
                while notify.recv(4096) != b"WATCHDOG=1":
                    pass
            self.node.process.send_signal(signal.SIGSTOP)  # stands for a loop that does not turn
            time.sleep(0.1)
            notify.setblocking(False)
            with self.assertRaises(BlockingIOError):
                while True:
                    notify.recv(4096)
            time.sleep(0.5)
            with self.assertRaises(BlockingIOError):
                notify.recv(4096)
            self.node.process.send_signal(signal.SIGCONT)
            notify.settimeout(10)
            self.assertEqual(notify.recv(4096), b"WATCHDOG=1")


if __name__ == "__main__":
    unittest.main()
