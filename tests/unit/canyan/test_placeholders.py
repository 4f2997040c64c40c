"""Placeholders of SIPp scenarios, and references to answers."""

from __future__ import annotations

import pytest

from rating_harness.canyan.placeholders import built_in, filled, names_in, references_in, resolved
from rating_harness.scenario.values import Unfit

STORED = {"tenant": {"id": 7, "list": [{"name": "a"}], "n.x": 1}}


def test_values_are_filled_in_as_python_does() -> None:
    assert filled("%(a)s %(b)d %(b)05d 100%% 5% %x", {"a": 1, "b": 42}) == "1 42 00042 100% 5% %x"


def test_a_text_is_no_number() -> None:
    with pytest.raises(Unfit, match="wants a number for 'a'"):
        filled("%(a)d", {"a": "1"})


def test_a_value_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        filled("%(a)s", {})


def test_names_in_their_order() -> None:
    assert names_in("%(b)s %% %(a)d %(b)s") == ["b", "a"]


def test_the_built_in_scenario_wants_a_duration_only() -> None:
    assert names_in(built_in()) == ["call_duration"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{tenant.id}", "7"),
        ("/t/{tenant.id}/{tenant.list.0.name}", "/t/7/a"),
        ({"a": ["{tenant.id}", 1]}, {"a": ["7", 1]}),
        ('{ Account(host: "10.0.0.1") { id } }', '{ Account(host: "10.0.0.1") { id } }'),
        ("{...Fields}", "{...Fields}"),
    ],
)
def test_references_are_replaced(text: object, expected: object) -> None:
    assert resolved(text, STORED) == expected


@pytest.mark.parametrize("text", ["{tenant.no}", "{tenant.list.1}", "{tenant.id.x}", "{other.id}"])
def test_a_reference_to_nothing(text: str) -> None:
    with pytest.raises(Unfit, match="refers to nothing"):
        resolved(text, STORED)


def test_references_are_found_at_any_depth() -> None:
    assert list(references_in({"a": ["{x.y}", {"b": "{z.0.w}"}], "c": 1})) == [("x", "y"), ("z", "0.w")]
