"""What gives a running SIPp its rates."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rating_harness.sipp import pace


def test_each_rate_is_sent_when_it_is_due() -> None:
    clock = [100.0]
    sent: list[tuple[float, bytes]] = []

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def send(command: bytes) -> None:
        sent.append((clock[0] - 100, command))
        clock[0] += 0.25  # what is late isn't later for it

    pace.keep_pace([(0, 5.5), (1, 0), (1.1, 1234.567), (3, 1)], send, now=lambda: clock[0], sleep=sleep)
    assert [round(at, 6) for at, _ in sent] == [0, 1, 1.25, 3]
    assert [command for _, command in sent] == [
        b"cset rate 5.5",
        b"cset rate 0",
        b"cset rate 1234.567",
        b"cset rate 1",
    ]


def test_it_runs_by_itself_where_the_package_is_not(tmp_path: Path) -> None:
    (tmp_path / "pace.py").write_bytes(Path(pace.__file__).read_bytes())
    (tmp_path / pace.CHANGES).write_text(json.dumps([(0, 2.5), (0.05, 7)]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        control.bind(("127.0.0.1", 0))
        control.settimeout(30)
        port = str(control.getsockname()[1])
        command = [sys.executable, "-I", "pace.py", "127.0.0.1", port]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
        assert [control.recv(100) for _ in range(3)] == [b"cset rate 0", b"cset rate 2.5", b"cset rate 7"]


def test_it_waits_until_somebody_takes_commands() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
    ):
        taker.bind(("127.0.0.1", 0))
        address = taker.getsockname()
        taker.close()
        control.connect(address)
        with pytest.raises(TimeoutError, match="nobody takes commands"):
            pace.await_control(control, seconds=0.1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as later:
            later.bind(address)
            pace.await_control(control)
            later.settimeout(30)
            assert later.recv(100) == b"cset rate 0"
