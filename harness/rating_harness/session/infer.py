"""What was observed of a run, as expectations for a person to trim: the counterpart of the checks.

What differs from run to run is left out or made general: Call-IDs, times, addresses. Durations and fees have
tolerances.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml

from rating_harness.checks.model import Case
from rating_harness.contract import CONTRACT
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import Exchange
from rating_harness.scenario.values import duration_text
from rating_harness.scenario.yaml_writer import flow

__all__ = ["call_expectations", "whole_expectations", "with_expectations"]

_FIELD = CONTRACT.fields
_PATHS = CONTRACT.paths.words
_CHANGING = re.compile(r"198\.18\.\d+\.\d+|fd17:|^\d{9,}$|^\d{4}-\d\d-\d\dT")
"""A lab's addresses, and times."""
_CONFIRMED = frozenset({3, 4})
"""States of a dialog whose timeout has been set, if it ever is."""

Value = Any


def call_expectations(case: Case) -> list[dict[str, Value]]:
    """What is expected of each call of the scenario, in its order; of several, what they have in common."""
    found = []
    for planned in case.scenario.calls:
        first, *others = [_of_call(call) for call in case.of(planned.id)]
        shared = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
        found.append(shared)
    return found


def _of_call(call: Call) -> dict[str, Value]:
    final = call.final
    if final is None or final.status is None:
        return {"reply": "absent"}
    said: dict[str, Value] = {"reply": final.status}
    if final.status >= 300:
        said["reply"] = {"code": final.status, "reason": final.reason}
    provisional = [status for status in call.provisional if status != 100]
    if provisional:
        said["provisional"] = provisional
    if call.answered is not None:
        said["ended_by"] = call.ended_by or "nobody"
        if call.duration is not None:
            said["duration"] = f"{duration_text(round(call.duration, 1))} ± 1s"
    if call.invite is not None and call.invite.method == "INVITE":
        said["carriers"] = list(call.tried)
    return said


def whole_expectations(case: Case) -> dict[str, list[dict[str, Value]]]:
    """What is expected of the scenario as a whole, by section; without those that are empty."""
    sections = {
        "dialogs": list(_dialogs(case)),
        "requests": [each for planned in case.scenario.calls for each in _requests(case, case.of(planned.id))],
        "transactions": [each for planned in case.scenario.calls for each in _records(case, case.of(planned.id))],
        "accounts": list(_accounts(case)),
    }
    return {name: items for name, items in sections.items() if items}


def _dialogs(case: Case) -> Iterator[dict[str, Value]]:
    confirmed = {each.call_id: each for each in case.evidence.dialogs if _CONFIRMED & set(each.states)}
    for planned in case.scenario.calls:
        lifetimes = {
            confirmed[call.call_id].lifetime if call.call_id in confirmed and _is_limited(case, call) else None
            for call in case.of(planned.id)
        }
        if len(lifetimes) == 1 and None not in lifetimes:
            yield {"call": planned.id, "timeout": f"{lifetimes.pop()}s ± 1s"}


def _is_limited(case: Case, call: Call) -> bool:
    """Whether the engine said how long the call may last: else its dialog has the configuration's own timeout."""
    return any(each.answer(_FIELD.units) is not None for each in case.exchanges(call, CONTRACT.paths.authorization))


def _requests(case: Case, calls: Sequence[Call]) -> Iterator[dict[str, Value]]:
    orders = [[_PATHS.get(each.kind) for each in case.exchanges(call)] for call in calls]
    if not orders[0] or None in orders[0] or any(order != orders[0] for order in orders):
        return
    yield {"call": calls[0].id, "order": orders[0]}
    for path in dict.fromkeys(orders[0]):
        fields = [_fields(each) for call in calls for each in case.exchanges(call) if _PATHS[each.kind] == path]
        common = {name: value for name, value in fields[0].items() if all(f.get(name) == value for f in fields)}
        if common:
            yield {"call": calls[0].id, "path": path, "fields": common}


