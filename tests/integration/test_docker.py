#!/usr/bin/env python3
"""docker-credential-podlogin: what docker and its relatives ask, what they get, and who gets nothing."""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import unittest

from guarded_server import GuardedServer, basic
from node import NodeCase

HOST = "registry.example.com"
NOT_FOUND = "credentials not found in native keychain\n"
KIND = "application/vnd.docker."


def layer():
    """A tar archive with one file."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    return archive.getvalue()


def image():
    """(content type, bytes) of an image's manifest and blobs, by the end of their paths."""
    def digest(content):
        return "sha256:" + hashlib.sha256(content).hexdigest()

    content = layer()
    packed = gzip.compress(content)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": [digest(content)]}}).encode()
    kinds = {"config": (KIND + "container.image.v1+json", config), "layer": (KIND + "image.rootfs.diff.tar.gzip", packed)}
    parts = {name: {"mediaType": kind, "size": len(blob), "digest": digest(blob)} for name, (kind, blob) in kinds.items()}
    kind = KIND + "distribution.manifest.v2+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": parts["config"], "layers": [parts["layer"]]}).encode()
    return {"manifests/1": (kind, manifest), "manifests/" + digest(manifest): (kind, manifest),
            **{"blobs/" + parts[name]["digest"]: kinds[name] for name in kinds}}


class DockerCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.node.service("docker")
        self.node.start()
        self.token_file = self.node.jwt_file(self.mint())
        self.bin = self.node.directory / "bin"
        result = self.node.podlogin("install", str(self.bin), "docker-credential-podlogin", "docker-credential-podlogin-other")
        self.assertEqual(result.returncode, 0, result.stderr)

    def run_in(self, command, text=None, **variables):
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=90,
                              env=self.node.environment(**{
                                  "PODLOGIN_TOKEN_FILE": str(self.token_file), "PATH": f"{self.bin}:{os.environ['PATH']}",
                                  "HOME": str(self.node.directory), "no_proxy": "*", **variables}))


class Helper(DockerCase):
    def helper(self, *arguments, server=HOST, name="docker-credential-podlogin", **variables):
        return self.run_in([self.bin / name, *arguments], server, **variables)

    def assert_answers(self, server=HOST, username="x-access-token", hosts=HOST, **options):
        result = self.helper("get", server=server, **{"PODLOGIN_HOSTS": hosts, **options})
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        answer = json.loads(result.stdout)
        self.assertEqual(set(answer), {"ServerURL", "Username", "Secret"})
        self.assertEqual((answer["ServerURL"], answer["Username"]), (server.rstrip("\r\n"), username))
        self.assertTrue(self.standin.issued(answer["Secret"])["valid"])

    def assert_error(self, words, *arguments, **options):
        """Docker shows what is on standard output."""
        result = self.helper(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (1, ""))
        self.assertIn(words, result.stdout)
        self.assertEqual(result.stdout.count("\n"), 1)

    def test_registries_that_may_have_the_token(self):
        for server in (HOST, HOST + "\n", HOST + "\r\n", f"https://{HOST}", f"https://{HOST}/v1/", f"HTTPS://{HOST}", f"{HOST}/team",
                       HOST.upper()):
            self.assert_answers(server)
        self.assert_answers("localhost:5000", hosts=f"{HOST}, localhost:5000")
        self.assert_answers("https://index.docker.io/v1/", hosts="index.docker.io")

    def test_no_other_registry_gets_anything(self):
        """Docker knows this answer, and pulls without a credential."""
        for server in ("", "a", f"{HOST}:5000", f"a.{HOST}", f"{HOST}.evil.com", f"http://{HOST}", f"HTTP://{HOST}/v1/",
                       f"evil.com/{HOST}", f"https://evil.com/https://{HOST}", f"evil.com,{HOST}", f"me@{HOST}", f"evil://a/://{HOST}",
                       f"https://https://{HOST}", f"evil.com/://{HOST}", f"evil.com?://{HOST}/", f"ftp://{HOST}"):
            with self.subTest(server):
                result = self.helper("get", server=server, PODLOGIN_HOSTS=f"{HOST},b")
                self.assertEqual((result.returncode, result.stdout, result.stderr), (1, NOT_FOUND, ""))
        self.assertEqual(self.exchanges(), 0)

    def test_errors(self):
        hosts = {"PODLOGIN_HOSTS": HOST}
        self.assert_error(f"{HOST}: no registry may have the token; name those that may", "get")
        self.assert_error("takes one operation")
        self.assert_error("takes one operation", "get", "get", **hosts)
        self.assert_error("none: not an operation", "none", **hosts)
        self.assert_error("nothing is stored", "store", server='{"ServerURL":"a","Username":"b","Secret":"c"}', **hosts)
        self.assert_error("not the name of a registry", "get", server="a b", **hosts)
        self.assert_error("not the name of a registry", "get", server=f'{HOST}"\n,"', **hosts)
        self.assert_error("cannot read the name", "get", server="x" * 100000, **hosts)
        self.assert_error("cannot read the name", "get", server=f"{HOST}\0", **hosts)
        self.assert_error("visible ASCII", "get", PODLOGIN_USERNAME="a b", **hosts)
        self.token_file.write_text(self.mint(namespace="prod"))
        self.assert_error("docker: POLICY_DENIED", "get", **hosts)

    def test_the_user_name(self):
        """<token> stands for an identity token."""
        for name in ("oauth2", "<token>", 'a"\\'):
            self.assert_answers(PODLOGIN_USERNAME=name, username=name)

    def test_the_service(self):
        """A pod may have PODLOGIN_SERVICE for another tool, whose token must not reach a registry."""
        self.assert_answers(PODLOGIN_SERVICE="none")
        self.assert_error("other: UNKNOWN_SERVICE", "get", name="docker-credential-podlogin-other", PODLOGIN_HOSTS=HOST)
        self.node.service("other")
        (self.node.etc / "services.d/docker.conf").unlink()
        self.node.restart()
        self.assert_answers(name="docker-credential-podlogin-other")

    def test_other_operations(self):
        self.assertEqual(json.loads(self.helper("list").stdout), {})
        self.assertEqual(json.loads(self.helper("list", PODLOGIN_HOSTS=" a,,b:5000 ").stdout),
                         {"a": "x-access-token", "b:5000": "x-access-token"})
        self.assertRegex(self.helper("version").stdout, r"^docker-credential-podlogin \d+\.\d+\.\d+\n$")
        result = self.helper("erase")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        result = self.helper("--help")
        self.assertTrue(result.stdout.startswith("docker-credential-podlogin [OPTIONS] get|store|erase|list|version\n"))


