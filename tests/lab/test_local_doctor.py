"""The doctor on the machine that the tests run on."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from rating_harness.cli.lab import doctor
from rating_harness.lab import rootfs
from rating_harness.lab.doctor import examine, usable_labs

pytestmark = pytest.mark.lab


def test_a_machine_that_runs_these_tests_can_bring_up_a_local_lab() -> None:
    root = rootfs.ensure()
    machine = examine()
    assert machine.rootfs["trixie"] == root
    assert machine.unplug or machine.refusal
    assert "local" in usable_labs(machine)
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 0
    assert str(root) in result.output
