"""What is installed, by all and by the client alone: programs, pages, and what the pages refer to."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from node import BUILD
from prefix import meson

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
SYSTEM_PAGES = {"curl.1", "wait.2", "gitcredentials.7", "git.1", "systemd.1", "fork.2", "dlopen.3", "signalfd.2", "eventfd.2", "sd_notify.3", "secure_getenv.3", "systemd.time.7",
                "sd_listen_fds.3", "sd_watchdog_enabled.3", "systemd.exec.5", "landlock.7",
                "seccomp.2", "pam.conf.5", "sshd.8"}
HELPERS = ("git-credential-podlogin", "docker-credential-podlogin")
CLIENT_PAGES = {"podlogin.1", "libpodlogin.3", *(f"{name}.1" for name in HELPERS)}
PAM_PAGES = {"pam_podlogin.8"} if (BUILD / "module/pam/pam_podlogin.so").exists() else set()
DAEMON_PAGES = {"podlogind.conf.5", "podlogin-exporter.8", "podlogin-untaint.8", "podloginctl.8", "podlogind.8"}
CLIENT = {
    "bin/podlogin", "include/podlogin.h", "include/podlogin-status.h", "lib/libpodlogin.a", "lib/libpodlogin.so",
    "lib/libpodlogin.so.1", "lib/pkgconfig/libpodlogin.pc",
    "share/doc/podlogin/protocol.md", "share/man/man1/podlogin.1", "share/man/man3/libpodlogin.3",
    "share/bash-completion/completions/podlogin", "share/zsh/site-functions/_podlogin",
    *(f"bin/{name}" for name in HELPERS), *(f"share/man/man1/{name}.1" for name in HELPERS),
    *(f"share/doc/podlogin/{path.relative_to(SOURCE / 'docs')}"
      for path in (SOURCE / "docs/examples").rglob("*.*") if path.is_file() and path.suffix != ".pyc")}
DAEMON = {
    "sbin/podlogind", "sbin/podloginctl", "sbin/podlogin-exporter", "sbin/podlogin-untaint", "lib/systemd/system/podlogin-exporter.service", "libexec/podlogin-exchanger", "share/doc/podlogin/operations.md",
    *(f"share/doc/podlogin/{path.relative_to(SOURCE / 'docs')}" for path in (SOURCE / "docs/recipes").rglob("*.*")),
    "share/doc/podlogin/alerts.yaml", "share/doc/podlogin/dashboard.json", "share/doc/podlogin/observability.md",
    "lib/systemd/system/podlogind.service", "lib/systemd/system/podlogind.socket",
    "lib/systemd/system/podlogin-issuers.socket", "lib/systemd/system/podlogin-issuers@.service",
    "lib/systemd/system/podlogin-upstreams.socket", "lib/systemd/system/podlogin-upstreams@.service",
    "lib/systemd/system/podlogin-programs.socket", "lib/systemd/system/podlogin-programs@.service",
    "lib/sysusers.d/podlogin.conf", "lib/tmpfiles.d/podlogin.conf", "share/doc/podlogin/errors.md",
    "share/bash-completion/completions/podloginctl", "share/zsh/site-functions/_podloginctl"}


def functions():
    header = re.sub(r"/\*.*?\*/", "", (SOURCE / "module/library/podlogin.h").read_text(), flags=re.S)
    return set(re.findall(r"\b(podlogin_\w+)\(", header))


class InstallCase(unittest.TestCase):
    def install(self, build):
        """Returns the directory in which everything is; its files are in self.files."""
        scratch = tempfile.TemporaryDirectory(prefix="podlogin-test-")
        self.addCleanup(scratch.cleanup)
        meson("install", "-C", str(build), "--no-rebuild", "--destdir", scratch.name)
        self.scratch = pathlib.Path(scratch.name)
        root = next(self.scratch.rglob("bin/podlogin")).parents[1]
        self.files = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
        return root

    def assert_pages(self, root, expected, elsewhere=frozenset()):
        """The pages are @expected and those of functions; they refer to each other and to @elsewhere."""
        pages = {path.name: path for path in root.glob("share/man/*/*")}
        self.assertEqual(set(pages), expected | {f"{name}.3" for name in functions()})
        for name, path in pages.items():
            section = path.name.rsplit(".", 1)[1]
            self.assertEqual(path.parent.name, f"man{section}", name)
            text = path.read_text()
            self.assertIn(f".Dt {path.resolve().stem.upper()} {section}\n", text)
            for other in re.findall(r"\bXr (\S+ \d)", text):
                self.assertIn(other.replace(" ", "."), set(pages) | SYSTEM_PAGES | elsewhere, name)
            for reference in re.findall(r"Pa (\S+\.md)", text):
                self.assertTrue((root / reference).is_file(), f"{name}: {reference}")

    def assert_links(self, root):
        for page in (root / "share/doc").rglob("*.md"):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
                if "://" not in target:
                    self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")


class All(InstallCase):
    def test_all_is_installed_and_refers_to_what_is_installed(self):
        root = self.install(BUILD)
        self.assertLessEqual(CLIENT | DAEMON, self.files)
        self.assert_pages(root, CLIENT_PAGES | PAM_PAGES | DAEMON_PAGES)
        self.assert_links(root)

    @unittest.skipUnless(PAM_PAGES, "built without libpam")
    def test_the_pam_module_is_where_libpam_looks(self):
        self.install(BUILD)
        module, = self.scratch.rglob("pam_podlogin.so")
        directory = pathlib.Path("/", module.parent.relative_to(self.scratch))
        self.assertTrue((directory / "pam_permit.so").exists(), directory)

    def test_units_name_programs_that_are_installed(self):
        root = self.install(BUILD)
        prefix = re.search(r"ExecStart=(.*)/sbin/podlogind", (root / "lib/systemd/system/podlogind.service").read_text())
        for unit in root.glob("lib/systemd/system/*.service"):
            program = re.search(r"^ExecStart=(\S+)", unit.read_text(), re.M).group(1)
            self.assertTrue((root / os.path.relpath(program, prefix.group(1))).is_file(), program)

    def test_each_function_has_a_page_that_names_and_shows_it(self):
        root = self.install(BUILD)
        self.assertGreater(len(functions()), 30)
        for name in functions():
            page = root / f"share/man/man3/{name}.3"
            self.assertEqual(page.resolve(), (root / "share/man/man3/libpodlogin.3").resolve())
        text = page.read_text()
        # whatis(1) and apropos(1) find a page by the names in its section NAME
        names = re.search(r"^\.Sh NAME\n(.*?)^\.Nd", text, re.M | re.S).group(1)
        self.assertEqual(set(re.findall(r"^\.Nm (podlogin_\w+)", names, re.M)), functions())
        synopsis, rest = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh (.*)", text, re.M | re.S).groups()
        self.assertEqual(set(re.findall(r"^\.F[no] (podlogin_\w+)", synopsis, re.M)), functions())
        self.assertLessEqual(set(re.findall(r"\bFn (\w+)", rest)), functions())


@unittest.skipIf("sanitized" in str(BUILD), "the other build has done this")
class ClientAlone(InstallCase):
    def test_nothing_of_the_daemon_is_installed(self):
        with tempfile.TemporaryDirectory(prefix="podlogin-test-") as build:
            meson("setup", build, SOURCE, "-Ddaemon=disabled")
            subprocess.run(["ninja", "-C", build, "--quiet"], check=True, stdout=subprocess.DEVNULL)
            root = self.install(build)
        pam = {name for name in self.files if "pam_podlogin" in name}
        self.assertEqual(self.files - pam, CLIENT | {f"share/man/man3/{name}.3" for name in functions()})
        self.assert_pages(root, CLIENT_PAGES | PAM_PAGES, elsewhere=DAEMON_PAGES)
        self.assert_links(root)


if __name__ == "__main__":
    unittest.main()
