"""A process of a local lab, service or program, as the rest of the harness sees it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any

from harness.deadline import Deadline
from harness.errors import LabError, Timeout
from harness.lab.local.client import HolderClient
from harness.lab.local.layout import Place
from harness.lab.protocol import Host
from harness.lab.ready import last_lines

__all__ = ["LocalProcess"]


@dataclass(slots=True)
class LocalProcess:
    """Implements `harness.lab.protocol.Process`.

    :param request: what the holder was asked to start, and is asked again at a restart.
    :param key: the holder's name for the process that runs now.
    """

    name: str
    host: Host
    place: Place
    client: HolderClient
    request: dict[str, Any]
    key: int = 0
    _status: int | None = field(default=None, init=False)

    def start(self) -> None:
        """:raises LabError: when it could not be executed at all."""
        try:
            self.key = self.client.spawn(self.request)
        except LabError as error:
            command = self.request["argv"][0]
            raise LabError(f"{self.name} could not be started ({command})", found=error.found) from error
        self._status = None

    def poll(self) -> int | None:
        if self._status is None:
            self._status = self.client.poll(self.key)
        return self._status

    def wait(self, deadline: Deadline) -> int:
        if self._status is None:
            self._status = self.client.wait(self.key, deadline)
        if self._status is None:
            raise Timeout(
                f"{self.name} still runs after {deadline.seconds:g} s",
                expected="its end",
                detail=last_lines(self.output()),
            )
        return self._status

    def signal(self, signum: Signals) -> None:
        self._signal(signum, group=False)

    def signal_group(self, signum: Signals) -> None:
        """To it and to all that it started."""
        self._signal(signum, group=True)

    def _signal(self, signum: Signals, *, group: bool) -> None:
        if self._status is None:
            self.client.signal(self.key, signum, group=group)

    def output(self) -> str:
        return self.place.log.read_text(encoding="utf-8", errors="replace") if self.place.log.exists() else ""

    def read_file(self, name: str) -> bytes | None:
        path = self.place.find(name) if name.startswith("/") else self.place.work / name
        return path.read_bytes() if path.is_file() else None

    def list_files(self) -> Sequence[str]:
        work = self.place.work
        return sorted(str(path.relative_to(work)) for path in work.rglob("*") if path.is_file())

    def remove(self) -> None:
        if not self.place.directory.exists():
            return
        try:
            self.signal_group(SIGKILL)
            self.wait(Deadline(5))
        except LabError:
            # The lab has ended, and so has everything in it.
            self._status = -SIGKILL
        shutil.rmtree(self.place.directory, ignore_errors=True)

    def to_json(self) -> dict[str, Any]:
        root = self.place.root
        return {"name": self.name, "root": str(root) if root else None, "request": self.request, "key": self.key}

    @classmethod
    def from_json(cls, facts: dict[str, Any], host: Host, directory: Path, client: HolderClient) -> LocalProcess:
        root = Path(facts["root"]) if facts["root"] else None
        return cls(facts["name"], host, Place(directory, root), client, facts["request"], facts["key"])
