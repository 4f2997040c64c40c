"""The tree of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.errors import ConfigurationError, Location
from rating_harness.kamailio_config.parser import load, parse_expression, parse_statement
from rating_harness.kamailio_config.tree import (
    Assignment,
    Binary,
    Call,
    CallStatement,
    Expression,
    Flags,
    If,
    Jump,
    Number,
    Parenthesized,
    String,
    Switch,
    Unary,
    While,
    walk,
)
from rating_harness.lab.files import data_directory
from tests.unit.kamailio_config.builders import body, configuration


def shown(expression: Expression) -> str:
    """An expression with brackets around each operator and what it applies to."""
    if isinstance(expression, Binary):
        return f"({shown(expression.left)} {expression.operator.text} {shown(expression.right)})"
    if isinstance(expression, Unary):
        return f"({expression.operator.text} {shown(expression.operand)})"
    if isinstance(expression, Parenthesized):
        assert not isinstance(expression.inner, Assignment)
        return shown(expression.inner)
    if isinstance(expression, Call):
        return f"{expression.function.text}({', '.join(shown(each) for each in expression.arguments)})"
    if isinstance(expression, String):
        return repr(expression.value)
    return getattr(expression, "text", "?")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("$a || $b && $c", "($a || ($b && $c))"),
        ("$a or $b and not $c", "($a or ($b and (not $c)))"),
        ("!$a == 1", "((! $a) == 1)"),
        ("$a == 1 && $b != 2", "(($a == 1) && ($b != 2))"),
        ("$a == 1 < 2", "($a == (1 < 2))"),
        ("$a + 1 * 2 - 3", "(($a + (1 * 2)) - 3)"),
        ("$a mod 2 / 3", "(($a mod 2) / 3)"),
        ("$a | $b & $c ^ $d", "($a | ($b & ($c ^ $d)))"),
        ("$a << 1 + 2", "($a << (1 + 2))"),
        ("$a == 1 << 2", "(($a == 1) << 2)"),
        ("-1 + -$a", "((- 1) + (- $a))"),
        ("~$a & 1", "((~ $a) & 1)"),
        ("(int)$a + 1", "(((int) $a) + 1)"),
        ("defined $a && $b", "((defined $a) && $b)"),
        ('$rU =~ "^1" || $a ieq 3', "(($rU =~ '^1') || ($a ieq 3))"),
        ('method=="INVITE"', "(method == 'INVITE')"),
        ("method==INVITE", "(method == INVITE)"),
        ("uri==myself", "(uri == myself)"),
        ("src_ip==192.168.0.0/16", "(src_ip == (192.168.0.0 / 16))"),
        ("src_ip==10.1.2.3 or dst_port==5061", "((src_ip == 10.1.2.3) or (dst_port == 5061))"),
        ("src_ip==::1", "(src_ip == ::1)"),
        ("msg:len >= max_len", "(msg:len >= max_len)"),
        ("proto==udp", "(proto == udp)"),
        ("strlen($a) > 3", "(strlen($a) > 3)"),
        ('f("a", 1, $b, -1)', "f('a', 1, $b, (- 1))"),
        ("route(NAME)", "route(NAME)"),
        ('selval($a > 1, "x", "y")', "selval(($a > 1), 'x', 'y')"),
        ("@to.uri.user", "@to.uri.user"),
    ],
)
def test_expressions(text: str, meaning: str) -> None:
    assert shown(parse_expression(text)) == meaning


def test_an_assignment_may_be_an_expression() -> None:
    statement = parse_statement("if (($var(a) = 1)) x();")
    assert isinstance(statement, If)


@pytest.mark.parametrize(
    "text",
    [
        "forward(uri:host, uri:port);",
        "forward(udp:10.0.0.1:5060);",
        "force_send_socket(tcp:10.0.0.1:5060);",
        "force_send_socket(tls:[2001:db8::1]:5061);",
        "forward_tcp(sip.example.org, 5060);",
        "force_rport;",
        "revert_uri();",
        "setflag(FLT_ACC);",
        "udp_mtu_try_proto(TCP);",
        "set_advertised_address(192.0.2.1);",
        'log(1, "text\\n");',
        "xlog(LEVEL);",
        "remove_branch(-1);",
        ";",
        "exit;",
        "exit();",
        "return;",
        "return -1;",
        "return(1);",
        "drop(0);",
        "break;",
        '$du = "sip:" + $var(h) + ":5060";',
        "%f.name = 1;",
        "$var(x) = (1 + 2);",
        "$var(x) = { f(); g(); };",
        "if (a()) b();",
        "if a() b();",
        "if (a()) { b(); } else if (c()) d(); else { e(); }",
        "while ($var(i) < 3) $var(i) = $var(i) + 1;",
        "while (1) { break; }",
        'switch ($rU) { case "a": case "b": x(); break; case /"^c": y(); default: }',
        "switch ($var(a)) { }",
        "switch ($var(a)) { case 1 + 2: x(); }",
        "if (default) x();",
    ],
)
def test_statements(text: str) -> None:
    statement = parse_statement(text)
    assert statement.span.start.offset == 1
    assert statement.span.end.offset == 1 + len(text)


@pytest.mark.parametrize(
    "text",
    [
        "a()",
        "a() b();",
        "if (a()) ; else",
        "$a + 1;",
        "1;",
        "{ a(); }",
        "case 1:",
        "if () a();",
        "x = 1;",
        "$a += 1;",
        "a(;",
    ],
)
def test_what_is_no_statement(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_statement(text)


def test_an_else_belongs_to_the_nearest_if() -> None:
    (outer,) = body("if (a()) if (b()) c(); else d();")
    assert isinstance(outer, If)
    assert outer.otherwise is None
    assert isinstance(outer.then, If)
    assert outer.then.otherwise is not None


def test_a_switch() -> None:
    (switch,) = body('switch ($rU) {\n\tcase "a":\n\tcase "b":\n\t\tx();\n\t\tbreak;\n\tdefault:\n\t\ty();\n}')
    assert isinstance(switch, Switch)
    assert [(case.label is None, len(case.statements)) for case in switch.cases] == [
        (False, 0),
        (False, 2),
        (True, 1),
    ]
    assert [case.head.start.line for case in switch.cases] == [3, 4, 7]
    assert switch.closing.start.line == 9


def test_where_statements_stand() -> None:
    text = "request_route {\n\tif (a()) {\n\t\t$var(x) =\n\t\t\t1;\n\t} else exit;\n\twhile (b()) c();\n}\n"
    tree = configuration(text)
    (route,) = tree.routes
    condition, loop = route.body.statements
    assert isinstance(condition, If)
    assert isinstance(loop, While)
    assert (condition.span.start.line, condition.span.end.line) == (2, 5)
    assert isinstance(condition.otherwise, Jump)
    assert condition.otherwise.word == "exit"
    assert condition.otherwise.span.text(tree.sources) == "exit;"
    assignment = next(node for node in walk(condition) if isinstance(node, Assignment))
    assert (assignment.span.start.line, assignment.span.start.column, assignment.span.end.line) == (3, 3, 4)
    assert assignment.span.text(tree.sources) == "$var(x) =\n\t\t\t1;"
    assert loop.condition.span.text(tree.sources) == "(b())"


def test_routes() -> None:
    text = """
