"""A Python that has imported a module, and forks for each program that runs it: imports are paid for once in a lab.

The holder starts one per module, and asks it over the connection that it opens (`supervisor.Holder.do_serve`). Only
the fork's own process group, files and environment are the program's; it is a child of the holder's, as all are.
Like the holder this is of the standard library alone, but for the module itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Main = Callable[..., int]

PR_SET_PDEATHSIG = 1


def serve(path: str, module: str) -> None:
    """Import the module, offer it to the holder, and fork at each of its requests until it goes away.

    :param path: of the holder's socket.
    :param module: a package with a ``__main__``, whose ``main`` takes the words of the command line and returns the
        exit status.
    """
    main: Main = importlib.import_module(f"{module}.__main__").main
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as holder:
        holder.connect(path)
        holder.sendall(json.dumps({"do": "serve", "module": module}).encode() + b"\n")
        with holder.makefile("rb") as lines:
            for line in lines:
                holder.sendall(json.dumps(fork(main, json.loads(line), holder)).encode() + b"\n")


def fork(main: Main, request: dict[str, Any], holder: socket.socket) -> dict[str, Any]:
    """The program's PID, or why there is none.

    It's the child of a process that ends at once, so that the holder inherits it; it begins when that has happened.
    """
    report, reporting = os.pipe()
    gate, opening = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(opening)
        pid = os.fork()
        if pid:
            os.write(reporting, b"%d\n" % pid)
            os._exit(0)
        os.close(report)
        holder.close()
        _run(main, request, gate, reporting)
    os.close(reporting)
    os.close(gate)
    os.waitpid(between, 0)
    os.write(opening, b"!")
    os.close(opening)
    with os.fdopen(report, "rb") as lines:
        pid_line, error = lines.readline(), lines.read()
    return {"error": error.decode()} if error else {"pid": int(pid_line)}


def _run(main: Main, request: dict[str, Any], gate: int, reporting: int) -> None:
    """What `supervisor.execute` does up to the execution, then the program itself. It never returns."""
    status = 127
    try:
        os.read(gate, 1)
        os.close(gate)
        os.setsid()
        if os.getppid() != 1:
            _die_with_parent()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open("/dev/null", os.O_RDONLY)
        for descriptor, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, descriptor)
        os.close(null)
        os.close(log)
        os.chdir(request["directory"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = request["argv"]
    except BaseException as error:  # noqa: BLE001  (all of it is reported to the owner)
        os.write(reporting, f"{type(error).__name__}: {error}".encode())
        os._exit(status)
    os.close(reporting)
    try:
        gc.enable()
        status = main(*request["words"])
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  (as Python itself ends)
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def _die_with_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
