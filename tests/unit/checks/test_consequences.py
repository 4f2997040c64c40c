"""One cause is one finding, with what follows from it; what doesn't follow from it stays one of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.evidence.model import Dialog, Evidence, ServiceState, SipMessage, SippResult, Unsent
from tests.builders import (
    CALL_ID,
    CALLER,
    CARRIER,
    START,
    answered_call,
    evidence_of,
    exchange,
    records,
    refused_call,
    scenario_of,
    sip,
)
from tests.unit.checks.test_invariants import sound

CALL = """\
calls:
  - {{id: ana, from: "1000", to: "39040123456", expect: {{{0}}}}}
expect:
  requests: [{{call: ana, order: [authorization, begin, end]}}]
  transactions: [{{call: ana, duration: 2s ± 1s}}]
  accounts: [{{account_tag: "1000", balance: 8}}]
"""
EXPECTED = "reply: 200, ended_by: caller, duration: 2s ± 1s, bye_reply: 200, carrier: carrier"
URI = "sip:39040123456@sip.test"
REFUSAL = {"authorized": False, "max_available_units": 0, "carriers": []}


def found(tmp_path: Path, evidence: Evidence, text: str) -> dict[str, list[str]]:
    """Checks whose findings follow from no other -> those whose follow from them, in order."""
    verdict = judge(scenario_of(tmp_path / "s.yaml", text), evidence)
    return {each.check: [so.check for so in each.consequences] for each in verdict.findings}


def test_a_refusal_explains_what_only_an_answered_call_has(tmp_path: Path) -> None:
    run = evidence_of(refused_call(), [exchange(0.002, "authorization", REFUSAL)])
    assert found(tmp_path, run, CALL.format(EXPECTED)) == {
        "calls[0].expect.reply": [
            *(f"calls[0].expect.{key}" for key in ("ended_by", "duration", "bye_reply", "carrier")),
            *("expect.requests[0].order", "expect.transactions[0].call", "expect.accounts[0].balance"),
        ],
    }


def test_a_refusal_explains_that_an_authorised_call_has_no_length(tmp_path: Path) -> None:
    record = {"transaction_tag": CALL_ID, "account_tag": "1000", "timestamp_begin": None, "timestamp_end": None}
    run = replace(evidence_of(refused_call(), [exchange(0.002, "authorization")]), after=records(9.0, 10, record))
    causes = found(tmp_path, run, CALL.format("reply: 200"))
    assert "expect.transactions[0].duration" in causes["calls[0].expect.reply"]
    assert not any(check.startswith("expect.transactions") for check in causes)


def test_no_reply_is_told_once(tmp_path: Path) -> None:
    run = evidence_of(refused_call()[:1])
    text = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: any}}]\n'
    assert found(tmp_path, run, text) == {"calls[0].expect.reply": ["always: final_reply"]}


def test_a_call_that_nobody_ends_explains_that_it_is_unbilled(tmp_path: Path) -> None:
    up = records(9.0, 10)
    account = {**up.accounts["1000"], "running_transactions": [{"transaction_tag": CALL_ID}]}
    run = replace(
        sound(),
        messages=answered_call()[:9],
        exchanges=sound().exchanges[:2],
        dialogs_left=1,
        after=replace(up, accounts={"1000": account}),
    )
    (causes,) = found(tmp_path, run, CALL.format("ended_by: caller, duration: 2s ± 1s")).items()
    assert causes == (
        "calls[0].expect.ended_by",
        [
            *("always: begin_and_end", "always: begin_and_end"),
            *("calls[0].expect.duration", "expect.requests[0].order", "expect.transactions[0].call"),
            *("expect.accounts[0].balance", "always: running", "always: dialogs"),
        ],
    )


def test_an_end_that_was_never_sent_explains_that_there_is_no_record(tmp_path: Path) -> None:
    run = replace(sound(), exchanges=sound().exchanges[:2], after=records(9.0, 10))
    text = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
    assert found(tmp_path, run, text) == {"always: begin_and_end": ["always: begin_and_end"]}


COUNTED = """\
calls: [{id: ana, from: "1000", to: "39040123456"}]
expect:
  requests:
    - {call: ana, path: begin, count: 1}
    - {call: ana, path: end}
    - {call: ana, count: 3}
    - {call: ana, order: [authorization, begin, end]}
