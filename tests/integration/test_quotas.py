"""Quotas: what one pod may use of the daemon, and what others notice of one that tries to use more."""

import os
import pathlib
import resource
import select
import signal
import socket
import struct
import threading
import time
import unittest

import metrics
from node import BUILD, NO_LIMITS, scale, wait_for
from protocol_client import (MAX_REQUEST, Get, Login, Ping, Whoami, encode_field, encode_frame,
                             encode_message)
from test_peer import PodCase, answer_name, answer_names

PING = encode_message(Ping(), 7)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class QuotaCase(PodCase):
    """The default limits, unless a test sets others."""

    limits = ""

    def setUp(self):
        super().setUp()
        self.node.configure("enforce", limits=self.limits)

    def connection(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.node.socket))
        self.addCleanup(connection.close)
        return connection

    def in_pod(self, pod, run):
        """Calls @run in a process of the pod, which runs until the test ends or @run returns."""
        pid = os.fork()
        if pid == 0:
            try:
                pod.enter()
                run()
            finally:
                os._exit(0)
        self.addCleanup(self.end, pid)
        return pid

    def end(self, pid):
        try:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.node.process.pid}/status").read_text("ascii")
        return int(status.split("VmRSS:")[1].split()[0])


class Quotas(QuotaCase):
    limits = ("[Limits]\nConnectionsPerPod=4\nRequestsPerPod=20\nRequestsPerPodBurst=10\n"
              "SignatureChecksPerPod=10\nSignatureChecksPerPodBurst=5\nMissesPerPod=1\n"
              "FrameTimeout=1s\nIdleTimeout=2s\n")

    def test_connections(self):
        self.node.start()
        # the connection of an earlier command counts until the daemon notices its end
        wait_for(lambda: metrics.read(self.node)["podlogin_connections",] == 0, what="no connection")
        held = []
        for _ in range(4):
            held.append(self.connection())
            held[-1].sendall(PING)
            self.assertEqual(answer_name(held[-1]), "OK")
        self.assertEqual(answer_name(self.connection()), "TOO_MANY")
        # a client that waits within its timeout is served when there is room
        timer = threading.Timer(0.5, held[0].close)
        timer.start()
        result = self.node.podlogin("wait", "--timeout", "5s")
        self.assertEqual(result.returncode, 0, result.stderr)
        timer.join()
        # another pod has its own quota
        pod = self.pod()
        self.assertEqual(self.ask(pod.enter, self.mint_for(pod))[0], 0)

    def test_requests_are_throttled(self):
        self.node.start()
        connection = self.connection()
        begun = time.monotonic()
        connection.sendall(PING * 50)
        got = b""
        while got.count(b"podlogind ") < 50:
            got += connection.recv(65536)
        self.assertGreater(time.monotonic() - begun, 1.0)  # 40 beyond the burst, at 20 per second

    def test_signature_checks_are_throttled(self):
        self.node.start()
        pod = self.pod()
        tokens = [self.mint_for(pod, lifetime=600 + i) for i in range(25)]
        begun = time.monotonic()
        self.served(pod.enter, tokens[0])
        for jwt in tokens:
            self.served(pod.enter, jwt)
        self.assertGreater(time.monotonic() - begun, 1.5)  # 20 beyond the burst, at 10 per second

    def test_exchanges(self):
        self.node.service("other", audience="urn:pulumi:org:acme", share="pod")
        self.node.start()
        self.standin.fault_upstream(latency_ms=1000)
        pod = self.pod()
        jwt = self.mint_for(pod)
        request = (encode_message(Login(jwt.encode()), 0) + encode_message(Get("pulumi"), 1) +
                   encode_message(Get("other"), 2) + encode_message(Get("pulumi"), 3))
        answers = self.node.directory / "answers"

        def ask():
            with self.connection() as connection, answers.open("w") as file:
                connection.sendall(request)
                for _, name in zip(range(3), answer_names(connection)):
                    print(name, file=file, flush=True)

        self.in_pod(pod, ask)
        # the second exceeds the quota; the third joins the first
        wait_for(lambda: answers.exists() and answers.read_text(), 30)
        self.assertEqual(answers.read_text().split()[0], "TOO_MANY")
        # the command waits until there is room
        code, _, error = self.ask(pod.enter, jwt, "other")
        self.assertEqual(code, 0, error)
        wait_for(lambda: answers.read_text() == "TOO_MANY\nOK\nOK\n", 30)
        self.assertEqual(self.exchanges(), 2)

    def test_an_incomplete_frame_times_out(self):
        self.node.start()
        connection = self.connection()
        for byte in struct.pack(">IBBH", 4, 1, 4, 1) + b"abc":
            connection.send(bytes([byte]))
            time.sleep(0.05)
        self.assertEqual(answer_name(connection), "BAD_FRAME")
        self.assertEqual(connection.recv(1), b"")

    def test_a_byte_from_time_to_time_does_not_prolong_a_frame(self):
        self.node.start()
        connection = self.connection()
        try:
            for byte in struct.pack(">IBBH", 100, 1, 4, 1):  # 2.4 s, and more to come
                connection.send(bytes([byte]))
                time.sleep(0.3)
            self.fail("the frame's time is over, but the daemon reads on")
        except BrokenPipeError:
            self.assertEqual(answer_name(connection), "BAD_FRAME")

    def test_a_request_that_waits_is_not_idle(self):
        self.node.configure("off", limits="[Limits]\nIdleTimeout=1s\n")
        self.standin.fault_upstream(latency_ms=500)
        self.start_with_clock()
        connection = self.connection()
        connection.sendall(encode_message(Login(self.mint().encode()), 0) +
                           encode_message(Get("pulumi", timeout_ms=15000), 1))
        wait_for(lambda: self.exchanges() == 1, what="the exchange")
        self.clock.turn(3)
        self.assertEqual(answer_name(connection), "OK")

    def test_whoami_has_its_own_timeout(self):
        self.standin.fault_issuer(kind="hang")
        self.node.configure("off")
        self.node.start()
        connection = self.connection()
        connection.sendall(encode_message(Login(self.mint().encode()), 0) +
                           encode_message(Whoami(timeout_ms=300), 1))
        connection.settimeout(2)  # a fetch of keys takes 8 s
        self.assertEqual(answer_name(connection), "ISSUER_UNAVAILABLE")

    def test_a_frame_of_the_greatest_size_is_served(self):
        self.node.configure("off")
        self.node.start()
        jwt = self.mint()
        for size, name in ((MAX_REQUEST, "OK"), (MAX_REQUEST + 1, "BAD_FRAME")):
            login = encode_field(1, jwt.encode())
            login += encode_field(200, b"x" * (size - len(login) - 4))  # a field that may be skipped
            connection = self.connection()
            connection.sendall(encode_frame(Login.TYPE, 0, login) + encode_message(Get("pulumi"), 1))
            self.assertEqual(answer_name(connection), name)

    def test_an_idle_connection_is_closed(self):
        self.start_with_clock()
        connection, used = self.connection(), self.connection()
        while self.clock.passed_s < 5:
            used.sendall(PING)
            self.assertEqual(answer_name(used), "OK")
            self.clock.turn(0.25)
        self.assertEqual(connection.recv(1), b"")

    def test_a_client_that_does_not_read_is_disconnected(self):
        self.node.configure("off", limits="[Limits]\nRequestsPerPod=0\nSignatureChecksPerPod=0\n")
        self.standin.configure_upstream(token_bytes=16000)
        self.start_with_clock()
        jwt = self.mint()
        self.assert_served(jwt)
        before = self.node.open_descriptors()
        connection = self.connection()
        connection.sendall(encode_message(Login(jwt.encode()), 0) +
                           encode_message(Get("pulumi"), 1) * 60)
        self.turn_until(lambda: self.node.open_descriptors() == before, 5,
                        "the end of a connection whose answers are not read")


