"""What a check is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from rating_harness.contract import CONTRACT, is_true
from rating_harness.errors import Location
from rating_harness.evidence.calls import Call, calls_of
from rating_harness.evidence.model import Evidence, Exchange, SipMessage
from rating_harness.scenario.model import Scenario

__all__ = ["AnswerTo", "Case", "Finding", "Shown", "Verdict", "broken", "unmet"]

_FIELD = CONTRACT.fields

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AnswerTo:
    """The agent's answer, where a finding is on it and not on the request."""

    exchange: Exchange


Shown = SipMessage | Exchange | AnswerTo
"""What a finding may be on: a SIP message, a request to the agent, or its answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that isn't as it should be.

    :param check: the invariant's name, or the path of the expectation (``calls[0].expect.reply``).
    :param where: the line of the expectation, or of the call.
    :param call_id: the call that shows it, if it is one.
    :param expected, seen: short texts, to be read one above the other.
    :param shown_by: the message that shows it, if it is one: a ladder marks it.
    :param consequences: findings that follow from this one, and would not be without it.
    """

    check: str
    message: str
    expected: str
    seen: str
    where: Location
    call_id: str | None = None
    hint: str = ""
    shown_by: Shown | None = field(default=None, hash=False)
    consequences: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}", f"  expected: {self.expected}", f"  seen:     {self.seen}"]
        lines += [f"  hint:     {self.hint}"] * bool(self.hint)
        return "\n".join((*lines, *(f"  and so:   {each.message}: {each.seen}" for each in self.consequences)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings on one run, those that follow from another under that. Without any, it passed.

    :param unchecked: names of checks that could not be made here -> why.
    """

    scenario: str
    findings: tuple[Finding, ...]
    unchecked: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.findings


class Case:
    """A scenario and what was observed of it: what every check is given."""

    def __init__(self, scenario: Scenario, evidence: Evidence) -> None:
        self.scenario = scenario
        self.evidence = evidence
        self.calls = calls_of(evidence)
        self._by_tag: dict[str, list[Exchange]] = {}
        for exchange in evidence.exchanges:
            self._by_tag.setdefault(str(exchange.requested(_FIELD.call)), []).append(exchange)
        self._kept: dict[tuple[str, str], Any] = {}
        self._of: dict[str, list[Call]] = {}
        for call in self.calls:
            self._of.setdefault(call.id, []).append(call)
        self._records: dict[str, list[Mapping[str, Any]]] = {}
        for record in evidence.after.transactions if evidence.after else ():
            self._records.setdefault(str(record.get(_FIELD.call)), []).append(record)

    @property
    def counts_failures(self) -> bool:
        """Whether calls that differ are counted, and judged by their number: under load always."""
        return self.scenario.load is not None or self.scenario.expect.failures is not None

    @cached_property
    def was_restarted(self) -> bool:
        """Whether Kamailio was stopped and started on purpose, so that it may have forgotten what it was doing."""
        return any(service.restarts for service in self.evidence.services)

    @cached_property
    def callers(self) -> frozenset[str]:
        """Hosts that make calls."""
        return frozenset(result.host for result in self.evidence.sipp if result.role != "carrier")

    @cached_property
    def callees(self) -> frozenset[str]:
        """Hosts of carriers and phones."""
        scenario = self.scenario
        return frozenset((*(each.host for each in scenario.given.carriers), *scenario.carriers, *scenario.phones))

    def once(self, call: Call, work: Callable[[Call], T]) -> T:
        """What a function makes of a call, which several checks ask for."""
        key = (work.__qualname__, call.call_id)
        if key not in self._kept:
            self._kept[key] = work(call)
        return cast("T", self._kept[key])

    def of(self, call_id: str) -> tuple[Call, ...]:
        """The calls with that id in the scenario: its repetitions."""
        return tuple(self._of.get(call_id, ()))

    def records(self, call: Call) -> Sequence[Mapping[str, Any]]:
        """The engine's records of a call, after all of them; empty when they were never read."""
        return self._records.get(call.call_id, ())

    def exchanges(self, call: Call, kind: str | None = None) -> tuple[Exchange, ...]:
        """The agent's exchanges about a call; ``kind`` is the path's last segment."""
        found = self._by_tag.get(call.call_id, ())
        return tuple(exchange for exchange in found if kind is None or exchange.kind == kind)

    def strangers(self) -> tuple[Exchange, ...]:
        """Exchanges about no call of the scenario."""
        known = {call.call_id for call in self.calls}
        return tuple(each for tag, found in self._by_tag.items() if tag not in known for each in found)

    @cached_property
    def strange_records(self) -> tuple[Mapping[str, Any], ...]:
        """Records of no call of the scenario, of which nothing was asked of the agent."""
        known = {call.call_id for call in self.calls} | self._by_tag.keys()
        return tuple(each for tag, found in self._records.items() if tag not in known for each in found)

    def first_authorization(self, call: Call) -> Exchange | None:
        """The request that asked for a call; None where nothing did."""
        return next(iter(self.exchanges(call, CONTRACT.paths.authorization)), None)

    def is_authorised(self, call: Call) -> bool:
        """Whether the agent let the call go out: with a yes for each account that the request names."""
        return any(_is_yes(exchange) for exchange in self.exchanges(call, CONTRACT.paths.authorization))

    def authorised(self, call: Call) -> float:
        """When the first request that let the call go out reached the agent, in Unix seconds; there has to be one."""
        authorizations = self.exchanges(call, CONTRACT.paths.authorization)
        return min(each.received for each in authorizations if _is_yes(each))

    def accepted(self, call: Call, kind: str) -> tuple[Exchange, ...]:
        """Those that Kamailio takes for accepted: answered ``ok`` with status 200."""
        return tuple(e for e in self.exchanges(call, kind) if e.status == 200 and is_true(e.answer(_FIELD.ok)))


def _is_yes(authorization: Exchange) -> bool:
    callee = authorization.requested(_FIELD.called_account)
    if callee is not None and not is_true(authorization.answer(_FIELD.called_authorized)):
        return False
    has_payer = callee is None or authorization.requested(_FIELD.account) is not None
    return not has_payer or is_true(authorization.answer(_FIELD.authorized))


def broken(
    case: Case,
    name: str,
    message: str,
    expected: str,
    seen: str,
    *,
    call: Call | None = None,
    index: int | None = None,
    hint: str = "",
    shown_by: Shown | None = None,
) -> Finding:
    """An invariant that doesn't hold, in the call with that index, or in the whole scenario."""
    where = case.scenario.where("calls", index) if index is not None else case.scenario.where("scenario")
    return Finding(
        check=f"always: {name}",
        message=message,
        expected=expected,
        seen=seen,
        where=where,
        call_id=call.call_id if call else None,
        hint=hint,
        shown_by=shown_by,
    )


def unmet(
    case: Case,
    path: Sequence[str | int],
    message: str,
    expected: str,
    seen: str,
    *,
    within: Sequence[str | int] = (),
    call: Call | None = None,
    hint: str = "",
    shown_by: Shown | None = None,
) -> Finding:
    """An expectation that isn't met.

    :param path: of the expectation in the scenario: ``("expect", "transactions", 0, "fee")``.
    :param within: of the very value below it, where the expectation is a mapping.
    """
    return Finding(
        check=_name(path),
        message=message,
        expected=expected,
        seen=seen,
        where=case.scenario.where(*path, *within),
        call_id=call.call_id if call else None,
        hint=hint,
        shown_by=shown_by,
    )


def _name(path: Sequence[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
