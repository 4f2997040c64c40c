"""Names that one part of a scenario uses for another: are they there, and are they said once?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from harness.scenario.findings import Finding
from harness.scenario.matchers import Exactly, Matcher
from harness.scenario.mistakes import did_you_mean, listing
from harness.scenario.model import INVARIANTS, Scenario
from harness.scenario.nodes import ValuePath
from harness.scenario.values import Moment

__all__ = ["SERVICES", "references"]

SERVICES = ("agent", "engine", "kamailio")


def references(scenario: Scenario) -> Iterator[Finding]:
    """Names that nobody has, and names that two have."""
    yield from _calls(scenario)
    yield from _given(scenario)
    yield from _hosts(scenario)
    yield from _twice(scenario)
    for name in scenario.invariants:
        if name not in INVARIANTS:
            yield _unknown(("invariants", name), "always-on check", name, INVARIANTS)


def _unknown(path: ValuePath, what: str, name: str, known: Iterable[str]) -> Finding:
    names = sorted(known)
    close = did_you_mean(name, names)
    there = f"There are: {listing(names)}." if names else "There is none."
    return Finding(path, f"no {what} {name!r}", f"did you mean '{close}'? {there}" if close else there)


def _calls(scenario: Scenario) -> Iterator[Finding]:
    known = [call.id for call in scenario.calls]
    for path, name in _call_references(scenario):
        if name is not None and name not in known:
            yield _unknown(path, "call", name, known)


def _call_references(scenario: Scenario) -> Iterator[tuple[ValuePath, str | None]]:
    for index, call in enumerate(scenario.calls):
        yield ("calls", index, "start"), call.start.call
    for index, fault in enumerate(scenario.faults):
        yield ("faults", index, "call"), fault.call
        yield ("faults", index, "when"), _call_of(fault.when)
        yield ("faults", index, "until"), _call_of(fault.until)
    for host, behaviour in scenario.carriers.items():
        for name in behaviour.calls:
            yield ("carriers", host, "calls", name), name
    expect = scenario.expect
    for section in ("dialogs", "requests", "transactions", "log"):
        for index, item in enumerate(getattr(expect, section)):
            yield ("expect", section, index, "call"), item.call
    for section in ("begun", "not_begun", "ended", "not_ended"):
        for index, name in enumerate(getattr(expect, section)):
            yield ("expect", section, index), name


def _call_of(moment: Moment | None) -> str | None:
    return moment.call if moment else None


def _given(scenario: Scenario) -> Iterator[Finding]:
    given = scenario.given
    if given.graphql:
        return
    accounts = [account.account_tag for account in given.accounts]
    carriers = [carrier.carrier_tag for carrier in given.carriers]
    pricelists = [pricelist.pricelist_tag for pricelist in given.pricelists]
    customers = [customer.customer_tag for customer in given.customers]
    for index, account in enumerate(given.accounts):
        path: ValuePath = ("given", "accounts", index)
        yield from _each((*path, "pricelist_tags"), "pricelist", account.pricelist_tags, pricelists)
        yield from _each((*path, "carrier_tags"), "carrier", account.carrier_tags or (), carriers)
        yield from _each((*path, "linked_accounts"), "account", account.linked_accounts, accounts)
        if account.customer_tag is not None and account.customer_tag not in customers:
            yield _unknown((*path, "customer_tag"), "customer", account.customer_tag, customers)
    for number, pricelist in enumerate(given.pricelists):
        for index, rate in enumerate(pricelist.rates):
            if rate.carrier_tag not in carriers:
                path = ("given", "pricelists", number, "rates", index, "carrier_tag")
                yield _unknown(path, "carrier", rate.carrier_tag, carriers)
    for index, expected in enumerate(scenario.expect.accounts):
        if expected.account_tag not in accounts:
            yield _unknown(("expect", "accounts", index, "account_tag"), "account", expected.account_tag, accounts)
    for index, record in enumerate(scenario.expect.transactions):
        name = _exact(record.account_tag)
        if name is not None and not record.absent and name not in accounts:
            yield _unknown(("expect", "transactions", index, "account_tag"), "account", name, accounts)


def _each(path: ValuePath, what: str, names: Iterable[str], known: Collection[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name not in known:
            yield _unknown((*path, index), what, name, known)


def _exact(matcher: Matcher | None) -> str | None:
    return matcher.value if isinstance(matcher, Exactly) and isinstance(matcher.value, str) else None


def _hosts(scenario: Scenario) -> Iterator[Finding]:
    hosts = {carrier.host for carrier in scenario.given.carriers}
    if scenario.given.graphql or any("carriers" in (fault.set or {}) for fault in scenario.faults):
        hosts |= set(scenario.carriers)
    for host in scenario.carriers:
        if host not in hosts:
            yield _unknown(("carriers", host), "carrier with the host", host, hosts)
    for index, fault in enumerate(scenario.faults):
        if fault.on not in hosts and fault.on not in SERVICES:
            yield _unknown(("faults", index, "on"), "service or carrier host", fault.on, {*hosts, *SERVICES})
    for index, expected in enumerate(scenario.expect.carriers):
        if expected.host not in hosts:
            yield _unknown(("expect", "carriers", index, "host"), "carrier with the host", expected.host, hosts)
    for index, call in enumerate(scenario.calls):
        path: ValuePath = ("calls", index, "expect")
        name = _exact(call.expect.carrier)
        if name is not None and name not in hosts:
            yield _unknown((*path, "carrier"), "carrier with the host", name, hosts)
        yield from _each((*path, "carriers"), "carrier with the host", call.expect.carriers or (), hosts)


def _twice(scenario: Scenario) -> Iterator[Finding]:
    given = scenario.given
    yield from _repeated(("calls",), "id", [call.id for call in scenario.calls])
    yield from _repeated(("given", "accounts"), "account_tag", [account.account_tag for account in given.accounts])
    yield from _repeated(("given", "carriers"), "carrier_tag", [carrier.carrier_tag for carrier in given.carriers])
    tags = [pricelist.pricelist_tag for pricelist in given.pricelists]
    yield from _repeated(("given", "pricelists"), "pricelist_tag", tags)
    yield from _repeated(("given", "customers"), "customer_tag", [each.customer_tag for each in given.customers])
    for number, pricelist in enumerate(given.pricelists):
        seen: set[tuple[str, str]] = set()
        for index, rate in enumerate(pricelist.rates):
            if (rate.carrier_tag, rate.prefix) in seen:
                yield Finding(
                    ("given", "pricelists", number, "rates", index, "prefix"),
                    f"a second rate for the carrier {rate.carrier_tag!r} and the prefix {rate.prefix!r}",
                    "the engine keeps one rate for a carrier and a prefix in a pricelist",
                )
            seen.add((rate.carrier_tag, rate.prefix))


def _repeated(path: ValuePath, key: str, names: list[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Finding((*path, index, key), f"a second {key} {name!r}", "give each its own")
