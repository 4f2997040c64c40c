"""What a SIPp scenario that was written by hand says of itself: its Call-ID, its variables, the files beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["KEYWORDS", "call_id_prefix", "has_field", "names_in", "needed_files"]

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
_KEYWORD = re.compile(r"\[([A-Za-z_][A-Za-z0-9_]*)")
_MEDIA = re.compile(r"(?:play_pcap_(?:audio|video|image)|rtp_stream)\s*=\s*[\"']([^\"']+)[\"']")
_FILE = re.compile(r"\[file name=\"?([^\"\]\s]+)")


def call_id_prefix(text: str) -> str | None:
    """What the file writes before ``[call_id]``, up to the ``///`` that SIPp takes for the prefix's end.

    None where its first Call-ID has no ``[call_id]``: SIPp wouldn't know its calls by it. Empty where it has none.
    """
    for value in _CALL_ID.findall(text):
        prefix, keyword, rest = value.partition("[call_id]")
        if not keyword or rest or (prefix and not prefix.endswith("///")):
            return None
        return str(prefix)
    return ""


def names_in(text: str) -> frozenset[str]:
    """The keywords that a file uses, SIPp's own among them."""
    return frozenset(_KEYWORD.findall(text))


def has_field(text: str) -> bool:
    """Whether it takes values from a CSV file."""
    return re.search(r"\[field\d+", text) is not None


def needed_files(text: str) -> Iterator[str]:
    """The names of files that it plays or includes."""
    for names in _MEDIA.findall(text):
        yield names.split(",")[0].strip()
    yield from _FILE.findall(text)
