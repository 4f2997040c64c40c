"""A rating engine of one's own, described in a file: ``--engine FILE.yaml``.

The file says how each kind of request is recognised, where its fields and those of the answer are, and how records
are stored, read and removed. What Kamailio and the engine say to each other is translated into the words of
`rating_harness.contract` as it's recorded, so that every check works with every engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rating_harness.contract import CONTRACT, Reason
from rating_harness.errors import Location, UsageError
from rating_harness.rating.json_path import MISSING, value_at

__all__ = ["SHIPPED", "EngineFile", "HttpRequest", "RecordList", "RequestShape", "Seeding", "Translated", "load"]

Word = Literal["authorization", "begin", "end"]
"""A scenario's words for the kinds of requests."""

_IN_REQUESTS = frozenset({"transaction_tag", "account_tag", "destination_account_tag", "source", "destination"}) | {
    "timestamp_auth",
    "timestamp_begin",
    "timestamp_end",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RequestShape(_Part):
    """How a kind of request is recognised.

    :param path: the whole path, without the query.
    :param when: field of the JSON body (``params.0.Event``) -> its value, where the path alone doesn't tell.
    :param fields: where its own fields are, if elsewhere than `EngineFile.request_fields` says.
    """

    path: str
    method: str = "POST"
    when: Mapping[str, Any] = Field(default_factory=dict)
    fields: Mapping[str, str] = Field(default_factory=dict)


class Answer(_Part):
    """Where an answer says what. A field that isn't named is one that this engine's answers don't have.

    :param status: the statuses of a good answer.
    :param ok: of begin and end; None: the status alone says it.
    :param error: a field whose presence (neither null nor absent) makes the answer a bad one, as in JSON-RPC.
    :param authorized: None: an answer that isn't bad authorises.
    :param units_per_second: 1,000,000,000 for an engine that counts nanoseconds.
    :param reasons: the engine's own reason -> one of the contract's.
    """

    status: tuple[int, ...] = (200,)
    ok: str | None = None
    error: str | None = None
    authorized: str | None = None
    unauthorized_reason: str | None = None
    max_available_units: str | None = None
    units_per_second: float = Field(default=1, gt=0)
    carriers: str | None = None
    reasons: Mapping[str, Reason] = Field(default_factory=dict)


class HttpRequest(_Part):
    """A request to the engine's API; texts are Jinja2 templates, and ``{{ balance }}`` alone keeps its type.

    :param path: joined to the API's URL.
    :param body: of JSON; None for none.
    """

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = Field(default_factory=dict)
    body: Any = Field(default=None, alias="json")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Seeding(HttpRequest):
    """A request for each of what a scenario's ``given`` holds; its fields are the template's variables."""

    each: Literal["accounts", "carriers", "pricelists", "rates", "customers"]


class RecordList(_Part):
    """A list of records.

    :param read: what reads it; the template knows ``call_ids`` and ``accounts``. Or ``command`` prints it as JSON.
    :param list: where the list is in the answer; empty: the answer is the list.
    :param none_when: a field of the answer and its value that say that there is no record.
    :param fields: the contract's field -> the engine's.
    :param duration_per_second: 1,000,000,000 for an engine that counts nanoseconds.
    """

    read: HttpRequest | None = None
    command: tuple[str, ...] = ()
    list: str = ""
    none_when: Mapping[str, Any] = Field(default_factory=dict)
    fields: Mapping[str, str]
    duration_per_second: float = Field(default=1, gt=0)

    @field_validator("fields")
    @classmethod
    def _has_a_key(cls, fields: Mapping[str, str]) -> Mapping[str, str]:
        if CONTRACT.fields.account not in fields:
            raise ValueError(f"{CONTRACT.fields.account!r} has to be among the fields")
        return fields


@dataclass(frozen=True, slots=True)
class Translated:
    """A request and its answer in the contract's words."""

    path: str
    request: dict[str, Any]
    status: int | None
    response: Any


class EngineFile(_Part):
    """The whole file."""

    name: str
    requests: Mapping[Word, RequestShape]
    request_fields: Mapping[str, str]
    answer: Answer = Answer()
    records: RecordList | None = None
    accounts: RecordList | None = None
    seed: tuple[Seeding, ...] = ()
    remove: tuple[Seeding, ...] = ()
    empty: HttpRequest | None = None

    @field_validator("request_fields")
    @classmethod
    def _known(cls, fields: Mapping[str, str]) -> Mapping[str, str]:
        strange = sorted(set(fields) - _IN_REQUESTS)
        if strange:
            raise ValueError(f"unknown field {strange[0]!r}; known are: {', '.join(sorted(_IN_REQUESTS))}")
        if CONTRACT.fields.call not in fields:
            raise ValueError(f"{CONTRACT.fields.call!r} has to be among them: it says which call a request is about")
        return fields

    def recognise(self, method: str, path: str, body: Any) -> Word | None:
        """The kind of a request; None for one that isn't about a call."""
        for word, shape in self.requests.items():
            fits = all(value_at(body, where) == value for where, value in shape.when.items())
            if shape.method == method and shape.path == path and fits:
                return word
        return None

    def translate(self, method: str, path: str, request: Any, status: int | None, response: Any) -> Translated | None:
        """In the contract's words; None for a request that isn't about a call."""
        word = self.recognise(method, path, request)
        if word is None:
            return None
        places = {**self.request_fields, **self.requests[word].fields}
        fields = {name: value_at(request, where) for name, where in places.items()}
        return Translated(
            path=CONTRACT.paths.prefix + CONTRACT.paths.by_word[word],
            request={name: value for name, value in fields.items() if value is not MISSING},
            status=200 if status in self.answer.status else status,
            response=response if status is None else self._answered(word, status, response),
        )

    def _answered(self, word: Word, status: int, response: Any) -> Any:
        answer, names = self.answer, CONTRACT.fields
        error = value_at(response, answer.error) if answer.error else MISSING
        good = status in answer.status and error in (MISSING, None)
        if word != "authorization":
            said = value_at(response, answer.ok) if answer.ok else good
            return {names.ok: said if good else False} if said is not MISSING else response
        fields: dict[str, Any] = {names.authorized: good}
        for name in (names.authorized, names.reason, names.units, names.carriers):
            where = getattr(answer, name)
            if where is not None and (value := value_at(response, where)) is not MISSING:
                fields[name] = value
        if not good:
            fields[names.authorized] = False
        units = fields.get(names.units)
        if answer.units_per_second != 1 and isinstance(units, int | float) and not isinstance(units, bool):
            fields[names.units] = int(units / answer.units_per_second)
        if isinstance(reason := fields.get(names.reason), str):
            fields[names.reason] = answer.reasons.get(reason, reason)
        return fields


SHIPPED = Path(__file__).parent / "engines"


def load(path: Path) -> EngineFile:
    """Read the file; a plain name (``cgrates``) is one of those that come with the package.

    :raises UsageError: it can't be read; with every mistake and its line.
    """
    shipped = SHIPPED / f"{path}.yaml"
    if len(path.parts) == 1 and not path.exists() and shipped.exists():
        path = shipped
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("the engine's file can't be read", found=str(error), where=str(path)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Location(str(path), mark.line + 1, mark.column + 1) if mark else str(path)
        raise UsageError("the engine's file isn't YAML", found=error.problem, where=where) from None
    try:
        return EngineFile.model_validate(content)
    except ValidationError as error:
        mistakes = [_Mistake.of(node, each["loc"], each["msg"]) for each in error.errors()]
        first = mistakes[0]
        raise UsageError(
            f"the engine's file has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}",
            where=Location(str(path), first.line, first.column),
            detail="\n".join(f"{path}:{each.line}:{each.column}: {each.text}" for each in mistakes),
            hint="docs/engines.md describes the file",
        ) from None


@dataclass(frozen=True, slots=True)
class _Mistake:
    line: int
    column: int
    text: str

    @classmethod
    def of(cls, node: yaml.Node | None, place: Iterable[int | str], message: str) -> Self:
        """At the innermost part of the place that stands in the file."""
        found = node
        for step in place:
            inner = _child(found, step)
            if inner is None:
                break
            found = inner
        mark = found.start_mark if found is not None else None
        named = ".".join(str(step) for step in place)
        text = message.removeprefix("Value error, ")
        return cls(
            mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, f"{named}: {text}" if named else text
        )


def _child(node: yaml.Node | None, step: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]  # type: ignore[no-any-return]
    return None
