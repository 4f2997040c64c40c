"""What is wrong with an answer of the agent by itself, where nobody asked for a fault: the cause of what follows.

Kamailio takes 200 with a JSON object, as the contract has it (`rating_harness.contract`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rating_harness.checks.format import seconds
from rating_harness.checks.model import Case
from rating_harness.contract import CONTRACT, is_true, refused_json, units_of
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import Exchange

__all__ = ["agent_at_fault", "fault_of_answer", "other_call", "untranslated"]

_FIELD = CONTRACT.fields
_WHOSE = "the agent is at fault, and not Kamailio"
_CARRIER = re.compile(r"\s*(udp|tcp|tls):(\[[0-9a-f:.]+\]|[0-9a-z][0-9a-z._-]*)(:\d{1,5})?\s*", re.IGNORECASE)
_NO_JSON: Mapping[str, str] = {
    "": "a body that is empty",
    "\ufeff": "a byte order mark before the JSON, which JSON mustn't have (RFC 8259 section 8.1)",
    "\\xef\\xbb\\xbf": "a byte order mark before the JSON, which JSON mustn't have (RFC 8259 section 8.1)",
    "\\xff\\xfe": "UTF-16, and JSON is UTF-8 (RFC 8259 section 8.1)",
    "\\xfe\\xff": "UTF-16, and JSON is UTF-8 (RFC 8259 section 8.1)",
    "\x1f\\x8b": "gzip, which no Accept-Encoding names",
    "<": "XML or HTML",
    "x\\x9c": "deflate, which no Accept-Encoding names",
    "x\\xda": "deflate, which no Accept-Encoding names",
}
"""How a body begins -> what it is instead of JSON; ``\\xff`` are bytes that aren't UTF-8."""
_OCTET = re.compile(r"\\x[89a-f][0-9a-f]")
_STATUS: Mapping[int, str] = {
    401: "it wants credentials",
    403: "it wants credentials",
    404: "it has nothing at this path",
    405: "it takes another method",
    415: "it takes another type of body",
}


def agent_at_fault(case: Case, calls: Iterable[Call], *kinds: str) -> str:
    """What is wrong with the first answer about those calls that can't be used; empty for nothing.

    Of one that the engine's file doesn't describe, it begins with the file's line: either may be wrong.

    Where the scenario breaks something, or Kamailio was restarted, an odd answer may be meant: nothing is said.

    :param kinds: of the requests that count; none: all.
    """
    if case.scenario.faults or case.was_restarted:
        return ""
    for call in calls:
        for exchange in case.exchanges(call):
            if (not kinds or exchange.kind in kinds) and (what := fault_of_answer(exchange)):
                return what if exchange.untranslated else f"{_WHOSE}: {what}"
    return ""


def untranslated(exchanges: Iterable[Exchange]) -> str:
    """Why the first answer that the engine's file doesn't describe can't be read, with the file's line; or empty.

    One that the tap made so is none.
    """
    known = (each for each in exchanges if each.path in CONTRACT.paths.all and each.fault is None)
    return next((each.untranslated for each in known if each.untranslated), "")


def fault_of_answer(exchange: Exchange) -> str:
    """Why Kamailio can't use an answer; empty where it can, and where the tap made it so."""
    kind, status, answer = exchange.kind, exchange.status, exchange.response
    if exchange.fault is not None or f"{CONTRACT.paths.prefix}{kind}" not in CONTRACT.paths.all:
        return ""
    if exchange.untranslated and not exchange.is_translated:
        return f"Kamailio sent {exchange.method} {exchange.path}, and {exchange.untranslated}"
    if status is None:
        if exchange.answered is None:
            return f"it never answered {kind}"
        return f"it had not answered {kind} after {seconds(exchange.answered - exchange.received)}"
    if status == 502 and isinstance(answer, Mapping) and str(answer.get("error", "")).startswith("http"):
        return f"it can't be reached: {_unreachable(str(answer['error']))}"
    if 300 <= status < 400:
        return f"it answered {kind} with {status}, a redirect, which isn't followed: give the URL that it leads to"
    if status != 200:
        why = f"; {_STATUS[status]}" if status in _STATUS else ""
        whose = (
            "a good answer has another, by the engine's file" if exchange.is_translated else "the contract has 200"
        )
        return f"it answered {kind} with {status}, and {whose}{why}"
    if exchange.untranslated:
        return exchange.untranslated
    if not isinstance(answer, Mapping):
        return f"it answered {kind} with {_instead_of_an_object(answer)}"
    if other := other_call(exchange):
        return f"its answer to {kind} is about another call, {other}"
    return next(_wrong_fields(kind, answer, is_whole=not exchange.is_translated), "")


