"""The set-up: GraphQL's upserts as accounts, carriers, pricelists and customers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rating_harness.canyan.convert.graphql import Field, Kind, fields_of
from rating_harness.canyan.convert.text import Draft
from rating_harness.canyan.model import Step
from rating_harness.canyan.placeholders import references_in
from rating_harness.scenario.fields import Model
from rating_harness.scenario.given import Account, Carrier, Customer, Pricelist, Rate

__all__ = ["convert_setup"]

_RATE = "upsertPricelistRate"
_UPSERTS: Mapping[str, tuple[str, type[Model], str]] = {
    "upsertCustomer": ("customers", Customer, "customer_tag"),
    "upsertAccount": ("accounts", Account, "account_tag"),
    "upsertCarrier": ("carriers", Carrier, "carrier_tag"),
    "upsertPricelist": ("pricelists", Pricelist, "pricelist_tag"),
}


def convert_setup(setup: Sequence[Step], draft: Draft) -> None:
    """Records of the same tag are one record, as they are in the engine."""
    records: dict[str, dict[str, dict[str, Any]]] = {section: {} for section, _, _ in _UPSERTS.values()}
    rates: dict[str, dict[Any, dict[str, Any]]] = {}
    raw: list[str] = []
    for index, step in enumerate(setup):
        fields = fields_of(step.payload, Kind.MUTATION)
        if not fields or any(references_in(step.payload)):
            draft.leave_out(f"setup[{index}]: {step.method} {step.uri} {json.dumps(step.payload)}")
        elif any(field.name not in _UPSERTS and field.name != _RATE for field in fields):
            raw.append(str((step.payload or {})["query"]))
        else:
            for field in fields:
                _store(field, records, rates)
    for tag, of in rates.items():
        records["pricelists"].setdefault(tag, {"pricelist_tag": tag})["rates"] = list(of.values())
    draft.given = {section: list(of.values()) for section, of in records.items() if of}
    if raw:
        draft.given["graphql"] = raw


def _store(field: Field, records: Mapping[str, dict[str, dict[str, Any]]], rates: dict[str, dict[Any, Any]]) -> None:
    arguments = field.arguments
    if field.name == _RATE:
        of_list = rates.setdefault(arguments.get("pricelist_tag", ""), {})
        of_list[arguments.get("carrier_tag"), arguments.get("prefix")] = _known(Rate, arguments)
    else:
        section, model, tag = _UPSERTS[field.name]
        record = records[section].setdefault(arguments.get(tag, ""), {tag: arguments.get(tag)})
        record.update(_known(model, arguments))
        if model is Account:
            record.setdefault("balance", 0)


def _known(model: type[Model], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the native record has, too."""
    return {
        name: value for name, value in arguments.items() if name in model.model_fields and value not in (None, "")
    }
