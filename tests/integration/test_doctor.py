"""podloginctl doctor: each usual mistake is made, found, and its remedy named; a healthy node has none."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

import pods
from bus import Bus
from exchangers import Exchangers
from node import BUILD, EXCHANGER, PODLOGINCTL, PODLOGIND, NodeCase, wait_for, without_noise
from preload import preloaded
from raw_server import RawServer, http

UNREACHABLE, REFUSED, CONFIG = 69, 77, 78
NOBODY = 65534
NODE = "NodeUID=6e0bd4a5-1111-4222-8333-944445555566"
NO_SUCH_SERVER = "https://localhost:1"  # nobody listens at this port


def needs_root(why):
    return unittest.skipUnless(os.geteuid() == 0, f"needs root, {why}")


class DoctorCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.configure("enforce", extra=NODE)

    def run_doctor(self, *arguments, before=(), **variables):
        """Runs it with the command @before."""
        run = subprocess.run(
            [*before, PODLOGINCTL, "doctor", "--config", self.node.etc, "--exchanger", EXCHANGER, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
            env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.node.directory}/no-bus", **variables})
        run.stderr = without_noise(run.stderr)
        return run

    def doctor(self, *arguments, **options):
        """Returns the exit code, and for each check its lines: result, detail, remedy."""
        run = self.run_doctor("--json", *arguments, **options)
        if "unshare: " in run.stderr:
            self.skipTest(run.stderr.strip())
        self.assertEqual(run.stderr, "")
        report = json.loads(run.stdout)
        self.assertEqual(run.returncode, report["exit_code"])
        checks = {}
        for line in report["checks"]:
            checks.setdefault(line["check"], []).append((line["result"], line["detail"], line["remedy"] or ""))
        failed = any(line["result"] == "failed" for line in report["checks"])
        self.assertEqual(run.returncode != 0, failed, checks)
        return run.returncode, checks

    def assert_found(self, check, result, what, remedy, *arguments, code=None, **options):
        """One line of the check has this result, these words in what was found, and these in the remedy."""
        got, checks = self.doctor(*arguments, **options)
        lines = [line for line in checks.get(check, []) if line[0] == result]
        self.assertTrue(any(what in found and remedy in todo for _, found, todo in lines), checks)
        if code is not None:
            self.assertEqual(got, code, checks)
        return checks

    def assert_no_failure(self, *arguments, **options):
        code, checks = self.doctor(*arguments, **options)
        self.assertEqual(code, 0, checks)
        return checks

    def serve(self, answer):
        server = RawServer(self.standin, answer)
        self.addCleanup(server.stop)
        return server

    def open_to_others(self):
        """Lets other users reach the node's files."""
        for directory in (self.root, self.node.directory):
            os.chmod(directory, 0o755)

    def wait_until_served(self):
        def waits():
            return json.loads(self.node.ctl("status", "--json").stdout)["waits_for"]
        wait_for(lambda: not waits(), what="the keys")


