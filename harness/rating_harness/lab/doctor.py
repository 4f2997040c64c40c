"""What this machine has for a lab, what it lacks, what that is needed for, and the command that installs it."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rating_harness.errors import HarnessError
from rating_harness.lab import rootfs
from rating_harness.lab.binaries import Found, find_kamailio, find_sipp
from rating_harness.lab.local import LocalLab
from rating_harness.lab.rootfs import Release
from rating_harness.lab.trial import failure_of

__all__ = ["Finding", "Machine", "State", "diagnose", "examine", "usable_labs"]

State = Literal["ok", "absent", "broken"]
"""``absent``: something else does instead, or less can be done. ``broken``: no lab can be brought up without it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found. `diagnose` and `usable_labs` judge it.

    :param refusal: why namespaces can't be had; None when they can.
    :param lab_error: why no local lab could be opened at all.
    :param tried: Kamailio and SIPp were started in a local lab.
    :param trial: why they didn't work there; None when they did, or weren't tried.
    :param unplug: whether the packet filter works; None when that isn't known before there is a root filesystem.
    :param rootfs: release -> the cached root filesystem, if any.
    :param subordinate_ids: an unprivileged mmdebstrap can map user ids (subuid(5), newuidmap(1)).
    :param docker: the engine's version; None when none answers.
    :param switches: kernel settings that forbid unprivileged user namespaces.
    """

    python: str
    sqlite: str
    root: bool
    refusal: str | None
    lab_error: str | None
    unplug: bool | None
    kamailio: Found
    sipp: Found
    mmdebstrap: bool
    subordinate_ids: bool
    rootfs: dict[Release, Path | None]
    docker: str | None
    docker_error: str | None
    switches: tuple[str, ...] = ()
    tried: bool = True
    trial: str | None = None

    @property
    def has_rootfs(self) -> bool:
        return any(self.rootfs.values())

    @property
    def can_make_rootfs(self) -> bool:
        return self.mmdebstrap and (self.root or self.subordinate_ids)

    @property
    def has_programs(self) -> bool:
        """Kamailio and SIPp, from wherever."""
        return (self.kamailio.good and self.sipp.good) or self.has_rootfs or self.can_make_rootfs


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    :param what: what was found, in a few words.
    :param purpose: what it's needed for.
    :param remedy: the command that brings it; empty when nothing is to be done.
    """

    subject: str
    state: State
    what: str
    purpose: str
    remedy: str = ""


def examine() -> Machine:
    """Look at this machine, and try what there is. Nothing that takes long is made for it."""
    local = _try_local_lab()
    docker, docker_error = _docker()
    return Machine(
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        root=os.geteuid() == 0,
        refusal=local.refusal,
        lab_error=local.error,
        unplug=local.unplug,
        tried=local.tried,
        trial=local.trial,
        kamailio=find_kamailio(),
        sipp=find_sipp(),
        mmdebstrap=shutil.which("mmdebstrap") is not None,
        subordinate_ids=shutil.which("newuidmap") is not None and _has_subordinate_ids(),
        rootfs={release: rootfs.cached(release) for release in rootfs.RELEASES},
        docker=docker,
        docker_error=docker_error,
        switches=tuple(remedy for path, forbids, remedy in _SWITCHES if _reads(path) == forbids),
    )


def usable_labs(machine: Machine) -> Sequence[str]:
    """The drivers that can bring up a lab here."""
    local = machine.lab_error is None and machine.trial is None and machine.has_programs
    return [name for name, usable in (("docker", machine.docker is not None), ("local", local)) if usable]


def diagnose(machine: Machine) -> list[Finding]:
    """What to tell about the machine, in the order of its weight."""
    needed: State = "absent" if usable_labs(machine) else "broken"
    return [
        Finding("Python", "ok", machine.python, "the harness itself"),
        Finding("SQLite", "ok", machine.sqlite, "the embedded rating engine's records"),
        _docker_finding(machine, needed),
        _namespaces_finding(machine, needed),
        *(_rootfs_finding(machine, release, needed) for release in machine.rootfs),
        _mmdebstrap_finding(machine, needed),
        _program_finding(machine.kamailio, "Kamailio", machine, needed),
        _program_finding(machine.sipp, "SIPp", machine, needed),
        _filter_finding(machine),
        _trial_finding(machine, needed),
    ]


def _docker_finding(machine: Machine, needed: State) -> Finding:
    purpose = "the docker lab; SIPp on several machines"
    if machine.docker:
        return Finding("Docker engine", "ok", machine.docker, purpose)
    what = machine.docker_error or "none answers"
    if "Permission denied" in what:
        remedy = "usermod --append --groups docker USER, and log in again"
    else:
        remedy = "apt-get install docker.io, or set DOCKER_HOST"
    return Finding("Docker engine", needed, what, purpose, remedy)


