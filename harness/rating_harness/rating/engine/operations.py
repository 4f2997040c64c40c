"""What the agent asks for: authorization, begin, end, rollback and record, on the state and on its journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from rating_harness.rating.engine import timestamps
from rating_harness.rating.engine.accounts import Account, Running
from rating_harness.rating.engine.arithmetic import Incomplete, duration, fee
from rating_harness.rating.engine.calls import Call, CallRequest, Directory
from rating_harness.rating.engine.decision import Decision, Party, Reason, decide
from rating_harness.rating.engine.quirks import ClientError, Policy, Quirk
from rating_harness.rating.engine.rates import Rate
from rating_harness.rating.engine.state import Overflow, State, checked
from rating_harness.rating.engine.tables import merge_statement, new_id

__all__ = ["OperationError", "Operations"]


LARGEST_FEE = 2**31 - 1
"""Fees are the API's Int."""

_AUTHORIZED = merge_statement(
    "source",
    "source_ip",
    "destination",
    "carrier_ip",
    "tags",
    "timestamp_auth",
    "primary",
    "inbound",
    "authorized",
    "unauthorized_reason",
)
_CALLED = merge_statement(
    "source",
    "source_ip",
    "destination",
    "carrier_ip",
    "tags",
    "destination_rate",
    "timestamp_begin",
    "timestamp_end",
    "primary",
    "inbound",
    "duration",
    "fee",
)


class OperationError(ClientError):
    """The real engine fails here with an exception: HTTP 500, or a GraphQL error."""


