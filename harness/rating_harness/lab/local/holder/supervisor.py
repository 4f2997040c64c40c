"""The process that holds a lab's namespaces: it starts what runs in the lab, and when it dies, all of that dies.

The lab's owner starts it (`rating_harness.lab.local.client`) with the machine's own Python, isolated and without
site-packages. It imports nothing but the standard library, so that it starts in a few milliseconds and stays small.

What holds what:

* the namespaces live as long as this process, which is PID 1 of the lab's PID namespace: the kernel kills every
  process in it when the holder ends, however it ends;
* standard input is a pipe from the lab's owner: when the owner dies, the pipe closes, and the holder removes the
  lab's directory and ends. A lab that is to outlive its owner gets ``/dev/null`` instead.

Requests come over a Unix socket in the lab's directory, one JSON object per connection, answered by one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import warnings  # noqa: F401  (os.execvpe imports it, which would be too late once the root is another)

from .namespaces import (
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    can_enter,
    enter_namespaces,
    enter_root,
    libc,
    mount,
    mount_proc,
    tune_network,
)
from .netlink import assign, lease_loopback, make_local, raise_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPEN_FILES = 1024
"""Files that a program of the lab may have open at once, if the session's own soft limit is lower."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Child:
    """A process of the lab, and with it its process group."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None


def start(request: dict[str, Any]) -> int:
    """Start what is asked for as the leader of a session of its own.

    :raises OSError: when it could not be executed at all.
    """
    result, failure = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            execute(request)
        except BaseException as error:  # noqa: BLE001  (all of it is reported to the owner, by `start`)
            os.write(failure, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(127)
    os.close(failure)
    with os.fdopen(result, "rb") as pipe:
        message = pipe.read()
    if message:
        os.waitpid(pid, 0)
        raise OSError(message.decode())
    return pid


def execute(request: dict[str, Any]) -> None:
    os.setsid()
    if os.getppid() != 1:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDONLY)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if request["layers"]:
        enter_root(request["layers"], request["binds"], request["mountpoint"])
    os.chdir(request["directory"])
    os.execvpe(request["argv"][0], request["argv"], request["environment"])


class Holder:
    """Serves the requests of the lab's owner."""

    def __init__(self, listener: socket.socket, networks: list[str]) -> None:
        self.listener = listener
        self.networks = networks
        self.children: dict[int, Child] = {}
        self.waiting: list[tuple[socket.socket, int]] = []
        self.importing: dict[int, str] = {}
        """PID of a fork server (`fork_server`) that isn't ready -> its module."""
        self.fork_servers: set[int] = set()
        """PIDs of all that run, ready or not."""
        self.servers: dict[str, socket.socket | None] = {}
        """The fork server of each module; None where there's none to be had."""
        self.deferred: list[tuple[socket.socket, dict[str, Any]]] = []

    def serve(self, watch_owner: bool) -> None:
        """Until the owner goes away."""
        wake, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            if watch_owner:
                selector.register(sys.stdin, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is sys.stdin:
                        return
                    if key.fileobj is self.listener:
                        self.accept()
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.read(wake, 4096)
                self.reap()

    def end(self) -> None:
        """Kill all that runs. The kernel does it too, but only when this process is PID 1 of its namespace."""
        for group in [*(child.pid for child in self.children.values()), *self.fork_servers]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()

    def accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(5)
        try:
            with connection.makefile("rb") as lines:
                request = json.loads(lines.readline())
        except (OSError, ValueError):
            connection.close()
            return
        try:
            answer = getattr(self, "do_" + request["do"])(connection, request)
        except (OSError, LookupError) as error:
            answer = {"error": str(error)}
        if answer is not None:
            reply(connection, answer)

    def do_spawn(self, connection: socket.socket, request: dict[str, Any]) -> dict[str, Any] | None:
        if request["module"] is not None:
            self.do_import(connection, request)
            if request["module"] in self.importing.values():
                self.deferred.append((connection, request))
                return None
        return self.spawn(request)

    def spawn(self, request: dict[str, Any]) -> dict[str, Any]:
        key = len(self.children) + 1
        self.children[key] = Child(self.fork(request) or start(request))
        return {"key": key}

    def do_import(self, _connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
        """Start the module's fork server, unless that has been tried."""
        module = request["module"]
        if module not in self.servers and module not in self.importing.values():
            pid = start(request["server"])
            self.importing[pid] = module
            self.fork_servers.add(pid)
        return {}

    def do_serve(self, connection: socket.socket, request: dict[str, Any]) -> None:
        """A fork server is ready; the connection stays."""
        self.imported(request["module"], connection)

    def imported(self, module: str, server: socket.socket | None) -> None:
        """The programs that waited for it begin, by a fork or without one."""
        self.importing = {pid: other for pid, other in self.importing.items() if other != module}
        self.servers[module] = server
        waiting, self.deferred = self.deferred, []
        for connection, request in waiting:
            if request["module"] == module:
                try:
                    reply(connection, self.spawn(request))
                except OSError as error:
                    reply(connection, {"error": str(error)})
            else:
                self.deferred.append((connection, request))

    def fork(self, request: dict[str, Any]) -> int | None:
        """The PID of a program that its module's fork server began.

        :return: None where there's no such server: then it is executed as any other.
        :raises OSError: it could not be begun.
        """
        module = request["module"]
        server = self.servers.get(module)
        if server is None:
            return None
        try:
            server.sendall(json.dumps(request).encode() + b"\n")
            with server.makefile("rb", buffering=0) as lines:
                answer = json.loads(lines.readline())
        except (OSError, ValueError):
            # It has ended: the next program starts another one.
            server.close()
            del self.servers[module]
            return None
        if "error" in answer:
            raise OSError(answer["error"])
        return int(answer["pid"])

    def do_poll(self, _connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
        self.reap()
        return {"statuses": [self.ended(key) for key in request["keys"]]}

    def do_wait(self, connection: socket.socket, request: dict[str, Any]) -> dict[str, Any] | None:
        self.reap()
        status = self.ended(request["key"])
        if status is None:
            self.waiting.append((connection, request["key"]))
            return None
        return {"status": status}

    def do_signal(self, _connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
        self.reap()
        child = self.children.get(request["key"])
        if child is None:
            return {}
        with contextlib.suppress(ProcessLookupError):
            if request["group"] and self.ended(request["key"]) is None:
                os.killpg(child.pid, request["signal"])
            elif child.status is None:
                os.kill(child.pid, request["signal"])
        return {}

    def do_assign(self, _connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
        assign(request["address"])
        return {}

    def do_source(self, _connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
        for network in self.networks:
            make_local(network, request["address6"] if ":" in network else request["address"])
        return {}

    def ended(self, key: int) -> int | None:
        """Its exit status once it and all of its process group have ended."""
        child = self.children[key]
        return None if child.status is None or group_exists(child.pid) else child.status

    def reap(self) -> None:
        """Take what has ended. A leader that ends takes its group with it: workers it left would keep its ports."""
        leaders = {child.pid: child for child in self.children.values() if child.status is None}
        failed: list[str] = []
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if ended is None:
                break
            child = leaders.get(ended.si_pid)
            if child:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            self.fork_servers.discard(ended.si_pid)
            if ended.si_pid in self.importing:
                failed.append(self.importing[ended.si_pid])
            if child:
                child.status = os.waitstatus_to_exitcode(status)
        for module in failed:
            self.imported(module, None)
        still: list[tuple[socket.socket, int]] = []
        for connection, key in self.waiting:
            known = self.ended(key)
            if known is None:
                still.append((connection, key))
            else:
                reply(connection, {"status": known})
        self.waiting = still


def group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def reply(connection: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError), connection:
        connection.sendall(json.dumps(answer).encode() + b"\n")


# --- the program ----------------------------------------------------------------------------------------------------


def report(**facts: Any) -> None:
    """One line to the owner, who reads standard output until the lab is ready."""
    os.write(1, json.dumps(facts).encode() + b"\n")


def hold(options: dict[str, Any], refusal: str | None) -> None:
    """Set up the lab in the namespaces that are there, and serve."""
    os.setsid()
    os.umask(0o022)
    lost: dict[str, str] = {}
    networks: list[str] = list(options["networks"])
    lease: socket.socket | None = None
    if refusal:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    else:
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        mount_proc("/proc")
        for target, source in options["binds"].items():
            with contextlib.suppress(FileNotFoundError):
                mount(source, os.path.realpath(target), flags=MS_BIND)
    if options["own_network"] and not refusal:
        raise_loopback()
        tune_network()
        for network, first in options["networks"].items():
            try:
                if ":" in network:
                    # Some sandboxes assign addresses of a family of which they let nobody open a socket.
                    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
                assign(first)
                make_local(network, first)
            except OSError as error:
                if ":" not in network:
                    raise
                networks.remove(network)
                lost["ipv6"] = str(error)
    else:
        lease, network = lease_loopback()
        networks = [network]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(options["directory"] + "/holder.sock")
    listener.listen(64)
    enterable = refusal is None and all(can_enter(root, options["directory"]) for root in options["roots"])
    report(networks=networks, refusal=refusal, enterable=enterable, lost=lost)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    holder = Holder(listener, networks if lease is None else [])
    holder.serve(watch_owner=not options["keep"])
    holder.end()
    # Imported here, since it takes long, and the lab's beginning doesn't need it.
    import shutil

    shutil.rmtree(options["directory"], ignore_errors=True)


def allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    options = json.loads(sys.argv[1])
    allow_open_files()
    try:
        refusal = options["refusal"] or enter_namespaces(options["own_network"])
    except OSError as error:
        report(error=str(error))
        return
    pid = os.fork()
    if pid:
        report(pid=pid)
        return
    try:
        hold(options, refusal)
    except OSError as error:
        report(error=str(error))
