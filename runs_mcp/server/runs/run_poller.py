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

FIRST_POLL_S = 0.5
LONGEST_POLL_S = 5.0
LONGEST_FIRST_POLL_S = 10.0
"""Seconds after which a subscription begins although the API has not answered the first poll."""


@dataclass(slots=True)
class _PolledRun:
    """A polled run, and the number of subscribers by URI."""

    subscribers: Counter[str] = field(default_factory=Counter[str])
    first_poll: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class RunPollers:
    """The pollers of all runs with subscribers: one per run, regardless of the number of subscribers."""

    def __init__(
        self, runs: RunsClient, hub: StreamHub, tasks: TaskGroup, bus: SubscriptionBus, turns: PollTurns
    ) -> None:
        self._runs = runs
        self._hub = hub
        self._tasks = tasks
        self._bus = bus
        self._turns = turns
        self._polled: dict[str, _PolledRun] = {}

    @asynccontextmanager
    async def polling(self, runs: Mapping[str, str]) -> AsyncIterator[None]:
        """Publish each change of status of `runs` (ids by the URIs to publish) for the duration of the block.

        The block begins after the first poll of every run, so that no later change is missed, or after
        `LONGEST_FIRST_POLL_S` if the API does not answer.
        """
        joined = [self._join(run_id, uri) for uri, run_id in runs.items()]
        try:
            with anyio.move_on_after(LONGEST_FIRST_POLL_S):
                for polled in joined:
                    await polled.first_poll.wait()
            yield
        finally:
            for uri, run_id in runs.items():
                self._leave(run_id, uri)

    def _join(self, run_id: str, uri: str) -> _PolledRun:
        polled = self._polled.get(run_id)
        if polled is None:
            polled = self._polled[run_id] = _PolledRun()
            self._tasks.start_soon(self._poll_until_end, run_id, polled)
        polled.subscribers[uri] += 1
        return polled

    def _leave(self, run_id: str, uri: str) -> None:
        polled = self._polled[run_id]
        polled.subscribers[uri] -= 1
        if not polled.subscribers[uri]:
            del polled.subscribers[uri]
        if not polled.subscribers:
            polled.scope.cancel()
            del self._polled[run_id]
            self._turns.forget(run_id)

    async def _poll_until_end(self, run_id: str, polled: _PolledRun) -> None:
        pause, due = FIRST_POLL_S, True
        with polled.scope:
            while True:
                if due and (run := await self._poll(run_id, polled)):
                    if run.status and await self._turns.changed(run_id, run.status):
                        pause = FIRST_POLL_S
                        for uri in self._turns.uris_to_publish(run_id, polled.subscribers):
                            await self._bus.publish(ResourceUpdated(uri=uri))
                    if run.is_final:
                        return
                ended = await self._until_next_poll(run_id, pause)
                due = ended or await self._turns.due(run_id, pause)
                pause = min(pause * 1.5, LONGEST_POLL_S)

    async def _poll(self, run_id: str, polled: _PolledRun) -> Run | None:
        """Return the run; None if it cannot be read now."""
        try:
            return await self._runs.get_run(run_id, include_prompt=False)
        except NotFoundError:
            polled.scope.cancel()
            return None
        except RunsApiError:
            return None  # the next poll may succeed
        finally:
            polled.first_poll.set()

    async def _until_next_poll(self, run_id: str, pause: float) -> bool:
        """Wait for `pause` seconds, or until the follower of the run ends; return True in the second case."""
        with anyio.move_on_after(pause):
            if (follower := self._hub.find(run_id)) and not follower.ended.is_set():
                await follower.ended.wait()
                return True
            await anyio.sleep(pause)
        return False
