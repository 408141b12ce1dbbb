"""Recipes of docs/recipes, run from their own files: pods, and commands of a page.

$PULUMI names the Pulumi CLI; without it, pulumi_cli.py stands for it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from guarded_server import GuardedServer
from node import PODLOGIN, NodeCase

try:
    import kubelet
except ImportError:
    kubelet = None  # there is no python3-yaml

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
RECIPES = SOURCE / "docs/recipes"
REAL = os.environ.get("PULUMI") or shutil.which("pulumi")
CLI = [os.path.abspath(shutil.which(REAL) or REAL)] if REAL else [sys.executable, str(SOURCE / "tests/support/pulumi_cli.py")]
PULUMI_PATH = "/pulumi/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of Pulumi's images


def readme(name):
    return (RECIPES / name / "README.md").read_text()


def commands(name):
    """The commands that the page shows, one a line."""
    return re.findall(r"^    (?!#)(.+)$", readme(name), re.M)


class RecipeCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.bin = self.node.directory / "bin"
        self.bin.mkdir()
        self.pulumi = self.program("pulumi", "exec " + " ".join(CLI))

    def program(self, name, command):
        path = self.bin / name
        path.write_text(f'#!/bin/sh\n{command} "$@"\n')
        path.chmod(0o755)
        return path

    def manifest(self, name, kind):
        found, = (each for each in kubelet.manifests((RECIPES / name).read_text()) if each["kind"] == kind)
        return found


@unittest.skipUnless(kubelet, "needs python3-yaml")
class PodCase(RecipeCase):
    def setUp(self):
        super().setUp()
        kubelet.require_namespaces()
        self.images = {"registry.example/podlogin:0.1.0": {"/podlogin": PODLOGIN},
                       "pulumi/pulumi:latest-nonroot": {"PATH": PULUMI_PATH, "/pulumi/bin/pulumi": self.pulumi}}
        # certificates of the stand-in; what the CLI asks its own servers; and no home
        self.here = {"SSL_CERT_FILE": self.standin.ca, "PULUMI_SKIP_UPDATE_CHECK": "true", "HOME": "/nonexistent"}

    def pod(self, template, **options):
        return kubelet.Kubelet(self, template, self.images, **options)

    def assert_runs(self, pod, container, command=None, code=0, **variables):
        """Runs a container until it ends, with this code. Returns its output; there is no token in what it logs."""
        got, out, error = pod.run(container, command, **self.here, **variables)
        self.assertEqual(got, code, f"{out}\n{error}")
        self.assertNotRegex(out + error, "eyJ|pul-")
        return out


class ToolCase(RecipeCase):
    """The commands of a page, in a directory with its files, as a container of this node."""

    name = None

    def setUp(self):
        super().setUp()
        self.directory = self.node.directory / "recipe"
        shutil.copytree(RECIPES / self.name, self.directory)
        (self.bin / "podlogin").symlink_to(PODLOGIN)
        self.changes = {}

    def start(self, service):
        """Starts the daemon with the service of the recipe. Here, the stand-in is the upstream."""
        text = (self.directory / f"{service}.conf").read_text()
        for old, new in (("Issuer=eks\n", f"Issuer=eks\nCAFile={self.standin.ca}\n"),
                         ("[AWS]\n", f"[AWS]\nEndpoint={self.standin.upstream}\n"),
                         ("https://login.example.com/token", f"{self.standin.upstream}/oauth2/token")):
            text = text.replace(old, new)
        self.node.write(f"services.d/{service}.conf", text)
        audience = re.search("^Audience=(.*)$", text, re.M)[1]
        self.token_file = self.node.jwt_file(self.mint(audience=[audience]))
        self.node.start()

    def take(self, *lines, **variables):
        """Runs these commands of the page. Returns the output."""
        text = "\n".join(lines)
        for old, new in self.changes.items():
            text = text.replace(old, new)
        run = subprocess.run(
            ["bash", "-ec", text], cwd=self.directory, capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL, env=self.node.environment(
                PATH=f"{self.bin}:{os.environ['PATH']}", HOME=str(self.node.directory), no_proxy="*",
                PODLOGIN_TOKEN_FILE=str(self.token_file), **variables))
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def serve(self, host, scheme, allows, answer):
        """A server with the name @host, which is another one here, also in the files. It admits the tokens that @allows
        finds in what a client says."""
        def is_valid(authorization):
            token = self.standin.issued(allows(authorization))
            return token and token["valid"]

        server = GuardedServer(self.standin, scheme, is_valid, answer)
        self.addCleanup(server.stop)
        self.changes[host] = server.host
        for path in self.directory.iterdir():
            path.write_text(path.read_text().replace(host, server.host))
        return server
