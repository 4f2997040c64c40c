"""The files of a new project of scenarios: `rating-harness init`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from rating_harness import __version__
from rating_harness.errors import UsageError
from rating_harness.lab.files import data_directory
from rating_harness.scenario.schema import scenario_schema
from rating_harness.session.call_template import CallTemplate

__all__ = ["own_requirement", "place_in_repository", "project_files", "requirement_from", "write_project"]

_MAKEFILE = """\
# `make test-kamailio` runs the scenarios; the first time it makes .venv and gets Kamailio and SIPp.
PYTHON ?= python3
# docker, local, or auto: Docker where an engine answers.
LAB ?= auto
# Where Kamailio and SIPp come from: trixie, sid, a root filesystem's directory, an image.
KAMAILIO ?=
# The directory of your own kamailio.cfg; without it the package's own is tested.
CONFIG ?= $(patsubst %/kamailio.cfg,%,$(firstword $(wildcard {configurations})))
# How many scenarios run side by side, each in a lab of its own.
WORKERS ?= 2
# Further options for pytest: make test-kamailio ARGS="-m answered"
ARGS ?=
BIN := .venv/bin

.PHONY: test-kamailio
test-kamailio: .venv/.ready
	$(BIN)/rating-harness prepare --lab $(LAB) $(if $(KAMAILIO),--kamailio $(KAMAILIO))
	$(BIN)/python -m pytest scenarios -n $(WORKERS) --rating-lab $(LAB) \\
		$(if $(KAMAILIO),--rating-kamailio $(KAMAILIO)) $(if $(CONFIG),--rating-kamailio-config $(CONFIG)) $(ARGS)

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
* Your own Kamailio: `make test-kamailio CONFIG=DIR`, where `DIR` holds your `kamailio.cfg`; one in `kamailio/` is
  found.
* `rating-harness init --all-scenarios` writes all scenarios of the package, too: what they prove with a configuration
  of yours is the rating contract, and what doesn't apply to it is skipped with the reason.
* Your own engine: `ARGS="--rating-agent-url URL --rating-api-url URL"`.
* The manual (`docs/integration.md` and others) and `kamailio/rating.cfg` are in the package, below
  `.venv/lib/python3*/site-packages/rating_harness/_data`.
"""

_REPORTS = "--rating-junit=report.xml --rating-html=report.html --rating-evidence=evidence"

_GITLAB = """\
scenarios:
  image: debian:trixie
  parallel: 2
  variables:
    PIP_CACHE_DIR: $CI_PROJECT_DIR/.cache/pip
  before_script:
    - apt-get update && apt-get install -y --no-install-recommends python3-venv make git ca-certificates mmdebstrap
    - mkdir -p .cache && ln -sfn "$PWD/.cache" /var/cache/rating-harness
  script:
    - >-
      make {enter}test-kamailio LAB=local ARGS="--rating-shard=$CI_NODE_INDEX/$CI_NODE_TOTAL
      {reports}"
  artifacts:
    when: always
    paths: [{below}report.html, {below}evidence/]
    reports: {{junit: {below}report.xml}}
  cache:
    key: {{files: [{below}requirements.txt]}}
    paths: [.cache/*.tar, .cache/pip]
    when: always
"""

_GITHUB = """\
name: scenarios
on: [push, pull_request]
jobs:
  scenarios:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        shard: [1, 2]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{python-version: "3.12"}}
      - uses: actions/cache@v4
        with:
          path: |
            ~/.cache/rating-harness/*.tar
            ~/.cache/pip
          key: rating-harness-${{{{ hashFiles('{below}requirements.txt') }}}}
      - run: sudo apt-get update && sudo apt-get install -y --no-install-recommends mmdebstrap uidmap
      # Where AppArmor refuses namespaces, scenarios that need IPv6 or unplug a host would be skipped.
      - run: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 || true
      - run: >-
          make {enter}test-kamailio LAB=local
          ARGS="--rating-shard=${{{{ matrix.shard }}}}/${{{{ strategy.job-total }}}}
          {reports}"
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: scenarios-${{{{ matrix.shard }}}}
          path: |
            {below}report.html
            {below}report.xml
            {below}evidence/
"""


_WHEEL = "`pip wheel --no-deps -w DIR CHECKOUT` makes one"
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


def project_files(requirement: str, *, below: str = "", all_scenarios: bool = False) -> Mapping[str, str]:
    """Texts by path.

    :param requirement: what pip installs for this package.
    :param below: where the project is in its repository, as in ``tests/calls``; empty where it's all of it. GitHub
        reads the pipeline at the repository's root alone.
    :param all_scenarios: this package's own scenarios too, below ``scenarios/rating``, and Kamailio's configuration.
    """
    root = "../" * len(PurePosixPath(below).parts)
    inserted = {"below": f"{below}/" if below else "", "enter": f"-C {below} " if below else "", "reports": _REPORTS}
    configurations = ("kamailio/kamailio.cfg", f"{root}kamailio/kamailio.cfg")
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
        "Makefile": _MAKEFILE.replace("{configurations}", " ".join(dict.fromkeys(configurations))),
        "README.md": _README,
        "requirements.txt": f"{requirement}\n",
        ".gitignore": ".cache/\n.venv/\n__pycache__/\nevidence/\nreport.*\n",
        ".gitlab-ci.yml": _GITLAB.format_map(inserted),
        f"{root}.github/workflows/scenarios.yml": _GITHUB.format_map(inserted),
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


def requirement_from(requirement: str, directory: Path) -> str:
    """What the user gave, as a requirements.txt in ``directory`` has to say it: pip runs there.

    :raises UsageError: it's a file that isn't there.
    """
    path = Path(requirement)
    if path.suffix != ".whl" or re.match(r"[\w+]+://|.* @ ", requirement):
        return requirement
    if not path.is_file():
        raise UsageError("there is no such wheel", found=requirement, hint=_WHEEL)
    return requirement if path.is_absolute() else os.path.relpath(path, directory)


def place_in_repository(directory: Path) -> str:
    """Where a directory is below the root of its Git repository; empty for the root itself, and where there is none.

    A name that a pipeline's shell and YAML would read otherwise is no place either.
    """
    directory = directory.resolve()
    roots = (each for each in (directory, *directory.parents) if (each / ".git").exists())
    place = next((directory.relative_to(each).as_posix() for each in roots), ".")
    return place if place != "." and re.fullmatch(r"[\w./-]+", place) else ""


def write_project(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Write the files. Their paths.

    :raises UsageError: one is there already; then none is written.
    """
    paths = {Path(os.path.normpath(directory / name)): text for name, text in files.items()}
    there = [str(path) for path in paths if path.exists()]
    if there:
        hint = "another DIR, an empty one; in a repository of yours, a directory in it"
        raise UsageError("there is something already", found=", ".join(there), hint=hint)
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(paths)
