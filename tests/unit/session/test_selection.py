"""Which scenarios are run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.cli.main import main
from rating_harness.errors import UsageError
from rating_harness.scenario.model import Scenario
from rating_harness.session.selection import (
    LastResults,
    parse_shard,
    read_durations,
    select,
    shard,
    tags_in,
    write_durations,
)
from rating_harness.session.session import Session
from tests.builders import scenario_of
from tests.unit.test_exit_status import _NoLab, run

CALLS = 'calls: [{id: ana, from: "1000", to: "39"}]\n'


def test_tags_are_completed_whatever_else_is_in_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("scenario: A\ntags: [prepaid, dialog]\ncalls: nonsense\n")
    (tmp_path / "b.yaml").write_text("scenario: B\ntags:\n  - prompt\ncalls: []\n")
    (tmp_path / "c.yaml").write_text("tags: [broken\n")
    assert tags_in([tmp_path, tmp_path / "gone"]) == ["dialog", "prepaid", "prompt"]
    for command in ("run", "list"):
        typed = {"COMP_WORDS": f"rating-harness {command} {tmp_path} --tag pr", "COMP_CWORD": "4"}
        environment = {**typed, "_RATING_HARNESS_COMPLETE": "bash_complete"}
        done = CliRunner().invoke(main, prog_name="rating-harness", env=environment)
        assert done.output.split() == ["plain,prepaid", "plain,prompt"]


@pytest.fixture
def scenarios(tmp_path: Path) -> list[Scenario]:
    made = []
    for name, tags in (("busy", "[dialog, failover]"), ("cancel", "[dialog]"), ("limit", "[prepaid]")):
        made.append(scenario_of(tmp_path / f"{name}-call.yaml", f"tags: {tags}\n{CALLS}"))
    return made


def names(found: list[Scenario]) -> list[str]:
    return [each.origin.file.stem.removesuffix("-call") for each in found]


def test_each_word_is_somewhere(scenarios: list[Scenario]) -> None:
    assert names(select(scenarios, words="")) == ["busy", "cancel", "limit"]
    assert names(select(scenarios, words="DIALOG call")) == ["busy", "cancel"]
    assert names(select(scenarios, words="limit-call")) == ["limit"]
    with pytest.raises(UsageError, match="no scenario is selected by -k 'busy limit-call'"):
        select(scenarios, words="busy limit-call")


def test_one_of_the_tags_is_enough(scenarios: list[Scenario]) -> None:
    assert names(select(scenarios, tags=["failover", "prepaid"])) == ["busy", "limit"]
    with pytest.raises(UsageError, match=r"tags are: dialog, failover, prepaid"):
        select(scenarios, tags=["prepayed"])


def test_those_that_failed_the_last_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(Session, "run", run)
    monkeypatch.setattr(Session, "stack", property(lambda _: _NoLab()))
    (tmp_path / "scenarios").mkdir()
    for tag in ("passes", "fails", "broken", "skipped"):
        scenario_of(tmp_path / f"scenarios/{tag}.yaml", f"tags: [{tag}]\n{CALLS}")

    def summary(*arguments: str) -> str:
        return CliRunner().invoke(main, ["run", "scenarios", *arguments]).output

    assert "no scenario is selected by --failed" in summary("--failed")
    assert "1 passed, 1 failed, 1 skipped, 1 not run" in summary()
    assert "0 passed, 1 failed, 0 skipped, 1 not run" in summary("--failed")
    assert "0 passed, 1 failed, 0 skipped in" in summary("--failed", "--tag", "fails")
    scenario_of(tmp_path / "scenarios/fails.yaml", f"tags: [passes]\n{CALLS}")
    assert "1 passed, 0 failed, 0 skipped, 1 not run" in summary("--failed")
    assert "0 passed, 0 failed, 0 skipped, 1 not run" in summary("--failed")


def test_a_state_that_is_garbage_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for text in ("", "[1]", '{"a": 3}'):
        (tmp_path / "rating-harness").mkdir(exist_ok=True)
        (tmp_path / "rating-harness/last-results.json").write_text(text)
        assert LastResults.read() == {}


# --- shards ---------------------------------------------------------------------------------------------------------


@given(
    items=st.lists(st.text(max_size=4), unique=True, max_size=30),
    count=st.integers(1, 8),
    durations=st.dictionaries(st.text(max_size=4), st.floats(0, 1000), max_size=30),
)
def test_all_shards_together_have_each_item_once(
    items: list[str], count: int, durations: Mapping[str, float]
) -> None:
    shards = [shard(items, number, count, key=str, durations=durations) for number in range(1, count + 1)]
    assert sorted(item for found in shards for item in found) == sorted(items)
    for found in shards:
        assert found == sorted(found, key=items.index)


def test_shards_take_about_as_long_as_each_other() -> None:
    durations = {f"s{number}": float(number) for number in range(1, 41)}
    items = sorted(durations)
    times = [sum(durations[i] for i in shard(items, n, 4, key=str, durations=durations)) for n in range(1, 5)]
    assert max(times) - min(times) <= 5
    unknown = [len(shard(items, n, 4, key=str, durations={})) for n in range(1, 5)]
    assert unknown == [10, 10, 10, 10]


@pytest.mark.parametrize("text", ["", "x", "[]", "{", '{"a": "b", "c": true, "d": -1, "e": NaN, "f": null}'])
def test_durations_that_are_garbage_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(text)
    assert read_durations(tmp_path / "d.json") == {}
    assert read_durations(tmp_path / "missing.json") == {}
    assert read_durations(None) == {}


def test_durations_are_added_to_those_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "d.json"
    write_durations(path, {"b": 1.26})
    write_durations(path, {"a": 2.0})
    assert json.loads(path.read_text()) == {"a": 2.0, "b": 1.3}


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "a/b", "1/2/3", "-1/2", "²/3"])
def test_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="this is no shard"):
        parse_shard(text)
    assert parse_shard("2/5") == (2, 5)
