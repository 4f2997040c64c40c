"""No password and no credential of the agent reaches the evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.evidence.redaction import (
    REDACTED,
    redacted_header,
    redacted_headers,
    redacted_line,
    redacted_message,
    redacted_text,
    redacted_url,
    redacted_value,
)
from rating_harness.evidence.sip import parse_message
from rating_harness.evidence.store import write
from rating_harness.run.exchanges import as_exchange
from rating_harness.session.stored_runs import scenario_files_of
from rating_harness.tap.exchange import Exchange as TapExchange
from tests.builders import evidence_of, refused_call, scenario_of

_DIGEST = (
    'Digest username="1000", realm="sip.test", nonce="abc", uri="sip:39@sip.test", '
    'response="6629fae49393a05397450978507c4ef1", algorithm=MD5'
)


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization"])
def test_a_digest_is_kept_without_its_response(name: str) -> None:
    text = f"INVITE sip:39@sip.test SIP/2.0\r\n{name}: {_DIGEST}\r\nCSeq: 2 INVITE\r\n\r\n"
    message = parse_message(text, at=0.0, host="caller-ana", sent=True, transport="udp")
    kept = message.header(name) or ""
    assert "6629fae4" not in kept
    assert f'response="{REDACTED}"' in kept
    assert 'username="1000"' in kept
    raw = redacted_message(text)
    assert "6629fae4" not in raw
    assert raw.startswith("INVITE sip:39@sip.test SIP/2.0\r\n")
    assert raw.endswith("CSeq: 2 INVITE\r\n\r\n")


def test_a_digest_that_is_folded_over_lines() -> None:
    folded = _DIGEST.replace(", ", ",\r\n ")
    assert "6629fae4" not in redacted_message(f"REGISTER sip:x SIP/2.0\r\nAuthorization: {folded}\r\n\r\n")


def test_what_proves_a_password_in_an_answer_is_redacted_too() -> None:
    line = 'Authentication-Info: rspauth="6629fae4", nextnonce="abc"'
    assert redacted_header(*line.split(": ")) == f'rspauth="{REDACTED}", nextnonce="abc"'
    text = f"SIP/2.0 200 OK\r\n{line}\r\nSubject: response=1\r\n\r\n"
    assert redacted_message(text) == text.replace("6629fae4", REDACTED)
    assert redacted_header("Subject", "response=1") == "response=1"


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("auth: {username: ana, password: s3cr3t}", "auth: {username: ana, password: redacted}"),
        ('password: "s3 \\"cr3t" # or so', "password: redacted # or so"),
        ("password: 's3''cr3t'", "password: redacted"),
        ("from: '1000'", "from: '1000'"),
    ],
)
def test_a_line_of_a_scenario_is_shown_without_its_password(line: str, kept: str) -> None:
    assert redacted_line(line) == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (
            {"agent_token": "s3cret", "url": "http://me:s3cret@engine"},
            {"agent_token": REDACTED, "url": "http://engine"},
        ),
        ({"name": "API_SECRET", "value": "s3cret", "at": "x"}, {"name": "API_SECRET", "value": REDACTED, "at": "x"}),
        ({"name": "balance", "value": "10"}, {"name": "balance", "value": "10"}),
        ({"name": 7, "value": "10"}, {"name": 7, "value": "10"}),
        ({"value": ["a", 1, None, {"Authorization": "x"}]}, {"value": ["a", 1, None, {"Authorization": REDACTED}]}),
    ],
)
def test_a_secret_is_known_by_its_key_or_its_name(value: object, kept: object) -> None:
    assert redacted_value(value) == kept


def test_credentials_of_the_agent_are_none_of_the_evidence() -> None:
    headers = (("Host", "agent"), ("Authorization", "Bearer s3cret"), ("X-API-Key", "s3cret"), ("Cookie", "a=s3cret"))
    assert "s3cret" not in str(redacted_headers(headers))
    seen = TapExchange(1, 1, 1, 0.0, "POST", "/v1/authorization", "", headers, "{}")
    assert "s3cret" not in repr(as_exchange(seen))
    assert as_exchange(seen).header("host") == "agent"
    assert redacted_url("https://me:s3cret@engine.test:8000/api") == "https://engine.test:8000/api"


@pytest.mark.parametrize(
    "text",
    [
        "auth: {username: ana, password: s3cr3t}",
        'auth: {username: ana, password: "s3cr3t"}',
        "users: {ana: s3cr3t}",
        'users: {"ana": "s3cr3t", ben: other}',
        "[authentication username=ana password=s3cr3t]",
        "matrix: [{id: one, secret: s3cr3t}]",
        '{"username": "ana", "password": "s3cr3t"}',
        "PASSWORD=s3cr3t",
    ],
)
def test_a_password_is_taken_out_of_the_files_of_a_scenario(text: str) -> None:
    assert "s3cr3t" not in redacted_text(text, {"ana": "s3cr3t"})


def test_a_password_that_is_another_words_value_too_leaves_that_alone() -> None:
    text = 'calls: [{from: "1000", auth: {username: "1000", password: "1000"}}]'
    assert redacted_text(text, ["1000"]) == text.replace('password: "1000"', f'password: "{REDACTED}"')


@pytest.mark.parametrize(("password", "is_rare"), [("qwerty", True), ("qwert", False), ("1234567", False)])
def test_a_password_alone_is_taken_out_where_it_can_be_no_other_word(password: str, is_rare: bool) -> None:
    text = f"it is {password}, and neither {password}s nor x-{password}"
    assert redacted_text(text, [password]) == (text.replace(f" {password},", f" {REDACTED},") if is_rare else text)


def test_a_stored_run_has_none(tmp_path: Path) -> None:
    rest = (
        'kamailio: {users: {"1000": s3cr3t}}\n'
        'calls: [{id: ana, from: "1000", to: "39", auth: {username: "1000", password: s3cr3t}}]\n'
    )
    scenario = scenario_of(tmp_path / "scenario.yaml", rest)
    folder = tmp_path / "run"
    write(folder, evidence_of(refused_call()), extra=scenario_files_of(scenario))
    assert (folder / "scenario.yaml").read_text().count(REDACTED) == 2
    assert not [path for path in folder.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
