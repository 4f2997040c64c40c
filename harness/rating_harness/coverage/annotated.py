"""The configuration as a page: each line with how often it ran, which branches weren't taken, and who ran it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping

from rating_harness.coverage.data import Coverage, FileCoverage
from rating_harness.coverage.points import Branch, Line

__all__ = ["annotated_source"]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Coverage of the configuration</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 2em; }}
table {{ border-collapse: collapse; font: 13px/1.35 ui-monospace, monospace; width: 100%; }}
td {{ padding: 0 .6em; white-space: pre-wrap; vertical-align: top; }}
td.n, td.h {{ text-align: right; color: #777; width: 4em; white-space: pre; }}
tr.ran td.t {{ background: #e8f7e8; }}
tr.never td.t {{ background: #fbe3e3; }}
tr.partly td.t {{ background: #fff4cc; }}
td.w {{ color: #a15c00; width: 16em; }}
</style>
<h1>Coverage of the configuration</h1>
<p>Statements {statements}, branches {ways}. Red: no scenario executes it. Yellow: a branch that no scenario takes.
A line says who ran it when the pointer rests on it.</p>
{files}
</html>
"""


def annotated_source(coverage: Coverage, text: Callable[[str], list[str]]) -> str:
    """One page without anything from elsewhere.

    :param text: the lines of a file.
    """
    parts = "\n".join(
        f"<h2>{html.escape(each.file)}</h2>\n<table>\n{''.join(_rows(coverage, each, text(each.file)))}</table>"
        for each in coverage.files()
    )
    return _PAGE.format(statements=coverage.statements, ways=coverage.ways, files=parts)


def _rows(coverage: Coverage, file: FileCoverage, lines: list[str]) -> Iterator[str]:
    starts = _first_statements(coverage, file.file)
    missing: dict[int, list[Branch]] = {}
    for branch, taken in file.branches:
        if not taken and file.lines.get(branch.line):
            missing.setdefault(branch.line, []).append(branch)
    state, until = "", 0
    for number, line in enumerate(lines, 1):
        hits, ways, who = "", "", ""
        if number in starts:
            statement = starts[number]
            count = file.lines[number]
            hits, until = str(count), statement.end_line
            state = "never" if not count else "partly" if number in missing else "ran"
            ways = ", ".join(f"never {branch.way}" for branch in missing.get(number, ()))
            who = _who(coverage.who(statement.probe))
        elif number > until:
            state = ""
        yield (
            f'<tr class="{state}" title="{html.escape(who)}"><td class="n">{number}</td><td class="h">{hits}</td>'
            f'<td class="t">{html.escape(line)}</td><td class="w">{html.escape(ways)}</td></tr>\n'
        )


def _first_statements(coverage: Coverage, file: str) -> Mapping[int, Line]:
    found: dict[int, Line] = {}
    for line in sorted(coverage.lines.values(), key=lambda each: (each.line, each.column)):
        if line.file == file:
            found.setdefault(line.line, line)
    return found


def _who(contexts: tuple[str, ...], most: int = 12) -> str:
    more = [f"... and {len(contexts) - most} more"] if len(contexts) > most else []
    return "\n".join([*contexts[:most], *more])
