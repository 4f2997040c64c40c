"""A generator and its control, in one process, with a shell in SIPp's place."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rating_harness.sipp.generator import STATE, Control, Generator, read_frame, write_frame

LONG = 60.0


def part(script: str, **more: Any) -> dict[str, Any]:
    return {"command": ["sh", "-c", script], "address": "", "files": {}, "follow": ["trace"], "late": 0.0, **more}


@asynccontextmanager
async def controlled(folder: Path, count: int, silence: float = LONG) -> AsyncIterator[tuple[Control, int]]:
    control = Control(folder, count, silence=silence)
    server = await asyncio.start_server(control.serve, "127.0.0.1", 0)
    try:
        yield control, server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def generate(
    port: int, parts: dict[str, Any], folder: Path, *, now: Callable[[], float] = time.time, silence: float = LONG
) -> int:
    """As the script does it. Which number it was given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        write_frame(writer, {"node": folder.name, "address": "192.0.2.1"})
        header, _ = await read_frame(reader)
        if header["share"]:
            await Generator(parts, "192.0.2.1", folder, now=now).work(reader, writer, silence=silence)
        return int(header["share"])
    finally:
        writer.close()
        await writer.wait_closed()


def state(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / STATE).read_text())["generators"])


async def until(folder: Path, *states: str) -> None:
    async with asyncio.timeout(LONG):
        while [each["state"] for each in state(folder).values()] != list(states):
            await asyncio.sleep(0.01)


def run(work: Awaitable[None]) -> None:
    async def inside() -> None:
        await work

    asyncio.run(inside())


def test_what_they_write_is_at_the_control(tmp_path: Path) -> None:
    async def work() -> None:
        async with controlled(tmp_path, 2) as (control, port):
            script = "cat given > trace; echo said; exit 1"
            parts = {"0": part(script, files={"given": b64encode(b"a trace\n" * 9).decode()}, late=0.1)}
            first = asyncio.create_task(generate(port, parts, tmp_path / "a"))
            await until(tmp_path, "ready", "waiting")
            second = asyncio.create_task(generate(port, {"0": part("exit 0")}, tmp_path / "b"))
            await until(tmp_path, "ready", "ready")
            assert await generate(port, {}, tmp_path / "c") == 0
            control.start(0)
            assert [await first, await second] == [1, 2]

    run(work())
    found = state(tmp_path)
    assert [found[number]["exits"] for number in "12"] == [{"0": 1}, {"0": 0}]
    assert [found[number]["state"] for number in "12"] == ["over", "over"]
    assert (tmp_path / "1/0/trace").read_bytes() == b"a trace\n" * 9
    assert (tmp_path / "1/0/output.log").read_text() == "said\n"
    assert found["1"]["node"] == "a"


def test_its_own_address_is_put_in_the_planned_ones_place(tmp_path: Path) -> None:
    async def work() -> None:
        async with controlled(tmp_path, 1) as (control, port):
            parts = {"0": {**part(""), "command": ["echo", "198.18.0.9", "198.18.0.90"], "address": "198.18.0.9"}}
            generating = asyncio.create_task(generate(port, parts, tmp_path / "a"))
            await until(tmp_path, "ready")
            control.start(0)
            await generating

    run(work())
    assert (tmp_path / "1/0/output.log").read_text() == "192.0.2.1 198.18.0.90\n"


def test_clocks_are_compared(tmp_path: Path) -> None:
    async def work() -> None:
        async with controlled(tmp_path, 1) as (control, port):
            fast = asyncio.create_task(
                generate(port, {"0": part("exit 0")}, tmp_path / "a", now=lambda: time.time() + 1000)
            )
            await until(tmp_path, "ready")
            control.start(0)
            await fast

    run(work())
    found = state(tmp_path)["1"]
    assert abs(found["clock"] - 1000) <= found["precision"] + 1e-6
    assert found["precision"] < 10


def test_a_clock_that_is_set_meanwhile_is_uncertain(tmp_path: Path) -> None:
    ahead = 0.0

    async def work() -> None:
        nonlocal ahead
        async with controlled(tmp_path, 1) as (control, port):
            generating = asyncio.create_task(
                generate(port, {"0": part("exit 0")}, tmp_path / "a", now=lambda: time.time() + ahead)
            )
            await until(tmp_path, "ready")
            ahead = 1000.0
            control.start(0)
            await generating

    run(work())
    assert state(tmp_path)["1"]["precision"] > 900


