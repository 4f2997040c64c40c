"""Whether a Kamailio or a SIPp is good enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.errors import MissingTool
from rating_harness.lab.binaries import (
    directories_of,
    kamailio_in,
    library_compiler,
    parse_kamailio,
    parse_sipp,
    wrapper,
)

MODULES = ("http_async_client", "jansson", "dialog", "tmx", "jsonrpcs")


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("version: kamailio 6.0.1 (x86_64/linux) \nflags: USE_TCP", "6.0.1"),
        ("version: kamailio 5.6.3 (x86_64/linux)", "5.6.3"),
        ("bash: kamailio: command not found", None),
    ],
)
def test_kamailio_version(output: str, version: str | None) -> None:
    assert parse_kamailio(output) == version


@pytest.mark.parametrize(
    ("output", "parsed"),
    [
        ("\n SIPp v3.7.3-TLS-SCTP-PCAP-SHA256.\n\n This program", ("3.7.3", True)),
        ("\n SIPp v3.6.1-PCAP.\n", ("3.6.1", False)),
        ("SIPp v3.8.0.\n", ("3.8.0", False)),
        ("", None),
    ],
)
def test_sipp_version(output: str, parsed: tuple[str, bool] | None) -> None:
    assert parse_sipp(output) == parsed


def root_filesystem(tmp_path: Path, *modules: str) -> Path:
    libraries = tmp_path / "usr/lib/x86_64-linux-gnu"
    (libraries / "kamailio/modules").mkdir(parents=True)
    for name in ("libc.so.6", "ld-linux-x86-64.so.2", *(f"kamailio/modules/{module}.so" for module in modules)):
        (libraries / name).touch()
    for name in ("sbin/kamailio", "bin/sipp"):
        (tmp_path / "usr" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "usr" / name).touch()
    return tmp_path


def test_a_complete_root_filesystem(tmp_path: Path) -> None:
    assert kamailio_in(root_filesystem(tmp_path, *MODULES)) is None


def test_a_root_filesystem_without_kamailio(tmp_path: Path) -> None:
    assert kamailio_in(tmp_path) == "it holds no Kamailio"


def test_a_root_filesystem_without_a_module(tmp_path: Path) -> None:
    assert kamailio_in(root_filesystem(tmp_path, *MODULES[1:])) == "it lacks the module http_async_client"


def test_a_program_of_a_root_that_cannot_be_entered_has_its_loader_libraries_and_modules(tmp_path: Path) -> None:
    root = root_filesystem(tmp_path, *MODULES)
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    loader = f"exec {libraries}/ld-linux-x86-64.so.2 --library-path {libraries}"
    assert wrapper(root, "sipp", Path("/lab/hosts"), None).splitlines() == [
        "#!/bin/sh",
        "export RATING_HOSTS=/lab/hosts",
        f'{loader} {root}/usr/bin/sipp "$@"',
    ]
    kamailio = wrapper(root, "kamailio", Path("/lab/hosts"), None).splitlines()[-1]
    assert kamailio == f'{loader} {root}/usr/sbin/kamailio -L {libraries}/kamailio/modules "$@"'


def test_it_is_given_the_library_that_finds_the_labs_names(tmp_path: Path) -> None:
    root = root_filesystem(tmp_path, *MODULES)
    library = Path("/lab/names.so")
    assert f" --preload /lab/names.so {root}/usr/bin/sipp" in wrapper(root, "sipp", Path("/lab/hosts"), library)
    assert 'LD_PRELOAD=/lab/names.so"${LD_PRELOAD:+:$LD_PRELOAD}" exec ' in wrapper(
        None, "sipp", Path("/lab/hosts"), library
    )
    assert "names.so" not in wrapper(root, "ldd", Path("/lab/hosts"), library)


def test_that_library_is_compiled_by_the_roots_own_compiler_else_by_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = root_filesystem(tmp_path, *MODULES)
    monkeypatch.setattr("rating_harness.lab.binaries._which", {"cc": "/usr/bin/cc"}.get)
    machines = ["/usr/bin/cc", "-shared", "-fPIC", "-nostdlib"]
    assert library_compiler(None) == library_compiler(root) == machines
    (root / "usr/bin/tcc").touch()
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    loader = [f"{libraries}/ld-linux-x86-64.so.2", "--library-path", libraries]
    assert library_compiler(root) == [
        *(*loader, f"{root}/usr/bin/tcc", f"-B{libraries}/tcc", "-nostdinc"),
        *(f"-I{libraries}/tcc/include", f"-I{root}/usr/include", f"-I{root}/usr/include/x86_64-linux-gnu"),
        *machines[1:],
    ]
    monkeypatch.setattr("rating_harness.lab.binaries._which", lambda name: None)
    assert library_compiler(None) is None


def test_kamailios_directories_of_a_root_filesystem(tmp_path: Path) -> None:
    root = root_filesystem(tmp_path, *MODULES)
    here = "/usr/lib/x86_64-linux-gnu/kamailio"
    assert directories_of(root) == {here: f"{root}{here}"}


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="sipp can't be run"):
        wrapper(tmp_path, "sipp", Path("/lab/hosts"), None)
