"""Generators of a load on other machines, and what controls them; both are scripts that need Python's library alone.

``python generator.py generate HOST PORT``
    on each machine: it is given a number, and starts the SIPps of that number's share when it is told to. What they
    write down goes to the control as it comes, so that it's there when the machine isn't any more.

``python generator.py control ADDRESS PORT COUNT``
    in the lab: numbers the generators, compares their clocks with its own, starts them all at the same time (a
    real-time signal for each call of the scenario, `START`), and keeps what they send, below its working directory:
    ``state.json`` (`STATE`), and ``NUMBER/CALL/FILE``.

They talk in frames: a line of JSON, and as many octets after it as its ``size`` says. A control that hears nothing
of a generator for `SILENCE` seconds takes it for lost; a generator that hears nothing of its control ends its SIPps:
else it would go on calling when nobody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import signal
import socket
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["JOB", "SILENCE", "START", "STATE", "Control", "Generator", "read_frame", "write_frame"]

STATE = "state.json"
"""``{"generators": {"1": {"node", "address", "state", "clock", "precision", "exits", "why"}}}``: ``state`` is
waiting, ready, over or lost; ``clock`` the seconds by which its clock is ahead, give or take ``precision``; ``exits``
the exit status of each call's SIPp."""

JOB = "job"
"""The beginning of the names of the files that have, one after the other, the job: gzip of JSON."""

START = signal.SIGRTMIN
"""Starts the scenario's first call; the next signal its second, and so on."""

SILENCE = 8.0

_OUTPUT = "output.log"
_CONNECTS_WITHIN = 60.0
_ALIVE = 1.0
_ENDS = 5.0
_LOOK = 0.2
"""Seconds between two looks at what SIPp has written."""
_ROUNDS = 12
"""How often two clocks are compared; the quickest answer counts."""
_PIECE = 1 << 20
_NOT_STARTED = 98
"""The exit status of SIPp's own for an internal error (`rating_harness.sipp.result`): nothing is believed of it."""


