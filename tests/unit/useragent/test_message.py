"""SIP messages are read however they are spelled."""

from __future__ import annotations

import pytest

from rating_harness.useragent.message import Message, parameter, split_values, tag_of, uri_of

ODD = (
    b"INVITE sip:vivekg@chair.example.com;unknownparam SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@chair.example.com ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\"" <sip:j;x=y@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"i: a;b<c>\x00d\r\n"
    b"cseq: 0009  INVITE\r\n"
    b"v: SIP/2.0/UDP 192.0.2.2;branch=390skdjuw, SIP/2.0/TCP s.example.com ;BRANCH = z9hG4bK9\r\n"
    b"Via  : SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239\r\n"
    b"record-route: <sip:a;lr>\r\nX: between\r\nRecord-Route: <sip:b;lr>, <sip:c,d;lr>\r\n"
    b'm:"Quoted, string \\"\\"" <sip:j@example.com>;newparam=v\r\n'
    b"\r\nbody"
)
"""After RFC 4475 section 3.1.1.1."""


def test_headers_in_any_spelling() -> None:
    message = Message.parse(ODD)
    assert (message.method, message.uri) == ("INVITE", "sip:vivekg@chair.example.com;unknownparam")
    assert tag_of(message.header("To") or "") == "1918181833n"
    assert uri_of(message.header("To") or "") == "sip:vivekg@chair.example.com"
    assert tag_of(message.header("FROM") or "") == "98asjd8"
    assert uri_of(message.header("From") or "") == "sip:j;x=y@example.com"
    assert message.call_id == "a;b<c>\x00d"
    assert message.cseq == (9, "INVITE")
    assert [parameter(via, "branch") for via in message.values("Via")] == ["390skdjuw", "z9hG4bK9", "z9hG4bK30239"]
    assert [uri_of(value) for value in message.values("Record-Route")] == ["sip:a;lr", "sip:b;lr", "sip:c,d;lr"]
    assert uri_of(message.values("Contact")[0]) == "sip:j@example.com"
    assert message.body == b"body"


def test_octets_survive() -> None:
    data = b"OPTIONS sip:x SIP/2.0\r\nCall-ID: \x00\xff\xc3\xbc\r\nContent-Length: 2\r\n\r\n\x00\x01"
    assert Message.parse(data).encode() == data


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"POST /RPC HTTP/1.1\r\n\r\n", b"\x00\x01", b"hello\r\n\r\n"])
def test_what_is_no_sip(data: bytes) -> None:
    with pytest.raises(ValueError, match="begins no SIP message"):
        Message.parse(data)


@pytest.mark.parametrize("value", ["", "x INVITE", "-1 INVITE", "INVITE", "1.5 INVITE"])
def test_a_cseq_that_is_none(value: str) -> None:
    assert Message("INVITE sip:x SIP/2.0", (("CSeq", value),)).cseq[0] in (-1,)


def test_commas_in_quotes_and_brackets_part_nothing() -> None:
    assert split_values('"a,b" <sip:c,d>, <sip:e>,,"\\",f"') == ['"a,b" <sip:c,d>', "<sip:e>", '"\\",f"']


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("<sip:a;tag=inside@b>", None),
        ('"x;tag=quoted" <sip:a@b>;tag=right', "right"),
        ("sip:a@b;tag=bare", "bare"),
        ("<sip:a@b>;other=1;TAG=upper", "upper"),
        ('"<" <sip:a@b>;tag=t', "t"),
    ],
)
def test_a_tag_is_a_parameter_of_the_header(value: str, tag: str | None) -> None:
    assert tag_of(value) == tag
