"""Which scenarios are left out with a configuration of one's own, and the reason that each is told with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import ConfigurationError, LabError, UsageError
from rating_harness.kamailio.rpc import RpcError
from rating_harness.lab.external import WHY
from rating_harness.lab.protocol import Capabilities
from rating_harness.run.options import Options
from rating_harness.run.stack import Stack
from rating_harness.scenario.model import Scenario
from rating_harness.session.dialects import load
from tests.unit.plan.test_planner import planned
from tests.unit.run.fake_lab import FakeLab, fake_stack

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
CANYAN = Path(__file__).parents[2] / "canyan" / "answered.yaml"
POLICY = "requires: {policy: scanners are refused}\n"
OWN = """#!trydef RATING_END_PATIENCE 300
loadmodule "tm.so"
loadmodule "dialog.so"
loadmodule "jsonrpcs.so"
modparam("htable", "htable", "trunk=>size=8;")
request_route { exit; }
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    directory = tmp_path / "theirs"
    directory.mkdir()
    (directory / "kamailio.cfg").write_text(OWN)
    return directory


def scenario(directory: Path, text: str) -> Scenario:
    return planned(directory, CALL + text).scenario


def stack_with(options: Options, tmp_path: Path) -> Stack:
    stack = fake_stack(FakeLab(), options)
    stack.prepare(planned(tmp_path, CALL + "kamailio: {defines: {LOG_LEVEL: 1}}\n"))
    return stack


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({"package": ["--option"]}, "is no name of a package"),
        ({"package": ["kamailio mysql"]}, "is no name of a package"),
        ({"package": ["kamailio-lua-modules"], "kamailio": "an/image:1"}, "where the harness itself makes"),
        ({"package": ["kamailio-lua-modules"], "target": "127.0.0.1:5060"}, "a Kamailio that runs already"),
    ],
)
def test_packages_are_installed_only_where_the_harness_can(others: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Options.of(defines=(), seed=1, **others)
    assert Options.of(defines=(), seed=1, package=["kamailio-lua-modules"]).packages == ("kamailio-lua-modules",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", None),
        (POLICY, "--profile contract: a policy of the project's own kamailio.cfg: scanners are refused"),
        ("kamailio: {defines: {RATING_END_PATIENCE: 1}}\n", None),
        ("kamailio: {defines: {SOURCE_RATE: 1}}\n", "sets SOURCE_RATE: this configuration has no such define"),
        ("kamailio: {tables: {trunk: {'192.0.2.1': 1}}}\n", None),
        (
            "kamailio: {users: {'1000': secret}}\n",
            "fills the htable subscriber: this configuration has none of that name",
        ),
        (
            "requires: {timers: true}\n",
            "requires timers: tm's fr_timer is 30000 ms here (--fast-timers makes it 2000)",
        ),
        (
            "requires: {tls: true}\n",
            "requires TLS: this configuration has no define TLS_CERTIFICATE, which the lab sets to its own",
        ),
    ],
)
def test_with_a_configuration_of_ones_own(tmp_path: Path, own: Path, text: str, reason: str | None) -> None:
    stack = stack_with(Options(kamailio_config=own), tmp_path)
    assert stack.unmet(scenario(tmp_path, text)) == reason


def test_a_canyan_file_runs_with_a_configuration_that_lacks_what_the_harness_adds(tmp_path: Path, own: Path) -> None:
    stack = stack_with(Options(kamailio_config=own), tmp_path)
    for theirs in load(CANYAN):
        assert theirs.kamailio.defines
        assert stack.unmet(theirs) is None


@pytest.mark.parametrize("text", [POLICY, "kamailio: {defines: {SOURCE_RATE: 1}}\n", "requires: {timers: true}\n"])
def test_all_leaves_nothing_out(tmp_path: Path, own: Path, text: str) -> None:
    stack = stack_with(Options(kamailio_config=own, profile="all"), tmp_path)
    assert stack.unmet(scenario(tmp_path, text)) is None


def test_fast_timers_meet_what_waits_for_them(tmp_path: Path, own: Path) -> None:
    stack = stack_with(Options(kamailio_config=own, fast_timers=True), tmp_path)
    assert stack.unmet(scenario(tmp_path, "requires: {timers: true}\n")) is None


def test_the_projects_own_configuration_has_all_of_it(tmp_path: Path) -> None:
    stack = stack_with(Options(), tmp_path)
    for text in (POLICY, "requires: {timers: true}\n", "kamailio: {defines: {SOURCE_RATE: 1}}\n"):
        assert stack.unmet(scenario(tmp_path, text)) is None


def test_the_contract_alone_of_the_projects_own_configuration(tmp_path: Path) -> None:
    stack = stack_with(Options(profile="contract"), tmp_path)
    assert stack.unmet(scenario(tmp_path, POLICY)) is not None
    assert stack.unmet(scenario(tmp_path, "kamailio: {defines: {SOURCE_RATE: 1}}\n")) is None


def test_a_scenario_with_a_configuration_of_its_own_knows_it(tmp_path: Path, own: Path) -> None:
    stack = stack_with(Options(kamailio_config=own), tmp_path)
    text = f"kamailio: {{config: {own.name}, defines: {{RATING_END_PATIENCE: 1}}}}\n{POLICY}"
    assert stack.unmet(scenario(tmp_path, text)) is None