def _namespaces_finding(machine: Machine, needed: State) -> Finding:
    purpose = "the local lab's own network and names, apart from the machine's"
    remedy = "; ".join(machine.switches) or _REMEDIES[_refused_step(machine)]
    if machine.lab_error:
        return Finding("namespaces", needed, machine.lab_error, purpose, remedy)
    if machine.refusal:
        what = f"refused ({machine.refusal}); the local lab uses the machine's network"
        return Finding("namespaces", "absent", what, purpose, remedy)
    return Finding("namespaces", "ok", "with root's rights" if machine.root else "with a user namespace", purpose)


def _rootfs_finding(machine: Machine, release: Release, needed: State) -> Finding:
    purpose = "Kamailio and SIPp in the local lab, where the machine's own aren't good enough"
    path = machine.rootfs[release]
    if path:
        return Finding(f"Debian {release}", "ok", f"cached in {path}", purpose)
    if machine.can_make_rootfs:
        return Finding(f"Debian {release}", "ok", "not cached; made when first needed, in about 30 s", purpose)
    return Finding(f"Debian {release}", needed, "not cached, and can't be made without mmdebstrap", purpose)


def _mmdebstrap_finding(machine: Machine, needed: State) -> Finding:
    purpose = "making these root filesystems"
    if not machine.mmdebstrap:
        state = "absent" if machine.has_rootfs else needed
        return Finding("mmdebstrap", state, "not installed", purpose, "apt-get install mmdebstrap")
    if not machine.can_make_rootfs:
        what = "this user has no subordinate ids, or newuidmap is missing"
        remedy = "apt-get install uidmap; usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
        return Finding("mmdebstrap", "absent" if machine.has_rootfs else needed, what, purpose, remedy)
    return Finding("mmdebstrap", "ok", "installed", purpose)


def _program_finding(found: Found, subject: str, machine: Machine, needed: State) -> Finding:
    purpose = "the local lab without any root filesystem"
    if found.good:
        return Finding(subject, "ok", f"{found.version} ({found.path})", purpose)
    what = f"{found.version}: {found.lacks}" if found.version else found.lacks or ""
    what += "; a root filesystem's is used" if machine.has_programs else ""
    packages = {"Kamailio": "kamailio kamailio-extra-modules kamailio-json-modules kamailio-utils-modules"}
    remedy = "" if machine.has_programs else f"apt-get install {packages.get(subject, 'sip-tester')}"
    return Finding(subject, "absent" if machine.has_programs else needed, what, purpose, remedy)


def _filter_finding(machine: Machine) -> Finding:
    purpose = "scenarios that unplug a host of the local lab"
    match machine.unplug:
        case True:
            return Finding("iptables", "ok", "works in the lab's network", purpose)
        case None:
            return Finding("iptables", "ok", "comes with the root filesystem; not tried yet", purpose)
        case _:
            what = "can't be used without namespaces" if machine.refusal else "doesn't work"
            return Finding("iptables", "absent", what, purpose, "" if machine.refusal else "apt-get install iptables")


def _trial_finding(machine: Machine, needed: State) -> Finding:
    purpose = "a local lab that works, and not only one that should"
    if machine.trial is not None:
        remedy = "the last lines of Kamailio and SIPp above say why"
        return Finding("trial", needed, machine.trial, purpose, remedy)
    if not machine.tried:
        return Finding("trial", "ok", "not made: there is no root filesystem yet", purpose)
    return Finding("trial", "ok", "Kamailio was started in a local lab, and answered SIPp", purpose)


_REMEDIES = {
    "unshare": "in a container: run it with --cap-add SYS_ADMIN, or as --privileged",
    "mount": "run it without the security profile (AppArmor, seccomp) that forbids mounts, or as --privileged; "
    "in a chroot, make its root a mount point",
}


def _refused_step(machine: Machine) -> str:
    return "mount" if "mount" in (machine.refusal or "") else "unshare"


_SWITCHES = (
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "sysctl -w user.max_user_namespaces=10000",
    ),
)


def _reads(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _has_subordinate_ids() -> bool:
    names = {str(os.geteuid()), os.environ.get("USER", "")}
    return all(
        any(line.split(":")[0] in names for line in (_reads(path) or "").splitlines())
        for path in ("/etc/subuid", "/etc/subgid")
    )


@dataclass(frozen=True, slots=True)
class _Local:
    """What came of opening a local lab, and of the trial in it; as in `Machine`."""

    refusal: str | None = None
    error: str | None = None
    unplug: bool | None = None
    tried: bool = False
    trial: str | None = None


def _try_local_lab() -> _Local:
    try:
        refusal = LocalLab.refused()
        if not (rootfs.cached("trixie") or (find_kamailio().good and find_sipp().good)):
            # A lab would make the root filesystem first.
            return _Local(refusal)
        with LocalLab.open() as lab:
            return _Local(refusal, None, lab.capabilities.unplug, True, failure_of(lab))
    except HarnessError as error:
        return _Local(error=" ".join(filter(None, (error.message, error.found))))


def _docker() -> tuple[str | None, str | None]:
    """The engine's version, or why there is none."""
    from rating_harness.lab.docker.engine import connect

    try:
        engine = connect()
    except HarnessError as error:
        return None, " ".join(filter(None, (error.message, error.found)))
    try:
        return str(engine.client.version()["Version"]), None
    finally:
        engine.close()
