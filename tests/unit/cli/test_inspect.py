"""``rating-harness inspect``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rating_harness.cli.main import main
from rating_harness.lab.files import data_directory

SCENARIOS = Path(__file__).parents[3] / "scenarios"

OWN = """#!KAMAILIO
listen=udp:0.0.0.0:5060
user="kamailio"
loadmodule "tm.so"
loadmodule "xhttp.so"
#!ifdef WITH_AGENT
#!define AGENT "http://agent.example:8000"
#!endif
request_route { exit; }
event_route[xhttp:request] { xhttp_reply("404", "Not Found", "", ""); }
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "kamailio.cfg").write_text(OWN)
    return tmp_path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, words)])


def test_the_projects_own_configuration_needs_no_change() -> None:
    result = run(data_directory("kamailio"))
    assert result.exit_code == 0, result.output
    assert "a lab changes:\n  nothing\n" in result.output
    assert "rating routes missing:\n  none\n" in result.output
    assert "http://rating-agent:8000" in result.output


def test_what_is_in_it_and_what_a_lab_changes(own: Path) -> None:
    result = run(own)
    assert result.exit_code == 0, result.output
    assert f"{own / 'kamailio.cfg'}:2: listen=udp:0.0.0.0:5060 is left out" in result.output
    assert "the module jsonrpcs is added" in result.output
    assert "event_route[xhttp:request]" in result.output
    assert "1 of 10 lines are left out" in result.output
    assert "no URL is in it" in result.output


def test_modules_that_a_lab_lacks_are_named_with_their_packages(own: Path) -> None:
    modules = ("db_mysql.so", "mi_fifo.so", "/opt/acme/modules/acme.so")
    (own / "kamailio.cfg").write_text(OWN + "".join(f'loadmodule "{each}"\n' for each in modules))
    result = run(own)
    assert result.exit_code == 0, result.output
    lines = result.output.partition("a lab lacks modules:\n")[2].splitlines()
    assert [line.strip().partition(": ")[0] for line in lines] == [
        f"{own / 'kamailio.cfg'}:{n}" for n in (11, 12, 13)
    ]
    assert "kamailio-mysql-modules" in lines[0]
    assert "have no mi_fifo" in lines[1]
    assert "no package of Debian has the module acme" in lines[2]
    assert [each.partition(": ")[2][:6] for each in json.loads(run(own, "--json").output)["lacking"]] == [
        "Debian",
        "Kamail",
        "no pac",
    ]


def test_an_empty_configuration_has_nothing(own: Path) -> None:
    (own / "kamailio.cfg").write_text("")
    assert "modules:\n  none\nroutes:\n  none\n" in run(own).output


def test_a_lab_has_the_other_modules(own: Path) -> None:
    assert "a lab lacks" not in run(own).output
    assert "a lab lacks" not in run(data_directory("kamailio")).output


@pytest.mark.parametrize("text", ["@@PRIVATE_IP@@", "{{ address }}", "${LISTEN_IP}", "%LISTEN_IP%", "<% address %>"])
def test_what_is_to_be_filled_in_is_named(own: Path, text: str) -> None:
    (own / "kamailio.cfg").write_text(f"#!KAMAILIO\nlisten=udp:{text}:5060\nrequest_route {{ exit; }}\n")
    result = run(own)
    assert result.exit_code == 2, result.output
    assert "kamailio.cfg:2:" in result.output
    assert f"is {text} there to be filled in?" in result.output


@pytest.mark.parametrize("text", ["", "# nothing\n", "route[RELAY] { exit; }\n"])
def test_a_file_without_routes_for_requests_is_the_wrong_one(own: Path, text: str) -> None:
    (own / "kamailio.cfg").write_text(text)
    result = run(own)
    assert result.exit_code == 2
    assert "it has no request_route, so that no request is answered" in result.output


def test_defines_decide(own: Path) -> None:
    assert "http://agent.example:8000" in run(own, "--define", "WITH_AGENT").output


def test_what_docker_can_t_ask(own: Path) -> None:
    result = run(own, "--lab", "docker")
    assert result.exit_code == 2
    assert "doesn't call jsonrpc_dispatch()" in result.output


def test_json_for_programs(own: Path) -> None:
    found = json.loads(run(own, "--json").output)
    assert found["listeners"] == ["listen=udp:0.0.0.0:5060"]
    assert list(found["modules"]) == ["tm", "xhttp"]
    assert len(found["changes"]) == 5


def test_one_that_can_t_be_parsed(own: Path) -> None:
    (own / "kamailio.cfg").write_text(OWN + "request_route { if ( }\n")
    result = run(own)
    assert result.exit_code == 2
    assert f"{own / 'kamailio.cfg'}:11:" in result.output


def test_which_scenarios_apply(own: Path) -> None:
    wanted = [str(SCENARIOS / name) for name in ("restart/limit.yaml", "agent/no-worker-waits.yaml", "routing")]
    options = [word for each in wanted for word in ("--scenarios", each)]
    shown = run(own, *options).output
    assert re.search(r"^scenarios: \d+ of \d+ apply$", shown, re.MULTILINE)
    assert "2 left out: sets WITH_DIALOG_DB: this configuration has no such define" in shown
    assert "(--fast-timers makes it 2000)" in shown
    left_out = json.loads(run(own, "--fast-timers", "--json", *options).output)["left_out"]
    assert left_out[str(SCENARIOS / "routing/rubbish-between.yaml")] is None
    assert left_out[str(SCENARIOS / "routing/dead-carrier.yaml[silent]")] is None
    assert left_out[wanted[1]].endswith("OPTIONS is answered with 200")


def test_all_of_them_apply_to_the_projects_own() -> None:
    options = ["--scenarios", str(SCENARIOS / "restart"), "--scenarios", str(SCENARIOS / "messages")]
    left_out = json.loads(run(data_directory("kamailio"), "--json", *options).output)["left_out"]
    assert set(left_out.values()) == {None}
