"""The API of Pulumi Cloud: each call is answered for the token that came with it."""

import base64
import json
import pathlib
import ssl
import urllib.request

from case import BINARY, Case, Standin

STACKS = "/api/stacks/acme/project"


class ApiTest(Case):
    def setUp(self):
        super().setUp()
        self.standin.policies("allow-all")
        self.standin.configure_upstream(organizations=["acme", "other"])
        self.token = self.exchange(self.standin.mint())[1]["access_token"]
        self.other = self.exchange(self.standin.mint(), audience="urn:pulumi:org:other")[1]["access_token"]
        self.standin.reset_calls()

    def api(self, method, path, body=None, token=None):
        """Returns (status, JSON or None)."""
        status, _, answer = self.http(method, path, body and json.dumps(body),
                                      {"Authorization": "token " + (token or self.token)})
        return status, json.loads(answer) if answer else None

    def create(self, name="dev"):
        self.assertEqual(self.api("POST", STACKS, {"stackName": name, "tags": {"a": "b"}}), (200, {"messages": []}))

    def tearDown(self):
        for stack in self.api("GET", "/api/user/stacks")[1]["stacks"]:
            self.api("DELETE", f"/api/stacks/acme/{stack['projectName']}/{stack['stackName']}")

    def test_what_a_token_is_told(self):
        for token, organization in ((self.token, "acme"), (self.other, "other")):
            self.assertEqual(self.api("GET", "/api/user/organizations/default", token=token),
                             (200, {"GitHubLogin": organization, "Messages": []}))
            self.assertEqual(self.api("GET", "/api/capabilities", token=token), (200, {"capabilities": []}))
            for path in ("/api/esc/environments", f"/api/esc/environments/{organization}"):
                status, answer = self.api("GET", path, token=token)
                self.assertEqual((status, answer["nextToken"]), (200, ""))
                self.assertEqual([each["organization"] for each in answer["environments"]], [organization])
        self.assertEqual(self.api("GET", "/api/esc/environments/other")[0], 404)
        self.assertEqual(self.api("GET", "/api/nonesuch")[0], 404)
        self.assertEqual(self.api("POST", "/api/capabilities")[0], 405)

    def test_stacks_belong_to_an_organization(self):
        self.assertEqual(self.api("GET", STACKS)[0], 404)
        self.create()
        self.assertEqual(self.api("POST", STACKS, {"stackName": "dev"})[0], 409)
        self.assertEqual(self.api("POST", STACKS, {"stackName": ""})[0], 400)
        self.assertEqual(self.api("GET", STACKS)[0], 200)
        status, stack = self.api("GET", STACKS + "/dev")
        self.assertEqual((status, stack["orgName"], stack["projectName"], stack["stackName"], stack["tags"]),
                         (200, "acme", "project", "dev", {"a": "b"}))
        self.assertEqual(self.api("GET", "/api/user/stacks?project=project")[1]["stacks"], [stack])
        self.assertEqual(self.api("GET", "/api/user/stacks?project=another")[1]["stacks"], [])
        self.assertEqual(self.api("GET", STACKS + "/dev/export"), (200, {"version": 3, "deployment": {}}))
        for method, path in (("GET", STACKS), ("GET", STACKS + "/dev"), ("DELETE", STACKS + "/dev")):
            self.assertEqual(self.api(method, path, token=self.other)[0], 404)
        self.assertEqual(self.api("GET", "/api/user/stacks", token=self.other), (200, {"stacks": []}))
        self.assertEqual(self.api("DELETE", STACKS + "/dev"), (204, None))
        self.assertEqual(self.api("GET", STACKS + "/dev")[0], 404)

    def test_secrets_belong_to_a_stack(self):
        self.create("dev")
        self.create("prod")
        for secret in (b"", b"x", b"secret", bytes(range(256))):
            plain = {"plaintext": base64.b64encode(secret).decode()}
            status, cipher = self.api("POST", STACKS + "/dev/encrypt", plain)
            self.assertEqual(status, 200)
            self.assertNotEqual(cipher["ciphertext"], plain["plaintext"])
            self.assertEqual(self.api("POST", STACKS + "/dev/decrypt", cipher), (200, plain))
            self.assertEqual(self.api("POST", STACKS + "/prod/decrypt", cipher)[0], 400)
        self.assertEqual(self.api("POST", STACKS + "/dev/decrypt", {"ciphertext": "?"})[0], 400)
        self.assertEqual(self.api("POST", STACKS + "/none/encrypt", plain)[0], 404)

    def test_calls_are_recorded_with_their_tokens(self):
        self.api("GET", "/api/user", token=self.other)
        self.api("GET", STACKS + "/none")
        self.http("GET", "/api/capabilities", headers={"Authorization": "token pul-unknown"})
        self.http("GET", "/api/user")
        self.api("POST", STACKS, {"stackName": ""})
        rows = [("GET", "/api/user", self.other, None, 200), ("GET", STACKS + "/none", self.token, None, 404),
                ("GET", "/api/capabilities", "pul-unknown", None, 401), ("GET", "/api/user", None, None, 401),
                ("POST", STACKS, self.token, {"stackName": ""}, 400)]
        self.assertEqual(self.standin.calls(), [
            {"method": method, "path": path, "token": token, "body": body, "status": status}
            for method, path, token, body, status in rows])
        self.standin.reset_calls()
        self.assertEqual(self.standin.calls(), [])


