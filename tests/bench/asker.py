"""Requests a token for each JWT of a file once a second, over persistent connections: python3 asker.py SOCKET FILE"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))

from protocol_client import Client, ServerError  # noqa: E402


def main():
    path, jwts = sys.argv[1], pathlib.Path(sys.argv[2]).read_text().split()
    clients = [Client(path, timeout=60, jwt=jwt) for jwt in jwts]
    while True:
        begun = time.monotonic()
        for client in clients:
            try:
                client.get("pulumi")
            except ServerError:
                pass
        time.sleep(max(0.0, 1.0 - (time.monotonic() - begun)))


if __name__ == "__main__":
    main()
