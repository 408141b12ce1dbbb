"""Hostile input for test_hostile.py: classes of input that no well-behaved client sends.

A class has a name, the allowed outcomes, and a function that makes one variant from a random generator: bytes, or a
list of actions. An outcome is the name of an error, "OK" if the input turns out to be harmless, or "closed" if the
protocol lets the daemon close the connection without an answer."""

import base64
import json
import struct

from protocol_client import Get, Login, Ping, Whoami, encode_field, encode_frame, encode_message

LOGIN, GET, WHOAMI, PING = 1, 2, 3, 4
BAD_FRAME, BAD_REQUEST, UNKNOWN_SERVICE = {"BAD_FRAME"}, {"BAD_REQUEST"}, {"UNKNOWN_SERVICE"}
MALFORMED, BAD_SIGNATURE = {"TOKEN_MALFORMED"}, {"TOKEN_BAD_SIGNATURE"}
BAD_ALGORITHM = {"TOKEN_BAD_ALGORITHM"}
CLASSES = []  # (name, outcomes, function)


class Context:
    """What variants are made from."""

    def __init__(self, mint, good):
        self.mint, self.good = mint, good


def hostile(outcomes, *names):
    """Registers a function: once, or once for each of @names, which it then receives."""
    def register(function):
        title = function.__name__.replace("_", " ")
        for name in names or [None]:
            CLASSES.append((f"{title}: {name}" if name else title, set(outcomes),
                            (lambda r, c, name=name: function(r, c, name)) if name else function))
        return function
    return register


def frame(type_, payload=b"", id_=1, version=1):
    return encode_frame(type_, id_, payload, version)


def field(tag, value):
    return encode_field(tag, value)


def u32(value):
    return struct.pack(">I", value)


def get(service=b"pulumi", *more):
    return frame(GET, field(1, service) + b"".join(more))


def with_token(jwt):
    jwt = jwt if isinstance(jwt, bytes) else jwt.encode()
    return frame(LOGIN, field(1, jwt), 0) + get()


def text(r, n, alphabet="abcdefghijklmnopqrstuvwxyz0123456789"):
    return "".join(r.choice(alphabet) for _ in range(n))


def b64(data):
    data = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


# ---- frames ----

@hostile(BAD_FRAME, "2", "0", "any")
def another_version(r, _, which):
    version = {"2": 2, "0": 0}.get(which) if which != "any" else r.choice([0, *range(2, 256)])
    return frame(r.randrange(256), r.randbytes(r.randrange(50)), version=version)


@hostile(BAD_FRAME, "one too long", "2^31", "2^32-1", "any")
def a_length_over_the_limit(r, _, which):
    length = {"one too long": 16385, "2^31": 2 ** 31, "2^32-1": 2 ** 32 - 1,
              "any": r.randrange(16385, 2 ** 32)}[which]
    return struct.pack(">IBBH", length, 1, r.randrange(256), 1) + r.randbytes(100)


@hostile(BAD_FRAME, "login", "get", "whoami", "ping")
def a_frame_that_does_not_end(r, context, which):
    whole = {"login": encode_message(Login(context.good.encode()), 0), "get": get(),
             "whoami": frame(WHOAMI, field(3, u32(5))), "ping": frame(PING, b"")[:7]}[which]
    return whole[:r.randrange(1, len(whole))]


@hostile(BAD_FRAME, "HTTP", "TLS", "D-Bus", "SSH", "text", "bytes", "zeros", "ones")
def another_protocol(r, _, which):
    data = {"HTTP": b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % text(r, 9).encode(),
            "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + r.randbytes(500),
            "D-Bus": b"\0AUTH EXTERNAL %s\r\n" % text(r, 4).encode().hex().encode(),
            "SSH": b"SSH-2.0-OpenSSH_%d\r\n" % r.randrange(10),
            "text": (text(r, 40) + "\n").encode(), "zeros": b"\0" * r.randrange(8, 400),
            "bytes": r.randbytes(5000), "ones": b"\xff" * r.randrange(8, 400)}[which]
    return data[:4] + b"\x09" + data[5:] if which == "bytes" else data


@hostile(BAD_REQUEST)
def an_unknown_type(r, _):
    return frame(r.choice([0, *range(5, 256)]), r.randbytes(r.randrange(200)))


@hostile(BAD_REQUEST, "token", "identity", "pong", "error", "keys")
def a_type_that_only_answers_have(r, _, which):
    type_ = {"token": 129, "identity": 130, "pong": 131, "error": 255, "keys": 127}[which]
    return frame(type_, r.randbytes(r.randrange(500)))


