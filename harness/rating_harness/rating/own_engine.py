"""Any rating engine: what the harness needs of it, and the clients of those that an engine file describes."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, get_type_hints
from urllib.parse import urlsplit

import httpx
from jinja2 import StrictUndefined, TemplateError
from jinja2.nativetypes import NativeEnvironment

from rating_harness.contract import repeated_key
from rating_harness.errors import EngineError, PlanError
from rating_harness.rating.engine_file import EngineFile, HttpRequest, RecordList
from rating_harness.rating.json_path import MISSING, value_at
from rating_harness.rating.model import Account, Transaction
from rating_harness.rating.seed import Given

__all__ = ["OwnEngine", "RatingEngine", "UnreadableEngine"]

_COMMAND_SECONDS = 30.0


class RatingEngine(Protocol):
    """What a run does with an engine. Every method raises `EngineError` when the engine can't be reached or refuses.

    :ivar unreadable: why its records and balances can't be read; empty when they can.
    :ivar lacking: of the records that were read last, which field is named where none has anything; empty for none.
    """

    @property
    def unreadable(self) -> str: ...

    @property
    def lacking(self) -> str: ...

    def close(self) -> None: ...

    def reset(self) -> bool:
        """Empty its store, where it can do that. Returns whether it could."""

    def seed(self, given: Given) -> None:
        """Store what is given."""

    def remove(self, given: Given) -> None:
        """Delete what is given."""

    def accounts(self, tags: Iterable[str] | None = None) -> list[Account]:
        """The accounts of these tags that there are, or all."""

    def transactions(
        self, *, transaction_tags: Iterable[str] | None = None, account_tags: Iterable[str] | None = None
    ) -> list[Transaction]:
        """The records of these transactions, of these accounts, or all."""


class UnreadableEngine:
    """An engine of which only the agent is known: calls are checked, records and balances are not.

    :param unreadable: why, for the verdict.
    """

    lacking = ""

    def __init__(self, unreadable: str) -> None:
        self.unreadable = unreadable

    def close(self) -> None:
        """Nothing is open."""

    def reset(self) -> bool:
        return False

    def seed(self, given: Given) -> None:
        """It can't be seeded: its own accounts and rates are those that it has."""

    def remove(self, given: Given) -> None:
        """As `seed`."""

    def accounts(self, tags: Iterable[str] | None = None) -> list[Account]:
        return []

    def transactions(
        self, *, transaction_tags: Iterable[str] | None = None, account_tags: Iterable[str] | None = None
    ) -> list[Transaction]:
        return []


