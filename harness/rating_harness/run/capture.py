"""Kamailio's own view of a run: each SIP message that it sent or received, as its module siptrace says."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

from rating_harness.contract import CONTRACT
from rating_harness.deadline import Deadline, await_condition
from rating_harness.evidence.model import CapturedMessage
from rating_harness.kamailio.rpc import KamailioClient
from rating_harness.kamailio.siptrace import CAPTURE, FILE, LISTENING, captured, listener_service, packets
from rating_harness.lab.protocol import Host, Lab
from rating_harness.plan.model import Plan

__all__ = ["Capture"]


class Capture:
    """The listener in a lab, and what it has taken.

    :param off: why nothing is captured; None when it is.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.off: str | None = "no listener was started"
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

    def begin(self, plan: Plan, kamailio: KamailioClient) -> None:
        """Forget what was taken so far. Under load Kamailio captures nothing: that would be most of its work."""
        if self.off is not None:
            return
        self._lab.service(CAPTURE).signal(signal.SIGUSR1)
        if plan.is_brief != self._is_paused:
            kamailio.call("siptrace.status", "off" if plan.is_brief else "on")
            self._is_paused = plan.is_brief

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

    def messages(self, hosts: Iterable[Host], since: float) -> tuple[CapturedMessage, ...] | None:
        """What Kamailio sent and received since that Unix second; None when that wasn't captured.

        :param hosts: of the lab, to be named.
        """
        if self.off is not None or self._is_paused:
            return None
        own = self._lab.host(CONTRACT.services.kamailio)
        content = self._lab.service(CAPTURE).read_file(FILE) or b""
        return captured(packets(content), _addresses(own), _names([own, *hosts]), since)


def _addresses(host: Host) -> list[str]:
    return [address for address in (host.address, host.address6) if address]


def _names(hosts: Iterable[Host]) -> Mapping[str, str]:
    return {address: host.name for host in hosts for address in _addresses(host)}
