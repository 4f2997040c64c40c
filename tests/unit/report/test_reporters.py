"""What each reporter makes of the same session."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks.model import Verdict
from rating_harness.errors import ServiceDied
from rating_harness.evidence.model import HttpStep, LogLine
from rating_harness.report import events
from rating_harness.report.html import HtmlReport, html_page
from rating_harness.report.jsonl import JsonLines
from rating_harness.report.junit import junit_properties
from rating_harness.report.terminal import Terminal, console, show, styled, to_ascii
from tests.builders import CALL_ID, START, answered_call, evidence_of, records, scenario_of
from tests.unit.report import scenes

NASTY = "<script>alert('&')</script>"


@pytest.fixture
def session(tmp_path: Path) -> list[events.Event]:
    """One scenario passes, one fails, one is skipped, one can't be run."""
    refused, evidence = scenes.refused(tmp_path / "refused.yaml")
    calls = 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n'
    passed = scenario_of(tmp_path / "passed.yaml", calls, title=f'"{NASTY}"')
    good = evidence_of(answered_call(), before=records(0, 10), after=records(9, 8), log=(LogLine("kamailio", NASTY),))
    died = ServiceDied("Kamailio died", service="kamailio", status=139, detail=NASTY)
    return [
        events.SessionStarted(START, 4, 42, "local"),
        events.LabUp(START + 1, 1.25, {"driver": "local", "kamailio": "6.0.1"}),
        events.ScenarioStarted(START + 1, passed),
        events.ScenarioFinished(START + 4, 3.0, passed, Verdict(passed.id, ()), good, None, 42),
        events.ScenarioStarted(START + 4, refused),
        events.ScenarioFinished(
            START + 5, 1.0, refused, scenes.verdict_of(refused, evidence), evidence, Path("evidence/run"), 42
        ),
        events.ScenarioSkipped(START + 5, passed, "needs TLS"),
        events.ScenarioFailedToRun(START + 6, 0.5, passed, died),
        events.SessionFinished(START + 6, 6.0),
    ]


# --- the terminal ---------------------------------------------------------------------------------------------------


def shown(session: list[events.Event]) -> str:
    file = io.StringIO()
    terminal = Terminal(file)
    for event in session:
        terminal.on_event(event)
    return file.getvalue()


def test_the_terminal_tells_of_each_and_sums_up(session: list[events.Event]) -> None:
    text = shown(session)
    assert text.startswith("4 scenarios, lab local, seed 42\nlab up in 1.2 s: driver local, kamailio 6.0.1\n")
    assert f"PASSED  {NASTY}  (1 call, 3.0 s)\n" in text
    assert "FAILED  A call is made\n" in text
    assert "  expected | 200\n      seen | 403 Forbidden" in text
    assert f"SKIPPED  {NASTY}: needs TLS\n" in text
    assert "NOT RUN  the lab could not be brought up, or broke\nKamailio died\n" in text
    assert text.endswith("\n1 passed, 1 failed, 1 skipped, 1 not run in 6.0 s\n")


def test_a_session_that_went_well_says_nothing_of_what_did_not_happen(session: list[events.Event]) -> None:
    assert shown([session[3], session[-1]]).endswith("\n1 passed, 0 failed, 0 skipped in 6.0 s\n")


def test_colours_change_no_word(session: list[events.Event]) -> None:
    text = shown(session)
    assert styled(text).plain == text
    assert {span.style for span in styled(text).spans} >= {
        "harness.bad", "harness.good", "harness.skipped", "harness.what", "harness.expected", "harness.seen",
        "harness.line", "harness.warning",
    }  # fmt: skip


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    file = io.StringIO()
    show("FAILED  a call\n      seen | 403", console(file))
    assert ("\x1b[31m" in file.getvalue()) == coloured
    assert "403" in file.getvalue()


def test_a_terminal_that_knows_only_ascii_gets_ascii() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    show("├─INVITE…─▶│ ×3  3s ± 1s  è", console(file))
    file.flush()
    assert raw.getvalue() == b"|-INVITE~->| x3  3s +- 1s  ?\n"


