"""Changes that are the same for every input, by how routes are called and left: no mutants are made of them.

Each rule is about the language, not about a configuration, and each is tried by a test with its contrary beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rating_harness.kamailio_config.tree import (
    Assignment,
    Binary,
    Block,
    Call,
    CallStatement,
    Configuration,
    Expression,
    If,
    Name,
    Node,
    Number,
    Parenthesized,
    Route,
    Statement,
    String,
    Unary,
    Variable,
    walk,
)

__all__ = [
    "LOG_FUNCTIONS",
    "Flow",
    "are_of_two_iterations",
    "are_two_readings",
    "calls_something",
    "is_alone_in_its_if",
    "is_bare_negation",
    "is_lock_beside",
    "is_log_beside",
    "is_same_clamp",
]

LOG_FUNCTIONS = frozenset(
    {"xlog", "xlogl", "xinfo", "xwarn", "xerr", "xalert", "xnotice", "xdbg", "xcrit", "log", "xlogm"}
)

_CALLERS = frozenset({"route", "route_if_exists"})
_RESULTS = frozenset({"$rc", "$retcode", "$?"})
_ARMING = frozenset({"t_on_failure", "t_on_reply", "t_on_branch", "t_on_branch_failure"})


_READING = frozenset({"jansson_get", "jansson_array_size"})
"""Functions that only write what they find to the variable that is their last argument."""

_ITERATION = frozenset({"sht_iterator_start", "sht_iterator_end"})
_LOCKING = frozenset({"sht_lock", "sht_unlock", "lock", "unlock"})
_OF_THE_PROCESS = re.compile(r"\$(var|http_req)\(")
"""Variables that no other process sees."""

_SHARED = re.compile(
    r"\$(sht|shv|shtex|shtinc|dlg|dlg_var|stat|TV|T[sS]|RANDOM)\b|\$\((sht|shv|dlg|dlg_var|stat|TV)\b"
)
"""Variables whose value may be another one a moment later."""


@dataclass(frozen=True)
class Flow:
    """Who calls which route, and what becomes of what it returns."""

    configuration: Configuration

    def is_entry(self, route: Route) -> bool:
        """Whether Kamailio itself runs it, and no other route: to return from it is to exit."""
        return route.kind != "request" or not route.name or not (self._is_dynamic or route.name in self._called)

    def is_result_unused(self, route: Route) -> bool:
        """Whether nobody looks at what it returns."""
        return self.is_entry(route) or not (self._is_dynamic or route.name in self._used)

    @staticmethod
    def last(route: Route) -> frozenset[int]:
        """``id`` of the statements behind which nothing more of the route would run."""
        return frozenset(id(each) for each in _last(route.body.statements))

    @cached_property
    def _calls(self) -> tuple[tuple[Route, Call, bool], ...]:
        """Each call of a route: from where, and whether it's a statement of its own."""
        found = []
        for route in self.configuration.routes:
            alone = {id(node.call) for node in walk(route) if isinstance(node, CallStatement)}
            for node in walk(route):
                if isinstance(node, Call) and node.function.text in _CALLERS:
                    found.append((route, node, id(node) in alone))
        return tuple(found)

    @cached_property
    def _called(self) -> frozenset[str]:
        return frozenset(_callee(call) for _, call, _ in self._calls)

    @cached_property
    def _is_dynamic(self) -> bool:
        return any("$" in _callee(call) for _, call, _ in self._calls)

    @cached_property
    def _used(self) -> frozenset[str]:
        looking = {
            route.title
            for route in self.configuration.routes
            if any(getattr(node, "text", "") in _RESULTS for node in walk(route))
        }
        return frozenset(_callee(call) for route, call, alone in self._calls if not alone or route.title in looking)


def _callee(call: Call) -> str:
    argument = call.arguments[0] if call.arguments else None
    if isinstance(argument, String):
        return argument.value
    return argument.text if isinstance(argument, Name) else str(getattr(argument, "text", "$"))


def _last(statements: Sequence[Statement]) -> Iterator[Statement]:
    if not statements:
        return
    final = statements[-1]
    yield final
    if isinstance(final, If):
        for branch in (final.then, final.otherwise):
            if isinstance(branch, Block):
                yield from _last(branch.statements)
            elif branch is not None:
                yield from _last((branch,))


def calls_something(node: Node) -> bool:
    """Whether it does more than to look."""
    return any(isinstance(each, Call | Block | Assignment) for each in walk(node))


