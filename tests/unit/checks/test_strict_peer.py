"""What arrives at an end is judged as a strict peer judges it, whoever made it so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from rating_harness.checks.call_ends import both_ends_agree
from rating_harness.checks.model import Case, Finding
from rating_harness.checks.own_ends import check_own_ends
from rating_harness.checks.strict_peer import arrivals_are_valid, malformed, refusals
from rating_harness.errors import EndpointError
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import SipMessage
from rating_harness.evidence.sip import parse_message
from rating_harness.scenario.behaviour import SippFile
from tests.builders import CALL_ID, CALLER, CARRIER, START, answered_call, evidence_of, refused_call, scenario_of, sip

PLAIN = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
OTHERS = "SIP/2.0/UDP 198.18.0.9;branch=z9hG4bK-caller-ana-1-INVITE"
Chosen = Callable[[SipMessage], bool]


def found(tmp_path: Path, messages: tuple[SipMessage, ...]) -> list[Finding]:
    return list(arrivals_are_valid(Case(scenario_of(tmp_path / "s.yaml", PLAIN), evidence_of(messages))))


def changed(chosen: Chosen, name: str, value: str | None, cseq: int | None = None) -> tuple[SipMessage, ...]:
    """An answered call that the caller ends, with one header changed in some of its messages; None takes it out."""

    def change(message: SipMessage) -> SipMessage:
        if not chosen(message):
            return message
        headers = [(key, each) for key, each in message.headers if key != name]
        added = [(name, value)] if value is not None else []
        return replace(message, headers=(*headers, *added), cseq=message.cseq if cseq is None else cseq)

    return tuple(map(change, answered_call()))


def arrives(method: str, host: str, status: int | None = None) -> Chosen:
    return lambda m: m.direction == "received" and (m.method, m.host, m.status) == (method, host, status)


@pytest.mark.parametrize(
    "messages",
    [
        answered_call(),
        answered_call(ended_by="callee"),
        answered_call(ended_by="kamailio"),
        refused_call(),
        (*answered_call(), *answered_call(at=0.0)[-4:]),
    ],
    ids=["caller", "callee", "kamailio", "refused", "sent again"],
)
def test_a_proper_call_has_none(tmp_path: Path, messages: tuple[SipMessage, ...]) -> None:
    assert found(tmp_path, messages) == []


@pytest.mark.parametrize(
    ("chosen", "name", "value", "said"),
    [
        (arrives("BYE", CARRIER), "To", "<sip:39040123456@sip.test>;tag=b9", "481: the tag of To, b9"),
        (arrives("BYE", CARRIER), "From", "<sip:1000@sip.test>;tag=a9", "481: the tag of From, a9"),
        (arrives("BYE", CARRIER), "Route", "<sip:198.18.0.4;lr>", "a Route is left"),
        (arrives("BYE", CARRIER), "Require", "replaces", "420: Require: replaces"),
        (arrives("BYE", CARRIER), "Call-ID", None, "400: Call-ID is missing"),
        (arrives("BYE", CARRIER), "CSeq", "2 INVITE", "400: CSeq is of INVITE"),
        (arrives("BYE", CARRIER), "CSeq", "4294967296 BYE", "isn't below 2**31"),
        (arrives("INVITE", CARRIER), "Contact", None, "no Contacts"),
        (arrives("INVITE", CARRIER), "From", "<sip:1000@sip.test>", "From has no tag"),
        (arrives("INVITE", CARRIER), "From", "<sip:1000@sip.test>;tag=", "the tag of From is empty"),
        (arrives("INVITE", CARRIER), "Content-Length", "-999", "Content-Length is '-999'"),
        (arrives("INVITE", CARRIER), "Max-Forwards", "many", "Max-Forwards is 'many'"),
        (arrives("INVITE", CARRIER), "From", "1000;tag=a1", "is no URI"),
        (arrives("INVITE", CARRIER), "Via", "SIP/2.0/UDP", "is no Via"),
        (arrives("INVITE", CALLER, 200), "Contact", None, "no Contacts"),
        (arrives("INVITE", CALLER, 200), "To", "<sip:39040123456@sip.test>", "no tag in To"),
        (arrives("INVITE", CALLER, 200), "From", "<sip:1000@sip.test>;tag=a9", "the tag of From is a9, and was a1"),
        (arrives("INVITE", CALLER, 200), "Via", "SIP/2.0/UDP h;branch=z9hG4bK-x", "its branch is that of no INVITE"),
        (arrives("INVITE", CALLER, 180), "Require", "100rel", "Require: 100rel, which caller-ana never said"),
        (arrives("BYE", CALLER, 200), "To", "<sip:39040123456@sip.test>;tag=b9", "the tag of To is b9, and was b1"),
        (arrives("INVITE", CALLER, 200), "Via", OTHERS, "its Via is of 198.18.0.9:5060, and was of 198.18.0.5:5060"),
        (arrives("BYE", CARRIER), "To", "<sip:39040123456@sip.test>", "481: no tag in To"),
        (arrives("BYE", CARRIER), "Content-Length", "9", "400: Content-Length is 9, its body has 0 bytes"),
    ],
)  # fmt: skip
def test_what_kamailio_made_wrong_is_found_where_it_arrives(
    tmp_path: Path, chosen: Chosen, name: str, value: str | None, said: str
) -> None:
    (finding,) = found(tmp_path, changed(chosen, name, value))
    assert finding.check == "always: strict_peer"
    assert said in finding.seen
    assert finding.shown_by is not None
    assert finding.where.line == 6


def test_two_vias_in_a_reply(tmp_path: Path) -> None:
    two = tuple(
        replace(m, headers=(*m.headers, ("Via", "SIP/2.0/UDP 198.18.0.4;branch=z9hG4bK-k")))
        if arrives("INVITE", CALLER, 200)(m)
        else m
        for m in answered_call()
    )
    assert "2 Vias" in found(tmp_path, two)[0].seen


def test_an_end_that_plays_a_proxy_gets_the_vias_of_its_request_back(tmp_path: Path) -> None:
    further = ("Via", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-up")
    messages = answered_call()
    invite = next(m for m in messages if m.host == CALLER and m.direction == "sent" and m.method == "INVITE")
    own = invite.header("Via")

    def of_invite(message: SipMessage, *, replies: bool) -> SipMessage:
        is_own = message is invite or (replies and message.host == CALLER and message.header("Via") == own)
        return replace(message, headers=(*message.headers, further)) if is_own else message

    assert found(tmp_path, tuple(of_invite(m, replies=True) for m in messages)) == []
    lost = found(tmp_path, tuple(of_invite(m, replies=False) for m in messages))
    assert {each.seen for each in lost} == {"passed over: 1 Vias"}


def test_an_answer_without_contact_leaves_its_sender_without_a_target(tmp_path: Path) -> None:
    """The 180 had one; where the dialog is reached, its 2xx has to say (RFC 3261 section 12.1.1)."""

    def silent(message: SipMessage) -> SipMessage:
        headers = tuple((name, value) for name, value in message.headers if name != "Contact")
        is_answer = message.status == 200 and message.method == "INVITE"
        return replace(message, headers=headers) if is_answer else message

    astray = [
        replace(m, uri="sip:39040123456@198.18.0.9:5060") if arrives("BYE", CARRIER)(m) else m
        for m in answered_call()
    ]
    assert any("isn't where carrier said" in each.seen for each in found(tmp_path, tuple(astray)))
    told = found(tmp_path, tuple(map(silent, astray)))
    assert not any("isn't where carrier said" in each.seen for each in told)


@pytest.mark.parametrize(("own", "is_told"), [(";received=192.0.2.1", False), ("", True)])
def test_what_a_server_adds_to_a_via_that_has_it_already(tmp_path: Path, own: str, is_told: bool) -> None:
    """The caller wrote what only a server adds (RFC 3261 section 18.2.1), and Kamailio adds its own."""

    def with_it(message: SipMessage, added: str) -> SipMessage:
        headers = tuple((name, f"{value}{added}" if name == "Via" else value) for name, value in message.headers)
        return replace(message, headers=headers)

    invite = next(m for m in answered_call() if m.host == CALLER and m.direction == "sent" and m.method == "INVITE")
    twice = ";received=192.0.2.1;received=198.18.0.2"
    messages = tuple(
        with_it(m, own) if m == invite else with_it(m, twice) if arrives("INVITE", CALLER, 180)(m) else m
        for m in answered_call()
    )
    assert bool(found(tmp_path, messages)) is is_told


def test_a_header_of_a_single_value_that_kamailio_added_twice(tmp_path: Path) -> None:
    messages = tuple(
        replace(m, headers=(*m.headers, ("Retry-After", "1"), ("Retry-After", "1")))
        if arrives("BYE", CALLER, 200)(m)
        else m
        for m in answered_call()
    )
    [finding] = found(tmp_path, messages)
    assert "Retry-After stands there 2 times" in finding.seen


def test_a_request_with_an_old_cseq(tmp_path: Path) -> None:
    old = changed(arrives("BYE", CARRIER), "CSeq", "1 BYE", cseq=1)
    assert "500: CSeq 1 isn't above 1" in found(tmp_path, old)[0].seen


def test_an_ack_with_the_cseq_of_no_invite(tmp_path: Path) -> None:
    other = changed(arrives("ACK", CARRIER), "CSeq", "7 ACK", cseq=7)
    assert "no INVITE has CSeq 7" in found(tmp_path, other)[0].seen


def test_a_request_that_goes_to_another_target(tmp_path: Path) -> None:
    astray = tuple(
        replace(m, uri="sip:39040123456@198.18.0.99") if arrives("BYE", CARRIER)(m) else m for m in answered_call()
    )
    assert "404: sip:39040123456@198.18.0.99 isn't where carrier said" in found(tmp_path, astray)[0].seen


@pytest.mark.parametrize("contact", ["*", "<tel:+39040123456>", "<sip:x@a>, <sip:y@b>", "<sip:[::1>", "<sip:>"])
def test_nobody_knows_where_an_end_is_reached_whose_contact_is_no_address(tmp_path: Path, contact: str) -> None:
    """Kamailio hangs it up where the INVITE went."""
    odd = changed(lambda m: (m.host, m.direction, m.status) == (CARRIER, "sent", 200), "Contact", contact)
    messages = tuple(replace(m, uri="sip:39@198.18.0.9") if m.host == CARRIER and m.is_request else m for m in odd)
    assert not [each for each in found(tmp_path, messages) if "isn't where" in each.seen]


def test_an_answer_that_is_sent_again_takes_no_later_target_back(tmp_path: Path) -> None:
    """As one does whose ACK is late, after the callee's own target refresh."""
    moved, contact = "sip:moved@198.18.0.7", {"Contact": "<sip:moved@198.18.0.7>"}
    update = sip(0.5, CARRIER, "sent", f"UPDATE {CALLER}", cseq="7 UPDATE", to_tag="b1", headers=contact)
    again = sip(0.6, CARRIER, "sent", "200 OK", to_tag="b1")
    call = [replace(m, uri=moved) if arrives("BYE", CARRIER)(m) else m for m in answered_call()]
    messages = sorted((*call, update, again), key=lambda message: message.at)
    assert found(tmp_path, tuple(messages)) == []


