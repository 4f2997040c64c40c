"""The lab in a Docker engine, on this machine or another one."""

from rating_harness.lab.docker.cleanup import sweep
from rating_harness.lab.docker.configuration import copied_configurations
from rating_harness.lab.docker.engine import Engine, available
from rating_harness.lab.docker.lab import DockerLab

__all__ = ["DockerLab", "Engine", "available", "copied_configurations", "sweep"]
