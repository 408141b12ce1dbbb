#!/usr/bin/env python3
"""What the sandboxes allow is what docs/sandbox.md lists, with a reason: no list grows without a word."""
import os
import pathlib
import re
import unittest

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
PAGE = (SOURCE / "docs/sandbox.md").read_text()
FILTERS = (SOURCE / "daemon/sandbox/filters.c").read_text()
EXCHANGER = (SOURCE / "daemon/sandbox/exchanger.c").read_text()
ALL = {"broker", "exchanger", "exporter"}


def rows_of(heading):
    """The rows of the tables below a heading, as lists of cells, without heads and rules."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()
            if line.startswith("|")]
    return [row for i, row in enumerate(rows) if not re.fullmatch("-+", row[0])
            and not (i + 1 < len(rows) and re.fullmatch("-+", rows[i + 1][0]))]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


class Lists(unittest.TestCase):
    def test_system_calls(self):
        processes = {name: set(who.lower().replace(" ", "").split("|"))
                     for name, who in re.findall(r"\{SCMP_SYS\((\w+)\), ([A-Z| ]+)\}", FILTERS)}
        in_code = {name: ALL if who == {"all"} else who for name, who in processes.items()}
        with_arguments = set(re.findall(r"SCMP_SYS\((\w+)\)", FILTERS)) - set(in_code)
        in_page, said = {}, set()
        for cell, who, why in rows_of("System calls"):
            self.assertTrue(why, cell)
            for name in names(cell):
                self.assertNotIn(name, said)
                said.add(name)
                in_page[name] = ALL if who == "all" else set(who.split(", "))
        self.assertGreater(len(in_code), 80)
        self.assertEqual({name: in_page.get(name) for name in in_code}, in_code)
        self.assertEqual(said - set(in_code), with_arguments)

    def test_files_of_the_exchanger(self):
        in_code = set(re.findall(r'"(/[^"]+)"', EXCHANGER))
        row, = [row for row in rows_of("Files") if row[0] == "exchanger"]
        self.assertEqual(set(names(row[1])), in_code)
        self.assertGreater(len(in_code), 20)

    def test_files_of_programs(self):
        row, = [row for row in rows_of("Files") if row[0] == "program"]
        in_page = {name for name in names(row[1]) + names(row[2]) if name.startswith("/")}
        self.assertEqual(in_page, set(re.findall(r'"(/[^"]+)"', (SOURCE / "daemon/sandbox/program.c").read_text())))
        self.assertGreater(len(in_page), 20)

    def test_system_calls_that_programs_lack(self):
        rows = rows_of("System calls that programs lack")
        in_page = [name for cell, why in rows for name in names(cell) if why]
        in_code = re.findall(r"SCMP_SYS\((\w+)\)", (SOURCE / "daemon/sandbox/denied.c").read_text())
        self.assertEqual(sorted(in_page), sorted(in_code))
        self.assertGreater(len(in_page), 20)

    def test_no_file_is_allowed_elsewhere(self):
        """The rules for the broker are made from its configuration and these names."""
        broker = (SOURCE / "daemon/sandbox/broker.c").read_text()
        self.assertEqual(set(re.findall(r'"(/[^"]+)"', broker)), {"/proc", "/dev/null", "/dev/urandom"})
        self.assertNotIn("file_rules_add(", (SOURCE / "daemon/sandbox/exporter.c").read_text())


if __name__ == "__main__":
    unittest.main()
