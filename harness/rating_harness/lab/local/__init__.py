"""The lab that needs no Docker engine: processes of this machine in namespaces of their own."""

from rating_harness.lab.local.lab import LocalLab

__all__ = ["LocalLab"]
