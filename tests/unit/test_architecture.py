"""Who may import whom: the table of ARCHITECTURE.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "harness" / "rating_harness"

ALWAYS = {"contract", "errors", "deadline"}
ROOMS = {
    "scenario": {"canyan.loader"},
    "evidence": set(),
    "lab": set(),
    "sipp": {"evidence"},
    "rating": {"lab.protocol"},
    "tap": {"lab.protocol", "rating"},
    "kamailio": {"lab.protocol", "evidence", "coverage"},
    "coverage": {"kamailio_config"},
    "kamailio_config": set(),
    "plan": {"scenario", "sipp", "tap", "lab.protocol", "lab.files"},
    "run": {
        "scenario",
        "plan",
        "sipp",
        "lab",
        "rating",
        "tap",
        "kamailio",
        "evidence",
        "coverage",
        "kamailio_config",
    },
    "checks": {"scenario", "evidence"},
    "report": {"scenario", "evidence", "checks"},
    "canyan": {
        "kamailio",
        "scenario",
        "plan",
        "run",
        "lab",
        "sipp",
        "rating",
        "evidence",
        "checks",
        "report",
        "session",
    },
    "session": {
        "coverage",
        "scenario",
        "plan",
        "run",
        "lab",
        "rating",
        "kamailio",
        "evidence",
        "checks",
        "report",
        "canyan",
    },
    "cli": {
        "coverage",
        "checks",
        "scenario",
        "plan",
        "run",
        "lab",
        "rating",
        "tap",
        "evidence",
        "report",
        "session",
        "canyan",
    },
}


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, without the leading ``rating_harness.``"""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "rating_harness":
            inner = node.module.partition(".")[2]
            yield from [inner] if inner else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (a.name.partition(".")[2] for a in node.names if a.name.startswith("rating_harness."))


def is_allowed(room: str, imported: str) -> bool:
    allowed = ROOMS[room] | ALWAYS | {room}
    return any(imported == name or imported.startswith(f"{name}.") for name in allowed)


def files(room: str) -> list[Path]:
    return [path for path in sorted((PACKAGE / room).rglob("*.py")) if not path.name.startswith("command")]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_it_may_know(room: str) -> None:
    found = files(room)
    assert found, f"the room {room} is empty"
    strays = [
        f"{path.relative_to(PACKAGE)} imports rating_harness.{imported}"
        for path in found
        for imported in imports(path)
        if imported != "__version__" and not is_allowed(room, imported)
    ]
    assert not strays, "\n".join(strays)


def test_every_directory_is_a_known_room() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(ROOMS)


def test_only_one_module_imports_pysipp() -> None:
    importers = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if '"pysipp"' in path.read_text(encoding="utf-8") or "import pysipp" in path.read_text(encoding="utf-8")
    ]
    assert importers == ["sipp/_pysipp.py"]


@pytest.mark.parametrize("stray", ["run.runner", "report.failure", "session"])
def test_the_rule_can_fail(stray: str) -> None:
    assert not is_allowed("checks", stray)
