"""What is written is read back as it was: by the loader, and by programs that read YAML 1.1."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rating_harness.scenario.diagnostics import Mistakes
from rating_harness.scenario.nodes import plain
from rating_harness.scenario.yaml_parser import read
from rating_harness.scenario.yaml_writer import flow

AWKWARD = (
    *("on", "off", "yes", "No", "y", "N", "true", "null", "~", "0390", "+39", "1e5", "1_000", "0x1f", "12:30:00"),
    *(
        ".inf",
        "=",
        "<<",
        "2026-01-01",
        "",
        " ",
        "a: b",
        "a #b",
        "- a",
        "[a]",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%",
        "@",
        "`",
    ),
    *("3s ± 1s", "0 ± 1", "ana is answered", "1s after ana is answered", "while ringing", "sip:39", "Müller", "日本"),
    *("\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\U000e0001", "a\nb", "tab\t", "\\", '"', "'", "${a}", "x" * 300),
)
TEXTS = st.text(max_size=12) | st.sampled_from(AWKWARD)
KEYS = TEXTS.filter(lambda text: text != "<<")
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def read_back(text: str) -> Any:
    mistakes = Mistakes()
    tree = read(text, "it.yaml", mistakes)
    assert mistakes.all() == []
    assert tree is not None
    return plain(tree)


@settings(max_examples=300, deadline=None)
@given(value=VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    text = flow([value])
    assert "\n" not in text
    assert read_back(text) == [value]
    assert yaml.safe_load(text) == [value]


@pytest.mark.parametrize("text", AWKWARD)
def test_an_awkward_text_stays_a_text_as_value_and_as_key(text: str) -> None:
    for value in ([text], {"a": text}, {text: "a"}):
        assert read_back(flow(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Müller", '"Müller"'),
        ("on", '"on"'),
        ("0390", '"0390"'),
        ("carrier", "carrier"),
        ("while ringing", "while ringing"),
        ("3s ± 1s", "3s ± 1s"),
        ("2s after ana is answered", "2s after ana is answered"),
        ({"reply": 200, "tags": ["a b", None]}, "{reply: 200, tags: [a b, null]}"),
        (1e300, "1.0e+300"),
    ],
)
def test_people_read_it_as_they_would_have_written_it(value: Any, written: str) -> None:
    assert flow(value) == written


@pytest.mark.parametrize("value", [math.inf, math.nan, object()])
def test_what_yaml_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="YAML has no way to write"):
        flow(value)
