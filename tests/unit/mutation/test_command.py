"""The command ``rating-harness mutate``, as far as it runs nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rating_harness.cli.main import main

SCENARIO = """
scenario: A call
given: {carriers: [{carrier_tag: carrier, host: carrier}]}
calls: [{id: ana, from: "1000", to: "39040123456"}]
"""
CONFIGURATION = """
loadmodule "jsonrpcs.so"
request_route {
	if (is_method("INVITE")) exit;
	route(OTHER);
}
route[OTHER] { $var(a) = 3; }
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "call.yaml").write_text(SCENARIO)
    (tmp_path / "kamailio").mkdir()
    (tmp_path / "kamailio" / "kamailio.cfg").write_text(CONFIGURATION)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "versions.json").write_text(json.dumps({"local default": "6.0.1"}))
    return tmp_path


def mutate(here: Path, *arguments: str) -> Result:
    own = ["--kamailio-config", str(here / "kamailio"), "--store", str(here / "store"), "--lab", "local"]
    return CliRunner().invoke(main, ["mutate", str(here / "call.yaml"), *own, *arguments])


def test_a_list_of_all_of_them(here: Path) -> None:
    result = mutate(here, "--list")
    assert result.exit_code == 0, result.output
    assert "request_route  kamailio.cfg:4" in result.output
    assert '    +\tif (!(is_method("INVITE"))) exit;' in result.output
    assert "route[OTHER]  kamailio.cfg:7" in result.output


def test_some_of_them(here: Path) -> None:
    assert "1 mutants" in mutate(here, "--list", "--op", "always").output
    assert "request_route" not in mutate(here, "--list", "--route", "OTHER").output
    assert "1 mutants" in mutate(here, "--list", "--sample", "1").output
    assert mutate(here, "--list", "--sample", "3", "--seed", "4").output == (
        mutate(here, "--list", "--sample", "3", "--seed", "4").output
    )
    assert "answer-missing" in mutate(here, "--list", "--answers").output
    first = mutate(here, "--list").output.split()[0]
    assert "1 mutants" in mutate(here, "--list", "--id", first).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--op", "nothing"), "there is no operator 'nothing'"),
        (("--id", "0123456789"), "there is no mutant 0123456789"),
        (("--budget", "soon"), "--budget 'soon' is no duration"),
        (("--since", "no-such-revision"), "git can't say what has changed"),
    ],
)
def test_what_makes_no_sense(here: Path, arguments: tuple[str, ...], said: str) -> None:
    result = mutate(here, "--list", *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_a_configuration_that_cannot_be_parsed(here: Path) -> None:
    (here / "kamailio" / "kamailio.cfg").write_text("request_route {\n\ta()\n}\n")
    result = mutate(here, "--list")
    assert result.exit_code != 0
    assert "kamailio.cfg:3:1: syntax error" in result.output
