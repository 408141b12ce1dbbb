"""Runs many processes at the same time, measures each of them, and leaves none behind.

Each process writes to its own files, which are read when all have ended: with pipes, the processes would wait for the
reader while they are measured."""

import json
import math
import os
import selectors
import signal
import time

DEADLINE_S = 120.0  # for a whole wave; every job times out long before


class Interrupts:
    """Turns SIGINT, SIGTERM and SIGHUP into an orderly exit with 128 + the signal's number.

    Inside `with interrupts:` the exit waits for the end of the block, so that every process that was started is known.
    During the exit, further signals do not interrupt the cleanup."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self):
        self.number = 0
        self.held = False
        for number in self.SIGNALS:
            signal.signal(number, self._arrived)

    def _arrived(self, number, _frame):
        self.number = self.number or number
        if not self.held:
            self._end()

    def _end(self):
        self.ignore()
        raise SystemExit(128 + self.number)

    def ignore(self):
        """Ignores the signals from now on, so that the cleanup is complete."""
        self.held = True
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def __enter__(self):
        self.held = True

    def __exit__(self, kind, *_):
        if self.number:
            self._end()
        self.held = kind is not None  # an error: cleanup follows


class Job:
    """The process of one pod: its command, the subject that its token must have, and its result."""

    def __init__(self, command, environment, subject, output):
        self.command = [str(argument) for argument in command]
        self.environment = environment
        self.subject = subject
        self.output = output  # a path; standard error goes to a file beside it
        self.pid = self.pidfd = self.code = None
        self.wall_s = self.cpu_s = 0.0

    def start(self):
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self.began = time.monotonic()
        self.pid = os.posix_spawn(
            self.command[0], self.command, self.environment,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                          (os.POSIX_SPAWN_OPEN, 1, f"{self.output}.out", write, 0o600),
                          (os.POSIX_SPAWN_OPEN, 2, f"{self.output}.err", write, 0o600)],
            setsigdef=[signal.SIGPIPE])  # Python ignores it; a job must not
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except OSError:  # it cannot be watched, so it must not keep running
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise

    def reap(self):
        _, status, usage = os.wait4(self.pid, 0)
        self.wall_s = time.monotonic() - self.began
        self.cpu_s = usage.ru_utime + usage.ru_stime
        self.code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        os.close(self.pidfd)

    def answer(self):
        """Returns the JSON that the process printed, or an empty object."""
        try:
            with open(f"{self.output}.out", encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def error(self):
        with open(f"{self.output}.err", encoding="utf-8", errors="replace") as file:
            return file.read().strip() or "(nothing on standard error)"


class Wave:
    """Starts all jobs as fast as possible and waits for them. Other threads may read the counters."""

    def __init__(self, jobs, interrupts):
        self.jobs = jobs
        self.interrupts = interrupts
        self.running = set()
        self.succeeded = self.failed = 0
        self.spawn_s = self.total_s = 0.0
        self.began = time.monotonic()

    def run(self):
        self.began = time.monotonic()
        with selectors.DefaultSelector() as selector:
            try:
                for job in self.jobs:
                    self._start(job, selector)
                    self._reap(selector, 0)  # otherwise early exits would be noticed late
                self.spawn_s = time.monotonic() - self.began
                while self.running and time.monotonic() - self.began < DEADLINE_S:
                    self._reap(selector, 0.5)
            finally:
                self._end_rest()
        self.total_s = time.monotonic() - self.began

    def _start(self, job, selector):
        with self.interrupts:
            job.start()
            self.running.add(job)
            selector.register(job.pidfd, selectors.EVENT_READ, job)

    def _reap(self, selector, timeout_s):
        for key, _ in selector.select(timeout_s):
            with self.interrupts:
                selector.unregister(key.fd)
                self._ended(key.data)

    def _ended(self, job):
        job.reap()
        self.running.remove(job)
        if job.code == 0:
            self.succeeded += 1
        else:
            self.failed += 1

    def _end_rest(self):
        """Kills what still runs: only if the wave was interrupted or hangs."""
        for job in self.running:
            signal.pidfd_send_signal(job.pidfd, signal.SIGKILL)
        for job in list(self.running):
            self._ended(job)

    def wall_percentile_s(self, percent):
        """The percentile by nearest rank: a time that a job really took."""
        times = sorted(job.wall_s for job in self.jobs)
        return times[max(0, math.ceil(len(times) * percent / 100) - 1)]
