"""What a scenario expects: each expectation passes on what it asks for, and fails on anything else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.contract import Reason
from rating_harness.evidence.model import Dialog, LogLine
from tests.builders import CALL_ID, START, answered_call, evidence_of, exchange, records, refused_call, scenario_of
from tests.unit.checks.test_invariants import RECORD, sound

EVIDENCE = replace(
    sound(),
    dialogs=(Dialog(CALL_ID, "sip:1000@sip.test", "sip:39040123456@sip.test", START, START + 2, (2, 4), 3600),),
    log=(LogLine("kamailio", f"rating: carrier tried: call={CALL_ID}", "INFO"),),
)
CALL = 'calls:\n  - {{id: ana, from: "1000", to: "39040123456", expect: {{{0}}}}}\n'
WHOLE = 'calls:\n  - {{id: ana, from: "1000", to: "39040123456"}}\nexpect:\n  {0}\n'


@pytest.mark.parametrize(
    ("expect", "other"),
    [
        ("reply: 200", "reply: 403"),
        ("reply: {code: 200, reason: OK}", "reply: {code: 200, reason: Fine}"),
        ("reply: 2xx", "reply: [486, 600]"),
        ("provisional: [180]", "provisional: [183]"),
        ("provisional: [100, 180]", "provisional: []"),
        ("ended_by: caller", "ended_by: kamailio"),
        ("duration: 2s ± 200ms", "duration: 5s ± 1s"),
        ("carrier: carrier", "carrier: /other/"),
        ("carriers: [carrier]", "carriers: []"),
        ("setup: < 500ms", "setup: < 1ms"),
        ("source: sip:1000@sip.test", "source: /^sip:2000@/"),
        ("destination: sip:39040123456@sip.test", "destination: sip:39@sip.test"),
        ("bye_reply: 200", "bye_reply: 481"),
        ("ringing: below 1s", "ringing: above 1s"),
        ("ringing: any", "ringing: absent"),
        ("bye_reason: absent", "bye_reason: any"),
        ("headers: {To: /tag=b1/}", "headers: {To: /tag=other/}"),
    ],
)
def test_of_a_call(tmp_path: Path, expect: str, other: str) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", CALL.format(expect)), EVIDENCE).findings == ()
    scenario = scenario_of(tmp_path / "s.yaml", CALL.format(other))
    (finding,) = judge(scenario, EVIDENCE).findings
    key = other.partition(":")[0]
    assert finding.check == f"calls[0].expect.{key}"
    assert finding.where.line == 7
    assert finding.call_id == CALL_ID


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("403", "403"), ("{code: 403, reason: any}", "403"), ("{code: 403, reason: Fine}", "403 Fine")],
)
def test_a_part_of_a_reply_that_may_be_anything_is_left_out(tmp_path: Path, reply: str, expected: str) -> None:
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", CALL.format(f"reply: {reply}")), EVIDENCE).findings
    assert (finding.expected, finding.seen) == (expected, "200 OK")


@pytest.mark.parametrize(
    ("expect", "other"),
    [
        ("dialogs: [{call: ana, timeout: 1h}]", "dialogs: [{call: ana, timeout: 10h}]"),
        ("dialogs: [{call: ana, state: confirmed}]", "dialogs: [{call: ana, state: deleted}]"),
        ("dialogs: [{call: ana}]", "dialogs: [{call: ana, absent: true}]"),
        ("dialogs: [{call: ana, gone: true}]", "dialogs: [{call: ana, absent: true}]"),
        ("requests: [{call: ana, order: [authorization, begin, end]}]", "requests: [{call: ana, order: [end]}]"),
        ("requests: [{call: ana, path: end, count: 1}]", "requests: [{call: ana, path: end, count: 2}]"),
        ("requests: [{path: end, fields: {account_tag: any}}]", "requests: [{path: end, fields: {account_tag: x}}]"),
        ("requests: [{path: end, status: 200}]", "requests: [{path: end, absent: true}]"),
        (
            "requests: [{path: end, fields: {account_tag: '2000'}, absent: true}]",
            "requests: [{path: end, fields: {account_tag: '1000'}, absent: true}]",
        ),
        (
            "requests: [{path: end, status: 500, absent: true}]",
            "requests: [{path: end, status: 200, absent: true}]",
        ),
        ("transactions: [{call: ana, account_tag: '1000', fee: 2 ± 1}]", "transactions: [{call: ana, fee: 9}]"),
        ("transactions: [{call: ana, duration: 2s}]", "transactions: [{call: ana, duration: 9s ± 1s}]"),
        ("transactions: [{call: ana, timestamp_end: any}]", "transactions: [{call: ana, absent: true}]"),
        ("transactions: [{call: ana, count: 1}]", "transactions: [{call: ana, count: 2}]"),
        ("begun: [ana]", "not_begun: [ana]"),
        ("ended: [ana]", "not_ended: [ana]"),
        ("accounts: [{account_tag: '1000', balance: 8}]", "accounts: [{account_tag: '1000', balance: 10}]"),
        ("accounts: [{account_tag: '1000', running: 0}]", "accounts: [{account_tag: '1000', running: 1}]"),
        ("carriers: [{host: carrier, invites: 1}]", "carriers: [{host: carrier, invites: 0}]"),
        ("log: [carrier tried]", "log: [carrier unreachable]"),
        ("log: [{line: carrier tried, level: info, call: ana}]", "log: [{line: carrier tried, level: alert}]"),
        ("log: [{line: lost, absent: true}]", "log: [{line: tried, absent: true}]"),
        ("setup: {p95: < 1s}", "setup: {max: < 1ms}"),
    ],
)  # fmt: skip
def test_of_the_whole(tmp_path: Path, expect: str, other: str) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", WHOLE.format(expect)), EVIDENCE).findings == ()
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", WHOLE.format(other)), EVIDENCE).findings
    assert finding.check.startswith("expect.")
    assert finding.where.line == 9


def test_a_dialog_that_was_never_listed_is_told(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", WHOLE.format("dialogs: [{call: ana}]"))
    (finding,) = judge(scenario, replace(EVIDENCE, dialogs=())).findings
    assert (finding.expected, finding.seen) == ("one that Kamailio lists", "none was listed")
    assert finding.where.line == 9


def test_no_reply_at_all_can_be_expected(tmp_path: Path) -> None:
    silent = evidence_of(refused_call()[:2])
    assert judge(scenario_of(tmp_path / "s.yaml", CALL.format("reply: absent")), silent).findings == ()


@pytest.mark.parametrize(
    ("carrier", "driver", "told"),
    [
        ("UDP:192.0.2.7:5060", "local", "192.0.2.7 is nobody's address in the lab: "),
        (
            "tls:[2001:db8::7]",
            "docker",
            "[2001:db8::7] is nobody's address in the lab: ",
        ),
        ("UDP:192.0.2.7:5060", "external", ""),
        ("UDP:carrier:5060", "local", ""),
    ],
)
def test_a_carrier_that_is_outside_of_the_lab(tmp_path: Path, carrier: str, driver: str, told: str) -> None:
    answer = {"authorized": True, "max_available_units": 60, "carriers": [carrier]}
    run = evidence_of(refused_call("408 Request Timeout"), [exchange(0.01, "authorization", answer)])
    run = replace(run, lab={**run.lab, "driver": driver})
    finding = judge(scenario_of(tmp_path / "s.yaml", CALL.format("reply: 200")), run).findings[0]
    assert finding.hint.startswith(told)
    assert bool(finding.hint) == bool(told)


@pytest.mark.parametrize("is_asked", [False, True])
def test_a_target_that_asks_another_agent_is_told_where_this_one_waits(tmp_path: Path, is_asked: bool) -> None:
    run = evidence_of(refused_call("500 Rating is not available"), [exchange(0.01, "authorization")] * is_asked)
    run = replace(run, lab={**run.lab, "driver": "external", "agent": "http://192.0.2.1:8000"})
    finding = judge(scenario_of(tmp_path / "s.yaml", CALL.format("reply: 200")), run).findings[0]
    assert finding.message == "call ana: another final reply to the caller"
    wanted = "no request came to http://192.0.2.1:8000: is it the agent's URL in the target? "
    assert finding.hint.startswith("" if is_asked else wanted)
    assert is_asked or "does it serve the domain that is called" in finding.hint
    assert bool(finding.hint) != is_asked


def test_a_call_without_a_price_says_what_a_prefix_has_to_begin_with(tmp_path: Path) -> None:
    answer = {"authorized": False, "unauthorized_reason": Reason.UNREACHEABLE_DESTINATION}
    unrated = evidence_of(refused_call(), [exchange(0.01, "authorization", answer)])
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", CALL.format("reply: 200")), unrated).findings
    assert finding.hint == 'no rate has a prefix of sip:39040123456@sip.test; "sip:39" would be one'
    (finding,) = judge(
        scenario_of(tmp_path / "s.yaml", CALL.format("reply: 200")), evidence_of(refused_call())
    ).findings
    assert not finding.hint


@pytest.mark.parametrize(
    ("tag", "hint"),
    [("anonymous", "Kamailio named the account 'anonymous', which 'given' doesn't have"), ("1000", "")],
)
def test_a_call_of_an_account_that_is_not_given_says_which(tag: str, hint: str, tmp_path: Path) -> None:
    answer = {"authorized": False, "unauthorized_reason": Reason.NOT_FOUND}
    refused = evidence_of(refused_call(), [exchange(0.01, "authorization", answer, account_tag=tag)])
    finding = judge(scenario_of(tmp_path / "s.yaml", CALL.format("reply: 200")), refused).findings[0]
    assert finding.hint == hint


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        (Reason.NOT_FOUND, "the engine has no account '1000', and is given none: "),
        (Reason.UNREACHEABLE_DESTINATION, "the engine has no rate for sip:39040123456@sip.test, and is given none: "),
    ],
)
def test_an_engine_that_nothing_is_stored_in_has_to_know_it_by_itself(tmp_path: Path, reason: str, hint: str) -> None:
    answer = {"authorized": False, "unauthorized_reason": reason}
    refused = evidence_of(refused_call(), [exchange(0.01, "authorization", answer, account_tag="1000")])
    unread = replace(refused, unobserved={"records": "the engine's API isn't given (--api-url)"})
    finding = judge(scenario_of(tmp_path / "s.yaml", CALL.format("reply: 200")), unread).findings[0]
    assert finding.hint == f"{hint}the engine's API isn't given (--api-url)"


@pytest.mark.parametrize("there", [True, False])
def test_an_account_that_an_engine_of_ones_own_was_not_given_is_to_be_created_there(
    tmp_path: Path, there: bool
) -> None:
    answer = {"authorized": False, "unauthorized_reason": Reason.NOT_FOUND}
    refused = evidence_of(refused_call(), [exchange(0.01, "authorization", answer, account_tag="1000")])
    assert refused.before is not None
    accounts = {"1000": {"account_tag": "1000"}} if there else {}
    read = replace(refused, before=replace(refused.before, accounts=accounts))
    finding = judge(scenario_of(tmp_path / "s.yaml", CALL.format("reply: 200")), read).findings[0]
    told = "the engine has no account '1000': create it there, or store it by `seed` of the engine's file"
    assert finding.hint == ("" if there else told)


def test_kamailio_has_to_send_bye_to_both_sides(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", CALL.format("ended_by: kamailio"))
    both = replace(EVIDENCE, messages=answered_call(ended_by="kamailio"))
    assert judge(scenario, both).findings == ()
    deaf = tuple(m for m in both.messages if not (m.method == "BYE" and m.host == "carrier"))
    (finding,) = judge(scenario, replace(both, messages=deaf)).findings
    assert "the callee got no BYE" in finding.message


def test_each_of_a_repeated_call_is_checked(tmp_path: Path) -> None:
    rest = CALL.format("reply: 200").replace('to: "39040123456"', 'to: "39040123456", repeat: 2')
    second = CALL_ID.replace("-1@", "-2@")
    run = replace(
        EVIDENCE, call_ids={"ana": (CALL_ID, second)}, messages=(*EVIDENCE.messages, *refused_call(call_id=second))
    )
    replies = [f for f in judge(scenario_of(tmp_path / "s.yaml", rest), run).findings if f.check.endswith("reply")]
    assert [finding.call_id for finding in replies] == [second]
    assert "call ana 2" in replies[0].message


def test_requests_in_another_order(tmp_path: Path) -> None:
    wanted = "requests: [{call: ana, order: [authorization, end, begin]}]"
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", WHOLE.format(wanted)), EVIDENCE).findings
    assert finding.check == "expect.requests[0].order"
    assert finding.seen == "authorization, begin_transaction, end_transaction"


def test_a_dialog_without_a_lifetime_is_not_one_of_an_hour(tmp_path: Path) -> None:
    (dialog,) = EVIDENCE.dialogs
    endless = replace(EVIDENCE, dialogs=(replace(dialog, lifetime=0),))
    scenario = scenario_of(tmp_path / "s.yaml", WHOLE.format("dialogs: [{call: ana, timeout: 1h}]"))
    (finding,) = judge(scenario, endless).findings
    assert finding.seen == "0s"


def test_percentiles_are_those_of_all_calls(tmp_path: Path) -> None:
    """Of three set-up times the median is the second, and 95 of a hundred are all three."""
    ids = [CALL_ID.replace("-1@", f"-{number}@") for number in (1, 2, 3)]
    messages = []
    for number, call_id in enumerate(ids):
        for m in answered_call(call_id=call_id):
            late = number if m.method != "INVITE" or m.status == 200 else 0
            messages.append(replace(m, at=m.at + late))
    run = evidence_of(messages)
    rest = (
        'calls: [{id: ana, from: "1000", to: "39040123456", repeat: 3}]\n'
        "expect:\n  setup: {p50: below 500ms, p95: below 2s}\n"
    )
    findings = judge(scenario_of(tmp_path / "s.yaml", rest), run).findings
    seen = {finding.check: finding.seen for finding in findings if finding.check.startswith("expect.setup")}
    assert seen == {"expect.setup.p50": "1.101s", "expect.setup.p95": "2.101s"}


def test_every_record_is_judged(tmp_path: Path) -> None:
    """Not the first alone: with two accounts the second one's fee counts too."""
    rest = WHOLE.format("transactions: [{call: ana, count: 2, fee: 2}]")
    second = {**RECORD, "account_tag": "company", "fee": 7}
    run = replace(EVIDENCE, after=records(9.0, 8, RECORD, second))
    found = [f for f in judge(scenario_of(tmp_path / "s.yaml", rest), run).findings if f.check.startswith("expect")]
    assert [finding.seen for finding in found] == ["7"]