def test_one_that_breaks_off_is_lost_with_what_it_had_said(tmp_path: Path) -> None:
    async def work() -> None:
        async with controlled(tmp_path, 2) as (control, port):
            parts = {"0": part("echo before > trace; exec sleep 60")}
            broken = asyncio.create_task(generate(port, parts, tmp_path / "a"))
            await until(tmp_path, "ready", "waiting")
            whole = asyncio.create_task(generate(port, {"0": part("exit 0")}, tmp_path / "b"))
            await until(tmp_path, "ready", "ready")
            control.start(0)
            async with asyncio.timeout(LONG):
                while not (tmp_path / "1/0/trace").exists():
                    await asyncio.sleep(0.01)
            broken.cancel()
            with suppress(asyncio.CancelledError):
                await broken
            await until(tmp_path, "lost", "over")
            await whole
            # Its share is nobody else's: some of its calls have been made.
            assert await generate(port, {}, tmp_path / "c") == 0

    run(work())
    assert "broke off" in state(tmp_path)["1"]["why"]
    assert (tmp_path / "1/0/trace").read_text() == "before\n"


def test_one_that_is_silent_is_lost(tmp_path: Path) -> None:
    async def work() -> None:
        async with controlled(tmp_path, 1, silence=3.0) as (control, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            write_frame(writer, {"node": "a", "address": "192.0.2.1"})
            answered = 0
            while answered < 12:
                header, _ = await read_frame(reader)
                if "clock" in header:
                    write_frame(writer, {"clock": header["clock"], "at": time.time()})
                    answered += 1
            await until(tmp_path, "ready")
            control.start(0)
            await until(tmp_path, "lost")
            writer.close()
            await writer.wait_closed()

    run(work())
    assert "no word" in state(tmp_path)["1"]["why"]


def test_one_that_ends_before_the_start_gives_its_share_back(tmp_path: Path) -> None:
    async def work() -> None:
        async with controlled(tmp_path, 1) as (control, port):
            gone = asyncio.create_task(generate(port, {"0": part("exit 0")}, tmp_path / "a"))
            await until(tmp_path, "ready")
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            await until(tmp_path, "waiting")
            taken = asyncio.create_task(generate(port, {"0": part("exit 0")}, tmp_path / "b"))
            await until(tmp_path, "ready")
            control.start(0)
            assert await taken == 1

    run(work())
    assert (state(tmp_path)["1"]["state"], state(tmp_path)["1"]["node"]) == ("over", "b")


def test_without_its_control_it_ends_its_sipps(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write_frame(writer, {"share": 1})
        write_frame(writer, {"start": "0"})
        with suppress(EOFError, OSError):
            while True:
                await read_frame(reader)
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        script = "trap 'echo ended > end; exit 0' TERM; echo begun > begun; while :; do sleep 0.05; done"
        with pytest.raises(TimeoutError):
            await generate(port, {"0": part(script)}, tmp_path / "a", silence=3.0)
        server.close()

    run(work())
    assert (tmp_path / "a/0/begun").exists()
    assert (tmp_path / "a/0/end").read_text() == "ended\n"


def test_it_is_stopped(tmp_path: Path) -> None:
    """What hasn't begun never does, and what has is ended in good order."""

    async def work() -> None:
        async with controlled(tmp_path, 1) as (control, port):
            parts = {
                "0": part("trap 'exit 7' TERM; echo up > trace; while :; do sleep 0.05; done"),
                "1": part("exit 0"),
            }
            generating = asyncio.create_task(generate(port, parts, tmp_path / "a"))
            await until(tmp_path, "ready")
            control.start(0)
            async with asyncio.timeout(LONG):
                while not (tmp_path / "1/0/trace").exists():
                    await asyncio.sleep(0.01)
            control.stop()
            await generating

    run(work())
    assert state(tmp_path)["1"]["exits"] == {"0": 7}


def test_a_program_that_isnt_there_is_said(tmp_path: Path) -> None:
    async def work() -> None:
        async with controlled(tmp_path, 1) as (control, port):
            parts = {"0": {**part(""), "command": ["no-such-program"]}}
            generating = asyncio.create_task(generate(port, parts, tmp_path / "a"))
            await until(tmp_path, "ready")
            control.start(0)
            await generating

    run(work())
    assert state(tmp_path)["1"]["exits"] == {"0": 98}
    assert "can't be started" in (tmp_path / "1/0/output.log").read_text()
