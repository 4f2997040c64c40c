"""Starts a holder (`rating_harness.lab.local.holder`) and speaks to it."""

from __future__ import annotations

import json
import math
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, MissingTool, Timeout
from rating_harness.lab.lease import MARK, ProcessIdentity

__all__ = ["HolderClient", "Started", "start_holder"]

_HOLDER = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
from holder.supervisor import main
del sys.path[0]
main()
"""
"""The holder is a package of its own here: to import it by its whole name would import the harness as well."""

_FORK_SERVER = """\
import sys
sys.path.insert(0, sys.argv[1])
from holder.fork_server import serve
del sys.path[0]
serve(*sys.argv[2:])
"""

_IMPORT = 30.0
"""Seconds within which it starts a program, which may have to wait for its module's import on a busy machine."""

_ANSWER = 10.0
"""Seconds within which a holder answers; it does nothing that takes long."""

_FRESH = 0.01
"""Seconds for which an answer about what runs is taken for true."""

_NO_LONGER_ASKED = 1.0
"""Seconds after which the holder isn't asked about a process that nobody asked about."""


_OPEN_FILES = 64
"""Files that a lab's programs have to be allowed to have open at once: the holder needs 40, a Kamailio 50 or more."""


@dataclass(frozen=True, slots=True)
class Started:
    """A holder that is ready.

    :param networks: the lab's networks (``198.18.0.0/16``); those it got, not those it was asked for.
    :param refusal: why there are no namespaces; None when there are.
    :param enterable: each of the root filesystems can be entered.
    :param lost: capability -> why it isn't there.
    :param lifeline: the pipe whose closing ends the holder; None for a lab that is kept.
    """

    identity: ProcessIdentity
    networks: tuple[str, ...]
    refusal: str | None
    enterable: bool
    lost: dict[str, str]
    lifeline: IO[bytes] | None


def start_holder(
    directory: Path,
    *,
    own_network: bool,
    networks: Mapping[str, str],
    binds: Mapping[str, Path],
    roots: Collection[Path],
    keep: bool,
    seconds: float = 10.0,
) -> Started:
    """Start a holder for the lab in that directory, and wait until it is ready.

    Where namespaces can be made, but nothing can be set up in them (some kernels' policy), it does without them.

    :param networks: network -> the address of those who connect from it without having bound one.
    :param roots: the root filesystems that are to be entered.
    :param binds: file of the machine -> the one that takes its place, for all that runs in the lab.
    :raises MissingTool: this session may not have so many files open.
    :raises LabError: it could not set up the lab.
    :raises Timeout: it is not ready after ``seconds``.
    """
    _check_open_files()
    options = {
        "directory": str(directory),
        "own_network": own_network,
        "networks": dict(networks),
        "binds": {target: str(source) for target, source in binds.items()},
        "roots": [str(root) for root in roots],
        "keep": keep,
    }
    try:
        return _start(directory, {**options, "refusal": None}, Deadline(seconds))
    except _SetupFailed as refused:
        return _start(directory, {**options, "refusal": refused.found}, Deadline(seconds))


def _check_open_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _OPEN_FILES:
        raise MissingTool(
            "this session may have too few files open at once for a lab",
            expected=f"{_OPEN_FILES} at least",
            found=f"{most} (`ulimit -Hn`)",
            hint="start this from a session with more: limits.conf(5), LimitNOFILE= of systemd, or a container's "
            "`--ulimit nofile=1024` say how many",
        )


class _SetupFailed(LabError):
    """The holder says why it could not set up the lab."""


def _start(directory: Path, options: dict[str, Any], deadline: Deadline) -> Started:
    log = directory / "holder.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HOLDER, str(Path(__file__).parent), json.dumps(options)],
            stdin=subprocess.DEVNULL if options["keep"] else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            cwd="/",
            env={**os.environ, MARK: directory.name},
        )
    try:
        # The process that was started ends at once; its child, the holder, goes on with the same pipes.
        facts = _read_facts(process, log, deadline)
        identity = ProcessIdentity.of(facts["pid"])
        if identity is None:
            raise LabError("the lab's holder died at once", detail=log.read_text(errors="replace"))
    except BaseException:
        if process.stdin:
            process.stdin.close()
        raise
    finally:
        process.wait(10)
    return Started(
        identity=identity,
        networks=tuple(facts["networks"]),
        refusal=facts["refusal"],
        enterable=facts["enterable"],
        lost=facts["lost"],
        lifeline=process.stdin,
    )


