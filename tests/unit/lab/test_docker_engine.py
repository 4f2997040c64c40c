from __future__ import annotations

import time
from pathlib import Path

import docker.errors
import pytest
import requests

from rating_harness.errors import LabError, MissingTool
from rating_harness.lab.docker.engine import available, connect, engine_errors


@pytest.mark.parametrize("address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "nonsense://x"])
def test_no_engine_is_told_quickly_and_quietly(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    before = time.monotonic()
    assert available() is None
    assert time.monotonic() - before < 1
    with pytest.raises(MissingTool, match="no Docker engine answers") as caught:
        connect()
    assert caught.value.expected == f"an engine at {address}"


def test_a_file_where_the_socket_should_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "docker.sock").touch()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert available() is None


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (docker.errors.APIError("500 Server Error", explanation="no space left"), "no space left"),
        (docker.errors.DockerException("broken"), "broken"),
        (requests.exceptions.ReadTimeout("took too long"), "took too long"),
        (requests.exceptions.ConnectionError(), "ConnectionError"),
    ],
)
def test_its_errors_say_what_was_being_done(error: Exception, found: str) -> None:
    with pytest.raises(LabError, match="failed while baking") as caught, engine_errors("baking"):
        raise error
    assert caught.value.found == found


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), engine_errors("baking"):
        raise KeyError
