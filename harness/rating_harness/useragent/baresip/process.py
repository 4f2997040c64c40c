"""A baresip that runs: its commands and events (ctrl_tcp), and the messages that it traces."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import time
import tty
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rating_harness.useragent.baresip.configuration import CONTROL_PORT, accounts_of, configuration_of
from rating_harness.useragent.baresip.netstring import Decoder, encode
from rating_harness.useragent.baresip.sip_trace import TraceReader
from rating_harness.useragent.endpoint import Trace
from rating_harness.useragent.message import Message
from rating_harness.useragent.script import CalleeScript, CallerScript

__all__ = ["Baresip", "BaresipError", "CallState"]

_START = 20.0
"""Seconds until it listens for commands."""

_ANSWER = 10.0
"""Seconds for the answer to a command."""

_END = 2.0
"""Seconds for an end in good order."""


class BaresipError(RuntimeError):
    """baresip ended by itself, or refused a command."""


class CallState:
    """What is known of a call, by its Call-ID.

    :ivar invite: the first INVITE of it that was sent or received.
    :ivar invites: CSeq numbers of those that were sent.
    """

    def __init__(self) -> None:
        self.invite: Message | None = None
        self.invites: set[int] = set()
        self.ringing = asyncio.Event()
        self.answered = asyncio.Event()
        self.closed = asyncio.Event()
        self._waiting: set[tuple[int, str]] = set()
        self.settled = asyncio.Event()
        self.settled.set()

    def note(self, message: Message, *, sent: bool) -> None:
        """A message of the call: which of this side's requests have no final reply."""
        if message.is_request and message.method == "INVITE":
            self.invite = self.invite or message
            if sent:
                self.invites.add(message.cseq[0])
        if sent and message.is_request and message.method != "ACK":
            self._waiting.add(message.cseq)
        elif not sent and message.status >= 200:
            self._waiting.discard(message.cseq)
        if self._waiting:
            self.settled.clear()
        else:
            self.settled.set()


