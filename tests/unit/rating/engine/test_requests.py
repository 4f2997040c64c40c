"""Bodies that the agent takes, and what it says of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.rating.engine.agent.requests import MODELS, Invalid, Malformed, read
from rating_harness.rating.engine.calls import CallRequest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)
fields = sorted({name for model in MODELS.values() for name, _ in model.fields})


def parse(content: Any, operation: str = "authorization") -> CallRequest:
    return read(MODELS[operation], json.dumps(content).encode())


def mistakes(content: Any, operation: str = "authorization") -> list[tuple[Any, str]]:
    with pytest.raises(Invalid) as caught:
        parse(content, operation)
    return [(error["loc"][-1], error["type"]) for error in caught.value.errors]


def test_absent_fields_have_defaults() -> None:
    assert parse({"transaction_tag": "t", "account_tag": None}) == CallRequest("t")


@pytest.mark.parametrize(("value", "text"), [(5, "5"), (5.5, "5.5"), (True, "True"), ("x", "x")])
def test_scalars_become_strings(value: Any, text: str) -> None:
    assert parse({"transaction_tag": value}).transaction_tag == text


@pytest.mark.parametrize("moment", ["2020-05-01T12:00:00.987Z", 1588334400, "1588334400", 1588334400987])
def test_instants_lose_their_fraction(moment: Any) -> None:
    assert parse({"transaction_tag": "t", "timestamp_auth": moment}).timestamp_auth == 1588334400000


def test_unknown_and_ignored_fields_are_dropped() -> None:
    assert parse({"transaction_tag": "t", "authorized": True, "unauthorized_reason": "x"}, "record_transaction")


@pytest.mark.parametrize("content", [[], {}, "", [["tenant", "x"]]])
def test_what_makes_a_dictionary_is_taken_for_one(content: Any) -> None:
    assert mistakes(content) == [("transaction_tag", "value_error.missing")]


@pytest.mark.parametrize("content", ["x", 5, True, [1]])
def test_what_does_not_is_refused(content: Any) -> None:
    assert mistakes(content) == [("request", "type_error.dict")]


def test_an_empty_body_is_missing() -> None:
    for body in (b"", b"null"):
        with pytest.raises(Invalid, match="field required"):
            read(MODELS["authorization"], body)


@pytest.mark.parametrize("body", [b"{", b"transaction_tag=x", b"\xff", b'{"transaction_tag": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(MODELS["authorization"], body)


def test_every_mistake_is_listed_in_the_order_of_the_fields() -> None:
    assert mistakes({"timestamp_auth": {}, "tags": [1, {}, None], "tenant": None}) == [
        ("tenant", "type_error.none.not_allowed"),
        ("transaction_tag", "value_error.missing"),
        (1, "type_error.str"),
        (2, "type_error.none.not_allowed"),
        ("timestamp_auth", "type_error"),
    ]


def test_a_boolean_is_read_as_pydantic_reads_it() -> None:
    known: list[Any] = [True, "on", "YES", 1, 0, "f"]
    unknown: list[Any] = ["maybe", 2, [], {}]
    for value in known:
        parse({"transaction_tag": "t", "authorized": value}, "record_transaction")
    for value in unknown:
        assert mistakes({"transaction_tag": "t", "authorized": value}, "record_transaction") == [
            ("authorized", "type_error.bool")
        ]


@given(content=st.dictionaries(st.sampled_from(fields), json_values), operation=st.sampled_from(sorted(MODELS)))
def test_any_body_is_read_or_refused(content: dict[str, Any], operation: str) -> None:
    try:
        request = parse(content, operation)
    except (Invalid, Malformed):
        return
    assert isinstance(request.transaction_tag, str)
    assert isinstance(request.timestamp_auth, int | None)
