"""What a scenario file is written in: this project's language, or canyan-tester's. Nobody else tells them apart.

Whoever has a scenario asks here to load, plan, run and judge it; what differs between the two is in this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from pydantic import BaseModel

from rating_harness.errors import BusyMachineError, EndpointError, Mistake, PlanError, ScenarioError, UsageError
from rating_harness.scenario import loader
from rating_harness.scenario.behaviour import SippFile
from rating_harness.scenario.diagnostics import Mistakes
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.sipp_files import needed_files
from rating_harness.scenario.yaml_parser import read_file

if TYPE_CHECKING:
    from rating_harness.canyan.model import CanyanScenario
    from rating_harness.checks.model import Verdict
    from rating_harness.evidence.model import Evidence
    from rating_harness.lab.protocol import Host
    from rating_harness.plan.model import Plan
    from rating_harness.run.options import Options
    from rating_harness.run.stack import Stack

__all__ = [
    "companions",
    "is_native",
    "judge",
    "load",
    "load_paths",
    "load_with_warnings",
    "plan",
    "run",
    "run_without_lab",
    "too_late",
    "without_sections",
]

_CANYAN_KEY = "workers"
"""The key that every file of canyan-tester's has, and no native one."""


# --- loading --------------------------------------------------------------------------------------------------------


def load(
    path: Path, *, canyan_lenient: bool = False, configuration: Path | None = None, besides: Path | None = None
) -> list[Scenario]:
    """`load_with_warnings`, without the warnings."""
    return load_with_warnings(path, canyan_lenient=canyan_lenient, configuration=configuration, besides=besides)[0]


def load_with_warnings(
    path: Path, *, canyan_lenient: bool = False, configuration: Path | None = None, besides: Path | None = None
) -> tuple[list[Scenario], list[Mistake]]:
    """The scenarios of a file, and what is most likely a mistake in it.

    There is one scenario for each row of its matrix, and one for a file of canyan-tester's.

    :param canyan_lenient: in a file of canyan-tester's, what it ignores is ignored.
    :param configuration: Kamailio's, which has to know the defines of scenarios that name none of their own; None:
        defines aren't looked at.
    :param besides: a further configuration whose defines are no mistakes.
    :raises ScenarioError: with every mistake of the file, and of the files that it uses.
    """
    mistakes = Mistakes()
    root = read_file(path, mistakes)
    if root is not None and _CANYAN_KEY in root.entries:
        from rating_harness.canyan.loader import load_canyan

        return [load_canyan(path, lenient=canyan_lenient)], []
    return loader.load_tree(root, path, mistakes, configuration=configuration, besides=besides), mistakes.warnings


def load_paths(
    paths: Sequence[Path],
    *,
    canyan_lenient: bool = False,
    configuration: Path | None = None,
    besides: Path | None = None,
    warn: Callable[[Mistake], object] = lambda warning: None,
) -> list[Scenario]:
    """The scenarios of all files among ``paths``, and below those that are directories.

    :param warn: is given what is most likely a mistake.
    :raises ScenarioError: with the mistakes of all files.
    :raises UsageError: a path doesn't exist, or there is no scenario.
    """
    scenarios: list[Scenario] = []
    mistakes: list[Mistake] = []
    for file in loader.scenario_files(paths):
        try:
            found, warnings = load_with_warnings(
                file, canyan_lenient=canyan_lenient, configuration=configuration, besides=besides
            )
        except ScenarioError as error:
            mistakes += error.mistakes
            continue
        scenarios += found
        for warning in warnings:
            warn(warning)
    if mistakes:
        raise ScenarioError(mistakes)
    if not scenarios:
        raise UsageError("there is no scenario", where=", ".join(map(str, paths)))
    return scenarios


def is_native(scenario: Scenario) -> bool:
    """Whether it's written in this project's language."""
    return not _is_canyan(scenario)


def _is_canyan(scenario: Scenario) -> TypeGuard[CanyanScenario]:
    """canyan-tester's rooms are imported when there's a file of its own."""
    if type(scenario) is Scenario:
        return False
    from rating_harness.canyan.model import CanyanScenario

    return isinstance(scenario, CanyanScenario)


def without_sections(scenarios: Iterable[Scenario], *sections: str) -> list[Scenario]:
    """The scenarios; those of canyan-tester's without these sections (``setup``, ``teardown``)."""
    return [each.without(*sections) if _is_canyan(each) else each for each in scenarios]


