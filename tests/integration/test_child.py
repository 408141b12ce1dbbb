#!/usr/bin/env python3
"""The command of exec: signals, stops, exit statuses, a large environment, and what /proc and a core show of secrets.

Each case runs without --reject-on, where the command takes the place of podlogin, and with it, where it is a child."""

import os
import pathlib
import pty
import re
import resource
import select
import signal
import subprocess
import sys
import unittest

from node import PODLOGIN, NodeCase, children, wait_for

WAYS = ([], ["--reject-on", "3"])
# Tells of each signal that it gets, by its number.
TELLER = """
import os, signal, sys
signals = set(map(int, sys.argv[1:]))
signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # with handlers, one that came just before pause() would be lost
os.write(1, b"ready\\n")
while True:
    os.write(1, b"%d\\n" % signal.sigwait(signals))
"""


def pending(pid):
    """The signals that wait for the process, as a mask."""
    (line,) = re.findall(r"^ShdPnd:\s*(\w+)$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(line, 16)


class ChildCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.start_with_clock()
        self.jwt = self.mint()
        self.jwt_file = self.node.jwt_file(self.jwt)
        self.environment = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.jwt_file))

    def exec(self, way, *command, **options):
        return subprocess.run([PODLOGIN, "exec", *way, "--", *command], capture_output=True, text=True, check=False,
                              timeout=90, env=self.environment, **options)

    def spawn(self, way, *command, **options):
        process = subprocess.Popen([PODLOGIN, "exec", *way, "--", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   text=True, env=self.environment, **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def teller(self, way, *signals, **options):
        process = self.spawn(way, sys.executable, "-c", TELLER, *map(str, map(int, signals)), **options)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def state(self, pid):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Transparency(ChildCase):
    def test_exit_statuses(self):
        for way in WAYS:
            for status in (0, 1, 2, 77, 126, 255):
                self.assertEqual(self.exec(way, "sh", "-c", f"exit {status}").returncode, status)
            self.assertEqual(self.exec(way, "/nonexistent/command").returncode, 127)
            self.assertEqual(self.exec(way, "/etc/passwd").returncode, 126)

    def test_a_command_that_a_signal_ends(self):
        for way in WAYS:
            for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT, signal.SIGPIPE, signal.SIGUSR1):
                self.assertEqual(self.exec(way, "sh", "-c", f"kill -{int(number)} $$").returncode, -number, (way, number))

    def test_signals_reach_the_command(self):
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
                   signal.SIGALRM, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT, signal.SIGRTMIN)
        for way in WAYS:
            process = self.teller(way, *signals)
            for number in signals:
                os.kill(process.pid, number)
                self.assertEqual(process.stdout.readline(), f"{int(number)}\n", (way, number))

    def test_the_command_inherits_ignored_and_blocked_signals(self):
        def prepare():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        masks = [self.exec(way, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", preexec_fn=prepare) for way in WAYS]
        self.assertEqual([mask.returncode for mask in masks], [0, 0])
        self.assertEqual(masks[0].stdout, masks[1].stdout)

    def test_a_signal_that_comes_at_the_end_changes_no_exit_status(self):
        """One that waits while podlogin is stopped, and has a higher number than SIGCHLD, is seen after the end."""
        script = ("kill -STOP $PPID; until grep -q '^State:.T' /proc/$PPID/status; do sleep 0.01; done; "
                  "kill -VTALRM $PPID; exit 5")
        process = self.spawn(["--reject-on", "3"], "sh", "-c", script)
        wait_for(lambda: self.state(process.pid) == "T" and [self.state(pid) for pid in children(process.pid)] == ["Z"],
                 what="the end of the command")
        os.kill(process.pid, signal.SIGCONT)
        self.assertEqual(process.wait(60), 5)

    def test_stopped_and_continued(self):
        """As by a shell: in a process group that has its parent in another one. An orphaned group is not stopped."""
        for way in WAYS:
            process = self.teller(way, signal.SIGUSR1, preexec_fn=os.setpgrp)
            os.kill(process.pid, signal.SIGTSTP)
            wait_for(lambda: self.state(process.pid) == "T", what="the stop of podlogin")
            os.kill(process.pid, signal.SIGCONT)
            wait_for(lambda: self.state(process.pid) != "T", what="podlogin to continue")
            os.kill(process.pid, signal.SIGUSR1)
            self.assertEqual(process.stdout.readline(), f"{int(signal.SIGUSR1)}\n")

    def test_a_stop_in_a_container_whose_first_process_it_is(self):
        """That process cannot stop, but the command can."""
        enter = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
        if subprocess.run([*enter, "true"], capture_output=True, check=False).returncode:
            self.skipTest("no PID namespace here")
        process = subprocess.Popen([*enter, PODLOGIN, "exec", "--reject-on", "3", "--", sys.executable, "-c", TELLER,
                                    str(int(signal.SIGUSR1))], stdout=subprocess.PIPE, text=True,
                                   env={**self.environment, "PODLOGIN_SERVER_UID": "0"})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        (first,) = children(process.pid)
        (command,) = children(first)
        os.kill(command, signal.SIGSTOP)
        wait_for(lambda: self.state(command) == "T", what="the stop")
        os.kill(first, signal.SIGUSR1)  # it has seen the stop when the command has this one
        wait_for(lambda: pending(command) & 1 << signal.SIGUSR1 - 1, what="a signal that waits")
        self.assertEqual(self.state(command), "T")
        os.kill(first, signal.SIGCONT)
        self.assertEqual(process.stdout.readline(), f"{int(signal.SIGUSR1)}\n")

    def test_the_terminal_sends_each_signal_once(self):
        """A second SIGINT ends the Pulumi CLI at once, without waiting for what it is doing."""
        for way in WAYS:
            pid, terminal = pty.fork()
            if pid == 0:
                os.execve(PODLOGIN, [str(PODLOGIN), "exec", *way, "--", sys.executable, "-c", TELLER, str(int(signal.SIGINT)),
                                     str(int(signal.SIGTERM))], self.environment)
            text = self.read_terminal(terminal, "ready")
            os.write(terminal, b"\x03")
            text = self.read_terminal(terminal, "2\r\n")
            os.kill(pid, signal.SIGTERM)
            text += self.read_terminal(terminal, "15\r\n")
            self.assertEqual(re.findall(r"\d+", text), ["2", "15"], way)
            os.kill(pid, signal.SIGKILL)
            os.close(terminal)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -signal.SIGKILL)

    def test_a_terminal_that_ends_tells_the_leader_of_the_session_alone(self):
        """As with docker run -it or ssh -t, when the connection breaks."""
        for way in WAYS:
            told = self.node.directory / f"told-{len(way)}"
            pid, terminal = pty.fork()
            if pid == 0:
                script = f"import os; os.dup2(os.open({str(told)!r}, os.O_CREAT | os.O_WRONLY), 1)\n" + TELLER
                os.execve(PODLOGIN, [str(PODLOGIN), "exec", *way, "--", sys.executable, "-c", script, str(int(signal.SIGHUP))],
                          self.environment)
            wait_for(lambda: told.exists() and told.read_text() == "ready\n", what="the command")
            os.close(terminal)
            wait_for(lambda: told.read_text() == f"ready\n{int(signal.SIGHUP)}\n", what=f"SIGHUP {way}")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_a_timer_that_was_set_before(self):
        """alarm() lasts beyond exec(): some programs limit the time of others so."""
        for way in WAYS:
            self.assertEqual(self.exec(way, "sleep", "20", preexec_fn=lambda: signal.alarm(2)).returncode, -signal.SIGALRM, way)

    def read_terminal(self, terminal, until):
        text = ""
        while until not in text:
            self.assertTrue(select.select([terminal], [], [], 60)[0], text)
            text += os.read(terminal, 1024).decode()
        return text

    def test_a_killed_podlogin_leaves_no_command_behind(self):
        process = self.spawn(["--reject-on", "3"], "sh", "-c", "echo $$; exec sleep 600")
        child = int(process.stdout.readline())
        process.kill()
        wait_for(lambda: not pathlib.Path(f"/proc/{child}").exists() or self.state(child) == "Z", what="the child's end")

    def test_a_large_environment(self):
        """Linux takes 128 KiB for one variable, and a quarter of the stack for all."""
        large = {f"LARGE_{i}": "x" * 65536 for i in range(16)}
        self.environment.update(large)
        count = "import os; print(sum(len(v) for k, v in os.environ.items() if k.startswith('LARGE_')), len(os.environ['PULUMI_ACCESS_TOKEN']) > 8)"
        for way in WAYS:
            self.assertEqual(self.exec(way, sys.executable, "-c", count).stdout, "1048576 True\n")

    def test_arguments_pass_through(self):
        arguments = ["", "--", "--help", "a b", "\n", "x" * 100000, "\udcff"]
        script = "import sys; print(repr(sys.argv[1:]))"
        for way in WAYS:
            self.assertEqual(self.exec(way, sys.executable, "-c", script, *arguments).stdout, f"{arguments!r}\n")

    def test_several_services(self):
        self.node.service("other", provider="Expiration=1h")
        self.node.restart()
        for way in WAYS:
            run = subprocess.run([PODLOGIN, "exec", *way, "pulumi", "other", "--", "printenv", "PULUMI_ACCESS_TOKEN"],
                                 capture_output=True, text=True, check=False, timeout=60, env=self.environment)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertEqual(run.stdout.strip(), self.node.podlogin("token", "other", token_file=self.jwt_file).stdout.strip())
        self.assertEqual(self.exchanges(), 2)


class Secrets(NodeCase):
    """What a look from outside finds while podlogin stays as the parent."""

    def setUp(self):
        super().setUp()
        self.node.start()
        self.jwt = self.mint()
        self.environment = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.node.jwt_file(self.jwt)))
        self.token = self.get(self.jwt)[1]["token"]

    def run_parent(self):
        # a sanitizer would take the signal for a fault, and exit
        environment = {**self.environment, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"}
        process = subprocess.Popen([PODLOGIN, "exec", "--reject-on", "3", "--", "sh", "-c", "echo $$; exec sleep 600"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment,
                                   cwd=self.node.directory, preexec_fn=allow_cores)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, int(process.stdout.readline())

    def test_proc_shows_none(self):
        process, child = self.run_parent()
        for pid in (process.pid, child):
            self.assertNotIn(self.token.encode(), pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
        if os.getuid() == 0:  # others may not look at all
            self.assertNotIn(self.token.encode(), pathlib.Path(f"/proc/{process.pid}/environ").read_bytes())
            self.assertIn(self.token.encode(), pathlib.Path(f"/proc/{child}/environ").read_bytes())

    def test_no_core(self):
        control = subprocess.Popen(["sleep", "600"], preexec_fn=allow_cores, cwd=self.node.directory)
        if not self.dumps_core(control):
            self.skipTest("no process dumps a core here")
        process, _ = self.run_parent()
        self.assertFalse(self.dumps_core(process))

    def dumps_core(self, process):
        process.send_signal(signal.SIGSEGV)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, -signal.SIGSEGV)
        return os.WCOREDUMP(status)


def allow_cores():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


class Rejects(ChildCase):
    """The command's exit status says that the upstream rejects the token."""

    def setUp(self):
        super().setUp()
        self.first = self.get(self.jwt)[1]["token"]
        self.clock.turn(31)

    def token(self):
        return self.get(self.jwt)[1]["token"]

    def test_the_next_run_has_another_token(self):
        for way, status in ((["--reject-on", "3"], 4), (["--reject-on=none"], 3), ([], 3)):
            self.assertEqual(self.exec(way, "sh", "-c", f"exit {status}").returncode, status)
            self.assertEqual(self.token(), self.first)
        run = self.exec(["--reject-on", "2,3"], "sh", "-c", "echo $PULUMI_ACCESS_TOKEN; exit 3")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (3, f"{self.first}\n", ""))
        self.assertNotEqual(self.token(), self.first)
        self.assertEqual(self.exchanges(), 2)

    def test_it_is_no_loop(self):
        """The command runs once; a token that was just replaced is not replaced again."""
        marker = self.node.directory / "marker"
        for _ in range(5):
            self.assertEqual(self.exec(["--reject-on", "3"], "sh", "-c", f"echo >>{marker}; exit 3").returncode, 3)
        self.assertEqual(marker.read_text(), "\n" * 5)
        self.assertEqual(self.exchanges(), 2)

    def test_a_failed_rejection_changes_nothing(self):
        self.standin.fault_upstream("status", status=500)
        run = self.exec(["--reject-on", "3"], "sh", "-c", "exit 3")
        self.assertEqual((run.returncode, run.stderr), (3, ""))
        run = self.exec(["--reject-on", "3", "--verbose"], "sh", "-c", "exit 3")
        self.assertEqual(run.returncode, 3)
        self.assertIn("UPSTREAM_UNAVAILABLE", run.stderr)
        self.assertEqual(self.token(), self.first)

    def test_a_signal_says_nothing(self):
        self.exec(["--reject-on", "3"], "sh", "-c", "kill -3 $$")
        self.assertEqual(self.exchanges(), 1)

    def test_usage(self):
        for statuses in ("", "0", "256", "3,", ",3", "a", "1,2,3,4,5,6,7,8,9", "3 4"):
            run = self.exec(["--reject-on", statuses], "true")
            self.assertEqual((run.returncode, run.stdout), (64, ""), statuses)
        self.environment["PODLOGIN_REJECT_ON"] = "x"
        run = self.exec([], "true")
        self.assertEqual(run.returncode, 64)
        self.assertIn("x: PODLOGIN_REJECT_ON needs exit statuses", run.stderr)

    def test_the_shim_of_pulumi(self):
        share, real = self.node.directory / "share", self.node.directory / "real"
        real.mkdir()
        subprocess.run([PODLOGIN, "install", share, "pulumi", "other"], check=True)
        for name in ("pulumi", "other"):
            (real / name).write_text('#!/bin/sh\necho "$PULUMI_ACCESS_TOKEN"; exit 3\n')
            (real / name).chmod(0o755)
        self.environment["PATH"] = f"{share}:{real}:/usr/bin:/bin"

        def run(name, **variables):
            return subprocess.run([share / name], capture_output=True, text=True, check=False, timeout=60,
                                  env={**self.environment, **variables})
        for name, variables in (("other", {}), ("pulumi", {"PODLOGIN_REJECT_ON": "none"})):
            self.assertEqual((run(name, **variables).returncode, self.token()), (3, self.first))
        self.assertEqual(run("pulumi").stdout, f"{self.first}\n")
        second = self.token()
        self.assertNotEqual(second, self.first)
        self.clock.turn(31)
        self.assertEqual(run("other", PODLOGIN_REJECT_ON="3").stdout, f"{second}\n")
        self.assertNotEqual(self.token(), second)


if __name__ == "__main__":
    unittest.main()
