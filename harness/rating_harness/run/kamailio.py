"""How Kamailio is started: which configuration, defines, transports and database."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rating_harness.errors import ConfigurationError, Location, UsageError
from rating_harness.kamailio.dialog_database import empty_dialog_database
from rating_harness.kamailio.siptrace import tracing
from rating_harness.kamailio.trace import TRACING
from rating_harness.kamailio.versions import satisfies
from rating_harness.kamailio_config.preprocessor import main_file, tokenize, version_defines
from rating_harness.lab.files import data_directory
from rating_harness.lab.protocol import Driver, Service
from rating_harness.plan.callers import DEFAULT_DOMAIN
from rating_harness.plan.model import Plan
from rating_harness.plan.render import authorities, certificates
from rating_harness.run.options import Options

if TYPE_CHECKING:
    from rating_harness.kamailio_config.preparation import Prepared
    from rating_harness.lab.docker.configuration import CopiedConfiguration

__all__ = [
    "LAB_DEFINES",
    "Rewrite",
    "Variant",
    "first_mistake",
    "kamailio_service",
    "own_siptrace",
    "prepare_configuration",
    "shown",
    "user_files",
    "user_paths",
    "with_user_paths",
]

LAB_DEFINES: Mapping[str, str] = {
    "FR_TIMER": "2000",
    "FR_INV_TIMER": "8000",
    "RATING_HTTP_TIMEOUT": "1000",
    "SOURCE_RATE": "5000",
}
"""The project's configuration in a lab: its timers are shorter than production's, so that tests are, and a load of
calls may come from one address."""

_OWN_SIPTRACE = "the configuration loads siptrace itself"

_DATABASE = "/etc/kamailio/empty-dialog.sqlite"
"""Where the empty database lies; Kamailio works on a copy, in its run directory."""


_DIRECTORY = "/etc/kamailio"
_MAIN, _AROUND = f"{_DIRECTORY}/kamailio.cfg", f"{_DIRECTORY}/around-kamailio.cfg"
_HOSTS_FILE = """# The DNS cache asks name servers alone: without it, /etc/hosts counts.
use_dns_cache=off
"""
_DOMAIN = f"""# The domain of the calls is one that it serves.
alias="{DEFAULT_DOMAIN}"
"""


_OF_THE_LAB = {"PATH", "HOME", "LANG", "LD_PRELOAD", "LD_LIBRARY_PATH"}

Rewrite = Callable[[Mapping[str, bytes], Mapping[str, str]], Mapping[str, bytes]]
"""Called with the files by their absolute paths inside, and all defines of the command line: the files to be used."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to start Kamailio. Scenarios that want the same one share a process.

    :param configuration: of the user's: a directory with a kamailio.cfg, or a file to take its place; None for the
        project's.
    :param image: where that was copied from, if it was inside of an image.
    :param traced: whether it logs each action of its routes.
    :param covered: whether its configuration has probes.
    :param fast_timers: whether the user's configuration gets tm's timers of a lab.
    :param memory, package_memory: megabytes, shared and of each process; None for what the lab gives it.
    :param changes: texts in place of those of the configuration's files, by their names below its directory.
    """

    defines: Mapping[str, str] = field(default_factory=dict)
    configuration: Path | None = None
    image: CopiedConfiguration | None = None
    tls: bool = False
    ipv6: bool = False
    traced: bool = False
    covered: bool = False
    fast_timers: bool = False
    memory: int | None = None
    package_memory: int | None = None
    changes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, options: Options) -> Variant:
        """The one that a plan wants; what the scenario says goes before the command line."""
        said = plan.scenario.kamailio
        own = plan.scenario.origin.file.parent / said.config if said.config else None
        return cls(
            defines={**options.defines, **plan.defines},
            configuration=own or options.kamailio_config,
            image=None if own else options.image_config,
            tls=plan.tls,
            ipv6=plan.ipv6,
            traced=plan.traced,
            covered=options.coverage,
            fast_timers=options.fast_timers,
            memory=said.memory,
            package_memory=said.package_memory,
        )


def kamailio_service(
    service: Service,
    variant: Variant,
    *,
    agent_url: str,
    number: int,
    driver: Driver = "local",
    prepared: Prepared | None = None,
    rewrite: Rewrite | None = None,
    capture: str | None = None,
) -> Service:
    """The service of the compose file, as it's wanted.

    A configuration of the user's is included in one that makes it run in such a lab: its calls are of a domain of the
    harness's, and a local one has names in a hosts file only.

    :param number: tells one start from the next: each has a database of its own.
    :param prepared: the user's configuration as this lab runs it (`prepare_configuration`).
    :param rewrite: what changes the files before they are used.
    :param capture: the address that each SIP message is sent to as well; None: to none.
    :raises ConfigurationError: there's no such configuration, or it can't be read.
    """
    defines = dict(variant.defines)
    files = dict(service.files)
    if variant.configuration is None:
        defines = {**LAB_DEFINES, "RATING_AGENT_URL": f'"{agent_url}"', **defines}
    else:
        files = _configuration_files(variant)
    files |= _changed(variant)
    if prepared is not None:
        files |= {name: text.encode("utf-8", "surrogateescape") for name, text in prepared.texts.items()}
        defines = {**prepared.defines, **defines}
    command = _with_memory(service.command, variant)
    if prepared is not None:
        command = _with_listeners(command, prepared.listeners)
    around = _around(variant, driver, prepared, capture)
    if around is not None:
        files[_AROUND] = around
        command[command.index(_MAIN)] = _AROUND
    if variant.ipv6:
        command += ["-l", "udp:[{address6}]:5060", "-l", "tcp:[{address6}]:5060"]
    if variant.tls:
        defines.setdefault("WITH_TLS", "")
        command += ["-l", "tls:{address}:5061", *(["-l", "tls:[{address6}]:5061"] if variant.ipv6 else [])]
        files |= {f"/etc/kamailio/tls/{name}": content for name, content in (certificates() | authorities()).items()}
    if "WITH_DIALOG_DB" in defines:
        path = f"{{run}}/dialog-{number}.sqlite"
        defines.setdefault("DIALOG_DB_PATH", f'"{path}"')
        files[_DATABASE] = empty_dialog_database()
        command += _define_options(defines)
        # -n: after a restart the dialogs of before are there.
        command = ["sh", "-c", f"cp -n {_DATABASE} {path} && exec {shlex.join(command)}"]
    else:
        command += _define_options(defines)
    return replace(
        service,
        command=tuple(command),
        files=rewrite(files, defines) if rewrite else files,
        environment={**service.environment, **_environment(prepared)},
    )


def _with_listeners(command: Sequence[str], listeners: Sequence[str]) -> list[str]:
    """The command with these sockets too; one with a name takes the place of the same one without."""
    words = list(command)
    for listener in listeners:
        socket = listener.partition("//")[0]
        if socket in words:
            words[words.index(socket)] = listener
        else:
            words += ["-l", listener]
    return words


def _environment(prepared: Prepared | None) -> dict[str, str]:
    """What the user's configuration asks for of this process's environment, but for what the lab itself sets."""
    wanted = prepared.findings.variables - _OF_THE_LAB if prepared is not None else ()
    return {name: os.environ[name] for name in sorted(wanted) if name in os.environ}


def _with_memory(command: Sequence[str], variant: Variant) -> list[str]:
    """The command with the variant's amounts of memory in place of its own."""
    words = list(command)
    for option, megabytes in (("-m", variant.memory), ("-M", variant.package_memory)):
        if megabytes is None:
            continue
        if option in words:
            words[words.index(option) + 1] = f"{int(megabytes)}"
        else:
            words += [option, f"{int(megabytes)}"]
    return words


