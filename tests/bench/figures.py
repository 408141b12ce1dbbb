"""What is made of measurements: medians, spreads, and the line through points."""

import itertools
import statistics


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def middle(rounds, name, key):
    return statistics.median(each[name][key] for each in rounds)


def line_through(points):
    """Returns (y at x = 0, slope): the median slope between two points (Theil and Sen), so that a few bad rounds do
    not move it. The points have at least two different x."""
    slope = statistics.median((y2 - y1) / (x2 - x1)
                              for (x1, y1), (x2, y2) in itertools.combinations(points, 2) if x1 != x2)
    return statistics.median(y - slope * x for x, y in points), slope
