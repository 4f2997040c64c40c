"""``python -m rating_harness.useragent.baresip SCRIPT ROOT``: be the user agent of a script, by a baresip.

It takes the scripts of the harness's own user agent (`rating_harness.useragent.script`), as far as baresip can
do what they say, and writes the same files: ``messages.log`` is what baresip traced.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from rating_harness.useragent.agent import FAILED, write_statistics
from rating_harness.useragent.baresip.ends import Callee, Caller
from rating_harness.useragent.baresip.process import Baresip
from rating_harness.useragent.endpoint import Trace
from rating_harness.useragent.script import CalleeScript, CallerScript, from_json

__all__ = ["main"]

_HERE = Path()


def main(script: str, root: str) -> int:
    """Exit status: 0, or 255 when it could not do its work."""
    try:
        asyncio.run(_run(from_json(Path(script).read_text(encoding="utf-8")), Path(root)))
    except BaseException:  # noqa: BLE001 - it's written down for whoever started this
        (_HERE / "errors.log").write_text(traceback.format_exc(), encoding="utf-8")
        traceback.print_exc()
        return FAILED
    return 0


async def _run(script: CallerScript | CalleeScript, root: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    baresip = Baresip(script, Trace(_HERE))
    end = Caller(script, baresip) if isinstance(script, CallerScript) else Callee(script, baresip)
    try:
        await baresip.open(root, _HERE / "baresip")
        await end.begin()
        write_statistics(_HERE, 0)
        work = loop.create_task(end.run())
        stopped: asyncio.Future[Any] = loop.create_task(stop.wait())
        await asyncio.wait([work, stopped, baresip.failed], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not work.done():
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        if baresip.failed.done():
            baresip.failed.result()
    finally:
        await baresip.close(kill=end.has_open_calls)
    write_statistics(_HERE, end.made)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
