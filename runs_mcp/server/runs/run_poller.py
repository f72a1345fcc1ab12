"""Pollers of runs: one task polls each run with subscribers, until the run ends or the last subscriber leaves."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from mcp.server.subscriptions import ResourceUpdated, SubscriptionBus

from runs_mcp.api import NotFoundError, Run, RunsApiError, RunsClient
from runs_mcp.server.runs.shared_state import PollTurns
from runs_mcp.server.runs.stream_hub import StreamHub

FIRST_LOOK_S = 0.5
LONGEST_LOOK_S = 5.0


@dataclass(slots=True)
class _Watch:
    """One run being watched, and how many watch it by which of its URIs."""

    uris: Counter[str] = field(default_factory=Counter[str])
    looked: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class RunPollers:
    """The pollers of all runs with subscribers: one per run, regardless of the number of subscribers."""

    def __init__(
        self, runs: RunsClient, followers: StreamHub, tasks: TaskGroup, bus: SubscriptionBus, looks: PollTurns
    ) -> None:
        self._runs = runs
        self._followers = followers
        self._tasks = tasks
        self._bus = bus
        self._looks = looks
        self._watches: dict[str, _Watch] = {}

    @property
    def watched(self) -> set[str]:
        """The ids of the runs that have subscribers."""
        return set(self._watches)

    @asynccontextmanager
    async def watching(self, run_id: str, uri: str) -> AsyncIterator[None]:
        """Publish that `uri` was updated at each change of the run's status while the block lasts.

        The block begins after the first poll of the run, so that no later change is missed.
        """
        watch = self._watches.get(run_id)
        if watch is None:
            watch = self._watches[run_id] = _Watch()
            self._tasks.start_soon(self._watch, run_id, watch)
        watch.uris[uri] += 1
        try:
            await watch.looked.wait()
            yield
        finally:
            watch.uris[uri] -= 1
            watch.uris += Counter()  # drops URIs without subscribers
            if not watch.uris:
                watch.scope.cancel()
                del self._watches[run_id]
                self._looks.forget(run_id)

    async def _watch(self, run_id: str, watch: _Watch) -> None:
        pause, due = FIRST_LOOK_S, True
        with watch.scope:
            while True:
                if due and (run := await self._look(run_id, watch)):
                    if run.status and await self._looks.changed(run_id, run.status):
                        pause = FIRST_LOOK_S
                        for uri in self._looks.told_of(run_id, watch.uris):
                            await self._bus.publish(ResourceUpdated(uri=uri))
                    if run.is_final:
                        return
                ended = await self._until_next_look(run_id, pause)
                due = ended or await self._looks.due(run_id, pause)
                pause = min(pause * 1.5, LONGEST_LOOK_S)

    async def _look(self, run_id: str, watch: _Watch) -> Run | None:
        """The run; nothing where it cannot be seen now, which it may be at the next look."""
        try:
            return await self._runs.get_run(run_id, include_prompt=False)
        except NotFoundError:
            watch.scope.cancel()
            return None
        except RunsApiError:
            return None
        finally:
            watch.looked.set()

    async def _until_next_look(self, run_id: str, pause: float) -> bool:
        """Wait for so many seconds, or until the run has ended where it is followed, which is told."""
        with anyio.move_on_after(pause):
            if follower := self._followers.find(run_id):
                await follower.ended.wait()
                return True
            await anyio.sleep(pause)
        return False