def test_a_ladder_in_ascii_keeps_its_columns(tmp_path: Path) -> None:
    text = (Path(__file__).parent / "golden/ladder-begin_failed.txt").read_text(encoding="utf-8")
    assert to_ascii(text).isascii()
    assert [len(line) for line in to_ascii(text).splitlines()] == [len(line) for line in text.splitlines()]
    assert "?" not in to_ascii(text)


# --- JSON lines -----------------------------------------------------------------------------------------------------


def lines(session: list[events.Event]) -> list[dict[str, Any]]:
    file = io.StringIO()
    reporter = JsonLines(file)
    for event in session:
        reporter.on_event(event)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_json_lines_tell_of_events_and_calls(session: list[events.Event]) -> None:
    objects = lines(session)
    assert [each["event"] for each in objects] == [
        "session started", "lab up", "scenario started", "call", "scenario finished", "scenario started", "call",
        "scenario finished", "scenario skipped", "scenario not run", "session finished",
    ]  # fmt: skip
    assert objects[3] == {
        "event": "call",
        "at": START,
        "scenario": session[2].scenario.id,  # type: ignore[union-attr]
        "call": "ana",
        "index": 1,
        "call_id": CALL_ID,
        "status": 200,
        "setup": pytest.approx(0.101),
        "duration": pytest.approx(2.0, abs=0.01),
        "ended_by": "caller",
        "carrier": "carrier",
    }
    finished = objects[7]
    assert (finished["passed"], finished["calls"], finished["answered"]) == (False, 1, 0)
    assert finished["evidence"] == "evidence/run"
    assert finished["findings"][0]["seen"] == "403 Forbidden -- insufficient balance"
    assert finished["findings"][0]["where"].endswith("refused.yaml:11:7")
    assert "139" not in objects[9]["error"]
    assert NASTY in objects[9]["error"]


# --- JUnit ----------------------------------------------------------------------------------------------------------


def test_junit_gets_what_is_worth_comparing_between_runs() -> None:
    assert junit_properties(evidence_of(answered_call()), Path("evidence/run")) == [
        ("lab.driver", "local"),
        ("lab.kamailio", "6.0.1"),
        ("seed", "42"),
        ("calls", "1"),
        ("calls.answered", "1"),
        ("setup.p95", "0.101"),
        ("evidence", "evidence/run"),
    ]


def test_junit_has_no_time_of_calls_that_nobody_answered() -> None:
    assert dict(junit_properties(evidence_of([]))).keys() == {
        "lab.driver", "lab.kamailio", "seed", "calls", "calls.answered",
    }  # fmt: skip


def test_p95_is_by_nearest_rank() -> None:
    many = [m for n in range(20) for m in answered_call(at=n, call_id=f"{n}@sip.test")]
    slow = [m for m in answered_call(at=50, call_id="slow@sip.test") if m.first_line != "200 OK"]
    late = [m for m in answered_call(at=55, call_id="slow@sip.test") if m.first_line == "200 OK"]
    assert dict(junit_properties(evidence_of([*many, *slow, *late])))["setup.p95"] == "0.101"
    assert dict(junit_properties(evidence_of([*slow, *late])))["setup.p95"] == "5.101"


# --- HTML -----------------------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


@pytest.fixture
def page(session: list[events.Event], tmp_path: Path) -> _Page:
    report = HtmlReport(tmp_path / "reports/report.html")
    for event in session:
        report.on_event(event)
    return page_of((tmp_path / "reports/report.html").read_text(encoding="utf-8"))


