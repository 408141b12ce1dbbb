"""A server that answers a client as a test says: wrongly, in pieces, late, or not at all."""

import dataclasses
import socket
import threading
import time

from protocol_client import (MAX_REQUEST, Error, Login, Pong, ProtocolError, Token, decode_frame, decode_payload,
                             encode_frame, encode_payload)

TOKEN = b"pul-of-the-wrong-server"


@dataclasses.dataclass
class Request:
    """A request of a client, and the JWT that the connection had logged in with by then."""
    type: int
    id: int
    jwt: bytes


def token_payload(**fields):
    return encode_payload(Token(**{**dict(token=TOKEN, token_type="token", expires_at_s=2**33, source=1,
                                          variable="PULUMI_ACCESS_TOKEN"), **fields}))


def token(request, **fields):
    """The frame of a good answer to GET."""
    return encode_frame(Token.TYPE, request.id, token_payload(**fields))


def pong(request):
    return encode_frame(Pong.TYPE, request.id, encode_payload(Pong("a test")))


def error(request, status, retry_after_ms=0, detail="", id_=None):
    return encode_frame(Error.TYPE, request.id if id_ is None else id_,
                        encode_payload(Error(status, retry_after_ms, detail)))


class WrongServer:
    """Listens at @path, and serves one connection after the other until the block ends.

    Each request is answered by the next of @answers, and by the last when there are no more: a function from the
    Request to bytes, or to a list of pieces that are sent one by one. None, alone or as a piece, closes the
    connection."""

    def __init__(self, path, *answers):
        self._answers = list(answers)
        self.requests = []
        self.received = []  # the bytes of each connection
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._listener.close()
        if self._thread.is_alive():
            raise RuntimeError("a client is still connected")

    def _run(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.received.append(bytearray())
                self._serve(connection, self.received[-1])

    def _serve(self, connection, received):
        """Records all that the client sends, until the client or an answer closes the connection."""
        jwt, at = None, 0
        try:
            while data := connection.recv(65536):
                received += data
                while frame := decode_frame(received[at:], MAX_REQUEST):
                    type_, id_, body, size = frame
                    at += size
                    if type_ == Login.TYPE:
                        jwt = decode_payload(Login, body).subject_token
                    elif not self._answer(connection, Request(type_, id_, jwt)):
                        return
        except (OSError, ProtocolError):
            pass  # the test looks at what was received

    def _answer(self, connection, request):
        self.requests.append(request)
        answer = (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])(request)
        for piece in answer if isinstance(answer, list) else [answer]:
            if piece is None:
                return False
            connection.sendall(piece)
            time.sleep(0.001 if isinstance(answer, list) else 0)
        return True
