"""What a SIPp scenario that was written by hand says of itself: its Call-ID, its variables, the files beside it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from rating_harness.scenario.diagnostics import did_you_mean

__all__ = [
    "KEYWORDS",
    "as_written",
    "call_id_prefix",
    "csv_faults",
    "faults_in",
    "has_field",
    "is_sipps_own",
    "longest_pause",
    "name_beside",
    "names_in",
    "names_to_give",
    "needed_files",
    "takes_patterns",
    "unknown_keywords",
    "unrouted_bye",
]

KEYWORDS = frozenset(
    {
        *("remote_ip", "remote_port", "remote_host", "transport", "local_ip", "local_ip_type", "local_port", "len"),
        *("call_number", "cseq", "call_id", "media_ip", "media_ip_type", "media_port", "auto_media_port"),
        *("msg_index", "branch", "pid", "next_url", "routes", "peer_tag_param", "authentication", "users"),
        *("userid", "dynamic_id", "server_ip", "clock_tick", "sipp_version", "tdmmap", "fill", "timestamp", "date"),
        *("last_message", "last_Request_URI", "last_cseq_number", "rtpstream_audio_port", "rtpstream_video_port"),
    }
)
"""SIPp's own keywords, but for ``service`` (its option -s), ``field0`` and the like, and ``last_HEADER``."""

_CALL_ID = re.compile(r"^[ \t]*(?:Call-ID|i)[ \t]*:[ \t]*(\S.*?)?[ \t]*$", re.IGNORECASE | re.MULTILINE)
_KEYWORD = re.compile(r"(?<!<!)\[([A-Za-z_][A-Za-z0-9_]*)")
_MEDIA = re.compile(r"(play_pcap_(?:audio|video|image)|rtp_stream)(\s*=\s*[\"'])([^\"',]+)([^\"']*[\"'])")
_FILE = re.compile(r"(\[file name=\"?)([^\"\]\s]+)")
_NO_FILE = re.compile(r"(?:pause|resume)(?:[av]pattern)?|[av]pattern.*")
"""What ``rtp_stream`` takes in place of a file: SIPp's own patterns of sound and picture, and orders."""
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def call_id_prefix(text: str) -> str | None:
    """What the file writes before ``[call_id]``, up to the ``///`` that SIPp takes for the prefix's end.

    None where its first Call-ID has no ``[call_id]``: SIPp wouldn't know its calls by it. Empty where it has none.
    """
    for value in _CALL_ID.findall(_COMMENT.sub("", text)):
        prefix, keyword, rest = value.partition("[call_id]")
        if not keyword or rest or (prefix and not prefix.endswith("///")):
            return None
        return str(prefix)
    return ""


def names_in(text: str) -> frozenset[str]:
    """The keywords that a file uses, SIPp's own among them."""
    return frozenset(_KEYWORD.findall(_COMMENT.sub("", text)))


def names_to_give(text: str) -> frozenset[str]:
    """Those of its keywords that a scenario can give a value."""
    return frozenset(name for name in names_in(text) - KEYWORDS if not _GIVEN.fullmatch(name))


def is_sipps_own(name: str) -> bool:
    """Whether SIPp itself gives the keyword its value."""
    return name in KEYWORDS or _GIVEN.fullmatch(name) is not None


def has_field(text: str) -> bool:
    """Whether it takes values from a CSV file."""
    return re.search(r"\[field\d+", _COMMENT.sub("", text)) is not None


def needed_files(text: str) -> Iterator[str]:
    """The names of files that it plays or includes."""
    text = _COMMENT.sub("", text)
    for kind, _, name, _ in _MEDIA.findall(text):
        if _is_file(kind, name):
            yield name.strip()
    yield from (name for _, name in _FILE.findall(text))


def _is_file(kind: str, name: str) -> bool:
    return "[" not in name and not (kind == "rtp_stream" and _NO_FILE.fullmatch(name.strip()))


def name_beside(name: str) -> str:
    """Where a needed file lies for SIPp: below its own folder, whatever the author's are."""
    return "/".join({"..": "up", "": "root"}.get(part, part) for part in name.split("/") if part != ".")


