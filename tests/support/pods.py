"""Pods as the kernel sees them: real cgroups with the names that a kubelet gives them.

Needs root and cgroups that can be written; `unavailable()` says what is missing.
"""

import ctypes
import os
import pathlib
import secrets
import signal
import uuid

CGROUPS = pathlib.Path("/sys/fs/cgroup")
CLONE3 = 435  # the number is the same on every architecture


def hierarchies():
    """Those that a kubelet would use here: the unified one, or those of cgroup v1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    # not cpuset, which takes no process before it is configured
    names = ("systemd", "memory", "pids", "cpu", "freezer", "devices")
    return [CGROUPS / name for name in names if (CGROUPS / name / "cgroup.procs").exists()]


def unavailable():
    """Why no pod can be made here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    roots = hierarchies()
    if not roots:
        return "no cgroups are mounted"
    if not all(os.access(root / "cgroup.procs", os.W_OK) for root in roots):
        return "cgroups cannot be written"
    return None


def cgroupfs_path(uid, container):
    return f"kubepods/burstable/pod{uid}/{container}"


def systemd_path(uid, container):
    return ("kubepods.slice/kubepods-besteffort.slice/"
            f"kubepods-besteffort-pod{uid.replace('-', '_')}.slice/cri-containerd-{container}.scope")


class Pod:
    """One pod with one container; processes enter it by themselves, as a runtime makes them do."""

    def __init__(self, path=cgroupfs_path, roots=None):
        self.uid = str(uuid.uuid4())
        self.path = path(self.uid, secrets.token_hex(32))
        self.roots = hierarchies() if roots is None else roots
        self.made = []
        self.nest("")

    def nest(self, name):
        """A cgroup below the container's, in all hierarchies; returns a function that enters it."""
        path = os.path.join(self.path, name).rstrip("/")
        for root in self.roots:
            for depth in range(1, path.count("/") + 2):
                part = root / "/".join(path.split("/")[:depth])
                if not part.exists():
                    part.mkdir()
                    self.made.append(part)
        return lambda: self.enter(path)

    def enter(self, path=None):
        """The calling process goes into the pod; for preexec_fn=."""
        for root in self.roots:
            (root / (path or self.path) / "cgroup.procs").write_text("0")

    def remove(self):
        for part in reversed(self.made):
            try:
                part.rmdir()
            except OSError:
                pass  # another pod is in kubepods/, say; who made it first cannot remove it


def fork_as(pid, run):
    """A child with this very pid, free again since its last owner was reaped, that calls @run and
    then waits to be killed (clone3(2), set_tid)."""
    set_tid = (ctypes.c_int32 * 1)(pid)
    arguments = (ctypes.c_uint64 * 11)()
    arguments[4] = signal.SIGCHLD
    arguments[8], arguments[9] = ctypes.addressof(set_tid), 1
    libc = ctypes.CDLL(None, use_errno=True)
    child = libc.syscall(CLONE3, arguments, ctypes.c_size_t(ctypes.sizeof(arguments)))
    if child < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    if child == 0:
        try:
            run()
            while True:
                signal.pause()
        finally:
            os._exit(1)
    return child


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
