#!/usr/bin/env python3
"""The Debian packages, from installation to purge: run by `./dev e2e packages` in a container that boots systemd from a
minimal root file system, in which /packages has the packages, and /packages/upgrade the same with a higher version.

The stand-in and the load are programs of the build; the libraries that they need come with the packages. The class
Installed is the packages' own test (debian/tests), of packages that are already installed."""
import json
import os
import pathlib
import pwd
import shutil
import stat
import subprocess
import tempfile
import unittest

import pods
from node import ALLOW_CI, AUDIENCE, ORGANIZATION, SERVICE, STANDIN, wait_for
from standin import Standin
from steady import RATE, Steady

PACKAGES = ("podlogind", "podlogin", "libpam-podlogin", "libpodlogin1", "libpodlogin-dev")
USERS = ("podlogind", "podlogin-issuers", "podlogin-upstreams", "podlogin-programs", "podlogin-exporter")
ETC = pathlib.Path("/etc/podlogin")

# What changes when any package is installed and purged: the records of dpkg and apt, the loader's cache, and what this
# test prints. And the files with the users, which stay.
RECORDS = ("/out.log", "/var/lib/dpkg/", "/var/lib/apt/", "/var/log/", "/var/cache/apt/",
           "/var/cache/ldconfig/", "/etc/ld.so.cache")
USER_FILES = {f"/etc/{name}{end}" for name in ("passwd", "shadow", "group", "gshadow") for end in ("", "-")}


def run(*command, check=True, timeout_s=300):
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                            timeout=timeout_s, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if check and result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.returncode}: {result.stdout}{result.stderr}\n"
                           + run("journalctl", "--no-pager", "-n", "60", check=False))
    return result.stdout + result.stderr


def install(directory="/packages"):
    """Returns what apt says."""
    return run("apt-get", "install", "-y", *(f"{directory}/{name}.deb" for name in PACKAGES))


def show(name, unit="podlogind.service"):
    return run("systemctl", "show", "--value", "-p", name, unit).strip()


def version(package):
    return run("dpkg-query", "-W", "-f", "${Version}", package)


def files():
    """{path: what it is} of the root file system: without mounts, and without the time of directories."""
    found = {}
    device = os.stat("/").st_dev
    for top, directories, names in os.walk("/"):
        directories[:] = [name for name in directories if os.lstat(os.path.join(top, name)).st_dev == device]
        for name in [*directories, *names]:
            path = os.path.join(top, name)
            st = os.lstat(path)
            kind = (st.st_mode, st.st_uid, st.st_gid)
            if stat.S_ISREG(st.st_mode):
                kind += (st.st_size, st.st_mtime_ns)
            elif stat.S_ISLNK(st.st_mode):
                kind += (os.readlink(path),)
            found[path] = kind
    return found


def records_of_users():
    return {name: pathlib.Path(name).read_text().splitlines() for name in ("/etc/passwd", "/etc/group")}

# Opens a session of the service podlogin-test, as a program of PAM does, and prints what it has.
PAM_SESSION = """
import ctypes
pam, handle = ctypes.CDLL("libpam.so.0"), ctypes.c_void_p()
pam.pam_getenv.restype = ctypes.c_char_p
conversation = (ctypes.c_void_p * 2)()
codes = [pam.pam_start(b"podlogin-test", b"root", conversation, ctypes.byref(handle)), pam.pam_open_session(handle, 0)]
print(pam.pam_getenv(handle, b"PULUMI_ACCESS_TOKEN").decode())
codes += [pam.pam_close_session(handle, 0), pam.pam_end(handle, 0)]
print(codes)
"""


