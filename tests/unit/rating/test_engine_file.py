"""Engines of one's own: what their files say, and how their words become the contract's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks.agent_answers import fault_of_answer
from rating_harness.errors import UsageError
from rating_harness.evidence.model import Exchange
from rating_harness.rating.engine_file import SHIPPED, EngineFile, load
from rating_harness.rating.json_path import MISSING, value_at, with_value, without
from rating_harness.rating.seed import GIVEN_FIELDS
from rating_harness.run.engine_words import exchange_in_words_of_contract, fault_in_words_of_engine
from rating_harness.scenario import given
from rating_harness.scenario.fields import Model
from rating_harness.tap.faults import Edit, Fault, Regex, Silence


@pytest.fixture(scope="module")
def rest() -> EngineFile:
    return load(SHIPPED / "minimal-rest.yaml")


@pytest.fixture(scope="module")
def cgrates() -> EngineFile:
    return load(Path("cgrates"))


def exchange(
    path: str, request: object, response: object, status: int | None = 200, method: str = "POST"
) -> Exchange:
    return Exchange(1, 10.0, 11.0, method, path, request, status, response)


def translated(engine: EngineFile, *what: object, status: int | None = 200) -> tuple[str, object, int | None, object]:
    path, request, response = what
    each = exchange_in_words_of_contract(engine, exchange(str(path), request, response, status))
    return each.path, each.request, each.status, each.response


START = {"call_id": "c", "customer": "1000", "from": "sip:1000@x", "to": "sip:39@y", "started": 5}


def test_requests_and_answers_in_the_contracts_words(rest: EngineFile) -> None:
    request = {"call_id": "c", "customer": "1000", "from": "sip:1000@x", "to": "sip:39@y"}
    fields = {"transaction_tag": "c", "account_tag": "1000", "source": "sip:1000@x", "destination": "sip:39@y"}
    yes = {"allowed": True, "seconds": 60, "gateways": ["UDP:carrier:5060"]}
    assert translated(rest, "/billing/authorize", request, yes) == (
        "/v1/authorization",
        fields,
        200,
        {"authorized": True, "max_available_units": 60, "carriers": ["UDP:carrier:5060"]},
    )
    no = {"allowed": False, "why": "no credit"}
    assert translated(rest, "/billing/authorize", request, no)[3] == {
        "authorized": False,
        "unauthorized_reason": "BALANCE_INSUFFICIENT",
    }
    assert translated(rest, "/billing/start", START, {"done": True}) == (
        "/v1/begin_transaction",
        {**fields, "timestamp_begin": 5},
        200,
        {"ok": True},
    )


@pytest.mark.parametrize(
    ("status", "response", "shown"),
    [
        (200, {"done": False}, {"ok": False}),
        (200, {"done": 1}, {"ok": 1}),
        (200, {}, {}),
        (503, {"done": True}, {"ok": False}),
        (None, "", ""),
    ],
)
def test_an_answer_that_isnt_good(rest: EngineFile, status: int | None, response: object, shown: object) -> None:
    assert translated(rest, "/billing/stop", START, response, status=status)[2:] == (status, shown)


@pytest.mark.parametrize(
    ("path", "response", "said"),
    [
        (
            "authorize",
            {"permitted": True, "ttl": 9},
            "21: authorized is at 'allowed', and an answer has 'permitted', 'ttl'",
        ),
        ("authorize", "<html>", "21: authorized is at 'allowed', and an answer is text: '<html>'"),
        ("authorize", [1], "21: authorized is at 'allowed', and an answer is JSON that is no object: '[1]'"),
        ("authorize", "", "21: authorized is at 'allowed', and an answer is empty"),
        (
            "authorize",
            {"allowed": 1, "ttl": 9},
            "23: max_available_units is at 'seconds', and an answer has 'allowed', 'ttl'",
        ),
        (
            "authorize",
            {"allowed": True, "seconds": 9},
            "24: carriers is at 'gateways', and an answer has 'allowed', 'seconds'",
        ),
        ("stop", {"finished": True}, "20: ok is at 'done', and an answer has 'finished'"),
        ("stop", {"done": None}, ""),
        ("authorize", {"allowed": False}, ""),
        ("authorize", {"allowed": True, "seconds": 60, "gateways": []}, ""),
    ],
)
def test_an_answer_that_the_file_doesnt_describe_is_told_with_its_line(
    rest: EngineFile, path: str, response: object, said: str
) -> None:
    seen = exchange_in_words_of_contract(rest, exchange(f"/billing/{path}", START, response))
    assert seen.untranslated == (f"{SHIPPED}/minimal-rest.yaml:{said}" if said else "")
    assert not said or seen.response == response, "as it came"
    refused = exchange_in_words_of_contract(rest, exchange(f"/billing/{path}", START, response, status=503))
    assert refused.untranslated == "", "not a good answer by its status"


def test_a_field_that_no_record_has_is_told(rest: EngineFile) -> None:
    whole = dict.fromkeys(("id", "customer", "from", "to", "started", "stopped", "seconds", "cost"))
    runs = {"id": "a", "customer": "1000", "from": "x", "to": "y", "started": 1}
    for records in ([], [whole], [runs, whole]):
        assert rest.lacking(records) == ""
    priced = {**whole, "price": 2}
    del priced["cost"]
    said = f"{SHIPPED}/minimal-rest.yaml: records.fields.fee is at 'cost', and a record has"
    assert rest.lacking([runs, priced]) == f"{said} 'price'"
    assert rest.lacking([runs]).startswith(
        f"{SHIPPED}/minimal-rest.yaml: records.fields.timestamp_end is at 'stopped'"
    )
    assert "and a record is text: 'a'" in rest.lacking(["a"])


@pytest.mark.parametrize(
    ("path", "method"), [("/billing/start", "GET"), ("/other", "POST"), ("/billing/start/", "POST")]
)
def test_what_isnt_about_a_call_stays_as_it_is(rest: EngineFile, path: str, method: str) -> None:
    seen = exchange(path, START, {"done": True}, method=method)
    left = exchange_in_words_of_contract(rest, seen)
    assert replace(left, untranslated="") == seen
    known = "recognises POST /billing/authorize, POST /billing/start, POST /billing/stop"
    assert left.untranslated == f"{SHIPPED}/minimal-rest.yaml {known}"


def rpc(method: str, **event: object) -> dict[str, object]:
    return {"method": method, "id": 1, "params": [{"GetMaxUsage": True, "Event": event}]}


def test_one_path_and_the_kind_in_the_body(cgrates: EngineFile) -> None:
    event = {"OriginID": "c", "Account": "1000", "Destination": "39"}
    path, request, _, answer = translated(
        cgrates,
        "/jsonrpc",
        rpc("SessionSv1.AuthorizeEvent", **event),
        {"id": 1, "result": {"MaxUsage": 60_000_000_000}, "error": None},
    )
    assert path == "/v1/authorization"
    assert request == {"transaction_tag": "c", "account_tag": "1000", "destination": "39"}
    assert answer == {"authorized": True, "max_available_units": 60}
    assert translated(
        cgrates, "/jsonrpc", rpc("SessionSv1.TerminateSession", **event), {"result": "OK", "error": None}
    ) == (
        "/v1/end_transaction",
        request,
        200,
        {"ok": True},
    )
    refused = {"id": 1, "result": None, "error": "RALS_ERROR:ACCOUNT_NOT_FOUND"}
    assert translated(cgrates, "/jsonrpc", rpc("SessionSv1.AuthorizeEvent", **event), refused)[3] == {
        "authorized": False
    }


def test_faults_meet_the_engines_own_words(rest: EngineFile, cgrates: EngineFile) -> None:
    fault = Fault(Silence(), path="begin_transaction", match={"transaction_tag": Regex("^x-")})
    assert fault_in_words_of_engine(rest, fault) == Fault(
        Silence(), path="/billing/start", match={"call_id": Regex("^x-")}
    )
    assert fault_in_words_of_engine(cgrates, fault) == Fault(
        Silence(),
        path="/jsonrpc",
        match={"params.0.Event.OriginID": Regex("^x-"), "method": "SessionSv1.InitiateSession"},
    )
    edit = Fault(Edit({"max_available_units": 8}, ("carriers",)), path="authorization")
    assert fault_in_words_of_engine(rest, edit).action == Edit({"seconds": 8}, ("gateways",))
    assert fault_in_words_of_engine(cgrates, edit).action == Edit({"result.MaxUsage": 8_000_000_000}, ("carriers",))
    reason = Fault(Edit({"unauthorized_reason": "NOT_FOUND"}), path="authorization")
    assert fault_in_words_of_engine(rest, reason).action == Edit({"why": "unknown customer"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nrequests: {}\n", "request_fields: is missing"),
        ("name: x\nrequests:\n  begin: {pth: /x}\nrequest_fields: {transaction_tag: id}\n", ":3:10: requests.begin"),
        ("name: x\nrequests: {}\nrequest_fields: {call: id}\n", "unknown field 'call'; known are: account_tag"),
        ("name: x\nrequests: {}\nrequest_fields: {account_tag: id}\n", "'transaction_tag' has to be among them"),
        ("name: [\n", "isn't YAML"),
        ("- 1\n", "mistake"),
        (
            "name: x\nrequests: {}\nrequest_fields: {transaction_tag: id}\nrecords: {fields: {fee: cost}}\n",
            ":4:19: records.fields: 'account_tag' has to be among the fields",
        ),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


REST = (SHIPPED / "minimal-rest.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("there", "instead", "said"),
    [
        ("path: /billing/stop", "path: billing/stop", ":7:15: requests.end.path: 'billing/stop' isn't a path"),
        ("path: /billing/stop", "path: http://a/stop", "isn't a path: it begins with a slash, and has no host"),
        ("path: /billing/stop", 'path: "/stop?a=1"', "a request is recognised by its path, without the query"),
        ("path: /billing/stop", "path: /stop, method: POTS", "requests.end.method: no method of HTTP"),
        ("  end: {path: /billing/stop}\n", "", ":5:3: requests: end is missing"),
        ("path: /billing/stop", "path: /billing/start", ":5:3: requests: end is recognised as begin is"),
        ("status: [200]", "status: 200", ":19:11: answer.status: this has to be a list: `[a, b]`"),
        ("status: [200]", "status: [2000]", ":19:12: answer.status.0: "),
        (
            "transaction_tag: call_id",
            "transaction_tag: a..b",
            ":11:20: request_fields.transaction_tag: 'a..b' is no place",
        ),
        ("  ok: done", "  ok: $.result.ok", ":20:7: answer.ok: '$.result.ok' is JSONPath, and a place is such as"),
        ("  ok: done", "  ok: result[0].ok", "params.0.id: 'result.0.ok' is meant?"),
        ("  ok: done", "  ok: $['a b'].ok", "params.0.id: 'a b.ok' is meant?"),
        ("  ok: done", "  ok: result.*.ok", "of a list one is meant, by its number"),
        (
            "  ok: done",
            "  ok: /answer/@ok",
            ":20:7: answer.ok: '/answer/@ok' is no place in a document: answers are JSON",
        ),
        ("  ok: done", "  ok: /result/ok", "answers are JSON, and a place is such as params.0.id"),
        ("  ok: done", "  format: xml\n  ok: done", ":20:11: answer.format: there is no such key"),
        ("  ok: done", "  okay: done", ":20:9: answer.okay: there is no such key"),
        ("{{ account_tag }}", "{{ account_tag }", "seed.2.path: no template: unexpected '}'"),
        ('"{{ balance }}"', '"{{ balance | euros }}"', "seed.2.json: no template: No filter named 'euros'."),
        ("read: {path: /calls}", 'read: {path: "/calls/{{ ids }}"}', "records.read: a template knows no 'ids' here"),
        ("{{ account_tag }}", "{{ account }}", "seed.2: a template knows no 'account' here; did you mean"),
        (
            '"{{ balance }}"',
            '"{{ money }}"',
            ":37:5: seed.2: a template knows no 'money' here; each of accounts has: ",
        ),
        ("{{ carrier_tag }}", "{{ rate }}", "seed.0: a template knows no 'rate' here; "),
        ("path: /empty", 'path: "/empty/{{ tag }}"', ":38:8: empty: a template knows no 'tag' here; its variables"),
        ("  read: {path: /calls}\n", "", "records: either `read`, a request, or `command`, a program, is needed"),
        ("read: {path: /calls}", "command: calls --json", "records.command: this has to be a list"),
        ("    fee: cost", "    feee: cost", "records: unknown field 'feee'; known are: account_tag, "),
        ("    transaction_tag: id\n", "", "records: 'transaction_tag' has to be among the fields"),
        (", balance: credit", "", "accounts: 'balance' has to be among the fields"),
        (
            "  ok: done\n",
            "",
            ":19:3: answer: 'ok' is missing: the field that accepts a begin or an end. `ok: null` says",
        ),
        ("  authorized: allowed\n", "", "answer: 'authorized' is missing: the field that authorises a call."),
        ("  carriers: gateways\n", "  carrier: {host: a}\n", "answer: 'carrier' needs its `host`, and `carriers`"),
        (
            "path: /billing/stop",
            'path: "/{a}/x{b}"',
            "'x{b}': a placeholder is a whole segment, such as /calls/{call_id}",
        ),
        ("path: /billing/stop", 'path: "/{a}/{a}"', "requests.end.path: 'a' is there twice"),
        (
            "read: {path: /calls}",
            'read: {path: /c, headers: {A: "{{ env.NO_SUCH }}"}}',
            "the environment has no NO_SUCH",
        ),
        ("read: {path: /calls}", 'command: [a, "{{ tags }}"]', "records.command: a template knows no 'tags' here"),
        ("name: a", "name: b\nname: a", ":3:1: name: this key stands there twice"),
        ("  ok: done", "  ok: done\n  ok: really", ":21:3: answer.ok: this key stands there twice"),
        ("name: a", "name: \x07a", ":2:7: the engine's file isn't YAML"),
    ],
)
def test_what_would_be_a_riddle_in_a_run_is_a_mistake(tmp_path: Path, there: str, instead: str, said: str) -> None:
    assert there in REST
    file = tmp_path / "engine.yaml"
    file.write_text(REST.replace(there, instead, 1), "utf-8")
    with pytest.raises(UsageError) as caught:
        load(file)
    assert said in str(caught.value)


OTHER = """
name: another
requests:
  authorization: {path: "/calls/{id}/authorize", method: GET}
  begin: {path: /events, when: {type: start}, fields: {transaction_tag: call}}
  end: {path: /events, when: {type: stop, v: 2}, fields: {transaction_tag: call}}
