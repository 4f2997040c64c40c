"""Where a process of a local lab finds its files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rating_harness.errors import LabError
from rating_harness.lab import lease
from rating_harness.lab.local import lab
from rating_harness.lab.local.layout import ANOTHER_DIRECTORY, LARGER_FILES, Place, rewrite


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/etc/k/k.cfg", "/lab/k.cfg"),
        ('include_file "/etc/k/k.cfg"', 'include_file "/lab/k.cfg"'),
        ("--config=/etc/k/k.cfg,x", "--config=/lab/k.cfg,x"),
        ("see /etc/k/k.cfg.", "see /lab/k.cfg."),
        ("/etc/k/k.cfg.bak", "/etc/k/k.cfg.bak"),
        ("/etc/k/k.cfg/x", "/etc/k/k.cfg/x"),
        ("/usr/etc/k/k.cfg", "/usr/etc/k/k.cfg"),
        ("/etc/k/k.cfg /etc/k/k.cfg2", "/lab/k.cfg /etc/k/k.cfg2"),
    ],
)
def test_a_path_is_replaced_where_it_stands_as_a_whole(text: str, rewritten: str) -> None:
    assert rewrite(text, {"/etc/k/k.cfg": "/lab/k.cfg"}) == rewritten


def test_the_longer_of_two_paths_wins() -> None:
    assert rewrite("/etc/k /etc/k/k", {"/etc/k": "/a", "/etc/k/k": "/b"}) == "/a /b"


def test_nothing_to_replace() -> None:
    assert rewrite("/etc/k", {}) == "/etc/k"


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ('mpath="/usr/lib/k/modules/"', 'mpath="/root/k/modules/"'),
        ('loadmodule "/usr/lib/k/modules/sl.so"', 'loadmodule "/root/k/modules/sl.so"'),
        ("/usr/lib/k", "/root/k"),
        (
            "/usr/lib/kk /usr/lib/k-2 /usr/lib/k.cfg /a/usr/lib/k",
            "/usr/lib/kk /usr/lib/k-2 /usr/lib/k.cfg /a/usr/lib/k",
        ),
    ],
)
def test_a_directory_is_replaced_in_longer_paths_too(text: str, rewritten: str) -> None:
    assert rewrite(text, {"/etc/k": "/a"}, {"/usr/lib/k": "/root/k"}) == rewritten


def made(directory: Path, root: Path | None) -> Place:
    place = Place(directory, root)
    place.make()
    return place


def test_files_on_the_machines_file_system_lie_below_the_lab_and_mention_each_other_there(tmp_path: Path) -> None:
    place = made(tmp_path / "s/kamailio", None)
    moved = place.put_files({"/etc/k/k.cfg": b'include_file "/etc/k/r.cfg"', "/etc/k/r.cfg": b"\xff/etc/k/k.cfg"}, {})
    assert moved["/etc/k/r.cfg"] == str(tmp_path / "s/kamailio/files/etc/k/r.cfg")
    assert place.find("/etc/k/k.cfg").read_text() == f'include_file "{moved["/etc/k/r.cfg"]}"'
    assert place.find("/etc/k/r.cfg").read_bytes() == b"\xff/etc/k/k.cfg", "what isn't text stays as it is"


def test_a_directory_of_configuration_lies_below_the_lab_as_its_files_do(tmp_path: Path) -> None:
    place = made(tmp_path / "s/kamailio", None)
    text = b'"/etc/k/tls" "/etc/k/tls/" /etc/k/tls/none.pem /etc/k/*.cfg /etc /run/k'
    moved = place.put_files({"/etc/k/k.cfg": text, "/etc/k/tls/a.pem": b"", "/run/k/x": b""}, {})
    there = moved["/etc/k/tls"]
    assert there == str(place.find("/etc/k/tls"))
    assert place.find("/etc/k/k.cfg").read_text() == (
        f'"{there}" "{there}/" /etc/k/tls/none.pem /etc/k/*.cfg /etc /run/k'
    )


def test_files_in_a_root_filesystem_stay_what_they_are(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("debian")
    place = made(tmp_path / "s/kamailio", root)
    assert place.put_files({"/etc/k/k.cfg": b'include_file "/etc/k/r.cfg"'}, {}) == {}
    assert place.find("/etc/k/k.cfg").read_text() == 'include_file "/etc/k/r.cfg"'
    assert place.find("/etc/os-release").read_text() == "debian", "what it doesn't have of its own is the root's"
    assert not (root / "etc/k").exists(), "the shared root filesystem isn't touched"


@pytest.mark.parametrize("inside", ["/run/x", "/tmp/x"])
def test_what_a_service_writes_is_found(tmp_path: Path, inside: str) -> None:
    place = made(tmp_path / "s/kamailio", tmp_path)
    (place.directory / inside[1:]).write_text("written")
    assert place.find(inside).read_text() == "written"


@pytest.mark.parametrize("root", [None, Path("/somewhere")])
def test_the_run_directory_has_one_name_on_both_sides(tmp_path: Path, root: Path | None) -> None:
    place = made(tmp_path / "s/kamailio", root)
    request = place.request(["kamailio"], {}, working=False, shared=tmp_path)
    if root:
        assert [str(place.run), str(place.run)] in request["binds"]
    (place.run / "rpc.sock").touch()
    assert place.find(str(place.run / "rpc.sock")).exists()


@pytest.mark.parametrize(("number", "hint"), [(errno.ENOSPC, ANOTHER_DIRECTORY), (errno.EFBIG, LARGER_FILES)])
def test_a_place_without_room_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    place = made(tmp_path / "s/sipp", None)

    def full(path: Path, content: bytes) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(LabError, match="a file of the lab can't be written") as caught:
        place.put_work({"scenario.xml": b"<scenario/>"})
    assert (caught.value.found, caught.value.hint) == (os.strerror(number), hint)
    assert str(caught.value.where).endswith("scenario.xml")


def test_a_lab_that_cant_be_laid_out_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "lab"
    directory.mkdir()

    def full(path: Path) -> None:
        path.mkdir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(lease, "sweep", list)
    monkeypatch.setattr(lease, "make_directory", lambda: ("id", directory))
    monkeypatch.setattr(lab, "skeleton", full)
    with pytest.raises(LabError, match="the lab's directory can't be used") as caught:
        lab.LocalLab.refused()
    assert (caught.value.where, caught.value.hint) == (str(directory / "skeleton"), ANOTHER_DIRECTORY)
    assert not directory.exists()


def test_what_a_process_prints_has_the_paths_that_its_files_were_asked_for(tmp_path: Path) -> None:
    said = f"ERROR: {tmp_path}/files/etc/kamailio/kamailio.cfg, line 4 ({tmp_path}/run/kamailio)"
    as_wanted = f"ERROR: /etc/kamailio/kamailio.cfg, line 4 ({tmp_path}/run/kamailio)"
    assert Place(tmp_path, None).as_wanted(said) == as_wanted
    assert Place(tmp_path, tmp_path / "root").as_wanted(said) == said
