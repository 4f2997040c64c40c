"""Kamailio doesn't start with a number that a define can't have, and says which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rating_harness.run.stack import Stack

pytestmark = pytest.mark.lab

FILES = {path.name: path.read_bytes() for path in (Path(__file__).parents[2] / "kamailio").glob("*.cfg")}
BOUNDS = re.findall(
    rb'loadmodule "--- (\w+) must be a whole number from (\d+) to (\d+) ---"',
    FILES["bounds.cfg"] + FILES["rating-bounds.cfg"],
)
BESIDES = {"RATING_SLICE": {"RATING_SLICE_LEAD": "1"}, "RATING_SLICE_LEAD": {"RATING_SLICE": "86400"}}


def test_each_number_has_bounds() -> None:
    defined = {name for text in FILES.values() for name in re.findall(rb"^#!trydef (\w+) -?\d+$", text, re.MULTILINE)}
    assert defined - {name for name, _, _ in BOUNDS} == {b"LOG_LEVEL", b"RATING_KNOWS_CALLS"}


@pytest.mark.parametrize(("name", "low", "high"), [[each.decode() for each in bound] for bound in BOUNDS])
def test_a_number_out_of_bounds(name: str, low: str, high: str, rating_stack: Stack) -> None:
    besides = {"RATING_HTTP_TIMEOUT": "1"} if name == "FR_TIMER" else {"FR_TIMER": "3600000"}
    besides.update(BESIDES.get(name, {}))
    above = int(high) + max(1, int(high) // 1000)  # Kamailio computes these with 24 binary digits
    for value in (str(int(low) - 1), str(above), "-5", "many", "99999999999999999999"):
        refused = rating_stack.programs.refuses(FILES, {**besides, name: value})
        assert refused is not None, value
        assert f"{name} must be a whole number from {low} to {high}" in refused, value
    least = str(max(int(low), 2)) if name in ("FR_TIMER", "RATING_SLICE") else low
    assert rating_stack.programs.refuses(FILES, {**besides, name: least}) is None


def test_every_switch_at_once_is_taken(rating_stack: Stack) -> None:
    """The check has the memory that a lab's Kamailio has: all of it doesn't fit into Kamailio's own 8 MB."""
    switches = {"WITH_REGISTRAR": "1", "WITH_SOURCES": "1", "WITH_DIALOG_DB": "1", "RATING_KEEPALIVE": "30"}
    slices = {"RATING_SLICE": "30", "RATING_ONE_CALL": '"listed"'}
    assert rating_stack.programs.refuses(FILES, {**switches, **slices}) is None
