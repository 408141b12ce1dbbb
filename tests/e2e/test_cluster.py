#!/usr/bin/env python3
"""The manifests and the images in a real cluster of one node: run by `./dev e2e cluster` in the namespaces of cluster.sh.

Kubernetes, containerd, etcd, the CSI driver and Helm are found on PATH; the images are those of `./dev images`. Pods find
the cluster's addresses in /etc/hosts (hostAliases), because there is no DNS; everything else is as it is delivered."""

import json
import os
import pathlib
import re
import shutil
import sys
import time
import unittest

import kube
from kube import ADDRESS, NODE, SERVICE_ADDRESS, TAINT, run, wait_for

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "tests/standin")]

from standin import Standin  # noqa: E402

BUILD = pathlib.Path(os.environ.get("PODLOGIN_BUILD", SOURCE / "build")).absolute()
IMAGES = pathlib.Path(os.environ.get("PODLOGIN_IMAGES", SOURCE / "build-images")).absolute()
ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "urn:pulumi:org:acme"
UID = 65532
RATE = 200  # logins per second
JOBS = 50
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 1234, "seccompProfile": {"type": "RuntimeDefault"}}
CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def libraries(program):
    return re.findall(r"(?:=> |^\t)(/\S+) \(0x", run("ldd", program), re.MULTILINE)


def pod(name, command, namespace="ci", account="pulumi-runner", image="localhost/job:1", labels=None, **spec):
    """A pod of a namespace that enforces the restricted profile; the label alone asks for podlogin."""
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace,
                         "labels": {"podlogin.io/inject": "true"} if labels is None else labels},
            "spec": {"serviceAccountName": account, "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                     "securityContext": RESTRICTED,
                     "containers": [{"name": "job", "image": image, "imagePullPolicy": "Never", "command": command,
                                     "securityContext": CONFINED}],
                     "volumes": [{"name": "scratch", "emptyDir": {}}], **spec}}


