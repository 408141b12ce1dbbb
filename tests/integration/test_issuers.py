"""The pages of docs/issuers: the daemon accepts each configuration without a change, and serves tokens of such a cluster.

tests/data/issuers has, for each kind of cluster, a token's header and claims as its API server writes them, and the
discovery document: those of kubeadm in the form that Kubernetes 1.36 wrote, the others with what their documentation says
is different. Only times, and the host of what is fetched, differ in a test."""

import base64
import contextlib
import json
import re
import subprocess
import time
import unittest
import urllib.parse

from node import AUDIENCE, PODLOGINCTL, NodeCase
from raw_server import RawServer, http
from test_docs import SOURCE
from test_refusals import fetch

DATA = {path.stem: json.loads(path.read_text()) for path in (SOURCE / "tests/data/issuers").glob("*.json")}
API_SERVER = re.compile(r"https://(?:kubernetes\.default\.svc(?=[/\n])|cluster\.example:6443)")
MISSING = http("{}", "404 Not Found")
FORBIDDEN = http('{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}', "403 Forbidden")


class Preset:
    """A file of issuers.d that a page shows, and the cluster of tests/data/issuers that it is for."""

    def __init__(self, page, text):
        self.page, self.text = page, text
        self.cluster = re.match(r"# /etc/podlogin/issuers\.d/([\w-]+)\.conf\n", text).group(1)
        self.data = DATA[self.cluster]
        self.settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))

    def __str__(self):
        return f"{self.page}: {' '.join(self.settings)}"


def presets():
    found = [Preset(page.name, block) for page in sorted((SOURCE / "docs/issuers").glob("*.md"))
             for block in re.findall(r"^```ini\n(.*?)^```", page.read_text(), re.M | re.S)]
    assert found
    return found


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def origin(url):
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Pages(unittest.TestCase):
    def test_each_cluster_has_a_page_and_each_page_has_clusters(self):
        self.assertEqual({preset.cluster for preset in presets()}, set(DATA))
        index = (SOURCE / "docs/issuers/README.md").read_text()
        pages = {path.name for path in (SOURCE / "docs/issuers").glob("*.md")} - {"README.md"}
        self.assertEqual(pages, {preset.page for preset in presets()})
        self.assertEqual(pages, set(re.findall(r"\]\((\w+\.md)\)", index)))

    def test_the_url_is_the_issuer_of_the_tokens(self):
        for preset in presets():
            with self.subTest(str(preset)):
                self.assertEqual(preset.settings["URL"], preset.data["claims"]["iss"])
                self.assertEqual(preset.settings["URL"], preset.data["discovery"]["issuer"])

    def test_the_algorithms_are_those_of_the_discovery_document(self):
        for preset in presets():
            with self.subTest(str(preset)):
                self.assertEqual(preset.settings.get("Algorithms", "RS256").split(),
                                 preset.data["discovery"]["id_token_signing_alg_values_supported"])
                self.assertIn(preset.data["header"]["alg"], preset.settings.get("Algorithms", "RS256"))

    def test_the_overlays_have_the_presets_of_the_pages(self):
        shown = [preset.settings for preset in presets()]
        for path in (SOURCE / "deploy/kubernetes/overlays").glob("*/config/*.conf"):
            text = path.read_text()
            if "[Issuer]" in text:
                self.assertIn({"Algorithms": "RS256", **dict(re.findall(r"^(\w+)=(.*)$", text, re.M))}, shown, path)


