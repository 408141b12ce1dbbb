"""The exporter: metrics, health and the page, over HTTP."""

import html.parser
import os
import re
import shutil
import signal
import subprocess
import unittest

import metrics
from exporter import EXPORTER, ExporterCase
from node import wait_for

VOID = {"meta", "link", "br"}


class Checker(html.parser.HTMLParser):
    """Each element that is opened is closed; collects texts and names of elements."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.elements, self.attributes = [], [], set(), {}

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes.setdefault(tag, []).append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes.setdefault(tag, []).append(dict(attrs))

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise ValueError(tag)

    def handle_data(self, data):
        self.texts.append(data)


class Exporter(ExporterCase):
    def test_metrics_are_those_of_the_daemon(self):
        self.start_exporter()
        self.node.start()
        self.assert_served(self.mint())
        status, text, headers = self.fetch("/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        samples = metrics.parse(text)
        self.assertEqual(metrics.total(samples, "podlogin_requests_total", service="pulumi", result="ok"), 1)
        self.assertEqual(set(samples), set(metrics.read(self.node)))

    @unittest.skipUnless(shutil.which("promtool"), "needs promtool")
    def test_promtool_finds_no_fault(self):
        self.start_exporter()
        self.node.start()
        self.assert_served(self.mint())
        result = subprocess.run(["promtool", "check", "metrics"], input=self.fetch("/metrics")[1], text=True,
                                capture_output=True, check=False)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_health(self):
        self.standin.fault_issuer(kind="status", status=503)
        self.start_exporter()
        for path in ("/livez", "/readyz", "/metrics", "/"):
            status, text, _ = self.fetch(path)
            self.assertEqual(status, 503, path)
            self.assertIn("check that podlogind runs", text)
        self.node.start()
        self.assertEqual(self.fetch("/livez")[:2], (200, "ok\n"))
        wait_for(lambda: "HTTP 503" in self.fetch("/readyz")[1], what="the issuer's failure")
        status, text, _ = self.fetch("/readyz")
        self.assertEqual(status, 503)
        self.assertRegex(text, r"^waits for the keys of issuer eks: .*HTTP 503.*\n$")
        self.standin.fault_issuer()
        wait_for(lambda: self.fetch("/readyz")[:2] == (200, "ready\n"), what="readiness")
        self.node.process.send_signal(signal.SIGSTOP)  # a loop that does not turn
        try:
            self.assertEqual(self.fetch("/livez")[0], 503)
        finally:
            self.node.process.send_signal(signal.SIGCONT)

    def test_the_page(self):
        self.start_exporter()
        self.node.start()
        jwt = self.mint()
        token = self.assert_served(jwt)["token"]
        self.assert_refused("POLICY_DENIED", 77, self.mint(namespace="other", serviceaccount="intruder"))
        status, text, headers = self.fetch("/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        page = Checker()
        page.feed(text)
        page.close()
        self.assertEqual(page.open, [])
        for shown in ("pulumi", "eks", self.standin.upstream, "closed", "ci/pulumi-runner", "POLICY_DENIED",
                      "other/intruder", "tokens cached", "ready"):
            self.assertTrue(any(shown in each for each in page.texts), shown)
        self.assertNotIn("script", page.elements)
        self.assertNotIn(token, text)
        self.assertNotIn(jwt.split(".")[2], text)

    def test_text_of_others_is_no_markup(self):
        self.start_exporter()
        self.node.start()
        self.standin.fault_upstream(kind="status", status=400,
                                    body='{"error":"invalid_grant","error_description":"<script>alert(1)</script>"}')
        self.assert_refused("UPSTREAM_REFUSED", 77, self.mint())
        text = self.fetch("/")[1]
        self.assertNotIn("<script", text)
        self.assertIn("&lt;script&gt;", text)

    def test_other_requests(self):
        self.start_exporter()
        self.node.start()
        self.assertEqual(self.fetch("/nosuch")[0], 404)
        self.assertEqual(self.fetch("/metrics/")[0], 404)
        self.assertEqual(self.fetch("/metrics", "POST")[0], 405)
        status, text, _ = self.fetch("/metrics", "HEAD")
        self.assertEqual((status, text), (200, ""))

    @unittest.skipIf(os.getuid(), "needs root, to read what the process holds")
    def test_it_holds_no_secret(self):
        self.start_exporter()
        self.node.start()
        token = self.assert_served(self.mint())["token"]
        for path in ("/", "/metrics", "/readyz"):
            self.fetch(path)
        memory = b""
        with open(f"/proc/{self.exporter.pid}/maps") as maps, open(f"/proc/{self.exporter.pid}/mem", "rb") as mem:
            for line in maps:
                begin, end, mode = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
                if mode.startswith("rw") and "[v" not in line and int(end, 16) - int(begin, 16) < 1 << 28:
                    mem.seek(int(begin, 16))
                    try:
                        memory += mem.read(int(end, 16) - int(begin, 16))
                    except OSError:
                        pass
        self.assertIn(str(self.node.directory / "admin.sock").encode(), memory)  # this is its memory
        self.assertNotIn(token.encode(), memory)

    def test_settings(self):
        for listen, code, sentence in (("localhost:9464", 78, "is not ADDRESS:PORT"), ("192.0.2.1:9464", 70, "cannot listen at"),
                                       ("9464", 78, "an address and a port"), ("127.0.0.1:0", 78, "an address and a port")):
            self.start_exporter(listen)
            self.assertEqual(self.exporter.wait(30), code, listen)
            self.assertIn(sentence, self.exporter_log.read_text())
        self.node.configure()
        result = subprocess.run([EXPORTER, "--config", self.node.etc], capture_output=True, text=True, check=False)
        self.assertEqual((result.returncode, "MetricsListen= is not set" in result.stderr), (78, True))


if __name__ == "__main__":
    unittest.main()
