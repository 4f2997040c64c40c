"""Kamailio 6.0.1's own words for what keeps it from starting: the user's line, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from rating_harness.errors import Location
from rating_harness.run.kamailio import with_user_paths
from rating_harness.run.start_failure import remedy, where_it_stands

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
    log: str, paths: Mapping[str, Path], modules: Mapping[str, Location] | None = None
) -> tuple[str | None, str | None]:
    """The place, by the file's name, and the remedy."""
    where = where_it_stands(log, paths, modules or {})
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
    assert told(log, paths, {"tm": Location(MAIN, 6, 1)}) == ("kamailio.cfg:6:1", None)
    assert told(log, paths) == (None, None)


@pytest.mark.parametrize(
    "log",
    [
        "0(1) ERROR: <core>: udp_init(): bind(7, 0x7f, 16) on 198.18.0.2: Address already in use\n",
        "0(1) ERROR: ctl: init_unix_sock(): bind: /run/kamailio/ctl: Address already in use, can't bind\n",
        "0(1) ERROR: db_mysql [my_con.c:219]: connect failed to mysql://kamailio:x@db.example.com/kamailio\n",
        "0(1) ERROR: <core> [sr_module.c:531]: can't load module </usr/lib/kamailio/modules/x.so>\n",
    ],
)
def test_what_is_no_missing_file(paths: Mapping[str, Path], log: str) -> None:
    assert told(log, paths) == (None, None)
