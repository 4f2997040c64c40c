"""Where Kamailio and SIPp come from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rating_harness.errors import LabError, MissingTool
from rating_harness.lab import rootfs
from rating_harness.lab.binaries import Found
from rating_harness.lab.local import programs
from rating_harness.lab.local.programs import ProgramSource, choose, write_wrappers

GOOD = Found("x", "/usr/bin/x", "9.9")
BAD = Found("x", lacks="it isn't installed")
OWN = Path("/cache/trixie")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure(
        release: str = "trixie", *, packages: Sequence[str] = (), announce: Callable[[str], None] | None
    ) -> Path:
        return Path("/cache", release, *packages)

    monkeypatch.setattr(rootfs, "ensure", ensure)
    monkeypatch.setattr(rootfs, "check", lambda path: path)


@pytest.mark.parametrize(
    ("kamailio", "sipp", "release", "chosen"),
    [
        (GOOD, GOOD, None, ProgramSource(None, None)),
        (GOOD, BAD, None, ProgramSource(None, OWN)),
        (BAD, GOOD, None, ProgramSource(OWN, None)),
        (BAD, BAD, None, ProgramSource(OWN, OWN)),
        (GOOD, GOOD, "sid", ProgramSource(Path("/cache/sid"), Path("/cache/sid"))),
        (GOOD, GOOD, "/mine", ProgramSource(Path("/mine"), None)),
        (GOOD, BAD, "/mine", ProgramSource(Path("/mine"), OWN)),
    ],
)
def test_the_machines_own_where_good_enough_unless_another_is_asked_for(
    kamailio: Found, sipp: Found, release: str | None, chosen: ProgramSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "find_kamailio", lambda: kamailio)
    monkeypatch.setattr(programs, "find_sipp", lambda: sipp)
    assert choose(release) == chosen


@pytest.mark.parametrize("release", [None, "trixie"])
def test_further_packages_are_in_a_root_filesystem(release: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_kamailio", lambda: GOOD)
    monkeypatch.setattr(programs, "find_sipp", lambda: GOOD)
    root = Path("/cache/trixie/kamailio-lua-modules")
    assert choose(release, packages=("kamailio-lua-modules",)) == ProgramSource(root, root)


def test_a_directory_that_has_sipp_too_serves_both(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/sipp").touch()
    assert choose(tmp_path) == ProgramSource(tmp_path, tmp_path)


def test_the_harness_itself_runs_on_the_machine() -> None:
    both = ProgramSource(OWN, OWN)
    assert both.root("harness") is None
    assert both.command("harness", ["rating-harness", "tap"]) == [sys.executable, "-m", "rating_harness", "tap"]
    assert both.command("harness", ["python", "-V"]) == [sys.executable, "-V"]
    assert both.command("harness", ["sh", "-c", ":"]) == ["sh", "-c", ":"]


def test_programs_of_a_root_that_is_entered_have_their_own_names() -> None:
    entered = ProgramSource(OWN, None)
    assert (entered.root("kamailio"), entered.root("sipp")) == (OWN, None)
    assert entered.command("kamailio", ["kamailio", "-v"]) == ["kamailio", "-v"]
    assert entered.command("sipp", ["sipp", "-v"]) == ["sipp", "-v"]


def test_programs_of_a_root_that_cannot_be_entered_are_wrapped(tmp_path: Path) -> None:
    refused = ProgramSource(OWN, None, enterable=False)
    assert refused.root("kamailio") is None
    assert refused.command("sipp", ["env", "TZ=UTC", "sipp", "-v"]) == ["env", "TZ=UTC", "sipp", "-v"]
    with pytest.raises(MissingTool, match="kamailio can't be run"):
        write_wrappers(tmp_path / "bin", refused)


def test_wrappers_are_programs_that_the_path_finds(tmp_path: Path) -> None:
    write_wrappers(tmp_path / "bin", ProgramSource(None, None, enterable=False))
    assert shutil.which("sipp", path=str(tmp_path / "bin")) == str(tmp_path / "bin/sipp")
    assert f"RATING_HOSTS={tmp_path}/hosts" in (tmp_path / "bin/kamailio").read_text()


def test_what_compiles_for_a_root_that_cannot_be_entered_is_called_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ProgramSource(None, None, enterable=False)
    compiler = ["sh", "-c", "echo $0 $@ >> compiled", "-nostdlib"]
    monkeypatch.setattr("rating_harness.lab.local.programs.library_compiler", lambda root: compiler)
    monkeypatch.chdir(tmp_path)
    write_wrappers(tmp_path / "bin", source)
    subprocess.run([tmp_path / "bin/tcc", "-o", "clock.so", "a file.c"], check=True)
    assert (tmp_path / "compiled").read_text().endswith("\n-nostdlib -o clock.so a file.c\n")


@pytest.mark.parametrize(
    ("compiler", "found"),
    [
        (["sh", "-c", "echo names.c: no such header >&2; exit 1"], "names.c: no such header"),
        (["false"], "status 1"),
        (["/nowhere/cc"], "[Errno 2] No such file or directory: '/nowhere/cc'"),
    ],
)
def test_a_library_of_names_that_cannot_be_compiled_is_told(
    compiler: list[str], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rating_harness.lab.local.programs.library_compiler", lambda root: compiler)
    with pytest.raises(LabError, match="could not be compiled") as caught:
        write_wrappers(tmp_path / "bin", ProgramSource(None, None, enterable=False))
    assert caught.value.found == found


@pytest.mark.parametrize("sipp", [True, False], ids=["SIPp's root has one", "a cached root has one"])
def test_the_machines_own_kamailio_finds_names_by_another_roots_compiler(
    sipp: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path | None] = []

    def compiler(root: Path | None) -> list[str] | None:
        asked.append(root)
        return ["tcc"] if root == tmp_path else None

    monkeypatch.setattr("rating_harness.lab.local.programs.library_compiler", compiler)
    monkeypatch.setattr("rating_harness.lab.rootfs.cached", lambda release: None if sipp else tmp_path)
    source = ProgramSource(None, tmp_path if sipp else None, enterable=False)
    assert source.compiler(None) == ["tcc"]
    assert source.has_compilers
    assert asked[0] is None


def test_without_a_compiler_there_are_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ProgramSource(None, None, enterable=False)
    monkeypatch.setattr("rating_harness.lab.local.programs.library_compiler", lambda root: None)
    write_wrappers(tmp_path / "bin", source)
    assert not source.has_compilers
    assert "LD_PRELOAD" not in (tmp_path / "bin/kamailio").read_text()


def test_nothing_is_wrapped_where_the_root_is_entered(tmp_path: Path) -> None:
    write_wrappers(tmp_path / "bin", ProgramSource(OWN, OWN))
    assert list((tmp_path / "bin").iterdir()) == []