request_fields: {transaction_tag: id, account_tag: who, timestamp_begin: at}
answer:
  status: [200, 201]
  ok: result.code
  authorized: result.code
  accepts: [0, granted]
  max_available_units: result.ttl
  units_per_second: 1000
  carriers: routes
  carrier: {protocol: via.transport, host: via.host, port: via.port}
  unauthorized_reason: result.why
  reasons: {402: BALANCE_INSUFFICIENT, 17: NOT_ACTIVE}
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> EngineFile:
    file = tmp_path_factory.mktemp("engine") / "other.yaml"
    file.write_text(OTHER)
    return load(file)


def with_query(path: str, request: object, response: object, method: str = "POST", **more: Any) -> Exchange:
    return replace(exchange(path, request, response, method=method), **more)


def test_a_request_says_it_in_its_path_and_its_query(other: EngineFile) -> None:
    answer = {"result": {"code": 0, "ttl": "60000"}, "routes": [{"via": {"host": "carrier", "port": 5060}}]}
    asked = with_query("/calls/a%40b/authorize", "", answer, "GET", query="who=10%2B00&at=1700000000123&x=")
    seen = exchange_in_words_of_contract(other, asked)
    assert (seen.kind, seen.status, seen.untranslated) == ("authorization", 200, "")
    assert seen.request == {"transaction_tag": "a@b", "account_tag": "10+00", "timestamp_begin": 1700000000}
    assert seen.response == {"authorized": True, "max_available_units": 60, "carriers": ["UDP:carrier:5060"]}
    assert exchange_in_words_of_contract(other, replace(asked, path="/calls//authorize")).path == "/calls//authorize"


