"""Pollers of runs: one task polls each run with subscribers, until the run ends or the last subscriber leaves."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
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
LONGEST_FIRST_LOOK_S = 10.0
"""Seconds after which a subscription begins although the API has not answered the first poll."""


@dataclass(slots=True)
class _Watch:
    """A polled run, and the number of subscribers by URI."""

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

    @asynccontextmanager
    async def watching(self, runs: Mapping[str, str]) -> AsyncIterator[None]:
        """Publish each change of status of `runs` (ids by the URIs to publish) for the duration of the block.

        The block begins after the first poll of every run, so that no later change is missed, or after
        `LONGEST_FIRST_LOOK_S` if the API does not answer.
        """
        watches = [self._join(run_id, uri) for uri, run_id in runs.items()]
        try:
            with anyio.move_on_after(LONGEST_FIRST_LOOK_S):
                for watch in watches:
                    await watch.looked.wait()
            yield
        finally:
            for uri, run_id in runs.items():
                self._leave(run_id, uri)

    def _join(self, run_id: str, uri: str) -> _Watch:
        watch = self._watches.get(run_id)
        if watch is None:
            watch = self._watches[run_id] = _Watch()
            self._tasks.start_soon(self._watch, run_id, watch)
        watch.uris[uri] += 1
        return watch

    def _leave(self, run_id: str, uri: str) -> None:
        watch = self._watches[run_id]
        watch.uris[uri] -= 1
        if not watch.uris[uri]:
            del watch.uris[uri]
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
        """Return the run; None if it cannot be read now."""
        try:
            return await self._runs.get_run(run_id, include_prompt=False)
        except NotFoundError:
            watch.scope.cancel()
            return None
        except RunsApiError:
            return None  # the next poll may succeed
        finally:
            watch.looked.set()

    async def _until_next_look(self, run_id: str, pause: float) -> bool:
        """Wait for `pause` seconds, or until the follower of the run ends; return True in the second case."""
        with anyio.move_on_after(pause):
            if follower := self._followers.find(run_id):
                await follower.ended.wait()
                return True
            await anyio.sleep(pause)
        return False
