"""What is well-formed and most likely not meant: warnings, which `validate --strict` takes for mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rating_harness.scenario.behaviour import Behaviour
from rating_harness.scenario.calls import DEFAULT_HOLD, Call
from rating_harness.scenario.clock import skips_of
from rating_harness.scenario.consistency import refuses
from rating_harness.scenario.diagnostics import Finding, did_you_mean, there
from rating_harness.scenario.given import Account, Rate
from rating_harness.scenario.matchers import Absent, Anything
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
        yield from _prefixes_without_scheme(scenario)
        yield from _answered_by_nobody(scenario)
        yield from _never_ended(scenario)
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


def _expects_answer(call: Call) -> bool:
    """Whether a call can only be as expected when it is answered."""
    expect = call.expect
    if call.method != "INVITE" or (expect.reply is not None and refuses(expect.reply.code)):
        return False
    if expect.reply is not None and expect.reply.code.matches(200):
        return not isinstance(expect.reply.code, Anything) and not expect.reply.code.matches(403)
    of_answered = (expect.duration, expect.bye_reply, expect.bye_reason, expect.carrier)
    is_ended = expect.ended_by not in (None, "nobody")
    return is_ended or any(each is not None and not isinstance(each, Absent) for each in of_answered)


def _accounts_of(call: Call) -> tuple[str, ...]:
    """The accounts that the project's configuration takes: with digest the user name, else From's user."""
    users = (call.auth.username,) if call.auth else tuple(dict.fromkeys(caller for caller, _ in call.users))
    return tuple(user.partition(";")[0] for user in users)


def _is_answered_by_fault(scenario: Scenario) -> bool:
    """Whether a fault makes the agent say something else than the engine would."""
    return any(
        fault.on == "agent"
        and fault.path in (None, "authorization")
        and (fault.set or fault.body is not None or fault.remove)
        for fault in scenario.faults
    )


def _callers_without_account(scenario: Scenario) -> Iterator[Finding]:
    known = {account.account_tag for account in scenario.given.accounts}
    if not known or scenario.given.graphql or _is_answered_by_fault(scenario):
        return
    for index, call in enumerate(scenario.calls):
        if call.sipp is not None or call.host is not None or not _expects_answer(call):
            continue
        unknown = [each for each in _accounts_of(call) if "%" not in each and each not in known]
        for account in unknown[:1]:
            close = did_you_mean(account, known)
            guess = f"did you mean '{close}'? " if close else ""
            key = ("auth", "username") if call.auth else ("from",)
            message = f"no account {account!r}, and an answer is expected"
            yield Finding(("calls", index, *key), message, guess + there(sorted(known)))


def _refused_by_the_engine(scenario: Scenario) -> Iterator[Finding]:
    """Calls that the engine can't authorise, by what is given, and an answer is expected."""
    accounts = {account.account_tag: account for account in scenario.given.accounts}
    rates = [rate for pricelist in scenario.given.pricelists for rate in pricelist.rates if rate.active]
    if scenario.given.graphql or _is_answered_by_fault(scenario) or scenario.phones or not rates:
        return
    for index, call in enumerate(scenario.calls):
        if call.sipp is not None or call.host is not None or not _expects_answer(call):
            continue
        for account in (accounts[tag] for tag in _accounts_of(call) if tag in accounts):
            why = _without_credit(account, rates)
            if why:
                message = f"account {account.account_tag!r} {why}, and an answer is expected"
                yield Finding(("calls", index, "from"), message, "change the account, or expect the refusal")
        called = [number for _, number in call.users]
        is_told = any(_is_never_found(rate.prefix) for rate in rates)
        if call.uri is None and not is_told and not {"to", "t"} & {name.lower() for name in call.headers}:
            for number in [each for each in called if _has_no_rate(each, rates)][:1]:
                message = f"no rate is for sip:{number[:20]}, and an answer is expected"
                yield Finding(("calls", index, "to"), message, f'a rate with the prefix "sip:{number[:2]}"')


def _without_credit(account: Account, rates: list[Rate]) -> str:
    if not account.active:
        return "is inactive"
    is_poor = account.type == "PREPAID" and account.balance <= 0 and not account.linked_accounts
    return f"has a balance of {account.balance}" if is_poor and all(rate.rate > 0 for rate in rates) else ""


def _has_no_rate(number: str, rates: list[Rate]) -> bool:
    return number[:1].isdecimal() and not any(f"sip:{number}".startswith(rate.prefix) for rate in rates)


def _begins_uri(prefix: str) -> bool:
    return any(prefix.startswith(each) or each.startswith(prefix) for each in _SCHEMES)


def _is_never_found(prefix: str) -> bool:
    return len(prefix) > _LONGEST_PREFIX or not _begins_uri(prefix)


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


def _behaviours(scenario: Scenario, call: Call) -> list[Behaviour]:
    """How any carrier or phone may treat a call."""
    found: list[Behaviour] = []
    for end in (*scenario.carriers.values(), *scenario.phones.values()):
        found += [end.calls[call.id]] if call.id in end.calls else [end, *end.attempts]
    return found


def _waits_in_vain(scenario: Scenario) -> Iterator[Finding]:
    calls = {call.id: call for call in scenario.calls}
    for path, moment, own in _moments(scenario):
        call = calls.get(moment.call or own)
        if call is None or moment.event != "answered":
            continue
        if call.method != "INVITE":
            why = f"{call.method} makes no call"
        elif call.expect.reply is not None and refuses(call.expect.reply.code):
            why = f"its reply is expected to be {call.expect.reply.code}"
        elif _no_carrier_answers(scenario, call):
            why = "no carrier answers it"
        else:
            continue
        message = f"this waits in vain for the answer to {call.id!r}: {why}"
        yield Finding(path, message, f"wait for its end: {call.id} has ended")


