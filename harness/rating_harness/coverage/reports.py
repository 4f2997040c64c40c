"""Coverage as LCOV's tracefile, as Cobertura's XML, as JSON with contexts, and as a summary for a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from rating_harness.coverage.annotated import annotated_source
from rating_harness.coverage.data import Coverage, FileCoverage
from rating_harness.coverage.points import Branch, Line
from rating_harness.errors import UsageError

__all__ = [
    "SourceLine",
    "cobertura",
    "coverage_text",
    "lcov",
    "read_data",
    "source_lines",
    "summary",
    "write_reports",
]

SourceLine = Callable[[str, int], str]
"""Called with a file and a line's number: the line's text, or "" where it can't be read."""


def coverage_text(coverage: Coverage, directory: Path | None) -> str:
    """The summary; the reports are written where there's a directory for them."""
    text = summary(coverage, source_lines())
    if directory is None:
        return text
    write_reports(coverage, directory, at=time.time())
    return f"{text}\nreports in {directory}: coverage.html, lcov.info, cobertura.xml, coverage.json"


def write_reports(coverage: Coverage, directory: Path, *, at: float) -> None:
    """``lcov.info``, ``cobertura.xml``, ``coverage.json`` and ``coverage.html``, in a directory that may be new.

    :param at: when the session began, Unix seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "lcov.info").write_text(lcov(coverage), encoding="utf-8")
    (directory / "cobertura.xml").write_text(cobertura(coverage, at=at), encoding="utf-8")
    (directory / "coverage.html").write_text(annotated_source(coverage, _lines), encoding="utf-8")
    (directory / "coverage.json").write_text(json.dumps(_by_line(coverage), indent=1) + "\n", encoding="utf-8")


def read_data(directory: Path) -> Coverage:
    """What `write_reports` wrote.

    :raises UsageError: there is none, or it's not whole.
    """
    file = directory / "coverage.json" if directory.is_dir() else directory
    try:
        return Coverage.from_json(json.loads(file.read_text(encoding="utf-8"))["data"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "there is no coverage to be read",
            where=str(file),
            found=str(error),
            expected="coverage.json, as `run --cov-kamailio DIR` writes it",
        ) from None


@cache
def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def source_lines() -> SourceLine:
    """From the disk; each file is read once."""
    return lambda file, number: _lines(file)[number - 1] if number <= len(_lines(file)) else ""


def lcov(coverage: Coverage) -> str:
    """LCOV's tracefile (geninfo(1)): routes are its functions; a branch that is never reached has ``-``."""
    parts: list[str] = []
    for each in coverage.files():
        parts += ["TN:", f"SF:{each.file}"]
        parts += [f"FN:{line},{title}" for title, (line, _) in each.routes.items()]
        parts += [f"FNDA:{hits},{title}" for title, (_, hits) in each.routes.items()]
        parts += [f"FNF:{len(each.routes)}", f"FNH:{sum(hits > 0 for _, hits in each.routes.values())}"]
        for block, (line, branches) in enumerate(_by_place(each)):
            reached = each.lines.get(line, 0) > 0
            for number, (_, taken) in enumerate(branches):
                parts.append(f"BRDA:{line},{block},{number},{taken if reached else '-'}")
        parts += [f"BRF:{len(each.branches)}", f"BRH:{sum(taken > 0 for _, taken in each.branches)}"]
        parts += [f"DA:{line},{hits}" for line, hits in sorted(each.lines.items())]
        parts += [f"LF:{len(each.lines)}", f"LH:{sum(hits > 0 for hits in each.lines.values())}", "end_of_record"]
    return "\n".join(parts) + "\n"


def _by_place(each: FileCoverage) -> Iterator[tuple[int, list[tuple[Branch, int]]]]:
    """The branches of one statement together, by its line."""
    ordered = sorted(each.branches, key=lambda item: (item[0].line, item[0].column))
    for (line, _), branches in groupby(ordered, key=lambda item: (item[0].line, item[0].column)):
        yield line, list(branches)


def cobertura(coverage: Coverage, *, at: float) -> str:
    """Cobertura's XML (coverage-04.dtd), as pipelines show it: a package per directory, a class per file."""
    files = coverage.files()
    lines = [hits for each in files for hits in each.lines.values()]
    branches = [taken for each in files for _, taken in each.branches]
    root = ElementTree.Element("coverage", {**_rates(lines, branches), "version": "1", "timestamp": str(int(at))})
    root.set("lines-covered", str(sum(hits > 0 for hits in lines)))
    root.set("lines-valid", str(len(lines)))
    root.set("branches-covered", str(sum(taken > 0 for taken in branches)))
    root.set("branches-valid", str(len(branches)))
    root.set("complexity", "0")
    ElementTree.SubElement(ElementTree.SubElement(root, "sources"), "source").text = "."
    packages = ElementTree.SubElement(root, "packages")
    for directory, inside in groupby(files, key=lambda each: str(Path(each.file).parent)):
        _package(packages, directory, list(inside))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    doctype = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'
    return f'<?xml version="1.0" ?>\n{doctype}\n{body}\n'


