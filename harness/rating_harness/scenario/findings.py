"""What the checks of a whole scenario find."""

from __future__ import annotations

from dataclasses import dataclass

from rating_harness.scenario.nodes import ValuePath

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake at a value, before it is known where in the file that is."""

    path: ValuePath
    message: str
    hint: str = ""
    at_key: bool = False
    """Whether it's the key that is wrong, not its value."""
