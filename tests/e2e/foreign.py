"""A node, and a server of somebody else as its issuer or upstream."""

import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from exporter import free_port
from node import ALLOW_CI, NodeCase, wait_for

SERVICE = """
[Service]
Provider={provider}
Issuer=eks
Audience={audience}
CAFile={ca}

[{section}]
{settings}

{rules}
"""


class ServerCase(NodeCase):
    """The node, and a server of somebody else on a port of its own."""

    hurries = True

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.context = ssl.create_default_context(cafile=self.standin.ca)
        self.certificate = os.path.join(self.standin.directory, "server.pem")
        self.server = None

    def spawn(self, *command, **options):
        self.server_log = self.node.directory / "server.log"
        with open(self.server_log, "ab") as log:
            self.server = subprocess.Popen(command, stderr=log, **{"stdin": subprocess.DEVNULL, "stdout": log, **options})
        self.addCleanup(self.end_server)

    def end_server(self):
        if self.server:
            self.server.terminate()
            self.server.wait(30)
            for stream in (self.server.stdin, self.server.stdout):
                if stream:
                    stream.close()
        self.server = None

    def ask(self, path, body=None, headers=(), method=None):
        """Returns status and JSON of an answer of the server; status 0 if there is none."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, dict(headers), method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"{}")
        except OSError:
            return 0, {}

    def wait_for_server(self, path):
        wait_for(lambda: self.ask(path)[0] or self.server.poll() is not None, what="the server")
        self.assertIsNone(self.server.poll(), self.server_log.read_text()[-2000:])

    def service(self, provider, section, settings, audience=None, ca=None):
        """Replaces all services by one with the name of its provider."""
        for path in (self.node.etc / "services.d").iterdir():
            path.unlink()
        self.provider, self.audience = provider, audience or provider
        self.node.write(f"services.d/{provider}.conf", SERVICE.format(
            provider=provider, audience=self.audience, ca=ca or self.standin.ca, section=section, rules=ALLOW_CI,
            settings="\n".join(f"{name}={value}" for name, value in settings.items())))

    def token(self, **order):
        return self.mint(audience=[self.audience], **order)

    def get(self, jwt, *arguments):
        return super().get(jwt, self.provider, *arguments)

    def run_job(self, jwt, *command, **variables):
        """Runs a command as a job of the service, and returns its output."""
        process = self.node.spawn("exec", self.provider, "--", *command, token_file=self.node.jwt_file(jwt), **variables)
        out, error = process.communicate(timeout=90)
        self.assertEqual(process.returncode, 0, error)
        return out

    def environment(self, jwt):
        return json.loads(self.run_job(jwt, sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"))

    def assert_no_secret_in_logs(self, *secrets):
        for secret in secrets:
            self.assertNotIn(secret, self.node.log())
