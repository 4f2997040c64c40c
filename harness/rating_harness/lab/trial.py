"""A lab's proof: Kamailio is started in it, SIPp asks it something, and gets the answer."""

from __future__ import annotations

from rating_harness.deadline import Deadline
from rating_harness.errors import HarnessError, LabError
from rating_harness.lab.protocol import Lab, Program, Service
from rating_harness.lab.ready import check_alive, last_lines

__all__ = ["failure_of", "try_lab"]

_SECONDS = 20.0
"""Within which Kamailio starts and answers, on a machine that's busy."""

_CONFIGURATION = b"""#!KAMAILIO
children=1
log_stderror=yes
use_dns_cache=off
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "http_async_client.so"
loadmodule "jansson.so"
request_route { sl_send_reply("200", "OK"); }
"""

_OPTIONS = b"""<?xml version="1.0"?>
<scenario name="options">
<send retrans="100"><![CDATA[

OPTIONS sip:kamailio@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:trial@[local_ip]>;tag=[call_number]
To: <sip:kamailio@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
"""


def try_lab(lab: Lab) -> None:
    """Start Kamailio in the lab and have SIPp send it an OPTIONS request, by its name where the lab has names.

    :raises HarnessError: either of them could not be started, or there was no answer; it has their last lines.
    """
    kamailio, caller = lab.host("trial-kamailio"), lab.host("trial-caller")
    service = Service(
        kamailio.name,
        "kamailio",
        ("kamailio", "-f", "/etc/kamailio/kamailio.cfg", "-DD", "-E", "-Y", "{run}", "-l", "udp:{address}:5060"),
        files={"/etc/kamailio/kamailio.cfg": _CONFIGURATION},
    )
    started = lab.start_service(service, Deadline(_SECONDS))
    target = kamailio.name if lab.capabilities.names else kamailio.address
    command = ("sipp", f"{target}:5060", "-sf", "options.xml", "-i", caller.address, "-m", "1", "-nostdin")
    program = Program("trial", "sipp", (*command, "-timeout", f"{_SECONDS:g}s"), caller, {"options.xml": _OPTIONS})
    process = lab.run(program)
    try:
        status = process.wait(Deadline(_SECONDS + 5))
        check_alive(started)
        if status:
            raise LabError(
                "Kamailio was started, and SIPp got no answer from it",
                expected="200 to OPTIONS, and SIPp's exit status 0",
                found=f"SIPp's exit status {status}",
                detail=last_lines("\n".join((process.output(), started.output()))),
            )
    finally:
        process.remove()


def failure_of(lab: Lab) -> str | None:
    """Why `try_lab` failed, in a line; None when it didn't."""
    try:
        try_lab(lab)
    except HarnessError as error:
        lines = (error.detail or "").splitlines()
        causes = [line.strip() for line in lines if "ERROR" in line or "CRITICAL" in line] or lines[-1:]
        return "; ".join(filter(None, (error.message, error.found, *causes[:1])))
    return None
