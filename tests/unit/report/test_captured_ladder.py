"""Ladders in which Kamailio's column is what Kamailio itself sent and received."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest

from rating_harness.evidence.model import CapturedMessage, Evidence
from rating_harness.evidence.sip import parse_message
from rating_harness.report.ladder import AGENT, KAMAILIO, Arrow, Ladder, ladder_of
from rating_harness.report.ladder_text import ladder_text
from tests.builders import CALL_ID, CALLER, CARRIER, START, evidence_of, exchange, sip

URI = "sip:39040123456@sip.test"
OUT, IN = "z9hG4bK-kamailio", "z9hG4bK-caller"


def kamailio(
    at: float,
    direction: Literal["sent", "received"],
    peer: str,
    first: str,
    branches: Sequence[str],
    *,
    cseq: str = "1 INVITE",
    to_tag: str | None = None,
    call_id: str | None = CALL_ID,
    repeated: tuple[float, ...] = (),
) -> CapturedMessage:
    """A message that Kamailio sent or received; ``branches`` are its Vias', the topmost first."""
    lines = [f"SIP/2.0 {first}" if first[0].isdigit() else f"{first} SIP/2.0"]
    lines += [f"Via: SIP/2.0/UDP host;branch={branch}" for branch in branches]
    lines += [f"To: <{URI}>" + (f";tag={to_tag}" if to_tag else ""), f"CSeq: {cseq}"]
    lines += [f"Call-ID: {call_id}"] if call_id else []
    text = "\r\n".join(lines) + "\r\n\r\n"
    message = parse_message(text, at=START + at, host=KAMAILIO, sent=direction == "sent", transport="udp")
    again = tuple(START + each for each in repeated)
    return CapturedMessage(START + at, direction, "udp", "a:1", "b:2", peer, text, message, again)


INVITE = sip(0.0, CALLER, "sent", f"INVITE {URI}", branch=IN)
TRYING = sip(0.003, CALLER, "received", "100 Trying", branch=IN)
ARRIVED = kamailio(0.001, "received", CALLER, f"INVITE {URI}", [IN])
TRIED = kamailio(0.002, "sent", CALLER, "100 Trying", [IN])
FORWARDED = kamailio(0.010, "sent", CARRIER, f"INVITE {URI}", [OUT, IN])


def run(messages: Sequence[object], captured: Sequence[CapturedMessage]) -> Evidence:
    return replace(evidence_of(messages), captured=tuple(captured))  # type: ignore[arg-type]


def ladder(evidence: Evidence) -> Ladder:
    found = ladder_of(evidence, CALL_ID)
    assert found is not None
    return found


def arrows(evidence: Evidence) -> list[Arrow]:
    return [row for row in ladder(evidence).rows if isinstance(row, Arrow)]


def test_a_message_that_both_ends_saw_is_one_arrow_at_the_first_of_the_times() -> None:
    first, second = arrows(run([INVITE, TRYING], [ARRIVED, TRIED]))
    assert (first.source, first.target, first.at, first.arrival) == (CALLER, KAMAILIO, 0.0, "seen")
    assert (second.source, second.target, second.arrival) == (KAMAILIO, CALLER, "seen")
    assert second.at == pytest.approx(0.002, abs=1e-6)


def test_what_never_reached_kamailio_is_lost() -> None:
    (arrow,) = arrows(run([INVITE], []))
    assert arrow.arrival == "lost"
    assert "├╌INVITE" in ladder_text(ladder(run([INVITE], [])))
    assert "×│" in ladder_text(ladder(run([INVITE], [])))


def test_what_kamailio_sent_and_never_arrived_is_lost() -> None:
    assert [arrow.arrival for arrow in arrows(run([INVITE], [ARRIVED, TRIED]))] == ["seen", "lost"]


