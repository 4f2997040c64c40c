"""Kamailio's configuration that is inside of an image: a copy of it on this machine."""

from __future__ import annotations

import io
import posixpath
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path, PurePosixPath

import platformdirs
from docker.errors import NotFound

from rating_harness.errors import ImageError
from rating_harness.lab.docker.engine import Engine, connect, engine_errors
from rating_harness.lab.docker.images import Images
from rating_harness.lab.docker.labels import LAB, LEASE, DockerLease
from rating_harness.lab.docker.process import remove_container

__all__ = ["CopiedConfiguration", "copied_configurations", "copy_configuration"]

MAIN = "kamailio.cfg"
LARGEST = 64 * 1024 * 1024
"""Octets of all files together: a configuration has some hundred thousand."""
LINKS = 4
"""The most symbolic links that lead from one to the next."""


@dataclass(frozen=True, slots=True)
class CopiedConfiguration:
    """What was copied out of an image.

    :param path: on this machine: its directory, or the file in it that Kamailio is started with.
    :param inside: the same directory inside of the image.
    """

    image: str
    path: Path
    inside: str


@cache
def copy_configuration(image: str, wanted: str) -> CopiedConfiguration:
    """Copy a configuration out of an image, once for each image: its id tells one content from another.

    :param image: of the engine's, or one that it can pull.
    :param wanted: an absolute path inside: a directory with a kamailio.cfg, or a file whose directory is taken along.
    :raises MissingTool: no engine answers.
    :raises ImageError: there is no such image, or no configuration at that path.
    """
    with closing(connect()) as engine:
        image_id = Images(engine).id_of(image)
        name = f"{image_id.removeprefix('sha256:')[:12]}-{sha256(wanted.encode()).hexdigest()[:8]}"
        target = _cache() / name
        if not target.is_dir():
            inside, files = _found(engine, image, image_id, wanted)
            _write(target, files, inside)
    inside = (target / ".inside").read_text("utf-8")
    path = target / "files"
    return CopiedConfiguration(image, path if wanted == inside else path / posixpath.basename(wanted), inside)


def copied_configurations() -> list[Path]:
    """The copies that there are."""
    return sorted(_cache().glob("*-*"))


def _cache() -> Path:
    return platformdirs.user_cache_path("rating-harness") / "image-configurations"


def _found(engine: Engine, image: str, image_id: str, wanted: str) -> tuple[str, Mapping[str, bytes]]:
    """The directory inside of the image, and its files by their names below it."""
    api = engine.client.api
    with engine_errors(f"copying {wanted} out of the image {image}"):
        # Of a lab of its own, so that one which a killed run leaves is removed by the next.
        labels = {LAB: secrets.token_hex(4), LEASE: DockerLease.own(keep=False).label()}
        container = api.create_container(image_id, ["true"], labels=labels)["Id"]
        try:
            inside, files = wanted, _read(engine, container, wanted)
            if "." in files:
                inside = posixpath.dirname(wanted)
                files = _read(engine, container, inside)
        except NotFound:
            raise ImageError(
                f"the image {image} has no {wanted}",
                expected=f"a directory with a {MAIN}, or a file",
                hint=_where_it_may_be(engine, image_id),
            ) from None
        finally:
            remove_container(engine, container)
    if inside == wanted and MAIN not in files:
        raise ImageError(
            f"there is no {MAIN} in {image}:{wanted}",
            expected=f"a directory with a {MAIN}, or a file",
            found=", ".join(sorted(files)[:8]) or "nothing",
            hint=_where_it_may_be(engine, image_id),
        )
    return inside, files


def _where_it_may_be(engine: Engine, image_id: str) -> str:
    """What to do, by what the image would run."""
    config = engine.client.images.get(image_id).attrs["Config"] or {}
    command: Sequence[str] = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    named = next((word for option, word in pairwise(command) if option == "-f"), None)
    if named is not None:
        return f"the image runs {' '.join(command)}: --kamailio-config {named}"
    return "--kamailio-config names where it is inside of the image"


def _read(engine: Engine, container: str, path: str, links: int = LINKS) -> dict[str, bytes]:
    """The files at and below a path of a container, by their names relative to it; ``.`` is the path itself.

    Those that a symbolic link leads to have the link's name.

    :raises ImageError: they are too large to be a configuration.
    """
    chunks, _ = engine.client.api.get_archive(container, path)
    archive = io.BytesIO()
    for chunk in chunks:
        archive.write(chunk)
        if archive.tell() > LARGEST:
            raise ImageError(
                f"{path} in the image is larger than {LARGEST // 1024 // 1024} MB",
                expected="a directory that holds Kamailio's configuration alone",
            )
    archive.seek(0)
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=archive) as members:
        for member in members:
            name = str(PurePosixPath(*PurePosixPath(member.name).parts[1:]))
            if ".." in PurePosixPath(name).parts:
                continue
            if member.issym() and links:
                here = posixpath.normpath(posixpath.join(path, name))
                target = posixpath.normpath(posixpath.join(posixpath.dirname(here), member.linkname))
                with suppress(NotFound):
                    below = _read(engine, container, target, links - 1)
                    files |= {posixpath.normpath(posixpath.join(name, each)): below[each] for each in below}
            elif (content := members.extractfile(member) if member.isreg() or member.islnk() else None) is not None:
                files[name] = content.read()
    return files


def _write(target: Path, files: Mapping[str, bytes], inside: str) -> None:
    """All of them, or nothing: whoever finds the directory finds it whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        for name, content in files.items():
            file = scratch / "files" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        (scratch / ".inside").write_text(inside, "utf-8")
        with suppress(OSError):  # another process was first
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
