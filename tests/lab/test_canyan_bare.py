"""canyan-tester's own way: its function and its command line, against a SIP server and an API that run already."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rating_harness.canyan import TesterFailed, run_tester
from rating_harness.canyan.plan import CARRIER
from rating_harness.cli.main import main
from rating_harness.deadline import Deadline, await_condition
from rating_harness.lab.local import LocalLab
from rating_harness.lab.protocol import Program
from rating_harness.plan.render import render, sdp_for

pytestmark = pytest.mark.lab

FILES = Path(__file__).parents[1] / "canyan"

REPLY = """
  <send><![CDATA[

SIP/2.0 %s
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
%sContent-Length: 0

]]></send>
"""
CHALLENGING = (
    '<?xml version="1.0"?><scenario name="challenging"><recv request="INVITE"/>'
    + REPLY % ("407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="lab", nonce="1"\n')
    + """<recv request="ACK"/>
  <recv request="INVITE"><action>
    <ereg regexp='username="1000",realm="lab"' search_in="hdr" header="Proxy-Authorization:" check_it="true"
          assign_to="1"/>
  </action></recv><Reference variables="1"/>"""
    + REPLY % ("200 OK", "")
    + '<recv request="ACK"/><recv request="BYE"/>'
    + REPLY % ("200 OK", "")
    + "</scenario>"
)


@contextmanager
def serving(scenario: str) -> Iterator[str]:
    """A SIP server that does with calls what a SIPp scenario says; where it is."""
    with LocalLab.open(network="host") as lab:
        host = lab.host(CARRIER)
        # Its control socket is bound there, too, and not to all addresses of the machine, which others have in use.
        where = ("-i", host.address, "-p", "5080", "-ci", host.address)
        argv = ("sipp", "-sf", "uas.xml", *where, "-nostdin", "-trace_stat", "-stf", "stat.csv")
        server = lab.run(Program("server", "sipp", argv, host, {"uas.xml": scenario.encode()}))
        await_condition(lambda: server.read_file("stat.csv") is not None, Deadline(60), "a server's socket")
        yield f"{host.address}:5080"


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A SIP server that answers every call."""
    with serving(render("carrier.xml.j2", name="server", sdp=sdp_for(True))) as where:
        yield where


@dataclass
class Api:
    """What was asked of a REST API that knows one tenant."""

    url: str
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def api() -> Iterator[Api]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            known.asked.append((self.command, self.path, json.loads(body) if body else None))
            self.send_response(known.status)
            self.end_headers()
            self.wfile.write(b'{"id": "7"}')

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """It's a test's."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = Api(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield known
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_function_makes_calls_and_requests_in_order(target: str, api: Api, tmp_path: Path) -> None:
    told: list[str] = []
    run_tester(
        str(FILES / "without-rating.yaml"),
        target,
        directory=str(tmp_path),
        apiurl=api.url,
        verbose=True,
        echo=told.append,
    )

    assert [(method, path) for method, path, _ in api.asked] == [
        ("POST", "/tenants/"),
        ("GET", "/tenants/7"),
        ("DELETE", "/tenants/7"),
    ]
    created = api.asked[0][2]
    assert len(created["name"]) == len("tenant_") + 36
    assert created["address"] == "127.0.0.1"
    (evidence,) = tmp_path.iterdir()
    sent = (evidence / "sip" / "worker-1-2.txt").read_text()
    assert "To: <sip:7@example.org>" in sent
    assert told[-1] == "Done"
    assert any("POST" in line for line in told)


def test_a_failure_is_a_runtime_error_that_says_why(target: str, api: Api, tmp_path: Path) -> None:
    api.status = 500
    with pytest.raises(RuntimeError, match=r"setup\[0\](.|\n)*expected \| status 200\n +seen \| status 500"):
        run_tester(str(FILES / "without-rating.yaml"), target, directory=str(tmp_path), apiurl=api.url)
    assert [method for method, _, _ in api.asked] == ["POST"]


def test_setup_and_teardown_can_be_left_out(target: str, api: Api, tmp_path: Path) -> None:
    with pytest.raises(TesterFailed, match="no 'id'"):
        run_tester(
            str(FILES / "without-rating.yaml"),
            target,
            directory=str(tmp_path),
            apiurl=api.url,
            no_setup=True,
            no_teardown=True,
        )
    assert api.asked == []


def test_no_such_file() -> None:
    with pytest.raises(FileNotFoundError):
        run_tester("nowhere.yaml")


def test_a_program_that_is_no_sipp_makes_no_calls(target: str, api: Api, tmp_path: Path) -> None:
    with pytest.raises(TesterFailed, match="no call was made at all"):
        run_tester(str(FILES / "without-rating.yaml"), target, "/bin/echo", directory=str(tmp_path), apiurl=api.url)


def test_the_command_line(target: str, api: Api, tmp_path: Path) -> None:
    words = ["-t", target, "-a", api.url, "-d", str(tmp_path), "-s", "7", "--verbose", "--no-teardown"]
    result = CliRunner().invoke(main, ["run", str(FILES / "without-rating.yaml"), *words])

    assert result.exit_code == 0, result.output
    assert result.output.endswith("passed\n")
    assert [method for method, _, _ in api.asked] == ["POST", "GET"]


def test_the_built_in_scenario_calls_with_digest(api: Api, tmp_path: Path) -> None:
    user = "1000;example.org;[authentication username=1000 password=secret];39040123456"
    (tmp_path / "users.csv").write_text(f"SEQUENTIAL\n{user}\n")
    (tmp_path / "file.yaml").write_text("workers:\n  - {extra_args: -inf users.csv, values: {call_duration: 100}}\n")
    with serving(CHALLENGING) as challenging:
        run_tester(str(tmp_path / "file.yaml"), challenging, directory=str(tmp_path / "kept"), apiurl=api.url)
    (evidence,) = (tmp_path / "kept").iterdir()
    sent = (evidence / "sip" / "worker-1.txt").read_text()
    assert sent.count("\nINVITE sip:39040123456@") == 2
    assert "\nBYE sip:" in sent
