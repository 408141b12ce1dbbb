"""What stands in deploy/observability: the alerts and the dashboard, and the names that their expressions use."""

import json
import os
import pathlib
import re

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
ALERTS = SOURCE / "deploy/observability/alerts.yaml"
ALERTS_TEST = SOURCE / "tests/observability/alerts_test.yaml"
DASHBOARD = SOURCE / "deploy/observability/dashboard.json"

SELECTOR = re.compile(r'\b(up|podlogin_\w+)\b(?:\{(.*?)\})?')
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')
GROUPING = re.compile(r"\b(?:by|on|without|ignoring) \(([^)]*)\)")


def alerts():
    """{name: {"expr": ..., "severity": ..., "summary": ..., "description": ..., "runbook": ...}}. Reads the file in the
    form in which it is written, because Python's standard library has no YAML."""
    found = {}
    for block in re.split(r"^      - alert: ", ALERTS.read_text("utf-8"), flags=re.M)[1:]:
        name, body = block.split("\n", 1)
        members = re.findall(r"^ +(\w+): (?:[|>]-?\n)?((?:.*\n)(?: {12,}.*\n)*)", body, re.M)
        found[name] = {key: " ".join(value.split()) for key, value in members}
    return found


def dashboard():
    return json.loads(DASHBOARD.read_text("utf-8"))


def expressions():
    """(where it stands, expression) of all alerts and panels."""
    for name, alert in alerts().items():
        yield name, alert["expr"]
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]


def selectors(expression):
    """(metric, [(label, operator, value)]) of each selector."""
    return [(name, MATCHER.findall(labels or "")) for name, labels in SELECTOR.findall(expression)]


def groupings(expression):
    """The labels by which it groups or joins."""
    return {label.strip() for labels in GROUPING.findall(expression) for label in labels.split(",")}