def test_a_configuration_that_is_not_there_is_told_before_any_scenario_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such configuration of Kamailio"):
        Options.of(defines=(), seed=1, kamailio_config=tmp_path / "kamailio")


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ({}, "--image-config alone"),
        ({"kamailio": "sid"}, "--kamailio sid, which has Debian's"),
        ({"kamailio": "/usr"}, "--kamailio /usr, a directory"),
        ({"kamailio": "team/sip:1", "lab": "local"}, "--lab local"),
        ({"kamailio": "team/sip:1", "target": "127.0.0.1"}, "--image-config, --target"),
        ({"kamailio": "team/sip:1", "kamailio_config": Path("kamailio")}, "kamailio"),
    ],
)
def test_what_is_inside_of_an_image_needs_one(others: dict[str, Any], found: str) -> None:
    with pytest.raises(UsageError) as raised:
        Options.of(defines=(), seed=1, image_config=True, **others)
    assert raised.value.found == found


@pytest.mark.parametrize("others", [{}, {"target": "127.0.0.1"}])
def test_fast_timers_change_a_configuration_of_ones_own(others: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--fast-timers changes a configuration of your own"):
        Options.of(defines=(), seed=1, fast_timers=True, **others)


@pytest.mark.parametrize("others", [{"lab": "docker"}, {"target": "127.0.0.1"}])
def test_baresip_needs_a_local_lab(others: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--ends baresip needs a local lab"):
        Options.of(defines=(), seed=1, ends="baresip", **others)
    assert Options.of(defines=(), seed=1, ends="baresip").ends == "baresip"


def test_what_baresip_can_not_do_is_skipped_with_it_alone(tmp_path: Path) -> None:
    text = "carriers: {carrier: {refuse: 503}}\n"
    assert "carriers.carrier.refuse" in (
        stack_with(Options(ends="baresip"), tmp_path).unmet(scenario(tmp_path, text)) or ""
    )
    assert stack_with(Options(), tmp_path).unmet(scenario(tmp_path, text)) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("faults: [{on: carrier, unplug: 1s}]\n", "unplug carrier: the packet filter isn't the lab's"),
        (
            "faults: [{on: carrier, pause: 1s}, {on: agent, unplug: 1s}]\n",
            "unplug agent: the packet filter isn't the lab's",
        ),
        ("faults: [{on: carrier, pause: 1s}]\n", None),
        ("faults: [{on: kamailio, kill: 1s}]\n", None),
    ],
)
def test_a_lab_that_can_not_unplug_skips_what_does(tmp_path: Path, text: str, reason: str | None) -> None:
    lab = FakeLab(capabilities=Capabilities(unplug=False, why={"unplug": "the packet filter isn't the lab's"}))
    assert fake_stack(lab).unmet(scenario(tmp_path, text)) == reason
    assert fake_stack(FakeLab()).unmet(scenario(tmp_path, text)) is None


# --- a Kamailio that runs already -----------------------------------------------------------------------------------


@pytest.fixture
def target() -> Stack:
    lab = FakeLab(capabilities=Capabilities(unplug=False, restart=False, why=WHY))
    lab.driver = "external"
    return fake_stack(lab, Options(target="192.0.2.9"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", None),
        (
            "faults: [{on: kamailio, kill: 1s}]\n",
            "kill kamailio: the target was started by somebody else, and is theirs to restart",
        ),
        ("faults: [{on: agent, unplug: 1s}]\n", "unplug agent: the target's network isn't the lab's"),
        ("faults: [{on: agent, pause: 1s}]\n", None),
        ("faults: [{on: agent, path: begin, status: 500}]\n", None),
        (
            "expect: {log: [/rating/]}\n",
            "expects lines of Kamailio's log: what the target logs isn't seen here",
        ),
        (
            "expect: {routes: {run: [SIPOUT]}}\n",
            "wants Kamailio with another configuration: the target runs already",
        ),
        (
            "kamailio: {defines: {FR_TIMER: 1}}\n",
            "sets FR_TIMER: the target, which runs already, has no such define",
        ),
        ("kamailio: {memory: 64m}\n", "wants Kamailio with so much memory: the target runs already"),
        ("kamailio: {package_memory: 64m}\n", "wants Kamailio with so much memory: the target runs already"),
        (POLICY, "--profile contract: a policy of the project's own kamailio.cfg: scanners are refused"),
    ],
)
def test_what_cannot_be_done_to_a_target(target: Stack, tmp_path: Path, text: str, reason: str | None) -> None:
    assert target.unmet(scenario(tmp_path, text)) == reason


def test_where_a_target_has_to_ask_is_said_with_the_lab(target: Stack) -> None:
    assert target.description["agent"] == f"http://{target.lab.host('rating-agent').address}:8000"


def test_a_silent_target_is_told_what_it_needs(target: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise RpcError("nobody there")

    monkeypatch.setattr(target.kamailio, "uptime", refused, raising=False)
    with pytest.raises(LabError, match=r"the target 192\.0\.2\.9 doesn't answer JSON-RPC") as raised:
        target.await_kamailio(Deadline(0.05))
    assert f"http://{target.lab.host('rating-agent').address}:8000" in str(raised.value)
    assert raised.value.found == "nobody there"
