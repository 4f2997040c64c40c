"""Kamailio 6.0.1's own words for what keeps it from starting: the user's line, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from rating_harness.errors import Location
from rating_harness.kamailio_config.preparation import Parameter
from rating_harness.run.kamailio import with_user_paths
from rating_harness.run.start_failure import has_failed_to_start, remedy, unfilled, where_it_stands

MAIN = "/etc/kamailio/kamailio.cfg"


@pytest.fixture
def paths(tmp_path: Path) -> Mapping[str, Path]:
    """The user's files by the lab's names."""
    files = {
        "kamailio.cfg": '#!KAMAILIO\n#!substdefs "/IP/${IP}/"\n#!subst "/__DOMAIN__/sip.example.com/"\n'
        'listen=udp:@@IP@@:5060\nalias="__DOMAIN__"\nloadmodule "tm.so"\n\tif (is_method("INVITE") {\n',
        "routes.cfg": "route[A] {\n\tsave();\n}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    return {f"/etc/kamailio/{name}": tmp_path / name for name in files}


def told(
    log: str,
    paths: Mapping[str, Path],
    modules: Mapping[str, Location] | None = None,
    parameters: Iterable[Parameter] = (),
) -> tuple[str | None, str | None]:
    """The place, by the file's name, and the remedy."""
    where = where_it_stands(log, paths, modules or {}, parameters)
    hint = remedy(with_user_paths(log, paths), where)
    return f"{Path(where.path).name}:{where.line}:{where.column}" if where else None, hint


def unreadable(line: int, column: int, why: str) -> str:
    at = f"parse error in config file {MAIN}, line {line}, column {column}"
    return f"0(8) CRITICAL: <core> [core/cfg.y:4045]: yyerror_at(): {at}: {why}\n"


def test_a_syntax_error_is_told_with_its_line(paths: Mapping[str, Path]) -> None:
    assert told(unreadable(7, 13, "syntax error"), paths) == (
        "kamailio.cfg:7:13",
        'line 7 reads: if (is_method("INVITE") {',
    )


def test_a_line_is_shown_without_what_a_terminal_obeys(paths: Mapping[str, Path]) -> None:
    paths[MAIN].write_text("\x1b[2Jlisten\t=\x00\n", "utf-8")
    assert told(unreadable(1, 1, "syntax error"), paths)[1] == "line 1 reads: ?[2Jlisten =?"


def test_a_placeholder_is_named_but_not_what_subst_fills_in(paths: Mapping[str, Path]) -> None:
    assert told(unreadable(4, 12, "syntax error"), paths)[1] == (
        "is @@IP@@ there to be filled in? give a copy in which it is"
    )
    assert told(unreadable(5, 7, "syntax error"), paths)[1] == 'line 5 reads: alias="__DOMAIN__"'


def test_a_substitution_that_cant_be_made_stands_in_the_line_above_the_one_that_is_told(
    paths: Mapping[str, Path],
) -> None:
    log = (
        "0(8) ERROR: <core> [core/ppcfg.c:100]: pp_subst_add(): bad subst expression: /IP/${IP}/\n"
        "0(8) ERROR: <core> [core/ppcfg.c:129]: pp_substdef_add(): subst rule cannot be added\n"
    )
    assert told(log + unreadable(3, 1, ""), paths) == (
        "kamailio.cfg:2:1",
        "is ${IP} there to be filled in? give a copy in which it is",
    )


@pytest.mark.parametrize("named", ["/etc/kamailio/local/routes.cfg", "secrets.cfg"])
def test_a_file_that_is_included_and_isnt_there(paths: Mapping[str, Path], named: str) -> None:
    log = (
        f'0(7) CRITICAL: <core> [core/cfg.lex:1912]: sr_push_yy_state(): cannot open included file: "{named}"\n'
        f"0(7) : <core> [core/cfg.lex:1495]: yylex(): error at {MAIN} line 4\n"
    )
    where, hint = told(log, paths)
    assert where == "kamailio.cfg:4:1"
    assert hint is not None
    assert hint.startswith(f"the lab has no {named}: ")


