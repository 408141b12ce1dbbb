"""docs/protocol.md from both sides: an independent client is served, and malformed input is refused."""

import socket
import struct
import threading
import time
import unittest

from node import NodeCase, subject_of, wait_for
from protocol_client import Client, ServerError

LOGIN, GET, PING, TOKEN, PONG, ERROR = 1, 2, 4, 0x81, 0x83, 0xff
BAD_FRAME, BAD_REQUEST, TOKEN_MALFORMED, TOO_MANY = 1, 2, 10, 51


def frame(type_, payload=b"", id_=1, version=1, length=None):
    length = len(payload) if length is None else length
    return struct.pack(">IBBH", length, version, type_, id_) + payload


def field(tag, value):
    return bytes([tag]) + len(value).to_bytes(3, "big") + value


def read_exactly(connection, n):
    data = b""
    while len(data) < n:
        block = connection.recv(n - len(data))
        if not block:
            return data
        data += block
    return data


def read_frame(connection):
    """Returns (type, id, payload), or None at the end."""
    header = read_exactly(connection, 8)
    if len(header) < 8:
        return None
    length, version, type_, id_ = struct.unpack(">IBBH", header)
    assert version == 1
    return type_, id_, read_exactly(connection, length)


def status_of(payload):
    return struct.unpack(">I", payload[4:8])[0]


class Independent(NodeCase):
    """A client that was written from docs/protocol.md alone."""

    def setUp(self):
        super().setUp()
        self.node.start()
        self.jwt = self.mint(pod="job-1", pod_uid="uid-1")

    def client(self, **options):
        client = Client(str(self.node.socket), timeout=10, **options)
        self.addCleanup(client.close)
        return client

    def test_get(self):
        token = self.client(jwt=self.jwt).get("pulumi")
        self.assertEqual(subject_of(token.token.decode()), "system:serviceaccount:ci:pulumi-runner")
        self.assertEqual(token.token_type, "token")
        self.assertEqual(token.variable, "PULUMI_ACCESS_TOKEN")
        self.assertAlmostEqual(token.expires_at_s, time.time() + 7200, delta=30)

    def test_whoami(self):
        identity = self.client(jwt=self.jwt).whoami()
        self.assertEqual(identity.issuer, self.standin.issuer)
        self.assertEqual(identity.namespace, "ci")
        self.assertEqual(identity.serviceaccount, "pulumi-runner")
        self.assertEqual((identity.pod, identity.pod_uid), ("job-1", "uid-1"))
        self.assertEqual(list(identity.services), ["pulumi"])

    def test_whoami_names_at_most_64_services(self):
        for i in range(70):
            self.node.service(f"other-{i:02}")
        self.node.restart()
        client = self.client(jwt=self.jwt)
        for _ in range(2):
            self.assertEqual(list(client.whoami().services), [f"other-{i:02}" for i in range(64)])

    def test_ping_needs_no_login(self):
        self.assertRegex(self.client().ping().server, r"^podlogind \d")

    def test_error(self):
        with self.assertRaises(ServerError) as caught:
            self.client(jwt=self.jwt).get("nonesuch")
        self.assertEqual(caught.exception.name, "UNKNOWN_SERVICE")

    def test_one_connection_serves_many_requests_and_a_newer_login(self):
        client = self.client(jwt=self.jwt)
        first = client.get("pulumi").token
        self.assertEqual(client.get("pulumi").token, first)
        client.login(self.mint(serviceaccount="other"))
        self.assertNotEqual(client.get("pulumi").token, first)

    def test_a_hit_overtakes_a_miss_on_the_same_connection(self):
        self.node.service("slow")
        path = self.node.etc / "services.d/slow.conf"
        path.write_text(path.read_text().replace("Expiration=2h", "Expiration=1h"))
        self.node.restart()
        client = self.client(jwt=self.jwt)
        client.get("pulumi")
        self.standin.fault_upstream(latency_ms=500)
        slow, fast = client.send_get("slow"), client.send_get("pulumi")
        self.assertEqual([client.read_answer()[0], client.read_answer()[0]], [fast, slow])


