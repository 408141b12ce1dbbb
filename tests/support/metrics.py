"""The metrics of a running daemon, as podloginctl prints them."""
import re
import subprocess

SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parse(text):
    """Returns {(name, (label, value), ...): value}, with the labels in their order."""
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        key = (name, *LABEL.findall(labels or ""))
        if key in samples:
            raise ValueError(f"twice: {line}")
        samples[key] = float(value)
    return samples


def read(node):
    result = node.ctl("metrics")
    if result.returncode:
        raise RuntimeError(result.stderr)
    return parse(result.stdout)


def total(samples, name, **labels):
    """The sum of the samples of this name that have these labels."""
    return sum(value for key, value in samples.items()
               if key[0] == name and set(labels.items()) <= set(key[1:]))
