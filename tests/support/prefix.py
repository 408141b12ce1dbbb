"""The library as it is installed, for programs that are built against it with pkg-config."""

import os
import pathlib
import shlex
import subprocess

BUILD = pathlib.Path(os.environ.get("PODLOGIN_BUILD", "build")).absolute()
SANITIZERS = ["-fsanitize=address,undefined"] if "sanitized" in str(BUILD) else []


def meson(*arguments):
    """Runs meson as ./dev does: with the system's Python, for which it is installed."""
    subprocess.run(["meson", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "PATH": f"/usr/bin:/bin:{os.environ['PATH']}"})


class Prefix:
    """Library and headers, installed below @directory."""

    def __init__(self, directory):
        meson("install", "-C", BUILD, "--no-rebuild", "--destdir", directory, "--tags", "devel,runtime")
        package, = pathlib.Path(directory).rglob("libpodlogin.pc")
        self._package = package.parent
        self._root = directory
        self.library = self._package.parent
        self.include = self.library.parent / "include"

    def flags(self, *options):
        """What pkg-config prints for the library."""
        return shlex.split(subprocess.run(
            ["pkg-config", *options, "libpodlogin"], check=True, capture_output=True, text=True,
            env={**os.environ, "PKG_CONFIG_PATH": str(self._package), "PKG_CONFIG_SYSROOT_DIR": str(self._root),
                 "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}).stdout)

    def build(self, program, source, *options):
        """Builds @program as a user of the library would; it finds the library where it was installed."""
        subprocess.run(["cc", "-g", "-O1", "-Wall", "-Wextra", "-Werror", *SANITIZERS, *options, "-o", program, source,
                        *self.flags("--cflags", "--libs"), f"-Wl,-rpath,{self.library}"], check=True)
        return program
