"""A lab that stands until it's taken down: `make docker-start`, to play with, and for runs that find it free."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from rating_harness.errors import HarnessError, LabError, UsageError
from rating_harness.lab.protocol import Driver
from rating_harness.run.options import Options
from rating_harness.run.stack import Stack

__all__ = ["StandingLab", "borrow", "find", "put_up", "take_down"]


@dataclass(frozen=True, slots=True)
class StandingLab:
    """Which lab it is, and where a person finds its services (``name -> host:port``)."""

    driver: Driver
    id: str
    addresses: dict[str, str]


def _state() -> Path:
    directory = Path(platformdirs.user_state_dir("rating-harness"))
    directory.mkdir(parents=True, exist_ok=True)
    return directory / "standing-lab.json"


def find() -> StandingLab | None:
    """The lab that stands, if there is one; it may be in use."""
    try:
        return StandingLab(**json.loads(_state().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def put_up(options: Options) -> StandingLab:
    """Bring a lab up and leave it.

    :raises UsageError: one stands already.
    :raises LabError: it could not be brought up.
    """
    standing = find()
    if standing is not None and _is_alive(standing):
        raise UsageError(
            f"a lab stands already: {standing.driver} {standing.id}", hint="`rating-harness down` takes it down"
        )
    stack = Stack.open(options, persistent=True)
    standing = StandingLab(stack.lab.driver, stack.lab.id, stack.published())
    _state().write_text(json.dumps(asdict(standing)), encoding="utf-8")
    return standing


def take_down() -> StandingLab | None:
    """Remove the lab that stands. Returns which one it was."""
    standing = find()
    if standing is None:
        return None
    with suppress(LabError):  # it may have gone by itself
        Stack.attach(standing.driver, standing.id, Options()).close()
    _state().unlink(missing_ok=True)
    return standing


def _is_alive(standing: StandingLab) -> bool:
    try:
        Stack.attach(standing.driver, standing.id, Options()).kamailio.uptime()
    except HarnessError:
        return False
    return True


@contextmanager
def borrow(options: Options) -> Iterator[Stack | None]:
    """The stack of the lab that stands, for one run at a time; None when there's none, or it isn't what is wanted."""
    standing = find()
    if standing is None or not _serves(standing, options):
        yield None
        return
    lock = FileLock(_state().with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield None
        return
    try:
        stack = Stack.attach(standing.driver, standing.id, options)
        stack.kamailio.uptime()
    except HarnessError:
        lock.release()
        yield None
        return
    try:
        yield stack
    finally:
        lock.release()


def _serves(standing: StandingLab, options: Options) -> bool:
    """Whether a run with these options can use it: it was put up with none but the kind of lab."""
    wants_its_own = (
        options.kamailio,
        options.kamailio_config,
        options.agent_url,
        options.api_url,
        options.target,
        options.defines,
    )
    return options.lab in ("auto", standing.driver) and not any(wants_its_own)
