"""How long a user agent of the harness's own takes in a local lab, forked as labs do it, and executed, in turns.

``python -m benchmarks.user_agents [ROUNDS]``; needs a local lab.
"""

from __future__ import annotations

import statistics
import time

import click

from rating_harness.deadline import Deadline
from rating_harness.lab.local import LocalLab
from rating_harness.lab.protocol import Program
from rating_harness.useragent.agent import USER_AGENT
from rating_harness.useragent.dialog import Place
from rating_harness.useragent.script import SenderScript, Socket, to_json

FORKED = ("python", "-m", USER_AGENT, "script.json")
EXECUTED = ("python", "-c", f"import sys; from {USER_AGENT}.__main__ import main; sys.exit(main('script.json'))")


def seconds_of(lab: LocalLab, argv: tuple[str, ...]) -> float:
    """From the request to its end: it binds its socket, and has nothing to send."""
    host = lab.host("sender")
    socket = Socket(Place(host.address, 5060), Place(host.address, 5099), "udp")
    script = SenderScript("sender", socket, messages=(), times=1, every=0.0, listens=0.0)
    began = time.monotonic()
    process = lab.run(Program("sender", "harness", argv, host, {"script.json": to_json(script).encode()}))
    status = process.wait(Deadline(30))
    seconds = time.monotonic() - began
    assert status == 0, process.output()
    process.remove()
    return seconds


@click.command()
@click.argument("rounds", type=click.IntRange(1), default=20)
def main(rounds: int) -> None:
    """Run a user agent that has nothing to do ROUNDS times in either way."""
    seconds: dict[str, list[float]] = {"forked": [], "executed": []}
    with LocalLab.open() as lab:
        seconds_of(lab, FORKED)  # which waits for the import
        for _ in range(rounds):
            seconds["forked"].append(seconds_of(lab, FORKED))
            seconds["executed"].append(seconds_of(lab, EXECUTED))
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    for name, found in seconds.items():
        click.echo(f"{name:9} median {medians[name]:.3f} s, {min(found):.3f} to {max(found):.3f}")
    click.echo(f"ratio     {medians['executed'] / medians['forked']:.1f}")


if __name__ == "__main__":
    main()
