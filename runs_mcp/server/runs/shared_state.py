"""State that the processes of a service share, and its implementation for a single process."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

import anyio
from mcp.server.mcpserver import RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, SubscriptionBus

from runs_mcp.server.create.create_limit import OwnStartCounts, StartCounts
from runs_mcp.server.runs.run_stream import RunStream

Role = Literal["leader", "successor", "reader"]
"""The role of a process for a run: `leader` follows it first, `successor` continues after another process, and `reader`
has read to the end what another process followed.
"""


MAX_KEYS = 10_000
"""Request keys that a process remembers; older keys are found by the tags of their runs."""


class Relay(Protocol):
    """A relay that lets one process read a run's stream for all processes."""

    async def read(self, follower: RunStream) -> Role:
        """Add text that another process reads to `follower`, until the run ends or no other process follows it."""

    def leading(self, follower: RunStream) -> AbstractAsyncContextManager[None]:
        """Pass on the text that `follower` reads in the block, up to its end."""


class PollTurns(Protocol):
    """Turns that let one process at a time poll a run to which clients of several processes subscribe."""

    async def due(self, run_id: str, seconds: float) -> bool:
        """Return true if no process has polled the run for `seconds`, so that this process polls it now."""

    async def changed(self, run_id: str, status: str) -> bool:
        """Return true if `status` differs from the result of the last poll."""

    def uris_to_publish(self, run_id: str, subscribed: Iterable[str]) -> Iterable[str]:
        """Return the URIs under which a change is published; `subscribed` are those of subscribers in this process."""

    def forget(self, run_id: str) -> None:
        """Forget the run, because this process has no subscribers to it any more."""


@dataclass(frozen=True, slots=True)
class KeyedRun:
    """The run that a request key created."""

    run_id: str
    request: str
    """Tag of the request that created it."""


class RequestKeys(Protocol):
    """Locks for request keys, and the runs that they created."""

    def held(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold `key` for the duration of the block, after all other calls have released it."""

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

    async def read(self, follower: RunStream) -> Role:  # noqa: ARG002 - no other process to read from
        """Return `leader`: no other process follows the run."""
        return "leader"

    def leading(self, follower: RunStream) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - no other process reads
        """Return an empty context: no other process is notified."""
        return nullcontext()


class OwnPollTurns:
    """The turns of a single process: every poll is due."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    async def due(self, run_id: str, seconds: float) -> bool:  # noqa: ARG002 - no other process polls
        """Return true: this process polls at every turn."""
        return True

    async def changed(self, run_id: str, status: str) -> bool:
        """Return true if `status` differs from the status of the last poll."""
        before, self._seen[run_id] = self._seen.get(run_id, status), status
        return status != before

    def uris_to_publish(self, run_id: str, subscribed: Iterable[str]) -> Iterable[str]:  # noqa: ARG002 - there are no others
        """Return the URIs with subscribers in this process."""
        return list(subscribed)

    def forget(self, run_id: str) -> None:
        """Forget the status of the run."""
        self._seen.pop(run_id, None)


class OwnRequestKeys:
    """Request keys of this process, which remembers the latest of them."""

    def __init__(self) -> None:
        self._held: dict[str, anyio.Event] = {}
        self._runs: dict[str, KeyedRun] = {}

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[None]:
        """Hold `key` for the duration of the block, after earlier holders in this process have released it."""
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
        """Remember the run that `key` created; forget the oldest run beyond `MAX_KEYS`."""
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
        self._claimed = {claimed: until for claimed, until in self._claimed.items() if until > now}
        if name in self._claimed:
            return False
        self._claimed[name] = now + seconds
        return True


@dataclass(frozen=True, slots=True)
class SharedState:
    """All state that processes share. The defaults serve a single process."""

    bus: SubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    """Notifies every process of changes that any process has detected."""
    relay: Relay = field(default_factory=OwnRelay)
    poll_turns: PollTurns = field(default_factory=OwnPollTurns)
    request_keys: RequestKeys = field(default_factory=OwnRequestKeys)
    single_use: SingleUse = field(default_factory=OwnSingleUse)
    """Claims the sealed state of a call, so that a confirmation counts once."""
    start_counts: StartCounts = field(default_factory=OwnStartCounts)
    """Counts the runs that callers of the profile start."""
    request_state: RequestStateSecurity | None = None
    """Seals the state that a client carries from one request to the next; None: by a key of this process."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Return the context in which the shared state can be used."""
        return nullcontext()
