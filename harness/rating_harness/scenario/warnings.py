"""What is well-formed and most likely not meant: warnings, which `validate --strict` takes for mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rating_harness.scenario.behaviour import Behaviour
from rating_harness.scenario.calls import Call
from rating_harness.scenario.clock import skips_of
from rating_harness.scenario.consistency import refuses
from rating_harness.scenario.diagnostics import Finding, did_you_mean, there
from rating_harness.scenario.expected_otherwise import expected_otherwise
from rating_harness.scenario.foreseen import (
    accounts_of,
    behaviours,
    beyond_its_time,
    costs_something,
    expects_answer,
    has_limit,
    is_answered_by_fault,
    is_ended_besides,
    isnt_authorised,
    latest_end,
    no_carrier_answers,
    rings,
    waits,
)
from rating_harness.scenario.given import Account, Rate
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.nodes import ValuePath
from rating_harness.scenario.vacuous import vacuous
from rating_harness.scenario.values import Moment, duration_text

__all__ = ["warnings"]

_SCHEMES = ("sip:", "sips:", "tel:")
_LONGEST_PREFIX = 9


def warnings(scenario: Scenario) -> Iterator[Finding]:
    """Findings of one scenario that has no mistakes."""
    if scenario.kamailio.config is None:
        yield from _callers_without_account(scenario)
        yield from _refused_by_the_engine(scenario)
        yield from _refused_by_the_proxy(scenario)
        yield from _prefixes_without_scheme(scenario)
        yield from _answered_by_nobody(scenario)
        yield from _never_ended(scenario)
        yield from expected_otherwise(scenario)
    yield from _waits_in_vain(scenario)
    yield from _cancelled_and_answered(scenario)
    yield from _ended_by_another(scenario)
    yield from _linked_to_itself(scenario)
    yield from _carriers_after_the_end(scenario)
    yield from _bodies_of_a_word(scenario)
    yield from vacuous(scenario)
    if scenario.clock == ():
        yield Finding(("clock",), "an empty list skips nothing", "clock: {skip: 9m50s, when: ana is answered}")


def _bodies_of_a_word(scenario: Scenario) -> Iterator[Finding]:
    places: list[tuple[ValuePath, object]] = [
        (("carriers", host, key), getattr(carrier, key))
        for host, carrier in scenario.carriers.items()
        for key in ("sdp", "early_sdp")
    ]
    for index, call in enumerate(scenario.calls):
        places.append((("calls", index, "sdp"), call.sdp))
        places += [
            (("calls", index, "reinvite", number, "sdp"), each.sdp) for number, each in enumerate(call.reinvite)
        ]
    for path, text in places:
        if isinstance(text, str) and text.replace("-", "_").isidentifier():
            key = "direction" if text in ("sendrecv", "sendonly", "recvonly", "inactive") else "codecs"
            hint = f"in words: {{{key}: {text if key == 'direction' else f'[{text}]'}}}"
            yield Finding(path, f"the whole session description is {text[:40]!r}", hint)


def _callers_without_account(scenario: Scenario) -> Iterator[Finding]:
    known = {account.account_tag for account in scenario.given.accounts}
    if not known or scenario.given.graphql or is_answered_by_fault(scenario):
        return
    for index, call in enumerate(scenario.calls):
        if call.sipp is not None or call.host is not None or not expects_answer(scenario, call):
            continue
        unknown = [each for each in accounts_of(call) if "%" not in each and each not in known]
        for account in unknown[:1]:
            close = did_you_mean(account, known)
            guess = f"did you mean '{close}'? " if close else ""
            key = ("auth", "username") if call.auth else ("from",)
            message = f"no account {account!r}, and an answer is expected"
            yield Finding(("calls", index, *key), message, guess + there(sorted(known)))


def _refused_by_the_engine(scenario: Scenario) -> Iterator[Finding]:
    """Calls that the engine can't authorise, by what is given, and an answer is expected."""
    accounts = {account.account_tag: account for account in scenario.given.accounts}
    rates = [rate for pricelist in scenario.given.pricelists for rate in pricelist.rates]
    if scenario.given.graphql or is_answered_by_fault(scenario) or scenario.phones or not rates:
        return
    is_told = any(_is_never_found(rate.prefix) for rate in rates)
    for index, call in enumerate(scenario.calls):
        if call.sipp is not None or call.host is not None or not expects_answer(scenario, call):
            continue
        callers = [accounts[tag] for tag in accounts_of(call) if tag in accounts]
        for account in callers:
            why = _refused(account, accounts, rates)
            if why:
                message = f"account {account.account_tag!r} {why}, and an answer is expected"
                yield Finding(("calls", index, "from"), message, "change the account, or expect the refusal")
        if call.uri is not None or is_told or {"to", "t"} & {name.lower() for name in call.headers}:
            continue
        numbers = dict.fromkeys(number for _, number in call.users)
        for number in [each for each in numbers if _has_no_rate(each, [rate for rate in rates if rate.active])][:1]:
            message = f"no rate is for sip:{number[:20]}, and an answer is expected"
            begin = number[:3] if number.startswith("+") else number[:2]
            yield Finding(("calls", index, "to"), message, f'a rate with the prefix "sip:{begin}"')
            break
        else:
            yield from _without_a_rate_of_its_own(scenario, callers, list(numbers), ("calls", index, "from"))


