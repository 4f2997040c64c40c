"""Kamailio's evaluator for #!ifexp and #!defexp."""

from __future__ import annotations

import pytest

from rating_harness.kamailio_config.define_expressions import evaluate

DEFINES = {"PORT": "5060", "SMALL": "900", "NAME": '"alice"', "TICKED": "'bob'", "ON": None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("10 / 4", 2.5),
        ("10 % 4", 2.0),
        ("1 << 3", 8.0),
        ("2 > 1 && 1 > 2", 0.0),
        ("2 > 1 || 1 > 2", 1.0),
        ("!1", 0.0),
        ("-3 + 1", -2.0),
        ('"a" + "b"', "ab"),
        ('"a" + 1', "a1"),
        ('1 + "2"', 3.0),
        ('"a" == "a"', 1.0),
        ("'a' != 'b'", 1.0),
        ("UNKNOWN", 0.0),
        ("ON", 1.0),
        ("NAME", "alice"),
        ("TICKED", "bob"),
        ("NAME + '@' + TICKED", "alice@bob"),
        ("PORT == 5060", 1.0),
    ],
)
def test_what_an_expression_comes_to(text: str, value: float | str) -> None:
    assert evaluate(text, DEFINES) == value


def test_values_of_defines_are_compared_as_strings() -> None:
    assert evaluate("SMALL >= PORT", DEFINES) == 1.0, "as Kamailio does it: '9' comes after '5'"
    assert evaluate("0 + SMALL >= 0 + PORT", DEFINES) == 0.0, "a number on the left makes it one of numbers"


@pytest.mark.parametrize("text", ["", "1 +", "(1", "1 1", "NAME * 2", "§"])
def test_what_kamailio_cannot_compute(text: str) -> None:
    assert evaluate(text, DEFINES) is None
