"""A lab's state, stored for whoever attaches to it."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from rating_harness.errors import LabError
from rating_harness.lab.local.client import HolderClient
from rating_harness.lab.local.hosts import Hosts
from rating_harness.lab.local.layout import Place
from rating_harness.lab.local.process import LocalService
from rating_harness.lab.local.programs import ProgramSource
from rating_harness.lab.local.state import FORMAT, LabState, read_state, write_state


def state(directory: Path) -> LabState:
    hosts = Hosts(IPv4Network("127.1.2.0/24"), IPv6Network("fd17::/64"))
    host, _ = hosts.get("kamailio", "proxy")
    service = LocalService(
        "kamailio",
        host,
        Place(directory / "s/kamailio", Path("/cache/trixie")),
        HolderClient(directory),
        {"argv": ["kamailio", "-DD"], "layers": ["a"], "binds": [["/dev", "/dev"]]},
        (5060,),
        {8000: "api.sock"},
        "/status",
        False,
    )
    service._key = 7
    source = ProgramSource(Path("/cache/trixie"), None, enterable=False)
    return LabState(source, False, "refused", {"ipv6": "none"}, "127.0.0.1 localhost\n", hosts, {"kamailio": service})


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    written = state(tmp_path)
    write_state(tmp_path, written)
    read = read_state(tmp_path, HolderClient(tmp_path))
    assert read.services.keys() == written.services.keys()
    assert read.services["kamailio"].record == written.services["kamailio"].record
    assert read.services["kamailio"].record.key == 7
    assert (read.source, read.own_network, read.refusal, read.lost, read.localhost, read.hosts) == (
        written.source,
        written.own_network,
        written.refusal,
        written.lost,
        written.localhost,
        written.hosts,
    )
    assert read.hosts.get("new")[0].address == "127.1.2.11"


@pytest.mark.parametrize("found", [FORMAT + 1, None, "1"])
def test_a_state_of_another_format_is_refused(tmp_path: Path, found: object) -> None:
    write_state(tmp_path, state(tmp_path))
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": found}))
    with pytest.raises(LabError, match="opened by another version of rating-harness") as caught:
        read_state(tmp_path, HolderClient(tmp_path))
    assert caught.value.found == f"format {found}"
    assert "rating-harness clean" in str(caught.value.hint)


@pytest.mark.parametrize("content", [None, b"", b"\x80\x05\x95", b"[]", b'{"format": 1}'])
def test_a_state_that_cannot_be_read_is_told_in_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "lab.json").write_bytes(content)
    with pytest.raises(LabError, match=r"the state of lab .* can't be read") as caught:
        read_state(tmp_path, HolderClient(tmp_path))
    assert caught.value.where == str(tmp_path / "lab.json")
