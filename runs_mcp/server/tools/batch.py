"""Several runs at once: a few at a time, each with an outcome of its own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import anyio

from runs_mcp.api import Run, RunsApiError
from runs_mcp.server.progress import Progress
from runs_mcp.server.render import error_messages
from runs_mcp.server.render.results import Outcome
from runs_mcp.server.runs.background_create import CreateContinuesError, NotSentError
from runs_mcp.server.runs.idempotent_create import LostCreateError, RequestKeyConflictError
from runs_mcp.server.runs.run_stream import Follower
from runs_mcp.server.runs.stream_hub import Followers, FollowingError

AT_ONCE = 8
"""How many runs of one call are created, executed or read at the same time."""
MOST = 50
"""How many runs one call may be about."""

EXPECTED = (RunsApiError, LostCreateError, RequestKeyConflictError, CreateContinuesError, NotSentError)
"""Failures of one run, which do not affect the others."""
Ask = Callable[[], Awaitable[Run]]


async def each(tool: str, asks: Mapping[str, Ask], *, changes: bool) -> list[Outcome]:
    """The outcome of every one of `asks`, in their order; one that fails does not touch the others."""
    at_once = anyio.CapacityLimiter(AT_ONCE)
    outcomes = [Outcome(label) for label in asks]
    async with anyio.create_task_group() as tasks:
        for outcome, ask in zip(outcomes, asks.values(), strict=True):
            tasks.start_soon(partial(_one, tool, outcome, ask, at_once, changes=changes))
    return outcomes


async def watch(
    followers: Followers, outcomes: Sequence[Outcome], following: Mapping[str, Follower], progress: Progress
) -> None:
    """Wait for every run to end, and say so of each; who stops waiting keeps what has ended by then."""

    async def wait_for(outcome: Outcome, follower: Follower) -> None:
        with followers.watching(follower):
            await follower.ended.wait()
        if follower.error:
            cause = FollowingError(follower.run_id, follower.error)
            outcome.run, outcome.failure = None, error_messages.explain("create_run", cause, changes=True)
        outcome.run = follower.run or outcome.run
        ended = sum(one.run is None or one.run.is_final for one in outcomes)
        status = outcome.run.status if outcome.run else "lost from sight"
        await progress.say(f"{ended} of {len(outcomes)} ended: {outcome.label}, run {follower.run_id} {status}\n")

    async with anyio.create_task_group() as tasks:
        for outcome in outcomes:
            if outcome.run and (follower := following.get(outcome.run.id)):
                tasks.start_soon(wait_for, outcome, follower)


async def _one(tool: str, outcome: Outcome, ask: Ask, at_once: anyio.CapacityLimiter, *, changes: bool) -> None:
    async with at_once:
        try:
            outcome.run = await ask()
        except EXPECTED as error:
            outcome.failure = error_messages.explain(tool, error, changes=changes)
