"""What must always hold: a sound run has no finding, and each way to lose money has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks import judge, records_settled
from rating_harness.checks.model import Case
from rating_harness.checks.requests import requests_are_of_the_call
from rating_harness.evidence.model import Dialog, Evidence, LogLine, Records, ServiceState, SippResult, Span
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import INVARIANTS
from tests.builders import (
    CALL_ID,
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

PLAIN = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
RECORD = {
    "transaction_tag": CALL_ID, "account_tag": "1000", "fee": 2, "duration": 2,
    "timestamp_begin": "2027-01-15T08:00:00", "timestamp_end": "2027-01-15T08:00:02",
}  # fmt: skip


def sound(**other: Any) -> Evidence:
    """An answered call of 2 s, begun, ended and charged."""
    exchanges = (
        exchange(0.002, "authorization"),
        exchange(0.110, "begin_transaction", number=2),
        exchange(2.110, "end_transaction", number=3),
    )
    return evidence_of(answered_call(), exchanges, **{"after": records(9.0, 8, RECORD), **other})


def found(tmp_path: Path, evidence: Evidence, rest: str = PLAIN) -> dict[str, list[str]]:
    """Texts of the findings, by the invariant's name."""
    named: dict[str, list[str]] = {}
    for finding in judge(scenario_of(tmp_path / "s.yaml", rest), evidence).findings:
        named.setdefault(finding.check.removeprefix("always: "), []).append(str(finding))
    return named


def test_a_sound_run_has_no_finding(tmp_path: Path) -> None:
    assert found(tmp_path, sound()) == {}


@pytest.mark.parametrize("fault", ["lost", "reset"])
@pytest.mark.parametrize("kind", ["begin_transaction", "end_transaction"])
def test_a_request_that_curl_sends_again_is_one(tmp_path: Path, kind: str, fault: str) -> None:
    assert "begin_and_end" not in found(tmp_path, cut_and_sent_again(kind, fault)(sound()))


def test_a_refused_call_has_no_finding(tmp_path: Path) -> None:
    refusal = {"authorized": False, "max_available_units": 0, "carriers": []}
    assert found(tmp_path, evidence_of(refused_call(), [exchange(0.002, "authorization", refusal)])) == {}


def without(kind: str) -> Callable[[Evidence], Evidence]:
    return lambda run: replace(run, exchanges=tuple(e for e in run.exchanges if e.kind != kind))


def changed(kind: str, **fields: Any) -> Callable[[Evidence], Evidence]:
    """Kamailio's requests of that kind with other fields."""

    def change(run: Evidence) -> Evidence:
        exchanges = (replace(e, request={**e.request, **fields}) if e.kind == kind else e for e in run.exchanges)
        return replace(run, exchanges=tuple(exchanges))

    return change


def with_account(**fields: Any) -> Callable[[Evidence], Evidence]:
    def change(run: Evidence) -> Evidence:
        assert run.after is not None
        return replace(
            run,
            after=Records(run.after.at, {"1000": {**run.after.accounts["1000"], **fields}}, run.after.transactions),
        )

    return change


def twice(kind: str) -> Callable[[Evidence], Evidence]:
    return lambda run: replace(run, exchanges=(*run.exchanges, *(e for e in run.exchanges if e.kind == kind)))


def cut_and_sent_again(kind: str, fault: str) -> Callable[[Evidence], Evidence]:
    """The first of two equal requests met a fault."""

    def change(run: Evidence) -> Evidence:
        first = next(each for each in run.exchanges if each.kind == kind)
        others = (each for each in run.exchanges if each is not first)
        both = (replace(first, fault=fault), replace(first, number=99, received=first.received + 0.01))
        return replace(run, exchanges=tuple(sorted((*both, *others), key=lambda each: each.received)))

    return change


def named_throughout(**fields: Any) -> Callable[[Evidence], Evidence]:
    """Kamailio's requests and the engine's record agree on other fields."""

    def change(run: Evidence) -> Evidence:
        assert run.after is not None
        exchanges = tuple(replace(e, request={**e.request, **fields}) for e in run.exchanges)
        stored = tuple({**record, **fields} for record in run.after.transactions)
        return replace(run, exchanges=exchanges, after=replace(run.after, transactions=stored))

    return change


def to_another_number(run: Evidence) -> Evidence:
    """The carrier gets another number than the one that the caller wants, and that is rated."""
    arrived = (m.host == CARRIER and m.direction == "received" and m.method == "INVITE" for m in run.messages)
    other = "sip:39040999999@sip.test"
    messages = (replace(m, uri=other) if is_it else m for m, is_it in zip(run.messages, arrived, strict=True))
    return replace(run, messages=tuple(messages))


def called_before_it_is_authorised(run: Evidence) -> Evidence:
    auth, *others = run.exchanges
    return replace(run, exchanges=(replace(auth, received=START + 1.5, answered=START + 1.51), *others))


