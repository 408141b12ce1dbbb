"""An upstream or an API server that hangs delays nobody but those who need it."""

import os
import signal
import unittest

from node import wait_for
from protocol_client import Get, Login, encode_message
from raw_server import RawServer, http
from test_review import ReviewCase

TOKEN = '{"access_token":"pul-x","token_type":"token","expires_in":3600}'


class Shares(ReviewCase):
    n_stuck = 80  # more than one upstream may have in flight

    def hanging_server(self):
        server = RawServer(self.standin, lambda _: [60, None])
        self.addCleanup(server.stop)
        return server

    def ask_in_vain(self, service, server, **order):
        """Connections that wait for @server, until as many as possible have reached it."""
        for i in range(self.n_stuck):
            jwt = self.mint(serviceaccount=f"stuck-{i}", **order)
            connection = self.node.connect()
            self.addCleanup(connection.close)
            connection.sendall(encode_message(Login(jwt.encode()), 0) +
                               encode_message(Get(service, timeout_ms=60000), 1))
        wait_for(lambda: len(server.requests) >= 64, what="64 requests at the server that hangs")

    def test_an_upstream_that_hangs(self):
        server = self.hanging_server()
        self.node.service("stuck", api_url=server.url)
        self.start("miss")
        self.assert_served(self.mint())
        self.ask_in_vain("stuck", server)
        # another upstream, a review, and a fetch of keys are not in its queue
        self.assert_served(self.mint(serviceaccount="other"), "--timeout", "4s")
        self.standin.rotate()
        self.assert_served(self.mint(serviceaccount="new-key"), "--timeout", "4s")

    def test_an_exchanger_that_ends_takes_no_place_with_it(self):
        """As many reviews as before may be in flight in the next one: the same ones are sent again."""
        server = self.hanging_server()
        self.start("miss", api_server=server.url)
        self.ask_in_vain("pulumi", server)
        os.kill(self.node.exchanger_pid("issuers"), signal.SIGKILL)
        wait_for(lambda: len(server.requests) >= 128, 30, "the same reviews at the server that hangs")

    def test_an_api_server_that_hangs(self):
        server = self.hanging_server()
        self.start("miss", api_server=server.url)
        self.node.issuer("unreviewed", url=self.second_issuer(),
                         extra=f"CAFile={self.standin.ca}\nKeysURL={self.standin.issuer}/keys")
        upstream = RawServer(self.standin, lambda _: http(TOKEN))
        self.addCleanup(upstream.stop)
        self.node.service("other", issuer="unreviewed", api_url=upstream.url)
        self.node.restart()
        self.ask_in_vain("pulumi", server)
        # an issuer without reviews is not in their queue; its keys are fetched now
        self.assert_served(self.mint(claims={"iss": self.second_issuer()}), "other", "--timeout", "4s")

    def second_issuer(self):
        return self.standin.issuer.replace("localhost", "127.0.0.1")


if __name__ == "__main__":
    unittest.main()
