"""What is made of measurements: medians and spreads."""

import statistics


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def middle(rounds, name, key):
    return statistics.median(each[name][key] for each in rounds)
