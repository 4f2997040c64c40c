"""Evidence in a folder, as a person can browse it and as `read` has it back, equal to what was written.

::

    evidence.json         calls, dialogs, SIPp's counts, services, the lab; and the format's number
    sip/<host>.txt        every SIP message of that host, in full
    capture.jsonl         a SIP message that Kamailio itself sent or received in each line, where that was captured
    http.jsonl            an exchange with the agent in each line
    kamailio.log          time (- where there's none), service, level, text
    records-before.json   accounts and records as the engine's API told them
    records-after.json

What else belongs to a run is stored beside it: its scenario, the verdict, SIPp's scenarios.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from pydantic import TypeAdapter, ValidationError

from rating_harness.contract import CONTRACT
from rating_harness.errors import EvidenceError
from rating_harness.evidence.model import CapturedMessage, Evidence, Exchange, LogLine, Records, SipMessage
from rating_harness.evidence.sip import parse_message

__all__ = ["FORMAT", "read", "write", "write_files"]

FORMAT = 6
"""Counts up with each change after which an older `read` would be wrong."""

_CORE, _SIP, _CAPTURE, _HTTP, _LOG = "evidence.json", "sip", "capture.jsonl", "http.jsonl", "kamailio.log"
_RECORDS = {"before": "records-before.json", "after": "records-after.json"}
_APART = {"messages", "captured", "exchanges", "log", *_RECORDS}
_TOGETHER = tuple(field.name for field in fields(Evidence) if field.name not in _APART)
_SEPARATOR = re.compile(
    rb"==== #(?P<index>\d+) (?P<direction>sent|received) (?P<transport>[!-~]+) at (?P<at>[!-~]+) [^\n]*"
    rb", (?P<size>\d+) bytes ====\n"
)

T = TypeVar("T")


def write(folder: Path, evidence: Evidence, *, extra: Mapping[str, bytes] | None = None) -> None:
    """Store evidence in ``folder``, which is made.

    :param extra: further files, by their names relative to ``folder``: the scenario's, the verdict.
    :raises ValueError: a name that leads out of ``folder``.
    """
    files = _files(evidence)
    write_files(folder, {**files, **(extra or {})})
    # Last, so that a folder which lacks it is known to be incomplete.
    core = {name: getattr(evidence, name) for name in _TOGETHER}
    _put(folder, _CORE, _encode({"format": FORMAT, "files": sorted(files), **core}, indent=2))


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into ``folder``, which is made.

    :raises ValueError: a name that leads out of ``folder``.
    """
    for name, content in files.items():
        _put(folder, name, content)


def read(folder: Path) -> Evidence:
    """What `write` stored.

    :raises EvidenceError: there is none, it's incomplete, it was changed into what it can't be, or its format is of
        another version.
    """
    core = _json(folder / _CORE)
    found = core.pop("format", None) if isinstance(core, dict) else None
    if found != FORMAT:
        raise EvidenceError(
            "evidence in a format that this version doesn't read",
            expected=f"format {FORMAT}",
            found=f"format {found}",
            where=str(folder / _CORE),
            hint="read it with the version of rating-harness that stored it",
        )
    files = _fit(list[str], core.pop("files", None), folder / _CORE)
    if core.keys() != set(_TOGETHER):
        keys = sorted(core.keys() ^ set(_TOGETHER))
        raise EvidenceError("keys that are missing, or unknown", found=", ".join(keys), where=str(folder / _CORE))
    whole = {
        **core,
        "messages": tuple(_messages(folder / name for name in files if name.startswith(f"{_SIP}/"))),
        "captured": tuple(_captured(folder / _CAPTURE)) if _CAPTURE in files else None,
        "exchanges": tuple(
            _fit(Exchange, value, path, number) for path, number, value in _json_lines(folder / _HTTP)
        ),
        "log": tuple(_log_lines(folder / _LOG)),
    }
    for name, file in _RECORDS.items():
        if file in files:
            whole[name] = _fit(Records, _json(folder / file), folder / file)
    evidence = _fit(Evidence, whole, folder / _CORE)
    return replace(evidence, call_ids={name: tuple(call_ids) for name, call_ids in evidence.call_ids.items()})


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}
"""What reads each kind of value, made at its first: whoever only stores evidence needs none."""


# --- writing --------------------------------------------------------------------------------------------------------


def _files(evidence: Evidence) -> dict[str, bytes]:
    files = {
        _HTTP: b"".join(_encode(exchange) + b"\n" for exchange in evidence.exchanges),
        _LOG: _bytes("".join(f"{_log_line(line)}\n" for line in evidence.log)),
    }
    if evidence.captured is not None:
        lines = ({**_plain(message), "message": None} for message in evidence.captured)
        files[_CAPTURE] = b"".join(_encode(line) + b"\n" for line in lines)
    for name, file in _RECORDS.items():
        records = getattr(evidence, name)
        if records is not None:
            files[file] = _encode(records, indent=2)
    by_host: dict[str, list[bytes]] = {}
    for index, message in enumerate(evidence.messages):
        by_host.setdefault(message.host, []).append(_message(index, message, evidence.started))
    for host, texts in by_host.items():
        files[f"{_SIP}/{quote(host, safe='')}.txt"] = b"\n".join(texts)
    return files


