"""What there is to know of a lab: who attaches to a lab that is kept reads it from the lab's directory.

It is JSON with a version, so that another Python, or another release of the harness, reads it or says why not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rating_harness.errors import LabError
from rating_harness.lab.local.client import HolderClient
from rating_harness.lab.local.hosts import Hosts
from rating_harness.lab.local.process import LocalService, ServiceRecord
from rating_harness.lab.local.programs import ProgramSource

__all__ = ["FORMAT", "LabState", "read_state", "write_state"]

FORMAT = 1
"""Counts up with each change after which an older `read_state` would be wrong."""

_FILE = "lab.json"


@dataclass
class LabState:
    """The state of a lab.

    :param own_network: the network is the lab's own.
    :param refusal: why there are no namespaces; None when there are.
    :param lost: capability -> why it isn't there.
    :param localhost: how the hosts file begins.
    """

    source: ProgramSource
    own_network: bool
    refusal: str | None
    lost: Mapping[str, str]
    localhost: str
    hosts: Hosts
    services: dict[str, LocalService] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Stored:
    format: int
    source: ProgramSource
    own_network: bool
    refusal: str | None
    lost: Mapping[str, str]
    localhost: str
    hosts: Hosts
    services: tuple[ServiceRecord, ...]


@cache
def _stored() -> TypeAdapter[_Stored]:
    """Made for a lab that is kept: any other one is never stored."""
    return TypeAdapter(_Stored)


def write_state(directory: Path, state: LabState) -> None:
    """Put it into the lab's directory in one step, so that nobody reads half of it."""
    stored = _Stored(
        FORMAT,
        state.source,
        state.own_network,
        state.refusal,
        state.lost,
        state.localhost,
        state.hosts,
        tuple(service.record for service in state.services.values()),
    )
    temporary = directory / f".{_FILE}"
    temporary.write_bytes(_stored().dump_json(stored, indent=2))
    temporary.replace(directory / _FILE)


def read_state(directory: Path, client: HolderClient) -> LabState:
    """What `write_state` stored.

    :param client: of the lab's holder, which the services are controlled through.
    :raises LabError: there is none, or another version of the harness stored it.
    """
    path = directory / _FILE
    try:
        content = path.read_bytes()
        found = json.loads(content).get("format")
        if found != FORMAT:
            raise LabError(
                f"lab {directory.name} was opened by another version of rating-harness",
                expected=f"a state of format {FORMAT}",
                found=f"format {found}",
                where=str(path),
                hint="take it down with that version, or remove it with `rating-harness clean`",
            )
        stored = _stored().validate_json(content)
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        raise LabError(
            f"the state of lab {directory.name} can't be read",
            found=str(error).splitlines()[0],
            where=str(path),
            hint="remove the lab with `rating-harness clean`, and open another one",
        ) from None
    return LabState(
        stored.source,
        stored.own_network,
        stored.refusal,
        stored.lost,
        stored.localhost,
        stored.hosts,
        {record.name: LocalService.from_record(record, client) for record in stored.services},
    )
