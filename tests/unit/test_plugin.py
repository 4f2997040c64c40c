"""The pytest plugin, driven through pytest itself. No lab is brought up: a stand-in runs the scenarios."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rating_harness import __version__
from rating_harness.checks import Verdict, judge
from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError
from rating_harness.scenario.model import Scenario
from rating_harness.session import persistent_lab
from rating_harness.session.session import Outcome, Session
from tests.builders import evidence_of

pytest_plugins = ["pytester"]

SCENARIO = """\
scenario: {title}
tags: [{tag}]
given:
  accounts: [{{account_tag: "1000", type: PREPAID, balance: 10}}]
  carriers: [{{carrier_tag: carrier, host: carrier}}]
calls: [{{id: ana, from: "1000", to: "39040123456"}}]
"""


def run(session: Session, scenario: Scenario) -> Outcome:
    """In place of `Session.run`, with no call and no lab: a scenario tagged ``bad`` fails, and so on."""
    if "broken" in scenario.tags:
        raise LabError("no lab today", hint="try tomorrow, --lab docker, or `rating-harness up --lab local`")
    if "skipped" in scenario.tags:
        return Outcome(scenario, 0.0, skipped="requires tls: there is none")
    evidence = evidence_of((), repeated=("call ana began 400ms late",) if "late" in scenario.tags else ())
    verdict = judge(scenario, evidence) if "bad" in scenario.tags else Verdict(scenario.id, ())
    return Outcome(scenario, 0.1, None, evidence, verdict, None)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project whose scenarios are judged without a lab."""
    monkeypatch.setattr(Session, "run", run)
    return pytester


def write(project: pytest.Pytester, name: str, title: str = "A call is made", tag: str = "good") -> Path:
    path = project.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCENARIO.format(title=title, tag=tag), encoding="utf-8")
    return path


def test_scenarios_below_their_directory_are_collected(project: pytest.Pytester) -> None:
    write(project, "scenarios/one.yaml")
    write(project, "scenarios/deep/two.yml", "Another call")
    write(project, "scenarios/_shared.yaml")
    write(project, "elsewhere/three.yaml")
    result = project.runpytest("--collect-only", "-q")
    result.stdout.fnmatch_lines(
        ["scenarios/deep/two.yml::Another call", "scenarios/one.yaml::A call is made", "", "2 tests collected*"]
    )


def test_a_file_that_is_named_is_collected_wherever_it_is(project: pytest.Pytester) -> None:
    path = write(project, "elsewhere/three.yaml")
    project.runpytest(str(path)).assert_outcomes(passed=1)


