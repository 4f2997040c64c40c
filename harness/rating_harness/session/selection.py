"""Which of the scenarios are run: by words, by tag, those that failed the last time, one shard of several."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import platformdirs
import yaml

from rating_harness.errors import UsageError
from rating_harness.report import events
from rating_harness.scenario.loader import scenario_files
from rating_harness.scenario.model import Scenario

__all__ = [
    "DurationsFile",
    "LastResults",
    "parse_shard",
    "read_durations",
    "select",
    "shard",
    "tags_in",
    "write_durations",
]

Item = TypeVar("Item")


def select(
    scenarios: Sequence[Scenario], *, words: str = "", tags: Iterable[str] = (), failed: bool = False
) -> list[Scenario]:
    """Those that fit all of it.

    :param words: each is in the title, the file's path, the row or a tag, in whatever case.
    :param tags: one of them is a tag of the scenario.
    :param failed: it failed, or could not be run, the last time that it was (`LastResults`).
    :raises UsageError: none does.
    """
    wanted, any_of = words.casefold().split(), set(tags)
    last = LastResults.read() if failed else {}
    found = [
        each
        for each in scenarios
        if all(word in _said_of(each) for word in wanted)
        and (not any_of or any_of & set(each.tags))
        and (not failed or last.get(_key(each)) is False)
    ]
    if not found:
        options = (
            [f"-k {words!r}"] * bool(wanted) + [f"--tag {tag}" for tag in sorted(any_of)] + ["--failed"] * failed
        )
        known = sorted({tag for each in scenarios for tag in each.tags})
        raise UsageError(
            f"no scenario is selected by {' '.join(options)}",
            found=f"{len(scenarios)} scenarios, none of which fits",
            hint=f"tags are: {', '.join(known)}" if any_of and known else None,
        )
    return found


def tags_in(paths: Iterable[Path]) -> list[str]:
    """The tags of the scenarios in the paths, whatever else is in the files: quick enough for completion."""
    found: set[str] = set()
    for file in scenario_files(path for path in paths if path.exists()):
        with suppress(OSError, ValueError, yaml.YAMLError):
            said = _TAGS.search(file.read_text("utf-8"))
            tags = yaml.safe_load(said[0])["tags"] if said else ()
            found |= {tag for tag in tags or () if isinstance(tag, str)}
    return sorted(found)


_TAGS = re.compile(r"^tags:.*\n(?:[ -].*\n?)*", re.MULTILINE)


def _said_of(scenario: Scenario) -> str:
    origin = scenario.origin
    return " ".join((scenario.scenario, origin.file.as_posix(), origin.row, *scenario.tags)).casefold()


def _key(scenario: Scenario) -> str:
    row = f"[{scenario.origin.row}]" if scenario.origin.row else ""
    return f"{scenario.origin.file.absolute().as_posix()}{row}"


class LastResults:
    """Notes which scenarios passed, for ``--failed``."""

    def __init__(self) -> None:
        self._passed: dict[str, bool] = {}

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.ScenarioFinished(scenario=scenario, verdict=verdict):
                self._passed[_key(scenario)] = verdict.passed
            case events.ScenarioFailedToRun(scenario=scenario):
                self._passed[_key(scenario)] = False
            case events.SessionFinished():
                # A home that can't be written to costs no verdict: --failed then selects nothing.
                with suppress(OSError):
                    self._write()
            case _:
                pass

    def _write(self) -> None:
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps({**self.read(), **self._passed}), encoding="utf-8")
        temporary.replace(path)

    @staticmethod
    def _path() -> Path:
        return Path(platformdirs.user_state_dir("rating-harness")) / "last-results.json"

    @classmethod
    def read(cls) -> dict[str, bool]:
        """Whether it passed, by the scenario's absolute path with its row."""
        try:
            found = json.loads(cls._path().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return (
            {key: value for key, value in found.items() if isinstance(value, bool)} if isinstance(found, dict) else {}
        )


# --- shards ---------------------------------------------------------------------------------------------------------


def parse_shard(text: str) -> tuple[int, int]:
    """Of ``2/5``: which, of how many.

    :raises UsageError: it isn't one.
    """
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return int(number), int(count)
    raise UsageError("this is no shard", expected="N/M, such as 2/5: the second of five", found=text)


def read_durations(path: Path | None) -> dict[str, float]:
    """Seconds by a scenario's id, as far as the file holds any; empty where it can't be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(key): float(value)
        for key, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6
    }


def write_durations(path: Path, durations: Mapping[str, float]) -> None:
    """Add these to what the file holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {**read_durations(path), **{key: round(value, 1) for key, value in durations.items()}}
    path.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", encoding="utf-8")


class DurationsFile:
    """A reporter that writes how long scenarios took, when the session has finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: dict[str, float] = {}

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.ScenarioFinished(scenario=scenario, seconds=seconds):
                self._seconds[scenario.id] = seconds
            case events.SessionFinished():
                write_durations(self._path, self._seconds)
            case _:
                pass


def shard(
    items: Sequence[Item], number: int, count: int, *, key: Callable[[Item], str], durations: Mapping[str, float]
) -> list[Item]:
    """The items of one shard, in their order. All shards have each item once, whatever the durations are.

    The longest go first, each to the shard that has least until then; one whose duration isn't known counts as
    long as the mean of the others. All shards have to be given the same durations.
    """
    mean = sum(durations.values()) / len(durations) if durations else 1.0
    seconds = [durations.get(key(item), mean) for item in items]
    order = sorted(range(len(items)), key=lambda index: (-seconds[index], _spread(key(items[index])), index))
    load = [0.0] * count
    of = [0] * len(items)
    for index in order:
        of[index] = min(range(count), key=lambda each: (load[each], each))
        # Something for each, so that items of no duration are spread too.
        load[of[index]] += max(seconds[index], 1e-3)
    return [item for index, item in enumerate(items) if of[index] == number - 1]


def _spread(text: str) -> str:
    """An order that has nothing to do with names: neighbours are alike, and not all of them go to one shard."""
    return hashlib.sha256(text.encode()).hexdigest()
