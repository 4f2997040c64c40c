"""The tap speaks TLS: with its own certificate, and with clients that show one."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from rating_harness.errors import UsageError
from rating_harness.lab.files import data_directory
from rating_harness.lab.protocol import Endpoint
from rating_harness.rating.address import Address
from rating_harness.tap.client import TapClient
from rating_harness.tap.faults import Answer, Fault
from rating_harness.tap.server import Identity, serve

LAB = data_directory("compose") / "tls"
IDENTITY = Identity(LAB / "certificate.pem", LAB / "key.pem")


@pytest.mark.parametrize("shows", [False, True])
def test_requests_over_tls_are_recorded_with_what_the_client_showed(tmp_path: Path, shows: bool) -> None:
    control = tmp_path / "control.sock"
    addresses = ("--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--control", f"unix:{control}")
    command = [sys.executable, "-m", "rating_harness", "tap", *addresses]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().removeprefix("tap ready at ").split(",")[0].split()[1].rpartition(":")[2]
            context = ssl.create_default_context(cafile=str(IDENTITY.certificate))
            context.check_hostname = False
            if shows:
                context.load_cert_chain(IDENTITY.certificate, IDENTITY.key)
            with TapClient(Endpoint("http://tap", str(control))) as client:
                client.set_faults(Fault(Answer(200, {"ok": True})))
                answer = httpx.post(f"https://127.0.0.1:{port}/v1/begin_transaction", json={}, verify=context)
                (exchange,) = client.exchanges().exchanges
        finally:
            process.terminate()
    assert answer.json() == {"ok": True}
    assert exchange.tls == "TLSv1.3"
    assert exchange.client_certificate == ("CN=lab.test" if shows else "")


def test_the_labs_certificate_is_the_agents_too() -> None:
    text = subprocess.run(
        ["openssl", "x509", "-in", str(IDENTITY.certificate), "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "DNS:rating-agent" in text


def test_a_certificate_that_cant_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the certificate can't be used"):
        Identity(tmp_path / "none.pem", IDENTITY.key).server_context()


def test_tls_needs_a_certificate() -> None:
    local = [Address("127.0.0.1")]
    with pytest.raises(UsageError, match="TLS needs a certificate"):
        asyncio.run(serve(local, local, None, tls_listen=local, ready=lambda *_: None, stop=asyncio.Event()))