def test_where_nobody_looked_the_arrival_is_inferred() -> None:
    evidence = run([INVITE], [ARRIVED, replace(FORWARDED, peer="203.0.113.9:5060")])
    assert [(arrow.target, arrow.arrival) for arrow in arrows(evidence)] == [
        (KAMAILIO, "seen"),
        ("203.0.113.9:5060", "inferred"),
    ]
    assert ladder(evidence).columns == (CALLER, KAMAILIO, "203.0.113.9:5060")
    assert "─▷│" in ladder_text(ladder(evidence))


def test_without_a_capture_whatever_goes_to_kamailio_is_inferred() -> None:
    assert [arrow.arrival for arrow in arrows(evidence_of([INVITE, TRYING]))] == ["inferred", "seen"]


def test_what_kamailio_sent_again_is_folded_though_nobody_received_it() -> None:
    (*_, arrow) = arrows(run([INVITE], [ARRIVED, replace(FORWARDED, repeated=(START + 0.5, START + 1.5))]))
    assert (arrow.times, arrow.arrival) == (3, "lost")


def test_one_side_may_have_seen_fewer() -> None:
    received = sip(0.5, CARRIER, "received", f"INVITE {URI}", branch=OUT)
    (*_, arrow) = arrows(run([INVITE, received], [ARRIVED, replace(FORWARDED, repeated=(START + 0.5,))]))
    assert (arrow.times, arrow.arrival) == (2, "seen")
    assert arrow.at == pytest.approx(0.010, abs=1e-6)


def labels(evidence: Evidence) -> list[str]:
    return [f"{arrow.source} {arrow.label.split(' ')[0]}" for arrow in arrows(evidence)]


def test_a_reply_stands_below_its_request_however_late_that_was_written_down() -> None:
    """Kamailio notes what it sends once it has sent it: the reply may be there first."""
    bye = kamailio(3.004, "sent", CARRIER, "BYE sip:b@h", ["z9hG4bK-bye"], cseq="2 BYE")
    reply = kamailio(3.001, "received", CARRIER, "200 OK", ["z9hG4bK-bye"], cseq="2 BYE")
    evidence = run([], [bye, reply])
    assert labels(evidence) == [f"{KAMAILIO} BYE", f"{CARRIER} 200"]
    assert [round(arrow.at, 3) for arrow in arrows(evidence)] == [0.003, 0.0], "times stay as they were measured"


def test_a_reply_to_another_request_does_not() -> None:
    bye = kamailio(3.004, "sent", CARRIER, "BYE sip:b@h", ["z9hG4bK-bye"], cseq="2 BYE")
    other = kamailio(3.001, "received", CARRIER, "200 OK", ["z9hG4bK-other"], cseq="2 BYE")
    assert labels(run([], [bye, other])) == [f"{CARRIER} 200", f"{KAMAILIO} BYE"]


def test_what_is_forwarded_stands_below_what_was_received() -> None:
    early = replace(FORWARDED, at=START - 0.002)
    ringing = kamailio(0.020, "received", CARRIER, "180 Ringing", [OUT, IN])
    rung = kamailio(0.019, "sent", CALLER, "180 Ringing", [IN])
    assert labels(run([], [ARRIVED, early, ringing, rung])) == [
        f"{CALLER} INVITE",
        f"{KAMAILIO} INVITE",
        f"{CARRIER} 180",
        f"{KAMAILIO} 180",
    ]


def test_a_reply_of_one_carrier_does_not_wait_for_that_of_the_next() -> None:
    first = kamailio(0.020, "received", CARRIER, "180 Ringing", [OUT, IN], to_tag="first")
    rung = kamailio(0.021, "sent", CALLER, "180 Ringing", [IN], to_tag="first")
    second = kamailio(0.030, "received", "second", "180 Ringing", ["z9hG4bK-2", IN], to_tag="second")
    assert labels(run([], [ARRIVED, first, rung, second]))[1:] == [
        f"{CARRIER} 180",
        f"{KAMAILIO} 180",
        "second 180",
    ]


