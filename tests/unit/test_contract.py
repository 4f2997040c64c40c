"""The agent's interface is named once, and what it takes for true is what Kamailio takes for true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rating_harness.contract import CONTRACT, Reason, is_true
from rating_harness.rating.engine.agent.openapi import description
from rating_harness.rating.model import Account, Transaction

_ROOT = Path(__file__).parents[2]


def test_the_paths_are_those_that_the_agent_serves() -> None:
    assert set(description()["paths"]) == CONTRACT.paths.all


def test_the_fields_are_those_of_requests_and_answers() -> None:
    known = {*Transaction.__annotations__, *Account.__annotations__}
    answered = {
        CONTRACT.fields.units,
        CONTRACT.fields.ok,
        CONTRACT.fields.carriers,
        CONTRACT.fields.called_authorized,
    }
    schema = json.dumps(description())
    named = {getattr(CONTRACT.fields, name) for name in CONTRACT.fields.__dataclass_fields__} - answered
    assert {name for name in named - known if f'"{name}"' not in schema} == set()


def test_kamailio_knows_every_reason() -> None:
    """Each has a case of its own in rating.cfg, in the same spelling."""
    cases = re.findall(r'case "([A-Z_]+)":', (_ROOT / "kamailio" / "rating.cfg").read_text(encoding="utf-8"))
    assert set(cases) == set(Reason)


@pytest.mark.parametrize(
    ("value", "taken"),
    [(True, True), (1, True), (False, False), (0, False), (2, False), (1.0, False), ("1", False), ("true", False),
     (None, False), ([True], False)],
)  # fmt: skip
def test_what_kamailio_takes_for_true(value: Any, taken: bool) -> None:
    assert is_true(value) is taken


def test_a_name_of_the_contract_is_spelt_nowhere_else() -> None:
    """In the code that judges and shows calls: a name that is misspelt there makes a hint that never shows."""
    names = {*CONTRACT.paths.by_word.values(), *Reason} - {"authorization"}
    names |= {CONTRACT.fields.units, CONTRACT.fields.reason, CONTRACT.services.agent, CONTRACT.services.engine}
    rooms = ("checks", "plan", "report", "run", "session", "evidence")
    package = _ROOT / "harness" / "rating_harness"
    files = [path for room in rooms for path in (package / room).rglob("*.py")]
    strays = [
        f"{path.relative_to(package)}: {name}"
        for path in files
        for name in names
        if f'"{name}"' in path.read_text(encoding="utf-8") and path.name != "records.py"
    ]
    assert strays == []