def test_a_route_that_is_left_is_kamailios_though_the_other_end_sent_it(tmp_path: Path) -> None:
    """The sender puts the routes there, the last proxy takes them off."""
    routed = changed(lambda m: m.method == "BYE" and m.is_request, "Route", "<sip:198.18.0.4;lr>")
    (finding,) = found(tmp_path, routed)
    assert "a Route is left" in finding.seen


def test_a_route_to_what_the_end_itself_is_behind_is_its_own(tmp_path: Path) -> None:
    """A caller that writes a Record-Route is a proxy too, and the last one."""
    by_callee = [m for m in answered_call(ended_by="callee") if m.method == "BYE"]
    bye = [replace(m, headers=(*m.headers, ("Route", "<sip:198.18.0.5:5060;lr>"))) for m in by_callee]
    others = [m for m in answered_call() if m.method != "BYE"]
    own = ("Record-Route", "<sip:198.18.0.5:5060;LR>")
    begun = [replace(m, headers=(*m.headers, own)) if m.method == "INVITE" and m.is_request else m for m in others]
    on = [f.shown_by for f in found(tmp_path, (*begun, *bye))]
    assert [each for each in on if isinstance(each, SipMessage) and each.host == CALLER] == []
    assert "a Route is left" in found(tmp_path, (*others, *bye))[-1].seen


