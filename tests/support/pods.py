"""Pods as the kernel sees them: real cgroups with the names that kubelet uses.

Needs root and writable cgroups; `unavailable()` tells what is missing."""

import ctypes
import os
import pathlib
import secrets
import signal
import uuid

CGROUPS = pathlib.Path("/sys/fs/cgroup")
CLONE3 = 435  # the number is the same on every architecture


def hierarchies():
    """The hierarchies that kubelet would use here: the unified one, or those of cgroup v1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    # without cpuset, which accepts no process before it is configured
    names = ("systemd", "memory", "pids", "cpu", "freezer", "devices")
    return [CGROUPS / name for name in names if (CGROUPS / name / "cgroup.procs").exists()]


def unavailable():
    """Returns why pods cannot be made here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    roots = hierarchies()
    if not roots:
        return "no cgroups are mounted"
    if not all(os.access(root / "cgroup.procs", os.W_OK) for root in roots):
        return "cgroups are not writable"
    return None


def cgroupfs_path(uid, container):
    return f"kubepods/burstable/pod{uid}/{container}"


def systemd_path(uid, container):
    return ("kubepods.slice/kubepods-besteffort.slice/"
            f"kubepods-besteffort-pod{uid.replace('-', '_')}.slice/cri-containerd-{container}.scope")


class Pod:
    """One pod with one container. Processes enter it themselves, as a runtime makes them do."""

    def __init__(self, path=cgroupfs_path, roots=None):
        self.uid = str(uuid.uuid4())
        self.path = path(self.uid, secrets.token_hex(32))
        self.roots = hierarchies() if roots is None else roots
        self.made = []
        self.nest("")

    def nest(self, name):
        """Makes a cgroup below the container's, in all hierarchies. Returns a function that enters it."""
        path = os.path.join(self.path, name).rstrip("/")
        for root in self.roots:
            for depth in range(1, path.count("/") + 2):
                part = root / "/".join(path.split("/")[:depth])
                if not part.exists():
                    part.mkdir()
                    self.made.append(part)
        return lambda: self.enter(path)

    def enter(self, path=None):
        """Moves the calling process into the pod; for preexec_fn=."""
        for root in self.roots:
            (root / (path or self.path) / "cgroup.procs").write_text("0")

    def remove(self):
        for part in reversed(self.made):
            try:
                part.rmdir()
            except OSError:
                pass  # still in use, for example kubepods/ by another pod


def fork_as(pid, run):
    """Forks a child that calls @run and then waits to be killed. It gets exactly this pid, which must be free, or any if
    that is None (clone3(2), set_tid)."""
    set_tid = (ctypes.c_int32 * 1)(pid or 0)
    arguments = (ctypes.c_uint64 * 11)()
    arguments[4] = signal.SIGCHLD
    if pid:
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
