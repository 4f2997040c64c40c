"""What a person can choose of a run."""

from __future__ import annotations

import posixpath
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from rating_harness.errors import UsageError

if TYPE_CHECKING:
    from rating_harness.lab.docker.configuration import CopiedConfiguration
    from rating_harness.rating.engine_file import EngineFile

__all__ = ["MOST_GENERATORS", "Options"]

MOST_GENERATORS = 99
"""Of one load."""

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
"""Debian Policy, section 5.6.7."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the lab is brought up.

    :param lab: ``auto`` takes Docker where an engine answers.
    :param kamailio: where Kamailio and SIPp come from: a Debian release, a root filesystem's directory, an image;
        None for the lab's default.
    :param packages: of Debian's, to be installed where Kamailio runs: modules that its configuration loads, say.
    :param services: a compose file with further services that Kamailio needs, such as a database.
    :param kamailio_config: a directory whose ``kamailio.cfg`` is run in place of the project's.
    :param image_config: where ``kamailio_config`` was copied from; None: it's the user's own.
    :param profile: ``contract``: scenarios that require a policy of the project's configuration are skipped; None:
        so with a configuration of the user's.
    :param fast_timers: the user's configuration has tm's timers of a lab.
    :param agent_url: the agent of the user's own rating engine; None: the embedded engine.
    :param api_url: its API; without it records and balances aren't read, and checks on them are skipped.
    :param engine: how the user's engine speaks, if otherwise than Canyan's; ``none``: there's no rating at all.
    :param target: ``HOST:PORT`` of a Kamailio that runs already.
    :param ends: who calls and is called: SIPp and the harness's own user agent, or baresip, or Asterisk is called.
    :param defines: Kamailio's ``-A NAME=VALUE``.
    :param coverage: whether Kamailio runs a copy of its configuration with probes.
    :param seed: of all that is sampled; a new one that a person can type, when not given.
    :param generators: on how many machines of the Docker engine's swarm a load's callers are; 0: in the lab itself.
    :param persistent_lab: whether a lab of `rating-harness up` is used; ``auto``: where it's the same, and not in CI.
    :param evidence: where evidence is kept, also of scenarios that passed; None: only of those that failed.
    """

    lab: Literal["auto", "docker", "local", "external"] = "auto"
    kamailio: str | None = None
    packages: tuple[str, ...] = ()
    services: Path | None = None
    kamailio_config: Path | None = None
    image_config: CopiedConfiguration | None = None
    profile: Literal["contract", "all"] | None = None
    fast_timers: bool = False
    agent_url: str | None = None
    api_url: str | None = None
    engine: EngineFile | Literal["none"] | None = None
    target: str | None = None
    ends: Literal["own", "baresip", "asterisk"] = "own"
    defines: Mapping[str, str] = field(default_factory=dict)
    evidence: Path | None = None
    coverage: bool = False
    persistent_lab: Literal["auto", "yes", "no"] = "auto"
    generators: int = 0
    seed: int = field(default_factory=lambda: secrets.randbelow(1_000_000))

    @classmethod
    def of(cls, *, defines: Iterable[str], seed: int | None, engine: str | None = None, **others: Any) -> Self:
        """From what a person typed.

        :param defines: ``NAME`` or ``NAME=VALUE`` each.
        :param engine: the path of an engine file, or ``none``.
        :raises UsageError: a definition without a name; an engine file that can't be used; options that contradict
            each other.
        :raises ConfigurationError: there's no such configuration of Kamailio.
        :raises MissingTool, ImageError: the configuration inside of an image can't be had.
        """
        if engine is not None:
            from rating_harness.rating.engine_file import load

            others["engine"] = "none" if engine == "none" else load(Path(engine))
        if others.pop("image_config", False):
            others = cls._with_copy(others)
        others["generators"] = others.pop("generators", None) or 0
        others["packages"] = tuple(others.pop("package", ()))
        values: dict[str, str] = {}
        for text in defines:
            name, _, value = text.partition("=")
            if not name:
                raise UsageError(f"--define {text!r} defines nothing", expected="NAME or NAME=VALUE")
            values[name] = value
        options = cls(defines=values, **others) if seed is None else cls(defines=values, seed=seed, **others)
        options._check()
        return options

    @staticmethod
    def _with_copy(others: Mapping[str, Any]) -> dict[str, Any]:
        """The options with the configuration that is inside of ``kamailio``'s image, copied out of it.

        :raises UsageError: there is no image to copy it from.
        """
        image, lab, wanted = (others.get(name) for name in ("kamailio", "lab", "kamailio_config"))
        if others.get("target") is not None:
            raise UsageError(
                "a Kamailio that runs already has its own configuration", found="--image-config, --target"
            )
        if image in (None, "trixie", "sid"):
            raise UsageError(
                "--image-config tests the configuration inside of an image",
                expected="--kamailio IMAGE too",
                found="--image-config alone" if image is None else f"--kamailio {image}, which has Debian's",
            )
        if Path(image).is_dir():
            raise UsageError(
                "--image-config tests the configuration inside of an image",
                expected="--kamailio IMAGE",
                found=f"--kamailio {image}, a directory",
                hint=f"in place of --image-config: --kamailio-config {Path(image) / 'etc/kamailio'}",
            )
        if lab == "local":
            raise UsageError(
                "an image is run by a Docker engine", expected="--lab docker, or auto", found="--lab local"
            )
        if wanted is not None and not wanted.is_absolute():
            raise UsageError(
                "with --image-config, --kamailio-config is a path inside of the image",
                expected="an absolute path, such as /usr/local/etc/kamailio",
                found=str(wanted),
            )
        from rating_harness.lab.docker.configuration import copy_configuration

        copy = copy_configuration(image, posixpath.normpath(wanted or "/etc/kamailio"))
        return {**others, "kamailio_config": copy.path, "image_config": copy}

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded engine is the one under test."""
        return self.agent_url is None and self.engine is None

    @property
    def is_contract_only(self) -> bool:
        """Whether the policies of the project's own configuration are left out."""
        return self.profile == "contract" or (self.profile is None and self.is_foreign)

    @property
    def is_foreign(self) -> bool:
        """Whether Kamailio's configuration is the user's."""
        return self.kamailio_config is not None or self.target is not None

    def _check(self) -> None:
        self._check_packages()
        if self.kamailio_config is not None:
            from rating_harness.kamailio_config.preprocessor import main_file

            main_file(self.kamailio_config)
        self._check_generators()
        if self.ends != "own" and (self.lab not in ("auto", "local") or self.target is not None):
            raise UsageError(
                f"--ends {self.ends} needs a local lab",
                expected=f"--lab local: {self.ends} is run by the loader of a root filesystem on this machine, in "
                "the lab's network",
                found="--target" if self.target is not None else f"--lab {self.lab}",
                hint="without --ends the ends are the harness's own, in any lab",
            )
        if self.fast_timers and self.kamailio_config is None:
            raise UsageError(
                "--fast-timers changes a configuration of your own",
                expected="--kamailio-config DIR too: the project's own has short timers in a lab already",
                found="--fast-timers alone" if self.target is None else "--target, whose timers are its own",
            )
        if self.agent_url is None and self.engine is not None and self.engine != "none":
            raise UsageError(
                "an engine file describes an engine of one's own",
                expected="--agent-url, where its agent is",
                found=f"--engine ({self.engine.name}) alone",
            )
        if self.agent_url is None and self.api_url is not None and self.target is None:
            raise UsageError(
                "an engine's API belongs to its agent", expected="--agent-url too", found="--api-url alone"
            )
        if self.engine == "none" and (self.agent_url or self.api_url):
            raise UsageError("there's no rating with --engine none", found="--agent-url or --api-url")

    def _check_generators(self) -> None:
        if not 0 <= self.generators <= MOST_GENERATORS:
            raise UsageError(f"--generators {self.generators}", expected=f"a number from 1 to {MOST_GENERATORS}")
        if not self.generators:
            return
        unfit = {
            f"--lab {self.lab}": self.lab not in ("auto", "docker"),
            "--target": self.target is not None,
            f"--ends {self.ends}": self.ends != "own",
            "--persistent-lab yes": self.persistent_lab == "yes",
        }
        found = next((name for name, is_unfit in unfit.items() if is_unfit), None)
        if found is not None:
            raise UsageError(
                "--generators needs a lab of its own in Docker, whose network is one of the engine's swarm",
                expected="--lab docker",
                found=found,
                hint="docs/load.md says how machines are joined into a swarm",
            )

    def _check_packages(self) -> None:
        if self.services is not None and self.target is not None:
            raise UsageError("a Kamailio that runs already has its own services", found="--services, --target")
        if self.services is not None:
            from rating_harness.run.further_services import FurtherServices

            FurtherServices(self.services)
        wrong = next((name for name in self.packages if not _PACKAGE.fullmatch(name)), None)
        if wrong is not None:
            raise UsageError(
                f"--package {wrong!r} is no name of a package", expected="a name such as kamailio-mysql-modules"
            )
        if not self.packages:
            return
        if self.target is not None:
            raise UsageError("nothing is installed for a Kamailio that runs already", found="--package, --target")
        if self.kamailio not in (None, "trixie", "sid"):
            raise UsageError(
                "packages are installed where the harness itself makes what Kamailio runs in",
                expected="--kamailio trixie or sid, or none",
                found=f"--kamailio {self.kamailio}",
                hint="install them in that root filesystem or image",
            )
