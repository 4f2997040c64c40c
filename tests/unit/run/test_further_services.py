"""Services of the user's own: started before Kamailio, waited for, and started anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.errors import ServiceDied, Timeout, UsageError
from rating_harness.run import further_services
from rating_harness.run.further_services import FurtherServices
from rating_harness.run.options import Options
from tests.unit.run.fake_lab import FakeLab

TWO = """services:
  database: {image: "x/db:1", command: [db, "${LAB_ADDRESS}"], expose: ["3306", "33060"]}
  cache: {command: [cache]}
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    file = tmp_path / "services.yaml"
    file.write_text(TWO)
    return file


class Connecting:
    """Answers as a command in the lab would that connects to a port: refused so often, then open."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.tried: list[tuple[str, ...]] = []

    def __call__(self, role: str, name: str, command: tuple[str, ...]) -> str:
        self.tried.append(command[-2:])
        self.refusals -= 1
        return "ConnectionRefusedError" if self.refusals >= 0 else "open\n"


def test_each_is_started_and_each_of_its_ports_waited_for(two: Path) -> None:
    lab, connecting = FakeLab(), Connecting(refusals=2)
    further = FurtherServices(two)
    further.start(lab, connecting)
    address = lab.host("database").address
    assert lab.done == ["start database", "start cache"]
    assert connecting.tried == [(address, "3306")] * 3 + [(address, "33060")]
    assert further.images == {"database": "x/db:1"}


def test_without_a_file_there_are_none() -> None:
    lab = FakeLab()
    FurtherServices(None).start(lab, Connecting())
    assert lab.done == []


def test_one_that_ended_is_started_anew(two: Path) -> None:
    lab, connecting = FakeLab(), Connecting()
    further = FurtherServices(two)
    further.start(lab, connecting)
    lab.done.clear()
    further.heal(lab, connecting)
    assert lab.done == []
    lab.service("cache").status = 1
    further.heal(lab, connecting)
    assert lab.done == ["restart cache"]


def test_one_that_ends_instead_of_listening_is_told_with_its_last_lines(two: Path) -> None:
    lab = FakeLab()

    def connect(role: str, name: str, command: tuple[str, ...]) -> str:
        lab.service("database").status = 3
        lab.service("database").log = "no space left\n"
        return "ConnectionRefusedError"

    with pytest.raises(ServiceDied, match="database ended with status 3") as raised:
        FurtherServices(two).start(lab, connect)
    assert raised.value.detail == "no space left"


def test_one_that_doesnt_listen_is_told_with_its_port(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(further_services, "START", 0.0)
    with pytest.raises(Timeout, match="database accepting connections") as raised:
        FurtherServices(two).start(FakeLab(), Connecting(refusals=1000))
    assert raised.value.expected == "TCP port 3306 of database open within 0 s"
    assert "${LAB_ADDRESS}" in (raised.value.hint or "")


@pytest.mark.parametrize("name", ["kamailio", "rating-agent", "rating-engine"])
def test_the_labs_own_names_are_taken(tmp_path: Path, name: str) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(f"services: {{{name}: {{command: [x]}}}}\n")
    with pytest.raises(UsageError, match=f"the lab has a service {name} of its own"):
        Options.of(defines=(), seed=1, services=file)


def test_a_kamailio_that_runs_already_has_its_own(two: Path) -> None:
    with pytest.raises(UsageError, match="has its own services"):
        Options.of(defines=(), seed=1, services=two, target="127.0.0.1:5060")


def test_a_file_that_isnt_one_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        Options.of(defines=(), seed=1, services=tmp_path / "nowhere.yaml")
