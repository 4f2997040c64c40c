"""SIPp's command, as pysipp renders it."""

from __future__ import annotations

from dataclasses import replace

import pluggy
import pytest

from rating_harness.sipp import _pysipp
from rating_harness.sipp.agent import Agent, command_of

CALLER = Agent(
    role="caller",
    host="caller-ana",
    address="198.18.0.40",
    port=5060,
    scenario="<scenario/>",
    remote=("198.18.0.10", 5060),
    call_id="1f2e-ana-%u@sip.test",
    calls=3,
    rate=50,
)
CARRIER = Agent(role="carrier", host="carrier", address="198.18.0.30", port=5070, scenario="<scenario/>")


def option(command: tuple[str, ...], name: str) -> str:
    return command[command.index(name) + 1]


def test_a_caller() -> None:
    command = command_of(CALLER)
    assert command[:3] == ("env", "TZ=UTC", "sipp")
    assert option(command, "-sf") == "uac-caller-ana.xml"
    assert (option(command, "-i"), option(command, "-p")) == ("198.18.0.40", "5060")
    assert (option(command, "-m"), option(command, "-r"), option(command, "-t")) == ("3", "50", "u1")
    assert option(command, "-cid_str") == "1f2e-ana-%u@sip.test"
    assert "198.18.0.10:5060" in command
    assert "-nostdin" in command
    assert option(command, "-message_file") == "messages.log"


def test_a_carrier_takes_whatever_comes() -> None:
    command = command_of(CARRIER)
    assert option(command, "-sf") == "uas-carrier.xml"
    assert int(option(command, "-m")) > 100_000
    assert not any(word.endswith(":5060") for word in command)


def test_ipv6_and_tls() -> None:
    agent = replace(
        CALLER, address="fd17::40", remote=("fd17::10", 5061), transport="tls", control="198.18.0.40", brief=True
    )
    command = command_of(agent)
    assert "[fd17::10]:5061" in command
    assert option(command, "-ci") == "198.18.0.40"
    assert (option(command, "-t"), option(command, "-tls_cert")) == ("l1", "certificate.pem")
    assert "-trace_msg" not in command


@pytest.mark.parametrize("value", ["a b", "it's", '"quoted"', "$HOME", "a;b", "müller"])
def test_values_reach_sipp_as_they_are(value: str) -> None:
    assert option(command_of(replace(CALLER, keys={"name": value})), "-key") == "name"
    assert value in command_of(replace(CALLER, keys={"name": value}))


def test_importing_pysipp_leaves_nothing_behind() -> None:
    import sys

    assert pluggy.PluginManager.__name__ == "PluginManager"
    assert "implprefix" not in pluggy.PluginManager.__init__.__code__.co_varnames
    assert "distutils.spawn" not in sys.modules or hasattr(sys.modules["distutils.spawn"], "__file__")
    assert _pysipp.agent.UserAgent is not None
