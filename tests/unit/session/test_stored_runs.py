"""``rating-harness check FOLDER``: stored evidence is judged as it was, by the scenario that is stored beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rating_harness.checks import Verdict
from rating_harness.cli.main import main
from rating_harness.errors import EvidenceError, SippError
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.store import write
from rating_harness.lab.protocol import Host
from rating_harness.plan.planner import plan_scenario
from rating_harness.scenario.model import Scenario
from rating_harness.session.dialects import load
from rating_harness.session.stored_runs import RunStore, judge_stored, scenario_files_of
from tests.builders import evidence_of, refused_call, scenario_of
from tests.unit.report import scenes

CALLS = 'calls:\n  - {id: ana, from: "1000", to: "39040123456", expect: {reply: 403}}\n'


def check(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def stored(folder: Path, scenario: Scenario, evidence: Evidence) -> Path:
    """As a run keeps it; the author's own files are gone then."""
    kept = replace(evidence, scenario=scenario.id)
    write(folder, kept, extra=scenario_files_of(scenario))
    scenario.origin.file.unlink()
    return folder


def test_a_failure_is_told_again(tmp_path: Path) -> None:
    folder = stored(tmp_path / "run", *scenes.refused(tmp_path / "scenario.yaml"))
    result = check(folder)
    assert result.exit_code == 1
    assert result.output.startswith("FAILED  A call is made\n")
    assert f"        {folder}/scenario.yaml:11\n" in result.output
    assert "   line 11 | reply: 200\n  expected | 200\n      seen | 403 Forbidden" in result.output
    assert f"\ncheck     rating-harness check {folder}\n" in result.output


def test_a_pass_is_a_pass(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "scenario.yaml", CALLS)
    result = check(stored(tmp_path / "run", scenario, evidence_of(refused_call())))
    assert (result.exit_code, result.output) == (0, "PASSED  A call is made\n")


def test_evidence_that_was_changed_is_judged_as_it_is_now(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "scenario.yaml", CALLS)
    folder = stored(tmp_path / "run", scenario, evidence_of(refused_call()))
    core = json.loads((folder / "evidence.json").read_text())
    (folder / "evidence.json").write_text(json.dumps({**core, "dialogs_left": 3}))
    result = check(folder)
    assert result.exit_code == 1
    assert "seen | 3 active" in result.output


def test_another_scenario_can_judge(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "scenario.yaml", CALLS)
    folder = stored(tmp_path / "run", scenario, evidence_of(refused_call()))
    scenario_of(tmp_path / "stricter.yaml", CALLS.replace("403", "486"))
    assert check(folder, "--scenario", tmp_path / "stricter.yaml").exit_code == 1


def test_a_folder_without_evidence(tmp_path: Path) -> None:
    result = check(tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path}/evidence.json: no evidence that can be read here" in result.output
    assert "Traceback" not in result.output


def test_several_folders_are_judged_and_the_worst_counts(tmp_path: Path) -> None:
    good = stored(tmp_path / "good", scenario_of(tmp_path / "good.yaml", CALLS), evidence_of(refused_call()))
    bad = stored(tmp_path / "bad", *scenes.refused(tmp_path / "bad.yaml"))
    assert check(good, bad).exit_code == 1
    result = check(tmp_path, bad, good, "--html", tmp_path / "out/report.html")
    assert result.exit_code == 2
    assert "FAILED  A call is made\n" in result.output
    assert result.output.endswith("PASSED  A call is made\n")
    assert (tmp_path / "out/report.html").read_text(encoding="utf-8").count('<details class="scenario ') == 2


def test_evidence_without_its_scenario(tmp_path: Path) -> None:
    write(tmp_path, evidence_of(refused_call()))
    result = check(tmp_path)
    assert result.exit_code == 2
    assert "--scenario" in result.output


def test_a_stored_scenario_with_mistakes(tmp_path: Path) -> None:
    write(tmp_path, evidence_of(refused_call()), extra={"scenario.yaml": b"scenario: x\ncalls: 3\n"})
    result = check(tmp_path)
    assert result.exit_code == 2
    assert "scenario.yaml:2:8" in result.output


# --- scenarios of more than one file --------------------------------------------------------------------------------