_ELEMENTS = (
    *("send", "recv", "pause", "nop", "label", "sendCmd", "recvCmd", "timewait", "init"),
    *("Reference", "Global", "User", "DefaultMessage", "ResponseTimeRepartition", "CallLengthRepartition"),
)
_ASIDE = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<action>.*?</action>|<!DOCTYPE[^>]*>|<\?.*?\?>", re.DOTALL)
_MESSAGE = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_ELEMENT = re.compile(r"<([A-Za-z]\w*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(r"\b(\w+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_WHOLE_KEYWORD = re.compile(r"\[([A-Za-z_][A-Za-z0-9_]*)(?:[+-][0-9]+|\s[^\]\[]*)?\]")
_GIVEN = re.compile(r"field[0-9]+|last_.+|file")
_OF_MANY_FORMS = re.compile(r"field[0-9]+|last_.+|rtpstream_.+|u?crypto.+|service|file")


_SPACED_TO = re.compile(r"^[ \t]*((?:To|t)[ \t]+:)", re.IGNORECASE | re.MULTILINE)
"""Legal (RFC 3261 section 7.3.1), and what SIPp 3.7.3 aborts a call for. It takes the other headers so."""


def faults_in(text: str, *, calls: bool) -> Iterator[tuple[str, str]]:
    """What SIPp would give the file up for, and what would be right.

    :param calls: it plays a caller, who begins with a request; else a carrier, who begins with waiting for one.
    """
    if re.search(r"<scenario\b", text) is None:
        yield "no <scenario> in it", "is this a SIPp scenario?"
        return
    if unclosed := _UNCLOSED_MESSAGE.search(text):
        yield f"line {text.count(chr(10), 0, unclosed.start()) + 1}: a message is never closed", "]]> behind it"
        return
    plain = _ASIDE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    if (broken := _unclosed(plain)) is not None:
        yield broken
        return
    elements = [
        (plain.count("\n", 0, match.start()) + 1, match[1], _attributes(match[2]))
        for match in _ELEMENT.finditer(plain, plain.index("<scenario"))
    ][1:]
    for line, name, _ in elements:
        if name in ("sendCmd", "recvCmd"):
            said = f"line {line}: <{name}> talks to another SIPp (3PCC), and this one is started alone"
            yield said, "a file without it; `transfer` and `requests` say most of what 3PCC is used for"
            return
    labels = [attributes.get("id", "") for _, name, attributes in elements if name == "label"]
    for line, name, attributes in elements:
        close = did_you_mean(name, _ELEMENTS) if name not in _ELEMENTS else None
        if close:
            yield f"line {line}: SIPp knows no <{name}>", f"did you mean <{close}>?"
        elif name == "init":
            yield f"line {line}: SIPp counts its <init> as a call", "take it out"
        elif name == "label" and labels.count(attributes.get("id", "")) > 1:
            yield f"line {line}: a second label {attributes.get('id')!r}", "give each its own"
            return
        for key in ("next", "ontimeout"):
            target = attributes.get(key)
            if target is not None and target not in labels:
                guess = did_you_mean(target, labels)
                hint = f"did you mean '{guess}'?" if guess else f'<label id="{target}"/>'
                yield f"line {line}: no label {target!r}", hint
    for message in _MESSAGE.finditer(text) if calls else ():
        if spaced := _SPACED_TO.search(text, message.start(1), message.end(1)):
            line = text.count("\n", 0, spaced.start(1)) + 1
            yield f"line {line}: SIPp finds no '{spaced[1]}' in the replies, which have it as the request does", "To:"
            break
    for message in _MESSAGE.finditer(text):
        if spaced := _spaced_keyword(message[1]):
            line = text.count("\n", 0, message.start(1) + spaced.start()) + 1
            yield f"line {line}: SIPp sends '{spaced[0]}' as it's written", f"[{spaced[1]}], without the space"
            break
    for name in sorted(_used_once(text)):
        line = next(number for number, each in enumerate(text.splitlines(), 1) if re.search(rf"\b{name}\b", each))
        said = f"line {line}: the variable {name!r} is set and never used, which SIPp gives up for"
        yield said, f'<Reference variables="{name}"/> before </scenario>'
    first = next((name for _, name, _ in elements if name in ("send", "recv")), None)
    if calls and first == "recv":
        yield (
            "it waits for a request, and a caller begins with one",
            "it is a carrier's: carriers: {NAME: {sipp: ...}}",
        )
    elif not calls and first == "send":
        yield "it begins with a request, and a carrier waits for one", "it is a caller's: calls: [{sipp: ...}]"


def _used_once(text: str) -> Iterator[str]:
    """Variables that an action sets and whose names are nowhere else."""
    plain = _COMMENT.sub("", text)
    names = {name.strip() for names in _ASSIGNED.findall(plain) for name in names.split(",")}
    for name in names:
        if re.fullmatch(r"[A-Za-z_]\w*", name) and len(re.findall(rf"\b{name}\b", plain)) == 1:
            yield name


_ASSIGNED = re.compile(r"\bassign_to\s*=\s*[\"']([^\"']*)[\"']")


_SPACED = re.compile(r"\[[ \t]+([A-Za-z_]\w*)[ \t]*\]")


def _spaced_keyword(message: str) -> re.Match[str] | None:
    found = _SPACED.finditer(message)
    return next((each for each in found if each[1] in KEYWORDS or _OF_MANY_FORMS.fullmatch(each[1])), None)


_BYE = re.compile(r"\s*BYE\s")
_ROUTE = re.compile(r"^[ \t]*Route[ \t]*:|\[routes\]|\[last_Record-Route:\]", re.IGNORECASE | re.MULTILINE)
_ROUTES_KEPT = re.compile(r"\brrs\s*=\s*[\"']true[\"']")


def unrouted_bye(text: str) -> tuple[str, str] | None:
    """What a file lacks so that its BYE goes by the dialog's route set (RFC 3261 section 12.2.1.1)."""
    byes = [each for each in _MESSAGE.finditer(text) if _BYE.match(each[1])]
    unrouted = next((each for each in byes if _ROUTE.search(each[1]) is None), None)
    if unrouted is not None:
        start = unrouted.start(1) + len(unrouted[1]) - len(unrouted[1].lstrip())
        line = text.count("\n", 0, start) + 1
        return f"line {line}: a BYE without a Route doesn't reach Kamailio's dialog", "[routes] on a line of its own"
    if any("[routes]" in each[1] for each in byes) and _ROUTES_KEPT.search(text) is None:
        return "[routes] of its BYE has no value: SIPp keeps no Record-Route", '<recv response="200" rrs="true">'
    return None


_UNCLOSED_MESSAGE = re.compile(r"<!\[CDATA\[(?:(?!\]\]>).)*?(?:(?=<!\[CDATA\[)|\Z)", re.DOTALL)
_QUOTED = r"""(?:"(?:[^"<]*|[^"\n]*)"|'(?:[^'<]*|[^'\n]*)')"""
"""A value of an attribute. SIPp takes a `<` in it; on a further line it's the next element's."""
_BEGIN_OR_END = re.compile(rf"<(/?)(send|recv|nop)\b((?:[^<>\"']|{_QUOTED})*)(>?)")


def _unclosed(plain: str) -> tuple[str, str] | None:
    """The first element that isn't closed before the next one, and what would be right."""
    opened: re.Match[str] | None = None
    for each in _BEGIN_OR_END.finditer(plain):
        is_end = bool(each[1])
        if opened is not None and not is_end:
            break
        if not each[4]:
            opened = each
            break
        opened = None if is_end or each[3].rstrip().endswith("/") else each
    if opened is None:
        return None
    line, name = plain.count("\n", 0, opened.start()) + 1, opened[2]
    if not opened[4]:
        return f"line {line}: <{name}> lacks a quote, or its '>'", f'<{name} ...="..."/>'
    return f"line {line}: <{name}> is never closed", f"</{name}>, or <{name} .../>"


def longest_pause(text: str) -> float:
    """Seconds of all its pauses, at most, as far as the file tells: those by variables are known to SIPp alone."""
    plain = _ASIDE.sub("", text)
    pauses = [_attributes(rest) for name, rest in _ELEMENT.findall(plain) if name == "pause"]
    return sum(_milliseconds(each) for each in pauses) / 1000


def _milliseconds(pause: Mapping[str, str]) -> float:
    names = ("milliseconds", "value", "max", "mean", "stdev")
    known = {
        name: float(pause[name]) for name in names if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", pause.get(name, ""))
    }
    spread = _SPREAD * known.get("stdev", known.get("mean", 0.0))
    return next((known[name] for name in names[:3] if name in known), known.get("mean", 0.0) + spread)


_SPREAD = 3
"""How many deviations a random pause may be longer than usual; of an exponential one that is its mean."""


def takes_patterns(text: str) -> bool:
    """Whether it waits for statuses by a regular expression, which SIPp takes from 3.7.5 on."""
    plain = _ASIDE.sub("", text)
    return any(
        name == "recv" and not _attributes(rest).get("response", "0").isdecimal()
        for name, rest in _ELEMENT.findall(plain)
    )


def unknown_keywords(text: str, known: Collection[str]) -> Iterator[str]:
    """Words in brackets of its messages that SIPp has no value for.

    :param known: those that have one from the scenario.
    """
    words = dict.fromkeys(word for message in _MESSAGE.findall(text) for word in _WHOLE_KEYWORD.findall(message))
    for word in words:
        if word not in KEYWORDS and word not in known and not _OF_MANY_FORMS.fullmatch(word):
            yield word


def as_written(text: str) -> str:
    """The file, with that escaped which SIPp wouldn't send as it's written there.

    It takes each bracket for a keyword's, that of an IPv6 address too: it gives the file up, or sends something else
    (3.7.3, where nothing closes it). And it takes off what a line begins with, so that folded headers aren't, and the
    space that a status line without a phrase ends with. A file without an XML declaration it doesn't read at all.
    """
    declaration = "" if text.lstrip().startswith("<?xml") else '<?xml version="1.0" encoding="UTF-8"?>\n'
    text = _TAG.sub(_without_signs, _MEDIA.sub(_media_beside, text))
    return declaration + _MESSAGE.sub(
        lambda match: f"<![CDATA[{_phrased(_folded(_escaped(_FILE.sub(_file_beside, match[1]))))}]]>", text
    )


_TAG = re.compile(rf"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\w(?:[^<>\"']|{_QUOTED})*>", re.DOTALL)
_ANY_QUOTED = re.compile(_QUOTED)


def _without_signs(match: re.Match[str]) -> str:
    """A tag whose values have no `<` or `>`: SIPp (3.7.3) takes one for a tag, and leaves out what comes behind."""
    if match[0].startswith("<!"):
        return match[0]
    return _ANY_QUOTED.sub(lambda value: value[0].replace("<", "&lt;").replace(">", "&gt;"), match[0])


def _media_beside(match: re.Match[str]) -> str:
    kind, equals, name, rest = match.groups()
    return f"{kind}{equals}{name_beside(name.strip())}{rest}" if _is_file(kind, name) else match[0]


def _file_beside(match: re.Match[str]) -> str:
    return match[1] + name_beside(match[2])


def _phrased(message: str) -> str:
    return re.sub(r"^([ \t]*SIP/2\.0 [0-9]{3})[ \t]+$", r"\1\\x20", message, flags=re.MULTILINE)


_HEADER_OR_KEYWORD = re.compile(r"[\w\-.!%*+`'~]+[ \t]*:|\[")


def _folded(message: str) -> str:
    """With the space that a header's further lines begin with (RFC 3261 section 7.3.1): those that are indented more
    than its first line, and begin no header themselves."""
    head, first, least, lines = True, "", "", message.split("\n")
    for number, line in enumerate(lines):
        text = line.lstrip(" \t")
        indent = line[: len(line) - len(text)]
        if not text.strip():
            head = head and not first
        elif not first:
            first = text
            least = indent
        elif head and len(indent) > len(least) and _HEADER_OR_KEYWORD.match(text) is None:
            lines[number] = f"{indent}\\x20{text}"
    return "\n".join(lines)


_CAN_BE_KEYWORD = re.compile(r"(?:\$\w+|[A-Za-z_][\w\-]*)(?:[+-]\d+)?(?:\s.*)?|last_.+", re.DOTALL)


def _escaped(message: str) -> str:
    parts: list[str] = []
    position = 0
    while (start := message.find("[", position)) >= 0:
        end = _closing(message, start)
        is_keyword = end > 0 and _CAN_BE_KEYWORD.fullmatch(message, start + 1, end) is not None
        parts.append(message[position:start] + (message[start : end + 1] if is_keyword else "\\x5b"))
        position = end + 1 if is_keyword else start + 1
    return "".join((*parts, message[position:]))


def _closing(message: str, start: int) -> int:
    """Where the bracket is closed that is opened there, on the same line; -1 where it isn't."""
    depth = 0
    for position in range(start, len(message)):
        depth += {"[": 1, "]": -1}.get(message[position], 0)
        if not depth:
            return position
        if message[position] == "\n":
            return -1
    return -1


def csv_faults(text: str, scenario: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a CSV file of a SIPp scenario's, and what would be right."""
    head, *lines = text.splitlines() or [""]
    if head.partition(",")[0].strip() not in ("SEQUENTIAL", "RANDOM"):
        yield f"its first line is {head[:40]!r}", "SEQUENTIAL or RANDOM, and then a line for each call"
        return
    rows = [line for line in lines if line and not line.startswith("#")]
    if not rows:
        yield "it has no line of values", "a line for each call, its fields apart by ';'"
        return
    most = max((int(number) for number in re.findall(r"\[field([0-9]+)", scenario)), default=-1)
    fewest = min(row.count(";") + 1 for row in rows)
    if most >= fewest:
        have = f"{fewest} field{'' if fewest == 1 else 's'}"
        yield f"it has a line of {have}, and no [field{most}]", "fields are apart by ';', and counted from 0"


def _attributes(text: str) -> dict[str, str]:
    return {name: first or second for name, first, second in _ATTRIBUTE.findall(text)}
