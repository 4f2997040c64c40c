"""Session descriptions in words, and texts that SIPp must not take for keywords."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest

from rating_harness.evidence.sdp import Media, parse_sdp
from rating_harness.plan.render import authorities, certificates, literal, literal_sdp, sdp_for
from rating_harness.scenario.sdp import Sdp
from rating_harness.useragent.dialog import fill_sdp
from rating_harness.useragent.session import answer_to


def test_a_session_description_in_words_is_one() -> None:
    wanted = Sdp.model_validate(
        {"direction": "sendonly", "codecs": ["G729", "telephone-event"], "media": ["audio", "video"], "port": 7000}
    )
    text = fill_sdp(sdp_for(wanted, version=3), "198.18.0.9")
    description = parse_sdp(text)
    assert description is not None
    assert description.lines[1] == "o=- 1 3 IN IP4 198.18.0.9"
    assert description.media == (
        Media("audio", 7000, ("G729", "telephone-event"), "198.18.0.9", "sendonly"),
        Media("video", 7002, ("H264",), "198.18.0.9", "sendonly"),
    )
    assert text.endswith("\r\n")


@pytest.mark.parametrize(("address", "family"), [("10.0.0.1", "IP4"), ("fd17::1", "IP6")])
def test_an_address_of_ones_own_has_its_family(address: str, family: str) -> None:
    text = sdp_for(Sdp.model_validate({"address": address, "lines": ["a=ptime:20"]}))
    assert f"c=IN {family} {address}" in text.splitlines()
    assert "a=ptime:20" in text.splitlines()


def test_the_usual_one_none_and_an_own_one() -> None:
    assert parse_sdp(sdp_for(True)) is not None
    assert sdp_for(False) == ""
    assert sdp_for(" v=0\n") == "v=0"


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")],
)
def test_an_answer_has_the_other_half_of_the_offers_direction(offered: str, answered: str) -> None:
    offer = fill_sdp(sdp_for(Sdp.model_validate({"direction": offered})), "198.18.0.9")
    own = fill_sdp(sdp_for(Sdp()), "198.18.0.8")
    description = parse_sdp(answer_to(offer, own))
    assert description is not None
    assert [each.direction for each in description.media] == [answered]
    assert sum(line.startswith("a=") and line.endswith(answered) for line in description.lines) == 1


def test_an_answer_has_the_media_of_its_offer() -> None:
    def media(offer: Mapping[str, object], own: Mapping[str, object]) -> list[tuple[str, int, str]]:
        said = fill_sdp(sdp_for(Sdp.model_validate(offer)), "198.18.0.9")
        answer = parse_sdp(answer_to(said, fill_sdp(sdp_for(Sdp.model_validate(own)), "198.18.0.8")))
        assert answer is not None
        return [(each.kind, each.port, each.direction) for each in answer.media]

    assert media({"media": ["audio", "video"]}, {}) == [("audio", 6000, "sendrecv"), ("video", 0, "sendrecv")]
    assert media({"media": ["image"], "port": 7000}, {}) == [("image", 7000, "sendrecv")]
    assert media({"media": ["audio"]}, {"media": ["audio", "video"]}) == [("audio", 6000, "sendrecv")]
    held = {"media": ["audio", "video"], "direction": "sendonly"}
    assert media(held, {"media": ["audio", "video"]}) == [("audio", 6000, "recvonly"), ("video", 6002, "recvonly")]


def test_a_fax_is_said_in_words() -> None:
    fax = parse_sdp(sdp_for(Sdp.model_validate({"media": ["image"], "lines": ["a=x:1"]})))
    assert fax is not None
    assert fax.media[0].kind == "image"
    assert fax.lines[5].startswith("m=image 6000 udptl t38")
    assert {"a=T38FaxVersion:0", "a=x:1"} <= set(fax.lines)


def test_brackets_and_backslashes_are_sent_as_they_stand() -> None:
    own = literal_sdp("c=IN IP[local_ip_type] [media_ip]\na=x:[y] [local_ip]")
    assert own == r"c=IN IP[local_ip_type] [media_ip]" + "\n" + r"a=x:\x5by] [local_ip]"
    assert literal(r'304 x "see [c]" \n') == r'304 x "see \x5bc]" \x5cn'


def test_the_labs_authority_is_its_certificate_under_the_name_that_openssl_looks_for() -> None:
    ((name, content),) = authorities().items()
    assert content == certificates()["certificate.pem"]
    found = subprocess.run(["openssl", "x509", "-hash", "-noout"], input=content, capture_output=True, check=True)
    assert name == f"{found.stdout.decode().strip()}.0"
