"""What a local process has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.lab.local import process


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
