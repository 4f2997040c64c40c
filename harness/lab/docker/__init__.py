"""The lab in a Docker engine, on this machine or another one."""

from harness.lab.docker.engine import Engine, available
from harness.lab.docker.lab import DockerLab
from harness.lab.docker.sweeping import sweep

__all__ = ["DockerLab", "Engine", "available", "sweep"]
