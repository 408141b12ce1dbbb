"""More than 120 classes of hostile input, each in many variants: the answer is a typed error, and the daemon is not
harmed."""

import os
import random
import socket
import time
import unittest

import hostile
from node import NodeCase, scale, wait_for
from test_peer import answer_name

LIMITS = ("[Limits]\nConnectionsPerPod=0\nRequestsPerPod=0\nSignatureChecksPerPod=0\n"
          "MissesPerPod=0\nFrameTimeout=1s\n")


class Hostile(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.configure(limits=LIMITS)
        self.start_with_clock()
        self.good = self.mint()
        self.assert_served(self.good)

    def act(self, connection, actions):
        for action in actions:
            if action[0] == "send":
                connection.sendall(action[1])
            elif action[0] == "sleep":
                time.sleep(action[1])
            elif action[0] == "half close":
                connection.shutdown(socket.SHUT_WR)
            elif action[0] == "oob":
                try:
                    connection.send(action[1], socket.MSG_OOB)
                except OSError:
                    pass  # not every kernel supports it for Unix sockets
            elif action[0] == "fds":
                try:
                    socket.send_fds(connection, [action[1]], [0] * action[2])
                    return
                except PermissionError:
                    pass  # since Linux 6.16 the sender gets an error

    def outcome(self, variant, waits=False):
        actions = [("send", variant)] if isinstance(variant, bytes) else \
            [("send", a[1]) if a[0] == "or send" else a for a in variant]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.node.socket))
            try:
                self.act(connection, actions)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the daemon has closed the connection; its last answer may be there
            if waits:
                time.sleep(0.02)  # so that the daemon has begun to read the frame; else, this takes a second
                self.clock.turn(1)
            try:
                return answer_name(connection)
            except ConnectionResetError:
                return "closed"

    def test_each_class(self):
        self.assertGreaterEqual(len(hostile.CLASSES), 120)
        seed = int(os.environ.get("PODLOGIN_SEED", random.SystemRandom().randrange(2 ** 32)))
        n = scale(2, 100)
        context = hostile.Context(self.mint, self.good)
        before = None
        with self.subTest("descriptors"):
            before = self.node.open_descriptors()
        for name, allowed, make in hostile.CLASSES:
            r = random.Random(f"{seed} {name}")
            waits = name.split(":")[0] == "a frame that does not end"
            for i in range(n):
                got = self.outcome(make(r, context), waits)
                self.assertIn(got, allowed, f"{name}, variant {i} of PODLOGIN_SEED={seed}")
            self.assertIsNone(self.node.process.poll(), f"the daemon ended: {name}, seed {seed}")
        print(f"{len(hostile.CLASSES)} classes with {n} variants, seed {seed}")
        if before is not None:
            wait_for(lambda: self.node.open_descriptors() <= before, what="the end of all connections")
        self.assert_served(self.good)
        self.assertNotIn(self.good.split(".")[2], self.node.log())


if __name__ == "__main__":
    unittest.main()
