"""Certificates that the environment names, for an engine of one's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rating_harness.errors import UsageError
from rating_harness.lab.protocol import Endpoint
from rating_harness.rating.http import http_client
from rating_harness.rating.tls import carried_files, named_files, tls_context


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "RATING_CLIENT_CERT", "RATING_CLIENT_KEY"):
        monkeypatch.delenv(name, raising=False)


def made(directory: Path, *, password: str | None = None) -> tuple[Path, Path]:
    certificate, key = directory / "own.pem", directory / "own-key.pem"
    locked = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=own", *locked]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def test_nothing_has_to_be_named() -> None:
    tls_context()
    assert named_files() == {}


def test_a_certificate_and_its_key_in_one_file_or_in_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = made(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RATING_CLIENT_CERT", "both.pem")
    tls_context()
    assert named_files() == {"RATING_CLIENT_CERT": str(both)}
    monkeypatch.setenv("RATING_CLIENT_CERT", certificate.name)
    monkeypatch.setenv("RATING_CLIENT_KEY", key.name)
    monkeypatch.setenv("SSL_CERT_FILE", certificate.name)
    tls_context()


@pytest.mark.parametrize("what", ["missing", "no key", "no certificate", "password"])
def test_one_that_cant_be_used_is_named_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    certificate, key = made(tmp_path, password="secret" if what == "password" else None)
    if what == "missing":
        certificate.unlink()
    if what == "no certificate":
        certificate.write_text("nothing of the kind")
    monkeypatch.setenv("RATING_CLIENT_CERT", str(certificate))
    if what != "no key":
        monkeypatch.setenv("RATING_CLIENT_KEY", str(key))
    with pytest.raises(UsageError, match="the client's certificate can't be used") as raised:
        tls_context()
    assert str(raised.value.where) == str(certificate)
    with pytest.raises(UsageError):
        http_client(Endpoint("https://127.0.0.1:1"), 1)


def test_certificates_to_trust_that_are_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(UsageError, match="the certificates to trust can't be read"):
        tls_context()


def test_what_a_container_is_given_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_text("those to trust")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert named_files("/etc/x") == {"SSL_CERT_FILE": "/etc/x/SSL_CERT_FILE"}
    assert carried_files("/etc/x") == {"/etc/x/SSL_CERT_FILE": b"those to trust"}
    trusted.unlink()
    with pytest.raises(UsageError, match=r"can't be read(?s:.*)SSL_CERT_FILE names the file"):
        carried_files("/etc/x")
