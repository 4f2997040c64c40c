"""What ran, of all configurations that a session started, scenario by scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rating_harness.coverage.points import Branch, Instrumented, Line, Probe

__all__ = ["BETWEEN", "Coverage", "FileCoverage", "Share"]

BETWEEN = "(start of Kamailio, and between scenarios)"
"""The context of what ran while no scenario did."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    covered: int
    total: int

    @property
    def percent(self) -> float:
        """Of nothing, all is covered."""
        return 100.0 * self.covered / self.total if self.total else 100.0

    def __str__(self) -> str:
        return f"{self.covered} of {self.total} ({self.percent:.1f} %)"


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """One file: hits of each line that holds the beginning of a statement, and of each branch."""

    file: str
    lines: Mapping[int, int]
    branches: tuple[tuple[Branch, int], ...]
    routes: Mapping[str, tuple[int, int]]
    """By title: its first line, and how often that ran."""


@dataclass
class Coverage:
    """Grows with each start and each scenario. What any start's defines left in can be covered."""

    lines: dict[tuple[str, int, int], Line] = field(default_factory=dict)
    branches: dict[tuple[str, int, int, str], Branch] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    contexts: dict[str, Counter[Probe]] = field(default_factory=dict)

    def add_points(self, instrumented: Instrumented) -> None:
        for line in instrumented.lines:
            self.lines.setdefault((line.file, line.line, line.column), line)
        for branch in instrumented.branches:
            self.branches.setdefault((branch.file, branch.line, branch.column, branch.way), branch)
        for span, reason in instrumented.unmeasured:
            self.unmeasured.setdefault(str(span), reason)

    def add_hits(self, context: str, hits: Mapping[Probe, int]) -> None:
        if hits:
            self.contexts.setdefault(context, Counter()).update(hits)

    def merge(self, other: Coverage) -> None:
        self.lines = {**other.lines, **self.lines}
        self.branches = {**other.branches, **self.branches}
        self.unmeasured = {**other.unmeasured, **self.unmeasured}
        for context, hits in other.contexts.items():
            self.add_hits(context, hits)

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def hits(self) -> Counter[Probe]:
        """Of all contexts."""
        return sum(self.contexts.values(), Counter())

    def files(self) -> tuple[FileCoverage, ...]:
        hits = self.hits
        names = sorted({line.file for line in self.lines.values()})
        return tuple(self._file(name, hits) for name in names)

    def _file(self, name: str, hits: Mapping[Probe, int]) -> FileCoverage:
        lines: dict[int, int] = {}
        routes: dict[str, tuple[int, int]] = {}
        for line in sorted(self.lines.values(), key=lambda each: (each.file, each.line, each.column)):
            if line.file == name:
                lines.setdefault(line.line, hits.get(line.probe, 0))
                routes.setdefault(line.route, (line.line, hits.get(line.probe, 0)))
        mine = sorted((each for each in self.branches.values() if each.file == name), key=lambda each: each.line)
        return FileCoverage(name, lines, tuple((each, each.taken(hits)) for each in mine), routes)

    @property
    def statements(self) -> Share:
        hits = self.hits
        return Share(sum(hits.get(line.probe, 0) > 0 for line in self.lines.values()), len(self.lines))

    @property
    def ways(self) -> Share:
        """Branches."""
        hits = self.hits
        return Share(sum(branch.taken(hits) > 0 for branch in self.branches.values()), len(self.branches))

    @property
    def total(self) -> Share:
        """Statements and branches together: what ``--cov-fail-under`` is about."""
        statements, ways = self.statements, self.ways
        return Share(statements.covered + ways.covered, statements.total + ways.total)

    def shortfall(self, least: float) -> str | None:
        """Why that many percent aren't reached; None where they are. Of nothing, nothing is reached."""
        if not self.total.total:
            return f"no statement of a configuration was measured: that isn't {least:g} %"
        percent = self.total.percent
        return f"coverage {percent:.1f} % is below {least:g} %" if percent < least else None

    def never_run(self) -> tuple[Line, ...]:
        """Statements that no scenario executes, in the order of the files."""
        hits = self.hits
        return tuple(
            line for _, line in sorted(self.lines.items(), key=lambda item: item[0]) if not hits.get(line.probe, 0)
        )

    def never_taken(self) -> tuple[Branch, ...]:
        """Branches that no scenario takes, of statements that do run."""
        hits = self.hits
        reached = {key for key, line in self.lines.items() if hits.get(line.probe, 0)}
        return tuple(
            branch
            for key, branch in sorted(self.branches.items(), key=lambda item: item[0])
            if key[:3] in reached and not branch.taken(hits)
        )

    def who(self, probe: Probe) -> tuple[str, ...]:
        """The contexts in which it was passed."""
        return tuple(context for context, hits in self.contexts.items() if hits.get(probe, 0))

    # --- as JSON ----------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """All of it, for `from_json`."""
        return {
            "format": 1,
            "lines": [asdict(line) | {"probe": str(line.probe)} for line in self.lines.values()],
            "branches": [
                asdict(branch)
                | {"probe": str(branch.probe), "without": str(branch.without) if branch.without else None}
                for branch in self.branches.values()
            ],
            "unmeasured": self.unmeasured,
            "contexts": {
                context: {str(probe): count for probe, count in sorted(hits.items())}
                for context, hits in self.contexts.items()
            },
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Coverage:
        """:raises KeyError, ValueError, TypeError: it isn't what `to_json` made."""
        from rating_harness.coverage.points import Branch, Instrumented, Line, Probe

        lines = [Line(**{**each, "probe": Probe.of(each["probe"])}) for each in value["lines"]]
        branches = [
            Branch(
                **{
                    **each,
                    "probe": Probe.of(each["probe"]),
                    "without": Probe.of(each["without"]) if each["without"] else None,
                }
            )
            for each in value["branches"]
        ]
        found = cls(unmeasured=dict(value["unmeasured"]))
        found.add_points(Instrumented(tuple(lines), tuple(branches), (), {}))
        for context, hits in value["contexts"].items():
            found.add_hits(context, {Probe.of(text): count for text, count in hits.items()})
        return found

    @classmethod
    def merged(cls, parts: Iterable[Coverage]) -> Coverage:
        whole = cls()
        for part in parts:
            whole.merge(part)
        return whole
