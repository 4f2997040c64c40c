"""Shared by all tests of this project. The plugin is loaded by its entry point, as anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Called for ``-n auto``: one worker where the lab of `up` is used, else several, each with a lab of its own.

    The project's own tests compute as much as they wait, and so do labs of containers: half as many.
    """
    from rating_harness.plugin import options_of
    from rating_harness.session.pace import labs_side_by_side
    from rating_harness.session.persistent_lab import intended_use

    options = options_of(config)
    if intended_use(options).lab is not None:
        return 1
    tests = config.rootpath / "tests"
    of_tests = any(Path(arg.partition("::")[0]).absolute().is_relative_to(tests) for arg in config.args)
    return max(labs_side_by_side() // (2 if of_tests or options.lab == "docker" else 1), 1)
