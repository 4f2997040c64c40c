"""What the agent asks for: authorization, begin, end, rollback and record, on the book and on its journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import orjson

from harness.rating.engine import timestamps
from harness.rating.engine.accounts import Account, Running
from harness.rating.engine.arithmetic import Incomplete, duration, fee
from harness.rating.engine.book import Book, Overflow, checked
from harness.rating.engine.decision import Decision, Party, Reason, decide
from harness.rating.engine.quirks import Policy, Quirk
from harness.rating.engine.rates import Rate
from harness.rating.engine.tables import Equals, Order, merge_statement

__all__ = ["CallRequest", "Fault", "Ledger"]


class Fault(Exception):
    """The real engine fails here with an exception: HTTP 500, or a GraphQL error."""


@dataclass(slots=True)
class CallRequest:
    """A request to the agent. Instants in milliseconds, and in whole seconds."""

    transaction_tag: str
    tenant: str = "default"
    account_tag: str | None = None
    destination_account_tag: str | None = None
    source: str | None = None
    source_ip: str | None = None
    destination: str | None = None
    carrier_ip: str | None = None
    tags: list[str] | None = None
    timestamp_auth: int | None = None
    timestamp_begin: int | None = None
    timestamp_end: int | None = None


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


LARGEST_FEE = 2**31 - 1
"""Fees are the API's Int."""


class Dangling(Exception):
    """A record refers to one that doesn't exist."""


@dataclass(slots=True)
class Call:
    """The accounts of a call: the caller's and the called one, each first among its linked accounts."""

    account: Account | None = None
    called: Account | None = None
    outbound: list[Party] = field(default_factory=list)
    inbound: list[Account] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)

    @property
    def active(self) -> bool:
        return all(account is None or account.active for account in (self.account, self.called))

    @staticmethod
    def named(request: CallRequest) -> bool:
        """Whether the request names an account; an empty tag is a name (``Quirk.EMPTY_TAG``)."""
        return request.account_tag is not None or request.destination_account_tag is not None

    def lacks(self, request: CallRequest) -> bool:
        """Whether the request names an account that doesn't exist."""
        return bool(
            (request.account_tag and self.account is None)
            or (request.destination_account_tag and self.called is None)
        )


