"""Root filesystems of a current Debian with Kamailio and SIPp, made once and cached.

The same file system serves the local lab as a directory, and the Docker lab as a tar to be imported where no registry
can be reached: one recipe, two drivers. One made by root lies where every user can read it.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import click
import platformdirs

from rating_harness.errors import ImageError, MissingTool
from rating_harness.lab.binaries import kamailio_in

__all__ = [
    "PACKAGES",
    "RELEASES",
    "Release",
    "cached",
    "cached_stack",
    "check",
    "ensure",
    "ensure_stack",
    "ensure_tar",
    "made_by_this_user",
    "recipe_hash",
    "stack_version",
]

Release = Literal["trixie", "sid"]

RELEASES: tuple[Release, ...] = get_args(Release)

PACKAGES = (
    "ca-certificates",
    "iptables",
    "kamailio",
    "kamailio-extra-modules",
    "kamailio-json-modules",
    "kamailio-sqlite-modules",
    "kamailio-tls-modules",
    "kamailio-utils-modules",
    "libc6-dev",
    "sip-tester",
    "tcc",
)
"""What is installed; tcc and libc6-dev compile what is preloaded (``moved_clock.c`` and ``names.c``)."""

_SLIMMING = 'rm -rf "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/info "$1"/usr/share/locale'
_UNSTABLE = 'Acquire::Check-Valid-Until "false"'
"""Release files of testing and unstable expire within days; a mirror that is a frozen copy still serves them."""

_SYSTEM = Path("/var/cache/rating-harness")
_SECONDS = 900
_SECONDS_TO_END = 10
_ROOM = "a root filesystem takes about 400 MB of the cache"
_HINT = "apt-get install mmdebstrap"


def _command(release: Release, packages: Sequence[str]) -> list[str]:
    included = (*PACKAGES, *sorted(set(packages)))
    command = ["mmdebstrap", "--variant=minbase", "--format=tar", f"--include={','.join(included)}"]
    command.append(f"--customize-hook={_SLIMMING}")
    if release == "sid":
        command.append(f"--aptopt={_UNSTABLE}")
    return [*command, release]


def recipe_hash(release: Release, packages: Sequence[str] = ()) -> str:
    """Names what is in the file system: another recipe has another hash."""
    return hashlib.sha256(json.dumps(_command(release, packages)).encode()).hexdigest()[:12]


def _user_cache() -> Path:
    return _SYSTEM if os.geteuid() == 0 else platformdirs.user_cache_path("rating-harness")


def _candidates(name: str) -> Iterator[Path]:
    yield from dict.fromkeys((_user_cache() / name, _SYSTEM / name))


def cached(release: Release, packages: Sequence[str] = ()) -> Path | None:
    """The directory, if it has been made already, by this user or by root."""
    name = f"{release}-{recipe_hash(release, packages)}"
    return next((path for path in _candidates(name) if path.is_dir()), None)


def made_by_this_user() -> list[Path]:
    """All that the cache holds and this user may remove, of older recipes too."""
    return sorted(path for name in (*RELEASES, *STACKS) for path in _user_cache().glob(f"{name}-*"))


def ensure(
    release: Release = "trixie",
    *,
    packages: Sequence[str] = (),
    announce: Callable[[str], None] | None = None,
) -> Path:
    """The root filesystem's directory, made if need be: about 30 s, once.

    :param packages: of Debian's, besides `PACKAGES`: modules that a configuration loads, say.
    :param announce: called with a line before anything that takes long; it goes to standard error by default.
    :raises MissingTool: it has to be made, and mmdebstrap isn't there.
    :raises ImageError: it could not be made.
    """
    ready = cached(release, packages)
    if ready:
        return ready
    target = _user_cache() / f"{release}-{recipe_hash(release, packages)}"
    with _alone(target):
        if not target.is_dir():
            tar = ensure_tar(release, packages=packages, announce=announce)
            with _scratch(target) as scratch:
                root = _extracted(tar, scratch, release)
                lacking = kamailio_in(root)
                if lacking:
                    raise ImageError(f"the {release} root filesystem is of no use", found=lacking)
                root.rename(target)
    return target


def ensure_tar(
    release: Release = "trixie",
    *,
    packages: Sequence[str] = (),
    announce: Callable[[str], None] | None = None,
) -> Path:
    """The same as an uncompressed tar, made if need be; ``docker import`` takes it as it is.

    :raises MissingTool: it has to be made, and mmdebstrap isn't there.
    :raises ImageError: it could not be made.
    """
    name = f"{release}-{recipe_hash(release, packages)}.tar"
    ready = next((path for path in _candidates(name) if path.is_file()), None)
    if ready:
        return ready
    target = _user_cache() / name
    with _alone(target):
        if not target.is_file():
            if shutil.which("mmdebstrap") is None:
                raise MissingTool(
                    f"a Debian {release} root filesystem has to be made, and mmdebstrap isn't there", hint=_HINT
                )
            say = announce or (lambda line: click.echo(line, err=True))
            besides = f", and {', '.join(sorted(set(packages)))}" if packages else ""
            say(f"making a Debian {release} root filesystem with Kamailio and SIPp{besides}, once; about 30 s")
            with _scratch(target) as scratch:
                made = scratch / "root.tar"
                _run([*_command(release, packages), str(made)], release)
                made.rename(target)
    return target


STACKS: Mapping[str, tuple[Release, str]] = {"baresip": ("trixie", "baresip-core"), "asterisk": ("sid", "asterisk")}
"""SIP stacks that can be at the ends of calls: Debian's release, and the package."""


