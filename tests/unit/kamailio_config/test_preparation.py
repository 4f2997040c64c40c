"""What a lab changes in somebody's configuration, and what it finds there."""

from __future__ import annotations

import pytest

from rating_harness.errors import Location
from rating_harness.kamailio_config.parser import parse_files
from rating_harness.kamailio_config.preparation import Prepared, prepare

MAIN = "/etc/kamailio/kamailio.cfg"
BASE = """debug=2 loadmodule "tm.so"
loadmodule "dialog.so"
loadmodule "jsonrpcs.so"
request_route { exit; }
"""


def prepared(text: str, *, needs_http: bool = False, **more: str) -> Prepared:
    files = {MAIN: text.encode(), **{f"/etc/kamailio/{name}.cfg": content.encode() for name, content in more.items()}}
    return prepare(parse_files(files, MAIN, {}), needs_http=needs_http)


def said(found: Prepared) -> list[str]:
    return [f"{change.where.line}: {change.what}" for change in found.changes]


def test_one_that_needs_nothing_stays_as_it_is() -> None:
    found = prepared(BASE)
    assert (found.texts, found.listeners, found.additions, found.changes, found.obstacles) == ({}, (), "", (), ())


@pytest.mark.parametrize(
    ("line", "listeners"),
    [
        ("listen=udp:0.0.0.0:5060", ()),
        ("listen=0.0.0.0", ()),
        ("listen=eth0", ()),
        ("listen=udp:192.0.2.1:5060 advertise 198.51.100.1:5060", ()),
        ("listen=udp:192.0.2.1:5070", ("udp:{address}:5070",)),
        ("listen=tcp:[2001:db8::1]:5070", ("tcp:{address}:5070",)),
        ("listen=tls:192.0.2.1:5061", ()),
        ('listen="udp:192.0.2.1:5080"', ("udp:{address}:5080",)),
        ('socket={ bind=udp:192.0.2.1:5090; name="x"; }', ("udp:{address}:5090//x",)),
        ('listen=192.0.2.1 name "x"', ("udp:{address}:5060//x", "tcp:{address}:5060//x")),
    ],
)
def test_addresses_of_another_machine_give_way_to_the_labs(line: str, listeners: tuple[str, ...]) -> None:
    found = prepared(f"{line}\n{BASE}")
    assert found.listeners == listeners
    assert said(found) == [f"1: {' '.join(line.split())} is left out"]
    assert found.texts[MAIN] == f"{' ' * len(line)}\n{BASE}"


def test_a_listener_keeps_its_name() -> None:
    found = prepared(f'listen=udp:192.0.2.1:5060 advertise 192.0.2.2:5060 name "public"\n{BASE}')
    assert found.listeners == ("udp:{address}:5060//public",)
    assert (
        found.changes[0].why == "the lab's Kamailio listens at the lab's addresses, by the name public at port 5060"
    )


def test_two_names_at_the_same_port_of_two_addresses() -> None:
    lines = [
        'listen=udp:10.0.0.1:5060 name "inside"',
        "listen=udp:10.0.0.2:5060",
        'listen=udp:192.0.2.1:5060 name "outside"',
        "listen=udp:10.0.0.1:5070",
        'listen=udp:192.0.2.1:5070 name "trunk"',
        'listen=tcp:10.0.0.1:5060 name "inside"',
    ]
    found = prepared("\n".join([*lines, BASE]))
    assert found.listeners == (
        "udp:{address}:5060//inside",
        "udp:{address}:6060//outside",
        "udp:{address}:5070//trunk",
        "tcp:{address}:5060//inside",
    )
    assert found.changes[2].why.endswith("by the name outside at port 6060")


def test_a_kamailio_whose_command_line_has_no_names() -> None:
    text = f'listen=udp:192.0.2.1:5070 name "x"\n{BASE}'
    found = prepare(parse_files({MAIN: text.encode()}, MAIN, {}), needs_http=False, names_sockets=False)
    assert found.listeners == ("udp:{address}:5070",)
    assert found.changes[0].why.endswith("without the name x, at port 5070 too")


def test_a_name_of_a_listener_for_tls_is_gone_with_it() -> None:
    found = prepared(f'listen=tls:192.0.2.1:5061 name "x"\n{BASE}')
    assert found.listeners == ()
    assert found.changes[0].why.endswith("TLS is for scenarios that ask for it, without the name x")


