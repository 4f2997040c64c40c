"""The protocol of a lab, with containers."""

from __future__ import annotations

import shutil
import signal
import socket
from dataclasses import replace

import httpx
import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError, ServiceDied, Timeout
from rating_harness.lab.docker import DockerLab, Engine
from rating_harness.lab.docker.engine import connect
from rating_harness.lab.docker.host import HostContainer
from rating_harness.lab.docker.lab import NO_CLOCK
from rating_harness.lab.docker.labels import LAB
from rating_harness.lab.protocol import Program, Service
from rating_harness.rating.client import EngineClient
from tests.docker.sip import CALL, CARRIER, PING, sipp

SERVER = ("python3", "-m", "http.server", "--bind", "{address}", "--directory", "{run}", "8000")


def web(name: str = "web", *aliases: str) -> Service:
    return Service(
        name, "harness", SERVER, aliases=aliases, files={"/run/lab/hello": b"hello"}, ports=(8000,), ready="/hello"
    )


def shell(lab: DockerLab, name: str, script: str) -> tuple[int, str]:
    process = lab.run(Program(name, "sipp", ("sh", "-c", script), lab.host(name)))
    status = process.wait(Deadline(60))
    output = process.output()
    process.remove()
    return status, output


def reaches(lab: DockerLab, service: str = "web", path: str = "/hello") -> str:
    """The body, or the error's name."""
    try:
        return httpx.get(lab.endpoint(service, 8000).url + path, timeout=1).text
    except httpx.HTTPError as error:
        return type(error).__name__


def test_kamailio_answers_options(lab: DockerLab) -> None:
    caller = lab.host("pinging")
    process = lab.run(sipp(caller, PING, lab.host("kamailio").address))
    assert process.wait(Deadline(60)) == 0, process.output()
    lab.release("pinging")


GIVEN = {
    "carriers": [{"carrier_tag": "carrier", "host": "carrier", "port": 5060, "protocol": "UDP"}],
    "pricelists": [
        {
            "pricelist_tag": "retail",
            "currency": "EUR",
            "rates": [{"carrier_tag": "carrier", "prefix": "sip:39", "rate": 60, "rate_increment": 1}],
        }
    ],
    "accounts": [
        {
            "account_tag": "1000",
            "type": "PREPAID",
            "balance": 1000,
            "carrier_tags": ["carrier"],
            "pricelist_tags": ["retail"],
        }
    ],
}


def test_a_call_through_kamailio_is_rated(lab: DockerLab) -> None:
    with EngineClient(lab.endpoint("rating-engine", 8000)) as engine:
        engine.seed(GIVEN)
        answering = lab.run(sipp(lab.host("carrier"), CARRIER))
        calling = lab.run(sipp(lab.host("caller"), CALL, lab.host("kamailio").address))
        assert calling.wait(Deadline(60)) == 0, calling.output()
        assert answering.wait(Deadline(60)) == 0, answering.output()
        assert calling.list_files() == ["messages.log", "scenario.xml"]
        assert b"INVITE sip:39040123456@" in (calling.read_file("messages.log") or b"")
        await_condition(lambda: engine.accounts(["1000"])[0]["balance"] != 1000, Deadline(30), "the call's fee")
        (transaction,) = engine.transactions()
        assert transaction["duration"] in (1, 2)
    for name in ("caller", "carrier"):
        lab.release(name)


def test_a_host_is_found_by_its_name_and_aliases_while_it_exists(empty_lab: DockerLab) -> None:
    host = empty_lab.host("alone", "nick")
    assert empty_lab.host("alone") == host
    asked = "getent ahostsv4 alone nick | cut -d' ' -f1 | sort -u; getent ahostsv6 nick | cut -d' ' -f1 | sort -u"
    assert shell(empty_lab, "asking", asked) == (0, f"{host.address}\n{host.address6}\n")

    empty_lab.host("alone", "late")
    assert shell(empty_lab, "asking", "getent hosts late")[0] == 0
    assert shell(empty_lab, "asking", "getent ahosts late | head -1")[1].split()[0] == host.address

    empty_lab.release("alone")
    assert shell(empty_lab, "asking", "getent hosts alone nick")[0] == 2
    again = empty_lab.host("alone")
    assert again.address != host.address
    assert shell(empty_lab, "asking", "getent ahostsv4 alone | cut -d' ' -f1 | sort -u") == (0, f"{again.address}\n")


def test_a_host_s_network_is_a_server_s(empty_lab: DockerLab) -> None:
    """A SIP worker waits for an HTTP worker once so many requests wait: a container's own default is 10."""
    settings = "/proc/sys/net/unix/max_dgram_qlen /proc/sys/net/ipv4/tcp_tw_reuse"
    assert shell(empty_lab, "server", f"cat {settings}") == (0, "512\n1\n")


