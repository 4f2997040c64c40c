"""What a SIPp scenario does, as far as the native language has words for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from rating_harness.canyan.placeholders import names_in

__all__ = ["Flow", "flow_of"]

_FROM = re.compile(r"^\s*(?:From|f)\s*:.*?sips?:([^@>\s]+)@", re.MULTILINE | re.IGNORECASE)
_TO = re.compile(r"^\s*(?:To|t)\s*:.*?sips?:([^@>\s]+)@([^>;:\s]+)", re.MULTILINE | re.IGNORECASE)
_SENT = re.compile(r"^\s*(?:SIP/2\.0 (\d+)|([A-Z]+) )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Flow:
    """A plain call: an INVITE, its final reply and, when that is a 200, a BYE from the caller.

    Texts are as the SIPp scenario has them, placeholders and all.

    :param hold: milliseconds between answer and BYE.
    """

    from_user: str
    to_user: str
    domain: str
    reply: int
    hold: str = "0"

    @property
    def held_by(self) -> str:
        """The name of the value that is its hold; empty when that's a number."""
        return next(iter(names_in(self.hold)), "")


@dataclass(frozen=True, slots=True)
class _Step:
    """``send`` with the method, ``recv`` with the status, ``pause`` with the milliseconds."""

    kind: str
    what: str
    text: str = ""


def flow_of(template: str) -> Flow | None:
    """The plain call that a SIPp scenario makes; None when it does anything else."""
    try:
        steps = list(_steps(ElementTree.fromstring(template)))
    except (ElementTree.ParseError, ValueError):
        return None
    kinds = [(step.kind, step.what) for step in steps]
    if len(steps) < 3 or kinds[0] != ("send", "INVITE") or kinds[1][0] != "recv" or kinds[2] != ("send", "ACK"):
        return None
    caller, callee = _FROM.search(steps[0].text), _TO.search(steps[0].text)
    if caller is None or callee is None or "[" in caller[1] + callee[1] + callee[2]:
        return None
    reply, rest = int(kinds[1][1]), kinds[3:]
    hold = rest.pop(0)[1] if rest and rest[0][0] == "pause" else "0"
    ending = [("send", "BYE"), ("recv", "200")] if reply < 300 else []
    if rest != ending:
        return None
    return Flow(caller[1], callee[1], callee[2], reply, hold)


def _steps(root: ElementTree.Element) -> Iterator[_Step]:
    """The steps of a scenario without its optional ones.

    :raises ValueError: it has a step that makes it more than a plain call.
    """
    for element in root:
        if element.tag in ("ResponseTimeRepartition", "CallLengthRepartition"):
            continue
        text = element.text or ""
        is_plain = not len(element) and not {"next", "test", "auth", "timeout", "lost"} & set(element.attrib)
        if element.tag == "send" and is_plain and (sent := _SENT.search(text)) and sent[2]:
            yield _Step("send", sent[2], text)
        elif element.tag == "recv" and is_plain and "response" in element.attrib:
            if element.get("optional") is None:
                yield _Step("recv", element.attrib["response"])
        elif element.tag == "pause" and is_plain and "milliseconds" in element.attrib:
            yield _Step("pause", element.attrib["milliseconds"])
        else:
            raise ValueError(element.tag)