"""
KEPT = {"rating_state": {CALL_ID: "ending"}, "rating_end": {CALL_ID: "{}"}}


def test_an_end_that_was_never_sent_explains_what_is_expected_of_it_and_what_kamailio_keeps(tmp_path: Path) -> None:
    run = replace(sound(), exchanges=sound().exchanges[:2], after=records(9.0, 10), tables=KEPT, dialogs_left=1)
    assert found(tmp_path, run, COUNTED) == {
        "always: begin_and_end": [
            "always: begin_and_end",
            *(f"expect.requests[{index}].{key}" for index, key in ((1, "count"), (2, "count"), (3, "order"))),
            *("always: dialogs", "always: tables"),
        ]
    }


def test_a_begin_that_was_never_sent_explains_that_there_is_no_end(tmp_path: Path) -> None:
    run = replace(sound(), exchanges=sound().exchanges[:1], after=records(9.0, 10), tables=KEPT)
    verdict = judge(scenario_of(tmp_path / "s.yaml", COUNTED), run)
    assert [each.message for each in verdict.findings] == ["call ana: begin_transaction"]
    so = [each.check for each in verdict.findings[0].consequences]
    assert so[:2] == ["always: begin_and_end"] * 2
    assert so[2:] == [
        *(
            f"expect.requests[{index}].{key}"
            for index, key in ((0, "count"), (1, "count"), (2, "count"), (3, "order"))
        ),
        "always: tables",
    ]


def test_a_missing_end_does_not_explain_what_else_is_expected_of_requests(tmp_path: Path) -> None:
    run = replace(sound(), exchanges=sound().exchanges[:2], after=records(9.0, 10), dialogs_left=2)
    text = COUNTED.replace("count: 1", "count: 2").replace("{call: ana, count: 3}", "{call: ana, count: 9}")
    text = text.replace("[authorization, begin, end]", "[end, begin, authorization]")
    assert set(found(tmp_path, run, text)) == {
        "always: begin_and_end",
        *("expect.requests[0].count", "expect.requests[2].count", "expect.requests[3].order", "always: dialogs"),
    }


def test_the_timeout_of_a_dialog_explains_who_ended_its_call(tmp_path: Path) -> None:
    listed = Dialog(CALL_ID, "sip:1000@sip.test", "sip:39040123456@sip.test", START, START, (4,), 2)
    text = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {ended_by: ENDED}}]\n'
    text += "expect: {dialogs: [{call: ana, timeout: 3600s}]}\n"
    run = replace(sound(), messages=answered_call(ended_by="kamailio"), dialogs=(listed,))
    causes = found(tmp_path, run, text.replace("ENDED", "caller"))
    assert causes["expect.dialogs[0].timeout"] == ["calls[0].expect.ended_by"]
    run = replace(sound(), messages=answered_call(ended_by="callee"), dialogs=(listed,))
    assert "calls[0].expect.ended_by" in found(tmp_path, run, text.replace("ENDED", "caller"))


def test_a_bye_that_a_peer_refuses_explains_that_the_ends_disagree(tmp_path: Path) -> None:
    run = sound()
    left = ("Route", "<sip:198.18.0.4;lr>")
    messages = tuple(
        replace(m, headers=(*m.headers, left)) if m.method == "BYE" and m.host == "carrier" and m.is_request else m
        for m in run.messages
    )
    text = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
    (check, so), *others = found(tmp_path, replace(run, messages=messages), text).items()
    assert (check, others) == ("always: strict_peer", [])
    assert set(so) >= {"always: both_ends"}


def test_calls_that_were_not_made_are_told_once(tmp_path: Path) -> None:
    text = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
    assert found(tmp_path, evidence_of(()), text) == {"always: calls": ["always: calls"]}


def test_what_does_not_follow_is_a_finding_of_its_own(tmp_path: Path) -> None:
    other_reason = CALL.format("reply: {code: 200, reason: Fine}, ended_by: callee, duration: 9s, setup: < 1ms")
    assert found(tmp_path, sound(), other_reason) == {
        "calls[0].expect.reply": [],
        "calls[0].expect.ended_by": ["calls[0].expect.duration"],
        "calls[0].expect.setup": [],
    }


def test_a_finding_on_another_call_is_none_of_this_ones(tmp_path: Path) -> None:
    ben = CALL_ID.replace("ana", "ben")
    run = evidence_of(
        (*refused_call(), *answered_call(call_id=ben, caller="caller-ben")),
        [
            exchange(0.002, "authorization", REFUSAL),
            exchange(0.002, "authorization", call_id=ben),
            exchange(0.11, "begin_transaction", call_id=ben),
            exchange(2.11, "end_transaction", call_id=ben),
        ],
    )
    text = """\
calls:
  - {id: ana, from: "1000", to: "39040123456", expect: {reply: 200}}
  - {id: ben, from: "1000", to: "39040123456", expect: {duration: 9s}}
