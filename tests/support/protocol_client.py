#!/usr/bin/env python3
"""A client of the token protocol, version 1, written from docs/protocol.md alone.

It shares no code with the daemon, so a test that uses it also tests whether the page is complete. For the same reason
it is strict: what the page does not allow is a ProtocolError."""

import argparse
import dataclasses
import json
import re
import socket
import struct
import sys
import time

VERSION = 1
MAX_REQUEST, MAX_ANSWER = 16384, 32768  # bytes of payload
MAX_LIST = 64
HEADER = struct.Struct(">IBBH")  # length of the payload, version, type, id
WIDTH = {"u32": 4, "u64": 8}  # bytes of a number
CONTROL = re.compile(rb"[\x00-\x1f\x7f]")

STATUSES = {  # number: (name, exit code); those from 100 on are never sent
    0: ("OK", 0), 1: ("BAD_FRAME", 70), 2: ("BAD_REQUEST", 70), 3: ("UNKNOWN_SERVICE", 78),
    10: ("TOKEN_MALFORMED", 77), 11: ("TOKEN_UNTRUSTED_ISSUER", 77),
    12: ("TOKEN_BAD_ALGORITHM", 77), 13: ("TOKEN_UNKNOWN_KEY", 77),
    14: ("TOKEN_BAD_SIGNATURE", 77), 15: ("TOKEN_EXPIRED", 77), 16: ("TOKEN_NOT_YET_VALID", 77),
    17: ("TOKEN_WRONG_AUDIENCE", 77), 18: ("TOKEN_WRONG_NODE", 77),
    19: ("TOKEN_REVOKED", 77), 20: ("PEER_MISMATCH", 77),
    21: ("PEER_GONE", 77), 30: ("POLICY_DENIED", 77), 40: ("UPSTREAM_REFUSED", 77),
    41: ("UPSTREAM_UNAVAILABLE", 75), 42: ("UPSTREAM_PROTOCOL", 75),
    43: ("ISSUER_UNAVAILABLE", 75), 44: ("REVIEW_UNAVAILABLE", 75), 50: ("BUSY", 75),
    51: ("TOO_MANY", 75), 60: ("INTERNAL", 70),
    100: ("UNREACHABLE", 69), 101: ("TIMEOUT", 75), 102: ("NO_SUBJECT_TOKEN", 78),
    103: ("BAD_ARGUMENT", 64), 104: ("BAD_ANSWER", 70), 105: ("NO_MEMORY", 70),
    106: ("UNTRUSTED_SERVER", 77), 107: ("CANCELLED", 75), 108: ("NOT_RENEWED", 75),
}
BAD_FRAME, TOO_MANY, INTERNAL = 1, 51, 60


class ProtocolError(Exception):
    """The daemon sent something that the page does not allow."""


class ConnectionClosed(ConnectionError):
    """The daemon closed the connection between two frames, as it may at any time."""


class ServerError(Exception):
    """An ERROR answer. `status` is the number as it was sent; a number that may not be sent has the name INTERNAL."""

    def __init__(self, status, name, retry_after_ms=0, detail=""):
        super().__init__(f"{name} ({status}): {detail}" if detail else f"{name} ({status})")
        self.status, self.name = status, name
        self.retry_after_ms, self.detail = retry_after_ms, detail


# ---- Messages: one table each, with the rows of the page ----

EMPTY = {"u32": int, "u64": int, "bytes": bytes, "string": str, "list": list}


def message(name, type_, *rows):
    """Returns a class for the table of a message. Its repr hides secrets, because tests print failures."""
    cls = dataclasses.make_dataclass(name, [
        (field, EMPTY[kind], dataclasses.field(
            default_factory=EMPTY[kind], repr=kind != "bytes" and field != "attributes"))
        for _, field, kind, _, _ in rows])
    cls.TYPE, cls.ROWS = type_, rows
    return cls


Login = message("Login", 1, (1, "subject_token", "bytes", True, 8192))
Get = message(
    "Get", 2,
    (1, "service", "string", True, 64),
    (2, "min_ttl_s", "u32", False, 604800),
    (3, "timeout_ms", "u32", False, 60000),
    (132, "rejected", "u64", False, 2**64 - 1),
    (133, "known", "u64", False, 2**64 - 1),
    (134, "wait_ms", "u32", False, 3600000),
    (135, "is_last", "u32", False, 1))
Whoami = message("Whoami", 3, (3, "timeout_ms", "u32", False, 60000))
Ping = message("Ping", 4)
Token = message(
    "Token", 129,
    (1, "token", "bytes", True, 16384),
    (2, "token_type", "string", True, 512),
    (3, "expires_at_s", "u64", True, 2**63 - 1),
    (132, "source", "u32", False, 2**32 - 1),
    (133, "variable", "string", False, 512),
    (134, "attributes", "list", False, 4096),
    (135, "directory", "string", False, 512),
    (136, "files", "list", False, 8192),
    (137, "unset", "list", False, 512))