@pytest.fixture
def dialog(tmp_path: Path) -> Path:
    """A scenario in a directory of its own, which uses a file above it and a hand-written one of SIPp's."""
    directory = tmp_path / "scenarios/dialog"
    directory.mkdir(parents=True)
    shared = "given:\n  carriers: [{carrier_tag: other, host: other}]\n"
    (directory.parent / "_shared.yaml").write_text(shared)
    (directory / "odd.xml").write_text('<?xml version="1.0"?>\n<scenario name="odd"/>\n')
    rest = "use: [../_shared.yaml]\ncarriers:\n  carrier:\n    attempts: [{sipp: {file: odd.xml}}]\n"
    scenario_of(directory / "refused.yaml", rest + CALLS)
    return directory / "refused.yaml"


def test_all_files_are_stored_where_they_were_relative_to_each_other(dialog: Path) -> None:
    (scenario,) = load(dialog)
    files = scenario_files_of(scenario)
    assert sorted(files) == ["scenario/_shared.yaml", "scenario/dialog/odd.xml", "scenario/dialog/refused.yaml"]
    assert files["scenario/dialog/refused.yaml"] == dialog.read_bytes()


def test_the_scenario_is_loaded_from_there_when_the_authors_files_are_gone(dialog: Path, tmp_path: Path) -> None:
    (scenario,) = load(dialog)
    folder = stored(tmp_path / "run", scenario, evidence_of(refused_call()))
    shutil.rmtree(dialog.parents[1])
    assert check(folder).exit_code == 0


def test_what_a_sipp_file_needs_is_stored_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its passwords are not, and it's found although the scenario was named from within."""
    for name in ("scenarios", "sipp", "pcap"):
        (tmp_path / name).mkdir()
    (tmp_path / "pcap/a.pcap").write_bytes(b"\xd4\xc3")
    (tmp_path / "sipp/users.csv").write_text("SEQUENTIAL\n1000;[authentication username=a password=hush]\n")
    message = "<send><![CDATA[\nINVITE sip:[field0] SIP/2.0\nCall-ID: [call_id]\n[field1]\n]]></send>"
    play = '<nop><action><exec play_pcap_audio="../pcap/a.pcap"/></action></nop>'
    (tmp_path / "sipp/uac.xml").write_text(f"<scenario>{message}{play}</scenario>")
    calls = '[{id: ana, from: "1000", to: "39", sipp: {file: ../sipp/uac.xml, csv: ../sipp/users.csv}}]'
    (tmp_path / "scenarios/own.yaml").write_text(f"scenario: It\ncalls: {calls}\n")
    monkeypatch.chdir(tmp_path / "scenarios")
    (scenario,) = load(Path("own.yaml"))
    files = scenario_files_of(scenario)
    assert sorted(files) == [
        f"scenario/{name}" for name in ("pcap/a.pcap", "scenarios/own.yaml", "sipp/uac.xml", "sipp/users.csv")
    ]
    assert b"hush" not in files["scenario/sipp/users.csv"]
    folder = stored(tmp_path / "run", scenario, evidence_of(refused_call()))
    for name in ("sipp/uac.xml", "sipp/users.csv", "pcap/a.pcap"):
        (tmp_path / name).unlink()
    assert check(folder).exit_code in (0, 1)


def test_a_scenario_that_needs_no_other_file_is_stored_alone(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "any-name.yaml", CALLS)
    assert scenario_files_of(scenario) == {"scenario.yaml": scenario.origin.file.read_bytes()}


def test_a_scenario_made_in_python_has_no_file() -> None:
    assert (
        scenario_files_of(
            Scenario.model_validate({"scenario": "x", "calls": [{"id": "ana", "from": "1", "to": "2"}]})
        )
        == {}
    )


def test_a_file_of_canyan_tester_takes_its_sipp_scenarios_along(tmp_path: Path) -> None:
    (tmp_path / "sipp").mkdir()
    (tmp_path / "sipp/basic.xml").write_text('<?xml version="1.0"?>\n<scenario name="basic"/>\n')
    (tmp_path / "old.yaml").write_text("basedir: sipp\nworkers:\n  - {type: sipp, scenario: basic.xml}\n")
    (scenario,) = load(tmp_path / "old.yaml")
    assert sorted(scenario_files_of(scenario)) == ["scenario/old.yaml", "scenario/sipp/basic.xml"]


def test_a_file_that_was_run_leniently_is_checked_so(tmp_path: Path) -> None:
    (tmp_path / "basic.xml").write_text('<?xml version="1.0"?>\n<scenario name="basic"/>\n')
    (tmp_path / "old.yaml").write_text("whatever: 1\nworkers:\n  - {type: sipp, scenario: basic.xml}\n")
    (scenario,) = load(tmp_path / "old.yaml", canyan_lenient=True)
    folder = stored(tmp_path / "run", scenario, evidence_of(refused_call()))
    assert "unknown key" in check(folder).output
    assert check(folder).exit_code == 2
    assert check(folder, "--canyan-lenient").exit_code in (0, 1)


