"""Dialogs as Kamailio listed them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rating_harness.checks.format import asked
from rating_harness.checks.model import Case, Finding
from rating_harness.evidence.calls import Call
from rating_harness.scenario.model import DialogExpectation
from rating_harness.scenario.values import duration_text

__all__ = ["check_dialogs"]

_STATES = {"early": (2,), "confirmed_na": (3,), "confirmed": (4,), "deleted": (5,)}


def check_dialogs(case: Case) -> Iterator[Finding]:
    by_call_id = {dialog.call_id: dialog for dialog in case.evidence.dialogs}
    for index, expect in enumerate(case.scenario.expect.dialogs):
        for call in case.of(expect.call):
            yield from _dialog(case, index, expect, call, by_call_id.get(call.call_id))


def _dialog(case: Case, index: int, expect: DialogExpectation, call: Call, dialog: Any) -> Iterator[Finding]:
    def at(*key: str) -> dict[str, Any]:
        return {**asked(case.scenario, "dialogs", index, *key), "call_id": call.call_id}

    said = [key for key in ("timeout", "state") if getattr(expect, key) is not None]
    if expect.absent or (dialog is None and said):
        if expect.absent != (dialog is None):
            seen = "none was listed" if dialog is None else f"one, with a timeout of {dialog.lifetime} s"
            yield Finding(
                message=f"the dialog of call {call.id}",
                expected="none" if expect.absent else "one that Kamailio lists",
                seen=seen,
                **at("absent"),
            )
        return
    if dialog is not None and expect.timeout is not None and not expect.timeout.matches(dialog.lifetime):
        yield Finding(
            message=f"the timeout of the dialog of call {call.id}",
            expected=str(expect.timeout),
            seen=duration_text(dialog.lifetime),
            **at("timeout"),
        )
    if dialog is not None and expect.state is not None and not set(_STATES[expect.state]) & set(dialog.states):
        yield Finding(
            message=f"the dialog of call {call.id} was never in that state",
            expected=expect.state,
            seen=", ".join(map(str, dialog.states)),
            **at("state"),
        )
    if expect.gone is not None and case.evidence.dialogs_left is not None:
        gone = case.evidence.dialogs_left == 0
        if gone != expect.gone:
            yield Finding(
                message=f"the dialog of call {call.id} in the end",
                expected="gone" if expect.gone else "there",
                seen=f"{case.evidence.dialogs_left} active",
                **at("gone"),
            )
