"""What is given, as requests: their order, their arguments, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from rating_harness.errors import PlanError
from rating_harness.rating.model import Account, Rate, selection
from rating_harness.rating.seed import removals, seeding

RATE = {"carrier_tag": "carrier", "prefix": "sip:39", "rate": 1}
GIVEN: dict[str, Any] = {
    "graphql": ["{version}"],
    "accounts": [
        {"account_tag": "1000", "type": "PREPAID", "balance": 3, "name": None, "running": {"outbound": 1}},
    ],
    "pricelists": [{"pricelist_tag": "retail", "currency": "EUR", "rates": [RATE]}],
    "carriers": [{"carrier_tag": "carrier", "host": "carrier", "active": False}],
    "customers": [{"customer_tag": "acme"}],
}


def test_references_come_first() -> None:
    assert [operation.name for operation in seeding(GIVEN)] == [
        "upsertCustomer",
        "upsertCarrier",
        "upsertPricelist",
        "upsertPricelistRate",
        "upsertAccount",
        "beginAccountTransaction",
        "",
    ]


def test_and_go_last() -> None:
    assert [str(operation) for operation in removals(GIVEN, tenant="t")] == [
        'deleteAccount(tenant: "t", account_tag: "1000")',
        'deletePricelistRate(tenant: "t", pricelist_tag: "retail", carrier_tag: "carrier", prefix: "sip:39")',
        'deletePricelist(tenant: "t", pricelist_tag: "retail")',
        'deleteCarrier(tenant: "t", carrier_tag: "carrier")',
        'deleteCustomer(tenant: "t", customer_tag: "acme")',
    ]


def test_defaults_and_what_is_not_given() -> None:
    customer, carrier, pricelist, rate, account, *_ = seeding(GIVEN)
    assert customer.variables == {"tenant": "default", "active": True, "customer_tag": "acme"}
    assert carrier.variables["active"] is False
    assert pricelist.variables == {"tenant": "default", "pricelist_tag": "retail", "currency": "EUR"}
    assert rate.variables == {
        "tenant": "default",
        "active": True,
        "connect_fee": 0,
        "interval_start": 0,
        "pricelist_tag": "retail",
        **RATE,
    }
    assert "name" not in account.variables


def test_a_request_and_its_line_for_people() -> None:
    carrier = seeding({"carriers": [{"carrier_tag": "c", "port": 5060}]})[0]
    assert carrier.text == (
        "mutation ($tenant: ID, $active: Boolean, $carrier_tag: String, $port: Int) "
        "{upsertCarrier(tenant: $tenant, active: $active, carrier_tag: $carrier_tag, port: $port) {carrier_tag}}"
    )
    assert str(carrier) == 'upsertCarrier(tenant: "default", active: true, carrier_tag: "c", port: 5060)'
    assert str(seeding({"graphql": ["{\n  version\n}"]})[0]) == "{ version }"


def test_running_transactions() -> None:
    given = {
        "accounts": [{"account_tag": "1", "type": "PREPAID", "balance": 1, "running": {"outbound": 1, "inbound": 1}}]
    }
    transactions = [operation.variables["transaction"] for operation in seeding(given)[1:]]
    assert [(each["transaction_tag"], each["inbound"]) for each in transactions] == [
        ("given-running-outbound-1", False),
        ("given-running-inbound-1", True),
    ]


def test_a_record_may_have_a_tenant_of_its_own() -> None:
    given = {"carriers": [{"carrier_tag": "c", "tenant": "own"}]}
    assert seeding(given, tenant="t")[0].variables["tenant"] == "own"
    assert removals(given, tenant="t")[0].variables["tenant"] == "own"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"account": []}, "unknown key 'account' in 'given'"),
        ({"accounts": [{"account_tag": "1", "type": "PREPAID"}]}, "Account (1) has no balance"),
        ({"accounts": [{"account_tag": "1", "type": None, "balance": None}]}, "has no type and no balance"),
        ({"accounts": [{"account_tag": "1", "balanse": 1}]}, "did you mean 'balance'?"),
        ({"pricelists": [{"pricelist_tag": "p", "active": True}]}, "unknown key 'active' in Pricelist"),
        (
            {"pricelists": [{"pricelist_tag": "p", "rates": [{**RATE, "rate": None}]}]},
            "(p, carrier, sip:39) has no rate",
        ),
        ({"carriers": [{}]}, "Carrier has no carrier_tag"),
        (
            {"accounts": [{"account_tag": "1", "type": "PREPAID", "balance": 1, "running": {"both": 1}}]},
            "unknown key 'both' in 'running'",
        ),
    ],
)
def test_mistakes(given: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError) as caught:
        seeding(given)
    assert said in str(caught.value)


def test_selection_of_all_fields() -> None:
    assert selection(Rate) == (
        "{carrier_tag pricelist_tag prefix description connect_fee rate rate_increment interval_start}"
    )
    assert "destination_rate {carrier_tag" in selection(Account)
    assert selection(Account).endswith("linked_accounts {account_tag}}")
