"""HTTPS as the exchanger speaks it: answers, connections, certificates, names."""

import gzip
import hashlib
import json
import pathlib
import shutil
import tempfile
import threading
import time
import unittest
import urllib.parse

from h2_server import H2Server, Request
from node import BUILD, EXCHANGER, STANDIN, NodeCase, wait_all, wait_for
from preload import address_sanitizer_of
from proxy import BLACK_HOLE, Proxy
from raw_server import RawServer, http
from standin import Standin
from test_refusals import fetch

TRY_AGAIN = 75


def token(text):
    return '{"access_token":"%s","token_type":"token","expires_in":3600}' % text


def token_for(request):
    """A token that tells whose JWT it was exchanged for."""
    jwt = urllib.parse.parse_qs(request.body.decode())["subject_token"][0]
    return "pul-" + hashlib.sha256(jwt.encode()).hexdigest()[:16]


class Raw(NodeCase):
    """The service "raw" has an upstream that sends what a test wants."""

    def serve(self, answer, standin=None, ca=None):
        server = RawServer(standin or self.standin, answer)
        self.addCleanup(server.stop)
        self.node.service("raw", api_url=server.url, ca=ca)
        self.start_with_clock()
        return server

    def refused(self, name, **order):
        return self.assert_refused(name, TRY_AGAIN, self.mint(**order), "raw")


class Answers(Raw):
    def test_a_stray_answer_belongs_to_nobody(self):
        """Neither one that is already there when the next request is sent, nor one that comes later."""
        stray = http(token("pul-stray"))
        for late in ([], [0.05], [0.3]):
            self.serve(lambda request, late=late: [http(token(token_for(request))), *late, stray])
            for name in ("alice", "bob", "carol", "dave"):
                jwt = self.mint(serviceaccount=name)
                expected = "pul-" + hashlib.sha256(jwt.encode()).hexdigest()[:16]
                self.assertEqual(self.assert_served(jwt, "raw")["token"], expected)
            self.node.stop()
            shutil.rmtree(self.node.state)
            self.node.state.mkdir(mode=0o700)

    def test_two_different_lengths(self):
        body = token("pul-x")
        self.serve(lambda _: http(body, "200 OK", f"Content-Length: {len(body) - 1}"))
        self.assertIn("two different lengths", self.refused("UPSTREAM_PROTOCOL"))

    def test_a_compressed_answer(self):
        bodies = {"gzip": gzip.compress(token("pul-zipped").encode())}
        self.serve(lambda _: http(bodies["gzip"], "200 OK", "Content-Encoding: gzip"))
        self.assertEqual(self.assert_served(self.mint(), "raw")["token"], "pul-zipped")
        # the limit is that of what it becomes
        bodies["gzip"] = gzip.compress(bytes(64 << 20))
        self.assertIn("larger than 64 KiB", self.refused("UPSTREAM_PROTOCOL", serviceaccount="b"))

    def test_an_encoding_that_is_not_known(self):
        self.serve(lambda _: http(b"\x1b\x03\x00\xf8", "200 OK", "Content-Encoding: x-unknown"))
        self.refused("UPSTREAM_PROTOCOL")

    def test_redirects_are_not_followed(self):
        target = RawServer(self.standin, lambda _: http(token("pul-redirected")))
        self.addCleanup(target.stop)
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
            server = RawServer(self.standin, lambda _, status=status: http(
                "", status, f"Location: {target.url}/api/oauth/token"))
            self.addCleanup(server.stop)
            self.node.service("raw", api_url=server.url)
            self.node.start()
            self.refused("UPSTREAM_PROTOCOL")
            self.assertEqual(len(server.requests), 1)
            self.node.stop()
            # the same of an issuer
            self.node.issuer("eks", url=server.url)
            self.start_with_clock()
            self.hurries = True
            self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint(claims={"iss": server.url}), "raw")
            self.hurries = False
            self.node.stop()
            self.node.issuer("eks")
        self.assertEqual((target.n_connections, target.requests), (0, []))


