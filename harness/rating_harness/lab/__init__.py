"""Bringing services up, whoever runs them: a Docker engine, this machine, or somebody else."""

from rating_harness.lab.factory import attach_lab, open_lab

__all__ = ["attach_lab", "open_lab"]
