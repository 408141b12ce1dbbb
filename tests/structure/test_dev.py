#!/usr/bin/env python3
"""What ./dev says of a run of tests, and of a machine on which something is missing."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))

PYTHON_CASES = """
import unittest
class Cases(unittest.TestCase):
    def test_that_passes(self):
        with self.subTest("a part"):
            self.skipTest("a part that is skipped")
    @unittest.skip("it isn't root")
    def test_that_is_skipped(self): pass
    def test_that_fails(self): self.fail()
    def test_with_an_error(self): raise OSError
@unittest.skip("all of it")
class Skipped(unittest.TestCase):
    def test_one(self): pass
    def test_two(self): pass
unittest.main(argv=["cases", *ARGUMENTS])
"""
CMOCKA = """[==========] {0}Running 3 test(s).
[ RUN      ] one
[       OK ] one
[ RUN      ] two
skipped 'needs root'
[  SKIPPED ] two
[ RUN      ] three
[  FAILED  ] three
[==========] {0}3 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] {0}1 test(s), listed below:
[  SKIPPED ] two
[  FAILED  ] {0}1 test(s), listed below:
[  FAILED  ] three
"""


class Summary(unittest.TestCase):
    def summary(self, *results):
        """The output for programs of which each is (meson's result, standard output, standard error)."""
        with tempfile.NamedTemporaryFile("w") as log:
            for result, out, err in results:
                log.write(json.dumps({"result": result, "stdout": out, "stderr": err}) + "\n")
            log.flush()
            run = subprocess.run([sys.executable, SOURCE / "tests/summary.py", log.name], text=True,
                                 capture_output=True, check=False)
        self.assertEqual(run.stderr, "")
        return run.returncode, run.stdout.splitlines()

    def unittest_program(self, *arguments):
        run = subprocess.run([sys.executable, "-c", PYTHON_CASES.replace("ARGUMENTS", repr(arguments))], text=True,
                             capture_output=True, check=False)
        return "FAIL" if run.returncode else "OK", run.stdout, run.stderr

    def test_cases_of_unittest(self):
        self.assertEqual(self.summary(self.unittest_program("-v")), (1, [
            "   1 skipped: a part that is skipped", "   2 skipped: all of it", "   1 skipped: it isn't root",
            "1 passed, 2 failed, 4 skipped"]))

    def test_a_program_that_skips_all_of_its_cases_has_not_passed(self):
        self.assertEqual(self.summary(self.unittest_program("-v", "Skipped")), (0, [
            "   2 skipped: all of it", "0 passed, 0 failed, 2 skipped"]))

    def test_cases_of_cmocka(self):
        for group in ("", "tests: "):  # of version 1.1.5, and since then
            self.assertEqual(self.summary(("FAIL", CMOCKA.format(group), "")), (1, [
                "   1 skipped: needs root", "1 passed, 1 failed, 1 skipped"]))

    def test_other_programs_are_one_case(self):
        self.assertEqual(self.summary(("OK", "seeds", ""), ("TIMEOUT", "", ""), ("SKIP", "", "no kernel here\n")), (1, [
            "   1 skipped: no kernel here", "1 passed, 1 failed, 1 skipped"]))


@unittest.skipUnless((SOURCE / "build/build.ninja").exists(), "needs ./dev build")
class Names(unittest.TestCase):
    def named(self, *names):
        run = subprocess.run([SOURCE / "dev", "list", *names], text=True, capture_output=True, check=False)
        return run.returncode, run.stdout.splitlines(), run.stderr

    def test_a_test_is_found_by_a_word_of_its_name(self):
        for name in ("trust", "integration trust"):
            self.assertEqual(self.named(name), (0, ["integration trust"], ""))
        self.assertIn("integration trust", self.named("integration")[1])
        self.assertEqual(sorted(self.named("reload")[1]), ["integration reload", "unit reload"])

    def test_a_name_that_no_test_has_is_an_error(self):
        for command in ("list", "test"):  # "trus" is no word of a name
            run = subprocess.run([SOURCE / "dev", command, "trust", "trus"], text=True, capture_output=True, check=False)
            self.assertEqual((run.returncode, run.stdout), (64, ""))
            self.assertEqual(run.stderr, "./dev: no test is named trus; ./dev list prints the names\n")


class Machine(unittest.TestCase):
    """A copy of the project on a machine that has only some of this one's programs."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="podlogin-test-")
        self.addCleanup(scratch.cleanup)
        self.path = pathlib.Path(scratch.name, "bin")
        self.source = pathlib.Path(scratch.name, "source")
        shutil.copytree(SOURCE, self.source, symlinks=True, ignore=shutil.ignore_patterns("build*", ".git"))
        self.path.mkdir()
        for directory in filter(os.path.isdir, os.environ["PATH"].split(":")):
            for name in os.listdir(directory):
                if name not in ("apt-get", "dpkg-query", "sudo") and not (self.path / name).is_symlink():
                    (self.path / name).symlink_to(os.path.join(directory, name))
        os.chmod(scratch.name, 0o755)

    def add(self, name, script):
        (self.path / name).write_text("#!/bin/sh\n" + script)
        (self.path / name).chmod(0o755)

    def dev(self, *arguments, **options):
        return subprocess.run([self.path / "bash", self.source / "dev", *arguments], text=True, capture_output=True,
                              check=False, env={"PATH": str(self.path), **options.pop("variables", {})}, **options)

    def test_without_apt_it_goes_on(self):
        run = self.dev("setup")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))

    def test_what_meson_misses_is_named_in_one_line(self):
        run = self.dev("build", variables={"PKG_CONFIG_LIBDIR": "/nonexistent"})
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertRegex(run.stderr, r"^\S*meson.build:\d+:\d+: ERROR: .*libsystemd.*\n$")

    def test_without_root_and_sudo_it_prints_the_line_for_root(self):
        self.add("dpkg-query", '[ "$4" != gcc ] && printf installed')
        self.add("apt-get", "echo unexpected")
        run = self.dev("setup", **({"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}))
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertEqual(run.stderr, "./dev: packages are missing; run as root: "
                                     "apt-get install -y --no-install-recommends gcc\n")


if __name__ == "__main__":
    unittest.main()
