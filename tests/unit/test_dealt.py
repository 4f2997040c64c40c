"""Which of the project's tests a worker begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


def test_each_worker_has_its_share_of_what_waits_and_modules_stay_together(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeini("[pytest]\nmarkers = lab: in a lab\n")
    pytester.makeconftest(
        """
        from pathlib import Path
        from tests.conftest import dealt
        def pytest_collection_modifyitems(items):
            Path("order").write_text(" ".join(item.name for item in dealt(items, 2)))
        """
    )
    pytester.makepyfile(
        test_a="import pytest\n"
        "pytestmark = pytest.mark.lab\n"
        "@pytest.fixture(scope='module')\n"
        "def shared(): pass\n"
        "@pytest.mark.parametrize('n', range(3))\n"
        "def test_shared(n, shared): pass\n",
        test_b="import pytest\n@pytest.mark.lab\n@pytest.mark.parametrize('n', range(3))\ndef test_alone(n): pass\n",
        test_c="import pytest\n@pytest.mark.parametrize('n', range(5))\ndef test_quick(n): pass\n",
    )
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=11)
    assert (pytester.path / "order").read_text().split() == [
        *("test_shared[0]", "test_shared[1]", "test_shared[2]", "test_quick[0]", "test_quick[1]"),
        *("test_alone[0]", "test_alone[1]", "test_alone[2]", "test_quick[2]", "test_quick[3]", "test_quick[4]"),
    ]
