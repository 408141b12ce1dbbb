#!/usr/bin/env python3
"""The units, as they are installed, under systemd: run by `./dev e2e systemd` in a container that boots it.

All processes of podlogin are users that are not root, and PeerAttestation=enforce."""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

import pods
from node import ALLOW_CI, AUDIENCE, BUILD, ORGANIZATION, SERVICE, STANDIN, wait_for
from standin import Standin
from steady import RATE, Steady

SOURCE = pathlib.Path(os.environ["PODLOGIN_SOURCE"])
ETC = pathlib.Path("/etc/podlogin")
SOCKET = pathlib.Path("/run/podlogin/podlogin.sock")
UNITS = ("podlogind.socket", "podlogin-issuers.socket", "podlogin-upstreams.socket", "podlogin-programs.socket",
         "podlogind.service", "podlogin-issuers@.service", "podlogin-upstreams@.service", "podlogin-programs@.service",
         "podlogin-exporter.service")
# Provider=exec: who it is, what it may write, and something that stays unless it is killed
PROGRAM = """#!/bin/sh
cat > /dev/null
touch /var/cache/program/x /var/tmp/x /etc/x 2> /dev/null
if [ "$1" = stay ]; then
    setsid sh -c 'trap "" TERM; while :; do sleep 1; done' left-behind &
    sleep 60
fi
printf '{"access_token":"%s","expires_in":600}' "$(id -un)-$(ls /var/cache/program)"
"""
PROGRAM_SERVICE = """[Service]
Provider=exec
Issuer=eks
Audience={audience}

[Exec]
Command=/usr/local/libexec/test-program {argument}
ReadWritePaths=/var/cache/program /var/tmp

{rules}
"""


def run(*command, check=True):
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120)
    if check and result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.returncode}: {result.stdout}{result.stderr}\n{journal()}")
    return result.stdout


def systemctl(*arguments, check=True):
    return run("systemctl", *arguments, check=check)


def show(name, unit="podlogind.service"):
    return systemctl("show", "--value", "-p", name, unit).strip()


def journal(*arguments):
    return run("journalctl", "--no-pager", "-o", "short-monotonic", "-n", "60", *arguments, check=False)


def drop_in(unit, text):
    directory = pathlib.Path(f"/etc/systemd/system/{unit}.d")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "test.conf").write_text(text)
    systemctl("daemon-reload")


def install():
    """What a package does."""
    subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild"], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "PATH": f"/usr/bin:/bin:{os.environ['PATH']}"})
    run("systemd-sysusers", "podlogin.conf")
    run("systemd-tmpfiles", "--create", "podlogin.conf")
    # the container of the test may not raise limits
    for unit, size in (("podlogind.service", "8M"), ("podlogin-issuers@.service", "4M"),
                       ("podlogin-upstreams@.service", "4M"), ("podlogin-programs@.service", "4M")):
        drop_in(unit, f"[Service]\nLimitMEMLOCK={size}\n")


