"""Words that findings share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rating_harness.scenario.matchers import MISSING
from rating_harness.scenario.model import Scenario

__all__ = ["asked", "field", "shown"]


def shown(value: object) -> str:
    """A value of JSON as a person reads it."""
    if value is MISSING:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def field(mapping: Mapping[str, Any], key: str) -> object:
    """A field, or MISSING."""
    return mapping.get(key, MISSING)


def asked(scenario: Scenario, section: str, index: int, *key: str) -> dict[str, Any]:
    """Which line of ``expect`` asked: the fields `check` and `where` of a finding."""
    path = "".join(f".{part}" for part in key)
    return {
        "check": f"expect.{section}[{index}]{path}",
        "where": scenario.where("expect", section, index, *key),
    }
