"""What an end learns of a dialog, and requests made from it."""

from __future__ import annotations

import pytest

from rating_harness.scenario.values import CSeq, Route
from rating_harness.useragent.dialog import Dialog, Place, SipRequest, Unknown, build
from rating_harness.useragent.message import Message

HERE, KAMAILIO = Place("198.18.0.5", 5060), Place("198.18.0.1", 5060)
INVITE = Message(
    "INVITE sip:39@sip.test SIP/2.0",
    (
        ("Via", "SIP/2.0/UDP 198.18.0.5:5060;branch=z9hG4bK-1"),
        ("From", "<sip:1000@sip.test>;tag=a"),
        ("To", "<sip:39@sip.test>"),
        ("Call-ID", "x@y"),
        ("CSeq", "5 INVITE"),
        ("Contact", "<sip:1000@198.18.0.5:5060>"),
    ),
)
ANSWER = Message(
    "SIP/2.0 200 OK",
    (
        ("From", "<sip:1000@sip.test>;tag=a"),
        ("t", "<sip:39@sip.test>;tag=b"),
        ("Call-ID", "x@y"),
        ("CSeq", "5 INVITE"),
        ("Record-Route", "<sip:198.18.0.1;lr;did=1.2>, <sip:198.18.0.9;lr>"),
        ("m", "<sip:carrier@198.18.0.7:5080;transport=udp>"),
    ),
)


def answered() -> Dialog:
    dialog = Dialog("caller")
    dialog.note(INVITE, sent=True)
    dialog.note(ANSWER, sent=False)
    return dialog


def made(request: SipRequest, dialog: Dialog | None = None) -> Message:
    return Message.parse(octets(request, dialog))


def octets(request: SipRequest, dialog: Dialog | None = None) -> bytes:
    return build(
        request, dialog or answered(), sender=HERE, kamailio=KAMAILIO, transport="udp", branch="z9hG4bK-request-0-1"
    )


def test_a_request_as_the_dialog_has_it() -> None:
    bye = made(SipRequest("BYE"))
    assert bye.start == "BYE sip:carrier@198.18.0.7:5080;transport=udp SIP/2.0"
    assert bye.values("Route") == ("<sip:198.18.0.9;lr>", "<sip:198.18.0.1;lr;did=1.2>")
    assert (bye.header("From"), bye.header("To")) == ("<sip:1000@sip.test>;tag=a", "<sip:39@sip.test>;tag=b")
    assert (bye.call_id, bye.cseq, bye.branch) == ("x@y", (6, "BYE"), "z9hG4bK-request-0-1")


@pytest.mark.parametrize(
    ("request_", "header", "value"),
    [
        (SipRequest("BYE", cseq=CSeq(1)), "CSeq", "1 BYE"),
        (SipRequest("BYE", cseq=CSeq(0, relative=True)), "CSeq", "5 BYE"),
        (SipRequest("INFO", cseq=CSeq(4294967295)), "CSeq", "4294967295 INFO"),
        (SipRequest("BYE", route=Route("none")), "Route", None),
        (
            SipRequest("BYE", route=Route("without", "did")),
            "Route",
            "<sip:198.18.0.9;lr>",
        ),
        (
            SipRequest("BYE", route=Route("values", values=("<sip:{kamailio};lr>",))),
            "Route",
            "<sip:198.18.0.1:5060;lr>",
        ),
        (SipRequest("INVITE", swap=True), "From", "<sip:39@sip.test>;tag=b"),
        (SipRequest("INVITE", contact="<sip:x@127.0.0.1:9>"), "Contact", "<sip:x@127.0.0.1:9>"),
        (SipRequest("INVITE", contact=""), "Contact", None),
        (SipRequest("BYE", headers={"via": ()}), "Via", None),
        (SipRequest("BYE", headers={"MAX-FORWARDS": ("0",)}), "Max-Forwards", "0"),
        (SipRequest("BYE", headers={"X-Y": ("{call_id} {from_tag} {to_tag}",)}), "X-Y", "x@y a b"),
        (SipRequest("BYE", headers={"X-Y": ("{x*3}{no}",)}), "X-Y", "xxx{no}"),
        (SipRequest("MESSAGE", body="hällo"), "Content-Length", "5"),
        (SipRequest("CANCEL"), "CSeq", "5 CANCEL"),
    ],
)
def test_what_is_said_otherwise(request_: SipRequest, header: str, value: str | None) -> None:
    assert made(request_).header(header) == value