NAMED = "Bell, Alexander <sip:1000@sip.test>;tag=a1"


def _named(messages: tuple[SipMessage, ...]) -> tuple[SipMessage, ...]:
    """The caller has a display name with a comma, without quotes."""
    plain = "<sip:1000@sip.test>;tag=a1"
    return tuple(
        replace(m, headers=tuple((name, NAMED if value == plain else value) for name, value in m.headers))
        for m in messages
    )


@pytest.mark.parametrize("ended_by", ["caller", "callee"])
def test_a_name_that_an_author_wrote_badly_and_all_repeat_is_taken(
    tmp_path: Path, ended_by: Literal["caller", "callee"]
) -> None:
    by_hand = scenario_of(tmp_path / "s.yaml", PLAIN)
    call = by_hand.calls[0].model_copy(update={"sipp": SippFile(file="own.xml")})
    scenario = by_hand.model_copy(update={"calls": (call,)})
    case = Case(scenario, evidence_of(_named(answered_call(ended_by=ended_by))))
    assert refusals(case.calls[0]) == ()
    assert list(both_ends_agree(case)) == []
    check_own_ends(case)


def test_a_name_that_kamailio_wrote_badly_is_its_mistake(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, changed(arrives("INVITE", CARRIER), "From", NAMED))
    assert "is no URI" in finding.seen


