"""A Kamailio whose configuration has probes, and what they logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rating_harness.coverage.points import Instrumented, Probe, hits_of, instrument
from rating_harness.kamailio_config.preprocessor import version_defines

__all__ = ["Probes"]

_MAIN = "/etc/kamailio/kamailio.cfg"
_NONE = Instrumented((), (), (), {})


@dataclass
class Probes:
    """Those of the Kamailio that runs.

    :param version: Kamailio's, such as ``6.0.1``: some conditions ask for it.
    """

    version: str
    instrumented: Instrumented = _NONE
    _read: int = 0

    def put_in(
        self, files: Mapping[str, bytes], defines: Mapping[str, str], paths: Mapping[str, Path]
    ) -> dict[str, bytes]:
        """The files with probes.

        :param paths: which file of the user's each of them is: the names in reports.
        :raises ConfigurationError: the configuration can't be parsed.
        """
        from rating_harness.kamailio_config.parser import parse_files

        shown = _shown({inside: paths.get(inside, Path(inside)) for inside in files})
        inside_of = {name: inside for inside, name in shown.items()}
        values = {name: value or None for name, value in defines.items()}
        configuration = parse_files(files, _MAIN, {**version_defines(self.version), **values}, shown=shown)
        self.instrumented = instrument(configuration)
        changed = self.instrumented.texts.items()
        return {**files, **{inside_of[name]: text.encode("utf-8", "surrogateescape") for name, text in changed}}

    def passed(self, log: str) -> Counter[Probe]:
        """What was passed since this was called last.

        :param log: all of Kamailio's log up to now; it may have begun anew.
        """
        start = self._read if len(log) >= self._read else 0
        end = log.rfind("\n") + 1
        self._read = end
        return hits_of(log[start:end], self.instrumented.probes)


def _shown(paths: Mapping[str, Path]) -> dict[str, str]:
    """The names in reports: a link's is what it links to, so that what several configurations share is one."""
    linked = {inside: path.resolve() if path.is_symlink() else path for inside, path in paths.items()}
    times = Counter(linked.values())
    return {
        inside: _from_here(linked[inside] if times[linked[inside]] == 1 else path) for inside, path in paths.items()
    }


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)
