"""Peers from Debian's packages. Each answers the request that comes closest to "my credential, please", and each is set up
so that it does as little as it can."""

import http.server
import json
import os
import pathlib
import ssl
import struct
import threading

import rig
from foreign import Server, http_request
from rig import Failure

OWN_CLIENTS = 50
TOKEN = "pul-" + "x" * (rig.TOKEN_BYTES - 4)

NGINX = """
worker_processes 1;
daemon off;
{user}
pid {directory}/pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    open_file_cache max=8 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path {directory}/t1;
    proxy_temp_path {directory}/t2;
    fastcgi_temp_path {directory}/t3;
    uwsgi_temp_path {directory}/t4;
    scgi_temp_path {directory}/t5;
    server {{ listen unix:{directory}/s; root {directory}/root; }}
}}
"""


class Munge(Server):
    """Each credential is encrypted and signed for its request; the connection ends with it."""

    name = "munged"
    programs = ("munged", "munge", "unmunge")
    framing = "munge"
    keeps_connections = False
    answer = "a new credential without payload"

    def start(self):
        key = self.directory / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.spawn("munged", "--foreground", "--force", f"--socket={self.socket}", f"--key-file={key}",
                   f"--pid-file={self.directory}/pid", f"--log-file={self.directory}/munged.log",
                   f"--seed-file={self.directory}/seed")
        self.wait_for_socket()
        self.run("unmunge", "-S", self.socket, given=self.run("munge", "-n", "-S", self.socket))
        # default cipher and MAC, no compression, no realm, default lifetime, for any user
        body = struct.pack(">BBBBIIII", 1, 1, 0, 0, 0, 0xffffffff, 0xffffffff, 0)
        self.requests = [struct.pack(">IBBBI", 0x00606d4b, 4, 2, 0, len(body)) + body]
        self.expected = b"MUNGE:"


class SshAgent(Server):
    """Lists its identities: without a signature, which alone would take longer than all that podlogind does."""

    name = "ssh-agent"
    programs = ("ssh-agent", "ssh-add", "ssh-keygen")
    framing = "ssh-agent"
    answer = "the list of one Ed25519 key, with a comment of 1,000 bytes"

    def start(self):
        self.spawn("ssh-agent", "-D", "-a", self.socket)
        self.wait_for_socket()
        key, comment = self.directory / "key", TOKEN[:1000]
        self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key)
        self.run("ssh-add", key, SSH_AUTH_SOCK=str(self.socket))
        self.requests = [struct.pack(">IB", 1, 11)]
        self.expected = comment.encode()
        self.check(self.requests[0], self.expected)


class Redis(Server):
    name = "Redis"
    programs = ("redis-server",)
    framing = "resp"
    answer = "GET of a value as long as a token"

    def start(self):
        self.spawn("redis-server", "--port", 0, "--unixsocket", self.socket, "--save", "", "--appendonly", "no",
                   "--dir", self.directory)
        self.wait_for_socket()
        self.check(resp("SET", "token", TOKEN), b"+OK\r\n")
        self.requests = [resp("GET", "token")]
        self.expected = b"$%d\r\n%s\r\n" % (len(TOKEN), TOKEN.encode())


def resp(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each.encode()) for each in words)


class Nginx(Server):
    """Keeps the file open, and writes no log."""

    name = "nginx"
    programs = ("nginx",)
    answer = "a static file as long as a token, one worker"

    def start(self):
        root = self.directory / "root"
        root.mkdir()
        (root / "token").write_text(TOKEN)
        config = self.directory / "nginx.conf"
        config.write_text(NGINX.format(directory=self.directory, user="user root;" if os.geteuid() == 0 else ""))
        self.spawn("nginx", "-p", self.directory, "-e", "stderr", "-c", config)
        self.wait_for_socket()
        self.requests = [http_request("/token")]
        self.expected = b"\r\n\r\n" + TOKEN.encode()


class Issuer(http.server.BaseHTTPRequestHandler):
    """As much of an OpenID provider as oidc-agent needs to get an access token once."""

    def do_GET(self):
        url = self.server.url
        self.reply({"issuer": url, "token_endpoint": url + "token", "authorization_endpoint": url + "authorize",
                    "grant_types_supported": ["refresh_token"], "scopes_supported": ["openid"]})

    def do_POST(self):
        self.reply({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 7200, "refresh_token": "refresh"})

    def reply(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class OidcAgent(Server):
    """Is asked in plain text, which it takes as well, and not with a new key for each request, as its own client does.
    The connection ends with the answer."""

    name = "oidc-agent"
    programs = ("oidc-agent", "oidc-token")
    framing = "oidc-agent"
    keeps_connections = False
    answer = "the access token that it has, asked without encryption"
    issuer = None

    def start(self):
        self.issuer = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pathlib.Path(self.rig.standin.directory, "server.pem"))
        self.issuer.socket = context.wrap_socket(self.issuer.socket, server_side=True)
        self.issuer.url = f"https://localhost:{self.issuer.server_port}/"
        threading.Thread(target=self.issuer.serve_forever, daemon=True).start()
        self.spawn("oidc-agent", "--console", "--no-autoload", "--no-webserver", "--socket-path", self.socket)
        self.wait_for_socket()
        account = {"name": "bench", "issuer_url": self.issuer.url, "client_id": "bench", "client_secret": "",
                   "refresh_token": "refresh", "cert_path": self.rig.standin.ca, "scope": "openid", "redirect_uris": []}
        self.check(json.dumps({"request": "add", "config": account}).encode(), b'"status":"success"')
        self.requests = [json.dumps({"request": "access_token", "account": "bench"}).encode()]
        self.expected = TOKEN.encode()

    def details(self, our_cpu_us):
        """With a new key for each request, as its own client asks."""
        before = self.cpu_ns()
        for _ in range(OWN_CLIENTS):
            if self.run("oidc-token", "bench", OIDC_SOCK=str(self.socket)).strip() != TOKEN:
                raise Failure("oidc-token prints another token")
        cpu_us = (self.cpu_ns() - before) / 1000 / OWN_CLIENTS
        return [f"Asked by its own client, `oidc-token`, with encryption, `oidc-agent` spends {cpu_us:,.0f} µs of CPU on a "
                f"request: {cpu_us / our_cpu_us:.1f}x of what podlogind spends on a connection with one request."]

    def close(self):
        super().close()
        if self.issuer:
            self.issuer.shutdown()
            self.issuer.server_close()


PEERS = (Redis, Nginx, SshAgent, Munge, OidcAgent)
