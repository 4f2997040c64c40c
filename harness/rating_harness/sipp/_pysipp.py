"""pysipp, made importable beside a current pluggy and Python, with the options of SIPp that it lacks.

Its only release (0.1.0) asks for pluggy's ``implprefix``, which pluggy 1.0 dropped, and for ``imp`` and
``distutils.spawn``, which Python 3.12 dropped. All three are stood in for while it's imported, and for no longer. The
unreleased head needs none of it and is left alone. No other module imports pysipp.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pluggy

__all__ = ["agent", "command", "plugin"]


class _PrefixPluginManager(pluggy.PluginManager):
    """Takes ``implprefix`` as pluggy did before 1.0: routines so named are hook implementations."""

    def __init__(self, project_name: str, implprefix: str | None = None) -> None:
        super().__init__(project_name)
        self._prefix = implprefix

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        options = super().parse_hookimpl_opts(plugin, name)
        prefixed = options is None and self._prefix is not None and name.startswith(self._prefix)
        return {} if prefixed and inspect.isroutine(getattr(plugin, name)) else options


def _stand_ins() -> dict[str, ModuleType]:
    """Modules that pysipp imports and Python no longer has, as far as pysipp uses them."""

    def load_source(name: str, path: str) -> ModuleType:
        loader = importlib.machinery.SourceFileLoader(name, path)
        spec = importlib.util.spec_from_loader(name, loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        return module

    imp = ModuleType("imp")
    imp.load_source = load_source  # type: ignore[attr-defined]
    spawn = ModuleType("distutils.spawn")
    spawn.find_executable = shutil.which  # type: ignore[attr-defined]
    distutils = ModuleType("distutils")
    distutils.spawn = spawn  # type: ignore[attr-defined]
    return {"imp": imp, "distutils": distutils, "distutils.spawn": spawn}


@contextmanager
def _importable() -> Iterator[None]:
    stand_ins = _stand_ins()
    shadowed = {name: sys.modules.get(name) for name in stand_ins}
    original = pluggy.PluginManager
    sys.modules.update(stand_ins)
    pluggy.PluginManager = _PrefixPluginManager  # type: ignore[misc]
    try:
        # Its sources compare with "is not" and hold unescaped backslashes, which compile with a SyntaxWarning.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        pluggy.PluginManager = original  # type: ignore[misc]
        for name, module in shadowed.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


with _importable():
    _pysipp = importlib.import_module("pysipp")

agent: Any = _pysipp.agent
command: Any = _pysipp.command
plugin: Any = _pysipp.plugin

_MISSING: tuple[tuple[str, bool], ...] = (
    (" -ci {control_host}", False),
    (" -cp {control_port}", False),
    (" -trace_stat{trace_statistics}", True),
    (" -stf {statistics_file}", False),
    (" -fd {statistics_interval}", False),
    (" -nostdin{no_stdin}", True),
    (" -nr{no_retransmission}", True),
    (" -skip_rlimit{skip_rlimit}", True),
    (" -max_socket {max_sockets}", False),
    (" -rate_increase {rate_increase}", False),
    (" -rate_max {rate_max}", False),
    (" -rate_interval {rate_interval}", False),
    (" -no_rate_quit{no_rate_quit}", True),
    (" -trace_shortmsg{trace_lines}", True),
    (" -shortmessage_file {lines_file}", False),
    (" -max_retrans {max_retransmissions}", False),
    (" -lost {loss}", False),
    (" -tls_cert {tls_certificate}", False),
    (" -tls_key {tls_key}", False),
    (" -tls_ca {tls_ca}", False),
)
"""SIPp options which pysipp has no field for, and whether they are flags. They follow the remote address."""


def _add_options() -> None:
    renderer = command.SippCmd
    for template, is_flag in _MISSING:
        name = next(field for _, field, _, _ in command.iter_format(template) if field)
        if name not in renderer._specparams:
            field = (command.BoolField if is_flag else command.Field)(name, template)
            renderer._specparams[name] = field
            setattr(renderer, name, field)


_add_options()
