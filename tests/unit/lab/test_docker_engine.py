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
from rating_harness.lab.docker.engine import available, connect, engine_errors, has_ended


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


def refused(status: int, explanation: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("refused", response=response, explanation=explanation)


@pytest.mark.parametrize(
    ("status", "explanation", "ended"),
    [
        (409, "Container 1f2e is not running", True),
        (500, "can only kill running containers. 1f2e is in state exited: container state improper", True),
        (500, "can only kill running containers. 1f2e is in state paused: container state improper", False),
        (500, "no such signal", False),
    ],
)
def test_a_signal_comes_too_late_for_a_container_that_has_ended(status: int, explanation: str, ended: bool) -> None:
    assert has_ended(refused(status, explanation)) is ended


@pytest.mark.parametrize(
    ("explanation", "hint"),
    [
        ("runc create failed: error setting rlimit type 7: operation not permitted", "default_ulimits"),
        ("runc create failed: no such device", None),
    ],
)
def test_limits_that_cannot_be_set_are_told_with_what_to_do(explanation: str, hint: str | None) -> None:
    with pytest.raises(LabError) as caught, engine_errors("starting the host carrier"):
        raise refused(500, explanation)
    assert caught.value.found == explanation
    assert (hint is None) == (caught.value.hint is None)
    assert hint is None or hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("address", "environment", "said"),
    [
        (
            "ssh://someone@build",
            {},
            "socket: `ssh -NL /tmp/docker.sock:/var/run/docker.sock someone@build`",
        ),
        ("npipe://x", {}, "DOCKER_HOST is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST"),
        ("build", {}, "DOCKER_HOST is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST"),
        ("tcp://127.0.0.1:1", {"DOCKER_TLS_VERIFY": "1"}, "DOCKER_CERT_PATH names the directory of ca.pem, cert.pem"),
        ("unix:///nowhere.sock", {}, "start one, or set DOCKER_HOST; or use the local lab"),
    ],
)
def test_what_to_do_about_an_engine_that_cant_be_asked(
    address: str, environment: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MissingTool) as caught:
        connect()
    assert said in str(caught.value)
