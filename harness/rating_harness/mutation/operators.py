"""The kinds of changes, on the tree of a configuration.

Each operator is a function of a statement, an expression or an item; it yields what it would put in which place. What
comes out of a define is changed where the define is, or not at all: the text at its place isn't what Kamailio parses.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rating_harness.kamailio_config.positions import Source, Span
from rating_harness.kamailio_config.tree import (
    Assignment,
    Binary,
    Block,
    Call,
    CallStatement,
    Configuration,
    Directive,
    Expression,
    If,
    Jump,
    LoadModule,
    ModParam,
    Node,
    Number,
    Parenthesized,
    Route,
    Setting,
    Statement,
    String,
    Switch,
    Unary,
    Variable,
    While,
    Word,
    walk,
)
from rating_harness.mutation.mutants import START, Edit, Mutant, identified
from rating_harness.mutation.same_meaning import (
    LOG_FUNCTIONS,
    Flow,
    are_of_two_iterations,
    are_two_readings,
    calls_something,
    is_alone_in_its_if,
    is_bare_negation,
    is_lock_beside,
    is_log_beside,
    is_same_clamp,
)

__all__ = ["OPERATORS", "WORDS", "mutants_of"]

Change = tuple[str, tuple[Edit, ...]]
"""An operator's name, and what it does."""

OPERATORS: Mapping[str, str] = {
    "drop-statement": "a call or an assignment is left out",
    "drop-cleanup": "what is set to $null keeps its value",
    "drop-exit": "exit, return, drop or break is left out",
    "drop-block": "an if, a while or a switch is left out",
    "drop-else": "an else is left out",
    "drop-case": "a case's statements are left out",
    "drop-lock": "a lock and its unlock are left out",
    "drop-operand": "one side of && or || is left out",
    "drop-setting": "a setting, a module or a module's parameter is left out",
    "negate": "a condition means its contrary",
    "always": "a condition is always true, or always false",
    "swap-logic": "&& for ||, || for &&",
    "swap-comparison": "== for !=, < for <=, and so on",
    "swap-arithmetic": "+ for -, * for /, and so on",
    "swap-statements": "two statements change places, of which one may need the other",
    "swap-variable": "a pseudo-variable for its counterpart: caller for callee, one call's value for another",
    "swap-state": "a text for another one that the same variable may have",
    "swap-jump": "exit for return, return 1 for return -1, and so on",
    "repeat": "a call that does something each time is made twice",
    "number": "a number is one more, one less, or none; of a setting, ten times, or none",
    "code": "a reply's status is another one",
    "phrase": "a reply's reason phrase is another one",
    "regex": "a regular expression loses an anchor or an alternative",
    "key": "a name in a text is another one: of a table, a field, a path, a header",
    "text": "a text is empty",
    "flag": "yes for no, on for off",
    "ifdef": "#!ifdef for #!ifndef",
    "log-level": "a log line has another level",
    "log-text": "a log line says something else",
}

WORDS = frozenset({"phrase", "log-level", "log-text"})
"""Operators that change only texts for people: their score stands apart."""

_REPLY = frozenset({"send_reply", "sl_send_reply", "t_reply", "xhttp_reply", "http_reply", "change_reply_status"})
_REGEX_CALLS: Mapping[str, int] = {"t_check_status": 0, "search": 0, "subst": 0, "ds_select": -1}

_REPEATED = re.compile(r"query|exec|append|relay|forward|inc$|insert|remove|subst|push")
"""Functions that do something else when they are called twice: most others, and most routes, have done it the first
time."""

