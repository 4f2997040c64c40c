"""The harness's own user agent, made wrong: ``python spoilt_carrier.py HOW SCRIPT``.

It's a carrier of a sabotage, which the test puts beside the script in the lab; so it imports nothing of the tests.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from datetime import datetime, timedelta, tzinfo
from typing import Self

from rating_harness.useragent import endpoint
from rating_harness.useragent.__main__ import main
from rating_harness.useragent.script import Transport

__all__ = ["AHEAD"]

AHEAD = 2.0
"""Seconds that the clock of a spoilt end is ahead."""

_HONEST = endpoint.Connection.send, endpoint.Trace.note

_TO = re.compile(rb"(\r\nTo: [^\r\n]*?<sip:)([^@>\r\n]*)([^\r\n;]*)")


def _with_other_to(replacement: bytes) -> None:
    honest = endpoint.Connection.send

    def send(self: endpoint.Connection, data: bytes) -> None:
        honest(self, _TO.sub(replacement, data) if data.startswith(b"SIP/2.0") else data)

    endpoint.Connection.send = send  # type: ignore[method-assign]


class _Ahead(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(seconds=AHEAD)


def _without_end_of_trace() -> None:
    """What it writes down ends within its second message."""
    honest = endpoint.Trace.note
    noted: list[bytes] = []

    def note(self: endpoint.Trace, data: bytes, transport: Transport, *, sent: bool) -> None:
        noted.append(data)
        if len(noted) < 3:
            honest(self, data, transport, sent=sent)
        if len(noted) == 2:
            file = self._messages
            os.truncate(file.fileno(), os.fstat(file.fileno()).st_size - len(data) // 2)

    endpoint.Trace.note = note  # type: ignore[method-assign]


def _dies() -> None:
    """With a signal, once it has got the INVITE."""
    honest = endpoint.Trace.note

    def note(self: endpoint.Trace, data: bytes, transport: Transport, *, sent: bool) -> None:
        honest(self, data, transport, sent=sent)
        if data.startswith(b"INVITE "):
            os.kill(os.getpid(), signal.SIGKILL)

    endpoint.Trace.note = note  # type: ignore[method-assign]


def _with_other_replies(pattern: bytes, replacement: bytes) -> None:
    """Its replies to INVITEs."""

    def send(self: endpoint.Connection, data: bytes) -> None:
        is_one = data.startswith(b"SIP/2.0") and b" INVITE\r\n" in data
        _HONEST[0](self, re.sub(pattern, replacement, data) if is_one else data)

    endpoint.Connection.send = send  # type: ignore[method-assign]


def _without_answer_in_trace() -> None:
    def note(self: endpoint.Trace, data: bytes, transport: Transport, *, sent: bool) -> None:
        if not data.startswith(b"SIP/2.0 200"):
            _HONEST[1](self, data, transport, sent=sent)

    endpoint.Trace.note = note  # type: ignore[method-assign]


def _leaves() -> None:
    """It ends with status 0, once it has got the INVITE."""

    def note(self: endpoint.Trace, data: bytes, transport: Transport, *, sent: bool) -> None:
        _HONEST[1](self, data, transport, sent=sent)
        if data.startswith(b"INVITE "):
            os._exit(0)

    endpoint.Trace.note = note  # type: ignore[method-assign]


if __name__ == "__main__":
    match sys.argv.pop(1):
        case "parameter in To":
            _with_other_to(rb"\1\2\3;x=1")
        case "another user in To":
            _with_other_to(rb"\1nobody\3")
        case "trace cut":
            _without_end_of_trace()
        case "dies":
            _dies()
        case "leaves":
            _leaves()
        case "no Contact":
            _with_other_replies(rb"\r\nContact: [^\r\n]*", b"")
        case "no SIP":
            _with_other_replies(rb"^SIP/2.0", b"SPI/2.0")
        case "no answer in its trace":
            _without_answer_in_trace()
        case "clock ahead":
            vars(endpoint)["datetime"] = _Ahead
        case how:
            raise SystemExit(f"nobody knows how to be spoilt by: {how}")
    sys.exit(main(*sys.argv[1:]))
