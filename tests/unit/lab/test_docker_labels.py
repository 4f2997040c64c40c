from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from rating_harness.lab.docker.labels import DockerLease, ServiceFacts
from rating_harness.lab.lease import ProcessIdentity


@pytest.fixture
def own() -> DockerLease:
    return DockerLease.own(keep=False)


@pytest.fixture
def dead(own: DockerLease) -> DockerLease:
    with subprocess.Popen(["true"]) as process:
        identity = ProcessIdentity(process.pid, own.owner.started)
    return replace(own, owner=identity)


def test_a_lease_is_read_as_it_was_written(own: DockerLease) -> None:
    assert own.owner.pid == os.getpid()
    assert DockerLease.parse(own.label()) == own


@pytest.mark.parametrize("label", ["", "null", "[]", "{}", '{"owner": 1}', '{"owner": {"pid": 1}, "keep": false}'])
def test_what_is_no_lease(label: str) -> None:
    assert DockerLease.parse(label) is None


def test_the_living_owner_s_lab_is_not_abandoned(own: DockerLease) -> None:
    assert not own.abandoned(engine_is_here=True)


def test_the_dead_owner_s_lab_is_abandoned_wherever_the_engine_is(dead: DockerLease) -> None:
    assert dead.abandoned(engine_is_here=True)
    assert dead.abandoned(engine_is_here=False)


def test_a_pid_that_was_used_again_is_another_process(own: DockerLease) -> None:
    assert replace(own, owner=replace(own.owner, started=own.owner.started - 1)).abandoned(engine_is_here=True)


def test_a_kept_lab_is_never_abandoned(dead: DockerLease) -> None:
    assert not replace(dead, keep=True).abandoned(engine_is_here=True)


def test_another_container_s_pids_say_nothing_here(dead: DockerLease) -> None:
    assert not replace(dead, pid_namespace=1).abandoned(engine_is_here=True)


def test_another_boot_is_another_machine_s_where_the_engine_is_shared(own: DockerLease) -> None:
    before = replace(own, boot="0")
    assert before.abandoned(engine_is_here=True)
    assert not before.abandoned(engine_is_here=False)


def test_what_is_known_of_a_service_is_read_as_it_was_written() -> None:
    facts = ServiceFacts("web", (80, 81), "/status")
    assert ServiceFacts.parse(facts.label()) == facts
