"""Chromium without a window, controlled by its DevTools protocol over a pair of sockets.

Needs only Python's standard library."""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
           "--hide-scrollbars", "--remote-debugging-pipe"]
LOADED = "Page.loadEventFired"
COMPLAINTS = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")


class Browser:
    """A browser with one page and a profile of its own."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="podlogin-test-")
        self.events, self.buffer, self.last_id, self.session = [], b"", 0, None
        near, far = socket.socketpair()
        # The browser reads from descriptor 3 and writes to 4.
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&0 4>&0 </dev/null; exec "$@"', "bash", CHROMIUM, *OPTIONS,
             f"--user-data-dir={self.profile}", "about:blank"],
            stdin=far, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.profile})
        far.close()
        self.connection = near
        self.connection.settimeout(120)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.connection.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _message(self):
        while b"\0" not in self.buffer:
            block = self.connection.recv(1 << 20)
            if not block:
                raise RuntimeError("the browser has ended")
            self.buffer += block
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        """Returns the result of a command. Appends the events that arrive before the result to events."""
        self.last_id += 1
        order = {"id": self.last_id, "method": method, "params": parameters}
        if self.session:
            order["sessionId"] = self.session
        self.connection.sendall(json.dumps(order).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self.last_id:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def open(self, url, width, height, scheme):
        """Opens @url in a window of this size, with the color scheme "light" or "dark"; a narrow one is a phone."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not self.happened(LOADED):
            self.events.append(self._message())

    def happened(self, *methods):
        """The parameters of the events with these names since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def complaints(self):
        """What stands in the browser's console."""
        self.evaluate("1")  # what happened before it has arrived
        return self.happened(*COMPLAINTS)

    def requests(self):
        return [event["request"]["url"] for event in self.happened("Network.requestWillBeSent")]

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["text"])
        return result["result"].get("value")

    def screenshot(self, path, whole=True):
        """Writes a PNG of the window, or of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"clip": {**size, "x": 0, "y": 0, "scale": 1}} if whole else {}
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **clip)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