class Cluster(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(os.environ["CLUSTER_SCRATCH"])
        began = time.monotonic()
        cls.cluster = kube.Cluster(cls.scratch)
        cls.addClassCleanup(cls.cluster.stop)
        print(f"the cluster is ready after {time.monotonic() - began:.0f} s", file=sys.stderr)
        cls.load_images()
        cls.standin = Standin(BUILD / "tests/standin/podlogin-standin", cls.scratch / "standin")
        cls.addClassCleanup(cls.standin.stop)
        cls.upstream_port = int(cls.standin.upstream.rpartition(":")[2])
        kube.forward(ADDRESS, cls.upstream_port, cls.upstream_port)
        cls.standin.trust(**{ISSUER: json.loads(cls.cluster.kubectl("get", "--raw", "/openid/v1/jwks"))})
        for namespace, level in (("ci", "restricted"),):
            cls.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {
                "name": namespace, "labels": {"pod-security.kubernetes.io/enforce": level}}})
            for account in ("pulumi-runner", "pulumi-load", "pulumi-gone"):
                cls.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                           "metadata": {"name": account, "namespace": namespace}})
        cls.overlay = cls.make_overlay()
        cls.install()

    @classmethod
    def load_images(cls):
        cluster = cls.cluster
        cluster.load(IMAGES / "podlogind.tar")
        for version in ("1", "2"):
            cluster.ctr("images", "tag", "localhost/podlogind:build", f"localhost/podlogind:{version}")
        cluster.load(IMAGES / "podlogin.tar")
        busybox, command = shutil.which("busybox"), SOURCE / "build-musl/module/podlogin"
        cluster.build("localhost/pause:1", [(busybox, "/busybox")], "--cmd", '["/busybox","sleep","1000000"]')
        steady = BUILD / "tests/support/steady"
        cluster.build("localhost/job:1", [(busybox, "/bin/sh"), (busybox, "/bin/busybox"), (command, "/bin/podlogin"),
                                          (steady, "/bin/steady"), *((path, path) for path in libraries(steady))])
        pulumi = cls.scratch / "pulumi"  # prints the user of the file that the CLI reads
        pulumi.write_text("#!/bin/sh\nexec /bin/busybox sed -n 's/.*\"username\": *\"\\([^\"]*\\)\".*/\\1/p' "
                          "$PULUMI_CREDENTIALS_PATH/credentials.json\n")
        pulumi.chmod(0o755)
        cluster.build("localhost/pulumi:1", [(busybox, "/bin/sh"), (busybox, "/bin/busybox"), (pulumi, "/pulumi/bin/pulumi")],
                      "--env", "PATH=/pulumi/bin:/bin")
        for name in ("spiffe-csi-driver", "csi-node-driver-registrar"):
            cluster.build(f"localhost/{name}:1", [(shutil.which(name), f"/{name}")], "--entrypoint", f'["/{name}"]')

    @classmethod
    def apply(cls, *objects):
        cls.cluster.kubectl("apply", "-f", "-", input="\n---\n".join(map(json.dumps, objects)))

    @classmethod
    def make_overlay(cls):
        """What an administrator does: a copy of an overlay, with an own upstream, images, and names of hosts."""
        directory = cls.scratch / "overlay"
        directory.mkdir()
        deploy = os.path.relpath(SOURCE / "deploy/kubernetes", directory)
        shutil.copy(cls.standin.ca, directory / "ca.pem")
        daemon = (SOURCE / "deploy/kubernetes/overlays/generic/config/podlogind.conf").read_text()
        (directory / "podlogind.conf").write_text(
            daemon + "[Limits]\nConnectionsPerPod=0\nRequestsPerPod=0\nSignatureChecksPerPod=0\nMissesPerPod=0\n")
        service = (SOURCE / "deploy/kubernetes/overlays/generic/config/pulumi.conf").read_text()
        (directory / "pulumi.conf").write_text(service.replace(
            "Provider=pulumi\n", "Provider=pulumi\nCAFile=/etc/podlogin/daemon/ca.pem\n").replace(
            "[Pulumi]\n", f"[Pulumi]\nAPIURL=https://standin.test:{cls.upstream_port}\n"))
        aliases = [{"op": "add", "path": "/spec/template/spec/hostAliases", "value": [
            {"ip": ADDRESS, "hostnames": ["standin.test"]},
            {"ip": SERVICE_ADDRESS, "hostnames": ["kubernetes.default.svc"]}]}]
        (directory / "kustomization.yaml").write_text(json.dumps({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": "podlogin",
            "resources": [f"{deploy}/overlays/generic"], "components": [f"{deploy}/components/taint"],
            "configMapGenerator": [
                {"name": "podlogin", "behavior": "merge", "files": ["podlogind.conf", "ca.pem"]},
                {"name": "podlogin-services", "behavior": "merge", "files": ["pulumi.conf"]}],
            "patches": [{"target": {"kind": "DaemonSet", "name": "podlogin"}, "patch": json.dumps(aliases)}],
            "images": [{"name": "registry.example/podlogind", "newName": "localhost/podlogind", "newTag": "1"},
                       {"name": "podlogind", "newName": "localhost/podlogind", "newTag": "1"}] +
                      [{"name": f"{registry}/{name}", "newName": f"localhost/{name}", "newTag": "1"}
                       for registry, name in (("ghcr.io/spiffe", "spiffe-csi-driver"),
                                              ("registry.k8s.io/sig-storage", "csi-node-driver-registrar"))]}))
        return directory

    @classmethod
    def install(cls):
        cls.cluster.kubectl("apply", "-k", cls.overlay)
        for name in ("podlogin", "podlogin-csi"):
            try:
                cls.cluster.kubectl("-n", "podlogin", "rollout", "status", f"daemonset/{name}", "--timeout=60s")
            except RuntimeError as error:
                raise RuntimeError(f"{error}\n{cls.describe()}") from error

    @classmethod
    def describe(cls):
        """What a person would look at."""
        kubectl = cls.cluster.kubectl
        events = kubectl("get", "events", "-A", "--field-selector", "type=Warning", check=False)
        names = kubectl("-n", "podlogin", "get", "pods", "-o", "name", check=False).split()
        logs = [kubectl("-n", "podlogin", "logs", name, "--all-containers", "--prefix", check=False) for name in names]
        return "\n".join([kubectl("-n", "podlogin", "get", "pods", check=False), *logs, events[-3000:]])

    def run_pod(self, manifest, wait="condition=Ready", timeout="60s"):
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        # the API server sees a policy some time after it was created
        wait_for(lambda: "podlogin-token" in self.cluster.kubectl("apply", "--dry-run=server", "-o", "json", "-f", "-",
                                                                  input=json.dumps(manifest)), "the injection")
        self.apply(manifest)
        self.addCleanup(self.cluster.kubectl, "-n", namespace, "delete", "pod", name, "--ignore-not-found", "--wait=false")
        try:
            self.cluster.kubectl("-n", namespace, "wait", f"--for={wait}", f"pod/{name}", f"--timeout={timeout}")
        except RuntimeError as error:
            described = self.cluster.kubectl("-n", namespace, "describe", "pod", name, check=False)
            raise RuntimeError(f"{error}\n{described}\n{self.describe()}") from error
        return name

    def sleeping_pod(self, name, **options):
        return self.run_pod(pod(name, ["/bin/busybox", "sleep", "1000"], **options))

    def execute(self, name, *command, check=True):
        return self.cluster.kubectl("-n", "ci", "exec", name, "--", *command, check=check)

    def daemon_log(self):
        return self.cluster.kubectl("-n", "podlogin", "logs", "daemonset/podlogin", "-c", "podlogind", "--tail=-1")

    def test_1_the_taint_is_removed_when_the_daemon_is_ready(self):
        wait_for(lambda: TAINT not in json.dumps(self.cluster.get("node", NODE)["spec"]), "the end of the taint")
        log = self.cluster.kubectl("-n", "podlogin", "logs", "daemonset/podlogin", "-c", "untaint")
        self.assertIn(f"removed the taint {TAINT} from node {NODE}", log)

    def test_1_the_daemons_account_may_do_nothing_else_to_a_node(self):
        """Tried with a token of its own, bound to the pod as kubelet binds it; and with one that is bound to none."""
        name = self.cluster.get("-n", "podlogin", "pods", "-l", "app.kubernetes.io/component=daemon")["items"][0][
            "metadata"]["name"]
        uid = self.cluster.get("-n", "podlogin", "pod", name)["metadata"]["uid"]
        bound = self.cluster.kubectl("-n", "podlogin", "create", "token", "podlogin", "--bound-object-kind", "Pod",
                                     "--bound-object-name", name, "--bound-object-uid", uid).strip()
        free = self.cluster.kubectl("-n", "podlogin", "create", "token", "podlogin").strip()
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"},
                    "spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]}})
        self.addCleanup(self.cluster.kubectl, "delete", "node", "other")
        remove = '[{"op":"remove","path":"/spec/taints"}]'
        label = '[{"op":"add","path":"/metadata/labels/x","value":"y"}]'
        cordon = '[{"op":"add","path":"/spec/unschedulable","value":true}]'
        add = '[{"op":"add","path":"/spec/taints","value":[{"key":"x","effect":"NoSchedule"}]}]'
        for token, node, patch, sentence in (
                (bound, "other", remove, "the node that its pod runs on only"), (bound, NODE, label, "nothing but the taints"),
                (bound, NODE, cordon, "the taint podlogin.io/starting only|nothing but the taints"),
                (bound, NODE, add, "the taint podlogin.io/starting only"), (free, "other", remove, "its pod runs on only")):
            result = self.as_account(token, "patch", "node", node, "--type=json", "-p", patch)
            self.assertRegex(result, sentence)
        for arguments in (("get", "secrets", "-A"), ("get", "pods", "-A"), ("delete", "node", "other"), ("get", "nodes"),
                          ("create", "token", "podlogin", "-n", "podlogin")):
            self.assertIn("forbidden", self.as_account(bound, *arguments).lower(), arguments)

    def as_account(self, token, *arguments):
        command = ["kubectl", "--kubeconfig", "/dev/null", "--server", "https://127.0.0.1:6443", "--certificate-authority",
                   self.scratch / "api.crt", "--token", token, *arguments]
        import subprocess
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)
        return result.stdout + result.stderr

    def test_2_the_daemon_has_no_privileges_and_is_confined(self):
        processes = {}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command, status = (path / "cmdline").read_bytes().split(b"\0"), (path / "status").read_text()
            except OSError:
                continue
            if re.match(rb"(/usr/(sbin|libexec)/)?podlogin(d|-)", command[0]):
                processes[path.name] = (b" ".join(command).decode(), status)
        names = " ".join(command for command, _ in processes.values())
        for name in ("podlogind", "issuers", "upstreams", "podlogin-exporter", "podlogin-untaint"):
            self.assertIn(name, names)
        for command, status in processes.values():
            self.assertIn(int(re.search(r"^Uid:\t(\d+)", status, re.MULTILINE)[1]), range(65529, 65534), command)
            for field, value in (("CapEff", "0" * 16), ("CapBnd", "0" * 16), ("NoNewPrivs", "1"), ("Seccomp", "2")):
                self.assertIn(f"{field}:\t{value}\n", status, command)
        for restriction in ("cannot restrict", "has no Landlock", "cannot disable"):
            self.assertNotIn(restriction, self.describe())
        st = pathlib.Path("/run/podlogin").stat()
        self.assertEqual((st.st_uid, oct(st.st_mode)), (UID, "0o40755"))

    def test_3_a_restricted_pod_with_the_label_alone_is_served(self):
        name = self.sleeping_pod("labelled")
        answer = json.loads(self.execute(name, "podlogin", "token", "--json"))
        self.assertTrue(self.standin.issued(answer["token"]))
        identity = json.loads(self.execute(name, "podlogin", "whoami", "--json"))
        self.assertEqual((identity["namespace"], identity["serviceaccount"], identity["pod"]),
                         ("ci", "pulumi-runner", "labelled"))
        self.assertIn("Read-only file system", self.execute(name, "/bin/busybox", "sh", "-c",
                                                            "/bin/busybox touch /run/podlogin/x 2>&1; true"))
        self.assertRegex(self.daemon_log(), "result=OK .* pod=labelled .* peer_pod_uid=[0-9a-f-]{36} ")

    def test_3_a_pod_without_any_volume_is_served(self):
        """And with an init container, and another audience, which its annotation names."""
        manifest = pod("bare", ["/bin/busybox", "sleep", "1000"], automountServiceAccountToken=False)
        del manifest["spec"]["volumes"]
        job, = manifest["spec"]["containers"]
        manifest["spec"]["initContainers"] = [{**job, "name": "first", "command": ["podlogin", "token"]}]
        name = self.run_pod(manifest)
        self.assertTrue(self.standin.issued(self.execute(name, "podlogin", "token").strip()))
        self.assertTrue(self.standin.issued(self.cluster.kubectl("-n", "ci", "logs", name, "-c", "first").strip()))
        manifest = pod("other", ["/bin/busybox", "sleep", "1000"])
        manifest["metadata"]["annotations"] = {"podlogin.io/audience": "urn:pulumi:org:other"}
        output = self.execute(self.run_pod(manifest), "/bin/busybox", "sh", "-c", "podlogin token 2>&1; true")
        self.assertIn("TOKEN_WRONG_AUDIENCE", output)

    def test_3_a_pod_without_the_label_is_left_alone(self):
        self.apply(pod("plain", ["/bin/busybox", "sleep", "1000"], labels={}))
        self.addCleanup(self.cluster.kubectl, "-n", "ci", "delete", "pod", "plain", "--wait=false")
        spec = self.cluster.get("-n", "ci", "pod", "plain")["spec"]
        self.assertNotIn("podlogin", json.dumps([spec["volumes"], spec["containers"]]))

    def test_4_jobs_of_an_account_cost_one_exchange(self):
        self.standin.reset_counts()
        manifest = pod("job", ["podlogin", "exec", "--timeout", "60s", "--", "/bin/busybox", "true"], account="pulumi-load")
        self.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "many", "namespace": "ci"},
                    "spec": {"completions": JOBS, "parallelism": JOBS, "backoffLimit": 0,
                             "template": {"metadata": {"labels": manifest["metadata"]["labels"]},
                                          "spec": {**manifest["spec"]}}}})
        self.addCleanup(self.cluster.kubectl, "-n", "ci", "delete", "job", "many", "--wait=true", "--timeout=60s")
        began = time.monotonic()
        try:
            self.cluster.kubectl("-n", "ci", "wait", "--for=condition=complete", "job/many", "--timeout=280s")
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.describe()}") from error
        self.assertEqual(self.cluster.get("-n", "ci", "job", "many")["status"]["succeeded"], JOBS)
        self.assertEqual(self.standin.counts()["exchanges"], 1)
        print(f"{JOBS} pods of a job, {time.monotonic() - began:.0f} s, 1 exchange", file=sys.stderr)

    def test_5_a_pod_or_an_account_that_was_deleted_is_refused(self):
        thief = self.sleeping_pod("thief")
        victim = self.sleeping_pod("victim")
        path = "/var/run/secrets/podlogin/serviceaccount/token"
        jwt = self.execute(victim, "/bin/busybox", "cat", path)
        self.cluster.kubectl("-n", "ci", "delete", "pod", victim, "--wait", "--timeout=60s")
        use = self.cluster.kubectl("-n", "ci", "exec", "-i", thief, "--", "/bin/busybox", "sh", "-c",
                                   "/bin/busybox cat >/tmp/t 2>/dev/null || /bin/busybox cat >/dev/shm/t; "
                                   "podlogin token --token-file /dev/shm/t 2>&1; echo $?", input=jwt)
        self.assertRegex(use, "PEER_MISMATCH")
        self.assertTrue(use.endswith("77\n"), use)
        gone = self.sleeping_pod("gone", account="pulumi-gone")
        self.cluster.kubectl("-n", "ci", "delete", "serviceaccount", "pulumi-gone")
        self.addCleanup(self.apply, {"apiVersion": "v1", "kind": "ServiceAccount",
                                     "metadata": {"name": "pulumi-gone", "namespace": "ci"}})
        output = self.execute(gone, "/bin/busybox", "sh", "-c", "podlogin token 2>&1; echo $?")
        self.assertIn("TOKEN_REVOKED", output)
        self.assertTrue(output.endswith("77\n"), output)

    def roll(self, version):
        self.cluster.kubectl("-n", "podlogin", "set", "image", "daemonset/podlogin",
                             *(f"{name}=localhost/podlogind:{version}"
                               for name in ("directories", "podlogind", "issuers", "upstreams", "exporter", "untaint")))
        self.cluster.kubectl("-n", "podlogin", "rollout", "status", "daemonset/podlogin", "--timeout=180s")

    def test_6_a_new_version_under_load_fails_no_login(self):
        name = self.run_pod(pod("load", ["/bin/busybox", "sh", "-c", f"exec /bin/steady {RATE} 16"]))
        time.sleep(3)
        for version in ("2", "1"):
            self.roll(version)
            time.sleep(3)
        image = self.cluster.get("-n", "podlogin", "pods", "-l", "app.kubernetes.io/component=daemon")["items"]
        self.assertEqual([each["spec"]["containers"][0]["image"] for each in image], ["localhost/podlogind:1"])
        self.cluster.kubectl("-n", "ci", "exec", name, "--", "/bin/busybox", "sh", "-c", "/bin/busybox kill -TERM 1")
        self.cluster.kubectl("-n", "ci", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/load", "--timeout=60s")
        figures = json.loads(self.cluster.kubectl("-n", "ci", "logs", name))
        print(f"2 rollouts under {RATE} logins/s: {figures}", file=sys.stderr)
        self.assertEqual(figures["failed"], 0)
        self.assertGreater(figures["logins"], 10 * RATE)

    def test_7_the_exporter_is_reached(self):
        self.execute(self.sleeping_pod("counted"), "podlogin", "token")
        address = self.cluster.get("-n", "podlogin", "pods", "-l", "app.kubernetes.io/component=daemon")["items"][0][
            "status"]["podIP"]
        text = run("curl", "-sf", f"http://{address}:9464/metrics")
        self.assertIn('podlogin_requests_total{service="pulumi",result="ok"}', text)


    def objects(self, manifests):
        """Objects as the API server would store them, by kind and name; unknown fields are refused. The names of
        ConfigMaps lose the digest of their contents."""
        listed = json.loads(self.cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-",
                                                 input=manifests))["items"]
        found = {}
        for each in listed:
            text = json.dumps({key: each.get(key) for key in ("data", "spec", "roleRef", "rules", "subjects")} |
                              {"labels": each["metadata"].get("labels"),
                               "namespace": each["metadata"].get("namespace")}, sort_keys=True)
            text = re.sub(r'"checksum/config": "[0-9a-f]+", |(?<=podlogin)((?:-issuers|-services)?)-[0-9a-z]{10}(?=")',
                          r"\1", text)
            text = re.sub(r"(\\n| )+", " ", text)  # how a text was folded
            name = re.sub(r"^(podlogin(?:-issuers|-services)?)-[0-9a-z]{10}$", r"\1", each["metadata"]["name"])
            found[each["kind"], name] = json.loads(text)
        return found

    def test_8_the_chart_renders_the_same_objects(self):
        """By default those of the overlay generic; and those of eks with its values."""
        for overlay, options in (("generic", ()), ("eks", ("apiServer.enabled=false", "taint.enabled=true"))):
            config = SOURCE / f"deploy/kubernetes/overlays/{overlay}/config"
            rendered = self.cluster.kubectl("kustomize", SOURCE / f"deploy/kubernetes/overlays/{overlay}")
            values = [f"--set={option}" for option in options]
            if overlay == "eks":
                values += ["--set=issuers.cluster\\.conf=null", f"--set-file=issuers.eks\\.conf={config}/eks.conf",
                           f"--set-file=services.pulumi\\.conf={config}/pulumi.conf"]
            chart = run("helm", "template", "podlogin", SOURCE / "deploy/helm/podlogin", "--namespace", "podlogin",
                        "--kube-version", "1.36", *values)
            expected, found = self.objects(rendered), self.objects(chart)
            del expected["Namespace", "podlogin"]  # Helm creates the one that it is told
            self.assertEqual(set(found), set(expected))
            for key, each in expected.items():
                self.assertEqual(found[key], each, key)

    def test_8_overlays_are_valid(self):
        for overlay in ("generic", "eks", "kind"):
            self.objects(self.cluster.kubectl("kustomize", SOURCE / f"deploy/kubernetes/overlays/{overlay}"))
        for recipe in (SOURCE / "docs/recipes").glob("*/*.yaml"):
            text = recipe.read_text()
            documents = [part for part in text.split("\n---\n") if "pulumi.com/v1" not in part]
            if documents:
                self.cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-",
                                     input="\n---\n".join(documents))

    def test_8_the_shim_of_an_init_container(self):
        """As in the example for Pulumi's image: each run of a program of the image has a token."""
        spec = pod("shim", ["/bin/busybox", "sh", "-c", "tool; exec /bin/busybox sleep 1000"])
        job, = spec["spec"]["containers"]
        tool = "/share/tool"
        job["env"] = [{"name": "PATH", "value": "/share/podlogin:/share:/bin"}]
        mounts = [{"name": "share", "mountPath": "/share"}]
        job["volumeMounts"] = mounts
        script = f"/bin/busybox printf '#!/bin/busybox sh\\necho has $PULUMI_ACCESS_TOKEN\\n' >{tool}; " \
                 f"/bin/busybox chmod 755 {tool}"
        spec["spec"]["initContainers"] = [
            {"name": "podlogin", "image": "localhost/podlogin:build", "imagePullPolicy": "Never", "volumeMounts": mounts,
             "command": ["/podlogin", "install", "/share/podlogin", "tool"], "securityContext": CONFINED},
            {"name": "tool", "image": "localhost/job:1", "imagePullPolicy": "Never", "volumeMounts": mounts,
             "command": ["/bin/busybox", "sh", "-c", script], "securityContext": CONFINED}]
        spec["spec"]["volumes"] = [{"name": "share", "emptyDir": {}}]
        self.run_pod(spec)
        wait_for(lambda: "has " in self.cluster.kubectl("-n", "ci", "logs", "shim"), "the tool")
        token = re.search("has (.+)", self.cluster.kubectl("-n", "ci", "logs", "shim"))[1]
        self.assertTrue(self.standin.issued(token))

    def run_recipe(self, file, name, container):
        """Applies a job of docs/recipes, with images that are here, and waits for its end. Returns its log."""
        text = (SOURCE / "docs/recipes" / file).read_text()
        text = text.replace("registry.example/podlogin:0.1.0", "localhost/podlogin:build")
        self.cluster.kubectl("apply", "-f", "-", input=text.replace("pulumi/pulumi:latest-nonroot", "localhost/pulumi:1"))
        self.addCleanup(self.cluster.kubectl, "-n", "ci", "delete", "job", name, "--ignore-not-found")
        try:
            self.cluster.kubectl("-n", "ci", "wait", "--for=condition=Complete", f"job/{name}", "--timeout=120s")
        except RuntimeError as error:
            described = self.cluster.kubectl("-n", "ci", "describe", "pods", "-l", f"job-name={name}", check=False)
            raise RuntimeError(f"{error}\n{described}\n{self.describe()}") from error
        return self.cluster.kubectl("-n", "ci", "logs", f"job/{name}", "-c", container).strip()

    def test_8_the_recipes_of_jobs(self):
        for name in ("job.yaml", "job-without-injection.yaml"):
            self.assertEqual(self.run_recipe(f"kubernetes-job/{name}", "runner", "runner"), "ci-bot")
            self.cluster.kubectl("-n", "ci", "delete", "job", "runner", "--wait", "--timeout=60s")

    def test_8_the_recipe_of_a_sidecar(self):
        """The job starts with a token, and ends although the sidecar would go on."""
        self.assertEqual(self.run_recipe("sidecar/job.yaml", "long", "job"), "ci-bot")
        ended, = self.cluster.get("-n", "ci", "pods", "-l", "job-name=long")["items"]
        sidecar, = ended["status"]["initContainerStatuses"]
        self.assertEqual((sidecar["state"]["terminated"]["exitCode"], sidecar["restartCount"]), (0, 0), sidecar)
        self.assertEqual(self.cluster.kubectl("-n", "ci", "logs", "job/long", "-c", "podlogin"), "")

    def test_8_what_the_namespace_of_the_daemon_needs(self):
        """More than the profile restricted allows, and this is all."""
        warning = self.as_account("admin-token", "label", "--dry-run=server", "--overwrite", "namespace", "podlogin",
                                  "pod-security.kubernetes.io/enforce=restricted")
        for reason in ("host namespaces", "restricted volume types", "privileged", "unrestricted capabilities", "runAsUser=0"):
            self.assertIn(reason, warning)

    def test_9_the_chart_is_installed_and_removed(self):
        self.cluster.kubectl("delete", "-k", self.overlay, "--wait", "--timeout=120s")
        self.assertEqual(self.left(), [])
        values = {
            "image": {"repository": "localhost/podlogind", "tag": "1"},
            "csi": {name: {"repository": f"localhost/{image}", "tag": "1"} for name, image in (
                ("driver", "spiffe-csi-driver"), ("registrar", "csi-node-driver-registrar"))},
            "taint": {"enabled": True},
            "config": {name: (self.overlay / name).read_text() for name in ("podlogind.conf", "ca.pem")},
            "services": {"pulumi.conf": (self.overlay / "pulumi.conf").read_text()},
            "hostAliases": [{"ip": ADDRESS, "hostnames": ["standin.test"]},
                            {"ip": SERVICE_ADDRESS, "hostnames": ["kubernetes.default.svc"]}]}
        (self.scratch / "values.json").write_text(json.dumps(values))
        helm = ("helm", "--kubeconfig", self.scratch / "admin.conf", "--namespace", "tokens")
        run(*helm, "install", "podlogin", SOURCE / "deploy/helm/podlogin", "--create-namespace", "--values",
            self.scratch / "values.json", "--wait", "--timeout", "120s")
        name = self.sleeping_pod("by-chart")
        self.assertTrue(self.standin.issued(self.execute(name, "podlogin", "token").strip()))
        self.cluster.kubectl("-n", "ci", "delete", "pod", name, "--wait", "--timeout=60s")
        run(*helm, "uninstall", "podlogin", "--wait", "--timeout", "120s")
        wait_for(lambda: self.left() == [], f"the removal of {self.left()}")

    def left(self):
        """What the cluster still has of podlogin."""
        kinds = self.cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        kinds = [kind for kind in kinds if not kind.startswith("events")]
        names = self.cluster.kubectl("get", ",".join(kinds), "-A", "-o", "name", "--ignore-not-found").split()
        return [name for name in names if "podlogin" in name and not name.startswith("csinode")]


if __name__ == "__main__":
    if kube.missing():
        print(f"cluster: skipped: not on PATH: {kube.missing()}", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")
