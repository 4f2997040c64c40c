"""Every fragment and every command of the documentation is right: a new one is tried without a word.

Fragments are loaded by whoever reads them. Commands are parsed by the command's own parser, and what they name is
there; those that need nothing but files are run. tests/lab/test_documentation.py runs those that make calls.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from rating_harness.cli.main import main
from rating_harness.kamailio_config.parser import parse
from rating_harness.lab import compose
from rating_harness.mutation.accepted import read_accepted
from rating_harness.rating import engine_file
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Scenario
from tests.builders import evidence_of, refused_call, scenario_of
from tests.documentation import (
    CHECKOUT,
    PAGES,
    PROGRAMS,
    SHELL,
    Command,
    Fragment,
    commands_of,
    fragments_of,
    words_of,
)
from tests.unit.scenario.mutants import prepare
from tests.unit.session.test_stored_runs import stored

pytest_plugins = ["pytester"]

FRAGMENTS = [fragment for page in PAGES for fragment in fragments_of(page)]
COMMANDS = [command for page in PAGES for command in commands_of(page)]

NOT_RUN: Mapping[str, str] = {
    "run": "makes calls: tests/lab/test_documentation.py runs it",
    "call": "makes a call: tests/lab/test_documentation.py runs it",
    "record": "makes calls: tests/lab/test_documentation.py runs it",
    "watch": "runs until it's ended: tests/unit/session has its loop",
    "up": "brings a lab up that stays: tests/lab/test_driver_contract.py, tests/unit/cli/test_lab.py",
    "down": "takes other people's lab down: tests/unit/cli/test_lab.py",
    "clean": "removes what others may need: tests/unit/cli/test_lab.py, tests/docker/test_cleanup.py",
    "status": "of a lab that is up: tests/unit/cli/test_lab.py",
    "logs": "of a lab that is up: tests/unit/cli/test_lab.py",
    "lab": "of a lab that is up: tests/unit/cli/test_lab.py, tests/lab/test_local_lab.py",
    "doctor": "tries the machine with a call: tests/lab/test_local_doctor.py",
    "prepare": "makes a root filesystem, which takes minutes",
    "engine": "runs until it's ended: tests/unit/rating/engine/test_server.py",
    "tap": "runs until it's ended: tests/unit/tap",
    "mutate": "runs scenarios for hours: tests/lab/test_mutation.py",
    "lost-ends": "reads a log: tests/unit/cli/test_lost_ends.py",
    "coverage": "needs what a run has left: tests/lab/test_coverage.py",
}
"""Commands of ``rating-harness`` that are parsed here, and why they aren't run."""

ELSEWHERE: Mapping[str, str] = {
    "kamailio -f kamailio.cfg": "each lab's Kamailio is started so",
    "kamailio -c": "the mutation's own check: tests/lab/test_mutation.py",
    "cd /usr/share/kamailio/db_sqlite": "names files of a Debian package",
    "cp -r kamailio my-kamailio": "tests/lab/test_documentation.py follows the page",
    "sed -i 's": "tests/lab/test_documentation.py follows the page",
    "python3 my-engine.py": "tests/lab/test_documentation.py follows the page",
    "URL=http": "tests/lab/test_documentation.py follows the page",
    "rating-harness run call.yaml": "tests/lab/test_documentation.py follows the page",
    "git clone": "downloads another project",
    "python3 -m venv tools": "tests/lab/installed_wheel.py makes such an environment",
    "tools/bin/pip wheel": "tests/lab/installed_wheel.py builds the wheel, by way of the source distribution",
    "cd my-repository": "a directory of the reader's",
    "../tools/bin/rating-harness init": "tests/lab/installed_wheel.py runs what it writes",
    "make -C calls": "tests/lab/installed_wheel.py",
    "git apply": "tests/lab/test_stock_configuration.py applies the patch",
    "podman system service": "needs Podman: docs/ci.md says what was run there",
    "docker compose up": "pulls images: tests/docker has the drivers' own way to the same file",
    "docker swarm": "changes the engine: tests/swarm/engines.py joins three in this way, by the SDK",
    "docker image ls": "needs the image of a generator: tests/swarm/engines.py has it made",
    "docker save": "copies an image to another machine: tests/swarm/engines.py does, without ssh",
    "apt-get source kamailio": "downloads Kamailio's sources",
    "towncrier build": "changes the checkout: tests/unit/test_contributing.py reads the fragments",
    "curl -s localhost:": "test_the_engines_requests_are_answered makes them",
    'eval "$(_RATING_HARNESS_COMPLETE=': "test_completion_in_the_shell",
    "autoload -Uz compinit": "needs zsh, whose own it is",
    "_RATING_HARNESS_COMPLETE=fish_source": "needs fish: tests/unit/cli/test_main.py",
}
"""How commands of other programs begin, and what runs them or why nothing does."""