def companions(scenario: Scenario) -> Iterator[Path]:
    """The files that a scenario needs besides its own: shared ones, SIPp's scenarios, a configuration."""
    beside = scenario.origin.file.parent
    names = [*scenario.use, *(sipp.file for sipp in _sipp_scenarios(scenario))]
    if scenario.kamailio.config is not None:
        names.append(scenario.kamailio.config)
    yield from (beside / name for name in names)
    for sipp in _sipp_scenarios(scenario):
        if sipp.csv is not None:
            yield beside / sipp.csv
        if (file := beside / sipp.file).is_file():
            yield from (file.parent / name for name in needed_files(file.read_text("utf-8", "replace")))
    if _is_canyan(scenario):
        yield from scenario.sipp_files()


def _sipp_scenarios(value: object) -> Iterator[SippFile]:
    if isinstance(value, SippFile):
        yield value
    elif isinstance(value, BaseModel):
        yield from _sipp_scenarios(tuple(inner for _, inner in value))
    elif isinstance(value, Mapping):
        yield from _sipp_scenarios(tuple(value.values()))
    elif isinstance(value, tuple):
        for inner in value:
            yield from _sipp_scenarios(inner)


# --- running --------------------------------------------------------------------------------------------------------


def plan(scenario: Scenario, *, token: str, seed: int, hosts: Callable[[str], Host]) -> Plan:
    """What a run would do.

    :raises PlanError: it can't be done, or isn't known before, since it's a file of canyan-tester's.
    """
    if _is_canyan(scenario):
        raise PlanError(
            "a canyan-tester file is planned while it runs",
            where=str(scenario.origin.file),
            hint="`rating-harness convert` makes a scenario of it",
        )
    from rating_harness.plan.planner import plan_scenario

    return plan_scenario(scenario, token=token, seed=seed, hosts=hosts)


def run(stack: Stack, scenario: Scenario, *, token: str, seed: int) -> tuple[Plan, Evidence]:
    """Run a scenario in a lab.

    :raises HarnessError: it could not be run; what failed of the system under test is in the evidence.
    """
    if _is_canyan(scenario):
        from rating_harness.canyan.tester import run_on_stack

        return run_on_stack(stack, scenario, token=token, seed=seed)
    from rating_harness.checks import records_settled
    from rating_harness.plan.generators import share_out
    from rating_harness.plan.planner import plan_scenario
    from rating_harness.run.runner import run_plan

    made = plan_scenario(scenario, token=token, seed=seed, hosts=stack.lab.host, stack=stack.other)
    if stack.options.generators and scenario.load is not None:
        made = share_out(made, stack.options.generators)
    return made, run_plan(stack, made, lambda seen: records_settled(scenario, seen))


def run_without_lab(
    scenarios: Sequence[Scenario],
    options: Options,
    *,
    executable: str | None = None,
    echo: Callable[[str], object] | None = None,
) -> list[str] | None:
    """Run files of canyan-tester's as canyan-tester does, against a target and an API that run already.

    :returns: why each failed (empty texts for those that passed); None where that's not what the options want, or not
        all scenarios are canyan-tester's.
    :raises HarnessError: one could not be run.
    """
    canyan = [each for each in scenarios if _is_canyan(each)]
    if options.target is None or options.agent_url is not None or len(canyan) != len(scenarios):
        return None
    from rating_harness.canyan.tester import run_bare

    return [run_bare(each, options, executable=executable, echo=echo) for each in canyan]


def too_late(scenario: Scenario, evidence: Evidence, verdict: Verdict) -> EndpointError | None:
    """Why a verdict can't be believed: something of the harness's own came too late. None where it can."""
    if verdict.passed or _is_canyan(scenario):
        return None
    from rating_harness.checks.lateness import PUNCTUAL, late_deeds
    from rating_harness.checks.model import Case

    late = late_deeds(Case(scenario, evidence))
    if not late:
        return None
    return BusyMachineError(
        "a call or a request of the scenario began too late",
        expected=f"each call and request at most {PUNCTUAL:g} s after its moment",
        found=", ".join(map(str, late[:3])),
        where=scenario.where("calls", late[0].index),
        detail="\n".join(str(finding) for finding in verdict.findings[:3]),
        hint="what was found may be due to that: run it alone, or fewer side by side",
    )


def judge(scenario: Scenario, evidence: Evidence) -> Verdict:
    """Every finding: what the scenario expects first, then what must always hold."""
    if _is_canyan(scenario):
        from rating_harness.canyan.checks import judge_canyan

        return judge_canyan(scenario, evidence)
    from rating_harness import checks

    return checks.judge(scenario, evidence)
