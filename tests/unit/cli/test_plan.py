"""``rating-harness plan``: what would be done, without doing it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from rating_harness.cli.plan import plan
from tests.builders import scenario_of

_REST = """\
kamailio: {defines: {RATING_HTTP_TIMEOUT: 500}}
calls:
  - {id: ana, from: "1000", to: "39040123456", repeat: 12, rate: 5, hold: {min: 1s, max: 9s}}
  - {id: bob, from: "1000", to: "39040123456", start: 1s after ana is answered}
faults:
  - {on: agent, path: begin, status: 500, nth: 2, times: 3}
  - {on: kamailio, kill: 2s, when: ana is answered}
"""


def _printed(tmp_path: Path, *options: str, rest: str = _REST) -> Result:
    file = tmp_path / "scenario.yaml"
    scenario_of(file, rest)
    return CliRunner().invoke(plan, [str(file), *options])


def test_everything_decided_is_printed(tmp_path: Path) -> None:
    result = _printed(tmp_path, "--seed", "7")
    assert result.exit_code == 0
    for text in (
        "seed 7",
        "ana: 198.18.0.10 to 198.18.0.11:5060 udp, at once, 12 calls at 5 a second",
        "INVITE by 1000 to 39040123456",
        "Call-ID token-ana-1@sip.test, token-ana-2@sip.test, ... token-ana-12@sip.test",
        "bob: 198.18.0.12 to 198.18.0.11:5060 udp, when 1s after ana is answered",
        "carrier: 198.18.0.13:5060 udp",
        "agent: answer to begin_transaction, from the 2. on, 3 times",
        "kamailio: kill for 2s, when ana is answered",
        "-A RATING_HTTP_TIMEOUT=500",
        'upsertCarrier(tenant: "default", active: true, carrier_tag: "carrier"',
    ):
        assert text in result.output
    assert "<scenario" not in result.output


def test_memory_and_the_rates_of_steps_are_printed(tmp_path: Path) -> None:
    rest = (
        "kamailio: {memory: 1g, package_memory: 32m}\n"
        'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
        "load: {steps: [{rate: 10, duration: 2s, ramp: 1s}, {rate: 0, duration: 500ms}, {rate: 20, duration: 1s}]}\n"
    )
    output = _printed(tmp_path, rest=rest).output
    assert "\n    -m 1024\n    -M 32\n" in output
    assert "at once, 35 calls at 5.5 from 0s, 10.5 from 1s, 0 from 2s, 20.5 from 2.5s a second" in output


def test_the_same_seed_prints_the_same(tmp_path: Path) -> None:
    assert _printed(tmp_path, "--seed", "7").output == _printed(tmp_path, "--seed", "7").output
    assert _printed(tmp_path, "--seed", "7").output != _printed(tmp_path, "--seed", "8").output


def test_sipp_scenarios_are_printed_where_wanted(tmp_path: Path) -> None:
    output = _printed(tmp_path, "--sipp").output
    assert "uac-caller-ana.xml\n<?xml" in output
    assert "carrier.json\n{" in output


def test_planning_nothing_is_no_success(tmp_path: Path) -> None:
    result = CliRunner().invoke(plan, [str(tmp_path)])
    assert (result.exit_code, result.output) == (2, f"{tmp_path}: there is no scenario\n")


def test_what_cant_be_done_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    calls = 'calls: [{id: ana, from: "1000", to: "39"}]\nload: {rate: 5, duration: 2s, ramp: 3s}\n'
    file.write_text(f"scenario: A load\n{calls}", encoding="utf-8")
    result = CliRunner().invoke(plan, [str(file)])
    assert result.exit_code == 2
    assert "scenario.yaml:3:" in result.output
    assert "Traceback" not in result.output
