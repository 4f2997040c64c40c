"""A canyan-tester file in the native language, with comments for what had to be guessed or left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

from graphql import FieldNode, GraphQLError, OperationDefinitionNode, OperationType, parse, value_from_ast_untyped

from rating_harness.canyan.model import CanyanScenario, Range, SippWorker, Step
from rating_harness.canyan.native_yaml import Draft, Item, text_of
from rating_harness.canyan.placeholders import filled, names_in, references_in
from rating_harness.scenario.expectations import TransactionExpectation
from rating_harness.scenario.fields import Model
from rating_harness.scenario.given import Account, Carrier, Customer, Pricelist, Rate
from rating_harness.scenario.values import duration_text

__all__ = ["Converted", "convert", "flow_of"]


@dataclass(frozen=True, slots=True)
class Converted:
    """:param files: SIPp scenarios to be stored beside it, by name."""

    text: str
    files: Mapping[str, str]


def convert(scenario: CanyanScenario) -> Converted:
    """The native form of a file, and the SIPp scenarios that it needs."""
    file, draft = scenario.canyan, Draft(scenario.origin.file)
    convert_setup(file.setup, draft)
    call_ids = convert_workers(scenario, draft)
    convert_checks(file.check, call_ids, draft)
    if file.teardown:
        draft.leave_out("the teardown: the harness removes what is given")
    return Converted(text_of(draft), draft.files)


# --- the set-up --------------------------------------------------------------------------------------------------


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


# --- the workers -------------------------------------------------------------------------------------------------


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
        if "-inf" in options[:-1]:
            place = options.index("-inf")
            _with_csv(draft, number if differ else 1, options[place + 1])
            del options[place : place + 2]
        if "-cid_str" in options[:-1]:
            place = options.index("-cid_str")
            call_ids[options[place + 1]] = str(draft.calls[-1].value["id"])
            del options[place : place + 2]
        if options:
            draft.leave_out(f"extra_args of workers[{index}]: {' '.join(options)}")
        draft.failures += worker.max_errors * int(worker.call_number.high)
    return call_ids


def _with_csv(draft: Draft, count: int, csv: str) -> None:
    """Name the CSV file of the SIPp scenarios of the last ``count`` calls."""
    for index in range(len(draft.calls) - count, len(draft.calls)):
        call = draft.calls[index]
        if "sipp" in call.value:
            value = {**call.value, "sipp": {"file": call.value["sipp"], "csv": csv}}
            draft.calls[index] = replace(call, value=value)


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


def _plain(name: str, flow: Flow, values: Mapping[str, str | int], given: Mapping[str, object]) -> dict[str, Any]:
    call: dict[str, Any] = {"id": name, "from": filled(flow.from_user, values), "to": filled(flow.to_user, values)}
    domain = filled(flow.domain, values)
    if "[" not in domain:
        call["domain"] = domain
    if flow.reply < 300:
        held = given.get(flow.held_by)
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
            yield f"{key} was sampled from {value.min} to {value.max}"
        if any(references_in(value)):
            yield f"{key} referred to an answer of the API: put its value in place of {value}"
    for key in _COUNTS:
        count = getattr(worker, key)
        if not count.fixed:
            yield f"{key} was sampled from {count.low} to {count.high}"


# --- what a SIPp scenario does -----------------------------------------------------------------------------------


_FROM_LINE = re.compile(r"^\s*(?:From|f)\s*:.*?sips?:([^@>\s]+)@", re.MULTILINE | re.IGNORECASE)
_TO_LINE = re.compile(r"^\s*(?:To|t)\s*:.*?sips?:([^@>\s]+)@([^>;:\s]+)", re.MULTILINE | re.IGNORECASE)
_SENT = re.compile(r"^\s*(?:SIP/2\.0 (\d+)|([A-Z]+) )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Flow:
    """A plain call: an INVITE, its final reply and, when that is a 200, a BYE from the caller.

    Texts are as the SIPp scenario has them, placeholders and all.

    :param hold: milliseconds between answer and BYE.
    """

    from_user: str
    to_user: str
    domain: str
    reply: int
    hold: str = "0"

    @property
    def held_by(self) -> str:
        """The name of the value that is its hold; empty when that's a number."""
        return next(iter(names_in(self.hold)), "")


@dataclass(frozen=True, slots=True)
class _SippStep:
    """``send`` with the method, ``recv`` with the status, ``pause`` with the milliseconds."""

    kind: str
    what: str
    text: str = ""


def flow_of(template: str) -> Flow | None:
    """The plain call that a SIPp scenario makes; None when it does anything else."""
    try:
        steps = list(_steps(ElementTree.fromstring(template)))
    except (ElementTree.ParseError, ValueError):
        return None
    kinds = [(step.kind, step.what) for step in steps]
    if len(steps) < 3 or kinds[0] != ("send", "INVITE") or kinds[1][0] != "recv" or kinds[2] != ("send", "ACK"):
        return None
    caller, callee = _FROM_LINE.search(steps[0].text), _TO_LINE.search(steps[0].text)
    if caller is None or callee is None or "[" in caller[1] + callee[1] + callee[2]:
        return None
    reply, rest = int(kinds[1][1]), kinds[3:]
    hold = rest.pop(0)[1] if rest and rest[0][0] == "pause" else "0"
    ending = [("send", "BYE"), ("recv", "200")] if reply < 300 else []
    if rest != ending:
        return None
    return Flow(caller[1], callee[1], callee[2], reply, hold)


def _steps(root: ElementTree.Element) -> Iterator[_SippStep]:
    """The steps of a scenario without its optional ones.

    :raises ValueError: it has a step that makes it more than a plain call.
    """
    for element in root:
        if element.tag in ("ResponseTimeRepartition", "CallLengthRepartition"):
            continue
        text = element.text or ""
        is_plain = not len(element) and not {"next", "test", "auth", "timeout", "lost"} & set(element.attrib)
        if element.tag == "send" and is_plain and (sent := _SENT.search(text)) and sent[2]:
            yield _SippStep("send", sent[2], text)
        elif element.tag == "recv" and is_plain and "response" in element.attrib:
            if element.get("optional") is None:
                yield _SippStep("recv", element.attrib["response"])
        elif element.tag == "pause" and is_plain and "milliseconds" in element.attrib:
            yield _SippStep("pause", element.attrib["milliseconds"])
        else:
            raise ValueError(element.tag)


# --- the checks --------------------------------------------------------------------------------------------------


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


# --- GraphQL -----------------------------------------------------------------------------------------------------


Kind = OperationType


@dataclass(frozen=True, slots=True)
class Field:
    """A top-level field of an operation. ``alias`` is its name in the answer."""

    name: str
    arguments: Mapping[str, Any]
    alias: str


def fields_of(payload: Mapping[str, Any] | None, kind: OperationType) -> tuple[Field, ...]:
    """The fields of a request's operations of that kind; none when it isn't GraphQL."""
    try:
        return tuple(_fields((payload or {}).get("query"), (payload or {}).get("variables"), kind))
    except GraphQLError:
        return ()


def _fields(query: Any, variables: Any, kind: OperationType) -> Iterator[Field]:
    for operation in parse(query).definitions if isinstance(query, str) else ():
        if isinstance(operation, OperationDefinitionNode) and operation.operation == kind:
            for node in operation.selection_set.selections:
                if isinstance(node, FieldNode):
                    arguments = {
                        each.name.value: value_from_ast_untyped(each.value, variables)
                        for each in node.arguments or ()
                    }
                    yield Field(node.name.value, arguments, node.alias.value if node.alias else node.name.value)
