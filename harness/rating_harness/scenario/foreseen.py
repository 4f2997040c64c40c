"""What the words of a scenario say will come of a call: whether it's answered, what it may last, who ends it."""

from __future__ import annotations

import math
import re
from urllib.parse import unquote

from rating_harness.scenario.behaviour import Behaviour
from rating_harness.scenario.calls import DEFAULT_HOLD, Call
from rating_harness.scenario.clock import skips_of
from rating_harness.scenario.consistency import refuses
from rating_harness.scenario.expectations import Expectations
from rating_harness.scenario.faults import Fault
from rating_harness.scenario.given import Account, Running
from rating_harness.scenario.matchers import Absent, Anything, Matcher, Near
from rating_harness.scenario.model import Scenario

__all__ = [
    "accounts_of",
    "behaviours",
    "costs_something",
    "expects_answer",
    "has_limit",
    "is_above_0",
    "is_answered_by_fault",
    "is_ended_besides",
    "is_plain",
    "isnt_authorised",
    "latest_end",
    "longest_limit",
    "no_carrier_answers",
    "provisional_of",
    "reached",
    "rings",
    "shortest_limit",
    "takes",
]


def expects_answer(scenario: Scenario, call: Call) -> bool:
    """Whether a call can only be as expected when it is answered."""
    expect = call.expect
    if call.method != "INVITE" or (expect.reply is not None and refuses(expect.reply.code)):
        return False
    if expect.reply is not None and expect.reply.code.matches(200):
        return not isinstance(expect.reply.code, Anything) and not expect.reply.code.matches(403)
    of_answered = (expect.duration, expect.bye_reply, expect.bye_reason, expect.carrier)
    is_ended = expect.ended_by not in (None, "nobody")
    if is_ended or any(each is not None and not isinstance(each, Absent) for each in of_answered):
        return True
    is_free = expect.reply is None and expect.reason is None
    return is_free and ((call.cancel is None and _counts_failures(scenario)) or _is_billed(scenario.expect, call.id))


def _counts_failures(scenario: Scenario) -> bool:
    """Whether a call of which no reply is expected is to be answered (docs/scenarios.md)."""
    failures = scenario.expect.failures
    if scenario.expect.replies or scenario.expect.asr is not None:
        return False  # they say what comes of the calls
    return scenario.load is not None if failures is None else failures.matches(0) and not failures.matches(1)


def _is_billed(expect: Expectations, call: str) -> bool:
    """Whether the engine is expected to bill it."""
    if call in expect.begun or call in expect.ended:
        return True
    records = [each for each in expect.transactions if each.call == call and not each.absent and each.count is None]
    return any(is_above_0(matcher) for each in records for matcher in (each.fee, each.duration))


def is_above_0(matcher: Matcher | None) -> bool:
    return matcher is not None and not isinstance(matcher, Absent | Anything) and not matcher.matches(0)


def is_plain(scenario: Scenario, call: Call) -> bool:
    """Whether nothing but its own `hold` and `hangup`, and its limit, says how long a call lasts once answered."""
    is_odd = call.bye != "normal" or call.no_ack or call.loss or call.sipp or call.transfer or call.replaces
    is_alone = not scenario.faults and scenario.clock is None and scenario.kamailio.config is None
    return is_alone and not is_odd and not is_ended_besides(scenario, call)


def shortest_limit(scenario: Scenario, call: Call) -> float:
    """Seconds that its account can pay, at least; inf where it has no limit, 0 where nobody can tell."""
    accounts = {account.account_tag: account for account in scenario.given.accounts}
    payers = [accounts.get(tag) for tag in accounts_of(call)]
    if not payers or call.host is not None or scenario.phones or scenario.given.graphql:
        return 0.0
    if all(payer is not None and payer.type == "POSTPAID" and not payer.linked_accounts for payer in payers):
        return math.inf
    rates = [rate for pricelist in scenario.given.pricelists for rate in pricelist.rates if rate.active and rate.rate]
    is_alone = len(scenario.calls) == 1 and scenario.load is None and call.times.high == 1
    payer = payers[0]
    if payer is None or payer.linked_accounts or payer.running != Running() or not is_alone or not rates:
        return 0.0
    return min((payer.balance - rate.connect_fee) / rate.rate - 1 for rate in rates)


