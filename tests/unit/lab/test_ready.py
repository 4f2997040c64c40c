"""A service that has ended when it should be running."""

from __future__ import annotations

import pytest

from rating_harness.errors import ServiceDied
from rating_harness.lab.ready import check_alive
from tests.unit.run.fake_lab import FakeProcess


@pytest.mark.parametrize(
    ("log", "is_hinted"),
    [
        ("can't listen on 127.1.1.11:8001\n  found:    Address already in use\n", True),
        ("ERROR: bind: address already in use\n", True),
        ("something else\n", False),
    ],
)
def test_a_port_that_another_program_has_is_told_with_what_to_do(log: str, is_hinted: bool) -> None:
    with pytest.raises(ServiceDied, match="rating-agent ended with status 2 when it should be running") as raised:
        check_alive(FakeProcess("rating-agent", status=2, log=log))
    assert ("`ss -lntup` says which" in (raised.value.hint or "")) == is_hinted
    assert log.splitlines()[0] in (raised.value.detail or "")


def test_one_that_runs() -> None:
    check_alive(FakeProcess("rating-agent"))
