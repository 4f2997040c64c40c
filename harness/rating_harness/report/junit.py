"""What is worth keeping of a run in a JUnit file, as its properties."""

from __future__ import annotations

from pathlib import Path

from rating_harness.evidence.model import Evidence
from rating_harness.evidence.statistics import statistics_of

__all__ = ["junit_properties"]


def junit_properties(evidence: Evidence, folder: Path | None = None) -> list[tuple[str, str]]:
    """Name and value of each: what the lab says of itself (driver, versions, seed), calls, p95 of the set-up time."""
    figures = statistics_of(evidence)
    lab = {name: value for name, value in evidence.lab.items() if name != "token"}
    properties = [(name if name == "seed" else f"lab.{name}", value) for name, value in lab.items()]
    properties += [("calls", str(figures.calls)), ("calls.answered", str(figures.answered))]
    if figures.setup_p95 is not None:
        properties.append(("setup.p95", f"{figures.setup_p95:.3f}"))
    if folder is not None:
        properties.append(("evidence", str(folder)))
    return properties
