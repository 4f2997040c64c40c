"""A user agent as the plan wants it: a program of this package's in the lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rating_harness.useragent.script import Script, Transport, to_json

__all__ = ["OCTETS", "UNSENT", "USER_AGENT", "OtherStack", "UserAgent", "write_statistics"]

USER_AGENT = "rating_harness.useragent"
"""The module that a user agent runs."""

UNSENT = "unsent.json"
"""Which requests it never sent, with the reasons."""

OCTETS = "octets.log"
"""What it sent and received that isn't SIP, in the form of its trace."""

FAILED = 255
"""Its exit status when it could not do its work."""

_MESSAGES = "messages.log"


@dataclass(frozen=True, slots=True)
class OtherStack:
    """A SIP stack that isn't this project's, to be a user agent.

    :param root: the root filesystem that it's in.
    """

    name: Literal["baresip", "asterisk"]
    root: Path

    @property
    def module(self) -> str:
        """What has it follow a script."""
        return f"{USER_AGENT}.{self.name}"


@dataclass(frozen=True, slots=True)
class UserAgent:
    """What `rating_harness.sipp.agent.Agent` is for SIPp, in the same words.

    :param host: whose its messages are.
    :param place: the lab's host that it runs on; None: ``host``.
    :param stack: who is the user agent in place of the harness's own.
    """

    role: Literal["caller", "carrier", "stranger"]
    host: str
    address: str
    port: int
    script: Script
    transport: Transport = "udp"
    remote: tuple[str, int] | None = None
    place: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    rate: float = 1
    period: float = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    stack: OtherStack | None = None

    @property
    def trace_file(self) -> str:
        return _MESSAGES

    @property
    def brief(self) -> bool:
        return False

    @property
    def scenario_file(self) -> str:
        return f"{self.host}.json"

    @property
    def scenario(self) -> str:
        return to_json(self.script)

    @property
    def all_files(self) -> dict[str, bytes]:
        return {**self.files, self.scenario_file: self.scenario.encode()}

    @property
    def command(self) -> tuple[str, ...]:
        if self.stack is not None:
            return ("python", "-m", self.stack.module, self.scenario_file, str(self.stack.root))
        return ("python", "-m", USER_AGENT, self.scenario_file)


def write_statistics(directory: Path, calls: int) -> None:
    """SIPp's statistics, as far as they're read."""
    text = f"StartTime;TotalCallCreated;SuccessfulCall(C);FailedCall(C);\n0;{calls};{calls};0;\n"
    (directory / "statistics.csv").write_text(text, encoding="utf-8")
