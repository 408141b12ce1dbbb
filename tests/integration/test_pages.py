"""The manual pages and the programs say the same about settings, options, variables and signals."""

import os
import pathlib
import re
import subprocess
import unittest

from node import PODLOGIN, PODLOGINCTL, PODLOGIND

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", "."))
SETTING = re.compile(r'\{"([A-Z]\w+)", (?:\w*parse_|\w*expects_)\w+')
VARIABLE = re.compile(r'"(PODLOGIN_[A-Z_]+)"')


def page(name):
    return (SOURCE / "docs/man" / name).read_text("utf-8")


def sources(*patterns):
    return "".join(path.read_text("utf-8") for pattern in patterns for path in sorted(SOURCE.glob(pattern)))


def options_of(program, *arguments):
    """The long options that --help names."""
    text = subprocess.run([program, *arguments, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text))


def options_in(text):
    return set(re.findall(r"Fl -([a-z][a-z-]+)", text)) | set(re.findall(r"\| -([a-z][a-z-]+)", text))


class Pages(unittest.TestCase):
    def test_settings(self):
        known = set(SETTING.findall(sources("daemon/config/*.c", "daemon/provider/*.c")))
        self.assertGreater(len(known), 30)
        text = page("podlogind.conf.5")
        # an entry is ".It Va Name=", with several names in one line or a section before it
        documented = set(re.findall(r"(\w+)=", "\n".join(re.findall(r"^\.It .*Va .*$", text, re.M))))
        self.assertEqual(known, documented)

    def test_options(self):
        self.assertEqual(options_of(PODLOGIN), options_in(page("podlogin.1")))
        self.assertEqual(options_of(PODLOGIND), options_in(page("podlogind.8")))
        both = options_of(PODLOGINCTL, "verify") | options_of(PODLOGINCTL, "explain") | {"version"}
        self.assertEqual(both, options_in(page("podloginctl.8")))

    def test_variables(self):
        known = set(VARIABLE.findall(sources("module/library/*.c")))
        self.assertGreater(len(known), 4)
        for name in ("podlogin.1", "libpodlogin.3"):
            entries = "\n".join(re.findall(r"^\.It Ev .*$", page(name), re.M))
            documented = set(re.findall(r"PODLOGIN_[A-Z_]+", entries))
            self.assertEqual(known, documented, name)

    def test_signals(self):
        text = page("podlogind.8")
        for signal in set(re.findall(r"\bSIG(?:HUP|TERM|INT|USR\d)\b", sources("daemon/main.c"))):
            self.assertIn(signal, text)


if __name__ == "__main__":
    unittest.main()
