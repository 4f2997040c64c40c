"""What a flood is judged by, and what is said of it."""

from __future__ import annotations

from benchmarks.flood import told, unanswered
from benchmarks.flooder import request

ANSWERS = [(1.0, 0.001), (2.0, 0.003), (7.0, 0.120), (30.0, None)]
FIGURES = {
    "flood": {"sent": 60000, "seconds": 60.0, "replies": {"503": 3, "408": 2}},
    "options": {"answers": ANSWERS},
    "memory": (1, 2),
}


def test_a_lost_answer_is_wrong() -> None:
    assert list(unanswered({"answers": ANSWERS[:3]})) == []
    assert list(unanswered({"answers": ANSWERS})) == ["1 of 4 OPTIONS were never answered"]


def test_the_answers_are_told_by_their_time() -> None:
    assert list(told(FIGURES, seconds=60)) == [
        "flood      60000 INVITEs in 60.0 s; replies: 2 408, 3 503",
        "OPTIONS    before 2 answered, median 3.0 ms, p95 3.0, p99 3.0, max 3.0",
        "OPTIONS    during 1 answered, median 120.0 ms, p95 120.0, p99 120.0, max 120.0",
        "memory     shared 1 -> 2 bytes",
    ]


def test_each_request_is_a_transaction_of_its_own() -> None:
    first, second = (request("INVITE", "192.0.2.1", number).decode() for number in (1, 2))
    branches = {text.partition("branch=")[2].partition("\r")[0] for text in (first, second)}
    assert first.startswith("INVITE sip:39040123456@sip.test SIP/2.0\r\n")
    assert len(branches) == 2
