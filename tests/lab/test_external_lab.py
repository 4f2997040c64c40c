"""The external driver, with a Kamailio that another lab runs in the machine's network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rating_harness.deadline import Deadline
from rating_harness.lab.external import ExternalLab
from rating_harness.lab.local import LocalLab
from rating_harness.lab.protocol import Program
from tests.lab.test_local_lab import OPTIONS, answering, kamailio

pytestmark = pytest.mark.lab


@pytest.fixture
def target() -> Iterator[str]:
    """The address of a Kamailio that the lab under test doesn't run."""
    with LocalLab.open(network="host") as theirs:
        theirs.start_service(kamailio(), Deadline(60))
        yield theirs.host("kamailio").address


def test_sipp_calls_the_target_and_other_services_run_here(target: str) -> None:
    with ExternalLab.open(target) as lab:
        assert lab.start_service(kamailio(), Deadline(30)).poll() is None
        lab.start_service(answering("rating-engine"), Deadline(60))

        caller = lab.host("caller")
        argv = ("sipp", target, "-sf", "options.xml", "-i", caller.address, "-m", "1", "-r", "100", "-nostdin")
        calling = lab.run(Program("caller", "sipp", (*argv, "-timeout", "5s"), caller, {"options.xml": OPTIONS}))
        assert calling.wait(Deadline(60)) == 0, calling.output()

        lab.pause("rating-engine")
        lab.resume("rating-engine")
        lab.restart_service("rating-engine", Deadline(60))
    assert lab.service("kamailio").poll() is None
