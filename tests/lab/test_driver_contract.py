"""What every driver of a lab does, whichever it is: one suite for all of them.

What is a driver's own (namespaces, images, published ports) has tests of its own beside this.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError, ServiceDied, Timeout
from rating_harness.lab import rootfs
from rating_harness.lab.docker import DockerLab, available
from rating_harness.lab.local import LocalLab, client
from rating_harness.lab.protocol import Lab, Process, Program, Role, Service

pytestmark = pytest.mark.lab

PATIENCE = 30
DRIVERS = ["local", "the machine's network", "namespaces refused", pytest.param("docker", marks=pytest.mark.docker)]


def _without_namespaces(patched: pytest.MonkeyPatch) -> None:
    start = client._start

    def refused(directory: Path, options: dict[str, object], deadline: Deadline) -> client.Started:
        if options["refusal"] is None:
            raise client._SetupFailed("refused", found="Operation not permitted")
        return start(directory, options, deadline)

    patched.setattr(client, "_start", refused)


@pytest.fixture(scope="module", params=DRIVERS)
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[str, Callable[[], Lab]]]:
    """A driver's name, and what opens a lab of it."""
    driver: str = request.param
    if driver == "docker" and "docker" not in request.config.option.markexpr and not available():
        pytest.skip("left out: no Docker engine answers")
    openers: dict[str, Callable[[], Lab]] = {
        "local": LocalLab.open,
        "the machine's network": lambda: LocalLab.open(network="host"),
        "namespaces refused": lambda: LocalLab.open(release=rootfs.ensure()),
        "docker": DockerLab.open,
    }
    with pytest.MonkeyPatch.context() as patched:
        if driver == "namespaces refused":
            _without_namespaces(patched)
        yield driver, openers[driver]


@pytest.fixture(scope="module")
def lab(opened: tuple[str, Callable[[], Lab]]) -> Iterator[Lab]:
    """One for all tests of a driver; each has hosts of its own in it."""
    lab = opened[1]()
    yield lab
    lab.stop()


# Answers GET on a Unix socket and on TCP, with what its file says.
ANSWER = b"""
import http.server, pathlib, socketserver, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(pathlib.Path("/etc/answer/text").read_bytes())
    def log_message(self, *_): pass
address, path = sys.argv[1:]
pathlib.Path(path).unlink(missing_ok=True)
server = socketserver.ThreadingUnixStreamServer(path, Handler)
tcp = http.server.ThreadingHTTPServer((address, 8080), Handler)
threading.Thread(target=tcp.serve_forever, daemon=True).start()
print("begun", flush=True)
server.serve_forever()
"""


def answering(name: str, text: bytes = b"hello") -> Service:
    return Service(
        name,
        "harness",
        ("python3", "/srv/answer.py", "{address}", "{run}/answer.sock"),
        files={"/srv/answer.py": ANSWER, "/etc/answer/text": text},
        ports=(8080,),
        sockets={8080: "answer.sock"},
        ready="/",
    )


def answer(lab: Lab, service: str) -> str:
    """What a service answers; ``refused``, or ``silent`` for a second."""
    endpoint = lab.endpoint(service, 8080)
    address = urlsplit(endpoint.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=1)
    try:
        if endpoint.socket_path:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(1)
            connection.sock.connect(endpoint.socket_path)
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except TimeoutError:
        return "silent"
    except OSError:
        return "refused"
    finally:
        connection.close()