class Ledger:
    """The five operations. Each changes the memory at once and queues what the store must have; the caller waits for
    the commit before it answers."""

    def __init__(self, book: Book, policy: Policy) -> None:
        self._book = book
        self._policy = policy

    def authorize(self, request: CallRequest) -> dict[str, Any]:
        """Decide on a call, and note the decision.

        :return: the answer, with the keys in the contract's order.
        :raises Fault: where the real engine fails.
        :raises Refused: when the engine is strict and the request relies on a mistake.
        """
        if request.account_tag is None and request.destination_account_tag is None:
            return _answer(request, Decision())
        if self._policy.strict:
            self._refuse(request)
        call = self._read(request, request.destination)
        refusal = self._refusal(request, call)
        if refusal is not None:
            return _answer(request, refusal)
        try:
            decision = decide(call.outbound, call.inbound, timestamps.now())
        except Incomplete as missing:
            raise Fault(f"TypeError({str(missing)!r})") from missing
        self._note_authorization(request, call, decision)
        return _answer(request, decision, call)

    def begin(self, request: CallRequest) -> bool:
        """Start to charge a call; neither balance nor limits are looked at."""
        request = self._restored(request)
        call = self._read(request, request.destination)
        if call.lacks(request) or not call.active:
            return False
        began = _now_unless(request.timestamp_begin)
        for position, party in enumerate(call.outbound):
            self._book.begin(party.account, _entry(request, began, party.rate, primary=position == 0, inbound=False))
        for position, account in enumerate(call.inbound):
            self._book.begin(account, _entry(request, began, None, primary=position == 0, inbound=True))
        return call.named(request)

    def end(self, request: CallRequest) -> bool:
        """Charge a call and record it. An account without such a call ends the work (``Quirk.PARTIAL_END``)."""
        request = self._restored(request)
        call = self._read(request, None)
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
        request = self._restored(request)
        tags = [tag for tag in (request.account_tag, request.destination_account_tag) if tag is not None]
        dropped = []
        for tag in tags:
            account = self._book.accounts.by_key((request.tenant, tag))
            dropped.append(account is not None and self._book.drop(account, request.transaction_tag))
        return bool(tags) and all(dropped)

    def record(self, request: CallRequest) -> bool:
        """Record a call that was never begun, without charging it (``Quirk.RECORD_KEEPS_BALANCE``).

        :raises Fault: where the real engine fails.
        """
        call = self._read(request, request.destination)
        if call.lacks(request) or not call.active:
            return False
        began, ended = _now_unless(request.timestamp_begin), _now_unless(request.timestamp_end)
        legs = (call.outbound, [Party(account, None) for account in call.inbound])
        for position, party, inbound in (
            (position, party, inbound) for inbound, leg in enumerate(legs) for position, party in enumerate(leg)
        ):
            entry = _entry(request, began, party.rate, primary=position == 0, inbound=False)
            if not self._policy.has(Quirk.RECORD_OUTBOUND):
                entry.inbound = bool(inbound)
            if not self._note_call(request, party.account, entry, ended, self._record_tags(request, party.account)):
                return False
        return call.named(request)

    # reading

    def _read(self, request: CallRequest, destination: str | None) -> Call:
        """The accounts of a call, with rates and routes when there is a destination. Whatever dangles makes all of it
        absent (``Quirk.DANGLING_IS_NOT_FOUND``)."""
        call = Call()
        try:
            if request.account_tag:
                account = call.account = self._account(request.tenant, request.account_tag)
                if account is not None:
                    members = self._with_linked(request.tenant, account)
                    if destination is None:
                        call.outbound = [Party(member, None) for member in members]
                    else:
                        call.outbound = [
                            Party(member, self._rate(request.tenant, member, destination)) for member in members
                        ]
                        call.routes = self._routes(request.tenant, account, destination)
            if request.destination_account_tag:
                called = call.called = self._account(request.tenant, request.destination_account_tag)
                if called is not None:
                    call.inbound = self._with_linked(request.tenant, called)
        except (Dangling, Incomplete):
            return Call()
        return call

    def _account(self, tenant: str, tag: str) -> Account | None:
        account = self._book.accounts.keys.get((tenant, tag))
        if account is not None:
            customer = account.document.get("customer_tag")
            if customer and (tenant, customer) not in self._book.others["Customer"].keys:
                raise Dangling(customer)
        return account

    def _with_linked(self, tenant: str, account: Account) -> list[Account]:
        """The account and its linked accounts by tag; ghosts are skipped (``Quirk.LINKED_GHOSTS``)."""
        if not account.linked:
            return [account]
        keys = self._book.accounts.keys
        return [account, *(keys[tenant, tag] for tag in account.linked if (tenant, tag) in keys)]

    def _rate(self, tenant: str, account: Account, destination: str) -> Rate | None:
        book = self._book
        rate = book.rates.charged(tenant, destination, account.rated_pricelists, account.rated_carriers)
        if rate is not None and (
            (tenant, rate.carrier_tag) not in book.carriers.keys
            or (tenant, rate.pricelist_tag) not in book.pricelists.keys
        ):
            raise Dangling(rate.prefix)
        return rate

    def _routes(self, tenant: str, account: Account, destination: str) -> list[str]:
        """The carriers by cost, as ``PROTOCOL:host:port``; deleted ones are left out (``Quirk.DELETED_CARRIERS``),
        inactive ones are not (``Quirk.INACTIVE_CARRIERS``)."""
        keys = self._book.carriers.keys
        routes = []
        for rate in self._book.rates.by_cost(tenant, destination, account.carriers):
            carrier = keys.get((tenant, rate.carrier_tag))
            if carrier is not None:
                get = carrier.document.get
                routes.append(f"{get('protocol')}:{get('host')}:{get('port')}")
        return routes

    def _restored(self, request: CallRequest) -> CallRequest:
        """The request, with the accounts of the authorization records when it names none. The last record decides
        which leg it is (``Quirk.LAST_LEG_RESTORED``)."""
        if request.account_tag is not None or request.destination_account_tag is not None:
            return request
        criteria = [
            Equals("tenant", request.tenant),
            Equals("transaction_tag", request.transaction_tag),
            Equals("primary", True),
        ]
        records = [record.document for record in self._book.transactions.select(criteria, Order("id"))]
        if not records:
            return request
        first, last = records[0], records[-1]
        return replace(
            request,
            account_tag=None if last["inbound"] else last["account_tag"],
            destination_account_tag=last["account_tag"] if last["inbound"] else None,
            source=first["source"],
            source_ip=first["source_ip"],
            destination=first["destination"],
            carrier_ip=first["carrier_ip"],
        )

    # deciding

    @staticmethod
    def _refusal(request: CallRequest, call: Call) -> Decision | None:
        """What can be said before balances and limits are looked at; no record is kept of it."""
        account, called = call.account, call.called
        if request.account_tag:
            if account is None:
                return Decision(reason=Reason.NOT_FOUND, refused_tag=request.account_tag)
            if not account.active:
                return Decision(reason=Reason.NOT_ACTIVE, refused_tag=request.account_tag)
            if request.destination is None:
                raise Fault("KeyError('destination_rate')")  # Quirk.NO_DESTINATION
            if call.outbound[0].rate is None:
                return Decision(reason=Reason.UNREACHEABLE_DESTINATION, refused_tag=request.account_tag)
        if request.destination_account_tag:
            if called is None:
                return Decision(reason=Reason.NOT_FOUND, refused_tag=request.destination_account_tag)
            if not called.active:
                return Decision(reason=Reason.NOT_ACTIVE, refused_tag=request.destination_account_tag)
        return None

    def _refuse(self, request: CallRequest) -> None:
        for name in ("account_tag", "destination_account_tag"):
            if getattr(request, name) == "":
                self._policy.tolerate(Quirk.EMPTY_TAG, "an account tag is empty", name)
        if request.account_tag and request.destination is None:
            self._policy.tolerate(Quirk.NO_DESTINATION, "an account needs a destination", "destination")

    # recording

    def _note_authorization(self, request: CallRequest, call: Call, decision: Decision) -> None:
        authorized = decision.reason is None
        lost_ip = self._policy.has(Quirk.SOURCE_IP_LOST)
        for account, inbound in ((call.account, False), (call.called, True)):
            if account is None:
                continue
            reason = decision.reason if decision.refused_tag == account.tag else None
            tags = [*(request.tags or ()), *(account.document.get("tags") or ())]
            self._book.store.write(
                _AUTHORIZED,
                (
                    str(uuid4()),
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
            self._book.end(account, entry, ended)
            return False
        if cost:
            self._book.set_balance(account, balance)
        self._book.drop(account, entry.transaction_tag)
        return True

    def _note_call(
        self, request: CallRequest, account: Account, entry: Running, ended: int, tags: Iterable[str]
    ) -> bool:
        """Record a call; False when its fee is more than the API's integers hold (``Quirk.FEE_OF_32_BITS``)."""
        cost = fee(entry.tariff, entry.timestamp_begin, ended)
        if abs(cost) > LARGEST_FEE:
            return False
        rate = entry.destination_rate
        self._book.store.write(
            _CALLED,
            (
                str(uuid4()),
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
            raise Fault("TypeError('tags')")
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
    """The answer to an authorization; of a decision before a call was looked at, or against it, nothing is told."""
    granted = call is not None and decision.reason is None
    return {
        "tenant": request.tenant,
        "transaction_tag": request.transaction_tag,
        "account_tag": request.account_tag,
        "destination_account_tag": request.destination_account_tag,
        "authorized": granted and call is not None and call.account is not None,
        "authorized_destination": granted and call is not None and call.called is not None,
        "unauthorized_account_tag": decision.refused_tag,
        "unauthorized_reason": decision.reason,
        "max_available_units": decision.units,
        "balance": decision.balance,
        "carriers": call.routes if granted and call is not None else [],
    }