FORM = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)


@pytest.mark.parametrize(
    ("kind", "headers", "body", "query"),
    [
        ("begin_transaction", FORM, "type=start&call=c&at=1700000000", ""),
        ("end_transaction", FORM, "type=stop&v=2&call=c&at=1700000000", ""),
        ("end_transaction", (), {"type": "stop", "v": 2, "call": "c", "at": 1700000000}, "call=other"),
        ("events", (), "type=start&call=c", ""),
        ("events", FORM, "type=stop&v=3&call=c", ""),
        ("events", (), {"type": "stop", "v": "2", "call": "c"}, ""),
    ],
)
def test_a_request_that_is_a_form(other: EngineFile, kind: str, headers: Any, body: object, query: str) -> None:
    sent = with_query("/events", body, {"result": {"code": "granted"}}, headers=headers, query=query)
    seen = exchange_in_words_of_contract(other, sent)
    assert seen.kind == kind
    if kind != "events":
        assert seen.request == {"transaction_tag": "c", "timestamp_begin": 1700000000}
        assert seen.response == {"ok": True}


@pytest.mark.parametrize(
    ("status", "response", "shown"),
    [
        (200, {"result": {"code": 17, "why": 17}}, {"authorized": False, "unauthorized_reason": "NOT_ACTIVE"}),
        (402, "no money", {"authorized": False, "unauthorized_reason": "BALANCE_INSUFFICIENT"}),
        (200, {"result": {"code": False, "why": "x"}}, {"authorized": False, "unauthorized_reason": "x"}),
        (200, {"result": {"code": True, "why": "x"}}, {"authorized": False, "unauthorized_reason": "x"}),
    ],
)
def test_a_refusal_in_words_of_its_own(other: EngineFile, status: int, response: object, shown: object) -> None:
    asked = with_query("/calls/c/authorize", "", response, "GET", status=status)
    seen = exchange_in_words_of_contract(other, asked)
    assert (seen.status, seen.response) == (200, shown)
    assert fault_of_answer(seen) == ""


