"""The client for the API of any engine that keeps the contract: GraphQL at ``/graphql``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Literal, NoReturn, Self

import orjson
from pydantic import TypeAdapter, ValidationError

from rating_harness.errors import EngineError
from rating_harness.lab.protocol import Endpoint
from rating_harness.rating.http import Answer, NoAnswer, http_client
from rating_harness.rating.model import Account, Transaction, selection
from rating_harness.rating.seed import Given, Operation, removals, seeding

__all__ = ["EngineClient"]

_BATCH = 50
"""Records read, or deleted, in one request."""

_READS = 3
"""How often a list is read that is shorter than the engine counts: a record may have come in between."""


class EngineClient:
    """Seeds an engine and reads its records. Threads may share it.

    Every method raises `EngineError` when the engine can't be reached, refuses, or answers partly.

    :param tenant: where records are stored and looked for, unless they say otherwise.
    :param timeout: seconds that one request may take.
    """

    unreadable = ""
    """Its records and balances can be read."""
    lacking = ""

    def __init__(self, endpoint: Endpoint, *, tenant: str = "default", timeout: float = 10.0) -> None:
        self._tenant = tenant
        self._url = endpoint.url.rstrip("/")
        self._http = http_client(endpoint, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def check(self) -> None:
        """Do nothing, if the engine's API is there."""
        response = self._send("GET", "/status")
        if response.is_error:
            self._refused("GET /status", response)

    def query(self, text: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a GraphQL request and return its data. An error in any part of the answer is an error."""
        return self._execute(Operation(text, variables or {}))

    def seed(self, given: Given) -> None:
        """Store what is given (`rating_harness.rating.seed`), references first; what is there already is updated.

        :raises PlanError: an unknown or missing field; nothing has been sent then.
        """
        for operation in seeding(given, tenant=self._tenant):
            data = self._execute(operation)
            answer = data.get(operation.name)
            if operation.name and not (isinstance(answer, dict) and all(answer.values())):
                raise self._error(f"the engine did not carry out {operation.name}", operation, found=json.dumps(data))

    def remove(self, given: Given) -> None:
        """Delete what is given, with the accounts' transactions. What isn't there is no error.

        Transactions go first: one that refers to a deleted account would spoil every list that it is in.
        """
        operations = removals(given, tenant=self._tenant)
        accounts = [account["account_tag"] for account in given.get("accounts", ())]
        transactions = self.transactions(account_tags=accounts)
        for start in range(0, len(transactions), _BATCH):
            self._execute(_deletion([each["id"] for each in transactions[start : start + _BATCH]]))
        for operation in operations:
            self._execute(operation)

    def accounts(self, tags: Iterable[str] | None = None) -> list[Account]:
        """The accounts of these tags that there are, or all; with balances and running transactions."""
        accounts: list[Account] = self._read("Account", Account, "account_tag", tags)
        for account in accounts:
            # Beyond 32 bits the engine's API writes an integer as a float.
            if account["balance"] is not None:
                account["balance"] = int(account["balance"])
        return accounts

    def transactions(
        self, *, transaction_tags: Iterable[str] | None = None, account_tags: Iterable[str] | None = None
    ) -> list[Transaction]:
        """The records of these transactions, of these accounts (of both, where both are given), or all."""
        if transaction_tags is None:
            return self._read("Transaction", Transaction, "account_tag", account_tags)
        found: list[Transaction] = self._read("Transaction", Transaction, "transaction_tag", transaction_tags)
        if account_tags is None:
            return found
        accounts = set(account_tags)
        return [transaction for transaction in found if transaction["account_tag"] in accounts]

    def reset(self) -> bool:
        """Empty the engine's store, where it can do that: the embedded one can. Returns whether it could."""
        response = self._send("POST", "/reset")
        if response.status in (404, 405):
            return False
        if response.is_error:
            self._refused("POST /reset", response)
        return True

    def _read(
        self, kind: Literal["Account", "Transaction"], record: type, key: str, tags: Iterable[str] | None
    ) -> list[Any]:
        filters: list[dict[str, str]] = [{"tenant": self._tenant}]
        if tags is not None:
            filters = [{"tenant": self._tenant, key: tag} for tag in dict.fromkeys(tags)]
        records: list[Any] = []
        for start in range(0, len(filters), _BATCH):
            records += self._read_lists(kind, record, filters[start : start + _BATCH])
        return sorted(records, key=lambda each: (each[key] or "", each.get("transaction_tag") or ""))

    def _read_lists(self, kind: str, record: type, filters: Sequence[Mapping[str, str]]) -> list[Any]:
        declared = ", ".join(f"$f{number}: {kind}Filter" for number in range(len(filters)))
        selections = "\n".join(
            f"n{number}: _all{kind}sMeta(filter: $f{number}) {{count}}\n"
            f"r{number}: all{kind}s(perPage: 0, filter: $f{number}) {selection(record)}"
            for number in range(len(filters))
        )
        variables = {f"f{number}": each for number, each in enumerate(filters)}
        operation = Operation(f"query ({declared}) {{\n{selections}\n}}", variables, f"all{kind}s")
        for _ in range(_READS):
            data = self._execute(operation)
            try:
                lists = [(data[f"r{number}"], data[f"n{number}"]["count"]) for number in range(len(filters))]
                complete = all(len(each) >= count for each, count in lists)
                records = [record for each, _ in lists for record in each]
            except (KeyError, TypeError):
                raise self._error("the engine's answer lacks a list", operation, found=json.dumps(data)) from None
            if complete:
                return self._checked(records, record, operation)
        counted = sum(count for _, count in lists)
        raise self._error(
            "the engine's answer is incomplete",
            operation,
            expected=f"{counted} records, as the engine counts them",
            found=str(len(records)),
            hint="perPage 0 has to mean all of them",
        )

    def _checked(self, records: list[Any], record: type, operation: Operation) -> list[Any]:
        """The records as they are, if their fields have the contract's types."""
        try:
            _list_of(record).validate_python(records)
        except ValidationError as error:
            wrong = error.errors()[0]
            place = ".".join(map(str, wrong["loc"]))
            raise self._error(
                "the engine's records aren't as its contract says",
                operation,
                expected=f"{place}: {wrong['msg']}",
                found=repr(wrong["input"]),
            ) from None
        return records

    def _execute(self, operation: Operation) -> dict[str, Any]:
        body = {"query": operation.text, "variables": operation.variables}
        response = self._send("POST", "/graphql", orjson.dumps(body), operation)
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            answer = None
        errors = answer.get("errors") if isinstance(answer, dict) else None
        if response.is_error or errors or not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise self._error(
                f"the engine refused {operation.name or 'a request'}",
                operation,
                found=f"{response.status}: {_messages(errors) or response.text[:500]}",
                hint=_hint(response.status, _messages(errors)),
            )
        data: dict[str, Any] = answer["data"]
        return data

    def _send(
        self, method: str, path: str, content: bytes | None = None, operation: Operation | None = None
    ) -> Answer:
        headers = {"content-type": "application/json"} if content else {}
        try:
            return self._http.request(method, path, content=content, headers=headers)
        except NoAnswer as error:
            raise EngineError(
                "the engine's API does not answer",
                where=self._url + path,
                found=str(error),
                detail=str(operation) if operation else None,
                hint="does it run, and is this the address of its API (not of its agent)?",
            ) from None

    def _refused(self, request: str, response: Answer) -> NoReturn:
        raise EngineError(
            f"the engine refused {request}", where=self._url, found=f"{response.status}: {response.text[:500]}"
        )

    def _error(
        self,
        message: str,
        operation: Operation,
        *,
        found: str,
        expected: str | None = None,
        hint: str | None = None,
    ) -> EngineError:
        return EngineError(message, where=self._url, expected=expected, found=found, detail=str(operation), hint=hint)


@cache
def _list_of(record: type) -> TypeAdapter[list[Any]]:
    return TypeAdapter(list[record])  # type: ignore[valid-type]


def _deletion(ids: Sequence[str]) -> Operation:
    declared = ", ".join(f"$id{number}: ID" for number in range(len(ids)))
    mutations = " ".join(f"d{number}: deleteTransaction(id: $id{number}) {{id}}" for number in range(len(ids)))
    variables = {f"id{number}": each for number, each in enumerate(ids)}
    return Operation(f"mutation ({declared}) {{{mutations}}}", variables, "deleteTransaction")


def _messages(errors: Any) -> str:
    if not isinstance(errors, list):
        return ""
    return "; ".join(str(error.get("message") if isinstance(error, dict) else error) for error in errors)


def _hint(status: int, messages: str) -> str | None:
    if status in (404, 405):
        return "is this the address of the engine's API (not of its agent)?"
    if "not found in tenant" in messages:
        return "a record refers to one that isn't there: is it given, and was it deleted while others refer to it?"
    return None