class Bytes(NodeCase):
    def setUp(self):
        super().setUp()
        self.start_with_clock()
        self.jwt = self.mint().encode()

    def talk(self, data):
        """Returns the first answer and those that the daemon sends at once; and whether it closed the connection."""
        last = 0xfffe
        with self.node.connect() as connection:
            connection.sendall(data)
            answers = [read_frame(connection)]
            try:
                connection.sendall(frame(PING, id_=last))
                while answers[-1] and answers[-1][:2] != (PONG, last):
                    answers.append(read_frame(connection))
            except (BrokenPipeError, ConnectionResetError):
                answers.append(None)
            return answers[:-1], answers[-1] is None

    def test_malformed_frames_are_refused_and_the_connection_is_closed(self):
        get = field(1, b"pulumi")
        cases = {
            "another version": frame(PING, version=2),
            "version zero": frame(PING, version=0),
            "a length of 4 GiB": frame(PING, length=0xffffffff),
            "one byte too long": frame(PING, length=16385),
            "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "a field past the end": frame(GET, b"\x01\x00\x00\xff"),
            "half a field": frame(GET, b"\x01\x00"),
            "an unknown tag": frame(GET, get + field(9, b"")),
            "a field twice": frame(GET, get + get),
            "fields in another order": frame(GET, field(3, b"\0\0\0\1") + get),
            "no service": frame(GET),
            "a service of 65 bytes": frame(GET, field(1, b"x" * 65)),
            "a NUL in the service": frame(GET, field(1, b"pul\0umi")),
            "a number of eight bytes": frame(GET, get + field(2, b"\0" * 8)),
            "a last request twice over": frame(GET, get + field(135, b"\0\0\0\2")),
            "a timeout of an hour": frame(GET, get + field(3, struct.pack(">I", 3600000))),
            "a LOGIN without a token": frame(LOGIN),
            "a token of 8193 bytes": frame(LOGIN, field(1, b"x" * 8193)),
            "a PING with a field": frame(PING, field(1, b"x")),
        }
        for what, data in cases.items():
            with self.subTest(what):
                answers, is_closed = self.talk(data)
                self.assertTrue(is_closed)
                self.assertEqual([answer[0] for answer in answers], [ERROR])
                self.assertEqual(status_of(answers[0][2]), BAD_FRAME)

    def last(self, service=b"pulumi", id_=1, is_last=1):
        return frame(GET, field(1, service) + field(135, struct.pack(">I", is_last)), id_)

    def read_all(self, data, later=b""):
        """Sends @data, and @later after a moment. Returns all frames up to the end of the connection."""
        with self.node.connect() as connection:
            connection.settimeout(20)
            connection.sendall(data)
            if later:
                time.sleep(0.1)
                connection.sendall(later)
            return [(type_, id_) for type_, id_, _ in iter(lambda: read_frame(connection), None)]

    def test_the_daemon_closes_the_connection_behind_the_last_answer(self):
        login = frame(LOGIN, field(1, self.jwt))
        self.assertEqual(self.read_all(login + self.last()), [(TOKEN, 1)])  # an exchange
        self.assertEqual(self.read_all(login + self.last()), [(TOKEN, 1)])  # a hit
        self.assertEqual(self.read_all(login + self.last(b"nonesuch")), [(ERROR, 1)])
        self.assertEqual(self.read_all(self.last()), [(ERROR, 1)])  # without LOGIN
        self.assertEqual(self.read_all(login, later=self.last()), [(TOKEN, 1)])
        answers, is_closed = self.talk(login + self.last(is_last=0))
        self.assertEqual([answer[:2] for answer in answers], [(TOKEN, 1)])
        self.assertFalse(is_closed)

    def test_earlier_requests_are_answered_before_the_connection_is_closed(self):
        self.node.service("fast")
        path = self.node.etc / "services.d/fast.conf"
        path.write_text(path.read_text().replace("Expiration=2h", "Expiration=1h"))
        self.node.restart()
        login = frame(LOGIN, field(1, self.jwt))
        self.read_all(login + self.last(b"fast"))
        self.standin.fault_upstream(latency_ms=500)
        self.assertEqual(self.read_all(login + frame(GET, field(1, b"pulumi"), 1) + self.last(b"fast", 2)),
                         [(TOKEN, 2), (TOKEN, 1)])

    def test_a_frame_behind_the_last_request_is_refused(self):
        login = frame(LOGIN, field(1, self.jwt))
        self.standin.fault_upstream(latency_ms=1000)
        for when in ("together", "later"):
            with self.subTest(when), self.node.connect() as connection:
                connection.sendall(login + self.last() + (frame(PING, id_=7) if when == "together" else b""))
                if when == "later":
                    connection.sendall(frame(PING, id_=7))
                type_, id_, payload = read_frame(connection)
                self.assertEqual((type_, id_, status_of(payload)), (ERROR, 7, BAD_FRAME))
                self.assertIsNone(read_frame(connection))

    def test_a_last_request_that_never_reads_its_answer_costs_nothing(self):
        before = self.node.open_descriptors()
        for _ in range(20):
            with self.node.connect() as connection:
                connection.sendall(frame(LOGIN, field(1, self.jwt)) + self.last())
        self.assertEqual(self.node.open_descriptors(), before)

    def test_an_unknown_request_is_refused_and_the_connection_stays(self):
        answers, is_closed = self.talk(frame(77, field(1, b"x"), 5) + frame(PING, id_=6))
        self.assertFalse(is_closed)
        self.assertEqual([(answer[0], answer[1]) for answer in answers], [(ERROR, 5), (PONG, 6)])
        self.assertEqual(status_of(answers[0][2]), BAD_REQUEST)

    def test_an_unknown_optional_field_is_skipped(self):
        answers, _ = self.talk(frame(LOGIN, field(1, self.jwt) + field(0xc0, b"new")) +
                               frame(GET, field(1, b"pulumi") + field(0x90, b"more"), 3))
        self.assertEqual([(answer[0], answer[1]) for answer in answers], [(TOKEN, 3)])

    def test_a_request_without_login_is_refused(self):
        answers, is_closed = self.talk(frame(GET, field(1, b"pulumi"), 9))
        self.assertEqual(status_of(answers[0][2]), BAD_REQUEST)
        self.assertFalse(is_closed)

    def test_the_page_s_example(self):
        answers, _ = self.talk(bytes.fromhex(
            "00000009 01010000 01000005 612e622e63"
            "00000012 01020001 01000006 70756c756d69 03000004 00002328"))
        self.assertEqual([(answer[0], answer[1]) for answer in answers], [(ERROR, 1)])
        self.assertEqual(status_of(answers[0][2]), TOKEN_MALFORMED)

    def test_requests_may_arrive_in_pieces(self):
        data = frame(LOGIN, field(1, self.jwt)) + frame(GET, field(1, b"pulumi"), 2)
        for cut in (1, 7, 8, 9, 100, len(data) - 20, len(data) - 1):
            with self.subTest(cut), self.node.connect() as connection:
                connection.sendall(data[:cut])
                time.sleep(0.02)
                connection.sendall(data[cut:])
                self.assertEqual(read_frame(connection)[:2], (TOKEN, 2))

    def test_byte_by_byte(self):
        with self.node.connect() as connection:
            for byte in frame(LOGIN, field(1, self.jwt)) + frame(GET, field(1, b"pulumi"), 2):
                connection.sendall(bytes([byte]))
            self.assertEqual(read_frame(connection)[:2], (TOKEN, 2))

    def test_truncated_requests_do_not_harm_the_daemon(self):
        data = frame(LOGIN, field(1, self.jwt)) + frame(GET, field(1, b"pulumi"), 2)
        for cut in range(0, len(data), 7):
            with self.node.connect() as connection:
                connection.sendall(data[:cut])
        self.assertEqual(self.talk(frame(PING))[0][0][0], PONG)

    def test_a_client_that_does_not_read_is_not_read_from_and_loses_no_answer(self):
        n = 20000
        self.assert_served(self.jwt.decode())
        data = frame(LOGIN, field(1, self.jwt)) + b"".join(
            frame(GET, field(1, b"pulumi"), i % 65536) for i in range(n))
        with self.node.connect() as connection:
            connection.settimeout(0.5)
            sent = 0
            with self.assertRaises(TimeoutError):  # nothing reads the answers
                while sent < len(data):
                    sent += connection.send(data[sent:sent + 4096])
            self.assertLess(sent, len(data))
            self.assertEqual(self.talk(frame(PING))[0][0][0], PONG)
            connection.settimeout(20)
            writer = threading.Thread(target=connection.sendall, args=(data[sent:],))
            writer.start()
            for i in range(n):
                self.assertEqual(read_frame(connection)[:2], (TOKEN, i % 65536))
            writer.join()

    def test_all_pending_requests_get_long_answers(self):
        self.standin.configure_upstream(token_bytes=16000)
        self.standin.fault_upstream(latency_ms=200)
        with self.node.connect() as connection:
            connection.sendall(frame(LOGIN, field(1, self.jwt)) + b"".join(
                frame(GET, field(1, b"pulumi"), i) for i in range(1, 65)))
            time.sleep(0.6)
            answers = [read_frame(connection) for _ in range(64)]
        self.assertEqual([answer[0] for answer in answers], [TOKEN] * 64)

    def test_too_many_pending_requests_are_refused(self):
        self.standin.fault_upstream(kind="hang")
        with self.node.connect() as connection:
            connection.sendall(frame(LOGIN, field(1, self.jwt)) + b"".join(
                frame(GET, field(1, b"pulumi") + field(3, struct.pack(">I", 2000)), i)
                for i in range(1, 70)))
            wait_for(lambda: self.standin.counts()["exchanges_in_flight"] == 1, what="the exchange")
            self.clock.turn(2)
            answers = [read_frame(connection) for _ in range(69)]
        self.standin.fault_upstream()
        statuses = [status_of(answer[2]) for answer in answers]
        self.assertEqual(statuses.count(TOO_MANY), 5)
        self.assertEqual(statuses.count(41), 64)

    def test_idle_connections_do_not_keep_others_out(self):
        idle = [self.node.connect() for _ in range(1000)]
        self.assert_served(self.jwt.decode())
        for connection in idle:
            connection.close()

    def test_random_bytes(self):
        import random
        rng = random.Random(1)
        for _ in range(300):
            data = rng.randbytes(rng.randrange(1, 200))
            with self.node.connect() as connection:
                connection.sendall(data)
        # and frames with random payloads
        for _ in range(300):
            with self.node.connect() as connection:
                connection.sendall(frame(rng.randrange(1, 5), rng.randbytes(rng.randrange(0, 60))))
                connection.shutdown(socket.SHUT_WR)
        self.assertEqual(self.talk(frame(PING))[0][0][0], PONG)


if __name__ == "__main__":
    unittest.main()
