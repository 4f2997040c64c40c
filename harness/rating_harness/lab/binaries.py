"""Where Kamailio and SIPp come from: the machine, where its own are good enough, else a root filesystem."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rating_harness.errors import MissingTool

__all__ = [
    "Found",
    "directories_of",
    "find_kamailio",
    "find_sipp",
    "holds",
    "kamailio_in",
    "library_compiler",
    "parse_kamailio",
    "parse_sipp",
    "wrapper",
]

_KAMAILIO = (6, 0)
_SIPP = (3, 7)
_MODULES = ("http_async_client", "jansson", "dialog", "tmx", "jsonrpcs")


@dataclass(frozen=True, slots=True)
class Found:
    """A program of the machine.

    :param version: as it says itself; empty when there is none.
    :param lacks: why it isn't good enough; None when it is.
    """

    name: str
    path: str | None = None
    version: str = ""
    lacks: str | None = None

    @property
    def good(self) -> bool:
        return self.path is not None and self.lacks is None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def parse_kamailio(output: str) -> str | None:
    """The version in the output of ``kamailio -v``."""
    match = re.search(r"version: kamailio (\d+(?:\.\d+)+)", output)
    return match[1] if match else None


def parse_sipp(output: str) -> tuple[str, bool] | None:
    """The version in the output of ``sipp -v``, and whether it was built with TLS."""
    match = re.search(r"SIPp v(\d+(?:\.\d+)+)([-\w]*)", output)
    return (match[1], "-TLS" in match[2]) if match else None


def _output(*command: str) -> str:
    # sipp -v exits with status 99.
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def _which(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


def _modules(directories: list[Path]) -> set[str]:
    return {module.stem for directory in directories for module in directory.glob("*.so")}


def _lacking(root: Path) -> str | None:
    directories = [*root.glob("usr/lib/*/kamailio/modules"), *root.glob("usr/lib*/kamailio/modules")]
    directories += root.glob("usr/local/lib*/kamailio/modules")
    missing = [name for name in _MODULES if name not in _modules(directories)]
    return f"it lacks the module{'s' * (len(missing) > 1)} {', '.join(missing)}" if missing else None


@cache
def find_kamailio() -> Found:
    path = _which("kamailio")
    if path is None:
        return Found("kamailio", lacks="it isn't installed")
    version = parse_kamailio(_output(path, "-v"))
    if version is None:
        return Found("kamailio", path, lacks="it doesn't say its version")
    too_old = _version(version) < _KAMAILIO
    return Found("kamailio", path, version, "6.0 or later is needed" if too_old else _lacking(Path("/")))


@cache
def find_sipp() -> Found:
    path = _which("sipp")
    if path is None:
        return Found("sipp", lacks="it isn't installed")
    parsed = parse_sipp(_output(path, "-v"))
    if parsed is None:
        return Found("sipp", path, lacks="it doesn't say its version")
    version, tls = parsed
    lacks = "3.7 or later is needed" if _version(version) < _SIPP else None if tls else "it was built without TLS"
    return Found("sipp", path, version, lacks)


def holds(root: Path, name: str) -> bool:
    """Whether the root filesystem has that program."""
    return any(path.exists() for path in _programs(root, name))


def _programs(root: Path, name: str) -> list[Path]:
    return [root / directory / name for directory in ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")]


def kamailio_in(root: Path) -> str | None:
    """What a root filesystem lacks to run Kamailio; None when it is complete."""
    if not holds(root, "kamailio"):
        return "it holds no Kamailio"
    return _lacking(root)


def wrapper(root: Path | None, name: str, hosts: Path, names: Path | None) -> str:
    """A shell script that runs a program where nothing can be mounted: a root filesystem's by the root's own dynamic
    loader with the root's libraries.

    :param root: None: the machine's own program.
    :param name: ``kamailio``, ``sipp``; or ``ldd``, which lists the libraries of the root's program of a name.
    :param hosts: the lab's hosts file.
    :param names: the library with which a program finds what that file names (``names.c``); None: there is none.
    :raises MissingTool: the root filesystem hasn't all that this takes.
    """
    exported = f"export RATING_HOSTS={shlex.quote(str(hosts))}\n"
    if root is None:
        # Beside what is preloaded already: the lab's clock.
        preloaded = f'LD_PRELOAD={shlex.quote(str(names))}"${{LD_PRELOAD:+:$LD_PRELOAD}}" ' if names else ""
        return f'#!/bin/sh\n{exported}{preloaded}exec {shlex.quote(_which(name) or name)} "$@"\n'
    program = next((path for path in _programs(root, name) if path.exists()), Path(name) if name == "ldd" else None)
    libraries, loader = _loader(root)
    if program is None or libraries is None or loader is None:
        raise MissingTool(
            f"{name} can't be run: namespaces are refused here, so that {root} can't be entered",
            expected=f"a {name} of the machine's own that is good enough, or a Debian root filesystem",
            hint="use the docker driver, or allow user namespaces; `rating-harness doctor` tells how",
        )
    command = [str(loader), "--library-path", str(libraries)]
    if name == "ldd":
        candidates = shlex.join(str(path.parent) for path in _programs(root, name))
        return (
            f'#!/bin/sh\nname=$(basename "$1")\nfor directory in {candidates}; do\n'
            f'\ttest -e "$directory/$name" && exec {shlex.join([*command, "--list"])} "$directory/$name"\n'
            "done\nexit 1\n"
        )
    preload = ["--preload", str(names)] if names else []
    modules = ["-L", str(libraries / "kamailio/modules")] if name == "kamailio" else []
    return f'#!/bin/sh\n{exported}exec {shlex.join([*command, *preload, str(program), *modules])} "$@"\n'


def library_compiler(root: Path | None) -> list[str] | None:
    """A C compiler's command for a library that the programs of a root filesystem can load, whatever their C library:
    nothing is linked into it. The root's own tcc, else one of the machine's; None where neither has any.
    """
    alone = ["-shared", "-fPIC", "-nostdlib"]
    libraries, loader = _loader(root) if root else (None, None)
    if root and libraries and loader and (tcc := root / "usr/bin/tcc").exists():
        included = [libraries / "tcc/include", root / "usr/include", root / "usr/include" / libraries.name]
        command = [loader, "--library-path", libraries, tcc, f"-B{libraries}/tcc", "-nostdinc"]
        return [*map(str, command), *(f"-I{directory}" for directory in included), *alone]
    own = _which("tcc") or _which("cc") or _which("gcc")
    return [own, *alone] if own else None


def _loader(root: Path) -> tuple[Path | None, Path | None]:
    """Where a root filesystem's libraries are, and the dynamic loader among them."""
    libraries = next((path.parent for path in root.glob("usr/lib/*/libc.so.6")), None)
    return libraries, next(libraries.glob("ld-linux*.so*"), None) if libraries else None


def directories_of(root: Path) -> dict[str, str]:
    """Where Kamailio's modules and shared files are, for a configuration that names them by their paths in the root:
    path in the root filesystem -> path on the machine.
    """
    patterns = ("usr/lib/*/kamailio", "usr/lib*/kamailio", "usr/local/lib*/kamailio", "usr/share/kamailio")
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_dir()}
    return {f"/{path.relative_to(root)}": str(path) for path in sorted(found)}