def _read_facts(process: subprocess.Popen[bytes], log: Path, deadline: Deadline) -> dict[str, Any]:
    """What the holder reports, a JSON object per line, until there is all of it."""
    facts: dict[str, Any] = {}
    assert process.stdout is not None
    with process.stdout as output:
        while not facts.keys() >= {"pid", "networks"}:
            if not select.select([output], [], [], deadline.remaining)[0]:
                raise Timeout("the lab's holder is not ready in time", detail=log.read_text(errors="replace"))
            line = output.readline()
            if not line:
                raise LabError("the lab's holder could not start", detail=log.read_text(errors="replace"))
            facts |= json.loads(line)
            if "error" in facts:
                raise _SetupFailed("the lab could not be set up", found=facts["error"])
    return facts


def fork_server(directory: Path, module: str) -> tuple[str, ...]:
    """The command of a lab's fork server for a module (`rating_harness.lab.local.holder.fork_server`)."""
    return sys.executable, "-c", _FORK_SERVER, str(Path(__file__).parent), str(directory / "holder.sock"), module


class HolderClient:
    """One request per connection: none waits for another thread's."""

    def __init__(self, directory: Path) -> None:
        self._path = str(directory / "holder.sock")
        self._polling = threading.Lock()
        self._asked: dict[int, float] = {}
        """Whose status was asked for, and when the last time, on the monotonic clock."""
        self._statuses: dict[int, int | None] = {}
        self._known_at = -math.inf

    def request(self, do: str, *, seconds: float = _ANSWER, **parameters: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        :raises LabError: the holder is gone, or says that it could not do it.
        :raises Timeout: no answer came in time.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(max(seconds, 0.001))
                connection.connect(self._path)
                connection.sendall(json.dumps({"do": do, **parameters}).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    line = lines.readline()
        except TimeoutError as error:
            raise Timeout(f"the lab's holder did not answer ({do}) within {seconds:g} s") from error
        except OSError as error:
            raise LabError("the lab has ended", found=error.strerror, hint="open another one") from error
        if not line:
            raise LabError("the lab ended before it answered a request", found=do)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LabError(f"the lab could not do this: {do}", found=answer["error"])
        return answer

    def spawn(self, request: Mapping[str, Any]) -> int:
        return int(self.request("spawn", seconds=_IMPORT, **request)["key"])

    def import_module(self, request: Mapping[str, Any]) -> None:
        """Start a fork server of the request's ``module``; it's ready later."""
        self.request("import", **request)

    def poll(self, key: int) -> int | None:
        """Its exit status, None while it runs, as it was 10 ms ago at most.

        A run asks for each of its processes in turn, again and again: one request answers for all of them.
        """
        with self._polling:
            now = time.monotonic()
            self._asked[key] = now
            if key not in self._statuses or now - self._known_at > _FRESH:
                self._asked = {each: at for each, at in self._asked.items() if now - at < _NO_LONGER_ASKED}
                keys = list(self._asked)
                self._statuses = dict(zip(keys, self.request("poll", keys=keys)["statuses"], strict=True))
                self._known_at = now
            return self._statuses[key]

    def wait(self, key: int, deadline: Deadline) -> int | None:
        """Its exit status; None when it still runs at the deadline."""
        try:
            return int(self.request("wait", key=key, seconds=deadline.remaining)["status"])
        except Timeout:
            return None

    def signal(self, key: int, signum: int, *, group: bool) -> None:
        self.request("signal", key=key, signal=int(signum), group=group)

    def assign(self, address: str) -> None:
        """Let processes bind an IPv6 address, which takes more than a route to it."""
        self.request("assign", address=address)

    def source(self, address: str, address6: str | None) -> None:
        """Let those who connect without having bound an address have this one."""
        self.request("source", address=address, address6=address6)


def environment_of_this_process(programs: Path) -> dict[str, str]:
    """What runs on the machine's file system inherits: everything but proxies, which the lab's network can't reach.

    :param programs: a directory of programs that come before the machine's.
    """
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    package = str(Path(__file__).parents[3])
    kept["PATH"] = os.pathsep.join((str(programs), str(Path(sys.executable).parent), kept.get("PATH", os.defpath)))
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH", ""))))
    kept["PYTHONUNBUFFERED"] = "1"
    return kept
