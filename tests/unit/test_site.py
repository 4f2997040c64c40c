"""The documentation's site: its pages are made of what the repository has, and nothing in them leads nowhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from documentation.pages import CHECKOUT, CONFIGURATION, BrokenLink, pages_in, site_files
from rating_harness import api
from rating_harness.cli.main import COMMANDS
from rating_harness.run.lab_options import LAB_OPTIONS


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    return site_files()


def test_each_page_is_within_reach_once(files: Mapping[str, bytes]) -> None:
    nav = pages_in(tomllib.loads(CONFIGURATION.read_text("utf-8"))["project"]["nav"])
    further = files["index.md"].decode().partition("## Further pages")[2]
    reached = [*nav, *re.findall(r"\]\((\S+\.md)\)", further)]
    assert sorted(reached) == sorted(name for name in files if "/" not in name and name.endswith(".md"))


def test_the_cookbook_has_the_very_files(files: Mapping[str, bytes]) -> None:
    recipes = re.findall(r'```yaml title="scenarios/(\S+)"\n(.*?)\n```', files["cookbook.md"].decode(), re.DOTALL)
    source = (CHECKOUT / "docs" / "cookbook.md").read_text("utf-8")
    assert len(recipes) == source.count("<!-- scenario:") > 30
    for name, text in recipes:
        assert text == (CHECKOUT / "scenarios" / name).read_text("utf-8").rstrip()


def test_each_recipe_of_the_cookbooks_own_is_in_it() -> None:
    source = (CHECKOUT / "docs" / "cookbook.md").read_text("utf-8")
    own = [path.name for path in (CHECKOUT / "scenarios" / "cookbook").glob("[!_]*.yaml")]
    assert own
    assert [name for name in own if f"<!-- scenario: cookbook/{name} -->" not in source] == []


def test_the_reference_has_all_that_there_is(files: Mapping[str, bytes]) -> None:
    for name in (each for names in COMMANDS.values() for each in names):
        assert f"### {name}\n" in files["command.md"].decode()
    for option in LAB_OPTIONS:
        assert f"--rating-{option}" in files["plugin.md"].decode()
    assert "rating_scenario_paths" in files["plugin.md"].decode()
    for name in api.__all__:
        assert f"## {name}\n" in files["api.md"].decode()


@pytest.mark.parametrize(
    "text",
    ["[nowhere](nowhere.md)", "<!-- scenario: nowhere.yaml -->\n[x](../scenarios/nowhere.yaml)"],
    ids=["link", "recipe"],
)
def test_what_leads_nowhere_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "docs").mkdir()
    for page in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        (tmp_path / page).write_text("# A page\n", "utf-8")
    (tmp_path / "docs" / "page.md").write_text(f"# A page\n\n{text}\n", "utf-8")
    with pytest.raises(BrokenLink, match="nowhere"):
        site_files(tmp_path)


def build(directory: Path, files: Mapping[str, bytes]) -> subprocess.CompletedProcess[str]:
    for name, content in files.items():
        path = directory / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    shutil.copy(CONFIGURATION, directory / "zensical.toml")
    zensical = Path(sys.executable).with_name("zensical")
    return subprocess.run(
        [zensical, "build", "--strict", "--clean", "-f", directory / "zensical.toml"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_site_is_built_without_a_warning(files: Mapping[str, bytes], tmp_path: Path) -> None:
    built = build(tmp_path, files)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {path.name for path in (tmp_path / "site").glob("*.html")}
    assert {"index.html", "tutorial.html", "cookbook.html", "command.html", "scenarios.html"} <= pages
    page = (tmp_path / "site" / "cookbook.html").read_text("utf-8")
    assert "scenarios/cookbook/company.yaml" in page
    # A page is read without asking anybody else.
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"https?://(?!rating)[^\"]*", page) == []


def test_an_anchor_that_leads_nowhere_fails_the_build(files: Mapping[str, bytes], tmp_path: Path) -> None:
    built = build(tmp_path, {**files, "tutorial.md": b"# Tutorial\n\n[x](scenarios.md#nowhere-at-all)\n"})
    assert built.returncode != 0