@pytest.mark.parametrize(
    ("log", "missing"),
    [
        (
            "ERROR: db_text [dbt_lib.c:135]: dbt_cache_get_db(): database [/etc/kamailio/dbtext] does not exists!",
            "/etc/kamailio/dbtext",
        ),
        (
            "ERROR: tls [tls_domain.c:564]: load_cert(): Unable to load certificate file '/etc/letsencrypt/a.pem'",
            "/etc/letsencrypt/a.pem",
        ),
        (
            "ERROR: dispatcher [dispatch.c:588]: ds_load_list(): can't open list file [/etc/kamailio/some.list]",
            "/etc/kamailio/some.list",
        ),
    ],
)
def test_a_file_that_a_module_reads_and_that_isnt_there(paths: Mapping[str, Path], log: str, missing: str) -> None:
    where, hint = told(f"0(8) {log}\n", paths)
    assert (where, (hint or "").partition(":")[0]) == (None, f"the lab has no {missing}")


def test_an_action_that_cant_be_prepared_stands_where_kamailio_says(paths: Mapping[str, Path]) -> None:
    log = (
        "0(8) ERROR: <core>: fix_actions(): fixing failed (code=-1) at cfg:/etc/kamailio/routes.cfg:2\n"
        f"0(8) ERROR: <core>: fix_actions(): fixing failed (code=-1) at cfg:{MAIN}:7\n"
    )
    assert told(log, paths) == ("routes.cfg:2:1", None)


def test_a_module_that_doesnt_start_is_told_where_it_is_loaded(paths: Mapping[str, Path]) -> None:
    log = (
        '0(10) ERROR: <core> [core/pvapi.c:913]: pv_parse_spec2(): error searching pvar "avp"\n'
        "0(10) ERROR: <core> [core/sr_module.c:1040]: init_mod(): Error while initializing module tm "
        "(/usr/lib/x86_64-linux-gnu/kamailio/modules/tm.so)\n"
    )
    hint = "nothing that is loaded before knows $avp: most variables are of the module pv"
    assert told(log, paths, {"tm": Location(MAIN, 6, 1)}) == ("kamailio.cfg:6:1", hint)
    assert told(log, paths) == (None, hint)


@pytest.mark.parametrize(
    "log",
    [
        "0(1) ERROR: <core> [sr_module.c:531]: can't load module </usr/lib/kamailio/modules/x.so>\n",
    ],
)
def test_what_is_no_missing_file(paths: Mapping[str, Path], log: str) -> None:
    assert told(log, paths) == (None, None)


@pytest.mark.parametrize(
    "log",
    [
        "0(1) ERROR: <core>: udp_init(): bind(7, 0x7f, 16) on 198.18.0.2: Address already in use\n",
        "0(1) ERROR: ctl: init_unix_sock(): bind: /run/kamailio/ctl: Address already in use, can't bind\n",
    ],
)
def test_a_port_that_is_taken_is_no_missing_file(paths: Mapping[str, Path], log: str) -> None:
    where, hint = told(log, paths)
    assert where is None
    assert (hint or "").startswith("a program of this machine has the port already: ")


@pytest.mark.parametrize(
    "log",
    [
        "0(1) ERROR: db_mysql [my_con.c:219]: connect failed to mysql://kamailio:x@db.example.com/kamailio\n",
        "0(7) ERROR: <core> [lib/srdb1/db.c:326]: db_do_init2(): could not add connection to the pool\n",
        "0(9) ERROR: db_postgres [km_pg_con.c:113]: db_postgres_new_connection(): could not connect to server\n",
    ],
)
def test_a_database_that_a_lab_doesnt_run(paths: Mapping[str, Path], log: str) -> None:
    assert (told(log, paths)[1] or "").startswith("a lab has no database of its own: ")


def test_a_parameter_that_went_with_an_earlier_version(paths: Mapping[str, Path]) -> None:
    log = (
        "0(8) ERROR: <core> [core/modparam.c:187]: set_mod_param_regex(): parameter <dst_avp> of type <1:string> not "
        "found in module <dispatcher>\n"
    )
    assert told(log + unreadable(6, 50, "Can't set module parameter"), paths) == (
        "kamailio.cfg:6:50",
        "this Kamailio's dispatcher has no parameter dst_avp: leave the line out, or --kamailio names a Kamailio "
        "that has it",
    )


def test_a_socket_that_only_the_users_machine_has(paths: Mapping[str, Path]) -> None:
    log = (
        "0(8) ERROR: <core> [core/route.c:1037]: fix_actions(): bad force_send_socket argument: 192.0.2.5:5060 "
        f"(kamailio doesn't listen on it)\n0(8) ERROR: fix_actions(): fixing failed (code=-9) at cfg:{MAIN}:7\n"
    )
    where, hint = told(log, paths)
    assert where == "kamailio.cfg:7:1"
    assert (hint or "").startswith("the lab's Kamailio listens at other addresses than 192.0.2.5:5060: ")


