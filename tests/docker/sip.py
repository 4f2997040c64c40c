"""A caller, a carrier and an OPTIONS ping, as SIPp scenarios."""

from __future__ import annotations

from rating_harness.lab.protocol import Host, Program

COMMON = """\
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:1000@[local_ip]>;tag=[pid]-[call_number]
"""

PING = f"""\
<?xml version="1.0"?>
<scenario name="ping">
  <send retrans="200"><![CDATA[
OPTIONS sip:ping@[remote_ip] SIP/2.0
{COMMON}To: <sip:ping@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"""

CALL = f"""\
<?xml version="1.0"?>
<scenario name="call">
  <send retrans="500"><![CDATA[
INVITE sip:39040123456@[remote_ip] SIP/2.0
{COMMON}To: <sip:39040123456@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:1000@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
[routes]
{COMMON}[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <pause milliseconds="1100"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
[routes]
{COMMON}[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"""

ANSWER = """\
[last_Via:]
[last_From:]
[last_To:];tag=[pid]-[call_number]
[last_Call-ID:]
[last_CSeq:]
"""

CARRIER = f"""\
<?xml version="1.0"?>
<scenario name="carrier">
  <recv request="INVITE" rrs="true"/>
  <send><![CDATA[
SIP/2.0 180 Ringing
{ANSWER}[last_Record-Route:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
{ANSWER}[last_Record-Route:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <recv request="ACK"/>
  <recv request="BYE"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


def sipp(host: Host, scenario: str, *options: str) -> Program:
    """One call of that scenario, on port 5060 of the host; traces of what was sent and received."""
    argv = ("sipp", *options, "-sf", "scenario.xml", "-i", host.address, "-m", "1", "-r", "100", "-nostdin")
    argv += ("-trace_msg", "-message_file", "messages.log")
    return Program(host.name, "sipp", argv, host, {"scenario.xml": scenario.encode()})
