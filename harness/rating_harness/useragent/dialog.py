"""A dialog as one of its ends knows it (RFC 3261 section 12), and requests that belong to it, or only seem to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from rating_harness.scenario.values import CSeq, Route, expand
from rating_harness.useragent.message import Message, tag_of, uri_of

__all__ = [
    "AS_GIVEN",
    "HIGHEST_CSEQ",
    "NEXT",
    "SDP_TYPE",
    "Dialog",
    "Place",
    "SipRequest",
    "Unknown",
    "build",
    "fill_sdp",
    "with_port",
]


class Unknown(Exception):
    """A request needs something that nobody knows yet, such as the tag of a callee that never answered."""


@dataclass(frozen=True, slots=True)
class Place:
    """A transport address."""

    address: str
    port: int

    def __str__(self) -> str:
        return with_port(self.address, self.port)


def with_port(address: str, port: int) -> str:
    """``198.18.0.1:5060``, ``[fd17::1]:5060``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


NEXT = CSeq(1, relative=True)
"""The number after the sender's last."""

HIGHEST_CSEQ = 2**31 - 1
"""RFC 3261 section 8.1.1.5."""

AS_GIVEN = Route()
"""The dialog's own route set."""

SDP_TYPE = "application/sdp"


@dataclass(frozen=True, slots=True)
class SipRequest:
    """A request beside a call's own. What isn't said is as the dialog has it.

    :param contact: None for the sender's own, empty for none.
    :param headers: name -> its values, which take the place of any of that name; no values: there's none.
    :param body: its lines end in CRLF on the wire, however they are written; a session description is filled in
        (`fill_sdp`).
    :param octets: the whole message, in place of all else: each character is one octet.
    :param times, every: how often it's sent, and the seconds between two of them.
    """

    method: str = "OPTIONS"
    uri: str | None = None
    cseq: CSeq = NEXT
    route: Route = AS_GIVEN
    swap: bool = False
    contact: str | None = None
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    body: str = ""
    content_type: str = ""
    octets: str | None = None
    transport: Literal["udp", "tcp", "tls"] | None = None
    port: int | None = None
    times: int = 1
    every: float = 0.0
    username: str = ""
    password: str = ""


@dataclass(slots=True)
class Dialog:
    """What an end has learnt from the messages that it sent and received (`note`).

    :param invite_uri, invite_branch, invite_cseq: of the last INVITE that began it.
    :param local, remote: From and To as this end writes them in its own requests, tags included.
    :param target: the remote target; empty as long as it isn't known.
    :param last: the number of this end's last request; of the other end's, ``remote_last``.
    """

    side: Literal["caller", "callee"]
    call_id: str = ""
    local: str = ""
    remote: str = ""
    contact: str = ""
    target: str = ""
    route_set: tuple[str, ...] = ()
    invite_uri: str = ""
    invite_branch: str = ""
    invite_cseq: int = 0
    last: int = 0
    remote_last: int = -1
    authorization: str = ""
    answered: bool = False

    def note(self, message: Message, *, sent: bool) -> None:
        """Learn from a message of the call."""
        if message.is_request:
            self._note_request(message, sent)
        elif message.method == "INVITE" and sent == (self.side == "callee"):
            self._note_reply(message)
        elif message.method in ("INVITE", "UPDATE") and not sent and 200 <= message.status < 300:
            self._note_renewal(message)

    def _note_request(self, message: Message, sent: bool) -> None:
        is_first = message.method == "INVITE" and tag_of(message.header("To") or "") is None
        if is_first and sent == (self.side == "caller"):
            self.answered = False
            self.call_id = message.call_id
            self.invite_uri, self.invite_branch = message.uri, message.branch
            self.invite_cseq = message.cseq[0]
            caller, callee = message.header("From") or "", message.header("To") or ""
            contact = uri_of(next(iter(message.values("Contact")), ""))
            if sent:
                self.local, self.remote, self.contact = caller, callee, contact
                self.target, self.route_set = "", ()
            else:
                self.local, self.remote, self.target = callee, caller, contact
                self.route_set = message.values("Record-Route")
        elif message.method in ("INVITE", "UPDATE") and not sent and message.values("Contact"):
            self.target = uri_of(message.values("Contact")[0])
        number = message.cseq[0]
        if sent:
            # After the highest number there is none, so that one isn't counted on from.
            if message.method not in ("ACK", "CANCEL") and number < HIGHEST_CSEQ:
                self.last = max(self.last, number)
            self.authorization = (
                message.header("Proxy-Authorization") or message.header("Authorization") or self.authorization
            )

    def _note_renewal(self, reply: Message) -> None:
        """The other side accepted a target refresh of this end's (RFC 3261 section 12.2.1.2)."""
        contacts = reply.values("Contact")
        if contacts:
            self.target = uri_of(contacts[0])

    def _note_reply(self, message: Message) -> None:
        if message.cseq[0] != self.invite_cseq and self.side == "caller" and 200 <= message.status < 300:
            self._note_renewal(message)
            return
        if message.cseq[0] != self.invite_cseq or not 101 <= message.status < 300:
            return
        to, contacts = message.header("To") or "", message.values("Contact")
        if self.answered and message.status < 300:
            return
        if self.side == "callee":
            self.local = to
            self.contact = uri_of(contacts[0]) if contacts else self.contact
        elif tag_of(to) is not None:
            self.remote = to
            self.target = uri_of(contacts[0]) if contacts else self.target
            self.route_set = tuple(reversed(message.values("Record-Route")))
        self.answered = message.status >= 200

    def of_reply(self, reply: Message) -> Dialog:
        """The dialog that a reply to this end's INVITE makes: where it was forked, one of several."""
        other = replace(self, answered=False)
        other._note_reply(reply)
        return other

    def is_of(self, message: Message, *, sent: bool) -> bool:
        """Whether a request has this dialog's tags."""
        ours, theirs = (tag_of(self.local), tag_of(self.remote))
        from_tag, to_tag = tag_of(message.header("From") or ""), tag_of(message.header("To") or "")
        return (from_tag, to_tag) == ((ours, theirs) if sent else (theirs, ours))

    def values(self, sender: Place, kamailio: Place, branch: str) -> dict[str, str]:
        """What placeholders stand for (`scenario.values.PLACEHOLDERS`); what isn't known yet is missing."""
        caller, callee = (self.local, self.remote) if self.side == "caller" else (self.remote, self.local)
        contacts = (self.contact, self.target) if self.side == "caller" else (self.target, self.contact)
        known = {
            "call_id": self.call_id,
            "from": caller,
            "to": callee if tag_of(callee) else "",
            "from_tag": tag_of(caller) or "",
            "to_tag": tag_of(callee) or "",
            "caller_contact": contacts[0],
            "callee_contact": contacts[1],
            "caller": _host_of(contacts[0]),
            "callee": _host_of(contacts[1]),
            "authorization": self.authorization,
        }
        return {
            **{name: value for name, value in known.items() if value},
            "route": ", ".join(self.route_set),
            "cseq": str(self.last + 1),
            "branch": branch,
            "sender": str(sender),
            "kamailio": str(kamailio),
        }


