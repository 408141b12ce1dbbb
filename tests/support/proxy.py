"""A TCP proxy in front of the stand-in, for failures that a server cannot simulate: refused connections and silence."""

import select
import socket
import threading

FORWARD, REFUSE, BLACK_HOLE = "forward", "refuse", "black hole"


class Proxy:
    """Listens on a port that the kernel chooses, and forwards to @target until set_mode() changes that.

    "refuse" closes the port and all connections. "black hole" keeps existing connections but sends nothing on them,
    and does not accept new ones."""

    def __init__(self, target):
        self.target = target
        self._lock = threading.Lock()
        self._mode = FORWARD
        self._pairs = []
        self._fillers = []
        self._reserve = self._bind(0)  # keeps the port while nothing listens at it
        self.port = self._reserve.getsockname()[1]
        self._listener = self._listen(self.port)
        self._is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _bind(port):
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", port))
        return bound

    def _listen(self, port):
        listener = self._bind(port)
        listener.listen(64)
        return listener

    def set_mode(self, mode, target=None):
        """Changes the mode. Cuts existing connections, except for a black hole."""
        with self._lock:
            self.target = target or self.target
            self._mode = mode
            for filler in self._fillers:
                filler.close()
            self._fillers = []
            if mode != BLACK_HOLE:
                for pair in self._pairs:
                    pair[0].close()
                    pair[1].close()
                self._pairs = []
            self._listener.close()
            if mode == FORWARD:
                self._listener = self._listen(self.port)
            elif mode == BLACK_HOLE:
                self._listener = self._listen(self.port)
                self._listener.listen(0)
                self._fill()

    def _fill(self):
        """A listener with a full queue drops new connections: there is no answer, as from a firewall."""
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def _accept(self):
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            client.close()
            return
        self._pairs.append((client, server))

    def _forward(self, ready):
        for pair in list(self._pairs):
            for source, sink in (pair, pair[::-1]):
                if source not in ready:
                    continue
                try:
                    data = source.recv(65536)
                    if data:
                        sink.sendall(data)
                except OSError:
                    data = b""
                if not data:
                    pair[0].close()
                    pair[1].close()
                    self._pairs.remove(pair)
                    break

    def _run(self):
        while not self._is_over:
            with self._lock:
                if self._mode == FORWARD:
                    sockets = [self._listener, *(s for pair in self._pairs for s in pair)]
                else:
                    sockets = []
                ready = select.select(sockets, [], [], 0)[0]
                if self._listener in ready:
                    self._accept()
                self._forward(ready)
            if not ready:
                threading.Event().wait(0.002)

    def stop(self):
        self.set_mode(REFUSE)
        self._is_over = True
        self._thread.join()
        self._reserve.close()
