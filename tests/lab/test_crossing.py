"""An answer that crosses the moment in which its caller is given up: the caller gets one final reply."""

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


def crossing(directory: Path, changes: dict[str, tuple[str, str]]) -> Scenario:
    """The scenario, on a configuration with the changes; in it a process loses the processor behind RATING_REPLY."""
    config = directory / "kamailio"
    shutil.copytree(data_directory("kamailio"), config)
    # From 1.7 s to 2.26 s: across FR_TIMER, at 2.0 to 2.13 s, over before the caller is told, 0.4 s later or more.
    slow = '\troute(RATING_REPLY);\n\tif (is_method("INVITE") && $rs == 200) usleep("560000");\n}'
    for name, (old, new) in {"kamailio.cfg": (REPLY_ROUTE, slow), **changes}.items():
        text = (config / name).read_text()
        assert text.count(old) == 1
        (config / name).write_text(text.replace(old, new))
    file = directory / "crossing.yaml"
    file.write_text(SCENARIO.format(retail=Path(__file__).parents[2] / "scenarios/_retail.yaml", config=config))
    return load(file)[0]


def test_an_answer_that_crosses_the_timer_is_no_second_final_reply(tmp_path: Path, run_scenario: RunScenario) -> None:
    run_scenario(crossing(tmp_path, {}))


def test_without_the_moment_between_it_is_one(tmp_path: Path, run_scenario: RunScenario) -> None:
    at_once = {"rating.cfg": (SUSPENDED, "if (0) $sht(rating_given_up=>$ci)")}
    verdict = run_scenario(crossing(tmp_path, at_once), check=False).verdict
    assert verdict is not None
    # The dialog module says at critical level that an answer follows a refusal; a caller still there gets both.
    assert any("critical" in each.expected for each in verdict.findings), verdict.findings
