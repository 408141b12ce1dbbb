"""An HTTPS server that speaks HTTP/2 (RFC 9113), with the stand-in's certificate, and answers when a test wants.

It does not decode the heads of requests. Those of its answers need no table (RFC 7541, appendix A)."""

import os
import select
import socket
import ssl
import struct
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
REFUSED_STREAM = 7
JSON = b"application/json"
HEAD_200 = b"\x88\x0f\x10" + bytes([len(JSON)]) + JSON  # :status: 200; content-type


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Request:
    """A request whose body is complete. @connection numbers the server's connections from 0."""

    def __init__(self, server_connection, number, stream, body):
        self._connection, self.connection, self.stream, self.body = server_connection, number, stream, body

    def answer(self, body, stream=None):
        """Sends an answer with status 200; on another stream if the test wants."""
        stream = self.stream if stream is None else stream
        self.send(frame(HEADERS, END_HEADERS, stream, HEAD_200) + frame(DATA, END_STREAM, stream, body.encode()))

    def refuse(self):
        """Tells the client that it may send the request again."""
        self.send(frame(RST_STREAM, 0, self.stream, struct.pack(">I", REFUSED_STREAM)))

    def send(self, data):
        self._connection.sendall(data)


class H2Server:
    """Calls @on_request(request), in the thread of the request's connection."""

    def __init__(self, standin, on_request):
        self._on_request = on_request
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(os.path.join(standin.directory, "server.pem"))
        self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake, self._end = os.pipe()
        self.requests = []
        self.n_connections = 0
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def begin_again(self, on_request):
        """Forgets all requests and connections, and calls @on_request from now on."""
        self._on_request, self.requests, self.n_connections = on_request, [], 0

    def _accept(self):
        while self._wake not in select.select([self._listener, self._wake], [], [])[0]:
            connection, _ = self._listener.accept()
            connection.settimeout(60)
            threading.Thread(target=self._serve, args=(connection, self.n_connections), daemon=True).start()
            self.n_connections += 1

    def _serve(self, plain, number):
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                file = connection.makefile("rb")
                file.read(len(PREFACE))
                connection.sendall(frame(SETTINGS, 0, 0))
                self._serve_frames(connection, number, file)
        except (OSError, ValueError):
            pass  # the client has closed the connection

    def _serve_frames(self, connection, number, file):
        bodies = {}
        while len(head := file.read(9)) == 9:
            length = int.from_bytes(head[:3], "big")
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            payload = file.read(length)
            if kind in (SETTINGS, PING) and not flags & ACK:
                connection.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
            if kind == DATA and payload:
                bodies[stream] = bodies.get(stream, b"") + payload
                room = struct.pack(">I", length)
                connection.sendall(frame(WINDOW_UPDATE, 0, 0, room) + frame(WINDOW_UPDATE, 0, stream, room))
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                request = Request(connection, number, stream, bodies.pop(stream, b""))
                self.requests.append(request)
                self._on_request(request)

    def stop(self):
        os.close(self._end)
        self._thread.join()
        self._listener.close()
        os.close(self._wake)
