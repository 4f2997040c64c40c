"""What the API does with accounts beside records: balances, and running transactions step by step."""

from __future__ import annotations

from rating_harness.rating.engine.accounts import Account, Running
from rating_harness.rating.engine.api.views import Document, RecordError
from rating_harness.rating.engine.quirks import Policy, Quirk
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.tables import Equals, Order

__all__ = ["Balances"]


class Balances:
    """The account's own queries and mutations. The tenant has a default in the schema; all else may be absent."""

    def __init__(self, state: State, policy: Policy) -> None:
        self._state = state
        self._policy = policy

    def running(
        self, tenant: str, account_tag: str | None = None, transaction_tag: str | None = None
    ) -> Document | None:
        """The first running entry with the tag."""
        _, entry = self._entry(tenant, account_tag, transaction_tag)
        return None if entry is None else entry.document()

    def begin(self, tenant: str, account_tag: str | None = None, transaction: Document | None = None) -> Document:
        """Add a running entry; the answer has the account's first one (``Quirk.BEGIN_RETURNS_FIRST``)."""
        if transaction is None:
            raise RecordError("the transaction is missing")
        account = self._state.accounts.by_key((tenant, account_tag))
        if account is None:
            return {"ok": None, "transaction": None}
        flags = {name: bool(transaction.get(name)) for name in ("inbound", "primary")}
        self._state.begin(account, Running(**(transaction | flags | {"timestamp_end": None})))
        return {"ok": True, "transaction": account.running[0].document()}

    def end(
        self,
        tenant: str,
        account_tag: str | None = None,
        transaction_tag: str | None = None,
        timestamp_end: int | None = None,
    ) -> Document:
        """Note the end of the first running entry with the tag; nothing is charged."""
        account, entry = self._entry(tenant, account_tag, transaction_tag)
        if account is None or entry is None:
            return {"ok": None, "transaction": None}
        self._state.end(account, entry, timestamp_end)
        return {"ok": True, "transaction": entry.document()}

    def commit(
        self, tenant: str, account_tag: str | None = None, transaction_tag: str | None = None, fee: int | None = None
    ) -> Document:
        """Take a fee from the balance, and remove all running entries with the tag."""
        if fee is None:
            raise RecordError("the fee is missing")
        account, entry = self._entry(tenant, account_tag, transaction_tag)
        if account is None or entry is None:
            return {"ok": False}
        self._state.set_balance(account, (account.balance or 0) - fee)
        return {"ok": self._state.drop(account, entry.transaction_tag)}

    def rollback(self, tenant: str, account_tag: str | None = None, transaction_tag: str | None = None) -> Document:
        """Remove all running entries with the tag."""
        account, entry = self._entry(tenant, account_tag, transaction_tag)
        if account is None or entry is None:
            return {"ok": False}
        return {"ok": self._state.drop(account, entry.transaction_tag)}

    def assign(
        self, tenant: str, account_tag: str | None = None, tags: list[str] | None = None, balance: int | None = None
    ) -> Document:
        """Set the balance of all accounts meant; without one it's removed (``Quirk.NULL_BALANCE``)."""
        if balance is None:
            self._policy.tolerate(Quirk.NULL_BALANCE, "the balance is missing")
        accounts = self._meant(tenant, account_tag, tags)
        for account in accounts:
            self._state.set_balance(account, balance)
        return {"ok": bool(accounts)}

    def increment(
        self, tenant: str, account_tag: str | None = None, tags: list[str] | None = None, balance: int | None = None
    ) -> Document:
        """Add to the balance of all accounts meant."""
        if balance is None:
            raise RecordError("the balance is missing")
        accounts = self._meant(tenant, account_tag, tags)
        for account in accounts:
            self._state.set_balance(account, (account.balance or 0) + balance)
        return {"ok": bool(accounts)}

    def _entry(
        self, tenant: str, account_tag: str | None, transaction_tag: str | None
    ) -> tuple[Account | None, Running | None]:
        account = self._state.accounts.by_key((tenant, account_tag))
        entry = account.entry(transaction_tag) if account is not None and transaction_tag is not None else None
        return account, entry

    def _meant(self, tenant: str, account_tag: str | None, tags: list[str] | None) -> list[Account]:
        """The accounts of the tenant, of them the one with the tag, of them those with any of the tags."""
        if account_tag is None:
            found = list(self._state.accounts.select([Equals("tenant", tenant)], Order()))
        else:
            account = self._state.accounts.by_key((tenant, account_tag))
            found = [] if account is None else [account]
        wanted = frozenset(tags or ())
        return [account for account in found if not wanted or wanted & set(account.document.get("tags") or ())]
