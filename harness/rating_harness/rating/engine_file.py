"""A rating engine of one's own, described in a file: ``--engine FILE.yaml``.

The file says how each kind of request is recognised, where its fields and those of the answer are, and how records
are stored, read and removed. What Kamailio and the engine say to each other is translated into the words of
`rating_harness.contract` as it's recorded, so that every check works with every engine.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeGuard, get_args, get_type_hints

import yaml
from jinja2 import TemplateSyntaxError, meta, nodes
from jinja2.nativetypes import NativeEnvironment
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from rating_harness.contract import CONTRACT, Reason, is_true, units_of
from rating_harness.errors import Location, UsageError
from rating_harness.rating.json_path import MISSING, value_at
from rating_harness.rating.model import Account, Transaction
from rating_harness.rating.request_texts import are_alike, path_texts, placeholders, texts_of
from rating_harness.rating.seed import GIVEN_FIELDS

__all__ = ["SHIPPED", "EngineFile", "HttpRequest", "RecordList", "RequestShape", "Seeding", "Translated", "load"]

Word = Literal["authorization", "begin", "end"]
"""A scenario's words for the kinds of requests."""

_IN_REQUESTS = frozenset({"transaction_tag", "account_tag", "destination_account_tag", "source", "destination"}) | {
    "timestamp_auth",
    "timestamp_begin",
    "timestamp_end",
}


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_READING = frozenset({"call_ids", "accounts"})
"""What a template knows that reads records."""
_TEMPLATES = NativeEnvironment()


def _method(value: object) -> object:
    if not isinstance(value, str) or value.upper() not in _METHODS:
        raise ValueError(f"no method of HTTP; they are {', '.join(_METHODS)}")
    return value.upper()


def _whole_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} isn't a path: it begins with a slash, and has no host")
    return path


def _recognisable(path: str) -> str:
    if "?" in path:
        raise ValueError("a request is recognised by its path, without the query; `when` names a field of the query")
    placeholders(path)
    return path


def _place(where: str) -> str:
    words = where.split(".")
    if where.startswith("/"):
        raise ValueError(f"{where!r} is no place in a document: answers are JSON, and a place is such as params.0.id")
    if words[0] == "$" or where.startswith("$[") or "*" in words or re.search(r"\[(?:\d+|\*|'.*'|\".*\")\]", where):
        plain = re.sub(r"\[['\"]?([^]'\"]+)['\"]?\]", r".\1", where).removeprefix("$").lstrip(".")
        how = "of a list one is meant, by its number" if "*" in plain else f"{plain!r} is meant?"
        raise ValueError(f"{where!r} is JSONPath, and a place is such as params.0.id: {how}")
    if not all(words):
        raise ValueError(f"{where!r} is no place in a document, such as params.0.id")
    return where


def _template(value: Any) -> Any:
    for text in _texts(value):
        try:
            _TEMPLATES.from_string(text)
        except TemplateSyntaxError as error:
            raise ValueError(f"no template: {error.message}") from None
    return value


def _texts(value: Any) -> list[str]:
    """Every text in it that may be a template."""
    if isinstance(value, str):
        return [value] if "{" in value else []
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for part in parts for text in _texts(part)]


