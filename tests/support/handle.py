"""A handle of the real library in a process of its own, which does what a test says; see handle.c."""

import os
import pathlib
import socket
import subprocess

HANDLE = pathlib.Path(os.environ.get("PODLOGIN_BUILD", "build")).absolute() / "tests/support/handle"


class Handle:
    """@variables are the settings of the library; the standard descriptors @closed are closed, those in @passed passed
    on."""

    def __init__(self, variables, closed=(), passed=()):
        self._control, theirs = socket.socketpair()
        self._control.settimeout(60)
        with theirs:
            self.process = subprocess.Popen(
                [HANDLE, str(theirs.fileno())], env=variables, pass_fds=[theirs.fileno(), *passed],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=lambda: close_all(closed))
        self._answers = self._control.makefile("r")
        self._read()  # the process has begun

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._answers.close()
        self._control.close()
        if self.process.wait(20) != 0:
            raise RuntimeError(f"the process of the handle ended with {self.process.returncode}")

    def call(self, name, argument=""):
        """Calls podlogin_@name() and returns (status, token or explanation)."""
        self._control.sendall(f"{name} {argument}".rstrip().encode() + b"\n")
        return self._read()

    def _read(self):
        status, _, text = self._answers.readline().rstrip("\n").partition(" ")
        return int(status), text


def close_all(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)