class Outsiders(QuotaCase):
    """A process that may change its uid (CAP_SETUID) chooses neither what it is counted as, nor how much it gets."""

    attackers = 300
    at_once = 1

    def setUp(self):
        super().setUp()
        for path in (self.root, self.node.directory):  # as in a container, every user reaches the socket
            os.chmod(path, 0o711)

    def take_connections(self, pod, connect_as):
        """A process of @pod keeps connections that its children make, each as another user."""
        ready, tell = os.pipe()
        self.addCleanup(os.close, ready)

        def run():
            held, children = [], []
            for uid in range(100000, 100000 + self.attackers):
                connection = socket.socket(socket.AF_UNIX)
                held.append(connection)
                children.append(os.fork())
                if children[-1] == 0:
                    try:
                        connect_as(connection, uid)
                    finally:
                        os._exit(0)
                if len(children) == self.at_once:
                    os.waitpid(children.pop(0), 0)
            for child in children:
                os.waitpid(child, 0)
            os.write(tell, b"!")
            signal.pause()

        self.in_pod(pod, run)
        os.close(tell)
        self.assertEqual(os.read(ready, 1), b"!")

    def connect_as(self, connection, uid):
        os.setuid(uid)
        connection.connect(str(self.node.socket))

    def assert_attack_fails(self, attestation, attacker, connect_as, at_most):
        self.node.configure(attestation, limits="[Limits]\n")
        self.node.start()
        pod = self.pod()
        jwt = self.mint_for(pod)
        self.served(pod.enter, jwt)
        before = self.node.open_descriptors()
        self.take_connections(attacker, connect_as)
        self.assertLessEqual(self.node.open_descriptors() - before, 2 * at_most)
        self.served(pod.enter, jwt)

    def test_a_peer_that_has_ended_is_turned_away(self):
        self.assert_attack_fails("enforce", self.pod(), self.connect_as, 64)

    def test_peers_that_have_ended_share_a_quota(self):
        for attestation in ("audit", "off"):
            self.assert_attack_fails(attestation, self.pod(), self.connect_as, 128)
            self.node.stop()

    def test_peers_with_contradictory_cgroups_share_a_quota(self):
        attacker, victim = self.pod(), self.pod()
        enter = attacker.nest(f"pod{victim.uid}")
        self.at_once = 20  # to enter a cgroup takes long

        def connect_as(connection, uid):
            enter()
            self.connect_as(connection, uid)
            time.sleep(0.01)  # so that it is looked at while it runs

        self.assert_attack_fails("off", attacker, connect_as, 128)

    def test_peers_with_unreadable_cgroups_share_a_quota(self):
        """With cgroup v1, paths that are long enough make a text that is longer than what the daemon reads."""
        attacker = self.pod()
        enter = attacker.nest("/".join(["c" * 240] * 15))
        self.at_once = 20

        def connect_as(connection, uid):
            enter()
            self.connect_as(connection, uid)
            time.sleep(0.01)

        self.assert_attack_fails("off", attacker, connect_as, 128)

    def test_processes_outside_of_pods_share_a_quota_where_they_are_not_served(self):
        self.node.start()
        held = [self.connection() for _ in range(64)]
        for connection in held:
            connection.sendall(PING)
            self.assertEqual(answer_name(connection), "OK")
        child = os.fork()
        if child == 0:
            try:
                os.setuid(100000)
                os._exit(0 if answer_name(self.connection()) == "TOO_MANY" else 1)
            finally:
                os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(len(held), 64)


