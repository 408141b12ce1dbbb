"""The exporter's page in a real browser: what it shows, on wide and narrow screens, light and dark.

With PODLOGIN_SCREENSHOT=FILE, writes a picture of the page."""

import math
import os
import re
import unittest

from browser import CHROMIUM, Browser
from exporter import EXPORTER, ExporterCase
from node import scale
from preload import Preload
from protocol_client import get_token

MINUTES = scale(4, 60)
WINDOWS = {"wide": (1000, 800), "phone": (390, 844)}
TABLE = "[...document.querySelectorAll('h2')].find(h => h.textContent == '{}').nextElementSibling.innerText"
COLORS = """[...document.querySelectorAll('{}')].map(e => getComputedStyle(e).color)"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
# Elements that reach beyond the window or beyond what they are in.
OUTSIDE = """[...document.body.querySelectorAll('*:not(polyline)')].filter(e => {
    const box = e.getBoundingClientRect(), around = e.parentElement.getBoundingClientRect()
    return box.width && (box.left < -1 || box.right > innerWidth + 1 || box.right > around.right + 1)
}).map(e => e.outerHTML)"""
LINES = """[...document.querySelectorAll('polyline')].map(e => ({
    points: e.points.length, width: e.getBoundingClientRect().width, height: e.getBoundingClientRect().height,
    color: getComputedStyle(e).stroke}))"""


def luminance(color):
    """Of "rgb(31, 35, 40)", as WCAG 2 defines it."""
    channels = (int(channel) / 255 for channel in re.findall(r"\d+", color)[:3])
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@unittest.skipUnless(CHROMIUM, "needs chromium")
class Page(ExporterCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def open(self, window="wide", scheme="light"):
        self.browser.open(f"http://127.0.0.1:{self.port}/", *WINDOWS[window], scheme)

    def table(self, title):
        return self.browser.evaluate(TABLE.format(title))

    def points(self):
        return len(re.findall(r"[\d.]+,[\d.]+ ", (re.findall(r"<polyline.*?/>", self.fetch("/")[1]) or [""])[0]))

    def start(self):
        """A node that has served and refused for some minutes, and names that are long."""
        self.clock = Preload(self.node.directory / "preload")
        self.start_exporter(**self.clock.environment(EXPORTER))
        self.node.start()
        names = [*(f"pulumi-runner-{i}" for i in range(6)), "deploys-" + "-".join(["production"] * 5)]
        jwts = [self.mint(serviceaccount=name) for name in names]
        for minute in range(MINUTES):
            n_begun = 2 + minute * len(jwts) // MINUTES
            for i in range(20 + round(15 * math.sin(minute / 7)) + minute * 7 % 5):
                get_token(str(self.node.socket), jwts[i % min(n_begun, len(jwts))], "pulumi")
            self.turn_until(lambda: self.points() > minute, 60, "the next sample")
        self.clock.wall_offset_s = -round(self.clock.passed_s)  # the exporter's time is the daemon's again
        for _ in range(3):
            self.assert_refused("POLICY_DENIED", 77, self.mint(namespace="other", serviceaccount="intruder"))
        self.assert_refused("TOKEN_EXPIRED", 77, self.mint(serviceaccount="late", lifetime=-10))

    def assert_fits(self, window):
        width, _ = WINDOWS[window]
        self.assertEqual(self.browser.evaluate("[innerWidth, document.documentElement.scrollWidth]"), [width, width])
        self.assertEqual(self.browser.evaluate(OUTSIDE), [])

    def assert_readable(self, scheme):
        background = self.browser.evaluate(BACKGROUND)
        self.assertEqual(luminance(background) < 0.2, scheme == "dark")
        for what in ("body", ".faint", ".good", "td span", "dd", "dt", ".key"):
            colors = self.browser.evaluate(COLORS.format(what))
            self.assertTrue(colors, what)
            for color in colors:
                self.assertGreater(contrast(color, background), 4.5, f"{what} {color} on {background}")

    def assert_draws_lines(self):
        lines = self.browser.evaluate(LINES)
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertGreaterEqual(line["points"], MINUTES)
            self.assertGreater(line["width"], 1)
        self.assertGreater(lines[0]["height"], 10)  # hits go up and down
        self.assertNotEqual(lines[0]["color"], lines[1]["color"])

    def assert_shows_all(self):
        self.assertEqual(self.browser.evaluate("document.querySelector('h1').innerText"), "podloginready")
        for title, texts in {
                "Services": ["pulumi", "eks", self.standin.upstream],
                "Issuers": ["eks", self.standin.issuer, "ago"],
                "Upstreams": [self.standin.upstream, "closed"],
                "Tokens that expire first": ["ci/pulumi-runner-1", r"[12] h \d+ min"],
                "Latest refusals": ["other/intruder", "POLICY_DENIED", "3", "rules do not admit", "no .Allow. section",
                                    "TOKEN_EXPIRED", "ci/late", "use a projected one"]}.items():
            shown = self.table(title)
            for text in texts:
                self.assertRegex(shown, text, title)

    def test_wide_and_narrow_light_and_dark(self):
        self.start()
        for window in WINDOWS:
            for scheme in ("light", "dark"):
                with self.subTest(window=window, scheme=scheme):
                    self.open(window, scheme)
                    self.assert_shows_all()
                    self.assert_draws_lines()
                    self.assert_fits(window)
                    self.assert_readable(scheme)
                    self.assertEqual(self.browser.complaints(), [])
                    self.assertEqual({url.rsplit("/", 1)[0] for url in self.browser.requests()},
                                     {f"http://127.0.0.1:{self.port}"})
                    if "PODLOGIN_SCREENSHOT" in os.environ and (window, scheme) == ("wide", "light"):
                        self.browser.screenshot(os.environ["PODLOGIN_SCREENSHOT"])

    def test_problems_stand_out(self):
        self.start_exporter()
        self.node.start()
        self.standin.fault_upstream(kind="status", status=503)
        for i in range(3):
            self.get(self.mint(serviceaccount=f"new-{i}"), "--timeout", "1s")
        self.open("phone", "dark")
        self.assertIn("HTTP 503", self.table("Upstreams"))
        self.assertIn(self.browser.evaluate("document.querySelector('td .bad').innerText"), ("open", "probing"))
        normal, = set(self.browser.evaluate(COLORS.format("body")))
        self.assertNotEqual(self.browser.evaluate(COLORS.format("td .bad")), normal)
        self.assert_fits("phone")
        self.node.stop()
        self.standin.fault_issuer(kind="status", status=503)
        self.node.write("issuers.d/eks.conf", f"[Issuer]\nURL={self.standin.issuer}/none\nCAFile={self.standin.ca}\n")
        self.node.start()
        self.open()
        self.assertEqual(self.browser.evaluate("document.querySelector('h1').innerText"), "podloginnot ready")
        problem = self.browser.evaluate("document.querySelector('p.bad').innerText")
        self.assertIn("waits for the keys of issuer eks", problem)
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('polyline').length"), 0)


if __name__ == "__main__":
    unittest.main()
