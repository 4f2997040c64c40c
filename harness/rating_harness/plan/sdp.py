"""Session descriptions (RFC 8866). SIPp fills in the addresses."""

from __future__ import annotations

__all__ = ["sdp_for"]

_DEFAULT = "\n".join(
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


def sdp_for(wanted: bool | str) -> str:
    """The author's own, the default one, or none (an empty text)."""
    if isinstance(wanted, str):
        return wanted.strip()
    return _DEFAULT if wanted else ""