class OwnEngine:
    """An engine that a file describes. Threads may share it.

    :param url: of its API.
    """

    def __init__(self, file: EngineFile, url: str, *, timeout: float = 10.0) -> None:
        self._file = file
        self._url = url.rstrip("/")
        self._http = httpx.Client(timeout=timeout)
        self._templates = NativeEnvironment(undefined=StrictUndefined)
        self.lacking = ""

    @property
    def unreadable(self) -> str:
        return "" if self._file.records else f"the file of {self._file.name} says nothing of records"

    def close(self) -> None:
        self._http.close()

    def reset(self) -> bool:
        if self._file.empty is None:
            return False
        self._send(self._file.empty, {})
        return True

    def seed(self, given: Given) -> None:
        """Send the requests of ``seed``, in their order.

        :raises PlanError: raw GraphQL, which this engine has no API for.
        """
        if given.get("graphql"):
            raise PlanError(
                "`given.graphql` needs an engine with Canyan's API",
                found=self._file.name,
                hint="seed it with the engine file's `seed`",
            )
        for request in self._file.seed:
            for record in _records(given, request.each):
                self._send(request, record)

    def remove(self, given: Given) -> None:
        for request in self._file.remove:
            for record in _records(given, request.each):
                self._send(request, record, missing_is_fine=True)

    def accounts(self, tags: Iterable[str] | None = None) -> list[Account]:
        if self._file.accounts is None:
            return []
        wanted = None if tags is None else set(tags)
        found = self._read(self._file.accounts, {"accounts": sorted(wanted or ()), "call_ids": []})
        running = self._running()
        accounts = []
        for fields in found:
            if wanted is None or fields.get("account_tag") in wanted:
                account = dict.fromkeys(get_type_hints(Account)) | {"running_transactions": []} | fields
                account["running_transactions"] = [
                    each for each in running if each["account_tag"] == account["account_tag"]
                ]
                accounts.append(account)
        return accounts  # type: ignore[return-value]

    def _running(self) -> list[dict[str, Any]]:
        """Records that have begun and not ended."""
        if self._file.records is None:
            return []
        records = self._read(self._file.records, {"accounts": [], "call_ids": []})
        return [each for each in records if each.get("timestamp_begin") and not each.get("timestamp_end")]

    def transactions(
        self, *, transaction_tags: Iterable[str] | None = None, account_tags: Iterable[str] | None = None
    ) -> list[Transaction]:
        if self._file.records is None:
            return []
        calls = None if transaction_tags is None else set(transaction_tags)
        accounts = None if account_tags is None else set(account_tags)
        variables = {"call_ids": sorted(calls or ()), "accounts": sorted(accounts or ())}
        found = []
        for number, fields in enumerate(self._read(self._file.records, variables)):
            if calls is not None and fields.get("transaction_tag") not in calls:
                continue
            if accounts is not None and fields.get("account_tag") not in accounts:
                continue
            if not fields.get("timestamp_end"):
                continue  # as in the contract, what runs is the account's, and no record
            record = dict.fromkeys(get_type_hints(Transaction)) | {"id": str(number), "tenant": "default"} | fields
            found.append(_completed(record))
        found.sort(key=lambda each: (each["account_tag"] or "", each["transaction_tag"] or ""))
        return found  # type: ignore[return-value]

    def _read(self, source: RecordList, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[Any] = []
        for document in self._pages(source, variables):
            is_none = all(value_at(document, where) == value for where, value in source.none_when.items())
            if source.none_when and is_none:
                break
            found = value_at(document, source.list)
            if not isinstance(found, list):
                raise EngineError(
                    "the engine's answer holds no list of records",
                    where=self._url if source.read else " ".join(source.command),
                    expected=f"a list at {source.list!r}" if source.list else "a list",
                    found=(document if isinstance(document, str) else json.dumps(document))[:300] or "nothing",
                )
            rows += found
            total = value_at(document, source.total) if source.total else None
            if source.next is None and isinstance(total, int) and total > len(rows):
                raise EngineError(
                    f"the engine's answer holds {len(rows)} records of {total}",
                    where=self._url,
                    expected="all of them",
                    hint="`next` names the place of the next page, or the request asks for {{ call_ids }} only",
                )
        if source is self._file.records:
            self.lacking = self._file.lacking(rows)
        return [_translated(row, source) for row in rows]

    def _pages(self, source: RecordList, variables: Mapping[str, Any]) -> Iterator[Any]:
        """What the engine answers, page by page."""
        if source.read is None:
            yield self._run(source.command, variables)
            return
        page, seen = source.read, set[str]()
        while True:
            document = self._send(page, variables)
            yield document
            following = value_at(document, source.next) if source.next else None
            if not isinstance(following, str) or not following:
                return
            if following in seen or len(seen) >= _MOST_PAGES:
                raise EngineError(
                    "the pages of the engine's records don't end", where=self._url, found=f"{following} twice"
                )
            seen.add(following)
            page = page.model_copy(update={"path": self._path_of(following, page.path)})

    def _path_of(self, following: str, path: str) -> str:
        """The path of a page that is named by its URL, its path, or its query alone."""
        following = following.removeprefix(self._url)
        if following.startswith("?"):
            return path.partition("?")[0] + following
        if "://" in following:
            parts = urlsplit(following)
            following = f"{parts.path}?{parts.query}" if parts.query else parts.path
            following = following.removeprefix(urlsplit(self._url).path)
        return following if following.startswith("/") else f"/{following}"

    def _run(self, command: tuple[str, ...], variables: Mapping[str, Any]) -> Any:
        try:
            filled = [str(self._filled(part, variables)) for part in command]
            done = subprocess.run(filled, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=True)
            return _parsed(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError, TemplateError) as error:
            said = getattr(error, "stderr", None)
            found = f"{error}: {said.strip()[-300:]}" if isinstance(said, str) and said.strip() else str(error)
            raise EngineError(
                "the command that reads records failed",
                where=" ".join(command),
                expected="exit status 0 and JSON on standard output",
                found=found,
            ) from None

    def _send(self, request: HttpRequest, variables: Mapping[str, Any], *, missing_is_fine: bool = False) -> Any:
        """What the API answers: its JSON, or text that is none, None for nothing."""
        try:
            path = str(self._filled(request.path, variables))
            body = self._filled(request.body, variables)
            headers = {name: str(self._filled(value, variables)) for name, value in request.headers.items()}
        except TemplateError as error:
            raise EngineError(f"a template of the engine's file: {error}", where=request.path) from None
        try:
            response = self._http.request(
                request.method, self._url + path, json=body if request.body is not None else None, headers=headers
            )
        except httpx.HTTPError as error:
            raise EngineError(
                "the engine's API doesn't answer",
                where=self._url + path,
                found=str(error) or type(error).__name__,
                hint=_CERTIFICATE if "CERTIFICATE_VERIFY_FAILED" in str(error) else "",
            ) from None
        if missing_is_fine and response.status_code == 404:
            return None
        if not response.is_success:
            raise EngineError(
                f"the engine refused {request.method} {path}",
                where=self._url,
                found=f"{response.status_code}: {response.headers.get('location') or response.text[:500]}",
                hint=_REFUSALS.get(response.status_code, ""),
            )
        try:
            return _parsed(response.text) if response.content else None
        except json.JSONDecodeError:
            return response.text
        except ValueError as error:
            raise EngineError(
                f"the engine's answer to {request.method} {path} can't be read", where=self._url, found=str(error)
            ) from None

    def _filled(self, value: Any, variables: Mapping[str, Any]) -> Any:
        if isinstance(value, str):
            return self._templates.from_string(value).render(variables, env=os.environ) if "{" in value else value
        if isinstance(value, Mapping):
            return {name: self._filled(each, variables) for name, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each, variables) for each in value]
        return value