@hostile({"OK"})
def many_in_one_write(r, _):
    return frame(PING) * r.randrange(2, 60)


@hostile({"OK"})
def one_in_many_writes(r, _):
    whole = frame(PING)
    cut = r.randrange(1, len(whole))
    return [("send", whole[:cut]), ("sleep", 0.001), ("send", whole[cut:])]


# ---- fields ----

def good_fields(which, context):
    return {"login": (LOGIN, [(1, context.good.encode())]),
            "get": (GET, [(1, b"pulumi"), (2, u32(1)), (3, u32(5000))]),
            "whoami": (WHOAMI, [(3, u32(5000))])}[which]


@hostile(BAD_FRAME, "login", "get", "whoami", "ping")
def trailing_bytes(r, context, which):
    if which == "ping":
        return frame(PING, r.randbytes(r.randrange(1, 4)))
    type_, fields = good_fields(which, context)
    return frame(type_, b"".join(field(*f) for f in fields) + r.randbytes(r.randrange(1, 4)))


@hostile(BAD_FRAME, "login", "get", "whoami")
def a_field_longer_than_the_frame(r, context, which):
    type_, fields = good_fields(which, context)
    tag, value = fields[0]
    length = len(value) + r.randrange(1, 2 ** 24 - len(value))
    rest = b"".join(field(*f) for f in fields[1:])
    length = max(length, len(value) + len(rest) + 1) & 0xffffff
    return frame(type_, bytes([tag]) + length.to_bytes(3, "big") + value + rest)


@hostile(BAD_FRAME, "login", "get", "whoami")
def a_tag_twice(r, context, which):
    type_, fields = good_fields(which, context)
    at = r.randrange(len(fields))
    return frame(type_, b"".join(field(*f) for f in fields[:at + 1] + fields[at:]))


@hostile(BAD_FRAME)
def tags_out_of_order(r, context):
    type_, fields = good_fields("get", context)
    fields[0], fields[1 + r.randrange(2)] = fields[1 + r.randrange(2)], fields[0]
    fields.sort(reverse=True)
    return frame(type_, b"".join(field(*f) for f in fields))


@hostile(BAD_FRAME, "login", "get", "whoami", "ping")
def an_unknown_tag(r, context, which):
    type_, fields = (PING, []) if which == "ping" else good_fields(which, context)
    return frame(type_, b"".join(field(*f) for f in fields) +
                 field(r.randrange(4, 128), r.randbytes(r.randrange(50))))


@hostile({"OK"})
def an_unknown_tag_that_may_be_skipped(r, _):
    return frame(PING, field(r.randrange(128, 256), r.randbytes(r.randrange(500))))


@hostile(BAD_FRAME, "login", "get")
def a_required_field_is_missing(r, context, which):
    type_, fields = good_fields(which, context)
    return frame(type_, b"".join(field(*f) for f in fields[1:]))


@hostile(BAD_FRAME, "login", "get")
def a_required_field_is_empty(r, context, which):
    type_, fields = good_fields(which, context)
    return frame(type_, field(fields[0][0], b"") + b"".join(field(*f) for f in fields[1:]))


@hostile(BAD_FRAME, "min_ttl_s", "timeout_ms", "whoami")
def a_number_of_another_width(r, _, which):
    value = r.randbytes(r.choice([0, 1, 2, 3, 5, 7, 8, 9, 16]))
    if which == "whoami":
        return frame(WHOAMI, field(3, value))
    return get(b"pulumi", field(2 if which == "min_ttl_s" else 3, value))


@hostile(BAD_FRAME, "min_ttl_s", "timeout_ms", "whoami")
def a_number_over_its_limit(r, _, which):
    value = u32(r.choice([604801, 2 ** 31, 2 ** 32 - 1, r.randrange(604801, 2 ** 32)]))
    if which == "whoami":
        return frame(WHOAMI, field(3, value))
    return get(b"pulumi", field(2 if which == "min_ttl_s" else 3, value))


@hostile(BAD_FRAME)
def a_service_with_control_characters(r, _):
    name = bytearray(text(r, r.randrange(1, 60)).encode())
    name[r.randrange(len(name))] = r.choice([*range(32), 127])
    return get(bytes(name))


@hostile(BAD_FRAME)
def a_service_name_that_is_too_long(r, _):
    return get(text(r, r.randrange(65, 16000)).encode())


@hostile(BAD_FRAME)
def a_token_that_is_too_long(r, _):
    return frame(LOGIN, field(1, text(r, r.randrange(8193, 16000)).encode()), 0) + get()


