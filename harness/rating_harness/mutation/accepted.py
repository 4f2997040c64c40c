"""Mutants that nobody has to kill, one by one with a reason, and what costs money or security, by rule.

A file in the repository, ``mutation.yaml`` beside the configuration::

    equivalent:
      - {id: 8739ca5e86, kind: same-meaning, reason: "$var(error) is set again before it is read"}
    costs:
      - {cost: money, routes: ["route[[]RATING_*"], operators: ["drop-*", "negate"]}
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rating_harness.errors import UsageError

__all__ = ["Accepted", "Equivalent", "EquivalentKind", "Rule", "read_accepted", "stale"]

EquivalentKind = Literal[
    "independent-order",
    "size",
    "unreachable",
    "same-meaning",
    "set-by-the-lab",
    "second-defence",
    "margin-of-time",
    "documented",
]
"""``independent-order`` two statements that know nothing of each other; ``size`` of a table, a pool, a buffer;
``unreachable`` by construction; ``same-meaning`` the same for every input; ``set-by-the-lab`` the lab sets it
otherwise; ``second-defence`` another statement refuses the same; ``margin-of-time`` a wait a bit longer or shorter;
``documented`` of an answer: what happens is what the documentation says."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Equivalent(_Strict):
    """One mutant that does the same as what it was made of."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{10}$")]
    kind: EquivalentKind
    reason: Annotated[str, Field(min_length=10)]


class Rule(_Strict):
    """Mutants of these routes and operators cost money, or security. Patterns are those of a shell."""

    cost: Literal["money", "security"]
    routes: tuple[str, ...] = ("*",)
    operators: tuple[str, ...] = ("*",)

    def fits(self, route: str, operator: str) -> bool:
        return any(fnmatchcase(route, each) for each in self.routes) and any(
            fnmatchcase(operator, each) for each in self.operators
        )


class Accepted(_Strict):
    equivalent: tuple[Equivalent, ...] = ()
    costs: tuple[Rule, ...] = ()

    def of(self, identity: str) -> Equivalent | None:
        return next((each for each in self.equivalent if each.id == identity), None)

    def cost(self, route: str, operator: str) -> str | None:
        """``money``, ``security``, or None."""
        return next((rule.cost for rule in self.costs if rule.fits(route, operator)), None)


def read_accepted(path: Path) -> Accepted:
    """What is in the file; nothing where there's none.

    :raises UsageError: it isn't what it has to be.
    """
    if not path.is_file():
        return Accepted()
    try:
        return Accepted.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as error:
        raise UsageError("no YAML", where=str(path), found=str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{place}: {first['msg']}", where=str(path), found=str(first["input"])[:80]) from None


def stale(accepted: Accepted, ids: Iterable[str]) -> tuple[Equivalent, ...]:
    """Entries for mutants that there are no more: what they were about has changed."""
    known = set(ids)
    return tuple(each for each in accepted.equivalent if each.id not in known)
