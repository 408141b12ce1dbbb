"""Load on the daemon of a node, with the program of steady.c."""

import json
import signal
import subprocess

from node import BUILD

RATE = 500  # logins per second


class Steady:
    """Jobs of a pod that log in at a steady rate while the block runs. Then, figures has what became of them."""

    def __init__(self, pod, token_file):
        self.pod, self.token_file, self.figures = pod, token_file, None

    def __enter__(self):
        self.process = subprocess.Popen(
            [BUILD / "tests/support/steady", str(RATE), "32"], stdout=subprocess.PIPE, text=True,
            env={"PODLOGIN_TOKEN_FILE": str(self.token_file)}, preexec_fn=self.pod.enter)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.figures = json.loads(self.process.communicate(timeout=120)[0])
