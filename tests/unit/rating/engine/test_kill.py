"""SIGKILL under load loses nothing that was acknowledged. ``benchmarks/kill.py`` does it fifty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import kill


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "engine.db"
    kill.seed(path)
    return path


def test_nothing_acknowledged_is_lost(database: Path) -> None:
    acknowledged = kill.Acknowledged()
    for number in range(3):
        assert kill.kill(database, acknowledged, number) == []
    assert acknowledged.begun
    assert acknowledged.ended


def test_a_loss_would_be_noticed(database: Path) -> None:
    acknowledged = kill.Acknowledged(
        begun={"never-begun"},
        ending={"never-ending"},
        ended={"never-ended": 10},
    )
    lost = kill.kill(database, acknowledged, 0)
    assert [line.split()[0] for line in lost] == ["never-begun", "never-ending", "never-ended"]
