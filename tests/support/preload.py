"""Controls preload.c: the clocks and the disk of a daemon, changed while it runs."""

import mmap
import os
import pathlib
import re
import struct
import subprocess

BUILD = pathlib.Path(os.environ.get("PODLOGIN_BUILD", "build")).absolute()
LIBRARY = BUILD / "tests/support/libpreload.so"
EARLY = BUILD / "tests/support/libearly.so"

FIELDS = ("wall_offset_s", "passed_ms", "fail_errno", "fail_at", "fail_for_ever", "n_operations", "n_failed")
PREFIX_MAX = 256
SIZE = 8 * len(FIELDS) + PREFIX_MAX  # of struct control in preload.c


class Preload:
    """Creates the file @path, which controls all processes that are started with environment().

    Failures concern files whose path begins with @prefix, such as the state directory. Each open, read, write,
    truncate, sync, delete, rename and look-up is one operation."""

    def __init__(self, path, prefix=""):
        self.path = pathlib.Path(path)
        prefix = os.fsencode(prefix)
        if len(prefix) >= PREFIX_MAX:
            raise ValueError(f"a prefix has less than {PREFIX_MAX} bytes")
        self.path.write_bytes(bytes(SIZE))
        with open(self.path, "r+b") as file:
            self._control = mmap.mmap(file.fileno(), SIZE)
        struct.pack_into(f"={PREFIX_MAX}s", self._control, 8 * len(FIELDS), prefix)

    def _get(self, field):
        return struct.unpack_from("=q", self._control, 8 * FIELDS.index(field))[0]

    def _set(self, field, value):
        struct.pack_into("=q", self._control, 8 * FIELDS.index(field), value)

    @property
    def wall_offset_s(self):
        """Seconds by which CLOCK_REALTIME of the processes is ahead. It may be set at any time."""
        return self._get("wall_offset_s")

    @wall_offset_s.setter
    def wall_offset_s(self, seconds):
        self._set("wall_offset_s", seconds)

    def turn(self, seconds):
        """Lets this time pass at once for the daemon: its timers become due, and what lasts as long expires. Nothing
        passes for the exchanger's timeouts of a transfer, the stand-in and the clients. A job of the exchanger that is
        under way fails if more than its time passes."""
        self._set("passed_ms", self._get("passed_ms") + round(1000 * seconds))

    @property
    def passed_s(self):
        """Seconds that turn() let pass."""
        return self._get("passed_ms") / 1000

    @property
    def n_operations(self):
        """The number of operations on files with the prefix so far, including failed ones."""
        return self._get("n_operations")

    @property
    def n_failed(self):
        """The number of operations so far that failed on request."""
        return self._get("n_failed")

    def fail(self, errno, at=1, for_ever=False):
        """Lets the @at-th operation from now fail with @errno; with @for_ever, all later ones as well.

        ENOSPC, EDQUOT and EROFS concern operations that write: other operations succeed, and the next one that writes
        fails."""
        self.heal()
        self._set("fail_errno", errno)
        self._set("fail_for_ever", int(for_ever))
        self._set("fail_at", self.n_operations + at)

    def heal(self):
        """Lets all operations succeed from now on."""
        self._set("fail_at", 0)

    def environment(self, program):
        """Returns the variables that @program, the daemon, must be started with."""
        return {**preloaded(program, LIBRARY), "PODLOGIN_TEST_PRELOAD": str(self.path)}


def preloaded(program, library):
    """Returns the variable with which @program loads @library before those that it is linked with."""
    return {"LD_PRELOAD": " ".join([*address_sanitizer_of(program), str(library)])}


def address_sanitizer_of(program):
    """Returns [path of libasan], which must come before all other libraries, if @program needs it."""
    output = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"libasan\S* => (\S+)", output)[:1]
