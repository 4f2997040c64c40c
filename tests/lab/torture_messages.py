"""The messages of RFC 4475 (SIP torture tests) and RFC 5118 (its companion for IPv6), each by its section.

They are made to try what those of the sections try, of numbers and hosts of the lab. The account 1000 may call and no
carrier is known, so that a call which is authorised is refused with 403 and reaches nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["MESSAGES", "TortureMessage"]


@dataclass(frozen=True, slots=True)
class TortureMessage:
    """One message, and what the shipped configuration makes of it.

    :param section: such as ``RFC 4475 3.1.1.1``.
    :param text: its lines; ``{host}`` and ``{port}`` are the sender's. Each character is an octet.
    :param reply: the status of the one final reply; None: silence.
    :param authorised: whether the rating engine's agent gets a request for it.
    :param why: what the RFC leaves open, or why Kamailio does no better.
    """

    section: str
    name: str
    text: str
    reply: int | None
    authorised: bool = False
    why: str = ""
    transport: Literal["udp", "tcp"] = "udp"

    def octets(self, host: str, port: int) -> bytes:
        """As it goes out from there."""
        return self.text.replace("{host}", host).replace("{port}", str(port)).encode("latin-1")


_NUMBER = "39040123456"
_URI = f"sip:{_NUMBER}@sip.test"
_INVITE = f"INVITE {_URI} SIP/2.0"
_NO_REGISTRAR = "it's no registrar: what a REGISTER says isn't read"
_SILENT_REPLY = "a response to nothing that was sent"
_NO_HEADERS = (
    "Kamailio replies in the words of the request's own headers, and can't where one is given up by its parser "
    "(in event_route[core:receive-parse-error] a reply even ends it)"
)
_NO_FIRST_LINE = "Kamailio doesn't take this for SIP: its parser gives up in the first line"
_SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n"


def _message(name: str, start: str, *lines: str, body: str = "") -> str:
    """A request or a response with ordinary headers.

    :param lines: headers which take the place of those of their name, or come behind them; ``-Name``: there's none.
    """
    method = start.split()[0] if not start.startswith("SIP/2.0 ") else "OPTIONS"
    ordinary = {
        "Via": f"SIP/2.0/UDP {{host}}:{{port}};branch=z9hG4bK-{name}",
        "Max-Forwards": "70",
        "From": "<sip:1000@sip.test>;tag=torture",
        "To": f"<{_URI}>",
        "Call-ID": f"{name}@torture.test",
        "CSeq": f"1 {method}",
        "Contact": "<sip:1000@{host}:{port}>",
        "Content-Length": str(len(body)),
    }
    for line in lines:
        ordinary.pop(line.removeprefix("-").partition(":")[0].strip(), None)
    others = [line for line in lines if not line.startswith("-")]
    return "\r\n".join([start, *(f"{key}: {value}" for key, value in ordinary.items()), *others, "", body])


def _rfc4475(
    section: str, name: str, text: str, reply: int | None, why: str = "", *, authorised: bool = False
) -> TortureMessage:
    return TortureMessage(f"RFC 4475 {section}", name, text, reply, authorised, why)


def _rfc5118(
    section: str, name: str, text: str, reply: int | None, why: str = "", *, authorised: bool = False
) -> TortureMessage:
    return TortureMessage(f"RFC 5118 {section}", name, text, reply, authorised, why)


_TORTUOUS = (
    f"INVITE sip:{_NUMBER}@sip.test;odd-parameter SIP/2.0\r\n"
    "TO :\r\n"
    f"  {_URI}  ;   other-parameter\r\n"
    'from   : "A \\\\ \\" \xe2\x82\xac"      <sip:1000@sip.test>\r\n'
    "  ;\r\n"
    "  tag   = tortuous\r\n"
    "MaX-fOrWaRdS: 0068\r\n"
    "Call-ID: tortuous.*(+)<>/~@torture.test\r\n"
    "cseq: 0009\r\n"
    "  INVITE\r\n"
    "Via  : SIP  /   2.0\r\n"
    "  /UDP\r\n"
    "     {host}:{port};branch=\r\n"
    "  z9hG4bK-tortuous\r\n"
    "s :\r\n"
    "New-Fangled-Header:   a value\r\n"
    "  that goes on\r\n"
    '  and on, in "quotes"\r\n'
    "Content-Type: application/sdp\r\n"
    "v:  SIP  / 2.0  / TCP     192.0.2.1   ;\r\n"
    "  branch  =   z9hG4bK-before ,\r\n"
    "  SIP /    2.0   / UDP  192.0.2.2   ; branch=\r\n"
    "  z9hG4bK-before-that\r\n"
    'm:"Quoted \\"name\\"" <sip:1000@{host}:{port}> ; q =\r\n'
    "  0.9\r\n"
    f"l: {len(_SDP)}\r\n"
    "\r\n"
    f"{_SDP}"
)

_MULTIPART = (
    "--limit\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nHello\r\n"
    "--limit\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    "\x00\x01\r\n\r\n\xff\xfe\r\n--limit--\r\n"
)

_WIDE = _message(
    "wide",
    "!odd-Method_0123*+`.%that'~ sip:1_odd.user~(for!sure)&isn't+it$/x?,/;;*:&p=1,w!*d@sip.test SIP/2.0",
    "From: 7!x_`'~*% !-=.+ <sip:_%20~!$&'()*+,;=x@sip.test>;tag=_token~1'+`*%!-.",
    "Call-ID: word%ZK-!.*_+'@word`~)(><:/\"][?}{",
    "Extension-1: \xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb",
)

_LONG = _message(
    "long",
    _INVITE,
    f'To: "I have a user name of {"extreme " * 20}proportion"<{_URI};unknown-{"long" * 20}=v{"a" * 60}lue>',
    f"From: {'amazinglylongcallername' * 10}<sip:1000@sip.test>;tag=1{'2982424' * 20}",
    f"Call-ID: longreq.one{'really' * 20}longcallid",
    f"Unknown-{'Long' * 20}-Name: unknown-{'long' * 20}-value; unknown-{'long' * 20}-parameter",
    "Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK-long",
    *(f"Via: SIP/2.0/TCP sip{number}.example.com" for number in range(33, 0, -1)),
)

MESSAGES = (
    # --- RFC 4475 3.1.1: valid messages
    _rfc4475(
        "3.1.1.1",
        "a short tortuous INVITE",
        _TORTUOUS,
        None,
        "Kamailio can't read a CSeq that goes on in another line",
    ),
    _rfc4475(
        "3.1.1.1",
        "the same with CSeq in one line",
        _TORTUOUS.replace("0009\r\n  INVITE", "0009 INVITE"),
        403,
        authorised=True,
    ),
    _rfc4475(
        "3.1.1.2",
        "a wide range of characters",
        _WIDE.replace("Extension-1", "Extension-!.%*+_`'~"),
        None,
        "Kamailio knows no ` in a header's name, and doesn't reply where it gives one up",
    ),
    _rfc4475(
        "3.1.1.2",
        "the same with an ordinary header name",
        _WIDE,
        501,
    ),
    _rfc4475(
        "3.1.1.3",
        "escaped characters",
        _message(
            "escaped",
            f"INVITE sip:%33%39{_NUMBER[2:]}@sip.test SIP/2.0",
            "Contact: <sip:cal%6Cer@{host}:{port};%6C%72;n%61me=v%61lue%25%34%31>",
        ),
        403,
        authorised=True,
    ),
    _rfc4475(
        "3.1.1.4",
        "escaped NULs",
        _message(
            "nul",
            "REGISTER sip:sip.test SIP/2.0",
            "To: <sip:null-%00-null@sip.test>",
            "Contact: <sip:%00@{host}>, <sip:%00%00@{host}>",
        ),
        405,
        _NO_REGISTRAR,
    ),
    _rfc4475(
        "3.1.1.5",
        "% where it escapes nothing",
        _message(
            "percent",
            "RE%47IST%45R sip:sip.test SIP/2.0",
            'To: "%Z%45" <sip:resource@sip.test>',
            "Contact: <sip:alias@{host}>;p=%ZZ",
        ),
        405,
    ),
    _rfc4475(
        "3.1.1.6",
        "no space before <",
        _message(
            "unspaced", "OPTIONS sip:sip.test SIP/2.0", "From: caller<sip:caller@sip.test>;tag=1", "To: sip:sip.test"
        ),
        200,
    ),
    _rfc4475(
        "3.1.1.7",
        "long values",
        _LONG,
        403,
        authorised=True,
    ),
    _rfc4475(
        "3.1.1.8",
        "octets behind the end of a datagram",
        _message("behind", "REGISTER sip:sip.test SIP/2.0") + _message("behind-it", _INVITE),
        400,
        "they are refused: relayed with a call, they could be a message of their own where a carrier speaks TCP",
    ),
    _rfc4475(
        "3.1.1.9",
        "semicolons in the user part",
        _message("semicolons", "OPTIONS sip:user;par=u%40example.net@sip.test SIP/2.0"),
        200,
    ),
    _rfc4475(
        "3.1.1.10",
        "unknown transports",
        _message(
            "transports",
            "OPTIONS sip:user@sip.test SIP/2.0",
            *(
                "Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK-transports",
                "Via: SIP/2.0/SCTP t1.example.com;branch=z9hG4bK-1",
            ),
            *(
                "Via: SIP/2.0/TLS t2.example.com;branch=z9hG4bK-2",
                "Via: SIP/2.0/UNKNOWN t3.example.com;branch=z9hG4bK-3",
            ),
        ),
        200,
    ),
    _rfc4475(
        "3.1.1.11",
        "several parts, one of them binary",
        _message("parts", f"MESSAGE {_URI} SIP/2.0", "Content-Type: multipart/mixed;boundary=limit", body=_MULTIPART),
        405,
    ),
    _rfc4475(
        "3.1.1.12",
        "an unusual reason phrase",
        _message("reason", "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe", "CSeq: 35 INVITE"),
        None,
        _SILENT_REPLY,
    ),
    _rfc4475(
        "3.1.1.13", "no reason phrase", _message("unsaid", "SIP/2.0 100 ", "CSeq: 35 INVITE"), None, _SILENT_REPLY
    ),
    # --- 3.1.2: invalid messages
    _rfc4475(
        "3.1.2.1",
        "separators without values",
        _message(
            "separators", _INVITE, "Via: SIP/2.0/UDP {host}:{port};;,;,,", 'Contact: "Joe" <sip:joe@example.org>;;;;'
        ),
        None,
        _NO_HEADERS,
    ),
    _rfc4475(
        "3.1.2.2", "a Content-Length beyond the message", _message("beyond", _INVITE, "Content-Length: 9999"), 400
    ),
    _rfc4475(
        "3.1.2.3",
        "a negative Content-Length",
        _message("negative", _INVITE, "Content-Length: -999"),
        None,
        _NO_HEADERS,
    ),
    _rfc4475(
        "3.1.2.4",
        "numbers too large, in a request",
        _message(
            "numbers",
            "REGISTER sip:sip.test SIP/2.0",
            "CSeq: 36893488147419103232 REGISTER",
            "Max-Forwards: 300",
            "Expires: 10000000000000000",
        ),
        400,
    ),
    _rfc4475(
        "3.1.2.5",
        "numbers too large, in a response",
        _message(
            "numbers-back",
            "SIP/2.0 503 Service Unavailable",
            "CSeq: 9292394834772304023312 OPTIONS",
            "Retry-After: 949302838503028349304023988",
            'Warning: 1812 overture "In Progress"',
        ),
        None,
        _SILENT_REPLY,
    ),
    _rfc4475(
        "3.1.2.6",
        "a quote that doesn't end",
        _message("quote", _INVITE, f'To: "Mr. J. User <{_URI}>'),
        None,
        _NO_HEADERS,
    ),
    _rfc4475(
        "3.1.2.7",
        "a Request-URI in <>",
        _message("brackets", f"INVITE <{_URI}> SIP/2.0"),
        416,
        "its scheme would be <sip",
    ),
    _rfc4475(
        "3.1.2.8", "a space in the Request-URI", _message("space", f"INVITE {_URI}; lr SIP/2.0"), None, _NO_FIRST_LINE
    ),
    _rfc4475(
        "3.1.2.9",
        "more than one space in the first line",
        _message("spaces", f"INVITE  {_URI}  SIP/2.0"),
        None,
        _NO_FIRST_LINE,
    ),
    _rfc4475(
        "3.1.2.10",
        "spaces at the end of the first line",
        _message("trailing", "OPTIONS sip:sip.test SIP/2.0  "),
        200,
        "the section lets a recipient take what it can read all the same",
    ),
    _rfc4475(
        "3.1.2.11",
        "headers in the Request-URI",
        _message("headers", f"INVITE {_URI}?Route=%3Csip:example.com%3E SIP/2.0"),
        403,
    ),
    _rfc4475(
        "3.1.2.12",
        "a time zone other than GMT",
        _message("zone", _INVITE, "Date: Fri, 01 Jan 2010 16:00:00 EST"),
        403,
        "the section lets a recipient take it that doesn't need the date",
        authorised=True,
    ),
    _rfc4475(
        "3.1.2.13",
        "a URI with headers and no <>",
        _message("unenclosed", "REGISTER sip:sip.test SIP/2.0", "Contact: sip:user@{host}?Route=%3Csip:sip.test%3E"),
        405,
        _NO_REGISTRAR,
    ),
    _rfc4475(
        "3.1.2.14",
        "spaces within <>",
        _message("within", "OPTIONS sip:sip.test SIP/2.0", 'To: "Watson, Thomas" < sip:t.watson@example.org >'),
        200,
    ),
    _rfc4475(
        "3.1.2.15",
        "a comma in a display name without quotes",
        _message("comma", "OPTIONS sip:sip.test SIP/2.0", "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43"),
        200,
    ),
    _rfc4475("3.1.2.16", "an unknown version", _message("version", f"OPTIONS {_URI} SIP/7.0"), None, _NO_FIRST_LINE),
    _rfc4475(
        "3.1.2.17",
        "a CSeq of another method",
        _message("method", "OPTIONS sip:sip.test SIP/2.0", "CSeq: 8 INVITE"),
        400,
    ),
    _rfc4475(
        "3.1.2.18",
        "an unknown method and a CSeq of another",
        _message("unknown", f"NEWMETHOD {_URI} SIP/2.0", "CSeq: 8 INVITE"),
        400,
    ),
    _rfc4475(
        "3.1.2.19",
        "a status too large",
        _message("status", "SIP/2.0 4294967301 better not break the receiver", "CSeq: 353 INVITE"),
        None,
        _SILENT_REPLY,
    ),
    # --- 3.2 and 3.3: transactions and what is above them
    _rfc4475(
        "3.2.1",
        "a branch of the magic cookie alone",
        _message("cookie", "OPTIONS sip:sip.test SIP/2.0", "Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK"),
        200,
    ),
    _rfc4475(
        "3.3.1",
        "required headers missing",
        _message("missing", _INVITE, "-From", "-To", "-Call-ID"),
        None,
        _NO_HEADERS,
    ),
    _rfc4475(
        "3.3.2",
        "an unknown scheme",
        _message("scheme", "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"),
        416,
    ),
    _rfc4475(
        "3.3.3", "a scheme that isn't SIP's", _message("beep", "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"), 416
    ),
    _rfc4475(
        "3.3.4",
        "unknown schemes in headers",
        _message(
            "isbn",
            "REGISTER sip:sip.test SIP/2.0",
            "To: isbn:2983792873",
            "From: <http://www.example.com>;tag=1",
            "Contact: <name:John_Smith>",
        ),
        400,
    ),
    _rfc4475(
        "3.3.5",
        "extensions that nobody knows",
        _message(
            "extensions",
            "OPTIONS sip:sip.test SIP/2.0",
            "Require: nothingSupportsThis, nothingSupportsThisEither",
            "Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis",
        ),
        420,
    ),
    _rfc4475(
        "3.3.6",
        "an unknown Content-Type",
        _message(
            "content",
            _INVITE,
            "Content-Type: application/unknownformat",
            body='<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n',
        ),
        403,
        "a body is between the ends",
        authorised=True,
    ),
    _rfc4475(
        "3.3.7",
        "an unknown authorisation scheme",
        _message(
            "authorization", "REGISTER sip:sip.test SIP/2.0", "Authorization: NoOneKnowsThisScheme opaque-data=here"
        ),
        405,
        _NO_REGISTRAR,
    ),
    _rfc4475(
        "3.3.8",
        "several values where there is one",
        _message(
            "several",
            _INVITE,
            *(
                "CSeq: 5 INVITE",
                "CSeq: 59 INVITE",
                "Call-ID: several.1@torture.test",
                "Call-ID: several.2@torture.test",
            ),
            *("Max-Forwards: 70", "Max-Forwards: 5", f"To: <{_URI}>", "To: <sip:39040999999@sip.test>"),
            *("From: <sip:1000@sip.test>;tag=1", "From: <sip:1001@sip.test>;tag=2"),
        ),
        None,
        _NO_HEADERS,
    ),
    _rfc4475(
        "3.3.9",
        "two Content-Lengths",
        _message(
            "lengths", f"OPTIONS {_URI} SIP/2.0", "Content-Length: 13", "Content-Length: 5", body="There's no way"
        ),
        None,
        _NO_HEADERS,
    ),
    _rfc4475(
        "3.3.10",
        "a 200 for the broadcast address",
        _message(
            "broadcast",
            "SIP/2.0 200 OK",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1, SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK-2",
            "CSeq: 8 INVITE",
        ),
        None,
        _SILENT_REPLY,
    ),
    _rfc4475(
        "3.3.11", "Max-Forwards 0", _message("hops", "OPTIONS sip:user@sip.test SIP/2.0", "Max-Forwards: 0"), 483
    ),
    _rfc4475(
        "3.3.12",
        "a parameter of a Contact",
        _message(
            "contact-1", "REGISTER sip:sip.test SIP/2.0", "Contact: sip:+19725552222@gw1.example.net;unknownparam"
        ),
        405,
        _NO_REGISTRAR,
    ),
    _rfc4475(
        "3.3.13",
        "a parameter of a Contact's URI",
        _message(
            "contact-2", "REGISTER sip:sip.test SIP/2.0", "Contact: <sip:+19725552222@gw1.example.net;unknownparam>"
        ),
        405,
        _NO_REGISTRAR,
    ),
    _rfc4475(
        "3.3.14",
        "escaped headers in a Contact",
        _message(
            "contact-3",
            "REGISTER sip:sip.test SIP/2.0",
            "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
        ),
        405,
        _NO_REGISTRAR,
    ),
    _rfc4475(
        "3.3.15",
        "an Accept of nothing known",
        _message("accept", _INVITE, "Accept: text/nobodyKnowsThis", "Content-Type: application/sdp", body=_SDP),
        403,
        "what the answer may be is between the ends",
        authorised=True,
    ),
    _rfc4475(
        "3.4.1",
        "an INVITE of RFC 2543",
        _message(
            "old",
            _INVITE,
            "Via: SIP/2.0/UDP {host}:{port}",
            "From: <sip:1000@sip.test>",
            "Record-Route: <sip:bob@sip.test>",
        ),
        400,
        "a caller without a tag of its own can't be hung up: what came before RFC 3261 is refused",
    ),
    # --- RFC 5118
    _rfc5118(
        "4.1",
        "an IPv6 reference",
        _message("v6-1", "REGISTER sip:[2001:db8::10] SIP/2.0", 'Contact: "Caller" <sip:caller@[2001:db8::1]>'),
        405,
        _NO_REGISTRAR,
    ),
    _rfc5118("4.2", "an IPv6 address without brackets", _message("v6-2", "REGISTER sip:2001:db8::10 SIP/2.0"), 400),
    _rfc5118(
        "4.3",
        "a port within the brackets",
        _message("v6-3", "REGISTER sip:[2001:db8::10:5070] SIP/2.0"),
        405,
        _NO_REGISTRAR,
    ),
    _rfc5118(
        "4.4",
        "a port behind the brackets",
        _message("v6-4", "REGISTER sip:[2001:db8::10]:5070 SIP/2.0"),
        405,
        _NO_REGISTRAR,
    ),
    _rfc5118(
        "4.5",
        "received with brackets",
        _message(
            "v6-5",
            "BYE sip:[2001:db8::10] SIP/2.0",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};received=[2001:db8::9:255];branch=z9hG4bK-v6-5",
            f"To: <{_URI}>;tag=1",
        ),
        481,
    ),
    _rfc5118(
        "4.5",
        "received without brackets",
        _message(
            "v6-6",
            "OPTIONS sip:[2001:db8::10] SIP/2.0",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};received=2001:db8::9:255;branch=z9hG4bK-v6-6",
        ),
        200,
    ),
    _rfc5118(
        "4.6",
        "IPv6 in the session description",
        _message(
            "v6-7",
            f"INVITE sip:{_NUMBER}@[2001:db8::10] SIP/2.0",
            f"To: <sip:{_NUMBER}@[2001:db8::10]>",
            "Content-Type: application/sdp",
            body=_SDP.replace("IP4 192.0.2.1", "IP6 2001:db8::20"),
        ),
        403,
        authorised=True,
    ),
    _rfc5118(
        "4.7",
        "addresses of both families in headers",
        _message(
            "v6-8",
            "BYE sip:user@host.example.net SIP/2.0",
            *(
                "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};branch=z9hG4bK-v6-8",
                "Via: SIP/2.0/TCP 192.0.2.1:9921;branch=z9hG4bK-a",
            ),
            *("Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK-b", f"To: <{_URI}>;tag=1"),
        ),
        481,
    ),
    _rfc5118(
        "4.8",
        "addresses of both families in the session description",
        _message(
            "v6-9",
            _INVITE,
            "Content-Type: application/sdp",
            body=_SDP + "m=video 6002 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\n",
        ),
        403,
        authorised=True,
    ),
    _rfc5118(
        "4.9",
        "IPv4 addresses mapped into IPv6",
        _message(
            "v6-10",
            _INVITE,
            "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:{port};branch=z9hG4bK-v6-10",
            "Contact: <sip:1000@[::ffff:192.0.2.10]:{port}>",
            "Content-Type: application/sdp",
            body=_SDP.replace("IP4 192.0.2.1", "IP6 ::ffff:192.0.2.10"),
        ),
        403,
        authorised=True,
    ),
    _rfc5118(
        "4.10",
        "a colon too many",
        _message("v6-11", "OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0"),
        200,
        "it is taken for what is meant, since nothing is sent there",
    ),
    # --- what differs in a stream, where the length of a message is its end
    *(
        replace(
            each, name=f"{each.name}, over TCP", text=each.text.replace("/UDP {host}", "/TCP {host}"), transport="tcp"
        )
        for each in (
            _rfc4475("3.1.1.7", "long values", _LONG.replace("longreq", "longstream"), 403, authorised=True),
            _rfc4475(
                "3.1.2.2",
                "a Content-Length beyond the message",
                _message("waits", _INVITE, "Content-Length: 9999"),
                None,
                "the rest of the message may still come",
            ),
            _rfc4475(
                "3.1.2.3",
                "a negative Content-Length",
                _message("negative-tcp", _INVITE, "Content-Length: -999"),
                None,
                _NO_HEADERS,
            ),
            _rfc4475(
                "3.3.11",
                "Max-Forwards 0",
                _message("hops-tcp", "OPTIONS sip:user@sip.test SIP/2.0", "Max-Forwards: 0"),
                483,
            ),
        )
    ),
)
