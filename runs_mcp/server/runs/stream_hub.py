"""Streams of runs: each is read once, and every caller gets its text from the start."""

import logging
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from functools import partial

import anyio
from anyio.abc import TaskGroup

from runs_mcp.api import Chunk, Run, RunsApiError, RunsClient
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.runs.shared_state import Relay

log = logging.getLogger(__name__)

FIRST_POLL_S = 0.25
LONGEST_POLL_S = 5.0
POLLS_BEFORE_GIVING_UP_ON_A_START = 3


class FollowingError(Exception):
    """A run is there, but its end cannot be seen from here; `cause` says why."""

    def __init__(self, run_id: str, cause: RunsApiError) -> None:
        super().__init__(f"run {run_id} cannot be followed: {cause}")
        self.run_id = run_id
        self.cause = cause


class StreamHub:
    """The runs this process follows, one follower each; of several processes, one opens the stream of a run."""

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

    def find(self, run_id: str) -> RunStream | None:
        """The follower of a run, if it is being followed."""
        return self._following.get(run_id)

    def follow(self, run: Run, *, starts: bool, limiter: AbstractAsyncContextManager[None] | None = None) -> RunStream:
        """Follow `run`, or join the task that already follows it.

        `starts`: open its stream, which is what executes a `created` run, and stays open to its end. Any other run is
        polled instead, since a second stream might execute it again. A `limiter` is held while the stream is open.
        """
        if follower := self._following.get(run.id):
            return follower
        follower = self._following[run.id] = RunStream(run.id)
        self._tasks.start_soon(partial(self._follow, follower, limiter or nullcontext(), starts=starts))
        return follower

    @contextmanager
    def watching(self, follower: RunStream) -> Iterator[None]:
        """Keep `follower` at it while the block lasts."""
        follower.watchers += 1
        try:
            yield
        finally:
            follower.watchers -= 1

    async def _follow(self, follower: RunStream, limiter: AbstractAsyncContextManager[None], *, starts: bool) -> None:
        try:
            role = await self._relay.read(follower)
            if role == "reader":
                follower.end(run=await self._runs.get_run(follower.run_id, include_prompt=False))
                return
            async with self._relay.leading(follower):
                await self._lead(follower, limiter, starts=starts, succeeds=role == "successor")
        except RunsApiError as error:
            follower.end(error=error)
        except Exception:  # one follower's crash must not end the others, nor the server
            log.exception("following run %s crashed", follower.run_id)
            follower.end(error=RunsApiError("following the run failed inside the server"))
        finally:
            del self._following[follower.run_id]

    async def _lead(
        self, follower: RunStream, limiter: AbstractAsyncContextManager[None], *, starts: bool, succeeds: bool
    ) -> None:
        broken: RunsApiError | None = None
        try:
            if starts and not (succeeds and await self._has_started(follower.run_id)):
                async with limiter:
                    broken = await self._read_stream(follower)
            run = await self._poll(follower, broken)
        except RunsApiError as error:
            follower.end(error=error)
            return
        if run and (broken or succeeds) and isinstance(run.result, str):
            follower.complete(run.result)
        follower.end(run=run)

    async def _read_stream(self, follower: RunStream) -> RunsApiError | None:
        """Read the stream to its end, or to that of its run; an error is why it broke off."""
        with anyio.CancelScope() as reading:
            self._reading[follower] = reading
            try:
                return await self._read(follower)
            finally:
                del self._reading[follower]
        return None

    async def _read(self, follower: RunStream) -> RunsApiError | None:
        try:
            async with self._runs.stream_run(follower.run_id) as events:
                async for event in events:
                    if isinstance(event, Chunk):
                        follower.append(event.text)
        except RunsApiError as error:
            return error
        return None

    async def leave_silent_streams(self) -> None:
        """Stop reading streams that stay silent although their runs have ended, for as long as this is run.

        It is one task for all of them: one each would be woken by every chunk.
        """
        while True:
            await anyio.sleep(self._stall_s / 2)
            for follower in [one for one in self._reading if one.silent_s() >= self._stall_s]:
                follower.heard()  # what follows is asked once in a while
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
            return False  # the stream is still open: it may tell

    async def _poll(self, follower: RunStream, broken: RunsApiError | None) -> Run | None:
        """Poll the run until it has ended, or until no caller waits for its end.

        Raises:
            RunsApiError: it cannot be asked for, or its stream could not be opened and it never started.
        """
        pause, unstarted = FIRST_POLL_S, 0
        while True:
            run = await self._runs.get_run(follower.run_id, include_prompt=False)
            if run.is_final:
                return run
            unstarted = unstarted + 1 if run.status == "created" else 0
            if broken and unstarted >= POLLS_BEFORE_GIVING_UP_ON_A_START:
                raise broken
            if not follower.watchers:
                return None
            await anyio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_S)


class Waiting:
    """The calls that wait for runs: each until its deadline, and none once the server is about to stop."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._over = False

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Leave the block at `deadline`, a time of anyio's clock, or when the server is about to stop."""
        with anyio.CancelScope(deadline=deadline) as scope:
            if self._over:
                scope.cancel()
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.remove(scope)

    @property
    def over(self) -> bool:
        """True once no call may wait any more."""
        return self._over

    def end(self) -> None:
        """Have every call that waits answer with how its run stands, now and from now on."""
        self._over = True
        for scope in self._scopes:
            scope.cancel()