@pytest.mark.parametrize("logged", ['"local.cfg"', "local.cfg (/etc/kamailio/local.cfg)"])
def test_an_included_file_of_which_there_is_a_sample(paths: Mapping[str, Path], logged: str) -> None:
    (paths[MAIN].parent / "local.cfg.sample").touch()
    log = f"0(7) CRITICAL: <core> [core/cfg.lex:1949]: sr_push_yy_state(): cannot open included file: {logged}\n"
    assert told(log + f"0(7) : yylex(): error at {MAIN} line 4\n", paths)[1] == (
        "the lab has no local.cfg, and there is local.cfg.sample: give a copy of it that name"
    )


def test_a_name_that_nothing_defines(paths: Mapping[str, Path]) -> None:
    text = '#!define MY_PORT 5060\nserver_header = SERVER_HEADER\nport = MY_PORT "OTHER_NAME\n'
    paths[MAIN].write_text(text, "utf-8")
    wrong = unreadable(2, 17, "syntax error")
    assert told(wrong, paths)[1] == ("nothing defines SERVER_HEADER: --define SERVER_HEADER=VALUE does, or #!define")
    (paths[MAIN].parent / "local.sample.cfg").write_text('#!define SERVER_HEADER "X: Y"\n', "utf-8")
    assert told(wrong, paths)[1] == (
        "nothing defines SERVER_HEADER but local.sample.cfg, which isn't included: --define SERVER_HEADER=VALUE "
        "does, or #!define"
    )
    assert told(unreadable(3, 8, "syntax error"), paths)[1] == 'line 3 reads: port = MY_PORT "OTHER_NAME'


