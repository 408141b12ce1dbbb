"""The counters of a running daemon, read from its memory, because no interface shows them yet. Needs nm(1), and root,
because the daemon is not dumpable."""
import pathlib
import re
import struct
import subprocess

from node import PODLOGIND

SOURCE = pathlib.Path(__file__).parents[2]


def names():
    """The names of enum counter, in order."""
    text = (SOURCE / "daemon/base/counters.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    outcomes = re.sub(r"/\*.*?\*/", "", (SOURCE / "daemon/base/outcome.h").read_text(), flags=re.DOTALL)
    outcomes = re.findall(r"\bOUTCOME_(\w+),", outcomes)
    found = []
    for name in re.findall(r"\bCOUNTER_(\w+)(?: =|,)", text):
        if name == "EXCHANGES":
            found += [f"EXCHANGES_{outcome}" for outcome in outcomes]
        elif name != "EXCHANGES_END":
            found.append(name)
    return found


def read(pid):
    """Returns the counters of the daemon with this pid, by name."""
    symbols = subprocess.run(["nm", PODLOGIND], stdout=subprocess.PIPE, text=True, check=True).stdout
    address = int(re.search(r"^([0-9a-f]+) [BbDd] counters$", symbols, re.MULTILINE).group(1), 16)
    with open(f"/proc/{pid}/maps") as maps:
        base = next(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith("/podlogind"))
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(base + address)
        values = struct.unpack(f"={len(names())}Q", memory.read(8 * len(names())))
    return dict(zip(names(), values))
