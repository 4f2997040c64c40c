"""The command `clean`."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness import __version__
from rating_harness.cli.lab import clean, status
from rating_harness.errors import MissingTool
from rating_harness.lab import docker, rootfs
from rating_harness.lab import lease as leasing
from rating_harness.lab.lease import Lease, ProcessIdentity
from rating_harness.session import persistent_lab

GONE = ProcessIdentity(pid=2**22 + 1, started=0)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a Docker engine, and with places of its own for labs and for the cache."""

    def no_engine(*, kept: bool) -> list[str]:
        raise MissingTool("no Docker engine answers")

    for name in ("labs", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(leasing, "base_directory", lambda: tmp_path / "labs")
    monkeypatch.setattr(rootfs, "_user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(docker, "sweep", no_engine)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def lab(
    machine: Path,
    lab_id: str,
    *,
    owner: ProcessIdentity,
    holder: ProcessIdentity | None = None,
    keep: bool = False,
) -> Path:
    directory = machine / "labs" / lab_id
    directory.mkdir()
    replace(Lease.new(lab_id, "local", keep=keep), owner=owner, holder=holder).write(directory)
    return directory


def run(*arguments: str) -> str:
    result = CliRunner().invoke(clean, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_nothing_to_do() -> None:
    assert run() == "nothing to remove\n"
    assert run("--list") == "no labs\n"


def test_abandoned_labs_are_removed_and_used_ones_stay(machine: Path) -> None:
    used = lab(machine, "used", owner=ProcessIdentity.own())
    lab(machine, "abandoned", owner=GONE)
    assert run() == "removed local lab abandoned\n"
    assert list((machine / "labs").iterdir()) == [used]


def test_labs_that_another_checkout_keeps_are_removed_only_on_request(machine: Path) -> None:
    kept = lab(machine, "kept", owner=GONE, holder=ProcessIdentity.own(), keep=True)
    assert run() == "nothing to remove\n"
    assert kept.is_dir()
    with subprocess.Popen(["sleep", "60"]) as holder:
        lab(machine, "theirs", owner=GONE, holder=ProcessIdentity.of(holder.pid), keep=True)
        shutil.rmtree(kept)
        assert run("--kept") == "removed local lab theirs\n"
        assert holder.wait(5) == -signal.SIGKILL


def test_labs_are_listed_with_what_they_are(machine: Path) -> None:
    own = ProcessIdentity.own()
    lab(machine, "a", owner=own)
    lab(machine, "b", owner=GONE)
    lab(machine, "c", owner=GONE, holder=own, keep=True)
    (machine / "labs/d").mkdir()
    assert run("--list").splitlines() == [
        f"a  of process {own.pid}, 0 min old",
        "b  abandoned, 0 min old",
        "c  kept, 0 min old",
        "d  without a lease",
    ]
    assert len(list((machine / "labs").iterdir())) == 4, "listing removes nothing"


def test_docker_labs_are_removed_where_an_engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "sweep", lambda *, kept: ["12ab"] if not kept else [])
    assert run() == "removed docker lab 12ab\n"


def test_the_cache_is_kept_unless_asked_for(machine: Path) -> None:
    root = machine / "cache/trixie-0123"
    (root / "usr").mkdir(parents=True)
    assert run() == "nothing to remove\n"
    assert run("--cache") == f"removed {root}\n"
    assert not root.exists()


def test_status_says_where_the_lab_of_up_is(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {"SIP": "127.0.0.1:5060", "agent": "127.0.0.1:8080"}
    up = persistent_lab.PersistentLab("local", "abc", addresses, __version__, persistent_lab.fingerprint(), 1.0)
    monkeypatch.setattr(persistent_lab, "find", lambda: up)
    monkeypatch.setattr(persistent_lab, "intended_use", lambda options: persistent_lab.Use(up))
    text = CliRunner().invoke(status, []).stdout
    assert text.startswith("local lab abc, ")
    assert "SIP    127.0.0.1:5060\nagent  http://127.0.0.1:8080\nruns use it\n" in text
    told = json.loads(CliRunner().invoke(status, ["--json"]).stdout)
    assert told == {
        "driver": "local", "id": "abc", "started": 1.0, "addresses": addresses, "used_by_runs": True, "note": "",
    }  # fmt: skip


def test_status_without_a_lab_fails_and_says_what_brings_one_up() -> None:
    result = CliRunner().invoke(status, [])
    assert result.exit_code == 1
    assert "`rating-harness up`" in result.output
