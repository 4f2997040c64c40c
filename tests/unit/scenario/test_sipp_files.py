"""SIPp scenarios of other people's: what they need is there, and what can't work is said before the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.errors import ScenarioError
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.sipp_files import (
    as_written,
    call_id_prefix,
    csv_faults,
    faults_in,
    has_field,
    longest_pause,
    name_beside,
    names_in,
    names_to_give,
    needed_files,
    takes_patterns,
    unknown_keywords,
    unrouted_bye,
)
from rating_harness.session.dialects import load_with_warnings

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
    text += """<!-- [note] Call-ID: fixed <exec play_pcap_audio="gone.pcap"/> [field0] -->
    <exec rtp_stream="apattern,1,0,PCMU/8000"/><exec rtp_stream="pause"/><exec play_pcap_audio="[media].pcap"/>"""
    assert list(needed_files(text)) == ["pcap/g711a.pcap", "hello.wav", "body.txt"]
    assert has_field(text)
    assert {"service", "who", "local_ip", "pid", "call_id", "field1", "file"} <= names_in(text)
    assert names_to_give(text) == {"service", "who", "media"}
    assert not has_field("<!-- [field0] -->")
    assert call_id_prefix("<!-- Call-ID: fixed -->\nCall-ID: [call_id]") == ""


def test_what_lies_elsewhere_is_played_from_beside_the_file() -> None:
    """SIPp runs in a folder of its own, and finds nothing above it."""
    text = """<?xml?><exec play_pcap_audio="../pcap/a.pcap"/><exec rtp_stream='/srv/b.wav,-1,8'/>
    <exec rtp_stream="apattern,1"/><![CDATA[x\n[file name="../body.txt"]]]>"""
    assert [name_beside(name) for name in needed_files(text)] == ["up/pcap/a.pcap", "root/srv/b.wav", "up/body.txt"]
    written = as_written(text)
    for sent in ('"up/pcap/a.pcap"', "'root/srv/b.wav,-1,8'", '"apattern,1"', 'name="up/body.txt"'):
        assert sent in written


def scenario(tmp_path: Path, sipp: str, *, call_id: str = "[call_id]", more: str = "") -> Scenario:
    (tmp_path / "uac.xml").write_text(FILE.format(call_id=call_id, more=more))
    path = tmp_path / "it.yaml"
    path.write_text(f'scenario: It\ncalls: [{{id: ana, from: "1000", to: "39", sipp: {sipp}}}]\n')
    return load(path)[0]


def test_a_file_with_all_that_it_needs(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").touch()
    (tmp_path / "users.csv").write_text("SEQUENTIAL\nana;1\n")
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


RECV = '<recv request="INVITE"/>'
SEND = "<send><![CDATA[INVITE <x> [a]]]></send>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no <scenario> in it"),
        ("<html><body>404</body></html>", "no <scenario> in it"),
        (f"<scenario>\n{SEND}\n<pauze milliseconds='1'/></scenario>", "line 3: SIPp knows no <pauze>"),
        (
            f'<scenario>{SEND}<recv response="4>0" next="nwhere"/><label id="nowhere"/></scenario>',
            "no label 'nwhere'",
        ),
        (f'<scenario>{SEND}<pause ontimeout="x"/></scenario>', "no label 'x'"),
        (f'<scenario>{SEND}<label id="a"/><label id="a"/></scenario>', "a second label 'a'"),
        (f"<scenario><init><nop/></init>{SEND}</scenario>", "SIPp counts its <init> as a call"),
        (f"<scenario><nop/>{RECV}{SEND}</scenario>", "it waits for a request, and a caller begins with one"),
        (
            "<scenario><!--\nTo : x -->\n<send><![CDATA[\nINVITE x\n From : a\n  tO\t: b\n]]></send></scenario>",
            "line 6: SIPp finds no 'tO\t:' in the replies",
        ),
        (f"<scenario>\n<send><![CDATA[INVITE x]]>\n{RECV}</scenario>", "line 2: <send> is never closed"),
        (f"<scenario>{SEND}\n<recv response='200'>\n{SEND}</scenario>", "line 2: <recv> is never closed"),
        (f"<scenario>{SEND}\n<nop><action/>", "line 2: <nop> is never closed"),
        (f"<scenario>{SEND}\n<recv respon", "line 2: <recv> lacks a quote, or its '>'"),
        (f'<scenario>{SEND}\n<recv response="100 optional="true"/></scenario>', "line 2: <recv> lacks a quote"),
        (f"<scenario>\n<send><![CDATA[INVITE x</send>{SEND}</scenario>", "line 2: a message is never closed"),
        ("<scenario><send>\n<![CDATA[INVITE x", "line 2: a message is never closed"),
        (
            f'<scenario>{SEND}\n<recv response="200"><action>\n<ereg regexp="x" assign_to="once,b"/></action></recv>'
            '<nop next="b"/><label id="b"/></scenario>',
            "line 3: the variable 'once' is set and never used",
        ),
        (f"<scenario>{SEND}\n<recvCmd/></scenario>", "line 2: <recvCmd> talks to another SIPp (3PCC)"),
        (f'<scenario>{SEND}\n<nop display="a\n<recv response="200"/></scenario>', "line 2: <nop> lacks a quote"),
    ],
)
def test_what_sipp_would_give_up_for(text: str, said: str) -> None:
    ((message, hint),) = faults_in(text, calls=True)
    assert said in message
    assert hint


def test_what_sipp_takes() -> None:
    text = f"""<?xml version="1.0"?><!DOCTYPE scenario SYSTEM "sipp.dtd"><!-- <pauze/> next="x" -->
    <scenario name='a "b" > c'><Global variables="g"/>{SEND}<recv response="200" rrs="true"><action>
    <ereg regexp="<sip:(.*)>" search_in="hdr" assign_to="1"/><strcmp/></action></recv>
    <nop display=">>> held <<<"/><nop next="end" test="1"/><vendorElement/><label id="end"/></scenario>"""
    assert list(faults_in(text, calls=True)) == []
    spaced = "<send><![CDATA[\nINVITE x SIP/2.0\nFrom : a\nTo:  b\nContact : c\n]]></send><!--\nTo : x -->"
    assert list(faults_in(f"<scenario>{spaced}</scenario>", calls=True)) == []
    assert list(faults_in(f"<scenario>{RECV}{SEND}</scenario>", calls=False)) == []
    ((message, _),) = faults_in(f"<scenario>{SEND}{RECV}</scenario>", calls=False)
    assert message == "it begins with a request, and a carrier waits for one"


@pytest.mark.parametrize(
    ("text", "scenario", "said"),
    [
        ("SEQUENTIAL\n1;2\n", "[field1]", []),
        ("RANDOM\r\n1\r\n", "[field0]", []),
        ("", "[field0]", ["its first line is ''"]),
        ("1;2\n", "[field0]", ["its first line is '1;2'"]),
        ("USERS\n1\n", "[field0]", ["its first line is 'USERS'"]),
        ("SEQUENTIAL\n", "[field0]", ["it has no line of values"]),
        ("SEQUENTIAL\n1;2\n3\n", "[field1]", ["it has a line of 1 field, and no [field1]"]),
        ("SEQUENTIAL\n1,2\n", '[field2 line="1"]', ["it has a line of 1 field, and no [field2]"]),
    ],
)
def test_a_csv_file_has_what_the_scenario_takes(text: str, scenario: str, said: list[str]) -> None:
    assert [message for message, _ in csv_faults(text, scenario)] == said


def test_keywords_that_sipp_has_no_value_for() -> None:
    text = """<scenario><!-- [note] --><send><![CDATA[ [number] [locl_ip] [local_ip] [len+2] [$x] [fe80::1]
    [field0 line=1] [last_From:] [service] [who]
    [authentication username=a password=b] [number] ]]></send></scenario>"""
    assert list(unknown_keywords(text, {"who"})) == ["number", "locl_ip"]


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("INVITE sip:39@[fc00::1]:[remote_port] SIP/2.0", r"INVITE sip:39@\x5bfc00::1]:[remote_port] SIP/2.0"),
        ("Call-ID: a(b)c[d///[call_id]", r"Call-ID: a(b)c\x5bd///[call_id]"),
        ("Call-ID: [[call_id]]", r"Call-ID: \x5b[call_id]]"),
        ("X: [] a[b", r"X: \x5b] a\x5bb"),
        *(
            (f"X: {keyword}", f"X: {keyword}")
            for keyword in (
                *("[len+2]", "[$1]", "[$who-1]", "[last_Record-Route:]", '[field0 file="x.csv" line=[$n]]'),
                *("[authentication username=a password=[word]]", "[my-key]", "[branch-3]"),
            )
        ),
    ],
)
def test_a_bracket_that_begins_no_keyword_is_sent_as_it_stands(line: str, sent: str) -> None:
    text = f"<?xml?><scenario><!-- [note -->\n<send><![CDATA[\n  {line}\n  CSeq: 1 INVITE\n]]></send></scenario>"
    assert as_written(text) == text.replace(line, sent)


def test_a_header_that_is_folded_stays_so() -> None:
    """SIPp takes off what its lines begin with."""
    message = """<?xml version="1.0"?><![CDATA[

      INVITE sip:39@sip.test SIP/2.0
      From: "Ana"
       <sip:1000@sip.test>
       ;tag=1
        Via: SIP/2.0/UDP h
        [routes]
      CSeq: 1
      \tINVITE

      v=0
       o=-
    ]]>"""
    assert as_written(message) == message.replace("       <sip:", r"       \x20<sip:").replace(
        "       ;tag", r"       \x20;tag"
    ).replace("\tINVITE", "\t\\x20INVITE")


def test_a_status_line_without_a_phrase_keeps_its_space() -> None:
    for line, sent in (
        ("  SIP/2.0 200 ", "  SIP/2.0 200\\x20"),
        ("SIP/2.0 200", "SIP/2.0 200"),
        ("SIP/2.0 200 OK ",) * 2,
    ):
        assert f"<![CDATA[\n{sent}\nTo: x \n]]>" in as_written(f"<scenario><![CDATA[\n{line}\nTo: x \n]]></scenario>")


def test_signs_in_values_are_no_tags() -> None:
    """SIPp would leave out what comes behind, without a word."""
    rest = "<!-- <a b='<'> --><send><![CDATA[\nFrom: \"a\" <sip:b>\n]]></send>"
    written = as_written(f'<?xml?><scenario><nop display=">> on <<"/><ereg regexp="<(.*)>"/>{rest}</scenario>')
    sent = f'<nop display="&gt;&gt; on &lt;&lt;"/><ereg regexp="&lt;(.*)&gt;"/>{rest}</scenario>'
    assert written == f"<?xml?><scenario>{sent}"


def test_a_file_without_an_xml_declaration_gets_one() -> None:
    """SIPp reads none without."""
    assert as_written("<scenario/>").startswith('<?xml version="1.0" encoding="UTF-8"?>\n<scenario/>')


def test_lines_behind_a_first_one_that_is_not_indented_are_headers() -> None:
    headers = "\n   To: <sip:39@sip.test>\n   [routes]\n   CSeq: 1 INVITE\n"
    message = f"<?xml?><![CDATA[INVITE sip:39@sip.test SIP/2.0{headers}]]>"
    assert as_written(message) == message


@pytest.mark.parametrize(("response", "patterns"), [("200", False), ("2..", True), ("1xx", True)])
def test_patterns_for_statuses(response: str, patterns: bool) -> None:
    assert takes_patterns(f'<scenario>{SEND}<recv response="{response}"/></scenario>') == patterns


@pytest.mark.parametrize(
    ("pause", "seconds"),
    [
        ('milliseconds="90000"', 90.0),
        ('distribution="fixed" value="1500"', 1.5),
        ('distribution="uniform" min="2000" max="5000"', 5.0),
        ('distribution="normal" mean="60000" stdev="10000"', 90.0),
        ('distribution="exponential" mean="1000"', 4.0),
        ('variable="1"', 0.0),
        ("", 0.0),
    ],
)
def test_how_long_a_file_waits_of_itself(pause: str, seconds: float) -> None:
    commented = '<!-- <pause milliseconds="7"/> -->'
    assert longest_pause(f"<scenario>{SEND}<pause {pause}/>{commented}<pause/></scenario>") == seconds


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.xml").write_bytes(b"<scenario name='\xe9'/>")
    path = tmp_path / "it.yaml"
    path.write_text('scenario: It\ncalls: [{id: ana, from: "1000", to: "39", sipp: latin.xml}]\n')
    with pytest.raises(ScenarioError) as caught:
        load(path)
    (mistake,) = caught.value.mistakes
    assert (mistake.message, mistake.hint) == ("latin.xml: the byte 0xe9 is not UTF-8", "save it as UTF-8")


def test_what_a_file_lacks_is_a_warning(tmp_path: Path) -> None:
    file = FILE.format(call_id="[call_id]", more='<recv response="4.." regexp_match="true"/>')
    (tmp_path / "uac.xml").write_text(file, encoding="utf-8-sig")
    path = tmp_path / "it.yaml"
    path.write_text('scenario: It\ncalls: [{id: ana, from: "1000", to: "39", sipp: uac.xml}]\n')
    (warning,) = load_with_warnings(path)[1]
    assert warning.message == "SIPp has no value for [who]"
    path.write_text(path.read_text().replace("uac.xml}", "{file: uac.xml, variables: {who: ana}}}"))
    (warning,) = load_with_warnings(path)[1]
    assert warning.message == "[service] of uac.xml has no value: SIPp writes 'service'"
    path.write_text(path.read_text().replace("who: ana", 'who: ana, service: "39"'))
    (warning,) = load_with_warnings(path)[1]
    assert warning.message == "uac.xml has a pattern for a status, which SIPp takes from 3.7.5 on"
    path.write_text(path.read_text() + "requires: {sipp: at least 3.7.5}\n")
    assert load_with_warnings(path)[1] == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[ branch ]", "line 2: SIPp sends '[ branch ]' as it's written"),
        ("[\tlast_Via: ]", None),
        ("[branch]", None),
        ("[ a word ]", None),
    ],
)
def test_a_keyword_with_a_blank_before_it_is_none(written: str, said: str | None) -> None:
    text = f"<scenario>\n<send><![CDATA[ INVITE sip:x SIP/2.0\nVia: x;branch={written}\n]]></send></scenario>"
    text = text.replace("INVITE sip:x SIP/2.0\n", "INVITE sip:x SIP/2.0 ")
    assert [message for message, _ in faults_in(text, calls=True)] == ([said] if said else [])


@pytest.mark.parametrize(
    ("bye", "received", "said"),
    [
        ("Via: x", "", "line 4: a BYE without a Route doesn't reach Kamailio's dialog"),
        ("[routes]", "", "[routes] of its BYE has no value: SIPp keeps no Record-Route"),
        ("[routes]", ' rrs="true"', None),
        ("Route: <sip:x;lr>", "", None),
    ],
)
def test_a_bye_has_to_go_by_the_route_set(bye: str, received: str, said: str | None) -> None:
    text = (
        f'<scenario>{SEND}<recv response="200"{received}/>\n'
        f"<send><![CDATA[\n\n    BYE sip:x SIP/2.0\n    {bye}\n]]></send></scenario>"
    )
    unrouted = unrouted_bye(text)
    assert (unrouted and unrouted[0]) == said