def hung_up_by_kamailio(run: Evidence) -> Evidence:
    return replace(run, messages=answered_call(ended_by="kamailio"))


def early_end(run: Evidence) -> Evidence:
    auth, begin, end = run.exchanges
    return replace(run, exchanges=(auth, replace(begin, answered=end.received + 1), end))


def endless(run: Evidence) -> Evidence:
    return replace(run, messages=tuple(m for m in run.messages if m.method != "BYE"), ended=run.started + 60)


def short_limit(run: Evidence) -> Evidence:
    auth, *others = run.exchanges
    return replace(
        endless(run), exchanges=(replace(auth, response={**auth.response, "max_available_units": 3}), *others)
    )


def second_final(run: Evidence) -> Evidence:
    late = sip(0.2, "caller-ana", "received", "500 Rating is not available", to_tag="k2")
    return replace(run, messages=tuple(sorted((*run.messages, late), key=lambda m: m.at)))


def stranger_at_the_carrier(run: Evidence) -> Evidence:
    return replace(
        run, messages=(*run.messages, sip(1.0, CARRIER, "received", "INVITE sip:1@sip.test", call_id="who"))
    )


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("begin_and_end", without("begin_transaction"), "begin_transaction"),
        ("begin_and_end", without("end_transaction"), "an unbilled call"),
        ("begin_and_end", twice("begin_transaction"), "2 requests"),
        ("begin_and_end", twice("end_transaction"), "ended more than once"),
        ("begin_and_end", cut_and_sent_again("begin_transaction", "status"), "2 requests"),
        ("begin_and_end", cut_and_sent_again("end_transaction", "status"), "ended more than once"),
        ("begin_and_end", early_end, "before begin was answered"),
        ("begin_and_end", changed("end_transaction", account_tag="you"), "account_tag in end_transaction"),
        ("begin_and_end", changed("end_transaction", transaction_tag="123"), "a call that nobody made"),
        ("begin_and_end", changed("end_transaction", source="sip:b@x", destination="sip:a@x"), "source in end"),
        ("begin_and_end", lambda run: replace(run, after=records(9.0, 10)), "an unbilled call"),
        ("begin_and_end", lambda run: replace(run, after=None), "never read"),
        ("limit", short_limit, "outlasted its limit"),
        ("balances", with_account(balance=10), "balance of account 1000"),
        ("running", with_account(running_transactions=[{"transaction_tag": CALL_ID}]), "1: 1f2e-ana-1"),
        ("dialogs", lambda run: replace(run, dialogs_left=1), "1 active"),
        ("dialogs", lambda run: replace(run, dialogs_left=None), "did not say"),
        ("carriers", without("authorization"), "did not authorise"),
        ("carriers", stranger_at_the_carrier, "Call-ID who"),
        ("carriers", to_another_number, "for sip:39040999999@sip.test, and what was authorised is"),
        ("carriers", called_before_it_is_authorised, "before the engine authorised it"),
        ("limit", hung_up_by_kamailio, "Kamailio hung it up before its limit"),
        ("requests", named_throughout(source="sip:"), "source in authorization"),
        ("requests", named_throughout(source="sip:100"), "source in authorization"),
        ("requests", named_throughout(source="sip.test"), "source in authorization"),
        ("requests", named_throughout(destination="sip:39040999999@sip.test"), "destination in authorization"),
        ("requests", named_throughout(destination="sip:39@sip.test"), "destination in authorization"),
        ("final_reply", second_final, "500 Rating is not available"),
        ("calls", lambda run: replace(run, messages=()), "no call was made at all"),
        ("calls", lambda run: replace(run, sipp=(SippResult("caller-ana", "caller", 1, 1, 0, 1),)), "1 failed"),
        ("kamailio", lambda run: replace(run, services=(ServiceState("kamailio", False, -11),)), "status -11"),
        ("kamailio", lambda run: replace(run, log=(LogLine("kamailio", "bogus event", "CRITICAL"),)), "bogus event"),
    ],
)  # fmt: skip
def test_each_invariant_fails(tmp_path: Path, name: str, damage: Callable[[Evidence], Evidence], said: str) -> None:
    findings = found(tmp_path, damage(sound()))
    assert said in "\n".join(findings.get(name, ())), findings


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (to_another_number, ["carriers"]),
        (called_before_it_is_authorised, ["carriers"]),
        (hung_up_by_kamailio, ["limit"]),
        (named_throughout(destination="sip:39040999999@sip.test"), ["requests"]),
        (named_throughout(destination="sip:040123456@sip.test"), []),
        (named_throughout(destination="tel:+39-040-123456"), []),
        (named_throughout(destination="0039040123456"), []),
        (named_throughout(source="1000"), []),
        (named_throughout(source="sip:1000@SIP.test"), []),
        (named_throughout(source="1000@sip.test"), []),
    ],
)
def test_who_calls_whom_is_as_the_call_has_it_however_it_is_written(
    tmp_path: Path, damage: Callable[[Evidence], Evidence], names: list[str]
) -> None:
    assert [name for name in found(tmp_path, damage(sound())) if name != "fee"] == names


