from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rating_harness.errors import Location, UsageError
from rating_harness.lab.compose import Composition, load
from rating_harness.lab.files import data_directory

MINIMAL = """\
services:
  rating-engine:
    command: [rating-harness, engine]
    x-lab: {role: harness}
"""


def read(directory: Path, text: str, **environment: str) -> Composition:
    path = directory / "lab.yaml"
    path.write_text(text)
    return load(path, environment)


def refused(directory: Path, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(directory, text)
    return caught.value


def test_what_is_shipped_can_be_read_by_a_driver_and_by_a_person() -> None:
    lab = load(data_directory("compose") / "lab.yaml")
    assert list(lab.services) == ["rating-engine", "rating-agent", "kamailio"]

    kamailio = lab.services["kamailio"]
    assert kamailio.role == "kamailio"
    assert {"udp:{address}:5060", "tcp:{address}:5060", "{run}"} <= set(kamailio.command)
    assert b"#!KAMAILIO" in kamailio.files["/etc/kamailio/kamailio.cfg"]

    tap = lab.services["rating-agent"]
    assert tap.sockets == {8001: "control.sock"}
    assert "--control=unix:{run}/control.sock" in tap.command

    by_hand = load(data_directory("compose") / "lab.yaml", {})
    assert not [word for service in by_hand.services.values() for word in service.command if "{" in word]
    for published in lab.published.values():
        assert published
        assert all(address.startswith("127.0.0.1:") for address in published)


def test_the_dockerfiles_that_are_named_exist() -> None:
    path = data_directory("compose") / "lab.yaml"
    for service in yaml.safe_load(path.read_text())["services"].values():
        assert (path.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_every_field_of_a_service(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.cfg").write_bytes(b"a")
    (tmp_path / "conf" / "sub").mkdir()
    (tmp_path / "conf" / "sub" / "b.cfg").write_bytes(b"b")
    (tmp_path / "one.key").write_bytes(b"key")
    lab = read(
        tmp_path,
        """\
name: a-lab
services:
  early:
    image: example/early:1
    build: {context: ., dockerfile: Dockerfile.early, args: {A: 1}}
    command: [run, "${WHERE:-here}"]
    environment: {COLOUR: red, EMPTY: ""}
    expose: ["8080", 9090]
    ports: ["127.0.0.1:80:8080", "53:53/udp"]
    init: true
    volumes: ["./conf:/etc/early:ro", "./one.key:/etc/key"]
    x-lab: {role: harness, sockets: {8080: api.sock}, ready: /status}
  late:
    command: [sh, -c, "sleep 1"]
    depends_on: [early]
    x-lab: {role: sipp}
""",
        WHERE="there",
    )
    early, late = lab.services.values()
    assert early.command == ("run", "there")
    assert early.files == {"/etc/early/a.cfg": b"a", "/etc/early/sub/b.cfg": b"b", "/etc/key": b"key"}
    assert early.environment == {"COLOUR": "red", "EMPTY": ""}
    assert early.ports == (8080, 9090)
    assert early.sockets == {8080: "api.sock"}
    assert early.ready == "/status"
    assert early.published == ()
    assert lab.published == {"early": ("127.0.0.1:80:8080", "53:53/udp"), "late": ()}
    assert late.command == ("sh", "-c", "sleep 1")


def test_an_unknown_key_is_named_with_its_place_and_the_likely_one(tmp_path: Path) -> None:
    error = refused(tmp_path, MINIMAL + "    comand: [x]\n")
    assert error.where == Location(str(tmp_path / "lab.yaml"), 5, 5)
    assert "'comand'" in error.message
    assert error.hint is not None
    assert error.hint.startswith("did you mean 'command'? It takes: build, command,")


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("services: {}\nvolumes: {}\n", 2, 1, "unknown key 'volumes'"),
        ("name: x\n", 1, 1, "'services' is missing"),
        ("services: [a]\n", 1, 11, "not a mapping"),
        ("services:\n  a: {x-lab: {role: sipp}}\n", 2, 6, "'command' is missing"),
        ("services:\n  a:\n    command: [x]\n    x-lab: {role: sip}\n", 4, 19, "unknown value 'sip'"),
        (MINIMAL + "    x-lab: {role: sipp}\n", 5, 5, "'x-lab' stands twice"),
        (MINIMAL + "    networks: {outside: {}}\n", 5, 5, "unknown key 'networks'"),
        ("services: {a: {command: [x], x-lab: {role: sipp, sockets: {x: y}}}}\n", 1, 60, "'x' is no TCP port"),
        (MINIMAL + "    build: {context: ., dockerfile: D, target: x}\n", 5, 40, "unknown key 'target'"),
        (MINIMAL + "    expose: [70000]\n", 5, 14, "'70000' is no TCP port"),
        (MINIMAL + "    ports: ['8000']\n", 5, 13, "'8000' is no published port"),
        (MINIMAL + "    stop_signal: SIGKIL\n", 5, 5, "unknown key 'stop_signal'"),
        (MINIMAL + "    init: maybe\n", 5, 11, "unknown value 'maybe'"),
        (MINIMAL + "    volumes: ['data:/var/lib']\n", 5, 15, "not a mount of this subset"),
        (MINIMAL + "    volumes: ['./nowhere:/etc/x']\n", 5, 15, "./nowhere doesn't exist"),
        (MINIMAL + "    depends_on: [rating-agent]\n", 5, 18, "depends on rating-agent, which isn't a service"),
        (MINIMAL + "    depends_on: {a: {condition: service_healthy}}\n", 5, 17, "not a list"),
        (MINIMAL + "    image: x:${TAG}\n", 5, 12, "the variable TAG isn't set and has no default"),
        (MINIMAL + "    image: x:${TAG:?set it}\n", 5, 12, "a dollar that begins no variable"),
        (MINIMAL + "    environment: {1: [2]}\n", 5, 22, "not a single value"),
        ("services: [\n", 2, 1, "is no YAML"),
    ],
)
def test_what_the_subset_does_not_have_is_refused(
    tmp_path: Path, text: str, line: int, column: int, says: str
) -> None:
    error = refused(tmp_path, text)
    assert says in error.message
    assert error.where == Location(str(tmp_path / "lab.yaml"), line, column)


def test_what_a_database_of_ones_own_needs_to_say(tmp_path: Path) -> None:
    lab = read(
        tmp_path, "services:\n  database: {image: 'x/db:1', command: [db], expose: ['3306']}\n  b: {command: [b]}\n"
    )
    database, b = lab.services.values()
    assert (database.role, database.ports) == ("kamailio", (3306,))
    assert lab.images == {"database": "x/db:1"}
    assert b.ports == ()


def test_a_service_stands_below_those_that_it_depends_on(tmp_path: Path) -> None:
    one = "{command: [x], depends_on: [%s], x-lab: {role: sipp}}"
    error = refused(tmp_path, f"services:\n  a: {one % 'b'}\n  b: {one % 'a'}\n")
    assert "a depends on b, which isn't a service above it" in error.message


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    assert "empty" in refused(tmp_path, text).message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read") as caught:
        load(tmp_path / "lab.yaml")
    assert caught.value.found == "No such file or directory"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "1"),
        ("${A:-x}${B:-x}${C:-x}", "1xx"),
        ("${B:-udp:{address}", "udp:{address"),
        ("no variable", "no variable"),
        ("$$A $${A} $$$${A}", "$A ${A} $${A}"),
    ],
)
def test_variables(tmp_path: Path, text: str, result: str) -> None:
    lab = read(tmp_path, f"services: {{a: {{command: ['{text}'], x-lab: {{role: sipp}}}}}}", A="1", C="")
    assert lab.services["a"].command == (result,)


@pytest.mark.parametrize("text", ["$", "a $ b", "$A", "$$$", "${}", "${A", "${A:+x}", "${1}"])
def test_what_is_no_variable(tmp_path: Path, text: str) -> None:
    error = refused(tmp_path, MINIMAL + f"    image: 'x {text}'\n")
    assert "a dollar that begins no variable" in error.message
    assert error.where == Location(str(tmp_path / "lab.yaml"), 5, 12)