route { a(); }
request_route { a(); }
route[RELAY] { a(); }
route[1] { a(); }
route["two words"] { a(); }
failure_route[F] { a(); }
onreply_route[R] { a(); }
reply_route { a(); }
branch_route[B] { a(); }
onsend_route { a(); }
event_route[dialog:end] { a(); }
event_route [ tm:local-request ] { a(); }
"""
    routes = configuration(text).routes
    assert [(route.kind, route.name) for route in routes] == [
        ("request", ""),
        ("request", ""),
        ("request", "RELAY"),
        ("request", "1"),
        ("request", "two words"),
        ("failure", "F"),
        ("reply", "R"),
        ("reply", ""),
        ("branch", "B"),
        ("onsend", ""),
        ("event", "dialog:end"),
        ("event", "tm:local-request"),
    ]
    assert [route.title for route in routes][-2:] == ["event_route[dialog:end]", "event_route[tm:local-request]"]


def test_settings_and_modules() -> None:
    text = """
debug=2; log_stderror = yes
listen=udp:10.0.0.1:5060 advertise 192.0.2.1:5060 name "out"
listen=tcp:eth0:5061
listen=(10.0.0.1, 10.0.0.2):5060
alias="sip.test" example.org:5060
mpath="/usr/lib/kamailio/modules:/opt"
loadpath "/x"
loadmodule "tm.so"
loadmodule("/opt/sl", "g")
modparam("tm|sl", "fr_timer", 5000)
modparam("rr", "x", -1)
modparam("a", "b", "c")
modparamx("a", "b", $var(c))
flags FLT_ACC:1, FLT_NAT
avpflags one
my.limit = 10 desc "how many"
my[1].limit = 20
coreparam[name] = "x"
dns_srv_lb=no
port=5070
socket = { bind = udp:10.0.0.1:5060; name = "s"; }
tls_method=TLSv1
"""
    tree = configuration(text)
    assert [(setting.name.text, setting.text) for setting in tree.settings] == [
        ("debug", "2"),
        ("log_stderror", "yes"),
        ("listen", "udp:10.0.0.1:5060 advertise 192.0.2.1:5060 name out"),
        ("listen", "tcp:eth0:5061"),
        ("listen", "(10.0.0.1, 10.0.0.2):5060"),
        ("alias", "sip.test example.org:5060"),
        ("mpath", "/usr/lib/kamailio/modules:/opt"),
        ("loadpath", "/x"),
        ("my.limit", "10 desc how many"),
        ("my[1].limit", "20"),
        ("coreparam[name]", "x"),
        ("dns_srv_lb", "no"),
        ("port", "5070"),
        ("socket", ""),
        ("tls_method", "TLSv1"),
    ]
    assert [module.module for module in tree.modules] == ["tm", "sl"]
    first = tree.parameters[0]
    assert (first.modules.value, first.name.value) == ("tm|sl", "fr_timer")
    assert isinstance(first.value, Number)
    (flags, avpflags) = [item for item in tree.items if isinstance(item, Flags)]
    assert [word.text for word in flags.names] == ["FLT_ACC", "FLT_NAT"]
    assert [word.text for word in avpflags.names] == ["one"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("request_route {\n\ta()\n\tb();\n}\n", 3, 2),
        ("request_route {\n\tif (a() {\n\t}\n}\n", 2, 10),
        ("request_route {\n}\n", 2, 1),
        ("request_route {\n\ta();\n", 2, 6),
        ("route[X] a();\n", 1, 10),
        ("loadmodule tm\n", 1, 12),
        ('modparam("a", "b")\n', 1, 18),
        ("}\n", 1, 1),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration(text)
    assert caught.value.where == Location("kamailio.cfg", line, column)


def test_a_stray_quote_is_told_where_it_stands_and_not_where_the_rest_is_no_word() -> None:
    """From there on what was within quotes is outside of them: Kamailio's parser is the first to complain."""
    text = 'request_route {\n\tdlg_set_timeout("3600")");\n'
    text += '\tif ($si == "1.2.3.4") { xlog("a\\nb"); exit; }\n' * 4 + "}\n"
    with pytest.raises(ConfigurationError) as caught:
        configuration(text)
    assert caught.value.message == "syntax error"
    assert caught.value.where == Location("kamailio.cfg", 2, 25)
    assert (caught.value.found, caught.value.hint) == (");", "in this line a quote is missing, or is one too many")


