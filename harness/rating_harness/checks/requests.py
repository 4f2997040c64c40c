"""What Kamailio asked the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rating_harness.checks.call_ends import answer_of, off
from rating_harness.checks.format import field, shown
from rating_harness.checks.model import AnswerTo, Case, Finding, Shown, broken, unmet
from rating_harness.contract import CONTRACT
from rating_harness.evidence.calls import Call
from rating_harness.evidence.headers import MalformedHeader, is_same_number, parse_address, user_of
from rating_harness.evidence.model import Exchange, SipMessage
from rating_harness.scenario.matchers import MISSING, Matcher
from rating_harness.scenario.model import RequestExpectation

__all__ = ["check_requests", "requests_are_as_agreed", "requests_are_of_the_call"]

_PATHS = CONTRACT.paths.by_word
_SHORT = 100


@dataclass(frozen=True, slots=True)
class _Judged:
    """An expectation, and the requests that it's about: those of a call, or of them all."""

    case: Case
    index: int
    expect: RequestExpectation
    call: Call | None
    exchanges: Sequence[Exchange]

    @property
    def meant(self) -> Sequence[Exchange]:
        kind = _PATHS[self.expect.path] if self.expect.path else None
        return [exchange for exchange in self.exchanges if kind is None or exchange.kind == kind]

    @property
    def what(self) -> str:
        kind = f"{self.expect.path} requests" if self.expect.path else "requests"
        return f"{kind} of call {self.call.id}" if self.call else kind

    def finding(
        self, key: str, message: str, expected: str, seen: str, *within: str, shown_by: Shown | None = None
    ) -> Finding:
        path: tuple[str | int, ...] = ("expect", "requests", self.index, key, *within)
        return unmet(self.case, path, message, expected, seen, call=self.call, shown_by=shown_by)


def requests_are_as_agreed(case: Case) -> Iterator[Finding]:
    """Each request of Kamailio's has the interface's method, path and content type, and a JSON object.

    Of an engine's own it's one that the engine's file recognises.
    """
    reported: set[tuple[str, str]] = set()
    for exchange in case.evidence.exchanges:
        for what, expected, seen in _disagreements(exchange):
            if (what, seen) not in reported:
                reported.add((what, seen))
                yield broken(case, "requests", f"{what} of {exchange.kind}", expected, seen, shown_by=exchange)


def _disagreements(exchange: Exchange) -> Iterator[tuple[str, str, str]]:
    agreed = CONTRACT.paths
    if exchange.is_translated:
        return
    target = f"{exchange.path}?{exchange.query}" if exchange.query else exchange.path
    if exchange.untranslated and exchange.path not in agreed.all:
        yield "path", exchange.untranslated, f"{exchange.method} {target}"
        return
    if exchange.path not in agreed.all or exchange.query:
        yield "path", f"{agreed.prefix} and one of {', '.join(agreed.by_word.values())}", target
    if exchange.method != agreed.method:
        yield "method", agreed.method, exchange.method
    content_type = exchange.header("Content-Type")
    if (content_type or "").partition(";")[0].strip().lower() != agreed.content_type:
        yield "Content-Type", agreed.content_type, content_type or "none"
    if not isinstance(exchange.request, dict):
        yield "body", "a JSON object", str(exchange.request)[:_SHORT]


def requests_are_of_the_call(case: Case) -> Iterator[Finding]:
    """Each names the caller that the call has; the first of them the number that is called, and the account that
    calls; begin and end name the second in which it was answered.

    What a record has from the begin is judged there (`records_are_the_calls`), and that begin and end name what was
    authorised in `begin_and_end`.
    """
    fields, paths = CONTRACT.fields, CONTRACT.paths
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            yield from _called(case, call, index)
            yield from _charged(case, call, index)
            for exchange in case.exchanges(call):
                source, caller = exchange.requested(fields.source), _caller(call)
                if isinstance(source, str) and caller is not None and source.lower() not in _ways_to_write(caller):
                    what = f"call {call.id}: {fields.source} in {exchange.kind}"
                    wanted = f"{caller}, as From has it"
                    yield broken(case, "requests", what, wanted, source, call=call, index=index, shown_by=exchange)
                began = exchange.requested(fields.began_at)
                is_judged = exchange.kind == paths.end or (exchange.kind == paths.begin and not case.records(call))
                if (
                    is_judged
                    and type(began) in (int, float)
                    and call.answered is not None
                    and off(began, answer_of(call))
                ):
                    what = f"call {call.id}: {fields.began_at} in {exchange.kind}"
                    wanted = f"{call.answered:.0f}, when it was answered"
                    yield broken(
                        case, "requests", what, wanted, str(began), call=call, index=index, shown_by=exchange
                    )


