"""Random attacks on Kamailio beside honest calls: whether the ledger is exact, and Kamailio lives.

    python -m benchmarks.attack [--minutes 30] [--rate 100] [--calls 20] [--seed 1] [--kamailio trixie]

Honest callers make calls (`benchmarks.soak`'s kinds); an attacker with accounts, a caller's address, a stranger's and
a carrier's of its own (`benchmarks.attacker`) sends what a grammar makes of a seed, which is printed. Exits with 1
when something doesn't hold: of the honest calls any check; of the attacker's calls that each which was begun is ended
and hung up, none is longer than its limit, each that reached a carrier was authorised, and each balance is its start
less the fees.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from benchmarks.soak import carry_out, run_beside, scenario_text, unexplained
from rating_harness.checks import judge
from rating_harness.deadline import Deadline
from rating_harness.lab.protocol import Program
from rating_harness.run.options import Options
from rating_harness.run.stack import KAMAILIO, Stack

ACCOUNTS, BALANCE = 2000, 6
"""The attacker's, and what each may spend; a second costs 2, so that a call is cut after 3 s."""
PRICE = 2
LIMIT = BALANCE // PRICE
WAITS = 2.0
"""Seconds by which the attacks are over before the last honest call begins."""
ROUND = 120.0
"""Seconds of each round: the engine is emptied between two of them, and the accounts are as new."""


def with_attacker(text: str, address: str) -> str:
    """A scenario in which the attacker has accounts, and a carrier at ``address``."""
    accounts = "\n".join(
        f"    - {{account_tag: 'm{number}', type: PREPAID, balance: {BALANCE}, max_concurrent_transactions: 1}}"
        for number in range(ACCOUNTS)
    )
    text = text.replace("  carriers:\n", f"{accounts}\n  carriers:\n    - {{carrier_tag: den, host: {address}}}\n", 1)
    rate = f'        - {{carrier_tag: den, prefix: "sip:99", rate: {PRICE}}}\n'
    text = text.replace("      rates:\n", f"      rates:\n{rate}", 1)
    return f"{text}  alarms: an attacker makes Kamailio report errors\n"


def wrongs(stack: Stack, counted: Mapping[str, Any], requested: set[str]) -> Iterator[str]:
    """What doesn't hold of the attacker's calls.

    :param counted: what the attacker printed.
    :param requested: Call-IDs of all requests to the agent.
    """
    spent: Counter[str] = Counter()
    records = stack.engine.transactions(account_tags=[f"m{number}" for number in range(ACCOUNTS)])
    for record in records:
        call = record["transaction_tag"]
        if record["timestamp_begin"] is None:
            continue
        spent[str(record["account_tag"])] += int(record["fee"] or 0)
        if record["timestamp_end"] is None:
            yield f"{call} was begun and not ended"
        elif call not in counted["hung_up"]:
            yield f"{call} was ended in the engine, and goes on for the callee"
        elif record["duration"] is not None and record["duration"] > LIMIT + 1:
            yield f"{call} lasted {record['duration']} s, {LIMIT} were allowed"
    for account in stack.engine.accounts([f"m{number}" for number in range(ACCOUNTS)]):
        expected = BALANCE - spent[account["account_tag"]]
        if account["balance"] != expected:
            yield f"the balance of {account['account_tag']} is {account['balance']}, its records say {expected}"
    for call in counted["reached"]:
        if call not in requested:
            yield f"an INVITE reached the attacker's carrier that nobody authorised: {call!r}"


def attacked(
    stack: Stack, seed: int, seconds: float, rate: float, calls: float
) -> tuple[list[str], Mapping[str, Any]]:
    """One round: what is wrong, and what the attacker counted."""
    den = stack.lab.host("den")
    kamailio = stack.lab.host(KAMAILIO).address
    token = f"round{seed}"
    arguments = (den.address, kamailio, str(seed), str(max(1.0, seconds - WAITS)), str(rate), str(ACCOUNTS))
    files = {"attacker.py": (Path(__file__).parent / "attacker.py").read_bytes()}
    program = Program("den", "harness", ("python", "attacker.py", *arguments), den, files)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(run_beside, stack, [program], token)
        text = with_attacker(scenario_text(calls, seconds, every=seconds, lasting=1), den.address)
        scenario, seen = carry_out(stack, text, token)
        (attacker,) = starting.result()
    try:
        status = attacker.wait(Deadline(60))
        output = attacker.output()
    finally:
        attacker.remove()
    if status != 0:
        raise click.ClickException(output)
    counted = json.loads(output)
    requested = {
        str(each.request.get("transaction_tag")) for each in seen.exchanges if isinstance(each.request, dict)
    }
    findings = judge(scenario, seen).findings
    # Of the attacker's calls the evidence knows no records: its balances are compared here.
    wrong = [str(each) for each in findings if not each.message.startswith("balance of account m")]
    wrong += unexplained(scenario, seen)
    wrong += wrongs(stack, counted, requested)
    if stack.lab.service(KAMAILIO).poll() is not None:
        wrong.append("Kamailio has ended")
    return wrong, counted


@click.command()
@click.option("--minutes", type=float, default=30, show_default=True)
@click.option("--rate", type=float, default=100, show_default=True, help="Attacks per second.")
@click.option("--calls", type=float, default=20, show_default=True, help="Honest calls per second.")
@click.option("--seed", type=int, help="Of the first round; each further one has the next. By default a random one.")
@click.option("--kamailio", metavar="WHERE", help="Kamailio's origin: trixie, sid, a directory.")
@click.option(
    "--kamailio-config",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another configuration than the project's.",
)
def main(
    minutes: float, rate: float, calls: float, seed: int | None, kamailio: str | None, kamailio_config: Path | None
) -> None:
    """Attack Kamailio beside honest calls, and look whether the ledger is exact."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    until = time.monotonic() + minutes * 60
    found = 0
    with Stack.open(Options(lab="local", kamailio=kamailio, kamailio_config=kamailio_config)) as stack:
        while (left := until - time.monotonic()) > WAITS:
            wrong, counted = attacked(stack, seed, max(min(ROUND, left), 2 * WAITS), rate, calls)
            click.echo(f"seed {seed}: {len(wrong)} things are wrong")
            for what in ("attacks", "replies", "arrived"):
                figures = ", ".join(f"{number} {name}" for name, number in sorted(counted[what].items()))
                click.echo(f"  {what:9}{figures}")
            click.echo(f"  calls    {len(counted['reached'])} reached a carrier, {counted['dialogs']} were answered")
            for text in wrong[:20]:
                click.echo(f"  WRONG    {text}")
            found += len(wrong)
            seed += 1
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
