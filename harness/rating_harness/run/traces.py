"""What a SIPp has traced, in whichever way it did."""

from __future__ import annotations

from collections.abc import Iterator

from rating_harness.evidence.model import SipMessage
from rating_harness.sipp.agent import Agent
from rating_harness.sipp.trace import parse_lines, parse_trace

__all__ = ["read_messages"]


def read_messages(agent: Agent, trace: bytes) -> Iterator[SipMessage]:
    """The messages of its trace, in order."""
    return parse_lines(trace, agent.host, agent.transport) if agent.brief else parse_trace(trace, agent.host)