Identity = message(
    "Identity", 130,
    (1, "issuer", "string", True, 512),
    (2, "subject", "string", True, 512),
    (3, "namespace", "string", True, 512),
    (4, "serviceaccount", "string", True, 512),
    (5, "serviceaccount_uid", "string", True, 512),
    (6, "pod", "string", False, 512),
    (7, "pod_uid", "string", False, 512),
    (8, "expires_at_s", "u64", True, 2**63 - 1),
    (9, "services", "list", False, 64))
Pong = message("Pong", 131, (129, "server", "string", False, 512))
Error = message(
    "Error", 255,
    (1, "status", "u32", True, 2**32 - 1),
    (2, "retry_after_ms", "u32", False, 2**32 - 1),
    (131, "detail", "string", False, 512))

ANSWERS = {cls.TYPE: cls for cls in (Token, Identity, Pong, Error)}
ANSWER_TO = {Get: Token, Whoami: Identity, Ping: Pong}


# ---- Fields and frames ----

def encode_field(tag, value):
    """Returns one field, unchecked, so that a test can build an invalid payload."""
    return bytes([tag]) + len(value).to_bytes(3, "big") + value


def encode_payload(msg):
    """Returns the payload of a message, or raises ValueError; empty fields that are not required are omitted."""
    payload = b""
    for tag, name, kind, required, limit in msg.ROWS:
        value = getattr(msg, name)
        for one in (value if kind == "list" else [value] if value or required else []):
            data = one.encode("utf-8") if isinstance(one, str) else one
            size = data if kind in WIDTH else len(data)
            if not 0 <= size <= limit or (kind == "list" and len(value) > MAX_LIST):
                raise ValueError(f"{name} is too long or out of range")
            if kind in ("string", "list") and CONTROL.search(data):
                raise ValueError(f"{name} has a control character")
            if kind in WIDTH:
                data = one.to_bytes(WIDTH[kind], "big")
            payload += encode_field(tag, data)
    return payload


def decode_value(name, kind, limit, data):
    """Decodes a value by the row of its field. Errors never show the value, which may be a secret."""
    if kind in WIDTH:
        if len(data) != WIDTH[kind] or int.from_bytes(data, "big") > limit:
            raise ProtocolError(f"{name} has the wrong size or is out of range")
        return int.from_bytes(data, "big")
    if len(data) > limit:
        raise ProtocolError(f"{name} has {len(data)} bytes, more than {limit}")
    if kind == "bytes":
        return data
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError(f"{name} is not UTF-8") from None
    if CONTROL.search(data):
        raise ProtocolError(f"{name} has a control character")
    return text


def decode_payload(cls, payload):
    """Returns a message of this class from its payload; raises ProtocolError if it breaks a rule."""
    rows = {row[0]: row for row in cls.ROWS}
    values, at, last = {}, 0, -1
    while at < len(payload):
        tag, start = payload[at], at + 4
        at = start + int.from_bytes(payload[at + 1:start], "big")
        if at > len(payload):  # also true if the header of the field is incomplete
            raise ProtocolError("a field is longer than the payload")
        if tag < last:
            raise ProtocolError(f"tag {tag} after tag {last}")
        if tag in rows:
            _, name, kind, _, limit = rows[tag]
            value = decode_value(name, kind, limit, payload[start:at])
            if kind == "list":
                value = values.get(name, []) + [value]
            if len(value) > MAX_LIST if kind == "list" else tag == last:
                raise ProtocolError(f"{name} is repeated too often")
            values[name] = value
        elif tag < 128:
            raise ProtocolError(f"unknown tag {tag}")
        last = tag  # an unknown high tag may be repeated: it may be a list of a later version
    for _, name, _, required, _ in cls.ROWS:
        if required and name not in values:
            raise ProtocolError(f"{name} is missing")
    return cls(**values)


def encode_frame(type_, id_, payload=b"", version=VERSION):
    """Returns one frame, unchecked, so that a test can build an invalid one."""
    return HEADER.pack(len(payload), version, type_, id_) + payload


def encode_message(msg, id_):
    """Returns a request as a frame, or raises ValueError."""
    payload = encode_payload(msg)
    if len(payload) > MAX_REQUEST:
        raise ValueError("the payload is too long")
    return encode_frame(msg.TYPE, id_, payload)


