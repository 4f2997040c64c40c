"""Kamailio's own view of a run: each SIP message that it sent or received, as its module siptrace says."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

from rating_harness.contract import CONTRACT
from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import Timeout
from rating_harness.evidence.model import CapturedMessage
from rating_harness.kamailio.rpc import KamailioClient
from rating_harness.kamailio.siptrace import CAPTURE, FILE, LISTENING, captured, listener_service, packets
from rating_harness.lab.protocol import Host, Lab
from rating_harness.plan.model import Plan

__all__ = ["Capture"]


_WRITTEN = 2.0
"""Seconds in which the listener has written down the first message, on a machine that is busy too."""


class Capture:
    """The listener in a lab, and what it has taken.

    :param off: why nothing is captured; None when it is.
    :param lost: why nothing was captured of the last run though it should have been; else empty.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.off: str | None = "no listener was started"
        self.lost = ""
        self._is_listening = False
        self._is_paused = False

    def _listening(self) -> None:
        self._is_listening = True
        self.off = None

    def find(self) -> None:
        """Use the listener that another process started in this lab, if it did."""
        with suppress(KeyError):
            self._lab.service(CAPTURE)
            self._listening()

    def start(self, deadline: Deadline) -> None:
        """Start the listener, and wait until it listens.

        :raises LabError: it could not be started.
        """
        listener = self._lab.start_service(listener_service(), deadline)
        await_condition(lambda: LISTENING in listener.output(), deadline, "the SIP capture's listener")
        self._listening()

    def begin(self, plan: Plan, kamailio: KamailioClient, deadline: Deadline) -> None:
        """Forget what was taken so far. Under load Kamailio captures nothing: that would be most of its work.

        :raises LabError: the listener was lost, and can't be started.
        """
        if self.off is not None:
            return
        if self.lost or self._lab.service(CAPTURE).poll() is not None:
            self._restart(deadline)
        self._lab.service(CAPTURE).signal(signal.SIGUSR1)
        if plan.is_brief != self._is_paused:
            kamailio.call("siptrace.status", "off" if plan.is_brief else "on")
            self._is_paused = plan.is_brief

    def _restart(self, deadline: Deadline) -> None:
        number = self._lab.service(CAPTURE).output().count(LISTENING)
        listener = self._lab.restart_service(CAPTURE, deadline, how=signal.SIGKILL)
        await_condition(
            lambda: listener.output().count(LISTENING) > number, deadline, "the SIP capture's listener, once more"
        )
        self.lost = ""

    def give_up(self, reason: str) -> None:
        """Capture nothing any more."""
        self._is_listening = False
        self.off = reason

    def configure(self, refusal: str | None) -> str | None:
        """Kamailio is about to be started.

        :param refusal: why its configuration can't be made to send its messages.
        :return: the address to send to; None: to none.
        """
        if not self._is_listening:
            return None
        self.off = refusal
        self._is_paused = False
        return None if refusal else self._lab.host(CAPTURE).address

    def restarted(self) -> None:
        """Kamailio starts again as it was: then it sends."""
        self._is_paused = False

    def messages(
        self, hosts: Iterable[Host], since: float, *, has_replied: bool
    ) -> tuple[CapturedMessage, ...] | None:
        """What Kamailio sent and received since that Unix second; None when that wasn't captured.

        :param hosts: of the lab, to be named.
        :param has_replied: an end got something from Kamailio, so that something has to be there.
        """
        if self.off is not None or self._is_paused:
            return None
        own = self._lab.host(CONTRACT.services.kamailio)
        listener = self._lab.service(CAPTURE)

        def is_written() -> bool:
            return bool(listener.read_file(FILE)) or listener.poll() is not None

        if has_replied:
            with suppress(Timeout):
                await_condition(is_written, Deadline(_WRITTEN), "what was captured")
        content = listener.read_file(FILE) or b""
        found = captured(packets(content), _addresses(own), _names([own, *hosts]), since)
        if listener.poll() is not None:
            self.lost = "the listener of Kamailio's own messages has ended in mid-run"
        elif has_replied and not found:
            self.lost = "the listener of Kamailio's own messages took none"
        return None if self.lost else found


def _addresses(host: Host) -> list[str]:
    return [address for address in (host.address, host.address6) if address]


def _names(hosts: Iterable[Host]) -> Mapping[str, str]:
    return {address: host.name for host in hosts for address in _addresses(host)}