TWO_ACCOUNTS = """\
scenario: Somebody else pays
given:
  accounts:
    - {account_tag: "1000", type: PREPAID, balance: 10}
    - {account_tag: "2000", type: PREPAID, balance: 10, linked_accounts: LINKED}
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
"""


@pytest.mark.parametrize(
    ("linked", "header", "names"),
    [
        ("[]", None, ["requests"]),
        ("[]", ("P-Asserted-Identity", "<sip:2000@sip.test>"), []),
        ('["1000"]', None, []),
    ],
)
def test_the_account_that_is_charged_is_the_callers(
    tmp_path: Path, linked: str, header: tuple[str, str] | None, names: list[str]
) -> None:
    run = evidence_of(
        answered_call(), [replace(e, request={**e.request, "account_tag": "2000"}) for e in sound().exchanges]
    )
    invite, *others = run.messages
    invite = replace(invite, headers=(*invite.headers, *([header] if header else ())))
    (tmp_path / "two.yaml").write_text(TWO_ACCOUNTS.replace("LINKED", linked) + PLAIN)
    case = Case(load(tmp_path / "two.yaml")[0], replace(run, messages=(invite, *others)))
    assert [each.check.removeprefix("always: ") for each in requests_are_of_the_call(case)] == names


def test_a_callee_counts_its_second_from_before_kamailio_has_handled_its_answer(tmp_path: Path) -> None:
    """It sends its 200 late in one second, Kamailio handles that early in the next, and the BYE still in that."""
    record = {**RECORD, "duration": 0, "fee": 0, "timestamp_end": "2027-01-15T08:00:00"}
    exchanges = (*sound().exchanges[:2], exchange(1.085, "end_transaction", number=3))
    run = evidence_of(answered_call(hold=0.98, ended_by="callee"), exchanges, after=records(9.0, 10, record))
    assert found(tmp_path, run, PLAIN.replace("}]", ", hangup: callee, hold: 1s}]")) == {}
    longer = evidence_of(answered_call(hold=1.98, ended_by="callee"), exchanges, after=records(9.0, 10, record))
    assert (
        "ends when it begins"
        in found(tmp_path, longer, PLAIN.replace("}]", ", hangup: callee, hold: 2s}]"))["record"][0]
    )


def test_two_answers_of_two_callees_are_two_final_replies(tmp_path: Path) -> None:
    other = sip(0.2, "caller-ana", "received", "200 OK", to_tag="b2")
    run = sound()
    run = replace(run, messages=tuple(sorted((*run.messages, other), key=lambda m: m.at)))
    assert "200 OK, 200 OK" in found(tmp_path, run)["final_reply"][0]


def _asked(*finals: str, times: int = 1) -> Evidence:
    """A stranger's INFO within the call, sent so often, and what it's answered."""
    host, branch = "stranger-ana-0", "z9hG4bK-info"
    sent = [sip(0.5 + 0.01 * n, host, "sent", "INFO sip:1@h", branch=branch, to_tag="b1") for n in range(times)]
    answers = [
        sip(0.6 + 0.01 * n, host, "received", final, cseq="1 INFO", branch=branch, to_tag="b1")
        for n, final in enumerate(finals)
    ]
    run = sound()
    messages = tuple(sorted((*run.messages, *sent, *answers), key=lambda m: m.at))
    return replace(run, messages=messages, sipp=(*run.sipp, SippResult(host, "stranger", 0, 1, 1, 0)))


def test_a_request_with_two_different_final_replies(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, _asked("400 Bad Request", "481 Call/Transaction Does Not Exist"))["final_reply"]
    assert "final replies to one INFO of stranger-ana-0" in finding
    assert "400 Bad Request, 481 Call/Transaction Does Not Exist" in finding


@pytest.mark.parametrize("run", [_asked("400 Bad Request", "400 Bad Request"), _asked("200 OK", "503 No", times=2)])
def test_a_reply_that_came_again_and_one_to_a_request_that_did(tmp_path: Path, run: Evidence) -> None:
    assert found(tmp_path, run) == {}


def forked(*, hung_up: bool, by: str = "carrier") -> Evidence:
    """A request that was forked behind the carrier: its caller gets a second answer, which it acknowledges."""
    uri, b2 = "sip:39040123456@sip.test", "b2"
    ends: list[tuple[float, Any, Any]] = [(0.12, "caller-ana", "sent"), (0.121, by, "received")]
    more = [sip(0.11, by, "sent", "200 OK", to_tag=b2), sip(0.111, "caller-ana", "received", "200 OK", to_tag=b2)]
    more += [sip(*end, f"ACK {uri}", to_tag=b2) for end in ends]
    if hung_up:
        replied: list[tuple[float, Any, Any]] = [(0.13, by, "sent"), (0.131, "caller-ana", "received")]
        for first, pair in ((f"BYE {uri}", ends), ("200 OK", replied)):
            more += [sip(*end, first, cseq="2 BYE", branch=f"z9hG4bK-declined-{end[1]}", to_tag=b2) for end in pair]
    run = sound()
    return replace(run, messages=tuple(sorted((*run.messages, *more), key=lambda m: m.at)))


