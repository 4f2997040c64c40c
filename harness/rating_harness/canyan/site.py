"""Where a canyan-tester file is run: in a lab with everything in it, or against what is there already."""

from __future__ import annotations

import socket
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from rating_harness.canyan.plan import CanyanPlan
from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import EngineError, Timeout
from rating_harness.evidence.model import Evidence, Records, ServiceState
from rating_harness.kamailio.log import parse_log
from rating_harness.kamailio.rpc import RPC_PORT, RpcError
from rating_harness.lab.protocol import Endpoint, Host, Lab
from rating_harness.run.exchanges import as_exchange
from rating_harness.run.kamailio import Variant
from rating_harness.run.stack import ENGINE, KAMAILIO, Stack
from rating_harness.run.watch import DialogWatch

__all__ = ["BareSite", "Seat", "Site", "StackSite"]

_SIP, _CONTROL = 5060, 8888
_QUIET = 12.0
"""Seconds after the last step by which all dialogs are gone and every request to the agent is answered."""
_DIALOGS = 0.2


@dataclass(frozen=True, slots=True)
class Seat:
    """:param control: the port of SIPp's remote control."""

    host: Host
    port: int
    control: int


class Site(Protocol):
    """What a run needs of its surroundings."""

    @property
    def lab(self) -> Lab: ...

    @property
    def target(self) -> tuple[str, int]:
        """Address and port of Kamailio, for SIP."""

    @property
    def executable(self) -> str | None:
        """A SIPp of this machine's; None for the lab's."""

    def prepare(self, plan: CanyanPlan) -> None:
        """As new for a run."""

    def seat(self, name: str) -> Seat:
        """Where the SIPp of that name sits."""

    def api(self, host: str | None) -> Endpoint:
        """Where requests to the API go, when the file says ``host``."""

    def kamailio_url(self, uri: str) -> str:
        """Where, as seen from the lab, a request to Kamailio's HTTP goes for which the file says ``uri``."""

    def begin(self) -> None:
        """The set-up is done, and calls are about to be made."""

    def over(self) -> None:
        """The checks are done, and what there is will be torn down."""

    def look(self) -> bool:
        """Take note of what goes on; False when Kamailio has ended, after which nothing means anything."""

    def end(self, evidence: Evidence) -> Evidence:
        """With what was observed of the services."""


class StackSite:
    """A lab with all services, where whatever names the file has mean the lab's own."""

    executable: str | None = None

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.lab: Lab = stack.lab
        self.target = (stack.lab.host(KAMAILIO).address, _SIP)
        self._dialogs = DialogWatch(stack.kamailio, [""])
        self._log_from = 0
        self._before: Records | None = None
        self._after: Records | None = None
        # The project's configuration has a port for JSON-RPC; others may have HTTP where SIP is.
        self._is_own = True

    def prepare(self, plan: CanyanPlan) -> None:
        self._is_own = Variant.of(plan, self._stack.options).configuration is None
        self._stack.prepare(plan)
        self._log_from = len(self.lab.service(KAMAILIO).output())

    def seat(self, name: str) -> Seat:
        return Seat(self.lab.host(name), _SIP, _CONTROL)

    def api(self, host: str | None) -> Endpoint:
        own = self._stack.options.api_url
        return Endpoint(host or own) if own else self.lab.endpoint(ENGINE, 8000)

    def kamailio_url(self, uri: str) -> str:
        if self.lab.driver == "external":
            return uri
        port = RPC_PORT if self._is_own else _SIP
        return urlunsplit(urlsplit(uri)._replace(scheme="http", netloc=f"{self.target[0]}:{port}"))

    def begin(self) -> None:
        self._before = self._records()

    def over(self) -> None:
        self._after = self._records()

    def look(self) -> bool:
        self._dialogs.look(_DIALOGS)
        return self.lab.service(KAMAILIO).poll() is None

    def end(self, evidence: Evidence) -> Evidence:
        left = self._await_quiet()
        kamailio = self.lab.service(KAMAILIO)
        return replace(
            evidence,
            exchanges=tuple(as_exchange(each) for each in self._stack.tap.exchanges().exchanges),
            dialogs=self._dialogs.dialogs,
            dialogs_left=left,
            before=self._before,
            after=self._after,
            log=tuple(parse_log(kamailio.output()[self._log_from :])),
            services=(ServiceState(KAMAILIO, alive=kamailio.poll() is None, exit_status=kamailio.poll()),),
            lab={**self._stack.description, **evidence.lab},
        )

    def _records(self) -> Records | None:
        """All that the lab's own engine knows. Somebody else's may know too much to be read."""
        if self._stack.options.api_url is not None:
            return None
        engine = self._stack.engine
        try:
            accounts = {account["account_tag"]: dict(account) for account in engine.accounts()}
            return Records(time.time(), accounts, tuple(dict(record) for record in engine.transactions()))
        except EngineError:
            # A file that deletes an account and leaves its records makes lists that no engine can give.
            return None

    def _await_quiet(self) -> int | None:
        """Wait until no dialog is left and no request is unanswered; how many dialogs there were in the end."""
        left: int | None = None

        def quiet() -> bool:
            nonlocal left
            if not self.look():
                return True
            try:
                left = self._stack.kamailio.active_dialogs()
            except RpcError:
                left = None
                return False
            return left == 0 and not any(each.pending for each in self._stack.tap.exchanges().exchanges)

        try:
            await_condition(quiet, Deadline(_QUIET), "quiet", interval=0.05)
        except Timeout:
            if self.lab.capabilities.restart:
                self._stack.spoiled(KAMAILIO)
        return left


class BareSite:
    """A Kamailio and an API that run already, of which nothing is known but where they are.

    :param facing: the address of this machine from which it reaches the target.
    """

    def __init__(
        self, lab: Lab, target: tuple[str, int], facing: str, api_url: str, executable: str | None = None
    ) -> None:
        self.lab = lab
        self.target = target
        self.executable = executable
        self._facing = facing
        self._api_url = api_url
        self._seats: dict[str, Seat] = {}

    def prepare(self, plan: CanyanPlan) -> None:
        """Nothing there is ours to change."""

    def seat(self, name: str) -> Seat:
        if name not in self._seats:
            last = next(reversed(self._seats.values()), Seat(Host("", ""), _SIP - 1, _CONTROL - 1))
            self._seats[name] = Seat(
                Host(name, self._facing),
                _free_port(self._facing, last.port + 1),
                _free_port(self._facing, last.control + 1),
            )
        return self._seats[name]

    def api(self, host: str | None) -> Endpoint:
        return Endpoint(host or self._api_url)

    def kamailio_url(self, uri: str) -> str:
        return uri

    def begin(self) -> None:
        """There's nothing to note."""

    def over(self) -> None:
        """There's nothing to note."""

    def look(self) -> bool:
        return True

    def end(self, evidence: Evidence) -> Evidence:
        lab = {"driver": "external", "target": f"{self.target[0]}:{self.target[1]}", "engine": self._api_url}
        return replace(evidence, lab={**lab, **evidence.lab})


def _free_port(address: str, first: int) -> int:
    for port in range(first, first + 1000):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe, suppress(OSError):
            probe.bind((address, port))
            return port
    raise Timeout(f"no free UDP port was found on {address}", expected=f"one from {first} to {first + 999}")
