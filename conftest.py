"""Shared by all tests of this project. The plugin is loaded by its entry point, as anywhere else."""

from __future__ import annotations

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Called for ``-n auto``: one worker where the lab of `up` is used, else several, each with a lab of its own."""
    from rating_harness.plugin import options_of
    from rating_harness.session.pace import labs_side_by_side
    from rating_harness.session.persistent_lab import intended_use

    return 1 if intended_use(options_of(config)).lab is not None else labs_side_by_side()