def ensure_stack(name: str, *, announce: Callable[[str], None] | None = None) -> Path:
    """A root filesystem's directory with one of `STACKS` and the libraries that it needs, made if need be, once.

    It has nothing else, so that what Kamailio and SIPp come from stays as it is. Its programs are run by its own
    loader; nobody enters it.

    :param announce: as in `ensure`.
    :raises MissingTool: it has to be made, and mmdebstrap isn't there.
    :raises ImageError: it could not be made.
    """
    ready = cached_stack(name)
    if ready:
        return ready
    release, _ = STACKS[name]
    recipe, directory = _recipe_of(name)
    target = _user_cache() / directory
    with _alone(target):
        if not target.is_dir():
            if shutil.which("mmdebstrap") is None:
                raise MissingTool(f"{name} has to be fetched from Debian, and mmdebstrap isn't there", hint=_HINT)
            say = announce or (lambda line: click.echo(line, err=True))
            say(f"making a root filesystem with {name}, once; a minute at most")
            with _scratch(target) as scratch:
                tar = scratch / "root.tar"
                _run([*recipe, str(tar)], release)
                _extracted(tar, scratch, release).rename(target)
    return target


def cached_stack(name: str) -> Path | None:
    """The directory of `ensure_stack`, if it has been made already."""
    _, directory = _recipe_of(name)
    return next((path for path in _candidates(directory) if path.is_dir()), None)


def _recipe_of(name: str) -> tuple[list[str], str]:
    """The command that makes one of `STACKS`, and the name of what it makes."""
    release, package = STACKS[name]
    recipe = ["mmdebstrap", "--variant=extract", "--format=tar", f"--include={package}"]
    recipe += [f"--aptopt={_UNSTABLE}"] if release == "sid" else []
    recipe.append(release)
    return recipe, f"{name}-{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]}"


def stack_version(name: str, root: Path) -> str:
    """As Debian has it, without its own revision; empty where there is none.

    :param root: see `ensure_stack`.
    """
    notices = root / f"usr/share/doc/{STACKS[name][1]}/changelog.Debian.gz"
    if not notices.is_file():
        return ""
    match = re.match(r"\S+ \((?:\d+:)?([^-+~)]+)", gzip.decompress(notices.read_bytes()).decode("utf-8", "replace"))
    return match[1] if match else ""


def check(root: Path) -> Path:
    """A directory that the user names instead.

    :raises MissingTool: it isn't one that Kamailio can be run from.
    """
    lacking = kamailio_in(root) if root.is_dir() else "there is no such directory"
    if lacking:
        raise MissingTool(
            f"{root} can't be used for Kamailio",
            expected="trixie, sid, or the directory of a root filesystem with Kamailio 6.0 or later",
            found=lacking,
            hint=None if root.exists() else "an image is run by a Docker engine: --lab docker",
        )
    return root.resolve()


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One process at a time makes it; the others wait and find it made."""
    import filelock

    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"), timeout=2 * _SECONDS)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise _unusable(target.parent, error) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A directory on the cache's file system, so that what is complete can be renamed in place.

    Its name is always the same, so that what a killed run left is removed by the next.
    """
    scratch = target.with_name(f".making-{target.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir()
    except OSError as error:
        raise _unusable(target.parent, error) from None
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _extracted(tar: Path, scratch: Path, release: str) -> Path:
    """The directory of what is in the tar, without devices."""
    root = scratch / "root"
    root.mkdir()
    _run(["tar", "--extract", "--file", str(tar), "--exclude=./dev/*", "--directory", str(root)], release)
    # Whoever reads the cache gets no set-uid programs that nobody updates.
    _run(["chmod", "--recursive", "a+rX,u+w,ug-s", str(root)], release)
    return root


def _run(command: list[str], release: str) -> None:
    # In a session of its own: an mmdebstrap that fails ends its whole process group by SIGHUP.
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ImageError(f"{command[0]} ({release}) did not end within {_SECONDS} s") from error
        finally:
            _end(process)
    if process.returncode:
        raise ImageError(
            f"{command[0]} ({release}) failed with status {process.returncode}",
            detail="\n".join(output.splitlines()[-20:]),
            hint=_remedy(output, release),
        )


def _end(process: subprocess.Popen[str]) -> None:
    """End it, and all that it started, if it runs yet; mmdebstrap takes its temporary directory away first."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def _unusable(cache: Path, error: OSError) -> ImageError:
    return ImageError(
        "the cache of root filesystems can't be written to",
        where=str(cache),
        found=error.strerror or str(error),
        hint=f"{_ROOM}; {_elsewhere()}",
    )


def _elsewhere() -> str:
    if os.geteuid() == 0:
        return f"a larger or writable file system can be mounted at {_SYSTEM}"
    return "XDG_CACHE_HOME names another place"


def _remedy(output: str, release: str) -> str:
    unknown = re.search(r"Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate", output)
    if unknown:
        return f"Debian {release} has no package {unknown[1] or unknown[2]}: --package names those that it has"
    if os.strerror(errno.ENOSPC) in output:
        return f"{_ROOM}, and about as much in {tempfile.gettempdir()} (TMPDIR) until then; {_elsewhere()}"
    return "`rating-harness doctor` tells what is missing"
