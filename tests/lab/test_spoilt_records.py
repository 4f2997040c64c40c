"""Configurations that bill another time than the call's: nothing is expected of the record, and the run fails."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from rating_harness.lab.files import data_directory
from rating_harness.plugin import RunScenario
from rating_harness.run.kamailio import LAB_DEFINES
from tests.builders import scenario_of

pytestmark = pytest.mark.lab

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456", ring: 4s, hold: 2s, expect: {reply: 200}}]\n'
BEGIN = 'jansson_set("integer", "timestamp_begin", "$Ts", "$var(body)");'
END = 'jansson_set("integer", "timestamp_end", "$var(at)", "$var(body)");'


def _off(line: str, variable: str, seconds: int) -> tuple[str, str]:
    """The line, and one that sends the time so many seconds later."""
    return line, f"$var(off) = {variable} + {seconds}; {line.replace(variable, '$var(off)')}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([_off(END, "$var(at)", 3600)], r"its record ends (3599|3600|3601)s late"),
        ([(END, END.replace("$var(at)", "$dlg(start_ts)"))], "its record ends when it begins"),
        ([_off(BEGIN, "$Ts", -4)], "ringing is billed"),
        ([_off(BEGIN, "$Ts", 10), _off(END, "$var(at)", 10)], r"its record is (9|10|11)s late"),
    ],
    ids=["an hour more", "no time at all", "ringing billed", "shifted"],
)
def test_a_record_that_is_not_the_call_fails_alone(
    changes: list[tuple[str, str]], said: str, tmp_path: Path, run_scenario: RunScenario
) -> None:
    directory = tmp_path / "kamailio"
    shutil.copytree(data_directory("kamailio"), directory)
    for old, new in changes:
        files = [file for file in directory.glob("*.cfg") if old in file.read_text()]
        assert [file.read_text().count(old) for file in files] == [1], old
        files[0].write_text(files[0].read_text().replace(old, new))
    scenario = scenario_of(tmp_path / "s.yaml", CALL)
    kamailio = scenario.kamailio.model_copy(update={"defines": LAB_DEFINES, "config": str(directory)})
    given = scenario.given.accounts[0].model_copy(update={"type": "POSTPAID"})
    scenario = scenario.model_copy(
        update={"kamailio": kamailio, "given": scenario.given.model_copy(update={"accounts": (given,)})}
    )
    verdict = run_scenario(scenario, check=False).verdict
    assert verdict is not None
    assert [finding.check for finding in verdict.findings] == ["always: record"], verdict.findings
    assert re.search(said, verdict.findings[0].message), verdict.findings[0].message
