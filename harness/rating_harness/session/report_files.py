"""The reports that are files: HTML, JUnit, JSON lines, a capture; the same for the command and for pytest."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from rating_harness.errors import UsageError
from rating_harness.report import events
from rating_harness.report.html import HtmlReport
from rating_harness.report.jsonl import JsonLines
from rating_harness.report.junit import JunitFile
from rating_harness.report.pcap import PcapFile
from rating_harness.report.step_summary import StepSummary
from rating_harness.session.selection import DurationsFile
from rating_harness.session.stored_runs import scenario_texts_of

__all__ = ["REPORT_OPTIONS", "report_files"]


class _JsonLinesFile:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._lines = JsonLines(self._file)

    def on_event(self, event: events.Event) -> None:
        try:
            self._lines.on_event(event)
            if isinstance(event, events.SessionFinished):
                self._file.close()
        except OSError:
            with suppress(OSError):
                self._file.close()
            raise


class _Spared:
    """A report that can't be written is lost with a warning, and the run goes on."""

    def __init__(self, reporter: events.Reporter, kind: str, path: Path) -> None:
        self._reporter: events.Reporter | None = reporter
        self._name = f"the file of --{kind}, {path},"

    def on_event(self, event: events.Event) -> None:
        if self._reporter is None:
            return
        try:
            self._reporter.on_event(event)
        except OSError as error:
            self._reporter = None
            sys.stderr.write(f"WARNING  {self._name} can't be written: {error.strerror or error}\n")


_KINDS: Mapping[str, Callable[[Path], events.Reporter]] = {
    "html": lambda path: HtmlReport(path, scenario_texts_of),
    "junit": JunitFile,
    "jsonl": _JsonLinesFile,
    "pcap": PcapFile,
    "durations": DurationsFile,
}

REPORT_OPTIONS = tuple(_KINDS)
"""Names of the options that name such a file."""


def report_files(paths: Mapping[str, Path | None]) -> list[events.Reporter]:
    """Reporters that write these files, by kind; their directories are made.

    In a job of GitHub's its step summary is one of them. What can't be written later on is told on standard error.

    :raises UsageError: one can't be written.
    """
    reporters: list[events.Reporter] = []
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        reporters.append(StepSummary(Path(summary)))
    for kind, path in paths.items():
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
            reporters.append(_Spared(_KINDS[kind](path), kind, path))
        except OSError as error:
            raise UsageError(
                f"the file of --{kind} can't be written", where=str(path), found=error.strerror or str(error)
            ) from None
    return reporters