def test_a_status_that_no_reason_is_given_for_is_told(other: EngineFile) -> None:
    asked = with_query("/calls/c/authorize", "", "", "GET", status=500)
    told = fault_of_answer(exchange_in_words_of_contract(other, asked))
    assert told == "it answered authorization with 500, and a good answer has another, by the engine's file"


def test_what_an_engine_never_says_is_no_fault_of_its_answer(cgrates: EngineFile) -> None:
    event = rpc("SessionSv1.AuthorizeEvent", OriginID="c", Account="1000")
    answer = {"id": 1, "result": {"MaxUsage": 60_000_000_000}, "error": None}
    seen = exchange_in_words_of_contract(cgrates, exchange("/jsonrpc", event, answer))
    assert seen.answer("authorized") is True
    assert fault_of_answer(seen) == ""
    assert fault_of_answer(replace(seen, is_translated=False)) == "its carriers is null, and no list"


def test_a_fault_meets_a_path_with_a_placeholder_and_a_form(other: EngineFile) -> None:
    fault = fault_in_words_of_engine(other, Fault(Silence(), path="end_transaction", match={"transaction_tag": "c"}))
    assert fault.concerns("/events")
    assert fault.matches(None, {"type": "stop", "v": "2", "call": "c"})
    assert not fault.matches(None, {"type": "start", "v": "2", "call": "c"})
    asked = fault_in_words_of_engine(other, Fault(Silence(), path="authorization"))
    assert asked.concerns("/calls/c/authorize")
    assert not asked.concerns("/calls/c/d/authorize")
    edit = fault_in_words_of_engine(other, Fault(Edit({"authorized": True, "ok": False}), path="authorization"))
    assert edit.action == Edit({"result.code": 0})


