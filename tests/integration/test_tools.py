"""The programs of ./dev demo, ./dev bench and ./dev fleet work: each runs once, as small as it can."""

import os
import pathlib
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree

from node import BUILD

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests/bench"))

import plot  # noqa: E402
import report  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


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
        # without ./dev static; as an ordinary user, who can make no pods; without --million
        self.assertLessEqual(unmeasured, {"12", "2e", "9"})
        self.assertGreater(len(table), 15)

    def test_the_benchmark_of_two_builds(self):
        table = self.run_tool("bench/bench.py", "--tiny", "--lines", "Hits,NewJwts", "--compare", BUILD).splitlines()
        self.assertTrue(table[0].startswith("| # | figure | before | now | now to before |"), table[0])
        line, = [row for row in table if row.startswith("| 6 |")]
        self.assertNotIn("not measured", line)

    def test_the_scale_of_one_node(self):
        text = self.run_tool("bench/bench.py", "--scale", "--tiny")
        self.assertIn("20 identities of 10 pods", text)
        self.assertIn("| 100 |", text)

    def skip_missing(self, section):
        for name, reason in re.findall(r"^- Not measured: (.*?) \((.*)\)\.$", section, re.M):
            with self.subTest(name):
                self.skipTest(f"{name}: {reason}")

    def test_the_peers(self):
        section = self.run_tool("bench/bench.py", "--tiny", "--peers")
        self.assertIn("| the floor | ", section)
        self.assertIn("| podlogin | 1 | ", section)  # one call upstream for all pods
        self.skip_missing(section)

    def test_the_jobs(self):
        section = self.run_tool("bench/bench.py", "--tiny", "--jobs")
        self.assertRegex(section, r"\| `podlogin token` \|.*\| 1 \| [0-9.]+ s \|")
        self.skip_missing(section)

    def test_the_fleet(self):
        self.assertIn("| steady use |", self.run_tool("bench/fleet.py", "--nodes", "20"))


class Pictures(unittest.TestCase):
    def drawn(self, *points, y=None):
        """The pairs of numbers of the one curve, and the root of the picture."""
        panel = plot.Panel("a < b", plot.from_zero(10), y or plot.from_zero(100)).curve("curve", points)
        root = xml.etree.ElementTree.fromstring(plot.picture([[panel]], width=500, height=300))
        polyline, = root.iter(SVG + "polyline")
        return [tuple(map(float, pair.split(","))) for pair in polyline.get("points").split()], root

    def test_values_are_where_the_axes_say(self):
        (begin, end), _ = self.drawn((0, 0), (10, 100))
        self.assertEqual(begin, (plot.LEFT, 300 - plot.BOTTOM))
        self.assertEqual(end, (500 - plot.RIGHT, plot.TOP))
        (_, middle, _), _ = self.drawn((0, 1), (5, 100), (10, 10000), y=plot.decades(1, 10000))
        self.assertEqual(middle, ((plot.LEFT + 500 - plot.RIGHT) / 2, (plot.TOP + 300 - plot.BOTTOM) / 2))

    def test_an_axis_includes_all_values(self):
        for low, high in ((3, 4), (0.2, 70000), (10, 10), (1, 1000)):
            axis = plot.decades(low, high)
            self.assertTrue(0 <= axis.at(low) <= axis.at(high) <= 1, (low, high))
        for high in (0.3, 1, 7, 99, 100, 101, 12345.6):
            axis = plot.from_zero(high)
            self.assertTrue(0.5 <= axis.at(high) <= 1, high)
            self.assertTrue(3 <= len(axis.ticks) <= 6, high)

    def test_a_picture_has_colors_for_light_and_for_dark(self):
        _, root = self.drawn((0, 0), (10, 100))
        style = root.find(SVG + "style").text
        light, dark = style.split("@media (prefers-color-scheme: dark)")
        self.assertIn(plot.LIGHT["paper"], light)
        self.assertIn(plot.DARK["paper"], dark)
        used = {name for part in root.iter() for name in part.get("class", "").split()}
        for scheme in (light, dark):
            for name in used - {"middle", "end", "title"}:
                self.assertIn(f".{name} {{", scheme)


class Figures(unittest.TestCase):
    def test_a_figure_that_is_missing_does_not_hide_the_others_of_its_line(self):
        rows = {row["line"]: row for row in report.assess({"restart": 0.1})}
        self.assertEqual((rows["9"]["now"], rows["9"]["met"]), ("0.10x / not measured", "yes / -"))
        self.assertEqual((rows["1"]["now"], rows["1"]["met"]), ("not measured", ""))

    def test_a_build_is_compared_with_the_one_before(self):
        rows = {row["line"]: row for row in report.assess({"CPU new JWT": 12.0}, {"CPU new JWT": 48.0})}
        self.assertEqual([rows["6"][key] for key in ("before", "now", "ratio", "met")],
                         ["48.0 µs", "12.0 µs", "0.25", "no"])


if __name__ == "__main__":
    unittest.main()
