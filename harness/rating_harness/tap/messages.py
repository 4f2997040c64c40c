"""HTTP/1.1 messages as values, and how they are written to a socket (RFC 9112)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

__all__ = ["Headers", "Request", "Response", "end_to_end", "json_response", "parse_text", "render", "render_request"]

Headers = tuple[tuple[str, str], ...]

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    }
)
_OURS = frozenset({"content-length", "expect"})


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request, as a client sent it.

    :param target: path and query.
    :param connection: number of the connection, so that kept-alive requests can be told from new ones.
    :param received: Unix seconds at which its last byte had come.
    :param error: why it could not be taken; the body is then what came.
    :param refusal: the status that says so to the client.
    :param tls: the version of TLS, empty for none; ``client_certificate``: the subject of the client's certificate.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    keep_alive: bool
    connection: int
    received: float
    error: str = ""
    refusal: int = 400
    tls: str = ""
    client_certificate: str = ""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: Headers = ()
    reason: str | None = None


def json_response(status: int, body: bytes) -> Response:
    return Response(status, body, (("content-type", "application/json"),))


def parse_text(body: bytes) -> str:
    """The body as text. Bytes that aren't UTF-8 show as ``\\xff``."""
    return body.decode(errors="backslashreplace")


def end_to_end(headers: Iterable[tuple[str, str]], *drop: str) -> Headers:
    """The headers that a proxy passes on (RFC 9110, section 7.6.1), without those in ``drop``."""
    return tuple(
        (name, value)
        for name, value in headers
        if (lower := name.lower()) not in _HOP_BY_HOP and lower not in _OURS and lower not in drop
    )


def render(response: Response, *, keep_alive: bool = True, chunk: int = 0) -> bytes:
    """The bytes of a response, its length stated from its body.

    :param chunk: the octets of a chunk; 0 for a body that is sent whole.
    """
    reason = response.reason if response.reason is not None else _phrase(response.status)
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in end_to_end(response.headers)]
    body = response.body
    if response.status not in (204, 304):
        lines.append("transfer-encoding: chunked" if chunk else f"content-length: {len(body)}")
        body = _chunks(body, chunk) if chunk else body
    if not keep_alive:
        lines.append("connection: close")
    return _head(lines) + body


def _chunks(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def render_request(request: Request, *, host: str, prefix: str = "") -> bytes:
    """The bytes of a request as it is passed on to ``host``, its path below ``prefix``.

    ``accept-encoding`` is dropped, so that what is recorded can be read.
    """
    lines = [f"{request.method} {prefix}{request.target} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in end_to_end(request.headers, "host", "accept-encoding")]
    if request.body or request.method not in ("GET", "HEAD"):
        lines.append(f"content-length: {len(request.body)}")
    return _head(lines) + request.body


def _head(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1", errors="replace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
