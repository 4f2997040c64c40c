"""``use``: what several scenarios need, written once."""

from __future__ import annotations

from pathlib import Path

from harness.scenario.mistakes import Mistakes
from harness.scenario.nodes import Entry, Mapping, Node, Scalar, Sequence
from harness.scenario.reading import read_file

__all__ = ["SHARED_KEYS", "with_shared"]

SHARED_KEYS = ("given", "carriers", "variables", "kamailio")
_TAGS = {
    "accounts": "account_tag",
    "carriers": "carrier_tag",
    "pricelists": "pricelist_tag",
    "customers": "customer_tag",
}


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


def _shared(item: Scalar, name: str, path: Path, mistakes: Mistakes) -> Mapping | None:
    file = path.parent / name
    if "\0" in name or not file.is_file():
        mistakes.add(item.span, f"no file {name[:80]!r} beside this one", "the path is relative to this file")
        return None
    shared = read_file(file, mistakes)
    if shared is None:
        return None
    for key, entry in shared.entries.items():
        if key not in SHARED_KEYS:
            mistakes.add(entry.key_span, f"a shared file has no {key[:60]!r}", f"It takes: {', '.join(SHARED_KEYS)}.")
    return Mapping({key: entry for key, entry in shared.entries.items() if key in SHARED_KEYS}, shared.span)


def _merge(shared: Mapping, own: Mapping, path: tuple[str, ...]) -> Mapping:
    entries = dict(own.entries)
    for key, entry in shared.entries.items():
        mine = entries.get(key)
        entries[key] = entry if mine is None else Entry(mine.key_span, _merged(entry.value, mine.value, (*path, key)))
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


def _tag(item: Node, tag: str) -> object:
    entry = item.entries.get(tag) if isinstance(item, Mapping) else None
    return entry.value.value if entry and isinstance(entry.value, Scalar) else None
