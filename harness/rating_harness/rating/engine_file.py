"""A rating engine of one's own, described in a file: ``--engine FILE.yaml``.

The file says how each kind of request is recognised, where its fields and those of the answer are, and how records
are stored, read and removed. What Kamailio and the engine say to each other is translated into the words of
`rating_harness.contract` as it's recorded, so that every check works with every engine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_type_hints

import yaml
from jinja2 import TemplateSyntaxError, meta
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

from rating_harness.contract import CONTRACT, Reason, is_true
from rating_harness.errors import Location, UsageError
from rating_harness.rating.json_path import MISSING, value_at
from rating_harness.rating.model import Account, Transaction
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


def _without_query(path: str) -> str:
    if "?" in path:
        raise ValueError("a request is recognised by its path, without the query")
    return path


def _place(where: str) -> str:
    if not all(where.split(".")):
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

    :param path: the whole path, without the query.
    :param when: field of the JSON body (``params.0.Event``) -> its value, where the path alone doesn't tell.
    :param fields: where its own fields are, if elsewhere than `EngineFile.request_fields` says.
    """

    path: Annotated[str, AfterValidator(_whole_path), AfterValidator(_without_query)]
    method: Method = "POST"
    when: Mapping[Place, Any] = Field(default_factory=dict)
    fields: Mapping[str, Place] = Field(default_factory=dict)


class Answer(_Part):
    """Where an answer says what. A field that isn't named is one that this engine's answers don't have.

    :param status: the statuses of a good answer.
    :param ok: of begin and end; None: the status alone says it.
    :param error: a field whose presence (neither null nor absent) makes the answer a bad one, as in JSON-RPC.
    :param authorized: None: an answer that isn't bad authorises.
    :param units_per_second: 1,000,000,000 for an engine that counts nanoseconds.
    :param reasons: the engine's own reason -> one of the contract's.
    """

    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = (200,)
    ok: Place | None = None
    error: Place | None = None
    authorized: Place | None = None
    unauthorized_reason: Place | None = None
    max_available_units: Place | None = None
    units_per_second: float = Field(default=1, gt=0)
    carriers: Place | None = None
    reasons: Mapping[str, Reason] = Field(default_factory=dict)


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


def _check_variables(request: HttpRequest, known: Collection[str], what: str) -> None:
    """:raises ValueError: a template has a variable that no run gives it."""
    for text in _texts([request.path, request.headers, request.body]):
        named = meta.find_undeclared_variables(_TEMPLATES.parse(text)) - set(_TEMPLATES.globals)
        if unknown := sorted(named - set(known)):
            close = get_close_matches(unknown[0], known, n=1)
            there = f"did you mean {close[0]!r}?" if close else f"{what}: {', '.join(sorted(known)) or 'none'}"
            raise ValueError(f"a template knows no {unknown[0]!r} here; {there}")


class Seeding(HttpRequest):
    """A request for each of what a scenario's ``given`` holds; its fields are the template's variables."""

    each: Literal["accounts", "carriers", "pricelists", "rates", "customers"]

    @model_validator(mode="after")
    def _knows_its_variables(self) -> Self:
        _check_variables(self, GIVEN_FIELDS[self.each], f"each of {self.each} has")
        return self


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
    fields: Mapping[str, Place]
    duration_per_second: float = Field(default=1, gt=0)

    @field_validator("read")
    @classmethod
    def _knows_its_variables(cls, read: HttpRequest | None) -> HttpRequest | None:
        if read is not None:
            _check_variables(read, _READING, "known are")
        return read

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
    answer: Answer = Answer()
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
        shapes = [(shape.method, shape.path, dict(shape.when)) for shape in requests.values()]
        for number, (word, shape) in enumerate(zip(requests, shapes, strict=True)):
            if shape in shapes[:number]:
                other = list(requests)[shapes.index(shape)]
                raise ValueError(
                    f"{word} is recognised as {other} is; `when` names a field of the body by which they differ"
                )
        return requests

    @field_validator("empty")
    @classmethod
    def _knows_no_variables(cls, empty: HttpRequest | None) -> HttpRequest | None:
        if empty is not None:
            _check_variables(empty, (), "its variables are")
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
        untranslated = "" if status is None else self._untranslated(word, status, response)
        is_read = status is not None and not untranslated
        return Translated(
            path=CONTRACT.paths.prefix + CONTRACT.paths.by_word[word],
            request={name: value for name, value in fields.items() if value is not MISSING},
            status=200 if status in self.answer.status else status,
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
            said = value_at(response, answer.authorized) if answer.authorized else True
            needed = [names.authorized, *((names.units, names.carriers) if is_true(said) else ())]
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