"""
    of_both = found(tmp_path, run, text)
    assert of_both["calls[0].expect.reply"] == []
    assert of_both["calls[1].expect.duration"] == []


@pytest.mark.parametrize("failures", ["failures: 0"])
def test_where_failed_calls_are_counted_a_finding_is_of_many(tmp_path: Path, failures: str) -> None:
    run = evidence_of(refused_call(), [exchange(0.002, "authorization", REFUSAL)])
    text = CALL.format(EXPECTED) + f"  {failures}\n"
    assert all(not so for so in found(tmp_path, run, text).values())


def test_thousands_of_findings_are_put_in_order_in_seconds(tmp_path: Path) -> None:
    foreign = [exchange(2 + n / 1000, "authorization", call_id=f"foreign-{n}") for n in range(2000)]
    run = evidence_of(refused_call(), foreign)
    begun = time.monotonic()
    text = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: any}}]\n'
    verdict = judge(scenario_of(tmp_path / "s.yaml", text), run)
    assert len(verdict.findings) >= len(foreign)
    assert time.monotonic() - begun < 10


WRONG = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\nexpect:\n  requests:\n'
WRONG += '    - {call: ana, path: end, count: 1, fields: {account_tag: "1000"}}\n'
WRONG += '  transactions: [{call: ana, account_tag: "1000"}]\n'


def test_a_wrong_account_in_an_end_explains_that_it_is_refused_and_tried_again(tmp_path: Path) -> None:
    ends = [
        exchange(2.11 + n, "end_transaction", {"ok": False}, account="2000", number=3 + n, timestamp_end=1)
        for n in range(3)
    ]
    due = {"rating_later": {CALL_ID: "1800000008"}}
    run = replace(sound(), exchanges=(*sound().exchanges[:2], *ends), after=records(9.0, 10), tables=due)
    verdict = judge(scenario_of(tmp_path / "s.yaml", WRONG), run)
    assert {(each.message, each.seen) for each in verdict.findings} == {
        ("call ana: account_tag in end_transaction", "2000")
    }
    so = {each.check for finding in verdict.findings for each in finding.consequences}
    assert so == {
        *("always: begin_and_end", "always: tables", "expect.transactions[0].account_tag"),
        *("expect.requests[0].count", "expect.requests[0].fields.account_tag"),
    }


def test_an_end_beside_the_one_that_was_taken_explains_their_number(tmp_path: Path) -> None:
    again = exchange(3.2, "end_transaction", {"ok": False}, number=4)
    due = {"rating_later": {CALL_ID: "1800000008"}}
    run = replace(sound(), exchanges=(*sound().exchanges, again), tables=due)
    assert found(tmp_path, run, WRONG) == {"always: begin_and_end": ["expect.requests[0].count", "always: tables"]}


@pytest.mark.parametrize("late", ["answered late", "a fault", "restarted"])
def test_an_end_is_no_second_one_where_kamailio_may_not_know_of_the_first(tmp_path: Path, late: str) -> None:
    taken = exchange(2.11, "end_transaction", number=3, took=0.9 if late == "answered late" else 0.002)
    taken = replace(taken, fault="slow") if late == "a fault" else taken
    again = exchange(4.2, "end_transaction", {"ok": False}, number=4)
    services = (ServiceState("kamailio", alive=True, restarts=int(late == "restarted")),)
    run = replace(sound(), exchanges=(*sound().exchanges[:2], taken, again), services=services)
    assert found(tmp_path, run, 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n') == {}


RENEWED = 'calls: [{id: ana, from: "1000", to: "39040123456", reinvite: [after 500ms]EXPECT}]\n'


def renewed(reply: str, *, arrives: bool = False) -> tuple[SipMessage, ...]:
    """An answered call whose caller sends a re-INVITE in its middle."""
    before, after = answered_call()[:9], answered_call()[9:]
    asked = sip(1.0, CALLER, "sent", f"INVITE {URI}", cseq="2 INVITE", to_tag="b1")
    got = sip(1.01, CARRIER, "received", f"INVITE {URI}", cseq="2 INVITE", to_tag="b1", branch="z9hG4bK-r")
    gave = sip(1.02, CARRIER, "sent", reply, cseq="2 INVITE", to_tag="b1", branch="z9hG4bK-r")
    answer = sip(1.03, CALLER, "received", reply, cseq="2 INVITE", to_tag="b1")
    acks = (sip(1.04, CALLER, "sent", f"ACK {URI}", cseq="2 ACK", to_tag="b1", branch="z9hG4bK-caller-ana-2-INVITE"),)
    ended = tuple(replace(m, headers=_with_cseq(m, "3 BYE"), cseq=3) for m in after)
    return (*before, asked, *((got, gave) if arrives else ()), answer, *acks, *ended)


def _with_cseq(message: SipMessage, cseq: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, cseq if name == "CSeq" else value) for name, value in message.headers)


@pytest.mark.parametrize("reply", ["482 Loop Detected", "500 Server Error", "503 Service Unavailable"])
def test_a_renewal_that_kamailio_refuses_by_itself_fails(tmp_path: Path, reply: str) -> None:
    run = replace(sound(), messages=renewed(reply))
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", RENEWED.replace("EXPECT", "")), run).findings
    assert (finding.check, finding.message) == ("always: both_ends", "call ana: the re-INVITE of the caller")
    assert finding.seen == f"it never arrived; its sender got {reply}"


@pytest.mark.parametrize(
    ("messages", "expect"),
    [
        (renewed("488 Not Acceptable Here", arrives=True), ""),
        (renewed("500 Server Error"), ", expect: {reinvite_reply: 500}"),
        (renewed("500 Server Error"), ", no_ack: true"),
    ],
    ids=["the callee's own refusal", "a refusal that is expected", "no ACK"],
)
def test_a_renewal_that_may_be_refused_is_none_of_these(
    tmp_path: Path, messages: tuple[SipMessage, ...], expect: str
) -> None:
    run = replace(sound(), messages=messages)
    verdict = judge(scenario_of(tmp_path / "s.yaml", RENEWED.replace("EXPECT", expect)), run)
    assert not [each for each in verdict.findings if "re-INVITE" in each.message]


def test_a_renewal_that_is_lost_explains_that_nobody_hangs_up(tmp_path: Path) -> None:
    messages = tuple(m for m in renewed("500 Server Error") if m.method != "BYE" and m.cseq != 2)
    asked = sip(1.0, CALLER, "sent", f"INVITE {URI}", cseq="2 INVITE", to_tag="b1")
    gave_up = SippResult(CALLER, "caller", 1, 1, 0, 1)
    run = replace(
        sound(),
        messages=(*messages, asked),
        exchanges=sound().exchanges[:2],
        after=records(9.0, 10),
        dialogs_left=1,
        sipp=(gave_up, *sound().sipp[1:]),
    )
    text = RENEWED.replace("EXPECT", ", expect: {ended_by: caller}")
    ((check, follows),) = found(tmp_path, run, text).items()
    assert check == "always: both_ends"
    assert set(follows) == {"always: begin_and_end", "calls[0].expect.ended_by", "always: calls", "always: dialogs"}


def test_a_bye_that_is_kept_back_is_told_once(tmp_path: Path) -> None:
    messages = tuple(m for m in answered_call() if not (m.host == CARRIER and m.method == "BYE"))
    verdict = judge(
        scenario_of(tmp_path / "s.yaml", RENEWED.replace(", reinvite: [after 500ms]EXPECT", "")),
        replace(sound(), messages=messages),
    )
    assert [(each.message, len(each.consequences)) for each in verdict.findings] == [
        ("call ana: the BYE of the caller", 1)
    ]


def test_another_status_than_expected_is_told_once_with_its_reason(tmp_path: Path) -> None:
    run = evidence_of(refused_call("404 Not Found"), [exchange(0.002, "authorization", REFUSAL)])
    text = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: 403, reason: Forbidden}}]\n'
    assert found(tmp_path, run, text) == {"calls[0].expect.reply": []}


def test_a_call_that_is_still_up_explains_what_it_lacks(tmp_path: Path) -> None:
    """Its own limit comes after the scenario's time."""
    call = CALL.format("reply: 200, ended_by: kamailio, duration: 30s ± 1s").replace(
        "ana, from", "ana, hangup: never, from"
    )
    run = evidence_of(
        [each for each in answered_call() if each.method != "BYE"],
        [
            exchange(
                0.002,
                "authorization",
                {"authorized": True, "max_available_units": 30, "carriers": ["UDP:carrier:5060"]},
            ),
            exchange(0.1, "begin_transaction"),
        ],
        ended=START + 4.0,
    )
    verdict = judge(scenario_of(tmp_path / "s.yaml", f"timeout: 4s\n{call}"), replace(run, dialogs_left=1))
    told = verdict.findings[0]
    assert verdict.findings == (told,)
    assert told.message == "call ana: still up when the scenario's time was over"
    assert "a limit of 30s" in told.seen
    assert {"calls[0].expect.ended_by", "calls[0].expect.duration", "always: dialogs"} <= {
        each.check for each in told.consequences
    }


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("hold: 8s", "still up when the scenario's time was over"),
        ("start: 6s", "begun when the scenario's time was over"),
        ("hold: 2s", None),
    ],
)
def test_a_call_that_is_to_go_on_for_longer_than_the_scenario(tmp_path: Path, keys: str, words: str | None) -> None:
    run = evidence_of(answered_call(hold=8.0 if "8s" in keys else 2.0), ended=START + 9.0)
    rest = f'timeout: 3s\ncalls: [{{id: ana, from: "1000", to: "39040123456", {keys}}}]\n'
    messages = [each.message for each in judge(scenario_of(tmp_path / "s.yaml", rest), run).findings]
    assert [each for each in messages if "time was over" in each] == ([f"call ana: {words}"] if words else [])