@pytest.mark.parametrize(
    ("content_type", "body", "sent"),
    [
        ("application/sdp", "v=0\nc=IN IP[media_ip_type] [local_ip]", b"v=0\r\nc=IN IP4 198.18.0.5\r\n"),
        ("application/sdp", "v=0\r\nc=IN IP[local_ip_type] [media_ip]\r\n", b"v=0\r\nc=IN IP4 198.18.0.5\r\n"),
        ("", "Signal=1\nDuration=160\n", b"Signal=1\r\nDuration=160\r\n"),
        ("", "Signal=1\r\n[local_ip]", b"Signal=1\r\n[local_ip]"),
        ("application/sdp", "", b""),
    ],
    ids=["lines of a file", "lines of the wire", "not a session description", "taken as it is", "none"],
)
@pytest.mark.parametrize("contact", [None, f"<sip:1000@198.18.0.5;x={'0' * 1000}>"], ids=["own", "long"])
def test_a_body_is_as_long_as_it_says(content_type: str, body: str, sent: bytes, contact: str | None) -> None:
    made_of_it = octets(SipRequest("INVITE", body=body, content_type=content_type, contact=contact))
    assert made_of_it.partition(b"\r\n\r\n")[2] == sent
    assert Message.parse(made_of_it).header("Content-Length") == str(len(sent))


def test_a_cancel_is_of_its_invite() -> None:
    cancel = made(SipRequest("CANCEL"))
    assert (cancel.uri, cancel.branch, cancel.values("Route")) == ("sip:39@sip.test", "z9hG4bK-1", ())
    assert cancel.header("To") == "<sip:39@sip.test>"


def test_octets_are_sent_as_they_are() -> None:
    raw = "FOO \x00\xff\r\nCall-ID: {call_id}\x00\r\nContent-Length: {length}\r\n\r\nabc"
    assert octets(SipRequest(octets=raw)) == b"FOO \x00\xff\r\nCall-ID: x@y\x00\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize("placeholder", ["to_tag", "callee_contact", "to", "callee", "authorization"])
def test_what_nobody_knows_yet(placeholder: str) -> None:
    dialog = Dialog("caller")
    dialog.note(INVITE, sent=True)
    with pytest.raises(Unknown, match=placeholder):
        octets(SipRequest("BYE", headers={"X-Y": (f"{{{placeholder}}}",)}), dialog)


def test_a_call_that_has_not_begun() -> None:
    with pytest.raises(Unknown, match="hasn't begun"):
        octets(SipRequest("BYE"), Dialog("caller"))


def test_the_reply_to_a_cancel_changes_no_tag() -> None:
    dialog = answered()
    headers = (("To", "<sip:39@sip.test>;tag=kamailio"), ("Call-ID", "x@y"), ("CSeq", "5 CANCEL"))
    dialog.note(Message("SIP/2.0 200 canceling", headers), sent=False)
    assert dialog.remote == "<sip:39@sip.test>;tag=b"


def test_the_target_moves_with_a_refresh_of_the_other_side() -> None:
    dialog = answered()
    refresh = Message("UPDATE sip:x SIP/2.0", (("Contact", "<sip:new@198.18.0.8>"), ("CSeq", "1 UPDATE")))
    dialog.note(refresh, sent=False)
    assert made(SipRequest("BYE"), dialog).uri == "sip:new@198.18.0.8"


def test_after_the_highest_number_none_is_counted_on() -> None:
    dialog = answered()
    dialog.note(Message("INFO sip:x SIP/2.0", (("CSeq", "2147483647 INFO"),)), sent=True)
    assert made(SipRequest("BYE"), dialog).cseq == (6, "BYE")


def test_the_callees_view_is_the_mirror_image() -> None:
    dialog = Dialog("callee")
    routed = Message(
        INVITE.start, (*INVITE.headers, ("Record-Route", "<sip:p1;lr>"), ("Record-Route", "<sip:p2;lr>"))
    )
    dialog.note(routed, sent=False)
    dialog.note(ANSWER, sent=True)
    bye = made(SipRequest("BYE"), dialog)
    assert bye.uri == "sip:1000@198.18.0.5:5060"
    assert bye.values("Route") == ("<sip:p1;lr>", "<sip:p2;lr>")
    assert (bye.header("From"), bye.header("To")) == ("<sip:39@sip.test>;tag=b", "<sip:1000@sip.test>;tag=a")
    assert bye.cseq == (1, "BYE")
