#!/usr/bin/env python3
"""Which folder may include which: the dependencies of the code point one way.

Each folder has a row in LAYERS, with what its files may include beside its own headers. An include that the
table does not allow fails, and so does one that does not name its folder, and a folder without a row."""
import os
import pathlib
import re
import unittest

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)

# From the ground up. A row names folders of rows above it only, so there is no cycle, and none that it does not use.
LAYERS = {
    "text": "",
    "protocol": "",
    "module/library": "text protocol",
    "module/command": "text protocol module/library",
    "module/pam": "text protocol module/library",
    "daemon/base": "text",
    "daemon/message": "protocol daemon/base",
    "daemon/policy": "daemon/base",
    "daemon/peer": "daemon/base",
    "daemon/jose": "protocol daemon/base daemon/message",
    "daemon/provider": "protocol daemon/base",
    "daemon/config": "protocol daemon/base daemon/jose daemon/policy daemon/provider",
    "daemon/exchange": "protocol daemon/base daemon/message",
    "daemon/store": "daemon/base",
    "daemon/sandbox": "protocol daemon/base daemon/config daemon/store",
    "daemon/identity": "protocol daemon/base daemon/message daemon/jose daemon/config daemon/exchange",
    "daemon/admission": "daemon/peer daemon/config daemon/identity",
    "daemon/observe": "text protocol daemon/base daemon/peer daemon/identity",
    "daemon/broker": "protocol daemon/base daemon/message daemon/provider daemon/config daemon/exchange daemon/store"
                     " daemon/identity daemon/admission",
    "daemon/session": "protocol daemon/base daemon/message daemon/peer daemon/config daemon/identity daemon/admission"
                      " daemon/observe daemon/broker",
    "daemon/admin": "protocol daemon/base daemon/config daemon/observe daemon/broker daemon/session",
    "daemon/exchanger": "text protocol daemon/base daemon/message daemon/provider daemon/exchange daemon/sandbox",
    "daemon/untaint": "text daemon/base daemon/config daemon/identity daemon/sandbox daemon/admin daemon/exchanger",
    "daemon/ctl": "text protocol daemon/base daemon/peer daemon/jose daemon/provider daemon/config daemon/exchange"
                  " daemon/store daemon/identity daemon/admission daemon/admin",
    "daemon/cloud": "daemon/base daemon/policy daemon/provider daemon/config daemon/exchanger",
    "daemon/ctl/issuer": "protocol daemon/base daemon/jose daemon/provider daemon/cloud daemon/ctl",
    "daemon/exporter": "text protocol daemon/base daemon/config daemon/admin daemon/sandbox",
    "daemon": "text protocol daemon/base daemon/jose daemon/peer daemon/config daemon/exchange daemon/identity"
              " daemon/broker daemon/session daemon/admin daemon/sandbox",
}
ROOTS = ("", "daemon", "module")  # what an include may be relative to


def includes():
    """(file, its folder, the included text) for each include of the project's own headers."""
    for top in ("text", "protocol", "module", "daemon"):
        for path in sorted((SOURCE / top).rglob("*.[ch]")):
            for name in INCLUDE.findall(path.read_text()):
                yield path.relative_to(SOURCE), str(path.parent.relative_to(SOURCE)), name


def folder_of(name):
    """The folder of the header that NAME means; None if there is none."""
    for root in ROOTS:
        path = SOURCE / root / name
        if path.is_file():
            return str(path.parent.relative_to(SOURCE))
    return None


class Layers(unittest.TestCase):
    def test_each_row_names_rows_above_it(self):
        seen = set()
        for folder, allowed in LAYERS.items():
            self.assertLessEqual(set(allowed.split()), seen, folder)
            seen.add(folder)

    def test_each_folder_has_a_row(self):
        self.assertLessEqual({folder for _, folder, _ in includes()}, set(LAYERS))

    def test_includes_name_their_folder(self):
        # podlogin.h and podlogin-status.h are installed side by side
        wrong = [f"{path}: {name}" for path, _, name in includes() if "/" not in name and name != "podlogin-status.h"]
        self.assertEqual(wrong, [])

    def test_each_header_has_a_guard_of_its_own(self):
        """Named after the folder and the file: of two headers with one guard, the second would be empty."""
        for top in ("text", "protocol", "module", "daemon"):
            for path in (SOURCE / top).rglob("*.h"):
                guard = f"{path.parent.name}_{path.stem}_h".upper()
                if path.name.startswith("podlogin"):  # installed
                    guard = f"{path.stem}_h".upper().replace("-", "_")
                self.assertIn(f"#ifndef {guard}\n#define {guard}\n", path.read_text(), str(path))

    def test_includes_are_allowed(self):
        used, wrong = {folder: set() for folder in LAYERS}, []
        for path, folder, name in includes():
            to = "protocol" if name == "podlogin-status.h" else folder_of(name)
            if to == folder:
                continue
            used.setdefault(folder, set()).add(to)
            if to not in LAYERS.get(folder, "").split():
                wrong.append(f"{path}: {name}: {folder} may include {LAYERS.get(folder) or 'nothing'}")
        self.assertEqual(wrong, [])
        self.assertEqual({folder: set(allowed.split()) for folder, allowed in LAYERS.items()}, used)


if __name__ == "__main__":
    unittest.main()
