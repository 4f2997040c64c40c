"""The lab's services as compose files describe them, read strictly.

One file serves a person (``docker compose up``) and the drivers. What compose has no word for stands below ``x-lab``
(a key that compose itself skips); what only a driver can know is a variable with a default for the person::

    command: [kamailio, -l, "udp:${LAB_ADDRESS:-eth0}:5060"]
    x-lab: {role: kamailio}

The drivers read the file with `PLACEHOLDERS`, so that ``${LAB_ADDRESS}`` becomes the ``{address}`` of
`rating_harness.lab.protocol.Service`.
A bind mount is read into the service's files, so that an engine on another machine
needs nothing of this one's disk.

The subset of the Compose Specification (https://compose-spec.io) is the one in `SERVICE_KEYS` and its like. A key
outside of it is a mistake, never skipped.
"""

from __future__ import annotations

import difflib
import re
import shlex
import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TypeVar, get_args

import yaml

from rating_harness.errors import Location, UsageError
from rating_harness.lab.protocol import Role, Service

__all__ = ["PLACEHOLDERS", "Build", "Composition", "Described", "load"]

PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {"LAB_ADDRESS": "{address}", "LAB_ADDRESS6": "{address6}", "LAB_RUN": "{run}"}
)
"""Variables of a compose file -> what a driver fills in."""

FILE_KEYS = ("name", "services")
SERVICE_KEYS = (
    "build",
    "command",
    "depends_on",
    "environment",
    "expose",
    "image",
    "init",
    "networks",
    "ports",
    "stop_signal",
    "volumes",
    "x-lab",
)
BUILD_KEYS = ("args", "context", "dockerfile")
NETWORK_KEYS = ("aliases",)
LAB_KEYS = ("ready", "role", "sockets")

VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)"
    r"|(?P<bare>[A-Za-z_]\w*)"
    r"|\{(?P<name>[A-Za-z_]\w*)(?:(?P<operator>:?-)(?P<default>[^}]*))?\}"
    r"|(?P<wrong>\{[^}]*\}?|))"
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Build:
    """How a person's ``docker compose build`` makes the image; paths are absolute."""

    context: Path
    dockerfile: Path
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Described:
    """One service of a compose file.

    :param service: what the drivers run.
    :param image: the image that the file names; the drivers go by ``service.role`` unless told to use it.
    :param build: how to build that image.
    :param published: ``[ADDRESS:]PORT:PORT[/PROTOCOL]`` as written: where a person finds it. A lab publishes nothing
        unless its engine is on another machine.
    :param depends_on: services that start earlier.
    """

    service: Service
    image: str | None = None
    build: Build | None = None
    published: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Composition:
    """A compose file. ``services`` are in an order in which they can be started."""

    path: Path
    name: str | None
    services: tuple[Described, ...]

    def __getitem__(self, name: str) -> Described:
        """:raises KeyError: there is no such service."""
        for described in self.services:
            if described.service.name == name:
                return described
        raise KeyError(name)


