"""One allocation fails, at any moment: nobody is refused for it as if the token were bad, and afterwards all is well."""

import unittest

from node import BUILD, PODLOGIND, NodeCase, scale, wait_for

NO_MEMORY = BUILD / "tests/support/libno_memory.so"
ALLOCATIONS = 12000  # more than a start and the requests of this test make


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


if __name__ == "__main__":
    unittest.main()
