"""Where in the user's files the reason stands for which Kamailio didn't start, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from rating_harness.errors import Location
from rating_harness.kamailio.debian_packages import missing_module
from rating_harness.lab.ready import PORT_TAKEN

if TYPE_CHECKING:
    from rating_harness.kamailio_config.preparation import Parameter

__all__ = ["has_failed_to_start", "is_unreadable", "remedy", "unfilled", "where_it_stands"]

_PLACES = (
    re.compile(r"in config file (?P<file>[^\s,]+), (?:from )?line (?P<line>\d+), column (?P<column>\d+)"),
    re.compile(r"error at (?P<file>\S+) line (?P<line>\d+)"),
    re.compile(r"\bat cfg:(?P<file>[^\s:]+):(?P<line>\d+)"),
)
"""How Kamailio names a place, the most exact way first."""

_NO_PROCESSES = re.compile(
    r"main_loop\(\): (?:Cannot fork|error in init_child)|fork_process\(\): init_child failed"
    r"|tcp_init_children\(\): fork failed|fork_tcp_process\(\): .*failed"
)
_FORKS = ("main_loop()", "fork_process()", "tcp_init_children()", "fork_tcp_process()")
"""One of these is in each, and is found sooner in a long log."""
_FAILED_MODULE = re.compile(r"while initializing module (?P<name>[\w-]+)")
_SUBSTITUTION = re.compile(r"bad subst expression|subst rule cannot be added")
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>|\$\{\w+\}|%%\w+%%|%[A-Z]\w+%|@@?[A-Z]\w+@@?|__[A-Z]\w*__")
_REPLACED = re.compile(r"^#!subst(?:def)?s?\s+\"(?P<mark>.)(?P<name>.+?)(?P=mark)", re.MULTILINE)
_INCLUDED = re.compile(r"cannot open included file: \"?(?P<path>[^\s\"()]+)")
_SOCKET = re.compile(r"bad force_send_socket argument: (?P<socket>\S+) \(\w+ doesn't listen on it\)")
_NOT_LISTENING = re.compile(r"ERROR: (?P<module>\w+) .*is not a socket the proxy is listening on")
_BIND = re.compile(r"ERROR: (?P<module>\w+) .*\b(?:bind|create FIFO)\b.*No such file or directory")
_NO_ADDRESS = re.compile(
    r"ERROR: (?P<module>\w+) .*(?:cannot bind to local address and port \[(?P<address>[^\]]+)\]"
    r"|Cannot assign requested address)"
)
_NO_USER = re.compile(r"ERROR: (?P<module>\w+) .*[Bb]ad (?P<kind>user|group) name:? <?(?P<name>[\w-]+)")
_NOT_LOADED = re.compile(
    r"Module (?P<name>\w+) not found\. Missing loadmodule|No module matching <(?P<names>[^<>]+)> found"
)
_NEEDS = re.compile(
    r"ERROR: (?P<module>\w+) \[.*(?:can't load|[Cc]annot (?:load|bind to)|[Uu]nable to (?:load|bind to)) "
    r"(?P<api>[A-Z]+) API"
)
_NO_EVENT = re.compile(r"ERROR: (?P<module>\w+) .*failed to find (?P<event>event_route\[[\w:-]+\])")
_NO_PSEUDO_VARIABLE = re.compile(r"error searching pvar \"(?P<name>\w+)\"")
_NO_COMMAND = re.compile(r"failed to find command (?P<name>\w+) \(params \d+\)")
_VARIABLE = re.compile(r"env variable not defined \[(?:\w+=)?(?P<name>\w+)\]")
_PARAMETER = re.compile(
    r"parameter <(?P<name>[^<>]+)> of type <(?:\d+:)?(?P<type>\w+)> not found in module <(?P<module>[^<>]+)>"
)
_NO_DATABASE = re.compile(r"\b(?:lib/srdb1/|db_(?:mysql|postgres|redis|mongodb|unixodbc)\b).*(?:connect|connection)")
_SQLITE = re.compile(r"failed to open sqlite database '(?P<path>[^']*)'")
_FUNCTIONS: Mapping[str, str] = {
    "acc": "acc_db_request acc_log_request",
    "auth": "auth_challenge consume_credentials proxy_challenge pv_www_authenticate www_challenge",
    "auth_db": "auth_check is_subscriber",
    "dialog": "dlg_bye dlg_isflagset dlg_manage get_profile_size is_in_profile is_known_dlg set_dlg_profile",
    "dispatcher": "ds_is_from_list ds_mark_dst ds_next_domain ds_next_dst ds_select ds_select_domain ds_select_dst",
    "drouting": "do_routing use_next_gw",
    "htable": "sht_lock sht_print sht_reset sht_unlock",
    "maxfwd": "mf_process_maxfwd_header",
    "msilo": "m_dump m_store",
    "nathelper": "add_contact_alias fix_nated_contact fix_nated_register handle_ruri_alias nat_uac_test",
    "permissions": "allow_address allow_source_address allow_trusted",
    "pike": "pike_check_req",
    "registrar": "lookup registered save unregister",
    "rr": "add_rr_param check_route_param is_direction loose_route record_route record_route_preset",
    "rtpengine": "rtpengine_answer rtpengine_delete rtpengine_manage rtpengine_offer",
    "rtpproxy": "rtpproxy_answer rtpproxy_manage rtpproxy_offer",
    "sanity": "sanity_check",
    "siputils": "has_totag is_first_hop is_reply is_request options_reply",
    "sl": "send_reply sl_reply_error sl_send_reply",
    "textops": "append_hf append_to_reply has_body is_method is_present_hf remove_hf search subst",
    "textopsx": "msg_apply_changes",
    "tm": "t_check_status t_check_trans t_is_canceled t_newtran t_on_branch t_on_failure t_on_reply t_relay t_reply",
    "tmx": "t_cancel_branches t_flush_flags t_precheck_trans",
    "uac": "uac_auth uac_replace_from uac_replace_to",
    "websocket": "ws_handle_handshake",
    "xhttp": "xhttp_reply",
}
"""Of the modules that most configurations load (Kamailio 6.0.1): the functions that they call."""
_MODULE_OF = {function: module for module, functions in _FUNCTIONS.items() for function in functions.split()}
_SAMPLE = re.compile("sample|example|dist|default|template|tmpl")
_TEXT = re.compile(r'"(?:\\.|[^"\\])*"?|\'[^\']*\'?')
_NAME = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*\b")
"""How configurations name what is defined elsewhere; Kamailio's own words of this form name a family of addresses, a
facility of syslog, or the like."""
_NAMED_VALUE = re.compile(r"ERROR: (?!<core>)\w+ .*[\[<'\"](?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]*)[\]>'\"]")
"""Such a name in place of a value, as a module tells it."""
_KAMAILIOS = re.compile(r"(?:AF|LOG|FLT|FLAG|PROTO|KAMAILIO|OS|TLS|L)_\w*|METHOD_\w+")
_DEFINED = r"^[ \t]*[#!]!(?:try|re)?def(?:ine|exp|exps|env|envs)?[ \t]+{}\b|^[#!]!substdefs?[ \t]+\"(.){}\1"
_ABSENT = re.compile(
    r"(?:ERROR|CRITICAL|ALERT): (?!.*(?:\bmodule\b|in use|denied))"
    r"(?=.*(?:can't|can ?not|could not|[Uu]nable|[Ff]ailed to (?:open|load|read|stat)|No such file|not exist))"
    r".*?[\s\[<'\"](?P<path>/[\w.+-]+(?:/[\w.+-]+)+)"
)
_FILES = re.compile(r"Too many open files")
_PROCESSES = re.compile(r"\bfork\w*\b.*Resource temporarily unavailable|sr_wtimer_start\(\): wtimer starting failed")
_LARGEST = 1024 * 1024
_UNREADABLE = re.compile(r"parse error in config file .*: (?:syntax error|unknown command|parse error)")


def has_failed_to_start(log: str) -> bool:
    """Whether it said that it can't go on: it may hang then, since some of its processes wait for others."""
    return any(word in log for word in _FORKS) and _NO_PROCESSES.search(log) is not None


