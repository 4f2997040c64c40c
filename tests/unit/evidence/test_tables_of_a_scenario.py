"""What Kamailio's tables hold of a scenario: its own calls', and what strangers left for ever; no earlier one's."""

from __future__ import annotations

from rating_harness.evidence.tables import calls_in, left_over, of_a_scenario

BEFORE = {"rating_state": {"old": "ended"}, "rating_end": {"older": "{}"}, "rating_account": {"1000": "oldest"}}


def left(tables: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    return [(entry.table, entry.key) for entry in left_over(of_a_scenario(tables, {"own"}, calls_in(BEFORE)))]


def test_what_is_kept_for_ever_of_whoevers_call_is_left_over() -> None:
    assert left({"rating_end": {"strange": "{}"}}) == [("rating_end", "strange")]
    assert left({"rating_state": {"done": "ended", "strange": "begun"}}) == [("rating_state", "strange")]
    assert left({"rating_state": {"done": "ended"}, "rating_key": {"strange": "1"}}) == [("rating_key", "strange")]
    assert left({"rating_bye_later": {"callee:strange": "1800000000"}}) == [("rating_bye_later", "strange")]
    assert left({"rating_account": {"1000": "strange"}}) == [("rating_account", "strange")]


def test_what_expires_or_is_documented_is_not() -> None:
    assert left({"rating_state": {"strange": "failed"}, "rating_cseq": {"strange": "1"}}) == []
    assert left({"rating_early": {"strange": "x"}, "rating_agent": {"0x5": "http://agent"}}) == []
    assert left({"rating_within": {"strange 198.18.0.9 1800000000": "2"}}) == []


def test_what_an_earlier_scenario_left_is_not_this_ones() -> None:
    assert left(BEFORE) == []
    assert left({"rating_state": {"old": "ending"}, "rating_later": {"older": "1800000000"}}) == []
    assert left({"rating_account": {"2000": "oldest"}, "rating_request": {"0x1": "oldest"}}) == []


def test_of_its_own_calls_all_is_kept() -> None:
    own = {"rating_early": {"own": "x"}, "rating_request": {"0x1": "own"}, "rating_state": {"own": "begun"}}
    assert of_a_scenario(own, {"own"}, calls_in(BEFORE)) == own
