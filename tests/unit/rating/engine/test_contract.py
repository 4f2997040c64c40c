"""The recorded session of the real services, against this engine."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPMessage
from pathlib import Path

import pytest
from graphql import build_schema, lexicographic_sort_schema, print_schema

from rating_harness.rating.engine.agent.app import handlers
from rating_harness.rating.engine.agent.schema import agent_schema
from rating_harness.rating.engine.api.schema import api_schema
from rating_harness.rating.engine.operations import Operations
from rating_harness.rating.engine.quirks import Policy
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.store import Store
from tests.unit.rating.engine.conftest import Start
from tests.unit.rating.engine.contract import replay

HERE = Path(replay.__file__).parent


@pytest.mark.parametrize("database", [None, "engine.db"])
def test_every_recorded_answer_is_given(start: Start, tmp_path: Path, database: str | None) -> None:
    engine = start(*(["--database", tmp_path / database] if database else []))
    results = list(replay.replay(engine.api, engine.agent))
    assert len(results) > 500
    assert [f"{step['step']} {step['name']}: {text}" for step, text in results if text] == []


def test_a_wrong_answer_would_be_noticed() -> None:
    recorded = [step for step in replay.steps() if step.get("status") == 200 and step["name"].startswith("auth ")]
    assert recorded
    for step in recorded:
        wrong = replay.Answer(200, {"data": None} | dict.fromkeys(step["response"], -1), HTTPMessage())
        assert replay.difference(step, wrong)


def recorded_schema(name: str) -> str:
    """The recorded schema in the order of names; introspection listed the built-in scalars too."""
    lines = (HERE / name).read_text().splitlines()
    builtin = {f"scalar {scalar}" for scalar in ("Int", "ID", "String", "Boolean")}
    source = "\n".join(line for line in lines if line not in builtin)
    return print_schema(
        lexicographic_sort_schema(build_schema("schema { query: Query mutation: Mutations }\n" + source))
    )


def test_the_api_schema_is_the_recorded_one() -> None:
    with closing(Store()) as store:
        schema = api_schema(State(store), Policy())
    assert print_schema(lexicographic_sort_schema(schema)) == recorded_schema("schema-api.graphql")


def test_the_agent_schema_is_the_recorded_one() -> None:
    with closing(Store()) as store:
        schema = agent_schema(handlers(Operations(State(store), Policy())))
    assert print_schema(lexicographic_sort_schema(schema)) == recorded_schema("schema-agent.graphql")
