"""The rules of ``#!subst``: what they make of strings and variables (``core/ppcfg.c``, 6.0)."""

from __future__ import annotations

import re

from rating_harness.errors import ConfigurationError, Location

__all__ = ["Substitutions"]


class Substitutions:
    """The rules so far, in their order."""

    def __init__(self) -> None:
        self._rules: list[tuple[re.Pattern[str], str, bool]] = []

    def apply(self, text: str) -> str:
        """A string or a variable after the rules."""
        for pattern, replacement, everywhere in self._rules:
            text = pattern.sub(lambda match, by=replacement: _expand(by, match), text, count=0 if everywhere else 1)
        return text

    def add(self, rule: str, where: Location) -> tuple[str, str]:
        """Take a rule as it's written, ``/regex/replacement/flags`` with any separator.

        :returns: its first two parts.
        :raises ConfigurationError: it isn't one.
        """
        separator = rule[:1]
        parts = re.split(rf"(?<!\\){re.escape(separator)}", rule[1:]) if separator else []
        if len(parts) != 3:
            raise ConfigurationError(
                "no substitution",
                where=where,
                expected='"/regular expression/replacement/flags", any separator',
                found=rule or "nothing",
            )
        expression, replacement, flags = parts
        try:
            pattern = re.compile(_posix(expression), re.IGNORECASE if "i" in flags else 0)
        except re.error as error:
            raise ConfigurationError("no regular expression", where=where, found=f"{expression}: {error}") from None
        self._rules.append((pattern, replacement, "g" in flags))
        return expression, replacement


def _posix(expression: str) -> str:
    """A POSIX extended regular expression as Python writes it."""
    names = {"digit": "0-9", "alpha": "A-Za-z", "alnum": "A-Za-z0-9", "space": r"\s", "upper": "A-Z", "lower": "a-z"}
    return re.sub(r"\[:(\w+):\]", lambda match: names.get(match[1], match[0]), expression)


def _expand(replacement: str, match: re.Match[str]) -> str:
    def group(number: re.Match[str]) -> str:
        index = int(number[1])
        return (match[index] or "") if index <= (match.re.groups or 0) else ""

    return re.sub(r"\\(\d)", group, replacement)
