"""The daemon's counters: each event is counted once, where it happens."""

import os
import socket
import unittest

import counters
from node import NodeCase, wait_for
from protocol_client import Client


@unittest.skipUnless(os.geteuid() == 0, "needs root, to read the daemon's memory")
class Counters(NodeCase):
    def read(self):
        return counters.read(self.node.process.pid)

    def differences(self, before):
        after = self.read()
        return {name: after[name] - before[name] for name in after if after[name] != before[name]}

    def test_each_event_is_counted_once(self):
        self.node.start()
        before = self.read()
        self.assertEqual(set(before.values()), {0})
        jwt = self.mint()
        self.assert_served(jwt)
        self.assertEqual(self.differences(before), {"REQUESTS_OK": 1, "EXCHANGES_OK": 1})
        before = self.read()
        with Client(str(self.node.socket), jwt=jwt) as client:
            for _ in range(10):
                client.get("pulumi")
        self.assertEqual(self.differences(before), {"REQUESTS_OK": 10, "CACHE_HITS": 10})
        before = self.read()
        self.assert_refused("POLICY_DENIED", 77, self.mint(namespace="other"))
        self.assert_refused("UNKNOWN_SERVICE", 78, jwt, "nosuch")
        self.assertEqual(self.differences(before), {"REQUESTS_REFUSED": 2})

    def test_exchanges_are_counted_by_outcome(self):
        self.node.start()
        self.standin.policies([])
        self.assert_refused("UPSTREAM_REFUSED", 77, self.mint())
        self.assertEqual(self.read()["EXCHANGES_REFUSED"], 1)
        self.assertEqual(self.read()["REQUESTS_REFUSED"], 1)

    def test_connections_that_are_turned_away(self):
        self.node.configure("off", limits="[Limits]\nConnectionsPerPod=2\n")
        self.node.start()
        connections = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.connect(str(self.node.socket))
        wait_for(lambda: self.read()["REJECTED_QUOTA"] >= 2, what="connections that are turned away")


if __name__ == "__main__":
    unittest.main()