def test_an_ack_stands_below_the_final_reply() -> None:
    ok = kamailio(0.101, "sent", CALLER, "200 OK", [IN], to_tag="b")
    ack = kamailio(0.100, "received", CALLER, f"ACK {URI}", ["z9hG4bK-ack"], cseq="1 ACK", to_tag="b")
    assert labels(run([], [ARRIVED, ok, ack])) == [f"{CALLER} INVITE", f"{KAMAILIO} 200", f"{CALLER} ACK"]


def test_the_agents_answer_stands_above_the_invite_that_follows_from_it() -> None:
    evidence = replace(run([], [ARRIVED, FORWARDED]), exchanges=(exchange(0.004, "authorization", took=0.007),))
    assert labels(evidence) == [f"{CALLER} INVITE", f"{KAMAILIO} authorization", f"{AGENT} 200", f"{KAMAILIO} INVITE"]


def test_an_answer_that_came_much_later_did_not_send_the_invite() -> None:
    evidence = replace(run([], [ARRIVED, FORWARDED]), exchanges=(exchange(0.004, "authorization", took=0.5),))
    assert labels(evidence)[-1] == f"{AGENT} 200"


def test_what_kamailio_made_itself_begins_otherwise() -> None:
    evidence = run([INVITE, TRYING], [ARRIVED, replace(TRIED, is_own=True)])
    assert [arrow.is_own for arrow in arrows(evidence)] == [False, True]
    assert ladder_text(ladder(evidence)).splitlines()[2].rstrip().endswith("100 Trying─╡")


def test_a_message_that_a_finding_is_on_is_marked_at_either_end() -> None:
    evidence = run([INVITE, TRYING], [ARRIVED, TRIED])
    for message in (TRYING, TRIED.message):
        assert message is not None
        own = replace(message, host=CALLER, direction="received")
        marked = ladder_of(evidence, CALL_ID, [own])
        assert marked is not None
        assert [row.marked for row in marked.rows if isinstance(row, Arrow)] == [False, True]
        assert ladder_text(marked).splitlines()[2].startswith(">  0.00")


@pytest.mark.parametrize("number", [0, 7, 20, 39])
@pytest.mark.parametrize("lines", [4, 8, 20])
def test_a_marked_message_is_never_folded_away(number: int, lines: int) -> None:
    messages = [sip(n / 10, CALLER, "sent", f"INFO {URI}", cseq=f"{n + 1} INFO") for n in range(40)]
    found = ladder_of(evidence_of(messages), CALL_ID, [messages[number]])
    assert found is not None
    text = ladder_text(found, lines=lines).splitlines()
    assert [line.split()[1] for line in text if line.startswith(">")] == [f"{number / 10:.3f}"]
    assert len(text) <= lines + 1
    shown = sum("INFO" in line for line in text)
    left_out = [int(line.split()[1]) for line in text if line.startswith((" ⋮", "⋮"))]
    assert shown + sum(left_out) == 40


def test_a_message_without_a_call_id_is_shown_in_its_time() -> None:
    options = kamailio(0.5, "received", "trunk", "OPTIONS sip:h", ["z9"], cseq="1 OPTIONS", call_id=None)
    later = replace(options, at=START + 9.0)
    text = replace(ARRIVED, at=START + 0.6, peer="scanner", text="\x00\x01 hello\r\nmore", message=None)
    evidence = run([INVITE, sip(1.0, CALLER, "received", "486 Busy", branch=IN)], [ARRIVED, options, later, text])
    strays = [arrow for arrow in arrows(evidence) if arrow.source in ("trunk", "scanner")]
    assert [arrow.label for arrow in strays] == [
        "OPTIONS sip:h (no Call-ID)",
        r"not SIP: '\x00\x01 hello' (no Call-ID)",
    ]
    assert ladder(evidence).columns == (CALLER, KAMAILIO, "trunk", "scanner")


def test_a_message_of_another_call_is_not() -> None:
    other = kamailio(0.002, "received", "trunk", "OPTIONS sip:h", ["z9"], cseq="1 OPTIONS", call_id="other@h")
    assert ladder(run([INVITE], [ARRIVED, other])).columns == (CALLER, KAMAILIO)
