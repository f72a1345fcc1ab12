"""The creates of calls that were cut off. A model that read "timed out" repeats its call, and gets the same runs.

Only a call whose result did not reach the client counts: models also create equal runs on purpose. A process remembers
its own calls; a repeat that reaches another replica creates new runs.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from runs_mcp.server.runs.background_create import PendingCreate

MOST = 100
"""Calls that are remembered, each with its runs; the oldest is forgotten first."""
SETTLE_S = 0.1
"""Seconds for which a call waits while an equal call is in progress, whose cancellation may not have arrived yet."""
HasLeft = Callable[[], Awaitable[bool]]
"""Tells if the client of a call has closed the connection on which it waits for the answer."""


@dataclass(slots=True, eq=False)
class StartedCreates:
    """The creates that a call has started."""

    request: str = ""
    """What was asked for and by which client, as a hash; a repeat of the call has the same. Empty: never repeated."""
    pending: dict[int, PendingCreate] = field(default_factory=dict)
    """The creates by the position of their runs in the call."""
    taken_over: bool = False
    """True if some of them are those of a call that was cut off, and no answer shows them yet."""


class CutOffCreates:
    """The creates of the calls that were cut off within some seconds."""

    def __init__(self, repeat_s: float, *, now: Callable[[], float] = time.monotonic) -> None:
        """`repeat_s`: seconds within which a repeat of a call gets its runs; 0: no call is remembered."""
        self._repeat_s = repeat_s
        self._now = now
        self._going_on: list[tuple[HasLeft, StartedCreates]] = []
        self._kept: list[tuple[float, StartedCreates]] = []

    async def take(self, request: str) -> dict[int, PendingCreate]:
        """Return the creates of the first call with this request that was cut off, and forget the call.

        Creates that have failed without creating a run are left out. The dictionary remains that of the call: if the
        call goes on, the two share what either of them starts.
        """
        if any(started.request == request and started.pending for _, started in self._going_on):
            await anyio.sleep(SETTLE_S)
        # Before 2026-07-28, a call goes on although its client has closed the connection.
        for going_on in list(self._going_on):
            has_left, started = going_on
            if started.request == request and started.pending and await has_left() and going_on in self._going_on:
                self.keep(started)  # the connection of a call that was answered meanwhile has ended as well
        self._forget()
        found = next((started for _, started in self._kept if started.request == request), None)
        if found is None:
            return {}
        self._kept = [entry for entry in self._kept if entry[1] is not found]
        found.request = ""
        for at in [at for at, create in found.pending.items() if not create.may_have_run]:
            del found.pending[at]
        return found.pending

    @asynccontextmanager
    async def kept(self, started: StartedCreates, has_left: HasLeft) -> AsyncIterator[None]:
        """Remember the creates of a call if the block is cancelled, or its client `has_left` at the end."""
        self._going_on.append((has_left, started))
        try:
            yield
        except anyio.get_cancelled_exc_class():
            self.keep(started)
            raise
        finally:
            self._going_on.remove((has_left, started))
        if started.taken_over or (started.pending and await has_left()):
            self.keep(started)

    def keep(self, started: StartedCreates) -> None:
        """Remember the creates of a call that was cut off."""
        if started.request and started.pending and self._repeat_s:
            self._kept.append((self._now() + self._repeat_s, started))
            self._forget()

    def _forget(self) -> None:
        """Forget the calls whose time is over, and the oldest beyond `MOST`."""
        now = self._now()
        self._kept = [entry for entry in self._kept if entry[0] > now][-MOST:]
