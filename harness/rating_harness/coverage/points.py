"""What can be covered in a configuration, and the probes that show it.

A probe is the core's own ``log(0, "...");``, put before a statement in a copy of the configuration, without a new
line. It's right by construction, because it changes nothing that a route can see: ``log`` needs no module, leaves
``$?`` alone, comes *before* a statement, so a route returns what it returned, and where it has to be the only
statement of a branch (the ``else`` that isn't written), an ``if`` without a branch and ``log`` both come to 1
(``core/action.c``: ``IF_T``, ``SWITCH_T``, ``LOG_T``). The debugger module's trace would do for statements, but it
says nothing of a branch without statements, of ``case``, and of two statements in one line.

A statement behind an assignment that calls nothing needs no probe of its own: nothing can come in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rating_harness.coverage.probe_log import PASSED
from rating_harness.kamailio_config.positions import Span
from rating_harness.kamailio_config.tree import (
    Assignment,
    Block,
    Call,
    Case,
    Configuration,
    If,
    Jump,
    Statement,
    Switch,
    While,
    walk,
)

__all__ = ["Branch", "Instrumented", "Line", "Probe", "hits_of", "instrument"]

ProbeKind = Literal["s", "f", "c", "x", "n", "e"]
"""``s`` a statement begins, ``f`` an ``if`` without ``else`` was false, ``c`` a ``case`` without statements was
reached, ``x`` a ``case`` falls into the next one, ``n`` no ``case`` fitted, ``e`` a ``while`` is over."""


@dataclass(frozen=True, slots=True, order=True)
class Probe:
    """:param file: as the parser names it."""

    file: str
    line: int
    column: int
    kind: ProbeKind

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}:{self.kind}"

    @classmethod
    def of(cls, text: str) -> Probe:
        """The counterpart of ``str``."""
        file, line, column, kind = text.rsplit(":", 3)
        return cls(file, int(line), int(column), kind)  # type: ignore[arg-type]  # written by `str`


@dataclass(frozen=True, slots=True)
class Line:
    """A statement that can be covered.

    :param probe: shows that it ran.
    """

    file: str
    line: int
    column: int
    end_line: int
    route: str
    probe: Probe


@dataclass(frozen=True, slots=True)
class Branch:
    """One way on from an ``if``, a ``switch`` or a ``while``.

    :param line, column: of the ``if``, the ``switch``, the ``while``.
    :param way: ``true``, ``false``, ``case "a"``, ``default``, ``no case``, ``body``, ``end``.
    :param at: the line where it goes on.
    :param probe: shows that it was taken; ``without`` how often it was reached otherwise, by falling through.
    """

    file: str
    line: int
    column: int
    way: str
    at: int
    route: str
    probe: Probe
    without: Probe | None = None

    def taken(self, hits: Mapping[Probe, int]) -> int:
        return max(0, hits.get(self.probe, 0) - (hits.get(self.without, 0) if self.without else 0))


@dataclass(frozen=True)
class Instrumented:
    """A configuration with probes.

    :param probes: those that were put in; a probe logs its number among them.
    :param texts: the files that were changed, by their names.
    :param unmeasured: places that no probe can show, and why.
    """

    lines: tuple[Line, ...]
    branches: tuple[Branch, ...]
    probes: tuple[Probe, ...]
    texts: Mapping[str, str]
    unmeasured: tuple[tuple[Span, str], ...] = ()


def hits_of(log: str, probes: Sequence[Probe]) -> Counter[Probe]:
    """How often each probe was passed, by what it logged."""
    return Counter(probes[number] for match in PASSED.finditer(log) if (number := int(match[1])) < len(probes))


def instrument(configuration: Configuration) -> Instrumented:
    """Put a probe wherever one is needed to know what ran. Lines keep their numbers."""
    work = _Work(configuration)
    work.show_warnings()
    for route in configuration.routes:
        work.route = route.title
        work.block(route.body)
    return work.result()


@dataclass
class _Work:
    configuration: Configuration
    route: str = ""
    _lines: list[Line] = field(default_factory=list)
    _probes: list[Probe] = field(default_factory=list)
    _branches: list[Branch] = field(default_factory=list)
    _edits: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    _unmeasured: list[tuple[Span, str]] = field(default_factory=list)

    def result(self) -> Instrumented:
        texts = {}
        for file, edits in self._edits.items():
            parts, at = [], 0
            text = self.configuration.sources[file].text
            for offset, _, addition in sorted(edits, key=lambda edit: edit[:2]):
                parts += [text[at:offset], addition]
                at = offset
            texts[file] = "".join([*parts, text[at:]])
        return Instrumented(
            tuple(self._lines), tuple(self._branches), tuple(self._probes), texts, tuple(self._unmeasured)
        )

    def show_warnings(self) -> None:
        """A log level below warnings would hide the probes."""
        for setting in self.configuration.settings:
            if setting.name.text == "debug" and setting.text.startswith("-") and not setting.span.expanded:
                first, last = setting.value[0].span, setting.value[-1].span
                self._edits.setdefault(first.file, []).append((first.start.offset, 0, "0 #"))
                assert last.file == first.file

    # --- probes -----------------------------------------------------------------------------------------------------

    def _probe(self, span: Span, kind: ProbeKind) -> Probe:
        return Probe(span.file, span.start.line, span.start.column, kind)

    def _log(self, probe: Probe) -> str:
        self._probes.append(probe)
        return f'log(0, "~ran {len(self._probes) - 1}~\\n"); '

    def _before(self, span: Span, text: str) -> None:
        self._edits.setdefault(span.file, []).append((span.start.offset, 1, text))

    def _after(self, span: Span, text: str) -> None:
        # What belongs behind an end goes before what belongs before the next beginning.
        self._edits.setdefault(span.file, []).append((span.end.offset, 0, text))

    # --- statements -------------------------------------------------------------------------------------------------

    def block(self, block: Block) -> Probe | None:
        return self.statements(block.statements)

    def statements(self, statements: Iterable[Statement]) -> Probe | None:
        """The probe of the first one; None where it can't have one."""
        several = list(statements)
        first: Probe | None = None
        last: Probe | None = None
        is_certain = False
        begun: tuple[str, int] | None = None
        for index, statement in enumerate(several):
            here = (statement.span.file, statement.span.start.offset)
            if here == begun:  # both came out of one define
                self._unmeasured.append((statement.span, "it comes out of a define together with the one before"))
                is_certain = False
                continue
            if not (is_certain and last):
                last = self._probe(statement.span, "s")
                self._before(statement.span, self._log(last))
            self._line(statement, last)
            first = last if index == 0 else first
            is_certain = _goes_on(statement)
            begun = here
            self._inside(statement)
            if isinstance(statement, While):
                self._end_of_loop(statement, is_last=statement is several[-1])
        return first

    def _line(self, statement: Statement, probe: Probe) -> None:
        span = statement.span
        end = span.start.line if isinstance(statement, If | While | Switch) else span.end.line
        self._lines.append(Line(span.file, span.start.line, span.start.column, end, self.route, probe))

    def _inside(self, statement: Statement) -> None:
        if isinstance(statement, If):
            self._if(statement)
        elif isinstance(statement, While):
            self._branch(statement, "body", self._body(statement.body), statement.body.span)
        elif isinstance(statement, Switch):
            self._switch(statement)

    def _branch(
        self, statement: Statement, way: str, probe: Probe | None, span: Span, without: Probe | None = None
    ) -> None:
        if probe is None:
            return
        where = statement.span
        self._branches.append(
            Branch(where.file, where.start.line, where.start.column, way, span.start.line, self.route, probe, without)
        )

    def _body(self, body: Statement | Block) -> Probe | None:
        """The probe that shows that a body is entered."""
        if isinstance(body, Block):
            return self.block(body)
        if not self._is_whole(body.span):
            self._unmeasured.append((body.span, "it comes out of a define, without braces around it"))
            return None
        self._before(body.span, "{ ")
        probe = self.statements((body,))
        self._after(body.span, " }")
        return probe

    def _is_whole(self, span: Span) -> bool:
        """Whether its last character is its own, and not that of a define's name."""
        return not span.expanded or span.text(self.configuration.sources)[-1:] in (";", "}")

    def _if(self, statement: If) -> None:
        self._branch(statement, "true", self._body(statement.then), statement.then.span)
        if statement.otherwise is not None:
            self._branch(statement, "false", self._body(statement.otherwise), statement.otherwise.span)
        elif self._is_whole(statement.span):
            probe = self._probe(statement.span, "f")
            self._after(statement.span, f" else {{ {self._log(probe)}}}")
            self._branch(statement, "false", probe, statement.span)
        else:
            self._unmeasured.append((statement.span, "its end comes out of a define"))

    def _end_of_loop(self, statement: While, *, is_last: bool) -> None:
        """Its condition was, or became, false: what stands behind it is reached."""
        if is_last:
            self._unmeasured.append(
                (statement.span, "the end of the while: a probe behind it would be what comes out")
            )
        elif _breaks(statement):
            self._unmeasured.append((statement.span, "the end of the while: a break comes to the same place"))
        elif not self._is_whole(statement.span):
            self._unmeasured.append((statement.span, "its end comes out of a define"))
        else:
            probe = self._probe(statement.span, "e")
            self._after(statement.span, f" {self._log(probe)}")
            self._branch(statement, "end", probe, statement.span)

    def _switch(self, statement: Switch) -> None:
        falls: Probe | None = None
        falling = False  # whether statements of a case before end here
        for index, case in enumerate(statement.cases):
            later = any(each.statements for each in statement.cases[index + 1 :])
            entry = self._case_entry(case, is_shown=later or not falling)
            self._branch(statement, self._label(case), entry, case.head, falls)
            falls = self._falls(case, entry, later)
            if case.statements:
                falling = not isinstance(case.statements[-1], Jump)
        if not any(case.label is None for case in statement.cases):
            self._no_case(statement)

    def _case_entry(self, case: Case, *, is_shown: bool) -> Probe | None:
        if case.statements:
            return self.statements(case.statements)
        if not is_shown:
            self._unmeasured.append((case.head, "a case without statements at the end that another one falls into"))
            return None
        probe = self._probe(case.head, "c")
        self._after(case.head, " " + self._log(probe))
        return probe

    def _falls(self, case: Case, entry: Probe | None, later: bool) -> Probe | None:
        """The probe that shows that the next case is reached from this one."""
        if not case.statements:
            return entry
        if isinstance(case.statements[-1], Jump) or not later:
            return None
        last = case.statements[-1].span
        probe = Probe(last.file, last.end.line, last.end.column, "x")
        self._after(last, " " + self._log(probe))
        return probe

    def _no_case(self, statement: Switch) -> None:
        last = statement.cases[-1] if statement.cases else None
        if last is not None and not (last.statements and isinstance(last.statements[-1], Jump)):
            self._unmeasured.append((statement.span, "no case fits: the last case doesn't end with a break"))
            return
        probe = self._probe(statement.span, "n")
        self._before(statement.closing, f"default: {self._log(probe)}")
        self._branch(statement, "no case", probe, statement.span)

    def _label(self, case: Case) -> str:
        text = case.head.text(self.configuration.sources)
        return " ".join(text.rstrip().removesuffix(":").split())


def _breaks(loop: While) -> bool:
    """Whether a break may leave it, or one of what stands in it."""
    return any(isinstance(node, Jump) and node.word == "break" for node in walk(loop.body))


def _goes_on(statement: Statement) -> bool:
    """Whether the next statement runs for certain: an assignment that calls nothing."""
    return isinstance(statement, Assignment) and not any(
        isinstance(node, Call | Block) for node in walk(statement.value)
    )
