"""The HTML report in Chromium: `make test-browser` installs what this needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks.model import Verdict
from rating_harness.report import events
from rating_harness.report.html import html_page
from rating_harness.session.stored_runs import scenario_texts_of
from tests.builders import START, answered_call, evidence_of, exchange, records, scenario_of
from tests.unit.report import scenes

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: make test-browser"),
    # Playwright's own event loop.
    pytest.mark.filterwarnings("default::ResourceWarning", "default::DeprecationWarning"),
]

Open = Callable[..., Any]
MANY = 500
SECONDS = 2.0
"""Processor time in which a page of so many scenarios is open."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scenario passes, one fails, one was skipped."""
    folder = tmp_path_factory.mktemp("report")
    refused, evidence = scenes.refused(folder / "refused.yaml")
    calls = 'tags: [prepaid]\ncalls:\n  - {id: ana, from: "1000", to: "39040123456"}\n'
    passed = scenario_of(folder / "passed.yaml", calls, title="It goes well")
    verdict = scenes.verdict_of(refused, evidence)
    good = evidence_of(answered_call(), [exchange(0.01, "authorization")])
    ended: list[events.ScenarioFinished | events.ScenarioSkipped] = [
        events.ScenarioFinished(START, 3.0, passed, Verdict(passed.id, ()), good, None, 42),
        events.ScenarioFinished(START, 1.0, refused, verdict, evidence, folder / "run", 42),
        events.ScenarioSkipped(START, passed, "needs TLS"),
    ]
    path = folder / "report.html"
    path.write_text(html_page(ended, texts=scenario_texts_of), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Opens a page; what goes wrong in it, or is fetched from elsewhere, fails the test."""
    contexts, wrong = [], []

    def open_page(path: Path, width: int = 1200, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith("file:") else wrong.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def titles(page: Any) -> list[str]:
    return [each.inner_text() for each in page.query_selector_all("details.scenario:not([hidden]) > summary .title")]


@pytest.mark.parametrize("width", [360, 900, 1600])
def test_the_page_is_as_wide_as_its_window(opened: Open, report: Path, width: int) -> None:
    page = opened(report, width)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_failures_come_first(opened: Open, report: Path) -> None:
    assert titles(opened(report)) == ["A call is made", "It goes well", "It goes well"]


def test_words_result_and_tag_filter(opened: Open, report: Path) -> None:
    page = opened(report)
    page.keyboard.press("/")
    page.keyboard.type("insufficient BALANCE")
    page.keyboard.press("Enter")
    assert titles(page) == ["A call is made"]
    assert page.inner_text("output") == "1 of 3"
    page.keyboard.press("Escape")
    assert len(titles(page)) == 3
    page.select_option("select[name=result]", "skipped")
    page.press("select[name=result]", "Enter")
    page.wait_for_function("document.querySelector('output').value === '1 of 3'")
    page.select_option("select[name=result]", "")
    page.select_option("select[name=tag]", "prepaid")
    page.wait_for_function("document.querySelector('output').value === '2 of 3'")
    assert titles(page) == ["It goes well", "It goes well"]


def test_keys_go_from_scenario_to_scenario(opened: Open, report: Path) -> None:
    page = opened(report)

    def focused() -> Any:
        return page.evaluate("document.activeElement.closest('details.scenario')?.id")

    page.keyboard.press("n")
    assert focused() == "s2"
    page.keyboard.press("j")
    assert focused() == "s1"
    page.keyboard.press("Enter")
    assert page.evaluate("document.getElementById('s1').open")
    page.keyboard.press("k")
    assert focused() == "s2"


def test_what_is_folded_is_searched_and_unfolds(opened: Open, report: Path) -> None:
    page = opened(report)
    passed = page.locator("details.scenario.passed")
    assert passed.locator("svg.ladder").count() == 0
    page.keyboard.press("/")
    page.keyboard.type("<sip:1000@sip.test> passed.yaml")
    page.keyboard.press("Enter")
    assert titles(page) == ["It goes well"]
    passed.locator("summary").first.click()
    passed.locator("svg.ladder").wait_for(state="visible")
    passed.locator("svg.ladder a", has_text="INVITE").first.click()
    assert page.inner_text(".opened pre").startswith("INVITE ")


def test_without_script_what_is_folded_is_there(opened: Open, report: Path) -> None:
    page = opened(report, java_script_enabled=False)
    passed = page.locator("details.scenario.passed")
    passed.locator("summary").first.click()
    passed.locator("svg.ladder").wait_for(state="visible")


def test_an_arrow_opens_its_message_and_closes_it(opened: Open, report: Path) -> None:
    page = opened(report)
    page.locator("svg.ladder a.marked").click()
    assert page.inner_text(".opened pre").startswith("SIP/2.0 403 Forbidden -- insufficient balance")
    page.locator("svg.ladder a.marked").click()
    assert page.query_selector(".opened") is None


def test_an_arrow_of_a_request_to_the_agent_opens_its_json(opened: Open, report: Path) -> None:
    page = opened(report)
    page.locator("svg.ladder a", has_text="authorization of 1000").first.click()
    asked = page.inner_text(".opened pre")
    assert asked.startswith("POST /v1/authorization")
    assert '"account_tag": "1000"' in asked


def test_without_script_all_is_there_and_arrows_lead_to_their_messages(opened: Open, report: Path) -> None:
    page = opened(report, java_script_enabled=False)
    assert page.locator("form.filter").is_hidden()
    assert page.locator("details.messages").first.get_attribute("open") is None
    page.locator("svg.ladder a.marked").click()
    message = page.locator("section.found pre")
    message.wait_for(state="visible")
    assert message.inner_text().startswith("SIP/2.0 403 Forbidden")


def test_it_is_dark_where_the_machine_is(opened: Open, report: Path) -> None:
    def paper(scheme: str) -> Any:
        return opened(report, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")

    assert paper("dark") == "rgb(21, 24, 28)"
    assert paper("light") == "rgb(251, 251, 249)"


def test_failures_are_printed_unfolded(opened: Open, report: Path) -> None:
    page = opened(report)
    page.evaluate("document.querySelector('details.failed').open = false")
    finding = page.locator(".finding").first
    assert finding.is_hidden()
    page.emulate_media(media="print")
    assert finding.is_visible()
    assert page.locator("form.filter").is_hidden()


def test_five_hundred_scenarios_are_open_in_two_seconds(
    opened: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused, evidence = scenes.refused(tmp_path / "refused.yaml")
    bad = events.ScenarioFinished(START, 1, refused, scenes.verdict_of(refused, evidence), evidence, None, 1)
    calls = "".join(f'  - {{id: c{n}, from: "1000", to: "39040123456"}}\n' for n in range(3))
    passed = scenario_of(tmp_path / "passed.yaml", f"calls:\n{calls}")
    messages = [m for n in range(3) for m in answered_call(call_id=f"{n}@sip.test", caller=f"caller-c{n}")]
    asked = [
        exchange(n / 10, "authorization", call_id=f"{n}@sip.test", number=n, padding="x" * 300) for n in range(3)
    ]
    good = events.ScenarioFinished(
        START, 1, passed, Verdict(passed.id, ()), evidence_of(messages, asked, before=records(0, 1)), None, 1
    )
    path = tmp_path / "report.html"
    path.write_text(html_page([*[bad] * 50, *[good] * (MANY - 50)], texts=scenario_texts_of), encoding="utf-8")
    assert path.stat().st_size > 5_000_000
    empty = tmp_path / "empty.html"
    empty.write_text("<!DOCTYPE html>", encoding="utf-8")
    took = []
    for _ in range(3):
        page = opened(empty)
        session = page.context.new_cdp_session(page)
        # Processor time of the page's thread: how busy the machine is doesn't change it much.
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        # By the clock it may take a minute where thirty processes wait for two cores.
        page.goto(path.as_uri(), timeout=300_000)
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        took.append(metrics["TaskDuration"])
        assert len(titles(page)) == MANY
        page.close()
    with capsys.disabled():
        megabytes = path.stat().st_size / 1e6
        sys.stdout.write(f"\n{MANY} scenarios, {megabytes:.1f} MB: open in {min(took):.2f} s of processor time\n")
    assert min(took) < SECONDS, took
