"""The images that a Docker lab runs: one per role, built from the Dockerfiles beside ``compose/lab.yaml``.

Their base is a registry's Debian where a registry answers, else the root filesystem of the local lab, imported. Every
image is named after the hash of all that went into it, so that a second request costs milliseconds.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import click
import platformdirs
from docker.errors import DockerException, ImageNotFound
from docker.utils import parse_repository_tag
from filelock import FileLock
from requests.exceptions import RequestException

import rating_harness
from rating_harness.deadline import Deadline
from rating_harness.errors import ImageError
from rating_harness.lab import rootfs
from rating_harness.lab.docker.archive import pack
from rating_harness.lab.docker.engine import Engine, engine_errors
from rating_harness.lab.files import data_directory
from rating_harness.lab.protocol import Role
from rating_harness.lab.ready import last_lines

__all__ = ["Images"]

REPOSITORY = "rating-harness"
REGISTRY_ANSWERS_WITHIN = 4
BUILD_SECONDS = 900.0
SILENCE = 300
"""The longest that a step of a build, or a pull, may say nothing."""

AUTHORITIES = Path("/usr/local/share/ca-certificates")
"""Certificate authorities that this machine trusts beside Debian's. A build reaches the same mirrors through them."""

PACKAGE_FILES = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")
UNSHIPPED = {"__pycache__", "_data"}


def _say(line: str) -> None:
    click.echo(line, err=True)


