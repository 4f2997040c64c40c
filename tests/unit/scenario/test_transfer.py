"""A transfer as the requests and the start that it stands for."""

from __future__ import annotations

from pathlib import Path

from rating_harness.scenario.values import Moment
from tests.builders import scenario_of
from tests.unit.plan.test_planner import planned

TRANSFER = """\
calls:
  - {{id: ana, from: "1000", to: "39040123456", hold: 5s, requests: [{{method: INFO}}], transfer: {transfer}}}
  - {{id: cara, from: "1000", to: "39040999", expect: {{reply: {reply}}}}}
"""


def test_it_is_a_refer_and_what_the_other_side_says_of_its_call(tmp_path: Path) -> None:
    text = TRANSFER.format(transfer="{call: cara, by: callee, at: after 2s}", reply=200)
    scenario = scenario_of(tmp_path / "s.yaml", text)
    ana, cara = scenario.calls
    info, refer, trying, answered = ana.requests
    assert info.method == "INFO"
    assert (refer.method, refer.by, refer.at) == ("REFER", "callee", Moment("answered", 2.0))
    assert refer.headers == {
        "Refer-To": "<sip:39040999@sip.test>",
        "Referred-By": "<sip:39040123456@sip.test>",
    }
    assert refer.expect is not None
    assert refer.expect.code.matches(202)
    assert [each.method for each in (trying, answered)] == ["NOTIFY", "NOTIFY"]
    assert [each.by for each in (trying, answered)] == ["caller", "caller"]
    assert [each.body for each in (trying, answered)] == ["SIP/2.0 100 Trying\r\n", "SIP/2.0 200 OK\r\n"]
    assert [each.at for each in (trying, answered)] == [
        Moment("started", 0.0, "cara"),
        Moment("answered", 0.0, "cara"),
    ]
    assert cara.start == Moment("transferred", 0.0, "ana")
    assert cara.headers["Referred-By"] == "<sip:39040123456@sip.test>"


def test_a_call_that_is_refused_is_said_to_be(tmp_path: Path) -> None:
    text = TRANSFER.format(transfer="cara", reply=486)
    *_, refused = scenario_of(tmp_path / "s.yaml", text).calls[0].requests
    assert refused.by == "callee"
    assert (refused.at, refused.body) == (Moment("ended", 0.0, "cara"), "SIP/2.0 486 Refused\r\n")


def test_findings_about_it_are_at_its_place(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", TRANSFER.format(transfer="cara", reply=200))
    assert scenario.where("calls", 0, "requests", 1, "expect", "code") == scenario.where("calls", 0, "transfer")
    assert scenario.where("calls", 0, "requests", 0) != scenario.where("calls", 0, "transfer")


def test_the_side_that_is_asked_accepts_it(tmp_path: Path) -> None:
    by_caller = planned(tmp_path, TRANSFER.format(transfer="cara", reply=200))
    by_callee = planned(tmp_path, TRANSFER.format(transfer="{call: cara, by: callee}", reply=200))
    for plan, caller, callee in ((by_caller, False, True), (by_callee, True, False)):
        script = plan.calls[0].agent.script  # type: ignore[union-attr]
        assert script.transfers is caller  # type: ignore[union-attr]
        carrier = plan.carriers[0].agent.script  # type: ignore[union-attr]
        ana = next(each for each in carrier.calls if each.name == "ana")  # type: ignore[union-attr]
        assert ana.transfers is callee


ATTENDED = """\
calls:
  - {id: ana, from: "1000", to: "2000", hold: 5s, transfer: {call: cara, by: callee}}
  - {id: bob, from: "2000", to: "39040999", hangup: never}
  - {id: cara, from: "1000", to: "39040999", replaces: bob}
"""


def test_a_call_that_takes_anothers_place_names_its_dialog(tmp_path: Path) -> None:
    plan = planned(tmp_path, ATTENDED)
    ana, bob, cara = (call.agent.script for call in plan.calls)  # type: ignore[union-attr]
    carrier = plan.carriers[0].agent.script  # type: ignore[union-attr]
    callee = next(each for each in carrier.calls if each.name == "bob")  # type: ignore[union-attr]
    (replaces,) = cara.invite.headers["Replaces"]  # type: ignore[union-attr]
    assert replaces == f"{bob.call_ids[0]};to-tag={callee.tag};from-tag={bob.name}-1"  # type: ignore[union-attr]
    (refer,) = (each.request for call in carrier.calls for each in call.requests)  # type: ignore[union-attr]
    escaped = replaces.replace("@", "%40").replace(";", "%3B").replace("=", "%3D")
    assert refer.headers["Refer-To"] == (f"<sip:39040999@sip.test?Replaces={escaped}>",)
    assert {each.tag for each in carrier.calls if each.name != "bob"} == {""}  # type: ignore[union-attr]
    assert "Replaces" not in ana.invite.headers  # type: ignore[union-attr]


def test_a_tag_that_the_author_gives_the_caller_is_the_dialogs(tmp_path: Path) -> None:
    own = ATTENDED.replace("hangup: never", 'hangup: never, headers: {From: "<sip:2000@sip.test>;tag=own"}')
    (replaces,) = planned(tmp_path, own).calls[2].agent.script.invite.headers["Replaces"]  # type: ignore[union-attr]
    assert replaces.endswith(";from-tag=own")
