"""What a carrier that SIPp plays makes of requests that come again, as from a Kamailio that had no time to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline
from rating_harness.lab.local import LocalLab
from rating_harness.lab.protocol import Program
from rating_harness.plan.planner import plan_scenario
from rating_harness.run.sipp_processes import await_bound, start_sipp
from rating_harness.sipp.agent import ERRORS
from tests.builders import scenario_of

pytestmark = pytest.mark.lab

# Sends each request and prints it with the replies that come, as many as are told: METHOD:COUNT.
PEER = """
import socket, sys
carrier, steps = sys.argv[1], sys.argv[2:]
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.connect((carrier, 5060))
peer.settimeout(3)
own, port = peer.getsockname()
for step in steps:
    method, count = step.split(":")
    lines = [
        f"{method} sip:39040123456@sip.test SIP/2.0",
        f"Record-Route: <sip:{own}:{port};lr>",
        f"Via: SIP/2.0/UDP {own}:{port};branch=z9hG4bK-{method if method == 'BYE' else 'INVITE'}",
        "From: <sip:1000@sip.test>;tag=1",
        "To: <sip:39040123456@sip.test>",
        "Call-ID: 1f2e-ana-1@sip.test",
        f"CSeq: {2 if method == 'BYE' else 1} {method}",
        f"Contact: <sip:1000@{own}:{port}>",
        "Content-Length: 0",
    ]
    peer.send("\\r\\n".join([*lines, "", ""]).encode())
    replies = [peer.recv(65535).decode().split("\\r\\n") for _ in range(int(count))]
    print(method, *(f"{reply[0].split()[1]}/{line.split()[2]}"
                    for reply in replies for line in reply if line.startswith("CSeq")))
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[LocalLab]:
    with LocalLab.open() as lab:
        yield lab


@pytest.mark.parametrize(
    ("behaviour", "seen"),
    [
        pytest.param(
            "",
            ["INVITE 180/INVITE 200/INVITE", "INVITE 200/INVITE", "INVITE 200/INVITE", "ACK", "BYE 200/BYE"],
            id="an INVITE that was answered",
        ),
        pytest.param(
            "",
            ["INVITE 180/INVITE 200/INVITE", "CANCEL 200/CANCEL 200/INVITE", "ACK", "BYE 200/BYE"],
            id="a CANCEL that crossed the answer",
        ),
        pytest.param(
            "retransmit_answer: 1",
            ["INVITE 180/INVITE 200/INVITE", "INVITE 200/INVITE", "INVITE 200/INVITE", "ACK", "BYE 200/BYE"],
            id="an INVITE that is answered twice",
        ),
        pytest.param(
            "refuse: 486",
            ["INVITE 180/INVITE 486/INVITE", "INVITE 486/INVITE", "ACK"],
            id="an INVITE that was refused",
        ),
        pytest.param(
            "provisional: [180, 183], ring: 1s",
            [
                "INVITE 180/INVITE 183/INVITE",
                "INVITE 180/INVITE 183/INVITE",
                "INVITE 180/INVITE 183/INVITE 200/INVITE",
                "ACK",
                "BYE 200/BYE",
            ],
            id="an INVITE while it rings",
        ),
        pytest.param(
            "ring: 5s",
            ["INVITE 180/INVITE", "CANCEL 200/CANCEL 487/INVITE", "CANCEL 200/CANCEL 487/INVITE", "ACK"],
            id="a CANCEL",
        ),
        pytest.param(
            "ring: 5s, answer_cancelled: true",
            [
                "INVITE 180/INVITE",
                "CANCEL 200/CANCEL 200/INVITE",
                "CANCEL 200/CANCEL 200/INVITE",
                "ACK",
                "BYE 200/BYE",
            ],
            id="a CANCEL that is answered",
        ),
    ],
)
def test_a_request_that_comes_again(lab: LocalLab, tmp_path: Path, behaviour: str, seen: list[str]) -> None:
    steps = [f"{method}:{len(replies)}" for method, *replies in map(str.split, seen)]
    text = (
        f'calls: [{{id: ana, from: "1000", to: "39040123456", repeat: 201}}]\n'
        f"carriers: {{carrier: {{{behaviour}}}}}\n"
    )
    plan = plan_scenario(scenario_of(tmp_path / "s.yaml", text), token="1f2e", seed=1, hosts=lab.host)
    (carrier,) = plan.carriers
    agent = carrier.agent
    assert agent is not None
    host = lab.host(agent.host)
    carrier_process = start_sipp(lab, agent, "carrier")
    sipp = carrier_process.process
    peer = None
    try:
        await_bound([carrier_process], Deadline(60))
        peer = lab.run(Program("peer", "harness", ("python", "-c", PEER, host.address, *steps), lab.host("peer")))
        assert peer.wait(Deadline(60)) == 0, peer.output()
        assert peer.output().splitlines() == seen
        assert b"unexpected" not in (errors := sipp.read_file(ERRORS) or b""), errors.decode()
    finally:
        sipp.remove()
        if peer is not None:
            peer.remove()
