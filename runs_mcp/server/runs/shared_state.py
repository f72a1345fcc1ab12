"""What the processes of one service share; and what a process by itself has in its place."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

import anyio
from mcp.server.mcpserver import RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, SubscriptionBus

from runs_mcp.server.runs.run_stream import RunStream

Role = Literal["leader", "successor", "reader"]
"""What a process is to a run: the one that follows it, for the first time or after another; or it has read to the end
what another followed.
"""


MAX_KEYS = 10_000
"""Request keys that a process remembers; older ones are found by the tags of their runs."""


class Relay(Protocol):
    """Has one process follow a run for all of them."""

    async def read(self, follower: RunStream) -> Role:
        """Give `follower` what another process reads of its run, until that has ended or nobody else follows it."""

    def leading(self, follower: RunStream) -> AbstractAsyncContextManager[None]:
        """Pass on what `follower` reads, to its end, which is inside the block."""


class PollTurns(Protocol):
    """Has one process at a time look at a run that several watch."""

    async def due(self, run_id: str, seconds: float) -> bool:
        """Whether to look now: nobody else has for so many `seconds`."""

    async def changed(self, run_id: str, status: str) -> bool:
        """Whether `status` is not what whoever looked last saw."""

    def told_of(self, run_id: str, watched: Iterable[str]) -> Iterable[str]:
        """The URIs to tell of a change by, where this process watches the run by some."""

    def forget(self, run_id: str) -> None:
        """Take note that this process watches the run no longer."""


@dataclass(frozen=True, slots=True)
class KeyedRun:
    """The run that a request key created."""

    run_id: str
    request: str
    """Tag of the request that created it."""


class RequestKeys(Protocol):
    """Locks for request keys, and the runs that they created."""

    def held(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold `key` while the block lasts, once no other call does."""

    async def find(self, key: str) -> KeyedRun | None:
        """Return the run that `key` created, if it is remembered."""

    async def keep(self, key: str, run: KeyedRun) -> None:
        """Remember the run that `key` created."""


class SingleUse(Protocol):
    """Lets each name be claimed once."""

    async def claim(self, name: str, seconds: float) -> bool:
        """Claim `name`; return False if it was claimed within the last `seconds`."""


class OwnRelay:
    """Follows every run in this process."""

    async def read(self, follower: RunStream) -> Role:  # noqa: ARG002 - there is nobody to read from
        """Nobody else follows the run."""
        return "leader"

    def leading(self, follower: RunStream) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - there is nobody to tell
        """Nobody else is told."""
        return nullcontext()


class OwnPollTurns:
    """The turns of a single process: every poll is due."""

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
    """Request keys of this process, which remembers the latest of them."""

    def __init__(self) -> None:
        self._held: dict[str, anyio.Event] = {}
        self._runs: dict[str, KeyedRun] = {}

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

    async def find(self, key: str) -> KeyedRun | None:
        """Return the run that `key` created, if it is among the latest."""
        return self._runs.get(key)

    async def keep(self, key: str, run: KeyedRun) -> None:
        """Remember the run that `key` created; forget the one remembered for longest beyond `MAX_KEYS`."""
        self._runs.pop(key, None)
        self._runs[key] = run
        if len(self._runs) > MAX_KEYS:
            del self._runs[next(iter(self._runs))]


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
class SharedState:
    """All that processes share. By default this one is by itself."""

    bus: SubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    """Tells every process of changes that one has seen."""
    relay: Relay = field(default_factory=OwnRelay)
    looks: PollTurns = field(default_factory=OwnPollTurns)
    request_keys: RequestKeys = field(default_factory=OwnRequestKeys)
    single_use: SingleUse = field(default_factory=OwnSingleUse)
    """Claims the sealed state of a call, so that a confirmation counts once."""
    request_state: RequestStateSecurity | None = None
    """Seals the state that a client carries from one request to the next; None: by a key of this process."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """What has to run while it is used."""
        return nullcontext()
