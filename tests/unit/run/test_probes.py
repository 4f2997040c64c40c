"""Under which names a configuration's files are covered."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.run.probes import Probes

MAIN, SHARED = "/etc/kamailio/kamailio.cfg", "/etc/kamailio/shared.cfg"


def test_what_several_configurations_link_to_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shared.cfg").write_text("route[SHARED] {\n\treturn;\n}\n")
    shown = set()
    for name in ("one", "two"):
        own = tmp_path / name
        own.mkdir()
        (own / "kamailio.cfg").write_text('include_file "shared.cfg"\nrequest_route {\n\troute(SHARED);\n}\n')
        (own / "shared.cfg").symlink_to("../shared.cfg")
        paths = {MAIN: own / "kamailio.cfg", SHARED: own / "shared.cfg"}
        probes = Probes("6.0.1")
        files = probes.put_in({inside: path.read_bytes() for inside, path in paths.items()}, {}, paths)
        assert b"log(0," in files[MAIN]
        assert b"log(0," in files[SHARED]
        shown |= set(probes.instrumented.texts)
    assert shown == {"one/kamailio.cfg", "two/kamailio.cfg", "shared.cfg"}


def test_two_links_to_one_file_in_the_same_configuration_are_two(tmp_path: Path) -> None:
    (tmp_path / "it.cfg").write_text("request_route {\n\texit;\n}\n")
    for name in ("kamailio.cfg", "shared.cfg"):
        (tmp_path / name).symlink_to("it.cfg")
    paths = {MAIN: tmp_path / "kamailio.cfg", SHARED: tmp_path / "shared.cfg"}
    probes = Probes("6.0.1")
    files = probes.put_in({inside: path.read_bytes() for inside, path in paths.items()}, {}, paths)
    assert set(files) == set(paths)
    assert list(probes.instrumented.texts) == [str(tmp_path / "kamailio.cfg")]
