"""What evidence must not hold: passwords of digests, and credentials of the agent.

A digest's ``response`` is redacted as well: with the nonce beside it, a short password is found by trying.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "REDACTED",
    "redacted_header",
    "redacted_headers",
    "redacted_line",
    "redacted_message",
    "redacted_text",
    "redacted_url",
    "redacted_value",
]

REDACTED = "redacted"

_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key"})
"""Headers of HTTP whose whole value is secret."""

_DIGEST = re.compile(r'(\b(?:response|rspauth|password)\s*=\s*)(?:"[^"]*"|[^\s,;]+)', re.IGNORECASE)
_DIGEST_LINE = re.compile(
    r"^(?:proxy-authorization|authorization|authentication-info)[ \t]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
_YAML_PASSWORD = re.compile(r"""(\bpassword["']?\s*:\s*)("(?:\\.|[^"\\])*"|'(?:''|[^'])*'|[^\s,}\]]+)""")
_RARE = 6
"""Characters from which on a password is no other word by chance."""

_SECRET = re.compile(r"authorization|password|passwd|secret|token", re.IGNORECASE)
"""In a name: what has it may be secret."""

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_AFTER_PASSWORD = r"(\bpassword[\"']?\s*[:=]\s*[\"']?)"


def redacted_header(name: str, value: str) -> str:
    """The value of a SIP header without what proves that its sender knows a password (RFC 7616)."""
    if name.lower() not in ("authorization", "proxy-authorization", "authentication-info"):
        return value
    return _DIGEST.sub(rf'\1"{REDACTED}"', value)


def redacted_message(text: str) -> str:
    """A SIP message as it was on the wire, without what proves that its sender knows a password."""
    return _DIGEST_LINE.sub(lambda line: _DIGEST.sub(rf'\1"{REDACTED}"', line[0]), text)


def redacted_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Headers of HTTP without credentials."""
    return tuple((name, REDACTED if name.lower() in _CREDENTIALS else value) for name, value in headers)


def redacted_line(line: str) -> str:
    """A line of a scenario without what stands behind ``password:``."""
    return _YAML_PASSWORD.sub(rf"\g<1>{REDACTED}", line)


def redacted_url(url: str) -> str:
    """A URL without its user and password."""
    return _USER_INFO.sub("", url)


def redacted_value(value: Any) -> Any:
    """A value of JSON without users of URLs, and without what is named as a secret, by its key or by its ``name``."""
    if isinstance(value, Mapping):
        is_secret = isinstance(value.get("name"), str) and _SECRET.search(value["name"]) is not None
        return {
            key: REDACTED if _SECRET.search(key) or (is_secret and key == "value") else redacted_value(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [redacted_value(each) for each in value]
    return redacted_url(value) if isinstance(value, str) else value


def redacted_text(text: str, passwords: Mapping[str, str] | Iterable[str]) -> str:
    """A file of the scenario, or one made of it, without its passwords.

    A password is taken out where it stands behind the word ``password``, and, with its user, behind the user's name;
    one that is no number, and long enough to be no other word by chance, wherever it stands alone.

    :param passwords: by user where the user is known.
    """
    if isinstance(passwords, Mapping):
        for user, password in passwords.items():
            by_user = rf"([\"']?\b{re.escape(user)}[\"']?\s*:\s*[\"']?)" + _end(password)
            text = re.sub(by_user, rf"\g<1>{REDACTED}", text)
        passwords = passwords.values()
    for password in passwords:
        text = re.sub(_AFTER_PASSWORD + _end(password), rf"\g<1>{REDACTED}", text, flags=re.IGNORECASE)
        if len(password) >= _RARE and not password.isdecimal():
            text = re.sub(rf"(?<![\w-]){re.escape(password)}(?![\w-])", REDACTED, text)
    return text


def _end(password: str) -> str:
    return re.escape(password) + r"(?=[\"'\s,}\]]|$)"
