"""What all reports say of findings, calls and scenarios in the same words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rating_harness.checks.model import AnswerTo, Case, Finding, Shown
from rating_harness.contract import CONTRACT
from rating_harness.errors import Location
from rating_harness.evidence.model import Evidence, SipMessage
from rating_harness.evidence.redaction import redacted_line
from rating_harness.scenario.model import Scenario

__all__ = [
    "ReportedFinding",
    "causes_first",
    "consequences_of",
    "expectation_line",
    "json_text",
    "names_of_calls",
    "printable",
    "run_facts",
    "shown_of",
    "title_of",
]


def printable(text: str) -> str:
    """The text, character by character, with nothing in it that moves a terminal's cursor or breaks a line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def title_of(scenario: Scenario) -> str:
    """What it proves; of a file with a matrix, and in which row."""
    return f"{scenario.scenario} [{scenario.origin.row}]" if scenario.origin.row else scenario.scenario


def run_facts(evidence: Evidence) -> list[str]:
    """What is unusual in a run: how much of the lab's time was skipped, and whether it's the first run."""
    skipped = [f"{evidence.skipped:,.10g} s skipped"] if evidence.skipped else []
    late = "; ".join(dict.fromkeys(evidence.repeated))
    return [*skipped, f"run {len(evidence.repeated) + 1}, since {late}"] if evidence.repeated else skipped


def json_text(value: object) -> str:
    """A value out of JSON as text: strings as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """A finding, and on how many more repetitions of its call it is the same."""

    finding: Finding
    more: int

    @property
    def message(self) -> str:
        return f"{self.finding.message} (and {self.more} more like it)" if self.more else self.finding.message


def causes_first(case: Case, findings: Sequence[Finding]) -> list[ReportedFinding]:
    """Causes before what follows from them; what several repetitions of a call share, once."""
    was_called = any(message.direction == "sent" for call in case.calls for message in call.caller)

    def rank(finding: Finding) -> int:
        if finding.check == "always: kamailio" or (finding.check == "always: calls" and not was_called):
            return 0
        return next((rank for rank, part in enumerate(_CAUSES, start=1) if part in finding.check), len(_CAUSES) + 1)

    alike: dict[object, list[Finding]] = {}
    for finding in sorted(findings, key=rank):
        what = _REPETITION.sub("", finding.message) if finding.call_id else finding
        alike.setdefault((finding.check, finding.where, what), []).append(finding)
    return [ReportedFinding(first, len(others)) for first, *others in alike.values()]


def consequences_of(finding: Finding) -> list[str]:
    """What follows from a finding, a line each and once, without the name of a call that it is of itself."""
    lines = (
        f"{_OF_A_CALL.sub('', each.message) if each.call_id == finding.call_id else each.message}: {each.seen}"
        for each in finding.consequences
    )
    return list(dict.fromkeys(lines))


_OF_A_CALL = re.compile(r"^call [^:]+: ")

_REPETITION = re.compile(r"(?<=\w) \d+(?=: )")
"""Of ``call ana 12: ...``, what tells it from its other repetitions."""

_CAUSES = (
    ".expect.reply",
    "expect.failures",
    "always: calls",
    "always: carriers",
    "always: requests",
    "always: strict_peer",
    "always: both_ends",
    "calls[",
    "expect.requests",
    "always: begin_and_end",
)
"""Parts of a check's name. A wrong reply explains a missing record, and not the other way round."""


def expectation_line(where: Location) -> str:
    """The line of the file that a finding is on, without passwords; nothing when the file has gone."""
    try:
        return redacted_line(Path(where.path).read_text(encoding="utf-8").splitlines()[where.line - 1].strip())
    except (OSError, UnicodeDecodeError, IndexError):
        return ""


def shown_of(findings: Iterable[Finding], call_id: str) -> list[Shown]:
    """The messages, requests to the agent and answers of a call that show what was found."""
    shown_by = (each.shown_by for finding in findings for each in (finding, *finding.consequences))
    return [each for each in shown_by if each is not None and _call_id(each) == call_id]


def _call_id(shown: Shown) -> object:
    if isinstance(shown, SipMessage):
        return shown.call_id
    exchange = shown.exchange if isinstance(shown, AnswerTo) else shown
    return exchange.requested(CONTRACT.fields.call)


def names_of_calls(evidence: Evidence) -> dict[str, str]:
    """Call-ID -> a name, of the calls that were planned; of those that were seen where no Call-ID was planned."""
    names = {
        call_id: f"Call {name}{f' {index}' if len(call_ids) > 1 else ''}"
        for name, call_ids in evidence.call_ids.items()
        for index, call_id in enumerate(call_ids, start=1)
    }
    if not names:
        for message in evidence.messages:
            names.setdefault(message.call_id, f"Call at {message.host}")
    return names