def test_a_name_that_our_own_carrier_wrote_badly_is_the_harnesss_mistake(tmp_path: Path) -> None:
    messages = changed(lambda m: m.host == CARRIER and m.direction == "sent" and m.status == 180, "From", NAMED)
    with pytest.raises(EndpointError, match="carrier sent a malformed 180"):
        check_own_ends(Case(scenario_of(tmp_path / "s.yaml", PLAIN), evidence_of(messages)))


@pytest.mark.parametrize(
    ("words", "method", "header", "value"),
    [
        ("contact: absent", "INVITE", "Contact", None),
        ("headers: {Contact: absent}", "INVITE", "Contact", None),
        ("headers: {Max-Forwards: absent}", "INVITE", "Max-Forwards", None),
        ("headers: {To: '<sip:'}", "INVITE", "To", "<sip:"),
        ("cseq: 4294967295", "INVITE", "CSeq", "4294967295 INVITE"),
        ("requests: [{at: after 1s, method: INFO, headers: {Max-Forwards: absent}}]", "INFO", "Max-Forwards", None),
        ("requests: [{at: after 1s, method: INFO, headers: {Content-Length: '9'}}]", "INFO", "Content-Length", "9"),
        ("requests: [{at: after 1s, method: INFO, cseq: 4294967295}]", "INFO", "CSeq", "4294967295 INFO"),
    ],
)
def test_what_a_scenario_says_wrong_on_purpose_is_no_mistake_of_the_harness(
    tmp_path: Path, words: str, method: str, header: str, value: str | None
) -> None:
    info = sip(
        1.0,
        CALLER,
        "sent",
        "INFO sip:39040123456@sip.test",
        cseq="2 INFO",
        to_tag="b1",
        branch="z9hG4bK-request-0-1",
    )
    messages = tuple(
        replace(m, headers=tuple((n, value or v if n == header else v) for n, v in m.headers if n != header or value))
        if (m.host, m.direction, m.method) == (CALLER, "sent", method) and m.is_request
        else m
        for m in (*answered_call()[:-4], info, *answered_call()[-4:])
    )
    said = scenario_of(tmp_path / "s.yaml", f'calls: [{{id: ana, from: "1000", to: "39040123456", {words}}}]\n')
    check_own_ends(Case(said, evidence_of(messages)))
    if method == "INVITE":
        with pytest.raises(EndpointError, match="sent a malformed INVITE"):
            check_own_ends(Case(scenario_of(tmp_path / "s.yaml", PLAIN), evidence_of(messages)))


def test_a_header_that_a_carrier_is_told_to_send_is_its_authors(tmp_path: Path) -> None:
    messages = changed(
        lambda m: (m.host, m.direction, m.status, m.method) == (CARRIER, "sent", 200, "INVITE"),
        "Contact",
        "<sip:a b>",
    )
    rest = 'carriers: {carrier: {headers: {Contact: "<sip:a b>"}}}\n'
    check_own_ends(Case(scenario_of(tmp_path / "s.yaml", PLAIN + rest), evidence_of(messages)))
    with pytest.raises(EndpointError, match="carrier sent a malformed 200"):
        check_own_ends(Case(scenario_of(tmp_path / "s.yaml", PLAIN), evidence_of(messages)))


