"""JUnit's XML as GitLab, GitHub and Jenkins show it: the cause first, errors apart from failures, file and line."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from rating_harness.checks.model import Case, Verdict
from rating_harness.errors import HarnessError, Location, ScenarioError
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.statistics import statistics_of
from rating_harness.report import events
from rating_harness.report.failure import error_text, failure_text
from rating_harness.report.presentation import causes_first, title_of
from rating_harness.scenario.model import Scenario

__all__ = ["JunitFile", "cause_of", "cause_of_error", "junit_properties", "place_of_refusal"]


def cause_of(scenario: Scenario, evidence: Evidence, verdict: Verdict) -> str:
    """Why a scenario failed, on one line: its first finding."""
    first, *others = causes_first(Case(scenario, evidence), verdict.findings)
    finding = first.finding
    more = f" (and {len(others)} more)" if others else ""
    return _on_a_line(f"{finding.message}: expected {finding.expected}, seen {finding.seen}{more}")


def cause_of_error(error: HarnessError) -> str:
    """Why a scenario could not be run, on one line: what happened, where, and what to do."""
    if isinstance(error, ScenarioError):
        return _on_a_line(str(error.mistakes[0].message) if error.mistakes else error.message)
    where = f" ({error.where})" if error.where else ""
    hint = f"; {error.hint}" if error.hint else ""
    return _on_a_line(": ".join(part for part in (error.message, error.found) if part) + where + hint)


def place_of_refusal(event: events.FileRefused) -> Location:
    """Where a file has its first mistake."""
    if isinstance(event.error, ScenarioError) and event.error.mistakes:
        return event.error.mistakes[0].where
    return event.error.where if isinstance(event.error.where, Location) else Location(str(event.file), 1, 1)


def _on_a_line(text: str) -> str:
    return " ".join(text.split())


def junit_properties(evidence: Evidence, folder: Path | None = None) -> list[tuple[str, str]]:
    """Name and value of each: what the lab says of itself (driver, versions, seed), calls, p95 of the set-up time."""
    figures = statistics_of(evidence)
    lab = {name: value for name, value in evidence.lab.items() if name != "token"}
    properties = [(name if name == "seed" else f"lab.{name}", value) for name, value in lab.items()]
    properties += [("calls", str(figures.calls)), ("calls.answered", str(figures.answered))]
    if evidence.skipped:
        properties.append(("clock.skipped", f"{evidence.skipped:g}"))
    properties += [("repeated", why) for why in evidence.repeated]
    if figures.setup_p95 is not None:
        properties.append(("setup.p95", f"{figures.setup_p95:.3f}"))
    if folder is not None:
        properties.append(("evidence", str(folder)))
    return properties


class JunitFile:
    """Writes ``path`` when the session has finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count: Counter[str] = Counter()
        self._suite = ElementTree.Element("testsuite", name="rating-harness")

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.SessionStarted(at=at):
                self._suite.set("timestamp", time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at)))
            case events.ScenarioFinished():
                self._finished(event)
            case events.ScenarioFailedToRun(scenario=scenario, error=error, seconds=seconds):
                case = self._case(scenario, seconds, "errors")
                self._say(case, "error", cause_of_error(error), error_text(error), type(error).__name__)
                self._attach(case, error.folder, "not-run.txt")
            case events.FileRefused():
                self._refused(event)
            case events.ScenarioSkipped(scenario=scenario, reason=reason):
                ElementTree.SubElement(self._case(scenario, 0.0, "skipped"), "skipped", message=_xml_text(reason))
            case events.SessionFinished(seconds=seconds):
                self._write(seconds)
            case _:
                pass

    def _case(self, scenario: Scenario, seconds: float, *counted: str) -> ElementTree.Element:
        return self._case_of(scenario.origin.file, title_of(scenario), scenario.where("scenario"), seconds, *counted)

    def _case_of(self, file: Path, name: str, where: Location, seconds: float, *counted: str) -> ElementTree.Element:
        self._count.update(("tests", *counted))
        return ElementTree.SubElement(
            self._suite,
            "testcase",
            classname=_xml_text(file.with_suffix("").as_posix().strip("./").replace("/", ".")),
            name=_xml_text(name),
            file=_xml_text(str(_in_job(Path(where.path)))),
            line=str(where.line),
            time=f"{seconds:.3f}",
        )

    def _refused(self, event: events.FileRefused) -> None:
        where = place_of_refusal(event)
        case = self._case_of(event.file, f"{event.file.name} can't be used", where, 0.0, "errors")
        self._say(case, "error", cause_of_error(event.error), error_text(event.error), type(event.error).__name__)

    def _finished(self, event: events.ScenarioFinished) -> None:
        failed = not event.verdict.passed
        case = self._case(event.scenario, event.seconds, *(["failures"] if failed else []))
        properties = ElementTree.SubElement(case, "properties")
        tags = [("tag", tag) for tag in event.scenario.tags]
        for name, value in (*tags, *junit_properties(event.evidence, event.folder)):
            ElementTree.SubElement(properties, "property", name=_xml_text(name), value=_xml_text(value))
        if failed:
            cause = cause_of(event.scenario, event.evidence, event.verdict)
            text = failure_text(event.scenario, event.evidence, event.verdict, event.folder)
            self._say(case, "failure", cause, text, "ScenarioFailed")
            self._attach(case, event.folder, "verdict.txt")

    def _say(self, case: ElementTree.Element, tag: str, cause: str, text: str, kind: str) -> None:
        element = ElementTree.SubElement(case, tag, message=_xml_text(cause), type=kind)
        element.text = _xml_text(text)

    def _attach(self, case: ElementTree.Element, folder: Path | None, name: str) -> None:
        if folder is not None:
            ElementTree.SubElement(case, "system-out").text = _xml_text(f"[[ATTACHMENT|{_in_job(folder) / name}]]")

    def _write(self, seconds: float) -> None:
        for name in ("tests", "failures", "errors", "skipped"):
            self._suite.set(name, str(self._count[name]))
        self._suite.set("time", f"{seconds:.3f}")
        suites = ElementTree.Element("testsuites")
        suites.append(self._suite)
        ElementTree.indent(suites)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree.ElementTree(suites).write(self._path, encoding="utf-8", xml_declaration=True)


_CHECKOUTS = ("CI_PROJECT_DIR", "GITHUB_WORKSPACE", "WORKSPACE")
"""Variables of GitLab, GitHub and Jenkins: where the job's checkout is."""


def _in_job(path: Path) -> Path:
    """As who shows the report finds a file: relative to the job's checkout, though the run may be in a part of it.

    :param path: relative to where this process runs; one that is elsewhere stays as it is.
    """
    here = Path.cwd()
    checkouts = (Path(os.environ[name]).resolve() for name in _CHECKOUTS if os.environ.get(name))
    base = next((each for each in checkouts if here.is_relative_to(each)), here)
    whole = here / path
    return whole.relative_to(base) if whole.is_relative_to(base) else path


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold, not even escaped (its section 2.2)."""


def _xml_text(text: str) -> str:
    return _NOT_XML.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
