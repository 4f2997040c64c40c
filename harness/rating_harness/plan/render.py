"""SIPp scenarios from Jinja2 templates, and what goes with them: session descriptions, certificates."""

from __future__ import annotations

import os
import pickle
import re
import stat
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import jinja2.compiler
import platformdirs
from jinja2.bccache import Bucket

from rating_harness import __version__
from rating_harness.lab.files import data_directory
from rating_harness.scenario.behaviour import SippFile
from rating_harness.scenario.sdp import Sdp
from rating_harness.scenario.sipp_files import name_beside, needed_files

__all__ = ["FINAL_CODES", "authorities", "certificates", "companions", "literal", "literal_sdp", "render", "sdp_for"]

PROVISIONAL_CODES = (100, 180, 181, 182, 183, 199)
SUCCESS_CODES = (202, 204)
"""Beside 200."""

FINAL_CODES = (
    *(300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 412, 413, 414, 415, 416, 417, 420),
    *(421, 422, 423, 424, 425, 428, 429, 430, 433, 436, 437, 438, 439, 440, 469, 470, 478, 480, 481, 482, 483, 484),
    *(485, 486, 487, 488, 489, 491, 493, 494, 500, 501, 502, 503, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607),
    *(608, 477, 479),
)
"""Replies that SIPp takes: IANA's registry of SIP response codes, and Kamailio's own 477 to 479. It wants each one
named (regular expressions for them came with 3.7.5), and reads no file of more than 64 KB, which all would make."""

CROSSING_MS = 500
"""How long a side that hung up waits for the reply once the other side's BYE has crossed its own."""


class _CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Templates as Python's bytecode, from one run to the next; where nothing can be kept, they're compiled anew."""

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled_templates() -> _CompiledTemplates | None:
    """What another jinja2 compiled isn't taken for this one's, nor what anybody else may have put there."""
    try:
        compiler = Path(jinja2.compiler.__file__).stat()
        name = f"templates-{__version__}-{compiler.st_size:x}-{compiler.st_mtime_ns:x}"
        directory = platformdirs.user_cache_path("rating-harness") / name
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError:
        return None
    is_own = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return _CompiledTemplates(str(directory)) if is_own else None


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("rating_harness.plan"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do"],
        bytecode_cache=_compiled_templates(),
    )


def render(template: str, *, statuses: Collection[int] = (), **values: Any) -> str:
    """A SIPp scenario.

    :param statuses: further ones that may come.
    """
    return (
        _environment()
        .get_template(template)
        .render(
            provisional_codes=_with(PROVISIONAL_CODES, statuses, range(101, 200)),
            success_codes=_with(SUCCESS_CODES, statuses, range(201, 300)),
            final_codes=_with(FINAL_CODES, statuses, range(300, 700)),
            crossing=CROSSING_MS,
            **values,
        )
    )


def _with(codes: tuple[int, ...], statuses: Collection[int], kind: range) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*codes, *(status for status in sorted(statuses) if status in kind))))


_SDP = "\n".join(
    (
        "v=0",
        "o=- 1 1 IN IP[local_ip_type] [local_ip]",
        "s=-",
        "c=IN IP[media_ip_type] [media_ip]",
        "t=0 0",
        "m=audio 6000 RTP/AVP 8 0",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
    )
)
"""A session description (RFC 8866). SIPp fills in the addresses."""


_ADDRESSES = re.compile(r"\[(?:local|media)_ip(?:_type)?\]")


def literal_sdp(text: str) -> str:
    """A session description that SIPp is to send as it stands, but for the keywords of addresses."""
    return "".join(
        part if index % 2 else literal(part) for index, part in enumerate(re.split(f"({_ADDRESSES.pattern})", text))
    )


def literal(text: str) -> str:
    """A text that SIPp is to send as it stands: it would take what is in brackets for a keyword."""
    return text.replace("\\", "\\x5c").replace("[", "\\x5b")


_PAYLOADS = {
    "PCMU": (0, "PCMU/8000"), "GSM": (3, "GSM/8000"), "PCMA": (8, "PCMA/8000"), "G722": (9, "G722/8000"),
    "G729": (18, "G729/8000"), "opus": (96, "opus/48000/2"), "telephone-event": (101, "telephone-event/8000"),
}  # fmt: skip
"""Payload types (RFC 3551 section 6; from 96 on they are free), with what an rtpmap says of each."""

_FAX = (
    "a=T38FaxVersion:0",
    "a=T38MaxBitRate:14400",
    "a=T38FaxRateManagement:transferredTCF",
    "a=T38FaxUdpEC:t38UDPRedundancy",
)
"""What says how a fax is sent (ITU-T T.38 annex D)."""


def _in_words(sdp: Sdp, version: int) -> str:
    address = (
        f"IP{'6' if ':' in sdp.address else '4'} {sdp.address}" if sdp.address else "IP[media_ip_type] [media_ip]"
    )
    lines = ["v=0", f"o=- 1 {version} IN IP[local_ip_type] [local_ip]", "s=-", f"c=IN {address}", "t=0 0"]
    further = sdp.media.index("audio") if "audio" in sdp.media else 0
    for number, kind in enumerate(sdp.media):
        port = sdp.port + 2 * number
        if kind == "audio":
            payloads = [_PAYLOADS[name] for name in sdp.codecs]
            lines.append(f"m=audio {port} RTP/AVP {' '.join(str(each) for each, _ in payloads)}")
            lines += [f"a=rtpmap:{payload} {name}" for payload, name in payloads]
        elif kind == "video":
            lines += [f"m=video {port} RTP/AVP 97", "a=rtpmap:97 H264/90000"]
        else:
            lines += [f"m=image {port} udptl t38", *_FAX]
        lines += sdp.lines if number == further else ()
        lines.append(f"a={sdp.direction}")
    return "\n".join(lines)


def sdp_for(wanted: bool | str | Sdp, *, version: int = 1) -> str:
    """The author's own, one in words, the default one, or none (an empty text).

    :param version: of the session (RFC 8866 section 5.2), which a later description has to raise; an own text's is
        its own.
    """
    if isinstance(wanted, Sdp):
        return _in_words(wanted, version)
    if isinstance(wanted, str):
        return wanted.strip()
    return _SDP if wanted else ""


def companions(sipp: SippFile, folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files that a SIPp scenario needs beside it, by name, and pysipp's options for them."""
    file = folder / sipp.file
    needed = set(needed_files(file.read_text("utf-8", "replace")))
    files = {name_beside(name): (file.parent / name).read_bytes() for name in needed}
    if sipp.csv is None:
        return files, {}
    csv = folder / sipp.csv
    return {**files, csv.name: csv.read_bytes()}, {"info_file": csv.name}


def authorities() -> dict[str, bytes]:
    """The lab's authority, named as a directory of authorities has it (``openssl rehash``)."""
    return {file.name: file.read_bytes() for file in sorted((data_directory("compose") / "tls").glob("*.0"))}


def certificates() -> dict[str, bytes]:
    """The lab's own, for every end that speaks TLS: ``certificate.pem`` and ``key.pem``."""
    return {file.name: file.read_bytes() for file in sorted((data_directory("compose") / "tls").glob("*.pem"))}
