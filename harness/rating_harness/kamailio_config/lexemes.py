"""What the words of a configuration look like, and which kind of token each is (``core/cfg.lex``, 6.0)."""

from __future__ import annotations

import re

__all__ = [
    "BLANK",
    "CAST",
    "COLON_WORD",
    "CONDITION",
    "DIRECTIVE",
    "DIRECTIVES",
    "ESCAPE",
    "ESCAPED",
    "EVENT_NAME",
    "FAMILIES",
    "IDENTIFIER",
    "IPV6",
    "KEYWORDS",
    "MODE",
    "NUMBER",
    "NUMBER_WORDS",
    "OPERATOR",
    "OPERATORS",
    "RETCODE",
    "SELECT",
    "SER_ATTRIBUTE",
    "SKIP",
    "VARIABLE",
    "WORD",
]

KEYWORDS = {
    "if": "IF",
    "else": "ELSE",
    "while": "WHILE",
    "switch": "SWITCH",
    "case": "CASE",
    "default": "DEFAULT",
    "route": "ROUTE",
    "request_route": "ROUTE_KIND",
    "failure_route": "ROUTE_KIND",
    "reply_route": "ROUTE_KIND",
    "onreply_route": "ROUTE_KIND",
    "branch_route": "ROUTE_KIND",
    "onsend_route": "ROUTE_KIND",
    "event_route": "EVENT_ROUTE",
    "drop": "JUMP",
    "exit": "JUMP",
    "return": "JUMP",
    "break": "JUMP",
    "loadmodule": "LOADMODULE",
    "loadmodulex": "LOADMODULE",
    "loadpath": "LOADPATH",
    "mpath": "LOADPATH",
    "modparam": "MODPARAM",
    "modparamx": "MODPARAM",
    "cfgengine": "CFGENGINE",
    "flags": "FLAGS",
    "bool": "FLAGS",
    "avpflags": "FLAGS",
    "not": "NOT",
    "and": "AND",
    "or": "OR",
    "mod": "MULTIPLICATION",
    "eq": "EQUALITY",
    "ne": "EQUALITY",
    "ieq": "EQUALITY",
    "ine": "EQUALITY",
    "defined": "DEFINED",
}
NUMBER_WORDS = frozenset(("yes", "true", "on", "enable", "no", "false", "off", "disable"))
FAMILIES = frozenset(("inet", "INET", "ipv4", "IPv4", "IPV4", "inet6", "INET6", "ipv6", "IPv6", "IPV6"))
OPERATORS = {
    "==": "EQUALITY",
    "!=": "EQUALITY",
    "=~": "EQUALITY",
    "<=": "RELATION",
    ">=": "RELATION",
    "<<": "SHIFT",
    ">>": "SHIFT",
    "&&": "AND",
    "||": "OR",
    "+=": "ADD_ASSIGN",
    "<": "RELATION",
    ">": "RELATION",
    "=": "EQUAL",
    "!": "NOT",
    "&": "BIT_AND",
    "|": "BIT_OR",
    "^": "BIT_XOR",
    "~": "BIT_NOT",
    "+": "PLUS",
    "-": "MINUS",
    "*": "STAR",
    "/": "SLASH",
    ",": "COMMA",
    ";": "SEMICOLON",
    ":": "COLON",
    "(": "LPAR",
    ")": "RPAR",
    "{": "LBRACE",
    "}": "RBRACE",
    "[": "LBRACKET",
    "]": "RBRACKET",
    ".": "DOT",
}
DIRECTIVES = {
    "define": "define",
    "def": "define",
    "trydefine": "trydef",
    "trydef": "trydef",
    "redefine": "redef",
    "redef": "redef",
    "defexp": "defexp",
    "defexps": "defexps",
    "defenv": "defenv",
    "defenvs": "defenvs",
    "trydefenv": "trydefenv",
    "trydefenvs": "trydefenvs",
    "ifdef": "ifdef",
    "ifndef": "ifndef",
    "ifexp": "ifexp",
    "else": "else",
    "endif": "endif",
    "subst": "subst",
    "substdef": "substdef",
    "substdefs": "substdefs",
    "include_file": "include_file",
    "import_file": "import_file",
}

BLANK = " \t\b\r"
SKIP = re.compile(r"[ \t\b\r\n\ufeff]+|\\\n")
_HEX4 = "[0-9a-fA-F]{1,4}"
IPV6 = re.compile(
    rf"(?:{_HEX4}:){{7}}{_HEX4}|(?:{_HEX4}:){{1,7}}(?::{_HEX4}){{1,7}}|:(?::{_HEX4}){{1,7}}|(?:{_HEX4}:){{1,7}}:|::"
)
WORD = re.compile(r"[A-Za-z0-9_]+")
COLON_WORD = re.compile(r"(?:msg:len|uri:host|uri:port)(?![A-Za-z0-9_])")
NUMBER = re.compile(r"0x[0-9a-fA-F]+|0[0-7]+|0|[1-9][0-9]*|[01]+b")
OPERATOR = re.compile("|".join(re.escape(each) for each in sorted(OPERATORS, key=len, reverse=True)))
CAST = re.compile(r"\((?:int|str)\)")
EVENT_NAME = re.compile(r"[A-Za-z][0-9A-Za-z-]*(?::[A-Za-z][0-9A-Za-z_-]*)+")
RETCODE = re.compile(r"\$(?:\?|(?:retcode|rc)(?![A-Za-z0-9_(]))")
VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
SER_ATTRIBUTE = re.compile(r"[$%](?:(?:[ft][rud]?|g)\.)?[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]\n]*\])?")
_INDEX = r"(?:\[(?:[^\]\"\n]|\"[^\"\n]*\")*\])?"
SELECT = re.compile(rf"@[A-Za-z_]\w*{_INDEX}(?:\.[A-Za-z_]\w*{_INDEX})*")
DIRECTIVE = re.compile(r"(?:#!|!!)([a-z_]+)")
MODE = re.compile(r"(?:#|//)!(SER|KAMAILIO|OPENSER|MAXCOMPAT|ALL)(?=\n|$)")
CONDITION = re.compile(r"(?:#!|!!)(?:(ifdef|ifndef|ifexp)(?=[ \t\b\r])|(else|endif)(?=[ \t\b\r]*\n))")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ESCAPE = re.compile(r'\\(?:(n|r|a|t|"|\\)|x([0-9a-fA-F]{1,2})|([0-7]{2,3})|(\n))')
ESCAPED = {"n": "\n", "r": "\r", "a": "\a", "t": "\t", '"': '"', "\\": "\\"}