class Registry(DockerCase):
    """Its relatives ask a registry that wants a password."""

    def setUp(self):
        super().setUp()

        def is_valid(authorization):
            username, password = basic(authorization)
            token = self.standin.issued(password)
            return username == "x-access-token" and token and token["valid"]

        files = {"/v2/": ("application/json", b"{}"), **{"/v2/team/image/" + name: file for name, file in image().items()}}
        self.server = GuardedServer(self.standin, 'Basic realm="registry"', is_valid, files.get)
        self.addCleanup(self.server.stop)
        self.image = self.server.host + "/team/image:1"

    def configure(self, **config):
        directory = self.node.directory / ".docker"
        directory.mkdir(exist_ok=True)
        (directory / "config.json").write_text(json.dumps(config))
        return {"DOCKER_CONFIG": str(directory), "REGISTRY_AUTH_FILE": str(directory / "config.json"),
                "SSL_CERT_FILE": self.standin.ca}

    def assert_reads_it(self, *command, **config):
        variables = self.configure(**config)
        self.server.seen.clear()
        result = self.run_in(command, PODLOGIN_HOSTS=HOST, **variables)
        self.assertNotEqual(result.returncode, 0)
        self.assertFalse(self.passwords(), result.stderr)
        result = self.run_in(command, PODLOGIN_HOSTS=self.server.host, **variables)
        self.assertEqual((result.returncode, self.server.errors), (0, []), result.stderr)
        self.assertEqual(len(self.passwords()), 1)

    def passwords(self):
        """What the registry was told; podman without a credential says that its password is empty."""
        return {basic(authorization)[1] for authorization in self.server.seen if authorization} - {""}

    @unittest.skipUnless(shutil.which("docker"), "no docker is on PATH")
    def test_docker_reads_it(self):
        """Without its daemon, it reads the manifest and the configuration of an image."""
        self.assert_reads_it("docker", "manifest", "inspect", self.image,
                             credHelpers={self.server.host: "podlogin"})
        self.assert_reads_it("docker", "manifest", "inspect", self.image, credsStore="podlogin")

    @unittest.skipUnless(shutil.which("podman") and os.geteuid() == 0, "podman is not on PATH, or needs root")
    def test_podman_pulls_with_it(self):
        self.assert_reads_it("podman", "--root", str(self.node.directory / "root"), "--runroot", str(self.node.directory / "run"),
                             "--storage-driver", "vfs", "pull", self.image,
                             credHelpers={self.server.host: "podlogin"})


if __name__ == "__main__":
    unittest.main()
