"""What can go wrong, as one tree.

::

    HarnessError
    ├── UsageError             the command line, or options that contradict each other
    ├── ScenarioError          mistakes in a scenario file; holds every one of them
    ├── ConfigurationError     a Kamailio configuration that can't be parsed
    ├── PlanError              a scenario that this lab, or this target, cannot carry out
    ├── LabError
    │   ├── MissingTool        a program or a package that the machine lacks
    │   ├── ImageError         an image or a root filesystem that could not be made
    │   ├── ServiceDied        a service that ended when it should be running
    │   └── Timeout            a wait that passed its deadline
    ├── EngineError            the rating engine refused, or answered what the contract doesn't say
    ├── SippError              SIPp could not run at all (a failed *call* is a finding, not an error)
    ├── EndpointError          an end of ours sent, or wrote down, what can't be: no verdict on Kamailio
    │   └── BusyMachineError   something of ours came too late
    └── EvidenceError          stored evidence that can't be read back

Every one says what was expected, what was found, where, and what to do next. The command and the plugin print
``str(error)`` and no traceback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "BusyMachineError",
    "ConfigurationError",
    "EndpointError",
    "EngineError",
    "EvidenceError",
    "HarnessError",
    "ImageError",
    "LabError",
    "Location",
    "MissingTool",
    "Mistake",
    "PlanError",
    "ScenarioError",
    "ServiceDied",
    "SippError",
    "Timeout",
    "UsageError",
]


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file that a person wrote. Lines and columns count from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class HarnessError(Exception):
    """Base of all errors that the harness raises on purpose.

    :param message: what happened, one sentence.
    :param expected: what should have been there.
    :param found: what was there instead.
    :param where: the place that asked for it.
    :param hint: what to do next.
    :param detail: further lines: a service's last output, say.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        where: Location | str | None = None,
        hint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.found = found
        self.where = where
        self.hint = hint
        self.detail = detail
        self.folder: Path | None = None
        """Where what there is to see of it is kept, if it is."""
        self.files: Mapping[str, bytes] = {}
        """What is to be kept there beside the error itself, by names relative to the folder; without passwords."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it holds: the arguments of a subclass may be others."""
        return _restored, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.found:
            lines.append(f"  found:    {self.found}")
        if self.detail:
            lines += [f"  | {line}" for line in self.detail.rstrip().splitlines()]
        if self.hint:
            lines.append(f"  next:     {self.hint}")
        if self.folder:
            lines.append(f"  evidence: {self.folder}")
        return "\n".join(lines)


def _restored(kind: type[HarnessError], args: tuple[Any, ...], state: dict[str, Any]) -> HarnessError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(HarnessError):
    """The command line, an ini option or an environment variable is wrong."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a scenario file.

    ``excerpt`` is the offending line, numbered, with carets below the offending part; ``hint`` says what would be
    right ("did you mean 'hangup'? It takes: caller, callee, never.").
    """

    where: Location
    message: str
    excerpt: str = ""
    hint: str = ""

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}"]
        lines += [f"   {line}" for line in self.excerpt.splitlines()]
        lines += [f"   {line}" for line in self.hint.splitlines()]
        return "\n".join(lines)


class ScenarioError(HarnessError):
    """A scenario file has mistakes. All of them are here, in the order of the file."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.where))
        count = len(self.mistakes)
        super().__init__(f"{count} mistake{'' if count == 1 else 's'}")

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)


class ConfigurationError(HarnessError):
    """A Kamailio configuration that can't be parsed, or that isn't written in Kamailio's own language."""


class PlanError(HarnessError):
    """The scenario is well-formed, but this lab or this target can't carry it out."""


class LabError(HarnessError):
    """The lab could not be brought up, or broke while it was used."""


class MissingTool(LabError):
    """A program, a package or a right that the lab needs isn't on this machine."""


class ImageError(LabError):
    """An image or a root filesystem could not be made."""


class ServiceDied(LabError):
    """A service ended by itself.

    :param service: its name in the lab.
    :param status: exit status, negative for a signal; None when it isn't known.
    :param log: all that it logged since its last start.
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        status: int | None,
        detail: str | None = None,
        where: Location | str | None = None,
        hint: str = "the lines above are the service's last; the evidence has all",
        log: str = "",
    ) -> None:
        super().__init__(message, detail=detail, where=where, hint=hint)
        self.service = service
        self.status = status
        self.log = log


class Timeout(LabError):
    """A wait passed its deadline. ``found`` says what was seen last."""


class EngineError(HarnessError):
    """The rating engine refused a request of the harness, or answered outside of its contract."""


class SippError(HarnessError):
    """SIPp could not do its work: a bad scenario, an address in use, a crash."""


class EndpointError(HarnessError):
    """A caller or a carrier of the harness's own is at fault: a malformed message, a trace that can't be believed."""


class BusyMachineError(EndpointError):
    """Something of the harness's own came too late, since the machine has too much to do."""


class EvidenceError(HarnessError):
    """A folder of evidence can't be read back."""