def _without_a_rate_of_its_own(
    scenario: Scenario, callers: list[Account], numbers: list[str], path: ValuePath
) -> Iterator[Finding]:
    """Accounts whose pricelists or carriers have no rate for a number."""
    for account in callers:
        own = [
            rate
            for pricelist in scenario.given.pricelists
            for rate in pricelist.rates
            if rate.active
            and (not account.pricelist_tags or pricelist.pricelist_tag in account.pricelist_tags)
            and (not account.carrier_tags or rate.carrier_tag in account.carrier_tags)
        ]
        if any(_has_no_rate(number, own) for number in numbers):
            key = "carrier_tags" if account.carrier_tags else "pricelist_tags"
            message = f"account {account.account_tag!r} has no rate for this number, and an answer is expected"
            yield Finding(path, message, f"other {key!r}, or a rate that they allow")


def _refused(account: Account, accounts: dict[str, Account], rates: list[Rate]) -> str:
    """Why the engine refuses an account's calls, whatever is called; empty where it doesn't."""
    if not account.active:
        return "is inactive"
    outbound, inbound = account.running.outbound, account.running.inbound
    limits = (
        (account.max_concurrent_transactions, outbound + inbound),
        (account.max_outbound_transactions, outbound),
        (account.max_inbound_transactions, inbound),
    )
    for most, going_on in limits:
        if most is not None and most <= going_on:
            return f"may have {most} call{'s' * (most != 1)} at once, and has {going_on}"
    if any(rate.rate <= 0 for rate in rates):
        return ""
    for payer in (account, *(accounts[tag] for tag in account.linked_accounts if tag in accounts)):
        whose = "" if payer is account else f"is linked to {payer.account_tag!r}, which "
        if payer.type == "PREPAID" and payer.balance <= 0:
            return f"{whose}has a balance of {payer.balance}"
        if payer.type == "PREPAID" and all(payer.balance - rate.connect_fee < rate.rate for rate in rates):
            return f"{whose}can't pay for a second, with a balance of {payer.balance}"
    return ""


def _has_no_rate(number: str, rates: list[Rate]) -> bool:
    return number.removeprefix("+")[:1].isdecimal() and not any(
        f"sip:{number}".startswith(rate.prefix) for rate in rates
    )


def _begins_uri(prefix: str) -> bool:
    return any(prefix.startswith(each) or each.startswith(prefix) for each in _SCHEMES)


def _is_never_found(prefix: str) -> bool:
    return len(prefix) > _LONGEST_PREFIX or not _begins_uri(prefix)


_HARMLESS = ("phone-context", "isub", "ext", "user")
_LEAD_ELSEWHERE = [
    "maddr",
    "method",
    "route",
    "rn",
    "npdi",
    "cic",
    "rn-context",
    "cic-context",
    "tgrp",
    "trunk-context",
]


def _refused_by_the_proxy(scenario: Scenario) -> Iterator[Finding]:
    """Calls to what the project's configuration doesn't let pass (docs/integration.md), and an answer is expected."""
    if scenario.kamailio.defines.get("RATING_CALLED") == '"any"':
        return
    for index, call in enumerate(scenario.calls):
        if call.sipp is not None or not expects_answer(scenario, call):
            continue
        path: ValuePath = ("calls", index, "to" if call.uri is None else "uri")
        for called in (call.uri,) if call.uri is not None else [f"sip:{number}@" for _, number in call.users]:
            scheme, _, rest = called.partition(":")
            if scheme.lower() == "sips":
                message = "kamailio.cfg refuses sips: with 416, and an answer is expected"
                yield Finding(path, message, "sip: or tel:, or expect: {reply: 416}")
                break
            leading = _leading_elsewhere(rest)
            if leading is not None:
                message = f"kamailio.cfg refuses {leading!r} in a number with 403, and an answer is expected"
                hint = "it could be called elsewhere than it's rated: leave it out, expect: {reply: 403}, or "
                yield Finding(path, message, hint + "kamailio: {defines: {RATING_CALLED: '\"any\"'}}")
                break


