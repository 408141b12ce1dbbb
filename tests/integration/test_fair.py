"""Fairness: what the pods of a node notice while one of them, or eighty, attack the daemon.

Every attack runs in its own processes, in the cgroups of its own pods, as fast as the machine allows. The other pods
send requests like jobs do; their answers are timed before and during the attack."""

import collections
import multiprocessing
import os
import resource
import socket
import subprocess
import time
import unittest

from node import BUILD, scale, wait_for
from protocol_client import Get, Login, encode_message
from test_keys import with_kid
from test_peer import answer_name
from test_quotas import QuotaCase, percentile

VICTIMS, RATE = 4, 40  # pods, and requests per second of each: within the limits


def request_of(jwt):
    return encode_message(Login(jwt.encode()), 0) + encode_message(Get("pulumi"), 1)


def drain(connection):
    try:
        while connection.recv(1 << 20, socket.MSG_DONTWAIT):
            pass
    except OSError:
        pass


def open_connection(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)  # blocks while many processes connect
    connection.settimeout(5)
    return connection


def line_rate(path, requests):
    """As many requests as possible, on as many connections as allowed; closed ones are opened again."""
    connections, at = [], 0
    while True:
        if len(connections) < 64:
            try:
                connections.append(open_connection(path))
            except OSError:
                pass
        for connection in list(connections):
            try:
                at += 1
                connection.send(requests[at % len(requests)] * 8, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            except OSError:
                connections.remove(connection)
                connection.close()
                continue
            drain(connection)


def reconnect(path, requests):
    """A new connection for each request, like a loop around the command."""
    at = 0
    while True:
        try:
            with open_connection(path) as connection:
                at += 1
                connection.sendall(requests[at % len(requests)])
                drain(connection)
        except OSError:
            pass


def send_descriptors(path, requests):
    descriptors = [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]
    connections = []
    while True:
        if len(connections) < 64:
            try:
                connections.append(open_connection(path))
            except OSError:
                pass
        for connection in list(connections):
            try:
                socket.send_fds(connection, [requests[0]], descriptors, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            except OSError:
                connections.remove(connection)
                connection.close()
                continue
            drain(connection)


def dribble(path, requests):
    """64 connections, each with a byte of a frame from time to time; closed ones are opened again."""
    connections = {}
    while True:
        for i in range(64):
            try:
                if i not in connections:
                    connections[i] = [open_connection(path), 0]
                connection, at = connections[i]
                connection.send(requests[0][at:at + 1])
                connections[i][1] += 1
            except OSError:
                if i in connections:
                    connections.pop(i)[0].close()
            time.sleep(0.5 / 64)


def become_others(path, _):
    """Children that each connect as another user and exit; the latest of their connections are kept."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    connections = collections.deque(maxlen=min(most - 100, 20000))
    while True:
        connections.append(socket.socket(socket.AF_UNIX))
        child = os.fork()
        if child == 0:
            try:
                os.setuid(100000 + os.getpid())
                connections[-1].connect(path)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


class Fair(QuotaCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.context = multiprocessing.get_context("fork")

    def setUp(self):
        super().setUp()
        self.node.start()
        self.victims = [self.pod() for _ in range(VICTIMS)]
        self.jwts = [self.mint_for(pod) for pod in self.victims]
        for pod, jwt in zip(self.victims, self.jwts):
            self.served(pod.enter, jwt)

    def start_in(self, pod, attack, requests, path):
        def run():
            pod.enter()
            attack(path, requests)

        process = self.context.Process(target=run, daemon=True)
        process.start()
        self.addCleanup(process.kill)
        return process

    def measure(self, seconds):
        """Latencies in microseconds, of each victim's requests. All of them must be served."""
        results = self.context.Queue()

        def ask(pod, jwt, begin):
            pod.enter()
            latencies, refused = [], 0
            request = request_of(jwt)
            asked = time.perf_counter_ns()
            connection = open_connection(str(self.node.socket))
            connected = (time.perf_counter_ns() - asked) / 1000
            for i in range(int(seconds * RATE)):
                time.sleep(max(0, begin + i / RATE - time.monotonic()))
                asked = time.perf_counter_ns()
                connection.sendall(request)
                refused += answer_name(connection) != "OK"
                latencies.append((time.perf_counter_ns() - asked) / 1000)
            connection.close()
            results.put((latencies, refused, connected))

        begin = time.monotonic() + 0.2
        processes = [self.context.Process(target=ask, args=(pod, jwt, begin + i / RATE / VICTIMS),
                                          daemon=True)
                     for i, (pod, jwt) in enumerate(zip(self.victims, self.jwts))]
        for process in processes:
            process.start()
        answers = [results.get(timeout=seconds + 30) for _ in processes]
        for process in processes:
            process.join()
        self.assertEqual(sum(refused for _, refused, _ in answers), 0)
        self.connected_us = max(connected for _, _, connected in answers)
        return [latency for latencies, _, _ in answers for latency in latencies]

    def during(self, attacks, path, seconds, before_s):
        """The victims' latencies while @attacks go to the server at @path."""
        processes = [self.start_in(pod, attack, requests, path) for attack, requests, pod in attacks]
        time.sleep(before_s)
        latencies = self.measure(seconds)
        for process in processes:
            self.assertTrue(process.is_alive())
            process.kill()
            process.join()
        return latencies

    def beside(self, attacks, seconds, before_s):
        """The same while the attacks go to another server: this is the machine's share of the latencies."""
        path = str(self.node.directory / "bare.sock")
        with subprocess.Popen([BUILD / "tests/bench/bench-floor", "--socket", path,
                               "--answer-bytes", "300"]) as server:
            try:
                wait_for(lambda: os.path.exists(path))
                return self.during(attacks, path, seconds, before_s)
            finally:
                server.kill()

    def compare(self, name, attacks, before_s=1):
        """@attacks: (how, requests, pod). Prints what the victims noticed."""
        seconds = scale(2, 10)
        before = self.measure(scale(0.25, 10))  # to be printed only
        beside = self.beside(attacks, seconds, before_s) if scale(False, True) else []
        keys = self.standin.counts()["keys"]
        memory = self.memory_kib()
        begun = time.monotonic()
        during = self.during(attacks, str(self.node.socket), seconds, before_s)
        grown = self.memory_kib() - memory
        fetches = self.standin.counts()["keys"] - keys
        beside_us = f" ({percentile(beside, 0.99):.0f} on another server)" if beside else ""
        print(f"\n{name}: connected in {self.connected_us:.0f} us at most; "
              f"{len(during)} requests of {VICTIMS} other pods, all served; "
              f"median {percentile(before, 0.5):.0f} -> {percentile(during, 0.5):.0f} us, p99 "
              f"{percentile(before, 0.99):.0f} -> {percentile(during, 0.99):.0f} us{beside_us}; "
              f"{fetches} fetches of keys; memory +{grown} KiB")
        self.assertLessEqual(fetches, 1 + (time.monotonic() - begun) // 30)
        self.assertLess(grown, 64 * 1024)

    def attacker(self):
        pod = self.pod()
        return pod, self.mint_for(pod)

    def test_valid_requests_at_line_rate(self):
        pod, jwt = self.attacker()
        self.compare("valid, at line rate", [(line_rate, [request_of(jwt)], pod)])

    def test_valid_requests_on_new_connections(self):
        pod, jwt = self.attacker()
        self.compare("valid, each on a new connection", [(reconnect, [request_of(jwt)], pod)])

    def test_invalid_tokens_at_line_rate(self):
        pod, _ = self.attacker()
        forged = [request_of(self.mint_for(pod, sign="rogue", lifetime=600 + i))
                  for i in range(500)]
        self.compare("invalid tokens", [(line_rate, forged, pod)])

    def test_random_kids_at_line_rate(self):
        pod, jwt = self.attacker()
        made_up = [request_of(with_kid(jwt, os.urandom(8).hex())) for _ in range(2000)]
        self.compare("random kids", [(line_rate, made_up, pod)])

    def test_descriptors(self):
        pod, jwt = self.attacker()
        self.compare("descriptors", [(send_descriptors, [request_of(jwt)], pod)])

    @unittest.skipUnless(scale(False, True), "test_quotas.Outsiders is enough, but for ./dev soak")
    def test_connections_of_many_users(self):
        for path in (self.root, self.node.directory):
            os.chmod(path, 0o711)
        pod, _ = self.attacker()
        self.compare("connections of many users", [(become_others, [], pod)], before_s=20)

    def test_dribbling_connections(self):
        n_pods = scale(8, 79)  # 79 * 64 = 5,056 connections
        attacks = []
        for _ in range(n_pods):
            pod, jwt = self.attacker()
            attacks.append((dribble, [request_of(jwt)], pod))
        before = self.node.open_descriptors()
        self.compare(f"{n_pods * 64} dribbling connections", attacks, before_s=scale(1, 5))
        wait_for(lambda: self.node.open_descriptors() <= before + 2 * VICTIMS)


if __name__ == "__main__":
    unittest.main()