def test_a_record_that_is_not_the_one_meant(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", WHOLE.format("transactions: [{call: ana, inbound: true}]"))
    (finding,) = judge(scenario, EVIDENCE).findings
    assert finding.expected == "1 with inbound true"
    assert f"fee {RECORD['fee']}" in finding.seen


def test_a_fee_that_was_never_set_is_told_from_one_of_0(tmp_path: Path) -> None:
    never = {**RECORD, "fee": None, "timestamp_begin": None, "timestamp_end": None}
    run = replace(EVIDENCE, after=records(9.0, 8, never))
    scenario = scenario_of(tmp_path / "s.yaml", WHOLE.format("transactions: [{call: ana, fee: 0}]"))
    (finding,) = [each for each in judge(scenario, run).findings if each.check.startswith("expect")]
    assert finding.seen == "nothing, as the call was never begun: 'absent' expects that"
    up = [{"transaction_tag": CALL_ID, "timestamp_begin": 7.0}]
    after = records(9.0, 8, never)
    begun = replace(after, accounts={"1000": {**after.accounts["1000"], "running_transactions": up}})
    run = replace(EVIDENCE, after=begun)
    (finding,) = [each for each in judge(scenario, run).findings if each.check.startswith("expect")]
    assert finding.seen == "nothing, as the call has begun and never ended"


def _three_calls(expect: str) -> str:
    calls = 'calls:\n  - {id: ana, from: "1000", to: "39040123456", repeat: 3}\n'
    return f"{calls}expect:\n  {expect}\n"


@pytest.mark.parametrize(
    ("expect", "seen"),
    [
        ("transactions: [{call: ana, count: 3}]", None),
        ("transactions: [{call: ana}]", None),
        ("transactions: [{call: ana, count: 2}]", "3: account_tag 1000"),
        ("requests: [{call: ana, path: begin, count: 3}]", None),
        ("requests: [{call: ana, path: begin, count: 9}]", "3: begin_transaction, begin_transaction"),
    ],
)
def test_a_count_is_of_all_repetitions_together(tmp_path: Path, expect: str, seen: str | None) -> None:
    ids = [CALL_ID.replace("-1@", f"-{number}@") for number in (1, 2, 3)]
    run = evidence_of(
        [message for call_id in ids for message in answered_call(call_id=call_id)],
        [exchange(0.1, "begin_transaction", call_id=call_id) for call_id in ids],
        after=records(9.0, 4, *({**RECORD, "transaction_tag": call_id} for call_id in ids)),
    )
    verdict = judge(scenario_of(tmp_path / "s.yaml", _three_calls(expect)), run)
    found = [finding for finding in verdict.findings if finding.check.startswith("expect.")]
    if seen is None:
        assert found == []
    else:
        (finding,) = found
        assert finding.seen.startswith(seen)
        assert finding.check.endswith(".count")


def test_why_there_is_no_reply_where_the_file_or_the_log_tells_it(tmp_path: Path) -> None:
    (tmp_path / "uac.xml").write_text("<scenario><send><![CDATA[Call-ID: [call_id]]]></send></scenario>")
    line = LogLine("kamailio", "<core> [core/parser/parse_cseq.c:63]: parse_cseq(): no method found", "ERROR")
    run = evidence_of(refused_call()[:1], log=(line,))
    own = CALL.format("reply: any").replace("expect:", "sipp: uac.xml, expect:")
    hints = [each.hint for each in judge(scenario_of(tmp_path / "s.yaml", own), run).findings]
    assert hints[0] == "Kamailio's log: [core/parser/parse_cseq.c:63]: parse_cseq(): no method found"
    invite = run.messages[0]
    twice = replace(invite, headers=(*invite.headers, ("From", "<sip:2000@sip.test>;tag=x")))
    odd = replace(run, messages=(twice,))
    hints = [each.hint for each in judge(scenario_of(tmp_path / "s.yaml", own), odd).findings]
    assert hints[0] == (
        "uac.xml sends a malformed INVITE: From stands there 2 times; where no reply is right: reply: absent"
    )


@pytest.mark.parametrize(
    ("offered", "hint"),
    [
        (
            ["UDP:carrier:5060"],
            "the engine didn't offer second, but UDP:carrier:5060: has it a rate for this number?",
        ),
        (["UDP:carrier:5060", "TCP:Second"], "carrier replied 200 OK, after which no other was tried"),
    ],
)
def test_why_a_carrier_was_never_tried(tmp_path: Path, offered: list[str], hint: str) -> None:
    answer = {"authorized": True, "max_available_units": 60, "carriers": offered}
    run = evidence_of(answered_call(), [exchange(0.002, "authorization", answer)])
    scenario = scenario_of(tmp_path / "s.yaml", CALL.format("carriers: [carrier]"))
    second = scenario.given.carriers[0].model_copy(update={"carrier_tag": "second", "host": "second"})
    given = scenario.given.model_copy(update={"carriers": (*scenario.given.carriers, second)})
    expect = scenario.calls[0].expect.model_copy(update={"carriers": ("carrier", "second")})
    calls = (scenario.calls[0].model_copy(update={"expect": expect}),)
    finding = judge(scenario.model_copy(update={"given": given, "calls": calls}), run).findings[0]
    assert (finding.check, finding.hint) == ("calls[0].expect.carriers", hint)