@pytest.mark.parametrize(
    ("path", "loaded"),
    [
        ("/usr/lib64/kamailio/modules/xlog.so", "xlog.so"),
        ("/usr/local/lib/kamailio/modules_k/xlog.so", "xlog.so"),
        ("/usr/lib/kamailio/modules/xlog", "xlog"),
    ],
)
def test_modules_where_another_machine_has_them(path: str, loaded: str) -> None:
    line = f'loadmodule "{path}" # a comment\n'
    found = prepared(line + BASE)
    assert found.texts[MAIN] == f'loadmodule "{loaded}"{" " * (len(path) - len(loaded))} # a comment\n{BASE}'
    assert said(found) == [f"1: xlog is loaded without {path.rpartition('/')[0]}"]


@pytest.mark.parametrize("path", ["xlog.so", "/opt/acme/acme.so", "/opt/kamailio/modules.d/acme.so"])
def test_modules_of_somebodys_own_are_loaded_from_where_they_are(path: str) -> None:
    assert prepared(f'loadmodule "{path}"\n{BASE}').texts == {}


@pytest.mark.parametrize("text", ["", "route[RELAY] { exit; }\n", "event_route[tm:local-request] { exit; }\n"])
def test_one_without_a_route_for_requests_is_not_what_kamailio_is_started_with(text: str) -> None:
    (obstacle,) = prepared(f'loadmodule "dialog.so"\n{text}').obstacles
    assert obstacle.what == "it has no request_route, so that no request is answered"


def test_what_it_asks_the_environment_for() -> None:
    found = prepared(f"#!trydefenv A=LOCAL_IP\n#!trydefenvs DOMAIN\n{BASE}").findings
    assert found.variables == {"LOCAL_IP", "DOMAIN"}


@pytest.mark.parametrize(
    "line", ["listen=tcp:127.0.0.1:8060", 'listen=udp:127.0.0.1:5060 name "x"', "listen=tcp:[::1]:80"]
)
def test_loopback_is_the_labs_too(line: str) -> None:
    assert prepared(f"{line}\n{BASE}").texts == {}


@pytest.mark.parametrize(
    ("directives", "listener"),
    [
        ("#!define WS tcp:192.0.2.1:8080\n", "tcp:{address}:8080"),
        ("#!define WS tcp:[2001:db8::1]:8080\n", "tcp:{address}:8080"),
        ("#!define WS udp:sip-1.example.com:5070\n", "udp:{address}:5070"),
        ('#!substdef "!ADDR!192.0.2.1!g"\n#!substdef "!WS!tcp:ADDR:8080!g"\n', "tcp:{address}:8080"),
    ],
)
def test_a_listener_from_a_define(directives: str, listener: str) -> None:
    found = prepared(f"{directives}listen=WS\n")
    assert found.listeners == (listener,)
    assert "at port" in found.changes[0].why


def test_a_tls_listener_from_a_define_is_for_scenarios_that_ask() -> None:
    found = prepared("#!define WSS tls:192.0.2.1:4443\nlisten=WSS\n")
    assert found.listeners == ()
    assert "TLS is for scenarios" in found.changes[0].why


def test_an_address_from_a_define() -> None:
    found = prepared(f"#!define HERE 10.1.2.3\nlisten=udp:HERE:5070\n{BASE}")
    assert found.listeners == ("udp:{address}:5070",)
    assert said(found) == ["2: listen=udp:HERE:5070 is left out"]


@pytest.mark.parametrize(
    "line", ['user="kamailio"', "group=kamailio", 'mpath="/usr/local/lib/kamailio/modules/"', 'chroot="/x"']
)
def test_settings_of_another_machine(line: str) -> None:
    found = prepared(f"debug=2\n{line}\n{BASE}")
    assert said(found) == [f"2: {line} is left out"]
    assert found.texts[MAIN].splitlines()[1].strip() == ""
    assert found.texts[MAIN].count("\n") == f"debug=2\n{line}\n{BASE}".count("\n")


def test_what_decides_how_calls_are_handled_stays() -> None:
    text = f'children=8\nroute_locks_size=8\ntcp_connection_lifetime=60\n{BASE}modparam("tm", "fr_timer", 30000)\n'
    assert prepared(text).texts == {}


def test_several_lines_keep_their_numbers() -> None:
    text = f"socket = {{\n  bind = udp:192.0.2.1:5060;\n}}\nuser=x\n{BASE}"
    found = prepared(text)
    assert [line.strip() for line in found.texts[MAIN].splitlines()][:4] == ["", "", "", ""]
    assert found.texts[MAIN].splitlines()[4:] == BASE.splitlines()


def test_an_included_file_is_changed_in_its_place() -> None:
    found = prepared(f'include_file "sockets.cfg"\n{BASE}', sockets="# here\nlisten=udp:192.0.2.1:5060\n")
    assert list(found.texts) == ["/etc/kamailio/sockets.cfg"]
    assert found.changes[0].where == Location("/etc/kamailio/sockets.cfg", 2, 1)


