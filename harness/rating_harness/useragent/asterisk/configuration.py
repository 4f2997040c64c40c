"""Asterisk's files, made from a callee's script: which modules it loads, where it listens, and its dialplan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rating_harness.useragent.script import CalleeCall, CalleeScript, Treatment

__all__ = ["ANSWERING", "CAUSES", "LOG", "dialplan_of", "files_of"]

LOG = "trace"
"""Its log below the directory ``log``, with the messages that it sent and received."""

CAUSES: Mapping[int, int] = {
    403: 21, 404: 1, 408: 18, 410: 22, 480: 19, 484: 28, 486: 17, 488: 58, 500: 38, 501: 69, 502: 27, 503: 34,
}  # fmt: skip
"""Status of a refusal -> the cause (Q.850) for which Asterisk 22 sends it (``chan_pjsip.c``, hangup_cause2sip)."""

ANSWERING = 0.5
"""Seconds for which the application Answer waits for media, which nobody sends here."""

_MODULES = (
    *("res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_pjproject", "res_pjsip"),
    *("res_pjsip_session", "res_pjsip_sdp_rtp", "res_pjsip_outbound_publish", "res_pjsip_pubsub"),
    *("res_pjsip_logger", "res_pjsip_endpoint_identifier_anonymous", "res_pjsip_rfc3326", "res_pjsip_dlg_options"),
    *("res_rtp_asterisk", "chan_pjsip", "pbx_config", "func_channel", "func_global", "codec_alaw", "codec_ulaw"),
)

_EMPTY = ("acl", "ccss", "cdr", "cel", "cli", "features", "http", "indications", "manager", "pjproject", "sorcery")


def files_of(script: CalleeScript, root: Path, directory: Path) -> dict[str, str]:
    """Its files by their names below ``directory``.

    :param root: the root filesystem that it's in.
    """
    etc, own = directory / "etc", ("run", "log", "spool", "var")
    libraries = next(root.glob("usr/lib/*/asterisk/modules"))
    places = {
        "astetcdir": etc,
        "astmoddir": libraries,
        "astdatadir": root / "usr/share/asterisk",
        "astsbindir": root / "usr/sbin",
        **{f"ast{name}dir": directory / name for name in ("run", "log", "spool")},
        **{f"ast{name}dir": directory / "var" for name in ("varlib", "db", "key", "agi", "cache")},
    }
    lines = [f"{name} => {place}" for name, place in places.items()]
    local = script.socket.local
    texts = {
        "asterisk": "\n".join(["[directories]", *lines, "[options]", "verbose = 3", "nocolor = yes"]),
        "modules": "\n".join(["[modules]", "autoload = no", *(f"load = {name}.so" for name in _MODULES)]),
        "logger": f"[general]\ndateformat = %F %T.%6q\n[logfiles]\n{LOG} => verbose,warning,error,notice",
        "rtp": "[general]\nrtpstart = 10000\nrtpend = 30000",
        "pjsip": "\n".join(
            [
                *("[global]", "type = global", "debug = yes"),
                *("[udp]", "type = transport", "protocol = udp", f"bind = {local}"),
                *("[tcp]", "type = transport", "protocol = tcp", f"bind = {local}"),
                # Whoever calls: it's the one endpoint that needs no account.
                *("[anonymous]", "type = endpoint", "context = calls", "disallow = all", "allow = alaw,ulaw"),
                *("direct_media = no", f"media_address = {local.address}", "bind_rtp_to_media_address = yes"),
            ]
        ),
        "extensions": dialplan_of(script),
        **dict.fromkeys(_EMPTY, ""),
    }
    made = {f"etc/{name}.conf": f"{text}\n" for name, text in texts.items()}
    return made | {f"{name}/.made": "" for name in own}


def dialplan_of(script: CalleeScript) -> str:
    """What is done with each call: the call is known by its Call-ID, the attempt by how many INVITEs came."""
    steps = [
        "Set(GLOBAL(INVITES)=$[0${GLOBAL(INVITES)} + 1])",
        "Set(NUMBER=${GLOBAL(INVITES)})",
        "Set(CALL=${CHANNEL(pjsip,call-id)})",
        *(f'GotoIf($["${{CALL}}" =~ "{_pattern(call)}"]?call{index})' for index, call in enumerate(script.calls)),
        f"Hangup({CAUSES[404]})",
    ]
    labelled: list[tuple[str, str]] = [("", step) for step in steps]
    for index, call in enumerate(script.calls):
        labelled += _call(index, call)
    # Not of one letter: those are extensions of Asterisk's own.
    first, *others = labelled
    lines = ["[calls]", f"exten => _[+0-9a-zA-Z].,1,{first[1]}"]
    return "\n".join([*lines, *(f" same => n{f'({label})' if label else ''},{step}" for label, step in others)])


def _pattern(call: CalleeCall) -> str:
    """From the run's token on, which no other Call-ID has: a group before it would be the expression's value."""
    return call.pattern.removeprefix("^").removeprefix(" *").removeprefix("(.*///)?")


def _call(index: int, call: CalleeCall) -> Iterator[tuple[str, str]]:
    label = f"call{index}"
    for number, _ in enumerate(call.by_attempt, start=1):
        yield label, f"GotoIf($[${{NUMBER}} = {number}]?call{index}attempt{number})"
        label = ""
    yield label, f"Goto(call{index}then)"
    for name, treatment in [
        *((f"attempt{number}", each) for number, each in enumerate(call.by_attempt, start=1)),
        ("then", call.then),
    ]:
        first, *others = _steps(treatment)
        yield f"call{index}{name}", first
        yield from (("", step) for step in others)


def _steps(treatment: Treatment) -> Iterator[str]:
    if treatment.provisional:
        yield "Ringing()"
    if treatment.ring:
        yield f"Wait({treatment.ring:g})"
    if treatment.refuse:
        yield f"Hangup({CAUSES[int(treatment.refuse[:3])]})"
        return
    yield "Answer()"
    yield f"Wait({86400 if treatment.hang_up is None else treatment.hang_up - ANSWERING:g})"
    yield "Hangup()"
