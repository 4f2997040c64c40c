from __future__ import annotations

import re
from random import Random

import pytest

from rating_harness.scenario import values
from rating_harness.scenario.values import (
    PLACEHOLDERS,
    Between,
    CountRange,
    Moment,
    Route,
    SecondsRange,
    Unfit,
    duration_text,
    expand,
    header_lines,
    parse_any_moment,
    parse_bytes,
    parse_count,
    parse_cseq,
    parse_duration,
    parse_megabytes,
    parse_moment,
    parse_other_moment,
    parse_range,
    parse_rate,
    parse_route,
    parse_version,
    placeholders_in,
    spoken_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3s", 3),
        ("200ms", 0.2),
        ("1m", 60),
        ("1.5m", 90),
        ("2h", 7200),
        ("0s", 0),
        (" 3 s ", 3),
        ("0.001ms", 1e-6),
        ("9m50s", 590),
        ("3h59m57s", 14397),
        ("1h30m", 5400),
        ("1h5s", 3605),
    ],
)
def test_durations_carry_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert re.search(values.whole(values.DURATION), text)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "3",
        3,
        3.5,
        "s",
        "-3s",
        "3 sec",
        "3S",
        "1d",
        "3s 2s",
        "3s2m",
        "1m2h",
        "1.5m3s",
        "9m50",
        "٣s",
        "200h",
        True,
        None,
        [],
        "1e3s",
        "9" * 50,
    ],
)
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(Unfit):
        parse_duration(wrong)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (90.0, "90s"),
        (120.0, "2m"),
        (597.0, "9m57s"),
        (3602.0, "1h2s"),
        (14400.0, "4h"),
        (600.25, "600.25s"),
        (86390.0, "23h59m50s"),
    ],
)
def test_long_durations_are_said_in_minutes_and_hours(seconds: float, text: str) -> None:
    assert spoken_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("wrong", "meant"), [("6d23h", "167h"), ("2d", "48h"), ("1d30m", "24h30m"), ("1 day 2 hours", "26h")]
)
def test_days_are_told_in_hours(wrong: str, meant: str) -> None:
    with pytest.raises(Unfit) as caught:
        parse_duration(wrong)
    assert f"did you mean {meant}?" in caught.value.hint


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.0, "3s"), (0.2, "200ms"), (1.5, "1.5s"), (90.0, "90s"), (0.0, "0s")]
)
def test_durations_are_written_as_a_person_would(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert parse_duration(text) == seconds


def test_a_fixed_value_is_not_drawn() -> None:
    fixed = parse_range("3s", parse_duration, SecondsRange)
    assert fixed.fixed
    assert fixed.draw(Random(1)) == 3.0
    assert str(fixed) == "3s"


def test_values_are_drawn_within_their_bounds_and_alike_for_a_seed() -> None:
    hold = parse_range({"min": "1s", "max": "3s"}, parse_duration, SecondsRange)
    count = parse_range({"min": 2, "max": 4}, parse_count, CountRange)
    drawn = [hold.draw(Random(seed)) for seed in range(200)]
    counted = {count.draw(Random(seed)) for seed in range(200)}
    assert all(1.0 <= value <= 3.0 for value in drawn)
    assert len(set(drawn)) > 100
    assert counted == {2, 3, 4}
    assert drawn == [hold.draw(Random(seed)) for seed in range(200)]
    assert (str(hold), str(count)) == ("1s to 3s", "2 to 4")


@pytest.mark.parametrize(
    "wrong", [{"min": 3, "max": 2}, {"min": 3}, {"min": 1, "max": 2, "step": 1}, {}, 0, "3", 1.5]
)
def test_what_cannot_be_drawn_is_refused(wrong: object) -> None:
    with pytest.raises(Unfit):
        parse_range(wrong, parse_count, Between)


@pytest.mark.parametrize(
    ("text", "moment", "written"),
    [
        ("at once", Moment("started"), "after started"),
        ("while ringing", Moment("ringing"), "after ringing"),
        ("after 200ms", Moment("answered", 0.2), "200ms after answered"),
        ("200ms", Moment("answered", 0.2), "200ms after answered"),
        ("after answer", Moment("answered"), "after answered"),
        ("2s after ringing", Moment("ringing", 2.0), "2s after ringing"),
        ("2s  after   start", Moment("started", 2.0), "2s after started"),
    ],
)
def test_moments_of_a_call(text: str, moment: Moment, written: str) -> None:
    assert parse_moment(text, "answered") == moment
    assert str(moment) == written
    assert parse_moment(written, "answered") == moment
    assert re.search(values.whole(values.MOMENT), text)


@pytest.mark.parametrize(
    "wrong", ["", "soon", "while answered", "before answer", "2 after ringing", 3, None, "after 3"]
)
def test_what_is_no_moment_of_a_call_is_refused(wrong: object) -> None:
    with pytest.raises(Unfit):
        parse_moment(wrong, "started")


@pytest.mark.parametrize(
    ("value", "moment", "written"),
    [
        ("2s", Moment(None, 2.0), "2s"),
        ("ana is answered", Moment("answered", 0.0, "ana"), "ana is answered"),
        ("ana has ended", Moment("ended", 0.0, "ana"), "ana has ended"),
        ("ana.ringing", Moment("ringing", 0.0, "ana"), "ana is ringing"),
        ("2s after ana is ringing", Moment("ringing", 2.0, "ana"), "2s after ana is ringing"),
        ({"after": "ana.answered"}, Moment("answered", 0.0, "ana"), "ana is answered"),
        (
            {"after": "1s after ana.answered", "delay": "1s"},
            Moment("answered", 2.0, "ana"),
            "2s after ana is answered",
        ),
    ],
)
def test_moments_of_another_call(value: object, moment: Moment, written: str) -> None:
    assert parse_other_moment(value) == moment
    assert str(moment) == written
    assert parse_other_moment(written) == moment


@pytest.mark.parametrize(
    "wrong",
    ["", "2", 2, True, None, "ana", "ana rings", "ana is gone", {"after": "2s"}, {"delay": "2s"}, {"at": 1}, []],
)
def test_what_is_no_moment_of_another_call_is_refused(wrong: object) -> None:
    with pytest.raises(Unfit):
        parse_other_moment(wrong)


def test_rates_and_versions() -> None:
    assert parse_rate(0.5) == 0.5
    assert parse_version("at least 6.1") == "at least 6.1"
    for wrong in (0, -1, "10", True, float("inf"), 10**9):
        with pytest.raises(Unfit):
            parse_rate(wrong)
    for wrong in (6.0, "6.x", "newer", "> 6", ""):
        with pytest.raises(Unfit):
            parse_version(wrong)


@pytest.mark.parametrize(
    ("value", "of_one", "text"),
    [
        (7, 7, "7"),
        (0, 0, "0"),
        (2**32, 2**32, str(2**32)),
        ("last", 1, "last"),
        ("last + 5", 6, "last + 5"),
        ("last+1", 2, "last + 1"),
        ("last - 1", 0, "last - 1"),
        ("last - 9", 0, "last - 9"),
    ],
)
def test_a_cseq_is_a_number_or_counted_from_the_last(value: object, of_one: int, text: str) -> None:
    cseq = parse_cseq(value)
    assert cseq.of(1) == of_one
    assert str(cseq) == text
    assert parse_cseq(value if isinstance(value, int) else text) == cseq


@pytest.mark.parametrize("wrong", [-1, True, "1", "next", "last +", "last + -1", 1.5, None, [], 10**20])
def test_what_is_no_cseq_is_refused(wrong: object) -> None:
    with pytest.raises(Unfit):
        parse_cseq(wrong)


ROUTES = ("<sip:10.0.0.1;lr;ftag=a;did=5a.1>", "<sip:10.0.0.2;did=1;lr>;x=y")


@pytest.mark.parametrize(
    ("value", "routes"),
    [
        ("as given", ROUTES),
        ("none", ()),
        ("without did", ("<sip:10.0.0.1;lr;ftag=a>", "<sip:10.0.0.2;lr>;x=y")),
        ("without lr", ("<sip:10.0.0.1;ftag=a;did=5a.1>", "<sip:10.0.0.2;did=1>;x=y")),
        ("without di", ROUTES),
        ("<sip:x;lr>", ("<sip:x;lr>",)),
        (["<sip:x;lr>", "<sip:y>"], ("<sip:x;lr>", "<sip:y>")),
    ],
)
def test_a_route_set_is_kept_emptied_or_changed(value: object, routes: tuple[str, ...]) -> None:
    assert parse_route(value).of(ROUTES) == routes
    assert Route().of(ROUTES) == ROUTES


@pytest.mark.parametrize("wrong", ["", "without", "without did lr", "sip:x", [], [1], "<sip:x>\r\nEvil: 1", None, 3])
def test_what_is_no_route_is_refused(wrong: object) -> None:
    with pytest.raises(Unfit):
        parse_route(wrong)


def test_a_message_of_octets_is_a_text_of_them() -> None:
    assert parse_bytes("X\0a\xff").encode("latin-1") == b"X\0a\xff"
    with pytest.raises(Unfit) as caught:
        parse_bytes("\u20ac")
    assert caught.value.hint == r'in double quotes its octets are "\xe2\x82\xac"'


def test_a_moment_may_be_the_calls_own_or_anothers() -> None:
    assert parse_any_moment("after 1s", "answered") == Moment("answered", 1.0)
    assert parse_any_moment("1s", "answered") == Moment("answered", 1.0)
    assert parse_any_moment("2s after end", "answered") == Moment("ended", 2.0)
    assert parse_any_moment("1s after bob is answered", "answered") == Moment("answered", 1.0, "bob")
    assert parse_any_moment({"after": "bob.ended", "delay": "1s"}, "answered") == Moment("ended", 1.0, "bob")
    with pytest.raises(Unfit, match="'sometimes' is no moment"):
        parse_any_moment("sometimes", "answered")


def test_placeholders_are_replaced_and_other_braces_are_not() -> None:
    text = 'BYE {callee_contact} {"id": 1, "x": {}} {unknown} {c*3}{ab*2} {*3} {c*} {call_id}'
    values = {"callee_contact": "sip:carrier", "call_id": "1@x"}
    assert expand(text, values) == 'BYE sip:carrier {"id": 1, "x": {}} {unknown} cccabab {*3} {c*} 1@x'
    assert placeholders_in(text) == ["callee_contact", "unknown", "call_id"]
    assert len(expand("{c*1100}", {})) == 1100
    with pytest.raises(KeyError):
        expand("{to_tag}", {})
    assert all(expand(f"{{{name}}}", {name: "it"}) == "it" for name in PLACEHOLDERS)


def test_headers_of_one_name_and_those_left_out() -> None:
    headers: dict[str, str | tuple[str, ...]] = {"A": "1", "B": ("2", "3"), "C": "absent", "D": ()}
    assert header_lines(headers) == [("A", "1"), ("B", "2"), ("B", "3")]


@pytest.mark.parametrize(
    ("text", "megabytes"), [("256m", 256), ("1g", 1024), ("16 MB", 16), ("2GiB", 2048), ("1024g", 1048576)]
)
def test_memory_is_in_megabytes(text: str, megabytes: int) -> None:
    assert parse_megabytes(text) == megabytes
    assert parse_megabytes(str(parse_megabytes(text))) == megabytes


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (256, "256m, in megabytes"),
        ("0m", "256m, 1g"),
        ("16", "256m, 1g"),
        ("16k", "256m, 1g"),
        ("1.5g", "256m, 1g"),
        ("-1m", "256m, 1g"),
        (True, "256m, 1g"),
        ("1025g", "1024g at most"),
        (None, "256m, 1g"),
    ],
)
def test_what_is_no_amount_of_memory(value: object, hint: str) -> None:
    with pytest.raises(Unfit) as raised:
        parse_megabytes(value)
    assert raised.value.hint == hint