@pytest.fixture
def service(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a service that answers."""
    name = f"s{abs(hash(request.node.name)) % 10**8}"
    lab.start_service(answering(name), Deadline(PATIENCE))
    yield name
    lab.stop_service(name, Deadline(PATIENCE), how=signal.SIGKILL)


def shell(lab: Lab, script: str, *, host: str = "tool", role: Role = "sipp") -> tuple[int, str]:
    process = lab.run(Program(host, role, ("sh", "-c", script), lab.host(host)))
    try:
        return process.wait(Deadline(PATIENCE)), process.output()
    finally:
        process.remove()


def started(lab: Lab, script: str) -> Process:
    return lab.run(Program("tool", "sipp", ("sh", "-c", script), lab.host("tool")))


# --- programs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 97", 97), ("kill -TERM $$", -signal.SIGTERM)])
def test_a_programs_exit_status(lab: Lab, script: str, status: int) -> None:
    assert shell(lab, script)[0] == status


def test_a_program_has_its_files_in_a_directory_of_its_own_and_leaves_files(lab: Lab) -> None:
    script = "cat in/put; mkdir deep; echo written > deep/er; cp in/put copy; echo err >&2; exit 3"
    host = lab.host("tool")
    process = lab.run(Program("tool", "sipp", ("sh", "-c", script), host, {"in/put": b"\x00given\xff\n"}))
    assert process.wait(Deadline(PATIENCE)) == process.poll() == 3
    assert process.list_files() == ["copy", "deep/er", "in/put"]
    assert process.read_file("copy") == b"\x00given\xff\n"
    assert process.read_file("deep/er") == b"written\n"
    assert process.read_file("nothing") is None
    # Its two streams are two pipes: which line comes first isn't said.
    assert "err" in process.output().splitlines()
    process.signal(signal.SIGTERM)
    process.remove()
    process.remove()


def test_the_next_program_of_that_name_has_nothing_of_it(lab: Lab) -> None:
    assert shell(lab, "touch left")[0] == 0
    assert shell(lab, "ls") == (0, "")


def test_a_prepared_program_begins_at_its_moment_once_and_with_what_is_known_by_then(lab: Lab) -> None:
    script = "cat known late; cat; exit 3"
    host = lab.host("tool")
    prepared = lab.prepare(Program("tool", "sipp", ("sh", "-c", script), host, {"known": b"known\n"}))
    try:
        with pytest.raises(LabError, match="nothing runs on"):
            lab.pause("tool")
        process = prepared.start({"late": b"late\n" * 1000})
        assert process.name == prepared.name == "tool"
        assert process.wait(Deadline(PATIENCE)) == 3
        assert process.output() == "known\n" + "late\n" * 1000
        assert process.list_files() == ["known", "late"]
        with pytest.raises(LabError, match="tool has begun already"):
            prepared.start()
    finally:
        prepared.remove()
        prepared.remove()
    assert shell(lab, "ls") == (0, "")


def test_a_prepared_program_that_never_begins_is_removed(lab: Lab) -> None:
    prepared = lab.prepare(Program("tool", "sipp", ("sh", "-c", "touch begun"), lab.host("tool")))
    prepared.remove()
    assert shell(lab, "ls") == (0, "")
    lab.prepare(Program("other", "sipp", ("sh", "-c", "touch begun"), lab.host("other")))
    lab.release("other")
    assert shell(lab, "ls", host="other") == (0, "")
    lab.release("other")


def test_a_prepared_program_is_signalled_and_frozen_as_any_other_once_it_has_begun(lab: Lab) -> None:
    script = "trap 'echo got; exit 4' USR1; touch listens; while :; do sleep 0.02; date +%s%N >ticks; done"
    prepared = lab.prepare(Program("tool", "sipp", ("sh", "-c", script), lab.host("tool")))
    try:
        process = prepared.start()
        await_condition(lambda: process.read_file("listens") is not None, Deadline(PATIENCE), "its trap")
        lab.pause("tool")
        ticks = process.read_file("ticks")
        time.sleep(0.2)
        assert process.read_file("ticks") == ticks
        assert process.poll() is None
        lab.resume("tool")
        process.signal(signal.SIGUSR1)
        assert process.wait(Deadline(PATIENCE)) == 4
        assert process.output() == "got\n"
    finally:
        prepared.remove()


def test_files_are_read_while_they_grow(lab: Lab) -> None:
    process = started(lab, "while :; do head -c 4096 /dev/zero >> grows; sleep 0.02; done")
    try:
        first = await_condition(lambda: process.read_file("grows"), Deadline(PATIENCE), "the file")
        await_condition(lambda: len(process.read_file("grows") or b"") > len(first), Deadline(PATIENCE), "more of it")
    finally:
        process.remove()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL])
def test_a_signal_ends_a_program_and_is_its_status(lab: Lab, signum: signal.Signals) -> None:
    process = started(lab, "exec sleep 60")
    try:
        assert process.poll() is None
        process.signal(signum)
        assert process.wait(Deadline(PATIENCE)) == -signum
    finally:
        process.remove()


def test_waiting_ends_at_the_deadline_with_the_last_lines(lab: Lab) -> None:
    process = started(lab, "echo busy; exec sleep 60")
    try:
        await_condition(process.output, Deadline(PATIENCE), "output")
        before = time.monotonic()
        with pytest.raises(Timeout, match=r"tool still runs after 0\.3 s") as caught:
            process.wait(Deadline(0.3))
        assert time.monotonic() - before < 5
        assert caught.value.detail == "busy"
    finally:
        process.remove()


# --- hosts ----------------------------------------------------------------------------------------------------------


def test_a_host_keeps_its_address_and_gets_aliases(lab: Lab) -> None:
    host = lab.host("alone", "nick")
    assert lab.host("alone") == host
    assert lab.host("alone", "late").address == host.address
    assert lab.host("alone").aliases == ("nick", "late")
    assert lab.host("other").address != host.address
    for name in ("alone", "other"):
        lab.release(name)


def test_a_name_belongs_to_one_host(lab: Lab) -> None:
    lab.host("one", "shared")
    with pytest.raises(LabError, match="already one of host one"):
        lab.host("two", "shared")
    lab.release("one")


def test_an_address_that_is_given_back_is_not_used_at_once(lab: Lab) -> None:
    old = lab.host("old").address
    lab.release("old")
    assert lab.host("old").address != old
    lab.release("old")


@pytest.mark.parametrize("role", ["sipp", "harness"])
def test_hosts_are_found_by_name_while_they_exist(lab: Lab, role: Role) -> None:
    assert lab.capabilities.names
    if isinstance(lab, LocalLab) and lab.refusal:
        pytest.skip("Kamailio and SIPp alone resolve names there: tests/lab/test_local_lab.py has that")
    lab.host("tool")
    host = lab.host("found", "nick")
    asks = "getent ahostsv4 found nick | cut -d' ' -f1 | sort -u"
    assert shell(lab, asks, role=role) == (0, f"{host.address}\n")
    lab.host("found", "late")
    assert shell(lab, "getent hosts late", role=role)[0] == 0
    lab.release("found")
    assert shell(lab, "getent hosts found nick late", role=role)[0] == 2


# --- services -------------------------------------------------------------------------------------------------------


def test_a_service_is_reached_at_its_endpoint_and_has_its_files(lab: Lab, service: str) -> None:
    assert answer(lab, service) == "hello"
    assert lab.service(service).read_file("/etc/answer/text") == b"hello"
    with pytest.raises(KeyError):
        lab.service("nobody")


def test_one_that_runs_is_not_started_twice_and_one_that_died_is(lab: Lab, service: str) -> None:
    with pytest.raises(LabError, match=f"{service} already|{service} runs already"):
        lab.start_service(answering(service), Deadline(PATIENCE))
    lab.service(service).signal(signal.SIGKILL)
    lab.service(service).wait(Deadline(PATIENCE))
    lab.start_service(answering(service, b"another"), Deadline(PATIENCE))
    assert answer(lab, service) == "another"


def test_one_that_dies_says_why(lab: Lab) -> None:
    dying = Service(
        "dying", "harness", ("sh", "-c", "echo the reason >&2; exit 4"), ports=(80,), sockets={80: "x"}, ready="/"
    )
    with pytest.raises(ServiceDied) as caught:
        lab.start_service(dying, Deadline(PATIENCE))
    assert (caught.value.service, caught.value.status) == ("dying", 4)
    assert "dying ended with status 4" in str(caught.value)
    assert "| the reason" in str(caught.value)


def test_one_that_never_answers_says_what_was_seen(lab: Lab) -> None:
    idle = ("sh", "-c", "echo idling; exec sleep 60")
    with pytest.raises(Timeout) as caught:
        lab.start_service(Service("idle", "harness", idle, ports=(80,), sockets={80: "x"}, ready="/x"), Deadline(4))
    assert "idle becoming ready did not happen within 4 s" in str(caught.value)
    assert "it runs, and the last try said: " in str(caught.value)
    assert "| idling" in str(caught.value)
    lab.stop_service("idle", Deadline(PATIENCE), how=signal.SIGKILL)


def test_a_command_that_does_not_exist_is_named(lab: Lab) -> None:
    with pytest.raises(LabError, match="no-such-program"):
        lab.start_service(Service("absent", "sipp", ("no-such-program",), ports=(80,), ready="/"), Deadline(PATIENCE))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_address_files_and_log(lab: Lab, service: str, how: signal.Signals) -> None:
    process, address = lab.service(service), lab.host(service).address
    lab.restart_service(service, Deadline(PATIENCE), how=how)
    assert answer(lab, service) == "hello"
    assert lab.host(service).address == address
    assert process.output().count("begun") == 2
    assert process.read_file("/etc/answer/text") == b"hello"


def test_a_stopped_one_is_gone_until_it_is_restarted(lab: Lab, service: str) -> None:
    lab.stop_service(service, Deadline(PATIENCE))
    assert lab.service(service).poll() is not None
    assert answer(lab, service) == "refused"
    lab.restart_service(service, Deadline(PATIENCE))
    assert answer(lab, service) == "hello"


def test_one_that_ignores_its_end_is_killed(lab: Lab) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    process = lab.start_service(Service("deaf", "harness", ("python3", "-c", code)), Deadline(PATIENCE))
    await_condition(lambda: "ready" in process.output(), Deadline(PATIENCE), "the service being ready")
    lab.stop_service("deaf", Deadline(1))
    assert process.poll() is not None


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_paused_service_is_silent_and_goes_on(lab: Lab, service: str) -> None:
    lab.pause(service)
    assert answer(lab, service) == "silent"
    assert lab.service(service).poll() is None
    lab.resume(service)
    assert answer(lab, service) == "hello"
    lab.pause(service)
    lab.restart_service(service, Deadline(PATIENCE), how=signal.SIGKILL)
    assert answer(lab, service) == "hello"


def test_nothing_to_pause(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"nothing runs on (the )?host nobody"):
        lab.pause("nobody")


SENDS = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind((sys.argv[1], 0))
for _ in range(3):
    assert sender.sendto(b"x", (sys.argv[2], 9)) == 1
"""
RECEIVES = """
import socket, sys
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind((sys.argv[1], 9))
print("bound", flush=True)
while True:
    print("from", receiver.recvfrom(9)[1][0], flush=True)
"""


def test_a_disconnected_host_gets_and_sends_nothing_and_no_sender_is_told(lab: Lab) -> None:
    here, there = lab.host("here"), lab.host("there")
    if not lab.capabilities.unplug:
        assert lab.capabilities.why["unplug"]
        with pytest.raises(LabError, match="there can't be unplugged"):
            lab.disconnect("there")
        return
    receiving = {
        host.name: lab.run(Program(f"at-{host.name}", "harness", ("python3", "-c", RECEIVES, host.address), host))
        for host in (here, there)
    }
    try:
        outputs = [process.output for process in receiving.values()]
        await_condition(lambda: all("bound" in output() for output in outputs), Deadline(PATIENCE), "the receivers")

        def send() -> dict[str, int]:
            """Each way; how many have arrived at each so far."""
            for number, (source, target) in enumerate(((here, there), (there, here))):
                command = ("python3", "-c", SENDS, source.address, target.address)
                sending = lab.run(Program(f"sends-{number}", "harness", command, source))
                assert sending.wait(Deadline(PATIENCE)) == 0, sending.output()
                sending.remove()
            return {name: process.output().count("from") for name, process in receiving.items()}

        await_condition(lambda: min(send().values()), Deadline(PATIENCE), "what was sent both ways")
        lab.disconnect("there")
        before = send()
        assert send() == before
        lab.reconnect("there")
        await_condition(lambda: min(send()[name] > before[name] for name in before), Deadline(PATIENCE), "more of it")
    finally:
        for process in receiving.values():
            process.remove()


# --- labs -----------------------------------------------------------------------------------------------------------


def test_two_labs_have_services_of_the_same_name(
    opened: tuple[str, Callable[[], Lab]], lab: Lab, service: str
) -> None:
    other = opened[1]()
    try:
        other.start_service(answering(service, b"of another lab"), Deadline(PATIENCE))
        assert (answer(lab, service), answer(other, service)) == ("hello", "of another lab")
    finally:
        other.stop()


def test_a_stopped_lab_has_ended(opened: tuple[str, Callable[[], Lab]]) -> None:
    other = opened[1]()
    other.start_service(answering("web"), Deadline(PATIENCE))
    other.stop()
    other.stop()
    with pytest.raises(LabError):
        other.start_service(answering("another"), Deadline(PATIENCE))
