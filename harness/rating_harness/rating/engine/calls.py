"""What a request of the agent asks for, and who takes part in the call it speaks of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rating_harness.rating.engine.accounts import Account
from rating_harness.rating.engine.arithmetic import Incomplete
from rating_harness.rating.engine.decision import Party
from rating_harness.rating.engine.rates import Rate
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.tables import Equals, Order

__all__ = ["Call", "CallRequest", "Directory"]


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


class Directory:
    """Finds in the state who takes part in a call, at what rate, and over which carriers."""

    def __init__(self, state: State) -> None:
        self._state = state

    def read(self, request: CallRequest, destination: str | None) -> Call:
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
        account = self._state.accounts.keys.get((tenant, tag))
        if account is not None:
            customer = account.document.get("customer_tag")
            if customer and (tenant, customer) not in self._state.others["Customer"].keys:
                raise Dangling(customer)
        return account

    def _with_linked(self, tenant: str, account: Account) -> list[Account]:
        """The account and its linked accounts by tag; ghosts are skipped (``Quirk.LINKED_GHOSTS``)."""
        if not account.linked:
            return [account]
        keys = self._state.accounts.keys
        return [account, *(keys[tenant, tag] for tag in account.linked if (tenant, tag) in keys)]

    def _rate(self, tenant: str, account: Account, destination: str) -> Rate | None:
        state = self._state
        rate = state.rates.charged(tenant, destination, account.rated_pricelists, account.rated_carriers)
        if rate is not None:
            for tag, table in ((rate.carrier_tag, state.carriers), (rate.pricelist_tag, state.pricelists)):
                if tag and (tenant, tag) not in table.keys:
                    raise Dangling(tag)
        return rate

    def _routes(self, tenant: str, account: Account, destination: str) -> list[str]:
        """The carriers by cost, as ``PROTOCOL:host:port``; deleted ones are left out (``Quirk.DELETED_CARRIERS``),
        inactive ones are not (``Quirk.INACTIVE_CARRIERS``)."""
        keys = self._state.carriers.keys
        routes = []
        for rate in self._state.rates.by_cost(tenant, destination, account.carriers):
            carrier = keys.get((tenant, rate.carrier_tag))
            if carrier is not None:
                get = carrier.document.get
                routes.append(f"{get('protocol')}:{get('host')}:{get('port')}")
        return routes

    def restored(self, request: CallRequest) -> CallRequest:
        """The request, with the accounts of the authorization records when it names none. The last record decides
        which leg it is (``Quirk.LAST_LEG_RESTORED``)."""
        if request.account_tag is not None or request.destination_account_tag is not None:
            return request
        criteria = [
            Equals("tenant", request.tenant),
            Equals("transaction_tag", request.transaction_tag),
            Equals("primary", True),
        ]
        records = [record.document for record in self._state.transactions.select(criteria, Order("id"))]
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