class Baresip:
    """Started by `open`; its trace goes to ``trace`` as it comes.

    :ivar incoming: Call-IDs of calls that came, in order.
    :ivar failed: set once it has ended by itself, or what it says can't be read.
    """

    def __init__(self, script: CallerScript | CalleeScript, trace: Trace) -> None:
        self._script = script
        self._trace = trace
        self._reader = TraceReader()
        self._answers: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._tokens = 0
        self.calls: dict[str, CallState] = defaultdict(CallState)
        self.incoming: asyncio.Queue[str] = asyncio.Queue()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._process: subprocess.Popen[bytes] | None = None
        self._terminal = -1
        self._tasks: list[asyncio.Task[None]] = []
        self._writer: asyncio.StreamWriter | None = None
        self._is_closing = False

    # --- beginning and end ------------------------------------------------------------------------------------------

    async def open(self, root: Path, directory: Path) -> None:
        """Start it, and wait until it takes commands.

        :param root: the root filesystem that it's in; its libraries and its loader are the root's.
        :param directory: for its files.
        :raises BaresipError: it ended instead, or did neither.
        """
        directory.mkdir(exist_ok=True)
        settings = configuration_of(self._script.socket, root / "usr/lib/baresip/modules")
        (directory / "config").write_text(settings, encoding="utf-8")
        (directory / "accounts").write_text(accounts_of(self._script), encoding="utf-8")
        (directory / "contacts").write_text("", encoding="utf-8")
        # Into a pipe it would print in blocks, long after what it tells of.
        self._terminal, printing = pty.openpty()
        tty.setraw(printing)
        os.set_blocking(self._terminal, False)
        self._process = subprocess.Popen(
            _command(root, directory),
            stdin=subprocess.DEVNULL,
            stdout=printing,
            stderr=printing,
            env={"HOME": str(directory.resolve()), "LANG": "C.UTF-8"},
        )
        os.close(printing)
        asyncio.get_running_loop().add_reader(self._terminal, self._read_terminal)
        reader = await self._connect()
        self._tasks.append(asyncio.get_running_loop().create_task(self._read_control(reader)))

    async def _connect(self) -> asyncio.StreamReader:
        assert self._process is not None
        give_up = time.monotonic() + _START
        while True:
            try:
                reader, self._writer = await asyncio.open_connection(self._script.socket.local.address, CONTROL_PORT)
            except OSError:
                if self._process.poll() is not None:
                    raise BaresipError(f"baresip ended with status {self._process.returncode}") from None
                if time.monotonic() > give_up:
                    raise BaresipError(f"baresip took no commands within {_START:.0f} s") from None
                await asyncio.sleep(0.02)
            else:
                return reader

    async def close(self, *, kill: bool) -> None:
        """End it. Asked to terminate, it hangs up what goes on: ``kill`` when that's not to be seen by anybody."""
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            give_up = time.monotonic() + _END
            while self._process.poll() is None:
                if time.monotonic() > give_up:
                    self._process.kill()
                await asyncio.sleep(0.01)
            self._read_terminal()
        if self._terminal >= 0:
            asyncio.get_running_loop().remove_reader(self._terminal)
            os.close(self._terminal)
            self._terminal = -1
        if not self.failed.done():
            self.failed.cancel()

    # --- what it says -----------------------------------------------------------------------------------------------

    def _read_terminal(self) -> None:
        while True:
            try:
                printed = os.read(self._terminal, 1 << 16)
            except BlockingIOError:
                return
            except OSError:
                printed = b""
            if not printed:
                asyncio.get_running_loop().remove_reader(self._terminal)
                self._fail("baresip ended by itself")
                return
            os.write(1, printed)
            for traced in self._reader.feed(printed):
                socket = self._script.socket
                sent = traced.is_sent_by(socket.local.address, to=str(socket.kamailio))
                self._trace.note(traced.data, traced.transport, sent=sent)  # type: ignore[arg-type]
                with suppress(ValueError):
                    message = Message.parse(traced.data)
                    self.calls[message.call_id].note(message, sent=sent)

    async def _read_control(self, reader: asyncio.StreamReader) -> None:
        decoder = Decoder()
        try:
            while data := await reader.read(1 << 16):
                for each in decoder.feed(data):
                    self._take(each)
        except (OSError, ValueError) as error:
            self._fail(f"baresip's control interface: {error}")
        else:
            self._fail("baresip closed its control interface")

    def _take(self, said: Mapping[str, Any]) -> None:
        if "response" in said:
            answer = self._answers.pop(str(said.get("token")), None)
            if answer is not None and not answer.done():
                answer.set_result(said)
            return
        call_id, kind = said.get("id"), said.get("type")
        if not isinstance(call_id, str):
            return
        state = self.calls[call_id]
        match kind:
            case "CALL_INCOMING":
                # Its INVITE was printed before, and who waits for the call wants to know it.
                self._read_terminal()
                self.incoming.put_nowait(call_id)
            case "CALL_RINGING" | "CALL_PROGRESS":
                state.ringing.set()
            case "CALL_ESTABLISHED":
                state.answered.set()
            case "CALL_CLOSED":
                state.closed.set()

    def _fail(self, why: str) -> None:
        if self._is_closing:
            return
        if not self.failed.done():
            self.failed.set_exception(BaresipError(why))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(BaresipError(why))

    # --- what it's to do --------------------------------------------------------------------------------------------

    async def command(self, name: str, parameters: str = "") -> str:
        """:return: what it answers.
        :raises BaresipError: it refuses.
        """
        assert self._writer is not None
        self._tokens += 1
        token = str(self._tokens)
        answer = self._answers[token] = asyncio.get_running_loop().create_future()
        said = {"command": name, "token": token, **({"params": parameters} if parameters else {})}
        self._writer.write(encode(said))
        try:
            answered = await asyncio.wait_for(answer, _ANSWER)
        except TimeoutError:
            raise BaresipError(f"baresip didn't answer {json.dumps(said)} within {_ANSWER:.0f} s") from None
        data = str(answered.get("data", ""))
        if not answered.get("ok"):
            raise BaresipError(f"baresip refused {json.dumps(said)}: {data.strip()}")
        return data

    async def command_of(self, call_id: str, *names: str) -> None:
        """Commands for a call; nothing for one that has ended meanwhile."""
        state = self.calls[call_id]
        for name in names:
            if state.closed.is_set():
                return
            try:
                await self.command(name, call_id)
            except BaresipError:
                if not state.closed.is_set():
                    raise

    async def resume(self, call_id: str) -> None:
        """Take a call back that is on hold.

        It answers with an error where no other call is to be put on hold for it, and resumes the call all the same.

        :raises BaresipError: no re-INVITE was sent.
        """
        state = self.calls[call_id]
        before = len(state.invites)
        try:
            await self.command("resume", call_id)
        except BaresipError:
            self._read_terminal()
            if len(state.invites) == before and not state.closed.is_set():
                raise


def _command(root: Path, directory: Path) -> list[str]:
    libraries = next(root.glob("usr/lib/*/libc.so.6")).parent
    loader = next(libraries.glob("ld-linux*.so*"))
    words = [str(loader), "--library-path", str(libraries), str(root / "usr/bin/baresip")]
    return [*words, "-f", str(directory.resolve()), "-s"]