class Shared(NodeCase):
    """HTTP/2: requests at one time share a connection, and each answer has the number of its request."""

    def serve(self, on_request, ca=None):
        server = H2Server(self.standin, self.answer)
        self.start(server, ca)
        server.begin_again(on_request)
        return server

    def start(self, server, ca=None):
        """The daemon has had answers before, so it has several exchanges at one time."""
        self.addCleanup(server.stop)
        self.node.service("raw", api_url=server.url, ca=ca)
        self.node.start()
        for i in range(6):
            self.assert_own_tokens([self.ask(f"earlier-{i}")])

    def ask(self, name):
        """Begins to ask for a token. Returns the token that belongs to the account, and the process."""
        jwt = self.mint(serviceaccount=name)
        process = self.node.spawn("token", "--json", "--timeout", "30s", "raw",
                                  token_file=self.node.jwt_file(jwt, name))
        return "pul-" + hashlib.sha256(jwt.encode()).hexdigest()[:16], process

    def assert_own_tokens(self, asked):
        for (expected, _), (code, out, error) in zip(asked, wait_all([process for _, process in asked])):
            self.assertEqual(code, 0, f"{error}\n{self.node.log()}")
            self.assertEqual(json.loads(out)["token"], expected)

    @staticmethod
    def answer(request):
        request.answer(token(token_for(request)))

    def test_answers_in_another_order(self):
        n, held = 6, []

        def hold(request):
            held.append(request)
            for last in reversed(held if len(held) == n else []):
                self.answer(last)

        server = self.serve(hold)
        self.assert_own_tokens([self.ask(f"account-{i}") for i in range(n)])
        # a connection that is a second old is not joined; the first one is still in use then
        self.assertLessEqual(server.n_connections, 2)

    def test_an_answer_that_takes_longer_than_connecting_may(self):
        held = []

        def hold(request):
            held.append(request)
            if len(held) == 2:
                time.sleep(2.5)
                for late in held:
                    self.answer(late)

        self.serve(hold)
        self.assert_own_tokens([self.ask("alice"), self.ask("bob")])

    def test_a_connection_ends_with_its_last_request(self):
        server = self.serve(self.answer)
        for name in ("alice", "bob", "carol"):
            self.assert_own_tokens([self.ask(name)])
        self.assertEqual([request.connection for request in server.requests], [0, 1, 2])

    def test_a_second_answer_belongs_to_nobody(self):
        def twice(request):
            self.answer(request)
            request.answer(token("pul-stray"))

        self.serve(twice)
        for name in ("alice", "bob"):
            self.assert_own_tokens([self.ask(name)])

    def test_an_answer_to_a_request_that_does_not_exist(self):
        def guess(request):
            request.answer(token("pul-stray"), request.stream + 1000)
            self.answer(request)

        self.serve(guess)
        asked = [self.ask(name) for name in ("alice", "bob")]
        for (expected, _), (code, out, _) in zip(asked, wait_all([process for _, process in asked])):
            self.assertTrue(code == TRY_AGAIN or json.loads(out)["token"] == expected, out)

    def test_a_request_that_was_not_accepted_is_sent_again_by_the_broker_only(self):
        """Which makes pauses, and does not try forever."""
        def refuse_first(request):
            (Request.refuse if len(server.requests) == 1 else self.answer)(request)

        server = self.serve(refuse_first)
        self.assert_own_tokens([self.ask("alice")])
        self.assertEqual(len(server.requests), 2)
        self.assertIn("exchange failed: UPSTREAM_UNAVAILABLE: the server did not accept the request", self.node.log())

    def test_http_1_connects_at_one_time(self):
        """None waits for another one's connection, which it could not use."""
        both, is_open = threading.Barrier(1), threading.Event()
        server = RawServer(self.standin, lambda request: http(token(token_for(request))),
                           lambda: is_open.is_set() or both.wait())
        self.start(server)
        both = threading.Barrier(2, is_open.set, timeout=60)
        self.assert_own_tokens([self.ask("alice"), self.ask("bob")])

    def test_a_connection_is_not_shared_with_another_ca(self):
        other = Standin(STANDIN, tempfile.mkdtemp(dir=self.root))
        self.addCleanup(other.stop)
        ca, held = self.node.directory / "ca.pem", []
        ca.write_bytes(pathlib.Path(self.standin.ca).read_bytes())
        server = self.serve(held.append, ca)
        asked = [self.ask("alice")]
        wait_for(lambda: held)
        fresh = ca.with_suffix(".new")
        fresh.write_bytes(pathlib.Path(other.ca).read_bytes())
        fresh.rename(ca)
        (code, _, error), = wait_all([self.ask("bob")[1]])
        self.assertEqual(code, TRY_AGAIN)
        self.assertIn("certificate", error)
        self.answer(held[0])
        self.assert_own_tokens(asked)
        self.assertEqual(len(server.requests), 1)


class Certificates(Raw):
    hurries = True

    def setUp(self):
        super().setUp()
        self.ca = self.node.directory / "ca.pem"
        self.other = Standin(STANDIN, tempfile.mkdtemp(dir=self.root))
        self.addCleanup(self.other.stop)

    def use_ca(self, standin):
        fresh = self.ca.with_suffix(".new")
        fresh.write_bytes(pathlib.Path(standin.ca).read_bytes())
        fresh.rename(self.ca)

    def test_a_ca_that_was_withdrawn_is_not_trusted_from_then_on(self):
        """No reload is needed, and no earlier connection is used."""
        self.use_ca(self.standin)
        server = self.serve(lambda _: http(token("pul-x")), ca=self.ca)
        self.assert_served(self.mint(), "raw")
        self.use_ca(self.other)
        error = self.refused("UPSTREAM_UNAVAILABLE", serviceaccount="b")
        self.assertIn("certificate", error)
        self.assertNotIn("in time", error)
        self.assertEqual(len(server.requests), 1)

    def test_a_ca_that_was_added_is_trusted_from_then_on(self):
        self.ca.write_text("-----BEGIN CERTIFICATE-----\n")
        self.serve(lambda _: http(token("pul-x")), ca=self.ca)
        self.assertIn("the CA file has no valid certificate", self.refused("UPSTREAM_UNAVAILABLE"))
        self.ca.unlink()
        wait_for(lambda: f"cannot read the CA file {self.ca}: No such file" in
                 self.refused("UPSTREAM_UNAVAILABLE"), 20)
        self.use_ca(self.standin)
        self.turn_until(lambda: self.get(self.mint(), "raw")[0] == 0, 1, "the end of the breaker's pause")

    def test_the_ca_of_an_issuer(self):
        self.use_ca(self.other)
        self.node.issuer("eks", extra=f"CAFile={self.ca}")
        self.start_with_clock()
        self.refused_for_keys("certificate")
        self.use_ca(self.standin)
        self.turn_until(lambda: self.get(self.mint())[0] == 0, 1, "the next fetch of keys")
        self.use_ca(self.other)
        self.standin.rotate()
        self.refused_for_keys("certificate")

    def refused_for_keys(self, reason):
        error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint())
        self.assertIn(reason, error)


