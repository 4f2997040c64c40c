"""Kamailio's tables of calls (module htable), and what may stay in them when a call is over.

Source: docs/integration.md, and the comment above the tables in rating.cfg.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

__all__ = [
    "HANGING_UP",
    "PREFIX",
    "STATES",
    "Entry",
    "call_of",
    "calls_in",
    "earliest_due",
    "left_over",
    "of_a_scenario",
    "overstayed",
]

PREFIX = "rating_"
"""What the names of the tables begin with that belong to rating.cfg."""

STATES = "rating_state"
"""Table of the state that each call is in."""

_OVER = frozenset({"ended", "failed"})
"""States of a call that is over. They are kept for 30 s, so that what comes late is known for that."""

_WITH_THE_STATE = frozenset({STATES, "rating_cseq", "rating_key", "rating_byes"})
"""Tables whose entries are kept as long as the state is."""

_WAITING = {
    "rating_later": "waits to be hung up, or for its end to be tried again",
    "rating_overdue": "waits for the agent's answer",
    "rating_end": "has an end that the agent hasn't taken",
    "rating_request": "has a request under way",
    "rating_account": "holds its account",
    "rating_dialog": "has a dialog",
    "rating_begin": "waits for the answer to its begin",
    "rating_bye": "has a BYE of Kamailio's that nobody has answered",
    "rating_bye_later": "waits for its BYE to be retried",
}
"""What an entry of a table says of a call."""


_OF_CALLS = frozenset({"rating_request", "rating_account"})
"""Tables whose values are Call-IDs; their keys are not."""

_EXPIRING = frozenset({"rating_early", "rating_declined", "rating_resting", "rating_prepaid", "rating_within"})
"""Tables whose entries no event ends: kept for a while, by the table's ``autoexpire``, or the operator's own."""


_DUE = frozenset({"rating_later", "rating_overdue", "rating_bye_later", "rating_bye_overdue"})
"""Tables whose values are the Unix second in which Kamailio does something for a call."""

_KEPT = {
    STATES: 30,
    "rating_cseq": 30,
    "rating_key": 30,
    "rating_declined": 60,
    "rating_refused": 60,
    "rating_given_up": 60,
    "rating_early": 300,
}
"""Seconds after a call's end for which a table may hold something of it."""

_PURGED = 25.0
"""Seconds after which what has expired is gone: htable looks for it every 20 seconds (its ``timer_interval``)."""

HANGING_UP = "rating_bye"
"""What the names of the tables begin with that hold a BYE of Kamailio's until the end that it's for has answered."""


def call_of(key: str) -> str:
    """The Call-ID in a key: ``CALLID``, ``CALLID::part``, ``CALLID tag``, ``caller:CALLID`` or ``callee:CALLID``."""
    for side in ("caller:", "callee:"):
        key = key.removeprefix(side)
    return key.partition("::")[0].partition(" ")[0]


_AS_LONG_AS_THE_CALL = frozenset(
    {STATES, "rating_cseq", "rating_key", "rating_answer", "rating_address", "rating_account", "rating_slice"}
    | {"rating_connection"}
    | {"rating_dialog", "rating_end", "rating_overdue", "rating_later", "rating_cancelled", "rating_tags"}
    | {HANGING_UP, *(f"{HANGING_UP}_{each}" for each in ("cseq", "first", "last", "overdue", "later"))}
)
"""Tables whose entries don't expire within hours: something has to take each away, whoever's call it's of."""


def calls_in(tables: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """The Call-IDs that are in tables.

    :param tables: name -> key -> value, as Kamailio listed them.
    """
    return frozenset(_owner(name, key, value) for name, held in tables.items() for key, value in held.items())


def of_a_scenario(
    tables: Mapping[str, Mapping[str, str]], known: Collection[str], before: Collection[str]
) -> Mapping[str, Mapping[str, str]]:
    """What tables hold of a scenario: of its own calls all; of others, that strangers made, say, what doesn't expire.

    :param known: Call-IDs of its own calls.
    :param before: those that were there when it began: an earlier scenario's.
    """

    def is_its(name: str, key: str, value: str) -> bool:
        if call_of(key) in known or value in known:
            return True
        return name in _AS_LONG_AS_THE_CALL and _owner(name, key, value) not in before

    return {
        name: {key: value for key, value in held.items() if is_its(name, key, value)} for name, held in tables.items()
    }


def _owner(table: str, key: str, value: str) -> str:
    return value if table in _OF_CALLS else call_of(key)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that is still there when all calls are over. ``meaning`` is a predicate: the call ``waits...``"""

    table: str
    key: str
    value: str
    meaning: str

    @property
    def due(self) -> int | None:
        """The Unix second in which Kamailio is to do something for it; None where its value is none."""
        return int(self.value) if self.table in _DUE and self.value.isdecimal() else None


def left_over(tables: Mapping[str, Mapping[str, str]]) -> Iterator[Entry]:
    """The entries that must not stay when all calls are over; of a call that has several, that which says most.

    :param tables: name -> key -> value, as Kamailio listed them.
    """
    states = tables.get(STATES, {})
    reported: set[str] = set()
    for name in (*_WAITING, STATES, *sorted(tables.keys() - {*_WAITING, STATES} - _EXPIRING)):
        for key, value in tables.get(name, {}).items():
            call = call_of(key)
            is_kept = name in _WITH_THE_STATE and (states.get(call) in _OVER or (name != STATES and not states))
            owner = _owner(name, key, value)
            if not is_kept and owner not in reported:
                reported.add(owner)
                yield Entry(name, owner, value, _WAITING.get(name, f"is in the table {name}: {value}"))


def overstayed(tables: Mapping[str, Mapping[str, str]], ages: Mapping[str, float]) -> Iterator[Entry]:
    """The entries that are held for longer than is documented: for ever, most likely.

    :param tables: name -> key -> value, as Kamailio listed them.
    :param ages: Call-ID -> seconds since that call was over.
    """
    for name, seconds in _KEPT.items():
        for key, value in tables.get(name, {}).items():
            call = call_of(key)
            if ages.get(call, 0.0) > seconds + _PURGED:
                yield Entry(name, call, value, f"is in the table {name}, which holds it for {seconds} s")


def earliest_due(tables: Mapping[str, Mapping[str, str]]) -> float | None:
    """The Unix second in which Kamailio next does something for a call: hangs up, gives a BYE up, posts an end anew.

    :param tables: name -> key -> value, as Kamailio listed them.
    :return: None where nothing is due.
    """
    values = (value for name in _DUE for value in tables.get(name, {}).values())
    return min((float(value) for value in values if value.isdecimal()), default=None)