def test_what_a_template_makes_by_itself_is_known(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    made = "{{ pricelist_tags | length + namespace(a=1).a }}"
    file.write_text(REST.replace('"{{ balance }}"', f'"{made}"'), "utf-8")
    assert load(file).seed[2].body == {"credit": made}


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("accounts", given.Account),
        ("carriers", given.Carrier),
        ("pricelists", given.Pricelist),
        ("rates", given.Rate),
        ("customers", given.Customer),
    ],
)
def test_templates_know_what_a_scenario_gives(section: str, model: type[Model]) -> None:
    further = {"pricelist_tag"} if section == "rates" else set()
    assert set(model.model_fields) | further == GIVEN_FIELDS[section]


def test_a_method_may_be_written_in_small_letters(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text(REST.replace("path: /billing/stop", "path: /billing/stop, method: put"), "utf-8")
    assert load(file).requests["end"].method == "PUT"


def test_a_file_that_holds_itself(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text("a: &a [*a]\n")
    with pytest.raises(UsageError, match="the engine's file has"):
        load(file)


def test_a_file_that_isnt_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        load(tmp_path / "none.yaml")


def test_places_in_a_document() -> None:
    document = {"a": [{"b": 1}], "c": None}
    assert value_at(document, "a.0.b") == 1
    assert value_at(document, "c") is None
    assert value_at(document, "") is document
    assert {value_at(document, where) for where in ("a.1", "a.b", "c.d", "x")} == {MISSING}
    assert with_value(document, "a.0.b", 2) == {"a": [{"b": 2}], "c": None}
    assert with_value({}, "x.y", 1) == {"x": {"y": 1}}
    assert without(document, "a.0.b") == {"a": [{}], "c": None}
    assert without(document, "a.0") == {"a": [], "c": None}
    assert without(document, "x.y") == document
    assert document == {"a": [{"b": 1}], "c": None}
