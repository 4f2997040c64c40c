"""A service of the user's own in a lab: Kamailio's host knows it by its name, and it's up before Kamailio starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.run.options import Options
from rating_harness.run.stack import Stack

pytestmark = pytest.mark.lab

LIBRARY = """services:
  library:
    command: [python, -m, http.server, "8000", --bind, "${LAB_ADDRESS}"]
    expose: ["8000"]
    x-lab: {role: harness}
"""


def test_it_listens_under_its_name_before_kamailio_starts(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text(LIBRARY)
    with Stack.open(Options(services=tmp_path / "services.yaml", seed=1)) as stack:
        address = stack.lab.host("library").address
        found = stack.programs.output("kamailio", "asks", ("getent", "ahostsv4", "library"))
        assert address in found
        assert stack.lab.service("library").poll() is None
        assert stack.kamailio.uptime() >= 0
