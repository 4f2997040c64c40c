"""What a process of a run imports: each that starts pays for all of it, and a lab starts four."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPORTS = ("docker", "pygal", "pygments", "rich", "dpkt", "lark", "regex")
"""Needed for a report, for another lab or for a fault, and not before."""

PROCESSES = {
    "validate": (
        "from rating_harness.cli import scenario\n"
        "from pathlib import Path\n"
        "from rating_harness.session.dialects import load\n"
        "load(Path({scenario!r}))",
        (*REPORTS, "httpx", "jinja2", "pysipp", "asyncio", "rating_harness.run.stack", "rating_harness.canyan"),
    ),
    "run": (
        "from rating_harness.cli import run, call\n"
        "import rating_harness.run.runner, rating_harness.session.session, rating_harness.lab.local",
        (
            *(name for name in REPORTS if name != "dpkt"),
            *("httpx", "asyncio", "filelock", "starlette", "uvicorn", "graphql"),
            *("rating_harness.canyan", "rating_harness.kamailio_config.tree", "rating_harness.coverage.points"),
            *("rating_harness.rating.engine_file", "rating_harness.plan.asterisk", "rating_harness.plan.baresip"),
        ),
    ),
    "tap": (
        "from rating_harness.cli import services\nimport rating_harness.tap.server",
        (*REPORTS, "pydantic", "httpx", "jinja2", "yaml", "starlette", "graphql", "rating_harness.scenario"),
    ),
    "engine": (
        "from rating_harness.cli import services\nimport rating_harness.rating.engine.server",
        (*REPORTS, "pydantic", "httpx", "jinja2", "yaml", "rating_harness.scenario", "rating_harness.tap"),
    ),
    "user agent": (
        "import rating_harness.useragent.__main__",
        (*REPORTS, "click", "pydantic", "httpx", "jinja2", "yaml", "rating_harness.plan"),
    ),
}
"""Process -> what it imports, and what it has to do without."""

SCENARIO = Path(__file__).parents[2] / "scenarios" / "dialog" / "balance-runs-out.yaml"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_imports_only_what_it_needs(process: str) -> None:
    code, without = PROCESSES[process]
    program = (
        "import rating_harness.cli.main\n" * (process != "user agent")
        + code.format(scenario=str(SCENARIO))
        + f"\nimport sys\nprint(*sorted(name for name in {without!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", [])


def test_the_list_of_commands_imports_none_of_them() -> None:
    program = "import sys, rating_harness.cli.main\nprint(*(name for name in sys.modules if '.cli.' in name))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert sorted(done.stdout.split()) == ["rating_harness.cli.main", "rating_harness.cli.options"]
