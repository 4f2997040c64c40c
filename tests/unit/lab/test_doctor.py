"""What the doctor says of machines that aren't this one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness.cli.lab import doctor as command
from rating_harness.lab import doctor
from rating_harness.lab.binaries import Found
from rating_harness.lab.doctor import Finding, Machine, diagnose, usable_labs

GOOD = Machine(
    python="3.11.7",
    sqlite="3.40.1",
    root=False,
    refusal=None,
    lab_error=None,
    unplug=True,
    kamailio=Found("kamailio", "/usr/sbin/kamailio", "6.0.1"),
    sipp=Found("sipp", "/usr/bin/sipp", "3.7.3"),
    mmdebstrap=True,
    subordinate_ids=True,
    rootfs={"trixie": Path("/cache/trixie"), "sid": None},
    docker="27.0",
    docker_error=None,
)
BARE = replace(
    GOOD,
    unplug=None,
    kamailio=Found("kamailio", "/usr/sbin/kamailio", "5.6.3", lacks="6.0 or later is needed"),
    sipp=Found("sipp", lacks="it isn't installed"),
    mmdebstrap=False,
    rootfs={"trixie": None, "sid": None},
    docker=None,
    docker_error="no Docker engine answers",
)


def of(machine: Machine, subject: str) -> Finding:
    return next(finding for finding in diagnose(machine) if finding.subject == subject)


def test_a_machine_with_everything_has_nothing_to_remedy() -> None:
    assert {finding.state for finding in diagnose(GOOD)} == {"ok"}
    assert not any(finding.remedy for finding in diagnose(GOOD))


def test_what_is_absent_is_no_more_than_that_while_there_is_another_way() -> None:
    machine = replace(BARE, docker="27.0")
    assert usable_labs(machine) == ["docker"]
    assert {finding.state for finding in diagnose(machine)} == {"ok", "absent"}


def test_a_machine_without_any_way_is_told_all_of_them() -> None:
    assert usable_labs(BARE) == []
    broken = {finding.subject: finding.remedy for finding in diagnose(BARE) if finding.state == "broken"}
    assert broken["mmdebstrap"] == "apt-get install mmdebstrap"
    assert broken["SIPp"] == "apt-get install sip-tester"
    assert "DOCKER_HOST" in broken["Docker engine"]
    assert of(BARE, "Kamailio").what == "5.6.3: 6.0 or later is needed"


@pytest.mark.parametrize(
    ("machine", "labs"),
    [
        (replace(BARE, mmdebstrap=True), ["local"]),
        (replace(BARE, mmdebstrap=True, subordinate_ids=False), []),
        (replace(BARE, mmdebstrap=True, subordinate_ids=False, root=True), ["local"]),
        (replace(BARE, rootfs={"trixie": None, "sid": Path("/cache/sid")}), ["local"]),
        (replace(BARE, kamailio=GOOD.kamailio, sipp=GOOD.sipp), ["local"]),
        (replace(BARE, kamailio=GOOD.kamailio), []),
        (replace(GOOD, lab_error="the lab's holder could not start"), ["docker"]),
        (replace(GOOD, refusal="Operation not permitted"), ["docker", "local"]),
        (replace(GOOD, trial="kamailio ended with status 255"), ["docker"]),
    ],
)
def test_which_labs_can_be_brought_up(machine: Machine, labs: list[str]) -> None:
    assert usable_labs(machine) == labs


def test_refused_namespaces_name_the_switch_that_forbids_them() -> None:
    switch = "sysctl -w kernel.unprivileged_userns_clone=1"
    finding = of(replace(GOOD, refusal="Operation not permitted", switches=(switch,)), "namespaces")
    assert finding.state == "absent"
    assert "Operation not permitted" in finding.what
    assert finding.remedy == switch


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        ("[Errno 1] unshare: Operation not permitted", "--cap-add SYS_ADMIN"),
        ("[Errno 1] mount none on /: Operation not permitted", "security profile (AppArmor, seccomp) that forbids"),
        ("[Errno 22] mount none on /: Invalid argument", "make its root a mount point"),
    ],
)
def test_the_remedy_is_for_what_was_refused(refusal: str, remedy: str) -> None:
    assert remedy in of(replace(GOOD, refusal=refusal), "namespaces").remedy


def test_the_verdict_is_that_of_the_trial() -> None:
    assert of(GOOD, "trial").what == "Kamailio was started in a local lab, and answered SIPp"
    assert of(replace(BARE, tried=False), "trial").what == "not made: there is no root filesystem yet"
    failed = replace(GOOD, docker=None, trial="kamailio ended with status 255")
    assert of(failed, "trial").state == "broken"
    assert of(failed, "trial").what == "kamailio ended with status 255"
    assert usable_labs(failed) == []


def test_an_engine_that_this_user_may_not_ask() -> None:
    finding = of(replace(GOOD, docker=None, docker_error="PermissionError(13, 'Permission denied')"), "Docker engine")
    assert finding.remedy.startswith("usermod --append --groups docker")


@pytest.mark.parametrize(("machine", "status"), [(GOOD, 0), (BARE, 1)])
def test_the_command_ends_with_one_when_there_is_no_lab(
    machine: Machine, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: machine)
    result = CliRunner().invoke(command)
    assert result.exit_code == status
    assert ("Labs that can be brought up: docker, local." in result.output) == (status == 0)
    assert ("no lab can be brought up on this machine" in result.output) == (status == 1)
    assert ("try: apt-get install mmdebstrap" in result.output) == (status == 1)
