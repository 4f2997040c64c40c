"""Session descriptions (RFC 8866) in words."""

from __future__ import annotations

from typing import Annotated, Literal

from rating_harness.scenario.fields import Flag, Model, Port, Text, key

__all__ = ["Sdp", "SdpBody"]


class Sdp(Model):
    """A session description in words; what isn't said is as usual: audio, both ways, PCMA and PCMU."""

    direction: Annotated[
        Literal["sendrecv", "sendonly", "recvonly", "inactive"],
        key("Direction; sendonly puts the other side on hold.", "sendonly"),
    ] = "sendrecv"
    codecs: Annotated[
        tuple[Literal["PCMU", "GSM", "PCMA", "G722", "G729", "opus", "telephone-event"], ...],
        key("Codecs of the audio, in order.", ["PCMA", "telephone-event"]),
    ] = ("PCMA", "PCMU")
    media: Annotated[
        tuple[Literal["audio", "video", "image"], ...],
        key("Media, in order; image is a fax (T.38).", ["audio", "video"], ["image"]),
    ] = ("audio",)
    port: Annotated[Port, key("Port of the first medium.", 6000)] = 6000
    address: Annotated[Text | None, key("Connection address; the end's own when not given.", "10.0.0.1")] = None
    lines: Annotated[
        tuple[Text, ...],
        key("Further lines of the audio, or of the first medium where there's none.", ["a=ptime:20"]),
    ] = ()


SdpBody = Flag | Text | Sdp
"""true for the usual one, false for none, one in words, or the text itself."""
