"""Credentials for the examples of the RFCs."""

from __future__ import annotations

import re

import pytest

from rating_harness.useragent.digest import credentials


def of(challenge: str, **more: str) -> dict[str, str]:
    said = {"username": "Mufasa", "password": "Circle Of Life", "method": "GET", "uri": "/dir/index.html", **more}
    value = credentials(challenge, **said)
    return {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', value)}


def test_without_qop() -> None:
    """RFC 2069 section 2.4, with the erratum's response."""
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    said = of(f'Digest realm="testrealm@host.com", nonce="{nonce}", opaque="5ccc"', password="CircleOfLife")
    assert said["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert said["opaque"] == "5ccc"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_with_qop(algorithm: str, response: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7616 section 3.9.1."""
    own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr("rating_harness.useragent.digest.secrets.token_hex", lambda size: own)
    said = of(
        'Digest realm="http-auth@example.org", qop="auth, auth-int", '
        f'algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"',
        password="Circle of Life",
    )
    assert said["response"] == response
    assert (said["qop"], said["nc"]) == ("auth", "00000001")


@pytest.mark.parametrize("challenge", ["Basic realm=x", 'Digest realm="x", algorithm=MD4', ""])
def test_a_challenge_that_nobody_can_answer(challenge: str) -> None:
    with pytest.raises(ValueError, match="no answer is known"):
        of(challenge)
