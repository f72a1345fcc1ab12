"""The hub of streams: each stream is read once, and every caller gets its text from the start.

Opening the stream of a `created` run executes it, and it is undocumented whether a second request executes it again
(docs/decisions/one-reader-per-stream.md).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from functools import partial

import anyio
from anyio.abc import TaskGroup

from runs_mcp.api import REFUSALS, Chunk, Closed, Run, RunsApiError, RunsClient
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.runs.shared_state import Relay

log = logging.getLogger(__name__)

FIRST_POLL_S = 0.25
LONGEST_POLL_S = 5.0
POLLS_BEFORE_GIVING_UP_ON_A_START = 3

OnStart = Callable[[], None]
"""Called when this process has started a run."""


class FollowingError(Exception):
    """A run exists, but its end cannot be observed; `cause` is the reason."""

    def __init__(self, run_id: str, cause: RunsApiError) -> None:
        super().__init__(f"run {run_id} cannot be followed: {cause}")
        self.run_id = run_id
        self.cause = cause


class StreamHub:
    """The runs that this process follows, with one follower each. Of several processes, only one opens a stream."""

    def __init__(self, runs: RunsClient, tasks: TaskGroup, relay: Relay, *, stall_s: float) -> None:
        self._runs = runs
        self._relay = relay
        self._tasks = tasks
        self._stall_s = stall_s
        self._following: dict[str, RunStream] = {}
        self._reading: dict[RunStream, anyio.CancelScope] = {}

    @property
    def count(self) -> int:
        """The number of runs that are being followed."""
        return len(self._following)

    @property
    def run_ids(self) -> list[str]:
        """The ids of the runs that are being followed."""
        return list(self._following)

    def find(self, run_id: str) -> RunStream | None:
        """Return the follower of a run; None if the run is not followed."""
        return self._following.get(run_id)

    def follow(
        self,
        run: Run,
        *,
        on_start: OnStart | None = None,
        limiter: AbstractAsyncContextManager[None] | None = None,
    ) -> RunStream:
        """Follow `run`, or join the task that already follows it.

        With `on_start`, the stream is opened, which executes a `created` run and stays open to its end; `on_start` is
        called once the run has started. Any other run is polled instead, since a second stream might execute it again.
        A `limiter` is held while the stream is open.
        """
        if follower := self._following.get(run.id):
            return follower
        follower = self._following[run.id] = RunStream(run.id)
        self._tasks.start_soon(partial(self._follow, follower, limiter or nullcontext(), on_start))
        return follower

    @contextmanager
    def waiting_for(self, follower: RunStream) -> Iterator[None]:
        """Count a caller that waits for the end of `follower` in the block; without any, the run is not polled."""
        follower.waiting += 1
        try:
            yield
        finally:
            follower.waiting -= 1

    async def _follow(
        self, follower: RunStream, limiter: AbstractAsyncContextManager[None], on_start: OnStart | None
    ) -> None:
        try:
            role = await self._relay.read(follower)
            if role == "reader":
                follower.end(run=await self._runs.get_run(follower.run_id, include_prompt=False))
                return
            async with self._relay.leading(follower):
                await self._lead(follower, limiter, on_start, succeeds=role == "successor")
        except RunsApiError as error:
            follower.end(error=error)
        except Exception:  # the crash of a follower must not end the other followers or the server
            log.exception("following run %s crashed", follower.run_id)
            follower.end(error=RunsApiError("following the run failed inside the server"))
        finally:
            del self._following[follower.run_id]

    async def _lead(
        self,
        follower: RunStream,
        limiter: AbstractAsyncContextManager[None],
        on_start: OnStart | None,
        *,
        succeeds: bool,
    ) -> None:
        broken: RunsApiError | None = None
        try:
            # After another process, the stream is opened only if the run has not started.
            if on_start and not (succeeds and await self._has_started(follower.run_id)):
                async with limiter:
                    broken = await self._read_stream(follower, on_start)
            run = await self._poll(follower, broken, on_start)
        except REFUSALS as error:
            # A credential that may only execute runs cannot read them.
            streamed = follower.streamed_run(
                f"The run cannot be read ({error.status}): this is the text of its stream."
            )
            follower.end(run=streamed, error=None if streamed else error)
            return
        except RunsApiError as error:
            follower.end(error=error)
            return
        # Text that was lost with a broken stream is taken from the result.
        if run and (broken or succeeds) and isinstance(run.result, str):
            follower.complete(run.result)
        follower.end(run=run)

    async def _read_stream(self, follower: RunStream, on_start: OnStart) -> RunsApiError | None:
        """Read the stream until it or its run ends; return the error that interrupted it, if any."""
        with anyio.CancelScope() as reading:
            self._reading[follower] = reading
            try:
                return await self._read(follower, on_start)
            finally:
                del self._reading[follower]
        return None

    async def _read(self, follower: RunStream, on_start: OnStart) -> RunsApiError | None:
        try:
            async with self._runs.stream_run(follower.run_id) as events:
                follower.started = True
                on_start()
                async for event in events:
                    if isinstance(event, Chunk):
                        follower.append(event.text)
                    elif isinstance(event, Closed):
                        follower.closed = event
        except RunsApiError as error:
            return error
        return None

    async def leave_silent_streams(self) -> None:
        """Stop reading streams that are silent although their runs have ended, until cancelled."""
        # A single task for all streams: a task per stream would wake up with each chunk to reset its timer.
        while True:
            await anyio.sleep(self._stall_s / 2)
            for follower in [reading for reading in self._reading if reading.silent_s() >= self._stall_s]:
                follower.heard()  # the next check is due after another `stall_s`
                self._tasks.start_soon(self._leave_with_the_run, follower)

    async def _leave_with_the_run(self, follower: RunStream) -> None:
        if await self._has_ended(follower.run_id) and follower in self._reading:
            self._reading[follower].cancel()

    async def _has_started(self, run_id: str) -> bool:
        return (await self._runs.get_run(run_id, include_prompt=False)).status != "created"

    async def _has_ended(self, run_id: str) -> bool:
        try:
            return (await self._runs.get_run(run_id, include_prompt=False)).is_final
        except RunsApiError:
            return False  # the stream is still open and may report the end

    async def _poll(self, follower: RunStream, broken: RunsApiError | None, on_start: OnStart | None) -> Run | None:
        """Poll the run until it has ended, or until no caller waits for its end.

        Raises:
            RunsApiError: the run cannot be read, or its stream could not be opened and it never started.
        """
        pause, unstarted = FIRST_POLL_S, 0
        while True:
            run = await self._runs.get_run(follower.run_id, include_prompt=False)
            if broken and on_start and not follower.started and run.status != "created":
                follower.started = True  # by the stream whose answer was lost
                on_start()
            if run.is_final:
                return run
            unstarted = unstarted + 1 if run.status == "created" else 0
            if broken and unstarted >= POLLS_BEFORE_GIVING_UP_ON_A_START:
                raise broken
            if not follower.waiting:
                return None
            await anyio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_S)
