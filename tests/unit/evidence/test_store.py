"""What is written can be read by a person, and is read back as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating_harness.errors import EvidenceError
from rating_harness.evidence.model import (
    CapturedMessage,
    Dialog,
    Evidence,
    Exchange,
    HttpStep,
    LogLine,
    Records,
    ServiceState,
    SipMessage,
    SippResult,
    Span,
)
from rating_harness.evidence.sip import parse_message
from rating_harness.evidence.store import FORMAT, read, write
from tests.builders import CALLER, START, answered_call, evidence_of, exchange, records, sip

times = st.floats(allow_nan=False)
texts = st.text(max_size=20)
any_text = st.text(st.characters(), max_size=20)
"""JSON's strings may hold what UTF-8 can't: halves of surrogate pairs."""
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | times | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(any_text, json_values, max_size=3)
one_line = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=30)
words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=10)
numbers = st.none() | st.integers()
maybe = st.none() | times


@st.composite
def messages(draw: st.DrawFn) -> SipMessage:
    """Anything that SIPp may have traced, odd headers and bodies too."""
    first = draw(st.sampled_from(["INVITE sip:1@h SIP/2.0", "BYE  SIP/2.0", "SIP/2.0 200 OK", "SIP/2.0 486 "]))
    fields = [*draw(st.lists(one_line, max_size=4)), "CSeq: 1 INVITE", "i: a@b"]
    text = "\r\n".join([first, *draw(st.permutations(fields))]) + draw(st.just("") | texts.map("\r\n\r\n{}".format))
    transport = draw(st.sampled_from(["udp", "tcp", "tls"]))
    return parse_message(text, at=draw(times), host=draw(words), sent=draw(st.booleans()), transport=transport)


@st.composite
def captures(draw: st.DrawFn) -> CapturedMessage:
    """Anything that Kamailio may have been sent, what isn't SIP and what isn't UTF-8 too."""
    at = draw(times)
    direction: Literal["sent", "received"] = draw(st.sampled_from(["sent", "received"]))
    text = draw(
        st.sampled_from(
            ["BYE sip:a@b SIP/2.0\r\nCSeq: 2 BYE\r\n\r\n", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n", "hello"]
        )
    ) + draw(st.just("") | st.just("\udcff") | texts)
    message = None
    if not text.startswith("hello"):
        message = parse_message(text, at=at, host="kamailio", sent=direction == "sent", transport="udp")
    repeated = draw(tuples(times))
    return CapturedMessage(at, direction, "udp", draw(texts), draw(texts), draw(texts), text, message, repeated)


def tuples(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=3).map(tuple)


all_records = st.builds(
    Records, at=times, accounts=st.dictionaries(texts, objects, max_size=2), transactions=tuples(objects)
)
evidences = st.builds(
    Evidence,
    scenario=texts,
    started=times,
    ended=times,
    call_ids=st.dictionaries(texts, tuples(texts), max_size=2),
    messages=tuples(messages()),
    captured=st.none() | tuples(captures()),
    exchanges=tuples(st.builds(Exchange, received=times, answered=maybe, request=json_values, response=json_values)),
    dialogs=tuples(st.builds(Dialog, first_seen=times, last_seen=times, states=tuples(st.integers()))),
    dialogs_left=numbers,
    before=st.none() | all_records,
    after=st.none() | all_records,
    log=tuples(st.builds(LogLine, words, one_line, st.just("") | st.sampled_from(["ALERT"]), st.none() | times)),
    sipp=tuples(st.builds(SippResult, failures=st.dictionaries(texts, st.integers(), max_size=2))),
    services=tuples(st.builds(ServiceState, facts=objects)),
    spans=tuples(st.builds(Span, started=times, ended=maybe)),
    http_steps=tuples(st.builds(HttpStep, at=times, request=json_values, response=json_values)),
    lab=st.dictionaries(texts, texts, max_size=2),
)


@given(evidences)
@settings(deadline=None, max_examples=60)
def test_it_is_read_back_as_it_was(evidence: Evidence) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder), evidence)
        assert read(Path(folder)) == evidence


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    evidence = evidence_of(
        answered_call(),
        [exchange(0.002, "authorization")],
        log=(LogLine("kamailio", "rating: begin failed: call=x", "ALERT"), LogLine("kamailio", "  continued")),
        before=records(0.0, 10),
    )
    write(tmp_path / "run", evidence, extra={"scenario.yaml": b"scenario: x\n", "sipp/uac.xml": b"<scenario/>"})
    return tmp_path / "run"


def test_a_person_can_browse_it(folder: Path) -> None:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "evidence.json",
        "http.jsonl",
        "kamailio.log",
        "records-after.json",
        "records-before.json",
        "scenario.yaml",
        "sip/caller-ana.txt",
        "sip/carrier.txt",
        "sipp/uac.xml",
    }
    sip_text = (folder / "sip/caller-ana.txt").read_text()
    assert sip_text.startswith(f"==== #0 sent udp at {START!r} (+0.000 s), 288 bytes ====\nINVITE sip:39040123456@")
    assert "\n\n==== #1 received udp at 1800000000.001 (+0.001 s), " in sip_text
    assert (folder / "kamailio.log").read_text() == (
        "- kamailio ALERT rating: begin failed: call=x\n- kamailio -   continued\n"
    )
    assert json.loads((folder / "records-before.json").read_text())["accounts"]["1000"]["balance"] == 10
    assert len((folder / "http.jsonl").read_text().splitlines()) == 1


def test_a_message_can_be_edited_in_its_header(folder: Path) -> None:
    path = folder / "sip/carrier.txt"
    path.write_text(path.read_text().replace("180 Ringing", "183 Session"))
    assert [m.status for m in read(folder).messages if m.host == "carrier" and m.status] == [183, 200, 200]


def test_a_host_whose_name_is_no_file_name(tmp_path: Path) -> None:
    evidence = evidence_of([sip(0.0, "../[::1]:5060", "sent", "INVITE sip:1@h")])
    write(tmp_path / "run", evidence)
    assert read(tmp_path / "run") == evidence
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_was_never_read_stays_apart_from_what_was_empty(tmp_path: Path) -> None:
    never = evidence_of([], before=None, after=Records(START))
    write(tmp_path, never)
    assert (read(tmp_path).before, read(tmp_path).after) == (None, Records(START))


@pytest.mark.parametrize("name", ["../outside", "/outside"])
def test_extra_files_stay_inside(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="leads out of the folder"):
        write(tmp_path / "run", evidence_of([]), extra={name: b""})


def _edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).write_text(change((folder / name).read_text()))

    return apply


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


FIELDS_OF_THE_FORMAT = {
    "after",
    "before",
    "call_ids",
    "captured",
    "dialogs",
    "dialogs_left",
    "ended",
    "exchanges",
    "generators",
    "http_steps",
    "idle",
    "lab",
    "log",
    "messages",
    "octets",
    "repeated",
    "routes",
    "rpc",
    "scenario",
    "services",
    "sipp",
    "skipped",
    "spans",
    "stalled",
    "started",
    "tables",
    "unobserved",
    "unsent",
}


def test_other_fields_need_another_format() -> None:
    """Evidence of before is then told by its format, not as one that was damaged."""
    assert (FORMAT, {field.name for field in fields(Evidence)}) == (6, FIELDS_OF_THE_FORMAT)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_remove("evidence.json"), ["no evidence that can be read here", "killed"]),
        (_remove("sip/carrier.txt"), ["sip/carrier.txt: no evidence", "No such file"]),
        (_remove("http.jsonl"), ["http.jsonl: no evidence"]),
        (_remove("records-after.json"), ["records-after.json: no evidence"]),
        (_edit("evidence.json", lambda text: text[:50]), ["evidence.json: not JSON"]),
        (_edit("evidence.json", lambda _: "[]"), ["format None", f"expected: format {FORMAT}"]),
        (
            _edit("evidence.json", lambda text: text.replace(f'"format": {FORMAT}', '"format": 1')),
            ["format 1", "version"],
        ),
        (_edit("evidence.json", lambda text: text.replace(f'"started": {START!r}', '"started": "x"')), ["started"]),
        (_edit("evidence.json", lambda text: text.replace('"dialogs_left"', '"left"')), ["dialogs_left, left"]),
        (_edit("evidence.json", lambda text: text.replace('"files": [', '"files": 3, "x": [')), ["valid list", "3"]),
        (_edit("evidence.json", lambda text: text.replace('"call_ids": {', '"call_ids": {"b": 3,')), ["call_ids.b"]),
        (_edit("http.jsonl", lambda text: text + "{\n"), ["http.jsonl:2: not JSON"]),
        (_edit("http.jsonl", lambda text: text + "{}\n"), ["http.jsonl:2: a value", "number", "Field required"]),
        (
            _edit("kamailio.log", lambda text: text + "half a\n"),
            ["kamailio.log:3: a line of the log that is cut off"],
        ),
        (_edit("kamailio.log", lambda text: f"noon {text[2:]}"), ["kamailio.log:1: not a time", "noon"]),
        (_edit("sip/carrier.txt", lambda text: text[:-3]), ["sip/carrier.txt:", "of another size"]),
        (_edit("sip/carrier.txt", lambda text: "x" + text), ["sip/carrier.txt:1: ", "without its beginning"]),
        (_edit("sip/carrier.txt", lambda text: text.replace("SIP/2.0 200", "SIP/2.0 abc")), ["without a status"]),
    ],
)
def test_damage_is_told_with_its_place(folder: Path, damage: Callable[[Path], None], said: list[str]) -> None:
    damage(folder)
    with pytest.raises(EvidenceError) as caught:
        read(folder)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize("name", ["http.jsonl", "kamailio.log", "evidence.json", "sip/carrier.txt"])
@pytest.mark.parametrize("place", [0, 12, 21])
def test_bytes_that_are_no_text(folder: Path, name: str, place: int) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:place] + b"\xff" + content[place:])
    with pytest.raises(EvidenceError, match=name):
        read(folder)


def test_many_messages_keep_their_order_across_hosts(tmp_path: Path) -> None:
    """Those of the same moment too, whose order says who was first."""
    first, second = sip(0.0, CALLER, "sent", "INVITE sip:1@h"), sip(0.0, "carrier", "received", "INVITE sip:1@h")
    together = evidence_of([second, first, replace(second, at=START - 1)])
    write(tmp_path, together)
    assert read(tmp_path).messages == together.messages
