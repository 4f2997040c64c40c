"""Every quirk is said: in the documentation, and where the code does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.rating import engine
from rating_harness.rating.engine.quirks import STRICT, Policy, Quirk, Refused

PACKAGE = Path(engine.__file__).parent
SOURCES = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "quirks.py")
DOCUMENT = (Path(__file__).parents[4] / "docs" / "engine.md").read_text()


@pytest.mark.parametrize("quirk", Quirk, ids=lambda quirk: quirk.name)
def test_a_quirk_has_a_line_in_the_documentation(quirk: Quirk) -> None:
    (line,) = (line for line in DOCUMENT.splitlines() if line.startswith(f"| `{quirk.name}` |"))
    assert quirk.value in line
    assert ("| yes |" in line) == (quirk in STRICT)


@pytest.mark.parametrize("quirk", Quirk, ids=lambda quirk: quirk.name)
def test_a_quirk_is_named_where_it_is_done(quirk: Quirk) -> None:
    assert f"Quirk.{quirk.name}" in SOURCES


def test_a_strict_policy_refuses() -> None:
    Policy().tolerate(Quirk.NO_BALANCE, "fine")
    with pytest.raises(Refused, match="NO_BALANCE"):
        Policy(strict=True).tolerate(Quirk.NO_BALANCE, "not fine")
    assert Policy(strict=True).has(Quirk.NULL_IS_ABSENT)
