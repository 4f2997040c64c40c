"""The lab's services as a compose file describes them, read strictly.

One file serves a person (``docker compose up``) and the drivers. What compose has no word for stands below ``x-lab``
(a key that compose itself skips); what only a driver can know is a variable with a default for the person::

    command: [kamailio, -l, "udp:${LAB_ADDRESS:-eth0}:5060"]
    x-lab: {role: kamailio}

The drivers read the file with `PLACEHOLDERS`, so that ``${LAB_ADDRESS}`` becomes the ``{address}`` of
`rating_harness.lab.protocol.Service`. A bind mount is read into the service's files, so that an engine on another
machine needs nothing of this one's disk.

The subset of the Compose Specification (https://compose-spec.io) is what the models below have. Another key is a
mistake, never skipped.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from rating_harness.errors import Location, UsageError
from rating_harness.lab.protocol import Role, Service

__all__ = ["PLACEHOLDERS", "Composition", "load"]

PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {"LAB_ADDRESS": "{address}", "LAB_ADDRESS6": "{address6}", "LAB_RUN": "{run}"}
)
"""Variables of a compose file -> what a driver fills in."""

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}|\$\$?")
_MOUNT = r"^[./][^:]*:/[^:]*(:ro)?$"
_PUBLISHED = r"^([\d.]+:)?\d+:\d+(/(tcp|udp))?$"

Port = Annotated[int, Field(ge=1, le=65535)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Lab(_Strict):
    role: Role = "kamailio"
    sockets: dict[Port, str] = {}
    ready: str | None = None


class _Build(_Strict):
    """For ``docker compose build`` alone: the drivers build from the same Dockerfiles by the services' roles."""

    context: str
    dockerfile: str
    args: dict[str, str] = {}


class _Service(_Strict):
    command: list[str]
    lab: _Lab = Field(default=_Lab(), alias="x-lab")
    build: _Build | None = None
    depends_on: list[str] = []
    environment: dict[str, str] = {}
    expose: list[Port] = []
    image: str | None = None
    init: bool = False
    ports: list[Annotated[str, Field(pattern=_PUBLISHED)]] = []
    volumes: list[Annotated[str, Field(pattern=_MOUNT)]] = []


class _File(_Strict):
    services: dict[str, _Service]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Composition:
    """A compose file.

    :param services: by their names, in an order in which they can be started.
    :param published: for each of them where a person finds it, as in `Service.published`. A lab publishes nothing
        unless it's opened for a person.
    :param images: of those that aren't built: the image that each runs from in Docker.
    """

    services: Mapping[str, Service]
    published: Mapping[str, tuple[str, ...]]
    images: Mapping[str, str]


def load(path: Path, environment: Mapping[str, str] = PLACEHOLDERS) -> Composition:
    """Read a compose file, and the files that it mounts.

    :param environment: variables for ``${NAME}`` and ``${NAME:-default}``.
    :raises UsageError: the file can't be read, is no YAML, or holds what the subset doesn't have; ``where`` has the
        line and column.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise UsageError("the compose file can't be read", where=str(path), found=error.strerror) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Location(str(path), mark.line + 1, mark.column + 1) if mark else str(path)
        raise UsageError("the compose file is no YAML", where=where, found=error.problem) from error
    if root is None:
        raise UsageError("the compose file is empty", where=str(path), expected="services")
    try:
        described = _File.model_validate(_plain(root, environment, path)).services
    except ValidationError as error:
        raise _mistake(path, root, error.errors(include_url=False)[0]) from None
    services: dict[str, Service] = {}
    for name, one in described.items():
        for index, other in enumerate(one.depends_on):
            if other not in services:
                where = _location(path, _node(root, ("services", name, "depends_on", index)))
                raise UsageError(f"{name} depends on {other}, which isn't a service above it", where=where)
        services[name] = Service(
            name=name,
            role=one.lab.role,
            command=tuple(one.command),
            files=dict(_mounted(name, one.volumes, path, root)),
            environment=one.environment,
            ports=tuple(one.expose),
            sockets=one.lab.sockets,
            ready=one.lab.ready,
        )
    images = {name: one.image for name, one in described.items() if one.image is not None and one.build is None}
    return Composition(services, {name: tuple(one.ports) for name, one in described.items()}, images)


def _plain(node: yaml.Node, environment: Mapping[str, str], path: Path) -> Any:
    """The node's value: every scalar a string, as compose has it, with its variables replaced."""

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match["name"] is None:
            expected = "${NAME} or ${NAME:-default}; $$ is a dollar"
            raise UsageError("a dollar that begins no variable", where=_location(path, node), expected=expected)
        value = environment.get(match["name"]) or match["default"]
        if value is None:
            unset = f"the variable {match['name']} isn't set and has no default"
            raise UsageError(unset, where=_location(path, node))
        return value

    if isinstance(node, yaml.MappingNode):
        plain: dict[str, Any] = {}
        for key, value in node.value:
            if key.value in plain:
                raise UsageError(f"the key {key.value!r} stands twice", where=_location(path, key))
            plain[str(key.value)] = _plain(value, environment, path)
        return plain
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, environment, path) for item in node.value]
    return _VARIABLE.sub(replacement, node.value)