class TrustTest(Case):
    def keys(self, standin):
        """The key set as a client reads it."""
        context = ssl.create_default_context(cafile=standin.ca)
        with urllib.request.urlopen(standin.issuer + "/keys", context=context, timeout=5) as answer:
            return json.load(answer)

    def test_a_second_issuer_can_be_trusted(self):
        self.standin.policies("allow-all")
        with Standin(BINARY, str(pathlib.Path(self.directory.name, "second"))) as second:
            for alg in ("RS256", "PS384", "ES256", "ES512"):
                token = second.mint(alg=alg)
                self.standin.trust()
                self.assert_refused(self.exchange(token), 400, "invalid_grant")
                self.standin.trust(**{second.issuer: self.keys(second)})
                status, got = self.exchange(token)
                self.assertEqual(status, 200, got)
                self.assert_refused(self.exchange(second.mint(alg=alg, sign="corrupt")), 400, "invalid_grant")
                self.assert_refused(self.exchange(second.mint(alg=alg, lifetime=-1)), 400, "invalid_grant")
            # each issuer has its own keys
            self.assertEqual(self.exchange(self.standin.mint())[0], 200)
            self.assert_refused(self.exchange(self.standin.mint(claims={"iss": second.issuer})), 400, "invalid_grant")
            self.assert_refused(self.exchange(second.mint(claims={"iss": self.standin.issuer})), 400, "invalid_grant")
            # the API server of the first cluster knows nothing of the second
            own = {"Authorization": "Bearer " + self.standin.mint()}
            review = json.dumps({"spec": {"token": second.mint()}})
            status, _, body = self.http("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review, own,
                                        url=self.standin.issuer)
            self.assertEqual((status, json.loads(body)["status"]["authenticated"]), (201, False))
        self.standin.trust()

    def test_malformed_calls_are_refused(self):
        for order in ({}, {"issuers": {}}, {"issuers": [{}]}, {"issuers": [{"url": "https://x"}]},
                      {"issuers": [{"url": "https://x", "keys": {"keys": [{}]}}]},
                      {"issuers": [{"url": "https://x", "keys": {"keys": [{"alg": "RS256", "n": "AQAB"}]}}]},
                      {"issuers": [{"url": "https://x", "keys": {"keys": [{"alg": "ES256", "x": "AQAB", "y": "AQAB"}]}}]}):
            status, body = self.standin.call_raw("PUT", "/trust", order)
            self.assertEqual(status, 400, order)
            self.assertTrue(json.loads(body)["error"])
