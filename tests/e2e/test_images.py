#!/usr/bin/env python3
"""The images: what is in them, that they are built alike twice, and the daemon replaced under load. Run by
`./dev e2e images` with those of `./dev images`; needs root, podman, buildah and skopeo's archives (oci-archive)."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/support"))

import pods  # noqa: E402
from node import BUILD, NodeCase, wait_for  # noqa: E402
from test_podman import CONTAINERS_CONF, run  # noqa: E402

IMAGES = pathlib.Path(os.environ.get("PODLOGIN_IMAGES", SOURCE / "build-images")).absolute()
UID = 65532
RATE = 200
ELF_MACHINES = {"amd64": 62, "arm64": 183}


class Archive:
    """An archive with the index of an image for several architectures, each with one layer."""

    def __init__(self, path):
        self.file = tarfile.open(path)
        descriptor, = json.load(self.file.extractfile("index.json"))["manifests"]
        self.digest = descriptor["digest"]  # what a registry would call the image: the archive itself has times
        self.manifests = {each["platform"]["architecture"]: each for each in self.blob(descriptor, json.loads)["manifests"]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def blob(self, descriptor, parse=bytes):
        return parse(self.file.extractfile("blobs/sha256/" + descriptor["digest"].partition(":")[2]).read())

    def image(self, architecture):
        """(configuration, {path: TarInfo}, {path: bytes})"""
        manifest = self.blob(self.manifests[architecture], json.loads)
        layer, = manifest["layers"]
        with tarfile.open(fileobj=io.BytesIO(self.blob(layer))) as files:
            members = {member.name.rstrip("/"): member for member in files}
            contents = {path: files.extractfile(member).read() for path, member in members.items() if member.isreg()}
        return self.blob(manifest["config"], json.loads), members, contents


def archive(name, directory=IMAGES):
    return Archive(directory / f"{name}.tar")


def images():
    """[(name of its list, architecture, its image)] of all archives."""
    found = []
    for name in ("podlogind", "podlogin"):
        with archive(name) as each:
            found += [(name if name == "podlogind" else f"{name}-{architecture}", architecture, each.image(architecture))
                      for architecture in each.manifests]
    return found


class Contents(unittest.TestCase):
    def test_the_command_s_image_has_one_program(self):
        for name, architecture, (config, members, contents) in images()[1:]:
            with self.subTest(architecture):
                files = [path for path, member in members.items() if member.isreg()]
                self.assertEqual(sorted(files), ["podlogin", "usr/share/doc/podlogin/podlogin.spdx.json"])
                self.assertLess(len(gzip.compress(contents["podlogin"])), 80_000)
                self.assertEqual(config["architecture"], architecture)
                self.assertEqual(int.from_bytes(contents["podlogin"][18:20], "little"), ELF_MACHINES[architecture])
                self.assertEqual(config["config"]["Entrypoint"], ["/podlogin"])
                self.assertEqual(config["config"]["User"], "65532:65532")

    @unittest.skipUnless(shutil.which("aarch64-linux-gnu-gcc"), "there is no compiler for arm64")
    def test_the_command_s_image_is_for_both_architectures(self):
        with archive("podlogin") as command:
            self.assertEqual(set(command.manifests), {"amd64", "arm64"})

    def test_the_daemon_s_image_has_no_shell_and_nothing_to_write_to(self):
        _, _, (config, members, _) = images()[0]
        self.assertEqual(config["config"]["User"], "65532:65532")
        for path, member in members.items():
            self.assertEqual(member.mode & 0o6000, 0, path)  # setuid, setgid
            self.assertEqual(member.uid, 0, path)
            self.assertTrue(not member.mode & 0o022 or path == "tmp" or member.issym(), path)
        programs = {path for path, member in members.items() if member.isreg() and member.mode & 0o111
                    and ".so" not in path}
        self.assertEqual(programs, {"usr/sbin/podlogind", "usr/sbin/podloginctl", "usr/sbin/podlogin-exporter",
                                    "usr/sbin/podlogin-untaint", "usr/libexec/podlogin-exchanger"})

    def test_the_lists_name_what_is_there(self):
        for name, architecture, (_, members, contents) in images():
            title = name.partition("-")[0]
            document = json.loads((IMAGES / f"{name}.spdx.json").read_text())
            self.assertEqual(json.loads(contents[f"usr/share/doc/podlogin/{title}.spdx.json"]), document)
            listed = {each["fileName"].removeprefix("./"): each["checksums"][0]["checksumValue"]
                      for each in document["files"]}
            for path, digest in listed.items():
                self.assertEqual(hashlib.sha256(contents[path]).hexdigest(), digest, path)
            left = {path for path, member in members.items() if member.isreg()} - set(listed)
            self.assertLessEqual(left, {"etc/passwd", "etc/group", "etc/nsswitch.conf",
                                        f"usr/share/doc/podlogin/{title}.spdx.json"})
            packages = {each["name"]: each["versionInfo"] for each in document["packages"]}
            self.assertIn(title, packages)
            if title == "podlogind":
                self.assertLessEqual({"libc6", "ca-certificates"}, set(packages))
                self.assertGreater(len(packages), 15)
            else:
                self.assertIn("musl-dev", packages)

    def test_they_are_built_alike(self):
        """In another directory, from other objects."""
        with tempfile.TemporaryDirectory(prefix="podlogin-test-") as scratch:
            copy = pathlib.Path(scratch, "somewhere/else")
            subprocess.run(["git", "clone", "-q", SOURCE, copy], check=True)
            subprocess.run([copy / "dev", "images"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for name in ("podlogind", "podlogin"):
                with archive(name) as one, archive(name, copy / "build-images") as other:
                    self.assertEqual(one.digest, other.digest)


@unittest.skipIf(pods.unavailable(), str(pods.unavailable()))
class Containers(NodeCase):
    """The daemon in a container without privileges, in the node's PID namespace; jobs in containers of their own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = pathlib.Path(cls.root, "containers.conf")
        config.write_text(CONTAINERS_CONF)
        os.environ["CONTAINERS_CONF"] = str(config)
        cls.addClassCleanup(os.environ.pop, "CONTAINERS_CONF")
        for name in ("podlogind", "podlogin"):
            loaded = run("podman", "load", "-i", IMAGES / f"{name}.tar")
            if loaded.returncode:
                raise RuntimeError(loaded.stderr)

    @classmethod
    def tearDownClass(cls):
        run("podman", "rmi", "--force", "localhost/podlogind:build", "localhost/podlogin:build")
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.node.configure("enforce")
        self.pod = pods.Pod()
        self.addCleanup(self.pod.remove)
        for path in (self.root, self.node.directory, pathlib.Path(self.root, "standin")):
            os.chmod(path, 0o755)
        self.node.socket.parent.mkdir()
        for path in (self.node.directory, *self.node.directory.rglob("*")):
            if self.node.etc not in (path, *path.parents):
                os.chown(path, UID, UID)
        self.token = self.node.jwt_file(self.mint(pod="job", pod_uid=self.pod.uid))
        self.token.chmod(0o644)

    def start_daemon(self, name):
        result = run("podman", "--runtime", "runc", "run", "--detach", f"--name={name}", "--pid=host", "--network=host",
                     "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--pids-limit=0",
                     f"--volume={self.root}:{self.root}", "localhost/podlogind:build", "--config", self.node.etc, "--replace")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.addCleanup(run, "podman", "rm", "--force", "--time", "0", name)

    def daemon_log(self, name):
        result = run("podman", "logs", name)
        return result.stdout + result.stderr

    def wait_until_serving(self, name):
        wait_for(lambda: "serving at" in self.daemon_log(name), what=self.daemon_log(name))

    def job(self, *arguments, image="localhost/podlogin:build", options=()):
        return run("podman", "--runtime", "runc", "run", "--rm", "--network=none", "--pids-limit=0", *options,
                   f"--cgroup-parent=/{os.path.dirname(self.pod.path)}", f"--env=PODLOGIN_SERVER_UID={UID}",
                   f"--volume={self.node.socket.parent}:/run/podlogin:ro", f"--volume={self.token}:/token:ro",
                   "--env=PODLOGIN_TOKEN_FILE=/token", image, *arguments)

    def build_job(self, *lines):
        """An image with a shell alone, and what these lines of its file add. Returns its name."""
        directory = self.node.directory / "image"
        directory.mkdir(exist_ok=True)
        shutil.copy(shutil.which("busybox"), directory)
        (directory / "Containerfile").write_text("\n".join(["FROM scratch", "COPY busybox /bin/sh", *lines, ""]))
        name = f"localhost/podlogin-test:{len(lines)}"
        result = run("buildah", "build", "--isolation", "chroot", "--pull-never", "--tag", name, directory)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.addCleanup(run, "podman", "rmi", "--force", name)
        return name

    def assert_has_a_token(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(self.standin.issued(result.stdout.strip()), result.stdout)

    def test_a_job_is_served_by_a_daemon_without_privileges(self):
        self.start_daemon("podlogin-a")
        self.wait_until_serving("podlogin-a")
        result = self.job("token", "--json")
        self.assertEqual(result.returncode, 0, result.stderr + self.daemon_log("podlogin-a"))
        self.assertTrue(self.standin.issued(json.loads(result.stdout)["token"]))
        self.assertIn(f"peer_pod_uid={self.pod.uid}", self.daemon_log("podlogin-a"))
        for restriction in ("cannot restrict", "has no Landlock"):
            self.assertNotIn(restriction, self.daemon_log("podlogin-a"))

    def test_a_job_has_the_command_from_its_image(self):
        self.start_daemon("podlogin-a")
        self.wait_until_serving("podlogin-a")
        tool = ["exec", "pulumi", "--", "/bin/sh", "-c", "echo $PULUMI_ACCESS_TOKEN"]
        with self.subTest("a copy in the job's image"):
            image = self.build_job("COPY --from=localhost/podlogin:build /podlogin /usr/local/bin/podlogin")
            self.assert_has_a_token(self.job("/usr/local/bin/podlogin", *tool, image=image))
        with self.subTest("a volume that is the command's image"):
            volume = "--mount=type=image,source=localhost/podlogin:build,destination=/opt/podlogin"
            image = self.build_job()
            self.assert_has_a_token(self.job("/opt/podlogin/podlogin", *tool, image=image, options=[volume]))

    def test_a_new_version_takes_over_under_load(self):
        self.start_daemon("podlogin-0")
        self.wait_until_serving("podlogin-0")
        load = subprocess.Popen([BUILD / "tests/support/steady", str(RATE), "16"], stdout=subprocess.PIPE, text=True,
                                env={"PODLOGIN_TOKEN_FILE": str(self.token), "PODLOGIN_SOCKET": str(self.node.socket),
                                     "PODLOGIN_SERVER_UID": str(UID)}, preexec_fn=self.pod.enter)
        for version in range(1, 4):
            time.sleep(1)
            self.start_daemon(f"podlogin-{version}")
            self.wait_until_serving(f"podlogin-{version}")
            stopped = run("podman", "stop", "--time", "10", f"podlogin-{version - 1}")
            self.assertEqual(stopped.returncode, 0, stopped.stderr)
            self.assertEqual(run("podman", "wait", f"podlogin-{version - 1}").stdout.strip(), "0")
        time.sleep(1)
        load.send_signal(signal.SIGTERM)
        figures = json.loads(load.communicate(timeout=120)[0])
        print(f"3 replacements under {RATE} logins/s: {figures}", file=sys.stderr)
        self.assertEqual(figures["failed"], 0, figures)
        self.assertGreater(figures["logins"], RATE)


if __name__ == "__main__":
    unittest.main(verbosity=2)
