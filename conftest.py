"""Shared by all tests of this project. The plugin is loaded by its entry point, as anywhere else."""

from __future__ import annotations

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Called for ``-n auto``: one worker where the lab of `up` is used, else four, each with a lab of its own.

    Scenarios wait more than they compute, so there are more of them than processors.
    """
    from rating_harness.plugin import options_of
    from rating_harness.session.persistent_lab import intended_use

    return 1 if intended_use(options_of(config)).lab is not None else 4
