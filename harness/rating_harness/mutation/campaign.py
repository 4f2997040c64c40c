"""Runs scenarios against mutants, on labs side by side: the only module here with side effects."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rating_harness.contract import CONTRACT
from rating_harness.coverage.data import Coverage
from rating_harness.coverage.points import Probe, instrument
from rating_harness.errors import HarnessError, PlanError, ServiceDied, UsageError
from rating_harness.kamailio_config.parser import load
from rating_harness.kamailio_config.positions import Source
from rating_harness.kamailio_config.preprocessor import version_defines
from rating_harness.kamailio_config.tree import Configuration, If, Node, While, walk
from rating_harness.lab.files import data_directory
from rating_harness.mutation.answers import Sabotage
from rating_harness.mutation.mutants import Mutant, applied
from rating_harness.mutation.operators import mutants_of
from rating_harness.mutation.results import Result, Store
from rating_harness.mutation.selection import Row, Statements, statement_key
from rating_harness.plan.planner import speaks_tls
from rating_harness.run.kamailio import LAB_DEFINES
from rating_harness.run.options import Options
from rating_harness.scenario.faults import Fault
from rating_harness.scenario.foreseen import takes
from rating_harness.scenario.model import Scenario
from rating_harness.session.pace import longest_first, room_for
from rating_harness.session.session import Outcome, Session

__all__ = ["Campaign", "Subject", "Trial", "changed_lines", "chosen", "installed_version", "runs_subject"]

PATIENCE = 12.0
"""Seconds that a scenario may take on a mutant: a broken call may never end by itself."""

_SHAKY = re.compile(r"duration|running|setup|lifetime|timeout|limit|calls were made|kamailio")
"""Checks that a busy machine may fail: a kill by nothing else is tried once more."""

Trial = Mutant | Sabotage
Progress = Callable[[Trial, Result], None]


@dataclass(frozen=True)
class Subject:
    """The configuration under test: its files and its trees, one for each set of defines that a scenario wants."""

    directory: Path
    main: Path
    trees: tuple[Configuration, ...]
    version: str
    is_own: bool
    """Whether it's the project's own, which runs with the lab's defines."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """By scenario: which of the trees is the one that it starts Kamailio with."""

    @classmethod
    def of(cls, options: Options, scenarios: Sequence[Scenario], version: str) -> Subject:
        """:raises ConfigurationError: it can't be parsed."""
        path = _subject_path(options)
        main = path / "kamailio.cfg" if path.is_dir() else path
        is_own = options.kamailio_config is None
        sets = [_values(_defines(options, each)) for each in scenarios]
        first = load(main, {**version_defines(version), **(sets[0] if sets else {})})
        deciding = _names_in_conditions(first)
        names = [json.dumps({n: v for n, v in each.items() if n in deciding}, sort_keys=True) for each in sets]
        distinct = dict(zip(reversed(names), reversed(sets), strict=True))
        order = {name: number for number, name in enumerate(dict.fromkeys(names))}
        trees = [load(main, {**version_defines(version), **distinct[name]}) for name in order]
        numbers = {scenario.id: order[name] for scenario, name in zip(scenarios, names, strict=True)}
        return cls(main.parent, main, tuple(trees) or (first,), version, is_own, numbers)

    @cached_property
    def sources(self) -> dict[str, Source]:
        return {name: source for tree in self.trees for name, source in tree.sources.items()}

    @cached_property
    def mutants(self) -> tuple[Mutant, ...]:
        return mutants_of(*self.trees)

    @cached_property
    def statements(self) -> Statements:
        keys: dict[tuple[str, int, int], str] = {}
        numbers: dict[tuple[str, str], int] = {}
        coverage = Coverage()
        for tree in self.trees:
            coverage.add_points(instrument(tree))
        for place, line in sorted(coverage.lines.items()):
            text = self.sources[line.file].line(line.line)[line.column - 1 :]
            numbers[line.route, text] = numbers.get((line.route, text), -1) + 1
            keys[place] = statement_key(line.route, text, numbers[line.route, text])
        return Statements(keys, self._starts, self._guarded)

    @property
    def _guarded(self) -> Mapping[tuple[str, int, int], frozenset[tuple[str, int, int]]]:
        """What runs only where a condition says so, by the place of its ``if`` or ``while``."""
        found: dict[tuple[str, int, int], frozenset[tuple[str, int, int]]] = {}
        for tree in self.trees:
            for node in walk(tree):
                if isinstance(node, If | While):
                    bodies = (node.then, node.otherwise) if isinstance(node, If) else (node.body,)
                    places = frozenset(_place(each) for body in bodies if body is not None for each in walk(body))
                    found[_place(node)] = found.get(_place(node), frozenset()) | places
        return found

    @property
    def _starts(self) -> Mapping[tuple[str, int], frozenset[int]]:
        """What is read at the start, by file and line: the trees that have it."""
        found: dict[tuple[str, int], set[int]] = {}
        for number, tree in enumerate(self.trees):
            for item in (*tree.items, *tree.directives):
                found.setdefault((item.span.file, item.span.start.line), set()).add(number)
        return {place: frozenset(numbers) for place, numbers in found.items()}

    def words(self, mutant: Mutant) -> str:
        """What is changed, before and after, and the lines where that begins: the part of a long statement."""
        changed = [f"{edit.span.text(self.sources)} {edit.text}" for edit in mutant.edits]
        lines = [self.sources[edit.span.file].line(edit.span.start.line).strip() for edit in mutant.edits]
        return " ".join([*changed, *lines])

    def files(self, mutant: Mutant | None = None) -> dict[str, str]:
        """All files by their names below the directory, as the mutant has them."""
        texts = {name: source.text for name, source in self.sources.items()}
        texts |= applied(mutant, self.sources) if mutant else {}
        return {self.name(file): text for file, text in texts.items()}

    def changes(self, mutant: Mutant) -> dict[str, str]:
        return {self.name(file): text for file, text in applied(mutant, self.sources).items()}

    def name(self, file: str) -> str:
        """Below ``/etc/kamailio``."""
        path = Path(file)
        return "kamailio.cfg" if path == self.main else path.relative_to(self.directory).as_posix()

    def key(self, trial: Trial | None = None) -> str:
        """Of what is tried: another configuration, or another Kamailio, has another key."""
        digests = self._digests
        if isinstance(trial, Mutant):
            digests = digests | {name: _digest(text) for name, text in self.changes(trial).items()}
        more = trial.id if isinstance(trial, Sabotage) else ""
        return _digest(json.dumps([self.version, more, sorted(digests.items())]))

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {name: _digest(text) for name, text in self.files().items()}


