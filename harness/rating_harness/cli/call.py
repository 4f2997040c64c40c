"""The commands ``call``, one call now, and ``watch``, which runs what is saved."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rating_harness.cli.options import FAILED, LAB_AND_ENGINE, PASSED, call_options, command, lab_options, options_of
from rating_harness.errors import ScenarioError, UsageError

if TYPE_CHECKING:
    from rating_harness.report.events import Reporter
    from rating_harness.run.options import Options
    from rating_harness.scenario.model import Scenario
    from rating_harness.session.session import Outcome, Session

__all__ = ["call", "watch"]

_LAB = (*LAB_AND_ENGINE, "target", "persistent-lab")


@command()
@click.argument("caller", metavar="FROM")
@click.argument("callee", metavar="TO")
@call_options
@click.option(
    "--save", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Keep it as a scenario."
)
@lab_options(*_LAB)
@click.pass_context
def call(
    context: click.Context, /, caller: str, callee: str, kind: str | None, hold: str, save: Path | None, **lab: Any
) -> None:
    """Make one call, and show it: its messages, requests to the engine, and what it cost.

    FROM and TO are numbers; FROM has an account with enough balance. The exit status is 0 when all went as it should,
    1 when it didn't.

    Examples: rating-harness call 1000 39040123456 --hold 2s; rating-harness call 1000 39040123456 --busy
    """
    from rating_harness.report.failure import failure_text
    from rating_harness.report.terminal import console, show
    from rating_harness.session.call_template import CallTemplate
    from rating_harness.session.dialects import load

    template = CallTemplate.of(caller, callee, kind or "answered", hold)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory(prefix="rating-call-") as directory, _session(options_of(lab)) as session:
        path = save or Path(directory) / "call.yaml"
        path.write_text(template.text(), encoding="utf-8")
        (scenario,) = load(path)
        outcome = session.run(scenario)
        if outcome.evidence is None or outcome.verdict is None:
            click.echo(f"not run: {outcome.skipped}", err=True)
            context.exit(FAILED)
        shown = failure_text(scenario, outcome.evidence, outcome.verdict, outcome.folder)
        # Where it isn't saved, the file is removed before anybody can open it.
        show(shown if save is not None else shown.replace(path.as_posix(), path.name), console())
        for line in _costs(outcome):
            click.echo(line)
        click.echo(f"saved     {save}" if save is not None else "scenario  --save FILE keeps it")
        context.exit(PASSED if outcome.verdict.passed else FAILED)


def _costs(outcome: Outcome) -> Iterator[str]:
    """What each account paid."""
    after = outcome.evidence.after if outcome.evidence else None
    for record in after.transactions if after else ():
        if record.get("timestamp_end"):
            tag, fee, seconds = (record.get(name) for name in ("account_tag", "fee", "duration"))
            yield f"cost      {fee} of account {tag}, for {seconds} s"


@contextmanager
def _session(options: Options) -> Iterator[Session]:
    from rating_harness.session.persistent_lab import intended_use
    from rating_harness.session.session import Session
    from rating_harness.session.stored_runs import RunStore

    note = intended_use(options).note
    if note:
        click.echo(note, err=True)
    store = RunStore(options.evidence, lambda text: click.echo(f"WARNING  {text}", err=True))
    session = Session(options, store.store, store_not_run=store.store_not_run)
    try:
        yield session
    finally:
        session.close()


# --- watch ----------------------------------------------------------------------------------------------------------


@command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@lab_options(*_LAB)
def watch(paths: tuple[Path, ...], **lab: Any) -> None:
    """Run the scenarios in PATHS whose files are saved, as long as it isn't interrupted.

    The lab stays up in between. A scenario is run when its own file or one that it needs changes; mistakes in a file
    are shown, and it's tried again when it's saved the next time. A file that is removed may come back; where the
    directory itself is removed, it ends. A change of --kamailio-config runs all scenarios that have no configuration
    of their own, in a lab that is started anew.
    """
    from watchfiles import Change
    from watchfiles import watch as changes_below

    from rating_harness.report.terminal import Terminal
    from rating_harness.scenario.loader import existing

    options = options_of(lab)
    configuration = options.kamailio_config if options.image_config is None else None
    directories = {path if existing(path).is_dir() else path.parent for path in paths}
    if configuration is not None:
        directories.add(configuration if existing(configuration).is_dir() else configuration.parent)
    watched = _Watched(paths, configuration)
    with _session(options) as session:
        click.echo(f"waiting for a change in {', '.join(map(str, sorted(directories)))}; Ctrl-C ends it")
        for changes in changes_below(*directories, raise_interrupt=True):
            changed = {Path(path).resolve() for _, path in changes}
            if watched.is_reconfigured_by(changed):
                session.renew()
            scenarios = watched.affected_by(changed)
            for gone in sorted(Path(path) for change, path in changes if change is Change.deleted):
                if not gone.exists() and gone.suffix in (".yaml", ".yml", ".xml", ".cfg"):
                    click.echo(f"{gone.name} is gone")
            if scenarios:
                _run_all(session, scenarios, Terminal())
            if missing := [path for path in directories if not path.is_dir()]:
                raise UsageError("the directory that is watched is gone", where=str(missing[0]))


_OF_SCENARIOS = (".yaml", ".yml", ".xml", ".csv", ".swp", ".swx")
"""Ends of names that are no part of a configuration, where scenarios lie beside it, or an editor has its own."""


class _Watched:
    """The scenarios in some paths, and which files each of them was last seen to need."""

    def __init__(self, paths: Sequence[Path], configuration: Path | None = None) -> None:
        """:param configuration: Kamailio's, a file or a directory, of scenarios that have none of their own."""
        self._paths = paths
        self._configuration = None
        if configuration is not None:
            self._configuration = (configuration if configuration.is_dir() else configuration.parent).resolve()
        self._needed: dict[Path, frozenset[Path]] = {}
        for file in self._files():
            with suppress(ScenarioError):
                self._load(file)

    def affected_by(self, changed: Set[Path]) -> list[Scenario]:
        """Scenarios whose files have changed, or others that they need. Mistakes are shown.

        :param changed: absolute paths.
        """
        found: list[Scenario] = []
        mistakes: dict[str, None] = {}  # of a file that several scenarios need, once
        is_reconfigured = self.is_reconfigured_by(changed)
        for file in self._files():
            needed = self._needed.get(file, frozenset())
            try:
                scenarios = self._load(file)
            except ScenarioError as error:
                if changed & {file.resolve(), *needed}:
                    mistakes[str(error)] = None
                continue
            found += [
                each
                for each in scenarios
                if changed & _needed_by(each) or (is_reconfigured and each.kamailio.config is None)
            ]
        for text in mistakes:
            click.echo(f"{text}\n", err=True)
        return found

    def is_reconfigured_by(self, changed: Set[Path]) -> bool:
        where = self._configuration
        return where is not None and any(
            where in path.parents and path.suffix not in _OF_SCENARIOS for path in changed
        )

    def _files(self) -> list[Path]:
        """Those that are there now: an editor may write a file by removing it first."""
        from rating_harness.scenario.loader import scenario_files

        return scenario_files(path for path in self._paths if path.exists())

    def _load(self, file: Path) -> list[Scenario]:
        from rating_harness.session.dialects import load

        scenarios = load(file)
        self._needed[file] = frozenset().union(*map(_needed_by, scenarios))
        return scenarios


def _needed_by(scenario: Scenario) -> frozenset[Path]:
    from rating_harness.session.dialects import companions

    return frozenset(path.resolve() for path in (scenario.origin.file, *companions(scenario)))


def _run_all(session: Session, scenarios: Sequence[Scenario], reporter: Reporter) -> None:
    from rating_harness.errors import HarnessError
    from rating_harness.report import events
    from rating_harness.session.session import event_of

    started = time.time()
    for scenario in scenarios:
        began = time.time()
        try:
            reporter.on_event(event_of(session.run(scenario), time.time()))
        except HarnessError as error:
            reporter.on_event(events.ScenarioFailedToRun(time.time(), time.time() - began, scenario, error))
            session.renew()
    reporter.on_event(events.SessionFinished(time.time(), time.time() - started))
