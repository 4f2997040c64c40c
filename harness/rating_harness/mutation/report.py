"""What mutation found, as text for a terminal, as Markdown for a pull request, as JSON, and as a page."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rating_harness.kamailio_config.positions import Source
from rating_harness.mutation.accepted import Accepted, Equivalent
from rating_harness.mutation.answers import Sabotage
from rating_harness.mutation.mutants import Mutant, as_diff
from rating_harness.mutation.operators import OPERATORS, WORDS
from rating_harness.mutation.results import Result, Score

__all__ = ["MutationReport"]

Trial = Mutant | Sabotage


@dataclass(frozen=True)
class MutationReport:
    """:param results: of those that were tried.
    :param population: how many mutants there are in all.
    :param ran: scenario hash -> its id, to name the rows of a survivor.
    """

    trials: Mapping[str, Trial]
    results: Sequence[Result]
    sources: Mapping[str, Source]
    accepted: Accepted
    stale: tuple[Equivalent, ...]
    population: int
    ran: Mapping[str, str]

    @property
    def _equivalent(self) -> frozenset[str]:
        return frozenset(each.id for each in self.accepted.equivalent)

    def score(self, keep: Callable[[Trial], bool] = lambda trial: True) -> Score:
        """Of those that ``keep`` wants."""
        return Score.of((r for r in self.results if keep(self.trials[r.id])), self._equivalent)

    def _survivors(self, status: str) -> list[tuple[Trial, Result]]:
        found = [(self.trials[r.id], r) for r in self.results if r.status == status and r.id not in self._equivalent]
        return sorted(found, key=lambda pair: _place(pair[0]))

    def survivors_that_cost(self, costs: Sequence[str]) -> list[str]:
        """The ids of those that survived, or that nothing executes, and cost one of these."""
        pairs = [*self._survivors("survived"), *self._survivors("unreached")]
        return [result.id for trial, result in pairs if self.accepted.cost(trial.route, trial.operator) in costs]

    def _by(self, name: Callable[[Trial], str]) -> list[tuple[str, Score]]:
        names = sorted({name(self.trials[result.id]) for result in self.results})
        scores = [(each, self.score(lambda trial, each=each: name(trial) == each)) for each in names]  # type: ignore[misc]
        return sorted(scores, key=lambda pair: (pair[1].percent, pair[0]))

    @property
    def _costly(self) -> list[tuple[str, Score]]:
        return [
            (cost, self.score(lambda trial, cost=cost: self.accepted.cost(trial.route, trial.operator) == cost))  # type: ignore[misc]
            for cost in ("money", "security")
            if any(rule.cost == cost for rule in self.accepted.costs)
        ]

    def _figures(self) -> list[str]:
        invalid = sum(result.status == "invalid" for result in self.results)
        equivalent = sum(result.id in self._equivalent for result in self.results)
        whole = self.score()
        lines = [f"Mutation score: {whole} killed"]
        if len(self.results) < self.population:
            low, high = whole.interval(self.population)
            lines[0] += f"; of all {self.population} with 95 % confidence {low:.0f} to {high:.0f} %"
        lines.append(f"  without texts for people: {self.score(lambda trial: trial.operator not in WORDS)}")
        lines += [f"  that cost {cost}: {score}" for cost, score in self._costly]
        lines.append(f"  not counted: {invalid} that Kamailio refuses, {equivalent} equivalent")
        return lines

    # --- text -------------------------------------------------------------------------------------------------------

    def text(self, *, most: int = 60) -> str:
        """Survivors first, then what nothing executes, then the figures."""
        parts: list[str] = []
        survivors = self._survivors("survived")
        for trial, result in survivors[:most]:
            rows = [self.ran.get(row, row) for row in result.rows]
            parts.append(f"SURVIVED {result.id}  {self._title(trial)}")
            parts += [f"    {line}" for line in self._change(trial).splitlines()]
            share, more = _share(result), f" and {len(rows) - 4} more" if len(rows) > 4 else ""
            parts.append(f"    ran: {f'{share}: ' if share else ''}{', '.join(rows[:4])}{more}")
        if len(survivors) > most:
            parts.append(f"... and {len(survivors) - most} more survived")
        unreached = self._survivors("unreached")
        if unreached:
            places = sorted({_where(trial) for trial, _ in unreached})
            parts.append(f"No scenario executes {len(places)} places of {len(unreached)} mutants:")
            parts += [f"    {place}" for place in places[:most]]
        parts += ["", "By route"] + [f"  {score!s:>24}  {name}" for name, score in self._by(lambda t: t.route)]
        parts += ["By operator"] + [f"  {score!s:>24}  {name}" for name, score in self._by(lambda t: t.operator)]
        killers = Counter(_check(result.check) for result in self._killed)
        parts += ["Killed by"] + [f"  {count:>6}  {name}" for name, count in killers.most_common()]
        for each in self.stale:
            parts.append(f"STALE {each.id} ({each.kind}): there's no such mutant any more; {each.reason}")
        return "\n".join([*parts, *self._figures()])

    @property
    def _killed(self) -> list[Result]:
        return [result for result in self.results if result.status == "killed"]

    def _title(self, trial: Trial) -> str:
        if isinstance(trial, Sabotage):
            return f"{trial.operator}  {trial.route}"
        return f"{trial.operator} ({OPERATORS[trial.operator]})  {trial.route}  {_where(trial)}"

    def _change(self, trial: Trial) -> str:
        return str(trial) if isinstance(trial, Sabotage) else as_diff(trial, self.sources, context=0)

    def markdown(self) -> str:
        """A summary for a pull request."""
        lines = ["### Mutation of the Kamailio configuration", "", *(f"* {line.strip()}" for line in self._figures())]
        survivors = self._survivors("survived") + self._survivors("unreached")
        if survivors:
            lines += ["", f"<details><summary>{len(survivors)} survived</summary>", ""]
            for trial, result in survivors:
                lines += [
                    f"**{result.id}** {self._title(trial)}: {_verdict(result, result.status)}",
                    "```diff",
                    self._change(trial),
                    "```",
                ]
            lines.append("</details>")
        return "\n".join(lines) + "\n"

    # --- files ------------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        whole = self.score()
        return json.dumps(
            {
                "score": {"killed": whole.killed, "total": whole.total, "percent": round(whole.percent, 2)},
                "population": self.population,
                "routes": {name: [score.killed, score.total] for name, score in self._by(lambda t: t.route)},
                "operators": {name: [score.killed, score.total] for name, score in self._by(lambda t: t.operator)},
                "stale": [each.id for each in self.stale],
                "mutants": [
                    {
                        **asdict(result),
                        "rows": [self.ran.get(row, row) for row in result.rows],
                        "operator": self.trials[result.id].operator,
                        "route": self.trials[result.id].route,
                        "where": _where(self.trials[result.id]),
                        "cost": self.accepted.cost(self.trials[result.id].route, self.trials[result.id].operator),
                        "equivalent": result.id in self._equivalent,
                        "change": self._change(self.trials[result.id]),
                    }
                    for result in sorted(self.results, key=lambda each: _place(self.trials[each.id]))
                ],
            },
            indent=1,
        )

    def to_html(self) -> str:
        """One file, without anything from elsewhere."""
        rows = "\n".join(self._html_row(self.trials[r.id], r) for r in sorted(self.results, key=self._order))
        figures = "<br>".join(html.escape(line) for line in self._figures())
        return _PAGE.format(figures=figures, rows=rows)

    def _order(self, result: Result) -> tuple[int, tuple[str, int]]:
        ranks = {"survived": 0, "unreached": 1, "killed": 2, "invalid": 3}
        return ranks[result.status] + 4 * (result.id in self._equivalent), _place(self.trials[result.id])

    def _html_row(self, trial: Trial, result: Result) -> str:
        status = "equivalent" if result.id in self._equivalent else result.status
        said = f"{result.by}: {result.said}" if result.by else ", ".join(self.ran.get(r, r) for r in result.rows[:4])
        cells = (result.id, _verdict(result, status), trial.operator, trial.route, _where(trial))
        plain = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        change = html.escape(self._change(trial))
        return f'<tr class="{status}">{plain}<td><pre>{change}</pre></td><td>{html.escape(said)}</td></tr>'

    def write(self, directory: Path) -> None:
        """``mutation.json``, ``mutation.html`` and ``mutation.md``."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "mutation.json").write_text(self.to_json() + "\n", encoding="utf-8")
        (directory / "mutation.html").write_text(self.to_html(), encoding="utf-8")
        (directory / "mutation.md").write_text(self.markdown(), encoding="utf-8")


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Mutation</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 2em; }}
table {{ border-collapse: collapse; }} td, th {{ border-bottom: 1px solid #ddd; padding: 4px 8px; text-align: left;
vertical-align: top; }} pre {{ margin: 0; white-space: pre-wrap; }}
tr.survived td:nth-child(2), tr.unreached td:nth-child(2) {{ color: #b00; font-weight: bold; }}
tr.killed td:nth-child(2) {{ color: #070; }}
</style>
<h1>Mutation of the Kamailio configuration</h1>
<p>{figures}</p>
<table><tr><th>id</th><th></th><th>operator</th><th>route</th><th>where</th><th>change</th><th>scenarios</th></tr>
{rows}
</table></html>
"""


def _check(name: str) -> str:
    """Expectations of all calls together: ``calls[0].expect.reply`` and ``calls[1].expect.reply`` are one."""
    return "".join(part for part in name if not part.isdigit()).replace("[]", "")


def _share(result: Result) -> str:
    """How many of the scenarios that execute its place it was tried with; nothing where that isn't known."""
    return f"{len(result.rows)} of {result.reaching} that execute it" if result.reaching else ""


def _verdict(result: Result, status: str) -> str:
    share = _share(result) if status == "survived" else ""
    return f"{status} {share}".rstrip()


def _where(trial: Trial) -> str:
    if isinstance(trial, Sabotage):
        return trial.route
    path = Path(trial.file)
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{trial.line}"


def _place(trial: Trial) -> tuple[str, int]:
    return (trial.file, trial.line) if isinstance(trial, Mutant) else (trial.route, 0)