def other_call(exchange: Exchange) -> str:
    """Which call an answer names where that's another than it was asked about; or empty."""
    answer = exchange.response
    about = answer.get(_FIELD.call) if isinstance(answer, Mapping) else None
    return about if isinstance(about, str) and about != exchange.requested(_FIELD.call) else ""


def _unreachable(error: str) -> str:
    if "Expected HTTP/" in error:
        return f"{error.partition(': ')[0]}: what it answers is no HTTP/1.1 (HTTP/2 without TLS, or TLS?)"
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return f"{error}; SSL_CERT_FILE=FILE in the environment of this command names the certificate to trust"
    if "CERTIFICATE_REQUIRED" in error or "SSLV3_ALERT_HANDSHAKE_FAILURE" in error:
        return f"{error}; RATING_CLIENT_CERT=FILE in the environment of this command names the one that is shown"
    return error


def _instead_of_an_object(answer: Any) -> str:
    if isinstance(answer, str) or answer is None:
        text = (answer or "").lstrip(" \t\r\n")
        if refused := refused_json(text):
            return f"JSON that has {refused}, which Kamailio doesn't take"
        if text == "null":
            return "JSON that is no object: null"
        if _is_json(_OCTET.sub("?", text)) and not _is_json(text):
            return f"JSON that isn't UTF-8 (RFC 8259 section 8.1): it has {' '.join(_OCTET.findall(text)[:3])}"
        kind = next((what for start, what in _NO_JSON.items() if start and text.startswith(start)), "")
        return kind or (f"what is no JSON: {text[:40]}" if text else _NO_JSON[""])
    return f"JSON that is no object: {json.dumps(answer)[:40]}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _wrong_fields(kind: str, answer: Mapping[str, Any], *, is_whole: bool) -> Iterator[str]:
    """:param is_whole: whether a yes has to have all fields: those that an engine's file names are there."""
    if kind != CONTRACT.paths.authorization:
        yield from _no_boolean(kind, answer, _FIELD.ok)
        return
    if _FIELD.called_authorized not in answer or _FIELD.authorized in answer:
        yield from _no_boolean(kind, answer, _FIELD.authorized)
    if not is_true(answer.get(_FIELD.authorized)):
        return
    units = answer.get(_FIELD.units)
    number = units_of(units)
    if (is_whole or _FIELD.units in answer) and (number is None or not float(number).is_integer()):
        yield f"its {_FIELD.units} is {_shown(units)}, and no whole number of seconds"
    carriers = answer.get(_FIELD.carriers)
    if not is_whole and _FIELD.carriers not in answer:
        return
    if not isinstance(carriers, list):
        yield f"its {_FIELD.carriers} is {_shown(carriers)}, and no list"
    elif carriers and not any(isinstance(each, str) and _CARRIER.fullmatch(each) for each in carriers):
        yield f"its carrier {json.dumps(carriers[0])[:60]} is no PROTOCOL:HOST:PORT, such as UDP:carrier:5060"


def _no_boolean(kind: str, answer: Mapping[str, Any], name: str) -> Iterator[str]:
    if name in answer:
        value = answer[name]
        if not isinstance(value, bool) and not is_true(value):
            yield f"its {name} is {_shown(value)}, and neither true nor false"
        return
    within = [key for key, value in answer.items() if isinstance(value, Mapping) and name in value]
    yield f"its answer to {kind} has no {name!r}" + (f" but within {within[0]!r}" if within else "")


def _shown(value: object) -> str:
    return json.dumps(value)[:40] + (", a text" if isinstance(value, str) else "")
