"""Making and caching root filesystems, with a stand-in for mmdebstrap."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from rating_harness.errors import ImageError, MissingTool
from rating_harness.lab import rootfs

MMDEBSTRAP = """#!{python} -I
import io, pathlib, sys, tarfile
pathlib.Path({calls!r}).open("a").write(" ".join(sys.argv[1:]) + "\\n")
{early}
modules = "usr/lib/x86_64-linux-gnu/kamailio/modules"
names = ["usr/sbin/kamailio", *(f"{{modules}}/{{name}}.so" for name in {modules!r})]
with tarfile.open(sys.argv[-1], "w") as tar:
    for name in names:
        member = tarfile.TarInfo("./" + name)
        member.mode = 0o4700
        tar.addfile(member, io.BytesIO())
{late}
"""
MODULES = ("http_async_client", "jansson", "dialog", "tmx", "jsonrpcs")


class Machine:
    """A machine with caches of its own, and with the mmdebstrap that a test gives it."""

    def __init__(self, directory: Path) -> None:
        self.tools = directory / "tools"
        self.tools.mkdir()
        self.cache = directory / "user"
        self.system = directory / "system"
        self.calls = directory / "calls"
        self.said: list[str] = []

    def install(self, *, modules: tuple[str, ...] = MODULES, early: str = "", late: str = "") -> None:
        tool = self.tools / "mmdebstrap"
        tool.write_text(
            MMDEBSTRAP.format(python=sys.executable, calls=str(self.calls), modules=modules, early=early, late=late)
        )
        tool.chmod(0o755)

    def ensure(self, release: rootfs.Release = "trixie") -> Path:
        return rootfs.ensure(release, announce=self.said.append)

    def cached_names(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{machine.tools}:/usr/bin:/bin")
    monkeypatch.setattr(rootfs, "_SYSTEM", machine.system)
    monkeypatch.setattr(rootfs, "_user_cache", lambda: machine.cache)
    return machine


def test_it_is_made_once_and_said_once(machine: Machine) -> None:
    machine.install()
    root = machine.ensure()
    assert (root / "usr/sbin/kamailio").exists()
    assert machine.ensure() == root
    assert rootfs.ensure_tar() == root.with_name(f"{root.name}.tar")
    assert len(machine.calls.read_text().splitlines()) == 1
    assert machine.said == ["making a Debian trixie root filesystem with Kamailio and SIPp, once; about 30 s"]
    assert machine.cached_names() == [root.name, f"{root.name}.tar"]


def test_baresip_has_a_root_filesystem_of_its_own_and_that_of_kamailio_stays(machine: Machine) -> None:
    machine.install()
    kamailio = machine.ensure()
    root = rootfs.ensure_stack("baresip", announce=machine.said.append)
    assert rootfs.ensure_stack("baresip", announce=machine.said.append) == root != kamailio
    assert machine.said[1:] == ["making a root filesystem with baresip, once; a minute at most"]
    _, recipe = machine.calls.read_text().splitlines()
    assert "--include=baresip-core" in recipe
    assert rootfs.cached("trixie") == kamailio
    assert root in rootfs.made_by_this_user()


def test_baresips_version_is_debians(tmp_path: Path) -> None:
    assert rootfs.stack_version("baresip", tmp_path) == ""
    notices = tmp_path / "usr/share/doc/baresip-core/changelog.Debian.gz"
    notices.parent.mkdir(parents=True)
    notices.write_bytes(gzip.compress(b"baresip (1:1.1.0-3) unstable; urgency=medium\n"))
    assert rootfs.stack_version("baresip", tmp_path) == "1.1.0"


def test_without_mmdebstrap_there_is_no_baresip(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.tools))
    with pytest.raises(MissingTool, match="mmdebstrap isn't there"):
        rootfs.ensure_stack("baresip", announce=machine.said.append)


def test_everybody_can_read_it_and_nothing_in_it_has_its_owners_rights(machine: Machine) -> None:
    machine.install()
    mode = stat.S_IMODE((machine.ensure() / "usr/sbin/kamailio").stat().st_mode)
    assert oct(mode) == oct(0o755)


def test_releases_have_recipes_of_their_own(machine: Machine) -> None:
    machine.install()
    assert machine.ensure("trixie") != machine.ensure("sid")
    trixie, sid = machine.calls.read_text().splitlines()
    assert "Check-Valid-Until" not in trixie
    assert "Check-Valid-Until" in sid
    assert set(rootfs.PACKAGES) <= set(trixie.split("--include=")[1].split()[0].split(","))


def test_further_packages_make_another_one_in_whatever_order_they_are_named(machine: Machine) -> None:
    machine.install()
    plain = machine.ensure()
    more = rootfs.ensure(packages=("kamailio-mysql-modules", "kamailio-lua-modules"), announce=machine.said.append)
    assert more != plain
    assert rootfs.ensure(packages=("kamailio-lua-modules", "kamailio-mysql-modules")) == more
    assert rootfs.cached("trixie") == plain
    included = machine.calls.read_text().splitlines()[1].split("--include=")[1].split()[0].split(",")
    assert included == [*rootfs.PACKAGES, "kamailio-lua-modules", "kamailio-mysql-modules"]
    assert "Kamailio and SIPp, and kamailio-lua-modules, kamailio-mysql-modules, once" in machine.said[1]


@pytest.mark.parametrize(
    "said", ["E: Unable to locate package kamailio-nix", "E: Package 'kamailio-nix' has no installation candidate"]
)
def test_a_package_that_debian_doesnt_have_is_named(machine: Machine, said: str) -> None:
    machine.install(early=f"raise SystemExit({said!r})")
    with pytest.raises(ImageError) as error:
        rootfs.ensure(packages=("kamailio-nix",), announce=machine.said.append)
    assert error.value.hint == "Debian trixie has no package kamailio-nix: --package names those that it has"


def test_another_recipe_is_made_anew(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.install()
    before = machine.ensure()
    monkeypatch.setattr(rootfs, "PACKAGES", (*rootfs.PACKAGES, "another"))
    assert rootfs.cached("trixie") is None
    assert machine.ensure() != before


def test_one_made_by_root_serves_everybody(machine: Machine) -> None:
    made = machine.system / f"trixie-{rootfs.recipe_hash('trixie')}"
    made.mkdir(parents=True)
    assert machine.ensure() == made
    assert machine.said == []


@pytest.mark.parametrize("death", ["raise SystemExit('E: no mirror answers')", "import os; os.kill(os.getpid(), 9)"])
def test_one_that_could_not_be_completed_is_not_taken_for_good(machine: Machine, death: str) -> None:
    machine.install(late=death)
    with pytest.raises(ImageError, match="mmdebstrap \\(trixie\\) failed"):
        machine.ensure()
    assert machine.cached_names() == []
    machine.install()
    machine.ensure()


def test_what_mmdebstrap_said_last_is_told(machine: Machine) -> None:
    machine.install(early="raise SystemExit('E: no mirror answers')")
    with pytest.raises(ImageError) as error:
        machine.ensure()
    assert "| E: no mirror answers" in str(error.value)


def test_a_full_disk_is_told_although_mmdebstrap_ends_its_process_group(machine: Machine) -> None:
    machine.install(
        late="import os, signal; print('cannot copy: No space left on device', flush=True); "
        "os.killpg(0, signal.SIGHUP); signal.pause()"
    )
    with pytest.raises(ImageError, match="mmdebstrap \\(trixie\\) failed") as error:
        machine.ensure()
    assert "| cannot copy: No space left on device" in str(error.value)
    assert str(error.value.hint).startswith(
        "a root filesystem takes about 400 MB of the cache, and about as much in "
    )
    assert machine.cached_names() == []


@pytest.mark.parametrize(
    ("user", "remedy"),
    [(0, "a larger or writable file system can be mounted at"), (1000, "XDG_CACHE_HOME names another place")],
)
def test_a_cache_that_cant_be_written_to_is_told(
    machine: Machine, user: int, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install()
    machine.cache.touch()
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(ImageError, match="the cache of root filesystems can't be written to") as error:
        machine.ensure()
    assert (error.value.where, error.value.found) == (str(machine.cache), "File exists")
    assert f"; {remedy}" in str(error.value.hint)


def test_a_making_that_takes_too_long_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.install(early="import signal; signal.pause()")
    monkeypatch.setattr(rootfs, "_SECONDS", 0.2)
    with pytest.raises(ImageError, match="did not end within"):
        machine.ensure()
    assert machine.cached_names() == []


def test_one_without_what_is_needed_is_refused(machine: Machine) -> None:
    machine.install(modules=("jansson",))
    with pytest.raises(ImageError, match="is of no use") as error:
        machine.ensure()
    assert "http_async_client" in str(error.value)
    assert rootfs.cached("trixie") is None


def test_without_mmdebstrap_the_command_that_installs_it_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.tools))
    with pytest.raises(MissingTool, match="mmdebstrap isn't there") as error:
        machine.ensure()
    assert error.value.hint == "apt-get install mmdebstrap"


MAKE = """
import pathlib, sys
from rating_harness.lab import rootfs
rootfs._user_cache = lambda: pathlib.Path(sys.argv[1])
rootfs._SYSTEM = pathlib.Path(sys.argv[2])
print(rootfs.ensure())
"""


def test_of_two_runs_at_once_one_makes_it_and_the_other_waits(machine: Machine) -> None:
    machine.install(early="import time; time.sleep(0.5)")
    command = [sys.executable, "-c", MAKE, str(machine.cache), str(machine.system)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) for _ in range(2)]
    first, second = (run.communicate(timeout=30)[0] for run in runs)
    assert first == second != ""
    assert len(machine.calls.read_text().splitlines()) == 1


def test_a_directory_of_the_users_own_is_checked(machine: Machine, tmp_path: Path) -> None:
    machine.install()
    assert rootfs.check(machine.ensure()) == machine.ensure()
    with pytest.raises(MissingTool, match="can't be used") as error:
        rootfs.check(tmp_path / "nothing")
    assert error.value.found == "there is no such directory"


def test_the_cache_can_be_emptied(machine: Machine) -> None:
    machine.install()
    root = machine.ensure()
    assert rootfs.made_by_this_user() == [root, root.with_name(f"{root.name}.tar")]
    assert tarfile.is_tarfile(rootfs.made_by_this_user()[1])
