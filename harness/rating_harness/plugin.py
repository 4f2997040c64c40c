"""The pytest plugin: scenarios in YAML are tests.

Collected are the YAML files that are named on the command line, and those below ``rating_scenario_paths`` (an ini
option, ``scenarios`` by default), whatever they hold: a file that isn't a scenario is an error there, not another
kind of file. Files whose name begins with ``_`` hold what scenarios share.

Each pytest-xdist worker has a lab of its own.

Every pytest in an environment with this package imports this module, so it imports the rest only where it's used.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback, Traceback

from rating_harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from rating_harness.coverage.data import Coverage
    from rating_harness.rating.own_engine import RatingEngine
    from rating_harness.run.options import Options
    from rating_harness.run.stack import Stack
    from rating_harness.scenario.model import Scenario
    from rating_harness.session.session import Outcome, Session
    from rating_harness.session.shared_reports import Reports, WorkersReports

__all__ = ["ScenarioFailed", "ScenarioFile", "ScenarioItem"]

_SESSION: pytest.StashKey[Session] = pytest.StashKey()
_NAMED = pytest.StashKey[frozenset[Path]]()
_SEED = pytest.StashKey[int]()
_COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()
_WARNINGS = pytest.StashKey[list[str]]()
_REPORTS: pytest.StashKey[Reports | WorkersReports] = pytest.StashKey()
_RESERVED = frozenset({"filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xfail"})
"""Markers with which pytest itself does something: a tag of that name selects nothing."""


class ScenarioFailed(AssertionError):
    """A scenario whose verdict has findings. Its text is what the report shows, with all ladders if ``verbose``."""

    def __init__(self, outcome: Outcome, *, verbose: bool = False) -> None:
        from rating_harness.report.failure import LADDERS, failure_text

        assert outcome.verdict is not None
        assert outcome.evidence is not None
        ladders = None if verbose else LADDERS
        super().__init__(
            failure_text(outcome.scenario, outcome.evidence, outcome.verdict, outcome.folder, ladders=ladders)
        )
        self.outcome = outcome


# --- options --------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called once, before the command line is parsed."""
    from rating_harness.run.lab_options import LAB_OPTIONS

    group = parser.getgroup("rating-harness", "scenarios for Kamailio and a rating engine")
    for option in LAB_OPTIONS.values():
        name, text = f"--rating-{option.name}", option.help.replace("%", "%%")
        if option.flag:
            group.addoption(name, action="store_true", help=text)
        elif option.repeatable:
            group.addoption(name, metavar=option.metavar, action="append", default=[], help=text)
        else:
            choices = {"choices": option.choices} if option.choices else {"metavar": option.metavar}
            group.addoption(name, type=option.type, default=option.default, help=text, **choices)
    group.addoption(
        "--rating-cov", metavar="DIR", type=Path, help="Measure coverage of Kamailio's configuration; reports there."
    )
    group.addoption(
        "--rating-cov-fail-under", metavar="N", type=float, help="Fail where that coverage is below N %%."
    )
    parser.addini("rating_scenario_paths", "directories whose YAML files are scenarios", type="paths", default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Called after the command line was parsed, in every process."""
    if config.getoption("--rating-cov-fail-under") is not None and config.getoption("--rating-cov") is None:
        raise pytest.UsageError("--rating-cov-fail-under has nothing to measure: --rating-cov DIR is missing")
    worker = getattr(config, "workerinput", None)
    seed = config.getoption("--rating-seed")
    config.stash[_SEED] = (
        worker["rating_seed"] if worker else seed if seed is not None else secrets.randbelow(1_000_000)
    )
    config.stash[_NAMED] = frozenset(
        path.resolve() for arg in config.args if (path := Path(str(arg).partition("::")[0])).is_file()
    )
    if _has_options(config):
        options_of(config)  # whose mistakes end the session before anything is collected
    workers = getattr(config.option, "numprocesses", None)
    if worker is None and isinstance(workers, int) and workers > 1:
        if config.getoption("--rating-target"):
            raise pytest.UsageError(
                "--rating-target is one Kamailio for all scenarios: not with -n 2 or more workers"
            )
        if _may_have_scenarios(config) and getattr(config.option, "maxschedchunk", 1) is None:
            # xdist hands out chunks, which is quicker for tests of milliseconds: a worker with two long scenarios
            # in its last one keeps the others waiting.
            config.option.maxschedchunk = 1
        if _wants_reports(config):
            _end_in_good_order(config)  # what has ended until then is in the reports
    if config.getoption("--rating-shard") is not None:
        from rating_harness.session.selection import parse_shard

        try:
            parse_shard(config.getoption("--rating-shard"))
        except UsageError as error:
            raise pytest.UsageError(_in_pytest(str(error))) from None
    if _wants_reports(config):
        try:
            config.stash[_REPORTS] = _reports(config)
        except UsageError as error:
            raise pytest.UsageError(_in_pytest(str(error))) from None


def _has_options(config: pytest.Config) -> bool:
    from rating_harness.run.lab_options import LAB_OPTIONS

    return any(
        config.getoption(f"--rating-{name}") not in (option.default, None, False, [])
        for name, option in LAB_OPTIONS.items()
    )


class _Distribution:
    """Hooks of pytest-xdist, registered only where it is there."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Called in the controller for each worker that is about to start: all draw from the same seed."""
        node.workerinput["rating_seed"] = node.config.stash[_SEED]
        reports = node.config.stash.get(_REPORTS, None)
        if reports is not None:
            node.workerinput["rating_events"] = str(reports.directory_for_workers())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Called in the controller for each worker that has ended: its coverage and its warnings join the others'."""
        from rating_harness.coverage.data import Coverage

        output = getattr(node, "workeroutput", {})
        node.config.stash.setdefault(_WARNINGS, []).extend(output.get("rating_warnings", ()))
        found = output.get("rating_coverage")
        if found is not None:
            node.config.stash.setdefault(_COVERAGE, Coverage()).merge(Coverage.from_json(found))


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Called for each plugin; xdist's hooks may be implemented only once xdist is there."""
    if manager.hasplugin("xdist") and not manager.hasplugin("rating_harness_xdist"):
        manager.register(_Distribution(), "rating_harness_xdist")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Called for the lines at the top of the terminal report."""
    lines = [f"rating-harness: lab {config.getoption('--rating-lab')}, seed {config.stash[_SEED]}"]
    if _has_persistent_lab():
        from rating_harness.session.persistent_lab import intended_use

        note = intended_use(options_of(config)).note
        lines += [f"rating-harness: {_in_pytest(note)}"] if note else []
    return lines


def _has_persistent_lab() -> bool:
    """Whether there may be one: a look at the disk, without importing what brings labs up."""
    import platformdirs

    return any((Path(platformdirs.user_state_dir("rating-harness")) / "persistent-labs").glob("*.json"))


def _in_pytest(text: str) -> str:
    """An error's text with the options as pytest has them: errors name the command's (``--lab``)."""
    from rating_harness.run.lab_options import LAB_OPTIONS

    option = rf"(`rating-harness [^`]*`)|--(?=(?:{'|'.join(LAB_OPTIONS)})(?![\w-]))"
    return re.sub(option, lambda match: match[1] or "--rating-", text)


def options_of(config: pytest.Config) -> Options:
    """:raises pytest.UsageError: options that make no sense, or name what can't be had."""
    from rating_harness.run.lab_options import LAB_OPTIONS
    from rating_harness.run.options import Options

    names = [name for name, option in LAB_OPTIONS.items() if option.of_lab and name not in ("define", "seed")]
    others = {name.replace("-", "_"): config.getoption(f"--rating-{name}") for name in names}
    measured = config.getoption("--rating-cov") is not None
    # xdist counts its workers before the session is configured, and before there is a seed.
    seed = config.stash.get(_SEED, config.getoption("--rating-seed"))
    try:
        return Options.of(defines=config.getoption("--rating-define"), seed=seed, coverage=measured, **others)
    except HarnessError as error:
        raise pytest.UsageError(_in_pytest(str(error))) from None


# --- collection -----------------------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Called for each file below the paths that are collected."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    named = file_path.resolve() in parent.config.stash[_NAMED]
    if not named and (file_path.name.startswith("_") or not _is_below_scenarios(file_path, parent.config)):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


def _is_below_scenarios(path: Path, config: pytest.Config) -> bool:
    return any(path.resolve().is_relative_to(directory.resolve()) for directory in _scenario_paths(config))


_SCENARIOS = "scenarios"


def _scenario_paths(config: pytest.Config) -> list[Path]:
    """Without the ini option: ``scenarios`` of the root and of the working directory, and where such a one is named.

    pytest takes the directory in ``--rating-kamailio-config ../kamailio`` for one of its own paths, so that the root
    may be above the project, or ``/``.
    """
    set_by_ini = config.getini("rating_scenario_paths")
    if set_by_ini:
        return list(set_by_ini)
    here = config.invocation_params.dir
    given = [Path(str(arg).partition("::")[0]) for arg in config.args]
    named = [
        each for each in given if each.name == _SCENARIOS or (not each.is_absolute() and _SCENARIOS in each.parts)
    ]
    return [config.rootpath / _SCENARIOS, here / _SCENARIOS, *(here / each for each in named)]


class ScenarioFile(pytest.File):
    """A YAML file. Its mistakes are reported when it is collected, all at once."""

    def collect(self) -> Iterator[ScenarioItem]:
        from rating_harness.lab.files import data_directory
        from rating_harness.session.dialects import load

        own = self.config.getoption("--rating-kamailio-config")
        if self.config.getoption("--rating-image-config"):
            own = options_of(self.config).kamailio_config
        lenient = self.config.getoption("--rating-canyan-lenient")
        shipped = data_directory("kamailio")
        try:
            scenarios = load(self._shown_path, canyan_lenient=lenient, configuration=own, besides=shipped)
        except HarnessError as error:
            _report_refused(self.config, self._shown_path, error)
            raise
        for scenario in scenarios:
            name = f"{scenario.scenario} [{scenario.origin.row}]" if scenario.origin.row else scenario.scenario
            yield ScenarioItem.from_parent(self, name=name, scenario=scenario)

    @property
    def _shown_path(self) -> Path:
        """Relative where that's shorter: the path that messages cite."""
        here = self.config.invocation_params.dir
        return self.path.relative_to(here) if self.path.is_relative_to(here) else self.path

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        if isinstance(excinfo.value, HarnessError):
            return _in_pytest(str(excinfo.value))
        return super().repr_failure(excinfo)


class ScenarioItem(pytest.Item):
    """A scenario; of a file with a matrix, one row."""

    def __init__(self, *, scenario: Scenario, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scenario = scenario
        self.extra_keyword_matches.update(scenario.tags)
        for tag in scenario.tags:
            if tag not in _RESERVED and not tag.startswith("_"):
                self.config.addinivalue_line("markers", f"{tag}: scenarios with this tag")
                self.add_marker(getattr(pytest.mark, tag))

    def runtest(self) -> None:
        from rating_harness.report.junit import junit_properties

        outcome = _run_reported(self.config, self.scenario)
        if outcome.skipped is not None:
            pytest.skip(_in_pytest(outcome.skipped))
        assert outcome.verdict is not None
        assert outcome.evidence is not None
        self.user_properties += junit_properties(outcome.evidence, outcome.folder)
        if not outcome.verdict.passed:
            raise ScenarioFailed(outcome, verbose=self.config.option.verbose > 0)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ScenarioFailed):
            from rating_harness.report.junit import cause_of

            outcome = excinfo.value.outcome
            assert outcome.verdict is not None
            assert outcome.evidence is not None
            cause = cause_of(outcome.scenario, outcome.evidence, outcome.verdict)
            return self._shown(str(excinfo.value), cause)
        if isinstance(excinfo.value, HarnessError):
            from rating_harness.report.failure import error_text
            from rating_harness.report.junit import cause_of_error

            return self._shown(_in_pytest(error_text(excinfo.value)), _in_pytest(cause_of_error(excinfo.value)))
        return super().repr_failure(excinfo, style)

    def _shown(self, text: str, cause: str) -> ReprExceptionInfo:
        """The text for the terminal; the cause for the summary's line and JUnit's message."""
        line = self.scenario.where("scenario").line
        return ReprExceptionInfo(
            reprtraceback=ReprTraceback([ReprEntryNative([f"{text}\n"])], None, style="native"),
            reprcrash=ReprFileLocation(str(self.path), line, cause),
        )

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.scenario.where("scenario").line - 1, self.name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Called for each phase of a test. A scenario that could not be run is an error to pytest, and no failure."""
    report = yield
    if call.excinfo is None or not isinstance(call.excinfo.value, HarnessError):
        return report
    if isinstance(item, ScenarioItem):
        report.when = "setup"
    elif Path(call.excinfo.traceback[-1].path) == Path(__file__):
        report.longrepr = _as_text(call.excinfo.value, call.excinfo.traceback)
    return report


def _as_text(error: HarnessError, traceback: Traceback) -> ReprExceptionInfo:
    """An error of a fixture's, as it's shown of a scenario: its text, and the line of the test that met it."""
    from rating_harness.report.failure import error_text
    from rating_harness.report.junit import cause_of_error

    met = traceback.filter(lambda entry: Path(entry.path) != Path(__file__))[-1]
    where = ReprFileLocation(str(met.path), met.lineno + 1, _in_pytest(cause_of_error(error)))
    text = f"{_in_pytest(error_text(error))}\n\n{met.path}:{met.lineno + 1}\n"
    return ReprExceptionInfo(ReprTraceback([ReprEntryNative([text])], None, style="native"), reprcrash=where)


# --- reports --------------------------------------------------------------------------------------------------------


def _reports(config: pytest.Config) -> Reports | WorkersReports:
    """:raises UsageError: a file can't be written."""
    from rating_harness.session.report_files import REPORT_OPTIONS, report_files
    from rating_harness.session.shared_reports import Reports, WorkersReports

    worker = getattr(config, "workerinput", None)
    if worker is not None:
        return WorkersReports(Path(worker["rating_events"]))
    files = report_files({name: config.getoption(f"--rating-{name}") for name in REPORT_OPTIONS})
    return Reports(files, lab=config.getoption("--rating-lab"), seed=config.stash[_SEED])


def _wants_reports(config: pytest.Config) -> bool:
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        return "rating_events" in worker
    wanted = any(config.getoption(f"--rating-{name}") is not None for name in _REPORT_OPTIONS)
    return wanted or (bool(os.environ.get("GITHUB_STEP_SUMMARY")) and _may_have_scenarios(config))


def _may_have_scenarios(config: pytest.Config) -> bool:
    """Whether it's worth it to import what reports: other people's pytest runs are none of our business."""
    named = any(path.suffix in (".yaml", ".yml") for path in config.stash[_NAMED])
    return named or any(path.is_dir() for path in _scenario_paths(config))


_REPORT_OPTIONS = ("html", "junit", "jsonl", "pcap", "durations")


def _run_reported(config: pytest.Config, scenario: Scenario) -> Outcome:
    """Run a scenario, and put what comes of it into the reports.

    :raises HarnessError: it could not be run.
    """
    _room(config)()
    reports, started = config.stash.get(_REPORTS, None), time.time()
    try:
        outcome = _session(config).run(scenario)
    except HarnessError as error:
        if reports is not None:
            from rating_harness.report import events

            now = time.time()
            reports.on_scenario(events.ScenarioFailedToRun(now, now - started, scenario, error))
        raise
    if reports is not None:
        from rating_harness.session.session import event_of

        reports.on_scenario(event_of(outcome, time.time()))
    return outcome


def _report_refused(config: pytest.Config, path: Path, error: HarnessError) -> None:
    reports = config.stash.get(_REPORTS, None)
    if reports is not None:
        from rating_harness.report import events

        reports.on_scenario(events.FileRefused(time.time(), path, error))


def _room(config: pytest.Config) -> Callable[[], None]:
    """What waits for the processors before a scenario, where xdist has more workers than there are of them."""
    from rating_harness.session.pace import room_for

    worker = getattr(config, "workerinput", None)
    return room_for(worker["workercount"] if worker else 1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Called after collection: with ``--rating-shard`` only its share of the scenarios stays.

    With several workers of xdist's, the longest scenarios are the first.
    """
    scenarios = [item for item in items if isinstance(item, ScenarioItem)]
    text, worker = config.getoption("--rating-shard"), getattr(config, "workerinput", None)
    if not scenarios or (text is None and worker is None):
        return
    from rating_harness.session.selection import parse_shard, read_durations, shard

    durations = read_durations(config.getoption("--rating-durations"))
    if text is not None:
        number, count = parse_shard(text)
        mine = {
            id(each) for each in shard(scenarios, number, count, key=lambda i: i.scenario.id, durations=durations)
        }
        left = [item for item in scenarios if id(item) not in mine]
        if left:
            config.hook.pytest_deselected(items=left)
            scenarios = [item for item in scenarios if id(item) in mine]
    if worker is not None:
        from rating_harness.session.pace import in_pairs, longest_first

        in_order = longest_first(scenarios, lambda item: item.scenario, durations)
        scenarios = in_pairs(in_order, worker["workercount"])
    items[:] = [*scenarios, *(item for item in items if not isinstance(item, ScenarioItem))]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Called after collection, in every process that collects."""
    reports = session.config.stash.get(_REPORTS, None)
    if reports is not None:
        reports.begin(sum(isinstance(item, ScenarioItem) for item in session.items))


# --- the session ----------------------------------------------------------------------------------------------------


def _session(config: pytest.Config) -> Session:
    if _SESSION not in config.stash:
        from rating_harness.session.session import Session
        from rating_harness.session.stored_runs import RunStore

        options = options_of(config)
        store = RunStore(options.evidence, config.stash.setdefault(_WARNINGS, []).append)
        config.stash[_SESSION] = Session(options, store.store, store_not_run=store.store_not_run)
        _end_in_good_order(config)
    return config.stash[_SESSION]


def _end_in_good_order(config: pytest.Config) -> None:
    """SIGTERM ends the session as Ctrl-C does, so that the lab is taken down.

    A worker whose controller dies gets one: xdist would interrupt it seconds later, if it isn't deaf to that.
    """

    def interrupt(signum: int, frame: object) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, interrupt)
        if hasattr(config, "workerinput"):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


_PR_SET_PDEATHSIG = 1


def _close(config: pytest.Config) -> None:
    session = config.stash.get(_SESSION, None)
    if session is not None:
        session.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Called after the last fixture's end, also after Ctrl-C.

    In a worker whose controller is dead nothing more is called: xdist reports to it next.
    """
    config = session.config
    _close(config)
    reports = config.stash.get(_REPORTS, None)
    if reports is not None:
        reports.end(interrupted=session.exitstatus == pytest.ExitCode.INTERRUPTED)
    if hasattr(config, "workeroutput"):
        config.workeroutput["rating_warnings"] = config.stash.get(_WARNINGS, [])
    if config.getoption("--rating-cov") is None:
        return
    own = config.stash.get(_SESSION, None)
    if hasattr(config, "workeroutput"):
        config.workeroutput["rating_coverage"] = own.coverage.to_json() if own else None
        return
    if own is not None:
        config.stash[_COVERAGE] = own.coverage
    if _coverage_shortfall(config) is not None and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _coverage_shortfall(config: pytest.Config) -> str | None:
    """What is missing to what was wanted of coverage; None where nothing is."""
    from rating_harness.coverage.data import Coverage

    least = config.getoption("--rating-cov-fail-under")
    return None if least is None else config.stash.get(_COVERAGE, Coverage()).shortfall(least)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Called in the end, in the controller: warnings, what was run again, and what no scenario executes."""
    warnings: list[str] = config.stash.get(_WARNINGS, [])
    for text in dict.fromkeys(warnings):
        terminalreporter.write_line(f"rating-harness: WARNING  {text}", yellow=True)
    for report in (each for name in ("passed", "failed") for each in terminalreporter.stats.get(name, ())):
        late = [why for name, why in report.user_properties if name == "repeated"]
        if late:
            text = f"{report.nodeid}: run {len(late) + 1} counts, since {'; '.join(dict.fromkeys(late))}"
            terminalreporter.write_line(f"rating-harness: RUN AGAIN  {text}", yellow=True)
    directory = config.getoption("--rating-cov")
    if directory is None:
        return
    from rating_harness.coverage.data import Coverage
    from rating_harness.coverage.reports import coverage_text

    terminalreporter.section("coverage of Kamailio's configuration")
    terminalreporter.write_line(coverage_text(config.stash.get(_COVERAGE, Coverage()), directory))
    shortfall = _coverage_shortfall(config)
    if shortfall is not None:
        terminalreporter.write_line(shortfall, red=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Called last in every process, also where the session didn't begin."""
    _close(config)


# --- fixtures, for tests in Python ----------------------------------------------------------------------------------


@pytest.fixture
def rating_stack(pytestconfig: pytest.Config) -> Stack:
    """The running services: ``.lab``, ``.kamailio`` (JSON-RPC), ``.engine`` (its API) and ``.tap``.

    They are those of the session, shared with the scenarios: leave them as they were.
    """
    try:
        return _session(pytestconfig).stack
    except UsageError as error:
        raise pytest.UsageError(_in_pytest(str(error))) from None


@pytest.fixture
def rating_engine(rating_stack: Stack) -> RatingEngine:
    """A client of the engine's API: seeds accounts and rates, reads balances and records."""
    return rating_stack.engine


class RunScenario(Protocol):
    """What `run_scenario` gives."""

    def __call__(self, scenario: Scenario | Path | str, *, check: bool = True) -> Outcome: ...


@pytest.fixture
def run_scenario(pytestconfig: pytest.Config) -> RunScenario:
    """A function that runs a scenario, and so places calls: the path of a YAML file, or a `Scenario`.

    It returns `rating_harness.session.session.Outcome`, with evidence and verdict; and raises `ScenarioFailed`,
    unless it is given ``check=False``.
    """
    from rating_harness.session.dialects import load

    def run(scenario: Scenario | Path | str, *, check: bool = True) -> Outcome:
        __tracebackhide__ = True
        try:
            loaded = load(Path(scenario))[0] if isinstance(scenario, Path | str) else scenario
            outcome = _run_reported(pytestconfig, loaded)
        except HarnessError as error:
            raise error.with_traceback(None) from None
        if outcome.skipped is not None:
            pytest.skip(_in_pytest(outcome.skipped))
        if check and outcome.verdict is not None and not outcome.verdict.passed:
            raise ScenarioFailed(outcome, verbose=pytestconfig.option.verbose > 0)
        return outcome

    return run
