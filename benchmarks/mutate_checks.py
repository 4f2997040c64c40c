"""Mutation of what judges: mutmut breaks a module of checks/ or evidence/ in one place at a time, and runs its tests.

mutmut wants its packages in ``src/`` and works in the folder it's started in, so each module is tried in a copy. It
forks after the imports, and so made 59 mutants in 94 s on a busy machine where one start of pytest alone takes 4.3 s
of processor time: hence mutmut, and not a tool that starts pytest for each mutant.

    python -m benchmarks.mutate_checks evidence/tables --fail-under 95
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[1]

TESTS: Mapping[str, Sequence[str]] = {
    "checks/health": ("checks/test_leftovers.py", "checks/test_invariants.py"),
    "checks/kamailio": ("checks/test_kamailio.py", "checks/test_invariants.py", "checks/test_expectations.py"),
    "checks/rating_oracle": ("checks/test_rating_oracle.py",),
    "checks/requests": ("checks/test_leftovers.py", "checks/test_invariants.py", "checks/test_expectations.py"),
    "checks/strict_peer": ("checks/test_strict_peer.py",),
    "evidence/redaction": ("evidence/test_redaction.py",),
    "evidence/sdp": ("evidence/test_sdp.py",),
    "evidence/tables": ("checks/test_leftovers.py",),
}
"""By module: the tests that are about it, below tests/unit."""

_COPIED = ("tests", "kamailio", "scenarios", "compose")

_PROJECT = """\
[tool.pytest.ini_options]
markers = ["lab", "docker"]

[tool.mutmut]
source_paths = ["src/rating_harness/{module}.py"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-n", "0"]
also_copy = {copied}
"""


def mutate(module: str, folder: Path, children: int) -> tuple[int, int, str]:
    """How many mutants of a module its tests killed, of how many, and the others as diffs.

    :param module: a key of `TESTS`.
    :raises subprocess.CalledProcessError: the tests fail as it is.
    """
    shutil.copytree(_ROOT / "harness", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in _COPIED:
        shutil.copytree(_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    tests = [f"tests/unit/{name}" for name in TESTS[module]]
    copied = json.dumps(["src", *_COPIED])
    text = _PROJECT.format(module=module, tests=json.dumps(tests), copied=copied)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    _mutmut(folder, "run", "--max-children", str(children))
    _mutmut(folder, "export-cicd-stats")
    stats = json.loads((folder / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    others = [line.partition(":")[0].strip() for line in _mutmut(folder, "results").splitlines() if ": " in line]
    diffs = "\n".join(_mutmut(folder, "show", name) for name in others)
    return stats["killed"] + stats["timeout"], stats["total"], diffs


def _mutmut(folder: Path, *arguments: str) -> str:
    # It puts the copy before the package that is installed, and knows it only by the path that it put there itself.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-W", "ignore", "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout[-3000:] + done.stderr[-3000:])
        done.check_returncode()
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", choices=[[], *TESTS], metavar="MODULE", help=", ".join(TESTS))
    parser.add_argument("--children", type=int, default=1, metavar="N", help="mutants side by side")
    parser.add_argument("--fail-under", type=float, default=0.0, metavar="N", help="fail below N percent of a module")
    given = parser.parse_args(arguments)
    failed = False
    for module in given.modules or TESTS:
        with tempfile.TemporaryDirectory() as folder:
            killed, total, diffs = mutate(module, Path(folder), given.children)
        percent = 100.0 * killed / total if total else 0.0
        failed = failed or percent < given.fail_under
        sys.stdout.write(f"{diffs}\n{module}: {killed} of {total} killed ({percent:.1f} %)\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
