"""The life of a login: refreshed before it expires, kept while the configuration changes."""

import os
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import time
import unittest
import unittest.mock
import urllib.request

from node import NodeCase, scale, wait_all, wait_for
from protocol_client import Client, ServerError

TRY_AGAIN = 75


class Steady(NodeCase):
    """Short-lived tokens in constant use: no request waits after the first, and exchanges are few."""

    TTL_S = 60

    def test_no_request_waits_after_the_first(self):
        n, duration_s = scale((10, 180), (50, 3600))
        self.standin.configure_upstream(expires_in=self.TTL_S)
        self.start_with_clock()
        self.n_asked = self.n_waited = 0
        jwts = [self.mint(serviceaccount=f"sa-{i}", lifetime=7200) for i in range(n)]
        clients = [Client(str(self.node.socket), timeout=30, jwt=jwt) for jwt in jwts]
        for client in clients:
            self.addCleanup(client.close)
            client.get("pulumi")
        begun_s = self.now()
        while self.now() < begun_s + duration_s:
            if scale(True, False):
                self.clock.turn(0.5)
            else:
                time.sleep(0.25)
            for client in clients:
                # refreshed at 80 % of its lifetime, or soon after it
                wait_for(lambda c=client: self.ask(c).expires_at_s > self.now() + self.TTL_S / 5 - 2, what="a refresh")
        least = n * (1 + (self.now() - begun_s) // (self.TTL_S - 5))
        ratio = self.exchanges() / least
        print(f"\n{self.n_asked} requests of {n} accounts in {duration_s} s with tokens of {self.TTL_S} s: "
              f"{self.n_waited} waited, {self.exchanges()} exchanges, {ratio:.3f} of the least")
        self.assertEqual(self.n_waited, 0)
        self.assertLess(ratio, scale(1.7, 1.3))

    def now(self):
        """The daemon's time."""
        return time.time() + self.clock.passed_s

    def ask(self, client):
        answer = client.get("pulumi")
        self.n_asked += 1
        self.n_waited += answer.source == 2  # it began an exchange, so no refresh had begun in time
        self.assertGreater(answer.expires_at_s, self.now())
        return answer


class Hanging(NodeCase):
    def test_an_exchanger_that_hangs_is_replaced(self):
        self.start_with_clock()
        self.assert_served(self.mint())
        pid = self.node.exchanger_pid()
        os.kill(pid, signal.SIGSTOP)
        cold = self.node.spawn("token", "--timeout", "60s",
                               token_file=self.node.jwt_file(self.mint(serviceaccount="cold")))
        self.turn_until(lambda: "does not answer" in self.node.log(), 1)
        code, _, error = wait_all([cold])[0]
        self.assertEqual(code, 0, error)
        self.assertNotEqual(self.node.exchanger_pid(), pid)
        self.assertIn("does not answer", self.node.log())


class Reload(NodeCase):
    def reload(self, sentence):
        before = self.node.log().count(sentence)
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.node.log().count(sentence) > before, what=sentence)

    DONE = "configuration reloaded"

    def test_services_are_added_and_removed(self):
        self.node.service("old")
        self.node.start()
        self.assert_served(self.mint(), "old")
        self.node.service("new", audience="urn:new")
        (self.node.etc / "services.d/old.conf").unlink()
        self.reload(self.DONE)
        self.assertEqual(self.get(self.mint(), "old")[0], 78)
        self.assert_served(self.mint(audience=["urn:new"]), "new")

    def test_unchanged_services_hit_and_changed_ones_miss(self):
        self.node.service("other")
        self.node.start()
        with Client(str(self.node.socket), timeout=20, jwt=self.mint()) as client:
            client.get("pulumi")
            client.get("other")
            # other rules with the same effect, and a service with another request upstream
            self.node.service("pulumi", rules='[Allow "all of ci"]\nsub=system:serviceaccount:ci:*')
            self.node.service("other", provider="Scope=")
            path = self.node.etc / "services.d/other.conf"
            path.write_text(path.read_text().replace("Expiration=2h", "Expiration=1h"))
            self.reload(self.DONE)
            self.assertEqual(client.get("pulumi").source, 1)
            self.assertEqual(client.get("other").source, 2)

    def test_new_rules_apply_to_cached_tokens(self):
        self.node.start()
        with Client(str(self.node.socket), timeout=20, jwt=self.mint()) as client:
            client.get("pulumi")
            self.node.service("pulumi", rules='[Allow "others"]\n"kubernetes.io".namespace=prod')
            self.reload(self.DONE)
            with self.assertRaises(ServerError) as refused:
                client.get("pulumi")
            self.assertEqual(refused.exception.name, "POLICY_DENIED")

    def test_a_bad_configuration_changes_nothing(self):
        self.node.service("gone")
        self.node.start()
        self.assert_served(self.mint(), "gone")
        (self.node.etc / "services.d/gone.conf").unlink()
        self.node.write("services.d/zzz.conf", "[Service]\nProvider=nobody\n")
        self.reload("keeping the current configuration")
        self.assertIn("zzz.conf:2: ", self.node.log())
        self.assertEqual(self.assert_served(self.mint(), "gone")["source"], "cache")

    def test_requests_for_a_removed_service_are_refused(self):
        self.node.service("gone", audience="urn:gone")
        self.node.start()
        self.assert_served(self.mint(serviceaccount="earlier"))  # before, there is one exchange at a time
        self.standin.fault_upstream(kind="hang")
        gone = self.node.spawn("token", "gone", token_file=self.node.jwt_file(
            self.mint(audience=["urn:gone"]), "gone"))
        stays = self.node.spawn("token", token_file=self.node.jwt_file(self.mint(), "stays"))
        wait_for(lambda: self.standin.counts()["exchanges_in_flight"] >= 2)
        (self.node.etc / "services.d/gone.conf").unlink()
        self.reload(self.DONE)
        code, _, error = wait_all([gone])[0]
        self.assertEqual(code, TRY_AGAIN)
        self.assertIn("configuration has changed", error)
        self.standin.fault_upstream()
        code, _, error = wait_all([stays])[0]
        self.assertEqual(code, 0, error)

    def test_an_issuer_with_changed_settings_fetches_its_keys_again(self):
        self.node.start()
        with Client(str(self.node.socket), timeout=20, jwt=self.mint()) as client:
            client.get("pulumi")
            fetches = self.standin.counts()["keys"]
            self.reload(self.DONE)
            client.get("pulumi")
            self.assertEqual(self.standin.counts()["keys"], fetches)
            self.node.issuer("eks", algorithms="ES256")
            self.reload(self.DONE)
            with self.assertRaises(ServerError) as refused:
                client.get("pulumi")
            self.assertEqual(refused.exception.name, "TOKEN_BAD_ALGORITHM")
            self.node.issuer("eks", algorithms="ES256 RS256")
            self.reload(self.DONE)
            self.assertEqual(client.get("pulumi").source, 1)
            self.assertGreater(self.standin.counts()["keys"], fetches)

    def test_a_removed_issuer_is_not_trusted_any_more(self):
        self.node.start()
        with Client(str(self.node.socket), timeout=20, jwt=self.mint()) as client:
            client.get("pulumi")
            self.node.issuer("eks", url="https://issuer.invalid/id/OTHER")
            self.reload(self.DONE)
            with self.assertRaises(ServerError) as refused:
                client.get("pulumi")
            self.assertEqual(refused.exception.name, "TOKEN_UNTRUSTED_ISSUER")

    def test_a_refusal_is_forgotten(self):
        self.standin.policies([])
        self.node.start()
        jwt = self.mint()
        self.assertEqual(self.get(jwt)[0], 77)
        self.standin.policies("allow-all")
        self.assertEqual(self.get(jwt)[0], 77)
        self.assertEqual(self.exchanges(), 1)
        self.reload(self.DONE)
        self.assert_served(jwt)

    def test_another_log_level(self):
        path = self.node.etc / "podlogind.conf"
        path.write_text(path.read_text().replace("LogLevel=debug", "LogLevel=warning"))
        self.node.start()
        self.assert_served(self.mint())
        self.assertEqual(self.node.audit_trail(), [])
        path.write_text(path.read_text().replace("LogLevel=warning", "LogLevel=info"))
        self.reload(self.DONE)
        self.assert_served(self.mint())
        self.assertEqual(len(self.node.audit_trail()), 1)

    def test_settings_that_need_a_restart_are_logged(self):
        self.node.start()
        path = self.node.etc / "podlogind.conf"
        path.write_text(path.read_text().replace("podlogin.sock", "other.sock").replace(
            "LogLevel=debug", "LogLevel=debug\nCacheRows=77\nCacheKeyBesideCache=yes"))
        self.reload(self.DONE)
        for setting in ("other.sock", "CacheRows=77", "CacheKeyBesideCache=yes"):
            self.assertIn(f"{setting} takes effect at the next restart", self.node.log())
        self.assertNotIn("CacheKey=", self.node.log())
        self.assert_served(self.mint())

    def test_a_storm_of_requests_and_reloads(self):
        self.node.start()
        jwts = [self.mint(serviceaccount=f"sa-{i}") for i in range(8)]
        is_over = threading.Event()
        failures = []

        def ask(jwt):
            while not is_over.is_set():
                try:
                    with Client(str(self.node.socket), timeout=20, jwt=jwt) as client:
                        for _ in range(20):
                            client.get("pulumi")
                except (OSError, ServerError) as error:
                    failures.append(str(error))

        threads = [threading.Thread(target=ask, args=(jwt,)) for jwt in jwts]
        for thread in threads:
            thread.start()
        for i in range(scale(20, 300)):
            self.node.service(f"service-{i % 3}", audience=f"urn:{i}")
            self.node.issuer("eks", algorithms="RS256 ES256" if i % 2 else "RS256")
            self.reload(self.DONE)
        is_over.set()
        for thread in threads:
            thread.join()
        self.assertEqual([error for error in failures if "ISSUER_UNAVAILABLE" not in error], [])

    def test_the_service_manager_is_notified(self):
        path = os.path.join(tempfile.mkdtemp(dir=self.root), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(10)
            with unittest.mock.patch.dict(os.environ, NOTIFY_SOCKET=path):
                self.node.start(wait=False)
            received = ""
            while "READY=1" not in received:
                received += notify.recv(4096).decode() + "\n"
            self.node.process.send_signal(signal.SIGHUP)
            received = notify.recv(4096).decode()
            self.assertIn("RELOADING=1\nMONOTONIC_USEC=", received)
            while "READY=1" not in received:
                received += notify.recv(4096).decode() + "\n"


class Socket(NodeCase):
    """The socket's file is removed while the daemon runs, by a cleaner of temporary files say."""

    AGAIN = "was removed; listening again"

    def assert_served_again(self, n=1):
        wait_for(lambda: self.node.log().count(self.AGAIN) == n, what=self.AGAIN)
        self.assert_served(self.mint())

    def test_a_directory_that_is_removed_is_made_again(self):
        self.node.start()
        with Client(str(self.node.socket), timeout=20, jwt=self.mint()) as client:
            client.get("pulumi")
            shutil.rmtree(self.node.socket.parent)
            self.assert_served_again()
            client.get("pulumi")  # a connection from before
        self.node.socket.unlink()
        self.assert_served_again(2)

    @unittest.skipIf(os.getuid(), "only root sees the descriptors of the daemon")
    def test_the_old_socket_is_closed(self):
        self.node.start()
        self.assert_served(self.mint())
        descriptors = self.node.open_descriptors()
        self.node.socket.unlink()
        self.assert_served_again()
        self.assertEqual(self.node.open_descriptors(), descriptors)

    def test_the_daemon_tries_until_it_can_listen_again(self):
        self.node.socket = self.node.directory / "run/podlogin/podlogin.sock"
        self.node.socket.parent.mkdir(parents=True)
        self.node.configure()
        self.node.start()
        shutil.rmtree(self.node.socket.parent.parent)
        wait_for(lambda: "cannot listen at" in self.node.log(), what="the error")
        time.sleep(1.5)  # one more try
        self.assertEqual(self.node.log().count("cannot listen at"), 1)
        self.node.socket.parent.mkdir(parents=True)
        self.assert_served_again()

    def test_the_socket_of_another_daemon_is_left_alone(self):
        self.node.start()
        self.node.socket.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.node.socket))
            other.listen()
            wait_for(lambda: "another daemon has taken over" in self.node.log(), what="the line")
            self.assertEqual(self.node.stop(), 0)
            self.assertTrue(self.node.socket.exists())


