#!/usr/bin/env python3
"""A real Prometheus scrapes the exporter of a node under load, and answers every expression of the alerts and of the
dashboard.

With PODLOGIN_PICTURE=FILE, draws what it recorded. Needs prometheus."""

import http.client
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/support"))

import observability  # noqa: E402
import story  # noqa: E402
from exporter import EXPORTER, free_port  # noqa: E402
from node import STANDIN, Node, Standin, scale, wait_for  # noqa: E402

WINDOW = scale("5s", "10s")  # of rates; samples are one second apart
QUIET = {"Nodes not ready", "Issuers that fail", "Connections turned away", "Failures of the cache's disk",
         "Steps of the clock"}  # panels that show 0 in this story
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: podlogin
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


class Prometheus(unittest.TestCase):
    """The story happens once; the tests ask what was recorded."""

    @classmethod
    def setUpClass(cls):
        root = pathlib.Path(tempfile.mkdtemp(prefix="podlogin-test-"))
        cls.addClassCleanup(shutil.rmtree, root, ignore_errors=True)
        standin = Standin(STANDIN, root / "standin")
        cls.addClassCleanup(standin.stop)
        node = Node(root / "node", standin)
        exporter_port, cls.port = free_port(), free_port()
        node.configure(extra=f"MetricsListen=127.0.0.1:{exporter_port}\n")
        cls.addClassCleanup(node.stop)
        node.start()
        cls.spawn(EXPORTER, "--config", node.etc)
        config = root / "prometheus.yml"
        config.write_text(CONFIG.format(rules=observability.ALERTS, port=exporter_port))
        subprocess.run(["promtool", "check", "config", config], check=True, stdout=subprocess.DEVNULL)
        cls.spawn("prometheus", f"--config.file={config}", f"--storage.tsdb.path={root}/tsdb",
                  f"--web.listen-address=127.0.0.1:{cls.port}", "--log.level=error")
        wait_for(lambda: cls.is_answering() and cls.latest("up") == [1], what="the first scrape")
        cls.parts, cls.end_s = story.tell(node)

    @classmethod
    def spawn(cls, *command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

        def end():
            process.terminate()
            process.wait(60)
        cls.addClassCleanup(end)

    @classmethod
    def fetch(cls, path):
        connection = http.client.HTTPConnection("127.0.0.1", cls.port, timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @classmethod
    def is_answering(cls):
        try:
            return cls.fetch("/-/ready")[0] == 200
        except OSError:
            return False

    @classmethod
    def ask(cls, name, **parameters):
        status, text = cls.fetch(f"/api/v1/{name}?{urllib.parse.urlencode(parameters)}")
        if status != 200:
            raise RuntimeError(f"{parameters}: {text.decode()}")
        return json.loads(text)["data"]

    @classmethod
    def latest(cls, expression):
        return [float(series["value"][1]) for series in cls.ask("query", query=expression)["result"]]

    def series(self, expression):
        """[[time, value]] of each series during the story."""
        return [series["values"] for series in self.ask("query_range", query=expression, start=self.parts[0][1],
                                                        end=self.end_s, step=scale(1, 2))["result"]]

    def values(self, expression):
        return [float(value) for series in self.series(expression) for _, value in series]

    def test_the_node_is_scraped(self):
        self.assertEqual(self.latest('up{job="podlogin"}'), [1])
        self.assertGreater(len(self.values("podlogin_build_info")), 30)
        self.assertEqual(set(self.values("podlogin_ready")), {1})

    def test_the_rules_are_loaded_and_evaluated(self):
        rules = [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]
        self.assertEqual([rule["name"] for rule in rules], list(observability.alerts()))
        for rule in rules:
            self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""), rule["name"])

    def test_expressions_of_alerts_are_answered(self):
        for name, alert in observability.alerts().items():
            with self.subTest(name):
                self.values(alert["expr"])
        # what the story leads to, if it goes on
        for name in ("PodloginBreakerOpen", "PodloginRequestsUnavailable"):
            self.assertTrue(self.values(f'ALERTS{{alertname="{name}"}}'), name)
        self.assertFalse(self.values('ALERTS{alertname="PodloginDown", alertstate="firing"}'))

    def test_expressions_of_the_dashboard_are_answered(self):
        for panel in observability.dashboard()["panels"]:
            for target in panel.get("targets", ()):
                with self.subTest(panel["title"], target=target["refId"]):
                    expression = re.sub(r"\$(instance|service)\b", ".*", target["expr"])
                    values = self.values(expression.replace("$__rate_interval", WINDOW))
                    self.assertTrue(any(map(math.isfinite, values)), expression)
                    most = max(filter(math.isfinite, values))
                    self.assertEqual(most > 0, panel["title"] not in QUIET, f"{expression}: at most {most}")

    def test_variables_of_the_dashboard_have_values(self):
        found = {}
        for variable in observability.dashboard()["templating"]["list"]:
            if variable["type"] == "query":
                match, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
                found[variable["name"]] = self.ask(f"label/{label}/values",
                                                   **{"match[]": match.replace("$instance", ".*")})
        self.assertEqual(found["service"], ["pulumi"])
        self.assertEqual(len(found["instance"]), 1)

    def test_the_story_can_be_seen(self):
        def most(expression, title):
            begin_s, = (at_s for what, at_s in self.parts if what == title)
            ends = [at_s for _, at_s in self.parts if at_s > begin_s] + [self.end_s]
            values = (float(value) for series in self.series(expression) for at_s, value in series
                      if begin_s <= at_s <= ends[0] + 2)
            return max(value for value in values if not math.isnan(value))

        hits, misses, unavailable = (expression % WINDOW for _, _, expression in story.RATES)
        miss = story.QUANTILE % (0.99, "miss") % WINDOW
        self.assertGreater(most(misses, "cold start"), 0)
        self.assertGreater(most(hits, "in use"), most(misses, "in use"))
        self.assertGreater(most(miss, "upstream slow"), 1)
        self.assertGreater(most(unavailable, "upstream down"), 0)
        self.assertGreater(most(hits, "upstream down"), 0)  # tokens are served until they expire
        self.assertEqual(most("podlogin_breaker_open", "upstream down"), 1)
        self.assertGreater(most(misses, "upstream back"), 0)
        self.assertEqual(self.latest("podlogin_breaker_open"), [0])

    def test_the_picture(self):
        picture = story.draw(lambda expression: self.series(expression)[0], self.parts, self.end_s, WINDOW)
        self.assertGreaterEqual(picture.count("<polyline"), len(story.RATES) + len(story.TIMES))
        self.assertNotIn("nan", picture)
        if "PODLOGIN_PICTURE" in os.environ:
            pathlib.Path(os.environ["PODLOGIN_PICTURE"]).write_text(picture)


if __name__ == "__main__":
    if not shutil.which("prometheus"):
        print("skipped: needs prometheus", file=sys.stderr)
        sys.exit(77)
    unittest.main()
