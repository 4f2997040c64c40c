"""From a file to scenarios: one for each row of its matrix, or all the mistakes of the file at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import ScenarioError, UsageError
from harness.scenario.contradictions import contradictions
from harness.scenario.matrix import Row, interpolate, rows
from harness.scenario.mistakes import Mistakes
from harness.scenario.model import Origin, Scenario
from harness.scenario.nodes import Mapping, find, places
from harness.scenario.reading import read_file
from harness.scenario.references import references
from harness.scenario.shape import shaped
from harness.scenario.sharing import with_shared

__all__ = ["load", "scenario_files"]


def load(path: Path) -> list[Scenario]:
    """The scenarios of a file, each with its id and the places of its values.

    :raises ScenarioError: with every mistake of the file, and of the files that it uses.
    """
    mistakes = Mistakes()
    root = read_file(path, mistakes)
    scenarios: list[Scenario] = []
    if root is not None:
        root = with_shared(root, path, mistakes)
        scenarios = [scenario for row in rows(root, mistakes) for scenario in _row(root, row, path, mistakes)]
    if mistakes:
        raise ScenarioError(mistakes.all())
    return scenarios


def _row(root: Mapping, row: Row, path: Path, mistakes: Mistakes) -> Iterator[Scenario]:
    tree = interpolate(root, row, mistakes)
    scenario, tree = shaped(tree, Scenario, mistakes)
    if scenario is None:
        return
    known = places(tree)
    for finding in (*references(scenario), *contradictions(scenario, path.parent)):
        node = find(tree, finding.path)
        mistakes.add(node.span if node else tree.span, finding.message, finding.hint)
    yield scenario.located(Origin(path, row.id, known))


def scenario_files(paths: Iterable[Path]) -> list[Path]:
    """The scenario files among ``paths``; of a directory those below it, but not shared ones (``_name.yaml``).

    :raises UsageError: for a path that doesn't exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
            found.update(dict.fromkeys(sorted(file for file in inside if not file.name.startswith("_"))))
        elif path.exists():
            found[path] = None
        else:
            raise UsageError(f"{path} does not exist", hint="give a scenario file, or a directory of them")
    return list(found)