@pytest.mark.parametrize("hidden", ['# loadmodule "xhttp.so"\n', '#!ifdef NOT_SET\nloadmodule "xhttp.so"\n#!endif\n'])
def test_http_is_added_where_it_isnt_in_force(hidden: str) -> None:
    found = prepared(hidden + BASE, needs_http=True)
    assert 'loadmodule "xhttp.so"' in found.additions
    assert 'modparam("jsonrpcs", "transport", 7)' in found.additions
    assert not found.findings.answers_http


def test_http_that_is_there_is_left_alone() -> None:
    text = (
        f'{BASE}loadmodule "xhttp.so"\nmodparam("jsonrpcs", "transport", 7)\n'
        'event_route[xhttp:request] { if ($hu =~ "^/RPC") { jsonrpc_dispatch(); } }\n'
    )
    found = prepared(text, needs_http=True)
    assert found.findings.answers_http
    assert (found.additions, found.obstacles) == ("", ())
    assert found.findings.http_route == Location(MAIN, 7, 1)


def test_an_http_route_without_json_rpc_is_an_obstacle() -> None:
    text = f'{BASE}loadmodule "xhttp.so"\nevent_route[xhttp:request] {{ xhttp_reply("200", "OK", "", ""); }}\n'
    (obstacle,) = prepared(text, needs_http=True).obstacles
    assert obstacle.where.line == 6
    assert obstacle.what == "event_route[xhttp:request] doesn't call jsonrpc_dispatch()"
    assert prepared(text).obstacles == ()


@pytest.mark.parametrize(("transport", "added"), [("2", "6"), ("1", "5"), ("0", ""), ("4", ""), ("6", "")])
def test_json_rpc_gets_a_datagram_socket(transport: str, added: str) -> None:
    found = prepared(f'{BASE}modparam("jsonrpcs", "transport", {transport})\n')
    assert found.additions == (f'modparam("jsonrpcs", "transport", {added})\n' if added else "")


def test_jsonrpcs_is_added() -> None:
    found = prepared(BASE.replace('loadmodule "jsonrpcs.so"\n', ""))
    assert found.additions == 'loadmodule "jsonrpcs.so"\n'
    assert [change.what for change in found.changes] == ["the module jsonrpcs is added"]


def test_no_dialogs_are_told() -> None:
    found = prepared(BASE.replace('loadmodule "dialog.so"\n', ""))
    assert [change.what for change in found.changes] == ["the module dialog isn't loaded"]


def test_what_there_is() -> None:
    text = (
        f'#!define AGENT "http://agent.example:8000"\nlisten=udp:127.0.0.1:5060\n{BASE}route[ASK] '
        '{ http_async_query("https://other.example/v1/authorization", "ANSWER"); }\n'
        "event_route[dialog:end] { exit; }\n"
    )
    found = prepared(text).findings
    assert list(found.modules) == ["tm", "dialog", "jsonrpcs"]
    assert found.modules["dialog"].line == 4
    assert found.routes == ("request_route", "route[ASK]", "event_route[dialog:end]")
    assert set(found.agents) == {"http://agent.example:8000", "https://other.example"}
    assert found.listeners == ("listen=udp:127.0.0.1:5060",)


def test_timers_are_found_the_last_of_each_or_their_default() -> None:
    assert prepared(BASE).findings.timers == {"fr_timer": 30000, "fr_inv_timer": 120000}
    assert prepared(
        f'{BASE}modparam("tm|x", "fr_timer", 30000)\nmodparam("tm", "fr_timer", 5000)\n'
    ).findings.timers == {
        "fr_timer": 5000,
        "fr_inv_timer": 120000,
    }


def test_fast_timers_shorten_those_that_are_longer_and_say_so() -> None:
    text = f'{BASE}modparam("tm", "fr_timer", 5000)\nmodparam("tm", "fr_inv_timer", 3000)\n'
    found = prepare(parse_files({MAIN: text.encode()}, MAIN, {}), needs_http=False, fast_timers=True)
    assert found.additions == 'modparam("tm", "fr_timer", 2000)\n'
    assert [change.what for change in found.changes] == ["tm's fr_timer is 2000 in place of 5000 ms"]
    assert found.findings.timers == {"fr_timer": 2000, "fr_inv_timer": 3000}
    assert found.defines == {}


def test_fast_timers_keep_the_wait_for_the_agent_below_them() -> None:
    text = f"#!trydef RATING_HTTP_TIMEOUT 2000\n{BASE}"
    found = prepare(parse_files({MAIN: text.encode()}, MAIN, {}), needs_http=False, fast_timers=True)
    assert found.defines == {"RATING_HTTP_TIMEOUT": "1000"}
    assert "RATING_HTTP_TIMEOUT is 1000 in place of 2000 ms" in [change.what for change in found.changes]


