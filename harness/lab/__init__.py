"""Bringing services up, whoever runs them: a Docker engine, this machine, or somebody else."""

from harness.lab.opening import attach_lab, open_lab

__all__ = ["attach_lab", "open_lab"]
