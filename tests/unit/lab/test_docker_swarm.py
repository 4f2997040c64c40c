"""What is asked of an engine's swarm, and what is made of its answers."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.errors import LabError
from rating_harness.lab.docker.engine import Engine
from rating_harness.lab.docker.swarm import ReplicatedJob, check_manager, clock_of, pieces_of


def engine(info: dict[str, Any], version: str = "1.41") -> Engine:
    client = SimpleNamespace(info=lambda: info, api=SimpleNamespace(api_version=version))
    return Engine(cast(Any, client), None, (6, 1))


def test_a_manager_will_do() -> None:
    check_manager(engine({"Swarm": {"LocalNodeState": "active", "ControlAvailable": True}}))


@pytest.mark.parametrize(
    ("swarm", "version", "said"),
    [
        ({"LocalNodeState": "inactive"}, "1.41", ["in no swarm", "inactive", "docker swarm init"]),
        (None, "1.41", ["in no swarm", "docker swarm init"]),
        (
            {"LocalNodeState": "active", "RemoteManagers": [{"Addr": "192.0.2.1:2377"}]},
            "1.41",
            ["a worker", "192.0.2.1:2377", "docker node promote"],
        ),
        ({"LocalNodeState": "active", "ControlAvailable": True}, "1.40", ["no replicated jobs", "1.41", "newer"]),
    ],
)
def test_what_wont_do_says_what_to_do(swarm: Any, version: str, said: list[str]) -> None:
    with pytest.raises(LabError) as raised:
        check_manager(engine({"Swarm": swarm}, version))
    assert raised.value.expected
    assert [word for word in said if word not in str(raised.value)] == []


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
@pytest.mark.parametrize("ahead", [0.0, 3600.0, -7.5])
def test_an_engines_clock_is_compared(ahead: float, zone: str) -> None:
    def said() -> dict[str, str]:
        now = datetime.fromtimestamp(time.time() + ahead, UTC)
        return {"SystemTime": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond:06d}123{zone}"}

    asked = Engine(cast(Any, SimpleNamespace(info=said)), None, (6, 1))
    clock, precision = clock_of(asked)
    assert abs(clock - ahead) <= precision + 1e-5


def test_an_engines_clock_without_a_fraction_is_read() -> None:
    asked = Engine(cast(Any, SimpleNamespace(info=lambda: {"SystemTime": "2026-01-01T00:00:00+01:00"})), None, (6, 1))
    expected = datetime(2025, 12, 31, 23, tzinfo=UTC).timestamp() - time.time()
    assert clock_of(asked)[0] == pytest.approx(expected, abs=30)


@given(st.dictionaries(st.sampled_from(["a", "b", "job.gz"]), st.binary(max_size=40)), st.integers(1, 20))
def test_what_is_too_large_for_a_config_is_in_several(files: dict[str, bytes], largest: int) -> None:
    pieces = dict(pieces_of(files, largest))
    assert all(len(content) <= largest for content in pieces.values())
    for name, content in files.items():
        parts = sorted(each for each in pieces if each == name or each.startswith(f"{name}."))
        assert b"".join(pieces[each] for each in parts) == content


class FakeSwarm:
    """Keeps what is asked of it; its tasks are what a test says."""

    def __init__(self) -> None:
        self.replicas: list[int] = []
        self.removed: list[str] = []
        self.configs: list[str] = []
        self.error = ""
        self.there: list[tuple[str, str, str]] = []
        """State of a task, name and state of its machine."""

    def create_config(self, name: str, data: bytes, labels: dict[str, str]) -> dict[str, str]:
        self.configs.append(name)
        return {"ID": name}

    def create_service(self, task: Any, *, mode: Any, **others: Any) -> dict[str, str]:
        self.replicas.append(mode["ReplicatedJob"]["TotalCompletions"])
        return {"ID": f"service-{len(self.replicas)}"}

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"ID": name, "Description": {"Hostname": name}, "Status": {"State": state}}
            for _, name, state in self.there
        ]

    def tasks(self, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        assert filters == {"service": [f"service-{number}" for number in range(1, len(self.replicas) + 1)]}
        return [
            {"ID": f"task-{number}", "NodeID": name, "Status": {"State": state, "Err": self.error}}
            for number, (state, name, _) in enumerate(self.there)
        ]

    def inspect_image(self, image: str) -> dict[str, list[str]]:
        assert image == "sha256:1"
        return {"RepoTags": ["rating-harness/generator:trixie-1"]}

    def remove_service(self, service: str) -> None:
        self.removed.append(service)


def job(swarm: FakeSwarm, number: int) -> ReplicatedJob:
    engine = Engine(cast(Any, SimpleNamespace(api=swarm)), None, (6, 1))
    return ReplicatedJob(engine, "network", "1f2e", "generators", ("true",), {"job.gz": b"x" * 9}, number, "sha256:1")


def test_a_task_is_started_once_in_place_of_each_on_a_machine_that_is_gone() -> None:
    swarm = FakeSwarm()
    replicas = job(swarm, 3)
    swarm.there = [
        ("running", "machine-1", "ready"),
        ("assigned", "machine-2", "down"),
        ("failed", "machine-3", "down"),
    ]
    replicas.replace_lost()
    replicas.replace_lost()
    assert swarm.replicas == [3, 1]
    assert replicas.states() == [
        "on machine-1: running",
        "on machine-2, which is down: assigned",
        "on machine-3, which is down: failed",
    ]
    replicas.remove()
    assert swarm.removed == ["service-1", "service-2"]


def test_a_machine_without_the_image_is_said_at_once() -> None:
    swarm = FakeSwarm()
    replicas = job(swarm, 1)
    swarm.there, swarm.error = [("rejected", "machine-2", "ready")], "No such image: sha256:1"
    with pytest.raises(LabError) as raised:
        replicas.replace_lost()
    assert "docker save rating-harness/generator:trixie-1 | ssh machine-2 docker load" in str(raised.value)
    assert swarm.replicas == [1]


def test_a_jobs_names_are_as_short_as_swarm_wants_them() -> None:
    swarm = FakeSwarm()
    job(swarm, 3)
    assert all(len(name) <= 64 for name in swarm.configs)
