"""SIPp scenarios of other people's: what they need is there, and what can't work is said before the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.errors import ScenarioError
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.sipp_files import call_id_prefix, has_field, names_in, needed_files

FILE = """\
<scenario name="x">
  <send><![CDATA[
      INVITE sip:[service]@sip.test SIP/2.0
      From: <sip:[who]@[local_ip]>;tag=[pid]
      Call-ID: {call_id}
      CSeq: 1 INVITE
  ]]></send>
  {more}
</scenario>
"""


@pytest.mark.parametrize(
    ("call_id", "prefix"),
    [
        ("[call_id]", ""),
        ("s1001///[call_id]", "s1001///"),
        ("a b///[call_id]", "a b///"),
        ("[call_id]-x", None),
        ("x-[call_id]", None),
        ("fixed", None),
        ("", None),
    ],
)
def test_how_sipp_knows_its_calls(call_id: str, prefix: str | None) -> None:
    assert call_id_prefix(FILE.format(call_id=call_id, more="")) == prefix


def test_what_a_file_uses() -> None:
    more = """<nop><action><exec play_pcap_audio='pcap/g711a.pcap'/><exec rtp_stream="hello.wav,-1,8"/></action></nop>
    [field1 file="users.csv"] [file name="body.txt"]"""
    text = FILE.format(call_id="[call_id]", more=more)
    assert list(needed_files(text)) == ["pcap/g711a.pcap", "hello.wav", "body.txt"]
    assert has_field(text)
    assert {"service", "who", "local_ip", "pid", "call_id", "field1", "file"} <= names_in(text)


def scenario(tmp_path: Path, sipp: str, *, call_id: str = "[call_id]", more: str = "") -> Scenario:
    (tmp_path / "uac.xml").write_text(FILE.format(call_id=call_id, more=more))
    path = tmp_path / "it.yaml"
    path.write_text(f'scenario: It\ncalls: [{{id: ana, from: "1000", to: "39", sipp: {sipp}}}]\n')
    return load(path)[0]


def test_a_file_with_all_that_it_needs(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").touch()
    (tmp_path / "users.csv").touch()
    sipp = '{file: uac.xml, csv: users.csv, variables: {service: "39", who: ana}}'
    loaded = scenario(tmp_path, sipp, more="<exec play_pcap_audio='a.pcap'/>[field0]")
    assert loaded.calls[0].sipp is not None
    assert loaded.calls[0].sipp.csv == "users.csv"


@pytest.mark.parametrize(
    ("sipp", "call_id", "more", "message"),
    [
        ("uac.xml", "own", "", "SIPp knows its calls by [call_id], and uac.xml has another Call-ID"),
        ("uac.xml", "[call_id]", "[field0]", "uac.xml takes values from a CSV file"),
        ("{file: uac.xml, csv: no.csv}", "[call_id]", "[field0]", "no file 'no.csv'"),
        ("uac.xml", "[call_id]", '<exec rtp_stream="no.wav"/>', "uac.xml plays 'no.wav', which isn't there"),
        ("{file: uac.xml, variables: {servce: x}}", "[call_id]", "", "uac.xml has no [servce]"),
        (
            "{file: uac.xml, variables: {local_ip: x}}",
            "[call_id]",
            "",
            "[local_ip] is a keyword of SIPp's own, and can't have a value",
        ),
        (
            "{file: uac.xml, variables: {last_From: x}}",
            "[call_id]",
            "",
            "[last_From] is a keyword of SIPp's own, and can't have a value",
        ),
    ],
)
def test_what_cant_work_is_said_with_a_way_out(
    tmp_path: Path, sipp: str, call_id: str, more: str, message: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(tmp_path, sipp, call_id=call_id, more=more)
    (mistake,) = caught.value.mistakes
    assert mistake.message == message
    assert mistake.hint
