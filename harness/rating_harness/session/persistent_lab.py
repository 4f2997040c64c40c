"""A lab that is left running: `rating-harness up` starts it, `down` removes it, and runs use it where it's free.

Each checkout (or installation) has its own. A run uses it only where its version, its configuration files and its
services' code are still those that it was started with (`fingerprint`), and in a pipeline only when it's told to
(``--persistent-lab yes``): a lab that somebody left there would decide the verdict.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import platformdirs

from rating_harness import __version__
from rating_harness.errors import HarnessError, LabError, UsageError
from rating_harness.lab.files import data_directory
from rating_harness.lab.protocol import Driver
from rating_harness.run.options import Options
from rating_harness.run.stack import KAMAILIO, Stack

__all__ = ["PersistentLab", "Use", "borrow", "find", "intended_use", "start", "stop"]

FORMAT = 2
"""Counts up with each change of what the state's file says."""

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class PersistentLab:
    """Which lab it is.

    :param addresses: where a person finds its services (``name -> host:port``).
    :param fingerprint: of what it was started with (`fingerprint`).
    :param started: Unix seconds.
    """

    driver: Driver
    id: str
    addresses: dict[str, str]
    version: str
    fingerprint: str
    started: float
    format: int = FORMAT

    @property
    def age(self) -> float:
        """Seconds."""
        return time.time() - self.started

    def __str__(self) -> str:
        return f"{self.driver} {self.id}"


@dataclass(frozen=True, slots=True)
class Use:
    """Whether a run uses the persistent lab, and why not.

    :param lab: the one that it uses; None: it brings up its own.
    :param note: one sentence for the run's user; empty where there's nothing to say.
    """

    lab: PersistentLab | None
    note: str = ""


def fingerprint() -> str:
    """A hash of what a lab of `up` is made from: version, Kamailio's configuration, the services and their code."""
    found = hashlib.sha256(__version__.encode())
    places = [data_directory("kamailio"), data_directory("compose")]
    places += [_PACKAGE / name for name in ("contract.py", "rating", "tap", "lab", "run/kamailio.py")]
    for place in places:
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                found.update(f"\0{file.relative_to(place.parent)}\0".encode())
                found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _state() -> Path:
    directory = Path(platformdirs.user_state_dir("rating-harness")) / "persistent-labs"
    return directory / f"{hashlib.sha256(str(_PACKAGE).encode()).hexdigest()[:12]}.json"


def find() -> PersistentLab | None:
    """This checkout's persistent lab, if there is one; it may be in use."""
    try:
        state = json.loads(_state().read_text(encoding="utf-8"))
        if state["format"] != FORMAT:
            return None
        return PersistentLab(**{field.name: state[field.name] for field in fields(PersistentLab)})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def start(options: Options) -> PersistentLab:
    """Bring a lab up and leave it.

    :raises UsageError: there is one already, or nothing can be noted of it.
    :raises LabError: it could not be brought up.
    """
    state = _state()
    temporary = state.with_suffix(".new")
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        state.with_suffix(".used").unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            "where the lab is can't be noted",
            where=str(state.parent),
            found=error.strerror or str(error),
            hint="XDG_STATE_HOME names another directory",
        ) from None
    lab = find()
    if lab is not None and _is_alive(lab):
        raise UsageError(f"there is a lab of `up` already: {lab}", hint="`rating-harness down` removes it")
    stack = Stack.open(options, persistent=True)
    lab = PersistentLab(
        stack.lab.driver, stack.lab.id, stack.published(), __version__, fingerprint(), started=time.time()
    )
    temporary.write_text(json.dumps(asdict(lab)), encoding="utf-8")
    temporary.replace(state)
    return lab


def stop() -> PersistentLab | None:
    """Remove this checkout's persistent lab. Returns which one it was; None when there was none."""
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


# --- use by runs ----------------------------------------------------------------------------------------------------


def intended_use(options: Options) -> Use:
    """Whether a run with these options is to use the persistent lab.

    :raises UsageError: it has to, and there's none, or it isn't what the options want.
    """
    lab, wanted = find(), options.persistent_lab
    reason = "there is none" if lab is None else _unfit(lab, options)
    if wanted == "yes" and reason:
        hint = (
            "`rating-harness up` brings one up" if lab is None else "--persistent-lab auto: the run has its own then"
        )
        raise UsageError(f"the lab of `up` can't be used: {reason}", hint=hint)
    if lab is None or wanted == "no":
        return Use(None)
    if reason:
        return Use(None, f"The lab of `up` ({lab}) isn't used: {reason}.")
    if wanted == "auto" and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        return Use(
            None, f"The lab of `up` ({lab}) isn't used in a pipeline (CI is set): --persistent-lab yes uses it."
        )
    return Use(lab, f"Uses the lab of `up` ({lab}), up for {lab.age / 60:.0f} min, where it's free.")


_OWN = (
    "kamailio",
    "packages",
    "services",
    "kamailio_config",
    "agent_url",
    "api_url",
    "engine",
    "generators",
    "target",
    "defines",
    "coverage",
)
"""Options that say what a lab is made of."""


def _unfit(lab: PersistentLab, options: Options) -> str:
    """Why a run with these options can't use it: it was started with none but the kind of lab. Empty: it can."""
    if options.lab not in ("auto", lab.driver):
        return f"it is a {lab.driver} lab"
    if options.ends != "own" and lab.driver != "local":
        return f"it is a {lab.driver} lab, and {options.ends} needs a local one"
    for name in _OWN:
        if getattr(options, name):
            option = {"packages": "package", "defines": "define"}.get(name, name.replace("_", "-"))
            return f"this run wants its own (--{option})"
    if lab.version != __version__:
        return f"it was started by version {lab.version}, and this is {__version__}"
    if lab.fingerprint != fingerprint():
        return "the configuration or the code has changed since it was started; `rating-harness down`, then `up`"
    return ""


@contextmanager
def borrow(options: Options) -> Iterator[Stack | None]:
    """The stack of the persistent lab, for one run at a time; None where the run isn't to use it, or it's in use."""
    lab = intended_use(options).lab
    if lab is None:
        yield None
        return
    from filelock import FileLock, Timeout

    lock = FileLock(_state().with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield None
        return
    in_use = _state().with_suffix(".used")
    try:
        stack = Stack.attach(lab.driver, lab.id, options)
        stack.kamailio.uptime()
        if in_use.exists():
            # A run was killed, or left something behind: tables, users, calls.
            stack.spoiled(KAMAILIO)
        in_use.touch()
    except (HarnessError, OSError):
        lock.release()
        yield None
        return
    try:
        yield stack
    finally:
        if stack.give_back():
            in_use.unlink(missing_ok=True)
        lock.release()