def _leading_elsewhere(number: str) -> str | None:
    """The first parameter of a number, or of its URI, by which it could be routed."""
    user, _, host = number.partition("@")
    of_user = [each.partition("=")[0].strip().lower() for each in user.split(";")[1:]]
    of_uri = [each.partition("=")[0].strip().lower() for each in host.split(";")[1:]]
    found = [each for each in of_user if each not in _HARMLESS] + [each for each in of_uri if each in _LEAD_ELSEWHERE]
    return found[0] if found else None


def _prefixes_without_scheme(scenario: Scenario) -> Iterator[Finding]:
    for number, pricelist in enumerate(scenario.given.pricelists):
        for index, rate in enumerate(pricelist.rates):
            prefix = rate.prefix
            path = ("given", "pricelists", number, "rates", index, "prefix")
            if not _begins_uri(prefix):
                message = f"no destination begins with {prefix[:20]!r}: it is a URI"
                number_alone = prefix[:20].lower().removeprefix("sip:")
                yield Finding(path, message, f'prefix: "sip:{number_alone}"')
            elif len(prefix) > _LONGEST_PREFIX:
                message = (
                    f"a prefix of {len(prefix)} characters is never found: the engine looks at {_LONGEST_PREFIX}"
                )
                yield Finding(path, message, f'prefix: "{prefix[:_LONGEST_PREFIX]}"')


def _waits_in_vain(scenario: Scenario) -> Iterator[Finding]:
    calls = {call.id: call for call in scenario.calls}
    for path, moment, own in _moments(scenario):
        call = calls.get(moment.call or own)
        if call is not None and moment.event == "transferred" and call.transfer is None:
            message = f"this waits in vain until {call.id!r} is transferred: it has no 'transfer'"
            yield Finding(path, message, f"transfer: {{call: ...}}, of {call.id}; or another moment")
        if call is not None and moment.event == "ringing" and moment.call and not rings(scenario, call):
            message = f"this waits in vain until {call.id!r} rings: no carrier says that it does"
            yield Finding(path, message, "carriers: {...: {provisional: [180]}}")
        if call is None or moment.event != "answered":
            continue
        if call.method != "INVITE":
            why = f"{call.method} makes no call"
        elif call.expect.reply is not None and refuses(call.expect.reply.code):
            why = f"its reply is expected to be {call.expect.reply.code}"
        elif call.cancel is not None and not _answers_cancelled(scenario, call):
            why = "it is cancelled"
        elif no_carrier_answers(scenario, call):
            why = "no carrier answers it"
        elif isnt_authorised(scenario, call):
            why = "the agent doesn't authorise it"
        else:
            continue
        message = f"this waits in vain for the answer to {call.id!r}: {why}"
        yield Finding(path, message, f"wait for its end: {call.id} has ended")


def _moments(scenario: Scenario) -> Iterator[tuple[ValuePath, Moment, str]]:
    """Each moment that is waited for, with the call whose own it is where it names none."""
    for index, call in enumerate(scenario.calls):
        yield ("calls", index, "start"), call.start, ""
        for number, request in enumerate(call.requests):
            yield ("calls", index, "requests", number), request.at, call.id
        for number, renewal in enumerate(call.reinvite):
            yield ("calls", index, "reinvite", number), renewal.at, call.id
        if call.transfer is not None:
            yield ("calls", index, "transfer"), call.transfer.at, call.id
    for index, fault in enumerate(scenario.faults):
        for key, moment in (("when", fault.when), ("until", fault.until)):
            if moment is not None:
                yield ("faults", index, key), moment, ""
    for path, skip in skips_of(scenario):
        yield (*path, "when"), skip.when, ""


def _answers_cancelled(scenario: Scenario, call: Call) -> bool:
    """Whether a carrier may answer although a CANCEL came."""
    return any(each.answer_cancelled or each.sipp for each in behaviours(scenario, call))


def _cancelled_and_answered(scenario: Scenario) -> Iterator[Finding]:
    for index, call in enumerate(scenario.calls):
        if call.cancel is None:
            continue
        ends = behaviours(scenario, call)
        crosses = _answers_cancelled(scenario, call)
        path: ValuePath = ("calls", index, "cancel")
        if expects_answer(scenario, call) and not crosses:
            hint = "expect: {reply: 487}; a carrier with 'answer_cancelled' answers all the same"
            yield Finding(path, "a call that is cancelled isn't answered, and an answer is expected", hint)
        elif call.cancel.event == "ringing" and not rings(scenario, call) and call.sipp is None:
            message = "the CANCEL waits until it rings, and no carrier says that it does"
            yield Finding(path, message, "cancel: after 1s; or carriers: {...: {provisional: [180]}}")
        elif not crosses:
            yield from _cancelled_too_late(call, call.cancel, ends, path)