def test_an_answer_that_the_caller_declined_is_no_second_final_reply(tmp_path: Path) -> None:
    assert found(tmp_path, forked(hung_up=True)) == {}


@pytest.mark.parametrize("run", [forked(hung_up=False), forked(hung_up=True, by="other")])
def test_an_answer_that_goes_on_or_is_another_carriers_is_one(tmp_path: Path, run: Evidence) -> None:
    assert "200 OK, 200 OK" in found(tmp_path, run)["final_reply"][0]


def test_a_record_without_an_end_is_an_unbilled_call(tmp_path: Path) -> None:
    begun = {key: value for key, value in RECORD.items() if key != "timestamp_end"}
    findings = found(tmp_path, sound(after=records(9.0, 8, begun)))
    assert list(findings) == ["record"]
    assert "has no begin or no end" in findings["record"][0]
    assert "an unbilled call" in findings["record"][0]


def test_an_account_that_is_gone_in_the_end_has_no_right_balance(tmp_path: Path) -> None:
    run = sound()
    assert run.after is not None
    findings = found(tmp_path, replace(run, after=replace(run.after, accounts={})))
    assert "balance of account 1000" in findings["balances"][0]
    refusal = {"authorized": False, "max_available_units": 0, "carriers": []}
    refused = evidence_of(refused_call(), [exchange(0.002, "authorization", refusal)], after=Records(1.0))
    assert "balance of account 1000" in found(tmp_path, refused)["balances"][0]


def test_fees_are_each_accounts_own(tmp_path: Path) -> None:
    """What another account paid isn't taken off this one's balance."""
    run = sound()
    assert run.before is not None
    both = {**run.before.accounts, "2000": {"account_tag": "2000", "balance": 5, "running_transactions": []}}
    other = {"transaction_tag": "another", "account_tag": "2000", "fee": 4}
    after = replace(records(9.0, 8, RECORD, other), accounts={**both, "1000": {**both["1000"], "balance": 4}})
    findings = found(tmp_path, replace(run, before=replace(run.before, accounts=both), after=after))
    assert sorted(text.partition("balance of account ")[2][:4] for text in findings["balances"]) == ["1000", "2000"]


def test_what_ran_before_the_calls_may_run_after_them(tmp_path: Path) -> None:
    given = [{"transaction_tag": "given"}]
    run = with_account(running_transactions=given)(sound())
    assert run.before is not None
    account = {**run.before.accounts["1000"], "running_transactions": given}
    assert found(tmp_path, replace(run, before=replace(run.before, accounts={"1000": account}))) == {}
    assert "running" in found(tmp_path, run)


def test_a_call_that_was_never_made_says_which_moment_did_not_come(tmp_path: Path) -> None:
    rest = (
        'calls: [{id: ana, from: "1000", to: "39040123456"}, '
        '{id: ben, from: "1000", to: "39040123456", start: ana is answered, expect: {reply: 200}}]\n'
    )
    run = replace(sound(), call_ids={"ana": (CALL_ID,), "ben": (CALL_ID.replace("ana", "ben"),)})
    findings = found(tmp_path, run, rest)
    assert findings.keys() == {"calls"}
    assert "0 made, since its moment never came: ana is answered" in findings["calls"][0]


def test_a_call_that_nobody_ever_hung_up_accuses_nobody_else_of_it(tmp_path: Path) -> None:
    up = [{"transaction_tag": CALL_ID}]
    run = endless(replace(sound(), exchanges=sound().exchanges[:2], dialogs_left=1))
    run = with_account(running_transactions=up, balance=10)(replace(run, after=records(9.0, 10)))
    run = replace(run, ended=run.started + 30, tables={"rating_dialog": {CALL_ID: "1-2"}})
    findings = found(tmp_path, run, PLAIN.replace("}]", ", hangup: never}]"))
    assert findings.keys() == {"calls"}
    assert "still up when the scenario's time was over" in findings["calls"][0]
    assert "a limit of 3600s" in findings["calls"][0]
    assert "and so:   dialogs in Kamailio after the last call" in findings["calls"][0]
    (tmp_path / "uac.xml").write_text("<scenario><send><![CDATA[Call-ID: [call_id]]]></send></scenario>")
    findings = found(tmp_path, run, PLAIN.replace("}]", ", sipp: uac.xml}]"))
    assert findings.keys() == {"calls"}
    assert "nobody ever hung up" in findings["calls"][0]


