"""Both ends of a call agree on it: what Kamailio has to pass on reaches the other side, which takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks.call_ends import both_ends_agree, end_of
from rating_harness.checks.model import Case
from rating_harness.evidence.model import Evidence, SipMessage, Span
from tests.builders import CALLER, CARRIER, START, answered_call, evidence_of, exchange, scenario_of, sip

_URI = "sip:39040123456@sip.test"


def run_of(messages: tuple[SipMessage, ...]) -> Evidence:
    """The end was accepted by the engine."""
    return evidence_of(messages, [exchange(0.002, "authorization"), exchange(2.11, "end_transaction")])


def found(
    tmp_path: Path,
    messages: tuple[SipMessage, ...],
    more: str = "",
    rest: str = "",
    spans: tuple[Span, ...] = (),
) -> list[tuple[str, str]]:
    text = f'{rest}calls: [{{id: ana, from: "1000", to: "39040123456"{more}}}]\n'
    case = Case(scenario_of(tmp_path / "s.yaml", text), replace(run_of(messages), spans=spans))
    findings = list(both_ends_agree(case))
    assert {finding.check for finding in findings} <= {"always: both_ends"}
    return [(finding.message, finding.seen) for finding in findings]


def without(chosen: Callable[[SipMessage], bool], ended_by: str = "caller") -> tuple[SipMessage, ...]:
    return tuple(m for m in answered_call(ended_by=ended_by) if not chosen(m))  # type: ignore[arg-type]


def at(host: str, method: str) -> Callable[[SipMessage], bool]:
    return lambda m: (m.host, m.method) == (host, method)


@pytest.mark.parametrize("ended_by", ["caller", "callee", "kamailio"])
def test_a_proper_call(tmp_path: Path, ended_by: str) -> None:
    assert found(tmp_path, without(lambda m: False, ended_by)) == []


def test_an_ack_that_never_arrived(tmp_path: Path) -> None:
    lost = without(at(CARRIER, "ACK"))
    assert found(tmp_path, lost) == [("call ana: the ACK to the answer", "it never arrived")]
    assert found(tmp_path, lost, ", vanish: {who: callee, at: after answer}") == []
    assert found(tmp_path, lost, rest="carriers: {carrier: {loss: 10}}\n") == []


UNPLUGGED = "faults: [{on: %s, unplug: 1s}]\n"


def unplugged(host: str, begin: float, end: float | None) -> tuple[Span, ...]:
    return (Span(f"unplug {host}", START + begin, None if end is None else START + end),)


@pytest.mark.parametrize(
    ("begin", "end", "is_exempt"),
    [(0.05, 0.15, True), (0.0, None, True), (-5.0, -1.0, False), (1.5, 2.0, False), (1.5, None, False)],
)
def test_an_outage_excuses_a_lost_ack_only_while_it_lasts(
    tmp_path: Path, begin: float, end: float | None, is_exempt: bool
) -> None:
    lost = without(at(CARRIER, "ACK"))
    spans = unplugged(CARRIER, begin, end)
    assert (found(tmp_path, lost, rest=UNPLUGGED % CARRIER, spans=spans) == []) is is_exempt


@pytest.mark.parametrize("spans", [(), unplugged("kamailio", 0.0, None), (Span("pause carrier", START),)])
def test_an_outage_that_never_came_or_was_elsewhere_excuses_nothing(tmp_path: Path, spans: tuple[Span, ...]) -> None:
    lost = without(at(CARRIER, "ACK"))
    assert len(found(tmp_path, lost, rest=UNPLUGGED % CARRIER, spans=spans)) == 1


@pytest.mark.parametrize(
    ("begin", "end", "is_exempt"),
    [(2.0, 2.2, True), (1.0, None, True), (0.2, 1.0, False), (-5.0, -1.0, False), (5.0, 6.0, False)],
)
@pytest.mark.parametrize("ended_by", ["caller", "callee"])
def test_an_outage_excuses_a_lost_bye_only_while_it_is_under_way(
    tmp_path: Path, ended_by: str, begin: float, end: float | None, is_exempt: bool
) -> None:
    """Whether it's the end that should get it, or the one that sends it, which is cut off."""
    host = CARRIER if ended_by == "caller" else CALLER
    lost = without(at(host, "BYE"), ended_by)
    spans = unplugged(CARRIER, begin, end)
    messages = [message for message, _ in found(tmp_path, lost, rest=UNPLUGGED % CARRIER, spans=spans)]
    assert (f"call ana: the BYE of the {ended_by}" not in messages) is is_exempt
    if ended_by == "caller":
        assert (messages == []) is is_exempt


