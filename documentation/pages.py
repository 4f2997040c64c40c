"""The site's pages from the repository's files: what stands there, the scenarios that they name, and the reference.

A page links to others, and to files, as it does in the repository; a link that leads nowhere is an error.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import click

from rating_harness import api
from rating_harness.cli.main import COMMANDS, main

__all__ = ["CHECKOUT", "CONFIGURATION", "BrokenLink", "pages_in", "site_files"]

CHECKOUT = Path(__file__).parents[1]
CONFIGURATION = Path(__file__).with_name("zensical.toml")

_PAGES: Mapping[str, str] = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages outside of docs/, and their names in the site."""

_LINK = re.compile(r"(?<!!)(\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)")
_RECIPE = re.compile(r"^<!-- scenario: (?P<name>\S+) -->\n\[[^\]]*\]\([^)]*\)$", re.MULTILINE)
_FENCE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)\s*?$", re.MULTILINE | re.DOTALL)


class BrokenLink(Exception):
    """A link of a page that leads to no file."""


def site_files(checkout: Path = CHECKOUT) -> dict[str, bytes]:
    """All files of the site, by their paths in it: pages in Markdown, and the files that they link to.

    :raises BrokenLink: a page links to what isn't there.
    """
    sources = {**_PAGES, **{f"docs/{path.name}": path.name for path in (checkout / "docs").glob("*.md")}}
    files: dict[str, bytes] = {}
    for source, name in sources.items():
        text = _with_recipes((checkout / source).read_text("utf-8"), checkout)
        files[name] = _with_links(text, source, sources, files, checkout).encode()
    for name, text in (("command.md", _command()), ("plugin.md", _plugin()), ("api.md", _api())):
        files[name] = text.encode()
    files["index.md"] += _further(files).encode()
    return files


def pages_in(nav: Any) -> list[str]:
    """The pages that a navigation names, in its order."""
    if isinstance(nav, str):
        return [nav]
    values = nav.values() if isinstance(nav, dict) else nav
    return [page for value in values for page in pages_in(value)]


def _further(files: Mapping[str, bytes]) -> str:
    """Links to the pages that the navigation doesn't name, so that none is out of reach."""
    named = pages_in(tomllib.loads(CONFIGURATION.read_text("utf-8"))["project"]["nav"])
    pages = {name: text for name, text in files.items() if name.endswith(".md") and "/" not in name}
    links = [
        f"* [{text.decode().partition(chr(10))[0].lstrip('# ')}]({name})"
        for name, text in sorted(pages.items())
        if name not in named
    ]
    return "\n".join(["", "## Further pages", "", *links, ""]) if links else ""


# --- what stands in the repository ----------------------------------------------------------------------------------


def _with_recipes(text: str, checkout: Path) -> str:
    """Each file that a recipe names stands in the page itself."""

    def shown(match: re.Match[str]) -> str:
        path = checkout / "scenarios" / match["name"]
        if not path.is_file():
            raise BrokenLink(f"a recipe names scenarios/{match['name']}, which isn't there")
        return f'```yaml title="scenarios/{match["name"]}"\n{path.read_text("utf-8").rstrip()}\n```'

    return _RECIPE.sub(shown, text)


def _with_links(text: str, source: str, sources: Mapping[str, str], files: dict[str, bytes], checkout: Path) -> str:
    """Links as they lead in the site; files that are no pages are added to ``files``."""

    def link(match: re.Match[str]) -> str:
        label, target = match[1], match[2]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, mark, anchor = target.partition("#")
        found = os.path.normpath(PurePosixPath(source).parent / path)
        if found in sources:
            return f"{label}({sources[found]}{mark}{anchor})"
        if (checkout / found).is_file():
            files[f"files/{found}"] = (checkout / found).read_bytes()
            return f"{label}(files/{found})"
        if (checkout / found).is_dir():
            return f"{label[1:-1]} (`{found}/`)"
        raise BrokenLink(f"{source}: [{target}] leads nowhere")

    # What stands in a block of code is no link.
    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(link, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(link, text[end:])])


# --- the reference --------------------------------------------------------------------------------------------------


def _command() -> str:
    """Every command's help, as the command prints it."""
    lines = ["# The command", "", "```text", _help(main, "rating-harness"), "```"]
    for title, names in COMMANDS.items():
        lines += ["", f"## {title}"]
        for command in map(main.commands.__getitem__, names):
            name = f"rating-harness {command.name}"
            lines += ["", f"### {command.name}", "", "```text", _help(command, name), "```"]
            for inner, entry in sorted(command.commands.items()) if isinstance(command, click.Group) else ():
                if inner not in main.commands:
                    heading = f"{command.name} {inner}"
                    lines += ["", f"### {heading}", "", "```text", _help(entry, f"rating-harness {heading}"), "```"]
    lines += ["", "What it exits with is in [Pipelines](ci.md#exit-status)."]
    return "\n".join(lines) + "\n"


def _help(command: click.Command, name: str) -> str:
    return command.get_help(click.Context(command, info_name=name, terminal_width=100, max_content_width=100))


def _plugin() -> str:
    """The options that the plugin adds to pytest."""
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "--help", "-p", "no:cacheprovider"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100", "PYTEST_ADDOPTS": ""},
    ).stdout
    group = re.search(r"^scenarios for Kamailio.*?(?=^\S)", shown, re.MULTILINE | re.DOTALL)
    ini = re.search(r"^  rating_scenario_paths.*?(?=^  \S)", shown, re.MULTILINE | re.DOTALL)
    if group is None or ini is None:
        raise RuntimeError("pytest's help doesn't have the plugin's options")
    text = f"{group[0].rstrip()}\n\nini option:\n{ini[0].rstrip()}"
    return f"# The pytest plugin\n\n```text\n{text}\n```\n\nIts fixtures are in [From Python](python.md#fixtures).\n"


def _api() -> str:
    """What `rating_harness.api` has, with signatures and docstrings."""
    lines = ["# The Python API", "", "`from rating_harness.api import ...`; [From Python](python.md) shows its use."]
    for name in sorted(api.__all__, key=str.lower):
        value = getattr(api, name)
        lines += ["", f"## {name}", "", "```text", f"{name}{_signature(value)}", "```"]
        documented = inspect.getdoc(value)
        lines += ["", "```text", documented, "```"] if documented else []
        lines += _members(value)
    return "\n".join(lines) + "\n"


def _signature(value: object) -> str:
    if not callable(value):
        return ""
    try:
        return str(inspect.signature(value))
    except ValueError:
        return ""


def _members(value: object) -> Iterator[str]:
    if not inspect.isclass(value) or issubclass(value, Exception):
        return
    for name, member in vars(value).items():
        documented = inspect.getdoc(member) if isinstance(member, property) or inspect.isfunction(member) else None
        if documented and not name.startswith("_"):
            yield f"\n* `{name}`: {' '.join(documented.split())}"
