"""The library in programs that are hard on it: with threads, fork(), signals, dlclose(), and without memory or system
calls that work. No crash, no leak, and never a token of another service or account."""

import contextlib
import json
import os
import pathlib
import subprocess
import time
import unittest

from node import BUILD, NodeCase, scale
from protocol_client import get_token
from wrong_server import TOKEN, WrongServer, error, token

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
PROGRAMS = BUILD / "tests/support"
TOO_MANY = 51


class Case(NodeCase):
    """Two services, and two accounts."""

    def setUp(self):
        super().setUp()
        self.node.service("other", share="pod")
        self.node.start()
        self.jwts = [self.mint(serviceaccount=name) for name in ("one", "two")]
        self.files = [self.node.jwt_file(jwt, f"token-{i}") for i, jwt in enumerate(self.jwts)]

    def expectations(self, *services):
        """What library_use.c reads, in an order in which a neighbour is another account."""
        lines = [f"{service} {file} {get_token(str(self.node.socket), jwt, service).token.decode()}\n"
                 for service in services for jwt, file in zip(self.jwts, self.files)]
        self.assertEqual(len({line.split()[2] for line in lines}), len(lines))
        return "".join(lines)

    def run_program(self, name, *arguments, expectations=None):
        result = subprocess.run([PROGRAMS / name, *map(str, arguments)], text=True, capture_output=True,
                                input=expectations or self.expectations("pulumi", "other"), timeout=240, check=False,
                                env=self.node.environment(PODLOGIN_TIMEOUT="60s"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout


class Library(Case):
    def test_sixteen_threads_with_a_handle_each(self):
        self.run_program("library_program", "threads", scale(300, 3000))

    def test_sixteen_threads_share_no_memory(self):
        """Checked by ThreadSanitizer, in a program of the library's sources."""
        program = self.node.directory / "library_program"
        sources = [path for folder in ("module/library", "protocol", "text") for path in (SOURCE / folder).glob("*.c")]
        sources += [SOURCE / "tests/support" / name for name in ("library_program.c", "library_use.c")]
        folders = [f"-I{SOURCE / name}" for name in ("", "module", "protocol", "tests")]
        command = ["cc", "-g", "-O1", "-fsanitize=thread", "-D_GNU_SOURCE", *folders, "-pthread", "-o", program]
        empty = subprocess.run([*command, "-xc", "-"], input="int main(void) { return 0; }", text=True,
                               capture_output=True, check=False)
        if empty.returncode or subprocess.run([program], capture_output=True, check=False).returncode:
            self.skipTest("ThreadSanitizer does not work here")
        subprocess.run([*command, *sources], check=True)
        self.run_program(program, "threads", 100)

    def test_a_child_that_logs_in_itself(self):
        self.run_program("library_program", "fork", scale(200, 2000))

    def test_a_handle_that_parent_and_child_use(self):
        """It is forbidden, but must not give one of them the token of the other."""
        self.run_program("library_program", "share", scale(200, 2000), expectations=self.expectations("pulumi"))

    def test_a_child_does_not_use_the_watch_of_its_parent(self):
        self.run_program("library_program", "watch", 1)

    def test_a_child_that_outlives_the_connection_of_a_watch(self):
        def first(request):
            return [token(request), None]

        def close(_):
            return None

        def newer(request):
            return token(request, token=b"pul-newer")
        with self.served(first, close, close, close, newer) as (_, expectations):
            self.run_program("library_program", "outlive", 1, expectations=expectations)

    def test_a_storm_of_signals(self):
        self.run_program("library_program", "storm", scale(100, 1000))

    def test_a_storm_of_signals_while_the_answer_comes_in_pieces(self):
        def pieces(request):
            return [bytes([byte]) for byte in token(request)]
        with self.served(pieces) as (server, expectations):
            self.run_program("library_program", "storm", 2, expectations=expectations)
        self.assertEqual(len(server.requests), 2)

    def test_a_storm_of_signals_does_not_shorten_the_delay_that_the_daemon_asks_for(self):
        """The server counts how often it is asked: no request comes before the delay of the first answer is over."""
        end = []

        def too_many(request):
            end.append(time.monotonic() + 0.3)
            return error(request, TOO_MANY, 300) if time.monotonic() < end[0] else token(request)
        with self.served(too_many) as (server, expectations):
            self.run_program("library_program", "storm", 1, expectations=expectations)
        self.assertEqual(len(server.requests), 2)

    @contextlib.contextmanager
    def served(self, *answers):
        """A server in the place of the daemon."""
        self.node.stop()
        with WrongServer(self.node.socket, *answers) as server:
            yield server, f"pulumi {self.files[0]} {TOKEN.decode()}\n"
        self.node.socket.unlink()

    def test_it_is_loaded_and_unloaded_a_thousand_times(self):
        self.run_program("library_reload", BUILD / "module/libpodlogin.so", 1000)

    def test_each_allocation_and_each_system_call_fails_in_turn(self):
        counts = json.loads(self.run_program("library_faults"))
        self.assertGreater(counts["memory"], 5)
        self.assertGreater(counts["calls"], 100)


if __name__ == "__main__":
    unittest.main()