LONGEST_CALL = 14400.0
"""Seconds that the engine allows at most (docs/engine.md)."""

PATIENCE = 20.0
"""Seconds that a scenario waits for an end beyond what its calls are to last."""


def waits(scenario: Scenario) -> float:
    """Seconds, of the lab's clock, for which it waits for its calls' ends."""
    skipped = sum(skip.skip for _, skip in skips_of(scenario))
    if scenario.timeout and not scenario.load:
        return scenario.timeout + skipped
    return PATIENCE + max(skipped, *_ends(scenario).values())


def takes(scenario: Scenario) -> float:
    """Seconds until its last call is over, as far as the scenario tells, without those that its clock skips."""
    return max(*_ends(scenario).values(), 0.0) - sum(skip.skip for _, skip in skips_of(scenario))


def _ends(scenario: Scenario) -> dict[str, float]:
    """After how many seconds each call is over, at most, as far as the scenario tells."""
    ends = {call.id: _lasts(call) for call in scenario.calls}
    starts = [(call, call.start) for call in scenario.calls if call.start is not None]
    for _ in starts:  # one that waits for another, which waits for a third
        for call, start in starts:
            ends[call.id] = start.delay + ends.get(start.call or "", 0.0) + _lasts(call)
    return ends


def _lasts(call: Call) -> float:
    """Seconds from a call's INVITE to its BYE, at most, as far as the scenario tells."""
    ring = call.ring.high if call.ring else 0.0
    hold = call.hold.high if call.hold else 1.0
    expected = call.expect.duration
    limit = expected.value + expected.tolerance if isinstance(expected, Near) else 0.0
    return ring + max(hold, limit)


