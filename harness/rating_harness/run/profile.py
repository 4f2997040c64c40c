"""Which scenarios a Kamailio that isn't configured as the project's can be held to, and why not the others.

The rating contract is what any configuration with rating promises. A scenario goes beyond it where it proves a policy
of the project's own ``kamailio.cfg``, or needs what that one has: defines, htables, certificates, short timers.
"""

from __future__ import annotations

from rating_harness.kamailio_config.preparation import FAST_TIMERS, Findings
from rating_harness.plan.planner import speaks_tls
from rating_harness.run.options import Options
from rating_harness.scenario.model import Scenario

__all__ = ["beyond_contract"]


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
    known = frozenset(options.defines) | (found.defines if found else frozenset())
    if unknown := sorted(kamailio.defines.keys() - known):
        return f"sets {', '.join(unknown)}: {here} has no such define"
    tables = {*kamailio.tables, *(["subscriber"] if kamailio.users else [])}
    if unknown := sorted(tables - (found.tables if found else frozenset())):
        return f"fills the htable {', '.join(unknown)}: {here} has none of that name"
    if speaks_tls(scenario) and not (found and "TLS_CERTIFICATE" in found.defines):
        return f"requires TLS: {here} has no define TLS_CERTIFICATE, which the lab sets to its own"
    if scenario.requires.timers and found is not None:
        for name, ms in FAST_TIMERS.items():
            if found.timers[name] > ms:
                return f"requires timers: tm's {name} is {found.timers[name]} ms here (--fast-timers makes it {ms})"
    return None
