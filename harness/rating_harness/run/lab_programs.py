"""Commands that are run once in a lab for what they print: the versions of its programs, Kamailio's own check."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from types import MappingProxyType

from rating_harness.deadline import Deadline
from rating_harness.lab.protocol import Lab, Process, Program, Role

__all__ = ["LabPrograms"]

_END = 30.0
"""Seconds that a command may take."""


class LabPrograms:
    """:param lab: in which they are run, each on a host of its own that is released after it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def output(self, role: Role, name: str, command: tuple[str, ...]) -> str:
        """What a command prints that is run in the lab, on a host of that name."""
        with self._running(name, role, command) as process:
            process.wait(Deadline(_END))
            return process.output()

    @cached_property
    def kamailio(self) -> str:
        """The version of the Kamailio that is installed, whether one runs or not; empty where it tells none."""
        match = re.search(r"version: \S+ ([\d.]+)", self._says("kamailio", "kamailio -v"))
        return match[1] if match else ""

    @cached_property
    def sipp(self) -> str:
        """SIPp's version, and the libraries it is linked with."""
        return self._says("sipp", "sipp -v; ldd $(command -v sipp)")

    def _says(self, role: Role, command: str) -> str:
        """What a program says of itself."""
        return self.output(role, f"{role}-version", ("sh", "-c", command))

    def refuses(self, files: Mapping[str, bytes], defines: Mapping[str, str]) -> str | None:
        """What Kamailio's check of a configuration (``-c``) says against it; None where it takes it.

        :param files: by their names below its directory, ``kamailio.cfg`` among them.
        """
        options = shlex.join(word for name, value in defines.items() for word in ("-A", f"{name}={value}"))
        command = ("sh", "-c", f"kamailio -c -M 16 -f kamailio.cfg {options}")
        with self._running("kamailio-check", "kamailio", command, files) as process:
            return process.output() if process.wait(Deadline(_END)) else None

    @contextmanager
    def _running(
        self, name: str, role: Role, command: tuple[str, ...], files: Mapping[str, bytes] = MappingProxyType({})
    ) -> Iterator[Process]:
        """A command on a host of that name; both are gone afterwards."""
        process = self._lab.run(Program(name, role, command, self._lab.host(name), files))
        try:
            yield process
        finally:
            process.remove()
            self._lab.release(name)