MATRIX = """\
scenario: A row
matrix:
  - {id: plain, code: 403, file: plain.xml}
  - {id: odd, code: 486, file: odd.xml}
calls:
  - {id: ana, from: "1000", to: "39040123456", sipp: "${file}", expect: {reply: "${code}"}}
"""


@pytest.fixture
def rows(tmp_path: Path) -> list[Scenario]:
    for name in ("plain.xml", "odd.xml"):
        (tmp_path / name).write_text('<?xml version="1.0"?>\n<scenario/>\n')
    (tmp_path / "rows.yaml").write_text(MATRIX)
    return load(tmp_path / "rows.yaml")


def test_a_row_needs_the_files_of_all_rows_to_be_loaded(rows: list[Scenario]) -> None:
    assert set(scenario_files_of(rows[0])) == {"scenario/odd.xml", "scenario/plain.xml", "scenario/rows.yaml"}


@pytest.mark.parametrize("index", [0, 1])
def test_a_row_is_judged_by_itself(rows: list[Scenario], index: int, tmp_path: Path) -> None:
    evidence = replace(evidence_of(refused_call()), scenario=rows[index].id)
    write(tmp_path / "run", evidence, extra=scenario_files_of(rows[index]))
    kept = judge_stored(tmp_path / "run").scenario
    assert kept.origin.row == rows[index].origin.row
    assert kept.origin.file == tmp_path / "run/scenario/rows.yaml"
    assert check(tmp_path / "run").output.startswith(["PASSED  A row [plain]\n", "FAILED  A row [odd]\n"][index])


def test_a_row_that_is_no_more(rows: list[Scenario], tmp_path: Path) -> None:
    evidence = replace(evidence_of(refused_call()), scenario=f"{rows[0].origin.file}[third]")
    write(tmp_path / "run", evidence, extra=scenario_files_of(rows[0]))
    with pytest.raises(EvidenceError, match="no such row") as caught:
        judge_stored(tmp_path / "run")
    assert (caught.value.expected, caught.value.found) == ("third", "plain, odd")


# --- what can't be written ------------------------------------------------------------------------------------------


def test_evidence_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "scenario.yaml", CALLS)
    (tmp_path / "file").touch()
    warnings: list[str] = []
    store = RunStore(tmp_path / "file" / "evidence", warnings.append)
    plan = plan_scenario(scenario, token="t", seed=1, hosts=lambda name: Host(name, "198.18.0.10"))
    evidence = evidence_of(refused_call())
    for _ in range(2):
        assert store.store(plan, evidence, Verdict(scenario.id, ())) is None
        assert store.store_not_run(scenario, EvidenceError("x"), "a log") is None
    assert warnings == [f"evidence can't be written to {tmp_path}/file/evidence: Not a directory"]


def test_a_scenario_that_has_mistakes_by_now_costs_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "rows.yaml"
    warnings: list[str] = []
    path.write_text("scenario: x\nmatrix: [{id: a, to: '39'}]\ncalls: [{id: ana, from: '1', to: '${to}'}]\n")
    (scenario,) = load(path)
    path.write_text("scenario: x\ncalls: 3\n")
    store = RunStore(tmp_path / "evidence", warnings.append)
    folder = store.store_not_run(scenario, EvidenceError("no reason"), "a log")
    assert folder is not None
    assert (folder / "not-run.txt").read_text().endswith("no reason\n")
    assert (folder / "kamailio.log").read_text() == "a log"
    assert len(warnings) == 1
    assert "the scenario can't be stored beside its evidence" in warnings[0]


def test_what_ends_wrote_down_is_kept_of_a_scenario_that_was_not_run_without_passwords(tmp_path: Path) -> None:
    calls = CALLS.replace("expect:", "auth: {username: ana, password: open-sesame}, expect:")
    scenario = scenario_of(tmp_path / "scenario.yaml", calls)
    error = SippError("SIPp could not do its work")
    error.files = {
        "sipp/caller/messages.log": b"REGISTER \xff",
        "sipp/caller/uac.xml": b'[authentication password="open-sesame"]',
    }
    folder = RunStore(tmp_path / "evidence", pytest.fail).store_not_run(scenario, error, "")
    assert folder is not None
    assert (folder / "sipp/caller/messages.log").read_bytes() == b"REGISTER \xff"
    assert (folder / "sipp/caller/uac.xml").read_text() == '[authentication password="redacted"]'
    assert error.files == {}, "they are not carried along any more"
