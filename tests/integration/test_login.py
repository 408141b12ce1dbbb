"""The main job: a pod requests a token and gets it; many requests share one exchange."""

import subprocess
import unittest

from node import NodeCase, subject_of, wait_all, wait_for


class Login(NodeCase):
    def test_a_pod_gets_a_token_and_the_next_one_costs_no_exchange(self):
        self.node.start()
        first = self.assert_served(self.mint(pod="job-1"))
        second = self.assert_served(self.mint(pod="job-2"))
        self.assertEqual(first["source"], "exchange")
        self.assertEqual(second["source"], "cache")
        self.assertEqual(first["token"], second["token"])
        self.assertEqual(first["token_type"], "token")
        self.assertEqual(subject_of(first["token"]), "system:serviceaccount:ci:pulumi-runner")
        self.assertEqual(self.exchanges(), 1)

    def test_what_is_sent_upstream_is_what_pulumi_cloud_documents(self):
        self.node.start()
        jwt = self.mint()
        self.assert_served(jwt)
        sent = self.standin.last_exchange()
        self.assertEqual(sent["content_type"], "application/x-www-form-urlencoded")
        self.assertIsNone(sent["authorization"])
        self.assertEqual(sent["fields"], {
            "audience": "urn:pulumi:org:acme",
            "expiration": "7200",
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:pulumi:token-type:access_token:personal",
            "scope": "user:ci-bot",
            "subject_token": jwt,
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        })

    def test_each_token_type_asks_for_its_scope(self):
        types = {
            "organization": ("", ""),
            "admin": ("organization", "Scope=admin", "admin"),
            "team": ("team", "Team=platform", "team:platform"),
            "personal": ("personal", "User=ci-bot", "user:ci-bot"),
            "runner": ("runner", "Runner=pool-1", "runner:pool-1"),
        }
        for name, kind in types.items():
            token_type, setting, scope = kind if len(kind) == 3 else (name, "", "")
            self.node.service(name)
            path = self.node.etc / f"services.d/{name}.conf"
            path.write_text(path.read_text().replace("TokenType=personal\nUser=ci-bot",
                                                     f"TokenType={token_type}\n{setting}"))
            types[name] = (token_type, scope)
        self.standin.policies([{"decision": "allow", "tokenType": token_type,
                                "authorizedPermissions": ["admin", "standard"], "rules": {},
                                **({"teamName": "*"} if token_type == "team" else {}),
                                **({"userLogin": "*"} if token_type == "personal" else {}),
                                **({"runnerID": "*"} if token_type == "runner" else {})}
                               for token_type, _ in types.values()])
        self.node.start()
        for name, (token_type, scope) in types.items():
            with self.subTest(name):
                self.assert_served(self.mint(), name)
                fields = self.standin.last_exchange()["fields"]
                self.assertEqual(fields["requested_token_type"],
                                 f"urn:pulumi:token-type:access_token:{token_type}")
                self.assertEqual(fields.get("scope", ""), scope)

    def test_concurrent_jobs_share_one_exchange(self):
        self.standin.fault_upstream(latency_ms=400)
        self.node.start()
        tokens = [self.mint(pod=f"job-{i}") for i in range(60)]
        results = wait_all([
            self.node.spawn("token", token_file=self.node.jwt_file(jwt, f"t{i}"))
            for i, jwt in enumerate(tokens)])
        self.assertEqual({code for code, _, _ in results}, {0}, results[0])
        self.assertEqual(len({token for _, token, _ in results}), 1)
        self.assertEqual(self.exchanges(), 1)

    def test_another_account_or_service_has_another_cache_key(self):
        self.node.service("other", provider="", rules=self_allow())
        path = self.node.etc / "services.d/other.conf"
        path.write_text(path.read_text().replace("Expiration=2h", "Expiration=1h"))
        self.node.start()
        base = self.assert_served(self.mint())["token"]
        different = [
            self.assert_served(self.mint(serviceaccount="other"))["token"],
            self.assert_served(self.mint(serviceaccount_uid="11111111-2222"))["token"],
            self.assert_served(self.mint(), "other")["token"],
        ]
        self.assertEqual(len({base, *different}), 4)
        self.assertEqual(self.exchanges(), 4)

    def test_share_pod_gives_each_pod_its_own(self):
        self.node.service("pulumi", share="pod")
        self.node.start()
        tokens = {self.assert_served(self.mint(pod=f"job-{i % 3}"))["token"] for i in range(6)}
        self.assertEqual(len(tokens), 3)

    def test_a_restarted_daemon_serves_the_stored_token(self):
        self.node.start()
        before = self.assert_served(self.mint())
        self.node.restart()
        after = self.assert_served(self.mint())
        self.assertEqual(before["token"], after["token"])
        self.assertEqual(after["source"], "cache")
        self.assertEqual(self.exchanges(), 1)

    def test_min_ttl_is_met_or_more_than_the_upstream_grants(self):
        self.standin.configure_upstream(expires_in=3000)
        self.node.start()
        self.assert_served(self.mint())
        self.standin.configure_upstream(expires_in=7200)
        self.assertEqual(self.assert_served(self.mint())["source"], "cache")
        self.assertEqual(self.assert_served(self.mint(), "--min-ttl", "2600s")["source"], "cache")
        # the upstream granted 3000 s last, and nine tenths of that are left, which is always enough
        self.assertEqual(self.assert_served(self.mint(), "--min-ttl", "1h")["source"], "cache")
        self.assertEqual(self.exchanges(), 1)

    def test_less_than_min_ttl_left_costs_one_exchange(self):
        self.standin.configure_upstream(expires_in=20)
        self.start_with_clock()
        first = self.assert_served(self.mint())
        self.clock.turn(2)
        self.assertNotEqual(self.assert_served(self.mint(), "--min-ttl", "18s")["token"], first["token"])
        self.assertEqual(self.exchanges(), 2)

    def test_an_expired_token_is_replaced(self):
        self.standin.configure_upstream(expires_in=7)
        self.start_with_clock()
        first = self.assert_served(self.mint())
        self.clock.turn(7)
        self.assertNotEqual(self.assert_served(self.mint())["token"], first["token"])
        self.assertLessEqual(self.exchanges(), 3)

    def test_a_refused_leader_does_not_refuse_its_followers(self):
        self.standin.fault_upstream(kind="status", status=403, times=1, latency_ms=300,
                                    body='{"error":"access_denied"}')
        self.node.start()
        self.node.podlogin("whoami", token_file=self.node.jwt_file(self.mint()))  # this waits for the keys
        leader = self.node.spawn("token", token_file=self.node.jwt_file(self.mint(), "leader"))
        wait_for(lambda: self.standin.counts()["exchanges_in_flight"] == 1)
        follower = self.node.spawn("token", token_file=self.node.jwt_file(self.mint(), "follower"))
        (leader_code, _, _), (follower_code, _, _) = wait_all([leader, follower])
        self.assertEqual((leader_code, follower_code), (77, 0))

    def test_a_client_waits_for_a_daemon_that_is_starting(self):
        process = self.node.spawn("token", "--timeout", "60s", token_file=self.node.jwt_file(self.mint()))
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        self.node.start()
        self.assertEqual(process.wait(60), 0)
        process.communicate()

    def test_a_miss_after_an_idle_time_has_its_whole_timeout(self):
        self.standin.fault_upstream(latency_ms=300)
        self.start_with_clock()
        self.assert_served(self.mint())
        self.clock.turn(6)  # longer than the timeout: a deadline must not count from the last event
        self.assert_served(self.mint(serviceaccount="late"), "--timeout", "5s")

    def test_an_issuer_s_url_may_end_in_a_slash(self):
        url = self.standin.issuer + "/"
        self.node.issuer("eks", url=url)
        self.standin.discovery_document(
            '{"issuer":"%s","jwks_uri":"%skeys"}' % (url, url))
        self.node.start()
        result = self.node.podlogin("whoami", token_file=self.node.jwt_file(
            self.mint(claims={"iss": url})))
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_pending_requests_survive_a_restart_of_the_daemon(self):
        self.standin.fault_upstream(latency_ms=600)
        self.node.start()
        process = self.node.spawn("token", token_file=self.node.jwt_file(self.mint()))
        wait_for(lambda: self.standin.counts()["exchanges_in_flight"] >= 1)
        self.node.kill()
        self.node.start()
        (code, token, error), = wait_all([process])
        self.assertEqual(code, 0, error)
        self.assertEqual(subject_of(token), "system:serviceaccount:ci:pulumi-runner")


def self_allow():
    return '[Allow "anybody"]\nsub=*\n'


if __name__ == "__main__":
    unittest.main()