_COMPARISONS = {
    "==": ["!="],
    "!=": ["=="],
    "<": ["<=", ">"],
    "<=": ["<", ">"],
    ">": [">=", "<"],
    ">=": [">", "<"],
    "eq": ["ne"],
    "ne": ["eq"],
    "ieq": ["ine"],
    "ine": ["ieq"],
}
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "mod": "/", "&": "|", "|": "&", "<<": ">>", ">>": "<<"}
_COUNTERPARTS = {
    "$fU": "$tU",
    "$tU": "$fU",
    "$fu": "$tu",
    "$tu": "$fu",
    "$ft": "$tt",
    "$tt": "$ft",
    "$rU": "$tU",
    "$ru": "$ou",
    "$au": "$fU",
    "$si": "$Ri",
    "$sp": "$Rp",
    "$ci": "$cs",
    "$Ts": "$TS",
    "$http_ok": "$http_rs",
    "$http_rs": "$http_ok",
    "$dlg(from_uri)": "$dlg(to_uri)",
    "$dlg(to_uri)": "$dlg(from_uri)",
    "$dlg(start_ts)": "$Ts",
    "$dlg(h_entry)": "$dlg(h_id)",
    "$dlg(h_id)": "$dlg(h_entry)",
}
_INDEPENDENT = (is_log_beside, are_two_readings, are_of_two_iterations, is_lock_beside)
"""By which two neighbours may change places without a difference."""

_FLAGS = {"yes": "no", "no": "yes", "on": "off", "off": "on", "true": "false", "false": "true"}
_NEGATED = frozenset({"==", "!=", "eq", "ne", "ieq", "ine"})
"""Comparisons whose other one is their contrary."""

_DROPS = frozenset({"drop-statement", "drop-cleanup", "drop-exit", "drop-block"})
_JUMPS = {"exit": ["return"], "drop": ["exit"], "return": ["exit"], "break": ["exit"]}


def mutants_of(*configurations: Configuration) -> tuple[Mutant, ...]:
    """All mutants, in the order of the text; each with its id.

    :param configurations: the same files under several sets of defines: each leaves other lines in.
    """
    found: list[Mutant] = []
    sources: dict[str, Source] = {}
    for configuration in configurations:
        work = _Work(configuration)
        sources |= configuration.sources
        for item in configuration.items:
            found += work.in_route(item) if isinstance(item, Route) else work.at_start(item)
        found += work.directives()
    return identified(found, sources)