def _cancelled_too_late(call: Call, cancel: Moment, ends: list[Behaviour], path: ValuePath) -> Iterator[Finding]:
    rings = [call.ring] if call.ring else [each.ring for each in ends if each.ring]
    delays = [each.answer_after.high for each in ends if each.answer_after]
    if not rings or any(each.refuse or each.silent or each.absent for each in ends):
        return
    answer = max(each.high for each in rings) + (max(delays, default=0.0) if cancel.event == "started" else 0.0)
    if cancel.event in ("started", "ringing") and cancel.delay >= answer:
        message = f"the CANCEL is sent after {duration_text(cancel.delay)}, the answer after {duration_text(answer)}"
        yield Finding(path, message, "a longer 'ring', or an earlier 'cancel'")


def _ended_by_another(scenario: Scenario) -> Iterator[Finding]:
    """Who is expected to hang up isn't who does, where nobody else can."""
    for index, call in enumerate(scenario.calls):
        wanted = call.expect.ended_by
        if wanted not in ("caller", "callee") or call.hangup in ("never", wanted) or call.bye != "normal":
            continue
        if not is_ended_besides(scenario, call):
            message = f"the {call.hangup} hangs up, and the {wanted} is expected to"
            yield Finding(("calls", index, "expect", "ended_by"), message, f"hangup: {wanted}")


def _linked_to_itself(scenario: Scenario) -> Iterator[Finding]:
    for index, account in enumerate(scenario.given.accounts):
        if account.account_tag in account.linked_accounts:
            path = ("given", "accounts", index, "linked_accounts")
            message = f"account {account.account_tag!r} is linked to itself: the engine can't end its calls"
            yield Finding(path, message, "the accounts that are charged besides, or none")


def _carriers_after_the_end(scenario: Scenario) -> Iterator[Finding]:
    """What a carrier or a phone is to do once every call is over."""
    for section, ends in (("carriers", scenario.carriers), ("phones", scenario.phones)):
        for host, end in ends.items():
            others = [call for call in scenario.calls if call.id not in end.calls]
            yield from _after_the_end(scenario, end, others, (section, host))
            for call in scenario.calls:
                if call.id in end.calls:
                    yield from _after_the_end(scenario, end.calls[call.id], [call], (section, host, "calls", call.id))


def _after_the_end(scenario: Scenario, behaviour: Behaviour, calls: list[Call], path: ValuePath) -> Iterator[Finding]:
    over = max((latest_end(scenario, call) for call in calls), default=math.inf)
    moments = {"hang_up_after": behaviour.hang_up_after.low if behaviour.hang_up_after else 0.0}
    if behaviour.vanish is not None and behaviour.vanish.event == "answered":
        moments["vanish"] = behaviour.vanish.delay
    for key, at in moments.items():
        if at > over:
            message = (
                f"this comes {duration_text(at)} after the answer, and each call is over after {duration_text(over)}"
            )
            yield Finding((*path, key), message, "a longer 'hold', or hangup: never")


def _answered_by_nobody(scenario: Scenario) -> Iterator[Finding]:
    for index, call in enumerate(scenario.calls):
        if call.expect.carriers == () and expects_answer(scenario, call) and not scenario.phones:
            message = "no carrier is to get the INVITE, and an answer is expected"
            yield Finding(("calls", index, "expect", "carriers"), message, "name the carriers, or expect the refusal")


def _never_ended(scenario: Scenario) -> Iterator[Finding]:
    if is_answered_by_fault(scenario):
        return
    accounts = {account.account_tag: account for account in scenario.given.accounts}
    for index, call in enumerate(scenario.calls):
        account = accounts.get(next(iter(accounts_of(call)), ""))
        is_answered = call.expect.reply is None or expects_answer(scenario, call)
        if call.hangup != "never" or account is None or not is_answered or call.expect.ended_by == "nobody":
            continue
        limit = beyond_its_time(scenario, call)
        if limit is not None and has_limit(account, accounts):
            message = f"nothing ends this call before its limit, after {duration_text(limit)}"
            waited = duration_text(waits(scenario))
            hint = f"the scenario waits for {waited}: a smaller balance, a 'timeout', or a 'clock'"
            yield Finding(("calls", index, "hangup"), message, hint)
        if not (has_limit(account, accounts) and costs_something(scenario)) and not is_ended_besides(scenario, call):
            hint = "hangup: caller or callee; a carrier's 'hang_up_after'; or a PREPAID account's balance"
            yield Finding(("calls", index, "hangup"), "nothing ever ends this call", hint)
