"""canyan-tester's files: a YAML file with ``workers`` means here what it means there.

`run_tester` takes the place of canyan-tester's function of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rating_harness.canyan.tester import TesterFailed, run_tester

__all__ = ["TesterFailed", "run_tester"]


def __getattr__(name: str) -> Any:
    """Imported when it's used: most of what loads a file has no need of what runs it."""
    if name in __all__:
        from rating_harness.canyan import tester

        return getattr(tester, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
