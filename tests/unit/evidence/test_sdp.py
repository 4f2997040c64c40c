from __future__ import annotations

import pytest

from rating_harness.evidence.sdp import Media, fault_of_sdp, parse_sdp

OFFER = """\
v=0
o=- 1 2 IN IP4 10.0.0.1
s=-
c=IN IP4 10.0.0.1/127
t=0 0
a=sendonly
m=audio 6000/2 RTP/AVP 8 0 101 96
a=rtpmap:101 telephone-event/8000
m=video 0 RTP/AVP 97
c=IN IP6 fd17::1
a=inactive
a=rtpmap:97 H264/90000
"""


def test_media_take_from_the_session_what_they_lack() -> None:
    description = parse_sdp(OFFER.replace("\n", "\r\n"))
    assert description is not None
    assert description.media == (
        Media("audio", 6000, ("PCMA", "PCMU", "telephone-event", "96"), "10.0.0.1", "sendonly"),
        Media("video", 0, ("H264",), "fd17::1", "inactive"),
    )
    assert description.lines[0] == "v=0"


@pytest.mark.parametrize("body", ["", "hello", "m=audio 1 RTP/AVP 0"])
def test_what_is_no_session_description(body: str) -> None:
    assert parse_sdp(body) is None


@pytest.mark.parametrize(
    ("line", "kind", "port"),
    [
        ("m=", "", 0),
        ("m=audio", "audio", 0),
        ("m=audio x", "audio", 0),
        ("m=audio 6000", "audio", 6000),
        ("m=audio 6000 RTP/AVP", "audio", 6000),
    ],
)
def test_a_medium_that_is_cut_short_is_read_as_far_as_it_goes(line: str, kind: str, port: int) -> None:
    description = parse_sdp(f"v=0\n{line}\n")
    assert description is not None
    assert description.media == (Media(kind, port, (), "", "sendrecv"),)


def test_the_session_ends_where_the_first_medium_begins() -> None:
    description = parse_sdp("v=0\nm=audio 1 RTP/AVP\nm=video 2 RTP/AVP\nc=IN IP4 10.0.0.9\na=inactive\n")
    assert description is not None
    assert description.media[0] == Media("audio", 1, (), "", "sendrecv")


def test_lines_keep_what_they_begin_with_and_lose_what_they_end_with() -> None:
    description = parse_sdp("v=0 \n s=x\t\n\n")
    assert description is not None
    assert description.lines == ("v=0", " s=x")
    assert description.media == ()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("v=0", "v=0", ""),
        ("IP4 10.0.0.1/127", "IP4 media.example.org", ""),
        ("v=0\n", "", "no v= where it has to be"),
        ("o=- 1 2 IN IP4 10.0.0.1\n", "", "no o= where it has to be"),
        ("t=0 0\n", "", "no t="),
        ("c=IN IP4 10.0.0.1/127", "c=IN IP4 10.0.0.1.1", "'c=IN IP4 10.0.0.1.1'"),
        ("IN IP4 10.0.0.1\n", "IN IP6 10.0.0.1\n", "'o=- 1 2 IN IP6 10.0.0.1'"),
        ("m=audio 6000/2", "m=audio many", "'m=audio many RTP/AVP 8 0 101 96'"),
        ("a=inactive", "inactive", "a line that is none: 'inactive'"),
    ],
)
def test_what_a_session_description_lacks(old: str, new: str, fault: str) -> None:
    assert old in OFFER
    assert fault_of_sdp(OFFER.replace(old, new)) == fault