@pytest.mark.parametrize(
    ("expect", "is_told"),
    [("reply: any", False), ("reply: 403", False), ("reply: any, reason: /F/", False), ("provisional: [100]", True)],
)
def test_an_authors_file_that_has_no_place_for_the_refusal_that_is_expected(
    tmp_path: Path, expect: str, is_told: bool
) -> None:
    (tmp_path / "uac.xml").write_text("<scenario><send><![CDATA[Call-ID: [call_id]]]></send></scenario>")
    said = (
        "Aborting call on unexpected message for Call-Id 'x': while expecting '100', received 'SIP/2.0 403 Forbidden"
    )
    gave_up = SippResult("caller-ana", "caller", 1, 1, 0, 1, {"FailedUnexpectedMessage": 1}, errors=said)
    run = evidence_of(refused_call(), [exchange(0.002, "authorization", {"authorized": False})], sipp=(gave_up,))
    rest = PLAIN.replace("}]", f", sipp: uac.xml, expect: {{{expect}}}}}]")
    assert ("calls" in found(tmp_path, run, rest)) is is_told
    other = replace(run, sipp=(replace(gave_up, errors=said.replace("403 F", "407 F")),))
    assert "calls" in found(tmp_path, other, rest)
    other = replace(run, sipp=(replace(gave_up, failures={"FailedTimeoutOnRecv": 1}),))
    assert "calls" in found(tmp_path, other, rest)


@pytest.mark.parametrize(
    ("said", "expected", "seen"),
    [
        (
            "Aborting call on unexpected message for Call-Id 'x': while expecting '100' (index 1), received "
            "'SIP/2.0 403 Forbidden\r\nVia: x\r\n'\n",
            "100, by step 2 of uac.xml",
            "403 Forbidden",
        ),
        (
            "Aborting call on unexpected message for Call-Id 'x': while expecting 'ACK' (index 3), received "
            "'BYE sip:a@b SIP/2.0\r\n'\n",
            "ACK, by step 4 of uac.xml",
            "BYE sip:a@b SIP/2.0",
        ),
        (
            "Failed regexp match: looking in 'SIP/2.0 200 OK\r\nVia: x\r\n', with regexp 'o=([[:alnum:]]*)'\n",
            "/o=([[:alnum:]]*)/ in it, by uac.xml",
            "200 OK, without",
        ),
        (
            "Aborting call on an unexpected BYE for call: x",
            "a BYE where uac.xml waits for one",
            "BYE at another step",
        ),
        ("Failed otherwise", "no failed call", "1 failed (FailedUnexpectedMessage 1)"),
    ],
)
def test_the_step_of_an_authors_file_that_gave_up(tmp_path: Path, said: str, expected: str, seen: str) -> None:
    (tmp_path / "uac.xml").write_text("<scenario><send><![CDATA[Call-ID: [call_id]]]></send></scenario>")
    gave_up = SippResult("caller-ana", "caller", 1, 1, 0, 1, {"FailedUnexpectedMessage": 1}, errors=said)
    run = evidence_of(refused_call(), [exchange(0.002, "authorization", {"authorized": False})], sipp=(gave_up,))
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN.replace("}]", ", sipp: uac.xml}]"))
    (finding,) = (each for each in judge(scenario, run).findings if "gave up" in str(each))
    assert (finding.expected, finding.seen) == (expected, seen)


@pytest.mark.parametrize(
    ("expect", "said", "is_told"),
    [
        ("reply: 502", "CANCEL", False),
        ("reply: 5xx", "CANCEL", False),
        ("reply: 502", "BYE", True),
        ("reply: 486", "CANCEL", True),
        ("provisional: []", "CANCEL", True),
    ],
)
def test_a_carriers_file_that_has_no_place_for_the_cancel(
    tmp_path: Path, expect: str, said: str, is_told: bool
) -> None:
    (tmp_path / "uas.xml").write_text('<scenario><recv request="INVITE"/></scenario>')
    errors = f"Aborting call on an unexpected {said} for call: {CALL_ID}"
    gave_up = SippResult("carrier", "carrier", 1, 1, 0, 1, {"FailedUnexpectedMessage": 1}, errors=errors)
    caller = SippResult("caller-ana", "caller", 0, 1, 1, 0)
    cancel = sip(0.05, "carrier", "received", "CANCEL sip:39040123456@sip.test", cseq="1 CANCEL")
    messages = (*refused_call("502 Bad Gateway"), cancel)
    run = evidence_of(messages, [exchange(0.002, "authorization")], sipp=(caller, gave_up))
    rest = "carriers: {carrier: {sipp: uas.xml}}\n" + PLAIN.replace("}]", f", expect: {{{expect}}}}}]")
    assert any("gave up" in text for text in found(tmp_path, run, rest).get("calls", ())) is is_told


