"""What a local lab needs of the session that starts it."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from rating_harness.errors import MissingTool
from rating_harness.lab.local.client import start_holder
from rating_harness.lab.local.holder import supervisor


@pytest.mark.parametrize("most", [10, 40, 63])
def test_a_session_with_too_few_open_files_is_refused_with_the_remedy(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (most, most))
    with pytest.raises(MissingTool, match="too few files open") as raised:
        start_holder(tmp_path, own_network=True, networks={}, binds={}, roots=(), keep=False)
    assert f"{most} (`ulimit -Hn`)" in (raised.value.found or "")
    assert "nofile=1024" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("soft", "hard", "set_to"),
    [
        (40, 64, (64, 64)),
        (40, 4096, (1024, 4096)),
        (40, resource.RLIM_INFINITY, (1024, resource.RLIM_INFINITY)),
        (1024, 4096, None),
        (20000, 20000, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
    ],
)
def test_a_soft_limit_is_raised_as_far_as_a_lab_needs(
    soft: int, hard: int, set_to: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: done.append(limits))
    supervisor.allow_open_files()
    assert done == ([] if set_to is None else [set_to])
