"""Shared code of the tests of podlogin-standin. PODLOGIN_STANDIN names the program under test."""

import base64
import http.client
import json
import os
import pathlib
import ssl
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from standin import Standin, StandinError, subject_of  # noqa: E402,F401


BINARY = os.environ.get("PODLOGIN_STANDIN", "podlogin-standin")
TYPE = "urn:pulumi:token-type:access_token:"


def exchange_form(token, kind="personal", scope="user:ci-bot", **changes):
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": "urn:pulumi:org:acme",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": TYPE + kind,
        "scope": scope,
        "subject_token": token,
    }
    form.update(changes)
    return {name: value for name, value in form.items() if value is not None}


def part(token, index):
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class Case(unittest.TestCase):
    """One stand-in for all tests of a class, in its initial state before each test."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.standin = Standin(BINARY, cls.directory.name)
        cls.tls = ssl.create_default_context(cafile=cls.standin.ca)

    @classmethod
    def tearDownClass(cls):
        status = cls.standin.stop()
        cls.directory.cleanup()
        assert status == 0, f"the stand-in ended with {status}"

    def setUp(self):
        self.standin.fault_upstream()
        self.standin.fault_issuer()
        self.standin.policies("default")
        self.standin.admissions("default")
        self.standin.configure_upstream(expires_in=7200, token_bytes=0, organizations=["acme"])
        self.standin.reset_counts()

    def connect(self, url=None, timeout=5):
        address = urllib.parse.urlsplit(url or self.standin.upstream)
        return http.client.HTTPSConnection(
            address.hostname, address.port, timeout=timeout, context=self.tls
        )

    def http(self, method, path, body=None, headers=None, url=None, timeout=5):
        """Makes one request over its own connection and returns (status, headers, body)."""
        connection = self.connect(url, timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def post(self, form, timeout=5):
        body = urllib.parse.urlencode(form)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.http("POST", "/api/oauth/token", body, headers, timeout=timeout)

    def exchange(self, token, *arguments, **changes):
        """Returns (status, JSON)."""
        status, _, body = self.post(exchange_form(token, *arguments, **changes))
        return status, json.loads(body)

    def assert_refused(self, got, status, error):
        self.assertEqual((got[0], got[1].get("error")), (status, error), got)
