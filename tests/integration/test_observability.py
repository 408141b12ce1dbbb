"""The alerts and the dashboard fit what a running daemon says, and the alerts fire when they should."""

import itertools
import re
import shutil
import subprocess
import unittest

import metrics
import observability
from node import NodeCase
from observability import ALERTS, ALERTS_TEST, SOURCE

OF_PROMETHEUS = {"job", "instance"}  # the labels that it adds to each sample


class Names(NodeCase):
    """Prometheus answers an expression with a name that does not exist with nothing, not with an error."""

    def setUp(self):
        super().setUp()
        self.node.start()
        jwt = self.mint()
        self.assert_served(jwt)
        self.assert_served(jwt)
        self.known = {"up": {}}  # {metric: {label: values}}
        for name, *labels in metrics.read(self.node):
            values = self.known.setdefault(name, {})
            for label, value in labels:
                values.setdefault(label, set()).add(value)

    def test_metrics_and_labels_of_expressions_exist(self):
        n = 0
        for where, expression in observability.expressions():
            labels = set(OF_PROMETHEUS)
            for name, matchers in observability.selectors(expression):
                n += 1
                self.assertIn(name, self.known, where)
                labels |= set(self.known[name])
                for label, _, value in matchers:
                    self.assertIn(label, OF_PROMETHEUS | set(self.known[name]), f"{where}: {name}")
                    if label not in OF_PROMETHEUS and not value.startswith("$"):
                        self.assertLessEqual(set(value.split("|")), self.known[name][label], f"{where}: {name}")
            self.assertLessEqual(observability.groupings(expression), labels, where)
        self.assertGreater(n, 50)

    def test_operations_md_lists_all_metrics_with_their_labels(self):
        section = (SOURCE / "docs/operations.md").read_text("utf-8").partition("## Metrics")[2].partition("\n## ")[0]
        listed = {name: set(filter(None, (labels or "").split(",")))
                  for name, labels in re.findall(r"^\| `(\w+)(?:\{(.*?)\})?` \|", section, re.M)}
        printed = {}
        for name, labels in self.known.items():
            printed.setdefault(re.sub("_(bucket|sum|count)$", "", name), set()).update(set(labels) - {"le"})
        del printed["up"]
        self.assertEqual(listed, printed)


class Rules(unittest.TestCase):
    def promtool(self, *arguments):
        if not shutil.which("promtool"):
            self.skipTest("needs promtool")
        run = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def test_the_rules_are_valid(self):
        self.assertIn(f"{len(observability.alerts())} rules found", self.promtool("check", "rules", ALERTS))

    def test_alerts_fire_when_they_should_and_not_otherwise(self):
        self.promtool("test", "rules", ALERTS_TEST)

    def test_each_alert_is_tested_with_a_bad_node_and_a_good_one(self):
        tested = []
        for case in ALERTS_TEST.read_text("utf-8").split("\n  - name: ")[1:]:
            names = set(re.findall(r'ALERTS\{alertname="(\w+)", .*?instance="bad"', " ".join(case.split())))
            if names:
                self.assertEqual(len(names), 1)
                self.assertIn("exp_samples: []", case)
                series = set(re.findall(r"""series: '(\w+)\{.*instance="(\w+)\"""", case))
                self.assertTrue({name for name, node in series if node == "bad" and (name, "good") in series}, case)
                tested += names
        self.assertEqual(sorted(tested), sorted(observability.alerts()))

    def test_each_alert_says_what_an_engineer_needs(self):
        for name, alert in observability.alerts().items():
            self.assertIn(alert["severity"], ("critical", "warning"), name)
            self.assertEqual(alert["runbook"], f"docs/operations.md#{name.lower()}")
            self.assertLess(len(alert["summary"]), 60, name)
            self.assertGreater(len(alert["description"]), len(alert["summary"]), name)

    def test_the_object_for_the_operator_has_the_same_rules(self):
        page = (SOURCE / "docs/observability.md").read_text("utf-8")
        command = re.search(r"^    \(printf.*\n.*alerts.yaml\)", page, re.M)[0]
        text = subprocess.run(["sh", "-c", command], cwd=ALERTS.parent, capture_output=True, text=True, check=True)
        head, rules = text.stdout.split("spec:\n")
        self.assertEqual(head.splitlines(), ["apiVersion: monitoring.coreos.com/v1", "kind: PrometheusRule",
                                             "metadata: {name: podlogin}"])
        self.assertEqual([line.strip() and line.removeprefix("  ") for line in rules.splitlines()],
                         ALERTS.read_text("utf-8").splitlines())

    def test_the_job_of_the_pod_monitor_is_that_of_the_alerts(self):
        """The operator names the job after a label of the pod."""
        monitor = (SOURCE / "deploy/kubernetes/components/pod-monitor/podmonitor.yaml").read_text("utf-8")
        label, = re.findall(r"^  jobLabel: (\S+)$", monitor, re.M)
        template = (SOURCE / "deploy/kubernetes/base/daemonset.yaml").read_text("utf-8").partition("template:")[2]
        jobs = {value for _, expression in observability.expressions()
                for value in re.findall(r'job="(\w+)"', expression)}
        self.assertEqual(jobs, {re.search(rf"^        {re.escape(label)}: (\S+)$", template, re.M)[1]})


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.dashboard = observability.dashboard()
        self.panels = self.dashboard["panels"]

    def test_panels_do_not_overlap(self):
        self.assertEqual(len({panel["id"] for panel in self.panels}), len(self.panels))
        places = [(p["gridPos"]["x"], p["gridPos"]["y"], p["gridPos"]["w"], p["gridPos"]["h"]) for p in self.panels]
        for x, _, width, _ in places:
            self.assertLessEqual(x + width, 24)
        for (x, y, w, h), (x2, y2, w2, h2) in itertools.combinations(places, 2):
            self.assertTrue(x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y, (x, y, x2, y2))

    def test_the_reader_chooses_data_source_nodes_and_services(self):
        variables = {variable["name"] for variable in self.dashboard["templating"]["list"]}
        self.assertEqual(variables, {"datasource", "instance", "service"})
        for panel in self.panels:
            for part in [panel, *panel["targets"]] if panel["type"] != "row" else []:
                self.assertEqual(part["datasource"], {"type": "prometheus", "uid": "${datasource}"}, panel["title"])
            for target in panel.get("targets", ()):
                for name, matchers in observability.selectors(target["expr"]):
                    self.assertIn(("instance", "=~", "$instance"), matchers, panel["title"])
                used = set(re.findall(r"\$(\w+)", target["expr"]))
                self.assertLessEqual(used, variables | {"__rate_interval"}, panel["title"])


if __name__ == "__main__":
    unittest.main()
