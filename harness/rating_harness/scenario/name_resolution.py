"""Names that one part of a scenario uses for another: are they there, and are they said once?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from rating_harness.scenario.clock import skips_of
from rating_harness.scenario.diagnostics import Finding, did_you_mean, there
from rating_harness.scenario.matchers import Exactly, Matcher
from rating_harness.scenario.model import INVARIANTS, Received, Scenario
from rating_harness.scenario.nodes import Mapping, Scalar, Sequence, ValuePath, find
from rating_harness.scenario.values import Moment

__all__ = ["SERVICES", "host_in_braces", "references"]

SERVICES = ("agent", "engine", "kamailio")


def references(scenario: Scenario, tree: Mapping) -> Iterator[Finding]:
    """Names that nobody has, and names that two have.

    ``tree`` is all that the author wrote: what is left out of ``scenario`` for another mistake can be referred to.
    """
    known = _Known.of(tree)
    yield from _calls(scenario, known)
    yield from _given(scenario, known)
    yield from _hosts(scenario, known)
    yield from _twice(scenario)
    for name in scenario.invariants:
        if name not in INVARIANTS:
            yield replace(_unknown(("invariants", name), "always-on check", name, INVARIANTS), at_key=True)


def host_in_braces(entry: str) -> str | None:
    """The name in ``{name}``, which stands for an address in a table of Kamailio's; None where there is none."""
    return entry[1:-1] if entry.startswith("{") and entry.endswith("}") else None


@dataclass(frozen=True, slots=True)
class _Known:
    """The names that the author gave."""

    calls: frozenset[str]
    accounts: frozenset[str]
    carriers: frozenset[str]
    hosts: frozenset[str]
    pricelists: frozenset[str]
    customers: frozenset[str]

    @classmethod
    def of(cls, tree: Mapping) -> _Known:
        def names(key: str, *section: str) -> frozenset[str]:
            items = find(tree, section)
            found = [find(item, (key,)) for item in items.items] if isinstance(items, Sequence) else []
            return frozenset(str(node.value) for node in found if isinstance(node, Scalar))

        return cls(
            calls=names("id", "calls"),
            accounts=names("account_tag", "given", "accounts"),
            carriers=names("carrier_tag", "given", "carriers"),
            hosts=names("host", "given", "carriers"),
            pricelists=names("pricelist_tag", "given", "pricelists"),
            customers=names("customer_tag", "given", "customers"),
        )


def _unknown(path: ValuePath, what: str, name: str, known: Iterable[str]) -> Finding:
    names = sorted(known)
    close = did_you_mean(name, names)
    guess = f"did you mean '{close}'? " if close else ""
    hint = guess + there(names)
    if what.startswith("carrier ") and not names:
        hint = f"given makes it: 'given: {{carriers: [{{carrier_tag: {name[:40]}, host: {name[:40]}}}]}}'."
    return Finding(path, f"no {what} {name!r}", hint)


def _calls(scenario: Scenario, known: _Known) -> Iterator[Finding]:
    for path, name in _call_references(scenario):
        if name is not None and name not in known.calls:
            yield _unknown(path, "call", name, known.calls)


def _call_references(scenario: Scenario) -> Iterator[tuple[ValuePath, str | None]]:
    for index, call in enumerate(scenario.calls):
        yield ("calls", index, "start"), call.start.call
        yield ("calls", index, "transfer"), call.transfer.call if call.transfer else None
        yield ("calls", index, "transfer", "at"), _call_of(call.transfer.at) if call.transfer else None
        yield ("calls", index, "replaces"), call.replaces
        for number, request in enumerate(call.requests):
            yield ("calls", index, "requests", number, "at"), request.at.call
    for index, fault in enumerate(scenario.faults):
        yield ("faults", index, "call"), fault.call
        yield ("faults", index, "when"), _call_of(fault.when)
        yield ("faults", index, "until"), _call_of(fault.until)
    for path, skip in skips_of(scenario):
        yield (*path, "when"), skip.when.call
    for section, ends in (("carriers", scenario.carriers), ("phones", scenario.phones)):
        for host, behaviour in ends.items():
            for name in behaviour.calls:
                yield (section, host, "calls", name), name
    expect = scenario.expect
    for section in ("dialogs", "requests", "transactions", "received", "log"):
        for index, item in enumerate(getattr(expect, section)):
            yield ("expect", section, index, "call"), item.call
    for section in ("begun", "not_begun", "ended", "not_ended"):
        for index, name in enumerate(getattr(expect, section)):
            yield ("expect", section, index), name


