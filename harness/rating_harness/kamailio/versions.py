"""Versions of programs, against what a scenario requires."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

__all__ = ["loses_sockets", "satisfies"]

_RELATIONS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "at least": operator.ge,
    "below": operator.lt,
    "": operator.eq,
}


def satisfies(version: str, required: str) -> bool:
    """Whether a version (the first dotted number of a text) is as required: ``at least 6.1``, ``below 7``, ``6.0``.

    What the requirement doesn't say isn't compared: 6.0.1 is ``6.0``.
    """
    match = re.fullmatch(r"(at least|below|) ?(\d+(?:\.\d+)*)", required)
    found = re.search(r"\d+(?:\.\d+)+", version)
    if match is None or found is None:
        return False
    wanted = tuple(int(part) for part in match[2].split("."))
    seen = tuple(int(part) for part in found[0].split("."))[: len(wanted)]
    return _RELATIONS[match[1]](seen, wanted)


def loses_sockets(kamailio: str) -> bool:
    """Whether http_async_client still listens to the sockets of requests that failed, and takes what happens there
    for news of later ones (Kamailio's issue 4701, cured in 6.0.7 and in 6.1.2)."""
    return satisfies(kamailio, "below 6.0.7") or (
        satisfies(kamailio, "at least 6.1") and satisfies(kamailio, "below 6.1.2")
    )
