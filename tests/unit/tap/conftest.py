from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tap.bench import Agent, Tap, running_agent, running_tap


@pytest.fixture
def agent() -> Iterator[Agent]:
    with running_agent() as agent:
        yield agent


@pytest.fixture
def tap(agent: Agent) -> Iterator[Tap]:
    with running_tap(agent.url) as tap:
        yield tap


@pytest.fixture
def socket_path(tmp_path: Path) -> str:
    return str(tmp_path / "agent.sock")
