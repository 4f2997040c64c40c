"""What scenarios write into Kamailio's htables: the users with their passwords, and the entries of ``tables``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from rating_harness.errors import PlanError
from rating_harness.kamailio.rpc import KamailioClient, RpcError
from rating_harness.plan.model import Plan
from rating_harness.scenario.name_resolution import host_in_braces

__all__ = ["HashTables"]

_SUBSCRIBER = "subscriber"
"""The htable of users and their passwords."""


class HashTables:
    """Those of the Kamailio that runs; what one scenario has put there is taken out for the next."""

    def __init__(self) -> None:
        self._filled: frozenset[str] = frozenset()
        self._users: frozenset[str] = frozenset()

    def fill(self, kamailio: KamailioClient, plan: Plan, address: Callable[[str], str]) -> None:
        """As the scenario wants them; what the one before wrote into them is gone.

        :param address: that of a host of the lab.
        :raises PlanError: the configuration has no such table.
        """
        self.clear(kamailio)
        wanted = plan.scenario.kamailio
        for user, password in wanted.users.items():
            _write(kamailio, plan, ("users",), _SUBSCRIBER, user, password)
            self._users |= {user}
        hosts = {call.id: call.agent.host for call in plan.calls}
        for table, entries in wanted.tables.items():
            for entry, value in entries.items():
                name = host_in_braces(entry)
                key = entry if name is None else address(hosts.get(name, name))
                _write(kamailio, plan, ("tables", table), table, key, value)
                self._filled |= {table}

    def clear(self, kamailio: KamailioClient) -> None:
        """:raises HarnessError: Kamailio doesn't answer."""
        for table in self._filled:
            kamailio.call("htable.flush", table)
        for user in self._users:
            # An entry that isn't there any more is an error to Kamailio.
            with suppress(RpcError):
                kamailio.call("htable.delete", _SUBSCRIBER, user)
        self.forget()

    def forget(self) -> None:
        """Another Kamailio runs in place of the one that was filled."""
        self._filled, self._users = frozenset(), frozenset()


def _write(
    kamailio: KamailioClient, plan: Plan, path: tuple[str, ...], table: str, key: str, value: str | int
) -> None:
    command = "htable.seti" if isinstance(value, int) else "htable.sets"
    try:
        kamailio.call(command, table, key, value)
    except RpcError as error:
        if "no such htable" not in error.message.lower():
            raise
        raise PlanError(
            f"the configuration has no htable {table!r}, which the scenario fills",
            where=plan.scenario.where("kamailio", *path),
            hint="kamailio: {defines: {WITH_AUTH: 1}}" if table == _SUBSCRIBER else "is its name the one there?",
        ) from None