def test_an_ack_that_a_strict_callee_passes_over(tmp_path: Path) -> None:
    other = tuple(replace(m, cseq=1, headers=_with(m, "To", f"<{_URI}>;tag=b9")) if _is_ack(m) else m
                  for m in answered_call())  # fmt: skip
    ((_, seen),) = found(tmp_path, other)
    assert seen == "refused there: 481: the tag of To, b9, is none of carrier's"


def test_an_ack_of_a_second_answer_is_not_that_of_the_answer(tmp_path: Path) -> None:
    second = (
        sip(0.3, CARRIER, "sent", "200 OK", to_tag="b2"),
        sip(0.31, CARRIER, "received", f"ACK {_URI}", to_tag="b2"),
        sip(0.32, CARRIER, "received", f"BYE {_URI}", cseq="2 BYE", to_tag="b2"),
        sip(0.33, CARRIER, "sent", "200 OK", cseq="2 BYE", to_tag="b2"),
    )

    def forked(messages: tuple[SipMessage, ...]) -> tuple[SipMessage, ...]:
        return tuple(sorted((*messages, *second), key=lambda message: message.at))

    assert found(tmp_path, forked(answered_call())) == []
    assert found(tmp_path, forked(without(at(CARRIER, "ACK")))) == [
        ("call ana: the ACK to the answer", "it never arrived")
    ]


def _is_ack(message: SipMessage) -> bool:
    return message.method == "ACK" and message.host == CARRIER


def _with(message: SipMessage, name: str, value: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, value if key == name else each) for key, each in message.headers)


@pytest.mark.parametrize(("ended_by", "host", "other"), [("caller", CARRIER, "callee"), ("callee", CALLER, "caller")])
def test_a_bye_that_never_arrived(tmp_path: Path, ended_by: str, host: str, other: str) -> None:
    """The engine took the end, so that the call goes on for nothing."""
    lost = without(at(host, "BYE"), ended_by)
    assert found(tmp_path, lost) == [
        (f"call ana: the BYE of the {ended_by}", "it never arrived; its sender got 200 OK"),
        (f"call ana was ended in the engine, and goes on for the {other}", "none"),
    ]
    assert found(tmp_path, lost, f", hangup: never, vanish: {{who: {other}, at: after answer}}") == []


def test_a_bye_that_was_refused(tmp_path: Path) -> None:
    refused = tuple(
        replace(m, status=481, reason="Gone") if m.method == "BYE" and m.status and m.host == CALLER else m
        for m in answered_call()
    )
    assert found(tmp_path, refused) == [("call ana: the BYE of the caller", "481 Gone")]
    assert found(tmp_path, refused, ", expect: {bye_reply: 481}") == []


def test_a_bye_after_the_end_is_refused_by_rights(tmp_path: Path) -> None:
    def further(at: float) -> tuple[SipMessage, ...]:
        return (
            sip(at, CALLER, "sent", f"BYE {_URI}", cseq="3 BYE", to_tag="b1"),
            sip(at + 0.01, CALLER, "received", "481 Call/Transaction Does Not Exist", cseq="3 BYE", to_tag="b1"),
        )

    before, after = (
        tuple(sorted((*answered_call(), *further(seconds)), key=lambda m: m.at)) for seconds in (2.05, 2.4)
    )
    assert found(tmp_path, after) == []
    assert found(tmp_path, before) == [
        ("call ana: the BYE of the caller", "it never arrived; its sender got 481 Call/Transaction Does Not Exist")
    ]


def test_byes_that_crossed_need_no_reply(tmp_path: Path) -> None:
    own = (
        sip(2.1, CARRIER, "sent", f"BYE {_URI}", cseq="9 BYE", to_tag="b1"),
        sip(2.1, CALLER, "received", f"BYE {_URI}", cseq="9 BYE", to_tag="b1"),
    )
    crossed = without(lambda m: m.method == "BYE" and m.host == CARRIER)
    assert found(tmp_path, tuple(sorted((*crossed, *own), key=lambda m: m.at))) == []


def test_kamailio_ends_a_call_for_one_side_only(tmp_path: Path) -> None:
    half = without(at(CARRIER, "BYE"), "kamailio")
    assert found(tmp_path, half) == [("call ana was ended in the engine, and goes on for the callee", "none")]


