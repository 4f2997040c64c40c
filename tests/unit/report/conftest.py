from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Golden = Callable[[str, str], None]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Golden:
    """Compares a text with that of a file in ``golden/``. Read the file before you change it: a user will."""

    def compare(name: str, text: str) -> None:
        assert text == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n")

    return compare