def longest_limit(scenario: Scenario, call: Call) -> float:
    """Seconds that its account can pay, at most; inf where it has no limit, or nobody can tell."""
    accounts = {account.account_tag: account for account in scenario.given.accounts}
    payers = [accounts.get(tag) for tag in accounts_of(call)]
    if not payers or call.host is not None or scenario.phones or scenario.given.graphql:
        return math.inf
    limits = [
        ((payer.balance - rate.connect_fee) // rate.rate + rate.interval_start) * rate.rate_increment
        for payer in payers
        for pricelist in scenario.given.pricelists
        for rate in pricelist.rates
        if payer is not None and payer.type == "PREPAID" and rate.rate > 0
    ]
    rates = sum(len(pricelist.rates) for pricelist in scenario.given.pricelists)
    return float(max(limits)) if limits and len(limits) == rates * len(payers) else math.inf


def accounts_of(call: Call) -> tuple[str, ...]:
    """The accounts that the project's configuration takes: with digest the user name, else From's user, bare."""
    if call.auth:
        return (call.auth.username,)
    said = [values for name, values in call.headers.items() if name.lower() == "from"]
    if said:
        found = _USER.search(said[0] if isinstance(said[0], str) else said[0][0])
        return (_bare(found[1]),) if found is not None else ()
    return tuple(dict.fromkeys(_bare(caller) for caller, _ in call.users))


_USER = re.compile(r"sips?:([^@>]*)@")


def _bare(user: str) -> str:
    """A user without parameters and password, unescaped."""
    return unquote(re.split("[;:]", user, maxsplit=1)[0])


def is_answered_by_fault(scenario: Scenario) -> bool:
    """Whether a fault makes the agent say something else than the engine would."""
    return any(
        fault.on == "agent"
        and fault.path in (None, "authorization")
        and (fault.set or fault.body is not None or fault.remove)
        for fault in scenario.faults
    )


def isnt_authorised(scenario: Scenario, call: Call) -> bool:
    """Whether faults leave a call without an authorization, whenever it's asked for."""
    return any(
        _authorises_nothing(fault)
        and fault.on == "agent"
        and fault.path in (None, "authorization")
        and fault.call in (None, call.id)
        and (fault.nth, fault.times, fault.when, fault.until) == (1, None, None, None)
        for fault in scenario.faults
    )


def _authorises_nothing(fault: Fault) -> bool:
    """Whether a fault's answer authorises no call, or there is no answer at all."""
    if fault.silent or fault.refuse or fault.reset or fault.garbage or fault.malformed:
        return True
    if fault.status not in (None, 200) or {"authorized", "carriers", "max_available_units"} & {*(fault.remove or ())}:
        return True
    answer = fault.set or {}
    return answer.get("authorized", True) in (False, None) or answer.get("carriers", True) in ([], (), None)


def behaviours(scenario: Scenario, call: Call) -> list[Behaviour]:
    """How any carrier or phone may treat a call."""
    found: list[Behaviour] = []
    for end in (*scenario.carriers.values(), *scenario.phones.values()):
        found += [end.calls[call.id]] if call.id in end.calls else [end, *end.attempts]
    return found


def rings(scenario: Scenario, call: Call) -> bool:
    """Whether some end that a call may reach sends a provisional reply besides 100."""
    return any(each.sipp or any(code > 100 for code in provisional_of(each)) for each in reached(scenario, call))


def provisional_of(behaviour: Behaviour) -> tuple[int, ...]:
    """Provisional replies that a carrier or a phone sends, and the further ones that ring beside it."""
    if behaviour.silent or behaviour.absent:
        return ()
    return (*behaviour.provisional, *(code for fork in behaviour.forks for code in fork.provisional))


def reached(scenario: Scenario, call: Call) -> list[Behaviour]:
    """How the ends that a call may reach treat it; one of which nothing is said rings and answers."""
    hosts = {carrier.host for carrier in scenario.given.carriers}
    is_known = bool(hosts) and hosts <= set(scenario.carriers) and not scenario.given.graphql
    return behaviours(scenario, call) if is_known else [*behaviours(scenario, call), Behaviour()]


def no_carrier_answers(scenario: Scenario, call: Call) -> bool:
    """Whether each end that a call can reach is told to refuse it, to be silent, or not to be there."""
    hosts = {carrier.host for carrier in scenario.given.carriers}
    if scenario.phones or not hosts or not hosts <= set(scenario.carriers) or scenario.given.graphql:
        return False
    return all(
        each.silent or each.absent or (each.refuse is not None and each.refuse.code >= 400)
        for each in behaviours(scenario, call)
    )


def has_limit(account: Account, accounts: dict[str, Account]) -> bool:
    linked = [accounts[tag] for tag in account.linked_accounts if tag in accounts]
    return any(each.type == "PREPAID" for each in (account, *linked))


def costs_something(scenario: Scenario) -> bool:
    """Whether any rate is above 0; where none is given, somebody else has them."""
    rates = [rate for pricelist in scenario.given.pricelists for rate in pricelist.rates]
    return not rates or scenario.given.graphql != () or any(rate.rate for rate in rates)


def latest_end(scenario: Scenario, call: Call) -> float:
    """Seconds from a call's answer to its end, at most, by what its own words say."""
    if call.hangup == "never" or call.bye != "normal" or call.vanish is not None or call.sipp is not None:
        return math.inf
    hold = scenario.load.hold if scenario.load and scenario.load.hold else call.hold
    return hold.high if hold else DEFAULT_HOLD


def is_ended_besides(scenario: Scenario, call: Call) -> bool:
    """Whether someone may end it, or falls silent so that somebody else may."""
    return (
        call.vanish is not None
        or any(each.vanish for each in behaviours(scenario, call))
        or _is_hung_up(scenario, call)
    )


def _is_hung_up(scenario: Scenario, call: Call) -> bool:
    if call.cancel or call.sipp or any(each.bytes or each.method == "BYE" for each in call.requests):
        return True
    if any(each.replaces == call.id for each in scenario.calls):
        return True
    if any(each.hang_up_after or each.sipp or each.refuse for each in behaviours(scenario, call)):
        return True
    return any(fault.is_outage for fault in scenario.faults)


def beyond_its_time(scenario: Scenario, call: Call) -> float | None:
    """After how many seconds its limit ends a call that nothing else does, if the scenario doesn't wait so long."""
    is_kept = "RATING_KEEPALIVE" not in scenario.kamailio.defines
    may_end = _is_hung_up(scenario, call) or call.expect.ended_by == "nobody"
    may_fail = any(fault.on == "agent" and fault.path in (None, "begin") for fault in scenario.faults)
    gone = [call.vanish is not None, *(each.vanish is not None for each in behaviours(scenario, call))]
    if call.hangup != "never" or may_end or may_fail or (not is_kept and sum(gone) > 1):
        return None
    limit = min(shortest_limit(scenario, call), LONGEST_CALL)
    return limit if limit > waits(scenario) else None
