"""The client for the engine's API: against the embedded engine, and against answers that no engine should give."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from rating_harness.errors import EngineError, PlanError
from rating_harness.lab.protocol import Endpoint
from rating_harness.rating.client import EngineClient

GIVEN: dict[str, Any] = {
    "accounts": [
        {"account_tag": "1000", "type": "PREPAID", "balance": 5_000_000_000, "customer_tag": "acme"},
        {"account_tag": "1001", "type": "POSTPAID", "balance": 0, "active": False, "running": {"inbound": 2}},
    ],
    "carriers": [{"carrier_tag": "carrier", "host": "carrier", "port": 5060, "protocol": "UDP"}],
    "pricelists": [
        {
            "pricelist_tag": "retail",
            "currency": "EUR",
            "rates": [{"carrier_tag": "carrier", "prefix": "sip:39", "rate": 1}],
        }
    ],
    "customers": [{"customer_tag": "acme"}],
}
EVERYTHING = "{allAccounts {id} allCarriers {id} allPricelists {id} allPricelistRates {id} allCustomers {id}}"


@pytest.fixture(scope="module")
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The embedded engine's agent and API."""
    directory = tmp_path_factory.mktemp("engine")
    agent, api = directory / "agent.sock", directory / "api.sock"
    command = [sys.executable, "-c", "from rating_harness.cli.main import main; main()"]
    command += ["engine", "--agent", f"unix:{agent}", "--api", f"unix:{api}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        try:
            assert engine.stdout
            assert engine.stdout.readline()
            yield agent, api
        finally:
            engine.terminate()


@pytest.fixture
def engine(sockets: tuple[Path, Path]) -> Iterator[EngineClient]:
    with EngineClient(Endpoint("http://engine", str(sockets[1]))) as client:
        assert client.reset()
        yield client


def call(agent: Path, transaction_tag: str, account_tag: str = "1000") -> None:
    fields = {"transaction_tag": transaction_tag, "account_tag": account_tag, "destination": "sip:3904@carrier"}
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(agent)), base_url="http://agent/v1") as client:
        for step in ("authorization", "begin_transaction", "end_transaction"):
            assert client.post(f"/{step}", json=fields).status_code == 200


def test_seeded_accounts_read_back(engine: EngineClient) -> None:
    engine.check()
    engine.seed(GIVEN)
    prepaid, postpaid = engine.accounts()
    assert (prepaid["account_tag"], prepaid["type"], prepaid["active"]) == ("1000", "PREPAID", True)
    assert (prepaid["balance"], type(prepaid["balance"])) == (5_000_000_000, int)
    assert (postpaid["active"], prepaid["running_transactions"]) == (False, [])
    running = postpaid["running_transactions"] or []
    assert [(each["transaction_tag"], each["inbound"]) for each in running] == [
        ("given-running-inbound-1", True),
        ("given-running-inbound-2", True),
    ]
    assert [account["account_tag"] for account in engine.accounts(["1001", "none", "1001"])] == ["1001"]
    assert engine.accounts([]) == []


def test_seeding_again_updates(engine: EngineClient) -> None:
    engine.seed(GIVEN)
    engine.seed({"accounts": [{"account_tag": "1001", "type": "POSTPAID", "balance": 7, "active": False}]})
    (account,) = engine.accounts(["1001"])
    assert (account["balance"], account["active"]) == (7, False)


def test_a_mistake_in_what_is_given_is_found_before_anything_is_sent(engine: EngineClient) -> None:
    with pytest.raises(PlanError):
        engine.seed({**GIVEN, "accounts": [{"account_tag": "1000", "type": "PREPAID"}]})
    assert engine.query(EVERYTHING)["allCarriers"] == []


def test_transactions(engine: EngineClient, sockets: tuple[Path, Path]) -> None:
    engine.seed(GIVEN)
    tags = [f"call-{number:03}" for number in range(60)]
    for tag in tags:
        call(sockets[0], tag)
    call(sockets[0], "other", "1001")
    everything = engine.transactions()
    assert [each["transaction_tag"] for each in everything] == tags
    assert everything == engine.transactions(transaction_tags=[*tags, "none"])
    assert everything == engine.transactions(account_tags=["1000", "none"])
    assert engine.transactions(transaction_tags=tags, account_tags=["1001"]) == []
    assert engine.transactions(transaction_tags=[]) == []
    record = everything[0]
    assert (record["account_tag"], record["fee"], record["primary"]) == ("1000", 0, True)
    assert record["destination_rate"]
    assert record["destination_rate"]["prefix"] == "sip:39"