@pytest.mark.parametrize(
    ("cancel", "expect", "is_told"),
    [
        ("5s after ringing", "", True),
        ("after 5s", "", True),
        ("while ringing", "", False),
        ("after 200ms", "", False),
        ("5s after ringing", ", expect: {reply: 2xx}", False),
        ("5s after ringing", ", expect: {reason: OK}", False),
    ],
)
def test_a_cancel_that_came_too_late_proves_nothing(tmp_path: Path, cancel: str, expect: str, is_told: bool) -> None:
    rest = PLAIN.replace("}]", f", cancel: {cancel}{expect}}}]")
    findings = found(tmp_path, sound(), rest)
    assert findings.keys() == ({"calls"} if is_told else set())
    assert all("the CANCEL was never sent" in text and "200 OK before" in text for text in findings.get("calls", ()))


def test_a_call_that_never_rang_could_not_be_cancelled_while_it_rings(tmp_path: Path) -> None:
    refusal = {"authorized": False, "max_available_units": 0, "carriers": []}
    refused = tuple(m for m in refused_call() if m.status is None or m.status >= 200)
    run = evidence_of(refused, [exchange(0.002, "authorization", refusal)])
    findings = found(tmp_path, run, PLAIN.replace("}]", ", cancel: while ringing}]"))
    assert findings.keys() == {"calls"}
    sent = sip(0.004, "caller-ana", "sent", "CANCEL sip:39040123456@sip.test")
    late = replace(run, messages=(*run.messages, sent))
    assert found(tmp_path, late, PLAIN.replace("}]", ", cancel: after 5s}]")).keys() <= {"strict_peer"}


def test_every_invariant_can_be_switched_off(tmp_path: Path) -> None:
    off = "invariants:\n" + "".join(f"  {name}: a test\n" for name in INVARIANTS)
    assert found(tmp_path, endless(replace(sound(), dialogs_left=3)), PLAIN + off) == {}


def test_records_that_are_late_are_waited_for(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN)
    late = sound(after=records(1.0, 10))
    assert not records_settled(scenario, late)
    assert records_settled(scenario, sound())
    cut = tuple(replace(result, trace_cut=True) for result in late.sipp)
    assert records_settled(scenario, replace(late, sipp=cut)), "there will be no verdict that needs them"


def test_a_critical_line_while_a_restart_was_asked_for_is_no_finding(tmp_path: Path) -> None:
    log = (
        LogLine("kamailio", "sig_usr(): signal 15 received", "INFO"),
        LogLine("kamailio", "receive_fd(): EOF on 18", "CRITICAL"),
        LogLine("kamailio", " Listening on"),
    )
    restarted = (ServiceState("kamailio", True, restarts=1),)
    assert found(tmp_path, sound(log=log, services=restarted)) == {}
    assert "kamailio" in found(tmp_path, sound(log=log))


def test_a_timeout_that_is_set_while_the_dialogs_timer_fires_is_no_finding(tmp_path: Path) -> None:
    said = "Trying to update a bogus dlg tl=0x7f75 tl->next=0x7f76 tl->prev=(nil)"
    line = LogLine("kamailio", f"dialog [dlg_timer.c:201]: update_dlg_timer(): {said}", "CRITICAL")
    assert found(tmp_path, sound(log=(line,))) == {}
    assert "kamailio" in found(tmp_path, sound(log=(line, LogLine("kamailio", "bogus event", "CRITICAL"))))


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("tm [t_lookup.c:1340]: new_t(): no more shm memory!", "ERROR"),
        ("<core> [core/sip_msg_clone.c:495]: could not allocate shared memory from shm pool", "ERROR"),
        ("tm [h_table.c:365]: build_cell(): could not allocate shared memory from shm pool", "CRITICAL"),
    ],
)
def test_a_kamailio_without_shared_memory_is_told_with_the_remedy(tmp_path: Path, text: str, level: str) -> None:
    (told,) = found(tmp_path, sound(log=(LogLine("kamailio", text, level),) * 3))["kamailio"]
    assert "Kamailio ran out of shared memory" in told
    assert "`memory: 512m`" in told
    assert text in told
    (private,) = found(tmp_path, sound(log=(LogLine("kamailio", "no more pkg memory", "ERROR"),)))["kamailio"]
    assert "Kamailio ran out of private memory" in private
    assert "`package_memory: 32m`" in private
    assert found(tmp_path, sound(log=(LogLine("kamailio", "shared memory: 268435456 bytes", "INFO"),))) == {}


def test_an_http_client_that_mixes_up_requests_is_told(tmp_path: Path) -> None:
    text = "http_async_client [http_multi.c:88]: event_cb(): Cell for handler 0x7f49 not found in table"
    assert found(tmp_path, sound(log=(LogLine("kamailio", text, "INFO"),))) == {}
    (told,) = found(tmp_path, sound(log=(LogLine("kamailio", text, "INFO"),) * 500))["kamailio"]
    assert "500 events of sockets whose requests are over" in told
    assert "6.0.7" in told
    # As many requests as a load makes have some such events each time that a connection ends.
    busy = sound(log=(LogLine("kamailio", text, "INFO"),) * 500)
    busy = replace(busy, exchanges=busy.exchanges + (exchange(0.2, "authorization", call_id="other"),) * 450)
    assert "kamailio" not in found(tmp_path, busy)