def _changed(variant: Variant) -> dict[str, bytes]:
    changes = variant.changes.items()
    return {f"{_DIRECTORY}/{name}": text.encode("utf-8", "surrogateescape") for name, text in changes}


def prepare_configuration(variant: Variant, driver: Driver, version: str) -> Prepared | None:
    """The user's configuration as such a lab runs it.

    :param version: Kamailio's, such as ``6.0.1``: some conditions ask for it.
    :return: of one that can't be parsed, what can be: Kamailio says what's wrong with the rest. None for one of which
        not even the words can be read.
    :raises ConfigurationError: there's no such configuration, or it can't be read.
    :raises UsageError: it can't be tested in this lab.
    """
    files = _configuration_files(variant) | _changed(variant)
    defines = {**version_defines(version), **{name: value or None for name, value in variant.defines.items()}}
    # lark takes a while to import, and most runs parse nothing.
    from rating_harness.kamailio_config.parser import parse_files

    is_whole = True
    try:
        parsed = parse_files(files, _MAIN, defines)
    except ConfigurationError:
        is_whole = False
        try:
            parsed = parse_files(files, _MAIN, defines, tolerant=True)
        except ConfigurationError:
            return None
    from rating_harness.kamailio_config.preparation import Change, prepare

    prepared = prepare(
        parsed,
        needs_http=driver == "docker",
        fast_timers=variant.fast_timers,
        is_whole=is_whole,
        names_sockets=satisfies(version, "at least 6.0"),
    )
    if any(path.startswith(f"{_BUILT}/") for path in files):
        what, why = f"the lab has {_BUILT}, too", "files are named by it; it's the directory of kamailio.cfg"
        prepared = replace(prepared, changes=(*prepared.changes, Change(Location(_MAIN, 1, 1), what, why)))
    if prepared.obstacles:
        obstacle = prepared.obstacles[0]
        where = with_user_paths(f"{obstacle.where.path}:{obstacle.where.line}", user_paths(variant))
        raise UsageError(f"this lab can't test this configuration: {obstacle.what}", where=where, hint=obstacle.why)
    return prepared