class Leaks(QuotaCase):
    """Nothing is left of connections that end in any way, however many."""

    limits = "[Limits]\nConnectionsPerPod=8\nRequestsPerPod=0\nMissesPerPod=2\n"

    def assert_nothing_left(self, do, rounds):
        """Memory and descriptors are the same after as many rounds again."""
        self.start_with_clock()
        used = []
        for _ in range(2):
            for i in range(rounds):
                do(i)
            used.append((self.node.open_descriptors(), self.memory_kib()))
        self.assertEqual(used[0][0], used[1][0])
        if "sanitized" not in str(BUILD):  # a sanitizer keeps freed memory, and finds leaks by itself
            self.assertLess(used[1][1] - used[0][1], 512)

    def test_connections_that_are_turned_away(self):
        held = []

        def turned_away(i):
            while len(held) < 8:
                held.append(self.connection())
                held[-1].sendall(PING)
                self.assertEqual(answer_name(held[-1]), "OK")
            with self.node.connect() as connection:
                self.assertEqual(answer_name(connection), "TOO_MANY")
            if i == 499:
                while held:
                    held.pop().close()

        self.assert_nothing_left(turned_away, 500)

    def test_half_a_frame(self):
        jwt = self.mint()
        request = encode_message(Login(jwt.encode()), 0) + encode_message(Get("pulumi"), 1)

        def cut_off(i):
            with self.node.connect() as connection:
                connection.sendall(request[:i * 7 % (len(request) - 1) + 1])

        self.assert_nothing_left(cut_off, 1500)

    def test_half_a_frame_that_is_never_finished(self):
        self.node.configure("enforce", limits="[Limits]\nConnectionsPerPod=0\nRequestsPerPod=0\nFrameTimeout=1s\n")
        part = encode_message(Login(self.mint().encode()), 0)[:-1]

        def leave(_):
            connections = [self.node.connect() for _ in range(1000)]
            for connection in connections:
                connection.sendall(part)
            self.clock.turn(1)
            for connection in connections:
                self.assertEqual(answer_name(connection), "BAD_FRAME")
                connection.close()

        self.assert_nothing_left(leave, 1)

    def test_misses_of_clients_that_hang_up(self):
        """Each counts as long as its client is there, and no longer."""
        self.node.start()
        pod = self.pod()
        # after an answer, the daemon has more than one exchange at a time
        self.assertEqual(self.ask(pod.enter, self.mint_for(pod, serviceaccount="earlier"))[0], 0)
        self.standin.fault_upstream(latency_ms=300)
        for i in range(30):
            jwt = self.mint_for(pod, serviceaccount=f"sa-{i}")
            self.in_pod(pod, lambda jwt=jwt: self.hang_up(jwt))
        wait_for(lambda: self.standin.counts()["exchanges"] >= 3)
        code, _, error = self.ask(pod.enter, self.mint_for(pod, serviceaccount="last"), "--timeout", "10s")
        self.assertEqual(code, 0, error)

    def hang_up(self, jwt):
        with self.node.connect() as connection:
            connection.sendall(encode_message(Login(jwt.encode()), 0) + encode_message(Get("pulumi"), 1))
            time.sleep(0.1)


