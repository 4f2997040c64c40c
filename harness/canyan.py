"""canyan-tester's files, run: in a lab, or in canyan-tester's own way against what is there already.

`run_tester` takes the place of canyan-tester's function of that name.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from harness.checks import Verdict, judge
from harness.checks.canyan import accepted
from harness.errors import HarnessError, UsageError
from harness.evidence.model import Asked, Evidence
from harness.keeping import keeper
from harness.lab.opening import open_lab
from harness.plan.canyan import CARRIER, CanyanPlan, plan_canyan
from harness.report.failure import error_text, failure_text
from harness.run.canyan import BareSite, Site, StackSite, run_canyan
from harness.run.stack import Stack
from harness.scenario.canyan.loader import load_canyan
from harness.scenario.canyan.model import CanyanScenario

__all__ = ["TesterFailed", "run_bare", "run_on_stack", "run_tester"]

_SIP_PORT = 5060
_API = "http://api:8000"
"""canyan-tester's."""


class TesterFailed(RuntimeError):
    """A file that failed, or could not be run; its text says why."""

    __test__ = False


def run_on_stack(stack: Stack, scenario: CanyanScenario, *, token: str, seed: int) -> tuple[CanyanPlan, Evidence]:
    """Run a file in a lab, with a carrier that answers and one where nothing listens.

    :raises HarnessError: it could not be run; what failed of the system under test is in the evidence.
    """
    carrier = stack.lab.host(CARRIER) if stack.lab.capabilities.names else None
    plan = plan_canyan(scenario, token=token, seed=seed, carrier=carrier)
    return plan, _run(StackSite(stack), plan, scenario)


def run_bare(
    scenario: CanyanScenario, *, target: str, api_url: str, executable: str | None = None, seed: int
) -> tuple[CanyanPlan, Evidence, Verdict]:
    """Run a file as canyan-tester does: nothing but SIPp is started.

    :param target: ``HOST`` or ``HOST:PORT`` of a SIP server.
    :param executable: SIPp; None for the machine's, or that of the cached root filesystem.
    :raises HarnessError: it could not be run.
    """
    address, port, facing = _reached(target)
    plan = plan_canyan(scenario, token=secrets.token_hex(4), seed=seed, carrier=None)
    lab = open_lab("local", host_network=True)
    try:
        evidence = _run(BareSite(lab, (address, port), facing, api_url, executable), plan, scenario)
    finally:
        lab.stop()
    return plan, evidence, judge(scenario, evidence)


def _run(site: Site, plan: CanyanPlan, scenario: CanyanScenario) -> Evidence:
    return run_canyan(site, plan, partial(accepted, lenient=scenario.lenient))


def _reached(target: str) -> tuple[str, int, str]:
    """Address and port of a target, and the address of this machine from which it's reached.

    :raises UsageError: it isn't one, or can't be reached.
    """
    name, _, port_text = target.partition(":")
    if not name or not (port_text or "0").isdecimal():
        raise UsageError("the target isn't one", expected="HOST or HOST:PORT of a SIP server", found=target)
    port = int(port_text or _SIP_PORT)
    try:
        address = str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, port))
            return address, port, str(probe.getsockname()[0])
    except OSError as error:
        raise UsageError("the target can't be reached", found=f"{target}: {error}") from error


def run_tester(
    config: str | IO[bytes],
    target: str = "sbc:5060",
    executable: str = "sipp",
    directory: str | None = None,
    seed: int | None = None,
    apiurl: str | None = None,
    cache_accounts: object = None,
    no_setup: bool = False,
    no_teardown: bool = False,
    verbose: bool = False,
    echo: Callable[[str], object] = print,
    lenient: bool = False,
) -> None:
    """Run a canyan-tester file against a SIP server and an API that run already.

    :param config: the file's path, or the open file.
    :param executable: SIPp's path; the machine's own, or the cached root filesystem's, for plain ``sipp``.
    :param directory: where the evidence is kept; without it, only that of a failure is.
    :param apiurl: where the API is; ``http://api:8000`` when not given.
    :param cache_accounts: canyan-tester has it, and makes no use of it either.
    :param lenient: what canyan-tester passes over is passed over.
    :raises FileNotFoundError: there is no such file.
    :raises TesterFailed: the file failed, or could not be run.
    """
    path = Path(config if isinstance(config, str) else config.name)
    path.stat()
    seed = secrets.randbelow(2**32) if seed is None else seed
    echo(f"Seed {seed}, target {target}, API {apiurl or _API}")
    try:
        scenario = load_canyan(path, lenient=lenient).without(*["setup"] * no_setup, *["teardown"] * no_teardown)
        plan, evidence, verdict = run_bare(
            scenario,
            target=target,
            api_url=apiurl or _API,
            executable=None if executable == "sipp" else executable,
            seed=seed,
        )
    except HarnessError as error:
        raise TesterFailed(error_text(error)) from None
    folder = keeper(Path(directory) if directory else None)(plan, evidence, verdict)
    if verbose:
        for asked in evidence.asked:
            echo(_told(asked))
    if not verdict.passed:
        raise TesterFailed(failure_text(scenario, evidence, verdict, folder))
    echo("Done")


def _told(asked: Asked) -> str:
    return f"{asked.method} {asked.url}: {asked.request} -> {asked.status} {asked.response}"
