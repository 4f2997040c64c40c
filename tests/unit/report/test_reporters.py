"""What each reporter makes of the same session."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks import judge
from rating_harness.checks.model import Finding, Verdict
from rating_harness.errors import Location, ServiceDied
from rating_harness.evidence.model import CapturedMessage, GeneratorResult, HttpStep, LogLine
from rating_harness.evidence.statistics import LoadProgress
from rating_harness.report import events
from rating_harness.report.failure import failure_text
from rating_harness.report.html import HtmlReport, html_page
from rating_harness.report.jsonl import JsonLines, objects_of
from rating_harness.report.junit import junit_properties
from rating_harness.report.load import ticks
from rating_harness.report.progress import Progress
from rating_harness.report.terminal import Terminal, console, show, styled, to_ascii
from rating_harness.session.stored_runs import scenario_texts_of
from tests.builders import (
    CALL_ID,
    START,
    answered_call,
    evidence_of,
    exchange,
    records,
    refused_call,
    scenario_of,
    sip,
)
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


def test_each_report_says_how_much_of_the_labs_time_was_skipped(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n')
    evidence = evidence_of(answered_call(), skipped=14397.0)
    ended = events.ScenarioFinished(START, 3.0, scenario, Verdict(scenario.id, ()), evidence, None, 42)
    assert "(1 call, 14,397 s skipped, 3.0 s)" in shown([ended])
    assert "3.0 s, 14,397 s skipped" in html_page([ended])
    assert ("clock.skipped", "14397") in junit_properties(evidence)
    lines = io.StringIO()
    JsonLines(lines).on_event(ended)
    assert json.loads(lines.getvalue().splitlines()[-1])["clock_skipped"] == 14397.0
    assert "14,397 s skipped" in failure_text(scenario, evidence, ended.verdict, None)


def test_each_report_says_that_a_scenario_was_run_again(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n')
    evidence = evidence_of(answered_call(), repeated=("call ana began 400ms late",))
    ended = events.ScenarioFinished(START, 3.0, scenario, Verdict(scenario.id, ()), evidence, None, 42)
    told = "run 2, since call ana began 400ms late"
    assert f"(1 call, {told}, 3.0 s)" in shown([ended])
    assert f"3.0 s, {told}" in html_page([ended])
    assert ("repeated", "call ana began 400ms late") in junit_properties(evidence)
    lines = io.StringIO()
    JsonLines(lines).on_event(ended)
    assert json.loads(lines.getvalue().splitlines()[-1])["repeated"] == ["call ana began 400ms late"]
    assert f"        {told}\n" in failure_text(scenario, evidence, ended.verdict, None)


# --- progress ---


class FakeTerminal(io.StringIO):
    """Says that it's a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_how_far_the_session_is(
    session: list[events.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file = FakeTerminal()
    progress = Progress(console(file))
    seen = []
    for event in session:
        progress.on_event(event)
        seen.append(progress.text.partition(":")[0])
    assert seen == [
        "0 of 4 scenarios, 0 labs at work, 0 calls",
        "0 of 4 scenarios, 0 labs at work, 0 calls",
        "0 of 4 scenarios, 1 lab at work, 0 calls",
        "1 of 4 scenarios, 0 labs at work, 1 call",
        "1 of 4 scenarios, 1 lab at work, 1 call",
        "2 of 4 scenarios, 0 labs at work, 2 calls",
        "3 of 4 scenarios, 0 labs at work, 2 calls",
        "4 of 4 scenarios, 0 labs at work, 2 calls",
        "4 of 4 scenarios, 0 labs at work, 2 calls",
    ]
    assert "of 4 scenarios" in file.getvalue()
    assert file.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K"), "the cursor is back, and the line is gone"


@pytest.mark.parametrize("forced", ["", "1"])
def test_nothing_else_is(session: list[events.Event], monkeypatch: pytest.MonkeyPatch, forced: str) -> None:
    monkeypatch.setenv("FORCE_COLOR", forced)
    assert "at work" not in shown(session)
    dumb = FakeTerminal()
    monkeypatch.setenv("TERM", "dumb")
    for event in session:
        Terminal(dumb).on_event(event)
    assert "at work" not in dumb.getvalue()


@pytest.mark.parametrize(("lab", "ends"), [({}, "own"), ({"ends": "baresip 1.1.0"}, "baresip 1.1.0")])
def test_each_result_says_whose_the_ends_were(tmp_path: Path, lab: dict[str, str], ends: str) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n')
    evidence = evidence_of(answered_call(), lab=lab)
    ended = events.ScenarioFinished(START, 3.0, scenario, Verdict(scenario.id, ()), evidence, None, 42)
    lines = io.StringIO()
    JsonLines(lines).on_event(ended)
    assert json.loads(lines.getvalue().splitlines()[-1])["ends"] == ends
    foreign = "ends baresip 1.1.0" if lab else ""
    assert foreign in failure_text(scenario, evidence, ended.verdict, None)
    assert (
        ("ends", ends) in [(name.rpartition(".")[2], value) for name, value in junit_properties(evidence)]
    ) == bool(lab)
    assert ("baresip" in html_page([ended])) == bool(lab)


# --- the terminal ---------------------------------------------------------------------------------------------------


def shown(session: list[events.Event]) -> str:
    file = io.StringIO()
    terminal = Terminal(file)
    for event in session:
        terminal.on_event(event)
    return file.getvalue()


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        ("", True),
        (", expect: {reply: 486}", False),
        (", expect: {carriers: []}", False),
        (", cancel: while ringing", False),
        ("}]\nexpect: {failures: any", False),
    ],
)
def test_a_call_that_was_not_answered_and_nobody_expects_anything_of_is_noted(
    tmp_path: Path, words: str, is_told: bool
) -> None:
    rest = f'calls: [{{id: ana, from: "1000", to: "39040123456"{words}}}]\n'
    if "failures" in words:
        rest = rest.replace("any}]", "any}")
    scenario = scenario_of(tmp_path / "s.yaml", rest)
    ended = events.ScenarioFinished(
        START, 3.0, scenario, Verdict(scenario.id, ()), evidence_of(refused_call()), None, 42
    )
    note = "not answered: ana: 403 Forbidden; nothing is expected of its reply"
    assert (note in shown([ended])) == is_told
    assert "not answered" not in shown([replace(ended, evidence=evidence_of(answered_call()))])


