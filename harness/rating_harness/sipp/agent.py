"""A SIPp process as the plan wants it, and its command as pysipp renders it."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rating_harness.sipp import _pysipp

__all__ = ["CONTROL_PORT", "ERRORS", "LINES", "LOG", "MESSAGES", "STATISTICS", "Agent", "Transport", "command_of"]

Transport = Literal["udp", "tcp", "tls"]

MESSAGES, LINES, STATISTICS, ERRORS, LOG, SCREEN = (
    "messages.log",
    "lines.log",
    "statistics.csv",
    "errors.log",
    "actions.log",
    "screen.log",
)
"""What SIPp writes into its working directory. The statistics file appears once its sockets are bound."""

CONTROL_PORT = 8888
"""Where it takes commands, over UDP."""

_TRANSPORT_OPTION: Mapping[Transport, str] = {"udp": "u1", "tcp": "t1", "tls": "l1"}


@dataclass(frozen=True, slots=True)
class Agent:
    """A SIPp process: a user agent client (a caller) or server (a carrier).

    :param remote: where a client sends its requests, ``(address, port)``; None for a server.
    :param control: address of SIPp's control socket, which has to be IPv4; None: ``address``.
    :param control_port: its port.
    :param calls: how many calls a client makes; 0 for a server, which takes whatever comes until it's stopped.
    :param rate: new calls per second (or per ``period`` seconds).
    :param limit: calls at once.
    :param changes: seconds from its start, and calls per second from then on; `rating_harness.sipp.pace` sets it.
    :param files: name -> content of further files that the scenario needs; with TLS ``certificate.pem``, ``key.pem``.
    :param keys: available as ``[NAME]`` in the scenario: ``-key NAME VALUE``, or ``-s VALUE`` for ``service``.
    :param options: pysipp's own field names, for what has no word here.
    :param brief: it traces a line of each message, and not the messages: there are too many.
    """

    role: Literal["caller", "carrier"]
    host: str
    address: str
    port: int
    scenario: str
    transport: Transport = "udp"
    control: str | None = None
    control_port: int = CONTROL_PORT
    remote: tuple[str, int] | None = None
    call_id: str = ""
    calls: int = 0
    rate: float = 1
    period: float = 1
    limit: int | None = None
    changes: tuple[tuple[float, float], ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    brief: bool = False

    @property
    def scenario_file(self) -> str:
        """pysipp tells clients from servers by their file's name."""
        return f"{'uac' if self.role == 'caller' else 'uas'}-{self.host}.xml"

    @property
    def trace_file(self) -> str:
        """Where it writes the messages it sends and receives."""
        return LINES if self.brief else MESSAGES

    @property
    def all_files(self) -> dict[str, bytes]:
        return {**self.files, self.scenario_file: self.scenario.encode()}


def command_of(agent: Agent) -> tuple[str, ...]:
    """Its command, as pysipp renders it."""
    rendered: list[str] = []

    class Runner:
        def __call__(self, commands: Iterable[str], **_: Any) -> dict[str, Any]:
            rendered.extend(commands)
            return {}

    class Plugin:
        @_pysipp.plugin.hookimpl  # type: ignore[untyped-decorator, unused-ignore]
        def pysipp_new_runner(self) -> Runner:
            return Runner()

    with _ONE_AT_A_TIME, _pysipp.plugin.register([Plugin()]):
        _pysipp.agent.Scenario([_user_agent(agent)], defaults={"recv_timeout": None})(block=False)
    (command,) = rendered
    return ("env", "TZ=UTC", *shlex.split(command))


_ONE_AT_A_TIME = threading.Lock()
"""pysipp has one plugin manager for all."""


def _user_agent(agent: Agent) -> Any:
    fields: dict[str, Any] = {
        "bin_path": "sipp",
        "scen_file": agent.scenario_file,
        "local_host": agent.address,
        "local_port": agent.port,
        "transport": _TRANSPORT_OPTION[agent.transport],
        "control_host": agent.control or agent.address,
        "control_port": agent.control_port,
        "no_stdin": True,
        "skip_rlimit": True,
        "trace_statistics": True,
        "statistics_file": STATISTICS,
        "statistics_interval": 1,
        "trace_error": True,
        "error_file": ERRORS,
        "log_file": LOG,
        "screen_file": SCREEN,
        "key_vals": {name: _quoted(value) for name, value in agent.keys.items() if name != "service"},
    }
    if "service" in agent.keys:
        fields["uri_username"] = _quoted(agent.keys["service"])  # a keyword that has an option of its own
    if agent.brief:
        fields |= {"trace_lines": True, "lines_file": LINES}
    else:
        fields |= {"trace_message": True, "message_file": MESSAGES}
    if agent.transport == "tls":
        fields |= {"tls_certificate": "certificate.pem", "tls_key": "key.pem"}
    if agent.remote is not None:
        fields |= {
            "remote_host": agent.remote[0],
            "remote_port": agent.remote[1],
            "call_count": agent.calls,
            "rate": f"{agent.rate:g}",
            "rate_period": f"{agent.period:g}s",
            "limit": agent.limit or max(10, agent.calls),
            "cid_str": _quoted(agent.call_id),
        }
    else:
        fields |= {"call_count": _WITHOUT_END, "limit": _WITHOUT_END}
    return _pysipp.agent.ua(**fields, **agent.options)


_WITHOUT_END = 1_000_000
"""pysipp gives every agent a number of calls, 1 by default, after which SIPp exits."""


def _quoted(value: object) -> str:
    """pysipp puts values between apostrophes, and its runner splits the command as a shell does."""
    return str(value).replace("'", "'\\''")
