"""What is said of the promises, against the configuration and the scenarios as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.test_mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
PROMISES = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[each.name for each in MUTATIONS])
def test_a_mutation_changes_what_is_there(mutation: Mutation, tmp_path: Path) -> None:
    assert mutation.applied(tmp_path).origin.file.is_file()
    assert mutation.changes or mutation.faults
    assert f"`{mutation.name}`" in PROMISES


def test_each_scenario_stands_beside_the_promise_that_it_proves() -> None:
    files = [path.relative_to(ROOT / "scenarios").as_posix() for path in (ROOT / "scenarios").rglob("[!_]*.yaml")]
    assert [name for name in files if f"`{name}`" not in PROMISES] == []
