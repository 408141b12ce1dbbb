"""The reins of preload.c: a daemon's wall clock and its disk, changed while it runs."""

import mmap
import os
import pathlib
import re
import struct
import subprocess

BUILD = pathlib.Path(os.environ.get("PODLOGIN_BUILD", "build")).absolute()
LIBRARY = BUILD / "tests/support/libpreload.so"

FIELDS = ("wall_offset_s", "fail_errno", "fail_at", "fail_for_ever", "n_operations", "n_failed")
PREFIX_MAX = 256
SIZE = 8 * len(FIELDS) + PREFIX_MAX  # of struct control in preload.c


class Preload:
    """Makes the file @path, by which all processes started with environment() are ruled.

    Failures concern files whose path begins with @prefix, such as the state directory. Opening,
    reading, writing, truncating, syncing, deleting, renaming and looking up each are an operation.
    """

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
        """Seconds by which the processes' CLOCK_REALTIME is ahead. May be set at any time."""
        return self._get("wall_offset_s")

    @wall_offset_s.setter
    def wall_offset_s(self, seconds):
        self._set("wall_offset_s", seconds)

    @property
    def n_operations(self):
        """Operations on files of the prefix so far, those that failed included."""
        return self._get("n_operations")

    @property
    def n_failed(self):
        """Operations that failed on request so far."""
        return self._get("n_failed")

    def fail(self, errno, at=1, for_ever=False):
        """The @at-th operation from now fails with @errno, and @for_ever all later ones too.

        ENOSPC, EDQUOT and EROFS are for operations that write: others pass, and it is the next
        one that writes which fails.
        """
        self.heal()
        self._set("fail_errno", errno)
        self._set("fail_for_ever", int(for_ever))
        self._set("fail_at", self.n_operations + at)

    def heal(self):
        """Nothing fails from now on."""
        self._set("fail_at", 0)

    def environment(self, program):
        """The variables with which @program, the daemon, has to be started."""
        libraries = [*address_sanitizer_of(program), str(LIBRARY)]
        return {"LD_PRELOAD": " ".join(libraries), "PODLOGIN_TEST_PRELOAD": str(self.path)}


def address_sanitizer_of(program):
    """[path of libasan], which must come before all other libraries, if @program needs it."""
    output = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"libasan\S* => (\S+)", output)[:1]
