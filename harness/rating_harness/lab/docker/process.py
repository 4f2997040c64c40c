"""A container as a process of the lab."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import requests
from docker.errors import APIError, NotFound

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, Timeout
from rating_harness.lab.docker.archive import unpack
from rating_harness.lab.docker.engine import Engine, engine_errors, has_ended
from rating_harness.lab.ready import last_lines

__all__ = ["WORK", "ContainerProcess", "remove_container"]

WORK = "/work"
"""The working directory of a program, inside its container."""

SIGNALLED = range(129, 193)
"""Statuses by which a shell, and docker-init, report a signal; SIPp's own are below and above."""


class ContainerProcess:
    """Implements `rating_harness.lab.protocol.Process`.

    :param host: the name of the host on which it runs.
    :ivar is_held: its program hasn't begun (`rating_harness.lab.docker.held`).
    """

    def __init__(self, engine: Engine, container: str, name: str, host: str, *, is_held: bool = False) -> None:
        self._engine = engine
        self._api = engine.client.api
        self._container = container
        self._files: dict[str, bytes] | None = None
        self._removed: int | None = None
        self._pid = 0
        self._input: _Input | None = None
        self.name = name
        self.host = host
        self.is_held = is_held

    @property
    def container(self) -> str:
        """Its id."""
        return self._container

    def start(self) -> None:
        """Start it, or start it again: its files and its log stay.

        :raises LabError: the engine can't, because the program isn't in the image, say.
        """
        self._files = None
        self._pid = 0
        with engine_errors(f"starting {self.name}"):
            self._api.start(self._container)

    def poll(self) -> int | None:
        if self._removed is not None:
            return self._removed
        if self._is_among_processes:
            return None
        with engine_errors(f"looking at {self.name}"):
            state = self._state()
        if not state["Running"]:
            return _status(state["ExitCode"])
        self._pid = int(state["Pid"])
        return None

    @property
    def _is_among_processes(self) -> bool:
        """Whether this machine itself runs it, which takes the engine a hundred times as long to say.

        The control group has the container's id in its path, so no other process is mistaken for it.
        """
        if not self._pid:
            return False
        try:
            return self._container in Path(f"/proc/{self._pid}/cgroup").read_text(encoding="ascii")
        except OSError:
            return False

    def wait(self, deadline: Deadline) -> int:
        if self._removed is not None:
            return self._removed
        try:
            with engine_errors(f"waiting for {self.name}"):
                seconds: Any = max(deadline.remaining, 0.01)  # the stubs know whole seconds only
                return _status(self._api.wait(self._container, timeout=seconds)["StatusCode"])
        except LabError as error:
            if not isinstance(error.__cause__, requests.exceptions.RequestException) or not deadline.expired:
                raise
        raise Timeout(
            f"{self.name} still runs after {deadline.seconds:g} s",
            expected="its end",
            detail=last_lines(self.output()),
        )

    def _signalled_here(self, signum: signal.Signals) -> bool:
        """Whether this process could send it itself: the engine starts a program for that, which takes its time."""
        # What the engine kills it waits for.
        if signum == signal.SIGKILL or not self._pid:
            return False
        try:
            process = os.pidfd_open(self._pid)
            try:
                if not self._is_among_processes:
                    return False
                signal.pidfd_send_signal(process, signum)
            finally:
                os.close(process)
        except OSError:
            return False
        return True

    def signal(self, signum: signal.Signals) -> None:
        if self._removed is not None or self._signalled_here(signum):
            return
        # Of the real-time signals only the first and the last have a name.
        named = signum.name if isinstance(signum, signal.Signals) else str(int(signum))
        with engine_errors(f"sending {named} to {self.name}"):
            try:
                self._api.kill(self._container, named)
            except APIError as error:
                if not has_ended(error):
                    raise

    def pause(self) -> None:
        with engine_errors(f"pausing {self.name}"):
            self._api.pause(self._container)

    def resume(self) -> None:
        """Go on; does nothing when it isn't paused."""
        with engine_errors(f"resuming {self.name}"):
            if self._state()["Paused"]:
                self._api.unpause(self._container)

    def output(self) -> str:
        if self._removed is not None:
            return ""
        with engine_errors(f"reading the log of {self.name}"):
            log: bytes = self._api.logs(self._container, stdout=True, stderr=True)
        return log.decode("utf-8", "replace")

    def read_file(self, name: str) -> bytes | None:
        if name.startswith("/"):
            return next((content for _, content in self._archive(name)), None)
        if self._removed is None and self._work is not None:
            path = self._work / name
            return path.read_bytes() if path.is_file() else None
        if self._ended():
            return self._all_files().get(str(PurePosixPath(name)))
        return next((content for _, content in self._archive(f"{WORK}/{name}")), None)

    def open_input(self) -> None:
        """Attach to the standard input of one that was made with it and hasn't been started yet."""
        with engine_errors(f"attaching to {self.name}"):
            self._input = _Input(self._api.attach_socket(self._container, {"stdin": 1, "stream": 1}))

    def write_input(self, data: bytes) -> None:
        """The last that is written to its standard input.

        :raises LabError: nobody reads it.
        """
        if self._input is None:
            raise LabError(f"nothing can be written to {self.name}")
        with engine_errors(f"writing to {self.name}"):
            self._input.write(data)
        self.close_input()

    def close_input(self) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None

    def has_written(self, path: str) -> bool:
        """Whether there's a file of that absolute path which isn't the image's."""
        if self._upper is not None:
            return Path(self._upper + path).is_file()
        return bool(self._archive(path))

    def list_files(self) -> Sequence[str]:
        if self._removed is None and self._work is not None:
            return sorted(str(path.relative_to(self._work)) for path in self._work.rglob("*") if path.is_file())
        files = self._all_files() if self._ended() else dict(self._archive(WORK))
        return sorted(files)

    def remove(self) -> None:
        if self._removed is not None:
            return
        self._removed = -signal.SIGKILL
        self.close_input()
        with engine_errors(f"removing {self.name}"):
            remove_container(self._engine, self._container)

    def _state(self) -> Any:
        return self._api.inspect_container(self._container)["State"]

    @property
    def _work(self) -> Path | None:
        """The working directory as the engine keeps it; None where this process can't read it there."""
        return Path(self._upper + WORK) if self._upper is not None else None

    @cached_property
    def _upper(self) -> str | None:
        """Where the engine keeps what has been written in the container; None where this process can't read it.

        For each archive the engine starts a process of its own, and a trace is read fifty times a second.
        """
        with engine_errors(f"looking at {self.name}"):
            driver = self._api.inspect_container(self._container).get("GraphDriver") or {}
        upper = (driver.get("Data") or {}).get("UpperDir") if driver.get("Name") == "overlay2" else None
        return upper if upper and os.access(upper + WORK, os.R_OK | os.X_OK) else None

    def _ended(self) -> bool:
        return self.poll() is not None

    def _all_files(self) -> dict[str, bytes]:
        """The files of a program that has ended: they don't change any more, so one question is enough."""
        if self._files is None:
            self._files = dict(self._archive(WORK))
        return self._files

    def _archive(self, path: str) -> list[tuple[str, bytes]]:
        if self._removed is not None:
            return []
        with engine_errors(f"reading {path} of {self.name}"):
            try:
                chunks, _ = self._api.get_archive(self._container, path)
            except NotFound:
                return []
            return list(unpack(chunks))


class _Input:
    """Somebody's end of a container's standard input."""

    def __init__(self, attached: Any) -> None:
        """:param attached: as docker-py gives it: a socket, or what reads one."""
        self._attached = attached
        self._socket = getattr(attached, "_sock", attached)

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LabError("the container doesn't read", found=error.strerror) from error

    def close(self) -> None:
        # docker-py leaves the response there, which has the connection.
        response = getattr(self._attached, "_response", None)
        (response or self._attached).close()
        self._socket.close()


def remove_container(engine: Engine, container: str) -> None:
    """Kill it if it runs, and remove it with its volumes; nothing when it's gone, or going, already."""
    try:
        engine.client.api.remove_container(container, force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        # 409: somebody else is removing it.
        if error.status_code != requests.codes.conflict:
            raise


def _status(code: int) -> int:
    return 128 - code if code in SIGNALLED else code
