#!/usr/bin/env python3
"""The static command in podman containers, in cgroups of pods, against a daemon on the node.

The image has only the command. Containers have private PID namespaces, no network and uid 65532, and the directory of
the socket is mounted read-only. Needs root, podman, buildah and the static command (./dev static)."""

import json
import os
import pathlib
import subprocess
import sys
import unittest
import uuid

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/support"))

from node import NodeCase  # noqa: E402

STATIC = pathlib.Path(os.environ.get("PODLOGIN_STATIC", SOURCE / "build-musl/module/podlogin"))
IMAGE = "localhost/podlogin-e2e"
CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=1024:1024","nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=120, check=False, **options)


class Podman(NodeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = pathlib.Path(cls.root, "containers.conf")
        config.write_text(CONTAINERS_CONF)
        os.environ["CONTAINERS_CONF"] = str(config)
        cls.addClassCleanup(os.environ.pop, "CONTAINERS_CONF")
        container = run("buildah", "from", "scratch").stdout.strip()
        for command in (("buildah", "copy", container, STATIC, "/podlogin"),
                        ("buildah", "config", "--entrypoint", '["/podlogin"]', container),
                        ("buildah", "commit", "--timestamp", "0", container, IMAGE),
                        ("buildah", "rm", container)):
            result = run(*command)
            if result.returncode != 0:
                raise RuntimeError(result.stderr)

    @classmethod
    def tearDownClass(cls):
        run("podman", "rmi", "--force", IMAGE)
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.node.configure("enforce", limits="")
        self.node.start()
        for path in (self.root, self.node.directory, self.node.directory / "pods"):
            os.chmod(path, 0o755)
        self.pods = [str(uuid.uuid4()) for _ in range(2)]

    def mint_for(self, uid):
        return self.mint(pod="job-" + uid[:4], pod_uid=uid)

    def in_container(self, uid, jwt, *arguments, mode="ro", user="65532:65532"):
        """Runs `podlogin` in a container of the pod, as the only process that it sees."""
        token = self.node.jwt_file(jwt, "token-" + uuid.uuid4().hex)
        os.chmod(token, 0o644)
        return run("podman", "--runtime", "runc", "run", "--rm", "--network=none", "--pids-limit=0",
                   f"--user={user}", f"--cgroup-parent=/kubepods/besteffort/pod{uid}",
                   f"--volume={self.node.socket.parent}:/run/podlogin:{mode}",
                   f"--volume={token}:/token:ro", "--env=PODLOGIN_TOKEN_FILE=/token", IMAGE,
                   *arguments)

    def test_a_container_is_served_with_its_own_pods_token(self):
        result = self.in_container(self.pods[0], self.mint_for(self.pods[0]), "token", "--json")
        self.assertEqual(result.returncode, 0, result.stderr + self.node.log())
        self.assertEqual(json.loads(result.stdout)["source"], "exchange")
        # a second container of the pod, and a hit
        result = self.in_container(self.pods[0], self.mint_for(self.pods[0]), "token", "--json")
        self.assertEqual(json.loads(result.stdout)["source"], "cache")
        self.assertIn(f"peer_pod_uid={self.pods[0]}", self.node.log())
        self.assertIn("peer_uid=65532", self.node.log())

    def test_a_container_of_another_pod_is_refused(self):
        stolen = self.mint_for(self.pods[0])
        result = self.in_container(self.pods[1], stolen, "token")
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertIn("PEER_MISMATCH", result.stderr)
        self.assertEqual(self.exchanges(), 0)
        # a cached token does not change that
        self.assertEqual(self.in_container(self.pods[0], stolen, "token").returncode, 0)
        self.assertIn("PEER_MISMATCH", self.in_container(self.pods[1], stolen, "token").stderr)

    def test_a_directory_that_the_container_can_write_to(self):
        os.chmod(self.node.socket.parent, 0o777)
        result = self.in_container(self.pods[0], self.mint_for(self.pods[0]), "token", mode="rw")
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertIn("UNTRUSTED_SERVER", result.stderr)
        # mounted read-only, the same directory is accepted
        result = self.in_container(self.pods[0], self.mint_for(self.pods[0]), "token")
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    if "PODLOGIN_E2E_INSIDE" not in os.environ:
        # the layout of kubelet, with cgroup v2 only
        os.environ["PODLOGIN_E2E_INSIDE"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                              'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"', "sh",
                              sys.executable, *sys.argv])
    unittest.main()
