"""Values of SIP headers, read as RFC 3261 section 25.1 has them.

Nothing else in the project reads headers this way: what our own ends make with SIPp's templates is judged by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

__all__ = [
    "Address",
    "MalformedHeader",
    "Via",
    "branch_of",
    "branches_of",
    "is_same_number",
    "parse_address",
    "parse_addresses",
    "parse_cseq",
    "parse_via",
    "split_values",
    "tag_of",
    "uri_key",
    "user_of",
]

_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = re.compile(
    rf"\s*;\s*(?P<name>{_TOKEN})\s*(?:=\s*(?P<value>{_QUOTED}|\[[0-9A-Fa-f:.]+\]|[^\s;,=\"<>]*))?\s*"
)
_NAME_ADDRESS = re.compile(rf"\s*(?P<display>{_QUOTED}|(?:{_TOKEN}\s*)*)\s*<\s*(?P<uri>[^<>\s]*)\s*>")
_ADDRESS_SPEC = re.compile(r"\s*(?P<uri>[^<>\s;,?]+)")
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?P<rest>[!-~]+)")
_VIA = re.compile(
    rf"\s*SIP\s*/\s*2\.0\s*/\s*(?P<transport>{_TOKEN})\s+"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*))(?:\s*:\s*(?P<port>\d{1,5}))?"
)
_CSEQ = re.compile(rf"(?P<number>\d{{1,10}})[ \t]+(?P<method>{_TOKEN})")

LARGEST_CSEQ = 2**31 - 1
"""A CSeq's number is below 2**31 (RFC 3261 section 8.1.1.5)."""


class MalformedHeader(ValueError):
    """A header's value that the grammar doesn't have. Its text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Address:
    """Of From, To, Contact, Route and Record-Route.

    :param parameters: those of the header, by lower-case name; None for one without a value.
    """

    uri: str
    display: str = ""
    parameters: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Via:
    transport: str
    host: str
    port: int | None
    parameters: Mapping[str, str | None] = field(default_factory=dict)


def split_values(value: str) -> list[str]:
    """The values of a header that may hold several, which commas separate outside of quotes and angle brackets."""
    values, start, quoted, bracket, escaped = [], 0, False, False, False
    for position, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif not quoted and character in "<>":
            bracket = character == "<"
        elif character == "," and not quoted and not bracket:
            values.append(value[start:position].strip())
            start = position + 1
    values.append(value[start:].strip())
    return values


def parse_address(value: str) -> Address:
    """:raises MalformedHeader: neither a name-addr nor an addr-spec, or one with something behind it."""
    match = _NAME_ADDRESS.match(value) or _ADDRESS_SPEC.match(value)
    if match is None:
        raise MalformedHeader(f"no address in {value!r}")
    uri = match["uri"]
    if not _URI.fullmatch(uri):
        raise MalformedHeader(f"{uri!r} is no URI")
    display = match.groupdict().get("display") or ""
    return Address(uri, display.strip(), _parameters(value, match.end()))


def parse_addresses(value: str) -> list[Address]:
    """:raises MalformedHeader: one of them isn't an address."""
    return [parse_address(each) for each in split_values(value)]


def parse_via(value: str) -> Via:
    """:raises MalformedHeader: not one."""
    match = _VIA.match(value)
    if match is None:
        raise MalformedHeader(f"{value!r} is no Via")
    port = int(match["port"]) if match["port"] else None
    return Via(match["transport"].upper(), match["host"], port, _parameters(value, match.end()))


def parse_cseq(value: str) -> tuple[int, str]:
    """The number and the method.

    :raises MalformedHeader: not one, or a number of 2**31 or more.
    """
    match = _CSEQ.fullmatch(value.strip())
    if match is None:
        raise MalformedHeader(f"{value!r} is no CSeq")
    if int(match["number"]) > LARGEST_CSEQ:
        raise MalformedHeader(f"the number of CSeq {value!r} isn't below 2**31")
    return int(match["number"]), match["method"]


def _parameters(value: str, position: int) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    while match := _PARAMETER.match(value, position):
        name = match["name"].lower()
        if name in found:
            raise MalformedHeader(f"the parameter {name!r} twice in {value!r}")
        found[name] = match["value"]
        position = match.end()
    if value[position:].strip():
        raise MalformedHeader(f"{value[position:].strip()!r} behind the value of {value!r}")
    return found


_TAG_BEHIND = re.compile(rf">[^<>]*;\s*tag\s*=\s*({_TOKEN})\s*(?:;[^<>]*)?$", re.IGNORECASE)


@lru_cache(maxsize=4096)
def tag_of(value: str) -> str | None:
    """The tag of From or To; None where there is none, or where it can't be read.

    It's read behind a display name too that RFC 3261 doesn't have so, as peers do.
    """
    if "tag" not in value.lower():
        return None
    try:
        return parse_address(value).parameters.get("tag")
    except MalformedHeader:
        match = _TAG_BEHIND.search(value)
        return match[1] if match else None


def branches_of(vias: Iterable[str]) -> tuple[str, ...]:
    """The branches of Via headers, the topmost first. A Via without one (RFC 2543's) is known by its whole text."""
    return tuple(branch_of(via) or via for value in vias for via in split_values(value))


@lru_cache(maxsize=4096)
def branch_of(via: str | None) -> str | None:
    """The branch of the first Via of a header; None where there is none, or where it can't be read."""
    try:
        return parse_via(split_values(via)[0]).parameters.get("branch") if via else None
    except MalformedHeader:
        return None


def uri_key(uri: str) -> str:
    """A URI in a form in which equal ones are equal: scheme, host and parameters' names in lower case (RFC 3261
    section 19.1.4), parameters in order. What two URIs that are equal may still differ in is rare."""
    before, *parameters = uri.split(";")
    head, at, host = before.rpartition("@")
    scheme, colon, user = head.partition(":") if at else ("", "", "")
    if not at:
        scheme, colon, host = host.partition(":")
    return ";".join(
        [f"{scheme.lower()}{colon}{user}{at}{host.lower()}", *sorted(each.lower() for each in parameters)]
    )


def user_of(uri: str) -> str:
    """The user part of a SIP URI without its parameters, the number of a ``tel:`` one, or a text that is no URI."""
    scheme, colon, rest = uri.partition(":")
    if not colon:
        return uri.partition("@")[0].partition(";")[0]
    user, at, host = rest.rpartition("@")
    return (user if at else host if scheme.lower() == "tel" else "").partition(";")[0]


_SEPARATORS = re.compile(r"[-.() ]")
"""Visual ones (RFC 3966 section 5.1.1)."""

_SHORTEST_NUMBER = 3
"""Digits that are no prefix alone."""


def is_same_number(uri: str, other: str) -> bool:
    """Whether two URIs mean one telephone number, or one name: with a prefix before it, in the national or in the
    international form, or the other way round.

    It's lenient: of two numbers each way to write them ends with the shorter one.
    """
    one, two = (_SEPARATORS.sub("", unquote(user_of(each)).lower()) for each in (uri, other))
    if one == two:
        return one != "" or uri_key(uri) == uri_key(other)
    shorter, longer = sorted((one.lstrip("+0"), two.lstrip("+0")), key=len)
    return len(shorter) >= _SHORTEST_NUMBER and longer.endswith(shorter)
