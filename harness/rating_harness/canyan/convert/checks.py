"""The checks: answers about records and accounts as expectations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rating_harness.canyan.convert.graphql import Field, Kind, fields_of
from rating_harness.canyan.convert.text import Draft, Item
from rating_harness.canyan.model import Step
from rating_harness.canyan.placeholders import references_in
from rating_harness.scenario.expectations import TransactionExpectation

__all__ = ["convert_checks"]


def convert_checks(check: Sequence[Step], call_ids: Mapping[str, str], draft: Draft) -> None:
    """:param call_ids: Call-ID -> the call that has it."""
    for index, step in enumerate(check):
        expected = json.loads(step.expected_response) if step.expected_response else None
        data = expected.get("data") if isinstance(expected, dict) else None
        fields = fields_of(step.payload, Kind.QUERY)
        if not isinstance(data, dict) or not fields or any(references_in(step.payload)):
            draft.leave_out(f"check[{index}]: {step.method} {step.uri} {json.dumps(step.payload)}")
            continue
        for field in fields:
            answer = data.get(field.alias)
            if field.name == "Transaction":
                draft.transactions.append(_transaction(field, answer, call_ids, draft))
            elif field.name == "Account" and isinstance(answer, dict) and "balance" in answer:
                account = {"account_tag": field.arguments.get("account_tag"), "balance": answer["balance"]}
                draft.accounts.append(Item(account))
            else:
                draft.leave_out(f"check[{index}]: {field.alias} was to be {json.dumps(answer)}")


def _transaction(field: Field, answer: Any, call_ids: Mapping[str, str], draft: Draft) -> Item:
    tag, comments = str(field.arguments.get("transaction_tag")), []
    call = call_ids.get(tag)
    if call is None:
        call = str(draft.calls[0].value["id"]) if draft.calls else tag
        comments.append(f"a guess: that the record {tag} is of this call")
    found: dict[str, Any] = {"call": call}
    if "account_tag" in field.arguments:
        found["account_tag"] = field.arguments["account_tag"]
    if not isinstance(answer, dict):
        return Item({**found, "absent": True}, comments)
    known = (name for name in answer if name in TransactionExpectation.model_fields and name != "transaction_tag")
    return Item({**found, **{name: _matcher(name, answer[name]) for name in known}}, comments)


_PORT = re.compile(r"(?<=[\w\]]):\d+$")


def _matcher(name: str, value: Any) -> Any:
    if value is None:
        return "absent"
    if name == "duration":
        return f"{value}s"
    if name in ("source", "destination") and _PORT.search(value):
        # The URIs of native calls have no port.
        return f"/^{re.escape(_PORT.sub('', value))}$/"
    return value
