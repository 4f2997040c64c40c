"""A native scenario as text: what was converted, with comments where they belong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rating_harness.scenario.yaml_writer import flow

__all__ = ["Draft", "Item", "text_of"]

_ANSWERS, _NOBODY = "carrier", "dead-carrier"
"""The hosts of canyan-tester's lab."""


@dataclass(frozen=True, slots=True)
class Item:
    """A mapping in a list, and what is to be said above it."""

    value: Mapping[str, Any]
    comments: Sequence[str] = ()


@dataclass(slots=True)
class Draft:
    """What has been converted so far.

    :param given: section -> records.
    :param failures: calls that may fail.
    :param files: SIPp scenarios beside the file.
    """

    source: Path
    given: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[Item] = field(default_factory=list)
    transactions: list[Item] = field(default_factory=list)
    accounts: list[Item] = field(default_factory=list)
    failures: int = 0
    notes: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def leave_out(self, what: str) -> None:
        """Something that the native language has no word for."""
        self.notes.append(f"Left out: {' '.join(what.split())}")


def text_of(draft: Draft) -> str:
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    title = draft.source.stem.removeprefix("test_").replace("_", " ").replace("-", " ")
    yield f"# From {draft.source.name}."
    yield from (f"# {note}" for note in draft.notes)
    yield f"scenario: {flow(title[:1].upper() + title[1:])}"
    if draft.given:
        yield from ("", "given:")
    for section, records in draft.given.items():
        yield f"  {section}:"
        for record in records:
            yield from _record(record)
    yield from _carriers(draft)
    yield from ("", "calls:")
    yield from _items(draft.calls, "  ")
    if draft.transactions or draft.accounts or draft.failures:
        yield from ("", "expect:")
    for name, items in (("transactions", draft.transactions), ("accounts", draft.accounts)):
        if items:
            yield f"  {name}:"
            yield from _items(items, "    ")
    if draft.failures:
        yield f"  failures: at most {draft.failures}"


def _record(record: Any) -> Iterator[str]:
    if not isinstance(record, dict) or "rates" not in record:
        yield f"    - {flow(record)}"
        return
    yield from _mapping({key: value for key, value in record.items() if key != "rates"}, "    ")
    yield "      rates:"
    yield from (f"        - {flow(rate)}" for rate in record["rates"])


def _carriers(draft: Draft) -> Iterator[str]:
    hosts = dict.fromkeys(carrier["host"] for carrier in draft.given.get("carriers", ()) if "host" in carrier)
    absent = [host for host in hosts if host != _ANSWERS]
    if absent:
        yield from ("", "carriers:")
    for host in absent:
        if host != _NOBODY:
            yield f"  # a guess: canyan-tester's lab has no host {host}"
        yield f"  {flow(host)}: {{absent: true}}"


def _items(items: Sequence[Item], indent: str) -> Iterator[str]:
    for item in items:
        yield from (f"{indent}# {comment}" for comment in item.comments)
        yield from _mapping(item.value, indent)


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for number, (key, inner) in enumerate(value.items()):
        yield f"{indent}{'  ' if number else '- '}{flow(str(key))}: {flow(inner)}"
