"""Engines of other manners behind the tap: what works, and of what doesn't whose fault it is."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest

from rating_harness.checks.model import Verdict
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

pytestmark = pytest.mark.lab

_TOO_LATE = 6.0
"""Seconds: twice as long as Kamailio waits here, which is long enough for a busy machine."""

XML = b"<?xml version='1.0'?><answer authorized='true'/>"
USABLE = ("plain", "text-plain", "chunked", "closes", "http10", "gzip-if-asked")
UNUSABLE = {
    "xml": "it answered authorization with XML or HTML",
    "created": "it answered authorization with 201, and the contract has 200",
    "no-content": "it answered authorization with 204, and the contract has 200",
    "redirect": "it answered authorization with 307, a redirect, which isn't followed: give the URL that it leads to",
    "gzip": "it answered authorization with gzip, which no Accept-Encoding names",
    "bom": "it answered authorization with a byte order mark before the JSON, which JSON mustn't have (RFC 8259",
    "too-late": "it had not answered authorization after ",
    "another-call": "its answer to authorization is about another call, not-this-one",
    "within": "its answer to authorization has no 'authorized' but within 'data'",
    "broken-off": "it can't be reached: http://",
}
"""Manner -> how the hint tells it."""


class Handler(BaseHTTPRequestHandler):
    """Answers in the manner that the number says which is called."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        manner = MANNERS[int(str(asked["destination"]).partition("@")[0][-2:])]
        answer: dict[str, Any] = {"ok": True}
        if self.path.endswith("/authorization"):
            answer = {"authorized": True, "max_available_units": 600, "carriers": ["UDP:carrier:5060"]}
        if manner == "another-call":
            answer = {"authorized": False, "transaction_tag": "not-this-one", "unauthorized_reason": "NOT_FOUND"}
        if manner == "within":
            answer = {"data": answer}
        body = XML if manner == "xml" else json.dumps(answer).encode()
        if manner == "too-late":
            time.sleep(_TOO_LATE)
        if manner == "broken-off":
            self.close_connection = True
            return
        is_packed = manner == "gzip" or (manner == "gzip-if-asked" and "gzip" in str(self.headers["accept-encoding"]))
        body = b"" if manner == "no-content" else b"\xef\xbb\xbf" * (manner == "bom") + body
        body = gzip.compress(body) if is_packed else body
        self.send_response_only({"created": 201, "no-content": 204, "redirect": 307}.get(manner, 200))
        self.send_header("content-type", "text/plain" if manner == "text-plain" else "application/json")
        if is_packed:
            self.send_header("content-encoding", "gzip")
        if manner == "redirect":
            self.send_header("location", "/elsewhere")
        if manner == "closes":
            self.send_header("connection", "close")
        self.close_connection = manner in ("closes", "http10")
        if manner == "chunked":
            self.send_header("transfer-encoding", "chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
        elif manner not in ("http10", "no-content"):
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    request_queue_size = 128


class Server6(Server):
    address_family = socket.AF_INET6


MANNERS = (*USABLE, *UNUSABLE)


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[int]:
    """Its port."""
    with server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def judged(url: str, manners: tuple[str, ...], tmp_path: Path, lab: Literal["local", "docker"] = "local") -> Verdict:
    """A call for each manner, all in one scenario."""
    lines = [
        f'  - {{id: {manner}, from: "1000", to: "390401234{MANNERS.index(manner):02}", hold: 1s, '
        f"expect: {{reply: 200, ended_by: caller}}}}"
        for manner in manners
    ]
    file = tmp_path / "manners.yaml"
    file.write_text(
        "\n".join(
            [
                "scenario: Engines of other manners",
                "given: {carriers: [{carrier_tag: carrier, host: carrier}]}",
                "calls:",
                *lines,
            ]
        ),
        "utf-8",
    )
    options = Options(lab=lab, agent_url=url, defines={"RATING_HTTP_TIMEOUT": "3000", "FR_TIMER": "5000"})
    with closing(Session(options, lambda *_: None)) as session:
        verdict = session.run(load(file)[0]).verdict
    assert verdict is not None
    return verdict


def test_manners_that_http_and_json_allow_and_those_that_are_the_engines_fault(tmp_path: Path) -> None:
    with serving(Server(("127.0.0.1", 0), Handler)) as port:
        verdict = judged(f"http://127.0.0.1:{port}", MANNERS, tmp_path)
    replies = {each.message: each.hint for each in verdict.findings if "another final reply" in each.message}
    assert {name.split(":")[0].removeprefix("call ") for name in replies} == set(UNUSABLE)
    for manner, told in UNUSABLE.items():
        hint = replies[f"call {manner}: another final reply to the caller"]
        assert hint.startswith(f"the agent is at fault, and not Kamailio: {told}"), hint


def test_an_address_of_ipv6(tmp_path: Path) -> None:
    with serving(Server6(("::1", 0), Handler)) as port:
        assert judged(f"http://[::1]:{port}", ("plain",), tmp_path).findings == ()


def certificate_of(who: str, directory: Path, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """Signed by itself, and its key."""
    key, certificate = directory / f"{who}-key.pem", directory / f"{who}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={who}"),
            *("-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_certificates_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try_certificates(tmp_path, monkeypatch, "127.0.0.1", "local")


def try_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, lab: Literal["local", "docker"]
) -> None:
    """One that nobody trusts but the environment, and an engine that wants to see one.

    :param address: this machine's, as the lab reaches it.
    """
    certificate, key = certificate_of("engine", tmp_path, address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Server((address, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        url = f"https://{address}:{port}"
        hint = judged(url, ("plain",), tmp_path, lab).findings[0].hint
        assert "SSL_CERT_FILE=FILE" in hint
        assert url in hint
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", certificate.name)
        assert judged(url, ("plain",), tmp_path, lab).findings == ()

        own, own_key = certificate_of("harness", tmp_path)
        context.load_verify_locations(own)
        context.verify_mode = ssl.CERT_REQUIRED
        hint = judged(url, ("plain",), tmp_path, lab).findings[0].hint
        assert "RATING_CLIENT_CERT=FILE" in hint
        monkeypatch.setenv("RATING_CLIENT_CERT", own.name)
        monkeypatch.setenv("RATING_CLIENT_KEY", own_key.name)
        assert judged(url, ("plain",), tmp_path, lab).findings == ()
