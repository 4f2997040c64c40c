"""Events on their way from one process to another."""

from __future__ import annotations

from pathlib import Path

from rating_harness.checks import judge
from rating_harness.errors import LabError, Location, Mistake, ScenarioError, ServiceDied
from rating_harness.report import events
from rating_harness.session.event_log import EventLog
from tests.builders import evidence_of, refused_call, scenario_of


def test_events_arrive_as_they_were_and_in_the_order_of_their_times(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", 'calls: [{id: ana, from: "1000", to: "39", expect: {reply: 200}}]\n')
    evidence = evidence_of(refused_call())
    died = ServiceDied("it ended", service="kamailio", status=-9, detail="a line", log="all lines")
    died.folder = tmp_path
    mistake = Mistake(Location("s.yaml", 1, 2), "wrong")
    sent: list[events.Event] = [
        events.ScenarioFinished(1.0, 0.5, scenario, judge(scenario, evidence), evidence, tmp_path, 7),
        events.ScenarioFailedToRun(2.0, 0.5, scenario, died),
        events.ScenarioFailedToRun(3.0, 0.5, scenario, ScenarioError([mistake])),
        events.ScenarioFailedToRun(4.0, 0.5, scenario, LabError("no lab", hint="try")),
        events.ScenarioSkipped(1e9, scenario, "no"),
    ]
    (tmp_path / "events").mkdir()
    first, second = EventLog(tmp_path / "events"), EventLog(tmp_path / "events")
    for number, event in enumerate(reversed(sent)):
        (first if number % 2 else second).on_event(event)
    found = list(EventLog(tmp_path / "events").read())
    assert [type(each) for each in found] == [type(each) for each in sent]
    assert [each.at for each in found] == [each.at for each in sent]
    finished, failed, wrong, lab, _ = found
    assert isinstance(finished, events.ScenarioFinished)
    assert finished.evidence == evidence
    assert judge(finished.scenario, finished.evidence) == finished.verdict
    assert finished.scenario.where("scenario") == scenario.where("scenario")
    assert isinstance(failed, events.ScenarioFailedToRun)
    assert (str(failed.error), failed.error.folder) == (str(died), tmp_path)
    assert isinstance(failed.error, ServiceDied)
    assert failed.error.log == "all lines"
    assert isinstance(wrong, events.ScenarioFailedToRun)
    assert isinstance(lab, events.ScenarioFailedToRun)
    assert (str(wrong.error), str(lab.error)) == ("s.yaml:1:2: wrong", "no lab\n  next:     try")
