"""A program that is in its container before its moment, and begins when it's said so on its standard input.

Its command is behind a gate, which reads lines: ``NAME BASE64`` is a file for its working directory, an empty line
has it execute the program in its own place. What comes before the gate reads isn't lost; the engine starts no process
of its own for it, as it does for a signal; and a gate that nobody can open any more ends.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError
from rating_harness.lab.docker.process import ContainerProcess
from rating_harness.lab.ready import last_lines

__all__ = ["GATE", "HeldProgram", "held_command"]

GATE = "/run/gate"
"""The gate's directory, inside the container."""

LISTENS = f"{GATE}/listens"
"""The file by which it says that it listens."""

_SHELL = f"""\
: >{LISTENS}
while read -r name content; do
    [ -n "$name" ] || exec "$@" </dev/null
    printf %s "$content" | base64 -d >"$name"
done
exit 1
"""

_PYTHON = f"""\
import base64, importlib, os, sys
main = importlib.import_module(f"{{sys.argv[1]}}.__main__").main
open("{LISTENS}", "w").close()
while line := sys.stdin.readline():
    if not line.strip():
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.exit(main(*sys.argv[2:]))
    name, content = line.split()
    with open(name, "wb") as file:
        file.write(base64.b64decode(content))
sys.exit(1)
"""


def held_command(argv: Sequence[str]) -> tuple[str, ...]:
    """The command behind its gate.

    :param argv: of ``python -m PACKAGE WORD...`` the package is imported in front of the gate; its ``__main__`` has
        to have a ``main``, as for a fork server of a local lab.
    """
    if tuple(argv[:2]) == ("python", "-m"):
        return ("python", "-c", _PYTHON, *argv[2:])
    return ("sh", "-c", _SHELL, "gate", *argv)


class HeldProgram:
    """Implements `rating_harness.lab.protocol.Prepared`: a container whose gate listens."""

    def __init__(self, process: ContainerProcess, deadline: Deadline) -> None:
        """Start it, and wait for the gate.

        :raises LabError: the container can't be started, or ends instead.
        :raises Timeout: it doesn't listen in time.
        """
        self._process = process
        self._lock = threading.Lock()
        self.name = process.name
        process.open_input()
        process.start()
        await_condition(self._listens, deadline, f"{process.name} waiting for its moment", interval=0.02)

    def _listens(self) -> bool:
        self._check_runs()
        return self._process.has_written(LISTENS)

    def start(self, files: Mapping[str, bytes] = MappingProxyType({})) -> ContainerProcess:
        with self._lock:
            if not self._process.is_held:
                raise LabError(f"{self.name} has begun already")
            self._check_runs()
            self._process.is_held = False
            lines = [f"{name} {b64encode(content).decode()}" for name, content in files.items()]
            self._process.write_input("\n".join([*lines, "", ""]).encode())
        return self._process

    def remove(self) -> None:
        self._process.remove()

    def _check_runs(self) -> None:
        status = self._process.poll()
        if status is not None:
            raise LabError(
                f"{self.name} ended before it was to begin",
                expected="its command to wait for its moment",
                found=f"exit status {status}",
                detail=last_lines(self._process.output()),
            )
