"""From a file to scenarios: one for each row of its matrix, or all the mistakes of the file at once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rating_harness.errors import ScenarioError, UsageError
from rating_harness.scenario.consistency import contradictions, unsaid_in_sipp_files
from rating_harness.scenario.defines import read_defines, unmet_defines, wrong_defines, wrong_routes
from rating_harness.scenario.diagnostics import Mistakes, did_you_mean
from rating_harness.scenario.includes import own_goes_first, with_shared
from rating_harness.scenario.matrix import check_used, interpolate, rows
from rating_harness.scenario.model import Origin, Scenario
from rating_harness.scenario.name_resolution import references
from rating_harness.scenario.nodes import Mapping, Sequence, find, places, span_at
from rating_harness.scenario.transfer import misplaced_transfers, places_of_transfers, with_transfers
from rating_harness.scenario.validation import shaped
from rating_harness.scenario.warnings import warnings
from rating_harness.scenario.yaml_parser import read_file

__all__ = ["existing", "load", "load_tree", "scenario_files"]

_ENOUGH_ROWS = 10
"""After so many rows of a matrix with mistakes the others are not looked at."""


def load(path: Path, *, configuration: Path | None = None) -> list[Scenario]:
    """The scenarios of a file, each with its id and the places of its values.

    Files of canyan-tester's are loaded by `rating_harness.session.dialects.load`, as any others are.

    :param configuration: as for `load_tree`.
    :raises ScenarioError: with every mistake of the file, and of the files that it uses.
    """
    mistakes = Mistakes()
    return load_tree(read_file(path, mistakes), path, mistakes, configuration=configuration)


def load_tree(
    root: Mapping | None,
    path: Path,
    mistakes: Mistakes,
    *,
    configuration: Path | None = None,
    besides: Path | None = None,
) -> list[Scenario]:
    """The scenarios of a file that was read.

    :param root: what it holds; None where that couldn't be read.
    :param mistakes: those that were found while it was read; it has the warnings afterwards.
    :param configuration: Kamailio's, a file or a directory with a kamailio.cfg, for scenarios that name none. A
        define that it doesn't know is a mistake; None: defines aren't looked at.
    :param besides: a further configuration whose defines are no mistakes.
    :raises ScenarioError: as for `load`.
    """
    scenarios: list[Scenario] = []
    configurations = [each for each in (configuration, besides) if each is not None]
    if root is not None:
        scenarios = _scenarios(with_shared(root, path, mistakes), path, mistakes, configurations)
    if found := mistakes.all():
        raise ScenarioError(found)
    return scenarios


def _scenarios(root: Mapping, path: Path, mistakes: Mistakes, configurations: list[Path]) -> list[Scenario]:
    calls = find(root, ("calls",))
    if isinstance(calls, Sequence) and not calls.items:
        mistakes.add(calls.span, "there are no calls, so nothing is tested", "a call has: id, from, to")
    scenarios: list[Scenario] = []
    looked_at: list[tuple[str, Mistakes]] = []
    used: set[str] = set()
    wrong_rows = 0
    table = rows(root, mistakes)
    for row in table:
        of_row = mistakes.fork()
        tree, used_here = interpolate(root, row, of_row)
        used |= used_here
        tree = own_goes_first(tree) if tree is not None else None
        scenario = _scenario(tree, path, of_row, configurations) if tree is not None else None
        if tree is not None and scenario is not None:
            where = places(tree)
            where |= dict(places_of_transfers(scenario, where))
            known = with_transfers(scenario) if not of_row.all() else scenario
            scenarios.append(known.located(Origin(path, row.id, where)))
        looked_at.append((row.id, of_row))
        wrong_rows += bool(of_row.all())
        if wrong_rows == _ENOUGH_ROWS:
            break
    else:
        check_used(table, used, mistakes)
    mistakes.join(looked_at)
    return scenarios


def _scenario(tree: Mapping, path: Path, mistakes: Mistakes, configurations: list[Path]) -> Scenario | None:
    scenario, remaining = shaped(tree, Scenario, mistakes)
    if scenario is not None:
        named = scenario.kamailio.config
        used = [path.parent / named] if named is not None else configurations
        defines = read_defines(used)
        for finding in (
            *references(scenario, tree),
            *contradictions(scenario, path.parent),
            *misplaced_transfers(scenario),
            *wrong_defines(scenario.kamailio.defines, defines),
            *wrong_routes(scenario.expect.routes, defines),
        ):
            span = span_at(remaining, finding.path, key=finding.at_key)
            if mistakes.full:
                break
            if not isinstance(find(remaining, finding.path), Mapping) or not mistakes.within(span):
                mistakes.add(span, finding.message, finding.hint)
        if not mistakes.all():
            of_its_own = defines if len(used) == 1 else read_defines(used[:1])
            told = (*warnings(scenario), *unmet_defines(scenario, defines, of_its_own))
            for finding in (*told, *unsaid_in_sipp_files(scenario, path.parent)):
                mistakes.warn(span_at(remaining, finding.path, key=finding.at_key), finding.message, finding.hint)
    return scenario


def scenario_files(paths: Iterable[Path]) -> list[Path]:
    """The scenario files among ``paths``; of a directory those below it, but not shared ones (``_name.yaml``).

    :raises UsageError: for a path that doesn't exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if existing(path).is_dir():
            inside = (file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
            found.update(dict.fromkeys(sorted(file for file in inside if not file.name.startswith("_"))))
        else:
            found[path] = None
    return list(found)


def existing(path: Path) -> Path:
    """The path itself.

    :raises UsageError: there is nothing; with what was meant, where a neighbour has nearly that name.
    """
    if _is_there(path):
        return path
    missing = path
    while not _is_there(missing.parent):
        missing = missing.parent
    with suppress(OSError):
        close = did_you_mean(missing.name, sorted(neighbour.name for neighbour in missing.parent.iterdir()))
        if close is not None:
            meant = missing.with_name(close) / path.relative_to(missing)
            raise UsageError(f"no such file or directory; did you mean {meant}?", where=str(path))
    raise UsageError("no such file or directory", where=str(path))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # a name that no file can have
