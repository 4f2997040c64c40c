"""A scenario that could not be run leaves what there is to see of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.errors import ServiceDied
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session
from rating_harness.session.stored_runs import RunStore

pytestmark = pytest.mark.lab

TEXT = """
scenario: A call through a Kamailio that can't start
kamailio: {config: own}
calls:
  - {id: ana, from: "1000", to: "39040123456"}
"""
BROKEN = """#!KAMAILIO
children=1
log_stderror=yes
loadmodule "nowhere.so"
request_route { exit; }
"""


def test_its_folder_has_kamailios_whole_log_of_its_last_start(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/kamailio.cfg").write_text(BROKEN)
    (tmp_path / "s.yaml").write_text(TEXT)
    evidence = tmp_path / "evidence"
    options = Options(lab="local", seed=1, evidence=evidence)
    warnings: list[str] = []
    store = RunStore(evidence, warnings.append)
    session = Session(options, store.store, store_not_run=store.store_not_run)
    try:
        with pytest.raises(ServiceDied) as caught:
            session.run(load(tmp_path / "s.yaml")[0])
        folder = caught.value.folder
        assert folder is not None
        assert f"\n  evidence: {folder}" in str(caught.value)
        log = (folder / "kamailio.log").read_text()
        assert "could not find module <nowhere>" in log
        assert str(tmp_path / "own/kamailio.cfg") in log, "the user's own path, and not the lab's"
        assert "jsonrpc_dgram_process" not in log, "the start before was another one"
        assert "Kamailio ended with status" in (folder / "not-run.txt").read_text()
        assert (folder / "scenario.yaml").read_text() == TEXT
        assert warnings == []
    finally:
        session.close()