def is_alone_in_its_if(route: Route) -> frozenset[int]:
    """``id`` of statements without which their ``if`` does nothing: to drop one is to drop the other."""
    found = set()
    for node in walk(route):
        if isinstance(node, If) and node.otherwise is None and not calls_something(node.condition):
            inner = node.then.statements if isinstance(node.then, Block) else (node.then,)
            if len(inner) == 1:
                found.add(id(inner[0]))
    return frozenset(found)


def is_bare_negation(condition: Expression) -> bool:
    """Whether it's ``!x``, whose contrary is ``x``: negated twice it would be the same."""
    bare = _bare(condition)
    return isinstance(bare, Unary) and bare.operator.text in ("!", "not")


def is_same_clamp(statement: If, operator: str, before: str, after: str) -> bool:
    """Whether it's ``if (x > bound) x = bound;``, and a whole number at the bound becomes the bound either way.

    :param operator: the kind of change of the condition, from the text ``before`` to ``after``.
    """
    condition, then = _bare(statement.condition), statement.then
    if isinstance(then, Block) and len(then.statements) == 1:
        then = then.statements[0]
    if not (isinstance(condition, Binary) and isinstance(then, Assignment) and statement.otherwise is None):
        return False
    pairs = ((condition.left, then.target), (condition.right, then.value))
    texts = [tuple(getattr(each, "text", None) for each in pair) for pair in pairs]
    if not (isinstance(condition.left, Variable) and isinstance(condition.right, Variable | Number)):
        return False
    if any(first != second for first, second in texts):
        return False
    if operator == "swap-comparison":
        return before[:1] in "<>" and before.rstrip("=") == after.rstrip("=")
    step = {">": -1, "<": 1}.get(condition.operator.text)
    is_number = operator == "number" and step is not None and before == texts[1][0]
    return is_number and re.fullmatch(r"-?\d+", before) is not None and int(after) == int(before) + (step or 0)


def _bare(condition: Expression) -> Node:
    while isinstance(condition, Parenthesized) and not isinstance(condition.inner, Assignment):
        condition = condition.inner
    return condition


def is_log_beside(first: Statement, second: Statement, texts: Iterable[str]) -> bool:
    """Whether one only logs, and the other sets nothing that is logged; or both only name a route for later.

    :param texts: of the two, in their order.
    """
    calls = [each.call.function.text if isinstance(each, CallStatement) else "" for each in (first, second)]
    if all(name in _ARMING for name in calls):
        return calls[0] != calls[1]
    for this, other, text in ((0, second, tuple(texts)), (1, first, tuple(texts))):
        if calls[this] in LOG_FUNCTIONS:
            if isinstance(other, Assignment) and not calls_something(other.value):
                return re.sub(r"=>.*", "", text[1 - this].partition("=")[0].strip()).rstrip(")") not in text[this]
            return calls[1 - this] in ("send_reply", "sl_send_reply", "t_reply")
    return False


def _function(statement: Statement) -> str:
    return statement.call.function.text if isinstance(statement, CallStatement) else ""


def are_two_readings(first: Statement, second: Statement, texts: Sequence[str]) -> bool:
    """Whether both only look something up, each into a variable that the other doesn't name.

    :param texts: of the two, in their order.
    """
    if not {_function(first), _function(second)} <= _READING:
        return False
    targets = [re.findall(r"\$\w+\([^()]*\)", text)[-1:] for text in texts]
    return all(targets) and targets[0][0] not in texts[1] and targets[1][0] not in texts[0]


def are_of_two_iterations(first: Statement, second: Statement, texts: Sequence[str]) -> bool:
    """Whether one ends, and the other starts, an iteration of another name; or sets a variable of the process only.

    :param texts: of the two, in their order.
    """
    functions = [_function(first), _function(second)]
    if set(functions) == _ITERATION:
        names = [re.findall(r"\(\s*\"([^\"]*)\"", text)[:1] for text in texts]
        return names[0] != names[1]
    return _sets_only_its_own(first, second, texts, _ITERATION)


def is_lock_beside(first: Statement, second: Statement, texts: Sequence[str]) -> bool:
    """Whether one takes or frees a lock, and the other sets a variable of the process to what nobody else changes.

    :param texts: of the two, in their order.
    """
    return _sets_only_its_own(first, second, texts, _LOCKING)


def _sets_only_its_own(first: Statement, second: Statement, texts: Sequence[str], functions: frozenset[str]) -> bool:
    for this, other, text, call in ((first, second, texts[0], texts[1]), (second, first, texts[1], texts[0])):
        if isinstance(this, Assignment) and _function(other) in functions:
            target = text.partition("=")[0].strip()
            is_own = _OF_THE_PROCESS.match(target) is not None and not calls_something(this.value)
            return is_own and not _SHARED.search(text) and target.removesuffix(")") not in call
    return False
