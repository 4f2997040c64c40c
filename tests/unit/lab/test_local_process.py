"""What a local process has written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rating_harness.errors import LabError
from rating_harness.lab.local import process
from rating_harness.lab.local.layout import Place
from rating_harness.lab.protocol import Host


def test_of_a_log_without_end_its_start_and_its_end_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_HEAD", 10)
    monkeypatch.setattr(process, "_TAIL", 4)
    log = tmp_path / "log"
    for size, expected in (
        (14, b"a" * 10 + b"b" * 4),
        (30, b"a" * 10 + b"\n... 16 bytes are left out ...\n" + b"b" * 4),
    ):
        log.write_bytes(b"a" * 10 + b"b" * (size - 10))
        with log.open("rb") as file:
            assert process._bounded(file) == expected


class Refuses:
    """A holder that can't execute anything.

    :param found: what it says then.
    """

    def __init__(self, found: str) -> None:
        self.found = found

    def spawn(self, request: Mapping[str, Any]) -> int:
        raise LabError("it could not be executed", found=self.found)


@pytest.mark.parametrize(
    ("found", "is_hinted"),
    [
        ("PermissionError: [Errno 13] Permission denied: b'/tmp/rh-0/bin/kamailio'", True),
        ("FileNotFoundError: [Errno 2] No such file or directory: b'kamailio'", False),
    ],
)
def test_a_directory_from_which_nothing_may_be_run(tmp_path: Path, found: str, is_hinted: bool) -> None:
    client: Any = Refuses(found)
    host = Host("kamailio", "198.18.0.9", None, ())
    started = process.LocalProcess("kamailio", host, Place(tmp_path, None), client, {"argv": ["kamailio"]})
    with pytest.raises(LabError, match=r"kamailio could not be started \(kamailio\)") as caught:
        started.start()
    assert (caught.value.hint is not None) == is_hinted
