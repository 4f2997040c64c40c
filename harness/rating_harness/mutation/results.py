"""What became of each mutant: a store that a later run goes on with, and the score."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Result", "Score", "Status", "Store", "wilson"]

Status = Literal["killed", "survived", "invalid", "unreached"]
"""``invalid`` Kamailio's check (``-c``) refuses the configuration; ``unreached`` no scenario executes the place."""


@dataclass(frozen=True, slots=True)
class Result:
    """:param key: of what was tried: the changed configuration, and Kamailio's version.
    :param rows: hashes of the scenarios that it was to be tried with.
    :param reaching: how many scenarios execute the place; 0 where that was stored by an older version.
    :param by: the scenario that killed it, ``row`` its hash, ``check`` which check saw it, and ``said`` what.
    """

    id: str
    key: str
    status: Status
    rows: tuple[str, ...] = ()
    by: str = ""
    row: str = ""
    check: str = ""
    said: str = ""
    seconds: float = 0.0
    reaching: int = 0

    def holds(self, rows: Sequence[str]) -> bool:
        """Whether it's still true where these scenarios would be run."""
        if self.status == "killed":
            return self.row in rows or not self.row
        return set(rows) <= set(self.rows) or self.status == "invalid"


@dataclass
class Store:
    """A line of JSON for each result, in a file that grows; those of another configuration are left there."""

    path: Path
    _results: dict[tuple[str, str], Result] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Store:
        store = cls(path)
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    value = json.loads(line)
                    result = Result(**{**value, "rows": tuple(value["rows"])})
                except (ValueError, TypeError, KeyError):
                    continue  # a line that was being written when the run was ended
                store._results[result.id, result.key] = result
        return store

    def find(self, identity: str, key: str) -> Result | None:
        return self._results.get((identity, key))

    def add(self, result: Result) -> None:
        self._results[result.id, result.key] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def kills(self) -> Mapping[str, int]:
        """How many mutants each scenario killed so far."""
        counts: dict[str, int] = {}
        for result in self._results.values():
            if result.status == "killed" and result.by:
                counts[result.by] = counts.get(result.by, 0) + 1
        return counts


@dataclass(frozen=True, slots=True)
class Score:
    """Of valid mutants without the equivalent ones: how many were killed. What nothing executes wasn't."""

    killed: int
    total: int

    @classmethod
    def of(cls, results: Iterable[Result], equivalent: frozenset[str] = frozenset()) -> Score:
        counted = [r for r in results if r.status != "invalid" and (r.id not in equivalent or r.status == "killed")]
        return cls(sum(result.status == "killed" for result in counted), len(counted))

    @property
    def percent(self) -> float:
        """Of nothing, all is killed."""
        return 100.0 * self.killed / self.total if self.total else 100.0

    def __str__(self) -> str:
        return f"{self.killed} of {self.total} ({self.percent:.1f} %)"

    def interval(self, population: int) -> tuple[float, float]:
        """Where the score of all lies with 95 % confidence, in percent, when this is a sample of that many."""
        return wilson(self.killed, self.total, population)


def wilson(hits: int, total: int, population: int) -> tuple[float, float]:
    """Wilson's interval for a share, at 95 %, narrower the more of the population was drawn."""
    if not total:
        return 0.0, 100.0
    z = 1.959964 * math.sqrt(max(0.0, (population - total) / max(1, population - 1)))
    share = hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)
