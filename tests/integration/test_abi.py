"""What programs that were built against the library rely on: its header in each standard of the languages, its symbols
with their versions, and its prototypes and numbers, which module/library/libpodlogin.abi repeats."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from prefix import Prefix

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
ABI = SOURCE / "module/library/libpodlogin.abi"
HEADERS = ("module/library/podlogin.h", "protocol/podlogin-status.h")

# After the release of a version, its lines never change.
HINT = """
The interface of the library differs from module/library/libpodlogin.abi.
  A new function: add it to libpodlogin.map, to debian/libpodlogin1.symbols and to libpodlogin.abi. Once 0.1.0 is
  released, it belongs to a new version in the map: LIBPODLOGIN_1.1 { global: ...; } LIBPODLOGIN_1;
  A prototype, an enumerator or a structure that has changed, or is gone: programs break. Add a function of another name
  instead. If that cannot be: soversion '2' in module/meson.build, LIBPODLOGIN_2, and a package libpodlogin2.
"""

C = ("c89", "iso9899:199409", "c99", "c11", "c17", "c2x", "c23")
CXX = ("c++98", "c++11", "c++14", "c++17", "c++20", "c++2b", "c++23")

PROGRAM = """
#include <podlogin.h>

int main(void)
{
    struct podlogin_token *token = 0;
    struct podlogin *login = 0;
    enum podlogin_status status = podlogin_start("pulumi", &login);

    if (status == PODLOGIN_OK && podlogin_authenticate(login) == PODLOGIN_OK)
        status = podlogin_get_token(login, &token);
    podlogin_token_free(token);
    podlogin_end(login);
    return status == PODLOGIN_OK ? 0 : 1;
}
"""


def interface():
    """The declarations of the headers, one a line, and each enumerator as one."""
    text = "".join((SOURCE / name).read_text() for name in HEADERS)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r'^#.*$|extern "C" \{|^\}$', "", text, flags=re.M)
    text = re.sub(r"(enum \w+) \{(.*?)\};", lambda match: "".join(
        f"{match[1]}: {item.strip()};" for item in match[2].split(",")), text, flags=re.S)
    lines = [re.sub(r"\s+", " ", part).strip() for part in text.split(";")]
    return sorted(line for line in lines if line)


class Interface(unittest.TestCase):
    def test_no_prototype_and_no_number_has_changed(self):
        self.assertEqual(interface(), ABI.read_text().splitlines(), HINT)
        self.assertIn("enum podlogin_status: PODLOGIN_OK = 0", interface())

    def test_each_function_is_listed_once_in_the_map(self):
        text = (SOURCE / "module/library/libpodlogin.map").read_text()
        listed = re.findall(r"^ +(podlogin_\w+);", text, re.M)
        functions = re.findall(r"\b(podlogin_\w+)\(", "\n".join(interface()))
        self.assertEqual(sorted(listed), sorted(functions), HINT)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="podlogin-test-")
        cls.addClassCleanup(shutil.rmtree, directory)
        cls.directory = pathlib.Path(directory)
        cls.prefix = Prefix(directory)

    def test_the_symbols_and_their_versions_are_those_of_the_package(self):
        symbols = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions",
                                  self.prefix.library / "libpodlogin.so.1"], check=True, capture_output=True,
                                 text=True).stdout
        # the absolute symbol is the version itself
        defined = {re.sub("@@", "@", line.split()[2]) if line.split()[1] != "A" else "{0}@{0}".format(
            line.split()[2].split("@")[0]) for line in symbols.splitlines()}
        package = (SOURCE / "debian/libpodlogin1.symbols").read_text()
        self.assertEqual(defined, set(re.findall(r"^ (\S+@\S+) ", package, re.M)), HINT)

    def test_the_header_in_each_standard(self):
        """As a system's header, it would be spared the warnings that it causes; so it is not one here."""
        for compiler, suffix, standards in (("gcc", "c", C), ("clang", "c", C),
                                            ("g++", "cc", CXX), ("clang++", "cc", CXX)):
            with self.subTest(compiler=compiler):
                if not shutil.which(compiler):
                    self.skipTest(f"needs {compiler}")
                source = self.directory / f"program.{suffix}"
                source.write_text(PROGRAM)
                self.assertGreaterEqual(self.compile_in_each(compiler, standards, source), 4)

    def compile_in_each(self, compiler, standards, source):
        """Returns how many of the standards the compiler knows."""
        known = [standard for standard in standards
                 if self.compile(compiler, standard, "-E", source).returncode == 0]
        for standard in known:
            with self.subTest(compiler=compiler, standard=standard):
                result = self.compile(compiler, standard, "-fsyntax-only", source)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
        return len(known)

    def compile(self, compiler, standard, *arguments):
        return subprocess.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror",
                               f"-I{self.prefix.include}", *arguments],
                              capture_output=True, text=True, check=False)


if __name__ == "__main__":
    unittest.main()
