"""``python -m rating_harness.useragent.asterisk SCRIPT ROOT``: be the callee of a script, by an Asterisk.

It takes a callee's script (`rating_harness.useragent.script`), as far as a dialplan can do what it says. SIGTERM ends
it; then ``messages.log`` is made of what Asterisk logged.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rating_harness.useragent.agent import FAILED, write_statistics
from rating_harness.useragent.asterisk.configuration import LOG, files_of
from rating_harness.useragent.asterisk.sip_log import messages_of
from rating_harness.useragent.endpoint import Trace
from rating_harness.useragent.script import CalleeScript, from_json

__all__ = ["AsteriskError", "main"]

_HERE = Path()

_START = 30.0
"""Seconds until it's ready."""

_LONGEST = 107
"""Octets of the path of a Unix socket, such as its own."""

_READY = b"Asterisk Ready."


class AsteriskError(RuntimeError):
    """It could not be started, or ended by itself."""


def main(script: str, root: str) -> int:
    """Exit status: 0, or 255 when it could not do its work."""
    directory = (_HERE / "asterisk").resolve()
    if len(os.fsencode(directory / "run/asterisk.ctl")) > _LONGEST:
        directory = Path(tempfile.mkdtemp(prefix="asterisk-"))
    directory.mkdir(exist_ok=True)
    try:
        asyncio.run(_run(from_json(Path(script).read_text(encoding="utf-8")), Path(root), directory))
    except BaseException:  # noqa: BLE001 - it's written down for whoever started this
        (_HERE / "errors.log").write_text(traceback.format_exc(), encoding="utf-8")
        traceback.print_exc()
        return FAILED
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


async def _run(script: CalleeScript, root: Path, directory: Path) -> None:
    for name, text in files_of(script, root, directory).items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    libraries = next(root.glob("usr/lib/*/libc.so.6")).parent
    loader = next(libraries.glob("ld-linux*.so*"))
    words = [str(loader), "--library-path", str(libraries), str(root / "usr/sbin/asterisk")]
    process = subprocess.Popen(
        [*words, "-f", "-C", str(directory / "etc/asterisk.conf")],
        stdin=subprocess.DEVNULL,
        env={"HOME": str(directory), "LANG": "C.UTF-8", "TZ": "UTC"},
    )
    log = directory / "log" / LOG
    try:
        await _await_ready(process, log)
        write_statistics(_HERE, 0)
        while not stop.is_set():
            if process.poll() is not None:
                raise AsteriskError(f"Asterisk ended by itself, with status {process.returncode}")
            await _either(stop, 0.2)
    finally:
        # In good order it would hang up what goes on, which nobody is to see.
        process.kill()
        process.wait()
        write_statistics(_HERE, _write_trace(log.read_bytes() if log.is_file() else b""))


async def _await_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + _START
    while not (log.is_file() and _READY in log.read_bytes()):
        if process.poll() is not None:
            raise AsteriskError(f"Asterisk ended with status {process.returncode}")
        if time.monotonic() > give_up:
            raise AsteriskError(f"Asterisk wasn't ready within {_START:.0f} s")
        await asyncio.sleep(0.05)


async def _either(event: asyncio.Event, within: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), within)
    except TimeoutError:
        return


def _write_trace(log: bytes) -> int:
    """The messages as whoever reads traces wants them; how many calls there were."""
    trace, calls = Trace(_HERE), set()
    for message in messages_of(log):
        trace.note_at(message.at, message.data, message.transport, sent=message.is_sent)  # type: ignore[arg-type]
        if not message.is_sent and message.data.startswith(b"INVITE "):
            calls.add(message.data.partition(b"Call-ID: ")[2].partition(b"\r\n")[0])
    (_HERE / "asterisk.log").write_bytes(log)
    return len(calls)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
