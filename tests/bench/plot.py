"""Curves as SVG, in plain Python. The picture has a background of its own and follows the reader's color scheme, so
that it is readable on a light and on a dark page."""

import html
import math

LIGHT = {"paper": "#ffffff", "ink": "#24292f", "grid": "#d8dee4", "band": "#f6dede",
         "curves": ("#1560bd", "#c0392b", "#6e7781", "#1a7f37")}
DARK = {"paper": "#161b22", "ink": "#e6edf3", "grid": "#30363d", "band": "#4a2327",
        "curves": ("#6cb6ff", "#ff7b72", "#9da7b1", "#56d364")}


def colors(scheme):
    rules = [f".paper {{ fill: {scheme['paper']}; }}", f"text {{ fill: {scheme['ink']}; }}",
             f".grid {{ stroke: {scheme['grid']}; }}", f".band {{ fill: {scheme['band']}; }}"]
    rules += [f".stroke{i} {{ stroke: {color}; }} .fill{i} {{ fill: {color}; }}"
              for i, color in enumerate(scheme["curves"])]
    return "\n".join(rules)


STYLE = f"""
text {{ font: 12px sans-serif; }} .middle {{ text-anchor: middle; }} .end {{ text-anchor: end; }}
.title {{ font-weight: bold; }} polyline {{ fill: none; stroke-width: 1.5; }}
{colors(LIGHT)}
@media (prefers-color-scheme: dark) {{
{colors(DARK)}
}}
"""

LEFT, RIGHT, TOP, BOTTOM = 84, 34, 34, 44


class Axis:
    """From a value to its place, 0 to 1. @ticks: pairs of a value and its label."""

    def __init__(self, low, high, ticks, is_log=False):
        self.is_log = is_log
        self.low, self.high = low, high
        self.ticks = ticks

    def at(self, value):
        if self.is_log:
            return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def decades(low, high, unit=""):
    """A logarithmic axis from one power of ten to another that includes these values."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    return Axis(10 ** first, 10 ** last,
                [(10 ** i, f"{10 ** i:,g}{unit}") for i in range(first, last + 1)], is_log=True)


def from_zero(high, unit=""):
    """A linear axis from 0 to a round number above this value, with about five ticks."""
    step = 10 ** math.floor(math.log10(high / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if high / (step * factor) <= 5)
    count = math.ceil(high / step)
    return Axis(0, step * count, [(step * i, f"{step * i:,g}{unit}") for i in range(count + 1)])


class Panel:
    """One plot: axes, curves, and a band that marks a part of the x axis."""

    def __init__(self, title, x, y):
        self.title, self.x, self.y = title, x, y
        self.curves = []  # (label, points, color)
        self.band = None  # (from, until, label)

    def curve(self, label, points, color=None):
        self.curves.append((label, points, len(self.curves) if color is None else color))
        return self

    def draw(self, left, top, width, height):
        x0, y0 = left + LEFT, top + TOP
        w, h = width - LEFT - RIGHT, height - TOP - BOTTOM

        def place(x, y):
            return x0 + w * self.x.at(x), y0 + h * (1 - self.y.at(y))

        parts = [text(x0, top + 18, self.title, "title")]
        if self.band:
            begin, end, label = self.band
            at, until = (x0 + w * self.x.at(value) for value in (begin, end))
            parts += [f'<rect class="band" x="{at:.1f}" y="{y0}" width="{until - at:.1f}" height="{h}"/>',
                      text(at + 4, y0 + 14, label)]
        for value, label in self.y.ticks:
            y = y0 + h * (1 - self.y.at(value))
            parts += [f'<line class="grid" x1="{x0}" y1="{y:.1f}" x2="{x0 + w}" y2="{y:.1f}"/>',
                      text(x0 - 6, y + 4, label, "end")]
        parts += [text(x0 + w * self.x.at(value), y0 + h + 16, label, "middle") for value, label in self.x.ticks]
        share = w / max(len(self.curves), 1)
        for i, (label, points, color) in enumerate(self.curves):
            at = [place(x, y) for x, y in points]
            parts += [f'<polyline class="stroke{color}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in at)}"/>',
                      text(x0 + share * i, y0 + h + 34, label, f"fill{color}")]
            if len(points) <= 12:
                parts += [f'<circle class="fill{color}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in at]
        return parts


def text(x, y, words, kind=""):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{html.escape(words)}</text>'


def picture(rows, width=760, height=300):
    """The SVG of panels: a list of rows, each a list of panels side by side."""
    whole = height * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{whole}" '
             f'viewBox="0 0 {width} {whole}">', f"<style>{STYLE}</style>",
             f'<rect class="paper" width="{width}" height="{whole}"/>']
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            parts += panel.draw(j * width / len(row), i * height, width / len(row), height)
    return "\n".join([*parts, "</svg>"]) + "\n"