def test_a_tag_behind_an_empty_one_of_the_requests_own_is_no_finding(tmp_path: Path) -> None:
    def with_to(message: SipMessage, to: str) -> SipMessage:
        return replace(message, headers=(*(each for each in message.headers if each[0] != "To"), ("To", to)))

    empty = "<sip:39040123456@sip.test>;tag="
    refusal = refused_call("400 Bad Request")
    odd = tuple(with_to(m, f"{empty};tag=k1" if m.status == 400 else empty) for m in refusal)
    assert found(tmp_path, odd) == []
    (finding,) = found(
        tmp_path, tuple(new if old.status == 400 else old for old, new in zip(refusal, odd, strict=True))
    )
    assert "twice" in finding.seen


def test_a_reply_repeats_the_method_that_the_requests_cseq_names(tmp_path: Path) -> None:
    odd = [
        replace(
            m,
            method=m.method if m.is_request else "OPTIONS",
            headers=tuple((name, "1 OPTIONS" if name == "CSeq" else value) for name, value in m.headers),
        )
        for m in refused_call("400 CSeq method does not match request method")
    ]
    case = Case(scenario_of(tmp_path / "s.yaml", PLAIN), evidence_of(odd))
    assert [final.status for final in case.calls[0].finals] == [400]
    assert list(arrivals_are_valid(case)) == []


@pytest.mark.parametrize(
    ("reply", "current", "former"),
    [("200 OK", "198.18.0.77", "sip.test"), ("488 Not Acceptable Here", "sip.test", "198.18.0.77")],
)
def test_requests_go_to_the_target_that_was_accepted_last(
    tmp_path: Path, reply: str, current: str, former: str
) -> None:
    """A re-INVITE that is accepted moves its sender's target; one that is refused leaves it where it was."""
    new = {"Contact": "<sip:39040123456@198.18.0.77>"}
    refresh = (
        sip(0.5, CARRIER, "sent", "INVITE sip:39040123456@sip.test", cseq="1 INVITE", to_tag="b1", headers=new,
            branch="z9hG4bK-refresh"),
        sip(0.6, CARRIER, "received", reply, cseq="1 INVITE", to_tag="b1", branch="z9hG4bK-refresh"),
    )  # fmt: skip

    def run(host: str) -> list[Finding]:
        """The BYE goes there; the caller's own names another, so that Kamailio has chosen it."""
        messages = (
            replace(m, uri=f"sip:39040123456@{host if m.host == CARRIER else 'elsewhere.test'}")
            if m.method == "BYE" and m.is_request
            else m
            for m in answered_call()
        )
        return found(tmp_path, tuple(sorted((*messages, *refresh), key=lambda m: m.at)))

    assert run(current) == []
    assert "404" in run(former)[0].seen


def test_what_the_other_end_sent_so_is_no_finding_and_has_not_arrived(tmp_path: Path) -> None:
    """A caller whose BYE has an old CSeq: Kamailio passes it on as it is, and a strict callee refuses it."""
    old = changed(lambda m: m.method == "BYE", "CSeq", "1 BYE", cseq=1)
    assert found(tmp_path, old) == []
    case = Case(scenario_of(tmp_path / "s.yaml", PLAIN), evidence_of(old))
    (refusal,) = refusals(case.calls[0])
    assert (refusal.message.host, refusal.is_inherited) == (CARRIER, True)


def test_an_option_that_the_end_supports_is_taken(tmp_path: Path) -> None:
    required = changed(arrives("INVITE", CALLER, 180), "Require", "100rel")
    offered = tuple(
        replace(m, headers=(*m.headers, ("Supported", "100rel, timer"))) if m.direction == "sent" else m
        for m in required
    )
    assert found(tmp_path, offered) == []


def test_a_cancel_with_another_branch(tmp_path: Path) -> None:
    cancel = sip(0.05, CARRIER, "received", "CANCEL sip:39040123456@sip.test", branch="z9hG4bK-other")
    messages = tuple(sorted((*answered_call(), cancel), key=lambda m: m.at))
    assert "481: its branch is that of no INVITE" in found(tmp_path, messages)[0].seen


def test_brief_traces_are_not_judged() -> None:
    text = f"BYE sip:x SIP/2.0\r\nCall-ID: {CALL_ID}\r\nCSeq: 1 BYE\r\n\r\n"
    message = parse_message(text, at=START, host=CARRIER, sent=False, transport="udp")
    assert refusals(Call("ana", 1, CALL_ID, (), (message,))) == ()


