"""What authors get to read: each broken file beside the exact text that it gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rating_harness.errors import ScenarioError
from rating_harness.scenario.loader import load

BROKEN = Path(__file__).parent / "broken"
FILES = sorted(path.name for path in BROKEN.glob("[!_]*.yaml"))


def test_there_are_many_broken_files() -> None:
    assert len(FILES) >= 100
    assert {Path(name).stem for name in FILES} == {path.stem for path in BROKEN.glob("*.txt")}


@pytest.mark.parametrize("name", FILES)
def test_mistakes_are_told_as_expected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    with pytest.raises(ScenarioError) as caught:
        load(Path(name))
    expected = (BROKEN / name).with_suffix(".txt").read_text("utf-8")
    assert f"{caught.value}\n" == expected


@pytest.mark.parametrize("name", FILES)
def test_mistakes_have_a_place_an_excerpt_and_a_way_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    with pytest.raises(ScenarioError) as caught:
        load(Path(name))
    for mistake in caught.value.mistakes:
        assert mistake.hint
        assert mistake.message
        assert (BROKEN / mistake.where.path).exists()
        assert not re.search(r"pydantic|Value error|Input should|tuple|dict\b|\bNone\b", str(mistake))
        if mistake.excerpt:
            line, carets = mistake.excerpt.splitlines()
            assert line.startswith(f"{mistake.where.line} |")
            assert re.fullmatch(r" *\| *\^+", carets)


def test_the_example_of_the_design_reads_as_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    good = (Path(__file__).parent / "good" / "balance-runs-out.yaml").read_text("utf-8")
    Path("balance-runs-out.yaml").write_text(good.replace("hangup: never", "hangups: never"), "utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(Path("balance-runs-out.yaml"))
    assert str(caught.value) == (
        "balance-runs-out.yaml:19:5: unknown key 'hangups' in calls[0]\n"
        "   19 |     hangups: never\n"
        "      |     ^^^^^^^\n"
        "   did you mean 'hangup'? It takes: caller, callee, never."
    )
