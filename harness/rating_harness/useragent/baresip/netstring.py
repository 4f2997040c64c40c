"""Netstrings of JSON, as baresip's module ctrl_tcp speaks them: ``17:{"command":"dial"},``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Decoder", "NetstringError", "encode"]

_LONGEST = 1_000_000
"""Octets of a netstring that is believed."""


class NetstringError(ValueError):
    """What came is no netstring, or no JSON object is in it."""


def encode(value: Mapping[str, Any]) -> bytes:
    """One object."""
    text = json.dumps(value).encode()
    return b"%d:%b," % (len(text), text)


class Decoder:
    """Takes octets as they come off a stream, however they are cut, and yields what is complete."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The objects that are complete with ``data``, in order.

        :raises NetstringError: the stream can't be read, now or later.
        """
        self._buffer += data
        while (colon := self._buffer.find(b":")) >= 0:
            digits = self._buffer[:colon]
            if not digits.isdigit() or int(digits) > _LONGEST:
                raise NetstringError(f"{digits[:40]!r} is no length of a netstring")
            end = colon + 1 + int(digits)
            if len(self._buffer) <= end:
                return
            if self._buffer[end : end + 1] != b",":
                raise NetstringError(f"no comma ends the netstring that begins {self._buffer[:40]!r}")
            text, self._buffer = self._buffer[colon + 1 : end], self._buffer[end + 1 :]
            yield _object(text)
        if len(self._buffer) > len(str(_LONGEST)):
            raise NetstringError(f"{self._buffer[:40]!r} begins no netstring")


def _object(text: bytes) -> dict[str, Any]:
    # Names that peers chose are in it, in whatever octets.
    try:
        value = json.loads(text.decode("utf-8", "replace"), strict=False)
    except ValueError as error:
        raise NetstringError(f"{text[:80]!r} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise NetstringError(f"{text[:80]!r} is no JSON object")
    return value