def _call_of(moment: Moment | None) -> str | None:
    return moment.call if moment else None


def _given(scenario: Scenario, known: _Known) -> Iterator[Finding]:
    given = scenario.given
    if given.graphql:
        return
    for index, account in enumerate(given.accounts):
        path: ValuePath = ("given", "accounts", index)
        yield from _each((*path, "pricelist_tags"), "pricelist", account.pricelist_tags, known.pricelists)
        yield from _each((*path, "carrier_tags"), "carrier", account.carrier_tags or (), known.carriers)
        yield from _each((*path, "linked_accounts"), "account", account.linked_accounts, known.accounts)
        if account.customer_tag is not None and account.customer_tag not in known.customers:
            yield _unknown((*path, "customer_tag"), "customer", account.customer_tag, known.customers)
    for number, pricelist in enumerate(given.pricelists):
        for index, rate in enumerate(pricelist.rates):
            if rate.carrier_tag not in known.carriers:
                path = ("given", "pricelists", number, "rates", index, "carrier_tag")
                yield _unknown(path, "carrier", rate.carrier_tag, known.carriers)
    for index, expected in enumerate(scenario.expect.accounts):
        if expected.account_tag not in known.accounts:
            yield _unknown(
                ("expect", "accounts", index, "account_tag"), "account", expected.account_tag, known.accounts
            )
    for index, record in enumerate(scenario.expect.transactions):
        name = _exact(record.account_tag)
        if name is not None and not record.absent and name not in known.accounts:
            yield _unknown(("expect", "transactions", index, "account_tag"), "account", name, known.accounts)


def _each(path: ValuePath, what: str, names: Iterable[str], known: Collection[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name not in known:
            yield _unknown((*path, index), what, name, known)


def _exact(matcher: Matcher | None) -> str | None:
    return matcher.value if isinstance(matcher, Exactly) and isinstance(matcher.value, str) else None


def _hosts(scenario: Scenario, known: _Known) -> Iterator[Finding]:
    hosts = set(known.hosts) | set(scenario.phones)
    if scenario.given.graphql or any("carriers" in (fault.set or {}) for fault in scenario.faults):
        hosts |= set(scenario.carriers)
    for host in scenario.carriers:
        if host not in hosts:
            yield replace(_unknown(("carriers", host), "carrier with the host", host, hosts), at_key=True)
    for index, fault in enumerate(scenario.faults):
        if fault.on not in hosts and fault.on not in SERVICES:
            yield _unknown(("faults", index, "on"), "service or carrier host", fault.on, {*hosts, *SERVICES})
    for index, expected in enumerate(scenario.expect.carriers):
        if expected.host not in hosts:
            yield _unknown(("expect", "carriers", index, "host"), "carrier with the host", expected.host, hosts)
    callers = known.calls | {call.host for call in scenario.calls if call.host is not None}
    for table, entries in scenario.kamailio.tables.items():
        for entry in entries:
            name = host_in_braces(entry)
            if name is not None and name not in callers | hosts:
                at: ValuePath = ("kamailio", "tables", table, entry)
                yield replace(_unknown(at, "call or host", name, callers | hosts), at_key=True)
    for index, received in enumerate(scenario.expect.received):
        yield from _end(received, ("expect", "received", index), hosts)
    for index, call in enumerate(scenario.calls):
        path: ValuePath = ("calls", index, "expect")
        if call.host is not None and call.host not in hosts and did_you_mean(call.host, hosts) is not None:
            yield _unknown(("calls", index, "host"), "host", call.host, hosts)
        for number, received in enumerate(call.expect.received):
            yield from _end(received, (*path, "received", number), hosts)
        name = _exact(call.expect.carrier)
        if name is not None and name not in hosts:
            yield _unknown((*path, "carrier"), "carrier with the host", name, hosts)
        yield from _each((*path, "carriers"), "carrier with the host", call.expect.carriers or (), hosts)


def _end(received: Received, path: ValuePath, hosts: Collection[str]) -> Iterator[Finding]:
    if received.by not in hosts and received.by not in ("caller", "callee"):
        yield _unknown((*path, "by"), "end of a call", received.by, {"caller", "callee", *hosts})


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
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Finding((*path, index, key), f"a second {key} {name!r}", "give each its own")
        seen.add(name)
