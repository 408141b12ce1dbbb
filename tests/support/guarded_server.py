"""An HTTPS server with the stand-in's certificate, which answers only who has one of the credentials it knows."""

import base64
import contextlib
import http.server
import os
import ssl
import threading
import traceback


def basic(authorization):
    """User name and password of an Authorization; empty strings: it has none."""
    kind, _, value = authorization.partition(" ")
    if kind != "Basic":
        return "", ""
    username, _, password = base64.b64decode(value).decode().partition(":")
    return username, password


class GuardedServer:
    """@allows(authorization) says who may read; @answer(path) returns (content type, bytes), or None: there is nothing.
    @seen has the Authorization of each request, which may be None, and @errors what went wrong here."""

    def __init__(self, standin, scheme, allows, answer):
        self.seen, self.errors = [], []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                server.seen.append(self.headers["Authorization"])
                allowed = self.headers["Authorization"] and allows(self.headers["Authorization"])
                standin.close()  # the connection of this thread
                found = answer(self.path) if allowed else None
                kind, body = found or ("text/plain", b"")
                self.send_response(200 if found else 404 if allowed else 401)
                if not allowed:
                    self.send_header("WWW-Authenticate", scheme)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *_):
                server.errors.append(traceback.format_exc())

            def shutdown_request(self, request):
                with contextlib.suppress(OSError):
                    request.unwrap().close()  # GnuTLS wants to be told
                super().shutdown_request(request)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(standin.directory, "server.pem"))
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.host = f"localhost:{self._server.server_port}"
        self.url = "https://" + self.host
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self):
        with contextlib.suppress(OSError):
            self._server.shutdown()
        self._thread.join()
        self._server.server_close()
