"""An API server that shows its keys to authenticated callers only: they are fetched with the daemon's own token, which
no other server gets."""

import json
import pathlib
import shutil
import signal
import tempfile
import unittest

from node import STANDIN, NodeCase, wait_for
from raw_server import RawServer, http
from standin import Standin
from test_refusals import fetch

TRY_AGAIN = 75
FORBIDDEN = http('{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}', "403 Forbidden")
UNAUTHORIZED = http('{"kind":"Status","status":"Failure","code":401}', "401 Unauthorized")


class OwnTokenCase(NodeCase):
    hurries = True

    def setUp(self):
        super().setUp()
        self.own = self.mint(namespace="podlogin", serviceaccount="podlogind",
                             audience=["https://kubernetes.default.svc"])
        self.token_file = self.node.directory / "own-token"
        self.token_file.write_text(self.own)
        self.keys = fetch(self.standin, "/keys")[1]
        self.named = self.jwks_uri = None  # that the discovery document of the API server names
        self.anonymous = FORBIDDEN
        self.api_server = self.serve(self.answer)

    def serve(self, answer, standin=None):
        server = RawServer(standin or self.standin, answer)
        self.addCleanup(server.stop)
        return server

    def carries_token(self, request):
        return f"Authorization: Bearer {self.own}".encode() in request.head.split(b"\r\n")

    def answer(self, request):
        if not self.carries_token(request):
            return self.anonymous
        if request.path == "/openid/v1/jwks":
            return http(self.keys)
        return http(json.dumps({"issuer": self.named or self.api_server.url,
                                "jwks_uri": self.jwks_uri or self.api_server.url + "/openid/v1/jwks"}))

    def start(self, url=None, api_server=None, extra=""):
        self.node.issuer("eks", url=url or self.api_server.url,
                         extra=f"APIServer={api_server or self.api_server.url}\n"
                         f"APIServerTokenFile={self.token_file}\n{extra}"
                         + ("" if "APIServerCAFile=" in extra else f"APIServerCAFile={self.standin.ca}\n"))
        self.start_with_clock()

    def mint_here(self, url=None, **order):
        """A token of the API server at @url, which the upstream trusts."""
        url = url or self.api_server.url
        self.standin.trust(**{url: json.loads(self.keys)})
        return self.mint(claims={"iss": url}, **order)

    def refused(self, *reasons, url=None):
        error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint_here(url))
        for reason in reasons:
            self.assertIn(reason, error)
        self.assertNotIn(self.own, error + self.node.log())

    def assert_got_no_token(self, server, n_requests):
        for request in server.requests:
            self.assertNotIn(b"authorization", request.head.lower())
            self.assertNotIn(self.own.encode(), request.head + request.body)
        self.assertEqual(len(server.requests), n_requests)


class Keys(OwnTokenCase):
    def test_keys_by_the_discovery_document(self):
        self.start()
        self.assert_served(self.mint_here())
        self.assertEqual([request.path for request in self.api_server.requests],
                         ["/.well-known/openid-configuration", "/openid/v1/jwks"])
        self.assertNotIn(self.own, self.node.log())

    def test_keys_at_their_url(self):
        """As with kubeadm, whose discovery document names an address that no certificate may have."""
        url = "https://kubernetes.default.svc.cluster.local"
        self.start(url=url, extra=f"KeysURL={self.api_server.url}/openid/v1/jwks\n")
        self.assert_served(self.mint_here(url))
        self.assertEqual(len(self.api_server.requests), 1)

    def test_the_token_is_read_again_for_each_fetch(self):
        self.token_file.write_text("expired")
        self.anonymous = UNAUTHORIZED
        self.start()
        self.refused("HTTP 401: the API server does not accept the token in APIServerTokenFile=")
        self.token_file.write_text(self.own + "\r\n")
        self.turn_until(lambda: self.get(self.mint_here())[0] == 0, 1, "the next try")

    def test_a_token_that_may_not_read_the_keys(self):
        self.own = "another"
        self.start()
        self.refused("HTTP 403: the daemon's account may not read it")

    def test_a_token_that_cannot_be_used_is_named(self):
        self.token_file.write_text("\n")
        self.start()
        self.refused(f"cannot read APIServerTokenFile={self.token_file}: file is empty")
        self.assertEqual(self.api_server.requests, [])
        self.token_file.write_text(self.own)
        self.turn_until(lambda: self.get(self.mint_here())[0] == 0, 1, "the next try")

    def test_without_a_token_the_keys_are_fetched_anonymously(self):
        self.token_file.unlink()
        self.start(extra=f"CAFile={self.standin.ca}\n")
        self.refused("HTTP 403 without a token; one is sent only if", "the file in APIServerTokenFile= exists")
        self.anonymous = http(json.dumps({"issuer": self.api_server.url,
                                          "jwks_uri": self.standin.issuer + "/keys"}))
        self.turn_until(lambda: self.get(self.mint_here())[0] == 0, 1, "the next try")

    def test_a_reload_to_another_ca_of_the_api_server_drops_the_keys(self):
        self.start()
        self.assert_served(self.mint_here())
        other = Standin(STANDIN, tempfile.mkdtemp(dir=self.root))
        self.addCleanup(other.stop)
        ca = shutil.copy(other.ca, self.node.etc)  # of a directory that is new, it would be read after a restart
        text = (self.node.etc / "issuers.d/eks.conf").read_text()
        self.node.write("issuers.d/eks.conf", text.replace(
            f"APIServerCAFile={self.standin.ca}", f"APIServerCAFile={ca}"))
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "configuration reloaded" in self.node.log())
        self.refused("certificate")


