"""Tools that anybody can have against Kamailio, beside honest calls: nothing learned, nothing lost, nothing billed.

    python -m benchmarks.public_tools [--kamailio trixie] [--kamailio-config DIR]

Debian's sipvicious (svmap, svwar, svcrack) and sipsak (its flood and its random characters) run one after the other
in a lab's network, each at an address of its own, against a proxy where phones register and calls are signed. Beside
each, a caller makes honest calls. Exits with 1 when something doesn't hold: a tool names what Kamailio is, a number
that exists, or a password; an honest call fails, or its record is wrong; the engine is asked about any other call;
Kamailio has ended, or keeps memory. The last tool is given the right password, and has to find it: else nothing was
tried.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.soak import Memory, carry_out, settled
from rating_harness.checks import judge
from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import Timeout
from rating_harness.evidence.calls import calls_of
from rating_harness.evidence.model import Evidence
from rating_harness.lab.protocol import Program
from rating_harness.run.options import Options
from rating_harness.run.stack import KAMAILIO, Stack

CALLER, PHONE, NOBODY = "1000", "2000", "2099"
"""Two users, and a number between those that are tried which is nobody's."""
PASSWORD = "four-winds"
WRONG = 30
"""Wrong passwords before the right one, which is too late by then: `AUTH_FAILURES` is 10."""
SECONDS = 6
"""Of honest calls beside each tool."""
PATIENCE = 20.0
"""Seconds that a tool may take."""
SENT = 3000
"""Requests of a flood."""

HONEST = f"""
scenario: Honest calls beside a tool
kamailio:
  defines: {{WITH_REGISTRAR: 1, SCANNERS: '"%s"'}}
  users: {{"{CALLER}": {PASSWORD}, "{PHONE}": {PASSWORD}}}
given:
  accounts:
    - {{account_tag: "{CALLER}", type: PREPAID, balance: 1000000, max_concurrent_transactions: 100}}
    - {{account_tag: "{PHONE}", type: PREPAID, balance: 1000000, max_concurrent_transactions: 100}}
  carriers:
    - {{carrier_tag: carrier, host: carrier}}
  pricelists:
    - pricelist_tag: retail
      rates:
        - {{carrier_tag: carrier, prefix: "sip:39", rate: 1}}
calls:
  - id: ana
    from: "{CALLER}"
    to: "39040123456"
    auth: {{username: "{CALLER}", password: {PASSWORD}}}
    hold: 1s
    expect: {{reply: 200, ended_by: caller}}
invariants:
  alarms: what a tool sends may be worth an alarm
"""


@dataclass(frozen=True, slots=True)
class Tool:
    """What is run.

    :param argv: ``{me}`` and ``{target}`` are the tool's address and Kamailio's.
    :param known: whether it's run where Kamailio turns it away by its User-Agent, too.
    :param finds: whether it has to find what it looks for: the right password is all that it tries after a wrong one.
    """

    argv: tuple[str, ...]
    known: bool = False
    finds: bool = False

    @property
    def name(self) -> str:
        return self.argv[0]

    def __str__(self) -> str:
        return " ".join(self.argv)


