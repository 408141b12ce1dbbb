"""podlogin for Python: short-lived access tokens for a pod, with libpodlogin.so.1 by ctypes, and nothing else.

    import podlogin

    with podlogin.Login("pulumi") as login:
        token = login.token()
        subprocess.run(["pulumi", "up"], env=token.environ())
        for token in login.watch(token):  # each time that it has been renewed
            ...

What the functions do is in libpodlogin(3). Threads may share a Login: one waits for the other. After os.fork(), each
process makes a Login of its own.
"""

import ctypes
import enum
import os
import select
import threading

Status = enum.IntEnum("Status", {
    "OK": 0, "BAD_FRAME": 1, "BAD_REQUEST": 2, "UNKNOWN_SERVICE": 3, "TOKEN_MALFORMED": 10,
    "TOKEN_UNTRUSTED_ISSUER": 11, "TOKEN_BAD_ALGORITHM": 12, "TOKEN_UNKNOWN_KEY": 13, "TOKEN_BAD_SIGNATURE": 14,
    "TOKEN_EXPIRED": 15, "TOKEN_NOT_YET_VALID": 16, "TOKEN_WRONG_AUDIENCE": 17, "TOKEN_WRONG_NODE": 18,
    "TOKEN_REVOKED": 19, "PEER_MISMATCH": 20, "PEER_GONE": 21, "POLICY_DENIED": 30, "UPSTREAM_REFUSED": 40,
    "UPSTREAM_UNAVAILABLE": 41, "UPSTREAM_PROTOCOL": 42, "ISSUER_UNAVAILABLE": 43, "REVIEW_UNAVAILABLE": 44,
    "BUSY": 50, "TOO_MANY": 51, "INTERNAL": 60, "UNREACHABLE": 100, "TIMEOUT": 101, "NO_SUBJECT_TOKEN": 102,
    "BAD_ARGUMENT": 103, "BAD_ANSWER": 104, "NO_MEMORY": 105, "UNTRUSTED_SERVER": 106, "CANCELLED": 107,
    "NOT_RENEWED": 108})

TOKEN_PARTS = ("value", "type", "source", "variable", "directory")
IDENTITY_PARTS = ("issuer", "subject", "namespace", "serviceaccount", "serviceaccount_uid", "pod", "pod_uid")


def _load():
    """The library with the types of its functions, as podlogin.h declares them."""
    handle, result, text = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p
    status, number = ctypes.c_int, ctypes.c_uint32
    types = {
        "start": (status, text, result), "end": (None, handle), "set_socket": (status, handle, text),
        "set_token_file": (status, handle, text), "set_server_uid": (status, handle, number),
        "set_min_ttl": (status, handle, number), "set_timeout": (status, handle, number),
        "set_cancel_fd": (status, handle, ctypes.c_int), "authenticate": (status, handle),
        "get_token": (status, handle, result), "reject_token": (status, handle, text, result),
        "whoami": (status, handle, result), "wait": (status, handle), "strerror": (text, handle, status),
        "retry_after": (number, handle), "watch_start": (status, handle, handle, result),
        "watch_fd": (ctypes.c_int, handle), "watch_next": (status, handle, result),
        "watch_strerror": (text, handle, status), "watch_end": (None, handle), "token_free": (None, handle),
        "identity_free": (None, handle), "token_expires_at": (ctypes.c_int64, handle),
        "identity_expires_at": (ctypes.c_int64, handle),
        **{f"token_{part}": (text, handle) for part in TOKEN_PARTS},
        **{f"identity_{part}": (text, handle) for part in IDENTITY_PARTS},
        **{name: (text, handle, ctypes.c_uint)
           for name in ("token_environment_at", "token_file_at", "token_unset_at", "identity_service_at")}}
    library = ctypes.CDLL("libpodlogin.so.1")
    for name, (returned, *arguments) in types.items():
        function = getattr(library, f"podlogin_{name}")
        function.restype, function.argtypes = returned, arguments
    return library


_library = _load()


class Error(Exception):
    """status: a Status, or a number that this module does not know. name: "POLICY_DENIED". retry_after: how many
    seconds to wait before a retry; 0: no advice."""

    def __init__(self, status, text, retry_after=0.0):
        self.status = Status(status) if status in set(Status) else status
        self.name = getattr(self.status, "name", str(status))
        self.retry_after = retry_after
        super().__init__(f"{self.name}: {os.fsdecode(text)}")


def _encoded(text):
    return None if text is None else os.fsencode(text)


def _part(name):
    function = getattr(_library, f"podlogin_{name}")
    return property(lambda self: os.fsdecode(function(self._pointer)))


def _texts(function, pointer):
    """The strings that a function returns by index, until NULL."""
    index, texts = 0, []
    while (text := function(pointer, index)) is not None:
        texts.append(os.fsdecode(text))
        index += 1
    return texts


def _assignments(function, pointer):
    return dict(text.split("=", 1) for text in _texts(function, pointer))


