"""Faults, latency, and many connections at once."""

import concurrent.futures
import json
import select
import socket
import ssl
import time
import urllib.parse

from case import Case, StandinError, exchange_form, subject_of


class FaultTest(Case):
    def test_faults_that_answer(self):
        form = exchange_form(self.standin.mint())
        self.standin.fault_upstream("status", status=429, retry_after="20", times=2)
        for _ in range(2):
            status, headers, body = self.post(form)
            self.assertEqual((status, headers["Retry-After"]), (429, "20"))
            self.assertEqual(json.loads(body)["error"], "server_error")
        self.assertEqual(self.post(form)[0], 200)
        self.standin.fault_upstream("status", body="busy")
        self.assertEqual(self.post(form)[::2], (503, b"busy"))
        self.standin.fault_upstream("empty")
        self.assertEqual(self.post(form)[::2], (200, b""))
        self.standin.fault_upstream("garbage")
        status, headers, body = self.post(form)
        self.assertEqual((status, len(body)), (200, 512))
        self.assertEqual(headers["Content-Type"], "application/json")
        with self.assertRaises(ValueError):
            json.loads(body)
        self.standin.fault_upstream("html", status=403)
        status, headers, body = self.post(form)
        self.assertEqual((status, headers["Content-Type"]), (403, "text/html"))
        self.assertIn(b"<html>", body)
        counts = self.standin.counts()
        self.assertEqual((counts["exchanges"], counts["exchanges_faulted"]), (7, 6))

    def test_reset_is_a_reset(self):
        self.standin.fault_upstream("reset", times=1)
        form = exchange_form(self.standin.mint())
        with self.assertRaises(ConnectionResetError):
            self.post(form)
        self.assertEqual(self.post(form)[0], 200)

    def test_hang_lasts_until_the_fault_changes(self):
        form = exchange_form(self.standin.mint())
        self.standin.fault_upstream("hang", times=1)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            hung = pool.submit(self.post, form, 10)
            while self.standin.counts()["exchanges_in_flight"] < 1:
                time.sleep(0.01)
            self.assertEqual(self.post(form)[0], 200)
            time.sleep(0.3)
            self.assertFalse(hung.done())
            self.standin.fault_upstream()
            self.assertIsInstance(hung.exception(5), ConnectionResetError)
        deadline = time.monotonic() + 2
        while self.standin.counts()["exchanges_in_flight"] and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(self.standin.counts()["exchanges_in_flight"], 0)

    def test_huge_is_streamed(self):
        self.standin.fault_upstream("huge")
        connection = self.connect()
        body = urllib.parse.urlencode(exchange_form(self.standin.mint()))
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/api/oauth/token", body, headers)
        response = connection.getresponse()
        self.assertIsNone(response.headers["Content-Length"])
        start = response.read(100)
        self.assertTrue(start.startswith(b'{"access_token":"pul-AAA'))
        total = len(start)
        while True:
            block = response.read(1 << 20)
            if not block:
                break
            total += len(block)
        connection.close()
        self.assertEqual(total, 64 << 20)

    def test_slow_body_comes_byte_by_byte(self):
        self.standin.fault_upstream("slow-body", body="abcd")
        begun = time.monotonic()
        status, _, body = self.post(exchange_form(self.standin.mint()))
        self.assertEqual((status, body), (200, b"abcd"))
        self.assertGreater(time.monotonic() - begun, 0.29)
        self.standin.fault_upstream("slow-body")
        with self.assertRaises(OSError):
            self.http("GET", "/api/user", timeout=0.05)

    def test_latency_holds_with_and_without_a_fault(self):
        form = exchange_form(self.standin.mint())
        for times, expected in ((1, 503), (None, 200)):
            if times:
                self.standin.fault_upstream("status", latency_ms=150, times=times)
            begun = time.monotonic()
            self.assertEqual(self.post(form)[0], expected)
            self.assertGreaterEqual(time.monotonic() - begun, 0.149)

    def test_malformed_faults_are_refused(self):
        for row in (
            {"kind": "x"},
            {"status": 99},
            {"latency_ms": -1},
            {"times": "1"},
            {"retry_after": 20},
            {"latency": 5},
        ):
            with self.subTest(row), self.assertRaises(StandinError):
                self.standin.call("PUT", "/faults/upstream", row)


class LoadTest(Case):
    def open_many(self, count):
        """Returns @count TLS connections. Two threads suffice: the stand-in is the bottleneck."""
        port = urllib.parse.urlsplit(self.standin.upstream).port

        def open_one(_):
            plain = socket.create_connection(("127.0.0.1", port))
            return self.tls.wrap_socket(plain, server_hostname="localhost")

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(open_one, range(count)))

    def answers(self, peers, wait_s):
        """Yields (index, JSON) for each answer, in the order of arrival."""
        deadline = time.monotonic() + wait_s
        index_of = {peer.fileno(): i for i, peer in enumerate(peers)}
        received = [b""] * len(peers)
        with select.epoll() as poll:
            for peer in peers:
                peer.setblocking(False)
                poll.register(peer, select.EPOLLIN)
            while index_of and time.monotonic() < deadline:
                for descriptor, _ in poll.poll(1):
                    i = index_of[descriptor]
                    try:
                        while True:
                            received[i] += peers[i].recv(65536)
                    except ssl.SSLWantReadError:
                        pass
                    if received[i].endswith(b"}"):
                        poll.unregister(descriptor)
                        del index_of[descriptor]
                        yield i, json.loads(received[i].partition(b"\r\n\r\n")[2])

    def test_a_thousand_slow_exchanges_at_once(self):
        tokens = self.standin.mint_many(1000, serviceaccount="load-%d", alg="ES256")
        peers = self.open_many(1000)
        head = "POST /api/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
        head += "Content-Type: application/x-www-form-urlencoded\r\n\r\n%s"
        self.standin.fault_upstream(latency_ms=500)
        begun = time.monotonic()
        for peer, token in zip(peers, tokens):
            body = urllib.parse.urlencode(exchange_form(token))
            peer.sendall((head % (len(body), body)).encode())
        answered = set()
        for i, got in self.answers(peers, 10):
            self.assertEqual(subject_of(got["access_token"]), f"system:serviceaccount:ci:load-{i}")
            answered.add(i)
        took_s = time.monotonic() - begun
        for peer in peers:
            peer.close()
        self.assertEqual(len(answered), 1000)
        self.assertLess(took_s, 5)
        counts = self.standin.counts()
        self.assertEqual((counts["exchanges_ok"], counts["upstream_connections"]), (1000, 1000))
        self.assertEqual(len(counts["by_subject"]), 1000)
        self.assertGreater(counts["exchanges_in_flight_max"], 300)
