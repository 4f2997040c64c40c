"""A clock that is put forward while a call lasts, and what it must not jump over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from rating_harness.scenario.behaviour import Behaviour
from rating_harness.scenario.calls import DEFAULT_HOLD, Call
from rating_harness.scenario.diagnostics import Finding
from rating_harness.scenario.faults import Fault
from rating_harness.scenario.fields import Model, Seconds, When, key
from rating_harness.scenario.given import Account, Given
from rating_harness.scenario.nodes import ValuePath
from rating_harness.scenario.values import Moment, duration_text, spoken_duration

if TYPE_CHECKING:
    from rating_harness.scenario.model import Scenario

__all__ = ["MARGIN", "Clock", "skip_name", "skips_of", "skips_over"]

MARGIN = 3.0
"""Seconds before whatever is due that the clock stops at the latest, so that it happens in real time."""

_LONGEST_CALL = 14400.0
"""Seconds that the engine allows at most."""

_NINE_CHARACTERS = 9
"""Of a destination that the engine compares with prefixes."""


class Clock(Model):
    """The clock of all that runs in the lab is put forward, in small steps: a long call takes seconds."""

    meanings = (
        ("by seconds forward jump advance duration", "how far it is put forward is 'skip'"),
        ("at after start", "the moment is 'when'"),
    )

    skip: Annotated[Seconds, key("How far it is put forward.", "9m50s")]
    when: Annotated[
        When,
        key("From which moment on; no call may be unanswered then.", "ana is answered", "2s after ana is answered"),
    ]


@dataclass(frozen=True, slots=True)
class _Due:
    """Something that is to happen at a moment that the scenario tells."""

    at: float
    what: str


def skips_of(scenario: Scenario) -> list[tuple[ValuePath, Clock]]:
    """Each skip of the clock, with its path."""
    clock = scenario.clock
    if isinstance(clock, Clock):
        return [(("clock",), clock)]
    return [(("clock", index), each) for index, each in enumerate(clock or ())]


def skip_name(seconds: float) -> str:
    """What a skip is called among the spans of a run."""
    return f"clock: {spoken_duration(seconds)} skipped"


def skips_over(scenario: Scenario) -> Iterator[Finding]:
    """What a skip of the clock can't be meant to do: jump over what is due, begin where a request is unanswered."""
    if scenario.clock is None:
        return
    if scenario.load is not None:
        hint = "a scenario of its own, with single calls"
        yield Finding(
            ("clock",), "under load the clock can't be moved: requests are unanswered all the time", hint, True
        )
        return
    for path in _sipp_files(scenario):
        message = "a SIPp scenario can't be run by a clock that is moved: SIPp's watchdog and timers give up"
        yield Finding(path, message, "say the call in words, without 'sipp'", True)
    seen: set[Moment] = set()
    for path, skip in skips_of(scenario):
        if skip.when in seen:
            yield Finding((*path, "when"), "another skip begins at this moment", "one skip, as long as both")
        else:
            yield from _skips_over(scenario, path, skip)
        seen.add(skip.when)


def _skips_over(scenario: Scenario, path: ValuePath, clock: Clock) -> Iterator[Finding]:
    if clock.skip == 0:
        yield Finding((*path, "skip"), "this skips nothing", "skip: 9m50s")
    if clock.when.event in ("started", "ringing") and clock.when.call is not None:
        message = f"the INVITE of {clock.when.call!r} is unanswered at this moment"
        yield Finding(
            (*path, "when"), message, f"when: {clock.when.call} is answered; retransmissions go by the clock"
        )
        return
    estimates = _Estimates(scenario)
    begin = estimates.of(clock.when)
    if begin is None:
        return
    late = [due for due in estimates.due() if begin < due.at < begin + clock.skip + MARGIN]
    if late:
        first = min(late, key=lambda due: due.at)
        after = first.at - begin
        most = after - MARGIN
        hint = f"at most {spoken_duration(most)}" if most > 0 else "begin later"
        yield Finding(
            (*path, "skip"),
            f"this skips over what is due {spoken_duration(round(after, 3))} after its beginning: {first.what}",
            f"{hint}: the clock stops {duration_text(MARGIN)} before anything that is due",
        )


def _sipp_files(scenario: Scenario) -> Iterator[ValuePath]:
    for index, call in enumerate(scenario.calls):
        if call.sipp is not None:
            yield ("calls", index, "sipp")
    for host, carrier in scenario.carriers.items():
        if carrier.sipp is not None:
            yield ("carriers", host, "sipp")