def test_a_call_that_still_rings_explains_that_it_has_no_reply(tmp_path: Path) -> None:
    ringing = [each for each in answered_call() if each.at < START + 0.1]
    run = evidence_of(ringing, [exchange(0.002, "authorization")], ended=START + 5)
    rest = 'timeout: 3s\ncalls: [{id: ana, from: "1000", to: "39040123456", ring: 6s, expect: {reply: 200}}]\n'
    told, *others = judge(scenario_of(tmp_path / "s.yaml", rest), replace(run, dialogs_left=1)).findings
    assert not others
    assert told.message == "call ana: still ringing when the scenario's time was over"
    assert {"calls[0].expect.reply", "always: dialogs"} <= {each.check for each in told.consequences}


def test_what_waits_for_a_call_that_is_refused_follows_from_that(tmp_path: Path) -> None:
    run = evidence_of(refused_call(), [exchange(0.002, "authorization", REFUSAL)])
    rest = (
        'calls:\n  - {id: ana, from: "1000", to: "39040123456", expect: {reply: 200}, '
        "requests: [{at: after 1s, method: INFO}]}\n"
    )
    run = replace(run, unsent=(Unsent("ana", 0, "its moment never came"),))
    assert found(tmp_path, run, rest) == {"calls[0].expect.reply": ["calls[0].requests[0]"]}


