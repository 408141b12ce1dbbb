"""Agents that run on a node as podlogind does, and hand credentials to its pods. Each caches what it has got, and logs
errors only."""

import json
import os
import struct
import subprocess
import time
import urllib.request

import rig
from delay import Delay
from foreign import Server, Unavailable, can_connect, find, free_port, http_request, is_listening

LATENCY_MS = 150  # of the upstream
TOKEN = "hvs.@NUMBER@" + "x" * (rig.TOKEN_BYTES - len("hvs.@NUMBER@"))  # bench-upstream puts a number there


class Agent(Server):
    """storm() lets @n pods of one account ask at one moment, all of them for the first time. Returns the time of the last
    answer over the upstream's latency in ms, and how often the agent called the upstream."""

    def storm(self, n, number):
        before = self.upstream_calls()
        result = self.load("--mode", "storm", "--connections", n, requests=self.storm_requests(n, number))
        return result["max_us"] / 1000 - LATENCY_MS, self.upstream_calls() - before

    def storm_requests(self, n, number):
        raise NotImplementedError

    def upstream_calls(self):
        raise NotImplementedError


class HttpAgent(Agent):
    """An agent whose upstream answers every request with the same JSON."""

    body = None
    _upstream = None

    def start_upstream(self):
        """Returns the URL of the upstream."""
        self._upstream = subprocess.Popen(
            [rig.BENCH / "bench-upstream", str(LATENCY_MS), self.file(json.dumps(self.body).encode())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{json.loads(self._upstream.stdout.readline())['port']}"
        return self.url

    def upstream_calls(self):
        """The calls so far, also those that the agent makes by itself after an answer."""
        count = -1
        while True:
            with urllib.request.urlopen(self.url + "/count", timeout=10) as answer:
                before, count = count, json.load(answer)["requests"]
            if before == count:
                return count
            time.sleep(2 * LATENCY_MS / 1000)

    def request(self, jwt):
        raise NotImplementedError

    def storm_requests(self, n, number):
        jwts = self.rig.jwts(f"{self.framing}-storm", count=n, serviceaccount=f"storm-{number}", pod=f"{number}-%d")
        return [self.request(jwt) for jwt in jwts.read_text().split()]

    def use_one_jwt(self):
        self.requests = [self.request(self.rig.jwts("peer", count=1, serviceaccount="pulumi-runner").read_text())]
        self.expected = b"x" * (rig.TOKEN_BYTES - len("hvs.@NUMBER@"))

    def close(self):
        super().close()
        if self._upstream:
            self._upstream.kill()
            self._upstream.wait()
            self._upstream.stdout.close()


class EksPodIdentityAgent(HttpAgent):
    """It limits itself to 1,000 requests per second by a constant, and answers 429 beyond: it has to be built with
    another one to be measured."""

    name = "EKS Pod Identity Agent"
    programs = ("eks-pod-identity-agent",)
    answer = "AWS credentials for a JWT, over TCP"
    body = {
        "assumedRoleUser": {"arn": "arn:aws:sts::123456789012:assumed-role/ci/bench", "assumeRoleId": "AROA:bench"},
        "audience": "pods.eks.amazonaws.com",
        "podIdentityAssociation": {"associationArn": "arn:aws:eks:eu-central-1:123456789012:podidentityassociation/bench/a-1",
                                   "associationId": "a-1"},
        "subject": {"namespace": "ci", "serviceAccount": "pulumi-runner"},
        "credentials": {"accessKeyId": "ASIA@NUMBER@", "secretAccessKey": "@NUMBER@" * 5, "sessionToken": TOKEN,
                        "expiration": int(time.time()) + 7200},
    }

    def start(self):
        port, probe, metrics = free_port(), free_port(), free_port()
        self.where = ["--port", port]
        self.spawn("eks-pod-identity-agent", "server", "--verbosity", "error", "--cluster-name", "bench",
                   "--bind-hosts", "127.0.0.1", "--port", port, "--probe-port", probe, "--metrics-address", "127.0.0.1",
                   "--metrics-port", metrics, "--endpoint", self.start_upstream(), AWS_REGION="eu-central-1",
                   AWS_ACCESS_KEY_ID="AKIABENCH", AWS_SECRET_ACCESS_KEY="bench", AWS_EC2_METADATA_DISABLED="true")
        self.wait(lambda: is_listening(port))
        self.use_one_jwt()
        self.load("--seconds", 0.01, "--warmup", 0)  # so that the answer is in its cache
        try:
            self.load("--mode", "connect", "--seconds", 0.5, "--connections", 16)
        except rig.Failure as error:
            if "429" in str(error):
                raise Unavailable("it was built with its limit of 1,000 requests per second") from None
            raise

    def request(self, jwt):
        return http_request("/v1/credentials", host="169.254.170.23", Authorization=jwt)


class OpenBaoProxy(HttpAgent):
    """Caches the answer to a login. It renews a new token at once, which is a second call."""

    name = "OpenBao's proxy"
    answer = "the token of a login with a JWT"
    body = {"request_id": "@NUMBER@", "lease_id": "", "renewable": False, "lease_duration": 0, "data": None,
            "wrap_info": None, "warnings": None,
            "auth": {"client_token": TOKEN, "accessor": "@NUMBER@", "policies": ["ci"], "token_policies": ["ci"],
                     "metadata": {"role": "ci"}, "lease_duration": 7200, "renewable": True, "entity_id": "",
                     "token_type": "service", "orphan": True, "num_uses": 0}}

    programs = ("vault" if find("vault") and not find("bao") else "bao",)

    def start(self):
        config = self.directory / "proxy.hcl"
        config.write_text(f'vault {{ address = "{self.start_upstream()}" }}\ncache {{}}\n'
                          f'listener "unix" {{\n  address = "{self.socket}"\n  tls_disable = true\n}}\n')
        self.spawn(self.programs[0], "proxy", f"-config={config}", "-log-level=error")
        self.wait_for_socket()
        self.use_one_jwt()
        self.load("--seconds", 0.01, "--warmup", 0)

    def request(self, jwt):
        return http_request("/v1/auth/jwt/login", json.dumps({"role": "ci", "jwt": jwt}).encode(),
                            X_Vault_Request="true", Content_Type="application/json")


SPIRE_SERVER = """
server {{
    bind_address = "127.0.0.1"
    bind_port = "{port}"
    socket_path = "{directory}/server.sock"
    trust_domain = "bench"
    data_dir = "{directory}/server"
    log_level = "INFO"
    audit_log_enabled = true
    ratelimit {{
        attestation = false
        signing = false
    }}
}}
plugins {{
    DataStore "sql" {{
        plugin_data {{
            database_type = "sqlite3"
            connection_string = "{directory}/server/datastore.sqlite3"
        }}
    }}
    NodeAttestor "join_token" {{
        plugin_data {{}}
    }}
    KeyManager "memory" {{
        plugin_data {{}}
    }}
}}
"""
SPIRE_AGENT = """
agent {{
    data_dir = "{directory}/agent"
    log_level = "ERROR"
    server_address = "127.0.0.1"
    server_port = "{port}"
    socket_path = "{directory}/s"
    insecure_bootstrap = true
    trust_domain = "bench"
}}
plugins {{
    NodeAttestor "join_token" {{
        plugin_data {{}}
    }}
    KeyManager "memory" {{
        plugin_data {{}}
    }}
    WorkloadAttestor "unix" {{
        plugin_data {{}}
    }}
}}
"""


class Spire(Agent):
    """Asked by frames of HTTP/2 that are made before: a client with gRPC costs more than the agent."""

    name = "SPIRE"
    programs = ("spire-server", "spire-agent")
    framing = "grpc"
    answer = "a JWT-SVID of the Workload API"
    _delay = None

    def start(self):
        for name in ("server", "agent"):
            (self.directory / name).mkdir()
        port = free_port()
        self._delay = Delay(port, LATENCY_MS)
        sock = self.directory / "server.sock"
        self.spawn("spire-server", "run", "-config", self.config("server", SPIRE_SERVER, port))
        self.wait(lambda: can_connect(sock))
        node = self.run("spire-server", "token", "generate", "-spiffeID", "spiffe://bench/node", "-socketPath", sock)
        self.run("spire-server", "entry", "create", "-parentID", "spiffe://bench/node", "-spiffeID", "spiffe://bench/pod",
                 "-selector", f"unix:uid:{os.getuid()}", "-jwtSVIDTTL", 7200, "-socketPath", sock)
        self.agent = self.spawn("spire-agent", "run", "-config", self.config("agent", SPIRE_AGENT, self._delay.port),
                                "-joinToken", node.split()[-1])
        self.wait_for_socket()
        self.wait(self.knows_its_workload)
        self.requests = [jwt_svid_request("pulumi")]
        self.opening = HTTP2_OPENING
        self.expected = self.token.encode()

    def config(self, name, text, port):
        path = self.directory / f"{name}.conf"
        path.write_text(text.format(directory=self.directory, port=port))
        return path

    def knows_its_workload(self):
        """The agent asks the server for its entries every five seconds."""
        try:
            out = self.run("spire-agent", "api", "fetch", "jwt", "-audience", "pulumi", "-socketPath", self.socket,
                           "-output", "json")
        except Unavailable:
            time.sleep(0.5)
            return False
        self.token = json.loads(out)[0]["svids"][0]["svid"]
        return True

    def pids(self):
        return [self.agent.pid]

    def upstream_calls(self):
        return self.log().count("method=NewJWTSVID")

    def storm_requests(self, n, number):
        self.expected = b"spiffe://bench/pod"
        return [jwt_svid_request(f"storm-{number}")]

    def close(self):
        super().close()
        if self._delay:
            self._delay.close()


def http2_frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


# SETTINGS without any, and as much credit for the connection as there can be
HTTP2_OPENING = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2_frame(4, 0, 0, b"") +
                 http2_frame(8, 0, 0, struct.pack(">I", 2**31 - 1 - 65535)))


def jwt_svid_request(audience):
    """HEADERS of literals without indexing (RFC 7541, section 6.2.2), and DATA with one message."""
    headers = {":method": "POST", ":scheme": "http", ":path": "/SpiffeWorkloadAPI/FetchJWTSVID", ":authority": "localhost",
               "content-type": "application/grpc", "te": "trailers", "workload.spiffe.io": "true"}
    block = b"".join(b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                     for name, value in headers.items())
    message = b"\x0a" + bytes([len(audience)]) + audience.encode()
    return http2_frame(1, 4, 1, block) + http2_frame(0, 1, 1, struct.pack(">BI", 0, len(message)) + message)


PEERS = (EksPodIdentityAgent, OpenBaoProxy, Spire)
