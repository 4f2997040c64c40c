"""Runs a command where the kernel refuses it something: ``refused.py namespaces|mounts|ipv6 COMMAND...``

``namespaces`` is what an ordinary container has (Docker's default seccomp profile without CAP_SYS_ADMIN): no new
namespaces and no mounts. ``mounts`` is a user who may make namespaces that are of no use to him (Ubuntu 24.04's
AppArmor). ``ipv6`` is a machine without that family. Each is a seccomp(2) filter, which the command and all that it
starts inherit.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16
"""Offsets in struct seccomp_data."""

CLONE_NEW_ANY = 0x7E020080
CALLS = {
    "x86_64": {"mount": 165, "unshare": 272, "setns": 308, "clone": 56, "socket": 41},
    "aarch64": {"mount": 40, "unshare": 97, "setns": 268, "clone": 220, "socket": 198},
}
CLONE3, NEWER_MOUNTS = 435, (428, 429, 430, 431, 432, 442)
"""The same on all machines: open_tree, move_mount, fsopen, fsconfig, fsmount, mount_setattr."""

Instruction = tuple[int, int, int, int]


def program(what: str, machine: str) -> list[Instruction]:
    """The filter: instructions of (code, jump if true, jump if false, operand)."""
    calls = CALLS[machine]
    if what == "ipv6":
        return [
            *((LOAD_WORD, 0, 0, NUMBER), (JUMP_IF_EQUAL, 0, 3, calls["socket"])),
            *((LOAD_WORD, 0, 0, FIRST_ARGUMENT), (JUMP_IF_EQUAL, 0, 1, socket.AF_INET6)),
            *((RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT), (RETURN, 0, 0, ALLOW)),
        ]
    refused = [calls["mount"], *NEWER_MOUNTS]
    if what == "namespaces":
        refused += [calls["unshare"], calls["setns"]]
    instructions = [(LOAD_WORD, 0, 0, NUMBER)]
    for number in refused:
        instructions += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE | errno.EPERM)]
    if what == "namespaces":
        # What a filter can't see into is said not to exist, so that clone is used instead.
        instructions += [(JUMP_IF_EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
        instructions += [(JUMP_IF_EQUAL, 0, 3, calls["clone"]), (LOAD_WORD, 0, 0, FIRST_ARGUMENT)]
        instructions += [(JUMP_IF_ANY_BIT, 0, 1, CLONE_NEW_ANY), (RETURN, 0, 0, REFUSE | errno.EPERM)]
    return [*instructions, (RETURN, 0, 0, ALLOW)]


def refuse(what: str) -> None:
    """Set the filter for this process.

    :raises OSError: the kernel has no seccomp filters.
    """

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    instructions = program(what, platform.machine())
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", c, t, f, k) for c, t, f, k in instructions))
    wanted = Program(len(instructions), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(wanted), 0, 0),
    ):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), f"prctl: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    refuse(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
