"""Which scenarios a stack can run, and why not the others: what the lab, the versions and the target lack.

A Kamailio that isn't configured as the project's is held to the rating contract: what any configuration with rating
promises. A scenario goes beyond it where it proves a policy of the project's own ``kamailio.cfg``, or needs what that
one has: defines, htables, certificates, short timers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rating_harness.contract import CONTRACT
from rating_harness.kamailio.versions import satisfies
from rating_harness.lab.protocol import Capabilities, Lab
from rating_harness.plan.planner import speaks_tls
from rating_harness.plan.user_agents import speaks_tls_by_sipp
from rating_harness.run.options import Options
from rating_harness.scenario.model import Scenario

if TYPE_CHECKING:
    from rating_harness.kamailio_config.preparation import Findings

__all__ = ["UnderTest", "beyond_contract", "beyond_lab", "unmet"]


class UnderTest(Protocol):
    """What scenarios are held against. What costs a command in the lab is found out when it's asked for."""

    @property
    def lab(self) -> Lab: ...

    @property
    def options(self) -> Options: ...

    @property
    def kamailio_version(self) -> str:
        """Such as ``6.0.1``."""

    @property
    def sipp_version(self) -> str:
        """What ``sipp -v`` says, and the libraries it's linked with."""

    @property
    def clockless(self) -> str | None:
        """Why there's no clock that can be moved; None where there is one."""

    @property
    def findings(self) -> Findings | None:
        """What is in the user's configuration; None where that isn't known, or it's the project's."""


def unmet(scenario: Scenario, under_test: UnderTest) -> str | None:
    """Why a scenario can't be run here: what it requires and is lacking; None when all of it is there."""
    options, lab = under_test.options, under_test.lab
    if reason := _beyond_ends(scenario, options):
        return reason
    requires = scenario.requires
    for name in ("ipv6", "isolated"):
        if getattr(requires, name) and not getattr(lab.capabilities, name):
            return f"requires {name}: {lab.capabilities.why.get(name, 'this lab has none')}"
    if requires.docker and lab.driver != "docker":
        return f"requires docker: this is a {lab.driver} lab"
    if requires.engine == "canyan" and options.is_embedded:
        return "requires the engine canyan: this is the embedded one"
    if requires.engine == "embedded" and not options.is_embedded:
        return "requires the embedded engine: this is one of your own"
    if requires.kamailio and not satisfies(under_test.kamailio_version, requires.kamailio):
        return f"requires Kamailio {requires.kamailio}: this is {under_test.kamailio_version}"
    if requires.sipp and not satisfies(under_test.sipp_version, requires.sipp):
        return f"requires SIPp {requires.sipp}: this is {under_test.sipp_version.split()[1]}"
    if scenario.clock is not None and under_test.clockless is not None:
        return f"requires a clock that can be moved: {under_test.clockless}"
    if speaks_tls_by_sipp(scenario) and "wolfssl" in under_test.sipp_version:
        return "requires TLS: SIPp here is built with wolfSSL, and never ends its handshake; try --kamailio sid"
    if reason := _beyond_outages(scenario, lab.capabilities) or _beyond_target(scenario, lab):
        return reason
    return beyond_contract(scenario, options, under_test.findings)


def _beyond_ends(scenario: Scenario, options: Options) -> str | None:
    """What of a scenario the SIP stack at the ends of calls can't do, where that isn't the harness's own."""
    match options.ends:
        case "baresip":
            from rating_harness.plan.baresip import beyond_baresip

            return beyond_baresip(scenario)
        case "asterisk":
            from rating_harness.plan.asterisk import beyond_asterisk

            return beyond_asterisk(scenario)
        case _:
            return None


def _beyond_outages(scenario: Scenario, capabilities: Capabilities) -> str | None:
    """What a scenario does to a service that can't be done to it in this lab."""
    for fault in scenario.faults:
        for kind in fault.OUTAGES:
            if getattr(fault, kind) is not None and (reason := beyond_lab(capabilities, kind, fault.on)):
                return f"{kind} {fault.on}: {reason}"
    return None


def beyond_lab(capabilities: Capabilities, kind: str, target: str) -> str | None:
    """Why a lab can't do that to one of its services; None where it can."""
    needed = "unplug" if kind == "unplug" else "restart"
    if getattr(capabilities, needed) or (needed == "restart" and target != CONTRACT.services.kamailio):
        return None
    return capabilities.why.get(needed, "no reason given")


def _beyond_target(scenario: Scenario, lab: Lab) -> str | None:
    """What a scenario does to Kamailio, or wants to see of it, that can't be had of one which runs already."""
    if lab.driver != "external":
        return None
    if scenario.expect.log:
        return "expects lines of Kamailio's log: what the target logs isn't seen here"
    if scenario.expect.routes is not None or scenario.kamailio.config:
        return "wants Kamailio with another configuration: the target runs already"
    if scenario.kamailio.memory or scenario.kamailio.package_memory:
        return "wants Kamailio with so much memory: the target runs already"
    return None


def beyond_contract(scenario: Scenario, options: Options, found: Findings | None) -> str | None:
    """Why a scenario is left out of the contract's; None where it's one of them, or all are wanted.

    :param found: what is in the user's configuration; None where that isn't known, or it's the project's.
    """
    if not options.is_contract_only or scenario.kamailio.config:
        return None
    if scenario.requires.policy:
        return f"--profile contract: a policy of the project's own kamailio.cfg: {scenario.requires.policy}"
    if not options.is_foreign:
        return None
    here = "the target, which runs already," if options.target else "this configuration"
    kamailio = scenario.kamailio
    known = frozenset(options.defines) | scenario.optional_defines | (found.defines if found else frozenset())
    if unknown := sorted(kamailio.defines.keys() - known):
        return f"sets {', '.join(unknown)}: {here} has no such define"
    tables = {*kamailio.tables, *(["subscriber"] if kamailio.users else [])}
    if unknown := sorted(tables - (found.tables if found else frozenset())):
        return f"fills the htable {', '.join(unknown)}: {here} has none of that name"
    if speaks_tls(scenario) and not (found and "TLS_CERTIFICATE" in found.defines):
        return f"requires TLS: {here} has no define TLS_CERTIFICATE, which the lab sets to its own"
    if scenario.requires.timers and found is not None:
        from rating_harness.kamailio_config.preparation import FAST_TIMERS

        for name, ms in FAST_TIMERS.items():
            if found.timers[name] > ms:
                return f"requires timers: tm's {name} is {found.timers[name]} ms here (--fast-timers makes it {ms})"
    return None
