#!/usr/bin/env python3
"""Makes the root file systems of the images, and the list of what is in them (SBOM, SPDX 2.3).

    root.py daemon INSTALLED ROOT LIST    from a staged installation (DESTDIR), with the libraries of this machine
    root.py client PROGRAM ROOT LIST      from the static command

LIST is the file for the list, which is in the image, too.

The libraries are those of this machine's Debian or Ubuntu packages, whose names and versions go into the list."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

PROGRAMS = ("usr/sbin/podlogind", "usr/sbin/podloginctl", "usr/sbin/podlogin-exporter", "usr/sbin/podlogin-untaint",
            "usr/libexec/podlogin-exchanger")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# from the package of glibc: they are loaded when names are looked up
LOADED = ("/etc/host.conf", "/etc/gai.conf")
DIRECTORIES = {"etc/podlogin/daemon": 0o755, "etc/podlogin/issuers.d": 0o755, "etc/podlogin/services.d": 0o755,
               "run/podlogin": 0o755, "run/podlogind": 0o755, "run/podlogin-exchangers": 0o755,
               "var/lib/podlogin": 0o755, "tmp": 0o1777}
LINKS = {  # a ConfigMap can be mounted as a directory only
    "etc/podlogin/podlogind.conf": "daemon/podlogind.conf"}
FILES = {"etc/passwd": "root:x:0:0::/:/sbin/nologin\npodlogin:x:65532:65532::/:/sbin/nologin\n",
         "etc/group": "root:x:0:\npodlogin:x:65532:\n",
         "etc/nsswitch.conf": "hosts: files dns\n"}
HAND_MADE = re.compile(r"etc/(passwd|group|nsswitch\.conf)$")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def libraries(program):
    """The libraries that the loader would take, and the loader itself."""
    return [pathlib.Path(path) for path in re.findall(r"(?:=> |^\t)(/\S+) \(0x", run("ldd", program), re.MULTILINE)]


def put(source, root, name=None):
    target = root / (name or str(source)).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.path.realpath(source), target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def make_daemon(installed, root):
    needed = set()
    for name in PROGRAMS:
        put(installed / name, root, name)
        run("strip", "--strip-unneeded", root / name)
        needed |= set(libraries(installed / name))
    for library in sorted(needed):
        put(library, root)
    for path in (CERTIFICATES, *LOADED):
        if os.path.exists(path):
            put(path, root)
    for name, mode in DIRECTORIES.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    for name, text in FILES.items():
        (root / name).write_text(text)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    return sorted(needed) + [pathlib.Path(CERTIFICATES)]


def make_client(program, root):
    put(program, root, "podlogin")
    return sorted(pathlib.Path("/usr/lib").glob("*-linux-musl/libc.a"))


def package_of(path):
    """(name, version) of the Debian package that has this file; None: none has."""
    for candidate in (path, pathlib.Path(os.path.realpath(path)), pathlib.Path("/usr" + str(path)),
                      pathlib.Path(re.sub("^/usr(?=/lib)", "", str(path)))):
        result = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            name = result.stdout.split(": ")[0].split(",")[0]
            return name.partition(":")[0], run("dpkg-query", "-W", "-f", "${Version}", name)
    return ("ca-certificates", run("dpkg-query", "-W", "-f", "${Version}", "ca-certificates")) \
        if str(path) == CERTIFICATES else None


def file_entry(root, path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    name = str(path.relative_to(root))
    return {"SPDXID": "SPDXRef-File-" + re.sub("[^A-Za-z0-9.-]", "-", name), "fileName": "./" + name,
            "checksums": [{"algorithm": "SHA256", "checksumValue": digest}]}


def package_entry(name, version, purl):
    return {"SPDXID": "SPDXRef-Package-" + re.sub("[^A-Za-z0-9.-]", "-", name), "name": name, "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]}


def make_list(root, title, version, sources, copy):
    """Writes what is in the image: its own files with their digests, and the packages that others came from."""
    packages = sorted({package for package in map(package_of, sources) if package})
    distribution = re.search(r"^ID=\"?(\w+)", pathlib.Path("/etc/os-release").read_text(), re.MULTILINE)[1]
    files = [file_entry(root, path) for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()
             and not HAND_MADE.search(str(path))]
    entries = [package_entry(title, version, f"pkg:generic/{title}@{version}")]
    entries += [package_entry(name, each, f"pkg:deb/{distribution}/{name}@{each}") for name, each in packages]
    digest = hashlib.sha256(json.dumps([files, entries], sort_keys=True).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": title,
        "documentNamespace": f"https://spdx.org/spdxdocs/{title}-{digest}",
        "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: podlogin-root"]},
        "packages": entries, "files": files,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": entries[0]["SPDXID"]}] +
        [{"spdxElementId": entries[0]["SPDXID"], "relationshipType": "CONTAINS", "relatedSpdxElement": each["SPDXID"]}
         for each in entries[1:] + files]}
    path = root / "usr/share/doc/podlogin" / f"{title}.spdx.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    shutil.copy(path, copy)


def main():
    kind, source, root = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    root.mkdir(parents=True)
    version = re.search(r"version: '([^']+)'", (pathlib.Path(__file__).parents[2] / "meson.build").read_text())[1]
    if kind == "daemon":
        make_list(root, "podlogind", version, make_daemon(source, root), sys.argv[4])
    else:
        make_list(root, "podlogin", version, make_client(source, root), sys.argv[4])
    for path in root.rglob("*"):
        if path.is_dir() and path.relative_to(root).as_posix() not in DIRECTORIES:
            path.chmod(0o755)


main()
