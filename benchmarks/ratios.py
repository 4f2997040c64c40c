"""What the harness, the tap, the engine and the rating cost, as ratios within one run.

    python -m benchmarks.ratios                  # about five minutes; make bench
    python -m benchmarks.ratios --check          # fails when a ratio fell by more than its noise; make bench-check
    python -m benchmarks.ratios --write          # makes this run the one that others are compared with

A ratio says how fast the one is beside the other: 1 is as fast, 0.5 half as fast. Both are measured in turns, so that
what else the machine does slows both; the median of the rounds counts, and the lowest and the highest are its spread.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx

from benchmarks import calls, engine
from rating_harness.deadline import Deadline, await_condition
from rating_harness.lab.protocol import Program
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

BASELINE = Path(__file__).parent / "ratios.json"
"""The ratios that a run is compared with, and their noise."""

LEAST_NOISE = 0.15
"""A fall of a ratio that is none, as a part of it, however alike its rounds were."""

ROOT = Path(__file__).parents[1]

SHORT = """
scenario: One short call
given:
  accounts: [{account_tag: "1000", type: POSTPAID, balance: 0, max_concurrent_transactions: 10}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1, rate_increment: 1}]}]
calls: [{id: ana, from: "1000", to: "39040123456", hold: 200ms}]
"""

UNRATED = """
invariants:
  begin_and_end: nothing is rated
  carriers: nothing is rated
  tables: this configuration has none
"""


@dataclass(frozen=True, slots=True)
class Ratio:
    """:param rounds: the ratio of each round.
    :param says: what is beside what.
    """

    name: str
    says: str
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def noise(self) -> float:
        """The fall that a later run may have, as a part of the ratio: one and a half of the spread, half at most."""
        return min(0.5, max(LEAST_NOISE, 1.5 * (max(self.rounds) - min(self.rounds)) / self.median))


def regressions(found: Sequence[Ratio], baseline: Mapping[str, Any]) -> list[str]:
    """What fell by more than its noise, or isn't measured any more."""
    told = []
    known = {ratio.name: ratio for ratio in found}
    for name, entry in baseline["ratios"].items():
        if name not in known:
            told.append(f"{name}: not measured")
            continue
        least = entry["ratio"] * (1 - entry["noise"])
        if known[name].median < least:
            fell = f"{known[name].median:.3f} is below {least:.3f}"
            told.append(f"{name}: {fell} ({entry['ratio']:.3f} less its noise, {entry['noise']:.0%})")
    return told


def table(found: Sequence[Ratio]) -> str:
    """The ratios as Markdown."""
    lines = ["| ratio | median | spread | rounds | beside |", "| --- | --- | --- | --- | --- |"]
    for each in found:
        spread = f"{min(each.rounds):.3f} to {max(each.rounds):.3f}"
        lines.append(f"| {each.name} | {each.median:.3f} | {spread} | {len(each.rounds)} | {each.says} |")
    return "\n".join(lines)


def document(found: Sequence[Ratio], machine: Mapping[str, Any]) -> dict[str, Any]:
    """What is committed."""
    ratios = {
        each.name: {
            **asdict(each),
            "rounds": [round(value, 4) for value in each.rounds],
            "ratio": round(each.median, 4),
            "noise": round(each.noise, 3),
        }
        for each in found
    }
    return {"machine": dict(machine), "ratios": ratios}


# --- what is measured -----------------------------------------------------------------------------------------------


def scenario_beside_sipp(rounds: int) -> tuple[Ratio, str]:
    """A scenario of one short call in a lab that is up, beside a call of the same length by two plain SIPps there."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "short.yaml"
        file.write_text(SHORT)
        (scenario,) = load(file)
        session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None, alone=True)
        try:
            session.run(scenario)  # what is imported and started once
            found = []
            for number in range(rounds):
                began = time.monotonic()
                outcome = session.run(scenario)
                took = time.monotonic() - began
                if outcome.verdict is None or not outcome.verdict.passed:
                    raise click.ClickException(f"the short call failed: {outcome.verdict}")
                found.append(_plain_call(session, number) / took)
            kamailio = session.stack.programs.kamailio
        finally:
            session.close()
    says = "a call of 0.2 s by two plain SIPps, of a scenario with such a call, in a lab that is up (seconds)"
    return Ratio("scenario", says, tuple(found)), kamailio


def _plain_call(session: Session, number: int) -> float:
    """Seconds that two plain SIPps take for a call, from their start."""
    lab = session.stack.lab
    callee, caller = lab.host(f"plain-callee-{number}"), lab.host(f"plain-caller-{number}")
    common = ("-nostdin", "-skip_rlimit", "-i")
    began = time.monotonic()
    words = ("sipp", "-sn", "uas", *common, callee.address, "-p", "5060", "-trace_stat", "-stf", "statistics.csv")
    answering = lab.run(Program(f"plain-callee-{number}", "sipp", words, callee))
    try:
        bound = Deadline(20)
        await_condition(lambda: answering.read_file("statistics.csv") is not None, bound, "SIPp's sockets")
        words = ("sipp", f"{callee.address}:5060", "-sn", "uac", *common, caller.address, "-m", "1", "-d", "200")
        calling = lab.run(Program(f"plain-caller-{number}", "sipp", words, caller))
        try:
            if calling.wait(Deadline(30)) != 0:
                raise click.ClickException(f"the plain call failed: {calling.output()[-500:]}")
        finally:
            calling.remove()
        answering.signal(signal.SIGTERM)
    finally:
        answering.remove()
        lab.release(callee.name)
        lab.release(caller.name)
    return time.monotonic() - began


def rated_beside_relayed(rounds: int, rate: int, seconds: int) -> Ratio:
    """Calls that Kamailio's processor time allows: rated, beside relayed with dialogs and unrated."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        rated, relayed = Path(directory) / "rated.yaml", Path(directory) / "relayed.yaml"
        rated.write_text(calls.scenario_text(rate, seconds))
        relayed.write_text(calls.scenario_text(rate, seconds) + UNRATED)
        for _ in range(rounds):
            times = [
                calls.measure(configuration, file, rate * seconds, has_to_pass=True)
                for configuration, file in ((ROOT / "kamailio", rated), (ROOT / "benchmarks/relay", relayed))
            ]
            found.append(times[1] / times[0])
    says = "Kamailio's processor time for a call relayed with a dialog and unrated, of that for a rated one"
    return Ratio("rated", says, tuple(found))


