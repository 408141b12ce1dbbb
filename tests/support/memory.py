"""What a process has in its memory."""

import pathlib
import re


def found_in(pid, needles, with_cache=True):
    """Returns where the needles are in a process's memory. The cache is in mappings that are not dumped ("dd")."""
    found, mappings = [], []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if match:
            mappings.append([*(int(end, 16) for end in match.groups()), line])
        elif line.startswith("VmFlags:") and (" rd" not in line or (" dd" in line and not with_cache)):
            mappings.pop()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, line in mappings:
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except (OSError, OverflowError):
                continue  # such as [vvar]
            found += [(line, needle) for needle in needles if needle in content]
    return found
