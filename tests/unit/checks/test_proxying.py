"""Via, Max-Forwards, Record-Route and 100: what a proxy does with them, and what it mustn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks.model import Case
from rating_harness.checks.proxying import proxied_as_it_should_be
from rating_harness.evidence.model import SipMessage
from tests.builders import CALLER, CARRIER, evidence_of, exchange, scenario_of, sip

PLAIN = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
URI = "sip:39040123456@sip.test"
OWN, KAMAILIO = "SIP/2.0/UDP 198.18.0.5:5060;branch=z9hG4bK-own", "SIP/2.0/UDP 198.18.0.1;branch=z9hG4bK-k.1"
OTHER = "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK-phone"
ROUTE = "<sip:198.18.0.1;lr;did=1>"
CALLEE, PHONE = "<sip:39040123456@198.18.0.6>", "<sip:1000@198.18.0.5>"


def of(at: float, host: str, direction: str, first: str, **headers: str | list[str]) -> SipMessage:
    """A message with these headers, in place of those that it would have: ``max_forwards`` is Max-Forwards."""
    message = sip(at, host, "sent" if direction == "sent" else "received", first, to_tag=TAGS.get(first[:3]))
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    kept = [(name, value) for name, value in message.headers if name not in named]
    new = [(name, each) for name, value in named.items() for each in ([value] if isinstance(value, str) else value)]
    return replace(message, headers=(*new, *kept))


TAGS = {"200": "b1", "180": "b1", "ACK": "b1"}


def call(**spoilt: Callable[[SipMessage], SipMessage]) -> tuple[SipMessage, ...]:
    """An answered call by way of a proxy; of those that are named, what becomes of them.

    ``invite`` as the carrier got it, ``answer`` as the caller got it, ``trying`` as the caller got it.
    """
    messages: Mapping[str, SipMessage] = {
        "asked": of(0.0, CALLER, "sent", f"INVITE {URI}", via=OWN, contact=PHONE),
        "trying": of(0.001, CALLER, "received", "100 Trying", via=OWN),
        "invite": of(
            0.002, CARRIER, "received", f"INVITE {URI}", via=[KAMAILIO, OWN], max_forwards="69",
            record_route=ROUTE, contact=PHONE,
        ),
        "tried": of(0.003, CARRIER, "sent", "100 Trying", via=[KAMAILIO, OWN], server="a carrier"),
        "answered": of(
            0.1, CARRIER, "sent", "200 OK", via=[KAMAILIO, OWN], record_route=ROUTE, contact=CALLEE
        ),
        "answer": of(0.101, CALLER, "received", "200 OK", via=OWN, record_route=ROUTE, contact=CALLEE),
    }  # fmt: skip
    return tuple(spoilt[name](message) if name in spoilt else message for name, message in messages.items())


def has(name: str, *values: str) -> Callable[[SipMessage], SipMessage]:
    """The message with these values of a header, and no other."""

    def changed(message: SipMessage) -> SipMessage:
        kept = [(key, value) for key, value in message.headers if key != name]
        return replace(message, headers=(*((name, value) for value in values), *kept))

    return changed


def found(tmp_path: Path, messages: tuple[SipMessage, ...], *, billed: bool = True) -> list[str]:
    run = evidence_of(messages, [exchange(0.002, "authorization")] if billed else ())
    case = Case(scenario_of(tmp_path / "s.yaml", PLAIN), run)
    return [f"{finding.message}: {finding.seen}" for finding in proxied_as_it_should_be(case)]


def test_a_proxy_that_does_its_work_has_no_finding(tmp_path: Path) -> None:
    assert found(tmp_path, call()) == []


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (
            call(invite=has("Via", KAMAILIO, KAMAILIO, OWN)),
            "call ana: the Vias of the INVITE that carrier got: one twice: z9hG4bK-k.1",
        ),
        (
            call(invite=has("Via", OWN)),
            "call ana: the Vias of the INVITE that carrier got: no proxy's: it went past Kamailio",
        ),
        (
            call(asked=has("Via", OWN, OTHER)),
            "call ana: the Vias of the INVITE that carrier got: without z9hG4bK-phone",
        ),
        (
            call(asked=has("Via", OWN, OTHER), invite=has("Via", KAMAILIO, OTHER, OWN)),
            "call ana: the Vias of the INVITE that carrier got: in another order",
        ),
        (call(invite=has("Max-Forwards", "70")), "call ana: Max-Forwards of the INVITE that carrier got: 70"),
        (call(invite=has("Max-Forwards", "255")), "call ana: Max-Forwards of the INVITE that carrier got: 255"),
        (
            call(invite=has("Record-Route", ROUTE, ROUTE.replace("did=1", "did=2"))),
            "call ana: the Record-Routes of the INVITE that carrier got: one twice: sip:198.18.0.1",
        ),
        (
            call(asked=has("Record-Route", "<sip:10.0.0.9;lr>")),
            "call ana: the Record-Routes of the INVITE that carrier got: sip:198.18.0.1",
        ),
        (call(invite=has("Record-Route")), "call ana: the INVITE: none: the callee's BYE would go past Kamailio"),
        (
            call(answer=has("Record-Route")),
            "call ana: the Record-Routes of the 200 that caller-ana got: none of 1: the caller's requests go astray",
        ),
        (call(trying=has("Server", "a carrier")), "call ana: the 100 that caller-ana got: the one that carrier sent"),
    ],
)
def test_what_a_proxy_does_wrong_is_told(tmp_path: Path, messages: tuple[SipMessage, ...], said: str) -> None:
    assert found(tmp_path, messages) == [said]


@pytest.mark.parametrize(
    "messages",
    [
        call(invite=has("Via", KAMAILIO)),  # it hides its callers
        call(invite=has("Via", KAMAILIO.replace("k.1", "k.2"), KAMAILIO, OWN)),  # it sends to itself first
        call(invite=has("Max-Forwards", "10")),  # it allows fewer
        call(asked=has("Max-Forwards", "many")),
        call(asked=has("Max-Forwards", "0")),
        call(invite=has("Record-Route", "<sip:198.18.0.1;transport=tcp;lr;r2=on>", "<sip:198.18.0.1;lr;r2=on>")),
        call(asked=has("Record-Route", "<sip:10.0.0.9;lr>"), invite=has("Record-Route", ROUTE, "<sip:10.0.0.9;lr>")),
        call(
            invite=lambda m: has("Contact", "<sip:198.18.0.1>")(has("Record-Route")(m)),
            answered=has("Record-Route"),
            answer=has("Record-Route"),
        ),
        call(answer=lambda m: has("Contact", "<sip:198.18.0.1>")(has("Record-Route")(m))),
        call(trying=has("Server", "kamailio")),
        call(tried=has("Server")),
    ],
)
def test_what_a_proxy_may_do_is_no_finding(tmp_path: Path, messages: tuple[SipMessage, ...]) -> None:
    assert found(tmp_path, messages) == []


def test_a_call_that_nobody_bills_may_go_past_kamailio(tmp_path: Path) -> None:
    assert found(tmp_path, call(invite=has("Record-Route"), answer=has("Record-Route")), billed=False) == []


def test_a_proxy_without_rating_is_not_held_to_count_hops(tmp_path: Path) -> None:
    assert found(tmp_path, call(invite=has("Max-Forwards", "70")), billed=False) == []


def test_of_each_mistake_the_first_is_told(tmp_path: Path) -> None:
    def kept(message: SipMessage) -> SipMessage:
        return has("Max-Forwards", "70")(message)

    again = replace(call(invite=kept)[2], host="second")
    assert len(found(tmp_path, (*call(invite=kept), again))) == 1


def test_the_tag_of_from_stays(tmp_path: Path) -> None:
    spoilt = call(invite=has("From", "<sip:1000@sip.test>;tag=other"))
    assert [each for each in found(tmp_path, spoilt) if "tag of From" in each]


@pytest.mark.parametrize(("came", "is_told"), [("100rel", False), ("precondition", True)])
def test_what_a_reply_requires_arrives(tmp_path: Path, came: str, is_told: bool) -> None:
    messages = call(answered=has("Require", "100rel"), answer=has("Require", came))
    assert bool([each for each in found(tmp_path, messages) if "Require of the 200" in each]) is is_told
