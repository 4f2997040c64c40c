"""The lab's own certificate, for every end that speaks TLS."""

from __future__ import annotations

from rating_harness.lab.files import data_directory

__all__ = ["certificates"]


def certificates() -> dict[str, bytes]:
    """``certificate.pem`` and ``key.pem``."""
    return {file.name: file.read_bytes() for file in sorted((data_directory("compose") / "tls").glob("*.pem"))}