class AllConnections(QuotaCase):
    """At the greatest number of connections, further ones wait, and are served as soon as there is room."""

    def setUp(self):
        super().setUp()
        self.served, self.waiting = [], []

    def configure(self, most):
        self.node.configure("off", limits=f"{NO_LIMITS}Connections={most}\n")

    def reload(self, most):
        self.configure(most)
        self.node.process.send_signal(signal.SIGHUP)

    def add(self, connections, n):
        for _ in range(n):
            connections.append(self.connection())
            connections[-1].sendall(PING)

    def assert_numbers(self, served, waiting):
        for connection in self.served:
            connection.sendall(PING)
        for connection in self.served:
            self.assertEqual(answer_name(connection), "OK")
        self.assertEqual((len(self.served), len(self.waiting)), (served, waiting))
        self.assertEqual(select.select(self.waiting, [], [], 0)[0], [])

    def admit(self, n):
        """The next @n connections that wait are served."""
        for _ in range(n):
            connection = self.waiting.pop(0)
            self.assertEqual(answer_name(connection), "OK")
            self.served.append(connection)

    def begin(self, most, n):
        self.configure(most)
        self.node.start()
        self.add(self.waiting, n)
        self.admit(most)

    def test_one_that_ends_makes_room(self):
        self.begin(3, 6)
        self.assert_numbers(3, 3)
        for left in (2, 1, 0):
            self.served.pop().close()
            self.admit(1)
            self.assert_numbers(3, left)

    def test_a_reload_that_raises_the_number_makes_room(self):
        self.begin(3, 6)
        self.reload(5)
        self.admit(2)
        self.assert_numbers(5, 1)
        self.reload(8)
        self.admit(1)
        self.assert_numbers(6, 0)

    def test_a_reload_that_lowers_the_number_closes_none(self):
        self.begin(4, 4)
        self.reload(2)
        wait_for(lambda: "configuration reloaded" in self.node.log())
        self.add(self.waiting, 1)
        for served in (3, 2):
            self.served.pop().close()
            self.assert_numbers(served, 1)
        self.served.pop().close()
        self.admit(1)
        self.assert_numbers(2, 0)

    def test_the_daemon_uses_all_descriptors_that_it_may_have(self):
        """Shells and service managers leave a soft limit of 1,024 below a larger hard one."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.configure(8192)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        self.node.start()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.add(self.waiting, 200)
        self.admit(200)


class Descriptors(QuotaCase):
    def test_descriptors_that_clients_send_do_not_arrive(self):
        self.node.configure()
        self.node.start()
        connection = self.connection()
        connection.sendall(PING)
        self.assertEqual(answer_name(connection), "OK")
        before = self.node.open_descriptors()
        for _ in range(20):
            try:
                socket.send_fds(connection, [PING], [0, 1, 2] * 80)
            except PermissionError:
                connection.sendall(PING)  # since Linux 6.16 the sender gets an error
            self.assertEqual(answer_name(connection), "OK")
        self.assertEqual(self.node.open_descriptors(), before)

    def test_the_daemon_survives_a_shortage_of_descriptors(self):
        """The limit is lowered until the daemon runs out: existing connections are served, new ones later."""
        self.node.configure("audit")
        self.node.start()
        jwt = self.mint()
        self.assert_served(jwt)
        used = self.connection()
        used.sendall(PING)
        self.assertEqual(answer_name(used), "OK")
        now = self.node.open_descriptors()
        for room in (1, 0):  # one descriptor, for the connection but not for the pidfd; or none
            resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE, (now + room, 4096))
            self.assertEqual(answer_name(self.connection()), "TOO_MANY")
        for _ in range(20):
            used.sendall(PING)
            self.assertEqual(answer_name(used), "OK")
        resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        self.assert_served(jwt)
        ticks = self.cpu_ticks()
        time.sleep(0.5)
        self.assertLess(self.cpu_ticks() - ticks, 10)  # it does not spin

    def cpu_ticks(self):
        stat = pathlib.Path(f"/proc/{self.node.process.pid}/stat").read_text("ascii")
        return sum(int(field) for field in stat.rsplit(")", 1)[1].split()[11:13])


if __name__ == "__main__":
    unittest.main()
