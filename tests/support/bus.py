"""A system bus with systemd's properties of one unit: enough of D-Bus for sd_bus_get_property()."""

import socket
import struct
import threading


def _pad(data, to):
    return data + bytes(-len(data) % to)


def _string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def _field(code, signature, value):
    return bytes([code, 1]) + signature.encode() + b"\0" + value


class Bus:
    """Listens at @path. @properties are strings and booleans by their names; the rest does not exist."""

    def __init__(self, path, properties):
        self.address = f"unix:path={path}"
        self._properties = properties
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                self._serve(stream)

    def _serve(self, stream):
        """Authenticates anybody, then answers calls until the end."""
        stream.read(1)
        while True:
            line = stream.readline().strip()
            if line == b"BEGIN":
                break
            answer = {b"AUTH": b"DATA", b"DATA": b"OK " + b"0" * 32, b"NEGO": b"AGREE_UNIX_FD"}[line[:4]]
            stream.write(answer + b"\r\n")
            stream.flush()
        while True:
            head = stream.read(16)
            if len(head) < 16:
                return
            length, serial, n_fields = struct.unpack("<4xIII", head)
            fields = stream.read((n_fields + 7) // 8 * 8)
            body = stream.read(length)
            stream.write(self._answer(serial, fields, body))
            stream.flush()

    def _answer(self, serial, fields, body):
        if b"Hello" in fields:
            return self._message(2, serial, "s", _string(":1.1"))
        value = self._properties.get(body.rstrip(b"\0").rpartition(b"\0")[2].decode())  # of (interface, name)
        if value is None:
            return self._message(3, serial, "s", _string("no such property"))
        if isinstance(value, bool):
            return self._message(2, serial, "v", b"\1b\0\0" + struct.pack("<I", value))
        return self._message(2, serial, "v", b"\1s\0\0" + _string(value))

    @staticmethod
    def _message(kind, serial, signature, body):
        fields = _field(5, "u", struct.pack("<I", serial))
        if kind == 3:
            fields = _pad(fields, 8) + _field(4, "s", _string("org.freedesktop.DBus.Error.UnknownProperty"))
        fields = _pad(fields, 8) + _field(8, "g", bytes([len(signature)]) + signature.encode() + b"\0")
        fields = _pad(fields, 8) + _field(7, "s", _string("org.freedesktop.DBus"))
        head = b"l" + bytes([kind, 1, 1]) + struct.pack("<III", len(body), 1, len(fields))
        return _pad(head + fields, 8) + body
