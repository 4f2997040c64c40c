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


def test_validate_tells_a_program_what_it_found() -> None:
    files = [str(HERE / "broken" / "unknown-key.yaml"), str(HERE / "good")]
    result = CliRunner().invoke(main, ["validate", "--json", *files])
    told = json.loads(result.stdout)
    assert result.exit_code == 2
    assert (told["files"], told["scenarios"]) == (len(FILES) + 1, SCENARIOS)
    (found,) = told["found"]
    assert found.keys() == {"severity", "file", "line", "column", "message", "hint"}
    assert (found["severity"], found["file"]) == ("mistake", files[0])
    assert "did you mean 'hangup'?" in found["hint"]


def test_list_names_what_run_would_choose() -> None:
    result = CliRunner().invoke(main, ["list", str(HERE / "good"), "--json"])
    listed = json.loads(result.stdout)
    assert (result.exit_code, len(listed)) == (0, SCENARIOS)
    assert listed[0].keys() == {"id", "title", "file", "row", "tags", "calls", "requires"}
    word = listed[0]["title"].split()[-1]
    chosen = json.loads(CliRunner().invoke(main, ["list", str(HERE / "good"), "--json", "-k", word]).stdout)
    assert 0 < len(chosen) < SCENARIOS
    text = CliRunner().invoke(main, ["list", str(HERE / "good")]).stdout
    assert text.endswith(f"{SCENARIOS} scenarios\n")
    assert f"  {listed[0]['file']}\n" in text


def test_list_says_what_each_row_requires(tmp_path: Path) -> None:
    (tmp_path / "rows.yaml").write_text(
        "scenario: Rows\nrequires: {isolated: true}\n"
        "matrix: [{id: plain}, {id: secured, requires: {tls: true, isolated: false}}]\n"
        'calls: [{id: ana, from: "1000", to: "39"}]\n',
        "utf-8",
    )
    lines = CliRunner().invoke(main, ["list", str(tmp_path)]).stdout.splitlines()
    assert [line.partition("rows.yaml")[2] for line in lines if "rows.yaml" in line] == [
        "  (requires isolated)",
        "  (requires tls)",
    ]
    listed = json.loads(CliRunner().invoke(main, ["list", str(tmp_path), "--json"]).stdout)
    assert [each["requires"] for each in listed] == [{"isolated": True}, {"tls": True, "isolated": False}]


def test_listing_nothing_is_no_success(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["list", str(tmp_path)]).exit_code == 2
    assert CliRunner().invoke(main, ["list", str(HERE / "good"), "-k", "noSuchWord"]).exit_code == 2
