"""SIP messages from their text, odd ones too."""

from __future__ import annotations

import pytest

from rating_harness.errors import EvidenceError
from rating_harness.evidence.model import SipMessage
from rating_harness.evidence.sip import parse_message


def parsed(text: str) -> SipMessage:
    return parse_message(text, at=1.0, host="carrier", sent=False, transport="udp")


def test_a_request() -> None:
    text = "INVITE sip:1@h SIP/2.0\r\nv: SIP/2.0/UDP h\r\ni: a@b\r\nCSeq: 7 INVITE\r\n\r\nv=0\r\ns=-\r\n"
    message = parsed(text)
    assert (message.method, message.uri, message.status) == ("INVITE", "sip:1@h", None)
    assert (message.call_id, message.cseq, message.direction) == ("a@b", 7, "received")
    assert message.headers == (("Via", "SIP/2.0/UDP h"), ("Call-ID", "a@b"), ("CSeq", "7 INVITE"))
    assert message.body == "v=0\ns=-\n"


def test_a_response_has_the_method_of_its_cseq() -> None:
    message = parsed("SIP/2.0 486 Busy Here\r\nCSeq: 2 BYE\r\n\r\n")
    assert (message.status, message.reason, message.method, message.uri) == (486, "Busy Here", "BYE", "")


@pytest.mark.parametrize(
    ("lines", "value"),
    [("Subject: one\r\n two\r\n\tthree", "one two three"), ("Subject: one\r\n ", "one"), ("Subject:\r\n one", "one")],
)
def test_folded_lines_are_one(lines: str, value: str) -> None:
    assert parsed(f"BYE sip:1@h SIP/2.0\r\n{lines}\r\n\r\n").header("subject") == value


@pytest.mark.parametrize("cseq", ["", "BYE", "x BYE", "² BYE"])
def test_a_cseq_that_is_none_counts_as_zero(cseq: str) -> None:
    assert parsed(f"BYE sip:1@h SIP/2.0\r\nCSeq: {cseq}\r\n\r\n").cseq == 0


def test_line_ends_with_a_return_too_many() -> None:
    assert parsed("BYE sip:1@h SIP/2.0\r\r\nCSeq: 1 BYE\r\r\n\r\r\nbody").body == "body"


@pytest.mark.parametrize("text", ["SIP/2.0 abc\r\n\r\n", "SIP/2.0 ²\r\n\r\n", "hello\r\n\r\n", ""])
def test_what_is_no_sip_is_told(text: str) -> None:
    with pytest.raises(EvidenceError, match="carrier holds"):
        parsed(text)