@dataclass
class _Work:
    configuration: Configuration
    _states: dict[str, list[str]] = field(default_factory=dict)
    _variables: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for route in self.configuration.routes:
            self._collect(route)

    @cached_property
    def _flow(self) -> Flow:
        return Flow(self.configuration)

    @property
    def _sources(self) -> Mapping[str, Source]:
        return self.configuration.sources

    def _text(self, node: Node) -> str:
        return node.span.text(self._sources)

    def _collect(self, route: Route) -> None:
        """The texts that each variable may have, and the variables of each route."""
        names = self._variables.setdefault(route.title, [])
        for node in walk(route):
            pairs: list[tuple[object, object]] = []
            if isinstance(node, Assignment):
                pairs = [(node.target, node.value)]
            elif isinstance(node, Binary) and node.operator.text in ("==", "!="):
                pairs = [(node.left, node.right)]
            elif isinstance(node, Switch):
                pairs = [(_bare(node.value), case.label) for case in node.cases]
            if isinstance(node, Variable) and node.text.startswith("$var(") and node.text not in names:
                names.append(node.text)
            for variable, value in pairs:
                if isinstance(variable, Variable) and isinstance(value, String) and value.value:
                    states = self._states.setdefault(_table(variable.text), [])
                    states += [value.value] if value.value not in states else []

    # --- where ------------------------------------------------------------------------------------------------------

    def in_route(self, route: Route) -> Iterator[Mutant]:
        last, alone = self._flow.last(route), is_alone_in_its_if(route)
        for statements in _lists(route.body):
            for change in self._of_list(statements):
                yield from self._mutants(route, statements[change[0]], [change[1]])
        for statement in _statements(route.body):
            changes = self._of_statement(route, statement, is_last=id(statement) in last)
            if id(statement) in alone:
                changes = (change for change in changes if change[0] not in _DROPS)
            yield from self._mutants(route, statement, changes)
            for expression in _own_expressions(statement):
                changes = self._of_expressions(route, expression)
                if isinstance(statement, If) and expression is statement.condition:
                    changes = (change for change in changes if not self._is_same_clamp(statement, *change))
                yield from self._mutants(route, statement, changes)

    def _is_same_clamp(self, statement: If, operator: str, edits: tuple[Edit, ...]) -> bool:
        return is_same_clamp(statement, operator, edits[0].span.text(self._sources), edits[0].text)

    def _mutants(self, route: Route, statement: Statement, changes: Iterable[Change]) -> Iterator[Mutant]:
        where = statement.span
        for operator, edits in changes:
            if any(edit.span.expanded for edit in edits):
                continue
            yield Mutant(
                "", operator, route.title, where.file, where.start.line, where.start.column, edits, operator in WORDS
            )

    def at_start(self, item: Node) -> Iterator[Mutant]:
        for operator, edits in self._of_item(item):
            if not any(edit.span.expanded for edit in edits):
                yield Mutant("", operator, START, item.span.file, item.span.start.line, None, edits)

    def directives(self) -> Iterator[Mutant]:
        for directive in self.configuration.directives:
            for operator, edits in self._of_directive(directive):
                yield Mutant("", operator, START, directive.span.file, directive.span.start.line, None, edits)

    # --- statements -------------------------------------------------------------------------------------------------

    def _of_list(self, statements: Sequence[Statement]) -> Iterator[tuple[int, Change]]:
        """Of neighbours in one block; with the place of the statement that counts."""
        for index, (first, second) in enumerate(itertools.pairwise(statements)):
            if _is_simple(first) and _is_simple(second) and first.span.end.offset <= second.span.start.offset:
                edits = (Edit(first.span, self._text(second)), Edit(second.span, self._text(first)))
                if first.span.file == second.span.file and not self._are_independent(first, second):
                    yield index, ("swap-statements", edits)
        for index, first in enumerate(statements):
            lock = _called(first)
            if lock is None or not re.search(r"(^|_)lock$", lock.function.text):
                continue
            name = lock.function.text.replace("lock", "unlock")
            arguments = [self._text(argument) for argument in lock.arguments]
            for second in statements[index + 1 :]:
                unlock = _called(second)
                if unlock is not None and unlock.function.text == name:
                    if [self._text(argument) for argument in unlock.arguments] == arguments:
                        yield index, ("drop-lock", (Edit(first.span, ";"), Edit(second.span, ";")))
                    break

    def _are_independent(self, first: Statement, second: Statement) -> bool:
        """Two assignments that call nothing, of which neither names what the other sets: their order is the same."""
        texts = (self._text(first), self._text(second))
        if any(rule(first, second, texts) for rule in _INDEPENDENT):
            return True
        if not (isinstance(first, Assignment) and isinstance(second, Assignment)):
            return False
        if any(calls_something(each.value) for each in (first, second)):
            return False
        targets = [_target(self._text(each.target)) for each in (first, second)]
        return targets[0] not in self._text(second) and targets[1] not in self._text(first)

    def _of_statement(self, route: Route, statement: Statement, *, is_last: bool) -> Iterator[Change]:
        if isinstance(statement, CallStatement):
            yield "drop-statement", (Edit(statement.span, ";"),)
            if _REPEATED.search(statement.call.function.text):
                yield "repeat", (Edit(statement.span, f"{self._text(statement)} {self._text(statement)}"),)
        elif isinstance(statement, Assignment):
            is_cleanup = isinstance(statement.value, Variable) and statement.value.text == "$null"
            yield ("drop-cleanup" if is_cleanup else "drop-statement"), (Edit(statement.span, ";"),)
        elif isinstance(statement, Jump):
            yield from self._of_jump(route, statement, is_last=is_last)
        elif isinstance(statement, If):
            yield from self._of_if(statement)
        elif isinstance(statement, While):
            yield "drop-block", (Edit(statement.span, ";"),)
            yield "always", (Edit(statement.condition.span, "(0)"),)
        elif isinstance(statement, Switch):
            yield "drop-block", (Edit(statement.span, ";"),)
            for case in statement.cases:
                if case.statements:
                    whole = _joined(case.statements[0].span, case.statements[-1].span)
                    yield "drop-case", (Edit(whole, "break;"),)

    def _of_jump(self, route: Route, statement: Jump, *, is_last: bool) -> Iterator[Change]:
        is_entry, is_unused = self._flow.is_entry(route), self._flow.is_result_unused(route)
        ends_anyway = (
            is_last and is_unused and (statement.word == "return" or (is_entry and statement.word == "exit"))
        )
        if not ends_anyway:
            yield "drop-exit", (Edit(statement.span, ";"),)
        for word in _JUMPS[statement.word]:
            if not (is_entry and {word, statement.word} == {"exit", "return"}):
                yield "swap-jump", (Edit(statement.kind.span, word),)
        if is_unused:
            return
        if statement.word == "return" and statement.value is None:
            yield "swap-jump", (Edit(statement.kind.span, "return -1"),)
        elif statement.word == "return" and statement.value is not None:
            value = self._text(statement.value)
            yield "swap-jump", (Edit(statement.value.span, "1" if value.startswith("-") else "-1"),)

    def _of_if(self, statement: If) -> Iterator[Change]:
        condition = statement.condition
        yield "drop-block", (Edit(statement.span, ";"),)
        if not is_bare_negation(condition):  # whose contrary is made of the expression
            yield "negate", (Edit(condition.span, f"(!({self._inner(condition)}))"),)
        yield "always", (Edit(condition.span, "(1)"),)
        if statement.otherwise is not None:
            yield "always", (Edit(condition.span, "(0)"),)
            after = Span(statement.span.file, statement.then.span.end, statement.otherwise.span.end)
            expanded = statement.otherwise.span.expanded
            yield "drop-else", (Edit(Span(after.file, after.start, after.end, expanded), ""),)

    def _inner(self, condition: Expression) -> str:
        text = self._text(condition)
        return text[1:-1] if isinstance(condition, Parenthesized) else text

    # --- expressions ------------------------------------------------------------------------------------------------

    def _of_expressions(self, route: Route, expression: Expression) -> Iterator[Change]:
        whole = _bare(expression)
        for node in walk(expression):
            if isinstance(node, Block):
                return
            changes = self._of_expression(route, node)
            if node is whole and isinstance(node, Binary) and node.operator.text in _NEGATED:
                changes = (change for change in changes if change[0] != "swap-comparison")  # the condition negated
            yield from changes

    def _of_expression(self, route: Route, node: Node) -> Iterator[Change]:
        if isinstance(node, Binary):
            yield from self._of_binary(node)
        elif isinstance(node, Unary) and node.operator.text in ("!", "not"):
            yield "negate", (Edit(node.span, f"({self._text(node.operand)})"),)
        elif isinstance(node, Number):
            yield from self._numbers(node.span, node.text)
        elif isinstance(node, Variable):
            yield from self._of_variable(route, node)
        elif isinstance(node, Call):
            yield from self._of_call(node)

    def _of_binary(self, node: Binary) -> Iterator[Change]:
        operator = node.operator.text
        if operator in ("&&", "and", "||", "or"):
            other = {"&&": "||", "and": "or", "||": "&&", "or": "and"}[operator]
            yield "swap-logic", (Edit(node.operator.span, other),)
            yield "drop-operand", (Edit(node.span, f"({self._text(node.left)})"),)
            yield "drop-operand", (Edit(node.span, f"({self._text(node.right)})"),)
        for other in _COMPARISONS.get(operator, ()):
            yield "swap-comparison", (Edit(node.operator.span, other),)
        if operator in _ARITHMETIC and not isinstance(node.left, String) and not isinstance(node.right, String):
            yield "swap-arithmetic", (Edit(node.operator.span, _ARITHMETIC[operator]),)
        if isinstance(node.right, String):
            if operator == "=~":
                yield from self._of_regex(node.right)
            elif isinstance(node.left, Variable):
                yield from self._of_state(node.left, node.right)
            else:
                yield from self._of_text(node.right)

    def _of_state(self, variable: Variable, value: String) -> Iterator[Change]:
        """Another text that the same variable may have: the next one, and the one before."""
        states = self._states.get(_table(variable.text), [])
        if value.value in states and len(states) > 1:
            at = states.index(value.value)
            for other in dict.fromkeys((states[(at + 1) % len(states)], states[at - 1])):
                escaped = other.replace("\\", "\\\\").replace('"', '\\"')
                yield "swap-state", (Edit(value.span, f'"{escaped}"'),)
        else:
            yield from self._of_text(value)

    def _of_regex(self, value: String) -> Iterator[Change]:
        text = self._text(value)
        if text[:2] in ('"^', "'^"):
            yield "regex", (Edit(value.span, text[0] + text[2:]),)
        if text[-2:] in ('$"', "$'"):
            yield "regex", (Edit(value.span, text[:-2] + text[-1]),)
        inner = text[1:-1]
        for part in _alternatives(inner):
            rest = [each for each in _alternatives(inner) if each != part]
            if rest:
                yield "regex", (Edit(value.span, text[0] + "|".join(rest) + text[-1]),)
        for match in re.finditer(r"\(([^()|]+(?:\|[^()|]+)+)\)", inner):
            for part in match[1].split("|"):
                kept = "|".join(each for each in match[1].split("|") if each != part)
                if kept:
                    changed = inner[: match.start(1)] + kept + inner[match.end(1) :]
                    yield "regex", (Edit(value.span, text[0] + changed + text[-1]),)
        yield "regex", (Edit(value.span, '".*"'),)

    def _of_text(self, value: String) -> Iterator[Change]:
        """A name within it is another one, and the whole is empty."""
        text = self._text(value)
        if len(text) <= 2 or '"' in text[1:-1].replace('\\"', ""):
            return
        yield "text", (Edit(value.span, '""'),)
        words = [match for match in re.finditer(r"[A-Za-z_]{2,}", text) if _is_plain(text, match.start())]
        if words:
            last = words[-1]
            yield "key", (Edit(value.span, f"{text[: last.end()]}x{text[last.end() :]}"),)

    def _of_variable(self, route: Route, node: Variable) -> Iterator[Change]:
        if node.text in _COUNTERPARTS:
            yield "swap-variable", (Edit(node.span, _COUNTERPARTS[node.text]),)
        elif node.text.startswith("$var("):
            others = [each for each in self._variables[route.title] if each != node.text]
            if others:
                names = self._variables[route.title]
                yield "swap-variable", (Edit(node.span, names[(names.index(node.text) + 1) % len(names)]),)
        match = re.fullmatch(r"\$(sht|shtex)\((\w+)=>(.*)\)", node.text)
        if match:
            tables = _tables(self.configuration)
            if match[2] in tables and len(tables) > 1:
                other = tables[(tables.index(match[2]) + 1) % len(tables)]
                yield "swap-variable", (Edit(node.span, f"${match[1]}({other}=>{match[3]})"),)

    def _of_call(self, node: Call) -> Iterator[Change]:
        name = node.function.text
        strings = [argument for argument in node.arguments if isinstance(argument, String)]
        if name in LOG_FUNCTIONS:
            yield from self._of_log(strings)
        elif name in _REPLY:
            yield from self._of_reply(strings)
        elif name in _REGEX_CALLS and strings:
            yield from self._of_regex(strings[0])
        else:
            for string in strings:
                if re.fullmatch(r"-?\d+", string.value):
                    for operator, edits in self._numbers(string.span, string.value):
                        yield operator, tuple(Edit(edit.span, f'"{edit.text}"') for edit in edits)
                else:
                    yield from self._of_text(string)

    def _of_log(self, strings: Sequence[String]) -> Iterator[Change]:
        for string in strings:
            if re.fullmatch(r"L_[A-Z]+", string.value):
                yield "log-level", (Edit(string.span, '"L_DBG"' if string.value != "L_DBG" else '"L_ALERT"'),)
            else:
                text = self._text(string)
                for match in re.finditer(r"\$[a-z]\w*(\([^()]*\))?", text):
                    yield "log-text", (Edit(string.span, text[: match.start()] + "?" + text[match.end() :]),)
                yield "log-text", (Edit(string.span, '"x\\n"'),)

    def _of_reply(self, strings: Sequence[String]) -> Iterator[Change]:
        for string in strings[:2]:
            if re.fullmatch(r"[1-6]\d\d", string.value):
                code = int(string.value)
                for other in (code + 1, 500 if code < 500 else 403):
                    yield "code", (Edit(string.span, f'"{other}"'),)
            elif string.value:
                yield "phrase", (Edit(string.span, '"Other"'),)

    @staticmethod
    def _numbers(span: Span, text: str) -> Iterator[Change]:
        if text in _FLAGS:
            yield "flag", (Edit(span, _FLAGS[text]),)
        elif re.fullmatch(r"-?\d+", text):
            number = int(text)
            for other in dict.fromkeys((number + 1, number - 1, 0)):
                if other != number and (other >= 0 or number <= 0):
                    yield "number", (Edit(span, str(other)),)

    # --- what is read at the start ----------------------------------------------------------------------------------

    def _of_item(self, item: Node) -> Iterator[Change]:
        if isinstance(item, LoadModule):
            yield "drop-setting", (Edit(item.span, ""),)
        elif isinstance(item, Setting):
            yield "drop-setting", (Edit(item.span, ""),)
            for word in item.value:
                if not isinstance(word, Setting):
                    yield from self._setting(word.span, word.text)
        elif isinstance(item, ModParam):
            yield "drop-setting", (Edit(item.span, ""),)
            if isinstance(item.value, Number):
                yield from self._setting(item.value.span, item.value.text)
            elif isinstance(item.value, String):
                yield from self._of_parameter(item.value)

    @staticmethod
    def _setting(span: Span, text: str) -> Iterator[Change]:
        if text in _FLAGS:
            yield "flag", (Edit(span, _FLAGS[text]),)
        elif re.fullmatch(r"-?\d+", text):
            for other in _values(int(text)):
                yield "number", (Edit(span, str(other)),)

    def _of_parameter(self, value: String) -> Iterator[Change]:
        """Such as ``name=>size=12;autoexpire=600;``: each setting in it by itself."""
        text = self._text(value)
        pieces = list(re.finditer(r"(?<=[;>])\w+=[^;\"']*;?", text))
        for match in pieces:
            if not match[0].startswith("size="):  # it decides how fast a table is, and nothing else
                yield "drop-setting", (Edit(value.span, text[: match.start()] + text[match.end() :]),)
        for match in re.finditer(r"(?<==)\d+", text):
            if not text[: match.start()].endswith("size="):
                for other in _values(int(match[0])):
                    changed = f"{text[: match.start()]}{other}{text[match.end() :]}"
                    yield "number", (Edit(value.span, changed),)
        if not pieces:
            yield from self._of_text(value)

    def _of_directive(self, directive: Directive) -> Iterator[Change]:
        span, text = directive.span, directive.span.text(self._sources)
        if directive.kind in ("define", "trydef", "redef") and directive.value is not None:
            value = directive.value.strip()
            at = text.rfind(value)
            if re.fullmatch(r"-?\d+", value):
                for other in _values(int(value)):
                    yield "number", (Edit(span, f"{text[:at]}{other}{text[at + len(value) :]}"),)
            elif value in _FLAGS:
                yield "flag", (Edit(span, text[:at] + _FLAGS[value] + text[at + len(value) :]),)
            elif re.fullmatch(r'"[^"]+"', value):
                parts = _alternatives(value[1:-1]) if "|" in value else value[1:-1].split(",")
                separator = "|" if "|" in value else ","
                for part in parts if len(parts) > 1 else ():
                    rest = separator.join(each for each in parts if each != part)
                    yield "text", (Edit(span, f'{text[:at]}"{rest}"{text[at + len(value) :]}'),)
        elif directive.kind in ("ifdef", "ifndef"):
            contrary = "ifndef" if directive.kind == "ifdef" else "ifdef"
            yield "ifdef", (Edit(span, text.replace(directive.kind, contrary, 1)),)
        elif directive.kind == "ifexp":
            yield "ifdef", (Edit(span, re.sub(r"ifexp.*", "ifexp 0", text)),)
            yield "ifdef", (Edit(span, re.sub(r"ifexp.*", "ifexp 1", text)),)