def _fields(exchange: Exchange) -> dict[str, Value]:
    body = exchange.request if isinstance(exchange.request, dict) else {}
    return {name: _general(value) for name, value in body.items() if name != _FIELD.call}


def _general(value: Value) -> Value:
    return "any" if _CHANGING.search(str(value)) else value


def _records(case: Case, calls: Sequence[Call]) -> Iterator[dict[str, Value]]:
    groups = [_grouped(case.records(call)) for call in calls]
    for key, records in groups[0].items():
        if any(len(group.get(key, ())) != len(records) for group in groups):
            continue
        account, primary, inbound = key
        said: dict[str, Value] = {"call": calls[0].id, "account_tag": account, "primary": primary, "inbound": inbound}
        every = [record for group in groups for record in group[key]]
        if all(record.get("authorized") is False for record in every):
            said["authorized"] = False
        if len(records) > 1:
            said["count"] = len(records)
        elif all(record.get("timestamp_end") for record in every):
            durations = [record.get("duration") or 0 for record in every]
            fees = [int(record.get("fee") or 0) for record in every]
            said["duration"] = _near(durations, 1, "s")
            said["fee"] = _near(fees, max(map(_per_second, every)))
        yield said


def _grouped(records: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        key = tuple(record.get(name) for name in ("account_tag", "primary", "inbound"))
        groups.setdefault(key, []).append(record)
    return groups


def _per_second(record: Mapping[str, Any]) -> int:
    """What a second more or less may cost."""
    fee, duration = int(record.get("fee") or 0), int(record.get("duration") or 0)
    return max(1, math.ceil(fee / duration)) if duration else max(1, fee)


def _near(values: Sequence[int], tolerance: int, unit: str = "") -> str:
    middle = (min(values) + max(values)) // 2
    return f"{middle}{unit} ± {max(values) - middle + tolerance}{unit}"


def _accounts(case: Case) -> Iterator[dict[str, Value]]:
    after = case.evidence.after
    for tag, account in (after.accounts if after else {}).items():
        charged = [r for r in (after.transactions if after else ()) if r.get("account_tag") == tag and r.get("fee")]
        tolerance = sum(map(_per_second, charged))
        balance = account.get("balance")
        said = f"{balance} ± {tolerance}" if tolerance else balance
        yield {"account_tag": tag, "balance": said, "running": len(account.get("running_transactions") or ())}


# --- YAML -----------------------------------------------------------------------------------------------------------


def with_expectations(text: str, calls: Sequence[Mapping[str, Value]], whole: Mapping[str, Value]) -> str:
    """A scenario's text with these expectations instead of its own. Comments stay, but for those within what goes.

    :param calls: of each of its calls, in order.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    edits: list[tuple[int, int, str]] = []
    for key, value in cast("yaml.MappingNode", root).value:
        if key.value == "calls":
            edits += [_edit(text, node, expect) for node, expect in zip(value.value, calls, strict=True)]
        elif key.value == "expect":
            edits.append((key.start_mark.index, _line_end(text, _end(value)) + 1, ""))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    lines = [line for name, items in whole.items() for line in (f"  {name}:", *(f"    - {flow(i)}" for i in items))]
    return "\n".join([text.rstrip(), *(["", "expect:", *lines] if lines else [])]) + "\n"


def _edit(text: str, node: yaml.MappingNode, expect: Mapping[str, Value]) -> tuple[int, int, str]:
    """What is changed in the text of one call."""
    for key, value in node.value:
        if key.value == "expect":
            return value.start_mark.index, _end(value), flow(expect)
    last = _end(node.value[-1][1])
    if node.flow_style:
        return last, last, f", expect: {flow(expect)}"
    end = _line_end(text, last)
    return end, end, f"\n{' ' * node.start_mark.column}expect: {flow(expect)}"


def _end(node: yaml.Node) -> int:
    """Where a node's last word ends: PyYAML counts what follows a block as its part."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end
