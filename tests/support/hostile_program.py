"""A program in the place of podlogin-exchanger, after a server has taken it over: hostile_program.py WHAT FILE.

It answers each job with what it was told to, and appends all that it receives to FILE."""
import pathlib
import socket
import struct
import sys

KEYS = b"""{"keys": [{"kty": "EC", "crv": "P-256", "kid": "forged", "alg": "ES256", "use": "sig",
"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"""
PREFIX, HEADER = struct.Struct("=I2i2I"), struct.Struct(">IBBH")
JOB_RESULT = 0x81
OUTCOME, TOKEN, TOKEN_TYPE, EXPIRES_IN, VARIABLE, ATTRIBUTE, KEY_SET = 1, 4, 5, 6, 7, 8, 9


def number(tag, value):
    return field(tag, struct.pack(">I", value))


def field(tag, value):
    return struct.pack(">I", tag << 24 | len(value)) + value


def answer(what):
    what, _, value = what.partition("=")
    token = field(TOKEN, b"hostile") + field(TOKEN_TYPE, b"bearer")
    variable = value.encode() if what == "variable" else b"PULUMI_ACCESS_TOKEN"
    fields = {
        "keys": field(KEY_SET, KEYS),
        "lifetime": token + number(EXPIRES_IN, 8 * 24 * 3600) + field(VARIABLE, variable),
        "attribute": token + number(EXPIRES_IN, 3600) + field(VARIABLE, variable) +
        field(ATTRIBUTE, value.encode() + b"=x"),
    }
    return number(OUTCOME, 0) + fields.get(what, token + number(EXPIRES_IN, 3600) + field(VARIABLE, variable))


def main():
    what, seen = sys.argv[1], pathlib.Path(sys.argv[2])
    broker = socket.socket(fileno=3)
    while True:
        packet = broker.recv(128 * 1024)
        if not packet:
            return
        with open(seen, "ab") as file:
            file.write(packet)
        _, _, _, *lengths = PREFIX.unpack_from(packet)
        job = HEADER.unpack_from(packet, PREFIX.size + sum(lengths))[3]
        payload = answer(what)
        broker.send(HEADER.pack(len(payload), 1, JOB_RESULT, job) + payload)


main()