# --- the tree, as operators go through it ---------------------------------------------------------------------------


def _lists(block: Block) -> Iterator[Sequence[Statement]]:
    """Each list of statements that follow each other."""
    yield block.statements
    for node in walk(block):
        if isinstance(node, Block) and node is not block:
            yield node.statements
        elif isinstance(node, Switch):
            for case in node.cases:
                yield case.statements


def _statements(block: Block) -> Iterator[Statement]:
    nodes = list(walk(block))
    values = {id(node.inner) for node in nodes if isinstance(node, Parenthesized)}
    for node in nodes:
        if isinstance(node, Assignment):
            if id(node) not in values:  # not one that is used as an expression
                yield node
        elif isinstance(node, CallStatement | Jump | If | While | Switch):
            yield node


def _own_expressions(statement: Statement) -> Iterator[Expression]:
    """Those of the statement itself, not of the statements in it."""
    if isinstance(statement, CallStatement):
        yield statement.call
    elif isinstance(statement, Assignment):
        yield Binary(statement.span, statement.target, _is(statement), statement.value)
    elif isinstance(statement, Jump) and statement.value is not None and statement.word != "return":
        yield statement.value
    elif isinstance(statement, If | While):
        yield statement.condition
    elif isinstance(statement, Switch):
        yield statement.value
        for case in statement.cases:
            if case.label is not None:
                value = _bare(statement.value)
                yield Binary(case.head, value, _is(statement), case.label)


