"""How long a scenario takes, as far as it tells."""

from __future__ import annotations

from pathlib import Path

from rating_harness.scenario.foreseen import takes, waits
from tests.builders import scenario_of

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456", hangup: never, expect: {duration: %s}}]\n'


def test_what_the_clock_skips_takes_no_time(tmp_path: Path) -> None:
    """A broken limit that is waited for takes seconds, and not the day that was skipped."""
    short = scenario_of(tmp_path / "a.yaml", CALL % "10s")
    skipped = scenario_of(tmp_path / "b.yaml", CALL % "10s" + "clock: {skip: 5s, when: ana is answered}\n")
    assert takes(short) - takes(skipped) == 5.0
    assert waits(short) == waits(skipped)
