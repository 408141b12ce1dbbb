"""The disk is full, fails or is read-only, at any time: requests are served from memory."""

import errno
import os
import socket
import tempfile
import time
import unittest

from node import NodeCase, PODLOGIND, scale, wait_for
from preload import Preload
from protocol_client import Client


class Failing(NodeCase):
    def setUp(self):
        super().setUp()
        self.preload = Preload(self.node.directory / "preload", str(self.node.state))

    def start(self):
        self.node.start(**self.preload.environment(PODLOGIND))

    def ask_for(self, names):
        for name in names:
            # at full size, this takes more than an hour
            jwt = self.jwts.setdefault(name, self.mint(serviceaccount=name, lifetime=80000))
            with Client(str(self.node.socket), timeout=20, jwt=jwt) as client:
                client.get("pulumi")

    def test_each_operation_in_turn(self):
        """One operation fails, or all from one on: requests are served, and the daemon keeps running."""
        self.jwts = {}
        self.start()
        self.ask_for(["warm-up"])
        self.node.stop()
        n_runs = n_failed = 0
        for name in ("ENOSPC", "EIO", "EROFS"):
            for for_ever in (False, True):
                # at full size, each operation fails in turn; at small size, one in 19
                at, last_failed = 1, 0
                while at <= last_failed + 20:
                    self.preload.heal()
                    before = self.preload.n_failed
                    self.preload.fail(getattr(errno, name), at=at, for_ever=for_ever)
                    self.start()
                    self.ask_for([f"{name}-{at}-{i}" for i in range(3)] + ["warm-up"])
                    self.assertEqual(self.node.stop(), 0, self.node.log())
                    if self.preload.n_failed > before:
                        last_failed = at
                        n_failed += 1
                    n_runs += 1
                    at += scale(19, 1)
        self.preload.heal()
        self.start()
        self.assertEqual(self.assert_served(self.mint(serviceaccount="after"))["source"],
                         "exchange")
        print(f"\n{n_runs} runs, {n_failed} of them with a failing disk")
        self.assertGreater(n_failed, 10)

    def test_it_is_logged_once_and_the_tokens_are_written_later(self):
        path = os.path.join(tempfile.mkdtemp(dir=self.root), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(5)
            self.node.start(NOTIFY_SOCKET=path, **self.preload.environment(PODLOGIND))
            self.jwts = {}
            self.preload.fail(errno.ENOSPC, for_ever=True)
            self.ask_for([f"sa-{i}" for i in range(10)])
            wait_for(lambda: "serving from memory only" in self.node.log())
            self.assertEqual(self.node.log().count("serving from memory only"), 1)
            received = ""
            while "Serving from memory only" not in received:
                received += notify.recv(4096).decode()
            self.preload.heal()
            # the next successful write starts those of all dirty tokens
            self.ask_for(["sa-10"])
            wait_for(lambda: "storing tokens in" in self.node.log())
            while "Storing tokens in" not in received[received.index("Serving from"):]:
                received += notify.recv(4096).decode()
        time.sleep(0.5)
        self.node.kill()
        self.node.start()
        before = self.exchanges()
        self.ask_for([f"sa-{i}" for i in range(11)])
        self.assertEqual(self.exchanges(), before)


class Keys(NodeCase):
    def test_a_change_of_the_key_survives_a_kill(self):
        n = scale(20, 300)
        key = self.node.directory / "key/cache.key"
        self.node.start()
        jwts = [self.mint(serviceaccount=f"sa-{i}") for i in range(n)]

        def ask():
            for jwt in jwts:
                with Client(str(self.node.socket), timeout=20, jwt=jwt) as client:
                    client.get("pulumi")

        ask()
        self.node.stop()
        old = key.read_bytes()
        new = os.urandom(32)
        key.write_bytes(new + old)
        for delay_s in (0, 0.002, 0.005, 0.02, 1.5):
            self.node.start()
            time.sleep(delay_s)
            self.node.kill()
        key.write_bytes(new)
        self.node.start()
        ask()
        self.assertEqual(self.exchanges(), n)

    def test_a_credential_of_systemd(self):
        directory = self.node.directory / "credentials"
        directory.mkdir(mode=0o700)
        (directory / "podlogin").write_bytes(os.urandom(32))
        (directory / "podlogin").chmod(0o440)
        config = self.node.etc / "podlogind.conf"
        text = config.read_text()
        config.write_text("".join("CacheKey=credential:podlogin\n"
                                  if line.startswith("CacheKey=") else line + "\n"
                                  for line in text.splitlines()))
        for source in ("exchange", "cache"):
            self.node.start(CREDENTIALS_DIRECTORY=str(directory))
            self.assertEqual(self.assert_served(self.mint())["source"], source)
            self.node.stop()


if __name__ == "__main__":
    unittest.main()