@pytest.mark.parametrize(
    ("started", "ended", "told"),
    [(0.05, None, False), (0.15, 5.0, False), (0.5, None, True), (0.01, 0.05, True)],
    ids=["refused", "refused just after the answer", "refused later", "no longer refused"],
)
def test_a_begin_that_the_agent_refused_is_not_missed(
    tmp_path: Path, started: float, ended: float | None, told: bool
) -> None:
    evidence = sound()
    span = Span("fault refuse", evidence.started + started, ended and evidence.started + ended)
    without = tuple(each for each in evidence.exchanges if each.kind != "begin_transaction")
    texts = found(tmp_path, replace(evidence, exchanges=without, spans=(span,))).get("begin_and_end", [])
    assert any("begin_transaction" in text for text in texts) is told


@pytest.mark.parametrize(
    ("named", "yes", "goes_out"),
    [
        ({"account_tag": "1000"}, {"authorized": True, "authorized_destination": False}, True),
        ({"account_tag": "1000"}, {"authorized": False, "authorized_destination": True}, False),
        ({"destination_account_tag": "2000"}, {"authorized": False, "authorized_destination": True}, True),
        ({"destination_account_tag": "2000"}, {"authorized": True, "authorized_destination": False}, False),
        (
            {"account_tag": "1000", "destination_account_tag": "2000"},
            {"authorized": True, "authorized_destination": True},
            True,
        ),
        (
            {"account_tag": "1000", "destination_account_tag": "2000"},
            {"authorized": False, "authorized_destination": True},
            False,
        ),
        (
            {"account_tag": "1000", "destination_account_tag": "2000"},
            {"authorized": True, "authorized_destination": False},
            False,
        ),
    ],
)
def test_a_call_goes_out_with_a_yes_for_each_account_that_is_named(
    tmp_path: Path, named: dict[str, str], yes: dict[str, bool], goes_out: bool
) -> None:
    parties = {"account_tag": None, "destination_account_tag": None, **named}
    auth, *others = changed("begin_transaction", **parties)(changed("end_transaction", **parties)(sound())).exchanges
    auth = replace(auth, request={**auth.request, **parties}, response={**auth.response, **yes})
    texts = found(tmp_path, replace(sound(), exchanges=(auth, *others))).get("carriers", [])
    assert any("did not authorise" in text for text in texts) is not goes_out


# --- the timeout of a dialog, what requests name, alarms ------------------------------------------------------------


def with_dialog(lifetime: int, *states: int) -> Callable[[Evidence], Evidence]:
    dialog = Dialog(CALL_ID, "sip:1000@sip.test", "sip:39040123456@sip.test", 0.0, 1.0, states, lifetime)
    return lambda run: replace(run, dialogs=(dialog,))


@pytest.mark.parametrize(
    ("lifetime", "states", "is_right"),
    [
        (3600, (3, 4), True),
        (3601, (3, 4), False),
        (3599, (4,), False),
        (-1, (4,), False),
        (43200, (1, 2), True),  # it's set when the agent has answered
        (43200, (1, 3), True),
        (1, (4, 5), True),  # a dialog that is being ended
        (4, (4, 5), False),
    ],
)
def test_the_timeout_of_a_dialog_is_what_the_engine_allowed(
    tmp_path: Path, lifetime: int, states: tuple[int, ...], is_right: bool
) -> None:
    assert ("limit" not in found(tmp_path, with_dialog(lifetime, *states)(sound()))) == is_right


@pytest.mark.parametrize(("lifetime", "is_right"), [(3601, True), (3599, True), (3602, False), (3598, False)])
def test_what_kamailio_restores_is_rounded(tmp_path: Path, lifetime: int, is_right: bool) -> None:
    rest = f"{PLAIN}\nfaults:\n  - {{on: kamailio, kill: 200ms, when: 300ms after ana is answered}}\n"
    assert ("limit" not in found(tmp_path, with_dialog(lifetime, 4)(sound()), rest)) == is_right


def test_no_timer_is_longer_than_one_can_be(tmp_path: Path) -> None:
    auth, *others = sound().exchanges
    run = replace(
        sound(), exchanges=(replace(auth, response={**auth.response, "max_available_units": 10**11}), *others)
    )
    assert "limit" not in found(tmp_path, with_dialog(2**31 - 1, 4)(run))
    assert "limit" in found(tmp_path, with_dialog(43200, 4)(run))


def test_a_callee_who_pays_nothing_sets_no_timeout(tmp_path: Path) -> None:
    run = changed("authorization", account_tag=None, destination_account_tag="2000")(sound())
    assert "limit" not in found(tmp_path, with_dialog(43200, 4)(run))


@pytest.mark.parametrize("kind", ["begin_transaction", "end_transaction"])
@pytest.mark.parametrize(("seconds", "is_right"), [(0, True), (1, True), (-1, True), (3, False), (-3, False)])
def test_the_second_of_the_answer(tmp_path: Path, kind: str, seconds: int, is_right: bool) -> None:
    run = changed(kind, timestamp_begin=int(START) + seconds)(sound(after=records(10.0, 0)))
    assert ("requests" not in found(tmp_path, run)) == is_right


