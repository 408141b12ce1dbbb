"""Runs the containers of a manifest on this machine, as kubelet would: in a mount namespace, where their volumes are at
their places, with the environment of the manifest, and the token and the socket of a node.

The images are not here: a container has this machine's files, without what is in HIDDEN. An image is a dictionary of files
and of "PATH"; its programs are named as the container names them. What the policy of deploy/kubernetes/components/injection
adds is added here, too. Two things differ: users are not changed, and the daemon's user is the one of the test."""

import copy
import os
import subprocess
import unittest

import yaml

HIDDEN = ("run", "var", "opt", "mnt", "srv", "media")
SERVER_UID = "65532"  # of the daemon in a cluster
ROOT = "0"  # whom the test's user is mapped to
TOKEN = "/var/run/secrets/podlogin/serviceaccount"

# Mounts are those of `unshare --mount`: nobody else sees them, and they end with the container.
ENTER = """
root=$1; shift
mount -t tmpfs tmpfs "$root"
for path in /*; do
    name=${path#/}
    case " $HIDDEN_DIRECTORIES " in *" $name "*) continue ;; esac
    if [ -L "$path" ]; then cp -P "$path" "$root"
    elif [ -d "$path" ]; then mkdir "$root$path" && mount --rbind "$path" "$root$path"; fi
done
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$2"
    else mkdir -p "$root${2%/*}" && touch "$root$2"; fi
    mount --rbind "$1" "$root$2"
    shift 2
done
shift
mount -t tmpfs tmpfs "$root/dev/shm"
exec chroot "$root" /usr/bin/env -u HIDDEN_DIRECTORIES -u CONTAINER_PATH PATH="$CONTAINER_PATH" "$@"
"""


def manifests(text):
    return [each for each in yaml.safe_load_all(text) if each]


def template(manifest):
    """The pod of a manifest: of a Pod, or of something that makes one."""
    return manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]


def injected(pod):
    """The pod with what the policy adds to those that have the label."""
    pod = copy.deepcopy(pod)
    if pod["metadata"].get("labels", {}).get("podlogin.io/inject") != "true":
        return pod
    audience = pod["metadata"].get("annotations", {}).get("podlogin.io/audience", "urn:pulumi:org:acme")
    pod["spec"].setdefault("volumes", []).extend([
        {"name": "podlogin", "csi": {"driver": "csi.podlogin.io", "readOnly": True}},
        {"name": "podlogin-token",
         "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": audience}}]}}])
    for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
        container.setdefault("env", []).append({"name": "PODLOGIN_SERVER_UID", "value": SERVER_UID})
        container.setdefault("volumeMounts", []).extend([
            {"name": "podlogin", "mountPath": "/run/podlogin", "readOnly": True},
            {"name": "podlogin-token", "mountPath": TOKEN, "readOnly": True}])
    return pod


def require_namespaces():
    """Skips the test where nobody may make a mount namespace."""
    probe = subprocess.run([*unshare(), "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True)
    if probe.returncode:
        raise unittest.SkipTest("needs a mount namespace")


def unshare():
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


class Kubelet:
    """One pod of a node. @images has the files of each image, by its name, such as {"/podlogin": PATH}."""

    def __init__(self, case, pod, images, namespace="ci"):
        self.case, self.node, self.images = case, case.node, images
        self.pod = injected(pod)
        self.spec = self.pod["spec"]
        self.directory = self.node.directory / "pod"
        self.volumes = {}
        self.server_uid = ROOT
        account = self.spec["serviceAccountName"]
        self.mint = lambda audience: case.mint(namespace=namespace, serviceaccount=account, audience=[audience])
        for volume in self.spec.get("volumes", []):
            self.volumes[volume["name"]] = self.make_volume(volume)

    def make_volume(self, volume):
        if "csi" in volume:
            self.case.assertEqual(volume["csi"], {"driver": "csi.podlogin.io", "readOnly": True})
            self.node.socket.parent.mkdir(exist_ok=True)
            return self.node.socket.parent
        directory = self.directory / "volumes" / volume["name"]
        directory.mkdir(parents=True)
        for source in volume.get("projected", {}).get("sources", []):
            token = source["serviceAccountToken"]
            (directory / token["path"]).write_text(self.mint(token["audience"]))
        return directory

    def container(self, name):
        found, = (each for each in [*self.spec.get("initContainers", []), *self.spec["containers"]] if each["name"] == name)
        return found

    def environment(self, container, image, **variables):
        listed = {each["name"]: each["value"] for each in container.get("env", [])}
        self.case.assertIn(listed.get("PODLOGIN_SERVER_UID"), (None, SERVER_UID))
        path = listed.pop("PATH", image.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HIDDEN_DIRECTORIES": " ".join(HIDDEN), "CONTAINER_PATH": path,
                **variables, **listed, "PODLOGIN_SERVER_UID": self.server_uid}

    def spawn(self, name, command=None, stdin=subprocess.DEVNULL, **variables):
        """Starts a container, with another command if one is given. @variables are added to its environment."""
        container = self.container(name)
        image = container.get("image", name)
        mounts = [part for place, file in self.images[image].items() if place != "PATH" for part in (file, place)]
        for mount in container.get("volumeMounts", []):
            mounts += [self.volumes[mount["name"]], mount["mountPath"]]
        root = self.directory / "root"
        root.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [*unshare(), "sh", "-ec", ENTER, "sh", root, *mounts, "--", *(command or container["command"])],
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.environment(container, self.images[image], **variables))

    def run(self, name, command=None, **variables):
        """Runs a container until it ends. Returns (exit code, output, error)."""
        process = self.spawn(name, command, **variables)
        out, error = process.communicate(timeout=120)
        return process.returncode, out, error
