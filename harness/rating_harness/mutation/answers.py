"""Sabotage of the agent's answers: each request, each way in which its answer may be wrong, missing or late."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rating_harness.contract import CONTRACT

__all__ = ["Sabotage", "sabotages"]

_FIELDS = CONTRACT.fields
_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "authorization": (_FIELDS.authorized, _FIELDS.units, _FIELDS.carriers),
    "begin": (_FIELDS.ok,),
    "end": (_FIELDS.ok,),
}
"""The fields of each answer that Kamailio reads."""

_VALUES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "answer-type": {
        _FIELDS.authorized: ("true", 1, [], {}),
        _FIELDS.units: ("ten", "3", 2.5, [], {}, True),
        _FIELDS.carriers: ("UDP:carrier:5060", {}, [1], [None], 7),
        _FIELDS.ok: ("true", 1, [], {}),
    },
    "answer-extreme": {
        _FIELDS.authorized: (False,),
        _FIELDS.units: (0, -1, 1, 99999999999, 2147483648),
        _FIELDS.carriers: ([], [""], ["UDP:nowhere.invalid:5060"], ["UDP:carrier:70000"], ["XYZ:carrier:5060"]),
        _FIELDS.ok: (False,),
    },
}


@dataclass(frozen=True, slots=True)
class Sabotage:
    """:param request: ``authorization``, ``begin``, ``end``.
    :param fault: as a scenario has it, without ``on`` and ``path``.
    """

    id: str
    operator: str
    request: str
    fault: Mapping[str, Any] = field(hash=False)

    @property
    def whole(self) -> dict[str, Any]:
        """The fault as a scenario has it."""
        return {"on": "agent", "path": self.request, **self.fault}

    @property
    def route(self) -> str:
        return f"(answer to {self.request})"

    def __str__(self) -> str:
        return f"{self.request}: {json.dumps(self.fault)}"


def sabotages() -> tuple[Sabotage, ...]:
    """All of them, in a fixed order."""
    return tuple(
        Sabotage(_digest(operator, request, fault), operator, request, fault)
        for request, fields in _ANSWERS.items()
        for operator, fault in _faults(fields)
    )


def _faults(fields: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in fields:
        yield "answer-missing", {"remove": [name]}
        yield "answer-null", {"set": {name: None}}
        for operator, values in _VALUES.items():
            for value in values[name]:
                yield operator, {"set": {name: value}}
    yield "answer-empty", {"status": 200, "body": "{}"}
    yield "answer-status", {"status": 500}
    yield "answer-status", {"status": 404}
    yield "answer-status", {"status": 204}
    yield "answer-lost", {"lost": "answer"}
    yield "answer-lost", {"lost": "request"}
    yield "answer-lost", {"silent": True}
    yield "answer-lost", {"reset": True}
    yield "answer-late", {"delay": "3s"}
    yield "answer-late", {"late": "3s"}
    yield "answer-twice", {"duplicate": True}
    yield "answer-in-parts", {"partial": 8}
    yield "answer-in-parts", {"drip": "100ms"}
    yield "answer-broken", {"malformed": True}
    yield "answer-broken", {"garbage": True}


def _digest(operator: str, request: str, fault: Mapping[str, Any]) -> str:
    text = json.dumps([operator, request, fault], sort_keys=True)
    return "a" + hashlib.sha256(text.encode()).hexdigest()[:9]
