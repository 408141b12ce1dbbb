#!/usr/bin/env python3
"""What debian/ repeats of the project: its version, the functions of the library, and what building needs."""
import os
import pathlib
import re
import unittest

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))


def read(name):
    return (SOURCE / name).read_text()


class Packaging(unittest.TestCase):
    def test_the_version_is_that_of_the_project(self):
        version = re.search(r"^  version: '(.*)',$", read("meson.build"), re.M)[1]
        self.assertEqual(re.match(r"podlogin \((.*?)\) ", read("debian/changelog"))[1], version)

    def test_the_symbols_are_the_functions_of_the_header(self):
        header = re.sub(r"/\*.*?\*/", "", read("module/library/podlogin.h"), flags=re.S)
        symbols = re.findall(r"^ (podlogin_\w+)@LIBPODLOGIN_1 ", read("debian/libpodlogin1.symbols"), re.M)
        self.assertEqual(symbols, sorted(set(re.findall(r"\b(podlogin_\w+)\(", header))))

    def test_each_library_that_the_packages_need_is_set_up_and_in_the_same_version(self):
        needed = re.findall(r"^ (lib\S+-dev)", read("debian/control"), re.M)
        self.assertGreater(len(needed), 5)
        self.assertLessEqual(set(needed), set(re.search(r"^packages=\((.*?)^\)", read("dev"), re.M | re.S)[1].split()))
        versions = set(re.findall(r">=\s?([\d.]+)", "".join(
            line for line in read("debian/control").splitlines() if "-dev" in line)))
        known = "".join(read(name) for name in ("meson.build", "daemon/meson.build", "tests/standin/meson.build"))
        self.assertLessEqual(versions, set(re.findall(r"'>=([\d.]+)'", known)))


if __name__ == "__main__":
    unittest.main()
