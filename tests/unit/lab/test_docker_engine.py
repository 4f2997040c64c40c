from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
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
    assert not available()
    assert time.monotonic() - before < 10
    with pytest.raises(MissingTool, match="no Docker engine answers") as caught:
        connect()
    assert caught.value.expected == f"an engine at {address}"


def test_a_file_where_the_socket_should_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "docker.sock").touch()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert not available()


def test_no_connection_is_left_by_a_look_for_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed: list[docker.DockerClient] = []
    close = docker.DockerClient.close

    def noted(self: docker.DockerClient) -> None:
        closed.append(self)
        close(self)

    monkeypatch.setattr(docker.DockerClient, "close", noted)
    with version_server(tmp_path / "docker.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert available()
    assert len(closed) == 1


@contextmanager
def version_server(path: Path) -> Iterator[str]:
    """The address of an engine that only knows its own version."""

    class Version(BaseHTTPRequestHandler):
        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            body = json.dumps({"ApiVersion": "1.44", "KernelVersion": "6.1.0"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with socketserver.UnixStreamServer(str(path), Version) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


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