class Healthy(DoctorCase):
    def test_before_the_daemon_runs(self):
        checks = self.assert_no_failure()
        for check in ("configuration", "kernel", "processes", "socket", "state", "key", "issuer eks", "node",
                      "upstream pulumi", "clock"):
            self.assertEqual([line[0] for line in checks[check]], ["ok"], checks)
        self.assertEqual(self.exchanges(), 0)
        self.assertEqual(list(self.node.state.iterdir()), [])
        self.assertFalse(self.node.socket.parent.exists())

    def test_while_it_runs(self):
        self.node.start()
        self.wait_until_served()
        checks = self.assert_no_failure()
        for check in ("daemon", "limits", "exchangers"):
            self.assertEqual([line[0] for line in checks[check]], ["ok"], checks)

    def test_the_lines_for_people(self):
        run = self.run_doctor()
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"(?m)^ok +issuer eks +1 key$")
        self.assertRegex(run.stdout, r"(?m)^warning +daemon +it does not run.*; remedy: systemctl enable")
        self.assertRegex(run.stdout, r"\n\n\d+ ok, \d+ warnings, 0 failed, \d+ skipped\n$")

    def test_one_service_of_several(self):
        self.node.service("other", api_url=NO_SUCH_SERVER)
        self.assertEqual(self.doctor()[0], UNREACHABLE)
        self.assertNotIn("upstream other", self.assert_no_failure("--service", "pulumi"))
        self.assert_found("service", "failed", "no service none", "services.d", "--service", "none", code=CONFIG)

    def test_usage(self):
        for arguments in (["x"], ["--namespace", "../x"], ["--namespace", ""], ["--nonesuch"]):
            run = self.run_doctor(*arguments)
            self.assertEqual((run.returncode, run.stdout), (64, ""), arguments)
        self.assertEqual(self.run_doctor("--token-file", "/nonesuch").returncode, CONFIG)

    @unittest.skipIf(pods.unavailable(), f"{pods.unavailable()}, to make a pod")
    def test_processes_of_pods_are_seen(self):
        pod = pods.Pod()
        self.addCleanup(pod.remove)
        with subprocess.Popen(["sleep", "600"], preexec_fn=pod.enter) as process:
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.assert_found("pods", "ok", "processes of pods are visible", "")
            process.kill()


