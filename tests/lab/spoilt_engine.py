"""The embedded engine, made dishonest: what it does wrong is a word in a file, read at each call.

``python -m tests.lab.spoilt_engine FILE [options of rating-harness engine]``
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from rating_harness.cli.main import main
from rating_harness.rating.engine import operations, timestamps
from rating_harness.rating.engine.accounts import Account, Running
from rating_harness.rating.engine.arithmetic import Tariff
from rating_harness.rating.engine.calls import Call, CallRequest
from rating_harness.rating.engine.decision import Decision
from rating_harness.rating.engine.operations import Operations
from rating_harness.rating.engine.store import Store

__all__ = ["SpoiltEngine", "running_spoilt_engine"]

SPOILT_ACCOUNT = "2000"


@dataclass
class SpoiltEngine:
    """Where it's asked, and the file that says what it does wrong."""

    agent_url: str
    api_url: str
    file: Path

    def spoil(self, what: str) -> None:
        self.file.write_text(what, encoding="utf-8")


@contextmanager
def running_spoilt_engine(directory: Path) -> Iterator[SpoiltEngine]:
    file = directory / "wrong"
    file.write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "tests.lab.spoilt_engine", str(file)]
    with Popen(
        [*command, "--agent", "127.0.0.1:0", "--api", "127.0.0.1:0"],
        stdout=PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        agent, api = (word.rstrip(",;.") for word in words if "127.0.0.1:" in word)
        try:
            yield SpoiltEngine(f"http://{agent}", f"http://{api}", file)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wrong_fee(now: Callable[[], str]) -> None:
    honest = vars(operations)["fee"]

    def wrong_fee(tariff: Tariff | None, begin: int, end: int) -> int:
        right: int = honest(tariff, begin, end)
        more = tariff.rate or 0 if tariff else 0
        return {"fee of one increment more": right + more, "no fee": 0}.get(now(), right)

    vars(operations)["fee"] = wrong_fee


def _wrong_duration(now: Callable[[], str]) -> None:
    honest = vars(operations)["duration"]
    vars(operations)["duration"] = lambda begin, end: honest(begin, end) + 5 * (now() == "duration of its own")


def _wrong_records(now: Callable[[], str]) -> None:
    charge = Operations._charge
    held: list[tuple[CallRequest, Account, Running]] = []

    def charged(self: Operations, request: CallRequest, account: Account, entry: Running, ended: int) -> bool:
        match now():
            case "no record":
                self._state.drop(account, entry.transaction_tag)
                return True
            case "another account's":
                other = self._state.accounts.by_key((request.tenant, SPOILT_ACCOUNT))
                assert other is not None
                self._state.drop(account, entry.transaction_tag)
                return charge(self, request, other, entry, ended)
            case "another call's end":
                if not held:
                    held.append((request, account, entry))
                    return True
                charge(self, *held.pop(), ended)
        return charge(self, request, account, entry, ended)

    Operations._charge = charged  # type: ignore[method-assign]


_COLUMNS = (
    *("id", "tenant", "transaction_tag", "account_tag", "source", "source_ip", "destination", "carrier_ip", "tags"),
    *("destination_rate", "timestamp_begin", "timestamp_end", "primary", "inbound", "duration", "fee"),
)
"""Of a record of a call, as the engine stores it."""

FIELDS: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "a minute later": {"timestamp_end": lambda at: at + 60_000},
    "before the INVITE": {"timestamp_begin": lambda at: at - 20_000},
    "no duration": {"duration": lambda _: 0},
    "duration below zero": {"duration": lambda length: -length},
    "another destination": {"destination": lambda uri: uri.replace("39040123456", "39040999999")},
    "another fee in the record": {"fee": lambda fee: fee + 1},
    "another account in the record": {"account_tag": lambda _: SPOILT_ACCOUNT},
    "another Call-ID": {"transaction_tag": lambda tag: f"x{tag}"},
}
"""What is written in a record's place, when all else is as it should be; times are in milliseconds."""


def _wrong_fields(now: Callable[[], str]) -> None:
    honest = Store.write

    def write(self: Store, statement: str, row: tuple[Any, ...]) -> None:
        if statement == vars(operations)["_CALLED"]:
            changes = FIELDS.get(now(), {})
            row = tuple(
                changes[name](value) if name in changes else value for name, value in zip(_COLUMNS, row, strict=True)
            )
        honest(self, statement, row)

    Store.write = write  # type: ignore[assignment, method-assign]


def _charged_without_record(now: Callable[[], str]) -> None:
    honest = Operations._note_call

    def noted(self: Operations, *of_the_call: Any) -> bool:
        return True if now() == "charged without a record" else honest(self, *of_the_call)

    Operations._note_call = noted  # type: ignore[assignment, method-assign]


def _record_of_a_refused_call(now: Callable[[], str]) -> None:
    honest = Operations._note_authorization

    def noted(self: Operations, request: CallRequest, call: Call, decision: Decision) -> None:
        honest(self, request, call, decision)
        if now() == "record of a refused call" and decision.reason is not None and call.account is not None:
            at = timestamps.whole_seconds(timestamps.now())
            entry = operations._entry(request, at, None, primary=True, inbound=False)
            self._note_call(request, call.account, entry, at, ())

    Operations._note_authorization = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    wrong = Path(sys.argv.pop(1))
    for spoil in (
        _wrong_fee,
        _wrong_duration,
        _wrong_records,
        _wrong_fields,
        _charged_without_record,
        _record_of_a_refused_call,
    ):
        spoil(lambda: wrong.read_text(encoding="utf-8"))
    main(["engine", *sys.argv[1:]])
