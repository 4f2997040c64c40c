"""A Docker engine that answers, and its errors in the harness's words."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from rating_harness.errors import LabError, MissingTool

__all__ = ["Engine", "available", "connect", "engine_errors", "has_ended"]

CONNECTS_WITHIN = 1
"""Seconds in which something must listen on an engine's local socket for it to count as there."""

ANSWERS_WITHIN = 10
"""Seconds in which an engine that listens must answer: Podman on a busy machine takes more than one."""

CALL_TIMEOUT = 60
"""Seconds for one call of the engine's API."""

_ENDED = re.compile(r"can only kill running containers.* in state (?!paused)")
_REMEDIES = {
    "error setting rlimit": "Podman gives containers higher limits than it may set on this machine; lower ones in "
    '/etc/containers/containers.conf: [containers] default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]',
}
"""What to do about an error that isn't this lab's, by words of it."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A connection to an engine.

    :param host: the machine it runs on; None when it's asked over a local socket.
    :param kernel: version of that machine's kernel, (5, 16) say; containers share it.
    """

    client: docker.DockerClient
    host: str | None
    kernel: tuple[int, int]

    @contextmanager
    def patient(self, seconds: int) -> Iterator[docker.DockerClient]:
        """A connection of its own, whose calls may be silent for that long."""
        client = docker.from_env(timeout=seconds)
        try:
            yield client
        finally:
            client.close()

    def close(self) -> None:
        self.client.close()


def connect() -> Engine:
    """The engine that ``DOCKER_HOST`` names, or the one behind this machine's socket.

    :raises MissingTool: none answers.
    """
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        _knock(address)
        # The version is negotiated, so that this is already a question to the engine.
        client = docker.from_env(timeout=ANSWERS_WITHIN)
        try:
            kernel = str(client.version().get("KernelVersion", ""))
        except BaseException:
            client.close()
            raise
    except (DockerException, RequestException, OSError) as error:
        raise MissingTool(
            "no Docker engine answers",
            expected=f"an engine at {address}",
            found=_explanation(error),
            hint=f"{_remedy(address, _explanation(error))}; or use the local lab, which needs none",
        ) from error
    client.api.timeout = CALL_TIMEOUT
    # Requests would read the environment for each call, in whichever thread, and fail where another thread (pytest's,
    # which notes the test there) changes it meanwhile.
    client.api.trust_env = False
    numbers = [int(number) for number in re.findall(r"\d+", kernel)[:2]]
    major, minor = numbers if len(numbers) == 2 else (0, 0)
    return Engine(client, _machine(address), (major, minor))


def _remedy(address: str, error: str) -> str:
    """What to do about an engine at that address that can't be asked."""
    scheme, has_scheme, rest = address.partition("://")
    if scheme == "ssh":
        works = f"`ssh {rest} docker version` has to work"
        return (
            f"{'`pip install paramiko` into this environment' if 'paramiko' in error else works}; or forward its "
            f"socket: `ssh -NL /tmp/docker.sock:/var/run/docker.sock {rest}`, and DOCKER_HOST=unix:///tmp/docker.sock"
        )
    if not has_scheme or scheme not in ("unix", "tcp", "http", "https"):
        return "DOCKER_HOST is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST"
    if "cert" in error.lower():
        return (
            "DOCKER_CERT_PATH names the directory of ca.pem, cert.pem and key.pem, which DOCKER_TLS_VERIFY=1 wants; "
            "they have to be of one authority with the engine's"
        )
    if "Permission denied" in error:
        return f"only root and the group docker may ask {address}: `usermod -aG docker USER`, or another DOCKER_HOST"
    return "start one, or set DOCKER_HOST"


def available() -> bool:
    """Whether an engine answers. Quick and quiet, and leaves no connection behind."""
    try:
        connect().close()
    except MissingTool:
        return False
    return True


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn whatever docker-py raises inside into a `LabError` that says what was being done.

    Time-outs of a call come as errors of requests, not of docker-py.
    """
    try:
        yield
    except (DockerException, RequestException) as error:
        found = _explanation(error)
        hint = next((hint for words, hint in _REMEDIES.items() if words in found), None)
        raise LabError(f"the Docker engine failed while {doing}", found=found, hint=hint) from error


def has_ended(error: APIError) -> bool:
    """Whether a signal was refused because the container doesn't run any more; Podman 4 calls that a server error."""
    return error.status_code == requests.codes.conflict or _ENDED.search(_explanation(error)) is not None


def _knock(address: str) -> None:
    """Connect to a local socket, since docker-py leaves its own open when nobody is there."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(CONNECTS_WITHIN)
            knocking.connect(address.removeprefix("unix://"))


def _machine(docker_host: str) -> str | None:
    address = urlsplit(docker_host)
    return address.hostname if address.scheme in ("tcp", "ssh", "http", "https") else None


def _explanation(error: Exception) -> str:
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    return str(error) or type(error).__name__
