"""The lines that probes log: read by those who count them, and left out by everybody else."""

from __future__ import annotations

import re

__all__ = ["PASSED", "without_probes"]

PASSED = re.compile(r"^.*<script>: ~ran (\d+)~$\n?", re.MULTILINE)
"""A line that a probe logs."""


def without_probes(log: str) -> str:
    """A log without the lines of probes."""
    return PASSED.sub("", log) if "<script>: ~ran " in log else log
