"""JUnit's XML, as `run --junit` writes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rating_harness.checks import judge
from rating_harness.errors import LabError
from rating_harness.report import events
from rating_harness.report.failure import failure_text
from rating_harness.report.junit import JunitFile
from tests.builders import evidence_of, refused_call, scenario_of
from tests.unit.report import scenes


def test_the_cause_first_and_the_evidence_attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scenarios").mkdir()
    scenario, evidence = scenes.refused(Path("scenarios/refused.yaml"))
    scenario = scenario.model_copy(update={"tags": ("dialog",)})
    evidence = replace(evidence, lab={"driver": "local", "seed": "7", "token": "t"})
    verdict = judge(scenario, evidence)
    error = LabError("Kamailio said \x1b[31m\x00\ud800")
    error.folder = Path("/elsewhere/run-2")
    report = JunitFile(tmp_path / "out" / "junit.xml")
    for event in (
        events.SessionStarted(0.0, 2, 7, "local"),
        events.ScenarioFinished(1.0, 1.5, scenario, verdict, evidence, tmp_path / "evidence/run-1", 7),
        events.ScenarioFailedToRun(2.0, 0.25, scenario, error),
        events.SessionFinished(3.0, 3.0),
    ):
        report.on_event(event)
    failed, broken = ElementTree.parse(tmp_path / "out/junit.xml").iter("testcase")
    assert failed.attrib == {
        "classname": "scenarios.refused",
        "name": "A call is made",
        "file": "scenarios/refused.yaml",
        "line": "1",
        "time": "1.500",
    }
    failure = failed.find("failure")
    assert failure is not None
    assert failure.get("message", "").startswith(
        "call ana: another final reply to the caller: expected 200, seen 403 Forbidden"
    )
    assert failed.findtext("system-out") == "[[ATTACHMENT|evidence/run-1/verdict.txt]]"
    properties = {each.get("name"): each.get("value") for each in failed.iter("property")}
    assert properties["tag"] == "dialog"
    assert properties["seed"] == "7"
    assert properties["lab.driver"] == "local"
    assert broken.findtext("system-out") == "[[ATTACHMENT|/elsewhere/run-2/not-run.txt]]"
    message = broken.find("error")
    assert message is not None
    assert message.get("message") == r"Kamailio said \x1b[31m\x00\xd800"


@pytest.mark.parametrize("variable", ["CI_PROJECT_DIR", "GITHUB_WORKSPACE", "WORKSPACE"])
@pytest.mark.parametrize(
    ("checkout", "file", "attached"),
    [
        ("", "calls/scenarios/refused.yaml", "calls/evidence/run-1/verdict.txt"),
        ("elsewhere", "scenarios/refused.yaml", "evidence/run-1/verdict.txt"),
    ],
)
def test_in_a_part_of_the_jobs_checkout_paths_are_the_checkouts(
    variable: str, checkout: str, file: str, attached: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitLab and Jenkins look for attachments from there."""
    for name in ("CI_PROJECT_DIR", "GITHUB_WORKSPACE", "WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / checkout))
    (tmp_path / "calls/scenarios").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "calls")
    scenario, evidence = scenes.refused(Path("scenarios/refused.yaml"))
    report = JunitFile(tmp_path / "junit.xml")
    report.on_event(events.SessionStarted(0.0, 1, 7, "local"))
    folder = tmp_path / "calls/evidence/run-1"
    report.on_event(events.ScenarioFinished(1.0, 1.5, scenario, judge(scenario, evidence), evidence, folder, 7))
    report.on_event(events.SessionFinished(3.0, 3.0))
    (failed,) = ElementTree.parse(tmp_path / "junit.xml").iter("testcase")
    assert failed.get("file") == file
    assert failed.findtext("system-out") == f"[[ATTACHMENT|{attached}]]"


@pytest.mark.parametrize("quoted", ['"%s"', "'%s'", "%s", r'"%s\""', "'%s,''x'"])
def test_no_password_is_in_it_nor_on_the_terminal(tmp_path: Path, quoted: str) -> None:
    auth = f'auth: {{username: "1000", password: {quoted % "open-sesame-77"}}}'
    rest = f'calls: [{{id: ana, from: "1000", {auth}, to: "39040123456", expect: {{reply: 200}}}}]\n'
    scenario, evidence = scenario_of(tmp_path / "s.yaml", rest), evidence_of(refused_call())
    verdict = judge(scenario, evidence)
    report = JunitFile(tmp_path / "junit.xml")
    report.on_event(events.SessionStarted(0.0, 1, 7, "local"))
    report.on_event(events.ScenarioFinished(1.0, 1.5, scenario, verdict, evidence, tmp_path, 7))
    report.on_event(events.SessionFinished(3.0, 3.0))
    for text in ((tmp_path / "junit.xml").read_text(), failure_text(scenario, evidence, verdict, tmp_path)):
        assert "password: redacted}" in text
        assert "open-sesame" not in text
