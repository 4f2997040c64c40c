"""What the rating engine knows before the first call. Field names are the engine's."""

from __future__ import annotations

from typing import Annotated, Literal

from rating_harness.scenario.fields import Count, Flag, Int32, Model, Port, Text, Whole, key

__all__ = ["Account", "Carrier", "Customer", "Given", "Pricelist", "Rate", "Running"]


class Running(Model):
    """Calls that an account has running before the scenario's first one."""

    shorthand = "outbound"
    outbound: Annotated[Count, key("How many outbound calls are already running.", 2)] = 0
    inbound: Annotated[Count, key("How many inbound calls are already running.", 1)] = 0


class Account(Model):
    """An account of the rating engine."""

    meanings = (
        ("tag id account number", "its name is 'account_tag'"),
        ("credit amount money", "what it has is 'balance'"),
        ("max_calls limit concurrency channels", "most calls at once are 'max_concurrent_transactions'"),
        ("parallel simultaneous calls_at_once", "most calls at once are 'max_concurrent_transactions'"),
        ("prepaid postpaid", "which of them it is is 'type'"),
        ("company parent linked owner", "accounts that are charged with it are 'linked_accounts'"),
        ("blocked disabled enabled status", "whether it may call is 'active'"),
        ("pricelist price_list tariff", "its pricelists are 'pricelist_tags'"),
        ("carrier carriers", "the carriers that it may use are 'carrier_tags'"),
        ("customer", "whom it belongs to is 'customer_tag'"),
        ("email mail", "where the engine would write to is 'notification_email'"),
        ("mobile phone sms", "where the engine would text to is 'notification_mobile'"),
    )

    account_tag: Annotated[Text, key("The account's name: the user part of From in its calls.", "1000")]
    type: Annotated[
        Literal["PREPAID", "POSTPAID"], key("PREPAID is cut at the balance, POSTPAID is billed later.", "PREPAID")
    ]
    balance: Annotated[Whole, key("Balance before the calls, in the unit of the rates.", 100)]
    active: Annotated[Flag, key("An inactive account may not call.", True)] = True
    name: Annotated[Text | None, key("A name for people.", "Ana's phone")] = None
    max_concurrent_transactions: Annotated[Count | None, key("Most calls at once, both directions.", 10)] = None
    max_inbound_transactions: Annotated[Count | None, key("Most inbound calls at once.", 5)] = None
    max_outbound_transactions: Annotated[Count | None, key("Most outbound calls at once.", 5)] = None
    pricelist_tags: Annotated[tuple[Text, ...], key("Pricelists that apply; none given: all.", ["retail"])] = ()
    carrier_tags: Annotated[tuple[Text, ...] | None, key("Carriers it may use; not given: all.", ["carrier"])] = None
    carrier_tags_override: Annotated[
        tuple[Text, ...] | None, key("Stored by the engine, which never looks at it.", ["carrier"])
    ] = None
    linked_accounts: Annotated[tuple[Text, ...], key("Accounts charged together with this one.", ["company"])] = ()
    customer_tag: Annotated[Text | None, key("The customer it belongs to, one of `customers`.", "acme")] = None
    tags: Annotated[tuple[Text, ...], key("Tags that are copied to its transactions.", ["vip"])] = ()
    notification_email: Annotated[Text | None, key("Where the engine would write to.", "ana@example.org")] = None
    notification_mobile: Annotated[Text | None, key("Where the engine would text to.", "+39333000000")] = None
    running: Annotated[
        Running, key("Calls already running: a number of outbound ones, or both directions.", 2, {"inbound": 1})
    ] = Running()


class Carrier(Model):
    """A carrier of the rating engine: where calls can be sent to."""

    meanings = (
        ("tag id name carrier", "its name is 'carrier_tag'"),
        ("transport", "its transport is 'protocol'"),
        ("ip address hostname uri", "where it is is 'host'"),
    )

    carrier_tag: Annotated[Text, key("The carrier's name, as rates refer to it.", "carrier")]
    host: Annotated[Text, key("Its host name in the lab, or an address.", "carrier")]
    port: Annotated[Port, key("Its SIP port.", 5060)] = 5060
    protocol: Annotated[
        Literal["UDP", "TCP", "TLS"], key("Its transport. The engine's API knows UDP and TCP.", "UDP")
    ] = "UDP"
    active: Annotated[Flag, key("The engine stores it, and offers inactive carriers too.", True)] = True