def test_renewals_of_both_sides_that_are_kept_back_alike_are_told_once(tmp_path: Path) -> None:
    """The later one follows from the first; one that is answered otherwise doesn't."""
    callers = renewed("500 Server Error")
    theirs = sip(1.5, CARRIER, "sent", f"INVITE {URI}", cseq="1 INVITE", to_tag="b1", branch="z9hG4bK-callee")
    for reply, alone in (("500 Server Error", True), ("503 Service Unavailable", False)):
        gave = sip(1.6, CARRIER, "received", reply, cseq="1 INVITE", to_tag="b1", branch="z9hG4bK-callee")
        acked = sip(1.7, CARRIER, "sent", f"ACK {URI}", cseq="1 ACK", to_tag="b1", branch="z9hG4bK-callee")
        run = replace(sound(), messages=(*callers[:-4], theirs, gave, acked, *callers[-4:]))
        judged = judge(scenario_of(tmp_path / "s.yaml", RENEWED.replace("EXPECT", "")), run).findings
        told = [each.message for each in judged if each.check == "always: both_ends"]
        both = ["call ana: the re-INVITE of the caller", "call ana: the re-INVITE of the callee"]
        assert told == (both[:1] if alone else both)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ((CALLER, "received", 200), "call ana: the 200 of the callee to the re-INVITE of the caller"),
        ((CARRIER, "received", None), "call ana: the ACK to the answer to the re-INVITE of the caller"),
    ],
    ids=["reply", "ACK"],
)
def test_what_follows_a_renewal_reaches_its_end(tmp_path: Path, lost: tuple[str, str, int | None], said: str) -> None:
    acked = sip(1.05, CARRIER, "received", f"ACK {URI}", cseq="2 ACK", to_tag="b1", branch="z9hG4bK-k")
    messages = [*renewed("200 OK", arrives=True), acked]
    whole = replace(sound(), messages=tuple(messages), ended=START + 4.0)
    rest = RENEWED.replace("EXPECT", "")
    assert judge(scenario_of(tmp_path / "s.yaml", rest), whole).findings == ()
    host, direction, status = lost

    def is_lost(message: SipMessage) -> bool:
        """With the 200 goes the ACK to it."""
        is_reply = message.status is not None and (message.host, message.direction, message.status) == lost
        is_ack = message.method == "ACK" and (
            status is not None or (message.host, message.direction) == (host, direction)
        )
        return message.cseq == 2 and (is_reply or is_ack)

    left = [message for message in messages if not is_lost(message)]
    told = judge(scenario_of(tmp_path / "s.yaml", rest), replace(whole, messages=tuple(left))).findings
    assert [each.message for each in told] == [said]