_SIPVICIOUS = ("-v", "-b", "{me}", "-P", "5090")
_RANGE = ("-e1990-2009", "-m")
_GUESSES = ("--maximumtime", "3", "-d", "guesses")
TOOLS = (
    Tool(("svmap", *_SIPVICIOUS, "{target}"), known=True),
    Tool(("svmap", *_SIPVICIOUS, "-m", "INVITE", "{target}")),
    Tool(("svwar", *_SIPVICIOUS, *_RANGE, "REGISTER", "{target}"), known=True),
    Tool(("svwar", *_SIPVICIOUS, *_RANGE, "INVITE", "{target}")),
    Tool(("svwar", *_SIPVICIOUS, *_RANGE, "OPTIONS", "--force", "{target}")),
    Tool(("svcrack", *_SIPVICIOUS, *_GUESSES, "-u", PHONE, "{target}")),
    Tool(("svcrack", *_SIPVICIOUS, *_GUESSES, "-u", NOBODY, "{target}")),
    Tool(("sipsak", "-F", "-H", "{me}", "-e", str(SENT), "-s", f"sip:{PHONE}@{{target}}")),
    Tool(("sipsak", "-R", "-H", "{me}", "-t", "60", "-s", f"sip:{PHONE}@{{target}}")),
    Tool(("svcrack", *_SIPVICIOUS, "-d", "known", "-u", CALLER, "{target}"), finds=True),
)
FILES = {
    "guesses": "\n".join([*(f"wrong-{number}" for number in range(WRONG)), PASSWORD, ""]).encode(),
    "known": f"wrong\n{PASSWORD}\n".encode(),
}
SCANNERS = {"known by their name": "friendly-scanner|sipsak", "under another name": "nobody"}
"""With what Kamailio turns the tools away by their User-Agent, and without."""


_END = {"svwar": "found nothing", "svcrack": "found nothing", "-F": "flood end reached"}
"""What a tool, or one of its modes, says when it's through and has found nothing."""


def table(output: str) -> list[tuple[str, str]]:
    """The rows below the heading of the table that a tool of sipvicious prints; none where it has found nothing."""
    rows = re.findall(r"^\| (.*?) +\| (.*?) +\|$", output, re.MULTILINE)
    return rows[1:]


def learned(tool: Tool, output: str) -> Iterator[str]:
    """What a tool says that it has found; or that it hasn't tried."""
    rows = table(output)
    if tool.finds:
        if not any(password == PASSWORD for _, password in rows):
            yield "svcrack didn't find a password that it was given: what it finds otherwise says nothing"
    elif tool.name == "svmap":
        if not rows:
            yield "svmap reached nobody: what it finds says nothing"
        for device, agent in rows:
            if agent != "unknown":
                yield f"svmap has learned what {device} is: {agent}"
    elif tool.name == "svwar":
        yield from (f"svwar has found the number {number} ({how})" for number, how in rows)
    elif tool.name == "svcrack":
        yield from (f"svcrack has found the password of {user}: {password}" for user, password in rows)
        if "User not found" in output:
            yield f"svcrack has learned who exists, and who doesn't: {tool!s}"
    end = next((text for word, text in _END.items() if word in tool.argv), "")
    if not rows and end not in output:
        yield f"{tool.name} came to no end: {output[-200:]!r}"


def asked_about_others(seen: Evidence, records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Requests to the agent, and records, about calls that the honest caller didn't make."""
    honest = {call.call_id for call in calls_of(seen)}
    for exchange in seen.exchanges:
        tag = exchange.request.get("transaction_tag") if isinstance(exchange.request, dict) else None
        if tag not in honest:
            yield f"the agent was asked about {tag!r}, which is no honest call: {exchange.path}"
    for record in records:
        if record["transaction_tag"] not in honest:
            yield f"{record['account_tag']} is charged for {record['transaction_tag']!r}, which is no honest call"


def _run_beside(stack: Stack, tool: Tool, number: int, token: str) -> tuple[str, Sequence[str]]:
    """What it printed, once the first honest call was authorised; and whether it had to be stopped."""

    def has_begun() -> bool:
        return any(token in each.body for each in stack.tap.exchanges().exchanges)

    await_condition(has_begun, Deadline(60), "the first honest call", interval=0.2)
    me, target = stack.lab.host(f"tool-{number}"), stack.lab.host(KAMAILIO)
    argv = tuple(word.format(me=me.address, target=target.address) for word in tool.argv)
    process = stack.lab.run(Program(me.name, "harness", argv, me, FILES))
    try:
        process.wait(Deadline(PATIENCE))
        return process.output(), ()
    except Timeout:
        return process.output(), (f"it was stopped after {PATIENCE:g} s",)
    finally:
        process.remove()
        stack.lab.release(me.name)


def attacked(stack: Stack, tool: Tool, scanners: str, number: int) -> tuple[list[str], Sequence[str]]:
    """What is wrong with a tool's run and the honest calls beside it; and what else is to be said of it."""
    token = f"beside{number}"
    text = f"{HONEST % scanners}load: {{rate: 2, duration: {SECONDS}s}}\n"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_run_beside, stack, tool, number, token)
        scenario, seen = carry_out(stack, text, token)
        output, notes = running.result()
    wrong = [str(finding) for finding in judge(scenario, seen).findings]
    records = stack.engine.transactions(account_tags=[CALLER, PHONE])
    wrong += [*learned(tool, output), *asked_about_others(seen, records)]
    guesses = tool.name == "svcrack" and PHONE in tool.argv and scanners == "nobody"
    if guesses and not any("too many wrong passwords from" in line.text for line in seen.log):
        wrong.append(f"{WRONG} wrong passwords locked nobody out")
    if stack.lab.service(KAMAILIO).poll() is not None:
        wrong.append("Kamailio has ended")
    return wrong, notes


