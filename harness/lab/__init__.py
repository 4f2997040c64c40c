"""Bringing services up, whoever runs them: a Docker engine, this machine, or somebody else."""

from harness.lab.opening import open_lab

__all__ = ["open_lab"]
