"""What a request says outside of a JSON body: in its path, its query and a form. All of that is text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote

__all__ = ["are_alike", "path_texts", "placeholders", "texts_of"]

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FORM = "application/x-www-form-urlencoded"


def placeholders(pattern: str) -> list[str]:
    """The names in a path such as ``/calls/{call_id}/start``.

    :raises ValueError: a brace that makes no whole segment a placeholder, or a name that's there twice.
    """
    names = []
    for segment in pattern.split("/"):
        if match := _PLACEHOLDER.fullmatch(segment):
            names.append(match[1])
        elif "{" in segment or "}" in segment:
            raise ValueError(f"{segment!r}: a placeholder is a whole segment, such as /calls/{{call_id}}/start")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice!r} is there twice")
    return names


def are_alike(one: str, other: str) -> bool:
    """Whether two paths differ in the names of their placeholders alone."""
    return _PLACEHOLDER.sub("{}", one) == _PLACEHOLDER.sub("{}", other)


def path_texts(pattern: str, path: str) -> dict[str, str] | None:
    """What stands in a path at the placeholders; None for one that isn't as the pattern says."""
    wanted, found = pattern.split("/"), path.split("/")
    if len(wanted) != len(found):
        return None
    texts = {}
    for segment, text in zip(wanted, found, strict=True):
        if match := _PLACEHOLDER.fullmatch(segment):
            if not text:
                return None
            texts[match[1]] = unquote(text)
        elif segment != text:
            return None
    return texts


def texts_of(query: str, headers: Iterable[tuple[str, str]], body: object) -> Mapping[str, str]:
    """The fields of a query, and of a body that is a form by its Content-Type."""
    texts = dict(parse_qsl(query, keep_blank_values=True))
    if isinstance(body, str) and any(
        name.lower() == "content-type" and value.lower().partition(";")[0].strip() == _FORM for name, value in headers
    ):
        texts |= parse_qsl(body, keep_blank_values=True)
    return texts