def is_unreadable(log: str) -> bool:
    """Whether Kamailio couldn't use what is written, which it says of some mistakes without their line."""
    return "ERROR: bad config file" in log or "parse error in config file" in log


def where_it_stands(
    output: str,
    paths: Mapping[str, Path],
    modules: Mapping[str, Location],
    parameters: Iterable[Parameter] = (),
) -> Location | None:
    """The place of the first thing in the user's files that Kamailio can't use.

    :param output: what it logged, with the lab's paths.
    :param paths: the user's files by the lab's paths.
    :param modules: where modules are loaded, by name: the place where Kamailio names a module and no line.
    :param parameters: of modules: the place where what it says is of one of them.
    """
    for pattern in _PLACES:
        for match in pattern.finditer(output):
            if match["file"] in paths:
                # Kamailio has read the end of such a line before it looks at it.
                line = int(match["line"]) - bool(_SUBSTITUTION.search(output, 0, match.start()))
                return Location(str(paths[match["file"]]), line, int(match.groupdict().get("column") or 1))
    failed = _FAILED_MODULE.search(output)
    name = failed["name"] if failed else ""
    place = _blamed([each for each in parameters if each.module == name], output) or modules.get(name)
    if place is None or place.path not in paths:
        return None
    return Location(str(paths[place.path]), place.line, place.column)