def first_mistake(variant: Variant, version: str) -> ConfigurationError | None:
    """What this project's own parser can't use in the user's configuration, with the user's path; None for nothing.

    :param version: as of `prepare_configuration`.
    """
    from rating_harness.kamailio_config.parser import parse_files

    defines = {**version_defines(version), **{name: value or None for name, value in variant.defines.items()}}
    try:
        parse_files(_configuration_files(variant) | _changed(variant), _MAIN, defines)
    except ConfigurationError as error:
        if isinstance(error.where, Location):
            path = user_files(variant).get(error.where.path)
            error.where = replace(error.where, path=str(path)) if path else error.where
        return error
    return None


def _around(variant: Variant, driver: Driver, prepared: Prepared | None, capture: str | None) -> bytes | None:
    """A configuration around the wanted one, with what the lab or the scenario needs besides; None for none."""
    is_foreign = variant.configuration is not None
    before = [_DOMAIN] * is_foreign + [_HOSTS_FILE] * (is_foreign and driver == "local") + [TRACING] * variant.traced
    after = [prepared.additions] if prepared is not None and prepared.additions else []
    after += [tracing(capture)] if capture is not None else []
    if not (before or after):
        return None
    return "".join(["#!KAMAILIO\n", *before, 'include_file "kamailio.cfg"\n', *after]).encode()


def own_siptrace(variant: Variant, service: Service, prepared: Prepared | None = None) -> str | None:
    """Why a configuration's messages can't be captured; None when they can: it uses the module for itself, say.

    :param service: of the compose file, with the project's configuration.
    :param prepared: the user's configuration, which knows its modules; one that can't be parsed is only read.
    """
    if prepared is not None:
        return _OWN_SIPTRACE if "siptrace" in prepared.findings.modules else None
    files = _configuration_files(variant) if variant.configuration else service.files
    if not _mentions(files, b"siptrace", str(variant.defines)):
        return None  # and need not be tokenized, which takes a tenth of a second

    def read(name: str, within: str | None) -> tuple[str, str] | None:
        path = posixpath.normpath(posixpath.join(_DIRECTORY, name))
        return (path, files[path].decode("utf-8", "surrogateescape")) if path in files else None

    defines: dict[str, str | None] = {name: value or None for name, value in variant.defines.items()}
    try:
        tokens = tokenize(_MAIN, read, defines).tokens
    except ConfigurationError as error:
        return f"the configuration can't be read: {error.message}"
    loads = any(token.kind == "LOADMODULE" for token in tokens)
    names = [PurePosixPath(token.text).stem for token in tokens if token.kind == "STRING"]
    return _OWN_SIPTRACE if loads and "siptrace" in names else None


