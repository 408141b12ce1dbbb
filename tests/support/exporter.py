"""A node with its exporter."""

import http.client
import os
import socket
import subprocess
import unittest

from node import BUILD, NodeCase, wait_for

EXPORTER = BUILD / "daemon/podlogin-exporter"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@unittest.skipUnless(EXPORTER.exists(), "built without libmicrohttpd")
class ExporterCase(NodeCase):
    def start_exporter(self, listen=None, **variables):
        """Starts the exporter; @variables are added to its environment."""
        self.port = free_port()
        self.node.configure(extra=f"MetricsListen={listen or f'127.0.0.1:{self.port}'}\n")
        self.exporter_log = self.node.directory / "exporter.log"
        with open(self.exporter_log, "wb") as log:
            self.exporter = subprocess.Popen([EXPORTER, "--config", self.node.etc], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, env={**os.environ, **variables})
        self.addCleanup(self.end_exporter)
        wait_for(lambda: "serving at" in self.exporter_log.read_text() or self.exporter.poll() is not None)

    def end_exporter(self):
        if self.exporter.poll() is None:
            self.exporter.terminate()
            self.assertEqual(self.exporter.wait(30), 0)
        self.assertNotIn("Sanitizer", self.exporter_log.read_text())

    def fetch(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers
        finally:
            connection.close()