def _blamed(parameters: Sequence[Parameter], output: str) -> Location | None:
    """The one of a module's parameters because of which it doesn't start, as far as the log says so."""
    if _SCRIPT.search(output):
        return next((each.where for each in parameters if each.name in ("load", "script_name")), None)
    errors = [line for line in output.splitlines() if _ERROR.search(line)]
    for line in errors:
        named = [path for path in _PATH.findall(line) if not path.endswith((".c", ".so"))]
        for each in reversed(parameters):
            is_said = len(each.value) >= _SHORTEST and each.value in line
            if is_said or any(path in each.value for path in named) or _says(line, each.name):
                return each.where
    if any(_REACHES.search(line) for line in errors):
        addresses = [each for each in parameters if _ADDRESSES.search(each.name)]
        if len({each.name for each in addresses}) == 1:
            return addresses[-1].where
    return None


_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|ALERT|BUG): (?!<core>)")
_PATH = re.compile(r"(?<![\w./:])/[\w.+-]+(?:/[\w.+-]+)+")
_SCRIPT = re.compile(r"ERROR: (?P<module>app_\w+) .*Unhandled exception in the Python code:\s*\n(?P<said>\S.*)")
_SHORTEST = 4
"""Characters of a value that a log doesn't have by chance."""
_REACHES = re.compile(r"\b(?:bind|connect|connection|getaddrinfo|resolve|socket|listen|fifo|host)", re.IGNORECASE)
_ADDRESSES = re.compile(r"addr|sock|binrpc|fifo|url|host|server|listen")


def _says(line: str, name: str) -> bool:
    """Whether it's told as a parameter's name."""
    word = rf"(?:['\"<\[]{re.escape(name)}['\">\]]|\bparam(?:eter)? {re.escape(name)}\b|\b{re.escape(name)} param)"
    return re.search(word, line) is not None


