"""A scenario of one call, made from a few answers: for `rating-harness new`, `call` and `init`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, get_args

from rating_harness.errors import UsageError
from rating_harness.scenario.values import duration_text, parse_duration

__all__ = ["KINDS", "CallTemplate", "Kind"]

Kind = Literal["answered", "busy", "refused", "cancelled", "cut"]

KINDS: tuple[Kind, ...] = get_args(Kind)

_TITLES: dict[Kind, str] = {
    "answered": "A call from {caller} to {callee} is answered and rated",
    "busy": "A call from {caller} to {callee} finds it busy, and costs nothing",
    "refused": "A call from {caller}, who has no balance, is refused",
    "cancelled": "A call from {caller} to {callee} is given up while it rings, and costs nothing",
    "cut": "A call from {caller} to {callee} is cut when the balance runs out",
}


@dataclass(frozen=True, slots=True)
class CallTemplate:
    """Who calls whom, and what comes of it.

    :param hold: seconds that an answered call lasts; of one that is cut, what its balance is enough for.
    """

    caller: str
    callee: str
    kind: Kind = "answered"
    hold: float = 2.0

    @classmethod
    def of(cls, caller: str, callee: str, kind: Kind, hold: str) -> CallTemplate:
        """From what a person typed.

        :raises UsageError: a number or a time that can't be used.
        """
        for what, text in (("caller", caller), ("callee", callee)):
            if not text or any(char.isspace() or char in "@<>;:" for char in text):
                raise UsageError(
                    f"this is no {what}", expected="the user part of an address: 1000, 3904...", found=text
                )
        try:
            seconds = parse_duration(hold)
        except ValueError as error:
            raise UsageError("this is no time", expected="such as 2s, 500ms", found=f"{hold}: {error}") from None
        return cls(caller, callee, kind, seconds)

    @property
    def title(self) -> str:
        return _TITLES[self.kind].format(caller=self.caller, callee=self.callee)

    def text(self) -> str:
        """The file: a scenario that passes with the project's configuration and engine."""
        account = _quoted(self.caller)
        return f"""\
scenario: {json.dumps(self.title, ensure_ascii=False)}
tags: [{self.kind}]

# What the rating engine knows before the call.
given:
  accounts:
    - {{account_tag: {account}, type: PREPAID, balance: {self._balance}, max_concurrent_transactions: 10}}
  carriers:
    - {{carrier_tag: carrier, host: carrier, port: 5060, protocol: UDP}}
  pricelists:
    - pricelist_tag: retail
      currency: EUR
      rates:
        - {{carrier_tag: carrier, prefix: {_quoted("sip:" + self.callee[:2])}, rate: 1, rate_increment: 1}}
{self._carriers}
calls:
  - id: call
    from: {account}
    to: {_quoted(self.callee)}
{self._call}
# What has to come of it. That each call is begun, ended and paid as it was made is checked without a word.
expect:
{self._expect}"""

    @property
    def _balance(self) -> int:
        return {"refused": 0, "cut": max(1, round(self.hold))}.get(self.kind, 100)

    @property
    def _carriers(self) -> str:
        return "\ncarriers:\n  carrier: {refuse: {code: 486, reason: Busy Here}}\n" if self.kind == "busy" else ""

    @property
    def _call(self) -> str:
        hold = duration_text(self.hold)
        return {
            "answered": f"    hold: {hold}\n    expect: {{reply: 200, ended_by: caller, duration: {hold} ± 1s}}\n",
            "busy": "    expect: {reply: 486}\n",
            "refused": "    expect: {reply: {code: 403, reason: Forbidden -- insufficient balance}, carriers: []}\n",
            "cancelled": "    ring: 10s\n    cancel: 1s after ringing\n    expect: {reply: 487}\n",
            "cut": "    hangup: never\n"
            f"    expect: {{reply: 200, ended_by: kamailio, duration: {self._balance}s ± 1s}}\n",
        }[self.kind]

    @property
    def _expect(self) -> str:
        if self.kind in ("answered", "cut"):
            seconds = round(self.hold) if self.kind == "answered" else self._balance
            account = _quoted(self.caller)
            return (
                "  transactions:\n"
                f"    - {{call: call, account_tag: {account}, primary: true, duration: {seconds}s ± 1s,"
                f" fee: {seconds} ± 1}}\n"
            )
        return "  not_begun: [call]\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
