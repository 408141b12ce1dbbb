"""The output of the demo: a line that is updated on a terminal, plain lines elsewhere."""

import http.client
import os
import shutil
import sys
import textwrap
import threading
import time

WIDTH = 80
LIVE_PERIOD_S = 0.1
PLAIN_PERIOD_S = 2.0

IS_TERMINAL = sys.stdout.isatty()
HAS_COLOUR = IS_TERMINAL and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text, code):
    return f"\x1b[{code}m{text}\x1b[0m" if HAS_COLOUR else text


def heading(text):
    print(f"\n{paint(text, '1')}", flush=True)


def say(text, indent="  ", follow=None):
    """Prints a paragraph within the width. Only white space is changed."""
    print(textwrap.fill(text, WIDTH - 1, initial_indent=indent,
                        subsequent_indent=indent if follow is None else follow,
                        break_long_words=False, break_on_hyphens=False), flush=True)


def table(heads, rows):
    """Prints @rows, each a label and its cells, below @heads of two lines each."""
    print()
    for line in range(2):
        print(paint(" " * 34 + "".join(f"{head[line]:>14}" for head in heads), "1"))
    for label, *cells in rows:
        print(f"  {label:<32}" + "".join(f"{cell:>14}" for cell in cells))
    print(flush=True)


class Progress:
    """Shows a wave while it runs, from a thread, so that drawing does not delay the measurement."""

    def __init__(self, title, wave, standin):
        self.title = title
        self.wave = wave
        self.standin = standin
        self.base = standin.counts()["exchanges"]
        self.exchanges = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join()
        if kind is None:
            self._show("\n")
        elif IS_TERMINAL:
            print(flush=True)

    def _watch(self):
        self._show("")
        while not self.over.wait(LIVE_PERIOD_S if IS_TERMINAL else PLAIN_PERIOD_S):
            self._count()
            self._show("" if IS_TERMINAL else "\n")
        self._count()
        self.standin.close()  # this thread's connection

    def _count(self):
        try:
            self.exchanges = self.standin.counts()["exchanges"] - self.base
        except (OSError, http.client.HTTPException):
            pass  # the stand-in is being stopped: Ctrl-C reaches all processes of the terminal

    def _show(self, end):
        if not IS_TERMINAL and not end:
            return
        wave = self.wave
        elapsed_s = wave.total_s or time.monotonic() - wave.began
        line = (f"  {self.title:<19} {len(wave.running):4} running {wave.succeeded:4} logins "
                f"{wave.failed:3} failed {self.exchanges:4} exchanges {elapsed_s:4.1f} s")
        if IS_TERMINAL:
            width = min(WIDTH, shutil.get_terminal_size().columns) - 1
            line = "\r" + line[:width].ljust(width)
        sys.stdout.write(line + end)
        sys.stdout.flush()
