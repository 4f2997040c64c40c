"""What a person can choose of a run."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from rating_harness.errors import UsageError

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """How the lab is brought up.

    :param lab: ``auto`` takes Docker where an engine answers.
    :param kamailio: where Kamailio and SIPp come from: a Debian release, a root filesystem's directory, an image;
        None for the lab's default.
    :param kamailio_config: a directory whose ``kamailio.cfg`` is run in place of the project's.
    :param agent_url, api_url: a rating engine of the user's; both or none. None: the embedded one.
    :param target: ``HOST:PORT`` of a Kamailio that runs already.
    :param defines: Kamailio's ``-A NAME=VALUE``.
    :param coverage: whether Kamailio runs a copy of its configuration with probes.
    :param seed: of all that is drawn; a new one that a person can type, when not given.
    :param evidence: where evidence is kept, also of scenarios that passed; None: only of those that failed.
    """

    lab: Literal["auto", "docker", "local", "external"] = "auto"
    kamailio: str | None = None
    kamailio_config: Path | None = None
    agent_url: str | None = None
    api_url: str | None = None
    target: str | None = None
    defines: Mapping[str, str] = field(default_factory=dict)
    evidence: Path | None = None
    coverage: bool = False
    seed: int = field(default_factory=lambda: secrets.randbelow(1_000_000))

    @classmethod
    def of(cls, *, defines: Iterable[str], seed: int | None, **others: Any) -> Self:
        """From what a person typed.

        :param defines: ``NAME`` or ``NAME=VALUE`` each.
        :raises UsageError: a definition without a name.
        """
        values: dict[str, str] = {}
        for text in defines:
            name, _, value = text.partition("=")
            if not name:
                raise UsageError(f"--define {text!r} defines nothing", expected="NAME or NAME=VALUE")
            values[name] = value
        return cls(defines=values, **others) if seed is None else cls(defines=values, seed=seed, **others)