class Operations:
    """The five operations. Each changes the memory at once and queues what the store must have; the caller waits for
    the commit before it answers."""

    def __init__(self, state: State, policy: Policy) -> None:
        self._state = state
        self._directory = Directory(state)
        self._policy = policy

    def authorize(self, request: CallRequest) -> dict[str, Any]:
        """Decide on a call, and note the decision.

        :return: the answer, with the keys in the contract's order.
        :raises OperationError: where the real engine fails.
        :raises Refused: when the engine is strict and the request relies on a mistake.
        """
        if request.account_tag is None and request.destination_account_tag is None:
            return _answer(request, Decision())
        self._refuse_empty(request)
        call = self._directory.read(request, request.destination)
        refusal = self._refusal(request, call)
        if refusal is not None:
            return _answer(request, refusal)
        try:
            decision = decide(call.outbound, call.inbound, timestamps.now())
        except Incomplete as missing:
            raise OperationError(f"TypeError({str(missing)!r})") from missing
        self._note_authorization(request, call, decision)
        return _answer(request, decision, call)

    def begin(self, request: CallRequest) -> bool:
        """Start to charge a call; neither balance nor limits are looked at."""
        self._refuse_empty(request)
        request = self._directory.restored(request)
        call = self._directory.read(request, request.destination)
        if call.lacks(request) or not call.active:
            return False
        began = _now_unless(request.timestamp_begin)
        for position, party in enumerate(call.outbound):
            self._state.begin(party.account, _entry(request, began, party.rate, primary=position == 0, inbound=False))
        for position, account in enumerate(call.inbound):
            self._state.begin(account, _entry(request, began, None, primary=position == 0, inbound=True))
        return call.named(request)

    def end(self, request: CallRequest) -> bool:
        """Charge a call and record it. An account without such a call ends the work (``Quirk.PARTIAL_END``)."""
        self._refuse_empty(request)
        request = self._directory.restored(request)
        call = self._directory.read(request, None)
        if call.lacks(request):
            return False
        ended = _now_unless(request.timestamp_end)
        outbound = [party.account for party in call.outbound]
        for leg in (outbound, call.inbound):
            for account in (*leg[1:], *leg[:1]):
                entry = account.entry(request.transaction_tag)
                if entry is None or not self._charge(request, account, entry, ended):
                    return False
        return call.named(request)

    def rollback(self, request: CallRequest) -> bool:
        """Forget a call. Linked accounts keep it (``Quirk.PARTIAL_ROLLBACK``)."""
        self._refuse_empty(request)
        request = self._directory.restored(request)
        tags = [tag for tag in (request.account_tag, request.destination_account_tag) if tag is not None]
        dropped = []
        for tag in tags:
            account = self._state.accounts.by_key((request.tenant, tag))
            dropped.append(account is not None and self._state.drop(account, request.transaction_tag))
        return bool(tags) and all(dropped)

    def record(self, request: CallRequest) -> bool:
        """Record a call that was never begun, without charging it (``Quirk.RECORD_KEEPS_BALANCE``).

        :raises OperationError: where the real engine fails.
        """
        self._refuse_empty(request)
        call = self._directory.read(request, request.destination)
        if call.lacks(request) or not call.active:
            return False
        began, ended = _now_unless(request.timestamp_begin), _now_unless(request.timestamp_end)
        for inbound, leg in ((False, call.outbound), (True, [Party(account, None) for account in call.inbound])):
            shown_inbound = inbound and not self._policy.has(Quirk.RECORD_OUTBOUND)
            for position, party in enumerate(leg):
                entry = _entry(request, began, party.rate, primary=position == 0, inbound=shown_inbound)
                tags = self._record_tags(request, party.account)
                if not self._note_call(request, party.account, entry, ended, tags):
                    return False
        return call.named(request)

    # deciding

    def _refusal(self, request: CallRequest, call: Call) -> Decision | None:
        """What can be said before balances and limits are looked at; no record is kept of it."""
        account, called = call.account, call.called
        if request.account_tag:
            if account is None:
                return Decision(reason=Reason.NOT_FOUND, refused_tag=request.account_tag)
            if not account.active:
                return Decision(reason=Reason.NOT_ACTIVE, refused_tag=request.account_tag)
            if request.destination is None:
                self._policy.tolerate(Quirk.NO_DESTINATION, "an account needs a destination", "destination")
                raise OperationError("KeyError('destination_rate')")
            if call.outbound[0].rate is None:
                return Decision(reason=Reason.UNREACHEABLE_DESTINATION, refused_tag=request.account_tag)
        if request.destination_account_tag:
            if called is None:
                return Decision(reason=Reason.NOT_FOUND, refused_tag=request.destination_account_tag)
            if not called.active:
                return Decision(reason=Reason.NOT_ACTIVE, refused_tag=request.destination_account_tag)
        return None

    def _refuse_empty(self, request: CallRequest) -> None:
        if self._policy.strict:
            for name in ("account_tag", "destination_account_tag"):
                if getattr(request, name) == "":
                    self._policy.tolerate(Quirk.EMPTY_TAG, "an account tag is empty", name)

    # recording

    def _note_authorization(self, request: CallRequest, call: Call, decision: Decision) -> None:
        authorized = decision.reason is None
        lost_ip = self._policy.has(Quirk.SOURCE_IP_LOST)
        for account, inbound in ((call.account, False), (call.called, True)):
            if account is None:
                continue
            reason = decision.reason if decision.refused_tag == account.tag else None
            tags = [*(request.tags or ()), *(account.document.get("tags") or ())]
            self._state.store.write(
                _AUTHORIZED,
                (
                    new_id(),
                    request.tenant,
                    request.transaction_tag,
                    account.tag,
                    request.source or "",
                    (request.source if lost_ip else request.source_ip) or "",
                    request.destination or "",
                    request.carrier_ip or "",
                    orjson.dumps(tags).decode() if tags else "[]",
                    _now_unless(request.timestamp_auth),
                    True,
                    inbound,
                    authorized,
                    "" if reason is None or self._policy.has(Quirk.REASON_LOST) else reason.value,
                ),
            )

    def _charge(self, request: CallRequest, account: Account, entry: Running, ended: int) -> bool:
        """Record an entry that ends, take its fee from the balance, and drop all entries with its tag."""
        tags = account.document.get("tags") or ()
        cost = fee(entry.tariff, entry.timestamp_begin, ended)
        try:
            balance = checked((account.balance or 0) - cost)
        except Overflow:
            return False
        if not self._note_call(request, account, entry, ended, tags):
            self._state.end(account, entry, ended)
            return False
        if cost:
            self._state.set_balance(account, balance)
        self._state.drop(account, entry.transaction_tag)
        return True

    def _note_call(
        self, request: CallRequest, account: Account, entry: Running, ended: int, tags: Iterable[str]
    ) -> bool:
        """Record a call; False when its fee is more than the API's integers hold (``Quirk.FEE_OF_32_BITS``)."""
        cost = fee(entry.tariff, entry.timestamp_begin, ended)
        if abs(cost) > LARGEST_FEE:
            return False
        rate = entry.destination_rate
        self._state.store.write(
            _CALLED,
            (
                new_id(),
                request.tenant,
                request.transaction_tag,
                account.tag,
                entry.source,
                entry.source_ip,
                entry.destination,
                entry.carrier_ip,
                orjson.dumps(list(tags)).decode(),
                None if rate is None else orjson.dumps(rate).decode(),
                entry.timestamp_begin,
                ended,
                entry.primary,
                entry.inbound,
                duration(entry.timestamp_begin, ended),
                cost,
            ),
        )
        return True

    def _record_tags(self, request: CallRequest, account: Account) -> list[str]:
        of_account = account.document.get("tags")
        if (request.tags is None or of_account is None) and self._policy.has(Quirk.RECORD_TAGS):
            raise OperationError("TypeError('tags')")
        return [*(request.tags or ()), *(of_account or ())]


def _now_unless(instant: int | None) -> int:
    return timestamps.whole_seconds(timestamps.now()) if instant is None else instant


def _entry(request: CallRequest, began: int, rate: Rate | None, *, primary: bool, inbound: bool) -> Running:
    """The running entry of a request. Absent strings are empty (``Quirk.ABSENT_IS_EMPTY``), and its tags are dropped
    (``Quirk.BEGIN_TAGS_LOST``)."""
    return Running(
        transaction_tag=request.transaction_tag,
        destination=request.destination or "",
        timestamp_begin=began,
        source=request.source or "",
        source_ip=request.source_ip or "",
        carrier_ip=request.carrier_ip or "",
        destination_rate=None if rate is None else rate.snapshot(),
        inbound=inbound,
        primary=primary,
    )


def _answer(request: CallRequest, decision: Decision, call: Call | None = None) -> dict[str, Any]:
    """The answer to an authorization. Against a call, and before one was looked at, the answer says nothing of it."""
    granted = Call() if call is None or decision.reason else call
    return {
        "tenant": request.tenant,
        "transaction_tag": request.transaction_tag,
        "account_tag": request.account_tag,
        "destination_account_tag": request.destination_account_tag,
        "authorized": granted.account is not None,
        "authorized_destination": granted.called is not None,
        "unauthorized_account_tag": decision.refused_tag,
        "unauthorized_reason": decision.reason,
        "max_available_units": decision.units,
        "balance": decision.balance,
        "carriers": granted.routes,
    }