def _put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} leads out of the folder of evidence")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _message(index: int, message: SipMessage, started: float) -> bytes:
    if message.status is None:
        first = f"{message.method} {message.uri} SIP/2.0"
    else:
        first = f"SIP/2.0 {message.status} {message.reason}"
    head = [first, *(f"{name}: {value}" for name, value in message.headers)]
    text = _bytes("\n".join(head) + f"\n\n{message.body}")
    about = f"#{index} {message.direction} {message.transport} at {message.at!r} ({message.at - started:+.3f} s)"
    return _bytes(f"==== {about}, {len(text)} bytes ====\n") + text + b"\n"


def _log_line(line: LogLine) -> str:
    at = "-" if line.at is None else repr(line.at)
    return f"{at} {line.service} {line.level or '-'} {line.text}"


def _encode(value: object, indent: int | None = None) -> bytes:
    return _bytes(json.dumps(value, default=_plain, ensure_ascii=False, indent=indent))


def _plain(value: object) -> dict[str, Any]:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} can't be stored")


def _bytes(text: str) -> bytes:
    # JSON from the wire may hold halves of surrogate pairs (RFC 8259 section 8.2).
    return text.encode("utf-8", "surrogatepass")


# --- reading --------------------------------------------------------------------------------------------------------


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvidenceError(
            "no evidence that can be read here",
            expected=f"a file {path.name}",
            found=error.strerror or str(error),
            where=str(path),
            hint="give the folder that a failure names; one without this file is of a run that was killed",
        ) from None


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise EvidenceError("not UTF-8", found=str(error), where=str(path)) from None


def _json(path: Path) -> Any:
    return _parsed(_text(_contents(path), path), path)


def _json_lines(path: Path) -> Iterator[tuple[Path, int, Any]]:
    for number, line in enumerate(_text(_contents(path), path).split("\n"), start=1):
        if line:
            yield path, number, _parsed(line, path, number)


def _parsed(text: str, path: Path, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise EvidenceError("not JSON", found=str(error), where=_place(path, line)) from None


def _place(path: Path, line: int | None) -> str:
    return str(path) if line is None else f"{path}:{line}"


def _time(text: str, path: Path, line: int | None = None) -> float:
    try:
        return float(text)
    except ValueError:
        raise EvidenceError("not a time", expected="Unix seconds", found=text, where=_place(path, line)) from None


def _fit(kind: type[T], value: Any, path: Path, line: int | None = None) -> T:
    try:
        if kind not in _ADAPTERS:
            _ADAPTERS[kind] = TypeAdapter(kind)
        fitting: T = _ADAPTERS[kind].validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise EvidenceError(
            f"a value that evidence can't have: {'.'.join(map(str, first['loc']))}",
            expected=first["msg"],
            found=repr(first["input"])[:120],
            where=_place(path, line),
        ) from None
    return fitting


def _messages(paths: Iterable[Path]) -> Iterator[SipMessage]:
    """Of all hosts, in the order in which they were written."""
    indexed = [each for path in paths for each in _messages_of(path)]
    yield from (message for _, message in sorted(indexed, key=lambda each: each[0]))


def _messages_of(path: Path) -> Iterator[tuple[int, SipMessage]]:
    content, host, position = _contents(path), unquote(path.stem), 0
    while position < len(content):
        match = _SEPARATOR.match(content, position)
        end = match.end() + int(match["size"]) if match else 0
        if match is None or content[end : end + 1] != b"\n":
            raise EvidenceError(
                "a SIP message without its beginning, or of another size than is said there",
                expected="==== #NUMBER sent|received TRANSPORT at TIME ..., SIZE bytes ====",
                found=content[position : position + 80].decode("utf-8", "replace"),
                where=_place(path, content.count(b"\n", 0, position) + 1),
            )
        yield (
            int(match["index"]),
            parse_message(
                _text(content[match.end() : end], path),
                at=_time(match["at"].decode(), path),
                host=host,
                sent=match["direction"] == b"sent",
                transport=match["transport"].decode(),
            ),
        )
        position = end + 1
        position += content[position : position + 1] == b"\n"


def _captured(path: Path) -> Iterator[CapturedMessage]:
    for each_path, number, value in _json_lines(path):
        captured = _fit(CapturedMessage, value, each_path, number)
        message: SipMessage | None = None
        with suppress(EvidenceError):  # what isn't SIP was kept as it was
            message = parse_message(
                captured.text,
                at=captured.at,
                host=CONTRACT.services.kamailio,
                sent=captured.direction == "sent",
                transport=captured.transport,
            )
        yield replace(captured, message=message)


def _log_lines(path: Path) -> Iterator[LogLine]:
    for number, line in enumerate(_text(_contents(path), path).split("\n"), start=1):
        if not line:
            continue
        parts = line.split(" ", 3)
        if len(parts) < 4:
            raise EvidenceError(
                "a line of the log that is cut off", expected="TIME SERVICE LEVEL TEXT", where=_place(path, number)
            )
        at, service, level, text = parts
        yield LogLine(service, text, "" if level == "-" else level, None if at == "-" else _time(at, path, number))