def _mounted(name: str, volumes: Sequence[str], path: Path, root: yaml.Node) -> Iterator[tuple[str, bytes]]:
    for index, volume in enumerate(volumes):
        source, target, *_ = volume.split(":")
        mounted = (path.parent / source).resolve()
        if not mounted.exists():
            where = _location(path, _node(root, ("services", name, "volumes", index)))
            raise UsageError(f"{source} doesn't exist", where=where, expected=f"a file or directory at {mounted}")
        files = [mounted] if mounted.is_file() else sorted(file for file in mounted.rglob("*") if file.is_file())
        for file in files:
            yield str(PurePosixPath(target) / file.relative_to(mounted).as_posix()), file.read_bytes()


# --- what is wrong, in a person's words, with its place -------------------------------------------------------------

_EXPECTED: Mapping[str, tuple[str, str | None]] = {
    "dict_type": ("not a mapping", "KEY: VALUE"),
    "model_type": ("not a mapping", "KEY: VALUE"),
    "list_type": ("not a list", "- ITEM on a line of its own, or [ITEM, ITEM]"),
    "string_type": ("not a single value", "a string"),
    "bool_parsing": ("unknown value {input!r}", "true or false"),
    "int_parsing": ("{input!r} is no TCP port", "1 to 65535"),
    "less_than_equal": ("{input!r} is no TCP port", "1 to 65535"),
    "greater_than_equal": ("{input!r} is no TCP port", "1 to 65535"),
    "literal_error": ("unknown value {input!r}", None),
}
_PATTERNS = {
    _MOUNT: ("{input!r} is not a mount of this subset", "./SOURCE:/TARGET or ./SOURCE:/TARGET:ro"),
    _PUBLISHED: ("{input!r} is no published port", "[ADDRESS:]PORT:PORT[/tcp|/udp]"),
}


def _mistake(path: Path, root: yaml.Node, error: ErrorDetails) -> UsageError:
    """pydantic's first complaint in the words of compose files, with its place."""
    *above, key = error["loc"]
    if error["type"] == "missing":
        return UsageError(f"the key {str(key)!r} is missing", where=_location(path, _node(root, above)))
    if error["type"] == "extra_forbidden":
        where = _location(path, _node(root, (*above, key, "[key]")))
        return UsageError(f"unknown key {str(key)!r}", where=where, hint=_suggestion(str(key), _known_keys(above)))
    ctx = error.get("ctx", {})
    message, expected = _PATTERNS.get(ctx.get("pattern", ""), _EXPECTED.get(error["type"], (error["msg"], None)))
    return UsageError(
        message.format(input=error["input"]),
        where=_location(path, _node(root, error["loc"])),
        expected=expected or ctx.get("expected"),
    )


def _known_keys(loc: Sequence[int | str]) -> list[str]:
    models: dict[object, type[BaseModel]] = {"x-lab": _Lab, "build": _Build}
    model = _File if not loc else models.get(loc[-1], _Service)
    return [one.alias or name for name, one in model.model_fields.items()]


def _node(root: yaml.Node, loc: Sequence[int | str]) -> yaml.Node:
    """The node at that place; ``[key]`` after a key means the key itself."""
    node, key_node = root, root
    for step in loc:
        if step == "[key]":
            return key_node
        if isinstance(step, int):
            node = node.value[step]
        else:
            key_node, node = next(pair for pair in node.value if pair[0].value == step)
    return node


def _location(path: Path, node: yaml.Node) -> Location:
    return Location(str(path), node.start_mark.line + 1, node.start_mark.column + 1)


def _suggestion(word: str, choices: Collection[str]) -> str:
    close = difflib.get_close_matches(word, choices, n=1)
    question = f"did you mean {close[0]!r}? " if close else ""
    return f"{question}It takes: {', '.join(sorted(choices))}."
