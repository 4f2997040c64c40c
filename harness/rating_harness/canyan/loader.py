"""From a canyan-tester file to its model, or all its mistakes at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rating_harness.canyan.model import CanyanFile, CanyanScenario, Range, SippWorker, XhttpRequest
from rating_harness.canyan.placeholders import ALWAYS_STORED, filled, names_in, references_in
from rating_harness.errors import ScenarioError
from rating_harness.scenario.diagnostics import Finding, Mistakes, did_you_mean, way
from rating_harness.scenario.introspection import fields, model_at
from rating_harness.scenario.model import Origin
from rating_harness.scenario.nodes import Entry, Mapping, Node, Scalar, Sequence, ValuePath, find, places, span_at
from rating_harness.scenario.validation import shaped
from rating_harness.scenario.values import Unfit
from rating_harness.scenario.yaml_parser import read_file

__all__ = ["GIVEN_VALUES", "load_canyan"]

GIVEN_VALUES = ("basedir", "target")
"""Values that every SIPp scenario has, besides those of its worker."""

_TYPES = {
    "setup": ("api",),
    "workers": ("sipp", "kamailio_xhttp"),
    "check": ("api",),
    "teardown": ("api", "kamailio_xhttp"),
}
"""The sections of a file in the order in which they are done, and the types that canyan-tester knows in each."""


def load_canyan(path: Path, *, lenient: bool = False) -> CanyanScenario:
    """The scenario of such a file, knowing the places of its values.

    :param lenient: what canyan-tester ignores is ignored.
    :raises ScenarioError: with every mistake of the file.
    """
    mistakes = Mistakes()
    root = read_file(path, mistakes, yaml11=True)
    scenario = None
    if root is not None:
        _check_workers(root, mistakes)
        tree = _without_nothing(root)
        file, remaining = shaped(_as_canyan_reads(tree) if lenient else tree, CanyanFile, mistakes)
        if file is not None:
            scenario = CanyanScenario.of(file, Origin(path, "", places(remaining)), lenient=lenient)
            for finding in (*_references(file), *_templates(scenario)):
                span = span_at(remaining, finding.path, key=finding.at_key)
                # What is missing may be there, and wrong.
                if not isinstance(find(remaining, finding.path), Mapping) or not mistakes.within(span):
                    mistakes.add(span, finding.message, finding.hint)
    found = mistakes.all()
    if found or scenario is None:
        raise ScenarioError(found)
    return scenario


def _check_workers(root: Mapping, mistakes: Mistakes) -> None:
    workers = find(root, ("workers",))
    if workers is not None and (_is_nothing(workers) or (isinstance(workers, Sequence) and not workers.items)):
        span = span_at(root, ("workers",), key=True)
        mistakes.add(span, "there are no workers, so nothing is tested", "a worker has: scenario, values")


# --- reading as canyan-tester does ----------------------------------------------------------------------------------


def _without_nothing(root: Mapping) -> Mapping:
    """A key without a value is one that isn't there: of the file, and of its steps and workers."""
    return Mapping(
        {
            name: Entry(entry.key_span, _items_without_nothing(entry.value))
            for name, entry in root.entries.items()
            if not _is_nothing(entry.value)
        },
        root.span,
    )


def _items_without_nothing(section: Node) -> Node:
    if not isinstance(section, Sequence):
        return section
    items = (
        Mapping({n: e for n, e in item.entries.items() if not _is_nothing(e.value)}, item.span)
        if isinstance(item, Mapping)
        else item
        for item in section.items
    )
    return Sequence(tuple(items), section.span)


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _as_canyan_reads(root: Mapping) -> Mapping:
    """Without what canyan-tester ignores: unknown keys, and steps and workers of a type that it doesn't know."""
    entries = {}
    for name, entry in root.entries.items():
        value = entry.value
        if name in _TYPES and isinstance(value, Sequence):
            items = tuple(_known_keys(item, name) for item in value.items if _type_of(item) in (None, *_TYPES[name]))
            value = Sequence(items, value.span)
        if name in fields(CanyanFile):
            entries[name] = Entry(entry.key_span, value)
    return Mapping(entries, root.span)


def _type_of(item: Node) -> Any:
    found = find(item, ("type",))
    return found.value if isinstance(found, Scalar) else None


def _known_keys(item: Node, section: str) -> Node:
    model = XhttpRequest if _type_of(item) == "kamailio_xhttp" else model_at(CanyanFile, (section, 0))
    if not isinstance(item, Mapping) or model is None:
        return item
    return Mapping({name: entry for name, entry in item.entries.items() if name in fields(model)}, item.span)


# --- what the file as a whole says ----------------------------------------------------------------------------------


def _references(file: CanyanFile) -> Iterator[Finding]:
    """Each ``{name.path}`` refers to an answer that was stored before."""
    stored = dict.fromkeys(ALWAYS_STORED)
    for section in _TYPES:
        for index, item in enumerate(getattr(file, section)):
            for name in ("uri", "payload", "values"):
                for wanted, below in references_in(getattr(item, name, None)):
                    if wanted not in stored:
                        place = (section, index, name)
                        close = did_you_mean(wanted, stored)
                        yield Finding(
                            place,
                            f"{{{wanted}.{below}}} in {way(place)} refers to no answer stored before",
                            f"did you mean '{close}'?" if close else "an earlier step has to `store_response` it",
                        )
            stored[getattr(item, "store_response", None) or "random"] = None


def _templates(scenario: CanyanScenario) -> Iterator[Finding]:
    """Each worker's SIPp scenario is there, and has its values."""
    for index, worker in enumerate(scenario.canyan.workers):
        if not isinstance(worker, SippWorker):
            continue
        path: ValuePath = ("workers", index, "scenario") if worker.scenario else ("workers", index)
        try:
            template = scenario.template(worker)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
            yield Finding(
                path,
                f"{worker.scenario} can't be read: {reason}",
                f"it is looked for in {scenario.directory.as_posix()}",
            )
            continue
        wanted = names_in(template)
        for name in wanted:
            if name not in worker.values and name not in GIVEN_VALUES:
                close = did_you_mean(name, worker.values)
                yield Finding(
                    path,
                    f"the SIPp scenario has %({name})s, and `values` of workers[{index}] has no '{name}'",
                    f"did you mean '{name}' in place of '{close}'?" if close else f"values: {{{name}: ...}}",
                )
        yield from _misfits(index, worker, template, wanted)


def _misfits(index: int, worker: SippWorker, template: str, wanted: list[str]) -> Iterator[Finding]:
    """A text where the SIPp scenario wants a number."""
    for name in wanted:
        value = worker.values.get(name)
        form = "".join(re.findall(rf"%\({re.escape(name)}\)\S*?[a-zA-Z]", template))
        for each in value if isinstance(value, tuple) else (value,):
            try:
                filled(form, {name: 0 if isinstance(each, Range | None) else each})
            except Unfit as unfit:
                yield Finding(("workers", index, "values", name), str(unfit), unfit.hint)
                break
