"""Tests with a Docker engine.

Asked for (``pytest tests/docker``, ``-m docker``), they fail where no engine answers. In a run of everything they're
left out there, and the run says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline
from rating_harness.lab import compose
from rating_harness.lab.docker import DockerLab, Engine, available
from rating_harness.lab.docker.engine import connect
from rating_harness.lab.files import data_directory

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    left_out = bool(ours) and not _asked_for(config) and not available()
    for item in ours:
        item.add_marker(pytest.mark.docker)
        if left_out:
            item.add_marker(pytest.mark.skip(reason="left out: no Docker engine answers"))


def _asked_for(config: pytest.Config) -> bool:
    named = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    return "docker" in config.option.markexpr or any(path.is_relative_to(HERE) for path in named)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = connect()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def lab(engine: Engine) -> Iterator[DockerLab]:
    """With the services of ``compose/lab.yaml``. Each test makes hosts of its own."""
    with DockerLab.open() as lab:
        for service in compose.load(data_directory("compose") / "lab.yaml").services.values():
            lab.start_service(service, Deadline(60))
        yield lab


@pytest.fixture
def empty_lab(engine: Engine) -> Iterator[DockerLab]:
    with DockerLab.open() as lab:
        yield lab