def _host_of(uri: str) -> str:
    """Address and port of a SIP URI."""
    host = uri.partition(":")[2].rpartition("@")[2].partition(";")[0].partition("?")[0]
    if not host:
        return ""
    has_port = ":" in host.rpartition("]")[2]
    return host if has_port else f"{host}:5060"


def build(
    request: SipRequest,
    dialog: Dialog,
    *,
    sender: Place,
    kamailio: Place,
    transport: str,
    branch: str,
    extra: Mapping[str, tuple[str, ...]] | None = None,
) -> bytes:
    """A request as it goes out.

    :param extra: further headers, as `SipRequest.headers` has them.
    :raises Unknown: it needs something that isn't known yet.
    """
    values = dialog.values(sender, kamailio, branch)

    def filled(text: str) -> str:
        try:
            return expand(text, values)
        except KeyError as error:
            raise Unknown(f"{{{error.args[0]}}} isn't known yet") from None

    if request.octets is not None:
        values["length"] = str(len(request.octets.partition("\r\n\r\n")[2]))
        return filled(request.octets).encode("latin-1")
    text = filled(request.body)
    if request.content_type == SDP_TYPE:
        text = fill_sdp(text, sender.address)
    body = re.sub(r"\r?\n", "\r\n", text).encode("latin-1")
    values["length"] = str(len(body))
    of_invite = request.method in ("ACK", "CANCEL") and request.cseq == NEXT
    number = dialog.invite_cseq if of_invite else request.cseq.of(dialog.last)
    if request.method == "CANCEL":
        branch = dialog.invite_branch or branch
    if not dialog.call_id:
        raise Unknown("the call hasn't begun")
    begun = dialog.invite_uri if request.method == "CANCEL" else dialog.target or dialog.invite_uri
    from_value, to_value = (dialog.remote, dialog.local) if request.swap else (dialog.local, dialog.remote)
    if request.method == "CANCEL" and not request.swap:
        to_value = to_value.partition(";tag=")[0]
    contact = f"<sip:{sender};transport={transport}>" if request.contact is None else filled(request.contact)
    routes = () if request.method == "CANCEL" and request.route == AS_GIVEN else request.route.of(dialog.route_set)
    headers: dict[str, tuple[str, ...]] = {
        "Via": (f"SIP/2.0/{transport.upper()} {sender};rport;branch={branch}",),
        "Max-Forwards": ("70",),
        "Route": tuple(filled(route) for route in routes),
        "From": (from_value,),
        "To": (to_value,),
        "Call-ID": (dialog.call_id,),
        "CSeq": (f"{number} {request.method}",),
        "Contact": (contact,) if contact and request.method not in ("ACK", "CANCEL") else (),
        "Content-Type": (request.content_type,) if request.content_type and body else (),
    }
    known = {name.lower(): name for name in headers}
    for name, texts in {**(extra or {}), **request.headers}.items():
        headers[known.get(name.lower(), name)] = tuple(filled(text) for text in texts)
    if "content-length" not in {name.lower() for name in headers}:
        headers["Content-Length"] = (str(len(body)),)
    uri = filled(request.uri) if request.uri is not None else begun
    lines = tuple((name, text) for name, texts in headers.items() for text in texts)
    return Message(f"{request.method} {uri} SIP/2.0", lines, body).encode()


def fill_sdp(text: str, address: str) -> str:
    """A session description (RFC 8866) with its line ends, and addresses in place of SIPp's keywords for them."""
    family = "6" if ":" in address else "4"
    known: Mapping[str, str] = {
        "local_ip_type": family, "media_ip_type": family, "local_ip": address, "media_ip": address,
    }  # fmt: skip
    filled = re.sub(r"\[(\w+)\]", lambda match: known.get(match[1], match[0]), text)
    return "".join(f"{line}\r\n" for line in filled.splitlines()) if filled else ""
