"""How far a session is, in a terminal's last line; nothing of it is left behind, and nothing is shown elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rating_harness.evidence.statistics import LoadProgress
from rating_harness.report import events
from rating_harness.report.presentation import title_of
from rating_harness.scenario.model import Scenario

__all__ = ["Progress", "counted"]


def counted(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


class Progress:
    """Scenarios that are over, of all; labs at work; calls made, of scenarios that are over; how far loads are.

    :param console: where the report's other lines go too: they are shown above.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._all = self._over = self._calls = 0
        self._running: dict[str, Scenario] = {}
        self._loads: dict[str, LoadProgress] = {}

    @property
    def text(self) -> str:
        """``3 of 12 scenarios, 2 labs at work, 14 calls: A call, Another call``."""
        labs = f"{counted(len(self._running), 'lab')} at work"
        titles = ", ".join(map(self._running_text, self._running.values()))
        said = f"{self._over} of {counted(self._all, 'scenario')}, {labs}, {counted(self._calls, 'call')}"
        return f"{said}: {titles}" if titles else said

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.SessionStarted(scenarios=scenarios):
                self._all = scenarios
                # Not where colours are forced on something else (FORCE_COLOR): it would keep each state of the line.
                if self._console.file.isatty() and not self._console.is_dumb_terminal:
                    self._live = Live(self._line, console=self._console, transient=True, refresh_per_second=4)
                    self._live.start()
            case events.ScenarioStarted(scenario=scenario):
                self._running[scenario.id] = scenario
            case events.LoadMoved(scenario=scenario, progress=progress):
                self._loads[scenario.id] = progress
            case events.ScenarioFinished(scenario=scenario, evidence=evidence):
                self._calls += sum(len(call_ids) for call_ids in evidence.call_ids.values())
                self._is_over(scenario)
            case events.ScenarioFailedToRun(scenario=scenario) | events.ScenarioSkipped(scenario=scenario):
                self._is_over(scenario)
            case events.SessionFinished():
                self._running.clear()
                if self._live is not None:
                    self._live.stop()
                    self._live = None
        if self._live is not None:
            self._live.update(self._line)

    def _is_over(self, scenario: Scenario) -> None:
        self._over += 1
        self._running.pop(scenario.id, None)
        self._loads.pop(scenario.id, None)

    def _running_text(self, scenario: Scenario) -> str:
        load = self._loads.get(scenario.id)
        return f"{title_of(scenario)} ({load})" if load else title_of(scenario)

    @property
    def _line(self) -> Text:
        return Text(self.text, style="dim", no_wrap=True, overflow="ellipsis")
