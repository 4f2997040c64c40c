"""What each call was expected to be, against what its two ends saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rating_harness.checks.model import Case, Finding
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import SipMessage
from rating_harness.scenario.matchers import MISSING, Matcher
from rating_harness.scenario.model import CallExpectation
from rating_harness.scenario.values import duration_text

__all__ = ["check_call", "check_calls"]


def check_calls(case: Case) -> Iterator[Finding]:
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            yield from check_call(case, index, planned.expect, call)


def check_call(case: Case, index: int, expect: CallExpectation, call: Call) -> Iterator[Finding]:
    """One call against what is expected of it.

    :param index: of the call in the scenario.
    """
    return _Expected(case, index, expect, call).findings()


def _text(value: object) -> str:
    return "nothing" if value in (None, MISSING) else str(value)


def _seconds(value: float | None) -> str:
    return "nothing" if value is None else duration_text(round(value, 3))


def _reply(message: SipMessage | None) -> str:
    return "no final reply" if message is None else f"{message.status} {message.reason}"


class _Expected:
    def __init__(self, case: Case, index: int, expect: CallExpectation, call: Call) -> None:
        self._case = case
        self._index = index
        self._expect = expect
        self._call = call

    def findings(self) -> Iterator[Finding]:
        expect, call = self._expect, self._call
        if expect.reply is not None:
            yield from self._reply(expect.reply.code, expect.reply.reason, "reply")
        if expect.reason is not None:
            yield from self._reply(None, expect.reason, "reason")
        if expect.provisional is not None:
            seen = call.provisional if 100 in expect.provisional else tuple(c for c in call.provisional if c != 100)
            if seen != expect.provisional:
                yield self._finding("provisional", "other provisional replies", expect.provisional, seen)
        for name, matcher in expect.headers.items():
            value = call.final.header(name) if call.final else None
            if not matcher.matches(MISSING if value is None else value):
                yield self._finding("headers", f"header {name} of the final reply", matcher, _text(value), name)
        yield from self._end()
        yield from self._way()
        if expect.setup is not None and not expect.setup.matches(call.setup):
            yield self._finding("setup", "set-up time", expect.setup, _seconds(call.setup))

    def _reply(self, code: Matcher | None, reason: Matcher | None, key: str) -> Iterator[Finding]:
        final = self._call.final
        status = MISSING if final is None else final.status
        if (code is None or code.matches(status)) and (
            reason is None or (final is not None and reason.matches(final.reason))
        ):
            return
        wanted = " ".join(str(part) for part in (code, reason) if part is not None)
        yield replace(
            self._finding(key, "another final reply to the caller", wanted, _reply(final)), hint=self._unrated()
        )

    def _unrated(self) -> str:
        """What to do where the engine knew no price for what Kamailio asked for."""
        for exchange in self._case.exchanges(self._call, "authorization"):
            if exchange.answer("unauthorized_reason") == "UNREACHABLE_DESTINATION":
                destination = str(exchange.requested("destination"))
                return f'no rate has a prefix of {destination}; "{destination[:6]}" would be one'
        return ""

    def _end(self) -> Iterator[Finding]:
        expect, call = self._expect, self._call
        if expect.ended_by is not None and (call.ended_by or "nobody") != expect.ended_by:
            yield self._finding("ended_by", "who ended the call", expect.ended_by, self._who_ended())
        elif expect.ended_by == "kamailio":
            for side in ("caller", "callee"):
                gone = self._vanished() == side
                if not gone and call.bye_received_by(side) is None:
                    yield self._finding("ended_by", f"the {side} got no BYE", "BYE to both sides", "no BYE")
        if expect.duration is not None and not expect.duration.matches(call.duration):
            yield self._finding("duration", "the call's length", expect.duration, self._length())
        if expect.bye_reason is not None:
            for bye in call.byes:
                value = bye.header("Reason")
                if bye.direction == "received" and not expect.bye_reason.matches(MISSING if value is None else value):
                    yield self._finding(
                        "bye_reason", f"Reason of the BYE to {bye.host}", expect.bye_reason, _text(value)
                    )
            if not call.byes:
                yield self._finding("bye_reason", "Reason of the BYE", expect.bye_reason, "no BYE")
        for key, methods in (("bye_reply", ("BYE",)), ("reinvite_reply", ("INVITE", "UPDATE"))):
            matcher: Matcher | None = getattr(expect, key)
            if matcher is not None:
                yield from self._replies_within(key, matcher, methods)

    def _replies_within(self, key: str, matcher: Matcher, methods: tuple[str, ...]) -> Iterator[Finding]:
        """Of requests inside the dialog that either side sent."""
        call = self._call
        sent = [
            m
            for m in call.messages
            if m.is_request and m.direction == "sent" and m.method in methods and "tag=" in (m.header("To") or "")
        ]
        for request in {(m.host, m.cseq): m for m in sent}.values():
            reply = next(
                (
                    m
                    for m in call.messages
                    if m.host == request.host
                    and m.direction == "received"
                    and m.method == request.method
                    and m.cseq == request.cseq
                    and m.is_final
                ),
                None,
            )
            if not matcher.matches(MISSING if reply is None else reply.status):
                yield self._finding(key, f"reply to {request.method} (CSeq {request.cseq})", matcher, _reply(reply))
        if not sent:
            yield self._finding(key, f"reply to {' or '.join(methods)}", matcher, "no such request was sent")

    def _way(self) -> Iterator[Finding]:
        expect, call = self._expect, self._call
        if expect.carrier is not None:
            host = call.answered_by
            if not expect.carrier.matches(MISSING if host is None else host):
                yield self._finding("carrier", "another carrier answered", expect.carrier, _text(host))
        if expect.carriers is not None and call.tried != expect.carriers:
            yield self._finding(
                "carriers", "other carriers were tried, or in another order", expect.carriers, call.tried
            )
        arrived = next((m for m in call.carriers if m.is_request and m.method == "INVITE"), None)
        if expect.source is not None:
            seen = _uri(arrived.header("From")) if arrived else None
            if not expect.source.matches(MISSING if seen is None else seen):
                yield self._finding("source", "From URI at the carrier", expect.source, _text(seen))
        if expect.destination is not None:
            seen = arrived.uri if arrived else None
            if not expect.destination.matches(MISSING if seen is None else seen):
                yield self._finding("destination", "Request URI at the carrier", expect.destination, _text(seen))

    def _vanished(self) -> str | None:
        vanish = self._case.scenario.calls[self._index].vanish
        return vanish.who if vanish else None

    def _who_ended(self) -> str:
        return self._call.ended_by or (
            "nobody: no BYE was seen" if self._call.answered else "nobody: it wasn't answered"
        )

    def _length(self) -> str:
        if self._call.answered is None:
            return "it wasn't answered"
        return _seconds(self._call.duration) if self._call.byes else "no BYE was seen"

    def _finding(self, key: str, message: str, expected: object, seen: object, *within: str | int) -> Finding:
        path: tuple[str | int, ...] = ("calls", self._index, "expect", key, *within)
        several = f" {self._call.index}" if len(self._case.of(self._call.id)) > 1 else ""
        return Finding(
            check=f"calls[{self._index}].expect.{key}",
            message=f"call {self._call.id}{several}: {message}",
            expected=_listed(expected),
            seen=_listed(seen),
            where=self._case.scenario.where(*path),
            call_id=self._call.call_id,
        )


def _listed(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _uri(header: str | None) -> str | None:
    """The URI of a From or To header (RFC 3261 section 20.10)."""
    if header is None:
        return None
    before, bracket, rest = header.partition("<")
    return rest.partition(">")[0] if bracket else before.partition(";")[0].strip()
