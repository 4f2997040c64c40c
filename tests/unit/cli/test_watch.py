"""``watch``: what runs after a change, and what is said of files that go."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import watchfiles
from click.testing import CliRunner, Result
from watchfiles import Change

from rating_harness.cli.main import main
from rating_harness.session.session import Session
from tests.unit.test_exit_status import SCENARIO
from tests.unit.test_exit_status import run as run_without_lab

Step = Callable[[Path], None]


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs ``watch`` on ``paths`` of a directory with a.yaml, b.yaml and _shared.yaml, while the steps are done."""
    monkeypatch.setattr(Session, "run", run_without_lab)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "_shared.yaml").write_text("variables: {who: ana}\n")
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(SCENARIO.format(tag="passes") + "use: [_shared.yaml]\n")

    def run(*paths: str, steps: list[Step]) -> Result:
        def changes(*_: Path, raise_interrupt: bool) -> Iterator[set[tuple[Change, str]]]:
            for step in steps:
                before = contents(folder)
                step(folder)
                after = contents(folder)
                gone = {(Change.deleted, str(path)) for path in before.keys() - after.keys()}
                yield gone | {(Change.modified, str(path)) for path in after if before.get(path) != after[path]}
            raise KeyboardInterrupt

        monkeypatch.setattr(watchfiles, "watch", changes)
        return CliRunner().invoke(main, ["watch", *paths])

    return run


def contents(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(name: str, text: str | None = None) -> Step:
    """Write the text, or the file once more with a comment at its end."""

    def step(folder: Path) -> None:
        path = folder / name
        path.write_text(text if text is not None else f"{path.read_text()}# again\n")

    return step


def remove(name: str) -> Step:
    return lambda folder: (folder / name).unlink()


def test_what_is_saved_runs_and_what_is_shared_runs_all(watch: Callable[..., Result]) -> None:
    result = watch("mine", steps=[write("a.yaml"), write("_shared.yaml")])
    assert result.exit_code == 130, result.output
    assert result.output.count("PASSED") == 3
    assert "1 passed" in result.output
    assert "2 passed" in result.output


@pytest.mark.parametrize("paths", [["mine"], ["mine/a.yaml"], ["mine/a.yaml", "mine/b.yaml"]])
def test_a_file_that_is_removed_may_come_back(watch: Callable[..., Result], paths: list[str]) -> None:
    text = SCENARIO.format(tag="passes")
    result = watch(*paths, steps=[remove("a.yaml"), write("a.yaml", text), write("a.yaml", "")])
    assert result.exit_code == 130, result.output
    said = [
        line for line in result.output.splitlines() if line.startswith(("a.yaml is gone", "PASSED", "mine/a.yaml:"))
    ]
    assert said == ["a.yaml is gone", said[1], "mine/a.yaml:1:1: the file is empty"]
    assert said[1].startswith("PASSED")


def test_a_shared_file_that_is_spoilt_or_gone_is_said(watch: Callable[..., Result]) -> None:
    steps = [write("_shared.yaml", "variables: ["), remove("_shared.yaml"), write("_shared.yaml", "variables: {}\n")]
    result = watch("mine", steps=steps)
    assert result.exit_code == 130, result.output
    assert result.output.count("mine/_shared.yaml:1:12: ") == 1
    assert "_shared.yaml is gone" in result.output
    assert result.output.count("no file '_shared.yaml' beside this one") == 2
    assert result.output.count("PASSED") == 2


def test_a_directory_that_is_gone_ends_it(watch: Callable[..., Result]) -> None:
    result = watch("mine", steps=[lambda folder: shutil.rmtree(folder)])
    assert result.exit_code == 2
    assert "mine: the directory that is watched is gone" in result.output


def test_a_configuration_of_ones_own_runs_all_without_one_in_a_new_lab(
    watch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    renewed: list[Session] = []
    monkeypatch.setattr(Session, "renew", lambda session: renewed.append(session))
    own = tmp_path / "mine" / "kamailio"
    own.mkdir()
    (own / "kamailio.cfg").write_text("request_route { }\n")
    steps = [write("kamailio/kamailio.cfg"), write("a.yaml")]
    result = watch("mine", "--kamailio-config", "mine/kamailio", steps=steps)
    assert result.exit_code == 130, result.output
    assert "2 passed" in result.output
    assert result.output.count("PASSED") == 3
    assert len(renewed) == 1