def test_a_configuration_beside_the_project_hides_no_scenario(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an ini file pytest's root is above both."""
    write(project, "calls/scenarios/one.yaml")
    (project.mkdir("kamailio") / "kamailio.cfg").write_text("request_route { exit; }\n")
    monkeypatch.chdir(project.path / "calls")
    project.runpytest("scenarios", "--rating-kamailio-config", "../kamailio").assert_outcomes(passed=1)


@pytest.mark.parametrize("named", ["calls/scenarios", "calls/scenarios/deep", "{}/calls/scenarios"])
def test_a_directory_of_scenarios_that_is_named_is_collected(named: str, project: pytest.Pytester) -> None:
    write(project, "calls/scenarios/deep/one.yaml")
    write(project, "calls/other/two.yaml")
    project.runpytest(named.format(project.path)).assert_outcomes(passed=1)


def test_files_below_somebody_elses_scenarios_are_left_alone(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "scenarios/theirs/tests/data.yaml")
    write(project, "scenarios/theirs/pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(project.path / "scenarios/theirs")
    result = project.runpytest(str(project.path / "scenarios/theirs/tests"))
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_rating_scenario_paths_can_be_set(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nrating_scenario_paths = calls\n")
    write(project, "calls/one.yaml")
    write(project, "scenarios/two.yaml")
    project.runpytest().assert_outcomes(passed=1)


def test_each_row_of_a_matrix_is_a_test(project: pytest.Pytester) -> None:
    path = write(project, "scenarios/one.yaml")
    rows = "matrix: [{id: busy, to: '391'}, {id: no answer, to: '392'}]\n"
    path.write_text(rows + path.read_text().replace('"39040123456"', '"${to}"'))
    result = project.runpytest("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::A call is made [[]busy]", "*::A call is made [[]no_answer]"])


def test_mistakes_are_reported_at_collection_without_a_traceback(project: pytest.Pytester) -> None:
    write(project, "scenarios/good.yaml")
    wrong = project.path / "scenarios" / "wrong.yaml"
    wrong.write_text("scenario: Wrong\ncalls:\n  - {id: ana, form: '1000', to: '39'}\n")
    result = project.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["scenarios/wrong.yaml:3:*: unknown key 'form' in calls[[]0]", "*did you mean 'from'*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*harness/scenario*")


def test_what_ended_before_sigterm_is_in_the_reports_of_several_workers(project: pytest.Pytester) -> None:
    """As a pipeline cancels a job."""
    write(project, "scenarios/quick.yaml")
    write(project, "scenarios/long.yaml", "A long call", tag="long")
    project.makeconftest(
        f"""
        import sys, threading
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from pathlib import Path
        from rating_harness.session.session import Session
        from tests.unit.test_plugin import run

        def run_or_wait(session, scenario):
            if "long" in scenario.tags:
                Path("begun").touch()
                threading.Event().wait()
            return run(session, scenario)

        Session.run = run_or_wait
        """
    )
    command = [sys.executable, "-m", "pytest", "-n", "2", "--rating-junit", "junit.xml"]
    out = project.path / "out"
    with out.open("w") as file, project.popen(command, stdout=file, stderr=subprocess.STDOUT) as process:

        def one_has_ended() -> bool:
            return (project.path / "begun").exists() and out.read_text().endswith("\n.")

        await_condition(one_has_ended, Deadline(100), "the first dot")
        process.terminate()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, out.read_text()
    (case,) = ElementTree.parse(project.path / "junit.xml").iter("testcase")
    assert case.get("name") == "A call is made"


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_file_with_mistakes_is_in_the_reports(
    workers: tuple[str, ...], project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With workers the other files are run, and a report without this one would be green."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    write(project, "scenarios/deep/wrong.yaml").write_text(
        "scenario: Wrong\ncalls:\n  - {id: ana, form: '1000', to: '39'}\n"
    )
    files = ["--rating-junit", "junit.xml", "--rating-jsonl", "lines.jsonl", "--rating-html", "report.html"]
    project.runpytest_subprocess(*files, *workers).assert_outcomes(errors=1)
    suite = ElementTree.parse(project.path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
    (case,) = suite.iter("testcase")
    assert case.attrib == {
        "classname": "scenarios.deep.wrong",
        "name": "wrong.yaml can't be used",
        "file": "scenarios/deep/wrong.yaml",
        "line": "3",
        "time": "0.000",
    }
    (error,) = case.iter("error")
    assert error.get("message") == "unknown key 'form' in calls[0]"
    assert "did you mean 'from'" in str(error.text)
    lines = [json.loads(line) for line in (project.path / "lines.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines if line["event"] == "file refused"] == ["scenarios/deep/wrong.yaml"]
    assert [line["scenarios"] for line in lines if line["event"] == "session started"] == [0]
    row = "| not run | wrong.yaml can't be used | scenarios/deep/wrong.yaml:3 | unknown key 'form' in calls\\[0\\] |"
    assert row in (project.path / "summary.md").read_text()
    assert "scenarios/deep/wrong.yaml:3: unknown key &#39;form&#39;" in (project.path / "report.html").read_text()


@pytest.mark.parametrize("text", ["", "- a list\n", "services: {kamailio: {image: x}}\n"])
def test_a_yaml_file_that_is_no_scenario_is_an_error_there(project: pytest.Pytester, text: str) -> None:
    (project.path / "scenarios").mkdir()
    (project.path / "scenarios" / "other.yaml").write_text(text)
    project.runpytest().assert_outcomes(errors=1)


def test_no_scenario_at_all_is_a_failure(project: pytest.Pytester) -> None:
    assert project.runpytest().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_failure_is_one_screen_with_the_cause(project: pytest.Pytester) -> None:
    write(project, "scenarios/bad.yaml", tag="bad")
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED  A call is made", "*no call was made at all*"])
    result.stdout.fnmatch_lines(["FAILED scenarios/bad.yaml::A call is made - *: expected *, seen *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_lab_that_fails_is_told_without_a_traceback(project: pytest.Pytester) -> None:
    write(project, "scenarios/broken.yaml", tag="broken")
    result = project.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no lab today*", "*try tomorrow*", "ERROR *::A call is made - no lab today; try *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_an_error_names_the_options_as_pytest_has_them(project: pytest.Pytester) -> None:
    write(project, "scenarios/broken.yaml", tag="broken")
    result = project.runpytest()
    result.stdout.fnmatch_lines(["*try tomorrow, --rating-lab docker, or `rating-harness up --lab local`*"])


def test_a_skip_says_why(project: pytest.Pytester) -> None:
    write(project, "scenarios/skipped.yaml", tag="skipped")
    result = project.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*requires tls: there is none*"])


def test_what_was_run_again_is_told(project: pytest.Pytester) -> None:
    write(project, "scenarios/late.yaml", tag="late")
    write(project, "scenarios/one.yaml", "One")
    result = project.runpytest("-q")
    result.assert_outcomes(passed=2)
    told = "scenarios/late.yaml::A call is made: run 2 counts, since call ana began 400ms late"
    result.stdout.fnmatch_lines([f"rating-harness: RUN AGAIN  {told}"])
    assert result.stdout.str().count("RUN AGAIN") == 1


def test_tags_select(project: pytest.Pytester) -> None:
    write(project, "scenarios/one.yaml", "One")
    write(project, "scenarios/two.yaml", "Two", tag="prepaid")
    project.runpytest("-k", "prepaid").assert_outcomes(passed=1, deselected=1)


def test_tags_are_markers(project: pytest.Pytester) -> None:
    write(project, "scenarios/one.yaml", "One")
    write(project, "scenarios/two.yaml", "Two", tag="pre-paid")
    write(project, "scenarios/three.yaml", "Three", tag="skip")
    project.runpytest("-m", "pre-paid", "--strict-markers").assert_outcomes(passed=1, deselected=2)
    project.runpytest("-m", "not good").assert_outcomes(passed=2, deselected=1)


def test_the_seed_is_told(project: pytest.Pytester) -> None:
    write(project, "scenarios/one.yaml")
    result = project.runpytest("--rating-seed", "42")
    result.stdout.fnmatch_lines(["rating-harness: lab auto, seed 42"])


def test_all_workers_draw_from_one_seed(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    project.makeconftest(
        """
        from rating_harness.session.session import Session
        from tests.unit.test_plugin import run
        def told(session, scenario):
            print("seed", session.options.seed)
            return run(session, scenario)
        Session.run = told
        """
    )
    for number in range(4):
        write(project, f"scenarios/{number}.yaml", f"Scenario {number}")
    result = project.runpytest_subprocess("-n", "2", "-rP")
    result.assert_outcomes(passed=4)
    seeds = [line.split()[-1] for line in result.outlines if line.startswith(("seed ", "rating-harness: "))]
    assert len(seeds) == 5
    assert len(set(seeds)) == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--rating-lab=moon", "*invalid choice*moon*"),
        ("--rating-define==x", "*defines nothing*"),
        ("--rating-seed=x", "*invalid int value*"),
    ],
)
def test_wrong_options_are_usage_errors(project: pytest.Pytester, option: str, said: str) -> None:
    write(project, "scenarios/one.yaml")
    result = project.runpytest(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    result.stderr.no_fnmatch_line("*Traceback*")


def test_a_target_is_for_one_worker(project: pytest.Pytester) -> None:
    write(project, "scenarios/one.yaml")
    result = project.runpytest("--rating-target=127.0.0.1", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--rating-target is one Kamailio for all scenarios*"])


def test_a_test_in_python_runs_a_scenario(project: pytest.Pytester) -> None:
    write(project, "calls/good.yaml")
    write(project, "calls/bad.yaml", tag="bad")
    project.makepyfile(
        """
        import pytest
        from rating_harness.plugin import ScenarioFailed

        def test_good(run_scenario):
            assert run_scenario("calls/good.yaml").verdict.passed

        def test_bad(run_scenario):
            with pytest.raises(ScenarioFailed, match="no call was made"):
                run_scenario("calls/bad.yaml")
            assert not run_scenario("calls/bad.yaml", check=False).verdict.passed
        """
    )
    project.runpytest().assert_outcomes(passed=2)


def test_what_could_not_be_run_is_told_in_a_python_test_as_text(project: pytest.Pytester) -> None:
    write(project, "calls/broken.yaml").write_text("scenario: A call\ncallz: []\n")
    project.makepyfile(
        """
        import pytest
        from rating_harness.errors import HarnessError

        def test_broken(run_scenario):
            run_scenario("calls/broken.yaml")

        def test_expected(run_scenario):
            with pytest.raises(HarnessError):
                run_scenario("calls/broken.yaml")

        @pytest.fixture
        def outcome(run_scenario):
            return run_scenario("calls/broken.yaml")

        def test_in_a_fixture(outcome):
            pass
        """
    )
    result = project.runpytest()
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*calls/broken.yaml:2:1: unknown key 'callz'*", "*did you mean 'calls'?*"])
    result.stdout.no_fnmatch_line("*def run(*")
    result.stdout.no_fnmatch_line("*Traceback*")
    assert "test_what_could_not_be_run_is_told_in_a_python_test_as_text.py:5" in result.stdout.str()


def test_evidence_that_cannot_be_written_costs_one_warning_and_no_verdict(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    project.makeconftest(
        """
        from rating_harness.errors import LabError
        from rating_harness.session.session import Session
        from tests.unit import test_plugin
        def run(session, scenario):
            session._store_not_run(scenario, LabError("x"), "")
            return test_plugin.run(session, scenario)
        Session.run = run
        """
    )
    for number in range(4):
        write(project, f"scenarios/{number}.yaml", f"Scenario {number}", tag="bad" if number else "good")
    (project.path / "file").touch()
    for workers in ([], ["-n", "2"]):
        result = project.runpytest_subprocess("--rating-evidence", "file/evidence", *workers)
        result.assert_outcomes(passed=1, failed=3)
        warnings = [line for line in result.outlines if "evidence can't be written" in line]
        assert warnings == [
            f"rating-harness: WARNING  evidence can't be written to {project.path}/file/evidence: Not a directory"
        ]
        assert sum("no call was made at all" in line for line in result.outlines) >= 3


def test_the_use_of_a_persistent_lab_is_announced(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    lab = persistent_lab.PersistentLab("local", "1f2e", {}, __version__, persistent_lab.fingerprint(), time.time())
    persistent_lab._state().parent.mkdir(parents=True)
    persistent_lab._state().write_text(json.dumps(asdict(lab)))
    write(project, "scenarios/one.yaml")
    result = project.runpytest()
    result.stdout.fnmatch_lines(["rating-harness: Uses the lab of `up` (local 1f2e), up for 0 min, where it's free."])
    monkeypatch.setenv("CI", "true")
    result = project.runpytest()
    result.stdout.fnmatch_lines(["rating-harness: *isn't used in a pipeline*--rating-persistent-lab yes uses it."])


def four(project: pytest.Pytester) -> None:
    """A scenario that passes, one that fails, one that could not be run, one that is skipped; and a lab for none."""
    for tag in ("good", "bad", "broken", "skipped"):
        write(project, f"scenarios/{tag}.yaml", f"It is {tag}", tag=tag)
    project.makeconftest(
        """
        from rating_harness.session.session import Session
        from tests.unit.test_plugin import run
        Session.run = run
        """
    )


def cases(path: Path) -> dict[str, ElementTree.Element]:
    return {case.get("name", ""): case for case in ElementTree.parse(path).iter("testcase")}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_the_same_reports_as_from_the_command(
    workers: list[str], project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("TMPDIR", str(project.path))
    four(project)
    files = ["--rating-html=out/r.html", "--rating-junit=out/j.xml", "--rating-jsonl=out/e.jsonl"]
    result = project.runpytest_subprocess(*files, "--rating-durations=out/d.json", "--junitxml=theirs.xml", *workers)
    result.assert_outcomes(passed=1, failed=1, errors=1, skipped=1)
    page = (project.path / "out/r.html").read_text()
    assert all(f"It is {tag}" in page for tag in ("good", "bad", "broken", "skipped"))
    lines = [json.loads(line) for line in (project.path / "out/e.jsonl").read_text().splitlines()]
    assert (lines[0]["event"], lines[0]["scenarios"]) == ("session started", 4)
    assert lines[-1]["event"] == "session finished"
    kinds = Counter(line["event"] for line in lines)
    assert (kinds["lab up"], kinds["scenario finished"], kinds["scenario skipped"]) == (1, 2, 1)
    assert list(json.loads((project.path / "out/d.json").read_text()).values()) == [0.1, 0.1]
    assert not list(project.path.glob("rating-events-*"))

    own = cases(project.path / "out/j.xml")
    failure = own["It is bad"].find("failure")
    assert failure is not None
    assert failure.get("message") == "call ana: expected 1 made, seen 0 made"
    assert (failure.text or "").startswith("FAILED  It is bad")
    error = own["It is broken"].find("error")
    assert error is not None
    message = error.get("message", "")
    assert message.startswith("no lab today; try tomorrow, ")
    assert error.get("type") == "LabError"
    assert own["It is skipped"].find("skipped") is not None
    assert list(own["It is good"]) == [own["It is good"].find("properties")]
    assert (own["It is bad"].get("file"), own["It is bad"].get("line")) == ("scenarios/bad.yaml", "1")
    suite = next(ElementTree.parse(project.path / "out/j.xml").iter("testsuite"))
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]

    theirs = cases(project.path / "theirs.xml")
    failure = theirs["It is bad"].find("failure")
    assert failure is not None
    assert failure.get("message") == "call ana: expected 1 made, seen 0 made"
    error = theirs["It is broken"].find("error")
    assert error is not None
    assert "no lab today" in error.get("message", "")


def test_a_report_that_cannot_be_written_ends_it_at_once(project: pytest.Pytester) -> None:
    write(project, "scenarios/one.yaml")
    (project.path / "file").touch()
    result = project.runpytest("--rating-html", "file/report.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*file/report.html: the file of --rating-html can't be written*"])


def test_several_workers_begin_with_the_longest(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    project.makeconftest(
        """
        from pathlib import Path
        from rating_harness.session.session import Session
        from tests.unit.test_plugin import run
        Session.run = run
        def pytest_collection_finish(session):
            worker = getattr(session.config, "workerinput", {"workerid": "alone"})["workerid"]
            Path(worker).write_text(" ".join(item.name for item in session.items))
        """
    )
    for name, hold in (("a", 1), ("b", 3), ("c", 9), ("d", 5), ("e", 2), ("f", 4)):
        file = write(project, f"scenarios/{name}.yaml", name)
        text = file.read_text(encoding="utf-8").replace('to: "39040123456"', f'to: "39040123456", hold: {hold}s')
        file.write_text(text, encoding="utf-8")
    project.makepyfile("def test_python(): pass")
    project.runpytest_subprocess().assert_outcomes(passed=7)
    assert (project.path / "alone").read_text() == "a b c d e f test_python"
    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=7)
    for worker in ("gw0", "gw1"):
        assert (project.path / worker).read_text() == "c a d e f b test_python"


def test_shards_have_each_scenario_once(project: pytest.Pytester) -> None:
    for number in range(7):
        write(project, f"scenarios/{number}.yaml", f"Scenario {number}")
    project.makepyfile("def test_theirs(): pass")
    seen: list[str] = []
    for shard in ("1/3", "2/3", "3/3"):
        result = project.runpytest("--rating-shard", shard, "--collect-only", "-q", "scenarios")
        seen += [line for line in result.outlines if "::" in line]
    assert sorted(seen) == [f"scenarios/{number}.yaml::Scenario {number}" for number in range(7)]
    result = project.runpytest("--rating-shard", "4/3")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
