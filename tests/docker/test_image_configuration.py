"""Kamailio's configuration that is inside of an image: copied out of it, and tested."""

from __future__ import annotations

import io
import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from rating_harness.errors import ImageError
from rating_harness.lab.docker import Engine
from rating_harness.lab.docker.archive import pack
from rating_harness.lab.docker.configuration import copy_configuration
from rating_harness.lab.docker.images import Images
from rating_harness.lab.docker.labels import LAB
from rating_harness.lab.files import data_directory
from rating_harness.run.options import Options

ANSWERED = """\
scenario: A call is answered
given:
  accounts: [{account_tag: "1000", type: POSTPAID, balance: 0}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: 200}}]
"""

Import = Callable[..., str]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of this test alone."""
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    copy_configuration.cache_clear()
    yield tmp_path / "cache"
    copy_configuration.cache_clear()


@pytest.fixture
def imported(engine: Engine) -> Iterator[Import]:
    """Makes an image that holds files, and nothing to be run."""
    names: list[str] = []

    def make(files: Mapping[str, str], links: Mapping[str, str] | None = None, command: str = "") -> str:
        archive = io.BytesIO(pack({name: text.encode() for name, text in files.items()}))
        with tarfile.open(fileobj=archive, mode="a") as members:
            for name, target in (links or {}).items():
                member = tarfile.TarInfo(name.lstrip("/"))
                member.type, member.linkname = tarfile.SYMTYPE, target
                members.addfile(member)
        repository, tag = "rating-harness-tests/configured", secrets.token_hex(4)
        changes = [f"CMD {command}"] if command else []
        engine.client.api.import_image_from_data(archive.getvalue(), repository, tag, changes=changes)
        names.append(f"{repository}:{tag}")
        return names[-1]

    yield make
    for name in names:
        engine.client.images.remove(name)


def texts(directory: Path) -> dict[str, str]:
    return {
        file.relative_to(directory).as_posix(): file.read_text() for file in directory.rglob("*") if file.is_file()
    }


def test_all_of_the_directory_is_copied_once(engine: Engine, imported: Import, cache: Path) -> None:
    image = imported({"/etc/kamailio/kamailio.cfg": "main", "/etc/kamailio/tls/ca.pem": "ca", "/etc/passwd": "no"})
    before = len(engine.client.api.containers(all=True, filters={"label": LAB}))
    copy = copy_configuration(image, "/etc/kamailio")
    assert texts(copy.path) == {"kamailio.cfg": "main", "tls/ca.pem": "ca"}
    assert (copy.image, copy.inside) == (image, "/etc/kamailio")
    made = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    copy_configuration.cache_clear()
    assert copy_configuration(image, "/etc/kamailio") == copy
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == made
    assert len(engine.client.api.containers(all=True, filters={"label": LAB})) <= before


def test_a_file_is_taken_with_its_directory(imported: Import) -> None:
    image = imported({"/opt/sip/production.cfg": "main", "/opt/sip/lists/gateways": "list", "/opt/other": "no"})
    copy = copy_configuration(image, "/opt/sip/production.cfg")
    assert copy.path.name == "production.cfg"
    assert texts(copy.path.parent) == {"production.cfg": "main", "lists/gateways": "list"}
    assert copy.inside == "/opt/sip"


def test_symbolic_links_are_followed_in_the_image(imported: Import) -> None:
    image = imported(
        {"/srv/sip/production.cfg": "main", "/srv/sip/local/rules.cfg": "rules", "/opt/ca.pem": "ca"},
        {
            "/etc/kamailio": "../srv/sip",
            "/srv/sip/kamailio.cfg": "production.cfg",
            "/srv/sip/ca.pem": "/opt/ca.pem",
            "/srv/sip/rules": "local",
            "/srv/sip/nowhere": "/gone",
        },
    )
    assert texts(copy_configuration(image, "/etc/kamailio").path) == {
        "production.cfg": "main",
        "kamailio.cfg": "main",
        "ca.pem": "ca",
        "local/rules.cfg": "rules",
        "rules/rules.cfg": "rules",
    }


def test_an_image_without_a_configuration_says_where_it_may_be(imported: Import) -> None:
    image = imported({"/opt/sip/production.cfg": "main"}, command='["kamailio", "-f", "/opt/sip/production.cfg"]')
    with pytest.raises(ImageError, match=f"the image {image} has no /etc/kamailio") as raised:
        copy_configuration(image, "/etc/kamailio")
    assert raised.value.hint == (
        "the image runs kamailio -f /opt/sip/production.cfg: --kamailio-config /opt/sip/production.cfg"
    )
    with pytest.raises(ImageError, match=f"there is no kamailio.cfg in {image}:/opt/sip") as raised:
        copy_configuration(image, "/opt/sip")
    assert raised.value.found == "production.cfg"


def test_the_configuration_inside_of_an_image_is_what_is_tested(engine: Engine, tmp_path: Path) -> None:
    """It's elsewhere than in /etc/kamailio, and includes a file by its whole path."""
    inside = "/opt/sip"
    files = {f"{inside}/{path.name}": path.read_bytes() for path in data_directory("kamailio").glob("*.cfg")}
    main = files.pop(f"{inside}/kamailio.cfg").decode()
    assert '"rating.cfg"' in main
    main = main.replace('"rating.cfg"', f'"{inside}/rating.cfg"')
    files[f"{inside}/production.cfg"] = f"{main}\nlisten=udp:192.0.2.1:5060\n".encode()
    tag = secrets.token_hex(4)
    image = f"rating-harness-tests/configured:{tag}"
    container = engine.client.api.create_container(Images(engine).ensure()["kamailio"], ["true"])["Id"]
    try:
        engine.client.api.put_archive(container, "/", pack(files))
        engine.client.api.commit(container, "rating-harness-tests/configured", tag)
    finally:
        engine.client.api.remove_container(container)
    (tmp_path / "answered.yaml").write_text(ANSWERED, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-n", "0", "answered.yaml", "--rating-lab", "docker"]
    command += ["--rating-kamailio", image, "--rating-image-config"]
    command += ["--rating-kamailio-config", f"{inside}/production.cfg", "--rating-jsonl", "run.jsonl"]
    try:
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        told = (tmp_path / "run.jsonl").read_text()
    finally:
        engine.client.images.remove(image)
    assert run.returncode == 0, run.stdout
    line = main.count("\n") + 2
    assert f"{image}:{inside}/production.cfg:{line}: listen=udp:192.0.2.1:5060" in told


def test_an_image_that_is_nowhere_is_told_by_the_option(engine: Engine) -> None:
    with pytest.raises(ImageError, match="there is no image rating-harness-tests/none:1"):
        Options.of(defines=(), seed=1, kamailio="rating-harness-tests/none:1", image_config=True)
