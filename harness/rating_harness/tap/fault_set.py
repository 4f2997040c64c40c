"""The faults in force, and which of them a request meets."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

from rating_harness.errors import UsageError
from rating_harness.rating.request_texts import path_texts, texts_of
from rating_harness.tap.exchange import parse_json
from rating_harness.tap.faults import Fault, FaultState, RegexTimeout
from rating_harness.tap.messages import Request, parse_text

__all__ = ["FaultSet"]


class FaultSet:
    """An ordered list of faults, with what they have seen and done so far."""

    def __init__(self) -> None:
        self._states: dict[str, FaultState] = {}
        self._named = 0

    @property
    def states(self) -> tuple[FaultState, ...]:
        return tuple(self._states.values())

    @property
    def refusing(self) -> bool:
        """Whether connections are to be refused."""
        return any(state.fault.armed and state.fault.action.kind == "refuse" for state in self._states.values())

    def replace(self, faults: Sequence[Fault]) -> list[str]:
        """Have these faults and no others. Returns their ids."""
        self._states = self._named_states(faults, taken=())
        return list(self._states)

    def add(self, faults: Sequence[Fault]) -> list[str]:
        """Put these faults behind those there are. Returns their ids."""
        states = self._named_states(faults, taken=self._states)
        self._states |= states
        return list(states)

    def remove(self, fault_id: str | None = None) -> None:
        """Remove one fault, or all.

        :raises KeyError: there is none of that id.
        """
        if fault_id is None:
            self._states.clear()
        else:
            del self._states[fault_id]

    def arm(self, fault_id: str, armed: bool) -> None:
        """Put a fault in force, or out of it; its counts stay.

        :raises KeyError: there is none of that id.
        """
        state = self._states[fault_id]
        self._states[fault_id] = replace(state, fault=replace(state.fault, armed=armed))

    def choose(self, request: Request) -> Fault | None:
        """The fault that this request meets. Every fault it fits has seen it; the first in turn is applied.

        :raises RegexTimeout: naming the fault whose pattern can't be tried in time; it doesn't count as seen.
        """
        if not self._states:
            return None
        chosen: Fault | None = None
        body = parse_json(request.body)
        texts = texts_of(request.query, request.headers, parse_text(request.body) if body is None else body)
        for fault_id, state in self._states.items():
            fault = state.fault
            if not fault.armed or fault.action.kind == "refuse":
                continue
            try:
                within = path_texts(fault.path or "", request.path) or {}
                if not (fault.concerns(request.path) and fault.matches(body, {**texts, **within})):
                    continue
            except RegexTimeout as error:
                raise RegexTimeout(f"fault {fault_id}: {error.message}", hint=error.hint) from None
            seen, applied = state.seen + 1, state.applied
            in_turn = seen >= fault.nth and (fault.count is None or applied < fault.count)
            if in_turn and chosen is None:
                chosen, applied = fault, applied + 1
            self._states[fault_id] = FaultState(fault, seen, applied)
        return chosen

    def _named_states(self, faults: Sequence[Fault], taken: Container[str]) -> dict[str, FaultState]:
        states: dict[str, FaultState] = {}
        for fault in faults:
            if fault.id in taken or fault.id in states:
                raise UsageError(f"there is a fault {fault.id!r} already", hint="give it another id, or none")
            fault_id = fault.id
            while not fault_id or fault_id in taken or fault_id in states:
                self._named += 1
                fault_id = f"f{self._named}"
            states[fault_id] = FaultState(replace(fault, id=fault_id))
        return states
