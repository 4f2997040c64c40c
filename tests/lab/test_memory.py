"""A Kamailio whose memory is used up: one that serves, and one that can't even start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.errors import ServiceDied
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session
from rating_harness.session.stored_runs import RunStore

pytestmark = pytest.mark.lab

CONFIGURATION = """#!KAMAILIO
children=1
max_while_loops=100000
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "htable.so"
loadmodule "jsonrpcs.so"
modparam("htable", "htable", "filled=>size=8;")
modparam("jsonrpcs", "transport", 4)
request_route {
	$var(entry) = 0;
	while ($var(entry) < ENTRIES) {
		$sht(filled=>$var(entry)) = $ua;
		$var(entry) = $var(entry) + 1;
	}
	sht_reset("filled");
	sl_send_reply("200", "OK");
	exit;
}
"""

SCENARIO = """
scenario: Entries of a table fill the shared memory
kamailio: {config: own, %s}
calls:
  - {id: ana, from: "1000", to: "39040123456", method: OPTIONS, headers: {User-Agent: "%s"}, expect: {reply: 200}}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    evidence = tmp_path_factory.mktemp("evidence")
    session = Session(Options(lab="local", seed=1, evidence=evidence), RunStore(evidence, print).store)
    yield session
    session.close()


def findings(session: Session, directory: Path, memory: str, entries: int) -> list[str]:
    (directory / "own").mkdir()
    (directory / "own/kamailio.cfg").write_text(CONFIGURATION.replace("ENTRIES", str(entries)))
    (directory / "s.yaml").write_text(SCENARIO % (memory, "x" * 1000))
    (scenario,) = load(directory / "s.yaml")
    verdict = session.run(scenario).verdict
    assert verdict is not None
    return [f"{each.message}: {each.hint}" for each in verdict.findings]


def test_running_out_of_shared_memory_is_a_finding_with_the_remedy(session: Session, tmp_path: Path) -> None:
    found, *_ = findings(session, tmp_path, "memory: 4m", 5000)
    assert found.startswith("Kamailio ran out of shared memory: ")
    assert "`memory: 8m`" in found


def test_enough_memory_is_none(session: Session, tmp_path: Path) -> None:
    assert findings(session, tmp_path, "memory: 16m", 5000) == []


@pytest.mark.parametrize(
    ("memory", "remedy"), [("memory: 1m", "`memory: 2m`"), ("package_memory: 1m", "`package_memory: 2m`")]
)
def test_too_little_to_start_is_no_mistake_of_the_configuration(
    session: Session, tmp_path: Path, memory: str, remedy: str
) -> None:
    scenario = SCENARIO.replace("config: own, ", "") % (memory, "x")
    (tmp_path / "s.yaml").write_text(scenario)
    with pytest.raises(ServiceDied) as caught:
        session.run(load(tmp_path / "s.yaml")[0])
    assert remedy in (caught.value.hint or "")
    assert caught.value.where is None