class Units(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install()
        cls.root = tempfile.mkdtemp(prefix="podlogin-test-")
        cls.standin = Standin(STANDIN, cls.root)
        for name in ("podlogind.conf", "issuers.d/eks.conf", "services.d/pulumi.conf"):
            (ETC / name).parent.mkdir(exist_ok=True)
        shutil.copy(cls.standin.ca, ETC / "ca.pem")
        (ETC / "ca.pem").chmod(0o644)
        cls.configure()
        (ETC / "issuers.d/eks.conf").write_text(f"[Issuer]\nURL={cls.standin.issuer}\nCAFile={ETC}/ca.pem\n")
        (ETC / "services.d/pulumi.conf").write_text(SERVICE.format(
            issuer="eks", audience=AUDIENCE, share="serviceaccount", ca=ETC / "ca.pem", api_url=cls.standin.upstream,
            organization=ORGANIZATION, provider="", rules=ALLOW_CI))
        cls.pod = pods.Pod(pods.systemd_path)
        cls.token_file = pathlib.Path(cls.root) / "token"
        cls.token_file.write_text(cls.mint())

    @classmethod
    def tearDownClass(cls):
        cls.pod.remove()
        cls.standin.stop()

    @classmethod
    def configure(cls, extra="", daemon=""):
        (ETC / "podlogind.conf").write_text(
            f"[Daemon]\nPeerAttestation=enforce\n{daemon}[Limits]\nConnectionsPerPod=0\nRequestsPerPod=0\n"
            f"SignatureChecksPerPod=0\nMissesPerPod=0\n{extra}")

    @classmethod
    def mint(cls, **order):
        order.setdefault("serviceaccount", "pulumi-runner")
        return cls.standin.mint(namespace="ci", audience=[AUDIENCE], pod="job-1", pod_uid=cls.pod.uid, **order)

    def setUp(self):
        self.standin.reset_counts()
        systemctl("reset-failed", check=False)
        systemctl("start", "podlogind.socket")

    def tearDown(self):
        systemctl("stop", "podlogind.service", "podlogind.socket", "podlogin-issuers.socket",
                  "podlogin-upstreams.socket", "podlogin-programs.socket")
        shutil.rmtree("/var/lib/podlogin", ignore_errors=True)
        shutil.rmtree("/run/podlogind", ignore_errors=True)

    def token(self, jwt=None, enter=None, service="pulumi"):
        """`podlogin token --json` as a job of the pod: (exit code, answer or None, error)."""
        path = self.token_file
        if jwt:
            path = pathlib.Path(self.root) / "another"
            path.write_text(jwt)
        result = subprocess.run(["/usr/local/bin/podlogin", "token", service, "--json", "--timeout", "60s"], text=True,
                                env={"PODLOGIN_TOKEN_FILE": str(path)}, preexec_fn=enter or self.pod.enter,
                                capture_output=True, check=False, timeout=90, stdin=subprocess.DEVNULL)
        return result.returncode, json.loads(result.stdout) if result.returncode == 0 else None, result.stderr

    def assert_served(self, jwt=None):
        code, answer, error = self.token(jwt)
        self.assertEqual(code, 0, error + journal())
        return answer

    def processes(self):
        """{user: command line} of podlogin's processes."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                user = pwd.getpwuid(path.stat().st_uid).pw_name
            except OSError:
                continue
            if re.match(r"\S+/podlogin(d|-exchanger) ", command + " "):
                found.setdefault(user, []).append((int(path.name), command))
        return found

    def test_the_first_connection_starts_it_as_three_users_without_root(self):
        self.assertEqual(show("ActiveState"), "inactive")
        self.assertEqual(self.assert_served()["source"], "exchange")
        self.assertEqual(show("ActiveState"), "active")
        self.assertIn("Storing tokens in /var/lib/podlogin/cache.db", show("StatusText"))
        processes = self.processes()
        self.assertEqual({user: len(each) for user, each in processes.items()},
                         {"podlogind": 1, "podlogin-issuers": 1, "podlogin-upstreams": 1}, processes)
        for (pid, _), in processes.values():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            for name, value in (("CapEff", "0" * 16), ("CapBnd", "0" * 16), ("NoNewPrivs", "1"), ("Seccomp", "2")):
                self.assertIn(f"{name}:\t{value}\n", status)
            self.assertGreaterEqual(int(re.search(r"^Seccomp_filters:\t(\d+)$", status, re.MULTILINE)[1]), 2)
        for restriction in ("cannot restrict", "has no Landlock"):  # the unit lets them confine themselves as well
            self.assertNotIn(restriction, journal("-t", "podlogind", "-t", "podlogin-exchanger"))
        for path, user, mode in (("/run/podlogin", "root", 0o755), (SOCKET, "root", 0o666),
                                 ("/run/podlogind", "podlogind", 0o710),
                                 ("/run/podlogind/admin.sock", "podlogind", 0o660), ("/var/lib/podlogin", "podlogind", 0o700),
                                 ("/run/podlogind/cache.key", "podlogind", 0o600),
                                 ("/run/podlogin-exchangers/upstreams.sock", "podlogind", 0o600)):
            st = os.stat(path)
            self.assertEqual((pwd.getpwuid(st.st_uid).pw_name, st.st_mode & 0o7777), (user, mode), path)

    def test_a_process_that_is_not_of_the_pod_is_refused(self):
        code, _, error = self.token(enter=lambda: None)
        self.assertEqual((code, "PEER_MISMATCH" in error), (77, True), error)

    def test_only_the_daemon_reaches_the_exchangers(self):
        self.assert_served()
        for user in ("podlogin-issuers", "podlogin-upstreams", "nobody"):
            result = subprocess.run(
                ["runuser", "-u", user, "--", "python3", "-c",
                 "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)"
                 ".connect('/run/podlogin-exchangers/issuers.sock')"], capture_output=True, text=True, check=False)
            self.assertIn("PermissionError", result.stderr)

    def test_an_exchanger_that_ends_is_started_again(self):
        self.assert_served()
        for user in ("podlogin-issuers", "podlogin-upstreams"):
            (pid, _), = self.processes()[user]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda user=user, pid=pid: [p for p, _ in self.processes().get(user, [])] not in ([], [pid]),
                     what="another exchanger")
            self.assertEqual(self.assert_served(self.mint(serviceaccount=f"after-{user}"))["source"], "exchange")

    def test_the_watchdog_ends_a_loop_that_hangs(self):
        drop_in("podlogind.service", "[Service]\nLimitMEMLOCK=8M\nWatchdogSec=1s\n")
        self.addCleanup(drop_in, "podlogind.service", "[Service]\nLimitMEMLOCK=8M\n")
        token = self.assert_served()
        time.sleep(3)  # it is fed
        self.assertEqual(show("NRestarts"), "0")
        os.kill(int(show("MainPID")), signal.SIGSTOP)
        wait_for(lambda: show("NRestarts") != "0", what="the restart")
        self.assertEqual(self.assert_served()["token"], token["token"])
        self.assertIn("Watchdog timeout", journal("-u", "podlogind"))

    def measure(self, what, restart, times=100):
        """Restarts the daemon under load. No login may fail; the longest wait is a figure."""
        token = self.assert_served()
        with Steady(self.pod, self.token_file) as steady:
            time.sleep(1)
            for _ in range(times):
                restart()
            time.sleep(1)
        figures = steady.figures
        print(f"{times} {what} under {RATE} logins/s: {figures['logins']} logins in {figures['seconds']} s, "
              f"{figures['failed']} failed, the longest took {figures['longest_ms']} ms")
        self.assertEqual(figures["failed"], 0, figures)
        self.assertGreater(figures["logins"], 0.9 * RATE * figures["seconds"])
        self.assertEqual(self.assert_served()["token"], token["token"])
        self.assertEqual(self.standin.counts()["exchanges"], 1)

    def test_restarts_fail_no_login(self):
        self.measure("restarts", lambda: systemctl("restart", "podlogind.service"))

    def test_kills_fail_no_login(self):
        def kill():
            pid = show("MainPID")
            os.kill(int(pid), signal.SIGKILL)
            wait_for(lambda: show("MainPID") not in ("0", pid) and show("ActiveState") == "active", what="the restart")
        self.measure("kills", kill)

    def test_a_reload_with_a_bad_file_changes_nothing(self):
        self.assert_served()
        pid = show("MainPID")
        self.configure("[Daemon]\n")
        self.addCleanup(self.configure)
        systemctl("reload", "podlogind.service", check=False)
        wait_for(lambda: "keeping the current configuration" in journal("-u", "podlogind"), what="the refusal")
        self.assertEqual(self.assert_served()["source"], "cache")
        self.assertEqual((show("MainPID"), show("ActiveState")), (pid, "active"))
        self.configure()
        systemctl("reload", "podlogind.service")
        wait_for(lambda: "configuration reloaded" in journal("-u", "podlogind"), what="the reload")

    def test_a_configuration_that_is_not_valid_is_not_tried_again(self):
        self.configure("[Daemon]\n")
        self.addCleanup(self.configure)
        systemctl("start", "podlogind.service", check=False)
        self.assertEqual(show("ExecMainStatus"), "78")
        time.sleep(1)
        self.assertEqual((show("ActiveState"), show("NRestarts")), ("failed", "0"))
        waiting = subprocess.Popen(
            ["/usr/local/bin/podlogin", "token", "--timeout", "60s"], preexec_fn=self.pod.enter,
            env={"PODLOGIN_TOKEN_FILE": str(self.token_file)}, stdout=subprocess.DEVNULL)
        time.sleep(10)
        self.assertIn(show("ActiveState"), ("failed", "activating"))
        self.assertEqual(show("ActiveState", "podlogind.socket"), "active")
        self.configure()
        self.assertEqual(waiting.wait(60), 0, journal())

    def test_the_journal_has_fields_and_priorities(self):
        self.assert_served()
        run("journalctl", "--sync")
        fields = json.loads(run("journalctl", "-o", "json", "PODLOGIN_RESULT=OK", "-n", "1"))
        self.assertEqual(fields["PODLOGIN_SERVICE"], "pulumi")
        self.assertEqual(fields["PODLOGIN_SERVICEACCOUNT"], "pulumi-runner")
        self.assertEqual(fields["PODLOGIN_PEER_POD_UID"], self.pod.uid)
        self.assertEqual((fields["PRIORITY"], fields["_SYSTEMD_UNIT"]), ("6", "podlogind.service"))
        lines = run("journalctl", "-o", "json", "-u", "podlogind", "-p", "notice", "--grep", "serving at")
        self.assertTrue(lines)
        self.assertEqual(json.loads(lines.splitlines()[-1])["PRIORITY"], "5")

    def test_the_key_of_a_credential(self):
        key = pathlib.Path("/etc/credstore/podlogin.cache-key")
        key.parent.mkdir(mode=0o700, exist_ok=True)
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        self.addCleanup(key.unlink)
        (ETC / "podlogind.conf").write_text("[Daemon]\nCacheKey=credential:podlogin.cache-key\n")
        self.addCleanup(self.configure)
        token = self.assert_served()
        systemctl("restart", "podlogind.service")
        self.assertEqual(self.assert_served()["token"], token["token"])
        self.assertFalse(os.path.exists("/run/podlogind/cache.key"))

    def test_the_administrator_and_the_exporter(self):
        self.configure(daemon="MetricsListen=127.0.0.1:9464\n")
        self.addCleanup(self.configure)
        self.assert_served()
        self.assertIn("podlogind 0.1.0", run("/usr/local/sbin/podloginctl", "status"))
        systemctl("start", "podlogin-exporter.service")
        self.addCleanup(systemctl, "stop", "podlogin-exporter.service")
        with urllib.request.urlopen("http://127.0.0.1:9464/readyz") as answer:
            self.assertEqual(answer.read(), b"ready\n")
        with urllib.request.urlopen("http://127.0.0.1:9464/metrics") as answer:
            self.assertIn(b"podlogin_cache_entries 1\n", answer.read())
        purge = ["/usr/local/sbin/podloginctl", "cache", "purge", "--all"]
        # the exporter's user may look only, and others may not connect
        for user, sentence in (("podlogin-exporter", "only root may do this"), ("nobody", "only root may use it")):
            result = subprocess.run(["runuser", "-u", user, "--", *purge], capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, sentence in result.stderr), (77, True), result.stderr)
        result = subprocess.run(["runuser", "-u", "podlogin-exporter", "--", "cat", "/run/podlogind/cache.key"],
                                capture_output=True, text=True, check=False)
        self.assertIn("Permission denied", result.stderr)
        self.assertEqual(run(*purge), "1 tokens purged\n")
        run("/usr/local/sbin/podloginctl", "reload")

    def install_recipe(self):
        """The units of docs/recipes/systemd-service, with another user, and with programs that are here."""
        programs = {"pulumi": 'echo "$*" >/tmp/pulumi.out; cat "$PULUMI_CREDENTIALS_PATH/credentials.json" >>/tmp/pulumi.out',
                    "watch-stacks": "pulumi stack ls && exec sleep 1000"}
        for name, script in programs.items():
            path = pathlib.Path("/usr/local/bin", name)
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            self.addCleanup(path.unlink)
        names = []
        for path in sorted((SOURCE / "docs/recipes/systemd-service").glob("*.service")):
            unit = pathlib.Path("/etc/systemd/system", path.name)
            unit.write_text(path.read_text().replace("User=deploy", "User=nobody").replace("/usr/bin/", "/usr/local/bin/"))
            self.addCleanup(unit.unlink)
            names.append(path.name)
        token = pathlib.Path("/run/identity/token")
        for directory in (token.parent, pathlib.Path("/srv/stack")):
            directory.mkdir(parents=True, exist_ok=True)
        token.write_text(self.mint())
        shutil.chown(token, "nobody")
        systemctl("daemon-reload")
        return names

    def test_the_recipe_of_services(self):
        (ETC / "podlogind.conf").write_text("[Daemon]\nPeerAttestation=off\n")  # services are in no pod
        self.addCleanup(self.configure)
        self.addCleanup(systemctl, "daemon-reload")
        credentials, up, watch = self.install_recipe()
        self.addCleanup(systemctl, "stop", credentials)
        out = pathlib.Path("/tmp/pulumi.out")
        systemctl("start", watch)
        self.assertEqual([show("ActiveState", unit) for unit in (credentials, watch)], ["active", "active"], journal())
        self.assertEqual(show("StatusText", credentials), "The token is fresh")
        wait_for(lambda: out.exists() and "accessTokens" in out.read_text(), what="the watcher")
        self.assertTrue(out.read_text().startswith("stack ls\n"))
        out.unlink()
        systemctl("start", up)
        self.assertTrue(out.read_text().startswith("up --yes\n"), out.read_text())
        token = re.search(r'"accessToken":\s*"(.*?)"', out.read_text())[1]
        self.assertTrue(self.standin.issued(token)["valid"])
        systemctl("stop", credentials)
        self.assertEqual([show("ActiveState", unit) for unit in (credentials, watch)], ["inactive", "inactive"])
        self.assertEqual(show("ExecMainStatus", credentials), "0")
        self.assertEqual(self.standin.counts()["exchanges"], 1)

    def doctor(self):
        """The exit code of `podloginctl doctor`, run by root, and its lines by their checks."""
        result = subprocess.run(["/usr/local/sbin/podloginctl", "doctor", "--json"], capture_output=True, text=True,
                                check=False, timeout=120)
        lines = json.loads(result.stdout)["checks"]
        return result.returncode, {line["check"]: (line["result"], line["detail"]) for line in lines}

    def test_the_doctor_finds_what_a_unit_takes_away(self):
        systemctl("start", "podlogind.socket", "podlogin-issuers.socket", "podlogin-upstreams.socket")
        code, checks = self.doctor()  # the daemon has not run yet
        self.assertEqual((code, checks["daemon"][0]), (0, "warning"), checks)
        self.assert_served()
        code, checks = self.doctor()
        self.assertEqual(code, 0, checks)
        for check in ("configuration", "state", "key", "unit", "daemon", "exchangers", "issuer eks", "upstream pulumi"):
            self.assertEqual(checks[check][0], "ok", checks)
        # it sees what the daemon's user sees, and asks the exchangers of the units
        (ETC / "ca.pem").chmod(0o600)
        self.addCleanup((ETC / "ca.pem").chmod, 0o644)
        code, checks = self.doctor()
        self.assertEqual((code, checks["upstream pulumi"][0]), (78, "failed"), checks)
        (ETC / "ca.pem").chmod(0o644)
        limits = pathlib.Path("/etc/systemd/system/podlogind.service.d/test.conf").read_text()
        self.addCleanup(drop_in, "podlogind.service", limits)
        for setting, result in (("RuntimeDirectoryPreserve=no", "warning"), ("PrivateUsers=yes", "failed"),
                                ("ProtectProc=invisible", "failed")):
            drop_in("podlogind.service", f"{limits}{setting}\n")
            checks = self.doctor()[1]
            self.assertEqual(checks["unit"][0], result, checks)
            self.assertIn(setting, checks["unit"][1])

    def add_program(self, argument=""):
        program = pathlib.Path("/usr/local/libexec/test-program")
        program.write_text(PROGRAM)
        program.chmod(0o755)
        service = ETC / "services.d/program.conf"
        service.write_text(PROGRAM_SERVICE.format(audience=AUDIENCE, argument=argument, rules=ALLOW_CI))
        self.addCleanup(service.unlink)
        limits = pathlib.Path("/etc/systemd/system/podlogin-programs@.service.d/test.conf").read_text()
        self.addCleanup(drop_in, "podlogin-programs@.service", limits)
        drop_in("podlogin-programs@.service", f"{limits}CacheDirectory=program\n")

    def test_a_program_runs_as_a_user_of_its_own(self):
        """It writes where the service and the unit allow it."""
        self.assert_served()
        self.assertNotIn("podlogin-programs", self.processes())
        self.add_program()
        systemctl("reload", "podlogind.service")
        code, answer, error = self.token(service="program")
        self.assertEqual((code, answer and answer["token"]), (0, "podlogin-programs-x"), error + journal())
        self.assertEqual(len(self.processes()["podlogin-programs"]), 1)
        self.assertTrue(pathlib.Path("/var/cache/program/x").exists())
        self.assertFalse(pathlib.Path("/etc/x").exists() or pathlib.Path("/var/tmp/x").exists())  # PrivateTmp=

    def test_what_a_program_started_ends_with_the_unit(self):
        """Also if the exchanger and the supervisor are killed at once, so that none of them can end it."""
        def left():
            return run("pgrep", "-f", "left-behind", check=False).split()
        self.add_program("stay")
        client = subprocess.Popen(["/usr/local/bin/podlogin", "token", "program", "--timeout", "60s"],
                                  env={"PODLOGIN_TOKEN_FILE": str(self.token_file)}, preexec_fn=self.pod.enter,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        wait_for(left, what="the program")
        before = set(left())
        for pid, _ in self.processes()["podlogin-programs"]:
            os.kill(pid, signal.SIGSTOP)
        for pid, _ in self.processes()["podlogin-programs"]:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not before & set(left()), what="the end of what was left behind")
        systemctl("stop", "podlogind.service")
        wait_for(lambda: not left(), what="the end of all")

    def test_what_systemd_thinks_of_the_units(self):
        directory = "/usr/local/lib/systemd/system"
        self.assertEqual(run("systemd-analyze", "verify", "--man=no", *(f"{directory}/{name}" for name in UNITS)), "")
        for name, most in (("podlogind.service", 0.8), ("podlogin-issuers@.service", 1.4),
                           ("podlogin-upstreams@.service", 1.4), ("podlogin-programs@.service", 1.4),
                           ("podlogin-exporter.service", 1.4)):
            text = run("systemd-analyze", "security", "--offline=yes", f"{directory}/{name}", check=False)
            exposure = float(re.search(r"Overall exposure level for .*: ([\d.]+)", text).group(1))
            print(f"{name}: exposure {exposure}")
            self.assertLessEqual(exposure, most)


if __name__ == "__main__":
    unittest.main(verbosity=2)
