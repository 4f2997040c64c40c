"""Who may import whom (import-linter's contracts in pyproject.toml), and that ARCHITECTURE.md says the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "harness" / "rating_harness"
CONTRACTS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
TABLE = (CHECKOUT / "ARCHITECTURE.md").read_text()
MODULES = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--config", CHECKOUT / "pyproject.toml"],
        cwd=directory,
        env={"PYTHONPATH": str(directory), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, to break."""
    shutil.copytree(PACKAGE, tmp_path / "rating_harness", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_no_room_reaches_back(copy: Path) -> None:
    result = lint_imports(copy)
    assert result.returncode == 0, result.stdout


def test_a_stray_import_is_found(copy: Path) -> None:
    with (copy / "rating_harness/checks/format.py").open("a") as module:
        module.write(
            "\n\ndef stray() -> object:\n    import rating_harness.run.runner\n\n    return rating_harness\n"
        )
    result = lint_imports(copy)
    assert result.returncode == 1
    assert "rating_harness.checks is not allowed to import rating_harness.run" in result.stdout


def test_a_room_without_a_floor_is_found(copy: Path) -> None:
    (copy / "rating_harness/attic").mkdir()
    (copy / "rating_harness/attic/__init__.py").touch()
    result = lint_imports(copy)
    assert result.returncode == 1
    assert "attic" in result.stdout


def rows() -> dict[str, int]:
    """The modules in ARCHITECTURE.md's table, with their floors."""
    return {name: int(floor) for floor, name in re.findall(r"^\| (\d+) \| `(\w+)/?` \|", TABLE, re.MULTILINE)}


def test_architecture_md_names_every_module_with_its_floor() -> None:
    assert set(rows()) == MODULES - {"__init__"}
    layers = next(each["layers"] for each in CONTRACTS if each["id"] == "floors")
    floors = {name: floor for floor, layer in enumerate(reversed(layers)) for name in layer.split(" | ")}
    assert rows() == floors


def imported(graph: grimp.ImportGraph, room: str) -> set[str]:
    """What a room or top module imports of the others, without the package's name: ``lab.protocol``."""
    package = "rating_harness."
    found = {
        name.removeprefix(package)
        for module in graph.modules
        if module == package + room or module.startswith(f"{package}{room}.")
        for name in graph.find_modules_directly_imported_by(module)
    }
    return {name for name in found if name.partition(".")[0] not in (room, "rating_harness", *EVERYBODYS)}


EVERYBODYS = ("errors", "contract", "deadline")


def test_architecture_md_says_what_each_imports() -> None:
    graph = grimp.build_graph("rating_harness", cache_dir=None)
    wrong = []
    for room, said in re.findall(r"^\| \d+ \| `(\w+)/?` \|.* \| ([^|]*) \|$", TABLE, re.MULTILINE):
        allowed = re.findall(r"`([\w.]+)`", said)
        actual = imported(graph, room)
        if said == "all below":
            continue
        strays = {name for name in actual if not any(name == each or name.startswith(f"{each}.") for each in allowed)}
        unused = {each for each in allowed if not any(name == each or name.startswith(f"{each}.") for name in actual)}
        wrong += [f"{room} imports {name}" for name in sorted(strays)]
        wrong += [f"{room} doesn't import {name}" for name in sorted(unused)]
    assert not wrong, "\n".join(wrong)


def test_only_one_module_imports_pysipp() -> None:
    importers = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if '"pysipp"' in path.read_text(encoding="utf-8") or "import pysipp" in path.read_text(encoding="utf-8")
    ]
    assert importers == ["sipp/_pysipp.py"]
