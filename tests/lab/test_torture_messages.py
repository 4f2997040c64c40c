"""RFC 4475 and RFC 5118: each message is answered, or isn't, as the table says; none bills or kills anything."""

from __future__ import annotations

import json

import pytest

from rating_harness.deadline import Deadline
from rating_harness.kamailio.log import parse_log
from rating_harness.lab.protocol import Program
from rating_harness.rating.seed import Given
from rating_harness.run.options import Options
from rating_harness.run.stack import KAMAILIO, Stack
from rating_harness.useragent.message import Message
from tests.lab.torture_messages import MESSAGES

pytestmark = pytest.mark.lab

GIVEN: Given = {
    "accounts": [{"account_tag": "1000", "type": "POSTPAID", "balance": 0}],
    "carriers": [],
    "pricelists": [],
}
FIRST_PORT = 6000
PATIENT = {"RATING_HTTP_TIMEOUT": "8000", "FR_TIMER": "10000"}
"""On a busy machine a lab's agent may take longer than a lab's timers have it."""
UNPROTECTED = "anybody who reaches this proxy can spend the balance of any account"
"""What the shipped configuration says at its start, at alert level."""

# Sends each message of a file from a port of its own, and prints the statuses of the final replies to each; 0 is a
# request that came. Kamailio takes datagrams one after another: once the last is answered, all were read.
PEER = r"""
import json, re, select, socket, sys, time
host, kamailio, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
messages = json.load(open("messages.json"))
seen, peers = [[] for _ in messages], {}
def receive(seconds, enough):
    until = time.monotonic() + seconds
    while time.monotonic() < until and not enough():
        for peer in select.select(list(peers), [], [], 0.05)[0]:
            try:
                data = peer.recv(65535)
            except ConnectionError:
                data = b""
            number = peers[peer]
            if not data:
                del peers[peer]
                peer.close()
            elif not data.startswith(b"SIP/2.0 "):
                seen[number].append(0)
            for code in map(int, re.findall(rb"^SIP/2\.0 (\d{3}) ", data, re.MULTILINE)):
                if code >= 200 and code not in seen[number]:
                    seen[number].append(code)
for number, (octets, transport, is_answered) in enumerate(messages):
    peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM)
    peer.bind((host, first + number))
    peer.connect((kamailio, 5060))
    peers[peer] = number
    peer.sendall(octets.encode("latin-1"))
answered = [number for number, message in enumerate(messages) if message[2]]
receive(15, lambda: all(seen[number] for number in answered))
receive(0.5, lambda: False)
print(json.dumps(seen))
for peer in peers:
    peer.close()
"""


def _alive(host: str, port: int) -> str:
    return (
        "OPTIONS sip:sip.test SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK-alive\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:1000@sip.test>;tag=alive\r\nTo: <sip:sip.test>\r\n"
        "Call-ID: alive@torture.test\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize("release", ["trixie", "sid"])
def test_every_message_of_the_torture_tests(release: str) -> None:
    with Stack.open(Options(lab="local", kamailio=release, seed=1, defines=PATIENT)) as stack:
        stack.engine.seed(GIVEN)
        host = stack.lab.host("stranger")
        octets = [each.octets(host.address, FIRST_PORT + number) for number, each in enumerate(MESSAGES)]
        messages = [
            *(
                (data.decode("latin-1"), each.transport, each.reply is not None)
                for data, each in zip(octets, MESSAGES, strict=True)
            ),
            (_alive(host.address, FIRST_PORT + len(MESSAGES)), "udp", True),
        ]
        files = {"messages.json": json.dumps(messages).encode()}
        argv = ("python", "-c", PEER, host.address, stack.lab.host(KAMAILIO).address, str(FIRST_PORT))
        peer = stack.lab.run(Program("stranger", "harness", argv, host, files))
        try:
            assert peer.wait(Deadline(30)) == 0, peer.output()
            replies = json.loads(peer.output())
        finally:
            peer.remove()
        exchanges = stack.tap.exchanges().exchanges
        records = stack.engine.transactions()
        log = list(parse_log(stack.kamailio_log))
        assert stack.lab.service(KAMAILIO).poll() is None

    seen = {f"{each.section} {each.name}": reply for each, reply in zip(MESSAGES, replies, strict=False)}
    right = {f"{each.section} {each.name}": [] if each.reply is None else [each.reply] for each in MESSAGES}
    assert len(seen) == len(MESSAGES)
    assert seen == right
    assert replies[-1] == [200], "the OPTIONS behind them"

    authorised = [Message.parse(data).call_id for data, each in zip(octets, MESSAGES, strict=True) if each.authorised]
    assert {exchange.path for exchange in exchanges} == {"/v1/authorization"}
    assert sorted(json.loads(each.body)["transaction_tag"] for each in exchanges) == sorted(authorised)
    assert records == []

    grave = [line.text for line in log if line.level in ("ALERT", "BUG", "CRITICAL") and UNPROTECTED not in line.text]
    assert grave == []