def test_the_end_of_a_call_that_both_still_hold(tmp_path: Path) -> None:
    assert [message for message, _ in found(tmp_path, without(lambda m: m.method == "BYE"))] == [
        "call ana was ended in the engine, and goes on for the caller",
        "call ana was ended in the engine, and goes on for the callee",
    ]


def test_a_bye_that_a_strict_callee_refuses_is_not_the_calls_end(tmp_path: Path) -> None:
    """However the lenient one answered it: the call ends with the next one."""
    old = [
        sip(1.0, CALLER, "sent", f"BYE {_URI}", cseq="1 BYE", to_tag="b1"),
        sip(1.0, CARRIER, "received", f"BYE {_URI}", cseq="1 BYE", to_tag="b1"),
        sip(1.0, CARRIER, "sent", "200 OK", cseq="1 BYE", to_tag="b1"),
        sip(1.0, CALLER, "received", "200 OK", cseq="1 BYE", to_tag="b1"),
    ]
    messages = sorted((*answered_call(hold=6.0), *old), key=lambda m: m.at)
    text = 'calls: [{id: ana, from: "1000", to: "39040123456", bye: wrong_cseq}]\n'
    case = Case(scenario_of(tmp_path / "s.yaml", text), run_of(tuple(messages)))
    over = end_of(case, case.calls[0], 0)
    assert over is not None
    assert over.earliest - case.evidence.started == pytest.approx(6.1)


def test_a_bye_that_a_lenient_callee_took_ends_the_call_where_the_scenario_says_that_it_is_lenient(
    tmp_path: Path,
) -> None:
    route = {"Route": "<sip:proxy@198.18.0.9;lr>"}
    messages = [m for m in answered_call(hold=1.0) if not at(CARRIER, "BYE")(m) or m.status is not None]
    bye = sip(1.1, CARRIER, "received", f"BYE {_URI}", cseq="2 BYE", to_tag="b1", headers={**route, "Require": "x"})
    text = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
    ended = []
    for lenient in ("", "invariants: {strict_peer: it takes anything}\n"):
        case = Case(scenario_of(tmp_path / "s.yaml", text + lenient), run_of((*messages, bye)))
        over = end_of(case, case.calls[0], 0)
        assert over is not None
        ended.append(over.earliest - case.evidence.started)
    assert ended[0] > 3000, "at the limit, after an hour"
    assert ended[1] == pytest.approx(1.1)


@pytest.mark.parametrize(("status", "ends"), [(408, True), (481, False), (403, False)])
def test_a_bye_that_nobody_took_ends_the_call_where_its_reply_says_so(
    tmp_path: Path, status: int, ends: bool
) -> None:
    """With 408 the other side is gone (RFC 3261 section 15.1.1); another refusal is Kamailio's own."""
    lost = tuple(
        replace(m, status=status) if m.method == "BYE" and m.status else m for m in without(at(CARRIER, "BYE"))
    )
    text = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
    case = Case(scenario_of(tmp_path / "s.yaml", text), run_of(lost))
    over = end_of(case, case.calls[0], 0)
    assert over is not None
    assert (over.earliest - case.evidence.started < 3) is ends, "else it's the limit, after an hour"


def test_an_end_by_a_bye_that_the_callee_refuses(tmp_path: Path) -> None:
    """With an old CSeq it ends the call in the engine, and not for a callee as strict as RFC 3261."""
    old = tuple(
        replace(m, cseq=1, headers=_with(m, "CSeq", "1 BYE")) if m.method == "BYE" else m for m in answered_call()
    )
    assert [message for message, _ in found(tmp_path, old, ", bye: wrong_cseq")] == [
        "call ana was ended in the engine, and goes on for the callee"
    ]


def extra_bye(at: float, host: str, cseq: int = 3) -> tuple[SipMessage, ...]:
    """A BYE that neither end sent, and what a peer says to it."""
    return (
        sip(at, host, "received", f"BYE {_URI}", cseq=f"{cseq} BYE", to_tag="b1"),
        sip(at + 0.001, host, "sent", "481 Call/Transaction Does Not Exist", cseq=f"{cseq} BYE", to_tag="b1"),
    )


