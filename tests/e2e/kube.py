"""A cluster on one machine: a real API server, controller manager, scheduler, kubelet and containerd, for test_cluster.py.

They are found on PATH. Runs in the namespaces of cluster.sh. The node has no DNS and no service addresses; 10.96.0.1:443
and other addresses that pods use are forwarded to the loopback interface."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl", "etcd", "containerd",
            "ctr", "runc", "buildah", "spiffe-csi-driver", "csi-node-driver-registrar", "helm")
CNI = pathlib.Path("/usr/lib/cni")
NODE, ADDRESS, SERVICE_ADDRESS = "n1", "10.0.0.1", "10.96.0.1"
TAINT = "podlogin.io/starting"
USERS = {"admin": ("admin", "system:masters"), "kcm": ("system:kube-controller-manager", "system:masters"),
         "sched": ("system:kube-scheduler", "system:masters"), "kubelet": (f"system:node:{NODE}", "system:nodes")}


def missing():
    """Returns what is not there, or None."""
    lacking = [name for name in PROGRAMS if not shutil.which(name)]
    if not (CNI / "bridge").exists():
        lacking.append("the CNI plugins")
    return ", ".join(lacking) or None


def run(*command, check=True, **options):
    options.setdefault("timeout", 300)
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                            stdin=None if "input" in options else subprocess.DEVNULL, **options)
    if check and result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.returncode}: {result.stdout}{result.stderr}")
    return result.stdout


def wait_for(condition, what, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout_s} s")
        time.sleep(0.3)


def forward(address, port, to_port):
    """Forwards TCP connections to the loopback interface."""
    listener = socket.create_server((address, port))

    def pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve():
        while True:
            client = listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", to_port))
            for ends in ((client, server), (server, client)):
                threading.Thread(target=pump, args=ends, daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()


class Cluster:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.log = self.directory / "log"
        self.log.mkdir()
        self.processes = []
        self._network()
        self._certificates()
        self._control_plane()
        self._node()

    def start(self, name, *command):
        with open(self.log / name, "wb") as log:
            self.processes.append(subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log,
                                                   stderr=log, cwd=self.directory))

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def _network(self):
        for command in ("link set lo up", "link add ext type veth peer name ext0", f"addr add {ADDRESS}/24 dev ext",
                        f"addr add {SERVICE_ADDRESS}/32 dev ext", "link set ext up", "link set ext0 up",
                        "route add default via 10.0.0.254 dev ext"):
            run("ip", *command.split())
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        forward(SERVICE_ADDRESS, 443, 6443)
        forward(ADDRESS, 6443, 6443)

    def _certificates(self):
        d = self.directory
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", d / "api.key",
            "-out", d / "api.crt", "-subj", "/CN=kubernetes", "-addext",
            f"subjectAltName=IP:127.0.0.1,IP:{ADDRESS},IP:{SERVICE_ADDRESS},DNS:kubernetes.default.svc")
        run("openssl", "genrsa", "-out", d / "sa.key", "2048")
        run("openssl", "rsa", "-in", d / "sa.key", "-pubout", "-out", d / "sa.pub")
        (d / "tokens.csv").write_text("".join(f'{key}-token,{user},{key},"{group}"\n'
                                              for key, (user, group) in USERS.items()))
        for key in USERS:
            (d / f"{key}.conf").write_text(json.dumps({
                "apiVersion": "v1", "kind": "Config", "current-context": "x",
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443",
                                                       "certificate-authority": str(d / "api.crt")}}],
                "users": [{"name": "u", "user": {"token": f"{key}-token"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}))

    def _control_plane(self):
        d = self.directory
        self.start("etcd", "etcd", "--data-dir", d / "etcd", "--listen-client-urls", "http://127.0.0.1:2379",
                   "--advertise-client-urls", "http://127.0.0.1:2379", "--listen-peer-urls", "http://127.0.0.1:2380",
                   "--unsafe-no-fsync")
        self.start("apiserver", "kube-apiserver", "--etcd-servers", "http://127.0.0.1:2379", "--cert-dir", d,
                   "--tls-cert-file", d / "api.crt", "--tls-private-key-file", d / "api.key",
                   "--bind-address", "127.0.0.1", "--secure-port", "6443", "--advertise-address", ADDRESS,
                   "--service-cluster-ip-range", "10.96.0.0/16",
                   "--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
                   "--service-account-key-file", d / "sa.pub", "--service-account-signing-key-file", d / "sa.key",
                   "--token-auth-file", d / "tokens.csv", "--authorization-mode", "Node,RBAC",
                   "--enable-admission-plugins", "NodeRestriction", "--allow-privileged",
                   "--kubelet-preferred-address-types", "InternalIP")
        wait_for(lambda: self.kubectl("get", "--raw", "/readyz", check=False) == "ok", "the API server")
        self.start("kcm", "kube-controller-manager", "--kubeconfig", d / "kcm.conf", "--leader-elect=false",
                   "--service-account-private-key-file", d / "sa.key", "--root-ca-file", d / "api.crt",
                   "--bind-address", "127.0.0.1")
        self.start("scheduler", "kube-scheduler", "--kubeconfig", d / "sched.conf", "--leader-elect=false",
                   "--bind-address", "127.0.0.1")

    def _node(self):
        d = self.directory
        (d / "cni").mkdir()
        (d / "cni/10.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": "n", "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True,
             "ipam": {"type": "host-local", "dataDir": str(d / "ipam"), "ranges": [[{"subnet": "10.244.0.0/24"}]],
                      "routes": [{"dst": "0.0.0.0/0"}]}}]}))
        (d / "containerd.toml").write_text(f"""version = 2
