"""What authors get to read: each broken file beside the exact text that it gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.errors import ScenarioError
from rating_harness.scenario import introspection
from rating_harness.scenario.fields import Model
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


def _models(model: type[Model] = Model) -> Iterator[type[Model]]:
    for each in model.__subclasses__():
        yield each
        yield from _models(each)


def test_a_word_that_means_a_key_is_none_itself_and_names_one_that_there_is() -> None:
    models = list(_models())
    keys = {key for model in models for key in introspection.fields(model)}
    assert sum(len(model.meanings) for model in models) > 100
    for model in models:
        words = [word for words, _ in model.meanings for word in words.split()]
        assert not set(words) & set(introspection.fields(model)), model
        twice = [word for word, times in Counter(words).items() if times > 1]
        assert not twice, (model, twice)
        for _, meaning in model.meanings:
            named = re.findall(r"(?<![a-z])'([a-z_0-9]+)", meaning)
            assert set(named) <= keys, (model, meaning)