def test_what_had_ended_is_told_when_the_session_is_interrupted(tmp_path: Path) -> None:
    ended = events.ScenarioSkipped(
        START, scenario_of(tmp_path / "s.yaml", 'calls: [{id: ana, from: "1", to: "2"}]\n'), "needs TLS"
    )
    lines, screen = io.StringIO(), io.StringIO()
    reporters: list[events.Reporter] = [HtmlReport(tmp_path / "report.html"), JsonLines(lines), Terminal(screen)]
    for reporter in reporters:
        reporter.on_event(ended)
        reporter.on_event(events.SessionFinished(START + 6, 6.0, interrupted=True))
    words = page_of((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "interrupted after 6.0 s" in words
    assert "needs TLS" in words
    assert json.loads(lines.getvalue().splitlines()[-1])["interrupted"] is True
    assert "1 skipped, interrupted in 6.0 s" in screen.getvalue()


def test_the_page_tells_all(page: _Page) -> None:
    words = " ".join(page.text.split())
    assert "1 passed, 1 failed, 1 skipped , 1 not run" in words.replace("skipped,", "skipped ,")
    for part in ("driver local, kamailio 6.0.1, 6.0 s", "403 Forbidden -- insufficient balance", "reply: 200",
                 "BALANCE_INSUFFICIENT", "POST /v1/authorization", "needs TLS", "Kamailio died",
                 "seed 42, evidence in evidence/run"):  # fmt: skip
        assert part in words


def test_what_came_from_elsewhere_is_text(page: _Page) -> None:
    assert page.text.count(NASTY) >= 5
    assert not [tag for tag, _ in page.seen if tag == "script"]


def test_the_page_needs_nothing_from_elsewhere(page: _Page) -> None:
    assert not [tag for tag, _ in page.seen if tag in ("link", "img", "iframe", "script")]
    assert not [attrs for _, attrs in page.seen if "src" in attrs or (attrs.get("href") or "#")[0] != "#"]
    assert not re.search(r"url\(|@import", page.text)


def test_links_lead_to_what_they_name(page: _Page) -> None:
    ids = {attrs["id"] for _, attrs in page.seen if "id" in attrs}
    assert {f"#{name}" for name in ids} == {attrs["href"] for tag, attrs in page.seen if tag == "a"}


def test_only_what_went_wrong_is_open(page: _Page) -> None:
    assert ["open" in attrs for tag, attrs in page.seen if tag == "details"] == [False, True, False, True]


def test_the_ladder_has_an_arrow_for_each_message(page: _Page) -> None:
    assert len([attrs for tag, attrs in page.seen if tag == "g"]) == len(answered_call()) + 6


def test_balances_are_shown_where_they_moved(page: _Page) -> None:
    assert "1000balance108" in re.sub(r"\s", "", page.text)


def test_a_load_scenario_shows_a_few_calls_and_says_so(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "many.yaml", 'calls: [{id: ana, from: "1", to: "2", repeat: 50}]\n')
    many = evidence_of([m for n in range(50) for m in answered_call(at=n, call_id=f"{n}@sip.test")])
    ended = events.ScenarioFinished(START, 60.0, scenario, Verdict(scenario.id, ()), many, None, 1)
    page = page_of(html_page([ended], "by hand"))
    assert len([tag for tag, _ in page.seen if tag == "svg"]) == 5
    assert "and 45 more calls" in page.text


def test_what_the_harness_asked_itself_is_shown(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls: [{id: ana, from: "1", to: "2"}]\n')
    asked = HttpStep(
        "check", 0, START + 2, "POST", "http://api/graphql", "{Account{balance}}", 200, {"data": 7}, tries=3
    )
    evidence = evidence_of(answered_call(), http_steps=(asked,))
    ended = events.ScenarioFinished(START, 3.0, scenario, Verdict(scenario.id, ()), evidence, None, 1)
    words = "".join(page_of(html_page([ended])).text.split())
    assert '2.000check[0]POSThttp://api/graphql{Account{balance}}200{"data":7}3' in words


def test_outages_are_marked(tmp_path: Path) -> None:
    scenario, evidence = scenes.begin_failed(tmp_path / "scenario.yaml")
    ended = events.ScenarioFinished(START, 3.0, scenario, Verdict(scenario.id, ()), evidence, None, 1)
    page = page_of(html_page([ended]))
    assert "unplug carrier" in page.text
    assert [attrs for tag, attrs in page.seen if tag == "g" and "broken" in (attrs["class"] or "").split()]