def _parsed(text: str) -> Any:
    """A document in which no object has a key twice.

    :raises ValueError: it's another, or none.
    """
    if key := repeated_key(text):
        raise ValueError(f"an object that has {key!r} twice")
    return json.loads(text)


_CERTIFICATE = "SSL_CERT_FILE=FILE in the environment of this command names the certificate to trust"
_REFUSALS = {
    401: '`headers` of the request in the engine\'s file may name a token: "Bearer {{ env.TOKEN }}"',
    403: '`headers` of the request in the engine\'s file may name a token: "Bearer {{ env.TOKEN }}"',
}
_MOST_PAGES = 1000


def _records(given: Given, section: str) -> list[Mapping[str, Any]]:
    if section != "rates":
        return list(given.get(section, ()))
    return [
        {"pricelist_tag": pricelist["pricelist_tag"], **rate}
        for pricelist in given.get("pricelists", ())
        for rate in pricelist.get("rates", ())
    ]


def _translated(row: Any, source: RecordList) -> dict[str, Any]:
    """A record in the contract's words.

    :raises EngineError: a time, or a number, that can't be read.
    """
    found = {name: value_at(row, where) for name, where in source.fields.items()}
    translated = {name: value for name, value in found.items() if value is not MISSING}
    for name, (read, expected) in _READERS.items():
        if translated.get(name) is None:
            continue
        try:
            translated[name] = read(translated[name])
        except (ValueError, TypeError, OverflowError, OSError):
            raise EngineError(
                f"a record's {name} can't be read",
                where=source.fields[name],
                expected=expected,
                found=json.dumps(translated[name])[:100],
            ) from None
    duration, began = translated.get("duration"), translated.get("timestamp_begin")
    if duration is not None and source.duration_per_second != 1:
        translated["duration"] = duration = int(duration / source.duration_per_second)
    if began and duration is not None and "timestamp_end" not in source.fields:
        translated["timestamp_end"] = (datetime.fromisoformat(began) + timedelta(seconds=duration)).isoformat()
    return translated


def _moment(value: Any) -> str:
    """A time in ISO 8601, in UTC without a zone: the number of seconds, or of as many thousandths of them as make it
    a time of our days.
    """
    if isinstance(value, str) and not re.fullmatch(r"\d{9,}(?:\.\d+)?", value):
        moment = datetime.fromisoformat(value)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat()
    seconds = _finite(value)
    while seconds > _LAST_SECOND:
        seconds /= 1000
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _number(value: Any) -> int | float:
    """A number, which a database's decimals are as texts."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _finite(value)
    return int(number) if number.is_integer() else number


def _finite(value: Any) -> float:
    """:raises ValueError, TypeError: it's no number."""
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(value)
    return number


_LAST_SECOND = 1e11
"""The year 5138: what is greater counts milliseconds, microseconds or nanoseconds."""

_TIME = (_moment, "Unix seconds, milliseconds, microseconds or nanoseconds, or ISO 8601")
_READERS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    **dict.fromkeys(("timestamp_auth", "timestamp_begin", "timestamp_end"), _TIME),
    **dict.fromkeys(("duration", "fee", "balance"), (_number, "a number")),
}


def _completed(record: dict[str, Any]) -> dict[str, Any]:
    """With what follows from the rest: a record of an end is of an authorised call, and has a duration."""
    if record["duration"] is None and record["timestamp_begin"] and record["timestamp_end"]:
        began, ended = (datetime.fromisoformat(record[name]) for name in ("timestamp_begin", "timestamp_end"))
        record["duration"] = int((ended - began).total_seconds())
    if record["primary"] is None:
        record["primary"] = True
    return record
