"""Calls that take another call's place (RFC 3891): whose dialog that is, once it's known what its tags will be."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from rating_harness.plan.user_agents import call_id_of
from rating_harness.scenario.model import Call, Request, Scenario
from rating_harness.scenario.transfer import DIALOG_OF
from rating_harness.useragent.message import tag_of

__all__ = ["callee_tag", "is_replaced", "with_replaces"]


def is_replaced(scenario: Scenario, call: Call) -> bool:
    """Whether another call takes this one's place: both ends' tags have to be known then, before it's made."""
    return any(each.replaces == call.id for each in scenario.calls)


def callee_tag(call: Call, token: str) -> str:
    """The tag that a callee has in the dialog of a call that is replaced."""
    return f"{token}-{call.id}-callee"


def with_replaces(scenario: Scenario, token: str) -> Scenario:
    """The scenario with Replaces in each INVITE that has it, and in the Refer-To that asks for it."""
    calls = {call.id: call for call in scenario.calls}
    replaced = {
        each.replaces: _dialog_of(calls[each.replaces], token) for each in scenario.calls if each.replaces is not None
    }
    if not replaced:
        return scenario
    return scenario.model_copy(update={"calls": tuple(_with(call, replaced) for call in scenario.calls)})


def _dialog_of(call: Call, token: str) -> str:
    """As its callee knows it: to-tag is the callee's own (RFC 3891 section 3)."""
    said = next((value for name, value in call.headers.items() if name.lower() in ("from", "f")), "")
    caller_tag = (tag_of(said) if isinstance(said, str) else None) or f"{token}-{call.id}-1"
    return f"{call_id_of(call, token, 1)};to-tag={callee_tag(call, token)};from-tag={caller_tag}"


def _with(call: Call, replaced: Mapping[str, str]) -> Call:
    requests = tuple(_filled(each, replaced) for each in call.requests)
    headers = call.headers
    if call.replaces is not None:
        headers = {"Replaces": replaced[call.replaces], **headers}
    return call.model_copy(update={"requests": requests, "headers": headers})


def _filled(request: Request, replaced: Mapping[str, str]) -> Request:
    """With each dialog as a header of a URI has it: escaped (RFC 3261 section 19.1.2)."""
    refer_to = request.headers.get("Refer-To")
    if not isinstance(refer_to, str):
        return request
    for call, dialog in replaced.items():
        refer_to = refer_to.replace(DIALOG_OF.format(call), quote(dialog, safe=""))
    return request.model_copy(update={"headers": {**request.headers, "Refer-To": refer_to}})
