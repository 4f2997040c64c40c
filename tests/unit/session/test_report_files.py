"""Reports whose disk is full: the run goes on, and what is lost is told once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.report import events
from rating_harness.session.report_files import REPORT_OPTIONS, report_files


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
@pytest.mark.parametrize("kind", [each for each in REPORT_OPTIONS if each not in ("pcap", "durations")])
def test_one_that_cant_be_written_is_told_and_harms_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    fine = tmp_path / "fine"
    lost, kept = report_files({kind: Path("/dev/full")}) + report_files({kind: fine})
    for event in (events.SessionStarted(1.0, 0, 1, "local"), events.SessionFinished(2.0, 0.0)):
        for reporter in (lost, kept):
            reporter.on_event(event)
    assert capsys.readouterr().err == (
        f"WARNING  the file of --{kind}, /dev/full, can't be written: No space left on device\n"
    )
    assert fine.stat().st_size > 0