def test_the_second_of_a_begin_that_is_recorded_is_the_records_matter(tmp_path: Path) -> None:
    assert "requests" not in found(tmp_path, changed("begin_transaction", timestamp_begin=int(START) - 9)(sound()))


def test_a_time_that_is_no_number_is_the_engines_own_way(tmp_path: Path) -> None:
    assert "requests" not in found(tmp_path, changed("begin_transaction", timestamp_begin="yesterday")(sound()))


@pytest.mark.parametrize(
    ("source", "is_right"), [("sip:1000@sip.test", True), ("1000", True), ("sip:39040123456@sip.test", False)]
)
def test_the_source_is_the_caller(tmp_path: Path, source: str, is_right: bool) -> None:
    assert ("requests" not in found(tmp_path, changed("authorization", source=source)(sound()))) == is_right


ALARM = LogLine("kamailio", "{x} <script>: rating: end lost: call=x error=y record={}", "ALERT")
MISUSE = LogLine("kamailio", "jansson [jansson_funcs.c:9]: janssonmod_get_helper(): failed to parse json", "ERROR")
NETWORK = LogLine("kamailio", "tm [t_fwd.c:9]: t_send_branch(): sending request on branch 0 failed", "ERROR")
OWN = LogLine("kamailio", "<script>: somebody's own line", "ALERT")
TABLE = LogLine("kamailio", "htable [ht_api.c:9]: ht_iterator_next(): iterator not found [x]", "ERROR")
QUERY = LogLine(
    "kamailio", "db_sqlite [dbase.c:9]: db_sqlite_submit_query(): failed to prepare statement: near x", "ERROR"
)
LOCKED = replace(QUERY, text=QUERY.text.replace("near x", "database is locked"))
FAULT = "faults: [{on: agent, path: end, status: 500}]\n"


@pytest.mark.parametrize(
    ("line", "rest", "is_right"),
    [
        (ALARM, PLAIN, False),
        (MISUSE, PLAIN, False),
        (NETWORK, PLAIN, True),
        (OWN, PLAIN, True),
        (replace(ALARM, level="WARNING"), PLAIN, True),
        (ALARM, PLAIN + "expect: {log: [{line: end lost, level: alert}]}\n", True),
        (ALARM, PLAIN + "expect: {log: [{line: begin failed, absent: true}]}\n", False),
        (ALARM, PLAIN + FAULT, True),
        (ALARM, PLAIN + "invariants: {alarms: it's a test}\n", True),
        (MISUSE, PLAIN + FAULT, True),
        (TABLE, PLAIN + FAULT, False),
        (QUERY, PLAIN + FAULT, False),
        (LOCKED, PLAIN + FAULT, True),
    ],
)
def test_an_alarm_has_its_reason_in_the_scenario(tmp_path: Path, line: LogLine, rest: str, is_right: bool) -> None:
    assert ("alarms" not in found(tmp_path, sound(log=(line,)), rest)) == is_right


@pytest.mark.parametrize(
    ("hops", "module", "is_right"),
    [("many", "maxfwd", True), ("many", "pv", True), ("70", "maxfwd", False), ("many", "htable", False)],
)
def test_a_malformed_message_of_the_authors_is_no_misuse(
    tmp_path: Path, hops: str, module: str, is_right: bool
) -> None:
    (tmp_path / "uac.xml").write_text("<scenario><send><![CDATA[Call-ID: [call_id]]]></send></scenario>", "utf-8")
    said = LogLine("kamailio", f"{{{CALL_ID}}} {module} [mf_funcs.c:71]: is_maxfwd_present(): can't parse", "ERROR")
    messages = tuple(
        replace(m, headers=tuple((name, hops if name == "Max-Forwards" else value) for name, value in m.headers))
        if m.direction == "sent" and m.method == "INVITE"
        else m
        for m in refused_call("483 Too Many Hops")
    )
    rest = PLAIN.replace("}]", ", sipp: uac.xml}]")
    assert ("alarms" not in found(tmp_path, evidence_of(messages, (), log=(said,)), rest)) == is_right


def test_a_begin_that_comes_long_after_the_answer_is_late(tmp_path: Path) -> None:
    asked, begun, ended = sound().exchanges
    run = replace(sound(), exchanges=(asked, replace(begun, received=begun.received + 1.5), ended))
    (said,) = found(tmp_path, run)["begin_and_end"]
    assert "call ana: begin came late" in said
    assert "1.5s after the answer" in said
    busy = replace(run, stalled=0.6)
    assert found(tmp_path, busy) == {}
    broken = PLAIN + "faults: [{on: agent, path: authorization, delay: 1s, times: 9}]\n"
    assert "begin_and_end" not in found(tmp_path, run, broken)
