"""Takes HEP packets over UDP and appends them to a file: ``hep_listener.py ADDRESS PORT FILE``.

It runs in the lab's network, as a script of its own with nothing but the standard library. A packet stands in the
file behind the time of its arrival (a double, Unix seconds) and its size (both in network order). SIGUSR1 empties
the file, once what has arrived so far is in it.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import time

HEAD = struct.Struct("!dI")
RECEIVE_BUFFER = 8 << 20


def main() -> None:
    address, port, path = sys.argv[1:]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        listener.bind((address, int(port)))

        def empty(signum: int, frame: object) -> None:
            try:
                while True:
                    listener.recv(65535, socket.MSG_DONTWAIT)
            except BlockingIOError:
                os.ftruncate(descriptor, 0)

        signal.signal(signal.SIGUSR1, empty)
        os.write(1, b"listening\n")
        while True:
            packet = listener.recv(65535)
            os.write(descriptor, HEAD.pack(time.time(), len(packet)) + packet)


if __name__ == "__main__":
    main()
