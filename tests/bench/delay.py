"""A TCP proxy on loopback that delivers what a client sends a while later, as a distant server would get it."""

import contextlib
import queue
import socket
import threading
import time


class Delay:
    def __init__(self, target_port, latency_ms):
        self.latency_s = latency_ms / 1000
        self._target = target_port
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [client, server]
                late = queue.SimpleQueue()
                threading.Thread(target=self._read, args=(client, late), daemon=True).start()
                threading.Thread(target=self._write, args=(late, server), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client), daemon=True).start()

    def _read(self, source, late):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                late.put((time.monotonic() + self.latency_s, data))
        late.put((0, b""))

    @staticmethod
    def _write(late, sink):
        with contextlib.suppress(OSError):
            while True:
                due, data = late.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _forward(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
