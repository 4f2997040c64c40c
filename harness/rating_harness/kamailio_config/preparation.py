"""What a lab changes in a copy of somebody's configuration, so that it starts there, and what it finds in it.

Lines keep their numbers: what is left out leaves blanks behind. What decides how calls are handled (timers, children,
locks, routes) stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rating_harness.errors import Location
from rating_harness.kamailio_config.positions import Span
from rating_harness.kamailio_config.tree import (
    Call,
    CallStatement,
    Configuration,
    ModParam,
    Node,
    Number,
    Route,
    Setting,
    String,
    walk,
)

__all__ = ["FAST_TIMERS", "Change", "Findings", "Parameter", "Prepared", "inspect", "prepare"]

SIP_PORT, TLS_PORT = 5060, 5061
"""Where a lab's Kamailio listens, at addresses of the lab's."""

_FOREIGN: Mapping[str, str] = {
    "user": "the lab's Kamailio runs as the lab's user",
    "uid": "the lab's Kamailio runs as the lab's user",
    "group": "the lab's Kamailio runs as the lab's user",
    "gid": "the lab's Kamailio runs as the lab's user",
    "chroot": "the lab has a root of its own",
    "workdir": "the lab has a directory of its own",
    "wdir": "the lab has a directory of its own",
    "mpath": "modules are those of the lab's Kamailio",
    "loadpath": "modules are those of the lab's Kamailio",
    "pidfile": "the lab has a directory of its own",
    "pid_file": "the lab has a directory of its own",
    "disable_tcp": "scenarios and the lab's JSON-RPC come over TCP, too",
    "enable_sctp": "a lab's machine need not have SCTP",
    "fork": "the lab needs all of Kamailio's processes",
    "log_engine_type": "the lab reads the log from standard error",
    "log_engine_data": "the lab reads the log from standard error",
    "mlock_pages": "the lab's Kamailio has the limits of its machine",
    "open_files_limit": "the lab's Kamailio has the limits of its machine",
    "real_time": "the lab's Kamailio has the limits of its machine",
    "rt_prio": "the lab's Kamailio has the limits of its machine",
    "rt_policy": "the lab's Kamailio has the limits of its machine",
}
"""Settings of a machine that the lab isn't, and why each is left out."""

_CACHE: Mapping[str, str] = {
    "use_dns_cache": "names of a local lab are in a hosts file, which the DNS cache doesn't read",
    "use_dns_failover": "it needs the DNS cache, which doesn't read the hosts file of a local lab",
}
_OFF = ("no", "off", "false", "disable", "0")
_HARMLESS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("disable_tcp", "enable_sctp", "mlock_pages", "real_time", *_CACHE), _OFF),
    "fork": ("yes", "on", "true", "enable", "1"),
}
"""Values with which a setting stays."""

_NOTICE = 1
"""The log level (``debug``) at which rating.cfg says what it does; Kamailio's default is 0."""

_SOCKET = "kamailio_rpc.sock"
"""Where a local lab asks: jsonrpcs' own default, in Kamailio's run directory."""

_INSTALLED = re.compile(r"/(?:\S+/)?(?:kamailio|ser)/modules(?:_k|_s)?/+(?=[\w-]+(?:\.so)?$)")
"""Where modules are on one distribution or another. A path of its own is that of a module of somebody's own."""

_LISTENERS = frozenset({"listen", "socket"})
_ADDRESS = re.compile(
    r"^\s*\"?(?:(?P<transport>udp|tcp|tls|sctp):)?"
    r"(?P<host>\[[^\]]+\]|[^:\s\"]+)(?::(?P<port>\d+))?",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\bname\b\s*\"?(?P<name>[^\s\"]+)", re.IGNORECASE)
_NEXT_PORT = 1000
"""How far from its own port a named socket is put, where another name has that port at the lab's one address."""
_LOOPBACK = re.compile(r"^(127\.\d+\.\d+\.\d+|localhost|lo|\[?::1\]?)$")
_HTTP, _DATAGRAM = 1, 4
"""Bits of jsonrpcs' parameter ``transport`` (its documentation, section 3.1)."""

