"""The workers: plain calls in the native language's words, all others with their SIPp scenarios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rating_harness.canyan.convert.flow import Flow, flow_of
from rating_harness.canyan.convert.text import Draft, Item
from rating_harness.canyan.model import CanyanScenario, Range, SippWorker
from rating_harness.canyan.placeholders import filled, names_in, references_in
from rating_harness.scenario.values import duration_text

__all__ = ["convert_workers"]

_COUNTS = ("number", "repeat", "delay", "call_limit", "call_number", "call_rate", "call_rate_period")


def convert_workers(scenario: CanyanScenario, draft: Draft) -> dict[str, str]:
    """Returns the ids of the calls that have a Call-ID of their own, by that."""
    call_ids: dict[str, str] = {}
    for index, worker in enumerate(scenario.canyan.workers):
        if not isinstance(worker, SippWorker):
            draft.leave_out(f"workers[{index}], a request to Kamailio's HTTP after the calls")
            continue
        number = int(worker.number.high)
        # Of a list each of the workers side by side takes another value.
        differ = any(isinstance(value, tuple) for value in worker.values.values())
        for nth in range(number if differ else 1):
            name = f"worker-{index + 1}-{nth + 1}" if differ and number > 1 else f"worker-{index + 1}"
            draft.calls.append(_call(scenario, worker, nth, name, 1 if differ else number, draft))
        options = list(worker.options)
        if "-cid_str" in options[:-1]:
            place = options.index("-cid_str")
            call_ids[options[place + 1]] = str(draft.calls[-1].value["id"])
            del options[place : place + 2]
        if options:
            draft.leave_out(f"extra_args of workers[{index}]: {' '.join(options)}")
        draft.failures += worker.max_errors * int(worker.call_number.high)
    return call_ids


def _call(scenario: CanyanScenario, worker: SippWorker, nth: int, name: str, instances: int, draft: Draft) -> Item:
    template = scenario.template(worker)
    values: dict[str, str | int] = {"basedir": ".", "target": "kamailio:5060"}
    for key, value in worker.values.items():
        one = (
            value.min if isinstance(value, Range) else value[nth % len(value)] if isinstance(value, tuple) else value
        )
        values[key] = one if isinstance(one, str) else int(one)
    flow = flow_of(template)
    if flow is not None:
        call = _plain(name, flow, values, worker.values)
    else:
        file = f"{scenario.origin.file.stem}.{name}.xml"
        draft.files[file] = filled(template, values)
        call = {"id": name, "from": "unknown", "to": "unknown", "sipp": file}
    runs = instances * int(worker.repeat.high)
    if runs * worker.call_number.high > 1:
        call["repeat"] = runs * int(worker.call_number.high)
        call["concurrency"] = instances * int(worker.call_limit.high)
    if worker.call_number.high > 1:
        rate = instances * worker.call_rate.high * 1000 / worker.call_rate_period.high
        call["rate"] = int(rate) if rate.is_integer() else round(rate, 3)
    if worker.delay.low:
        call["start"] = duration_text(worker.delay.low / 1000)
    if flow is not None:
        call["expect"] = {"reply": flow.reply}
    return Item(call, list(_guesses(worker, flow, names_in(template))))


def _plain(name: str, flow: Flow, values: Mapping[str, str | int], drawn: Mapping[str, object]) -> dict[str, Any]:
    call: dict[str, Any] = {"id": name, "from": filled(flow.from_user, values), "to": filled(flow.to_user, values)}
    domain = filled(flow.domain, values)
    if "[" not in domain:
        call["domain"] = domain
    if flow.reply < 300:
        held = drawn.get(flow.held_by)
        if isinstance(held, Range):
            call["hold"] = {"min": duration_text(held.min / 1000), "max": duration_text(held.max / 1000)}
        else:
            call["hold"] = duration_text(int(filled(flow.hold, values)) / 1000)
    return call


def _guesses(worker: SippWorker, flow: Flow | None, wanted: list[str]) -> Iterator[str]:
    if flow is None:
        yield "from and to are unknown: the SIPp scenario says them itself"
    for key, value in worker.values.items():
        if isinstance(value, Range) and key in wanted and (flow is None or key != flow.held_by):
            yield f"{key} was drawn from {value.min} to {value.max}"
        if any(references_in(value)):
            yield f"{key} referred to an answer of the API: put its value in place of {value}"
    for key in _COUNTS:
        drawn = getattr(worker, key)
        if not drawn.fixed:
            yield f"{key} was drawn from {drawn.low} to {drawn.high}"
