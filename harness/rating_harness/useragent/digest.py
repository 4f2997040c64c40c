"""Digest credentials for a challenge (RFC 7616, and RFC 2617 where the challenge has no qop)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping

__all__ = ["credentials"]

_HASHES: Mapping[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,"]+))')


def credentials(challenge: str, *, username: str, password: str, method: str, uri: str) -> str:
    """The value of Authorization, or of Proxy-Authorization, that answers a challenge.

    :raises ValueError: it isn't a digest challenge, or asks for an algorithm that nobody here knows.
    """
    scheme, _, rest = challenge.partition(" ")
    asks = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}
    algorithm = asks.get("algorithm", "MD5")
    if scheme.lower() != "digest" or algorithm.upper() not in _HASHES:
        raise ValueError(f"no answer is known to the challenge {challenge[:80]!r}")
    digest = _HASHES[algorithm.upper()]

    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode("latin-1", "replace"))

    realm, nonce = asks.get("realm", ""), asks.get("nonce", "")
    secret, request = hashed(username, realm, password), hashed(method, uri)
    said = {"username": username, "realm": realm, "nonce": nonce, "uri": uri}
    has_qop = "auth" in [word.strip() for word in asks.get("qop", "").split(",")]
    bare = {"algorithm": algorithm}
    if has_qop:
        count, own = "00000001", secrets.token_hex(8)
        said |= {"cnonce": own, "response": hashed(secret, nonce, count, own, "auth", request)}
        bare |= {"qop": "auth", "nc": count}
    else:
        said["response"] = hashed(secret, nonce, request)
    if "opaque" in asks:
        said["opaque"] = asks["opaque"]
    quoted = [f'{name}="{value}"' for name, value in said.items()]
    return "Digest " + ", ".join([*quoted, *(f"{name}={value}" for name, value in bare.items())])
