from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from rating_harness.scenario import values
from rating_harness.scenario.matchers import (
    ABSENT,
    ANY,
    MISSING,
    Exactly,
    Matcher,
    Near,
    OneOf,
    Pattern,
    Status,
    parse_any_matcher,
    parse_duration_matcher,
    parse_flag_matcher,
    parse_number_matcher,
    parse_status_matcher,
    parse_text_matcher,
    parse_whole_matcher,
    parse_whole_seconds_matcher,
)
from rating_harness.scenario.values import Unfit

Case = tuple[Callable[[object], Matcher], object, list[object], list[object], str]

CASES: list[Case] = [
    (parse_number_matcher, 3, [3, 3.0], [2, 4, "3", True, None, MISSING], "3"),
    (parse_number_matcher, "0 ± 1", [0, 1, -1, 0.5], [1.01, -2, "0", False], "0 ± 1"),
    (parse_number_matcher, "3+-1", [2, 4], [1, 5], "3 ± 1"),
    (parse_number_matcher, "-3 +/- 0.5", [-3.5, -2.5], [-2, 3], "-3 ± 0.5"),
    (parse_number_matcher, ">= 2", [2, 3], [1, float("nan"), "2"], "at least 2"),
    (parse_number_matcher, "at most 2", [2, -9], [3], "at most 2"),
    (parse_number_matcher, "< 2", [1.9], [2], "below 2"),
    (parse_number_matcher, "above 2", [2.1], [2], "above 2"),
    (parse_number_matcher, "any", [0, 7], [None, MISSING], "any"),
    (parse_whole_matcher, "0.5 ± 0.5", [0, 1], [2], "0.5 ± 0.5"),
    (parse_whole_matcher, "below 2.5", [2], [3], "below 2.5"),
    (parse_whole_seconds_matcher, "1.5s ± 1s", [1, 2], [3], "1.5s ± 1s"),
    (parse_number_matcher, "absent", [None, MISSING], [0, ""], "absent"),
    (parse_duration_matcher, "3s ± 1s", [2, 3.2, 4], [1.9, 4.1, "3s"], "3s ± 1s"),
    (parse_duration_matcher, "200ms", [0.2], [0.21], "200ms"),
    (parse_duration_matcher, "below 200ms", [0.1], [0.2], "below 200ms"),
    (parse_text_matcher, "1000", ["1000"], [1000, "10000", "", None], "1000"),
    (parse_text_matcher, "/^sip:1000@/", ["sip:1000@lab"], ["<sip:1000@lab>", 1, None], "/^sip:1000@/"),
    (parse_text_matcher, "any", ["", "x"], [None, MISSING], "any"),
    (parse_text_matcher, "//", ["//"], ["", "x"], "//"),
    (parse_status_matcher, 200, [200], [202, "200", True, None], "200"),
    (parse_status_matcher, "4xx", [400, 486, 499], [399, 500], "4xx"),
    (parse_status_matcher, [486, "6xx"], [486, 600, 699], [487], "486 or 6xx"),
    (parse_status_matcher, "absent", [None, MISSING], [200], "absent"),
    (parse_flag_matcher, True, [True], [False, 1, "true", None], "true"),
    (parse_flag_matcher, "any", [False, True], [None], "any"),
    (parse_any_matcher, 1, [1, 1.0], [True, "1"], "1"),
    (parse_any_matcher, [1, {"a": None}], [[1, {"a": None}]], [[1], {"a": None}], "[1, {'a': None}]"),
    (parse_any_matcher, "3 ± 1", [2], [5], "3 ± 1"),
    (parse_any_matcher, "a ± b", ["a ± b"], ["a"], "a ± b"),
    (parse_any_matcher, "/x/", ["axb"], ["a"], "/x/"),
]


@pytest.mark.parametrize(("parse", "value", "matching", "other", "text"), CASES)
def test_what_matches(
    parse: Callable[[object], Matcher], value: object, matching: list[object], other: list[object], text: str
) -> None:
    matcher = parse(value)
    assert isinstance(matcher, Matcher)
    assert [seen for seen in matching if not matcher.matches(seen)] == []
    assert [seen for seen in other if matcher.matches(seen)] == []
    assert str(matcher) == text
    if isinstance(value, str):
        assert parse(text) == matcher


@pytest.mark.parametrize(
    ("parse", "wrong"),
    [
        (parse_number_matcher, "three"),
        (parse_whole_matcher, 2.5),
        (parse_whole_matcher, "-0.5 ± 0.4"),
        (parse_whole_seconds_matcher, "2500ms"),
        (parse_number_matcher, "3 ± -1"),
        (parse_number_matcher, "3 ± 1 ± 1"),
        (parse_number_matcher, True),
        (parse_number_matcher, float("nan")),
        (parse_number_matcher, 2**63),
        (parse_number_matcher, []),
        (parse_duration_matcher, 3),
        (parse_duration_matcher, "3s ± 1"),
        (parse_text_matcher, 1000),
        (parse_text_matcher, "/[/"),
        (parse_status_matcher, 99),
        (parse_status_matcher, 700),
        (parse_status_matcher, "200"),
        (parse_status_matcher, []),
        (parse_status_matcher, True),
        (parse_flag_matcher, "true"),
        (parse_flag_matcher, 1),
    ],
)
def test_what_says_nothing_is_refused(parse: Callable[[object], Matcher], wrong: object) -> None:
    with pytest.raises(Unfit):
        parse(wrong)


def test_matchers_are_values() -> None:
    assert Pattern("a") == Pattern("a")
    assert hash(OneOf((Status(200, 200), Near(1, 2)))) == hash(OneOf((Status(200, 200), Near(1, 2))))
    assert (str(ANY), str(ABSENT), str(Exactly(False)), repr(MISSING)) == ("any", "absent", "false", "nothing")


_SPELLED = {parse_number_matcher: values.NUMBER_MATCH, parse_duration_matcher: values.DURATION_MATCH}


@pytest.mark.parametrize(
    ("pattern", "spelled"),
    [(_SPELLED[case[0]], str(text)) for case in CASES if case[0] in _SPELLED for text in (case[1], case[4])],
)
def test_an_editor_accepts_what_the_loader_accepts(pattern: str, spelled: str) -> None:
    assert re.search(values.whole(pattern), spelled)
