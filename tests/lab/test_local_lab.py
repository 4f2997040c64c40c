"""The local driver, with real processes in real namespaces."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError, MissingTool, ServiceDied
from rating_harness.lab import lease as leasing
from rating_harness.lab import rootfs
from rating_harness.lab.lease import Lease, ProcessIdentity
from rating_harness.lab.local import LocalLab, client
from rating_harness.lab.local.programs import BIN, ProgramSource, write_wrappers
from rating_harness.lab.protocol import Host, Process, Program, Role, Service

pytestmark = pytest.mark.lab

KAMAILIO_CFG = b"""
children=2
log_stderror=yes
debug=1
auto_aliases=no
loadmodule "sl.so"
loadmodule "textops.so"
include_file "/etc/kamailio/route.cfg"
"""

OPTIONS = b"""<?xml version="1.0"?>
<scenario name="options">
<send retrans="50"><![CDATA[

OPTIONS sip:kamailio@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:caller@[local_ip]>;tag=[call_number]
To: <sip:kamailio@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"><action><ereg regexp=".*" search_in="hdr" header="Reason:" assign_to="1"/>
<log message="[$1]"/></action></recv>
</scenario>
"""

# Answers GET on a Unix socket and on TCP, with what its configuration says.
ANSWER = b"""
import http.server, pathlib, socketserver, sys, threading
text = pathlib.Path("/etc/answer/text").read_bytes()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(text)
        print("asked by", self.client_address[0] if self.client_address else "the harness", flush=True)
    def log_message(self, *_): pass
class Server(socketserver.ThreadingUnixStreamServer): pass
address, path = sys.argv[1:]
server = Server(path, Handler)
threading.Thread(target=http.server.HTTPServer((address, 8080), Handler).serve_forever, daemon=True).start()
server.serve_forever()
"""


def kamailio(name: str = "kamailio", answer: str = "answer") -> Service:
    route = f'request_route {{ append_to_reply("Reason: {answer}\\r\\n"); sl_send_reply("200", "OK"); }}'
    return Service(
        name,
        "kamailio",
        ("kamailio", "-f", "/etc/kamailio/kamailio.cfg", "-DD", "-E", "-Y", "{run}", "-l", "udp:{address}:5060"),
        files={
            "/etc/kamailio/kamailio.cfg": KAMAILIO_CFG,
            "/etc/kamailio/route.cfg": route.encode(),
        },
    )


def answering(name: str = "engine", text: bytes = b"hello") -> Service:
    return Service(
        name,
        "harness",
        ("python", "/srv/answer.py", "{address}", "{run}/answer.sock"),
        files={"/srv/answer.py": ANSWER, "/etc/answer/text": text},
        ports=(8080,),
        sockets={8080: "answer.sock"},
        ready="/",
    )


def get(lab: LocalLab, service: str, timeout: float = 5) -> str:
    endpoint = lab.endpoint(service, 8080)
    with httpx.Client(transport=httpx.HTTPTransport(uds=endpoint.socket_path), timeout=timeout) as web:
        return web.get(endpoint.url).text


def ask_options(lab: LocalLab, target: str = "kamailio", name: str = "caller") -> Process:
    host = lab.host(name)
    argv = ["sipp", f"{target}:5060", "-sf", "options.xml", "-i", host.address, "-m", "1", "-r", "100", "-nostdin"]
    argv += ["-timeout", "3s", "-trace_logs"]
    return lab.run(Program(name, "sipp", tuple(argv), host, {"options.xml": OPTIONS}))


def answered_by(process: Process) -> str:
    """What the Kamailio that answered this SIPp says of itself."""
    assert process.wait(Deadline(60)) == 0, process.output()
    (log,) = [name for name in process.list_files() if name.endswith("_logs.log")]
    return (process.read_file(log) or b"").decode().split()[-1]


def run(lab: LocalLab, *argv: str, role: Role = "sipp", name: str = "tool") -> tuple[int, str]:
    process = lab.run(Program(name, role, argv, lab.host(name)))
    try:
        return process.wait(Deadline(60)), process.output()
    finally:
        process.remove()


def python(lab: LocalLab, code: str, *arguments: str, name: str = "tool") -> tuple[int, str]:
    return run(lab, "python", "-c", textwrap.dedent(code), *arguments, role="harness", name=name)


@pytest.fixture
def lab() -> Iterator[LocalLab]:
    with LocalLab.open() as lab:
        yield lab


def inside(lab: LocalLab, *words: str, on_machine: bool = False, text: str = "") -> tuple[int, str]:
    """Status and output of a person's command in the lab."""
    command = lab.command_inside(words, on_machine=on_machine)
    done = subprocess.run(
        command.argv, env=dict(command.environment), input=text, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout


def test_a_person_is_inside_beside_kamailio(lab: LocalLab) -> None:
    is_rooted = lab._state.source.root("kamailio") is not None
    if is_rooted:
        with pytest.raises(LabError, match="doesn't run"):
            lab.command_inside(("kamailio", "-v"))
    lab.start_service(kamailio(answer="shell"), Deadline(30))
    lab.host("carrier")
    route = "/etc/kamailio/route.cfg"
    assert inside(lab, "cat", route if is_rooted else str(lab.service("kamailio").place.find(route)))[1].count(
        "shell"
    )
    hosts = "/etc/hosts" if lab._state.refusal is None else str(lab._directory / "hosts")
    assert "carrier" in inside(lab, text=f"cat {hosts}\n")[1]
    assert inside(lab, "sh", "-c", "exit 7")[0] == 7


def test_what_kamailio_does_not_have_is_the_machines_in_the_labs_network(lab: LocalLab) -> None:
    lab.start_service(answering(text=b"from the lab"), Deadline(30))
    address = lab.host("engine").address
    ask = f"import urllib.request as r; print(r.urlopen('http://{address}:8080/', timeout=20).read().decode())"
    assert inside(lab, sys.executable, "-c", ask, on_machine=True) == (0, "from the lab\n")


@pytest.fixture
def without_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the kernel refuses them."""
    start = client._start

    def refused(directory: Path, options: dict[str, object], deadline: Deadline) -> client.Started:
        if options["refusal"] is None:
            raise client._SetupFailed("refused", found="Operation not permitted")
        return start(directory, options, deadline)

    monkeypatch.setattr(client, "_start", refused)


# --- apart from each other ------------------------------------------------------------------------------------------


@pytest.mark.namespaces
def test_two_labs_have_a_kamailio_each_on_the_same_address_and_port(lab: LocalLab) -> None:
    with LocalLab.open() as other:
        lab.start_service(kamailio(answer="first"), Deadline(60))
        other.start_service(kamailio(answer="second"), Deadline(60))
        assert lab.host("kamailio") == other.host("kamailio")
        assert answered_by(ask_options(lab)) == "first"
        assert answered_by(ask_options(other)) == "second"


def test_eight_labs_at_once() -> None:
    def call(number: int) -> str:
        with LocalLab.open() as lab:
            lab.start_service(kamailio(answer=f"lab{number}"), Deadline(60))
            return answered_by(ask_options(lab))

    with ThreadPoolExecutor(8) as pool:
        for number, answer in enumerate(pool.map(call, range(8))):
            assert answer == f"lab{number}"


def test_two_services_of_a_lab_have_files_of_their_own_at_the_same_path(lab: LocalLab) -> None:
    lab.start_service(kamailio("one", "one"), Deadline(60))
    lab.start_service(kamailio("two", "two"), Deadline(60))
    assert answered_by(ask_options(lab, "two")) == "two"
    assert (lab.service("one").read_file("/etc/kamailio/route.cfg") or b"").startswith(b"request_route")


@pytest.mark.namespaces
def test_the_shared_root_filesystem_cannot_be_written_to(lab: LocalLab) -> None:
    status, output = run(lab, "touch", "/usr/bin/mine")
    assert status != 0
    assert "Read-only file system" in output


@pytest.mark.namespaces
def test_nothing_outside_of_the_lab_can_be_reached(lab: LocalLab) -> None:
    status, output = python(lab, "import socket; socket.create_connection(('203.0.113.1', 80), 1)")
    assert status != 0
    assert "unreachable" in output


# --- names and addresses --------------------------------------------------------------------------------------------


@pytest.mark.namespaces
@pytest.mark.parametrize("role", ["sipp", "harness"])
def test_hosts_find_each_other_by_name_also_those_added_later(lab: LocalLab, role: Role) -> None:
    lab.host("tool")
    agent = lab.host("agent", "tap")
    for name in ("agent", "tap"):
        assert agent.address in run(lab, "getent", "ahostsv4", name, role=role)[1]
        assert agent.address6
        assert agent.address6 in run(lab, "getent", "ahostsv6", name, role=role)[1]


def test_a_name_that_is_given_back_or_was_never_there_is_unknown_at_once(lab: LocalLab) -> None:
    lab.host("agent")
    lab.release("agent")
    for name in ("agent", "example.com"):
        assert run(lab, "getent", "hosts", name) == (2, "")


@pytest.mark.namespaces
def test_ipv6_reaches_a_host(lab: LocalLab) -> None:
    code = """
    import socket, sys
    with socket.create_server((sys.argv[1], 80), family=socket.AF_INET6) as server:
        with socket.create_connection((sys.argv[1], 80), source_address=(sys.argv[1], 0)):
            print(server.accept()[1][0])
    """
    address6 = lab.host("tool").address6
    assert address6
    assert python(lab, code, address6) == (0, f"{address6}\n")


@pytest.mark.namespaces
def test_who_binds_no_address_has_kamailios(lab: LocalLab) -> None:
    lab.start_service(kamailio(), Deadline(60))
    engine = lab.start_service(answering(), Deadline(60))
    code = "import urllib.request; urllib.request.urlopen('http://engine:8080/').read()"
    assert python(lab, code) == (0, "")
    assert f"asked by {lab.host('kamailio').address}" in engine.output()


# --- services -------------------------------------------------------------------------------------------------------


def test_a_service_is_reached_through_its_endpoint(lab: LocalLab) -> None:
    lab.start_service(answering(text=b"from its own file"), Deadline(60))
    assert get(lab, "engine") == "from its own file"
    run_directory = lab.run_directory("engine")
    assert run_directory
    assert (Path(run_directory) / "answer.sock").is_socket()


@pytest.mark.namespaces
def test_a_port_without_a_socket_has_no_endpoint(lab: LocalLab) -> None:
    lab.start_service(answering(), Deadline(60))
    with pytest.raises(LabError, match="port 81 of engine can't be reached"):
        lab.endpoint("engine", 81)


def test_a_kamailio_with_a_bad_configuration_is_reported(lab: LocalLab) -> None:
    bad = kamailio("kamailio")
    service = Service("kamailio", "kamailio", bad.command, files={**bad.files, "/etc/kamailio/route.cfg": b"rubbish"})
    with suppress(ServiceDied):  # it may end before it can be handed over
        lab.start_service(service, Deadline(60))
    process = lab.service("kamailio")
    assert process.wait(Deadline(60)) != 0
    assert "syntax error" in process.output()


def test_a_command_that_does_not_exist(lab: LocalLab) -> None:
    with pytest.raises(LabError, match=r"engine could not be started \(no-such-command\)"):
        lab.start_service(Service("engine", "kamailio", ("no-such-command",)), Deadline(60))
    for _ in range(2):
        with pytest.raises(LabError, match=r"tool could not be started \(no-such-command\)"):
            run(lab, "no-such-command")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_files_address_and_log(lab: LocalLab, how: signal.Signals) -> None:
    process = lab.start_service(kamailio(), Deadline(60))
    answered_by(ask_options(lab, name="before"))
    run_directory = lab.run_directory("kamailio")
    assert run_directory
    (Path(run_directory) / "kept").touch()
    lab.restart_service("kamailio", Deadline(60), how=how)
    answered_by(ask_options(lab, name="after"))
    assert (Path(run_directory) / "kept").exists()
    assert process.output().count("Listening on") == 2
    assert ("Thank you for flying" in process.output()) == (how == signal.SIGTERM)


@pytest.mark.namespaces
def test_a_stopped_service_is_gone_with_its_workers_and_can_be_started_again(lab: LocalLab) -> None:
    process = lab.start_service(kamailio(), Deadline(60))
    answered_by(ask_options(lab))
    lab.stop_service("kamailio", Deadline(60))
    assert process.poll() == 0
    assert "kamailio" not in processes(lab)
    lab.restart_service("kamailio", Deadline(60))
    answered_by(ask_options(lab, name="after"))


@pytest.mark.namespaces
def test_workers_whose_main_process_dies_do_not_stay(lab: LocalLab) -> None:
    process = lab.start_service(kamailio(), Deadline(60))
    answered_by(ask_options(lab))
    process.signal(signal.SIGKILL)
    assert process.wait(Deadline(30)) == -signal.SIGKILL
    assert "kamailio" not in processes(lab)


def processes(lab: LocalLab) -> str:
    """The names of all processes in the lab."""
    code = "import pathlib; [print(path.read_text()) for path in pathlib.Path('/proc').glob('[0-9]*/comm')]"
    status, output = python(lab, code)
    assert status == 0
    return output


# --- programs -------------------------------------------------------------------------------------------------------


def test_a_program_works_in_a_directory_of_its_own(lab: LocalLab) -> None:
    script = "cat in/put; echo out; echo err >&2; echo written > output; sleep 60"
    program = Program("tool", "sipp", ("sh", "-c", script), lab.host("tool"), {"in/put": b"given\n"})
    process = lab.run(program)
    await_condition(lambda: process.read_file("output") == b"written\n", Deadline(30), "the output")
    assert process.output() == "given\nout\nerr\n"
    assert process.list_files() == ["in/put", "output"]
    assert process.read_file("nothing") is None
    assert process.poll() is None
    with pytest.raises(LabError, match="has a program tool already"):
        lab.run(program)
    process.signal(signal.SIGTERM)
    assert process.wait(Deadline(30)) == -signal.SIGTERM
    process.signal(signal.SIGTERM)
    assert process.read_file("output") == b"written\n", "also after its end"
    process.remove()
    process.remove()
    assert process.list_files() == []
    lab.run(program).remove()


# A module that the tests run, of a package on the path.
SPOKEN = """
import os, pathlib, signal, sys
def main(*words):
    if words == ("broken",):
        raise RuntimeError("broken on purpose")
    pathlib.Path("said").write_text(" ".join(words))
    print(sorted(os.listdir()))
    print("forked" if "-m" not in pathlib.Path("/proc/self/cmdline").read_text().split("\\0") else "executed")
    print("parent", os.getppid(), "leads", os.getpid() == os.getsid(0) == os.getpgid(0), flush=True)
    if words == ("stay",):
        signal.pause()
    return 3
"""


@pytest.fixture
def spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that programs can run: it says how it came to be."""
    (tmp_path / "spoken").mkdir()
    (tmp_path / "spoken/__init__.py").touch()
    script = f"{SPOKEN}if __name__ == '__main__': sys.exit(main(*sys.argv[1:]))\n"
    (tmp_path / "spoken/__main__.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "spoken"


def start_module(lab: LocalLab, module: str, *words: str) -> Process:
    argv = ("python", "-m", module, *words)
    return lab.run(Program("tool", "harness", argv, lab.host("tool"), {"given": b""}))


def run_module(lab: LocalLab, module: str, *words: str) -> tuple[int, str]:
    process = start_module(lab, module, *words)
    try:
        return process.wait(Deadline(60)), process.output()
    finally:
        process.remove()


def check_forked_programs(lab: LocalLab, module: str, parent: str) -> None:
    lab.import_module(module)
    status, output = run_module(lab, module, "two", "words")
    assert (status, "forked" in output) == (3, True)
    assert output.splitlines()[0] == "['given', 'said']"
    assert output.splitlines()[-1] == f"parent {parent} leads True"
    status, output = run_module(lab, module, "broken")
    assert (status, "RuntimeError: broken on purpose" in output) == (1, True)
    staying = start_module(lab, module, "stay")
    await_condition(lambda: "leads" in staying.output(), Deadline(60), "its words")
    assert staying.poll() is None
    assert staying.read_file("said") == b"stay"
    staying.signal(signal.SIGTERM)
    assert staying.wait(Deadline(60)) == -signal.SIGTERM
    staying.remove()


@pytest.mark.namespaces
def test_a_module_that_runs_often_is_imported_once(lab: LocalLab, spoken: str) -> None:
    check_forked_programs(lab, spoken, parent="1")


@pytest.mark.usefixtures("without_namespaces")
def test_without_namespaces_a_module_is_imported_once_too(spoken: str) -> None:
    with LocalLab.open(release=rootfs.ensure()) as lab:
        check_forked_programs(lab, spoken, parent=str(holder_of(lab).pid))
        start_module(lab, spoken, "stay")
    assert not marked(lab.id)


def test_programs_that_are_started_while_their_module_is_imported_wait_for_it(lab: LocalLab, spoken: str) -> None:
    names = [f"tool-{number}" for number in range(4)]
    programs = [Program(name, "harness", ("python", "-m", spoken), lab.host(name)) for name in names]
    with ThreadPoolExecutor(len(programs)) as pool:
        processes = list(pool.map(lab.run, programs))
    assert [process.wait(Deadline(60)) for process in processes] == [3, 3, 3, 3]
    assert all("forked" in process.output() for process in processes)


def test_where_the_fork_server_has_ended_there_is_another_one(lab: LocalLab, spoken: str) -> None:
    first = run_module(lab, spoken)
    kill = """
    import os, pathlib, signal
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        if path.read_bytes().rstrip(b"\\0").endswith(b"spoken"):
            os.kill(int(path.parent.name), signal.SIGKILL)
            print("killed")
    """
    assert python(lab, kill, name="kill") == (0, "killed\n")
    outputs = [run_module(lab, spoken) for _ in range(3)]
    assert "forked" in outputs[-1][1]
    assert {status for status, _ in (first, *outputs)} == {3}


def test_a_module_that_cannot_be_imported_beforehand_is_executed(
    lab: LocalLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "script.py").write_text("print('executed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lab.import_module("script")
    assert [run_module(lab, "script") for _ in range(2)] == [(0, "executed\n")] * 2


# --- faults ---------------------------------------------------------------------------------------------------------


# Sends to each address without waiting, and tells which of them got it.
ARRIVALS = """
import socket, sys
own, others = sys.argv[1], sys.argv[2:]
sender = socket.socket(socket.AF_INET6 if ":" in own else socket.AF_INET, socket.SOCK_DGRAM)
sender.bind((own, 0))
for other in [own, *others]:
    receiver = socket.socket(sender.family, socket.SOCK_DGRAM)
    receiver.bind((other, 9))
    receiver.settimeout(0.2)
    sender.sendto(b"x", (other, 9))
    try:
        receiver.recv(1)
        print(other)
    except TimeoutError:
        pass
"""


@pytest.mark.namespaces
def test_an_unplugged_host_neither_gets_nor_sends_anything_and_nobody_is_told(lab: LocalLab) -> None:
    here, there, third = (lab.host(name) for name in ("here", "there", "third"))

    def reached(sender: Host, *others: Host) -> list[str]:
        status, output = python(lab, ARRIVALS, sender.address, *(other.address for other in others))
        assert status == 0, output
        return output.split()

    assert reached(here, there, third) == [here.address, there.address, third.address]
    lab.disconnect("there")
    assert reached(here, there, third) == [here.address, third.address]
    assert reached(there, here, third) == [there.address]
    lab.reconnect("there")
    assert reached(there, here, third) == [there.address, here.address, third.address]


@pytest.mark.namespaces
def test_an_unplugged_host_is_unplugged_for_ipv6_too(lab: LocalLab) -> None:
    here, there = lab.host("here"), lab.host("there")
    assert here.address6
    assert there.address6
    assert python(lab, ARRIVALS, here.address6, there.address6)[1].split() == [here.address6, there.address6]
    lab.disconnect("there")
    assert python(lab, ARRIVALS, here.address6, there.address6) == (0, f"{here.address6}\n")


@pytest.mark.namespaces
def test_unplugging_a_host_that_is_not_there(lab: LocalLab) -> None:
    lab.host("kamailio")
    with pytest.raises(LabError, match=r"no host nobody\n  expected: one of kamailio"):
        lab.disconnect("nobody")


# --- the end --------------------------------------------------------------------------------------------------------


def directory_of(lab: LocalLab) -> Path:
    return leasing.base_directory() / lab.id


def holder_of(lab: LocalLab) -> ProcessIdentity:
    lease = Lease.read(directory_of(lab))
    assert lease
    assert lease.holder
    return lease.holder


def test_stopping_leaves_nothing(lab: LocalLab) -> None:
    lab.start_service(kamailio(), Deadline(60))
    process = ask_options(lab)
    holder = holder_of(lab)
    lab.stop()
    lab.stop()
    assert not holder.alive
    assert not directory_of(lab).exists()
    process.remove()
    with pytest.raises(LabError, match="the lab has ended"):
        lab.start_service(kamailio("another"), Deadline(60))


OPEN_LAB = """
import sys, time
from rating_harness.deadline import Deadline
from rating_harness.lab.local import LocalLab
from tests.lab.test_local_lab import answered_by, answering, ask_options, kamailio
lab = LocalLab.open(keep="keep" in sys.argv)
lab.start_service(kamailio(), Deadline(60))
lab.start_service(answering(), Deadline(60))
assert answered_by(ask_options(lab)) == "answer"
print(lab.id, flush=True)
if "stay" in sys.argv: time.sleep(60)
if "stop" in sys.argv: lab.stop()
"""
PROJECT = Path(__file__).parents[2]


def owner(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OPEN_LAB, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)


def test_a_killed_owner_leaves_nothing() -> None:
    with owner("stay") as process:
        assert process.stdout
        directory = leasing.base_directory() / process.stdout.readline().strip()
        lease = Lease.read(directory)
        assert lease
        assert lease.holder
        assert lease.holder.alive
        process.kill()
    holder = lease.holder
    await_condition(lambda: not holder.alive, Deadline(60), "the holder's death")
    assert not directory.exists()


def test_a_lab_that_is_kept_can_be_attached_to_and_ends_when_asked_to() -> None:
    with owner("keep") as process:
        assert process.stdout
        lab_id = process.stdout.readline().strip()
    assert process.returncode == 0
    lab = LocalLab.attach(lab_id)
    try:
        assert get(lab, "engine") == "hello"
        lab.restart_service("engine", Deadline(60), how=signal.SIGKILL)
        assert get(lab, "engine") == "hello"
        assert lab.host("engine").address != lab.host("new").address
        assert answered_by(ask_options(lab, name="another")) == "answer"
        assert lab_id not in leasing.sweep()
        assert LocalLab.attach(lab_id).host("new") == lab.host("new")
    finally:
        lab.stop()
    with pytest.raises(LabError, match=f"no running lab {lab_id}"):
        LocalLab.attach(lab_id)


def test_a_lab_that_cannot_be_set_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def own_labs() -> list[Path]:
        return [directory for directory, lease in leasing.leases() if lease and lease.owner == ProcessIdentity.own()]

    before = own_labs()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LabError, match="holder could not start"):
        LocalLab.open()
    assert own_labs() == before


def test_a_lab_that_is_not_kept_cannot_be_attached_to(lab: LocalLab) -> None:
    with pytest.raises(LabError, match=f"lab {lab.id} ends with process {os.getpid()}"):
        LocalLab.attach(lab.id)


def test_a_root_filesystem_without_kamailio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="can't be used for Kamailio"):
        LocalLab.open(release=tmp_path)


@pytest.mark.namespaces
def test_the_network_is_a_servers(lab: LocalLab) -> None:
    """A SIP worker waits for an HTTP worker once so many requests wait: the kernel's own default is 10."""
    settings = ("/proc/sys/net/unix/max_dgram_qlen", "/proc/sys/net/ipv4/tcp_tw_reuse")
    assert run(lab, "cat", *settings, role="harness") == (0, "512\n1\n")
    waiting = """
        import socket
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        here.setblocking(False)
        print(sum(here.send(b"12345678") for _ in range(200)))
    """
    assert python(lab, waiting) == (0, "1600\n")


# --- other kinds of machines ----------------------------------------------------------------------------------------


def test_the_machines_network_on_addresses_of_the_labs_own() -> None:
    with LocalLab.open(network="host") as one, LocalLab.open(network="host") as two:
        for lab in (one, two):
            lab.start_service(kamailio(), Deadline(60))
            lab.start_service(answering(text=lab.id.encode()), Deadline(60))
            assert answered_by(ask_options(lab)) == "answer"
            assert not lab.capabilities.isolated
            assert lab.capabilities.names
            with pytest.raises(LabError, match="can't be unplugged"):
                lab.disconnect("engine")
        assert one.host("kamailio").address != two.host("kamailio").address
        addresses = [lab.host("engine").address for lab in (one, two)]
        assert [httpx.get(f"http://{address}:8080/").text for address in addresses] == [one.id, two.id]


def test_a_root_filesystem_that_cannot_be_entered_still_lends_its_programs(lab: LocalLab) -> None:
    root = rootfs.ensure()
    lab._state.source = ProgramSource(root, root, enterable=False)
    write_wrappers(directory_of(lab) / BIN, lab._state.source)
    lab.start_service(kamailio(), Deadline(60))
    assert answered_by(ask_options(lab)) == "answer"
    assert lab.service("kamailio").read_file("/etc/kamailio/route.cfg")


@pytest.mark.usefixtures("without_namespaces")
def test_without_namespaces_all_runs_on_loopback_and_what_is_lost_is_said() -> None:
    with LocalLab.open(release=rootfs.ensure()) as lab:
        assert not lab.capabilities.isolated
        assert "Operation not permitted" in lab.capabilities.why["isolated"]
        assert lab.capabilities.names, "a hosts file of the lab's own needs no mount where nss_wrapper is"
        lab.start_service(kamailio(), Deadline(60))
        lab.start_service(answering(text=b"here"), Deadline(60))
        assert get(lab, "engine") == "here"
        assert answered_by(ask_options(lab, lab.host("kamailio").address)) == "answer"
        assert answered_by(ask_options(lab, "kamailio", "by-name")) == "answer"
        lab.restart_service("kamailio", Deadline(60), how=signal.SIGKILL)
        assert answered_by(ask_options(lab, "kamailio", "again")) == "answer"
    assert not marked(lab.id)


@pytest.mark.usefixtures("without_namespaces")
def test_without_namespaces_a_name_that_is_added_is_found_and_one_that_is_unknown_is_not() -> None:
    with LocalLab.open(release=rootfs.ensure()) as lab:
        lab.start_service(kamailio(), Deadline(60))
        unknown = ask_options(lab, "late", "before")
        assert unknown.wait(Deadline(60)) != 0
        assert "Unknown remote host 'late'" in unknown.output()
        lab.host("kamailio", "late")
        assert answered_by(ask_options(lab, "late", "after")) == "answer"


@pytest.mark.usefixtures("without_namespaces")
def test_without_namespaces_and_a_compiler_there_are_no_names_and_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rating_harness.lab.local.programs.library_compiler", lambda root: None)
    with LocalLab.open(release=rootfs.ensure()) as lab:
        assert (lab.capabilities.names, lab.capabilities.clock) == (False, False)
        assert "there is no C compiler (tcc, cc)" in lab.capabilities.why["clock"]


REFUSED = Path(__file__).with_name("refused.py")
ONE_CALL = Path(__file__).parents[2] / "scenarios/dialog/callee-hangs-up.yaml"


@pytest.mark.parametrize("what", ["namespaces", "mounts"])
def test_a_scenario_passes_where_the_kernel_refuses(what: str) -> None:
    harness = [sys.executable, "-m", "rating_harness"]
    command = [sys.executable, str(REFUSED), what, *harness, "run", "--lab", "local", "-j", "1", str(ONE_CALL)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 0 failed, 0 skipped" in done.stdout
    trial = subprocess.run(
        [sys.executable, str(REFUSED), what, *harness, "doctor"], stdout=subprocess.PIPE, text=True, timeout=120
    )
    assert trial.returncode == 0, trial.stdout
    assert "the local lab uses the machine's network" in trial.stdout
    assert "Kamailio was started in a local lab, and answered SIPp" in trial.stdout


BY_TRANSPORTS = ONE_CALL.parents[1] / "transports/callers.yaml"


@pytest.mark.namespaces
def test_what_needs_ipv6_is_skipped_where_there_is_none() -> None:
    harness = [sys.executable, "-m", "rating_harness", "run", "--lab", "local", "-j", "1", "-k", "tcp"]
    command = [sys.executable, str(REFUSED), "ipv6", *harness, str(BY_TRANSPORTS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 0 failed, 1 skipped" in done.stdout
    assert "Address family not supported" in done.stdout


def marked(lab_id: str) -> Sequence[str]:
    """The processes of this user that were started in the lab."""
    mark = f"{leasing.MARK}={lab_id}".encode()
    return [str(process.pid) for process in leasing._own_processes() if mark in leasing._environment(process.pid)]


def test_as_a_user_without_any_rights() -> None:
    if os.geteuid() != 0:
        pytest.skip("this user is one already")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    rootfs.ensure()
    interpreter = _interpreter_for(as_nobody)
    if interpreter is None:
        pytest.skip("that user can read no Python that has the harness's packages: a checkout in a private home, say")
    done = subprocess.run(
        [*as_nobody, *interpreter, "-c", OPEN_LAB, "stop"],
        cwd="/",
        env=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


def _interpreter_for(as_user: Sequence[str]) -> Sequence[str] | None:
    """One of this very version, since the packages are this one's, and one that can start itself."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    again = "import subprocess, sys, rating_harness.lab.local; subprocess.run([sys.executable, '-c', ''], check=True)"
    for path in (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin")):
        if path and _succeeds([*as_user, path, "-c", again]):
            return [path]
    return None


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, cwd="/", env=_ENVIRONMENT, stderr=subprocess.DEVNULL).returncode == 0


_ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join((str(PROJECT), *sys.path))}
