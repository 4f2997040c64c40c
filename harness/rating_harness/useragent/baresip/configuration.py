"""baresip's files, made from a script: ``config`` and ``accounts``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rating_harness.useragent.message import uri_of
from rating_harness.useragent.script import CalleeScript, CallerScript, Socket

__all__ = ["CONTROL_PORT", "MODULES", "accounts_of", "configuration_of", "user_of"]

CONTROL_PORT = 4444
"""Where ctrl_tcp listens."""

MODULES = ("g711.so", "account.so", "menu.so", "ctrl_tcp.so")
"""What is loaded. Without a source and a player of audio no media is sent, and no thread but one prints anything."""


def configuration_of(socket: Socket, modules: Path) -> str:
    """The file ``config``.

    :param socket: where it listens, on UDP and on TCP.
    :param modules: the directory of baresip's modules.
    """
    first, *applications = MODULES
    settings = {
        "sip_listen": str(socket.local),
        "net_interface": socket.local.address,
        # How many calls there are, and how long each rings, is the scenario's.
        "call_local_timeout": "0",
        "call_max_calls": "0",
        "call_hold_other_calls": "no",
        "rtp_ports": "10000-30000",
        "rtp_timeout": "0",
        "ringback_disabled": "yes",
        "statmode_default": "off",
        "module_path": str(modules),
        "ctrl_tcp_listen": f"{socket.local.address}:{CONTROL_PORT}",
    }
    lines = [f"{name}\t{value}" for name, value in settings.items()]
    return "\n".join([*lines, f"module\t{first}", *(f"module_app\t{each}" for each in applications)]) + "\n"


def accounts_of(script: CallerScript | CalleeScript) -> str:
    """The file ``accounts``: a caller's own, or one for each number that a callee answers for."""
    lines = _caller(script) if isinstance(script, CallerScript) else _callee(script)
    return "".join(f"{line}\n" for line in lines)


def _caller(script: CallerScript) -> Iterator[str]:
    socket = script.socket
    words = [
        f"<{uri_of(script.from_value)}>",
        "regint=0",
        f'outbound="sip:{socket.kamailio};transport={socket.transport}"',
    ]
    if script.invite.username:
        words += [f"auth_user={script.invite.username}", f"auth_pass={script.invite.password}"]
    yield ";".join(words)


def _callee(script: CalleeScript) -> Iterator[str]:
    for number in dict.fromkeys(_numbers(script)):
        # It takes a Request-URI of another domain than its own address for an account with a registrar alone; one
        # of that priority registers only when another registration fails.
        yield f"<sip:{number}@{script.socket.local.address}>;regint=3600;prio=1;answermode=manual"


def _numbers(script: CalleeScript) -> Iterable[str]:
    return (to for call in script.calls for _, to in call.users)


_USER = re.compile(r"^<?sips?:([^@;>]*)@", re.IGNORECASE)


def user_of(value: str) -> str:
    """The user part of the URI in From or To; empty where there is none."""
    match = _USER.match(uri_of(value))
    return match[1] if match else ""