@hostile({"BAD_FRAME", "BAD_REQUEST"}, "get as login", "login as get", "whoami as get", "ping as login")
def one_message_in_the_place_of_another(r, context, which):
    jwt = field(1, context.good.encode())
    return {"get as login": frame(LOGIN, field(1, b"pulumi") + field(2, u32(1))),
            "login as get": frame(GET, jwt), "whoami as get": frame(GET, field(3, u32(1))),
            "ping as login": frame(LOGIN, b"", r.randrange(9))}[which]


# ---- requests ----

@hostile(BAD_REQUEST, "get", "whoami")
def a_request_before_login(r, _, which):
    return (get() if which == "get" else frame(WHOAMI)) * r.randrange(1, 5)


@hostile(UNKNOWN_SERVICE, "path", "format", "sql", "unicode", "any", "case")
def a_service_that_is_not_there(r, context, which):
    name = {"path": "../" * r.randrange(1, 9) + "etc/passwd", "format": "%s%n%x" * r.randrange(1, 9),
            "sql": "' OR '1'='1' --" + text(r, 3), "unicode": "pulumi" + chr(r.randrange(0x370, 0x3ff)),
            "any": "x" + text(r, r.randrange(1, 60)), "case": "Pulumi"}[which]
    return encode_message(Login(context.good.encode()), 0) + get(name.encode()[:64])


@hostile({"BAD_REQUEST", "TOKEN_MALFORMED"})
def a_login_that_fails_after_a_good_one(r, context):
    return encode_message(Login(context.good.encode()), 0) + with_token(text(r, r.randrange(1, 99)))


# ---- the token as text ----

@hostile(MALFORMED, "no dots", "one dot", "three dots", "five parts", "empty header", "empty payload",
         "only dots", "leading dot", "blank before", "newline after", "NUL after", "padding",
         "plus and slash", "comma")
def a_form_that_is_no_jws(r, context, which):
    header, payload, signature = context.good.split(".")
    at = r.randrange(1, len(payload) - 1)
    return with_token({
        "no dots": text(r, r.randrange(1, 8000)), "one dot": f"{header}.{payload}",
        "three dots": f"{context.good}.{text(r, 4)}", "five parts": ".".join([header] * 5),
        "empty header": f".{payload}.{signature}", "empty payload": f"{header}..{signature}",
        "only dots": "." * r.randrange(3, 99), "leading dot": "." + context.good,
        "blank before": " " * r.randrange(1, 9) + context.good, "newline after": context.good + "\n",
        "NUL after": context.good + "\0" * r.randrange(1, 9),
        "padding": f"{header}.{payload}{'=' * r.randrange(1, 4)}.{signature}",
        "plus and slash": f"{header}.{payload[:at]}{r.choice('+/')}{payload[at + 1:]}.{signature}",
        "comma": f"{header}.{payload[:at]}{r.choice(',;:!~')}{payload[at + 1:]}.{signature}"}[which])


@hostile({"TOKEN_MALFORMED", "BAD_FRAME"})
def a_token_cut_somewhere(r, context):
    cut = r.randrange(1, context.good.rindex(".") + 1)
    return with_token(context.good[:cut])


@hostile({"TOKEN_MALFORMED", "TOKEN_BAD_SIGNATURE"})
def a_signature_cut_somewhere(r, context):
    begin = context.good.rindex(".") + 1
    return with_token(context.good[:r.randrange(begin, len(context.good))])


FLIPPED = {"TOKEN_MALFORMED", "TOKEN_BAD_SIGNATURE", "TOKEN_BAD_ALGORITHM", "TOKEN_UNKNOWN_KEY",
           "ISSUER_UNAVAILABLE", "TOKEN_UNTRUSTED_ISSUER", "TOKEN_WRONG_AUDIENCE", "BAD_FRAME"}


@hostile(FLIPPED, "header", "payload")
def a_changed_character(r, context, which):
    parts = context.good.split(".")
    at = 0 if which == "header" else 1
    i = r.randrange(len(parts[at]))
    other = r.choice([c for c in "ABCDEFGHabcdefgh0123456789-_" if c != parts[at][i]])
    parts[at] = parts[at][:i] + other + parts[at][i + 1:]
    return with_token(".".join(parts))


@hostile({"TOKEN_BAD_SIGNATURE", "TOKEN_MALFORMED"})
def a_changed_signature(r, context):
    head, signature = context.good.rsplit(".", 1)
    data = bytearray(unb64(signature))
    data[r.randrange(len(data))] ^= 1 << r.randrange(8)
    return with_token(f"{head}.{b64(bytes(data))}")


