"""No input makes the loader do anything but load or refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rating_harness.scenario import introspection
from rating_harness.scenario.model import Scenario
from tests.unit.scenario.mutants import is_accepted, mutants, prepare

WORDS = sorted(introspection.homes(Scenario))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["3s", "3s ± 1s", "ana", "ana is answered", "while ringing", "any", "/x/", "1000", "4xx", "${a}"]
    ),
)
TREES: st.SearchStrategy[Any] = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=15,
)
TOP = st.fixed_dictionaries(
    {"scenario": VALUES, "calls": TREES},
    optional={name: TREES for name in Scenario.model_fields if name not in ("scenario", "calls")},
)
BOUNDED = settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])


@BOUNDED
@given(raw=st.binary(max_size=400))
def test_bytes(raw: bytes, tmp_path: Path) -> None:
    is_accepted(raw, tmp_path / "it.yaml")


@BOUNDED
@given(text=st.text(max_size=400))
def test_texts(text: str, tmp_path: Path) -> None:
    is_accepted(text.encode("utf-8", "surrogatepass"), tmp_path / "it.yaml")


@BOUNDED
@given(tree=TOP)
def test_trees_of_the_languages_words(tree: dict[str, Any], tmp_path: Path) -> None:
    is_accepted(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"), tmp_path / "it.yaml")


def test_mutants_of_real_files(tmp_path: Path) -> None:
    path = prepare(tmp_path)
    # One in twenty loads. So many are tried that whatever file is added, both kinds are among them.
    outcomes = [is_accepted(data, path) for data in mutants(600, seed=7)]
    assert 10 < sum(outcomes) < 590