def remedy(log: str, where: Location | None) -> str | None:
    """What to do; None where the log has to speak for itself.

    :param log: what Kamailio logged, with the user's paths.
    :param where: as `where_it_stands` found it.
    """
    text = _line(where)
    if _FILES.search(log):
        return (
            "this session may have too few files open at once (`ulimit -Hn`) for so many of Kamailio's processes: "
            "give it more by limits.conf(5), LimitNOFILE= of systemd or a container's `--ulimit nofile=1024`; or "
            "give a copy with fewer `children`"
        )
    if _PROCESSES.search(log):
        return (
            "this user, or this container, may have too few processes at once (`ulimit -u`, or a container's "
            "`--pids-limit`): allow more, or give a copy with fewer `children`"
        )
    if "ddress already in use" in log:
        return PORT_TAKEN
    if hint := missing_module(log):
        return hint
    if found := _PARAMETER.search(log):
        name, kind, module = found["name"], found["type"], found["module"]
        what = f"this Kamailio's {module} has no parameter {name}" + (" that is a number" if kind == "int" else "")
        return f"{what}: leave the line out, or --kamailio names a Kamailio that has it"
    if found := _SOCKET.search(log):
        return (
            f"the lab's Kamailio listens at other addresses than {found['socket']}: give a copy that doesn't send "
            "from it, or put it between #!ifdef and #!endif"
        )
    if found := _NOT_LISTENING.search(log):
        return (
            f"{found['module']} names an address of a `listen` that the lab leaves out: put both between #!ifdef and "
            "#!endif, or give a copy without them"
        )
    if found := _BIND.search(log):
        return f"{found['module']} has a socket in a directory that the lab hasn't got: /run/kamailio is there"
    if found := _NO_ADDRESS.search(log):
        return (
            f"{found['module']} listens at {found['address'] or 'an address'}, which the lab's Kamailio hasn't got: "
            "0.0.0.0 is everywhere; or put its parameter between #!ifdef and #!endif"
        )
    if found := _NO_USER.search(log):
        return (
            f"the lab has no {found['kind']} {found['name']}: put {found['module']}'s parameter between #!ifdef and "
            "#!endif, or give a copy without it"
        )
    if found := _SCRIPT.search(log):
        return f"the script that {found['module']} loads says {found['said']}"
    if found := _NOT_LOADED.search(log):
        return f"nothing loads {found['name'] or found['names'].replace('|', ' or ')} before"
    if hint := _not_loaded_yet(log):
        return hint
    if found := _VARIABLE.search(log):
        return f"set {found['name']} in the environment of this command; #!trydefenv does without it"
    if included := _INCLUDED.search(log):
        if hint := _included_by_its_path(included["path"], where):
            return hint
        if sample := _sample_of(included["path"], where):
            return f"the lab has no {included['path']}, and there is {sample}: give a copy of it that name"
    if found := included or _ABSENT.search(log):
        there = "/etc/kamailio in the lab is the directory of kamailio.cfg, with all that is in it"
        return f"the lab has no {found['path']}: {there}"
    if found := _placeholder(where, text):
        return f"is {found[0]} there to be filled in? give a copy in which it is"
    if found := _SQLITE.search(log):
        return (
            f"the lab has no database {found['path']}, or it may not be opened there: one beside kamailio.cfg, k.db "
            "say, is sqlite:////etc/kamailio/k.db, with four slashes"
        )
    if _NO_DATABASE.search(log):
        return (
            "a lab has no database of its own: --services FILE starts one (docs/integration.md); or give a copy "
            "whose db_url is sqlite:///PATH or text:///PATH"
        )
    if _UNREADABLE.search(log):
        if undefined := _undefined(where, text):
            return undefined
        if hint := _misspelt(text):
            return hint
        if text:
            # A terminal takes some characters for commands.
            shown = "".join(each if each.isprintable() else "?" for each in text.strip().expandtabs(1)[:120])
            return f"line {where.line if where else 0} reads: {shown}"
    if (found := _NAMED_VALUE.search(log)) and not _KAMAILIOS.fullmatch(found["name"]):
        return f"is {found['name']} there to be filled in? give a copy in which it is"
    return None


def unfilled(files: Iterable[Path]) -> Location | None:
    """The first place that is there to be filled in, comments aside: what it was that Kamailio couldn't use then."""
    for file in files:
        if file.suffix != ".cfg":
            continue
        replaced = {match["name"] for match in _REPLACED.finditer(_content(Location(str(file), 1, 1)))}
        for number, line in enumerate(_content(Location(str(file), 1, 1)).splitlines(), 1):
            code = line if line.lstrip().startswith(("#!", "!!")) else re.split(r"(?:^|\s)#|//", line, maxsplit=1)[0]
            if found := next((each for each in _PLACEHOLDER.finditer(code) if each[0] not in replaced), None):
                return Location(str(file), number, found.start() + 1)
    return None


_DIRECTIVES = ("include_file", "import_file", "loadmodule", "loadmodulex", "modparam", "loadpath", "cfgengine")
_FIRST_WORD = re.compile(r"\s*([a-z_]+)\s*[(\"]")


def _misspelt(line: str) -> str | None:
    """What to do about a word that begins a line as a directive does, and is none."""
    found = _FIRST_WORD.match(line)
    meant = get_close_matches(found[1], _DIRECTIVES, n=1, cutoff=0.8) if found else []
    if found is None or not meant or meant[0] == found[1]:
        return None
    each = ", a line for each file" if meant[0].endswith("_file") else ""
    return f"this Kamailio knows no {found[1]}: did you mean {meant[0]}{each}?"


def _not_loaded_yet(log: str) -> str | None:
    """What to do where a function, a variable or a module needs a module that isn't there yet."""
    if (found := _NO_COMMAND.search(log)) and (module := _MODULE_OF.get(found["name"])):
        return (
            f'{found["name"]} is a function of the module {module}: loadmodule "{module}.so" before, or does it take '
            "other parameters?"
        )
    if found := _NEEDS.search(log):
        needed = found["api"].lower()
        return f'{found["module"]} needs the module {needed}: loadmodule "{needed}.so" in a line before it'
    if found := _NO_PSEUDO_VARIABLE.search(log):
        return f"nothing that is loaded before knows ${found['name']}: most variables are of the module pv"
    if found := _NO_EVENT.search(log):
        return f"{found['module']} needs an {found['event']}: write one, or leave the module out"
    return None