class Rate(Model):
    """A price for a carrier and a prefix."""

    meanings = (
        ("price cost", "the price of an increment is 'rate'"),
        ("fee once", "what is paid once is 'connect_fee', for each increment 'rate'"),
        ("increment step interval", "the seconds that a rate pays for are 'rate_increment'"),
        ("setup_fee connection_fee", "the price of the connection is 'connect_fee'"),
        ("destination number", "the beginning of the destination is 'prefix'"),
        ("carrier", "the carrier that it's for is 'carrier_tag'"),
        ("free free_seconds", "increments that are free at the beginning are 'interval_start'"),
    )

    carrier_tag: Annotated[Text, key("One of `carriers`.", "carrier")]
    prefix: Annotated[Text, key("Beginning of the destination URI, 9 characters at most.", "sip:39")]
    rate: Annotated[Int32, key("Price of each started `rate_increment`.", 1)]
    rate_increment: Annotated[Count, key("Seconds that one `rate` pays for.", 60)] = 1
    connect_fee: Annotated[Int32, key("Price of the connection itself.", 0)] = 0
    interval_start: Annotated[Count, key("Increments that are free at the beginning.", 0)] = 0
    active: Annotated[Flag, key("An inactive rate is never used.", True)] = True
    description: Annotated[Text | None, key("A note.", "Italy, mobile")] = None
    datetime_start: Annotated[
        Text | None, key("Stored by the engine, which never looks at it.", "2026-01-01T00:00:00")
    ] = None
    datetime_end: Annotated[
        Text | None, key("Stored by the engine, which never looks at it.", "2027-01-01T00:00:00")
    ] = None


class Pricelist(Model):
    """A list of rates under one name and currency."""

    meanings = (
        ("tag id", "its name is 'pricelist_tag'"),
        ("prices rate", "its prices are 'rates'"),
    )

    pricelist_tag: Annotated[Text, key("The list's name, as accounts refer to it.", "retail")]
    currency: Annotated[Literal["EUR", "USD"], key("Currency of its rates.", "EUR")] = "EUR"
    name: Annotated[Text | None, key("A name for people.", "Retail 2026")] = None
    rates: Annotated[
        tuple[Rate, ...],
        key("Prices, one for each carrier and prefix.", [{"carrier_tag": "carrier", "prefix": "sip:39", "rate": 1}]),
    ] = ()


class Customer(Model):
    """A customer of the rating engine: whom accounts belong to."""

    customer_tag: Annotated[Text, key("The customer's name, as accounts refer to it.", "acme")]
    active: Annotated[Flag, key("Whether the customer is active.", True)] = True
    company_name: Annotated[Text | None, key("Company.", "Acme Ltd")] = None
    firstname: Annotated[Text | None, key("First name.", "Ana")] = None
    lastname: Annotated[Text | None, key("Last name.", "Rossi")] = None
    address: Annotated[Text | None, key("Street and number.", "Via Roma 1")] = None
    zipcode: Annotated[Text | None, key("Post code, in quotes.", "00100")] = None
    city: Annotated[Text | None, key("City.", "Roma")] = None
    province: Annotated[Text | None, key("Province.", "RM")] = None
    country: Annotated[Text | None, key("Country.", "IT")] = None
    email: Annotated[Text | None, key("E-mail.", "info@example.org")] = None
    tax_number: Annotated[Text | None, key("Tax number, in quotes.", "01234567890")] = None
    vat_number: Annotated[Text | None, key("VAT number, in quotes.", "IT01234567890")] = None
    vat_policy: Annotated[
        Literal["EXEMPT", "VAT_INCLUDED", "VAT_EXCLUDED"] | None, key("How VAT is applied.", "EXEMPT")
    ] = None


class Given(Model):
    """What the rating engine knows before the first call. In an engine of your own it stays after the last."""

    meanings = (
        ("prices rates tariffs pricelist", "prices are the 'rates' of one of 'pricelists'"),
        ("companies company", "a company is an account that others are linked to: one of 'accounts'"),
    )

    accounts: Annotated[
        tuple[Account, ...], key("Accounts.", [{"account_tag": "1000", "type": "PREPAID", "balance": 3}])
    ] = ()
    carriers: Annotated[tuple[Carrier, ...], key("Carriers.", [{"carrier_tag": "carrier", "host": "carrier"}])] = ()
    pricelists: Annotated[
        tuple[Pricelist, ...], key("Pricelists with their rates.", [{"pricelist_tag": "retail", "rates": []}])
    ] = ()
    customers: Annotated[tuple[Customer, ...], key("Customers.", [{"customer_tag": "acme"}])] = ()
    graphql: Annotated[
        tuple[Text, ...],
        key(
            "Requests to the engine's API as they are, after all the rest.",
            ['mutation {deleteAccount(account_tag: "x") {id}}'],
        ),
    ] = ()