async def read_frame(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """:raises EOFError: the other end has closed the connection."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header = json.loads(line)
    return header, await reader.readexactly(header.get("size", 0))


def write_frame(writer: asyncio.StreamWriter, header: dict[str, Any], content: bytes = b"") -> None:
    writer.write(json.dumps({**header, "size": len(content)}).encode() + b"\n" + content)


class _Share:
    """What the control knows of a generator."""

    def __init__(self) -> None:
        self.state, self.why, self.node, self.address = "waiting", "", "", ""
        self.clock = self.precision = 0.0
        self.exits: dict[str, int] = {}
        self.writer: asyncio.StreamWriter | None = None

    def plain(self) -> dict[str, Any]:
        names = ("state", "why", "node", "address", "clock", "precision", "exits")
        return {name: getattr(self, name) for name in names}


class Control:
    """:param folder: where it keeps what it's sent.
    :param count: how many generators there are to be.
    """

    def __init__(
        self, folder: Path, count: int, *, silence: float = SILENCE, now: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._silence = silence
        self._now = now
        self._shares = {number: _Share() for number in range(1, count + 1)}
        self._has_begun = False
        self._save()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One generator, from its first word to its last."""
        try:
            with contextlib.suppress(EOFError, OSError, TimeoutError):
                hello, _ = await asyncio.wait_for(read_frame(reader), self._silence)
                await self._number(hello, reader, writer)
        finally:
            writer.close()

    async def _number(
        self, hello: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        free = [number for number, share in self._shares.items() if share.state == "waiting" and not share.writer]
        # A share that has begun is nobody else's: some of its calls have been made.
        number = 0 if self._has_begun or not free else free[0]
        write_frame(writer, {"share": number})
        await writer.drain()
        if not number:
            return
        share = self._shares[number] = _Share()
        share.writer, share.node, share.address = writer, hello["node"], hello["address"]
        alive = asyncio.create_task(_stay_alive(writer))
        try:
            share.clock, share.precision = await self._compare(reader, writer)
            share.state = "ready"
            self._save()
            await self._listen(number, share, reader, writer)
        except TimeoutError:
            self._lose(number, f"no word from it for {self._silence:g} s")
        except (EOFError, OSError):
            self._lose(number, "it broke off its connection")
        finally:
            alive.cancel()

    def _lose(self, number: int, why: str) -> None:
        if self._has_begun:
            share = self._shares[number]
            share.state, share.why = "lost", why
        else:
            self._shares[number] = _Share()
        self._save()

    async def _compare(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[float, float]:
        """Seconds by which its clock is ahead, and by how much that may be wrong."""
        found = []
        for index in range(_ROUNDS):
            sent = self._now()
            write_frame(writer, {"clock": index})
            while True:
                header, _ = await asyncio.wait_for(read_frame(reader), self._silence)
                if header.get("clock") == index:
                    break
            received = self._now()
            found.append(((received - sent) / 2, header["at"] - (sent + received) / 2))
        precision, clock = min(found)
        return clock, precision

    async def _listen(
        self, number: int, share: _Share, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            header, content = await asyncio.wait_for(read_frame(reader), self._silence)
            if "file" in header:
                path = self._folder / str(number) / header["call"] / header["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab") as file:
                    file.write(content)
            elif "exit" in header:
                share.exits[header["call"]] = header["exit"]
                self._save()
            elif "over" in header:
                clock, precision = await self._compare(reader, writer)
                # A clock that was set meanwhile makes its times as uncertain as it was moved.
                share.precision = max(share.precision, precision, abs(clock - share.clock))
                share.state = "over"
                self._save()
                write_frame(writer, {"bye": True})
                await writer.drain()
                return

    def start(self, call: int) -> None:
        """Have all generators begin the call of that index in the scenario."""
        self._has_begun = True
        for share in self._shares.values():
            if share.state == "ready" and share.writer is not None:
                write_frame(share.writer, {"start": str(call)})

    def stop(self) -> None:
        """Have all generators end."""
        self._has_begun = True
        for share in self._shares.values():
            if share.state == "ready" and share.writer is not None:
                write_frame(share.writer, {"stop": True})

    @property
    def is_over(self) -> bool:
        return all(share.state != "ready" for share in self._shares.values())

    def _save(self) -> None:
        state = {"generators": {str(number): share.plain() for number, share in self._shares.items()}}
        new = self._folder / f"{STATE}.new"
        new.write_text(json.dumps(state), "utf-8")
        new.rename(self._folder / STATE)


async def _stay_alive(writer: asyncio.StreamWriter) -> None:
    while True:
        write_frame(writer, {"alive": True})
        await asyncio.sleep(_ALIVE)


class Generator:
    """:param parts: of each call, by its index in the scenario: ``command``, ``address`` (the word of the command in
    whose place the generator's own is put), ``files`` (name -> base64), ``follow`` (names), ``late`` (seconds) and,
    where SIPp is given its rates, ``pace``: its command.
    """

    def __init__(
        self, parts: dict[str, Any], address: str, folder: Path, *, now: Callable[[], float] = time.time
    ) -> None:
        self._parts = parts
        self._address = address
        self._folder = folder
        self._now = now
        self._running: dict[str, asyncio.Task[None]] = {}
        self._processes: list[asyncio.subprocess.Process] = []
        self._is_stopped = False

    async def work(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, silence: float) -> None:
        """Until its control says good-bye.

        :raises EOFError, OSError, TimeoutError: its control is gone.
        """
        alive = asyncio.create_task(_stay_alive(writer))
        ending: asyncio.Task[None] | None = None
        try:
            while True:
                header, _ = await asyncio.wait_for(read_frame(reader), silence)
                if "clock" in header:
                    write_frame(writer, {"clock": header["clock"], "at": self._now()})
                elif "start" in header and header["start"] in self._parts:
                    call = header["start"]
                    self._running[call] = asyncio.create_task(self._run(call, self._parts[call], writer))
                elif "stop" in header:
                    self._is_stopped = True
                    self._terminate()
                elif "bye" in header:
                    return
                if ending is None and (self._is_stopped or self._running.keys() == self._parts.keys()):
                    ending = asyncio.create_task(self._say_over(writer))
        finally:
            for task in (alive, ending, *self._running.values()):
                if task is not None:
                    task.cancel()
            await self._end()

    def _terminate(self) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    async def _end(self) -> None:
        """Have what it started end, whatever that takes."""
        self._terminate()
        until = time.monotonic() + _ENDS
        for process in self._processes:
            try:
                await asyncio.wait_for(process.wait(), max(0.0, until - time.monotonic()))
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _say_over(self, writer: asyncio.StreamWriter) -> None:
        await asyncio.gather(*self._running.values())
        write_frame(writer, {"over": True})

    async def _run(self, call: str, part: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        folder = self._folder / call
        folder.mkdir(parents=True)
        for name, content in part["files"].items():
            (folder / name).write_bytes(b64decode(content))
        await asyncio.sleep(part["late"])
        if self._is_stopped:
            return
        names, sent = [*part["follow"], _OUTPUT], dict.fromkeys([*part["follow"], _OUTPUT], 0)
        try:
            sipp = await self._start(part["command"], part["address"], folder)
            pace = await self._start(part["pace"], part["address"], folder) if part.get("pace") else None
        except OSError as error:
            write_frame(writer, {"call": call, "file": _OUTPUT}, f"it can't be started: {error}\n".encode())
            write_frame(writer, {"call": call, "exit": _NOT_STARTED})
            return
        status = None
        while status is None:
            with contextlib.suppress(TimeoutError):
                status = await asyncio.wait_for(sipp.wait(), _LOOK)
            if pace is not None and pace.returncode not in (None, 0):
                sipp.kill()
                status = _NOT_STARTED
            for name in names:
                sent[name] += await _send_rest(folder / name, sent[name], {"call": call, "file": name}, writer)
        write_frame(writer, {"call": call, "exit": status})

    async def _start(self, command: list[str], address: str, folder: Path) -> asyncio.subprocess.Process:
        words = [self._address if word == address else word for word in command]
        with (folder / _OUTPUT).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *words, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._processes.append(process)
        return process


async def _send_rest(path: Path, position: int, header: dict[str, Any], writer: asyncio.StreamWriter) -> int:
    """Send what a file has from that position on. How much that is."""
    count = 0
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(position)
        while piece := file.read(_PIECE):
            write_frame(writer, header, piece)
            await writer.drain()
            count += len(piece)
    return count


async def generate(host: str, port: int, folder: Path) -> None:
    """:raises EOFError, OSError, TimeoutError: its control is gone."""
    pieces = sorted(Path(__file__).parent.glob(f"{JOB}.*"))
    job = json.loads(gzip.decompress(b"".join(piece.read_bytes() for piece in pieces)))
    reader, writer = await _connect(host, port)
    try:
        address = writer.get_extra_info("sockname")[0]
        node = os.environ.get("GENERATOR_NODE") or socket.gethostname()
        write_frame(writer, {"node": node, "address": address})
        header, _ = await asyncio.wait_for(read_frame(reader), SILENCE)
        if header["share"]:
            generator = Generator(job[str(header["share"])], address, folder)
            await generator.work(reader, writer, silence=SILENCE)
    finally:
        writer.close()


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Its control may begin later, or its name be known later."""
    until = time.monotonic() + _CONNECTS_WITHIN
    while True:
        try:
            return await asyncio.wait_for(asyncio.open_connection(host, port), SILENCE)
        except (OSError, TimeoutError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_LOOK)


async def control(address: str, port: int, count: int, folder: Path) -> None:
    controlling = Control(folder, count)
    loop = asyncio.get_running_loop()
    is_stopped = asyncio.Event()
    for signum in range(int(START), signal.SIGRTMAX + 1):
        loop.add_signal_handler(signum, controlling.start, signum - START)
    loop.add_signal_handler(signal.SIGTERM, is_stopped.set)
    server = await asyncio.start_server(controlling.serve, address, port)
    await is_stopped.wait()
    controlling.stop()
    until = time.monotonic() + SILENCE
    while not controlling.is_over and time.monotonic() < until:
        await asyncio.sleep(_LOOK)
    server.close()


def main() -> int:
    kind, host, port, *rest = sys.argv[1:]
    work = (
        generate(host, int(port), Path.cwd())
        if kind == "generate"
        else control(host, int(port), int(rest[0]), Path.cwd())
    )
    try:
        asyncio.run(work)
    except (EOFError, OSError, TimeoutError) as error:
        sys.stderr.write(f"the control is gone: {error or type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