@pytest.mark.parametrize("verbose", [False, True])
def test_scenarios_that_cant_be_run_for_one_reason_tell_it_once(tmp_path: Path, verbose: bool) -> None:
    def not_run(name: str, **others: Any) -> events.ScenarioFailedToRun:
        scenario = scenario_of(tmp_path / name, 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n')
        told = {"detail": " 0(7) CRITICAL: syntax error", "where": Location("kamailio.cfg", 4, 1), **others}
        return events.ScenarioFailedToRun(
            START, 0.5, scenario, ServiceDied("Kamailio ended", service="k", status=255, **told)
        )

    session: list[events.Event] = [
        not_run("one.yaml"),
        not_run("two.yaml", detail=" 0(1234) CRITICAL: syntax error"),
        not_run("three.yaml", where=Location("kamailio.cfg", 5, 1)),
        not_run("four.yaml"),
        events.SessionFinished(START + 6, 6.0),
    ]
    file = io.StringIO()
    terminal = Terminal(file, ladders=None if verbose else 3)
    for event in session:
        terminal.on_event(event)
    text = file.getvalue()
    assert text.count("kamailio.cfg:4:1: Kamailio ended") == 1
    assert text.count("kamailio.cfg:5:1: Kamailio ended") == 1
    assert re.search(r"\nNOT RUN  2 more, for the same reason as \S*one\.yaml\n", text)
    assert ("two.yaml" in text) == verbose
    assert text.endswith("0 passed, 0 failed, 0 skipped, 4 not run in 6.0 s\n")


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
    for part in ("driver local kamailio 6.0.1 took 6.0 s", "403 Forbidden -- insufficient balance", "reply: 200",
                 "BALANCE_INSUFFICIENT", "POST /v1/authorization", "needs TLS", "Kamailio died",
                 "--seed 42", "rating-harness check evidence/run"):  # fmt: skip
        assert part in words


def test_what_came_from_elsewhere_is_text(page: _Page) -> None:
    assert page.text.count(NASTY) >= 5
    assert [attrs for tag, attrs in page.seen if tag == "script"] == [{}]


def test_the_page_needs_nothing_from_elsewhere(page: _Page) -> None:
    assert not [tag for tag, _ in page.seen if tag in ("link", "img", "iframe", "object", "use")]
    assert not [attrs for _, attrs in page.seen if "src" in attrs or (attrs.get("href") or "#")[0] != "#"]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", page.text)


def test_links_lead_to_what_they_name(page: _Page) -> None:
    ids = [attrs["id"] for _, attrs in page.seen if "id" in attrs]
    links = {attrs["href"] for tag, attrs in page.seen if tag == "a" and "href" in attrs}
    assert len(ids) == len(set(ids))
    assert links
    assert links <= {f"#{name}" for name in ids}


def scenarios_in(page: _Page) -> list[dict[str, str | None]]:
    return [attrs for _, attrs in page.seen if (attrs.get("class") or "").startswith("scenario ")]


def test_what_went_wrong_comes_first_and_is_open(page: _Page) -> None:
    assert [(attrs["class"], "open" in attrs) for attrs in scenarios_in(page)] == [
        ("scenario failed", True),
        ("scenario not-run", True),
        ("scenario passed", False),
        ("scenario skipped", False),
    ]


def test_of_many_failures_only_the_first_are_open(tmp_path: Path) -> None:
    scenario, evidence = scenes.refused(tmp_path / "refused.yaml")
    failed = events.ScenarioFinished(START, 1.0, scenario, scenes.verdict_of(scenario, evidence), evidence, None, 42)
    opened = ["open" in attrs for attrs in scenarios_in(page_of(html_page([failed] * 25)))]
    assert opened == [True] * 20 + [False] * 5


def arrows(page: _Page) -> list[dict[str, str | None]]:
    return [attrs for tag, attrs in page.seen if tag == "a" and {"seen", "inferred", "lost"} & words_of(attrs)]


def words_of(attrs: dict[str, str | None]) -> set[str]:
    return set((attrs.get("class") or "").split())


def test_the_ladder_has_an_arrow_for_each_message_which_opens_it(page: _Page) -> None:
    assert len(arrows(page)) == len(answered_call()) + 6
    assert len({attrs["href"] for attrs in arrows(page)}) == len(answered_call()) + 6


def test_the_arrow_that_a_finding_is_on_is_marked_and_so_is_the_line(page: _Page) -> None:
    assert len([attrs for attrs in arrows(page) if "marked" in words_of(attrs)]) == 1
    assert len([attrs for tag, attrs in page.seen if tag == "section" and "found" in words_of(attrs)]) == 1


def test_messages_and_requests_are_there_in_full(page: _Page) -> None:
    for part in ("SIP/2.0 403 Forbidden -- insufficient balance\nVia: SIP/2.0/UDP 198.18.0.5:5060;branch=",
                 "POST /v1/authorization\nContent-Type: application/json\n\n{\n  \"transaction_tag\": ",
                 '{\n  "authorized": false,\n  "unauthorized_reason": "BALANCE_INSUFFICIENT",\n'):  # fmt: skip
        assert part in page.text


def test_the_scenario_is_shown_with_the_lines_that_failed(tmp_path: Path) -> None:
    scenario, evidence = scenes.refused(tmp_path / "refused.yaml")
    failed = events.ScenarioFinished(START, 1.0, scenario, scenes.verdict_of(scenario, evidence), evidence, None, 42)
    page = page_of(html_page([failed], texts=scenario_texts_of))
    marks = [attrs for tag, attrs in page.seen if tag == "mark"]
    assert [attrs["id"] for attrs in marks] == ["s1-0-11", "s1-0-12", "s1-0-15"]
    assert marks[0]["title"] == "call ana: another final reply to the caller"
    assert {attrs["href"] for tag, attrs in page.seen if tag == "a"} >= {"#s1-0-11", "#s1-0-12", "#s1-0-15"}
    assert "  - id: ana\n" in page.text


def test_a_line_in_another_file_is_shown_in_that_file(tmp_path: Path) -> None:
    shared = tmp_path / "_shared.yaml"
    shared.write_text("given:\n  accounts:\n    - {account_tag: '1000', balance: 5}\n", encoding="utf-8")
    file = tmp_path / "s.yaml"
    scenario = scenario_of(file, 'use: [_shared.yaml]\ncalls: [{id: ana, from: "1000", to: "2"}]\n')
    finding = Finding("always: records", "an account", "5", "4", Location(shared.as_posix(), 3, 7))
    failed = events.ScenarioFinished(
        START, 1.0, scenario, Verdict(scenario.id, (finding,)), evidence_of(answered_call()), None, 42
    )
    page = page_of(html_page([failed], texts=scenario_texts_of))
    assert [attrs["id"] for tag, attrs in page.seen if tag == "mark"] == ["s1-1-3"]
    assert "_shared.yaml" in page.text


SECRET, AGENT_SECRET = "open-sesame-77", "agent-token-99"


def test_no_password_and_no_credentials_are_in_it(tmp_path: Path) -> None:
    scenario = scenario_of(
        tmp_path / "digest.yaml",
        f"""\
matrix: [{{id: one, secret: {SECRET}-1}}, {{id: two, secret: {SECRET}-2}}]
kamailio: {{users: {{"1000": "{SECRET}-3"}}}}
calls:
  - id: ana
    from: "1000"
    to: "39040123456"
    auth: {{username: "1000", password: "${{secret}}"}}
    expect: {{reply: 403}}
""",
    )
    proof = f'Digest username="1000", realm="sip.test", nonce="n", uri="sip:2", response="{SECRET}-4"'
    invite = sip(0.2, "caller-ana", "sent", "INVITE sip:39040123456@sip.test", headers={"Authorization": proof})
    text = f"INVITE sip:2 SIP/2.0\r\nCall-ID: {CALL_ID}\r\nProxy-Authorization: {proof}\r\n\r\n"
    captured = CapturedMessage(START, "received", "udp", "1:1", "2:2", "caller-ana", text, invite)
    asked = replace(exchange(0.3, "authorization"), headers=(("Authorization", f"Bearer {AGENT_SECRET}"),))
    evidence = evidence_of([*answered_call(), invite], [asked], captured=(captured,))
    ended = events.ScenarioFinished(START, 1.0, scenario, judge(scenario, evidence), evidence, None, 42)
    html = html_page([ended], texts=scenario_texts_of)
    assert not ended.verdict.passed
    assert 'response="redacted"' in page_of(html).text
    assert "{id: one, secret: redacted}, {id: two, secret: redacted}" in page_of(html).text
    assert SECRET not in html
    assert AGENT_SECRET not in html


def test_octets_that_are_no_text_do_not_break_the_page(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls: [{id: ana, from: "1", to: "2"}]\n')
    text = b"OPTIONS sip:2 SIP/2.0\r\nX: \xff\x00\r\n\r\n".decode("utf-8", "surrogateescape")
    captured = CapturedMessage(START + 0.01, "received", "udp", "1:1", "2:2", "caller-ana", text, None)
    ended = events.ScenarioFinished(
        START, 1.0, scenario, Verdict(scenario.id, ()), evidence_of(answered_call(), captured=(captured,)), None, 42
    )
    assert "X: \\udcff" in html_page([ended]).encode().decode()


def test_balances_are_shown_where_they_moved(page: _Page) -> None:
    assert "1000balance108" in re.sub(r"\s", "", page.text)


def load_of_fifty(file: Path) -> events.ScenarioFinished:
    """Forty calls are answered, ten refused; their ends are a second apart."""
    scenario = scenario_of(file, 'calls: [{id: ana, from: "1", to: "2", repeat: 50}]\n')
    good = [m for n in range(40) for m in answered_call(at=n, hold=3.5, call_id=f"{n}@sip.test")]
    bad = [m for n in range(40, 50) for m in refused_call(call_id=f"{n}@sip.test")]
    exchanges = [exchange(n, "authorization", call_id=f"{n}@sip.test", took=n / 1000) for n in range(40)]
    exchanges += [
        exchange(n, "authorization", call_id=f"{n}@sip.test", took=None, status=None) for n in range(40, 50)
    ]
    many = evidence_of([*good, *bad], exchanges)
    return events.ScenarioFinished(START, 60.0, scenario, Verdict(scenario.id, ()), many, None, 1)


def test_a_load_shows_a_call_of_each_kind_and_says_so(tmp_path: Path) -> None:
    page = page_of(html_page([load_of_fifty(tmp_path / "many.yaml")], "by hand"))
    assert len([attrs for tag, attrs in page.seen if tag == "svg" and "ladder" in words_of(attrs)]) == 2
    assert "(40 calls like it)" in page.text
    assert "(10 calls like it)" in page.text
    assert "and 48 more calls" in page.text


def test_a_load_is_told_in_figures(tmp_path: Path) -> None:
    words = " ".join(page_of(html_page([load_of_fifty(tmp_path / "many.yaml")])).text.split())
    for part in ("calls 50", "answered 40", "answer-seizure ratio 80.0 %", "most calls up at once 4",
                 "average length 3.5 s", "200 OK 40", "403 Forbidden 10",
                 "ana: 200 OK by carrier, ended by caller 40", "ana: 403 Forbidden 10",
                 "set-up 50 101.0 ms 101.0 ms 101.0 ms 101.0 ms 0",
                 "authorization 50 19.0 ms 37.0 ms 39.0 ms 39.0 ms 10"):  # fmt: skip
        assert part in words, part


def test_a_load_has_charts_over_time(tmp_path: Path) -> None:
    page = page_of(html_page([load_of_fifty(tmp_path / "many.yaml")]))
    charts = [attrs for tag, attrs in page.seen if tag == "svg" and "pygal-chart" in words_of(attrs)]
    assert len(charts) == 4
    for title in ("Calls per second", "Set-up, ms", "The agent's answers, ms", "Calls up", "not answered"):
        assert title in page.text
    assert not [finder for finder in sys.meta_path if "pygal" in type(finder).__module__]
    assert len([attrs for tag, attrs in page.seen if tag == "script"]) == 1


@pytest.mark.parametrize(
    ("most", "count", "expected"),
    [
        (0.0, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (5.0, 5, [0, 1, 2, 3, 4, 5]),
        (12.0, 5, [0, 5, 10, 15]),
        (8.5, 8, [0, 2, 4, 6, 8, 10]),
        (71.9, 5, [0, 20, 40, 60, 80]),
        (300.0, 8, [0, 50, 100, 150, 200, 250, 300]),
    ],
)
def test_an_axis_has_few_round_values_evenly_spaced(most: float, count: int, expected: list[float]) -> None:
    assert ticks(most, count) == expected


def test_the_axes_of_a_chart_are_labelled_with_these(tmp_path: Path) -> None:
    page = html_page([load_of_fifty(tmp_path / "many.yaml")])
    chart = page.partition('class="pygal-chart')[2].partition("</svg>")[0]
    labels = re.findall(r"<text[^>]*>([0-9.]+)</text>", chart)
    assert 8 <= len(labels) <= 15
    assert len([each for each in labels if each == "0"]) == 2


def test_long_lists_of_a_load_are_folded(tmp_path: Path) -> None:
    many = load_of_fifty(tmp_path / "many.yaml")
    assert "<summary>50 requests</summary>" in html_page([many])
    scenario = scenario_of(tmp_path / "one.yaml", 'calls: [{id: ana, from: "1000", to: "39"}]\n')
    evidence = evidence_of(answered_call(), [exchange(0.1, "authorization")])
    one = events.ScenarioFinished(START, 3.0, scenario, Verdict(scenario.id, ()), evidence, None, 1)
    assert "1 requests" not in html_page([one])


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
    assert [attrs for attrs in arrows(page) if "broken" in words_of(attrs)]


def test_what_could_not_be_checked_is_said_of_a_scenario_that_passed(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n')
    verdict = Verdict(scenario.id, (), {"strict_peer": "no headers", "record": "no API"})
    evidence = evidence_of(answered_call())
    evidence = replace(evidence, lab={**evidence.lab, "unchecked": "records: no API"})
    text = shown([events.ScenarioFinished(START, 3.0, scenario, verdict, evidence, None, 42)])
    assert "        not checked: strict_peer: no headers\n" in f"{text}\n"
    assert "no API" not in text


def test_a_load_under_way_is_told_behind_its_scenario(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls: [{id: ana, from: "1000", to: "39"}]\n', "A load")
    moved = events.LoadMoved(1.0, scenario, LoadProgress(1.0, 90, 40, 20, 1, 20.0))
    progress = Progress(console(FakeTerminal()))
    for event in (events.SessionStarted(0.0, 1, 1, "local"), events.ScenarioStarted(0.0, scenario), moved):
        progress.on_event(event)
    progress.on_event(events.SessionFinished(2.0, 2.0))
    assert list(objects_of(moved)) == []
    progress = Progress(console(io.StringIO()))
    for event in (events.SessionStarted(0.0, 1, 1, "local"), events.ScenarioStarted(0.0, scenario), moved):
        progress.on_event(event)
    assert progress.text.endswith(": A load (40 of 90 calls, 20.0/s, 19 up, 1 failed)")
    progress.on_event(events.ScenarioSkipped(2.0, scenario, "over"))
    assert "40 of 90" not in progress.text


def test_each_generator_of_a_load_is_shown_with_its_clock(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n')
    one = GeneratorResult(1, "machine-1", "198.18.0.129", 0.0123, 0.0004, planned=3, made=3, over=3, setup={480: 3})
    evidence = evidence_of(answered_call(), generators=(one, replace(one, number=2, clock=-0.0005, setup={})))
    text = shown([events.ScenarioFinished(START, 3.0, scenario, Verdict(scenario.id, ()), evidence, None, 42)])
    assert "generator 1 on machine-1: 3 calls, set-up p95 12ms, its clock +12.3 ms ± 0.4 ms\n" in text
    assert "generator 2 on machine-1: 3 calls, its clock -0.5 ms ± 0.4 ms\n" in text
