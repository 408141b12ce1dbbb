"""Attestation: clients in real cgroups of pods, and how they try to pass for others."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest

import pods
from node import BUILD, NodeCase, scale, wait_for
from protocol_client import (ANSWERS, STATUSES, Error, Get, Login, decode_frame, decode_payload,
                             encode_message)

REFUSED, CONFIG = 77, 78


def answer_names(connection):
    """Yields for each answer "OK" or the name of the error; "closed" at the end."""
    data = b""
    while True:
        frame = decode_frame(data)
        if frame:
            type_, _, payload, size = frame
            answer = decode_payload(ANSWERS[type_], payload)
            yield STATUSES[answer.status][0] if type_ == Error.TYPE else "OK"
            data = data[size:]
            continue
        received = connection.recv(65536)
        if not received:
            yield "closed"
            return
        data += received


def answer_name(connection):
    """The name of one answer; no other may be on its way."""
    return next(answer_names(connection))


class PodCase(NodeCase):
    """A node with PeerAttestation=enforce, and pods that are cgroups."""

    attestation = "enforce"

    def setUp(self):
        why_not = pods.unavailable()
        if why_not:
            self.skipTest(why_not)
        super().setUp()
        self.node.configure(self.attestation)

    def pod(self, *arguments):
        pod = pods.Pod(*arguments)
        self.addCleanup(pod.remove)
        return pod

    def mint_for(self, pod, **order):
        return self.mint(pod="job-" + pod.uid[:4], pod_uid=pod.uid, **order)

    def ask(self, enter, jwt, *arguments):
        """`podlogin token` as a process that has entered a cgroup: (exit code, output, error)."""
        path = self.node.jwt_file(jwt)
        process = subprocess.run(
            [BUILD / "module/podlogin", "token", "--timeout", "60s", *arguments], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, preexec_fn=enter, timeout=90, check=False,
            env=self.node.environment(PODLOGIN_TOKEN_FILE=str(path)))
        return process.returncode, process.stdout.strip(), process.stderr.strip()

    def served(self, enter, jwt):
        code, token, error = self.ask(enter, jwt)
        self.assertEqual(code, 0, f"{error}\n{self.node.log()}")
        return token

    def refused(self, name, enter, jwt):
        code, _, error = self.ask(enter, jwt)
        self.assertIn(f": {name}: ", error)
        self.assertEqual(code, REFUSED)
        return error

    def answer(self, jwt):
        """What the calling process gets, on a connection of its own."""
        name = "TOO_MANY"
        while name == "TOO_MANY":  # before Linux 6.5, while the process is young
            with self.node.connect() as connection:
                with contextlib.suppress(BrokenPipeError):  # it is turned away; its answer can be read
                    connection.sendall(self.request(jwt))
                name = answer_name(connection)
        return name

    def told_by_child(self, run, pid=None):
        """(What @run returns in a child, the child's pid). The child may get a certain pid, and lives until the end."""
        answer, tell = os.pipe()

        def run_and_tell():
            os.write(tell, run().encode() + b"\n")

        child = pods.fork_as(pid, run_and_tell)
        self.addCleanup(self.end, child)
        os.close(tell)
        with open(answer, encoding="ascii") as pipe:
            return pipe.readline().strip(), child

    def end(self, child):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            pods.end(child)

    def request(self, jwt):
        return encode_message(Login(jwt.encode()), 0) + encode_message(Get("pulumi", timeout_ms=60000), 1)


class Pods(PodCase):
    def test_a_pod_is_served_with_its_own_token(self):
        self.node.start()
        for path in (pods.cgroupfs_path, pods.systemd_path):
            pod = self.pod(path)
            self.served(pod.enter, self.mint_for(pod))
            # also from a cgroup that the pod made itself
            self.served(pod.nest("init.scope"), self.mint_for(pod))

    def test_the_token_of_another_pod_is_refused_without_an_exchange(self):
        self.node.start()
        mine, other = self.pod(), self.pod()
        error = self.refused("PEER_MISMATCH", mine.enter, self.mint_for(other))
        self.assertIn(mine.uid, error)
        self.assertEqual(self.exchanges(), 0)
        # a cached token does not change that
        self.served(other.enter, self.mint_for(other))
        self.refused("PEER_MISMATCH", mine.enter, self.mint_for(other))
        self.assertEqual(self.exchanges(), 1)

    def test_a_process_outside_of_pods_is_refused(self):
        self.node.start()
        error = self.refused("PEER_MISMATCH", None, self.mint_for(self.pod()))
        self.assertIn("runs in no pod", error)
        self.assertNotIn("another pod", error)
        self.assertEqual(self.exchanges(), 0)

    def answer_to(self, name, enter, jwt):
        """What a process of this name gets. The name is part of /proc/PID/stat, and the process chooses it."""
        def ask():
            enter()
            pathlib.Path("/proc/self/comm").write_text(name, "ascii")
            return self.answer(jwt)

        return self.told_by_child(ask)[0]

    def test_a_process_may_have_any_name(self):
        self.node.start()
        pod = self.pod()
        jwt = self.mint_for(pod)
        for name in (")", "a) Z 1 1 1", ") R (", "() ()"):
            self.assertEqual(self.answer_to(name, pod.enter, jwt), "OK")
            self.assertEqual(self.answer_to(name, lambda: None, jwt), "PEER_MISMATCH")

    def test_a_token_that_is_not_bound_to_a_pod_is_refused(self):
        self.node.start()
        pod = self.pod()
        error = self.refused("PEER_MISMATCH", pod.enter, self.mint(pod=None))
        self.assertIn("bound to no pod", error)
        self.assertNotIn("another pod", error)

    def test_a_nested_cgroup_with_the_name_of_another_pod_is_refused(self):
        self.node.start()
        mine, victim = self.pod(), self.pod()
        for path in (pods.cgroupfs_path, pods.systemd_path, lambda uid, _: f"pod{uid}"):
            enter = mine.nest(path(victim.uid, "0" * 64))
            self.refused("PEER_MISMATCH", enter, self.mint_for(victim))
            self.assertIn("two pods", self.refused("PEER_MISMATCH", enter, self.mint_for(mine)))
        self.assertEqual(self.exchanges(), 0)

    def test_hierarchies_that_contradict_each_other(self):
        if len(pods.hierarchies()) < 2:
            self.skipTest("cgroup v2 has one hierarchy")
        self.node.start()
        one = self.pod(pods.cgroupfs_path, pods.hierarchies()[:1])
        two = self.pod(pods.cgroupfs_path, pods.hierarchies()[1:])
        for pod in (one, two):
            self.refused("PEER_MISMATCH", lambda: (one.enter(), two.enter()), self.mint_for(pod))
        self.served(one.enter, self.mint_for(one))

    def test_a_peer_that_dies_before_the_answer(self):
        self.node.start()
        pod = self.pod()
        self.served(pod.enter, self.mint_for(pod, serviceaccount="another"))  # so that the daemon has keys
        exchanger = self.node.exchanger_pid()
        os.kill(exchanger, signal.SIGSTOP)
        with self.client(pod, self.mint_for(pod)) as connection:
            self.wait_for_daemon()  # it has read the request
        os.kill(exchanger, signal.SIGCONT)
        self.assertEqual(answer_name(connection), "PEER_GONE", self.node.log())
        self.assertEqual(self.exchanges(), 2)
        # the exchanged token is cached
        self.served(pod.enter, self.mint_for(pod))
        self.assertEqual(self.exchanges(), 2)

    def test_an_inherited_connection_is_refused(self):
        self.node.start()
        pod = self.pod()
        self.served(pod.enter, self.mint_for(pod))
        with self.client(pod, self.mint_for(pod)) as connection:
            self.assertEqual(answer_name(connection), "OK")
        connection.sendall(encode_message(Get("pulumi"), 2))
        self.assertEqual(answer_name(connection), "PEER_GONE")

    def wait_for_daemon(self):
        waited = self.node.podlogin("wait", "--timeout", "60s")
        self.assertEqual(waited.returncode, 0, waited.stderr)

    @contextlib.contextmanager
    def client(self, pod, jwt):
        """A connection over which a process of the pod has sent a request. The process lives as long as the block."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        self.addCleanup(connection.close)
        inner, outer = socket.socketpair()
        child = os.fork()
        if child == 0:
            try:
                outer.close()
                pod.enter()
                inner.recv(1)
                connection.connect(str(self.node.socket))
                connection.sendall(self.request(jwt))
                inner.sendall(b"x")
                inner.recv(1)
            finally:
                os._exit(0)
        inner.close()
        try:
            # before Linux 6.5: the daemon identifies this younger process, so from now on the child, too
            self.wait_for_daemon()
            outer.sendall(b"x")
            self.assertEqual(outer.recv(1), b"x")
            yield connection
        finally:
            outer.close()  # ends the child
            os.waitpid(child, 0)


def before_6_5():
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) < (6, 5)


class Reuse(PodCase):
    """The pid of the client is reused for a process of the victim's pod, at the best moment for the attacker."""

    def attack(self, attacker, victim, jwt):
        """A connection whose client's pid now belongs to a process of the victim's pod; and that pid."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        child = os.fork()
        if child == 0:
            try:
                attacker.enter()
                connection.connect(str(self.node.socket))
                if jwt:
                    connection.sendall(self.request(jwt))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return connection, pods.fork_as(child, victim.enter)

    def entered(self, pid, pod):
        return pod.uid in pathlib.Path(f"/proc/{pid}/cgroup").read_text("ascii")

    def test_no_wrong_answer(self):
        self.node.start()
        attacker, victim = self.pod(), self.pod()
        stolen = self.mint_for(victim)
        self.served(victim.enter, stolen)  # so that it is cached
        rounds, batch = scale(400, 10000), 40
        answers = {}
        for at in range(0, rounds, batch):
            # all at once while the daemon is stopped, or one after the other while it runs
            stands_still = at // batch % 2 == 0
            if stands_still:
                self.node.process.send_signal(signal.SIGSTOP)
            attacks = [self.attack(attacker, victim, stolen if stands_still else None)
                       for _ in range(batch)]
            wait_for(lambda: all(self.entered(pid, victim) for _, pid in attacks))
            if stands_still:
                self.node.process.send_signal(signal.SIGCONT)
            for connection, pid in attacks:
                if not stands_still:
                    try:
                        connection.sendall(self.request(stolen))
                    except BrokenPipeError:
                        pass  # the daemon has turned it away, and its answer can be read
                name = answer_name(connection)
                answers[name] = answers.get(name, 0) + 1
                connection.close()
                pods.end(pid)
        print(f"{rounds} pids reused: {answers}")
        self.assertEqual(sum(answers.values()), rounds)
        allowed = {"PEER_GONE", "PEER_MISMATCH"}
        if before_6_5():
            allowed.add("TOO_MANY")  # too young to be identified
        self.assertLessEqual(set(answers), allowed)
        self.assertEqual(self.exchanges(), 1)


class Remembered(PodCase):
    """What the daemon remembers of a process that it has served helps no other one."""

    def test_the_next_process_with_its_pid(self):
        self.node.start()
        mine, other = self.pod(), self.pod()
        jwts = [self.mint_for(pod) for pod in (mine, other)]

        def ask_from(pod):
            pod.enter()
            return " ".join(self.answer(jwt) for jwt in jwts)

        for _ in range(10):
            told, child = self.told_by_child(lambda: ask_from(mine))
            self.assertEqual(told, "OK PEER_MISMATCH")
            self.end(child)
            told, child = self.told_by_child(lambda: ask_from(other), child)
            self.assertEqual(told, "PEER_MISMATCH OK")
            self.end(child)

    def test_a_process_that_is_moved_to_another_pod(self):
        self.node.start()
        one, two = self.pod(), self.pod()
        of_one, of_two = self.mint_for(one), self.mint_for(two)

        def ask():
            one.enter()
            names = [self.answer(of_one)]
            two.enter()
            for _ in range(6000):  # it may count for the first pod a little longer
                names.append(self.answer(of_one))
                if names[-1] != "OK":
                    break
                time.sleep(0.01)
            return " ".join([names[0], names[-1], self.answer(of_two)])

        self.assertEqual(self.told_by_child(ask)[0], "OK PEER_MISMATCH OK")

    def test_a_connection_that_outlives_it(self):
        self.node.start()
        pod = self.pod()
        jwt = self.mint_for(pod)
        self.assertEqual(self.told_by_child(lambda: (pod.enter(), self.answer(jwt))[1])[0], "OK")
        for is_reaped in (True, False):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(60)
                child = self.leave(connection, pod, jwt)
                if is_reaped:  # and another process of the pod gets its pid
                    os.waitpid(child, 0)
                    self.addCleanup(pods.end, pods.fork_as(child, pod.enter))
                self.node.process.send_signal(signal.SIGCONT)
                name = answer_name(connection)
                if name != "TOO_MANY" or not before_6_5():  # the other process is too young to be identified
                    self.assertEqual(name, "PEER_GONE")
                if not is_reaped:
                    os.waitpid(child, 0)

    def leave(self, connection, pod, jwt):
        """A process of the pod is served, connects again while the daemon stands still, asks, and ends."""
        inner, outer = socket.socketpair()
        child = os.fork()
        if child == 0:
            try:
                pod.enter()
                inner.sendall(self.answer(jwt).encode())
                inner.recv(1)
                connection.connect(str(self.node.socket))
                connection.sendall(self.request(jwt))
            finally:
                os._exit(0)
        with inner, outer:
            self.assertEqual(outer.recv(16), b"OK")
            self.node.process.send_signal(signal.SIGSTOP)
            outer.sendall(b"x")
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        return child


class Young(PodCase):
    def test_clients_are_served_although_the_queue_is_never_empty(self):
        """Before Linux 6.5, an empty queue shows that a connection is younger than its process."""
        self.node.configure("enforce", limits="")
        self.node.start()
        flooding, pod = self.pod(), self.pod()
        jwt = self.mint_for(pod)
        self.served(pod.enter, jwt)
        for _ in range(6):
            pid = os.fork()
            if pid == 0:
                flooding.enter()
                self.flood()
            self.addCleanup(pods.end, pid)
        for _ in range(3):  # on a slow machine, one timeout may end before its turn comes
            wait_for(lambda: self.ask(pod.enter, jwt)[0] == 0, 600)

    def flood(self):
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(str(self.node.socket))
            except OSError:
                pass


class Audit(PodCase):
    attestation = "audit"

    def test_what_enforce_would_refuse_is_served_and_logged(self):
        self.node.start()
        mine, other = self.pod(), self.pod()
        self.served(mine.enter, self.mint_for(other))
        lines = [line for line in self.node.audit_trail() if "answer result=OK" in line]
        self.assertIn("attestation=PEER_MISMATCH", lines[-1])
        self.assertIn(f"peer_pod_uid={mine.uid}", lines[-1])
        self.assertIn(f" pod_uid={other.uid}", lines[-1])
        self.served(mine.enter, self.mint_for(mine))
        lines = [line for line in self.node.audit_trail() if "answer result=OK" in line]
        self.assertNotIn("attestation=", lines[-1])


class Reload(PodCase):
    attestation = "off"

    def closes_connections(self):
        mine, other = self.pod(), self.pod()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.node.socket))
            connection.sendall(self.request(self.mint_for(mine)))
            self.assertEqual(answer_name(connection), "OK")
            self.node.configure("enforce")
            self.node.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "configuration reloaded" in self.node.log())
            self.assertEqual(connection.recv(1), b"")  # it must connect again, to be looked at
        self.served(mine.enter, self.mint_for(mine))
        self.refused("PEER_MISMATCH", other.enter, self.mint_for(mine))

    def test_enforce_applies_to_existing_connections(self):
        self.node.start()
        self.closes_connections()

    def test_enforce_applies_to_connections_that_were_audited(self):
        self.node.configure("audit")
        self.node.start()
        self.closes_connections()


    def test_quotas_apply_to_existing_connections(self):
        """Without quotas and attestation, the daemon does not look for the pod of a connection."""
        self.node.start()
        with self.node.connect() as connection:
            connection.settimeout(10)
            connection.sendall(self.request(self.mint()))
            self.assertEqual(answer_name(connection), "OK")
            self.node.configure("off", limits="[Limits]\nRequestsPerPod=0\n")
            self.node.process.send_signal(signal.SIGHUP)
            self.assertEqual(connection.recv(1), b"")


class Surroundings(PodCase):
    """Where the daemon cannot see its peers, enforce does not start, and the error says what to change."""

    def started_in(self, *unshare):
        result = subprocess.run(
            ["unshare", *unshare, BUILD / "daemon/podlogind", "--config", self.node.etc,
             "--exchanger", BUILD / "daemon/podlogin-exchanger"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90, check=False)
        if "unshare: " in result.stderr:
            self.skipTest(result.stderr.strip())
        self.assertEqual(result.returncode, CONFIG, result.stderr)
        self.assertIn("PeerAttestation=enforce cannot work here", result.stderr)
        return result.stderr

    def test_a_pid_namespace_of_its_own(self):
        self.assertIn("hostPID: true", self.started_in("--pid", "--fork", "--mount-proc"))
        self.assertIn("/proc", self.started_in("--pid", "--fork"))

    def test_a_user_namespace(self):
        self.assertIn("PrivateUsers=yes", self.started_in("--user", "--map-root-user"))

    def test_a_client_in_a_pid_namespace_of_its_own_is_served(self):
        """The client runs in a PID namespace below the daemon's, like every container."""
        self.node.configure("enforce")
        self.node.start()
        pod = self.pod()
        below = subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", BUILD / "module/podlogin", "token", "--timeout", "60s"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, preexec_fn=pod.enter,
            timeout=90, check=False, env=self.node.environment(
                PODLOGIN_TOKEN_FILE=str(self.node.jwt_file(self.mint_for(pod)))))
        if "unshare: " in below.stderr:
            self.skipTest(below.stderr.strip())
        self.assertEqual(below.returncode, 0, below.stderr)


