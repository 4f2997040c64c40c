"""Which web pages may change what the engine holds: by default only its own.

The real services let pages of any origin read and write, credentials included, so that any page which a tester opens
could empty the engine. This one lets them read. Browsers name the page's origin (``Origin``, RFC 6454) and its
relation to the server (``Sec-Fetch-Site``); programs send neither and aren't affected.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ANY", "READ_BY_ALL", "WritingFor", "from_browser", "may_write", "refused"]

ANY = "*"
"""Pages of any origin, as the real services have it (CONTRACT, section 1)."""

READ_BY_ALL: dict[str, Any] = {
    "allow_origins": ["*"],
    "allow_methods": ["*"],
    "allow_headers": ["*"],
    "allow_credentials": True,
}
"""CORS of both services."""


def from_browser(scope: Scope) -> bool:
    """Whether a browser names the page that sends this request."""
    return any(name in (b"origin", b"sec-fetch-site") for name, _ in scope["headers"])


def may_write(scope: Scope, origins: Collection[str]) -> bool:
    """Whether the request's page, if it has one, is of the engine's own origin or of these (``http://HOST:PORT``)."""
    if not from_browser(scope) or ANY in origins:
        return True
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is not None:
        return origin in origins or origin.partition("://")[2] == headers.get("host")
    return headers.get("sec-fetch-site") in ("same-origin", "none")


def refused() -> Response:
    """403, with the way out."""
    return JSONResponse(
        {"detail": "a page of another origin may not change anything here (rating-harness engine --allow-origin)"},
        403,
    )


@dataclass(frozen=True, slots=True)
class WritingFor:
    """``app``, which changes something, for pages that may."""

    origins: Collection[str]
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.app if may_write(scope, self.origins) else refused())(scope, receive, send)
