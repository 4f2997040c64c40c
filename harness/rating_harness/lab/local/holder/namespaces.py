"""Namespaces, mounts and roots of other file systems (namespaces(7), mount(2)), with the standard library alone."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 0x1, 0x1000, 0x4000, 0x40000

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    check(libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    result = libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    check(result, f"mount {source} on {target}")


def enter_namespaces(own_network: bool) -> str | None:
    """Leave the machine's namespaces for new ones. Returns the reason where that is refused.

    A user namespace is made only where the others can't be had without it. In it this user is called root.
    """
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | (CLONE_NEWNET if own_network else 0)
    user, group = os.geteuid(), os.getegid()
    try:
        unshare(flags)
        return None
    except OSError as error:
        refused = error
    try:
        unshare(flags | CLONE_NEWUSER)
    except OSError as error:
        return str(refused if error.errno == errno.EINVAL else error)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")
    return None


def write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text.encode())
    os.close(descriptor)


SERVER = {"net/unix/max_dgram_qlen": "512", "net/ipv4/tcp_tw_reuse": "1"}
"""What docs/integration.md asks of a machine (sysctl(8)): a network namespace begins with the kernel's defaults, not
with what systemd made of them.
"""


def tune_network() -> None:
    """Make this process's network namespace a server's, as far as it's let: a container's /proc/sys is read-only."""
    for name, value in SERVER.items():
        with contextlib.suppress(OSError):
            write(f"/proc/sys/{name}", value)


def mount_proc(target: str) -> None:
    """A /proc of the lab's own PID namespace, or the one there is, where a new one is refused (in containers)."""
    try:
        mount("proc", target, "proc")
    except OSError:
        if target != "/proc":
            mount("/proc", target, flags=MS_BIND | MS_REC)


def overlay_option(*layers: str) -> str:
    escaped = (layer.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,") for layer in layers)
    return "lowerdir=" + ":".join(escaped)


def enter_root(layers: list[str], binds: list[list[str]], mountpoint: str) -> None:
    """Make ``layers`` (the uppermost first) this process's root, in a mount namespace of its own.

    The layers stay as they are: an overlay without an upper layer is read-only, and works unprivileged.
    """
    unshare(CLONE_NEWNS)
    mount("overlay", mountpoint, "overlay", MS_RDONLY, overlay_option(*layers))
    for source, target in binds:
        mount(source, mountpoint + target, flags=MS_BIND | MS_REC)
    mount_proc(mountpoint + "/proc")
    os.chroot(mountpoint)


def can_enter(root: str, directory: str) -> bool:
    """Whether the kernel lets this user lay something over that root (from Linux 5.11 on; older ones only root)."""
    pid = os.fork()
    if pid == 0:
        try:
            enter_root([f"{directory}/skeleton", root], [], f"{directory}/root")
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