SHOWN: Mapping[str, str] = {
    "FAILED  A prepaid call": "what a failure looks like",
    "scenarios/dialog/balance-runs-out.yaml:19:5": "a mistake: tests/unit/scenario/test_manual.py",
    "Lines no scenario executes": "a report of the coverage",
    "units = int(": "a formula: tests/unit/checks/test_rating_oracle.py",
    "SURVIVED faf4835fd5": "a report of a mutation",
    "file ─► Scenario": "a drawing",
    "5 rounds of 3 scenarios": "what a measurement printed",
}
"""How blocks without a language begin that are neither commands nor Kamailio's configuration, and what they are.
A new one is labelled ``text``."""

REFUSED = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: 403}}]\n'

OUTPUTS = {
    "report.html",
    "coverage",
    "engine.db",
    "scenarios/mine.yaml",
    "scenarios/first.yaml",
    "scenarios/file.yaml",
}
"""What commands write."""


# --- fragments ------------------------------------------------------------------------------------------------------


def test_there_are_pages_with_fragments_and_commands() -> None:
    assert {page.name for page in PAGES} >= {"README.md", "scenarios.md", "ci.md"}
    assert len(FRAGMENTS) > 50
    assert len(COMMANDS) > 60


AROUND = {
    "scenario": "scenario: An example of the manual\n",
    "given": """\
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: 100}]
  carriers:
    - {carrier_tag: first, host: first}
    - {carrier_tag: second, host: second}
    - {carrier_tag: third, host: third}
""",
    "calls": 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n',
}


def _is_scenario(keys: set[str]) -> bool:
    return keys <= set(Scenario.model_fields) | {field.alias or "" for field in Scenario.model_fields.values()}


def _as_scenario(text: str, directory: Path) -> None:
    missing = [part for key, part in AROUND.items() if not re.search(rf"^{key}:", text, re.MULTILINE)]
    path = prepare(directory)
    path.write_text(text if "scenario:" in text else "".join([*missing, text]), "utf-8")
    assert load(path)


@pytest.mark.parametrize("fragment", [each for each in FRAGMENTS if each.language in ("yaml", "yml")], ids=str)
def test_a_fragment_of_yaml_is_loaded_by_its_reader(fragment: Fragment, tmp_path: Path) -> None:
    content = yaml.safe_load(fragment.text)
    keys = set(content or {})
    if _is_scenario(keys):
        _as_scenario(fragment.text, tmp_path)
    elif keys <= {"equivalent", "costs"}:
        (tmp_path / "mutation.yaml").write_text(fragment.text, "utf-8")
        assert read_accepted(tmp_path / "mutation.yaml").costs
    elif keys <= set(engine_file.EngineFile.model_fields):
        (tmp_path / "engine.yaml").write_text(fragment.text, "utf-8")
        assert engine_file.load(tmp_path / "engine.yaml").name
    elif keys == {"services"}:
        (tmp_path / "services.yaml").write_text(fragment.text, "utf-8")
        assert compose.load(tmp_path / "services.yaml").services
    elif keys == {"setup", "workers", "check"} or keys <= {"setup", "workers", "check", "teardown"}:
        (tmp_path / "canyan.yaml").write_text(fragment.text, "utf-8")
        assert CliRunner().invoke(main, ["validate", str(tmp_path / "canyan.yaml")]).exit_code == 0
    else:
        # A pipeline: its commands are tried as any other.
        assert any("script" in job or "jobs" in keys for job in content.values() if isinstance(job, dict)), (
            f"{fragment}: whose YAML is this? Its reader has to be named in this test"
        )
        for text in _scripts(content):
            for line in text.splitlines():
                if line.split() and line.split()[0] in ("make", "rating-harness", "pytest"):
                    _try(Command(fragment.page, fragment.line, line))


