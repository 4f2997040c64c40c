"""Shared by the project's own tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby

import pytest
from hypothesis import HealthCheck, settings

# The machine is shared with labs and other workers, so how long an example takes says nothing.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Called before a test and its fixtures are set up. What needs namespaces is left out where they are refused."""
    if item.get_closest_marker("namespaces") is not None and (refusal := _refusal()):
        pytest.skip(f"left out: a lab has no namespaces of its own here ({refusal})")


@cache
def _refusal() -> str | None:
    from rating_harness.lab.local import LocalLab

    return LocalLab.refused()


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """pytest's own, without the plugins of libraries of these tests: each of its processes would import them."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:schemathesis -p no:hypothesispytest")
    return pytester


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Called after collection. Each of xdist's workers has its share of those in labs, which wait, and begins there.

    ``--dist worksteal`` cuts the tests into as many pieces as there are workers: in the order of the folders one of
    them would have all the labs.
    """
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        items[:] = dealt(items, worker["workercount"])


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in as many pieces of one length as there are workers, of each the ones in labs first."""
    live = [list(each) for _, each in groupby((item for item in items if _is_live(item)), key=_kept_together)]
    rest = [item for item in items if not _is_live(item)]
    pieces: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for group in sorted(live, key=len, reverse=True):
        min(pieces, key=len).extend(group)
    left = len(items)
    for number, piece in enumerate(pieces):
        length = left // (workers - number)  # as xdist counts
        left -= length
        room = max(length - len(piece), 0)
        piece.extend(rest[:room])
        del rest[:room]
    return [item for piece in (*pieces, rest) for item in piece]


def _is_live(item: pytest.Item) -> bool:
    return item.get_closest_marker("lab") is not None or item.get_closest_marker("docker") is not None


def _kept_together(item: pytest.Item) -> str:
    """The module, where its tests share what is brought up once; otherwise the test itself."""
    shared = any(each.scope == "module" for each in _fixtures(item))
    return item.nodeid.partition("::")[0] if shared else item.nodeid


def _fixtures(item: pytest.Item) -> Iterable[pytest.FixtureDef[object]]:
    info = getattr(item, "_fixtureinfo", None)
    return [each[-1] for each in info.name2fixturedefs.values() if each] if info is not None else []
