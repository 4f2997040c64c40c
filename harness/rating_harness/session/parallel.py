"""Several sessions side by side, each with a lab of its own: the command's counterpart of pytest-xdist."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from rating_harness.coverage.data import Coverage
from rating_harness.deadline import Deadline
from rating_harness.errors import HarnessError
from rating_harness.report import events
from rating_harness.run.options import Options
from rating_harness.scenario.model import Scenario
from rating_harness.session.pace import longest_first, room_for
from rating_harness.session.session import Session, event_of
from rating_harness.session.stored_runs import Store, StoreNotRun

__all__ = ["ParallelSessions"]

_LEAVING = 20.0
"""Seconds that labs may take to be taken down, and one to be brought up before that, when the run is interrupted."""


class ParallelSessions:
    """Runs scenarios on as many labs as there are ``jobs``, and reports to ``reporters``."""

    def __init__(
        self,
        options: Options,
        store: Store,
        reporters: Sequence[events.Reporter],
        jobs: int,
        store_not_run: StoreNotRun = lambda scenario, error, log: None,
        *,
        watch_loads: bool = False,
        durations: Mapping[str, float] | None = None,
    ) -> None:
        """:param watch_loads: whether the reporters are told how far a load is, once a second.
        :param durations: seconds by a scenario's id, as far as they are known: of several, the longest go first.
        """
        self._options = options
        self._store = store
        self._store_not_run = store_not_run
        self._reporters = reporters
        self._jobs = jobs
        self._watch_loads = watch_loads
        self._durations = durations or {}
        self._reporting = threading.Lock()
        self._stopped = threading.Event()
        self._interrupted = threading.Event()
        self._lab_is_reported = False
        self._is_told = False
        self._crashes: list[BaseException] = []
        self.passed = True
        self.ran = 0
        self.coverage = Coverage()

    def run(self, scenarios: Sequence[Scenario]) -> bool:
        """Run them all. Returns whether every one that wasn't skipped passed, and at least one did.

        Ctrl-C ends it: scenarios under way are left, and their labs taken down; the reporters hear what has ended
        until then.
        """
        started = time.time()
        self._report(events.SessionStarted(started, len(scenarios), self._options.seed, self._options.lab))
        waiting: queue.SimpleQueue[Scenario] = queue.SimpleQueue()
        jobs = min(self._jobs, len(scenarios)) or 1
        in_order = longest_first(scenarios, lambda each: each, self._durations) if jobs > 1 else scenarios
        for scenario in in_order:
            waiting.put(scenario)
        await_room = room_for(jobs)
        ended = [threading.Event() for _ in range(jobs)]
        workers = [
            threading.Thread(target=self._work_until_the_end, args=(each, waiting, await_room), daemon=True)
            for each in ended
        ]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                while worker.is_alive():
                    worker.join(0.2)
        except KeyboardInterrupt:
            self._interrupted.set()
            self._stopped.set()
            leaving = Deadline(_LEAVING)
            for each in ended:  # Python 3.11 takes a thread whose `join` was interrupted for one that has ended
                each.wait(leaving.remaining)
            self._report_end(started, interrupted=True)
            raise
        self._report_end(started, interrupted=bool(self._crashes))
        if self._crashes:
            raise self._crashes[0]
        return self.passed and self.ran > 0

    def _work_until_the_end(
        self, ended: threading.Event, waiting: queue.SimpleQueue[Scenario], await_room: Callable[[], None]
    ) -> None:
        try:
            self._work(waiting, await_room)
        finally:
            ended.set()

    def _work(self, waiting: queue.SimpleQueue[Scenario], await_room: Callable[[], None]) -> None:
        session = Session(self._options, self._store, store_not_run=self._store_not_run)
        session.is_interrupted = self._interrupted.is_set
        try:
            while not self._stopped.is_set():
                try:
                    scenario = waiting.get_nowait()
                except queue.Empty:
                    return
                await_room()
                if self._interrupted.is_set():
                    return
                self._run(session, scenario)
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            self._crashes.append(error)
            self._stopped.set()
        finally:
            session.close()
            with self._reporting:
                self.coverage.merge(session.coverage)

    def _run(self, session: Session, scenario: Scenario) -> None:
        started = time.time()
        self._report(events.ScenarioStarted(started, scenario))
        # A lab that can't be brought up is told, and its evidence stored, by the scenario that needs it.
        with suppress(HarnessError):
            self._report_lab(session, started)
        if self._watch_loads:
            session.tell_load = lambda progress: self._report(events.LoadMoved(progress.at, scenario, progress))
        try:
            outcome = session.run(scenario)
        except HarnessError as error:
            self.passed = False
            self._report(events.ScenarioFailedToRun(time.time(), time.time() - started, scenario, error))
            return
        if outcome.verdict is not None:
            self.ran += 1
            self.passed = self.passed and outcome.verdict.passed
        self._report(event_of(outcome, time.time()))

    def _report_lab(self, session: Session, started: float) -> None:
        lab = session.stack.description
        with self._reporting:
            reported, self._lab_is_reported = self._lab_is_reported, True
        if not reported:
            self._report(events.LabUp(time.time(), time.time() - started, lab))

    def _report_end(self, started: float, *, interrupted: bool) -> None:
        self._report(events.SessionFinished(time.time(), time.time() - started, interrupted))
        self._is_told = True

    def _report(self, event: events.Event) -> None:
        with self._reporting:
            for reporter in [] if self._is_told else self._reporters:
                reporter.on_event(event)
