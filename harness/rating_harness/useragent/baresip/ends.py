"""The two ends of calls, each by a baresip: what a script says, as commands at their moments."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable
from typing import Any

from rating_harness.useragent.baresip.configuration import user_of
from rating_harness.useragent.baresip.process import Baresip, BaresipError, CallState
from rating_harness.useragent.message import Message
from rating_harness.useragent.script import CalleeCall, CalleeScript, CallerScript, Renewal, Treatment
from rating_harness.useragent.session import REPLY

__all__ = ["UNAVAILABLE", "Callee", "Caller"]

UNAVAILABLE = "480 "
"""How the reply begins with which baresip refuses all calls, when it's not to be disturbed."""

_CALL_ID = re.compile(r"call id: (\S+)")


class _End:
    """What both have in common."""

    def __init__(self, baresip: Baresip) -> None:
        self._baresip = baresip
        self.made = 0

    @property
    def has_open_calls(self) -> bool:
        """Whether a call goes on that it made or answered."""
        return any(call.invite is not None and not call.closed.is_set() for call in self._baresip.calls.values())

    async def _renew(self, call_id: str, renewals: Iterable[Renewal]) -> None:
        """Send the re-INVITEs of a call, from its answer on."""
        on_hold, now = False, 0.0
        for renewal in sorted(renewals, key=lambda each: each.at):
            await asyncio.sleep(renewal.at - now)
            now = renewal.at
            if "a=sendonly" in renewal.sdp:
                on_hold = True
                await self._baresip.command_of(call_id, "hold")
            elif on_hold:
                on_hold = False
                await self._baresip.resume(call_id)
            else:
                await self._reinvite(call_id)

    async def _reinvite(self, call_id: str) -> None:
        """Of the current call, which this one becomes before."""
        await self._baresip.command_of(call_id, "callfind")
        if not self._baresip.calls[call_id].closed.is_set():
            await self._baresip.command("reinvite")

    async def _hang_up(self, call_id: str, after: float, *, closed: asyncio.Event) -> None:
        await asyncio.sleep(after)
        if not closed.is_set():
            await self._baresip.command_of(call_id, "hangup")


class Caller(_End):
    """All calls of a script, one after another has begun."""

    def __init__(self, script: CallerScript, baresip: Baresip) -> None:
        super().__init__(baresip)
        self._script = script

    async def begin(self) -> None:
        """Nothing: whoever calls doesn't register."""

    async def run(self) -> None:
        room = asyncio.Semaphore(self._script.limit)
        async with asyncio.TaskGroup() as group:
            for number in range(1, len(self._script.call_ids) + 1):
                await room.acquire()
                self.made += 1
                group.create_task(self._call(number, room))
                await asyncio.sleep(self._script.spacing)

    async def _call(self, number: int, room: asyncio.Semaphore) -> None:
        """Make a call, and wait until it's over and all its requests are answered or given up."""
        script = self._script
        try:
            answer = await self._baresip.command("dial", script.of(number).invite.uri or "")
            match = _CALL_ID.search(answer)
            if match is None:
                raise BaresipError(f"baresip names no Call-ID of the call that it makes: {answer.strip()!r}")
            state = self._baresip.calls[match[1]]
            hold = script.holds[(number - 1) % len(script.holds)]
            work = [self._talk(match[1], state, hold)]
            if script.cancel is not None:
                work.append(self._cancel(match[1], state))
            await _until(state.closed, work, script.patience + max(script.holds))
            await _until(state.settled, (), REPLY)
        finally:
            room.release()

    async def _cancel(self, call_id: str, state: CallState) -> None:
        cancel = self._script.cancel
        assert cancel is not None
        if cancel.event == "ringing":
            await state.ringing.wait()
        await asyncio.sleep(cancel.delay)
        if not state.answered.is_set():
            await self._baresip.command_of(call_id, "hangup")

    async def _talk(self, call_id: str, state: CallState, hold: float) -> None:
        await state.answered.wait()
        work = [self._renew(call_id, self._script.renewals)]
        if self._script.hangup:
            work.append(self._hang_up(call_id, hold, closed=state.closed))
        await asyncio.gather(*work)


class Callee(_End):
    """All calls that reach a host. Calls that the scenario doesn't know are refused."""

    def __init__(self, script: CalleeScript, baresip: Baresip) -> None:
        super().__init__(baresip)
        self._script = script

    async def begin(self) -> None:
        """:raises BaresipError: it can't be made unavailable."""
        treatments = [each for call in self._script.calls for each in (*call.by_attempt, call.then)]
        if treatments and all(each.refuse.startswith(UNAVAILABLE) for each in treatments):
            await self._baresip.command("dnd", "true")

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                call_id = await self._baresip.incoming.get()
                attempt, self.made = self.made, self.made + 1
                group.create_task(self._treat(call_id, attempt))

    async def _treat(self, call_id: str, attempt: int) -> None:
        state = self._baresip.calls[call_id]
        call = call_of(self._script, state.invite) if state.invite is not None else None
        if call is None:
            await self._baresip.command_of(call_id, "hangup")
            return
        treatment = call.by_attempt[attempt] if attempt < len(call.by_attempt) else call.then
        await _until(state.closed, [self._follow(call_id, state, treatment)], None)

    async def _follow(self, call_id: str, state: CallState, treatment: Treatment) -> None:
        await asyncio.sleep(treatment.ring)
        if treatment.refuse:
            await self._baresip.command_of(call_id, "hangup")
            return
        await self._baresip.command_of(call_id, "accept")
        await state.answered.wait()
        work = [self._renew(call_id, treatment.renewals)]
        if treatment.hang_up is not None:
            work.append(self._hang_up(call_id, treatment.hang_up, closed=state.closed))
        await asyncio.gather(*work)


def call_of(script: CalleeScript, invite: Message) -> CalleeCall | None:
    """The call of a script that an INVITE begins, by its users of From and To (RFC 3261 section 8.1.1)."""
    users = tuple(user_of(invite.header(name) or "") for name in ("From", "To"))
    return next((call for call in script.calls if users in call.users), None)


async def _until(event: asyncio.Event, work: Iterable[Coroutine[Any, Any, None]], within: float | None) -> None:
    """Wait for an event while work is done for it, which is given up then.

    :raises Exception: the work failed.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    waiting = asyncio.ensure_future(event.wait())
    give_up = None if within is None else asyncio.get_running_loop().time() + within
    try:
        pending = {waiting, *tasks}
        while not waiting.done() and pending:
            left = None if give_up is None else give_up - asyncio.get_running_loop().time()
            if left is not None and left <= 0:
                return
            done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
    finally:
        for each in (waiting, *tasks):
            each.cancel()
        await asyncio.gather(waiting, *tasks, return_exceptions=True)
