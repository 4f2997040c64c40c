"""canyan-tester's files, run: in a lab, or in canyan-tester's own way against what is there already.

`run_tester` takes the place of canyan-tester's function of that name.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from rating_harness.canyan.checks import accepted, judge_canyan
from rating_harness.canyan.loader import load_canyan
from rating_harness.canyan.model import CanyanScenario
from rating_harness.canyan.plan import CARRIER, CanyanPlan, plan_canyan
from rating_harness.canyan.run import run_canyan
from rating_harness.canyan.site import BareSite, Site, StackSite
from rating_harness.checks.model import Verdict
from rating_harness.errors import HarnessError, UsageError
from rating_harness.evidence.archive import Archive, scenario_tree
from rating_harness.evidence.model import Evidence
from rating_harness.lab import open_lab
from rating_harness.lab.protocol import Lab
from rating_harness.report.failure import error_text, failure_text
from rating_harness.run.options import Options
from rating_harness.run.stack import Stack

__all__ = ["TesterFailed", "run_bare", "run_on_stack", "run_tester"]

_SIP_PORT = 5060
_TARGET, _API = "sbc:5060", "http://api:8000"
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
    scenario: CanyanScenario,
    options: Options,
    *,
    executable: str | None = None,
    echo: Callable[[str], object] | None = None,
) -> str:
    """Run a file as canyan-tester does: nothing but SIPp is started. Why it failed; an empty text when it passed.

    :param options: the target, the API's URL (``http://api:8000`` when not given), the seed, where evidence is kept.
    :param executable: SIPp; None for the machine's, or that of the cached root filesystem.
    :param echo: called with each request and its answer.
    :raises HarnessError: it could not be run.
    """
    address, port, facing = _reached(options.target or _TARGET)
    plan = plan_canyan(scenario, token=secrets.token_hex(4), seed=options.seed, carrier=None)
    with _host_lab() as lab:
        seen = _run(BareSite(lab, (address, port), facing, options.api_url or _API, executable), plan, scenario)
    verdict = judge_canyan(scenario, seen)
    folder = _stored(options.evidence, scenario, plan.token, seen, verdict)
    if echo is not None:
        for exchange in seen.http_steps:
            echo(f"{exchange.method} {exchange.url}: {exchange.request} -> {exchange.status} {exchange.response}")
    return "" if verdict.passed else failure_text(scenario, seen, verdict, folder)


def _stored(
    directory: Path | None, scenario: CanyanScenario, token: str, seen: Evidence, verdict: Verdict
) -> Path | None:
    """The folder of the run's evidence; None when it isn't kept."""
    archive = Archive(directory)
    if not archive.keeps(passed=verdict.passed):
        return None
    folder = archive.folder(scenario.scenario, token)
    files = scenario_tree(scenario.origin.file, scenario.sipp_files())
    archive.store(folder, seen, {**files, "verdict.txt": failure_text(scenario, seen, verdict, folder).encode()})
    return folder


@contextmanager
def _host_lab() -> Iterator[Lab]:
    """A lab in the machine's own network, for SIPp alone."""
    lab = open_lab("local", host_network=True)
    try:
        yield lab
    finally:
        lab.stop()


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
    target: str = _TARGET,
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
    options = Options(
        target=target,
        api_url=apiurl,
        seed=secrets.randbelow(2**32) if seed is None else seed,
        evidence=Path(directory) if directory else None,
    )
    echo(f"Seed {options.seed}, target {target}, API {apiurl or _API}")
    left_out = ["setup"] * no_setup + ["teardown"] * no_teardown
    try:
        scenario = load_canyan(path, lenient=lenient).without(*left_out)
        sipp = None if executable == "sipp" else executable
        failure = run_bare(scenario, options, executable=sipp, echo=echo if verbose else None)
    except HarnessError as error:
        raise TesterFailed(error_text(error)) from None
    if failure:
        raise TesterFailed(failure)
    echo("Done")
