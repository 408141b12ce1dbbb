"""A seccomp profile for a child process, as a container runtime installs it: some system calls fail."""

import ctypes
import os
import struct

FACCESSAT2 = 439  # on all architectures
ACCESS = {"x86_64": (21, 269), "aarch64": (48,)}.get(os.uname().machine)  # access(), faccessat(); None: unknown

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # classic BPF; the number is at 0 of struct seccomp_data
ALLOW, FAIL = 0x7fff0000, 0x00050000


def forbid(numbers, errno):
    """Makes these system calls of this process, and of all that it executes, fail with @errno."""
    code = struct.pack("=HBBI", LOAD_NUMBER, 0, 0, 0)
    for number in numbers:
        code += struct.pack("=HBBI", JUMP_IF_EQUAL, 0, 1, number) + struct.pack("=HBBI", RETURN, 0, 0, FAIL | errno)
    code += struct.pack("=HBBI", RETURN, 0, 0, ALLOW)
    buffer = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
        raise OSError(ctypes.get_errno(), "cannot install a seccomp filter")
