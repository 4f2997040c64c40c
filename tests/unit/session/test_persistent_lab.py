"""The lab of `rating-harness up`: who uses it, who doesn't, and that they're told. No lab is brought up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from rating_harness.cli.main import main
from rating_harness.errors import LabError, UsageError
from rating_harness.run.options import Options
from rating_harness.run.stack import Stack
from rating_harness.session import persistent_lab
from rating_harness.session.persistent_lab import borrow, find, intended_use, start, stop


class _Stack:
    """A lab that counts how often it was closed."""

    def __init__(self) -> None:
        self.lab = SimpleNamespace(driver="local", id="1f2e")
        self.kamailio = SimpleNamespace(uptime=lambda: 1)
        self.closed = 0
        self.spoilt: list[str] = []
        self.is_clean = True

    def spoiled(self, name: str) -> None:
        self.spoilt.append(name)

    def give_back(self) -> bool:
        return self.is_clean

    def published(self) -> dict[str, str]:
        return {"SIP": "127.0.0.1:5060"}

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Stack:
    made = _Stack()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(Stack, "open", lambda options, persistent: made)
    monkeypatch.setattr(Stack, "attach", lambda driver, lab_id, options: made)
    return made


def test_a_run_uses_it_and_says_so() -> None:
    start(Options())
    use = intended_use(Options())
    assert use.lab == find()
    assert use.note == "Uses the lab of `up` (local 1f2e), up for 0 min, where it's free."
    with borrow(Options()) as first, borrow(Options()) as second:
        assert first is not None
        assert second is None, "one run at a time"


def test_what_a_run_could_not_clear_away_no_other_one_sees(stack: _Stack) -> None:
    start(Options())
    for is_clean, spoilt in ((True, []), (False, []), (True, ["kamailio"]), (True, ["kamailio"])):
        stack.is_clean = is_clean
        with borrow(Options()):
            assert stack.spoilt == spoilt


def test_a_run_that_was_killed_leaves_a_lab_that_is_restarted(stack: _Stack) -> None:
    start(Options())
    killed = borrow(Options())
    killed.__enter__()
    lock = next(path for path in find_state().parent.iterdir() if path.suffix == ".used")
    killed.__exit__(None, None, None)
    assert not lock.exists()
    lock.touch()
    with borrow(Options()):
        assert stack.spoilt == ["kamailio"]


def find_state() -> Path:
    return persistent_lab._state()


def test_without_one_there_is_nothing_to_say() -> None:
    assert intended_use(Options()) == persistent_lab.Use(None)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (Options(lab="docker"), "it is a local lab"),
        (Options(kamailio_config=Path("mine")), "this run wants its own (--kamailio-config)"),
        (Options(defines={"A": ""}), "this run wants its own (--define)"),
        (Options(kamailio="sid"), "this run wants its own (--kamailio)"),
        (Options(coverage=True), "this run wants its own (--coverage)"),
    ],
)
def test_a_run_that_wants_something_else_has_its_own(options: Options, reason: str) -> None:
    start(Options())
    assert intended_use(options) == persistent_lab.Use(None, f"The lab of `up` (local 1f2e) isn't used: {reason}.")
    with borrow(options) as borrowed:
        assert borrowed is None


@pytest.mark.parametrize("change", ["kamailio/rating.cfg", "compose/lab.yaml", "package/tap/proxy.py"])
def test_after_a_change_of_what_it_was_made_from_a_run_has_its_own(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kamailio/rating.cfg", "compose/lab.yaml", "package/tap/proxy.py", "package/contract.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was")
    for name in ("rating", "lab", "run"):
        (tmp_path / "package" / name).mkdir()
    (tmp_path / "package/run/kamailio.py").touch()
    monkeypatch.setattr(persistent_lab, "_PACKAGE", tmp_path / "package")
    monkeypatch.setattr(persistent_lab, "data_directory", lambda name: tmp_path / name)
    start(Options())
    assert intended_use(Options()).lab is not None
    (tmp_path / change).write_text("changed")
    assert "has changed since it was started" in intended_use(Options()).note
    assert intended_use(Options()).lab is None


def test_another_version_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    start(Options())
    monkeypatch.setattr(persistent_lab, "__version__", "99.0")
    assert "it was started by version" in intended_use(Options()).note


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_a_pipeline_never_uses_it_unless_told_to(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start(Options())
    monkeypatch.setenv("CI", value)
    use = intended_use(Options())
    assert use.lab is None
    assert "--persistent-lab yes uses it" in use.note
    assert intended_use(Options(persistent_lab="yes")).lab is not None


def test_it_can_be_refused_and_be_demanded() -> None:
    with pytest.raises(UsageError, match="can't be used: there is none"):
        intended_use(Options(persistent_lab="yes"))
    start(Options())
    assert intended_use(Options(persistent_lab="no")) == persistent_lab.Use(None)
    with pytest.raises(UsageError, match="it is a local lab"):
        intended_use(Options(lab="docker", persistent_lab="yes"))


def test_a_lab_that_has_gone_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    start(Options())

    def gone(*_: Any) -> Stack:
        raise LabError("no such lab")

    monkeypatch.setattr(Stack, "attach", gone)
    with borrow(Options()) as borrowed:
        assert borrowed is None
    assert stop() is not None
    assert find() is None


def test_another_checkout_neither_sees_nor_removes_it(monkeypatch: pytest.MonkeyPatch, stack: _Stack) -> None:
    start(Options())
    mine = persistent_lab._PACKAGE
    monkeypatch.setattr(persistent_lab, "_PACKAGE", mine / "rating")
    assert find() is None
    assert stop() is None
    assert CliRunner().invoke(main, ["down"]).output == "there is no lab of 'up'\n"
    assert stack.closed == 0
    monkeypatch.setattr(persistent_lab, "_PACKAGE", mine)
    assert CliRunner().invoke(main, ["down"]).output == "removed the local lab 1f2e\n"
    assert stack.closed == 1


def test_without_a_place_for_its_state_none_is_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: _Stack
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(Stack, "open", lambda options, persistent: pytest.fail("a lab was brought up"))
    result = CliRunner().invoke(main, ["up"])
    assert result.exit_code == 2
    assert "where the lab is can't be noted" in result.output
    assert intended_use(Options()).lab is None
    assert CliRunner().invoke(main, ["down"]).output == "there is no lab of 'up'\n"


def test_there_is_one_at_most() -> None:
    start(Options())
    with pytest.raises(UsageError, match="there is a lab of `up` already: local 1f2e"):
        start(Options())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: "",
        lambda state: "[]",
        lambda state: json.dumps({**json.loads(state), "format": 1}),
        lambda state: json.dumps({"driver": "local", "id": "1f2e", "addresses": {}}),
    ],
)
def test_a_state_of_another_kind_is_none(spoil: Callable[[str], str]) -> None:
    start(Options())
    path = persistent_lab._state()
    assert json.loads(path.read_text())["version"]
    path.write_text(spoil(path.read_text()))
    assert find() is None
    assert intended_use(Options()).lab is None
