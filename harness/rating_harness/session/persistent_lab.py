"""A lab that is left running: `rating-harness up` starts it, `down` removes it, and runs use it where it's free."""

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

__all__ = ["PersistentLab", "borrow", "find", "start", "stop"]


@dataclass(frozen=True, slots=True)
class PersistentLab:
    """Which lab it is, and where a person finds its services (``name -> host:port``)."""

    driver: Driver
    id: str
    addresses: dict[str, str]


def _state() -> Path:
    directory = Path(platformdirs.user_state_dir("rating-harness"))
    directory.mkdir(parents=True, exist_ok=True)
    return directory / "persistent-lab.json"


def find() -> PersistentLab | None:
    """The persistent lab, if there is one; it may be in use."""
    try:
        return PersistentLab(**json.loads(_state().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def start(options: Options) -> PersistentLab:
    """Bring a lab up and leave it.

    :raises UsageError: there is one already.
    :raises LabError: it could not be brought up.
    """
    lab = find()
    if lab is not None and _is_alive(lab):
        raise UsageError(
            f"there is a lab of `up` already: {lab.driver} {lab.id}", hint="`rating-harness down` removes it"
        )
    stack = Stack.open(options, persistent=True)
    lab = PersistentLab(stack.lab.driver, stack.lab.id, stack.published())
    _state().write_text(json.dumps(asdict(lab)), encoding="utf-8")
    return lab


def stop() -> PersistentLab | None:
    """Remove the persistent lab. Returns which one it was; None when there was none."""
    lab = find()
    if lab is None:
        return None
    with suppress(LabError):  # it may have gone by itself
        Stack.attach(lab.driver, lab.id, Options()).close()
    _state().unlink(missing_ok=True)
    return lab


def _is_alive(lab: PersistentLab) -> bool:
    try:
        Stack.attach(lab.driver, lab.id, Options()).kamailio.uptime()
    except HarnessError:
        return False
    return True


@contextmanager
def borrow(options: Options) -> Iterator[Stack | None]:
    """The stack of the persistent lab, for one run at a time; None when there's none, or it isn't what is wanted."""
    lab = find()
    if lab is None or not _serves(lab, options):
        yield None
        return
    lock = FileLock(_state().with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield None
        return
    try:
        stack = Stack.attach(lab.driver, lab.id, options)
        stack.kamailio.uptime()
    except HarnessError:
        lock.release()
        yield None
        return
    try:
        yield stack
    finally:
        lock.release()


def _serves(lab: PersistentLab, options: Options) -> bool:
    """Whether a run with these options can use it: it was started with none but the kind of lab."""
    wants_its_own = (
        options.kamailio,
        options.kamailio_config,
        options.agent_url,
        options.api_url,
        options.target,
        options.defines,
    )
    return options.lab in ("auto", lab.driver) and not any(wants_its_own)