class Attacks(OwnTokenCase):
    """What answers in the place of the API server, or is named by it, gets no token that is not for it."""

    def test_a_discovery_document_that_names_another_server(self):
        other = self.serve(lambda _: http(self.keys))
        for url in (other.url, f"https://127.0.0.1:{other.url.rsplit(':', 1)[1]}"):
            self.jwks_uri = url + "/openid/v1/jwks"
            self.start(extra=f"CAFile={self.standin.ca}\n")
            self.assert_served(self.mint_here(serviceaccount=f"at-{url[8:11]}"))
            self.node.stop()
            shutil.rmtree(self.node.state)
            self.node.state.mkdir(mode=0o700)
        self.assert_got_no_token(other, 2)

    def test_another_name_of_the_same_server(self):
        self.jwks_uri = self.api_server.url.replace("localhost", "127.0.0.1") + "/openid/v1/jwks"
        self.start(extra=f"CAFile={self.standin.ca}\n")
        self.refused("HTTP 403 without a token")
        self.assertFalse(self.carries_token(self.api_server.requests[-1]))

    def test_urls_that_only_look_like_the_api_server(self):
        other = self.serve(lambda _: http(self.keys))
        authority, elsewhere = self.api_server.url[8:], other.url[8:]
        for url in (f"https://{authority}@{elsewhere}/keys", f"http://{authority}/openid/v1/jwks",
                    f"https://{authority}\\@{elsewhere}/keys", f"https://{authority}#@{elsewhere}/keys",
                    f"HTTPS://{authority}/openid/v1/jwks", f"https://{elsewhere}@{authority}/openid/v1/jwks"):
            self.jwks_uri = url
            self.start(extra=f"CAFile={self.standin.ca}\n")
            self.refused("the discovery document has no https jwks_uri")
            self.node.stop()
        self.assertEqual((other.n_connections, other.requests), (0, []))
        self.assertNotIn("/openid/v1/jwks", [request.path for request in self.api_server.requests])

    def test_a_discovery_document_that_quotes_the_token(self):
        for piece in (self.own, self.own[-40:]):
            self.named = f"https://{piece}"
            self.start()
            error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint_here())
            self.assertIn("names another issuer: https://[...]", error)
            for text in (error, self.node.log()):
                self.assertNotIn(piece[:20], text)
            self.node.stop()

    def test_a_url_of_keys_that_quotes_the_token(self):
        """The name of its host cannot be looked up: it has an empty part."""
        self.jwks_uri = f"https://{self.own[-30:]}..example/keys"
        self.start(extra=f"CAFile={self.standin.ca}\n")
        error = self.assert_refused("ISSUER_UNAVAILABLE", TRY_AGAIN, self.mint_here())
        self.assertIn("[...]..example", error)
        for text in (error, self.node.log()):
            self.assertNotIn(self.own[-30:-10], text)

    def test_redirects(self):
        other = self.serve(lambda _: http(self.keys))
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
            server = self.serve(lambda _, status=status: http(
                "", status, f"Location: {other.url}/openid/v1/jwks"))
            self.start(url="https://cluster.local", api_server=server.url,
                       extra=f"KeysURL={server.url}/openid/v1/jwks\n")
            self.refused("HTTP " + status[:3], url="https://cluster.local")
            self.assertTrue(self.carries_token(server.requests[0]))
            self.node.stop()
        self.assertEqual((other.n_connections, other.requests), (0, []))

    def test_an_issuer_elsewhere_that_names_the_api_server(self):
        """Otherwise a foreign issuer would choose what the daemon asks the API server in its own name."""
        issuer = self.serve(lambda _: http(json.dumps({
            "issuer": issuer.url, "jwks_uri": self.api_server.url + "/openid/v1/jwks"})))
        self.start(url=issuer.url, extra=f"CAFile={self.standin.ca}\n")
        self.refused("HTTP 403 without a token", url=issuer.url)
        self.assert_got_no_token(issuer, len(issuer.requests))
        self.assert_got_no_token(self.api_server, len(self.api_server.requests))
        self.assertGreater(len(self.api_server.requests), 0)

    def test_a_server_that_only_the_ca_of_the_issuer_verifies(self):
        """The token is for the API server, so the certificates of the API server decide."""
        other = Standin(STANDIN, tempfile.mkdtemp(dir=self.root))
        self.addCleanup(other.stop)
        both = self.node.directory / "both.pem"
        both.write_text(pathlib.Path(self.standin.ca).read_text() + pathlib.Path(other.ca).read_text())
        self.start(extra=f"CAFile={both}\nAPIServerCAFile={other.ca}\n")
        self.refused("certificate")
        self.assertEqual(self.api_server.requests, [])

    def test_the_url_of_the_keys_is_elsewhere(self):
        other = self.serve(lambda _: http(self.keys))
        self.start(extra=f"KeysURL={other.url}/keys\nCAFile={self.standin.ca}\n")
        self.assert_served(self.mint_here())
        self.assert_got_no_token(other, 1)
        self.assertEqual(self.api_server.requests, [])


if __name__ == "__main__":
    unittest.main()
