"""``rating-harness tap`` as a process, and as curl sees it, which Kamailio's http_async_client is built on."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness.cli.main import main
from rating_harness.lab.protocol import Endpoint
from rating_harness.tap.client import TapClient
from rating_harness.tap.faults import (
    Action,
    Answer,
    Close,
    Drip,
    Fault,
    Garbage,
    Partial,
    Pass,
    Refuse,
    Reset,
    Silence,
)
from tests.unit.tap.bench import Agent, Tap


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the line with which it says that it is ready."""
    command = [sys.executable, "-c", "from rating_harness.cli.main import main; main()", "tap", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tap:
        assert tap.stdout
        try:
            yield tap, tap.stdout.readline()
        finally:
            tap.terminate()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_ends_in_good_order(tmp_path: Path, signum: signal.Signals) -> None:
    listener, control_listener = tmp_path / "agent.sock", tmp_path / "control.sock"
    addresses = ("--listen", f"unix:{listener}", "--listen", "127.0.0.1:0", "--control", f"unix:{control_listener}")
    with process(*addresses) as (tap, line):
        assert line.startswith(f"tap ready at unix:{listener} 127.0.0.1:")
        assert line.rstrip().endswith(f"control at unix:{control_listener}")
        with (
            TapClient(Endpoint("http://tap", str(control_listener))) as client,
            socket.socket(socket.AF_UNIX) as agent,
        ):
            client.set_faults(Fault(Silence()))
            agent.connect(str(listener))
            agent.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.exchanges(wait=2).exchanges[0].pending
            tap.send_signal(signum)
            assert tap.wait(timeout=30) == 0
    assert not listener.exists()
    assert not control_listener.exists()


def test_an_address_in_use_is_said_without_a_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(main, ["tap", "--listen", address, "--control", f"unix:{tmp_path}/c.sock"])
    assert result.exit_code == 2
    assert result.output.splitlines() == [f"can't listen on {address}", "  found:    Address already in use"]
    assert not (tmp_path / "c.sock").exists()


@pytest.mark.parametrize("address", ["8080", "localhost", "host:port", "127.0.0.1:70000", "unix:"])
def test_no_address(address: str) -> None:
    result = CliRunner().invoke(main, ["tap", "--listen", address, "--control", "127.0.0.1:0"])
    assert result.exit_code == 2
    assert "HOST:PORT, [ADDRESS6]:PORT or unix:PATH" in result.output


def test_no_upstream_url() -> None:
    arguments = ["tap", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--upstream", "engine:8080"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "found:    engine:8080" in result.output


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl isn't installed")


@needs_curl
@pytest.mark.parametrize(
    ("action", "status"),
    [
        (Pass(), 0),
        (Answer(503), 22),
        (Silence(), 28),
        (Partial("hang"), 28),
        (Drip(8, 0.3), 28),
        (Partial(), 18),
        (Reset(), 56),
        (Close(), 52),
        (Garbage(), 1),
        (Refuse(), 7),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_what_curl_makes_of_it(tap: Tap, action: Action, status: int) -> None:
    tap.client.set_faults(Fault(action))
    command = ["curl", "--silent", "--fail", "--max-time", "0.5", "--json", "{}", f"http://{tap.address}/v1/x"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == status


@needs_curl
def test_curl_sends_a_post_again_after_a_reset_on_a_kept_alive_connection(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(Reset(after="upstream"), path="end_transaction", count=1))
    urls = [f"http://{tap.address}/v1/{step}_transaction" for step in ("begin", "end")]
    assert (
        subprocess.run(["curl", "--silent", "--json", "{}", *urls], capture_output=True, check=False).returncode == 0
    )
    exchanges = tap.client.exchanges().exchanges
    assert [(each.endpoint, each.outcome) for each in exchanges] == [
        ("begin_transaction", "answered"),
        ("end_transaction", "reset"),
        ("end_transaction", "answered"),
    ]
    assert len(agent.requests) == 3
