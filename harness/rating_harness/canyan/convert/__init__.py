"""A canyan-tester file in the native language, with comments for what had to be guessed or left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rating_harness.canyan.convert.calls import convert_workers
from rating_harness.canyan.convert.checks import convert_checks
from rating_harness.canyan.convert.given import convert_setup
from rating_harness.canyan.convert.text import Draft, text_of
from rating_harness.canyan.model import CanyanScenario

__all__ = ["Converted", "convert"]


@dataclass(frozen=True, slots=True)
class Converted:
    """:param files: SIPp scenarios to be stored beside it, by name."""

    text: str
    files: Mapping[str, str]


def convert(scenario: CanyanScenario) -> Converted:
    """The native form of a file, and the SIPp scenarios that it needs."""
    file, draft = scenario.canyan, Draft(scenario.origin.file)
    convert_setup(file.setup, draft)
    call_ids = convert_workers(scenario, draft)
    convert_checks(file.check, call_ids, draft)
    if file.teardown:
        draft.leave_out("the teardown: the harness removes what is given")
    return Converted(text_of(draft), draft.files)