def test_no_timer_is_set_of_a_module_that_isnt_there() -> None:
    text = BASE.replace('loadmodule "tm.so"\n', "")
    found = prepare(parse_files({MAIN: text.encode()}, MAIN, {}), needs_http=False, fast_timers=True)
    assert (found.additions, found.changes) == ("", ())


def test_names_of_tables_and_defines() -> None:
    text = (
        f'#!trydef A 1\n#!ifdef B\n#!endif\n{BASE}modparam("htable", "htable", "one=>size=8;")\n'
        'modparam("htable", "htable", "two=>size=8;")\n'
    )
    found = prepared(text).findings
    assert found.tables == {"one", "two"}
    assert {"A", "B"} <= found.defines


def tolerantly_prepared(text: str) -> Prepared:
    return prepare(parse_files({MAIN: text.encode()}, MAIN, {}, tolerant=True), needs_http=False)


@pytest.mark.parametrize(
    "wrong",
    [
        'modparam("sipdump", "enable", NOWHERE_DEFINED)',
        "listen=udp:<fill_in>:5060",
        'import_files "local.d/*.cfg"',
        "request_route { if }",
        'include_file "absent.cfg"',
        'cfgengine "lua"',
        'loadmodule "app_lua.so"\ncfgengine "lua"',
    ],
)
def test_what_cant_be_parsed_doesnt_keep_the_rest_from_being_prepared(wrong: str) -> None:
    lines = ["listen=udp:192.0.2.1:5070", wrong, 'mpath="/usr/local/lib64/kamailio/modules/"', "disable_tcp=yes"]
    found = tolerantly_prepared("\n".join([*lines, BASE]))
    kept = found.texts[MAIN].splitlines()
    assert found.listeners == ("udp:{address}:5070",)
    assert (kept[0].strip(), kept[-6].strip(), kept[-5].strip()) == ("", "", "")
    assert len(kept) == len("\n".join([*lines, BASE]).splitlines())
    if not wrong.startswith("listen"):
        assert wrong in found.texts[MAIN]
    assert list(found.findings.modules)[-3:] == ["tm", "dialog", "jsonrpcs"]


def test_a_listener_that_is_yet_to_be_filled_in_gives_way_too() -> None:
    found = tolerantly_prepared(f'listen=udp:<fill_in>:5060 advertise <this>:5060 name "x"\n{BASE}')
    assert found.texts[MAIN] == " " * 56 + f"\n{BASE}"


@pytest.mark.parametrize(("line", "level"), [("", "0"), ("debug=0", "0"), ("debug = -1", "-1")])
def test_what_rating_logs_can_be_seen(line: str, level: str) -> None:
    found = prepared(BASE.replace("debug=2", line))
    assert found.additions == "debug=1\n"
    assert [change.what for change in found.changes] == [f"debug is 1 (NOTICE) in place of {level}"]
    assert prepared(BASE.replace("debug=2", "debug=1")).additions == ""


@pytest.mark.parametrize(
    "line",
    [
        "enable_sctp=yes",
        "fork=no",
        'log_engine_type="udp"',
        'log_engine_data="127.0.0.1:9060"',
        "mlock_pages=yes",
        "open_files_limit=1000000",
        "real_time=7",
        "disable_tcp=yes",
    ],
)
def test_what_only_the_users_machine_may_have_gives_way(line: str) -> None:
    found = prepared(f"{line}\n{BASE}")
    assert said(found) == [f"1: {line} is left out"]
    assert found.texts[MAIN] == f"{' ' * len(line)}\n{BASE}"


@pytest.mark.parametrize("line", ["use_dns_cache=on", "use_dns_failover=yes"])
def test_the_dns_cache_gives_way_where_names_are_in_a_hosts_file(line: str) -> None:
    assert said(prepared(f"{line}\n{BASE}")) == [f"1: {line} is left out"]
    assert line in prepared(f"{line}\n{BASE}", needs_http=True).texts.get(MAIN, line)


def test_a_datagram_socket_elsewhere_is_the_labs() -> None:
    text = BASE + 'modparam("jsonrpcs", "dgram_socket", "/var/run/kamailio/mine.sock")\n'
    assert prepared(text).additions == 'modparam("jsonrpcs", "dgram_socket", "kamailio_rpc.sock")\n'
    assert "dgram_socket" not in prepared(text, needs_http=True).additions


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert prepared(f"\ufeff{BASE}").changes == ()
