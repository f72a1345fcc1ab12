"""Several runs in one call: a few at a time, each with its own outcome."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count

import anyio
from mcp.server.mcpserver.exceptions import ToolError

from runs_mcp.api import NotFoundError, Run, RunsApiError
from runs_mcp.config.http_settings import Scope
from runs_mcp.server.context import Call, services
from runs_mcp.server.create.background_create import CreateContinuesError, NotSentError
from runs_mcp.server.create.create_limit import CreateLimitError
from runs_mcp.server.create.idempotent_create import LostCreateError, RequestKeyConflictError, may_exist
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.permissions.scopes import CREATE, READ
from runs_mcp.server.progress import Progress
from runs_mcp.server.render import error_messages
from runs_mcp.server.render.outcomes import Outcome
from runs_mcp.server.runs.name_resolver import UnclearNameError
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.runs.stream_hub import FollowingError

AT_ONCE = 8
"""Runs of one call that are created, executed or read at the same time."""

EXPECTED = (
    *(RunsApiError, LostCreateError, RequestKeyConflictError, CreateContinuesError, NotSentError),
    *(CreateLimitError, FollowingError, UnclearNameError, ToolError),
)
"""Failures of one run, which do not affect the others."""
Ask = Callable[[], Awaitable[Run]]


async def each(
    call: Call, asks: Iterable[tuple[str, Ask]], *, scope: Scope = READ, progress: Progress | None = None
) -> list[Outcome]:
    """Return the outcome of each of `asks`, by their labels and in their order; a failure leaves the others alone.

    `progress` receives the number of outcomes so far.
    """
    at_once = anyio.CapacityLimiter(AT_ONCE)
    labelled = [(Outcome(label), ask) for label, ask in asks]
    numbers = count(1)

    async def settle(outcome: Outcome, ask: Ask) -> None:
        async with at_once:
            await _ask(call, outcome, ask, scope=scope)
        if progress:
            await progress.say(f"{next(numbers)} of {len(labelled)} runs\n")

    async with anyio.create_task_group() as tasks:
        for outcome, ask in labelled:
            tasks.start_soon(settle, outcome, ask)
    return [outcome for outcome, _ in labelled]


async def wait_for_ends(
    call: Call, outcomes: Sequence[Outcome], following: Mapping[str, RunStream], progress: Progress
) -> None:
    """Wait until each run has ended, and report each end as progress.

    Outcomes are updated one by one: after a cancellation they hold every run that has ended by then.
    """

    async def wait_for(outcome: Outcome, follower: RunStream) -> None:
        with services(call).hub.waiting_for(follower):
            await follower.ended.wait()
        if follower.error:
            _record(call, outcome, FollowingError(follower.run_id, follower.error), scope=CREATE)
        outcome.run = follower.run or outcome.run
        ended = sum(bool(outcome.failure or (outcome.run and outcome.run.is_final)) for outcome in outcomes)
        status = outcome.run.status if outcome.run else "unknown"
        await progress.say(f"{ended} of {len(outcomes)} ended: {outcome.label}, run {follower.run_id} {status}\n")

    async with anyio.create_task_group() as tasks:
        for outcome in outcomes:
            if outcome.run and (follower := following.get(outcome.run.id)):
                tasks.start_soon(wait_for, outcome, follower)


async def _ask(call: Call, outcome: Outcome, ask: Ask, *, scope: Scope) -> None:
    try:
        outcome.run = await ask()
    except EXPECTED as error:
        _record(call, outcome, error, scope=scope)


def _record(call: Call, outcome: Outcome, error: Exception, *, scope: Scope) -> None:
    """Record the failure of a run; of a run that exists and cannot be read, the outcome keeps the id."""
    offered = offered_tools(call.request_context)
    outcome.failure = error_messages.explain(call.name, error, scope=scope, offered=offered)
    if isinstance(error, FollowingError):
        outcome.run = Run({"id": error.run_id})
    elif scope == READ:
        outcome.without_run = "not found" if isinstance(error, NotFoundError) else "not read"
    elif isinstance(error, CreateContinuesError | LostCreateError | RunsApiError) and may_exist(error):
        outcome.without_run = "unknown"
