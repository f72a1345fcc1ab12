"""The creates of calls that were cut off. A model that read "timed out" repeats its call, and gets the same runs.

Only a call whose result did not reach the client counts: models also create equal runs on purpose. A process remembers
its own calls; a repeat that reaches another replica creates new runs.
"""

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from runs_mcp.server.create.background_create import PendingCreate

MOST = 100
"""Calls that are remembered, each with its runs; the oldest is forgotten first."""
SETTLE_S = 0.1
"""Minimum seconds for which a call waits while an equal call is in progress, whose cancellation may be on its way."""
SETTLE_TURNS = 20
"""Turns of the event loop that the wait takes at least. A cancellation needs several turns to be read, parsed and
delivered, and on a busy server each takes a tenth of a second or more."""
MAX_SETTLE_S = 3.0
"""Maximum seconds of the wait, however busy the server is."""
HasLeft = Callable[[], Awaitable[bool]]
"""Returns True once the client of a call has closed the connection on which it waits for the answer."""


@dataclass(slots=True, eq=False)
class StartedCreates:
    """The creates that a call has started. Two calls can share them, so that no run is created twice."""

    request: str = ""
    """Hash of the request and its client, which a repeat of the call shares. Empty: the call is never repeated."""
    pending: dict[int, PendingCreate] = field(default_factory=dict)
    """The creates by the position of their runs in the call."""
    taken_over: bool = False
    """True if some of them are those of a call that was cut off, and no answer shows them yet."""

    def answered(self) -> bool:
        """Return True if the answer, which is ready, is the first to show creates of a call that was cut off."""
        taken_over, self.taken_over = self.taken_over, False
        return taken_over


class CutOffCreates:
    """The creates of the calls that were cut off within some seconds."""

    def __init__(
        self, repeat_s: float, *, settle_s: float = SETTLE_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`repeat_s`: seconds within which a repeat of a call gets its runs; 0: no call is remembered."""
        self._repeat_s = repeat_s
        self._settle_s = settle_s
        self._now = now
        self._going_on: dict[StartedCreates, HasLeft] = {}
        self._kept: list[tuple[float, StartedCreates]] = []

    async def take_over(self, call: StartedCreates, request: str, until: float = math.inf) -> None:
        """Give `call` the creates of the first call with the same `request` that was cut off, and forget that call.

        While an equal call is in progress, wait for its cancellation, but not beyond `until`, a time of anyio's clock.
        Creates that have failed without creating a run are left out. If the earlier call goes on, the two calls share
        what either of them starts.
        """
        if not self._repeat_s:
            return
        call.request = request
        earlier = {
            started: has_left
            for started, has_left in self._going_on.items()
            if started.request == request and started is not call
        }
        await self._settle(earlier, request, until)
        found = self._find(request) or await self._abandoned(earlier)
        if found is None:
            return
        self._kept = [entry for entry in self._kept if entry[1] is not found]
        found.request = ""
        for at in [at for at, create in found.pending.items() if not create.may_have_run]:
            del found.pending[at]
        call.pending, call.taken_over = found.pending, bool(found.pending)

    async def _settle(self, earlier: Collection[StartedCreates], request: str, until: float) -> None:
        """Wait until a call with `request` is cut off, or all `earlier` calls have ended, but not for long."""
        with anyio.CancelScope(deadline=min(until, anyio.current_time() + MAX_SETTLE_S)):
            for _ in range(SETTLE_TURNS):
                if self._find(request) or not any(started in self._going_on for started in earlier):
                    return
                await anyio.sleep(self._settle_s / SETTLE_TURNS)

    def _find(self, request: str) -> StartedCreates | None:
        """Return the first call with `request` that was cut off."""
        self._forget()
        return next((started for _, started in self._kept if started.request == request), None)

    async def _abandoned(self, earlier: Mapping[StartedCreates, HasLeft]) -> StartedCreates | None:
        """Return the first call that goes on although its client has closed the connection.

        Before 2026-07-28, closing the connection does not cancel a call.
        """
        for started, has_left in earlier.items():
            # Checked again after the connection: a call that was answered in the meantime has lost its connection, too.
            if started.request and await has_left() and started.request and started in self._going_on:
                return started
        return None

    @asynccontextmanager
    async def kept(self, started: StartedCreates, has_left: HasLeft) -> AsyncIterator[None]:
        """Remember the creates of a call if the block is cancelled, or its client `has_left` at the end."""
        self._going_on[started] = has_left
        try:
            yield
        except anyio.get_cancelled_exc_class():
            self.keep(started)
            raise
        finally:
            del self._going_on[started]
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
