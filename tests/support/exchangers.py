"""Exchangers that a service manager starts: one process for each connection, as socket units with Accept=yes do."""

import socket
import subprocess
import threading


class Exchangers:
    """Listens at @directory/ROLE.sock after listen(); runs @program for each connection, as @user if one is named."""

    def __init__(self, directory, program, user=None):
        self.directory = directory
        self.directory.mkdir()
        self.processes = {"issuers": [], "upstreams": []}
        self._program, self._listeners = program, []
        self._options = {} if user is None else {"user": user, "group": user, "extra_groups": []}

    def listen(self, role):
        self.processes.setdefault(role, [])
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(self.directory / f"{role}.sock"))
        listener.listen()
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, role), daemon=True).start()

    def _accept(self, listener, role):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection:
                fd = connection.fileno()
                self.processes[role].append(subprocess.Popen(
                    ["bash", "-c", f'exec 3<&{fd} {fd}<&-; exec "$@"', "bash", self._program, role],
                    stdin=subprocess.DEVNULL, pass_fds=[fd], **self._options))

    def close(self):
        """Listens no more, and waits for the exchangers, which end with their connections."""
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for process in [process for each in self.processes.values() for process in each]:
            process.wait(30)
