"""The programs of ./dev demo, ./dev bench and ./dev fleet work: each runs once, as small as it can."""

import os
import pathlib
import subprocess
import sys
import unittest

from node import BUILD

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))


@unittest.skipIf("sanitized" in str(BUILD), "the tools are for other builds")
class Tools(unittest.TestCase):
    def run_tool(self, *command):
        """Returns what the tool printed."""
        run = subprocess.run([sys.executable, SOURCE / "tests" / command[0], *command[1:]], text=True,
                             capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def test_the_demo(self):
        self.assertIn("All claims hold.", self.run_tool("demo/demo.py"))

    def test_the_benchmark(self):
        table = self.run_tool("bench/bench.py", "--tiny").splitlines()
        unmeasured = {row.split("|")[1].strip() for row in table[2:] if "not measured" in row}
        self.assertLessEqual(unmeasured, {"5", "12", "13"})  # by hand; without ./dev static
        self.assertGreater(len(table), 10)

    def test_the_fleet(self):
        self.assertIn("| steady use |", self.run_tool("bench/fleet.py", "--nodes", "20"))


if __name__ == "__main__":
    unittest.main()
