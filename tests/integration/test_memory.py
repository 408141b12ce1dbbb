"""One allocation fails, at any moment: nobody is refused for it as if the token were bad, and afterwards all is well."""

import mmap
import signal
import struct
import time
import unittest

from node import BUILD, EXCHANGER, NodeCase, scale, wait_all, wait_for
from protocol_client import Client, ConnectionClosed, ServerError

NO_MEMORY = BUILD / "tests/support/libno_memory.so"
ALLOCATIONS = 12000  # more than a start and the requests of this test make
ALLOCATIONS_OF_EXCHANGER = 60000
REQUESTS = 8
ANSWERS = {"OK", "INTERNAL", "ISSUER_UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "TOO_MANY", "BUSY", "UNREACHABLE", "TIMEOUT"}


class Allocations:
    """The counter of a process that libno_memory.so counts down."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(8))
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 8)

    def fail(self, number):
        """The allocation with this number fails, from 1; 0: none."""
        self.shared[:] = struct.pack("q", number)

    def are_left(self):
        return struct.unpack("q", self.shared[:])[0] > 0


@unittest.skipIf("sanitized" in str(BUILD), "a sanitizer has allocation functions of its own")
class Memory(NodeCase):
    def ask(self):
        """Two accounts, two pods of each; returns the errors."""
        errors = []
        for i in range(4):
            code, _, error = self.get(self.mint(serviceaccount=f"sa-{i // 2}", pod=f"job-{i}"), "--timeout", "5s")
            if code != 0:
                errors.append(error)
        return errors

    def answer(self, jwt, ask):
        """Returns the name of the daemon's answer."""
        try:
            with Client(str(self.node.socket), timeout=5, jwt=jwt) as client:
                ask(client)
        except ServerError as error:
            return error.name
        except (ConnectionClosed, ConnectionError, TimeoutError):
            return "UNREACHABLE"
        return "OK"

    def sweep(self, what, right, mint, ask=lambda client: client.get("pulumi")):
        """Fails each allocation of a request in turn. @right: its answer when none fails."""
        number, n_failed = 1, 0
        while True:
            jwt = mint(number)
            self.allocations.fail(number)
            name = self.answer(jwt, ask)
            was_last = self.allocations.are_left()
            self.allocations.fail(0)
            self.assertIn(name, (ANSWERS - {"OK"}) | {right}, f"{what}, allocation {number}")
            n_failed += name != right
            wait_for(lambda: self.answer(jwt, ask) == right, 40, f"{what}: recovery after allocation {number}")
            if was_last:
                print(f"\n{what}: {number} allocations, {n_failed} failures told", end="")
                return
            number += scale(2, 1)

    def reload(self):
        done = ("configuration reloaded", "keeping the current configuration")
        before = sum(self.node.log().count(text) for text in done)
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: sum(self.node.log().count(text) for text in done) > before, what="the end of the reload")

    def sweep_reload(self):
        """Fails each allocation of a reload, of the fetch of the changed issuer's keys, and of a request in turn."""
        jwt, number, are_left = self.mint(), 1, False

        def name():
            return self.answer(jwt, lambda client: client.get("pulumi"))

        while not are_left:
            self.node.issuer("eks", algorithms=("RS256", "RS256 ES256")[number // scale(7, 1) % 2])
            self.allocations.fail(number)
            self.reload()
            self.assertIn(name(), ANSWERS, f"reload, allocation {number}")
            are_left = self.allocations.are_left()
            self.allocations.fail(0)
            wait_for(lambda: name() == "OK", 40, f"reload: recovery after allocation {number}")
            number += scale(7, 1)
        print(f"\na reload: {number} allocations")

    def test_each_allocation_of_a_request(self):
        """In a daemon that goes on: the right answer or an error that says to retry, and then the right answer."""
        self.allocations = Allocations(self.node.directory / "allocations")
        self.node.start(LD_PRELOAD=str(NO_MEMORY), PODLOGIN_TEST_NO_MEMORY=str(self.allocations.path))
        self.sweep("an exchange", "OK", lambda n: self.mint(serviceaccount=f"new-{n}"))
        self.sweep("another pod of an account", "OK", lambda n: self.mint(serviceaccount="new-1", pod=f"pod-{n}"))
        self.sweep("whoami", "OK", lambda n: self.mint(pod=f"who-{n}"), lambda client: client.whoami())
        self.sweep("no rule admits it", "POLICY_DENIED", lambda n: self.mint(namespace="prod", pod=f"pod-{n}"))
        self.sweep("a forged token", "TOKEN_BAD_SIGNATURE", lambda n: self.mint(pod=f"forged-{n}", sign="rogue"))
        self.sweep_reload()
        self.assertEqual(self.node.stop(), 0)

    def test_each_allocation_of_the_daemon(self):
        n_started = n_failed = 0
        for number in range(1, ALLOCATIONS, scale(397, 23)):
            self.node.start(wait=False, LD_PRELOAD=str(NO_MEMORY), PODLOGIN_TEST_NO_MEMORY=str(number))
            try:
                wait_for(lambda: self.node.socket.exists() or self.node.process.poll() is not None, 20)
            finally:
                code = self.node.process.poll()
            if code is not None:  # it could not start, says so, and is started again by the service manager
                self.assertIn(code, (70, 78), f"allocation {number}: {self.node.log()}")
                self.node.process = None
            else:
                n_started += 1
                errors = self.ask()
                n_failed += bool(errors)
                for error in errors:
                    self.assertRegex(error, ": (INTERNAL|ISSUER_UNAVAILABLE|UPSTREAM_UNAVAILABLE|TOO_MANY|BUSY|"
                                     "UNREACHABLE|TIMEOUT): ", f"allocation {number}")
                wait_for(lambda: not self.ask(), 40, f"recovery after allocation {number}")
                self.assertEqual(self.node.stop(), 0)
            for path in self.node.state.iterdir():
                path.unlink()
        print(f"\nstarted {n_started} times; {n_failed} times a request failed")
        self.assertGreater(n_started, 0)

    def first_exchanger(self, number):
        """Returns the path of an exchanger. One allocation fails in the first process of it, and none in the next."""
        spent = self.node.directory / f"spent-{number}"
        path = self.node.directory / "exchanger"
        path.write_text(f"#!/bin/sh\nmkdir {spent} 2>/dev/null && export LD_PRELOAD={NO_MEMORY} "
                        f"PODLOGIN_TEST_NO_MEMORY={number}\nexec {EXCHANGER} \"$@\"\n")
        path.chmod(0o700)
        return path

    def test_each_allocation_of_the_exchanger(self):
        """The exchanger ends, and the next one gets all of its jobs: no request fails."""
        n_restarts = 0
        self.standin.fault_upstream(latency_ms=300)  # so that all requests are in flight together
        tokens = [self.node.jwt_file(self.mint(serviceaccount=f"sa-{i}"), f"token-{i}") for i in range(REQUESTS)]
        for number in range(1, ALLOCATIONS_OF_EXCHANGER, scale(4999, 293)):
            self.start_with_clock(exchanger=self.first_exchanger(number))
            processes = [self.node.spawn("token", token_file=path) for path in tokens]
            for _ in range(6):  # the pause before the next exchanger, which each of the jobs outlasts
                time.sleep(0.05)
                self.clock.turn(0.25)
            results = wait_all(processes)
            self.assertEqual([error for code, _, error in results if code != 0], [],
                             f"allocation {number}: {self.node.log()}")
            self.assertEqual(self.node.stop(), 0)
            n_restarts += "restarting it" in self.node.log()
            self.node.log_path.unlink()
            for path in self.node.state.iterdir():
                path.unlink()
        print(f"\n{n_restarts} exchangers were replaced")
        self.assertGreater(n_restarts, 0)


if __name__ == "__main__":
    unittest.main()