def test_what_was_seeded_is_removed_with_its_transactions(engine: EngineClient, sockets: tuple[Path, Path]) -> None:
    engine.seed({"accounts": [{"account_tag": "kept", "type": "PREPAID", "balance": 5}]})
    engine.seed(GIVEN)
    for number in range(60):
        call(sockets[0], f"call-{number}")
    call(sockets[0], "kept", "kept")
    engine.remove(GIVEN)
    left = engine.query(EVERYTHING)
    assert {kind: len(records) for kind, records in left.items()} == {
        "allAccounts": 1,
        "allCarriers": 0,
        "allPricelists": 0,
        "allPricelistRates": 0,
        "allCustomers": 0,
    }
    assert {each["account_tag"] for each in engine.transactions()} <= {"kept"}
    engine.remove(GIVEN)


def test_tenants_are_apart(engine: EngineClient, sockets: tuple[Path, Path]) -> None:
    with EngineClient(Endpoint("http://engine", str(sockets[1])), tenant="other") as other:
        other.seed(GIVEN)
        assert engine.accounts() == []
        assert [account["tenant"] for account in other.accounts()] == ["other", "other"]
        engine.remove(GIVEN)
        assert len(other.accounts()) == 2


def test_the_engines_own_words_are_in_the_error(engine: EngineClient) -> None:
    with pytest.raises(EngineError) as caught:
        engine.seed({"accounts": [{"account_tag": "1", "type": "PREPAID", "balance": 1, "customer_tag": "nobody"}]})
    error = caught.value
    assert error.message == "the engine refused upsertAccount"
    assert "nobody not found" in str(error.found)
    assert 'account_tag: "1"' in str(error.detail)
    assert "refers to one that isn't there" in str(error.hint)


def test_raw_requests(engine: EngineClient) -> None:
    engine.seed(GIVEN | {"graphql": ['mutation {setAccountBalance(account_tag: "1001", balance: 9) {ok}}']})
    assert engine.query("query ($tag: String) {Account(account_tag: $tag) {balance}}", {"tag": "1001"}) == {
        "Account": {"balance": 9}
    }
    with pytest.raises(EngineError, match="nope"):
        engine.query("{nope}")


class Canned:
    """A server that answers every request the same."""

    def __init__(self, status: int, body: str) -> None:
        canned = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"] or 0))
                canned.requests += 1
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self.requests = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> EngineClient:
        self._thread.start()
        self.client = EngineClient(Endpoint(f"http://127.0.0.1:{self._server.server_address[1]}"))
        return self.client

    def __exit__(self, *args: object) -> None:
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"data": {"x": 1}, "errors": [{"message": "half of it failed"}]}, "half of it failed"),
        (400, {"data": None, "errors": [{"message": "no such field"}]}, "no such field"),
        (400, {"data": {"x": 1}, "errors": None}, "400"),
        (500, "Internal Server Error", "Internal Server Error"),
        (200, {"data": None}, "200"),
        (200, [], "200"),
        (404, {"detail": "Not Found"}, "not of its agent"),
    ],
)
def test_no_whole_answer_is_an_error(status: int, body: object, said: str) -> None:
    with Canned(status, body if isinstance(body, str) else json.dumps(body)) as client:
        with pytest.raises(EngineError) as caught:
            client.query("{x}")
        assert said in str(caught.value)


def test_errors_that_are_null_are_none() -> None:
    with Canned(200, '{"data": {"version": "1"}, "errors": null}') as client:
        assert client.query("{version}") == {"version": "1"}


def test_a_list_that_was_cut_is_an_error() -> None:
    server = Canned(200, json.dumps({"data": {"r0": [{"account_tag": "1", "balance": 1}], "n0": {"count": 26}}}))
    with server as client, pytest.raises(EngineError) as caught:
        client.accounts()
    assert (caught.value.expected, caught.value.found) == ("26 records, as the engine counts them", "1")
    assert server.requests > 1


@pytest.mark.parametrize("data", [{}, {"r0": None, "n0": {"count": 0}}, {"r0": [], "n0": None}])
def test_a_list_that_is_missing_is_an_error(data: object) -> None:
    with Canned(200, json.dumps({"data": data})) as client, pytest.raises(EngineError, match="lacks a list"):
        client.transactions()


@pytest.mark.parametrize("ok", [None, False])
def test_an_operation_that_was_not_carried_out_is_an_error(ok: bool | None) -> None:
    given = {"carriers": [{"carrier_tag": "a"}]}
    for answer in ({"upsertCarrier": {"carrier_tag": ok}}, {"upsertCarrier": None}, {}):
        with (
            Canned(200, json.dumps({"data": answer})) as client,
            pytest.raises(EngineError, match="did not carry out upsertCarrier"),
        ):
            client.seed(given)


def test_reset_where_the_engine_cannot() -> None:
    with Canned(404, "") as client:
        assert client.reset() is False
    with Canned(500, "broken") as client, pytest.raises(EngineError, match="POST /reset"):
        client.reset()


def test_an_engine_that_is_not_there() -> None:
    with EngineClient(Endpoint("http://127.0.0.1:9")) as client:
        with pytest.raises(EngineError, match="does not answer") as caught:
            client.accounts()
        assert caught.value.where == "http://127.0.0.1:9/graphql"
        with pytest.raises(EngineError):
            client.check()