def _no_carrier_answers(scenario: Scenario, call: Call) -> bool:
    """Whether each end that a call can reach is told to refuse it, to be silent, or not to be there."""
    hosts = {carrier.host for carrier in scenario.given.carriers}
    if scenario.phones or not hosts or not hosts <= set(scenario.carriers) or scenario.given.graphql:
        return False
    return all(
        each.silent or each.absent or (each.refuse is not None and each.refuse.code >= 400)
        for each in _behaviours(scenario, call)
    )


def _moments(scenario: Scenario) -> Iterator[tuple[ValuePath, Moment, str]]:
    """Each moment that is waited for, with the call whose own it is where it names none."""
    for index, call in enumerate(scenario.calls):
        yield ("calls", index, "start"), call.start, ""
        for number, request in enumerate(call.requests):
            yield ("calls", index, "requests", number), request.at, call.id
        for number, renewal in enumerate(call.reinvite):
            yield ("calls", index, "reinvite", number), renewal.at, call.id
    for index, fault in enumerate(scenario.faults):
        for key, moment in (("when", fault.when), ("until", fault.until)):
            if moment is not None:
                yield ("faults", index, key), moment, ""
    for path, skip in skips_of(scenario):
        yield (*path, "when"), skip.when, ""


def _cancelled_and_answered(scenario: Scenario) -> Iterator[Finding]:
    for index, call in enumerate(scenario.calls):
        if call.cancel is None:
            continue
        behaviours = _behaviours(scenario, call)
        crosses = any(each.answer_cancelled or each.sipp for each in behaviours)
        path: ValuePath = ("calls", index, "cancel")
        if _expects_answer(call) and not crosses:
            hint = "expect: {reply: 487}; a carrier with 'answer_cancelled' answers all the same"
            yield Finding(path, "a call that is cancelled isn't answered, and an answer is expected", hint)
        elif not crosses:
            yield from _cancelled_too_late(call, call.cancel, behaviours, path)


def _cancelled_too_late(
    call: Call, cancel: Moment, behaviours: list[Behaviour], path: ValuePath
) -> Iterator[Finding]:
    rings = [call.ring] if call.ring else [each.ring for each in behaviours if each.ring]
    delays = [each.answer_after.high for each in behaviours if each.answer_after]
    if not rings or any(each.refuse or each.silent or each.absent for each in behaviours):
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
        if not _is_ended(scenario, call):
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
    over = max((_latest_end(scenario, call) for call in calls), default=math.inf)
    moments = {"hang_up_after": behaviour.hang_up_after.low if behaviour.hang_up_after else 0.0}
    if behaviour.vanish is not None and behaviour.vanish.event == "answered":
        moments["vanish"] = behaviour.vanish.delay
    for key, at in moments.items():
        if at > over:
            message = (
                f"this comes {duration_text(at)} after the answer, and each call is over after {duration_text(over)}"
            )
            yield Finding((*path, key), message, "a longer 'hold', or hangup: never")


def _latest_end(scenario: Scenario, call: Call) -> float:
    """Seconds from a call's answer to its end, at most, by what its own words say."""
    if call.hangup == "never" or call.bye != "normal" or call.vanish is not None or call.sipp is not None:
        return math.inf
    hold = scenario.load.hold if scenario.load and scenario.load.hold else call.hold
    return hold.high if hold else DEFAULT_HOLD


def _answered_by_nobody(scenario: Scenario) -> Iterator[Finding]:
    for index, call in enumerate(scenario.calls):
        if call.expect.carriers == () and _expects_answer(call) and not scenario.phones:
            message = "no carrier is to get the INVITE, and an answer is expected"
            yield Finding(("calls", index, "expect", "carriers"), message, "name the carriers, or expect the refusal")


def _never_ended(scenario: Scenario) -> Iterator[Finding]:
    if _is_answered_by_fault(scenario):
        return
    accounts = {account.account_tag: account for account in scenario.given.accounts}
    for index, call in enumerate(scenario.calls):
        account = accounts.get(_accounts_of(call)[0])
        is_answered = call.expect.reply is None or _expects_answer(call)
        if call.hangup != "never" or account is None or not is_answered or call.expect.ended_by == "nobody":
            continue
        if not (_has_limit(account, accounts) and _costs_something(scenario)) and not _is_ended(scenario, call):
            hint = "hangup: caller or callee; a carrier's 'hang_up_after'; or a PREPAID account's balance"
            yield Finding(("calls", index, "hangup"), "nothing ever ends this call", hint)


def _has_limit(account: Account, accounts: dict[str, Account]) -> bool:
    linked = [accounts[tag] for tag in account.linked_accounts if tag in accounts]
    return any(each.type == "PREPAID" for each in (account, *linked))


def _costs_something(scenario: Scenario) -> bool:
    """Whether any rate is above 0; where none is given, somebody else has them."""
    rates = [rate for pricelist in scenario.given.pricelists for rate in pricelist.rates]
    return not rates or scenario.given.graphql != () or any(rate.rate for rate in rates)


def _is_ended(scenario: Scenario, call: Call) -> bool:
    """Whether someone may end it, or falls silent so that somebody else may."""
    if call.vanish or call.cancel or call.sipp or any(each.bytes or each.method == "BYE" for each in call.requests):
        return True
    if any(each.replaces == call.id for each in scenario.calls):
        return True
    ends = _behaviours(scenario, call)
    return any(each.hang_up_after or each.vanish or each.sipp or each.refuse for each in ends) or any(
        fault.is_outage for fault in scenario.faults
    )