def _is(statement: Statement) -> Word:
    """The operator of an assignment and of a case, seen as a comparison of a variable with what it may be."""
    return Word(statement.span, "(is)")


def _bare(expression: Expression) -> Expression:
    while isinstance(expression, Parenthesized) and not isinstance(expression.inner, Assignment):
        expression = expression.inner
    return expression


def _is_simple(statement: Statement) -> bool:
    return isinstance(statement, CallStatement | Assignment)


def _called(statement: Statement) -> Call | None:
    return statement.call if isinstance(statement, CallStatement) else None


def _joined(first: Span, last: Span) -> Span:
    return Span(first.file, first.start, last.end, first.expanded or last.expanded or first.file != last.file)


def _table(variable: str) -> str:
    """``$sht(state=>$ci)`` and ``$sht(state=>$var(call))`` may have the same values."""
    return re.sub(r"=>.*", "", variable)


def _tables(configuration: Configuration) -> list[str]:
    return [
        match[1]
        for parameter in configuration.parameters
        if isinstance(parameter.value, String)
        and parameter.name.value == "htable"
        and (match := re.match(r"(\w+)=>", parameter.value.value))
    ]


def _target(variable: str) -> str:
    """What an assignment changes: of a table, the table, since two keys may be the same."""
    return re.sub(r"^\$\w+\((\w+=>).*", r"(\1", variable)


def _values(number: int) -> tuple[int, ...]:
    """Of a setting, where one more or less makes no difference that a scenario could see: none, and ten times."""
    return (1 - number,) if number in (0, 1) else (0, 10 * number)


def _alternatives(expression: str) -> list[str]:
    """The parts between ``|`` that stand outside of brackets."""
    parts, depth, current = [], 0, ""
    for character in expression:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if character == "|" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


def _is_plain(text: str, at: int) -> bool:
    """Whether a word isn't the name of a pseudo-variable or a part of one, nor an escape."""
    before = text[:at]
    opened = before.count("(") > before.count(")") and "$" in before
    return not opened and not before.endswith(("$", "\\"))
