"""Two processes that meet at the same step of a call: it's taken once.

An answer that crosses the moment in which its caller is given up, and an end whose answer is given up by two.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rating_harness.lab.files import data_directory
from rating_harness.plugin import RunScenario
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Scenario

pytestmark = pytest.mark.lab

SCENARIO = """
scenario: An answer that crosses FR_TIMER
use: [{retail}]
kamailio:
  config: {config}
  defines: {{FR_TIMER: 2000, FR_INV_TIMER: 8000, RATING_HTTP_TIMEOUT: 1000}}
carriers:
  carrier:
    calls:
      ana: {{answer_after: 1700ms, provisional: []}}
calls:
  - id: ana
    from: "1000"
    to: "39040123456"
    expect: {{reply: 408, carriers: [carrier]}}
  # As long as this one is up the log is read.
  - {{id: bob, from: "1000", to: "39040123456", hold: 3s, expect: {{reply: 200}}}}
expect:
  requests:
    - {{call: ana, order: [authorization]}}
invariants:
  strict_peer: Kamailio is so slow that the carrier repeats its answer
"""

REPLY_ROUTE = "\troute(RATING_REPLY);\n}"
"""The end of reply_route: behind it tm takes the reply."""


SUSPENDED = "if (t_suspend()) $sht(rating_given_up=>$ci)"
"""The caller who is given up waits for a final reply, while tm drops the answer."""


LOST = """
scenario: An end that is given up by the HTTP process and by the sweep
use: [{retail}]
kamailio:
  config: {config}
  defines: {{RATING_END_PATIENCE: 1, RATING_HTTP_TIMEOUT: 1000}}
faults:
  - {{on: agent, path: end, silent: true}}
calls:
  - {{id: ana, from: "1000", to: "39040123456", hold: 1s, expect: {{reply: 200, ended_by: caller}}}}
  # As long as this one is up the log is read.
  - {{id: bob, from: "1000", to: "39040123456", hold: 11s, expect: {{reply: 200, ended_by: caller}}}}
expect:
  log:
    - {{line: '/rating: end lost: call=\\S+-ana-\\S+ .*record=.*"timestamp_end":/', level: alert, count: 1}}
    - {{line: '/end lost: call=\\S+-ana-\\S+ .*record=<null>/', absent: true}}
invariants:
  begin_and_end: the engine takes no end
  running: the engine takes no end
"""

LOST_LINE = '\t\t\txlog("L_ALERT", "rating: end lost:'
CLAIMED = 'if ($var(wait) == 0) {\n\t\t\t$sht(rating_state=>$var(call)) = "ended";'


def changed(directory: Path, scenario: str, changes: list[tuple[str, str, str]]) -> Scenario:
    """The scenario, on a configuration with the changes."""
    config = directory / "kamailio"
    shutil.copytree(data_directory("kamailio"), config)
    for name, old, new in changes:
        text = (config / name).read_text()
        assert text.count(old) == 1
        (config / name).write_text(text.replace(old, new))
    file = directory / "crossing.yaml"
    file.write_text(scenario.format(retail=Path(__file__).parents[2] / "scenarios/_retail.yaml", config=config))
    return load(file)[0]


def crossing(directory: Path, changes: list[tuple[str, str, str]]) -> Scenario:
    """The scenario, on a configuration with the changes; in it a process loses the processor behind RATING_REPLY."""
    # From 1.7 s to 2.26 s: across FR_TIMER, at 2.0 to 2.13 s, over before the caller is told, 0.4 s later or more.
    slow = '\troute(RATING_REPLY);\n\tif (is_method("INVITE") && $rs == 200) usleep("560000");\n}'
    return changed(directory, SCENARIO, [("kamailio.cfg", REPLY_ROUTE, slow), *changes])


def test_an_answer_that_crosses_the_timer_is_no_second_final_reply(tmp_path: Path, run_scenario: RunScenario) -> None:
    run_scenario(crossing(tmp_path, []))


def test_without_the_moment_between_it_is_one(tmp_path: Path, run_scenario: RunScenario) -> None:
    at_once = [("rating.cfg", SUSPENDED, "if (0) $sht(rating_given_up=>$ci)")]
    verdict = run_scenario(crossing(tmp_path, at_once), check=False).verdict
    assert verdict is not None
    # The dialog module says at critical level that an answer follows a refusal; a caller still there gets both.
    assert any("critical" in each.expected for each in verdict.findings), verdict.findings


def lost(directory: Path, changes: list[tuple[str, str, str]]) -> Scenario:
    """An end that is lost; a process loses the processor before it says so, until the sweep looks, 4 s later."""
    slow = f'\t\t\tusleep("4500000");\n{LOST_LINE}'
    return changed(directory, LOST, [("rating.cfg", LOST_LINE, slow), *changes])


def test_an_end_that_two_give_up_is_settled_once(tmp_path: Path, run_scenario: RunScenario) -> None:
    run_scenario(lost(tmp_path, []))


def test_an_end_that_nobody_claims_is_settled_twice(tmp_path: Path, run_scenario: RunScenario) -> None:
    unclaimed = [("rating.cfg", CLAIMED, CLAIMED.replace('= "ended"', "= $var(was)"))]
    verdict = run_scenario(lost(tmp_path, unclaimed), check=False).verdict
    assert verdict is not None
    assert any("record=<null>" in each.seen for each in verdict.findings), verdict.findings