def _call(stack: Stack, scanners: str, token: str) -> list[str]:
    """What is wrong with one honest call."""
    scenario, seen = carry_out(stack, HONEST % scanners, token)
    return [str(finding) for finding in judge(scenario, seen).findings]


def tried(stack: Stack, name: str, scanners: str, tools: Sequence[Tool]) -> int:
    """How many things are wrong with all the tools, and before and after them."""
    found: Mapping[str, list[str]] = {"an honest call before": _call(stack, scanners, f"before-{name[:2]}")}
    before, since = Memory.of(stack.kamailio), stack.kamailio.call("core.uptime")["up_since"]
    wrongs = dict(found)
    for number, tool in enumerate(tools):
        if scanners != "nobody" and not tool.known:
            continue
        wrong, notes = attacked(stack, tool, scanners, number)
        wrongs[str(tool)] = wrong
        click.echo(f"  {tool}: {len(wrong)} things are wrong{''.join(f'; {note}' for note in notes)}")
    after = settled(stack, before)
    wrongs["an honest call after"] = _call(stack, scanners, f"after-{name[:2]}")
    wrongs["memory"] = list(after.growth(before))
    if stack.kamailio.call("core.uptime")["up_since"] != since:
        wrongs["memory"].append("Kamailio was restarted meanwhile")
    click.echo(f"  memory: shared {before.shared} -> {after.shared} bytes")
    for what, texts in wrongs.items():
        for text in texts:
            click.echo(f"  WRONG  {what}: {text}")
    return sum(map(len, wrongs.values()))


@click.command()
@click.option("--kamailio", metavar="WHERE", help="Kamailio's origin: trixie, sid, a directory.")
@click.option(
    "--kamailio-config",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another configuration than the project's.",
)
@click.option("--only", metavar="NAME", help="One of the tools alone: svmap, svwar, svcrack, sipsak.")
def main(kamailio: str | None, kamailio_config: Path | None, only: str | None) -> None:
    """Run public attack tools against Kamailio beside honest calls."""
    missing = sorted({tool.name for tool in TOOLS if shutil.which(tool.name) is None})
    if missing:
        raise click.ClickException(
            f"missing on this machine: {', '.join(missing)} (apt-get install sipvicious sipsak)"
        )
    tools = [tool for tool in TOOLS if only in (None, tool.name)]
    if not tools:
        raise click.UsageError(f"--only takes one of {', '.join(sorted({tool.name for tool in TOOLS}))}")
    found = 0
    with Stack.open(Options(lab="local", kamailio=kamailio, kamailio_config=kamailio_config)) as stack:
        for name, scanners in SCANNERS.items():
            click.echo(f"tools {name}")
            found += tried(stack, name, scanners, tools)
    click.echo(f"{found} things are wrong" if found else "nothing is wrong")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
