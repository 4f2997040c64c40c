"""Between two scenarios everything is as new, whatever the one before has done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import ConfigurationError, EngineError, LabError, Location, PlanError, ServiceDied
from rating_harness.kamailio.rpc import RpcError, RpcRefused
from rating_harness.lab.docker.configuration import CopiedConfiguration
from rating_harness.lab.protocol import Capabilities, Service
from rating_harness.run.kamailio import Variant, kamailio_service, prepare_configuration, user_files, with_user_paths
from rating_harness.run.options import Options
from rating_harness.run.stack import Stack
from rating_harness.scenario.loader import load
from tests.unit.plan.test_planner import planned
from tests.unit.run.fake_lab import FakeKamailio, FakeLab, fake_stack

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
BROKEN = (
    "0(1) CRITICAL: <core> yyerror_at(): parse error in config file /etc/kamailio/parts/routes.cfg, "
    "line 3, column 5-9: syntax error\n"
)


def dies_of_broken(service: Service) -> str | None:
    return BROKEN if any(b"broken" in content for content in service.files.values()) else None


INSIDE = "/etc/kamailio"
MAIN = 'include_file "parts/routes.cfg"\nrequest_route { exit; }\n'


def own_configuration(directory: Path, routes: str) -> None:
    (directory / "own" / "parts").mkdir(parents=True)
    (directory / "own" / "kamailio.cfg").write_text(MAIN)
    (directory / "own" / "parts" / "routes.cfg").write_text(routes)


def test_one_that_cannot_start_is_alone_in_that(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# broken\n")
    lab = FakeLab(dies=dies_of_broken)
    stack = fake_stack(lab)
    fine, broken = planned(tmp_path, CALL), planned(tmp_path, CALL + "kamailio: {config: own}\n")
    stack.prepare(fine)
    for _ in range(2):
        with pytest.raises(ServiceDied):
            stack.prepare(broken)
        stack.prepare(fine)
    assert lab.service("kamailio").poll() is None
    assert lab.done == ["stop kamailio", "start kamailio"] * 4


def test_the_cause_names_the_users_own_file_and_line(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# broken\n")
    lab = FakeLab(dies=dies_of_broken)
    stack = fake_stack(lab)
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    error = raised.value
    routes = tmp_path / "own" / "parts" / "routes.cfg"
    assert str(error.where) == f"{routes}:3:5"
    assert str(routes) in (error.detail or "")
    assert "/etc/kamailio" not in str(error)


def test_files_of_a_directory_that_is_a_link_are_taken_along(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# fine\n")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "a.cfg").write_text("# fine\n")
    (tmp_path / "own" / "inc").symlink_to("../shared")
    (tmp_path / "own" / "parts" / "back").symlink_to("..")
    (tmp_path / "own" / "away.cfg").symlink_to("nowhere.cfg")
    found = user_files(Variant(configuration=tmp_path / "own"))
    below = {path.removeprefix("/etc/kamailio/") for path in found}
    assert below == {"kamailio.cfg", "parts/routes.cfg", "inc/a.cfg"}


def test_a_mistake_that_kamailio_tells_without_its_line(tmp_path: Path) -> None:
    own_configuration(tmp_path, "#!ifdef A\n# broken\n#!endif")
    log = (
        "ERROR: bad config file (0 errors) (parsing code: 0)\n"
        "0(8) ERROR: <core> [core/ppcfg.c:276]: pp_ifdef_level_error(): different number of directives\n"
    )
    stack = fake_stack(FakeLab(dies=lambda service: log if dies_of_broken(service) else None))
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    assert str(raised.value.where) == f"{tmp_path / 'own' / 'parts' / 'routes.cfg'}:1:1"
    assert "a newline even at the end of the file" in (raised.value.hint or "")


def test_a_block_that_nobody_closes_is_told_where_the_users_file_ends(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# broken\nroute[A] {\n\texit;\n")
    log = (
        "0(8) CRITICAL: <core> [core/cfg.y:4045]: yyerror_at(): parse error in config file "
        "/etc/kamailio/around-kamailio.cfg, line 7, column 1-5: syntax error\n"
    )
    stack = fake_stack(FakeLab(dies=lambda service: log if dies_of_broken(service) else None))
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    where = raised.value.where
    assert isinstance(where, Location)
    assert where.path in {str(tmp_path / "own" / name) for name in ("kamailio.cfg", "parts/routes.cfg")}
    assert raised.value.hint == "syntax error: ; or } is expected"


class NeverAnswers(FakeKamailio):
    def uptime(self) -> int:
        raise RpcError("refused")


def test_one_that_hangs_after_it_has_failed_is_not_waited_for(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# fine\n")
    stack = fake_stack(FakeLab())
    clients: Any = stack
    stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    clients.kamailio = NeverAnswers()
    lab: Any = stack.lab
    lab.service("kamailio").log += (
        "ERROR: db_text [dbt_lib.c:135]: dbt_cache_get_db(): database [/etc/kamailio/dbtext] does not exists!\n"
        "2(11) CRITICAL: <core> [main.c:1881]: main_loop(): Cannot fork\n"
    )
    with pytest.raises(ServiceDied) as raised:
        stack.await_kamailio(Deadline(60))
    assert raised.value.message == "Kamailio could not start"
    assert (raised.value.hint or "").startswith("the lab has no ")


class Refuses(FakeKamailio):
    tries = 0

    def uptime(self) -> int:
        self.tries += 1
        raise RpcRefused("JSON-RPC is forbidden to this machine (403)", hint="let it in")


def test_the_causes_are_told_of_one_that_logs_a_lot(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# broken\n")
    debug = "".join(
        f" 0(8) DEBUG: <core> [a.c:{n}]: f(): mapping [core:receive-parse-error] to {n}\n" for n in range(20)
    )
    log = (
        f"{debug} 0(8) ERROR: app_python3 [p.c:169]: f(): Unhandled exception in the Python code:\n"
        "ModuleNotFoundError: No module named 'push'\n 0(8) DEBUG: tm [t.c:92]: tm_shutdown(): done\n"
    )
    stack = fake_stack(FakeLab(dies=lambda service: log if dies_of_broken(service) else None))
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    assert (raised.value.detail or "").splitlines()[:2] == [
        " 0(8) ERROR: app_python3 [p.c:169]: f(): Unhandled exception in the Python code:",
        "ModuleNotFoundError: No module named 'push'",
    ]


def test_one_that_fails_after_it_has_answered_is_no_kamailio_that_started(tmp_path: Path) -> None:
    """One process can't reach its database, while another answers JSON-RPC."""
    own_configuration(tmp_path, "# fine\n")
    stack = fake_stack(FakeLab())
    stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    stack.check_started()
    stack.lab.service("kamailio").log += (  # type: ignore[attr-defined]
        "1(11) ERROR: <core> [core/pt.c:334]: fork_process(): init_child failed for process 1, pid 11\n"
    )
    with pytest.raises(ServiceDied, match="Kamailio could not start"):
        stack.check_started()
    with pytest.raises(ServiceDied, match="Kamailio could not start"):
        stack.check_started(is_over=False)