class _Estimates:
    """When things happen, in seconds from the start of all, as far as the scenario tells: the earliest."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._calls = {call.id: call for call in scenario.calls}

    def of(self, moment: Moment, own: str = "") -> float | None:
        """:param own: the call that is meant where the moment names none."""
        call = self._calls.get(moment.call or own)
        if moment.event is None or call is None:
            return moment.delay if moment.event is None else None
        started = self.of(call.start) if call.start.call != call.id else None
        if started is None:
            return None
        answered = started + self._ring(call)
        match moment.event:
            case "started" | "ringing":
                return started + moment.delay
            case "transferred":
                # What another call has to do with it, only the run shows.
                is_own = call.transfer is not None and call.transfer.at.call is None
                return answered + call.transfer.at.delay + moment.delay if call.transfer and is_own else None
            case "answered":
                return answered + moment.delay
            case _:
                ends = [end.at for end in self._ends(call, answered)]
                return min(ends) + moment.delay if ends else None

    def _ring(self, call: Call) -> float:
        if call.ring:
            return call.ring.low
        return min((each.ring.low if each.ring else 0.0 for each in self._behaviours(call)), default=0.0)

    def _behaviours(self, call: Call) -> Iterator[Behaviour]:
        for end in (*self._scenario.carriers.values(), *self._scenario.phones.values()):
            yield from [end.calls[call.id]] if call.id in end.calls else (end, *end.attempts)

    def _ends(self, call: Call, answered: float) -> Iterator[_Due]:
        if call.method != "INVITE" or call.cancel is not None or call.sipp is not None or self._is_refused(call):
            return
        if call.hangup != "never":
            hold = call.hold.low if call.hold else DEFAULT_HOLD
            yield _Due(answered + hold, f"{call.id} is hung up (hold)")
        for each in self._behaviours(call):
            if each.hang_up_after:
                yield _Due(answered + each.hang_up_after.low, f"a carrier hangs up {call.id}")
        limit = _limit(self._scenario, call)
        if limit is not None:
            yield _Due(answered + limit, f"the limit of {call.id}")

    def _is_refused(self, call: Call) -> bool:
        """Whether no end that it may reach answers it: then nothing of it is due behind the answer."""
        hosts = {carrier.host for carrier in self._scenario.given.carriers}
        if self._scenario.phones or not hosts or not hosts <= set(self._scenario.carriers):
            return False
        return all(each.silent or each.absent or each.refuse is not None for each in self._behaviours(call))

    def _over(self, call: Call, answered: float) -> float:
        """When a call is over at the latest, whatever else would end it later."""
        vanishes = call.vanish is not None or any(each.vanish is not None for each in self._behaviours(call))
        if call.hangup == "never" or call.bye != "normal" or vanishes:
            return math.inf
        return answered + (call.hold.high if call.hold else DEFAULT_HOLD)

    def due(self) -> Iterator[_Due]:
        for call in self._scenario.calls:
            answered = self.of(Moment("answered", 0.0, call.id))
            if answered is not None:
                over = self._over(call, answered)
                yield from (end for end in self._ends(call, answered) if end.at <= over)
            moments = [(call.start, f"the start of {call.id}")]
            moments += [(each.at, f"{_article(each.method)} {each.method} of {call.id}") for each in call.reinvite]
            moments += [(each.at, f"a request of {call.id} ({each.method or 'bytes'})") for each in call.requests]
            moments += [(each.at, f"the transfer of {call.id}") for each in (call.transfer,) if each]
            moments += [(each.at, f"{each.who} of {call.id} vanishes") for each in (call.vanish,) if each]
            if call.replaces is not None:
                moments.append((Moment("answered"), f"{call.id} takes the place of {call.replaces}"))
            yield from self._known(moments, call.id)
            for each in self._behaviours(call):
                seconds = [fork.late_answer for fork in each.forks if fork.late_answer is not None]
                yield from self._known(
                    [(Moment("answered", after), f"a second answer to {call.id}") for after in seconds], call.id
                )
                if each.vanish is not None:
                    yield from self._known([(each.vanish, f"the callee of {call.id} vanishes")], call.id)
        for fault in self._scenario.faults:
            yield from self._of_fault(fault)
        yield from self._known([(skip.when, "another skip of the clock") for _, skip in skips_of(self._scenario)], "")

    def _of_fault(self, fault: Fault) -> Iterator[_Due]:
        what = f"a fault of {fault.on}"
        moments = [(each, what) for each in (fault.when, fault.until) if each is not None]
        yield from self._known(moments, "")
        begin = self.of(fault.when) if fault.when else 0.0
        for seconds in (fault.kill, fault.stop, fault.pause, fault.unplug):
            if isinstance(seconds, float) and begin is not None:
                yield _Due(begin + seconds, f"the end of {what}")

    def _known(self, moments: list[tuple[Moment, str]], own: str) -> Iterator[_Due]:
        for moment, what in moments:
            at = self.of(moment, own)
            if at is not None:
                yield _Due(at, what)


def _article(word: str) -> str:
    return "an" if word in ("INVITE", "UPDATE") else "a"


def _limit(scenario: Scenario, call: Call) -> float | None:
    """Seconds that the engine allows a call, where `given` or a fault tells; Kamailio's own word is asked at run."""
    if scenario.given.graphql or scenario.kamailio.config is not None:
        return None
    for fault in scenario.faults:
        said = (fault.set or {}).get("max_available_units")
        if fault.on == "agent" and isinstance(said, int) and fault.path in (None, "authorization"):
            return float(said)
    accounts = {account.account_tag: account for account in scenario.given.accounts}
    caller, number = call.users[0]
    account = accounts.get(call.auth.username if call.auth else caller.partition(";")[0])
    if account is None:
        return None
    linked = [accounts[tag] for tag in account.linked_accounts if tag in accounts]
    limits = [_LONGEST_CALL, *(_paid_for(each, scenario.given, f"sip:{number}@") for each in (account, *linked))]
    return min(limits)


def _paid_for(account: Account, given: Given, destination: str) -> float:
    """Seconds that a prepaid balance pays for, at the rate that the engine takes: that of the longest prefix; of
    several the one in the pricelist whose name comes first, and there the one that was given first."""
    rates = [
        (-len(rate.prefix), pricelist.pricelist_tag, position, rate)
        for pricelist in given.pricelists
        if not account.pricelist_tags or pricelist.pricelist_tag in account.pricelist_tags
        for position, rate in enumerate(pricelist.rates)
        if rate.active
        and destination[:_NINE_CHARACTERS].startswith(rate.prefix)
        and (not account.carrier_tags or rate.carrier_tag in account.carrier_tags)
    ]
    if account.type != "PREPAID" or not rates:
        return _LONGEST_CALL
    *_, rate = min(rates, key=lambda each: each[:3])
    if rate.rate <= 0:
        return _LONGEST_CALL
    return (account.balance - rate.connect_fee) // rate.rate * (rate.rate_increment or 1) + rate.interval_start