_DEFAULT_TRANSPORT = 6

FAST_TIMERS: Mapping[str, int] = {"fr_timer": 2000, "fr_inv_timer": 8000}
"""tm's timers of a lab, in milliseconds: scenarios that require ``timers`` don't wait longer."""

_TM_TIMERS: Mapping[str, int] = {"fr_timer": 30000, "fr_inv_timer": 120000}
"""tm's defaults (its documentation, sections 3.1 and 3.2)."""

_AGENT_TIMEOUT = ("RATING_HTTP_TIMEOUT", 1000)
"""rating.cfg's wait for the agent, in milliseconds: it has to be shorter than ``fr_timer``."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that the lab left out, and why."""

    where: Location
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.where.path}:{self.where.line}: {self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A module's parameter, as a configuration sets it."""

    module: str
    name: str
    value: str
    where: Location


@dataclass(frozen=True, slots=True)
class Findings:
    """What there is in a configuration, under one set of defines.

    :param modules: in the order in which they are loaded, with their places.
    :param listeners: as they stand there.
    :param routes: their titles, such as ``event_route[dialog:end]``.
    :param agents: URLs that stand in it, where it may ask an agent.
    :param answers_http: whether JSON-RPC answers over HTTP.
    :param http_route: where its ``event_route[xhttp:request]`` begins, if it has one.
    :param answers_datagrams: whether it answers on a datagram socket.
    :param timers: tm's ``fr_timer`` and ``fr_inv_timer``, in milliseconds.
    :param tables: names of its htables.
    :param defines: names that it defines, was given, or asks for.
    :param variables: of the environment, that it asks for (``#!defenv``).
    :param parameters: of the modules that are loaded, in the order in which they're set.
    """

    modules: Mapping[str, Location]
    listeners: tuple[str, ...]
    routes: tuple[str, ...]
    agents: tuple[str, ...]
    answers_http: bool
    http_route: Location | None
    answers_datagrams: bool
    rpc_transport: int
    timers: Mapping[str, int]
    tables: frozenset[str]
    defines: frozenset[str]
    variables: frozenset[str]
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configuration as a lab runs it.

    :param texts: the files that changed, by their names in the configuration.
    :param listeners: sockets for the command line, with the lab's address: further ones (``udp:{address}:5070``),
        and those with a name (``udp:{address}:5060//inside``), which may be among the lab's own without it.
    :param additions: what is to be read after all of it.
    :param defines: for the command line.
    :param changes: what was left out, and what was added, for people.
    :param obstacles: what will keep it from starting, or from being tested, with the way out.
    :param is_whole: all of it could be parsed; otherwise ``findings`` lack what couldn't.
    """

    texts: Mapping[str, str]
    listeners: tuple[str, ...]
    additions: str
    defines: Mapping[str, str]
    changes: tuple[Change, ...]
    obstacles: tuple[Change, ...]
    findings: Findings
    is_whole: bool = True


_HTTP_ROUTE = """loadmodule "xhttp.so"
tcp_accept_no_cl=yes
event_route[xhttp:request] {
	if ($hu =~ "^/RPC") jsonrpc_dispatch();
	else xhttp_reply("404", "Not Found", "", "");
}
"""


def prepare(
    configuration: Configuration,
    *,
    needs_http: bool,
    fast_timers: bool = False,
    is_whole: bool = True,
    names_sockets: bool = True,
) -> Prepared:
    """Make a configuration fit for a lab.

    :param needs_http: whether JSON-RPC is reached over HTTP only, as in a container.
    :param fast_timers: whether tm's timers become `FAST_TIMERS`, where they're longer.
    :param is_whole: whether all of it could be parsed: what is missing then is missing.
    :param names_sockets: whether this Kamailio's command line gives names to sockets, as from 6.0 on.
    """
    changes: list[Change] = []
    listeners: dict[str, str] = {}
    replaced: list[tuple[Span, str]] = []
    for setting in configuration.settings:
        name = setting.name.text
        why = _FOREIGN.get(name) or (None if needs_http else _CACHE.get(name))
        if setting.text.lower() in _HARMLESS.get(name, ()):
            continue
        if name in _LISTENERS:
            why = _moved(setting, listeners, names_sockets=names_sockets)
        if why:
            replaced.append((setting.span, ""))
            text = " ".join(setting.span.text(configuration.sources).split())
            changes.append(Change(_place(setting.span), f"{text} is left out", why))
    for module in configuration.modules:
        directory = _INSTALLED.match(module.path.value)
        if directory and not module.path.span.expanded:
            replaced.append((module.path.span, f'"{module.path.value[directory.end() :]}"'))
            what = f"{module.module} is loaded without {directory[0].rstrip('/')}"
            changes.append(Change(_place(module.span), what, _FOREIGN["mpath"]))
    findings = inspect(configuration)
    additions, added, obstacles = _with_rpc(configuration, findings, needs_http=needs_http)
    defines: dict[str, str] = {}
    if fast_timers:
        shorter, defines, sped_up = _with_fast_timers(configuration, findings)
        additions, added = additions + shorter, (*added, *sped_up)
        findings = replace(
            findings, timers={name: min(ms, FAST_TIMERS[name]) for name, ms in findings.timers.items()}
        )
    return Prepared(
        texts=_replaced(configuration, replaced),
        listeners=tuple(f"{socket}//{name}" if name else socket for socket, name in listeners.items()),
        additions=additions,
        defines=defines,
        changes=(*changes, *added),
        obstacles=(*obstacles, *(_without_routes(configuration) if is_whole else ())),
        findings=findings,
        is_whole=is_whole,
    )


def _without_routes(configuration: Configuration) -> Iterator[Change]:
    """Kamailio starts without a route for requests, and answers none."""
    if not any(route.kind == "request" and not route.name for route in configuration.routes):
        yield Change(
            Location(configuration.main, configuration.sources[configuration.main].lines, 1),
            "it has no request_route, so that no request is answered",
            "name the file that Kamailio is started with: the one with the routes, or that includes them",
        )


def inspect(configuration: Configuration) -> Findings:
    """Look at a configuration."""
    modules = {each.module: _place(each.span) for each in configuration.modules}
    transport = next((int(text) for text in _values(configuration, "jsonrpcs", "transport")), _DEFAULT_TRANSPORT)
    timers = {
        name: next((int(text) for text in _values(configuration, "tm", name)), default)
        for name, default in _TM_TIMERS.items()
    }
    has_rpc = "jsonrpcs" in modules
    dispatches = any(_calls(route, "jsonrpc_dispatch") for route in configuration.routes if _takes_http(route))
    return Findings(
        modules=modules,
        listeners=tuple(
            " ".join(each.span.text(configuration.sources).split())
            for each in configuration.settings
            if each.name.text in _LISTENERS
        ),
        routes=tuple(route.title for route in configuration.routes),
        agents=tuple(dict.fromkeys(_urls(configuration))),
        answers_http=has_rpc and "xhttp" in modules and dispatches and (transport == 0 or bool(transport & _HTTP)),
        http_route=next((_place(route.span) for route in configuration.routes if _takes_http(route)), None),
        answers_datagrams=has_rpc and (transport == 0 or bool(transport & _DATAGRAM)),
        rpc_transport=transport,
        timers=timers,
        tables=frozenset(text.partition("=>")[0].strip() for text in _values(configuration, "htable", "htable")),
        defines=frozenset(configuration.defines)
        | {each.name for each in configuration.directives if each.kind in ("ifdef", "ifndef")},
        variables=frozenset(
            each.value for each in configuration.directives if each.value is not None and "defenv" in each.kind
        ),
        parameters=tuple(_parameters(configuration, modules)),
    )


def _parameters(configuration: Configuration, modules: Iterable[str]) -> Iterator[Parameter]:
    for each in configuration.parameters:
        if isinstance(each.value, Number | String):
            value = each.value.text if isinstance(each.value, Number) else each.value.value
            of = (module for module in modules if _is_of(module, each))
            yield from (Parameter(module, each.name.value, value, _place(each.span)) for module in of)


def _is_of(module: str, parameter: ModParam) -> bool:
    try:
        return re.fullmatch(parameter.modules.value, module) is not None
    except re.error:
        return parameter.modules.value == module


def _values(configuration: Configuration, module: str, name: str) -> Iterator[str]:
    """What a module's parameter is set to, the last first: the last counts, where it may be set once only."""
    for parameter in reversed(configuration.parameters):
        if parameter.name.value == name and _is_of(module, parameter):
            if isinstance(parameter.value, Number):
                yield parameter.value.text
            elif isinstance(parameter.value, String):
                yield parameter.value.value


def _with_fast_timers(
    configuration: Configuration, findings: Findings
) -> tuple[str, dict[str, str], tuple[Change, ...]]:
    """Lines and defines that make tm's timers those of a lab, and what that changes."""
    if "tm" not in findings.modules:
        return "", {}, ()
    end = Location(configuration.main, configuration.sources[configuration.main].lines, 1)
    lines, defines, changes = [], {}, []
    for name, ms in FAST_TIMERS.items():
        if findings.timers[name] > ms:
            lines.append(f'modparam("tm", "{name}", {ms})\n')
            changes.append(
                Change(end, f"tm's {name} is {ms} in place of {findings.timers[name]} ms", "--fast-timers")
            )
    name, ms = _AGENT_TIMEOUT
    text = configuration.defines.get(name)
    if text is not None and text.isdecimal() and int(text) > ms:
        defines[name] = str(ms)
        changes.append(Change(end, f"{name} is {ms} in place of {text} ms", "--fast-timers"))
    return "".join(lines), defines, tuple(changes)


def _with_rpc(
    configuration: Configuration, findings: Findings, *, needs_http: bool
) -> tuple[str, tuple[Change, ...], tuple[Change, ...]]:
    """What has to be added for the lab to ask Kamailio by JSON-RPC, and to hear from it."""
    end = Location(configuration.main, configuration.sources[configuration.main].lines, 1)
    added, lines, obstacles = [], [], []
    if "jsonrpcs" not in findings.modules:
        lines.append('loadmodule "jsonrpcs.so"\n')
        added.append(Change(end, "the module jsonrpcs is added", "the lab asks Kamailio by JSON-RPC"))
    if "dialog" not in findings.modules:
        added.append(Change(end, "the module dialog isn't loaded", "what is expected of dialogs can't be checked"))
    needed = _HTTP if needs_http else _DATAGRAM
    wanted = findings.rpc_transport | needed
    if findings.rpc_transport and wanted != findings.rpc_transport:
        lines.append(f'modparam("jsonrpcs", "transport", {wanted})\n')
        if "jsonrpcs" in findings.modules:
            how = "HTTP" if needs_http else "its datagram socket"
            added.append(Change(end, f"JSON-RPC answers over {how} too", "the lab has no other way to it"))
    level = next((each.text for each in reversed(configuration.settings) if each.name.text == "debug"), "0")
    if re.fullmatch(r"-?\d+", level) and int(level) < _NOTICE:
        lines.append(f"debug={_NOTICE}\n")
        what = f"debug is {_NOTICE} (NOTICE) in place of {level}"
        added.append(Change(end, what, "scenarios and failures look at what is logged"))
    elsewhere = next(_values(configuration, "jsonrpcs", "dgram_socket"), _SOCKET)
    if not needs_http and elsewhere != _SOCKET:
        lines.append(f'modparam("jsonrpcs", "dgram_socket", "{_SOCKET}")\n')
        added.append(Change(end, f"JSON-RPC's datagram socket is not {elsewhere}", "the lab asks at one of its own"))
    if needs_http and not findings.answers_http:
        route = next((each for each in configuration.routes if _takes_http(each)), None)
        if route is None:
            lines.append(_HTTP_ROUTE)
            added.append(Change(end, "JSON-RPC over HTTP at /RPC is added", "the lab has no other way to it"))
        elif not _calls(route, "jsonrpc_dispatch"):
            what = f"{route.title} doesn't call jsonrpc_dispatch()"
            obstacles.append(
                Change(_place(route.span), what, 'let it do so for /RPC: if ($hu =~ "^/RPC") jsonrpc_dispatch();')
            )
    return "".join(lines), tuple(added), tuple(obstacles)


def _moved(setting: Setting, listeners: dict[str, str], *, names_sockets: bool) -> str:
    """Why a listener is left out; empty if it stays.

    :param listeners: sockets at the lab's address -> their names: what takes its place is added.
    """
    text, name = _address_of(setting)
    match = _ADDRESS.match(text)
    if match is None or _LOOPBACK.match(match["host"]):
        return ""
    why = "the lab's Kamailio listens at the lab's addresses"
    transport, port = (match["transport"] or "").lower(), int(match["port"] or 0)
    if transport in ("tls", "sctp"):
        return f"{why}; {transport.upper()} is for scenarios that ask for it" + (
            f", without the name {name}" if name else ""
        )
    if name and not names_sockets:
        why, name = f"{why}, without the name {name}", ""
    if not name and port in (0, SIP_PORT):
        return why
    if not name:
        listeners.setdefault(f"{transport or 'udp'}:{{address}}:{port}", "")
        return f"{why}, at port {port} too"
    ports = []
    for each in (transport,) if transport else ("udp", "tcp"):
        free = port or SIP_PORT
        while listeners.get(f"{each}:{{address}}:{free}", "") not in ("", name):
            free += _NEXT_PORT
        listeners[f"{each}:{{address}}:{free}"] = name
        ports.append(str(free))
    return f"{why}, by the name {name} at port {' and '.join(dict.fromkeys(ports))}"


def _address_of(setting: Setting) -> tuple[str, str]:
    """What it listens at, and its name or none: the value, or a socket's ``bind`` and ``name``.

    A define that is an address is several words.
    """
    inner = {each.name.text: each.text for each in setting.value if isinstance(each, Setting)}
    text = inner.get("bind", "") if inner else setting.text
    address = re.sub(r"\s*([-.:\[\]])\s*", r"\1", text)
    if inner:
        return address, inner.get("name", "").strip('"')
    named = _NAMED.search(address)
    return address, named["name"] if named else ""


def _takes_http(route: Route) -> bool:
    return route.kind == "event" and route.name == "xhttp:request"


def _calls(node: Node, function: str) -> bool:
    return any(
        (isinstance(each, CallStatement) and each.call.function.text == function)
        or (isinstance(each, Call) and each.function.text == function)
        for each in walk(node)
    )


def _urls(configuration: Configuration) -> Iterator[str]:
    texts = [each.value for each in walk(configuration) if isinstance(each, String)]
    texts += [value for value in configuration.defines.values() if value]
    for text in texts:
        yield from re.findall(r"https?://[^\s\"'/]+", text)


def _replaced(configuration: Configuration, parts: list[tuple[Span, str]]) -> dict[str, str]:
    """The files with each part's text in its place, and blanks where that is shorter: all else stays where it was."""
    texts: dict[str, str] = {}
    for span, instead in parts:
        text = texts.get(span.file, configuration.sources[span.file].text)
        start, end = span.start.offset, span.end.offset
        blank = re.sub(r"[^\n]", " ", text[start + len(instead) : end])
        texts[span.file] = text[:start] + instead + blank + text[end:]
    return texts


def _place(span: Span) -> Location:
    return Location(span.file, span.start.line, span.start.column)