class Presets(NodeCase):
    hurries = True

    def setUp(self):
        super().setUp()
        self.own = self.mint(namespace="podlogin", serviceaccount="podlogin", audience=["https://kubernetes.default.svc"])
        self.own_file = self.node.directory / "own-token"
        self.own_file.write_text(self.own)
        self.keys_file = self.node.directory / "keys.json"
        self.server = RawServer(self.standin, self.answer)
        self.addCleanup(self.server.stop)
        self.cluster = None
        self.publish()

    def publish(self):
        """Copies the keys of the stand-in to where the clusters have theirs."""
        self.keys = fetch(self.standin, "/keys")[1]
        self.keys_file.write_bytes(self.keys)
        if self.cluster:
            self.standin.trust(**{self.moved(self.cluster.data["claims"]["iss"]): json.loads(self.keys)})

    @contextlib.contextmanager
    def running(self, cluster):
        """A daemon with the configuration of @cluster."""
        with self.subTest(str(cluster)):
            self.cluster = cluster
            self.token()  # the first one makes the key of its algorithm
            self.publish()
            self.node.write("issuers.d/eks.conf", self.configuration())
            self.start_with_clock()
            try:
                yield
            finally:
                self.node.stop()
                for path in self.node.state.iterdir():  # the next daemon must not know the keys
                    path.unlink()
                self.server.requests.clear()

    def answer(self, request):
        """Both a public issuer and an API server, which wants the daemon's token for everything."""
        path = urllib.parse.urlsplit(self.cluster.data["claims"]["iss"]).path.rstrip("/")
        if "KeysURL" not in self.cluster.settings:
            discovery = self.moved(self.cluster.data["discovery"])
            return {path + "/.well-known/openid-configuration": http(json.dumps(discovery)),
                    urllib.parse.urlsplit(discovery["jwks_uri"]).path: http(self.keys)}.get(request.path, MISSING)
        if f"Authorization: Bearer {self.own}".encode() not in request.head.split(b"\r\n"):
            return FORBIDDEN
        if request.path == "/apis/authentication.k8s.io/v1/tokenreviews":
            return http(json.dumps(self.review(json.loads(request.body)["spec"])), "201 Created")
        return http(self.keys) if request.path == "/openid/v1/jwks" else MISSING

    def review(self, spec):
        claims = decoded(spec["token"].split(".")[1])
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {
            "authenticated": True, "audiences": spec["audiences"],
            "user": {"username": claims["sub"], "uid": claims["kubernetes.io"]["serviceaccount"]["uid"]}}}

    def moved(self, value):
        """@value, JSON or text, with the host of an issuer that serves its own keys replaced by the test's."""
        if "KeysURL" in self.cluster.settings or "KeysFile" in self.cluster.settings:
            return value
        return json.loads(json.dumps(value).replace(origin(self.cluster.data["claims"]["iss"]), self.server.url))

    def configuration(self):
        """The text of the page, with files and servers of this test."""
        text = self.moved(self.cluster.text)
        if "KeysURL" in self.cluster.settings:
            head, _, rest = text.partition("URL=" + self.cluster.settings["URL"] + "\n")
            text = f"{head}URL={self.cluster.settings['URL']}\n" + API_SERVER.sub(self.server.url, rest)
        files = {"KeysFile": self.keys_file, "APIServerTokenFile": self.own_file, "APIServerCAFile": self.standin.ca,
                 "CAFile": self.standin.ca, "APIServer": self.server.url}
        if "KeysFile" not in self.cluster.settings:
            del files["KeysFile"]
        return re.sub(rf"^({'|'.join(files)})=.*\n", "", text, flags=re.M) + "".join(
            f"{name}={value}\n" for name, value in files.items())

    def token(self, sign="current", **changes):
        """A token with exactly the claims of the cluster, issued now."""
        claims = {**self.moved(self.cluster.data["claims"]), **changes}
        later = int(time.time()) - claims["iat"]
        claims.update({name: claims[name] + later for name in ("exp", "iat", "nbf")})
        token = self.standin.mint(alg=self.cluster.data["header"]["alg"], header={"typ": None}, claims=claims, sign=sign)
        header, payload, _ = token.split(".")
        self.assertEqual(decoded(payload), claims)
        self.assertEqual({**decoded(header), "kid": None}, {**self.cluster.data["header"], "kid": None})
        return token

    def test_each_is_accepted_as_it_stands(self):
        """Files that it names, other than keys, may come later."""
        for preset in presets():
            with self.subTest(str(preset)):
                text = re.sub(r"(?<=^KeysFile=).*$", str(self.keys_file), preset.text, flags=re.M)
                self.node.write("issuers.d/eks.conf", text)
                result = subprocess.run([PODLOGINCTL, "check-config", self.node.etc], capture_output=True, text=True,
                                        check=False)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("configuration is valid (1 issuer, 1 service)", result.stdout)
                for line in result.stderr.splitlines():
                    self.assertRegex(line, r"\b\w*(?:CA|Token)File=.* No such file")

    def test_each_serves_a_token_of_such_a_cluster(self):
        for preset in presets():
            with self.running(preset):
                token = self.token()
                self.assertEqual(self.assert_served(token)["source"], "exchange")
                whoami = self.node.podlogin("whoami", "--json", token_file=self.node.jwt_file(token))
                self.assertIn(preset.data["claims"]["kubernetes.io"]["pod"]["uid"], whoami.stdout)
                self.assertEqual(bool(self.server.requests), "KeysFile" not in preset.settings)
                verify = subprocess.run(
                    [PODLOGINCTL, "verify", "--jwks", self.keys_file, "--issuer", self.moved(preset.settings["URL"]),
                     "--audience", AUDIENCE, "--algorithms", preset.settings["Algorithms"]],
                    input=token, capture_output=True, text=True, check=False)
                self.assertEqual(verify.returncode, 0, verify.stderr)

    def test_none_serves_a_token_that_is_not_the_clusters(self):
        for preset in presets():
            with self.running(preset):
                self.assert_refused("TOKEN_BAD_SIGNATURE", 77, self.token(sign="rogue"))
                issuer = self.moved(preset.data["claims"]["iss"])
                for other in (issuer.rstrip("/") if issuer.endswith("/") else issuer + "/", issuer + "x"):
                    self.assert_refused("TOKEN_UNTRUSTED_ISSUER", 77, self.token(iss=other))
                self.assertEqual(self.exchanges(), 0)

    def test_keys_of_a_rotation_are_found(self):
        by_source = {tuple(sorted({"KeysURL", "KeysFile"} & set(preset.settings))): preset for preset in presets()}
        self.assertEqual(len(by_source), 3)
        for preset in by_source.values():
            with self.running(preset):
                self.assert_served(self.token())
                self.standin.rotate(keep_old=True, alg=preset.data["header"]["alg"])
                self.assert_refused("TOKEN_UNKNOWN_KEY", 77, self.token(jti="before-it-is-published"))
                self.publish()
                self.turn_until(lambda: self.get(self.token(jti="after"))[0] == 0, 1, "the next fetch")


if __name__ == "__main__":
    unittest.main()