def load(path: Path, environment: Mapping[str, str] = PLACEHOLDERS) -> Composition:
    """Read a compose file, and the files that it mounts.

    :param environment: variables for ``${NAME}`` and ``${NAME:-default}``.
    :raises UsageError: the file can't be read, is no YAML, or holds what the subset doesn't have; ``where`` has the
        line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise UsageError("the compose file can't be read", where=str(path), found=error.strerror) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Location(str(path), mark.line + 1, mark.column + 1) if mark else str(path)
        raise UsageError("the compose file is no YAML", where=where, found=error.problem) from error
    if root is None:
        raise UsageError("the compose file is empty", where=str(path), expected="services")
    return _Reader(path, environment).composition(root)


def interpolate(text: str, environment: Mapping[str, str]) -> str:
    """Replace ``$NAME``, ``${NAME}``, ``${NAME-if unset}``, ``${NAME:-if unset or empty}``, and ``$$``, a dollar.

    :raises ValueError: another form, or a variable without a value or a default; the message says which.
    """

    def replacement(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["bare"] or match["name"]
        if name is None:
            raise ValueError(
                f"${match['wrong']} is no variable; write ${{NAME}}, ${{NAME:-default}}, or $$ for a dollar"
            )
        value = environment.get(name)
        if value is None or (value == "" and match["operator"] == ":-"):
            value = match["default"]
        if value is None:
            raise ValueError(f"the variable {name} isn't set and has no default")
        return value

    return VARIABLE.sub(replacement, text)


class _Reader:
    """Walks the nodes of one file; each of them knows its line and column."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = environment

    def composition(self, root: yaml.Node) -> Composition:
        keys = self._mapping(root, FILE_KEYS, required=("services",))
        services = keys["services"]
        described = {name: self._service(name, node) for name, node in self._mapping(services).items()}
        for name, one in described.items():
            for missing in set(one.depends_on) - set(described):
                raise self._mistake(
                    services, f"{name} depends on {missing}, which isn't a service", _known(described)
                )
        try:
            order = TopologicalSorter({name: one.depends_on for name, one in described.items()}).static_order()
            in_order = tuple(described[name] for name in order)
        except CycleError as error:
            raise self._mistake(services, f"services wait for each other: {' -> '.join(error.args[1])}") from error
        return Composition(self._path, self._optional(keys, "name", self._string), in_order)

    def _service(self, name: str, node: yaml.Node) -> Described:
        keys = self._mapping(node, SERVICE_KEYS, required=("command", "x-lab"))
        lab = self._mapping(keys["x-lab"], LAB_KEYS, required=("role",))
        service = Service(
            name=name,
            role=self._role(lab["role"]),
            command=self._command(keys["command"]),
            aliases=self._optional(keys, "networks", self._aliases) or (),
            files=self._optional(keys, "volumes", self._files) or {},
            environment=self._optional(keys, "environment", self._variables) or {},
            ports=tuple(self._each(keys.get("expose"), self._port)),
            sockets=self._optional(lab, "sockets", self._sockets) or {},
            ready=self._optional(lab, "ready", self._string),
            stop_signal=self._optional(keys, "stop_signal", self._signal) or signal.SIGTERM,
        )
        if "init" in keys:
            self._choice(keys["init"], ("true", "false"))
        return Described(
            service,
            image=self._optional(keys, "image", self._string),
            build=self._optional(keys, "build", self._build),
            published=tuple(self._each(keys.get("ports"), self._published)),
            depends_on=tuple(self._each(keys.get("depends_on"), self._string)),
        )

    def _role(self, node: yaml.Node) -> Role:
        value = self._choice(node, get_args(Role))
        return next(role for role in get_args(Role) if role == value)

    def _command(self, node: yaml.Node) -> tuple[str, ...]:
        if isinstance(node, yaml.ScalarNode):
            return tuple(shlex.split(self._string(node)))
        return tuple(self._each(node, self._string))

    def _aliases(self, node: yaml.Node) -> tuple[str, ...]:
        network = self._mapping(node, ("default",), required=("default",))["default"]
        return tuple(self._each(self._mapping(network, NETWORK_KEYS).get("aliases"), self._string))

    def _variables(self, node: yaml.Node) -> dict[str, str]:
        if isinstance(node, yaml.MappingNode):
            return {key: self._string(value) for key, value in self._mapping(node).items()}
        pairs = (self._string(item).partition("=") for item in self._sequence(node))
        return {key: value for key, _, value in pairs}

    def _build(self, node: yaml.Node) -> Build:
        if isinstance(node, yaml.ScalarNode):
            context = self._relative(self._string(node))
            return Build(context, context / "Dockerfile")
        keys = self._mapping(node, BUILD_KEYS, required=("context",))
        context = self._relative(self._string(keys["context"]))
        dockerfile = self._optional(keys, "dockerfile", self._string) or "Dockerfile"
        return Build(context, context / dockerfile, self._optional(keys, "args", self._variables) or {})

    def _files(self, node: yaml.Node) -> dict[str, bytes]:
        return {name: content for item in self._sequence(node) for name, content in self._mounted(item)}

    def _mounted(self, node: yaml.Node) -> Iterator[tuple[str, bytes]]:
        source, _, rest = self._string(node).partition(":")
        target, _, mode = rest.partition(":")
        if not target.startswith("/") or not source.startswith(("/", ".")) or mode not in ("", "ro"):
            raise self._mistake(node, "not a mount of this subset", "./SOURCE:/TARGET or ./SOURCE:/TARGET:ro")
        path = self._relative(source)
        if path.is_file():
            yield target, path.read_bytes()
        elif path.is_dir():
            for file in sorted(file for file in path.rglob("*") if file.is_file()):
                yield str(PurePosixPath(target) / file.relative_to(path).as_posix()), file.read_bytes()
        else:
            raise self._mistake(node, f"{source} doesn't exist", f"a file or directory at {path}")

    def _relative(self, name: str) -> Path:
        return (self._path.parent / name).resolve()

    def _port(self, node: yaml.Node) -> int:
        text = self._string(node).removesuffix("/tcp")
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise self._mistake(node, f"{text!r} is no TCP port", "1 to 65535")
        return int(text)

    def _published(self, node: yaml.Node) -> str:
        text = self._string(node)
        if not re.fullmatch(r"([\d.]+:)?\d+:\d+(/(tcp|udp))?", text):
            raise self._mistake(node, f"{text!r} is no published port", "[ADDRESS:]PORT:PORT[/tcp|/udp]")
        return text

    def _sockets(self, node: yaml.Node) -> dict[int, str]:
        if not isinstance(node, yaml.MappingNode):
            raise self._mistake(node, "not a mapping", "PORT: FILE NAME")
        return {self._port(key): self._string(value) for key, value in node.value}

    def _signal(self, node: yaml.Node) -> signal.Signals:
        return signal.Signals[self._choice(node, [one.name for one in signal.Signals])]

    def _choice(self, node: yaml.Node, choices: Collection[str]) -> str:
        value = self._string(node)
        if value not in choices:
            raise self._mistake(node, f"unknown value {value!r}", hint=_suggestion(value, choices))
        return value

    def _string(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._mistake(node, "not a single value", "a string")
        try:
            return interpolate(node.value, self._environment)
        except ValueError as error:
            raise self._mistake(node, str(error)) from error

    def _optional(self, keys: Mapping[str, yaml.Node], key: str, read: Callable[[yaml.Node], T]) -> T | None:
        return read(keys[key]) if key in keys else None

    def _each(self, node: yaml.Node | None, read: Callable[[yaml.Node], T]) -> Iterator[T]:
        return map(read, self._sequence(node) if node else ())

    def _sequence(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._mistake(node, "not a list", "- ITEM on a line of its own, or [ITEM, ITEM]")
        return list(node.value)

    def _mapping(
        self, node: yaml.Node, known: Collection[str] = (), required: Collection[str] = ()
    ) -> dict[str, yaml.Node]:
        """Keys and values; any key is right when none are ``known``."""
        if not isinstance(node, yaml.MappingNode):
            raise self._mistake(node, "not a mapping", _known(known) if known else "KEY: VALUE")
        keys: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            if known and key not in known:
                raise self._mistake(key_node, f"unknown key {key!r}", hint=_suggestion(key, known))
            if key in keys:
                raise self._mistake(key_node, f"the key {key!r} stands twice")
            keys[key] = value
        for missing in sorted(set(required) - set(keys)):
            raise self._mistake(node, f"the key {missing!r} is missing")
        return keys

    def _mistake(
        self, node: yaml.Node, message: str, expected: str | None = None, hint: str | None = None
    ) -> UsageError:
        where = Location(str(self._path), node.start_mark.line + 1, node.start_mark.column + 1)
        return UsageError(message, where=where, expected=expected, hint=hint)


def _known(choices: Collection[str]) -> str:
    return "one of " + ", ".join(sorted(choices))


def _suggestion(word: str, choices: Collection[str]) -> str:
    close = difflib.get_close_matches(word, choices, n=1)
    question = f"did you mean {close[0]!r}? " if close else ""
    return f"{question}It takes: {', '.join(sorted(choices))}."