def test_a_callee_supports_what_it_says_in_reply_to_the_invite_that_requires_it(tmp_path: Path) -> None:
    invite = "INVITE sip:39040123456@sip.test"
    cancel = invite.replace("INVITE", "CANCEL", 1)
    required = {"Require": "100rel"}
    messages = (
        sip(0.0, CALLER, "sent", invite, headers=required),
        sip(0.005, CARRIER, "received", invite, branch="z9hG4bK-k", headers=required),
        sip(0.007, CARRIER, "sent", "183 Session Progress", to_tag="b1", headers={**required, "RSeq": "1"}),
        sip(2.0, CARRIER, "received", cancel, branch="z9hG4bK-k"),
        sip(2.0, CARRIER, "sent", "200 OK", cseq="1 CANCEL", to_tag="b1"),
    )
    assert found(tmp_path, messages) == []


def test_the_reply_to_a_cancel_that_comes_again_is_none_to_its_invite(tmp_path: Path) -> None:
    """The ACK to a 487 goes to where the INVITE went, and not to the Contact of a 180."""
    invite = "INVITE sip:39@sip.test"
    ringing = {"Contact": "<sip:desk@198.18.0.5>"}
    taken = sip(1.0, CARRIER, "sent", "200 OK", cseq="1 CANCEL", to_tag="b1")
    messages = (
        sip(0.0, CALLER, "sent", invite),
        sip(0.005, CARRIER, "received", invite, branch="z9hG4bK-k"),
        sip(0.007, CARRIER, "sent", "180 Ringing", to_tag="b1", headers=ringing),
        sip(1.0, CARRIER, "received", "CANCEL sip:39@sip.test", branch="z9hG4bK-k"),
        taken,
        sip(1.001, CARRIER, "sent", "487 Request Terminated", to_tag="b1"),
        replace(taken, at=taken.at + 0.002),
        sip(1.003, CARRIER, "received", "ACK sip:39@sip.test", cseq="1 ACK", to_tag="b1", branch="z9hG4bK-k"),
    )
    assert found(tmp_path, messages) == []


def test_a_cancel_of_an_invite_that_is_refused_is_one_of_that_invite(tmp_path: Path) -> None:
    required = {"Require": "100rel"}
    messages = (
        sip(0.0, CALLER, "sent", "INVITE sip:39@sip.test", headers=required),
        sip(0.005, CARRIER, "received", "INVITE sip:39@sip.test", branch="z9hG4bK-k", headers=required),
        sip(2.0, CARRIER, "received", "CANCEL sip:39@sip.test", branch="z9hG4bK-k"),
    )
    assert found(tmp_path, messages) == []


def _forked() -> tuple[SipMessage, ...]:
    """A call that also rang at a second telephone of the carrier's, which has a Contact of its own."""
    second = (
        sip(0.02, CARRIER, "sent", "183 Session Progress", to_tag="b2", headers={"Contact": "<sip:fork@198.18.0.6>"}),
        sip(0.03, CARRIER, "received", "PRACK sip:fork@198.18.0.6", cseq="2 PRACK", to_tag="b2"),
        sip(0.03, CARRIER, "sent", "200 OK", cseq="2 PRACK", to_tag="b2"),
    )
    return tuple(sorted((*answered_call(), *second), key=lambda message: message.at))


def test_a_forked_call_has_a_target_for_each_telephone(tmp_path: Path) -> None:
    assert found(tmp_path, _forked()) == []


@pytest.mark.parametrize(
    ("method", "uri"),
    [("PRACK", "sip:39040123456@sip.test"), ("ACK", "sip:fork@198.18.0.6"), ("BYE", "sip:fork@198.18.0.6")],
)
def test_a_request_that_goes_to_another_telephone_of_a_forked_call(tmp_path: Path, method: str, uri: str) -> None:
    astray = tuple(replace(m, uri=uri) if arrives(method, CARRIER)(m) else m for m in _forked())
    assert f"404: {uri} isn't where carrier said" in found(tmp_path, astray)[0].seen


def test_a_request_of_kamailios_without_a_limit_of_hops(tmp_path: Path) -> None:
    messages = changed(arrives("BYE", CARRIER), "Max-Forwards", None)
    assert [finding.seen for finding in found(tmp_path, messages)] == ["Max-Forwards is missing"]


