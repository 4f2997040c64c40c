"""Gives a running SIPp one rate after another, over its control socket: ``python pace.py HOST PORT``.

It runs in the lab, as a script by itself, and needs nothing but Python's own library.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["CHANGES", "await_control", "keep_pace"]

CHANGES = "changes.json"
"""The file that has the changes: a list of ``[seconds from now, calls in a period of SIPp's]``, ascending."""


def keep_pace(
    changes: Sequence[tuple[float, float]],
    send: Callable[[bytes], object],
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send each rate when it is due."""
    began = now()
    for at, rate in changes:
        left = began + at - now()
        if left > 0:
            sleep(left)
        send(f"cset rate {rate:.9g}".encode())


def await_control(control: socket.socket, *, seconds: float = 10.0) -> None:
    """Wait until somebody has bound the port that ``control`` is connected to: one of this host's, so that a datagram
    to it is refused until then.

    :raises TimeoutError: nobody has.
    """
    until = time.monotonic() + seconds
    control.settimeout(_PROBE)
    while time.monotonic() < until:
        try:
            control.send(_NOTHING)
            control.recv(1)
        except ConnectionRefusedError:
            time.sleep(_PROBE)
        except TimeoutError:
            return
    raise TimeoutError(f"nobody takes commands at {control.getpeername()}")


_NOTHING = b"cset rate 0"
"""What changes nothing, since SIPp is at rate 0 until it is given its first."""
_PROBE = 0.02
"""Seconds in which a refusal comes."""


def main() -> None:
    address = (sys.argv[1], int(sys.argv[2]))
    changes = [(float(at), float(rate)) for at, rate in json.loads(Path(CHANGES).read_text("utf-8"))]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        control.connect(address)
        await_control(control)
        keep_pace(changes, control.send)


if __name__ == "__main__":
    main()