class Token:
    """An access token, which shows no secret when it is printed. It is wiped with the object; what was read from its
    attributes is not."""

    def __init__(self, pointer):
        self._pointer = pointer

    value = _part("token_value")
    type = _part("token_type")  # how to present it: "token", "Bearer"
    source = _part("token_source")  # "cache", "exchange", "joined", "unknown"
    variable = _part("token_variable")  # "PULUMI_ACCESS_TOKEN", or ""
    directory = _part("token_directory")  # as podlogin_token_directory() says

    @property
    def expires_at(self):
        """Unix time."""
        return _library.podlogin_token_expires_at(self._pointer)

    @property
    def variables(self):
        """The variables that programs read the token from, as a dict."""
        return _assignments(_library.podlogin_token_environment_at, self._pointer)

    @property
    def unset(self):
        """The names of variables that would make a program use another token."""
        return _texts(_library.podlogin_token_unset_at, self._pointer)

    @property
    def files(self):
        """The files for a directory, as podlogin_token_file_at() says, as a dict."""
        return _assignments(_library.podlogin_token_file_at, self._pointer)

    def environ(self, base=None):
        """The environment of a program that uses this token; @base is the one to begin with, or os.environ."""
        unset = self.unset
        rest = {name: value for name, value in (os.environ if base is None else base).items() if name not in unset}
        return {**rest, **self.variables}

    def __repr__(self):
        return f"<podlogin.Token of type {self.type!r} from {self.source}, expires at {self.expires_at}>"

    def __del__(self, free=_library.podlogin_token_free):
        free(self._pointer)


class Identity:
    """What the daemon derives from the service-account token: issuer, subject, namespace, serviceaccount,
    serviceaccount_uid, pod, pod_uid, expires_at (Unix time), services (that it may use now)."""

    def __init__(self, pointer):
        for part in IDENTITY_PARTS:
            setattr(self, part, os.fsdecode(getattr(_library, f"podlogin_identity_{part}")(pointer)))
        self.expires_at = _library.podlogin_identity_expires_at(pointer)
        self.services = _texts(_library.podlogin_identity_service_at, pointer)
        _library.podlogin_identity_free(pointer)

    def __repr__(self):
        return f"<podlogin.Identity {self.subject}>"


class Login:
    """A login to one service; None: $PODLOGIN_SERVICE, or "pulumi". The settings are those of libpodlogin(3), times in
    seconds. Python handles a signal when a call has returned; it returns at once if cancel_fd becomes readable, which
    signal.set_wakeup_fd() can bring about."""

    def __init__(self, service=None, *, socket=None, token_file=None, server_uid=None, min_ttl=None, timeout=None,
                 cancel_fd=None):
        self._lock = threading.Lock()
        self._is_authenticated = False
        self._handle = ctypes.c_void_p()
        _check(None, _library.podlogin_start(_encoded(service), ctypes.byref(self._handle)))
        settings = {"socket": _encoded(socket), "token_file": _encoded(token_file), "server_uid": server_uid,
                    "min_ttl": min_ttl, "timeout": None if timeout is None else round(1000 * timeout),
                    "cancel_fd": cancel_fd}
        for name, value in settings.items():
            if value is not None:
                self._call(f"set_{name}", value)

    def token(self):
        """Returns a valid Token."""
        with self._lock:
            if not self._is_authenticated:
                self._call("authenticate")
                self._is_authenticated = True
            return Token(self._get("get_token"))

    def reject(self, token):
        """Says that the upstream refused this Token, and returns another one."""
        with self._lock:
            return Token(self._get("reject_token", _encoded(token.value)))

    def watch(self, token):
        """Returns a Watch, which tells of the tokens that follow this one."""
        with self._lock:
            return Watch(self._get("watch_start", token._pointer))

    def whoami(self):
        """Returns the Identity."""
        with self._lock:
            return Identity(self._get("whoami"))

    def wait(self):
        """Returns when the daemon answers."""
        with self._lock:
            self._call("wait")

    def close(self, end=_library.podlogin_end):
        """Tokens and watches stay valid."""
        with self._lock:
            end(self._handle)
            self._handle = ctypes.c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()

    def _call(self, name, *arguments):
        if not self._handle:
            raise ValueError("the login is closed")
        _check(self._handle, getattr(_library, f"podlogin_{name}")(self._handle, *arguments))

    def _get(self, name, *arguments):
        result = ctypes.c_void_p()
        self._call(name, *arguments, ctypes.byref(result))
        return result


def _check(handle, status):
    if status != Status.OK:
        raise Error(status, _library.podlogin_strerror(handle, status),
                    _library.podlogin_retry_after(handle) / 1000 if handle else 0.0)


class Watch:
    """Iteration waits for the next Token. An event loop waits until fileno() is readable, and calls poll(). After an
    Error the watch goes on, so both can be used again; the token that the program has is valid until it expires."""

    def __init__(self, pointer):
        self._pointer = pointer

    def fileno(self):
        return _library.podlogin_watch_fd(self._pointer)

    def poll(self):
        """Returns the next Token, or None: not yet."""
        result = ctypes.c_void_p()
        status = _library.podlogin_watch_next(self._pointer, ctypes.byref(result))
        if status == Status.NOT_RENEWED:
            return None
        if status != Status.OK:
            raise Error(status, _library.podlogin_watch_strerror(self._pointer, status))
        return Token(result)

    def __iter__(self):
        return self

    def __next__(self):
        while True:
            select.select([self], [], [])
            if token := self.poll():
                return token

    def __del__(self, end=_library.podlogin_watch_end):
        end(self._pointer)