def test_a_kamailio_that_refuses_json_rpc_is_asked_once(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# fine\nevent_route[xhttp:request] { exit; }\n")
    stack = fake_stack(FakeLab())
    clients: Any = stack
    stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    clients.kamailio = Refuses()
    with pytest.raises(RpcRefused, match="forbidden") as raised:
        stack.await_kamailio(Deadline(60))
    assert clients.kamailio.tries == 1
    assert str(raised.value.where) == f"{tmp_path / 'own' / 'parts' / 'routes.cfg'}:2:1"
    assert raised.value.hint == "let it in"


def test_a_target_that_refuses_json_rpc_is_told_as_a_target(tmp_path: Path) -> None:
    lab = FakeLab()
    stack = fake_stack(lab, Options(target="192.0.2.1"))
    lab.driver = "external"
    clients: Any = stack
    clients.kamailio = Refuses()
    with pytest.raises(LabError, match=r"the target 192\.0\.2\.1 doesn't answer JSON-RPC") as raised:
        stack.await_kamailio(Deadline(60))
    assert clients.kamailio.tries == 1
    assert "403" in (raised.value.found or "")


def test_a_named_socket_takes_the_place_of_the_labs(tmp_path: Path) -> None:
    own_configuration(tmp_path, 'listen=udp:192.0.2.1:5060 name "a"\nlisten=udp:192.0.2.2:5060 name "b"\n')
    described = Service(
        "kamailio", "kamailio", ("kamailio", "-f", "/etc/kamailio/kamailio.cfg", "-l", "udp:{address}:5060")
    )
    variant = Variant(configuration=tmp_path / "own")
    prepared = prepare_configuration(variant, "local", "6.0.1")
    command = kamailio_service(described, variant, agent_url="http://a", number=1, prepared=prepared).command
    assert command[3:] == ("-l", "udp:{address}:5060//a", "-l", "udp:{address}:6060//b")


def test_a_directory_of_a_kamailio_that_one_has_built_is_there_by_that_name_too(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# fine\n")
    main = tmp_path / "own" / "kamailio.cfg"
    variant = Variant(configuration=tmp_path / "own")
    assert {path.rpartition("/")[0] for path in user_files(variant)} == {"/etc/kamailio", "/etc/kamailio/parts"}
    main.write_text('include_file "/usr/local/etc/kamailio/parts/routes.cfg"\nrequest_route { exit; }\n')
    assert (
        user_files(variant)["/usr/local/etc/kamailio/parts/routes.cfg"] == tmp_path / "own" / "parts" / "routes.cfg"
    )
    prepared = prepare_configuration(variant, "local", "6.0.1")
    assert prepared is not None
    assert "/usr/local/etc/kamailio, too" in str(prepared.changes[-1])
    assert "/usr/local/etc/kamailio" in with_user_paths(
        "/usr/local/etc/kamailio/tls.cfg", {f"{INSIDE}/tls.cfg": main}
    )


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_configuration(tmp_path, "# fine\n")
    key = tmp_path / "own" / "key.pem"
    key.touch()
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == key:
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(ConfigurationError, match="this file of the configuration can't be read") as raised:
        fake_stack(FakeLab()).prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    assert (raised.value.where, raised.value.found) == (str(key), "Permission denied")


@pytest.mark.parametrize("inside", ["/etc/kamailio", "/opt/sip/kamailio"])
@pytest.mark.parametrize("main", ["kamailio.cfg", "production.cfg"])
def test_the_cause_names_a_file_inside_of_an_image(tmp_path: Path, inside: str, main: str) -> None:
    own_configuration(tmp_path, "# broken\n\nlisten={{ address }}\n")
    (tmp_path / "own" / "kamailio.cfg").rename(tmp_path / "own" / main)
    copy = tmp_path / "own" / main if main == "production.cfg" else tmp_path / "own"
    options = Options(kamailio_config=copy, image_config=CopiedConfiguration("team/sip:1", copy, inside))
    log = BROKEN.replace("/etc/kamailio", inside)
    lab = FakeLab(
        dies=lambda service: log if b"broken" in service.files.get(f"{inside}/parts/routes.cfg", b"") else None
    )
    stack = fake_stack(lab, options)
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {defines: {FR_TIMER: 1000}}\n"))
    error = raised.value
    assert str(error.where) == f"team/sip:1:{inside}/parts/routes.cfg:3:5"
    assert f"in config file team/sip:1:{inside}/parts/routes.cfg, line 3" in (error.detail or "")
    assert error.hint == "is {{ address }} there to be filled in? give a copy in which it is"
    assert str(tmp_path) not in str(error)


@pytest.mark.parametrize("text", ["{{ address }}", "${LISTEN}", "%%HOST%%", "__PUBLIC_IP__", "<%= @ip %>", "@HOST@"])
def test_what_is_to_be_filled_in_is_named(tmp_path: Path, text: str) -> None:
    own_configuration(tmp_path, f"# broken\n\nlisten={text}\n")
    stack = fake_stack(FakeLab(dies=dies_of_broken))
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    assert raised.value.hint == f"is {text} there to be filled in? give a copy in which it is"


def test_a_line_with_nothing_to_be_filled_in(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# broken\n\n$var(x) = $ru + 'a@b' + $(ci{s.len});\n")
    stack = fake_stack(FakeLab(dies=dies_of_broken))
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    assert "filled in" not in (raised.value.hint or "")


def test_a_module_that_isnt_there_is_told_with_its_package(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# broken\n")
    log = "0(1) ERROR: ksr_locate_module(): could not find module <db_mysql> in </usr/lib/kamailio/modules>\n"
    stack = fake_stack(FakeLab(dies=lambda service: log if dies_of_broken(service) else None))
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    assert "Debian has the module db_mysql in kamailio-mysql-modules" in (raised.value.hint or "")


def test_the_cause_is_of_the_last_start_alone(tmp_path: Path) -> None:
    own_configuration(tmp_path, "# broken\n")
    lab = FakeLab(dies=dies_of_broken)
    stack = fake_stack(lab)
    lab.service("kamailio").log += "0(1) ERROR: of a scenario before\n"
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    assert "of a scenario before" not in str(raised.value)
    assert "of a scenario before" not in raised.value.log
    assert "syntax error" in raised.value.log


def test_what_died_or_was_spoiled_is_restarted_once(tmp_path: Path) -> None:
    lab = FakeLab()
    stack = fake_stack(lab)
    lab.service("rating-engine").status = 1
    stack.spoiled("kamailio")
    for _ in range(2):
        stack.prepare(planned(tmp_path, CALL))
    assert sorted(lab.done) == ["restart kamailio", "restart rating-engine"]


def test_a_spoiled_kamailio_that_is_wanted_otherwise_is_started_only_once(tmp_path: Path) -> None:
    lab = FakeLab()
    stack = fake_stack(lab)
    stack.spoiled("kamailio")
    for _ in range(2):
        stack.prepare(planned(tmp_path, CALL + "kamailio: {defines: {FR_TIMER: 1000}}\n"))
    assert lab.done == ["stop kamailio", "start kamailio"]


class TablesKamailio(FakeKamailio):
    """With the htables ``source`` and ``subscriber``, of which it knows the entries."""

    def __init__(self) -> None:
        self.held: dict[str, dict[object, object]] = {"source": {}, "subscriber": {}}

    def call(self, *words: object) -> None:
        command, table, *rest = words
        if table not in self.held:
            raise RpcError(f"Kamailio refused {command}: No such htable", code=500)
        entries = self.held[str(table)]
        if command == "htable.flush":
            entries.clear()
        elif command == "htable.delete":
            if entries.pop(rest[0], None) is None:
                raise RpcError("Kamailio refused htable.delete: Key not found in htable.", code=404)
        else:
            entries[rest[0]] = rest[1]


def with_tables() -> tuple[Stack, TablesKamailio]:
    stack: Any = fake_stack(FakeLab())
    stack.kamailio = kamailio = TablesKamailio()
    return stack, kamailio


def test_the_users_and_the_tables_of_a_scenario_are_gone_in_the_next(tmp_path: Path) -> None:
    stack, kamailio = with_tables()
    kamailio.held["subscriber"]["own"] = "of the configuration"
    words = 'kamailio: {users: {"1000": secret}, tables: {source: {"{ana}": " 1000 "}}}\n'
    for _ in range(2):
        stack.prepare(planned(tmp_path, CALL + words))
        assert kamailio.held["subscriber"] == {"own": "of the configuration", "1000": "secret"}
        assert len(kamailio.held["source"]) == 1
    kamailio.held["subscriber"].pop("1000")
    stack.prepare(planned(tmp_path, CALL))
    assert kamailio.held == {"source": {}, "subscriber": {"own": "of the configuration"}}


def test_a_lab_is_given_back_without_them(tmp_path: Path) -> None:
    stack, kamailio = with_tables()
    stack.prepare(planned(tmp_path, CALL + 'kamailio: {users: {"1000": secret}, tables: {source: {"1": 1}}}\n'))
    assert stack.give_back()
    assert kamailio.held == {"source": {}, "subscriber": {}}
    stack.spoiled("kamailio")
    assert not stack.give_back(), "its next user has to restart it"


def test_a_lab_whose_kamailio_is_silent_is_not_as_it_was(tmp_path: Path) -> None:
    stack, kamailio = with_tables()
    stack.prepare(planned(tmp_path, CALL + 'kamailio: {tables: {source: {"1": 1}}}\n'))

    def silent(*words: object) -> None:
        raise RpcError("no answer")

    kamailio.call = silent  # type: ignore[method-assign]
    assert not stack.give_back()


@pytest.mark.parametrize(
    ("words", "line", "hint"),
    [('users: {"1000": secret}', 7, "WITH_AUTH"), ('tables: {sources: {"1": 1}}', 7, "name")],
)
def test_a_table_that_is_not_there_is_told_by_its_line_and_harms_no_other_scenario(
    tmp_path: Path, words: str, line: int, hint: str
) -> None:
    stack, kamailio = with_tables()
    del kamailio.held["subscriber"]
    with pytest.raises(PlanError, match="no htable") as raised:
        stack.prepare(planned(tmp_path, CALL + f"kamailio: {{{words}}}\n"))
    assert isinstance(raised.value.where, Location)
    assert raised.value.where.line == line
    assert hint in (raised.value.hint or "")
    stack.prepare(planned(tmp_path, CALL))


def test_a_kamailio_that_does_not_answer_is_no_mistake_of_the_scenarios(tmp_path: Path) -> None:
    stack, kamailio = with_tables()

    def silent(*words: object) -> None:
        raise RpcError("no answer")

    kamailio.call = silent  # type: ignore[method-assign]
    with pytest.raises(RpcError, match="no answer"):
        stack.prepare(planned(tmp_path, CALL + 'kamailio: {users: {"1000": secret}}\n'))


def test_a_request_that_the_engine_refuses_is_told_by_its_line(tmp_path: Path) -> None:
    stack: Any = fake_stack(FakeLab())
    refused = EngineError("the engine refused a request", where="http://engine", detail="mutation {b(x: 1) {id}}")

    def refuse(given: object) -> None:
        raise refused

    stack.engine.seed = refuse
    words = 'given: {graphql: ["mutation {a {id}}", "mutation {b(x: 1)   {id}}"]}\n'
    (tmp_path / "s.yaml").write_text(f"scenario: It\n{words}{CALL}")
    (scenario,) = load(tmp_path / "s.yaml")
    (tmp_path / "other").mkdir()
    plan = replace(planned(tmp_path / "other", CALL), scenario=scenario)
    with pytest.raises(EngineError) as raised:
        stack.prepare(plan)
    assert str(raised.value.where).endswith("s.yaml:2:40")
    refused.where, refused.detail = "http://engine", "upsertAccount(...)"
    with pytest.raises(EngineError) as raised:
        stack.prepare(plan)
    assert raised.value.where == "http://engine"


@pytest.mark.parametrize(
    ("said", "shared", "private"),
    [
        ("defines: {FR_TIMER: 1000}", "256", "16"),
        ("memory: 5m", "5", "16"),
        ("package_memory: 1g", "256", "1024"),
        ("memory: 2 GB", "2048", "16"),
    ],
)
def test_kamailio_has_the_memory_that_a_scenario_gives_it(
    tmp_path: Path, said: str, shared: str, private: str
) -> None:
    started: list[Service] = []
    stack = fake_stack(FakeLab(dies=started.append))
    stack.prepare(planned(tmp_path, CALL + f"kamailio: {{{said}}}\n"))
    command = next(each.command for each in reversed(started) if each.name == "kamailio")
    assert command[command.index("-m") + 1] == shared
    assert command[command.index("-M") + 1] == private
    assert (command.count("-m"), command.count("-M")) == (1, 1)


@pytest.mark.parametrize(
    ("log", "hint", "is_placed"),
    [
        (
            "3(1) ERROR: htable [ht_api.c:393]: ht_init_tables(): no more shared memory for [a]\n",
            "`memory: 10m`",
            False,
        ),
        ("ERROR: could not allocate private memory from pkg pool\n" + BROKEN, "`package_memory: 32m`", False),
        (BROKEN + "Too much qm shm memory demanded: 1099511627776 bytes\n", "give Kamailio less", False),
        (BROKEN, "", True),
    ],
)
def test_too_little_memory_to_start_is_told_without_a_line(
    tmp_path: Path, log: str, hint: str, is_placed: bool
) -> None:
    own_configuration(tmp_path, "# broken\n")
    stack = fake_stack(FakeLab(dies=lambda service: log if dies_of_broken(service) else None))
    with pytest.raises(ServiceDied) as raised:
        stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own, memory: 5m}\n"))
    assert hint in (raised.value.hint or "")
    assert (raised.value.where is not None) == is_placed


def test_a_scenario_whose_clock_cannot_be_moved_is_left_out_with_the_reason(tmp_path: Path) -> None:
    call = CALL.replace("}]", ", hold: 1m}]")
    scenario = planned(tmp_path, call + "clock: {skip: 5s, when: ana is answered}\n").scenario
    lab = FakeLab(capabilities=Capabilities(why={"clock": "no container has it"}))
    assert fake_stack(lab).unmet(scenario) == "requires a clock that can be moved: no container has it"


@pytest.mark.parametrize(
    ("commands", "unobserved"),
    [
        ({"dlg.list", "htable.stats", "core.version"}, []),
        ({"dlg.list"}, ["tables"]),
        (set(), ["dialogs", "tables"]),
    ],
)
def test_a_configuration_that_cant_be_parsed_is_asked_what_it_has(
    tmp_path: Path, commands: set[str], unobserved: list[str]
) -> None:
    """Its routes are in Lua, say: that it has no htable is no fault of Kamailio's."""
    own_configuration(tmp_path, '#!KAMAILIO\ncfgengine "lua"\n')
    stack = fake_stack(FakeLab(), Options(kamailio_config=tmp_path / "own"))

    class Knowing(FakeKamailio):
        def methods(self) -> frozenset[str]:
            return frozenset(commands)

    clients: Any = stack
    stack.prepare(planned(tmp_path, CALL + "kamailio: {config: own}\n"))
    clients.kamailio = Knowing()
    assert sorted(stack.unobserved) == unobserved


def test_a_tap_that_was_stopped_is_restarted_for_the_next_scenario(tmp_path: Path) -> None:
    lab = FakeLab()
    stack = fake_stack(lab)
    tap: Any = stack.tap
    tap.is_stopped = True
    stack.prepare(planned(tmp_path, CALL))
    assert lab.done == ["restart rating-agent"]
    tap.is_stopped = False
    stack.prepare(planned(tmp_path, CALL))
    assert lab.done == ["restart rating-agent"]
