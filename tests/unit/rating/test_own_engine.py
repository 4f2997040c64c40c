"""The client that an engine file makes, against a stand-in."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rating_harness.errors import EngineError, PlanError
from rating_harness.rating.engine_file import SHIPPED, EngineFile, load
from rating_harness.rating.own_engine import OwnEngine, UnreadableEngine

GIVEN = {
    "accounts": [{"account_tag": "1000", "type": "PREPAID", "balance": 30}],
    "carriers": [{"carrier_tag": "c", "host": "carrier", "port": 5060, "protocol": "UDP"}],
    "pricelists": [
        {"pricelist_tag": "p", "rates": [{"carrier_tag": "c", "prefix": "sip:39", "rate": 2, "rate_increment": 1}]}
    ],
    "customers": [],
    "graphql": [],
}


class Api:
    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.headers: dict[str, str] = {}
        self.url = ""


class Raw(str):
    """A body that is answered as it is."""


@pytest.fixture
def api() -> Iterator[Api]:
    state = Api()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            state.requests.append((self.command, self.path, json.loads(body) if body else None))
            state.headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = state.answers.get((self.command, self.path), (200, {}))
            data = answer.encode() if isinstance(answer, Raw) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.handle_any()

        def do_POST(self) -> None:
            self.handle_any()

        def do_PUT(self) -> None:
            self.handle_any()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def rest(api: Api) -> Iterator[OwnEngine]:
    engine = OwnEngine(load(Path("minimal-rest")), api.url)
    yield engine
    engine.close()


def test_it_is_seeded_by_templates_that_keep_types(api: Api, rest: OwnEngine) -> None:
    assert rest.reset()
    rest.seed(GIVEN)
    assert api.requests == [
        ("POST", "/empty", None),
        ("PUT", "/gateways/c", {"address": "UDP:carrier:5060"}),
        ("PUT", "/prices", {"prefix": "sip:39", "gateway": "c", "price": 2, "step": 1}),
        ("PUT", "/customers/1000", {"credit": 30}),
    ]


def test_records_and_accounts_are_read_in_the_contracts_words(api: Api, rest: OwnEngine) -> None:
    done = {
        "id": "a",
        "customer": "1000",
        "started": 1_700_000_000,
        "stopped": 1_700_000_003,
        "seconds": 3,
        "cost": 6,
    }
    running = {"id": "b", "customer": "1000", "started": 1_700_000_001, "stopped": None}
    api.answers["GET", "/calls"] = (200, {"calls": [done, running, {**done, "id": "z", "customer": "2000"}]})
    api.answers["GET", "/customers"] = (
        200,
        {"customers": [{"name": "1000", "credit": 24}, {"name": "9", "credit": 1}]},
    )
    (record,) = rest.transactions(transaction_tags=["a", "b"])
    assert record["timestamp_begin"] == "2023-11-14T22:13:20"
    assert record["timestamp_end"] == "2023-11-14T22:13:23"
    assert (record["duration"], record["fee"], record["primary"], record["account_tag"]) == (3, 6, True, "1000")
    assert [each["transaction_tag"] for each in rest.transactions(account_tags=["1000"])] == ["a"]
    (account,) = rest.accounts(["1000"])
    assert account["balance"] == 24
    assert [each["transaction_tag"] for each in account["running_transactions"] or ()] == ["b"]
    assert rest.unreadable == ""


def test_a_length_is_derived_where_the_engine_says_none(api: Api, rest: OwnEngine) -> None:
    api.answers["GET", "/calls"] = (
        200,
        {"calls": [{"id": "a", "customer": "1", "started": "2026-01-01T00:00:00", "stopped": "2026-01-01T00:01:01"}]},
    )
    assert [each["duration"] for each in rest.transactions()] == [61]


def test_nanoseconds_and_no_record_at_all(api: Api) -> None:
    cgrates = OwnEngine(load(Path("cgrates")), api.url)
    api.answers["POST", "/jsonrpc"] = (200, {"id": 1, "result": None, "error": "NOT_FOUND"})
    assert cgrates.transactions(transaction_tags=["a"]) == []
    assert api.requests[-1][2] == {
        "method": "CDRsV1.GetCDRs",
        "id": 1,
        "params": [{"OriginIDs": ["a"], "Accounts": []}],
    }
    cdr = {
        "OriginID": "a",
        "Account": "1000",
        "AnswerTime": "2026-01-01T00:00:00Z",
        "Usage": 61_000_000_000,
        "Cost": 3,
    }
    api.answers["POST", "/jsonrpc"] = (200, {"id": 1, "result": [cdr], "error": None})
    (record,) = cgrates.transactions(transaction_tags=["a"])
    assert (record["duration"], record["timestamp_end"], record["fee"]) == (61, "2026-01-01T00:01:01", 3)
    cgrates.close()


def test_what_the_api_refuses_is_told(api: Api, rest: OwnEngine) -> None:
    api.answers["PUT", "/customers/1000"] = (422, {"error": "no such currency"})
    with pytest.raises(EngineError) as caught:
        rest.seed(GIVEN)
    assert "PUT /customers/1000" in str(caught.value)
    assert "no such currency" in str(caught.value)
    api.answers["GET", "/calls"] = (200, {"records": []})
    with pytest.raises(EngineError, match="no list of records"):
        rest.transactions()


def test_an_api_that_isnt_there() -> None:
    engine = OwnEngine(load(Path("minimal-rest")), "http://127.0.0.1:1")
    with pytest.raises(EngineError, match="doesn't answer"):
        engine.reset()


def test_graphql_is_canyans(rest: OwnEngine) -> None:
    with pytest.raises(PlanError, match="needs an engine with Canyan's API"):
        rest.seed({**GIVEN, "graphql": ["mutation {x}"]})


def test_records_that_a_command_prints() -> None:
    rows = json.dumps([{"id": "a", "who": "1000", "from": 1, "to": 4}])
    file = EngineFile.model_validate(
        {
            "name": "by hand",
            "requests": {kind: {"path": f"/{kind}"} for kind in ("authorization", "begin", "end")},
            "request_fields": {"transaction_tag": "id"},
            "answer": {"ok": None, "authorized": None},
            "records": {
                "command": [sys.executable, "-c", f"print({rows!r})"],
                "fields": {
                    "transaction_tag": "id",
                    "account_tag": "who",
                    "timestamp_begin": "from",
                    "timestamp_end": "to",
                },
            },
        }
    )
    engine = OwnEngine(file, "http://127.0.0.1:1")
    assert [each["duration"] for each in engine.transactions()] == [3]
    broken = file.model_copy(update={"records": file.records.model_copy(update={"command": ("false",)})})  # type: ignore[union-attr]
    with pytest.raises(EngineError, match="the command that reads records failed"):
        OwnEngine(broken, "http://127.0.0.1:1").transactions()


def test_an_engine_that_cant_be_read_says_why() -> None:
    engine = UnreadableEngine("the engine's API isn't given (--api-url)")
    assert engine.unreadable
    assert not engine.reset()
    assert engine.transactions() == []


@pytest.mark.parametrize(
    "began",
    [
        1_700_000_000,
        1_700_000_000_000,
        1_700_000_000_000_000,
        1_700_000_000_000_000_000,
        "1700000000",
        "1700000000000",
        "2023-11-14T22:13:20Z",
        "2023-11-14T23:13:20+01:00",
        "2023-11-14 22:13:20",
    ],
)
def test_times_as_engines_write_them(api: Api, rest: OwnEngine, began: object) -> None:
    row = {"id": "a", "customer": "1000", "started": began, "stopped": began, "seconds": "3", "cost": "6.00"}
    api.answers["GET", "/calls"] = (200, {"calls": [row]})
    (record,) = rest.transactions()
    assert record["timestamp_begin"] == "2023-11-14T22:13:20"
    assert (record["duration"], record["fee"]) == (3, 6)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("started", "14.11.2023", "timestamp_begin"),
        ("stopped", {"at": 1}, "timestamp_end"),
        ("started", float("inf"), "timestamp_begin"),
        ("started", True, "timestamp_begin"),
        ("seconds", "three", "duration"),
        ("cost", [6], "fee"),
    ],
)
def test_what_is_no_time_and_no_number_is_named(
    api: Api, rest: OwnEngine, field: str, value: object, named: str
) -> None:
    row = {"id": "a", "customer": "1000", "started": 1_700_000_000, "stopped": 1_700_000_003, field: value}
    api.answers["GET", "/calls"] = (200, {"calls": [row]})
    with pytest.raises(EngineError, match=f"a record's {named} can't be read") as caught:
        rest.transactions()
    assert caught.value.where == field


def page(number: int, **more: object) -> dict[str, object]:
    return {"calls": [{"id": f"c{number}", "customer": "1000", "started": 5, "stopped": 8}], **more}


def read_by(records: dict[str, object], api: Api) -> OwnEngine:
    file = load(Path("minimal-rest"))
    assert file.records is not None
    return OwnEngine(file.model_copy(update={"records": file.records.model_copy(update=records)}), api.url)


@pytest.mark.parametrize(
    "following", ["/calls?page=2", "?page=2", "URL/calls?page=2", "https://outside:1/calls?page=2"]
)
def test_records_that_are_answered_by_pages(api: Api, following: str) -> None:
    api.answers["GET", "/calls"] = (200, page(1, links={"next": following.replace("URL", api.url)}))
    api.answers["GET", "/calls?page=2"] = (200, page(2, links={"next": None}))
    with closing(read_by({"next": "links.next"}, api)) as engine:
        assert [each["transaction_tag"] for each in engine.transactions()] == ["c1", "c2"]


def test_pages_that_never_end(api: Api) -> None:
    api.answers["GET", "/calls"] = (200, page(1, next="/calls"))
    with closing(read_by({"next": "next"}, api)) as engine, pytest.raises(EngineError, match="don't end"):
        engine.transactions()


def test_an_answer_that_holds_but_a_part_of_the_records(api: Api) -> None:
    api.answers["GET", "/calls"] = (200, page(1, total=3))
    with (
        closing(read_by({"total": "total"}, api)) as engine,
        pytest.raises(EngineError, match="holds 1 records of 3") as caught,
    ):
        engine.transactions()
    assert "`next` names the place" in str(caught.value)


def test_a_key_that_is_there_twice_and_what_is_no_json(api: Api, rest: OwnEngine) -> None:
    api.answers["GET", "/calls"] = (200, Raw('{"calls": [], "calls": [1]}'))
    with pytest.raises(EngineError, match="GET /calls can't be read") as caught:
        rest.transactions()
    assert "an object that has 'calls' twice" in str(caught.value)
    api.answers["GET", "/calls"] = (200, Raw("<html>Login</html>"))
    with pytest.raises(EngineError, match="no list of records") as caught:
        rest.transactions()
    assert "found:    <html>Login</html>" in str(caught.value)


def test_a_token_comes_from_the_environment(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TOKEN", "s3cret")
    file = tmp_path / "engine.yaml"
    text = (SHIPPED / "minimal-rest.yaml").read_text("utf-8")
    token = 'read: {path: /calls, headers: {Authorization: "Bearer {{ env.ENGINE_TOKEN }}"}}'
    file.write_text(text.replace("read: {path: /calls}", token), "utf-8")
    api.answers["GET", "/calls"] = (200, page(1))
    with closing(OwnEngine(load(file), api.url)) as engine:
        engine.transactions()
    assert api.headers["authorization"] == "Bearer s3cret"
    api.answers["GET", "/calls"] = (401, {})
    with closing(OwnEngine(load(file), api.url)) as engine, pytest.raises(EngineError) as caught:
        engine.transactions()
    assert "Bearer {{ env.TOKEN }}" in str(caught.value)


def test_a_command_is_told_of_the_calls_and_says_why_it_failed(api: Api) -> None:
    said = "import json, sys; print(json.dumps([{'id': sys.argv[1], 'customer': '1', 'started': 5, 'stopped': 8}]))"
    argument = "{{ call_ids | join(',') }}"
    with closing(
        read_by({"read": None, "list": "", "command": (sys.executable, "-c", said, argument)}, api)
    ) as engine:
        assert [each["transaction_tag"] for each in engine.transactions(transaction_tags=["a"])] == ["a"]
    wrong = (sys.executable, "-c", "import sys; sys.exit('no database')")
    with (
        closing(read_by({"read": None, "list": "", "command": wrong}, api)) as engine,
        pytest.raises(EngineError, match="failed") as caught,
    ):
        engine.transactions()
    assert "no database" in str(caught.value)