def decode_frame(data, limit=MAX_ANSWER):
    """Returns the first frame in `data`: (type, id, payload, bytes of the frame); None if it is incomplete.

    An invalid header is refused before the payload arrives, because that may be long or never come."""
    if len(data) < HEADER.size:
        return None
    length, version, type_, id_ = HEADER.unpack_from(data)
    if version != VERSION or length > limit:
        raise ProtocolError(f"a frame of version {version} with {length} bytes")
    end = HEADER.size + length
    return (type_, id_, bytes(data[HEADER.size:end]), end) if len(data) >= end else None


# ---- The client ----

def attempts(deadline):
    """Paces attempts, frequent at first, because the daemon may be starting. Yields True for the last attempt."""
    pause = 0.005
    while True:
        yield time.monotonic() >= deadline
        time.sleep(max(0, min(pause, deadline - time.monotonic())))
        pause = min(2 * pause, 0.1)


class Client:
    """A connection to the daemon, opened when it is first needed.

    `timeout`, in seconds, is the deadline of each call. `get`, `whoami` and `ping` make one request: if the daemon
    closes the connection, they connect and log in again. `send_...` and `read_answer` are for pipelined requests: the
    caller handles ConnectionClosed, because only the caller knows which requests were lost with the connection.

    A `jwt` given here is sent in one write with the first request (not before `send_raw`)."""

    def __init__(self, socket_path, timeout=10.0, jwt=None):
        self.socket_path, self.timeout = socket_path, timeout
        self._login = b"" if jwt is None else encode_message(Login(jwt), 0)
        self._sock, self._last_id = None, 0
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def fileno(self):
        """For select(): of the connection, which must be open."""
        return self._sock.fileno()

    def close(self):
        """Closes the connection; the protocol has no other farewell."""
        if self._sock is not None:
            self._sock.close()
        self._sock, self._buffer = None, bytearray()
        self._pending = {}  # id: class of the answer
        self._raw = False

    def connect(self, deadline=None):
        """Connects. While the socket does not exist or refuses, tries again until the deadline."""
        self.close()
        for last in attempts(deadline or self._deadline()):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)  # if the queue of connections is full: BlockingIOError
                sock.connect(self.socket_path)
                self._sock = sock
                return
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                if last:
                    raise
            finally:
                if self._sock is not sock:
                    sock.close()

    def get(self, service, min_ttl_s=0, timeout_ms=0):
        """Returns a Token of the service. `timeout_ms` 0 means a little less than the client's own deadline."""
        return self._call(Get(service, min_ttl_s, timeout_ms))

    def whoami(self, timeout_ms=0):
        """Returns the Identity that the daemon derives from the JWT."""
        return self._call(Whoami(timeout_ms))

    def ping(self):
        """Returns a Pong if the daemon answers. Needs no login."""
        return self._call(Ping())

    def send_login(self, jwt):
        """Sends LOGIN, and keeps it for new connections. Returns its id, 0, which no request has.

        The daemon does not answer: the next request that needs the token gets the error."""
        self._login = encode_message(Login(jwt), 0)
        self._write(self._login, self._deadline())
        return 0

    login = send_login

    def send_get(self, service, min_ttl_s=0, timeout_ms=0):
        """Sends GET with exactly these values, and returns its id."""
        return self.send(Get(service, min_ttl_s, timeout_ms))

    def send(self, request, deadline=None):
        """Sends a request, on a new connection together with LOGIN, and returns its id."""
        deadline, id_ = deadline or self._deadline(), self._last_id % 0xFFFF + 1
        while id_ in self._pending:
            id_ = id_ % 0xFFFF + 1
        data = encode_message(request, id_)
        if self._sock is None:
            self.connect(deadline)
            data = self._login + data
        self._last_id, self._pending[id_] = id_, ANSWER_TO[type(request)]
        self._write(data, deadline)
        return id_

    def send_raw(self, data):
        """Sends only these bytes. Afterwards this connection accepts any answer to any id."""
        self._write(data, self._deadline())
        self._raw = True

    def read_answer(self, deadline=None):
        """Returns the next answer, to whichever request, as (id, message).

        An ERROR is returned as a ServerError, not raised: it ends one request, not the others."""
        deadline = deadline or self._deadline()
        try:
            frame = decode_frame(self._buffer)
            while frame is None:
                self._receive(deadline)
                frame = decode_frame(self._buffer)
            type_, id_, payload, size = frame
            del self._buffer[:size]
            return id_, self._judge(type_, id_, payload)
        except (ProtocolError, ConnectionClosed):
            self.close()
            raise

    def _judge(self, type_, id_, payload):
        """Returns the message of an answer, if it fits a pending request."""
        if type_ not in ANSWERS:
            raise ProtocolError(f"an answer of the unknown type {type_}")
        answer = decode_payload(ANSWERS[type_], payload)
        expected = self._pending.pop(id_, None)
        if type_ == Error.TYPE:
            if answer.status == 0:
                raise ProtocolError("an ERROR with the status OK")
            if expected is None and answer.status in (BAD_FRAME, TOO_MANY) and id_ == 0:
                expected = Error  # the only answer for which the daemon could not know the request
        if not self._raw and (expected is None or type_ not in (expected.TYPE, Error.TYPE)):
            raise ProtocolError(f"an answer of type {type_} to id {id_}, which does not expect it")
        if type_ != Error.TYPE:
            return answer
        known = answer.status in STATUSES and answer.status < 100
        name, _ = STATUSES[answer.status if known else INTERNAL]
        return ServerError(answer.status, name, answer.retry_after_ms, answer.detail)

    def _call(self, request):
        """Sends one request and returns its answer; raises an ERROR. Connects again if the connection was closed."""
        if self._pending:
            raise RuntimeError("read the answers to the pipelined requests first")
        deadline = self._deadline()
        own_timeout = getattr(request, "timeout_ms", 1) == 0
        for last in attempts(deadline):
            if own_timeout:  # never 0, which would mean ten seconds
                left_ms = int((deadline - time.monotonic()) * 900)
                request.timeout_ms = max(1, min(left_ms, 60000))
            try:
                asked = self.send(request, deadline)
                id_, answer = self.read_answer(deadline)
                break
            except ConnectionClosed:
                if last:
                    raise
            except BaseException:
                self.close()  # so that no late answer is taken for that of the next request
                raise
        if isinstance(answer, ServerError):
            if answer.status == BAD_FRAME:
                self.close()  # as the daemon does
            raise answer
        if id_ != asked:
            self.close()
            raise ProtocolError(f"an answer to id {id_} instead of {asked}")
        return answer

    def _deadline(self):
        return time.monotonic() + self.timeout

    def _wait(self, deadline):
        """Limits the next operation of the socket to the deadline."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer before the deadline")
        self._sock.settimeout(left)

    def _write(self, data, deadline):
        if self._sock is None:
            self.connect(deadline)
        try:
            self._wait(deadline)
            self._sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the daemon closed the connection; its last answer may still be readable
        except (TimeoutError, socket.timeout):
            self.close()  # part of a frame may have been sent, so nothing can follow it
            raise TimeoutError("the request was not sent before the deadline") from None

    def _receive(self, deadline):
        if self._sock is None:
            raise ConnectionClosed("there is no connection")
        try:
            self._wait(deadline)
            data = self._sock.recv(65536)
        except socket.timeout:  # before Python 3.10 this is not a TimeoutError
            raise TimeoutError("no answer before the deadline") from None
        except ConnectionResetError:
            data = b""  # closed while some of our data was unread
        if not data:
            raise (ProtocolError("closed within a frame") if self._buffer
                   else ConnectionClosed("the daemon closed the connection"))
        self._buffer += data


def get_token(socket_path, jwt, service, timeout=10.0, min_ttl_s=0, timeout_ms=0):
    """Returns one Token over a new connection, with LOGIN and GET in one write."""
    with Client(socket_path, timeout, jwt) as client:
        return client.get(service, min_ttl_s, timeout_ms)


# ---- Command line ----

def main(arguments=None):
    """Prints the answer; the exit codes are those of the page."""
    parser = argparse.ArgumentParser(description="Asks the daemon for a token.")
    parser.add_argument("--socket", required=True)
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS")
    commands = parser.add_subparsers(dest="command", required=True)
    get, whoami, _ = (commands.add_parser(name) for name in ("get", "whoami", "ping"))
    get.add_argument("service")
    get.add_argument("--min-ttl", type=int, default=0, metavar="SECONDS")
    for command in (get, whoami):
        command.add_argument("--token-file", required=True, metavar="F")
    options = parser.parse_args(arguments)

    def fail(status, text):
        print(f"{STATUSES[status][0]}: {text}", file=sys.stderr)
        return STATUSES[status][1]

    try:
        jwt = None
        if options.command != "ping":
            with open(options.token_file, "rb") as file:
                jwt = file.read().rstrip(b"\r\n")
    except OSError as error:
        return fail(102, error)
    try:
        with Client(options.socket, options.timeout, jwt) as client:
            if options.command == "get":
                answer = client.get(options.service, options.min_ttl)
                sys.stdout.buffer.write(answer.token + b"\n")
            else:
                answer = client.whoami() if options.command == "whoami" else client.ping()
                print(json.dumps(dataclasses.asdict(answer), indent=2))
        return 0
    except ServerError as error:
        print(error, file=sys.stderr)
        return next(code for name, code in STATUSES.values() if name == error.name)
    except ProtocolError as error:
        return fail(104, error)
    except TimeoutError as error:
        return fail(101, error)
    except OSError as error:
        return fail(100, error)
    except ValueError as error:
        return fail(103, error)


if __name__ == "__main__":
    sys.exit(main())
