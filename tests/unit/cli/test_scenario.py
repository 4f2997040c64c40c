from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness.cli.main import main
from rating_harness.scenario.loader import load
from rating_harness.scenario.schema import scenario_schema

HERE = Path(__file__).parents[1] / "scenario"


FILES = [path for path in sorted((HERE / "good").glob("*.yaml")) if not path.name.startswith("_")]
SCENARIOS = sum(len(load(path)) for path in FILES)


def test_validate_is_content_with_good_files() -> None:
    assert SCENARIOS > len(FILES) > 5
    result = CliRunner().invoke(main, ["validate", str(HERE / "good")])
    assert (result.exit_code, result.output) == (0, f"{len(FILES)} files, {SCENARIOS} scenarios, 0 mistakes\n")


def test_validate_tells_every_mistake_and_exits_with_2() -> None:
    files = [str(HERE / "broken" / name) for name in ("unknown-key.yaml", "hold-never.yaml")]
    result = CliRunner().invoke(main, ["validate", *files, str(HERE / "good")])
    assert result.exit_code == 2
    assert "did you mean 'hangup'?" in result.output
    assert "'hold' has no effect" in result.output
    assert result.output.endswith(f"{len(FILES) + 2} files, {SCENARIOS} scenarios, 2 mistakes\n")
    assert "Traceback" not in result.output


def test_validating_nothing_is_no_success(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["validate", str(tmp_path)])
    assert (result.exit_code, result.output) == (2, "0 files, 0 scenarios, 0 mistakes\n")


@pytest.mark.parametrize("command", ["validate", "run", "plan", "record", "convert"])
def test_a_path_that_is_not_there(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dialog").mkdir()
    Path("dialog/renewed.yaml").touch()
    said = {
        "dialog/renewd.yaml": "; did you mean dialog/renewed.yaml?",
        "dialogue/renewed.yaml": "; did you mean dialog/renewed.yaml?",
        "nosuch.yaml": "",
        "x" * 300: "",
    }
    for path, guess in said.items():
        result = CliRunner().invoke(main, [command, path])
        assert (result.exit_code, result.output) == (2, f"{path}: no such file or directory{guess}\n")


def test_schema_prints_the_schema() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert json.loads(result.output) == scenario_schema()
    shared = CliRunner().invoke(main, ["schema", "--shared"])
    assert json.loads(shared.output)["$id"] == "urn:rating-harness:shared:1"