class NodeBinding(NodeCase):
    """Tokens of pods on other nodes are refused."""

    def get(self, jwt, *arguments):
        return super().get(jwt, "--timeout", "60s", *arguments)

    def start_with(self, extra):
        self.node.configure(extra=extra)
        self.start_with_clock()

    def own_token(self, **order):
        path = self.node.directory / "own-token"
        path.write_text(self.mint(namespace="podlogin", serviceaccount="podlogind",
                                  audience=["https://kubernetes.default.svc"], **order))
        return path

    def test_by_uid(self):
        self.start_with("NodeUID=11111111-2222-3333-4444-555555555555")
        self.assert_served(self.mint(node_uid="11111111-2222-3333-4444-555555555555"))
        self.assert_refused("TOKEN_WRONG_NODE", REFUSED, self.mint(node_uid="another"))
        # the same name, but a node that was replaced
        self.assert_refused("TOKEN_WRONG_NODE", REFUSED, self.mint())
        error = self.assert_refused("TOKEN_WRONG_NODE", REFUSED, self.mint(node=None))
        self.assertIn("names no node", error)
        self.assertNotIn("another node", error)
        self.assertEqual(self.exchanges(), 1)

    def test_a_reload_to_another_node(self):
        here, there = (f"{i}1111111-2222-3333-4444-555555555555" for i in (1, 2))
        for own, served, refused in ((here, here, there), (there, there, here), ("", here, None)):
            self.node.configure(extra=f"NodeUID={own}")
            if self.node.process:
                done = self.node.log().count("configuration reloaded")
                self.node.process.send_signal(signal.SIGHUP)
                wait_for(lambda n=done: self.node.log().count("configuration reloaded") > n)
            else:
                self.node.start()
            self.assert_served(self.mint(node_uid=served))
            if refused:
                self.assert_refused("TOKEN_WRONG_NODE", REFUSED, self.mint(node_uid=refused))

    def test_by_the_daemons_own_token(self):
        self.start_with(f"NodeTokenFile={self.own_token(node='here')}")
        self.assert_served(self.mint(node="here"))
        self.assertIn("the uid of this node is", self.node.log())
        self.assert_refused("TOKEN_WRONG_NODE", REFUSED, self.mint(node="there"))

    def test_an_own_token_with_an_end_of_line_of_windows(self):
        path = self.own_token(node="here")
        path.write_bytes(path.read_bytes().strip() + b"\r\n")
        self.start_with(f"NodeTokenFile={path}")
        self.assert_served(self.mint(node="here"))

    def test_a_daemon_that_does_not_know_its_node_refuses_all_requests(self):
        for order, reason in (({"sign": "rogue"}, "signature"), ({"lifetime": -5}, "expired"),
                              ({"node": None}, "names no node")):
            path = self.own_token(**order)
            self.start_with(f"NodeTokenFile={path}")
            self.assert_refused("INTERNAL", 70, self.mint())
            self.assertIn(reason, self.node.log().rsplit("NodeTokenFile=", 1)[1])
            self.own_token(node="here")  # a valid token arrives; no restart is needed
            known = self.node.log().count("the uid of this node is")
            self.clock.turn(1.1)
            wait_for(lambda: self.node.log().count("the uid of this node is") > known)
            self.assert_served(self.mint(node="here"))
            self.node.stop()


if __name__ == "__main__":
    unittest.main()