def again(
    tmp_path: Path,
    extra: tuple[SipMessage, ...],
    more: str = "",
    rest: str = "",
    ended_by: str = "caller",
    units: int = 3600,
    begun: bool = True,
) -> list[tuple[str, str | None, str | None]]:
    text = f'{rest}calls: [{{id: ana, from: "1000", to: "39040123456"{more}}}]\n'
    granted = {"authorized": True, "max_available_units": units, "carriers": [f"UDP:{CARRIER}:5060"]}
    exchanges = [exchange(0.002, "authorization", granted), exchange(2.11, "end_transaction")]
    exchanges += [exchange(0.11, "begin_transaction")] if begun else []
    messages = sorted((*without(lambda m: False, ended_by), *extra), key=lambda message: message.at)
    case = Case(scenario_of(tmp_path / "s.yaml", text), evidence_of(messages, exchanges))
    return [(finding.message, finding.expected, finding.seen) for finding in both_ends_agree(case)]


def test_who_took_a_bye_gets_no_other_one(tmp_path: Path) -> None:
    assert again(tmp_path, ()) == []
    assert again(tmp_path, extra_bye(2.2, CARRIER)) == [
        ("call ana: a BYE of Kamailio's own to the callee", "none, since the callee took one already", f"BYE {_URI}")
    ]
    assert again(tmp_path, extra_bye(2.2, CALLER), ended_by="callee") == [
        ("call ana: a BYE of Kamailio's own to the caller", "none, since the caller took one already", f"BYE {_URI}")
    ]


def test_who_hung_up_gets_no_bye(tmp_path: Path) -> None:
    assert again(tmp_path, extra_bye(2.2, CALLER, 1)) == [
        ("call ana: a BYE of Kamailio's own to the caller", "none, since the caller hung up itself", f"BYE {_URI}")
    ]
    assert again(tmp_path, extra_bye(2.2, CARRIER, 9), ended_by="callee") == [
        ("call ana: a BYE of Kamailio's own to the callee", "none, since the callee hung up itself", f"BYE {_URI}")
    ]


def test_who_hung_up_on_another_connection_may_get_one(tmp_path: Path) -> None:
    """Kamailio can't tell it from a stranger who says so in its name."""
    by_tcp = tuple(replace(m, transport="tcp") for m in extra_bye(2.2, CALLER, 1))
    messages = tuple(replace(m, transport="tcp") if m.host == CALLER else m for m in answered_call())
    case_of = [
        exchange(0.002, "authorization"),
        exchange(0.11, "begin_transaction"),
        exchange(2.11, "end_transaction"),
    ]
    ordered = sorted((*messages, *by_tcp), key=lambda message: message.at)
    text = 'calls: [{id: ana, from: "1000", to: "39040123456", transport: tcp}]\n'
    case = Case(scenario_of(tmp_path / "s.yaml", text), evidence_of(ordered, case_of))
    assert list(both_ends_agree(case)) == []


def test_a_bye_that_comes_again_is_no_other_one(tmp_path: Path) -> None:
    once_more = (sip(2.2, CARRIER, "received", f"BYE {_URI}", cseq="2 BYE", to_tag="b1"),)
    assert again(tmp_path, once_more) == []


def test_two_that_cross_are_nobody_elses(tmp_path: Path) -> None:
    """Both hang up, whatever numbers Kamailio gives their BYEs."""
    crossing = (
        sip(2.09, CARRIER, "sent", f"BYE {_URI}", cseq="7 BYE", to_tag="b1"),
        sip(2.11, CARRIER, "received", "200 OK", cseq="7 BYE", to_tag="b1"),
        sip(2.105, CALLER, "received", f"BYE {_URI}", cseq="8 BYE", to_tag="b1"),
        sip(2.106, CALLER, "sent", "200 OK", cseq="8 BYE", to_tag="b1"),
    )
    assert again(tmp_path, crossing) == []


@pytest.mark.parametrize(
    ("more", "rest", "units", "begun"),
    [
        ("", "", 3, True),
        ("", "", 3600, False),
        (", hold: 9s, vanish: {who: callee, at: after 5s}", "", 3600, True),
        (", no_ack: true", "", 3600, True),
        (", loss: 10", "", 3600, True),
        (", requests: [{at: after 1s, method: INFO}]", "", 3600, True),
        ("", "faults: [{on: agent, path: end, delay: 1s}]\n", 3600, True),
        ("", "carriers: {carrier: {sipp: own.xml}}\n", 3600, True),
    ],
)
def test_a_further_bye_where_there_may_be_a_reason(
    tmp_path: Path, more: str, rest: str, units: int, *, begun: bool
) -> None:
    (tmp_path / "own.xml").write_text("<scenario><recv request='INVITE'/></scenario>", encoding="utf-8")
    assert again(tmp_path, extra_bye(2.2, CARRIER), more, rest, units=units, begun=begun) == []
    assert len(again(tmp_path, extra_bye(2.2, CARRIER), units=5)) == 1
