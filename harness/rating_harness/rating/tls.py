"""TLS towards an engine of one's own: whom to trust, and who is asking."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from rating_harness.errors import UsageError

__all__ = ["CERTIFICATE", "KEY", "TRUSTED", "carried_files", "named_files", "tls_context"]

TRUSTED = "SSL_CERT_FILE"
"""The environment's name of a file of certificates to trust, which OpenSSL reads by itself."""
CERTIFICATE, KEY = "RATING_CLIENT_CERT", "RATING_CLIENT_KEY"
"""The environment's names of the certificate that an engine asks for, and of its key, where it's in another file."""


def tls_context() -> ssl.SSLContext:
    """What trusts as the environment says, and shows the certificate that it names.

    :raises UsageError: a file that it names can't be used.
    """
    if (trusted := os.environ.get(TRUSTED)) and not Path(trusted).is_file():
        raise UsageError("the certificates to trust can't be read", where=trusted, hint=f"{TRUSTED} names the file")
    context = ssl.create_default_context()
    certificate, key = os.environ.get(CERTIFICATE), os.environ.get(KEY)
    if not certificate:
        return context
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key or None, password="")
    except (OSError, ValueError) as error:
        raise UsageError(
            "the client's certificate can't be used",
            where=certificate,
            expected="PEM: the certificate, those that it was issued by, and its key without a password",
            found=getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error),
            hint=f"{CERTIFICATE} names the file, and {KEY} that of the key where it's another",
        ) from None
    return context


def named_files(inside: str | None = None) -> dict[str, str]:
    """What the environment names, wherever a program is that's given it.

    :param inside: the directory of `carried_files`; None: the files are this machine's.
    """
    return {
        name: f"{inside}/{name}" if inside else str(Path(os.environ[name]).absolute())
        for name in (TRUSTED, CERTIFICATE, KEY)
        if os.environ.get(name)
    }


def carried_files(inside: str) -> dict[str, bytes]:
    """The same files for a program that can't read this machine's: path there -> content.

    :raises UsageError: one can't be read.
    """
    files = {}
    for name, path in named_files().items():
        try:
            files[f"{inside}/{name}"] = Path(path).read_bytes()
        except OSError as error:
            raise UsageError(
                "a certificate can't be read", where=path, found=error.strerror, hint=f"{name} names the file"
            ) from None
    return files