class Case(unittest.TestCase):
    def configure(self):
        """Writes the configuration for a new stand-in, and makes a pod with a token."""
        # the container of the test may not raise limits
        for unit, size in (("podlogind", "8M"), ("podlogin-issuers@", "4M"), ("podlogin-upstreams@", "4M")):
            directory = pathlib.Path(f"/run/systemd/system/{unit}.service.d")
            directory.mkdir(parents=True)
            self.addCleanup(shutil.rmtree, directory)
            (directory / "test.conf").write_text(f"[Service]\nLimitMEMLOCK={size}\n")
        run("systemctl", "daemon-reload")
        scratch = tempfile.mkdtemp(prefix="podlogin-test-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, scratch)
        self.standin = Standin(STANDIN, scratch)
        self.addCleanup(self.standin.stop)
        self.pod = pods.Pod(pods.systemd_path)
        self.addCleanup(self.pod.remove)
        self.token_file = pathlib.Path(scratch, "token")
        self.token_file.write_text(self.standin.mint(
            namespace="ci", serviceaccount="pulumi-runner", audience=[AUDIENCE], pod="job-1", pod_uid=self.pod.uid))
        shutil.copy(self.standin.ca, ETC / "ca.pem")
        (ETC / "ca.pem").chmod(0o644)
        (ETC / "issuers.d/eks.conf").write_text(f"[Issuer]\nURL={self.standin.issuer}\nCAFile={ETC}/ca.pem\n")
        (ETC / "services.d/pulumi.conf").write_text(SERVICE.format(
            issuer="eks", audience=AUDIENCE, share="serviceaccount", ca=ETC / "ca.pem", api_url=self.standin.upstream,
            organization=ORGANIZATION, provider="", rules=ALLOW_CI))
        (ETC / "podlogind.conf").write_text(
            "[Daemon]\nPeerAttestation=enforce\nMetricsListen=127.0.0.1:9464\n[Limits]\nConnectionsPerPod=0\n"
            "RequestsPerPod=0\nSignatureChecksPerPod=0\nMissesPerPod=0\n")
        pathlib.Path("/etc/default/podlogin").write_text("no_proxy=localhost\n")

    def login(self):
        """The answer of `podlogin token --json` for a job of the pod."""
        result = subprocess.run(["podlogin", "token", "--json", "--timeout", "60s"], capture_output=True, text=True,
                                check=False, env={**os.environ, "PODLOGIN_TOKEN_FILE": str(self.token_file)},
                                preexec_fn=self.pod.enter, timeout=90, stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, 0, result.stderr + run("journalctl", "--no-pager", "-n", "60"))
        return json.loads(result.stdout)


class Installed(Case):
    def test_a_pod_logs_in(self):
        self.configure()
        run("systemctl", "start", "podlogind.service")
        self.assertEqual([self.login()["source"] for _ in range(2)], ["exchange", "cache"])
        status = run("podloginctl", "status")
        self.assertIn(f"podlogind {version('podlogind')}", status)
        self.assertIn("pulumi", status)


class Packages(Case):
    maxDiff = None

    def setUp(self):
        self.before, self.users_before = files(), records_of_users()
        self.installation = install()
        self.addCleanup(self.purge)

    def purge(self):
        """Purges the packages; nothing of them is left but their users."""
        run("apt-get", "purge", "-y", "--auto-remove", *PACKAGES)
        self.wait_for_the_end()
        after = files()
        changed = {path for path in {*self.before, *after} if self.before.get(path) != after.get(path)}
        left = {path for path in changed if not path.startswith(RECORDS)}
        self.assertLessEqual(left, USER_FILES)
        for name, lines in records_of_users().items():
            added = [line.split(":")[0] for line in lines if line not in self.users_before[name]]
            self.assertLessEqual(set(added), set(USERS), name)
        self.assertEqual([*pathlib.Path("/run").rglob("*podlogin*")], [])
        self.assertEqual(run("systemctl", "list-units", "--all", "--plain", "--no-legend", "podlogin*"), "")

    def wait_for_the_end(self):
        """An exchanger ends by itself, after its connection."""
        wait_for(lambda: run("systemctl", "list-units", "--plain", "--no-legend", "podlogin*") == "",
                 what="the end of the units")
        self.assertEqual(self.processes(), [])

    def processes(self):
        numbers = {pwd.getpwnam(name).pw_uid for name in USERS}
        return [path for path in pathlib.Path("/proc").glob("[0-9]*") if path.stat().st_uid in numbers]

    def test_nothing_runs_or_fails_before_it_is_configured(self):
        self.assertNotIn("fail", self.installation.lower())
        run("systemctl", "start", "podlogind.service")  # as a boot does
        for unit, enabled in (("podlogind.service", "enabled"), ("podlogind.socket", "enabled"),
                              ("podlogin-exporter.service", "disabled"), ("podlogin-issuers.socket", "static")):
            self.assertEqual((show("ActiveState", unit), show("Result", unit), show("UnitFileState", unit)),
                             ("active" if unit == "podlogin-issuers.socket" else "inactive", "success", enabled), unit)
        self.assertEqual((show("ConditionResult"), show("NRestarts")), ("no", "0"))
        self.assertEqual(run("systemctl", "list-units", "--failed", "--plain", "--no-legend"), "")
        self.assertEqual(self.processes(), [])
        self.assertEqual([os.stat(ETC / name).st_mode for name in ("", "issuers.d", "services.d")], [0o40755] * 3)

    def test_a_session_of_pam_has_the_token(self):
        """The line names no directory, so libpam looks for the module where it looks for all."""
        self.configure()
        run("systemctl", "start", "podlogind.service")
        stack = pathlib.Path("/etc/pam.d/podlogin-test")
        stack.write_text(f"session required pam_podlogin.so service=pulumi token_file={self.token_file}\n")
        self.addCleanup(stack.unlink)
        result = subprocess.run(["python3", "-c", PAM_SESSION], capture_output=True, text=True, check=False,
                                preexec_fn=self.pod.enter, timeout=90, stdin=subprocess.DEVNULL)
        self.assertEqual(result.stdout.splitlines(), [self.login()["token"], "[0, 0, 0, 0]"],
                         result.stderr + run("journalctl", "--no-pager", "-n", "60"))

    def test_an_upgrade_fails_no_login(self):
        self.configure()
        run("systemctl", "start", "podlogind.service")
        run("systemctl", "enable", "--now", "podlogin-exporter.service")
        token = self.login()
        units = ("podlogind.service", "podlogin-exporter.service", "podlogind.socket", "podlogin-issuers.socket")
        before = {unit: (show("InvocationID", unit), show("MainPID", unit)) for unit in units}
        with Steady(self.pod, self.token_file) as steady:
            install("/packages/upgrade")
        print(f"an upgrade under {RATE} logins/s: {steady.figures['logins']} logins in {steady.figures['seconds']} s, "
              f"{steady.figures['failed']} failed, the longest took {steady.figures['longest_ms']} ms")
        self.assertEqual(steady.figures["failed"], 0, steady.figures)
        self.assertEqual({version(name).partition("+")[2] for name in PACKAGES}, {"upgrade"})
        for unit in units:
            is_same = before[unit] == (show("InvocationID", unit), show("MainPID", unit))
            self.assertEqual((show("ActiveState", unit), is_same), ("active", unit.endswith(".socket")), unit)
        self.assertEqual(self.login(), {**token, "source": "cache"})
        self.assertEqual(self.standin.counts()["exchanges"], 1)

    def test_the_test_of_the_packages_themselves(self):
        run("debian/tests/login")

    def test_removed_packages_leave_configuration_and_cache(self):
        self.configure()
        run("systemctl", "start", "podlogind.service")
        token = self.login()
        run("apt-get", "remove", "-y", "podlogind")
        self.wait_for_the_end()
        self.assertFalse(os.path.exists("/run/podlogin/podlogin.sock"))
        install()
        self.assertEqual(self.login(), {**token, "source": "cache"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
