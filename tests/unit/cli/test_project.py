"""``new``, ``call`` and ``init``: what they write is loaded, and what they ask for."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from rating_harness import __version__
from rating_harness.cli.main import main
from rating_harness.scenario.loader import load
from rating_harness.scenario.schema import scenario_schema
from rating_harness.session.call_template import KINDS, CallTemplate
from rating_harness.session.project_files import (
    own_requirement,
    place_in_repository,
    project_files,
    requirement_from,
)
from rating_harness.session.session import Session
from tests.unit.test_exit_status import run as run_without_lab

SCENARIOS = Path(__file__).parents[3] / "scenarios"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("caller", "callee"), [("1000", "39040123456"), ("+390401", "+4930123"), ("ana-1", "0039")])
def test_a_new_scenario_is_one_that_can_be_planned(kind: str, caller: str, callee: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / f"{kind}.yaml"
    arguments = {"answered": ["--hold", "3s"], "cut": ["--cut", "--hold", "3s"]}.get(kind, [f"--{kind}"])
    result = invoke("new", path, "--from", caller, "--to", callee, *arguments)
    assert (result.exit_code, result.output) == (0, f"wrote {path}; `rating-harness run {path}` runs it\n")
    (scenario,) = load(path)
    (call,) = scenario.calls
    assert scenario.tags == (kind,)
    planned = invoke("plan", path)
    assert planned.exit_code == 0, planned.output
    assert f"INVITE by {caller} to {callee}" in planned.output
    assert call.expect.reply is not None


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine")
    result = invoke("new", tmp_path / "a.yaml", "--from", "1", "--to", "2")
    assert result.exit_code == 2
    assert "there is something already" in result.output
    assert (tmp_path / "a.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "1000"], "--from NUMBER and --to NUMBER"),
        (["--from", "sip:1000@x", "--to", "2"], "this is no caller"),
        (["--from", "1000", "--to", "3 9"], "this is no callee"),
        (["--from", "1000", "--to", "39", "--hold", "soon"], "this is no time"),
        (["--from", "1000", "--to", "39", "--refused", "--busy"], "found:    --busy --refused"),
        (["--from", "1000", "--to", "39", "--cancelled", "--hold", "2s"], "a call that isn't answered has no length"),
    ],
)
def test_what_cannot_be_used(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = invoke("new", tmp_path / "a.yaml", *arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "a.yaml").exists()


@pytest.mark.parametrize("name", ["mine", "mine.yml.txt", "dir/"])
def test_a_new_scenario_has_a_name_by_which_it_is_found(name: str, tmp_path: Path) -> None:
    result = invoke("new", f"{tmp_path}/{name}", "--from", "1", "--to", "2")
    assert result.exit_code == 2
    assert "a scenario's file ends in .yaml" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "status"), [(["--hold", "1s"], 1), (["--busy"], 1)])
def test_a_call_is_shown_and_saved(
    arguments: list[str], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(session: Session, scenario: object) -> object:
        return run_without_lab(session, scenario.model_copy(update={"tags": ("fails",)}))  # type: ignore[attr-defined]

    monkeypatch.setattr(Session, "run", fails)
    saved = tmp_path / "saved.yaml"
    result = invoke("call", "1000", "39040123456", "--save", saved, *arguments)
    assert result.exit_code == status
    assert "FAILED  A call from 1000 to 39040123456" in result.output
    assert f"saved     {saved}" in result.output
    assert f"{saved}:1" in result.output
    assert load(saved)


def test_of_a_call_that_is_not_saved_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(session: Session, scenario: object) -> object:
        return run_without_lab(session, scenario.model_copy(update={"tags": ("fails",)}))  # type: ignore[attr-defined]

    monkeypatch.setattr(Session, "run", fails)
    output = invoke("call", "1000", "39040123456").output
    assert re.findall(r"\S*call\.yaml\S*", output) == ["call.yaml:1"]
    assert "scenario  --save FILE keeps it\n" in output


# --- init -----------------------------------------------------------------------------------------------------------


def test_a_project_has_all_that_it_needs(tmp_path: Path) -> None:
    result = invoke("init", tmp_path / "mine", "--requirement", "rating-harness==1.2.3")
    assert result.exit_code == 0, result.output
    made = {
        path.relative_to(tmp_path / "mine").as_posix() for path in (tmp_path / "mine").rglob("*") if path.is_file()
    }
    assert made == set(project_files(""))
    assert (tmp_path / "mine/requirements.txt").read_text() == "rating-harness==1.2.3\n"
    assert json.loads((tmp_path / "mine/scenario.schema.json").read_text()) == scenario_schema()
    for name in (".gitlab-ci.yml", ".github/workflows/scenarios.yml"):
        assert "make test-kamailio" in str(yaml.safe_load((tmp_path / "mine" / name).read_text()))
    result = invoke("validate", tmp_path / "mine/scenarios")
    assert (result.exit_code, result.output) == (0, "3 files, 3 scenarios, 0 mistakes\n")


def test_a_project_with_all_scenarios_of_the_package(tmp_path: Path) -> None:
    result = invoke("init", tmp_path, "--all-scenarios")
    assert result.exit_code == 0, result.output
    kinds = (".yaml", ".xml", ".cfg")
    shipped = {path.relative_to(SCENARIOS) for path in SCENARIOS.rglob("*.*") if path.suffix in kinds}
    made = {path.relative_to(tmp_path / "scenarios/rating") for path in (tmp_path / "scenarios/rating").rglob("*.*")}
    assert made == shipped
    assert (tmp_path / "scenarios/answered.yaml").is_file()
    assert len(result.output.splitlines()) < 20
    result = invoke("validate", tmp_path / "scenarios/rating/authorization")
    assert result.exit_code == 0, result.output


def test_a_project_is_made_only_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("mine")
    result = invoke("init", tmp_path)
    assert result.exit_code == 2
    assert str(tmp_path / "Makefile") in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


@pytest.mark.parametrize("name", ["calls", "tests/calls"])
def test_in_a_repository_the_pipelines_are_those_of_its_root(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "kamailio").mkdir()
    (tmp_path / "kamailio/kamailio.cfg").write_text("request_route { exit; }\n")
    monkeypatch.chdir(tmp_path)
    result = invoke("init", name, "--requirement", "rating-harness==1")
    assert result.exit_code == 0, result.output
    assert "wrote .github/workflows/scenarios.yml\n" in result.output
    assert f"include: [{{local: {name}/.gitlab-ci.yml}}]" in result.output
    (steps,) = (
        job["steps"] for job in yaml.safe_load(Path(".github/workflows/scenarios.yml").read_text())["jobs"].values()
    )
    assert [step["run"].split()[:4] for step in steps if "make" in step.get("run", "")] == [
        ["make", "-C", name, "test-kamailio"]
    ]
    assert steps[-1]["with"]["path"].split() == [f"{name}/report.html", f"{name}/report.xml", f"{name}/evidence/"]
    job = yaml.safe_load(Path(name, ".gitlab-ci.yml").read_text())["scenarios"]
    assert job["artifacts"]["reports"] == {"junit": f"{name}/report.xml"}
    assert job["cache"]["key"] == {"files": [f"{name}/requirements.txt"]}
    made = subprocess.run(["make", "-n", "-C", name, "test-kamailio"], capture_output=True, text=True, check=True)
    assert f"--rating-kamailio-config {'../' * len(Path(name).parts)}kamailio" in made.stdout


def test_a_projects_own_configuration_is_tested(tmp_path: Path) -> None:
    assert invoke("init", tmp_path).exit_code == 0
    make = ["make", "-n", "-C", str(tmp_path), "test-kamailio"]
    assert "--rating-kamailio-config" not in subprocess.run(make, capture_output=True, text=True, check=True).stdout
    (tmp_path / "kamailio").mkdir()
    (tmp_path / "kamailio/kamailio.cfg").touch()
    given = [*make, "KAMAILIO=sid", "WORKERS=3"]
    made = subprocess.run(given, capture_output=True, text=True, check=True).stdout
    assert "prepare --lab auto --kamailio sid" in made
    assert "scenarios -n 3" in made
    assert "--rating-kamailio sid --rating-kamailio-config kamailio" in made


def test_a_wheel_is_found_from_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("init", "calls", "--requirement", "wheels/rating_harness-1-py3-none-any.whl")
    assert result.exit_code == 2
    assert "there is no such wheel" in result.output
    Path("wheels").mkdir()
    Path("wheels/rating_harness-1-py3-none-any.whl").touch()
    for given, written in (
        ("wheels/rating_harness-1-py3-none-any.whl", "../wheels/rating_harness-1-py3-none-any.whl"),
        (f"{tmp_path}/wheels/rating_harness-1-py3-none-any.whl",) * 2,
        ("https://example.org/rating_harness-1-py3-none-any.whl",) * 2,
    ):
        assert requirement_from(given, Path("calls")) == written


@pytest.mark.parametrize("name", ["", "a b", "$x", "a'b"])
def test_a_place_that_a_pipeline_would_read_otherwise_is_none(name: str, tmp_path: Path) -> None:
    (tmp_path / ".git").touch()  # as in a worktree
    assert place_in_repository(tmp_path / name) == ""
    assert place_in_repository(tmp_path / ".ci/calls") == ".ci/calls"


def test_every_option_in_the_projects_files_is_one_of_the_plugin() -> None:
    from rating_harness.run.lab_options import LAB_OPTIONS

    texts = "\n".join(text for name, text in project_files("").items() if not name.endswith("json"))
    options = set(re.findall(r"--rating-([\w-]+)", texts))
    assert options >= {"lab", "junit", "evidence"}
    assert options <= set(LAB_OPTIONS)


def test_the_template_is_immutable_and_has_a_title_for_each_kind() -> None:
    titles = {CallTemplate("1", "2", kind).title for kind in KINDS}
    assert len(titles) == len(KINDS)


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        ("", f"rating-harness=={__version__}"),
        (
            '{"url": "file:///home/me/rating", "dir_info": {"editable": true}}',
            "rating-harness @ file:///home/me/rating",
        ),
        (
            '{"url": "https://example.org/r.git", "vcs_info": {"vcs": "git", "commit_id": "1f2e"}}',
            "rating-harness @ git+https://example.org/r.git@1f2e",
        ),
    ],
)
def test_a_project_has_the_package_from_where_this_one_came(origin: str, requirement: str) -> None:
    assert own_requirement(origin) == requirement


def test_a_project_of_a_checkout_says_that_a_pipeline_needs_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rating_harness.session.project_files.own_requirement", lambda: "rating-harness @ file:///x")
    assert "file:///x: in a pipeline, give a wheel" in invoke("init", tmp_path / "one").output
    assert (tmp_path / "one/requirements.txt").read_text() == "rating-harness @ file:///x\n"
    assert "in a pipeline" not in invoke("init", tmp_path / "two", "--requirement", "rating-harness==1").output


def test_without_a_lab_a_program_is_given_null(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rating_harness.session.persistent_lab.find", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main(["status", "--json"])
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out) is None
