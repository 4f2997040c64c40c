"""Certificates that the environment names, for an engine that's asked from inside of a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.lab.docker import Engine
from tests.lab.test_engine_manners import try_certificates


def test_certificates_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    if engine.host:
        pytest.skip("the engine is on another machine, which has another address for this one")
    gateway = engine.client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    try_certificates(tmp_path, monkeypatch, gateway, "docker")
