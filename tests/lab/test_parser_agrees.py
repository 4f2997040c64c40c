"""The parser and Kamailio's own agree on what is a configuration, and on what the preprocessor makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rating_harness.errors import ConfigurationError
from rating_harness.kamailio_config.parser import parse
from rating_harness.kamailio_config.preprocessor import version_defines
from rating_harness.run.stack import Stack

pytestmark = pytest.mark.lab

HEAD = 'loadmodule "pv.so"\nloadmodule "xlog.so"\nloadmodule "sl.so"\nloadmodule "textops.so"\nloadmodule "siputils.so"\n'  # noqa: E501

TAKEN = {
    "an if without brackets": 'request_route { if is_method("A") exit; }',
    "an else of the nearest if": "request_route { if ($rm == 1) if ($rm == 2) exit; else drop; else return; }",
    "words as operators": 'request_route { if (not is_method("A") and $rU ne "b" or defined $rd) exit; }',
    "an attribute of SER": "request_route { $t.a = 1; }",
    "an open comment": "request_route { exit; } /* /* */",
    "a chain of comparisons": "request_route { $var(x) = 1 < 2 == 1 | 2 & 3 ^ 4 << 1 >> 2 mod 3; }",
    "an assignment as an expression": "request_route { if (($var(a) = 1)) exit; }",
    "statements as an expression": "request_route { $var(a) = { xlog(\"x\"); }; }",
    "casts": "request_route { $var(a) = (int)$rU + (int)\"3\"; $var(b) = (str)3 + \"x\"; }",
    "core functions without brackets": "request_route { force_rport; revert_uri; }",
    "addresses": "request_route { if (src_ip == 10.0.0.0/8 || dst_ip == ::1 || src_ip == 1.2.3.4) exit; }",
    "words of old": 'request_route { if (method == INVITE || uri =~ "x" && proto == UDP || af == INET) exit; }',
    "a socket to send from": "request_route { force_send_socket(udp:127.0.0.1:5060); }",
    "a switch": 'request_route { switch ($rU) { case "a": case "b": exit; case /"^c": drop; default: } }',
    "an empty switch": "request_route { switch ($rU) { } }",
    "a while": "request_route { while ($var(i) < 3) $var(i) = $var(i) + 1; }",
    "a null statement": "request_route { ;; if (1) ; }",
    "routes with all kinds of names": 'route["two words"] { exit; } route[1] { exit; } request_route { route(1); }',
    "selects": "request_route { $var(a) = @to.uri.user; }",
    "adjacent strings": 'request_route { xlog("a" "b"\n"c"); }',
    "nested comments": "request_route { /* /* */ exit; */ exit; }",
    "a define of several statements": "#!define TWO exit; drop;\nrequest_route { TWO }",
    "a define in a define": "#!define A 3\n#!define B A\nrequest_route { $var(x) = B; }",
    "a define without a value": "#!define A\nrequest_route { A exit; }",
    "a comment in a define": "#!define A exit; # a comment with )\nrequest_route { A\n}",
    "a value over two lines": "#!define A 1 + \\\n2\nrequest_route { $var(x) = A; }",
    "a condition in a comment that is left out": "#!ifdef A\n# see #!ifdef B\n}\n#!endif\n#!endif\nrequest_route { exit; }",  # noqa: E501
    "values of defines are strings": '#!define S 900\n#!ifexp S >= "5000"\nrequest_route { exit; }\n#!else\n}\n#!endif\n',  # noqa: E501
    "numbers on the left": "#!define S 900\n#!ifexp 0 + S >= 5000\n}\n#!else\nrequest_route { exit; }\n#!endif\n",
    "an unknown word is none": "#!ifexp NOTHING\n}\n#!else\nrequest_route { exit; }\n#!endif\n",
    "defexp": "#!defexp B 1 + 2 * 2\n#!ifexp B == 5\nrequest_route { exit; }\n#!else\n}\n#!endif\n",
    "defexps": '#!define A "x"\n#!defexps B A + "y"\n#!ifexp B == "xy"\nrequest_route { xlog(B); }\n#!else\n}\n#!endif\n',  # noqa: E501
    "subst": '#!subst "/alice/bob/g"\nrequest_route { xlog("alice"); $var(alice) = 1; }',
    "substdef": '#!substdef "!HERE!127.0.0.1!g"\nlisten=udp:HERE:5060\nrequest_route { exit; }',
    "a loaded module is defined": "#!ifdef MOD_sl\nrequest_route { exit; }\n#!else\n}\n#!endif\n",
    "its version is defined": "#!ifndef KAMAILIO_6\n}\n#!endif\nrequest_route { exit; }",
    "settings in one line": "debug=2 log_stderror=no children=2; port=5060\nrequest_route { exit; }",
    "a listener": 'listen=udp:127.0.0.1:5060 advertise 192.0.2.1:5070 name "a"\nrequest_route { exit; }',
    "a socket in braces": 'socket = { bind = udp:127.0.0.1:5060; name = "s"; }\nrequest_route { exit; }',
    "flags": "flags A:1, B:2\nrequest_route { setflag(A); exit; }",
    "variables of its own": 'my.limit = 10 desc "how many"\nrequest_route { exit; }',
    "an import that isn't there": 'import_file "not-there.cfg"\nrequest_route { exit; }',
}  # fmt: skip

REFUSED = {
    "an endif too many": "#!endif\nrequest_route { exit; }",
    "an attribute of SER in Kamailio's mode": "#!KAMAILIO\nrequest_route { $t.a = 1; }",
    "a call without its semicolon": 'request_route { if (is_method("A")) xlog("x") else exit; }',
    "a block that is open": 'request_route { if (is_method("A")) { { exit; } }',
    "a block as a statement": "request_route { { exit; } }",
    "an empty route": "request_route { }",
    "an empty block": "request_route { if (1) { } exit; }",
    "a bare word as a parameter": 'modparam("pv", "x", WORD)\nrequest_route { exit; }',
    "a bare word as a module": "loadmodule tm\nrequest_route { exit; }",
    "an else alone": "request_route { else exit; }",
    "plus and equals": "request_route { $var(a) += 1; }",
    "an open string": 'request_route { xlog("a); }',
    "an endif with a comment": "#!ifdef A\n#!endif # of A\nrequest_route { exit; }",
    "an endif without a newline": "request_route { exit; }\n#!ifdef A\n#!endif",
    "a define twice": "#!define A 1\n#!define A 2\nrequest_route { exit; }",
    "an include that isn't there": 'include_file "not-there.cfg"\nrequest_route { exit; }',
    "an include in single quotes": "include_file 'x.cfg'\nrequest_route { exit; }",
    "an operator without an operand": "request_route { if ($rU ==) exit; }",
    "a statement outside of routes": "exit;\nrequest_route { exit; }",
    "a variable over two lines": "request_route { $var(a\n) = 1; }",
    "a remainder in C": "request_route { $var(a) = 3 % 2; }",
}


@pytest.fixture
def kamailio_takes(rating_stack: Stack) -> Callable[[str], bool]:
    def takes(text: str) -> bool:
        return rating_stack.programs.refuses({"kamailio.cfg": text.encode()}, {}) is None

    return takes


def parses(text: str, version: str) -> bool:
    try:
        parse(
            "kamailio.cfg",
            lambda name, within: (name, text) if name == "kamailio.cfg" else None,
            version_defines(version),
        )
    except ConfigurationError:
        return False
    return True


@pytest.mark.parametrize("name", [*TAKEN, *REFUSED])
def test_both_say_the_same(name: str, kamailio_takes: Callable[[str], bool], rating_stack: Stack) -> None:
    text = HEAD + {**TAKEN, **REFUSED}[name]
    text += "" if name == "an endif without a newline" else "\n"
    wanted = name in TAKEN
    assert (kamailio_takes(text), parses(text, rating_stack.programs.kamailio)) == (wanted, wanted)