STOCK = """#!ifdef WITH_MYSQL
#!ifndef DBURL
#!define DBURL "mysql://localhost/kamailio"
#!endif
#!else
#!define OTHER_URL "text:///etc"
#!endif
#!define PLAIN 1
	modparam("auth_db", "db_url", NAME)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "DBURL",
            "DBURL is defined in line 3, but that is under #!ifdef WITH_MYSQL and #!ifndef DBURL: --define DBURL",
        ),
        (
            "OTHER_URL",
            "in line 6, but that is under the #!else of #!ifdef WITH_MYSQL: --define OTHER_URL=VALUE is one",
        ),
        ("PLAIN", 'line 9 reads: modparam("auth_db", "db_url", PLAIN)'),
        ("NOWHERE", 'line 9 reads: modparam("auth_db", "db_url", NOWHERE)'),
    ],
)
def test_a_name_that_is_defined_under_a_condition(paths: Mapping[str, Path], name: str, said: str) -> None:
    paths[MAIN].write_text(STOCK.replace("NAME", name), "utf-8")
    assert said in (told(unreadable(9, 32, "syntax error"), paths)[1] or "")
    simple = STOCK.replace("#!ifndef DBURL\n", "\n").replace('kamailio"\n#!endif\n', 'kamailio"\n\n')
    paths[MAIN].write_text(simple.replace("NAME", "DBURL"), "utf-8")
    assert (told(unreadable(9, 32, "syntax error"), paths)[1] or "").endswith("--define WITH_MYSQL=1 is one way")


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "0(8) ERROR: dmq [dmq.c:243]: mod_init(): server_uri is not a socket the proxy is listening on\n",
            "dmq names an address of a `listen` that the lab leaves out: put both between #!ifdef and #!endif, or "
            "give a copy without them",
        ),
        (
            "0(7) ERROR: ctl [init_socks.c:118]: init_unix_sock(): ERROR: init_unix_sock: bind: No such file or "
            "directory [2]\n",
            "ctl has a socket in a directory that the lab hasn't got: /run/kamailio is there",
        ),
        (
            "15(24) ERROR: evapi [evapi_dispatch.c:839]: evapi_run_dispatcher(): cannot bind to local address "
            "and port [10.0.0.1:8448]\n",
            "evapi listens at 10.0.0.1:8448, which the lab's Kamailio hasn't got: 0.0.0.0 is everywhere; or put its "
            "parameter between #!ifdef and #!endif",
        ),
        (
            "0(7) ERROR: ctl [init_socks.c:181]: init_sock(): ERROR: init_tcpudp_sock: bind: Cannot assign requested "
            "address [99]\n",
            "ctl listens at an address, which the lab's Kamailio hasn't got: 0.0.0.0 is everywhere; or put its "
            "parameter between #!ifdef and #!endif",
        ),
        (
            "0(8) ERROR: jsonrpcs [jsonrpcs_fifo.c:72]: jsonrpc_init_fifo_server(): Can't create FIFO: No such "
            "file or directory (mode=432)\n",
            "jsonrpcs has a socket in a directory that the lab hasn't got: /run/kamailio is there",
        ),
        (
            "0(8) ERROR: jsonrpcs [jsonrpcs_fifo.c:201]: jsonrpc_init_fifo_file(): Bad user name sip-user\n",
            "the lab has no user sip-user: put jsonrpcs's parameter between #!ifdef and #!endif, or "
            "give a copy without it",
        ),
        (
            "0(8) ERROR: <core> [db.c:212]: db_bind_mod(): Module db_mysql not found. Missing loadmodule?\n",
            "nothing loads db_mysql before",
        ),
        (
            "0(8) ERROR: <core> [modparam.c:201]: set_mod_param_regex(): No module matching <uac|usrloc> found\n",
            "nothing loads uac or usrloc before",
        ),
        (
            "0(8) ERROR: <core> [core/cfg.lex:2256]: pp_define_env(): env variable not defined [LOCAL_IP]\n",
            "set LOCAL_IP in the environment of this command; #!trydefenv does without it",
        ),
        (
            "0(8) ERROR: <core> [core/cfg.lex:2256]: pp_define_env(): env variable not defined [DBURL=DB_URL]\n",
            "set DB_URL in the environment of this command; #!trydefenv does without it",
        ),
    ],
)
def test_what_the_users_machine_has(paths: Mapping[str, Path], log: str, said: str) -> None:
    assert told(log, paths)[1] == said


def not_included(path: Path | str) -> str:
    """How Kamailio says it of a whole path, in its fourth line."""
    return (
        f'0(8) CRITICAL: <core> [core/cfg.lex:1912]: sr_push_yy_state(): cannot open included file: "{path}"\n'
        f"0(8) : <core> [core/cfg.lex:1495]: yylex(): error at {MAIN} line 4\n"
    )


def test_a_file_that_is_included_by_its_path_on_the_users_machine(paths: Mapping[str, Path], tmp_path: Path) -> None:
    assert told(not_included(paths["/etc/kamailio/routes.cfg"]), paths)[1] == (
        f'the lab has {tmp_path} as /etc/kamailio: include_file "routes.cfg" is found here and there'
    )


def test_a_file_that_is_included_from_elsewhere(
    paths: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("sip") / "common.cfg"
    elsewhere.touch()
    assert told(not_included(elsewhere), paths)[1] == (
        f"the lab has no {elsewhere}: it has the directory of kamailio.cfg alone; give a copy with this file in it"
    )


def test_a_pattern_is_no_name_of_a_file(paths: Mapping[str, Path]) -> None:
    assert told(not_included("/etc/kamailio/conf.d/*.cfg"), paths)[1] == (
        "Kamailio takes /etc/kamailio/conf.d/*.cfg for one file's name: write a line for each file"
    )


@pytest.mark.parametrize(
    ("line", "is_over"),
    [
        ("2(11) ERROR: <core> [core/pt.c:334]: fork_process(): init_child failed for process 2, pid 11\n", True),
        ("2(11) CRITICAL: <core> [main.c:1881]: main_loop(): Cannot fork\n", True),
        ("0(8) ERROR: <core> [main.c:2056]: main_loop(): error in init_child for rank PROC_POSTCHILDINIT\n", True),
        ("0(8) ERROR: <core> [core/tcp_main.c:5367]: tcp_init_children(): fork failed: Too many open files\n", True),
        ("0(8) ERROR: dispatcher [dispatch.c:1]: ds_init(): can't fork a probe\n", False),
    ],
)
def test_one_that_hangs_after_it_has_failed(line: str, is_over: bool) -> None:
    assert has_failed_to_start(f"0(8) INFO: starting\n{line}22(31) CRITICAL: receive_fd(): EOF on 17\n") is is_over


@pytest.mark.parametrize(
    ("line", "remedy_says"),
    [
        ("fork_tcp_process(): socketpair failed: Too many open files", "`--ulimit nofile=1024`"),
        ("fork_process(): fork failed: Resource temporarily unavailable", "`--pids-limit`"),
        ("sr_wtimer_start(): wtimer starting failed", "`ulimit -u`"),
    ],
)
def test_a_limit_of_the_session_is_named(paths: Mapping[str, Path], line: str, remedy_says: str) -> None:
    where, hint = told(f" 0(8) ERROR: <core> [core/pt.c:415]: {line}\n", paths)
    assert where is None
    assert remedy_says in (hint or "")
    assert "fewer `children`" in (hint or "")


def test_a_database_that_sqlite_cant_open_is_told_with_the_way_to_write_its_path(paths: Mapping[str, Path]) -> None:
    log = (
        " 0(7) ERROR: db_sqlite [dbase.c:84]: db_sqlite_new_connection(): failed to open sqlite database 'etc/k.db'\n"
        " 0(7) ERROR: <core> [lib/srdb1/db.c:326]: db_do_init2(): could not add connection to the pool\n"
    )
    hint = told(log, paths)[1] or ""
    assert hint.startswith("the lab has no database etc/k.db")
    assert "sqlite:////etc/kamailio/" in hint


@pytest.mark.parametrize(
    ("line", "remedy_says"),
    [
        (
            "<core> [core/cfg.y:3907]: yyparse(): cfg. parser: failed to find command is_method (params 1)",
            'is_method is a function of the module textops: loadmodule "textops.so" before, or does it take other',
        ),
        (
            "dialog [dialog.c:661]: mod_init(): can't load RR API",
            'dialog needs the module rr: loadmodule "rr.so" in a line before it',
        ),
        (
            "registrar [registrar.c:320]: mod_init(): Cannot bind to SL API. Please load the SL module before",
            'registrar needs the module sl: loadmodule "sl.so" in a line before it',
        ),
        (
            '<core> [core/pvapi.c:913]: pv_parse_spec2(): error searching pvar "ru"',
            "nothing that is loaded before knows $ru: most variables are of the module pv",
        ),
        (
            "xhttp [xhttp_mod.c:139]: mod_init(): failed to find event_route[xhttp:request]",
            "xhttp needs an event_route[xhttp:request]: write one, or leave the module out",
        ),
    ],
)
def test_what_has_to_be_loaded_before_is_named(paths: Mapping[str, Path], line: str, remedy_says: str) -> None:
    _, hint = told(f" 0(8) ERROR: {line}\n", paths)
    assert (hint or "").startswith(remedy_says)


def test_a_function_that_no_usual_module_has_shows_its_line(paths: Mapping[str, Path]) -> None:
    log = (
        " 0(8) ERROR: <core> [core/cfg.y:3907]: yyparse(): cfg. parser: failed to find command is_wethod (params 1)\n"
    )
    assert "line 7 reads: " in (told(log + unreadable(7, 13, "unknown command, missing loadmodule?"), paths)[1] or "")


def parameters(module: str, **values: str) -> list[Parameter]:
    """One a line, from the second on."""
    return [
        Parameter(module, name, value, Location(MAIN, line, 1))
        for line, (name, value) in enumerate(values.items(), 2)
    ]


@pytest.mark.parametrize(
    ("module", "said", "given", "line"),
    [
        (
            "evapi",
            "ERROR: evapi [evapi_dispatch.c:839]: evapi_run_dispatcher(): cannot bind to local address and port "
            "[10.44.0.9:8448]",
            {"workers": "1", "bind_addr": "10.44.0.9:8448"},
            3,
        ),
        (
            "evapi",
            "ERROR: evapi [evapi_dispatch.c:798]: evapi_run_dispatcher(): getaddrinfo failed: -2 Name or "
            "service not known",
            {"workers": "1", "bind_addr": "no port here"},
            3,
        ),
        (
            "ctl",
            "ERROR: ctl [init_socks.c:118]: init_unix_sock(): ERROR: init_unix_sock: bind: No such file or directory "
            "[2]",
            {"mode": "0600", "binrpc": "unix:/var/run/elsewhere/kamailio_ctl"},
            3,
        ),
        (
            "usrloc",
            "ERROR: db_sqlite [dbase.c:84]: db_sqlite_new_connection(): failed to open sqlite database "
            "'/etc/kamailio/nowhere/k.db'",
            {"db_mode": "2", "db_url": "sqlite:////etc/kamailio/nowhere/k.db"},
            3,
        ),
        (
            "http_async_client",
            "ERROR: http_async_client [http_async_client_mod.c:267]: mod_init(): the 'workers' parameter must be "
            ">= 1",
            {"connection_timeout": "500", "workers": "0"},
            3,
        ),
        (
            "evapi",
            "ERROR: evapi [evapi_mod.c:1]: mod_init(): failed",
            {"workers": "1", "bind_addr": "0.0.0.0:8448"},
            1,
        ),
        (
            "rtpengine",
            "ERROR: rtpengine [rtpengine.c:1]: mod_init(): cannot resolve it",
            {"rtpengine_sock": "udp:a:2223", "db_url": "sqlite:///k.db"},
            1,
        ),
    ],
)
def test_a_module_that_doesnt_start_is_told_by_the_parameter_that_is_blamed(
    paths: Mapping[str, Path], module: str, said: str, given: Mapping[str, str], line: int
) -> None:
    log = (
        f"0(8) {said}\n0(8) ERROR: <core> [core/sr_module.c:923]: init_mod_child(): error while initializing module "
        f"{module} (/usr/lib/x86_64-linux-gnu/kamailio/modules/{module}.so) (idx: 1 rank: 1)\n"
    )
    others = [*parameters("tm", fr_timer="1000", bind_addr="10.44.0.9:8448"), *parameters(module, **given)]
    assert told(log, paths, {module: Location(MAIN, 1, 1)}, others)[0] == f"kamailio.cfg:{line}:1"


def test_a_word_that_is_no_directive_of_this_kamailio(paths: Mapping[str, Path]) -> None:
    paths[MAIN].write_text('import_files "local.d/*.cfg"\nload_module "tm.so"\nlog_prefix="x"\n', "utf-8")
    assert told(unreadable(1, 14, "syntax error"), paths)[1] == (
        "this Kamailio knows no import_files: did you mean import_file, a line for each file?"
    )
    assert told(unreadable(2, 13, "syntax error"), paths)[1] == (
        "this Kamailio knows no load_module: did you mean loadmodule?"
    )
    assert told(unreadable(3, 1, "syntax error"), paths)[1] == 'line 3 reads: log_prefix="x"'


def test_a_script_that_fails_is_told_by_what_it_says_and_where_it_is_named(paths: Mapping[str, Path]) -> None:
    log = (
        "0(11) ERROR: app_python3 [python_support.c:169]: python_handle_exception(): mod_init: Unhandled exception "
        "in the Python code:\nModuleNotFoundError: No module named 'push'\n"
        "0(11) ERROR: app_python3 [app_python3_mod.c:173]: mod_init(): failed to load python script\n"
        "0(11) ERROR: <core> [core/sr_module.c:1040]: init_mod(): Error while initializing module app_python3 "
        "(/x.so)\n"
    )
    given = parameters("app_python3", script_init="mod_init", load="/home/ana/push.py")
    assert told(log, paths, {"app_python3": Location(MAIN, 1, 1)}, given) == (
        "kamailio.cfg:3:1",
        "the script that app_python3 loads says ModuleNotFoundError: No module named 'push'",
    )


def test_the_first_place_that_is_to_be_filled_in(tmp_path: Path) -> None:
    fine, other = tmp_path / "fine.cfg", tmp_path / "kamailio.cfg"
    fine.write_text('#!substdef "!HOST!{{x}}!g"\n', "utf-8")
    other.write_text(
        '# {{ comment }}\ndebug=2 # ${ALSO}\n#!subst "/__A__/b/"\nalias="__A__"\nlisten=udp:{{ ADDRESS }}:5060\n',
        "utf-8",
    )
    assert unfilled([other]) == Location(str(other), 5, 12)
    assert unfilled([fine, other]) == Location(str(fine), 1, 19)
    other.write_text("debug=2\n", "utf-8")
    assert unfilled([other, tmp_path / "nowhere.cfg", tmp_path / "t.j2"]) is None


def test_a_name_in_place_of_a_value_is_to_be_filled_in(paths: Mapping[str, Path]) -> None:
    log = (
        "0(8) ERROR: ims_ipsec_pcscf [ims_ipsec_pcscf_mod.c:233]: ipsec_add_listen_ifaces(): Unable to convert ipsec "
        "addr6 [PCSCF_IP]\n0(8) ERROR: <core> [core/sr_module.c:1040]: init_mod(): Error while initializing module "
        "ims_ipsec_pcscf (/x.so)\n"
    )
    given = parameters("ims_ipsec_pcscf", ipsec_max_connections="10", ipsec_listen_addr6="PCSCF_IP")
    assert told(log, paths, {"ims_ipsec_pcscf": Location(MAIN, 1, 1)}, given) == (
        "kamailio.cfg:3:1",
        "is PCSCF_IP there to be filled in? give a copy in which it is",
    )
    assert told("0(8) ERROR: acc [a.c:1]: f(): no facility 'LOG_LOCAL9'\n", paths) == (None, None)