@contextmanager
def _tap(upstream: engine.Server) -> Iterator[engine.Server]:
    port = 18494
    command = [sys.executable, "-c", "from rating_harness.cli.main import main; main()", "tap"]
    command += ["--listen", f"127.0.0.1:{port}", "--control", "127.0.0.1:0"]
    command += ["--upstream", f"http://127.0.0.1:{upstream.port}"]
    process = subprocess.Popen(engine.on_core(0, command), stdout=subprocess.DEVNULL)
    try:
        await_condition(lambda: _answers(port), Deadline(30), "the tap")
        yield engine.Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/")
    except httpx.TransportError:
        return False
    return True


_SERVERS = {
    "engine": "authorisations a second, of what a bare Starlette route answers, 50 connections",
    "engine, processor time": "the bare route's processor time for a request, of the engine's for an authorisation",
    "tap, processor time": "the engine's processor time for an authorisation, of the engine's and the tap's",
}


def engine_and_tap(rounds: int, seconds: float) -> list[Ratio]:
    """The engine beside a bare route, by rate and processor time, and behind the tap.

    The tap's by processor time alone: it and the engine are two programs, which get a larger part of a busy core than
    the engine by itself.
    """
    found: dict[str, list[float]] = {name: [] for name in _SERVERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = engine.authorize_script(folder)
        database = folder / "small.db"
        engine.populate(database, engine.ACCOUNTS, 2 * engine.RATES, 0)
        with engine.bare() as reference, engine.engine(database) as server, _tap(server) as tap:
            for _ in range(rounds):
                first, second = engine.alternate(((reference, script), (server, script)), 50, seconds)
                found["engine"].append(second.rate / first.rate)
                found["engine, processor time"].append(first.cpu / second.cpu)
                direct, through = engine.alternate(((server, script), (tap, script)), 10, seconds)
                if through.bad or direct.bad or second.bad:
                    raise click.ClickException("requests failed")
                found["tap, processor time"].append(direct.cpu / (direct.cpu + through.cpu))
    return [Ratio(name, _SERVERS[name], tuple(values)) for name, values in found.items()]


# --- the command ----------------------------------------------------------------------------------------------------


def _machine(kamailio: str) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "load average": round(os.getloadavg()[1], 1),
        "python": platform.python_version(),
        "kamailio": kamailio,
    }


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Of each ratio.")
@click.option("--check", is_flag=True, help="Fail when a ratio fell by more than its noise.")
@click.option("--write", is_flag=True, help="Make this run the one that others are compared with.")
def main(rounds: int, check: bool, write: bool) -> None:
    """Measure the ratios, and print them."""
    began = time.monotonic()
    found: list[Ratio] = []

    def note(ratio: Ratio) -> None:
        found.append(ratio)
        click.echo(f"{ratio.median:.3f}  {ratio.name}  {', '.join(f'{each:.3f}' for each in ratio.rounds)}", err=True)

    scenario, kamailio = scenario_beside_sipp(2 * rounds + 1)
    note(scenario)
    measures: list[Callable[[], Sequence[Ratio]]] = [
        lambda: [rated_beside_relayed(rounds, 50, 5)],
        lambda: engine_and_tap(rounds, 5),
    ]
    for measure in measures:
        for ratio in measure():
            note(ratio)
    machine = _machine(kamailio)
    click.echo(table(found))
    click.echo(f"\n{', '.join(f'{name} {value}' for name, value in machine.items())}")
    click.echo(f"in {time.monotonic() - began:.0f} s", err=True)
    if write:
        BASELINE.write_text(json.dumps(document(found, machine), indent=2) + "\n", "utf-8")
    if check and (told := regressions(found, json.loads(BASELINE.read_text("utf-8")))):
        raise click.ClickException("\n".join(told))


if __name__ == "__main__":
    main()