@dataclass
class Campaign:
    """Tries mutants with as many labs as there are ``jobs``.

    :param home: where what is known is stored.
    :param most: scenarios for one mutant, at most.
    :param echo: called with a line for a person.
    :param thorough: a mutant that survives those is tried with all the others that reach it.
    """

    options: Options
    scenarios: Sequence[Scenario]
    home: Path
    jobs: int
    most: int
    echo: Callable[[str], None]
    thorough: bool = False
    _rows: dict[str, Row] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kills: dict[str, Counter[str]] = field(default_factory=dict)
    """By route, and by "" for all of them: how many mutants each scenario killed."""
    _least: dict[str, float] = field(default_factory=dict)
    """By scenario: the fewest seconds that it took on a mutant which it didn't notice."""
    _passing: dict[str, bool] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_id = {scenario.id: scenario for scenario in self.scenarios}
        self._hashes = {scenario.id: _digest(_said(scenario)) for scenario in self.scenarios}

    @property
    def names(self) -> dict[str, str]:
        """The hash of each scenario -> its id."""
        return {digest: identity for identity, digest in self._hashes.items()}

    # --- what scenarios execute -------------------------------------------------------------------------------------

    def measure(self, subject: Subject, *, reuse: bool) -> None:
        """Run each scenario once on the configuration as it is, unless that's known already.

        :param reuse: what is known of an older version of the configuration will do.
        :raises HarnessError: no lab could be had.
        """
        known = self._read_rows()
        config = subject.key()
        missing = [
            each
            for each in self.scenarios
            if (found := known.get(each.id)) is None
            or found["hash"] != self._hashes[each.id]
            or found["passed"] is False  # a busy machine may have been the reason
            or not (reuse or found["config"] == config)
        ]
        if missing:
            self.echo(f"{len(missing)} scenarios are run once, to see what each executes")
            places = subject.statements.keys
            options = replace(self.options, coverage=True)
            seconds = {name: found["seconds"] for name, found in known.items() if found["seconds"]}
            missing = longest_first(missing, lambda each: each, seconds)
            self._in_parallel(
                missing, options, lambda session, each: self._measure(session, each, places, config, known)
            )
            self._write_rows(known)
        for each in self.scenarios:
            found = known.get(each.id)
            if found is not None and found["passed"]:
                self._rows[each.id] = Row(
                    each.id,
                    found["seconds"],
                    frozenset(found["statements"]),
                    frozenset(found["requests"]),
                    _expectations(each),
                    found["config"] == config,
                    subject.numbers.get(each.id, 0),
                    frozenset(_defines(self.options, each)),
                    frozenset(re.findall(r"[A-Za-z0-9_]+", _texts(each))),
                    each.clock is not None,
                    bool(each.expect.rpc),
                )
        failing = [each.id for each in self.scenarios if each.id in known and known[each.id]["passed"] is False]
        if failing:
            self.echo("left out, since they fail on the configuration as it is: " + ", ".join(failing))

    def _measure(
        self,
        session: Session,
        scenario: Scenario,
        places: Mapping[tuple[str, int, int], str],
        config: str,
        known: dict[str, Any],
    ) -> None:
        before = known.get(scenario.id)
        entry: dict[str, Any] = {"hash": self._hashes[scenario.id], "config": config, "passed": None, "seconds": 0.0}
        try:
            outcome = session.run(scenario)
        except HarnessError as error:
            self.echo(f"{scenario.id}: {error.message}")
            return
        statements: list[str] = []
        requests: set[str] = set()
        if outcome.verdict is not None and outcome.evidence is not None:
            hits: Mapping[Probe, int] = session.coverage.contexts.get(scenario.id, {})
            ran = [_absolute(place) for place, line in session.coverage.lines.items() if hits.get(line.probe)]
            statements = [places[place] for place in ran if place in places]
            words = CONTRACT.paths.words
            requests = {words[each.kind] for each in outcome.evidence.exchanges if each.kind in words}
            seconds = outcome.seconds
            if before is not None and before["hash"] == entry["hash"] and before["passed"] and outcome.verdict.passed:
                seconds = min(seconds, before["seconds"])  # a busy machine makes it longer, and nothing shorter
            entry |= {"passed": outcome.verdict.passed, "seconds": seconds}
        with self._lock:
            known[scenario.id] = {**entry, "statements": statements, "requests": sorted(requests)}

    def _read_rows(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.home / "rows.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def _write_rows(self, rows: Mapping[str, Any]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        temporary = self.home / "rows.json.new"
        temporary.write_text(json.dumps(rows), encoding="utf-8")
        temporary.replace(self.home / "rows.json")

    # --- mutants ----------------------------------------------------------------------------------------------------

    def run(
        self, subject: Subject, trials: Iterable[Trial], progress: Progress, *, until: float | None = None
    ) -> list[Result]:
        """Try them, in this order, and say what became of each.

        :param until: no new one is begun after that, on the monotonic clock; nor is a survivor tried any further.
        :raises KeyboardInterrupt: after the labs were taken down; what was found until then is in the store.
        """
        store = Store.open(self.home / "results.jsonl")
        trials = list(trials)
        self._least = {}
        statements, results = subject.statements, list[Result]()
        self._kills = {"": Counter(store.kills())}
        for trial in trials:
            known = store.find(trial.id, subject.key(trial))
            if known is not None:
                self._note_kill(trial, known, everywhere=False)

        def attempt(session: Session, trial: Trial) -> None:
            if until is not None and time.monotonic() > until:
                return
            result = self._known(store, subject, trial, statements)
            if result is None:
                before = store.find(trial.id, subject.key(trial))
                result = self._try(session, subject, trial, statements, before, until)
                with self._lock:
                    store.add(result)
            with self._lock:
                results.append(result)
                self._note_kill(trial, result)
                progress(trial, result)

        try:
            self._in_parallel(trials, self.options, attempt)
        finally:
            self._keep_least_seconds()
        return results

    def _keep_least_seconds(self) -> None:
        """Of scenarios that took less time on a mutant, and passed, than ever before."""
        known = self._read_rows()
        sooner = {
            name: seconds
            for name, seconds in self._least.items()
            if name in known and known[name]["hash"] == self._hashes[name] and seconds < known[name]["seconds"]
        }
        if sooner:
            self._write_rows({**known, **{name: {**known[name], "seconds": sooner[name]} for name in sooner}})

    def _note_kill(self, trial: Trial, result: Result, *, everywhere: bool = True) -> None:
        if result.status == "killed" and result.by:
            self._kills.setdefault(trial.route, Counter())[result.by] += 1
            if everywhere:
                self._kills[""][result.by] += 1

    def _candidates(self, trial: Trial) -> list[Row]:
        rows = list(self._rows.values())
        if isinstance(trial, Sabotage):
            plain = {each.id for each in self.scenarios if not each.faults and each.load is None}
            rows = [row for row in rows if row.scenario in plain]
        return rows

    def _reaching(self, subject: Subject, statements: Statements, trial: Trial) -> int:
        words = subject.words(trial) if isinstance(trial, Mutant) else ""
        return len(statements.reaching(trial, self._candidates(trial), words))

    def _rows_for(self, subject: Subject, statements: Statements, trial: Trial) -> tuple[Row, ...]:
        rows = self._candidates(trial)
        with self._lock:
            here, all_of_them = self._kills.get(trial.route, Counter()), self._kills.get("", Counter())
            # A scenario that noticed something in this route is likely to notice more there.
            kills = {
                row.scenario: here[row.scenario] + all_of_them[row.scenario] / (1000 * (1 + row.seconds))
                for row in rows
            }
        words = subject.words(trial) if isinstance(trial, Mutant) else ""
        return statements.rows_for(trial, rows, kills, self.most, words)

    def _known(self, store: Store, subject: Subject, trial: Trial, statements: Statements) -> Result | None:
        result = store.find(trial.id, subject.key(trial))
        if result is None:
            return None
        rows = self._rows_for(subject, statements, trial)
        if self.thorough and result.status == "survived":
            rows = (*rows, *self._further(subject, statements, trial, rows))
        hashes = [self._hashes[row.scenario] for row in rows]
        return result if result.holds(hashes or list(result.rows)) else None

    def _further(
        self, subject: Subject, statements: Statements, trial: Trial, rows: Sequence[Row]
    ) -> tuple[Row, ...]:
        """All others that reach it, in an order in which what is likelier to notice it comes first."""
        words = subject.words(trial) if isinstance(trial, Mutant) else ""
        candidates = self._candidates(trial)
        ordered = statements.rows_for(trial, candidates, {}, len(candidates), words)
        others = sorted(statements.reaching(trial, candidates, words), key=lambda row: (row.seconds, row.scenario))
        return tuple(row for row in dict.fromkeys((*ordered, *others)) if row not in rows)

    def _try(
        self,
        session: Session,
        subject: Subject,
        trial: Trial,
        statements: Statements,
        before: Result | None,
        until: float | None,
    ) -> Result:
        """:param before: what is known of the same change: scenarios that passed on it aren't run again."""
        started = time.monotonic()
        rows = self._rows_for(subject, statements, trial)
        found = Result(
            trial.id,
            subject.key(trial),
            "survived" if rows else "unreached",
            tuple(self._hashes[row.scenario] for row in rows),
            reaching=self._reaching(subject, statements, trial),
        )
        if isinstance(trial, Mutant) and rows:
            files = {name: text.encode("utf-8", "surrogateescape") for name, text in subject.files(trial).items()}
            refused = session.stack.programs.refuses(files, _defines(self.options, self._by_id[rows[0].scenario]))
            if refused is not None:
                return replace(found, status="invalid", said=_last(refused), seconds=time.monotonic() - started)
        changes = subject.changes(trial) if isinstance(trial, Mutant) else {}
        passed = dict.fromkeys(before.rows if before is not None and before.status == "survived" else ())
        further = self._further(subject, statements, trial, rows) if self.thorough else ()
        for number, row in enumerate((*rows, *further)):
            is_late = self._stop.is_set() or (until is not None and time.monotonic() > until)
            if number >= len(rows) and is_late:
                break  # the next run goes on here
            if self._hashes[row.scenario] in passed:
                continue
            session.change(changes)
            seen = self._kill(session, self._by_id[row.scenario], trial)
            if seen is not None and (row.is_current or self._passes(session, row.scenario)):
                check, said = seen
                found = replace(
                    found,
                    status="killed",
                    by=row.scenario,
                    row=self._hashes[row.scenario],
                    check=check,
                    said=said,
                )
                break
            passed[self._hashes[row.scenario]] = None
        if found.status == "survived":
            found = replace(found, rows=tuple(dict.fromkeys((*found.rows, *passed))))
        return replace(found, seconds=round(time.monotonic() - started, 2))

    def _passes(self, session: Session, name: str) -> bool:
        """Whether a scenario passes on the configuration as it is now: what was measured on an older one may not."""
        with self._lock:
            known = self._passing.get(name)
        if known is not None:
            return known
        session.change({})
        try:
            verdict = session.run(self._by_id[name]).verdict
            passes = verdict is not None and verdict.passed
        except HarnessError:
            passes = False
        with self._lock:
            if not passes and name not in self._passing:
                self.echo(f"{name} fails on the configuration as it is: what it says of a mutant doesn't count")
            self._passing[name] = passes
        return passes

    def _kill(self, session: Session, scenario: Scenario, trial: Trial) -> tuple[str, str] | None:
        """Which check saw it, and what; None where the scenario passes all the same."""
        seen = self._look(session, scenario, trial)
        if seen is not None and _SHAKY.search(seen[0]):
            seen = self._look(session, scenario, trial)
        return seen

    def _look(self, session: Session, scenario: Scenario, trial: Trial) -> tuple[str, str] | None:
        changes: dict[str, Any] = {"timeout": scenario.timeout or max(PATIENCE, takes(scenario) + PATIENCE / 2)}
        if isinstance(trial, Sabotage):
            changes["faults"] = (*scenario.faults, Fault.model_validate(trial.whole))
        limited = scenario.model_copy(update=changes)
        try:
            outcome = session.run(limited)
        except ServiceDied as error:
            return ("start" if "starting" in error.message else "died"), error.message
        except (PlanError, UsageError):
            return None
        except HarnessError as error:
            session.renew()
            try:
                outcome = session.run(limited)
            except ServiceDied as second:
                return ("start" if "starting" in second.message else "died"), second.message
            except HarnessError:
                return "lab", error.message
        if outcome.verdict is not None and outcome.verdict.passed:
            with self._lock:
                self._least[scenario.id] = min(outcome.seconds, self._least.get(scenario.id, outcome.seconds))
        return _first_finding(outcome)

    # --- labs -------------------------------------------------------------------------------------------------------

    def _in_parallel(self, work: Sequence[Any], options: Options, do: Callable[[Session, Any], None]) -> None:
        waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for each in work:
            waiting.put(each)

        labs = min(self.jobs, len(work))
        await_room = room_for(labs)

        def worker() -> None:
            session = Session(options, _forget, alone=True, again=False)
            try:
                for each in _taken(waiting, self._stop):
                    await_room()
                    do(session, each)
            except BaseException as error:  # noqa: BLE001 - raised in the main thread
                self._failures.append(error)
                self._stop.set()
            finally:
                session.close()

        threads = [threading.Thread(target=worker, daemon=True) for _ in range(labs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
        except KeyboardInterrupt:
            self._stop.set()
            for thread in threads:
                thread.join()
            raise
        if self._failures:
            raise self._failures[0]


def _taken(waiting: queue.SimpleQueue[Any], stop: threading.Event) -> Iterator[Any]:
    while not stop.is_set():
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return


def _forget(plan: object, evidence: object, verdict: object) -> None:
    """Evidence of mutants isn't kept."""


def _first_finding(outcome: Outcome) -> tuple[str, str] | None:
    if outcome.verdict is None:
        return None
    # A fault that met no request proves nothing, here either.
    findings = [each for each in outcome.verdict.findings if not each.check.startswith("faults")]
    findings.sort(key=lambda each: bool(_SHAKY.search(each.check)))
    if not findings:
        return None
    first = findings[0]
    return first.check, f"{first.message}: expected {first.expected}, seen {first.seen}"


def _subject_path(options: Options) -> Path:
    return (options.kamailio_config or data_directory("kamailio")).absolute()


def runs_subject(options: Options, scenario: Scenario) -> bool:
    """Whether it runs the configuration under test, or names that as its own: without a lab's defines."""
    named = scenario.kamailio.config
    return named is None or (scenario.origin.file.parent / named).resolve() == _subject_path(options).resolve()


def _names_in_conditions(tree: Configuration) -> frozenset[str]:
    """The defines on which it depends which lines are left in."""
    conditions = [each for each in tree.directives if each.kind in ("ifdef", "ifndef", "ifexp")]
    return frozenset(re.findall(r"\w+", " ".join(f"{each.name} {each.value or ''}" for each in conditions)))


def _defines(options: Options, scenario: Scenario) -> dict[str, str]:
    """Those of Kamailio's command line, when it is started for a scenario."""
    own = options.kamailio_config is None and scenario.kamailio.config is None
    tls = {"WITH_TLS": ""} if speaks_tls(scenario) else {}
    said = {name: str(value) for name, value in scenario.kamailio.defines.items()}
    return {**(LAB_DEFINES if own else {}), **tls, **options.defines, **said}


def _said(value: object) -> str:
    """What a scenario, or a part of one, says: it stays the same where the language learns a further word."""
    if isinstance(value, BaseModel):
        return _said({name: getattr(value, name) for name in sorted(value.model_fields_set)})
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_said(each)}' for name, each in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_said, value))}]"
    return repr(value)


def _texts(scenario: Scenario) -> str:
    """All that it expects, of its calls and of it all, but for settings, which no statement changes."""
    whole = scenario.expect.model_copy(update={"rpc": ()})
    return " ".join(map(_said, (whole, *(call.expect for call in scenario.calls))))


def _expectations(scenario: Scenario) -> int:
    """How many things a scenario expects of its calls, and of it all; of settings nothing is counted."""
    of_calls = sum(len(call.expect.model_fields_set) for call in scenario.calls if call.expect is not None)
    whole = [getattr(scenario.expect, name) for name in scenario.expect.model_fields_set - {"rpc"}]
    return 1 + of_calls + sum(len(each) if isinstance(each, tuple) else 1 for each in whole)


def _values(defines: Mapping[str, str]) -> dict[str, str | None]:
    return {name: value or None for name, value in defines.items()}


def _absolute(place: tuple[str, int, int]) -> tuple[str, int, int]:
    """Coverage has paths as a person sees them from here."""
    return (os.path.normpath(Path(place[0]).absolute()), place[1], place[2])


def _last(text: str) -> str:
    critical = [line for line in text.splitlines() if "CRITICAL" in line or "ERROR" in line]
    return (critical or text.splitlines() or [""])[0][-200:]


def _place(node: Node) -> tuple[str, int, int]:
    return (node.span.file, node.span.start.line, node.span.start.column)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def changed_lines(directory: Path, revision: str) -> dict[str, frozenset[int]]:
    """Lines of the configuration's files that are new or other since a revision of git, by absolute path.

    :raises UsageError: git can't say.
    """
    command = ["git", "-C", str(directory), "diff", "--unified=0", "--no-color", "--relative", revision, "--", "."]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        found = (getattr(error, "stderr", "") or str(error)).strip()
        raise UsageError(
            f"git can't say what has changed since {revision}", where=str(directory), found=found
        ) from None
    lines: dict[str, set[int]] = {}
    file = ""
    for line in done.stdout.splitlines():
        if line.startswith("+++ "):
            file = str(directory / line[4:].removeprefix("b/"))
        elif match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(match[1]), int(match[2] or 1)
            lines.setdefault(file, set()).update(range(first, first + count))
    return {name: frozenset(numbers) for name, numbers in lines.items()}


def installed_version(options: Options, home: Path) -> str:
    """Kamailio's version; found out once for each origin, since a lab has to be brought up for that.

    :raises HarnessError: no lab could be had.
    """
    file = home / "versions.json"
    try:
        known: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    origin = " ".join([options.lab, options.kamailio or "default", *options.packages])
    if origin not in known:
        session = Session(options, _forget, alone=True, again=False)
        try:
            known[origin] = session.stack.programs.kamailio
        finally:
            session.close()
        home.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(known), encoding="utf-8")
    return known[origin]


def chosen(trials: Sequence[Trial], *, sample: int | None, seed: int, shuffled: bool) -> list[Trial]:
    """All of them, or a sample: for the same seed the same ones in the same order, whichever others there are."""
    if sample is None and not shuffled:
        return list(trials)
    in_order = sorted(trials, key=lambda trial: hashlib.sha256(f"{seed} {trial.id}".encode()).digest())
    return in_order[:sample]
