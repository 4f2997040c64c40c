"""From a canyan-tester file to a plan: numbers sampled, SIPp scenarios read, what they need gathered.

What refers to an answer of the API is filled in while it runs, since the answer isn't known before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from rating_harness.canyan.model import CanyanScenario, Range, SippWorker, Worker, XhttpRequest
from rating_harness.canyan.placeholders import filled, resolved
from rating_harness.errors import PlanError
from rating_harness.lab.protocol import Host
from rating_harness.plan.model import Plan, PlannedCarrier
from rating_harness.plan.render import render, sdp_for
from rating_harness.scenario.values import CountRange
from rating_harness.sipp.agent import Agent

__all__ = ["CARRIER", "NOBODY", "CanyanPlan", "PlannedWorker", "plan_canyan"]

CARRIER, NOBODY = "carrier", "dead-carrier"
"""The hosts that such files count on: one that answers, and one where nothing listens."""

LONGEST = 3600.0
"""Seconds after which a run of SIPp that has no ``timeout`` is given up."""


@dataclass(frozen=True, slots=True)
class PlannedWorker:
    """One of the SIPps that a worker of the file (``index``) stands for.

    :param name: its host's, too; it begins with ``worker-`` and the worker's number in the file.
    :param values: still with references in them.
    :param delay: seconds before its first run.
    :param timeout: seconds after which a run is killed.
    :param call_id: SIPp's own form of Call-IDs with the plan's token in it, since process ids in a lab begin at 1.
    """

    name: str
    index: int
    template: str
    values: Mapping[str, str | int]
    delay: float
    repeat: int
    timeout: float
    calls: int
    rate: int
    period: float
    limit: int
    call_id: str
    options: tuple[str, ...]
    files: Mapping[str, bytes]

    def agent(self, host: Host, port: int, target: tuple[str, int], stored: Mapping[str, Any]) -> Agent:
        """Its SIPp, now that the answers are known.

        :raises Unfit: it refers to something that no answer has.
        """
        values = {"basedir": ".", "target": f"{target[0]}:{target[1]}", **resolved(self.values, stored)}
        return Agent(
            role="caller",
            host=self.name,
            address=host.address,
            port=port,
            remote=target,
            scenario=filled(self.template, values),
            call_id=self.call_id,
            calls=self.calls,
            rate=self.rate,
            period=self.period,
            limit=self.limit,
            files=self.files,
        )


@dataclass(frozen=True, slots=True)
class CanyanPlan(Plan):
    """:param requests: how many of each worker's requests to Kamailio's HTTP are sent, by the worker's index."""

    workers: tuple[PlannedWorker, ...] = ()
    requests: Mapping[int, int] = field(default_factory=dict)


def plan_canyan(scenario: CanyanScenario, *, token: str, seed: int, carrier: Host | None) -> CanyanPlan:
    """Decide everything that can be decided. Numbers are sampled in canyan-tester's order.

    :param carrier: the host of the carrier that answers; None where the lab has none, since it isn't the harness's.
    :raises PlanError: a file that SIPp needs isn't there.
    """
    random = Random(seed)
    workers: list[PlannedWorker] = []
    requests: dict[int, int] = {}
    for index, worker in enumerate(scenario.canyan.workers):
        number = _draw(worker, "number", random)
        if isinstance(worker, XhttpRequest):
            requests[index] = number
            continue
        for nth in range(number):
            name = f"worker-{index + 1}" if number == 1 else f"worker-{index + 1}-{nth + 1}"
            workers.append(_worker(scenario, index, worker, random, name, nth, f"%u-%p-{token}@%s"))
    return CanyanPlan(
        scenario=scenario,
        token=token,
        seed=seed,
        calls=(),
        carriers=(PlannedCarrier(CARRIER, _carrier(carrier)), PlannedCarrier(NOBODY, None)) if carrier else (),
        agent_faults=(),
        outages=(),
        sip_requests=(),
        defines={name: str(value) for name, value in scenario.kamailio.defines.items()} if carrier else {},
        tls=False,
        ipv6=False,
        horizon=LONGEST,
        workers=tuple(
            replace(worker, repeat=_draw(scenario.canyan.workers[worker.index], "repeat", random))
            for worker in workers
        ),
        requests=requests,
    )


def _worker(
    scenario: CanyanScenario, index: int, worker: SippWorker, random: Random, name: str, nth: int, call_id: str
) -> PlannedWorker:
    delay = _draw(worker, "delay", random) / 1000
    values = {name: _value(value, nth, random) for name, value in worker.values.items()}
    limit, rate, period, calls = (
        _draw(worker, name, random) for name in ("call_limit", "call_rate", "call_rate_period", "call_number")
    )
    template = scenario.template(worker)
    options, files = _brought(scenario, index, worker.options)
    return PlannedWorker(
        name=name,
        index=index,
        template=template,
        values=values,
        delay=delay,
        repeat=1,
        timeout=LONGEST if worker.timeout is None else worker.timeout,
        calls=_last_number(options, "-m", calls),
        rate=rate,
        period=period / 1000,
        limit=limit,
        call_id=call_id,
        options=options,
        files={**files, **dict(_named_in(template, scenario.directory))},
    )


def _draw(worker: Worker, name: str, random: Random) -> int:
    """A count. A number that is given costs a draw even where it is fixed, and one that isn't given costs none."""
    count: CountRange = getattr(worker, name)
    return count.draw(random) if name in worker.model_fields_set else int(count.low)


def _value(value: str | int | Range | Sequence[str | int], nth: int, random: Random) -> str | int:
    if isinstance(value, Range):
        return random.randint(value.min, value.max)
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return random.randint(int(value), int(value))
    return value[nth % len(value)]


def _brought(
    scenario: CanyanScenario, index: int, options: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """SIPp's options with the files that they name, which are brought into its directory under their own names.

    :raises PlanError: an option takes a file, and there's none.
    """
    words, files = list(options), dict[str, bytes]()
    for place, (option, word) in enumerate(pairwise(options), start=1):
        if option not in _TAKE_A_FILE:
            continue
        found = next((path for path in (scenario.directory / word, Path(word)) if path.is_file()), None)
        if found is None:
            raise PlanError(
                f"SIPp is to read a file that isn't there: {option} {word}",
                where=scenario.where("workers", index, "extra_args"),
                hint=f"it is looked for in {scenario.directory.as_posix()}",
            )
        words[place] = found.name
        files[found.name] = found.read_bytes()
    return tuple(words), files


_TAKE_A_FILE = frozenset({"-inf", "-tls_cert", "-tls_key", "-tls_ca", "-tls_crl", "-slave_cfg", "-oocsf"})


def _named_in(template: str, directory: Path) -> Iterator[tuple[str, bytes]]:
    """The files that a SIPp scenario names below ``%(basedir)s``, which is SIPp's own directory here."""
    for name in re.findall(r"%\(basedir\)s/([\w./-]+)", template):
        if (directory / name).is_file():
            yield name, (directory / name).read_bytes()


def _last_number(options: tuple[str, ...], option: str, otherwise: int) -> int:
    """What SIPp makes of an option that is given again: the last one counts."""
    given = [word for name, word in pairwise(options) if name == option]
    return int(given[-1]) if given and given[-1].isdecimal() else otherwise


def _carrier(host: Host) -> Agent:
    return Agent(
        role="carrier",
        host=host.name,
        address=host.address,
        port=5060,
        scenario=render("carrier.xml.j2", name="a carrier that answers", sdp=sdp_for(True)),
    )
