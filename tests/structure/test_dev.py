#!/usr/bin/env python3
"""What ./dev says of a run of tests, and of a machine on which something is missing."""
import json
import os
import pathlib
import re
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

# Stands for programs that ./dev runs. Each file of the project that is an argument must be there.
STUB = r"""
case ${0##*/} in
meson)
    case $1 in
    setup) mkdir -p "$2" && : >"$2/build.ninja" ;;
    test) mkdir -p "$3/meson-logs" && : >"$3/meson-logs/testlog.json" ;;
    introspect) echo [] ;;
    esac
    ;;
ninja)
    mkdir -p "$2/tests/fuzz"
    printf '#!/bin/sh\necho stat::number_of_executed_units: 1\n' >"$2/tests/fuzz/fuzz_head"
    chmod +x "$2/tests/fuzz/fuzz_head"
    ;;
python3) [ "$1" != -c ] || echo unit stub ;; # the names of the tests
sudo) exec "$@" ;;
esac
[ "${0##*/}" = ninja ] || for argument; do
    case $argument in
    tests/* | docs/* | deploy/* | debian/* | .ci/*) [ -e "$argument" ] || echo "missing: $argument" >&2 ;;
    esac
done
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


def verbs():
    """The commands that ./dev takes."""
    return re.search(r"^([a-z0-9 |]+)\) \"do_\$command\"", (SOURCE / "dev").read_text(), re.M)[1].split(" | ")


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

    def add_stubs(self):
        self.add("stub", STUB)
        for name in ("meson", "ninja", "python3", "git", "clang-format", "clang-tidy", "shellcheck", "mandoc", "pulumi",
                     "sudo", "dpkg-buildpackage", "buildah"):
            (self.path / name).unlink(missing_ok=True)
            (self.path / name).symlink_to("stub")
        dev = self.source / "dev"
        dev.write_text(dev.read_text().replace("PATH=/usr/bin:/bin:", "PATH="))

    def test_without_a_compiler_for_another_architecture_its_test_is_skipped(self):
        self.add_stubs()
        (self.path / "aarch64-linux-gnu-gcc").unlink(missing_ok=True)
        run = self.dev("e2e", "arm64")
        self.assertEqual((run.returncode, run.stdout), (0, "0 passed, 0 failed, 1 skipped\n"))
        self.assertIn("./dev: there is no aarch64-linux-gnu-gcc", run.stderr)

    def test_each_command_runs_what_there_is(self):
        """With programs that do nothing, but look for the files of the project that they are given."""
        self.add_stubs()
        for script in [*self.source.glob("tests/e2e/*.sh"), *self.source.glob("deploy/*.sh"),
                       self.source / "tests/bare.sh"]:
            script.write_text("#!/bin/sh\nexec stub \"$@\"\n")
        for verb in verbs():
            with self.subTest(verb):
                run = self.dev(verb, *{"fuzz": ["1", "head"]}.get(verb, []))
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertNotIn("missing", run.stderr)


class Sources(unittest.TestCase):
    def test_each_command_has_a_function_and_a_line_of_the_help(self):
        functions = set(re.findall(r"^do_(\w+)\(\)", (SOURCE / "dev").read_text(), re.M)) - {"sanitized"}
        run = subprocess.run([SOURCE / "dev", "help"], text=True, capture_output=True, check=True)
        self.assertEqual(functions, set(verbs()))
        self.assertEqual(functions, set(re.findall(r"^  (\w+) ", run.stdout, re.M)))

    def test_each_script_can_be_read(self):
        for path in [*SOURCE.glob("tests/**/*.py"), *SOURCE.glob("docs/**/*.py")]:
            compile(path.read_text(), path, "exec")
        for path in [SOURCE / "dev", SOURCE / ".ci/run", *SOURCE.glob("tests/**/*.sh"), *SOURCE.glob("completion/*.bash")]:
            run = subprocess.run(["bash", "-n", path], text=True, capture_output=True, check=False)
            self.assertEqual((run.returncode, run.stderr), (0, ""), path)

    def test_each_harness_is_built_and_has_seeds(self):
        fuzz = SOURCE / "tests/fuzz"
        names = {path.stem for path in fuzz.glob("fuzz_*.c")}
        self.assertEqual(names, {path.name for path in fuzz.glob("seeds/*")})
        built = re.findall(r"^  '(\w+)': ", (fuzz / "meson.build").read_text(), re.M)
        self.assertEqual(names, {f"fuzz_{name}" for name in built})
        self.assertLessEqual({path.stem for path in fuzz.glob("*.dict")}, names)

    def test_the_list_of_parsers_names_files_and_harnesses(self):
        names = set()
        for line in (SOURCE / "tests/fuzz/parsers").read_text().splitlines():
            file, *harnesses = line.split("#")[0].split() or ["dev"]
            self.assertTrue((SOURCE / file).is_file(), file)
            names |= set(harnesses)
        self.assertEqual({f"fuzz_{name}" for name in names}, {path.stem for path in SOURCE.glob("tests/fuzz/fuzz_*.c")})


if __name__ == "__main__":
    unittest.main()
