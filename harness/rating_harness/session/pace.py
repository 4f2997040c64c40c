"""Where several labs run side by side: which scenario is next, and when there is room for it.

A scenario mostly waits, so there are more labs than processors; but a dozen that start at once make each other late.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rating_harness.scenario.model import Scenario

__all__ = ["Processors", "foreseen_seconds", "in_pairs", "labs_side_by_side", "longest_first", "room_for"]

Item = TypeVar("Item")

_CLOCK = 30.0
"""Seconds that a scenario with a `clock` takes, as a guess: it moves in steps."""


def foreseen_seconds(scenario: Scenario) -> float:
    """About how long a scenario takes, from what it says: no more than an order is made of it."""
    within = (scenario.expect.within or 0.0) if "within" in scenario.expect.model_fields_set else 0.0
    if scenario.clock is not None:
        return within + _CLOCK
    holds = [call.hold.high for call in scenario.calls if call.hold is not None]
    load = scenario.load.seconds if scenario.load is not None else 0.0
    return within + load + max(holds, default=0.0)


def longest_first(
    items: Sequence[Item], scenario: Callable[[Item], Scenario], durations: Mapping[str, float]
) -> list[Item]:
    """The items in the order in which they are best begun: what takes long isn't left for the end.

    :param durations: seconds by a scenario's id, as far as they are known; the others' are guessed. Items of one
        duration keep their order.
    """
    seconds = {id(item): durations.get(scenario(item).id, foreseen_seconds(scenario(item))) for item in items}
    return sorted(items, key=lambda item: -seconds[id(item)])


def in_pairs(items: Sequence[Item], workers: int) -> list[Item]:
    """The order for pytest-xdist, whose workers are given two tests each to begin with, and then one by one.

    So that the two longest don't fall to one worker, each long one has a short one behind it.
    """
    if len(items) < 2 * workers:
        return list(items)
    first, rest = items[:workers], items[workers : len(items) - workers]
    last = items[len(items) - workers :]
    return [item for pair in zip(first, reversed(last), strict=True) for item in pair] + list(rest)


def labs_side_by_side(processors: int | None = None) -> int:
    """How many labs are worth it: four for each processor, since scenarios wait three quarters of their time.

    :param processors: as many as this process may use, unless it's said.
    """
    return min(4 * (processors or _processors()), _MOST_LABS)


_MOST_LABS = 32


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def room_for(labs: int) -> Callable[[], None]:
    """What is called before each scenario where that many labs run side by side."""
    return Processors().await_room if labs > _processors() else lambda: None


@dataclass
class Processors:
    """How busy the machine's processors are; and waits until they have room for one more lab.

    :param stat: as proc(5) has /proc/stat: its first line counts ticks since the start, of all processors.
    """

    stat: Path = Path("/proc/stat")
    window: float = 0.1
    """Seconds over which the share is taken."""
    busy: float = 0.8
    """The share from which on there's no room."""
    patience: float = 5.0
    """Seconds after which a lab is started all the same: others' programs may never rest."""
    sleep: Callable[[float], None] = time.sleep

    def await_room(self) -> None:
        """Returns when there is room, or patience is over. Where nothing can be read, there always is."""
        waited = 0.0
        while waited < self.patience:
            before = self._ticks()
            self.sleep(self.window)
            share = _busy_share(before, self._ticks())
            if share is None or share < self.busy:
                return
            # Those who wait don't all look at the same moment, and all see the same room.
            pause = random.uniform(0.5, 2.0) * self.window
            self.sleep(pause)
            waited += self.window + pause

    def _ticks(self) -> tuple[int, ...]:
        try:
            name, *ticks = self.stat.read_text(encoding="ascii").partition("\n")[0].split()
            return tuple(map(int, ticks)) if name == "cpu" else ()
        except (OSError, ValueError):
            return ()


def _busy_share(before: tuple[int, ...], after: tuple[int, ...]) -> float | None:
    """Of user, nice, system, idle, iowait, irq, softirq and steal; guests' are in user's already."""
    if len(before) < 8 or len(after) < 8:
        return None
    spent = [late - early for early, late in zip(before[:8], after[:8], strict=True)]
    total = sum(spent)
    return 1 - (spent[3] + spent[4]) / total if total > 0 else None