class Names(NodeCase):
    def start(self, lookup_ms):
        keys = self.node.directory / "keys.json"
        keys.write_bytes(fetch(self.standin, "/keys")[1])
        self.node.issuer("eks", extra=f"KeysFile={keys}")
        libraries = [*address_sanitizer_of(EXCHANGER), str(BUILD / "tests/support/libslow_names.so")]
        self.node.start(LD_PRELOAD=" ".join(libraries), PODLOGIN_TEST_LOOKUP_MS=str(lookup_ms))

    def test_a_look_up_may_take_longer_than_connecting(self):
        self.node.service("pulumi", api_url=self.standin.upstream.replace("localhost", "standin.test"))
        self.start(3000)
        self.assert_served(self.mint(), "--timeout", "15s")

    def test_connecting_has_its_2_s(self):
        proxy = Proxy(int(self.standin.upstream.rsplit(":", 1)[1]))
        self.addCleanup(proxy.stop)
        proxy.set_mode(BLACK_HOLE)
        self.node.service("pulumi", api_url=f"https://standin.test:{proxy.port}")
        self.start(500)
        process = self.node.spawn("token", "--timeout", "60s", token_file=self.node.jwt_file(self.mint()))
        wait_for(lambda: "exchange failed" in self.node.log(), what="the end of the first try")
        process.kill()
        process.communicate()
        self.assertRegex(self.node.log(), "exchange failed: UPSTREAM_UNAVAILABLE: .*no connection within 2000 ms")


    def test_who_waits_for_a_connection_fails_with_it(self):
        """One after the other would take longer than a request may."""
        accounts = [f"account-{i}" for i in range(6)]
        proxy = Proxy(int(self.standin.upstream.rsplit(":", 1)[1]))
        self.addCleanup(proxy.stop)
        self.node.service("pulumi", api_url=f"https://localhost:{proxy.port}")
        self.start(0)
        for name in accounts:  # after six answers, the daemon has six exchanges at one time
            self.assert_served(self.mint(serviceaccount=f"earlier-{name}"))
        proxy.set_mode(BLACK_HOLE)
        processes = [self.node.spawn("token", "--timeout", "60s", token_file=self.node.jwt_file(
            self.mint(serviceaccount=name), name)) for name in accounts]

        def failures(name):
            return [line for line in self.node.log().splitlines()
                    if f":{name}: exchange failed" in line]

        wait_for(lambda: all(map(failures, accounts)), what="the end of each first try")
        for process in processes:
            process.kill()
            process.communicate()
        for name in accounts:
            self.assertIn("no connection within 2000 ms", failures(name)[0])


class Proxies(NodeCase):
    hurries = True

    def start(self, proxy):
        self.start_with_clock(HTTPS_PROXY=proxy, https_proxy=proxy, NO_PROXY="", no_proxy="")

    def test_a_proxy_that_cannot_be_parsed_is_named_and_its_password_is_not(self):
        for password in ("pa55#w0rd", "pa55/w0rd", "pa55?w0rd", "pa55 w0rd", "pa55@w0rd", "12/w0rd", "12?w0rd",
                         "12#w0rd"):
            with self.subTest(password):
                self.start(f"http://c0rp:{password}@localhost:1")
                wait_for(lambda: "https_proxy is not the URL of a proxy" in self.node.log())
                error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint())
                for part in ("pa55", "w0rd", "c0rp"):
                    self.assertNotIn(part, error + self.node.log())
                self.node.stop()
                self.node.log_path.unlink()

    def test_the_password_of_a_proxy_that_is_down(self):
        for password in ("pa55w0rd", "pa55%23w0rd", "pa55%40w0rd"):
            self.start(f"http://c0rp:{password}@localhost:1")
            error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint())
            for part in ("pa55", "w0rd"):
                self.assertNotIn(part, error + self.node.log())
            self.assertNotIn("is not the URL of a proxy", self.node.log())
            self.node.stop()


if __name__ == "__main__":
    unittest.main()