def _rates(lines: Iterable[int], branches: Iterable[int]) -> dict[str, str]:
    def rate(counts: list[int]) -> str:
        return f"{sum(count > 0 for count in counts) / len(counts) if counts else 1:.4f}"

    return {"line-rate": rate(list(lines)), "branch-rate": rate(list(branches))}


def _package(packages: ElementTree.Element, directory: str, files: list[FileCoverage]) -> None:
    lines = [hits for each in files for hits in each.lines.values()]
    branches = [taken for each in files for _, taken in each.branches]
    attributes = {"name": directory, "complexity": "0", **_rates(lines, branches)}
    classes = ElementTree.SubElement(ElementTree.SubElement(packages, "package", attributes), "classes")
    for each in files:
        attributes = {
            "name": Path(each.file).name,
            "filename": each.file,
            "complexity": "0",
            **_rates(each.lines.values(), (taken for _, taken in each.branches)),
        }
        element = ElementTree.SubElement(classes, "class", attributes)
        ElementTree.SubElement(element, "methods")
        found = ElementTree.SubElement(element, "lines")
        at_line: dict[int, list[int]] = {}
        for branch, taken in each.branches:
            at_line.setdefault(branch.line, []).append(taken)
        for number, hits in sorted(each.lines.items()):
            line = ElementTree.SubElement(
                found, "line", {"number": str(number), "hits": str(hits), "branch": "false"}
            )
            if number in at_line:
                takens = at_line[number]
                covered = sum(taken > 0 for taken in takens)
                line.set("branch", "true")
                line.set("condition-coverage", f"{100 * covered // len(takens)}% ({covered}/{len(takens)})")


def _by_line(coverage: Coverage) -> dict[str, object]:
    """Each line with its hits and contexts: which scenario covered it."""
    hits = coverage.hits
    files: dict[str, dict[str, object]] = {}
    for each in coverage.files():
        ordered = sorted(coverage.lines.values(), key=lambda line: line.column, reverse=True)
        probes = {line.line: line.probe for line in ordered if line.file == each.file}
        files[each.file] = {
            "lines": {
                str(line): {"hits": count, "contexts": coverage.who(probes[line])}
                for line, count in sorted(each.lines.items())
            },
            "branches": [
                {"line": branch.line, "way": branch.way, "taken": taken, "contexts": coverage.who(branch.probe)}
                for branch, taken in each.branches
            ],
            "routes": {title: count for title, (_, count) in each.routes.items()},
        }
    totals: Mapping[str, object] = {
        "statements": [coverage.statements.covered, coverage.statements.total],
        "branches": [coverage.ways.covered, coverage.ways.total],
        "percent": round(coverage.total.percent, 2),
        "probes": sum(hits.values()),
    }
    return {"totals": totals, "files": files, "unmeasured": coverage.unmeasured, "data": coverage.to_json()}


def summary(coverage: Coverage, source: SourceLine, *, most: int = 40) -> str:
    """For a terminal: what no scenario executes first, then branches that are never taken, then the figures.

    :param most: how many entries of a kind are listed.
    """
    parts: list[str] = []
    lines = [*_ranges(coverage.never_run())]
    if lines:
        parts.append("Lines no scenario executes")
        parts += [
            f"  {first.file}:{first.line}{f'-{last}' if last != first.line else ''}  {first.route}  "
            f"{source(first.file, first.line).strip()[:60]}"
            for first, last in lines[:most]
        ]
        parts += [f"  ... and {len(lines) - most} more"] if len(lines) > most else []
    branches = coverage.never_taken()
    if branches:
        parts.append("Branches no scenario takes")
        parts += [
            f"  {each.file}:{each.line}  {each.route}  {_never(each)}  {source(each.file, each.line).strip()[:60]}"
            for each in branches[:most]
        ]
        parts += [f"  ... and {len(branches) - most} more"] if len(branches) > most else []
    if coverage.unmeasured:
        parts.append("What no probe can show")
        parts += [f"  {where}  {reason}" for where, reason in coverage.unmeasured.items()]
    parts.append(f"Coverage of the configuration: statements {coverage.statements}, branches {coverage.ways}")
    return "\n".join(parts)


def _never(branch: Branch) -> str:
    if branch.way in ("true", "false"):
        return f"never {branch.way}"
    return {"body": "never entered", "no case": "always a case"}.get(branch.way, f"never {branch.way}")


def _ranges(lines: Iterable[Line]) -> Iterator[tuple[Line, int]]:
    """Neighbours of one route together: the first, and the last one's last line."""
    first: Line | None = None
    end = 0
    for line in lines:
        if first is not None and (line.file, line.route) == (first.file, first.route) and line.line <= end + 1:
            end = max(end, line.end_line)
            continue
        if first is not None:
            yield first, end
        first, end = line, line.end_line
    if first is not None:
        yield first, end
