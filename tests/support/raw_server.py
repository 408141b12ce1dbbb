"""An HTTPS server that sends exactly the bytes that a test wants, with the stand-in's certificate.

For answers that no HTTP library sends: twice, late, of another protocol, contradictory."""

import os
import select
import socket
import ssl
import threading
import time


def http(body, status="200 OK", *headers):
    """A complete answer, in bytes."""
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}",
             *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Request:
    """A request as it came: @head and @body are bytes. @connection numbers the server's connections from 0."""

    def __init__(self, head, body, connection):
        self.head, self.body, self.connection = head, body, connection

    @property
    def path(self):
        return self.head.split(b" ", 2)[1].decode()


class RawServer:
    """Answers each request with what @answer(request) returns: bytes to send, or a list of these, and numbers of
    seconds to wait. After None, closes the connection. Calls @before_tls(), in the thread of the connection."""

    def __init__(self, standin, answer, before_tls=lambda: None):
        self._answer, self._before_tls = answer, before_tls
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(os.path.join(standin.directory, "server.pem"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake, self._end = os.pipe()
        self.requests = []
        self.n_connections = 0
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while self._wake not in select.select([self._listener, self._wake], [], [])[0]:
            connection, _ = self._listener.accept()
            connection.settimeout(60)
            threading.Thread(target=self._serve, args=(connection, self.n_connections),
                             daemon=True).start()
            self.n_connections += 1

    def _serve(self, plain, number):
        try:
            self._before_tls()
            with self._context.wrap_socket(plain, server_side=True) as connection:
                while self._serve_one(connection, number):
                    pass
        except (OSError, ValueError):
            pass  # the client has closed the connection

    def _serve_one(self, connection, number):
        data = b""
        while b"\r\n\r\n" not in data:
            received = connection.recv(65536)
            if not received:
                return False
            data += received
        head, body = data.split(b"\r\n\r\n", 1)
        length = [int(line.split(b":")[1]) for line in head.split(b"\r\n")
                  if line.lower().startswith(b"content-length:")]
        while length and len(body) < length[0]:
            body += connection.recv(65536)
        request = Request(head, body, number)
        self.requests.append(request)
        answer = self._answer(request)
        for part in answer if isinstance(answer, list) else [answer]:
            if part is None:
                return False
            if isinstance(part, bytes):
                connection.sendall(part)
            else:
                time.sleep(part)
        return True

    def stop(self):
        os.close(self._end)
        self._thread.join()
        self._listener.close()
        os.close(self._wake)
