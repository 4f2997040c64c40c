"""Routes of kamailio.cfg that were expected to run, or not to."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from rating_harness.checks.model import Case, Finding

__all__ = ["check_routes"]


def check_routes(case: Case) -> Iterator[Finding]:
    expect, seen = case.scenario.expect.routes, case.evidence.routes
    if expect is None:
        return
    for key, names, wanted in (("run", expect.run, True), ("not_run", expect.not_run, False)):
        for index, name in enumerate(names):
            if seen is None or (name in seen) != wanted:
                yield Finding(
                    check=f"expect.routes.{key}[{index}]",
                    message=f"route {name}",
                    expected="run" if wanted else "not run",
                    seen="Kamailio was not traced" if seen is None else "run" if name in seen else "not run",
                    where=case.scenario.where("expect", "routes", key, index),
                    hint=_hint(name, list(seen)) if seen and wanted else "",
                )


def _hint(name: str, ran: list[str]) -> str:
    close = get_close_matches(name, ran, n=1)
    return f"did you mean {close[0]!r}?" if close else f"these ran: {', '.join(sorted(ran)[:8])}"