Method = Annotated[str, BeforeValidator(_method)]
Place = Annotated[str, AfterValidator(_place)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RequestShape(_Part):
    """How a kind of request is recognised.

    :param path: the whole path, without the query; a segment may be a placeholder, ``/calls/{call_id}/start``.
    :param when: field of the request (``params.0.Event``) -> its value, where the path alone doesn't tell.
    :param fields: where its own fields are, if elsewhere than `EngineFile.request_fields` says.
    """

    path: Annotated[str, AfterValidator(_whole_path), AfterValidator(_recognisable)]
    method: Method = "POST"
    when: Mapping[Place, Any] = Field(default_factory=dict)
    fields: Mapping[str, Place] = Field(default_factory=dict)


class Answer(_Part):
    """Where an answer says what. A field that isn't named is one that this engine's answers don't have.

    :param status: the statuses of a good answer.
    :param ok: of begin and end; None: the status alone says it, or ``error``.
    :param error: a field whose presence (neither null nor absent) makes the answer a bad one, as in JSON-RPC.
    :param authorized: None: an answer that isn't bad authorises.
    :param accepts: the values of ``ok`` and ``authorized`` that mean yes, where they aren't ``true``.
    :param units_per_second: 1,000,000,000 for an engine that counts nanoseconds.
    :param carrier: where each of ``carriers`` has its protocol, host and port, if they aren't ``UDP:host:5060``.
    :param reasons: the engine's own reason, or a status that isn't good -> one of the contract's.
    """

    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = (200,)
    ok: Place | None = None
    error: Place | None = None
    authorized: Place | None = None
    accepts: tuple[bool | int | str, ...] = ()
    unauthorized_reason: Place | None = None
    max_available_units: Place | None = None
    units_per_second: float = Field(default=1, gt=0)
    carriers: Place | None = None
    carrier: Mapping[Literal["protocol", "host", "port"], Place] | None = None
    reasons: Mapping[int | str, Reason] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_what_yes_is(self) -> Self:
        names = CONTRACT.fields
        for name, what in ((names.ok, "accepts a begin or an end"), (names.authorized, "authorises a call")):
            if getattr(self, name) is None and self.error is None and name not in self.model_fields_set:
                raise ValueError(
                    f"{name!r} is missing: the field that {what}. `{name}: null` says that every answer of a good "
                    "status does; `error` names a field that only a bad answer has"
                )
        if self.carrier is not None and (self.carriers is None or "host" not in self.carrier):
            raise ValueError("'carrier' needs its `host`, and `carriers`, the list of them")
        return self

    def is_yes(self, value: Any) -> bool:
        """Whether a value of ``ok`` or ``authorized`` says yes; JSON's true is no 1 here, if values are named."""
        if not self.accepts:
            return is_true(value)
        return any(type(value) is type(each) and value == each for each in self.accepts)

    def is_no_by_status(self, status: int | None) -> bool:
        """Whether a status that isn't a good one is a refusal which the file has a reason for."""
        return status is not None and status not in self.status and status in self.reasons


class HttpRequest(_Part):
    """A request to the engine's API; texts are Jinja2 templates, and ``{{ balance }}`` alone keeps its type.

    :param path: joined to the API's URL.
    :param body: of JSON; None for none.
    """

    path: Annotated[str, AfterValidator(_whole_path), AfterValidator(_template)] = "/"
    method: Method = "GET"
    headers: Annotated[Mapping[str, str], AfterValidator(_template)] = Field(default_factory=dict)
    body: Annotated[Any, AfterValidator(_template)] = Field(default=None, alias="json")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @property
    def templates(self) -> list[Any]:
        """All of it that may hold templates."""
        return [self.path, self.headers, self.body]


def _check_variables(value: Any, known: Collection[str], what: str) -> None:
    """:raises ValueError: a template has a variable that no run gives it, or the environment hasn't got."""
    for text in _texts(value):
        parsed = _TEMPLATES.parse(text)
        for each in parsed.find_all(nodes.Getattr):
            if isinstance(each.node, nodes.Name) and each.node.name == "env" and not os.environ.get(each.attr):
                raise ValueError(f"the environment has no {each.attr}")
        named = meta.find_undeclared_variables(parsed) - set(_TEMPLATES.globals) - {"env"}
        if unknown := sorted(named - set(known)):
            close = get_close_matches(unknown[0], known, n=1)
            there = f"did you mean {close[0]!r}?" if close else f"{what}: {', '.join(sorted(known)) or 'none'}"
            raise ValueError(f"a template knows no {unknown[0]!r} here; {there}")


class Seeding(HttpRequest):
    """A request for each of what a scenario's ``given`` holds; its fields are the template's variables."""

    each: Literal["accounts", "carriers", "pricelists", "rates", "customers"]

    @model_validator(mode="after")
    def _knows_its_variables(self) -> Self:
        _check_variables(self.templates, GIVEN_FIELDS[self.each], f"each of {self.each} has")
        return self


class RecordList(_Part):
    """A list of records.

    :param read: what reads it; the template knows ``call_ids`` and ``accounts``. Or ``command`` prints it as JSON,
        and its arguments are templates, too.
    :param list: where the list is in the answer; empty: the answer is the list.
    :param next: where an answer names its next page, by a URL or a path; nothing there, or null: it's the last one.
    :param total: where an answer says how many records there are, so that one which doesn't hold them all is told.
    :param none_when: a field of the answer and its value that say that there is no record.
    :param fields: the contract's field -> the engine's.
    :param duration_per_second: 1,000,000,000 for an engine that counts nanoseconds.
    """

    read: HttpRequest | None = None
    command: Annotated[tuple[str, ...], AfterValidator(_template)] = ()
    list: str = ""
    next: Place | None = None
    total: Place | None = None
    none_when: Mapping[str, Any] = Field(default_factory=dict)
    fields: Mapping[str, Place]
    duration_per_second: float = Field(default=1, gt=0)

    @field_validator("read")
    @classmethod
    def _knows_its_variables(cls, read: HttpRequest | None) -> HttpRequest | None:
        if read is not None:
            _check_variables(read.templates, _READING, "known are")
        return read

    @field_validator("command")
    @classmethod
    def _is_given_what_it_names(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        _check_variables(command, _READING, "known are")
        return command

    @field_validator("fields")
    @classmethod
    def _has_a_key(cls, fields: Mapping[str, str]) -> Mapping[str, str]:
        if CONTRACT.fields.account not in fields:
            raise ValueError(f"{CONTRACT.fields.account!r} has to be among the fields")
        return fields


@dataclass(frozen=True, slots=True)
class Translated:
    """A request and its answer in the contract's words.

    :param response: as it came, where the file's words don't fit it; ``untranslated`` says why, with the file's line.
    """

    path: str
    request: dict[str, Any]
    status: int | None
    response: Any
    untranslated: str = ""


class EngineFile(_Part):
    """The whole file."""

    name: str
    requests: Mapping[Word, RequestShape]
    request_fields: Mapping[str, Place]
    answer: Answer
    records: RecordList | None = None
    accounts: RecordList | None = None
    seed: tuple[Seeding, ...] = ()
    remove: tuple[Seeding, ...] = ()
    empty: HttpRequest | None = None
    _path: Path = PrivateAttr(default=Path())
    _lines: Mapping[str, int] = PrivateAttr(default_factory=dict)
    """Where the places of `answer` stand in the file, by the contract's fields."""

    @field_validator("requests")
    @classmethod
    def _are_distinct(cls, requests: Mapping[Word, RequestShape]) -> Mapping[Word, RequestShape]:
        for word in get_args(Word):
            if word not in requests:
                raise ValueError(f"{word} is missing: without it, no call's {word} is recognised")
        for (other, first), (word, second) in combinations(requests.items(), 2):
            is_alike = first.method == second.method and are_alike(first.path, second.path)
            if is_alike and dict(first.when) == dict(second.when):
                raise ValueError(
                    f"{word} is recognised as {other} is; `when` names a field of the request by which they differ"
                )
        return requests

    @field_validator("empty")
    @classmethod
    def _knows_no_variables(cls, empty: HttpRequest | None) -> HttpRequest | None:
        if empty is not None:
            _check_variables(empty.templates, (), "its variables are")
        return empty

    @field_validator("records", "accounts")
    @classmethod
    def _can_be_read(cls, source: RecordList | None, info: ValidationInfo) -> RecordList | None:
        if source is None:
            return None
        if (source.read is None) == (not source.command):
            raise ValueError("either `read`, a request, or `command`, a program, is needed")
        kind, needed = (Transaction, CONTRACT.fields.call) if info.field_name == "records" else (Account, "balance")
        if strange := sorted(set(source.fields) - set(get_type_hints(kind))):
            raise ValueError(f"unknown field {strange[0]!r}; known are: {', '.join(sorted(get_type_hints(kind)))}")
        if needed not in source.fields:
            raise ValueError(f"{needed!r} has to be among the fields")
        return source

    @field_validator("request_fields")
    @classmethod
    def _known(cls, fields: Mapping[str, str]) -> Mapping[str, str]:
        strange = sorted(set(fields) - _IN_REQUESTS)
        if strange:
            raise ValueError(f"unknown field {strange[0]!r}; known are: {', '.join(sorted(_IN_REQUESTS))}")
        if CONTRACT.fields.call not in fields:
            raise ValueError(f"{CONTRACT.fields.call!r} has to be among them: it says which call a request is about")
        return fields

    @property
    def known(self) -> str:
        """The requests that are recognised, in words."""
        kinds = (
            f"{shape.method} {shape.path}{f' with {dict(shape.when)}' if shape.when else ''}"
            for shape in self.requests.values()
        )
        return f"{self._path} recognises {', '.join(kinds)}"

    def lacking(self, records: Sequence[Any]) -> str:
        """Which of a record's fields is said to be where none of these has anything; empty for none."""
        named = self.records.fields if self.records is not None and records else {}
        for name, where in named.items():
            if all(value_at(record, where) is MISSING for record in records):
                last = records[-1]
                unnamed = {key: last[key] for key in last if key not in named.values()} if _is_row(last) else {}
                return (
                    f"{self._path}: records.fields.{name} is at {where!r}, and a record {_instead(unnamed or last)}"
                )
        return ""

    def recognise(
        self, method: str, path: str, body: Any, query: str = "", headers: Iterable[tuple[str, str]] = ()
    ) -> tuple[Word, Mapping[str, str]] | None:
        """The kind of a request, and what it says outside of its JSON; None for one that isn't about a call.

        A path that fits two is the one's with fewer placeholders.
        """
        beside = texts_of(query, headers, body)
        for word, shape in sorted(self.requests.items(), key=lambda each: len(placeholders(each[1].path))):
            within = path_texts(shape.path, path)
            if shape.method != method or within is None:
                continue
            texts = {**beside, **within}
            if all(_is_said(body, texts, where, value) for where, value in shape.when.items()):
                return word, texts
        return None

    def translate(
        self,
        method: str,
        path: str,
        request: Any,
        status: int | None,
        response: Any,
        query: str = "",
        headers: Iterable[tuple[str, str]] = (),
    ) -> Translated | None:
        """In the contract's words; None for a request that isn't about a call."""
        recognised = self.recognise(method, path, request, query, headers)
        if recognised is None:
            return None
        word, texts = recognised
        places = {**self.request_fields, **self.requests[word].fields}
        fields = {name: _said(request, texts, where) for name, where in places.items()}
        fields = {name: value for name, value in fields.items() if value is not MISSING}
        untranslated = "" if status is None else self._untranslated(word, status, response)
        is_read = status is not None and not untranslated
        is_understood = status in self.answer.status or self.answer.is_no_by_status(status)
        return Translated(
            path=CONTRACT.paths.prefix + CONTRACT.paths.by_word[word],
            request={name: _seconds(value) if name in _TIMES else value for name, value in fields.items()},
            status=200 if is_understood else status,
            response=self._answered(word, status, response) if is_read and status is not None else response,
            untranslated=untranslated,
        )

    def _is_good(self, status: int, response: Any) -> bool:
        error = value_at(response, self.answer.error) if self.answer.error else MISSING
        return status in self.answer.status and error in (MISSING, None)

    def _untranslated(self, word: Word, status: int, response: Any) -> str:
        """Which place of a good answer the file names, with its line, and the answer hasn't got; empty for none."""
        if not self._is_good(status, response):
            return ""
        answer, names = self.answer, CONTRACT.fields
        needed = [names.ok]
        if word == "authorization":
            is_yes = answer.is_yes(value_at(response, answer.authorized)) if answer.authorized else True
            needed = [names.authorized, *((names.units, names.carriers) if is_yes else ())]
        for name in needed:
            where = getattr(answer, name)
            if where is not None and value_at(response, where) is MISSING:
                line = f":{self._lines[name]}" if name in self._lines else ""
                return f"{self._path}{line}: {name} is at {where!r}, and an answer {_instead(response)}"
        return ""

    def _answered(self, word: Word, status: int, response: Any) -> Any:
        answer, names = self.answer, CONTRACT.fields
        good = self._is_good(status, response)
        if word != "authorization":
            return {names.ok: self._yes(answer.ok, response) if good else False}
        fields: dict[str, Any] = {names.authorized: self._yes(answer.authorized, response) if good else False}
        for name in (names.reason, names.units, names.carriers):
            where = getattr(answer, name)
            if where is not None and (value := value_at(response, where)) is not MISSING:
                fields[name] = value
        units = units_of(fields.get(names.units))
        if answer.units_per_second != 1 and units is not None:
            fields[names.units] = int(units / answer.units_per_second)
        if isinstance(carriers := fields.get(names.carriers), list) and answer.carrier is not None:
            fields[names.carriers] = [_carrier(each, answer.carrier) for each in carriers]
        if isinstance(reason := fields.get(names.reason), int | str):
            fields[names.reason] = answer.reasons.get(reason, reason)
        elif answer.is_no_by_status(status):
            fields[names.reason] = answer.reasons[status]
        return fields

    def _yes(self, where: str | None, response: Any) -> Any:
        """What a good answer says there, as the contract says it: as it is, but a yes in words of its own."""
        if where is None:
            return True
        value = value_at(response, where)
        return self.answer.is_yes(value) if self.answer.accepts else value


def _said(body: Any, texts: Mapping[str, str], where: str) -> Any:
    """What a request has there: in its JSON, or else in its path, its form or its query; or `MISSING`."""
    value = value_at(body, where)
    return texts.get(where, MISSING) if value is MISSING else value


def _is_said(body: Any, texts: Mapping[str, str], where: str, value: Any) -> bool:
    found = value_at(body, where)
    return bool(texts.get(where) == str(value) if found is MISSING else found == value)


_TIMES = frozenset({CONTRACT.fields.authorised_at, CONTRACT.fields.began_at, CONTRACT.fields.ended_at})
_LAST_SECOND = 1e11
"""The year 5138: what is greater counts milliseconds, microseconds or nanoseconds."""


def _seconds(value: Any) -> Any:
    """A time in a request as the contract has it, in Unix seconds; what isn't one, or is ISO 8601, stays as it is."""
    if isinstance(value, str) and re.fullmatch(r"\d{9,}(?:\.\d+)?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return value
    while value > _LAST_SECOND:
        value /= 1000
    return int(value)


def _carrier(carrier: Any, places: Mapping[Literal["protocol", "host", "port"], str]) -> Any:
    """One of the answer's carriers as ``UDP:host:5060``; as it is, if it has no host."""
    parts = {name: value_at(carrier, where) for name, where in places.items()}
    host = parts.get("host")
    if not isinstance(host, str):
        return carrier
    protocol, port = parts.get("protocol", MISSING), parts.get("port", MISSING)
    named = f"{'UDP' if protocol in (MISSING, None) else str(protocol).upper()}:{host}"
    return named if port in (MISSING, None) else f"{named}:{port}"


def _is_row(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _instead(response: Any) -> str:
    """What an answer is that hasn't got what it should have."""
    if isinstance(response, Mapping):
        return f"has {', '.join(repr(str(name)) for name in list(response)[:5]) or 'nothing'}"
    kind = "is text" if isinstance(response, str) else "is JSON that is no object"
    return f"{kind}: {str(response)[:40]!r}" if response not in ("", None) else "is empty"


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
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        where = Location(str(path), before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise UsageError("the engine's file isn't YAML", found=str(error).partition("\n")[0], where=where) from None
    mistakes = list(_repeated(node))
    try:
        engine = EngineFile.model_validate(content)
    except ValidationError as error:
        mistakes += [_Mistake.of(node, each["loc"], each["msg"]) for each in error.errors()]
    if mistakes:
        first = mistakes[0]
        raise UsageError(
            f"the engine's file has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}",
            where=Location(str(path), first.line, first.column),
            detail="\n".join(f"{path}:{each.line}:{each.column}: {each.text}" for each in mistakes),
            hint="docs/engines.md describes the file",
        )
    answer = _child(node, "answer")
    places = {name: _child(answer, name) for name in Answer.model_fields}
    engine._path = path
    engine._lines = {name: place.start_mark.line + 1 for name, place in places.items() if place is not None}
    return engine


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
        named = ".".join(str(step) for step in place if step != "[key]")
        text = message.removeprefix("Value error, ")
        text = next((ours for theirs, ours in _IN_OUR_WORDS.items() if theirs in text), text)
        return cls(
            mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, f"{named}: {text}" if named else text
        )


_IN_OUR_WORDS: Mapping[str, str] = {
    "Field required": "is missing",
    "Extra inputs are not permitted": "there is no such key",
    "valid dictionary": "this has to be a mapping: `key: value`",
    "valid tuple": "this has to be a list: `[a, b]`",
}
"""What the model says of mistakes -> what a person who writes YAML knows."""


def _repeated(
    node: yaml.Node | None, within: tuple[str, ...] = (), above: tuple[int, ...] = ()
) -> Iterator[_Mistake]:
    """Keys that stand in a mapping twice: YAML takes the last.

    :param above: the nodes that it's in: one that an alias puts into itself is looked at once.
    """
    if node is None or id(node) in above:
        return
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        known = set()
        for key, value in node.value:
            place = (*within, str(key.value))
            if key.value in known:
                mark = key.start_mark
                yield _Mistake(mark.line + 1, mark.column + 1, f"{'.'.join(place)}: this key stands there twice")
            known.add(key.value)
            yield from _repeated(value, place, above)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _repeated(value, (*within, str(number)), above)


def _child(node: yaml.Node | None, step: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]  # type: ignore[no-any-return]
    return None