def _mentions(files: Mapping[str, bytes], word: bytes, defines: str) -> bool:
    """Whether the word stands in kamailio.cfg, in a file that it may include in whichever case, or in the defines."""
    waiting, read = [_MAIN], {_MAIN}
    text = defines.encode()
    while word not in text:
        if not waiting:
            return False
        text += files.get(waiting.pop(), b"")
        named = {path for path in files if posixpath.basename(path).encode() in text} - read
        waiting += named
        read |= named
    return True


def _define_options(defines: Mapping[str, str]) -> list[str]:
    return [word for name, value in defines.items() for word in ("-A", f"{name}={value}" if value else name)]


def _configuration_files(variant: Variant) -> dict[str, bytes]:
    """What is to be below /etc/kamailio: all of a directory, or a file with the other .cfg files beside it.

    What was elsewhere inside of an image is there, too: files may be included by their whole paths.
    """
    files = {}
    for inside, path in user_files(variant).items():
        try:
            files[inside] = path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                "this file of the configuration can't be read",
                where=shown(str(path), variant),
                found=error.strerror,
                hint="all that lies beside kamailio.cfg is taken along: let it be read, or give a copy without it",
            ) from None
    return files


def user_files(variant: Variant) -> dict[str, Path]:
    """The file on this machine of each of a configuration's, by its path where Kamailio runs.

    :raises ConfigurationError: there's no such configuration.
    """
    configuration = variant.configuration or data_directory("kamailio")
    main = main_file(configuration)
    directory = main.parent
    is_whole = main.name == "kamailio.cfg" or variant.image is not None
    files = _all_below(directory) if is_whole else directory.glob("*.cfg")
    found = {path.relative_to(directory).as_posix(): path for path in sorted(files) if path.is_file()}
    elsewhere = variant.image.inside if variant.image is not None else _BUILT if _names_built(found) else _DIRECTORY
    places = dict.fromkeys((elsewhere, _DIRECTORY))
    return {f"{place}/{name}": path for place in places for name, path in found.items()} | {_MAIN: main}


_BUILT = "/usr/local/etc/kamailio"
"""Where a Kamailio that one has built oneself has its configuration."""


def _names_built(files: Mapping[str, Path]) -> bool:
    """Whether one of the files that Kamailio may read names another, or itself, where `_BUILT` says."""
    for name, path in files.items():
        if name.endswith((".cfg", ".lua", ".py", ".js")):
            try:
                content = path.read_bytes()
            except OSError:
                continue  # which is told where it's taken
            if any(f"{_BUILT}/{each}".encode() in content for each in files):
                return True
    return False


def _all_below(directory: Path) -> Iterator[Path]:
    """Each file, also of directories that are links; those that lead back to where they are are left alone."""
    for here, names, files in os.walk(directory, followlinks=True):
        place = Path(here).resolve()
        names[:] = [name for name in names if not place.is_relative_to((Path(here) / name).resolve())]
        yield from (Path(here) / name for name in files)


def user_paths(variant: Variant) -> Mapping[str, Path]:
    """Which file of the user's each file below /etc/kamailio is: what Kamailio says of one is true of the other.

    One that is inside of an image is ``IMAGE:/etc/kamailio/kamailio.cfg``.
    """
    return {inside: Path(shown(str(path), variant)) for inside, path in user_files(variant).items()}


def shown(path: str, variant: Variant) -> str:
    """The name by which the user knows a file of the configuration."""
    image = variant.image
    if image is None or variant.configuration is None:
        return path
    copy = variant.configuration.parent if variant.configuration.is_file() else variant.configuration
    inside = PurePosixPath(path)
    return f"{image.image}:{image.inside}/{inside.relative_to(copy)}" if inside.is_relative_to(copy) else path


def with_user_paths(text: str, paths: Mapping[str, Path]) -> str:
    """What Kamailio said, with the user's own paths."""
    elsewhere = any(not path.startswith(f"{_DIRECTORY}/") for path in paths)
    return (_ANYWHERE if elsewhere else _INSIDE).sub(lambda match: str(paths.get(match[0], match[0])), text)


_ANYWHERE = re.compile(r"(?<![\w./:])/[^\s,;:)'\"\]>]+")
_INSIDE = re.compile(rf"(?<![\w.-]){_DIRECTORY}/[^\s,;:)'\"\]>]+")
