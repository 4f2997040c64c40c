"""The files of a new project of scenarios: `rating-harness init`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rating_harness import __version__
from rating_harness.errors import UsageError
from rating_harness.lab.files import data_directory
from rating_harness.scenario.schema import scenario_schema
from rating_harness.session.call_template import CallTemplate

__all__ = ["own_requirement", "project_files", "write_project"]

_MAKEFILE = """\
# `make test-kamailio` runs the scenarios; the first time it makes .venv and gets Kamailio and SIPp.
PYTHON ?= python3
# docker, local, or auto: Docker where an engine answers.
LAB ?= auto
# Further options for pytest: make test-kamailio ARGS="-m answered"
ARGS ?=
BIN := .venv/bin

.PHONY: test-kamailio
test-kamailio: .venv/.ready
	$(BIN)/rating-harness prepare --lab $(LAB)
	$(BIN)/python -m pytest scenarios -n 2 --rating-lab $(LAB) $(ARGS)

.venv/.ready: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -r requirements.txt
	@touch $@

.PHONY: clean
clean:
	rm -rf .venv
"""

_README = """\
# Scenarios

`make test-kamailio` runs what is in `scenarios/`: real calls through Kamailio and a rating engine.

* A new one: `.venv/bin/rating-harness new scenarios/NAME.yaml`, and `.venv/bin/rating-harness watch scenarios`
  runs what you save.
* Your own Kamailio: `make test-kamailio ARGS="--rating-kamailio-config DIR"`, where `DIR` holds your `kamailio.cfg`.
* `rating-harness init --all-scenarios` writes all scenarios of the package, too: what they prove with a configuration
  of yours is the rating contract, and what doesn't apply to it is skipped with the reason.
* Your own engine: `ARGS="--rating-agent-url URL --rating-api-url URL"`.
* The manual (`docs/integration.md` and others) and `kamailio/rating.cfg` are in the package, below
  `.venv/lib/python3*/site-packages/rating_harness/_data`.
"""

_GITLAB = """\
scenarios:
  image: debian:trixie
  before_script:
    - apt-get update && apt-get install -y python3-venv make git mmdebstrap
    - mkdir -p .cache && ln -sfn "$PWD/.cache" /var/cache/rating-harness
  script:
    - make test-kamailio LAB=local ARGS="--rating-junit=report.xml --rating-evidence=evidence"
  artifacts:
    when: always
    paths: [evidence/]
    reports: {junit: report.xml}
  cache:
    paths: [.cache/*.tar]
"""

_GITHUB = """\
name: scenarios
on: [push, pull_request]
jobs:
  scenarios:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: make test-kamailio ARGS="--rating-junit=report.xml --rating-html=report.html --rating-evidence=evidence"
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: scenarios
          path: |
            report.html
            report.xml
            evidence/
"""


_EDITOR = {"yaml.schemas": {"scenario.schema.json": "scenarios/*.yaml"}}


def own_requirement(origin: str | None = None) -> str:
    """What pip installs to have this very package: a version, or where it was installed from, as from a checkout.

    :param origin: pip's direct_url.json (PEP 610); None: that of this installation.
    """
    if origin is None:
        try:
            origin = distribution("rating-harness").read_text("direct_url.json")
        except PackageNotFoundError:
            origin = None
    if not origin:
        return f"rating-harness=={__version__}"
    said = json.loads(origin)
    vcs = said.get("vcs_info")
    return "rating-harness @ " + (f"{vcs['vcs']}+{said['url']}@{vcs['commit_id']}" if vcs else said["url"])


def project_files(requirement: str, *, all_scenarios: bool = False) -> Mapping[str, str]:
    """Texts by path.

    :param requirement: what pip installs for this package.
    :param all_scenarios: this package's own scenarios too, below ``scenarios/rating``, and Kamailio's configuration.
    """
    calls = {
        "answered": CallTemplate("1000", "39040123456"),
        "busy": CallTemplate("1000", "39040123456", "busy"),
        "balance-runs-out": CallTemplate("1000", "39040123456", "cut", 3.0),
    }
    first = "# yaml-language-server: $schema=../scenario.schema.json\n"
    return {
        **{f"scenarios/{name}.yaml": first + call.text() for name, call in calls.items()},
        **(_own_scenarios() if all_scenarios else {}),
        "scenario.schema.json": json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n",
        "Makefile": _MAKEFILE,
        "README.md": _README,
        "requirements.txt": f"{requirement}\n",
        ".gitignore": ".venv/\n__pycache__/\nevidence/\nreport.*\n",
        ".gitlab-ci.yml": _GITLAB,
        ".github/workflows/scenarios.yml": _GITHUB,
        ".vscode/settings.json": json.dumps(_EDITOR, indent=2) + "\n",
    }


def _own_scenarios() -> dict[str, str]:
    """With the configuration, which one of them names beside their directory."""
    directories = {"rating": data_directory("scenarios"), "kamailio": data_directory("kamailio")}
    return {
        f"scenarios/{name}/{path.relative_to(directory).as_posix()}": path.read_text("utf-8")
        for name, directory in directories.items()
        for path in sorted(directory.rglob("*"))
        if path.suffix in (".yaml", ".xml", ".cfg")
    }


def write_project(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Write the files. Their paths.

    :raises UsageError: one is there already; then none is written.
    """
    paths = {directory / name: text for name, text in files.items()}
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise UsageError("there is something already", found=", ".join(there), hint="another DIR, an empty one")
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(paths)