class Signals(NodeCase):
    def test_a_signal_to_the_whole_group_stops_the_daemon_quietly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.node.start()
            self.assert_served(self.mint())
            exchanger = self.node.exchanger_pid()
            self.node.process.send_signal(signal.SIGSTOP)  # so that the exchanger is first
            os.kill(exchanger, number)
            time.sleep(0.3)
            self.node.process.send_signal(number)
            self.node.process.send_signal(signal.SIGCONT)
            self.assertEqual(self.node.process.wait(20), 0)
            self.node.process = None
            self.assertNotIn("restarting it", self.node.log())
            with self.assertRaises(ProcessLookupError):
                os.kill(exchanger, 0)

    def test_a_key_file_that_is_a_pipe_blocks_nothing(self):
        pipe = self.node.directory / "keys.json"
        os.mkfifo(pipe)
        self.node.issuer("eks", extra=f"KeysFile={pipe}")
        self.node.start(wait=False)
        self.assertEqual(self.node.process.wait(20), 78)
        self.node.process = None
        self.assertIn("cannot be read: not a regular file", self.node.log())

    def test_a_key_file_that_becomes_a_pipe_blocks_nothing(self):
        keys = self.node.directory / "keys.json"
        context = ssl.create_default_context(cafile=str(self.standin.ca))
        with urllib.request.urlopen(self.standin.issuer + "/keys", context=context) as answer:
            keys.write_bytes(answer.read())
        self.node.issuer("eks", extra=f"KeysFile={keys}")
        self.node.start()
        self.assert_served(self.mint())
        keys.unlink()
        os.mkfifo(keys)
        self.standin.rotate()
        self.assertNotEqual(self.get(self.mint(), "--timeout", "2s")[0], 0)
        self.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "keeping the current configuration" in self.node.log(), what="the error")
        self.assertEqual(self.node.stop(), 0)


if __name__ == "__main__":
    unittest.main()