@hostile(BAD_SIGNATURE, "zeros", "ones", "random", "one byte more", "one byte less", "empty", "512 bytes")
def another_signature(r, context, which):
    head, signature = context.good.rsplit(".", 1)
    data = unb64(signature)
    data = {"zeros": bytes(len(data)), "ones": b"\xff" * len(data), "random": r.randbytes(len(data)),
            "one byte more": data + r.randbytes(1), "one byte less": data[:-1], "empty": b"",
            "512 bytes": r.randbytes(512)}[which]
    return with_token(f"{head}.{b64(data)}")


# ---- the token's header ----

def header_of(context):
    return json.loads(unb64(context.good.split(".")[0]))


def with_header(context, header):
    _, payload, signature = context.good.split(".")
    return with_token(f"{header if isinstance(header, str) else b64(header)}.{payload}.{signature}")


@hostile(MALFORMED, "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc")
def a_member_that_is_not_allowed(r, context, which):
    value = r.choice([None, True, False, 0, "https://evil/keys", ["exp"], {"kty": "oct", "k": "AA"}])
    return with_header(context, {**header_of(context), which: value})


@hostile(BAD_ALGORITHM, "none", "None", "HS256", "HS384", "HS512", "EdDSA", "ES256K", "RSA-OAEP", "dir",
         "any")
def an_algorithm_that_does_not_exist_here(r, context, which):
    name = text(r, r.randrange(1, 300)) if which == "any" else which
    return with_header(context, {**header_of(context), "alg": name})


@hostile(BAD_ALGORITHM)
def an_algorithm_that_the_issuer_may_not_use(r, context):
    name = r.choice(["RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"])
    return with_header(context, {**header_of(context), "alg": name})


@hostile(MALFORMED, "alg", "kid", "typ")
def a_header_member_of_another_type(r, context, which):
    return with_header(context, {**header_of(context),
                                 which: r.choice([0, 1.5, True, False, [], ["RS256"], {}, {"a": 1}])})


@hostile(MALFORMED, "empty", "too long", "missing")
def a_kid_that_is_none(r, context, which):
    header = header_of(context)
    header["kid"] = "" if which == "empty" else text(r, r.randrange(1025, 3000))
    if which == "missing":
        del header["kid"]
    return with_header(context, header)


@hostile({"TOKEN_UNKNOWN_KEY", "ISSUER_UNAVAILABLE"}, "path", "sql", "shell", "case", "any", "unicode")
def a_kid_that_is_not_there(r, context, which):
    kid = header_of(context)["kid"]
    kid = {"path": "../" * r.randrange(1, 9) + "dev/null", "sql": "x' UNION SELECT 'key" + text(r, 2),
           "shell": "|/bin/" + text(r, 4), "case": kid.swapcase(), "any": text(r, r.randrange(1, 256)),
           "unicode": kid + chr(r.randrange(0x3b1, 0x3c9))}[which]
    return with_header(context, {**header_of(context), "kid": kid})


# ---- JSON ----

def raw_json(r, which, good):
    """Texts that are almost the JSON of @good."""
    inner = json.dumps(good)[1:-1]
    depth = r.randrange(9, 2000)
    return {
        "not an object": r.choice(["[]", '"a"', "1", "null", "true", "[%s]" % json.dumps(good)]),
        "duplicate member": "{%s,%s}" % (inner, inner),
        "duplicate after unescaping": '{%s,"\\u0%03x%s":1}' % (inner, ord(sorted(good)[0][0]),
                                                              sorted(good)[0][1:]),
        "trailing bytes": "{%s}%s" % (inner, r.choice(["x", "{}", ",", "]", "}", "\0"])),
        "too deep": '{%s,"x":%s1%s}' % (inner, "[" * min(depth, 900), "]" * min(depth, 900)),
        "too many members": '{%s,"x":[%s]}' % (inner, ",".join(["1"] * r.randrange(1100, 1500))),
        "NUL in a string": '{%s,"x":"a\\u0000b"}' % inner,
        "lone surrogate": '{%s,"x":"\\ud8%02x"}' % (inner, r.randrange(256)),
        "not UTF-8": ('{%s,"x":"' % inner).encode() + bytes([r.randrange(0x80, 0xc0)]) + b'"}',
        "byte order mark": "\ufeff{%s}" % inner,
        "comment": "{/* a */%s}" % inner,
        "single quotes": "{%s,'x':1}" % inner,
        "cut": json.dumps(good)[:r.randrange(1, len(json.dumps(good)))],
        "huge number": '{%s,"x":%s}' % (inner, "9" * r.randrange(20, 400)),
        "huge exponent": '{%s,"x":1e%d}' % (inner, r.randrange(309, 99999)),
        "NaN": '{%s,"x":%s}' % (inner, r.choice(["NaN", "Infinity", "-Infinity", "0x10", "01", ".5"])),
    }[which]