def _called(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """The number that is rated is the one that the caller wants, or that the carrier gets."""
    asked = case.first_authorization(call)
    destination = asked.requested(CONTRACT.fields.destination) if asked else None
    if asked is None or call.invite is None or not isinstance(destination, str):
        return
    wanted = [call.invite.uri, _address(call.invite, "To")]
    got = [m.uri for m in call.carriers if m.is_request and m.method == "INVITE" and m.direction == "received"]
    if any(is_same_number(destination, uri) for uri in (*wanted, *got) if uri is not None):
        return
    what = f"call {call.id}: {CONTRACT.fields.destination} in {asked.kind}"
    expected = f"{call.invite.uri}, which the caller wants"
    yield broken(case, "requests", what, expected, destination, call=call, index=index, shown_by=asked)


def _charged(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """The account of a caller who has one, unless the INVITE names another, or that is linked to it."""
    asked = case.first_authorization(call)
    account = asked.requested(CONTRACT.fields.account) if asked else None
    caller, accounts = _caller(call), {each.account_tag: each for each in case.scenario.given.accounts}
    own = user_of(caller) if caller else ""
    if asked is None or call.invite is None or own not in accounts or account not in accounts or account == own:
        return
    linked = account in accounts[own].linked_accounts or own in accounts[account].linked_accounts
    if linked or any(account in value for _, value in call.invite.headers):
        return
    what = f"call {call.id}: {CONTRACT.fields.account} in {asked.kind}"
    wanted = f"{own}, who calls"
    yield broken(case, "requests", what, wanted, account, call=call, index=index, shown_by=asked)


def _ways_to_write(uri: str) -> frozenset[str]:
    """A URI in small letters as it stands, without its parameters, without its scheme, and its user part alone."""
    bare = uri.lower().partition(";")[0]
    rest = bare.partition(":")[2]
    return frozenset({uri.lower(), bare, rest, rest.rpartition("@")[0] or rest}) - {""}


def _address(message: SipMessage, name: str) -> str | None:
    value = message.header(name)
    try:
        return parse_address(value).uri if value else None
    except MalformedHeader:
        return None


def _caller(call: Call) -> str | None:
    """The URI in From of its INVITE; None where that wasn't seen, or is no address."""
    return _address(call.invite, "From") if call.invite else None


def check_requests(case: Case) -> Iterator[Finding]:
    """The agent's requests, of each call that is meant; of all together where no call is.

    ``count`` is of all repetitions of a call together, everything else of each of them.
    """
    for index, expect in enumerate(case.scenario.expect.requests):
        if expect.call is None:
            several = [_Judged(case, index, expect, None, case.evidence.exchanges)]
        else:
            several = [_Judged(case, index, expect, call, case.exchanges(call)) for call in case.of(expect.call)]
        for judged in several:
            yield from _order(judged)
            yield from _absence(judged) if expect.absent else _each(judged)
        if not expect.absent and expect.count is not None:
            yield from _count(several, expect.count)


def _absence(judged: _Judged) -> Iterator[Finding]:
    """No request is as all the rest says."""
    found = [each for each in judged.meant if not any(_fields(judged, each)) and not any(_status(judged, each))]
    if found:
        yield judged.finding("absent", judged.what, "none", _kinds(found), shown_by=found[0])


def _each(judged: _Judged) -> Iterator[Finding]:
    if not judged.meant and judged.expect.count is None and judged.expect.order is None:
        yield judged.finding("count", f"number of {judged.what}", "at least 1", "none")
    for exchange in judged.meant:
        yield from _fields(judged, exchange)
        yield from _status(judged, exchange)


def _count(several: Sequence[_Judged], number: Matcher) -> Iterator[Finding]:
    meant = [exchange for judged in several for exchange in judged.meant]
    if several and not number.matches(len(meant)):
        first = several[0]
        yield first.finding("count", f"number of {first.what}", str(number), _kinds(meant))


def _order(judged: _Judged) -> Iterator[Finding]:
    if judged.expect.order is None:
        return
    wanted = [_PATHS[path] for path in judged.expect.order]
    seen = [exchange.kind for exchange in judged.exchanges]
    if wanted != seen:
        odd = next(
            (each for each, kind in zip_longest(judged.exchanges, wanted) if not each or each.kind != kind), None
        )
        order = ", ".join(seen) or "none"
        yield judged.finding("order", f"order of the {judged.what}", ", ".join(wanted), order, shown_by=odd)


def _fields(judged: _Judged, exchange: Exchange) -> Iterator[Finding]:
    body = exchange.request if isinstance(exchange.request, dict) else {}
    for name, matcher in judged.expect.fields.items():
        value = field(body, name)
        if not matcher.matches(value):
            what = f"{name} in {exchange.kind}"
            yield judged.finding("fields", what, str(matcher), shown(value), name, shown_by=exchange)


def _status(judged: _Judged, exchange: Exchange) -> Iterator[Finding]:
    matcher, status = judged.expect.status, exchange.status
    if matcher is not None and not matcher.matches(MISSING if status is None else status):
        seen = str(status or "no answer")
        yield judged.finding("status", f"status of {exchange.kind}", str(matcher), seen, shown_by=AnswerTo(exchange))


def _kinds(exchanges: Sequence[Exchange]) -> str:
    return f"{len(exchanges)}: {', '.join(exchange.kind for exchange in exchanges[:6])}" if exchanges else "none"