def test_a_host_that_takes_a_released_one_s_place_has_nothing_of_it(engine: Engine, empty_lab: DockerLab) -> None:
    old = empty_lab.host("old", "nick")
    empty_lab.start_service(web("old", "nick"), Deadline(60))
    empty_lab.release("old")
    new = empty_lab.host("new")
    assert shell(empty_lab, "asking", "getent hosts old nick")[0] == 2
    status, interfaces = shell(empty_lab, "new", "cat /proc/net/fib_trie")
    assert (status, new.address in interfaces, old.address in interfaces) == (0, True, False)
    assert len([name for name in left(engine, empty_lab.id) if "-host-" in name]) == 2

    empty_lab.disconnect("new")
    empty_lab.release("new")
    empty_lab.start_service(web(), Deadline(60))
    assert reaches(empty_lab) == "hello"


def test_a_host_that_could_not_be_made_spoils_no_other(empty_lab: DockerLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> HostContainer:
        raise LabError("the engine failed while starting the host broken")

    with monkeypatch.context() as patched:
        patched.setattr(HostContainer, "create", refused)
        empty_lab.host("broken")
        with pytest.raises(LabError, match="starting the host broken"):
            shell(empty_lab, "broken", "true")
    empty_lab.release("broken")
    assert shell(empty_lab, "broken", "true") == (0, "")


def test_two_labs_never_see_each_other(empty_lab: DockerLab) -> None:
    empty_lab.start_service(web(), Deadline(60))
    with DockerLab.open() as other:
        other.start_service(web(), Deadline(60))
        here, there = empty_lab.host("web").address, other.host("web").address
        assert here != there
        fetch = "python3 -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=2)' http://{}:8000/hello"
        own = other.run(Program("own", "harness", ("sh", "-c", fetch.format(there)), other.host("own")))
        foreign = other.run(Program("foreign", "harness", ("sh", "-c", fetch.format(here)), other.host("foreign")))
        by_name = other.run(Program("name", "harness", ("sh", "-c", fetch.format("web")), other.host("name")))
        assert own.wait(Deadline(60)) == 0
        assert by_name.wait(Deadline(60)) == 0
        assert foreign.wait(Deadline(60)) == 1
        assert "timed out" in foreign.output()


def test_a_command_that_is_not_in_the_image(empty_lab: DockerLab) -> None:
    with pytest.raises(ServiceDied, match="status 127") as caught:
        empty_lab.start_service(Service("web", "sipp", ("no-such-program",), ports=(80,), ready="/"), Deadline(60))
    assert "no-such-program" in str(caught.value)


@pytest.mark.parametrize("readable", [True, False])
def test_a_program_s_files_are_the_same_read_from_the_disk_and_from_the_engine(
    empty_lab: DockerLab, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    if not readable:
        monkeypatch.setattr("os.access", lambda path, mode: False)
    script = "mkdir more; echo out > more/output; echo trace > trace; rm given; echo x >> kept; sleep 60"
    files = {"given": b"given\n", "kept": b"kept\n", "untouched": b"\xff"}
    process = empty_lab.run(Program("writing", "sipp", ("sh", "-c", script), empty_lab.host("writing"), files))
    await_condition(lambda: process.read_file("kept") == b"kept\nx\n", Deadline(60), "all its files")

    def check() -> None:
        assert process.list_files() == ["kept", "more/output", "trace", "untouched"]
        assert process.read_file("more/output") == b"out\n"
        assert process.read_file("untouched") == b"\xff"
        assert process.read_file("given") is None
        assert process.read_file("/work/trace") == b"trace\n"

    check()
    process.signal(signal.SIGKILL)
    process.wait(Deadline(60))
    check()
    process.remove()


def test_an_unplugged_host_is_silent_both_ways_and_through_a_restart(empty_lab: DockerLab) -> None:
    assert empty_lab.capabilities.unplug
    empty_lab.start_service(web(), Deadline(60))
    empty_lab.disconnect("web")
    assert reaches(empty_lab) == "ConnectTimeout"
    assert shell(empty_lab, "asking", "getent hosts web")[0] == 0
    # A sender isn't told, neither outside nor on the unplugged host itself.
    send = "import socket; print(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{}', 9)))"
    peer = empty_lab.host("asking").address
    inside = empty_lab.run(Program("in", "harness", ("python3", "-c", send.format(peer)), empty_lab.host("web")))
    assert inside.wait(Deadline(60)) == 0, inside.output()

    empty_lab.stop_service("web", Deadline(60))
    with pytest.raises(Timeout):
        empty_lab.restart_service("web", Deadline(3))
    empty_lab.reconnect("web")
    empty_lab.reconnect("web")
    assert reaches(empty_lab) == "hello"


def test_where_addresses_can_not_be_reached_ports_are_published(
    empty_lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(empty_lab, "_reachable", False)
    empty_lab.start_service(web(), Deadline(60))
    assert empty_lab.endpoint("web", 8000).url.startswith("http://127.0.0.1:")
    assert reaches(empty_lab) == "hello"
    with pytest.raises(LabError, match="port 9 of web can't be reached"):
        empty_lab.endpoint("web", 9)


def test_a_service_that_is_started_anew_is_reached_where_it_was(
    empty_lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(empty_lab, "_reachable", False)
    empty_lab.start_service(web(), Deadline(60))
    before = empty_lab.endpoint("web", 8000)
    empty_lab.stop_service("web", Deadline(60))
    empty_lab.start_service(replace(web(), files={"/run/lab/hello": b"anew"}), Deadline(60))
    assert empty_lab.endpoint("web", 8000) == before
    assert reaches(empty_lab) == "anew"


def test_a_person_finds_a_service_where_it_is_published(empty_lab: DockerLab) -> None:
    assert empty_lab.host("web").name == "web"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    published = (f"127.0.0.1:{port}:8000", f"127.0.0.1:{port}:53/udp")
    empty_lab.start_service(replace(web(), published=published), Deadline(60))
    assert empty_lab.published("web", 8000) == empty_lab.published("web", 53) == f"127.0.0.1:{port}"
    assert httpx.get(f"http://127.0.0.1:{port}/hello").text == "hello"
    assert reaches(empty_lab) == "hello"
    assert empty_lab.published("web", 80) == f"{empty_lab.host('web').address}:80"


def test_a_lab_is_found_again_by_its_id(empty_lab: DockerLab) -> None:
    empty_lab.start_service(web("web", "www"), Deadline(60))
    again = DockerLab.attach(empty_lab.id)
    assert again.host("web") == empty_lab.host("web")
    assert reaches(again) == "hello"
    again.restart_service("web", Deadline(60), how=signal.SIGKILL)
    with pytest.raises(LabError, match="already one of host web"):
        again.host("www")
    assert again.host("new").address != again.host("web").address
    again.stop()
    with pytest.raises(LabError, match="the lab has ended"):
        DockerLab.attach(empty_lab.id)


def left(engine: Engine, lab_id: str) -> list[str]:
    """Names of the containers and networks of that lab."""
    api, label = engine.client.api, {"label": f"{LAB}={lab_id}"}
    containers = [container["Names"][0].lstrip("/") for container in api.containers(all=True, filters=label)]
    return [*containers, *(network["Name"] for network in api.networks(filters=label))]


def test_stop_leaves_nothing(engine: Engine, empty_lab: DockerLab) -> None:
    empty_lab.start_service(web(), Deadline(60))
    empty_lab.run(Program("sleeper", "sipp", ("sleep", "60"), empty_lab.host("sleeper")))
    empty_lab.pause("sleeper")
    empty_lab.host("still-starting")
    assert len(left(engine, empty_lab.id)) >= 5
    empty_lab.stop()
    assert left(engine, empty_lab.id) == []
    empty_lab.stop()


def test_the_engine_is_asked_whatever_becomes_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: object, **__: object) -> None:
        raise KeyError("PYTEST_CURRENT_TEST")

    engine = connect()
    try:
        monkeypatch.setattr("requests.sessions.get_environ_proxies", changed)
        assert engine.client.ping()
    finally:
        engine.close()


def test_a_lab_says_why_its_clock_stays_and_where_one_moves(empty_lab: DockerLab) -> None:
    assert not empty_lab.capabilities.clock
    assert empty_lab.capabilities.why["clock"] == NO_CLOCK
    with pytest.raises(LabError, match="no clock that can be moved") as caught:
        empty_lab.install_clock(b"")
    assert caught.value.found == NO_CLOCK
    assert "--lab local" in NO_CLOCK
    empty_lab.remove_clock()


def test_a_person_is_inside_kamailios_container(lab: DockerLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    inside = lab.command_inside(("kamctl", "rpc", "core.uptime"))
    assert inside.argv[1:3] == ("exec", "--interactive")
    assert inside.argv[-4:] == (lab.service("kamailio").container, "kamctl", "rpc", "core.uptime")
    assert "RPCFIFOPATH=/run/lab/kamailio_rpc.fifo" in inside.argv
    with pytest.raises(LabError, match="nothing of the machine's files"):
        lab.command_inside((), on_machine=True)