def _scripts(content: Any) -> Iterator[str]:
    """The shell's lines of a pipeline, of GitLab's or GitHub's kind."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key in ("script", "run", "before_script", "after_script"):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from _scripts(value)
    elif isinstance(content, list):
        for each in content:
            yield from _scripts(each)


@pytest.mark.parametrize("fragment", [each for each in FRAGMENTS if each.language == "python"], ids=str)
def test_a_fragment_of_python_uses_what_there_is(fragment: Fragment) -> None:
    tree = ast.parse(fragment.text)
    compile(tree, str(fragment), "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert [each.name for each in node.names if not hasattr(module, each.name)] == []
        elif isinstance(node, ast.Import):
            for each in node.names:
                importlib.import_module(each.name)


@pytest.mark.parametrize(
    "fragment", [each for each in FRAGMENTS if each.language not in ("yaml", "yml", "python")], ids=str
)
def test_a_fragment_of_another_kind_is_known(fragment: Fragment) -> None:
    first = fragment.text.lstrip("$ ").partition("\n")[0]
    if fragment.language == "json":
        json.loads(fragment.text)
    elif fragment.language in {"console", "text", "mermaid", "diff", "xml", "ini", "toml", "sip", "css", *SHELL}:
        words = first.split()
        assert fragment.language not in ("text", "diff") or not words or words[0] not in PROGRAMS, (
            f"{fragment}: this is a command; label it console or sh"
        )
    elif fragment.language in ("kamailio", "cfg") or first.startswith(("event_route[", "route[", "modparam(")):
        parse("kamailio.cfg", lambda name, _: (name, fragment.text))
    else:
        is_command = (first.split() or [""])[0] in PROGRAMS
        assert is_command or any(first.startswith(each) for each in SHOWN), f"{fragment}: label it, with text for one"


def test_nothing_is_listed_that_is_gone() -> None:
    blocks = [fragment.text for fragment in FRAGMENTS]
    assert [each for each in SHOWN if not any(text.startswith(each) for text in blocks)] == []
    texts = [command.text for command in COMMANDS]
    assert [each for each in ELSEWHERE if not any(text.startswith(each) for text in texts)] == []
    assert [each for each in NOT_RUN if each not in main.commands] == []
    for reason in (*NOT_RUN.values(), *ELSEWHERE.values()):
        for path in re.findall(r"tests/[\w/]+(?:\.py)?", reason):
            assert (CHECKOUT / path).exists(), path


# --- commands -------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which the documentation's commands find what they name."""
    for name in ("kamailio", "docs", "benchmarks", "tests", "Makefile", "pyproject.toml"):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    for path in (CHECKOUT / "scenarios").iterdir():
        (scenarios / path.name).symlink_to(path)
    shutil.copy(CHECKOUT / "scenarios/dialog/balance-runs-out.yaml", scenarios)
    for name in ("suite/test_authorized.yaml", "file.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / "tests/canyan/answered.yaml", tmp_path / name)
        shutil.copy(CHECKOUT / "tests/canyan/answered.xml", (tmp_path / name).parent)
    (tmp_path / "conf").symlink_to(CHECKOUT / "kamailio")
    (tmp_path / "etc").symlink_to(CHECKOUT / "kamailio")
    (tmp_path / "mine").symlink_to(CHECKOUT / "scenarios")
    (tmp_path / "rating-integration").mkdir()
    (tmp_path / "engine.yaml").write_text(
        next(each.text for each in FRAGMENTS if "request_fields:" in each.text), "utf-8"
    )
    scenario = scenario_of(tmp_path / "judged.yaml", REFUSED)
    stored(tmp_path / "evidence" / "a-call", scenario, evidence_of(refused_call()))
    scenario_of(tmp_path / "judged.yaml", REFUSED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


PLACEHOLDERS: Mapping[str, str] = {
    "FILE": "judged.yaml",
    "FOLDER": "evidence/a-call",
    "EVIDENCE": "evidence/a-call",
    "DIR": "kamailio",
    "OTHER/kamailio": "kamailio",
    "DIR...": "evidence",
    "...": "http://127.0.0.1:8080",
    "HOST:PORT": "127.0.0.1:8000",
    "TARGET": "sbc:5060",
    "API": "http://api:8000",
    "SIPP": "/usr/bin/sipp",
    "SEED": "1",
    "X.Y.Z": "1.2.3",
}
"""What stands for a reader's own, and what it's tried with."""


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_is_understood(command: Command, project: Path, pytester: pytest.Pytester) -> None:
    os.chdir(project)  # pytester has a directory of its own
    _try(command, pytester)


def _try(command: Command, pytester: pytest.Pytester | None = None) -> None:
    if any(command.text.startswith(each) for each in ELSEWHERE):
        return
    # A synopsis has what may be left out in brackets.
    text = re.sub(r"\[(-[^\]]*)\]", r"\1", command.text) if "[-" in command.text else command.text
    words = [PLACEHOLDERS.get(word, word) for word in words_of(text)]
    for part in _pipeline(words):
        if part[0] not in _SILENT:
            program, arguments = part[0], [each for word in part[1:] for each in _files(word)]
            assert program in _PROGRAMS, f"{command}: nothing tries this program; name what does in ELSEWHERE"
            _PROGRAMS[program](command, arguments, pytester)


_SILENT = {"journalctl"}
"""Programs of the system that only make the input of the next one."""


def _pipeline(words: list[str]) -> Iterator[list[str]]:
    """The commands between pipes, without redirections."""
    part: list[str] = []
    for word, before in zip(words, ["", *words], strict=False):
        if word == "|":
            yield part
            part = []
        elif word not in (">", "<") and before not in (">", "<"):
            part.append(word)
    yield part


def _files(word: str) -> list[str]:
    """What a shell makes of a pattern of files."""
    return sorted(map(str, Path().glob(word))) if "*" in word and "/" in word else [word]


def _rating_harness(command: Command, words: list[str], _: pytest.Pytester | None) -> None:
    name, *arguments = words
    if name in ("--help", "--version"):
        assert CliRunner().invoke(main, words).exit_code == 0
        return
    assert name in main.commands, f"{command}: there is no such command"
    if not arguments and command.text.count(" ") == 1:
        return  # a command's name, in a sentence
    if name in NOT_RUN:
        context = _context(command, main.commands[name], arguments)
        _paths_are_there(command, context)
        return
    if name == "new" and "--from" not in arguments:
        arguments += ["--from", "1000", "--to", "39040123456"]  # asked for, on a terminal
    if name == "init":
        arguments = ["a-new-directory"]
    for path in OUTPUTS.intersection(arguments) if name in ("explain", "validate") else ():
        new = CliRunner().invoke(main, ["new", path, "--from", "1000", "--to", "39040123456"])
        assert new.exit_code == 0, new.output  # an earlier command of the page has written it
    result = CliRunner().invoke(main, [name, *arguments])
    assert result.exit_code == 0, f"{command}: {result.output}"


def _context(command: Command, entry: click.Command, arguments: list[str]) -> click.Context:
    """What the command's own parser makes of its arguments."""
    if isinstance(entry, click.Group):
        assert arguments[0] in entry.commands, f"{command}: there is no such command"
        entry, *arguments = entry.commands[arguments[0]], *arguments[1:]
    try:
        return entry.make_context(entry.name, list(arguments))
    except click.UsageError as error:
        raise AssertionError(f"{command}: {error.format_message()}") from None


def _paths_are_there(command: Command, context: click.Context) -> None:
    for parameter in context.command.params:
        values = context.params.get(parameter.name or "")
        for value in values if isinstance(values, tuple) else (values,):
            if isinstance(value, Path) and str(value) not in OUTPUTS and not value.is_absolute():
                assert value.exists(), f"{command}: there is no {value}; a file that it writes stands in OUTPUTS"


def _pytest(command: Command, words: list[str], pytester: pytest.Pytester | None) -> None:
    assert pytester is not None
    if "--help" in words:
        return
    Path("pytest.ini").write_text("[pytest]\n")
    config = pytester.parseconfig("-c", "pytest.ini", *words)
    for argument in config.args:
        path = Path(argument.partition("::")[0])
        assert path.exists(), f"{command}: there is no {path}"


def _make(command: Command, words: list[str], _: pytest.Pytester | None) -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    for word in words:
        name, separator, _value = word.partition("=")
        wanted = rf"\$[({{](?:or \$[({{])?{name}\b" if separator else rf"^{name}:"
        assert re.search(wanted, makefile, re.MULTILINE), f"{command}: the Makefile knows no {name}"


def _python(command: Command, words: list[str], _: pytest.Pytester | None) -> None:
    if words[0] == "-m":
        name, arguments = words[1], words[2:]
    else:
        name, arguments = words[0].removesuffix(".py").replace("/", "."), words[1:]
    if name == "rating_harness":
        return
    entry: click.Command = importlib.import_module(name).main
    _context(command, entry, arguments)


def _docker(command: Command, words: list[str], pytester: pytest.Pytester | None) -> None:
    """The image itself is built, and run, by tests/docker/runner_image.py; here, what is run in it."""
    if words[0] == "build":
        assert (CHECKOUT / words[words.index("-f") + 1]).is_file(), str(command)
        return
    assert words[0] == "run", f"{command}: what does this do?"
    image = words.index("rating-harness")
    entry = words[words.index("--entrypoint") + 1] if "--entrypoint" in words[:image] else "rating-harness"
    _PROGRAMS[entry](command, words[image + 1 :], pytester)


_PROGRAMS: Mapping[str, Callable[[Command, list[str], pytest.Pytester | None], None]] = {
    "rating-harness": _rating_harness,
    "pytest": _pytest,
    "make": _make,
    "python": _python,
    "docker": _docker,
}


@pytest.mark.parametrize(
    "text",
    [
        "rating-harness run scenarios --no-such-option",
        "rating-harness run scenarios/no-such-file.yaml",
        "rating-harness walk scenarios",
        "rating-harness validate no-such-directory",
        "pytest scenarios --rating-no-such-option",
        "pytest no-such-directory",
        "make no-such-target",
        "make test NO_SUCH_VARIABLE=1",
        "python -m benchmarks.soak --no-such-option",
        "nobody knows this program",
        "docker build -f no-such.Dockerfile .",
        "docker run --rm rating-harness run scenarios --no-such-option",
    ],
)
def test_a_wrong_command_is_noticed(text: str, project: Path, pytester: pytest.Pytester) -> None:
    os.chdir(project)
    with pytest.raises((AssertionError, pytest.UsageError)):
        _try(Command("page.md", 1, text), pytester)


@pytest.mark.parametrize(
    "text",
    [each.text for each in COMMANDS if each.text.startswith('eval "$(_RATING_HARNESS_COMPLETE=bash')],
)
def test_completion_in_the_shell(text: str) -> None:
    shell = shutil.which("bash")
    assert shell is not None
    script = f"{text}\ncomplete -p rating-harness"
    path = f"{CHECKOUT / '.venv' / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert "_rating_harness_completion rating-harness" in done.stdout, done.stderr


def test_the_patch_of_debians_configuration_is_cut_out_by_the_command_beside_it(project: Path) -> None:
    """The patch is applied, and what comes of it is run, by tests/lab/test_stock_configuration.py."""
    page = (CHECKOUT / "docs" / "integration.md").read_text()
    (command,) = re.findall(r"^~~~text\n(sed .*)\n~~~$", page, re.MULTILINE)
    (patch,) = re.findall(r"^```diff\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    subprocess.run(["sh", "-c", command], cwd=project, check=True, timeout=60)
    assert (project / "rating.patch").read_text() == patch
