"""``use``: what several scenarios need, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from rating_harness.scenario.behaviour import CarrierBehaviour, Phone
from rating_harness.scenario.diagnostics import Mistakes, did_you_mean
from rating_harness.scenario.fields import HostName, Model, Text, key
from rating_harness.scenario.given import Given
from rating_harness.scenario.model import Kamailio
from rating_harness.scenario.nodes import Entry, Mapping, Node, Scalar, Sequence
from rating_harness.scenario.yaml_parser import is_file, read_file

__all__ = ["Shared", "own_goes_first", "with_shared"]

_TAGS = {
    "accounts": "account_tag",
    "carriers": "carrier_tag",
    "pricelists": "pricelist_tag",
    "customers": "customer_tag",
}


class Shared(Model):
    """What several scenarios need. Each of them names this file in its `use`."""

    given: Annotated[Given, key("What the engine knows before the calls.", {"accounts": []})] = Given()
    carriers: Annotated[dict[Text, CarrierBehaviour], key("How carriers behave.", {"carrier": {"refuse": 486}})] = (
        Field(default_factory=dict)
    )
    phones: Annotated[dict[HostName, Phone], key("Telephones that register.", {"desk": {"user": "2000"}})] = Field(
        default_factory=dict
    )
    variables: Annotated[dict[Text, Any], key("Values for `${name}`.", {"account": "1000"})] = Field(
        default_factory=dict
    )
    kamailio: Annotated[Kamailio, key("How Kamailio is started.", {"defines": {"RATING_HTTP_TIMEOUT": 500}})] = (
        Kamailio()
    )


def with_shared(root: Mapping, path: Path, mistakes: Mistakes) -> Mapping:
    """The tree with the files of its ``use`` merged in. What the scenario says itself goes before what it uses."""
    entry = root.entries.get("use")
    if entry is None or not isinstance(entry.value, Sequence):
        return root
    merged = root
    for item in reversed(entry.value.items):
        if not isinstance(item, Scalar) or not isinstance(item.value, str):
            continue
        shared = _shared(item, item.value, path, mistakes)
        if shared is not None:
            merged = _merge(shared, merged, ())
    return merged


def _shared(item: Scalar, file_name: str, path: Path, mistakes: Mistakes) -> Mapping | None:
    file = path.parent / file_name
    if not is_file(file):
        others = sorted(each.name for each in path.parent.glob("_*.y*ml")) if "/" not in file_name else []
        close = did_you_mean(file_name, others)
        hint = f"did you mean '{close}'?" if close else "the path is relative to this file"
        mistakes.add(item.span, f"no file {file_name[:80]!r} beside this one", hint)
        return None
    shared = read_file(file, mistakes)
    if shared is None:
        return None
    kept: dict[str, Entry] = {}
    for name, entry in shared.entries.items():
        if name in Shared.model_fields:
            kept[name] = entry
        else:
            hint = f"It takes: {', '.join(Shared.model_fields)}."
            mistakes.add(entry.key_span, f"a shared file has no {name[:60]!r}", hint)
    return Mapping(kept, shared.span)


def _merge(shared: Mapping, own: Mapping, path: tuple[str, ...]) -> Mapping:
    entries = dict(own.entries)
    for name, entry in shared.entries.items():
        mine = entries.get(name)
        if mine is None:
            entries[name] = entry
        else:
            entries[name] = Entry(mine.key_span, _merged(entry.value, mine.value, (*path, name)))
    return Mapping(entries, own.span)


def _merged(shared: Node, own: Node, path: tuple[str, ...]) -> Node:
    """Mappings are merged to the depth where they hold names; lists are joined; else the scenario's own is taken."""
    if isinstance(shared, Mapping) and isinstance(own, Mapping) and len(path) < 2:
        return _merge(shared, own, path)
    if isinstance(shared, Mapping) and isinstance(own, Mapping) and path == ("kamailio", "defines"):
        return _merge(shared, own, path)
    if path[0] == "given" and isinstance(shared, Sequence) and isinstance(own, Sequence):
        tag = _TAGS.get(path[-1], "")
        mine = {_tag(item, tag) for item in own.items} - {None}
        kept = tuple(item for item in shared.items if _tag(item, tag) not in mine)
        return Sequence((*kept, *own.items), own.span)
    return own


def own_goes_first(tree: Mapping) -> Mapping:
    """The tree without what the scenario's own file says in another way: of records with the same tag in different
    files the last one counts. It's for tags that were variables when the files were merged."""
    given = tree.entries.get("given")
    if given is None or not isinstance(given.value, Mapping):
        return tree
    sections = {
        name: Entry(entry.key_span, _last_of_each(entry.value, _TAGS.get(name, "")))
        for name, entry in given.value.entries.items()
    }
    kept = Entry(given.key_span, Mapping(sections, given.value.span))
    return Mapping({**tree.entries, "given": kept}, tree.span)


def _last_of_each(records: Node, tag: str) -> Node:
    if not isinstance(records, Sequence) or not tag:
        return records
    last = {_tag(item, tag): item.span.path for item in records.items}
    kept = tuple(item for item in records.items if item.span.path == last[_tag(item, tag)])
    return Sequence(kept, records.span)


def _tag(item: Node, tag: str) -> object:
    entry = item.entries.get(tag) if isinstance(item, Mapping) else None
    return entry.value.value if entry and isinstance(entry.value, Scalar) else None
