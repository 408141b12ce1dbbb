"""The daemon's counters: each event is counted once, where it happens."""

import socket
import unittest

import metrics
from node import NodeCase, wait_for
from protocol_client import Client


class Counters(NodeCase):
    def read(self):
        """The counters that are not 0, without histograms and gauges."""
        return {key: value for key, value in metrics.read(self.node).items() if key[0].endswith("_total") and value}

    def differences(self, before):
        after = self.read()
        return {(key[0][9:-6], *dict(key[1:]).values()): value - before.get(key, 0) for key, value in after.items()
                if value != before.get(key, 0)}

    def test_each_event_is_counted_once(self):
        self.node.start()
        self.assertEqual(self.read(), {})
        jwt = self.mint()
        self.assert_served(jwt)
        self.assertEqual(self.differences({}),
                         {("requests", "pulumi", "ok"): 1, ("exchanges", "pulumi", "ok"): 1})
        before = self.read()
        with Client(str(self.node.socket), jwt=jwt) as client:
            for _ in range(10):
                client.get("pulumi")
        self.assertEqual(self.differences(before), {("requests", "pulumi", "ok"): 10, ("cache_hits", "pulumi"): 10})
        before = self.read()
        self.assert_refused("POLICY_DENIED", 77, self.mint(namespace="other"))
        self.assert_refused("UNKNOWN_SERVICE", 78, jwt, "nosuch")
        self.assertEqual(self.differences(before),
                         {("requests", "pulumi", "refused"): 1, ("requests", "", "refused"): 1})

    def test_durations_of_hits_and_misses_are_apart(self):
        self.node.start()
        self.standin.fault_upstream(latency_ms=60)
        jwt = self.mint()
        for _ in range(4):
            self.assert_served(jwt)
        samples = metrics.read(self.node)
        for source, n in (("hit", 3), ("miss", 1)):
            name = "podlogin_request_duration_seconds"
            labels = {"service": "pulumi", "source": source}
            self.assertEqual(metrics.total(samples, f"{name}_count", **labels), n)
            self.assertEqual(metrics.total(samples, f"{name}_bucket", le="+Inf", **labels), n)
            self.assertEqual(metrics.total(samples, f"{name}_bucket", le="0.05", **labels), n if source == "hit" else 0)
            self.assertEqual(metrics.total(samples, f"{name}_bucket", le="10", **labels), n)
            self.assertEqual(metrics.total(samples, f"{name}_sum", **labels) > 0.06, source == "miss")
        self.assertEqual(metrics.total(samples, "podlogin_exchange_duration_seconds_count", service="pulumi"), 1)
        self.assertGreater(metrics.total(samples, "podlogin_exchange_duration_seconds_sum"), 0.06)

    def test_exchanges_are_counted_by_outcome(self):
        self.node.start()
        self.standin.policies([])
        self.assert_refused("UPSTREAM_REFUSED", 77, self.mint())
        self.assertEqual(self.differences({}),
                         {("exchanges", "pulumi", "refused"): 1, ("requests", "pulumi", "refused"): 1})

    def test_connections_that_are_turned_away(self):
        self.node.configure("off", limits="[Limits]\nConnectionsPerPod=2\n")
        self.node.start()
        connections = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.connect(str(self.node.socket))
        wait_for(lambda: metrics.total(metrics.read(self.node), "podlogin_rejected_total", reason="quota") >= 2,
                 what="connections that are turned away")

    def test_readiness_and_issuers(self):
        self.standin.fault_issuer(kind="status", status=503)
        self.node.start()
        wait_for(lambda: metrics.total(metrics.read(self.node), "podlogin_issuer_failing", issuer="eks") == 1,
                 what="the issuer's failure")
        samples = metrics.read(self.node)
        self.assertEqual(metrics.total(samples, "podlogin_ready"), 0)
        self.assertNotIn("podlogin_issuer_keys_age_seconds", {key[0] for key in samples})
        self.standin.fault_issuer()
        wait_for(lambda: metrics.total(metrics.read(self.node), "podlogin_ready") == 1, what="readiness")
        self.assertEqual(metrics.total(metrics.read(self.node), "podlogin_issuer_failing"), 0)

    def test_the_limit_of_connections(self):
        self.node.configure(limits="[Limits]\nConnections=7\n")
        self.node.start()
        self.assertEqual(metrics.total(metrics.read(self.node), "podlogin_connections_max"), 7)

    def test_gauges(self):
        self.node.start()
        samples = metrics.read(self.node)
        self.assertEqual(metrics.total(samples, "podlogin_cache_entries"), 0)
        self.assertEqual(metrics.total(samples, "podlogin_build_info", version="0.1.0"), 1)
        self.standin.configure_upstream(expires_in=900)
        for i in range(3):
            self.assert_served(self.mint(serviceaccount=f"sa-{i}"))
        samples = metrics.read(self.node)
        self.assertEqual(metrics.total(samples, "podlogin_cache_entries"), 3)
        self.assertEqual(metrics.total(samples, "podlogin_breaker_open", upstream=self.standin.upstream), 0)
        self.assertIn(("podlogin_issuer_keys_age_seconds", ("issuer", "eks")), samples)
        self.assertLess(metrics.total(samples, "podlogin_issuer_keys_age_seconds"), 60)
        with Client(str(self.node.socket), jwt=self.mint(serviceaccount="sa-0")) as client:
            client.get("pulumi")
            samples = metrics.read(self.node)
        self.assertEqual(metrics.total(samples, "podlogin_connections"), 1)
        left_s = metrics.total(samples, "podlogin_token_expiry_seconds", service="pulumi")
        self.assertTrue(800 < left_s <= 900, left_s)
        self.standin.fault_upstream(kind="status", status=503)
        for i in range(3):
            self.get(self.mint(serviceaccount=f"new-{i}"), "--timeout", "1s")
        self.assertEqual(metrics.total(metrics.read(self.node), "podlogin_breaker_open"), 1)


if __name__ == "__main__":
    unittest.main()
