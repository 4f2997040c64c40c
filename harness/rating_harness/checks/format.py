"""How values are written in findings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rating_harness.evidence.model import SipMessage
from rating_harness.scenario.matchers import MISSING
from rating_harness.scenario.values import duration_text

__all__ = ["field", "listed", "reply_text", "seconds", "shown"]


def shown(value: object) -> str:
    """A value of JSON as a person reads it."""
    if value is MISSING:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def field(mapping: Mapping[str, Any], key: str) -> object:
    """A field, or MISSING."""
    return mapping.get(key, MISSING)


def seconds(value: float | None) -> str:
    """A time in seconds."""
    return "nothing" if value is None else duration_text(round(value, 3))


def reply_text(message: SipMessage | None) -> str:
    """A reply's status and reason."""
    return "no final reply" if message is None else f"{message.status} {message.reason}"


def listed(value: object) -> str:
    """A value, or the values of a tuple in order."""
    if value in (None, MISSING):
        return "nothing"
    return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)