class Kernel(DoctorCase):
    def test_linux_before_6_5(self):
        self.assert_found("kernel", "warning", "SO_PEERPIDFD", "Linux 6.5", code=0,
                          **preloaded(PODLOGINCTL, BUILD / "tests/support/libold_kernel.so"))

    @needs_root("for a PID namespace")
    def test_a_pid_namespace_of_its_own(self):
        self.assert_found("processes", "failed", "its own PID namespace", "hostPID: true", code=CONFIG,
                          before=["unshare", "--pid", "--fork", "--mount-proc"])
        self.assert_found("processes", "failed", "/proc is not mounted, or is of another PID namespace",
                          "the node's /proc", code=CONFIG, before=["unshare", "--pid", "--fork"])

    @needs_root("for a PID namespace")
    def test_no_pod_is_visible(self):
        """Other tests may make pods on this machine, but not in this namespace."""
        self.node.configure("off", extra=NODE)
        self.assert_found("pods", "warning", "no process of a pod", "hostPID: true", code=0,
                          before=["unshare", "--pid", "--fork", "--mount-proc"])

    def test_a_user_namespace(self):
        self.assert_found("processes", "failed", "user namespace", "PrivateUsers=yes", code=CONFIG,
                          before=["unshare", "--user", "--map-root-user"])

    @needs_root("to mount /proc")
    def test_processes_are_hidden(self):
        self.open_to_others()
        checks = self.assert_found(
            "processes", "failed", "cannot read the cgroups", "hidepid=", "--user", "nobody",
            before=["unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=invisible proc /proc && exec "$@"', "sh"])
        self.assertEqual(checks["pods"][0][0], "warning")

    def test_without_attestation_a_warning_is_enough(self):
        for attestation in ("audit", "off"):
            self.node.configure(attestation, extra=NODE)
            self.assert_found("processes", "warning", f"PeerAttestation={attestation}", "enforce", code=0)
            self.assert_found("processes", "warning", "user namespace", "PrivateUsers=yes", code=0,
                              before=["unshare", "--user", "--map-root-user"])


class Files(DoctorCase):
    def test_a_configuration_that_is_not_valid(self):
        self.node.write("services.d/pulumi.conf", "[Service]\nProvide=pulumi\n")
        checks = self.assert_found("configuration", "failed", "services.d/pulumi.conf:2:", "podlogind.conf(5)", code=CONFIG)
        self.assertEqual(set(checks), {"configuration"})

    def test_a_directory_of_the_socket_that_others_can_write_to(self):
        self.node.socket.parent.mkdir()
        self.node.socket.parent.chmod(0o777)
        self.assert_found("configuration", "failed", "can be written by others (mode 0777); remove this with chmod go-w",
                          "", code=CONFIG)

    def test_the_socket_was_mounted_instead_of_its_directory(self):
        """Kubernetes makes a directory at the path of a hostPath volume that is not there."""
        self.node.socket.mkdir(parents=True)
        self.assert_found("socket", "failed", "it is a directory", "mount its directory", code=CONFIG)
        self.node.socket.rmdir()
        self.node.socket.write_text("")
        self.assert_found("socket", "failed", "it is not a socket", "mount its directory", code=CONFIG)

    @needs_root("to mount a file")
    def test_the_socket_itself_is_a_mount(self):
        self.node.start()
        self.assert_found("socket", "failed", "the socket itself is mounted", "mount its directory", code=CONFIG,
                          before=["unshare", "--mount", "sh", "-c",
                                  f'mount --bind {self.node.socket} {self.node.socket} && exec "$@"', "sh"])

    def test_a_state_directory_that_others_can_read(self):
        self.node.state.chmod(0o755)
        self.assert_found("state", "failed", "mode 0700", "StateDirectoryMode=0700", code=CONFIG)

    @unittest.skipIf(os.geteuid() == 0, "root can write to each directory")
    def test_a_state_directory_without_write_permission(self):
        self.node.state.chmod(0o500)
        self.assert_found("state", "failed", "Permission denied", "StateDirectory=", code=CONFIG)

    @needs_root("to become another user")
    def test_a_state_directory_of_another_user(self):
        self.open_to_others()
        self.assert_found("state", "failed", "Permission denied", "StateDirectory=", "--user", "nobody")
        os.chown(self.node.state, NOBODY, NOBODY)
        checks = self.doctor("--user", "nobody")[1]
        self.assertEqual(checks["state"][0][0], "ok", checks)
        self.assertEqual(checks["key"][0][0], "failed", checks)  # it belongs to root

    @needs_root("to mount a directory read-only")
    def test_a_state_directory_that_is_read_only(self):
        state = self.node.state
        self.assert_found("state", "failed", "Read-only file system", "not read-only", code=CONFIG,
                          before=["unshare", "--mount", "sh", "-c", f"mount --bind {state} {state} && "
                                  f'mount -o remount,bind,ro {state} && exec "$@"', "sh"])

    def test_a_state_directory_that_somebody_else_makes(self):
        self.node.state.rmdir()
        self.assert_found("state", "ok", "cache.db", "", code=0)  # the daemon can make it
        text = (self.node.etc / "podlogind.conf").read_text()
        self.node.write("podlogind.conf", text.replace(str(self.node.state), f"{self.node.directory}/none/state"))
        self.assert_found("state", "warning", "does not exist", "StateDirectory=", code=0)

    def test_a_key_beside_the_data(self):
        (self.node.directory / "key/cache.key").rename(self.node.state / "cache.key")
        text = (self.node.etc / "podlogind.conf").read_text()
        text = text.replace(f"{self.node.directory}/key/cache.key", f"{self.node.state}/cache.key")
        self.node.write("podlogind.conf", text)
        self.assert_found("key", "failed", "keep the key elsewhere", "CacheKey=", code=CONFIG)
        self.node.write("podlogind.conf", text.replace("NodeUID", "CacheKeyBesideCache=yes\nNodeUID"))
        self.assert_found("key", "warning", "a copy of that directory has both", "CacheKeyBesideCache=yes", code=0)

    def test_a_key_that_others_can_read(self):
        (self.node.directory / "key/cache.key").chmod(0o644)
        self.assert_found("key", "failed", "mode 0400 or 0600", "CacheKey=", code=CONFIG)

    def use_key(self, setting):
        self.node.write("podlogind.conf", (self.node.etc / "podlogind.conf").read_text().replace(
            f"CacheKey=file:{self.node.directory}/key/cache.key", f"CacheKey={setting}"))

    def test_a_key_that_only_the_service_sees(self):
        self.use_key("credential:podlogin")
        self.assert_found("key", "skipped", "credential:podlogin", "", code=0)

    @unittest.skipUnless(os.access("/dev/shm", os.W_OK), "needs a tmpfs at /dev/shm")
    def test_a_runtime_key_that_was_lost(self):
        runtime = pathlib.Path(tempfile.mkdtemp(prefix="podlogin-test-", dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, runtime)
        self.use_key("runtime")
        self.node.start(RUNTIME_DIRECTORY=str(runtime))
        self.node.stop()
        if "Birth: -" in subprocess.run(["stat", self.node.state / "cache.db"], capture_output=True, text=True,
                                        check=True).stdout:
            self.skipTest("needs a file system that stores when files are made")
        self.assert_found("key", "ok", "CacheKey=runtime", "", RUNTIME_DIRECTORY=str(runtime))
        later = time.time() + 60
        os.utime(runtime / "cache.key", (later, later))  # a key that a later start has made
        self.assert_found("key", "warning", "the key was lost", "RuntimeDirectoryPreserve=yes",
                          RUNTIME_DIRECTORY=str(runtime))

    def ask_unit(self, **properties):
        """What doctor finds if systemd says this of podlogind.service."""
        path = pathlib.Path(tempfile.mkdtemp(dir=self.root), "bus")
        bus = Bus(path, {"LoadState": "loaded", "RuntimeDirectoryPreserve": "yes", "ProtectProc": "default",
                         "PrivateUsers": False, **properties})
        self.addCleanup(bus.close)
        return {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}

    def test_the_unit_of_systemd(self):
        self.assert_found("unit", "skipped", "systemd cannot be asked", "", code=0)
        self.assert_found("unit", "skipped", "not-found", "", code=0, **self.ask_unit(LoadState="not-found"))
        self.assert_found("unit", "ok", "podlogind.service", "", code=0, **self.ask_unit())
        self.assert_found("unit", "failed", "PrivateUsers=yes", "remove it", code=CONFIG,
                          **self.ask_unit(PrivateUsers=True))
        self.assert_found("unit", "failed", "ProtectProc=invisible", "remove it", code=CONFIG,
                          **self.ask_unit(ProtectProc="invisible"))
        self.assert_found("unit", "ok", "", "", **self.ask_unit(RuntimeDirectoryPreserve="no"))  # the key is elsewhere
        self.use_key("runtime")
        self.assert_found("unit", "warning", "lost at each restart", "RuntimeDirectoryPreserve=yes",
                          **self.ask_unit(RuntimeDirectoryPreserve="no"))


class Running(DoctorCase):
    def test_a_daemon_that_was_killed(self):
        self.node.start()
        self.node.kill()
        self.assert_found("daemon", "failed", "admin.sock: ", "journalctl -u podlogind", code=UNREACHABLE)

    @needs_root("to become another user")
    def test_a_daemon_that_only_root_may_ask(self):
        self.node.start()
        self.open_to_others()
        program = shutil.copy(PODLOGINCTL, self.node.directory)
        run = subprocess.run([program, "doctor", "--config", self.node.etc, "--exchanger", "/nonesuch"],
                             capture_output=True, text=True, user=NOBODY, group=NOBODY, extra_groups=[], check=False)
        self.assertRegex(run.stdout, r"(?m)^skipped +daemon .*only root may use it; remedy: run podloginctl doctor as root")

    def test_exchangers_that_do_not_run(self):
        self.assert_found("exchangers", "failed", "/nonesuch", "install podlogin-exchanger", "--exchanger", "/nonesuch",
                          code=UNREACHABLE)
        exchangers = Exchangers(self.node.directory / "exchangers", EXCHANGER)
        self.addCleanup(exchangers.close)
        self.assert_found("exchangers", "failed", str(exchangers.directory), "socket units", "--exchanger-sockets",
                          exchangers.directory, code=UNREACHABLE)
        self.node.start(exchanger_sockets=exchangers.directory)
        checks = self.assert_found("exchangers", "failed", "the exchanger for issuers does not run", "socket unit")
        self.assertIn("the exchanger for upstreams does not run", str(checks["exchangers"]))

    def test_exchangers_of_the_service_manager(self):
        exchangers = Exchangers(self.node.directory / "exchangers", EXCHANGER)
        self.addCleanup(exchangers.close)
        for role in exchangers.processes:
            exchangers.listen(role)
        self.assert_no_failure("--exchanger-sockets", exchangers.directory)
        self.assertEqual({role: len(each) for role, each in exchangers.processes.items()},
                         {"issuers": 1, "upstreams": 1})

    def test_a_daemon_that_cannot_serve_yet(self):
        self.standin.fault_issuer(kind="status", status=503)
        self.start_with_clock()
        self.assert_found("daemon", "warning", "waits for the keys of issuer eks", "just started")
        self.clock.turn(20)
        self.assert_found("daemon", "failed", "waits for the keys of issuer eks", "its log", code=UNREACHABLE)

    def test_an_open_circuit_breaker(self):
        self.node.configure("off")
        self.standin.fault_upstream(kind="status", status=503)
        self.node.start()
        for i in range(4):
            self.get(self.mint(serviceaccount=f"account-{i}"), "--timeout", "5s")
        self.standin.fault_upstream(kind="hang")  # of the probes: it stays open
        self.assert_found("circuit breaker", "failed", self.standin.upstream, "https_proxy=")

    def started_with(self, *before):
        with open(self.node.log_path, "ab") as log:
            self.node.process = subprocess.Popen([*before, PODLOGIND, "--config", self.node.etc, "--exchanger", EXCHANGER],
                                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.node.wait_until_ready()

    def test_too_few_descriptors(self):
        self.started_with("prlimit", "--nofile=512")
        self.assert_found("limits", "warning", "512 open files", "LimitNOFILE=")

    def test_too_little_locked_memory(self):
        drop = ["setpriv", "--bounding-set", "-ipc_lock"] if os.geteuid() == 0 else []
        self.started_with("prlimit", "--memlock=65536", *drop)
        self.assert_found("limits", "warning", "64 KiB of locked memory", "LimitMEMLOCK=")


class Servers(DoctorCase):
    def test_an_issuer_that_shows_its_keys_to_authenticated_callers_only(self):
        for status in (401, 403):
            self.standin.fault_issuer(kind="status", status=status)
            checks = self.assert_found("issuer eks", "failed", f"HTTP {status} without a token", "KeysFile=", code=REFUSED)
            self.assertIn("APIServerTokenFile=", checks["issuer eks"][0][2])

    def test_an_issuer_that_cannot_be_reached(self):
        self.node.issuer("eks", url=NO_SUCH_SERVER)
        self.assert_found("issuer eks", "failed", "connect", "https_proxy=", code=UNREACHABLE)
        self.node.issuer("eks", url="https://issuer.invalid")
        self.assert_found("issuer eks", "failed", "resolve host", "/etc/resolv.conf", code=UNREACHABLE)

    def test_an_issuer_that_is_not_trusted(self):
        self.node.issuer("eks", extra="")
        self.assert_found("issuer eks", "failed", "certificate", "CAFile= of the issuer", code=REFUSED)

    def test_an_issuer_by_another_name(self):
        self.standin.discovery_document(json.dumps({"issuer": "https://other", "jwks_uri": "https://other/keys"}))
        self.assert_found("issuer eks", "failed", "names another issuer", "URL= of the issuer", code=UNREACHABLE)

    def test_a_key_set_without_a_usable_key(self):
        for text in ('{"keys":[]}', '{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"a"}]}', "[]"):
            self.standin.keys_document(text)
            self.assert_found("issuer eks", "failed", "the key set", "public keys", code=UNREACHABLE)

    def test_keys_that_cannot_be_used(self):
        self.mint()
        keys = json.loads(self.standin_keys())["keys"]
        self.standin.keys_document(json.dumps({"keys": [*keys, {"kty": "RSA", "kid": "small", "n": "AQ", "e": "AQAB"}]}))
        self.assert_found("issuer eks", "warning", "cannot be used", "none is needed", code=0)

    def standin_keys(self):
        return subprocess.run(["curl", "-sS", "--cacert", self.standin.ca, self.standin.issuer + "/keys"],
                              capture_output=True, check=True).stdout

    def test_an_upstream_that_cannot_be_reached(self):
        self.node.service("pulumi", api_url=NO_SUCH_SERVER)
        self.assert_found("upstream pulumi", "failed", "connect", "https_proxy=", code=UNREACHABLE)
        self.standin.fault_upstream(kind="status", status=502)
        self.node.service("pulumi")
        self.assert_found("upstream pulumi", "warning", "HTTP 502", "https_proxy=", code=0)

    def test_an_upstream_that_is_not_trusted(self):
        self.node.service("pulumi", api_url=self.standin.untrusted)
        self.assert_found("upstream pulumi", "failed", "certificate", "CAFile= of the service", code=REFUSED)

    def test_a_ca_file_without_a_certificate(self):
        ca = self.node.directory / "ca.pem"
        ca.write_text("x")
        self.node.service("pulumi", ca=ca)
        self.assert_found("upstream pulumi", "failed", "the CA file has no valid certificate", "", code=CONFIG)

    @needs_root("to become another user")
    def test_a_ca_file_that_the_daemon_cannot_read(self):
        self.open_to_others()
        ca = pathlib.Path(shutil.copy(self.standin.ca, self.node.directory / "ca.pem"))
        ca.chmod(0o600)
        self.node.service("pulumi", ca=ca)
        self.node.issuer("eks", extra=f"CAFile={ca}")
        as_nobody = ["--user", "nobody", "--exchanger", shutil.copy(EXCHANGER, self.node.directory)]
        checks = self.assert_found("upstream pulumi", "failed", "Permission denied", "mode 0644", *as_nobody, code=CONFIG)
        self.assertIn("mode 0644", checks["issuer eks"][0][2])
        ca.chmod(0o644)
        checks = self.doctor(*as_nobody)[1]
        self.assertEqual((checks["upstream pulumi"][0][0], checks["issuer eks"][0][0]), ("ok", "ok"), checks)

    def at_time(self, ahead_s):
        """An upstream whose clock is ahead."""
        def answer(_):
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + ahead_s))
            return http("{}", "404 Not Found", f"Date: {date}")
        self.node.service("pulumi", api_url=self.serve(answer).url)

    def test_a_wrong_clock(self):
        self.at_time(600)
        checks = self.assert_found("clock", "failed", " s slow", "NTP", code=CONFIG)
        self.assertRegex(checks["clock"][0][1], r"it is (59\d|60\d) s slow")
        self.at_time(-600)
        self.assert_found("clock", "failed", " s fast", "NTP", code=CONFIG)
        self.at_time(0)
        self.assert_found("clock", "ok", "", "", code=0)
        self.node.service("pulumi", api_url=self.serve(lambda _: http("{}", "404 Not Found")).url)
        self.assert_found("clock", "skipped", "does not tell the time", "", code=0)


class Tokens(DoctorCase):
    def judge(self, jwt, result, what, remedy, *arguments, code=None):
        checks = self.assert_found("token", result, what, remedy, "--token-file", self.node.jwt_file(jwt), *arguments,
                                   code=code)
        self.assertNotIn(jwt.split(".")[-1] if jwt.count(".") else "\0", str(checks))

    def test_a_token_of_a_pod(self):
        self.node.configure("enforce")
        self.judge(self.mint(), "ok", "service pulumi", "", code=0)
        self.judge(self.mint(audience=["other"]), "failed", "TOKEN_WRONG_AUDIENCE", "audience: of the projected volume",
                   code=REFUSED)
        self.judge(self.mint(lifetime=-5), "failed", "TOKEN_EXPIRED", "read the projected file each time")
        self.judge(self.mint(namespace="prod"), "failed", "POLICY_DENIED", "podloginctl explain")
        self.judge("x", "failed", "TOKEN_MALFORMED", "projected")
        self.node.service("second", audience="urn:pulumi:org:second", organization="second")
        self.judge(self.mint(audience=["urn:pulumi:org:second"]), "ok", "service second", "")
        self.judge(self.mint(audience=["urn:pulumi:org:second"]), "failed", "TOKEN_WRONG_AUDIENCE", "audience:",
                   "--service", "pulumi")

    def test_the_token_of_the_node(self):
        path = self.node.directory / "own-token"
        path.write_text(self.mint(node_uid="6e0bd4a5-7777-4222-8333-944445555566"))
        self.node.configure("enforce", extra=f"NodeTokenFile={path}")
        self.assert_found("node", "ok", "6e0bd4a5-7777-4222-8333-944445555566", "", code=0)
        path.write_text(self.mint(claims={"iss": "https://other"}))
        self.assert_found("node", "failed", str(path), "NodeUID=", code=CONFIG)
        path.write_text(self.mint(node=None))
        self.assert_found("node", "failed", "names no node", "NodeUID=", code=CONFIG)
        self.node.configure("enforce")
        self.assert_found("node", "warning", "other nodes", "NodeTokenFile=", code=0)


class ApiServer(DoctorCase):
    """An issuer with TokenReview, whose keys come from a file; the API server answers as a test wants."""

    def setUp(self):
        super().setUp()
        self.own = self.mint(namespace="podlogin", serviceaccount="podlogind", audience=["https://kubernetes.default.svc"])
        self.token_file = self.node.directory / "own-token"
        self.token_file.write_text(self.own)
        self.status, self.body = "200 OK", {}
        self.server = self.serve(self.answer)
        keys = self.node.directory / "keys.json"
        keys.write_bytes(subprocess.run(["curl", "-sS", "--cacert", self.standin.ca, self.standin.issuer + "/keys"],
                                        capture_output=True, check=True).stdout)
        self.node.issuer("eks", extra=f"KeysFile={keys}\nTokenReview=miss\nAPIServer={self.server.url}\n"
                         f"APIServerCAFile={self.standin.ca}\nAPIServerTokenFile={self.token_file}")

    def answer(self, request):
        if f"Authorization: Bearer {self.own}".encode() not in request.head.split(b"\r\n"):
            return http("{}", "403 Forbidden")
        return http("{}") if request.path == "/version" and self.status.startswith("403") else \
            http(json.dumps(self.body), self.status)

    def test_a_token_that_the_api_server_does_not_accept(self):
        self.assert_found("api server", "ok", self.server.url, "", code=0)
        self.status = "401 Unauthorized"
        checks = self.assert_found("api server", "failed", "HTTP 401", "without audience:", code=REFUSED)
        self.assertNotIn(self.own, str(checks))
        self.token_file.unlink()
        self.assert_found("api server", "failed", "cannot read APIServerTokenFile=", "mount", code=CONFIG)

    def test_an_api_server_that_is_another_server(self):
        self.status = "404 Not Found"
        self.assert_found("api server", "warning", "HTTP 404", "APIServer=", code=0)
        issuer = self.node.etc / "issuers.d/eks.conf"
        issuer.write_text(issuer.read_text().replace(self.server.url, NO_SUCH_SERVER))
        self.assert_found("api server", "failed", "connect", "APIServer=", code=UNREACHABLE)

    def test_a_namespace_that_refuses_volumes_of_the_node(self):
        for level in ("baseline", "restricted"):
            self.body = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}
            self.assert_found("namespace", "failed", f"level {level}", "enforce=privileged", "--namespace", "ci",
                              code=CONFIG)
        self.assertEqual(self.server.requests[-1].path, "/api/v1/namespaces/ci")
        for labels in ({}, {"pod-security.kubernetes.io/enforce": "privileged"}):
            self.body = {"metadata": {"labels": labels}}
            self.assert_found("namespace", "ok", "", "", "--namespace", "ci", code=0)
        self.status = "403 Forbidden"
        self.assert_found("namespace", "skipped", "cannot read namespace ci",
                          "kubectl get namespace ci --show-labels", "--namespace", "ci", code=0)


if __name__ == "__main__":
    unittest.main()