root = "{d}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI}"
    conf_dir = "{d}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
  path = "{d}/opt"
""")
        self.start("containerd", "containerd", "-c", d / "containerd.toml")
        wait_for(lambda: "Version" in self.ctr("version", check=False), "containerd")
        (d / "kubelet.yaml").write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"}, "cgroupDriver": "cgroupfs", "failCgroupV1": False,
            "failSwapOn": False, "enforceNodeAllocatable": [], "makeIPTablesUtilChains": False,
            "containerRuntimeEndpoint": "unix:///run/containerd.sock", "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0.1%", "imagefs.available": "0.1%",
                             "nodefs.inodesFree": "0.1%"},
            "readOnlyPort": 0, "syncFrequency": "2s", "nodeStatusUpdateFrequency": "2s", "podLogsDir": str(d / "podlogs"),
            "registryPullQPS": 0, "maxPods": 200,
            "registerWithTaints": [{"key": TAINT, "effect": "NoSchedule"}]}))
        self.start("kubelet", "kubelet", "--config", d / "kubelet.yaml", "--kubeconfig", d / "kubelet.conf",
                   "--cert-dir", d / "pki", "--hostname-override", NODE, "--node-ip", ADDRESS)
        wait_for(lambda: " Ready" in self.kubectl("get", "node", NODE, check=False), "the node")

    def kubectl(self, *arguments, check=True, **options):
        return run("kubectl", "--kubeconfig", self.directory / "admin.conf", *arguments, check=check, **options)

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def ctr(self, *arguments, check=True):
        return run("ctr", "-a", "/run/containerd.sock", "-n", "k8s.io", *arguments, check=check)

    def load(self, archive):
        self.ctr("images", "import", archive)

    def build(self, name, files, *config):
        """An image with these files, (source, name) each, from scratch."""
        buildah = ("buildah", "--storage-driver", "vfs", "--root", self.directory / "buildah", "--runroot", "/run/buildah")
        container = run(*buildah, "from", "scratch").strip()
        for source, target in files:
            run(*buildah, "copy", "--chmod", "755", container, source, target)
        if config:
            run(*buildah, "config", *config, container)
        run(*buildah, "commit", "--quiet", container, name)
        run(*buildah, "rm", container)
        archive = self.directory / "image.tar"
        run(*buildah, "push", "--quiet", name, f"oci-archive:{archive}:{name}")
        run(*buildah, "rmi", name)
        self.load(archive)
        archive.unlink()
