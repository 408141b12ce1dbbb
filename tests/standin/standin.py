"""Starts podlogin-standin and calls its control interface. README.md describes the calls.

    with Standin(binary, directory) as standin:
        token = standin.mint(serviceaccount="pulumi-runner")
        standin.fault_upstream(kind="status", status=503, times=2)

Needs only Python's standard library, 3.9 or newer.
"""

import http.client
import json
import os
import re
import select
import subprocess
import threading
import time
import urllib.parse


class StandinError(Exception):
    """The stand-in refused a call, or did not start."""


class Standin:
    """A running stand-in. issuer, upstream, untrusted and control are its URLs, ca is a file.

    The stand-in ends with the thread that makes this object (--die-with-parent), not with the
    process.
    """

    def __init__(self, binary, directory, *options, wait_s=120.0):
        self._local = threading.local()
        os.makedirs(directory, exist_ok=True)
        self.directory = str(directory)
        self.process = subprocess.Popen(
            [str(binary), "--directory", self.directory, "--die-with-parent", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        try:
            ready = json.loads(self._ready_line(wait_s))
        except ValueError as error:
            self.stop()
            raise StandinError("the stand-in did not start") from error
        self.issuer = ready["issuer"]
        self.upstream = ready["upstream"]
        self.untrusted = ready["untrusted"]
        self.control = ready["control"]
        self.ca = ready["ca"]
        self.pid = ready["pid"]

    def _ready_line(self, wait_s):
        deadline = time.monotonic() + wait_s
        line = b""
        while not line.endswith(b"\n"):
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self.process.stdout], [], [], left_s)[0]:
                return ""
            block = os.read(self.process.stdout.fileno(), 4096)
            if not block:
                return ""
            line += block
        return line.decode()

    def stop(self):
        """Ends the stand-in and returns its exit status, or None if it had to be killed."""
        self.process.terminate()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = None
        self.process.stdout.close()
        self.close()
        return status

    def close(self):
        """Closes this thread's control connection. The next call opens another one."""
        connection = getattr(self._local, "connection", None)
        if connection:
            connection.close()
            self._local.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def _connection(self):
        # One for each thread: keep-alive saves connections, and threads cannot share one.
        connection = getattr(self._local, "connection", None)
        if not connection:
            address = urllib.parse.urlsplit(self.control)
            connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
            self._local.connection = connection
        return connection

    def call_raw(self, method, path, body=None):
        """Makes a call and returns (status, bytes). @body is a JSON value, bytes, or None."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = self._connection()
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def call(self, method, path, body=None):
        """Makes a call and returns its JSON, or raises StandinError with the error message."""
        status, answer = self.call_raw(method, path, body)
        if status != 200:
            raise StandinError(f"{method} {path}: {json.loads(answer)['error']}")
        return json.loads(answer)

    def mint(self, **order):
        """Returns one service-account token."""
        return self.call("POST", "/mint", order)["token"]

    def mint_many(self, count, **order):
        """Returns @count tokens; %d in pod or serviceaccount becomes the number of the token."""
        return self.call("POST", "/mint", {**order, "count": count})["tokens"]

    def rotate(self, keep_old=True, alg="RS256"):
        """Makes a new current key and returns its kid."""
        return self.call("POST", "/keys/rotate", {"keep_old": keep_old, "alg": alg})["kid"]

    def keys_document(self, body=None):
        """Serves this text instead of the key set; None restores the key set."""
        self.call("PUT", "/keys/document", {} if body is None else {"body": body})

    def discovery_document(self, body=None):
        """Serves this text instead of the discovery document; None restores the document."""
        self.call("PUT", "/discovery/document", {} if body is None else {"body": body})

    def issuer_cache(self, max_age):
        """Sets max-age in Cache-Control; None omits the header."""
        self.call("PUT", "/issuer/cache", {"max_age": max_age})

    def revoke(self, uid=None):
        """Makes TokenReview refuse the pod or account with this uid; None ends all revocations."""
        self.call("POST", "/revoke", {"uid": uid} if uid else {})

    def policies(self, policies=None):
        """Returns the authorization policies, or sets them: a list, or the name of a preset."""
        if policies is None:
            return self.call("GET", "/policies")["policies"]
        field = "preset" if isinstance(policies, str) else "policies"
        self.call("PUT", "/policies", {field: policies})
        return None

    def admissions(self, admissions=None):
        """Returns who may log in at the other upstreams, or sets it: a list, or "default"."""
        if admissions is None:
            return self.call("GET", "/admissions")["admissions"]
        self.call("PUT", "/admissions", {} if admissions == "default" else {"admissions": admissions})
        return None

    def admit(self, kind, **members):
        """Adds one admission: role, subject, audience, lifetime, and what the kind has."""
        self.admissions([*self.admissions(), {"kind": kind, **members}])

    def user_token(self, organization="acme", user="admin", admin=True):
        """Makes the access token of a user of the organization, and returns it."""
        return self.call("POST", "/tokens", {"organization": organization, "user": user, "admin": admin})["token"]

    def reset_issuers(self):
        """Removes all issuers that are registered with Pulumi Cloud."""
        self.call("POST", "/issuers/reset")

    def configure_upstream(self, **settings):
        """Sets any of expires_in, token_bytes and organizations."""
        self.call("PUT", "/upstream", settings)

    def fault_upstream(self, kind="none", **fault):
        """Replaces the upstream's fault; without arguments removes fault and latency."""
        self.call("PUT", "/faults/upstream", {"kind": kind, **fault})

    def fault_issuer(self, kind="none", **fault):
        """Replaces the issuer's fault; without arguments removes fault and latency."""
        self.call("PUT", "/faults/issuer", {"kind": kind, **fault})

    def counts(self):
        return self.call("GET", "/counts")

    def reset_counts(self):
        self.call("POST", "/counts/reset")

    def tokens(self):
        """Returns the records of all issued access tokens."""
        return self.call("GET", "/tokens")["tokens"]

    def issued(self, token, **parts):
        """Returns the record of a token with "valid", or None if it is unknown.

        It is valid only together with the access_key_id and the secret_access_key, where given.
        """
        path = "/issued?" + urllib.parse.urlencode({"token": token, **parts})
        status, answer = self.call_raw("GET", path)
        return json.loads(answer) if status == 200 else None

    def calls(self):
        """Returns the calls of the API since the last reset: method, path, token, body and status of each."""
        return self.call("GET", "/calls")["calls"]

    def reset_calls(self):
        self.call("POST", "/calls/reset")

    def trust(self, **issuers):
        """Makes the upstream accept tokens of these issuers, too: key sets by URL, as in trust(**{url: keys})."""
        self.call("PUT", "/trust", {"issuers": [{"url": url, "keys": keys} for url, keys in issuers.items()]})

    def last_exchange(self):
        """Returns the latest exchange as received, or None before the first."""
        return self.call("GET", "/last-exchange")


def subject_of(token):
    """Returns the subject of a token of any upstream, which contains it in hexadecimal.

    Of the credentials of AWS, this is the session token.
    """
    return bytes.fromhex(re.match(r"(?:pul-|IQoJ|hvs\.|tok-|eyJ0eXAiOiJKV1QifQ\.)([0-9a-f]*)[./]", token)[1]).decode()
