"""What the processes of one service share; and what a process by itself has in its place."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

import anyio
from mcp.server.mcpserver import RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, SubscriptionBus

from runs_mcp.server.runs.run_stream import Follower

Role = Literal["leader", "successor", "reader"]
"""What a process is to a run: the one that follows it, for the first time or after another; or it has read to the end
what another followed.
"""


class Relay(Protocol):
    """Has one process follow a run for all of them."""

    async def read(self, follower: Follower) -> Role:
        """Give `follower` what another process reads of its run, until that has ended or nobody else follows it."""

    def leading(self, follower: Follower) -> AbstractAsyncContextManager[None]:
        """Pass on what `follower` reads, to its end, which is inside the block."""


class Looks(Protocol):
    """Has one process at a time look at a run that several watch."""

    async def due(self, run_id: str, seconds: float) -> bool:
        """Whether to look now: nobody else has for so many `seconds`."""

    async def changed(self, run_id: str, status: str) -> bool:
        """Whether `status` is not what whoever looked last saw."""

    def told_of(self, run_id: str, watched: Iterable[str]) -> Iterable[str]:
        """The URIs to tell of a change by, where this process watches the run by some."""

    def forget(self, run_id: str) -> None:
        """Take note that this process watches the run no longer."""


class RequestKeys(Protocol):
    """Has one create at a time go by a key, and knows which run it made."""

    def held(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold `key` while the block lasts, once nobody else does."""

    async def run_of(self, key: str) -> str | None:
        """The id of the run that was made by `key`, if that is known here."""

    async def keep(self, key: str, run_id: str) -> None:
        """Take note of the run that was made by `key`."""


class SingleUse(Protocol):
    """Lets each name be claimed once."""

    async def claim(self, name: str, seconds: float) -> bool:
        """Claim `name`; return False if it was claimed within the last `seconds`."""


class OwnRelay:
    """Follows every run in this process."""

    async def read(self, follower: Follower) -> Role:  # noqa: ARG002 - there is nobody to read from
        """Nobody else follows the run."""
        return "leader"

    def leading(self, follower: Follower) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - there is nobody to tell
        """Nobody else is told."""
        return nullcontext()


class OwnLooks:
    """Looks whenever it is time to."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    async def due(self, run_id: str, seconds: float) -> bool:  # noqa: ARG002 - nobody else looks
        """Always."""
        return True

    async def changed(self, run_id: str, status: str) -> bool:
        """Whether `status` is not what was seen last."""
        before, self._seen[run_id] = self._seen.get(run_id, status), status
        return status != before

    def told_of(self, run_id: str, watched: Iterable[str]) -> Iterable[str]:  # noqa: ARG002 - there are no others
        """Those that this process watches it by."""
        return list(watched)

    def forget(self, run_id: str) -> None:
        """Forget what was seen."""
        self._seen.pop(run_id, None)


class OwnRequestKeys:
    """Keys as this process holds them."""

    def __init__(self) -> None:
        self._held: dict[str, anyio.Event] = {}

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[None]:
        """Hold `key` while the block lasts, once nobody else in this process does."""
        while earlier := self._held.get(key):
            await earlier.wait()
        done = self._held[key] = anyio.Event()
        try:
            yield
        finally:
            del self._held[key]
            done.set()

    async def run_of(self, key: str) -> str | None:  # noqa: ARG002 - the tag of the run tells
        """Not known here."""
        return None

    async def keep(self, key: str, run_id: str) -> None:
        """Keep nothing: the tag of the run tells."""


class OwnSingleUse:
    """Names claimed in this process."""

    def __init__(self) -> None:
        self._claimed: dict[str, float] = {}

    async def claim(self, name: str, seconds: float) -> bool:
        """Claim `name`; return False if this process did so within the last `seconds`."""
        now = anyio.current_time()
        self._claimed = {one: until for one, until in self._claimed.items() if until > now}
        if name in self._claimed:
            return False
        self._claimed[name] = now + seconds
        return True


@dataclass(frozen=True, slots=True)
class Sharing:
    """All that processes share. By default this one is by itself."""

    bus: SubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    """Tells every process of changes that one has seen."""
    relay: Relay = field(default_factory=OwnRelay)
    looks: Looks = field(default_factory=OwnLooks)
    request_keys: RequestKeys = field(default_factory=OwnRequestKeys)
    single_use: SingleUse = field(default_factory=OwnSingleUse)
    """Claims the sealed state of a call, so that a confirmation counts once."""
    request_state: RequestStateSecurity | None = None
    """Seals the state that a client carries from one request to the next; None: by a key of this process."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """What has to run while it is used."""
        return nullcontext()