def _placeholder(where: Location | None, line: str) -> re.Match[str] | None:
    """What is to be filled in before Kamailio reads the line: ``{{ address }}``, but not what `#!subst` replaces."""
    if where is None:
        return None
    replaced = {match["name"] for match in _REPLACED.finditer(_content(where))}
    return next((match for match in _PLACEHOLDER.finditer(line) if match[0] not in replaced), None)


def _undefined(where: Location | None, line: str) -> str | None:
    """What to do about a name that nothing defines."""
    if where is None:
        return None
    if hint := _defined_elsewhere(where, line):
        return hint
    directory = Path(where.path).parent
    files = {file: _content(Location(str(file), 1, 1)) for file in sorted(directory.rglob("*")) if _is_small(file)}
    for name in dict.fromkeys(_NAME.findall(_TEXT.sub("", line))):
        definition = re.compile(_DEFINED.format(name, name), re.MULTILINE)
        defining = [file for file, text in files.items() if definition.search(text)]
        if _KAMAILIOS.fullmatch(name) or any(
            file.suffix == ".cfg" and _SAMPLE.search(file.name) is None for file in defining
        ):
            continue
        elsewhere = f" but {defining[0].name}, which isn't included" if defining else ""
        return f"nothing defines {name}{elsewhere}: --define {name}=VALUE does, or #!define"
    return None


def _defined_elsewhere(where: Location, line: str) -> str | None:
    """What to do about a name at the very place that the same file defines, but under a condition that isn't met."""
    token = _TOKEN.match(line, where.column - 1)
    if token is None or token.start() != where.column - 1:
        return None
    within: list[str] = []
    definition = re.compile(_DEFINED.format(token[0], token[0]))
    for number, each in enumerate(_content(where).splitlines()[: where.line], 1):
        if condition := _CONDITION.match(each):
            within.append(f"#!{condition[1]}")
        elif _ELSE.match(each) and within:
            within[-1] = f"the #!else of {within[-1]}"
        elif _ENDIF.match(each) and within:
            within.pop()
        elif definition.match(each):
            if not within:
                return None
            kind, _, name = within[-1].partition(" ")
            what = f"--define {name}=1 is one way" if kind == "#!ifdef" else f"--define {token[0]}=VALUE is one way"
            return f"{token[0]} is defined in line {number}, but that is under {' and '.join(within)}: {what}"
    return None


_TOKEN = re.compile(r"[A-Z][A-Z0-9_]+\b")
_CONDITION = re.compile(r"[#!]!(if(?:n?def|exp)\b.*?)\s*$")
_ELSE = re.compile(r"[#!]!else\b")
_ENDIF = re.compile(r"[#!]!endif\b")


def _included_by_its_path(path: str, where: Location | None) -> str | None:
    """What to do about an include that no lab can find, by the path that stands there."""
    wanted = Path(path)
    if set(path) & set("*?"):
        return f"Kamailio takes {path} for one file's name: write a line for each file"
    if where is None or not wanted.is_absolute() or not wanted.is_file():
        return None
    directory = Path(where.path).absolute().parent
    if wanted.is_relative_to(directory):
        inside = wanted.relative_to(directory)
        return f'the lab has {directory} as /etc/kamailio: include_file "{inside}" is found here and there'
    return f"the lab has no {path}: it has the directory of kamailio.cfg alone; give a copy with this file in it"


def _is_small(file: Path) -> bool:
    return file.is_file() and file.stat().st_size < _LARGEST


def _sample_of(path: str, where: Location | None) -> str | None:
    """A file beside the one that includes it which is there to be copied under that name."""
    if where is None:
        return None
    wanted = Path(path)
    directory = Path(where.path).parent / ("" if wanted.is_absolute() else wanted.parent)
    found = sorted(each.name for each in directory.glob("*") if each.name.startswith(wanted.stem))
    return next((name for name in found if name != wanted.name and _SAMPLE.search(name)), None)


def _line(where: Location | None) -> str:
    lines = _content(where).splitlines() if where else []
    return lines[where.line - 1].rstrip() if where and 0 < where.line <= len(lines) else ""


def _content(where: Location) -> str:
    try:
        return Path(where.path).read_text("utf-8", "replace")
    except OSError:
        return ""