def test_an_ack_from_hop_to_hop_needs_none(tmp_path: Path) -> None:
    refused = (
        sip(0.0, "caller-ana", "sent", "INVITE sip:39040123456@sip.test"),
        sip(0.01, CARRIER, "received", "INVITE sip:39040123456@sip.test", branch="z9hG4bK-hop"),
        sip(0.02, CARRIER, "sent", "486 Busy Here", cseq="1 INVITE", branch="z9hG4bK-hop", to_tag="b1"),
    )
    ack = sip(0.03, CARRIER, "received", "ACK sip:39040123456@sip.test", branch="z9hG4bK-hop", to_tag="b1")
    bare = replace(ack, headers=tuple(each for each in ack.headers if each[0] != "Max-Forwards"))
    assert found(tmp_path, (*refused, bare)) == []


def _over(transport: str, contact: str, by: str, ended_by: Literal["callee", "kamailio"]) -> tuple[SipMessage, ...]:
    """A caller over a transport, with that Contact, which gets its BYE by another one."""

    def change(message: SipMessage) -> SipMessage:
        if message.host != CALLER:
            return message
        headers = [(name, contact if name == "Contact" else value) for name, value in message.headers]
        is_bye = message.method == "BYE" and message.is_request
        uri = contact.strip("<>") if is_bye else message.uri
        return replace(message, transport=by if is_bye else transport, headers=tuple(headers), uri=uri)

    invite = "INVITE sip:39040123456@sip.test"
    return tuple(
        change(m) if not (m.host == CALLER and m.status and m.method == "BYE") else replace(change(m), transport=by)
        for m in answered_call(ended_by=ended_by)
        if not (m.host == CALLER and m.status == 100 and m.uri == invite)
    )


@pytest.mark.parametrize("ended_by", ["callee", "kamailio"])
@pytest.mark.parametrize(
    ("transport", "contact", "by", "said"),
    [
        ("tcp", "<sip:39040123456@198.18.0.5;transport=tcp>", "udp", "it came by UDP, and caller-ana is reached at"),
        ("tls", "<sip:39040123456@198.18.0.5;transport=TLS>", "tcp", "it came by TCP, and caller-ana is reached at"),
        ("tls", "<sips:39040123456@198.18.0.5>", "udp", "it came by UDP, and caller-ana is reached at sips:"),
        ("tcp", "<sip:39040123456@198.18.0.5;transport=tcp>", "tcp", ""),
        ("tcp", "<sip:39040123456@198.18.0.5>", "udp", ""),
        ("tcp", "<sip:39040123456@198.18.0.5>", "tcp", ""),
        ("udp", "<sip:39040123456@198.18.0.5>", "tcp", ""),
        ("udp", "<sip:39040123456@198.18.0.5;transport=tcp>", "tcp", ""),
    ],
)
def test_a_request_comes_by_the_transport_of_its_target_or_of_the_end_itself(
    tmp_path: Path, ended_by: Literal["callee", "kamailio"], transport: str, contact: str, by: str, said: str
) -> None:
    seen = [finding.seen for finding in found(tmp_path, _over(transport, contact, by, ended_by))]
    assert [each for each in seen if each.startswith("it came by")] == seen
    assert (len(seen), said in "".join(seen)) == (1 if said else 0, True)


def test_a_reply_that_comes_by_another_transport(tmp_path: Path) -> None:
    messages = tuple(replace(m, transport="tcp") if arrives("INVITE", CALLER, 200)(m) else m for m in answered_call())
    assert "it came by TCP, and the INVITE was sent by UDP" in found(tmp_path, messages)[0].seen


@pytest.mark.parametrize("body", ["a\r\nb", "a\r\nb\r\n", "a\nb\n", "\u00e8"])
def test_a_body_is_as_long_as_its_content_length_whatever_ends_its_lines(tmp_path: Path, body: str) -> None:
    """A trace has line feeds alone."""
    headers = {"Content-Type": "text/plain"}
    arrived = sip(1.0, CARRIER, "received", "INFO sip:x", cseq="2 INFO", to_tag="b1", body=body, headers=headers)
    assert malformed(arrived) is None
    assert malformed(replace(arrived, body="")) == (
        "Content-Length",
        f"Content-Length is {len(body.encode())}, its body has 0 bytes",
    )
    untyped = replace(arrived, headers=tuple(each for each in arrived.headers if each[0] != "Content-Type"))
    assert malformed(untyped) == ("Content-Type", "Content-Type is missing, and there is a body")