BROKEN_JSON = ("not an object", "duplicate member", "duplicate after unescaping", "trailing bytes",
               "too deep", "too many members", "NUL in a string", "lone surrogate", "not UTF-8",
               "byte order mark", "comment", "single quotes", "cut", "huge number", "huge exponent",
               "NaN")


def bytes_of(value):
    return value if isinstance(value, bytes) else value.encode()


@hostile(MALFORMED, *BROKEN_JSON)
def a_header_that_is_broken_json(r, context, which):
    return with_header(context, b64(bytes_of(raw_json(r, which, header_of(context)))))


@hostile(MALFORMED, *BROKEN_JSON)
def a_payload_that_is_broken_json(r, context, which):
    header, payload, signature = context.good.split(".")
    broken = raw_json(r, which, json.loads(unb64(payload)))
    return with_token(f"{header}.{b64(bytes_of(broken))}.{signature}")


# ---- claims, signed by the issuer: only an unusual cluster could produce them ----

ODD = [None, 0, -1, 1.5, True, [], {}, "", "\x01", "x" * 600, ["a", 1], {"a": {"b": 1}}]


@hostile(MALFORMED, "iss", "sub", "exp", "iat", "kubernetes.io")
def a_claim_of_another_type(r, context, which):
    value = r.choice([v for v in ODD if v is not None])
    return with_token(context.mint(claims={which: value}))


@hostile({"TOKEN_MALFORMED", "TOKEN_WRONG_AUDIENCE"})
def an_audience_of_another_type(r, context):
    return with_token(context.mint(claims={"aud": r.choice(
        [0, True, {}, [], "", [1], [None], ["a"] * 17, [["a"]], "x" * 600, ["x" * 600]])}))


@hostile({"TOKEN_MALFORMED", "TOKEN_EXPIRED", "TOKEN_NOT_YET_VALID"})
def a_time_that_is_none(r, context):
    return with_token(context.mint(claims={r.choice(["exp", "iat"]): r.choice(
        [0, -1, 1, 1.5, 2 ** 53, 2 ** 62, 2 ** 63 - 1, -2 ** 63, "1", "never"])}))


@hostile(MALFORMED)
def a_subject_that_does_not_agree(r, context):
    return with_token(context.mint(claims={"sub": r.choice(
        ["system:serviceaccount:ci:admin", "system:serviceaccount:prod:pulumi-runner",
         "system:node:a", "admin", "system:serviceaccount:ci:pulumi-runner:x",
         "system:serviceaccount:ci:pulumi-runner" + text(r, 3)])}))


@hostile({"TOKEN_UNTRUSTED_ISSUER"})
def an_issuer_that_nobody_knows(r, context):
    return with_token(context.mint(claims={"iss": "https://" + text(r, r.randrange(1, 400))}))


@hostile({"TOKEN_WRONG_AUDIENCE"})
def an_audience_that_is_not_the_services(r, context):
    return with_token(context.mint(audience=[text(r, r.randrange(1, 400))
                                             for _ in range(r.randrange(1, 16))]))


@hostile({"TOKEN_EXPIRED"})
def an_expired_token(r, context):
    return with_token(context.mint(lifetime=-r.randrange(1, 10 ** 6)))


@hostile(BAD_SIGNATURE, "rogue", "corrupt")
def a_forged_token(r, context, which):
    return with_token(context.mint(sign=which, lifetime=r.randrange(60, 3600)))


@hostile(BAD_ALGORITHM, "none", "hs256-public")
def a_forged_algorithm(r, context, which):
    return with_token(context.mint(sign=which, lifetime=r.randrange(60, 3600)))


@hostile(BAD_SIGNATURE)
def parts_of_two_tokens(r, context):
    one, two = context.good.split("."), context.mint(serviceaccount=text(r, 5)).split(".")
    return with_token(".".join(r.choice([[one[0], two[1], one[2]], [one[0], one[1], two[2]]])))


# ---- connections ----

@hostile({"OK"})
def descriptors_along(r, _):
    return [("fds", frame(PING), r.randrange(1, 200)), ("or send", frame(PING))]


@hostile({"closed"}, "at once", "within a frame", "after a request")
def a_half_closed_connection(r, context, which):
    data = {"at once": b"", "within a frame": get()[:r.randrange(1, 8)],
            "after a request": with_token(context.good)[:-r.randrange(1, 9)]}[which]
    return [("send", data), ("half close", None)]


@hostile({"OK", "closed"})
def out_of_band_data(r, _):
    return [("oob", bytes([r.randrange(256)])), ("send", frame(PING))]