def test_a_script_of_kemi_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration('loadmodule "app_lua.so"\ncfgengine "lua"\n')
    assert caught.value.where == Location("kamailio.cfg", 2, 11)
    assert "KEMI" in str(caught.value)
    assert configuration('cfgengine "native"\n').settings


@pytest.mark.parametrize("switches", [(), ("WITH_AUTH",), ("WITH_TLS", "WITH_DIALOG_DB"), ("KAMAILIO_5",)])
def test_the_projects_own_configuration(switches: tuple[str, ...]) -> None:
    tree = load(data_directory("kamailio"), dict.fromkeys(switches))
    assert {Path(file).name for file in tree.sources} >= {"kamailio.cfg", "rating.cfg"}
    assert "RATING_SWEEP" in {route.name for route in tree.routes}
    assert ("auth" in {module.module for module in tree.modules}) == ("WITH_AUTH" in switches)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such configuration") as caught:
        load(tmp_path)
    assert caught.value.found == "a directory with no .cfg file"
    for name in ("production.cfg", "kamailio.cfg.dpkg-old"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert caught.value.found == "a directory with production.cfg"
    assert caught.value.hint == f"name the one that Kamailio is started with: {tmp_path / 'production.cfg'}"
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "gone.cfg")
    assert caught.value.where == str(tmp_path / "gone.cfg")
    assert caught.value.found is None


def test_a_link_that_leads_nowhere_is_told_with_the_file_that_it_means(tmp_path: Path) -> None:
    (tmp_path / "kamailio.cfg").symlink_to("/home/other/kamailio/production.cfg")
    (tmp_path / "production.cfg").touch()
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert caught.value.found == "a link to /home/other/kamailio/production.cfg"
    assert str(tmp_path / "production.cfg") in (caught.value.hint or "")


def test_one_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kamailio.cfg").touch()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ConfigurationError, match="may not be read") as caught:
        load(tmp_path)
    assert caught.value.where == str(tmp_path / "kamailio.cfg")


def test_an_absolute_include_means_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "kamailio.cfg").write_text('include_file "/etc/kamailio/routes/one.cfg"\n')
    (tmp_path / "routes").mkdir()
    (tmp_path / "routes" / "one.cfg").write_text('include_file "two.cfg"\n')
    (tmp_path / "routes" / "two.cfg").write_text("a=1\n")
    (setting,) = load(tmp_path).settings
    assert setting.span.file == str(tmp_path / "routes" / "two.cfg")


def test_a_call_without_brackets_has_no_arguments() -> None:
    (statement,) = body("force_rport;")
    assert isinstance(statement, CallStatement)
    assert statement.call.function.text == "force_rport"
    assert statement.call.arguments == ()