@dataclass(frozen=True, slots=True)
class Images:
    """The images of one engine.

    :param release: the Debian that they are made of.
    :param chosen: role or service name -> an image of the user's, taken as it is; a service's goes first.
    :param announce: called with a line before anything that takes long; it goes to standard error by default.
    :param packages: of Debian's, for the image that Kamailio runs in.
    """

    engine: Engine
    release: rootfs.Release = "trixie"
    chosen: Mapping[str, str] = field(default_factory=dict)
    announce: Callable[[str], None] = _say
    packages: tuple[str, ...] = ()

    def ensure(self) -> dict[str, str]:
        """Role -> id of its image, and the same for each service for which the user chose one. Built if need be.

        :raises ImageError: one could not be built, with its last lines; or one that was chosen isn't there.
        """
        roles = [role for role in get_args(Role) if role not in self.chosen]
        with ThreadPoolExecutor(len(roles) + 1) as threads:
            chosen = threads.map(self.id_of, self.chosen.values())
            base = self.base()
            built = threads.map(lambda role: self._for_role(role, base), roles)
            return {**dict(zip(roles, built, strict=True)), **dict(zip(self.chosen, chosen, strict=True))}

    def generator(self) -> str:
        """The id of the image that a load's generators on other machines run, built if need be.

        :raises ImageError: it could not be built.
        """
        return self.chosen.get("generator") or self._for_role("generator", self.base())

    def _for_role(self, role: Role | Literal["generator"], base: str) -> str:
        context = _context(role)
        arguments = {"BASE": base}
        if role == "kamailio" and self.packages:
            arguments["PACKAGES"] = " ".join(sorted(set(self.packages)))
        made_of = {"base": base.encode(), "packages": arguments.get("PACKAGES", "").encode()}
        recipe = f"{self.release}-{_hash({**{name: text for name, text in made_of.items() if text}, **context})}"
        return self._ensure(
            f"{REPOSITORY}/{role}:{recipe}",
            lambda name: self._build(name, context, f"compose/{role}.Dockerfile", arguments),
        )

    def id_of(self, name: str) -> str:
        """The id of an image of the user's, which is pulled where the engine hasn't got it.

        :raises ImageError: there is none of that name.
        """
        image = self._present(name) or self._pull(name)
        if image is None:
            raise ImageError(
                f"there is no image {name}",
                expected="one that the Docker engine has, or can pull",
                hint="build it, or pull it, on the engine's machine",
            )
        return image

    def base(self) -> str:
        """The id of what every image is made from: a registry's Debian, or the imported root filesystem."""
        official = f"debian:{self.release}-slim"
        imported = f"{REPOSITORY}/base:{self.release}-{rootfs.recipe_hash(self.release)}"
        base = self._present(official) or self._present(imported) or self._pull(official)
        base = base or self._ensure(imported, self._import)
        authorities = {f"authorities/{file.name}": file.read_bytes() for file in AUTHORITIES.rglob("*.crt")}
        if not authorities:
            return base
        context = {**authorities, "Dockerfile": f"FROM {base}\nCOPY authorities {AUTHORITIES}\n".encode()}
        return self._ensure(
            f"{REPOSITORY}/trusting-base:{self.release}-{_hash(context)}",
            lambda name: self._build(name, context, "Dockerfile", {}),
        )

    def _present(self, name: str) -> str | None:
        with engine_errors(f"looking for the image {name}"), suppress(ImageNotFound):
            return str(self.engine.client.images.get(name).id)
        return None

    def _pull(self, name: str) -> str | None:
        """Pull it if its registry answers soon; None when there is nothing to be had."""
        repository, tag = parse_repository_tag(name)
        with suppress(DockerException, RequestException):
            with self.engine.patient(REGISTRY_ANSWERS_WITHIN) as client:
                client.api.inspect_distribution(name)  # type: ignore[no-untyped-call]
            self.announce(f"pulling {name}")
            with self.engine.patient(SILENCE) as client:
                return str(client.images.pull(repository, tag or "latest").id)
        return None

    def _ensure(self, name: str, make: Callable[[str], None]) -> str:
        """The id of the image of that name, which one process at a time makes."""
        image = self._present(name)
        if image:
            return image
        lock = platformdirs.user_cache_path("rating-harness", ensure_exists=True) / f"{_hash({name: b''})}.lock"
        with FileLock(lock):
            image = self._present(name)
            if image is None:
                make(name)
                image = self._present(name)
        if image is None:
            raise ImageError(f"the image {name} was built, and isn't there")
        return image

    def _import(self, name: str) -> None:
        tar = rootfs.ensure_tar(self.release, announce=self.announce)
        repository, tag = parse_repository_tag(name)
        with self.engine.patient(SILENCE) as client, engine_errors(f"importing {tar.name}"):
            said = str(client.api.import_image_from_file(str(tar), repository, tag, changes=['CMD ["bash"]']))
            imported = re.findall(r'"status"\s*:\s*"(?:sha256:)?([0-9a-f]{64})', said)
            # Podman 4 imports it without its name.
            if imported and self._present(name) is None:
                client.images.get(imported[-1]).tag(repository, tag)

    def _build(self, name: str, context: Mapping[str, bytes], dockerfile: str, arguments: Mapping[str, str]) -> None:
        self.announce(f"building the image {name}, once: this takes some minutes")
        deadline = Deadline(BUILD_SECONDS)
        log: list[str] = []
        with self.engine.patient(SILENCE) as client, engine_errors(f"building {name}"):
            events = client.api.build(
                fileobj=io.BytesIO(pack(context)),
                custom_context=True,
                dockerfile=dockerfile,
                buildargs=dict(arguments),
                tag=name,
                rm=True,
                forcerm=True,
                decode=True,
                use_config_proxy=True,
            )
            is_refused = False
            # To its end, since a connection that isn't read to its end is left to the garbage collector.
            for event in events:
                log.append(str(event.get("stream") or event.get("error") or ""))
                is_refused = is_refused or "error" in event
                if deadline.expired:
                    break
            if is_refused or deadline.expired:
                raise ImageError(
                    f"the image {name} could not be built",
                    expected=f"{dockerfile} to be built within {BUILD_SECONDS:g} s",
                    detail=last_lines("".join(log)),
                )


def _context(role: Role | Literal["generator"]) -> dict[str, bytes]:
    """What the Dockerfile of that role can see: for ``harness`` this package's source, else nothing."""
    root = data_directory("compose").parent
    dockerfile = f"compose/{role}.Dockerfile"
    context = {dockerfile: (root / dockerfile).read_bytes()}
    if role == "harness":
        context |= {name: (root / name).read_bytes() for name in PACKAGE_FILES}
        # The package takes them along; a service runs none, and need not be built anew with each of them.
        for name in ("docs", "scenarios"):
            context[f"{name}/README"] = b"None here: this image runs services.\n"
        package = Path(rating_harness.__file__).parent
        sources = {
            "harness/rating_harness": package,
            "compose": root / "compose",
            "kamailio": root / "kamailio",
        }
        for destination, source in sources.items():
            for file in source.rglob("*"):
                inside = file.relative_to(source)
                if file.is_file() and not UNSHIPPED & set(inside.parts):
                    context[f"{destination}/{inside.as_posix()}"] = file.read_bytes()
    return context


def _hash(parts: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(parts.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]
